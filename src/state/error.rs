//! What can go wrong with the state, and what to do about it.

use std::borrow::Cow;
use std::path::PathBuf;

use super::IntentId;
use crate::model::StateUrlError;

/// An operation on the state that failed. Nothing of it was recorded: every operation is one transaction.
#[derive(Debug)]
pub struct StateError {
    operation: Cow<'static, str>,
    cause: Cause,
}

impl StateError {
    pub(super) fn new(operation: impl Into<Cow<'static, str>>, cause: Cause) -> Self {
        Self {
            operation: operation.into(),
            cause,
        }
    }

    /// What was being done.
    pub fn operation(&self) -> &str {
        &self.operation
    }

    /// Why it failed.
    pub fn cause(&self) -> &Cause {
        &self.cause
    }

    /// Whether it will go through by itself once there is space on the disk.
    pub fn is_disk_full(&self) -> bool {
        matches!(self.cause, Cause::DiskFull(_))
    }
}

impl std::fmt::Display for StateError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "state: {} failed: {}", self.operation, self.cause)
    }
}

/// The cause is part of the message, so the source is what lies beneath it.
impl std::error::Error for StateError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.cause)
    }
}

/// Why an operation on the state failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// No space left for the database or its log.
    #[error("the disk that holds the state is full; nothing was recorded; free space there, then it goes on")]
    DiskFull(#[source] sqlx::Error),
    /// Somebody else wrote for longer than the busy timeout.
    #[error("another process kept the state locked for too long; look for one that hangs, then try again")]
    Locked(#[source] sqlx::Error),
    /// Not a database, or a broken one.
    #[error("the database file is damaged or is no database; restore it from a backup")]
    Damaged(#[source] sqlx::Error),
    /// The file cannot be opened, read or written.
    #[error(
        "the database file cannot be opened or written; check the disk, and owner and rights of file and folder"
    )]
    Unreachable(#[source] sqlx::Error),
    /// The database server cannot be reached, is shutting down or starting, or broke off.
    #[error(
        "the database server does not answer; the next try connects anew, so see that it runs and can be reached from here"
    )]
    Away(#[source] sqlx::Error),
    /// The database server does not encrypt, or does not show that it is the one that was meant.
    #[error(
        "there is no encrypted connection to the database server that can be trusted; check that it offers TLS, that `sslrootcert` of `state.url` is the authority of its certificate, and that the certificate is for the host of `state.url`"
    )]
    NotTrusted(#[source] sqlx::Error),
    /// The database server lets us not in.
    #[error(
        "the database server refuses the user or the database of `state.url`; check both, the password, and the rights of the user"
    )]
    Refused(#[source] sqlx::Error),
    /// A copy that follows another server, or one that was set so.
    #[error("the database takes no writes; name the primary server in `state.url`")]
    NotWritable(#[source] sqlx::Error),
    /// Anything else that the database refused.
    #[error("the database refused it; see the cause beneath")]
    Database(#[source] sqlx::Error),
    /// Opened for reading.
    #[error("the state was opened for reading only; use a command that may change it")]
    ReadOnly,
    /// Not a URL of a state.
    #[error("{0}")]
    Url(StateUrlError),
    /// The folder of the file is not there.
    #[error("the folder `{}` does not exist; create it, or change `state.url`", .0.display())]
    NoFolder(PathBuf),
    /// The file could not be created or looked at.
    #[error("`{}` cannot be created or read; check owner and rights of file and folder", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The file system has no shared memory for the write-ahead log.
    #[error("the file system does not support SQLite's write-ahead log; keep the state on a local disk")]
    NoWriteAheadLog,
    /// A newer iamwarden was here.
    #[error("the state has schema {found}, this iamwarden knows up to {known}; run the newer version")]
    NewerSchema {
        /// In the database.
        found: i64,
        /// In this program.
        known: i64,
    },
    /// Only reading, so it cannot be brought up to date.
    #[error(
        "the state has schema {found}, this iamwarden needs {known}; start `iamwarden run` once to bring it up to date"
    )]
    OlderSchema {
        /// In the database.
        found: i64,
        /// In this program.
        known: i64,
    },
    /// The schema could not be brought up to date.
    #[error(
        "the schema could not be brought up to date; restore the database from a backup if it was edited"
    )]
    Migration(#[source] sqlx::migrate::MigrateError),
    /// The file was read without locks, and changed.
    #[error("the database changed while it was read; run the command again")]
    ChangedMeanwhile,
    /// A stored value that makes no sense.
    #[error("the stored {what} cannot be understood; check the journal with `iamwarden history --verify`")]
    Unreadable {
        /// What was read.
        what: &'static str,
        /// Why it makes no sense.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A value that cannot be stored.
    #[error("the {what} cannot be stored; report this as a defect")]
    Unstorable {
        /// What was to be stored.
        what: &'static str,
        /// Why it cannot be.
        #[source]
        source: serde_json::Error,
    },
    /// Several plans begin like that.
    #[error("several plans begin with `{prefix}`; give more of the id, such as {}", examples.join(" or "))]
    AmbiguousPlan {
        /// What was asked for.
        prefix: String,
        /// Two of those that begin with it.
        examples: Vec<String>,
    },
    /// A plan of this id, with another text.
    #[error("another plan with the id `{0}` is stored already; make the plan afresh")]
    PlanExists(String),
    /// No such attempt.
    #[error("there is no intent {0}; check the journal with `iamwarden history --verify`")]
    NoSuchIntent(IntentId),
    /// It has an outcome that does not go with the new one.
    #[error(
        "intent {intent} was settled as {settled} already, by another process; look at the resource in AWS"
    )]
    AlreadySettled {
        /// Which attempt.
        intent: IntentId,
        /// As what.
        settled: &'static str,
    },
    /// A lease of one account for a change in another.
    #[error("the lease is for account {lease}, the change for {intent}; report this as a defect")]
    WrongAccount {
        /// Of the lease.
        lease: String,
        /// Of the change.
        intent: String,
    },
    /// Somebody is at work on an account.
    #[error(
        "{holder} holds the lease of account {account}; stop that iamwarden first, or wait until its lease ends"
    )]
    LeaseHeld {
        /// Of which account.
        account: String,
        /// Who holds it.
        holder: String,
    },
    /// A daemon is at work with the state.
    #[error(
        "{0} is at work with the state; stop every iamwarden first; one that was killed is missed for half a minute"
    )]
    ReplicaThere(String),
    /// What is to be moved somewhere would mix with what is there.
    #[error("the other state is not empty: there are rows in `{0}`; name an empty database")]
    NotEmpty(&'static str),
    /// Only a server takes a state over.
    #[error("a state is moved to PostgreSQL only; copy the file of SQLite to move that")]
    NoReceiver,
    /// A copy that says otherwise than what was copied.
    #[error(
        "the copy is not whole: {0}; nothing was moved; check the old state with `iamwarden history --verify`"
    )]
    NotWhole(Cow<'static, str>),
    /// No such message.
    #[error("there is no message `{0}` in the outbox")]
    NoSuchMessage(String),
}

