//! The inline policies that iamwarden itself puts onto principals. Each only denies: iamwarden never widens access.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An inline policy with its whole text, by value: what is put, or put back, is what was decided on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct InlinePolicyText {
    /// Its name.
    pub policy_name: String,
    /// Its document, as it is sent.
    pub document: String,
}

/// An inline policy of iamwarden's own, known by its name and its whole text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OwnPolicy {
    /// Denies a console session without MFA everything but enrolling a device.
    RequireMfa,
    /// Denies everything.
    Quarantine,
}

/// `Bool`, not `BoolIfExists`: calls by access key carry no `aws:MultiFactorAuthPresent`, and would all be denied.
/// (IAM user guide, "AWS: Allows MFA-authenticated IAM users to manage their own credentials".)
const REQUIRE_MFA: &str = r#"{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Sid": "DenyAllButMfaEnrolment",
      "Effect": "Deny",
      "NotAction": [
        "iam:ChangePassword",
        "iam:CreateVirtualMFADevice",
        "iam:EnableMFADevice",
        "iam:GetAccountPasswordPolicy",
        "iam:GetMFADevice",
        "iam:GetUser",
        "iam:ListMFADevices",
        "iam:ListVirtualMFADevices",
        "iam:ResyncMFADevice",
        "sts:GetSessionToken"
      ],
      "Resource": "*",
      "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "false"}}
    }
  ]
}"#;

const QUARANTINE: &str = r#"{
  "Version": "2012-10-17",
  "Statement": [
    {"Sid": "DenyAll", "Effect": "Deny", "Action": "*", "Resource": "*"}
  ]
}"#;

impl OwnPolicy {
    /// Its name in IAM.
    pub fn name(self) -> &'static str {
        match self {
            Self::RequireMfa => "iamwarden-require-mfa",
            Self::Quarantine => "iamwarden-quarantine",
        }
    }

    /// Its document, as it is sent.
    pub fn document(self) -> &'static str {
        match self {
            Self::RequireMfa => REQUIRE_MFA,
            Self::Quarantine => QUARANTINE,
        }
    }

    /// Name and document.
    pub fn text(self) -> InlinePolicyText {
        InlinePolicyText {
            policy_name: self.name().to_owned(),
            document: self.document().to_owned(),
        }
    }

    /// Whether a policy of this name and text is this one, untouched: what somebody changed is not iamwarden's any more.
    pub fn is(self, name: &str, document: &str) -> bool {
        let value = |text: &str| serde_json::from_str::<Value>(text).ok();
        name == self.name() && value(document).is_some_and(|found| Some(found) == value(self.document()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Effect, PolicyDocument};

    #[test]
    fn they_only_deny() {
        for policy in [OwnPolicy::RequireMfa, OwnPolicy::Quarantine] {
            let parsed = PolicyDocument::parse(policy.document()).unwrap();
            assert!(!parsed.statements.is_empty());
            assert!(
                parsed.statements.iter().all(|s| s.effect == Effect::Deny),
                "{policy:?}"
            );
            assert!(policy.is(policy.name(), &policy.document().replace("\n", " ")));
            assert!(!policy.is(policy.name(), &policy.document().replace("Deny\"", "Allow\"")));
            assert!(!policy.is("another", policy.document()));
        }
    }

    #[test]
    fn calls_by_access_key_do_not_need_mfa() {
        assert!(!REQUIRE_MFA.contains("IfExists"));
    }
}
