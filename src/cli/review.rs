//! `iamwarden review confirm`: records that somebody looked at a principal's permissions and found them right.

use anyhow::Context as _;

use super::arguments::ReviewCommand;
use super::explain::matching;
use super::opening::{Opening, StateUse, person, selection};
use super::{Exit, print};
use crate::daemon::{Reach, Reading, Run};
use crate::state::NewReview;

pub(super) async fn run(opening: &Opening, command: &ReviewCommand) -> anyhow::Result<Exit> {
    let ReviewCommand::Confirm {
        principal,
        by,
        reason,
        account,
    } = command;
    let house = opening.house(StateUse::Write).await?;
    let state = house.state.clone().context("there is no state")?;
    let by = person(by.clone())?;
    let accounts: Vec<_> = account.iter().cloned().collect();
    let selection = selection(&house.config, &[], &accounts)?;
    let run = Run::new(&house, Reach::Look);
    let mut found = Vec::new();
    for reading in run.read(&selection).await? {
        match reading {
            Reading::Done(surveyed) => {
                let authorization = surveyed.snapshot.authorization.known();
                let authorization = authorization.with_context(|| {
                    format!(
                        "the principals of account {} could not be read",
                        surveyed.snapshot.account
                    )
                })?;
                let caller = surveyed.session.caller().arn.clone();
                for arn in matching(authorization, principal) {
                    found.push((surveyed.snapshot.account.clone(), arn, caller.clone()));
                }
            }
            Reading::Failed { id, gap, .. } => anyhow::bail!(
                "account {id} could not be read ({} failed: {}): name another with --account",
                gap.operation,
                gap.detail
            ),
        }
    }
    let (account, arn, caller) = match found.as_slice() {
        [one] => one,
        [] => anyhow::bail!("no user, group or role is called `{principal}`"),
        several => {
            let names: Vec<_> = several.iter().map(|(_, arn, _)| arn.as_str()).collect();
            anyhow::bail!(
                "`{principal}` is one of several, name it by its ARN: {}",
                names.join(", ")
            );
        }
    };
    let review = NewReview {
        principal: arn,
        by: &by,
        reason: reason.as_deref(),
        caller: Some(caller),
    };
    state.record_review(account, review, house.clock.now()).await?;
    let every = house.config.rules.access_review.every;
    print(&format!(
        "Confirmed by {by}: the permissions of {arn}. The next review is due in {every}.\n"
    ))?;
    Ok(Exit::Ok)
}
