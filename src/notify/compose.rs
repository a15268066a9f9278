//! From what a run found and did to messages for the outbox. Pure: the same inputs and ids give the same messages.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::message::{
    AccountLabel, ActionOutcome, ActionResult, Announced, Decided, ExemptionEnding, Item, Matter, Message,
    PlanReference, ReportDigest, RuleCount, RunFailure, Section, Settled,
};
use super::outbox::Outgoing;
use super::{deliver_after, render};
use crate::config::{ChannelKind, Config};
use crate::model::{
    AccountId, Action, Digest, Event, Finding, FindingId, Glob, NoticeItem, Notification, Owner, Severity,
};

/// All that a run has to tell.
#[derive(Debug, Clone)]
pub struct Tidings<'a> {
    /// Its id.
    pub run: &'a str,
    /// The plan, where one was saved.
    pub plan: Option<PlanReference>,
    /// When it is told.
    pub now: DateTime<Utc>,
    /// What the accounts are called.
    pub account_names: &'a BTreeMap<AccountId, String>,
    /// The head of the audit chain, as `history --verify --head` takes it.
    pub audit_head: Option<String>,
    /// All findings of the plan.
    pub findings: &'a [Finding],
    /// All its actions.
    pub actions: &'a [Action],
    /// Who is to be told of what, as planned.
    pub notifications: &'a [Notification],
    /// What became of actions.
    pub results: &'a [ActionResult],
    /// What people decided.
    pub decisions: &'a [Decided],
    /// Exemptions that end, or have ended. The default channel hears of them.
    pub exemptions: &'a [ExemptionEnding],
    /// What could not be read or done. The default channel hears of it.
    pub failures: &'a [RunFailure],
}

/// One item on its way to a message.
#[derive(Debug, Clone)]
struct Entry {
    event: Event,
    item: Item,
    /// What makes it the same news as another.
    key: Value,
    /// Account, resource and subject: the order within an event.
    place: (String, String, String),
    accounts: Vec<AccountId>,
}

/// All entries of an owner, by the channel that they are addressed to; `None`: nothing reaches the owner, so only copies
/// are made.
type Mail = BTreeMap<Option<Owner>, BTreeMap<Option<String>, Vec<Entry>>>;

/// The messages of a run: exactly one for each owner (split only at the channel's own limit), and one copy for each
/// channel that listens to the events in it, unless that is where the message goes anyway.
///
/// `new_id` gives `msg_` and a fresh ULID at each call.
pub fn plan_messages(
    config: &Config,
    tidings: &Tidings<'_>,
    new_id: &mut dyn FnMut() -> String,
) -> Vec<Outgoing> {
    let mut outgoing = Vec::new();
    for (owner, by_channel) in gather(config, tidings) {
        let homes: Vec<_> = by_channel.keys().flatten().cloned().collect();
        for (channel, entries) in &by_channel {
            if let Some(channel) = channel {
                let address = Address {
                    owner: owner.as_ref(),
                    channel,
                    copy: false,
                };
                outgoing.extend(address.pack(config, tidings, entries, new_id));
            }
        }
        for listener in &config.notifications.channels {
            if listener.events.is_empty() || homes.contains(&listener.name) {
                continue;
            }
            let patterns: Vec<_> = listener.events.iter().map(Glob::new).collect();
            let heard = |entry: &&Entry| patterns.iter().any(|p| p.matches(entry.event.as_str()));
            let entries: Vec<_> = by_channel.values().flatten().filter(heard).cloned().collect();
            let address = Address {
                owner: owner.as_ref(),
                channel: &listener.name,
                copy: true,
            };
            outgoing.extend(address.pack(config, tidings, &entries, new_id));
        }
    }
    outgoing
}

fn gather(config: &Config, tidings: &Tidings<'_>) -> Mail {
    let mut mail = Mail::new();
    let mut put = |owner: Option<&Owner>, channel: Option<&str>, entry: Entry| {
        let entries = mail
            .entry(owner.cloned())
            .or_default()
            .entry(channel.map(ToOwned::to_owned))
            .or_default();
        entries.push(entry);
    };
    for notification in tidings.notifications {
        for entry in notified(notification, tidings) {
            put(notification.to.as_ref(), notification.channel.as_deref(), entry);
        }
    }
    for result in tidings.results {
        let owner = result.owner.as_ref();
        put(
            owner,
            config.notifications.route(owner).channel,
            settled(result, tidings.findings),
        );
    }
    let default = config.notifications.route(None).channel;
    for decided in tidings.decisions {
        put(None, default, decision(decided));
    }
    for ending in tidings.exemptions {
        put(None, default, exemption(ending));
    }
    for failure in tidings.failures {
        put(None, default, run_failure(failure, tidings.now));
    }
    mail
}

