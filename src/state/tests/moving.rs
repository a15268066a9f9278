//! States that come from somewhere: from an earlier version, or from another database.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};

use super::fixtures::*;
use super::postgres::Cluster;
use crate::model::*;
use crate::state::connection::{Connection, Pools};
use crate::state::statement::query;
use crate::state::*;
use crate::state::{migrations, transfer};

/// Something of everything that was there from the first version on.
async fn fill(state: &State) {
    let lease = state.acquire_lease(&account(), "one").await.unwrap().unwrap();
    state
        .begin_run(RUN, "apply", at(0), None, Some("ann"), &config_digest())
        .await
        .unwrap();
    state
        .save_plan(
            "01JDPLAN",
            "{\"text\": \"Grüße\"}",
            &config_digest(),
            at(0),
            at(0),
        )
        .await
        .unwrap();
    let decisions = [decision(&disabling(1), Verdict::Approved, at(1))];
    let ids = state
        .record_decisions("01JDPLAN", &decisions, Some("SEC-1"), None, at(1))
        .await
        .unwrap();
    for (number, intent) in [(1, approved(1, ids[0])), (2, disabling(2))] {
        let recorded = state.record_intent(&lease, &intent, None, at(2)).await.unwrap();
        let IntentRecorded::Recorded(id) = recorded else {
            panic!("{recorded:?}")
        };
        let outcome = if number == 1 {
            Outcome::Applied
        } else {
            Outcome::Unknown
        };
        state
            .record_outcome(id, outcome, "said", None, at(3))
            .await
            .unwrap();
        if number == 2 {
            state.settle_reading(id, true, at(4)).await.unwrap();
        }
    }
    let of_then = |id, dedup, notices: &[u32]| NewMessage {
        entries: Vec::new(),
        ..message(id, dedup, notices)
    };
    let messages = [of_then("msg_1", "a", &[2]), of_then("msg_2", "b", &[3])];
    state
        .enqueue(&[], &[], |_, _| messages.to_vec(), at(5))
        .await
        .unwrap();
    state.mark_accepted("msg_1", at(6), true).await.unwrap();
    state.mark_dead("msg_2", at(7), "410 Gone").await.unwrap();
    let seen = BTreeSet::from([Observation::InactiveKey {
        access_key_id: key(4),
    }]);
    let covered = BTreeSet::from([ObservationKind::InactiveKey]);
    state
        .record_observations(&account(), &covered, &seen, at(8))
        .await
        .unwrap();
    state
        .record_findings(
            RUN,
            &rule(),
            &account(),
            &[finding("alice"), finding("bob")],
            at(8),
        )
        .await
        .unwrap();
    state.record_tick(&rule(), at(8)).await.unwrap();
    state
        .finish_run(RUN, at(9), "done", &json!({"applied": 1}))
        .await
        .unwrap();
    state.release_lease(lease).await.unwrap();
}

/// What later versions brought.
async fn fill_the_rest(state: &State) {
    let told = [message("msg_3", "c", &[])];
    state
        .enqueue(&[], &[], |_, _| told.to_vec(), at(10))
        .await
        .unwrap();
    assert!(
        state
            .note_click(&Digest::of_bytes(b"click"), at(10))
            .await
            .unwrap()
    );
    state.keep_report("weekly", "{}", at(10)).await.unwrap();
    let session = SessionRecord {
        subject: "ann@example.com".into(),
        credential: "https://id.example.com".into(),
        claims: vec!["security".into()],
        created_at: at(10),
        expires_at: at(20),
    };
    let id = Digest::of_bytes(b"session");
    state.begin_session(&id, &session).await.unwrap();
    let seen = state.see_request(&id, &id, at(10), at(20)).await.unwrap();
    assert_eq!(seen, RequestSeen::New);
    let turns = [("a rule in an account".to_owned(), at(10))];
    state.note_presence("one").await.unwrap();
    assert_eq!(state.take_turns(&turns, "one").await.unwrap(), Turn::Mine);
    state
        .finish_turns(&[turns[0].0.clone()], "one", at(10))
        .await
        .unwrap();
}

