//! Managed policies and their versions.

use super::attachments::policy_arn;
use super::inline::size;
use super::{Answer, Context, encoded, tags, write_tags, write_tags_if_any};
use crate::account::{ManagedPolicy, PolicyVersion};
use crate::policy::document::{PolicyDocument, Purpose};
use crate::wire::error::AwsError;
use crate::wire::xml::Xml;

const MOST_VERSIONS: usize = 5;
const MOST_CHARACTERS: usize = 6144;

/// A policy's element. Lists leave out description and tags.
fn write(xml: &mut Xml, policy: &ManagedPolicy, counts: (usize, usize), whole: bool) {
    write_head(xml, policy, counts);
    if whole {
        xml.optional("Description", policy.description.as_ref());
        write_tags(xml, &policy.tags);
    }
}

/// What the policy has in common here and in the account's details.
pub(super) fn write_head(xml: &mut Xml, policy: &ManagedPolicy, (attached, bounding): (usize, usize)) {
    xml.text("PolicyName", &policy.name)
        .text("PolicyId", &policy.id)
        .text("Arn", &policy.arn);
    xml.text("Path", &policy.path)
        .text("DefaultVersionId", &policy.default_version);
    xml.text("AttachmentCount", attached)
        .text("PermissionsBoundaryUsageCount", bounding);
    xml.text("IsAttachable", true)
        .date("CreateDate", policy.created)
        .date("UpdateDate", policy.updated);
}

pub(super) fn write_version(xml: &mut Xml, version: &PolicyVersion, policy: &ManagedPolicy, whole: bool) {
    if whole {
        xml.text("Document", encoded(&version.document));
    }
    xml.text("VersionId", &version.id)
        .text("IsDefaultVersion", version.id == policy.default_version);
    xml.date("CreateDate", version.created);
}

pub(super) fn list(cx: &mut Context<'_>) -> Answer {
    let counts = cx.account.attachment_counts();
    let count = |policy: &ManagedPolicy| counts.get(policy.arn.as_str()).copied().unwrap_or_default();
    let only_attached = cx.query.boolean("OnlyAttached")?.unwrap_or(false);
    let usage = cx.query.optional("PolicyUsageFilter");
    let wanted = |policy: &&ManagedPolicy| {
        let (attached, bounding) = count(policy);
        let in_scope = match cx.query.optional("Scope") {
            Some("AWS") => policy.is_aws(),
            Some("Local") => !policy.is_aws(),
            _ => true,
        };
        let used = match usage {
            Some("PermissionsBoundary") => bounding > 0,
            Some("PermissionsPolicy") => attached > 0,
            _ => true,
        };
        in_scope && used && (!only_attached || attached > 0) && cx.below_prefix(&policy.path)
    };
    let policies = cx.account.policies.values().filter(wanted);
    let page = cx.page(policies.map(|policy| (policy.arn.clone(), policy)).collect())?;
    let mut xml = Xml::new();
    xml.members("Policies", &page.items, |x, policy| {
        write(x, policy, count(policy), false)
    });
    page.close(&mut xml);
    Ok(xml)
}

pub(super) fn get(cx: &mut Context<'_>) -> Answer {
    let policy = cx.account.policy(policy_arn(cx)?)?;
    let counts = cx
        .account
        .attachment_counts()
        .get(policy.arn.as_str())
        .copied()
        .unwrap_or_default();
    let mut xml = Xml::new();
    xml.node("Policy", |x| write(x, policy, counts, true));
    Ok(xml)
}

fn checked_document(document: &str) -> Result<String, AwsError> {
    PolicyDocument::parse(document, Purpose::Identity)?;
    if size(document) > MOST_CHARACTERS {
        return Err(AwsError::quota("PolicySize", MOST_CHARACTERS));
    }
    Ok(document.to_owned())
}

pub(super) fn create(cx: &mut Context<'_>) -> Answer {
    let name = cx.query.name("PolicyName")?;
    let path = cx.query.path()?;
    let arn = format!(
        "arn:{}:iam::{}:policy{path}{name}",
        cx.account.partition, cx.account.id
    );
    let document = checked_document(cx.query.required("PolicyDocument")?)?;
    let tags = tags::checked(cx.query.tags())?;
    let mut own = cx.account.policies.values().filter(|policy| !policy.is_aws());
    if own.any(|policy| policy.name.eq_ignore_ascii_case(name)) {
        let message = format!("A policy called {name} already exists. Duplicate names are not allowed.");
        return Err(AwsError::new("EntityAlreadyExists", 409, message));
    }
    let policy = ManagedPolicy {
        name: name.to_owned(),
        id: cx.ids.unique("ANPA"),
        arn: arn.clone(),
        path: path.to_owned(),
        description: cx.query.optional("Description").map(str::to_owned),
        created: cx.now,
        updated: cx.now,
        versions: vec![PolicyVersion {
            id: "v1".to_owned(),
            document,
            created: cx.now,
        }],
        default_version: "v1".to_owned(),
        last_number: 1,
        tags,
    };
    let mut xml = Xml::new();
    xml.node("Policy", |x| {
        write_head(x, &policy, (0, 0));
        write_tags_if_any(x, &policy.tags);
    });
    cx.account.policies.insert(arn, policy);
    Ok(xml)
}

