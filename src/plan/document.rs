//! The plan as a value and as JSON (`iamwarden.plan/v1`).

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::inventory::Gap;
use crate::model::{AccountId, Action, Digest, Finding, Glob, Notification, RuleName};

/// An immutable plan: all that was found, and all that would be done about it.
///
/// The same inputs give the same bytes, `id`, `created_at` and `api_calls` aside: every list is sorted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// `iamwarden.plan/v1`.
    pub schema: String,
    /// A ULID.
    pub id: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Of rules, guardrails and exemptions.
    pub config_digest: Digest,
    /// This document changed nothing; it bars nothing.
    pub dry_run: bool,
    /// `enforce` where it was made by `--as-if enforce`: such a plan cannot be applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_if: Option<String>,
    /// By account id.
    pub accounts: Vec<AccountSummary>,
    /// By account, resource, rule and id.
    pub findings: Vec<Finding>,
    /// By account, resource and id.
    pub actions: Vec<Action>,
    /// By receiver, channel and event.
    pub notifications: Vec<Notification>,
    /// What the configuration exempts, and how long still.
    pub exemptions: Vec<ExemptionSummary>,
    /// Calls to AWS by operation.
    pub api_calls: BTreeMap<String, u64>,
}

/// How well an account could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccountStatus {
    /// Everything that the rules need.
    Complete,
    /// Some of it: see `errors`, and findings with status `unknown`.
    Partial,
    /// Not at all.
    Failed,
}

/// An account in a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountSummary {
    /// Twelve digits.
    pub id: AccountId,
    /// What people call it.
    pub name: String,
    /// How well it could be read.
    pub status: AccountStatus,
    /// How many principals it has.
    pub principals: PrincipalCounts,
    /// What could not be read.
    pub errors: Vec<Gap>,
    /// Digest of what was read; `None`: nothing was.
    pub snapshot_digest: Option<Digest>,
}

/// How many principals an account has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PrincipalCounts {
    /// Users.
    pub users: usize,
    /// Groups.
    pub groups: usize,
    /// Roles.
    pub roles: usize,
}

impl PrincipalCounts {
    /// All of them.
    pub fn total(self) -> usize {
        let Self { users, groups, roles } = self;
        users + groups + roles
    }
}

/// An exemption in a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExemptionSummary {
    /// Whom it covers.
    pub principals: Vec<Glob>,
    /// Of which rules.
    pub rules: Vec<RuleName>,
    /// The last day.
    pub until: NaiveDate,
    /// Why.
    pub reason: String,
    /// Whether it still holds.
    pub state: ExemptionState,
}

/// Whether an exemption still holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExemptionState {
    /// It holds.
    Active,
    /// It holds, and ends within two weeks.
    Expiring,
    /// It ended and has no effect.
    Expired,
}
