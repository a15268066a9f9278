//! A fixed run for the tests of this module: an account, its findings and actions, and what became of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::message::{ActionOutcome, ActionResult, Decided, ExemptionEnding, PlanReference, RunFailure};
use super::outbox::Outgoing;
use super::{Tidings, plan_messages};
use crate::config::{Config, Environment, Exemption, Notifications, load_text};
use crate::model::{
    AccessKeyId, AccountId, Action, ActionId, ActionMode, ActionState, Arn, Change, Digest, Event, Finding,
    FindingId, FindingStatus, Glob, Inverse, KeyStatus, Ladder, NoticeItem, Notification, Owner,
    PasswordPolicy, PolicyUse, Precondition, RuleName, Severity, Span, Verdict, WithheldReason,
};

const CONFIG: &str = r##"
rules.access_key_rotation.mode = "enforce"
[notifications]
default_channel = "secops"
[[notifications.channels]]
name = "secops"
kind = "slack"
url = "env:SLACK_URL"
[[notifications.channels]]
name = "platform"
kind = "teams"
url = "env:TEAMS_URL"
[[notifications.channels]]
name = "siem"
kind = "webhook"
url = "env:SIEM_URL"
secret = "env:SIEM_SECRET"
events = ["*"]
[[notifications.owners]]
match = "alice@example.com"
channel = "secops"
mention = "<@U012ABCDEF>"
[[notifications.owners]]
match = "platform@example.com"
channel = "platform"
mention = "<at>platform@example.com</at>"
"##;

pub(super) fn config() -> Config {
    let loaded = load_text(Path::new("sample.toml"), CONFIG, &Environment::empty());
    loaded.unwrap().config
}

pub(super) fn notifications() -> Notifications {
    config().notifications
}

pub(super) fn now() -> DateTime<Utc> {
    "2026-11-23T06:00:03Z".parse().unwrap()
}

pub(super) fn date() -> DateTime<Utc> {
    "2026-11-30T06:00:00Z".parse().unwrap()
}

pub(super) fn account() -> AccountId {
    AccountId::parse("123456789012").unwrap()
}

pub(super) fn user(name: &str) -> Arn {
    Arn::parse(&format!("arn:aws:iam::123456789012:user/{name}")).unwrap()
}

fn key_id(n: usize) -> AccessKeyId {
    AccessKeyId::parse(&format!("AKIAIOSFODNN{n:08}")).unwrap()
}

pub(super) fn alice() -> Option<Owner> {
    Some(Owner("alice@example.com".to_owned()))
}

/// A finding about an access key of the user, and the action that answers it.
pub(super) fn old_key(name: &str, n: usize, owner: Option<Owner>) -> (Finding, Action) {
    let rule = RuleName::new("access_key_rotation");
    let id = key_id(n);
    let resource = user(name);
    let created_at: DateTime<Utc> = "2026-08-20T09:30:00Z".parse().unwrap();
    let finding = Finding {
        id: FindingId::of(&rule, &account(), &resource, id.as_str()),
        rule,
        account: account(),
        resource: resource.clone(),
        severity: Severity::Medium,
        status: FindingStatus::Violation,
        title: format!("Access key {id} of {name} is 94 days old"),
        detail: "The limit is 90d, reached on 2026-11-18. It was last used 2 days ago for s3.".to_owned(),
        evidence: facts(&[
            ("access_key_id", json!(id)),
            ("created_at", json!(created_at)),
            ("last_used", json!("2026-11-20T16:12:00Z")),
            ("last_used_service", json!("s3")),
            ("last_used_region", json!("eu-central-1")),
        ]),
        owner,
        proposal: None,
    };
    let change = Change::DisableAccessKey {
        access_key_id: id.clone(),
    };
    let precondition = Precondition::AccessKey {
        status: KeyStatus::Active,
        created_at,
        last_used: None,
    };
    let inverse = Some(Inverse::EnableAccessKey { access_key_id: id });
    let action = action(&finding, change, inverse, precondition);
    (finding, action)
}

