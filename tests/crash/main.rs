//! Whatever happens to the process or to its calls, no change is lost and none is made twice.
//!
//! The account tells what was done (the simulator logs every call), the state what is believed to be done; after each
//! disaster and a restart they have to agree. Leases and settling are measured in half a minute and a minute: the tests
//! move the times in the database instead of waiting.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods
)]

mod hang;
mod rollback;
mod state_writes;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeSet;

use aws_simulator::{Edit, Fault, FaultKind, Hold, PasswordPolicy, Release};
use chrono::TimeDelta;
use serde_json::{Value, json};
use support::{ACCOUNT, APPLY, Attempt, CHANGES, POLICY, Store, World, block_on, direction_and_subject};

/// The same at the first change, at the second, and so on; side by side, for most of the time is spent waiting.
fn at_each_change(test: impl Fn(u32) + Sync) {
    std::thread::scope(|scope| {
        for n in 1..=CHANGES {
            let test = &test;
            scope.spawn(move || test(n));
        }
    });
}

/// The same in a file and on a server.
fn at_each_change_in_every_store(test: impl Fn(Store, u32) + Sync) {
    for store in Store::ALL {
        at_each_change(|n| test(store, n));
    }
}

#[test]
fn undisturbed_everything_is_done_once() {
    let world = World::untidy();
    let before = world.account();
    let ended = world.run(&APPLY);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    world.assert_tidy(&before);
    let ended = world.run(&APPLY);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    world.assert_tidy(&before);
}

/// Kills the process at its n-th mutation, restarts it, and looks.
fn kill_at(store: Store, n: u32, fault: Fault, happened: bool) {
    let world = World::untidy_in(store);
    let before = world.account();
    world.simulator.faults().add(fault.on_mutations().only_nth(n));
    let first = world.start(&APPLY);
    let hold = world.held();
    let (direction, subject) = direction_and_subject(&hold.operation, &hold.parameters);
    let attempts = world.attempts_at(&subject);
    assert_eq!(attempts.len(), 1, "mutation {n} without an intent before it");
    assert_eq!((attempts[0].status.as_str(), direction), ("open", "apply"));
    first.kill();
    world.wait_until_nothing_is_held();
    world.let_leases_end();

    let second = world.run(&APPLY);
    assert_eq!(second.code, Some(0), "{}", second.log);
    if subject == POLICY {
        assert_settles_in_a_minute(&world, happened);
    }
    world.assert_tidy(&before);
    let statuses: Vec<_> = world
        .attempts_at(&subject)
        .into_iter()
        .map(|attempt| (attempt.attempt, attempt.status))
        .collect();
    let expected: &[(i64, &str)] = match happened {
        true => &[(1, "applied")],
        false => &[(1, "not_applied"), (2, "applied")],
    };
    let statuses: Vec<_> = statuses.iter().map(|(n, status)| (*n, status.as_str())).collect();
    assert_eq!(statuses, expected, "mutation {n}");
}

/// A detachment is not repeated before readings agree for a minute, and is not believed before either.
fn assert_settles_in_a_minute(world: &World, happened: bool) {
    let open = world.attempts_at(POLICY);
    assert_eq!(open.len(), 1);
    assert!(open[0].is_open(), "{open:?}");
    let key = ("apply", POLICY.to_owned());
    assert_eq!(
        world.effects().get(&key).copied().unwrap_or_default(),
        usize::from(happened)
    );
    if !happened {
        let plan = world.run(&["plan", "--format", "json"]);
        let plan: Value = serde_json::from_str(&plan.out).unwrap();
        let action = &plan["actions"].as_array().unwrap()[0];
        assert_eq!(
            (&action["kind"], &action["withheld_reason"]),
            (&json!("detach_policy"), &json!("settling"))
        );
    }
    // Far from a minute, for the run itself takes its time on a busy machine.
    world.let_readings_agree_for(TimeDelta::seconds(10));
    let ended = world.run(&APPLY);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let still_open = world.attempts_at(POLICY);
    assert!(still_open.iter().all(Attempt::is_open), "{still_open:?}");
    assert_eq!(still_open.len(), 1);
    world.let_readings_agree_for(TimeDelta::seconds(60));
    let ended = world.run(&APPLY);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
}

#[test]
fn a_kill_before_any_change_loses_and_doubles_nothing() {
    at_each_change_in_every_store(|store, n| kill_at(store, n, Fault::new(FaultKind::Hold), false));
}

#[test]
fn a_kill_after_any_change_loses_and_doubles_nothing() {
    at_each_change_in_every_store(|store, n| {
        kill_at(store, n, Fault::new(FaultKind::Hold).after_effect(), true);
    });
}

#[test]
fn a_kill_of_the_restart_at_the_same_change_is_one_more_attempt() {
    let world = World::untidy();
    let before = world.account();
    let key = "AKIACYD0000000000001";
    world
        .simulator
        .faults()
        .add(Fault::new(FaultKind::Hold).on_mutations().about(key).times(2));
    for _ in 0..2 {
        world.let_leases_end();
        let killed = world.start(&APPLY);
        world.held();
        killed.kill();
        world.wait_until_nothing_is_held();
    }
    world.restart_until_settled();
    world.assert_tidy(&before);
    let attempts = world.attempts_at(key);
    let statuses: Vec<_> = attempts.iter().map(|attempt| attempt.status.as_str()).collect();
    assert_eq!(statuses, ["not_applied", "not_applied", "applied"]);
    let fencing: BTreeSet<_> = attempts.iter().map(|attempt| attempt.fencing).collect();
    assert_eq!(fencing.len(), 3, "each under a lease of its own: {attempts:?}");
}

