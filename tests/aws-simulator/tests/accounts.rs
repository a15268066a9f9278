//! Accounts, sessions, the clock, stale reads, edits and the control API.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::time::{Duration, Instant};

use aws_simulator::{Edit, KeySeed, Seed, SeedError, Simulator, UserSeed, When, demo_seed};
use chrono::TimeDelta;
use common::{ACCOUNT, Answer, Signer, World};

const SEED: &str = r#"
now = "2026-09-01T12:00:00Z"
frozen = true
session_expiration = "simulator"

[[accounts]]
id = "123456789012"
[[accounts.callers]]
access_key_id = "AKIA123456789012CALL"
acts_as = "assumed-role/hub/daemon"
[[accounts.users]]
name = "ada"
keys = [{ id = "AKIAADA0000000000001" }]

[[accounts]]
id = "210987654321"
[[accounts.roles]]
name = "member"
path = "/tidy/"
assumed_by = ["arn:aws:iam::123456789012:role/hub"]
external_id = "secret-handshake"
[[accounts.roles]]
name = "closed"
assumed_by = ["333333333333"]
"#;

const MEMBER: &str = "arn:aws:iam::210987654321:role/tidy/member";

fn assume(world: &World, parameters: &[(&str, &str)]) -> Answer {
    world
        .signed(&Signer::of(ACCOUNT), "sts", "AssumeRole", parameters)
        .unwrap()
}

fn session(answer: &Answer) -> Signer {
    Signer {
        key: answer.text("AccessKeyId").unwrap().to_owned(),
        token: answer.text("SessionToken").map(str::to_owned),
    }
}

#[test]
fn a_role_is_assumed_with_the_right_external_id() {
    let world = World::plant(SEED);
    let base = [("RoleArn", MEMBER), ("RoleSessionName", "tidy")];
    assert_eq!(assume(&world, &base).failure(), (403, "AccessDenied"));
    let wrong = [base[0], base[1], ("ExternalId", "guess")];
    assert_eq!(assume(&world, &wrong).failure(), (403, "AccessDenied"));
    let right = assume(&world, &[base[0], base[1], ("ExternalId", "secret-handshake")]);
    assert_eq!(
        right.text("Arn"),
        Some("arn:aws:sts::210987654321:assumed-role/member/tidy")
    );
    assert!(right.text("AccessKeyId").unwrap().starts_with("ASIA"));
    let member = session(&right);
    let identity = world.signed(&member, "sts", "GetCallerIdentity", &[]).unwrap();
    assert_eq!(identity.text("Account"), Some("210987654321"));
    assert!(identity.text("UserId").unwrap().ends_with(":tidy"));
    assert!(
        world
            .signed(&member, "iam", "ListUsers", &[])
            .unwrap()
            .texts("UserName")
            .is_empty()
    );
}

#[test]
fn other_roles_are_not_assumed() {
    let world = World::plant(SEED);
    for role in ["closed", "missing"] {
        let arn = format!("arn:aws:iam::210987654321:role/{role}");
        let answer = assume(&world, &[("RoleArn", &arn), ("RoleSessionName", "tidy")]);
        assert_eq!(answer.failure(), (403, "AccessDenied"));
    }
    let answer = assume(
        &world,
        &[
            ("RoleArn", "arn:aws:iam::444444444444:role/x"),
            ("RoleSessionName", "tidy"),
        ],
    );
    assert_eq!(answer.failure(), (403, "AccessDenied"));
}

#[test]
fn a_chained_session_lasts_an_hour_at_most() {
    let world = World::plant(SEED);
    let parameters = [
        ("RoleArn", MEMBER),
        ("RoleSessionName", "tidy"),
        ("ExternalId", "secret-handshake"),
        ("DurationSeconds", "7200"),
    ];
    assert_eq!(assume(&world, &parameters).failure(), (400, "ValidationError"));
}

