//! What an account holds besides its principals.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::principals::{Document, default_age};
use super::when::When;

/// Credentials that work from the start.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CallerSeed {
    /// The access key id that requests are signed with.
    pub access_key_id: String,
    /// The secret, which is not checked.
    #[serde(default = "CallerSeed::default_secret")]
    pub secret_access_key: String,
    /// Who that is: `user/path/name`, `assumed-role/role/session` or `root`.
    pub acts_as: String,
}

impl CallerSeed {
    pub(crate) fn default_secret() -> String {
        "simulator/secret/which/nobody/checks/at/all".to_owned()
    }
}

/// An account's password policy. Fields left out have the defaults of AWS.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct PasswordPolicy {
    /// 6 to 128.
    pub minimum_password_length: u32,
    /// At least one of `! @ # …`.
    pub require_symbols: bool,
    /// At least one digit.
    pub require_numbers: bool,
    /// At least one of `A-Z`.
    pub require_uppercase_characters: bool,
    /// At least one of `a-z`.
    pub require_lowercase_characters: bool,
    /// Whether users may change their own passwords.
    pub allow_users_to_change_password: bool,
    /// Days until a password expires, 1 to 1095; never unless given.
    pub max_password_age: Option<u32>,
    /// How many passwords are remembered, 1 to 24; none unless given.
    pub password_reuse_prevention: Option<u32>,
    /// Whether an expired password can only be reset by an administrator.
    pub hard_expiry: bool,
}

impl Default for PasswordPolicy {
    fn default() -> Self {
        Self {
            minimum_password_length: 6,
            require_symbols: false,
            require_numbers: false,
            require_uppercase_characters: false,
            require_lowercase_characters: false,
            allow_users_to_change_password: false,
            max_password_age: None,
            password_reuse_prevention: None,
            hard_expiry: false,
        }
    }
}

/// A managed policy.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PolicySeed {
    /// Its name.
    pub name: String,
    /// Its path, `/` unless given.
    #[serde(default = "super::principals::root_path")]
    pub path: String,
    /// Whether it belongs to AWS instead of the account.
    #[serde(default)]
    pub aws_managed: bool,
    /// A description.
    #[serde(default)]
    pub description: Option<String>,
    /// How long ago it was made.
    #[serde(default = "default_age")]
    pub age: When,
    /// When it was last changed; when it was made unless given.
    #[serde(default)]
    pub updated: When,
    /// The document of its only version.
    #[serde(default)]
    pub document: Option<Document>,
    /// Its versions, oldest first, instead of `document`.
    #[serde(default)]
    pub versions: Vec<VersionSeed>,
    /// Which version is in force: `v2`; the last unless given.
    #[serde(default)]
    pub default_version: Option<String>,
    /// Its tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// One version of a managed policy.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct VersionSeed {
    /// `v1`; numbered in order unless given.
    #[serde(default)]
    pub id: Option<String>,
    /// The document.
    pub document: Document,
    /// How long ago it was made.
    #[serde(default = "default_age")]
    pub age: When,
}

/// A secret of Secrets Manager.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SecretSeed {
    /// Its name.
    pub name: String,
    /// What `GetSecretValue` gives.
    pub value: String,
    /// Its region.
    #[serde(default = "super::principals::default_region")]
    pub region: String,
    /// How long ago it was made.
    #[serde(default = "default_age")]
    pub age: When,
}

/// A bucket of S3.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BucketSeed {
    /// Its name.
    pub name: String,
    /// Its region.
    #[serde(default = "super::principals::default_region")]
    pub region: String,
    /// Whether its policy makes it public; it has no policy unless given.
    #[serde(default)]
    pub public_policy: Option<bool>,
    /// Whether all public access is blocked; there are no settings for that unless given.
    #[serde(default)]
    pub block_public_access: Option<bool>,
    /// Grants of its access control list beside the owner's.
    #[serde(default)]
    pub grants: Vec<GrantSeed>,
}

/// A grant of an access control list.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GrantSeed {
    /// `AllUsers`, `AuthenticatedUsers`, `LogDelivery`, or the canonical id of an account.
    pub to: String,
    /// `READ`, `WRITE`, `READ_ACP`, `WRITE_ACP` or `FULL_CONTROL`.
    pub permission: String,
}

/// How the credential report behaves.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReportSeed {
    /// A report exists already, made that long ago.
    pub existing: When,
    /// So many calls are answered with "in progress" until a new report is there.
    pub polls: u32,
    /// Reports are never done: every poll says "in progress".
    pub never_ready: bool,
    /// Reports are never there: `GetCredentialReport` always says `ReportNotPresent`.
    pub absent: bool,
    /// Every report is stamped as if it had been made that long ago.
    pub stamp: When,
    /// `GetCredentialReport` says `ReportExpired` for reports older than this (an age).
    pub expires: When,
    /// Both operations fail with this error code, for example `LimitExceeded` or `AccessDenied`.
    pub refused: Option<String>,
    /// Users whom the report does not know.
    pub omit: Vec<String>,
    /// How many columns it has: 23, as today, unless given; 22 in older ones.
    pub columns: Option<usize>,
    /// The whole report, word for word, instead of one made from the account.
    pub csv: Option<String>,
}
