//! When each account of a tick has its turn.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::House;
use crate::model::{AccountId, Digest, RuleName};

impl House {
    /// Over how long the accounts of a tick of these rules are spread: as declared, and half the time until one of them is due
    /// again at most, so that a tick is over before the next one.
    pub(super) fn spread(&self, due: &BTreeMap<RuleName, DateTime<Utc>>) -> TimeDelta {
        let config = &self.config;
        let until_next = |(rule, since): (&RuleName, &DateTime<Utc>)| {
            let next = config.schedule_of(rule)?.next_after(*since)?;
            Some(next - *since)
        };
        let most = due.iter().filter_map(until_next).min().map(|time| time / 2);
        let declared = config.schedule.spread_over.delta();
        most.map_or(declared, |most| declared.min(most))
    }
}

/// How long after the beginning of a tick this account has its turn: between nothing and all of `spread`, the same every time.
pub(super) fn offset(account: &AccountId, spread: TimeDelta) -> TimeDelta {
    let digest = Digest::of_bytes(account.as_str().as_bytes());
    // Eight digits of a digest are as good as chance.
    let part = i64::from_str_radix(digest.short(8), 16).unwrap_or_default();
    let millis = i128::from(spread.num_milliseconds()) * i128::from(part) / (1_i128 << 32);
    TimeDelta::milliseconds(i64::try_from(millis).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_account_has_a_moment_of_its_own_and_keeps_it() {
        let hour = TimeDelta::hours(1);
        let ids: Vec<_> = (0..1000)
            .map(|n| AccountId::parse(&format!("{:012}", 100_000_000_000_u64 + n)).unwrap())
            .collect();
        let offsets: Vec<_> = ids.iter().map(|id| offset(id, hour)).collect();
        assert!(
            offsets
                .iter()
                .all(|offset| (TimeDelta::zero()..hour).contains(offset))
        );
        // In each tenth of the hour about as many.
        for tenth in 0..10 {
            let (from, until) = (hour * tenth / 10, hour * (tenth + 1) / 10);
            let there = offsets
                .iter()
                .filter(|offset| (from..until).contains(offset))
                .count();
            assert!((50..=150).contains(&there), "{there} in tenth {tenth}");
        }
        assert_eq!(offsets, ids.iter().map(|id| offset(id, hour)).collect::<Vec<_>>());
        assert!(ids.iter().all(|id| offset(id, TimeDelta::zero()).is_zero()));
    }
}
