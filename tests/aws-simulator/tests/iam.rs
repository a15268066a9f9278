//! What the operations of IAM do, the credential report and Access Advisor included.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use aws_simulator::{AdvisorSeed, Edit, ReportSeed, When};
use base64::Engine;
use chrono::TimeDelta;
use common::{ACCOUNT, Answer, Signer, World};

const SEED: &str = r#"
now = "2026-09-01T12:00:00Z"
frozen = true

[[accounts]]
id = "123456789012"
[[accounts.callers]]
access_key_id = "AKIA123456789012CALL"
acts_as = "assumed-role/hub/one"
[[accounts.callers]]
access_key_id = "AKIA123456789012NEXT"
acts_as = "assumed-role/hub/two"

[accounts.password_policy]
minimum_password_length = 14
require_symbols = true
max_password_age = 90
password_reuse_prevention = 24

[[accounts.policies]]
name = "two-services"
document = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*","iam:GetUser","iam:PassRole"],"Resource":"*"}]}'

[[accounts.users]]
name = "ada"
age = "500d"
password = { last_used = "3d", last_changed = "40d" }
mfa = true
groups = ["staff"]
attached = ["two-services"]
keys = [{ id = "AKIAADA0000000000001", age = "120d", last_used = "2d" }, { id = "AKIAADA0000000000002", age = "9d", status = "Inactive" }]
used = { s3 = { last = "2d", region = "eu-west-1", actions = { ListAllMyBuckets = "4d" } }, sqs = "7d" }

[[accounts.users]]
name = "bob"
groups = ["staff"]
used = { sqs = "30d", sns = "500d" }

[[accounts.groups]]
name = "staff"
attached = ["AmazonSQSFullAccess", "AmazonSNSFullAccess"]

[[accounts.roles]]
name = "AWSServiceRoleForSupport"
path = "/aws-service-role/support.amazonaws.com/"
assumed_by = ["support.amazonaws.com"]
attached = ["AWSSupportServiceRolePolicy"]
"#;

const SQS: &str = "arn:aws:iam::aws:policy/AmazonSQSFullAccess";

#[test]
fn the_password_policy_is_replaced_as_a_whole() {
    let world = World::plant(SEED);
    assert_eq!(
        world
            .iam("UpdateAccountPasswordPolicy", &[("RequireNumbers", "true")])
            .status,
        200
    );
    let policy = world.iam("GetAccountPasswordPolicy", &[]);
    assert_eq!(policy.text("MinimumPasswordLength"), Some("6"));
    assert_eq!(
        (policy.text("RequireSymbols"), policy.text("RequireNumbers")),
        (Some("false"), Some("true"))
    );
    assert_eq!(
        (policy.text("MaxPasswordAge"), policy.text("ExpirePasswords")),
        (None, Some("false"))
    );
    let refused = [
        ("MaxPasswordAge", "0"),
        ("MaxPasswordAge", "1096"),
        ("PasswordReusePrevention", "0"),
        ("PasswordReusePrevention", "25"),
        ("MinimumPasswordLength", "5"),
        ("MinimumPasswordLength", "129"),
    ];
    for parameter in refused {
        let answer = world.iam("UpdateAccountPasswordPolicy", &[parameter]);
        assert_eq!(answer.failure(), (400, "ValidationError"), "{parameter:?}");
    }
    assert_eq!(world.iam("DeleteAccountPasswordPolicy", &[]).status, 200);
    assert_eq!(
        world.iam("GetAccountPasswordPolicy", &[]).failure(),
        (404, "NoSuchEntity")
    );
    assert_eq!(
        world.iam("DeleteAccountPasswordPolicy", &[]).failure(),
        (404, "NoSuchEntity")
    );
}

#[test]
fn keys_without_a_user_name_are_the_callers() {
    let world = World::plant(SEED);
    let key = ("AccessKeyId", "AKIAADA0000000000001");
    let by_session = world.iam("DeleteAccessKey", &[key]);
    assert_eq!(by_session.failure(), (400, "ValidationError"));
    let ada = Signer {
        key: "AKIAADA0000000000001".into(),
        token: None,
    };
    assert_eq!(
        world
            .signed(&ada, "iam", "ListAccessKeys", &[])
            .unwrap()
            .texts("AccessKeyId")
            .len(),
        2
    );
    assert_eq!(
        world
            .signed(&ada, "iam", "DeleteAccessKey", &[key])
            .unwrap()
            .status,
        200
    );
    assert_eq!(
        world
            .iam("ListAccessKeys", &[("UserName", "ada")])
            .texts("AccessKeyId")
            .len(),
        1
    );
}

