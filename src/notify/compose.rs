//! From what a run found and did to messages for the outbox. Pure: the same inputs and ids give the same messages.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde_json::json;

mod entry;

use entry::{Entry, decision, dispute, exemption, notified, report, request, run_failure, settled};

use super::message::{
    AccountLabel, ActionResult, Announced, Decided, Dispute, ExemptionEnding, Item, Message, PlanReference,
    RunFailure, Section, StandingReport,
};
use super::outbox::Outgoing;
use super::{deliver_after, render};
use crate::config::{ChannelKind, Config};
use crate::model::{
    AccountId, Action, Digest, Event, Finding, FindingId, Glob, Notification, Owner, RequestedExemption,
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
    /// What else happened.
    pub news: &'a [News],
}

/// What people did, beside deciding plans; and what they asked to be told regularly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// Somebody asks for an exemption: the default channel hears of it, where the approvers are.
    Requested(Box<RequestedExemption>),
    /// It was granted, refused or taken back: its owner hears of it.
    Answered(Box<RequestedExemption>),
    /// Somebody says that a thing is not theirs: the default channel hears of it.
    Disputed(Box<Dispute>),
    /// How it stands, for an owner.
    ReportOfOwner(Owner, Box<StandingReport>),
    /// How it stands, for a channel.
    ReportForChannel(String, Box<StandingReport>),
}

/// Findings and actions of a run, found by what names them.
struct Index<'a> {
    findings: BTreeMap<&'a FindingId, &'a Finding>,
    /// By each finding that justifies them, in the order of the plan.
    actions: BTreeMap<&'a FindingId, Vec<&'a Action>>,
}

impl<'a> Index<'a> {
    fn of(tidings: &Tidings<'a>) -> Self {
        let mut findings = BTreeMap::new();
        for finding in tidings.findings {
            findings.entry(&finding.id).or_insert(finding);
        }
        let mut actions: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for action in tidings.actions {
            let justifying: BTreeSet<_> = action.findings().collect();
            for finding in justifying {
                actions.entry(finding).or_default().push(action);
            }
        }
        Self { findings, actions }
    }

    fn finding(&self, id: &FindingId) -> Option<&'a Finding> {
        self.findings.get(id).copied()
    }

    fn actions_for(&self, finding: &FindingId) -> impl Iterator<Item = &'a Action> {
        self.actions.get(finding).into_iter().flatten().copied()
    }
}

/// All entries of an owner, by the channel that they are addressed to; `None`: nothing reaches the owner, so only copies
/// are made.
type Mail = BTreeMap<Option<Owner>, BTreeMap<Option<String>, Vec<Entry>>>;

/// The messages of a run: exactly one for each owner (split only at the channel's own limit), and one copy for each
/// channel that listens to the events in it, unless that is where the message goes anyway. What was `told` is left out:
/// it stands in a message that is on its way or was accepted. Whether a date has to be told is the planner's to say.
///
/// `new_id` gives `msg_` and a fresh ULID at each call.
pub fn plan_messages(
    config: &Config,
    tidings: &Tidings<'_>,
    told: &BTreeSet<Digest>,
    new_id: &mut dyn FnMut() -> String,
) -> Vec<Outgoing> {
    let mut outgoing = Vec::new();
    let mail = gather(config, tidings);
    for_each_address(config, &mail, |address, entries| {
        let is_news = |entry: &&Entry| entry.announces() || !told.contains(&address.digest(entry));
        let news = entries.into_iter().filter(is_news).cloned().collect();
        outgoing.extend(address.pack(config, tidings, news, new_id));
    });
    outgoing
}

/// What these messages would tell, entry by entry.
pub fn entries(config: &Config, tidings: &Tidings<'_>) -> Vec<Digest> {
    let mail = gather(config, tidings);
    let mut digests = Vec::new();
    for_each_address(config, &mail, |address, entries| {
        digests.extend(entries.into_iter().map(|entry| address.digest(entry)));
    });
    digests
}

