//! Checking the journal: that no row was changed, taken out, put in, moved or cut off, and that what is derived from it
//! says the same.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;
use sqlx::{ColumnIndex, Decode, FromRow, Row, Type};

use super::attempts::AttemptStatus;
use super::connection::{Connection, State};
use super::error::{Cause, StateError, during};
use super::intents::{IntentPayload, Outcome, OutcomePayload};
use super::journal::{Fields, JournalHead, JournalKind};
use super::notices::{AcceptedNotice, accepted_notice};
use super::statement::query;
use crate::model::Digest;

/// What a check of the journal found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyReport {
    /// How many rows were read.
    pub rows: u64,
    /// The end of the chain, computed from the rows.
    pub head: JournalHead,
    /// What is wrong, in the order found. Empty: the journal is whole.
    pub faults: Vec<Fault>,
}

impl VerifyReport {
    /// Whether nothing is wrong.
    pub fn is_whole(&self) -> bool {
        self.faults.is_empty()
    }
}

/// Something that is wrong with the journal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The database file itself is inconsistent.
    File(String),
    /// A row holds what is no text or number.
    Unreadable {
        /// Which row.
        seq: i64,
    },
    /// Rows are missing, or one stands where it does not belong.
    Gap {
        /// The number that should have come.
        expected: i64,
        /// The one that came.
        found: i64,
    },
    /// A row was changed: its hash is not that of its fields.
    Altered {
        /// Which row.
        seq: i64,
    },
    /// A row does not follow the one before it.
    Unchained {
        /// Which row.
        seq: i64,
    },
    /// The database's own note of the head is another.
    Head {
        /// Of the note; `None`: there is none, or none that can be read.
        noted: Option<JournalHead>,
        /// Of the rows.
        found: JournalHead,
    },
    /// The published head is not in the journal: rows were cut off, or all of it was written anew.
    Published {
        /// The one that was published.
        expected: JournalHead,
    },
    /// A row makes no sense beside the others.
    Senseless {
        /// Which row.
        seq: i64,
        /// Why.
        why: String,
    },
    /// What is derived from the journal says something else.
    Derived {
        /// In which table.
        table: &'static str,
        /// Of what.
        key: String,
    },
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(what) => write!(f, "the database file is damaged: {what}"),
            Self::Unreadable { seq } => write!(f, "row {seq} cannot be read"),
            Self::Gap { expected, found } => {
                write!(
                    f,
                    "row {found} stands where row {expected} should: rows were taken out, put in or moved"
                )
            }
            Self::Altered { seq } => write!(f, "row {seq} was changed: its hash does not fit"),
            Self::Unchained { seq } => write!(f, "row {seq} does not follow the row before it"),
            Self::Head {
                noted: Some(noted),
                found,
            } => {
                write!(
                    f,
                    "the journal ends at {found}, but {noted} was noted: rows were cut off or added"
                )
            }
            Self::Head { noted: None, found } => {
                write!(
                    f,
                    "the journal ends at {found}, and the note of its end was taken away"
                )
            }
            Self::Published { expected } => {
                write!(
                    f,
                    "the published head {expected} is not in the journal: it was cut off or written anew"
                )
            }
            Self::Senseless { seq, why } => write!(f, "row {seq} makes no sense: {why}"),
            Self::Derived { table, key } => {
                write!(f, "the table `{table}` says other than the journal of {key}")
            }
        }
    }
}

impl State {
    /// Reads the whole journal and checks every row, the chain, its head, and what is derived from it. Rows that were
    /// cut off the end show for certain only against a head that was published before, `expected`.
    ///
    /// # Errors
    /// [`StateError`] where the database cannot be read at all. What is wrong with what it holds is in the report.
    pub async fn verify(&self, expected: Option<&JournalHead>) -> Result<VerifyReport, StateError> {
        during("verifying the journal", async {
            let mut snapshot = self.read().await?;
            snapshot.take_time().await?;
            let report = verify_chain(&mut snapshot, expected).await?;
            snapshot.end().await?;
            self.ensure_unchanged()?;
            Ok(report)
        })
        .await
    }
}

/// All that can be checked, in a transaction.
pub(super) async fn verify_chain(
    connection: &mut Connection,
    expected: Option<&JournalHead>,
) -> Result<VerifyReport, Cause> {
    let mut check = Check::new(expected);
    check.read_file(connection).await?;
    check.read_journal(connection).await?;
    check.compare_head(connection).await?;
    check.compare_intents(connection).await?;
    check.compare_notices(connection).await?;
    check.compare_plans(connection).await?;
    Ok(check.report())
}

