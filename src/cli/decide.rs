//! `iamwarden approve` and `reject`: decides a saved plan, whole or by action.

use anyhow::Context as _;

use super::arguments::DecideArguments;
use super::opening::{Opening, StateUse, person};
use super::{Exit, print};
use crate::aws::Purpose;
use crate::config::Config;
use crate::daemon::{House, Reach, Run, reference};
use crate::model::{Action, Arn, Decision, Verdict};
use crate::notify::Decided;
use crate::plan::Plan;
use crate::state::NewDecision;

pub(super) async fn run(
    opening: &Opening,
    arguments: &DecideArguments,
    verdict: Verdict,
) -> anyhow::Result<Exit> {
    let house = opening.house(StateUse::Write).await?;
    let state = house.state.clone().context("there is no state")?;
    let by = person(arguments.by.clone())?;
    check_approver(&house.config, &by)?;
    let stored = state.load_plan(&arguments.plan).await?;
    let stored = stored.with_context(|| {
        format!(
            "there is no saved plan `{}`: make one with `iamwarden plan --save`",
            arguments.plan
        )
    })?;
    let plan: Plan = serde_json::from_str(&stored.document).context("the saved plan cannot be read")?;
    let actions = chosen(&plan, &arguments.actions)?;
    let now = house.clock.now();
    let decisions: Vec<_> = actions
        .iter()
        .map(|action| NewDecision {
            account: action.account.clone(),
            decision: Decision {
                action: action.id.clone(),
                verdict,
                precondition: action.precondition_digest(),
                config_digest: plan.config_digest.clone(),
                decided_at: now,
                not_before: action.not_before,
                by: by.clone(),
            },
        })
        .collect();
    let caller = caller(&house, &plan).await;
    state
        .record_decisions(
            &stored.id,
            &decisions,
            arguments.reason.as_deref(),
            caller.as_ref(),
            now,
        )
        .await?;
    let decided = Decided {
        plan: reference(&plan),
        verdict,
        by: by.clone(),
        reason: arguments.reason.clone(),
        at: now,
        actions: actions.iter().map(|action| (*action).clone()).collect(),
    };
    Run::new(&house, Reach::Remember)
        .tell_decision(&state, &plan, decided)
        .await?;
    let word = match verdict {
        Verdict::Approved => "Approved",
        Verdict::Rejected => "Rejected",
    };
    let mut text = format!("{word} by {by}, of plan {}:\n", stored.id);
    for action in &actions {
        text.push_str(&format!(
            "  {} {} of {}\n",
            action.id,
            action.change.kind(),
            action.resource
        ));
    }
    if plan.config_digest != house.config.digest() {
        text.push_str(
            "The configuration changed since that plan: what was decided holds for the old one only.\n",
        );
    }
    print(&text)?;
    Ok(Exit::Ok)
}

fn check_approver(config: &Config, by: &str) -> anyhow::Result<()> {
    let approvals = &config.approvals;
    anyhow::ensure!(
        approvals.command_line,
        "approvals.command_line = false: decisions are not taken here"
    );
    anyhow::ensure!(
        approvals.may_decide(by),
        "{by} is not among approvals.approvers and may not decide"
    );
    Ok(())
}

/// The actions decided: those named, or all that can be.
fn chosen<'a>(plan: &'a Plan, ids: &[String]) -> anyhow::Result<Vec<&'a Action>> {
    anyhow::ensure!(
        !plan.actions.is_empty(),
        "plan {} has no actions to decide",
        plan.id
    );
    if ids.is_empty() {
        return Ok(plan.actions.iter().collect());
    }
    ids.iter()
        .map(|id| {
            let action = plan.actions.iter().find(|action| action.id.as_str() == id);
            action.with_context(|| format!("plan {} has no action `{id}`", plan.id))
        })
        .collect()
}

/// Who types this, as AWS sees it. For the record: that it cannot be asked does not undo a decision.
async fn caller(house: &House, plan: &Plan) -> Option<Arn> {
    let first = plan.accounts.first().map(|account| &account.id);
    let account = house
        .config
        .accounts
        .iter()
        .find(|account| Some(&account.id) == first);
    match house
        .sessions
        .connect(account, Purpose::Work, house.clock.now())
        .await
    {
        Ok(session) => Some(session.caller().arn.clone()),
        Err(error) => {
            tracing::warn!(error = %crate::telemetry::Chain(&error), "recorded without the caller's ARN");
            None
        }
    }
}
