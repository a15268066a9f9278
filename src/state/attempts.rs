//! Reading attempts back: what is open, what is applied and can be undone, what was done to a resource.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::connection::{Connection, State};
use super::encoding::{parse_counter, parse_json, parse_optional_time, parse_time, time_text};
use super::error::{Cause, StateError, during};
use super::intents::{
    Direction, Intent, IntentId, IntentPayload, OutcomePayload, SettleProgress, StalePayload,
};
use super::statement::query;
use crate::model::{AccountId, ActionId, Arn, ChangeKind};

/// How an attempt stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptStatus {
    /// Its intent is on disk, its outcome is not.
    Open,
    /// Its outcome is unknown, and so it is open still.
    Unknown,
    /// It was made.
    Applied,
    /// It was not made.
    NotApplied,
    /// AWS refused it.
    Failed,
}

impl AttemptStatus {
    /// Every status.
    pub const ALL: [Self; 5] = [
        Self::Open,
        Self::Unknown,
        Self::Applied,
        Self::NotApplied,
        Self::Failed,
    ];

    /// The word in the history.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Unknown => "unknown",
            Self::Applied => "applied",
            Self::NotApplied => "not_applied",
            Self::Failed => "failed",
        }
    }

    /// Whether it has to be settled yet.
    pub fn is_open(self) -> bool {
        match self {
            Self::Open | Self::Unknown => true,
            Self::Applied | Self::NotApplied | Self::Failed => false,
        }
    }

    pub(super) fn parse(word: &str) -> Result<Self, Cause> {
        let known = Self::ALL.into_iter().find(|status| status.as_str() == word);
        known.ok_or_else(|| Cause::unreadable("status of an attempt", format!("unknown word `{word}`")))
    }
}

/// One attempt at making or undoing a change, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Names it.
    pub id: IntentId,
    /// What was to be done, by value.
    pub intent: Intent,
    /// The how many-th of this action in this direction, from 1.
    pub attempt: u32,
    /// Of the lease that it was made under.
    pub fencing: u64,
    /// When the intent was recorded.
    pub at: DateTime<Utc>,
    /// How it stands.
    pub status: AttemptStatus,
    /// When the latest outcome was recorded.
    pub outcome_at: Option<DateTime<Utc>>,
    /// What is said of the outcome.
    pub detail: Option<String>,
    /// The state after, as it was read back.
    pub after: Option<Value>,
    /// Since when the readings agree, where it is open and was read.
    pub settling: Option<SettleProgress>,
}

/// Which applied actions are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppliedSelection<'a> {
    /// This one.
    Action(&'a ActionId),
    /// All of this run.
    Run(&'a str),
    /// All of this account.
    Account(&'a AccountId),
}

/// An action in the history: all attempts at it of one run in one direction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ActionRecord {
    /// The action's id, the same for making and undoing.
    pub id: ActionId,
    /// Of what kind the change is.
    pub kind: ChangeKind,
    /// Made or undone.
    pub direction: Direction,
    /// In which account.
    pub account: AccountId,
    /// On what.
    pub resource: Arn,
    /// Which key or policy of the resource.
    pub subject: String,
    /// In which run.
    pub run: String,
    /// How the latest attempt stands, or `stale`.
    pub outcome: ActionOutcome,
    /// What is said of it.
    pub detail: Option<String>,
    /// How many attempts there were; 0 where it was stale.
    pub attempts: u32,
    /// When it was last tried, or found stale.
    pub at: DateTime<Utc>,
    /// When the outcome was recorded.
    pub finished_at: Option<DateTime<Utc>>,
    /// The fencing number of the latest attempt.
    pub fencing: Option<u64>,
    /// When it was undone, if it was.
    pub rolled_back_at: Option<DateTime<Utc>>,
}

/// What became of an action in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionOutcome {
    /// Its intent is on disk, its outcome is not.
    Open,
    /// Its outcome is unknown yet.
    Unknown,
    /// It was made.
    Applied,
    /// It was not made.
    NotApplied,
    /// AWS refused it.
    Failed,
    /// The world had moved since the plan; it was not tried.
    Stale,
}

impl ActionOutcome {
    /// The word in the history.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Unknown => "unknown",
            Self::Applied => "applied",
            Self::NotApplied => "not_applied",
            Self::Failed => "failed",
            Self::Stale => "stale",
        }
    }
}

impl From<AttemptStatus> for ActionOutcome {
    fn from(status: AttemptStatus) -> Self {
        match status {
            AttemptStatus::Open => Self::Open,
            AttemptStatus::Unknown => Self::Unknown,
            AttemptStatus::Applied => Self::Applied,
            AttemptStatus::NotApplied => Self::NotApplied,
            AttemptStatus::Failed => Self::Failed,
        }
    }
}

