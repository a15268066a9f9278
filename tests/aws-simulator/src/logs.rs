//! CloudWatch Logs: log groups and the metrics filtered out of them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};

use crate::context::{Context, Operation, Run};
use crate::policy::document::exact_glob;
use crate::wire::error::AwsError;
use crate::wire::input::Input;
use crate::wire::page::{Page, cut};

/// All operations of the service.
pub(crate) static OPERATIONS: &[Operation] = &[
    Operation::reads("DescribeLogGroups", Run::Json(describe_groups)),
    Operation::reads("DescribeMetricFilters", Run::Json(describe_filters)),
    Operation::writes("PutMetricFilter", Run::Json(put_filter)),
    Operation::writes("DeleteMetricFilter", Run::Json(delete_filter)),
];

const MOST_FILTERS: usize = 100;
const LARGEST_PAGE: u32 = 50;

type Answer = Result<Value, AwsError>;

/// A log group and its metric filters.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct LogGroup {
    pub(crate) name: String,
    pub(crate) created: DateTime<Utc>,
    pub(crate) retention: Option<u32>,
    pub(crate) filters: BTreeMap<String, MetricFilter>,
}

/// A metric filter.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct MetricFilter {
    pub(crate) name: String,
    pub(crate) pattern: String,
    pub(crate) created: DateTime<Utc>,
    pub(crate) transformation: Transformation,
}

/// What metric a filter makes.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Transformation {
    pub(crate) metric: String,
    pub(crate) namespace: String,
    pub(crate) value: String,
    pub(crate) default: Option<f64>,
    pub(crate) unit: Option<String>,
    pub(crate) dimensions: BTreeMap<String, String>,
}

fn absent(what: &str) -> AwsError {
    let message = format!("The specified {what} does not exist.");
    AwsError::new("ResourceNotFoundException", 400, message)
}

/// A name of up to so many of the letters that are allowed.
fn name<'a>(
    cx: &Context<'a>,
    parameter: &str,
    most: usize,
    allowed: fn(char) -> bool,
) -> Result<&'a str, AwsError> {
    let name = cx.input.required(parameter)?;
    if (1..=most).contains(&name.chars().count()) && name.chars().all(allowed) {
        Ok(name)
    } else {
        Err(cx.input.refuse(format!(
            "Value '{name}' at '{parameter}' failed to satisfy constraint"
        )))
    }
}

fn group_name<'a>(cx: &Context<'a>) -> Result<&'a str, AwsError> {
    name(cx, "logGroupName", 512, |letter| {
        letter.is_ascii_alphanumeric() || ".-_/#".contains(letter)
    })
}

fn filter_name<'a>(cx: &Context<'a>) -> Result<&'a str, AwsError> {
    name(cx, "filterName", 512, |letter| !":*".contains(letter))
}

fn page<T>(cx: &Context<'_>, items: Vec<(String, T)>) -> Result<Page<T>, AwsError> {
    let size = cx
        .input
        .integer("limit", 1, LARGEST_PAGE)?
        .unwrap_or(LARGEST_PAGE);
    let invalid = || cx.input.refuse("The specified nextToken is invalid.");
    cut(items, cx.input.text("nextToken")?, size, cx.paging).ok_or_else(invalid)
}

fn with_next(mut answer: Value, next: Option<String>) -> Value {
    if let Some(token) = next {
        answer["nextToken"] = token.into();
    }
    answer
}

fn describe_groups(cx: &mut Context<'_>) -> Answer {
    let prefix = cx.input.text("logGroupNamePrefix")?;
    let pattern = cx.input.text("logGroupNamePattern")?;
    if prefix.is_some() && pattern.is_some() {
        return Err(cx
            .input
            .refuse("logGroupNamePrefix and logGroupNamePattern cannot be used together."));
    }
    let wanted = |name: &str| {
        prefix.is_none_or(|prefix| name.starts_with(prefix))
            && pattern.is_none_or(|part| name.to_lowercase().contains(&part.to_lowercase()))
    };
    let groups = cx.here().log_groups.values().filter(|group| wanted(&group.name));
    let page = page(cx, groups.map(|group| (group.name.clone(), group)).collect())?;
    let listed = page.items.iter().map(|group| {
        let arn = cx.arn("logs", &format!("log-group:{}", group.name));
        let mut listed = json!({
            "logGroupName": group.name,
            "creationTime": group.created.timestamp_millis(),
            "metricFilterCount": group.filters.len(),
            "arn": format!("{arn}:*"),
            "logGroupArn": arn,
            "storedBytes": 0,
            "logGroupClass": "STANDARD",
        });
        if let Some(days) = group.retention {
            listed["retentionInDays"] = days.into();
        }
        listed
    });
    Ok(with_next(
        json!({ "logGroups": listed.collect::<Vec<_>>() }),
        page.next,
    ))
}

