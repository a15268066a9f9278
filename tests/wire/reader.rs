//! What is read, and how reading fails.

use aws_simulator::{Edit, Fault, FaultKind, Paging};
use iamwarden::aws::ErrorKind;
use iamwarden::inventory::{Granularity, LastUsed};
use iamwarden::model::{AccessKeyId, Arn, KeyStatus};

use crate::world::{World, arn};

const ALICE: &str = r#"
[[accounts.users]]
name = "alice"
path = "/people/"
age = "400d"
tags = { owner = "alice@example.com" }
groups = ["ops"]
attached = ["ReadOnlyAccess"]
boundary = "PowerUserAccess"
inline = { own = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}]}' }
keys = [
  { id = "AKIAALICE00000000001", age = "120d", last_used = "3d" },
  { id = "AKIAALICE00000000002", age = "10d", status = "Inactive" },
]
[[accounts.groups]]
name = "ops"
[[accounts.roles]]
name = "app"
assumed_by = ["lambda.amazonaws.com"]
last_used = "5d"
used = { s3 = "5d" }
attached = ["own"]
[[accounts.policies]]
name = "own"
versions = [
  { document = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}]}', age = "300d" },
  { document = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["s3:*", "sqs:*"], "Resource": "*"}]}', age = "30d" },
]
"#;

fn alice() -> Arn {
    arn("user/people/alice")
}

fn key(n: u8) -> AccessKeyId {
    AccessKeyId::parse(&format!("AKIAALICE0000000000{n}")).unwrap()
}

#[tokio::test]
async fn an_account_is_read_whole() {
    let world = World::plant(ALICE);
    let authorization = world.session().await.reader().authorization(true).await.unwrap();
    let [user] = authorization.users.as_slice() else {
        panic!("one user")
    };
    assert_eq!((user.name.as_str(), &user.arn), ("alice", &alice()));
    assert_eq!(
        user.tags.get("owner").map(String::as_str),
        Some("alice@example.com")
    );
    assert_eq!(user.groups, ["ops"]);
    assert_eq!(
        user.attached.first().unwrap().arn.as_str(),
        "arn:aws:iam::aws:policy/ReadOnlyAccess"
    );
    assert!(
        user.boundary
            .as_ref()
            .unwrap()
            .as_str()
            .ends_with("/PowerUserAccess")
    );
    assert!(
        user.inline
            .first()
            .unwrap()
            .document
            .contains(r#""Action": "s3:Get*""#)
    );
    let role = authorization.roles.iter().find(|r| r.name == "app").unwrap();
    assert!(role.trust.contains("lambda.amazonaws.com"), "{}", role.trust);
    let used = role.last_used_at.unwrap();
    assert!((world.ago(5) - used).num_minutes().abs() < 5);
    let own = authorization.policies.get(&arn("policy/own")).unwrap();
    assert_eq!((own.default_version.as_str(), own.versions.len()), ("v2", 2));
    assert!(own.default_document().unwrap().document.contains("s3:*"));
    let boundary = authorization
        .policies
        .values()
        .find(|p| p.name == "PowerUserAccess")
        .unwrap();
    assert_eq!(boundary.boundary_count, 1);
    assert!(
        authorization.policies.len() < 5,
        "only policies of AWS that are in use"
    );
}

#[tokio::test]
async fn every_page_is_read_however_short() {
    let world = World::plant("users = [{ name = \"u{n}\", repeat = 25 }]\n");
    world.simulator.set_paging(Paging {
        size: Some(4),
        empty_pages: true,
    });
    let session = world.session().await;
    let authorization = session.reader().authorization(false).await.unwrap();
    assert_eq!(authorization.users.len(), 25);
    assert!(authorization.users.is_sorted_by(|a, b| a.arn < b.arn));
    assert!(authorization.policies.is_empty());
    world.break_down(FaultKind::MalformedBody, "GetAccountAuthorizationDetails");
    let error = session.reader().authorization(false).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unusable, "{error}");
}

#[tokio::test]
async fn a_failing_page_fails_the_whole() {
    let world = World::plant("users = [{ name = \"u{n}\", repeat = 25 }]\n");
    world.simulator.set_paging(Paging {
        size: Some(10),
        empty_pages: false,
    });
    let session = world.session().await;
    let third = Fault::new(FaultKind::error("AccessDenied")).on("GetAccountAuthorizationDetails");
    world.simulator.faults().add(third.only_nth(3));
    let error = session.reader().authorization(false).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied);
    insta::assert_snapshot!(error.operation, @"iam:GetAccountAuthorizationDetails");
}

