//! Daemons whose clocks differ: what one holds and whether it is there goes by the database's clock.

use std::path::PathBuf;

use aws_simulator::{Fault, FaultKind};

use crate::support::{ACCOUNT, Running, Store, World, eventually};
use crate::{
    KEYS, ONE_AT_A_TIME, TWO_ACCOUNTS, daemon, holder_of, let_it_be_missed, let_rules_be_missed, runs,
    wait_until_the_tick_is_settled,
};

/// How far a clock may be off by which a daemon still judges ages: many times a lease.
const TOLERABLE: [&str; 2] = ["+4m", "-4m"];
/// How far it may not: AWS has another time, and nothing is read.
const WRONG: [&str; 2] = ["+15m", "-15m"];
const RIGHT: &str = "+0";

/// A daemon with another time of day. How fast time passes is the same for all.
fn daemon_at(world: &World, offset: &str) -> Running {
    daemon(world, |command| {
        command
            .env("LD_PRELOAD", libfaketime())
            .env("FAKETIME", offset)
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    })
}

/// Debian keeps it by architecture.
fn libfaketime() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").unwrap().flatten();
    let mut libraries = folders.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"));
    let found = libraries.find(|library| library.exists());
    found.expect("libfaketime (tests/run installs what is needed)")
}

/// The first daemon stands in a change of the first account, and the second sees that it is taken.
fn one_at_work_and_one_that_waits(world: &World, [first, second]: [&str; 2]) -> [Running; 2] {
    let_rules_be_missed(world);
    let change = Fault::new(FaultKind::Hold).on_mutations();
    world.simulator.faults().add(change.times(1));
    let first = daemon_at(world, first);
    world.held();
    let second = daemon_at(world, second);
    second.wait_until_it_says("another replica is at work on the account");
    assert_eq!(world.lease_holder(), Some(holder_of(world, ACCOUNT)));
    assert_eq!(world.attempts().len(), 1);
    [first, second]
}

/// The same with the clocks of both, for each of these, side by side.
fn with_clocks(of_both: &[[&str; 2]], test: impl Fn(&World, [&str; 2]) + Sync) {
    std::thread::scope(|scope| {
        for &clocks in of_both {
            let test = &test;
            scope.spawn(move || {
                let world = World::plant_in(Store::Server, TWO_ACCOUNTS, ONE_AT_A_TIME);
                test(&world, clocks);
            });
        }
    });
}

fn assert_each_change_was_made_once(world: &World) {
    let effects = world.effects();
    assert_eq!(effects.len(), KEYS.len(), "{effects:?}");
    assert!(effects.values().all(|times| *times == 1), "{effects:?}");
    world.assert_accounted_for();
}

#[test]
fn a_tick_is_one_run_whatever_the_clocks_say() {
    let first_off = TOLERABLE.map(|clock| [clock, RIGHT]);
    let second_off = [TOLERABLE, WRONG]
        .concat()
        .into_iter()
        .map(|clock| [RIGHT, clock]);
    let clocks: Vec<_> = first_off.into_iter().chain(second_off).collect();
    with_clocks(&clocks, |world, clocks| {
        let daemons = one_at_work_and_one_that_waits(world, clocks);
        world.simulator.holds().release_all();
        wait_until_the_tick_is_settled(world);
        for running in daemons {
            running.signal("TERM");
            let ended = running.end();
            assert_eq!(ended.code, Some(0), "{}", ended.log);
        }
        assert_eq!(runs(world), 1, "{clocks:?}");
        assert!(world.attempts().iter().all(|attempt| attempt.fencing == 1));
        assert_each_change_was_made_once(world);
    });
}

#[test]
fn one_with_a_wrong_clock_leaves_the_work_to_others() {
    let clocks = WRONG.map(|clock| [clock, RIGHT]);
    with_clocks(&clocks, |world, [wrong, right]| {
        let_rules_be_missed(world);
        let wrong = daemon_at(world, wrong);
        wrong.wait_until_it_says("the clock is wrong");
        let right = daemon_at(world, right);
        eventually("nobody did it", || world.effects().len() == KEYS.len());
        wait_until_the_tick_is_settled(world);
        for running in [wrong, right] {
            running.signal("TERM");
            let ended = running.end();
            assert_eq!(ended.code, Some(0), "{}", ended.log);
        }
        assert_each_change_was_made_once(world);
    });
}

#[test]
fn one_that_fell_silent_is_replaced_whatever_the_clocks_say() {
    let clocks = [
        TOLERABLE.map(|clock| [clock, RIGHT]),
        TOLERABLE.map(|clock| [RIGHT, clock]),
    ]
    .concat();
    with_clocks(&clocks, |world, clocks| {
        let [first, second] = one_at_work_and_one_that_waits(world, clocks);
        let holder = holder_of(world, ACCOUNT);
        first.kill();
        world.wait_until_nothing_is_held();
        let_it_be_missed(world, &holder);
        eventually("nobody took over", || world.effects().len() == KEYS.len());
        wait_until_the_tick_is_settled(world);
        second.signal("TERM");
        let ended = second.end();
        assert_eq!(ended.code, Some(0), "{}", ended.log);
        assert_each_change_was_made_once(world);
    });
}
