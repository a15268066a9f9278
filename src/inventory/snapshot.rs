//! The types of a snapshot.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{OtherCredential, PasswordUse, Regions};
use crate::model::{AccessKeyId, AccountId, Arn, Digest, KeyStatus, Partition, PasswordPolicy};

/// Something that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Gap {
    /// The operation that failed, such as `iam:GetCredentialReport`.
    pub operation: String,
    /// Of which resource; `None`: of the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<Arn>,
    /// Why.
    pub cause: GapCause,
    /// The cause in words, scrubbed of secrets.
    pub detail: String,
}

/// Why something could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GapCause {
    /// AWS asked to slow down, more often than the budget allows to ask again.
    Throttled,
    /// The credentials may not read it.
    Denied,
    /// There is something, but not what a verdict needs: too old, incomplete, contradictory, failed.
    Unusable,
    /// The service or the way to it failed.
    Failed,
}

/// Read, or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reading<T> {
    /// Read, and so.
    Known(T),
    /// Not read: no conclusion may rest on it.
    Unknown(Gap),
}

impl<T> Reading<T> {
    /// The value, where it was read.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Unknown(_) => None,
        }
    }

    /// The gap, where it was not.
    pub fn gap(&self) -> Option<&Gap> {
        match self {
            Self::Known(_) => None,
            Self::Unknown(gap) => Some(gap),
        }
    }

    /// Both ways at once, for `?`.
    ///
    /// # Errors
    /// The gap.
    pub fn as_result(&self) -> Result<&T, &Gap> {
        match self {
            Self::Known(value) => Ok(value),
            Self::Unknown(gap) => Err(gap),
        }
    }
}

impl<T> Reading<T> {
    /// What was read, as something else.
    pub fn map<U>(self, convert: impl FnOnce(T) -> U) -> Reading<U> {
        match self {
            Self::Known(value) => Reading::Known(convert(value)),
            Self::Unknown(gap) => Reading::Unknown(gap),
        }
    }
}

impl<T> From<Result<T, Gap>> for Reading<T> {
    fn from(read: Result<T, Gap>) -> Self {
        match read {
            Ok(value) => Self::Known(value),
            Err(gap) => Self::Unknown(gap),
        }
    }
}

/// Who iamwarden is in this account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// As `GetCallerIdentity` says.
    pub arn: Arn,
    /// The resource parts of every identity it runs as here, with paths dropped: `role/iamwarden`, `user/x`.
    /// Includes the role of each step of the chain that lies in this account.
    pub identities: Vec<String>,
}

/// All that is known of one account at one time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// `iamwarden.snapshot/v1`.
    pub schema: String,
    /// When the reading began.
    pub taken_at: DateTime<Utc>,
    /// The account, as `GetCallerIdentity` confirmed it.
    pub account: AccountId,
    /// Its name: from the configuration, else its alias where known, else the id.
    pub name: String,
    /// The partition of the caller's ARN.
    pub partition: Partition,
    /// Who reads.
    pub caller: Caller,
    /// Users, groups, roles and managed policies.
    pub authorization: Reading<Authorization>,
    /// The account's own password policy; `None`: it has none. Unread where no rule needs it.
    pub password_policy: Option<Reading<Option<PasswordPolicy>>>,
    /// The root user. Unread where no rule needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<RootUser>,
    /// The virtual MFA devices of the account, by serial number. Unread where no rule needs them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub virtual_mfa_devices: Option<Reading<Vec<VirtualMfaDevice>>>,
    /// Access Advisor by principal ARN, for the principals that a rule needs it of.
    pub last_accessed: BTreeMap<Arn, Reading<ServiceLastAccessed>>,
    /// When the credential report that was used was made; `None`: none was used.
    pub credential_report_at: Option<DateTime<Utc>>,
    /// What lives in regions. A region that is not there was not looked into.
    #[serde(default)]
    pub regions: Regions,
    /// Everything needed that could not be read, sorted. What stands in a `Reading::Unknown` is listed here too, save
    /// what no rule asked for.
    pub gaps: Vec<Gap>,
    /// How many calls of each operation it took.
    pub api_calls: BTreeMap<String, u64>,
}

