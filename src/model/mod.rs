//! Values that everything else speaks in: parsed once at the edge, ordered, printable, free of effects.
//!
//! Nothing here knows of AWS clients, files, clocks or configuration layers.

mod action;
mod analyzer;
mod arn;
mod change;
mod condition;
mod digest;
mod event;
mod exemption;
mod finding;
mod glob;
mod history;
mod metric;
mod organization;
mod own_policy;
mod password_policy;
mod person;
mod policy_document;
mod precondition;
mod region;
mod regional;
mod some_null;
mod span;
mod state_url;
mod trail;
mod visible;
mod wording;

pub use action::{Action, ActionId, ActionMode, ActionState, Target, WithheldReason};
pub use analyzer::{AnalyzerKind, AnalyzerSettings};
pub use arn::{AccessKeyId, AccountId, Arn, ArnError, Partition, PrincipalKind, PrincipalPath};
pub use change::{Change, ChangeKind, Inverse, KeyStatus};
pub use condition::{Clause, Qualifier};
pub use digest::{Digest, canonical_json};
pub use event::{Event, Ladder, NoticeItem, Notification};
pub use exemption::{
    ExemptionAnswer, ExemptionId, ExemptionRequest, ExemptionRevocation, ExemptionStanding,
    RequestedExemption,
};
pub use finding::{Finding, FindingId, FindingStatus, Proposal, RuleName, Severity};
pub use glob::Glob;
pub use history::{Decision, DisabledKey, Freeze, History, Notice, Observation, Observed, Review, Verdict};
pub use metric::{Feed, MetricAlarm, MetricFilter, MetricName};
pub use organization::{Member, Membership, Organization, UnitName, UnitNameError, UnitPath};
pub use own_policy::{InlinePolicyText, OwnPolicy};
pub use password_policy::PasswordPolicy;
pub use person::{Person, Way};
pub use policy_document::{ActionPattern, Actions, Effect, PolicyDocument, PolicyDocumentError, Statement};
pub use precondition::{Grounds, PolicyUse, Precondition};
pub use region::{Region, RegionError};
pub use regional::{InstanceGrounds, RegionalChange, RegionalInverse, RegionalState};
pub use span::{Span, SpanError};
pub use state_url::{PostgresUrl, StateUrl, StateUrlError};
pub use trail::{LogDestination, TrailSettings, TrailUpdate, log_group_name};
pub use visible::visible;
pub use wording::{counted, instant, relative, relative_day};

use serde::{Deserialize, Serialize};

/// The name of whoever answers for a principal: an address, a handle, a team. Compared and printed, never interpreted.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(transparent)]
pub struct Owner(pub String);

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
