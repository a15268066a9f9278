//! Of several replicas one does it.

use super::fixtures::*;
use crate::state::*;

fn turns(names: &[&str], minutes: i64) -> Vec<(String, chrono::DateTime<chrono::Utc>)> {
    names
        .iter()
        .map(|name| ((*name).to_owned(), at(minutes)))
        .collect()
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

pub(super) async fn a_turn_is_taken_by_one_and_done_once_for_its_time(f: Fixture) {
    let take = async |wanted: &[&str], minutes, holder: &str| {
        f.state.take_turns(&turns(wanted, minutes), holder).await.unwrap()
    };
    for replica in ["one", "two"] {
        f.state.note_presence(replica).await.unwrap();
    }
    assert_eq!(take(&["a", "b"], 0, "one").await, Turn::Mine);
    assert_eq!(take(&["a", "b"], 0, "one").await, Turn::Mine, "its own still");
    assert_eq!(take(&["a"], 0, "two").await, Turn::Others);
    assert_eq!(take(&["c", "b"], 0, "two").await, Turn::Others);
    assert_eq!(
        take(&["c"], 0, "one").await,
        Turn::Mine,
        "the second left it alone"
    );

    f.state
        .finish_turns(&names(&["a", "b"]), "one", at(1))
        .await
        .unwrap();
    assert_eq!(take(&["a", "b"], 0, "two").await, Turn::Done);
    assert_eq!(take(&["a", "b"], 1, "two").await, Turn::Done);
    assert_eq!(
        take(&["a", "b"], 2, "two").await,
        Turn::Mine,
        "the next time is another turn"
    );
    // What another has by now is not the first one's to finish or to give back.
    f.state.finish_turns(&names(&["a"]), "one", at(3)).await.unwrap();
    f.state.give_turns_back(&names(&["b"]), "one").await.unwrap();
    assert_eq!(take(&["a", "b"], 2, "one").await, Turn::Others);
    f.state.give_turns_back(&names(&["a", "b"]), "two").await.unwrap();
    assert_eq!(take(&["a", "b"], 2, "one").await, Turn::Mine);
    // Whoever leaves leaves nothing behind.
    f.state.leave("one").await.unwrap();
    assert_eq!(take(&["a", "b", "c"], 2, "two").await, Turn::Mine);
}

pub(super) async fn of_a_replica_that_fell_silent_others_take_over(f: Fixture) {
    let take = async |holder: &str| f.state.take_turns(&turns(&["a"], 0), holder).await.unwrap();
    f.state.note_presence("one").await.unwrap();
    assert_eq!(take("one").await, Turn::Mine);
    f.move_clock(29_000).await;
    f.state.note_presence("two").await.unwrap();
    assert_eq!(take("two").await, Turn::Others);
    f.move_clock(31_000).await;
    assert_eq!(take("two").await, Turn::Mine, "within one lease time");
    assert_eq!(
        take("one").await,
        Turn::Others,
        "it woke up, and somebody else has it"
    );
}

pub(super) async fn a_duty_stays_with_whoever_has_it(f: Fixture) {
    let duty = async |holder: &str| f.state.takes_duty("reports", holder).await.unwrap();
    for replica in ["one", "two"] {
        f.state.note_presence(replica).await.unwrap();
    }
    assert!(duty("one").await);
    assert!(!duty("two").await);
    assert!(duty("one").await);
    f.state.leave("one").await.unwrap();
    assert!(duty("two").await);
    assert!(!duty("one").await);
    f.move_clock(30_001).await;
    assert!(duty("one").await);
}
