//! Attachments of managed policies.

use super::{Answer, Context};
use crate::account::{Kind, Principal};
use crate::wire::error::AwsError;
use crate::wire::xml::Xml;

const MOST: usize = 10;

pub(super) fn list(cx: &mut Context<'_>, kind: Kind) -> Answer {
    let mut attached = Vec::new();
    for arn in &cx.principal(kind)?.attached {
        let policy = cx.account.policy(arn)?;
        if cx.below_prefix(&policy.path) {
            attached.push((arn.clone(), (policy.name.clone(), arn.clone())));
        }
    }
    let page = cx.page(attached)?;
    let mut xml = Xml::new();
    xml.members("AttachedPolicies", &page.items, |x, (name, arn)| {
        x.text("PolicyName", name).text("PolicyArn", arn);
    });
    page.close(&mut xml);
    Ok(xml)
}

/// The `PolicyArn` of the request, if it looks like one.
pub(super) fn policy_arn<'a>(cx: &Context<'a>) -> Result<&'a str, AwsError> {
    let arn = cx.query.required("PolicyArn")?;
    if arn.len() < 20 {
        return Err(AwsError::constraint(
            arn,
            "PolicyArn",
            "Member must have length greater than or equal to 20",
        ));
    }
    if arn.starts_with("arn:") && arn.contains(":policy/") {
        Ok(arn)
    } else {
        Err(AwsError::invalid_input(format!("ARN {arn} is not valid.")))
    }
}

pub(super) fn attach(cx: &mut Context<'_>, kind: Kind) -> Answer {
    let arn = policy_arn(cx)?.to_owned();
    let service_policy = match cx.account.policies.get(&arn) {
        Some(policy) => policy.path.starts_with("/aws-service-role/"),
        None => {
            let message = format!("Policy {arn} does not exist or is not attachable.");
            return Err(AwsError::no_such_entity(message));
        }
    };
    let principal = cx.changeable(kind)?;
    if service_policy {
        let message = "Cannot attach a Service Role Policy to a Customer Role.";
        return Err(AwsError::new("PolicyNotAttachable", 400, message));
    }
    if principal.attached.len() >= MOST && !principal.attached.contains(&arn) {
        return Err(AwsError::quota(&format!("PoliciesPer{}", kind.name()), MOST));
    }
    principal.attached.insert(arn);
    Ok(Xml::new())
}

pub(super) fn detach(cx: &mut Context<'_>, kind: Kind) -> Answer {
    let arn = policy_arn(cx)?;
    if cx.changeable(kind)?.attached.remove(arn) {
        Ok(Xml::new())
    } else {
        Err(AwsError::policy_absent(arn))
    }
}

/// The users, groups and roles a policy is attached to, or bounds.
pub(super) fn entities(cx: &mut Context<'_>) -> Answer {
    let arn = policy_arn(cx)?;
    cx.account.policy(arn)?;
    let usage = cx
        .query
        .optional("PolicyUsageFilter")
        .unwrap_or("PermissionsPolicy");
    let bounds = usage == "PermissionsBoundary";
    let wanted = |principal: &&Principal| {
        let concerned = match cx.query.optional("PolicyUsageFilter") {
            None => principal.attached.contains(arn) || principal.boundary.as_deref() == Some(arn),
            Some(_) if bounds => principal.boundary.as_deref() == Some(arn),
            Some(_) => principal.attached.contains(arn),
        };
        let kind = match cx.query.optional("EntityFilter") {
            None | Some("LocalManagedPolicy" | "AWSManagedPolicy") => true,
            Some(filter) => filter == principal.kind.name(),
        };
        concerned && kind && cx.below_prefix(&principal.path)
    };
    let principals = cx.account.principals().filter(wanted);
    let mut items: Vec<_> = principals
        .map(|principal| (format!("{:?}/{}", principal.kind, principal.name), principal))
        .collect();
    items.sort_by(|a, b| a.0.cmp(&b.0));
    let page = cx.page(items)?;
    let mut xml = Xml::new();
    for kind in [Kind::Group, Kind::User, Kind::Role] {
        let of_kind = page.items.iter().filter(|principal| principal.kind == kind);
        xml.members(&format!("Policy{}s", kind.name()), of_kind, |x, principal| {
            x.text(kind.parameter(), &principal.name)
                .text(&format!("{}Id", kind.name()), &principal.id);
        });
    }
    page.close(&mut xml);
    Ok(xml)
}
