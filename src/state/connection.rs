//! Opening the database: where it is, who may read it, and that its schema is the right one.
//!
//! One connection writes and a few read. Every write is a transaction that takes the write lock at its start, so it never
//! fails half-way because somebody else was quicker. What is said in a dialect of SQL stands here and in the
//! migrations, where a view gives the database's clock; the statements elsewhere are the same for every database.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Connection as _, SqlSafeStr as _};

use super::error::{Cause, StateError, during};

/// The database that all statements run on.
pub(super) type Database = sqlx::Sqlite;
/// A connection to it, with or without a transaction.
pub(super) type Connection = sqlx::SqliteConnection;
/// A transaction on it.
pub(super) type Transaction = sqlx::Transaction<'static, Database>;

/// How long a writer waits for another process to finish its transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long between two tries to turn the write-ahead log on, for which SQLite itself does not wait.
const SWITCH_PAUSE: Duration = Duration::from_millis(50);
const READERS: u32 = 4;

const MIGRATIONS: [(i64, &str, &str); 3] = [
    (1, "state", include_str!("migrations/sqlite/0001_state.sql")),
    (2, "chat", include_str!("migrations/sqlite/0002_chat.sql")),
    (3, "pages", include_str!("migrations/sqlite/0003_pages.sql")),
];

/// What iamwarden remembers. Cheap to clone; all clones share their connections.
#[derive(Debug, Clone)]
pub struct State {
    readers: SqlitePool,
    /// `None`: opened for reading only.
    writer: Option<SqlitePool>,
    /// Set where the file is read without locks.
    unlocked: Option<Arc<FileVersion>>,
}

/// A state that was opened for writing.
#[derive(Debug)]
pub struct Opened {
    /// The state.
    pub state: State,
    /// Whether it was not there before: all that was remembered, if anything, is gone.
    pub created: bool,
}

/// What tells one content of a file from another.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FileVersion {
    path: PathBuf,
    length: u64,
    modified: SystemTime,
}

/// Where a state is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Location {
    Memory,
    File(PathBuf),
}

impl Location {
    fn parse(url: &str) -> Result<Self, Cause> {
        let wrong = || Cause::Url(without_credentials(url));
        let rest = url.strip_prefix("sqlite:").ok_or_else(wrong)?;
        let path = rest.strip_prefix("//").unwrap_or(rest);
        match path {
            ":memory:" => Ok(Self::Memory),
            "" => Err(wrong()),
            // SQLite would read these as URIs, with parameters that change what is promised here.
            _ if path.starts_with("file:") || path.contains(['?', '\0']) => Err(wrong()),
            _ => Ok(Self::File(PathBuf::from(path))),
        }
    }
}

/// The URL of another database may hold a password.
fn without_credentials(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://…@{rest}"),
        _ => url.to_owned(),
    }
}

impl State {
    /// Opens the state for writing, creates it where it is not there, and brings its schema up to date.
    ///
    /// The URL is `sqlite:PATH`, `sqlite://PATH` or `sqlite::memory:` (each opening of the last is a new one). A new file
    /// is readable by its owner only.
    ///
    /// # Errors
    /// [`StateError`] where the folder is missing, the file cannot be used, or a newer iamwarden wrote it.
    pub async fn open(url: &str) -> Result<Opened, StateError> {
        during(format!("opening the state {}", without_credentials(url)), async {
            match Location::parse(url)? {
                Location::Memory => open_memory().await,
                Location::File(path) => open_file(&path).await,
            }
        })
        .await
    }

    /// Opens the state for reading. `None` where there is none. Neither creates nor writes anything.
    ///
    /// A database that nobody has open is read without locks, so that no file appears beside it; should it change
    /// meanwhile, reading fails with [`Cause::ChangedMeanwhile`].
    ///
    /// # Errors
    /// [`StateError`] where the file cannot be read, or its schema is another than this program's.
    pub async fn open_read_only(url: &str) -> Result<Option<Self>, StateError> {
        during(
            format!("opening the state {} for reading", without_credentials(url)),
            async {
                match Location::parse(url)? {
                    Location::Memory => Ok(None),
                    Location::File(path) => read_file(&path).await,
                }
            },
        )
        .await
    }

