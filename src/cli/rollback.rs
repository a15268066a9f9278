//! `iamwarden rollback`: undoes what was applied, or refuses.

use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::time::Duration;

use anyhow::Context as _;

use super::arguments::RollbackArguments;
use super::opening::{Opening, StateUse, person};
use super::{Exit, print, results};
use crate::daemon::{Reach, Run};
use crate::execute::{ActionReport, ActionResult};
use crate::model::{AccountId, ActionId};
use crate::state::{AppliedSelection, Attempt, State};

const DELIVERY: Duration = Duration::from_secs(20);

pub(super) async fn run(opening: &Opening, arguments: &RollbackArguments) -> anyhow::Result<Exit> {
    let house = opening.house(StateUse::Write).await?;
    let state = house.state.clone().context("there is no state")?;
    if house.config.dry_run {
        print("dry_run = true in the configuration: nothing is rolled back.\n")?;
        return Ok(Exit::Error);
    }
    let ids: Vec<_> = arguments.actions.iter().cloned().map(ActionId).collect();
    let wanted: Vec<_> = match &arguments.run {
        Some(run) => vec![AppliedSelection::Run(run)],
        None => ids.iter().map(AppliedSelection::Action).collect(),
    };
    let accounts = accounts(&state, &wanted).await?;
    let run = Run::new(&house, Reach::Change);
    // A process that was killed may have applied something that nobody knows of yet, or have undone it.
    let settled = run.settle_before_rollback(&state, &accounts).await?;
    let mut applied = Vec::new();
    for wanted in &wanted {
        applied.extend(state.applied_actions(*wanted).await?);
    }
    let open = still_open(&state, &accounts, &wanted).await?;
    let consents = applied.is_empty() || arguments.yes || is_heard(&applied)?;
    let mut reports = Vec::new();
    if !applied.is_empty() && consents {
        run.begin(&state, "rollback", None).await?;
        let progress = results::Progress::start("undoing changes");
        reports = run.roll_back(&state, &applied).await;
        progress.end();
        let status = if is_done(&reports) { "done" } else { "failed" };
        run.finish(&state, status, &reports).await?;
    }
    let by = person(None).unwrap_or_else(|_| "command line".to_owned());
    let told: Vec<_> = settled.iter().chain(&reports).cloned().collect();
    run.tell_rollback(&state, &told, &by).await?;
    house.deliver(&house.courier()?, &state, DELIVERY).await?;
    match (applied.is_empty(), consents) {
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
    Ok(match consents && open == 0 && is_done(&reports) {
        true => Exit::Ok,
        false => Exit::Error,
    })
}

/// The accounts that it is about. What nobody ever heard of is an error: it may be a slip.
async fn accounts(state: &State, wanted: &[AppliedSelection<'_>]) -> anyhow::Result<BTreeSet<AccountId>> {
    let mut accounts = BTreeSet::new();
    for wanted in wanted {
        let found = state.accounts_of(*wanted).await?;
        let what = match wanted {
            AppliedSelection::Action(id) => format!("action `{id}`"),
            AppliedSelection::Run(run) => format!("run `{run}`"),
            AppliedSelection::Account(id) => format!("account {id}"),
        };
        accounts.extend(
            found
                .with_context(|| format!("nothing is known of {what}: `iamwarden history` lists what is"))?,
        );
    }
    Ok(accounts)
}

/// How many attempts of it wait for their outcome still.
async fn still_open(
    state: &State,
    accounts: &BTreeSet<AccountId>,
    wanted: &[AppliedSelection<'_>],
) -> anyhow::Result<usize> {
    let mut open = 0;
    for account in accounts {
        let is_wanted = |attempt: &&Attempt| {
            wanted.iter().any(|wanted| match wanted {
                AppliedSelection::Action(id) => attempt.intent.action == **id,
                AppliedSelection::Run(run) => attempt.intent.run == *run,
                AppliedSelection::Account(id) => attempt.intent.account == **id,
            })
        };
        open += state
            .open_intents(account)
            .await?
            .iter()
            .filter(is_wanted)
            .count();
    }
    Ok(open)
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

fn is_done(reports: &[ActionReport]) -> bool {
    reports
        .iter()
        .all(|report| report.result == ActionResult::Applied)
}
