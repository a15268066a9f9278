//! Which IAM actions iamwarden needs for what: the table from which `iamwarden permissions` builds the least policy.
//!
//! The names are those that the Reader and Writer themselves use. `sts:GetCallerIdentity` needs no permission.

use super::operation::*;
use crate::model::ChangeKind;

/// What is read of an account, as the enabled rules need it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reads {
    /// Access keys, with age and last use.
    pub keys: bool,
    /// Ages of console passwords.
    pub passwords: bool,
    /// The account password policy.
    pub password_policy: bool,
    /// Access Advisor.
    pub last_accessed: bool,
    /// Trails, in regions.
    pub trails: bool,
    /// Console passwords and MFA devices of users.
    pub sign_in: bool,
    /// The root user.
    pub root: bool,
    /// Virtual MFA devices, assigned or not.
    pub virtual_mfa_devices: bool,
    /// Passwords that rest.
    pub idle_passwords: bool,
    /// What else users have who rest.
    pub idle_users: bool,
    /// The buckets of trails.
    pub buckets: bool,
    /// The log groups of trails, alarms and their topics.
    pub alarms: bool,
    /// Analyzers, and the access from outside that they found.
    pub analyzers: bool,
    /// The unused access that they found.
    pub unused_access: bool,
    /// Running instances and instance profiles.
    pub instances: bool,
}

/// Users, groups, roles and policies: always.
const ALWAYS: &[&str] = &[GET_ACCOUNT_AUTHORIZATION_DETAILS];
/// The report first; the others for what it leaves open, and where there is none.
const KEYS: &[&str] = &[
    GENERATE_CREDENTIAL_REPORT,
    GET_ACCESS_KEY_LAST_USED,
    GET_CREDENTIAL_REPORT,
    LIST_ACCESS_KEYS,
];
const PASSWORDS: &[&str] = &[
    GENERATE_CREDENTIAL_REPORT,
    GET_CREDENTIAL_REPORT,
    GET_LOGIN_PROFILE,
    LIST_ACCESS_KEYS,
];
const PASSWORD_POLICY: &[&str] = &[GET_ACCOUNT_PASSWORD_POLICY];
const LAST_ACCESSED: &[&str] = &[
    GENERATE_SERVICE_LAST_ACCESSED_DETAILS,
    GET_SERVICE_LAST_ACCESSED_DETAILS,
];
/// The report first; the others for whoever it shows without MFA, and where there is none.
const SIGN_IN: &[&str] = &[
    GENERATE_CREDENTIAL_REPORT,
    GET_CREDENTIAL_REPORT,
    GET_LOGIN_PROFILE,
    LIST_MFA_DEVICES,
];
const ROOT: &[&str] = &[
    GENERATE_CREDENTIAL_REPORT,
    GET_ACCOUNT_SUMMARY,
    GET_CREDENTIAL_REPORT,
];
const VIRTUAL_MFA: &[&str] = &[LIST_VIRTUAL_MFA_DEVICES];

const IDLE_PASSWORDS: &[&str] = &[
    GENERATE_CREDENTIAL_REPORT,
    GET_CREDENTIAL_REPORT,
    GET_LOGIN_PROFILE,
    GET_USER,
];
const IDLE_USERS: &[&str] = &[
    LIST_SERVICE_SPECIFIC_CREDENTIALS,
    LIST_SIGNING_CERTIFICATES,
    LIST_SSH_PUBLIC_KEYS,
];

const TRAILS: &[&str] = &[DESCRIBE_TRAILS, GET_EVENT_SELECTORS, GET_TRAIL_STATUS];
const BUCKETS: &[&str] = &[
    GET_BUCKET_ACL,
    GET_BUCKET_POLICY_STATUS,
    GET_BUCKET_PUBLIC_ACCESS_BLOCK,
];
const ANALYZERS: &[&str] = &[LIST_ANALYZERS, LIST_FINDINGS];
const UNUSED_ACCESS: &[&str] = &[GET_FINDING, LIST_ANALYZERS, LIST_FINDINGS];
const ALARMS: &[&str] = &[
    DESCRIBE_ALARMS,
    DESCRIBE_METRIC_FILTERS,
    LIST_SUBSCRIPTIONS_BY_TOPIC,
];
const INSTANCES: &[&str] = &[
    DESCRIBE_IAM_INSTANCE_PROFILE_ASSOCIATIONS,
    DESCRIBE_INSTANCES,
    LIST_INSTANCE_PROFILES,
];

