//! `plan`: what it answers, and that it leaves nothing behind.

use aws_simulator::{Fault, FaultKind};

use crate::support::World;
use crate::{SEED, assert_ended, inactive_keys, plan, rotation, world};

#[test]
fn zero_where_nothing_is_to_be_done_now() {
    for rules in [
        rotation("off"),
        rotation("report"),
        // Withheld until its owner was told.
        rotation("enforce").replace("\"0s\"", "\"7d\""),
    ] {
        assert_ended(&World::plant(SEED, &rules).run(&["plan"]), 0, "");
    }
}

#[test]
fn two_where_something_is_proposed_or_waits_for_approval() {
    for mode in ["enforce", "approve"] {
        let world = world(mode);
        let ended = world.run(&["plan"]);
        assert_ended(&ended, 2, "");
        assert_eq!(plan(&ended)["actions"].as_array().unwrap().len(), 2);
        assert_eq!(inactive_keys(&world), [""; 0], "a plan changes nothing");
    }
}

#[test]
fn three_where_a_needed_read_failed_and_the_rest_is_in_the_plan() {
    let rules = rotation("enforce").replace("rules.password_policy.mode = \"off\"", "");
    let world = World::plant(SEED, &rules);
    let denied = Fault::new(FaultKind::error("AccessDenied")).on("GetAccountPasswordPolicy");
    world.simulator.faults().add(denied);
    let ended = world.run(&["plan"]);
    assert_ended(&ended, 3, "");
    let plan = plan(&ended);
    assert_eq!(plan["accounts"][0]["status"], "partial");
    assert_eq!(
        plan["accounts"][0]["errors"][0]["operation"],
        "iam:GetAccountPasswordPolicy"
    );
    assert_eq!(plan["actions"].as_array().unwrap().len(), 2);
}

#[test]
fn one_where_nothing_could_be_read() {
    let world = world("enforce");
    let mut command = world.command(crate::support::BINARY);
    command
        .arg("plan")
        .env("AWS_ACCESS_KEY_ID", "AKIANOBODY0000000000");
    let ended = world.spawn(command).end();
    assert_ended(&ended, 1, "error: ");
    assert_eq!(ended.out, "");
}

#[test]
fn the_state_is_neither_made_nor_touched() {
    let world = world("enforce");
    world.run(&["plan"]);
    let state = world.path("state.db");
    assert!(!state.exists(), "a plan makes no state");
    // There is one now, which knows of a rolled back change that a plan has to see.
    assert_ended(&world.run(&["apply", "--yes"]), 0, "");
    let run = world.latest_run("apply").unwrap();
    assert_ended(&world.run(&["rollback", "--run", &run, "--yes"]), 0, "");
    let before = std::fs::read(&state).unwrap();
    let ended = world.run(&["plan"]);
    assert_ended(&ended, 0, "");
    let plan = plan(&ended);
    assert_eq!(plan["actions"][0]["withheld_reason"], "rolled_back");
    assert!(
        std::fs::read(&state).unwrap() == before,
        "a plan writes nothing into the state"
    );
}

#[test]
fn a_saved_plan_is_kept_for_approval() {
    let world = world("approve");
    let saved = world.run(&["plan", "--save"]);
    assert_ended(&saved, 2, "saved");
    let id = plan(&saved)["id"].as_str().unwrap().to_owned();
    assert_ended(
        &world.run(&["approve", &id, "--by", "sec-lead@example.com"]),
        0,
        "",
    );
    assert_ended(&world.run(&["apply", "--yes"]), 0, "");
    assert_eq!(inactive_keys(&world).len(), 2);
    let unsaved = world.run(&["plan"]);
    let id = plan(&unsaved)["id"].as_str().unwrap().to_owned();
    assert_ended(&world.run(&["approve", &id]), 1, "error: ");
}

