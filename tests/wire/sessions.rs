//! Who iamwarden is, and that AWS agrees.

use std::time::Duration;

use aws_simulator::{FaultKind, Seed};
use chrono::TimeDelta;
use iamwarden::aws::{ConnectError, ErrorKind, Purpose};
use iamwarden::config::{Account, SecretReference};
use secrecy::ExposeSecret;

use crate::world::{ACCOUNT, World};

fn account(value: serde_json::Value) -> Account {
    let mut whole = serde_json::json!({"id": ACCOUNT, "rollback_role_arn": ""});
    whole
        .as_object_mut()
        .unwrap()
        .extend(value.as_object().unwrap().clone());
    serde_json::from_value(whole).unwrap()
}

#[tokio::test]
async fn the_ambient_credentials_say_which_account() {
    let world = World::plant("");
    let session = world.session().await;
    assert_eq!(session.account().as_str(), ACCOUNT);
    assert_eq!(session.reader().partition().as_str(), "aws");
    assert_eq!(session.caller().identities, ["role/Operator"]);
    assert_eq!(
        session.reader().api_calls().get("sts:GetCallerIdentity"),
        Some(&1)
    );
}

#[tokio::test]
async fn the_partition_is_the_callers() {
    let seed = format!("[[accounts]]\nid = \"{ACCOUNT}\"\npartition = \"aws-cn\"\n");
    let world = World::of(&Seed::parse(&seed).unwrap());
    assert_eq!(world.session().await.reader().partition().as_str(), "aws-cn");
}

#[tokio::test]
async fn another_account_than_declared_is_refused() {
    let world = World::plant("");
    let declared = account(serde_json::json!({"id": "210987654321"}));
    let error = world.connect(Some(&declared)).await.unwrap_err();
    assert!(matches!(error, ConnectError::WrongAccount { .. }), "{error}");
    insta::assert_snapshot!(error, @"the credentials for account 210987654321 lead to account 123456789012 (as arn:aws:sts::123456789012:assumed-role/Operator/simulator): correct `id` or `role_arn` of this account; nothing is read or changed there");
    assert_eq!(
        world.simulator.counts().operations.len(),
        1,
        "nothing else was called"
    );
}

#[tokio::test]
async fn a_wrong_clock_is_refused() {
    let world = World::plant("");
    let sessions = world.sessions(ACCOUNT);
    for minutes in [-10, 10, 60 * 24 * 730] {
        let now = world.now() + TimeDelta::minutes(minutes);
        let error = sessions.connect(None, Purpose::Work, now).await.unwrap_err();
        assert!(
            matches!(error, ConnectError::ClockSkew { .. }),
            "{minutes}: {error}"
        );
    }
    for minutes in [-4, 4] {
        let now = world.now() + TimeDelta::minutes(minutes);
        assert!(
            sessions.connect(None, Purpose::Work, now).await.is_ok(),
            "{minutes}"
        );
    }
}

const CHAIN: &str = r#"
[[accounts.roles]]
name = "iamwarden"
path = "/tools/"
assumed_by = ["123456789012"]
external_id = "canary-of-the-day"
[[accounts.roles]]
name = "undo"
assumed_by = ["123456789012"]
[[accounts.secrets]]
name = "iamwarden/external-id"
value = '{"id": "canary-of-the-day"}'
"#;

fn with_role() -> Account {
    account(serde_json::json!({
        "role_arn": "arn:aws:iam::123456789012:role/tools/iamwarden",
        "rollback_role_arn": "arn:aws:iam::123456789012:role/undo",
        "external_id": "secretsmanager:iamwarden/external-id#id",
    }))
}

#[tokio::test]
async fn a_role_is_assumed_with_its_external_id() {
    let world = World::plant(CHAIN);
    let session = world.connect(Some(&with_role())).await.unwrap();
    let caller = session.caller();
    assert_eq!(
        caller.arn.as_str(),
        "arn:aws:sts::123456789012:assumed-role/iamwarden/iamwarden-test"
    );
    assert_eq!(
        caller.identities,
        ["role/Operator", "role/iamwarden", "role/undo"]
    );
    session.reader().password_policy().await.unwrap();
    assert_eq!(world.calls_of("AssumeRole"), 1, "one cache serves all clients");
    let calls = world.simulator.calls();
    let read = calls
        .iter()
        .find(|c| c.operation == "GetAccountPasswordPolicy")
        .unwrap();
    assert_eq!(read.caller.as_deref(), Some(caller.arn.as_str()));
}

#[tokio::test]
async fn rollback_has_a_role_of_its_own() {
    let world = World::plant(CHAIN);
    let mut declared = with_role();
    declared.external_id = None;
    let sessions = world.sessions(ACCOUNT);
    let session = sessions
        .connect(Some(&declared), Purpose::Rollback, world.now())
        .await;
    assert_eq!(session.unwrap().caller().arn.name(), "iamwarden-test");
    let assumed = world
        .simulator
        .calls()
        .into_iter()
        .find(|c| c.operation == "AssumeRole");
    let role = assumed.unwrap().parameters.get("RoleArn").cloned();
    assert_eq!(role.as_deref(), Some("arn:aws:iam::123456789012:role/undo"));
}

