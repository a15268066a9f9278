//! Moving a state into another database: all of it or nothing, and the old one makes no changes any more.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::{AssertSqlSafe, Column as _, ColumnIndex, Decode, FromRow, Row, Type, TypeInfo as _};

use super::connection::{Connection, State};
use super::error::{Cause, StateError, during};
use super::journal::{Entry, JournalHead, JournalKind, append, read_head};
use super::statement::{Value, places, query};
use super::turns::read_presence;
use super::verify::verify_chain;

/// Rows per statement: none binds more than fourteen values.
const ROWS: usize = 500;

/// What a state was moved with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transferred {
    /// How many rows of each table.
    pub rows: Vec<(&'static str, u64)>,
    /// The end of the chain, in both.
    pub head: JournalHead,
}

struct Table {
    name: &'static str,
    key: &'static str,
    columns: &'static [&'static str],
}

/// Every table save the note of the journal's head, those first that others refer to.
const TABLES: [Table; 17] = [
    Table {
        name: "journal",
        key: "seq",
        columns: &[
            "seq", "at", "kind", "account", "run", "action", "fencing", "payload", "previous", "hash",
        ],
    },
    Table {
        name: "intents",
        key: "seq",
        columns: &[
            "seq",
            "account",
            "action",
            "run",
            "direction",
            "kind",
            "resource",
            "subject",
            "attempt",
            "fencing",
            "at",
            "status",
            "outcome_seq",
            "outcome_at",
            "settling_since",
            "settling_applied",
            "told",
        ],
    },
    Table {
        name: "leases",
        key: "account",
        columns: &["account", "holder", "fencing", "expires_ms"],
    },
    Table {
        name: "plans",
        key: "id",
        columns: &["id", "created_at", "saved_at", "config_digest", "document"],
    },
    Table {
        name: "evaluations",
        key: "rule, account",
        columns: &["rule", "account", "run", "at"],
    },
    Table {
        name: "findings",
        key: "id",
        columns: &[
            "id",
            "rule",
            "account",
            "run",
            "severity",
            "status",
            "document",
            "first_seen",
            "last_seen",
            "standing",
        ],
    },
    Table {
        name: "ticks",
        key: "rule",
        columns: &["rule", "at"],
    },
    Table {
        name: "observations",
        key: "account, kind, observation",
        columns: &[
            "account",
            "kind",
            "observation",
            "first_seen",
            "last_seen",
            "reading",
            "broken",
        ],
    },
    Table {
        name: "messages",
        key: "id",
        columns: &[
            "id",
            "channel",
            "event",
            "owner",
            "body",
            "dedup",
            "created_at",
            "deliver_after",
            "next_attempt_at",
            "attempts",
            "state",
            "claimed_by",
            "claimed_until_ms",
            "last_error",
            "finished_at",
        ],
    },
    Table {
        name: "notices",
        key: "message, account, finding, subject, ladder",
        columns: &[
            "message",
            "account",
            "finding",
            "event",
            "subject",
            "ladder",
            "announced_for",
            "queued_at",
            "accepted_at",
            "dead",
        ],
    },
    Table {
        name: "told",
        key: "entry",
        columns: &["entry", "message"],
    },
    Table {
        name: "clicks",
        key: "digest",
        columns: &["digest", "at"],
    },
    Table {
        name: "reports",
        key: "name",
        columns: &["name", "at", "document"],
    },
    Table {
        name: "sessions",
        key: "id",
        columns: &[
            "id",
            "subject",
            "credential",
            "claims",
            "created_at",
            "expires_at",
        ],
    },
    Table {
        name: "requests",
        key: "id",
        columns: &["id", "content", "answer", "at", "expires_at"],
    },
    Table {
        name: "replicas",
        key: "holder",
        columns: &["holder", "seen_ms"],
    },
    Table {
        name: "turns",
        key: "name",
        columns: &["name", "holder", "done_at"],
    },
];

/// A row of any table: text and whole numbers.
struct Cells(Vec<Value>);

impl<'r, R: Row> FromRow<'r, R> for Cells
where
    usize: ColumnIndex<R>,
    Option<i64>: Decode<'r, R::Database> + Type<R::Database>,
    Option<String>: Decode<'r, R::Database> + Type<R::Database>,
{
    fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
        let cell = |column: &<R::Database as sqlx::Database>::Column| {
            let place = column.ordinal();
            Ok(match column.type_info().name() {
                "TEXT" => Value::Text(row.try_get(place)?),
                _ => Value::Number(row.try_get(place)?),
            })
        };
        row.columns().iter().map(cell).collect::<Result<_, _>>().map(Self)
    }
}