impl Cause {
    pub(super) fn of_sqlite(error: sqlx::Error) -> Self {
        if matches!(error, sqlx::Error::PoolTimedOut) {
            return Self::Locked(error);
        }
        let code = error.as_database_error().and_then(|e| e.code());
        // The low byte of an extended result code is the primary one (sqlite.org/rescode.html).
        match code.and_then(|c| c.parse::<u32>().ok()).map(|c| c & 0xff) {
            Some(13) => Self::DiskFull(error),
            Some(5 | 6) => Self::Locked(error),
            Some(11 | 26) => Self::Damaged(error),
            Some(3 | 8 | 10 | 14 | 23) => Self::Unreachable(error),
            Some(_) | None => Self::Database(error),
        }
    }

    pub(super) fn of_postgres(error: sqlx::Error) -> Self {
        let Some(code) = error.as_database_error().and_then(|e| e.code()) else {
            return match error {
                error if is_about_trust(&error) => Self::NotTrusted(error),
                error if is_disconnected(&error) => Self::Away(error),
                error => Self::Database(error),
            };
        };
        // Classes and codes: postgresql.org/docs/current/errcodes-appendix.html.
        match code.as_ref() {
            "53100" => Self::DiskFull(error),
            "55P03" | "57014" | "40P01" | "40001" => Self::Locked(error),
            "XX001" | "XX002" => Self::Damaged(error),
            "25006" => Self::NotWritable(error),
            "3D000" | "42501" => Self::Refused(error),
            "25P03" | "53300" | "57P01" | "57P02" | "57P03" | "57P05" => Self::Away(error),
            code if code.starts_with("28") => Self::Refused(error),
            code if code.starts_with("08") => Self::Away(error),
            _ => Self::Database(error),
        }
    }

    /// A stored value that makes no sense.
    pub(super) fn unreadable(
        what: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Unreadable {
            what,
            source: source.into(),
        }
    }
}

/// Runs one operation and gives its failure a name. Boxed: it holds what every database needs, and is awaited deep down.
pub(super) async fn during<T>(
    operation: impl Into<Cow<'static, str>>,
    work: impl Future<Output = Result<T, Cause>>,
) -> Result<T, StateError> {
    match Box::pin(work).await {
        Ok(value) => Ok(value),
        Err(cause) => Err(StateError::new(operation, cause)),
    }
}

/// Whether TLS failed. What is wrong with a certificate comes as invalid data that were read.
fn is_about_trust(error: &sqlx::Error) -> bool {
    use sqlx::Error::{Io, Tls};

    matches!(error, Tls(_)) || matches!(error, Io(error) if error.kind() == std::io::ErrorKind::InvalidData)
}

/// Whether it is the way to the server that failed.
fn is_disconnected(error: &sqlx::Error) -> bool {
    use sqlx::Error::{Io, PoolClosed, PoolTimedOut, Protocol, WorkerCrashed};

    matches!(
        error,
        Io(_) | PoolClosed | PoolTimedOut | Protocol(_) | WorkerCrashed
    )
}
