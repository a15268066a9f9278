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
mod skew;
#[path = "../support/mod.rs"]
mod support;
mod tap;
mod telling;
mod tls;

use std::process::Command;

use support::{BINARY, Running, World, eventually};

/// The keys that are too old, an account each.
pub(crate) const KEYS: [&str; 2] = ["AKIAADA0000000000001", "AKIABOB0000000000001"];

/// Two accounts, each with a key that is too old.
pub(crate) const TWO_ACCOUNTS: &str = r#"
[[accounts]]
id = "123456789012"
report = { existing = "10m" }

[[accounts.users]]
name = "ada"
age = "500d"
tags = { owner = "ada@example.com" }
keys = [{ id = "AKIAADA0000000000001", age = "200d", last_used = "2d" }]

[[accounts]]
id = "210987654321"
report = { existing = "10m" }

[[accounts.roles]]
name = "iamwarden"
assumed_by = ["123456789012"]

[[accounts.users]]
name = "bob"
age = "500d"
tags = { owner = "bob@example.com" }
keys = [{ id = "AKIABOB0000000000001", age = "200d", last_used = "2d" }]
"#;

/// One account is read at a time, so that each daemon has one.
pub(crate) const ONE_AT_A_TIME: &str = r#"
[schedule]
accounts_at_once = 1

[guardrails]
max_changes_percent = 100

[rules.access_key_rotation]
mode = "enforce"
minimum_notice = "0s"

[[accounts]]
id = "123456789012"

[[accounts]]
id = "210987654321"
role_arn = "arn:aws:iam::210987654321:role/iamwarden"
"#;

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

/// Who is at work on the account.
pub(crate) fn holder_of(world: &World, account: &str) -> String {
    let sql = format!("SELECT holder FROM turns WHERE name LIKE '% in {account}' AND done_at IS NULL");
    world.rows(&sql)[0][0].clone()
}

/// What half a minute of silence does.
pub(crate) fn let_it_be_missed(world: &World, holder: &str) {
    world.rows(&format!(
        "UPDATE replicas SET seen_ms = 0 WHERE holder = '{holder}'"
    ));
    world.let_leases_end();
}

/// Waits until every account is done, by whichever replica.
pub(crate) fn wait_until_the_tick_is_settled(world: &World) {
    let open = "SELECT 1 FROM turns WHERE done_at IS NULL AND name LIKE '% in %'";
    eventually("the tick is not settled", || world.rows(open).is_empty());
}
