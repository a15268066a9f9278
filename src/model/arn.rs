//! Amazon resource names and the identifiers in them.
//!
//! See the IAM user guide, "IAM identifiers". The partition always comes from an ARN that AWS returned.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Region;

/// A text that is not the identifier it was taken for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArnError {
    /// Not `arn:partition:service:region:account:resource`.
    #[error("`{0}` is not an ARN (expected arn:partition:service:region:account:resource)")]
    Shape(String),
    /// Not twelve digits.
    #[error("`{0}` is not an AWS account id (expected twelve digits)")]
    Account(String),
    /// Not an access key id.
    #[error("`{0}` is not an access key id (expected 16 to 128 letters and digits)")]
    AccessKey(String),
}

/// A partition of AWS: commercial, China, GovCloud, or one that came later.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Partition(String);

impl Partition {
    /// The partition by its name in ARNs, such as `aws` or `aws-cn`.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The name as it stands in ARNs.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the commercial partition, the only one where Access Advisor covers every service.
    pub fn is_commercial(&self) -> bool {
        self.0 == "aws"
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An AWS account id: exactly twelve digits, leading zeros included.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct AccountId(String);

impl AccountId {
    /// Parses twelve digits.
    ///
    /// # Errors
    /// [`ArnError::Account`] for anything else.
    pub fn parse(text: &str) -> Result<Self, ArnError> {
        if text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ArnError::Account(text.to_owned()))
        }
    }

    /// The twelve digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for AccountId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// The id of an access key (`AKIA…`): not a secret, and what people ask for first in a report.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct AccessKeyId(String);

impl AccessKeyId {
    /// Parses 16 to 128 letters, digits or underscores (the API's own pattern).
    ///
    /// # Errors
    /// [`ArnError::AccessKey`] for anything else.
    pub fn parse(text: &str) -> Result<Self, ArnError> {
        let shape =
            (16..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if shape {
            Ok(Self(text.to_owned()))
        } else {
            Err(ArnError::AccessKey(text.to_owned()))
        }
    }

    /// The whole id.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last four characters, by which people recognize a key.
    pub fn last_four(&self) -> &str {
        self.0.get(self.0.len().saturating_sub(4)..).unwrap_or(&self.0)
    }
}

impl fmt::Display for AccessKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for AccessKeyId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// A parsed ARN. Order and equality are those of its text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Arn {
    text: String,
    /// Byte offsets of the five colons.
    colons: [usize; 5],
}

impl Arn {
    /// Parses an ARN; the resource part may itself hold colons.
    ///
    /// # Errors
    /// [`ArnError::Shape`] when the text has fewer than six parts, or does not start with `arn`, or has no
    /// partition, service or resource.
    pub fn parse(text: &str) -> Result<Self, ArnError> {
        let wrong = || ArnError::Shape(text.to_owned());
        let mut colons = [0usize; 5];
        let mut found = text.match_indices(':').map(|(at, _)| at);
        for slot in &mut colons {
            *slot = found.next().ok_or_else(wrong)?;
        }
        let arn = Self {
            text: text.to_owned(),
            colons,
        };
        let whole = text.starts_with("arn:")
            && !arn.part(0).is_empty()
            && !arn.service().is_empty()
            && !arn.resource().is_empty();
        if whole { Ok(arn) } else { Err(wrong()) }
    }

    /// The ARN of something of an account in IAM, such as `root`, `user/x` or `policy/p`.
    pub fn iam(partition: &Partition, account: &AccountId, resource: &str) -> Self {
        let text = format!("arn:{partition}:iam::{account}:{resource}");
        let first = 3;
        let second = first + 1 + partition.as_str().len();
        let third = second + 4;
        let colons = [
            first,
            second,
            third,
            third + 1,
            third + 2 + account.as_str().len(),
        ];
        Self { text, colons }
    }

    /// The ARN of something of an account in a region.
    ///
    /// # Errors
    /// [`ArnError::Shape`] where the parts make none.
    pub fn regional(
        partition: &Partition,
        service: &str,
        region: &Region,
        account: &AccountId,
        resource: &str,
    ) -> Result<Self, ArnError> {
        Self::parse(&format!(
            "arn:{partition}:{service}:{region}:{account}:{resource}"
        ))
    }

    fn part(&self, n: usize) -> &str {
        let start = self.colons[n] + 1;
        let end = self.colons.get(n + 1).copied().unwrap_or(self.text.len());
        self.text.get(start..end).unwrap_or_default()
    }

    /// The partition.
    pub fn partition(&self) -> Partition {
        Partition::new(self.part(0))
    }

    /// The service, such as `iam`.
    pub fn service(&self) -> &str {
        self.part(1)
    }

    /// The region, empty in the ARNs of services that have none.
    pub fn region(&self) -> &str {
        self.part(2)
    }

    /// The account part, empty in the ARNs of some services.
    pub fn account(&self) -> &str {
        self.part(3)
    }

    /// What follows the account: `user/path/name`, `root`, `policy/name`.
    pub fn resource(&self) -> &str {
        self.part(4)
    }

    /// The last segment of the resource: the name without its path.
    pub fn name(&self) -> &str {
        self.resource().rsplit('/').next().unwrap_or_default()
    }

