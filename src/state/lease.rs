//! The right to change an account, held by one process at a time.

use crate::model::AccountId;

/// The lease of one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    account: AccountId,
}

impl Lease {
    /// The account that it is of.
    pub fn account(&self) -> &AccountId {
        &self.account
    }
}
