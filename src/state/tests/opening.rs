//! Files: who may read them, what opening leaves behind, and what a person is told.

use std::path::Path;

use super::fixtures::*;
use crate::state::connection::Connection;
use crate::state::statement::query;
use crate::state::*;

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_new_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/iamwarden.db", folder.path().display());
    let opened = State::open(&url).await.unwrap();
    assert!(opened.created);
    opened.state.freeze("a", "b", at(0)).await.unwrap();
    for name in names(folder.path()) {
        let mode = std::fs::metadata(folder.path().join(&name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    opened.state.close().await;
    assert_eq!(names(folder.path()), ["iamwarden.db"]);
    assert!(!State::open(&url).await.unwrap().created);
}

#[tokio::test]
async fn promises_of_durability_are_kept_by_every_connection() {
    let f = Fixture::in_file().await;
    let pragma = async |connection: &mut Connection, sql: &'static str| -> String {
        let text = query(sql).fetch_value::<String>(connection).await;
        match text {
            Ok(text) => text,
            Err(_) => query(sql)
                .fetch_value::<i64>(connection)
                .await
                .unwrap()
                .to_string(),
        }
    };
    let mut transaction = f.state.write().await.unwrap();
    assert_eq!(pragma(&mut transaction, "PRAGMA journal_mode").await, "wal");
    assert_eq!(pragma(&mut transaction, "PRAGMA synchronous").await, "2", "FULL");
    assert_eq!(pragma(&mut transaction, "PRAGMA foreign_keys").await, "1");
    drop(transaction);
    let mut reader = f.state.read().await.unwrap();
    assert_eq!(pragma(&mut reader, "PRAGMA query_only").await, "1");
}

#[tokio::test]
async fn what_was_recorded_outlives_its_process() {
    let f = Fixture::in_file().await;
    let lease = f.lease().await;
    f.record(&lease, &disabling(1), at(0)).await;
    // Another handle sees what is committed, as would a process that starts after this one was killed.
    let other = State::open(&f.url).await.unwrap().state;
    assert_eq!(
        other.open_intents(&account()).await.unwrap()[0].intent,
        disabling(1)
    );
}

#[tokio::test]
async fn a_missing_folder_is_named() {
    let url = "sqlite:/nowhere/at/all/iamwarden.db";
    let error = State::open(url).await.unwrap_err();
    insta::assert_snapshot!(error, @"state: opening the state sqlite:/nowhere/at/all/iamwarden.db failed: the folder `/nowhere/at/all` does not exist; create it, or change `state.url`");
    assert!(State::open_read_only(url).await.unwrap().is_none());
}

#[tokio::test]
async fn what_is_no_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("iamwarden.db");
    std::fs::write(
        &path,
        "not a database, but long enough to look like something that could be one".repeat(20),
    )
    .unwrap();
    let url = format!("sqlite:{}", path.display());
    let error = State::open(&url).await.unwrap_err();
    assert!(std::error::Error::source(&error).is_some());
    insta::assert_snapshot!(error.cause(), @"the database file is damaged or is no database; restore it from a backup");
    assert!(State::open_read_only(&url).await.is_err());
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let f = Fixture::in_file().await;
    f.run_sql(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (99, 'later', TRUE, x'00', 0)",
    )
    .await;
    let error = State::open(&f.url).await.unwrap_err();
    insta::assert_snapshot!(error.cause(), @"the state has schema 99, this iamwarden knows up to 5; run the newer version");
    let error = State::open_read_only(&f.url).await.unwrap_err();
    assert!(
        matches!(error.cause(), Cause::NewerSchema { found: 99, .. }),
        "{error}"
    );
    f.run_sql("DELETE FROM _sqlx_migrations").await;
    f.run_sql(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (0, 'earlier', TRUE, x'00', 0)",
    )
    .await;
    let error = State::open_read_only(&f.url).await.unwrap_err();
    insta::assert_snapshot!(error.cause(), @"the state has schema 0, this iamwarden needs 5; start `iamwarden run` once to bring it up to date");
}

