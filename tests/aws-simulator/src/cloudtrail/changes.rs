//! Making, changing and deleting trails.

use serde_json::Value;

use super::{Answer, Settings, Trail, check_name, error, named, unknown, usual_selectors};
use crate::account::Account;
use crate::context::Context;
use crate::wire::error::AwsError;
use crate::wire::input::Input;

/// Trails of a region, those of other regions that are seen in it included.
const MOST: usize = 5;

pub(super) fn create(cx: &mut Context<'_>) -> Answer {
    let name = cx.input.required("Name")?;
    check_name(name)?;
    let settings = Settings {
        bucket: cx.input.required("S3BucketName")?.to_owned(),
        prefix: None,
        topic: None,
        global_events: true,
        multi_region: false,
        validation: false,
        log_group: None,
        log_role: None,
        key: None,
        organization: false,
    };
    let settings = changed(settings, cx.input)?;
    check(&settings, None, cx)?;
    let all = || {
        cx.account
            .regions
            .values()
            .flat_map(|region| region.trails.values())
    };
    let seen = |trail: &&Trail| trail.home == cx.region || trail.settings.multi_region;
    if all().filter(seen).any(|trail| trail.name == name) {
        let message = format!("Trail {name} already exists for customer: {}", cx.account.id);
        return Err(error("TrailAlreadyExistsException", message));
    }
    if all().filter(seen).count() >= MOST {
        let message = format!(
            "User: {} already has {MOST} trails in {}.",
            cx.account.id, cx.region
        );
        return Err(error("MaximumNumberOfTrailsExceededException", message));
    }
    let trail = Trail {
        name: name.to_owned(),
        arn: cx.arn("cloudtrail", &format!("trail/{name}")),
        home: cx.region.to_owned(),
        settings,
        logging: false,
        started: None,
        stopped: None,
        delivered: None,
        delivery_error: None,
        log_group_error: None,
        selectors: usual_selectors("All", true),
        advanced_selectors: Vec::new(),
    };
    let answer = trail.summary(&cx.account.id);
    cx.here_mut().trails.insert(name.to_owned(), trail);
    Ok(answer)
}

/// The settings with what a request gives; what it leaves out stays as it is.
fn changed(before: Settings, input: Input<'_>) -> Result<Settings, AwsError> {
    let text = |name: &str, before: Option<String>| -> Result<Option<String>, AwsError> {
        Ok(match input.text(name)? {
            Some("") => None,
            Some(given) => Some(given.to_owned()),
            None => before,
        })
    };
    Ok(Settings {
        bucket: text("S3BucketName", Some(before.bucket.clone()))?.unwrap_or(before.bucket),
        prefix: text("S3KeyPrefix", before.prefix)?,
        topic: text("SnsTopicName", before.topic)?,
        global_events: input
            .boolean("IncludeGlobalServiceEvents")?
            .unwrap_or(before.global_events),
        multi_region: input
            .boolean("IsMultiRegionTrail")?
            .unwrap_or(before.multi_region),
        validation: input
            .boolean("EnableLogFileValidation")?
            .unwrap_or(before.validation),
        log_group: text("CloudWatchLogsLogGroupArn", before.log_group)?,
        log_role: text("CloudWatchLogsRoleArn", before.log_role)?,
        key: text("KmsKeyId", before.key)?,
        organization: input
            .boolean("IsOrganizationTrail")?
            .unwrap_or(before.organization),
    })
}

/// Whether the settings go together, and what they name is there, as far as it was not named before.
fn check(settings: &Settings, before: Option<&Settings>, cx: &Context<'_>) -> Result<(), AwsError> {
    let Account { buckets, .. } = &*cx.account;
    let is_new = before.is_none_or(|before| before.bucket != settings.bucket);
    if is_new && !buckets.contains_key(&settings.bucket) {
        let message = format!("S3 bucket {} does not exist!", settings.bucket);
        return Err(error("S3BucketDoesNotExistException", message));
    }
    if settings.multi_region && !settings.global_events {
        let message = "Multi-Region trail must include global service events.";
        return Err(error("InvalidParameterCombinationException", message));
    }
    if settings.organization && before.is_none_or(|before| !before.organization) {
        let message = "The account is not the management account of an organization.";
        return Err(error("NotOrganizationMasterAccountException", message));
    }
    let Some(group) = &settings.log_group else {
        return Ok(());
    };
    let arn = |name: &String| cx.arn("logs", &format!("log-group:{name}:*"));
    let is_new = before.is_none_or(|before| before.log_group.as_ref() != Some(group));
    if is_new && !cx.here().log_groups.keys().any(|name| arn(name) == *group) {
        let message = "Access denied. Verify in IAM that the role has adequate permissions, and that the log group exists.";
        return Err(error("InvalidCloudWatchLogsLogGroupArnException", message));
    }
    if settings.log_role.is_none() {
        let message = "You must specify a role ARN as well as a log group.";
        return Err(error("InvalidCloudWatchLogsRoleArnException", message));
    }
    Ok(())
}

/// The trail that a request changes, which can be done in its home region only.
fn to_change<'a>(cx: &'a mut Context<'_>) -> Result<&'a mut Trail, AwsError> {
    let name = cx.input.required("Name")?;
    let found = named(cx, name).map(|trail| (trail.home.clone(), trail.name.clone()));
    let (home, key) = found.or_else(|problem| {
        // A trail of another region may be seen here by its name, which is not enough to change it.
        let shadow = |trail: &&Trail| trail.name == name && trail.settings.multi_region;
        let mut all = cx
            .account
            .regions
            .values()
            .flat_map(|region| region.trails.values());
        let shadow = all
            .find(shadow)
            .map(|trail| (trail.home.clone(), trail.name.clone()));
        shadow.ok_or(problem)
    })?;
    if home != cx.region {
        let message = format!("Trail {name} can only be changed in its home region {home}.");
        return Err(error("InvalidHomeRegionException", message));
    }
    let gone = unknown(name, cx);
    cx.here_mut().trails.get_mut(&key).ok_or(gone)
}

pub(super) fn update(cx: &mut Context<'_>) -> Answer {
    let input = cx.input;
    let before = to_change(cx)?.settings.clone();
    let settings = changed(before.clone(), input)?;
    check(&settings, Some(&before), cx)?;
    let account = cx.account.id.clone();
    let trail = to_change(cx)?;
    trail.settings = settings;
    Ok(trail.summary(&account))
}

pub(super) fn delete(cx: &mut Context<'_>) -> Answer {
    let name = to_change(cx)?.name.clone();
    cx.here_mut().trails.remove(&name);
    Ok(Value::Null)
}

pub(super) fn start(cx: &mut Context<'_>) -> Answer {
    let now = cx.now;
    let trail = to_change(cx)?;
    if !trail.logging {
        trail.logging = true;
        trail.started = Some(now);
    }
    Ok(Value::Null)
}

pub(super) fn stop(cx: &mut Context<'_>) -> Answer {
    let now = cx.now;
    let trail = to_change(cx)?;
    if trail.logging {
        trail.logging = false;
        trail.stopped = Some(now);
    }
    Ok(Value::Null)
}
