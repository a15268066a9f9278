//! Which call an approved change to something in a region is.

use super::super::operation;
use super::super::request::RequestError;
use crate::model::{
    AccountId, AnalyzerKind, AnalyzerSettings, Arn, MetricAlarm, MetricFilter, Partition, Region,
    RegionalChange, RegionalInverse, TrailSettings, TrailUpdate,
};

/// A mutating call in a region, with everything that it sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::aws) enum RegionalRequest {
    /// `StartLogging`.
    StartLogging(TrailName),
    /// `StopLogging`.
    StopLogging(TrailName),
    /// `UpdateTrail`: what is `None` is not sent.
    UpdateTrail(TrailName, TrailUpdate),
    /// `CreateTrail`, then `StartLogging`.
    CreateTrail(Box<TrailSettings>),
    /// `DeleteTrail`.
    DeleteTrail(TrailName),
    /// `PutMetricFilter`.
    PutMetricFilter(GroupName, MetricFilter),
    /// `DeleteMetricFilter`.
    DeleteMetricFilter(GroupName, String),
    /// `PutMetricAlarm`.
    PutMetricAlarm(Region, MetricAlarm),
    /// `DeleteAlarms`.
    DeleteMetricAlarm(Region, String),
    /// `CreateAnalyzer`.
    CreateAnalyzer(Region, AnalyzerSettings),
    /// `DeleteAnalyzer`, by its name.
    DeleteAnalyzer(Region, String),
    /// `AssociateIamInstanceProfile`.
    AssociateInstanceProfile(InstanceId, Arn),
    /// `DisassociateIamInstanceProfile`, of the association that is found then, if it is with this profile.
    DisassociateInstanceProfile(InstanceId, Arn),
}

/// An instance of this account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::aws) struct InstanceId {
    pub(super) region: Region,
    pub(super) arn: Arn,
}

/// A log group of this account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::aws) struct GroupName {
    pub(super) region: Region,
    pub(super) name: String,
}

/// A trail of this account, by its name at home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::aws) struct TrailName {
    pub(super) home: Region,
    pub(super) name: String,
}

/// Where the session is: nothing is sent about anything of elsewhere.
#[derive(Debug, Clone, Copy)]
pub(in crate::aws) struct Home<'a> {
    pub(in crate::aws) account: &'a AccountId,
    pub(in crate::aws) partition: &'a Partition,
}

impl RegionalRequest {
    /// The call that makes this change to this resource.
    pub(in crate::aws) fn of_change(
        change: &RegionalChange,
        resource: &Arn,
        home: Home<'_>,
    ) -> Result<Self, RequestError> {
        Ok(match change {
            RegionalChange::StartLogging {} => Self::StartLogging(trail_of(resource, home)?),
            RegionalChange::UpdateTrail(update) => {
                Self::UpdateTrail(trail_of(resource, home)?, something(update, resource)?)
            }
            RegionalChange::CreateTrail(settings) => {
                account_itself(resource, home)?;
                described_trail(settings, home)?;
                Self::CreateTrail(Box::new(settings.clone()))
            }
            RegionalChange::PutMetricFilter(filter) => {
                Self::PutMetricFilter(group_of(resource, home)?, filter.clone())
            }
            RegionalChange::PutMetricAlarm(alarm) => {
                Self::PutMetricAlarm(group_of(resource, home)?.region, on_one_metric(alarm, resource)?)
            }
            RegionalChange::CreateAnalyzer(settings) => {
                account_itself(resource, home)?;
                Self::CreateAnalyzer(described_analyzer(settings, home)?, settings.clone())
            }
            RegionalChange::AssociateInstanceProfile { profile_arn } => {
                Self::AssociateInstanceProfile(instance_of(resource, home)?, profile_of(profile_arn, home)?)
            }
        })
    }

