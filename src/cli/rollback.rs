//! `iamwarden rollback`: undoes what was applied, or refuses.

use std::io::IsTerminal;
use std::time::Duration;

use anyhow::Context as _;

use super::arguments::RollbackArguments;
use super::opening::{Opening, StateUse, person};
use super::{Exit, print, results};
use crate::daemon::{Reach, Run};
use crate::execute::ActionResult;
use crate::model::ActionId;
use crate::state::AppliedSelection;

const DELIVERY: Duration = Duration::from_secs(20);

pub(super) async fn run(opening: &Opening, arguments: &RollbackArguments) -> anyhow::Result<Exit> {
    let house = opening.house(StateUse::Write).await?;
    let state = house.state.clone().context("there is no state")?;
    let mut applied = Vec::new();
    match &arguments.run {
        Some(run) => applied.extend(state.applied_actions(AppliedSelection::Run(run)).await?),
        None => {
            for id in &arguments.actions {
                let id = ActionId(id.clone());
                applied.extend(state.applied_actions(AppliedSelection::Action(&id)).await?);
            }
        }
    }
    if applied.is_empty() {
        print("Nothing to roll back: no such action is applied, or it was rolled back already.\n")?;
        return Ok(Exit::Ok);
    }
    if house.config.dry_run {
        print("dry_run = true in the configuration: nothing is rolled back.\n")?;
        return Ok(Exit::Held);
    }
    for attempt in &applied {
        let intent = &attempt.intent;
        let inverse = intent
            .inverse
            .as_ref()
            .map_or("cannot be undone", |inverse| inverse.kind_str());
        print(&format!(
            "{inverse}: {} of {}\n",
            intent.change.subject(),
            intent.resource
        ))?;
    }
    if !arguments.yes {
        let heard = std::io::stdin().is_terminal()
            && super::apply::confirm(&format!("Undo {} change(s)?", applied.len()))?;
        if !heard {
            tracing::warn!("nothing was rolled back: consent is missing (--yes, or `yes` on a terminal)");
            return Ok(Exit::Held);
        }
    }
    let run = Run::new(&house, Reach::Change);
    run.begin(&state, "rollback", None).await?;
    let reports = run.roll_back(&state, &applied).await?;
    run.tell_rollback(
        &state,
        &reports,
        &person(None).unwrap_or_else(|_| "command line".to_owned()),
    )
    .await?;
    let undone = reports
        .iter()
        .all(|report| report.result == ActionResult::Applied);
    run.finish(&state, if undone { "done" } else { "failed" }, &reports)
        .await?;
    house.deliver(&house.courier()?, &state, DELIVERY).await?;
    print(&results::render(&reports))?;
    Ok(if undone { Exit::Ok } else { Exit::Error })
}