#[test]
fn a_user_has_two_keys_at_most() {
    let world = World::plant(SEED);
    assert_eq!(
        world.iam("CreateAccessKey", &[("UserName", "ada")]).failure(),
        (409, "LimitExceeded")
    );
    let key = ("AccessKeyId", "AKIAADA0000000000002");
    assert_eq!(
        world.iam("DeleteAccessKey", &[("UserName", "ada"), key]).status,
        200
    );
    assert_eq!(
        world
            .iam("DeleteAccessKey", &[("UserName", "ada"), key])
            .failure(),
        (404, "NoSuchEntity")
    );
    let made = world.iam("CreateAccessKey", &[("UserName", "ada")]);
    assert_eq!(made.text("SecretAccessKey").map(str::len), Some(40));
    let bad = [
        ("UserName", "ada"),
        ("AccessKeyId", made.text("AccessKeyId").unwrap()),
        ("Status", "Off"),
    ];
    assert_eq!(
        world.iam("UpdateAccessKey", &bad).failure(),
        (400, "ValidationError")
    );
}

#[test]
fn detaching_and_attaching_restores_the_state() {
    let world = World::plant(SEED);
    let before = world.state();
    let parameters = [("GroupName", "staff"), ("PolicyArn", SQS)];
    assert_eq!(world.iam("DetachGroupPolicy", &parameters).status, 200);
    assert_eq!(
        world.iam("DetachGroupPolicy", &parameters).failure(),
        (404, "NoSuchEntity")
    );
    assert_ne!(world.state(), before);
    assert_eq!(world.iam("AttachGroupPolicy", &parameters).status, 200);
    assert_eq!(world.iam("AttachGroupPolicy", &parameters).status, 200);
    assert_eq!(world.state(), before);
}

#[test]
fn protected_roles_and_quotas_refuse() {
    let world = World::plant(SEED);
    let role = ("RoleName", "AWSServiceRoleForSupport");
    let support = "arn:aws:iam::aws:policy/aws-service-role/AWSSupportServiceRolePolicy";
    let detached = world.iam("DetachRolePolicy", &[role, ("PolicyArn", support)]);
    assert_eq!(detached.failure(), (400, "UnmodifiableEntity"));
    let attached = world.iam("AttachUserPolicy", &[("UserName", "bob"), ("PolicyArn", support)]);
    assert_eq!(attached.failure(), (400, "PolicyNotAttachable"));
    let document =
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#;
    for number in 0..10 {
        let name = format!("p{number}");
        world.iam(
            "CreatePolicy",
            &[("PolicyName", &name), ("PolicyDocument", document)],
        );
        let arn = format!("arn:aws:iam::{ACCOUNT}:policy/{name}");
        assert_eq!(
            world
                .iam("AttachUserPolicy", &[("UserName", "bob"), ("PolicyArn", &arn)])
                .status,
            200
        );
    }
    let eleventh = world.iam("AttachUserPolicy", &[("UserName", "bob"), ("PolicyArn", SQS)]);
    assert_eq!(eleventh.failure(), (409, "LimitExceeded"));
    assert_eq!(
        eleventh.text("Message"),
        Some("Cannot exceed quota for PoliciesPerUser: 10")
    );
}

#[test]
fn a_policy_has_five_versions_at_most_and_numbers_do_not_return() {
    let world = World::plant(SEED);
    let arn = format!("arn:aws:iam::{ACCOUNT}:policy/two-services");
    let document =
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}]}"#;
    let new = [
        ("PolicyArn", arn.as_str()),
        ("PolicyDocument", document),
        ("SetAsDefault", "true"),
    ];
    for number in 2..=5 {
        assert_eq!(
            world.iam("CreatePolicyVersion", &new).text("VersionId"),
            Some(format!("v{number}").as_str())
        );
    }
    assert_eq!(
        world.iam("CreatePolicyVersion", &new).failure(),
        (409, "LimitExceeded")
    );
    let five = [("PolicyArn", arn.as_str()), ("VersionId", "v5")];
    assert_eq!(
        world.iam("DeletePolicyVersion", &five).failure(),
        (409, "DeleteConflict")
    );
    assert_eq!(
        world
            .iam("SetDefaultPolicyVersion", &[five[0], ("VersionId", "v1")])
            .status,
        200
    );
    assert_eq!(world.iam("DeletePolicyVersion", &five).status, 200);
    assert_eq!(
        world.iam("CreatePolicyVersion", &new).text("VersionId"),
        Some("v6")
    );
    let broken = [("PolicyArn", arn.as_str()), ("PolicyDocument", "{")];
    assert_eq!(
        world.iam("CreatePolicyVersion", &broken).failure(),
        (400, "MalformedPolicyDocument")
    );
}

