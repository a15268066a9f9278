//! What is known of services that live in regions.

mod analyzers;
mod collect;
mod instances;
mod log_groups;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub(super) use self::analyzers::read_unused_services;
pub use self::analyzers::{
    Analyzer, AnalyzerStatus, ExternalAccess, UnusedAccess, UnusedKind, UnusedService,
};
pub(super) use self::collect::collect;
pub use self::instances::{AssociatedProfile, Instance, InstanceProfile};
use super::Reading;
use crate::model::{Arn, MetricAlarm, MetricFilter, Region, TrailSettings};

/// Which kinds of thing in regions the rules have to know.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RegionalNeeds {
    /// Where; empty: in the region of the ambient configuration.
    pub regions: Vec<Region>,
    /// Trails, and what they log.
    pub trails: bool,
    /// Whether the buckets of trails are open.
    pub buckets: bool,
    /// What looks for events in the log groups of trails, and who is told.
    pub alarms: bool,
    /// Analyzers, and the access from outside that they found.
    pub analyzers: bool,
    /// The unused access that they found.
    pub unused_access: bool,
    /// Running instances, and the account's instance profiles.
    pub instances: bool,
}

/// What is known of one region. What nobody asked for is not there.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RegionalInventory {
    /// The trails that log there, wherever they were made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trails: Option<Reading<BTreeSet<Arn>>>,
    /// The analyzers of Access Analyzer there, by ARN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub analyzers: Option<Reading<Vec<Analyzer>>>,
    /// The instances that run there, by ARN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instances: Option<Reading<Vec<Instance>>>,
}

/// What is known of the regions of an account.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Regions {
    /// Each region that was looked into.
    pub by_name: BTreeMap<Region, RegionalInventory>,
    /// Every trail that logs in one of them.
    pub trails: BTreeMap<Arn, Trail>,
    /// The log groups of these trails that are of the account, by their ARN without `:*`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub log_groups: BTreeMap<Arn, LogGroup>,
    /// The instance profiles of the account, by ARN. IAM has them for all regions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_profiles: Option<Reading<Vec<InstanceProfile>>>,
}

/// A log group of CloudWatch, and what comes of its events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogGroup {
    /// What looks for events in it.
    pub filters: Reading<Vec<MetricFilter>>,
    /// The alarms on the metrics that these feed, and those of iamwarden's own names.
    pub alarms: Reading<Vec<MetricAlarm>>,
    /// How many confirmed subscriptions each topic has that these alarms tell.
    pub subscriptions: BTreeMap<Arn, Reading<usize>>,
}

/// A trail of CloudTrail. Whether it logs, and what, is that of its home.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trail {
    /// How it is set up.
    pub settings: TrailSettings,
    /// Whether it logs at all.
    pub logging: Reading<bool>,
    /// Which management events it logs.
    pub management_events: Reading<ManagementEvents>,
    /// Whether its bucket is open to everybody; `None`: nobody asked, or the trail is another account's, and so is its
    /// bucket.
    pub bucket: Option<Reading<BucketExposure>>,
}

/// Which management events a trail logs, whole kinds only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ManagementEvents {
    /// All that read.
    pub reads: bool,
    /// All that write.
    pub writes: bool,
}

/// How a bucket is open to everybody, its public access block considered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BucketExposure {
    /// By its policy.
    pub public_policy: bool,
    /// By its access control list.
    pub public_acl: bool,
}
