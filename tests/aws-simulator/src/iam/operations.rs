//! The table of all operations.

use super::{
    account, advisor, attachments, boundaries, credentials, details, devices, groups, inline,
    instance_profiles, keys, logins, passwords, policies, providers, report, roles, tags, users,
};
use crate::account::Kind;
use crate::context::{Operation, Run};

macro_rules! reads {
    ($name:literal, $run:expr) => {
        Operation::reads($name, Run::Xml($run))
    };
}

macro_rules! writes {
    ($name:literal, $run:expr) => {
        Operation::writes($name, Run::Xml($run))
    };
}

/// All operations of the service.
pub(crate) static OPERATIONS: &[Operation] = &[
    // The account as a whole.
    reads!("GetAccountAuthorizationDetails", details::get),
    reads!("GetAccountSummary", account::summary),
    reads!("ListAccountAliases", account::list_aliases),
    writes!("CreateAccountAlias", account::create_alias),
    writes!("DeleteAccountAlias", account::delete_alias),
    reads!("GenerateCredentialReport", report::generate),
    reads!("GetCredentialReport", report::get),
    reads!("GetAccountPasswordPolicy", passwords::get),
    writes!("UpdateAccountPasswordPolicy", passwords::update),
    writes!("DeleteAccountPasswordPolicy", passwords::delete),
    // Users.
    reads!("ListUsers", users::list),
    reads!("GetUser", users::get),
    writes!("CreateUser", users::create),
    writes!("DeleteUser", users::delete),
    reads!("ListUserTags", |cx| tags::list(cx, Kind::User)),
    writes!("TagUser", |cx| tags::tag(cx, Kind::User)),
    writes!("UntagUser", |cx| tags::untag(cx, Kind::User)),
    reads!("GetLoginProfile", logins::get),
    writes!("CreateLoginProfile", logins::create),
    writes!("UpdateLoginProfile", logins::update),
    writes!("DeleteLoginProfile", logins::delete),
    // Access keys.
    reads!("ListAccessKeys", keys::list),
    reads!("GetAccessKeyLastUsed", keys::last_used),
    writes!("CreateAccessKey", keys::create),
    writes!("UpdateAccessKey", keys::update),
    writes!("DeleteAccessKey", keys::delete),
    // MFA devices.
    reads!("ListMFADevices", devices::list),
    reads!("ListVirtualMFADevices", devices::list_virtual),
    writes!("CreateVirtualMFADevice", devices::create_virtual),
    writes!("DeleteVirtualMFADevice", devices::delete_virtual),
    writes!("EnableMFADevice", devices::enable),
    writes!("DeactivateMFADevice", devices::deactivate),
    // Other credentials.
    reads!("ListSSHPublicKeys", credentials::list_ssh_keys),
    writes!("UpdateSSHPublicKey", credentials::update_ssh_key),
    writes!("DeleteSSHPublicKey", credentials::delete_ssh_key),
    reads!("ListSigningCertificates", credentials::list_certificates),
    writes!("UpdateSigningCertificate", credentials::update_certificate),
    writes!("DeleteSigningCertificate", credentials::delete_certificate),
    reads!("ListServiceSpecificCredentials", credentials::list_of_services),
    writes!("UpdateServiceSpecificCredential", credentials::update_of_service),
    writes!("DeleteServiceSpecificCredential", credentials::delete_of_service),
    // Groups.
    reads!("ListGroups", groups::list),
    reads!("GetGroup", groups::get),
    writes!("CreateGroup", groups::create),
    writes!("DeleteGroup", groups::delete),
    writes!("AddUserToGroup", groups::add_user),
    writes!("RemoveUserFromGroup", groups::remove_user),
    reads!("ListGroupsForUser", groups::list_for_user),
    // Roles.
    reads!("ListRoles", roles::list),
    reads!("GetRole", roles::get),
    writes!("CreateRole", roles::create),
    writes!("DeleteRole", roles::delete),
    writes!("UpdateAssumeRolePolicy", roles::update_trust),
    reads!("ListRoleTags", |cx| tags::list(cx, Kind::Role)),
    writes!("TagRole", |cx| tags::tag(cx, Kind::Role)),
    writes!("UntagRole", |cx| tags::untag(cx, Kind::Role)),
    // Instance profiles.
    reads!("ListInstanceProfiles", instance_profiles::list),
    reads!("ListInstanceProfilesForRole", instance_profiles::list_for_role),
    reads!("GetInstanceProfile", instance_profiles::get),
    writes!("CreateInstanceProfile", instance_profiles::create),
    writes!("DeleteInstanceProfile", instance_profiles::delete),
    writes!("AddRoleToInstanceProfile", instance_profiles::add_role),
    writes!("RemoveRoleFromInstanceProfile", instance_profiles::remove_role),
    // Identity providers.
    reads!("ListOpenIDConnectProviders", providers::list_open_id_connect),
    reads!("ListSAMLProviders", providers::list_saml),
    // Managed policies.
    reads!("ListPolicies", policies::list),
    reads!("GetPolicy", policies::get),
    writes!("CreatePolicy", policies::create),
    writes!("DeletePolicy", policies::delete),
    reads!("GetPolicyVersion", policies::get_version),
    reads!("ListPolicyVersions", policies::list_versions),
    writes!("CreatePolicyVersion", policies::create_version),
    writes!("SetDefaultPolicyVersion", policies::set_default_version),
    writes!("DeletePolicyVersion", policies::delete_version),
    reads!("ListEntitiesForPolicy", attachments::entities),
    // Attachments.
    reads!("ListAttachedUserPolicies", |cx| attachments::list(cx, Kind::User)),
    reads!("ListAttachedGroupPolicies", |cx| attachments::list(
        cx,
        Kind::Group
    )),
    reads!("ListAttachedRolePolicies", |cx| attachments::list(cx, Kind::Role)),
    writes!("AttachUserPolicy", |cx| attachments::attach(cx, Kind::User)),
    writes!("AttachGroupPolicy", |cx| attachments::attach(cx, Kind::Group)),
    writes!("AttachRolePolicy", |cx| attachments::attach(cx, Kind::Role)),
    writes!("DetachUserPolicy", |cx| attachments::detach(cx, Kind::User)),
    writes!("DetachGroupPolicy", |cx| attachments::detach(cx, Kind::Group)),
    writes!("DetachRolePolicy", |cx| attachments::detach(cx, Kind::Role)),
    writes!("PutUserPermissionsBoundary", |cx| boundaries::put(cx, Kind::User)),
    writes!("PutRolePermissionsBoundary", |cx| boundaries::put(cx, Kind::Role)),
    writes!("DeleteUserPermissionsBoundary", |cx| boundaries::delete(
        cx,
        Kind::User
    )),
    writes!("DeleteRolePermissionsBoundary", |cx| boundaries::delete(
        cx,
        Kind::Role
    )),
    // Inline policies.
    reads!("ListUserPolicies", |cx| inline::list(cx, Kind::User)),
    reads!("ListGroupPolicies", |cx| inline::list(cx, Kind::Group)),
    reads!("ListRolePolicies", |cx| inline::list(cx, Kind::Role)),
    reads!("GetUserPolicy", |cx| inline::get(cx, Kind::User)),
    reads!("GetGroupPolicy", |cx| inline::get(cx, Kind::Group)),
    reads!("GetRolePolicy", |cx| inline::get(cx, Kind::Role)),
    writes!("PutUserPolicy", |cx| inline::put(cx, Kind::User)),
    writes!("PutGroupPolicy", |cx| inline::put(cx, Kind::Group)),
    writes!("PutRolePolicy", |cx| inline::put(cx, Kind::Role)),
    writes!("DeleteUserPolicy", |cx| inline::delete(cx, Kind::User)),
    writes!("DeleteGroupPolicy", |cx| inline::delete(cx, Kind::Group)),
    writes!("DeleteRolePolicy", |cx| inline::delete(cx, Kind::Role)),
    // Access Advisor.
    reads!("GenerateServiceLastAccessedDetails", advisor::generate),
    reads!("GetServiceLastAccessedDetails", advisor::get),
    reads!("ListPoliciesGrantingServiceAccess", advisor::list_granting),
];