fn facts(entries: &[(&str, Value)]) -> Map<String, Value> {
    entries
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect()
}

fn action(finding: &Finding, change: Change, inverse: Option<Inverse>, precondition: Precondition) -> Action {
    Action {
        id: ActionId::of(&finding.account, &finding.resource, &change),
        finding: finding.id.clone(),
        also: Vec::new(),
        reversible: inverse.is_some(),
        inverse,
        change,
        account: finding.account.clone(),
        resource: finding.resource.clone(),
        mode: ActionMode::Enforce,
        precondition,
        state: ActionState::Withheld,
        withheld_reason: Some(WithheldReason::Notice),
        withheld_detail: None,
        not_before: Some(date()),
    }
}

/// A policy on a role that grants what nobody uses.
pub(super) fn unused_policy() -> (Finding, Action) {
    let rule = RuleName::new("unused_permissions");
    let resource = Arn::parse("arn:aws:iam::123456789012:role/service/reporting").unwrap();
    let policy_arn = Arn::parse("arn:aws:iam::123456789012:policy/sqs-admin").unwrap();
    let finding = Finding {
        id: FindingId::of(&rule, &account(), &resource, policy_arn.as_str()),
        rule,
        account: account(),
        resource,
        severity: Severity::Low,
        status: FindingStatus::Violation,
        title: "Policy sqs-admin of reporting grants only what was not used for 90d".to_owned(),
        detail: "It grants sqs, which was never used.".to_owned(),
        evidence: facts(&[("policy_arn", json!(policy_arn))]),
        owner: Some(Owner("platform@example.com".to_owned())),
        proposal: None,
    };
    let precondition = Precondition::Attachment {
        policy_arn: policy_arn.clone(),
        version: "v1".to_owned(),
        document: Digest::of_bytes(b"document"),
        attached: true,
        principal_created_at: "2025-06-01T08:00:00Z".parse().unwrap(),
        members: None,
        last_used: PolicyUse {
            services: BTreeMap::from([("sqs".to_owned(), None)]),
        },
    };
    let inverse = Some(Inverse::AttachPolicy {
        policy_arn: policy_arn.clone(),
    });
    let mut action = action(
        &finding,
        Change::DetachPolicy { policy_arn },
        inverse,
        precondition,
    );
    action.mode = ActionMode::Approve;
    action.withheld_reason = Some(WithheldReason::Approval);
    (finding, action)
}

/// A password policy that was raised.
pub(super) fn password_policy(outcome: ActionOutcome) -> ActionResult {
    let old = PasswordPolicy::aws_default();
    let new = PasswordPolicy {
        minimum_length: 14,
        require_symbols: true,
        max_age_days: Some(90),
        ..old.clone()
    };
    let resource = Arn::parse("arn:aws:iam::123456789012:root").unwrap();
    let change = Change::UpdatePasswordPolicy(new);
    ActionResult {
        id: ActionId::of(&account(), &resource, &change),
        account: account(),
        resource,
        change,
        inverse: Some(Inverse::RestorePasswordPolicy(old)),
        owner: None,
        findings: Vec::new(),
        attempt: 1,
        at: now(),
        was_approved: false,
        outcome,
    }
}

pub(super) fn notification(event: Event, findings: &[&Finding], notices: Vec<NoticeItem>) -> Notification {
    let to = findings.first().and_then(|finding| finding.owner.clone());
    let config = config();
    let channel = config.notifications.route(to.as_ref()).channel;
    Notification {
        channel: channel.map(ToOwned::to_owned),
        to,
        event,
        findings: findings.iter().map(|finding| finding.id.clone()).collect(),
        notices,
        every: None,
    }
}

pub(super) fn notice(finding: &Finding, subject: &str) -> NoticeItem {
    NoticeItem {
        finding: finding.id.clone(),
        subject: subject.to_owned(),
        ladder: Ladder::Before(Span::from_days(7)),
        announced_for: date(),
    }
}