/// The actions that finding the accounts of an organization needs, sorted; with its units, or without.
pub fn discovery(units: bool) -> &'static [&'static str] {
    match units {
        true => &[
            LIST_ACCOUNTS,
            LIST_ACCOUNTS_FOR_PARENT,
            LIST_ORGANIZATIONAL_UNITS_FOR_PARENT,
            LIST_ROOTS,
        ],
        false => &[LIST_ACCOUNTS],
    }
}

/// The actions that collecting an inventory needs, sorted.
pub fn reads(needs: Reads) -> Vec<&'static str> {
    let Reads {
        keys,
        passwords,
        password_policy,
        last_accessed,
        trails,
        sign_in,
        root,
        virtual_mfa_devices,
        idle_passwords,
        idle_users,
        buckets,
        alarms,
        analyzers,
        unused_access,
        instances,
    } = needs;
    let parts = [
        (true, ALWAYS),
        (keys, KEYS),
        (passwords, PASSWORDS),
        (password_policy, PASSWORD_POLICY),
        (last_accessed, LAST_ACCESSED),
        (trails, TRAILS),
        (sign_in, SIGN_IN),
        (root, ROOT),
        (virtual_mfa_devices, VIRTUAL_MFA),
        (idle_passwords, IDLE_PASSWORDS),
        (idle_users, IDLE_USERS),
        (buckets, BUCKETS),
        (alarms, ALARMS),
        (analyzers, ANALYZERS),
        (unused_access, UNUSED_ACCESS),
        (instances, INSTANCES),
    ];
    let mut actions: Vec<_> = parts
        .into_iter()
        .filter(|(needed, _)| *needed)
        .flat_map(|(_, actions)| actions.iter().copied())
        .collect();
    actions.sort_unstable();
    actions.dedup();
    actions
}

/// The actions by which a change of this kind is re-checked right before, and verified after, sorted.
pub fn rereads(kind: ChangeKind) -> &'static [&'static str] {
    match kind {
        ChangeKind::DisableAccessKey | ChangeKind::DeleteAccessKey => {
            &[GET_ACCESS_KEY_LAST_USED, LIST_ACCESS_KEYS]
        }
        ChangeKind::UpdatePasswordPolicy => &[GET_ACCOUNT_PASSWORD_POLICY],
        ChangeKind::DetachPolicy => &[
            GENERATE_SERVICE_LAST_ACCESSED_DETAILS,
            GET_GROUP,
            GET_POLICY,
            GET_POLICY_VERSION,
            GET_ROLE,
            GET_SERVICE_LAST_ACCESSED_DETAILS,
            GET_USER,
            LIST_ATTACHED_GROUP_POLICIES,
            LIST_ATTACHED_ROLE_POLICIES,
            LIST_ATTACHED_USER_POLICIES,
        ],
        ChangeKind::RequireMfa | ChangeKind::LiftMfaRequirement => {
            &[GET_LOGIN_PROFILE, GET_USER, GET_USER_POLICY, LIST_MFA_DEVICES]
        }
        ChangeKind::DeleteLoginProfile => &[GET_LOGIN_PROFILE, GET_USER],
        ChangeKind::QuarantineRole => &[GET_ROLE, GET_ROLE_POLICY],
        ChangeKind::StartLogging => &[GET_TRAIL_STATUS],
        ChangeKind::UpdateTrail | ChangeKind::CreateTrail => &[DESCRIBE_TRAILS],
        ChangeKind::PutMetricFilter => &[DESCRIBE_METRIC_FILTERS],
        ChangeKind::PutMetricAlarm => &[DESCRIBE_ALARMS],
        ChangeKind::CreateAnalyzer => &[LIST_ANALYZERS],
        ChangeKind::AssociateInstanceProfile => &[
            DESCRIBE_IAM_INSTANCE_PROFILE_ASSOCIATIONS,
            DESCRIBE_INSTANCES,
            GET_INSTANCE_PROFILE,
        ],
    }
}

