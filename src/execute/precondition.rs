//! The precondition, read live.
//!
//! What is read is put into the terms of the planned precondition, so that the comparison is plain equality: whatever
//! differs, in whatever direction, means that the world moved since the plan.

use chrono::{DateTime, SubsecRound, Utc};

use super::regional;
use crate::aws::{AwsError, ErrorKind, LiveHolder, Reader};
use crate::inventory::{AttachedPolicy, Granularity, ManagedPolicy, Reading, ServiceLastAccessed};
use crate::model::{AccessKeyId, Arn, Digest, Grounds, Inverse, PolicyUse, Precondition, PrincipalKind};
use crate::plan::Operation;

/// Why it is not known what is so right now: nothing may be concluded, so nothing is done.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// AWS did not answer.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// The answers do not suffice.
    #[error("{0}")]
    Unknown(String),
    /// They suffice, and say that the plan does not hold any more.
    #[error("{0}")]
    Stale(String),
}

/// Reads what is so right now, of the kind that `planned` is. `None`: the resource, or the thing on it, is gone. The use
/// of what a policy grants is only read with a `judge` for it.
///
/// # Errors
/// [`LiveError`].
pub async fn read_live(
    reader: &Reader,
    resource: &Arn,
    operation: &Operation,
    planned: &Precondition,
    judge: Option<(AttachmentJudge, DateTime<Utc>)>,
) -> Result<Option<Precondition>, LiveError> {
    match planned {
        Precondition::AccessKey { last_used, .. } => match key_of(operation) {
            Some(id) => read_key(reader, resource, id, last_used.is_some()).await,
            None => Ok(None),
        },
        Precondition::Attachment { policy_arn, .. } => {
            // Boxed: the futures of whoever awaits this would be too deep for the compiler otherwise.
            Box::pin(read_attachment(reader, resource, policy_arn, judge)).await
        }
        Precondition::PasswordPolicy { .. } => {
            let password_policy = reader.password_policy().await?;
            Ok(Some(Precondition::PasswordPolicy { password_policy }))
        }
        Precondition::InlinePolicy {
            policy_name, grounds, ..
        } => read_inline_policy(reader, resource, policy_name, grounds.is_some()).await,
        Precondition::ConsolePassword { last_used, .. } => {
            read_console_password(reader, resource, last_used.is_some()).await
        }
        Precondition::Regional(state) => {
            let live = regional::read(reader, resource, operation, state).await?;
            Ok(live.map(Precondition::Regional))
        }
    }
}

async fn read_inline_policy(
    reader: &Reader,
    principal: &Arn,
    policy_name: &str,
    with_grounds: bool,
) -> Result<Option<Precondition>, LiveError> {
    let (principal_id, grounds) = if principal.principal_kind() == Some(PrincipalKind::Role) {
        let Some(role) = gone_is_none(reader.role(principal).await)? else {
            return Ok(None);
        };
        let grounds = Grounds::RoleUse {
            last_used: role.last_used_at,
            trust: Digest::of_document(&role.trust),
        };
        (role.id, grounds)
    } else {
        let Some(user) = gone_is_none(reader.user(principal).await)? else {
            return Ok(None);
        };
        let grounds = Grounds::SignIn {
            console_password: with_grounds && reader.login_profile(principal).await?.is_some(),
            mfa_devices: match with_grounds {
                true => reader.mfa_devices(principal).await?,
                false => Vec::new(),
            },
        };
        (user.id, grounds)
    };
    let document = reader.inline_policy(principal, policy_name).await?;
    Ok(Some(Precondition::InlinePolicy {
        policy_name: policy_name.to_owned(),
        document: document.as_deref().map(Digest::of_document),
        principal_id,
        grounds: with_grounds.then_some(grounds),
    }))
}

async fn read_console_password(
    reader: &Reader,
    user: &Arn,
    with_last_use: bool,
) -> Result<Option<Precondition>, LiveError> {
    let Some(live) = gone_is_none(reader.user(user).await)? else {
        return Ok(None);
    };
    let Some(created_at) = reader.login_profile(user).await? else {
        return Ok(None);
    };
    Ok(Some(Precondition::ConsolePassword {
        user_id: live.id,
        created_at: to_the_second(created_at),
        last_used: with_last_use.then(|| live.password_last_used.map(to_the_second)),
    }))
}

