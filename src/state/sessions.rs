//! Who is signed in at the pages, and which requests were made already.

use chrono::{DateTime, Utc};

use super::connection::State;
use super::encoding::{json_text, parse_json, parse_time, time_text};
use super::error::{StateError, during};
use super::statement::query;
use crate::model::Digest;

/// Somebody who is signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRecord {
    /// The name by which the person decides.
    pub subject: String,
    /// By what the person signed in: a token's hash, or an issuer.
    pub credential: String,
    /// What the provider says of the person's groups.
    pub claims: Vec<String>,
    /// When.
    pub created_at: DateTime<Utc>,
    /// Until when it holds.
    pub expires_at: DateTime<Utc>,
}

/// Whether a request was made before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestSeen {
    /// Never: it is recorded now.
    New,
    /// Once, with the same content. `None`: it is being answered, or its answer was lost.
    Before(Option<String>),
    /// Once, with other content.
    Other,
}

impl State {
    /// Records a sign-in under the digest of what the browser holds.
    ///
    /// # Errors
    /// [`StateError`] where it cannot be written; then nobody is signed in.
    pub async fn begin_session(&self, id: &Digest, session: &SessionRecord) -> Result<(), StateError> {
        during("recording a sign-in", async {
            let claims = json_text("claims", &session.claims)?;
            let mut transaction = self.write().await?;
            query("DELETE FROM sessions WHERE expires_at <= $1")
                .bind(time_text(session.created_at))
                .execute(&mut transaction)
                .await?;
            query(
                "INSERT INTO sessions (id, subject, credential, claims, created_at, expires_at) \
                 VALUES ($1, $2, $3, $4, $5, $6)",
            )
            .bind(id.as_str())
            .bind(&session.subject)
            .bind(&session.credential)
            .bind(claims)
            .bind(time_text(session.created_at))
            .bind(time_text(session.expires_at))
            .execute(&mut transaction)
            .await?;
            transaction.commit().await
        })
        .await
    }

    /// Who is signed in by that; `None`: nobody, or not any more.
    ///
    /// # Errors
    /// [`StateError`] where it cannot be read.
    pub async fn session(
        &self,
        id: &Digest,
        now: DateTime<Utc>,
    ) -> Result<Option<SessionRecord>, StateError> {
        during("reading who is signed in", async {
            let mut connection = self.read().await?;
            let row: Option<(String, String, String, String, String)> = query(
                "SELECT subject, credential, claims, created_at, expires_at FROM sessions \
                 WHERE id = $1 AND expires_at > $2",
            )
            .bind(id.as_str())
            .bind(time_text(now))
            .fetch_optional(&mut connection)
            .await?;
            let Some((subject, credential, claims, created_at, expires_at)) = row else {
                return Ok(None);
            };
            Ok(Some(SessionRecord {
                subject,
                credential,
                claims: parse_json("claims", &claims)?,
                created_at: parse_time(&created_at)?,
                expires_at: parse_time(&expires_at)?,
            }))
        })
        .await
    }

    /// Ends a sign-in. One that is over already stays so.
    ///
    /// # Errors
    /// [`StateError`] where it cannot be written; then it holds on.
    pub async fn end_session(&self, id: &Digest) -> Result<(), StateError> {
        during("ending a sign-in", async {
            let mut transaction = self.write().await?;
            query("DELETE FROM sessions WHERE id = $1")
                .bind(id.as_str())
                .execute(&mut transaction)
                .await?;
            transaction.commit().await
        })
        .await
    }

