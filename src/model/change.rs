//! What can be changed, and how it is undone.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{AccessKeyId, Arn, InlinePolicyText, PasswordPolicy, RegionalChange, RegionalInverse};

/// The status of an access key: what the API says, and room for what it may say one day.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum KeyStatus {
    /// Works.
    Active,
    /// Does not work; can be made active.
    Inactive,
    /// Does not work any more.
    Expired,
    /// A word that iamwarden does not know: never acted on.
    #[serde(untagged)]
    Other(String),
}

impl KeyStatus {
    /// The API's word.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Active => "Active",
            Self::Inactive => "Inactive",
            Self::Expired => "Expired",
            Self::Other(word) => word,
        }
    }

    /// Reads the API's word.
    pub fn from_api(word: &str) -> Self {
        match word {
            "Active" => Self::Active,
            "Inactive" => Self::Inactive,
            "Expired" => Self::Expired,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// The stable name of a kind of change, as in `actions[].kind`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// `UpdateAccessKey` to `Inactive`.
    DisableAccessKey,
    /// `DeleteAccessKey`; cannot be undone.
    DeleteAccessKey,
    /// `UpdateAccountPasswordPolicy`.
    UpdatePasswordPolicy,
    /// `DetachUserPolicy`, `DetachGroupPolicy` or `DetachRolePolicy`.
    DetachPolicy,
    /// `PutUserPolicy` of `iamwarden-require-mfa`.
    RequireMfa,
    /// `DeleteUserPolicy` of `iamwarden-require-mfa`.
    LiftMfaRequirement,
    /// `DeleteLoginProfile`; cannot be undone.
    DeleteLoginProfile,
    /// `PutRolePolicy` of `iamwarden-quarantine`.
    QuarantineRole,
    /// `StartLogging` of a trail.
    StartLogging,
    /// `UpdateTrail`.
    UpdateTrail,
    /// `CreateTrail` and `StartLogging`.
    CreateTrail,
    /// `PutMetricFilter` of a name that is not taken.
    PutMetricFilter,
    /// `PutMetricAlarm` of a name that is not taken.
    PutMetricAlarm,
    /// `CreateAnalyzer` where there is none.
    CreateAnalyzer,
    /// `AssociateIamInstanceProfile` with an instance that has none.
    AssociateInstanceProfile,
}

impl ChangeKind {
    /// Every kind, in order.
    pub const ALL: [Self; 15] = [
        Self::DisableAccessKey,
        Self::DeleteAccessKey,
        Self::UpdatePasswordPolicy,
        Self::DetachPolicy,
        Self::RequireMfa,
        Self::LiftMfaRequirement,
        Self::DeleteLoginProfile,
        Self::QuarantineRole,
        Self::StartLogging,
        Self::UpdateTrail,
        Self::CreateTrail,
        Self::PutMetricFilter,
        Self::PutMetricAlarm,
        Self::CreateAnalyzer,
        Self::AssociateInstanceProfile,
    ];

    /// The name in plans, messages, metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DisableAccessKey => "disable_access_key",
            Self::DeleteAccessKey => "delete_access_key",
            Self::UpdatePasswordPolicy => "update_password_policy",
            Self::DetachPolicy => "detach_policy",
            Self::RequireMfa => "require_mfa",
            Self::LiftMfaRequirement => "lift_mfa_requirement",
            Self::DeleteLoginProfile => "delete_login_profile",
            Self::QuarantineRole => "quarantine_role",
            Self::StartLogging => "start_logging",
            Self::UpdateTrail => "update_trail",
            Self::CreateTrail => "create_trail",
            Self::PutMetricFilter => "put_metric_filter",
            Self::PutMetricAlarm => "put_metric_alarm",
            Self::CreateAnalyzer => "create_analyzer",
            Self::AssociateInstanceProfile => "associate_instance_profile",
        }
    }
}

impl std::fmt::Display for ChangeKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A change to one resource, with all that its call needs.
#[allow(
    clippy::large_enum_variant,
    reason = "there is one to an action; a box would show in every match"
)]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "parameters", rename_all = "snake_case")]
pub enum Change {
    /// Makes one access key of the user inactive.
    DisableAccessKey {
        /// Which of the user's keys.
        access_key_id: AccessKeyId,
    },
    /// Deletes one access key of the user, for good.
    DeleteAccessKey {
        /// Which of the user's keys.
        access_key_id: AccessKeyId,
    },
    /// Writes the account password policy whole.
    UpdatePasswordPolicy(PasswordPolicy),
    /// Detaches a managed policy from the user, group or role.
    DetachPolicy {
        /// The managed policy.
        policy_arn: Arn,
    },
    /// Puts [`super::OwnPolicy::RequireMfa`] onto the user.
    RequireMfa(InlinePolicyText),
    /// Takes [`super::OwnPolicy::RequireMfa`] off the user.
    LiftMfaRequirement {
        /// Its name.
        policy_name: String,
    },
    /// Deletes the user's console password, for good.
    DeleteLoginProfile {},
    /// Puts [`super::OwnPolicy::Quarantine`] onto the role.
    QuarantineRole(InlinePolicyText),
    /// A change to something in a region.
    #[serde(untagged)]
    Regional(RegionalChange),
}

