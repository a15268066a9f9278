//! From the SDK's answers to the values that the rest of iamwarden speaks in.
//!
//! Every function takes its input by value, so a page can be dropped as it is converted. What an answer should hold and
//! does not is an [`Odd`]: the caller turns it into an error, never into a default.

use aws_sdk_iam::types as sdk;
use chrono::{DateTime, Utc};
use percent_encoding::percent_decode_str;

use super::reader::{KeyDescription, LiveRole, LiveUser};
use crate::inventory::{
    AttachedPolicy, Group, InlinePolicy, LastUsed, ManagedPolicy, PolicyVersion, Role, User,
};
use crate::model::{AccessKeyId, Arn, KeyStatus, PasswordPolicy};

/// What is odd about an answer, in words.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Odd(pub(super) String);

pub(super) type Converted<T> = Result<T, Odd>;

pub(super) fn odd(what: impl Into<String>) -> Odd {
    Odd(what.into())
}

pub(super) fn needed<T>(value: Option<T>, what: &str) -> Converted<T> {
    value.ok_or_else(|| odd(format!("{what} is missing")))
}

/// To the second, as everything in IAM is. The epoch stands for a missing date in the SDK, and no date in IAM is older.
pub(super) fn instant(date: &aws_smithy_types::DateTime, what: &str) -> Converted<DateTime<Utc>> {
    if date.secs() <= 0 {
        return Err(odd(format!("{what} is missing")));
    }
    DateTime::from_timestamp(date.secs(), 0).ok_or_else(|| odd(format!("{what} is not a date")))
}

fn needed_instant(date: Option<aws_smithy_types::DateTime>, what: &str) -> Converted<DateTime<Utc>> {
    instant(&needed(date, what)?, what)
}

pub(super) fn arn(text: Option<String>, what: &str) -> Converted<Arn> {
    Arn::parse(&needed(text, what)?).map_err(|error| odd(error.to_string()))
}

/// Decodes a document, which IAM sends URL-encoded (RFC 3986). One that begins with a brace is not encoded: the encoding
/// leaves none.
pub(super) fn document(encoded: String) -> Converted<String> {
    if encoded.trim_start().starts_with('{') {
        return Ok(encoded);
    }
    match percent_decode_str(&encoded).decode_utf8() {
        Ok(text) => Ok(text.into_owned()),
        Err(_) => Err(odd("a policy document is not UTF-8")),
    }
}

fn attached(list: Option<Vec<sdk::AttachedPolicy>>) -> Converted<Vec<AttachedPolicy>> {
    let mut policies = list
        .unwrap_or_default()
        .into_iter()
        .map(attached_policy)
        .collect::<Converted<Vec<_>>>()?;
    policies.sort();
    Ok(policies)
}

pub(super) fn attached_policy(policy: sdk::AttachedPolicy) -> Converted<AttachedPolicy> {
    Ok(AttachedPolicy {
        arn: arn(policy.policy_arn, "the ARN of an attached policy")?,
        name: needed(policy.policy_name, "the name of an attached policy")?,
    })
}

fn inline(list: Option<Vec<sdk::PolicyDetail>>) -> Converted<Vec<InlinePolicy>> {
    let mut policies = list
        .unwrap_or_default()
        .into_iter()
        .map(|policy| {
            Ok(InlinePolicy {
                name: needed(policy.policy_name, "the name of an inline policy")?,
                document: document(needed(
                    policy.policy_document,
                    "the document of an inline policy",
                )?)?,
            })
        })
        .collect::<Converted<Vec<_>>>()?;
    policies.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(policies)
}

fn tags(list: Option<Vec<sdk::Tag>>) -> std::collections::BTreeMap<String, String> {
    list.unwrap_or_default()
        .into_iter()
        .map(|tag| (tag.key, tag.value))
        .collect()
}

fn boundary(boundary: Option<sdk::AttachedPermissionsBoundary>) -> Converted<Option<Arn>> {
    match boundary {
        Some(boundary) => arn(
            boundary.permissions_boundary_arn,
            "the ARN of a permissions boundary",
        )
        .map(Some),
        None => Ok(None),
    }
}

