//! The map of the house.
//!
//! Two halves: a pure core that decides, and a thin shell that touches the world.
//!
//! ```text
//!  declared policy ─┐
//!                   ├─▶ rules ─▶ findings ─▶ planner ─▶ plan ─▶ consent ─▶ executor ─▶ journal ─▶ messages
//!  AWS ─▶ inventory ┘            (pure: no IO, no clock)         (effects: one gated writer)
//! ```
//!
//! To follow one access key from the credential report to the chat message, read in this order: [`inventory`] (`collect`,
//! `keys`), [`rules`] (`access_key_rotation`), [`plan`] (`account`, `announce`, `consent`), [`daemon`] (`run`), [`execute`]
//! (`apply`, `precondition`), [`aws`] (`writer`), [`state`] (`intents`, `journal`), [`notify`] (`compose`, `delivery`).
//!
//! | module | owns | may not touch |
//! |---|---|---|
//! | [`model`] | value types and their parsing | anything else here |
//! | [`config`] | what is declared | aws, state, inventory |
//! | [`aws`] | every SDK call; Reader and Writer are two types in two files | rules, decisions |
//! | [`inventory`] | the snapshot, and every gap in it | writes, rules |
//! | [`rules`] | what is wrong | aws, state, time |
//! | [`plan`] | what to do about it, and whether it may be done; mints [`plan::Approved`] | aws, state, notify |
//! | [`execute`] | doing it, exactly once | rules, web; it decides nothing |
//! | [`state`] | all SQL; mints [`state::Lease`] | aws, notify, decisions |
//! | [`notify`] | telling people | aws, plans |
//! | [`telemetry`] | logs and metrics | anything else here but model |
//! | [`daemon`], [`web`], [`cli`], `demo` | wiring | domain decisions |
//!
//! `tests/architecture.rs` holds the table.
//!
//! What must stay true, and why people may leave this in `enforce`:
//!
//! - Rules and planner are functions of configuration, snapshot, history and a time: the same inputs give the same bytes.
//! - There is no code path to a mutation without an [`plan::Approved`] and a [`state::Lease`]; their fields are private.
//! - What could not be read is a [`inventory::Gap`]: a rule that needs it says unknown, never absent.
//! - Right before a call the precondition is read again; the intent is on disk before the call, the outcome after it.
//! - Time comes from [`daemon::Clock`], the environment from [`config`]; `clippy.toml` holds both, each with its reason.
//! - `match` on our own kinds has no `_`: a new kind does not slip through.
// Tests are drivers of their own: they start tasks and read the clock.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::disallowed_methods
    )
)]

pub mod aws;
pub mod cli;
pub mod config;
pub mod daemon;
#[cfg(feature = "demo")]
pub mod demo;
pub mod execute;
pub mod inventory;
pub mod model;
pub mod notify;
pub mod plan;
pub mod rules;
pub mod state;
pub mod telemetry;
pub mod web;
