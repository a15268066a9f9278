//! Intents and outcomes: what is about to be done is on disk before the call, what became of it after.
//!
//! An attempt is open from its intent to an outcome other than `unknown`. An action never has two open attempts.

use std::borrow::Cow;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::attempts::{AttemptStatus, parse_account, parse_direction};
use super::connection::{Connection, State};
use super::encoding::{counter_number, json_text, parse_counter, parse_json, parse_time, time_text};
use super::error::{Cause, StateError, during};
use super::freeze::read_freeze;
use super::journal::{Entry, JournalKind, append, append_under_lease};
use super::lease::Lease;
use super::plans::{DecisionId, is_live_approval};
use super::statement::query;
use crate::model::{AccountId, ActionId, ActionMode, Arn, Change, FindingId, Freeze, Inverse, Precondition};

/// Names an attempt: the number of its intent in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IntentId(pub(super) i64);

impl IntentId {
    /// The number: tells one attempt at an action from another.
    pub fn number(self) -> u32 {
        u32::try_from(self.0).unwrap_or(u32::MAX)
    }
}

impl std::fmt::Display for IntentId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Whether a change is made or undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The change itself.
    Apply,
    /// Its inverse.
    Undo,
}

impl Direction {
    /// The word in the journal.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::Undo => "undo",
        }
    }
}

/// What is about to be done, by value: all that settling and rollback will need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// Which action this is, or undoes.
    pub action: ActionId,
    /// In which run.
    pub run: String,
    /// Making the change or undoing it.
    pub direction: Direction,
    /// In which account.
    pub account: AccountId,
    /// To what.
    pub resource: Arn,
    /// The change; of an undoing, the change that is undone.
    pub change: Change,
    /// How it is undone; of an undoing, what is called now.
    pub inverse: Option<Inverse>,
    /// The state before, as it was read right before.
    pub precondition: Precondition,
    /// Whose consent the action needs.
    pub mode: ActionMode,
    /// The approval that it is done under, where it needs one.
    pub decision: Option<DecisionId>,
    /// What justifies it.
    pub findings: Vec<FindingId>,
}

/// What stands in an intent's row beside the columns.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct IntentPayload<'a> {
    pub(super) attempt: u32,
    pub(super) direction: Direction,
    pub(super) resource: Cow<'a, Arn>,
    pub(super) change: Cow<'a, Change>,
    pub(super) inverse: Cow<'a, Option<Inverse>>,
    pub(super) precondition: Cow<'a, Precondition>,
    pub(super) mode: ActionMode,
    pub(super) decision: Option<DecisionId>,
    pub(super) findings: Cow<'a, [FindingId]>,
}

/// Whether an intent was recorded. Anything but the first means: make no call.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "no call may be made unless the intent was recorded"]
pub enum IntentRecorded {
    /// It is on disk.
    Recorded(IntentId),
    /// Somebody else may hold the account by now.
    LeaseLost,
    /// As many changes as the guardrail allows were made, or may have been made, in the last 24 hours.
    DayCapReached {
        /// How many.
        changes: u32,
    },
    /// All changes are frozen. Undoing is not held back.
    Frozen(Freeze),
    /// An earlier attempt has no outcome yet: it has to be settled first.
    AlreadyOpen(IntentId),
    /// The action needs an approval, and the one named is not of this action, was rejected later, or is spent.
    ConsentGone,
}

/// What became of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was made.
    Applied,
    /// It was not made.
    NotApplied,
    /// AWS refused it; nothing was changed.
    Failed,
    /// Nobody knows yet; the attempt stays open.
    Unknown,
}

impl Outcome {
    /// The word in the journal.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::NotApplied => "not_applied",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}

/// What stands in an outcome's row beside the columns.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OutcomePayload {
    pub(super) intent: IntentId,
    pub(super) direction: Direction,
    pub(super) outcome: Outcome,
    pub(super) detail: String,
    pub(super) after: Option<Value>,
}

/// Since when all readings of an open attempt say the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SettleProgress {
    /// What they say.
    pub looks_applied: bool,
    /// The first of the readings that agree.
    pub agreeing_since: DateTime<Utc>,
}