pub(super) fn user(user: sdk::UserDetail) -> Converted<User> {
    let mut groups = user.group_list.unwrap_or_default();
    groups.sort();
    Ok(User {
        arn: arn(user.arn, "the ARN of a user")?,
        name: needed(user.user_name, "the name of a user")?,
        id: needed(user.user_id, "the id of a user")?,
        created_at: needed_instant(user.create_date, "the creation date of a user")?,
        tags: tags(user.tags),
        groups,
        attached: attached(user.attached_managed_policies)?,
        inline: inline(user.user_policy_list)?,
        boundary: boundary(user.permissions_boundary)?,
        credentials: None,
        sign_in: None,
        password_use: None,
        other_credentials: None,
    })
}

pub(super) fn group(group: sdk::GroupDetail) -> Converted<Group> {
    Ok(Group {
        arn: arn(group.arn, "the ARN of a group")?,
        name: needed(group.group_name, "the name of a group")?,
        created_at: needed_instant(group.create_date, "the creation date of a group")?,
        attached: attached(group.attached_managed_policies)?,
        inline: inline(group.group_policy_list)?,
    })
}

pub(super) fn role(role: sdk::RoleDetail) -> Converted<Role> {
    let last_used = role.role_last_used.and_then(|last| last.last_used_date);
    Ok(Role {
        arn: arn(role.arn, "the ARN of a role")?,
        name: needed(role.role_name, "the name of a role")?,
        id: needed(role.role_id, "the id of a role")?,
        created_at: needed_instant(role.create_date, "the creation date of a role")?,
        tags: tags(role.tags),
        attached: attached(role.attached_managed_policies)?,
        inline: inline(role.role_policy_list)?,
        boundary: boundary(role.permissions_boundary)?,
        trust: document(needed(
            role.assume_role_policy_document,
            "the trust policy of a role",
        )?)?,
        last_used_at: match last_used {
            Some(date) => Some(instant(&date, "the last use of a role")?),
            None => None,
        },
    })
}

fn count(number: Option<i32>, what: &str) -> Converted<u32> {
    match number {
        // Absent in answers that predate the field; the caller knows how often it saw the policy in use.
        None => Ok(0),
        Some(number) => u32::try_from(number).map_err(|_| odd(format!("{what} is negative"))),
    }
}

pub(super) fn managed_policy(policy: sdk::ManagedPolicyDetail) -> Converted<ManagedPolicy> {
    let mut versions = policy
        .policy_version_list
        .unwrap_or_default()
        .into_iter()
        .map(policy_version)
        .collect::<Converted<Vec<_>>>()?;
    versions.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
    let arn = arn(policy.arn, "the ARN of a policy")?;
    Ok(ManagedPolicy {
        // The ARN holds it too.
        name: policy.policy_name.unwrap_or_else(|| arn.name().to_owned()),
        arn,
        default_version: needed(policy.default_version_id, "the default version of a policy")?,
        created_at: needed_instant(policy.create_date, "the creation date of a policy")?,
        updated_at: needed_instant(policy.update_date, "the update date of a policy")?,
        attachment_count: count(policy.attachment_count, "the attachment count of a policy")?,
        boundary_count: count(
            policy.permissions_boundary_usage_count,
            "the boundary count of a policy",
        )?,
        versions,
    })
}

/// A version without its document keeps an empty one, which nobody can judge.
pub(super) fn policy_version(version: sdk::PolicyVersion) -> Converted<PolicyVersion> {
    Ok(PolicyVersion {
        id: needed(version.version_id, "the id of a policy version")?,
        created_at: needed_instant(version.create_date, "the creation date of a policy version")?,
        document: document(version.document.unwrap_or_default())?,
    })
}

