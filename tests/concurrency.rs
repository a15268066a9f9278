//! Two never act at once; a freeze and a request to stop take hold between two changes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods
)]

mod support;

use aws_simulator::{Fault, FaultKind, Hold, Release};
use support::{APPLY, Attempt, POLICY, Running, Store, World, direction_and_subject, eventually};

const KEYS: [&str; 4] = ["apply", "--yes", "--rule", "access_key_rotation"];

/// Ten people, each with a key that is too old.
const TEN_KEYS: &str = r#"
[[accounts]]
id = "123456789012"
report = { existing = "10m" }

[[accounts.users]]
name = "user-{n}"
repeat = 10
keys = [{ age = "100d", last_used = "1d" }]
"#;

const ROTATION: &str = r#"
[guardrails]
max_changes_percent = 100

[rules.access_key_rotation]
mode = "enforce"
minimum_notice = "0s"
"#;

/// A process that read a key once more and is about to record its intent.
fn about_to_record_an_intent(world: &World) -> (Running, Hold) {
    let fault = Fault::new(FaultKind::Hold).on("ListAccessKeys").after_effect();
    world.simulator.faults().add(fault);
    let running = world.start(&KEYS);
    let hold = world.held_at_the_recheck();
    world.simulator.faults().clear();
    (running, hold)
}

/// A process in the middle of this call.
fn calling(world: &World, fault: Fault, arguments: &[&str]) -> (Running, Hold) {
    world.simulator.faults().add(fault);
    let running = world.start(arguments);
    let hold = world.held();
    (running, hold)
}

/// The same in a file and on a server, side by side.
fn in_every_store(test: fn(Store)) {
    std::thread::scope(|scope| {
        for store in Store::ALL {
            scope.spawn(move || test(store));
        }
    });
}

/// How many changes took effect.
fn effects(world: &World) -> usize {
    world.effects().values().sum()
}

fn statuses(attempts: &[Attempt]) -> Vec<&str> {
    attempts.iter().map(|attempt| attempt.status.as_str()).collect()
}

#[test]
fn who_was_stopped_past_the_lease_records_no_intent_and_makes_no_call() {
    in_every_store(past_the_lease);
}

fn past_the_lease(store: Store) {
    let world = World::untidy_in(store);
    let before = world.account();
    let (first, hold) = about_to_record_an_intent(&world);
    first.stop();
    world.let_leases_end();
    let second = world.run(&APPLY);
    assert_eq!(second.code, Some(0), "{}", second.log);
    world.assert_tidy(&before);
    let attempts = world.attempts();
    assert!(
        attempts.iter().all(|attempt| attempt.fencing == 2),
        "{attempts:?}"
    );

    first.signal("CONT");
    world.simulator.holds().release(hold.id, Release::Continue);
    let ended = first.end();
    assert_ne!(ended.code, Some(0), "{}", ended.log);
    assert!(ended.log.contains("no_lease"), "{}", ended.log);
    assert_eq!(world.attempts(), attempts);
    world.assert_tidy(&before);
}

/// The one call that was under way when the lease ended is made; no other is.
#[test]
fn who_was_stopped_in_a_call_finishes_it_and_makes_no_other() {
    let world = World::untidy();
    let (first, hold) = calling(
        &world,
        Fault::new(FaultKind::Hold).on("UpdateAccessKey").times(1),
        &KEYS,
    );
    first.stop();
    world.let_leases_end();
    let second = world.run(&APPLY);
    assert_eq!(second.code, Some(0), "{}", second.log);
    let tidy = world.account();
    let done = effects(&world);

    first.signal("CONT");
    world.simulator.holds().release(hold.id, Release::Continue);
    let ended = first.end();
    assert_ne!(ended.code, Some(0), "{}", ended.log);
    assert_eq!(world.account(), tidy);
    assert_eq!(effects(&world), done + 1, "a status was set twice to the same");
    let (_, key) = direction_and_subject(&hold.operation, &hold.parameters);
    assert_eq!(statuses(&world.attempts_at(&key)), ["applied", "applied"]);
    world.assert_accounted_for();
}

#[test]
fn who_was_stopped_in_a_detachment_is_waited_for() {
    in_every_store(in_a_detachment);
}

fn in_a_detachment(store: Store) {
    let world = World::untidy_in(store);
    let before = world.account();
    let (first, hold) = calling(
        &world,
        Fault::new(FaultKind::Hold).on("DetachUserPolicy").times(1),
        &APPLY,
    );
    first.stop();
    world.let_leases_end();
    let second = world.run(&APPLY);
    assert_eq!(second.code, Some(0), "{}", second.log);
    assert_eq!(statuses(&world.attempts_at(POLICY)), ["open"]);

    first.signal("CONT");
    world.simulator.holds().release(hold.id, Release::Continue);
    first.end();
    let last = world.run(&APPLY);
    assert_eq!(last.code, Some(0), "{}", last.log);
    assert_eq!(statuses(&world.attempts_at(POLICY)), ["applied"]);
    world.assert_tidy(&before);
}

