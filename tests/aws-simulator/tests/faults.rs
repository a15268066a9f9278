//! Faults and holds: what is answered, and whether the call took effect.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::io::Read;
use std::time::{Duration, Instant};

use aws_simulator::{Fault, FaultKind, Outcome, Release};
use common::{ACCOUNT, World, open_iam};

const SEED: &str = r#"
[[accounts]]
id = "123456789012"
[[accounts.users]]
name = "ada"
keys = [{ id = "AKIAADA0000000000001" }, { id = "AKIAADA0000000000002" }]
"#;

const KEY: &str = "AKIAADA0000000000001";
const DISABLE: [(&str, &str); 3] = [("UserName", "ada"), ("AccessKeyId", KEY), ("Status", "Inactive")];

fn status(world: &World) -> String {
    world.state()["users"]["ada"]["keys"][0]["status"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn wait_for_hold(world: &World) -> u64 {
    let hold = world.control("GET", "holds/wait?timeout_ms=10000", "").json();
    hold["id"].as_u64().unwrap()
}

/// The server notices that a client has gone a moment later.
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(10), "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn an_error_before_the_effect_has_none() {
    let world = World::plant(SEED);
    world.simulator.faults().add(
        Fault::new(FaultKind::error("Throttling"))
            .on("UpdateAccessKey")
            .times(2),
    );
    assert_eq!(
        world.iam("UpdateAccessKey", &DISABLE).failure(),
        (400, "Throttling")
    );
    assert_eq!(
        world.iam("UpdateAccessKey", &DISABLE).failure(),
        (400, "Throttling")
    );
    assert_eq!(status(&world), "Active");
    assert_eq!(world.iam("UpdateAccessKey", &DISABLE).status, 200);
    assert_eq!(status(&world), "Inactive");
    let counts = world.simulator.counts();
    assert_eq!(
        (counts.total, counts.mutations, counts.effects, counts.failures),
        (3, 3, 1, 2)
    );
}

#[test]
fn an_error_can_come_after_the_effect() {
    let world = World::plant(SEED);
    let fault = r#"{"operation":"Update*","moment":"after","kind":{"error":{"code":"ServiceUnavailable"}}}"#;
    assert_eq!(world.control("POST", "faults", fault).status, 200);
    assert_eq!(
        world.iam("UpdateAccessKey", &DISABLE).failure(),
        (503, "ServiceUnavailable")
    );
    assert_eq!(status(&world), "Inactive");
    world.control("DELETE", "faults", "");
    assert_eq!(world.iam("UpdateAccessKey", &DISABLE).status, 200);
}

#[test]
fn a_reset_leaves_no_answer() {
    let world = World::plant(SEED);
    world
        .simulator
        .faults()
        .add(Fault::new(FaultKind::Reset).on_mutations().only_nth(1));
    world.simulator.faults().add(
        Fault::new(FaultKind::Reset)
            .on_mutations()
            .only_nth(2)
            .after_effect(),
    );
    let first = world.try_iam("UpdateAccessKey", &DISABLE).unwrap_err();
    assert_eq!(first.kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(status(&world), "Active");
    assert!(world.try_iam("UpdateAccessKey", &DISABLE).is_err());
    assert_eq!(status(&world), "Inactive");
    let calls = world.simulator.calls();
    assert_eq!(
        calls.iter().map(|call| call.took_effect).collect::<Vec<_>>(),
        [false, true]
    );
    assert!(calls.iter().all(|call| call.outcome == Outcome::NoAnswer));
}

#[test]
fn bodies_can_be_spoilt() {
    let world = World::plant(SEED);
    world
        .simulator
        .faults()
        .add(Fault::new(FaultKind::EmptyBody).on("ListUsers").times(1));
    world
        .simulator
        .faults()
        .add(Fault::new(FaultKind::MalformedBody).on("ListRoles").times(1));
    let empty = world.iam("ListUsers", &[]);
    assert_eq!((empty.status, empty.body.as_str()), (200, ""));
    let broken = world.iam("ListRoles", &[]);
    assert!(broken.body.starts_with("<ListRolesResponse") && broken.body.ends_with('<'));
    world
        .simulator
        .faults()
        .add(Fault::new(FaultKind::CutBody).on("ListGroups").times(1));
    let cut = world.try_iam("ListGroups", &[]).unwrap_err();
    assert_eq!(cut.kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(world.iam("ListGroups", &[]).status, 200);
}

#[test]
fn a_call_held_before_its_effect_has_none_when_the_client_dies() {
    let world = World::plant(SEED);
    world
        .simulator
        .faults()
        .add(Fault::new(FaultKind::Hold).on_mutations().only_nth(1));
    let client = open_iam(&world, "UpdateAccessKey", &DISABLE);
    let id = wait_for_hold(&world);
    assert_eq!(status(&world), "Active");
    drop(client);
    eventually("the hold ends with its client", || {
        world.simulator.holds().list().is_empty()
    });
    assert_eq!(
        world.control("POST", &format!("holds/{id}/release"), "").status,
        404
    );
    assert_eq!(status(&world), "Active");
    eventually("the call is noted", || {
        world.simulator.calls()[0].outcome == Outcome::NoAnswer
    });
}

#[test]
fn a_detached_call_goes_on_when_the_client_has_died() {
    let world = World::plant(SEED);
    let hold = Fault {
        detached: true,
        ..Fault::new(FaultKind::Hold).on("UpdateAccessKey")
    };
    world.simulator.faults().add(hold);
    let client = open_iam(&world, "UpdateAccessKey", &DISABLE);
    let id = wait_for_hold(&world);
    // Another client, whose call ends with it, dies a moment later: once that is noticed, the first one's is too.
    world
        .simulator
        .faults()
        .add(Fault::new(FaultKind::Hold).on("DeleteAccessKey"));
    let other = open_iam(&world, "DeleteAccessKey", &DISABLE[..2]);
    let held = || world.simulator.holds().list().len();
    eventually("the other call is held", || held() == 2);
    drop(client);
    drop(other);
    eventually("the other call ends with its client", || held() == 1);
    assert_eq!(status(&world), "Active");
    assert!(world.simulator.holds().release(id, Release::Continue));
    eventually("the effect comes", || status(&world) == "Inactive");
}

#[test]
fn a_call_held_after_its_effect_is_answered_on_release() {
    let world = World::plant(SEED);
    world
        .simulator
        .faults()
        .add(Fault::new(FaultKind::Hold).on_mutations().after_effect());
    let mut client = open_iam(&world, "UpdateAccessKey", &DISABLE);
    let id = wait_for_hold(&world);
    assert_eq!(status(&world), "Inactive");
    let held = world.control("GET", "holds", "").json();
    assert_eq!(
        (&held[0]["operation"], &held[0]["moment"]),
        (&"UpdateAccessKey".into(), &"after".into())
    );
    assert_eq!(
        world.control("POST", &format!("holds/{id}/release"), "").status,
        200
    );
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"));
}

#[test]
fn a_held_call_can_be_reset_on_release() {
    let world = World::plant(SEED);
    world
        .simulator
        .faults()
        .add(Fault::new(FaultKind::Hold).on_mutations());
    let mut client = open_iam(&world, "UpdateAccessKey", &DISABLE);
    let id = wait_for_hold(&world);
    world.control("POST", &format!("holds/{id}/release"), r#"{"then":"reset"}"#);
    let mut answer = String::new();
    assert!(client.read_to_string(&mut answer).is_err());
    assert_eq!(status(&world), "Active");
}

#[test]
fn delays_and_hangs_take_time() {
    let world = World::plant(SEED);
    world
        .simulator
        .faults()
        .add(Fault::new(FaultKind::Delay { ms: 120 }).on("ListUsers"));
    let start = Instant::now();
    assert_eq!(world.iam("ListUsers", &[]).status, 200);
    assert!(start.elapsed() >= Duration::from_millis(120));
    world
        .simulator
        .faults()
        .add(Fault::new(FaultKind::Hang).on("ListRoles"));
    let mut client = open_iam(&world, "ListRoles", &[]);
    client.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    assert!(client.read(&mut [0; 1]).is_err());
    assert_eq!(world.iam("ListGroups", &[]).status, 200, "others go on");
}

#[test]
fn faults_choose_account_and_resource() {
    let world = World::plant(SEED);
    world.simulator.faults().add(
        Fault::new(FaultKind::error("AccessDenied"))
            .about("0002")
            .in_account(ACCOUNT),
    );
    world
        .simulator
        .faults()
        .add(Fault::new(FaultKind::error("AccessDenied")).in_account("999999999999"));
    let last_used = |key: &str| world.iam("GetAccessKeyLastUsed", &[("AccessKeyId", key)]).status;
    assert_eq!(last_used("AKIAADA0000000000001"), 200);
    assert_eq!(last_used("AKIAADA0000000000002"), 403);
}

#[test]
fn every_mutation_can_be_stopped_at() {
    for nth in 1..=3 {
        let world = World::plant(SEED);
        world
            .simulator
            .faults()
            .add(Fault::new(FaultKind::Reset).on_mutations().only_nth(nth));
        let keys = ["AKIAADA0000000000001", "AKIAADA0000000000002"];
        for key in keys {
            let parameters = [("UserName", "ada"), ("AccessKeyId", key), ("Status", "Inactive")];
            let _ = world.try_iam("UpdateAccessKey", &parameters);
        }
        assert_eq!(world.simulator.counts().effects, if nth <= 2 { 1 } else { 2 });
    }
}
