//! What an auditor must find: every byte flipped, every row taken out, put in, moved or cut off.

use std::collections::BTreeSet;

use serde_json::json;
use sqlx::Row as _;

use super::exemptions::{answer, request, revocation};
use super::fixtures::*;
use crate::model::*;
use crate::state::journal::Fields;
use crate::state::*;

const COLUMNS: [&str; 8] = [
    "at", "kind", "account", "run", "action", "payload", "previous", "hash",
];

/// How many kinds of rows there are.
const KINDS: usize = 16;

/// A journal with every kind of row, that can be tampered with.
async fn busy_journal() -> Fixture {
    let f = Fixture::in_memory().await;
    let lease = f.lease().await;
    f.state
        .begin_run(RUN, "apply", at(0), None, None, &config_digest())
        .await
        .unwrap();
    f.state
        .save_plan("01JDPLAN", "{}", &config_digest(), at(0), at(0))
        .await
        .unwrap();
    let consent = f.decide(&disabling(1), Verdict::Approved, at(1)).await;
    f.perform(&lease, &approved(1, consent), at(2)).await;
    f.perform(&lease, &undoing(1), at(3)).await;
    f.state.freeze("incident", "bob", at(4)).await.unwrap();
    f.state.unfreeze("bob", at(5)).await.unwrap();
    f.enqueue(&[message("msg_1", "a", &[2]), message("msg_2", "b", &[3])], at(6))
        .await;
    f.state.mark_accepted("msg_1", at(7), true).await.unwrap();
    f.state.mark_dead("msg_2", at(8), "410 Gone").await.unwrap();
    people_and_the_stale(&f).await;
    f.state
        .finish_run(RUN, at(9), "done", &json!({"applied": 1}))
        .await
        .unwrap();
    assert_eq!(faults(&f).await, []);
    let kinds: BTreeSet<_> = column(&f, "kind")
        .await
        .into_iter()
        .map(|(_, kind)| kind)
        .collect();
    assert_eq!(kinds.len(), KINDS);
    // Not in a transaction, where the setting would have no effect.
    sqlx::raw_sql("PRAGMA foreign_keys = OFF")
        .execute(f.state.sqlite_readers())
        .await
        .unwrap();
    f.run_sql(
        "DROP TRIGGER journal_is_not_updated; DROP TRIGGER journal_is_not_deleted; \
         DROP TRIGGER journal_grows_at_its_end",
    )
    .await;
    f.run_sql("CREATE TABLE kept AS SELECT * FROM journal").await;
    f
}

/// What people asked for and said, and an action that was not tried.
async fn people_and_the_stale(f: &Fixture) {
    let (state, one) = (&f.state, request(1));
    let stale = disabling(1);
    let stale = StaleAction {
        action: &stale.action,
        run: RUN,
        account: &account(),
        resource: &stale.resource,
        change: &stale.change,
        direction: Direction::Apply,
        detail: "the key is inactive",
    };
    state.record_stale(stale, at(8)).await.unwrap();
    state.request_exemption(&one, at(8)).await.unwrap();
    state
        .answer_exemption(&one.id, &answer(true, 8), at(8))
        .await
        .unwrap();
    state
        .revoke_exemption(&one.id, &revocation(), at(9))
        .await
        .unwrap();
    let review = NewReview {
        principal: &user("alice"),
        by: "ann",
        reason: None,
        caller: None,
    };
    state.record_review(&account(), review, at(9)).await.unwrap();
    let by = Person::new("U0ALICE", Way::Chat);
    let finding = FindingId("fnd_1".to_owned());
    state
        .record_dispute(&account(), &finding, &by, at(9))
        .await
        .unwrap();
}

async fn faults(f: &Fixture) -> Vec<Fault> {
    f.state.verify(None).await.unwrap().faults
}

async fn restore(f: &Fixture) {
    f.run_sql("DELETE FROM journal; INSERT INTO journal SELECT * FROM kept")
        .await;
}

