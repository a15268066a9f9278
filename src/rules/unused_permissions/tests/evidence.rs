//! E1 to E11: what counts as evidence of disuse.

use chrono::TimeDelta;

use super::*;
use crate::model::Span;

#[test]
fn e1_only_a_completed_report_counts() {
    let mut world = World::new();
    world.lose_report("role/app");
    world.assert_kept_by("E1");
    world.snapshot.last_accessed.clear();
    world.assert_kept_by("E1");
}

#[test]
fn e1_an_unread_account_is_unknown() {
    let mut world = World::new();
    world.lose_authorization();
    world.assert_kept_by("E1");
    assert_eq!(world.said(), ["unknown root (E1)"]);
}

#[test]
fn e2_an_old_report_is_no_evidence() {
    let mut world = World::new();
    let now = world.now;
    for (age, counts) in [
        (TimeDelta::hours(24), true),
        (TimeDelta::hours(24) + TimeDelta::seconds(1), false),
        (TimeDelta::days(3), false),
        (TimeDelta::days(-3), false),
    ] {
        world.edit_report("role/app", |report| report.completed_at = now - age);
        if counts {
            assert_eq!(world.detached(), QUEUES_DETACHED, "{age}");
        } else {
            world.assert_kept_by("E2");
        }
    }
}

#[test]
fn e3_a_job_that_was_lost_with_its_session_is_not_disuse() {
    let mut world = World::new();
    world.lose_report("role/app");
    assert_eq!(world.detached(), Vec::<String>::new());
    // Made anew under the present session it is evidence again.
    world.report("role/app", &[("s3", Some(1)), ("sqs", None)]);
    assert_eq!(world.detached(), QUEUES_DETACHED);
}

#[test]
fn e4_a_service_absent_from_the_report_is_unknown() {
    let mut world = World::new();
    world.report("role/app", &[("s3", Some(1))]);
    world.assert_kept_by("E4");
}

#[test]
fn e5_what_the_catalogue_does_not_know_is_kept() {
    let mut world = World::new();
    for actions in [
        r#"["sqs:*","nosuchservice:*"]"#,
        r#"["sqs:*","sqs:NoSuchAction"]"#,
        r#"["sqs:*","sqs:NoSuch*"]"#,
    ] {
        world.set_document("Queues", &allow(actions));
        world.assert_kept_by("E5");
    }
}

#[test]
fn e6_use_within_the_window_counts_and_so_does_its_edge() {
    let mut world = World::new();
    let edge = world.ago(90);
    for (last, used) in [
        (Some(world.ago(1)), true),
        (Some(edge), true),
        (Some(edge - TimeDelta::seconds(1)), false),
        (None, false),
    ] {
        world.edit_report("role/app", |report| {
            report.services.insert(
                "sqs".to_owned(),
                ServiceUse {
                    last_authenticated: last,
                    ..ServiceUse::default()
                },
            );
        });
        let expected: &[&str] = if used { &[] } else { &QUEUES_DETACHED };
        assert_eq!(world.said(), expected, "{last:?}");
    }
}

#[test]
fn e6_a_use_in_the_future_is_use_and_a_warning() {
    let mut world = World::new();
    world.report("role/app", &[("s3", Some(1)), ("sqs", Some(-1))]);
    world.assert_kept_by("E6");
    assert_eq!(world.said(), ["warning role/app Queues (E6)"]);
}

#[test]
fn e7_a_young_principal_is_left_alone() {
    let mut world = World::new();
    world.role().created_at = world.now - TimeDelta::days(90) + TimeDelta::seconds(1);
    world.assert_silent();
    world.role().created_at = world.ago(90);
    assert_eq!(
        world.detached(),
        QUEUES_DETACHED,
        "an age equal to the limit suffices"
    );
}

#[test]
fn e7_an_attachment_that_appeared_lately_is_left_alone() {
    let mut world = World::new();
    let what = Observation::Attachment {
        principal: arn("role/app"),
        policy: policy_arn("Queues"),
    };
    world.observe(what.clone(), 89);
    world.assert_silent();
    world.observe(what.clone(), 90);
    assert_eq!(world.detached(), QUEUES_DETACHED);
    world.history.observations.remove(&what);
    world.assert_silent();
    world.config.rules.unused_permissions.trust_existing = true;
    world.assert_silent();
}

#[test]
fn e7_an_attachment_of_unknown_age_counts_from_the_day_it_was_first_seen() {
    let mut world = World::new();
    world.history = History::default();
    world.assert_kept_by("E7");
    assert_eq!(world.said(), ["warning role/app Queues (E7)"]);
    world.observe(
        Observation::Membership {
            user: arn("root"),
            group: String::new(),
        },
        50,
    );
    for policy in ["Storage", "Queues"] {
        let (principal, policy) = (arn("role/app"), policy_arn(policy));
        world.observe(Observation::Attachment { principal, policy }, 50);
    }
    assert_eq!(world.said(), ["warning role/app Queues (E7)"]);
    let judged_on = world.judge().remove(0).finding.evidence.remove("judged_on");
    assert_eq!(judged_on, Some(serde_json::json!(world.ago(50 - 90))));
}