/// `GetPolicy`, and the default version that `GetPolicyVersion` sent.
pub(super) fn live_policy(policy: sdk::Policy, version: sdk::PolicyVersion) -> Converted<ManagedPolicy> {
    let version = policy_version(version)?;
    let default_version = needed(policy.default_version_id, "the default version of a policy")?;
    if version.id != default_version || version.document.is_empty() {
        return Err(odd("the default version of the policy was not sent"));
    }
    Ok(ManagedPolicy {
        arn: arn(policy.arn, "the ARN of a policy")?,
        name: needed(policy.policy_name, "the name of a policy")?,
        default_version,
        created_at: needed_instant(policy.create_date, "the creation date of a policy")?,
        updated_at: needed_instant(policy.update_date, "the update date of a policy")?,
        attachment_count: count(policy.attachment_count, "the attachment count of a policy")?,
        boundary_count: count(
            policy.permissions_boundary_usage_count,
            "the boundary count of a policy",
        )?,
        versions: vec![version],
    })
}

pub(super) fn live_user(user: sdk::User) -> Converted<LiveUser> {
    Ok(LiveUser {
        arn: arn(Some(user.arn), "the ARN of a user")?,
        id: Some(user.user_id)
            .filter(|id| !id.is_empty())
            .ok_or_else(|| odd("the id of a user is missing"))?,
        created_at: instant(&user.create_date, "the creation date of a user")?,
        tags: tags(user.tags),
        boundary: boundary(user.permissions_boundary)?,
        password_last_used: match user.password_last_used {
            Some(date) => Some(instant(&date, "the last use of a password")?),
            None => None,
        },
    })
}

pub(super) fn live_role(role: sdk::Role) -> Converted<LiveRole> {
    let last_used = role.role_last_used.and_then(|last| last.last_used_date);
    Ok(LiveRole {
        arn: arn(Some(role.arn), "the ARN of a role")?,
        id: Some(role.role_id)
            .filter(|id| !id.is_empty())
            .ok_or_else(|| odd("the id of a role is missing"))?,
        trust: document(needed(
            role.assume_role_policy_document,
            "the trust policy of a role",
        )?)?,
        last_used_at: match last_used {
            Some(date) => Some(instant(&date, "the last use of a role")?),
            None => None,
        },
    })
}

pub(super) fn key(key: sdk::AccessKeyMetadata) -> Converted<KeyDescription> {
    let id = needed(key.access_key_id, "the id of an access key")?;
    Ok(KeyDescription {
        id: AccessKeyId::parse(&id).map_err(|error| odd(error.to_string()))?,
        status: KeyStatus::from_api(needed(key.status, "the status of an access key")?.as_str()),
        created_at: needed_instant(key.create_date, "the creation date of an access key")?,
    })
}

/// No date, and `N/A` for service and region, is "never used"; no date and anything else says nothing.
pub(super) fn last_used(last: sdk::AccessKeyLastUsed) -> Converted<LastUsed> {
    let told = |text: String| Some(text).filter(|t| !t.is_empty() && t != "N/A");
    let (service, region) = (told(last.service_name), told(last.region));
    match (last.last_used_date, service, region) {
        (Some(date), service, region) => Ok(LastUsed::At {
            at: instant(&date, "the last use of an access key")?,
            service,
            region,
        }),
        (None, None, None) => Ok(LastUsed::Never),
        (None, _, _) => Err(odd("a service used the access key, but no date is given")),
    }
}

