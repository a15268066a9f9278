//! One test for each rule of evidence, named after it, over an account where exactly one attachment is unused.

mod detaching;
mod evidence;
mod principals;
mod properties;
mod reading;
mod words;

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::{NAME, check};
use crate::config::{Config, Mode};
use crate::inventory::{
    AttachedPolicy, Authorization, Caller, Gap, GapCause, Group, InlinePolicy, ManagedPolicy, PolicyVersion,
    Reading, Role, ServiceLastAccessed, ServiceUse, Snapshot, User,
};
use crate::model::{
    AccountId, Arn, Change, FindingStatus, History, Observation, Observed, Partition, WithheldReason,
};
use crate::rules::{Context, Judgement};

/// The defaults with this rule alone.
fn declared() -> Config {
    let mut config = crate::rules::fixture::config(Mode::Off);
    config.rules.unused_permissions.mode = Mode::Enforce;
    config
}

const TRUSTS_EC2: &str = r#"{"Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;

/// An account, what is declared for it, and what is remembered of it.
#[derive(Debug, Clone)]
pub(in crate::rules) struct World {
    pub(in crate::rules) config: Config,
    pub(in crate::rules) snapshot: Snapshot,
    pub(in crate::rules) authorization: Authorization,
    pub(in crate::rules) history: History,
    pub(in crate::rules) now: DateTime<Utc>,
}

pub(in crate::rules) fn at(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

fn account() -> AccountId {
    AccountId::parse("123456789012").unwrap()
}

pub(in crate::rules) fn arn(resource: &str) -> Arn {
    Arn::parse(&format!("arn:aws:iam::123456789012:{resource}")).unwrap()
}

pub(in crate::rules) fn policy_arn(name: &str) -> Arn {
    arn(&format!("policy/{name}"))
}

pub(in crate::rules) fn allow(actions: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":{actions},"Resource":"*"}}]}}"#
    )
}

fn attached(name: &str) -> AttachedPolicy {
    AttachedPolicy {
        arn: policy_arn(name),
        name: name.to_owned(),
    }
}

