//! `[rules]`: what each rule may do, and from when on something offends. Those of the rules that look into regions are
//! beside `[regions]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::{Schedule, optional_text};
use super::{AccessAnalyzer, CloudTrail, IamAlarms, InstanceRoles, Mode, OrEmpty};
use crate::model::{AccountId, PrincipalKind, Span};

/// `[rules.*]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// Access keys past their rotation age.
    pub access_key_rotation: AccessKeyRotation,
    /// Access keys that nobody uses.
    pub unused_access_keys: UnusedAccessKeys,
    /// The account password policy.
    pub password_policy: PasswordPolicyRule,
    /// Managed policies that grant only what nobody uses.
    pub unused_permissions: UnusedPermissions,
    /// Permissions that nobody has confirmed for too long.
    pub access_review: AccessReview,
    /// Roles that outsiders can assume too freely.
    pub role_trust: RoleTrust,
    /// The record of who did what: trails that are missing, stopped or weak.
    pub cloudtrail: CloudTrail,
    /// Users without an active MFA device.
    pub user_mfa: UserMfa,
    /// The root user: MFA, access keys, use.
    pub root_account: RootAccount,
    /// Console passwords that nobody uses.
    pub unused_passwords: UnusedPasswords,
    /// Users that nobody uses.
    pub unused_users: UnusedUsers,
    /// Roles that nobody assumes.
    pub unused_roles: UnusedRoles,
    /// Policies that allow far more than anybody needs.
    pub broad_policies: BroadPolicies,
    /// Events that nobody is told of.
    pub iam_alarms: IamAlarms,
    /// Access from outside is looked for in every region.
    pub access_analyzer: AccessAnalyzer,
    /// Running EC2 instances without a role.
    pub instance_roles: InstanceRoles,
}

/// `[rules.access_key_rotation]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccessKeyRotation {
    /// What the rule may do.
    pub mode: Mode,
    /// Its own schedule; absent: `schedule.default`.
    #[serde(default)]
    pub schedule: Option<Schedule>,
    /// An active key of this age offends; an age equal to the limit does.
    pub max_age: Span,
    /// How long before the date its owner is reminded.
    pub warn_before: Vec<Span>,
    /// A key is disabled only so long after its owner was told.
    pub minimum_notice: Span,
    /// Above 0: a key used that recently is withheld and reported, not disabled.
    pub spare_used_within: Span,
    /// How long after iamwarden disabled a key it is deleted; empty: never. Declaring it is consent to the irreversible.
    #[serde(with = "optional_text")]
    #[schemars(with = "OrEmpty<Span>")]
    pub delete_after: Option<Span>,
}

/// `[rules.unused_access_keys]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UnusedAccessKeys {
    /// What the rule may do.
    pub mode: Mode,
    /// Its own schedule; absent: `schedule.default`.
    #[serde(default)]
    pub schedule: Option<Schedule>,
    /// An active key unused for longer offends; one never used counts from its creation.
    pub unused_for: Span,
    /// A key is disabled only so long after its owner was told.
    pub minimum_notice: Span,
}

/// `[rules.password_policy]`: what is unset is left alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordPolicyRule {
    /// What the rule may do.
    pub mode: Mode,
    /// Its own schedule; absent: `schedule.default`.
    #[serde(default)]
    pub schedule: Option<Schedule>,
    /// Set what is declared even where the account is stricter.
    pub exact: bool,
    /// 6 to 128.
    #[serde(default)]
    #[schemars(range(min = 6, max = 128))]
    pub minimum_length: Option<u32>,
    /// At least one of A to Z.
    #[serde(default)]
    pub require_uppercase: Option<bool>,
    /// At least one of a to z.
    #[serde(default)]
    pub require_lowercase: Option<bool>,
    /// At least one digit.
    #[serde(default)]
    pub require_numbers: Option<bool>,
    /// At least one symbol.
    #[serde(default)]
    pub require_symbols: Option<bool>,
    /// Users may change their own password; true counts as raised.
    #[serde(default)]
    pub allow_users_to_change: Option<bool>,
    /// Whole days, 1 to 1095.
    #[serde(default)]
    pub max_age: Option<Span>,
    /// 1 to 24.
    #[serde(default)]
    #[schemars(range(min = 1, max = 24))]
    pub reuse_prevention: Option<u32>,
    /// Expired passwords need an administrator.
    #[serde(default)]
    pub hard_expiry: Option<bool>,
}

