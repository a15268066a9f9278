//! Confirmations of permissions: facts of the journal, of which the latest of each principal counts.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::connection::{Connection, State};
use super::encoding::{parse_json, parse_time};
use super::error::{Cause, StateError, during};
use super::journal::{Entry, JournalKind, append};
use super::statement::query;
use crate::model::{AccountId, Arn, Review};

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReviewPayload {
    principal: Arn,
    by: String,
    reason: Option<String>,
    caller: Option<Arn>,
}

/// A confirmation to be written down.
#[derive(Debug, Clone, Copy)]
pub struct NewReview<'a> {
    /// Whose permissions.
    pub principal: &'a Arn,
    /// By whom.
    pub by: &'a str,
    /// Why they are right.
    pub reason: Option<&'a str>,
    /// Who typed it, as AWS sees it.
    pub caller: Option<&'a Arn>,
}

impl State {
    /// Writes down that somebody confirmed the permissions of a principal.
    ///
    /// # Errors
    /// [`StateError`] where it cannot be written; then they are not confirmed.
    pub async fn record_review(
        &self,
        account: &AccountId,
        review: NewReview<'_>,
        now: DateTime<Utc>,
    ) -> Result<(), StateError> {
        let NewReview {
            principal,
            by,
            reason,
            caller,
        } = review;
        during(format!("recording the review of {principal}"), async {
            let payload = ReviewPayload {
                principal: principal.clone(),
                by: by.to_owned(),
                reason: reason.map(ToOwned::to_owned),
                caller: caller.cloned(),
            };
            let mut transaction = self.write().await?;
            let entry = Entry::new(JournalKind::Review, now, json!(payload)).account(account);
            append(&mut transaction, &entry).await?;
            transaction.commit().await
        })
        .await
    }
}

/// The latest confirmation of each principal of the account.
pub(super) async fn read_reviews(
    connection: &mut Connection,
    account: &AccountId,
) -> Result<BTreeMap<Arn, Review>, Cause> {
    let rows: Vec<(String, String)> =
        query("SELECT at, payload FROM journal WHERE kind = 'review' AND account = $1 ORDER BY seq")
            .bind(account.as_str())
            .fetch_all(connection)
            .await?;
    let mut reviews = BTreeMap::new();
    for (at, payload) in rows {
        let payload: ReviewPayload = parse_json("review", &payload)?;
        let review = Review {
            by: payload.by,
            at: parse_time(&at)?,
        };
        reviews.insert(payload.principal, review);
    }
    Ok(reviews)
}
