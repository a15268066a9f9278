//! `GetAccountAuthorizationDetails`: nearly everything at once.

use std::collections::BTreeSet;

use super::{
    Answer, Context, encoded, instance_profiles, policies, roles, write_boundary, write_identity, write_tags,
};
use crate::account::{Account, Group, InstanceProfile, Kind, ManagedPolicy, Principal, Role, User};
use crate::wire::error::AwsError;
use crate::wire::xml::Xml;

const FILTERS: [&str; 5] = ["User", "Role", "Group", "LocalManagedPolicy", "AWSManagedPolicy"];

enum Item<'a> {
    User(&'a User),
    Group(&'a Group),
    Role(&'a Role),
    Policy(&'a ManagedPolicy),
}

pub(super) fn get(cx: &mut Context<'_>) -> Answer {
    let filters: BTreeSet<&str> = cx.query.list("Filter").into_iter().collect();
    if let Some(unknown) = filters.iter().find(|filter| !FILTERS.contains(filter)) {
        let rule =
            "Member must satisfy enum value set: [User, Role, Group, LocalManagedPolicy, AWSManagedPolicy]";
        return Err(AwsError::constraint(unknown, "Filter", rule));
    }
    let page = cx.page(items(cx.account, &filters))?;
    let account = &*cx.account;
    let mut xml = Xml::new();
    xml.members(
        "UserDetailList",
        page.items.iter().filter_map(Item::user),
        |x, user| {
            write_user(x, user, account);
        },
    );
    xml.members(
        "GroupDetailList",
        page.items.iter().filter_map(Item::group),
        |x, group| {
            write_identity(x, &group.principal, account);
            write_policies(x, &group.principal, account);
        },
    );
    let profiles = account.profiles_by_role();
    xml.members(
        "RoleDetailList",
        page.items.iter().filter_map(Item::role),
        |x, role| {
            let profiles = profiles.get(role.principal.name.as_str());
            write_role(x, role, profiles.map_or(&[], Vec::as_slice), account);
        },
    );
    let counts = account.attachment_counts();
    xml.members(
        "Policies",
        page.items.iter().filter_map(Item::policy),
        |x, policy| {
            policies::write_head(
                x,
                policy,
                counts.get(policy.arn.as_str()).copied().unwrap_or_default(),
            );
            x.optional("Description", policy.description.as_ref());
            x.members("PolicyVersionList", policy.versions.iter().rev(), |x, version| {
                policies::write_version(x, version, policy, true);
            });
        },
    );
    page.close(&mut xml);
    Ok(xml)
}

impl<'a> Item<'a> {
    fn user(&self) -> Option<&'a User> {
        if let Self::User(user) = self {
            Some(user)
        } else {
            None
        }
    }

    fn group(&self) -> Option<&'a Group> {
        if let Self::Group(group) = self {
            Some(group)
        } else {
            None
        }
    }

    fn role(&self) -> Option<&'a Role> {
        if let Self::Role(role) = self {
            Some(role)
        } else {
            None
        }
    }

    fn policy(&self) -> Option<&'a ManagedPolicy> {
        if let Self::Policy(policy) = self {
            Some(policy)
        } else {
            None
        }
    }
}

/// All items the filters let through, in the order of their keys. Of AWS's policies only those in use are there.
fn items<'a>(account: &'a Account, filters: &BTreeSet<&str>) -> Vec<(String, Item<'a>)> {
    let wanted = |filter: &str| filters.is_empty() || filters.contains(filter);
    let mut items = Vec::new();
    if wanted("User") {
        items.extend(
            account
                .users
                .iter()
                .map(|(name, user)| (format!("1/{name}"), Item::User(user))),
        );
    }
    if wanted("Group") {
        items.extend(
            account
                .groups
                .iter()
                .map(|(name, group)| (format!("2/{name}"), Item::Group(group))),
        );
    }
    if wanted("Role") {
        items.extend(
            account
                .roles
                .iter()
                .map(|(name, role)| (format!("3/{name}"), Item::Role(role))),
        );
    }
    let counts = account.attachment_counts();
    for policy in account.policies.values() {
        let aws = policy.is_aws();
        if !aws && wanted("LocalManagedPolicy") {
            items.push((format!("4/{}", policy.arn), Item::Policy(policy)));
        }
        if aws && wanted("AWSManagedPolicy") && counts.contains_key(policy.arn.as_str()) {
            items.push((format!("5/{}", policy.arn), Item::Policy(policy)));
        }
    }
    items.sort_by(|a, b| a.0.cmp(&b.0));
    items
}

/// Inline and attached policies.
fn write_policies(xml: &mut Xml, principal: &Principal, account: &Account) {
    // Users without inline policies have no list of them; groups and roles have an empty one.
    if !principal.inline.is_empty() || principal.kind != Kind::User {
        let list = format!("{}PolicyList", principal.kind.name());
        xml.members(&list, &principal.inline, |x, (name, document)| {
            x.text("PolicyName", name)
                .text("PolicyDocument", encoded(document));
        });
    }
    xml.members("AttachedManagedPolicies", &principal.attached, |x, arn| {
        let name = account.policies.get(arn).map_or("", |policy| &policy.name);
        x.text("PolicyName", name).text("PolicyArn", arn);
    });
}

fn write_user(xml: &mut Xml, user: &User, account: &Account) {
    write_identity(xml, &user.principal, account);
    xml.strings("GroupList", &user.groups);
    write_policies(xml, &user.principal, account);
    write_boundary(xml, user.principal.boundary.as_ref());
    write_tags(xml, &user.principal.tags);
}

fn write_role(xml: &mut Xml, role: &Role, profiles: &[&InstanceProfile], account: &Account) {
    write_identity(xml, &role.principal, account);
    xml.text("AssumeRolePolicyDocument", encoded(&role.trust));
    xml.members("InstanceProfileList", profiles, |x, profile| {
        instance_profiles::write(x, profile, account, false);
    });
    write_policies(xml, &role.principal, account);
    write_boundary(xml, role.principal.boundary.as_ref());
    write_tags(xml, &role.principal.tags);
    roles::write_last_used(xml, role);
}
