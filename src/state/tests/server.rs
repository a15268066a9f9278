//! PostgreSQL: what a server that others use too must not do to the state, and what a person is told.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use secrecy::SecretString;

use super::fixtures::*;
use super::postgres::{Cluster, Database, PASSWORD};
use crate::state::statement::query;
use crate::state::*;

async fn state() -> (Database<'static>, State) {
    let f = Fixture::in_postgres().await;
    (f.database.unwrap(), f.state)
}

#[tokio::test]
async fn the_server_itself_refuses_changes_to_the_journal() {
    let f = Fixture::in_postgres().await;
    f.state.freeze("incident", "bob", at(0)).await.unwrap();
    for statement in [
        "UPDATE journal SET at = 'x'",
        "DELETE FROM journal",
        "TRUNCATE journal CASCADE",
        "INSERT INTO journal SELECT 3, at, kind, account, run, action, fencing, payload, 'x', 'y' FROM journal",
        "INSERT INTO journal SELECT seq, 'x', kind, account, run, action, fencing, payload, previous, 'y' \
         FROM journal ON CONFLICT (seq) DO UPDATE SET at = 'x'",
    ] {
        let error = f.try_sql(statement).await.unwrap_err();
        let said = std::error::Error::source(&error).unwrap().to_string();
        assert!(said.contains("the journal"), "{statement}: {said}");
    }
    assert_eq!(f.state.verify(None).await.unwrap().faults, []);
}

#[tokio::test]
async fn what_was_tampered_with_is_found() {
    let f = Fixture::in_postgres().await;
    let lease = f.lease().await;
    f.perform(&lease, &disabling(1), at(0)).await;
    f.state.freeze("incident", "bob", at(1)).await.unwrap();
    f.run_sql(
        "ALTER TABLE journal DISABLE TRIGGER ALL; ALTER TABLE intents DISABLE TRIGGER ALL; \
         CREATE TABLE kept AS SELECT * FROM journal",
    )
    .await;
    for change in [
        "UPDATE journal SET at = at || ' ' WHERE seq = 2",
        "UPDATE journal SET fencing = NULL WHERE seq = 1",
        "UPDATE journal SET payload = '{}' WHERE seq = 1",
        "DELETE FROM journal WHERE seq = 2",
        "DELETE FROM journal WHERE seq = 3",
        "UPDATE journal SET seq = seq - 1 WHERE seq = 1",
    ] {
        f.run_sql(change).await;
        assert_ne!(f.state.verify(None).await.unwrap().faults, [], "{change}");
        f.run_sql("DELETE FROM journal; INSERT INTO journal SELECT * FROM kept")
            .await;
    }
    assert_eq!(f.state.verify(None).await.unwrap().faults, []);
    f.run_sql("UPDATE intents SET status = 'failed'").await;
    let faults = f.state.verify(None).await.unwrap().faults;
    assert!(
        matches!(faults[..], [Fault::Derived { table: "intents", .. }]),
        "{faults:?}"
    );
}

#[tokio::test]
async fn promises_of_durability_are_kept_by_every_connection() {
    let (database, state) = state().await;
    database.sql(&format!(
        "ALTER DATABASE {0} SET synchronous_commit = off; ALTER DATABASE {0} SET statement_timeout = 0; \
         ALTER DATABASE {0} SET default_transaction_isolation = 'serializable'",
        database.name
    ));
    state.close().await;
    let state = State::open(&database.url()).await.unwrap().state;
    let show = async |writes: bool, name: &str| -> String {
        let mut connection = match writes {
            true => state.write().await.unwrap(),
            false => state.read().await.unwrap(),
        };
        let sql = format!("SELECT current_setting('{name}')");
        query(sqlx::AssertSqlSafe(sql))
            .fetch_value(&mut connection)
            .await
            .unwrap()
    };
    for (writes, name, value) in [
        (true, "synchronous_commit", "on"),
        (true, "statement_timeout", "30s"),
        (true, "lock_timeout", "5s"),
        (true, "idle_in_transaction_session_timeout", "15s"),
        (true, "transaction_isolation", "read committed"),
        (true, "transaction_read_only", "off"),
        (false, "transaction_isolation", "repeatable read"),
        (false, "transaction_read_only", "on"),
        (false, "statement_timeout", "30s"),
    ] {
        assert_eq!(show(writes, name).await, value, "{name}");
    }
}

