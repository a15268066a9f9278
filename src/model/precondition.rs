//! What must still hold right before a change, and what holds after it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Arn, Change, Digest, InlinePolicyText, Inverse, KeyStatus, PasswordPolicy, RegionalState};

/// How a service that a policy grants was last used, as far as a precondition needs it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PolicyUse {
    /// Last authenticated attempt by service namespace; `None`: never seen.
    pub services: BTreeMap<String, Option<DateTime<Utc>>>,
}

/// What was true when the plan was made and is read again, live, right before the call. No job ids: they differ
/// between readings of the same world.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Precondition {
    /// Of an access key.
    AccessKey {
        /// Its status.
        status: KeyStatus,
        /// Its creation, to the second: tells a key from another that took its place.
        created_at: DateTime<Utc>,
        /// Its last use, where the change is justified by disuse: `Some(None)` is "never used".
        #[serde(default, skip_serializing_if = "Option::is_none", with = "super::some_null")]
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
        /// When the user, group or role was made, to the second: tells it from a namesake that took its place.
        principal_created_at: DateTime<Utc>,
        /// Who is in the group, as a digest: the change is justified by their disuse. `None`: no group.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        members: Option<Digest>,
        /// The last use of what it grants.
        last_used: PolicyUse,
    },
    /// Of the account password policy; `None`: the account has none of its own.
    PasswordPolicy {
        /// The policy before.
        password_policy: Option<PasswordPolicy>,
    },
    /// Of an inline policy of iamwarden's own on a user or role.
    InlinePolicy {
        /// Its name.
        policy_name: String,
        /// Digest of its document; `None`: there is no such policy.
        document: Option<Digest>,
        /// The unique id of the user or role: tells it from a namesake that took its place.
        principal_id: String,
        /// What justifies the change.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        grounds: Option<Grounds>,
    },
    /// Of a user's console password.
    ConsolePassword {
        /// The unique id of the user.
        user_id: String,
        /// When the password was made, to the second: tells it from another that took its place.
        created_at: DateTime<Utc>,
        /// Its last use, where the change is justified by disuse: `Some(None)` is "never used".
        #[serde(default, skip_serializing_if = "Option::is_none", with = "super::some_null")]
        last_used: Option<Option<DateTime<Utc>>>,
    },
    /// Of something in a region.
    Regional(RegionalState),
}

/// What justifies an inline policy of iamwarden's own, read again right before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "because", rename_all = "snake_case")]
pub enum Grounds {
    /// How a user can sign in.
    SignIn {
        /// Whether there is a console password.
        console_password: bool,
        /// The serial numbers of the MFA devices, sorted.
        mfa_devices: Vec<String>,
    },
    /// How a role is used.
    RoleUse {
        /// Its last use, as far back as AWS tells.
        last_used: Option<DateTime<Utc>>,
        /// Digest of its trust policy.
        trust: Digest,
    },
}