    /// The call that undoes a change to this resource.
    pub(in crate::aws) fn of_inverse(
        inverse: &RegionalInverse,
        resource: &Arn,
        home: Home<'_>,
    ) -> Result<Self, RequestError> {
        Ok(match inverse {
            RegionalInverse::StopLogging {} => Self::StopLogging(trail_of(resource, home)?),
            RegionalInverse::RestoreTrail(update) => {
                Self::UpdateTrail(trail_of(resource, home)?, something(update, resource)?)
            }
            RegionalInverse::DeleteTrail(settings) => {
                account_itself(resource, home)?;
                Self::DeleteTrail(described_trail(settings, home)?)
            }
            RegionalInverse::DeleteMetricFilter { filter_name } => {
                Self::DeleteMetricFilter(group_of(resource, home)?, filter_name.clone())
            }
            RegionalInverse::DeleteMetricAlarm { alarm_name } => {
                Self::DeleteMetricAlarm(group_of(resource, home)?.region, alarm_name.clone())
            }
            RegionalInverse::DeleteAnalyzer(settings) => {
                account_itself(resource, home)?;
                Self::DeleteAnalyzer(described_analyzer(settings, home)?, settings.name.clone())
            }
            RegionalInverse::DisassociateInstanceProfile { profile_arn } => {
                Self::DisassociateInstanceProfile(
                    instance_of(resource, home)?,
                    profile_of(profile_arn, home)?,
                )
            }
        })
    }

    /// The operation's name as an IAM action.
    pub(in crate::aws) fn operation(&self) -> &'static str {
        match self {
            Self::StartLogging(_) => operation::START_LOGGING,
            Self::StopLogging(_) => operation::STOP_LOGGING,
            Self::UpdateTrail(..) => operation::UPDATE_TRAIL,
            Self::CreateTrail(_) => operation::CREATE_TRAIL,
            Self::DeleteTrail(_) => operation::DELETE_TRAIL,
            Self::PutMetricFilter(..) => operation::PUT_METRIC_FILTER,
            Self::DeleteMetricFilter(..) => operation::DELETE_METRIC_FILTER,
            Self::PutMetricAlarm(..) => operation::PUT_METRIC_ALARM,
            Self::DeleteMetricAlarm(..) => operation::DELETE_ALARMS,
            Self::CreateAnalyzer(..) => operation::CREATE_ANALYZER,
            Self::DeleteAnalyzer(..) => operation::DELETE_ANALYZER,
            Self::AssociateInstanceProfile(..) => operation::ASSOCIATE_IAM_INSTANCE_PROFILE,
            Self::DisassociateInstanceProfile(..) => operation::DISASSOCIATE_IAM_INSTANCE_PROFILE,
        }
    }
}

/// The resource's region, if it is a thing of this service in this account and partition.
fn region_of(
    resource: &Arn,
    service: &str,
    home: Home<'_>,
    expected: &'static str,
) -> Result<Region, RequestError> {
    if resource.account() != home.account.as_str() {
        return Err(RequestError::WrongAccount {
            what: "resource",
            found: resource.account().to_owned(),
            session: home.account.clone(),
        });
    }
    let fits = resource.service() == service && resource.partition() == *home.partition;
    let region = Region::parse(resource.region()).ok().filter(|_| fits);
    region.ok_or_else(|| wrong(resource, expected))
}

fn wrong(resource: &Arn, expected: &'static str) -> RequestError {
    RequestError::WrongResource {
        resource: resource.clone(),
        expected,
    }
}

fn trail_of(resource: &Arn, home: Home<'_>) -> Result<TrailName, RequestError> {
    const EXPECTED: &str = "trail of this partition";
    let region = region_of(resource, "cloudtrail", home, EXPECTED)?;
    let name = resource
        .resource()
        .strip_prefix("trail/")
        .filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| wrong(resource, EXPECTED))?;
    Ok(TrailName {
        home: region,
        name: name.to_owned(),
    })
}

