//! What a seed holds in one region.

mod analyzers;
mod instances;
mod monitoring;
mod trails;

use serde::{Deserialize, Serialize};

pub use analyzers::{
    AnalyzerSeed, ExternalAccessSeed, FindingSeed, RecommendationSeed, StepSeed, UnusedKeySeed,
    UnusedServiceSeed,
};

pub use instances::InstanceSeed;
pub use monitoring::{AlarmSeed, LogGroupSeed, MetricFilterSeed, SubscriptionSeed, TopicSeed};
pub use trails::TrailSeed;

/// One region of an account.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RegionSeed {
    /// Whether the region is switched on, if it is one that has to be; it is unless this says otherwise.
    pub opted_in: Option<bool>,
    /// Analyzers of Access Analyzer.
    pub analyzers: Vec<AnalyzerSeed>,
    /// Instances of EC2.
    pub instances: Vec<InstanceSeed>,
    /// Trails of CloudTrail that belong to this region.
    pub trails: Vec<TrailSeed>,
    /// Log groups of CloudWatch Logs.
    pub log_groups: Vec<LogGroupSeed>,
    /// Alarms of CloudWatch.
    pub alarms: Vec<AlarmSeed>,
    /// Topics of SNS.
    pub topics: Vec<TopicSeed>,
}