/// The actions that make a change of this kind, sorted.
pub fn writes(kind: ChangeKind) -> &'static [&'static str] {
    match kind {
        ChangeKind::DisableAccessKey => &[UPDATE_ACCESS_KEY],
        ChangeKind::DeleteAccessKey => &[DELETE_ACCESS_KEY],
        ChangeKind::UpdatePasswordPolicy => &[UPDATE_ACCOUNT_PASSWORD_POLICY],
        ChangeKind::DetachPolicy => &[DETACH_GROUP_POLICY, DETACH_ROLE_POLICY, DETACH_USER_POLICY],
        ChangeKind::RequireMfa => &[PUT_USER_POLICY],
        ChangeKind::LiftMfaRequirement => &[DELETE_USER_POLICY],
        ChangeKind::DeleteLoginProfile => &[DELETE_LOGIN_PROFILE],
        ChangeKind::QuarantineRole => &[PUT_ROLE_POLICY],
        ChangeKind::StartLogging => &[START_LOGGING],
        ChangeKind::UpdateTrail => &[UPDATE_TRAIL],
        ChangeKind::CreateTrail => &[CREATE_TRAIL, START_LOGGING],
        ChangeKind::PutMetricFilter => &[PUT_METRIC_FILTER],
        ChangeKind::PutMetricAlarm => &[PUT_METRIC_ALARM],
        ChangeKind::CreateAnalyzer => &[CREATE_ANALYZER],
        ChangeKind::AssociateInstanceProfile => &[ASSOCIATE_IAM_INSTANCE_PROFILE],
    }
}

/// The same for its inverse, which compares what stands with what was left, and asks for no reasons; none where it cannot
/// be undone.
pub fn inverse_rereads(kind: ChangeKind) -> &'static [&'static str] {
    match kind {
        ChangeKind::DisableAccessKey => &[LIST_ACCESS_KEYS],
        ChangeKind::DeleteAccessKey | ChangeKind::DeleteLoginProfile => &[],
        ChangeKind::UpdatePasswordPolicy => &[GET_ACCOUNT_PASSWORD_POLICY],
        ChangeKind::DetachPolicy => &[
            GET_GROUP,
            GET_POLICY,
            GET_POLICY_VERSION,
            GET_ROLE,
            GET_USER,
            LIST_ATTACHED_GROUP_POLICIES,
            LIST_ATTACHED_ROLE_POLICIES,
            LIST_ATTACHED_USER_POLICIES,
        ],
        ChangeKind::RequireMfa | ChangeKind::LiftMfaRequirement => &[GET_USER, GET_USER_POLICY],
        ChangeKind::QuarantineRole => &[GET_ROLE, GET_ROLE_POLICY],
        ChangeKind::StartLogging => &[GET_TRAIL_STATUS],
        ChangeKind::UpdateTrail | ChangeKind::CreateTrail => &[DESCRIBE_TRAILS],
        ChangeKind::PutMetricFilter => &[DESCRIBE_METRIC_FILTERS],
        ChangeKind::PutMetricAlarm => &[DESCRIBE_ALARMS],
        ChangeKind::CreateAnalyzer => &[LIST_ANALYZERS],
        ChangeKind::AssociateInstanceProfile => {
            &[DESCRIBE_IAM_INSTANCE_PROFILE_ASSOCIATIONS, DESCRIBE_INSTANCES]
        }
    }
}

