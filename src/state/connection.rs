//! The state, and how it is reached: by which database, for reading or for writing.
//!
//! Every statement runs in a transaction: one that reads sees one moment, one that writes keeps other writers out from its
//! start. What is said in a dialect of SQL stands in the files of the databases and in the migrations, where a view gives
//! the database's clock; the statements elsewhere are the same for every database.

use std::sync::Arc;

use sqlx::sqlite::SqlitePool;

use super::error::{Cause, StateError, during};
use super::postgres::{self, UrlSource, answered};
use super::sqlite::{self, FileVersion};
use super::statement::query;
use crate::model::StateUrl;

/// What iamwarden remembers. Cheap to clone; all clones share their connections.
#[derive(Debug, Clone)]
pub struct State {
    pools: Pools,
}

/// Connections that are kept open. Without a writer the state was opened for reading only.
#[derive(Debug, Clone)]
pub(super) enum Pools {
    Sqlite {
        readers: SqlitePool,
        writer: Option<SqlitePool>,
        /// Set where the file is read without locks.
        unlocked: Option<Arc<FileVersion>>,
    },
    Postgres {
        readers: postgres::Pool,
        writer: Option<postgres::Pool>,
    },
}

/// A state that was opened for writing.
#[derive(Debug)]
pub struct Opened {
    /// The state.
    pub state: State,
    /// Whether it was not there before: all that was remembered, if anything, is gone.
    pub created: bool,
}

/// A connection in a transaction, which is rolled back unless it is committed.
#[derive(Debug)]
pub(super) enum Connection {
    Sqlite(sqlx::Transaction<'static, sqlx::Sqlite>),
    Postgres(sqlx::Transaction<'static, sqlx::Postgres>),
}

impl Connection {
    /// Makes all that was written last.
    pub(super) async fn commit(self) -> Result<(), Cause> {
        match self {
            Self::Sqlite(transaction) => transaction.commit().await.map_err(Cause::of_sqlite),
            Self::Postgres(transaction) => answered(transaction.commit()).await,
        }
    }

    /// Lets statements and pauses last for minutes, where all of the state is gone through.
    pub(super) async fn take_time(&mut self) -> Result<(), Cause> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(transaction) => postgres::take_time(transaction).await,
        }
    }

    /// Ends a transaction that wrote nothing.
    pub(super) async fn end(self) -> Result<(), Cause> {
        match self {
            Self::Sqlite(transaction) => transaction.rollback().await.map_err(Cause::of_sqlite),
            Self::Postgres(transaction) => answered(transaction.rollback()).await,
        }
    }
}

impl State {
    pub(super) fn of(pools: Pools) -> Self {
        Self { pools }
    }

    /// The same state, which asks there for its URL when its server refuses the password: of a database that was opened by
    /// a secret, which may be rotated. A file has no password.
    #[must_use]
    pub fn renewed_by(self, urls: &Arc<dyn UrlSource>) -> Self {
        let renewed = |pool: postgres::Pool| pool.renewed_by(Arc::clone(urls));
        Self::of(match self.pools {
            Pools::Postgres { readers, writer } => Pools::Postgres {
                readers: renewed(readers),
                writer: writer.map(renewed),
            },
            file @ Pools::Sqlite { .. } => file,
        })
    }

    /// Opens the state for writing, creates it where it is not there, and brings its schema up to date.
    ///
    /// The URL is that of a [`StateUrl`]. Each opening of `sqlite::memory:` is a new one; a new file is readable by its
    /// owner only; a database of PostgreSQL has to be there, and gets its tables.
    ///
    /// # Errors
    /// [`StateError`] where the folder is missing, the database cannot be used, or a newer iamwarden wrote it.
    pub async fn open(url: &str) -> Result<Opened, StateError> {
        let url = parse(url)?;
        during(format!("opening the state {url}"), async {
            match &url {
                StateUrl::Memory => sqlite::open_memory().await,
                StateUrl::File(path) => sqlite::open_file(path).await,
                StateUrl::Postgres(address) => postgres::open(address).await,
            }
        })
        .await
    }

    /// Whether a state that is not there yet can be made: its folder has to be there. Makes nothing.
    ///
    /// # Errors
    /// [`StateError`] where it cannot.
    pub fn ensure_can_be_made(url: &str) -> Result<(), StateError> {
        match parse(url)? {
            StateUrl::File(path) => sqlite::ensure_folder(&path)
                .map_err(|cause| StateError::new(format!("opening the state {url}"), cause)),
            StateUrl::Memory | StateUrl::Postgres(_) => Ok(()),
        }
    }

