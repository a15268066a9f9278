//! Users, groups and roles of a seed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::credentials::{KeySeed, MfaSeed, PasswordSeed, ServiceCredentialSeed, UploadSeed};
use super::when::When;

/// A policy document: a JSON text, kept as it is, or the same as a TOML table.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(untagged)]
pub enum Document {
    /// JSON.
    Text(String),
    /// A table.
    Table(serde_json::Map<String, serde_json::Value>),
}

impl Document {
    /// The document's text.
    pub fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Table(table) => serde_json::Value::Object(table.clone()).to_string(),
        }
    }
}

impl From<&str> for Document {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

pub(crate) fn root_path() -> String {
    "/".to_owned()
}

pub(crate) fn default_region() -> String {
    "us-east-1".to_owned()
}

pub(crate) fn default_age() -> When {
    When::days(365)
}

/// A managed policy attached to a principal: by name or ARN.
pub type AttachmentSeed = String;

/// A user.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct UserSeed {
    /// The name. With `repeat`, `{n}` in it is a number from `0001`.
    pub name: String,
    /// Plants so many users like this one.
    #[serde(default)]
    pub repeat: Option<u32>,
    /// The path, `/` unless given.
    #[serde(default = "root_path")]
    pub path: String,
    /// The unique id; made up unless given.
    #[serde(default)]
    pub id: Option<String>,
    /// How long ago the user was made; `365d` unless given.
    #[serde(default = "default_age")]
    pub age: When,
    /// Tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// MFA devices.
    #[serde(default)]
    pub mfa: MfaSeed,
    /// The console password, if there is one.
    #[serde(default)]
    pub password: Option<PasswordSeed>,
    /// Access keys, at most two.
    #[serde(default)]
    pub keys: Vec<KeySeed>,
    /// SSH public keys.
    #[serde(default)]
    pub ssh_keys: Vec<UploadSeed>,
    /// Signing certificates.
    #[serde(default)]
    pub signing_certificates: Vec<UploadSeed>,
    /// Credentials for one service only.
    #[serde(default)]
    pub service_credentials: Vec<ServiceCredentialSeed>,
    /// Names of the groups.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Inline policies by name.
    #[serde(default)]
    pub inline: BTreeMap<String, Document>,
    /// Attached managed policies.
    #[serde(default)]
    pub attached: Vec<AttachmentSeed>,
    /// The permissions boundary.
    #[serde(default)]
    pub boundary: Option<AttachmentSeed>,
    /// When which service was used last, by its namespace.
    #[serde(default)]
    pub used: BTreeMap<String, UseSeed>,
    /// What Access Advisor does for this user.
    #[serde(default)]
    pub advisor: Option<AdvisorSeed>,
}

impl UserSeed {
    /// A user without anything.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            repeat: None,
            path: root_path(),
            id: None,
            age: default_age(),
            tags: BTreeMap::new(),
            mfa: MfaSeed::default(),
            password: None,
            keys: Vec::new(),
            ssh_keys: Vec::new(),
            signing_certificates: Vec::new(),
            service_credentials: Vec::new(),
            groups: Vec::new(),
            inline: BTreeMap::new(),
            attached: Vec::new(),
            boundary: None,
            used: BTreeMap::new(),
            advisor: None,
        }
    }

    /// The same user with one more access key.
    #[must_use]
    pub fn key(mut self, key: KeySeed) -> Self {
        self.keys.push(key);
        self
    }
}

/// A group.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GroupSeed {
    /// The name.
    pub name: String,
    /// The path, `/` unless given.
    #[serde(default = "root_path")]
    pub path: String,
    /// How long ago it was made.
    #[serde(default = "default_age")]
    pub age: When,
    /// Inline policies by name.
    #[serde(default)]
    pub inline: BTreeMap<String, Document>,
    /// Attached managed policies.
    #[serde(default)]
    pub attached: Vec<AttachmentSeed>,
    /// What Access Advisor does for this group.
    #[serde(default)]
    pub advisor: Option<AdvisorSeed>,
}

impl GroupSeed {
    /// A group without policies.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            path: root_path(),
            age: default_age(),
            inline: BTreeMap::new(),
            attached: Vec::new(),
            advisor: None,
        }
    }
}

