use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::*;
use crate::config::{Config, Mode};
use crate::inventory::{
    ExternalAccess, RegionalInventory, Role, Snapshot, UnusedAccess, UnusedKind, UnusedService,
};
use crate::model::{Glob, History, Inverse, Precondition, RegionalInverse};
use crate::rules::fixture::{self, ACCOUNT, days, gap, now, region, snapshot};

fn arn(text: &str) -> Arn {
    Arn::parse(text).unwrap()
}

fn config() -> Config {
    let mut config = fixture::config(Mode::Off);
    config.rules.access_analyzer.mode = Mode::Enforce;
    config
}

fn analyzer(name: &str, kind: &str, at: &str) -> Analyzer {
    let kind = AnalyzerKind::from_api(kind);
    Analyzer {
        settings: AnalyzerSettings {
            arn: arn(&format!("arn:aws:access-analyzer:{at}:{ACCOUNT}:analyzer/{name}")),
            name: name.to_owned(),
            kind: kind.clone(),
        },
        status: AnalyzerStatus::Active,
        status_reason: None,
        unused_after_days: kind.looks_for_unused().then_some(90),
        external: kind.looks_outside().then(|| Reading::Known(Vec::new())),
        unused: kind.looks_for_unused().then(|| Reading::Known(Vec::new())),
    }
}

fn outside() -> Analyzer {
    analyzer("outside", "ACCOUNT", "eu-central-1")
}

fn with_status(status: AnalyzerStatus, reason: Option<&str>) -> Analyzer {
    Analyzer {
        status,
        status_reason: reason.map(ToOwned::to_owned),
        external: None,
        ..outside()
    }
}

fn access(id: &str, resource: &str, who: (&str, &str), actions: &[&str]) -> ExternalAccess {
    let resource = arn(resource);
    ExternalAccess {
        id: id.to_owned(),
        resource_type: match resource.service() {
            "iam" => "AWS::IAM::Role",
            _ => "AWS::S3::Bucket",
        }
        .to_owned(),
        resource,
        public: who.1 == "*",
        principal: BTreeMap::from([(who.0.to_owned(), who.1.to_owned())]),
        actions: actions.iter().map(|action| (*action).to_owned()).collect(),
        conditions: BTreeMap::new(),
        error: None,
    }
}

fn finding(mut analyzer: Analyzer, found: Vec<ExternalAccess>) -> Analyzer {
    analyzer.external = Some(Reading::Known(found));
    analyzer
}

fn world(regions: Vec<(&str, Reading<Vec<Analyzer>>)>) -> Snapshot {
    let mut world = snapshot(Vec::new());
    for (name, analyzers) in regions {
        let inventory = RegionalInventory {
            analyzers: Some(analyzers),
            ..RegionalInventory::default()
        };
        world.regions.by_name.insert(region(name), inventory);
    }
    world
}

fn one(analyzers: Vec<Analyzer>) -> Snapshot {
    world(vec![("eu-central-1", Reading::Known(analyzers))])
}

fn judge(config: &Config, snapshot: &Snapshot) -> Vec<Judgement> {
    let history = History::default();
    check(&Context {
        config,
        snapshot,
        history: &history,
        now: now(),
    })
}

/// Status, title and change of each finding.
fn told(judgements: &[Judgement]) -> Vec<String> {
    let one = |judgement: &Judgement| {
        let change = judgement
            .remedy
            .as_ref()
            .map_or("nothing", |remedy| remedy.proposal.change.kind().as_str());
        let finding = &judgement.finding;
        format!("{}: {} -> {change}", finding.status.as_str(), finding.title)
    };
    judgements.iter().map(one).collect()
}

fn of(analyzers: Vec<Analyzer>) -> Vec<String> {
    told(&judge(&config(), &one(analyzers)))
}

const NOBODY: &str = "violation: Nobody looks for access from outside in eu-central-1 -> create_analyzer";

#[test]
fn an_analyzer_of_the_account_or_of_the_organization_is_all_that_is_asked() {
    for kind in ["ACCOUNT", "ORGANIZATION"] {
        assert_eq!(
            of(vec![analyzer("outside", kind, "eu-central-1")]),
            Vec::<String>::new()
        );
    }
    for kind in [
        "ACCOUNT_UNUSED_ACCESS",
        "ORGANIZATION_UNUSED_ACCESS",
        "ACCOUNT_INTERNAL_ACCESS",
    ] {
        assert_eq!(
            of(vec![analyzer("inside", kind, "eu-central-1")]),
            [NOBODY],
            "{kind}"
        );
    }
    // One that works is enough, whatever stands beside it.
    let broken = with_status(AnalyzerStatus::Failed, None);
    let organization = analyzer("all", "ORGANIZATION", "eu-central-1");
    assert_eq!(of(vec![broken, organization]), Vec::<String>::new());
}