    /// Whether the database answers, for readiness.
    ///
    /// # Errors
    /// [`StateError`] where it does not.
    pub async fn check(&self) -> Result<(), StateError> {
        during("reading the state", async {
            let mut connection = self.read().await?;
            sqlx::query("SELECT seq FROM journal_head WHERE id = 1")
                .fetch_one(&mut *connection)
                .await?;
            Ok(())
        })
        .await
    }

    /// Whether the database can be written, for readiness: the disk has room, and the file may be changed. Writes a
    /// number that nobody reads over itself, all the way to the disk; the database does not grow by it.
    ///
    /// # Errors
    /// [`StateError`] where it cannot.
    pub async fn check_writable(&self) -> Result<(), StateError> {
        during("writing the state", async {
            let mut transaction = self.write().await?;
            sqlx::query("PRAGMA user_version = 0")
                .execute(&mut *transaction)
                .await?;
            Ok(transaction.commit().await?)
        })
        .await
    }

    /// Closes all connections, so that the write-ahead log is folded into the file.
    pub async fn close(&self) {
        self.readers.close().await;
        if let Some(writer) = &self.writer {
            writer.close().await;
        }
    }

    /// A connection to read by.
    pub(super) async fn read(&self) -> Result<PoolConnection<Database>, Cause> {
        self.ensure_unchanged()?;
        Ok(self.readers.acquire().await?)
    }

    /// A transaction to read by: all its statements see the same moment.
    pub(super) async fn read_snapshot(&self) -> Result<Transaction, Cause> {
        self.ensure_unchanged()?;
        Ok(self.readers.begin().await?)
    }

    /// A transaction that holds the write lock from its start.
    pub(super) async fn write(&self) -> Result<Transaction, Cause> {
        match &self.writer {
            Some(writer) => Ok(writer.begin_with("BEGIN IMMEDIATE").await?),
            None => Err(Cause::ReadOnly),
        }
    }

    /// Fails where the file is read without locks and is not the one that was opened any more.
    pub(super) fn ensure_unchanged(&self) -> Result<(), Cause> {
        match &self.unlocked {
            Some(version) if FileVersion::of(&version.path)? != **version => Err(Cause::ChangedMeanwhile),
            Some(_) | None => Ok(()),
        }
    }
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
}

async fn open_memory() -> Result<Opened, Cause> {
    // Every connection of its own would be a database of its own.
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .min_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(SqliteConnectOptions::new().in_memory(true).foreign_keys(true))
        .await?;
    migrate(&pool).await?;
    let state = State {
        readers: pool.clone(),
        writer: Some(pool),
        unlocked: None,
    };
    Ok(Opened { state, created: true })
}

async fn open_file(path: &Path) -> Result<Opened, Cause> {
    create_file(path)?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(true)
        .synchronous(SqliteSynchronous::Full);
    switch_to_write_ahead_log(&options).await?;
    let writer = pool_options(1).connect_with(options.clone()).await?;
    let created = migrate(&writer).await?;
    let readers = pool_options(READERS).connect_lazy_with(options.pragma("query_only", "ON"));
    let state = State {
        readers,
        writer: Some(writer),
        unlocked: None,
    };
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
async fn is_fresh(connection: &mut Connection) -> Result<bool, sqlx::Error> {
    // The answer comes after whatever rollback is still queued.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

/// SQLite gives its log the rights of the database, so only this file needs care.
fn create_file(path: &Path) -> Result<(), Cause> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty())
        && !folder.is_dir()
    {
        return Err(Cause::NoFolder(folder.to_owned()));
    }
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

    let mut connection = options.connect().await?;
    let is_wal = |mode: &str| mode.eq_ignore_ascii_case("wal");
    let mut mode: String = sqlx::query_scalar("PRAGMA journal_mode")
        .fetch_one(&mut connection)
        .await?;
    if !is_wal(&mode) {
        connection.close().await?;
        connection = options
            .clone()
            .journal_mode(SqliteJournalMode::Wal)
            .connect()
            .await?;
        mode = sqlx::query_scalar("PRAGMA journal_mode")
            .fetch_one(&mut connection)
            .await?;
    }
    connection.close().await?;
    if is_wal(&mode) {
        Ok(())
    } else {
        Err(Cause::NoWriteAheadLog)
    }
}

