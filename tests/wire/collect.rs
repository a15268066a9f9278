//! The inventory: in how few calls, and what becomes of what cannot be read.

use std::collections::{BTreeMap, BTreeSet};

use aws_simulator::{Edit, Fault, FaultKind, ReportSeed, When};
use iamwarden::aws::permissions;
use iamwarden::inventory::{
    Authorization, Credentials, GapCause, Granularity, KeyNeeds, LastUsed, Needs, Reading, SignInOf,
    Snapshot, User, collect,
};
use iamwarden::model::{Arn, KeyStatus, Span};

use crate::world::{ACCOUNT, World, arn};

fn key_needs(unused_for: Option<u32>) -> KeyNeeds {
    KeyNeeds {
        oldest_harmless_age: Span::from_days(76),
        unused_for: unused_for.map(Span::from_days),
        live_users: BTreeSet::new(),
    }
}

async fn collected(world: &World, needs: &Needs<'_>) -> Snapshot {
    let session = world.session().await;
    collect(session.reader(), needs, "prod", world.now()).await
}

async fn with_keys(world: &World, unused_for: Option<u32>) -> Snapshot {
    let keys = key_needs(unused_for);
    let needs = Needs {
        keys: Some(&keys),
        ..Needs::default()
    };
    collected(world, &needs).await
}

fn users(snapshot: &Snapshot) -> &[User] {
    &snapshot.authorization.known().unwrap().users
}

fn credentials<'s>(snapshot: &'s Snapshot, name: &str) -> &'s Reading<Credentials> {
    let user = users(snapshot).iter().find(|user| user.name == name).unwrap();
    user.credentials.as_ref().unwrap()
}

/// Sixty users with a young key, three with an old one, one with an old one that is inactive.
const CROWD: &str = r#"
users = [
  { name = "young{n}", repeat = 60, keys = [{ age = "20d", last_used = "2d" }] },
  { name = "old{n}", repeat = 3, keys = [{ age = "200d", last_used = "2d" }, { age = "10d" }] },
  { name = "retired", keys = [{ age = "300d", status = "Inactive" }], password = {} },
  { name = "nothing" },
]
"#;

#[tokio::test]
async fn few_calls_for_many_users() {
    let world = World::plant(CROWD);
    let snapshot = with_keys(&world, Some(45)).await;
    assert_eq!(snapshot.gaps, []);
    assert!(snapshot.credential_report_at.is_some());
    assert_eq!(world.calls_of("ListAccessKeys"), 3);
    assert_eq!(world.calls_of("GetAccessKeyLastUsed"), 0, "the report tells");
    let total: u64 = snapshot.api_calls.values().sum();
    assert!(total <= 3 + 15, "{:?}", snapshot.api_calls);
    assert_eq!(total, world.simulator.counts().total, "every call is counted");

    let old = credentials(&snapshot, "old0001").known().unwrap();
    let [first, second] = old.access_keys.as_slice() else {
        panic!("two keys")
    };
    assert!(first.id.is_some() && second.id.is_some());
    assert!(first.created_at < second.created_at);
    assert!(first.last_used.known().unwrap().at().is_some());
    assert_eq!(second.last_used.known(), Some(&LastUsed::Never));
    let young = credentials(&snapshot, "young0001").known().unwrap();
    assert_eq!(young.access_keys.first().unwrap().id, None);
    let retired = credentials(&snapshot, "retired").known().unwrap();
    assert_eq!(retired.access_keys.first().unwrap().status, KeyStatus::Inactive);
    assert_eq!(credentials(&snapshot, "nothing").known().unwrap().access_keys, []);
}

