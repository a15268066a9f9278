//! Analyzers of IAM Access Analyzer.

use serde::{Deserialize, Serialize};

use super::Arn;

/// What an analyzer looks for: what the API says, and room for what it may say one day.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum AnalyzerKind {
    /// Access from outside the account.
    #[serde(rename = "ACCOUNT")]
    Account,
    /// Access from outside the organization, in all of its accounts.
    #[serde(rename = "ORGANIZATION")]
    Organization,
    /// Access in the account that nobody uses.
    #[serde(rename = "ACCOUNT_UNUSED_ACCESS")]
    AccountUnusedAccess,
    /// Access in the accounts of the organization that nobody uses.
    #[serde(rename = "ORGANIZATION_UNUSED_ACCESS")]
    OrganizationUnusedAccess,
    /// Something else, such as access from inside.
    #[serde(untagged)]
    Other(String),
}

impl AnalyzerKind {
    /// The API's word.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Account => "ACCOUNT",
            Self::Organization => "ORGANIZATION",
            Self::AccountUnusedAccess => "ACCOUNT_UNUSED_ACCESS",
            Self::OrganizationUnusedAccess => "ORGANIZATION_UNUSED_ACCESS",
            Self::Other(word) => word,
        }
    }

    /// Reads the API's word.
    pub fn from_api(word: &str) -> Self {
        match word {
            "ACCOUNT" => Self::Account,
            "ORGANIZATION" => Self::Organization,
            "ACCOUNT_UNUSED_ACCESS" => Self::AccountUnusedAccess,
            "ORGANIZATION_UNUSED_ACCESS" => Self::OrganizationUnusedAccess,
            other => Self::Other(other.to_owned()),
        }
    }

    /// Whether it looks for access from outside.
    pub fn looks_outside(&self) -> bool {
        match self {
            Self::Account | Self::Organization => true,
            Self::AccountUnusedAccess | Self::OrganizationUnusedAccess | Self::Other(_) => false,
        }
    }

    /// Whether it looks for access that nobody uses.
    pub fn looks_for_unused(&self) -> bool {
        match self {
            Self::AccountUnusedAccess | Self::OrganizationUnusedAccess => true,
            Self::Account | Self::Organization | Self::Other(_) => false,
        }
    }
}

/// An analyzer, as it is made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AnalyzerSettings {
    /// Its ARN, which names its region.
    pub arn: Arn,
    /// Its name, of which there is one in a region of an account.
    pub name: String,
    /// What it looks for.
    pub kind: AnalyzerKind,
}
