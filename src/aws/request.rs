//! Which call an approved operation is: a pure function, so that what would be sent can be looked at.

use super::operation;
use super::regional::{Home, RegionalRequest};
use crate::model::{
    AccessKeyId, AccountId, Arn, Change, Effect, InlinePolicyText, Inverse, PasswordPolicy, PolicyDocument,
    PrincipalKind,
};
use crate::plan::Operation;

/// Why an operation is no call that may be made. Nothing was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The resource is not one that the operation can be done to.
    #[error("nothing was sent: {resource} is no {expected}; plan again")]
    WrongResource {
        /// As approved.
        resource: Arn,
        /// What it should be.
        expected: &'static str,
    },
    /// The resource, the consent or the lease is of another account than the session.
    #[error(
        "nothing was sent: the {what} is of account {found}, but this session is in {session}; plan again"
    )]
    WrongAccount {
        /// `resource`, `consent`, `lease` or `policy`.
        what: &'static str,
        /// Whose it is.
        found: String,
        /// Where the session is.
        session: AccountId,
    },
    /// The lease ends before the call could be finished: somebody else may be about to act.
    #[error("nothing was sent: the lease of account {account} is about to end; the next run goes on")]
    LeaseEnding {
        /// Whose lease.
        account: AccountId,
    },
    /// A policy that would allow something: iamwarden only ever puts policies that deny.
    #[error("nothing was sent: the inline policy {policy_name} would allow something; plan again")]
    Widening {
        /// The policy.
        policy_name: String,
    },
    /// A number that the API does not take.
    #[error("nothing was sent: {field} cannot be {value}; correct the configuration")]
    OutOfRange {
        /// Which.
        field: &'static str,
        /// As approved.
        value: u32,
    },
}

/// A mutating call, with everything that it sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Request {
    /// `UpdateAccessKey`.
    SetKeyStatus {
        user: String,
        key: AccessKeyId,
        active: bool,
    },
    /// `DeleteAccessKey`.
    DeleteKey { user: String, key: AccessKeyId },
    /// `UpdateAccountPasswordPolicy`.
    WritePasswordPolicy(PasswordNumbers),
    /// `DeleteAccountPasswordPolicy`.
    DeletePasswordPolicy,
    /// `DetachUserPolicy`, `DetachGroupPolicy`, `DetachRolePolicy`.
    Detach {
        kind: PrincipalKind,
        name: String,
        policy: Arn,
    },
    /// `AttachUserPolicy`, `AttachGroupPolicy`, `AttachRolePolicy`.
    Attach {
        kind: PrincipalKind,
        name: String,
        policy: Arn,
    },
    /// `PutUserPolicy`, `PutRolePolicy`.
    PutInlinePolicy {
        holder: Holder,
        policy: InlinePolicyText,
    },
    /// `DeleteUserPolicy`, `DeleteRolePolicy`.
    DeleteInlinePolicy { holder: Holder, policy_name: String },
    /// `DeleteLoginProfile`.
    DeletePassword { user: String },
    /// In a region.
    Regional(RegionalRequest),
}

/// Who has an inline policy of iamwarden's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Holder {
    User(String),
    Role(String),
}

/// A password policy with its numbers as the API takes them. What is `None` is left out: 0 cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PasswordNumbers {
    pub(super) policy: PasswordPolicy,
    pub(super) minimum_length: i32,
    pub(super) max_age: Option<i32>,
    pub(super) reuse_prevention: Option<i32>,
}

impl Request {
    /// The call that does this operation to this resource, in this account.
    pub(super) fn of(operation: &Operation, resource: &Arn, home: Home<'_>) -> Result<Self, RequestError> {
        let account = home.account;
        let regional = matches!(
            operation,
            Operation::Apply(Change::Regional(_)) | Operation::Undo(Inverse::Regional(_))
        );
        if !regional && (resource.account() != account.as_str() || resource.service() != "iam") {
            return Err(RequestError::WrongAccount {
                what: "resource",
                found: resource.account().to_owned(),
                session: account.clone(),
            });
        }
        match operation {
            Operation::Apply(change) => Self::of_change(change, resource, home),
            Operation::Undo(inverse) => Self::of_inverse(inverse, resource, home),
        }
    }

