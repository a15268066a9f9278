//! One entry for each thing that is told.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::Index;
use crate::model::{
    AccountId, Action, ActionId, ActionMode, Arn, Digest, Event, Finding, FindingId, NoticeItem,
    Notification, RequestedExemption, Severity, Span,
};
use crate::notify::message::{
    ActionOutcome, ActionResult, Decided, Dispute, ExemptionEnding, Item, Matter, ReportDigest, RuleCount,
    RunFailure, Settled, StandingReport,
};

/// One item on its way to a message.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) event: Event,
    pub(super) item: Item,
    /// What makes it the same news as another.
    pub(super) key: Value,
    /// Account, resource and subject: the order within an event.
    pub(super) place: (String, String, String),
    pub(super) accounts: Vec<AccountId>,
}

impl Entry {
    /// Whether it announces dates.
    pub(super) fn announces(&self) -> bool {
        matches!(&self.item, Item::Matter(matter) if !matter.notices.is_empty())
    }
}

/// Pending and repeated things are told again after a week, if they are still so.
const WEEK: Span = Span::from_days(7);

/// In which of the periods of this length a time lies.
fn period(now: DateTime<Utc>, length: Span) -> i64 {
    now.timestamp().div_euclid(i64::from(length.seconds()).max(1))
}

pub(super) fn notified(notification: &Notification, index: &Index<'_>, now: DateTime<Utc>) -> Vec<Entry> {
    let findings: Vec<&Finding> = notification
        .findings
        .iter()
        .filter_map(|id| index.finding(id))
        .collect();
    if notification.event == Event::ReportDigest {
        return digest(&findings, now).into_iter().collect();
    }
    let named: BTreeSet<_> = findings.iter().map(|finding| &finding.id).collect();
    let dated: BTreeSet<_> = notification
        .notices
        .iter()
        .map(|notice| &notice.finding)
        .collect();
    let mut matters = Matters::default();
    for notice in &notification.notices {
        let finding = index
            .finding(&notice.finding)
            .filter(|finding| named.contains(&finding.id));
        matters.add(finding, Some(notice), notification.event, index);
    }
    for finding in findings {
        if !dated.contains(&finding.id) {
            matters.add(Some(finding), None, notification.event, index);
        }
    }
    let entry = |matter| matter_entry(notification.event, matter, notification.every, now);
    matters.list.into_iter().map(entry).collect()
}

/// What makes two findings one matter: the same resource, and the same change on the same date; without a date, the
/// same actions.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct SameMatter<'a> {
    resource: Option<&'a Arn>,
    date: Option<(&'a str, DateTime<Utc>)>,
    actions: Vec<&'a ActionId>,
}

/// Matters in the order of their first findings.
#[derive(Default)]
struct Matters<'a> {
    list: Vec<Matter>,
    places: BTreeMap<SameMatter<'a>, usize>,
}

impl<'a> Matters<'a> {
    fn add(
        &mut self,
        finding: Option<&'a Finding>,
        notice: Option<&'a NoticeItem>,
        event: Event,
        index: &Index<'a>,
    ) {
        let justified = finding
            .into_iter()
            .flat_map(|finding| index.actions_for(&finding.id));
        let actions: Vec<&Action> = justified
            .filter(|action| event != Event::ApprovalRequested || action.mode == ActionMode::Approve)
            .collect();
        let same = SameMatter {
            resource: finding.map(|finding| &finding.resource),
            date: notice.map(|notice| (notice.subject.as_str(), notice.announced_for)),
            // With a date, the change is known by its subject.
            actions: match notice {
                Some(_) => Vec::new(),
                None => actions.iter().map(|action| &action.id).collect(),
            },
        };
        // Without date and action, nothing says that two findings are about the same.
        let joins = notice.is_some() || !actions.is_empty();
        let known = self.places.get(&same).copied().filter(|_| joins);
        match known.and_then(|place| self.list.get_mut(place)) {
            Some(matter) => {
                matter.findings.extend(finding.cloned());
                matter.notices.extend(notice.cloned());
                for action in actions {
                    if !matter.actions.contains(action) {
                        matter.actions.push(action.clone());
                    }
                }
            }
            None => {
                self.places.insert(same, self.list.len());
                self.list.push(Matter {
                    findings: finding.cloned().into_iter().collect(),
                    actions: actions.into_iter().cloned().collect(),
                    notices: notice.cloned().into_iter().collect(),
                });
            }
        }
    }
}