/// Whole attempts, with their rows in the journal.
macro_rules! select_attempts {
    ($($condition:expr),+) => {
        concat!(
            "SELECT i.seq, i.fencing, i.at, i.status, i.outcome_at, i.settling_since, i.settling_applied, \
             j.account, j.run, j.action, j.payload, o.payload \
             FROM intents i JOIN journal j ON j.seq = i.seq LEFT JOIN journal o ON o.seq = i.outcome_seq WHERE ",
            $($condition,)+
            " ORDER BY i.seq"
        )
    };
}

/// Those that are open, and those settled as not made since then and not tried again.
macro_rules! loose_end {
    ($since:literal) => {
        concat!(
            "(i.status IN ('open', 'unknown') OR (i.status = 'not_applied' AND i.outcome_at >= ",
            $since,
            " AND NOT EXISTS (SELECT 1 FROM intents later WHERE later.account = i.account \
              AND later.action = i.action AND later.seq > i.seq)))"
        )
    };
}

/// Those that were made, and neither undone nor made again since.
macro_rules! select_applied {
    ($condition:literal) => {
        select_attempts!(
            $condition,
            " AND i.direction = 'apply' AND i.status = 'applied' AND NOT EXISTS (SELECT 1 FROM intents later \
             WHERE later.account = i.account AND later.action = i.action AND later.status = 'applied' \
             AND later.outcome_seq > i.outcome_seq)"
        )
    };
}

/// What the history shows of attempts.
macro_rules! select_records {
    ($condition:literal) => {
        concat!(
            "SELECT i.action, i.kind, i.direction, i.account, i.resource, i.subject, i.run, i.status, i.at, \
             i.outcome_at, i.fencing, o.payload, (SELECT MAX(undone.outcome_at) FROM intents undone \
                 WHERE i.direction = 'apply' AND i.status = 'applied' AND undone.account = i.account \
                 AND undone.action = i.action AND undone.direction = 'undo' AND undone.status = 'applied' \
                 AND undone.outcome_seq > i.outcome_seq) \
             FROM intents i LEFT JOIN journal o ON o.seq = i.outcome_seq WHERE ",
            $condition,
            " ORDER BY i.seq"
        )
    };
}

type AttemptRow = (
    i64,
    i64,
    String,
    String,
    Option<String>,
    Option<String>,
    Option<i64>,
    String,
    String,
    String,
    String,
    Option<String>,
);

fn parse_attempt(row: AttemptRow) -> Result<Attempt, Cause> {
    let (seq, fencing, at, status, outcome_at, since, looks_applied, account, run, action, payload, outcome) =
        row;
    let stored: IntentPayload<'static> = parse_json("intent", &payload)?;
    let outcome: Option<OutcomePayload> = outcome
        .as_deref()
        .map(|payload| parse_json("outcome", payload))
        .transpose()?;
    let since = parse_optional_time(since.as_deref())?;
    let (detail, after) = outcome.map_or((None, None), |o| (Some(o.detail), o.after));
    let settling = since.zip(looks_applied);
    Ok(Attempt {
        id: IntentId(seq),
        intent: Intent {
            action: ActionId(action),
            run,
            direction: stored.direction,
            account: parse_account(&account)?,
            resource: stored.resource.into_owned(),
            change: stored.change.into_owned(),
            inverse: stored.inverse.into_owned(),
            precondition: stored.precondition.into_owned(),
            mode: stored.mode,
            decision: stored.decision,
            findings: stored.findings.into_owned(),
        },
        attempt: stored.attempt,
        fencing: parse_counter("fencing number", fencing)?,
        at: parse_time(&at)?,
        status: AttemptStatus::parse(&status)?,
        outcome_at: parse_optional_time(outcome_at.as_deref())?,
        detail,
        after,
        settling: settling.map(|(agreeing_since, looks_applied)| SettleProgress {
            looks_applied: looks_applied == 1,
            agreeing_since,
        }),
    })
}

pub(super) fn parse_account(text: &str) -> Result<AccountId, Cause> {
    AccountId::parse(text).map_err(|source| Cause::unreadable("account", source))
}

pub(super) fn parse_kind(word: &str) -> Result<ChangeKind, Cause> {
    let known = ChangeKind::ALL.into_iter().find(|known| known.as_str() == word);
    known.ok_or_else(|| Cause::unreadable("kind of a change", "unknown word"))
}

pub(super) fn parse_resource(text: &str) -> Result<Arn, Cause> {
    Arn::parse(text).map_err(|source| Cause::unreadable("resource", source))
}

