//! Several daemons and a real channel: an owner is told once, whichever of them is killed between.

use aws_simulator::{Fault, FaultKind, Release};

use crate::receiver::Receiver;
use crate::support::{ACCOUNT, Running, Store, World, eventually};
use crate::{
    KEYS, ONE_AT_A_TIME, TWO_ACCOUNTS, daemon, holder_of, let_it_be_missed, let_rules_be_missed,
    wait_until_the_tick_is_settled,
};

fn two_accounts_and_a_channel() -> (World, Receiver) {
    let world = World::plant_in(Store::Server, TWO_ACCOUNTS, ONE_AT_A_TIME);
    let receiver = Receiver::open();
    receiver.declare(&world, ONE_AT_A_TIME);
    let_rules_be_missed(&world);
    (world, receiver)
}

/// Ends the daemons once all is done and sent; then each owner was told once.
fn assert_told_once(world: &World, receiver: &Receiver, running: Vec<Running>) {
    wait_until_the_tick_is_settled(world);
    let made = "SELECT seq FROM intents WHERE status = 'applied'";
    eventually("the changes were not made", || {
        world.rows(made).len() == KEYS.len()
    });
    let unsent = "SELECT id FROM messages WHERE state <> 'accepted' \
        UNION ALL SELECT CAST(seq AS TEXT) FROM intents WHERE status = 'applied' AND told = 0";
    eventually("somebody is not told", || world.rows(unsent).is_empty());
    for running in running {
        running.signal("TERM");
        let ended = running.end();
        assert_eq!(ended.code, Some(0), "{}", ended.log);
    }
    world.assert_accounted_for();
    receiver.assert_owners_were_told_once(world);
}

fn assert_none_was_sent_twice(receiver: &Receiver) {
    assert_eq!(receiver.posts().len(), receiver.messages().len());
}

#[test]
fn two_that_tell_side_by_side_send_every_message_once() {
    let (world, receiver) = two_accounts_and_a_channel();
    // The first stands in one account, and the second does the other.
    let reading = Fault::new(FaultKind::Hold).on("GetAccountAuthorizationDetails");
    world.simulator.faults().add(reading.times(1));
    let first = daemon(&world, |_| {});
    let hold = world.held();
    receiver.shut();
    let second = daemon(&world, |_| {});
    receiver.wait_until_somebody_posted();
    world.simulator.holds().release(hold.id, Release::Continue);
    let senders =
        "SELECT DISTINCT claimed_by FROM messages WHERE state = 'queued' AND claimed_by IS NOT NULL";
    eventually("they do not send at once", || world.rows(senders).len() == 2);
    receiver.reopen();
    assert_told_once(&world, &receiver, vec![first, second]);
    assert_eq!(world.rows("SELECT DISTINCT holder FROM turns").len(), 2);
    assert_none_was_sent_twice(&receiver);
}

#[test]
fn one_that_dies_between_a_change_and_its_telling_is_spoken_for_by_the_other() {
    let (world, receiver) = two_accounts_and_a_channel();
    let change = Fault::new(FaultKind::Hold).on_mutations().after_effect();
    world.simulator.faults().add(change.times(1));
    let first = daemon(&world, |_| {});
    world.held();
    let second = daemon(&world, |_| {});
    second.wait_until_it_says("another replica is at work on the account");
    let holder = holder_of(&world, ACCOUNT);
    first.kill();
    world.wait_until_nothing_is_held();
    let_it_be_missed(&world, &holder);
    assert_told_once(&world, &receiver, vec![second]);
    assert_eq!(
        receiver.posts().len(),
        receiver.messages().len(),
        "none was sent twice"
    );
}

/// Nobody can know whether a post arrived whose answer was lost: it is sent again, as the same message.
#[test]
fn what_one_was_sending_when_it_died_is_sent_by_the_other_as_the_same_message() {
    let (world, receiver) = two_accounts_and_a_channel();
    receiver.shut();
    let first = daemon(&world, |_| {});
    receiver.wait_until_somebody_posted();
    wait_until_the_tick_is_settled(&world);
    let second = daemon(&world, |_| {});
    second.wait_until_it_says("iamwarden runs");
    first.kill();
    receiver.reopen();
    world.let_claims_end();
    assert_told_once(&world, &receiver, vec![second]);
    assert!(
        receiver.posts().len() > receiver.messages().len(),
        "the post was sent again"
    );
}
