//! What to do about findings, and whether it may be done.

mod document;

pub use document::{AccountStatus, AccountSummary, ExemptionState, ExemptionSummary, Plan, PrincipalCounts};