async fn read_file(path: &Path) -> Result<Option<State>, Cause> {
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
    let readers = pool_options(READERS).connect_with(options).await?;
    let state = State {
        readers,
        writer: None,
        unlocked: (!has_log).then(|| Arc::new(version)),
    };
    let found = {
        let mut connection = state.read().await?;
        schema_version(&mut connection).await?
    };
    match found {
        None => Ok(None),
        Some(found) if found > known_schema() => Err(Cause::NewerSchema {
            found,
            known: known_schema(),
        }),
        Some(found) if found < known_schema() => Err(Cause::OlderSchema {
            found,
            known: known_schema(),
        }),
        Some(_) => Ok(Some(state)),
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

fn known_schema() -> i64 {
    MIGRATIONS
        .iter()
        .map(|(version, _, _)| *version)
        .max()
        .unwrap_or_default()
}

fn migrator() -> Migrator {
    let migrations = MIGRATIONS.map(|(version, name, sql)| {
        Migration::new(
            version,
            name.into(),
            MigrationType::Simple,
            sql.into_sql_str(),
            false,
        )
    });
    Migrator::with_migrations(migrations.into())
}

/// The latest migration in the database; `None`: it has no schema of ours.
async fn schema_version(connection: &mut Connection) -> Result<Option<i64>, Cause> {
    let table = "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = '_sqlx_migrations'";
    let tables: i64 = sqlx::query_scalar(table).fetch_one(&mut *connection).await?;
    if tables == 0 {
        return Ok(None);
    }
    Ok(sqlx::query_scalar("SELECT MAX(version) FROM _sqlx_migrations")
        .fetch_one(connection)
        .await?)
}

/// Brings the schema up to date and tells whether there was none. All in one transaction: of two processes that start
/// at once, the second waits and finds it done.
async fn migrate(writer: &SqlitePool) -> Result<bool, Cause> {
    let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await?;
    let found = schema_version(&mut transaction).await?;
    let migrator = migrator();
    if let Some(found) = found.filter(|found| *found > known_schema()) {
        return Err(Cause::NewerSchema {
            found,
            known: known_schema(),
        });
    }
    let connection: &mut Connection = &mut transaction;
    if let Err(error) = migrator.run_direct(None, connection, false).await {
        return Err(migration_cause(error));
    }
    transaction.commit().await?;
    Ok(found.is_none())
}

#[allow(clippy::wildcard_enum_match_arm, reason = "a foreign enum that may grow")]
fn migration_cause(error: MigrateError) -> Cause {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => match Cause::from(error) {
            Cause::Database(error) => Cause::Migration(MigrateError::Execute(error)),
            known => known,
        },
        other => Cause::Migration(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let file = |path: &str| Location::File(path.into());
        for (url, location) in [
            ("sqlite:iamwarden.db", file("iamwarden.db")),
            ("sqlite://iamwarden.db", file("iamwarden.db")),
            ("sqlite:///var/lib/iamwarden.db", file("/var/lib/iamwarden.db")),
            ("sqlite:/var/lib/100%.db", file("/var/lib/100%.db")),
            ("sqlite::memory:", Location::Memory),
        ] {
            assert_eq!(Location::parse(url).unwrap(), location);
        }
        for wrong in [
            "",
            "iamwarden.db",
            "sqlite:",
            "sqlite:a?mode=rwc",
            "sqlite:file:a",
            "mysql://h/d",
        ] {
            assert!(matches!(Location::parse(wrong), Err(Cause::Url(_))), "{wrong}");
        }
    }

    #[test]
    fn passwords_in_urls_are_not_repeated() {
        let Err(Cause::Url(shown)) = Location::parse("postgres://warden:hunter2@db/iam") else {
            panic!("not a URL of ours");
        };
        assert_eq!(shown, "postgres://…@db/iam");
    }
}
