//! What became of actions.

use serde::Serialize;
use tracing::{field, info, warn};

use crate::model::{
    AccountId, Action, ActionId, ActionMode, Arn, Change, FindingId, Inverse, RuleName, WithheldReason,
};
use crate::state::{Attempt, IntentId};

/// What became of one action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "result", content = "detail", rename_all = "snake_case")]
pub enum ActionResult {
    /// Done, and seen to be done.
    Applied,
    /// The world moved since the plan: not done.
    Stale(String),
    /// AWS refused, or it could not be tried: not done.
    Failed(String),
    /// Sent, with an answer that leaves the outcome open, or not visible yet: settled by reading, later.
    Unsettled(String),
    /// Held back at the last moment.
    Held(WithheldReason, String),
    /// Another holder has the account's lease, or ours ended: not done.
    NoLease(String),
    /// Not started, because the process is told to stop.
    NotStarted,
}

impl ActionResult {
    /// The word in metrics and logs.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Stale(_) => "stale",
            Self::Failed(_) => "failed",
            Self::Unsettled(_) => "unsettled",
            Self::Held(..) => "held",
            Self::NoLease(_) => "no_lease",
            Self::NotStarted => "not_started",
        }
    }

    /// The sentence beside the word.
    pub fn detail(&self) -> Option<&str> {
        match self {
            Self::Applied | Self::NotStarted => None,
            Self::Stale(why)
            | Self::Failed(why)
            | Self::Unsettled(why)
            | Self::Held(_, why)
            | Self::NoLease(why) => Some(why),
        }
    }
}

/// An action with what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ActionReport {
    /// Which action.
    pub action: ActionId,
    /// Where.
    pub account: AccountId,
    /// To what.
    pub resource: Arn,
    /// What was to be done, or undone.
    pub change: Change,
    /// How that is undone.
    pub inverse: Option<Inverse>,
    /// What justified it.
    pub findings: Vec<FindingId>,
    /// Whether it was the inverse.
    pub undo: bool,
    /// Whether people had to approve it.
    #[serde(skip)]
    pub was_approved: bool,
    /// The attempt in the journal; `None`: there was none.
    pub intent: Option<IntentId>,
    /// What became of it.
    #[serde(flatten)]
    pub result: ActionResult,
}

impl ActionReport {
    /// Of an action that was to be made.
    pub fn of(action: &Action, result: ActionResult, intent: Option<IntentId>) -> Self {
        Self {
            action: action.id.clone(),
            account: action.account.clone(),
            resource: action.resource.clone(),
            change: action.change.clone(),
            inverse: action.inverse.clone(),
            findings: action.findings().cloned().collect(),
            undo: false,
            was_approved: action.mode == ActionMode::Approve,
            intent,
            result,
        }
    }

    /// Of an attempt that was made earlier; `undo`: what was to be done now is its inverse.
    pub fn of_attempt(attempt: &Attempt, undo: bool, result: ActionResult) -> Self {
        let intent = &attempt.intent;
        Self {
            action: intent.action.clone(),
            account: intent.account.clone(),
            resource: intent.resource.clone(),
            change: intent.change.clone(),
            inverse: intent.inverse.clone(),
            findings: intent.findings.clone(),
            undo,
            was_approved: intent.mode == ActionMode::Approve,
            intent: Some(attempt.id),
            result,
        }
    }

    /// The one line that the log has of it; `rule` is the one that justified it, where that is known.
    pub fn log(&self, rule: Option<&RuleName>) {
        let Self {
            action,
            account,
            resource,
            change,
            undo,
            result,
            inverse: _,
            findings: _,
            was_approved: _,
            intent: _,
        } = self;
        let (kind, outcome) = (change.kind(), result.as_str());
        let undo = if *undo { "undo " } else { "" };
        let rule = rule.map(field::display);
        match result {
            ActionResult::Applied => {
                info!(%account, rule, %action, %resource, %kind, outcome, "{undo}{kind}: {outcome}");
            }
            ActionResult::Stale(_)
            | ActionResult::Failed(_)
            | ActionResult::Unsettled(_)
            | ActionResult::Held(..)
            | ActionResult::NoLease(_)
            | ActionResult::NotStarted => {
                let detail = result.detail();
                warn!(%account, rule, %action, %resource, %kind, outcome, detail, "{undo}{kind}: {outcome}");
            }
        }
    }
}
