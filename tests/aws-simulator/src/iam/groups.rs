//! Groups and who is in them.

use super::{Answer, Context, users, write_identity};
use crate::account::{Group, Kind};
use crate::wire::error::AwsError;
use crate::wire::xml::Xml;

const MOST_PER_USER: usize = 10;

pub(super) fn list(cx: &mut Context<'_>) -> Answer {
    let groups = cx
        .account
        .groups
        .values()
        .filter(|group| cx.below_prefix(&group.principal.path));
    write_list(
        cx,
        groups
            .map(|group| (group.principal.name.clone(), group))
            .collect(),
    )
}

pub(super) fn list_for_user(cx: &mut Context<'_>) -> Answer {
    let user = cx.account.user(cx.query.name("UserName")?)?;
    let groups = user
        .groups
        .iter()
        .filter_map(|name| Some((name.clone(), cx.account.groups.get(name)?)));
    write_list(cx, groups.collect())
}

fn write_list(cx: &Context<'_>, groups: Vec<(String, &Group)>) -> Answer {
    let page = cx.page(groups)?;
    let mut xml = Xml::new();
    xml.members("Groups", &page.items, |x, group| {
        write_identity(x, &group.principal, cx.account)
    });
    page.close(&mut xml);
    Ok(xml)
}

pub(super) fn get(cx: &mut Context<'_>) -> Answer {
    let name = cx.query.name("GroupName")?;
    let group = cx.account.group(name)?;
    let members = cx
        .account
        .members(name)
        .map(|user| (user.principal.name.clone(), user));
    let page = cx.page(members.collect())?;
    let mut xml = Xml::new();
    xml.node("Group", |x| write_identity(x, &group.principal, cx.account));
    xml.members("Users", &page.items, |x, user| {
        users::write(x, user, cx.account, false)
    });
    page.close(&mut xml);
    Ok(xml)
}

pub(super) fn create(cx: &mut Context<'_>) -> Answer {
    let principal = users::new_principal(cx, Kind::Group)?;
    let mut xml = Xml::new();
    xml.node("Group", |x| write_identity(x, &principal, cx.account));
    cx.account
        .groups
        .insert(principal.name.clone(), Group { principal });
    Ok(xml)
}

pub(super) fn delete(cx: &mut Context<'_>) -> Answer {
    let name = cx.query.name("GroupName")?;
    let group = cx.account.group(name)?;
    users::refuse_if_any(&[
        (
            cx.account.members(name).next().is_some(),
            "remove users from group",
        ),
        (!group.principal.inline.is_empty(), "delete policies"),
        (!group.principal.attached.is_empty(), "detach all policies"),
    ])?;
    cx.account.groups.remove(name);
    Ok(Xml::new())
}

pub(super) fn add_user(cx: &mut Context<'_>) -> Answer {
    let group = cx.query.name("GroupName")?;
    cx.account.group(group)?;
    let user = cx.account.user_mut(cx.query.name("UserName")?)?;
    if user.groups.len() >= MOST_PER_USER && !user.groups.contains(group) {
        return Err(AwsError::quota("GroupsPerUser", MOST_PER_USER));
    }
    user.groups.insert(group.to_owned());
    Ok(Xml::new())
}

pub(super) fn remove_user(cx: &mut Context<'_>) -> Answer {
    let group = cx.query.name("GroupName")?;
    cx.account.group(group)?;
    let name = cx.query.name("UserName")?;
    if cx.account.user_mut(name)?.groups.remove(group) {
        Ok(Xml::new())
    } else {
        Err(AwsError::no_such_entity(format!(
            "User {name} is not in group {group}."
        )))
    }
}
