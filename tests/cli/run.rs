//! `run --once`: every enabled rule once, and out.

use aws_simulator::{Fault, FaultKind};

use crate::support::World;
use crate::{SEED, assert_ended, inactive_keys, rotation, world};

const ONCE: [&str; 2] = ["run", "--once"];

#[test]
fn zero_where_all_was_done_and_where_nothing_is_due() {
    let world = world("enforce");
    let ended = world.run(&ONCE);
    assert_ended(&ended, 0, "the state was created");
    assert!(ended.out.contains("2 of 2 done."), "{}", ended.out);
    assert_eq!(inactive_keys(&world).len(), 2);
    world.simulator.clear_calls();
    assert_ended(&world.run(&ONCE), 0, "");
    assert_eq!(world.simulator.counts().effects, 0);
    let waiting = World::plant(SEED, &rotation("approve"));
    assert_ended(&waiting.run(&ONCE), 0, "");
}

#[test]
fn three_where_something_failed() {
    for operation in ["UpdateAccessKey", "ListAccessKeys"] {
        let world = world("enforce");
        let denied = Fault::new(FaultKind::error("AccessDenied"))
            .on(operation)
            .about("ada");
        world.simulator.faults().add(denied);
        assert_ended(&world.run(&ONCE), 3, "");
        assert_eq!(inactive_keys(&world), ["AKIABOB0000000000001"]);
    }
}

#[test]
fn what_could_not_be_read_is_said() {
    for command in [&ONCE[..], &["apply", "--yes"]] {
        let world = world("enforce");
        let denied = Fault::new(FaultKind::error("AccessDenied")).on("GetAccountAuthorizationDetails");
        world.simulator.faults().add(denied);
        let ended = world.run(command);
        assert_ended(&ended, 3, "");
        let said = "not read in 123456789012: iam:GetAccountAuthorizationDetails: ";
        assert!(ended.out.contains(said), "{}", ended.out);
    }
}

#[test]
fn what_is_off_and_what_is_dry_is_said() {
    let world = world("enforce");
    let ended = world.run(&["plan", "--rule", "password_policy"]);
    assert!(
        ended.log.contains("--rule password_policy: the rule is off"),
        "{}",
        ended.log
    );
    let note = "dry_run = true";
    let plan = ["plan", "--format", "text"];
    assert!(!world.run(&plan).out.contains(note));
    assert!(!world.run(&["doctor"]).out.contains(note));
    world.declare(&format!("dry_run = true\n{}", rotation("enforce")));
    for command in [&plan[..], &["doctor"]] {
        let ended = world.run(command);
        assert!(ended.out.contains(note), "{}", ended.out);
    }
}

#[test]
fn history_tells_an_undoing_from_a_doing() {
    let world = world("enforce");
    assert_ended(&world.run(&ONCE), 0, "");
    let run = world.latest_run("run --once").unwrap();
    assert_ended(&world.run(&["rollback", "--run", &run, "--yes"]), 0, "");
    let history = world.run(&["history"]).out;
    let lines = |what: &str| history.lines().filter(|line| line.contains(what)).count();
    assert_eq!(lines("applied      undo disable_access_key "), 2, "{history}");
    assert_eq!(lines("applied      disable_access_key "), 2, "{history}");
}

#[test]
fn four_where_the_changes_are_held() {
    let world = world("enforce");
    assert_ended(&world.run(&["run", "--once", "--dry-run"]), 4, "");
    world.declare(&format!("freeze = true\n{}", rotation("enforce")));
    assert_ended(&world.run(&ONCE), 4, "");
    world.declare(&rotation("enforce").replace("max_changes_percent = 100", "max_changes_percent = 0"));
    assert_ended(&world.run(&ONCE), 4, "");
    assert_eq!(inactive_keys(&world), [""; 0]);
    assert_eq!(world.simulator.counts().effects, 0);
}

#[test]
fn one_where_it_cannot_begin() {
    let world = world("enforce");
    world.declare("freze = true");
    assert_ended(&world.run(&ONCE), 1, "did you mean `freeze`?");
    world.declare(&rotation("enforce"));
    std::fs::create_dir(world.path("state.db")).unwrap();
    let stateless = world.run(&ONCE);
    assert_ended(&stateless, 1, "error: ");
    assert!(stateless.log.contains("state.db"), "{}", stateless.log);
    assert_eq!(inactive_keys(&world), [""; 0]);
}

#[test]
fn the_environment_can_hold_every_change() {
    for (name, value) in [
        ("IAMWARDEN__DRY_RUN", "true"),
        ("IAMWARDEN__FREEZE", "true"),
        ("IAMWARDEN__GUARDRAILS__MAX_CHANGES_PER_RUN", "0"),
    ] {
        for arguments in [ONCE, crate::support::APPLY] {
            let world = world("enforce");
            let mut command = world.command(crate::support::BINARY);
            command.args(arguments).env(name, value);
            assert_ended(&world.spawn(command).end(), 4, "");
            assert_eq!(inactive_keys(&world), [""; 0], "{name} {arguments:?}");
        }
    }
}