/// What goes where, copies included.
fn for_each_address(config: &Config, mail: &Mail, mut visit: impl FnMut(&Address<'_>, Vec<&Entry>)) {
    for (owner, by_channel) in mail {
        let address = |channel, copy| Address {
            owner: owner.as_ref(),
            channel,
            copy,
        };
        let homes: Vec<_> = by_channel.keys().flatten().collect();
        for (channel, entries) in by_channel {
            if let Some(channel) = channel {
                visit(&address(channel, false), entries.iter().collect());
            }
        }
        for listener in &config.notifications.channels {
            if listener.events.is_empty() || homes.contains(&&listener.name) {
                continue;
            }
            let patterns: Vec<_> = listener.events.iter().map(Glob::new).collect();
            let heard = |entry: &&Entry| patterns.iter().any(|p| p.matches(entry.event.as_str()));
            let entries = by_channel.values().flatten().filter(heard).collect();
            visit(&address(&listener.name, true), entries);
        }
    }
}

fn gather(config: &Config, tidings: &Tidings<'_>) -> Mail {
    let index = Index::of(tidings);
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
        for entry in notified(notification, &index, tidings.now) {
            put(notification.to.as_ref(), notification.channel.as_deref(), entry);
        }
    }
    let default = config.notifications.route(None).channel;
    for result in tidings.results {
        let owner = result.owner.as_ref();
        let channel = config.notifications.route(owner).channel;
        put(owner, channel, settled(result, &index));
        // Whoever was asked to approve hears what became of it, where that is elsewhere.
        if result.was_approved && channel != default {
            put(None, default, settled(result, &index));
        }
    }
    for decided in tidings.decisions {
        put(None, default, decision(decided));
    }
    for ending in tidings.exemptions {
        let owner = ending.granted.as_ref().and_then(|granted| granted.owner.as_ref());
        put(
            owner,
            config.notifications.route(owner).channel,
            exemption(ending),
        );
    }
    for news in tidings.news {
        match news {
            News::Requested(requested) => put(None, default, request(Event::ExemptionRequested, requested)),
            News::Answered(requested) => {
                let owner = requested.request.owner.as_ref();
                let channel = config.notifications.route(owner).channel;
                put(owner, channel, request(Event::ExemptionDecided, requested));
            }
            News::Disputed(disputed) => put(None, default, dispute(disputed)),
            News::ReportOfOwner(owner, standing) => {
                let channel = config.notifications.route(Some(owner)).channel;
                put(Some(owner), channel, report(standing, tidings.now));
            }
            News::ReportForChannel(channel, standing) => {
                put(None, Some(channel), report(standing, tidings.now));
            }
        }
    }
    for failure in tidings.failures {
        put(None, default, run_failure(failure, tidings.now));
    }
    mail
}

/// Where a message goes.
struct Address<'a> {
    owner: Option<&'a Owner>,
    channel: &'a str,
    copy: bool,
}

impl Address<'_> {
    /// Of this news here.
    fn digest(&self, entry: &Entry) -> Digest {
        Digest::of_json(&json!([self.channel, self.owner, self.copy, entry.key]))
    }

    /// Entries as messages: sorted, split at the channel's limit, each part with its own id, key and dates.
    fn pack(
        &self,
        config: &Config,
        tidings: &Tidings<'_>,
        mut entries: Vec<Entry>,
        new_id: &mut dyn FnMut() -> String,
    ) -> Vec<Outgoing> {
        if entries.is_empty() {
            return Vec::new();
        }
        entries
            .sort_by_cached_key(|entry| (gravity(entry.event), entry.place.clone(), entry.key.to_string()));
        let message = self.message(config, tidings, &entries);
        let declared = config
            .notifications
            .channels
            .iter()
            .find(|c| c.name == self.channel);
        // A channel that is not declared gets the tightest form; delivery then says that there is none.
        let kind = declared.map_or(ChannelKind::Slack, |channel| channel.kind);
        let mut told = entries.iter();
        render::split(&message, kind)
            .into_iter()
            .map(|mut part| {
                part.id = new_id();
                let count = part.items().count();
                let told: Vec<_> = told.by_ref().take(count).collect();
                self.outgoing(config, tidings, part, &told)
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
        let mut channels = config.notifications.channels.iter();
        let declared = channels.find(|channel| channel.name == self.channel);
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
            buttons: declared.is_some_and(|channel| channel.signing_secret.is_some()),
            page: config.server.public_url.clone(),
            sections,
        }
    }

    fn outgoing(
        &self,
        config: &Config,
        tidings: &Tidings<'_>,
        message: Message,
        entries: &[&Entry],
    ) -> Outgoing {
        let keys: Vec<_> = entries.iter().map(|entry| &entry.key).collect();
        let key = Digest::of_json(&json!([self.channel, self.owner, self.copy, keys]));
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
            entries: entries.iter().map(|entry| self.digest(entry)).collect(),
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
        Event::RunFailed => 10,
        Event::RootAccountAtRisk => 20,
        Event::AccessKeyDeleted => 30,
        Event::PasswordDeleted => 40,
        Event::AccessKeyDisabled => 50,
        Event::RoleQuarantined => 60,
        Event::MfaRequired => 70,
        Event::PermissionsDetached => 80,
        Event::PasswordPolicyUpdated => 90,
        Event::MfaRequirementLifted => 100,
        Event::ActionRolledBack => 110,
        Event::AccessKeyDeleting => 120,
        Event::AccessKeyExpiring => 130,
        Event::PasswordUnused => 140,
        Event::RoleUnused => 150,
        Event::MfaMissing => 160,
        Event::PermissionsUnused => 170,
        Event::UserUnused => 180,
        Event::ReviewOverdue => 190,
        Event::ExternalAccessFound => 175,
        Event::TrailAtRisk | Event::AlarmMissing | Event::AnalyzerMissing | Event::InstanceAtRisk => 185,
        Event::TrailChanged | Event::AlarmCreated | Event::AnalyzerCreated | Event::InstanceChanged => 95,
        Event::ApprovalRequested => 200,
        Event::ApprovalDecided => 210,
        Event::ExemptionRequested => 205,
        Event::ExemptionDecided => 212,
        Event::OwnershipDisputed => 214,
        Event::ExemptionExpiring => 220,
        Event::ReportDigest => 230,
    }
}

#[cfg(test)]
mod tests;
