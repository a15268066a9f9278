//! How often an account may be called, and how often it was.
//!
//! IAM throttles per account, at rates that AWS does not publish, shared with everyone else who calls IAM there. So
//! there is one [`CallBudget`] per account, for reads and writes of all rules together: a token bucket whose rate is
//! halved on every throttle and grows back with every answer.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::model::AccountId;

/// How much of a token a good answer adds to the rate, in calls per second.
const GROWTH: f64 = 0.1;
/// Throttles within this time of a cut belong to the same burst and cut no further.
const CUT_INTERVAL: Duration = Duration::from_secs(1);

/// How fast an account may be called.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CallRate {
    /// Calls a second, at most.
    pub per_second: f64,
    /// How many may be made at once after a pause.
    pub burst: f64,
    /// Calls a second, at least, however often AWS throttles.
    pub floor: f64,
}

impl Default for CallRate {
    /// A plan of a large account that is tidy fits into one burst. What AWS allows is neither published nor the same
    /// for every operation and account: where this is too fast, the first throttle empties the bucket and halves the
    /// rate.
    fn default() -> Self {
        Self {
            per_second: 40.0,
            burst: 200.0,
            floor: 0.5,
        }
    }
}

/// How a call went, as the metrics tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CallResult {
    /// Answered. "No such entity" is an answer.
    Ok,
    /// Asked to slow down.
    Throttled,
    /// Not allowed.
    Denied,
    /// Anything else.
    Error,
}

impl CallResult {
    /// The metric's label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Throttled => "throttled",
            Self::Denied => "denied",
            Self::Error => "error",
        }
    }
}

/// How often an operation went this way in an account, since the process started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallCount {
    /// The account.
    pub account: AccountId,
    /// Such as `iam:ListAccessKeys`.
    pub operation: String,
    /// How it went.
    pub result: CallResult,
    /// How often.
    pub count: u64,
}

/// The bucket itself: a value that is told the time.
#[derive(Debug)]
struct Bucket {
    rate: CallRate,
    tokens: f64,
    per_second: f64,
    filled_at: Instant,
    cut_at: Option<Instant>,
}

impl Bucket {
    fn full(rate: CallRate, now: Instant) -> Self {
        Self {
            rate,
            tokens: rate.burst,
            per_second: rate.per_second,
            filled_at: now,
            cut_at: None,
        }
    }

    fn fill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.filled_at).as_secs_f64();
        self.tokens = (self.tokens + passed * self.per_second).min(self.rate.burst);
        self.filled_at = now;
    }

    /// Takes a token, and says how long until it is there.
    fn take(&mut self, now: Instant) -> Duration {
        self.fill(now);
        self.tokens -= 1.0;
        if self.tokens >= 0.0 {
            Duration::ZERO
        } else {
            Duration::try_from_secs_f64(-self.tokens / self.per_second).unwrap_or(Duration::MAX)
        }
    }

    fn answered(&mut self, result: CallResult, now: Instant) {
        self.fill(now);
        match result {
            CallResult::Throttled => {
                let same_burst = self
                    .cut_at
                    .is_some_and(|cut| now.saturating_duration_since(cut) < CUT_INTERVAL);
                if !same_burst {
                    self.cut_at = Some(now);
                    self.per_second = (self.per_second / 2.0).max(self.rate.floor);
                    self.tokens = self.tokens.min(1.0);
                }
            }
            CallResult::Ok => {
                self.per_second = (self.per_second + GROWTH).min(self.rate.per_second);
            }
            CallResult::Denied | CallResult::Error => {}
        }
    }
}

/// The call budget of one account, and the count of all its calls.
#[derive(Debug)]
pub struct CallBudget {
    bucket: Mutex<Bucket>,
    counts: Mutex<BTreeMap<(String, CallResult), u64>>,
}

impl CallBudget {
    /// A full budget.
    pub fn new(rate: CallRate) -> Self {
        Self {
            bucket: Mutex::new(Bucket::full(rate, Instant::now())),
            counts: Mutex::default(),
        }
    }

    /// Waits until a call may be made, and takes its token.
    pub async fn acquire(&self) {
        let wait = self.take();
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }

    /// Takes a token, if need be one that is only there after the time returned. Retries inside the SDK take theirs
    /// without waiting (they have their own backoff); whoever comes next pays for them.
    pub(super) fn take(&self) -> Duration {
        lock(&self.bucket).take(Instant::now())
    }