fn key_of(operation: &Operation) -> Option<&AccessKeyId> {
    match operation {
        Operation::Apply(change) => change.access_key_id(),
        Operation::Undo(Inverse::EnableAccessKey { access_key_id }) => Some(access_key_id),
        Operation::Undo(
            Inverse::RestorePasswordPolicy(_)
            | Inverse::DeletePasswordPolicy
            | Inverse::AttachPolicy { .. }
            | Inverse::DeleteInlinePolicy { .. }
            | Inverse::PutInlinePolicy(_)
            | Inverse::Regional(_),
        ) => None,
    }
}

/// A missing user, key or policy is an answer; every other error is none.
pub(super) fn gone_is_none<T>(answer: Result<T, AwsError>) -> Result<Option<T>, AwsError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind == ErrorKind::Gone => Ok(None),
        Err(error) => Err(error),
    }
}

async fn read_key(
    reader: &Reader,
    user: &Arn,
    id: &AccessKeyId,
    with_last_use: bool,
) -> Result<Option<Precondition>, LiveError> {
    let Some(keys) = gone_is_none(reader.access_keys(user).await)? else {
        return Ok(None);
    };
    let Some(key) = keys.into_iter().find(|key| key.id == *id) else {
        return Ok(None);
    };
    let last_used = match with_last_use {
        false => None,
        true => Some(
            reader
                .access_key_last_used(user, id)
                .await?
                .at()
                .map(to_the_second),
        ),
    };
    Ok(Some(Precondition::AccessKey {
        status: key.status,
        created_at: to_the_second(key.created_at),
        last_used,
    }))
}

fn to_the_second(at: DateTime<Utc>) -> DateTime<Utc> {
    at.trunc_subsecs(0)
}

/// What was read live of the attachment of a managed policy.
#[derive(Debug)]
pub struct LiveAttachment {
    /// The user, group or role; a group with its members.
    pub principal: LiveHolder,
    /// The policy.
    pub policy_arn: Arn,
    /// What is attached to the principal.
    pub attached: Vec<AttachedPolicy>,
    /// The policy as it is now, with its default version.
    pub policy: ManagedPolicy,
    /// That version's document.
    pub document: String,
    /// Access Advisor on the principal, and on each member where that is a group.
    pub reports: Vec<Reading<ServiceLastAccessed>>,
}

/// Turns what was read live into the precondition as it is now, or says why there is none. The rule's own function,
/// handed in: nothing is decided here.
pub type AttachmentJudge = fn(&LiveAttachment, DateTime<Utc>) -> Result<Precondition, LiveError>;

async fn read_attachment(
    reader: &Reader,
    principal: &Arn,
    policy_arn: &Arn,
    with_use: Option<(AttachmentJudge, DateTime<Utc>)>,
) -> Result<Option<Precondition>, LiveError> {
    let Some(holder) = gone_is_none(reader.holder(principal).await)? else {
        return Ok(None);
    };
    // A namesake under another path is somebody else: the one that was planned for is gone.
    if holder.arn != *principal {
        return Ok(None);
    }
    let Some(attached) = gone_is_none(reader.attached_policies(principal).await)? else {
        return Ok(None);
    };
    let Some(policy) = gone_is_none(reader.policy(policy_arn).await)? else {
        return Ok(None);
    };
    let document = match policy.default_document() {
        Some(version) => version.document.clone(),
        None => {
            return Err(LiveError::Unknown(
                "AWS sent the policy without its default version".to_owned(),
            ));
        }
    };
    let is_attached = attached.iter().any(|a| a.arn == *policy_arn);
    match with_use {
        Some((judge, now)) if is_attached => {
            let reports = reports(reader, &holder).await?;
            let live = LiveAttachment {
                principal: holder,
                policy_arn: policy_arn.clone(),
                attached,
                policy,
                document,
                reports,
            };
            judge(&live, now).map(Some)
        }
        Some(_) | None => Ok(Some(Precondition::Attachment {
            policy_arn: policy_arn.clone(),
            version: policy.default_version,
            document: Digest::of_document(&document),
            attached: is_attached,
            principal_created_at: holder.created_at,
            members: None,
            last_used: PolicyUse::default(),
        })),
    }
}

async fn reports(
    reader: &Reader,
    holder: &LiveHolder,
) -> Result<Vec<Reading<ServiceLastAccessed>>, LiveError> {
    let members = holder.members.iter().flatten().map(|member| &member.arn);
    let mut reports = Vec::new();
    for principal in std::iter::once(&holder.arn).chain(members) {
        reports.push(Reading::Known(
            reader
                .service_last_accessed(principal, Granularity::Service)
                .await?,
        ));
    }
    Ok(reports)
}
