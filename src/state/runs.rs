//! Runs: one command or one tick of the daemon, and what it did. They live in the journal alone.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::attempts::{ActionRecord, read_run_actions};
use super::connection::{Connection, State};
use super::encoding::{parse_json, parse_time, time_text};
use super::error::{Cause, StateError, during};
use super::journal::{Entry, JournalKind, append};
use super::statement::query;
use crate::model::{Arn, Digest, RuleName};

/// A run in the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunRecord {
    /// Its ULID.
    pub id: String,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// Which command.
    pub command: String,
    /// The identity that AWS STS gave, where it was asked.
    pub caller: Option<Arn>,
    /// Which person asked for it, where it was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Of the configuration that it ran under.
    pub config_digest: Digest,
    /// When it ended; `None`: it runs still, or its process died.
    pub finished_at: Option<DateTime<Utc>>,
    /// How it ended; `unfinished` where it did not.
    pub status: String,
    /// What it says of itself.
    pub summary: Option<Value>,
    /// What it did, or was about to do, in that order.
    pub actions: Vec<ActionRecord>,
}

/// The status of a run that did not end.
pub const UNFINISHED: &str = "unfinished";

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StartPayload<'a> {
    command: Cow<'a, str>,
    caller: Option<Cow<'a, Arn>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<Cow<'a, str>>,
    config_digest: Cow<'a, Digest>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FinishPayload<'a> {
    status: Cow<'a, str>,
    summary: Cow<'a, Value>,
}

impl State {
    /// Records that a run begins.
    ///
    /// # Errors
    /// [`StateError`] where it cannot be written.
    pub async fn begin_run(
        &self,
        id: &str,
        command: &str,
        now: DateTime<Utc>,
        caller: Option<&Arn>,
        by: Option<&str>,
        config_digest: &Digest,
    ) -> Result<(), StateError> {
        during(format!("recording the start of run {id}"), async {
            let payload = StartPayload {
                command: Cow::Borrowed(command),
                caller: caller.map(Cow::Borrowed),
                by: by.map(Cow::Borrowed),
                config_digest: Cow::Borrowed(config_digest),
            };
            let mut transaction = self.write().await?;
            append(
                &mut transaction,
                &Entry::new(JournalKind::RunStarted, now, json!(payload)).run(id),
            )
            .await?;
            transaction.commit().await
        })
        .await
    }

    /// Records how a run ended.
    ///
    /// # Errors
    /// [`StateError`] where it cannot be written; the run then looks unfinished.
    pub async fn finish_run(
        &self,
        id: &str,
        now: DateTime<Utc>,
        status: &str,
        summary: &Value,
    ) -> Result<(), StateError> {
        during(format!("recording the end of run {id}"), async {
            let payload = FinishPayload {
                status: Cow::Borrowed(status),
                summary: Cow::Borrowed(summary),
            };
            let mut transaction = self.write().await?;
            append(
                &mut transaction,
                &Entry::new(JournalKind::RunFinished, now, json!(payload)).run(id),
            )
            .await?;
            transaction.commit().await
        })
        .await
    }

    /// The latest runs with their actions, newest first.
    ///
    /// # Errors
    /// [`StateError`] where they cannot be read.
    pub async fn runs(&self, limit: u32) -> Result<Vec<RunRecord>, StateError> {
        during("reading the runs", async {
            let mut snapshot = self.read().await?;
            let rows: Vec<(String, String, String)> = query(
                "SELECT run, at, payload FROM journal WHERE kind = 'run_started' ORDER BY seq DESC LIMIT $1",
            )
            .bind(i64::from(limit))
            .fetch_all(&mut snapshot)
            .await?;
            let mut records = Vec::with_capacity(rows.len());
            for (id, at, payload) in rows {
                records.push(read_run(&mut snapshot, id, &at, &payload).await?);
            }
            snapshot.end().await?;
            self.ensure_unchanged()?;
            Ok(records)
        })
        .await
    }

    /// When a rule was last started by its schedule; `None`: never.
    ///
    /// # Errors
    /// [`StateError`] where it cannot be read.
    pub async fn last_tick(&self, rule: &RuleName) -> Result<Option<DateTime<Utc>>, StateError> {
        during(format!("reading when {rule} last ran"), async {
            let mut connection = self.read().await?;
            let at: Option<String> = query("SELECT at FROM ticks WHERE rule = $1")
                .bind(rule.as_str())
                .fetch_optional_value(&mut connection)
                .await?;
            at.as_deref().map(parse_time).transpose()
        })
        .await
    }

    /// Records that a rule was started by its schedule.
    ///
    /// # Errors
    /// [`StateError`] where it cannot be written.
    pub async fn record_tick(&self, rule: &RuleName, at: DateTime<Utc>) -> Result<(), StateError> {
        during(format!("recording that {rule} ran"), async {
            let mut transaction = self.write().await?;
            query(
                "INSERT INTO ticks (rule, at) VALUES ($1, $2) \
                 ON CONFLICT (rule) DO UPDATE SET at = excluded.at",
            )
            .bind(rule.as_str())
            .bind(time_text(at))
            .execute(&mut transaction)
            .await?;
            transaction.commit().await
        })
        .await
    }
}

async fn read_run(
    connection: &mut Connection,
    id: String,
    started_at: &str,
    payload: &str,
) -> Result<RunRecord, Cause> {
    let start: StartPayload<'static> = parse_json("start of a run", payload)?;
    let end: Option<(String, String)> = query(
        "SELECT at, payload FROM journal WHERE run = $1 AND kind = 'run_finished' ORDER BY seq DESC LIMIT 1",
    )
    .bind(&id)
    .fetch_optional(connection)
    .await?;
    let (finished_at, status, summary) = match end {
        Some((at, payload)) => {
            let end: FinishPayload<'static> = parse_json("end of a run", &payload)?;
            (
                Some(parse_time(&at)?),
                end.status.into_owned(),
                Some(end.summary.into_owned()),
            )
        }
        None => (None, UNFINISHED.to_owned(), None),
    };
    let actions = read_run_actions(connection, &id).await?;
    Ok(RunRecord {
        started_at: parse_time(started_at)?,
        command: start.command.into_owned(),
        caller: start.caller.map(Cow::into_owned),
        by: start.by.map(Cow::into_owned),
        config_digest: start.config_digest.into_owned(),
        finished_at,
        status,
        summary,
        actions,
        id,
    })
}
