//! `[regions]`, and the settings of the rules that look into regions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::{Schedule, optional_text};
use super::Mode;
use crate::model::Region;

/// `[regions]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Regions {
    /// Where the rules about CloudTrail, alarms, Access Analyzer and EC2 look; empty: the region of the ambient
    /// configuration alone.
    pub include: Vec<Region>,
}

/// `[rules.cloudtrail]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CloudTrail {
    /// What the rule may do.
    pub mode: Mode,
    /// Its own schedule; absent: `schedule.default`.
    #[serde(default)]
    pub schedule: Option<Schedule>,
    /// The bucket of the trail that is made where none does the job; empty: none is made.
    #[serde(with = "optional_text")]
    #[schemars(with = "String")]
    pub bucket: Option<String>,
    /// The name of the trail that is made.
    pub trail_name: String,
    /// The CloudWatch log group, by its name in the trail's account and region, of trails that have none; empty: left
    /// alone.
    #[serde(with = "optional_text")]
    #[schemars(with = "String")]
    pub log_group: Option<String>,
    /// The role by which CloudTrail writes to that log group, by its path and name.
    #[serde(with = "optional_text")]
    #[schemars(with = "String")]
    pub log_role: Option<String>,
}

/// `[rules.iam_alarms]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IamAlarms {
    /// What the rule may do.
    pub mode: Mode,
    /// Its own schedule; absent: `schedule.default`.
    #[serde(default)]
    pub schedule: Option<Schedule>,
    /// Which of the built-in events have to be watched.
    pub events: Vec<WatchedEvent>,
    /// The SNS topic of the alarms that are made: its name in the log group's account and region, or its ARN; empty: no
    /// alarm is made.
    #[serde(with = "optional_text")]
    #[schemars(with = "String")]
    pub topic: Option<String>,
    /// Events of your own.
    #[serde(default)]
    pub patterns: Vec<OwnPattern>,
}

/// `[rules.instance_roles]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InstanceRoles {
    /// What the rule may do.
    pub mode: Mode,
    /// Its own schedule; absent: `schedule.default`.
    #[serde(default)]
    pub schedule: Option<Schedule>,
    /// The instance profile, by its name in the instance's account, that running instances get which have none; empty:
    /// nothing is changed.
    #[serde(with = "optional_text")]
    #[schemars(with = "String")]
    pub default_profile: Option<String>,
    /// The role that the default profile has to hold, by its path and name; empty: any. Naming it lets `iamwarden
    /// permissions` ask for `iam:PassRole` of that role alone.
    #[serde(with = "optional_text")]
    #[schemars(with = "String")]
    pub default_role: Option<String>,
}

/// An event that has to be watched, with a pattern that is built in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WatchedEvent {
    /// Policies made, changed, deleted, attached or detached.
    IamPolicyChanges,
    /// Calls that were denied.
    UnauthorizedCalls,
    /// Anything done as root.
    RootUse,
    /// Signing in to the console without MFA.
    ConsoleSignInWithoutMfa,
    /// Failing to sign in to the console.
    FailedSignIns,
    /// Trails made, changed, stopped or deleted.
    CloudtrailChanges,
    /// Access keys made.
    KeyCreation,
}

impl WatchedEvent {
    /// The name, in the configuration and in what is made.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::IamPolicyChanges => "iam_policy_changes",
            Self::UnauthorizedCalls => "unauthorized_calls",
            Self::RootUse => "root_use",
            Self::ConsoleSignInWithoutMfa => "console_sign_in_without_mfa",
            Self::FailedSignIns => "failed_sign_ins",
            Self::CloudtrailChanges => "cloudtrail_changes",
            Self::KeyCreation => "key_creation",
        }
    }
}

/// `[[rules.iam_alarms.patterns]]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OwnPattern {
    /// By which its filter, metric and alarm are named.
    pub name: String,
    /// The pattern of CloudWatch Logs.
    pub pattern: String,
}

/// `[rules.access_analyzer]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccessAnalyzer {
    /// What the rule may do.
    pub mode: Mode,
    /// Its own schedule; absent: `schedule.default`.
    #[serde(default)]
    pub schedule: Option<Schedule>,
    /// The name of the analyzers that are made.
    pub analyzer_name: String,
}
