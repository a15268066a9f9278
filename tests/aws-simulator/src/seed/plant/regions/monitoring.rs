//! Log groups, alarms and topics.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Site, once};
use crate::cloudwatch::Alarm;
use crate::ids::IdSource;
use crate::logs::{LogGroup, MetricFilter, Transformation};
use crate::seed::regions::{AlarmSeed, LogGroupSeed, MetricFilterSeed, SubscriptionSeed, TopicSeed};
use crate::sns::{PENDING, Subscription, Topic};

pub(super) fn log_group(seed: &LogGroupSeed, site: Site<'_>) -> Result<LogGroup, String> {
    let mut filters = BTreeMap::new();
    for one in &seed.filters {
        once(
            "metric filter",
            &one.name,
            filters.insert(one.name.clone(), filter(one, site)),
        )?;
    }
    Ok(LogGroup {
        name: seed.name.clone(),
        created: seed.age.resolve(site.place.now).unwrap_or(site.place.now),
        retention: seed.retention,
        filters,
    })
}

fn filter(seed: &MetricFilterSeed, site: Site<'_>) -> MetricFilter {
    MetricFilter {
        name: seed.name.clone(),
        pattern: seed.pattern.clone(),
        created: seed.age.resolve(site.place.now).unwrap_or(site.place.now),
        transformation: Transformation {
            metric: seed.metric.clone(),
            namespace: seed.namespace.clone(),
            value: seed.value.clone(),
            default: None,
            unit: None,
            dimensions: BTreeMap::new(),
        },
    }
}

pub(super) fn alarm(seed: &AlarmSeed, site: Site<'_>) -> Alarm {
    let set = seed.age.resolve(site.place.now).unwrap_or(site.place.now);
    let action = |action: &String| {
        if action.starts_with("arn:") {
            action.clone()
        } else {
            site.arn("sns", action)
        }
    };
    let actions: Vec<String> = seed.actions.iter().map(action).collect();
    let dimensions = seed.dimensions.iter();
    let dimensions = dimensions.map(|(name, value)| json!({ "Name": name, "Value": value }));
    let fields: [(&str, Value); 13] = [
        ("ActionsEnabled", seed.actions_enabled.into()),
        ("AlarmActions", actions.into()),
        ("OKActions", json!([])),
        ("InsufficientDataActions", json!([])),
        ("MetricName", seed.metric.as_str().into()),
        ("Namespace", seed.namespace.as_str().into()),
        ("Statistic", seed.statistic.as_str().into()),
        ("ComparisonOperator", seed.comparison.as_str().into()),
        ("Threshold", seed.threshold.into()),
        ("Period", seed.period.into()),
        ("EvaluationPeriods", seed.evaluation_periods.into()),
        ("TreatMissingData", "notBreaching".into()),
        ("Dimensions", dimensions.collect()),
    ];
    Alarm {
        name: seed.name.clone(),
        arn: site.arn("cloudwatch", &format!("alarm:{}", seed.name)),
        configuration: fields
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
        configured: set,
        state: seed.state.clone(),
        state_since: set,
    }
}

pub(super) fn topic(seed: &TopicSeed, site: Site<'_>, ids: &mut IdSource) -> Topic {
    let arn = site.arn("sns", &seed.name);
    let account = site.place.account;
    let policy = json!({
        "Version": "2008-10-17",
        "Id": "__default_policy_ID",
        "Statement": [{
            "Sid": "__default_statement_ID",
            "Effect": "Allow",
            "Principal": { "AWS": "*" },
            "Action": [
                "SNS:GetTopicAttributes",
                "SNS:SetTopicAttributes",
                "SNS:AddPermission",
                "SNS:RemovePermission",
                "SNS:DeleteTopic",
                "SNS:Subscribe",
                "SNS:ListSubscriptionsByTopic",
                "SNS:Publish",
            ],
            "Resource": arn,
            "Condition": { "StringEquals": { "AWS:SourceOwner": account } },
        }],
    });
    let subscription = |one: &SubscriptionSeed| Subscription {
        arn: if one.confirmed {
            format!("{arn}:{}", ids.uuid())
        } else {
            PENDING.to_owned()
        },
        protocol: one.protocol.clone(),
        endpoint: one.endpoint.clone(),
    };
    Topic {
        display_name: seed.display_name.clone(),
        policy: policy.to_string(),
        subscriptions: seed.subscriptions.iter().map(subscription).collect(),
        arn: arn.clone(),
    }
}
