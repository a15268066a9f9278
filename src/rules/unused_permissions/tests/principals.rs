//! P1 to P7: principals that are none of the rule's business, or only in part.

use super::*;

#[test]
fn p1_service_linked_roles_are_never_touched() {
    for path in [
        "aws-service-role/x.amazonaws.com/AWSServiceRoleForX",
        "AWSServiceRoleForX",
    ] {
        let mut world = World::new();
        world.config.guardrails.protected.clear();
        world.role().arn = arn(&format!("role/{path}"));
        world.role().name = "AWSServiceRoleForX".to_owned();
        let rows = [("s3", Some(1)), ("sqs", None)];
        world.report(&format!("role/{path}"), &rows);
        world.assert_silent();
    }
}

#[test]
fn p2_roles_of_identity_center_are_never_touched() {
    let mut world = World::new();
    let path = "role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_Admin_0123";
    world.role().arn = arn(path);
    world.report(path, &[("s3", Some(1)), ("sqs", None)]);
    world.assert_silent();
}

/// The world with its role under another path or trust, all that it rests on as old as everything else.
pub(super) fn with_role(path: &str, trust: &str) -> World {
    let mut world = World::empty();
    world.add_role(path).trust = trust.to_owned();
    let holder = format!("role/{path}");
    world.attach(&holder, "Storage", &allow(r#""s3:*""#));
    world.attach(&holder, "Queues", &allow(r#""sqs:*""#));
    world.report(&holder, &[("s3", Some(1)), ("sqs", None)]);
    world
}

pub(super) fn trusts(principal: &str) -> String {
    format!(r#"{{"Statement":[{{"Effect":"Allow","Principal":{principal},"Action":"sts:AssumeRole"}}]}}"#)
}

#[track_caller]
fn assert_report_only(world: &World, rule: &str) {
    let judgement = world.judge().remove(0);
    assert_eq!(judgement.finding.status, FindingStatus::Violation);
    assert_eq!(
        judgement.finding.evidence.get("report_only"),
        Some(&serde_json::json!(rule))
    );
    assert!(judgement.remedy.unwrap().report_only);
}

#[test]
fn p2_service_roles_are_only_ever_reported() {
    assert_report_only(&with_role("service-role/app", TRUSTS_EC2), "P2");
}

#[test]
fn p3_roles_that_a_service_invokes_are_only_ever_reported() {
    for service in ["lambda", "events", "backup", "config", "states"] {
        let trust = trusts(&format!(r#"{{"Service":"{service}.amazonaws.com"}}"#));
        assert_report_only(&with_role("app", &trust), "P3");
    }
}

#[test]
fn p3_roles_for_outsiders_have_a_window_of_a_year() {
    for principal in [
        r#"{"AWS":"arn:aws:iam::999999999999:root"}"#,
        r#"{"Federated":"arn:aws:iam::123456789012:saml-provider/idp"}"#,
        r#"{"AWS":"*"}"#,
    ] {
        let mut world = with_role("app", &trusts(principal));
        // Attached for 200 days only.
        world.assert_silent();
        for observed in world.history.observations.values_mut() {
            observed.first -= TimeDelta::days(200);
        }
        assert_eq!(world.detached(), QUEUES_DETACHED, "{principal}");
        let finding = world.judge().remove(0).finding;
        assert_eq!(
            finding.evidence.get("unused_for"),
            Some(&serde_json::json!("365d"))
        );
        assert!(finding.evidence.contains_key("assumable_by"));
        world.report("role/app", &[("s3", Some(1)), ("sqs", Some(300))]);
        world.assert_silent();
    }
}

#[test]
fn p3_a_trust_policy_that_nobody_understands_keeps_everything() {
    with_role("app", "{}").assert_kept_by("P3");
}

#[test]
fn p4_what_a_stack_declares_is_reported_as_its_own() {
    let mut world = World::new();
    let tag = ("aws:cloudformation:stack-name".to_owned(), "billing".to_owned());
    world.role().tags.extend([tag]);
    assert_eq!(world.detached(), QUEUES_DETACHED, "a tag exempts nobody");
    let owned = world.judge().remove(0).finding.evidence.remove("owned_by");
    assert_eq!(owned, Some(serde_json::json!("cloudformation stack billing")));
}

#[test]
fn p4_exemptions_and_protection_leave_it_alone() {
    let exemption = r#"
        principals = ["role/app"]
        rules = ["unused_permissions"]
        until = "2026-11-23"
        reason = "migration, SEC-1"
    "#;
    let mut world = World::new();
    world.config.exemptions = vec![toml::from_str(exemption).unwrap()];
    assert_eq!(world.said(), ["exempt role/app Queues"]);
    world.now += TimeDelta::days(1);
    world.report("role/app", &[("s3", Some(1)), ("sqs", None)]);
    assert_eq!(world.detached(), QUEUES_DETACHED, "it has ended");
    assert!(
        world
            .judge()
            .remove(0)
            .finding
            .evidence
            .contains_key("expired_exemption")
    );
    world.config.guardrails.protected = vec![crate::model::Glob::new("role/*")];
    assert_eq!(world.said(), ["exempt role/app Queues"]);
}

#[test]
fn p5_a_principal_unused_as_a_whole_is_one_warning() {
    let mut world = World::new();
    world.report("role/app", &[("s3", Some(120)), ("sqs", None)]);
    world.assert_kept_by("P5");
    assert_eq!(world.said(), ["warning role/app (P5)"]);
}

#[test]
fn p6_use_by_a_resource_policy_is_not_use_of_the_policy() {
    // The role is at work by what resources grant it; Access Advisor has no such rows, and what it does have stands.
    let mut world = World::new();
    world.role().last_used_at = Some(world.ago(2));
    assert_eq!(world.detached(), QUEUES_DETACHED);
}

#[test]
fn p7_where_aws_may_see_no_use_all_is_only_ever_reported() {
    let mut world = World::new();
    let declared = ["eu-central-1", "mx-central-1"].map(|name| crate::model::Region::parse(name).unwrap());
    world.config.regions.include = declared.to_vec();
    assert_report_only(&world, "P7");
}

#[test]
fn p7_other_partitions_are_only_ever_reported() {
    let mut world = World::new();
    let moved = |arn: &Arn| Arn::parse(&arn.as_str().replace("arn:aws:", "arn:aws-cn:")).unwrap();
    world.snapshot.partition = Partition::new("aws-cn");
    world.role().arn = moved(&arn("role/app"));
    let reports = std::mem::take(&mut world.snapshot.last_accessed);
    world.assert_kept_by("P7");
    world.snapshot.last_accessed = reports
        .into_iter()
        .map(|(arn, report)| (moved(&arn), report))
        .collect();
    let observations = std::mem::take(&mut world.history.observations);
    world.history.observations = observations
        .into_iter()
        .map(|(what, observed)| match what {
            Observation::Attachment { principal, policy } => {
                let principal = moved(&principal);
                (Observation::Attachment { principal, policy }, observed)
            }
            Observation::Membership { .. }
            | Observation::UnusedAttachment { .. }
            | Observation::InactiveKey { .. }
            | Observation::MfaDevice { .. }
            | Observation::UnusedRole { .. }
            | Observation::ActiveKey { .. } => (what, observed),
        })
        .collect();
    assert_report_only(&world, "P7");
}

#[test]
fn only_the_declared_kinds_are_judged() {
    let mut world = World::new();
    world.config.rules.unused_permissions.principals = vec![crate::model::PrincipalKind::User];
    world.assert_silent();
}
