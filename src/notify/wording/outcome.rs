//! What became of actions, and what people decided of them.

use super::{capitalized, count, date, done, order, reasons, target, undo};
use crate::model::{Change, Inverse, PasswordPolicy, Verdict};
use crate::notify::message::{ActionOutcome, ActionResult, Decided, Message, Settled};
use crate::notify::text::Text;

pub(super) fn write_result(message: &Message, settled: &Settled) -> Vec<Text> {
    let Settled { result, findings } = settled;
    let ActionResult {
        id,
        account,
        resource,
        change,
        inverse,
        attempt,
        at,
        outcome,
        was_approved: _,
        owner: _,
        findings: _,
    } = result;
    let on = date(*at);
    let named = |text: Text| target(text, message, account, resource, change);
    let attempted = |word: &str| named(Text::new().strong(word).say(": ").say(order(change)));
    let tried = match attempt {
        0 => String::new(),
        attempt => format!(" (attempt {attempt})"),
    };
    let action = || Text::new().say("Action ").code(id.as_str());
    let mut lines = Vec::new();
    match outcome {
        ActionOutcome::Applied => {
            let what = format!("was {} on {on}", done(change));
            lines.push(capitalized(named(Text::new())).say(" ").strong(&what));
            lines.extend(field_changes(change, inverse.as_ref()));
            lines.extend(reasons(findings));
            lines.push(match inverse {
                Some(_) => undo(action().say(". To undo it: "), id),
                None => action().say(". This cannot be undone."),
            });
        }
        ActionOutcome::Failed { detail } => {
            lines.push(attempted("Failed").say(&format!(", on {on}{tried}")));
            lines.push(Text::new().say(detail));
            lines.push(action().say(". Nothing else depends on it; the next run looks at it afresh."));
        }
        ActionOutcome::Stale { detail } => {
            lines.push(attempted("Skipped").say(&format!(", on {on}: the world had moved since the plan")));
            lines.push(Text::new().say(detail));
            lines.push(action().say(". Nothing was changed; the next run looks at it afresh."));
        }
        ActionOutcome::RolledBack { by } => {
            let line = attempted("Rolled back");
            lines.push(
                line.say(", ")
                    .strong(&format!("undone on {on}"))
                    .say(" by ")
                    .say(by),
            );
            lines.extend(field_restorations(change, inverse.as_ref()));
            lines.push(action().say(". It stays withheld until a person approves it again."));
        }
        ActionOutcome::RollbackFailed { detail } => {
            lines.push(attempted("Rollback failed").say(&format!(", on {on}{tried}")));
            lines.push(Text::new().say(detail));
            lines.push(undo(
                action().say(". The change still stands. To try again: "),
                id,
            ));
        }
    }
    lines
}

/// Old and new value of each field of the password policy that a change sets.
fn field_changes(change: &Change, inverse: Option<&Inverse>) -> Vec<Text> {
    match (change.password_policy(), policy_before(inverse)) {
        (Some(new), Some(old)) => compare(&old, new),
        (Some(_), None) | (None, _) => Vec::new(),
    }
}

/// The same the other way round.
fn field_restorations(change: &Change, inverse: Option<&Inverse>) -> Vec<Text> {
    match (change.password_policy(), policy_before(inverse)) {
        (Some(new), Some(old)) => compare(new, &old),
        (Some(_), None) | (None, _) => Vec::new(),
    }
}

fn policy_before(inverse: Option<&Inverse>) -> Option<PasswordPolicy> {
    match inverse? {
        Inverse::RestorePasswordPolicy(old) => Some(old.clone()),
        // There was none of its own: AWS's built-in one held.
        Inverse::DeletePasswordPolicy => Some(PasswordPolicy::aws_default()),
        Inverse::EnableAccessKey { .. }
        | Inverse::AttachPolicy { .. }
        | Inverse::DeleteInlinePolicy { .. }
        | Inverse::PutInlinePolicy(_)
        | Inverse::Regional(_) => None,
    }
}

fn compare(from: &PasswordPolicy, to: &PasswordPolicy) -> Vec<Text> {
    from.fields()
        .into_iter()
        .zip(to.fields())
        .filter(|((_, old), (_, new))| old != new)
        .map(|((name, old), (_, new))| {
            let text = Text::new().say("• ").code(name).say(": ");
            text.say(&old).say(" → ").strong(&new)
        })
        .collect()
}

/// How many actions of a decision are listed.
const LISTED_ACTIONS: usize = 20;

pub(super) fn write_decision(message: &Message, decided: &Decided) -> Vec<Text> {
    let Decided {
        plan,
        verdict,
        by,
        reason,
        at,
        actions,
    } = decided;
    let word = match verdict {
        Verdict::Approved => "Approved",
        Verdict::Rejected => "Rejected",
    };
    let mut accounts: Vec<_> = actions.iter().map(|action| &action.account).collect();
    accounts.sort();
    accounts.dedup();
    let scope = format!(
        ": {} in {} of plan ",
        count(actions.len(), "action", "actions"),
        count(accounts.len(), "account", "accounts"),
    );
    let headline = Text::new().strong(word).say(" by ").say(by);
    let mut lines = vec![
        headline
            .say(&format!(" on {}", date(*at)))
            .say(&scope)
            .code(&plan.id),
    ];
    if let Some(reason) = reason {
        lines.push(Text::new().say("Reason: ").say(reason));
    }
    for action in actions.iter().take(LISTED_ACTIONS) {
        let text = Text::new().say("• ").code(action.id.as_str()).say(": ");
        let text = text.say(order(&action.change));
        lines.push(target(
            text,
            message,
            &action.account,
            &action.resource,
            &action.change,
        ));
    }
    if actions.len() > LISTED_ACTIONS {
        let text = format!("… and {} more", actions.len() - LISTED_ACTIONS);
        lines.push(Text::new().say(&text));
    }
    lines.push(Text::new().say("Digest of the plan: ").code(plan.digest.as_str()));
    lines
}
