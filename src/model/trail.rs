//! A trail of CloudTrail, as far as it is judged and changed.

use serde::{Deserialize, Serialize};

use super::{Arn, Region};

/// How a trail is set up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrailSettings {
    /// Its ARN, in its home region.
    pub arn: Arn,
    /// Its name.
    pub name: String,
    /// Where it was made, and can be changed.
    pub home_region: Region,
    /// The bucket that its logs go to.
    pub bucket: String,
    /// The prefix of their keys.
    pub key_prefix: Option<String>,
    /// Whether it logs the events of all regions.
    pub multi_region: bool,
    /// Whether it is the trail of an organization.
    pub organization: bool,
    /// Whether it logs the events of services without a region, such as IAM.
    pub global_service_events: bool,
    /// Whether its logs are signed, so that a change to them shows.
    pub log_file_validation: bool,
    /// Where else its events go.
    pub log_group: Option<LogDestination>,
    /// The key that its logs are encrypted with; `None`: the bucket's own way.
    pub kms_key: Option<String>,
}

/// A log group of CloudWatch, and the role by which CloudTrail writes to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogDestination {
    /// The log group's ARN, as the trail has it: it ends with `:*`.
    pub group: Arn,
    /// The role.
    pub role: Arn,
}

impl LogDestination {
    /// The log group's ARN without the `:*` that trails have at its end.
    pub fn group_alone(&self) -> Option<Arn> {
        let text = self.group.as_str();
        Arn::parse(text.strip_suffix(":*").unwrap_or(text)).ok()
    }
}

/// What is to be set of a trail. What is `None` is left alone.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrailUpdate {
    /// Whether it logs the events of all regions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub multi_region: Option<bool>,
    /// Whether it logs the events of services without a region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub global_service_events: Option<bool>,
    /// Whether its logs are signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_file_validation: Option<bool>,
    /// Where else its events go; `Some(None)`: nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "super::some_null")]
    pub log_group: Option<Option<LogDestination>>,
}

impl TrailUpdate {
    /// Whether it sets nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The settings with what is to be set.
    pub fn applied_to(&self, before: &TrailSettings) -> TrailSettings {
        let Self {
            multi_region,
            global_service_events,
            log_file_validation,
            log_group,
        } = self;
        TrailSettings {
            multi_region: multi_region.unwrap_or(before.multi_region),
            global_service_events: global_service_events.unwrap_or(before.global_service_events),
            log_file_validation: log_file_validation.unwrap_or(before.log_file_validation),
            log_group: log_group.clone().unwrap_or_else(|| before.log_group.clone()),
            ..before.clone()
        }
    }

    /// The old values of what it sets, and of nothing else.
    pub fn reversed(&self, before: &TrailSettings) -> Self {
        let Self {
            multi_region,
            global_service_events,
            log_file_validation,
            log_group,
        } = self;
        Self {
            multi_region: multi_region.map(|_| before.multi_region),
            global_service_events: global_service_events.map(|_| before.global_service_events),
            log_file_validation: log_file_validation.map(|_| before.log_file_validation),
            log_group: log_group.as_ref().map(|_| before.log_group.clone()),
        }
    }

    /// What it sets, by name, in words.
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        let Self {
            multi_region,
            global_service_events,
            log_file_validation,
            log_group,
        } = self;
        let flag = |name, value: Option<bool>| value.map(|value| (name, value.to_string()));
        let group = |group: &Option<LogDestination>| match group {
            Some(destination) => log_group_name(&destination.group).to_owned(),
            None => "none".to_owned(),
        };
        let fields = [
            flag("multi_region", *multi_region),
            flag("global_service_events", *global_service_events),
            flag("log_file_validation", *log_file_validation),
            log_group.as_ref().map(|setting| ("log_group", group(setting))),
        ];
        fields.into_iter().flatten().collect()
    }
}

/// The name in the ARN of a log group, with or without the `:*` at its end.
pub fn log_group_name(group: &Arn) -> &str {
    let resource = group.resource();
    let name = resource.strip_prefix("log-group:").unwrap_or(resource);
    name.strip_suffix(":*").unwrap_or(name)
}