/// An action that was not tried, because what was true in its plan is not any more.
#[derive(Debug, Clone, Copy)]
pub struct StaleAction<'a> {
    /// Which action.
    pub action: &'a ActionId,
    /// In which run.
    pub run: &'a str,
    /// In which account.
    pub account: &'a AccountId,
    /// On what.
    pub resource: &'a Arn,
    /// What it would have changed.
    pub change: &'a Change,
    /// Making or undoing.
    pub direction: Direction,
    /// What had moved.
    pub detail: &'a str,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StalePayload<'a> {
    pub(super) resource: Cow<'a, Arn>,
    pub(super) change: Cow<'a, Change>,
    pub(super) direction: Direction,
    pub(super) detail: Cow<'a, str>,
}

impl State {
    /// Puts an intent on disk, if nothing forbids it: the lease holds by the database's clock, no earlier attempt is
    /// open, and, unless something is undone, there is no freeze, the approval named is live, and the cap of a
    /// rolling day is not reached (`None`: no cap). All of it is one transaction.
    ///
    /// # Errors
    /// [`StateError`] where it cannot be written; then there is no row, and no call may be made.
    pub async fn record_intent(
        &self,
        lease: &Lease,
        intent: &Intent,
        max_changes_per_day: Option<u32>,
        now: DateTime<Utc>,
    ) -> Result<IntentRecorded, StateError> {
        let Intent {
            action,
            account,
            resource,
            ..
        } = intent;
        during(
            format!("recording the intent of {action} on {resource} in account {account}"),
            async {
                if lease.account() != account {
                    let (lease, intent) = (lease.account().to_string(), account.to_string());
                    return Err(Cause::WrongAccount { lease, intent });
                }
                let mut transaction = self.write().await?;
                if let Some(refusal) = refusal(&mut transaction, intent, max_changes_per_day, now).await? {
                    return Ok(refusal);
                }
                let Some(id) = insert_intent(&mut transaction, lease, intent, now).await? else {
                    return Ok(IntentRecorded::LeaseLost);
                };
                transaction.commit().await?;
                Ok(IntentRecorded::Recorded(id))
            },
        )
        .await
    }

    /// Records what became of an attempt. When it was applied, every decision of its action so far is spent by that.
    ///
    /// Saying the same again changes nothing, so this may be repeated after an error. An attempt that readings had
    /// settled as `not_applied` can still turn out applied, when the answer to its call comes very late.
    ///
    /// # Errors
    /// [`StateError`] where it cannot be written, or the attempt has another outcome already.
    pub async fn record_outcome(
        &self,
        intent: IntentId,
        outcome: Outcome,
        detail: &str,
        after: Option<Value>,
        now: DateTime<Utc>,
    ) -> Result<(), StateError> {
        during(
            format!("recording the outcome {} of intent {intent}", outcome.as_str()),
            async {
                let mut transaction = self.write().await?;
                let attempt = read_attempt_key(&mut transaction, intent).await?;
                match (attempt.status, outcome) {
                    (AttemptStatus::Open | AttemptStatus::Unknown, _)
                    | (AttemptStatus::NotApplied, Outcome::Applied) => {}
                    (AttemptStatus::Applied, Outcome::Applied)
                    | (AttemptStatus::NotApplied, Outcome::NotApplied)
                    | (AttemptStatus::Failed, Outcome::Failed) => return Ok(()),
                    (
                        settled
                        @ (AttemptStatus::Applied | AttemptStatus::NotApplied | AttemptStatus::Failed),
                        _,
                    ) => {
                        return Err(Cause::AlreadySettled {
                            intent,
                            settled: settled.as_str(),
                        });
                    }
                }
                let direction = attempt.direction;
                let payload = OutcomePayload {
                    intent,
                    direction,
                    outcome,
                    detail: detail.to_owned(),
                    after,
                };
                let entry = Entry::new(JournalKind::Outcome, now, json!(payload))
                    .account(&attempt.account)
                    .run(&attempt.run)
                    .action(&attempt.action)
                    .fencing(attempt.fencing);
                let seq = append(&mut transaction, &entry).await?;
                query("UPDATE intents SET status = $1, outcome_seq = $2, outcome_at = $3 WHERE seq = $4")
                    .bind(outcome.as_str())
                    .bind(seq)
                    .bind(time_text(now))
                    .bind(intent.0)
                    .execute(&mut transaction)
                    .await?;
                transaction.commit().await
            },
        )
        .await
    }