/// All that can be asked, in one value.
async fn remembered(state: &State) -> String {
    let all = (
        state.history(&account(), at(11)).await.unwrap(),
        state.runs(100).await.unwrap(),
        state.decisions(100).await.unwrap(),
        state.findings(None, true).await.unwrap(),
        state.dead_messages().await.unwrap(),
        state.outbox_depth().await.unwrap(),
        state.load_plan("latest").await.unwrap(),
        (
            state.open_intents(&account()).await.unwrap(),
            state.last_tick(&rule()).await.unwrap(),
        ),
    );
    format!("{all:#?}")
}

/// A state as this version left it behind.
async fn of_version(url: &str, version: i64) -> State {
    let (pools, mut transaction, dialect) = match StateUrl::parse(url).unwrap() {
        StateUrl::Memory => panic!("gone before it can be opened again"),
        StateUrl::File(path) => {
            let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
            let pool = SqlitePoolOptions::new().max_connections(1);
            let pool = pool.connect_with(options).await.unwrap();
            let transaction = Connection::Sqlite(pool.begin().await.unwrap());
            let (readers, writer, unlocked) = (pool.clone(), Some(pool), None);
            (
                Pools::Sqlite {
                    readers,
                    writer,
                    unlocked,
                },
                transaction,
                &crate::state::sqlite::DIALECT,
            )
        }
        StateUrl::Postgres(address) => {
            let pool =
                crate::state::postgres::pool(&address, 2, "SET default_transaction_read_only = off").unwrap();
            let transaction = Connection::Postgres(pool.connections.begin().await.unwrap());
            let (readers, writer) = (pool.clone(), Some(pool));
            (
                Pools::Postgres { readers, writer },
                transaction,
                &crate::state::postgres::DIALECT,
            )
        }
    };
    migrations::migrate_to(&mut transaction, dialect, version)
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    State::of(pools)
}

#[tokio::test]
async fn what_an_earlier_version_remembered_is_not_lost() {
    for version in [1, 2, 3] {
        let folder = tempfile::tempdir().unwrap();
        let database = Cluster::shared().database();
        for url in [
            format!("sqlite:{}/state.db", folder.path().display()),
            database.url(),
        ] {
            let old = of_version(&url, version).await;
            fill(&old).await;
            let before = remembered(&old).await;
            let head = old.head().await.unwrap();
            old.close().await;
            let error = State::open_read_only(&url).await.unwrap_err();
            assert!(
                matches!(error.cause(), Cause::OlderSchema { found, .. } if *found == version),
                "{error}"
            );
            let opened = State::open(&url).await.unwrap();
            assert!(!opened.created, "{url}");
            assert_eq!(remembered(&opened.state).await, before, "{url}");
            assert!(opened.state.verify(Some(&head)).await.unwrap().is_whole());
            fill_the_rest(&opened.state).await;
            assert_eq!(opened.state.head().await.unwrap(), head);
        }
    }
}

#[tokio::test]
async fn a_state_is_moved_whole() {
    let (from, to) = (Fixture::in_file().await, Fixture::in_postgres().await);
    fill(&from.state).await;
    fill_the_rest(&from.state).await;
    from.move_clock(30_001).await;
    let (before, head) = (remembered(&from.state).await, from.state.head().await.unwrap());
    let moved = from
        .state
        .transfer_to(&to.state, "postgres://db/iam", "ann", at(12))
        .await
        .unwrap();
    assert_eq!(moved.head, head);
    let rows: BTreeMap<_, _> = moved.rows.iter().copied().collect();
    assert!(
        rows.values().all(|rows| *rows > 0),
        "nothing of this is proved of an empty table: {rows:?}"
    );
    assert_eq!(rows["journal"], head.seq);
    assert_eq!(remembered(&to.state).await, before);
    let report = to.state.verify(Some(&head)).await.unwrap();
    assert_eq!(report.faults, []);
    let session = to
        .state
        .session(&Digest::of_bytes(b"session"), at(11))
        .await
        .unwrap();
    assert_eq!(session.unwrap().subject, "ann@example.com");
    assert!(
        !to.state
            .note_click(&Digest::of_bytes(b"click"), at(11))
            .await
            .unwrap()
    );

    // Fencing numbers go on rising, and the journal refuses again what does not belong at its end.
    let lease = to.state.acquire_lease(&account(), "two").await.unwrap().unwrap();
    assert_eq!(lease.fencing(), 2);
    let recorded = to
        .state
        .record_intent(&lease, &disabling(3), None, at(12))
        .await
        .unwrap();
    assert!(matches!(recorded, IntentRecorded::Recorded(_)), "{recorded:?}");
    let amid = "INSERT INTO journal SELECT 99, at, kind, account, run, action, fencing, payload, 'x', 'y' \
        FROM journal WHERE seq = 1";
    assert!(to.try_sql(amid).await.is_err());

    // Whoever goes on with the old one changes nothing.
    let frozen = from.state.frozen().await.unwrap().unwrap();
    assert_eq!(
        (frozen.reason.as_str(), frozen.by.as_str()),
        ("the state was moved to postgres://db/iam", "ann")
    );
    assert_eq!(to.state.frozen().await.unwrap(), None);
}

