//! The process ends at any of its writes to the server.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::receiver::Receiver;
use crate::support::{Attempt, BINARY, POLICY, Running, Store, World, eventually};
use crate::tap::{Side, Tap};

const KEY: &str = "AKIAADA0000000000001";

/// One thing that is repeated when it is not known whether it happened, and one that is not before a minute has passed.
const SEED: &str = r#"
[[accounts]]
id = "123456789012"
report = { existing = "10m" }

[[accounts.policies]]
name = "reports"
age = "400d"
document = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}'

[[accounts.users]]
name = "ada"
age = "500d"
tags = { owner = "ada@example.com" }
keys = [{ id = "AKIAADA0000000000001", age = "200d", last_used = "2d" }]

[[accounts.users]]
name = "eve"
age = "500d"
tags = { owner = "eve@example.com" }
attached = ["reports", "AmazonSQSFullAccess"]
used = { sqs = "2d" }
"#;

const RULES: &str = r#"
[guardrails]
max_changes_percent = 100

[rules.access_key_rotation]
mode = "enforce"
minimum_notice = "0s"

[rules.unused_permissions]
mode = "enforce"
unused_for = "90d"
minimum_age = "90d"
confirm_after = "0s"
trust_existing = true
"#;

/// Every rule, what is due, and each message that is due.
const ONCE: [&str; 2] = ["run", "--once"];

fn start_behind(tap: &Tap, world: &World) -> Running {
    let mut command = world.command(BINARY);
    command
        .args(["--log-format", "json"])
        .args(ONCE)
        .env("IAMWARDEN__STATE__URL", tap.url());
    world.spawn(command)
}

/// Kills a process at its n-th commit, lets another one go on, and looks. `false`: there are not so many.
fn kill_at(side: Side, n: u32) -> bool {
    let receiver = Receiver::open();
    let world = World::plant_in(Store::Server, SEED, RULES);
    receiver.declare(&world, RULES);
    let tap = Tap::open(world.database().unwrap(), n, side);
    let mut running = start_behind(&tap, &world);
    eventually("it goes on for ever", || tap.is_holding() || running.has_ended());
    let is_killed = tap.is_holding();
    match is_killed {
        true => running.kill(),
        false => assert_eq!(running.end().code, Some(0)),
    }
    // Shown where what follows fails.
    eprintln!("{side:?} commit {n}, killed: {is_killed}");
    world.let_claims_end();
    world.restart_until_settled_by(&ONCE);

    assert!(!world.attempts().iter().any(Attempt::is_open));
    let once = [KEY, POLICY].map(|subject| (("apply", subject.to_owned()), 1));
    assert_eq!(world.effects(), BTreeMap::from(once));
    world.assert_accounted_for();
    receiver.assert_owners_were_told_once(&world);
    is_killed
}

/// Eight at a time, for most of the time is spent waiting; until a process comes to its end.
fn kill_at_every_commit(side: Side) {
    let next = AtomicU32::new(1);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| while kill_at(side, next.fetch_add(1, Ordering::Relaxed)) {});
        }
    });
    // The schema, the run, the lease, two intents and two outcomes, the messages, each with what came of it.
    let tried = next.into_inner();
    assert!(tried > 15, "{tried}");
}

#[test]
fn a_kill_before_any_commit_loses_and_doubles_nothing() {
    kill_at_every_commit(Side::Before);
}

#[test]
fn a_kill_after_any_commit_loses_and_doubles_nothing() {
    kill_at_every_commit(Side::After);
}
