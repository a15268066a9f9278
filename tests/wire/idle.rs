//! Passwords that rest, and what else users have who rest: in how few calls, and what becomes of what cannot be read.

use aws_simulator::{Fault, FaultKind};
use chrono::{DateTime, Utc};
use iamwarden::inventory::{
    GapCause, IdleNeeds, KeyNeeds, Needs, OtherCredentialKind, Reading, Snapshot, User, collect,
};
use iamwarden::model::Span;

use crate::world::World;

/// Sixty people who come every day, forty programs at work, and some who rest.
const CROWD: &str = r#"
report = { existing = "1h" }
users = [
  { name = "busy{n}", repeat = 60, age = "400d", password = { last_changed = "300d", last_used = "1d" } },
  { name = "robot{n}", repeat = 40, age = "400d", keys = [{ age = "20d", last_used = "1d" }] },
  { name = "away{n}", repeat = 3, age = "400d", password = { last_changed = "300d", last_used = "60d" } },
  { name = "gone", age = "400d", password = { last_changed = "300d", last_used = "200d" }, keys = [{ age = "300d", status = "Inactive" }], ssh_keys = [{ age = "300d" }, { age = "200d", status = "Inactive" }], signing_certificates = [{}], service_credentials = [{ service = "codecommit" }] },
  { name = "empty{n}", repeat = 3, age = "400d" },
  { name = "new", age = "2d" },
]
"#;

async fn idle(world: &World, user_unused_for: Option<u32>) -> Snapshot {
    let keys = KeyNeeds {
        oldest_harmless_age: Span::from_days(90),
        unused_for: Some(Span::from_days(90)),
        live_users: Default::default(),
    };
    let needs = Needs {
        keys: Some(&keys),
        idle: Some(IdleNeeds {
            password_unused_for: Span::from_days(45),
            user_unused_for: user_unused_for.map(Span::from_days),
        }),
        ..Needs::default()
    };
    let session = world.session().await;
    collect(session.reader(), &needs, "prod", world.now()).await
}

/// In whole days: the clock runs meanwhile.
fn days_ago(world: &World, at: Option<DateTime<Utc>>) -> Option<i64> {
    at.map(|at| (world.now() - at).num_days())
}

fn user<'s>(snapshot: &'s Snapshot, name: &str) -> Option<&'s User> {
    let users = &snapshot.authorization.known().unwrap().users;
    users.iter().find(|user| user.name == name)
}

#[tokio::test]
async fn only_passwords_at_rest_are_asked_for_and_other_credentials_of_users_at_rest() {
    let world = World::plant(CROWD);
    let snapshot = idle(&world, Some(90)).await;
    assert_eq!(snapshot.gaps, []);
    assert_eq!(
        (world.calls_of("GetLoginProfile"), world.calls_of("GetUser")),
        (4, 4),
        "of those away and gone"
    );
    for listed in [
        "ListSSHPublicKeys",
        "ListSigningCertificates",
        "ListServiceSpecificCredentials",
    ] {
        assert_eq!(world.calls_of(listed), 4, "{listed}: of gone and the empty");
    }
    let gone = user(&snapshot, "gone").unwrap();
    let password = gone.password_use.as_ref().unwrap().known().unwrap().as_ref();
    let password = password.unwrap();
    assert_eq!(password.made_at, Some(gone.created_at));
    assert_eq!(days_ago(&world, password.last_changed), Some(300));
    assert_eq!(days_ago(&world, password.last_used), Some(200));
    let others = gone.other_credentials.as_ref().unwrap().known().unwrap();
    let kinds: Vec<_> = others.iter().map(|other| (other.kind, other.active)).collect();
    assert_eq!(
        kinds.iter().filter(|(_, active)| *active).count(),
        3,
        "one of each kind works: {kinds:?}"
    );
    assert!(kinds.contains(&(OtherCredentialKind::SshPublicKey, false)));
    let empty = user(&snapshot, "empty0001").unwrap();
    assert_eq!(empty.password_use, Some(Reading::Known(None)));
    assert_eq!(empty.other_credentials, Some(Reading::Known(Vec::new())));
    for lively in ["busy0001", "robot0001", "away0001", "new"] {
        assert_eq!(
            user(&snapshot, lively).unwrap().other_credentials,
            None,
            "{lively}"
        );
    }
}

#[tokio::test]
async fn where_no_rule_asks_for_users_their_other_credentials_are_not_listed() {
    let world = World::plant(CROWD);
    let snapshot = idle(&world, None).await;
    assert_eq!(snapshot.gaps, []);
    assert_eq!(world.calls_of("ListSSHPublicKeys"), 0);
}

#[tokio::test]
async fn one_users_failure_is_its_own_gap_and_who_is_gone_is_dropped() {
    let world = World::plant(CROWD);
    for (operation, code, user) in [
        ("GetLoginProfile", "AccessDenied", "away0001"),
        ("GetUser", "Throttling", "away0002"),
        ("GetUser", "NoSuchEntity", "away0003"),
        ("ListSigningCertificates", "AccessDenied", "empty0001"),
        ("ListServiceSpecificCredentials", "NoSuchEntity", "empty0002"),
        ("ListSSHPublicKeys", "ServiceFailure", "empty0003"),
    ] {
        let fault = Fault::new(FaultKind::error(code)).on(operation);
        world.simulator.faults().add(fault.about(user));
    }
    let snapshot = idle(&world, Some(90)).await;
    let mut causes: Vec<_> = snapshot
        .gaps
        .iter()
        .map(|gap| (gap.resource.as_ref().unwrap().name(), gap.cause))
        .collect();
    causes.sort_by_key(|(name, _)| *name);
    assert_eq!(
        causes,
        [
            ("away0001", GapCause::Denied),
            ("away0002", GapCause::Throttled),
            ("empty0001", GapCause::Denied),
            ("empty0003", GapCause::Failed),
        ]
    );
    for gone in ["away0003", "empty0002"] {
        assert_eq!(user(&snapshot, gone), None, "{gone}");
    }
    for unknown in ["away0001", "away0002"] {
        let password = user(&snapshot, unknown).unwrap().password_use.as_ref();
        assert!(password.unwrap().gap().is_some(), "{unknown}");
    }
    for unknown in ["empty0001", "empty0003"] {
        let others = user(&snapshot, unknown).unwrap().other_credentials.as_ref();
        assert!(others.unwrap().gap().is_some(), "{unknown}");
    }
    assert_eq!(
        user(&snapshot, "busy0060")
            .unwrap()
            .password_use
            .as_ref()
            .unwrap()
            .gap(),
        None
    );
}

#[tokio::test]
async fn without_a_report_when_a_password_was_set_is_not_known() {
    let world = World::plant(&CROWD.replace(r#"existing = "1h""#, r#"refused = "AccessDenied""#));
    let snapshot = idle(&world, Some(90)).await;
    let away = user(&snapshot, "away0001").unwrap();
    let password = away
        .password_use
        .as_ref()
        .unwrap()
        .known()
        .unwrap()
        .as_ref()
        .unwrap();
    assert_eq!(password.last_changed, None);
    assert_eq!(days_ago(&world, password.last_used), Some(60));
}