/// The actions that undo a change of this kind, sorted; none where it cannot be undone.
pub fn inverse(kind: ChangeKind) -> &'static [&'static str] {
    match kind {
        ChangeKind::DisableAccessKey => &[UPDATE_ACCESS_KEY],
        ChangeKind::DeleteAccessKey => &[],
        ChangeKind::UpdatePasswordPolicy => &[DELETE_ACCOUNT_PASSWORD_POLICY, UPDATE_ACCOUNT_PASSWORD_POLICY],
        ChangeKind::DetachPolicy => &[ATTACH_GROUP_POLICY, ATTACH_ROLE_POLICY, ATTACH_USER_POLICY],
        ChangeKind::RequireMfa => &[DELETE_USER_POLICY],
        ChangeKind::LiftMfaRequirement => &[PUT_USER_POLICY],
        ChangeKind::DeleteLoginProfile => &[],
        ChangeKind::QuarantineRole => &[DELETE_ROLE_POLICY],
        ChangeKind::StartLogging => &[STOP_LOGGING],
        ChangeKind::UpdateTrail => &[UPDATE_TRAIL],
        ChangeKind::CreateTrail => &[DELETE_TRAIL],
        ChangeKind::PutMetricFilter => &[DELETE_METRIC_FILTER],
        ChangeKind::PutMetricAlarm => &[DELETE_ALARMS],
        ChangeKind::CreateAnalyzer => &[DELETE_ANALYZER],
        ChangeKind::AssociateInstanceProfile => &[DISASSOCIATE_IAM_INSTANCE_PROFILE],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_list_is_sorted_and_free_of_doubles() {
        let all = Reads {
            keys: true,
            passwords: true,
            password_policy: true,
            last_accessed: true,
            trails: true,
            sign_in: true,
            root: true,
            virtual_mfa_devices: true,
            idle_passwords: true,
            idle_users: true,
            buckets: true,
            alarms: true,
            analyzers: true,
            unused_access: true,
            instances: true,
        };
        let mut lists = vec![reads(Reads::default()), reads(all)];
        for kind in ChangeKind::ALL {
            lists.extend([
                rereads(kind).to_vec(),
                inverse_rereads(kind).to_vec(),
                writes(kind).to_vec(),
                inverse(kind).to_vec(),
            ]);
        }
        for list in lists {
            assert!(list.is_sorted_by(|a, b| a < b), "{list:?}");
        }
    }

    #[test]
    fn w8_only_undoing_a_detachment_can_widen() {
        let widens = |action: &&str| {
            let (_, name) = action.split_once(':').unwrap();
            ["Attach", "Put", "Create", "Add", "Set"]
                .iter()
                .any(|verb| name.starts_with(verb))
        };
        for kind in [
            ChangeKind::DisableAccessKey,
            ChangeKind::DeleteAccessKey,
            ChangeKind::UpdatePasswordPolicy,
            ChangeKind::DetachPolicy,
        ] {
            assert!(!writes(kind).iter().any(widens), "{kind}");
        }
        assert!(inverse(ChangeKind::DetachPolicy).iter().all(widens));
    }

    #[test]
    fn reading_needs_no_right_to_change_anything() {
        let reading = |action: &&str| {
            let (_, name) = action.split_once(':').unwrap();
            // The two that generate make reports, and change nothing.
            ["Get", "List", "Generate", "Describe"]
                .iter()
                .any(|verb| name.starts_with(verb))
        };
        let all = Reads {
            keys: true,
            passwords: true,
            password_policy: true,
            last_accessed: true,
            trails: true,
            sign_in: true,
            root: true,
            virtual_mfa_devices: true,
            idle_passwords: true,
            idle_users: true,
            buckets: true,
            alarms: true,
            analyzers: true,
            unused_access: true,
            instances: true,
        };
        assert!(reads(all).iter().all(reading));
        for kind in ChangeKind::ALL {
            assert!(rereads(kind).iter().all(reading), "{kind}");
            assert!(inverse_rereads(kind).iter().all(reading), "{kind}");
            assert!(!writes(kind).iter().any(reading), "{kind}");
        }
        insta::assert_snapshot!(reads(Reads { keys: true, ..Reads::default() }).join(" "), @"iam:GenerateCredentialReport iam:GetAccessKeyLastUsed iam:GetAccountAuthorizationDetails iam:GetCredentialReport iam:ListAccessKeys");
    }
}