    /// Takes down one reading of an open attempt, and says since when all readings agree. A reading that differs from
    /// the one before, or a clock set back, starts afresh.
    ///
    /// # Errors
    /// [`StateError`] where it cannot be written, or the attempt is settled.
    pub async fn settle_reading(
        &self,
        intent: IntentId,
        looks_applied: bool,
        now: DateTime<Utc>,
    ) -> Result<SettleProgress, StateError> {
        during(format!("recording a reading of intent {intent}"), async {
            let mut transaction = self.write().await?;
            let (status, since, applied): (String, Option<String>, Option<i64>) =
                query("SELECT status, settling_since, settling_applied FROM intents WHERE seq = $1")
                    .bind(intent.0)
                    .fetch_optional(&mut transaction)
                    .await?
                    .ok_or(Cause::NoSuchIntent(intent))?;
            let status = AttemptStatus::parse(&status)?;
            if !status.is_open() {
                return Err(Cause::AlreadySettled {
                    intent,
                    settled: status.as_str(),
                });
            }
            let since = since.as_deref().map(parse_time).transpose()?;
            let agreeing_since = match since {
                Some(since) if applied == Some(looks_applied.into()) && since <= now => since,
                Some(_) | None => now,
            };
            query("UPDATE intents SET settling_since = $1, settling_applied = $2 WHERE seq = $3")
                .bind(time_text(agreeing_since))
                .bind(looks_applied)
                .bind(intent.0)
                .execute(&mut transaction)
                .await?;
            transaction.commit().await?;
            Ok(SettleProgress {
                looks_applied,
                agreeing_since,
            })
        })
        .await
    }

    /// Records that an action was not tried, because the world had moved since its plan.
    ///
    /// # Errors
    /// [`StateError`] where it cannot be written.
    pub async fn record_stale(&self, stale: StaleAction<'_>, now: DateTime<Utc>) -> Result<(), StateError> {
        let StaleAction {
            action,
            run,
            account,
            resource,
            change,
            direction,
            detail,
        } = stale;
        during(
            format!("recording that {action} on {resource} in account {account} is stale"),
            async {
                let payload = StalePayload {
                    resource: Cow::Borrowed(resource),
                    change: Cow::Borrowed(change),
                    direction,
                    detail: Cow::Borrowed(detail),
                };
                let entry = Entry::new(JournalKind::Stale, now, json!(payload))
                    .account(account)
                    .run(run)
                    .action(action);
                let mut transaction = self.write().await?;
                append(&mut transaction, &entry).await?;
                transaction.commit().await
            },
        )
        .await
    }
}

/// Why the intent must not be recorded, save for the lease, which the insertion itself checks.
async fn refusal(
    connection: &mut Connection,
    intent: &Intent,
    max_changes_per_day: Option<u32>,
    now: DateTime<Utc>,
) -> Result<Option<IntentRecorded>, Cause> {
    let open: Option<i64> =
        query("SELECT seq FROM intents WHERE account = $1 AND action = $2 AND status IN ('open', 'unknown')")
            .bind(intent.account.as_str())
            .bind(intent.action.as_str())
            .fetch_optional_value(connection)
            .await?;
    if let Some(open) = open {
        return Ok(Some(IntentRecorded::AlreadyOpen(IntentId(open))));
    }
    match intent.direction {
        Direction::Undo => return Ok(None),
        Direction::Apply => {}
    }
    if let Some(freeze) = read_freeze(connection).await? {
        return Ok(Some(IntentRecorded::Frozen(freeze)));
    }
    let consent = match (intent.mode, intent.decision) {
        (_, Some(decision)) => {
            is_live_approval(connection, decision, &intent.account, &intent.action).await?
        }
        (ActionMode::Enforce, None) => true,
        (ActionMode::Approve, None) => false,
    };
    if !consent {
        return Ok(Some(IntentRecorded::ConsentGone));
    }
    if let Some(cap) = max_changes_per_day {
        let changes = changes_in_last_day(connection, &intent.account, now).await?;
        if changes >= cap {
            return Ok(Some(IntentRecorded::DayCapReached { changes }));
        }
    }
    Ok(None)
}