#[tokio::test]
async fn without_a_usable_report_every_user_is_looked_at() {
    let refused = |code: &str| ReportSeed {
        refused: Some(code.to_owned()),
        ..ReportSeed::default()
    };
    let stamped = |hours| ReportSeed {
        stamp: When::hours(hours),
        ..ReportSeed::default()
    };
    let nonsense = ReportSeed {
        csv: Some("<html>maintenance</html>".to_owned()),
        ..ReportSeed::default()
    };
    for report in [
        refused("AccessDenied"),
        refused("LimitExceeded"),
        stamped(5),
        stamped(-1),
        nonsense,
    ] {
        let world = World::plant(CROWD);
        world.edit(&Edit {
            report: Some(report.clone()),
            ..Edit::of(ACCOUNT)
        });
        let snapshot = with_keys(&world, None).await;
        assert_eq!(snapshot.gaps, [], "{report:?}");
        assert_eq!(snapshot.credential_report_at, None);
        assert_eq!(world.calls_of("ListAccessKeys"), 65);
        assert_eq!(
            world.calls_of("GetAccessKeyLastUsed"),
            3,
            "only of keys past the horizon"
        );
        let old = credentials(&snapshot, "old0002").known().unwrap();
        assert!(
            old.access_keys
                .first()
                .unwrap()
                .last_used
                .known()
                .unwrap()
                .at()
                .is_some()
        );
        let young = credentials(&snapshot, "young0001").known().unwrap();
        assert!(young.access_keys.first().unwrap().id.is_some());
    }
}

#[tokio::test]
async fn one_users_failure_is_its_own_gap() {
    let world = World::plant(CROWD);
    let denied = Fault::new(FaultKind::error("AccessDenied")).on("ListAccessKeys");
    world.simulator.faults().add(denied.about("old0002"));
    let snapshot = with_keys(&world, None).await;
    let [gap] = snapshot.gaps.as_slice() else {
        panic!("{:?}", snapshot.gaps)
    };
    assert_eq!(
        (gap.cause, gap.resource.as_ref()),
        (GapCause::Denied, Some(&arn("user/old0002")))
    );
    assert_eq!(credentials(&snapshot, "old0002").gap(), Some(gap));
    assert!(credentials(&snapshot, "old0001").known().is_some());
}

#[tokio::test]
async fn an_error_of_the_last_use_is_unknown_and_never_never() {
    // Two keys of one second: the report cannot tell them apart.
    let world = World::plant(
        r#"users = [{ name = "twins", keys = [{ age = "200d", last_used = "2d" }, { age = "200d" }] }]"#,
    );
    let snapshot = with_keys(&world, Some(45)).await;
    assert_eq!(world.calls_of("GetAccessKeyLastUsed"), 2);
    let used = |snapshot: &Snapshot| -> Vec<bool> {
        let keys = &credentials(snapshot, "twins").known().unwrap().access_keys;
        keys.iter()
            .filter_map(|key| key.last_used.known())
            .map(|last| last.at().is_some())
            .collect()
    };
    assert_eq!(used(&snapshot).iter().filter(|used| **used).count(), 1);
    world.break_down(FaultKind::error("Throttling"), "GetAccessKeyLastUsed");
    let snapshot = with_keys(&world, Some(45)).await;
    assert!(used(&snapshot).is_empty(), "neither is known");
    assert!(snapshot.gaps.iter().all(|gap| gap.cause == GapCause::Throttled));
    assert!(!snapshot.gaps.is_empty());
}

#[tokio::test]
async fn who_is_gone_is_dropped() {
    let world = World::plant(CROWD);
    let gone = Fault::new(FaultKind::error("NoSuchEntity")).on("ListAccessKeys");
    world.simulator.faults().add(gone.about("old0003"));
    let snapshot = with_keys(&world, None).await;
    assert_eq!(snapshot.gaps, []);
    assert!(users(&snapshot).iter().all(|user| user.name != "old0003"));
    assert_eq!(users(&snapshot).len(), 64);
}

#[tokio::test]
async fn a_row_that_contradicts_itself_is_unknown() {
    let world = World::plant("users = [{ name = \"alice\" }, { name = \"bob\" }]");
    let csv = format!(
        "arn,user_creation_time,password_enabled,password_last_used,password_last_changed,access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,access_key_1_last_used_region,access_key_1_last_used_service,access_key_2_active,access_key_2_last_rotated,access_key_2_last_used_date,access_key_2_last_used_region,access_key_2_last_used_service\n{},2025-01-01T00:00:00Z,false,N/A,N/A,true,N/A,N/A,N/A,N/A,false,N/A,N/A,N/A,N/A\n",
        arn("user/alice")
    );
    world.edit(&Edit {
        report: Some(ReportSeed {
            csv: Some(csv),
            ..ReportSeed::default()
        }),
        ..Edit::of(ACCOUNT)
    });
    let snapshot = with_keys(&world, None).await;
    assert_eq!(
        credentials(&snapshot, "alice").gap().unwrap().cause,
        GapCause::Unusable
    );
    // Bob is missing in the report and no young user, so he was looked at.
    assert!(credentials(&snapshot, "bob").known().is_some());
    assert_eq!(world.calls_of("ListAccessKeys"), 1);
}

