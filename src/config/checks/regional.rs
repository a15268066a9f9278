//! What must hold of `[regions]` and of the rules that look into regions.

use std::collections::BTreeSet;

use super::{Tell, quoted};
use crate::config::Config;
use crate::model::Arn;

pub(super) fn check_regions(config: &Config, tell: &mut Tell<'_>) {
    let mut seen = BTreeSet::new();
    for (n, region) in config.regions.include.iter().enumerate() {
        if !seen.insert(region) {
            tell(
                format!("regions.include[{n}]"),
                format!("{} is named twice: expected each once", quoted(region.as_str())),
            );
        }
    }
}

pub(super) fn check_cloudtrail(config: &Config, tell: &mut Tell<'_>) {
    let rule = &config.rules.cloudtrail;
    let mut refuse = |key: &str, why: String| tell(format!("rules.cloudtrail.{key}"), why);
    if !is_trail_name(&rule.trail_name) {
        let why = "is not a name of a trail: expected 3 to 128 letters, digits, `.`, `_` and `-`, a letter or digit first and last";
        refuse("trail_name", format!("{} {why}", quoted(&rule.trail_name)));
    }
    if let Some(bucket) = rule.bucket.as_deref().filter(|bucket| !is_bucket_name(bucket)) {
        let why = "is not the name of a bucket: expected 3 to 63 small letters, digits, `.` and `-`";
        refuse("bucket", format!("{} {why}", quoted(bucket)));
    }
    let needs_both =
        "CloudTrail writes to a log group by a role: name both `log_group` and `log_role`, or neither";
    match (&rule.log_group, &rule.log_role) {
        (Some(_), None) => refuse("log_group", needs_both.to_owned()),
        (None, Some(_)) => refuse("log_role", needs_both.to_owned()),
        (Some(group), Some(role)) => {
            if !is_log_group_name(group) {
                let why = "is not the name of a log group: expected up to 512 letters, digits, `.`, `_`, `-`, `/` and `#`, no ARN";
                refuse("log_group", format!("{} {why}", quoted(group)));
            }
            if !is_role_path(role) {
                let why = "is not the name of a role (its path before it, if it has one), no ARN";
                refuse("log_role", format!("{} {why}", quoted(role)));
            }
        }
        (None, None) => {}
    }
}

pub(super) fn check_iam_alarms(config: &Config, tell: &mut Tell<'_>) {
    let rule = &config.rules.iam_alarms;
    let built_in: BTreeSet<String> = rule
        .events
        .iter()
        .map(|event| event.as_str().to_owned())
        .collect();
    if built_in.len() < rule.events.len() {
        let why = "an event is named twice: expected each once".to_owned();
        tell("rules.iam_alarms.events".into(), why);
    }
    let mut seen = built_in;
    for (n, own) in rule.patterns.iter().enumerate() {
        let key = |name: &str| format!("rules.iam_alarms.patterns[{n}].{name}");
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
        if !(1..=200).contains(&own.name.len()) || !own.name.bytes().all(allowed) {
            let why = "is not a name: expected up to 200 letters, digits, `_`, `-` and `.`";
            tell(key("name"), format!("{} {why}", quoted(&own.name)));
        } else if !seen.insert(own.name.clone()) {
            let why = "is the name of another event: expected one of its own";
            tell(key("name"), format!("{} {why}", quoted(&own.name)));
        }
        let text = own.pattern.trim();
        if !(text.starts_with('{') && text.ends_with('}')) || text.len() > 1024 {
            let why = "is not a pattern over fields of events: expected `{ … }` of at most 1024 characters, such as `{ $.eventName = CreateUser }`";
            tell(key("pattern"), format!("{} {why}", quoted(text)));
        }
    }
    let is_topic = |topic: &str| {
        let name = topic.rsplit(':').next().unwrap_or_default();
        let plain = name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
        let arn = Arn::parse(topic).is_ok_and(|arn| arn.service() == "sns" && !arn.region().is_empty());
        !name.is_empty() && plain && (arn || !topic.contains(':'))
    };
    if let Some(topic) = rule.topic.as_deref().filter(|topic| !is_topic(topic)) {
        let why = "is neither the name nor the ARN of an SNS topic (letters, digits, `_` and `-`)";
        tell(
            "rules.iam_alarms.topic".into(),
            format!("{} {why}", quoted(topic)),
        );
    }
}

pub(super) fn check_access_analyzer(config: &Config, tell: &mut Tell<'_>) {
    let name = &config.rules.access_analyzer.analyzer_name;
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic());
    if !begins || name.len() > 255 || !name.chars().all(allowed) {
        let why = "is not a name of an analyzer: expected up to 255 letters, digits, `.`, `_` and `-`, a letter first";
        tell(
            "rules.access_analyzer.analyzer_name".into(),
            format!("{} {why}", quoted(name)),
        );
    }
}

pub(super) fn check_instance_roles(config: &Config, tell: &mut Tell<'_>) {
    let rule = &config.rules.instance_roles;
    let mut refuse = |key: &str, why: String| tell(format!("rules.instance_roles.{key}"), why);
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b);
    let is_name = |name: &str| (1..=128).contains(&name.len()) && name.bytes().all(allowed);
    if let Some(profile) = rule.default_profile.as_deref().filter(|name| !is_name(name)) {
        let why = "is not the name of an instance profile: expected up to 128 letters, digits and `_+=,.@-`, no path, no ARN";
        refuse("default_profile", format!("{} {why}", quoted(profile)));
    }
    if let Some(role) = rule.default_role.as_deref() {
        if !is_role_path(role) {
            let why = "is not the name of a role (its path before it, if it has one), no ARN";
            refuse("default_role", format!("{} {why}", quoted(role)));
        } else if rule.default_profile.is_none() {
            let why = "is the role of no profile: name the profile that holds it as `default_profile`";
            refuse("default_role", format!("{} {why}", quoted(role)));
        }
    }
}

fn is_trail_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric();
    let ends = name.bytes().next().is_some_and(plain) && name.bytes().next_back().is_some_and(plain);
    (3..=128).contains(&name.len())
        && ends
        && name.bytes().all(|b| plain(b) || matches!(b, b'.' | b'_' | b'-'))
}

fn is_bucket_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-');
    (3..=63).contains(&name.len()) && name.bytes().all(allowed)
}

fn is_log_group_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'/' | b'#');
    (1..=512).contains(&name.len()) && name.bytes().all(allowed)
}

fn is_role_path(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_+=,.@-/".contains(&b);
    !name.starts_with('/') && !name.ends_with('/') && name.bytes().all(allowed)
}
