//! Whether the daemon can do its work, as `/readyz` tells it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use serde::Serialize;

/// What has to hold for the daemon to do its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Check {
    /// The state answers.
    StateReachable,
    /// The state can be written: the disk has room, and the database is no read-only copy.
    StateWritable,
    /// The scheduler looks after its rules.
    SchedulerRunning,
    /// A configuration is in force.
    PolicyLoaded,
}

impl Check {
    /// Every check, in order.
    pub const ALL: [Self; 4] = [
        Self::StateReachable,
        Self::StateWritable,
        Self::SchedulerRunning,
        Self::PolicyLoaded,
    ];

    /// The name in `/readyz`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StateReachable => "state_reachable",
            Self::StateWritable => "state_writable",
            Self::SchedulerRunning => "scheduler_running",
            Self::PolicyLoaded => "policy_loaded",
        }
    }
}

#[derive(Debug, Clone)]
enum Verdict {
    Holds,
    HoldsUntil(DateTime<Utc>),
    Fails(String),
}

/// The checks as last reported by whoever makes them. Shared; a check that nobody reported fails.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<Mutex<BTreeMap<Check, Verdict>>>);

/// What `/readyz` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReadinessReport {
    /// Whether every check holds.
    pub ready: bool,
    /// Every check, by name.
    pub checks: BTreeMap<&'static str, CheckReport>,
}

/// One check in `/readyz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    /// Whether it holds.
    pub ok: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Readiness {
    /// Nothing has been checked yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The check holds until somebody says otherwise.
    pub fn pass(&self, check: Check) {
        self.set(check, Verdict::Holds);
    }

    /// The check holds, but not for ever: for what is probed regularly, so that a probe that hangs shows.
    pub fn pass_until(&self, check: Check, until: DateTime<Utc>) {
        self.set(check, Verdict::HoldsUntil(until));
    }

    /// The check fails. The reason is shown to whoever asks `/readyz`, so it names nothing secret.
    pub fn fail(&self, check: Check, reason: impl Into<String>) {
        self.set(check, Verdict::Fails(reason.into()));
    }

    /// All checks as they stand now.
    pub fn report(&self, now: DateTime<Utc>) -> ReadinessReport {
        let verdicts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let checks: BTreeMap<_, _> = Check::ALL
            .into_iter()
            .map(|check| {
                let reason = match verdicts.get(&check) {
                    Some(Verdict::Holds) => None,
                    Some(Verdict::HoldsUntil(until)) if now <= *until => None,
                    Some(Verdict::HoldsUntil(until)) => Some(format!("not confirmed since {until}")),
                    Some(Verdict::Fails(reason)) => Some(reason.clone()),
                    None => Some("not checked yet".to_owned()),
                };
                (
                    check.as_str(),
                    CheckReport {
                        ok: reason.is_none(),
                        reason,
                    },
                )
            })
            .collect();
        ReadinessReport {
            ready: checks.values().all(|check| check.ok),
            checks,
        }
    }

    fn set(&self, check: Check, verdict: Verdict) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(check, verdict);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        "2026-11-23T06:00:00Z".parse().unwrap()
    }

    #[test]
    fn what_nobody_checked_fails() {
        insta::assert_snapshot!(serde_json::to_string_pretty(&Readiness::new().report(now())).unwrap(), @r#"
        {
          "ready": false,
          "checks": {
            "policy_loaded": {
              "ok": false,
              "reason": "not checked yet"
            },
            "scheduler_running": {
              "ok": false,
              "reason": "not checked yet"
            },
            "state_reachable": {
              "ok": false,
              "reason": "not checked yet"
            },
            "state_writable": {
              "ok": false,
              "reason": "not checked yet"
            }
          }
        }
        "#);
    }

    #[test]
    fn ready_when_every_check_holds_and_no_longer() {
        let readiness = Readiness::new();
        for check in Check::ALL {
            assert!(!readiness.report(now()).ready);
            readiness.pass(check);
        }
        assert!(readiness.report(now()).ready);

        readiness.pass_until(Check::StateReachable, now());
        assert!(readiness.report(now()).ready);
        let late = readiness.report(now() + chrono::TimeDelta::seconds(1));
        assert!(!late.ready);
        assert_eq!(
            late.checks["state_reachable"].reason.as_deref(),
            Some("not confirmed since 2026-11-23 06:00:00 UTC")
        );

        readiness.fail(Check::StateReachable, "the disk is full");
        let failed = readiness.report(now());
        assert_eq!(
            failed.checks["state_reachable"].reason.as_deref(),
            Some("the disk is full")
        );
        assert!(failed.checks["state_writable"].ok);
    }
}
