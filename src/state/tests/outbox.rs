//! Messages are queued once, tried by one at a time, and count when accepted.

use std::collections::BTreeSet;
use std::time::Duration;

use super::fixtures::*;
use crate::model::*;
use crate::state::*;

const CLAIM: Duration = Duration::from_secs(60);

async fn due(f: &Fixture, holder: &str, minutes: i64) -> Vec<String> {
    let due = f
        .state
        .claim_due_messages(holder, Audience::Everybody, CLAIM, 10, at(minutes))
        .await
        .unwrap();
    due.into_iter().map(|message| message.id).collect()
}

async fn notices(f: &Fixture) -> Vec<Notice> {
    f.state.history(&account(), at(0)).await.unwrap().notices
}

pub(super) async fn the_same_message_is_queued_once(f: Fixture) {
    let two = [
        message("msg_1", "a", &[1]),
        message("msg_2", "a", &[1]),
        message("msg_3", "b", &[]),
    ];
    assert_eq!(f.enqueue(&two, at(0)).await, ["msg_1", "msg_3"]);
    assert!(f.enqueue(&[message("msg_4", "a", &[1])], at(1)).await.is_empty());
    f.state.mark_accepted("msg_1", at(2), true).await.unwrap();
    assert!(f.enqueue(&[message("msg_5", "a", &[1])], at(3)).await.is_empty());
    assert_eq!(notices(&f).await.len(), 1);
}

pub(super) async fn a_notice_counts_once_it_is_accepted(f: Fixture) {
    let messages = [message("msg_1", "a", &[1, 2]), message("msg_2", "b", &[3])];
    f.enqueue(&messages, at(0)).await;
    let expected = Notice {
        event: Event::AccessKeyExpiring,
        owner: Some(Owner("alice@example.com".into())),
        finding: FindingId("fnd_1".to_owned()),
        subject: key(1).to_string(),
        ladder: Ladder::Before(Span::from_days(7)),
        announced_for: at(10_080),
        queued_at: at(0),
        accepted_at: None,
        dead: false,
    };
    assert_eq!(notices(&f).await[0], expected);
    let empty = f.state.head().await.unwrap();
    f.state.mark_accepted("msg_2", at(1), false).await.unwrap();
    assert_eq!(f.state.head().await.unwrap(), empty);
    f.state.mark_accepted("msg_1", at(2), true).await.unwrap();
    f.state.mark_accepted("msg_1", at(3), true).await.unwrap();
    let accepted: Vec<_> = notices(&f)
        .await
        .into_iter()
        .map(|notice| notice.accepted_at)
        .collect();
    assert_eq!(accepted, [Some(at(2)), Some(at(2)), None]);
    assert_eq!(f.state.head().await.unwrap().seq, 1);
    assert!(f.state.verify(None).await.unwrap().is_whole());

    f.run_sql("UPDATE notices SET accepted_at = '2026-11-01T06:00:00.000000Z' WHERE message = 'msg_2'")
        .await;
    let faults = f.state.verify(None).await.unwrap().faults;
    assert_eq!(
        faults,
        [Fault::Derived {
            table: "notices",
            key: "message msg_2".into()
        }]
    );
}

pub(super) async fn a_message_is_tried_by_one_at_a_time(f: Fixture) {
    let later = NewMessage {
        deliver_after: at(5),
        ..message("msg_2", "b", &[])
    };
    f.enqueue(&[message("msg_1", "a", &[]), later], at(0)).await;
    assert_eq!(due(&f, "one", 0).await, ["msg_1"]);
    assert!(due(&f, "two", 0).await.is_empty());
    f.move_clock(60_001).await;
    assert_eq!(due(&f, "two", 0).await, ["msg_1"]);
    f.state.release_claims("one").await.unwrap();
    assert!(due(&f, "one", 0).await.is_empty());
    f.state.release_claims("two").await.unwrap();
    assert_eq!(due(&f, "one", 5).await, ["msg_1", "msg_2"]);

    f.state.mark_retry("msg_1", at(30), "503").await.unwrap();
    f.state.release_claims("one").await.unwrap();
    assert_eq!(due(&f, "one", 29).await, ["msg_2"]);
    let again = f
        .state
        .claim_due_messages("one", Audience::Everybody, CLAIM, 10, at(30))
        .await
        .unwrap();
    assert_eq!((again[0].id.as_str(), again[0].attempts), ("msg_1", 1));
    assert_eq!(again[0].body, message("msg_1", "a", &[]).body);
}

pub(super) async fn what_was_told_is_known_entry_by_entry(f: Fixture) {
    let entry = |name: &str| Digest::of_bytes(name.as_bytes());
    let asked = [entry("a"), entry("b"), entry("c")];
    let told = async || {
        let mut told = BTreeSet::new();
        let write = |_: &BTreeSet<IntentId>, known: &BTreeSet<Digest>| {
            told.clone_from(known);
            Vec::new()
        };
        f.state.enqueue(&[], &asked, write, at(1)).await.unwrap();
        told
    };
    assert_eq!(told().await, BTreeSet::new());
    f.enqueue(&[message("msg_1", "a", &[1]), message("msg_2", "b", &[])], at(1))
        .await;
    assert_eq!(told().await, BTreeSet::from([entry("a"), entry("b")]));
    f.state.mark_accepted("msg_1", at(2), true).await.unwrap();
    f.state.mark_dead("msg_2", at(2), "410 Gone").await.unwrap();
    assert_eq!(
        told().await,
        BTreeSet::from([entry("a")]),
        "what was given up was not told"
    );
    f.enqueue(&[message("msg_3", "b", &[])], at(3)).await;
    assert_eq!(told().await, BTreeSet::from([entry("a"), entry("b")]));
    f.state.mark_accepted("msg_3", at(4), true).await.unwrap();
    let twice = NewMessage {
        entries: vec![entry("c"), entry("c")],
        ..message("msg_4", "c", &[])
    };
    f.enqueue(&[twice], at(4)).await;
    assert_eq!(told().await.len(), 3);
    f.state.mark_accepted("msg_4", at(4), true).await.unwrap();
    f.state.prune(at(60), Span::from_days(0)).await.unwrap();
    assert_eq!(told().await, BTreeSet::new(), "forgotten with the messages");
}