#[test]
fn narrowing_by_names_that_are_known() {
    let world = World::plant(SEED, "rules.password_policy.minimum_length = 14");
    let narrowed = world.run(&["plan", "--rule", "password_policy"]);
    let plan = plan(&narrowed);
    let rules: Vec<_> = plan["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| &f["rule"])
        .collect();
    assert_eq!(rules, ["password_policy"]);
    assert_eq!(plan["api_calls"]["iam:ListAccessKeys"], serde_json::Value::Null);
    let two = world.run(&[
        "plan",
        "--rule",
        "password_policy",
        "--rule",
        "access_key_rotation",
    ]);
    assert_eq!(crate::plan(&two)["findings"].as_array().unwrap().len(), 3);
    assert_ended(&world.run(&["plan", "--account", "123456789012"]), 0, "");
}

#[test]
fn an_unknown_name_is_an_error_that_names_the_known_ones() {
    let world = world("enforce");
    for command in ["plan", "apply"] {
        let ended = world.run(&[command, "--rule", "access_key_rotations"]);
        assert_ended(
            &ended,
            1,
            "there is no rule `access_key_rotations`; there are access_key_rotation,",
        );
        let ended = world.run(&[command, "--account", "210987654321"]);
        assert_ended(&ended, 1, "123456789012");
        assert_ended(&world.run(&[command, "--account", "prod"]), 1, "--account");
    }
    world.declare(&format!(
        "{}[[accounts]]\nid = \"123456789012\"\nname = \"prod\"\n",
        rotation("enforce")
    ));
    let ended = world.run(&["plan", "--account", "210987654321"]);
    assert_ended(
        &ended,
        1,
        "`210987654321` is not configured; there are 123456789012",
    );
    assert_ended(&world.run(&["plan", "--account", "prod"]), 2, "");
    assert_eq!(inactive_keys(&world), [""; 0]);
}

#[test]
fn a_plan_has_four_forms_and_goes_to_a_file_where_told() {
    let world = world("enforce");
    for (form, holds) in [
        ("json", "\"schema\": \"iamwarden.plan/v1\""),
        ("text", "due now      2 changes"),
        ("markdown", "| "),
        ("html", "<!DOCTYPE html>"),
    ] {
        let shown = world.run(&["plan", "--format", form]);
        assert_ended(&shown, 2, "");
        assert!(shown.out.contains(holds), "{form}: {}", shown.out);
        assert!(shown.out.contains("AKIABOB0000000000001"), "{form}");
        assert!(
            !shown.out.contains('\u{1b}'),
            "no colour where there is no terminal: {form}"
        );
        let file = world.path(form);
        let written = world.run(&["plan", "--format", form, "--output", file.to_str().unwrap()]);
        assert_ended(&written, 2, "");
        assert_eq!(written.out, "", "the answer is in the file");
        assert!(std::fs::read_to_string(&file).unwrap().contains(holds), "{form}");
    }
    let file = world.path("default");
    world.run(&["plan", "--output", file.to_str().unwrap()]);
    assert!(
        std::fs::read_to_string(&file).unwrap().starts_with("{\n"),
        "JSON, where nothing is said"
    );
    assert_ended(&world.run(&["plan", "--format", "yaml"]), 1, "markdown");
    let nowhere = world.path("no/such/folder/plan.json");
    let ended = world.run(&["plan", "--output", nowhere.to_str().unwrap()]);
    assert_ended(&ended, 1, "writing the plan to");
}

#[test]
fn a_plan_as_if_enforced_shows_its_actions_and_cannot_be_applied() {
    let world = world("report");
    let file = world.path("as-if.json");
    let file = file.to_str().unwrap();
    assert_ended(
        &world.run(&["plan", "--as-if", "enforce", "--output", file]),
        2,
        "",
    );
    let document: serde_json::Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    assert_eq!(document["actions"].as_array().unwrap().len(), 2);
    let ended = world.run(&["apply", "--yes", "--plan", file]);
    assert_ended(&ended, 1, "made by --as-if and cannot be applied");
    assert_ended(&world.run(&["plan", "--as-if", "enforce", "--save"]), 1, "--save");
    assert_ended(&world.run(&["plan", "--as-if", "report"]), 1, "enforce");
    assert_eq!(inactive_keys(&world), [""; 0]);
}

#[test]
fn a_snapshot_is_planned_from_elsewhere_without_aws() {
    let world = world("enforce");
    let file = world.path("snapshot.json");
    let file = file.to_str().unwrap();
    let taken = world.run(&["snapshot", "--output", file]);
    assert_ended(&taken, 0, "");
    let live = plan(&world.run(&["plan"]));
    world.simulator.clear_calls();
    let elsewhere = world.run(&["plan", "--snapshot", file]);
    assert_ended(&elsewhere, 2, "");
    assert_eq!(world.simulator.calls().len(), 0, "a file needs no AWS");
    let elsewhere = plan(&elsewhere);
    for part in ["accounts", "findings", "notifications"] {
        assert_eq!(elsewhere[part], live[part]);
    }
    let again = plan(&world.run(&["plan", "--snapshot", file]));
    assert_eq!(
        again["created_at"], elsewhere["created_at"],
        "planned at the time it was taken"
    );
    std::fs::write(file, "{\"schema\": \"iamwarden.snapshot/v0\"}").unwrap();
    assert_ended(
        &world.run(&["plan", "--snapshot", file]),
        1,
        "iamwarden.snapshot/v0",
    );
}