pub(super) fn password_policy(policy: sdk::PasswordPolicy) -> Converted<PasswordPolicy> {
    let number = |value: Option<i32>, what: &str| match value {
        None | Some(0) => Ok(None),
        Some(n) => u32::try_from(n)
            .map(Some)
            .map_err(|_| odd(format!("{what} is negative"))),
    };
    let max_age_days = number(policy.max_password_age, "the greatest password age")?;
    if policy.expire_passwords != max_age_days.is_some() {
        return Err(odd(
            "whether passwords expire and their greatest age contradict each other",
        ));
    }
    Ok(PasswordPolicy {
        minimum_length: number(policy.minimum_password_length, "the least password length")?
            .ok_or_else(|| odd("the least password length is missing"))?,
        require_uppercase: policy.require_uppercase_characters,
        require_lowercase: policy.require_lowercase_characters,
        require_numbers: policy.require_numbers,
        require_symbols: policy.require_symbols,
        allow_users_to_change: policy.allow_users_to_change_password,
        max_age_days,
        reuse_prevention: number(
            policy.password_reuse_prevention,
            "the number of remembered passwords",
        )?,
        hard_expiry: policy.hard_expiry.unwrap_or(false),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn date(secs: i64) -> aws_smithy_types::DateTime {
        aws_smithy_types::DateTime::from_secs(secs)
    }

    fn last(date: Option<aws_smithy_types::DateTime>, service: &str) -> Converted<LastUsed> {
        let last = sdk::AccessKeyLastUsed::builder()
            .set_last_used_date(date)
            .service_name(service)
            .region("N/A")
            .build()
            .unwrap();
        last_used(last)
    }

    #[test]
    fn never_used_is_said_in_so_many_words() {
        assert_eq!(last(None, "N/A"), Ok(LastUsed::Never));
        assert!(last(None, "s3").is_err());
        assert!(last(Some(date(0)), "s3").is_err());
        let at = last(Some(date(1_700_000_000)), "s3").unwrap().at().unwrap();
        assert_eq!(at.timestamp(), 1_700_000_000);
    }

    #[test]
    fn documents_are_decoded_once() {
        let decoded = |text: &str| document(text.to_owned());
        assert_eq!(
            decoded("%7B%22a%22%3A%22x%2By%20%2541%22%7D").unwrap(),
            r#"{"a":"x+y %41"}"#
        );
        assert_eq!(decoded("%7B%22a+b%22%7D").unwrap(), r#"{"a+b"}"#);
        assert_eq!(decoded(r#"{"a": "%41"}"#).unwrap(), r#"{"a": "%41"}"#);
        assert!(decoded("%7B%FF").is_err());
    }

    #[test]
    fn a_password_policy_that_contradicts_itself_is_not_read() {
        let policy = |expire: bool, age: Option<i32>, length: Option<i32>| {
            let policy = sdk::PasswordPolicy::builder()
                .expire_passwords(expire)
                .set_max_password_age(age)
                .set_minimum_password_length(length)
                .build();
            password_policy(policy)
        };
        assert_eq!(policy(true, Some(90), Some(14)).unwrap().max_age_days, Some(90));
        assert_eq!(policy(false, Some(0), Some(14)).unwrap().max_age_days, None);
        assert!(policy(true, None, Some(14)).is_err());
        assert!(policy(false, Some(90), Some(14)).is_err());
        assert!(policy(false, None, None).is_err());
        assert!(policy(true, Some(-1), Some(14)).is_err());
    }

    #[test]
    fn what_is_missing_is_an_error() {
        let bare = sdk::UserDetail::builder()
            .arn("arn:aws:iam::123456789012:user/a")
            .build();
        assert_eq!(user(bare).unwrap_err(), odd("the name of a user is missing"));
        let key_without_status = sdk::AccessKeyMetadata::builder()
            .access_key_id("AKIAIOSFODNN7EXAMPLE")
            .create_date(date(1_700_000_000))
            .build();
        assert!(key(key_without_status).is_err());
    }

    #[test]
    fn an_unknown_key_status_is_kept_as_it_is() {
        let strange = sdk::AccessKeyMetadata::builder()
            .access_key_id("AKIAIOSFODNN7EXAMPLE")
            .status("Suspended".into())
            .create_date(date(1_700_000_000))
            .build();
        assert_eq!(
            key(strange).unwrap().status,
            KeyStatus::Other("Suspended".to_owned())
        );
    }

    proptest! {
        #[test]
        fn encoded_documents_come_back(text in "\\{\\PC{0,100}") {
            let encoded = percent_encoding::utf8_percent_encode(&text, percent_encoding::NON_ALPHANUMERIC);
            prop_assert_eq!(document(encoded.to_string()).unwrap(), text);
        }
    }
}
