//! `apply`: what it takes, what it refuses, and how it ends.

use aws_simulator::{Edit, Fault, FaultKind};
use chrono::{SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::support::{APPLY, World};
use crate::{SEED, assert_ended, inactive_keys, rotation, world};

const ADA: &str = "AKIAADA0000000000001";
const BOB: &str = "AKIABOB0000000000001";

/// A plan file of the account, changed by hand.
fn plan_file(world: &World, change: impl FnOnce(&mut Value)) -> String {
    let path = world.path("plan.json");
    let file = path.to_str().unwrap().to_owned();
    assert_ended(&world.run(&["plan", "--output", &file]), 2, "");
    let mut plan = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    change(&mut plan);
    std::fs::write(&path, plan.to_string()).unwrap();
    file
}

fn hours_ago(hours: i64) -> Value {
    let at = Utc::now() - TimeDelta::hours(hours);
    json!(at.to_rfc3339_opts(SecondsFormat::Secs, true))
}

#[test]
fn zero_where_all_was_done_and_where_nothing_is_due() {
    let world = world("enforce");
    let first = world.run(&APPLY);
    assert_ended(&first, 0, "");
    assert!(first.out.contains("2 of 2 done."), "{}", first.out);
    assert_eq!(inactive_keys(&world), [ADA, BOB]);
    world.simulator.clear_calls();
    let second = world.run(&APPLY);
    assert_ended(&second, 0, "");
    assert!(second.out.contains("Nothing was due."), "{}", second.out);
    assert_eq!(
        world.simulator.counts().effects,
        0,
        "a second apply writes nothing"
    );
}

#[test]
fn zero_where_notice_or_approval_is_waited_for() {
    let notice = rotation("enforce").replace("\"0s\"", "\"7d\"");
    let window = format!(
        "guardrails.change_window = \"{}\"\n{}",
        closed_window(),
        rotation("enforce")
    );
    for (rules, reason) in [
        (notice, "no_channel"),
        (rotation("approve"), "approval"),
        (window, "window"),
    ] {
        let world = World::plant(SEED, &rules);
        let ended = world.run(&APPLY);
        assert_ended(&ended, 0, "");
        assert!(
            ended.out.contains(&format!("2 withheld ({reason})")),
            "{}",
            ended.out
        );
        assert_eq!(inactive_keys(&world), [""; 0]);
    }
}

/// A window that is open in two days from now, for an hour.
fn closed_window() -> String {
    format!("{} 10:00-11:00", (Utc::now() + TimeDelta::days(2)).format("%a"))
}

#[test]
fn three_where_a_change_fails_and_the_others_are_made() {
    let world = world("enforce");
    let denied = Fault::new(FaultKind::error("AccessDenied"))
        .on("UpdateAccessKey")
        .about(ADA);
    world.simulator.faults().add(denied);
    let ended = world.run(&APPLY);
    assert_ended(&ended, 3, "");
    assert!(ended.out.contains("1 of 2 done."), "{}", ended.out);
    assert!(ended.out.contains("AccessDenied"), "{}", ended.out);
    assert_eq!(inactive_keys(&world), [BOB]);
}

#[test]
fn three_where_a_needed_read_fails() {
    let world = world("enforce");
    let denied = Fault::new(FaultKind::error("AccessDenied"))
        .on("ListAccessKeys")
        .about("ada");
    world.simulator.faults().add(denied);
    let ended = world.run(&APPLY);
    assert_ended(&ended, 3, "");
    assert_eq!(inactive_keys(&world), [BOB]);
}

#[test]
fn four_where_the_changes_are_held() {
    let rules = rotation("enforce");
    let capped = rules.replace("max_changes_percent = 100", "max_changes_per_run = 0");
    for (rules, reason) in [
        (format!("freeze = true\n{rules}"), "2 withheld (freeze)"),
        (
            format!("dry_run = true\n{rules}"),
            "Dry run: nothing was changed.",
        ),
        (capped, "2 withheld (guardrail)"),
    ] {
        let world = World::plant(SEED, &rules);
        let ended = world.run(&APPLY);
        assert_ended(&ended, 4, "");
        assert!(ended.out.contains(reason), "{}", ended.out);
        assert_eq!(inactive_keys(&world), [""; 0]);
    }
    let world = world("enforce");
    assert_ended(&world.run(&["freeze", "--reason", "audit"]), 0, "");
    assert_ended(&world.run(&APPLY), 4, "");
    assert_ended(&world.run(&["unfreeze"]), 0, "");
    assert_ended(&world.run(&APPLY), 0, "");
    assert_eq!(inactive_keys(&world).len(), 2);
}

#[test]
fn without_a_terminal_and_without_yes_it_refuses() {
    let world = world("enforce");
    let ended = world.run(&["apply"]);
    assert_ended(&ended, 4, "no terminal to ask on, and --yes was not given");
    assert_eq!(inactive_keys(&world), [""; 0]);
    assert_eq!(world.simulator.counts().effects, 0);
    assert_ended(&world.run(&APPLY), 0, "");
    let run = world.latest_run("apply").unwrap();
    assert_ended(&world.run(&["rollback", "--run", &run]), 1, "--yes");
    assert_eq!(inactive_keys(&world).len(), 2, "nor is anything rolled back");
}

#[test]
fn a_plan_file_narrows_to_what_still_holds() {
    let world = world("enforce");
    let file = plan_file(&world, |plan| {
        let actions = plan["actions"].as_array_mut().unwrap();
        actions.retain(|action| action["parameters"]["access_key_id"] == BOB);
    });
    assert_ended(&world.run(&["apply", "--yes", "--plan", &file]), 0, "");
    assert_eq!(inactive_keys(&world), [BOB], "ada's is not in the file");
}

#[test]
fn what_moved_since_the_plan_is_stale() {
    let world = world("enforce");
    let file = plan_file(&world, |_| {});
    let mut edit = Edit::of_key(crate::support::ACCOUNT, "ada", ADA);
    edit.status = Some("Inactive".to_owned());
    world.simulator.edit(&edit).unwrap();
    let ended = world.run(&["apply", "--yes", "--plan", &file]);
    assert_ended(&ended, 3, "");
    assert!(
        ended.out.contains("stale") && ended.out.contains("1 of 2 done."),
        "{}",
        ended.out
    );
    world.declare(&rotation("enforce").replace(
        "[rules.access_key_rotation]",
        "[rules.access_key_rotation]\nmax_age = \"91d\"",
    ));
    let ended = world.run(&["apply", "--yes", "--plan", &file]);
    assert_ended(&ended, 3, "");
    assert!(
        ended.out.contains("the configuration changed since the plan"),
        "{}",
        ended.out
    );
}

#[test]
fn a_file_that_may_not_be_applied_is_refused_before_anything_is_read() {
    let world = world("enforce");
    type Change = fn(&mut Value);
    let refused: [(Change, &str); 4] = [
        (
            |plan| plan["created_at"] = hours_ago(25),
            "older than guardrails.max_plan_age (1d)",
        ),
        (|plan| plan["created_at"] = hours_ago(-1), "dated in the future"),
        (
            |plan| plan["schema"] = json!("iamwarden.plan/v2"),
            "iamwarden.plan/v2",
        ),
        (
            |plan| *plan = json!([]),
            "is no plan of `iamwarden plan --format json`",
        ),
    ];
    for (change, said) in refused {
        let file = plan_file(&world, change);
        world.simulator.clear_calls();
        assert_ended(&world.run(&["apply", "--yes", "--plan", &file]), 1, said);
        assert_eq!(world.simulator.calls().len(), 0, "{said}");
    }
    assert_ended(
        &world.run(&["apply", "--yes", "--plan", "no-such-file"]),
        1,
        "reading the plan file no-such-file",
    );
    assert_eq!(inactive_keys(&world), [""; 0]);
}
