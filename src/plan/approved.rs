//! Consent as a value: without one there is no code path to a mutation.

use crate::model::{AccountId, Action, ActionId, Arn, Change, Inverse, Precondition};

/// What may be done under a consent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// The change itself.
    Apply(Change),
    /// Its inverse.
    Undo(Inverse),
}

/// Why something is not undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Undo {
    /// The configuration says `dry_run`.
    #[error("dry_run = true in the configuration: nothing is rolled back")]
    Barred,
    /// The change has no inverse.
    #[error("this change cannot be undone")]
    Irreversible,
}

/// An applied change as the journal recorded it, by value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedChange {
    /// Which action.
    pub action: ActionId,
    /// Where.
    pub account: AccountId,
    /// To what.
    pub resource: Arn,
    /// How it is undone.
    pub inverse: Option<Inverse>,
    /// What was true before it.
    pub precondition: Precondition,
}

/// One operation on one resource that somebody consented to: by declaring `enforce`, by approving this action, or by
/// asking for this rollback. The fields are private and only this module builds one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approved {
    action: ActionId,
    account: AccountId,
    resource: Arn,
    operation: Operation,
    precondition: Precondition,
}

impl Approved {
    /// Which action this is, or undoes.
    pub fn action(&self) -> &ActionId {
        &self.action
    }

    /// In which account.
    pub fn account(&self) -> &AccountId {
        &self.account
    }

    /// On which resource.
    pub fn resource(&self) -> &Arn {
        &self.resource
    }

    /// What is to be done.
    pub fn operation(&self) -> &Operation {
        &self.operation
    }

    /// What must hold right before.
    pub fn precondition(&self) -> &Precondition {
        &self.precondition
    }

    /// Consent to undo what the journal says was applied: given by whoever asks for the rollback. A dry run bars it;
    /// freeze and guardrails do not.
    ///
    /// # Errors
    /// [`Undo::Barred`] in a dry run, [`Undo::Irreversible`] where no inverse was recorded.
    pub fn to_rollback(config: &crate::config::Config, applied: &AppliedChange) -> Result<Self, Undo> {
        if config.dry_run {
            return Err(Undo::Barred);
        }
        let AppliedChange {
            action,
            account,
            resource,
            inverse,
            precondition,
        } = applied;
        Ok(Self {
            action: action.clone(),
            account: account.clone(),
            resource: resource.clone(),
            operation: Operation::Undo(inverse.clone().ok_or(Undo::Irreversible)?),
            precondition: precondition.clone(),
        })
    }

    /// Consent to an action of a plan that the planner found due.
    pub(super) fn to_action(action: &Action) -> Self {
        Self {
            action: action.id.clone(),
            account: action.account.clone(),
            resource: action.resource.clone(),
            operation: Operation::Apply(action.change.clone()),
            precondition: action.precondition.clone(),
        }
    }
}