#[test]
fn inline_policies_are_limited_in_size() {
    let world = World::plant(SEED);
    let resource = "x".repeat(2100);
    let document = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::{resource}"}}]}}"#
    );
    let put = |kind: &str, name: &str| {
        let parameter = format!("{kind}Name");
        let parameters = [
            (parameter.as_str(), name),
            ("PolicyName", "big"),
            ("PolicyDocument", document.as_str()),
        ];
        world.iam(&format!("Put{kind}Policy"), &parameters)
    };
    assert_eq!(put("User", "bob").failure(), (409, "LimitExceeded"));
    assert_eq!(
        put("User", "bob").text("Message"),
        Some("Maximum policy size of 2048 bytes exceeded for user bob")
    );
    assert_eq!(put("Group", "staff").status, 200);
}

fn report_lines(answer: &Answer) -> Vec<Vec<String>> {
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(answer.text("Content").unwrap())
        .unwrap();
    let text = String::from_utf8(bytes).unwrap();
    text.lines()
        .map(|line| line.split(',').map(str::to_owned).collect())
        .collect()
}

#[test]
fn the_credential_report_is_made_once_in_four_hours() {
    let world = World::plant(SEED);
    world
        .simulator
        .edit(&Edit {
            report: Some(ReportSeed {
                polls: 1,
                ..ReportSeed::default()
            }),
            ..Edit::of(ACCOUNT)
        })
        .unwrap();
    assert_eq!(
        world.iam("GetCredentialReport", &[]).failure(),
        (410, "ReportNotPresent")
    );
    assert_eq!(
        world.iam("GenerateCredentialReport", &[]).text("State"),
        Some("STARTED")
    );
    assert_eq!(
        world.iam("GetCredentialReport", &[]).failure(),
        (404, "ReportInProgress")
    );
    assert_eq!(
        world.iam("GenerateCredentialReport", &[]).text("State"),
        Some("COMPLETE")
    );
    let report = world.iam("GetCredentialReport", &[]);
    assert_eq!(report.text("GeneratedTime"), Some("2026-09-01T12:00:00Z"));
    world.iam(
        "DeleteAccessKey",
        &[("UserName", "ada"), ("AccessKeyId", "AKIAADA0000000000001")],
    );
    world.simulator.clock().advance(TimeDelta::hours(3));
    assert_eq!(
        world.iam("GenerateCredentialReport", &[]).text("State"),
        Some("COMPLETE")
    );
    let again = world.iam("GetCredentialReport", &[]);
    assert_eq!(again.text("GeneratedTime"), Some("2026-09-01T12:00:00Z"));
    assert_eq!(report_lines(&again), report_lines(&report));
    world.simulator.clock().advance(TimeDelta::hours(1));
    assert_eq!(
        world.iam("GenerateCredentialReport", &[]).text("State"),
        Some("STARTED")
    );
}

#[test]
fn the_report_tells_of_root_passwords_and_keys() {
    let world = World::plant(SEED);
    world.iam("GenerateCredentialReport", &[]);
    let lines = report_lines(&world.iam("GetCredentialReport", &[]));
    assert_eq!(lines.iter().map(Vec::len).collect::<Vec<_>>(), [23, 23, 23, 23]);
    assert_eq!(
        (lines[1][0].as_str(), lines[1][3].as_str()),
        ("<root_account>", "not_supported")
    );
    let ada: Vec<&str> = lines[2].iter().map(String::as_str).collect();
    assert_eq!(
        ada[..14],
        [
            "ada",
            "arn:aws:iam::123456789012:user/ada",
            "2025-04-19T12:00:00+00:00",
            "true",
            "2026-08-29T12:00:00+00:00",
            "2026-07-23T12:00:00+00:00",
            "2026-10-21T12:00:00+00:00",
            "true",
            "true",
            "2026-05-04T12:00:00+00:00",
            "2026-08-30T12:00:00+00:00",
            "us-east-1",
            "s3",
            "false"
        ]
    );
}

