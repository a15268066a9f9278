//! What to do with a plan: the last lines of every form of it.

use crate::model::{Action, ActionState, WithheldReason, counted};
use crate::plan::render::outline::{Course, Outline};
use crate::plan::{AccountStatus, ExemptionState, Plan};

/// Something to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    /// What it is for.
    pub(super) text: String,
    /// What to type, an argument a line where there are many; empty: nothing.
    pub(super) command: Vec<String>,
}

impl Step {
    fn new(text: impl Into<String>, command: &[&str]) -> Self {
        Self {
            text: text.into(),
            command: command.iter().map(|&line| line.to_owned()).collect(),
        }
    }
}

/// Up to so many actions are approved one by one; beyond that by the plan as a whole.
const SINGLE: usize = 5;

/// What to do next, the most pressing first; at least one step.
pub(super) fn steps(outline: &Outline<'_>) -> Vec<Step> {
    let plan = outline.plan;
    let mut steps = Vec::new();
    if let Some(mode) = &plan.as_if {
        let text = format!(
            "This plan shows what would happen if the rules in `report` were in `{mode}`. It cannot be applied; set \
             the mode of a rule in the configuration to let it act."
        );
        steps.push(Step::new(text, &[]));
    } else {
        own(plan, &mut steps);
    }
    common(outline, &mut steps);
    if steps.is_empty() {
        steps.push(Step::new("Nothing to do.", &[]));
    }
    steps
}

/// What the plan's own actions ask for.
fn own(plan: &Plan, steps: &mut Vec<Step>) {
    let withheld = |reason| {
        plan.actions
            .iter()
            .filter(move |a| a.state == ActionState::Withheld && a.withheld_reason == Some(reason))
    };
    let due = plan
        .actions
        .iter()
        .filter(|a| a.state == ActionState::Proposed)
        .count();
    if due > 0 {
        let text = format!("Make the {} due now (it asks first)", changes_that_are(due));
        steps.push(Step::new(text, &["iamwarden apply"]));
    }
    let waiting: Vec<_> = withheld(WithheldReason::Approval).collect();
    if !waiting.is_empty() {
        let text = format!(
            "Approve the {} waiting for it, if the plan was saved (else `iamwarden plan --save` first)",
            counted(waiting.len(), "change", "changes")
        );
        steps.push(Step {
            text,
            command: approve(&plan.id, &waiting),
        });
    }
    let rolled_back: Vec<_> = withheld(WithheldReason::RolledBack).collect();
    if !rolled_back.is_empty() {
        let text = format!(
            "Only if it should happen after all: approve again what was rolled back ({})",
            counted(rolled_back.len(), "change", "changes")
        );
        steps.push(Step {
            text,
            command: approve_singly(&plan.id, &rolled_back),
        });
    }
    if withheld(WithheldReason::Freeze).next().is_some() {
        let text =
            "Let changes happen again, where they were frozen by flag (else `freeze` in the configuration)";
        steps.push(Step::new(text, &["iamwarden unfreeze"]));
    }
    let mute = withheld(WithheldReason::NoChannel).count();
    if mute > 0 {
        let text = format!(
            "Declare a channel for the owners of {}, or `notifications.default_channel`: until then nobody can be \
             told",
            counted(mute, "change", "changes")
        );
        steps.push(Step::new(text, &[]));
    }
}

/// What findings, accounts and exemptions ask for.
fn common(outline: &Outline<'_>, steps: &mut Vec<Step>) {
    let plan = outline.plan;
    // What is only proposed in every mode is no change in any.
    let reported = outline
        .entries()
        .filter(|entry| {
            entry.course == Course::ReportOnly && !entry.finding.evidence.contains_key("report_only")
        })
        .count();
    if reported > 0 && plan.as_if.is_none() {
        let text = format!(
            "See as changes what is only reported ({})",
            counted(reported, "violation", "violations")
        );
        steps.push(Step::new(text, &["iamwarden plan --as-if enforce"]));
    }
    let unread = plan
        .accounts
        .iter()
        .any(|a| a.status != AccountStatus::Complete || !a.errors.is_empty());
    if unread || outline.count(Course::Unknown) > 0 {
        let text = "Find out why something could not be read: nothing is done where something is unknown";
        steps.push(Step::new(text, &["iamwarden doctor"]));
    }
    let expired = plan
        .exemptions
        .iter()
        .filter(|e| e.state == ExemptionState::Expired)
        .count();
    if expired > 0 {
        let text = format!(
            "Renew or remove {} in the configuration: past the last day they protect nobody",
            counted(expired, "expired exemption", "expired exemptions")
        );
        steps.push(Step::new(text, &[]));
    }
}

fn changes_that_are(count: usize) -> String {
    if count == 1 {
        "1 change that is".to_owned()
    } else {
        format!("{count} changes that are")
    }
}

fn approve(plan: &str, actions: &[&Action]) -> Vec<String> {
    if actions.len() > SINGLE {
        return vec![format!("iamwarden approve {plan}")];
    }
    approve_singly(plan, actions)
}

/// By name, however many: approving the plan as a whole would not say that these are meant.
fn approve_singly(plan: &str, actions: &[&Action]) -> Vec<String> {
    let mut lines = vec![format!("iamwarden approve {plan}")];
    lines.extend(actions.iter().map(|action| format!("--action {}", action.id)));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::render::sample;

    fn commands(plan: &Plan) -> Vec<String> {
        let lines = steps(&Outline::of(plan)).into_iter();
        lines
            .map(|step| step.command.join(" "))
            .filter(|command| !command.is_empty())
            .collect()
    }

    #[test]
    fn a_plan_as_if_offers_no_apply() {
        let plan = Plan {
            as_if: Some("enforce".to_owned()),
            ..sample::plan()
        };
        assert_eq!(commands(&plan), ["iamwarden doctor"]);
        assert!(commands(&sample::plan()).contains(&"iamwarden apply".to_owned()));
    }

    #[test]
    fn many_approvals_are_one_command() {
        let mut plan = sample::plan();
        let waiting = plan
            .actions
            .iter()
            .find(|action| action.withheld_reason == Some(WithheldReason::Approval))
            .unwrap()
            .clone();
        plan.actions = vec![waiting; SINGLE + 1];
        assert!(commands(&plan).contains(&format!("iamwarden approve {}", plan.id)));
        plan.actions.truncate(1);
        let single = format!("iamwarden approve {} --action {}", plan.id, plan.actions[0].id);
        assert!(commands(&plan).contains(&single));
    }

    #[test]
    fn nothing_to_do_is_said() {
        assert_eq!(
            steps(&Outline::of(&sample::empty())),
            [Step::new("Nothing to do.", &[])]
        );
    }
}