impl State {
    /// The accounts with attempts that have to be looked at (see [`State::loose_ends`]), or that nobody was told of.
    ///
    /// # Errors
    /// [`StateError`] where they cannot be read.
    pub async fn accounts_with_loose_ends(&self, since: DateTime<Utc>) -> Result<Vec<AccountId>, StateError> {
        during("reading which accounts have open attempts", async {
            let mut connection = self.read().await?;
            let accounts: Vec<String> = query(concat!(
                "SELECT DISTINCT account FROM intents i WHERE ",
                loose_end!("$1"),
                " OR (i.status = 'applied' AND i.told = 0) ORDER BY account",
            ))
            .bind(time_text(since))
            .fetch_values(&mut connection)
            .await?;
            accounts.iter().map(|account| parse_account(account)).collect()
        })
        .await
    }

    /// The attempts of an account of which AWS has to be asked what became of them, oldest first: those that are open,
    /// and those that a reading settled as not made since then, unless the action was tried again. Their request may
    /// have been on its way still.
    ///
    /// # Errors
    /// [`StateError`] where they cannot be read.
    pub async fn loose_ends(
        &self,
        account: &AccountId,
        since: DateTime<Utc>,
    ) -> Result<Vec<Attempt>, StateError> {
        during(format!("reading the loose ends of account {account}"), async {
            let statement = select_attempts!("i.account = $1 AND ", loose_end!("$2"));
            let mut connection = self.read().await?;
            let rows: Vec<AttemptRow> = query(statement)
                .bind(account.as_str())
                .bind(time_text(since))
                .fetch_all(&mut connection)
                .await?;
            rows.into_iter().map(parse_attempt).collect()
        })
        .await
    }

    /// The attempts of an account that have to be settled, oldest first.
    ///
    /// # Errors
    /// [`StateError`] where they cannot be read.
    pub async fn open_intents(&self, account: &AccountId) -> Result<Vec<Attempt>, StateError> {
        during(format!("reading the open intents of account {account}"), async {
            let statement = select_attempts!("i.account = $1 AND i.status IN ('open', 'unknown')");
            let mut connection = self.read().await?;
            let rows: Vec<AttemptRow> = query(statement)
                .bind(account.as_str())
                .fetch_all(&mut connection)
                .await?;
            rows.into_iter().map(parse_attempt).collect()
        })
        .await
    }

    /// The accounts in which this happened, whatever became of it. `None`: the journal does not speak of it.
    ///
    /// # Errors
    /// [`StateError`] where they cannot be read.
    pub async fn accounts_of(
        &self,
        wanted: AppliedSelection<'_>,
    ) -> Result<Option<Vec<AccountId>>, StateError> {
        during("reading what the journal knows of it", async {
            let (statement, key) = match wanted {
                AppliedSelection::Action(action) => (
                    "SELECT DISTINCT account FROM journal WHERE action = $1",
                    action.as_str(),
                ),
                AppliedSelection::Run(run) => ("SELECT DISTINCT account FROM journal WHERE run = $1", run),
                AppliedSelection::Account(account) => (
                    "SELECT DISTINCT account FROM journal WHERE account = $1",
                    account.as_str(),
                ),
            };
            let mut connection = self.read().await?;
            let rows: Vec<Option<String>> = query(statement).bind(key).fetch_values(&mut connection).await?;
            if rows.is_empty() {
                return Ok(None);
            }
            let accounts: Result<_, _> = rows
                .iter()
                .flatten()
                .map(|account| parse_account(account))
                .collect();
            accounts.map(Some)
        })
        .await
    }

    /// The attempts of an account that were made and that nobody was told of, oldest first: the process that made them
    /// died before it could, or is about to.
    ///
    /// # Errors
    /// [`StateError`] where they cannot be read.
    pub async fn untold(&self, account: &AccountId) -> Result<Vec<Attempt>, StateError> {
        during(
            format!("reading what nobody was told of account {account}"),
            async {
                let statement = select_attempts!("i.account = $1 AND i.status = 'applied' AND i.told = 0");
                let mut connection = self.read().await?;
                let rows: Vec<AttemptRow> = query(statement)
                    .bind(account.as_str())
                    .fetch_all(&mut connection)
                    .await?;
                rows.into_iter().map(parse_attempt).collect()
            },
        )
        .await
    }

    /// What is applied at present and could be undone, oldest first: of each action its latest application, unless it
    /// was undone.
    ///
    /// # Errors
    /// [`StateError`] where they cannot be read.
    pub async fn applied_actions(&self, wanted: AppliedSelection<'_>) -> Result<Vec<Attempt>, StateError> {
        during("reading the applied actions", async {
            let mut connection = self.read().await?;
            read_applied(&mut connection, wanted).await
        })
        .await
    }

