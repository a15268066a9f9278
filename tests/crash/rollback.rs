//! Undoing is interrupted, repeated, and refused.

use super::*;

fn applied() -> (World, Value, String) {
    let world = World::untidy();
    let before = world.account();
    let ended = world.run(&APPLY);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let run = world.latest_run("apply").unwrap();
    (world, before, run)
}

fn assert_undone(world: &World, before: &Value) {
    assert_eq!(world.account(), *before);
    let effects = world.effects();
    assert_eq!(effects.len(), 2 * CHANGES as usize, "{effects:?}");
    assert!(effects.values().all(|&times| times == 1), "{effects:?}");
    world.assert_accounted_for();
}

fn kill_at(n: u32, fault: Fault) {
    let (world, before, run) = applied();
    let undo = ["rollback", "--run", &run, "--yes"];
    world.simulator.faults().add(fault.on_mutations().only_nth(n));
    let killed = world.start(&undo);
    let hold = world.held();
    let (direction, subject) = direction_and_subject(&hold.operation, &hold.parameters);
    assert_eq!(direction, "undo");
    killed.kill();
    world.wait_until_nothing_is_held();
    world.let_leases_end();
    let ended = world.run(&undo);
    if subject == POLICY {
        assert!(world.attempts_at(POLICY).iter().any(support::Attempt::is_open));
        world.let_readings_agree_for_a_minute();
        let ended = world.run(&undo);
        assert_eq!(ended.code, Some(0), "{}{}", ended.out, ended.log);
    } else {
        assert_eq!(ended.code, Some(0), "{}{}", ended.out, ended.log);
    }
    assert_undone(&world, &before);
}

#[test]
fn a_rollback_killed_before_any_change_is_resumed() {
    at_each_change(|n| kill_at(n, Fault::new(FaultKind::Hold)));
}

#[test]
fn a_rollback_killed_after_any_change_is_resumed() {
    at_each_change(|n| kill_at(n, Fault::new(FaultKind::Hold).after_effect()));
}

/// An apply that was killed after its n-th change, with nobody left who knows that it was made.
fn killed_apply(n: u32) -> (World, Value, String, String) {
    let world = World::untidy();
    let before = world.account();
    let fault = Fault::new(FaultKind::Hold).after_effect();
    world.simulator.faults().add(fault.on_mutations().only_nth(n));
    let killed = world.start(&APPLY);
    let hold = world.held();
    let (_, subject) = direction_and_subject(&hold.operation, &hold.parameters);
    killed.kill();
    world.wait_until_nothing_is_held();
    world.let_leases_end();
    let run = world.latest_run("apply").unwrap();
    (world, before, run, subject)
}

#[test]
fn what_a_killed_apply_did_is_settled_first_and_then_undone() {
    at_each_change(|n| {
        let (world, before, run, subject) = killed_apply(n);
        let undo = ["rollback", "--run", &run, "--yes"];
        let ended = world.run(&undo);
        if subject == POLICY {
            assert_eq!(ended.code, Some(1), "{}{}", ended.out, ended.log);
            assert!(ended.out.contains("still being settled"), "{}", ended.out);
            world.let_readings_agree_for_a_minute();
            let ended = world.run(&undo);
            assert_eq!(ended.code, Some(0), "{}{}", ended.out, ended.log);
        } else {
            assert_eq!(ended.code, Some(0), "{}{}", ended.out, ended.log);
        }
        assert_eq!(world.account(), before, "change {n}");
        world.assert_accounted_for();
    });
}

#[test]
fn what_nobody_heard_of_cannot_be_rolled_back() {
    let (world, ..) = applied();
    for unknown in [["--run", "01ARZ3NDEKTSV4RRFFQ69G5FAV"], ["--action", "act_slip"]] {
        let ended = world.run(&["rollback", unknown[0], unknown[1], "--yes"]);
        assert_eq!(ended.code, Some(1), "{}", ended.out);
        assert!(ended.log.contains(unknown[1]), "{}", ended.log);
    }
}

#[test]
fn a_second_rollback_does_nothing_and_what_was_undone_stays_so() {
    let (world, before, run) = applied();
    let undo = ["rollback", "--run", &run, "--yes"];
    let ended = world.run(&undo);
    assert_eq!(ended.code, Some(0), "{}{}", ended.out, ended.log);
    assert_undone(&world, &before);
    for again in [&undo[..], &APPLY[..]] {
        let ended = world.run(again);
        assert_eq!(ended.code, Some(0), "{}{}", ended.out, ended.log);
        assert_undone(&world, &before);
    }
}

#[test]
fn what_somebody_changed_since_is_left_to_them() {
    let (world, before, run) = applied();
    let theirs = PasswordPolicy {
        minimum_password_length: 20,
        ..PasswordPolicy::default()
    };
    let edit = Edit {
        password_policy: Some(theirs.clone()),
        ..Edit::of(ACCOUNT)
    };
    world.simulator.edit(&edit).unwrap();
    let ended = world.run(&["rollback", "--run", &run, "--yes"]);
    assert_eq!(ended.code, Some(1), "{}{}", ended.out, ended.log);
    let mut expected = before;
    expected["password_policy"] = json!(theirs);
    assert_eq!(world.account(), expected);
    assert!(
        !world
            .effects()
            .contains_key(&("undo", "password-policy".to_owned()))
    );
    world.assert_accounted_for();
}
