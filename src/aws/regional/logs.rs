//! CloudWatch Logs, read: the metric filters of a log group.

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::errors::{AwsError, ErrorKind};
use super::super::operation;
use super::super::pages::Pages;
use super::super::reader::{Reader, usable};
use super::wire::{Question, Service};
use crate::model::{Arn, Feed, MetricFilter, MetricName, Region, log_group_name};

pub(super) const LOGS: Service = Service {
    prefix: "logs",
    id: "CloudWatch Logs",
    host: "logs",
};

pub(super) fn question(body: Value) -> Question {
    Question::Json {
        target: "Logs_20140328",
        body,
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    metric_filters: Vec<Described>,
    next_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Described {
    filter_name: String,
    #[serde(default)]
    filter_pattern: String,
    metric_transformations: Vec<Transformation>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Transformation {
    metric_name: String,
    metric_namespace: String,
    metric_value: String,
}

impl Reader {
    /// The metric filters of a log group, by name; those alone whose name begins with `prefix`, where there is one.
    /// `DescribeMetricFilters`, all pages.
    ///
    /// # Errors
    /// [`AwsError`]; of kind `Gone` where there is no such log group.
    pub async fn metric_filters(
        &self,
        group: &Arn,
        prefix: Option<&str>,
    ) -> Result<Vec<MetricFilter>, AwsError> {
        let scope = self.scope(operation::DESCRIBE_METRIC_FILTERS, Some(group));
        let region = self.region_of(scope, group)?;
        let mut filters = Vec::new();
        let mut pages = Pages::default();
        loop {
            let mut body = json!({"logGroupName": log_group_name(group)});
            for (name, value) in [
                ("filterNamePrefix", prefix),
                ("nextToken", pages.marker().as_deref()),
            ] {
                if let Some(value) = value {
                    body[name] = json!(value);
                }
            }
            let page = self
                .regional
                .ask_by_hand(&LOGS, &region, scope.operation, question(body), None);
            let page: Value = self.ask(scope, page).await?;
            let page: Page =
                serde_json::from_value(page).map_err(|odd| AwsError::unusable(scope, odd.to_string()))?;
            filters.extend(page.metric_filters.into_iter().map(MetricFilter::from));
            let more = page.next_token.is_some();
            if !usable(scope, pages.turn(more, page.next_token))? {
                break;
            }
        }
        filters.sort();
        Ok(filters)
    }

    /// The metric filter of that name; `None`: there is none. `DescribeMetricFilters`.
    ///
    /// # Errors
    /// [`AwsError`]; of kind `Gone` where there is no such log group.
    pub async fn metric_filter(&self, group: &Arn, name: &str) -> Result<Option<MetricFilter>, AwsError> {
        let filters = self.metric_filters(group, Some(name)).await?;
        Ok(filters.into_iter().find(|filter| filter.name == name))
    }

    /// The region in an ARN: where to ask about it.
    pub(super) fn region_of(
        &self,
        scope: super::super::errors::Scope<'_>,
        resource: &Arn,
    ) -> Result<Region, AwsError> {
        Region::parse(resource.region())
            .map_err(|odd| AwsError::plain(scope, ErrorKind::Unusable, odd.to_string()))
    }
}

impl From<Described> for MetricFilter {
    fn from(described: Described) -> Self {
        let feed = |transformation: Transformation| Feed {
            metric: MetricName {
                namespace: transformation.metric_namespace,
                name: transformation.metric_name,
            },
            value: transformation.metric_value,
        };
        Self {
            name: described.filter_name,
            pattern: described.filter_pattern,
            feeds: described.metric_transformations.into_iter().map(feed).collect(),
        }
    }
}
