//! Roles and their trust policies.

use super::{Answer, Context, encoded, users, write_boundary, write_identity, write_tags_if_any};
use crate::account::{Account, Kind, Role};
use crate::policy::document::{PolicyDocument, Purpose};
use crate::wire::error::AwsError;
use crate::wire::xml::Xml;

/// A role's element. Lists leave out tags, boundary and last use.
pub(super) fn write(xml: &mut Xml, role: &Role, account: &Account, whole: bool) {
    write_identity(xml, &role.principal, account);
    xml.text("AssumeRolePolicyDocument", encoded(&role.trust));
    xml.optional("Description", role.description.as_ref());
    xml.text("MaxSessionDuration", role.max_session);
    if whole {
        write_boundary(xml, role.principal.boundary.as_ref());
        write_tags_if_any(xml, &role.principal.tags);
        write_last_used(xml, role);
    }
}

pub(super) fn write_last_used(xml: &mut Xml, role: &Role) {
    xml.node("RoleLastUsed", |x| {
        if let Some((at, region)) = &role.last_used {
            x.date("LastUsedDate", *at).text("Region", region);
        }
    });
}

pub(super) fn list(cx: &mut Context<'_>) -> Answer {
    let roles = cx
        .account
        .roles
        .values()
        .filter(|role| cx.below_prefix(&role.principal.path));
    let page = cx.page(roles.map(|role| (role.principal.name.clone(), role)).collect())?;
    let mut xml = Xml::new();
    xml.members("Roles", &page.items, |x, role| write(x, role, cx.account, false));
    page.close(&mut xml);
    Ok(xml)
}

pub(super) fn get(cx: &mut Context<'_>) -> Answer {
    let role = cx.account.role(cx.query.name("RoleName")?)?;
    let mut xml = Xml::new();
    xml.node("Role", |x| write(x, role, cx.account, true));
    Ok(xml)
}

pub(super) fn create(cx: &mut Context<'_>) -> Answer {
    let trust = cx.query.required("AssumeRolePolicyDocument")?.to_owned();
    let description = cx.query.optional("Description").map(str::to_owned);
    let max_session = cx
        .query
        .integer("MaxSessionDuration", 3600, 43_200)?
        .unwrap_or(3600);
    PolicyDocument::parse(&trust, Purpose::Trust)?;
    let principal = users::new_principal(cx, Kind::Role)?;
    let name = principal.name.clone();
    let role = Role {
        principal,
        trust,
        description,
        max_session,
        last_used: None,
    };
    let mut xml = Xml::new();
    xml.node("Role", |x| write(x, &role, cx.account, true));
    cx.account.roles.insert(name, role);
    Ok(xml)
}

pub(super) fn update_trust(cx: &mut Context<'_>) -> Answer {
    let trust = cx.query.required("PolicyDocument")?.to_owned();
    let name = cx.changeable(Kind::Role)?.name.clone();
    PolicyDocument::parse(&trust, Purpose::Trust)?;
    cx.account.role_mut(&name)?.trust = trust;
    Ok(Xml::new())
}

pub(super) fn delete(cx: &mut Context<'_>) -> Answer {
    let name = cx.query.name("RoleName")?;
    let role = cx.account.role(name)?;
    if role.is_protected() {
        return Err(AwsError::unmodifiable(name));
    }
    users::refuse_if_any(&[
        (!role.principal.inline.is_empty(), "delete policies"),
        (!role.principal.attached.is_empty(), "detach all policies"),
        (
            cx.account.profiles_by_role().contains_key(name),
            "remove roles from instance profile",
        ),
    ])?;
    cx.account.roles.remove(name);
    Ok(Xml::new())
}
