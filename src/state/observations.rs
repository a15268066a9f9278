//! What was seen from reading to reading, and since when without a break.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use sqlx::AssertSqlSafe;

use super::connection::{Connection, State};
use super::encoding::{json_text, parse_json, parse_time, time_text};
use super::error::{Cause, StateError, during};
use super::statement::{places, query};
use crate::model::{AccountId, Observation, Observed};

/// Rows per statement: each binds seven values, and SQLite takes 32766, PostgreSQL 65535.
const ROWS: usize = 1000;

/// A kind of thing that readings look for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObservationKind {
    /// [`Observation::Attachment`].
    Attachment,
    /// [`Observation::Membership`].
    Membership,
    /// [`Observation::UnusedAttachment`].
    UnusedAttachment,
    /// [`Observation::UnusedRole`].
    UnusedRole,
    /// [`Observation::InactiveKey`].
    InactiveKey,
    /// [`Observation::MfaDevice`].
    MfaDevice,
    /// [`Observation::ActiveKey`].
    ActiveKey,
}

impl ObservationKind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Attachment,
        Self::Membership,
        Self::UnusedAttachment,
        Self::UnusedRole,
        Self::InactiveKey,
        Self::MfaDevice,
        Self::ActiveKey,
    ];

    /// The word in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Attachment => "attachment",
            Self::Membership => "membership",
            Self::UnusedAttachment => "unused_attachment",
            Self::UnusedRole => "unused_role",
            Self::InactiveKey => "inactive_key",
            Self::MfaDevice => "mfa_device",
            Self::ActiveKey => "active_key",
        }
    }

    /// Of this observation.
    pub fn of(observation: &Observation) -> Self {
        match observation {
            Observation::Attachment { .. } => Self::Attachment,
            Observation::Membership { .. } => Self::Membership,
            Observation::UnusedAttachment { .. } => Self::UnusedAttachment,
            Observation::UnusedRole { .. } => Self::UnusedRole,
            Observation::InactiveKey { .. } => Self::InactiveKey,
            Observation::MfaDevice { .. } => Self::MfaDevice,
            Observation::ActiveKey { .. } => Self::ActiveKey,
        }
    }

    /// Whether a row is kept that the last reading did not see: of a key, it counts when it was last seen so, of a user,
    /// when it was last seen with a device.
    fn outlives_its_row(self) -> bool {
        match self {
            Self::InactiveKey | Self::ActiveKey | Self::MfaDevice => true,
            Self::Attachment | Self::Membership | Self::UnusedAttachment | Self::UnusedRole => false,
        }
    }
}

impl State {
    /// Takes down one reading of an account. What was seen is begun or extended. Of the kinds that the reading covered
    /// whole, what was not seen is forgotten, so that a later sighting begins anew; inactive keys and users with a device keep their last date.
    ///
    /// # Errors
    /// [`StateError`] where it cannot be written; then the reading never was.
    pub async fn record_observations(
        &self,
        account: &AccountId,
        covered: &BTreeSet<ObservationKind>,
        seen: &BTreeSet<Observation>,
        now: DateTime<Utc>,
    ) -> Result<(), StateError> {
        during(format!("recording what was seen in account {account}"), async {
            let mut transaction = self.write().await?;
            let reading: i64 =
                query("SELECT COALESCE(MAX(reading), 0) + 1 FROM observations WHERE account = $1")
                    .bind(account.as_str())
                    .fetch_value(&mut transaction)
                    .await?;
            let mut rows = Vec::with_capacity(seen.len().min(ROWS));
            for observation in seen {
                let text = json_text("observation", observation)?;
                rows.push((ObservationKind::of(observation), text));
                if rows.len() == ROWS {
                    insert(&mut transaction, account, reading, &rows, now).await?;
                    rows.clear();
                }
            }
            if !rows.is_empty() {
                insert(&mut transaction, account, reading, &rows, now).await?;
            }
            for kind in covered {
                break_rows(&mut transaction, account, reading, *kind).await?;
            }
            transaction.commit().await
        })
        .await
    }
}

async fn insert(
    connection: &mut Connection,
    account: &AccountId,
    reading: i64,
    rows: &[(ObservationKind, String)],
    now: DateTime<Utc>,
) -> Result<(), Cause> {
    let now = time_text(now);
    // The last date never goes back: where the clock does, the later one is the careful one.
    let sql = format!(
        "INSERT INTO observations (account, kind, observation, first_seen, last_seen, reading, broken) VALUES {} \
         ON CONFLICT (account, kind, observation) DO UPDATE SET \
         first_seen = CASE WHEN observations.broken = 1 THEN excluded.first_seen \
             ELSE observations.first_seen END, \
         last_seen = CASE WHEN observations.last_seen > excluded.last_seen THEN observations.last_seen \
             ELSE excluded.last_seen END, \
         reading = excluded.reading, broken = 0",
        places(rows.len(), 7)
    );
    let mut insert = query(AssertSqlSafe(sql));
    for (kind, text) in rows {
        insert = insert
            .bind(account.as_str())
            .bind(kind.as_str())
            .bind(text)
            .bind(&now)
            .bind(&now)
            .bind(reading)
            .bind(0);
    }
    insert.execute(connection).await?;
    Ok(())
}

async fn break_rows(
    connection: &mut Connection,
    account: &AccountId,
    reading: i64,
    kind: ObservationKind,
) -> Result<(), Cause> {
    let statement = if kind.outlives_its_row() {
        "UPDATE observations SET broken = 1 \
         WHERE account = $1 AND kind = $2 AND reading <> $3 AND broken = 0"
    } else {
        "DELETE FROM observations WHERE account = $1 AND kind = $2 AND reading <> $3"
    };
    query(statement)
        .bind(account.as_str())
        .bind(kind.as_str())
        .bind(reading)
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn read_observations(
    connection: &mut Connection,
    account: &AccountId,
) -> Result<BTreeMap<Observation, Observed>, Cause> {
    let rows: Vec<(String, String, String)> =
        query("SELECT observation, first_seen, last_seen FROM observations WHERE account = $1")
            .bind(account.as_str())
            .fetch_all(connection)
            .await?;
    let mut observations = BTreeMap::new();
    for (text, first, last) in rows {
        let observed = Observed {
            first: parse_time(&first)?,
            last: parse_time(&last)?,
        };
        observations.insert(parse_json("observation", &text)?, observed);
    }
    Ok(observations)
}
