//! The log of all calls.

use std::collections::BTreeMap;
use std::sync::Mutex;

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};

use crate::lock;
use crate::wire::service::Service;

/// One call, as it came and as it went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Call {
    /// The first call is number 1.
    pub n: u64,
    /// When it came, by the simulator's clock.
    pub at: DateTime<Utc>,
    /// The caller's account, if the access key is known.
    pub account: Option<String>,
    /// The caller's ARN, if the access key is known.
    pub caller: Option<String>,
    /// The region the call was signed for.
    pub region: String,
    /// The service.
    pub service: Service,
    /// The operation's name.
    pub operation: String,
    /// Its parameters, without secrets.
    pub parameters: BTreeMap<String, String>,
    /// Whether it is an operation that changes something.
    pub mutates: bool,
    /// Whether it was carried out.
    pub took_effect: bool,
    /// What was answered.
    pub outcome: Outcome,
}

/// What was answered to a call. As JSON a word: `pending`, `ok`, `no answer`, or the error's code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing yet.
    Pending,
    /// A success.
    Ok,
    /// An error with this code.
    Error(String),
    /// The connection ended without an answer.
    NoAnswer,
}

impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            Self::Pending => "pending",
            Self::Ok => "ok",
            Self::Error(code) => code,
            Self::NoAnswer => "no answer",
        })
    }
}

/// How often each operation was called, as `iam:ListUsers`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// All calls.
    pub total: u64,
    /// Calls of operations that change something.
    pub mutations: u64,
    /// Calls that changed something.
    pub effects: u64,
    /// Calls that got an error or no answer.
    pub failures: u64,
    /// By operation.
    pub operations: BTreeMap<String, u64>,
}

#[derive(Debug, Default)]
pub(crate) struct CallLog {
    calls: Mutex<Log>,
}

#[derive(Debug, Default)]
struct Log {
    last: u64,
    calls: Vec<Call>,
}

impl CallLog {
    /// Takes a call down; it gets its number here.
    pub(crate) fn begin(&self, mut call: Call) -> u64 {
        let mut log = lock(&self.calls);
        log.last += 1;
        call.n = log.last;
        log.calls.push(call);
        log.last
    }

    fn change(&self, n: u64, change: impl FnOnce(&mut Call)) {
        let mut log = lock(&self.calls);
        if let Ok(index) = log.calls.binary_search_by_key(&n, |call| call.n) {
            change(&mut log.calls[index]);
        }
    }

    pub(crate) fn took_effect(&self, n: u64) {
        self.change(n, |call| call.took_effect = true);
    }

    /// Notes what was answered; what was noted first stays.
    pub(crate) fn end(&self, n: u64, outcome: Outcome) {
        self.change(n, |call| {
            if call.outcome == Outcome::Pending {
                call.outcome = outcome;
            }
        });
    }

    pub(crate) fn all(&self) -> Vec<Call> {
        lock(&self.calls).calls.clone()
    }

    /// Forgets all calls; numbers go on.
    pub(crate) fn clear(&self) {
        lock(&self.calls).calls.clear();
    }

    pub(crate) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for call in &lock(&self.calls).calls {
            counts.total += 1;
            counts.mutations += u64::from(call.mutates);
            counts.effects += u64::from(call.mutates && call.took_effect);
            counts.failures += u64::from(matches!(call.outcome, Outcome::Error(_) | Outcome::NoAnswer));
            let name = format!("{}:{}", call.service.name(), call.operation);
            *counts.operations.entry(name).or_default() += 1;
        }
        counts
    }
}
