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

mod hang {
    //! An answer that never comes, with less patience than the program has by itself.

    use std::sync::Arc;
    use std::time::Duration;

    use iamwarden::aws::{Ambient, Pace, Secrets, Sessions};
    use iamwarden::config::{self, Environment};
    use iamwarden::daemon::{Clock, ClockHand, House, Selection, Shutdown, Verdict};
    use iamwarden::execute::ActionResult;
    use iamwarden::model::WithheldReason;
    use iamwarden::state::State;

    use super::*;

    async fn house(world: &World) -> (House, ClockHand) {
        let pace = Pace {
            attempt: Duration::from_secs(3),
            ..Pace::default()
        };
        let credentials = world.simulator.credentials(ACCOUNT).unwrap();
        let secret = credentials.secret_access_key.into();
        let ambient = Ambient::fixed(world.endpoint(), credentials.access_key_id, secret, pace);
        let ambient = Arc::new(ambient);
        let secrets = Arc::new(Secrets::new(|_| None, Arc::clone(&ambient)));
        let (clock, hand) = Clock::manual(Clock::system().now());
        let config = config::load(Some(&world.config()), &Environment::empty())
            .unwrap()
            .config;
        let house = House {
            roster: None,
            sessions: Arc::new(Sessions::new(ambient, secrets, "test")),
            config: Arc::new(config),
            state: Some(State::open(&world.state_url()).await.unwrap().state),
            clock,
            shutdown: Shutdown::new(),
            holder: "test".to_owned(),
            decided: iamwarden::daemon::Wake::new(),
            metrics: None,
        };
        (house, hand)
    }

    #[test]
    fn a_detachment_without_an_answer_is_settled_after_a_minute() {
        let world = World::untidy();
        let before = world.account();
        block_on(async {
            let (house, hand) = house(&world).await;
            let everything = Selection::default();
            world
                .simulator
                .faults()
                .add(Fault::new(FaultKind::Hang).on("DetachUserPolicy"));
            let done = Box::pin(house.run("run", &everything)).await.unwrap();
            assert_eq!(done.verdict, Verdict::Failed);
            let unsettled: Vec<_> = done
                .reports
                .iter()
                .filter(|report| matches!(report.result, ActionResult::Unsettled(_)))
                .map(|report| report.change.subject())
                .collect();
            assert_eq!(unsettled, [POLICY]);
            world.simulator.faults().clear();
            for seconds in [0, 59] {
                hand.advance(Duration::from_secs(seconds));
                let done = Box::pin(house.run("run", &everything)).await.unwrap();
                let withheld: Vec<_> = done
                    .planned
                    .plan
                    .actions
                    .iter()
                    .map(|action| action.withheld_reason)
                    .collect();
                assert_eq!(withheld, [Some(WithheldReason::Settling)]);
                assert!(done.reports.is_empty());
            }
            hand.advance(Duration::from_secs(1));
            let done = Box::pin(house.run("run", &everything)).await.unwrap();
            assert_eq!(done.verdict, Verdict::Done);
            assert_eq!(done.reports.len(), 1);
            house.state.unwrap().close().await;
        });
        world.assert_tidy(&before);
    }

    #[test]
    fn a_key_disabled_without_an_answer_is_seen_to_be_disabled() {
        let world = World::untidy();
        let before = world.account();
        block_on(async {
            let (house, _hand) = house(&world).await;
            let fault = Fault::new(FaultKind::Hang).on("UpdateAccessKey").after_effect();
            world.simulator.faults().add(fault.times(1));
            let done = Box::pin(house.run("run", &Selection::default())).await.unwrap();
            assert_eq!(done.verdict, Verdict::Done);
            house.state.unwrap().close().await;
        });
        world.assert_tidy(&before);
    }
}

mod rollback {
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
}

mod state_writes {
    //! The process ends, or the disk is full, at a write to the state.

    use std::collections::BTreeMap;
    use std::process::Command;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// Writes of one thread, as many as the busiest one makes: `strace` counts by thread.
    fn writes_of_an_apply(world: &World) -> u32 {
        let trace = world.path("trace").display().to_string();
        let traced = ["strace", "-f", "-qq", "-o", &trace, "-e", "trace=pwrite64"];
        let ended = world.start_under(&traced, &APPLY).end();
        assert_eq!(ended.code, Some(0), "{}", ended.log);
        let mut writes: BTreeMap<String, u32> = BTreeMap::new();
        for line in std::fs::read_to_string(&trace).unwrap().lines() {
            if line.contains("pwrite64(") {
                let thread = line.split_whitespace().next().unwrap().to_owned();
                *writes.entry(thread).or_default() += 1;
            }
        }
        writes.into_values().max().unwrap()
    }

    /// A world whose state is there already, if it is to be.
    fn world(with_state: bool) -> World {
        let world = World::untidy();
        if with_state {
            let ended = world.run(&["plan", "--save"]);
            assert_eq!(ended.code, Some(2), "{}", ended.log);
        }
        world
    }

