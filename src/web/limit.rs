//! How often somebody may fail to sign in.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// Failures from one address within [`PERIOD`].
const MOST: usize = 10;
/// The pause after them, and how long a failure is remembered.
const PERIOD: TimeDelta = TimeDelta::minutes(1);
/// Addresses that are remembered at once: a flood from many costs no memory.
const ROOM: usize = 4096;

/// Failed sign-ins of the last minute, by address.
#[derive(Debug, Default)]
pub(super) struct Attempts(Mutex<BTreeMap<IpAddr, Vec<DateTime<Utc>>>>);

impl Attempts {
    /// How long this address has to wait; `None`: not at all.
    pub(super) fn pause(&self, from: IpAddr, now: DateTime<Utc>) -> Option<Duration> {
        let mut attempts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let failures = attempts.get_mut(&from)?;
        failures.retain(|at| now - *at < PERIOD);
        if failures.len() < MOST {
            return None;
        }
        let first = failures.first()?;
        (*first + PERIOD - now).to_std().ok()
    }

    /// Remembers a failure.
    pub(super) fn failed(&self, from: IpAddr, now: DateTime<Utc>) {
        let mut attempts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if attempts.len() >= ROOM {
            attempts.retain(|_, failures| failures.iter().any(|at| now - *at < PERIOD));
        }
        if attempts.len() >= ROOM {
            attempts.pop_first();
        }
        let failures = attempts.entry(from).or_default();
        if failures.len() >= MOST {
            failures.remove(0);
        }
        failures.push(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_ten_failures_an_address_waits_and_others_do_not() {
        let attempts = Attempts::default();
        let (one, other) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let start: DateTime<Utc> = "2026-11-23T06:00:00Z".parse().unwrap();
        let at = |seconds| start + TimeDelta::seconds(seconds);
        for second in 0..10 {
            assert_eq!(attempts.pause(one, at(second)), None);
            attempts.failed(one, at(second));
        }
        assert_eq!(attempts.pause(one, at(10)), Some(Duration::from_secs(50)));
        assert_eq!(attempts.pause(other, at(10)), None);
        assert_eq!(attempts.pause(one, at(60)), None);
    }

    #[test]
    fn a_flood_from_many_addresses_is_bounded() {
        let attempts = Attempts::default();
        let now: DateTime<Utc> = "2026-11-23T06:00:00Z".parse().unwrap();
        for n in 0..10_000u32 {
            attempts.failed(IpAddr::from(n.to_be_bytes()), now);
        }
        assert!(attempts.0.lock().unwrap().len() <= ROOM);
    }
}