fn describe_filters(cx: &mut Context<'_>) -> Answer {
    let group = cx.input.text("logGroupName")?;
    let prefix = cx.input.text("filterNamePrefix")?;
    let metric = (cx.input.text("metricName")?, cx.input.text("metricNamespace")?);
    if metric.0.is_some() != metric.1.is_some() {
        return Err(cx
            .input
            .refuse("metricName and metricNamespace have to be given together."));
    }
    if prefix.is_some() && group.is_none() {
        return Err(cx.input.refuse("filterNamePrefix needs logGroupName."));
    }
    if let Some(name) = group {
        cx.here()
            .log_groups
            .get(name)
            .ok_or_else(|| absent("log group"))?;
    }
    let groups = cx
        .here()
        .log_groups
        .values()
        .filter(|one| group.is_none_or(|name| one.name == name));
    let wanted = |filter: &&MetricFilter| {
        let made = &filter.transformation;
        prefix.is_none_or(|prefix| filter.name.starts_with(prefix))
            && metric.0.is_none_or(|name| made.metric == name)
            && metric.1.is_none_or(|namespace| made.namespace == namespace)
    };
    let filters = groups.flat_map(|group| {
        let keyed = move |filter: &'_ MetricFilter| format!("{}:{}", group.name, filter.name);
        group
            .filters
            .values()
            .filter(wanted)
            .map(move |filter| (keyed(filter), (group, filter)))
    });
    let page = page(cx, filters.collect())?;
    let listed = page.items.iter().map(|(group, filter)| {
        json!({
            "filterName": filter.name,
            "filterPattern": filter.pattern,
            "creationTime": filter.created.timestamp_millis(),
            "logGroupName": group.name,
            "applyOnTransformedLogs": false,
            "metricTransformations": [shown(&filter.transformation)],
        })
    });
    Ok(with_next(
        json!({ "metricFilters": listed.collect::<Vec<_>>() }),
        page.next,
    ))
}

fn shown(made: &Transformation) -> Value {
    let mut shown = json!({
        "metricName": made.metric,
        "metricNamespace": made.namespace,
        "metricValue": made.value,
    });
    if let Some(default) = made.default {
        shown["defaultValue"] = default.into();
    }
    if let Some(unit) = &made.unit {
        shown["unit"] = unit.as_str().into();
    }
    if !made.dimensions.is_empty() {
        shown["dimensions"] = json!(made.dimensions);
    }
    shown
}

fn transformation(input: Input<'_>) -> Result<Transformation, AwsError> {
    let text = |name: &str, most: usize| {
        let text = input.required(name)?;
        let sound = text.len() <= most && (name == "metricValue" || !text.contains([':', '*', '$']));
        let refused = || input.refuse(format!("Value '{text}' at '{name}' failed to satisfy constraint"));
        sound.then(|| text.to_owned()).ok_or_else(refused)
    };
    let mut dimensions = BTreeMap::new();
    for (name, value) in input.object("dimensions")? {
        let value = value
            .as_str()
            .ok_or_else(|| input.refuse("Dimensions are strings."))?;
        dimensions.insert(name, value.to_owned());
    }
    let default = input.number("defaultValue")?;
    if default.is_some() && !dimensions.is_empty() {
        return Err(input.refuse("A default value and dimensions cannot be used together."));
    }
    Ok(Transformation {
        metric: text("metricName", 255)?,
        namespace: text("metricNamespace", 255)?,
        value: text("metricValue", 100)?,
        default,
        unit: input.text("unit")?.map(str::to_owned),
        dimensions,
    })
}

/// A pattern in braces has to end with one; what stands in it is not looked at.
fn check_pattern(pattern: &str, input: Input<'_>) -> Result<(), AwsError> {
    let braces = exact_glob("{*", pattern) == exact_glob("*}", pattern);
    if pattern.chars().count() <= 1024 && braces {
        Ok(())
    } else {
        Err(input.refuse("Invalid metric filter pattern"))
    }
}

fn put_filter(cx: &mut Context<'_>) -> Answer {
    let (group, name) = (group_name(cx)?, filter_name(cx)?);
    let pattern = cx.input.required("filterPattern")?;
    check_pattern(pattern, cx.input)?;
    let transformations = cx.input.inners("metricTransformations")?;
    let [only] = transformations.as_slice() else {
        return Err(cx.input.refuse("metricTransformations must have one member."));
    };
    let (transformation, now) = (transformation(*only)?, cx.now);
    let groups = &mut cx.here_mut().log_groups;
    let group = groups.get_mut(group).ok_or_else(|| absent("log group"))?;
    if group.filters.len() >= MOST_FILTERS && !group.filters.contains_key(name) {
        return Err(AwsError::new(
            "LimitExceededException",
            400,
            "Resource limit exceeded.",
        ));
    }
    let filter = MetricFilter {
        name: name.to_owned(),
        pattern: pattern.to_owned(),
        created: now,
        transformation,
    };
    group.filters.insert(name.to_owned(), filter);
    Ok(Value::Null)
}

fn delete_filter(cx: &mut Context<'_>) -> Answer {
    let (group, name) = (group_name(cx)?, filter_name(cx)?);
    let groups = &mut cx.here_mut().log_groups;
    let group = groups.get_mut(group).ok_or_else(|| absent("log group"))?;
    match group.filters.remove(name) {
        Some(_) => Ok(Value::Null),
        None => Err(absent("metric filter")),
    }
}