impl Snapshot {
    /// A snapshot of which nothing is known yet but who reads, and where.
    pub fn unread(account: AccountId, partition: Partition, caller: Caller, now: DateTime<Utc>) -> Self {
        let gap = Gap {
            operation: "iam:GetAccountAuthorizationDetails".to_owned(),
            resource: None,
            cause: GapCause::Unusable,
            detail: "not read yet".to_owned(),
        };
        Self {
            schema: Self::SCHEMA.to_owned(),
            taken_at: now,
            name: account.to_string(),
            account,
            partition,
            caller,
            authorization: Reading::Unknown(gap),
            password_policy: None,
            root: None,
            virtual_mfa_devices: None,
            last_accessed: BTreeMap::new(),
            credential_report_at: None,
            regions: Default::default(),
            gaps: Vec::new(),
            api_calls: BTreeMap::new(),
        }
    }

    /// The digest of what was read: of everything but when and with how many calls. Written straight into the hash:
    /// a snapshot of a large account is not copied for it.
    pub fn digest(&self) -> Digest {
        let Self {
            schema,
            taken_at: _,
            account,
            name,
            partition,
            caller,
            authorization,
            password_policy,
            root,
            virtual_mfa_devices,
            last_accessed,
            credential_report_at,
            regions,
            gaps,
            api_calls: _,
        } = self;
        Digest::of_serialized(&(
            (schema, account, name, partition, caller),
            (
                authorization,
                password_policy,
                last_accessed,
                credential_report_at,
                gaps,
            ),
            regions,
            (root, virtual_mfa_devices),
        ))
    }
}

/// The answer of `GetAccountAuthorizationDetails`, all pages of it. Each list is sorted by ARN.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Authorization {
    /// IAM users.
    pub users: Vec<User>,
    /// IAM groups.
    pub groups: Vec<Group>,
    /// IAM roles.
    pub roles: Vec<Role>,
    /// Managed policies: the account's own, and those of AWS that are in use.
    pub policies: BTreeMap<Arn, ManagedPolicy>,
}

/// A managed policy attached to a principal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AttachedPolicy {
    /// The policy.
    pub arn: Arn,
    /// Its name.
    pub name: String,
}

/// A policy inside a principal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InlinePolicy {
    /// Its name.
    pub name: String,
    /// The document, URL-decoded, as text: parsed by whoever judges it.
    pub document: String,
}

/// An IAM user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Its ARN, path included.
    pub arn: Arn,
    /// Its name, without path.
    pub name: String,
    /// Its unique id (`AIDA…`), which a namesake does not share.
    pub id: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// The names of its groups.
    pub groups: Vec<String>,
    /// Managed policies attached directly.
    pub attached: Vec<AttachedPolicy>,
    /// Policies of its own.
    pub inline: Vec<InlinePolicy>,
    /// Its permissions boundary.
    pub boundary: Option<Arn>,
    /// Its access keys and password. Unread where no rule needs them.
    pub credentials: Option<Reading<Credentials>>,
    /// How it signs in to the console. Unread where no rule needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign_in: Option<Reading<SignIn>>,
    /// How its console password is used; `None` in it: it has none. Unread where no rule needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_use: Option<Reading<Option<PasswordUse>>>,
    /// Its credentials of which AWS does not say when they were used. Unread unless all else rests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_credentials: Option<Reading<Vec<OtherCredential>>>,
}

/// How a user signs in to the console.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignIn {
    /// Whether it has a console password.
    pub console_password: bool,
    /// When that was made; `None`: there is none, or only the report was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_made_at: Option<DateTime<Utc>>,
    /// Its active MFA devices.
    pub mfa: Mfa,
}

/// What is known of somebody's active MFA devices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mfa {
    /// Nobody asked: only users with a console password matter, and this one has none.
    NotAsked,
    /// Whether there is one, as the credential report says, which may be hours old.
    Reported(bool),
    /// Their serial numbers, sorted, as AWS said when asked.
    Devices(Vec<String>),
}

/// What is known of the root user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootUser {
    /// What `GetAccountSummary` says of it, live.
    pub summary: Reading<RootSummary>,
    /// What the credential report says of it, which may be hours old.
    pub report: Reading<RootReport>,
}

/// The root user in the account's summary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootSummary {
    /// Whether it has an MFA device.
    pub mfa: bool,
    /// Whether it has access keys.
    pub access_keys: bool,
    /// Whether it has a password; `None`: not said.
    pub password: Option<bool>,
    /// Whether it has signing certificates; `None`: not said.
    pub signing_certificates: Option<bool>,
}

/// The root user's row of the credential report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootReport {
    /// Whether it has a password; `None`: not said, as by older reports.
    pub password: Option<bool>,
    /// When the password was last used; `None`: never, as far as AWS knows.
    pub password_last_used: Option<DateTime<Utc>>,
    /// Whether it has an MFA device; `None`: not said.
    pub mfa: Option<bool>,
    /// Its access keys, without their ids, oldest first.
    pub access_keys: Vec<AccessKey>,
    /// Whether it has an active signing certificate; `None`: not said.
    pub signing_certificates: Option<bool>,
}

