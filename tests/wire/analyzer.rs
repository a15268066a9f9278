//! Access Analyzer over the wire: read page by page, and changed by one call.

use std::collections::{BTreeMap, BTreeSet};

use aws_simulator::{Fault, FaultKind};
use iamwarden::aws::{ErrorKind, WriteError, permissions};
use iamwarden::inventory::{
    Analyzer, AnalyzerStatus, Authorization, GapCause, Granularity, Needs, Reading, RegionalNeeds, Snapshot,
    collect,
};
use iamwarden::model::{
    AnalyzerKind, AnalyzerSettings, Arn, Change, Inverse, Region, RegionalChange, RegionalInverse,
};

use chrono::{DateTime, Utc};
use serde_json::json;

use crate::world::{ACCOUNT, World, arn, id};
use crate::writer::{consent, lease_of, rollback};

/// Two regions: one with an analyzer of each kind and what they found, one with one that does not work.
const ANALYZERS: &str = r#"
roles = [{ name = "web", age = "500d", assumed_by = ["ec2.amazonaws.com"] }]

[[accounts.regions.eu-central-1.analyzers]]
name = "outside"
[[accounts.regions.eu-central-1.analyzers.findings]]
id = "open"
resource = "arn:aws:s3:::reports"
external = { principal = { AWS = "*" }, action = ["s3:GetObject"], condition = { "aws:SourceVpc" = "vpc-1" } }
[[accounts.regions.eu-central-1.analyzers.findings]]
id = "meant"
status = "ARCHIVED"
resource = "role/web"
external = { principal = { AWS = "210987654321" } }
[[accounts.regions.eu-central-1.analyzers.findings]]
id = "closed"
status = "RESOLVED"
resource = "role/web"
external = { principal = { AWS = "210987654321" } }
[[accounts.regions.eu-central-1.analyzers.findings]]
id = "odd"
resource = "arn:aws:kms:eu-central-1:123456789012:key/k"
error = "ACCESS_DENIED"
external = {}

[[accounts.regions.eu-central-1.analyzers]]
name = "unused"
type = "ACCOUNT_UNUSED_ACCESS"
unused_access_age = 120
[[accounts.regions.eu-central-1.analyzers.findings]]
id = "permissions"
resource = "role/web"
unused_permissions = { s3 = { last = "200d", actions = { PutBucketPolicy = "never" } }, sqs = {} }
[[accounts.regions.eu-central-1.analyzers.findings]]
id = "role"
resource = "role/web"
unused_role = "never"
[[accounts.regions.eu-central-1.analyzers.findings]]
id = "key"
resource = "user/ada"
unused_key = { id = "AKIAADA0000000000001", last = "200d" }

[[accounts.regions.us-east-1.analyzers]]
name = "broken"
status = "FAILED"
"#;

fn region(name: &str) -> Region {
    Region::parse(name).unwrap()
}

fn needs(unused_access: bool) -> RegionalNeeds {
    RegionalNeeds {
        regions: vec![region("eu-central-1"), region("us-east-1")],
        analyzers: true,
        unused_access,
        ..RegionalNeeds::default()
    }
}

async fn collected(world: &World, regional: &RegionalNeeds) -> Snapshot {
    let choose = |_: &Authorization| BTreeMap::from([(arn("role/web"), Granularity::Service)]);
    let needs = Needs {
        regional: Some(regional),
        last_accessed: regional.unused_access.then_some(&choose),
        ..Needs::default()
    };
    let session = world.session().await;
    collect(session.reader(), &needs, "prod", world.now()).await
}

fn there<'s>(snapshot: &'s Snapshot, at: &str) -> &'s Reading<Vec<Analyzer>> {
    snapshot.regions.by_name[&region(at)].analyzers.as_ref().unwrap()
}

