//! What Access Advisor says of the use of services, and every reason to disbelieve it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};

use crate::inventory::{Reading, ServiceLastAccessed, Snapshot};
use crate::model::Arn;

/// A report older than this is no evidence (E2).
const REPORT_LIFETIME: TimeDelta = TimeDelta::hours(24);

/// The names of the rules of evidence by which a policy is kept, as in `evidence.kept_by`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::rules) enum KeptBy {
    /// What it reaches is unknown.
    D1,
    /// It also denies.
    D2,
    /// It passes roles to services in use.
    D7,
    /// It grants what services in use may need besides.
    D8,
    /// It is a permissions boundary.
    D9,
    /// A member of the group cannot be judged.
    D10,
    /// It is all that a used principal has.
    D12,
    /// There is no usable report.
    E1,
    /// The report is too old.
    E2,
    /// The report is silent about a service.
    E4,
    /// It names what the catalogue does not know.
    E5,
    /// A use is dated in the future.
    E6,
    /// The window is longer than what Access Advisor remembers.
    E7,
    /// Two sources contradict each other.
    E11,
    /// Who may assume the role is unknown.
    P3,
    /// The principal is unused as a whole.
    P5,
    /// Access Advisor does not cover the partition.
    P7,
}

impl KeptBy {
    /// The name.
    pub(in crate::rules) fn as_str(self) -> &'static str {
        match self {
            Self::D1 => "D1",
            Self::D2 => "D2",
            Self::D7 => "D7",
            Self::D8 => "D8",
            Self::D9 => "D9",
            Self::D10 => "D10",
            Self::D12 => "D12",
            Self::E1 => "E1",
            Self::E2 => "E2",
            Self::E4 => "E4",
            Self::E5 => "E5",
            Self::E6 => "E6",
            Self::E7 => "E7",
            Self::E11 => "E11",
            Self::P3 => "P3",
            Self::P5 => "P5",
            Self::P7 => "P7",
        }
    }
}

/// Why a policy stays, in plain words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::rules) struct Doubt {
    pub(in crate::rules) rule: KeptBy,
    pub(in crate::rules) why: String,
}

impl Doubt {
    pub(in crate::rules) fn new(rule: KeptBy, why: impl Into<String>) -> Self {
        Self {
            rule,
            why: why.into(),
        }
    }
}

/// The report of one principal, where it may be believed (E1, E2).
pub(super) fn report_of<'a>(
    snapshot: &'a Snapshot,
    principal: &Arn,
    now: DateTime<Utc>,
) -> Result<&'a ServiceLastAccessed, Doubt> {
    match snapshot.last_accessed.get(principal) {
        None => Err(Doubt::new(
            KeptBy::E1,
            format!("Access Advisor was not asked about {}", principal.resource()),
        )),
        Some(Reading::Unknown(gap)) => Err(Doubt::new(
            KeptBy::E1,
            format!(
                "Access Advisor has no usable report on {} ({}: {})",
                principal.resource(),
                gap.operation,
                gap.detail
            ),
        )),
        Some(Reading::Known(report)) => check_age(report, now).map(|()| report),
    }
}

/// Whether a report is fresh enough to be believed (E2).
pub(super) fn check_age(report: &ServiceLastAccessed, now: DateTime<Utc>) -> Result<(), Doubt> {
    let age = now.signed_duration_since(report.completed_at);
    // A report from the future shows that one of the two clocks is wrong.
    if age.abs() > REPORT_LIFETIME {
        let completed = report.completed_at.format("%Y-%m-%d %H:%M");
        return Err(Doubt::new(
            KeptBy::E2,
            format!(
                "the Access Advisor report was completed on {completed} UTC, which is not within 24 hours of now"
            ),
        ));
    }
    Ok(())
}

/// One or more reports, read together: the use of a group's policies is that of all its members (D10).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::rules) struct Usage {
    /// When the oldest of the reports was completed.
    pub(in crate::rules) completed_at: DateTime<Utc>,
    /// The newest use by service, of every service in any report.
    services: BTreeMap<String, Option<DateTime<Utc>>>,
    /// Services that every report has a row for.
    everywhere: BTreeSet<String>,
    /// The newest use by service and action, both in lower case, of every action that all reports track.
    actions: BTreeMap<(String, String), Option<DateTime<Utc>>>,
}

impl Usage {
    pub(super) fn of(report: &ServiceLastAccessed) -> Self {
        let rows = report.services.iter();
        Self {
            completed_at: report.completed_at,
            services: rows
                .map(|(name, row)| (name.clone(), row.last_authenticated))
                .collect(),
            everywhere: report.services.keys().cloned().collect(),
            actions: tracked(report).collect(),
        }
    }

    pub(super) fn join(&mut self, report: &ServiceLastAccessed) {
        let Self {
            completed_at,
            services,
            everywhere,
            actions,
        } = self;
        *completed_at = (*completed_at).min(report.completed_at);
        for (name, row) in &report.services {
            let newest = services.entry(name.clone()).or_default();
            *newest = (*newest).max(row.last_authenticated);
        }
        everywhere.retain(|name| report.services.contains_key(name));
        let others: BTreeMap<_, _> = tracked(report).collect();
        actions.retain(|key, last| match others.get(key) {
            Some(other) => {
                *last = (*last).max(*other);
                true
            }
            None => false,
        });
    }

    /// The newest use of an action, where every report tracks it; `None`: nothing is known of it.
    pub(in crate::rules) fn tracked(&self, service: &str, action: &str) -> Option<Option<DateTime<Utc>>> {
        let key = (service.to_owned(), action.to_ascii_lowercase());
        self.actions.get(&key).copied()
    }

    /// Whether every report has a row for the service: what is absent is unknown, never unused (E4).
    pub(in crate::rules) fn covers(&self, service: &str) -> bool {
        self.everywhere.contains(service)
    }

    /// The services in any report.
    pub(in crate::rules) fn services(&self) -> impl Iterator<Item = &str> {
        self.services.keys().map(String::as_str)
    }

    /// The newest use of the service.
    pub(in crate::rules) fn last(&self, service: &str) -> Option<DateTime<Utc>> {
        self.services.get(service).copied().flatten()
    }

    /// Services used at or after this time. The edge itself is use (E6).
    pub(in crate::rules) fn used_since(
        &self,
        start: DateTime<Utc>,
    ) -> impl Iterator<Item = (&String, DateTime<Utc>)> {
        self.services
            .iter()
            .filter_map(|(name, last)| last.map(|at| (name, at)))
            .filter(move |(_, at)| *at >= start)
    }

    /// The newest use of anything.
    pub(in crate::rules) fn newest(&self) -> Option<DateTime<Utc>> {
        self.services.values().copied().flatten().max()
    }
}

fn tracked(
    report: &ServiceLastAccessed,
) -> impl Iterator<Item = ((String, String), Option<DateTime<Utc>>)> + '_ {
    report.services.iter().flat_map(|(service, row)| {
        let actions = row.tracked_actions.iter();
        actions.map(|(action, last)| ((service.clone(), action.clone()), *last))
    })
}
