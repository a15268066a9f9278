//! The outbox as this module needs it; the state implements it.

use chrono::{DateTime, Utc};

use super::message::{Announced, Message};
use crate::model::Digest;

/// A message to be put into the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The message, to be stored as JSON. Its id is the row's.
    pub message: Message,
    /// Not to be sent before.
    pub deliver_after: DateTime<Utc>,
    /// Equal for messages that say the same to the same channel. A message whose key is there already, on its way or
    /// accepted, is not put in again; one that was given up does not stand in the way of its repetition.
    pub dedup_key: String,
    /// What it tells, so that none of it is told again beside something new.
    pub entries: Vec<Digest>,
    /// The dates it announces: notices, once it is accepted. None in a copy.
    pub notices: Vec<Announced>,
}

/// A message that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueMessage {
    /// The row's id, which is the message's.
    pub id: String,
    /// The message as JSON.
    pub body: String,
    /// How many tries were made before.
    pub attempts: u32,
}

/// Where messages wait for delivery. Every change is durable when its future is ready.
pub trait Outbox: Sync {
    /// Why the outbox could not be read or written.
    type Error: std::error::Error + Send + Sync + 'static;

    /// At most `limit` messages that are due at `now`, the longest due first. Another
    /// process may be kept from getting the same ones for a while; at least once is all that is asked for.
    fn due_messages(
        &self,
        now: DateTime<Utc>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<DueMessage>, Self::Error>> + Send;

    /// A channel accepted the message. `counts`: the dates in it are thereby announced.
    fn mark_accepted(
        &self,
        id: &str,
        now: DateTime<Utc>,
        counts: bool,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// A try failed: one more, and the next is not before `next_at`. `error` is scrubbed.
    fn mark_retry(
        &self,
        id: &str,
        next_at: DateTime<Utc>,
        error: &str,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Not tried, because its channel asked to wait or does not answer: due again at `until`, with as many tries as
    /// before.
    fn postpone(
        &self,
        id: &str,
        until: DateTime<Utc>,
        reason: &str,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Given up: a dead letter, shown to people. `error` is scrubbed.
    fn mark_dead(
        &self,
        id: &str,
        now: DateTime<Utc>,
        error: &str,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;
}