    /// Records a request that counts once, unless it was made before. What expired is forgotten: whoever accepts requests
    /// refuses older ones by their own date.
    ///
    /// # Errors
    /// [`StateError`] where it cannot be written; then the request must not be served.
    pub async fn see_request(
        &self,
        id: &Digest,
        content: &Digest,
        now: DateTime<Utc>,
        expires_at: DateTime<Utc>,
    ) -> Result<RequestSeen, StateError> {
        during("recording that a request was made", async {
            let mut transaction = self.write().await?;
            query("DELETE FROM requests WHERE expires_at <= $1")
                .bind(time_text(now))
                .execute(&mut transaction)
                .await?;
            let known: Option<(String, Option<String>)> =
                query("SELECT content, answer FROM requests WHERE id = $1")
                    .bind(id.as_str())
                    .fetch_optional(&mut transaction)
                    .await?;
            let seen = match known {
                Some((before, answer)) if before == content.as_str() => RequestSeen::Before(answer),
                Some(_) => RequestSeen::Other,
                None => {
                    query(
                        "INSERT INTO requests (id, content, answer, at, expires_at) \
                         VALUES ($1, $2, NULL, $3, $4)",
                    )
                    .bind(id.as_str())
                    .bind(content.as_str())
                    .bind(time_text(now))
                    .bind(time_text(expires_at))
                    .execute(&mut transaction)
                    .await?;
                    RequestSeen::New
                }
            };
            transaction.commit().await?;
            Ok(seen)
        })
        .await
    }

    /// Keeps what was answered, for whoever asks the same again.
    ///
    /// # Errors
    /// [`StateError`] where it cannot be written.
    pub async fn keep_answer(&self, id: &Digest, answer: &str) -> Result<(), StateError> {
        during("keeping what was answered", async {
            let mut transaction = self.write().await?;
            query("UPDATE requests SET answer = $2 WHERE id = $1")
                .bind(id.as_str())
                .bind(answer)
                .execute(&mut transaction)
                .await?;
            transaction.commit().await
        })
        .await
    }

    /// Forgets a request that came to nothing, so that it can be made again.
    ///
    /// # Errors
    /// [`StateError`] where it cannot be written.
    pub async fn forget_request(&self, id: &Digest) -> Result<(), StateError> {
        during("forgetting a request that came to nothing", async {
            let mut transaction = self.write().await?;
            query("DELETE FROM requests WHERE id = $1")
                .bind(id.as_str())
                .execute(&mut transaction)
                .await?;
            transaction.commit().await
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn state() -> State {
        State::open("sqlite::memory:").await.unwrap().state
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        let start: DateTime<Utc> = "2026-11-23T06:00:00Z".parse().unwrap();
        start + chrono::TimeDelta::seconds(seconds)
    }

    #[tokio::test]
    async fn a_session_ends_by_itself_and_at_somebodys_hand() {
        let state = state().await;
        let (one, other) = (Digest::of_bytes(b"one"), Digest::of_bytes(b"other"));
        let session = SessionRecord {
            subject: "ann@example.com".into(),
            credential: "https://id.example.com".into(),
            claims: vec!["security".into()],
            created_at: at(0),
            expires_at: at(60),
        };
        state.begin_session(&one, &session).await.unwrap();
        assert_eq!(state.session(&one, at(59)).await.unwrap(), Some(session.clone()));
        assert_eq!(state.session(&one, at(60)).await.unwrap(), None);
        assert_eq!(state.session(&other, at(0)).await.unwrap(), None);
        state.end_session(&one).await.unwrap();
        assert_eq!(state.session(&one, at(0)).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_request_counts_once_and_its_answer_is_kept() {
        let state = state().await;
        let id = Digest::of_bytes(b"key");
        let (yes, no) = (Digest::of_bytes(b"approve"), Digest::of_bytes(b"reject"));
        let see =
            async |content: &Digest, now| state.see_request(&id, content, at(now), at(100)).await.unwrap();
        assert_eq!(see(&yes, 0).await, RequestSeen::New);
        assert_eq!(see(&yes, 1).await, RequestSeen::Before(None));
        state.keep_answer(&id, "{}").await.unwrap();
        assert_eq!(see(&yes, 2).await, RequestSeen::Before(Some("{}".into())));
        assert_eq!(see(&no, 3).await, RequestSeen::Other);
        state.forget_request(&id).await.unwrap();
        assert_eq!(see(&no, 4).await, RequestSeen::New);
    }
}
