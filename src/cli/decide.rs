//! `iamwarden approve` and `reject`: decides a saved plan, whole or by action.

use anyhow::Context as _;

use super::arguments::DecideArguments;
use super::opening::{Opening, StateUse, person};
use super::{Exit, print};
use crate::daemon::DecisionRequest;
use crate::model::{ActionId, Verdict};

pub(super) async fn run(
    opening: &Opening,
    arguments: &DecideArguments,
    verdict: Verdict,
) -> anyhow::Result<Exit> {
    let house = opening.house(StateUse::Write).await?;
    let state = house.state.clone().context("there is no state")?;
    let by = person(arguments.by.clone())?;
    anyhow::ensure!(
        house.config.approvals.command_line,
        "approvals.command_line = false: decisions are not taken here"
    );
    let request = DecisionRequest {
        plan: arguments.plan.clone(),
        actions: arguments.actions.iter().cloned().map(ActionId).collect(),
        verdict,
        by: by.clone(),
        reason: arguments.reason.clone(),
    };
    let made = house.decide(&state, &request).await?;
    let word = match verdict {
        Verdict::Approved => "Approved",
        Verdict::Rejected => "Rejected",
    };
    let mut text = format!("{word} by {by}, of plan {}:\n", made.plan);
    for action in &made.actions {
        text.push_str(&format!(
            "  {} {} of {}\n",
            action.id,
            action.change.kind(),
            action.resource
        ));
    }
    if made.outdated {
        text.push_str(
            "The configuration changed since that plan: what was decided holds for the old one only.\n",
        );
    }
    print(&text)?;
    Ok(Exit::Ok)
}
