//! The declared policy: every key of the configuration, with its type. Defaults stand in `config/default.toml`.
//!
//! The doc comments here are the reference that `iamwarden schema` prints.

mod auth;
mod notifications;
mod organization;
mod regional;
mod rules;

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::auth::{Auth, OpenIdConnect, Role, TokenEntry};
pub use self::notifications::{Channel, ChannelKind, Notifications, OwnerEntry, OwnerMap, OwnerRoute};
pub use self::organization::{Excluded, OrganizationSettings, Rollout};
pub use self::regional::{
    AccessAnalyzer, CloudTrail, IamAlarms, InstanceRoles, OwnPattern, Regions, WatchedEvent,
};
pub use self::rules::{
    AccessKeyRotation, AccessReview, BroadPolicies, MfaScope, PasswordPolicyRule, RoleTrust, RootAccount,
    Rules, UnusedAccessKeys, UnusedPasswords, UnusedPermissions, UnusedRoles, UnusedUsers, UserMfa,
};
use super::format::{Date, ListenAddress, Network, OrEmpty, RoleArn, TimeZone};
use super::{Schedule, SecretReference, SecretReferenceError, Window, optional_text};
use crate::model::{AccountId, Arn, Glob, Membership, Owner, RequestedExemption, RuleName, Span};

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