fn matter_entry(event: Event, matter: Matter, every: Option<Span>, now: DateTime<Utc>) -> Entry {
    let resource = matter.findings.first().map(|f| f.resource.to_string());
    let key = if matter.notices.is_empty() {
        let findings: Vec<_> = matter.findings.iter().map(|f| (&f.id, f.status)).collect();
        let actions: Vec<_> = matter
            .actions
            .iter()
            .map(|a| (&a.id, a.precondition_digest(), a.withheld_reason))
            .collect();
        json!([event, findings, actions, period(now, every.unwrap_or(WEEK))])
    } else {
        let dates: Vec<_> = matter
            .notices
            .iter()
            .map(|n| (&n.subject, n.ladder, n.announced_for))
            .collect();
        json!([event, resource, dates])
    };
    let account = matter.findings.first().map(|f| f.account.clone());
    let subject = matter
        .notices
        .first()
        .map(|n| n.subject.clone())
        .or_else(|| matter.actions.first().map(|a| a.change.subject()))
        .or_else(|| matter.findings.first().map(|f| f.id.0.clone()));
    Entry {
        event,
        key,
        place: (
            account.as_ref().map(ToString::to_string).unwrap_or_default(),
            resource.unwrap_or_default(),
            subject.unwrap_or_default(),
        ),
        accounts: account.into_iter().collect(),
        item: Item::Matter(Box::new(matter)),
    }
}

pub(super) fn settled(result: &ActionResult, index: &Index<'_>) -> Entry {
    let known = |id: &FindingId| index.finding(id).cloned();
    // What was done is told once, by whichever run settles it. What was not done is tried again by every run, and told
    // once a day; its detail may differ in request ids and is no news.
    let day = result.at.date_naive();
    let news = match &result.outcome {
        ActionOutcome::Applied => json!(["applied", result.attempt]),
        ActionOutcome::RolledBack { .. } => json!(["rolled_back", result.attempt]),
        ActionOutcome::Failed { .. } => json!(["failed", day]),
        ActionOutcome::Stale { .. } => json!(["stale", day]),
        ActionOutcome::RollbackFailed { .. } => json!(["rollback_failed", day]),
    };
    Entry {
        event: result.event(),
        key: json!([result.event(), result.id, news]),
        place: (
            result.account.to_string(),
            result.resource.to_string(),
            result.change.subject(),
        ),
        accounts: vec![result.account.clone()],
        item: Item::Result(Box::new(Settled {
            result: result.clone(),
            findings: result.findings.iter().filter_map(known).collect(),
        })),
    }
}

pub(super) fn decision(decided: &Decided) -> Entry {
    let actions: Vec<_> = decided.actions.iter().map(|action| &action.id).collect();
    let mut accounts: Vec<_> = decided
        .actions
        .iter()
        .map(|action| action.account.clone())
        .collect();
    accounts.sort();
    accounts.dedup();
    Entry {
        event: Event::ApprovalDecided,
        key: json!([actions, decided.verdict, decided.by, decided.at]),
        place: (String::new(), decided.at.to_rfc3339(), decided.plan.id.clone()),
        accounts,
        item: Item::Decision(Box::new(decided.clone())),
    }
}