#[tokio::test]
async fn reading_creates_nothing() {
    let database = Cluster::shared().database();
    let tables = "SELECT COUNT(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace";
    assert!(State::open_read_only(&database.url()).await.unwrap().is_none());
    assert_eq!(database.sql(tables), "0");
    let opened = State::open(&database.url()).await.unwrap();
    assert!(opened.created);
    opened.state.freeze("incident", "bob", at(0)).await.unwrap();
    let reader = State::open_read_only(&database.url()).await.unwrap().unwrap();
    assert!(reader.history(&account(), at(1)).await.unwrap().frozen.is_some());
    assert!(reader.verify(None).await.unwrap().is_whole());
    let error = reader.unfreeze("bob", at(1)).await.unwrap_err();
    assert!(matches!(error.cause(), Cause::ReadOnly), "{error}");
    // Others go on meanwhile, and it sees what they do.
    opened.state.unfreeze("bob", at(2)).await.unwrap();
    assert_eq!(reader.frozen().await.unwrap(), None);
    assert!(!State::open(&database.url()).await.unwrap().created);
}

#[tokio::test]
async fn another_schema_is_refused() {
    let (database, _) = state().await;
    database.sql(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (99, 'later', TRUE, '', 0)",
    );
    let error = State::open(&database.url()).await.unwrap_err();
    assert!(
        matches!(error.cause(), Cause::NewerSchema { found: 99, .. }),
        "{error}"
    );
    assert!(State::open_read_only(&database.url()).await.is_err());
    database.sql("DELETE FROM _sqlx_migrations WHERE version > 1");
    let error = State::open_read_only(&database.url()).await.unwrap_err();
    assert!(
        matches!(error.cause(), Cause::OlderSchema { found: 1, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn what_the_server_says_is_told_without_the_password() {
    let database = Cluster::shared().database();
    let url = database.url_with_password();
    let state = State::open(&url).await.unwrap().state;
    state.check_writable().await.unwrap();
    let shown = |error: StateError| {
        let shown = format!("{error} {error:?} {:?}", std::error::Error::source(&error));
        assert!(!shown.contains(PASSWORD) && !shown.contains("canary"), "{shown}");
        error.cause().to_string()
    };
    assert!(!format!("{state:?}").contains(PASSWORD));
    let wrong = url.replace(PASSWORD, "canary-that-is-wrong");
    insta::assert_snapshot!(shown(State::open(&wrong).await.unwrap_err()), @"the database server refuses the user or the database of `state.url`; check both, the password, and the rights of the user");
    let nowhere = url.replace(&database.name, "nowhere");
    insta::assert_snapshot!(shown(State::open(&nowhere).await.unwrap_err()), @"the database server refuses the user or the database of `state.url`; check both, the password, and the rights of the user");
    let nothing = format!("postgres://warden:{PASSWORD}@db.invalid/iam");
    insta::assert_snapshot!(shown(State::open(&nothing).await.unwrap_err()), @"the database server does not answer; the next try connects anew, so see that it runs and can be reached from here");
    let unreadable = format!("postgres://warden:{PASSWORD}@db:port/iam");
    insta::assert_snapshot!(shown(State::open(&unreadable).await.unwrap_err()), @"this is not the address of a database; write `postgres://USER@HOST/DATABASE`");
    // Without TLS on the server, whoever insists on it does not get in.
    let insisting = format!("{url}?sslmode=verify-full");
    insta::assert_snapshot!(shown(State::open(&insisting).await.unwrap_err()), @"there is no encrypted connection to the database server that can be trusted; check that it offers TLS, that `sslrootcert` of `state.url` is the authority of its certificate, and that the certificate is for the host of `state.url`");
}

/// A secret that somebody may change.
#[derive(Debug)]
struct Vault(std::sync::Mutex<String>);

impl UrlSource for Vault {
    fn current(
        &self,
    ) -> BoxFuture<'_, Result<SecretString, Box<dyn std::error::Error + Send + Sync + 'static>>> {
        let url = self.0.lock().unwrap().clone();
        Box::pin(async move { Ok(SecretString::from(url)) })
    }
}

#[tokio::test]
async fn a_rotated_password_is_asked_for_and_another_database_is_not_taken_for_the_same() {
    let (database, other) = (Cluster::shared().database(), Cluster::shared().database());
    let user = format!("warden_of_{}", database.name);
    database.sql(&format!("CREATE ROLE {user} LOGIN SUPERUSER PASSWORD 'first'"));
    let url = |password: &str| {
        database
            .url_with_password()
            .replace(&format!("postgres:{PASSWORD}"), &format!("{user}:{password}"))
    };
    let state = State::open(&url("first")).await.unwrap().state;
    let vault = Arc::new(Vault(url("first").into()));
    let state = state.renewed_by(&(Arc::clone(&vault) as Arc<dyn UrlSource>));
    state.check_writable().await.unwrap();
    state.check().await.unwrap();
    database.sql(&format!(
        "ALTER ROLE {user} PASSWORD 'second'; \
         SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = '{user}'"
    ));
    let is_refused = |done: Result<(), StateError>| {
        let error = done.unwrap_err();
        assert!(matches!(error.cause(), Cause::Refused(_)), "{error}");
    };
    // The secret is behind, then it is of somewhere else, and then it is as it should be.
    is_refused(state.check_writable().await);
    *vault.0.lock().unwrap() = url("second").replace(&database.name, &other.name);
    is_refused(state.check_writable().await);
    is_refused(state.check().await);
    *vault.0.lock().unwrap() = url("second");
    state.check_writable().await.unwrap();
    state.check().await.unwrap();
}

#[tokio::test]
async fn a_copy_that_takes_no_writes_is_named() {
    let (database, state) = state().await;
    let held = state.read().await.unwrap();
    drop(held);
    database.sql(&format!(
        "ALTER DATABASE {} SET default_transaction_read_only = on",
        database.name
    ));
    // A session that says `READ WRITE` itself gets it, so this is how a server that follows another answers.
    let mut transaction = state.write().await.unwrap();
    query("SET TRANSACTION READ ONLY")
        .execute(&mut transaction)
        .await
        .unwrap();
    let error = query("UPDATE journal_head SET seq = seq")
        .execute(&mut transaction)
        .await;
    insta::assert_snapshot!(error.unwrap_err(), @"the database takes no writes; name the primary server in `state.url`");
}

#[tokio::test]
async fn a_lost_connection_is_an_error_of_that_operation_alone() {
    let (database, state) = state().await;
    let lease = state.acquire_lease(&account(), "one").await.unwrap().unwrap();
    let cut = "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity \
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let mut transaction = state.write().await.unwrap();
    database.sql(cut);
    let error = query("SELECT 1::bigint")
        .fetch_value::<i64>(&mut transaction)
        .await
        .unwrap_err();
    assert!(matches!(error, Cause::Away(_)), "{error:?}");
    drop(transaction);
    // Connections that lay idle are found dead before they are used.
    database.sql(cut);
    let recorded = state
        .record_intent(&lease, &disabling(1), None, at(0))
        .await
        .unwrap();
    assert!(matches!(recorded, IntentRecorded::Recorded(_)), "{recorded:?}");
    assert_eq!(state.open_intents(&account()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn writers_come_one_after_the_other_and_see_what_was_written() {
    let f = Fixture::in_postgres().await;
    let lease = f.lease().await;
    let other = State::open(&f.url).await.unwrap().state;
    // Another takes the account over, and has not committed yet.
    let mut taking = other.write().await.unwrap();
    query("UPDATE leases SET holder = 'two', fencing = fencing + 1")
        .execute(&mut taking)
        .await
        .unwrap();
    let intent = disabling(1);
    let recording = f.state.record_intent(&lease, &intent, None, at(0));
    let takeover = async {
        // Until the first one waits for the second: it looked at nothing yet.
        let waiting = "SELECT COUNT(*) FROM pg_locks WHERE NOT granted";
        while f.database.as_ref().unwrap().sql(waiting) == "0" {
            tokio::task::yield_now().await;
        }
        taking.commit().await.unwrap();
    };
    let (recorded, ()) = tokio::join!(recording, takeover);
    assert_eq!(recorded.unwrap(), IntentRecorded::LeaseLost);
    assert_eq!(f.state.head().await.unwrap().seq, 0, "there is no row");
    assert_eq!(f.state.open_intents(&account()).await.unwrap(), []);
}

#[tokio::test]
async fn a_writer_that_hangs_is_named() {
    let f = Fixture::in_postgres().await;
    let other = State::open(&f.url).await.unwrap().state;
    let held = other.write().await.unwrap();
    let error = f.state.freeze("incident", "bob", at(0)).await.unwrap_err();
    insta::assert_snapshot!(error, @"state: freezing all changes failed: another process kept the state locked for too long; look for one that hangs, then try again");
    assert_eq!(f.state.frozen().await.unwrap(), None, "reading goes on meanwhile");
    drop(held);
    f.state.freeze("incident", "bob", at(0)).await.unwrap();
}

#[tokio::test]
async fn every_fact_has_one_place_in_the_chain_however_many_write() {
    let f = Fixture::in_postgres().await;
    let mut writing = tokio::task::JoinSet::new();
    for number in 0..4 {
        let url = f.url.clone();
        writing.spawn(async move {
            let state = State::open(&url).await.unwrap().state;
            for minute in 0..10 {
                state
                    .freeze(&format!("{number}"), "bob", at(minute))
                    .await
                    .unwrap();
            }
        });
    }
    writing.join_all().await;
    let report = f.state.verify(None).await.unwrap();
    assert_eq!((report.faults, report.rows), (vec![], 40));
}
