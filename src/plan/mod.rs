//! What to do about findings, and whether it may be done.

mod approved;
mod document;
pub mod render;

pub use approved::{Approved, Operation};
pub use document::{AccountStatus, AccountSummary, ExemptionState, ExemptionSummary, Plan, PrincipalCounts};
