//! What an account is made of while the simulator runs.

mod credentials;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::region::Region;
use crate::s3::Bucket;
use crate::seed::{AdvisorSeed, PasswordPolicy};
use crate::wire::error::AwsError;

pub(crate) use credentials::{
    AccessKey, CREDENTIAL_SERVICES, Holder, KeyUse, Password, Root, ServiceCredential, Uploaded,
    VirtualDevice, is_virtual, service_user_name,
};

/// One account's whole state, as reads see it. Its JSON is what tests compare before and after.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Account {
    pub(crate) id: String,
    pub(crate) partition: String,
    pub(crate) aliases: BTreeSet<String>,
    pub(crate) password_policy: Option<PasswordPolicy>,
    pub(crate) root: Root,
    /// Virtual MFA devices by serial number, whether anybody has them or not.
    pub(crate) virtual_devices: BTreeMap<String, VirtualDevice>,
    pub(crate) users: BTreeMap<String, User>,
    pub(crate) groups: BTreeMap<String, Group>,
    pub(crate) roles: BTreeMap<String, Role>,
    pub(crate) instance_profiles: BTreeMap<String, InstanceProfile>,
    /// ARNs of SAML and OpenID Connect providers and when they were made.
    pub(crate) identity_providers: BTreeMap<String, DateTime<Utc>>,
    /// Managed policies by ARN, those of AWS included.
    pub(crate) policies: BTreeMap<String, ManagedPolicy>,
    pub(crate) secrets: BTreeMap<String, Secret>,
    /// Buckets of S3 by name, of all regions.
    pub(crate) buckets: BTreeMap<String, Bucket>,
    /// What there is in each region, where there is something.
    pub(crate) regions: BTreeMap<String, Region>,
}

/// The three kinds of entities that policies are attached to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    User,
    Group,
    Role,
}

impl Kind {
    /// As in `UserName` and `DeleteUserPolicy`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Group => "Group",
            Self::Role => "Role",
        }
    }

    /// As in error messages.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Group => "group",
            Self::Role => "role",
        }
    }

    /// The parameter that names one.
    pub(crate) fn parameter(self) -> &'static str {
        match self {
            Self::User => "UserName",
            Self::Group => "GroupName",
            Self::Role => "RoleName",
        }
    }

    /// As in Access Advisor: `USER`.
    pub(crate) fn upper(self) -> &'static str {
        match self {
            Self::User => "USER",
            Self::Group => "GROUP",
            Self::Role => "ROLE",
        }
    }

    /// The most characters all inline policies may have, and how they are counted in the message.
    pub(crate) fn inline_limit(self) -> usize {
        match self {
            Self::User => 2048,
            Self::Group => 5120,
            Self::Role => 10240,
        }
    }

    /// The prefix of unique ids.
    pub(crate) fn id_prefix(self) -> &'static str {
        match self {
            Self::User => "AIDA",
            Self::Group => "AGPA",
            Self::Role => "AROA",
        }
    }
}

/// What users, groups and roles have in common.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Principal {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) path: String,
    pub(crate) created: DateTime<Utc>,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) inline: BTreeMap<String, String>,
    pub(crate) attached: BTreeSet<String>,
    pub(crate) boundary: Option<String>,
    /// When which service was used last, by namespace.
    pub(crate) used: BTreeMap<String, ServiceUse>,
    pub(crate) advisor: Option<AdvisorSeed>,
}

impl Principal {
    pub(crate) fn arn(&self, account: &Account) -> String {
        format!(
            "arn:{}:iam::{}:{}{}{}",
            account.partition,
            account.id,
            self.kind.word(),
            self.path,
            self.name
        )
    }
}

