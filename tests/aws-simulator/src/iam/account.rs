//! Summary and aliases of the account.

use super::{Answer, Context};
use crate::wire::error::AwsError;
use crate::wire::xml::Xml;

/// Quotas as AWS sets them for every account.
const QUOTAS: &[(&str, usize)] = &[
    ("AccessKeysPerUserQuota", 2),
    ("AssumeRolePolicySizeQuota", 2048),
    ("AttachedPoliciesPerGroupQuota", 10),
    ("AttachedPoliciesPerRoleQuota", 10),
    ("AttachedPoliciesPerUserQuota", 10),
    ("GlobalEndpointTokenVersion", 1),
    ("GroupPolicySizeQuota", 5120),
    ("GroupsPerUserQuota", 10),
    ("GroupsQuota", 300),
    ("InstanceProfilesQuota", 1000),
    ("PoliciesQuota", 1500),
    ("PolicySizeQuota", 6144),
    ("PolicyVersionsInUseQuota", 10000),
    ("RolePolicySizeQuota", 10240),
    ("RolesQuota", 1000),
    ("ServerCertificatesQuota", 20),
    ("SigningCertificatesPerUserQuota", 2),
    ("UserPolicySizeQuota", 2048),
    ("UsersQuota", 5000),
    ("VersionsPerPolicyQuota", 5),
];

pub(super) fn summary(cx: &mut Context<'_>) -> Answer {
    let account = &cx.account;
    let own = || account.policies.values().filter(|policy| !policy.is_aws());
    let in_use = account.devices_in_use();
    let unassigned = account
        .virtual_devices
        .keys()
        .filter(|serial| !in_use.contains_key(serial.as_str()))
        .count();
    let root = &account.root;
    let counts = [
        ("AccountAccessKeysPresent", usize::from(!root.keys.is_empty())),
        ("AccountMFAEnabled", usize::from(!root.mfa.is_empty())),
        ("AccountPasswordPresent", usize::from(root.has_password)),
        (
            "AccountSigningCertificatesPresent",
            usize::from(!root.certificates.is_empty()),
        ),
        ("Groups", account.groups.len()),
        ("InstanceProfiles", account.instance_profiles.len()),
        ("MFADevices", in_use.len() + unassigned),
        ("MFADevicesInUse", in_use.len()),
        ("Policies", own().count()),
        (
            "PolicyVersionsInUse",
            own().map(|policy| policy.versions.len()).sum(),
        ),
        ("Providers", account.identity_providers.len()),
        ("Roles", account.roles.len()),
        ("ServerCertificates", 0),
        ("Users", account.users.len()),
    ];
    let mut xml = Xml::new();
    xml.node("SummaryMap", |x| {
        for (key, value) in counts.iter().chain(QUOTAS) {
            x.node("entry", |x| {
                x.text("key", key).text("value", value);
            });
        }
    });
    Ok(xml)
}

pub(super) fn list_aliases(cx: &mut Context<'_>) -> Answer {
    let page = cx.page(
        cx.account
            .aliases
            .iter()
            .map(|alias| (alias.clone(), alias))
            .collect(),
    )?;
    let mut xml = Xml::new();
    xml.strings("AccountAliases", &page.items);
    page.close(&mut xml);
    Ok(xml)
}

pub(super) fn create_alias(cx: &mut Context<'_>) -> Answer {
    let alias = cx.query.required("AccountAlias")?;
    // An account has one alias at a time; a new one takes the old one's place.
    cx.account.aliases = std::iter::once(alias.to_owned()).collect();
    Ok(Xml::new())
}

pub(super) fn delete_alias(cx: &mut Context<'_>) -> Answer {
    let alias = cx.query.required("AccountAlias")?;
    if cx.account.aliases.remove(alias) {
        Ok(Xml::new())
    } else {
        Err(AwsError::no_such_entity(format!(
            "The account alias with name {alias} cannot be found."
        )))
    }
}