impl World {
    /// A role `app` in daily use of S3, with a policy `Storage` for that, and a policy `Queues` that nobody uses; all
    /// of it seen for 200 days.
    pub(in crate::rules) fn new() -> Self {
        let mut world = Self::empty();
        world.add_role("app");
        world.attach("role/app", "Storage", &allow(r#""s3:*""#));
        world.attach("role/app", "Queues", &allow(r#""sqs:*""#));
        world.report("role/app", &[("s3", Some(1)), ("sqs", None)]);
        world
    }

    pub(in crate::rules) fn empty() -> Self {
        let now = at("2026-11-23T06:00:00Z");
        let snapshot = Snapshot {
            schema: "iamwarden.snapshot/v1".to_owned(),
            taken_at: now,
            account: account(),
            name: "prod".to_owned(),
            partition: Partition::new("aws"),
            caller: Caller {
                arn: arn("user/warden"),
                identities: vec!["user/warden".to_owned()],
            },
            authorization: Reading::Known(Authorization::default()),
            password_policy: None,
            root: None,
            virtual_mfa_devices: None,
            last_accessed: BTreeMap::new(),
            credential_report_at: None,
            regions: Default::default(),
            gaps: Vec::new(),
            api_calls: BTreeMap::new(),
        };
        let mut world = Self {
            config: declared(),
            snapshot,
            authorization: Authorization::default(),
            history: History::default(),
            now,
        };
        world.observe(
            Observation::Membership {
                user: arn("root"),
                group: String::new(),
            },
            300,
        );
        world
    }

    pub(in crate::rules) fn ago(&self, days: i64) -> DateTime<Utc> {
        self.now - TimeDelta::days(days)
    }

    pub(in crate::rules) fn observe(&mut self, what: Observation, days: i64) {
        let observed = Observed {
            first: self.ago(days),
            last: self.now,
        };
        self.history.observations.insert(what, observed);
    }

    pub(in crate::rules) fn add_role(&mut self, path: &str) -> &mut Role {
        let role = Role {
            arn: arn(&format!("role/{path}")),
            name: path.rsplit('/').next().unwrap().to_owned(),
            id: format!("AROA{path}"),
            created_at: self.ago(700),
            tags: BTreeMap::new(),
            attached: Vec::new(),
            inline: Vec::new(),
            boundary: None,
            trust: TRUSTS_EC2.to_owned(),
            last_used_at: None,
        };
        self.authorization.roles.push(role);
        self.authorization.roles.last_mut().unwrap()
    }

    pub(in crate::rules) fn add_user(&mut self, name: &str, groups: &[&str]) -> &mut User {
        let user = User {
            arn: arn(&format!("user/{name}")),
            name: name.to_owned(),
            id: format!("AIDA{name}"),
            created_at: self.ago(700),
            tags: BTreeMap::new(),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            attached: Vec::new(),
            inline: Vec::new(),
            boundary: None,
            credentials: None,
            sign_in: None,
            password_use: None,
            other_credentials: None,
        };
        for group in groups {
            let membership = Observation::Membership {
                user: user.arn.clone(),
                group: (*group).to_owned(),
            };
            self.observe(membership, 200);
        }
        self.authorization.users.push(user);
        self.authorization.users.last_mut().unwrap()
    }

    pub(in crate::rules) fn add_group(&mut self, name: &str) -> &mut Group {
        let group = Group {
            arn: arn(&format!("group/{name}")),
            name: name.to_owned(),
            created_at: self.ago(700),
            attached: Vec::new(),
            inline: Vec::new(),
        };
        self.authorization.groups.push(group);
        self.authorization.groups.last_mut().unwrap()
    }

    pub(in crate::rules) fn role(&mut self) -> &mut Role {
        self.authorization.roles.first_mut().unwrap()
    }

    pub(in crate::rules) fn user(&mut self, name: &str) -> &mut User {
        self.authorization
            .users
            .iter_mut()
            .find(|user| user.name == name)
            .unwrap()
    }

    pub(in crate::rules) fn policy(&mut self, name: &str) -> &mut ManagedPolicy {
        self.authorization.policies.get_mut(&policy_arn(name)).unwrap()
    }

    /// Attaches a policy, seen attached for 200 days and unused for 30.
    pub(in crate::rules) fn attach(&mut self, holder: &str, name: &str, document: &str) {
        let created_at = self.ago(600);
        let version = PolicyVersion {
            id: "v1".to_owned(),
            created_at,
            document: document.to_owned(),
        };
        let policy = ManagedPolicy {
            arn: policy_arn(name),
            name: name.to_owned(),
            default_version: "v1".to_owned(),
            created_at,
            updated_at: created_at,
            attachment_count: 1,
            boundary_count: 0,
            versions: vec![version],
        };
        self.authorization.policies.insert(policy.arn.clone(), policy);
        let (principal, policy) = (arn(holder), policy_arn(name));
        let lists = [
            self.authorization
                .users
                .iter_mut()
                .find(|u| u.arn == principal)
                .map(|u| &mut u.attached),
            self.authorization
                .groups
                .iter_mut()
                .find(|g| g.arn == principal)
                .map(|g| &mut g.attached),
            self.authorization
                .roles
                .iter_mut()
                .find(|r| r.arn == principal)
                .map(|r| &mut r.attached),
        ];
        lists.into_iter().flatten().next().unwrap().push(attached(name));
        self.observe(
            Observation::Attachment {
                principal: principal.clone(),
                policy: policy.clone(),
            },
            200,
        );
        self.observe(Observation::UnusedAttachment { principal, policy }, 30);
    }

    pub(in crate::rules) fn set_document(&mut self, name: &str, document: &str) {
        self.policy(name).versions.first_mut().unwrap().document = document.to_owned();
    }

    pub(in crate::rules) fn add_inline(&mut self, document: &str) {
        let inline = InlinePolicy {
            name: "inline".to_owned(),
            document: document.to_owned(),
        };
        self.role().inline.push(inline);
    }

    /// A report of an hour ago; uses are given in days before now.
    pub(in crate::rules) fn report(&mut self, holder: &str, rows: &[(&str, Option<i64>)]) {
        let services = rows.iter().map(|(service, days)| {
            let last_authenticated = days.map(|days| self.ago(days));
            let row = ServiceUse {
                last_authenticated,
                ..ServiceUse::default()
            };
            ((*service).to_owned(), row)
        });
        let report = ServiceLastAccessed {
            completed_at: self.now - TimeDelta::hours(1),
            services: services.collect(),
        };
        self.snapshot
            .last_accessed
            .insert(arn(holder), Reading::Known(report));
    }

    pub(in crate::rules) fn edit_report(
        &mut self,
        holder: &str,
        edit: impl FnOnce(&mut ServiceLastAccessed),
    ) {
        match self.snapshot.last_accessed.get_mut(&arn(holder)) {
            Some(Reading::Known(report)) => edit(report),
            Some(Reading::Unknown(_)) | None => panic!("{holder} has no report"),
        }
    }

    pub(in crate::rules) fn lose_report(&mut self, holder: &str) {
        let gap = Gap {
            operation: "iam:GetServiceLastAccessedDetails".to_owned(),
            resource: Some(arn(holder)),
            cause: GapCause::Unusable,
            detail: "the job failed".to_owned(),
        };
        self.snapshot
            .last_accessed
            .insert(arn(holder), Reading::Unknown(gap));
    }

    pub(in crate::rules) fn lose_authorization(&mut self) {
        self.snapshot.authorization = Reading::Unknown(Gap {
            operation: "iam:GetAccountAuthorizationDetails".to_owned(),
            resource: None,
            cause: GapCause::Throttled,
            detail: "rate exceeded".to_owned(),
        });
    }

    pub(in crate::rules) fn judge(&self) -> Vec<Judgement> {
        self.judged_by(check)
    }

    /// What a rule says of the world.
    pub(in crate::rules) fn judged_by(&self, rule: fn(&Context<'_>) -> Vec<Judgement>) -> Vec<Judgement> {
        let mut snapshot = self.snapshot.clone();
        if snapshot.authorization.known().is_some() {
            snapshot.authorization = Reading::Known(self.authorization.clone());
        }
        rule(&Context {
            config: &self.config,
            snapshot: &snapshot,
            history: &self.history,
            now: self.now,
        })
    }

    /// What would really be detached: violations that are neither withheld nor for the report only.
    pub(in crate::rules) fn detached(&self) -> Vec<String> {
        let judgements = self.judge();
        let due = judgements.iter().filter(|judgement| {
            judgement
                .remedy
                .as_ref()
                .is_some_and(|r| r.withheld.is_none() && !r.report_only)
        });
        sorted(due.map(brief))
    }

    /// Everything said, in brief.
    pub(in crate::rules) fn said(&self) -> Vec<String> {
        sorted(self.judge().iter().map(brief))
    }

    /// Asserts that nothing at all would be detached, and that the reason given is this one.
    #[track_caller]
    pub(in crate::rules) fn assert_kept_by(&self, rule: &str) {
        assert_eq!(self.detached(), Vec::<String>::new());
        let kept_by = |judgement: &Judgement| judgement.finding.evidence.get("kept_by").cloned();
        let judgements = self.judge();
        assert!(judgements.iter().all(|judgement| judgement.remedy.is_none()));
        let reasons: Vec<_> = judgements.iter().filter_map(kept_by).collect();
        assert_eq!(reasons, [rule], "{:?}", self.said());
    }

    /// Asserts that nothing is said at all.
    #[track_caller]
    pub(in crate::rules) fn assert_silent(&self) {
        assert_eq!(self.said(), Vec::<String>::new());
    }
}

fn sorted(lines: impl Iterator<Item = String>) -> Vec<String> {
    let mut lines: Vec<_> = lines.collect();
    lines.sort();
    lines
}

fn brief(judgement: &Judgement) -> String {
    let finding = &judgement.finding;
    assert_eq!(finding.rule, NAME);
    assert_eq!(
        finding.status == FindingStatus::Violation,
        judgement.remedy.is_some()
    );
    let of = |key: &str| finding.evidence.get(key).and_then(|value| value.as_str());
    let policy = of("policy_arn").map(|text| format!(" {}", text.rsplit('/').next().unwrap()));
    let kept = of("kept_by").map(|rule| format!(" ({rule})"));
    format!(
        "{} {}{}{}",
        finding.status.as_str(),
        finding.resource.resource(),
        policy.unwrap_or_default(),
        kept.unwrap_or_default()
    )
}

const QUEUES_DETACHED: [&str; 1] = ["violation role/app Queues"];

#[test]
fn the_one_unused_policy_is_detached_and_nothing_else_is_said() {
    let world = World::new();
    assert_eq!(world.detached(), QUEUES_DETACHED);
    assert_eq!(world.said(), QUEUES_DETACHED);
}

#[test]
fn a_rule_that_is_off_says_nothing() {
    let mut world = World::new();
    world.config.rules.unused_permissions.mode = Mode::Off;
    world.assert_silent();
}

#[test]
fn w1_a_policy_is_withheld_until_seen_unused_in_every_reading_for_long_enough() {
    let mut world = World::new();
    let what = Observation::UnusedAttachment {
        principal: arn("role/app"),
        policy: policy_arn("Queues"),
    };
    for (seen_since, due) in [(None, false), (Some(0), false), (Some(6), false), (Some(7), true)] {
        world.history.observations.remove(&what);
        if let Some(days) = seen_since {
            world.observe(what.clone(), days);
        }
        let judgement = world.judge().remove(0);
        let announced = judgement.announcement.unwrap();
        assert_eq!(announced.due, world.ago(seen_since.unwrap_or(0) - 7));
        let withheld = judgement.remedy.unwrap().withheld.map(|(reason, _)| reason);
        assert_eq!(
            withheld,
            (!due).then_some(WithheldReason::Unconfirmed),
            "{seen_since:?}"
        );
    }
    world.history.observations.remove(&what);
    world.config.rules.unused_permissions.confirm_after = crate::model::Span::ZERO;
    assert_eq!(world.detached(), QUEUES_DETACHED);
}

#[test]
fn w1_any_use_in_between_starts_anew() {
    let mut world = World::new();
    world.report("role/app", &[("s3", Some(1)), ("sqs", Some(2))]);
    let judgements = world.judge();
    assert!(
        super::unused_attachments(&judgements).is_empty(),
        "so the state forgets it"
    );
}

#[test]
fn the_proposal_is_to_detach_and_its_inverse_to_attach() {
    let judgement = World::new().judge().remove(0);
    let remedy = judgement.remedy.unwrap();
    assert_eq!(
        remedy.proposal.change,
        Change::DetachPolicy {
            policy_arn: policy_arn("Queues")
        }
    );
    insta::assert_json_snapshot!(remedy.proposal.inverse, @r#"
    {
      "kind": "attach_policy",
      "parameters": {
        "policy_arn": "arn:aws:iam::123456789012:policy/Queues"
      }
    }
    "#);
    insta::assert_json_snapshot!(remedy.precondition, @r#"
    {
      "policy_arn": "arn:aws:iam::123456789012:policy/Queues",
      "version": "v1",
      "document": "sha256:49e4e9d79a54440dd7f72ce2bc35aa64556aaec9f13745acf77433ae863f2688",
      "attached": true,
      "last_used": {
        "services": {
          "sqs": null
        }
      }
    }
    "#);
    insta::assert_json_snapshot!(judgement.finding, @r#"
    {
      "id": "fnd_a92e3753befb701cab921a9f",
      "rule": "unused_permissions",
      "account": "123456789012",
      "resource": "arn:aws:iam::123456789012:role/app",
      "severity": "medium",
      "status": "violation",
      "title": "nothing that Queues grants to the role app was used for 90 days",
      "detail": "It grants Amazon SQS (never seen used), and the role used none of that for 90 days. Detaching it can be undone by attaching it again.",
      "evidence": {
        "attached_since": "2026-05-07T06:00:00Z",
        "attached_since_is": "appeared",
        "judged_on": "2026-08-05T06:00:00Z",
        "observable_days": 200,
        "policy_arn": "arn:aws:iam::123456789012:policy/Queues",
        "policy_version": "v1",
        "principal_age_days": 700,
        "report_completed_at": "2026-11-23T05:00:00Z",
        "services": {
          "sqs": {
            "last_used": null,
            "name": "Amazon SQS"
          }
        },
        "unused_for": "90d"
      },
      "owner": null,
      "proposal": null
    }
    "#);
    insta::assert_json_snapshot!(judgement.announcement.map(|a| a.subject), @r#""arn:aws:iam::123456789012:policy/Queues of arn:aws:iam::123456789012:role/app""#);
}
