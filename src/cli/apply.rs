//! `iamwarden apply`: plans afresh and applies what is due. Sends results, no warnings.

use std::io::{BufRead, IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;

use super::arguments::{ApplyArguments, PlanFormat};
use super::opening::{Opening, StateUse, selection};
use super::{Exit, plan as plan_command, print, results};
use crate::config::Config;
use crate::daemon::{House, PlanFile, Reach, Run, Telling, Verdict, verdict};
use crate::plan::Plan;

/// How long results are tried to be sent; what is left goes out with the daemon, or the next command.
const DELIVERY: Duration = Duration::from_secs(20);

pub(super) async fn run(opening: &Opening, arguments: &ApplyArguments) -> anyhow::Result<Exit> {
    let house = opening.house(StateUse::Write).await?.with_accounts().await?;
    let state = house.state.clone().context("there is no state")?;
    let selection = selection(
        &house.config,
        &arguments.selection.rules,
        &arguments.selection.accounts,
    )?;
    let file = arguments
        .plan
        .as_deref()
        .map(|file| read_plan(&house, file))
        .transpose()?;
    let dry_run = house.config.dry_run;
    let run = Run::new(&house, if dry_run { Reach::Remember } else { Reach::Change });
    let progress = results::Progress::start("reading AWS");
    let mut planned = match run.plan_or_stop(&selection).await {
        Err(_) if house.shutdown.is_requested() => {
            tracing::warn!("told to stop before anything was done");
            return Ok(Exit::Ok);
        }
        planned => planned?,
    };
    progress.end();
    if let Some(file) = &file {
        file.narrow(&mut planned.plan);
    }
    run.begin(&state, "apply", planned.caller()).await?;
    let due = run.due(&planned.plan, file.as_ref());
    if dry_run {
        print(&results::render_dry_run(&planned.plan))?;
    } else if !due.is_empty() && !arguments.yes && !asks_and_hears_yes(&planned.plan, due.len())? {
        // What turned out applied of an earlier run is told all the same.
        run.tell(&state, &planned, &[], Telling::Results).await?;
        run.finish(&state, "declined", &[]).await?;
        return Ok(Exit::Held);
    }
    let reports = match dry_run {
        true => Vec::new(),
        false => {
            let progress = results::Progress::start("making changes");
            let reports = run.apply(&state, &planned, file.as_ref()).await;
            progress.end();
            reports
        }
    };
    run.tell(&state, &planned, &reports, Telling::Results).await?;
    let verdict = verdict(&planned.plan, &reports, dry_run);
    run.finish(&state, verdict.as_str(), &reports).await?;
    house.deliver(&house.courier()?, &state, DELIVERY).await?;
    if !dry_run {
        print(&results::render(&reports))?;
        print(&results::render_rest(&planned.plan))?;
    }
    Ok(match verdict {
        Verdict::Failed => Exit::Failed,
        Verdict::Held => Exit::Held,
        Verdict::Interrupted | Verdict::Done => Exit::Ok,
    })
}

fn read_plan(house: &House, file: &Path) -> anyhow::Result<PlanFile> {
    let text =
        std::fs::read_to_string(file).with_context(|| format!("reading the plan file {}", file.display()))?;
    let plan: Plan = serde_json::from_str(&text)
        .with_context(|| format!("{} is no plan of `iamwarden plan --format json`", file.display()))?;
    check_plan(&house.config, &plan, house.clock.now())?;
    Ok(PlanFile::new(&plan))
}

/// A plan that may be applied: of this version, not made by `--as-if`, not from the future, not too old.
fn check_plan(config: &Config, plan: &Plan, now: chrono::DateTime<chrono::Utc>) -> anyhow::Result<()> {
    anyhow::ensure!(
        plan.schema == "iamwarden.plan/v1",
        "the plan file has schema `{}`, not iamwarden.plan/v1",
        plan.schema
    );
    anyhow::ensure!(
        plan.as_if.is_none(),
        "the plan was made by --as-if and cannot be applied"
    );
    let age = now - plan.created_at;
    let limit = config.guardrails.max_plan_age;
    anyhow::ensure!(
        age <= limit.delta(),
        "the plan of {} is older than guardrails.max_plan_age ({limit}): make a new one",
        plan.created_at.format("%Y-%m-%d %H:%M UTC")
    );
    anyhow::ensure!(
        age >= chrono::TimeDelta::minutes(-5),
        "the plan is dated in the future: check the clocks"
    );
    Ok(())
}

/// Shows the plan and asks, on a terminal. Elsewhere nobody can be asked, and that is no consent.
fn asks_and_hears_yes(plan: &Plan, due: usize) -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        tracing::warn!(
            due,
            "nothing was applied: there is no terminal to ask on, and --yes was not given"
        );
        return Ok(false);
    }
    print(&plan_command::rendered(plan, PlanFormat::Text, true))?;
    confirm(&format!("Apply {due} change{}?", if due == 1 { "" } else { "s" }))
}

/// Asks on the terminal; only `yes` is yes.
pub(super) fn confirm(question: &str) -> anyhow::Result<bool> {
    let mut err = std::io::stderr().lock();
    write!(err, "{question} Only `yes` is accepted: ")?;
    err.flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(answer.trim() == "yes")
}
