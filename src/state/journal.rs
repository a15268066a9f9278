//! The journal: one row for every fact that an auditor would ask for, each chained to the one before it.
//!
//! A row's hash covers all of its fields and the hash before, so that no row can be changed, taken out, put in or moved
//! without breaking the chain. Cutting rows off the end breaks nothing in what is left: for that the head is
//! published elsewhere, in logs and messages, and compared by [`State::verify`](super::State::verify).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::connection::{Connection, State};
use super::encoding::{counter_number, json_text, parse_counter, time_text};
use super::error::{Cause, StateError, during};
use super::lease::Lease;
use super::statement::query;
use crate::model::{AccountId, ActionId, canonical_json};

/// What kind of fact a row states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JournalKind {
    /// A command or a tick began.
    RunStarted,
    /// It came to its end.
    RunFinished,
    /// A plan was kept for approval.
    PlanSaved,
    /// A person decided an action.
    Decision,
    /// A call to AWS is about to be made.
    Intent,
    /// What became of it.
    Outcome,
    /// The world had moved since the plan, so no call was made.
    Stale,
    /// All changes were stopped.
    Freeze,
    /// And released.
    Unfreeze,
    /// A channel accepted a message that announces dates.
    NoticeAccepted,
    /// A message was given up.
    MessageDead,
    /// A person confirmed the permissions of a principal.
    Review,
    /// A person asked for an exemption.
    ExemptionRequested,
    /// An approver granted or refused it.
    ExemptionAnswered,
    /// And took it back.
    ExemptionRevoked,
    /// A person said that something is not theirs.
    OwnershipDisputed,
}

impl JournalKind {
    /// The word in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RunStarted => "run_started",
            Self::RunFinished => "run_finished",
            Self::PlanSaved => "plan_saved",
            Self::Decision => "decision",
            Self::Intent => "intent",
            Self::Outcome => "outcome",
            Self::Stale => "stale",
            Self::Freeze => "freeze",
            Self::Unfreeze => "unfreeze",
            Self::NoticeAccepted => "notice_accepted",
            Self::MessageDead => "message_dead",
            Self::Review => "review",
            Self::ExemptionRequested => "exemption_requested",
            Self::ExemptionAnswered => "exemption_answered",
            Self::ExemptionRevoked => "exemption_revoked",
            Self::OwnershipDisputed => "ownership_disputed",
        }
    }
}

/// The end of the chain. Whoever knows it can tell that nothing before it was touched.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct JournalHead {
    /// Number of the last row, and how many there are; 0: none yet.
    pub seq: u64,
    /// Its hash, 64 hexadecimal digits.
    pub hash: String,
}

impl JournalHead {
    /// Of an empty journal.
    pub(super) fn genesis() -> Self {
        Self {
            seq: 0,
            hash: "0".repeat(64),
        }
    }
}

impl std::fmt::Display for JournalHead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.seq, self.hash)
    }
}

/// A text that is not a published head.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a journal head (expected NUMBER:HASH, as in logs and messages)")]
pub struct JournalHeadError(pub String);

impl std::str::FromStr for JournalHead {
    type Err = JournalHeadError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || JournalHeadError(text.to_owned());
        let (seq, hash) = text.split_once(':').ok_or_else(wrong)?;
        let digits = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if hash.len() != 64 || !hash.bytes().all(digits) {
            return Err(wrong());
        }
        let seq = seq.parse().map_err(|_| wrong())?;
        Ok(Self {
            seq,
            hash: hash.to_owned(),
        })
    }
}

/// A fact to be written down.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    pub(super) kind: JournalKind,
    pub(super) at: DateTime<Utc>,
    pub(super) account: Option<&'a AccountId>,
    pub(super) run: Option<&'a str>,
    pub(super) action: Option<&'a ActionId>,
    pub(super) fencing: Option<u64>,
    pub(super) payload: Value,
}

impl<'a> Entry<'a> {
    /// A fact of no account, run or action.
    pub(super) fn new(kind: JournalKind, at: DateTime<Utc>, payload: Value) -> Self {
        Self {
            kind,
            at,
            account: None,
            run: None,
            action: None,
            fencing: None,
            payload,
        }
    }

    pub(super) fn account(self, account: &'a AccountId) -> Self {
        Self {
            account: Some(account),
            ..self
        }
    }

    pub(super) fn run(self, run: &'a str) -> Self {
        Self {
            run: Some(run),
            ..self
        }
    }

    pub(super) fn action(self, action: &'a ActionId) -> Self {
        Self {
            action: Some(action),
            ..self
        }
    }

    pub(super) fn fencing(self, fencing: u64) -> Self {
        Self {
            fencing: Some(fencing),
            ..self
        }
    }
}

/// The fields of a row as its hash sees them.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    pub(super) seq: i64,
    pub(super) at: &'a str,
    pub(super) kind: &'a str,
    pub(super) account: Option<&'a str>,
    pub(super) run: Option<&'a str>,
    pub(super) action: Option<&'a str>,
    pub(super) fencing: Option<i64>,
    pub(super) payload: &'a str,
    pub(super) previous: &'a str,
}

impl Fields<'_> {
    /// SHA-256 of a JSON list: quoting keeps neighbouring fields apart, and null from an empty text.
    pub(super) fn hash(&self) -> String {
        let Self {
            seq,
            at,
            kind,
            account,
            run,
            action,
            fencing,
            payload,
            previous,
        } = self;
        let list = json!([
            "iamwarden.journal/v1",
            seq,
            at,
            kind,
            account,
            run,
            action,
            fencing,
            payload,
            previous
        ]);
        hex::encode(Sha256::digest(canonical_json(&list).as_bytes()))
    }
}

