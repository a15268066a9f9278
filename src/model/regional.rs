//! Changes to what lives in regions: trails, metric filters, alarms, analyzers, instances. Each with its inverse and what
//! must hold right before.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{AnalyzerSettings, Arn, ChangeKind, MetricAlarm, MetricFilter, TrailSettings, TrailUpdate};

/// A change to something in a region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "parameters", rename_all = "snake_case")]
pub enum RegionalChange {
    /// Lets the trail log again.
    StartLogging {},
    /// Changes some settings of the trail, and leaves all others alone.
    UpdateTrail(TrailUpdate),
    /// Makes a trail and lets it log. The resource is the account.
    CreateTrail(TrailSettings),
    /// Makes a metric filter on the log group.
    PutMetricFilter(MetricFilter),
    /// Makes an alarm on a metric that the log group feeds.
    PutMetricAlarm(MetricAlarm),
    /// Makes an analyzer of Access Analyzer. The resource is the account.
    CreateAnalyzer(AnalyzerSettings),
    /// Gives the instance, which has none, an instance profile.
    AssociateInstanceProfile {
        /// The profile.
        profile_arn: Arn,
    },
}

impl RegionalChange {
    /// Its stable name.
    pub fn kind(&self) -> ChangeKind {
        match self {
            Self::StartLogging {} => ChangeKind::StartLogging,
            Self::UpdateTrail(_) => ChangeKind::UpdateTrail,
            Self::CreateTrail(_) => ChangeKind::CreateTrail,
            Self::PutMetricFilter(_) => ChangeKind::PutMetricFilter,
            Self::PutMetricAlarm(_) => ChangeKind::PutMetricAlarm,
            Self::CreateAnalyzer(_) => ChangeKind::CreateAnalyzer,
            Self::AssociateInstanceProfile { .. } => ChangeKind::AssociateInstanceProfile,
        }
    }

    /// The `parameters` of the plan document.
    pub fn parameters(&self) -> Value {
        match self {
            Self::StartLogging {} => json!({}),
            Self::UpdateTrail(update) => json!(update),
            Self::CreateTrail(settings) => json!(settings),
            Self::PutMetricFilter(filter) => json!(filter),
            Self::PutMetricAlarm(alarm) => json!(alarm),
            Self::CreateAnalyzer(settings) => json!(settings),
            Self::AssociateInstanceProfile { profile_arn } => json!({"profile_arn": profile_arn}),
        }
    }

    /// Whether a repeated call does what the first did.
    pub fn is_repeatable(&self) -> bool {
        match self {
            Self::StartLogging {} | Self::UpdateTrail(_) => true,
            // Only ever made where there is none of the name, and the same twice.
            Self::PutMetricFilter(_) | Self::PutMetricAlarm(_) => true,
            // AWS refuses the second while the first stands.
            Self::AssociateInstanceProfile { .. } => true,
            Self::CreateTrail(_) | Self::CreateAnalyzer(_) => false,
        }
    }

    /// What distinguishes two changes of one kind on one resource.
    pub fn subject(&self) -> String {
        match self {
            Self::StartLogging {} => "logging".to_owned(),
            Self::UpdateTrail(_) => "settings".to_owned(),
            Self::CreateTrail(settings) => settings.arn.to_string(),
            Self::PutMetricFilter(filter) => format!("filter/{}", filter.name),
            Self::PutMetricAlarm(alarm) => format!("alarm/{}", alarm.name),
            Self::CreateAnalyzer(settings) => settings.arn.to_string(),
            Self::AssociateInstanceProfile { .. } => "instance-profile".to_owned(),
        }
    }

    /// How it is undone, where `before` was true right before it.
    pub fn inverse(&self, before: &RegionalState) -> Option<RegionalInverse> {
        match (self, before) {
            (Self::StartLogging {}, RegionalState::Logging { logging: false }) => {
                Some(RegionalInverse::StopLogging {})
            }
            (Self::UpdateTrail(update), RegionalState::Trail { trail: Some(old) }) => {
                Some(RegionalInverse::RestoreTrail(update.reversed(old)))
            }
            (Self::CreateTrail(settings), RegionalState::Trail { trail: None }) => {
                Some(RegionalInverse::DeleteTrail(settings.clone()))
            }
            (Self::PutMetricFilter(filter), RegionalState::MetricFilter { filter: None }) => {
                Some(RegionalInverse::DeleteMetricFilter {
                    filter_name: filter.name.clone(),
                })
            }
            (Self::PutMetricAlarm(alarm), RegionalState::MetricAlarm { alarm: None }) => {
                Some(RegionalInverse::DeleteMetricAlarm {
                    alarm_name: alarm.name.clone(),
                })
            }
            (Self::CreateAnalyzer(settings), RegionalState::Analyzer { analyzer: None }) => {
                Some(RegionalInverse::DeleteAnalyzer(settings.clone()))
            }
            (
                Self::AssociateInstanceProfile { profile_arn },
                RegionalState::InstanceProfile { profile: None, .. },
            ) => Some(RegionalInverse::DisassociateInstanceProfile {
                profile_arn: profile_arn.clone(),
            }),
            (
                Self::StartLogging {}
                | Self::UpdateTrail(_)
                | Self::CreateTrail(_)
                | Self::PutMetricFilter(_)
                | Self::PutMetricAlarm(_)
                | Self::CreateAnalyzer(_)
                | Self::AssociateInstanceProfile { .. },
                _,
            ) => None,
        }
    }
}