    fn of_change(change: &Change, resource: &Arn, home: Home<'_>) -> Result<Self, RequestError> {
        let account = home.account;
        Ok(match change {
            Change::DisableAccessKey { access_key_id } => Self::SetKeyStatus {
                user: user_of(resource)?,
                key: access_key_id.clone(),
                active: false,
            },
            Change::DeleteAccessKey { access_key_id } => Self::DeleteKey {
                user: user_of(resource)?,
                key: access_key_id.clone(),
            },
            Change::UpdatePasswordPolicy(policy) => {
                account_itself(resource)?;
                Self::WritePasswordPolicy(PasswordNumbers::of(policy)?)
            }
            Change::DetachPolicy { policy_arn } => {
                let (kind, name) = principal_of(resource)?;
                Self::Detach {
                    kind,
                    name,
                    policy: policy_of(policy_arn, account)?,
                }
            }
            Change::RequireMfa(policy) => Self::PutInlinePolicy {
                holder: Holder::User(user_of(resource)?),
                policy: only_denying(policy)?,
            },
            Change::QuarantineRole(policy) => Self::PutInlinePolicy {
                holder: Holder::Role(role_of(resource)?),
                policy: only_denying(policy)?,
            },
            Change::LiftMfaRequirement { policy_name } => Self::DeleteInlinePolicy {
                holder: Holder::User(user_of(resource)?),
                policy_name: policy_name.clone(),
            },
            Change::DeleteLoginProfile {} => Self::DeletePassword {
                user: user_of(resource)?,
            },
            Change::Regional(change) => Self::Regional(RegionalRequest::of_change(change, resource, home)?),
        })
    }

    fn of_inverse(inverse: &Inverse, resource: &Arn, home: Home<'_>) -> Result<Self, RequestError> {
        let account = home.account;
        Ok(match inverse {
            Inverse::EnableAccessKey { access_key_id } => Self::SetKeyStatus {
                user: user_of(resource)?,
                key: access_key_id.clone(),
                active: true,
            },
            Inverse::RestorePasswordPolicy(policy) => {
                account_itself(resource)?;
                Self::WritePasswordPolicy(PasswordNumbers::of(policy)?)
            }
            Inverse::DeletePasswordPolicy => {
                account_itself(resource)?;
                Self::DeletePasswordPolicy
            }
            Inverse::AttachPolicy { policy_arn } => {
                let (kind, name) = principal_of(resource)?;
                Self::Attach {
                    kind,
                    name,
                    policy: policy_of(policy_arn, account)?,
                }
            }
            Inverse::DeleteInlinePolicy { policy_name } => Self::DeleteInlinePolicy {
                holder: holder_of(resource)?,
                policy_name: policy_name.clone(),
            },
            Inverse::PutInlinePolicy(policy) => Self::PutInlinePolicy {
                holder: holder_of(resource)?,
                policy: only_denying(policy)?,
            },
            Inverse::Regional(inverse) => {
                Self::Regional(RegionalRequest::of_inverse(inverse, resource, home)?)
            }
        })
    }

    /// The operation's name as an IAM action.
    pub(super) fn operation(&self) -> &'static str {
        match self {
            Self::SetKeyStatus { .. } => operation::UPDATE_ACCESS_KEY,
            Self::DeleteKey { .. } => operation::DELETE_ACCESS_KEY,
            Self::WritePasswordPolicy(_) => operation::UPDATE_ACCOUNT_PASSWORD_POLICY,
            Self::DeletePasswordPolicy => operation::DELETE_ACCOUNT_PASSWORD_POLICY,
            Self::Detach { kind, .. } => match kind {
                PrincipalKind::User => operation::DETACH_USER_POLICY,
                PrincipalKind::Group => operation::DETACH_GROUP_POLICY,
                PrincipalKind::Role => operation::DETACH_ROLE_POLICY,
            },
            Self::Attach { kind, .. } => match kind {
                PrincipalKind::User => operation::ATTACH_USER_POLICY,
                PrincipalKind::Group => operation::ATTACH_GROUP_POLICY,
                PrincipalKind::Role => operation::ATTACH_ROLE_POLICY,
            },
            Self::PutInlinePolicy { holder, .. } => match holder {
                Holder::User(_) => operation::PUT_USER_POLICY,
                Holder::Role(_) => operation::PUT_ROLE_POLICY,
            },
            Self::DeleteInlinePolicy { holder, .. } => match holder {
                Holder::User(_) => operation::DELETE_USER_POLICY,
                Holder::Role(_) => operation::DELETE_ROLE_POLICY,
            },
            Self::DeletePassword { .. } => operation::DELETE_LOGIN_PROFILE,
            Self::Regional(request) => request.operation(),
        }
    }
}