pub(super) fn delete(cx: &mut Context<'_>) -> Answer {
    let arn = policy_arn(cx)?;
    let policy = own(cx, arn)?;
    if policy.versions.len() > 1 {
        let message = "This policy has more than one version. Before you delete a policy, you must delete the \
                       policy's versions. The default version is deleted with the policy.";
        return Err(AwsError::delete_conflict(message));
    }
    if cx.account.attachment_counts().contains_key(arn) {
        return Err(AwsError::delete_conflict(
            "Cannot delete a policy attached to entities.",
        ));
    }
    cx.account.policies.remove(arn);
    Ok(Xml::new())
}

/// A policy of the account's own, which it may change.
fn own<'a>(cx: &'a mut Context<'_>, arn: &str) -> Result<&'a mut ManagedPolicy, AwsError> {
    let denied = AwsError::access_denied(format!(
        "User: {} is not authorized to perform this operation on resource: policy {arn}",
        cx.caller.arn
    ));
    let policy = cx.account.policy_mut(arn)?;
    if policy.is_aws() { Err(denied) } else { Ok(policy) }
}

fn version_absent(policy: &ManagedPolicy, version: &str) -> AwsError {
    AwsError::no_such_entity(format!(
        "Policy {} version {version} does not exist or is not attachable.",
        policy.arn
    ))
}

fn version<'a>(policy: &'a ManagedPolicy, id: &str) -> Result<&'a PolicyVersion, AwsError> {
    policy
        .versions
        .iter()
        .find(|version| version.id == id)
        .ok_or_else(|| version_absent(policy, id))
}

pub(super) fn get_version(cx: &mut Context<'_>) -> Answer {
    let policy = cx.account.policy(policy_arn(cx)?)?;
    let version = version(policy, cx.query.required("VersionId")?)?;
    let mut xml = Xml::new();
    xml.node("PolicyVersion", |x| write_version(x, version, policy, true));
    Ok(xml)
}

pub(super) fn list_versions(cx: &mut Context<'_>) -> Answer {
    let policy = cx.account.policy(policy_arn(cx)?)?;
    // Newest first, as AWS lists them.
    let versions = policy.versions.iter().rev().enumerate();
    let page = cx.page(
        versions
            .map(|(index, version)| (format!("{index:04}"), version))
            .collect(),
    )?;
    let mut xml = Xml::new();
    xml.members("Versions", &page.items, |x, version| {
        write_version(x, version, policy, false)
    });
    page.close(&mut xml);
    Ok(xml)
}

pub(super) fn create_version(cx: &mut Context<'_>) -> Answer {
    let arn = policy_arn(cx)?.to_owned();
    let make_default = cx.query.boolean("SetAsDefault")?.unwrap_or(false);
    let document = cx.query.required("PolicyDocument")?.to_owned();
    let now = cx.now;
    let policy = own(cx, &arn)?;
    let document = checked_document(&document)?;
    if policy.versions.len() >= MOST_VERSIONS {
        let message = format!(
            "A managed policy can have up to {MOST_VERSIONS} versions. Before you create a new version, you must \
             delete an existing version."
        );
        return Err(AwsError::new("LimitExceeded", 409, message));
    }
    policy.last_number += 1;
    let version = PolicyVersion {
        id: format!("v{}", policy.last_number),
        document,
        created: now,
    };
    if make_default {
        policy.default_version.clone_from(&version.id);
    }
    policy.updated = now;
    let mut xml = Xml::new();
    xml.node("PolicyVersion", |x| write_version(x, &version, policy, false));
    policy.versions.push(version);
    Ok(xml)
}

pub(super) fn set_default_version(cx: &mut Context<'_>) -> Answer {
    let arn = policy_arn(cx)?.to_owned();
    let id = cx.query.required("VersionId")?.to_owned();
    let now = cx.now;
    let policy = own(cx, &arn)?;
    version(policy, &id)?;
    policy.default_version = id;
    policy.updated = now;
    Ok(Xml::new())
}

pub(super) fn delete_version(cx: &mut Context<'_>) -> Answer {
    let arn = policy_arn(cx)?.to_owned();
    let id = cx.query.required("VersionId")?.to_owned();
    let policy = own(cx, &arn)?;
    version(policy, &id)?;
    if policy.default_version == id {
        return Err(AwsError::delete_conflict(
            "Cannot delete the default version of a policy.",
        ));
    }
    policy.versions.retain(|version| version.id != id);
    Ok(Xml::new())
}
