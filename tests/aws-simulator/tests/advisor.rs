//! Which actions Access Advisor lists.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::collections::BTreeMap;

use common::World;

const SEED: &str = r#"
now = "2026-09-01T12:00:00Z"
frozen = true

[[accounts]]
id = "123456789012"
[accounts.advisor.tracked]
sqs = ["CreateQueue", "SendMessage"]
sms-voice = ["DescribePools"]

[[accounts.users]]
name = "observed"
inline = { own = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:GetObject","iam:GetUser","iam:PassRole","ec2:DescribeInstances"],"Resource":"*"}]}' }

[[accounts.users]]
name = "tracked"
inline = { own = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["sqs:*","sms-voice:*","kms:*"],"Resource":"*"},{"Effect":"Deny","Action":"sqs:CreateQueue","Resource":"*"}]}' }
used = { sqs = { last = "400d", actions = { SendMessage = "9d", DeleteMessage = "2d" } }, kms = { actions = { Sign = "3d" } }, sms-voice = "8d" }
[accounts.users.advisor.tracked]
kms = ["Decrypt"]

[[accounts.users]]
name = "passing"
inline = { own = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:PassRole","Resource":"*"}]}' }
"#;

/// The report on a user: services with when they were used, and their tracked actions with when they were.
fn report(world: &World, user: &str) -> BTreeMap<String, (String, Vec<(String, String)>)> {
    let arn = format!("arn:aws:iam::123456789012:user/{user}");
    let job = world.iam(
        "GenerateServiceLastAccessedDetails",
        &[("Arn", &arn), ("Granularity", "ACTION_LEVEL")],
    );
    let answer = world.iam(
        "GetServiceLastAccessedDetails",
        &[("JobId", job.text("JobId").unwrap())],
    );
    let text = |part: &str, element: &str| {
        let rest = part.split(&format!("<{element}>")).nth(1).unwrap_or("<");
        rest.split('<').next().unwrap().to_owned()
    };
    let rows = answer.body.split("<ServiceName>").skip(1);
    rows.map(|row| {
        let actions = row.split("<ActionName>").skip(1);
        let actions = actions.map(|action| {
            (
                action.split('<').next().unwrap().to_owned(),
                text(action, "LastAccessedTime"),
            )
        });
        (
            text(row, "ServiceNamespace"),
            (text(row, "LastAuthenticated"), actions.collect()),
        )
    })
    .collect()
}

#[test]
fn tracked_and_allowed_actions_are_listed_and_no_others() {
    let world = World::plant(SEED);
    let observed = report(&world, "observed");
    let names: Vec<&str> = observed.keys().map(String::as_str).collect();
    assert_eq!(names, ["ec2", "iam", "s3"]);
    assert_eq!(observed["iam"].1, [("GetUser".to_owned(), String::new())]);
    assert!(observed["ec2"].1.is_empty() && observed["s3"].1.is_empty());
    let passing = report(&world, "passing");
    assert_eq!(passing["iam"], (String::new(), Vec::new()));
}

#[test]
fn a_seed_says_which_actions_are_tracked() {
    let world = World::plant(SEED);
    let tracked = report(&world, "tracked");
    let time = |day: u32| format!("2026-08-{day}T12:00:00Z");
    assert_eq!(
        tracked["sqs"],
        (time(30), vec![("SendMessage".to_owned(), time(23))]),
        "what is untracked counts for the service alone, what is denied for nothing"
    );
    assert_eq!(
        tracked["kms"],
        (time(29), vec![("Decrypt".to_owned(), String::new())])
    );
    assert_eq!(
        tracked["sms-voice"],
        (time(24), vec![("DescribePools".to_owned(), String::new())])
    );
    assert!(!report(&world, "observed").contains_key("sms-voice"));
}

#[test]
fn services_that_are_not_known_are_refused() {
    let world = World::plant(SEED);
    let edit = |service: &str| {
        let body =
            format!(r#"{{"account": "123456789012", "user": "passing", "used": {{"{service}": "now"}}}}"#);
        world.control("POST", "edit", &body).status
    };
    assert_eq!((edit("sms-voice"), edit("nonsense")), (200, 400));
    let granting = |service: &str| {
        let arn = ("Arn", "arn:aws:iam::123456789012:user/tracked");
        let answer = world.iam(
            "ListPoliciesGrantingServiceAccess",
            &[arn, ("ServiceNamespaces.member.1", service)],
        );
        (answer.status, answer.text("PolicyName").map(str::to_owned))
    };
    assert_eq!(granting("sms-voice"), (200, Some("own".to_owned())));
    assert_eq!(granting("nonsense"), (400, None));
}
