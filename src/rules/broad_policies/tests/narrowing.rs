//! The narrower policy: what is dropped, what is kept, and when there is none. Named after the rules of evidence.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::*;
use crate::inventory::Granularity;
use crate::model::{History, Observation};
use crate::rules::unused_permissions::Catalogue;

/// Rows for every service that the catalogue knows, never used, save those given here with days before now.
fn full<'r>(used: &[(&'r str, Option<i64>)]) -> Vec<(&'r str, Option<i64>)> {
    let prefixes = Catalogue::compiled_in().prefixes();
    let rest = prefixes.filter(|prefix| used.iter().all(|(name, _)| name != prefix));
    used.iter()
        .copied()
        .chain(rest.map(|prefix| (prefix, None)))
        .collect()
}

/// A role `app` that carries this policy, with this report.
pub(super) fn carried(document: &str, rows: &[(&str, Option<i64>)]) -> World {
    let mut world = world();
    world.add_role("app");
    world.attach("role/app", "Wide", document);
    world.report("role/app", rows);
    world
}

fn evidence(world: &World, key: &str) -> Value {
    let found = findings(world);
    let of_policy = found
        .iter()
        .find(|finding| finding.evidence.contains_key("attached_to"));
    of_policy
        .unwrap()
        .evidence
        .get(key)
        .cloned()
        .unwrap_or(Value::Null)
}

fn narrowed_text(world: &World) -> Option<String> {
    evidence(world, "narrowed_policy").as_str().map(str::to_owned)
}

pub(super) fn narrowed(world: &World) -> Value {
    narrowed_text(world).map_or(Value::Null, |text| serde_json::from_str(&text).unwrap())
}

fn why_not(world: &World) -> String {
    assert_eq!(narrowed(world), Value::Null);
    evidence(world, "no_narrowed_policy").as_str().unwrap().to_owned()
}