/// The last use of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ServiceUse {
    pub(crate) last: Option<DateTime<Utc>>,
    pub(crate) region: String,
    pub(crate) actions: BTreeMap<String, Option<DateTime<Utc>>>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct User {
    #[serde(flatten)]
    pub(crate) principal: Principal,
    pub(crate) password: Option<Password>,
    /// When a password was last used that is no more.
    pub(crate) former_password_used: Option<DateTime<Utc>>,
    /// Serial numbers of devices and when they were enabled.
    pub(crate) mfa: BTreeMap<String, DateTime<Utc>>,
    pub(crate) keys: Vec<AccessKey>,
    pub(crate) ssh_keys: Vec<Uploaded>,
    pub(crate) certificates: Vec<Uploaded>,
    pub(crate) service_credentials: Vec<ServiceCredential>,
    pub(crate) groups: BTreeSet<String>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Group {
    #[serde(flatten)]
    pub(crate) principal: Principal,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Role {
    #[serde(flatten)]
    pub(crate) principal: Principal,
    pub(crate) trust: String,
    pub(crate) description: Option<String>,
    pub(crate) max_session: u32,
    pub(crate) last_used: Option<(DateTime<Utc>, String)>,
}

impl Role {
    /// Roles that only AWS may change.
    pub(crate) fn is_protected(&self) -> bool {
        self.principal.path.starts_with("/aws-service-role/") || self.is_sso()
    }

    fn is_sso(&self) -> bool {
        self.principal
            .path
            .starts_with("/aws-reserved/sso.amazonaws.com/")
    }
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct InstanceProfile {
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) id: String,
    pub(crate) created: DateTime<Utc>,
    /// The name of the role in it, one at most.
    pub(crate) role: Option<String>,
    pub(crate) tags: BTreeMap<String, String>,
}

impl InstanceProfile {
    pub(crate) fn arn(&self, account: &Account) -> String {
        format!(
            "arn:{}:iam::{}:instance-profile{}{}",
            account.partition, account.id, self.path, self.name
        )
    }
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct ManagedPolicy {
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) arn: String,
    pub(crate) path: String,
    pub(crate) description: Option<String>,
    pub(crate) created: DateTime<Utc>,
    pub(crate) updated: DateTime<Utc>,
    /// Oldest first.
    pub(crate) versions: Vec<PolicyVersion>,
    pub(crate) default_version: String,
    /// The highest number ever used; numbers do not come back.
    pub(crate) last_number: u32,
    pub(crate) tags: BTreeMap<String, String>,
}

impl ManagedPolicy {
    pub(crate) fn is_aws(&self) -> bool {
        self.arn.contains("::aws:policy/")
    }

    /// The document of the version in force.
    pub(crate) fn document(&self) -> &str {
        let version = self
            .versions
            .iter()
            .find(|version| version.id == self.default_version);
        version.map_or("{}", |version| &version.document)
    }
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct PolicyVersion {
    pub(crate) id: String,
    pub(crate) document: String,
    pub(crate) created: DateTime<Utc>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Secret {
    pub(crate) name: String,
    pub(crate) arn: String,
    pub(crate) region: String,
    #[serde(skip)]
    pub(crate) value: String,
    pub(crate) version_id: String,
    pub(crate) created: DateTime<Utc>,
}

impl Account {
    pub(crate) fn user(&self, name: &str) -> Result<&User, AwsError> {
        self.users.get(name).ok_or_else(|| AwsError::absent("user", name))
    }

    pub(crate) fn user_mut(&mut self, name: &str) -> Result<&mut User, AwsError> {
        self.users
            .get_mut(name)
            .ok_or_else(|| AwsError::absent("user", name))
    }

    pub(crate) fn group(&self, name: &str) -> Result<&Group, AwsError> {
        self.groups
            .get(name)
            .ok_or_else(|| AwsError::absent("group", name))
    }

    pub(crate) fn role(&self, name: &str) -> Result<&Role, AwsError> {
        self.roles.get(name).ok_or_else(|| AwsError::absent("role", name))
    }

    pub(crate) fn role_mut(&mut self, name: &str) -> Result<&mut Role, AwsError> {
        self.roles
            .get_mut(name)
            .ok_or_else(|| AwsError::absent("role", name))
    }

    pub(crate) fn policy(&self, arn: &str) -> Result<&ManagedPolicy, AwsError> {
        self.policies.get(arn).ok_or_else(|| AwsError::policy_absent(arn))
    }

    pub(crate) fn policy_mut(&mut self, arn: &str) -> Result<&mut ManagedPolicy, AwsError> {
        self.policies
            .get_mut(arn)
            .ok_or_else(|| AwsError::policy_absent(arn))
    }

    pub(crate) fn principal(&self, kind: Kind, name: &str) -> Result<&Principal, AwsError> {
        match kind {
            Kind::User => self.user(name).map(|user| &user.principal),
            Kind::Group => self.group(name).map(|group| &group.principal),
            Kind::Role => self.role(name).map(|role| &role.principal),
        }
    }

    pub(crate) fn principal_mut(&mut self, kind: Kind, name: &str) -> Result<&mut Principal, AwsError> {
        let found = match kind {
            Kind::User => self.users.get_mut(name).map(|user| &mut user.principal),
            Kind::Group => self.groups.get_mut(name).map(|group| &mut group.principal),
            Kind::Role => self.roles.get_mut(name).map(|role| &mut role.principal),
        };
        found.ok_or_else(|| AwsError::absent(kind.word(), name))
    }

    /// All users, groups and roles.
    pub(crate) fn principals(&self) -> impl Iterator<Item = &Principal> {
        let users = self.users.values().map(|user| &user.principal);
        let groups = self.groups.values().map(|group| &group.principal);
        let roles = self.roles.values().map(|role| &role.principal);
        users.chain(groups).chain(roles)
    }

    /// How many entities each policy is attached to, and how many it bounds.
    pub(crate) fn attachment_counts(&self) -> BTreeMap<&str, (usize, usize)> {
        let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        for principal in self.principals() {
            for arn in &principal.attached {
                counts.entry(arn).or_default().0 += 1;
            }
            if let Some(arn) = &principal.boundary {
                counts.entry(arn).or_default().1 += 1;
            }
        }
        counts
    }

    /// The instance profiles with each role in them, by the role's name.
    pub(crate) fn profiles_by_role(&self) -> BTreeMap<&str, Vec<&InstanceProfile>> {
        let mut profiles: BTreeMap<&str, Vec<&InstanceProfile>> = BTreeMap::new();
        for profile in self.instance_profiles.values() {
            if let Some(role) = &profile.role {
                profiles.entry(role).or_default().push(profile);
            }
        }
        profiles
    }

    /// The members of a group.
    pub(crate) fn members<'a>(&'a self, group: &'a str) -> impl Iterator<Item = &'a User> {
        self.users
            .values()
            .filter(move |user| user.groups.contains(group))
    }
}
