//! What iamwarden remembers: all SQL stands here, and nothing here decides anything.
//!
//! One database holds the journal (what happened, for ever, each row chained to the one before), what is derived from it,
//! and what may be forgotten: findings, plans, messages. A fact and what is derived from it are written in one
//! transaction, so that no kill leaves one without the other:
//!
//! - an **intent** is on disk before its call to AWS, and only while the **lease** of its account holds;
//! - an **outcome** is recorded after it, and spends the approval by being there;
//! - a **notice** counts once the journal says that a channel accepted it;
//! - a **freeze** is the last word about it in the journal;
//! - a **turn** is what one of several replicas does for all.
//!
//! Times of facts are the caller's. Only leases and claims go by the database's clock, because their holders may be on
//! different machines. Where the state cannot be read or written, the answer is an error and never an empty memory.

mod attempts;
mod clicks;
mod connection;
mod encoding;
mod error;
mod exemptions;
mod findings;
mod freeze;
mod history;
mod intents;
mod journal;
mod lease;
mod migrations;
mod notices;
mod observations;
mod outbox;
mod plans;
mod postgres;
mod reviews;
mod runs;
mod sessions;
mod sqlite;
mod statement;
#[cfg(test)]
mod tests;
mod transfer;
mod turns;
mod verify;

pub use attempts::{ActionOutcome, ActionRecord, AppliedSelection, Attempt, AttemptStatus};
pub use connection::{Opened, State};
pub use error::{Cause, StateError};
pub use exemptions::ExemptionChange;
pub use findings::{Evaluation, FindingRecord};
pub use intents::{Direction, Intent, IntentId, IntentRecorded, Outcome, SettleProgress, StaleAction};
pub use journal::{JournalHead, JournalHeadError, JournalKind};
pub use lease::{LEASE_DURATION, LEASE_SAFE_FOR, Lease};
pub use observations::ObservationKind;
pub use outbox::{Audience, DeadMessage, DueMessage, MessageState, NewMessage, OutboxDepth};
pub use plans::{DecisionId, DecisionRecord, NewDecision, PlanSummary, StoredPlan};
pub use postgres::UrlSource;
pub use reviews::NewReview;
pub use runs::{RunRecord, UNFINISHED};
pub use sessions::{RequestSeen, SessionRecord};
pub use transfer::Transferred;
pub use turns::Turn;
pub use verify::{Fault, VerifyReport};