/// An intent as the journal tells it.
#[derive(Debug, PartialEq, Eq)]
struct ToldIntent {
    account: String,
    action: String,
    run: String,
    direction: String,
    kind: String,
    resource: String,
    subject: String,
    attempt: i64,
    fencing: i64,
    at: String,
    status: String,
    outcome_seq: Option<i64>,
    outcome_at: Option<String>,
}

/// When a notice was accepted, by message and notice.
type ToldNotices = BTreeMap<(String, AcceptedNotice), String>;

struct Check<'a> {
    expected: Option<&'a JournalHead>,
    expected_found: bool,
    rows: u64,
    last: (i64, String),
    intents: BTreeMap<i64, ToldIntent>,
    notices: ToldNotices,
    plans: BTreeMap<String, Digest>,
    faults: Vec<Fault>,
}

/// A row as it stands in the table.
struct JournalRow {
    seq: i64,
    at: String,
    kind: String,
    account: Option<String>,
    run: Option<String>,
    action: Option<String>,
    fencing: Option<i64>,
    payload: String,
    previous: String,
    hash: String,
}

/// A row, or the number of one that cannot be read, where at least that can.
struct Read<T>(Result<T, Option<i64>>);

/// What reads a column of any database.
trait Column<'r, R: Row>: Decode<'r, R::Database> + Type<R::Database> {}

impl<'r, R: Row, T: Decode<'r, R::Database> + Type<R::Database>> Column<'r, R> for T {}

impl<'r, R: Row> FromRow<'r, R> for Read<JournalRow>
where
    usize: ColumnIndex<R>,
    i64: Column<'r, R>,
    String: Column<'r, R>,
    Option<i64>: Column<'r, R>,
    Option<String>: Column<'r, R>,
{
    fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
        let read = || -> Result<_, sqlx::Error> {
            Ok(JournalRow {
                seq: row.try_get(0)?,
                at: row.try_get(1)?,
                kind: row.try_get(2)?,
                account: row.try_get(3)?,
                run: row.try_get(4)?,
                action: row.try_get(5)?,
                fencing: row.try_get(6)?,
                payload: row.try_get(7)?,
                previous: row.try_get(8)?,
                hash: row.try_get(9)?,
            })
        };
        Ok(Self(read().map_err(|_| row.try_get(0).ok())))
    }
}

impl<'r, R: Row> FromRow<'r, R> for Read<(i64, ToldIntent)>
where
    usize: ColumnIndex<R>,
    i64: Column<'r, R>,
    String: Column<'r, R>,
    Option<i64>: Column<'r, R>,
    Option<String>: Column<'r, R>,
{
    fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
        let read = || -> Result<_, sqlx::Error> {
            let told = ToldIntent {
                account: row.try_get(1)?,
                action: row.try_get(2)?,
                run: row.try_get(3)?,
                direction: row.try_get(4)?,
                kind: row.try_get(5)?,
                resource: row.try_get(6)?,
                subject: row.try_get(7)?,
                attempt: row.try_get(8)?,
                fencing: row.try_get(9)?,
                at: row.try_get(10)?,
                status: row.try_get(11)?,
                outcome_seq: row.try_get(12)?,
                outcome_at: row.try_get(13)?,
            };
            Ok((row.try_get(0)?, told))
        };
        Ok(Self(read().map_err(|_| row.try_get(0).ok())))
    }
}

impl<'r, R: Row> FromRow<'r, R> for Read<JournalHead>
where
    usize: ColumnIndex<R>,
    i64: Column<'r, R>,
    String: Column<'r, R>,
{
    fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
        let read = || {
            let seq: i64 = row.try_get(0).ok()?;
            let (seq, hash) = (u64::try_from(seq).ok()?, row.try_get(1).ok()?);
            Some(JournalHead { seq, hash })
        };
        Ok(Self(read().ok_or(None)))
    }
}

/// That a plan was saved, as the journal has it.
#[derive(Deserialize)]
struct SavedPlan {
    plan: String,
    document: Digest,
}

impl<'a> Check<'a> {
    fn new(expected: Option<&'a JournalHead>) -> Self {
        let genesis = JournalHead::genesis();
        Self {
            expected_found: expected.is_none_or(|expected| *expected == genesis),
            expected,
            rows: 0,
            last: (0, genesis.hash),
            intents: BTreeMap::new(),
            notices: BTreeMap::new(),
            plans: BTreeMap::new(),
            faults: Vec::new(),
        }
    }

