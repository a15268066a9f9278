//! Plans kept for approval, and what people decided of them.
//!
//! Decisions live in the journal alone. One is spent by the first application of its action that is recorded after it: no
//! flag could say otherwise.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::attempts::parse_account;
use super::connection::{Connection, State};
use super::encoding::{parse_json, parse_time, time_text};
use super::error::{Cause, StateError, during};
use super::journal::{Entry, JournalKind, append};
use super::statement::query;
use crate::model::{AccountId, ActionId, Arn, Decision, Digest, Verdict};

/// Names a decision: its number in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DecisionId(pub(super) i64);

impl std::fmt::Display for DecisionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A plan that was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPlan {
    /// Its ULID.
    pub id: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Of the configuration that it was made under.
    pub config_digest: Digest,
    /// The plan document, JSON.
    pub document: String,
}

/// A plan that was kept, without its document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanSummary {
    /// Its ULID.
    pub id: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Of the configuration that it was made under.
    pub config_digest: Digest,
}

/// A person's decision of one action of one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDecision {
    /// Where the action is.
    pub account: AccountId,
    /// What was decided.
    pub decision: Decision,
}

/// A decision as the journal has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DecisionRecord {
    /// Names it; an intent refers to it by that.
    pub id: DecisionId,
    /// The plan that was decided.
    pub plan: String,
    /// Where the action is.
    pub account: AccountId,
    /// What was decided, of what, when and by whom.
    #[serde(flatten)]
    pub decision: Decision,
    /// Why.
    pub reason: Option<String>,
    /// The identity that AWS STS gave for whoever decided, where there was one.
    pub caller: Option<Arn>,
    /// Whether the action was applied since.
    pub spent: bool,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DecisionPayload<'a> {
    plan: Cow<'a, str>,
    decision: Cow<'a, Decision>,
    reason: Option<Cow<'a, str>>,
    caller: Option<Cow<'a, Arn>>,
}

/// Decisions, and how often their action was applied since.
macro_rules! select_decisions {
    ($rest:literal) => {
        concat!(
            "SELECT d.seq, d.account, d.payload, (SELECT COUNT(*) FROM intents i WHERE i.account = d.account \
             AND i.action = d.action AND i.direction = 'apply' AND i.status = 'applied' \
             AND i.outcome_seq > d.seq) AS spent FROM journal d WHERE d.kind = 'decision'",
            $rest
        )
    };
}

type DecisionRow = (i64, String, String, i64);

fn parse_decision(row: DecisionRow) -> Result<DecisionRecord, Cause> {
    let (seq, account, payload, spent) = row;
    let stored: DecisionPayload<'static> = parse_json("decision", &payload)?;
    Ok(DecisionRecord {
        id: DecisionId(seq),
        plan: stored.plan.into_owned(),
        account: parse_account(&account)?,
        decision: stored.decision.into_owned(),
        reason: stored.reason.map(Cow::into_owned),
        caller: stored.caller.map(Cow::into_owned),
        spent: spent > 0,
    })
}

fn parse_plan(row: (String, String, String, String)) -> Result<StoredPlan, Cause> {
    let (id, created_at, config_digest, document) = row;
    Ok(StoredPlan {
        id,
        created_at: parse_time(&created_at)?,
        config_digest: parse_json("digest", &json!(config_digest).to_string())?,
        document,
    })
}

