//! Attempts without an outcome: the process was killed, or the answer never came. AWS is asked what became of them.

use chrono::{DateTime, TimeDelta, Utc};
use tracing::{info, warn};

use super::precondition::read_live;
use super::report::{ActionReport, ActionResult};
use crate::aws::Reader;
use crate::model::{AccountId, Precondition};
use crate::plan::Operation;
use crate::state::{Attempt, Direction, Outcome, State, StateError};

/// How long readings have to agree before an attempt that must not be repeated is settled.
const AGREEMENT: TimeDelta = TimeDelta::seconds(60);

/// Settles what is open in the account, as far as it can be settled now. An attempt that may be repeated harmlessly is
/// settled by one reading; any other by readings that agree for a minute, and its action stays withheld until then.
/// Reports those that turned out applied, so that their owners hear of them.
///
/// # Errors
/// [`StateError`] where the open attempts cannot be read: then nothing may be done in the account.
pub async fn settle(
    state: &State,
    reader: &Reader,
    account: &AccountId,
    now: DateTime<Utc>,
) -> Result<Vec<ActionReport>, StateError> {
    let mut reports = Vec::new();
    for attempt in state.open_intents(account).await? {
        match settle_one(state, reader, &attempt, now).await {
            Ok(Some(result)) => {
                let undo = attempt.intent.direction == Direction::Undo;
                reports.push(ActionReport::of_attempt(&attempt, undo, result));
            }
            Ok(None) => {}
            // It stays open, and so its action stays withheld; the others go on.
            Err(error) => {
                warn!(%account, action = %attempt.intent.action, resource = %attempt.intent.resource, %error, "not settled yet");
            }
        }
    }
    Ok(reports)
}

async fn settle_one(
    state: &State,
    reader: &Reader,
    attempt: &Attempt,
    now: DateTime<Utc>,
) -> anyhow::Result<Option<ActionResult>> {
    let intent = &attempt.intent;
    let (operation, done) = operation(attempt);
    let before = intent.precondition.without_use();
    let live = read_live(reader, &intent.resource, &operation, &before, None).await?;
    let looks_applied = live == done;
    let repeatable = intent.change.is_repeatable();
    if !repeatable {
        let progress = state.settle_reading(attempt.id, looks_applied, now).await?;
        if now - progress.agreeing_since < AGREEMENT {
            return Ok(None);
        }
    }
    let (outcome, detail) = match looks_applied {
        true => (Outcome::Applied, "settled by reading AWS: it was done"),
        false => (Outcome::NotApplied, "settled by reading AWS: it was not done"),
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
    Ok(looks_applied.then_some(ActionResult::Applied))
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
