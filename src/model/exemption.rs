//! Exemptions that an owner asked for and an approver granted: they live in the state, beside those of the configuration.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::{AccountId, Arn, Owner, Person, RuleName};

/// `exm_` and a ULID: names a request, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ExemptionId(pub String);

impl ExemptionId {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for ExemptionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is asked for: that one thing be left alone by some rules, until a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExemptionRequest {
    /// Names it.
    pub id: ExemptionId,
    /// Where.
    pub account: AccountId,
    /// What is to be left alone.
    pub resource: Arn,
    /// By which rules, at least one.
    pub rules: Vec<RuleName>,
    /// The last day, in UTC, that day included.
    pub until: NaiveDate,
    /// Why.
    pub reason: String,
    /// Who answers for it, where that is known.
    pub owner: Option<Owner>,
    /// Who asks.
    pub by: Person,
    /// When.
    pub at: DateTime<Utc>,
}

/// What an approver said of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExemptionAnswer {
    /// Yes or no.
    pub granted: bool,
    /// Who.
    pub by: Person,
    /// Why.
    pub reason: Option<String>,
    /// When.
    pub at: DateTime<Utc>,
}

/// That a granted exemption was taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExemptionRevocation {
    /// Who.
    pub by: Person,
    /// Why.
    pub reason: Option<String>,
    /// When.
    pub at: DateTime<Utc>,
}

/// A request with all that came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestedExemption {
    /// What was asked for.
    #[serde(flatten)]
    pub request: ExemptionRequest,
    /// What an approver said; `None`: nobody has yet.
    pub answer: Option<ExemptionAnswer>,
    /// That it was taken back.
    pub revoked: Option<ExemptionRevocation>,
}

/// How a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExemptionStanding {
    /// Nobody has answered it.
    Requested,
    /// It was granted and holds.
    Granted,
    /// It was refused.
    Refused,
    /// It was granted and taken back.
    Revoked,
    /// It was granted and its last day is over.
    Ended,
}

impl ExemptionStanding {
    /// The word for people and programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Granted => "granted",
            Self::Refused => "refused",
            Self::Revoked => "revoked",
            Self::Ended => "ended",
        }
    }
}

impl RequestedExemption {
    /// How it stands on a day.
    pub fn standing(&self, today: NaiveDate) -> ExemptionStanding {
        match (&self.answer, &self.revoked) {
            (None, _) => ExemptionStanding::Requested,
            (Some(answer), _) if !answer.granted => ExemptionStanding::Refused,
            (Some(_), Some(_)) => ExemptionStanding::Revoked,
            (Some(_), None) if self.request.until < today => ExemptionStanding::Ended,
            (Some(_), None) => ExemptionStanding::Granted,
        }
    }

    /// Whether it holds on a day.
    pub fn holds(&self, today: NaiveDate) -> bool {
        self.standing(today) == ExemptionStanding::Granted
    }

    /// Whether it is about this thing, whatever the rule. IAM's names are unique without regard to case.
    pub fn concerns(&self, resource: &Arn) -> bool {
        self.request
            .resource
            .as_str()
            .eq_ignore_ascii_case(resource.as_str())
    }

    /// Whether it asks this rule to leave this thing alone.
    pub fn covers(&self, rule: &RuleName, resource: &Arn) -> bool {
        self.concerns(resource) && self.request.rules.contains(rule)
    }

    /// When it was granted; `None`: it was not.
    pub fn granted_at(&self) -> Option<DateTime<Utc>> {
        let answer = self.answer.as_ref().filter(|answer| answer.granted)?;
        Some(answer.at)
    }
}