#[tokio::test]
async fn a_role_that_refuses_is_a_typed_error_without_the_external_id() {
    let world = World::plant(&CHAIN.replace(r#""id": "canary"#, r#""id": "wrong-canary"#));
    let error = world.connect(Some(&with_role())).await.unwrap_err();
    let ConnectError::Aws {
        operation,
        kind,
        source,
        ..
    } = &error
    else {
        panic!("{error}")
    };
    assert_eq!((*operation, *kind), ("sts:AssumeRole", ErrorKind::Denied));
    let all = format!("{error} {error:?} {source}");
    assert!(!all.contains("canary"), "{all}");
}

#[tokio::test]
async fn a_rotated_external_id_is_read_anew() {
    let world = World::plant(CHAIN);
    let sessions = world.sessions(ACCOUNT);
    let declared = with_role();
    let connect = || sessions.connect(Some(&declared), Purpose::Work, world.now());
    connect().await.unwrap();
    let rotated = format!("[[accounts]]\nid = \"{ACCOUNT}\"\n{CHAIN}").replace("of-the-day", "of-tomorrow");
    world.simulator.replant(&Seed::parse(&rotated).unwrap()).unwrap();
    connect().await.unwrap();
    assert_eq!(world.calls_of("GetSecretValue"), 2);
    connect().await.unwrap();
    assert_eq!(world.calls_of("GetSecretValue"), 2, "what was read anew is kept");
}

#[tokio::test]
async fn a_secret_that_is_not_there_is_named() {
    let world = World::plant(&CHAIN.replace("iamwarden/external-id", "something-else"));
    let error = world.connect(Some(&with_role())).await.unwrap_err();
    assert!(matches!(error, ConnectError::ExternalId { .. }));
    insta::assert_snapshot!(std::error::Error::source(&error).unwrap(), @"the secret secretsmanager:iamwarden/external-id#id cannot be read from Secrets Manager: check its name and region, and that iamwarden may call secretsmanager:GetSecretValue on it");
}

#[tokio::test]
async fn a_secret_is_read_once_and_again_when_it_is_old_or_was_refused() {
    let world = World::plant(CHAIN);
    let whole = SecretReference::parse("secretsmanager:iamwarden/external-id").unwrap();
    let key = SecretReference::parse("secretsmanager:iamwarden/external-id#id").unwrap();
    let secrets = world.secrets(Duration::from_secs(300));
    for reference in [&whole, &key, &key] {
        secrets.resolve(reference).await.unwrap();
    }
    assert_eq!(world.calls_of("GetSecretValue"), 1);
    assert_eq!(
        secrets.refresh(&key).await.unwrap().expose_secret(),
        "canary-of-the-day"
    );
    assert_eq!(world.calls_of("GetSecretValue"), 2, "it was refused");
    let forgetful = world.secrets(Duration::ZERO);
    for read in 3..5 {
        forgetful.resolve(&key).await.unwrap();
        assert_eq!(world.calls_of("GetSecretValue"), read, "it is old");
    }
}

#[tokio::test]
async fn counts_are_kept_per_account() {
    let world = World::plant("");
    let sessions = world.sessions(ACCOUNT);
    world.simulator.faults().add(
        world
            .fault(FaultKind::error("Throttling"), "GetAccountPasswordPolicy")
            .times(1),
    );
    let session = sessions.connect(None, Purpose::Work, world.now()).await.unwrap();
    session.reader().password_policy().await.unwrap();
    let told: Vec<_> = sessions
        .calls()
        .iter()
        .map(|c| format!("{} {} {} {}", c.account, c.operation, c.result.as_str(), c.count))
        .collect();
    assert_eq!(
        told,
        [
            "123456789012 iam:GetAccountPasswordPolicy ok 1",
            "123456789012 iam:GetAccountPasswordPolicy throttled 1",
            "123456789012 sts:GetCallerIdentity ok 1",
        ]
    );
    let calls = session.reader().api_calls();
    assert_eq!(
        calls.get("iam:GetAccountPasswordPolicy"),
        Some(&2),
        "retries count"
    );
}

#[tokio::test]
async fn throttles_slow_the_whole_account_down_and_answers_speed_it_up_again() {
    let world = World::plant("");
    let sessions = world.sessions(ACCOUNT);
    let rate = || match sessions.rates().as_slice() {
        [(account, rate)] if account.as_str() == ACCOUNT => *rate,
        other => panic!("one budget for one account: {other:?}"),
    };
    let first = sessions.connect(None, Purpose::Work, world.now()).await.unwrap();
    let second = sessions.connect(None, Purpose::Work, world.now()).await.unwrap();
    assert_eq!(rate(), 5000.0);
    let throttled = world.fault(FaultKind::error("Throttling"), "GetAccountPasswordPolicy");
    world.simulator.faults().add(throttled.times(1));
    first.reader().password_policy().await.unwrap();
    let slow = rate();
    assert!(
        (2500.0..2501.0).contains(&slow),
        "half, and one answer since: {slow}"
    );
    for _ in 0..10 {
        second.reader().password_policy().await.unwrap();
    }
    assert!(
        (rate() - slow - 1.0).abs() < 1e-6,
        "ten answers since, in another session: {}",
        rate()
    );
}
