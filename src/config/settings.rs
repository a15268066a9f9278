//! The declared policy: every key of the configuration, with its type. Defaults stand in `config/default.toml`.
//!
//! The doc comments here are the reference that `iamwarden schema` prints.

mod auth;
mod organization;
mod regional;

use chrono::NaiveDate;
use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::auth::{Auth, OpenIdConnect, Role, TokenEntry};
pub use self::organization::{Excluded, OrganizationSettings, Rollout};
pub use self::regional::{
    AccessAnalyzer, CloudTrail, IamAlarms, InstanceRoles, OwnPattern, Regions, WatchedEvent,
};
use super::format::{Date, ListenAddress, Network, OrEmpty, RoleArn, TimeZone};
use super::{Schedule, SecretReference, SecretReferenceError, Window, optional_text};
use crate::model::{
    AccountId, Arn, Glob, Membership, Owner, PrincipalKind, RequestedExemption, RuleName, Span,
};

/// The whole configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// No mutation at all, whatever any rule's mode says.
    pub dry_run: bool,
    /// Stops all changes; so does `iamwarden freeze`.
    pub freeze: bool,
    /// When rules run.
    pub schedule: ScheduleSettings,
    /// Where iamwarden keeps its state.
    pub state: StateSettings,
    /// HTTP for health checks, metrics, pages and the API.
    pub server: ServerSettings,
    /// The accounts to look after. None: the account of the ambient credentials.
    #[serde(default)]
    pub accounts: Vec<Account>,
    /// Which other accounts are looked after.
    pub organization: OrganizationSettings,
    /// In which accounts rules have their modes; absent: in all of them.
    #[serde(default)]
    pub rollout: Option<Rollout>,
    /// Where regional rules look.
    pub regions: Regions,
    /// How much may change.
    pub guardrails: Guardrails,
    /// Who decides, and for how long.
    pub approvals: Approvals,
    /// The rules.
    pub rules: Rules,
    /// Who is left alone, why, and until when.
    #[serde(default)]
    pub exemptions: Vec<Exemption>,
    /// Who is told, and how.
    pub notifications: Notifications,
    /// Who is told regularly how it stands.
    pub reports: Reports,
}

/// `[reports]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reports {
    /// When; empty: never by itself.
    #[serde(with = "optional_text")]
    #[schemars(with = "OrEmpty<Schedule>")]
    pub schedule: Option<Schedule>,
    /// Declared channels that hear of everything.
    pub channels: Vec<String>,
    /// Whether each owner hears of what is theirs, where a channel reaches them.
    pub owners: bool,
}

/// `[schedule]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScheduleSettings {
    /// The schedule of every rule without one of its own. Six or seven fields, seconds first, in UTC.
    pub default: Schedule,
    /// How many accounts are read at once; as many are held in memory.
    #[schemars(range(min = 1, max = 64))]
    pub accounts_at_once: u32,
    /// Over how long a tick of the daemon spreads its accounts; half the time until the next tick at most.
    pub spread_over: Span,
}

/// `[state]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StateSettings {
    /// `sqlite:PATH`, `postgres://USER@HOST/DATABASE`, or a reference to a secret that holds such an address.
    pub url: String,
    /// How long findings and runs are kept. The journal is kept for ever.
    pub keep_findings: Span,
}

impl StateSettings {
    /// The secret that holds the address, where one is named.
    pub fn secret(&self) -> Option<Result<SecretReference, SecretReferenceError>> {
        SecretReference::parse_if_meant(&self.url)
    }
}

/// `[server]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerSettings {
    /// Address and port; empty turns HTTP off.
    #[serde(with = "optional_text")]
    #[schemars(with = "OrEmpty<ListenAddress>")]
    pub listen: Option<std::net::SocketAddr>,
    /// Where people reach the server, such as `https://iamwarden.example.com`, for links in messages; empty: no links.
    #[serde(with = "optional_text")]
    #[schemars(with = "String")]
    pub public_url: Option<String>,
    /// Who may look at the pages and the API, and who may decide there.
    pub auth: Auth,
}

