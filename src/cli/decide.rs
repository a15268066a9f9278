//! `iamwarden approve` and `reject`: decides a saved plan, whole or by action.

use anyhow::Context as _;

use super::arguments::DecideArguments;
use super::opening::{Opening, StateUse, person};
use super::{Exit, print};
use crate::daemon::{DecisionMade, DecisionOutcome, DecisionRequest};
use crate::model::{ActionId, Verdict, Way};
use crate::plan::Standing;

pub(super) async fn run(
    opening: &Opening,
    arguments: &DecideArguments,
    verdict: Verdict,
) -> anyhow::Result<Exit> {
    let house = opening.house(StateUse::Write).await?;
    let state = house.state.clone().context("there is no state")?;
    let request = DecisionRequest {
        plan: arguments.plan.clone(),
        actions: arguments.actions.iter().cloned().map(ActionId).collect(),
        verdict,
        by: person(arguments.by.clone())?,
        via: Way::CommandLine,
        reason: arguments.reason.clone(),
    };
    let made = house.decide(&state, &request).await?;
    print(&text(&made, &request))?;
    let refused: Vec<_> = made.refused().collect();
    for (action, refusal) in &refused {
        tracing::error!(action = %action.id, resource = %action.resource, "not decided: {refusal}");
    }
    Ok(if refused.is_empty() { Exit::Ok } else { Exit::Error })
}

/// What was decided, action by action.
fn text(made: &DecisionMade, request: &DecisionRequest) -> String {
    let word = match request.verdict {
        Verdict::Approved => "Approved",
        Verdict::Rejected => "Rejected",
    };
    let mut text = format!("{word} by {}, of plan {}:\n", request.by, made.plan);
    for decided in &made.decided {
        let note = match (&decided.outcome, decided.standing) {
            (DecisionOutcome::Refused(refusal), _) => format!(" (not decided: {refusal})"),
            (DecisionOutcome::Repeated, _) => " (as before)".to_owned(),
            (DecisionOutcome::Recorded, Standing::Partly { have, need }) => {
                format!(" ({have} of {need} approvals)")
            }
            (DecisionOutcome::Recorded, Standing::Open | Standing::Approved | Standing::Rejected) => {
                String::new()
            }
        };
        let action = &decided.action;
        text.push_str(&format!(
            "  {} {} of {}{note}\n",
            action.id,
            action.change.kind(),
            action.resource
        ));
    }
    if made.outdated {
        text.push_str(
            "The configuration changed since that plan: what was decided holds for the old one only.\n",
        );
        return text;
    }
    for decided in &made.decided {
        if let Some(newer) = &decided.superseded_by {
            text.push_str(&format!(
                "Plan {newer} is newer and holds {} otherwise: what was decided is none of that plan.\n",
                decided.action.id
            ));
        }
    }
    text
}