#[tokio::test]
async fn keys_and_their_last_use() {
    let world = World::plant(ALICE);
    let session = world.session().await;
    let reader = session.reader();
    let keys = reader.access_keys(&alice()).await.unwrap();
    let told: Vec<_> = keys.iter().map(|k| (k.id.clone(), k.status.clone())).collect();
    assert_eq!(told, [(key(1), KeyStatus::Active), (key(2), KeyStatus::Inactive)]);
    let LastUsed::At { at, service, .. } = reader.access_key_last_used(&alice(), &key(1)).await.unwrap()
    else {
        panic!("used")
    };
    assert!((world.ago(3) - at).num_minutes().abs() < 20);
    assert_eq!(service.as_deref(), Some("s3"));
    let never = reader.access_key_last_used(&alice(), &key(2)).await.unwrap();
    assert_eq!(never, LastUsed::Never);
    let stranger = reader
        .access_key_last_used(&arn("user/bob"), &key(1))
        .await
        .unwrap_err();
    assert_eq!(stranger.kind, ErrorKind::Unusable);
    let gone = reader.access_keys(&arn("user/bob")).await.unwrap_err();
    assert_eq!(gone.kind, ErrorKind::Gone);
    assert!(reader.access_keys(&arn("role/alice")).await.is_err());
    assert_eq!(reader.login_profile(&alice()).await.unwrap(), None);
    assert!(reader.mfa_devices(&alice()).await.unwrap().is_empty());
}

#[tokio::test]
async fn who_has_a_name_now_is_read_live() {
    let world = World::plant(ALICE);
    let session = world.session().await;
    let reader = session.reader();
    let listed = reader.authorization(false).await.unwrap();
    let found = reader.holder(&alice()).await.unwrap();
    assert_eq!(
        (&found.arn, found.created_at),
        (&alice(), listed.users[0].created_at)
    );
    assert_eq!(found.members, None);
    // The name decides, whatever path the ARN has: whoever asks compares.
    assert_eq!(reader.holder(&arn("user/alice")).await.unwrap().arn, alice());
    let role = reader.holder(&arn("role/app")).await.unwrap();
    assert_eq!((role.arn, role.members), (arn("role/app"), None));
    world.simulator.set_paging(Paging {
        size: Some(1),
        empty_pages: true,
    });
    let group = reader.holder(&arn("group/ops")).await.unwrap();
    let members = group.members.unwrap();
    assert_eq!(members.len(), 1);
    assert_eq!(
        (&members[0].arn, members[0].created_at),
        (&alice(), found.created_at)
    );
    for gone in ["user/bob", "group/none", "role/none"] {
        assert_eq!(reader.holder(&arn(gone)).await.unwrap_err().kind, ErrorKind::Gone);
    }
    for wrong in ["policy/own", "user/", "root"] {
        assert_eq!(
            reader.holder(&arn(wrong)).await.unwrap_err().kind,
            ErrorKind::Unusable
        );
    }
}