/// `[[accounts]]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// Twelve digits. `GetCallerIdentity` must answer with it.
    pub id: AccountId,
    /// What people call it.
    #[serde(default)]
    pub name: Option<String>,
    /// Who answers for what has no owner of its own.
    #[serde(default)]
    pub owner: Option<Owner>,
    /// The role to assume; absent: the ambient credentials.
    #[serde(default)]
    #[schemars(with = "Option<RoleArn>")]
    pub role_arn: Option<Arn>,
    /// The external id that the role's trust asks for.
    #[serde(default)]
    pub external_id: Option<SecretReference>,
    /// The role that `rollback` assumes; empty or absent: the same as for everything else.
    #[serde(default, with = "optional_text")]
    #[schemars(with = "OrEmpty<RoleArn>")]
    pub rollback_role_arn: Option<Arn>,
    /// Where it stands in the organization, as that was read; never declared.
    #[serde(skip)]
    pub membership: Membership,
}

/// `[guardrails]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Guardrails {
    /// Most changes of one account in one run.
    pub max_changes_per_run: u32,
    /// Most changes of one account in one run, in percent of its users, groups and roles; at least one, but 0 is none.
    #[schemars(range(min = 0, max = 100))]
    pub max_changes_percent: u32,
    /// Most changes of one account in any 24 hours.
    pub max_changes_per_day: u32,
    /// What happens to a run that wants more.
    pub on_excess: OnExcess,
    /// The oldest plan file that `apply --plan` takes.
    pub max_plan_age: Span,
    /// No mutation outside, in any mode. Empty: always open.
    #[serde(with = "optional_text")]
    #[schemars(with = "OrEmpty<Window>")]
    pub change_window: Option<Window>,
    /// The time zone of the window and of quiet hours, by its IANA name.
    #[serde(with = "time_zone")]
    #[schemars(with = "TimeZone")]
    pub timezone: chrono_tz::Tz,
    /// Principals that are never touched.
    pub protected: Vec<Glob>,
}

/// What happens to a run that wants more changes than it may make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnExcess {
    /// The gravest, then the oldest go first; the rest is withheld.
    Cap,
    /// None is applied.
    Stop,
}

/// `[approvals]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Approvals {
    /// How long an approval lives, from the later of the decision and the action's `not_before`.
    pub expire_after: Span,
    /// Who may decide; empty: whoever can write to the state by the command line.
    pub approvers: Vec<String>,
    /// How many of them have to say yes.
    #[schemars(range(min = 1))]
    pub minimum_approvers: u32,
    /// Whether `iamwarden approve` may be used.
    pub command_line: bool,
    /// Under which names one and the same person appears.
    #[serde(default)]
    pub people: Vec<PersonEntry>,
}

/// `[[approvals.people]]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PersonEntry {
    /// The name, as in `approvers`, owner tags and owners.
    pub name: String,
    /// Other names of the same person: chat user id, subject of the sign-in, name at the command line, IAM user name.
    pub also: Vec<String>,
}

/// What a rule may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Nothing: the rule does not run.
    Off,
    /// Finds and proposes.
    Report,
    /// Acts on what a person approved.
    Approve,
    /// Acts.
    Enforce,
}

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

/// `[[exemptions]]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Exemption {
    /// Patterns over the part of the ARN after the account.
    pub principals: Vec<Glob>,
    /// Which rules.
    pub rules: Vec<RuleName>,
    /// Which accounts; absent: all.
    #[serde(default)]
    pub accounts: Option<Vec<AccountId>>,
    /// The last day, in UTC.
    #[schemars(with = "Date")]
    pub until: NaiveDate,
    /// Why.
    pub reason: String,
}

impl Exemption {
    /// One that was granted on request, in the words of the configuration.
    pub fn of_granted(granted: &RequestedExemption) -> Self {
        let request = &granted.request;
        let by = granted.answer.as_ref().map(|answer| &answer.by.name);
        let by = by.map(|by| format!(" (granted by {by}, {})", request.id));
        Self {
            principals: vec![Glob::new(request.resource.resource())],
            rules: request.rules.clone(),
            accounts: Some(vec![request.account.clone()]),
            until: request.until,
            reason: format!("{}{}", request.reason, by.unwrap_or_default()),
        }
    }
}

