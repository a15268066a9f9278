//! The plan as a value and as JSON (`iamwarden.plan/v1`).

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use chrono::{DateTime, NaiveDate, SubsecRound, Utc};
use serde::{Deserialize, Serialize};

use super::{AccountPlan, Scorecard};
use crate::config::{Config, LeftOut};
use crate::inventory::Gap;
use crate::model::{AccountId, Action, Digest, Event, Finding, Glob, Notification, Owner, RuleName};

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
    /// Accounts of the organization that are left alone, by id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOut>,
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
    /// In which unit of the organization it lies; `None`: not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Whether rules have their modes there, or report only; `None`: no rollout is declared, and they have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolled_out: Option<bool>,
    /// How well it could be read.
    pub status: AccountStatus,
    /// How many principals it has.
    pub principals: PrincipalCounts,
    /// What could not be read.
    pub errors: Vec<Gap>,
    /// Digest of what was read; `None`: nothing was.
    pub snapshot_digest: Option<Digest>,
    /// How it stands against the guide and the benchmark; `None`: nothing was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scorecard: Option<Scorecard>,
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

/// How long before its end an exemption is called expiring.
pub const EXPIRING_WITHIN_DAYS: i64 = 14;

/// Joins the plans of a run's accounts. `id` is a ULID, which only the caller can make.
pub fn assemble(
    config: &Config,
    id: String,
    now: DateTime<Utc>,
    as_if_enforce: bool,
    accounts: Vec<AccountPlan>,
) -> Plan {
    let mut plan = Plan {
        schema: "iamwarden.plan/v1".to_owned(),
        id,
        // To the second: programs in other languages do not all read more.
        created_at: now.trunc_subsecs(0),
        config_digest: config.digest(),
        dry_run: true,
        as_if: as_if_enforce.then(|| "enforce".to_owned()),
        accounts: Vec::new(),
        left_out: Vec::new(),
        findings: Vec::new(),
        actions: Vec::new(),
        notifications: Vec::new(),
        exemptions: summarize_exemptions(config, now),
        api_calls: BTreeMap::new(),
    };
    let mut notifications = BTreeMap::new();
    for account in accounts {
        let AccountPlan {
            summary,
            findings,
            actions,
            notifications: of_account,
            api_calls,
            judgements: _,
        } = account;
        plan.accounts.push(summary);
        plan.findings.extend(findings);
        plan.actions.extend(actions);
        for notification in of_account {
            join(&mut notifications, notification);
        }
        for (operation, count) in api_calls {
            *plan.api_calls.entry(operation).or_default() += count;
        }
    }
    plan.accounts.sort_by(|a, b| a.id.cmp(&b.id));
    plan.findings.sort_by(|a, b| {
        (&a.account, &a.resource, &a.rule, &a.id).cmp(&(&b.account, &b.resource, &b.rule, &b.id))
    });
    plan.actions
        .sort_by(|a, b| (&a.account, &a.resource, &a.id).cmp(&(&b.account, &b.resource, &b.id)));
    plan.notifications = notifications.into_values().collect();
    plan
}

/// Receiver, channel and event: what makes two notifications one, and the order of all.
type Occasion = (Option<Owner>, Option<String>, Event);

/// An owner of things in several accounts hears of each event once.
fn join(notifications: &mut BTreeMap<Occasion, Notification>, new: Notification) {
    match notifications.entry((new.to.clone(), new.channel.clone(), new.event)) {
        Entry::Occupied(mut known) => {
            let known = known.get_mut();
            known.findings.extend(new.findings);
            known.findings.sort();
            known.notices.extend(new.notices);
            known.notices.sort();
            known.every = known.every.into_iter().chain(new.every).min();
        }
        Entry::Vacant(place) => {
            place.insert(new);
        }
    }
}

fn summarize_exemptions(config: &Config, now: DateTime<Utc>) -> Vec<ExemptionSummary> {
    let today = now.date_naive();
    let state = |until: NaiveDate| match (until - today).num_days() {
        i64::MIN..0 => ExemptionState::Expired,
        0..=EXPIRING_WITHIN_DAYS => ExemptionState::Expiring,
        _ => ExemptionState::Active,
    };
    let summaries = config.exemptions.iter().map(|exemption| ExemptionSummary {
        principals: exemption.principals.clone(),
        rules: exemption.rules.clone(),
        until: exemption.until,
        reason: exemption.reason.clone(),
        state: state(exemption.until),
    });
    let mut summaries: Vec<_> = summaries.collect();
    summaries.sort_by(|a, b| (a.until, &a.principals, &a.rules).cmp(&(b.until, &b.principals, &b.rules)));
    summaries
}
