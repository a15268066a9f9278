//! The outbox: messages that wait for their channel. The dates that they announce stand in `notices`.
//!
//! A message is tried until a channel accepts it or it is given up. Bodies hold no secrets: addresses and tokens are
//! resolved when a message is sent, and error texts come scrubbed.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};

use super::connection::{Connection, State};
use super::encoding::{json_text, parse_counter, parse_json, parse_time, time_text};
use super::error::{Cause, StateError, during};
use super::intents::IntentId;
use super::journal::{Entry, JournalKind, append};
use super::notices::{accept_notices, bury_notices, queue_notices};
use super::statement::query;
use crate::model::{AccountId, Digest, Event, NoticeItem, Owner};

/// A message to be queued.
#[derive(Debug, Clone, PartialEq)]
pub struct NewMessage {
    /// `msg_` and a ULID: the same on every try.
    pub id: String,
    /// By which channel.
    pub channel: String,
    /// Of what kind.
    pub event: Event,
    /// To whom; `None`: nobody owns it.
    pub owner: Option<Owner>,
    /// What it says, to be rendered for the channel. No secrets.
    pub body: Value,
    /// Says what makes it the same message as another: of those, one is queued.
    pub dedup: String,
    /// Not to be sent before.
    pub deliver_after: DateTime<Utc>,
    /// What it tells, by the digests of its entries.
    pub entries: Vec<Digest>,
    /// The dates that it announces: in which account, and by which of the events that it tells of.
    pub notices: Vec<(AccountId, Event, NoticeItem)>,
}

/// A message that is due, claimed by whoever asked.
#[derive(Debug, Clone, PartialEq)]
pub struct DueMessage {
    /// The same on every try.
    pub id: String,
    /// By which channel.
    pub channel: String,
    /// Of what kind.
    pub event: Event,
    /// To whom.
    pub owner: Option<Owner>,
    /// What it says.
    pub body: Value,
    /// When it was queued.
    pub created_at: DateTime<Utc>,
    /// How often it was tried before.
    pub attempts: u32,
}

/// A message that was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeadMessage {
    /// Its id.
    pub id: String,
    /// By which channel.
    pub channel: String,
    /// Of what kind.
    pub event: Event,
    /// To whom.
    pub owner: Option<Owner>,
    /// When it was queued.
    pub created_at: DateTime<Utc>,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was given up.
    pub dead_at: DateTime<Utc>,
    /// Why.
    pub error: String,
}

/// To whom messages go now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// To everybody.
    Everybody,
    /// Not to owners: their messages wait.
    NotOwners,
}

/// How a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageState {
    /// It waits, or is being tried.
    Queued,
    /// The channel accepted it.
    Accepted,
    /// It was given up.
    Dead,
}

impl MessageState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Queued, Self::Accepted, Self::Dead];

    /// The word in the table and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Accepted => "accepted",
            Self::Dead => "dead",
        }
    }
}

/// How many messages of a channel stand how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxDepth {
    /// Which channel.
    pub channel: String,
    /// How they stand.
    pub state: MessageState,
    /// How many.
    pub messages: u64,
    /// When the oldest of them was queued.
    pub oldest: DateTime<Utc>,
}

impl State {
    /// Queues messages with the dates that they announce, all or none, and gives the ids of those that are new. One
    /// whose like was queued before is left out, unless that was given up. The messages are written about those of
    /// these attempts of which nobody was told yet, and from then on somebody was: however many processes want to tell
    /// of a change, one does. They are written without those of these entries, too, that a message told before.
    ///
    /// # Errors
    /// [`StateError`] where they cannot be written; then none is queued, and nobody was told.
    pub async fn enqueue(
        &self,
        attempts: &[IntentId],
        entries: &[Digest],
        write: impl FnOnce(&BTreeSet<IntentId>, &BTreeSet<Digest>) -> Vec<NewMessage> + Send,
        now: DateTime<Utc>,
    ) -> Result<Vec<String>, StateError> {
        during("queueing messages", async {
            let mut transaction = self.write().await?;
            let mut untold = BTreeSet::new();
            for id in attempts {
                let marked = query("UPDATE intents SET told = 1 WHERE seq = $1 AND told = 0")
                    .bind(id.0)
                    .execute(&mut transaction)
                    .await?;
                untold.extend((marked == 1).then_some(*id));
            }
            let told = read_told(&mut transaction, entries).await?;
            let mut queued = Vec::new();
            for message in write(&untold, &told) {
                if insert_message(&mut transaction, &message, now).await? {
                    queued.push(message.id);
                }
            }
            transaction.commit().await?;
            Ok(queued)
        })
        .await
    }

