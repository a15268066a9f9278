//! An empty state, and values to put into it.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use tempfile::TempDir;

use super::postgres::{Cluster, Database};
use crate::model::{
    AccessKeyId, AccountId, ActionId, ActionMode, Arn, Change, Decision, Digest, Event, Finding, FindingId,
    FindingStatus, Inverse, KeyStatus, Ladder, NoticeItem, Owner, Precondition, RuleName, Severity, Span,
    Verdict,
};
use crate::state::statement::run_script;
use crate::state::{
    Cause, DecisionId, Direction, Intent, IntentId, IntentRecorded, Lease, NewDecision, NewMessage, Outcome,
    State,
};

pub(super) const RUN: &str = "01JDRUN0000000000000000000";

/// A state of its own, gone at the end.
pub(super) struct Fixture {
    pub(super) state: State,
    pub(super) url: String,
    pub(super) folder: Option<TempDir>,
    /// Set where it is one of PostgreSQL.
    pub(super) database: Option<Database<'static>>,
}

impl Fixture {
    pub(super) async fn in_memory() -> Self {
        let url = "sqlite::memory:".to_owned();
        let state = State::open(&url).await.unwrap().state;
        Self {
            state,
            url,
            folder: None,
            database: None,
        }
    }

    pub(super) async fn in_file() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("iamwarden.db").display());
        let state = State::open(&url).await.unwrap().state;
        Self {
            state,
            url,
            folder: Some(folder),
            database: None,
        }
    }

    pub(super) async fn in_postgres() -> Self {
        let database = Cluster::shared().database();
        let url = database.url();
        let state = State::open(&url).await.unwrap().state;
        Self {
            state,
            url,
            folder: None,
            database: Some(database),
        }
    }

    /// An empty state of every kind that several processes can share.
    pub(super) async fn of_each_shared() -> [Self; 2] {
        [Self::in_file().await, Self::in_postgres().await]
    }

    pub(super) async fn lease(&self) -> Lease {
        self.state
            .acquire_lease(&account(), "one")
            .await
            .unwrap()
            .unwrap()
    }

    /// Runs statements as somebody would who opens the database by other means.
    pub(super) async fn run_sql(&self, sql: &str) {
        self.try_sql(sql).await.unwrap();
    }

    pub(super) async fn try_sql(&self, sql: &str) -> Result<(), Cause> {
        let mut transaction = self.state.write().await?;
        run_script(&mut transaction, sqlx::AssertSqlSafe(sql.to_owned())).await?;
        transaction.commit().await
    }

    /// Moves the database's clock.
    pub(super) async fn move_clock(&self, milliseconds: i64) {
        let now = match self.database {
            None => "unixepoch('subsec')",
            Some(_) => "EXTRACT(EPOCH FROM clock_timestamp())",
        };
        self.run_sql(&format!(
            "DROP VIEW database_clock; CREATE VIEW database_clock AS \
             SELECT CAST({now} * 1000 AS BIGINT) + ({milliseconds}) AS now_ms"
        ))
        .await;
    }

    /// Queues messages that are about no attempt; gives the ids of those that are new.
    pub(super) async fn enqueue(&self, messages: &[NewMessage], now: DateTime<Utc>) -> Vec<String> {
        let write = |_: &BTreeSet<IntentId>, _: &BTreeSet<Digest>| messages.to_vec();
        self.state.enqueue(&[], &[], write, now).await.unwrap()
    }

    pub(super) async fn record(&self, lease: &Lease, intent: &Intent, at: DateTime<Utc>) -> IntentId {
        let recorded = self.state.record_intent(lease, intent, None, at).await.unwrap();
        let IntentRecorded::Recorded(id) = recorded else {
            panic!("not recorded: {recorded:?}")
        };
        id
    }

    /// Intent and outcome at once.
    pub(super) async fn perform(&self, lease: &Lease, intent: &Intent, at: DateTime<Utc>) -> IntentId {
        let id = self.record(lease, intent, at).await;
        self.state
            .record_outcome(id, Outcome::Applied, "done", Some(json!("Inactive")), at)
            .await
            .unwrap();
        id
    }

    pub(super) async fn decide(&self, intent: &Intent, verdict: Verdict, at: DateTime<Utc>) -> DecisionId {
        let decisions = [decision(intent, verdict, at)];
        let ids = self
            .state
            .record_decisions("01JDPLAN", &decisions, Some("SEC-1"), None, at)
            .await
            .unwrap();
        ids[0]
    }
}