#[test]
fn the_report_can_be_stale_refused_or_absent() {
    let world = World::plant(SEED);
    let behave = |report: ReportSeed| {
        world
            .simulator
            .edit(&Edit {
                report: Some(report),
                ..Edit::of(ACCOUNT)
            })
            .unwrap();
    };
    behave(ReportSeed {
        existing: When::hours(3),
        stamp: When::hours(30),
        ..ReportSeed::default()
    });
    assert_eq!(
        world.iam("GenerateCredentialReport", &[]).text("State"),
        Some("COMPLETE")
    );
    assert_eq!(
        world.iam("GetCredentialReport", &[]).text("GeneratedTime"),
        Some("2026-08-31T06:00:00Z")
    );
    behave(ReportSeed {
        existing: When::hours(30),
        expires: When::hours(24),
        ..ReportSeed::default()
    });
    assert_eq!(
        world.iam("GetCredentialReport", &[]).failure(),
        (410, "ReportExpired")
    );
    behave(ReportSeed {
        refused: Some("LimitExceeded".into()),
        ..ReportSeed::default()
    });
    assert_eq!(
        world.iam("GenerateCredentialReport", &[]).failure(),
        (409, "LimitExceeded")
    );
    behave(ReportSeed {
        never_ready: true,
        ..ReportSeed::default()
    });
    world.iam("GenerateCredentialReport", &[]);
    assert!((0..5).all(|_| world.iam("GetCredentialReport", &[]).failure() == (404, "ReportInProgress")));
    behave(ReportSeed {
        absent: true,
        existing: When::hours(1),
        ..ReportSeed::default()
    });
    assert_eq!(
        world.iam("GetCredentialReport", &[]).failure(),
        (410, "ReportNotPresent")
    );
}

fn job(world: &World, arn: &str, granularity: &str) -> String {
    let answer = world.iam(
        "GenerateServiceLastAccessedDetails",
        &[("Arn", arn), ("Granularity", granularity)],
    );
    answer.text("JobId").unwrap().to_owned()
}

fn details(world: &World, job: &str) -> Answer {
    world.iam("GetServiceLastAccessedDetails", &[("JobId", job)])
}

#[test]
fn a_users_report_has_a_row_for_each_granted_service() {
    let world = World::plant(SEED);
    let answer = details(
        &world,
        &job(&world, "arn:aws:iam::123456789012:user/ada", "ACTION_LEVEL"),
    );
    assert_eq!(answer.text("JobStatus"), Some("COMPLETED"));
    assert_eq!(answer.texts("ServiceNamespace"), ["iam", "s3", "sns", "sqs"]);
    assert_eq!(answer.texts("TotalAuthenticatedEntities"), ["0", "1", "0", "1"]);
    assert_eq!(
        answer.texts("LastAuthenticated"),
        ["2026-08-30T12:00:00Z", "2026-08-25T12:00:00Z"]
    );
    let iam = answer.body.split("<ServiceName>").nth(1).unwrap();
    assert!(
        iam.contains("<ActionName>GetUser</ActionName></member>"),
        "never used: a name alone: {iam}"
    );
    assert!(!iam.contains("PassRole"), "untracked: absent");
    assert!(
        answer
            .body
            .contains("<ActionName>ListAllMyBuckets</ActionName><LastAccessedEntity>")
    );
    let coarse = details(
        &world,
        &job(
            &world,
            "arn:aws:iam::123456789012:user/wrong/path/ada",
            "SERVICE_LEVEL",
        ),
    );
    assert!(coarse.texts("ActionName").is_empty());
    assert_eq!(coarse.text("JobType"), Some("SERVICE_LEVEL"));
}