impl State {
    /// Copies all that is remembered into another state, which has to be empty and a database of PostgreSQL, in one
    /// transaction there, and checks it. From then on this state is frozen: whoever still uses it changes nothing.
    ///
    /// # Errors
    /// [`StateError`] where somebody holds a lease here, the other holds anything, the copy is not whole, or either cannot
    /// be written. Nothing was copied then, unless it was the freeze that failed.
    pub async fn transfer_to(
        &self,
        other: &Self,
        to: &str,
        by: &str,
        now: DateTime<Utc>,
    ) -> Result<Transferred, StateError> {
        let (mut source, transferred) = during(format!("moving the state to {to}"), async {
            // Nobody writes here until the end.
            let mut source = self.write().await?;
            source.take_time().await?;
            refuse_leases(&mut source).await?;
            refuse_company(&mut source).await?;
            let mut target = other.write().await?;
            target.take_time().await?;
            refuse_contents(&mut target).await?;
            let transferred = copy(&mut source, &mut target).await?;
            target.commit().await?;
            Ok((source, transferred))
        })
        .await?;
        during(
            "freezing the old state; the new one is whole, so do not use the old one any more",
            async {
                let payload = json!({"reason": format!("the state was moved to {to}"), "by": by});
                append(&mut source, &Entry::new(JournalKind::Freeze, now, payload)).await?;
                source.commit().await
            },
        )
        .await?;
        Ok(transferred)
    }
}

/// Whoever is at work there would go on with the old one.
async fn refuse_company(source: &mut Connection) -> Result<(), Cause> {
    match read_presence(source).await? {
        None => Ok(()),
        Some(holder) => Err(Cause::ReplicaThere(holder)),
    }
}

async fn refuse_leases(source: &mut Connection) -> Result<(), Cause> {
    let held: Option<(String, String)> = query(
        "SELECT account, holder FROM leases, database_clock WHERE expires_ms > now_ms ORDER BY account",
    )
    .fetch_optional(source)
    .await?;
    match held {
        None => Ok(()),
        Some((account, holder)) => Err(Cause::LeaseHeld { account, holder }),
    }
}

async fn refuse_contents(target: &mut Connection) -> Result<(), Cause> {
    if let Connection::Sqlite(_) = target {
        return Err(Cause::NoReceiver);
    }
    for table in &TABLES {
        if count(target, table.name).await? > 0 {
            return Err(Cause::NotEmpty(table.name));
        }
    }
    if read_head(target).await? != JournalHead::genesis() {
        return Err(Cause::NotEmpty("journal_head"));
    }
    Ok(())
}

async fn copy(source: &mut Connection, target: &mut Connection) -> Result<Transferred, Cause> {
    let head = read_head(source).await?;
    // Its rows come many at once here, and are checked as a whole below.
    let trigger = |verb| format!("ALTER TABLE journal {verb} TRIGGER journal_grows_at_its_end");
    query(AssertSqlSafe(trigger("DISABLE"))).execute(target).await?;
    let mut rows = Vec::with_capacity(TABLES.len());
    for table in &TABLES {
        copy_table(source, target, table).await?;
        let (before, after) = (count(source, table.name).await?, count(target, table.name).await?);
        if before != after {
            let why = format!("{before} rows of `{}` became {after}", table.name);
            return Err(Cause::NotWhole(why.into()));
        }
        rows.push((table.name, after));
    }
    query("UPDATE journal_head SET seq = $1, hash = $2 WHERE id = 1")
        .bind(i64::try_from(head.seq).map_err(|source| Cause::unreadable("journal head", source))?)
        .bind(&head.hash)
        .execute(target)
        .await?;
    query(AssertSqlSafe(trigger("ENABLE"))).execute(target).await?;
    let report = verify_chain(target, Some(&head)).await?;
    match report.faults.first() {
        None => Ok(Transferred { rows, head }),
        Some(fault) => Err(Cause::NotWhole(Cow::Owned(fault.to_string()))),
    }
}

async fn copy_table(source: &mut Connection, target: &mut Connection, table: &Table) -> Result<(), Cause> {
    let Table { name, key, columns } = table;
    let list = columns.join(", ");
    let select = format!("SELECT {list} FROM {name} ORDER BY {key}");
    let insert = async |rows: Vec<Cells>| {
        let places = places(rows.len(), columns.len());
        let sql = format!("INSERT INTO {name} ({list}) VALUES {places}");
        let mut insert = query(AssertSqlSafe(sql));
        for value in rows.into_iter().flat_map(|Cells(values)| values) {
            insert = insert.bind(value);
        }
        insert.execute(target).await.map(|_| ())
    };
    query(AssertSqlSafe(select))
        .for_each_chunk(source, ROWS, insert)
        .await
}

async fn count(connection: &mut Connection, table: &str) -> Result<u64, Cause> {
    let rows: i64 = query(AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}")))
        .fetch_value(connection)
        .await?;
    super::encoding::parse_counter("number of rows", rows)
}

/// All that is moved, as `table.column`.
#[cfg(test)]
pub(super) fn columns() -> std::collections::BTreeSet<String> {
    let names = |table: &'static Table| {
        table
            .columns
            .iter()
            .map(|column| format!("{}.{column}", table.name))
    };
    TABLES.iter().flat_map(names).collect()
}
