//! What is read for the rule, what is remembered of it, and what is asked once more right before the call.

use std::collections::BTreeSet;

use super::super::{LiveAttachment, RecheckError, needs, observations, still_unused, unused_attachments};
use super::*;

fn needed(world: &World) -> Vec<String> {
    let ctx = Context {
        config: &world.config,
        snapshot: &world.snapshot,
        history: &world.history,
        now: world.now,
    };
    let found = needs(&ctx, &world.authorization);
    found.iter().map(|arn| arn.resource().to_owned()).collect()
}

#[test]
fn reports_are_asked_only_of_whom_they_could_matter() {
    let mut world = World::new();
    assert_eq!(needed(&world), ["role/app"]);
    world.add_role("aws-service-role/x.amazonaws.com/AWSServiceRoleForX");
    world.add_role("young").created_at = world.now - TimeDelta::days(3);
    world.add_role("bare");
    world.add_role("denies");
    world.add_user("warden", &[]);
    world.add_user("break-glass-1", &[]);
    world.add_group("empty");
    world.add_group("team");
    world.add_user("ann", &["team"]);
    for holder in [
        "role/young",
        "user/warden",
        "user/break-glass-1",
        "group/empty",
        "group/team",
    ] {
        world.attach(holder, "Queues", &allow(r#""sqs:*""#));
    }
    let denies = r#"{"Statement":[{"Effect":"Allow","Action":"sqs:*","Resource":"*"},{"Effect":"Deny","Action":"s3:*","Resource":"*"}]}"#;
    world.attach("role/denies", "Denies", denies);
    assert_eq!(needed(&world), ["group/team", "role/app", "user/ann"]);
    world.snapshot.last_accessed.clear();
    assert_eq!(
        world.said(),
        ["unknown group/team (E1)", "unknown role/app (E1)"],
        "and only these are missed"
    );
    world.snapshot.partition = Partition::new("aws-us-gov");
    assert_eq!(needed(&world), Vec::<String>::new());
}

#[test]
fn a_rule_that_is_off_needs_nothing() {
    let mut world = World::new();
    world.config.rules.unused_permissions.mode = Mode::Off;
    assert_eq!(needed(&world), Vec::<String>::new());
}

#[test]
fn a_reading_is_remembered_with_the_account_itself() {
    let mut world = World::new();
    world.add_group("team");
    world.add_user("ann", &["Team"]);
    world.snapshot.authorization = Reading::Known(world.authorization.clone());
    let (attachments, memberships) = observations(&world.snapshot).unwrap();
    let of = |policy: &str| Observation::Attachment {
        principal: arn("role/app"),
        policy: policy_arn(policy),
    };
    assert_eq!(attachments, BTreeSet::from([of("Storage"), of("Queues")]));
    let member = |user: &str, group: &str| Observation::Membership {
        user: arn(user),
        group: group.to_owned(),
    };
    assert_eq!(
        memberships,
        BTreeSet::from([member("root", ""), member("user/ann", "team")])
    );
    world.lose_report("role/app");
    let gap = match world.snapshot.last_accessed.remove(&arn("role/app")) {
        Some(Reading::Unknown(gap)) => gap,
        Some(Reading::Known(_)) | None => panic!("it was lost"),
    };
    world.snapshot.authorization = Reading::Unknown(gap);
    assert_eq!(
        observations(&world.snapshot),
        None,
        "what was not read has not ended"
    );
}

#[test]
fn what_is_unused_is_remembered_so() {
    let unused = unused_attachments(&World::new().judge());
    let expected = Observation::UnusedAttachment {
        principal: arn("role/app"),
        policy: policy_arn("Queues"),
    };
    assert_eq!(unused, BTreeSet::from([expected]));
}

/// What AWS says live of the one unused attachment, changed by a test.
struct Live {
    created_at: DateTime<Utc>,
    members: Option<Vec<(&'static Arn, DateTime<Utc>)>>,
    attached: Vec<AttachedPolicy>,
    version: &'static str,
    document: String,
    boundary_count: u32,
    reports: Vec<Reading<ServiceLastAccessed>>,
}

impl Live {
    fn of(world: &World) -> Self {
        Self {
            created_at: world.ago(700),
            members: None,
            attached: vec![attached("Storage"), attached("Queues")],
            version: "v1",
            // The same document, spaced differently.
            document: allow(r#" "sqs:*" "#),
            boundary_count: 0,
            reports: vec![world.snapshot.last_accessed[&arn("role/app")].clone()],
        }
    }

    fn recheck(&self, world: &World) -> Result<crate::model::Precondition, RecheckError> {
        let reports: Vec<_> = self.reports.iter().collect();
        let live = LiveAttachment {
            principal: &arn("role/app"),
            principal_created_at: self.created_at,
            members: self.members.clone(),
            policy_arn: &policy_arn("Queues"),
            attached: &self.attached,
            version: self.version,
            document: &self.document,
            boundary_count: self.boundary_count,
            reports: &reports,
        };
        still_unused(&live, world.now)
    }
}

#[test]
fn w2_an_unchanged_world_gives_the_planned_precondition() {
    let world = World::new();
    let planned = world.judge().remove(0).remedy.unwrap().precondition;
    assert_eq!(Live::of(&world).recheck(&world).unwrap(), planned);
}

#[test]
fn w2_use_edits_versions_and_namesakes_since_the_plan_give_another_precondition() {
    let mut world = World::new();
    let planned = world.judge().remove(0).remedy.unwrap().precondition;
    let live = Live {
        version: "v2",
        ..Live::of(&world)
    };
    assert_ne!(live.recheck(&world).unwrap(), planned);
    let live = Live {
        document: allow(r#""sqs:Get*""#),
        ..Live::of(&world)
    };
    assert_ne!(live.recheck(&world).unwrap(), planned);
    let live = Live {
        created_at: world.now,
        ..Live::of(&world)
    };
    assert_ne!(
        live.recheck(&world).unwrap(),
        planned,
        "deleted and made anew under the same name"
    );
    world.report("role/app", &[("s3", Some(1)), ("sqs", Some(0))]);
    assert_ne!(Live::of(&world).recheck(&world).unwrap(), planned);
}

#[test]
fn w2_a_world_that_moved_or_hides_is_refused() {
    let mut world = World::new();
    let stale = |live: Live| match live.recheck(&World::new()) {
        Err(error @ RecheckError::Stale { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    };
    let unknown = |live: Live| match live.recheck(&World::new()) {
        Err(error @ RecheckError::Unknown { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    };
    insta::assert_snapshot!(stale(Live { attached: vec![attached("Storage")], ..Live::of(&world) }), @"arn:aws:iam::123456789012:policy/Queues of arn:aws:iam::123456789012:role/app cannot be detached any more: it is not attached; make a new plan");
    stale(Live {
        boundary_count: 1,
        ..Live::of(&world)
    });
    unknown(Live {
        document: "{}".to_owned(),
        ..Live::of(&world)
    });
    unknown(Live {
        document: allow(r#""sqs:NoSuchAction""#),
        ..Live::of(&world)
    });
    unknown(Live {
        reports: Vec::new(),
        ..Live::of(&world)
    });
    world.edit_report("role/app", |report| report.completed_at -= TimeDelta::days(2));
    unknown(Live::of(&world));
    world.report("role/app", &[("s3", Some(1))]);
    insta::assert_snapshot!(unknown(Live::of(&world)), @"it is unknown whether arn:aws:iam::123456789012:policy/Queues of arn:aws:iam::123456789012:role/app is still unused: the report of Access Advisor has no row for sqs; the next run tries again");
    world.lose_report("role/app");
    unknown(Live::of(&world));
}
