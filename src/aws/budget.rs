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
    fn default() -> Self {
        Self {
            per_second: 15.0,
            burst: 30.0,
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

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    per_second: f64,
    filled_at: Instant,
    cut_at: Option<Instant>,
}

/// The call budget of one account, and the count of all its calls.
#[derive(Debug)]
pub struct CallBudget {
    rate: CallRate,
    bucket: Mutex<Bucket>,
    counts: Mutex<BTreeMap<(String, CallResult), u64>>,
}

impl CallBudget {
    /// A full budget.
    pub fn new(rate: CallRate) -> Self {
        Self {
            rate,
            bucket: Mutex::new(Bucket {
                tokens: rate.burst,
                per_second: rate.per_second,
                filled_at: Instant::now(),
                cut_at: None,
            }),
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
        let mut bucket = lock(&self.bucket);
        bucket.fill(self.rate.burst);
        bucket.tokens -= 1.0;
        if bucket.tokens >= 0.0 {
            Duration::ZERO
        } else {
            Duration::try_from_secs_f64(-bucket.tokens / bucket.per_second).unwrap_or(Duration::MAX)
        }
    }

    /// Records how an attempt went, and adjusts the rate.
    pub(super) fn record(&self, operation: &str, result: CallResult) {
        *lock(&self.counts)
            .entry((operation.to_owned(), result))
            .or_default() += 1;
        let mut bucket = lock(&self.bucket);
        bucket.fill(self.rate.burst);
        match result {
            CallResult::Throttled => {
                let now = Instant::now();
                if bucket
                    .cut_at
                    .is_none_or(|cut| now.duration_since(cut) >= CUT_INTERVAL)
                {
                    bucket.cut_at = Some(now);
                    bucket.per_second = (bucket.per_second / 2.0).max(self.rate.floor);
                    bucket.tokens = bucket.tokens.min(1.0);
                }
            }
            CallResult::Ok => {
                bucket.per_second = (bucket.per_second + GROWTH).min(self.rate.per_second);
            }
            CallResult::Denied | CallResult::Error => {}
        }
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

impl Bucket {
    fn fill(&mut self, burst: f64) {
        let now = Instant::now();
        let passed = now.saturating_duration_since(self.filled_at).as_secs_f64();
        self.tokens = (self.tokens + passed * self.per_second).min(burst);
        self.filled_at = now;
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

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_free_and_then_the_rate_holds() {
        let budget = CallBudget::new(RATE);
        let start = Instant::now();
        for _ in 0..5 {
            budget.acquire().await;
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
        for _ in 0..20 {
            budget.acquire().await;
        }
        let spent = start.elapsed().as_secs_f64();
        assert!((1.99..2.1).contains(&spent), "{spent}");
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_callers_share_the_rate() {
        let budget = CallBudget::new(RATE);
        let start = Instant::now();
        futures_util::future::join_all((0..25).map(|_| budget.acquire())).await;
        let spent = start.elapsed().as_secs_f64();
        assert!((1.99..2.1).contains(&spent), "{spent}");
    }

    #[tokio::test(start_paused = true)]
    async fn throttles_halve_the_rate_down_to_the_floor_and_answers_raise_it_again() {
        let budget = CallBudget::new(RATE);
        budget.record("iam:X", CallResult::Throttled);
        budget.record("iam:X", CallResult::Throttled);
        assert_eq!(budget.per_second(), 5.0, "one burst is one cut");
        for _ in 0..10 {
            tokio::time::advance(CUT_INTERVAL).await;
            budget.record("iam:X", CallResult::Throttled);
        }
        assert_eq!(budget.per_second(), RATE.floor);
        for _ in 0..200 {
            budget.record("iam:X", CallResult::Ok);
        }
        assert_eq!(budget.per_second(), RATE.per_second);
    }

    #[tokio::test(start_paused = true)]
    async fn a_retry_inside_the_sdk_is_paid_by_the_next_call() {
        let budget = CallBudget::new(RATE);
        for _ in 0..10 {
            budget.take();
        }
        let start = Instant::now();
        budget.acquire().await;
        assert!(start.elapsed() > Duration::from_millis(500));
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
