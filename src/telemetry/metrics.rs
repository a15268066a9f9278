//! What `/metrics` shows. A struct of metrics, registered by hand; no global registry.
//!
//! Every series that can be known beforehand is there from the start with a zero, so that an alert on "none
//! happened" has something to look at.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::label::{ActionOutcome, CallResult, OutboxState, ReloadResult, RunResult};
use crate::model::{AccountId, ChangeKind, Finding, FindingStatus, RuleName, Severity};

/// Upper bounds in seconds: a small account takes seconds, a large one with Access Advisor reports many minutes.
const RUN_DURATION_BUCKETS: [f64; 12] = [
    0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0,
];

/// Label names with their values, in a fixed order.
type Labels<const N: usize> = [(&'static str, String); N];

/// `/metrics` could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the metrics as text")]
pub struct MetricsError {
    source: std::fmt::Error,
}

/// All metrics of the process. Shared by reference; every method may be called from anywhere.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    rules: Vec<RuleName>,
    /// Those that have series.
    accounts: Mutex<BTreeSet<AccountId>>,
    findings: Family<Labels<4>, Gauge>,
    actions: Family<Labels<2>, Counter>,
    aws_calls: Family<Labels<2>, Counter>,
    aws_throttles: Counter,
    aws_call_rate: Family<Labels<1>, Gauge<f64, AtomicU64>>,
    runs: Family<Labels<1>, Counter>,
    run_duration: Histogram,
    last_success: Family<Labels<2>, Gauge>,
    schedule_skips: Family<Labels<1>, Counter>,
    config_reloads: Family<Labels<1>, Counter>,
    outbox_depth: Family<Labels<1>, Gauge>,
    frozen: Gauge,
    lease_held: Family<Labels<1>, Gauge>,
}

impl Metrics {
    /// All metrics at zero: for these rules, and these operations (`iam:ListUsers`). Accounts are declared as they
    /// become known, by [`declare_account`](Self::declare_account).
    pub fn new(rules: impl IntoIterator<Item = RuleName>, operations: &[&str]) -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("iamwarden"),
            rules: rules.into_iter().collect(),
            accounts: Mutex::default(),
            findings: Family::default(),
            actions: Family::default(),
            aws_calls: Family::default(),
            aws_throttles: Counter::default(),
            aws_call_rate: Family::default(),
            runs: Family::default(),
            run_duration: Histogram::new(RUN_DURATION_BUCKETS),
            last_success: Family::default(),
            schedule_skips: Family::default(),
            config_reloads: Family::default(),
            outbox_depth: Family::default(),
            frozen: Gauge::default(),
            lease_held: Family::default(),
        };
        metrics.register();
        metrics.declare(operations);
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        let build = Family::<Labels<1>, Gauge>::default();
        build
            .get_or_create(&[("version", env!("CARGO_PKG_VERSION").to_owned())])
            .set(1);
        registry.register(
            "build_info",
            "The version that runs; the value is always 1",
            build,
        );
        registry.register(
            "findings",
            "Findings of the last run of each rule",
            self.findings.clone(),
        );
        registry.register("actions", "Actions by how they ended", self.actions.clone());
        registry.register(
            "aws_calls",
            "Calls to AWS by how they ended",
            self.aws_calls.clone(),
        );
        registry.register(
            "aws_throttles",
            "Calls that AWS turned away as one too many",
            self.aws_throttles.clone(),
        );
        registry.register(
            "aws_call_rate",
            "Calls a second that the account may be called with now: throttles halve it, answers raise it again",
            self.aws_call_rate.clone(),
        );
        registry.register("runs", "Runs by how they ended", self.runs.clone());
        registry.register(
            "run_duration_seconds",
            "How long runs took",
            self.run_duration.clone(),
        );
        registry.register(
            "last_success_timestamp_seconds",
            "When the rule last read all it needs of the account, in Unix time; 0: never",
            self.last_success.clone(),
        );
        registry.register(
            "schedule_skips",
            "Scheduled times skipped because the rule was still running",
            self.schedule_skips.clone(),
        );
        registry.register(
            "config_reloads",
            "Configurations read on SIGHUP",
            self.config_reloads.clone(),
        );
        registry.register(
            "outbox_depth",
            "Messages in the outbox",
            self.outbox_depth.clone(),
        );
        registry.register("frozen", "1 while all changes are frozen", self.frozen.clone());
        registry.register(
            "lease_held",
            "1 while this process may change the account",
            self.lease_held.clone(),
        );
    }

    fn declare(&self, operations: &[&str]) {
        for kind in ChangeKind::ALL {
            for outcome in ActionOutcome::ALL {
                let _zero = self.actions.get_or_create(&action_labels(kind, *outcome));
            }
        }
        for operation in operations {
            for result in CallResult::ALL {
                let _zero = self.aws_calls.get_or_create(&call_labels(operation, *result));
            }
        }
        for result in RunResult::ALL {
            let _zero = self.runs.get_or_create(&[("result", result.as_str().to_owned())]);
        }
        for result in ReloadResult::ALL {
            let _zero = self
                .config_reloads
                .get_or_create(&[("result", result.as_str().to_owned())]);
        }
        for state in OutboxState::ALL {
            let _zero = self
                .outbox_depth
                .get_or_create(&[("state", state.as_str().to_owned())]);
        }
        for rule in &self.rules {
            let _zero = self.schedule_skips.get_or_create(&[("rule", rule.to_string())]);
        }
    }

    /// Shows the account's series, at zero where nothing happened yet.
    pub fn declare_account(&self, account: &AccountId) {
        self.accounts().insert(account.clone());
        for rule in &self.rules {
            for severity in Severity::ALL {
                for status in FindingStatus::ALL {
                    let _zero = self
                        .findings
                        .get_or_create(&finding_labels(account, rule, severity, status));
                }
            }
            let _zero = self.last_success.get_or_create(&rule_and_account(rule, account));
        }
        let _zero = self.lease_held.get_or_create(&[("account", account.to_string())]);
    }

    /// Takes away the series of accounts that are not among these: what stood there last would alarm for ever.
    pub fn retain_accounts(&self, accounts: &BTreeSet<AccountId>) {
        let mut known = self.accounts();
        for gone in known.difference(accounts) {
            for rule in &self.rules {
                for severity in Severity::ALL {
                    for status in FindingStatus::ALL {
                        self.findings
                            .remove(&finding_labels(gone, rule, severity, status));
                    }
                }
                self.last_success.remove(&rule_and_account(rule, gone));
            }
            self.lease_held.remove(&[("account", gone.to_string())]);
        }
        known.retain(|account| accounts.contains(account));
    }

    fn accounts(&self) -> std::sync::MutexGuard<'_, BTreeSet<AccountId>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What these rules found in the account in their last run; replaces what they found before.
    pub fn set_findings<'a>(
        &self,
        account: &AccountId,
        rules: &[RuleName],
        findings: impl IntoIterator<Item = &'a Finding>,
    ) {
        self.accounts().insert(account.clone());
        let mut counts: BTreeMap<_, i64> = BTreeMap::new();
        for rule in rules {
            for severity in Severity::ALL {
                for status in FindingStatus::ALL {
                    counts.insert((rule, severity, status), 0);
                }
            }
        }
        for finding in findings.into_iter().filter(|finding| finding.account == *account) {
            if let Some(count) = counts.get_mut(&(&finding.rule, finding.severity, finding.status)) {
                *count += 1;
            }
        }
        for ((rule, severity, status), count) in counts {
            self.findings
                .get_or_create(&finding_labels(account, rule, severity, status))
                .set(count);
        }
    }

    /// An action ended.
    pub fn action_ended(&self, kind: ChangeKind, outcome: ActionOutcome) {
        self.actions.get_or_create(&action_labels(kind, outcome)).inc();
    }

    /// A call to AWS ended, such as of `iam:ListUsers`.
    pub fn aws_call_ended(&self, operation: &str, result: CallResult) {
        self.aws_calls
            .get_or_create(&call_labels(operation, result))
            .inc();
        match result {
            CallResult::Throttled => {
                self.aws_throttles.inc();
            }
            CallResult::Ok | CallResult::Denied | CallResult::Error => {}
        }
    }

    /// How many calls a second the account may be called with now.
    pub fn set_call_rate(&self, account: &AccountId, per_second: f64) {
        self.aws_call_rate
            .get_or_create(&[("account", account.to_string())])
            .set(per_second);
    }

    /// A run ended.
    pub fn run_ended(&self, result: RunResult, took: Duration) {
        self.runs
            .get_or_create(&[("result", result.as_str().to_owned())])
            .inc();
        self.run_duration.observe(took.as_secs_f64());
    }

    /// The rule read all it needs of the account.
    pub fn set_last_success(&self, rule: &RuleName, account: &AccountId, at: DateTime<Utc>) {
        self.last_success
            .get_or_create(&rule_and_account(rule, account))
            .set(at.timestamp());
    }

    /// A scheduled time of the rule was skipped because it was still running.
    pub fn schedule_skipped(&self, rule: &RuleName) {
        self.schedule_skips
            .get_or_create(&[("rule", rule.to_string())])
            .inc();
    }

    /// The configuration was read again.
    pub fn config_reloaded(&self, result: ReloadResult) {
        self.config_reloads
            .get_or_create(&[("result", result.as_str().to_owned())])
            .inc();
    }

    /// How many messages are in the outbox.
    pub fn set_outbox_depth(&self, state: OutboxState, messages: u64) {
        let messages = i64::try_from(messages).unwrap_or(i64::MAX);
        self.outbox_depth
            .get_or_create(&[("state", state.as_str().to_owned())])
            .set(messages);
    }

    /// Whether all changes are frozen.
    pub fn set_frozen(&self, frozen: bool) {
        self.frozen.set(i64::from(frozen));
    }

    /// Whether this process holds the lease of the account.
    pub fn set_lease_held(&self, account: &AccountId, held: bool) {
        self.lease_held
            .get_or_create(&[("account", account.to_string())])
            .set(i64::from(held));
    }

    /// The media type of [`encode`](Self::encode).
    pub const CONTENT_TYPE: &'static str = "text/plain; version=0.0.4; charset=utf-8";
    /// The media type of [`encode_open`](Self::encode_open).
    pub const OPEN_CONTENT_TYPE: &'static str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

    /// All metrics as Prometheus text.
    ///
    /// # Errors
    /// [`MetricsError`] where a metric cannot be written.
    pub fn encode(&self) -> Result<String, MetricsError> {
        let open = self.encode_open()?;
        // The older form names a counter as its samples do, and has no end mark.
        let counters: Vec<_> = open
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter"))
            .collect();
        let mut text = String::with_capacity(open.len() + 1024);
        for line in open.lines().filter(|line| *line != "# EOF") {
            let mut words = line.splitn(4, ' ');
            match (words.next(), words.next(), words.next(), words.next()) {
                (Some("#"), Some(kind), Some(name), Some(rest)) if counters.contains(&name) => {
                    text.push_str(&format!("# {kind} {name}_total {rest}\n"));
                }
                _ => {
                    text.push_str(line);
                    text.push('\n');
                }
            }
        }
        Ok(text)
    }

    /// All metrics as OpenMetrics text, for whoever asks for it.
    ///
    /// # Errors
    /// [`MetricsError`] where a metric cannot be written.
    pub fn encode_open(&self) -> Result<String, MetricsError> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)
            .map_err(|source| MetricsError { source })?;
        Ok(text)
    }
}

fn finding_labels(
    account: &AccountId,
    rule: &RuleName,
    severity: Severity,
    status: FindingStatus,
) -> Labels<4> {
    [
        ("rule", rule.to_string()),
        ("severity", severity.as_str().to_owned()),
        ("status", status.as_str().to_owned()),
        ("account", account.to_string()),
    ]
}

fn action_labels(kind: ChangeKind, outcome: ActionOutcome) -> Labels<2> {
    [
        ("kind", kind.as_str().to_owned()),
        ("outcome", outcome.as_str().to_owned()),
    ]
}

fn call_labels(operation: &str, result: CallResult) -> Labels<2> {
    [
        ("operation", operation.to_owned()),
        ("result", result.as_str().to_owned()),
    ]
}

fn rule_and_account(rule: &RuleName, account: &AccountId) -> Labels<2> {
    [("rule", rule.to_string()), ("account", account.to_string())]
}

#[cfg(test)]
mod tests;
