//! CloudTrail: trails, and whether they log.

mod changes;
mod reads;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};

use crate::context::{Context, Operation, Run};
use crate::wire::error::AwsError;

/// All operations of the service.
pub(crate) static OPERATIONS: &[Operation] = &[
    Operation::reads("DescribeTrails", Run::Json(reads::describe)),
    Operation::reads("GetTrailStatus", Run::Json(reads::status)),
    Operation::reads("GetEventSelectors", Run::Json(reads::selectors)),
    Operation::writes("CreateTrail", Run::Json(changes::create)),
    Operation::writes("UpdateTrail", Run::Json(changes::update)),
    Operation::writes("DeleteTrail", Run::Json(changes::delete)),
    Operation::writes("StartLogging", Run::Json(changes::start)),
    Operation::writes("StopLogging", Run::Json(changes::stop)),
];

type Answer = Result<Value, AwsError>;

/// A trail, in the region that it belongs to.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Trail {
    pub(crate) name: String,
    pub(crate) arn: String,
    pub(crate) home: String,
    pub(crate) settings: Settings,
    pub(crate) logging: bool,
    pub(crate) started: Option<DateTime<Utc>>,
    pub(crate) stopped: Option<DateTime<Utc>>,
    pub(crate) delivered: Option<DateTime<Utc>>,
    pub(crate) delivery_error: Option<String>,
    pub(crate) log_group_error: Option<String>,
    /// Event selectors, as `GetEventSelectors` gives them.
    pub(crate) selectors: Vec<Value>,
    pub(crate) advanced_selectors: Vec<Value>,
}

/// What `CreateTrail` sets and `UpdateTrail` changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Settings {
    pub(crate) bucket: String,
    pub(crate) prefix: Option<String>,
    pub(crate) topic: Option<String>,
    pub(crate) global_events: bool,
    pub(crate) multi_region: bool,
    pub(crate) validation: bool,
    pub(crate) log_group: Option<String>,
    pub(crate) log_role: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) organization: bool,
}

/// The event selectors of a trail that nobody gave others.
pub(crate) fn usual_selectors(read_write: &str, management: bool) -> Vec<Value> {
    vec![json!({
        "ReadWriteType": read_write,
        "IncludeManagementEvents": management,
        "DataResources": [],
        "ExcludeManagementEventSources": [],
    })]
}

impl Trail {
    /// What creating, changing and describing a trail have in common.
    fn summary(&self, account: &str) -> Value {
        let Settings {
            bucket,
            prefix,
            topic,
            global_events,
            multi_region,
            validation,
            log_group,
            log_role,
            key,
            organization,
        } = &self.settings;
        let mut summary = json!({
            "Name": self.name,
            "TrailARN": self.arn,
            "S3BucketName": bucket,
            "IncludeGlobalServiceEvents": global_events,
            "IsMultiRegionTrail": multi_region,
            "LogFileValidationEnabled": validation,
            "IsOrganizationTrail": organization,
        });
        let partition = self.arn.split(':').nth(1).unwrap_or("aws");
        let topic_arn = topic.as_ref().map(|topic| {
            if topic.starts_with("arn:") {
                topic.clone()
            } else {
                format!("arn:{partition}:sns:{}:{account}:{topic}", self.home)
            }
        });
        let optional = [
            ("S3KeyPrefix", prefix),
            ("SnsTopicName", topic),
            ("SnsTopicARN", &topic_arn),
            ("CloudWatchLogsLogGroupArn", log_group),
            ("CloudWatchLogsRoleArn", log_role),
            ("KmsKeyId", key),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                summary[name] = value.as_str().into();
            }
        }
        summary
    }
}

fn error(code: &str, message: impl Into<String>) -> AwsError {
    AwsError::new(code, 400, message)
}

fn unknown(name: &str, cx: &Context<'_>) -> AwsError {
    error(
        "TrailNotFoundException",
        format!("Unknown trail: {name} for the user: {}", cx.account.id),
    )
}

/// 3 to 128 letters, digits, periods, underscores and dashes, with letters or digits at both ends.
fn check_name(name: &str) -> Result<(), AwsError> {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    let ends = |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_alphanumeric());
    let sound = (3..=128).contains(&name.len())
        && name.chars().all(allowed)
        && ends(name.chars().next())
        && ends(name.chars().last());
    if sound {
        Ok(())
    } else {
        Err(error(
            "InvalidTrailNameException",
            format!("Trail name {name} is invalid."),
        ))
    }
}

/// The trail of a name in this region, or of an ARN: then of any region, if it can be seen from here.
fn named<'a>(cx: &'a Context<'_>, name: &str) -> Result<&'a Trail, AwsError> {
    if !name.starts_with("arn:") {
        check_name(name)?;
        return cx.here().trails.get(name).ok_or_else(|| unknown(name, cx));
    }
    let parts: Vec<&str> = name.splitn(6, ':').collect();
    let &["arn", _, "cloudtrail", region, _, resource] = parts.as_slice() else {
        return Err(error(
            "CloudTrailARNInvalidException",
            format!("{name} is no ARN of a trail."),
        ));
    };
    let home = cx.account.regions.get(region);
    let trail = home.and_then(|home| home.trails.get(resource.strip_prefix("trail/")?));
    let seen =
        trail.filter(|trail| trail.arn == name && (region == cx.region || trail.settings.multi_region));
    seen.ok_or_else(|| unknown(name, cx))
}
