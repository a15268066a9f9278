//! CloudWatch: alarms on metrics.

mod put;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::context::{Context, Operation, Run};
use crate::wire::error::AwsError;
use crate::wire::page::cut;

/// All operations of the service.
pub(crate) static OPERATIONS: &[Operation] = &[
    Operation::reads("DescribeAlarms", Run::Json(describe)),
    Operation::reads("DescribeAlarmsForMetric", Run::Json(describe_for_metric)),
    Operation::writes("PutMetricAlarm", Run::Json(put::put)),
    Operation::writes("DeleteAlarms", Run::Json(delete)),
];

const LARGEST_PAGE: u32 = 100;
const USUAL_PAGE: u32 = 50;

type Answer = Result<Value, AwsError>;

/// An alarm on a metric.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Alarm {
    pub(crate) name: String,
    pub(crate) arn: String,
    /// What was set, as `DescribeAlarms` gives it.
    pub(crate) configuration: Map<String, Value>,
    pub(crate) configured: DateTime<Utc>,
    /// `OK`, `ALARM` or `INSUFFICIENT_DATA`.
    pub(crate) state: String,
    pub(crate) state_since: DateTime<Utc>,
}

impl Alarm {
    fn whole(&self) -> Value {
        let reason = if self.state == "INSUFFICIENT_DATA" {
            "Unchecked: Initial alarm creation".to_owned()
        } else {
            format!("Set to {} from outside", self.state)
        };
        let mut whole = json!({
            "AlarmName": self.name,
            "AlarmArn": self.arn,
            "AlarmConfigurationUpdatedTimestamp": self.configured.timestamp(),
            "StateValue": self.state,
            "StateReason": reason,
            "StateUpdatedTimestamp": self.state_since.timestamp(),
            "StateTransitionedTimestamp": self.state_since.timestamp(),
        });
        for (name, value) in &self.configuration {
            whole[name.as_str()] = value.clone();
        }
        whole
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.configuration.get(name).and_then(Value::as_str)
    }

    fn dimensions(&self) -> BTreeMap<String, String> {
        dimensions(self.configuration.get("Dimensions"))
    }
}

/// A list of dimensions by name.
fn dimensions(list: Option<&Value>) -> BTreeMap<String, String> {
    let list = list.and_then(Value::as_array).into_iter().flatten();
    let pair = |one: &Value| {
        Some((
            one["Name"].as_str()?.to_owned(),
            one["Value"].as_str()?.to_owned(),
        ))
    };
    list.filter_map(pair).collect()
}

fn describe(cx: &mut Context<'_>) -> Answer {
    let names = cx.input.texts("AlarmNames")?;
    let prefix = cx.input.text("AlarmNamePrefix")?;
    if !names.is_empty() && prefix.is_some() {
        return Err(cx
            .input
            .refuse("AlarmNames and AlarmNamePrefix cannot be specified together"));
    }
    if names.len() > 100 {
        return Err(cx.input.refuse("There are 100 alarm names at most."));
    }
    let types = cx.input.texts("AlarmTypes")?;
    let state = cx.input.text("StateValue")?;
    let action = cx.input.text("ActionPrefix")?;
    let size = cx
        .input
        .integer("MaxRecords", 1, LARGEST_PAGE)?
        .unwrap_or(USUAL_PAGE);
    let acts = |alarm: &Alarm, prefix: &str| {
        let actions = alarm.configuration.get("AlarmActions").and_then(Value::as_array);
        actions
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .any(|action| action.starts_with(prefix))
    };
    let wanted = |alarm: &&Alarm| {
        (names.is_empty() || names.contains(&alarm.name.as_str()))
            && prefix.is_none_or(|prefix| alarm.name.starts_with(prefix))
            && state.is_none_or(|state| alarm.state == state)
            && action.is_none_or(|prefix| acts(alarm, prefix))
            && (types.is_empty() || types.contains(&"MetricAlarm"))
    };
    let alarms = cx.here().alarms.values().filter(wanted);
    let keyed = alarms.map(|alarm| (alarm.name.clone(), alarm.whole())).collect();
    let invalid = || AwsError::new("InvalidNextToken", 400, "The next token is invalid.");
    let page = cut(keyed, cx.input.text("NextToken")?, size, cx.paging).ok_or_else(invalid)?;
    let mut answer = json!({ "MetricAlarms": page.items, "CompositeAlarms": [] });
    if let Some(token) = page.next {
        answer["NextToken"] = token.into();
    }
    Ok(answer)
}

fn describe_for_metric(cx: &mut Context<'_>) -> Answer {
    let (metric, namespace) = (cx.input.required("MetricName")?, cx.input.required("Namespace")?);
    let wanted_dimensions = dimensions(cx.input.get("Dimensions"));
    let period = cx.input.integer("Period", 1, u32::MAX)?;
    let texts = ["Statistic", "ExtendedStatistic", "Unit"];
    let mut asked = Vec::new();
    for name in texts {
        asked.extend(cx.input.text(name)?.map(|text| (name, text)));
    }
    let wanted = |alarm: &&Alarm| {
        alarm.text("MetricName") == Some(metric)
            && alarm.text("Namespace") == Some(namespace)
            && alarm.dimensions() == wanted_dimensions
            && asked.iter().all(|(name, text)| alarm.text(name) == Some(text))
            && period.is_none_or(|period| {
                alarm
                    .configuration
                    .get("Period")
                    .is_some_and(|set| *set == period)
            })
    };
    let alarms = cx.here().alarms.values().filter(wanted).map(Alarm::whole);
    Ok(json!({ "MetricAlarms": alarms.collect::<Vec<_>>() }))
}

fn delete(cx: &mut Context<'_>) -> Answer {
    let names = cx.input.texts("AlarmNames")?;
    if names.is_empty() || names.len() > 100 {
        return Err(cx.input.refuse("AlarmNames must have from 1 to 100 members."));
    }
    // With one that is not there, none is deleted.
    if let Some(unknown) = names.iter().find(|name| !cx.here().alarms.contains_key(**name)) {
        let message = format!("Alarm {unknown} does not exist.");
        return Err(AwsError::new("ResourceNotFound", 404, message));
    }
    let alarms = &mut cx.here_mut().alarms;
    for name in names {
        alarms.remove(name);
    }
    Ok(Value::Null)
}