    /// Claims messages that are due, the longest due first. Nobody else gets them until the claim ends, by the
    /// database's clock; what is neither accepted, put off nor given up by then is due again.
    ///
    /// # Errors
    /// [`StateError`] where they cannot be claimed.
    pub async fn claim_due_messages(
        &self,
        holder: &str,
        audience: Audience,
        claim: Duration,
        limit: u32,
        now: DateTime<Utc>,
    ) -> Result<Vec<DueMessage>, StateError> {
        during("claiming due messages", async {
            let claim = i64::try_from(claim.as_millis())
                .map_err(|source| Cause::unreadable("length of the claim", source))?;
            let mut transaction = self.write().await?;
            let rows: Vec<DueRow> = query(
                "UPDATE messages SET claimed_by = $1, \
                     claimed_until_ms = (SELECT now_ms FROM database_clock) + $2 \
                 WHERE id IN (SELECT id FROM messages WHERE state = 'queued' AND next_attempt_at <= $3 \
                     AND claimed_until_ms <= (SELECT now_ms FROM database_clock) AND ($5 = 1 OR owner IS NULL) \
                     ORDER BY next_attempt_at, id LIMIT $4) \
                 RETURNING next_attempt_at, id, channel, event, owner, body, created_at, attempts",
            )
            .bind(holder)
            .bind(claim)
            .bind(time_text(now))
            .bind(i64::from(limit))
            .bind(audience == Audience::Everybody)
            .fetch_all(&mut transaction)
            .await?;
            transaction.commit().await?;
            let mut rows = rows;
            rows.sort();
            rows.into_iter().map(parse_due).collect()
        })
        .await
    }

    /// Gives back all claims of a holder, so that others need not wait for their end.
    ///
    /// # Errors
    /// [`StateError`] where it cannot be written; the claims then end by themselves.
    pub async fn release_claims(&self, holder: &str) -> Result<(), StateError> {
        during("giving claimed messages back", async {
            let mut transaction = self.write().await?;
            query(
                "UPDATE messages SET claimed_by = NULL, claimed_until_ms = 0 \
                 WHERE claimed_by = $1 AND state = 'queued'",
            )
            .bind(holder)
            .execute(&mut transaction)
            .await?;
            transaction.commit().await
        })
        .await
    }

    /// Records that the channel accepted a message. Where that counts as notice, its dates count from now on, and
    /// the journal says so. Saying it again changes nothing.
    ///
    /// # Errors
    /// [`StateError`] where it cannot be written, or there is no such message.
    pub async fn mark_accepted(&self, id: &str, now: DateTime<Utc>, counts: bool) -> Result<(), StateError> {
        during(format!("recording that message {id} was accepted"), async {
            let mut transaction = self.write().await?;
            let message = read_message(&mut transaction, id).await?;
            if message.state == MessageState::Accepted.as_str() {
                return Ok(());
            }
            query(
                "UPDATE messages SET state = 'accepted', attempts = attempts + 1, finished_at = $1, \
                 claimed_by = NULL, claimed_until_ms = 0, last_error = NULL WHERE id = $2",
            )
            .bind(time_text(now))
            .bind(id)
            .execute(&mut transaction)
            .await?;
            if counts {
                accept_notices(&mut transaction, &message, now).await?;
            }
            transaction.commit().await
        })
        .await
    }

    /// Puts a message off after a try that failed. The error text must hold no secret.
    ///
    /// # Errors
    /// [`StateError`] where it cannot be written, or there is no such message.
    pub async fn mark_retry(&self, id: &str, next_at: DateTime<Utc>, error: &str) -> Result<(), StateError> {
        during(format!("putting message {id} off"), async {
            let mut transaction = self.write().await?;
            read_message(&mut transaction, id).await?;
            query(
                "UPDATE messages SET attempts = attempts + 1, next_attempt_at = $1, last_error = $2, \
                 claimed_by = NULL, claimed_until_ms = 0 WHERE id = $3 AND state = 'queued'",
            )
            .bind(time_text(next_at))
            .bind(error)
            .bind(id)
            .execute(&mut transaction)
            .await?;
            transaction.commit().await
        })
        .await
    }

