//! Simulated months, run by run: the daemon's runs and deliveries in process, over a simulated account and channels that
//! are really called, with all clocks in the test's hand. What is asserted is what people see: the state of the account,
//! and the messages that arrived.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

mod analyzer;
mod approvals;
mod calm;
mod chat;
mod consent;
mod daemon;
mod guardrails;
mod installation;
mod instances;
mod keys;
mod lifecycle;
mod mfa;
mod organization;
mod permissions;
mod races;
mod requests;
mod root;