pub(super) fn exemption(ending: &ExemptionEnding) -> Entry {
    let declared = &ending.exemption;
    Entry {
        event: Event::ExemptionExpiring,
        key: json!([declared, ending.has_ended()]),
        place: (
            String::new(),
            declared.until.to_string(),
            json!([declared.principals, declared.rules]).to_string(),
        ),
        accounts: declared.accounts.clone().unwrap_or_default(),
        item: Item::Exemption(Box::new(ending.clone())),
    }
}

pub(super) fn request(event: Event, requested: &RequestedExemption) -> Entry {
    let asked = &requested.request;
    Entry {
        event,
        key: json!([
            event,
            asked.id,
            requested.answer.is_some(),
            requested.revoked.is_some()
        ]),
        place: (
            asked.account.to_string(),
            asked.resource.to_string(),
            asked.id.to_string(),
        ),
        accounts: vec![asked.account.clone()],
        item: Item::Request(Box::new(requested.clone())),
    }
}

pub(super) fn dispute(disputed: &Dispute) -> Entry {
    let finding = &disputed.finding;
    Entry {
        event: Event::OwnershipDisputed,
        // Whoever says it again on the same day says nothing new.
        key: json!([
            Event::OwnershipDisputed,
            finding.id,
            disputed.by,
            disputed.at.date_naive()
        ]),
        place: (
            finding.account.to_string(),
            finding.resource.to_string(),
            finding.id.0.clone(),
        ),
        accounts: vec![finding.account.clone()],
        item: Item::Dispute(Box::new(disputed.clone())),
    }
}

pub(super) fn report(standing: &StandingReport, now: DateTime<Utc>) -> Entry {
    Entry {
        event: Event::ReportDigest,
        key: json!([Event::ReportDigest, "standing", now]),
        place: Default::default(),
        accounts: standing.accounts.iter().map(|(id, _)| id.clone()).collect(),
        item: Item::Report(Box::new(standing.clone())),
    }
}

pub(super) fn run_failure(failure: &RunFailure, now: DateTime<Utc>) -> Entry {
    let resource = failure.resource.as_ref().map(ToString::to_string);
    Entry {
        event: Event::RunFailed,
        // Once a day while it lasts; the detail may differ in request ids and is no news.
        key: json!([failure.account, failure.operation, resource, now.date_naive()]),
        place: (
            failure
                .account
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            resource.unwrap_or_default(),
            failure.operation.clone(),
        ),
        accounts: failure.account.iter().cloned().collect(),
        item: Item::Failure(Box::new(failure.clone())),
    }
}

/// How many findings a digest names.
const TOP: usize = 10;

fn digest(findings: &[&Finding], now: DateTime<Utc>) -> Option<Entry> {
    if findings.is_empty() {
        return None;
    }
    let mut counts: BTreeMap<(std::cmp::Reverse<Severity>, &str), RuleCount> = BTreeMap::new();
    let mut accounts = Vec::new();
    for finding in findings {
        accounts.push(finding.account.clone());
        let key = (std::cmp::Reverse(finding.severity), finding.rule.as_str());
        let entry = counts.entry(key).or_insert_with(|| RuleCount {
            rule: finding.rule.clone(),
            severity: finding.severity,
            count: 0,
        });
        entry.count += 1;
    }
    accounts.sort();
    accounts.dedup();
    let mut sorted = findings.to_vec();
    sorted.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.id.cmp(&b.id)));
    let content: Vec<_> = sorted
        .iter()
        .map(|f| json!([f.id, f.severity, f.status]))
        .collect();
    let content = Digest::of_json(&Value::Array(content));
    Some(Entry {
        event: Event::ReportDigest,
        key: json!([Event::ReportDigest, content, period(now, WEEK)]),
        place: Default::default(),
        item: Item::Digest(Box::new(ReportDigest {
            total: findings.len(),
            accounts: accounts.clone(),
            counts: counts.into_values().collect(),
            top: sorted.into_iter().take(TOP).cloned().collect(),
            content,
        })),
        accounts,
    })
}