/// A role.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RoleSeed {
    /// The name.
    pub name: String,
    /// The path, `/` unless given.
    #[serde(default = "root_path")]
    pub path: String,
    /// The unique id; made up unless given.
    #[serde(default)]
    pub id: Option<String>,
    /// How long ago it was made.
    #[serde(default = "default_age")]
    pub age: When,
    /// A description.
    #[serde(default)]
    pub description: Option<String>,
    /// The whole trust policy, if `assumed_by` does not do.
    #[serde(default)]
    pub trust: Option<Document>,
    /// Who may assume it: account ids, ARNs of principals or of identity providers, services such as
    /// `lambda.amazonaws.com`.
    #[serde(default)]
    pub assumed_by: Vec<String>,
    /// The external id that the trust policy made from `assumed_by` demands.
    #[serde(default)]
    pub external_id: Option<String>,
    /// Seconds a session lasts at most.
    #[serde(default = "RoleSeed::default_session")]
    pub max_session: u32,
    /// When it was last used.
    #[serde(default)]
    pub last_used: When,
    /// Where it was last used.
    #[serde(default = "default_region")]
    pub region: String,
    /// Names of its instance profiles.
    #[serde(default)]
    pub instance_profiles: Vec<String>,
    /// Tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// Inline policies by name.
    #[serde(default)]
    pub inline: BTreeMap<String, Document>,
    /// Attached managed policies.
    #[serde(default)]
    pub attached: Vec<AttachmentSeed>,
    /// The permissions boundary.
    #[serde(default)]
    pub boundary: Option<AttachmentSeed>,
    /// When which service was used last, by its namespace.
    #[serde(default)]
    pub used: BTreeMap<String, UseSeed>,
    /// What Access Advisor does for this role.
    #[serde(default)]
    pub advisor: Option<AdvisorSeed>,
}

impl RoleSeed {
    /// A role without policies that nobody may assume.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            path: root_path(),
            id: None,
            age: default_age(),
            description: None,
            trust: None,
            assumed_by: Vec::new(),
            external_id: None,
            max_session: Self::default_session(),
            last_used: When::Never,
            region: default_region(),
            instance_profiles: Vec::new(),
            tags: BTreeMap::new(),
            inline: BTreeMap::new(),
            attached: Vec::new(),
            boundary: None,
            used: BTreeMap::new(),
            advisor: None,
        }
    }

    fn default_session() -> u32 {
        3600
    }
}

/// An instance profile beside those that roles name.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct InstanceProfileSeed {
    /// Its name.
    pub name: String,
    /// Its path, `/` unless given.
    #[serde(default = "root_path")]
    pub path: String,
    /// How long ago it was made.
    #[serde(default = "default_age")]
    pub age: When,
    /// The role in it, if there is one.
    #[serde(default)]
    pub role: Option<String>,
    /// Its tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// The last use of a service: a time, or a time with its circumstances.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(untagged)]
pub enum UseSeed {
    /// When.
    At(When),
    /// When, where and by which actions.
    Detailed(DetailedUse),
}

/// The last use of a service in detail.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DetailedUse {
    /// When the service was last used.
    #[serde(default)]
    pub last: When,
    /// Where.
    #[serde(default = "default_region")]
    pub region: String,
    /// When its tracked actions were last used: `CreateUser = "3d"`.
    #[serde(default)]
    pub actions: BTreeMap<String, When>,
}

impl From<When> for UseSeed {
    fn from(when: When) -> Self {
        Self::At(when)
    }
}

/// What Access Advisor does.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdvisorSeed {
    /// So many polls are answered `IN_PROGRESS`.
    pub polls: u32,
    /// Jobs never end.
    pub never_completes: bool,
    /// Jobs end as `FAILED` with this message.
    pub failed: Option<String>,
    /// Services left out of the report although the policies grant them.
    pub absent: Vec<String>,
    /// At most so many services on a page.
    pub page_size: Option<u32>,
    /// Uses younger than this age are not known yet.
    pub lag: When,
    /// The actions tracked of these services, instead of the built-in ones and those used. What else is used counts for
    /// the service and is not listed. The account's apply to all its entities; services that are new here are known.
    pub tracked: BTreeMap<String, Vec<String>>,
    /// The whole report, instead of one made from the policies.
    pub rows: Option<Vec<RowSeed>>,
}

/// One service in a report given word for word.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RowSeed {
    /// The namespace: `s3`.
    pub service: String,
    /// The name, taken from the built-in list unless given.
    #[serde(default)]
    pub name: Option<String>,
    /// When it was last used.
    #[serde(default)]
    pub last: When,
    /// Where.
    #[serde(default = "default_region")]
    pub region: String,
    /// Tracked actions, with `never` for those not used.
    #[serde(default)]
    pub actions: BTreeMap<String, When>,
}
