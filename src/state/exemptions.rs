//! Exemptions that people asked for: facts of the journal, a request and what came of it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::connection::{Connection, State};
use super::encoding::parse_json;
use super::error::{Cause, StateError, during};
use super::journal::{Entry, JournalKind, append};
use super::statement::query;
use crate::model::{
    AccountId, ExemptionAnswer, ExemptionId, ExemptionRequest, ExemptionRevocation, RequestedExemption,
};

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AnswerPayload {
    request: ExemptionId,
    answer: ExemptionAnswer,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RevocationPayload {
    request: ExemptionId,
    revocation: ExemptionRevocation,
}

/// What became of an answer or a revocation: the first counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExemptionChange {
    /// It is written down; this is how the request stands now.
    Recorded(RequestedExemption),
    /// Somebody was quicker, or there is nothing to take back; this is how it stands.
    Unchanged(RequestedExemption),
    /// There is no such request.
    Unknown,
}

impl State {
    /// Writes down that somebody asks for an exemption. The same person asking for the same again, while nobody has answered,
    /// gets the request of before.
    ///
    /// # Errors
    /// [`StateError`] where it cannot be written; then nothing is asked.
    pub async fn request_exemption(
        &self,
        request: &ExemptionRequest,
        now: DateTime<Utc>,
    ) -> Result<ExemptionRequest, StateError> {
        during(
            format!("recording the request for an exemption of {}", request.resource),
            async {
                let mut transaction = self.write().await?;
                let known = read_exemptions(&mut transaction, Some(&request.account)).await?;
                let same = known.into_iter().find(|known| {
                    let asked = &known.request;
                    known.answer.is_none()
                        && asked.resource == request.resource
                        && asked.rules == request.rules
                        && asked.until == request.until
                        && asked.reason == request.reason
                        && asked.by == request.by
                });
                if let Some(same) = same {
                    return Ok(same.request);
                }
                let entry = Entry::new(JournalKind::ExemptionRequested, now, json!(request));
                append(&mut transaction, &entry.account(&request.account)).await?;
                transaction.commit().await?;
                Ok(request.clone())
            },
        )
        .await
    }

    /// Writes down that an approver granted or refused it. The first answer counts.
    ///
    /// # Errors
    /// [`StateError`] where it cannot be written; then it is not answered.
    pub async fn answer_exemption(
        &self,
        id: &ExemptionId,
        answer: &ExemptionAnswer,
        now: DateTime<Utc>,
    ) -> Result<ExemptionChange, StateError> {
        during(format!("recording the answer to {id}"), async {
            let mut transaction = self.write().await?;
            let Some(mut exemption) = read_exemption(&mut transaction, id).await? else {
                return Ok(ExemptionChange::Unknown);
            };
            if exemption.answer.is_some() {
                return Ok(ExemptionChange::Unchanged(exemption));
            }
            let payload = AnswerPayload {
                request: id.clone(),
                answer: answer.clone(),
            };
            let entry = Entry::new(JournalKind::ExemptionAnswered, now, json!(payload));
            append(&mut transaction, &entry.account(&exemption.request.account)).await?;
            transaction.commit().await?;
            exemption.answer = Some(answer.clone());
            Ok(ExemptionChange::Recorded(exemption))
        })
        .await
    }

    /// Writes down that a granted exemption is taken back.
    ///
    /// # Errors
    /// [`StateError`] where it cannot be written; then it holds on.
    pub async fn revoke_exemption(
        &self,
        id: &ExemptionId,
        revocation: &ExemptionRevocation,
        now: DateTime<Utc>,
    ) -> Result<ExemptionChange, StateError> {
        during(format!("recording that {id} is taken back"), async {
            let mut transaction = self.write().await?;
            let Some(mut exemption) = read_exemption(&mut transaction, id).await? else {
                return Ok(ExemptionChange::Unknown);
            };
            if exemption.granted_at().is_none() || exemption.revoked.is_some() {
                return Ok(ExemptionChange::Unchanged(exemption));
            }
            let payload = RevocationPayload {
                request: id.clone(),
                revocation: revocation.clone(),
            };
            let entry = Entry::new(JournalKind::ExemptionRevoked, now, json!(payload));
            append(&mut transaction, &entry.account(&exemption.request.account)).await?;
            transaction.commit().await?;
            exemption.revoked = Some(revocation.clone());
            Ok(ExemptionChange::Recorded(exemption))
        })
        .await
    }

    /// All that was ever asked for, oldest first.
    ///
    /// # Errors
    /// [`StateError`] where any of it cannot be read.
    pub async fn exemptions(&self) -> Result<Vec<RequestedExemption>, StateError> {
        during("reading the exemptions", async {
            let mut connection = self.read().await?;
            read_exemptions(&mut connection, None).await
        })
        .await
    }

    /// The request of this id; `None`: there is none.
    ///
    /// # Errors
    /// [`StateError`] where it cannot be read.
    pub async fn exemption(&self, id: &ExemptionId) -> Result<Option<RequestedExemption>, StateError> {
        during(format!("reading {id}"), async {
            let mut connection = self.read().await?;
            read_exemption(&mut connection, id).await
        })
        .await
    }
}

async fn read_exemption(
    connection: &mut Connection,
    id: &ExemptionId,
) -> Result<Option<RequestedExemption>, Cause> {
    let all = read_exemptions(connection, None).await?;
    Ok(all.into_iter().find(|known| known.request.id == *id))
}

/// Those that were granted for things of an account, oldest first.
pub(super) async fn read_granted(
    connection: &mut Connection,
    account: &AccountId,
) -> Result<Vec<RequestedExemption>, Cause> {
    let mut all = read_exemptions(connection, Some(account)).await?;
    all.retain(|known| known.granted_at().is_some());
    Ok(all)
}

/// All requests, oldest first, each with what came of it. One row that cannot be read is an error of all: whoever asks
/// what is exempt must not be told of less.
async fn read_exemptions(
    connection: &mut Connection,
    account: Option<&AccountId>,
) -> Result<Vec<RequestedExemption>, Cause> {
    let rows: Vec<(String, String)> = query(
        "SELECT kind, payload FROM journal \
         WHERE kind IN ('exemption_requested', 'exemption_answered', 'exemption_revoked') \
         AND ($1 IS NULL OR account = $1) ORDER BY seq",
    )
    .bind(account.map(AccountId::as_str))
    .fetch_all(connection)
    .await?;
    let mut all: BTreeMap<ExemptionId, (usize, RequestedExemption)> = BTreeMap::new();
    for (kind, payload) in rows {
        if kind == JournalKind::ExemptionRequested.as_str() {
            let request: ExemptionRequest = parse_json("request for an exemption", &payload)?;
            let place = all.len();
            let exemption = RequestedExemption {
                request,
                answer: None,
                revoked: None,
            };
            all.entry(exemption.request.id.clone())
                .or_insert((place, exemption));
        } else if kind == JournalKind::ExemptionAnswered.as_str() {
            let AnswerPayload { request, answer } = parse_json("answer to a request", &payload)?;
            if let Some((_, exemption)) = all.get_mut(&request) {
                exemption.answer.get_or_insert(answer);
            }
        } else {
            let RevocationPayload { request, revocation } = parse_json("revocation", &payload)?;
            if let Some((_, exemption)) = all.get_mut(&request) {
                exemption.revoked.get_or_insert(revocation);
            }
        }
    }
    let mut all: Vec<_> = all.into_values().collect();
    all.sort_by_key(|(place, _)| *place);
    Ok(all.into_iter().map(|(_, exemption)| exemption).collect())
}