#[tokio::test]
async fn a_user_that_the_report_does_not_know_yet_is_too_young_to_offend() {
    let world = World::plant(
        "users = [{ name = \"new\", age = \"1h\", keys = [{ age = \"1h\" }] }, { name = \"old\", keys = [{ age = \"200d\" }] }]\n[accounts.report]\nomit = [\"new\", \"old\"]\n",
    );
    let snapshot = with_keys(&world, Some(45)).await;
    assert_eq!(credentials(&snapshot, "new").known().unwrap().access_keys, []);
    assert!(
        credentials(&snapshot, "old")
            .known()
            .unwrap()
            .access_keys
            .first()
            .unwrap()
            .id
            .is_some()
    );
    assert_eq!(world.calls_of("ListAccessKeys"), 1);
}

#[tokio::test]
async fn half_an_account_is_none() {
    let world = World::plant(CROWD);
    world.break_down(FaultKind::error("AccessDenied"), "GetAccountAuthorizationDetails");
    world.break_down(FaultKind::error("AccessDenied"), "GetAccountPasswordPolicy");
    let keys = key_needs(None);
    let needs = Needs {
        keys: Some(&keys),
        password_policy: true,
        ..Needs::default()
    };
    let snapshot = collected(&world, &needs).await;
    assert!(snapshot.authorization.known().is_none());
    assert!(snapshot.password_policy.as_ref().unwrap().known().is_none());
    let failed: Vec<_> = snapshot.gaps.iter().map(|gap| gap.operation.as_str()).collect();
    assert_eq!(
        failed,
        [
            "iam:GetAccountAuthorizationDetails",
            "iam:GetAccountPasswordPolicy"
        ]
    );
    assert_eq!(world.calls_of("ListAccessKeys"), 0);
}

#[tokio::test]
async fn what_nobody_needs_is_not_read() {
    let world = World::plant(CROWD);
    let needs = Needs {
        password_policy: true,
        ..Needs::default()
    };
    let snapshot = collected(&world, &needs).await;
    assert_eq!(snapshot.password_policy, Some(Reading::Known(None)));
    assert!(users(&snapshot).iter().all(|user| user.credentials.is_none()));
    let called: Vec<_> = snapshot.api_calls.keys().map(String::as_str).collect();
    assert_eq!(
        called,
        [
            "iam:GetAccountAuthorizationDetails",
            "iam:GetAccountPasswordPolicy",
            "sts:GetCallerIdentity"
        ]
    );
}

#[tokio::test]
async fn ages_of_passwords() {
    let seed = r#"users = [{ name = "alice", password = { last_changed = "100d" } }, { name = "bob" }]"#;
    let needs = Needs {
        passwords: true,
        ..Needs::default()
    };
    let world = World::plant(seed);
    let snapshot = collected(&world, &needs).await;
    let password =
        |snapshot: &Snapshot, name: &str| credentials(snapshot, name).known().unwrap().password.clone();
    let changed = password(&snapshot, "alice")
        .known()
        .unwrap()
        .as_ref()
        .unwrap()
        .last_changed;
    assert!((world.ago(100) - changed.unwrap()).num_minutes().abs() < 5);
    assert_eq!(password(&snapshot, "bob"), Reading::Known(None));

    let world = World::plant(&format!(
        "{seed}\n[accounts.report]\nrefused = \"AccessDenied\"\n"
    ));
    let snapshot = collected(&world, &needs).await;
    assert!(
        password(&snapshot, "alice").known().is_none(),
        "its age is not known without the report"
    );
    assert_eq!(password(&snapshot, "bob"), Reading::Known(None));
    assert_eq!(snapshot.gaps.len(), 1, "{:?}", snapshot.gaps);
}

