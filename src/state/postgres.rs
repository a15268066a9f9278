//! PostgreSQL: a database that several processes share over a network.
//!
//! What SQLite gives by locking its file is asked for here: every transaction that writes takes the row of the journal's
//! head first, so that writers come one after the other and each sees all that was written before. Whoever stands still
//! with that row in hand is cut off by the server, and what it began is undone. Nothing waits without an end: neither
//! the server for us, nor we for the server.

use std::path::PathBuf;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{Connection as _, Executor as _, Postgres, Transaction};
use tracing::{info, warn};

use super::connection::{Connection, Opened, Pools, State};
use super::error::Cause;
use super::migrations::{self, Dialect};
use crate::model::{PostgresUrl, StateUrl, StateUrlError};

/// How long a connection is waited for, and the server when it cannot be reached.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an answer is waited for. Longer than the server works at one, so that its own reason is heard where it can be.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(40);
/// How long a connection that is given back may take to show that it is sound.
const RETURN_TIMEOUT: Duration = Duration::from_secs(5);
const READERS: u32 = 4;

/// Where the URL of the state is asked for again when the server refuses its password, which may have been rotated.
pub trait UrlSource: std::fmt::Debug + Send + Sync {
    /// The URL as it is now, read anew.
    fn current(&self) -> BoxFuture<'_, Result<SecretString, BoxError>>;
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why the URL of the state could not be renewed.
#[derive(Debug, thiserror::Error)]
enum NotRenewed {
    #[error("it cannot be read")]
    Unreadable(#[source] BoxError),
    #[error("it is none any more: correct the secret")]
    NoUrl(#[source] StateUrlError),
    #[error("the database driver does not understand it: correct the secret")]
    NotUnderstood(#[source] Cause),
    #[error("it names another database now: start iamwarden anew, if the state is to be there")]
    Elsewhere,
}

/// Connections to a server that are kept open, and how new ones are made.
#[derive(Debug, Clone)]
pub(super) struct Pool {
    pub(super) connections: PgPool,
    urls: Option<Arc<dyn UrlSource>>,
}

/// The server's own limits, and what is promised of durability, for every connection. Not in the start-up packet, where
/// poolers in between refuse them.
const SESSION: &str = "SET synchronous_commit = on; SET statement_timeout = '30s'; SET lock_timeout = '5s'; \
    SET idle_in_transaction_session_timeout = '15s'; SET TIME ZONE 'UTC'; SET client_min_messages = warning; ";
const READING: &str = "SET default_transaction_read_only = on";
const WRITING: &str = "SET default_transaction_read_only = off";

/// All statements see the same moment.
const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
/// Every statement sees what was committed before it: so does whatever follows the lock.
const WRITE: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";
/// Others that write wait here. A database that takes no writes refuses it.
const LOCK: &str = "SELECT seq FROM journal_head WHERE id = 1 FOR UPDATE";
/// Any number that nobody else in the database uses: processes that bring the schema up to date wait for each other.
const MIGRATION_LOCK: &str = "SELECT pg_advisory_xact_lock(7308332045206713956)";

/// What PostgreSQL says otherwise than others.
pub(super) const DIALECT: Dialect = Dialect {
    migrations: migrations::POSTGRES,
    has_schema: "SELECT CAST(COUNT(*) AS BIGINT) FROM pg_class \
        WHERE oid = to_regclass('_sqlx_migrations') AND relkind = 'r'",
};

/// Waits for an answer, but not for ever: a server that vanished says nothing.
pub(super) async fn answered<T>(work: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, Cause> {
    in_time(work).await.map_err(Cause::of_postgres)
}

pub(super) async fn in_time<T>(work: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    let done = tokio::time::timeout(ANSWER_TIMEOUT, work).await;
    done.unwrap_or_else(|elapsed| Err(sqlx::Error::Io(elapsed.into())))
}

pub(super) async fn open(url: &PostgresUrl) -> Result<Opened, Cause> {
    ensure_readable(url.files()).await?;
    let writer = pool(url, 1, WRITING)?;
    let created = migrate(&writer).await?;
    let readers = pool(url, READERS, READING)?;
    let state = State::of(Pools::Postgres {
        readers,
        writer: Some(writer),
    });
    Ok(Opened { state, created })
}

/// `None`: the database has no schema of ours.
pub(super) async fn open_read_only(url: &PostgresUrl) -> Result<Option<State>, Cause> {
    ensure_readable(url.files()).await?;
    let readers = pool(url, READERS, READING)?;
    let found = {
        let mut transaction = snapshot(&readers).await?;
        migrations::found(&mut transaction, &DIALECT).await?
    };
    let state = State::of(Pools::Postgres {
        readers,
        writer: None,
    });
    match found {
        None => Ok(None),
        Some(found) => migrations::ensure_known(found).map(|()| Some(state)),
    }
}

/// Names the file that is missing, which the error of a connection does not.
async fn ensure_readable(files: impl Iterator<Item = PathBuf>) -> Result<(), Cause> {
    for path in files {
        if let Err(source) = tokio::fs::File::open(&path).await {
            return Err(Cause::File { path, source });
        }
    }
    Ok(())
}

/// Brings the schema up to date and tells whether there was none. Of two processes that start at once, the second waits
/// and finds it done.
async fn migrate(writer: &Pool) -> Result<bool, Cause> {
    let mut transaction = writer.begin(WRITE).await?;
    answered(sqlx::query(MIGRATION_LOCK).execute(&mut *transaction)).await?;
    let mut transaction = Connection::Postgres(transaction);
    let created = migrations::bring_up_to_date(&mut transaction, &DIALECT).await?;
    transaction.commit().await?;
    Ok(created)
}

pub(super) fn pool(url: &PostgresUrl, connections: u32, mode: &'static str) -> Result<Pool, Cause> {
    let pool = PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .after_connect(move |connection, _| Box::pin(begin_session(connection, mode)))
        .after_release(|connection, _| Box::pin(is_sound(connection)));
    Ok(Pool {
        connections: pool.connect_lazy_with(options(url)?),
        urls: None,
    })
}

fn options(url: &PostgresUrl) -> Result<PgConnectOptions, Cause> {
    let options = PgConnectOptions::from_str(url.expose()).map_err(Cause::of_postgres)?;
    Ok(match options.get_application_name() {
        Some(_) => options,
        None => options.application_name("iamwarden"),
    })
}

impl Pool {
    /// The same, which asks there for its URL when it is refused.
    pub(super) fn renewed_by(self, urls: Arc<dyn UrlSource>) -> Self {
        Self {
            urls: Some(urls),
            ..self
        }
    }

    async fn begin(&self, how: &'static str) -> Result<Transaction<'static, Postgres>, Cause> {
        let begun = self.begin_once(how).await;
        match (begun, &self.urls) {
            (Err(Cause::Refused(refusal)), Some(urls)) => match self.renew(urls.as_ref()).await {
                Ok(()) => self.begin_once(how).await,
                Err(error) => {
                    warn!(
                        error = &error as &dyn std::error::Error,
                        "the password of the state was refused, and its URL could not be renewed"
                    );
                    Err(Cause::Refused(refusal))
                }
            },
            (begun, _) => begun,
        }
    }

    /// On the heap: it may have to connect, which takes much room.
    async fn begin_once(&self, how: &'static str) -> Result<Transaction<'static, Postgres>, Cause> {
        answered(Box::pin(self.connections.begin_with(how))).await
    }

    /// Lets new connections be made by the URL as it is now. It has to be of the same database: what stands elsewhere is
    /// another memory, with other notices, approvals and leases.
    async fn renew(&self, urls: &dyn UrlSource) -> Result<(), NotRenewed> {
        let url = urls.current().await.map_err(NotRenewed::Unreadable)?;
        let url = match StateUrl::parse(url.expose_secret()).map_err(NotRenewed::NoUrl)? {
            StateUrl::Postgres(url) => url,
            StateUrl::Memory | StateUrl::File(_) => return Err(NotRenewed::Elsewhere),
        };
        let (old, new) = (
            self.connections.connect_options(),
            options(&url).map_err(NotRenewed::NotUnderstood)?,
        );
        let place = |options: &PgConnectOptions| {
            (
                options.get_host().to_owned(),
                options.get_socket().cloned(),
                options.get_port(),
                options.get_database().map(ToOwned::to_owned),
            )
        };
        if place(&old) != place(&new) {
            return Err(NotRenewed::Elsewhere);
        }
        info!("the state refused its password: connecting with the one that its secret holds now");
        self.connections.set_connect_options(new);
        Ok(())
    }
}

async fn begin_session(connection: &mut PgConnection, mode: &'static str) -> Result<(), sqlx::Error> {
    let settings = format!("{SESSION}{mode}");
    connection
        .execute(sqlx::raw_sql(sqlx::AssertSqlSafe(settings)))
        .await?;
    Ok(())
}

/// For this transaction alone.
pub(super) async fn take_time(connection: &mut PgConnection) -> Result<(), Cause> {
    let sql =
        "SET LOCAL statement_timeout = '10min'; SET LOCAL idle_in_transaction_session_timeout = '10min'";
    answered(connection.execute(sqlx::raw_sql(sql))).await.map(|_| ())
}

/// Whatever was left over is rolled back before this answers. A connection to a server that vanished is given up.
async fn is_sound(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    match tokio::time::timeout(RETURN_TIMEOUT, connection.ping()).await {
        Ok(answer) => answer.map(|()| true),
        Err(elapsed) => Err(sqlx::Error::Io(elapsed.into())),
    }
}

/// Says good-bye to the server, where it is there to hear it.
pub(super) async fn close(pool: &Pool) {
    let _ = tokio::time::timeout(RETURN_TIMEOUT, pool.connections.close()).await;
}

pub(super) async fn snapshot(readers: &Pool) -> Result<Connection, Cause> {
    Ok(Connection::Postgres(readers.begin(SNAPSHOT).await?))
}

pub(super) async fn write(writer: &Pool) -> Result<Connection, Cause> {
    let mut transaction = writer.begin(WRITE).await?;
    answered(sqlx::query(LOCK).fetch_one(&mut *transaction)).await?;
    Ok(Connection::Postgres(transaction))
}
