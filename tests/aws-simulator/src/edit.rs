//! Changes from outside: what somebody at a console, or time, does to an account.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::account::{AccessKey, Account, KeyUse, Kind, Password, Principal, ServiceUse, User, is_virtual};
use crate::ids::IdSource;
use crate::policy::services::Catalogue;
use crate::seed::{
    self, AdvisorSeed, BucketSeed, KeySeed, MfaSeed, PasswordPolicy, Place, RegionSeed, ReportSeed,
    ServiceCredentialSeed, UploadSeed, UseSeed, When,
};
use crate::world::World;

/// A change. It names an account, mostly an entity in it, and what about it is to be otherwise.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Edit {
    /// The account.
    pub account: String,
    /// The user it is about.
    pub user: Option<String>,
    /// The group it is about.
    pub group: Option<String>,
    /// The role it is about.
    pub role: Option<String>,
    /// Whether it is about the root user.
    pub root: bool,
    /// The access key it is about, of that user or of root.
    pub key: Option<String>,
    /// Removes the key, or else the entity.
    pub delete: bool,
    /// The key's status.
    pub status: Option<String>,
    /// How long ago the key, or else the entity, was made.
    pub age: Option<When>,
    /// When the key, or else the role, or else the password of the user or of root was last used.
    pub last_used: Option<When>,
    /// Where the key or the role was last used.
    pub region: Option<String>,
    /// For which service the key was last used.
    pub service: Option<String>,
    /// Last uses of services by the user or role.
    pub used: BTreeMap<String, UseSeed>,
    /// Tags to set, or to remove with `null`.
    pub tags: BTreeMap<String, Option<String>>,
    /// Managed policies to attach, by ARN.
    pub attach: Vec<String>,
    /// Managed policies to detach, by ARN.
    pub detach: Vec<String>,
    /// Inline policies to put, or to delete with `null`.
    pub inline: BTreeMap<String, Option<String>>,
    /// The MFA devices that the user or root has from now on, instead of those before.
    pub mfa: Option<MfaSeed>,
    /// Access keys that the user or root gets.
    pub keys: Vec<KeySeed>,
    /// The SSH public keys that the user has from now on.
    pub ssh_keys: Option<Vec<UploadSeed>>,
    /// The signing certificates that the user or root has from now on.
    pub signing_certificates: Option<Vec<UploadSeed>>,
    /// The credentials for one service that the user has from now on.
    pub service_credentials: Option<Vec<ServiceCredentialSeed>>,
    /// Whether the user or root has a password; one that was there already stays as it is.
    pub password: Option<bool>,
    /// Groups to put the user into.
    pub join: Vec<String>,
    /// Groups to take the user out of.
    pub leave: Vec<String>,
    /// A new password policy.
    pub password_policy: Option<PasswordPolicy>,
    /// Buckets of S3, instead of those of the same names if there are any.
    pub buckets: Vec<BucketSeed>,
    /// What there is in these regions from now on, instead of all that was.
    pub regions: BTreeMap<String, RegionSeed>,
    /// A new behaviour of the credential report.
    pub report: Option<ReportSeed>,
    /// A new behaviour of Access Advisor: the entity's, or else the account's.
    pub advisor: Option<AdvisorSeed>,
}

/// Why a change cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot edit: {0}")]
pub struct EditError(String);

/// What a change is about.
enum Target<'a> {
    Root,
    Principal(Kind, &'a str),
}

/// MFA devices by serial number, and when they were enabled.
type Devices = BTreeMap<String, DateTime<Utc>>;

fn absent(what: &str, name: &str) -> EditError {
    EditError(format!("there is no {what} `{name}`"))
}

impl Edit {
    /// A change of something in this account.
    pub fn of(account: impl Into<String>) -> Self {
        Self {
            account: account.into(),
            ..Self::default()
        }
    }

    /// A change of one of its users.
    pub fn of_user(account: impl Into<String>, user: impl Into<String>) -> Self {
        Self {
            user: Some(user.into()),
            ..Self::of(account)
        }
    }

    /// A change of a user's access key.
    pub fn of_key(account: impl Into<String>, user: impl Into<String>, key: impl Into<String>) -> Self {
        Self {
            key: Some(key.into()),
            ..Self::of_user(account, user)
        }
    }

