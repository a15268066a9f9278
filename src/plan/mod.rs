//! What to do about findings, and whether it may be done.
//!
//! [`plan_account`] is a function of configuration, snapshot, history and time; [`assemble`] joins the accounts of a run
//! into the immutable [`Plan`]. What is due in it is handed to the executor as [`Approved`] values, which only this
//! module makes.

mod account;
mod announce;
mod approved;
mod ballot;
mod consent;
mod document;
mod guardrails;
pub mod render;
mod scorecard;
#[cfg(test)]
mod tests;

pub use account::{AccountPlan, PlanOptions, failed_account, plan_account};
pub use approved::{AppliedChange, Approved, Operation, Undo};
pub use ballot::{Ballot, Refusal, Standing, may_answer, may_decide, standing, weigh};
pub use consent::{confirm, ends_at};
pub use document::{
    AccountStatus, AccountSummary, EXPIRING_WITHIN_DAYS, ExemptionState, ExemptionSummary, Plan,
    PrincipalCounts, assemble,
};
pub use scorecard::{Mark, Score, Scorecard, score};
