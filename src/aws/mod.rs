//! Access to AWS: the only place that knows the SDK.
//!
//! [`Sessions`] leads to a [`Session`] in one account, once AWS confirmed the account and that the clock is right. A
//! session reads by its [`Reader`] and writes by its [`Writer`], two types in two files: the writer does nothing without
//! an [`crate::plan::Approved`] and a [`crate::state::Lease`]. Both share the account's [`CallBudget`]. Whatever goes
//! wrong is an [`AwsError`] of some [`ErrorKind`]; no answer is ever taken for "nothing there" because it failed.

mod account;
mod ambient;
mod authorization;
mod budget;
mod convert;
mod errors;
mod evidence;
mod meter;
pub mod operation;
mod other_credentials;
mod pages;
pub mod permissions;
mod reader;
mod regional;
mod request;
mod secrets;
mod session;
mod writer;

pub use ambient::{Ambient, Pace};
pub use budget::{CallBudget, CallCount, CallRate, CallResult};
pub use errors::{AwsError, ErrorKind};
pub use reader::{KeyDescription, LiveHolder, LiveMember, LiveUser, Reader, ReportFile};
pub use regional::{LiveAnalyzer, LiveInstance, LiveTrail};
pub use request::RequestError;
pub use secrets::{SecretError, Secrets};
pub use session::{ConnectError, Purpose, Session, Sessions};
pub use writer::{CallTurn, WriteError, Writer};
