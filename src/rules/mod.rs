//! What is wrong: one file per rule, each a function of configuration, snapshot, history and time.

mod context;
pub mod unused_permissions;

pub use context::{Announcement, Context, Judgement, Remedy, Standing};