/// How a change to something in a region is undone, by value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "parameters", rename_all = "snake_case")]
pub enum RegionalInverse {
    /// Stops the trail again.
    StopLogging {},
    /// Gives the changed settings their old values again, and leaves all others alone.
    RestoreTrail(TrailUpdate),
    /// Deletes the trail that was made. Its logs stay in the bucket.
    DeleteTrail(TrailSettings),
    /// Deletes the metric filter that was made.
    DeleteMetricFilter {
        /// Its name.
        filter_name: String,
    },
    /// Deletes the alarm that was made.
    DeleteMetricAlarm {
        /// Its name.
        alarm_name: String,
    },
    /// Deletes the analyzer that was made, and with it what it found.
    DeleteAnalyzer(AnalyzerSettings),
    /// Takes the instance profile from the instance again.
    DisassociateInstanceProfile {
        /// The profile: another is left alone.
        profile_arn: Arn,
    },
}

impl RegionalInverse {
    /// The stable name, in history and logs.
    pub fn kind_str(&self) -> &'static str {
        match self {
            Self::StopLogging {} => "stop_logging",
            Self::RestoreTrail(_) => "restore_trail",
            Self::DeleteTrail(_) => "delete_trail",
            Self::DeleteMetricFilter { .. } => "delete_metric_filter",
            Self::DeleteMetricAlarm { .. } => "delete_metric_alarm",
            Self::DeleteAnalyzer(_) => "delete_analyzer",
            Self::DisassociateInstanceProfile { .. } => "disassociate_instance_profile",
        }
    }
}

/// What is so of something in a region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "snake_case")]
pub enum RegionalState {
    /// How a trail is set up; `None`: there is no such trail.
    Trail {
        /// All of it, so that any change to it shows.
        trail: Option<TrailSettings>,
    },
    /// Whether a trail logs.
    Logging {
        /// It does.
        logging: bool,
    },
    /// The metric filter of the name on the log group; `None`: there is none.
    MetricFilter {
        /// All of it.
        filter: Option<MetricFilter>,
    },
    /// The alarm of the name in the log group's region; `None`: there is none.
    MetricAlarm {
        /// All of it that matters.
        alarm: Option<MetricAlarm>,
    },
    /// The analyzer that looks for access from outside in a region, or has the name of the one that is to be made there;
    /// `None`: there is none.
    Analyzer {
        /// That analyzer.
        analyzer: Option<AnalyzerSettings>,
    },
    /// The instance profile that an instance has or is just getting or losing; `None`: it has none.
    InstanceProfile {
        /// The profile.
        profile: Option<Arn>,
        /// What justifies the change.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        grounds: Option<InstanceGrounds>,
    },
}

/// What justifies giving an instance a profile, read again right before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceGrounds {
    /// What the instance does: `running`.
    pub state: String,
    /// The role in the profile that it is to get; `None`: it holds none, or there is no such profile.
    pub role: Option<Arn>,
}

impl RegionalState {
    /// The same without what only justifies the change: what is compared after it.
    pub fn without_grounds(&self) -> Self {
        match self {
            Self::InstanceProfile { profile, grounds: _ } => Self::InstanceProfile {
                profile: profile.clone(),
                grounds: None,
            },
            other @ (Self::Trail { .. }
            | Self::Logging { .. }
            | Self::MetricFilter { .. }
            | Self::MetricAlarm { .. }
            | Self::Analyzer { .. }) => other.clone(),
        }
    }

