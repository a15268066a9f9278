//! Log groups, alarms and topics of a seed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::seed::When;
use crate::seed::principals::default_age;

/// A log group.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LogGroupSeed {
    /// Its name.
    pub name: String,
    /// How long ago it was made.
    #[serde(default = "default_age")]
    pub age: When,
    /// Days that logs are kept; for ever unless given.
    #[serde(default)]
    pub retention: Option<u32>,
    /// Its metric filters.
    #[serde(default)]
    pub filters: Vec<MetricFilterSeed>,
}

/// A metric filter.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MetricFilterSeed {
    /// Its name.
    pub name: String,
    /// Its pattern.
    pub pattern: String,
    /// The metric that it makes.
    pub metric: String,
    /// The metric's namespace.
    pub namespace: String,
    /// What is counted for each match; `1` unless given.
    #[serde(default = "MetricFilterSeed::default_value")]
    pub value: String,
    /// How long ago it was made.
    #[serde(default = "default_age")]
    pub age: When,
}

impl MetricFilterSeed {
    fn default_value() -> String {
        "1".to_owned()
    }
}

/// An alarm on a metric.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AlarmSeed {
    /// Its name.
    pub name: String,
    /// The metric's name.
    pub metric: String,
    /// The metric's namespace.
    pub namespace: String,
    /// What it does on alarm: names of topics of this region, or ARNs.
    #[serde(default)]
    pub actions: Vec<String>,
    /// Whether it does that; it does unless given.
    #[serde(default = "AlarmSeed::default_enabled")]
    pub actions_enabled: bool,
    /// Its state: `OK` unless given.
    #[serde(default = "AlarmSeed::default_state")]
    pub state: String,
    /// `Sum` unless given.
    #[serde(default = "AlarmSeed::default_statistic")]
    pub statistic: String,
    /// `GreaterThanOrEqualToThreshold` unless given.
    #[serde(default = "AlarmSeed::default_comparison")]
    pub comparison: String,
    /// 1 unless given.
    #[serde(default = "AlarmSeed::default_threshold")]
    pub threshold: f64,
    /// Seconds; 300 unless given.
    #[serde(default = "AlarmSeed::default_period")]
    pub period: u32,
    /// Periods; 1 unless given.
    #[serde(default = "AlarmSeed::default_evaluation_periods")]
    pub evaluation_periods: u32,
    /// The metric's dimensions.
    #[serde(default)]
    pub dimensions: BTreeMap<String, String>,
    /// How long ago it was set.
    #[serde(default = "default_age")]
    pub age: When,
}

impl AlarmSeed {
    fn default_enabled() -> bool {
        true
    }

    fn default_state() -> String {
        "OK".to_owned()
    }

    fn default_statistic() -> String {
        "Sum".to_owned()
    }

    fn default_comparison() -> String {
        "GreaterThanOrEqualToThreshold".to_owned()
    }

    fn default_threshold() -> f64 {
        1.0
    }

    fn default_period() -> u32 {
        300
    }

    fn default_evaluation_periods() -> u32 {
        1
    }
}

/// A topic of SNS.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TopicSeed {
    /// Its name.
    pub name: String,
    /// Its display name.
    #[serde(default)]
    pub display_name: String,
    /// Who gets what is sent to it.
    #[serde(default)]
    pub subscriptions: Vec<SubscriptionSeed>,
}

/// A subscription to a topic.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SubscriptionSeed {
    /// `email` unless given; `https`, `sqs`, …
    #[serde(default = "SubscriptionSeed::default_protocol")]
    pub protocol: String,
    /// Where to.
    pub endpoint: String,
    /// Whether somebody has confirmed it; it is unless given.
    #[serde(default = "SubscriptionSeed::default_confirmed")]
    pub confirmed: bool,
}

impl SubscriptionSeed {
    fn default_protocol() -> String {
        "email".to_owned()
    }

    fn default_confirmed() -> bool {
        true
    }
}
