//! What is known of an account, and every gap in that knowledge.
//!
//! A [`Snapshot`] is a value: collected from AWS ([`collect`]) or read from a file
//! ([`Snapshot::read_from`]), never changed after.
//! What could not be read stands in it as a [`Gap`], so that no rule can mistake "not read" for "not there".

mod collect;
mod file;
mod idle;
mod keys;
mod regional;
mod report;
mod sign_in;
mod snapshot;

pub use collect::{Needs, PrincipalChoice, collect};
pub use file::SnapshotFileError;
pub use idle::{IdleNeeds, OtherCredential, OtherCredentialKind, PasswordUse};
pub use keys::KeyNeeds;
pub use regional::{
    Analyzer, AnalyzerStatus, AssociatedProfile, BucketExposure, ExternalAccess, Instance, InstanceProfile,
    LogGroup, ManagementEvents, RegionalInventory, RegionalNeeds, Regions, Trail, UnusedAccess, UnusedKind,
    UnusedService,
};
pub use report::{Contradiction, CredentialReport, ReportError, ReportKey, ReportRow, RootRow};
pub use sign_in::SignInOf;
pub use snapshot::{
    AccessKey, AttachedPolicy, Authorization, Caller, ConsolePassword, Credentials, Gap, GapCause,
    Granularity, Group, InlinePolicy, LastUsed, ManagedPolicy, Mfa, PolicyVersion, Reading, Role, RootReport,
    RootSummary, RootUser, ServiceLastAccessed, ServiceUse, SignIn, Snapshot, User, VirtualMfaDevice,
};