/// A warning about a key.
pub(super) fn expiring(finding: &Finding, action: &Action) -> Notification {
    let notices = vec![notice(finding, &action.change.subject())];
    notification(Event::AccessKeyExpiring, &[finding], notices)
}

pub(super) fn plan() -> PlanReference {
    PlanReference {
        id: "01KAQ8V3Q6PLANPLANPLANPLAN".to_owned(),
        digest: Digest::of_bytes(b"plan"),
    }
}

pub(super) fn decided(actions: Vec<Action>) -> Decided {
    Decided {
        plan: plan(),
        verdict: Verdict::Approved,
        by: "sec-lead@example.com".to_owned(),
        reason: Some("agreed in SEC-123".to_owned()),
        at: now(),
        actions,
    }
}

pub(super) fn exemption(today: &str) -> ExemptionEnding {
    ExemptionEnding {
        exemption: Exemption {
            principals: vec![Glob::new("user/ci-*")],
            rules: vec![RuleName::new("access_key_rotation")],
            accounts: None,
            until: "2026-11-30".parse().unwrap(),
            reason: "vendor integration, SEC-123".to_owned(),
        },
        today: today.parse().unwrap(),
        granted: None,
    }
}

pub(super) fn failure() -> RunFailure {
    RunFailure {
        account: Some(account()),
        operation: "iam:GetCredentialReport".to_owned(),
        resource: None,
        detail: "access denied to the role iamwarden".to_owned(),
    }
}

/// What a run has to tell, to be filled by a test.
#[derive(Default)]
pub(super) struct Told {
    pub(super) findings: Vec<Finding>,
    pub(super) actions: Vec<Action>,
    pub(super) notifications: Vec<Notification>,
    pub(super) results: Vec<ActionResult>,
    pub(super) decisions: Vec<Decided>,
    pub(super) exemptions: Vec<ExemptionEnding>,
    pub(super) failures: Vec<RunFailure>,
    pub(super) news: Vec<super::News>,
}

impl Told {
    pub(super) fn messages(&self, config: &Config) -> Vec<Outgoing> {
        self.messages_at(config, now())
    }

    pub(super) fn messages_at(&self, config: &Config, now: DateTime<Utc>) -> Vec<Outgoing> {
        self.messages_beside(config, now, &BTreeSet::new())
    }

    /// Those that tell what was not told before.
    pub(super) fn messages_beside(
        &self,
        config: &Config,
        now: DateTime<Utc>,
        told: &BTreeSet<Digest>,
    ) -> Vec<Outgoing> {
        let names = BTreeMap::from([(account(), "prod".to_owned())]);
        let tidings = Tidings {
            run: "run_01KAQ8V3Q6",
            plan: Some(plan()),
            now,
            account_names: &names,
            audit_head: None,
            findings: &self.findings,
            actions: &self.actions,
            notifications: &self.notifications,
            results: &self.results,
            decisions: &self.decisions,
            exemptions: &self.exemptions,
            failures: &self.failures,
            news: &self.news,
        };
        let mut number = 0;
        plan_messages(config, &tidings, told, &mut || {
            number += 1;
            format!("msg_{number:026}")
        })
    }

    /// The one message that goes to this channel.
    pub(super) fn message_for(&self, channel: &str) -> super::Message {
        let mut messages = self.messages(&config());
        messages.retain(|outgoing| outgoing.message.channel == channel);
        assert_eq!(messages.len(), 1, "messages for {channel}");
        messages.remove(0).message
    }

    /// Alice is warned about her key.
    pub(super) fn warning() -> Self {
        let (finding, action) = old_key("alice", 7, alice());
        Self {
            notifications: vec![expiring(&finding, &action)],
            findings: vec![finding],
            actions: vec![action],
            ..Self::default()
        }
    }

    /// This became of the action on Alice's key.
    pub(super) fn result(outcome: ActionOutcome) -> Self {
        let mut told = Self::warning();
        let result = ActionResult::of(&told.actions[0], alice(), 1, now(), outcome);
        told.notifications.clear();
        told.results.push(result);
        told
    }
}
