use std::collections::BTreeMap;

use super::*;
use crate::config::{Config, Mode, OwnPattern, WatchedEvent};
use crate::inventory::{Reading, Snapshot};
use crate::model::{Glob, History, Inverse, Precondition, RegionalInverse};
use crate::rules::fixture::{self, ACCOUNT, gap, now, snapshot_with_trails, trail};

fn arn(text: &str) -> Arn {
    Arn::parse(text).unwrap()
}

fn group_arn() -> Arn {
    arn(&format!("arn:aws:logs:eu-central-1:{ACCOUNT}:log-group:trail"))
}

fn topic() -> Arn {
    arn(&format!("arn:aws:sns:eu-central-1:{ACCOUNT}:security"))
}

/// Use of root alone has to be watched.
fn config() -> Config {
    let mut config = fixture::config(Mode::Off);
    config.rules.iam_alarms.mode = Mode::Enforce;
    config.rules.iam_alarms.events = vec![WatchedEvent::RootUse];
    config
}

fn with_topic() -> Config {
    let mut config = config();
    config.rules.iam_alarms.topic = Some("security".to_owned());
    config
}

fn root_use() -> Watched {
    Watched::all(&config().rules.iam_alarms).remove(0)
}

/// A filter of somebody's own.
fn filter(pattern: &str) -> MetricFilter {
    MetricFilter {
        name: "theirs".to_owned(),
        pattern: pattern.to_owned(),
        ..own_filter(&root_use())
    }
}

fn alarm() -> MetricAlarm {
    own_alarm("theirs".to_owned(), own_metric(&root_use()), &topic())
}

fn empty_group() -> LogGroup {
    LogGroup {
        filters: Reading::Known(Vec::new()),
        alarms: Reading::Known(Vec::new()),
        subscriptions: BTreeMap::new(),
    }
}

/// Everything is as it should be.
fn watched_group() -> LogGroup {
    LogGroup {
        filters: Reading::Known(vec![filter(&root_use().pattern)]),
        alarms: Reading::Known(vec![alarm()]),
        subscriptions: BTreeMap::from([(topic(), Reading::Known(1))]),
    }
}

fn snapshot(group: LogGroup) -> Snapshot {
    let mut snapshot = snapshot_with_trails(vec![trail("audit")]);
    snapshot.regions.log_groups.insert(group_arn(), group);
    snapshot
}

fn judge_snapshot(config: &Config, snapshot: &Snapshot) -> Vec<Judgement> {
    let history = History::default();
    check(&Context {
        config,
        snapshot,
        history: &history,
        now: now(),
    })
}

fn judge(config: &Config, group: LogGroup) -> Vec<Judgement> {
    judge_snapshot(config, &snapshot(group))
}

/// Status, title and change of each finding.
fn told(judgements: &[Judgement]) -> Vec<String> {
    let one = |judgement: &Judgement| {
        let change = judgement
            .remedy
            .as_ref()
            .map_or("nothing", |remedy| remedy.proposal.change.kind().as_str());
        let finding = &judgement.finding;
        format!("{}: {} -> {change}", finding.status.as_str(), finding.title)
    };
    judgements.iter().map(one).collect()
}

#[test]
fn somebody_who_is_told_is_all_that_is_asked() {
    assert_eq!(told(&judge(&with_topic(), watched_group())), Vec::<String>::new());
}