    /// Tries so many of the writes, evenly spread, four at a time.
    fn at_some_writes(writes: u32, samples: u32, test: impl Fn(u32) + Sync) {
        let next = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    loop {
                        let sample = next.fetch_add(1, Ordering::Relaxed);
                        if sample >= samples {
                            return;
                        }
                        test(1 + sample * (writes - 1) / (samples - 1));
                    }
                });
            }
        });
    }

    fn disturbed(world: &World, what: &str) -> support::Ended {
        let inject = format!("inject=pwrite64:{what}");
        let wrapper = [
            "strace",
            "-f",
            "-qq",
            "-o",
            "/dev/null",
            "-e",
            "trace=pwrite64",
            "-e",
            &inject,
        ];
        world.start_under(&wrapper, &APPLY).end()
    }

    fn assert_no_call_without_an_intent(world: &World) {
        let intents = world.attempts().len();
        let calls = world.simulator.counts().mutations;
        assert!(calls <= intents as u64, "{calls} calls and {intents} intents");
    }

    fn kill_at_writes(with_state: bool, samples: u32) {
        let writes = writes_of_an_apply(&world(with_state));
        let kills = AtomicU32::new(0);
        at_some_writes(writes, samples, |n| {
            let world = world(with_state);
            let before = world.account();
            let ended = disturbed(&world, &format!("signal=KILL:when={n}"));
            kills.fetch_add(u32::from(ended.code.is_none()), Ordering::Relaxed);
            assert_no_call_without_an_intent(&world);
            world.restart_until_settled();
            world.assert_tidy(&before);
        });
        // The last writes are not the same in every run.
        assert!(kills.into_inner() >= samples - 1, "of {writes} writes");
    }

    #[test]
    fn a_kill_at_a_write_to_the_state_loses_and_doubles_nothing() {
        kill_at_writes(true, 12);
    }

    #[test]
    fn a_kill_while_the_state_is_created_leaves_one_that_can_be_used() {
        kill_at_writes(false, 4);
    }

    #[test]
    fn a_disk_that_fills_up_stops_all_changes_and_loses_none() {
        let writes = writes_of_an_apply(&world(true));
        at_some_writes(writes, 6, |n| {
            let world = world(true);
            let before = world.account();
            let ended = disturbed(&world, &format!("error=ENOSPC:when={n}+"));
            assert!(matches!(ended.code, Some(1 | 3 | 4)), "{n}: {ended:?}");
            assert_no_call_without_an_intent(&world);
            world.restart_until_settled();
            world.assert_tidy(&before);
        });
    }

    /// Readiness is red while nothing can be written, and says why; green again without a restart.
    #[test]
    fn a_daemon_without_room_for_its_state_is_not_ready_until_there_is_some() {
        let world = World::plant(
            "[[accounts]]\nid = \"123456789012\"\n",
            "[schedule]\ndefault = \"0 59 23 31 Dec *\"\n",
        );
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let listening = format!("trap '' XFSZ; IAMWARDEN__SERVER__LISTEN={address} exec \"$@\"");
        let daemon = world.start_under(&["sh", "-c", &listening, "sh"], &["run"]);
        let readiness = || {
            let answer = block_on(reqwest::get(format!("http://{address}/readyz")));
            answer.map_or(0, |answer| answer.status().as_u16())
        };
        support::eventually("it is not ready", || readiness() == 200);
        let size = std::fs::metadata(world.path("state.db")).unwrap().len();
        let limit = |bytes: &str| {
            let id = daemon.id().to_string();
            let limited = Command::new("prlimit")
                .args(["--pid", &id, &format!("--fsize={bytes}:unlimited")])
                .status();
            assert!(limited.unwrap().success());
            // It looks again at once, instead of in ten seconds.
            daemon.signal("HUP");
        };
        limit("0");
        support::eventually("it is still ready", || readiness() == 503);
        let report = block_on(async {
            let answer = reqwest::get(format!("http://{address}/readyz")).await.unwrap();
            serde_json::from_str::<Value>(&answer.text().await.unwrap()).unwrap()
        });
        assert_eq!(report["checks"]["state_reachable"], json!({"ok": true}));
        assert_eq!(report["checks"]["state_writable"]["ok"], json!(false));
        limit("unlimited");
        support::eventually("it does not recover", || readiness() == 200);
        for _ in 0..20 {
            daemon.signal("HUP");
        }
        assert_eq!(std::fs::metadata(world.path("state.db")).unwrap().len(), size);
        daemon.signal("TERM");
        assert_eq!(daemon.end().code, Some(0));
    }

    #[test]
    fn without_room_for_the_intent_there_is_no_call() {
        let world = World::untidy();
        let before = world.account();
        let fault = Fault::new(FaultKind::Hold).on("ListAccessKeys").after_effect();
        world.simulator.faults().add(fault);
        // Files cannot grow beyond the limit; without the signal that would end the process, writing fails.
        let ignoring = ["sh", "-c", "trap '' XFSZ; exec \"$@\"", "sh"];
        let keys = ["apply", "--yes", "--rule", "access_key_rotation"];
        let running = world.start_under(&ignoring, &keys);
        let hold = world.held_at_the_recheck();
        let log = std::fs::metadata(world.path("state.db-wal")).unwrap().len();
        let limited = Command::new("prlimit")
            .args(["--pid", &running.id().to_string(), &format!("--fsize={log}")])
            .status()
            .unwrap();
        assert!(limited.success());
        world.simulator.faults().clear();
        world.simulator.holds().release(hold.id, Release::Continue);
        let ended = running.end();
        assert_eq!(ended.code, Some(1), "{}", ended.log);
        assert_eq!(world.simulator.counts().mutations, 0);
        assert_eq!(world.attempts(), []);
        world.restart_until_settled();
        world.assert_tidy(&before);
    }
}