    /// Records how an attempt went, and adjusts the rate.
    pub(super) fn record(&self, operation: &str, result: CallResult) {
        *lock(&self.counts)
            .entry((operation.to_owned(), result))
            .or_default() += 1;
        lock(&self.bucket).answered(result, Instant::now());
    }

    /// The rate allowed now, in calls a second.
    pub fn per_second(&self) -> f64 {
        lock(&self.bucket).per_second
    }

    /// All counts, by operation and result.
    pub fn counts(&self, account: &AccountId) -> Vec<CallCount> {
        let counts = lock(&self.counts);
        let count = |((operation, result), count): (&(String, CallResult), &u64)| CallCount {
            account: account.clone(),
            operation: operation.clone(),
            result: *result,
            count: *count,
        };
        counts.iter().map(count).collect()
    }

    /// Takes over what was counted before it was known which account it is.
    pub(super) fn absorb(&self, other: &Self) {
        let others = std::mem::take(&mut *lock(&other.counts));
        let mut counts = lock(&self.counts);
        for (key, count) in others {
            *counts.entry(key).or_default() += count;
        }
    }
}

/// How often each operation was attempted by one session: what a plan shows as `api_calls`.
#[derive(Debug, Default)]
pub(super) struct CallCounter(Mutex<BTreeMap<String, u64>>);

impl CallCounter {
    pub(super) fn add(&self, operation: &str) {
        *lock(&self.0).entry(operation.to_owned()).or_default() += 1;
    }

    /// The counts up to now.
    pub(super) fn counts(&self) -> BTreeMap<String, u64> {
        lock(&self.0).clone()
    }
}

/// The values behind these locks are whole at every moment, so a panic elsewhere does not spoil them.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: CallRate = CallRate {
        per_second: 10.0,
        burst: 5.0,
        floor: 1.0,
    };

    #[test]
    fn a_burst_is_free_and_then_the_rate_holds() {
        let start = Instant::now();
        let mut bucket = Bucket::full(RATE, start);
        let waits: Vec<_> = (0..25).map(|_| bucket.take(start)).collect();
        assert!(waits.iter().take(5).all(Duration::is_zero));
        assert_eq!(waits.get(5), Some(&Duration::from_millis(100)));
        assert_eq!(
            waits.last(),
            Some(&Duration::from_secs(2)),
            "whoever waits is in line"
        );
        let later = start + Duration::from_secs(60);
        assert!((0..5).all(|_| bucket.take(later).is_zero()));
        assert!(
            !bucket.take(later).is_zero(),
            "a pause saves up one burst, no more"
        );
    }

    #[test]
    fn throttles_halve_the_rate_down_to_the_floor_and_answers_raise_it_again() {
        let start = Instant::now();
        let mut bucket = Bucket::full(RATE, start);
        bucket.answered(CallResult::Throttled, start);
        bucket.answered(CallResult::Throttled, start);
        assert_eq!(bucket.per_second, 5.0, "one burst is one cut");
        assert!(bucket.tokens <= 1.0);
        for n in 1..10 {
            bucket.answered(CallResult::Throttled, start + CUT_INTERVAL * n);
        }
        assert_eq!(bucket.per_second, RATE.floor);
        for _ in 0..200 {
            bucket.answered(CallResult::Ok, start);
        }
        assert_eq!(bucket.per_second, RATE.per_second);
    }

    #[test]
    fn counts_by_operation_and_result() {
        let account = AccountId::parse("123456789012").unwrap();
        let (budget, before) = (CallBudget::new(RATE), CallBudget::new(RATE));
        before.record("sts:GetCallerIdentity", CallResult::Ok);
        budget.record("iam:ListAccessKeys", CallResult::Ok);
        budget.record("iam:ListAccessKeys", CallResult::Denied);
        budget.record("iam:ListAccessKeys", CallResult::Ok);
        budget.absorb(&before);
        let counts: Vec<_> = budget
            .counts(&account)
            .into_iter()
            .map(|c| (c.operation, c.result.as_str(), c.count))
            .collect();
        assert_eq!(
            counts,
            [
                ("iam:ListAccessKeys".to_owned(), "ok", 2),
                ("iam:ListAccessKeys".to_owned(), "denied", 1),
                ("sts:GetCallerIdentity".to_owned(), "ok", 1),
            ]
        );
    }
}
