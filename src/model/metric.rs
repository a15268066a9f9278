//! Metric filters of log groups, and alarms on metrics.

use serde::{Deserialize, Serialize};

use super::Arn;

/// A metric of CloudWatch.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MetricName {
    /// Its namespace.
    pub namespace: String,
    /// Its name there.
    pub name: String,
}

impl std::fmt::Display for MetricName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// A metric filter: what it looks for in a log group, and the metrics that it feeds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MetricFilter {
    /// Its name, unique in its log group.
    pub name: String,
    /// The pattern of events.
    pub pattern: String,
    /// What each such event adds, to which metric.
    pub feeds: Vec<Feed>,
}

/// What an event adds to a metric.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Feed {
    /// The metric.
    pub metric: MetricName,
    /// What is added.
    pub value: String,
}

/// An alarm on one metric, as far as it is judged and changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MetricAlarm {
    /// Its name, unique in its region.
    pub name: String,
    /// Which metrics it watches, sorted: one, or those of an expression.
    pub metrics: Vec<MetricName>,
    /// `GreaterThanOrEqualToThreshold` and so on.
    pub comparison: String,
    /// The threshold, as a decimal number.
    pub threshold: String,
    /// The statistic, where it is on one metric.
    pub statistic: Option<String>,
    /// Its length in seconds, where it is on one metric.
    pub period: Option<u32>,
    /// How many periods are looked at.
    pub evaluation_periods: u32,
    /// How missing data counts.
    pub treat_missing_data: Option<String>,
    /// Whether it does anything when it goes off.
    pub actions_enabled: bool,
    /// What it does then: ARNs, sorted.
    pub actions: Vec<String>,
}

impl MetricAlarm {
    /// The SNS topics that it tells.
    pub fn topics(&self) -> impl Iterator<Item = Arn> {
        let arns = self.actions.iter().filter_map(|action| Arn::parse(action).ok());
        arns.filter(|arn| arn.service() == "sns")
    }
}