/// The request of a killed process may still be on its way, and is carried out after the restart has looked.
#[test]
fn a_detachment_that_happens_late_is_found_to_have_happened() {
    let world = World::untidy();
    let before = world.account();
    let mut fault = Fault::new(FaultKind::Hold).on("DetachUserPolicy").times(1);
    fault.detached = true;
    world.simulator.faults().add(fault);
    let killed = world.start(&APPLY);
    let hold = world.held();
    killed.kill();
    world.let_leases_end();
    let ended = world.run(&APPLY);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    world.let_readings_agree_for(TimeDelta::seconds(59));

    world.simulator.holds().release(hold.id, Release::Continue);
    support::eventually("the call was not carried out", || {
        world.effects().contains_key(&("apply", POLICY.to_owned()))
    });
    let ended = world.run(&APPLY);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert!(
        world.attempts_at(POLICY)[0].is_open(),
        "readings that differ begin a new minute"
    );
    world.let_readings_agree_for_a_minute();
    let ended = world.run(&APPLY);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    world.assert_tidy(&before);
}

/// The request of a killed process is carried out after the restart has looked, and before it looks at the account as a
/// whole: then there is nothing left to do, and yet it was done by us.
#[test]
fn a_change_that_happens_after_the_restart_has_looked_is_found_to_have_happened() {
    let world = World::untidy();
    let before = world.account();
    let key = "AKIACYD0000000000001";
    let mut late = Fault::new(FaultKind::Hold)
        .about(key)
        .on("UpdateAccessKey")
        .times(1);
    late.detached = true;
    world.simulator.faults().add(late);
    let killed = world.start(&APPLY);
    let request = world.held();
    killed.kill();
    world.let_leases_end();

    let reading = Fault::new(FaultKind::Hold).on("GetAccountAuthorizationDetails");
    world.simulator.faults().add(reading.times(1));
    let restarted = world.start(&APPLY);
    let is_reading = |hold: &Hold| hold.operation == "GetAccountAuthorizationDetails";
    support::eventually("the restart does not read the account", || {
        world.simulator.holds().list().iter().any(is_reading)
    });
    let settled: Vec<_> = world.attempts_at(key).into_iter().map(|a| a.status).collect();
    assert_eq!(settled, ["not_applied"]);
    world.simulator.holds().release(request.id, Release::Continue);
    support::eventually("the call was not carried out", || {
        world.effects().contains_key(&("apply", key.to_owned()))
    });
    world.simulator.holds().release_all();
    let ended = restarted.end();
    assert_eq!(ended.code, Some(0), "{}", ended.log);

    let ended = world.run(&APPLY);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let settled: Vec<_> = world.attempts_at(key).into_iter().map(|a| a.status).collect();
    assert_eq!(settled, ["applied"]);
    world.assert_tidy(&before);
}

#[test]
fn a_connection_lost_after_any_change_doubles_nothing() {
    let world = World::untidy();
    let before = world.account();
    let fault = Fault::new(FaultKind::Reset).on_mutations().after_effect();
    world.simulator.faults().add(fault);
    let ended = world.run(&APPLY);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert_eq!(world.simulator.counts().mutations, u64::from(CHANGES));
    world.assert_tidy(&before);
}

#[test]
fn writes_that_fail_while_reads_work_are_tried_again_by_the_next_run() {
    let world = World::untidy();
    let before = world.account();
    world.simulator.faults().add(
        Fault::new(FaultKind::error("ServiceUnavailable"))
            .on_mutations()
            .about("AKIACYD0000000000001"),
    );
    world
        .simulator
        .faults()
        .add(Fault::new(FaultKind::error("ServiceUnavailable")).on("DetachUserPolicy"));
    let ended = world.run(&APPLY);
    assert_eq!(ended.code, Some(3), "{}", ended.log);
    for subject in ["AKIACYD0000000000001", POLICY] {
        let attempts = world.attempts_at(subject);
        assert_eq!((attempts.len(), attempts[0].status.as_str()), (1, "unknown"));
    }
    assert_eq!(world.effects().len(), CHANGES as usize - 2);
    world.simulator.faults().clear();
    world.restart_until_settled();
    world.assert_tidy(&before);
}

/// What is refused has certainly not happened: no minute is waited, and the next run tries again.
#[test]
fn a_refusal_is_final_for_its_attempt_only() {
    let world = World::untidy();
    let before = world.account();
    world
        .simulator
        .faults()
        .add(Fault::new(FaultKind::error("AccessDenied")).on("Detach*"));
    let ended = world.run(&APPLY);
    assert_eq!(ended.code, Some(3), "{}", ended.log);
    assert_eq!(world.attempts_at(POLICY)[0].status, "failed");
    world.simulator.faults().clear();
    let ended = world.run(&APPLY);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    world.assert_tidy(&before);
}
