//! What is wrong: one file per rule, each a function of configuration, snapshot, history and time.

mod context;

pub use context::{Announcement, Context, Judgement, Remedy, Standing};