/// Pending and repeated things are told again after a week, if they are still so.
fn week(now: DateTime<Utc>) -> i64 {
    now.timestamp().div_euclid(7 * 86_400)
}

fn notified(notification: &Notification, tidings: &Tidings<'_>) -> Vec<Entry> {
    let findings: Vec<&Finding> = notification
        .findings
        .iter()
        .filter_map(|id| tidings.findings.iter().find(|finding| finding.id == *id))
        .collect();
    if notification.event == Event::ReportDigest {
        return digest(&findings, tidings.now).into_iter().collect();
    }
    // Findings about the same change and date are one matter; a finding without a date goes with its action.
    let mut matters: Vec<Matter> = Vec::new();
    for notice in &notification.notices {
        let finding = findings.iter().copied().find(|f| f.id == notice.finding);
        add(&mut matters, finding, Some(notice), notification.event, tidings);
    }
    for finding in findings {
        if !notification.notices.iter().any(|n| n.finding == finding.id) {
            add(&mut matters, Some(finding), None, notification.event, tidings);
        }
    }
    let entry = |matter| matter_entry(notification.event, matter, tidings.now);
    matters.into_iter().map(entry).collect()
}

fn add(
    matters: &mut Vec<Matter>,
    finding: Option<&Finding>,
    notice: Option<&NoticeItem>,
    event: Event,
    tidings: &Tidings<'_>,
) {
    let justified = |action: &&Action| {
        finding.is_some_and(|f| action.finding == f.id || action.also.contains(&f.id))
            && notice.is_none_or(|n| action.change.subject() == n.subject)
            && (event != Event::ApprovalRequested || action.mode == crate::model::ActionMode::Approve)
    };
    let actions: Vec<Action> = tidings.actions.iter().filter(justified).cloned().collect();
    let same = |matter: &Matter| {
        let subject = |n: &NoticeItem| (n.subject.clone(), n.announced_for);
        let resource = |matter: &Matter| matter.findings.first().map(|f| f.resource.clone());
        matter.notices.first().map(subject) == notice.map(subject)
            && resource(matter) == finding.map(|f| f.resource.clone())
            && (notice.is_some() || (!actions.is_empty() && matter.actions == actions))
    };
    match matters.iter_mut().find(|matter| same(matter)) {
        Some(matter) => {
            matter.findings.extend(finding.cloned());
            matter.notices.extend(notice.cloned());
            for action in actions {
                if !matter.actions.contains(&action) {
                    matter.actions.push(action);
                }
            }
        }
        None => matters.push(Matter {
            findings: finding.cloned().into_iter().collect(),
            actions,
            notices: notice.cloned().into_iter().collect(),
        }),
    }
}

