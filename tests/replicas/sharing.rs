//! Several daemons on one state: each account is one's, whoever falls silent is replaced, and nothing happens twice.

use aws_simulator::{Fault, FaultKind, Release};

use crate::support::{ACCOUNT, Store, World, eventually};
use crate::{
    KEYS, ONE_AT_A_TIME, TWO_ACCOUNTS, daemon, holder_of, let_it_be_missed, let_rules_be_missed, runs,
    wait_until_the_tick_is_settled,
};

fn statuses(world: &World, key: &str) -> Vec<String> {
    let attempts = world.attempts_at(key).into_iter();
    attempts.map(|attempt| attempt.status).collect()
}

#[test]
fn two_daemons_share_the_accounts_and_one_takes_over_from_the_other() {
    let world = World::plant_in(Store::Server, TWO_ACCOUNTS, ONE_AT_A_TIME);
    let_rules_be_missed(&world);
    let fault = Fault::new(FaultKind::Hold).on("UpdateAccessKey").about(KEYS[0]);
    world.simulator.faults().add(fault.times(1));
    let first = daemon(&world, |_| {});
    world.held();
    assert_eq!(statuses(&world, KEYS[0]), ["open"]);

    // The second leaves that account to the first, and does the other one.
    let second = daemon(&world, |_| {});
    second.wait_until_it_says("another replica is at work on the account");
    let holder = holder_of(&world, ACCOUNT);
    assert_eq!(world.lease_holder().as_ref(), Some(&holder));
    assert_eq!(world.attempts_at(KEYS[0]).len(), 1);
    // The first had planned to go on with it, and dies of its own account.
    first.kill();
    world.wait_until_nothing_is_held();
    let_it_be_missed(&world, &holder);
    eventually("nobody took over", || {
        KEYS.iter()
            .all(|key| statuses(&world, key).last().is_some_and(|last| last == "applied"))
    });
    assert_eq!(statuses(&world, KEYS[0]), ["not_applied", "applied"]);
    assert_eq!(statuses(&world, KEYS[1]), ["applied"]);
    wait_until_the_tick_is_settled(&world);
    second.signal("TERM");
    let ended = second.end();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let effects = world.effects();
    assert_eq!(effects.len(), 2, "{effects:?}");
    assert!(effects.values().all(|times| *times == 1), "{effects:?}");
    world.assert_accounted_for();
}

#[test]
fn a_tick_is_done_by_one_of_two() {
    let world = World::untidy_in(Store::Server);
    let before = world.account();
    let_rules_be_missed(&world);
    let reading = Fault::new(FaultKind::Hold).on("GetAccountAuthorizationDetails");
    world.simulator.faults().add(reading.times(1));
    let first = daemon(&world, |_| {});
    let hold = world.held();
    let second = daemon(&world, |_| {});
    second.wait_until_it_says("another replica is at work on the account");
    world.simulator.holds().release(hold.id, Release::Continue);
    eventually("the changes were not made", || {
        let attempts = world.attempts();
        attempts.len() == crate::support::CHANGES as usize && attempts.iter().all(|a| a.status == "applied")
    });
    wait_until_the_tick_is_settled(&world);
    for running in [first, second] {
        running.signal("TERM");
        let ended = running.end();
        assert_eq!(ended.code, Some(0), "{}", ended.log);
    }
    let told =
        world.rows("SELECT seq, at, kind, run, payload FROM journal WHERE kind LIKE 'run_%' ORDER BY seq");
    assert_eq!(runs(&world), 1, "one run of one of them: {told:#?}");
    let reads = world.simulator.calls();
    let reads = reads
        .iter()
        .filter(|call| call.operation == "GenerateCredentialReport");
    assert!(reads.count() <= 1, "the account was read once");
    world.assert_tidy(&before);
    assert!(
        world.rows("SELECT holder FROM replicas").is_empty(),
        "both said good-bye"
    );
}

/// A holder that stands still past its time and wakes up has lost its account, and knows it.
#[test]
fn a_daemon_that_stood_still_makes_no_change_when_it_wakes() {
    let world = World::untidy_in(Store::Server);
    let before = world.account();
    let_rules_be_missed(&world);
    let recheck = Fault::new(FaultKind::Hold).on("ListAccessKeys").after_effect();
    world.simulator.faults().add(recheck);
    let first = daemon(&world, |_| {});
    let hold = world.held_at_the_recheck();
    world.simulator.faults().clear();
    first.stop();
    let earlier = world.attempts();
    let_it_be_missed(&world, &holder_of(&world, "ambient"));
    let second = daemon(&world, |_| {});
    eventually("nobody took over", || {
        let attempts = world.attempts();
        attempts.len() == crate::support::CHANGES as usize && attempts.iter().all(|a| a.status == "applied")
    });
    let attempts = world.attempts();
    assert_eq!(attempts[..earlier.len()], earlier);
    let later = &attempts[earlier.len()..];
    assert!(later.iter().all(|attempt| attempt.fencing == 2), "{attempts:?}");
    first.signal("CONT");
    world.simulator.holds().release(hold.id, Release::Continue);
    first.wait_until_it_says("run ended");
    for running in [first, second] {
        running.signal("TERM");
        let ended = running.end();
        assert_eq!(ended.code, Some(0), "{}", ended.log);
    }
    assert_eq!(world.attempts(), attempts, "no row of the one that stood still");
    world.assert_tidy(&before);
}