fn actions(world: &World, statement: usize) -> Vec<String> {
    let document = narrowed(world);
    let actions = document["Statement"][statement]["Action"].as_array().unwrap();
    actions
        .iter()
        .map(|action| action.as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a2_everything_becomes_what_is_in_use() {
    let world = carried(
        &allow(EVERYTHING),
        &full(&[("sqs", Some(1)), ("xray", Some(89)), ("sns", Some(91))]),
    );
    let document = narrowed(&world);
    let kms = [
        "CreateGrant",
        "Decrypt",
        "DescribeKey",
        "Encrypt",
        "GenerateDataKey",
        "GenerateDataKeyPair",
        "GenerateDataKeyWithoutPlaintext",
        "ReEncryptFrom",
        "ReEncryptTo",
    ];
    let kms = kms.map(|action| format!("kms:{action}"));
    let mut expected = vec!["iam:PassRole".to_owned()];
    expected.extend(kms);
    expected.extend(["sqs:*".to_owned(), "xray:*".to_owned()]);
    assert_eq!(
        document,
        json!({
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": expected, "Resource": "*"}],
        })
    );
    let narrowing = evidence(&world, "narrowing");
    assert_eq!(narrowing["in_use"].as_object().unwrap().len(), 2);
    assert_eq!(
        narrowing["dropped_services"]["sns"],
        json!(world.ago(91)),
        "{narrowing}"
    );
    assert_eq!(narrowing["dropped_services"]["ec2"], Value::Null);
    assert_eq!(narrowing["kept_without_evidence"], json!([]));
}

#[test]
fn a1_an_action_is_dropped_where_aws_tracks_it_and_nobody_used_it() {
    let document =
        allow(r#"["sqs:*","s3:CreateBucket","S3:deletebucket","s3:GetObject","s3:PutBucketPolicy"]"#);
    let mut world = carried(&document, &[("sqs", Some(1)), ("s3", Some(1))]);
    assert!(why_not(&world).contains("nothing that it grants is proven unused"));
    let (used, long_ago) = (world.ago(3), world.ago(91));
    world.edit_report("role/app", |report| {
        let s3 = report.services.get_mut("s3").unwrap();
        s3.tracked_actions = [
            ("createbucket".to_owned(), Some(used)),
            ("deletebucket".to_owned(), None),
            ("putbucketpolicy".to_owned(), Some(long_ago)),
        ]
        .into();
        let sqs = report.services.get_mut("sqs").unwrap();
        sqs.tracked_actions = [("createqueue".to_owned(), None)].into();
    });
    assert_eq!(actions(&world, 0), ["sqs:*", "s3:CreateBucket", "s3:GetObject"]);
    assert_eq!(
        evidence(&world, "narrowing")["dropped_actions"],
        json!({"s3:PutBucketPolicy": long_ago, "s3:deletebucket": null})
    );
}

#[test]
fn a3_the_wildcard_of_a_service_in_use_stays() {
    let world = carried(
        &allow(r#"["sqs:*","s3:*","xray:Get*"]"#),
        &[("sqs", Some(1)), ("s3", None), ("xray", None)],
    );
    assert_eq!(actions(&world, 0), ["sqs:*"]);
}

#[test]
fn a4_what_loses_nothing_stays_as_it_is_and_what_loses_all_goes() {
    let document = r#"{"Id":"x","Version":"2008-10-17","Statement":[
        {"Sid":"Keep","Effect":"Allow","Action":"sqs:*","Resource":["*"],"Condition":{"StringEquals":{"aws:RequestedRegion":["eu-west-1"]}}},
        {"Sid":"Cut","Effect":"Allow","Action":["SQS:SendMessage","s3:*"],"Resource":"arn:aws:s3:::b/*","Condition":{"Bool":{"aws:SecureTransport":true}}},
        {"Sid":"Go","Effect":"Allow","Action":"xray:*","NotResource":"arn:aws:s3:::c"}]}"#;
    let world = carried(document, &[("sqs", Some(1)), ("s3", None), ("xray", None)]);
    let before: Value = serde_json::from_str(document).unwrap();
    let after = narrowed(&world);
    assert_eq!(
        (&after["Id"], &after["Version"]),
        (&before["Id"], &before["Version"])
    );
    assert_eq!(after["Statement"].as_array().unwrap().len(), 2);
    assert_eq!(after["Statement"][0], before["Statement"][0]);
    let mut cut = before["Statement"][1].clone();
    cut["Action"] = json!(["SQS:SendMessage"]);
    assert_eq!(after["Statement"][1], cut, "resource and condition are unchanged");
}

#[test]
fn a5_what_is_too_long_is_not_proposed() {
    let buckets: Vec<_> = (0..400).map(|n| format!("arn:aws:s3:::bucket-{n}/*")).collect();
    let document = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["sqs:*", "xray:*"], "Resource": "*"},
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": buckets},
    ]});
    let world = carried(
        &document.to_string(),
        &[("sqs", Some(1)), ("s3", Some(1)), ("xray", None)],
    );
    let why = why_not(&world);
    assert!(why.contains("more than the 6144"), "{why}");
    assert_eq!(
        evidence(&world, "narrowing")["dropped_services"],
        json!({"xray": null})
    );
}

#[test]
fn a5_where_a_list_is_too_long_everything_but_the_unused_is_proposed() {
    let document = r#"{"Statement":{"Sid":"All","Effect":"Allow","Action":["*","xray:NoSuchAction","ec2:RunInstances"],"Resource":"*"}}"#;
    let rows = [
        ("s3", Some(1)),
        ("sqs", None),
        ("kms", None),
        ("ec2", None),
        ("xray", None),
    ];
    let world = carried(document, &rows);
    let after = narrowed(&world);
    assert_eq!(
        after["Statement"][0],
        json!({"Sid": "All", "Effect": "Allow", "NotAction": ["ec2:*", "kms:*", "sqs:*", "xray:*"], "Resource": "*"})
    );
    let left = actions(&world, 1);
    for kept in ["kms:Decrypt", "xray:NoSuchAction"] {
        assert!(left.contains(&kept.to_owned()), "{left:?}");
    }
    assert!(!left.contains(&"ec2:RunInstances".to_owned()));
    assert_eq!(after["Statement"][1]["Sid"], Value::Null);
    assert!(findings(&world)[0].detail.contains("the other way round"));
}