#[test]
fn a_session_ends_by_the_simulators_clock() {
    let world = World::plant(SEED);
    let parameters = [
        ("RoleArn", MEMBER),
        ("RoleSessionName", "tidy"),
        ("ExternalId", "secret-handshake"),
        ("DurationSeconds", "900"),
    ];
    let answer = assume(&world, &parameters);
    assert_eq!(answer.text("Expiration"), Some("2026-09-01T12:15:00Z"));
    let member = session(&answer);
    world.simulator.clock().advance(TimeDelta::minutes(14));
    assert_eq!(
        world.signed(&member, "iam", "ListUsers", &[]).unwrap().status,
        200
    );
    world.control("POST", "clock", r#"{"advance":"1m"}"#);
    assert_eq!(
        world.signed(&member, "iam", "ListUsers", &[]).unwrap().failure(),
        (403, "ExpiredToken")
    );
    let forged = Signer {
        token: Some("forged".into()),
        ..member
    };
    assert_eq!(
        world.signed(&forged, "iam", "ListUsers", &[]).unwrap().failure(),
        (403, "InvalidClientTokenId")
    );
}

fn disable(world: &World) {
    let key = "AKIAADA0000000000001";
    world.iam(
        "UpdateAccessKey",
        &[("UserName", "ada"), ("AccessKeyId", key), ("Status", "Inactive")],
    );
}

fn seen_status(world: &World) -> String {
    world
        .iam("ListAccessKeys", &[("UserName", "ada")])
        .text("Status")
        .unwrap()
        .to_owned()
}

#[test]
fn writes_become_visible_after_so_many_reads() {
    let world = World::plant(SEED);
    world.control("POST", "consistency", r#"{"stale_reads":2}"#);
    disable(&world);
    let seen: Vec<String> = (0..4).map(|_| seen_status(&world)).collect();
    assert_eq!(seen, ["Active", "Active", "Inactive", "Inactive"]);
    assert_eq!(world.state()["users"]["ada"]["keys"][0]["status"], "Inactive");
}

#[test]
fn writes_become_visible_when_released() {
    let world = World::plant(SEED);
    world.control("POST", "consistency", r#"{"until_released":true}"#);
    disable(&world);
    world.iam(
        "DeleteAccessKey",
        &[("UserName", "ada"), ("AccessKeyId", "AKIAADA0000000000001")],
    );
    assert!((0..5).all(|_| seen_status(&world) == "Active"));
    world.control("POST", "consistency/123456789012/release", "");
    assert!(
        world
            .iam("ListAccessKeys", &[("UserName", "ada")])
            .texts("AccessKeyId")
            .is_empty()
    );
}

#[test]
fn edits_change_what_is_seen() {
    let world = World::plant(SEED);
    let edit = r#"{"account":"123456789012","user":"ada","key":"AKIAADA0000000000001","age":"200d","last_used":"1h"}"#;
    assert_eq!(world.control("POST", "edit", edit).status, 200);
    let key = world.iam("GetAccessKeyLastUsed", &[("AccessKeyId", "AKIAADA0000000000001")]);
    assert_eq!(key.text("LastUsedDate"), Some("2026-09-01T11:00:00Z"));
    let tagged = Edit {
        tags: [("owner".to_owned(), Some("ada".to_owned()))].into(),
        used: [("s3".to_owned(), When::days(2).into())].into(),
        attach: vec!["arn:aws:iam::aws:policy/AmazonS3FullAccess".to_owned()],
        ..Edit::of_user(ACCOUNT, "ada")
    };
    world.simulator.edit(&tagged).unwrap();
    assert_eq!(
        world.iam("ListUserTags", &[("UserName", "ada")]).text("Value"),
        Some("ada")
    );
    assert_eq!(
        world
            .iam("ListAttachedUserPolicies", &[("UserName", "ada")])
            .texts("PolicyName")
            .len(),
        1
    );
    let gone = Edit {
        delete: true,
        ..Edit::of_user(ACCOUNT, "ada")
    };
    world.simulator.edit(&gone).unwrap();
    assert_eq!(
        world.iam("GetUser", &[("UserName", "ada")]).failure(),
        (404, "NoSuchEntity")
    );
    assert!(world.simulator.edit(&gone).is_err());
    assert_eq!(
        world
            .control("POST", "edit", r#"{"account":"123456789012","usr":"ada"}"#)
            .status,
        400
    );
}

#[test]
fn calls_are_logged_with_caller_and_outcome() {
    let world = World::plant(SEED);
    disable(&world);
    world.iam("GetUser", &[("UserName", "bob")]);
    let calls = world.control("GET", "calls", "").json();
    assert_eq!(calls[0]["operation"], "UpdateAccessKey");
    assert_eq!(calls[0]["account"], ACCOUNT);
    assert_eq!(
        calls[0]["caller"],
        "arn:aws:sts::123456789012:assumed-role/hub/daemon"
    );
    assert_eq!(calls[0]["parameters"]["AccessKeyId"], "AKIAADA0000000000001");
    assert_eq!(
        (&calls[0]["mutates"], &calls[0]["outcome"]),
        (&true.into(), &"ok".into())
    );
    assert_eq!(
        (&calls[1]["mutates"], &calls[1]["outcome"]),
        (&false.into(), &"NoSuchEntity".into())
    );
    assert_eq!(
        world.control("GET", "counts", "").json()["operations"]["iam:GetUser"],
        1
    );
    world.control("DELETE", "calls", "");
    assert_eq!(world.control("GET", "calls", "").json(), serde_json::json!([]));
    assert_eq!(world.control("GET", "nonsense", "").status, 404);
}

#[test]
fn a_seed_can_be_planted_anew() {
    let world = World::plant(SEED);
    let before = world.state();
    disable(&world);
    assert_ne!(before, world.state());
    assert_eq!(world.control("POST", "seed", SEED).status, 200);
    assert_eq!(before, world.state(), "the same seed makes the same world");
    assert_eq!(world.control("POST", "seed", "nonsense = 1").status, 400);
    let json = r#"{"accounts":[{"id":"123456789012","users":[{"name":"eve"}]}]}"#;
    assert_eq!(world.control("POST", "seed", json).status, 200);
    assert_eq!(world.iam("ListUsers", &[]).texts("UserName"), ["eve"]);
}

#[test]
fn bad_seeds_are_refused_with_the_reason() {
    let problem = |account: &str| {
        let text = format!("[[accounts]]\nid = \"123456789012\"\n{account}");
        match Seed::parse(&text).and_then(|seed| Simulator::from_seed(&seed)) {
            Err(SeedError::Content { problem, .. }) => problem,
            Err(other) => other.to_string(),
            Ok(_) => panic!("{account} was planted"),
        }
    };
    assert!(problem("users = [{ name = \"a\", nam = 1 }]").contains("unknown field"));
    assert!(problem("users = [{ name = \"a\", groups = [\"g\"] }]").contains("group `g`"));
    assert!(problem("users = [{ name = \"a\", attached = [\"None\"] }]").contains("`None`"));
    assert!(problem("users = [{ name = \"a\", used = { nosuch = \"1d\" } }]").contains("`nosuch`"));
    assert!(problem("users = [{ name = \"a\" }, { name = \"A\" }]").contains("twice"));
    assert!(problem("users = [{ name = \"a\", keys = [{}, {}, {}] }]").contains("more than two"));
    assert!(problem("users = [{ name = \"a\", keys = [{ status = \"Off\" }] }]").contains("status"));
    assert!(problem("partition = \"aws-mars\"").contains("partition"));
    assert!(problem("policies = [{ name = \"p\", document = \"{}\" }]").contains("Syntax"));
}

#[test]
fn the_demo_is_planted_and_lively() {
    let world = World::of(&demo_seed().unwrap());
    let state = world.state();
    assert_eq!(state["users"].as_object().unwrap().len(), 37);
    assert_eq!(state["roles"].as_object().unwrap().len(), 16);
    assert_eq!(
        world.iam("ListAccountAliases", &[]).text("member"),
        Some("acme-prod")
    );
}

#[test]
fn large_worlds_are_quick() {
    let start = Instant::now();
    let mut account = aws_simulator::AccountSeed::new("100000000000");
    account.repeat = Some(100);
    let user = UserSeed::new("user-{n}").key(KeySeed::aged(When::days(100)).used(When::days(1)));
    account.users.push(UserSeed {
        repeat: Some(500),
        ..user
    });
    let world = World::of(&Seed::of(account));
    let signer = Signer::of("100000000099");
    let answer = world
        .signed(
            &signer,
            "iam",
            "GetAccountAuthorizationDetails",
            &[("MaxItems", "1000")],
        )
        .unwrap();
    assert_eq!(answer.texts("UserName").len(), 500);
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

#[test]
fn the_readme_shows_a_seed_that_can_be_planted() {
    let readme = include_str!("../README.md");
    let seed = readme
        .split("```toml")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .unwrap();
    let world = World::plant(seed);
    assert_eq!(world.iam("GetUser", &[("UserName", "ada")]).status, 200);
    for fault in readme
        .lines()
        .filter_map(|line| line.trim().strip_prefix("POST /_control/faults "))
    {
        assert_eq!(world.control("POST", "faults", fault).status, 200, "{fault}");
    }
    for edit in readme
        .lines()
        .filter_map(|line| line.trim().strip_prefix("POST /_control/edit "))
    {
        assert_eq!(world.control("POST", "edit", edit).status, 200, "{edit}");
    }
}
