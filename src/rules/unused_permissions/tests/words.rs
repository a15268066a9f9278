//! What people read, whole.

use super::principals::{trusts, with_role};
use super::*;

fn words(world: &World) -> String {
    let told = world.judge().into_iter().map(|judgement| {
        let finding = judgement.finding;
        let withheld = judgement.remedy.and_then(|remedy| remedy.withheld);
        let withheld = withheld.map(|(reason, detail)| format!("\n{}: {detail}", reason.as_str()));
        format!(
            "{} {}: {}\n{}{}",
            finding.severity.as_str(),
            finding.status.as_str(),
            finding.title,
            finding.detail,
            withheld.unwrap_or_default()
        )
    });
    told.collect::<Vec<_>>().join("\n")
}

#[test]
fn of_a_violation() {
    let mut world = with_role(
        "app",
        &trusts(r#"{"AWS":"999999999999","Service":"lambda.amazonaws.com"}"#),
    );
    for observed in world.history.observations.values_mut() {
        observed.first -= TimeDelta::days(200);
    }
    let tag = ("aws:cloudformation:stack-name".to_owned(), "billing".to_owned());
    world.role().tags.extend([tag]);
    world.set_document("Queues", &allow(r#"["sqs:*","sns:Publish"]"#));
    world.report("role/app", &[("s3", Some(1)), ("sqs", None), ("sns", Some(380))]);
    insta::assert_snapshot!(words(&world), @r#"
    medium violation: nothing that Queues grants to the role app was used for 365 days
    It grants Amazon SNS (last used 2025-11-08), Amazon SQS (never seen used), and the role used none of that for 365 days. The role can be assumed from outside (999999999999), so it is judged over 365 days at least. It is declared by the CloudFormation stack billing: change it there too, or it comes back. iamwarden only proposes to detach it, in every mode: lambda.amazonaws.com may invoke the role, perhaps rarely.
    "#);
    let mut world = World::new();
    let (principal, policy) = (arn("role/app"), policy_arn("Queues"));
    world.observe(Observation::UnusedAttachment { principal, policy }, 2);
    insta::assert_snapshot!(words(&world), @r#"
    medium violation: nothing that Queues grants to the role app was used for 90 days
    It grants Amazon SQS (never seen used), and the role used none of that for 90 days. Detaching it can be undone by attaching it again.
    unconfirmed: seen unused since 2026-11-21; confirmed if every reading agrees until 2026-11-28
    "#);
}

#[test]
fn of_what_is_left_alone() {
    let mut world = World::new();
    world.history = History::default();
    insta::assert_snapshot!(words(&world), @r#"
    low warning: Queues of the role app is unused so far
    It grants Amazon SQS (never seen used), and the role used none of that for 90 days. Nobody knows how old the attachment, or a membership that it rests on, is, so it counts from the day it was first seen and can be judged on 2027-02-21. (`trust_existing = true` takes what was there at the first reading for as old as what it joins.)
    "#);
    let mut world = World::new();
    world.config.guardrails.protected = vec![crate::model::Glob::new("role/*")];
    insta::assert_snapshot!(words(&world), @r#"
    medium exempt: nothing that Queues grants to the role app was used for 90 days
    It grants Amazon SQS (never seen used), and the role used none of that for 90 days. It is left alone, because the role app is protected by `role/*`.
    "#);
    world.config.guardrails.protected.clear();
    world.report("role/app", &[("s3", None), ("sqs", None)]);
    insta::assert_snapshot!(words(&world), @r#"
    medium warning: the role app is unused as a whole: review
    It has used no service for at least 90 days. Nothing is detached from it: decide whether it is needed at all, and delete it if not.
    "#);
    world.report("role/app", &[("s3", Some(1)), ("sqs", Some(-1))]);
    insta::assert_snapshot!(words(&world), @r#"
    low warning: Queues of the role app was used at a time that has not come yet
    Access Advisor dates the last use after the present: it counts as used. Check the clock of the machine that iamwarden runs on.
    "#);
}

#[test]
fn of_what_is_unknown() {
    let mut world = World::new();
    world.set_document("Queues", &allow(r#"["sqs:*","nosuch:*","other:*"]"#));
    insta::assert_snapshot!(words(&world), @r#"
    low unknown: cannot tell whether Queues of the role app is unused
    The policy is kept: it grants what the catalogue of AWS actions does not know: nosuch:* and 1 more.
    "#);
    world.lose_report("role/app");
    insta::assert_snapshot!(words(&world), @r#"
    low unknown: cannot tell which policies of the role app are unused
    All its policies are kept: Access Advisor has no usable report on role/app (iam:GetServiceLastAccessedDetails: the job failed).
    "#);
    world.lose_authorization();
    insta::assert_snapshot!(words(&world), @r#"
    medium unknown: cannot tell which permissions are unused: the account could not be read
    iam:GetAccountAuthorizationDetails failed: rate exceeded. No policy is judged.
    "#);
    world.snapshot.authorization = Reading::Known(Authorization::default());
    world.snapshot.last_accessed.clear();
    world.snapshot.partition = Partition::new("aws-cn");
    insta::assert_snapshot!(words(&world), @r#"
    low unknown: cannot tell which permissions are unused in this partition
    The account lies in the partition aws-cn, where the evidence of Access Advisor does not suffice: every policy is kept.
    "#);
}

#[test]
fn of_what_services_in_use_may_need() {
    let mut world = World::new();
    world.set_document("Queues", &allow(r#"["kms:Decrypt"]"#));
    world.report("role/app", &[("s3", Some(1)), ("kms", None)]);
    insta::assert_snapshot!(words(&world), @r#"
    low unknown: cannot tell whether Queues of the role app is unused
    The policy is kept: it grants kms:Decrypt, which s3 may need, and s3 is or may be in use.
    "#);
    world.set_document("Queues", &allow(r#"["iam:PassRole", "iam:GetRole"]"#));
    world.report("role/app", &[("s3", Some(1)), ("iam", None)]);
    insta::assert_snapshot!(words(&world), @r#"
    low unknown: cannot tell whether Queues of the role app is unused
    The policy is kept: it lets roles be passed, and s3, which may take one, is or may be in use.
    "#);
    world.set_document("Queues", &allow(r#""sqs:*""#));
    world.report("role/app", &[("s3", Some(1)), ("sqs", None)]);
    world.policy("Queues").boundary_count = 2;
    insta::assert_snapshot!(words(&world), @r#"
    low unknown: Queues of the role app is kept although no use of it is known
    The policy is kept: the policy is in use as a permissions boundary, of which Access Advisor says nothing.
    "#);
}
