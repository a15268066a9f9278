//! The only place that asks the machine what time it is.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::watch;

/// The longest nap of [`Clock::sleep_until`]: after it the wall clock is read again, so that a clock that was set,
/// or a machine that was suspended, is noticed that soon.
const NAP: Duration = Duration::from_secs(5);

/// Where the time comes from. Everything else takes `now` as an argument.
#[derive(Debug, Clone)]
pub struct Clock(Source);

#[derive(Debug, Clone)]
enum Source {
    System,
    Manual(watch::Receiver<DateTime<Utc>>),
}

impl Clock {
    /// The machine's wall clock, in UTC.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands still until its hand is moved, for tests.
    pub fn manual(at: DateTime<Utc>) -> (Self, ClockHand) {
        let (hand, time) = watch::channel(at);
        (Self(Source::Manual(time)), ClockHand(hand))
    }

    /// The time now.
    pub fn now(&self) -> DateTime<Utc> {
        match &self.0 {
            #[allow(
                clippy::disallowed_methods,
                reason = "this is the clock that all others are told to use"
            )]
            Source::System => Utc::now(),
            Source::Manual(time) => *time.borrow(),
        }
    }

    /// Returns once the wall clock shows `at` or later; at once if it already does. Returns early where the clock is
    /// set back meanwhile, because what was worked out before may no longer hold: look at the clock again.
    pub async fn sleep_until(&self, at: DateTime<Utc>) {
        let mut before = self.now();
        match &self.0 {
            Source::System => loop {
                let now = self.now();
                if now >= at || now < before {
                    return;
                }
                before = now;
                tokio::time::sleep((at - now).to_std().unwrap_or_default().min(NAP)).await;
            },
            Source::Manual(time) => {
                // An error says that the hand is gone: this clock never moves again, so the time never comes.
                if time
                    .clone()
                    .wait_for(|now| *now >= at || *now < before)
                    .await
                    .is_err()
                {
                    std::future::pending::<()>().await;
                }
            }
        }
    }

    /// Returns after a stretch of time, whatever is done to the wall clock meanwhile.
    pub async fn sleep(&self, stretch: Duration) {
        match &self.0 {
            Source::System => tokio::time::sleep(stretch).await,
            Source::Manual(time) => {
                let stretch = TimeDelta::from_std(stretch).unwrap_or(TimeDelta::MAX);
                let at = self
                    .now()
                    .checked_add_signed(stretch)
                    .unwrap_or(DateTime::<Utc>::MAX_UTC);
                if time.clone().wait_for(|now| *now >= at).await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        }
    }
}

/// Moves a manual clock.
#[derive(Debug)]
pub struct ClockHand(watch::Sender<DateTime<Utc>>);

impl ClockHand {
    /// Sets the clock, forwards or backwards, and wakes whoever waited for that time.
    pub fn set(&self, at: DateTime<Utc>) {
        self.0.send_replace(at);
    }

    /// How many look at the clock: its copies, and whoever sleeps by it. It rises when somebody lies down.
    pub fn watchers(&self) -> usize {
        self.0.receiver_count()
    }

    /// Moves the clock forwards by that much.
    pub fn advance(&self, by: Duration) {
        let by = TimeDelta::from_std(by).unwrap_or(TimeDelta::MAX);
        self.0
            .send_modify(|now| *now = now.checked_add_signed(by).unwrap_or(DateTime::<Utc>::MAX_UTC));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn a_manual_clock_moves_only_by_its_hand() {
        let (clock, hand) = Clock::manual(at("2026-11-23T06:00:00Z"));
        assert_eq!(clock.now(), at("2026-11-23T06:00:00Z"));
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move {
                clock.sleep_until(at("2026-11-23T06:00:10Z")).await;
                clock.now()
            }
        });
        hand.advance(Duration::from_secs(9));
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        hand.set(at("2026-11-23T07:00:00Z"));
        assert_eq!(sleeper.await.unwrap(), at("2026-11-23T07:00:00Z"));
        hand.set(at("2026-11-23T05:00:00Z"));
        assert_eq!(clock.now(), at("2026-11-23T05:00:00Z"));
    }

    #[tokio::test]
    async fn a_clock_set_back_ends_the_sleep() {
        let (clock, hand) = Clock::manual(at("2026-11-23T06:00:00Z"));
        let mut sleep = std::pin::pin!(clock.sleep_until(at("2026-11-24T06:00:00Z")));
        assert!(futures_util::poll!(&mut sleep).is_pending());
        hand.set(at("2026-11-22T06:00:00Z"));
        sleep.await;
    }

    #[tokio::test]
    async fn what_is_past_needs_no_sleep() {
        let clock = Clock::system();
        let before = clock.now();
        clock.sleep_until(before).await;
        clock.sleep_until(before - TimeDelta::days(1)).await;
        clock.sleep_until(before + TimeDelta::milliseconds(20)).await;
        assert!(clock.now() >= before + TimeDelta::milliseconds(20));
    }
}