#[tokio::test]
async fn reading_creates_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}/iamwarden.db", folder.path().display());
    assert!(State::open_read_only(&url).await.unwrap().is_none());
    assert!(names(folder.path()).is_empty());
    std::fs::write(folder.path().join("iamwarden.db"), "").unwrap();
    assert!(
        State::open_read_only(&url).await.unwrap().is_none(),
        "a writer that has only just begun"
    );
    assert_eq!(
        std::fs::metadata(folder.path().join("iamwarden.db"))
            .unwrap()
            .len(),
        0
    );
    std::fs::remove_file(folder.path().join("iamwarden.db")).unwrap();

    let writer = State::open(&url).await.unwrap().state;
    writer.freeze("incident", "bob", at(0)).await.unwrap();
    writer.close().await;
    let before = std::fs::read(folder.path().join("iamwarden.db")).unwrap();
    let reader = State::open_read_only(&url).await.unwrap().unwrap();
    assert!(reader.history(&account(), at(1)).await.unwrap().frozen.is_some());
    assert!(reader.verify(None).await.unwrap().is_whole());
    let error = reader.unfreeze("bob", at(1)).await.unwrap_err();
    insta::assert_snapshot!(error, @"state: releasing all changes failed: the state was opened for reading only; use a command that may change it");
    assert_eq!(names(folder.path()), ["iamwarden.db"]);
    assert_eq!(std::fs::read(folder.path().join("iamwarden.db")).unwrap(), before);

    // A writer that comes later changes the file under the reader's feet, who says so.
    let writer = State::open(&url).await.unwrap().state;
    writer.unfreeze("bob", at(2)).await.unwrap();
    writer.close().await;
    let error = reader.history(&account(), at(3)).await.unwrap_err();
    assert!(matches!(error.cause(), Cause::ChangedMeanwhile), "{error}");
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_can_be_read() {
    use std::os::unix::fs::PermissionsExt as _;

    let f = Fixture::in_file().await;
    f.state.freeze("incident", "bob", at(0)).await.unwrap();
    f.state.close().await;
    let folder = f.folder.as_ref().unwrap().path();
    let rights = |mode| std::fs::set_permissions(folder, std::fs::Permissions::from_mode(mode)).unwrap();
    rights(0o500);
    let reader = State::open_read_only(&f.url).await;
    rights(0o700);
    assert!(reader.unwrap().unwrap().frozen().await.unwrap().is_some());
}

#[tokio::test]
async fn a_reader_sees_what_a_writer_writes() {
    let f = Fixture::in_file().await;
    let reader = State::open_read_only(&f.url).await.unwrap().unwrap();
    assert_eq!(reader.frozen().await.unwrap(), None);
    let held = f.state.write().await.unwrap();
    assert_eq!(
        reader.frozen().await.unwrap(),
        None,
        "a writer at work keeps nobody from reading"
    );
    drop(held);
    f.state.freeze("incident", "bob", at(0)).await.unwrap();
    assert!(reader.frozen().await.unwrap().is_some());
    reader.check().await.unwrap();
}

#[tokio::test]
async fn a_full_disk_records_nothing_and_recovers() {
    let f = Fixture::in_file().await;
    let lease = f.lease().await;
    // SQLite refuses to grow the file, as it would were there no space.
    f.run_sql("PRAGMA max_page_count = 1").await;
    let large = "x".repeat(1_000_000);
    let error = f
        .state
        .save_plan("01JD", &large, &config_digest(), at(0), at(0))
        .await
        .unwrap_err();
    assert!(error.is_disk_full());
    insta::assert_snapshot!(error, @"state: keeping plan 01JD failed: the disk that holds the state is full; nothing was recorded; free space there, then it goes on");
    // The limit is gone with the connection that met it: there is space again, and nobody had to restart anything.
    f.state
        .save_plan("01JD", &large, &config_digest(), at(0), at(0))
        .await
        .unwrap();

    f.run_sql("PRAGMA max_page_count = 1").await;
    let before = f.state.head().await.unwrap();
    let mut intent = disabling(1);
    intent.findings = vec![crate::model::FindingId(large)];
    assert!(
        f.state
            .record_intent(&lease, &intent, None, at(0))
            .await
            .unwrap_err()
            .is_disk_full()
    );
    assert_eq!(f.state.head().await.unwrap(), before);
    assert_eq!(f.state.open_intents(&account()).await.unwrap(), []);
    // Here SQLite left the rolling back to us, so the connection is still the one with the limit.
    f.run_sql("PRAGMA max_page_count = 100000").await;
    f.record(&lease, &intent, at(0)).await;
    assert!(f.state.verify(None).await.unwrap().is_whole());
}

#[tokio::test]
async fn a_writer_that_hangs_is_named() {
    let f = Fixture::in_file().await;
    let other = State::open(&f.url).await.unwrap().state;
    f.run_sql("PRAGMA busy_timeout = 0").await;
    let held = other.write().await.unwrap();
    let error = f.state.freeze("incident", "bob", at(0)).await.unwrap_err();
    insta::assert_snapshot!(error, @"state: freezing all changes failed: another process kept the state locked for too long; look for one that hangs, then try again");
    drop(held);
}
