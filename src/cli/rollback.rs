//! `iamwarden rollback`: undoes what was applied, or refuses.

use std::io::IsTerminal;
use std::time::Duration;

use anyhow::Context as _;

use super::arguments::RollbackArguments;
use super::opening::{Opening, StateUse, person};
use super::{Exit, print, results};
use crate::daemon::{Reach, Run, Undo, is_undone};
use crate::model::ActionId;
use crate::state::Attempt;

const DELIVERY: Duration = Duration::from_secs(20);

pub(super) async fn run(opening: &Opening, arguments: &RollbackArguments) -> anyhow::Result<Exit> {
    let house = opening.house(StateUse::Write).await?;
    let state = house.state.clone().context("there is no state")?;
    if house.config.dry_run {
        print("dry_run = true in the configuration: nothing is rolled back.\n")?;
        return Ok(Exit::Error);
    }
    let undo = match &arguments.run {
        Some(run) => Undo::Run(run.clone()),
        None => Undo::Actions(arguments.actions.iter().cloned().map(ActionId).collect()),
    };
    let by = person(None).unwrap_or_else(|_| "command line".to_owned());
    let run = Run::new(&house, Reach::Change);
    let undoable = run.undoable(&state, &undo).await?;
    let (nothing, open) = (undoable.applied.is_empty(), undoable.open);
    let consents = nothing || arguments.yes || is_heard(&undoable.applied)?;
    let mut reports = Vec::new();
    if !nothing && consents {
        let progress = results::Progress::start("undoing changes");
        reports = run.undo(&state, &undoable, &by).await?;
        progress.end();
    }
    let told: Vec<_> = undoable.settled.iter().chain(&reports).cloned().collect();
    run.tell_rollback(&state, &told, &by).await?;
    house.deliver(&house.courier()?, &state, DELIVERY).await?;
    match (nothing, consents) {
        (true, _) if open == 0 => {
            print("Nothing to roll back: it was never applied, or it was rolled back already.\n")?;
        }
        (true, _) => {}
        (false, true) => print(&results::render(&reports))?,
        (false, false) => {
            tracing::warn!("nothing was rolled back: consent is missing (--yes, or `yes` on a terminal)");
        }
    }
    if open > 0 {
        print(&format!(
            "{open} of it still being settled: what became of it shows when AWS said the same for a minute. Then try again.\n"
        ))?;
    }
    Ok(match consents && open == 0 && is_undone(&reports) {
        true => Exit::Ok,
        false => Exit::Error,
    })
}

/// Shows what is to be undone, and asks where there is a terminal.
fn is_heard(applied: &[Attempt]) -> anyhow::Result<bool> {
    for attempt in applied {
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
    Ok(std::io::stdin().is_terminal()
        && super::apply::confirm(&format!("Undo {} change(s)?", applied.len()))?)
}
