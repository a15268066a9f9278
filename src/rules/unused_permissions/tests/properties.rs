//! What holds of any account: doubt never leads to a detachment, order does not count, a Deny is never detached.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const SERVICES: [&str; 9] = [
    "s3", "sqs", "sns", "lambda", "dynamodb", "xray", "kms", "iam", "ec2",
];
const ACTIONS: [&str; 13] = [
    "s3:*",
    "sqs:*",
    "sns:Publish",
    "lambda:Get*",
    "dynamodb:*",
    "xray:*",
    "kms:Decrypt",
    "iam:PassRole",
    "iam:*",
    "ec2:Create*",
    "*",
    "nosuch:*",
    "s3:NoSuchAction",
];

/// One policy: its actions, whether it also denies, whether it is written as `NotAction`, for how many days it has been seen.
type Grant = (Vec<usize>, bool, bool, i64);

fn grants() -> impl Strategy<Value = Vec<Grant>> {
    // Most policies are such that only evidence decides, or the properties would hold of nothing.
    let action = prop_oneof![9 => 0..6usize, 1 => 6..ACTIONS.len()];
    let one = (
        prop::collection::vec(action, 1..3),
        prop::bool::weighted(0.08),
        prop::bool::weighted(0.05),
        prop::sample::select(vec![5i64, 50, 150, 150, 150, 150, 300, 300]),
    );
    prop::collection::vec(one, 1..5)
}

fn rows() -> impl Strategy<Value = Vec<Option<Option<i64>>>> {
    let row = prop_oneof![
        1 => Just(None),
        9 => Just(Some(None)),
        4 => (0i64..200).prop_map(|days| Some(Some(days))),
    ];
    prop::collection::vec(row, SERVICES.len())
}