impl State {
    /// Keeps a plan for approval. Keeping the same again changes nothing.
    ///
    /// # Errors
    /// [`StateError`] where it cannot be written, or another plan has the id.
    pub async fn save_plan(
        &self,
        id: &str,
        document: &str,
        config_digest: &Digest,
        created_at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<(), StateError> {
        during(format!("keeping plan {id}"), async {
            let mut transaction = self.write().await?;
            let kept: Option<String> = query("SELECT document FROM plans WHERE id = $1")
                .bind(id)
                .fetch_optional_value(&mut transaction)
                .await?;
            match kept {
                Some(kept) if kept == document => return Ok(()),
                Some(_) => return Err(Cause::PlanExists(id.to_owned())),
                None => {}
            }
            query(
                "INSERT INTO plans (id, created_at, saved_at, config_digest, document) \
                 VALUES ($1, $2, $3, $4, $5)",
            )
            .bind(id)
            .bind(time_text(created_at))
            .bind(time_text(now))
            .bind(config_digest.as_str())
            .bind(document)
            .execute(&mut transaction)
            .await?;
            let payload = json!({
                "plan": id,
                "document": Digest::of_bytes(document.as_bytes()),
                "config_digest": config_digest,
            });
            append(
                &mut transaction,
                &Entry::new(JournalKind::PlanSaved, now, payload),
            )
            .await?;
            transaction.commit().await
        })
        .await
    }

    /// A plan that was kept: by its id, by the beginning of it (in any case) where only one begins so, or the `latest`.
    ///
    /// # Errors
    /// [`StateError`] where it cannot be read, or several begin so.
    pub async fn load_plan(&self, wanted: &str) -> Result<Option<StoredPlan>, StateError> {
        during(format!("reading plan {wanted}"), async {
            let mut connection = self.read().await?;
            let rows: Vec<(String, String, String, String)> = if wanted == "latest" {
                query(
                    "SELECT id, created_at, config_digest, document FROM plans \
                     ORDER BY created_at DESC, id DESC LIMIT 1",
                )
                .fetch_all(&mut connection)
                .await?
            } else {
                // Not LIKE: its wildcards would be the caller's.
                query(
                    "SELECT id, created_at, config_digest, document FROM plans \
                     WHERE UPPER(SUBSTR(id, 1, LENGTH($1))) = UPPER($1) AND $1 <> '' \
                     ORDER BY CASE WHEN id = $1 THEN 0 ELSE 1 END, id LIMIT 2",
                )
                .bind(wanted)
                .fetch_all(&mut connection)
                .await?
            };
            if rows.len() > 1 && rows.first().is_some_and(|(id, ..)| id != wanted) {
                let examples = rows.into_iter().map(|(id, ..)| id).collect();
                return Err(Cause::AmbiguousPlan {
                    prefix: wanted.to_owned(),
                    examples,
                });
            }
            rows.into_iter().next().map(parse_plan).transpose()
        })
        .await
    }

    /// The newest plan, made at this time or later, that holds the action.
    ///
    /// # Errors
    /// [`StateError`] where it cannot be read.
    pub async fn newest_plan_holding(
        &self,
        action: &ActionId,
        since: DateTime<Utc>,
    ) -> Result<Option<StoredPlan>, StateError> {
        during(format!("reading the newest plan with {action}"), async {
            let mut connection = self.read().await?;
            let row: Option<(String, String, String, String)> = query(
                "SELECT id, created_at, config_digest, document FROM plans \
                 WHERE created_at >= $1 AND REPLACE(document, $2, '') <> document ORDER BY created_at DESC, id DESC LIMIT 1",
            )
            .bind(time_text(since))
            .bind(action.as_str())
            .fetch_optional(&mut connection)
            .await?;
            row.map(parse_plan).transpose()
        })
        .await
    }

    /// The plans that were kept, newest first.
    ///
    /// # Errors
    /// [`StateError`] where they cannot be read.
    pub async fn plans(&self, limit: u32) -> Result<Vec<PlanSummary>, StateError> {
        during("reading which plans were kept", async {
            let mut connection = self.read().await?;
            let rows: Vec<(String, String, String)> = query(
                "SELECT id, created_at, config_digest FROM plans ORDER BY created_at DESC, id DESC LIMIT $1",
            )
            .bind(i64::from(limit))
            .fetch_all(&mut connection)
            .await?;
            let parse = |(id, created_at, digest): (String, String, String)| {
                Ok(PlanSummary {
                    id,
                    created_at: parse_time(&created_at)?,
                    config_digest: parse_json("digest", &json!(digest).to_string())?,
                })
            };
            rows.into_iter().map(parse).collect()
        })
        .await
    }

    /// Records what one person decided of actions of a plan, all or none.
    ///
    /// # Errors
    /// [`StateError`] where it cannot be written; then nothing is decided.
    pub async fn record_decisions(
        &self,
        plan: &str,
        decisions: &[NewDecision],
        reason: Option<&str>,
        caller: Option<&Arn>,
        now: DateTime<Utc>,
    ) -> Result<Vec<DecisionId>, StateError> {
        during(format!("recording decisions of plan {plan}"), async {
            let mut transaction = self.write().await?;
            let mut ids = Vec::with_capacity(decisions.len());
            for NewDecision { account, decision } in decisions {
                let payload = DecisionPayload {
                    plan: Cow::Borrowed(plan),
                    decision: Cow::Borrowed(decision),
                    reason: reason.map(Cow::Borrowed),
                    caller: caller.map(Cow::Borrowed),
                };
                let entry = Entry::new(JournalKind::Decision, now, json!(payload))
                    .account(account)
                    .action(&decision.action);
                ids.push(DecisionId(append(&mut transaction, &entry).await?));
            }
            transaction.commit().await?;
            Ok(ids)
        })
        .await
    }

    /// The decisions of an account that are not spent, oldest first.
    ///
    /// # Errors
    /// [`StateError`] where they cannot be read.
    pub async fn unspent_decisions(&self, account: &AccountId) -> Result<Vec<DecisionRecord>, StateError> {
        during(format!("reading the decisions of account {account}"), async {
            let mut connection = self.read().await?;
            read_unspent_decisions(&mut connection, account).await
        })
        .await
    }

    /// The approvals of all accounts that are not spent, oldest first. Whether they still count, the planner knows.
    ///
    /// # Errors
    /// [`StateError`] where they cannot be read.
    pub async fn unspent_approvals(&self) -> Result<Vec<DecisionRecord>, StateError> {
        during("reading the approvals", async {
            let mut connection = self.read().await?;
            let rows: Vec<DecisionRow> = query(select_decisions!(" ORDER BY d.seq"))
                .fetch_all(&mut connection)
                .await?;
            let mut records = Vec::new();
            for row in rows.into_iter().filter(|(.., spent)| *spent == 0) {
                let record = parse_decision(row)?;
                if record.decision.verdict == Verdict::Approved {
                    records.push(record);
                }
            }
            Ok(records)
        })
        .await
    }

    /// The latest decisions of all accounts, newest first.
    ///
    /// # Errors
    /// [`StateError`] where they cannot be read.
    pub async fn decisions(&self, limit: u32) -> Result<Vec<DecisionRecord>, StateError> {
        during("reading the decisions", async {
            let mut connection = self.read().await?;
            let rows: Vec<DecisionRow> = query(select_decisions!(" ORDER BY d.seq DESC LIMIT $1"))
                .bind(i64::from(limit))
                .fetch_all(&mut connection)
                .await?;
            rows.into_iter().map(parse_decision).collect()
        })
        .await
    }
}

pub(super) async fn read_unspent_decisions(
    connection: &mut Connection,
    account: &AccountId,
) -> Result<Vec<DecisionRecord>, Cause> {
    let rows: Vec<DecisionRow> = query(select_decisions!(" AND d.account = $1 ORDER BY d.seq"))
        .bind(account.as_str())
        .fetch_all(connection)
        .await?;
    let mut records = Vec::new();
    for row in rows.into_iter().filter(|(.., spent)| *spent == 0) {
        records.push(parse_decision(row)?);
    }
    Ok(records)
}

/// Whether this is an approval of this action that is not spent, and that no rejection came after.
pub(super) async fn is_live_approval(
    connection: &mut Connection,
    wanted: DecisionId,
    account: &AccountId,
    action: &ActionId,
) -> Result<bool, Cause> {
    let rows: Vec<DecisionRow> = query(select_decisions!(
        " AND d.account = $1 AND d.action = $2 AND d.seq >= $3 ORDER BY d.seq"
    ))
    .bind(account.as_str())
    .bind(action.as_str())
    .bind(wanted.0)
    .fetch_all(connection)
    .await?;
    let mut live = false;
    for row in rows {
        let record = parse_decision(row)?;
        match record.decision.verdict {
            Verdict::Approved if record.id == wanted => live = !record.spent,
            Verdict::Approved => {}
            Verdict::Rejected => return Ok(false),
        }
    }
    Ok(live)
}
