//! What is known of an account, and every gap in that knowledge.
//!
//! A [`Snapshot`] is a value: collected from AWS ([`collect`]) or read from a file ([`file`]), never changed after.
//! What could not be read stands in it as a [`Gap`], so that no rule can mistake "not read" for "not there".

mod snapshot;

pub use snapshot::{
    AccessKey, AttachedPolicy, Authorization, Caller, ConsolePassword, Credentials, Gap, GapCause, Group,
    InlinePolicy, LastUsed, ManagedPolicy, PolicyVersion, Reading, Role, ServiceLastAccessed, ServiceUse,
    Snapshot, User,
};