/// `[rules.unused_permissions]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UnusedPermissions {
    /// What the rule may do.
    pub mode: Mode,
    /// Its own schedule; absent: `schedule.default`.
    #[serde(default)]
    pub schedule: Option<Schedule>,
    /// A policy is unused when no service it reaches was used for that long.
    pub unused_for: Span,
    /// Principals and attachments younger than this are left alone.
    pub minimum_age: Span,
    /// Withheld until seen unused in every reading for that long.
    pub confirm_after: Span,
    /// Which kinds of principal.
    pub principals: Vec<PrincipalKind>,
    /// Whether an attachment of unknown age is as old as the youngest thing it joins.
    pub trust_existing: bool,
}

/// `[rules.access_review]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccessReview {
    /// What the rule may do: in `approve` and `enforce` owners are reminded.
    pub mode: Mode,
    /// Its own schedule; absent: `schedule.default`.
    #[serde(default)]
    pub schedule: Option<Schedule>,
    /// How often the permissions of a principal are to be confirmed.
    pub every: Span,
    /// How often the owner of an overdue principal is reminded.
    pub remind_every: Span,
}

/// `[rules.role_trust]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RoleTrust {
    /// What the rule may do; it only ever reports.
    pub mode: Mode,
    /// Its own schedule; absent: `schedule.default`.
    #[serde(default)]
    pub schedule: Option<Schedule>,
    /// Accounts that are yours besides those under `[[accounts]]`: they may be trusted without an external id.
    pub trusted_accounts: Vec<AccountId>,
}

/// `[rules.user_mfa]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UserMfa {
    /// What the rule may do.
    pub mode: Mode,
    /// Its own schedule; absent: `schedule.default`.
    #[serde(default)]
    pub schedule: Option<Schedule>,
    /// Who has to have a device.
    pub scope: MfaScope,
    /// MFA is required only so long after the user's owner was told.
    pub minimum_notice: Span,
    /// How long before the date the owner is reminded.
    pub warn_before: Vec<Span>,
}

/// Who has to have an MFA device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MfaScope {
    /// Users with a console password.
    Console,
    /// Every user.
    All,
}

/// `[rules.root_account]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RootAccount {
    /// What the rule may do: it changes nothing in any mode, but in `approve` and `enforce` the account's owner is told.
    pub mode: Mode,
    /// Its own schedule; absent: `schedule.default`.
    #[serde(default)]
    pub schedule: Option<Schedule>,
    /// Whether a virtual MFA device offends.
    pub require_hardware: bool,
    /// Use of the root user within that time offends.
    pub recent_use: Span,
    /// How often the owner is told again as long as something is wrong.
    pub remind_every: Span,
}

/// `[rules.unused_passwords]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UnusedPasswords {
    /// What the rule may do.
    pub mode: Mode,
    /// Its own schedule; absent: `schedule.default`.
    #[serde(default)]
    pub schedule: Option<Schedule>,
    /// A password unused for longer offends; one never used counts from the day it was set.
    pub unused_for: Span,
    /// A password is deleted only so long after its owner was told.
    pub minimum_notice: Span,
    /// A deleted password cannot be restored: `true` lets `enforce` delete without a person's approval.
    pub allow_irreversible: bool,
}

/// `[rules.unused_users]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UnusedUsers {
    /// What the rule may do: in `approve` and `enforce` owners are reminded.
    pub mode: Mode,
    /// Its own schedule; absent: `schedule.default`.
    #[serde(default)]
    pub schedule: Option<Schedule>,
    /// A user without any sign of life for longer offends.
    pub unused_for: Span,
    /// How often the owner is reminded.
    pub remind_every: Span,
}

/// `[rules.unused_roles]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UnusedRoles {
    /// What the rule may do.
    pub mode: Mode,
    /// Its own schedule; absent: `schedule.default`.
    #[serde(default)]
    pub schedule: Option<Schedule>,
    /// A role unused for longer, and older than that, offends.
    pub unused_for: Span,
    /// The same for roles that may be assumed from outside the account; the longer of the two counts.
    pub external_unused_for: Span,
    /// Withheld until seen unused in every reading for that long.
    pub confirm_after: Span,
    /// A role is quarantined only so long after its owner was told.
    pub minimum_notice: Span,
}

/// `[rules.broad_policies]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BroadPolicies {
    /// What the rule may do; it only ever reports.
    pub mode: Mode,
    /// Its own schedule; absent: `schedule.default`.
    #[serde(default)]
    pub schedule: Option<Schedule>,
    /// A narrower policy leaves out the services that were not used for that long.
    pub unused_for: Span,
    /// Whether users may have policies of their own, besides those of their groups.
    pub allow_attached_to_users: bool,
}
