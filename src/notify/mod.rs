//! Telling people: from what a run found and did to a message that a channel accepted.
//!
//! The way of a message, each step in its own file:
//!
//! 1. [`plan_messages`] (pure) gathers all that concerns an owner in a run into one [`Message`]: a value without URL,
//!    secret or markup, which the state keeps in its outbox as JSON.
//! 2. `wording` (pure) says it in words; `slack`, `teams` and `webhook` put the words into the channel's own form, with
//!    everything that came from outside escaped there, in one place each.
//! 3. [`Courier::deliver_due`] takes what is due from an [`Outbox`], resolves the channel's URL (a secret), passes the
//!    [`EgressGuard`], sends, judges the answer, and books the outcome by the [`retry`] schedule.
//!
//! What must stay true:
//!
//! * A notice counts only for the message that named this key and this date, once a channel accepted it. So a message too
//!   long for its channel is split before it is stored, and each part carries its own dates.
//! * Delivery is at least once. Every try of a message has the same id, and every text carries the action ids.
//! * No URL, token or secret reaches a message, an error or a log: a webhook's URL is a secret.
//! * One slow channel delays no other.

mod buttons;
mod click;
mod compose;
mod delivery;
mod egress;
mod exchange;
mod message;
mod outbox;
mod quiet_hours;
mod render;
mod reply;
pub mod retry;
#[cfg(test)]
mod sample;
mod secret_source;
mod slack;
mod teams;
mod text;
mod transport;
mod webhook;
mod wording;

pub use buttons::{Outcome, exemption_form};
pub use click::{
    Button, CLICK_COUNTS_FOR, Click, ClickError, Findings, LONGEST_CLICK, PlanActions, SignatureError,
    parse_click, verify_click,
};
pub use compose::{News, Tidings, entries, plan_messages};
pub use delivery::{Courier, CourierSettings, DeliveryError, DeliveryReport};
pub use egress::{EgressGuard, EgressRefusal, HostLookup, SystemLookup};
pub use exchange::{ExchangeError, Exchanges};
pub use message::{
    AccountLabel, ActionOutcome, ActionResult, Announced, Decided, Dispute, ExemptionEnding, GrantedTo, Item,
    Matter, Message, Part, PlanReference, ReportDigest, RuleCount, RunFailure, Section, Settled,
    StandingReport, Trend,
};
pub use outbox::{DueMessage, Outbox, Outgoing};
pub use quiet_hours::deliver_after;
pub use render::render;
pub use reply::Replies;
pub use secret_source::{SecretSource, SecretUnavailable};
pub use transport::{ChannelAnswer, SendFailure};
pub use webhook::{SigningError, SigningSecret};