#[test]
fn every_region_without_one_gets_one() {
    let world = world(vec![
        ("eu-central-1", Reading::Known(Vec::new())),
        (
            "us-east-1",
            Reading::Known(vec![analyzer("outside", "ACCOUNT", "us-east-1")]),
        ),
        ("us-west-2", Reading::Known(Vec::new())),
    ]);
    let judgements = judge(&config(), &world);
    assert_eq!(
        told(&judgements),
        [NOBODY, &NOBODY.replace("eu-central-1", "us-west-2")]
    );
    assert_ne!(judgements[0].finding.id, judgements[1].finding.id);
    let remedy = judgements[0].remedy.as_ref().unwrap();
    insta::assert_json_snapshot!(remedy.proposal, @r#"
    {
      "kind": "create_analyzer",
      "parameters": {
        "arn": "arn:aws:access-analyzer:eu-central-1:123456789012:analyzer/iamwarden",
        "name": "iamwarden",
        "kind": "ACCOUNT"
      },
      "inverse": {
        "kind": "delete_analyzer",
        "parameters": {
          "arn": "arn:aws:access-analyzer:eu-central-1:123456789012:analyzer/iamwarden",
          "name": "iamwarden",
          "kind": "ACCOUNT"
        }
      }
    }
    "#);
    assert_eq!(
        remedy.precondition,
        Precondition::Regional(RegionalState::Analyzer { analyzer: None })
    );
}

#[test]
fn what_was_made_is_silent_the_next_time() {
    let mut world = one(Vec::new());
    let remedy = judge(&config(), &world)[0].remedy.clone().unwrap();
    let after = remedy.precondition.after(&remedy.proposal.change).unwrap();
    let Precondition::Regional(RegionalState::Analyzer { analyzer: Some(made) }) = after else {
        panic!("{after:?}")
    };
    assert_eq!(
        remedy.proposal.inverse,
        Some(Inverse::Regional(RegionalInverse::DeleteAnalyzer(made.clone())))
    );
    let made = Analyzer {
        settings: made,
        ..outside()
    };
    world.regions.by_name.values_mut().next().unwrap().analyzers = Some(Reading::Known(vec![made]));
    assert_eq!(told(&judge(&config(), &world)), Vec::<String>::new());
}

#[test]
fn one_that_does_not_work_is_for_people() {
    let judgements = judge(
        &config(),
        &one(vec![with_status(
            AnalyzerStatus::Disabled,
            Some("SERVICE_LINKED_ROLE_CREATION_FAILED"),
        )]),
    );
    assert_eq!(
        told(&judgements),
        ["violation: The analyzer outside in eu-central-1 does not work -> nothing"]
    );
    insta::assert_snapshot!(judgements[0].finding.detail, @"It is disabled (SERVICE_LINKED_ROLE_CREATION_FAILED), so nobody looks for access from outside. A region can have one of its type only, so none is made beside it.");
    assert_eq!(
        judgements[0].reminder.as_ref().unwrap().event,
        Event::AnalyzerMissing
    );
    assert_eq!(
        of(vec![with_status(AnalyzerStatus::Failed, None)]),
        ["violation: The analyzer outside in eu-central-1 does not work -> nothing"]
    );
}

#[test]
fn one_that_is_being_made_is_neither_right_nor_wrong() {
    for status in [
        AnalyzerStatus::Creating,
        AnalyzerStatus::Other("PAUSED".to_owned()),
    ] {
        assert_eq!(
            of(vec![with_status(status, None)]),
            ["unknown: Whether Access Analyzer works in eu-central-1 is not known -> nothing"]
        );
    }
}

#[test]
fn a_name_that_is_taken_is_left_alone() {
    let unused = analyzer("iamwarden", "ACCOUNT_UNUSED_ACCESS", "eu-central-1");
    let judgements = judge(&config(), &one(vec![unused]));
    assert_eq!(
        told(&judgements),
        ["violation: Nobody looks for access from outside in eu-central-1 -> nothing"]
    );
    insta::assert_snapshot!(judgements[0].finding.detail, @"An analyzer iamwarden is there and looks for something else (ACCOUNT_UNUSED_ACCESS), so none of that name is made: declare another `analyzer_name`, or make one by hand.");
}

#[test]
fn a_region_that_says_nothing_is_unknown_and_stops_no_other() {
    let mut config = config();
    config.regions.include = vec![region("eu-central-1"), region("us-east-1"), region("us-west-2")];
    let world = world(vec![
        (
            "eu-central-1",
            Reading::Unknown(gap("access-analyzer:ListAnalyzers")),
        ),
        ("us-east-1", Reading::Known(Vec::new())),
    ]);
    insta::assert_snapshot!(told(&judge(&config, &world)).join("\n"), @r"
    unknown: The analyzers of eu-central-1 could not be read -> nothing
    unknown: The analyzers of us-west-2 could not be read -> nothing
    violation: Nobody looks for access from outside in us-east-1 -> create_analyzer
    ");
    assert_eq!(
        told(&judge(&config, &snapshot(Vec::new()))).len(),
        3,
        "a snapshot without regions passes none of them"
    );
}

#[test]
fn findings_that_could_not_be_read_are_unknown() {
    let unread = |external| {
        of(vec![Analyzer {
            external,
            ..outside()
        }])
    };
    let unknown = ["unknown: What the analyzer outside found in eu-central-1 could not be read -> nothing"];
    assert_eq!(
        unread(Some(Reading::Unknown(gap("access-analyzer:ListFindings")))),
        unknown
    );
    assert_eq!(unread(None), unknown, "an older snapshot");
}

#[test]
fn access_from_outside_is_told_once_to_whoever_owns_the_resource() {
    let role = format!("arn:aws:iam::{ACCOUNT}:role/app/web");
    let vendor = ("AWS", "210987654321");
    let of_role = |id: &str| {
        let mut access = access(id, &role, vendor, &["sts:AssumeRole"]);
        access.conditions = BTreeMap::from([("sts:ExternalId".to_owned(), "x-1".to_owned())]);
        access
    };
    let bucket = access(
        "c",
        "arn:aws:s3:::reports",
        ("AWS", "*"),
        &["s3:GetObject", "s3:ListBucket"],
    );
    let mut world = world(vec![
        (
            "eu-central-1",
            Reading::Known(vec![finding(outside(), vec![of_role("a"), bucket])]),
        ),
        (
            "us-east-1",
            Reading::Known(vec![finding(
                analyzer("outside", "ACCOUNT", "us-east-1"),
                vec![of_role("b")],
            )]),
        ),
    ]);
    if let Reading::Known(authorization) = &mut world.authorization {
        authorization.roles = vec![Role {
            arn: arn(&role),
            name: "web".to_owned(),
            id: "AROAWEB".to_owned(),
            created_at: now() - days(100),
            tags: BTreeMap::from([("owner".to_owned(), "web-team@example.com".to_owned())]),
            attached: Vec::new(),
            inline: Vec::new(),
            boundary: None,
            trust: "{}".to_owned(),
            last_used_at: None,
        }];
    }
    let judgements = judge(&config(), &world);
    let lines: Vec<_> = judgements
        .iter()
        .map(|judgement| {
            let found = &judgement.finding;
            let owner = found.owner.as_ref().map_or("nobody", |owner| owner.0.as_str());
            format!("{:?} {} [{owner}]\n{}", found.severity, found.title, found.detail)
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n\n"), @r"
    Medium The role web is open to account 210987654321 [web-team@example.com]
    Account 210987654321 may use sts:AssumeRole where sts:ExternalId = x-1. If it is meant, archive the finding in Access Analyzer; if not, mend the resource's policy.

    High The bucket reports is open to everybody [nobody]
    Everybody may use s3:GetObject, s3:ListBucket. If it is meant, archive the finding in Access Analyzer; if not, mend the resource's policy.
    ");
    insta::assert_json_snapshot!(judgements[0].finding.evidence, @r#"
    {
      "access": [
        {
          "actions": [
            "sts:AssumeRole"
          ],
          "conditions": {
            "sts:ExternalId": "x-1"
          },
          "findings": [
            {
              "analyzer": "arn:aws:access-analyzer:eu-central-1:123456789012:analyzer/outside",
              "id": "a",
              "region": "eu-central-1"
            },
            {
              "analyzer": "arn:aws:access-analyzer:us-east-1:123456789012:analyzer/outside",
              "id": "b",
              "region": "us-east-1"
            }
          ],
          "principal": {
            "AWS": "210987654321"
          },
          "public": false
        }
      ],
      "controls": [],
      "public": false,
      "resource_type": "AWS::IAM::Role"
    }
    "#);
    for judgement in &judgements {
        assert_eq!(
            judgement.reminder.as_ref().unwrap().event,
            Event::ExternalAccessFound
        );
        assert!(judgement.remedy.is_none());
    }
}

#[test]
fn much_access_is_told_in_few_words() {
    let found = (0..7).map(|n| {
        let who = format!("21098765432{n}");
        access(
            &n.to_string(),
            "arn:aws:s3:::reports",
            ("AWS", &who),
            &["s3:GetObject"],
        )
    });
    let world = one(vec![finding(outside(), found.collect())]);
    let judgements = judge(&config(), &world);
    let found = &judgements[0].finding;
    insta::assert_snapshot!(format!("{}\n{}", found.title, found.detail), @r"
    The bucket reports is open to account 210987654320, account 210987654321, account 210987654322, account 210987654323 and 3 more
    Account 210987654320 may use s3:GetObject. Account 210987654321 may use s3:GetObject. Account 210987654322 may use s3:GetObject. Account 210987654323 may use s3:GetObject. There is more: 3 further accesses. If it is meant, archive the finding in Access Analyzer; if not, mend the resource's policy.
    ");
    assert_eq!(found.evidence["access"].as_array().unwrap().len(), 7);
}

#[test]
fn what_could_not_be_analyzed_is_unknown() {
    let mut failed = access("a", "arn:aws:s3:::reports", ("AWS", "1"), &[]);
    failed.error = Some("ACCESS_DENIED".to_owned());
    failed.principal.clear();
    let judgements = judge(&config(), &one(vec![finding(outside(), vec![failed.clone()])]));
    insta::assert_snapshot!(format!("{}\n{}", told(&judgements)[0], judgements[0].finding.detail), @r"
    unknown: Who has access to the bucket reports is not known -> nothing
    Access Analyzer could not analyze it in eu-central-1: ACCESS_DENIED. Nothing is concluded from what is missing.
    ");
    // Elsewhere it could be.
    let seen = access(
        "b",
        "arn:aws:s3:::reports",
        ("AWS", "210987654321"),
        &["s3:GetObject"],
    );
    let judgements = judge(&config(), &one(vec![finding(outside(), vec![failed, seen])]));
    assert_eq!(
        told(&judgements),
        ["violation: The bucket reports is open to account 210987654321 -> nothing"]
    );
}

#[test]
fn roles_of_aws_protected_and_own_ones_are_left_alone() {
    let found = |path: &str| {
        let role = format!("arn:aws:iam::{ACCOUNT}:role/{path}");
        let who = ("Federated", "arn:aws:iam::123456789012:saml-provider/sso");
        let mut config = config();
        config.guardrails.protected = vec![Glob::new("role/kept")];
        let access = access("a", &role, who, &["sts:AssumeRoleWithSAML"]);
        let judgements = judge(&config, &one(vec![finding(outside(), vec![access])]));
        let statuses = judgements.iter().map(|judgement| judgement.finding.status);
        statuses.collect::<Vec<_>>()
    };
    assert_eq!(found("app"), [FindingStatus::Violation]);
    assert_eq!(
        found("aws-reserved/sso.amazonaws.com/AWSReservedSSO_Admin_0"),
        [],
        "nobody could mend it"
    );
    assert_eq!(found("kept"), [FindingStatus::Exempt]);
    assert_eq!(found("iamwarden"), [FindingStatus::Exempt]);
}

#[test]
fn an_exempt_account_is_left_alone() {
    let mut config = config();
    config.guardrails.protected = vec![Glob::new("root")];
    let judgements = judge(&config, &one(Vec::new()));
    assert_eq!(judgements[0].finding.status, FindingStatus::Exempt);
    assert!(judgements[0].remedy.is_none());
}

#[test]
fn what_was_found_does_not_count_against_looking() {
    let found = access("a", "arn:aws:s3:::reports", ("AWS", "*"), &["s3:GetObject"]);
    let judgements = judge(&config(), &one(vec![finding(outside(), vec![found])]));
    assert_eq!(judgements[0].finding.evidence[CONTROLS_FACT], json!([]));
    let judgements = judge(&config(), &one(Vec::new()));
    assert_eq!(judgements[0].finding.evidence[CONTROLS_FACT], json!(["1.20"]));
}

fn unused(
    resource: &str,
    kind: UnusedKind,
    services: Option<Reading<BTreeMap<String, UnusedService>>>,
) -> Analyzer {
    let analyzed_at: DateTime<Utc> = now() - days(1);
    Analyzer {
        unused: Some(Reading::Known(vec![UnusedAccess {
            id: "u-1".to_owned(),
            resource: arn(resource),
            kind,
            analyzed_at,
            services,
        }])),
        ..analyzer("unused", "ACCOUNT_UNUSED_ACCESS", "eu-central-1")
    }
}

fn with_testimony(analyzer: Analyzer, add: impl Fn(&Context<'_>, &mut Finding)) -> Finding {
    let (config, history, world) = (config(), History::default(), one(vec![analyzer]));
    let ctx = Context {
        config: &config,
        snapshot: &world,
        history: &history,
        now: now(),
    };
    let app = arn(&format!("arn:aws:iam::{ACCOUNT}:role/app"));
    let status = FindingStatus::Violation;
    let mut finding = ctx.finding(&RuleName::new("unused_roles"), &app, "", status, Severity::Medium);
    finding.detail = "Unused.".to_owned();
    add(&ctx, &mut finding);
    finding
}

#[test]
fn unused_roles_are_seen_by_access_analyzer_too() {
    let app = format!("arn:aws:iam::{ACCOUNT}:role/app");
    let told = with_testimony(unused(&app, UnusedKind::Role, None), add_unused_role);
    insta::assert_snapshot!(told.detail, @"Unused. Access Analyzer finds the role unused as well (within 90 days).");
    insta::assert_json_snapshot!(told.evidence, @r#"
    {
      "access_analyzer": {
        "analyzed_at": "2026-11-22T06:00:00Z",
        "analyzer": "arn:aws:access-analyzer:eu-central-1:123456789012:analyzer/unused",
        "finding": "u-1",
        "unused_after_days": 90
      }
    }
    "#);
    for other in [
        unused(&app, UnusedKind::Permissions, None),
        unused(&format!("{app}-2"), UnusedKind::Role, None),
        Analyzer {
            unused: Some(Reading::Unknown(gap("access-analyzer:ListFindings"))),
            ..unused(&app, UnusedKind::Role, None)
        },
        Analyzer {
            unused: None,
            ..unused(&app, UnusedKind::Role, None)
        },
    ] {
        let told = with_testimony(other, add_unused_role);
        assert_eq!((told.detail.as_str(), told.evidence.len()), ("Unused.", 0));
    }
}

#[test]
fn services_are_told_as_far_as_access_analyzer_names_them() {
    let app = format!("arn:aws:iam::{ACCOUNT}:role/app");
    let service = |last: Option<i64>, whole| UnusedService {
        last_accessed: last.map(|ago| now() - days(ago)),
        whole,
    };
    let listed = BTreeMap::from([
        ("s3".to_owned(), service(Some(200), false)),
        ("sqs".to_owned(), service(None, true)),
    ]);
    let told = |services: Option<Reading<_>>, asked: &[&str]| {
        let asked: Vec<_> = asked.iter().map(|name| (*name).to_owned()).collect();
        with_testimony(unused(&app, UnusedKind::Permissions, services), |ctx, finding| {
            add_unused_services(ctx, finding, &asked);
        })
    };
    let known = told(Some(Reading::Known(listed.clone())), &["sns", "sqs"]);
    insta::assert_snapshot!(known.detail, @"Unused. Access Analyzer finds unused as well (within 90 days): sqs.");
    insta::assert_json_snapshot!(known.evidence["access_analyzer"]["services"], @r#"
    {
      "sqs": {
        "last_accessed": "never",
        "whole": true
      }
    }
    "#);
    let none = told(Some(Reading::Known(listed)), &["sns"]);
    insta::assert_snapshot!(none.detail, @"Unused. Access Analyzer, which lists unused permissions of it, lists none of these services (within 90 days).");
    for open in [None, Some(Reading::Unknown(gap("access-analyzer:GetFinding")))] {
        let told = told(open, &["sns"]);
        let said = "Unused. Access Analyzer finds permissions of it unused as well (within 90 days).";
        assert_eq!(told.detail, said);
        assert!(told.evidence["access_analyzer"].get("services").is_none());
    }
}