    async fn read_file(&mut self, connection: &mut Connection) -> Result<(), Cause> {
        let lines: Vec<String> = match connection {
            Connection::Sqlite(_) => query("PRAGMA integrity_check").fetch_values(connection).await?,
            // A server looks after its files itself.
            Connection::Postgres(_) => Vec::new(),
        };
        self.faults
            .extend(lines.into_iter().filter(|line| line != "ok").map(Fault::File));
        Ok(())
    }

    async fn read_journal(&mut self, connection: &mut Connection) -> Result<(), Cause> {
        let rows = query(
            "SELECT seq, at, kind, account, run, action, fencing, payload, previous, hash \
             FROM journal ORDER BY seq",
        );
        rows.for_each(connection, |Read(row)| {
            self.rows += 1;
            match row {
                Ok(row) => self.read_row(row),
                Err(seq) => {
                    // The chain goes on from the number that was due; the next row then shows the break as well.
                    let seq = seq.unwrap_or(self.last.0.saturating_add(1));
                    self.faults.push(Fault::Unreadable { seq });
                    self.last = (seq, String::new());
                }
            }
        })
        .await
    }

    fn read_row(&mut self, row: JournalRow) {
        let expected = self.last.0.saturating_add(1);
        if row.seq != expected {
            self.faults.push(Fault::Gap {
                expected,
                found: row.seq,
            });
        }
        let fields = Fields {
            seq: row.seq,
            at: &row.at,
            kind: &row.kind,
            account: row.account.as_deref(),
            run: row.run.as_deref(),
            action: row.action.as_deref(),
            fencing: row.fencing,
            payload: &row.payload,
            previous: &row.previous,
        };
        let hash = fields.hash();
        if hash != row.hash {
            self.faults.push(Fault::Altered { seq: row.seq });
        }
        if row.previous != self.last.1 {
            self.faults.push(Fault::Unchained { seq: row.seq });
        }
        if let Some(expected) = self.expected
            && u64::try_from(row.seq) == Ok(expected.seq)
            && row.hash == expected.hash
        {
            self.expected_found = true;
        }
        self.last = (row.seq, row.hash.clone());
        if let Err(why) = self.retell(&row) {
            self.faults.push(Fault::Senseless { seq: row.seq, why });
        }
    }

    /// Takes from a row what other tables derive from it.
    fn retell(&mut self, row: &JournalRow) -> Result<(), String> {
        if row.kind == JournalKind::Intent.as_str() {
            let told = tell_intent(row).ok_or("an intent without the parts of one")?;
            self.intents.insert(row.seq, told);
        } else if row.kind == JournalKind::Outcome.as_str() {
            let stored: OutcomePayload =
                serde_json::from_str(&row.payload).map_err(|_| "an outcome without the parts of one")?;
            let told = self
                .intents
                .get_mut(&stored.intent.0)
                .ok_or("an outcome of no intent before it")?;
            let may_follow = [AttemptStatus::Open.as_str(), AttemptStatus::Unknown.as_str()];
            let late =
                told.status == AttemptStatus::NotApplied.as_str() && stored.outcome == Outcome::Applied;
            if !late && !may_follow.contains(&told.status.as_str()) {
                return Err(format!("a second outcome of intent {}", stored.intent));
            }
            told.status = stored.outcome.as_str().to_owned();
            told.outcome_seq = Some(row.seq);
            told.outcome_at = Some(row.at.clone());
        } else if row.kind == JournalKind::NoticeAccepted.as_str() {
            self.retell_notices(row)
                .ok_or("an accepted notice without the parts of one")?;
        } else if row.kind == JournalKind::PlanSaved.as_str() {
            let SavedPlan { plan, document } =
                serde_json::from_str(&row.payload).map_err(|_| "a saved plan without the parts of one")?;
            self.plans.insert(plan, document);
        }
        Ok(())
    }

    fn retell_notices(&mut self, row: &JournalRow) -> Option<()> {
        #[derive(Deserialize)]
        struct Payload {
            message: String,
            notices: Vec<Item>,
        }
        #[derive(Deserialize)]
        struct Item {
            finding: String,
            subject: String,
            ladder: Value,
            announced_for: String,
        }
        let account = row.account.clone()?;
        let Payload { message, notices } = serde_json::from_str(&row.payload).ok()?;
        for Item {
            finding,
            subject,
            ladder,
            announced_for,
        } in notices
        {
            let ladder = crate::model::canonical_json(&ladder);
            let key = (
                message.clone(),
                (account.clone(), finding, subject, ladder, announced_for),
            );
            self.notices.insert(key, row.at.clone());
        }
        Some(())
    }

