//! What an account holds in one region, and which regions there are.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::access_analyzer::Analyzer;
use crate::account::Account;
use crate::cloudtrail::Trail;
use crate::cloudwatch::Alarm;
use crate::ec2::Instance;
use crate::logs::LogGroup;
use crate::sns::Topic;

/// One region's part of an account.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Region {
    /// Whether the region is switched off, if it is one that has to be switched on.
    pub(crate) off: bool,
    /// Analyzers of Access Analyzer by name.
    pub(crate) analyzers: BTreeMap<String, Analyzer>,
    /// Instances of EC2 by id.
    pub(crate) instances: BTreeMap<String, Instance>,
    /// Trails of CloudTrail that belong to this region, by name.
    pub(crate) trails: BTreeMap<String, Trail>,
    /// Log groups by name.
    pub(crate) log_groups: BTreeMap<String, LogGroup>,
    /// Alarms by name.
    pub(crate) alarms: BTreeMap<String, Alarm>,
    /// Topics by name.
    pub(crate) topics: BTreeMap<String, Topic>,
}

impl Region {
    pub(crate) const fn empty() -> Self {
        Self {
            off: false,
            analyzers: BTreeMap::new(),
            instances: BTreeMap::new(),
            trails: BTreeMap::new(),
            log_groups: BTreeMap::new(),
            alarms: BTreeMap::new(),
            topics: BTreeMap::new(),
        }
    }
}

impl Account {
    /// Whether a region may be used: where there is something, or where nothing has to be switched on.
    pub(crate) fn is_enabled(&self, region: &str) -> bool {
        let has_to_be = of_partition(&self.partition)
            .iter()
            .any(|(name, opt_in)| *name == region && *opt_in);
        !has_to_be || self.regions.get(region).is_some_and(|region| !region.off)
    }
}

/// The regions of a partition, and whether they have to be switched on.
pub(crate) fn of_partition(partition: &str) -> &'static [(&'static str, bool)] {
    match partition {
        "aws-cn" => &[("cn-north-1", false), ("cn-northwest-1", false)],
        "aws-us-gov" => &[("us-gov-east-1", false), ("us-gov-west-1", false)],
        _ => &[
            ("af-south-1", true),
            ("ap-east-1", true),
            ("ap-east-2", true),
            ("ap-northeast-1", false),
            ("ap-northeast-2", false),
            ("ap-northeast-3", false),
            ("ap-south-1", false),
            ("ap-south-2", true),
            ("ap-southeast-1", false),
            ("ap-southeast-2", false),
            ("ap-southeast-3", true),
            ("ap-southeast-4", true),
            ("ap-southeast-5", true),
            ("ap-southeast-6", true),
            ("ap-southeast-7", true),
            ("ca-central-1", false),
            ("ca-west-1", true),
            ("eu-central-1", false),
            ("eu-central-2", true),
            ("eu-north-1", false),
            ("eu-south-1", true),
            ("eu-south-2", true),
            ("eu-west-1", false),
            ("eu-west-2", false),
            ("eu-west-3", false),
            ("il-central-1", true),
            ("me-central-1", true),
            ("me-south-1", true),
            ("mx-central-1", true),
            ("sa-east-1", false),
            ("us-east-1", false),
            ("us-east-2", false),
            ("us-west-1", false),
            ("us-west-2", false),
        ],
    }
}
