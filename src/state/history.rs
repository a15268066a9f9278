//! The memory of one account, as rules and planner get it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::attempts::{AppliedSelection, parse_kind, parse_resource, read_applied};
use super::connection::{Connection, State};
use super::encoding::parse_time;
use super::error::{Cause, StateError, during};
use super::exemptions::read_granted;
use super::freeze::read_freeze;
use super::intents::changes_in_last_day;
use super::notices::{read_notices, read_told_of};
use super::observations::read_observations;
use super::plans::read_unspent_decisions;
use super::reviews::read_reviews;
use super::statement::query;
use crate::model::{AccessKeyId, AccountId, ActionId, Arn, Change, DisabledKey, History, Target};

impl State {
    /// All that is remembered of an account, as of one moment.
    ///
    /// # Errors
    /// [`StateError`] where any of it cannot be read: half a memory is none.
    pub async fn history(&self, account: &AccountId, now: DateTime<Utc>) -> Result<History, StateError> {
        during(format!("reading the history of account {account}"), async {
            let mut snapshot = self.read().await?;
            let decisions = read_unspent_decisions(&mut snapshot, account).await?;
            let (disabled_keys, mfa_required) = read_standing_changes(&mut snapshot, account).await?;
            let history = History {
                notices: read_notices(&mut snapshot, account).await?,
                told_of: read_told_of(&mut snapshot, account, now).await?,
                observations: read_observations(&mut snapshot, account).await?,
                disabled_keys,
                mfa_required,
                decisions: decisions.into_iter().map(|record| record.decision).collect(),
                rolled_back: read_rolled_back(&mut snapshot, account).await?,
                unsettled: read_unsettled(&mut snapshot, account).await?,
                changes_in_last_day: changes_in_last_day(&mut snapshot, account, now).await?,
                frozen: read_freeze(&mut snapshot).await?,
                reviews: read_reviews(&mut snapshot, account).await?,
                exemptions: read_granted(&mut snapshot, account).await?,
            };
            snapshot.end().await?;
            self.ensure_unchanged()?;
            Ok(history)
        })
        .await
    }
}

/// Keys that were disabled, and users of whom MFA was required, as far as we did not undo it. That a person may have undone
/// it is seen elsewhere, in AWS.
async fn read_standing_changes(
    connection: &mut Connection,
    account: &AccountId,
) -> Result<(BTreeMap<AccessKeyId, DisabledKey>, BTreeMap<Arn, DateTime<Utc>>), Cause> {
    let mut keys = BTreeMap::new();
    let mut mfa_required = BTreeMap::new();
    for attempt in read_applied(connection, AppliedSelection::Account(account)).await? {
        let (user, at) = (attempt.intent.resource, attempt.outcome_at.unwrap_or(attempt.at));
        match attempt.intent.change {
            Change::DisableAccessKey { access_key_id } => {
                keys.insert(access_key_id, DisabledKey { user, at });
            }
            Change::RequireMfa(_) => {
                mfa_required.insert(user, at);
            }
            Change::DeleteAccessKey { .. }
            | Change::UpdatePasswordPolicy(_)
            | Change::DetachPolicy { .. }
            | Change::LiftMfaRequirement { .. }
            | Change::DeleteLoginProfile {}
            | Change::QuarantineRole(_)
            | Change::Regional(_) => {}
        }
    }
    Ok((keys, mfa_required))
}

/// What was last changed by an undoing. Not by the action's id: that of a password policy is another one as soon as
/// anybody changes any field of it.
async fn read_rolled_back(
    connection: &mut Connection,
    account: &AccountId,
) -> Result<BTreeMap<Target, DateTime<Utc>>, Cause> {
    let rows: Vec<(String, String, String, String)> = query(
        "SELECT i.kind, i.resource, i.subject, i.outcome_at FROM intents i \
         WHERE i.account = $1 AND i.direction = 'undo' AND i.status = 'applied' \
         AND NOT EXISTS (SELECT 1 FROM intents later \
             WHERE later.account = i.account AND later.kind = i.kind AND later.resource = i.resource \
             AND later.subject = i.subject AND later.status = 'applied' AND later.outcome_seq > i.outcome_seq)",
    )
    .bind(account.as_str())
    .fetch_all(connection)
    .await?;
    let parse = |(kind, resource, subject, at): (String, String, String, String)| {
        let target = Target {
            kind: parse_kind(&kind)?,
            resource: parse_resource(&resource)?,
            subject,
        };
        Ok((target, parse_time(&at)?))
    };
    rows.into_iter().map(parse).collect()
}

async fn read_unsettled(
    connection: &mut Connection,
    account: &AccountId,
) -> Result<BTreeSet<ActionId>, Cause> {
    let rows: Vec<String> =
        query("SELECT action FROM intents WHERE account = $1 AND status IN ('open', 'unknown')")
            .bind(account.as_str())
            .fetch_values(connection)
            .await?;
    Ok(rows.into_iter().map(ActionId).collect())
}