#[test]
fn a_groups_and_a_policys_report_cover_their_entities() {
    let world = World::plant(SEED);
    for arn in ["arn:aws:iam::123456789012:group/staff", SQS] {
        let answer = details(&world, &job(&world, arn, "SERVICE_LEVEL"));
        let sqs = answer.body.split("<ServiceName>").last().unwrap();
        assert!(sqs.contains("<ServiceNamespace>sqs<"), "{arn}");
        assert!(sqs.contains("<TotalAuthenticatedEntities>2<"), "{arn}");
        assert!(sqs.contains("user/ada"), "the latest: {arn}");
    }
    let bob = details(
        &world,
        &job(&world, "arn:aws:iam::123456789012:user/bob", "SERVICE_LEVEL"),
    );
    assert_eq!(
        bob.texts("LastAuthenticated").len(),
        1,
        "what is older than the window is not known"
    );
}

#[test]
fn a_job_belongs_to_its_session() {
    let world = World::plant(SEED);
    let id = job(&world, "arn:aws:iam::123456789012:user/ada", "SERVICE_LEVEL");
    let next = Signer {
        key: "AKIA123456789012NEXT".into(),
        token: None,
    };
    let answer = world
        .signed(&next, "iam", "GetServiceLastAccessedDetails", &[("JobId", &id)])
        .unwrap();
    assert_eq!(answer.failure(), (404, "NoSuchEntity"));
    let generate = |arn: &str| world.iam("GenerateServiceLastAccessedDetails", &[("Arn", arn)]);
    assert_eq!(
        generate("arn:aws:iam::123456789012:user/eve").failure(),
        (404, "NoSuchEntity")
    );
    assert_eq!(
        generate("arn:aws:iam::999999999999:user/ada").failure(),
        (403, "AccessDenied")
    );
    assert_eq!(
        generate("arn:aws:s3:::bucket/of/things").failure(),
        (400, "InvalidInput")
    );
}

#[test]
fn jobs_take_their_time_fail_and_come_in_pages() {
    let world = World::plant(SEED);
    let behave = |advisor: AdvisorSeed| {
        world
            .simulator
            .edit(&Edit {
                advisor: Some(advisor),
                ..Edit::of_user(ACCOUNT, "ada")
            })
            .unwrap();
        job(&world, "arn:aws:iam::123456789012:user/ada", "ACTION_LEVEL")
    };
    let slow = behave(AdvisorSeed {
        polls: 1,
        ..AdvisorSeed::default()
    });
    let first = details(&world, &slow);
    assert_eq!(
        (first.text("JobStatus"), first.text("JobType")),
        (Some("IN_PROGRESS"), None)
    );
    assert_eq!(details(&world, &slow).text("JobStatus"), Some("COMPLETED"));
    let failed = details(
        &world,
        &behave(AdvisorSeed {
            failed: Some("no".into()),
            ..AdvisorSeed::default()
        }),
    );
    assert_eq!(
        (failed.text("JobStatus"), failed.text("Message")),
        (Some("FAILED"), Some("no"))
    );
    let absent = behave(AdvisorSeed {
        absent: vec!["sqs".into()],
        ..AdvisorSeed::default()
    });
    assert_eq!(
        details(&world, &absent).texts("ServiceNamespace"),
        ["iam", "s3", "sns"]
    );
    let paged = behave(AdvisorSeed {
        page_size: Some(3),
        ..AdvisorSeed::default()
    });
    let page = details(&world, &paged);
    assert_eq!(
        (page.texts("ServiceNamespace").len(), page.text("IsTruncated")),
        (3, Some("true"))
    );
    let marker = page.text("Marker").unwrap();
    let rest = world.iam(
        "GetServiceLastAccessedDetails",
        &[("JobId", &paged), ("Marker", marker)],
    );
    assert_eq!(
        (rest.texts("ServiceNamespace"), rest.text("IsTruncated")),
        (vec!["sqs"], Some("false"))
    );
}

#[test]
fn policies_granting_access_are_listed() {
    let world = World::plant(SEED);
    let parameters = [
        ("Arn", "arn:aws:iam::123456789012:user/ada"),
        ("ServiceNamespaces.member.1", "sqs"),
        ("ServiceNamespaces.member.2", "ec2"),
    ];
    let answer = world.iam("ListPoliciesGrantingServiceAccess", &parameters);
    assert_eq!(answer.texts("PolicyName"), ["AmazonSQSFullAccess"]);
    assert_eq!(answer.texts("ServiceNamespace"), ["sqs", "ec2"]);
    let unknown = [parameters[0], ("ServiceNamespaces.member.1", "nosuch")];
    assert_eq!(
        world.iam("ListPoliciesGrantingServiceAccess", &unknown).failure(),
        (400, "InvalidInput")
    );
}
