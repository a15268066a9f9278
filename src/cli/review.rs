//! `iamwarden review confirm`: records that somebody looked at a principal's permissions and found them right.

use anyhow::Context as _;

use super::arguments::ReviewCommand;
use super::opening::{Opening, StateUse, person};
use super::principal::look_up;
use super::{Exit, print};
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
    let (account, arn, caller) = look_up(&house, principal, account.as_deref()).await?;
    let review = NewReview {
        principal: &arn,
        by: &by,
        reason: reason.as_deref(),
        caller: Some(&caller),
    };
    state.record_review(&account, review, house.clock.now()).await?;
    let every = house.config.rules.access_review.every;
    print(&format!(
        "Confirmed by {by}: the permissions of {arn}. The next review is due in {every}.\n"
    ))?;
    Ok(Exit::Ok)
}