async fn column(f: &Fixture, column: &str) -> Vec<(i64, Option<Vec<u8>>)> {
    let sql = format!("SELECT seq, CAST({column} AS BLOB) FROM journal ORDER BY seq");
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
        .fetch_all(f.state.sqlite_readers())
        .await
        .unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

#[tokio::test]
async fn the_database_itself_refuses_changes_to_the_journal() {
    let f = Fixture::in_memory().await;
    f.state.freeze("incident", "bob", at(0)).await.unwrap();
    for statement in [
        "UPDATE journal SET at = 'x'",
        "DELETE FROM journal",
        "INSERT INTO journal SELECT 3, at, kind, account, run, action, fencing, payload, 'x', 'y' FROM journal",
        "INSERT OR REPLACE INTO journal SELECT seq, 'x', kind, account, run, action, fencing, payload, previous, \
         'y' FROM journal",
    ] {
        let error = f.try_sql(statement).await.unwrap_err();
        let said = std::error::Error::source(&error).unwrap().to_string();
        assert!(said.contains("the journal"), "{statement}: {said}");
    }
    assert_eq!(faults(&f).await, []);
}

#[tokio::test]
async fn every_flipped_byte_is_found() {
    let f = busy_journal().await;
    let mut flipped = 0;
    for name in COLUMNS {
        let whole = column(&f, name).await;
        let longest = whole
            .iter()
            .filter_map(|(_, bytes)| bytes.as_ref().map(Vec::len))
            .max()
            .unwrap();
        // A row's hash is its own, so all rows can be tried at once.
        for place in 0..longest {
            let bit = if place % 7 == 0 { 0x80 } else { 0x01 };
            let mut expected = Vec::new();
            let mut transaction = f.state.sqlite_readers().begin().await.unwrap();
            for (seq, bytes) in &whole {
                let Some(mut bytes) = bytes.clone().filter(|bytes| bytes.len() > place) else {
                    continue;
                };
                bytes[place] ^= bit;
                let sql = format!("UPDATE journal SET {name} = CAST($1 AS TEXT) WHERE seq = $2");
                let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(bytes).bind(seq);
                query.execute(&mut *transaction).await.unwrap();
                expected.push(*seq);
            }
            transaction.commit().await.unwrap();
            let faults = faults(&f).await;
            for seq in &expected {
                let found = faults.contains(&Fault::Altered { seq: *seq })
                    || faults.contains(&Fault::Unreadable { seq: *seq });
                assert!(found, "byte {place} of {name} of row {seq}: {faults:?}");
            }
            flipped += expected.len();
            restore(&f).await;
        }
    }
    assert!(flipped > 2000, "{flipped}");
    assert_eq!(faults(&f).await, []);
}

#[tokio::test]
async fn numbers_and_absent_fields_are_held_too() {
    let f = busy_journal().await;
    for (change, where_) in [
        ("fencing = fencing + 1", "fencing IS NOT NULL"),
        ("fencing = NULL", "fencing IS NOT NULL"),
        ("fencing = 1", "fencing IS NULL"),
        ("account = ''", "account IS NULL"),
        ("run = NULL", "run IS NOT NULL"),
        ("seq = seq + 1000", "seq > 3"),
    ] {
        f.run_sql(&format!("UPDATE journal SET {change} WHERE {where_}"))
            .await;
        let found = faults(&f).await;
        assert!(
            found.iter().any(|fault| matches!(fault, Fault::Altered { .. })),
            "{change}: {found:?}"
        );
        restore(&f).await;
    }
}

#[tokio::test]
async fn every_deleted_row_is_found() {
    let f = busy_journal().await;
    let last = f.state.head().await.unwrap().seq;
    for seq in 1..=i64::try_from(last).unwrap() {
        f.run_sql(&format!("DELETE FROM journal WHERE seq = {seq}")).await;
        assert_ne!(faults(&f).await, [], "row {seq}");
        // Closing the gap does not help.
        f.run_sql(&format!("UPDATE journal SET seq = seq - 1 WHERE seq > {seq}"))
            .await;
        assert_ne!(faults(&f).await, [], "row {seq}, numbers closed up");
        restore(&f).await;
    }
}

#[tokio::test]
async fn rows_put_in_or_moved_are_found() {
    let f = busy_journal().await;
    let row = |seq: i64| {
        format!(
            "INSERT INTO journal SELECT {seq}, at, kind, account, run, action, fencing, payload, 'p', 'h' \
             FROM kept WHERE seq = 2"
        )
    };
    for seq in [-5, 0, 1_000] {
        f.run_sql(&row(seq)).await;
        assert!(faults(&f).await.contains(&Fault::Altered { seq }), "row {seq}");
        restore(&f).await;
    }
    for (one, other) in [(1, 2), (4, 5), (2, 9)] {
        f.run_sql(&format!(
            "UPDATE journal SET seq = -1 WHERE seq = {one}; UPDATE journal SET seq = {one} WHERE seq = {other}; \
             UPDATE journal SET seq = {other} WHERE seq = -1"
        ))
        .await;
        let found = faults(&f).await;
        assert!(
            found.contains(&Fault::Altered { seq: one }),
            "{one} and {other}: {found:?}"
        );
        assert!(
            found.contains(&Fault::Unchained { seq: other }),
            "{one} and {other}: {found:?}"
        );
        restore(&f).await;
    }
    assert_eq!(faults(&f).await, []);
}

#[tokio::test]
async fn a_journal_cut_off_shows_against_the_published_head() {
    let f = busy_journal().await;
    let published = f.state.head().await.unwrap();
    assert!(f.state.verify(Some(&published)).await.unwrap().is_whole());

    // Cut off, the note of the head still tells.
    f.run_sql(&format!("DELETE FROM journal WHERE seq = {}", published.seq))
        .await;
    assert!(matches!(faults(&f).await[..], [Fault::Head { .. }]));
    // With the note mended, only the published head does.
    f.run_sql(
        "UPDATE journal_head SET (seq, hash) = (SELECT seq, hash FROM journal ORDER BY seq DESC LIMIT 1)",
    )
    .await;
    assert_eq!(faults(&f).await, []);
    let report = f.state.verify(Some(&published)).await.unwrap();
    assert_eq!(
        report.faults,
        [Fault::Published {
            expected: published.clone()
        }]
    );

    // It does so as well when other facts took the place.
    f.state.freeze("nothing to see", "mallory", at(10)).await.unwrap();
    assert_eq!(f.state.head().await.unwrap().seq, published.seq);
    assert!(!f.state.verify(Some(&published)).await.unwrap().is_whole());
    f.run_sql("DELETE FROM journal_head").await;
    assert!(matches!(faults(&f).await[..], [Fault::Head { noted: None, .. }]));
}

#[tokio::test]
async fn a_journal_written_anew_shows_against_the_published_head() {
    let f = Fixture::in_memory().await;
    f.state.freeze("incident", "bob", at(0)).await.unwrap();
    f.state.unfreeze("bob", at(1)).await.unwrap();
    let published = f.state.head().await.unwrap();
    let fields = Fields {
        seq: 1,
        at: "2026-11-23T06:00:00.000000Z",
        kind: "freeze",
        account: None,
        run: None,
        action: None,
        fencing: None,
        payload: r#"{"by":"alice","reason":"incident"}"#,
        previous: &"0".repeat(64),
    };
    let hash = fields.hash();
    f.run_sql(&format!(
        "DROP TRIGGER journal_is_not_updated; DROP TRIGGER journal_is_not_deleted; \
         DELETE FROM journal WHERE seq = 2; UPDATE journal SET payload = '{}', hash = '{hash}'; \
         UPDATE journal_head SET seq = 1, hash = '{hash}'",
        fields.payload
    ))
    .await;
    assert_eq!(faults(&f).await, []);
    assert!(!f.state.verify(Some(&published)).await.unwrap().is_whole());
}

#[tokio::test]
async fn what_is_derived_has_to_say_the_same() {
    for change in [
        "UPDATE intents SET status = 'not_applied' WHERE direction = 'apply'",
        "UPDATE intents SET at = '2020-01-01T00:00:00.000000Z'",
        "UPDATE intents SET outcome_seq = 1",
        "UPDATE intents SET subject = 'AKIAIOSFODNN7EXAMPLE'",
        "DELETE FROM intents WHERE direction = 'undo'",
        "INSERT INTO intents SELECT 1, account, action, run, direction, kind, resource, subject, attempt, fencing, \
         at, status, outcome_seq, outcome_at, NULL, NULL, 0 FROM intents LIMIT 1",
    ] {
        let f = busy_journal().await;
        f.run_sql(change).await;
        let found = faults(&f).await;
        assert!(
            matches!(found[..], [Fault::Derived { table: "intents", .. }, ..]),
            "{change}: {found:?}"
        );
    }
    let f = busy_journal().await;
    f.run_sql("UPDATE plans SET document = document || ' '").await;
    let found = faults(&f).await;
    assert!(
        matches!(found[..], [Fault::Derived { table: "plans", .. }]),
        "{found:?}"
    );
    for change in [
        "UPDATE notices SET accepted_at = '2020-01-01T00:00:00.000000Z' WHERE message = 'msg_1'",
        "UPDATE notices SET accepted_at = queued_at WHERE message = 'msg_2'",
        "UPDATE notices SET announced_for = queued_at WHERE message = 'msg_1'",
        "DELETE FROM notices",
    ] {
        let f = busy_journal().await;
        f.run_sql(change).await;
        let found = faults(&f).await;
        assert!(
            matches!(found[..], [Fault::Derived { table: "notices", .. }, ..]),
            "{change}: {found:?}"
        );
    }
}

#[test]
fn faults_are_told_in_sentences() {
    let head = JournalHead {
        seq: 7,
        hash: "ab".repeat(32),
    };
    let told = [
        Fault::File("wrong # of entries in index".into()),
        Fault::Unreadable { seq: 1 },
        Fault::Gap {
            expected: 2,
            found: 4,
        },
        Fault::Altered { seq: 3 },
        Fault::Unchained { seq: 4 },
        Fault::Head {
            noted: None,
            found: head.clone(),
        },
        Fault::Published { expected: head },
        Fault::Senseless {
            seq: 5,
            why: "an outcome of no intent before it".into(),
        },
        Fault::Derived {
            table: "intents",
            key: "intent 6".into(),
        },
    ]
    .map(|fault| fault.to_string())
    .join("\n");
    insta::assert_snapshot!(told, @r"
    the database file is damaged: wrong # of entries in index
    row 1 cannot be read
    row 4 stands where row 2 should: rows were taken out, put in or moved
    row 3 was changed: its hash does not fit
    row 4 does not follow the row before it
    the journal ends at 7:abababababababababababababababababababababababababababababababab, and the note of its end was taken away
    the published head 7:abababababababababababababababababababababababababababababababab is not in the journal: it was cut off or written anew
    row 5 makes no sense: an outcome of no intent before it
    the table `intents` says other than the journal of intent 6
    ");
}
