//! What can be changed, how it is undone, and what must still hold right before.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{AccessKeyId, Arn, Digest, PasswordPolicy};

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
}

impl ChangeKind {
    /// Every kind, in order.
    pub const ALL: [Self; 4] = [
        Self::DisableAccessKey,
        Self::DeleteAccessKey,
        Self::UpdatePasswordPolicy,
        Self::DetachPolicy,
    ];

    /// The name in plans, messages, metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DisableAccessKey => "disable_access_key",
            Self::DeleteAccessKey => "delete_access_key",
            Self::UpdatePasswordPolicy => "update_password_policy",
            Self::DetachPolicy => "detach_policy",
        }
    }
}

impl std::fmt::Display for ChangeKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A change to one resource, with all that its call needs.
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
}

impl Change {
    /// Its stable name.
    pub fn kind(&self) -> ChangeKind {
        match self {
            Self::DisableAccessKey { .. } => ChangeKind::DisableAccessKey,
            Self::DeleteAccessKey { .. } => ChangeKind::DeleteAccessKey,
            Self::UpdatePasswordPolicy(_) => ChangeKind::UpdatePasswordPolicy,
            Self::DetachPolicy { .. } => ChangeKind::DetachPolicy,
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
        }
    }

    /// What a repeated call would do is what the first did, so an attempt of unknown outcome may be repeated
    /// at once under the same id. Setting a status or writing a whole policy is; detaching is not (somebody may
    /// have attached it again in between), nor is deleting.
    pub fn is_repeatable(&self) -> bool {
        match self {
            Self::DisableAccessKey { .. } | Self::UpdatePasswordPolicy(_) => true,
            Self::DeleteAccessKey { .. } | Self::DetachPolicy { .. } => false,
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
        }
    }
}

/// How a change is undone, recorded by value.
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
}

impl Inverse {
    /// The stable name, in history and logs.
    pub fn kind_str(&self) -> &'static str {
        match self {
            Self::EnableAccessKey { .. } => "enable_access_key",
            Self::RestorePasswordPolicy(_) => "restore_password_policy",
            Self::DeletePasswordPolicy => "delete_password_policy",
            Self::AttachPolicy { .. } => "attach_policy",
        }
    }
}

/// How a service that a policy grants was last used, as far as a precondition needs it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PolicyUse {
    /// Last authenticated attempt by service namespace; `None`: never seen.
    pub services: BTreeMap<String, Option<DateTime<Utc>>>,
}

/// What was true when the plan was made and is read again, live, right before the call. No job ids: they differ
/// between readings of the same world.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Precondition {
    /// Of an access key.
    AccessKey {
        /// Its status.
        status: KeyStatus,
        /// Its creation, to the second: tells a key from another that took its place.
        created_at: DateTime<Utc>,
        /// Its last use, where the change is justified by disuse: `Some(None)` is "never used".
        #[serde(default, skip_serializing_if = "Option::is_none", with = "some_null")]
        last_used: Option<Option<DateTime<Utc>>>,
    },
    /// Of the attachment of a managed policy.
    Attachment {
        /// The managed policy.
        policy_arn: Arn,
        /// Its default version.
        version: String,
        /// Digest of the default version's document.
        document: Digest,
        /// That it is attached.
        attached: bool,
        /// The last use of what it grants.
        last_used: PolicyUse,
    },
    /// Of the account password policy; `None`: the account has none of its own.
    PasswordPolicy {
        /// The policy before.
        password_policy: Option<PasswordPolicy>,
    },
}

impl Precondition {
    /// The same without any last use: what is compared after a change, when use no longer matters.
    pub fn without_use(&self) -> Self {
        match self {
            Self::AccessKey {
                status,
                created_at,
                last_used: _,
            } => Self::AccessKey {
                status: status.clone(),
                created_at: *created_at,
                last_used: None,
            },
            Self::Attachment {
                policy_arn,
                version,
                document,
                attached,
                last_used: _,
            } => Self::Attachment {
                policy_arn: policy_arn.clone(),
                version: version.clone(),
                document: document.clone(),
                attached: *attached,
                last_used: PolicyUse::default(),
            },
            Self::PasswordPolicy { password_policy } => Self::PasswordPolicy {
                password_policy: password_policy.clone(),
            },
        }
    }

    /// What is true after the change where this was true before, use aside. `None`: the thing is gone.
    pub fn after(&self, change: &Change) -> Option<Self> {
        match (self.without_use(), change) {
            (Self::AccessKey { created_at, .. }, Change::DisableAccessKey { .. }) => Some(Self::AccessKey {
                status: KeyStatus::Inactive,
                created_at,
                last_used: None,
            }),
            (_, Change::DeleteAccessKey { .. }) => None,
            (_, Change::UpdatePasswordPolicy(policy)) => Some(Self::PasswordPolicy {
                password_policy: Some(policy.clone()),
            }),
            (
                Self::Attachment {
                    policy_arn,
                    version,
                    document,
                    last_used,
                    ..
                },
                Change::DetachPolicy { .. },
            ) => Some(Self::Attachment {
                policy_arn,
                version,
                document,
                attached: false,
                last_used,
            }),
            // A precondition of another kind than its change: nothing can be said of it, so it never compares equal.
            (
                before @ (Self::AccessKey { .. } | Self::PasswordPolicy { .. }),
                Change::DetachPolicy { .. },
            )
            | (
                before @ (Self::Attachment { .. } | Self::PasswordPolicy { .. }),
                Change::DisableAccessKey { .. },
            ) => Some(before),
        }
    }

    /// By which consent is bound to it.
    pub fn digest(&self) -> Digest {
        Digest::of_json(&json!(self))
    }
}

/// Keeps "absent" and "null" apart.
mod some_null {
    use chrono::{DateTime, Utc};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[allow(
        clippy::option_option,
        reason = "absent, null and a date are three different things"
    )]
    pub(super) fn serialize<S: Serializer>(
        value: &Option<Option<DateTime<Utc>>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.as_ref().and_then(Option::as_ref).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Option<DateTime<Utc>>>, D::Error> {
        Option::<DateTime<Utc>>::deserialize(deserializer).map(Some)
    }
}