impl Change {
    /// Its stable name.
    pub fn kind(&self) -> ChangeKind {
        match self {
            Self::DisableAccessKey { .. } => ChangeKind::DisableAccessKey,
            Self::DeleteAccessKey { .. } => ChangeKind::DeleteAccessKey,
            Self::UpdatePasswordPolicy(_) => ChangeKind::UpdatePasswordPolicy,
            Self::DetachPolicy { .. } => ChangeKind::DetachPolicy,
            Self::RequireMfa(_) => ChangeKind::RequireMfa,
            Self::LiftMfaRequirement { .. } => ChangeKind::LiftMfaRequirement,
            Self::DeleteLoginProfile {} => ChangeKind::DeleteLoginProfile,
            Self::QuarantineRole(_) => ChangeKind::QuarantineRole,
            Self::Regional(change) => change.kind(),
        }
    }

    /// The `parameters` of the plan document.
    pub fn parameters(&self) -> Value {
        match self {
            Self::DisableAccessKey { access_key_id } | Self::DeleteAccessKey { access_key_id } => {
                json!({"access_key_id": access_key_id})
            }
            Self::UpdatePasswordPolicy(policy) => json!(policy),
            Self::DetachPolicy { policy_arn } => json!({"policy_arn": policy_arn}),
            Self::RequireMfa(policy) | Self::QuarantineRole(policy) => json!(policy),
            Self::LiftMfaRequirement { policy_name } => json!({"policy_name": policy_name}),
            Self::DeleteLoginProfile {} => json!({}),
            Self::Regional(change) => change.parameters(),
        }
    }

    /// The access key that it is about, where it is about one.
    pub fn access_key_id(&self) -> Option<&AccessKeyId> {
        match self {
            Self::DisableAccessKey { access_key_id } | Self::DeleteAccessKey { access_key_id } => {
                Some(access_key_id)
            }
            Self::UpdatePasswordPolicy(_)
            | Self::DetachPolicy { .. }
            | Self::RequireMfa(_)
            | Self::LiftMfaRequirement { .. }
            | Self::DeleteLoginProfile {}
            | Self::QuarantineRole(_)
            | Self::Regional(_) => None,
        }
    }

    /// The account password policy that it writes, where it writes one.
    pub fn password_policy(&self) -> Option<&PasswordPolicy> {
        match self {
            Self::UpdatePasswordPolicy(policy) => Some(policy),
            Self::DisableAccessKey { .. }
            | Self::DeleteAccessKey { .. }
            | Self::DetachPolicy { .. }
            | Self::RequireMfa(_)
            | Self::LiftMfaRequirement { .. }
            | Self::DeleteLoginProfile {}
            | Self::QuarantineRole(_)
            | Self::Regional(_) => None,
        }
    }

    /// What a repeated call would do is what the first did, so an attempt of unknown outcome may be repeated
    /// at once under the same id. Setting a status or writing a whole policy is; detaching is not (somebody may
    /// have attached it again in between), nor is deleting.
    pub fn is_repeatable(&self) -> bool {
        match self {
            Self::DisableAccessKey { .. }
            | Self::UpdatePasswordPolicy(_)
            | Self::RequireMfa(_)
            | Self::QuarantineRole(_) => true,
            Self::DeleteAccessKey { .. }
            | Self::DetachPolicy { .. }
            | Self::LiftMfaRequirement { .. }
            | Self::DeleteLoginProfile {} => false,
            Self::Regional(change) => change.is_repeatable(),
        }
    }

    /// What distinguishes two changes of one kind on one resource: the key, or the policy.
    pub fn subject(&self) -> String {
        match self {
            Self::DisableAccessKey { access_key_id } | Self::DeleteAccessKey { access_key_id } => {
                access_key_id.to_string()
            }
            Self::UpdatePasswordPolicy(_) => "password-policy".to_owned(),
            Self::DetachPolicy { policy_arn } => policy_arn.to_string(),
            Self::RequireMfa(InlinePolicyText { policy_name, .. })
            | Self::QuarantineRole(InlinePolicyText { policy_name, .. })
            | Self::LiftMfaRequirement { policy_name } => policy_name.clone(),
            Self::DeleteLoginProfile {} => "console-password".to_owned(),
            Self::Regional(change) => change.subject(),
        }
    }
}

/// How a change is undone, recorded by value.
#[allow(
    clippy::large_enum_variant,
    reason = "there is one to an action; a box would show in every match"
)]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "parameters", rename_all = "snake_case")]
pub enum Inverse {
    /// Makes the key active again.
    EnableAccessKey {
        /// Which of the user's keys.
        access_key_id: AccessKeyId,
    },
    /// Writes the earlier policy whole.
    RestorePasswordPolicy(PasswordPolicy),
    /// There was no policy: the inverse of creating is deleting.
    DeletePasswordPolicy,
    /// Attaches the managed policy again.
    AttachPolicy {
        /// The managed policy.
        policy_arn: Arn,
    },
    /// Takes an inline policy of iamwarden's own off the user or role.
    DeleteInlinePolicy {
        /// Its name.
        policy_name: String,
    },
    /// Puts an inline policy of iamwarden's own onto the user or role again.
    PutInlinePolicy(InlinePolicyText),
    /// Undoes a change to something in a region.
    #[serde(untagged)]
    Regional(RegionalInverse),
}

impl Inverse {
    /// The stable name, in history and logs.
    pub fn kind_str(&self) -> &'static str {
        match self {
            Self::EnableAccessKey { .. } => "enable_access_key",
            Self::RestorePasswordPolicy(_) => "restore_password_policy",
            Self::DeletePasswordPolicy => "delete_password_policy",
            Self::AttachPolicy { .. } => "attach_policy",
            Self::DeleteInlinePolicy { .. } => "delete_inline_policy",
            Self::PutInlinePolicy(_) => "put_inline_policy",
            Self::Regional(inverse) => inverse.kind_str(),
        }
    }
}
