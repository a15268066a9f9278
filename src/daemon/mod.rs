//! What keeps the process going: the clock, the scheduler, recurring tasks, signals, shutdown, reload, readiness.
//!
//! Wiring only. Nothing here knows what a run does; it is handed in as a closure, and so is everything that
//! touches the state.
//!
//! How the parts meet: `main` installs [`Signals`] before anything slow and hands out a [`Shutdown`] and a
//! [`Reload`]. [`Scheduler::run`] asks the pure [`due`] what to run and when to look again. [`repeat`] does the
//! same thing every few seconds, such as delivering the outbox. [`Readiness`] is what `/readyz` shows.

mod agenda;
mod chat;
mod clock;
mod in_force;
mod queue;
mod readiness;
mod run;
mod scheduler;
mod shutdown;
mod signals;
mod task;

pub use agenda::{Due, due, settle_the_unknown};
pub use chat::{Chat, Clicks, NotTaken, SignedRequest};
pub use clock::{Clock, ClockHand};
pub use in_force::{InForce, Standstill};
pub use readiness::{Check, CheckReport, Readiness, ReadinessReport};
pub use run::{
    AccountNames, ChannelSecrets, DecideError, DecidedAction, DecisionMade, DecisionOutcome, DecisionRequest,
    Desk, DiscoveryError, Done, Ending, Errands, ExchangeError, ExemptionAsked, House, PlanFile, Planned,
    Reach, Reading, RollbackError, RolledBack, Roster, Run, Selection, Share, Shared, StateOutbox, Surveyed,
    Telling, Tried, Undo, UndoError, Undoable, Verdict, agenda, is_undone, reads_failed, reference,
    saved_plan, verdict,
};
pub use scheduler::{RunEnd, Scheduler, SchedulerError, Tick, TickStore};
pub use shutdown::{Reload, Shutdown};
pub use signals::{Interrupted, Signals, SignalsError};
pub use task::{Repetition, Wake, repeat};

/// An error of whatever is handed in.
type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A new ULID: sorts by time, and tells runs, plans and messages apart.
pub fn new_id(now: chrono::DateTime<chrono::Utc>) -> String {
    let millis = u64::try_from(now.timestamp_millis()).unwrap_or_default();
    ulid::Ulid::from_parts(millis, rand::random()).to_string()
}
