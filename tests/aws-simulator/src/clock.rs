//! The simulator's own clock: it runs, stands still or jumps, whatever the wall clock does.

use std::sync::Mutex;
use std::time::Instant;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

use crate::lock;

/// A clock that tests move as they like. All dates the simulator writes come from it.
#[derive(Debug)]
pub struct Clock {
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy)]
struct State {
    at: DateTime<Utc>,
    /// When the clock was last set, by the machine's monotonic clock; absent while it stands still.
    running_since: Option<Instant>,
}

impl State {
    fn now(self) -> DateTime<Utc> {
        let elapsed = self
            .running_since
            .and_then(|since| TimeDelta::from_std(since.elapsed()).ok())
            .unwrap_or_default();
        self.at.checked_add_signed(elapsed).unwrap_or(self.at)
    }
}

impl Clock {
    /// A clock that runs on from `at`.
    pub fn running(at: DateTime<Utc>) -> Self {
        Self {
            state: Mutex::new(State {
                at,
                running_since: Some(Instant::now()),
            }),
        }
    }

    /// A clock that stands still at `at`.
    pub fn frozen(at: DateTime<Utc>) -> Self {
        Self {
            state: Mutex::new(State {
                at,
                running_since: None,
            }),
        }
    }

    /// The present time, to the second, as AWS writes it.
    pub fn now(&self) -> DateTime<Utc> {
        lock(&self.state).now().trunc_subsecs(0)
    }

    /// Puts the clock to `at`; it goes on running or standing still as before.
    pub fn set(&self, at: DateTime<Utc>) {
        let mut state = lock(&self.state);
        state.at = at;
        state.running_since = state.running_since.map(|_| Instant::now());
    }

    /// Moves the clock by `step`, back if it is negative.
    pub fn advance(&self, step: TimeDelta) {
        let mut state = lock(&self.state);
        state.at = state.at.checked_add_signed(step).unwrap_or(state.at);
    }

    /// Stops the clock where it is.
    pub fn freeze(&self) {
        let mut state = lock(&self.state);
        *state = State {
            at: state.now(),
            running_since: None,
        };
    }

    /// Lets the clock run on from where it is.
    pub fn run(&self) {
        let mut state = lock(&self.state);
        *state = State {
            at: state.now(),
            running_since: Some(Instant::now()),
        };
    }

    /// Whether the clock stands still.
    pub fn is_frozen(&self) -> bool {
        lock(&self.state).running_since.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noon() -> DateTime<Utc> {
        DateTime::from_timestamp(1_788_264_000, 0).unwrap_or_default()
    }

    #[test]
    fn a_frozen_clock_moves_only_when_told() {
        let clock = Clock::frozen(noon());
        assert_eq!(clock.now(), noon());
        clock.advance(TimeDelta::hours(3));
        assert_eq!(clock.now(), noon() + TimeDelta::hours(3));
        clock.set(noon());
        assert_eq!(clock.now(), noon());
        assert!(clock.is_frozen());
    }

    #[test]
    fn a_running_clock_can_be_stopped_and_started() {
        let clock = Clock::running(noon());
        assert!(!clock.is_frozen());
        clock.freeze();
        assert!(clock.is_frozen());
        clock.run();
        assert!(clock.now() >= noon());
    }
}
