//! Users.

use std::collections::{BTreeMap, BTreeSet};

use super::{Answer, Context, write_boundary, write_identity, write_tags_if_any};
use crate::account::{Account, Kind, Principal, User};
use crate::caller::Identity;
use crate::wire::error::AwsError;
use crate::wire::xml::Xml;

/// A user's element. Lists leave out tags and boundary.
pub(super) fn write(xml: &mut Xml, user: &User, account: &Account, whole: bool) {
    write_identity(xml, &user.principal, account);
    let last_used = user.password.as_ref().and_then(|password| password.last_used);
    let last_used = last_used.or(user.former_password_used);
    xml.optional_date("PasswordLastUsed", last_used);
    if whole {
        write_boundary(xml, user.principal.boundary.as_ref());
        write_tags_if_any(xml, &user.principal.tags);
    }
}

pub(super) fn list(cx: &mut Context<'_>) -> Answer {
    let users = cx
        .account
        .users
        .values()
        .filter(|user| cx.below_prefix(&user.principal.path));
    let page = cx.page(users.map(|user| (user.principal.name.clone(), user)).collect())?;
    let mut xml = Xml::new();
    xml.members("Users", &page.items, |x, user| write(x, user, cx.account, false));
    page.close(&mut xml);
    Ok(xml)
}

pub(super) fn get(cx: &mut Context<'_>) -> Answer {
    let mut xml = Xml::new();
    if cx.query.optional("UserName").is_none() && cx.caller.identity == Identity::Root {
        let root = &cx.account.root;
        xml.node("User", |x| {
            x.text("Path", "/")
                .text("UserName", "root")
                .text("UserId", &cx.account.id);
            x.text("Arn", &cx.caller.arn).date("CreateDate", root.created);
            x.optional_date("PasswordLastUsed", root.password_last_used);
        });
        return Ok(xml);
    }
    let name = cx.user_or_caller()?;
    let user = cx.account.user(&name)?;
    xml.node("User", |x| write(x, user, cx.account, true));
    Ok(xml)
}

pub(super) fn create(cx: &mut Context<'_>) -> Answer {
    let principal = new_principal(cx, Kind::User)?;
    let name = principal.name.clone();
    let user = User {
        principal,
        password: None,
        former_password_used: None,
        mfa: BTreeMap::new(),
        keys: Vec::new(),
        ssh_keys: Vec::new(),
        certificates: Vec::new(),
        service_credentials: Vec::new(),
        groups: BTreeSet::new(),
    };
    let mut xml = Xml::new();
    xml.node("User", |x| write(x, &user, cx.account, true));
    cx.account.users.insert(name, user);
    Ok(xml)
}

/// A principal as `CreateUser`, `CreateGroup` and `CreateRole` make them, once all is checked.
pub(super) fn new_principal(cx: &mut Context<'_>, kind: Kind) -> Result<Principal, AwsError> {
    let name = cx.query.name(kind.parameter())?;
    let longest = 64;
    if kind != Kind::Group && name.len() > longest {
        let rule = format!("Member must have length less than or equal to {longest}");
        return Err(AwsError::constraint(name, kind.parameter(), &rule));
    }
    let taken = match kind {
        Kind::User => cx
            .account
            .users
            .keys()
            .any(|other| other.eq_ignore_ascii_case(name)),
        Kind::Group => cx
            .account
            .groups
            .keys()
            .any(|other| other.eq_ignore_ascii_case(name)),
        Kind::Role => cx
            .account
            .roles
            .keys()
            .any(|other| other.eq_ignore_ascii_case(name)),
    };
    if taken {
        return Err(AwsError::exists(kind.name(), name));
    }
    let boundary = cx.query.optional("PermissionsBoundary").map(str::to_owned);
    if let Some(arn) = &boundary {
        cx.account.policy(arn)?;
    }
    let tags = super::tags::checked(cx.query.tags())?;
    Ok(Principal {
        kind,
        name: name.to_owned(),
        id: cx.ids.unique(kind.id_prefix()),
        path: cx.query.path()?.to_owned(),
        created: cx.now,
        tags,
        inline: BTreeMap::new(),
        attached: BTreeSet::new(),
        boundary,
        used: BTreeMap::new(),
        advisor: None,
    })
}

pub(super) fn delete(cx: &mut Context<'_>) -> Answer {
    let name = cx.query.name("UserName")?;
    let user = cx.account.user(name)?;
    let obstacles = [
        (user.password.is_some(), "delete login profile"),
        (!user.keys.is_empty(), "delete access keys"),
        (!user.certificates.is_empty(), "delete signing certificates"),
        (!user.ssh_keys.is_empty(), "delete SSH public keys"),
        (
            !user.service_credentials.is_empty(),
            "delete service-specific credentials",
        ),
        (!user.mfa.is_empty(), "delete MFA device"),
        (!user.principal.inline.is_empty(), "delete policies"),
        (!user.principal.attached.is_empty(), "detach all policies"),
        (!user.groups.is_empty(), "remove user from all groups"),
    ];
    refuse_if_any(&obstacles)?;
    cx.account.users.remove(name);
    Ok(Xml::new())
}

/// `DeleteConflict` for the first thing that is in the way.
pub(super) fn refuse_if_any(obstacles: &[(bool, &str)]) -> Result<(), AwsError> {
    match obstacles.iter().find(|(is_there, _)| *is_there) {
        Some((_, duty)) => Err(AwsError::delete_conflict(format!(
            "Cannot delete entity, must {duty} first."
        ))),
        None => Ok(()),
    }
}