impl PasswordNumbers {
    fn of(policy: &PasswordPolicy) -> Result<Self, RequestError> {
        let within = |field, value: u32, most: u32, least: u32| {
            let number = i32::try_from(value).ok();
            number
                .filter(|_| (least..=most).contains(&value))
                .ok_or(RequestError::OutOfRange { field, value })
        };
        let optional = |field, value: Option<u32>, most| match value {
            None | Some(0) => Ok(None),
            Some(value) => within(field, value, most, 1).map(Some),
        };
        Ok(Self {
            minimum_length: within("minimum_length", policy.minimum_length, 128, 6)?,
            max_age: optional("max_age", policy.max_age_days, 1095)?,
            reuse_prevention: optional("reuse_prevention", policy.reuse_prevention, 24)?,
            policy: policy.clone(),
        })
    }
}

/// The name of a principal, never empty: without one, AWS would change the caller.
fn principal_of(resource: &Arn) -> Result<(PrincipalKind, String), RequestError> {
    // What IAM allows in names; a slash ends the path.
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '+' | '=' | ',' | '.' | '@' | '-');
    let name = resource.name();
    match resource.principal_kind() {
        Some(kind) if resource.resource().contains('/') && !name.is_empty() && name.chars().all(plain) => {
            Ok((kind, name.to_owned()))
        }
        Some(PrincipalKind::User | PrincipalKind::Group | PrincipalKind::Role) | None => {
            Err(RequestError::WrongResource {
                resource: resource.clone(),
                expected: "user, group or role",
            })
        }
    }
}

fn user_of(resource: &Arn) -> Result<String, RequestError> {
    match principal_of(resource) {
        Ok((PrincipalKind::User, name)) => Ok(name),
        Ok((PrincipalKind::Group | PrincipalKind::Role, _)) | Err(_) => Err(RequestError::WrongResource {
            resource: resource.clone(),
            expected: "user",
        }),
    }
}

fn role_of(resource: &Arn) -> Result<String, RequestError> {
    match principal_of(resource) {
        Ok((PrincipalKind::Role, name)) => Ok(name),
        Ok((PrincipalKind::User | PrincipalKind::Group, _)) | Err(_) => Err(RequestError::WrongResource {
            resource: resource.clone(),
            expected: "role",
        }),
    }
}

fn holder_of(resource: &Arn) -> Result<Holder, RequestError> {
    user_of(resource)
        .map(Holder::User)
        .or_else(|_| role_of(resource).map(Holder::Role))
}

/// The policy, if all of its statements deny.
fn only_denying(policy: &InlinePolicyText) -> Result<InlinePolicyText, RequestError> {
    let parsed = PolicyDocument::parse(&policy.document).ok();
    let denies = parsed.is_some_and(|document| document.statements.iter().all(|s| s.effect == Effect::Deny));
    if denies {
        return Ok(policy.clone());
    }
    Err(RequestError::Widening {
        policy_name: policy.policy_name.clone(),
    })
}

fn account_itself(resource: &Arn) -> Result<(), RequestError> {
    if resource.resource() == "root" {
        return Ok(());
    }
    Err(RequestError::WrongResource {
        resource: resource.clone(),
        expected: "account (its resource is `root`)",
    })
}

