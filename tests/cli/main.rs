//! The built binary from the outside: what its commands answer, where, and with which exit code.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and goes by the wall clock as the binary does"
)]

mod apply;
mod configuration;
#[cfg(feature = "demo")]
mod demo;
mod offline;
mod plan;
mod run;
#[path = "../support/mod.rs"]
mod support;
mod terminal;

use serde_json::Value;
use support::{Ended, World};

/// Two people: of ada's two keys one is old, and so is bob's only one. The password policy is weak.
pub(crate) const SEED: &str = r#"
[[accounts]]
id = "123456789012"
password_policy = { minimum_password_length = 8 }
report = { existing = "10m" }

[[accounts.users]]
name = "ada"
age = "500d"
keys = [{ id = "AKIAADA0000000000001", age = "200d", last_used = "2d" }, { id = "AKIAADA0000000000002", age = "9d" }]

[[accounts.users]]
name = "bob"
age = "500d"
keys = [{ id = "AKIABOB0000000000001", age = "150d", last_used = "2d" }]
"#;

/// Keys alone are looked at, in this mode; what is due may be done at once.
pub(crate) fn rotation(mode: &str) -> String {
    format!(
        r#"
rules.unused_access_keys.mode = "off"
rules.password_policy.mode = "off"
rules.unused_permissions.mode = "off"
guardrails.max_changes_percent = 100
[rules.access_key_rotation]
mode = "{mode}"
minimum_notice = "0s"
"#
    )
}

/// The account, under rotation in this mode.
pub(crate) fn world(mode: &str) -> World {
    World::plant(SEED, &rotation(mode))
}

/// The plan that a command answered.
pub(crate) fn plan(ended: &Ended) -> Value {
    serde_json::from_str(&ended.out).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
}

/// The access keys that are inactive.
pub(crate) fn inactive_keys(world: &World) -> Vec<String> {
    let account = world.account();
    let users = account["users"].as_object().unwrap();
    let keys = users.values().flat_map(|user| user["keys"].as_array().unwrap());
    let inactive = keys.filter(|key| key["status"] == "Inactive");
    inactive
        .map(|key| key["id"].as_str().unwrap().to_owned())
        .collect()
}

/// The command ended so, and says this on standard error.
#[track_caller]
pub(crate) fn assert_ended(ended: &Ended, code: i32, said: &str) {
    assert_eq!(ended.code, Some(code), "{ended:#?}");
    assert!(ended.log.contains(said), "{said:?} is not in {}", ended.log);
}
