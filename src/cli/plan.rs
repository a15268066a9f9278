//! `iamwarden plan`: what is found and would be done. Changes nothing in AWS and sends nothing.

use std::fs::File;
use std::io::{BufWriter, IsTerminal, Write as _};
use std::path::Path;

use anyhow::Context as _;

use super::arguments::{PlanArguments, PlanFormat};
use super::opening::{Opening, StateUse, selection};
use super::{Exit, print};
use crate::daemon::{House, Reach, Run, reads_failed};
use crate::inventory::Snapshot;
use crate::model::{ActionState, History, WithheldReason};
use crate::plan::render::{self, TextStyle};
use crate::plan::{self, Plan, PlanOptions};

pub(super) async fn run(opening: &Opening, arguments: &PlanArguments) -> anyhow::Result<Exit> {
    let state = if arguments.save {
        StateUse::Write
    } else {
        StateUse::Read
    };
    let mut house = opening.house(state).await?;
    // A file needs no account, and nobody to ask about accounts.
    if arguments.snapshot.is_none() {
        house = house.with_accounts().await?;
    }
    let selection = selection(
        &house.config,
        &arguments.selection.rules,
        &arguments.selection.accounts,
    )?;
    let as_if_enforce = arguments.as_if.is_some();
    let plan = match &arguments.snapshot {
        Some(file) => {
            let options = PlanOptions {
                rules: selection.rules.clone(),
                as_if_enforce,
            };
            let snapshot = Snapshot::read_from(file)?;
            let account = &snapshot.account;
            anyhow::ensure!(
                selection.accounts.is_empty() || selection.accounts.contains(account),
                "--account: the snapshot is of account {account}, which was not asked for"
            );
            plan_from_file(&house, &snapshot, &options).await?
        }
        None => {
            let reach = if arguments.save {
                Reach::Remember
            } else {
                Reach::Look
            };
            let progress = super::results::Progress::start("reading AWS");
            let planned = Run::new(&house, reach).plan(&selection, as_if_enforce).await?;
            progress.end();
            planned.plan
        }
    };
    if arguments.save {
        save(&house, &plan).await?;
    }
    let format = arguments.format.unwrap_or(
        match (arguments.output.is_none(), std::io::stdout().is_terminal()) {
            (true, true) => PlanFormat::Text,
            _ => PlanFormat::Json,
        },
    );
    match (&arguments.output, format) {
        (Some(file), PlanFormat::Json) => write_json(&plan, file),
        (Some(file), PlanFormat::Text | PlanFormat::Markdown | PlanFormat::Html) => {
            Ok(std::fs::write(file, rendered(&plan, format, false))?)
        }
        (None, _) => print(&rendered(&plan, format, true)),
    }
    .with_context(|| match &arguments.output {
        Some(file) => format!("writing the plan to {}", file.display()),
        None => "writing the plan".to_owned(),
    })?;
    if house.config.dry_run && arguments.output.is_none() && format == PlanFormat::Text {
        print("dry_run = true in the configuration: `apply` and `run` change nothing.\n")?;
    }
    Ok(exit(&plan))
}

fn write_json(plan: &Plan, file: &Path) -> anyhow::Result<()> {
    let mut out = BufWriter::new(File::create(file)?);
    render::write_json(plan, &mut out)?;
    Ok(out.flush()?)
}

/// The plan in a form; colour only on a terminal.
pub(super) fn rendered(plan: &Plan, format: PlanFormat, to_stdout: bool) -> String {
    match format {
        PlanFormat::Text => render::text(plan, &text_style(to_stdout && std::io::stdout().is_terminal())),
        PlanFormat::Json => render::json(plan),
        PlanFormat::Markdown => render::markdown(plan),
        PlanFormat::Html => render::html(plan),
    }
}

/// As wide as the terminal, between 80 and 160 columns; 100 elsewhere.
pub(super) fn text_style(terminal: bool) -> TextStyle {
    let columns = terminal
        .then(|| console::Term::stdout().size_checked())
        .flatten()
        .map(|(_, columns)| columns);
    TextStyle {
        width: columns.map_or(100, |width| width.clamp(80, 160)),
        // Not where NO_COLOR is set, nor on a terminal that has none.
        color: terminal && console::colors_enabled(),
    }
}

/// Plans from a snapshot file, at the time at which it was taken: the same file gives the same plan.
async fn plan_from_file(house: &House, snapshot: &Snapshot, options: &PlanOptions) -> anyhow::Result<Plan> {
    let now = snapshot.taken_at;
    let history = match &house.state {
        Some(state) => state.history(&snapshot.account, now).await?,
        None => History::default(),
    };
    let account = plan::plan_account(&house.config, snapshot, &history, now, options);
    let id = crate::daemon::new_id(house.clock.now());
    Ok(plan::assemble(
        &house.config,
        id,
        now,
        options.as_if_enforce,
        vec![account],
    ))
}

/// Keeps the plan in the state, for approval.
pub(super) async fn save(house: &House, plan: &Plan) -> anyhow::Result<()> {
    let state = house
        .state
        .as_ref()
        .context("there is no state to save the plan in")?;
    let document = render::json(plan);
    state
        .save_plan(
            &plan.id,
            &document,
            &plan.config_digest,
            plan.created_at,
            house.clock.now(),
        )
        .await?;
    tracing::info!(
        plan = plan.id,
        "saved; decide with `iamwarden approve {}`",
        plan.id
    );
    Ok(())
}

fn exit(plan: &Plan) -> Exit {
    let asks = |action: &crate::model::Action| {
        action.state == ActionState::Proposed || action.withheld_reason == Some(WithheldReason::Approval)
    };
    if reads_failed(plan) {
        Exit::Failed
    } else if plan.actions.iter().any(asks) {
        Exit::Proposed
    } else {
        Exit::Ok
    }
}
