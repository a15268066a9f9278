//! Requests that count once, whose signature alone says so: the same one again is refused for as long as the signature
//! would be believed. And what people say there of whose things are.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use super::connection::State;
use super::encoding::{parse_time, time_text};
use super::error::{StateError, during};
use super::journal::{Entry, JournalKind, append};
use super::statement::query;
use crate::model::{AccountId, Digest, FindingId, Person};

/// How long a request is remembered: longer than any signature is believed.
const REMEMBERED: TimeDelta = TimeDelta::hours(1);

impl State {
    /// Notes a signed request by its digest, and says whether it is new.
    ///
    /// # Errors
    /// [`StateError`] where it cannot be written; then it must not be acted on.
    pub async fn note_click(&self, request: &Digest, now: DateTime<Utc>) -> Result<bool, StateError> {
        during("noting a click", async {
            let mut transaction = self.write().await?;
            query("DELETE FROM clicks WHERE at < $1")
                .bind(time_text(now - REMEMBERED))
                .execute(&mut transaction)
                .await?;
            let statement = "INSERT INTO clicks (digest, at) VALUES ($1, $2) ON CONFLICT (digest) DO NOTHING";
            let noted = query(statement)
                .bind(request.as_str())
                .bind(time_text(now))
                .execute(&mut transaction)
                .await?;
            transaction.commit().await?;
            Ok(noted == 1)
        })
        .await
    }

    /// Writes down that somebody says a thing is not theirs.
    ///
    /// # Errors
    /// [`StateError`] where it cannot be written.
    pub async fn record_dispute(
        &self,
        account: &AccountId,
        finding: &FindingId,
        by: &Person,
        now: DateTime<Utc>,
    ) -> Result<(), StateError> {
        during(format!("recording that {finding} is disputed"), async {
            let mut transaction = self.write().await?;
            let payload = json!({"finding": finding, "by": by});
            let entry = Entry::new(JournalKind::OwnershipDisputed, now, payload);
            append(&mut transaction, &entry.account(account)).await?;
            transaction.commit().await
        })
        .await
    }

    /// What the last report of this name said, and when; `None`: there was none.
    ///
    /// # Errors
    /// [`StateError`] where it cannot be read.
    pub async fn last_report(&self, name: &str) -> Result<Option<(DateTime<Utc>, String)>, StateError> {
        during("reading the last report", async {
            let mut connection = self.read().await?;
            let row: Option<(String, String)> = query("SELECT at, document FROM reports WHERE name = $1")
                .bind(name)
                .fetch_optional(&mut connection)
                .await?;
            row.map(|(at, document)| Ok((parse_time(&at)?, document)))
                .transpose()
        })
        .await
    }

    /// Remembers what a report said, for the next one to be compared with.
    ///
    /// # Errors
    /// [`StateError`] where it cannot be written.
    pub async fn keep_report(
        &self,
        name: &str,
        document: &str,
        now: DateTime<Utc>,
    ) -> Result<(), StateError> {
        during("keeping a report", async {
            let mut transaction = self.write().await?;
            query(
                "INSERT INTO reports (name, at, document) VALUES ($1, $2, $3) \
                 ON CONFLICT (name) DO UPDATE SET at = excluded.at, document = excluded.document",
            )
            .bind(name)
            .bind(time_text(now))
            .bind(document)
            .execute(&mut transaction)
            .await?;
            transaction.commit().await
        })
        .await
    }
}