/// `[notifications]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Notifications {
    /// The first of these tags on a principal names its owner.
    pub owner_tags: Vec<String>,
    /// A declared channel: gets what has no owner or no channel, and the digest of rules in `report`.
    #[serde(with = "optional_text")]
    #[schemars(with = "String")]
    pub default_channel: Option<String>,
    /// Reminders wait for its end.
    #[serde(with = "optional_text")]
    #[schemars(with = "OrEmpty<Window>")]
    pub quiet_hours: Option<Window>,
    /// Private or loopback ranges that channels may reach.
    #[schemars(with = "Vec<Network>")]
    pub allow_networks: Vec<IpNet>,
    /// Whether channels may use `http:`.
    pub allow_http: bool,
    /// Hosts that answers to clicks in Slack may go to.
    pub slack_hosts: Vec<String>,
    /// Where messages go.
    #[serde(default)]
    pub channels: Vec<Channel>,
    /// Who owns what, and how owners are reached.
    #[serde(default)]
    pub owners: Vec<OwnerEntry>,
}

/// `[[notifications.channels]]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Channel {
    /// By which others refer to it.
    pub name: String,
    /// What is spoken there.
    pub kind: ChannelKind,
    /// The webhook's URL, which is itself a secret.
    pub url: SecretReference,
    /// What signs the body; kind `webhook` only.
    #[serde(default)]
    pub secret: Option<SecretReference>,
    /// By which Slack signs clicks; kind `slack` only. With it, messages carry buttons.
    #[serde(default)]
    pub signing_secret: Option<SecretReference>,
    /// Also gets a copy of these events: names, or `*`.
    #[serde(default)]
    pub events: Vec<String>,
}

/// What is spoken at a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChannelKind {
    /// A Slack incoming webhook (Block Kit).
    Slack,
    /// A Teams Workflows webhook (Adaptive Cards).
    Teams,
    /// JSON, signed as Standard Webhooks.
    Webhook,
}

/// `[[notifications.owners]]`: either says who owns principals, or how an owner is reached.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum OwnerEntry {
    /// These principals belong to this owner, whatever their tags say.
    Map(OwnerMap),
    /// Owners that match are reached there.
    Route(OwnerRoute),
}

/// Who owns some principals.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OwnerMap {
    /// Patterns over the part of the ARN after the account.
    pub principals: Vec<Glob>,
    /// Their owner.
    pub owner: Owner,
}

/// How an owner is reached.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OwnerRoute {
    /// A glob over the owner's name.
    #[serde(rename = "match")]
    pub pattern: Glob,
    /// A declared channel.
    pub channel: String,
    /// How the channel mentions the owner, in its own markup.
    #[serde(default)]
    pub mention: Option<String>,
}

/// Says which form was meant, where serde's own message for untagged enums says nothing.
impl<'de> Deserialize<'de> for OwnerEntry {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Entry {
            principals: Option<Vec<Glob>>,
            owner: Option<Owner>,
            #[serde(rename = "match")]
            pattern: Option<Glob>,
            channel: Option<String>,
            mention: Option<String>,
        }
        let entry = Entry::deserialize(deserializer)?;
        match entry {
            Entry {
                principals: Some(principals),
                owner: Some(owner),
                pattern: None,
                channel: None,
                mention: None,
            } => Ok(Self::Map(OwnerMap { principals, owner })),
            Entry {
                principals: None,
                owner: None,
                pattern: Some(pattern),
                channel: Some(channel),
                mention,
            } => Ok(Self::Route(OwnerRoute {
                pattern,
                channel,
                mention,
            })),
            Entry { .. } => Err(serde::de::Error::custom(
                "expected either `principals` with `owner`, or `match` with `channel` and perhaps `mention`",
            )),
        }
    }
}

mod time_zone {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(zone: &chrono_tz::Tz, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(zone.name())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<chrono_tz::Tz, D::Error> {
        let name = String::deserialize(deserializer)?;
        name.parse().map_err(|_| {
            serde::de::Error::custom(format!(
                "`{name}` is not a time zone (an IANA name such as \"Europe/Berlin\")"
            ))
        })
    }
}