    /// Leaves a message until later without a try, because its channel asked to wait. The reason must hold no secret.
    ///
    /// # Errors
    /// [`StateError`] where it cannot be written, or there is no such message.
    pub async fn postpone(&self, id: &str, until: DateTime<Utc>, reason: &str) -> Result<(), StateError> {
        during(format!("postponing message {id}"), async {
            let mut transaction = self.write().await?;
            read_message(&mut transaction, id).await?;
            query(
                "UPDATE messages SET next_attempt_at = $1, last_error = $2, claimed_by = NULL, \
                 claimed_until_ms = 0 WHERE id = $3 AND state = 'queued'",
            )
            .bind(time_text(until))
            .bind(reason)
            .bind(id)
            .execute(&mut transaction)
            .await?;
            transaction.commit().await
        })
        .await
    }

    /// Gives a message up. Its dates will not count, so they can be announced anew. The error text must hold no secret.
    ///
    /// # Errors
    /// [`StateError`] where it cannot be written, or there is no such message.
    pub async fn mark_dead(&self, id: &str, now: DateTime<Utc>, error: &str) -> Result<(), StateError> {
        during(format!("giving message {id} up"), async {
            let mut transaction = self.write().await?;
            let message = read_message(&mut transaction, id).await?;
            if message.state != MessageState::Queued.as_str() {
                return Ok(());
            }
            query(
                "UPDATE messages SET state = 'dead', attempts = attempts + 1, finished_at = $1, \
                 last_error = $2, claimed_by = NULL, claimed_until_ms = 0 WHERE id = $3",
            )
            .bind(time_text(now))
            .bind(error)
            .bind(id)
            .execute(&mut transaction)
            .await?;
            bury_notices(&mut transaction, id).await?;
            let payload = json!({
                "message": id,
                "channel": message.channel,
                "event": message.event,
                "owner": message.owner,
                "error": error,
            });
            append(
                &mut transaction,
                &Entry::new(JournalKind::MessageDead, now, payload),
            )
            .await?;
            transaction.commit().await
        })
        .await
    }

    /// How many messages stand how, by channel.
    ///
    /// # Errors
    /// [`StateError`] where it cannot be read.
    pub async fn outbox_depth(&self) -> Result<Vec<OutboxDepth>, StateError> {
        during("counting the messages", async {
            let mut connection = self.read().await?;
            let rows: Vec<(String, String, i64, String)> = query(
                "SELECT channel, state, COUNT(*), MIN(created_at) FROM messages \
                 GROUP BY channel, state ORDER BY channel, state",
            )
            .fetch_all(&mut connection)
            .await?;
            let parse = |(channel, state, messages, oldest): (String, String, i64, String)| {
                let state = MessageState::ALL
                    .into_iter()
                    .find(|known| known.as_str() == state);
                Ok(OutboxDepth {
                    channel,
                    state: state.ok_or_else(|| Cause::unreadable("state of a message", "unknown word"))?,
                    messages: parse_counter("number of messages", messages)?,
                    oldest: parse_time(&oldest)?,
                })
            };
            rows.into_iter().map(parse).collect()
        })
        .await
    }

    /// The messages that were given up, newest first.
    ///
    /// # Errors
    /// [`StateError`] where they cannot be read.
    pub async fn dead_messages(&self) -> Result<Vec<DeadMessage>, StateError> {
        during("reading the dead messages", async {
            let mut connection = self.read().await?;
            let rows: Vec<DeadRow> = query(
                "SELECT id, channel, event, owner, created_at, attempts, COALESCE(finished_at, ''), \
                 COALESCE(last_error, '') FROM messages WHERE state = 'dead' ORDER BY finished_at DESC, id DESC",
            )
            .fetch_all(&mut connection)
            .await?;
            rows.into_iter().map(parse_dead).collect()
        })
        .await
    }
}

type DueRow = (
    String,
    String,
    String,
    String,
    Option<String>,
    String,
    String,
    i64,
);
type DeadRow = (
    String,
    String,
    String,
    Option<String>,
    String,
    i64,
    String,
    String,
);

fn parse_due(
    (_, id, channel, event, owner, body, created_at, attempts): DueRow,
) -> Result<DueMessage, Cause> {
    Ok(DueMessage {
        id,
        channel,
        event: parse_event(&event)?,
        owner: owner.map(Owner),
        body: parse_json("message", &body)?,
        created_at: parse_time(&created_at)?,
        attempts: parse_attempts(attempts)?,
    })
}