#[tokio::test]
async fn what_cannot_be_moved_stays_where_it_is() {
    let from = Fixture::in_file().await;
    let refused = async |to: &Fixture| {
        let moved = from
            .state
            .transfer_to(&to.state, "elsewhere", "ann", at(12))
            .await;
        let error = moved.unwrap_err();
        assert_eq!(from.state.frozen().await.unwrap(), None);
        error.to_string()
    };
    let to = Fixture::in_postgres().await;
    let lease = from.lease().await;
    insta::assert_snapshot!(refused(&to).await, @"state: moving the state to elsewhere failed: one holds the lease of account 123456789012; stop that iamwarden first, or wait until its lease ends");
    from.state.release_lease(lease).await.unwrap();
    from.state.note_presence("host-1").await.unwrap();
    insta::assert_snapshot!(refused(&to).await, @"state: moving the state to elsewhere failed: host-1 is at work with the state; stop every iamwarden first; one that was killed is missed for half a minute");
    from.move_clock(30_001).await;
    insta::assert_snapshot!(refused(&Fixture::in_file().await).await, @"state: moving the state to elsewhere failed: a state is moved to PostgreSQL only; copy the file of SQLite to move that");
    to.state.record_tick(&rule(), at(0)).await.unwrap();
    insta::assert_snapshot!(refused(&to).await, @"state: moving the state to elsewhere failed: the other state is not empty: there are rows in `ticks`; name an empty database");

    fill(&from.state).await;
    from.run_sql("DROP TRIGGER journal_is_not_updated; UPDATE journal SET at = '' WHERE seq = 2")
        .await;
    let to = Fixture::in_postgres().await;
    insta::assert_snapshot!(refused(&to).await, @"state: moving the state to elsewhere failed: the copy is not whole: row 2 was changed: its hash does not fit; nothing was moved; check the old state with `iamwarden history --verify`");
    assert_eq!(to.state.head().await.unwrap().seq, 0, "nothing was moved");
    assert_eq!(to.state.runs(1).await.unwrap(), []);
}

#[tokio::test]
async fn every_table_and_column_is_moved() {
    for (f, sql) in [
        (
            Fixture::in_file().await,
            "SELECT t.name || '.' || c.name FROM sqlite_schema t, pragma_table_info(t.name) c \
             WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%'",
        ),
        (
            Fixture::in_postgres().await,
            "SELECT c.table_name || '.' || c.column_name FROM information_schema.columns c \
             JOIN information_schema.tables t ON t.table_name = c.table_name AND t.table_schema = c.table_schema \
             WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE'",
        ),
    ] {
        let mut connection = f.state.read().await.unwrap();
        let there: Vec<String> = query(sql).fetch_values(&mut connection).await.unwrap();
        let there: BTreeSet<_> = there
            .into_iter()
            .filter(|name| !name.starts_with("_sqlx_migrations.") && !name.starts_with("journal_head."))
            .collect();
        assert_eq!(there, transfer::columns());
    }
}