    /// Opens the state for reading. `None` where there is none. Neither creates nor writes anything.
    ///
    /// A file that nobody has open is read without locks, so that no other file appears beside it; should it change
    /// meanwhile, reading fails with [`Cause::ChangedMeanwhile`].
    ///
    /// # Errors
    /// [`StateError`] where it cannot be read, or its schema is another than this program's.
    pub async fn open_read_only(url: &str) -> Result<Option<Self>, StateError> {
        let url = parse(url)?;
        during(format!("opening the state {url} for reading"), async {
            match &url {
                StateUrl::Memory => Ok(None),
                StateUrl::File(path) => sqlite::read_file(path).await,
                StateUrl::Postgres(address) => postgres::open_read_only(address).await,
            }
        })
        .await
    }

    /// Whether the database answers, for readiness.
    ///
    /// # Errors
    /// [`StateError`] where it does not.
    pub async fn check(&self) -> Result<(), StateError> {
        during("reading the state", async {
            let mut connection = self.read().await?;
            let head = query("SELECT seq FROM journal_head WHERE id = 1");
            head.fetch_value::<i64>(&mut connection).await?;
            Ok(())
        })
        .await
    }

    /// Whether the database can be written, for readiness: the disk has room, and it is no read-only copy. Writes what
    /// stands there over itself, all the way to the disk; the database does not grow by it.
    ///
    /// # Errors
    /// [`StateError`] where it cannot.
    pub async fn check_writable(&self) -> Result<(), StateError> {
        during("writing the state", async {
            let mut transaction = self.write().await?;
            let nothing_new = match &transaction {
                Connection::Sqlite(_) => "PRAGMA user_version = 0",
                Connection::Postgres(_) => "UPDATE journal_head SET seq = seq WHERE id = 1",
            };
            query(nothing_new).execute(&mut transaction).await?;
            transaction.commit().await
        })
        .await
    }

    /// Closes all connections; the write-ahead log of a file is folded into it by that.
    pub async fn close(&self) {
        match &self.pools {
            Pools::Sqlite { readers, writer, .. } => {
                readers.close().await;
                if let Some(writer) = writer {
                    writer.close().await;
                }
            }
            Pools::Postgres { readers, writer } => {
                postgres::close(readers).await;
                if let Some(writer) = writer {
                    postgres::close(writer).await;
                }
            }
        }
    }

    /// A transaction to read by: all its statements see the same moment.
    pub(super) async fn read(&self) -> Result<Connection, Cause> {
        self.ensure_unchanged()?;
        match &self.pools {
            Pools::Sqlite { readers, .. } => sqlite::snapshot(readers).await,
            Pools::Postgres { readers, .. } => postgres::snapshot(readers).await,
        }
    }

    /// A transaction that keeps other writers out from its start, and sees all that they wrote before.
    pub(super) async fn write(&self) -> Result<Connection, Cause> {
        match &self.pools {
            Pools::Sqlite {
                writer: Some(writer), ..
            } => sqlite::write(writer).await,
            Pools::Postgres {
                writer: Some(writer), ..
            } => postgres::write(writer).await,
            Pools::Sqlite { writer: None, .. } | Pools::Postgres { writer: None, .. } => Err(Cause::ReadOnly),
        }
    }

    /// Fails where a file is read without locks and is not the one that was opened any more.
    pub(super) fn ensure_unchanged(&self) -> Result<(), Cause> {
        match &self.pools {
            Pools::Sqlite {
                unlocked: Some(version),
                ..
            } => version.ensure_unchanged(),
            Pools::Sqlite { unlocked: None, .. } | Pools::Postgres { .. } => Ok(()),
        }
    }

    /// The pool of SQLite, for what has to be said outside of a transaction.
    #[cfg(test)]
    pub(super) fn sqlite_readers(&self) -> &SqlitePool {
        match &self.pools {
            Pools::Sqlite { readers, .. } => readers,
            Pools::Postgres { .. } => panic!("not SQLite"),
        }
    }
}

/// What cannot be read is not repeated: it may hold a password.
fn parse(url: &str) -> Result<StateUrl, StateError> {
    StateUrl::parse(url).map_err(|error| StateError::new("reading the URL of the state", Cause::Url(error)))
}