/// How many changes were made, or may have been made, in the last 24 hours. Where the clock was set back, those in the
/// future count too.
pub(super) async fn changes_in_last_day(
    connection: &mut Connection,
    account: &AccountId,
    now: DateTime<Utc>,
) -> Result<u32, Cause> {
    let changes: i64 = query(
        "SELECT COUNT(*) FROM intents WHERE account = $1 AND at > $2 AND direction = 'apply' \
         AND status IN ('open', 'unknown', 'applied')",
    )
    .bind(account.as_str())
    .bind(time_text(now - TimeDelta::days(1)))
    .fetch_value(connection)
    .await?;
    u32::try_from(changes).map_err(|source| Cause::unreadable("number of changes", source))
}

async fn insert_intent(
    connection: &mut Connection,
    lease: &Lease,
    intent: &Intent,
    now: DateTime<Utc>,
) -> Result<Option<IntentId>, Cause> {
    let Intent {
        action,
        run,
        direction,
        account,
        resource,
        change,
        inverse,
        precondition,
        mode,
        decision,
        findings,
    } = intent;
    let earlier: i64 =
        query("SELECT COUNT(*) FROM intents WHERE account = $1 AND action = $2 AND direction = $3")
            .bind(account.as_str())
            .bind(action.as_str())
            .bind(direction.as_str())
            .fetch_value(connection)
            .await?;
    let attempt = u32::try_from(earlier + 1).map_err(|source| Cause::unreadable("attempt", source))?;
    let payload = IntentPayload {
        attempt,
        direction: *direction,
        resource: Cow::Borrowed(resource),
        change: Cow::Borrowed(change),
        inverse: Cow::Borrowed(inverse),
        precondition: Cow::Borrowed(precondition),
        mode: *mode,
        decision: *decision,
        findings: Cow::Borrowed(findings),
    };
    let payload = parse_json("intent", &json_text("intent", &payload)?)?;
    let entry = Entry::new(JournalKind::Intent, now, payload)
        .account(account)
        .run(run)
        .action(action)
        .fencing(lease.fencing());
    let Some(seq) = append_under_lease(connection, &entry, lease).await? else {
        return Ok(None);
    };
    query(
        "INSERT INTO intents \
         (seq, account, action, run, direction, kind, resource, subject, attempt, fencing, at, status) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'open')",
    )
    .bind(seq)
    .bind(account.as_str())
    .bind(action.as_str())
    .bind(run)
    .bind(direction.as_str())
    .bind(change.kind().as_str())
    .bind(resource.as_str())
    .bind(change.subject())
    .bind(i64::from(attempt))
    .bind(counter_number("fencing number", lease.fencing())?)
    .bind(time_text(now))
    .execute(connection)
    .await?;
    Ok(Some(IntentId(seq)))
}

struct AttemptKey {
    status: AttemptStatus,
    direction: Direction,
    account: AccountId,
    run: String,
    action: ActionId,
    fencing: u64,
}

async fn read_attempt_key(connection: &mut Connection, intent: IntentId) -> Result<AttemptKey, Cause> {
    let (status, direction, account, run, action, fencing): (String, String, String, String, String, i64) =
        query("SELECT status, direction, account, run, action, fencing FROM intents WHERE seq = $1")
            .bind(intent.0)
            .fetch_optional(connection)
            .await?
            .ok_or(Cause::NoSuchIntent(intent))?;
    Ok(AttemptKey {
        status: AttemptStatus::parse(&status)?,
        direction: parse_direction(&direction)?,
        account: parse_account(&account)?,
        run,
        action: ActionId(action),
        fencing: parse_counter("fencing number", fencing)?,
    })
}