pub(super) fn account() -> AccountId {
    AccountId::parse("123456789012").unwrap()
}

/// So many minutes after an arbitrary moment.
pub(super) fn at(minutes: i64) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339("2026-11-23T06:00:00Z")
        .unwrap()
        .to_utc()
        + TimeDelta::minutes(minutes)
}

pub(super) fn user(name: &str) -> Arn {
    Arn::parse(&format!("arn:aws:iam::123456789012:user/{name}")).unwrap()
}

pub(super) fn key(number: u32) -> AccessKeyId {
    AccessKeyId::parse(&format!("AKIAIOSFODNN7EX{number:05}")).unwrap()
}

pub(super) fn config_digest() -> Digest {
    Digest::of_bytes(b"configuration")
}

/// Disabling the key of this number, in mode `enforce`.
pub(super) fn disabling(number: u32) -> Intent {
    let change = Change::DisableAccessKey {
        access_key_id: key(number),
    };
    let resource = user("alice");
    Intent {
        action: ActionId::of(&account(), &resource, &change),
        run: RUN.to_owned(),
        direction: Direction::Apply,
        account: account(),
        resource,
        inverse: Some(Inverse::EnableAccessKey {
            access_key_id: key(number),
        }),
        change,
        precondition: Precondition::AccessKey {
            status: KeyStatus::Active,
            created_at: at(-1_000_000),
            last_used: Some(None),
        },
        mode: ActionMode::Enforce,
        decision: None,
        findings: vec![FindingId("fnd_1".into())],
    }
}

pub(super) fn undoing(number: u32) -> Intent {
    Intent {
        direction: Direction::Undo,
        ..disabling(number)
    }
}

pub(super) fn approved(number: u32, decision: DecisionId) -> Intent {
    Intent {
        mode: ActionMode::Approve,
        decision: Some(decision),
        ..disabling(number)
    }
}

pub(super) fn decision(intent: &Intent, verdict: Verdict, at: DateTime<Utc>) -> NewDecision {
    NewDecision {
        account: intent.account.clone(),
        decision: Decision {
            action: intent.action.clone(),
            verdict,
            precondition: intent.precondition.digest(),
            config_digest: config_digest(),
            decided_at: at,
            not_before: None,
            by: "sec-lead@example.com".into(),
            via: Default::default(),
        },
    }
}

pub(super) fn message(id: &str, dedup: &str, notices: &[u32]) -> NewMessage {
    let item = |number: &u32| NoticeItem {
        finding: FindingId(format!("fnd_{number}")),
        subject: key(*number).to_string(),
        ladder: Ladder::Before(Span::from_days(7)),
        announced_for: at(10_080),
    };
    NewMessage {
        id: id.to_owned(),
        channel: "secops".into(),
        event: Event::AccessKeyExpiring,
        owner: Some(Owner("alice@example.com".into())),
        body: json!({"text": "Your key is 83 days old."}),
        dedup: dedup.to_owned(),
        entries: vec![Digest::of_bytes(dedup.as_bytes())],
        deliver_after: at(0),
        notices: notices
            .iter()
            .map(|number| (account(), Event::AccessKeyExpiring, item(number)))
            .collect(),
    }
}

pub(super) fn rule() -> RuleName {
    RuleName::new("access_key_rotation")
}

pub(super) fn finding(name: &str) -> Finding {
    Finding {
        id: FindingId::of(&rule(), &account(), &user(name), ""),
        rule: rule(),
        account: account(),
        resource: user(name),
        severity: Severity::High,
        status: FindingStatus::Violation,
        title: "key is 120 days old".into(),
        detail: String::new(),
        evidence: serde_json::Map::new(),
        owner: None,
        proposal: None,
    }
}