/// Appends a fact to the chain and gives its number. Must run in a transaction that writes.
pub(super) async fn append(connection: &mut Connection, entry: &Entry<'_>) -> Result<i64, Cause> {
    let statement = "INSERT INTO journal \
        (seq, at, kind, account, run, action, fencing, payload, previous, hash) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    let (seq, _) = insert(connection, entry, statement, None).await?;
    Ok(seq)
}

/// Appends a fact only while the lease holds by the database's clock, in the very statement that inserts it. `None`:
/// the lease is lost and there is no row.
pub(super) async fn append_under_lease(
    connection: &mut Connection,
    entry: &Entry<'_>,
    lease: &Lease,
) -> Result<Option<i64>, Cause> {
    let statement = "INSERT INTO journal \
        (seq, at, kind, account, run, action, fencing, payload, previous, hash) \
        SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10 \
        WHERE EXISTS (SELECT 1 FROM leases, database_clock WHERE leases.account = $11 \
            AND leases.holder = $12 AND leases.fencing = $13 AND leases.expires_ms > database_clock.now_ms)";
    let (seq, rows) = insert(connection, entry, statement, Some(lease)).await?;
    Ok((rows == 1).then_some(seq))
}

async fn insert(
    connection: &mut Connection,
    entry: &Entry<'_>,
    statement: &'static str,
    lease: Option<&Lease>,
) -> Result<(i64, u64), Cause> {
    let head: (i64, String) = query("SELECT seq, hash FROM journal_head WHERE id = 1")
        .fetch_one(connection)
        .await?;
    let at = time_text(entry.at);
    let payload = json_text("journal entry", &entry.payload)?;
    let fencing = entry
        .fencing
        .map(|fencing| counter_number("fencing number", fencing))
        .transpose()?;
    let fields = Fields {
        seq: head.0 + 1,
        at: &at,
        kind: entry.kind.as_str(),
        account: entry.account.map(AccountId::as_str),
        run: entry.run,
        action: entry.action.map(ActionId::as_str),
        fencing,
        payload: &payload,
        previous: &head.1,
    };
    let hash = fields.hash();
    let mut insert = query(statement)
        .bind(fields.seq)
        .bind(fields.at)
        .bind(fields.kind)
        .bind(fields.account)
        .bind(fields.run)
        .bind(fields.action)
        .bind(fields.fencing)
        .bind(fields.payload)
        .bind(fields.previous)
        .bind(&hash);
    if let Some(lease) = lease {
        let fencing = counter_number("fencing number", lease.fencing())?;
        insert = insert
            .bind(lease.account().as_str())
            .bind(lease.holder())
            .bind(fencing);
    }
    let rows = insert.execute(connection).await?;
    if rows == 1 {
        query("UPDATE journal_head SET seq = $1, hash = $2 WHERE id = 1")
            .bind(fields.seq)
            .bind(&hash)
            .execute(connection)
            .await?;
    }
    Ok((fields.seq, rows))
}

impl State {
    /// The end of the chain, to be published where this database's owner cannot reach.
    ///
    /// # Errors
    /// [`StateError`] where it cannot be read.
    pub async fn head(&self) -> Result<JournalHead, StateError> {
        during("reading the head of the journal", async {
            let mut connection = self.read().await?;
            read_head(&mut connection).await
        })
        .await
    }
}

pub(super) async fn read_head(connection: &mut Connection) -> Result<JournalHead, Cause> {
    let (seq, hash): (i64, String) = query("SELECT seq, hash FROM journal_head WHERE id = 1")
        .fetch_one(connection)
        .await?;
    Ok(JournalHead {
        seq: parse_counter("journal head", seq)?,
        hash,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read_as_printed() {
        let head = JournalHead::genesis();
        assert_eq!(head.to_string().parse(), Ok(head));
        for wrong in ["", "1", "1:", "x:00", "1:zz", &format!("-1:{}", "0".repeat(64))] {
            assert!(wrong.parse::<JournalHead>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_field_is_in_the_hash() {
        let fields = || Fields {
            seq: 1,
            at: "t",
            kind: "k",
            account: Some("a"),
            run: Some("r"),
            action: Some("x"),
            fencing: Some(1),
            payload: "{}",
            previous: "p",
        };
        let hashes = [
            fields(),
            Fields { seq: 2, ..fields() },
            Fields { at: "u", ..fields() },
            Fields {
                kind: "l",
                ..fields()
            },
            Fields {
                account: Some("b"),
                ..fields()
            },
            Fields {
                account: None,
                ..fields()
            },
            Fields {
                account: Some("ar"),
                run: Some(""),
                ..fields()
            },
            Fields {
                run: Some("s"),
                ..fields()
            },
            Fields {
                run: None,
                ..fields()
            },
            Fields {
                action: Some("y"),
                ..fields()
            },
            Fields {
                action: None,
                ..fields()
            },
            Fields {
                fencing: Some(2),
                ..fields()
            },
            Fields {
                fencing: None,
                ..fields()
            },
            Fields {
                payload: "[]",
                ..fields()
            },
            Fields {
                previous: "q",
                ..fields()
            },
        ]
        .map(|fields| fields.hash());
        let different: std::collections::BTreeSet<_> = hashes.iter().collect();
        assert_eq!(different.len(), hashes.len());
    }
}