#[test]
fn e7_trusted_attachments_are_as_old_as_what_they_join() {
    let mut world = World::new();
    world.history = History::default();
    world.config.rules.unused_permissions.trust_existing = true;
    world.config.rules.unused_permissions.confirm_after = Span::ZERO;
    assert_eq!(world.detached(), QUEUES_DETACHED);
    world.policy("Queues").created_at = world.ago(20);
    world.assert_silent();
}

#[test]
fn e7_a_permission_that_appeared_lately_is_left_alone() {
    let mut world = World::new();
    let version = |id: &str, created_at, actions: &str| PolicyVersion {
        id: id.to_owned(),
        created_at,
        document: allow(actions),
    };
    // The policy changed ten days ago; it granted the same service before, so it is judged.
    let (old, new) = (world.ago(600), world.ago(10));
    let queues = world.policy("Queues");
    queues.default_version = "v2".to_owned();
    queues.updated_at = new;
    queues.versions = vec![
        version("v1", old, r#""sqs:Get*""#),
        version("v2", new, r#""sqs:*""#),
    ];
    assert_eq!(world.detached(), QUEUES_DETACHED);
    // It granted another one before: too young.
    world.policy("Queues").versions =
        vec![version("v1", old, r#""sns:*""#), version("v2", new, r#""sqs:*""#)];
    world.assert_silent();
    // AWS has no older version any more: nobody can vouch for it.
    world.policy("Queues").versions = vec![version("v2", new, r#""sqs:*""#)];
    world.assert_silent();
}

#[test]
fn e7_a_window_longer_than_the_tracking_period_is_never_filled() {
    let mut world = World::new();
    world.config.rules.unused_permissions.unused_for = Span::from_days(401);
    for observed in world.history.observations.values_mut() {
        observed.first -= TimeDelta::days(400);
    }
    world.assert_kept_by("E7");
}

#[test]
fn e8_instants_are_compared_whatever_their_time_zone() {
    let edge = World::new().ago(90);
    for offset in [-12, -5, 0, 5, 14] {
        let zone = chrono::FixedOffset::east_opt(offset * 3600).unwrap();
        let written = edge.with_timezone(&zone).to_rfc3339();
        let mut world = World::new();
        let read = at(&written);
        world.edit_report("role/app", |report| {
            report.services.insert(
                "sqs".to_owned(),
                ServiceUse {
                    last_authenticated: Some(read),
                    ..ServiceUse::default()
                },
            );
        });
        world.assert_silent();
    }
}

#[test]
fn e9_an_attachment_within_the_grace_is_kept_whatever_is_declared() {
    let mut world = World::new();
    let settings = &mut world.config.rules.unused_permissions;
    settings.unused_for = Span::from_days(1);
    settings.minimum_age = Span::ZERO;
    let what = Observation::Attachment {
        principal: arn("role/app"),
        policy: policy_arn("Queues"),
    };
    world.observe(what.clone(), 13);
    world.assert_silent();
    world.observe(what, 14);
    assert_eq!(world.detached(), QUEUES_DETACHED);
}

#[test]
fn e10_a_denied_attempt_is_use() {
    // Access Advisor gives denied attempts a date like any other: the date alone decides.
    let mut world = World::new();
    world.report("role/app", &[("s3", Some(1)), ("sqs", Some(3))]);
    world.set_document("Queues", &allow(r#""sqs:ListQueues""#));
    world.assert_silent();
}

#[test]
fn e11_the_newer_of_two_sources_wins() {
    // The report knows of the use: the role's own date may be older, or absent.
    let mut world = World::new();
    world.role().last_used_at = Some(world.ago(300));
    assert_eq!(world.detached(), QUEUES_DETACHED);
    // The role was at work an hour ago, and the report does not say yet with what.
    world.report("role/app", &[("s3", Some(100)), ("sqs", None)]);
    world.role().last_used_at = Some(world.now - TimeDelta::hours(2));
    world.assert_kept_by("E11");
    // Weeks ago: the report had time enough, so that use was of something else; but the role is not idle.
    world.role().last_used_at = Some(world.ago(20));
    world.add_inline(&allow(r#""s3:*""#));
    assert_eq!(
        world.detached(),
        ["violation role/app Queues", "violation role/app Storage"]
    );
    world.role().last_used_at = None;
    world.assert_kept_by("P5");
}