pub(super) async fn what_is_given_up_shows_and_may_be_sent_anew(f: Fixture) {
    f.enqueue(&[message("msg_1", "a", &[1])], at(0)).await;
    f.state.mark_dead("msg_1", at(1), "410 Gone").await.unwrap();
    f.state.mark_dead("msg_1", at(2), "again").await.unwrap();
    let dead = f.state.dead_messages().await.unwrap();
    assert_eq!(
        (dead.len(), dead[0].error.as_str(), dead[0].dead_at),
        (1, "410 Gone", at(1))
    );
    assert!(notices(&f).await[0].dead);
    assert_eq!(f.enqueue(&[message("msg_2", "a", &[1])], at(3)).await, ["msg_2"]);
    let depth = f.state.outbox_depth().await.unwrap();
    let depth: Vec<_> = depth
        .iter()
        .map(|depth| (depth.state, depth.messages, depth.oldest))
        .collect();
    assert_eq!(
        depth,
        [(MessageState::Dead, 1, at(0)), (MessageState::Queued, 1, at(3))]
    );
    let error = f.state.mark_dead("msg_9", at(4), "").await.unwrap_err();
    insta::allow_duplicates! {
        insta::assert_snapshot!(error, @"state: giving message msg_9 up failed: there is no message `msg_9` in the outbox");
    }
}

pub(super) async fn notices_are_not_forgotten_with_their_message(f: Fixture) {
    f.enqueue(&[message("msg_1", "a", &[1]), message("msg_2", "b", &[])], at(0))
        .await;
    f.state.mark_accepted("msg_1", at(0), true).await.unwrap();
    f.state.mark_accepted("msg_2", at(0), true).await.unwrap();
    f.state.prune(at(2), Span::from_seconds(60)).await.unwrap();
    assert_eq!(notices(&f).await.len(), 1);
    assert_eq!(f.state.outbox_depth().await.unwrap()[0].messages, 1);
    assert!(f.state.verify(None).await.unwrap().is_whole());
}

pub(super) async fn messages_of_owners_can_be_left_waiting(f: Fixture) {
    let unowned = NewMessage {
        owner: None,
        ..message("msg_2", "b", &[])
    };
    let both = [message("msg_1", "a", &[]), unowned];
    f.enqueue(&both, at(0)).await;
    let claim = async |audience| {
        let due = f
            .state
            .claim_due_messages("one", audience, CLAIM, 10, at(1))
            .await;
        due.unwrap().into_iter().map(|due| due.id).collect::<Vec<_>>()
    };
    assert_eq!(claim(Audience::NotOwners).await, ["msg_2"]);
    assert_eq!(claim(Audience::Everybody).await, ["msg_1"]);
}

pub(super) async fn of_a_change_somebody_is_told_once(f: Fixture) {
    let lease = f.lease().await;
    let ids = [
        f.record(&lease, &disabling(1), at(0)).await,
        f.record(&lease, &disabling(2), at(0)).await,
        f.record(&lease, &disabling(3), at(0)).await,
    ];
    let untold = async || -> Vec<IntentId> {
        let attempts = f.state.untold(&account()).await.unwrap();
        attempts.iter().map(|attempt| attempt.id).collect()
    };
    assert_eq!(untold().await, [], "nothing is done yet");
    for (id, outcome) in [
        (ids[0], Outcome::Applied),
        (ids[1], Outcome::NotApplied),
        (ids[2], Outcome::Applied),
    ] {
        f.state
            .record_outcome(id, outcome, "", None, at(1))
            .await
            .unwrap();
    }
    assert_eq!(untold().await, [ids[0], ids[2]]);
    let loose = f.state.accounts_with_loose_ends(at(60)).await.unwrap();
    assert_eq!(loose, [account()]);

    let tell = async |told: &[IntentId], id: &str| {
        let mut news = Vec::new();
        let write = |untold: &BTreeSet<IntentId>, _: &BTreeSet<Digest>| {
            news.extend(untold.iter().copied());
            vec![message(id, id, &[])]
        };
        f.state.enqueue(told, &[], write, at(2)).await.unwrap();
        news
    };
    assert_eq!(tell(&ids[..1], "msg_1").await, [ids[0]]);
    assert_eq!(untold().await, [ids[2]]);
    assert_eq!(
        tell(&ids, "msg_2").await,
        ids[1..],
        "the first is no news any more"
    );
    assert_eq!(untold().await, []);
    assert_eq!(f.state.accounts_with_loose_ends(at(60)).await.unwrap(), []);
}
