//! D1 to D12: which policies may be detached at all.

use super::*;

#[test]
fn d1_every_service_of_every_statement_has_to_be_unused() {
    let mut world = World::new();
    world.report("role/app", &[("s3", Some(1)), ("sqs", None), ("sns", Some(5))]);
    world.set_document("Queues", &allow(r#"["sqs:*","sns:Publish"]"#));
    world.assert_silent();
    world.report("role/app", &[("s3", Some(1)), ("sqs", None), ("sns", Some(200))]);
    assert_eq!(world.detached(), QUEUES_DETACHED);
}

#[test]
fn d1_a_document_that_nobody_understands_is_kept() {
    let mut world = World::new();
    for document in [
        "",
        "{}",
        r#"{"Statement":[{"Effect":"Allow","Action":"s*:*","Resource":"*"}]}"#,
        r#"{"Statement":[{"Effect":"Allow","Action":[],"Resource":"*"}]}"#,
        r#"{"Statement":[{"Effect":"Allow","Action":"sqs:*","Resource":"*","Action":"s3:*"}]}"#,
        r#"{"Statement":[{"Effect":"Allow","Action":"sqs:*","action":"s3:*","Resource":"*"}]}"#,
        r#"{"Statement":[{"Effect":"Allow","Action":"sqs:*","Resource":"*","Comment":"s3 too"}]}"#,
        r#"{"Statement":[{"Effect":"Allow","Action":"sqs:*","Resource":"*","NotPrincipal":{"AWS":"*"}}]}"#,
        r#"{"Statement":[{"Effect":"Allow","Action":"sqs:*","NotAction":"s3:*","Resource":"*"}]}"#,
        r#"{"Statement":[{"Effect":"ALLOW","Action":"sqs:*","Resource":"*"}]}"#,
    ] {
        world.set_document("Queues", document);
        world.assert_kept_by("D1");
    }
    world.policy("Queues").versions.clear();
    world.assert_kept_by("D1");
    world.authorization.policies.remove(&policy_arn("Queues"));
    world.assert_kept_by("D1");
}

#[test]
fn d1_a_policy_that_allows_nothing_is_not_unused() {
    let mut world = World::new();
    world.set_document(
        "Queues",
        r#"{"Statement":[{"Effect":"Deny","Action":"sqs:*","Resource":"*"}]}"#,
    );
    world.assert_silent();
}

#[test]
fn d2_a_policy_that_also_denies_is_kept() {
    let mut world = World::new();
    world.set_document(
        "Queues",
        r#"{"Statement":[{"Effect":"Allow","Action":"sqs:*","Resource":"*"},
                         {"Effect":"Deny","Action":"sqs:DeleteQueue","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}"#,
    );
    world.assert_kept_by("D2");
}

#[test]
fn d3_not_action_reaches_everything_else() {
    let mut world = World::new();
    let all_but = |actions: &str| {
        format!(r#"{{"Statement":[{{"Effect":"Allow","NotAction":{actions},"Resource":"*"}}]}}"#)
    };
    world.set_document("Queues", &all_but(r#""iam:*""#));
    world.assert_silent();
    // S3 is left out in part only, so it is still reached, and used.
    world.set_document("Queues", &all_but(r#""s3:Get*""#));
    world.assert_silent();
    // All that is used is left out in full; of the rest the report does not say everything.
    world.set_document("Queues", &all_but(r#""s3:*""#));
    world.assert_kept_by("E4");
}

#[test]
fn d3_even_a_full_report_cannot_settle_what_passes_roles() {
    let mut world = World::new();
    world.set_document(
        "Queues",
        r#"{"Statement":[{"Effect":"Allow","NotAction":"s3:*","Resource":"*"}]}"#,
    );
    let prefixes: Vec<_> = super::super::catalogue::Catalogue::compiled_in()
        .prefixes()
        .collect();
    let rows: Vec<_> = prefixes.iter().map(|p| (*p, (*p == "s3").then_some(1))).collect();
    world.report("role/app", &rows);
    world.assert_kept_by("D7");
}

#[test]
fn d4_everything_is_used_where_anything_is() {
    let mut world = World::new();
    world.set_document("Queues", &allow(r#""*""#));
    world.assert_silent();
    world.report("role/app", &[("s3", None), ("sqs", None)]);
    world.assert_kept_by("P5");
}

#[test]
fn d4_every_form_of_wildcard_reaches_its_service() {
    for action in ["s3:*", "s3:Get*", "s3:?et*", "S3:**"] {
        let mut world = World::new();
        world.set_document("Queues", &allow(&format!(r#""{action}""#)));
        world.assert_silent();
    }
    for malformed in ["s*:Get", "*:Get", "s?:*"] {
        let mut world = World::new();
        world.set_document("Queues", &allow(&format!(r#""{malformed}""#)));
        world.assert_kept_by("D1");
    }
}

#[test]
fn d5_case_does_not_count() {
    let mut world = World::new();
    world.set_document("Queues", &allow(r#"["SQS:*","sqs:SENDMESSAGE"]"#));
    assert_eq!(world.detached(), QUEUES_DETACHED);
    world.set_document("Queues", &allow(r#""iam:passrole""#));
    world.report("role/app", &[("s3", Some(1)), ("iam", None)]);
    world.assert_kept_by("D7");
}

#[test]
fn d6_resources_and_conditions_make_nothing_more_unused() {
    let restricted = r#"{"Statement":[{"Effect":"Allow","Action":"s3:GetObject","NotResource":"arn:aws:s3:::used/*",
                         "Condition":{"StringEquals":{"aws:RequestedRegion":"eu-north-1"}}}]}"#;
    let mut world = World::new();
    world.set_document("Queues", restricted);
    world.assert_silent();
}

#[test]
fn d7_passing_roles_alone_is_never_detached() {
    let mut world = World::new();
    world.set_document("Queues", &allow(r#"["iam:PassRole"]"#));
    world.report("role/app", &[("sts", Some(1)), ("s3", Some(1)), ("iam", None)]);
    world.assert_kept_by("D7");
}

#[test]
fn d7_passing_roles_is_kept_where_a_service_that_takes_one_is_used() {
    for actions in [
        r#"["sqs:*","iam:PassRole"]"#,
        r#"["sqs:*","iam:P*"]"#,
        r#"["sqs:*","iam:*"]"#,
    ] {
        let mut world = World::new();
        world.set_document("Queues", &allow(actions));
        world.set_document("Storage", &allow(r#"["lambda:*","xray:*"]"#));
        let idle = [("lambda", None), ("sqs", None), ("iam", None), ("xray", Some(1))];
        let mut used = idle;
        used[0].1 = Some(5);
        world.report("role/app", &used);
        world.assert_kept_by("D7");
        // X-Ray takes no role.
        world.report("role/app", &idle);
        assert_eq!(world.detached(), QUEUES_DETACHED, "{actions}");
        // Nobody knows whether Lambda is used.
        world.report("role/app", &idle[1..]);
        world.assert_kept_by("D7");
    }
}

#[test]
fn d8_what_a_used_service_needs_besides_is_kept() {
    for (parent, dependent) in [
        ("s3", "kms:Decrypt"),
        ("lambda", "ec2:CreateNetworkInterface"),
        ("s3", "kms:*"),
    ] {
        let mut world = World::new();
        let service = dependent.split(':').next().unwrap();
        world.set_document("Storage", &allow(&format!(r#""{parent}:*""#)));
        world.set_document("Queues", &allow(&format!(r#""{dependent}""#)));
        world.report("role/app", &[(parent, Some(1)), (service, None)]);
        world.assert_kept_by("D8");
    }
    // What nobody needs besides goes.
    let mut world = World::new();
    world.set_document("Queues", &allow(r#""kms:ListAliases""#));
    world.report("role/app", &[("s3", Some(1)), ("kms", None)]);
    assert_eq!(world.detached(), QUEUES_DETACHED);
}

#[test]
fn d9_a_policy_in_use_as_a_boundary_is_kept() {
    let mut world = World::new();
    world.policy("Queues").boundary_count = 1;
    world.assert_kept_by("D9");
    let mut world = World::new();
    world.role().boundary = Some(policy_arn("Queues"));
    world.assert_kept_by("D9");
}

/// Two members of a group `team`, both in daily use of S3, and a policy `Queues` of the group that nobody uses.
fn team() -> World {
    let mut world = World::empty();
    world.add_group("team");
    world.attach("group/team", "Queues", &allow(r#""sqs:*""#));
    world.report("group/team", &[("s3", Some(1)), ("sqs", None)]);
    for name in ["ann", "bob"] {
        world.add_user(name, &["team"]);
        let holder = format!("user/{name}");
        world.attach(&holder, "Storage", &allow(r#""s3:*""#));
        world.report(&holder, &[("s3", Some(1)), ("sqs", None)]);
    }
    world
}

#[test]
fn d10_a_group_policy_is_unused_only_by_all_members() {
    let mut world = team();
    assert_eq!(world.detached(), ["violation group/team Queues"]);
    world.report("user/bob", &[("s3", Some(1)), ("sqs", Some(3))]);
    world.assert_silent();
    world.report("user/bob", &[("s3", Some(1))]);
    world.assert_kept_by("E4");
    world.lose_report("user/bob");
    assert_eq!(
        world.said(),
        ["unknown group/team (D10)", "unknown user/bob (E1)"]
    );
}

#[test]
fn d10_every_member_has_to_be_old_enough() {
    let mut world = team();
    world.user("bob").created_at = world.ago(89);
    world.assert_silent();
    let mut world = team();
    let joined = Observation::Membership {
        user: arn("user/bob"),
        group: "team".to_owned(),
    };
    world.observe(joined, 89);
    world.assert_silent();
}

#[test]
fn d10_a_group_with_other_members_since_the_plan_is_not_the_one_judged() {
    let world = team();
    let planned = world.judge().remove(0).remedy.unwrap().precondition;
    let (group, queues, document) = (arn("group/team"), policy_arn("Queues"), allow(r#""sqs:*""#));
    let (ann, bob, eve) = (arn("user/ann"), arn("user/bob"), arn("user/eve"));
    let since = world.ago(700);
    let report = &world.snapshot.last_accessed[&group];
    let live = |members: &[(&Arn, DateTime<Utc>)]| {
        let members = members.iter().map(|(arn, made)| (*arn, *made)).collect();
        let live = super::super::LiveAttachment {
            principal: &group,
            principal_created_at: since,
            members: Some(members),
            policy_arn: &queues,
            attached: &[attached("Queues")],
            version: "v1",
            document: &document,
            boundary_count: 0,
            reports: &[report],
        };
        super::super::still_unused(&live, world.now).unwrap()
    };
    assert_eq!(
        live(&[(&bob, since), (&ann, since)]),
        planned,
        "in whatever order"
    );
    assert_ne!(
        live(&[(&ann, since), (&bob, since), (&eve, since)]),
        planned,
        "one joined"
    );
    assert_ne!(live(&[(&ann, since)]), planned, "one left");
    assert_ne!(
        live(&[(&ann, since), (&bob, world.now)]),
        planned,
        "a namesake joined"
    );
}

#[test]
fn d10_an_empty_group_is_left_alone() {
    let mut world = World::empty();
    world.add_group("team");
    world.attach("group/team", "Queues", &allow(r#""sqs:*""#));
    world.report("group/team", &[("sqs", None)]);
    world.assert_silent();
}

#[test]
fn d10_a_member_who_is_to_be_left_alone_is_enough() {
    for name in ["warden", "break-glass-1"] {
        let mut world = team();
        world.add_user(name, &["team"]);
        let rows = [("s3", Some(1)), ("sqs", None)];
        world.report(&format!("user/{name}"), &rows);
        assert_eq!(world.said(), ["exempt group/team Queues"]);
    }
}

#[test]
fn d10_a_group_of_idle_members_is_a_warning() {
    let mut world = team();
    for holder in ["group/team", "user/ann", "user/bob"] {
        world.report(holder, &[("s3", None), ("sqs", None)]);
    }
    assert_eq!(world.detached(), Vec::<String>::new());
    assert!(world.said().contains(&"warning group/team (P5)".to_owned()));
}

#[test]
fn d11_two_policies_with_the_same_used_service_are_both_used() {
    let mut world = World::new();
    world.set_document("Queues", &allow(r#""s3:ListBucket""#));
    world.assert_silent();
}

#[test]
fn d12_the_last_policies_of_a_used_principal_are_kept() {
    let mut world = World::new();
    world.role().attached.retain(|policy| policy.name == "Queues");
    world.report("role/app", &[("sqs", None), ("s3", Some(1))]);
    world.assert_kept_by("D12");
    world.add_inline(&allow(r#""s3:*""#));
    assert_eq!(world.detached(), QUEUES_DETACHED);
}

#[test]
fn d12_a_doubt_about_one_policy_does_not_free_another() {
    let mut world = World::new();
    world.set_document("Storage", &allow(r#""sns:*""#));
    world.report("role/app", &[("s3", Some(1)), ("sqs", None), ("sns", None)]);
    let rules = |world: &World| -> Vec<_> {
        let judgements = world.judge();
        assert!(judgements.iter().all(|judgement| judgement.remedy.is_none()));
        judgements
            .iter()
            .map(|j| j.finding.evidence["kept_by"].clone())
            .collect()
    };
    assert_eq!(rules(&world), ["D12", "D12"]);
    world.policy("Storage").boundary_count = 1;
    let mut mixed: Vec<_> = rules(&world).iter().map(ToString::to_string).collect();
    mixed.sort();
    assert_eq!(mixed, [r#""D12""#, r#""D9""#]);
}

#[test]
fn d12_what_a_group_gives_counts() {
    let mut world = team();
    world.user("bob").attached.clear();
    world.assert_kept_by("D12");
    world.add_group("more").inline.push(InlinePolicy {
        name: "inline".to_owned(),
        document: allow(r#""s3:*""#),
    });
    world.user("bob").groups.push("more".to_owned());
    assert_eq!(world.detached(), ["violation group/team Queues"]);
}

#[test]
fn d12_its_own_principal_is_left_alone() {
    let mut world = World::new();
    world.snapshot.caller.identities.push("role/App".to_owned());
    assert_eq!(world.said(), ["exempt role/app Queues"]);
}