fn group_of(resource: &Arn, home: Home<'_>) -> Result<GroupName, RequestError> {
    const EXPECTED: &str = "log group of this partition";
    let region = region_of(resource, "logs", home, EXPECTED)?;
    let name = resource
        .resource()
        .strip_prefix("log-group:")
        .filter(|name| !name.is_empty());
    let name = name
        .filter(|name| !name.ends_with(":*"))
        .ok_or_else(|| wrong(resource, EXPECTED))?;
    Ok(GroupName {
        region,
        name: name.to_owned(),
    })
}

fn instance_of(resource: &Arn, home: Home<'_>) -> Result<InstanceId, RequestError> {
    const EXPECTED: &str = "instance of this partition";
    let region = region_of(resource, "ec2", home, EXPECTED)?;
    let id = resource.resource().strip_prefix("instance/i-");
    let plain = |id: &&str| !id.is_empty() && id.bytes().all(|b| b.is_ascii_hexdigit());
    id.filter(plain).ok_or_else(|| wrong(resource, EXPECTED))?;
    Ok(InstanceId {
        region,
        arn: resource.clone(),
    })
}

/// The profile, if it is an instance profile of this account: nothing of elsewhere is handed to an instance.
fn profile_of(profile: &Arn, home: Home<'_>) -> Result<Arn, RequestError> {
    if profile.account() != home.account.as_str() {
        return Err(RequestError::WrongAccount {
            what: "instance profile",
            found: profile.account().to_owned(),
            session: home.account.clone(),
        });
    }
    let fits = profile.service() == "iam" && profile.partition() == *home.partition;
    match fits && profile.resource().starts_with("instance-profile/") && !profile.name().is_empty() {
        true => Ok(profile.clone()),
        false => Err(wrong(profile, "instance profile of this partition")),
    }
}

/// The alarm, if it is of the kind that is made here.
fn on_one_metric(alarm: &MetricAlarm, resource: &Arn) -> Result<MetricAlarm, RequestError> {
    let whole = alarm.metrics.len() == 1 && alarm.statistic.is_some() && alarm.period.is_some();
    match whole && !alarm.actions.is_empty() {
        true => Ok(alarm.clone()),
        false => Err(wrong(
            resource,
            "log group with an alarm on one metric that tells somebody",
        )),
    }
}

/// The trail that the settings describe, if they agree with their own ARN.
fn described_trail(settings: &TrailSettings, home: Home<'_>) -> Result<TrailName, RequestError> {
    let trail = trail_of(&settings.arn, home)?;
    if trail.name == settings.name && trail.home == settings.home_region {
        return Ok(trail);
    }
    Err(wrong(
        &settings.arn,
        "trail of the name and home that it should have",
    ))
}

/// The region of the analyzer that the settings describe, if they agree with their own ARN and it is of the kind that is
/// made here.
fn described_analyzer(settings: &AnalyzerSettings, home: Home<'_>) -> Result<Region, RequestError> {
    const EXPECTED: &str = "analyzer of this account of the name that it should have";
    let AnalyzerSettings { arn, name, kind } = settings;
    let region = region_of(arn, "access-analyzer", home, EXPECTED)?;
    let named = arn.resource().strip_prefix("analyzer/") == Some(name);
    match named && *kind == AnalyzerKind::Account && is_plain(name) {
        true => Ok(region),
        false => Err(wrong(arn, EXPECTED)),
    }
}

/// Whether it can stand in a path as it is, and is a name: without one, another call would be made.
fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(plain)
}

/// The update, if it sets anything at all.
fn something(update: &TrailUpdate, resource: &Arn) -> Result<TrailUpdate, RequestError> {
    if update.is_empty() {
        return Err(wrong(resource, "trail with anything to set"));
    }
    Ok(update.clone())
}

