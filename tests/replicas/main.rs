//! The built binary with its state in PostgreSQL: several processes on several machines, as far as one machine can play that.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and goes by the wall clock as the binary does"
)]

mod kills;
mod moving;
mod outage;
mod receiver;
mod sharing;
#[path = "../support/mod.rs"]
mod support;
mod tap;

use std::process::Command;

use support::{BINARY, Running, World};

/// Starts the daemon. Its rules run at once, for their time was missed.
pub(crate) fn daemon(world: &World, prepare: impl FnOnce(&mut Command)) -> Running {
    let mut command = world.command(BINARY);
    command.args(["--log-format", "json", "--log-level", "debug", "run"]);
    prepare(&mut command);
    world.spawn(command)
}

/// Makes a state in which the rules were due since long, and nothing else ever was.
pub(crate) fn let_rules_be_missed(world: &World) {
    let ended = world.run(&["freeze", "--reason", "not yet"]);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let ended = world.run(&["unfreeze"]);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    for rule in ["access_key_rotation", "password_policy", "unused_permissions"] {
        world.rows(&format!(
            "INSERT INTO ticks (rule, at) VALUES ('{rule}', '2026-01-01T00:00:00.000000Z')"
        ));
    }
}

/// How many runs of the daemon's schedule began.
pub(crate) fn runs(world: &World) -> usize {
    let rows = world.rows("SELECT payload FROM journal WHERE kind = 'run_started'");
    rows.iter()
        .filter(|row| row[0].contains("\"command\":\"run\""))
        .count()
}