#[tokio::test]
async fn failures_keep_their_kinds_and_are_tried_again_where_that_helps() {
    let world = World::plant(ALICE);
    let session = world.session().await;
    for (fault, kind, attempts) in [
        (FaultKind::error("Throttling"), ErrorKind::Throttled, 3),
        (FaultKind::error("ServiceFailure"), ErrorKind::Service, 3),
        (FaultKind::error("AccessDenied"), ErrorKind::Denied, 1),
        (FaultKind::error("ExpiredToken"), ErrorKind::Credentials, 1),
        (
            FaultKind::error("InvalidClientTokenId"),
            ErrorKind::Credentials,
            1,
        ),
        (FaultKind::Reset, ErrorKind::Network, 3),
        (FaultKind::Hang, ErrorKind::Timeout, 3),
        (FaultKind::EmptyBody, ErrorKind::Unusable, 1),
        (FaultKind::MalformedBody, ErrorKind::Unusable, 1),
    ] {
        world.simulator.faults().clear();
        world.simulator.clear_calls();
        world.break_down(fault.clone(), "GetAccessKeyLastUsed");
        let read = session.reader().access_key_last_used(&alice(), &key(1)).await;
        let error = read.expect_err("an error is not a last use");
        assert_eq!(error.kind, kind, "{fault:?}: {error}");
        assert_eq!(world.calls_of("GetAccessKeyLastUsed"), attempts, "{fault:?}");
        assert_eq!(error.resource.as_deref(), Some(&alice()));
    }
    world.simulator.faults().clear();
    let twice = Fault::new(FaultKind::error("Throttling"))
        .on("GetAccessKeyLastUsed")
        .times(2);
    world.simulator.faults().add(twice);
    assert!(
        session
            .reader()
            .access_key_last_used(&alice(), &key(1))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_password_policy_or_none() {
    let world = World::plant("");
    let session = world.session().await;
    assert_eq!(session.reader().password_policy().await.unwrap(), None);
    let policy = aws_simulator::PasswordPolicy {
        minimum_password_length: 14,
        max_password_age: Some(90),
        ..aws_simulator::PasswordPolicy::default()
    };
    world.edit(&Edit {
        password_policy: Some(policy),
        ..Edit::of(crate::world::ACCOUNT)
    });
    let read = session.reader().password_policy().await.unwrap().unwrap();
    assert_eq!(
        (read.minimum_length, read.max_age_days, read.reuse_prevention),
        (14, Some(90), None)
    );
}

#[tokio::test]
async fn the_credential_report_is_waited_for() {
    for (report, kind) in [
        ("", None),
        ("polls = 3", None),
        ("existing = \"2h\"", None),
        ("existing = \"5h\"\nexpires = \"4h\"", None),
        ("never_ready = true", Some(ErrorKind::Timeout)),
        ("absent = true", Some(ErrorKind::Timeout)),
        ("refused = \"LimitExceeded\"", Some(ErrorKind::LimitExceeded)),
        ("refused = \"AccessDenied\"", Some(ErrorKind::Denied)),
    ] {
        let world = World::plant(&format!("[accounts.report]\n{report}\n"));
        let read = world.session().await.reader().credential_report().await;
        match (read, kind) {
            (Ok(file), None) => assert!(file.content.starts_with(b"user,arn,"), "{report}"),
            (Err(error), Some(kind)) => assert_eq!(error.kind, kind, "{report}: {error}"),
            (read, _) => panic!("{report}: {read:?}"),
        }
        assert!(world.simulator.counts().total < 60, "{report}: no hot loop");
    }
}

#[tokio::test]
async fn access_advisor_is_read_to_the_last_page() {
    let world = World::plant(&format!("{ALICE}[accounts.advisor]\npolls = 2\npage_size = 1\n"));
    let session = world.session().await;
    let report = session
        .reader()
        .service_last_accessed(&arn("role/app"), Granularity::Service)
        .await
        .unwrap();
    let names: Vec<_> = report.services.keys().map(String::as_str).collect();
    assert_eq!(names, ["s3", "sqs"]);
    assert!(report.services["s3"].last_authenticated.is_some());
    assert!(report.services["sqs"].last_authenticated.is_none());
    assert!(report.services["s3"].tracked_actions.is_empty(), "not asked for");
    let by_action = session
        .reader()
        .service_last_accessed(&arn("role/app"), Granularity::Action)
        .await
        .unwrap();
    let actions = by_action.services["s3"].tracked_actions.keys();
    assert!(actions.count() > 0, "{by_action:?}");
    let gone = session
        .reader()
        .service_last_accessed(&arn("role/gone"), Granularity::Service)
        .await
        .unwrap_err();
    assert_eq!(gone.kind, ErrorKind::Gone);
}

#[tokio::test]
async fn an_access_advisor_job_that_does_not_complete_says_nothing() {
    for (advisor, kind) in [
        ("failed = \"internal\"", ErrorKind::Unusable),
        ("never_completes = true", ErrorKind::Timeout),
    ] {
        let world = World::plant(&format!("{ALICE}[accounts.advisor]\n{advisor}\n"));
        let session = world.session().await;
        let error = session
            .reader()
            .service_last_accessed(&arn("role/app"), Granularity::Service)
            .await
            .unwrap_err();
        assert_eq!(error.kind, kind, "{advisor}: {error}");
    }
    let world = World::plant(ALICE);
    let session = world.session().await;
    let lost = Fault::new(FaultKind::error("NoSuchEntity")).on("GetServiceLastAccessedDetails");
    world.simulator.faults().add(lost.clone().times(1));
    assert!(
        session
            .reader()
            .service_last_accessed(&arn("role/app"), Granularity::Service)
            .await
            .is_ok()
    );
    assert_eq!(
        world.calls_of("GenerateServiceLastAccessedDetails"),
        2,
        "a new job"
    );
    world.simulator.faults().add(lost);
    let error = session
        .reader()
        .service_last_accessed(&arn("role/app"), Granularity::Service)
        .await
        .unwrap_err();
    assert_eq!(
        error.kind,
        ErrorKind::Unusable,
        "a lost job is not a principal that is gone"
    );
}

#[tokio::test]
async fn attachments_and_policies_are_read_again_live() {
    let world = World::plant(ALICE);
    let session = world.session().await;
    let reader = session.reader();
    let attached = reader.attached_policies(&alice()).await.unwrap();
    assert_eq!(attached.len(), 1);
    assert!(
        reader
            .attached_policies(&arn("group/ops"))
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(reader.attached_policies(&arn("role/app")).await.unwrap().len(), 1);
    assert!(reader.attached_policies(&arn("policy/own")).await.is_err());
    let live = reader.policy(&arn("policy/own")).await.unwrap();
    let listed = reader.authorization(true).await.unwrap();
    let listed = listed.policies.get(&arn("policy/own")).unwrap();
    assert_eq!(live.default_document(), listed.default_document());
    assert_eq!(live.attachment_count, 1);
}