    async fn compare_head(&mut self, connection: &mut Connection) -> Result<(), Cause> {
        let found = self.head();
        let head: Option<Read<JournalHead>> = query("SELECT seq, hash FROM journal_head WHERE id = 1")
            .fetch_optional(connection)
            .await?;
        let noted = head.and_then(|Read(head)| head.ok());
        if noted.as_ref() != Some(&found) {
            self.faults.push(Fault::Head { noted, found });
        }
        if let Some(expected) = self.expected
            && !self.expected_found
        {
            self.faults.push(Fault::Published {
                expected: expected.clone(),
            });
        }
        Ok(())
    }

    async fn compare_intents(&mut self, connection: &mut Connection) -> Result<(), Cause> {
        let rows = query(
            "SELECT seq, account, action, run, direction, kind, resource, subject, attempt, fencing, at, \
             status, outcome_seq, outcome_at FROM intents ORDER BY seq",
        );
        let mut differing = BTreeSet::new();
        rows.for_each(connection, |Read(row)| match row {
            Ok((seq, derived)) => {
                if self.intents.remove(&seq) != Some(derived) {
                    differing.insert(seq);
                }
            }
            // One without a number is missed by the journal.
            Err(seq) => differing.extend(seq.inspect(|seq| {
                self.intents.remove(seq);
            })),
        })
        .await?;
        differing.extend(self.intents.keys());
        let fault = |seq| Fault::Derived {
            table: "intents",
            key: format!("intent {seq}"),
        };
        self.faults.extend(differing.into_iter().map(fault));
        Ok(())
    }

    async fn compare_notices(&mut self, connection: &mut Connection) -> Result<(), Cause> {
        let rows: Vec<(String, String, String, String, String, String, String)> = query(
            "SELECT message, account, finding, subject, ladder, announced_for, accepted_at FROM notices \
             WHERE accepted_at IS NOT NULL",
        )
        .fetch_all(connection)
        .await?;
        let mut differing = BTreeSet::new();
        for (message, account, finding, subject, ladder, announced_for, accepted_at) in rows {
            // The ladder is compared by value, as the journal has it inside a document.
            let ladder = match accepted_notice(&finding, &subject, &ladder, &announced_for) {
                Ok(notice) => notice
                    .get("ladder")
                    .map(crate::model::canonical_json)
                    .unwrap_or_default(),
                Err(_) => String::new(),
            };
            let key = (
                message.clone(),
                (account, finding, subject, ladder, announced_for),
            );
            if self.notices.remove(&key) != Some(accepted_at) {
                differing.insert(message);
            }
        }
        differing.extend(self.notices.keys().map(|(message, _)| message.clone()));
        let fault = |message| Fault::Derived {
            table: "notices",
            key: format!("message {message}"),
        };
        self.faults.extend(differing.into_iter().map(fault));
        Ok(())
    }

    /// What people approve by is what was saved. Plans are forgotten after a while.
    async fn compare_plans(&mut self, connection: &mut Connection) -> Result<(), Cause> {
        let rows = query("SELECT id, document FROM plans ORDER BY id");
        let (plans, faults) = (&self.plans, &mut self.faults);
        rows.for_each(connection, |(id, document): (String, String)| {
            if plans.get(&id) != Some(&Digest::of_bytes(document.as_bytes())) {
                faults.push(Fault::Derived {
                    table: "plans",
                    key: format!("plan {id}"),
                });
            }
        })
        .await
    }

    fn head(&self) -> JournalHead {
        // A negative number is a gap, and was noted as one.
        JournalHead {
            seq: u64::try_from(self.last.0).unwrap_or_default(),
            hash: self.last.1.clone(),
        }
    }

    fn report(self) -> VerifyReport {
        VerifyReport {
            rows: self.rows,
            head: self.head(),
            faults: self.faults,
        }
    }
}

fn tell_intent(row: &JournalRow) -> Option<ToldIntent> {
    let stored: IntentPayload<'static> = serde_json::from_str(&row.payload).ok()?;
    Some(ToldIntent {
        account: row.account.clone()?,
        action: row.action.clone()?,
        run: row.run.clone()?,
        direction: stored.direction.as_str().to_owned(),
        kind: stored.change.kind().as_str().to_owned(),
        resource: stored.resource.as_str().to_owned(),
        subject: stored.change.subject(),
        attempt: i64::from(stored.attempt),
        fencing: row.fencing?,
        at: row.at.clone(),
        status: AttemptStatus::Open.as_str().to_owned(),
        outcome_seq: None,
        outcome_at: None,
    })
}
