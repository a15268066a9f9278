//! Instance profiles, by which instances get a role.

use super::{Answer, Context, roles, tags, users, write_tags_if_any};
use crate::account::{Account, InstanceProfile};
use crate::wire::error::AwsError;
use crate::wire::xml::Xml;

const MOST_ROLES: usize = 1;

/// An instance profile's element, with its role in it. Lists leave out tags.
pub(super) fn write(xml: &mut Xml, profile: &InstanceProfile, account: &Account, whole: bool) {
    xml.text("Path", &profile.path)
        .text("InstanceProfileName", &profile.name)
        .text("InstanceProfileId", &profile.id)
        .text("Arn", profile.arn(account))
        .date("CreateDate", profile.created);
    let role = profile.role.as_ref().and_then(|name| account.roles.get(name));
    xml.members("Roles", role, |x, role| roles::write(x, role, account, false));
    if whole {
        write_tags_if_any(xml, &profile.tags);
    }
}

fn write_list<'a>(cx: &Context<'_>, profiles: impl Iterator<Item = &'a InstanceProfile>) -> Answer {
    let page = cx.page(profiles.map(|profile| (profile.name.clone(), profile)).collect())?;
    let mut xml = Xml::new();
    xml.members("InstanceProfiles", &page.items, |x, profile| {
        write(x, profile, cx.account, false)
    });
    page.close(&mut xml);
    Ok(xml)
}

fn named<'a>(cx: &'a mut Context<'_>) -> Result<&'a mut InstanceProfile, AwsError> {
    let name = cx.query.name("InstanceProfileName")?;
    let absent = || AwsError::no_such_entity(format!("Instance Profile {name} cannot be found."));
    cx.account.instance_profiles.get_mut(name).ok_or_else(absent)
}

pub(super) fn list(cx: &mut Context<'_>) -> Answer {
    let profiles = cx.account.instance_profiles.values();
    write_list(cx, profiles.filter(|profile| cx.below_prefix(&profile.path)))
}

pub(super) fn list_for_role(cx: &mut Context<'_>) -> Answer {
    let role = &cx.account.role(cx.query.name("RoleName")?)?.principal.name;
    let profiles = cx.account.instance_profiles.values();
    write_list(cx, profiles.filter(|profile| profile.role.as_ref() == Some(role)))
}

pub(super) fn get(cx: &mut Context<'_>) -> Answer {
    let profile = named(cx)?.clone();
    let mut xml = Xml::new();
    xml.node("InstanceProfile", |x| write(x, &profile, cx.account, true));
    Ok(xml)
}

pub(super) fn create(cx: &mut Context<'_>) -> Answer {
    let name = cx.query.name("InstanceProfileName")?;
    let path = cx.query.path()?.to_owned();
    let tags = tags::checked(cx.query.tags())?;
    let mut others = cx.account.instance_profiles.keys();
    if others.any(|other| other.eq_ignore_ascii_case(name)) {
        let message = format!("Instance Profile {name} already exists.");
        return Err(AwsError::new("EntityAlreadyExists", 409, message));
    }
    let profile = InstanceProfile {
        name: name.to_owned(),
        path,
        id: cx.ids.unique("AIPA"),
        created: cx.now,
        role: None,
        tags,
    };
    let mut xml = Xml::new();
    xml.node("InstanceProfile", |x| write(x, &profile, cx.account, true));
    cx.account.instance_profiles.insert(name.to_owned(), profile);
    Ok(xml)
}

pub(super) fn delete(cx: &mut Context<'_>) -> Answer {
    let profile = named(cx)?;
    let name = profile.name.clone();
    users::refuse_if_any(&[(profile.role.is_some(), "remove roles from instance profile")])?;
    cx.account.instance_profiles.remove(&name);
    Ok(Xml::new())
}

pub(super) fn add_role(cx: &mut Context<'_>) -> Answer {
    named(cx)?;
    let role = cx.account.role(cx.query.name("RoleName")?)?;
    let name = role.principal.name.clone();
    if role.is_protected() {
        return Err(AwsError::unmodifiable(&name));
    }
    let profile = named(cx)?;
    if profile.role.is_some() {
        return Err(AwsError::quota("InstanceSessionsPerInstanceProfile", MOST_ROLES));
    }
    profile.role = Some(name);
    Ok(Xml::new())
}

pub(super) fn remove_role(cx: &mut Context<'_>) -> Answer {
    named(cx)?;
    let role = cx.query.name("RoleName")?;
    cx.account.role(role)?;
    let profile = named(cx)?;
    if profile.role.as_deref() != Some(role) {
        let message = format!("Role {role} is not in instance profile {}.", profile.name);
        return Err(AwsError::no_such_entity(message));
    }
    profile.role = None;
    Ok(Xml::new())
}
