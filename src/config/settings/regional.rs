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
