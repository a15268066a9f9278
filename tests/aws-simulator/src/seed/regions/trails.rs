//! Trails of a seed.

use serde::{Deserialize, Serialize};

use crate::seed::When;
use crate::seed::principals::default_age;

/// A trail of CloudTrail, in the region that it belongs to.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TrailSeed {
    /// Its name.
    pub name: String,
    /// The bucket that its logs go to.
    pub bucket: String,
    /// The prefix of its logs there.
    #[serde(default)]
    pub prefix: Option<String>,
    /// The topic that is told of logs.
    #[serde(default)]
    pub topic: Option<String>,
    /// Whether it logs all regions.
    #[serde(default)]
    pub multi_region: bool,
    /// Whether it logs services without regions; it does unless given.
    #[serde(default = "yes")]
    pub global_events: bool,
    /// Whether its log files can be validated.
    #[serde(default)]
    pub validation: bool,
    /// The name of the log group that it writes to.
    #[serde(default)]
    pub log_group: Option<String>,
    /// The ARN of the role by which it does; made up unless given.
    #[serde(default)]
    pub log_role: Option<String>,
    /// The key that its logs are encrypted with.
    #[serde(default)]
    pub key: Option<String>,
    /// Whether it belongs to an organization.
    #[serde(default)]
    pub organization: bool,
    /// Whether it is logging; it is unless given.
    #[serde(default = "yes")]
    pub logging: bool,
    /// How long ago it started to.
    #[serde(default = "default_age")]
    pub age: When,
    /// When it stopped.
    #[serde(default)]
    pub stopped: When,
    /// When it last delivered.
    #[serde(default)]
    pub delivered: When,
    /// Why it could not deliver.
    #[serde(default)]
    pub delivery_error: Option<String>,
    /// Why it could not deliver to the log group.
    #[serde(default)]
    pub log_group_error: Option<String>,
    /// `All` unless given; `ReadOnly` or `WriteOnly`.
    #[serde(default = "TrailSeed::default_read_write")]
    pub read_write: String,
    /// Whether it logs management events; it does unless given.
    #[serde(default = "yes")]
    pub management_events: bool,
    /// Advanced event selectors word for word, instead of those two.
    #[serde(default)]
    pub advanced_selectors: Vec<serde_json::Value>,
}

impl TrailSeed {
    fn default_read_write() -> String {
        "All".to_owned()
    }
}

fn yes() -> bool {
    true
}