#[test]
fn two_with_the_same_plan_make_each_change_once() {
    let world = World::untidy();
    let before = world.account();
    let (first, hold) = about_to_record_an_intent(&world);
    let second = world.start(&APPLY);
    // The first looked for old keys alone.
    assert_eq!(evaluated_rules(&world), 1);
    // All is read before the first of them is evaluated.
    eventually("the second did not plan", || evaluated_rules(&world) > 1);
    world.simulator.holds().release(hold.id, Release::Continue);
    let (first, second) = (first.end(), second.end());
    assert_eq!(first.code, Some(0), "{}", first.log);
    // What it had planned was done by the first meanwhile.
    assert_eq!(second.code, Some(3), "{}", second.log);
    assert!(second.log.contains("stale"), "{}", second.log);
    world.assert_tidy(&before);
}

/// How many rules were evaluated, by whichever run.
fn evaluated_rules(world: &World) -> i64 {
    let rows = world.rows("SELECT COUNT(*) FROM evaluations");
    rows[0][0].parse().unwrap()
}

#[test]
fn three_at_once_make_each_change_once() {
    in_every_store(three_at_once);
}

fn three_at_once(store: Store) {
    let world = World::untidy_in(store);
    let before = world.account();
    let running: Vec<_> = (0..3).map(|_| world.start(&APPLY)).collect();
    for running in running {
        let ended = running.end();
        assert!(matches!(ended.code, Some(0 | 3)), "{ended:?}");
    }
    world.assert_tidy(&before);
}

#[test]
fn a_freeze_after_the_third_of_ten_changes_leaves_three() {
    let world = World::plant(TEN_KEYS, ROTATION);
    let third = Fault::new(FaultKind::Hold).on_mutations().only_nth(3);
    let (running, hold) = calling(&world, third, &APPLY);
    let frozen = world.run(&["freeze", "--reason", "drill"]);
    assert_eq!(frozen.code, Some(0), "{}", frozen.log);
    world.simulator.holds().release(hold.id, Release::Continue);
    let ended = running.end();
    assert_eq!(ended.code, Some(4), "{}", ended.log);
    assert_eq!((effects(&world), world.attempts().len()), (3, 3));
    world.assert_accounted_for();

    let still = world.run(&APPLY);
    assert_eq!(still.code, Some(4), "{}", still.log);
    assert_eq!(effects(&world), 3);
    let released = world.run(&["unfreeze"]);
    assert_eq!(released.code, Some(0), "{}", released.log);
    let rest = world.run(&APPLY);
    assert_eq!(rest.code, Some(0), "{}", rest.log);
    assert_eq!((effects(&world), world.attempts().len()), (10, 10));
    world.assert_accounted_for();
}

/// Asks the process to stop while its second change is under way; what it did then.
fn terminated_in_the_second_change(rules: &str, arguments: &[&str]) -> (World, Option<i32>) {
    let world = World::plant(TEN_KEYS, rules);
    let second = Fault::new(FaultKind::Hold).on_mutations().only_nth(2);
    let (running, hold) = calling(&world, second, arguments);
    running.signal("TERM");
    running.wait_until_it_says("stopping: no new action starts");
    assert!(
        world.lease_holder().is_some(),
        "the lease was released before the call ended"
    );
    world.simulator.holds().release(hold.id, Release::Continue);
    let ended = running.end();
    assert_eq!((effects(&world), world.attempts().len()), (2, 2), "{}", ended.log);
    assert_eq!(world.lease_holder(), None);
    world.assert_accounted_for();
    (world, ended.code)
}

#[test]
fn a_daemon_that_is_told_to_stop_finishes_the_change_under_way() {
    let every_second = format!("[schedule]\ndefault = \"* * * * * *\"\n{ROTATION}");
    let (world, code) = terminated_in_the_second_change(&every_second, &["run"]);
    assert_eq!(code, Some(0));
    let rest = world.run(&APPLY);
    assert_eq!(rest.code, Some(0), "{}", rest.log);
    assert_eq!(effects(&world), 10);
    world.assert_accounted_for();
}

#[test]
fn an_apply_that_is_told_to_stop_finishes_the_change_under_way() {
    let (_, code) = terminated_in_the_second_change(ROTATION, &APPLY);
    assert_eq!(code, Some(0), "eight changes are left for the next run");
}
