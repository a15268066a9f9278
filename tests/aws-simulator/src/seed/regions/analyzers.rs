//! Analyzers of a seed and what they found.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::seed::When;
use crate::seed::principals::{Document, default_age};

/// An analyzer of Access Analyzer.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AnalyzerSeed {
    /// Its name.
    pub name: String,
    /// `ACCOUNT`, which looks for external access, unless given; `ACCOUNT_UNUSED_ACCESS`, or one of an organization.
    #[serde(default = "AnalyzerSeed::default_kind", rename = "type")]
    pub kind: String,
    /// `ACTIVE` unless given; `CREATING`, `DISABLED` or `FAILED`.
    #[serde(default = "AnalyzerSeed::default_status")]
    pub status: String,
    /// Why it is `DISABLED` or `FAILED`, such as `SERVICE_LINKED_ROLE_CREATION_FAILED`.
    #[serde(default)]
    pub status_reason: Option<String>,
    /// How long ago it was made.
    #[serde(default = "default_age")]
    pub age: When,
    /// Days until access counts as unused, for analyzers that look for it; 90 unless given.
    #[serde(default)]
    pub unused_access_age: Option<u32>,
    /// Its tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// What it found.
    #[serde(default)]
    pub findings: Vec<FindingSeed>,
}

impl AnalyzerSeed {
    fn default_kind() -> String {
        "ACCOUNT".to_owned()
    }

    fn default_status() -> String {
        "ACTIVE".to_owned()
    }
}

/// A finding. It says one thing: `external`, `unused_role`, `unused_key`, `unused_password` or `unused_permissions`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FindingSeed {
    /// Its id; made up unless given.
    #[serde(default)]
    pub id: Option<String>,
    /// The ARN of what it is about; users and roles may be written `user/ada` and `role/web`.
    pub resource: String,
    /// `AWS::S3::Bucket` and the like; told from the ARN unless given.
    #[serde(default)]
    pub resource_type: Option<String>,
    /// `ACTIVE` unless given; `ARCHIVED` or `RESOLVED`.
    #[serde(default = "AnalyzerSeed::default_status")]
    pub status: String,
    /// How long ago it was found.
    #[serde(default = "FindingSeed::default_age")]
    pub age: When,
    /// When it last changed; when it was found unless given.
    #[serde(default)]
    pub updated: When,
    /// Why the resource could not be analyzed.
    #[serde(default)]
    pub error: Option<String>,
    /// Who has access from outside.
    #[serde(default)]
    pub external: Option<ExternalAccessSeed>,
    /// A role that is not used, and when it was.
    #[serde(default)]
    pub unused_role: Option<When>,
    /// An access key that is not used.
    #[serde(default)]
    pub unused_key: Option<UnusedKeySeed>,
    /// A password that is not used, and when it was.
    #[serde(default)]
    pub unused_password: Option<When>,
    /// Services and actions that are not used, by service.
    #[serde(default)]
    pub unused_permissions: BTreeMap<String, UnusedServiceSeed>,
    /// What `GetFindingRecommendation` says about unused permissions; it fails where this is left out.
    #[serde(default)]
    pub recommendation: Option<RecommendationSeed>,
}

impl FindingSeed {
    fn default_age() -> When {
        When::days(10)
    }
}

/// Access from outside.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExternalAccessSeed {
    /// `{ AWS = "*" }`, `{ Federated = "…" }`
    pub principal: BTreeMap<String, String>,
    /// Which actions they may use.
    pub action: Vec<String>,
    /// On which conditions.
    pub condition: BTreeMap<String, String>,
    /// Whether it is everybody; told from the principal unless given.
    pub public: Option<bool>,
}

/// An access key that is not used.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct UnusedKeySeed {
    /// The key's id.
    pub id: String,
    /// When it was last used.
    #[serde(default)]
    pub last: When,
}

/// A service of which not all is used.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct UnusedServiceSeed {
    /// When the service was last used.
    pub last: When,
    /// The actions that are not used, and when they were; none where the whole service is not.
    pub actions: BTreeMap<String, When>,
}

/// What to do about unused permissions.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RecommendationSeed {
    /// So many polls are answered `IN_PROGRESS`.
    pub polls: u32,
    /// It fails with this code.
    pub failed: Option<String>,
    /// What to do, in order.
    pub steps: Vec<StepSeed>,
}

/// One step of a recommendation.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StepSeed {
    /// `CREATE_POLICY` or `DETACH_POLICY`.
    pub action: String,
    /// The policy that is there: its ARN, or its name if it is an inline policy.
    #[serde(default)]
    pub existing: Option<String>,
    /// The policy to be.
    #[serde(default)]
    pub policy: Option<Document>,
    /// When the policy that is there was last changed.
    #[serde(default)]
    pub updated: When,
}
