//! IAM and STS over the real wire protocols, for tests and demonstrations, and those parts of Secrets Manager, Access
//! Analyzer, EC2, CloudTrail, CloudWatch, CloudWatch Logs, SNS, S3 and Organizations that keeping an account tidy needs.
//!
//! A [`Seed`] describes accounts: users, keys, groups, roles, policies, and when they were used. A [`Simulator`] plants
//! it and [serves](Simulator::serve) it to unmodified SDKs, which find it by `AWS_ENDPOINT_URL`. Which account is meant
//! is told from the access key id of the request; signatures are not checked, and no call is refused for want of
//! permissions unless a fault says so.
//!
//! Time is the simulator's own ([`Clock`]). Every call is logged ([`Simulator::calls`]), can be made to fail, to be
//! lost or to be held at a certain instant ([`Fault`], [`Holds`]), and the state of an account can be read and edited
//! behind the callers' backs ([`Simulator::state`], [`Edit`]). All of that is there over HTTP too, below `/_control/`.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use aws_simulator::{AccountSeed, Fault, FaultKind, KeySeed, Seed, Simulator, UserSeed, When};
//!
//! let mut account = AccountSeed::new("123456789012");
//! account.users.push(UserSeed::new("ada").key(KeySeed::aged(When::days(120))));
//! let simulator = Simulator::from_seed(&Seed::of(account))?;
//! let server = simulator.serve("127.0.0.1:0").await?;
//! simulator.faults().add(Fault::new(FaultKind::error("Throttling")).on("ListUsers").times(2));
//! println!("AWS_ENDPOINT_URL={}", server.url());
//! # Ok(())
//! # }
//! ```

mod access_analyzer;
mod account;
mod caller;
mod calls;
mod clock;
mod cloudtrail;
mod cloudwatch;
mod context;
mod control;
mod demo;
mod ec2;
mod edit;
mod faults;
mod iam;
mod ids;
mod logs;
mod organizations;
mod policy;
mod region;
mod s3;
mod secrets;
mod seed;
mod server;
mod services;
mod simulator;
mod sns;
mod sts;
mod wire;
mod world;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use calls::{Call, Counts, Outcome};
pub use clock::Clock;
pub use demo::{DEMO_SEED, demo_seed};
pub use edit::{Edit, EditError};
pub use faults::{Fault, FaultKind, Faults, Hold, Holds, Moment, Release};
pub use seed::{
    AccountSeed, AdvisorSeed, AlarmSeed, AnalyzerSeed, AttachmentSeed, BadTime, BucketSeed, CallerSeed,
    Consistency, DetailedUse, DeviceSeed, Document, ExternalAccessSeed, FindingSeed, GrantSeed, GroupSeed,
    InstanceProfileSeed, InstanceSeed, KeySeed, LogGroupSeed, MemberSeed, MetricFilterSeed, MfaKind, MfaSeed,
    OrganizationSeed, Paging, PasswordPolicy, PasswordSeed, PolicySeed, RecommendationSeed, RegionSeed,
    ReportSeed, RoleSeed, RootSeed, RowSeed, SecretSeed, Seed, SeedError, ServiceCredentialSeed,
    SessionExpiration, StateFields, StepSeed, SubscriptionSeed, TopicSeed, TrailSeed, UnusedKeySeed,
    UnusedServiceSeed, UploadSeed, UseSeed, UserSeed, VersionSeed, VirtualDeviceSeed, When,
};
pub use server::Server;
pub use simulator::{Credentials, Simulator};
pub use wire::service::Service;

/// Locks a mutex. What a panicking thread left behind is whole all the same: nothing here is changed by halves.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
