//! The freeze by flag: the last word about it in the journal.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::connection::{Connection, State};
use super::encoding::{parse_json, parse_time};
use super::error::{Cause, StateError, during};
use super::journal::{Entry, JournalKind, append};
use super::statement::query;
use crate::model::Freeze;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FreezePayload {
    reason: String,
    by: String,
}

impl State {
    /// Stops all changes. A freeze that holds already gets the new reason.
    ///
    /// # Errors
    /// [`StateError`] where it cannot be written; then there is no freeze.
    pub async fn freeze(&self, reason: &str, by: &str, now: DateTime<Utc>) -> Result<(), StateError> {
        during("freezing all changes", async {
            let payload = FreezePayload {
                reason: reason.to_owned(),
                by: by.to_owned(),
            };
            let mut transaction = self.write().await?;
            append(
                &mut transaction,
                &Entry::new(JournalKind::Freeze, now, json!(payload)),
            )
            .await?;
            transaction.commit().await
        })
        .await
    }

    /// Releases all changes, and gives the freeze that held. `None`: there was none.
    ///
    /// # Errors
    /// [`StateError`] where it cannot be written; then the freeze holds on.
    pub async fn unfreeze(&self, by: &str, now: DateTime<Utc>) -> Result<Option<Freeze>, StateError> {
        during("releasing all changes", async {
            let mut transaction = self.write().await?;
            let frozen = read_freeze(&mut transaction).await?;
            if frozen.is_some() {
                let entry = Entry::new(JournalKind::Unfreeze, now, json!({"by": by}));
                append(&mut transaction, &entry).await?;
                transaction.commit().await?;
            }
            Ok(frozen)
        })
        .await
    }

    /// The freeze that holds, if one does.
    ///
    /// # Errors
    /// [`StateError`] where it cannot be read: to be taken for frozen.
    pub async fn frozen(&self) -> Result<Option<Freeze>, StateError> {
        during("reading the freeze flag", async {
            let mut connection = self.read().await?;
            read_freeze(&mut connection).await
        })
        .await
    }
}

pub(super) async fn read_freeze(connection: &mut Connection) -> Result<Option<Freeze>, Cause> {
    // Two look-ups by the index on kinds, however long the journal is.
    let last: Option<(String, String)> = query(
        "SELECT at, payload FROM journal WHERE kind = 'freeze' AND account IS NULL \
         AND seq > COALESCE((SELECT MAX(seq) FROM journal WHERE kind = 'unfreeze' AND account IS NULL), 0) \
         ORDER BY seq DESC LIMIT 1",
    )
    .fetch_optional(connection)
    .await?;
    let Some((at, payload)) = last else {
        return Ok(None);
    };
    let FreezePayload { reason, by } = parse_json("freeze", &payload)?;
    Ok(Some(Freeze {
        reason,
        by,
        at: parse_time(&at)?,
    }))
}