    pub(crate) fn apply(&self, world: &mut World, now: DateTime<Utc>) -> Result<(), EditError> {
        let World { slots, ids, .. } = world;
        let slot = slots
            .get_mut(&self.account)
            .ok_or_else(|| absent("account", &self.account))?;
        if let Some(policy) = &self.password_policy {
            slot.account.password_policy = Some(policy.clone());
        }
        if let Some(report) = &self.report {
            slot.report.replace(report, &slot.account, now);
        }
        let mut regions = Vec::new();
        for (name, seed) in &self.regions {
            let profiles = &slot.account.instance_profiles;
            let planted = seed::region(name, seed, place(&slot.account, now), profiles, ids);
            regions.push((name.clone(), planted.map_err(EditError)?));
        }
        slot.account.regions.extend(regions);
        let buckets = self
            .buckets
            .iter()
            .map(|seed| (seed.name.clone(), seed::bucket(seed)));
        slot.account.buckets.extend(buckets);
        let Some(target) = self.target()? else {
            if let Some(advisor) = &self.advisor {
                slot.advisor = seed::pinned(advisor, now);
            }
            return Ok(());
        };
        let catalogue = Catalogue::with([&slot.advisor.tracked]);
        if let Some(unknown) = self
            .used
            .keys()
            .find(|namespace| catalogue.get(namespace).is_none())
        {
            return Err(absent("service", unknown));
        }
        let mut account = slot.account.clone();
        match target {
            Target::Root => self.change_root(&mut account, now, ids)?,
            Target::Principal(kind, name) => self.change(&mut account, kind, name, now, ids)?,
        }
        slot.account = account;
        Ok(())
    }

    /// The one thing the change is about.
    fn target(&self) -> Result<Option<Target<'_>>, EditError> {
        match (&self.user, &self.group, &self.role, self.root) {
            (Some(name), None, None, false) => Ok(Some(Target::Principal(Kind::User, name))),
            (None, Some(name), None, false) => Ok(Some(Target::Principal(Kind::Group, name))),
            (None, None, Some(name), false) => Ok(Some(Target::Principal(Kind::Role, name))),
            (None, None, None, true) => Ok(Some(Target::Root)),
            (None, None, None, false) => Ok(None),
            _ => Err(EditError("a change is about one entity".to_owned())),
        }
    }

    fn change(
        &self,
        account: &mut Account,
        kind: Kind,
        name: &str,
        now: DateTime<Utc>,
        ids: &mut IdSource,
    ) -> Result<(), EditError> {
        if self.delete && self.key.is_none() {
            return remove(account, kind, name);
        }
        for arn in &self.attach {
            account.policies.get(arn).ok_or_else(|| absent("policy", arn))?;
        }
        for group in &self.join {
            account.groups.get(group).ok_or_else(|| absent("group", group))?;
        }
        let principal = account
            .principal_mut(kind, name)
            .map_err(|_| absent(kind.word(), name))?;
        self.change_principal(principal, now);
        if kind == Kind::User {
            let devices = self.new_devices(account, Some(name), now, ids);
            let credentials = self.service_credentials.as_ref().map(|seeds| {
                seed::service_credentials(name, seeds, place(account, now), ids).map_err(EditError)
            });
            let credentials = credentials.transpose()?;
            if let Some(user) = account.users.get_mut(name) {
                let before = devices.map(|devices| std::mem::replace(&mut user.mfa, devices));
                user.service_credentials = credentials.unwrap_or_else(|| user.service_credentials.clone());
                self.change_user(user, now, ids)?;
                replace_devices(account, before.unwrap_or_default());
            }
        }
        if let Some(role) = account.roles.get_mut(name).filter(|_| kind == Kind::Role)
            && let Some(when) = self.last_used
        {
            let region = self.region.clone().unwrap_or_else(|| "us-east-1".to_owned());
            role.last_used = when.resolve(now).map(|at| (at, region));
        }
        Ok(())
    }

    fn change_root(
        &self,
        account: &mut Account,
        now: DateTime<Utc>,
        ids: &mut IdSource,
    ) -> Result<(), EditError> {
        let devices = self.new_devices(account, None, now, ids);
        let root = &mut account.root;
        let before = devices.map(|devices| std::mem::replace(&mut root.mfa, devices));
        root.has_password = self.password.unwrap_or(root.has_password);
        self.change_keys(&mut root.keys, now, ids)?;
        if let Some(seeds) = &self.signing_certificates {
            root.certificates = seed::certificates(seeds, now, ids);
        }
        if let Some(when) = self.last_used.filter(|_| self.key.is_none()) {
            root.password_last_used = when.resolve(now);
        }
        replace_devices(account, before.unwrap_or_default());
        Ok(())
    }

    /// The devices of a user or of root from now on, if they change.
    fn new_devices(
        &self,
        account: &Account,
        owner: Option<&str>,
        now: DateTime<Utc>,
        ids: &mut IdSource,
    ) -> Option<Devices> {
        let seed = self.mfa.as_ref()?;
        Some(
            seed::devices(owner, seed, now, place(account, now), ids)
                .into_iter()
                .collect(),
        )
    }

    fn change_principal(&self, principal: &mut Principal, now: DateTime<Utc>) {
        if let Some(created) = self
            .age
            .and_then(|age| age.resolve(now))
            .filter(|_| self.key.is_none())
        {
            principal.created = created;
        }
        for (namespace, used) in &self.used {
            let used: ServiceUse = seed::service_use(used, now);
            principal.used.insert(namespace.clone(), used);
        }
        put_or_remove(&mut principal.tags, &self.tags);
        put_or_remove(&mut principal.inline, &self.inline);
        principal.attached.extend(self.attach.iter().cloned());
        principal.attached.retain(|arn| !self.detach.contains(arn));
        if let Some(advisor) = &self.advisor {
            principal.advisor = Some(seed::pinned(advisor, now));
        }
    }

    fn change_user(&self, user: &mut User, now: DateTime<Utc>, ids: &mut IdSource) -> Result<(), EditError> {
        user.groups.extend(self.join.iter().cloned());
        user.groups.retain(|group| !self.leave.contains(group));
        match self.password {
            Some(true) if user.password.is_none() => {
                user.password = Some(Password {
                    created: now,
                    last_changed: now,
                    last_used: None,
                    reset_required: false,
                });
            }
            Some(false) => user.password = None,
            Some(true) | None => {}
        }
        if let (Some(when), Some(password), None) = (self.last_used, &mut user.password, &self.key) {
            password.last_used = when.resolve(now);
        }
        if let Some(seeds) = &self.ssh_keys {
            user.ssh_keys = seed::ssh_keys(seeds, now, ids);
        }
        if let Some(seeds) = &self.signing_certificates {
            user.certificates = seed::certificates(seeds, now, ids);
        }
        self.change_keys(&mut user.keys, now, ids)
    }

    fn change_keys(
        &self,
        keys: &mut Vec<AccessKey>,
        now: DateTime<Utc>,
        ids: &mut IdSource,
    ) -> Result<(), EditError> {
        keys.extend(self.keys.iter().map(|seed| seed::access_key(seed, now, ids)));
        let Some(id) = &self.key else {
            return Ok(());
        };
        let index = keys
            .iter()
            .position(|key| key.id == *id)
            .ok_or_else(|| absent("key", id))?;
        if self.delete {
            keys.remove(index);
        } else {
            self.change_key(&mut keys[index], now);
        }
        Ok(())
    }

    fn change_key(&self, key: &mut AccessKey, now: DateTime<Utc>) {
        if let Some(status) = &self.status {
            key.status.clone_from(status);
        }
        if let Some(created) = self.age.and_then(|age| age.resolve(now)) {
            key.created = created;
        }
        if let Some(when) = self.last_used {
            key.last_used = when.resolve(now).map(|at| KeyUse {
                at,
                region: self.region.clone().unwrap_or_else(|| "us-east-1".to_owned()),
                service: self.service.clone().unwrap_or_else(|| "s3".to_owned()),
            });
        }
    }
}