fn matter_entry(event: Event, matter: Matter, now: DateTime<Utc>) -> Entry {
    let resource = matter.findings.first().map(|f| f.resource.to_string());
    let key = if matter.notices.is_empty() {
        let findings: Vec<_> = matter.findings.iter().map(|f| (&f.id, f.status)).collect();
        let actions: Vec<_> = matter
            .actions
            .iter()
            .map(|a| (&a.id, a.precondition_digest(), a.withheld_reason))
            .collect();
        json!([event, findings, actions, week(now)])
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

fn settled(result: &ActionResult, findings: &[Finding]) -> Entry {
    let known = |id: &FindingId| findings.iter().find(|finding| finding.id == *id).cloned();
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

fn decision(decided: &Decided) -> Entry {
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

fn exemption(ending: &ExemptionEnding) -> Entry {
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

fn run_failure(failure: &RunFailure, now: DateTime<Utc>) -> Entry {
    let resource = failure.resource.as_ref().map(ToString::to_string);
    Entry {
        event: Event::RunFailed,
        // Once a day while it lasts; the detail may differ in request ids and is no news.
        key: json!([failure.account, failure.operation, resource, now.date_naive()]),
        place: (
            failure.account.as_ref().map(ToString::to_string).unwrap_or_default(),
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
        key: json!([Event::ReportDigest, content, week(now)]),
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

/// Where a message goes.
struct Address<'a> {
    owner: Option<&'a Owner>,
    channel: &'a str,
    copy: bool,
}

impl Address<'_> {
    /// Entries as messages: sorted, split at the channel's limit, each part with its own id, key and dates.
    fn pack(
        &self,
        config: &Config,
        tidings: &Tidings<'_>,
        entries: &[Entry],
        new_id: &mut dyn FnMut() -> String,
    ) -> Vec<Outgoing> {
        if entries.is_empty() {
            return Vec::new();
        }
        let mut entries = entries.to_vec();
        entries.sort_by(|a, b| {
            let order = |e: &Entry| (gravity(e.event), e.place.clone(), e.key.to_string());
            order(a).cmp(&order(b))
        });
        let message = self.message(config, tidings, &entries);
        let declared = config
            .notifications
            .channels
            .iter()
            .find(|c| c.name == self.channel);
        // A channel that is not declared gets the tightest form; delivery then says that there is none.
        let kind = declared.map_or(ChannelKind::Slack, |channel| channel.kind);
        let mut keys = entries.iter().map(|entry| &entry.key);
        render::split(&message, kind)
            .into_iter()
            .map(|mut part| {
                part.id = new_id();
                let count = part.items().count();
                let told: Vec<_> = keys.by_ref().take(count).collect();
                self.outgoing(config, tidings, part, &json!(told))
            })
            .collect()
    }

    fn message(&self, config: &Config, tidings: &Tidings<'_>, entries: &[Entry]) -> Message {
        let mut sections: Vec<Section> = Vec::new();
        let mut accounts: Vec<AccountLabel> = Vec::new();
        for entry in entries {
            for id in &entry.accounts {
                let name = tidings.account_names.get(id).cloned();
                accounts.push(AccountLabel { id: id.clone(), name });
            }
            match sections.last_mut() {
                Some(section) if section.event == entry.event => section.items.push(entry.item.clone()),
                Some(_) | None => sections.push(Section {
                    event: entry.event,
                    items: vec![entry.item.clone()],
                }),
            }
        }
        accounts.sort();
        accounts.dedup();
        let reached = config.notifications.route(self.owner);
        // A mention is written in the markup of the owner's own channel, and copies are for others.
        let mention = reached
            .mention
            .filter(|_| !self.copy && reached.channel == Some(self.channel));
        Message {
            id: String::new(),
            created_at: tidings.now,
            run: tidings.run.to_owned(),
            plan: tidings.plan.clone(),
            accounts,
            owner: self.owner.cloned(),
            channel: self.channel.to_owned(),
            mention: mention.map(ToOwned::to_owned),
            copy: self.copy,
            part: None,
            audit_head: tidings.audit_head.clone(),
            sections,
        }
    }

    fn outgoing(&self, config: &Config, tidings: &Tidings<'_>, message: Message, told: &Value) -> Outgoing {
        let key = Digest::of_json(&json!([self.channel, self.owner, self.copy, told]));
        let mut notices = Vec::new();
        for (event, item) in message.items() {
            if let (Item::Matter(matter), false) = (item, self.copy) {
                notices.extend(matter.notices.iter().map(|notice| Announced {
                    event,
                    notice: notice.clone(),
                }));
            }
        }
        let events = message.sections.iter().map(|section| section.event);
        let zone = config.guardrails.timezone;
        Outgoing {
            deliver_after: deliver_after(&config.notifications, zone, events, tidings.now),
            dedup_key: key.to_string(),
            notices,
            message,
        }
    }
}

/// The order of events in a message, gravest first: what broke, what was done, what will be done, what is asked, what is
/// only worth knowing.
fn gravity(event: Event) -> u8 {
    match event {
        Event::ActionFailed => 0,
        Event::RunFailed => 1,
        Event::AccessKeyDeleted => 2,
        Event::AccessKeyDisabled => 3,
        Event::PermissionsDetached => 4,
        Event::PasswordPolicyUpdated => 5,
        Event::ActionRolledBack => 6,
        Event::AccessKeyDeleting => 7,
        Event::AccessKeyExpiring => 8,
        Event::PermissionsUnused => 9,
        Event::ApprovalRequested => 10,
        Event::ApprovalDecided => 11,
        Event::ExemptionExpiring => 12,
        Event::ReportDigest => 13,
    }
}

#[cfg(test)]
mod tests;
