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
    let samples = 6;
    let writes = writes_of_an_apply(&world(true));
    let filled = AtomicU32::new(0);
    at_some_writes(writes, samples, |n| {
        let world = world(true);
        let before = world.account();
        let ended = disturbed(&world, &format!("error=ENOSPC:when={n}+"));
        assert!(matches!(ended.code, Some(0 | 1 | 3 | 4)), "{n}: {ended:?}");
        filled.fetch_add(u32::from(ended.code != Some(0)), Ordering::Relaxed);
        assert_no_call_without_an_intent(&world);
        world.restart_until_settled();
        world.assert_tidy(&before);
    });
    // The last writes are not the same in every run: it may be full when all is done.
    assert!(filled.into_inner() >= samples - 1, "of {writes} writes");
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