#[tokio::test]
async fn access_advisor_of_the_chosen_each_with_its_own_gap() {
    let world = World::plant(
        r#"
[[accounts.roles]]
name = "app{n}"
used = { s3 = "5d" }
attached = ["ReadOnlyAccess"]
[[accounts.roles]]
name = "broken"
attached = ["ReadOnlyAccess"]
advisor = { failed = "internal" }
[[accounts.roles]]
name = "left-out"
"#,
    );
    let choose = |authorization: &Authorization| -> BTreeMap<Arn, Granularity> {
        let with_policies = authorization
            .roles
            .iter()
            .filter(|role| !role.attached.is_empty());
        with_policies
            .map(|role| role.arn.clone())
            .chain([arn("role/gone")])
            .map(|arn| (arn, Granularity::Service))
            .collect()
    };
    let needs = Needs {
        policies: true,
        last_accessed: Some(&choose),
        ..Needs::default()
    };
    let snapshot = collected(&world, &needs).await;
    let read: Vec<_> = snapshot
        .last_accessed
        .iter()
        .map(|(arn, read)| (arn.name(), read.known().is_some()))
        .collect();
    assert_eq!(read, [("app{n}", true), ("broken", false)]);
    let [gap] = snapshot.gaps.as_slice() else {
        panic!("{:?}", snapshot.gaps)
    };
    assert_eq!(gap.cause, GapCause::Unusable);
    assert_eq!(snapshot.authorization.known().unwrap().policies.len(), 1);
}

#[tokio::test]
async fn the_table_of_permissions_is_what_collecting_calls() {
    let mut called = BTreeSet::new();
    for report in ["", "[accounts.report]\nrefused = \"AccessDenied\"\n"] {
        let world = World::plant(&format!("{CROWD}\n{report}"));
        let keys = key_needs(Some(45));
        let choose = |_: &Authorization| BTreeMap::from([(arn("user/nothing"), Granularity::Service)]);
        let needs = Needs {
            policies: true,
            keys: Some(&keys),
            passwords: true,
            password_policy: true,
            last_accessed: Some(&choose),
            sign_in: Some(SignInOf::ConsoleUsers),
            root: true,
            virtual_mfa_devices: true,
            ..Needs::default()
        };
        let snapshot = collected(&world, &needs).await;
        called.extend(snapshot.api_calls.into_keys());
    }
    called.remove("sts:GetCallerIdentity");
    let all = permissions::Reads {
        keys: true,
        passwords: true,
        password_policy: true,
        last_accessed: true,
        sign_in: true,
        root: true,
        virtual_mfa_devices: true,
        ..permissions::Reads::default()
    };
    assert_eq!(called.into_iter().collect::<Vec<_>>(), permissions::reads(all));
}

#[tokio::test]
async fn a_hopeless_series_is_given_up() {
    let world = World::plant("users = [{ name = \"old{n}\", repeat = 100, keys = [{ age = \"200d\" }] }]\n");
    world.break_down(FaultKind::error("Throttling"), "ListAccessKeys");
    let snapshot = with_keys(&world, None).await;
    assert_eq!(snapshot.gaps.len(), 100, "each user has its gap");
    let calls = world.calls_of("ListAccessKeys");
    assert!((16 * 3..=24 * 3).contains(&calls), "{calls}");
}

#[tokio::test]
async fn the_same_account_gives_the_same_snapshot() {
    let world = World::plant(CROWD);
    world.simulator.clock().freeze();
    let session = world.session().await;
    let keys = key_needs(Some(45));
    let needs = Needs {
        keys: Some(&keys),
        policies: true,
        password_policy: true,
        ..Needs::default()
    };
    let mut first = collect(session.reader(), &needs, "prod", world.now()).await;
    let mut second = collect(session.reader(), &needs, "prod", world.now()).await;
    first.api_calls.clear();
    second.api_calls.clear();
    assert_eq!(
        serde_json::to_string(&first).unwrap(),
        serde_json::to_string(&second).unwrap()
    );
}