#[test]
fn an_empty_log_group_gets_a_filter_and_an_alarm() {
    let judgements = judge(&with_topic(), empty_group());
    assert_eq!(
        told(&judgements),
        [
            "violation: No metric filter looks for use of the root user -> put_metric_filter",
            "violation: No alarm tells of use of the root user -> put_metric_alarm",
        ]
    );
    let proposals: Vec<_> = judgements
        .iter()
        .map(|j| &j.remedy.as_ref().unwrap().proposal)
        .collect();
    insta::assert_json_snapshot!(proposals, @r#"
    [
      {
        "kind": "put_metric_filter",
        "parameters": {
          "name": "iamwarden-root_use",
          "pattern": "{ ($.userIdentity.type = \"Root\") && ($.userIdentity.invokedBy NOT EXISTS) && ($.eventType != \"AwsServiceEvent\") }",
          "feeds": [
            {
              "metric": {
                "namespace": "iamwarden",
                "name": "root_use"
              },
              "value": "1"
            }
          ]
        },
        "inverse": {
          "kind": "delete_metric_filter",
          "parameters": {
            "filter_name": "iamwarden-root_use"
          }
        }
      },
      {
        "kind": "put_metric_alarm",
        "parameters": {
          "name": "iamwarden-root_use",
          "metrics": [
            {
              "namespace": "iamwarden",
              "name": "root_use"
            }
          ],
          "comparison": "GreaterThanOrEqualToThreshold",
          "threshold": "1",
          "statistic": "Sum",
          "period": 300,
          "evaluation_periods": 1,
          "treat_missing_data": "notBreaching",
          "actions_enabled": true,
          "actions": [
            "arn:aws:sns:eu-central-1:123456789012:security"
          ]
        },
        "inverse": {
          "kind": "delete_metric_alarm",
          "parameters": {
            "alarm_name": "iamwarden-root_use"
          }
        }
      }
    ]
    "#);
    assert!(
        judgements
            .iter()
            .all(|judgement| judgement.finding.resource == group_arn())
    );
}

#[test]
fn without_a_topic_only_the_filter_is_made() {
    assert_eq!(
        told(&judge(&config(), empty_group())),
        ["violation: No metric filter looks for use of the root user -> put_metric_filter"]
    );
}

#[test]
fn a_filter_counts_by_what_it_means() {
    let reordered = r#"{($.eventType != "AwsServiceEvent") && $.userIdentity.type=Root && ($.userIdentity.invokedBy NOT EXISTS)}"#;
    for (pattern, counts) in [
        (reordered, true),
        (r#"{ ($.userIdentity.type = "Root") }"#, false),
        ("ERROR", false),
        ("", false),
    ] {
        let mut group = watched_group();
        group.filters = Reading::Known(vec![filter(pattern)]);
        assert_eq!(judge(&config(), group).is_empty(), counts, "{pattern}");
    }
}

#[test]
fn an_alarm_has_to_be_enabled_and_to_tell_a_topic() {
    let silent = |change: fn(&mut MetricAlarm)| {
        let mut alarm = alarm();
        change(&mut alarm);
        let mut group = watched_group();
        group.alarms = Reading::Known(vec![alarm]);
        told(&judge(&with_topic(), group))
    };
    for change in [
        (|alarm| alarm.actions_enabled = false) as fn(&mut MetricAlarm),
        |alarm| alarm.actions = Vec::new(),
        |alarm| alarm.actions = vec!["arn:aws:automate:eu-central-1:ec2:stop".to_owned()],
        |alarm| {
            alarm.metrics = vec![MetricName {
                namespace: "x".to_owned(),
                name: "y".to_owned(),
            }]
        },
    ] {
        assert_eq!(
            silent(change),
            ["violation: No alarm tells of use of the root user -> put_metric_alarm"]
        );
    }
}

#[test]
fn a_topic_that_nobody_hears_is_for_people() {
    let mut group = watched_group();
    group.subscriptions = BTreeMap::from([(topic(), Reading::Known(0))]);
    let judgements = judge(&with_topic(), group);
    assert_eq!(
        told(&judgements),
        ["violation: Nobody hears the alarm on use of the root user -> nothing"]
    );
    assert_eq!(
        judgements[0].reminder.as_ref().unwrap().event,
        Event::AlarmMissing
    );
}

#[test]
fn a_name_that_is_taken_is_left_alone() {
    let mut filtered = empty_group();
    filtered.filters = Reading::Known(vec![MetricFilter {
        pattern: "{ $.a = 1 }".to_owned(),
        ..own_filter(&root_use())
    }]);
    assert_eq!(
        told(&judge(&with_topic(), filtered)),
        ["violation: No metric filter looks for use of the root user -> nothing"]
    );
    let mut alarmed = watched_group();
    alarmed.alarms = Reading::Known(vec![MetricAlarm {
        actions_enabled: false,
        name: own_name(&root_use()),
        ..alarm()
    }]);
    assert_eq!(
        told(&judge(&with_topic(), alarmed)),
        ["violation: No alarm tells of use of the root user -> nothing"]
    );
}

#[test]
fn a_topic_of_another_region_is_not_told() {
    let mut config = config();
    config.rules.iam_alarms.topic = Some(format!("arn:aws:sns:us-east-1:{ACCOUNT}:security"));
    let mut group = watched_group();
    group.alarms = Reading::Known(Vec::new());
    assert_eq!(
        told(&judge(&config, group)),
        ["violation: No alarm tells of use of the root user -> nothing"]
    );
}

#[test]
fn events_of_ones_own_are_watched_too() {
    let mut config = config();
    config.rules.iam_alarms.events = Vec::new();
    config.rules.iam_alarms.patterns = vec![OwnPattern {
        name: "user_made".to_owned(),
        pattern: "{ $.eventName = CreateUser }".to_owned(),
    }];
    assert_eq!(
        told(&judge(&config, watched_group())),
        ["violation: No metric filter looks for what the pattern user_made names -> put_metric_filter"]
    );
}

#[test]
fn what_could_not_be_read_is_unknown() {
    let unread = |change: fn(&mut LogGroup)| {
        let mut group = watched_group();
        change(&mut group);
        told(&judge(&with_topic(), group))
    };
    for change in [
        (|group| group.filters = Reading::Unknown(gap("logs:DescribeMetricFilters"))) as fn(&mut LogGroup),
        |group| group.alarms = Reading::Unknown(gap("cloudwatch:DescribeAlarms")),
        |group| {
            group
                .subscriptions
                .insert(topic(), Reading::Unknown(gap("sns:ListSubscriptionsByTopic")));
        },
        // An older snapshot says nothing of it.
        |group| group.subscriptions.clear(),
    ] {
        assert_eq!(
            unread(change),
            ["unknown: Whether anybody is told of use of the root user is not known -> nothing"]
        );
    }
}

#[test]
fn a_trail_has_to_see_everything_and_hand_it_on() {
    let of = |change: fn(&mut Snapshot)| {
        let mut snapshot = snapshot(watched_group());
        change(&mut snapshot);
        told(&judge_snapshot(&config(), &snapshot))
    };
    let nothing = ["violation: There is no log group in which access could be watched -> nothing"];
    assert_eq!(of(|snapshot| snapshot.regions.trails.clear()), nothing);
    assert_eq!(
        of(|snapshot| {
            for trail in snapshot.regions.trails.values_mut() {
                trail.settings.log_group = None;
            }
        }),
        nothing
    );
    assert_eq!(
        of(|snapshot| {
            for trail in snapshot.regions.trails.values_mut() {
                trail.logging = Reading::Known(false);
            }
        }),
        nothing
    );
    let unknown = ["unknown: Whether anybody is told of what happens to access is not known -> nothing"];
    assert_eq!(
        of(|snapshot| {
            for trail in snapshot.regions.trails.values_mut() {
                trail.logging = Reading::Unknown(gap("cloudtrail:GetTrailStatus"));
            }
        }),
        unknown
    );
    assert_eq!(of(|snapshot| snapshot.regions.log_groups.clear()), unknown);
}

#[test]
fn one_log_group_that_is_watched_is_enough() {
    let mut snapshot = snapshot(empty_group());
    let mut second = trail("second");
    let other = format!("arn:aws:logs:eu-central-1:{ACCOUNT}:log-group:other");
    second.settings.log_group.as_mut().unwrap().group = arn(&format!("{other}:*"));
    snapshot
        .regions
        .trails
        .insert(second.settings.arn.clone(), second);
    snapshot.regions.log_groups.insert(arn(&other), watched_group());
    assert_eq!(told(&judge_snapshot(&config(), &snapshot)), Vec::<String>::new());
}

#[test]
fn an_exempt_log_group_is_left_alone() {
    let mut config = with_topic();
    config.guardrails.protected = vec![Glob::new("log-group:trail")];
    let judgements = judge(&config, empty_group());
    assert!(
        judgements
            .iter()
            .all(|j| j.finding.status == FindingStatus::Exempt && j.remedy.is_none())
    );
}

#[test]
fn what_was_made_is_silent_the_next_time() {
    let mut group = empty_group();
    for judgement in judge(&with_topic(), group.clone()) {
        let remedy = judgement.remedy.unwrap();
        #[allow(clippy::wildcard_enum_match_arm, reason = "a test fails by panicking")]
        match remedy.precondition.after(&remedy.proposal.change).unwrap() {
            Precondition::Regional(RegionalState::MetricFilter { filter }) => {
                group.filters = Reading::Known(filter.into_iter().collect());
            }
            Precondition::Regional(RegionalState::MetricAlarm { alarm }) => {
                group.alarms = Reading::Known(alarm.into_iter().collect());
            }
            other => panic!("{other:?}"),
        }
        assert!(matches!(
            remedy.proposal.inverse,
            Some(Inverse::Regional(
                RegionalInverse::DeleteMetricFilter { .. } | RegionalInverse::DeleteMetricAlarm { .. }
            ))
        ));
    }
    group.subscriptions.insert(topic(), Reading::Known(1));
    assert_eq!(told(&judge(&with_topic(), group)), Vec::<String>::new());
}
