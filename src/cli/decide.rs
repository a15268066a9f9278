//! `iamwarden approve` and `reject`: decides a saved plan, whole or by action.

use super::arguments::DecideArguments;
use super::opening::{Opening, StateUse, person};
use super::{Exit, print};
use crate::aws::Purpose;
use crate::daemon::{DecisionAsked, DecisionMade, DecisionOutcome, House};
use crate::model::{Arn, Person, Verdict, Way};
use crate::plan::{Plan, Standing, may_decide};

pub(super) async fn run(
    opening: &Opening,
    arguments: &DecideArguments,
    verdict: Verdict,
) -> anyhow::Result<Exit> {
    let house = opening.house(StateUse::Write).await?;
    let person = Person::new(person(arguments.by.clone())?, Way::CommandLine);
    // Before AWS is asked for anything.
    may_decide(&house.config, &person)?;
    let plan = house.saved_plan(&arguments.plan).await?;
    let caller = caller(&house, &plan).await;
    let asked = DecisionAsked {
        actions: &arguments.actions,
        verdict,
        person: &person,
        reason: arguments.reason.as_deref(),
        caller: caller.as_ref(),
    };
    let made = house.decide(&plan, asked).await?;
    print(&text(&made, &person))?;
    let refused: Vec<_> = made.refused().collect();
    for (action, refusal) in &refused {
        tracing::error!(action = %action.id, resource = %action.resource, "not decided: {refusal}");
    }
    Ok(if refused.is_empty() { Exit::Ok } else { Exit::Error })
}

/// What was decided, action by action.
fn text(made: &DecisionMade, person: &Person) -> String {
    let word = match made.verdict {
        Verdict::Approved => "Approved",
        Verdict::Rejected => "Rejected",
    };
    let mut text = format!("{word} by {person}, of plan {}:\n", made.plan.id);
    for decided in &made.actions {
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
    if made.configuration_changed {
        text.push_str(
            "The configuration changed since that plan: what was decided holds for the old one only.\n",
        );
    } else {
        for decided in &made.actions {
            if let Some(newer) = &decided.superseded_by {
                text.push_str(&format!(
                    "Plan {newer} is newer and holds {} otherwise: what was decided is none of that plan.\n",
                    decided.action.id
                ));
            }
        }
    }
    text
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