    /// All that was done to a resource, or was about to be, newest first.
    ///
    /// # Errors
    /// [`StateError`] where it cannot be read.
    pub async fn actions_on(&self, resource: &Arn) -> Result<Vec<ActionRecord>, StateError> {
        during(format!("reading the actions on {resource}"), async {
            let mut connection = self.read().await?;
            let mut records = read_records(
                &mut connection,
                select_records!("i.resource = $1"),
                resource.as_str(),
            )
            .await?;
            records.sort_by(|a, b| b.at.cmp(&a.at).then_with(|| b.run.cmp(&a.run)));
            Ok(records)
        })
        .await
    }
}

pub(super) async fn read_applied(
    connection: &mut Connection,
    wanted: AppliedSelection<'_>,
) -> Result<Vec<Attempt>, Cause> {
    let (statement, key) = match wanted {
        AppliedSelection::Action(action) => (select_applied!("i.action = $1"), action.as_str()),
        AppliedSelection::Run(run) => (select_applied!("i.run = $1"), run),
        AppliedSelection::Account(account) => (select_applied!("i.account = $1"), account.as_str()),
    };
    let rows: Vec<AttemptRow> = query(statement).bind(key).fetch_all(connection).await?;
    rows.into_iter().map(parse_attempt).collect()
}

/// What was tried in a run, in the order of the first attempts.
pub(super) async fn read_run_actions(
    connection: &mut Connection,
    run: &str,
) -> Result<Vec<ActionRecord>, Cause> {
    let mut records = read_records(connection, select_records!("i.run = $1"), run).await?;
    let rows: Vec<(String, String, String, String)> = query(
        "SELECT at, account, action, payload FROM journal WHERE run = $1 AND kind = 'stale' ORDER BY seq",
    )
    .bind(run)
    .fetch_all(connection)
    .await?;
    for (at, account, action, payload) in rows {
        let stored: StalePayload<'static> = parse_json("stale action", &payload)?;
        records.push(ActionRecord {
            id: ActionId(action),
            kind: stored.change.kind(),
            direction: stored.direction,
            account: parse_account(&account)?,
            subject: stored.change.subject(),
            resource: stored.resource.into_owned(),
            run: run.to_owned(),
            outcome: ActionOutcome::Stale,
            detail: Some(stored.detail.into_owned()),
            attempts: 0,
            at: parse_time(&at)?,
            finished_at: None,
            fencing: None,
            rolled_back_at: None,
        });
    }
    Ok(records)
}

type RecordRow = (
    String,
    String,
    String,
    String,
    String,
    String,
    String,
    String,
    String,
    Option<String>,
    i64,
    Option<String>,
    Option<String>,
);

/// The records of all attempts that the statement selects, those of one run, action and direction joined into one.
async fn read_records(
    connection: &mut Connection,
    statement: &'static str,
    key: &str,
) -> Result<Vec<ActionRecord>, Cause> {
    let rows: Vec<RecordRow> = query(statement).bind(key).fetch_all(connection).await?;
    let mut records: Vec<ActionRecord> = Vec::new();
    for row in rows {
        let next = parse_record(row)?;
        let same = |earlier: &&mut ActionRecord| {
            earlier.id == next.id && earlier.run == next.run && earlier.direction == next.direction
        };
        match records.iter_mut().rev().find(same) {
            Some(earlier) => {
                *earlier = ActionRecord {
                    attempts: earlier.attempts + 1,
                    ..next
                }
            }
            None => records.push(next),
        }
    }
    Ok(records)
}

fn parse_record(row: RecordRow) -> Result<ActionRecord, Cause> {
    let (
        action,
        kind,
        direction,
        account,
        resource,
        subject,
        run,
        status,
        at,
        outcome_at,
        fencing,
        outcome,
        undone,
    ) = row;
    let outcome: Option<OutcomePayload> = outcome
        .as_deref()
        .map(|payload| parse_json("outcome", payload))
        .transpose()?;
    Ok(ActionRecord {
        id: ActionId(action),
        kind: parse_kind(&kind)?,
        direction: parse_direction(&direction)?,
        account: parse_account(&account)?,
        resource: parse_resource(&resource)?,
        subject,
        run,
        outcome: AttemptStatus::parse(&status)?.into(),
        detail: outcome.map(|outcome| outcome.detail),
        attempts: 1,
        at: parse_time(&at)?,
        finished_at: parse_optional_time(outcome_at.as_deref())?,
        fencing: Some(parse_counter("fencing number", fencing)?),
        rolled_back_at: parse_optional_time(undone.as_deref())?,
    })
}

pub(super) fn parse_direction(word: &str) -> Result<Direction, Cause> {
    let known = [Direction::Apply, Direction::Undo]
        .into_iter()
        .find(|known| known.as_str() == word);
    known.ok_or_else(|| Cause::unreadable("direction", format!("unknown word `{word}`")))
}