#[test]
fn a7_all_who_carry_it_count() {
    let mut world = carried(
        &allow(r#"["sqs:*","s3:*","xray:*"]"#),
        &[("sqs", Some(1)), ("s3", None), ("xray", None)],
    );
    world.add_group("team");
    world.add_user("ann", &["team"]);
    world.add_user("bob", &["team"]);
    world.attach("group/team", "Wide", &allow(r#"["sqs:*","s3:*","xray:*"]"#));
    assert!(
        why_not(&world).contains("Access Advisor was not asked"),
        "{}",
        why_not(&world)
    );
    for holder in ["group/team", "user/ann"] {
        world.report(holder, &[("sqs", None), ("s3", None), ("xray", None)]);
    }
    assert!(why_not(&world).contains("the member bob"), "{}", why_not(&world));
    world.report("user/bob", &[("sqs", None), ("s3", Some(5)), ("xray", None)]);
    assert_eq!(actions(&world, 0), ["sqs:*", "s3:*"]);
}

#[test]
fn d2_deny_statements_stay_as_they_are() {
    let deny = r#"{"Resource":"*","Action":["xray:*","s3:delete*"],"Effect":"Deny","Sid":"No"}"#;
    let document = format!(
        r#"{{"Statement":[{{"Effect":"Allow","Action":["sqs:*","xray:*"],"Resource":"*"}},{deny}]}}"#
    );
    // A Deny hides its service from the report: then nobody can say.
    let world = carried(&document, &[("sqs", Some(1))]);
    assert!(why_not(&world).contains("nothing that it grants is proven unused"));
    let world = carried(&document, &[("sqs", Some(1)), ("xray", None)]);
    let after = narrowed(&world);
    assert_eq!(
        after["Statement"][1],
        serde_json::from_str::<Value>(deny).unwrap()
    );
    assert_eq!(actions(&world, 0), ["sqs:*"]);
}

#[test]
fn d3_not_action_is_not_rewritten() {
    let document = r#"{"Statement":[{"Effect":"Allow","NotAction":"iam:*","Resource":"*"}]}"#;
    let world = carried(document, &full(&[("sqs", Some(1))]));
    assert!(why_not(&world).contains("`NotAction`"));
    let both = r#"{"Statement":[{"Effect":"Allow","NotAction":"iam:*","Resource":"*"},{"Effect":"Allow","Action":["sqs:*","xray:*"],"Resource":"*"}]}"#;
    let world = carried(both, &full(&[("sqs", Some(1))]));
    assert_eq!(narrowed(&world)["Statement"][0]["NotAction"], "iam:*");
    assert_eq!(actions(&world, 1), ["sqs:*"]);
}

#[test]
fn d7_passing_roles_is_never_dropped() {
    let world = carried(
        &allow(r#"["sqs:*","iam:PassRole","iam:CreateUser","iam:Pass*"]"#),
        &[("sqs", Some(1)), ("iam", None)],
    );
    assert_eq!(actions(&world, 0), ["sqs:*", "iam:PassRole", "iam:Pass*"]);
    let world = carried(&allow(r#"["sqs:*","iam:*"]"#), &[("sqs", Some(1)), ("iam", None)]);
    assert_eq!(actions(&world, 0), ["sqs:*", "iam:PassRole"]);
}

#[test]
fn d8_what_services_in_use_need_besides_is_kept() {
    let document = allow(r#"["s3:*","kms:*","kms:CreateKey","xray:*"]"#);
    let world = carried(&document, &[("s3", Some(1)), ("kms", None), ("xray", None)]);
    let left = actions(&world, 0);
    assert_eq!(left.first().map(String::as_str), Some("s3:*"));
    assert!(
        left.contains(&"kms:Decrypt".to_owned()) && !left.contains(&"kms:CreateKey".to_owned()),
        "{left:?}"
    );
    assert!(!left.contains(&"xray:*".to_owned()));
    // Another policy of the role uses S3: what that needs may come from this one.
    let mut world = carried(
        &allow(r#"["sqs:*","kms:*"]"#),
        &[("sqs", None), ("kms", None), ("lambda", Some(1))],
    );
    world.attach("role/app", "Code", &allow(r#""lambda:InvokeFunction""#));
    assert!(why_not(&world).contains("none of the services that it grants is in use"));
}

#[test]
fn e1_without_a_usable_report_there_is_no_proposal() {
    let mut world = carried(&allow(EVERYTHING), &full(&[("sqs", Some(1))]));
    world.lose_report("role/app");
    assert!(why_not(&world).contains("the job failed"));
    world.snapshot.last_accessed.clear();
    assert!(why_not(&world).contains("Access Advisor was not asked"));
}

#[test]
fn e2_an_old_report_is_no_evidence() {
    let mut world = carried(&allow(EVERYTHING), &full(&[("sqs", Some(1))]));
    world.edit_report("role/app", |report| report.completed_at -= TimeDelta::days(2));
    assert!(why_not(&world).contains("24 hours"));
}

#[test]
fn e4_a_service_that_the_report_is_silent_about_is_kept() {
    let rows = full(&[("sqs", Some(1))]);
    let rows: Vec<_> = rows
        .into_iter()
        .filter(|(name, _)| *name != "execute-api")
        .collect();
    let world = carried(&allow(EVERYTHING), &rows);
    assert!(actions(&world, 0).contains(&"execute-api:*".to_owned()));
    assert_eq!(
        evidence(&world, "narrowing")["kept_without_evidence"],
        json!(["execute-api:*"])
    );
}

#[test]
fn e5_what_the_catalogue_does_not_know_is_kept() {
    let world = carried(
        &allow(r#"["sqs:*","xray:*","xray:NoSuchAction","nosuch:*","nosuch:Thing"]"#),
        &[("sqs", Some(1)), ("xray", None), ("nosuch", None)],
    );
    assert_eq!(
        actions(&world, 0),
        ["sqs:*", "xray:NoSuchAction", "nosuch:*", "nosuch:Thing"]
    );
    // Everything includes what only the report knows.
    let mut rows = full(&[("sqs", Some(1))]);
    rows.push(("brand-new", Some(1)));
    assert!(actions(&carried(&allow(EVERYTHING), &rows), 0).contains(&"brand-new:*".to_owned()));
}

#[test]
fn e6_use_at_the_edge_is_use() {
    for (days, dropped) in [(90, false), (91, true), (-1, false)] {
        let world = carried(
            &allow(r#"["sqs:*","xray:*"]"#),
            &[("sqs", Some(1)), ("xray", Some(days))],
        );
        assert_eq!(narrowed(&world) != Value::Null, dropped, "{days}");
    }
}

#[test]
fn e7_everything_has_to_be_old_enough() {
    let document = allow(r#"["sqs:*","xray:*"]"#);
    let sound = || carried(&document, &[("sqs", Some(1)), ("xray", None)]);
    assert_eq!(actions(&sound(), 0), ["sqs:*"]);
    assert_eq!(
        evidence(&sound(), "narrowing")["attached_since_unknown"],
        json!(false)
    );

    let mut world = sound();
    world.role().created_at = world.ago(89);
    assert!(why_not(&world).contains("the role app is younger than 90d"));
    let mut world = sound();
    world.policy("Wide").created_at = world.ago(89);
    assert!(why_not(&world).contains("the policy Wide is younger than 90d"));
    let mut world = sound();
    let attachment = Observation::Attachment {
        principal: arn("role/app"),
        policy: policy_arn("Wide"),
    };
    world.observe(attachment, 89);
    assert!(why_not(&world).contains("the attachment of Wide"));

    let mut world = sound();
    world.history = History::default();
    assert_eq!(actions(&world, 0), ["sqs:*"], "of unknown age: said so");
    assert_eq!(
        evidence(&world, "narrowing")["attached_since_unknown"],
        json!(true)
    );
    assert!(
        findings(&world)[0]
            .detail
            .contains("this assumes 90 days at least")
    );

    let mut world = sound();
    let (young, old) = (world.ago(20), world.ago(300));
    let policy = world.policy("Wide");
    policy.versions[0].document = allow(r#""sqs:*""#);
    policy.versions[0].created_at = old;
    let mut second = policy.versions[0].clone();
    (second.id, second.created_at, second.document) = ("v2".to_owned(), young, document.clone());
    policy.versions.push(second);
    policy.default_version = "v2".to_owned();
    assert!(
        why_not(&world).contains("nothing that it grants is proven unused"),
        "X-Ray came lately"
    );

    let mut world = sound();
    world.config.rules.broad_policies.unused_for = crate::model::Span::from_days(401);
    world.role().created_at = world.ago(1000);
    assert!(why_not(&world).contains("does not look back"));
}

#[test]
fn e7_an_action_that_came_lately_is_kept() {
    let document = allow(r#"["sqs:*","s3:GetObject","s3:DeleteBucket"]"#);
    let mut world = carried(&document, &[("sqs", Some(1)), ("s3", Some(1))]);
    world.edit_report("role/app", |report| {
        report.services.get_mut("s3").unwrap().tracked_actions = [("deletebucket".to_owned(), None)].into();
    });
    assert_eq!(actions(&world, 0), ["sqs:*", "s3:GetObject"]);
    let (young, old) = (world.ago(20), world.ago(300));
    let policy = world.policy("Wide");
    policy.versions[0].document = allow(r#"["sqs:*","s3:GetObject"]"#);
    policy.versions[0].created_at = old;
    let mut second = policy.versions[0].clone();
    (second.id, second.created_at, second.document) = ("v2".to_owned(), young, document);
    policy.versions.push(second);
    policy.default_version = "v2".to_owned();
    assert!(why_not(&world).contains("nothing that it grants is proven unused"));
}

#[test]
fn e11_a_use_that_access_advisor_does_not_know_yet_leaves_it_open() {
    let mut world = carried(&allow(EVERYTHING), &full(&[("sqs", Some(30))]));
    world.role().last_used_at = Some(world.ago(0));
    assert!(why_not(&world).contains("seen at work"));
}

#[test]
fn p3_outsiders_have_a_year_and_unknown_trust_forbids_it() {
    let mut world = carried(
        &allow(r#"["sqs:*","xray:*","s3:*"]"#),
        &[("sqs", Some(1)), ("xray", Some(300)), ("s3", None)],
    );
    world.role().trust =
        r#"{"Statement":[{"Effect":"Allow","Principal":{"AWS":"999999999999"},"Action":"sts:AssumeRole"}]}"#
            .to_owned();
    for observed in world.history.observations.values_mut() {
        observed.first -= TimeDelta::days(300);
    }
    assert_eq!(actions(&world, 0), ["sqs:*", "xray:*"]);
    world.role().trust = "{}".to_owned();
    assert!(why_not(&world).contains("who may assume the role is unknown"));
}

#[test]
fn p7_other_partitions_have_no_evidence() {
    let mut world = carried(&allow(EVERYTHING), &full(&[("sqs", Some(1))]));
    world.snapshot.partition = crate::model::Partition::new("aws-us-gov");
    assert!(why_not(&world).contains("outside the partition aws"));
}

#[test]
fn p7_where_aws_may_see_no_use_there_is_no_narrower_policy() {
    let mut world = carried(&allow(EVERYTHING), &full(&[("sqs", Some(1))]));
    world.config.regions.include = vec![crate::model::Region::parse("mx-central-1").unwrap()];
    assert!(why_not(&world).contains("does not list mx-central-1"));
}

#[test]
fn d2_what_stays_is_copied_byte_for_byte() {
    let deny = r#"{"Sid":"Ж\u0436" , "Resource":"*","Effect" :"Deny", "Action":["s3:*" ],"Condition":{"NumericLessThan":{"z:b":1.50,"a:a":1e1}} }"#;
    let condition = r#"{"StringLike" : {"b":"2", "a":["1"]}}"#;
    let document = format!(
        r#"{{"Statement":[{deny} ,{{"Effect":"Allow","Action":["sqs:*","xray:*"],"Condition":{condition},"Resource":"*"}}], "Version":"2012-10-17"}}"#
    );
    let world = carried(&document, &[("sqs", Some(1)), ("xray", None), ("s3", None)]);
    let text = narrowed_text(&world).unwrap();
    assert!(text.contains(deny) && text.contains(condition), "{text}");
    assert!(!text.contains("xray"), "{text}");
}

#[test]
fn a4_of_a_policy_of_which_nothing_would_be_left_there_is_none() {
    let document = allow(r#"["iam:AttachUserPolicy"]"#);
    let mut world = carried(&document, &[("iam", Some(1))]);
    world.edit_report("role/app", |report| {
        report.services.get_mut("iam").unwrap().tracked_actions =
            [("attachuserpolicy".to_owned(), None)].into();
    });
    assert!(why_not(&world).contains("decide whether it is needed at all"));
}

#[test]
fn policies_inside_a_principal_are_narrowed_too() {
    let mut world = world();
    world.add_role("app");
    world.add_inline(&allow(r#"["sqs:*","xray:*"]"#));
    world.report("role/app", &[("sqs", Some(1)), ("xray", None)]);
    assert_eq!(actions(&world, 0), ["sqs:*"]);
    assert_eq!(
        evidence(&world, "narrowing")["attached_since_unknown"],
        json!(true)
    );
}

fn of_aws(world: &mut World, holder: &str, path: &str, document: &str) {
    let name = path.rsplit('/').next().unwrap();
    world.attach(holder, name, document);
    let arn = Arn::parse(&format!("arn:aws:iam::aws:policy/{path}")).unwrap();
    let mut policy = world.authorization.policies.remove(&policy_arn(name)).unwrap();
    policy.arn = arn.clone();
    world.authorization.policies.insert(arn.clone(), policy);
    world.role().attached.last_mut().unwrap().arn = arn.clone();
    let attachment = Observation::Attachment {
        principal: crate::rules::unused_permissions::tests::arn(holder),
        policy: arn,
    };
    world.observe(attachment, 200);
}

#[test]
fn policies_of_aws_that_are_used_in_part_are_low() {
    let mut world = world();
    world.add_role("app");
    let document = allow(r#"["sqs:SendMessage","xray:Put*","ec2:Describe*"]"#);
    of_aws(&mut world, "role/app", "Some", &document);
    of_aws(&mut world, "role/app", "service-role/Other", &document);
    world.report("role/app", &[("sqs", Some(1)), ("xray", None), ("ec2", None)]);
    insta::assert_snapshot!(said(&world).join("\n"), @r#"
    low violation policy/Some: of the policy Some 2 of 3 services are not used
    "#);
    assert_eq!(actions(&world, 0), ["sqs:SendMessage"]);
    world.edit_report("role/app", |report| {
        report.services.remove("xray");
        report.services.remove("ec2");
    });
    assert_eq!(said(&world), Vec::<String>::new());
    world.lose_report("role/app");
    insta::assert_snapshot!(said(&world).join("\n"), @r#"
    low unknown root: cannot tell how much is used of 1 policy of AWS: Some
    "#);
}

#[test]
fn reports_are_asked_of_those_who_carry_what_could_be_narrowed() {
    let needed = |world: &World| {
        let ctx = Context {
            config: &world.config,
            snapshot: &world.snapshot,
            history: &world.history,
            now: world.now,
        };
        needs(&ctx, &world.authorization)
    };
    let mut world = world();
    world.add_role("app");
    world.add_role("tidy");
    world.add_role("open");
    world.add_role("young").created_at = world.now - TimeDelta::days(3);
    world.add_group("team");
    world.add_user("ann", &["team"]);
    world.attach("role/app", "Wide", &allow(r#""s3:*""#));
    world.attach(
        "group/team",
        "Literal",
        &allow(r#"["s3:*","iam:CreateAccessKey"]"#),
    );
    world.attach("role/tidy", "Tidy", &allow(r#""s3:GetObject""#));
    world.attach("role/young", "Young", &allow(EVERYTHING));
    let open = r#"{"Statement":[{"Effect":"Allow","NotAction":"iam:*","Resource":"*"}]}"#;
    world.attach("role/open", "Open", open);
    let expected = [
        (arn("group/team"), Granularity::Action),
        (arn("role/app"), Granularity::Service),
        (arn("user/ann"), Granularity::Action),
    ];
    assert_eq!(needed(&world), expected.into());
    world.config.guardrails.protected = vec![Glob::new("role/app"), Glob::new("user/ann")];
    assert!(needed(&world).is_empty());
    world.config.guardrails.protected.clear();
    world.config.rules.broad_policies.mode = Mode::Off;
    assert!(needed(&world).is_empty());
}

#[test]
fn what_people_read_of_it() {
    let mut world = carried(
        &allow(r#"["sqs:*","xray:*","s3:*"]"#),
        &[("sqs", Some(1)), ("xray", None)],
    );
    of_aws(&mut world, "role/app", "Admin", &allow(EVERYTHING));
    world.history = History::default();
    let words = findings(&world).into_iter().map(|finding| {
        let id = finding.id.to_string();
        format!("{}\n{}\n", finding.title, finding.detail.replace(&id, "ID"))
    });
    insta::assert_snapshot!(words.collect::<String>(), @r#"
    the policy Wide allows s3:*, sqs:*, xray:* on everything
    It allows every action of a service on every resource (s3:*, sqs:*, xray:*). It is carried by the role app. Within 90 days 1 service of it was used (Amazon SQS), 1 not, by what Access Advisor says of all who carry it. It is silent about s3:*, which the narrowed policy keeps. Nobody knows for how long it has been carried: this assumes 90 days at least. To mend it: take the narrowed policy out of the plan and read it (`iamwarden plan --rule broad_policies --format json | jq -r '.findings[] | select(.id == "ID").evidence.narrowed_policy' > narrowed.json`), then make it the policy's next version (`aws iam create-policy-version --policy-arn arn:aws:iam::123456789012:policy/Wide --policy-document file://narrowed.json --set-as-default`); the version before stays, for going back.
    the policy Admin allows everything on everything
    Whoever carries it can do anything in the account, and give that to others. It is carried by the role app. Within 90 days 1 service of it was used (Amazon SQS), 1 not, by what Access Advisor says of all who carry it. It is silent about a2c:*, a4b:*, access-analyzer:*, account-access:*, and 451 more, which the narrowed policy keeps. A list of all that stays would be too long, so it is written the other way round, as everything but what is proven unused. Nobody knows for how long it has been carried: this assumes 90 days at least. To mend it: take the narrowed policy out of the plan and read it (`iamwarden plan --rule broad_policies --format json | jq -r '.findings[] | select(.id == "ID").evidence.narrowed_policy' > narrowed.json`), make it a policy of your own (`aws iam create-policy --policy-name Admin-narrowed --policy-document file://narrowed.json`), attach that wherever this one is (`aws iam attach-role-policy --role-name app`), and only then detach this one.
    "#);
}