fn parse_dead(
    (id, channel, event, owner, created_at, attempts, dead_at, error): DeadRow,
) -> Result<DeadMessage, Cause> {
    Ok(DeadMessage {
        id,
        channel,
        event: parse_event(&event)?,
        owner: owner.map(Owner),
        created_at: parse_time(&created_at)?,
        attempts: parse_attempts(attempts)?,
        dead_at: parse_time(&dead_at)?,
        error,
    })
}

fn parse_attempts(number: i64) -> Result<u32, Cause> {
    u32::try_from(number).map_err(|source| Cause::unreadable("number of attempts", source))
}

pub(super) fn parse_event(name: &str) -> Result<Event, Cause> {
    Event::from_name(name).ok_or_else(|| Cause::unreadable("event", format!("unknown event `{name}`")))
}

/// Whether the message is new.
async fn insert_message(
    connection: &mut Connection,
    message: &NewMessage,
    now: DateTime<Utc>,
) -> Result<bool, Cause> {
    let NewMessage {
        id,
        channel,
        event,
        owner,
        body,
        dedup,
        deliver_after,
        entries,
        notices: _,
    } = message;
    let inserted = query(
        "INSERT INTO messages (id, channel, event, owner, body, dedup, created_at, deliver_after, \
         next_attempt_at, attempts, state, claimed_until_ms) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, 0, 'queued', 0) \
         ON CONFLICT (dedup) WHERE state <> 'dead' DO NOTHING",
    )
    .bind(id)
    .bind(channel)
    .bind(event.as_str())
    .bind(owner.as_ref().map(|owner| owner.0.as_str()))
    .bind(json_text("message", body)?)
    .bind(dedup)
    .bind(time_text(now))
    .bind(time_text(*deliver_after))
    .execute(connection)
    .await?;
    if inserted == 0 {
        return Ok(false);
    }
    note_told(connection, id, entries).await?;
    queue_notices(connection, message, now).await?;
    Ok(true)
}

/// Those of these entries that were told, or are about to be. What was given up was not.
async fn read_told(connection: &mut Connection, entries: &[Digest]) -> Result<BTreeSet<Digest>, Cause> {
    if entries.is_empty() {
        return Ok(BTreeSet::new());
    }
    let told = match connection {
        Connection::Sqlite(_) => {
            "SELECT entry FROM told JOIN messages ON messages.id = told.message \
             WHERE messages.state <> 'dead' AND entry IN (SELECT value FROM json_each($1))"
        }
        Connection::Postgres(_) => {
            "SELECT entry FROM told JOIN messages ON messages.id = told.message \
             WHERE messages.state <> 'dead' AND entry IN (SELECT jsonb_array_elements_text($1::jsonb))"
        }
    };
    let told = query(told).bind(json_text("entries", &entries)?);
    let told: Vec<String> = told.fetch_values(connection).await?;
    let told: BTreeSet<_> = told.iter().map(String::as_str).collect();
    let told = entries.iter().filter(|entry| told.contains(entry.as_str()));
    Ok(told.cloned().collect())
}

async fn note_told(connection: &mut Connection, message: &str, entries: &[Digest]) -> Result<(), Cause> {
    if entries.is_empty() {
        return Ok(());
    }
    let told = match connection {
        Connection::Sqlite(_) => {
            "INSERT INTO told (entry, message) SELECT DISTINCT value, $2 FROM json_each($1) WHERE true \
             ON CONFLICT (entry) DO UPDATE SET message = excluded.message"
        }
        Connection::Postgres(_) => {
            "INSERT INTO told (entry, message) SELECT DISTINCT entry, $2 FROM jsonb_array_elements_text($1::jsonb) AS entry \
             ON CONFLICT (entry) DO UPDATE SET message = excluded.message"
        }
    };
    let told = query(told).bind(json_text("entries", &entries)?).bind(message);
    told.execute(connection).await?;
    Ok(())
}

/// What a message is known by.
pub(super) struct MessageKey {
    pub(super) id: String,
    state: String,
    pub(super) channel: String,
    pub(super) event: String,
    pub(super) owner: Option<String>,
}

async fn read_message(connection: &mut Connection, id: &str) -> Result<MessageKey, Cause> {
    let row: Option<(String, String, String, Option<String>)> =
        query("SELECT state, channel, event, owner FROM messages WHERE id = $1")
            .bind(id)
            .fetch_optional(connection)
            .await?;
    let (state, channel, event, owner) = row.ok_or_else(|| Cause::NoSuchMessage(id.to_owned()))?;
    Ok(MessageKey {
        id: id.to_owned(),
        state,
        channel,
        event,
        owner,
    })
}