#[tokio::test]
async fn what_is_active_is_read_with_all_that_is_said_of_it() {
    let world = World::plant(ANALYZERS);
    let snapshot = collected(&world, &needs(true)).await;
    assert_eq!(snapshot.gaps, []);
    let mut told = serde_json::to_value(there(&snapshot, "eu-central-1")).unwrap();
    for date in [
        "/known/1/unused/known/0/analyzed_at",
        "/known/1/unused/known/0/services/known/s3/last_accessed",
        "/known/1/unused/known/1/analyzed_at",
    ] {
        let at = told.pointer_mut(date).unwrap();
        at.as_str().unwrap().parse::<DateTime<Utc>>().unwrap();
        *at = json!("then");
    }
    insta::assert_json_snapshot!(told, @r#"
    {
      "known": [
        {
          "external": {
            "known": [
              {
                "actions": [],
                "conditions": {},
                "error": "ACCESS_DENIED",
                "id": "odd",
                "principal": {},
                "public": false,
                "resource": "arn:aws:kms:eu-central-1:123456789012:key/k",
                "resource_type": "AWS::KMS::Key"
              },
              {
                "actions": [
                  "s3:GetObject"
                ],
                "conditions": {
                  "aws:SourceVpc": "vpc-1"
                },
                "id": "open",
                "principal": {
                  "AWS": "*"
                },
                "public": false,
                "resource": "arn:aws:s3:::reports",
                "resource_type": "AWS::S3::Bucket"
              }
            ]
          },
          "settings": {
            "arn": "arn:aws:access-analyzer:eu-central-1:123456789012:analyzer/outside",
            "kind": "ACCOUNT",
            "name": "outside"
          },
          "status": "active"
        },
        {
          "settings": {
            "arn": "arn:aws:access-analyzer:eu-central-1:123456789012:analyzer/unused",
            "kind": "ACCOUNT_UNUSED_ACCESS",
            "name": "unused"
          },
          "status": "active",
          "unused": {
            "known": [
              {
                "analyzed_at": "then",
                "id": "permissions",
                "kind": "permissions",
                "resource": "arn:aws:iam::123456789012:role/web",
                "services": {
                  "known": {
                    "s3": {
                      "last_accessed": "then",
                      "whole": false
                    },
                    "sqs": {
                      "last_accessed": null,
                      "whole": true
                    }
                  }
                }
              },
              {
                "analyzed_at": "then",
                "id": "role",
                "kind": "role",
                "resource": "arn:aws:iam::123456789012:role/web"
              }
            ]
          },
          "unused_after_days": 120
        }
      ]
    }
    "#);
    let [broken] = there(&snapshot, "us-east-1").known().unwrap().as_slice() else {
        panic!("{snapshot:?}")
    };
    assert_eq!(
        (&broken.status, &broken.external),
        (&AnalyzerStatus::Failed, &None),
        "nothing is asked of one that does not work"
    );
    let calls = ["ListAnalyzers", "ListFindings", "ListFindingsV2", "GetFindingV2"];
    assert_eq!(calls.map(|operation| world.calls_of(operation)), [2, 1, 1, 1]);
}

#[tokio::test]
async fn what_nobody_asked_for_is_not_read() {
    let world = World::plant(ANALYZERS);
    let snapshot = collected(&world, &needs(false)).await;
    let analyzers = there(&snapshot, "eu-central-1").known().unwrap();
    assert!(analyzers.iter().all(|analyzer| analyzer.unused.is_none()));
    let only_unused = RegionalNeeds {
        analyzers: false,
        ..needs(true)
    };
    let snapshot = collected(&world, &only_unused).await;
    let analyzers = there(&snapshot, "eu-central-1").known().unwrap();
    assert!(analyzers.iter().all(|analyzer| analyzer.external.is_none()));
    assert_eq!(world.calls_of("ListFindings"), 1, "by the first look alone");
}

#[tokio::test]
async fn every_page_is_read_however_short() {
    let mut seed = ANALYZERS.to_owned();
    for n in 0..7 {
        seed.push_str(&format!("[[accounts.regions.eu-west-1.analyzers]]\nname = \"unused-{n}\"\ntype = \"ACCOUNT_UNUSED_ACCESS\"\n"));
    }
    for n in 0..230 {
        seed.push_str(&format!(
            "[[accounts.regions.eu-west-1.analyzers.findings]]\nid = \"f-{n}\"\nresource = \"role/web\"\nunused_role = \"never\"\n"
        ));
    }
    let world = World::plant(&seed);
    let session = world.session().await;
    let reader = session.reader();
    let analyzers = reader.analyzers(&region("eu-west-1")).await.unwrap();
    assert_eq!(analyzers.len(), 7);
    let last = analyzers.last().unwrap();
    assert_eq!(last.settings.kind, AnalyzerKind::AccountUnusedAccess);
    let found = reader.unused_access(&last.settings.arn).await.unwrap();
    assert_eq!(found.len(), 230);
    assert_eq!(world.calls_of("ListFindingsV2"), 3);
}

#[tokio::test]
async fn a_region_that_fails_is_a_gap_of_its_own() {
    for (code, cause) in [
        ("AccessDeniedException", GapCause::Denied),
        ("ThrottlingException", GapCause::Throttled),
        ("InternalServerException", GapCause::Failed),
    ] {
        let world = World::plant(ANALYZERS);
        let fault = Fault::new(FaultKind::error(code)).on("ListAnalyzers");
        world.simulator.faults().add(fault.in_region("us-east-1"));
        let snapshot = collected(&world, &needs(false)).await;
        let [gap] = snapshot.gaps.as_slice() else {
            panic!("{:?}", snapshot.gaps)
        };
        assert_eq!(
            (gap.cause, gap.operation.as_str()),
            (cause, "access-analyzer:ListAnalyzers")
        );
        assert!(gap.detail.starts_with("in us-east-1: "), "{}", gap.detail);
        assert_eq!(there(&snapshot, "us-east-1").gap(), Some(gap));
        assert!(there(&snapshot, "eu-central-1").known().is_some());
    }
}

#[tokio::test]
async fn what_was_found_is_whole_or_a_gap() {
    for kind in [
        FaultKind::error("ThrottlingException"),
        FaultKind::MalformedBody,
        FaultKind::EmptyBody,
    ] {
        let world = World::plant(ANALYZERS);
        for operation in ["ListFindings", "ListFindingsV2"] {
            world.break_down(kind.clone(), operation);
        }
        let snapshot = collected(&world, &needs(true)).await;
        let operations: Vec<_> = snapshot.gaps.iter().map(|gap| gap.operation.as_str()).collect();
        assert_eq!(
            operations,
            ["access-analyzer:ListFindings"],
            "of unused access nothing is needed"
        );
        let analyzers = there(&snapshot, "eu-central-1").known().unwrap();
        let unread = |analyzer: &Analyzer| {
            let external = analyzer.external.as_ref().and_then(Reading::gap);
            external
                .or(analyzer.unused.as_ref().and_then(Reading::gap))
                .is_some()
        };
        assert!(analyzers.iter().all(unread));
    }
    // What is not used of permissions is further evidence: where it cannot be had, that alone is unknown.
    let world = World::plant(ANALYZERS);
    world.break_down(FaultKind::error("AccessDeniedException"), "GetFindingV2");
    let snapshot = collected(&world, &needs(true)).await;
    assert_eq!(snapshot.gaps, []);
    let analyzers = there(&snapshot, "eu-central-1").known().unwrap();
    let unused = analyzers.iter().filter_map(|analyzer| analyzer.unused.as_ref());
    let findings = unused.filter_map(Reading::known).flatten();
    let unread: Vec<_> = findings
        .filter_map(|finding| finding.services.as_ref()?.gap())
        .map(|gap| (gap.operation.as_str(), gap.resource.clone()))
        .collect();
    assert_eq!(unread, [("access-analyzer:GetFinding", Some(arn("role/web")))]);
}

#[tokio::test]
async fn the_table_of_permissions_is_what_reading_calls() {
    let world = World::plant(ANALYZERS);
    let called = |snapshot: Snapshot| {
        let calls = snapshot.api_calls.into_keys();
        calls
            .filter(|call| call.starts_with("access-analyzer:"))
            .collect::<BTreeSet<_>>()
    };
    let allowed = |analyzers, unused_access| {
        let reads = permissions::reads(permissions::Reads {
            analyzers,
            unused_access,
            ..permissions::Reads::default()
        });
        let of_service = reads
            .into_iter()
            .filter(|action| action.starts_with("access-analyzer:"));
        of_service.map(ToOwned::to_owned).collect::<BTreeSet<_>>()
    };
    assert_eq!(
        called(collected(&world, &needs(false)).await),
        allowed(true, false)
    );
    assert_eq!(called(collected(&world, &needs(true)).await), allowed(true, true));
}

fn settings() -> AnalyzerSettings {
    AnalyzerSettings {
        arn: Arn::parse(&format!(
            "arn:aws:access-analyzer:eu-central-1:{ACCOUNT}:analyzer/iamwarden"
        ))
        .unwrap(),
        name: "iamwarden".to_owned(),
        kind: AnalyzerKind::Account,
    }
}

#[tokio::test]
async fn an_analyzer_is_made_and_deleted_again() {
    let world = World::plant("");
    let session = world.session().await;
    let lease = lease_of(&id()).await;
    let (reader, writer) = (session.reader(), session.writer());
    let root = arn("root");
    let create = consent(
        &root,
        Change::Regional(RegionalChange::CreateAnalyzer(settings())),
    );
    writer
        .perform(&create, &lease, writer.turn().await)
        .await
        .unwrap();
    let live = reader.analyzers(&region("eu-central-1")).await.unwrap();
    let [made] = live.as_slice() else {
        panic!("{live:?}")
    };
    assert_eq!(
        (&made.settings, &made.status),
        (&settings(), &AnalyzerStatus::Active)
    );
    assert_eq!(reader.analyzers(&region("us-east-1")).await.unwrap(), []);

    // The same again is refused, and so is a second one of another name.
    let again = writer
        .perform(&create, &lease, writer.turn().await)
        .await
        .unwrap_err();
    assert_eq!(again.aws().unwrap().kind, ErrorKind::Conflict, "{again:?}");
    let mut second = settings();
    second.name = "second".to_owned();
    second.arn = Arn::parse(&settings().arn.as_str().replace("iamwarden", "second")).unwrap();
    let second = consent(&root, Change::Regional(RegionalChange::CreateAnalyzer(second)));
    let refused = writer
        .perform(&second, &lease, writer.turn().await)
        .await
        .unwrap_err();
    assert!(matches!(refused, WriteError::Refused(_)), "{refused:?}");
    assert_eq!(refused.aws().unwrap().kind, ErrorKind::LimitExceeded);

    let delete = Inverse::Regional(RegionalInverse::DeleteAnalyzer(settings()));
    let delete = rollback(&root, delete);
    writer
        .perform(&delete, &lease, writer.turn().await)
        .await
        .unwrap();
    assert_eq!(reader.analyzers(&region("eu-central-1")).await.unwrap(), []);
    let gone = writer
        .perform(&delete, &lease, writer.turn().await)
        .await
        .unwrap_err();
    assert_eq!(gone.aws().unwrap().kind, ErrorKind::Gone, "{gone:?}");
}

#[tokio::test]
async fn making_one_is_sent_once_and_its_fate_is_told() {
    for (kind, after, may_have) in [
        (FaultKind::error("ThrottlingException"), false, false),
        (FaultKind::error("AccessDeniedException"), false, false),
        (FaultKind::error("InternalServerException"), true, true),
        (FaultKind::MalformedBody, true, true),
    ] {
        let world = World::plant("");
        let session = world.session().await;
        let lease = lease_of(&id()).await;
        let fault = world.fault(kind.clone(), "CreateAnalyzer");
        let fault = if after { fault.after_effect() } else { fault };
        world.simulator.faults().add(fault);
        let create = Change::Regional(RegionalChange::CreateAnalyzer(settings()));
        let create = consent(&arn("root"), create);
        let error = session
            .writer()
            .perform(&create, &lease, session.writer().turn().await)
            .await
            .unwrap_err();
        assert_eq!(error.may_have_had_effect(), may_have, "{kind:?}: {error:?}");
        assert_eq!(world.calls_of("CreateAnalyzer"), 1, "{kind:?}");
        world.simulator.faults().clear();
        let live = session.reader().analyzers(&region("eu-central-1")).await.unwrap();
        assert_eq!(live.len(), usize::from(after), "{kind:?}");
    }
}