    /// What is true after the change where this was true before. As it is, where it is of another kind than the change.
    pub fn after(&self, change: &RegionalChange) -> Self {
        match (change, self) {
            (RegionalChange::StartLogging {}, Self::Logging { .. }) => Self::Logging { logging: true },
            (RegionalChange::UpdateTrail(update), Self::Trail { trail: Some(old) }) => Self::Trail {
                trail: Some(update.applied_to(old)),
            },
            (RegionalChange::CreateTrail(settings), Self::Trail { .. }) => Self::Trail {
                trail: Some(settings.clone()),
            },
            (RegionalChange::PutMetricFilter(filter), Self::MetricFilter { .. }) => Self::MetricFilter {
                filter: Some(filter.clone()),
            },
            (RegionalChange::PutMetricAlarm(alarm), Self::MetricAlarm { .. }) => Self::MetricAlarm {
                alarm: Some(alarm.clone()),
            },
            (RegionalChange::CreateAnalyzer(settings), Self::Analyzer { .. }) => Self::Analyzer {
                analyzer: Some(settings.clone()),
            },
            (RegionalChange::AssociateInstanceProfile { profile_arn }, Self::InstanceProfile { .. }) => {
                Self::InstanceProfile {
                    profile: Some(profile_arn.clone()),
                    grounds: None,
                }
            }
            (
                RegionalChange::StartLogging {}
                | RegionalChange::UpdateTrail(_)
                | RegionalChange::CreateTrail(_)
                | RegionalChange::PutMetricFilter(_)
                | RegionalChange::PutMetricAlarm(_)
                | RegionalChange::CreateAnalyzer(_)
                | RegionalChange::AssociateInstanceProfile { .. },
                other,
            ) => other.clone(),
        }
    }