impl Precondition {
    /// The same without any last use, and without those whose use it is: what is compared after a change, when use no
    /// longer matters.
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
                principal_created_at,
                members: _,
                last_used: _,
            } => Self::Attachment {
                policy_arn: policy_arn.clone(),
                version: version.clone(),
                document: document.clone(),
                attached: *attached,
                principal_created_at: *principal_created_at,
                members: None,
                last_used: PolicyUse::default(),
            },
            Self::PasswordPolicy { password_policy } => Self::PasswordPolicy {
                password_policy: password_policy.clone(),
            },
            Self::InlinePolicy {
                policy_name,
                document,
                principal_id,
                grounds: _,
            } => Self::InlinePolicy {
                policy_name: policy_name.clone(),
                document: document.clone(),
                principal_id: principal_id.clone(),
                grounds: None,
            },
            Self::ConsolePassword {
                user_id,
                created_at,
                last_used: _,
            } => Self::ConsolePassword {
                user_id: user_id.clone(),
                created_at: *created_at,
                last_used: None,
            },
            Self::Regional(state) => Self::Regional(state.without_grounds()),
        }
    }

    /// The same with this document of the inline policy; as it is, where it is of another kind.
    fn with_document(self, written: Option<&InlinePolicyText>) -> Self {
        match self {
            Self::InlinePolicy {
                policy_name,
                document: _,
                principal_id,
                grounds,
            } => Self::InlinePolicy {
                policy_name,
                document: written.map(|policy| Digest::of_document(&policy.document)),
                principal_id,
                grounds,
            },
            other @ (Self::AccessKey { .. }
            | Self::Attachment { .. }
            | Self::PasswordPolicy { .. }
            | Self::ConsolePassword { .. }
            | Self::Regional(_)) => other,
        }
    }

    /// What is true after the change where this was true before, use aside. `None`: the thing is gone.
    pub fn after(&self, change: &Change) -> Option<Self> {
        let before = self.without_use();
        match change {
            Change::DeleteAccessKey { .. } | Change::DeleteLoginProfile {} => None,
            Change::UpdatePasswordPolicy(policy) => Some(Self::PasswordPolicy {
                password_policy: Some(policy.clone()),
            }),
            Change::RequireMfa(policy) | Change::QuarantineRole(policy) => {
                Some(before.with_document(Some(policy)))
            }
            Change::LiftMfaRequirement { .. } => Some(before.with_document(None)),
            // A precondition of another kind than its change: nothing can be said of it, so it never compares equal.
            Change::DisableAccessKey { .. } => Some(match before {
                Self::AccessKey { created_at, .. } => Self::AccessKey {
                    status: KeyStatus::Inactive,
                    created_at,
                    last_used: None,
                },
                other @ (Self::Attachment { .. }
                | Self::PasswordPolicy { .. }
                | Self::InlinePolicy { .. }
                | Self::ConsolePassword { .. }
                | Self::Regional(_)) => other,
            }),
            Change::DetachPolicy { .. } => Some(match before {
                Self::Attachment {
                    policy_arn,
                    version,
                    document,
                    attached: _,
                    principal_created_at,
                    members,
                    last_used,
                } => Self::Attachment {
                    policy_arn,
                    version,
                    document,
                    attached: false,
                    principal_created_at,
                    members,
                    last_used,
                },
                other @ (Self::AccessKey { .. }
                | Self::PasswordPolicy { .. }
                | Self::InlinePolicy { .. }
                | Self::ConsolePassword { .. }
                | Self::Regional(_)) => other,
            }),
            Change::Regional(change) => Some(match before {
                Self::Regional(state) => Self::Regional(state.after(change)),
                other @ (Self::AccessKey { .. }
                | Self::Attachment { .. }
                | Self::PasswordPolicy { .. }
                | Self::InlinePolicy { .. }
                | Self::ConsolePassword { .. }) => other,
            }),
        }
    }

    /// What is true once the inverse was carried out, where this was true right before it, use aside. `None`: nothing that
    /// is read ever equals it.
    pub fn undone(&self, inverse: &Inverse) -> Option<Self> {
        match (inverse, self.without_use()) {
            (
                Inverse::EnableAccessKey { .. },
                Self::AccessKey {
                    created_at,
                    last_used,
                    status: _,
                },
            ) => Some(Self::AccessKey {
                status: KeyStatus::Active,
                created_at,
                last_used,
            }),
            (Inverse::RestorePasswordPolicy(policy), Self::PasswordPolicy { .. }) => {
                Some(Self::PasswordPolicy {
                    password_policy: Some(policy.clone()),
                })
            }
            (Inverse::DeletePasswordPolicy, Self::PasswordPolicy { .. }) => Some(Self::PasswordPolicy {
                password_policy: None,
            }),
            (
                Inverse::AttachPolicy { .. },
                Self::Attachment {
                    policy_arn,
                    version,
                    document,
                    attached: _,
                    principal_created_at,
                    members,
                    last_used,
                },
            ) => Some(Self::Attachment {
                policy_arn,
                version,
                document,
                attached: true,
                principal_created_at,
                members,
                last_used,
            }),
            (Inverse::DeleteInlinePolicy { .. }, before @ Self::InlinePolicy { .. }) => {
                Some(before.with_document(None))
            }
            (Inverse::PutInlinePolicy(policy), before @ Self::InlinePolicy { .. }) => {
                Some(before.with_document(Some(policy)))
            }
            (Inverse::Regional(inverse), Self::Regional(state)) => state.undone(inverse).map(Self::Regional),
            // An inverse beside a precondition of another kind.
            (
                Inverse::EnableAccessKey { .. }
                | Inverse::RestorePasswordPolicy(_)
                | Inverse::DeletePasswordPolicy
                | Inverse::AttachPolicy { .. }
                | Inverse::DeleteInlinePolicy { .. }
                | Inverse::PutInlinePolicy(_)
                | Inverse::Regional(_),
                _,
            ) => None,
        }
    }

    /// Whether what is so `now` shows a change that leaves `done`: what the change sets is so, of the same principal. That
    /// somebody edited the policy since does not tell whether it was detached.
    pub fn shows(now: Option<&Self>, done: Option<&Self>) -> bool {
        match (now, done) {
            (
                Some(Self::Attachment {
                    attached,
                    policy_arn,
                    principal_created_at,
                    ..
                }),
                Some(Self::Attachment {
                    attached: wanted,
                    policy_arn: of_policy,
                    principal_created_at: of_principal,
                    ..
                }),
            ) => (attached, policy_arn, principal_created_at) == (wanted, of_policy, of_principal),
            (now, done) => now == done,
        }
    }

    /// Whether this is what a change left, `left`, as far as undoing it goes. AWS publishes new versions of its own policies
    /// at any time: whoever attaches one attaches what AWS writes in it.
    pub fn is_left_by(&self, left: &Self) -> bool {
        match self {
            Self::Attachment { policy_arn, .. } => {
                self == left || (policy_arn.account() == "aws" && Self::shows(Some(self), Some(left)))
            }
            Self::AccessKey { .. }
            | Self::PasswordPolicy { .. }
            | Self::InlinePolicy { .. }
            | Self::ConsolePassword { .. }
            | Self::Regional(_) => self == left,
        }
    }

    /// By which consent is bound to it.
    pub fn digest(&self) -> Digest {
        Digest::of_json(&json!(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attachment(attached: bool, version: &str, made: &str) -> Precondition {
        Precondition::Attachment {
            policy_arn: Arn::parse("arn:aws:iam::aws:policy/ReadOnlyAccess").unwrap(),
            version: version.to_owned(),
            document: Digest::of_bytes(version.as_bytes()),
            attached,
            principal_created_at: made.parse().unwrap(),
            members: Some(Digest::of_bytes(b"ann, bob")),
            last_used: PolicyUse::default(),
        }
    }

    #[test]
    fn a_detachment_shows_whatever_became_of_the_policy() {
        let (old, new) = ("2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z");
        let before = attachment(true, "v1", old);
        let change = Change::DetachPolicy {
            policy_arn: Arn::parse("arn:aws:iam::aws:policy/ReadOnlyAccess").unwrap(),
        };
        let done = before.after(&change);
        let shows = |now: Option<Precondition>| Precondition::shows(now.as_ref(), done.as_ref());
        assert!(shows(Some(attachment(false, "v1", old).without_use())));
        assert!(
            shows(Some(attachment(false, "v2", old).without_use())),
            "edited since"
        );
        assert!(!shows(Some(attachment(true, "v2", old).without_use())));
        assert!(
            !shows(Some(attachment(false, "v1", new))),
            "of a namesake nothing is known"
        );
        assert!(!shows(None), "nor of who is gone");
    }

    #[test]
    fn a_new_version_of_a_policy_of_aws_does_not_keep_it_from_being_attached_again() {
        let old = "2025-01-01T00:00:00Z";
        let left = attachment(false, "v1", old);
        assert!(attachment(false, "v2", old).is_left_by(&left));
        assert!(!attachment(true, "v2", old).is_left_by(&left));
        let of_customers = |mut precondition| {
            if let Precondition::Attachment { policy_arn, .. } = &mut precondition {
                *policy_arn = Arn::parse("arn:aws:iam::123456789012:policy/own").unwrap();
            }
            precondition
        };
        let left = of_customers(left);
        assert!(of_customers(attachment(false, "v1", old)).is_left_by(&left));
        assert!(
            !of_customers(attachment(false, "v2", old)).is_left_by(&left),
            "somebody wrote something else into it"
        );
    }

    #[test]
    fn after_a_change_it_does_not_matter_whose_use_counted() {
        let old = "2025-01-01T00:00:00Z";
        let text = serde_json::to_string(&attachment(true, "v1", old).without_use()).unwrap();
        assert!(!text.contains("members"), "{text}");
    }
}
