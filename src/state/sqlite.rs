//! SQLite: a database in a file, or in memory.
//!
//! One connection writes and a few read. Every write is a transaction that takes the write lock at its start, so it never
//! fails half-way because somebody else was quicker.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sqlx::Connection as _;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};

use super::connection::{Connection, Opened, Pools, State};
use super::error::Cause;
use super::migrations::{self, Dialect};

/// How long a writer waits for another process to finish its transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long between two tries to turn the write-ahead log on, for which SQLite itself does not wait.
const SWITCH_PAUSE: Duration = Duration::from_millis(50);
const READERS: u32 = 4;

/// Takes the write lock at once.
const WRITE: &str = "BEGIN IMMEDIATE";

/// What SQLite says otherwise than others.
pub(super) const DIALECT: Dialect = Dialect {
    migrations: migrations::SQLITE,
    has_schema: "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = '_sqlx_migrations'",
};

/// What tells one content of a file from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileVersion {
    path: PathBuf,
    length: u64,
    modified: SystemTime,
}

impl FileVersion {
    fn of(path: &Path) -> Result<Self, Cause> {
        let failed = |source| Cause::File {
            path: path.to_owned(),
            source,
        };
        let metadata = std::fs::metadata(path).map_err(failed)?;
        Ok(Self {
            path: path.to_owned(),
            length: metadata.len(),
            modified: metadata.modified().map_err(failed)?,
        })
    }

    /// Fails where the file is another by now.
    pub(super) fn ensure_unchanged(&self) -> Result<(), Cause> {
        if Self::of(&self.path)? == *self {
            Ok(())
        } else {
            Err(Cause::ChangedMeanwhile)
        }
    }
}

pub(super) async fn open_memory() -> Result<Opened, Cause> {
    // Every connection of its own would be a database of its own.
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .min_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(SqliteConnectOptions::new().in_memory(true).foreign_keys(true))
        .await
        .map_err(Cause::of_sqlite)?;
    migrate(&pool).await?;
    let state = State::of(Pools::Sqlite {
        readers: pool.clone(),
        writer: Some(pool),
        unlocked: None,
    });
    Ok(Opened { state, created: true })
}

pub(super) async fn open_file(path: &Path) -> Result<Opened, Cause> {
    create_file(path)?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(true)
        .synchronous(SqliteSynchronous::Full);
    switch_to_write_ahead_log(&options).await?;
    let writer = pool_options(1)
        .connect_with(options.clone())
        .await
        .map_err(Cause::of_sqlite)?;
    let created = migrate(&writer).await?;
    let readers = pool_options(READERS).connect_lazy_with(options.pragma("query_only", "ON"));
    let state = State::of(Pools::Sqlite {
        readers,
        writer: Some(writer),
        unlocked: None,
    });
    Ok(Opened { state, created })
}

fn pool_options(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(BUSY_TIMEOUT * 4)
        .before_acquire(|connection, _| Box::pin(is_fresh(connection)))
}

/// Whether no transaction is left over. When the disk is full SQLite rolls back by itself, sqlx's own rollback then fails,
/// and its connection would believe in the transaction for ever: such a one is thrown away.
async fn is_fresh(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    // The answer comes after whatever rollback is still queued.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

pub(super) fn ensure_folder(path: &Path) -> Result<(), Cause> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty())
        && !folder.is_dir()
    {
        return Err(Cause::NoFolder(folder.to_owned()));
    }
    Ok(())
}

/// SQLite gives its log the rights of the database, so only this file needs care.
fn create_file(path: &Path) -> Result<(), Cause> {
    ensure_folder(path)?;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(source) => Err(Cause::File {
            path: path.to_owned(),
            source,
        }),
    }
}

/// The log is a property of the file, set once. SQLite does not wait for the lock that the switch needs.
async fn switch_to_write_ahead_log(options: &SqliteConnectOptions) -> Result<(), Cause> {
    let deadline = tokio::time::Instant::now() + BUSY_TIMEOUT;
    loop {
        match turn_on_write_ahead_log(options).await {
            Err(Cause::Locked(_)) if tokio::time::Instant::now() < deadline => {
                tokio::time::sleep(SWITCH_PAUSE).await;
            }
            done => return done,
        }
    }
}

async fn turn_on_write_ahead_log(options: &SqliteConnectOptions) -> Result<(), Cause> {
    use sqlx::ConnectOptions as _;

    let mut connection = options.connect().await.map_err(Cause::of_sqlite)?;
    let is_wal = |mode: &str| mode.eq_ignore_ascii_case("wal");
    let mut mode: String = sqlx::query_scalar("PRAGMA journal_mode")
        .fetch_one(&mut connection)
        .await
        .map_err(Cause::of_sqlite)?;
    if !is_wal(&mode) {
        connection.close().await.map_err(Cause::of_sqlite)?;
        connection = options
            .clone()
            .journal_mode(SqliteJournalMode::Wal)
            .connect()
            .await
            .map_err(Cause::of_sqlite)?;
        mode = sqlx::query_scalar("PRAGMA journal_mode")
            .fetch_one(&mut connection)
            .await
            .map_err(Cause::of_sqlite)?;
    }
    connection.close().await.map_err(Cause::of_sqlite)?;
    if is_wal(&mode) {
        Ok(())
    } else {
        Err(Cause::NoWriteAheadLog)
    }
}

pub(super) async fn read_file(path: &Path) -> Result<Option<State>, Cause> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.len() > 0 => {}
        // An empty file is what a writer leaves that has only just begun.
        Ok(_) => return Ok(None),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            return Err(Cause::File {
                path: path.to_owned(),
                source,
            });
        }
    }
    let version = FileVersion::of(path)?;
    // With a log, only SQLite's own locking shows what is valid. Without one the file is all there is, and opening it
    // the usual way would create a log beside it, or fail in a folder that cannot be written.
    let has_log = log_length(path)? > 0;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(BUSY_TIMEOUT)
        .read_only(true)
        .immutable(!has_log);
    let readers = pool_options(READERS)
        .connect_with(options)
        .await
        .map_err(Cause::of_sqlite)?;
    let unlocked = (!has_log).then(|| Arc::new(version));
    let state = State::of(Pools::Sqlite {
        readers,
        writer: None,
        unlocked,
    });
    let found = migrations::found(&mut state.read().await?, &DIALECT).await?;
    match found {
        None => Ok(None),
        Some(found) => migrations::ensure_known(found).map(|()| Some(state)),
    }
}

fn log_length(path: &Path) -> Result<u64, Cause> {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    match std::fs::metadata(&log) {
        Ok(metadata) => Ok(metadata.len()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
        Err(source) => Err(Cause::File {
            path: log.into(),
            source,
        }),
    }
}

/// Brings the schema up to date and tells whether there was none. All in one transaction: of two processes that start
/// at once, the second waits and finds it done.
async fn migrate(writer: &SqlitePool) -> Result<bool, Cause> {
    let mut transaction = write(writer).await?;
    let created = migrations::bring_up_to_date(&mut transaction, &DIALECT).await?;
    transaction.commit().await?;
    Ok(created)
}

/// All statements see the same moment.
pub(super) async fn snapshot(readers: &SqlitePool) -> Result<Connection, Cause> {
    let transaction = Box::pin(readers.begin()).await.map_err(Cause::of_sqlite)?;
    Ok(Connection::Sqlite(transaction))
}

pub(super) async fn write(writer: &SqlitePool) -> Result<Connection, Cause> {
    let transaction = Box::pin(writer.begin_with(WRITE))
        .await
        .map_err(Cause::of_sqlite)?;
    Ok(Connection::Sqlite(transaction))
}