/// A virtual MFA device: an authenticator app.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct VirtualMfaDevice {
    /// Its serial number, which is an ARN.
    pub serial_number: String,
    /// Whose it is; `None`: it was made and never assigned, or taken from its user.
    pub holder: Option<Arn>,
}

/// What a user can sign in with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credentials {
    /// Its access keys, oldest first.
    pub access_keys: Vec<AccessKey>,
    /// Its console password; `None`: it has none.
    pub password: Reading<Option<ConsolePassword>>,
}

/// A console password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsolePassword {
    /// When it was last set; `None`: the report does not say.
    pub last_changed: Option<DateTime<Utc>>,
    /// When it was last used; `None`: never, as far as AWS knows.
    pub last_used: Option<DateTime<Utc>>,
}

/// An access key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessKey {
    /// Its id; `None`: only seen in the credential report, which has none. Such a key is far from any limit.
    pub id: Option<AccessKeyId>,
    /// Its status.
    pub status: KeyStatus,
    /// When it was made, to the second.
    pub created_at: DateTime<Utc>,
    /// When it was last used.
    pub last_used: Reading<LastUsed>,
}

/// The last use of an access key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LastUsed {
    /// Never, or not since AWS keeps count (22 April 2015).
    Never,
    /// At this time, to a quarter of an hour.
    At {
        /// When.
        at: DateTime<Utc>,
        /// For which service.
        service: Option<String>,
        /// In which region.
        region: Option<String>,
    },
}

impl LastUsed {
    /// The time, where there is one.
    pub fn at(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Never => None,
            Self::At { at, .. } => Some(*at),
        }
    }
}

/// An IAM group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Its ARN, path included.
    pub arn: Arn,
    /// Its name, without path.
    pub name: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Managed policies attached.
    pub attached: Vec<AttachedPolicy>,
    /// Policies of its own.
    pub inline: Vec<InlinePolicy>,
}

/// An IAM role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// Its ARN, path included.
    pub arn: Arn,
    /// Its name, without path.
    pub name: String,
    /// Its unique id (`AROA…`).
    pub id: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Managed policies attached.
    pub attached: Vec<AttachedPolicy>,
    /// Policies of its own.
    pub inline: Vec<InlinePolicy>,
    /// Its permissions boundary.
    pub boundary: Option<Arn>,
    /// Who may assume it, URL-decoded, as text.
    pub trust: String,
    /// When it was last used, within the tracking period; `None`: not in that time.
    pub last_used_at: Option<DateTime<Utc>>,
}

/// A managed policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManagedPolicy {
    /// Its ARN.
    pub arn: Arn,
    /// Its name.
    pub name: String,
    /// The id of the version in force.
    pub default_version: String,
    /// When the policy was made.
    pub created_at: DateTime<Utc>,
    /// When its default version last changed.
    pub updated_at: DateTime<Utc>,
    /// To how many principals it is attached.
    pub attachment_count: u32,
    /// For how many it is the boundary.
    pub boundary_count: u32,
    /// The versions that AWS still has, oldest first, the default one among them.
    pub versions: Vec<PolicyVersion>,
}

impl ManagedPolicy {
    /// The version in force, where AWS sent it.
    pub fn default_document(&self) -> Option<&PolicyVersion> {
        self.versions
            .iter()
            .find(|version| version.id == self.default_version)
    }
}

/// A version of a managed policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyVersion {
    /// `v1`, `v2` …
    pub id: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// The document, URL-decoded, as text.
    pub document: String,
}

/// A completed Access Advisor report of a principal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceLastAccessed {
    /// When AWS finished it.
    pub completed_at: DateTime<Utc>,
    /// By service namespace, in lower case.
    pub services: BTreeMap<String, ServiceUse>,
}

/// A row of an Access Advisor report.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ServiceUse {
    /// The last attempt, denied ones included; `None`: none in the tracking period.
    pub last_authenticated: Option<DateTime<Utc>>,
    /// The last attempt of each action that AWS tracks and the principal may do, by its name in lower case; `None`: none in
    /// the tracking period. What is not listed is not tracked, or was not asked for: nothing is known of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tracked_actions: BTreeMap<String, Option<DateTime<Utc>>>,
}

/// How finely Access Advisor is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Granularity {
    /// By service.
    Service,
    /// By service, and by action where AWS tracks actions.
    Action,
}
