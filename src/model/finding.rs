//! What a rule says of a resource.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{AccountId, Arn, Change, Digest, Inverse, Owner};

/// A rule's name, as in the configuration, plans and metrics.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(transparent)]
pub struct RuleName(pub std::borrow::Cow<'static, str>);

impl RuleName {
    /// A name known at compile time.
    pub const fn new(name: &'static str) -> Self {
        Self(std::borrow::Cow::Borrowed(name))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for RuleName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// How bad it is. Ordered: `Low < Critical`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Low,
    /// To be mended in time.
    Medium,
    /// To be mended soon.
    High,
    /// To be mended now.
    Critical,
}

impl Severity {
    /// Every severity, worst first.
    pub const ALL: [Self; 4] = [Self::Critical, Self::High, Self::Medium, Self::Low];

    /// The word in plans and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// What the rule concluded.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum FindingStatus {
    /// The policy is broken.
    Violation,
    /// It will be broken soon, or something deserves a look.
    Warning,
    /// It is broken, and left alone on purpose: exempt, protected, or iamwarden itself.
    Exempt,
    /// What is needed for a verdict could not be read, or does not suffice.
    Unknown,
}

impl FindingStatus {
    /// Every status.
    pub const ALL: [Self; 4] = [Self::Violation, Self::Warning, Self::Exempt, Self::Unknown];

    /// The word in plans and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Violation => "violation",
            Self::Warning => "warning",
            Self::Exempt => "exempt",
            Self::Unknown => "unknown",
        }
    }
}

/// `fnd_` and a digest of rule, account, resource and subject: the same finding has the same id in every plan.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FindingId(pub String);

impl FindingId {
    /// The id of what this rule says of this subject (a key id, a policy ARN, or empty) of this resource.
    pub fn of(rule: &RuleName, account: &AccountId, resource: &Arn, subject: &str) -> Self {
        let digest = Digest::of_json(&serde_json::json!([rule, account, resource, subject]));
        Self(format!("fnd_{}", digest.short(24)))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for FindingId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What would put a violation right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// Kind and parameters.
    #[serde(flatten)]
    pub change: Change,
    /// How it would be undone; `None`: it cannot be.
    pub inverse: Option<Inverse>,
}

/// One statement of one rule about one resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Stable over plans.
    pub id: FindingId,
    /// Who says so.
    pub rule: RuleName,
    /// Where.
    pub account: AccountId,
    /// Of what.
    pub resource: Arn,
    /// How bad.
    pub severity: Severity,
    /// The verdict.
    pub status: FindingStatus,
    /// One line: what is the matter.
    pub title: String,
    /// The reasons, in sentences.
    pub detail: String,
    /// The facts, as data.
    pub evidence: Map<String, Value>,
    /// Who answers for the resource.
    pub owner: Option<Owner>,
    /// In mode `report` (or where the rule must not act): what would be done.
    pub proposal: Option<Proposal>,
}
