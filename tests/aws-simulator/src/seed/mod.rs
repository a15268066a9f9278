//! The world as a test describes it: a readable TOML file, or the same types from Rust.
//!
//! Times are [`When`]s: ages such as `120d`, seen from the clock at planting. Keys that are not known are errors.

mod credentials;
mod organization;
mod plant;
mod principals;
mod regions;
mod service;
mod when;

use std::collections::BTreeMap;
use std::path::Path;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub use credentials::{
    DeviceSeed, KeySeed, MfaKind, MfaSeed, PasswordSeed, RootSeed, ServiceCredentialSeed, UploadSeed,
    VirtualDeviceSeed,
};
pub use organization::{MemberSeed, OrganizationSeed, StateFields};
pub(crate) use plant::{
    Place, Planted, access_key, bucket, certificates, devices, pinned, plant, region, register_devices,
    service_credentials, service_use, ssh_keys,
};
pub use principals::{
    AdvisorSeed, AttachmentSeed, DetailedUse, Document, GroupSeed, InstanceProfileSeed, RoleSeed, RowSeed,
    UseSeed, UserSeed,
};
pub use regions::{
    AlarmSeed, AnalyzerSeed, ExternalAccessSeed, FindingSeed, InstanceSeed, LogGroupSeed, MetricFilterSeed,
    RecommendationSeed, RegionSeed, StepSeed, SubscriptionSeed, TopicSeed, TrailSeed, UnusedKeySeed,
    UnusedServiceSeed,
};
pub use service::{
    BucketSeed, CallerSeed, GrantSeed, PasswordPolicy, PolicySeed, ReportSeed, SecretSeed, VersionSeed,
};
pub(crate) use when::span;
pub use when::{BadTime, When};

/// A whole world.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Seed {
    /// What the clock shows at the start; the wall clock's time unless given.
    pub now: Option<DateTime<Utc>>,
    /// Whether the clock stands still from the start.
    pub frozen: bool,
    /// How lists are cut into pages.
    pub paging: Paging,
    /// When writes become visible.
    pub consistency: Consistency,
    /// Which expiry `AssumeRole` reports.
    pub session_expiration: SessionExpiration,
    /// The organization that they are in; none unless given.
    pub organization: Option<OrganizationSeed>,
    /// The accounts.
    pub accounts: Vec<AccountSeed>,
}

/// How lists are cut into pages, on top of what the caller asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Paging {
    /// At most so many items on a page, however many were asked for.
    pub size: Option<u32>,
    /// Puts an empty page that says `IsTruncated` before each page.
    pub empty_pages: bool,
}

/// When writes become visible to reads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Consistency {
    /// So many reads after a write still see the world before it.
    pub stale_reads: u32,
    /// Writes stay invisible until released through the control API.
    pub until_released: bool,
}

/// Which expiry `AssumeRole` reports. Sessions always end by the simulator's clock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SessionExpiration {
    /// The later one of the simulator's and the wall clock's, so that SDKs, which look at the wall clock,
    /// do not take a session for expired because the simulator lives in the past.
    #[default]
    Later,
    /// By the simulator's clock.
    Simulator,
}

/// One account.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AccountSeed {
    /// Twelve digits. With `repeat`, the first of a row of ids.
    pub id: String,
    /// Plants so many accounts like this one, with ids counted up.
    #[serde(default)]
    pub repeat: Option<u32>,
    /// `aws`, `aws-cn` or `aws-us-gov`.
    #[serde(default = "AccountSeed::default_partition")]
    pub partition: String,
    /// Account aliases.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Credentials that work from the start. Unless given: key `AKIA<id>CALL` as the role session
    /// `assumed-role/Operator/simulator`.
    #[serde(default)]
    pub callers: Vec<CallerSeed>,
    /// The password policy; none unless given.
    #[serde(default)]
    pub password_policy: Option<PasswordPolicy>,
    /// The root user.
    #[serde(default)]
    pub root: RootSeed,
    /// Virtual MFA devices that nobody has.
    #[serde(default)]
    pub virtual_mfa_devices: Vec<VirtualDeviceSeed>,
    /// Users.
    #[serde(default)]
    pub users: Vec<UserSeed>,
    /// Groups.
    #[serde(default)]
    pub groups: Vec<GroupSeed>,
    /// Roles.
    #[serde(default)]
    pub roles: Vec<RoleSeed>,
    /// Instance profiles beside those that roles name, such as empty ones.
    #[serde(default)]
    pub instance_profiles: Vec<InstanceProfileSeed>,
    /// Identity providers: `oidc-provider/token.actions.githubusercontent.com`, `saml-provider/okta`.
    #[serde(default)]
    pub identity_providers: Vec<String>,
    /// Managed policies beside the built-in ones of AWS.
    #[serde(default)]
    pub policies: Vec<PolicySeed>,
    /// Secrets of Secrets Manager.
    #[serde(default)]
    pub secrets: Vec<SecretSeed>,
    /// Buckets of S3.
    #[serde(default)]
    pub buckets: Vec<BucketSeed>,
    /// What there is in each region, by its name.
    #[serde(default)]
    pub regions: BTreeMap<String, RegionSeed>,
    /// How the credential report behaves.
    #[serde(default)]
    pub report: ReportSeed,
    /// How Access Advisor behaves for principals without settings of their own.
    #[serde(default)]
    pub advisor: AdvisorSeed,
}

impl AccountSeed {
    /// An empty account in the partition `aws`.
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            repeat: None,
            partition: Self::default_partition(),
            aliases: Vec::new(),
            callers: Vec::new(),
            password_policy: None,
            root: RootSeed::default(),
            virtual_mfa_devices: Vec::new(),
            users: Vec::new(),
            groups: Vec::new(),
            roles: Vec::new(),
            instance_profiles: Vec::new(),
            identity_providers: Vec::new(),
            policies: Vec::new(),
            secrets: Vec::new(),
            buckets: Vec::new(),
            regions: BTreeMap::new(),
            report: ReportSeed::default(),
            advisor: AdvisorSeed::default(),
        }
    }

    fn default_partition() -> String {
        "aws".to_owned()
    }
}

/// Why a seed cannot be planted.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// The file cannot be read.
    #[error("cannot read the seed file")]
    Read(#[from] std::io::Error),
    /// The text is not a seed: a syntax error, an unknown key, a value of the wrong kind.
    #[error("not a seed: {0}")]
    Syntax(#[from] Box<toml::de::Error>),
    /// The text is understood but cannot be.
    #[error("account {account}: {problem}")]
    Content {
        /// The account's id.
        account: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl Seed {
    /// Reads a seed from TOML.
    pub fn parse(text: &str) -> Result<Self, SeedError> {
        toml::from_str(text).map_err(|error| SeedError::Syntax(Box::new(error)))
    }

    /// Reads a seed from a TOML file.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, SeedError> {
        Self::parse(&std::fs::read_to_string(path)?)
    }

    /// A world of one account.
    pub fn of(account: AccountSeed) -> Self {
        Self {
            accounts: vec![account],
            ..Self::default()
        }
    }
}
