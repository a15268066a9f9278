//! Setting alarms.

use serde_json::{Map, Value, json};

use super::{Alarm, Answer};
use crate::context::Context;
use crate::wire::error::AwsError;
use crate::wire::input::Input;

const MOST_ACTIONS: usize = 5;

const STATISTICS: [&str; 5] = ["SampleCount", "Average", "Sum", "Minimum", "Maximum"];
const OPERATORS: [&str; 7] = [
    "GreaterThanOrEqualToThreshold",
    "GreaterThanThreshold",
    "LessThanThreshold",
    "LessThanOrEqualToThreshold",
    "LessThanLowerOrGreaterThanUpperThreshold",
    "LessThanLowerThreshold",
    "GreaterThanUpperThreshold",
];
const MISSING_DATA: [&str; 4] = ["breaching", "notBreaching", "ignore", "missing"];

fn one_of(input: Input<'_>, name: &str, words: &[&str]) -> Result<Option<String>, AwsError> {
    match input.text(name)? {
        Some(word) if !words.contains(&word) => Err(input.refuse(format!(
            "Value '{word}' at '{name}' is none of {}.",
            words.join(", ")
        ))),
        word => Ok(word.map(str::to_owned)),
    }
}

fn actions(input: Input<'_>, name: &str) -> Result<Value, AwsError> {
    let actions = input.texts(name)?;
    if actions.len() > MOST_ACTIONS {
        return Err(input.refuse(format!("{name} must have {MOST_ACTIONS} members at most.")));
    }
    if let Some(wrong) = actions.iter().find(|action| !action.starts_with("arn:")) {
        return Err(input.refuse(format!("Invalid arn syntax: {wrong}")));
    }
    Ok(json!(actions))
}

/// Periods are 10, 20 or 30 seconds, or whole minutes.
fn period(input: Input<'_>) -> Result<Option<u32>, AwsError> {
    match input.integer("Period", 1, 86_400)? {
        Some(seconds) if ![10, 20, 30].contains(&seconds) && seconds % 60 != 0 => {
            Err(input.refuse("Metric alarm period must be 10, 20, 30, or a multiple of 60."))
        }
        period => Ok(period),
    }
}

/// What is set, as `DescribeAlarms` will give it.
fn configuration(input: Input<'_>) -> Result<Map<String, Value>, AwsError> {
    let mut set = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            set.insert(name.to_owned(), value);
        }
    };
    put(
        "ActionsEnabled",
        Some(input.boolean("ActionsEnabled")?.unwrap_or(true).into()),
    );
    for name in ["AlarmActions", "OKActions", "InsufficientDataActions"] {
        put(name, Some(actions(input, name)?));
    }
    for name in [
        "AlarmDescription",
        "MetricName",
        "Namespace",
        "ExtendedStatistic",
        "Unit",
        "ThresholdMetricId",
    ] {
        put(name, input.text(name)?.map(Value::from));
    }
    put(
        "Statistic",
        one_of(input, "Statistic", &STATISTICS)?.map(Value::from),
    );
    put(
        "ComparisonOperator",
        one_of(input, "ComparisonOperator", &OPERATORS)?.map(Value::from),
    );
    put(
        "TreatMissingData",
        one_of(input, "TreatMissingData", &MISSING_DATA)?.map(Value::from),
    );
    put("Period", period(input)?.map(Value::from));
    put(
        "EvaluationPeriods",
        input.integer("EvaluationPeriods", 1, u32::MAX)?.map(Value::from),
    );
    put(
        "DatapointsToAlarm",
        input.integer("DatapointsToAlarm", 1, u32::MAX)?.map(Value::from),
    );
    put("Threshold", input.number("Threshold")?.map(Value::from));
    let dimensions = super::dimensions(input.get("Dimensions"));
    let dimensions = dimensions
        .iter()
        .map(|(name, value)| json!({ "Name": name, "Value": value }));
    put("Dimensions", Some(dimensions.collect()));
    put("Metrics", input.get("Metrics").cloned());
    check(&set, input)?;
    Ok(set)
}

fn check(set: &Map<String, Value>, input: Input<'_>) -> Result<(), AwsError> {
    let has = |name: &str| set.contains_key(name);
    for name in ["EvaluationPeriods", "ComparisonOperator"] {
        if !has(name) {
            return Err(input.refuse(format!("The parameter {name} is required.")));
        }
    }
    if has("Metrics") {
        let together = [
            "MetricName",
            "Namespace",
            "Statistic",
            "ExtendedStatistic",
            "Period",
        ];
        return match together.into_iter().find(|name| has(name)) {
            Some(name) => Err(input.refuse(format!("Metrics and {name} cannot be used together."))),
            None => Ok(()),
        };
    }
    if has("Statistic") == has("ExtendedStatistic") {
        return Err(input.refuse("Exactly one of Statistic and ExtendedStatistic must be specified"));
    }
    match ["MetricName", "Namespace", "Period", "Threshold"]
        .into_iter()
        .find(|name| !has(name))
    {
        Some(name) => Err(input.refuse(format!("The parameter {name} is required."))),
        None => Ok(()),
    }
}

pub(super) fn put(cx: &mut Context<'_>) -> Answer {
    let name = cx.input.required("AlarmName")?;
    if !(1..=255).contains(&name.chars().count()) {
        return Err(cx.input.refuse("AlarmName must have a length from 1 to 255."));
    }
    let configuration = configuration(cx.input)?;
    let (now, arn) = (cx.now, cx.arn("cloudwatch", &format!("alarm:{name}")));
    // The state stays what it is until the alarm is evaluated, which nobody does here.
    let before = cx.here().alarms.get(name);
    let (state, state_since) = before.map_or_else(
        || ("INSUFFICIENT_DATA".to_owned(), now),
        |alarm| (alarm.state.clone(), alarm.state_since),
    );
    let alarm = Alarm {
        name: name.to_owned(),
        arn,
        configuration,
        configured: now,
        state,
        state_since,
    };
    cx.here_mut().alarms.insert(name.to_owned(), alarm);
    Ok(Value::Null)
}