    /// The whole text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The kind of principal this names, where it names one.
    pub fn principal_kind(&self) -> Option<PrincipalKind> {
        let head = self.resource().split('/').next().unwrap_or_default();
        match head {
            "user" => Some(PrincipalKind::User),
            "group" => Some(PrincipalKind::Group),
            "role" => Some(PrincipalKind::Role),
            _ => None,
        }
    }

    /// Whether it names a role that belongs to an AWS service (service-linked) or to Identity Center: nobody but
    /// these can change it.
    pub fn is_role_of_aws(&self) -> bool {
        let path = self.resource().to_ascii_lowercase();
        path.starts_with("role/aws-service-role/")
            || path.starts_with("role/aws-reserved/")
            || (self.principal_kind() == Some(PrincipalKind::Role)
                && self.name().starts_with("AWSServiceRoleFor"))
    }

    /// The part that principal patterns are matched against.
    pub fn principal_path(&self) -> PrincipalPath<'_> {
        PrincipalPath {
            resource: self.resource(),
            whole: Some(self.as_str()).filter(|_| self.service() != "iam"),
        }
    }
}

impl fmt::Display for Arn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Arn {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Arn {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// The kinds of principal that hold policies.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum PrincipalKind {
    /// An IAM user.
    User,
    /// An IAM group.
    Group,
    /// An IAM role.
    Role,
}

impl PrincipalKind {
    /// The word used in ARNs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Group => "group",
            Self::Role => "role",
        }
    }
}

impl fmt::Display for PrincipalKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The part of an ARN after the account, against which principal patterns are matched: with its path, and as
/// `kind/name` without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrincipalPath<'a> {
    resource: &'a str,
    /// The whole ARN, of what is none of IAM's.
    whole: Option<&'a str>,
}

impl<'a> PrincipalPath<'a> {
    /// From the text after the account's colon, such as `user/admin/alice`.
    pub fn new(resource: &'a str) -> Self {
        Self {
            resource,
            whole: None,
        }
    }

    /// Whether the pattern matches, with or without the path, in any case. What is none of IAM's is matched by its whole ARN
    /// too: `arn:aws:s3:::reports` says more than `reports`.
    pub fn matches(self, pattern: &super::Glob) -> bool {
        if pattern.matches(self.resource) || self.whole.is_some_and(|whole| pattern.matches(whole)) {
            return true;
        }
        match (self.resource.split_once('/'), self.resource.rsplit_once('/')) {
            (Some((kind, rest)), Some((_, name))) if rest != name => {
                pattern.matches(&format!("{kind}/{name}"))
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Glob;

    #[test]
    fn what_is_none_of_iams_is_matched_by_its_whole_arn_too() {
        let matches = |pattern: &str, arn: &str| {
            Arn::parse(arn)
                .unwrap()
                .principal_path()
                .matches(&Glob::new(pattern))
        };
        assert!(matches("arn:aws:s3:::reports*", "arn:aws:s3:::reports-2026"));
        assert!(matches("reports*", "arn:aws:s3:::reports-2026"));
        assert!(!matches("arn:aws:sqs:*", "arn:aws:s3:::reports-2026"));
        assert!(!matches("arn:*", "arn:aws:iam::123456789012:user/alice"));
    }

    #[test]
    fn parts_of_an_arn() {
        let arn = Arn::parse("arn:aws-us-gov:iam::012345678901:user/admin/break-glass-1").unwrap();
        assert_eq!(arn.partition().as_str(), "aws-us-gov");
        assert_eq!(arn.service(), "iam");
        assert_eq!(arn.account(), "012345678901");
        assert_eq!(arn.resource(), "user/admin/break-glass-1");
        assert_eq!(arn.name(), "break-glass-1");
        assert_eq!(arn.principal_kind(), Some(PrincipalKind::User));
        for wrong in [
            "",
            "arn",
            "arn:aws:iam::1",
            "arn::iam::1:x",
            "nra:aws:iam::1:user/x",
            "arn:aws:iam::1:",
        ] {
            assert!(Arn::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_built_arn_is_the_parsed_one() {
        let account = AccountId::parse("012345678901").unwrap();
        let built = Arn::iam(&Partition::new("aws-cn"), &account, "root");
        assert_eq!(built, Arn::parse("arn:aws-cn:iam::012345678901:root").unwrap());
        assert_eq!(built.account(), "012345678901");
    }

    #[test]
    fn patterns_match_with_and_without_the_path() {
        let arn = Arn::parse("arn:aws:iam::012345678901:user/admin/Break-Glass-1").unwrap();
        let hit = |pattern: &str| arn.principal_path().matches(&Glob::new(pattern));
        assert!(hit("user/break-glass-*"));
        assert!(hit("user/admin/*"));
        assert!(hit("*"));
        assert!(hit("user/*glass*"));
        assert!(!hit("role/*"));
        assert!(!hit("break-glass-1"));
        assert!(!hit(""));
    }

    #[test]
    fn identifiers_are_strict() {
        assert!(AccountId::parse("12345678901").is_err());
        assert!(AccountId::parse("12345678901x").is_err());
        assert!(AccessKeyId::parse("AKIAIOSFODNN7EXAMPLE").is_ok());
        assert!(AccessKeyId::parse("AKIA IOSFODNN7EXAMPLE").is_err());
        assert_eq!(
            AccessKeyId::parse("AKIAIOSFODNN7EXAMPLE").unwrap().last_four(),
            "MPLE"
        );
    }
}