fn document((actions, denies, all_but, _): &Grant) -> String {
    let actions: Vec<_> = actions.iter().map(|n| format!(r#""{}""#, ACTIONS[*n])).collect();
    let key = if *all_but { "NotAction" } else { "Action" };
    let deny = if *denies {
        r#",{"Effect":"Deny","Action":"s3:Put*","Resource":"*"}"#
    } else {
        ""
    };
    format!(
        r#"{{"Statement":[{{"Effect":"Allow","{key}":[{}],"Resource":"*"}}{deny}]}}"#,
        actions.join(",")
    )
}

/// A role and a user in a group, holding the same policies in part.
fn world(grants: &[Grant], rows: &[Option<Option<i64>>], trust_existing: bool) -> World {
    let mut world = World::empty();
    world.config.rules.unused_permissions.trust_existing = trust_existing;
    world.add_role("app");
    world.add_group("team");
    world.add_user("ann", &["team"]);
    let rows: Vec<_> = SERVICES
        .iter()
        .zip(rows)
        .filter_map(|(service, row)| row.map(|last| (*service, last)))
        .collect();
    for holder in ["role/app", "group/team", "user/ann"] {
        world.report(holder, &rows);
    }
    for (n, grant) in grants.iter().enumerate() {
        for holder in ["role/app", if n % 2 == 0 { "group/team" } else { "user/ann" }] {
            let name = format!("P{n}");
            world.attach(holder, &name, &document(grant));
            let (principal, policy) = (arn(holder), policy_arn(&name));
            world.observe(Observation::Attachment { principal, policy }, grant.3);
        }
    }
    world
}

/// Makes the world harder to know in one way.
fn add_doubt(world: &mut World, kind: usize, pick: usize) {
    let holder = ["role/app", "group/team", "user/ann"][pick % 3];
    let name = format!("P{}", pick % world.authorization.policies.len());
    let document = world.policy(&name).versions[0].document.clone();
    match kind {
        0 => world.lose_report(holder),
        1 => drop(world.snapshot.last_accessed.remove(&arn(holder))),
        2 => world.edit_report(holder, |report| report.completed_at -= TimeDelta::days(2)),
        3 => world.edit_report(holder, |report| {
            let gone = report.services.keys().nth(pick % SERVICES.len()).cloned();
            report
                .services
                .retain(|service, _| Some(service) != gone.as_ref());
        }),
        4 => world.set_document(&name, "not JSON"),
        5 => world.set_document(
            &name,
            &document.replace(
                r#""Resource":"*"}"#,
                r#""Resource":"*"},{"Effect":"Allow","Action":"nosuch:Thing","Resource":"*"}"#,
            ),
        ),
        6 => drop(world.authorization.policies.remove(&policy_arn(&name))),
        7 => world.role().created_at = world.now - TimeDelta::days(30),
        8 => world.policy(&name).boundary_count = 1,
        9 => {
            let what = Observation::Attachment {
                principal: arn(holder),
                policy: policy_arn(&name),
            };
            world.history.observations.remove(&what);
        }
        10 => world.role().trust = "{}".to_owned(),
        11 => world.user("ann").groups.push("unheard-of".to_owned()),
        12 => world.add_inline("not JSON"),
        _ => drop(world.history.observations.remove(&Observation::Membership {
            user: arn("user/ann"),
            group: "team".to_owned(),
        })),
    }
}

fn detached(world: &World) -> BTreeSet<String> {
    world.detached().into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn added_doubt_never_turns_keep_into_detach(
        grants in grants(), rows in rows(), trust in any::<bool>(), kind in 0usize..14, pick in 0usize..60,
    ) {
        let before = world(&grants, &rows, trust);
        let mut after = before.clone();
        add_doubt(&mut after, kind, pick);
        let (before, after) = (detached(&before), detached(&after));
        prop_assert!(after.is_subset(&before), "doubt {kind} adds {:?}", after.difference(&before));
    }

    #[test]
    fn order_does_not_count(grants in grants(), rows in rows(), trust in any::<bool>(), seed in any::<u64>()) {
        let world = world(&grants, &rows, trust);
        let mut shuffled = world.clone();
        let turn = usize::try_from(seed % 7).unwrap_or(0);
        let role = shuffled.role();
        let by = turn % role.attached.len().max(1);
        role.attached.rotate_left(by);
        role.attached.reverse();
        for policy in shuffled.authorization.policies.values_mut() {
            policy.versions.reverse();
        }
        shuffled.authorization.users.reverse();
        let sorted = |world: &World| world.judge().into_iter().map(|mut judgement| {
            // Lists of what a principal holds follow the order of AWS.
            judgement.finding.evidence.remove("policies");
            judgement
        }).collect::<Vec<_>>();
        prop_assert_eq!(sorted(&world), sorted(&shuffled));
    }

    #[test]
    fn a_policy_with_a_deny_is_never_detached(grants in grants(), rows in rows(), trust in any::<bool>()) {
        let detached = detached(&world(&grants, &rows, trust));
        for (n, (_, denies, _, _)) in grants.iter().enumerate() {
            let name = format!(" P{n}");
            prop_assert!(!denies || !detached.iter().any(|text| text.ends_with(&name)));
        }
    }

    #[test]
    fn what_was_used_within_the_window_is_never_detached(grants in grants(), rows in rows(), trust in any::<bool>()) {
        let world = world(&grants, &rows, trust);
        let start = world.ago(90);
        for judgement in world.judge().iter().filter(|judgement| judgement.remedy.is_some()) {
            let services = judgement.finding.evidence["services"].as_object().unwrap();
            for row in services.values() {
                if let Some(last) = row["last_used"].as_str() {
                    prop_assert!(at(last) < start);
                }
            }
        }
    }
}

#[test]
fn the_generated_accounts_do_have_something_to_detach() {
    // Else the properties above would hold of nothing.
    let world = world(
        &[(vec![0], false, false, 300), (vec![1], false, false, 300)],
        &[Some(Some(1)), Some(None)],
        false,
    );
    assert_eq!(detached(&world).len(), 2);
}
