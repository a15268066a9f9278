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
