//! Doing what a plan says, exactly once.
//!
//! For each action, in this order: ask once more for consent, with what is remembered now ([`crate::plan::confirm`]);
//! read the precondition live ([`precondition`]); ask again, since that takes time; write the intent to the journal,
//! which only works while the lease holds; call AWS; read back until the change is seen; write the outcome. The lease is
//! renewed all the while. An intent without outcome, after a kill or
//! an answer that never came, is settled by reading AWS ([`settle`]) before anything else happens in the account.
//! Undoing ([`rollback`]) goes the same way with the inverse.
//!
//! Nothing here decides: what does not fit is skipped and said.

mod apply;
mod precondition;
mod regional;
mod report;
mod rollback;
mod settle;

pub use apply::Executor;
pub use precondition::{AttachmentJudge, LiveAttachment, LiveError, read_live};
pub use report::{ActionReport, ActionResult};
pub use settle::{looked_at_since, settle};