fn place(account: &Account, now: DateTime<Utc>) -> Place<'_> {
    Place {
        partition: &account.partition,
        account: &account.id,
        now,
    }
}

fn remove(account: &mut Account, kind: Kind, name: &str) -> Result<(), EditError> {
    let gone = match kind {
        Kind::User => {
            let gone = account.users.remove(name);
            let devices = gone.as_ref().map(|user| user.mfa.clone());
            replace_devices(account, devices.unwrap_or_default());
            gone.is_some()
        }
        Kind::Group => account.groups.remove(name).is_some(),
        Kind::Role => {
            let profiles = account.instance_profiles.values_mut();
            profiles
                .filter(|profile| profile.role.as_deref() == Some(name))
                .for_each(|profile| profile.role = None);
            account.roles.remove(name).is_some()
        }
    };
    gone.then_some(()).ok_or_else(|| absent(kind.word(), name))
}

/// Virtual devices that somebody had go with their owners, and new ones come.
fn replace_devices(account: &mut Account, before: Devices) {
    for serial in before.into_keys().filter(|serial| is_virtual(serial)) {
        account.virtual_devices.remove(&serial);
    }
    seed::register_devices(account);
}

fn put_or_remove(map: &mut BTreeMap<String, String>, changes: &BTreeMap<String, Option<String>>) {
    for (key, value) in changes {
        match value {
            Some(value) => map.insert(key.clone(), value.clone()),
            None => map.remove(key),
        };
    }
}