fn policy_of(policy: &Arn, account: &AccountId) -> Result<Arn, RequestError> {
    if policy.account() != "aws" && policy.account() != account.as_str() {
        return Err(RequestError::WrongAccount {
            what: "policy",
            found: policy.account().to_owned(),
            session: account.clone(),
        });
    }
    if policy.service() != "iam" || !policy.resource().starts_with("policy/") {
        return Err(RequestError::WrongResource {
            resource: policy.clone(),
            expected: "managed policy",
        });
    }
    Ok(policy.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(operation: &Operation, resource: &Arn, account: &AccountId) -> Result<Request, RequestError> {
        let partition = crate::model::Partition::new("aws");
        let home = Home {
            account,
            partition: &partition,
        };
        Request::of(operation, resource, home)
    }

    fn account() -> AccountId {
        AccountId::parse("123456789012").unwrap()
    }

    fn arn(text: &str) -> Arn {
        Arn::parse(text).unwrap()
    }

    fn key() -> AccessKeyId {
        AccessKeyId::parse("AKIAIOSFODNN7EXAMPLE").unwrap()
    }

    fn disable() -> Operation {
        Operation::Apply(Change::DisableAccessKey { access_key_id: key() })
    }

    #[test]
    fn the_user_is_always_named() {
        let alice = arn("arn:aws:iam::123456789012:user/some/path/alice");
        let request = of(&disable(), &alice, &account()).unwrap();
        let expected = Request::SetKeyStatus {
            user: "alice".to_owned(),
            key: key(),
            active: false,
        };
        assert_eq!((request.operation(), request), ("iam:UpdateAccessKey", expected));
        for wrong in [
            "arn:aws:iam::123456789012:user",
            "arn:aws:iam::123456789012:user/",
            "arn:aws:iam::123456789012:user/path/",
            "arn:aws:iam::123456789012:user/a b",
            "arn:aws:iam::123456789012:role/alice",
            "arn:aws:iam::123456789012:root",
            "arn:aws:iam::210987654321:user/alice",
            "arn:aws:sts::123456789012:user/alice",
        ] {
            assert!(of(&disable(), &arn(wrong), &account()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn undoing_is_the_opposite_call() {
        let alice = arn("arn:aws:iam::123456789012:user/alice");
        let admin = arn("arn:aws:iam::aws:policy/AdministratorAccess");
        let enable = Operation::Undo(Inverse::EnableAccessKey { access_key_id: key() });
        assert_eq!(
            of(&enable, &alice, &account()).unwrap(),
            Request::SetKeyStatus {
                user: "alice".to_owned(),
                key: key(),
                active: true
            }
        );
        for (resource, detach, attach) in [
            ("user/alice", "iam:DetachUserPolicy", "iam:AttachUserPolicy"),
            ("group/ops", "iam:DetachGroupPolicy", "iam:AttachGroupPolicy"),
            ("role/x/app", "iam:DetachRolePolicy", "iam:AttachRolePolicy"),
        ] {
            let resource = arn(&format!("arn:aws:iam::123456789012:{resource}"));
            let apply = Operation::Apply(Change::DetachPolicy {
                policy_arn: admin.clone(),
            });
            let undo = Operation::Undo(Inverse::AttachPolicy {
                policy_arn: admin.clone(),
            });
            assert_eq!(of(&apply, &resource, &account()).unwrap().operation(), detach);
            assert_eq!(of(&undo, &resource, &account()).unwrap().operation(), attach);
        }
    }

    #[test]
    fn policies_of_other_accounts_and_other_things_are_refused() {
        let alice = arn("arn:aws:iam::123456789012:user/alice");
        for wrong in [
            "arn:aws:iam::210987654321:policy/p",
            "arn:aws:iam::123456789012:role/p",
            "arn:aws:s3::aws:policy/p",
        ] {
            let attach = Operation::Undo(Inverse::AttachPolicy {
                policy_arn: arn(wrong),
            });
            assert!(of(&attach, &alice, &account()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn zero_is_left_out_of_a_password_policy() {
        let root = arn("arn:aws:iam::123456789012:root");
        let policy = |length, max_age_days, reuse_prevention| {
            Operation::Apply(Change::UpdatePasswordPolicy(PasswordPolicy {
                minimum_length: length,
                max_age_days,
                reuse_prevention,
                ..PasswordPolicy::aws_default()
            }))
        };
        let numbers = |operation: &Operation| {
            let request = of(operation, &root, &account()).unwrap();
            let Request::WritePasswordPolicy(numbers) = request else {
                panic!("{request:?}")
            };
            (numbers.minimum_length, numbers.max_age, numbers.reuse_prevention)
        };
        assert_eq!(numbers(&policy(14, Some(0), None)), (14, None, None));
        assert_eq!(numbers(&policy(14, Some(90), Some(24))), (14, Some(90), Some(24)));
        for wrong in [
            policy(5, None, None),
            policy(129, None, None),
            policy(14, Some(1096), None),
            policy(14, None, Some(25)),
        ] {
            assert!(matches!(
                of(&wrong, &root, &account()),
                Err(RequestError::OutOfRange { .. })
            ));
        }
        let alice = arn("arn:aws:iam::123456789012:user/alice");
        assert!(of(&policy(14, None, None), &alice, &account()).is_err());
    }
}