    /// What is true once the inverse was carried out, where this was true right before it. `None`: nothing that is read
    /// ever equals it.
    pub fn undone(&self, inverse: &RegionalInverse) -> Option<Self> {
        match (inverse, self) {
            (RegionalInverse::StopLogging {}, Self::Logging { .. }) => Some(Self::Logging { logging: false }),
            (RegionalInverse::RestoreTrail(update), Self::Trail { trail: Some(now) }) => Some(Self::Trail {
                trail: Some(update.applied_to(now)),
            }),
            (RegionalInverse::DeleteTrail(_), Self::Trail { .. }) => Some(Self::Trail { trail: None }),
            (RegionalInverse::DeleteMetricFilter { .. }, Self::MetricFilter { .. }) => {
                Some(Self::MetricFilter { filter: None })
            }
            (RegionalInverse::DeleteMetricAlarm { .. }, Self::MetricAlarm { .. }) => {
                Some(Self::MetricAlarm { alarm: None })
            }
            (RegionalInverse::DeleteAnalyzer(_), Self::Analyzer { .. }) => {
                Some(Self::Analyzer { analyzer: None })
            }
            (RegionalInverse::DisassociateInstanceProfile { .. }, Self::InstanceProfile { .. }) => {
                Some(Self::InstanceProfile {
                    profile: None,
                    grounds: None,
                })
            }
            (
                RegionalInverse::StopLogging {}
                | RegionalInverse::RestoreTrail(_)
                | RegionalInverse::DeleteTrail(_)
                | RegionalInverse::DeleteMetricFilter { .. }
                | RegionalInverse::DeleteMetricAlarm { .. }
                | RegionalInverse::DeleteAnalyzer(_)
                | RegionalInverse::DisassociateInstanceProfile { .. },
                _,
            ) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{
        AnalyzerKind, Arn, Change, Feed, Inverse, LogDestination, MetricName, Precondition, Region,
    };
    use super::*;

    fn arn(text: &str) -> Arn {
        Arn::parse(text).unwrap()
    }

    fn trail() -> TrailSettings {
        TrailSettings {
            arn: arn("arn:aws:cloudtrail:eu-central-1:123456789012:trail/audit"),
            name: "audit".to_owned(),
            home_region: Region::parse("eu-central-1").unwrap(),
            bucket: "logs".to_owned(),
            key_prefix: None,
            multi_region: false,
            organization: false,
            global_service_events: true,
            log_file_validation: false,
            log_group: None,
            kms_key: Some("k".to_owned()),
        }
    }

    fn destination() -> LogDestination {
        LogDestination {
            group: arn("arn:aws:logs:eu-central-1:123456789012:log-group:trail:*"),
            role: arn("arn:aws:iam::123456789012:role/trail"),
        }
    }

    fn metric() -> MetricName {
        MetricName {
            namespace: "iamwarden".to_owned(),
            name: "root_use".to_owned(),
        }
    }

    fn filter() -> MetricFilter {
        MetricFilter {
            name: "iamwarden-root_use".to_owned(),
            pattern: "{ $.a = 1 }".to_owned(),
            feeds: vec![Feed {
                metric: metric(),
                value: "1".to_owned(),
            }],
        }
    }

    fn alarm() -> MetricAlarm {
        MetricAlarm {
            name: "iamwarden-root_use".to_owned(),
            metrics: vec![metric()],
            comparison: "GreaterThanOrEqualToThreshold".to_owned(),
            threshold: "1".to_owned(),
            statistic: Some("Sum".to_owned()),
            period: Some(300),
            evaluation_periods: 1,
            treat_missing_data: None,
            actions_enabled: true,
            actions: vec!["arn:aws:sns:eu-central-1:123456789012:security".to_owned()],
        }
    }

    fn analyzer() -> AnalyzerSettings {
        AnalyzerSettings {
            arn: arn("arn:aws:access-analyzer:eu-central-1:123456789012:analyzer/iamwarden"),
            name: "iamwarden".to_owned(),
            kind: AnalyzerKind::Account,
        }
    }

    fn changes() -> Vec<(RegionalChange, RegionalState)> {
        let set_up = RegionalState::Trail { trail: Some(trail()) };
        let update = |log_file_validation, log_group| TrailUpdate {
            log_file_validation,
            log_group,
            ..TrailUpdate::default()
        };
        vec![
            (
                RegionalChange::StartLogging {},
                RegionalState::Logging { logging: false },
            ),
            (
                RegionalChange::UpdateTrail(update(Some(true), None)),
                set_up.clone(),
            ),
            (
                RegionalChange::UpdateTrail(update(None, Some(Some(destination())))),
                set_up,
            ),
            (
                RegionalChange::CreateTrail(trail()),
                RegionalState::Trail { trail: None },
            ),
            (
                RegionalChange::PutMetricFilter(filter()),
                RegionalState::MetricFilter { filter: None },
            ),
            (
                RegionalChange::PutMetricAlarm(alarm()),
                RegionalState::MetricAlarm { alarm: None },
            ),
            (
                RegionalChange::CreateAnalyzer(analyzer()),
                RegionalState::Analyzer { analyzer: None },
            ),
            (
                RegionalChange::AssociateInstanceProfile {
                    profile_arn: arn("arn:aws:iam::123456789012:instance-profile/baseline"),
                },
                RegionalState::InstanceProfile {
                    profile: None,
                    grounds: None,
                },
            ),
        ]
    }

    #[test]
    fn every_change_is_undone_exactly() {
        for (change, before) in changes() {
            let inverse = change.inverse(&before).unwrap();
            let after = before.after(&change);
            assert_ne!(after, before, "{change:?}");
            assert_eq!(after.undone(&inverse), Some(before), "{change:?}");
        }
    }

    #[test]
    fn what_an_instance_does_matters_before_the_change_alone() {
        let running = |grounds| RegionalState::InstanceProfile {
            profile: None,
            grounds,
        };
        let before = Precondition::Regional(running(Some(InstanceGrounds {
            state: "running".to_owned(),
            role: Some(arn("arn:aws:iam::123456789012:role/baseline")),
        })));
        assert_eq!(before.without_use(), Precondition::Regional(running(None)));
        let (change, _) = changes().pop().unwrap();
        let after = before.after(&Change::Regional(change.clone())).unwrap();
        assert_eq!(after, after.without_use());
        let has_one = RegionalState::InstanceProfile {
            profile: Some(arn("arn:aws:iam::123456789012:instance-profile/other")),
            grounds: None,
        };
        assert_eq!(change.inverse(&has_one), None, "it was never to be given then");
        let again: Precondition = serde_json::from_value(json!(before)).unwrap();
        assert_eq!(again, before);
    }

    #[test]
    fn what_is_not_named_is_left_alone() {
        let update = TrailUpdate {
            log_file_validation: Some(true),
            ..TrailUpdate::default()
        };
        let after = update.applied_to(&trail());
        let expected = TrailSettings {
            log_file_validation: true,
            ..trail()
        };
        assert_eq!(after, expected);
        assert_eq!(json!(update), json!({"log_file_validation": true}));
        let back = update.reversed(&trail());
        assert_eq!(json!(back), json!({"log_file_validation": false}));
    }

    #[test]
    fn everything_comes_back_from_the_journal_as_it_was() {
        for (change, before) in changes() {
            let inverse = change.inverse(&before).unwrap();
            let (change, inverse) = (Change::Regional(change), Inverse::Regional(inverse));
            let precondition = Precondition::Regional(before);
            let again: Change = serde_json::from_value(json!(change)).unwrap();
            assert_eq!(again, change);
            let again: Inverse = serde_json::from_value(json!(inverse)).unwrap();
            assert_eq!(again, inverse);
            let again: Precondition = serde_json::from_value(json!(precondition)).unwrap();
            assert_eq!(again, precondition);
            assert_eq!(json!(change)["kind"], change.kind().as_str());
            assert_eq!(json!(change)["parameters"], change.parameters());
        }
    }
}
