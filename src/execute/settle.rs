//! Attempts without an outcome: the process was killed, or the answer never came. AWS is asked what became of them.

use chrono::{DateTime, TimeDelta, Utc};
use tracing::{info, warn};

use super::precondition::read_live;
use crate::aws::Reader;
use crate::model::{AccountId, Precondition};
use crate::plan::Operation;
use crate::state::{Attempt, Direction, Outcome, State, StateError};

/// How long readings have to agree before an attempt that must not be repeated is settled.
const AGREEMENT: TimeDelta = TimeDelta::seconds(60);

/// How long an attempt that was settled as not made is looked at again, unless its action is tried anew: the request of
/// a process that was killed may still be on its way, and reads lag behind writes.
const LATE: TimeDelta = TimeDelta::minutes(5);

/// Since when an attempt must have been settled as not made to be looked at again.
pub fn looked_at_since(now: DateTime<Utc>) -> DateTime<Utc> {
    now.checked_sub_signed(LATE).unwrap_or(now)
}

/// Settles what is open in the account, as far as it can be settled now. An attempt that may be repeated harmlessly is
/// settled by one reading; any other by readings that agree for a minute, and its action stays withheld until then.
/// What was settled as not made a moment ago is looked at again: it may have been made after all.
///
/// # Errors
/// [`StateError`] where the attempts cannot be read: then nothing may be done in the account.
pub async fn settle(
    state: &State,
    reader: &Reader,
    account: &AccountId,
    now: DateTime<Utc>,
) -> Result<(), StateError> {
    for attempt in state.loose_ends(account, looked_at_since(now)).await? {
        // It stays open, and so its action stays withheld; the others go on.
        if let Err(error) = settle_one(state, reader, &attempt, now).await {
            warn!(%account, action = %attempt.intent.action, resource = %attempt.intent.resource, %error, "not settled yet");
        }
    }
    Ok(())
}

async fn settle_one(
    state: &State,
    reader: &Reader,
    attempt: &Attempt,
    now: DateTime<Utc>,
) -> anyhow::Result<()> {
    let intent = &attempt.intent;
    let (operation, done) = operation(attempt);
    let before = intent.precondition.without_use();
    let live = read_live(reader, &intent.resource, &operation, &before, None).await?;
    let looks_applied = Precondition::shows(live.as_ref(), done.as_ref());
    let is_open = attempt.status.is_open();
    if is_open && !intent.change.is_repeatable() {
        let progress = state.settle_reading(attempt.id, looks_applied, now).await?;
        if now - progress.agreeing_since < AGREEMENT {
            return Ok(());
        }
    }
    let (outcome, detail) = match (is_open, looks_applied) {
        (true, true) => (Outcome::Applied, "settled by reading AWS: it was done"),
        (true, false) => (Outcome::NotApplied, "settled by reading AWS: it was not done"),
        (false, true) => (
            Outcome::Applied,
            "settled by reading AWS again: it was done after all",
        ),
        (false, false) => return Ok(()),
    };
    state
        .record_outcome(
            attempt.id,
            outcome,
            detail,
            live.map(|live| serde_json::json!(live)),
            now,
        )
        .await?;
    info!(account = %intent.account, action = %intent.action, resource = %intent.resource, outcome = outcome.as_str(), "settled");
    Ok(())
}

/// What was attempted, and what is true once it is done.
fn operation(attempt: &Attempt) -> (Operation, Option<Precondition>) {
    let intent = &attempt.intent;
    match (intent.direction, &intent.inverse) {
        (Direction::Undo, Some(inverse)) => (
            Operation::Undo(inverse.clone()),
            intent.precondition.undone(inverse),
        ),
        (Direction::Apply | Direction::Undo, _) => (
            Operation::Apply(intent.change.clone()),
            intent.precondition.after(&intent.change),
        ),
    }
}