fn account_itself(resource: &Arn, home: Home<'_>) -> Result<(), RequestError> {
    if *resource == Arn::iam(home.partition, home.account, "root") {
        return Ok(());
    }
    Err(wrong(resource, "account (its resource is `root`)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arn(text: &str) -> Arn {
        Arn::parse(text).unwrap()
    }

    fn at_home<T>(test: impl FnOnce(Home<'_>) -> T) -> T {
        let (account, partition) = (AccountId::parse("123456789012").unwrap(), Partition::new("aws"));
        test(Home {
            account: &account,
            partition: &partition,
        })
    }

    fn settings() -> TrailSettings {
        TrailSettings {
            arn: arn("arn:aws:cloudtrail:eu-central-1:123456789012:trail/audit"),
            name: "audit".to_owned(),
            home_region: Region::parse("eu-central-1").unwrap(),
            bucket: "logs".to_owned(),
            key_prefix: None,
            multi_region: true,
            organization: false,
            global_service_events: true,
            log_file_validation: true,
            log_group: None,
            kms_key: None,
        }
    }

    #[test]
    fn a_trail_is_changed_at_its_home_under_its_name() {
        let request = at_home(|home| {
            RegionalRequest::of_change(&RegionalChange::StartLogging {}, &settings().arn, home)
        });
        let expected = RegionalRequest::StartLogging(TrailName {
            home: Region::parse("eu-central-1").unwrap(),
            name: "audit".to_owned(),
        });
        assert_eq!(request, Ok(expected));
    }

    #[test]
    fn what_is_of_elsewhere_is_refused() {
        for wrong in [
            "arn:aws:cloudtrail:eu-central-1:210987654321:trail/audit",
            "arn:aws-cn:cloudtrail:cn-north-1:123456789012:trail/audit",
            "arn:aws:cloudtrail::123456789012:trail/audit",
            "arn:aws:cloudtrail:eu-central-1:123456789012:trail/",
            "arn:aws:cloudtrail:eu-central-1:123456789012:channel/audit",
            "arn:aws:s3:eu-central-1:123456789012:trail/audit",
            "arn:aws:iam::123456789012:root",
        ] {
            for change in [
                RegionalChange::StartLogging {},
                RegionalChange::UpdateTrail(TrailUpdate {
                    log_file_validation: Some(true),
                    ..TrailUpdate::default()
                }),
                RegionalChange::CreateTrail(TrailSettings {
                    arn: arn(wrong),
                    ..settings()
                }),
            ] {
                let refused = at_home(|home| RegionalRequest::of_change(&change, &arn(wrong), home));
                assert!(refused.is_err(), "{wrong} {change:?}");
            }
        }
    }

    #[test]
    fn a_trail_is_made_only_as_its_own_arn_says() {
        let root = arn("arn:aws:iam::123456789012:root");
        let made = |settings| {
            at_home(|home| RegionalRequest::of_change(&RegionalChange::CreateTrail(settings), &root, home))
                .is_ok()
        };
        assert!(made(settings()));
        assert!(!made(TrailSettings {
            name: "other".to_owned(),
            ..settings()
        }));
        assert!(!made(TrailSettings {
            home_region: Region::parse("us-east-1").unwrap(),
            ..settings()
        }));
    }

    #[test]
    fn an_analyzer_is_made_and_deleted_only_as_its_own_arn_says() {
        let root = arn("arn:aws:iam::123456789012:root");
        let settings = |text: &str, name: &str| AnalyzerSettings {
            arn: arn(text),
            name: name.to_owned(),
            kind: AnalyzerKind::Account,
        };
        let allowed = |settings: AnalyzerSettings, resource: &Arn| {
            at_home(|home| {
                let made = RegionalChange::CreateAnalyzer(settings.clone());
                let made = RegionalRequest::of_change(&made, resource, home).is_ok();
                let undone = RegionalInverse::DeleteAnalyzer(settings);
                let undone = RegionalRequest::of_inverse(&undone, resource, home).is_ok();
                assert_eq!(made, undone);
                made
            })
        };
        let right = "arn:aws:access-analyzer:eu-central-1:123456789012:analyzer/iamwarden";
        assert!(allowed(settings(right, "iamwarden"), &root));
        assert!(!allowed(settings(right, "other"), &root));
        assert!(!allowed(settings(right, "iamwarden"), &arn(right)));
        let organization = AnalyzerSettings {
            kind: AnalyzerKind::Organization,
            ..settings(right, "iamwarden")
        };
        assert!(!allowed(organization, &root));
        for (wrong, name) in [
            (
                "arn:aws:access-analyzer:eu-central-1:210987654321:analyzer/iamwarden",
                "iamwarden",
            ),
            (
                "arn:aws-cn:access-analyzer:cn-north-1:123456789012:analyzer/iamwarden",
                "iamwarden",
            ),
            (
                "arn:aws:access-analyzer::123456789012:analyzer/iamwarden",
                "iamwarden",
            ),
            (
                "arn:aws:cloudtrail:eu-central-1:123456789012:analyzer/iamwarden",
                "iamwarden",
            ),
            ("arn:aws:access-analyzer:eu-central-1:123456789012:analyzer/", ""),
            (
                "arn:aws:access-analyzer:eu-central-1:123456789012:analyzer/a/archive-rule/b",
                "a/archive-rule/b",
            ),
        ] {
            assert!(!allowed(settings(wrong, name), &root), "{wrong}");
        }
    }

    #[test]
    fn a_profile_of_this_account_is_given_to_an_instance_of_this_account_alone() {
        let (profile, instance) = (
            "arn:aws:iam::123456789012:instance-profile/ops/baseline",
            "arn:aws:ec2:eu-central-1:123456789012:instance/i-0123456789abcdef0",
        );
        let request = |instance: &str, profile: &str| {
            let change = RegionalChange::AssociateInstanceProfile {
                profile_arn: arn(profile),
            };
            let inverse = RegionalInverse::DisassociateInstanceProfile {
                profile_arn: arn(profile),
            };
            at_home(|home| {
                let undone = RegionalRequest::of_inverse(&inverse, &arn(instance), home);
                RegionalRequest::of_change(&change, &arn(instance), home).and_then(|made| Ok((made, undone?)))
            })
        };
        let (made, undone) = request(instance, profile).unwrap();
        assert_eq!(
            (made.operation(), undone.operation()),
            (
                "ec2:AssociateIamInstanceProfile",
                "ec2:DisassociateIamInstanceProfile"
            )
        );
        for wrong in [
            "arn:aws:ec2:eu-central-1:210987654321:instance/i-0123456789abcdef0",
            "arn:aws-cn:ec2:cn-north-1:123456789012:instance/i-0123456789abcdef0",
            "arn:aws:ec2::123456789012:instance/i-0123456789abcdef0",
            "arn:aws:ec2:eu-central-1:123456789012:instance/",
            "arn:aws:ec2:eu-central-1:123456789012:instance/i-",
            "arn:aws:ec2:eu-central-1:123456789012:instance/i-0&Name=x",
            "arn:aws:ec2:eu-central-1:123456789012:volume/i-0123456789abcdef0",
            "arn:aws:iam::123456789012:root",
        ] {
            assert!(request(wrong, profile).is_err(), "{wrong}");
        }
        for wrong in [
            "arn:aws:iam::210987654321:instance-profile/baseline",
            "arn:aws-cn:iam::123456789012:instance-profile/baseline",
            "arn:aws:iam::123456789012:role/baseline",
            "arn:aws:iam::123456789012:instance-profile/",
        ] {
            assert!(request(instance, wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_update_of_nothing_is_none() {
        let change = RegionalChange::UpdateTrail(TrailUpdate::default());
        assert!(at_home(|home| RegionalRequest::of_change(&change, &settings().arn, home)).is_err());
    }
}
