//! What became of actions, as text; and progress on a terminal.

use std::io::IsTerminal;

use super::arguments::PlanFormat;
use crate::execute::{ActionReport, ActionResult};
use crate::model::visible;
use crate::plan::{AccountStatus, Plan};

/// One line per action, and a last line that counts.
pub(super) fn render(reports: &[ActionReport]) -> String {
    let mut text = String::new();
    let mut applied = 0;
    for report in reports {
        let ActionReport {
            action,
            account,
            resource,
            change,
            inverse: _,
            findings: _,
            undo,
            was_approved: _,
            intent: _,
            result,
        } = report;
        let what = if *undo {
            format!("undo {}", change.kind())
        } else {
            change.kind().to_string()
        };
        let word = if *undo && *result == ActionResult::Applied {
            "rolled back"
        } else {
            result.as_str()
        };
        applied += usize::from(*result == ActionResult::Applied);
        text.push_str(&format!(
            "{word:<12} {what} {} of {} in {account}  {action}\n",
            visible(&change.subject()),
            visible(resource.resource()),
        ));
        if let Some(why) = result.detail() {
            text.push_str(&format!("             {}\n", visible(why)));
        }
    }
    match (reports.len(), applied) {
        (0, _) => text.push_str("Nothing was due.\n"),
        (all, done) => text.push_str(&format!("{done} of {all} done.\n")),
    }
    text
}

/// What would have been done, and that it was not.
pub(super) fn render_dry_run(plan: &Plan) -> String {
    let plan = super::plan::rendered(plan, PlanFormat::Text, true);
    format!("{plan}Dry run: nothing was changed.\n")
}

/// A spinner on standard error, for what takes longer than a second; nothing where that is no terminal.
pub(super) struct Progress(Option<indicatif::ProgressBar>);

impl Progress {
    pub(super) fn start(what: &'static str) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self(None);
        }
        let bar = indicatif::ProgressBar::new_spinner().with_message(what);
        bar.enable_steady_tick(std::time::Duration::from_millis(200));
        Self(Some(bar))
    }

    pub(super) fn end(self) {
        if let Some(bar) = self.0 {
            bar.finish_and_clear();
        }
    }
}

/// Why the rest of the plan's actions were not due, by reason, and what could not be read.
pub(super) fn render_rest(plan: &Plan) -> String {
    render_held(plan) + &render_unread(plan)
}

/// What could not be read, account by account: a cause once, however many readings failed by it.
fn render_unread(plan: &Plan) -> String {
    let mut text = String::new();
    for account in plan
        .accounts
        .iter()
        .filter(|account| account.status != AccountStatus::Complete)
    {
        let mut causes = std::collections::BTreeMap::new();
        for gap in &account.errors {
            *causes.entry((&gap.operation, &gap.detail)).or_insert(0usize) += 1;
        }
        for ((operation, detail), count) in causes {
            let times = match count {
                1 => String::new(),
                _ => format!(" ({count} times)"),
            };
            text.push_str(&format!(
                "not read in {}: {operation}{times}: {}\n",
                visible(&account.name),
                visible(detail)
            ));
        }
    }
    text
}

fn render_held(plan: &Plan) -> String {
    let mut reasons = std::collections::BTreeMap::new();
    for reason in plan.actions.iter().filter_map(|action| action.withheld_reason) {
        *reasons.entry(reason).or_insert(0usize) += 1;
    }
    let lines = reasons.into_iter().map(|(reason, count)| {
        format!(
            "{count} withheld ({}): {}\n",
            reason.as_str(),
            reason.explanation()
        )
    });
    lines.collect()
}
