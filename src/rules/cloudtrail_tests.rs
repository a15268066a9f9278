use super::*;
use crate::config::{Config, Mode};
use crate::inventory::{RegionalInventory, Snapshot};
use crate::model::{Glob, History, Inverse, Precondition, RegionalInverse};
use crate::rules::Remedy;
use crate::rules::fixture::{self, ACCOUNT, gap, now, region, snapshot_with_trails, trail};

fn trail_arn(account: &str, name: &str) -> Arn {
    Arn::parse(&format!("arn:aws:cloudtrail:eu-central-1:{account}:trail/{name}")).unwrap()
}

fn of_organization() -> Trail {
    let mut trail = trail("org");
    trail.settings.arn = trail_arn("999999999999", "org");
    trail.settings.organization = true;
    trail.bucket = None;
    trail
}

fn with(mut trail: Trail, change: impl FnOnce(&mut Trail)) -> Trail {
    change(&mut trail);
    trail
}

fn config() -> Config {
    let mut config = fixture::config(Mode::Off);
    config.rules.cloudtrail.mode = Mode::Enforce;
    config
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

fn judge(config: &Config, trails: Vec<Trail>) -> Vec<Judgement> {
    judge_snapshot(config, &snapshot_with_trails(trails))
}

/// Status, title and change of each finding.
fn told(judgements: &[Judgement]) -> Vec<String> {
    let one = |judgement: &Judgement| {
        let finding = &judgement.finding;
        let change = judgement
            .remedy
            .as_ref()
            .map_or("nothing", |remedy| remedy.proposal.change.kind().as_str());
        format!("{}: {} -> {change}", finding.status.as_str(), finding.title)
    };
    judgements.iter().map(one).collect()
}

fn only(judgements: &[Judgement]) -> &Remedy {
    let [judgement] = judgements else {
        panic!("{judgements:?}")
    };
    judgement.remedy.as_ref().unwrap()
}

#[test]
fn one_good_trail_is_enough_and_an_organizations_too() {
    assert_eq!(
        told(&judge(&config(), vec![trail("audit")])),
        Vec::<String>::new()
    );
    assert_eq!(
        told(&judge(&config(), vec![of_organization()])),
        Vec::<String>::new()
    );
}

#[test]
fn a_stopped_trail_is_started_and_that_undone_by_stopping_it() {
    let stopped = with(trail("audit"), |trail| trail.logging = Reading::Known(false));
    let judgements = judge(&config(), vec![stopped]);
    assert_eq!(
        told(&judgements),
        ["violation: The trail audit has stopped logging -> start_logging"]
    );
    let remedy = only(&judgements);
    assert_eq!(
        remedy.proposal.inverse,
        Some(Inverse::Regional(RegionalInverse::StopLogging {}))
    );
    assert_eq!(
        remedy.precondition,
        Precondition::Regional(RegionalState::Logging { logging: false })
    );
}

#[test]
fn only_what_falls_short_is_set() {
    let weak = with(trail("audit"), |trail| {
        trail.settings.log_file_validation = false;
        trail.settings.log_group = None;
    });
    // Nothing is declared of the log group, so it is left alone.
    let judgements = judge(&config(), vec![weak.clone()]);
    insta::assert_json_snapshot!(only(&judgements).proposal, @r#"
    {
      "kind": "update_trail",
      "parameters": {
        "log_file_validation": true
      },
      "inverse": {
        "kind": "restore_trail",
        "parameters": {
          "log_file_validation": false
        }
      }
    }
    "#);
    let mut declared = config();
    declared.rules.cloudtrail.log_group = Some("trail".to_owned());
    declared.rules.cloudtrail.log_role = Some("x/trail".to_owned());
    let judgements = judge(&declared, vec![weak]);
    insta::assert_json_snapshot!(only(&judgements).proposal, @r#"
    {
      "kind": "update_trail",
      "parameters": {
        "log_file_validation": true,
        "log_group": {
          "group": "arn:aws:logs:eu-central-1:123456789012:log-group:trail:*",
          "role": "arn:aws:iam::123456789012:role/x/trail"
        }
      },
      "inverse": {
        "kind": "restore_trail",
        "parameters": {
          "log_file_validation": false,
          "log_group": null
        }
      }
    }
    "#);
}

#[test]
fn a_missing_log_group_without_a_declared_one_is_for_people() {
    let bare = with(trail("audit"), |trail| trail.settings.log_group = None);
    let judgements = judge(&config(), vec![bare]);
    assert_eq!(
        told(&judgements),
        ["violation: The trail audit falls short in log_group -> nothing"]
    );
    assert_eq!(judgements[0].reminder.as_ref().unwrap().event, Event::TrailAtRisk);
}

#[test]
fn the_best_trail_of_one_region_is_widened_to_all() {
    let local = |name: &str| {
        with(trail(name), |trail| {
            trail.settings.multi_region = false;
            trail.settings.global_service_events = false;
        })
    };
    let worse = with(local("a"), |trail| trail.settings.log_file_validation = false);
    let judgements = judge(&config(), vec![worse, local("b")]);
    assert_eq!(
        told(&judgements),
        [
            "violation: The trail a falls short in log_file_validation -> update_trail",
            "violation: The trail b falls short in global_service_events, multi_region -> update_trail",
        ]
    );
    assert_eq!(judgements[1].finding.severity, Severity::High);
}

#[test]
fn a_trail_that_logs_half_does_not_do_the_job() {
    let half = |events| {
        with(trail("audit"), |trail| {
            trail.management_events = Reading::Known(events)
        })
    };
    for events in [
        ManagementEvents::default(),
        ManagementEvents {
            reads: false,
            writes: true,
        },
    ] {
        assert_eq!(
            told(&judge(&config(), vec![half(events)])),
            ["violation: No trail of all regions logs all management events -> nothing"]
        );
    }
}

#[test]
fn a_trail_is_made_only_where_a_bucket_is_declared() {
    let mut declared = config();
    declared.rules.cloudtrail.bucket = Some("central-logs".to_owned());
    declared.regions.include = vec![region("eu-central-1")];
    let judgements = judge(&declared, Vec::new());
    let remedy = only(&judgements);
    insta::assert_json_snapshot!(remedy.proposal.change, @r#"
    {
      "kind": "create_trail",
      "parameters": {
        "arn": "arn:aws:cloudtrail:eu-central-1:123456789012:trail/iamwarden",
        "name": "iamwarden",
        "home_region": "eu-central-1",
        "bucket": "central-logs",
        "key_prefix": null,
        "multi_region": true,
        "organization": false,
        "global_service_events": true,
        "log_file_validation": true,
        "log_group": null,
        "kms_key": null
      }
    }
    "#);
    assert_eq!(
        judgements[0].finding.resource.as_str(),
        "arn:aws:iam::123456789012:root"
    );
    let judgements = judge(&config(), Vec::new());
    assert_eq!(
        told(&judgements),
        ["violation: No trail of all regions logs all management events -> nothing"]
    );
    // The name is taken by a trail that logs too little.
    let taken = with(trail("iamwarden"), |trail| {
        trail.management_events = Reading::Known(ManagementEvents::default());
    });
    assert_eq!(
        told(&judge(&declared, vec![taken])),
        ["violation: No trail of all regions logs all management events -> nothing"]
    );
}

#[test]
fn the_trail_of_an_organization_is_judged_and_never_changed() {
    let weak = with(of_organization(), |trail| {
        trail.settings.log_file_validation = false;
        trail.logging = Reading::Known(false);
    });
    let own = with(weak.clone(), |trail| {
        trail.settings.arn = trail_arn(ACCOUNT, "org");
        trail.bucket = Some(Reading::Known(BucketExposure::default()));
    });
    for trail in [weak, own] {
        assert_eq!(
            told(&judge(&config(), vec![trail])),
            [
                "violation: The trail audit has stopped logging -> nothing".replace("audit", "org"),
                "violation: The trail org falls short in log_file_validation -> nothing".to_owned(),
                "violation: No trail of all regions logs all management events -> nothing".to_owned(),
            ]
        );
    }
}

#[test]
fn open_logs_are_critical_and_for_people() {
    let open = with(trail("audit"), |trail| {
        trail.bucket = Some(Reading::Known(BucketExposure {
            public_policy: true,
            public_acl: false,
        }));
    });
    let judgements = judge(&config(), vec![open]);
    assert_eq!(
        told(&judgements),
        ["violation: The logs of the trail audit are open to everybody -> nothing"]
    );
    assert_eq!(judgements[0].finding.severity, Severity::Critical);
}

#[test]
fn what_could_not_be_read_is_unknown() {
    let unread = |change: fn(&mut Trail)| told(&judge(&config(), vec![with(trail("audit"), change)]));
    assert_eq!(
        unread(|trail| trail.logging = Reading::Unknown(gap("cloudtrail:GetTrailStatus"))),
        [
            "unknown: Whether the trail audit is logging is not known -> nothing",
            "unknown: Whether a trail logs all management events is not known -> nothing",
        ]
    );
    assert_eq!(
        unread(|trail| trail.management_events = Reading::Unknown(gap("cloudtrail:GetEventSelectors"))),
        ["unknown: Whether a trail logs all management events is not known -> nothing"]
    );
    assert_eq!(
        unread(|trail| trail.bucket = Some(Reading::Unknown(gap("s3:GetBucketAcl")))),
        ["unknown: Whether the logs of audit are open to everybody is not known -> nothing"]
    );
}

#[test]
fn a_region_that_fails_is_unknown_and_not_in_order() {
    let mut two = config();
    two.regions.include = vec![region("eu-central-1"), region("us-east-1"), region("sa-east-1")];
    let mut snapshot = snapshot_with_trails(vec![trail("audit")]);
    let down = RegionalInventory {
        trails: Some(Reading::Unknown(gap("cloudtrail:DescribeTrails"))),
        ..RegionalInventory::default()
    };
    snapshot.regions.by_name.insert(region("us-east-1"), down);
    assert_eq!(
        told(&judge_snapshot(&two, &snapshot)),
        [
            "unknown: The trails of us-east-1 could not be read -> nothing",
            "unknown: The trails of sa-east-1 could not be read -> nothing",
        ]
    );
    // Of a snapshot without regions nothing is said of any trail, not even that there is none.
    let without = fixture::snapshot(Vec::new());
    assert_eq!(
        told(&judge_snapshot(&config(), &without)),
        ["unknown: The trails of no region could be read -> nothing"]
    );
}

#[test]
fn exempt_and_protected_trails_are_left_alone() {
    let stopped = || with(trail("audit"), |trail| trail.logging = Reading::Known(false));
    let mut protected = config();
    protected.guardrails.protected = vec![Glob::new("trail/aud*")];
    let judgements = judge(&protected, vec![stopped()]);
    assert_eq!(
        told(&judgements),
        ["exempt: The trail audit has stopped logging -> nothing"]
    );
    assert_eq!(judgements[0].reminder, None);
}

#[test]
fn what_was_mended_is_silent_the_next_time() {
    let mut declared = config();
    declared.rules.cloudtrail.log_group = Some("trail".to_owned());
    declared.rules.cloudtrail.log_role = Some("trail".to_owned());
    let weak = with(trail("audit"), |trail| {
        trail.logging = Reading::Known(false);
        trail.settings.multi_region = false;
        trail.settings.log_file_validation = false;
        trail.settings.log_group = None;
    });
    let judgements = judge(&declared, vec![weak.clone()]);
    let mut mended = weak;
    for judgement in &judgements {
        let remedy = judgement.remedy.as_ref().unwrap();
        #[allow(clippy::wildcard_enum_match_arm, reason = "a test fails by panicking")]
        match remedy.precondition.after(&remedy.proposal.change).unwrap() {
            Precondition::Regional(RegionalState::Logging { logging }) => {
                mended.logging = Reading::Known(logging)
            }
            Precondition::Regional(RegionalState::Trail { trail }) => mended.settings = trail.unwrap(),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(judgements.len(), 2);
    assert_eq!(told(&judge(&declared, vec![mended])), Vec::<String>::new());
}
