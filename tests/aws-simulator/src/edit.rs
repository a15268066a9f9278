//! Changes from outside: what somebody at a console, or time, does to an account.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::account::{AccessKey, Account, KeyUse, Kind, Password, Principal, ServiceUse, User};
use crate::policy::services;
use crate::seed::{self, AdvisorSeed, PasswordPolicy, ReportSeed, UseSeed, When};
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
    /// The access key it is about, of that user.
    pub key: Option<String>,
    /// Removes the key, or else the entity.
    pub delete: bool,
    /// The key's status.
    pub status: Option<String>,
    /// How long ago the key, or else the entity, was made.
    pub age: Option<When>,
    /// When the key, or else the role, or else the user's password was last used.
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
    /// Whether the user has an MFA device.
    pub mfa: Option<bool>,
    /// Whether the user has a console password; one that was there already stays as it is.
    pub password: Option<bool>,
    /// Groups to put the user into.
    pub join: Vec<String>,
    /// Groups to take the user out of.
    pub leave: Vec<String>,
    /// A new password policy.
    pub password_policy: Option<PasswordPolicy>,
    /// A new behaviour of the credential report.
    pub report: Option<ReportSeed>,
    /// A new behaviour of Access Advisor: the entity's, or else the account's.
    pub advisor: Option<AdvisorSeed>,
}

/// Why a change cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot edit: {0}")]
pub struct EditError(String);

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
        let slot = world
            .slots
            .get_mut(&self.account)
            .ok_or_else(|| absent("account", &self.account))?;
        if let Some(policy) = &self.password_policy {
            slot.account.password_policy = Some(policy.clone());
        }
        if let Some(report) = &self.report {
            slot.report.replace(report, &slot.account, now);
        }
        let Some((kind, name)) = self.entity()? else {
            if let Some(advisor) = &self.advisor {
                slot.advisor = seed::pinned(advisor, now);
            }
            return Ok(());
        };
        let mut account = slot.account.clone();
        self.change(&mut account, kind, name, now)?;
        slot.account = account;
        Ok(())
    }

    /// The one entity the change is about.
    fn entity(&self) -> Result<Option<(Kind, &str)>, EditError> {
        match (&self.user, &self.group, &self.role) {
            (Some(name), None, None) => Ok(Some((Kind::User, name))),
            (None, Some(name), None) => Ok(Some((Kind::Group, name))),
            (None, None, Some(name)) => Ok(Some((Kind::Role, name))),
            (None, None, None) => Ok(None),
            _ => Err(EditError("a change is about one entity".to_owned())),
        }
    }

    fn change(
        &self,
        account: &mut Account,
        kind: Kind,
        name: &str,
        now: DateTime<Utc>,
    ) -> Result<(), EditError> {
        if self.delete && self.key.is_none() {
            let gone = match kind {
                Kind::User => account.users.remove(name).is_some(),
                Kind::Group => account.groups.remove(name).is_some(),
                Kind::Role => account.roles.remove(name).is_some(),
            };
            return if gone {
                Ok(())
            } else {
                Err(absent(kind.word(), name))
            };
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
        self.change_principal(principal, now)?;
        if let Some(user) = account.users.get_mut(name).filter(|_| kind == Kind::User) {
            let serial = format!("arn:{}:iam::{}:mfa/{name}", account.partition, account.id);
            self.change_user(user, serial, now)?;
        }
        if let Some(role) = account.roles.get_mut(name).filter(|_| kind == Kind::Role)
            && let Some(when) = self.last_used
        {
            let region = self.region.clone().unwrap_or_else(|| "us-east-1".to_owned());
            role.last_used = when.resolve(now).map(|at| (at, region));
        }
        Ok(())
    }

    fn change_principal(&self, principal: &mut Principal, now: DateTime<Utc>) -> Result<(), EditError> {
        if let Some(created) = self
            .age
            .and_then(|age| age.resolve(now))
            .filter(|_| self.key.is_none())
        {
            principal.created = created;
        }
        for (namespace, used) in &self.used {
            services::service(namespace).ok_or_else(|| absent("service", namespace))?;
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
        Ok(())
    }

    fn change_user(&self, user: &mut User, serial: String, now: DateTime<Utc>) -> Result<(), EditError> {
        user.groups.extend(self.join.iter().cloned());
        user.groups.retain(|group| !self.leave.contains(group));
        match self.mfa {
            Some(true) => {
                user.mfa.insert(serial, now);
            }
            Some(false) => user.mfa.clear(),
            None => {}
        }
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
        let Some(id) = &self.key else {
            if let (Some(when), Some(password)) = (self.last_used, &mut user.password) {
                password.last_used = when.resolve(now);
            }
            return Ok(());
        };
        let index = user
            .keys
            .iter()
            .position(|key| key.id == *id)
            .ok_or_else(|| absent("key", id))?;
        if self.delete {
            user.keys.remove(index);
        } else {
            self.change_key(&mut user.keys[index], now);
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

fn put_or_remove(map: &mut BTreeMap<String, String>, changes: &BTreeMap<String, Option<String>>) {
    for (key, value) in changes {
        match value {
            Some(value) => map.insert(key.clone(), value.clone()),
            None => map.remove(key),
        };
    }
}
