//! The schema: the same versions for every database, each in its own SQL.

use sqlx::SqlSafeStr as _;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};

use super::connection::Connection;
use super::error::Cause;
use super::statement::query;

/// Version, name and SQL.
type Step = (i64, &'static str, &'static str);

pub(super) const SQLITE: [Step; LATEST] = [
    (1, "state", include_str!("migrations/sqlite/0001_state.sql")),
    (2, "chat", include_str!("migrations/sqlite/0002_chat.sql")),
    (3, "pages", include_str!("migrations/sqlite/0003_pages.sql")),
    (4, "turns", include_str!("migrations/sqlite/0004_turns.sql")),
    (5, "told", include_str!("migrations/sqlite/0005_told.sql")),
];

pub(super) const POSTGRES: [Step; LATEST] = [
    (1, "state", include_str!("migrations/postgres/0001_state.sql")),
    (2, "chat", include_str!("migrations/postgres/0002_chat.sql")),
    (3, "pages", include_str!("migrations/postgres/0003_pages.sql")),
    (4, "turns", include_str!("migrations/postgres/0004_turns.sql")),
    (5, "told", include_str!("migrations/postgres/0005_told.sql")),
];

/// How many versions there are, and the number of the last.
const LATEST: usize = 5;

/// What has to be said otherwise to every database.
#[derive(Debug)]
pub(super) struct Dialect {
    pub(super) migrations: [Step; LATEST],
    /// Counts the table of the migrations.
    pub(super) has_schema: &'static str,
}

/// The latest migration in the database; `None`: it has no schema of ours.
pub(super) async fn found(connection: &mut Connection, dialect: &Dialect) -> Result<Option<i64>, Cause> {
    let tables: i64 = query(dialect.has_schema).fetch_value(connection).await?;
    if tables == 0 {
        return Ok(None);
    }
    query("SELECT MAX(version) FROM _sqlx_migrations")
        .fetch_value(connection)
        .await
}

/// Whether a database that is only read has the schema of this program.
pub(super) fn ensure_known(found: i64) -> Result<(), Cause> {
    let known = known();
    match found.cmp(&known) {
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Greater => Err(Cause::NewerSchema { found, known }),
        std::cmp::Ordering::Less => Err(Cause::OlderSchema { found, known }),
    }
}

/// Brings the schema up to date and tells whether there was none. Whoever calls it holds off others, and commits.
pub(super) async fn bring_up_to_date(connection: &mut Connection, dialect: &Dialect) -> Result<bool, Cause> {
    let found = found(connection, dialect).await?;
    if let Some(found) = found.filter(|found| *found > known()) {
        let known = known();
        return Err(Cause::NewerSchema { found, known });
    }
    migrate_to(connection, dialect, known()).await?;
    Ok(found.is_none())
}

pub(super) async fn migrate_to(
    connection: &mut Connection,
    dialect: &Dialect,
    version: i64,
) -> Result<(), Cause> {
    let migrations = dialect.migrations.map(|(version, name, sql)| {
        let kind = MigrationType::Simple;
        Migration::new(version, name.into(), kind, sql.into_sql_str(), false)
    });
    let mut migrator = Migrator::with_migrations(migrations.into());
    migrator.set_locking(false);
    let version = Some(version);
    match connection {
        Connection::Sqlite(transaction) => {
            let done = migrator.run_direct(version, &mut **transaction, false).await;
            done.map_err(|error| cause(error, Cause::of_sqlite))
        }
        Connection::Postgres(transaction) => {
            let done = migrator.run_direct(version, &mut **transaction, false).await;
            done.map_err(|error| cause(error, Cause::of_postgres))
        }
    }
}

fn known() -> i64 {
    SQLITE
        .iter()
        .map(|(version, ..)| *version)
        .max()
        .unwrap_or_default()
}

#[allow(clippy::wildcard_enum_match_arm, reason = "a foreign enum that may grow")]
fn cause(error: MigrateError, of: fn(sqlx::Error) -> Cause) -> Cause {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => match of(error) {
            Cause::Database(error) => Cause::Migration(MigrateError::Execute(error)),
            known => known,
        },
        other => Cause::Migration(other),
    }
}
