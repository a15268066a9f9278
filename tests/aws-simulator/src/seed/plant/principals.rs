//! Users, groups and roles of an account.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::json;

use super::Planter;
use super::credentials::{certificates, service_credentials, ssh_keys};
use crate::account::{Account, Group, InstanceProfile, Kind, Password, Principal, Role, ServiceUse, User};
use crate::policy::document::Purpose;
use crate::seed::principals::{
    AdvisorSeed, DetailedUse, GroupSeed, InstanceProfileSeed, RoleSeed, RowSeed, UseSeed, UserSeed,
    default_age, default_region, root_path,
};
use crate::seed::{SeedError, When};

impl Planter<'_> {
    pub(super) fn group(&mut self, seed: &GroupSeed) -> Result<Group, SeedError> {
        Ok(Group {
            principal: Principal {
                kind: Kind::Group,
                name: seed.name.clone(),
                id: self.ids.unique("AGPA"),
                path: seed.path.clone(),
                created: self.at(seed.age),
                tags: BTreeMap::new(),
                inline: self.inline(&seed.name, &seed.inline)?,
                attached: self.attachments(&seed.name, &seed.attached)?,
                boundary: None,
                used: BTreeMap::new(),
                advisor: seed.advisor.as_ref().map(|advisor| pinned(advisor, self.now)),
            },
        })
    }

    pub(super) fn user(&mut self, seed: &UserSeed, account: &Account) -> Result<User, SeedError> {
        let created = self.at(seed.age);
        if let Some(group) = seed
            .groups
            .iter()
            .find(|group| !account.groups.contains_key(*group))
        {
            return Err(self.problem(format!(
                "`{}` is in group `{group}`, which does not exist",
                seed.name
            )));
        }
        let boundary = seed
            .boundary
            .as_ref()
            .map(|boundary| self.attachment(&seed.name, boundary))
            .transpose()?;
        let principal = Principal {
            kind: Kind::User,
            name: seed.name.clone(),
            id: seed.id.clone().unwrap_or_else(|| self.ids.unique("AIDA")),
            path: seed.path.clone(),
            created,
            tags: seed.tags.clone(),
            inline: self.inline(&seed.name, &seed.inline)?,
            attached: self.attachments(&seed.name, &seed.attached)?,
            boundary,
            used: self.used(&seed.name, &seed.used)?,
            advisor: seed.advisor.as_ref().map(|advisor| pinned(advisor, self.now)),
        };
        let password = seed.password.as_ref().map(|password| Password {
            created,
            last_changed: password.last_changed.resolve(self.now).unwrap_or(created),
            last_used: password.last_used.resolve(self.now),
            reset_required: password.reset_required,
        });
        let mfa = self.devices(Some(&seed.name), &seed.mfa, created)?;
        let keys = self.keys(&seed.name, &seed.keys)?;
        let place = self.place();
        let service_credentials = service_credentials(&seed.name, &seed.service_credentials, place, self.ids)
            .map_err(|problem| self.problem(problem))?;
        Ok(User {
            principal,
            password,
            former_password_used: None,
            mfa,
            keys,
            ssh_keys: ssh_keys(&seed.ssh_keys, self.now, self.ids),
            certificates: certificates(&seed.signing_certificates, self.now, self.ids),
            service_credentials,
            groups: seed.groups.iter().cloned().collect(),
        })
    }

    fn used(
        &self,
        owner: &str,
        used: &BTreeMap<String, UseSeed>,
    ) -> Result<BTreeMap<String, ServiceUse>, SeedError> {
        if let Some(unknown) = used
            .keys()
            .find(|namespace| self.catalogue.get(namespace).is_none())
        {
            return Err(self.problem(format!("`{owner}` uses `{unknown}`, which is no known service")));
        }
        Ok(used
            .iter()
            .map(|(namespace, seed)| (namespace.clone(), service_use(seed, self.now)))
            .collect())
    }

    pub(super) fn role(&mut self, seed: &RoleSeed) -> Result<Role, SeedError> {
        let created = self.at(seed.age);
        let trust = match &seed.trust {
            Some(document) => self.document(&seed.name, document, Purpose::Trust)?,
            None => trust(seed, &self.seed.partition),
        };
        let boundary = seed
            .boundary
            .as_ref()
            .map(|boundary| self.attachment(&seed.name, boundary))
            .transpose()?;
        let principal = Principal {
            kind: Kind::Role,
            name: seed.name.clone(),
            id: seed.id.clone().unwrap_or_else(|| self.ids.unique("AROA")),
            path: seed.path.clone(),
            created,
            tags: seed.tags.clone(),
            inline: self.inline(&seed.name, &seed.inline)?,
            attached: self.attachments(&seed.name, &seed.attached)?,
            boundary,
            used: self.used(&seed.name, &seed.used)?,
            advisor: seed.advisor.as_ref().map(|advisor| pinned(advisor, self.now)),
        };
        Ok(Role {
            principal,
            trust,
            description: seed.description.clone(),
            max_session: seed.max_session,
            last_used: seed
                .last_used
                .resolve(self.now)
                .map(|at| (at, seed.region.clone())),
        })
    }

    /// The instance profiles that a role's seed names.
    pub(super) fn profiles_of(&mut self, seed: &RoleSeed, account: &mut Account) -> Result<(), SeedError> {
        for name in &seed.instance_profiles {
            let profile = InstanceProfileSeed {
                name: name.clone(),
                path: root_path(),
                age: seed.age,
                role: Some(seed.name.clone()),
                tags: BTreeMap::new(),
            };
            self.instance_profile(&profile, account)?;
        }
        Ok(())
    }

    pub(super) fn other_profiles(&mut self, account: &mut Account) -> Result<(), SeedError> {
        for seed in &self.seed.instance_profiles {
            self.instance_profile(seed, account)?;
        }
        Ok(())
    }

    fn instance_profile(
        &mut self,
        seed: &InstanceProfileSeed,
        account: &mut Account,
    ) -> Result<(), SeedError> {
        let name = &seed.name;
        if let Some(role) = seed
            .role
            .as_ref()
            .filter(|role| !account.roles.contains_key(*role))
        {
            return Err(self.problem(format!(
                "instance profile `{name}` has role `{role}`, which does not exist"
            )));
        }
        let profile = InstanceProfile {
            name: name.clone(),
            path: seed.path.clone(),
            id: self.ids.unique("AIPA"),
            created: self.at(seed.age),
            role: seed.role.clone(),
            tags: seed.tags.clone(),
        };
        match account.instance_profiles.insert(name.clone(), profile) {
            Some(_) => Err(self.problem(format!("instance profile `{name}` is there twice"))),
            None => Ok(()),
        }
    }

    pub(super) fn identity_providers(&self) -> BTreeMap<String, DateTime<Utc>> {
        let (partition, account) = (&self.seed.partition, &self.seed.id);
        let created = self.at(default_age());
        let arn = |provider: &String| (format!("arn:{partition}:iam::{account}:{provider}"), created);
        self.seed.identity_providers.iter().map(arn).collect()
    }
}

/// All users of an entry: several where it says `repeat`.
pub(super) fn repeated(seed: &UserSeed) -> Vec<UserSeed> {
    let Some(count) = seed.repeat else {
        return vec![seed.clone()];
    };
    let numbered = |number: u32| {
        let mut user = seed.clone();
        let fill = |text: &str| text.replace("{n}", &format!("{number:04}"));
        user.name = fill(&seed.name);
        user.tags = seed
            .tags
            .iter()
            .map(|(key, value)| (key.clone(), fill(value)))
            .collect();
        user
    };
    (1..=count).map(numbered).collect()
}

/// The use of a service, with its ages turned into times.
pub(crate) fn service_use(seed: &UseSeed, now: DateTime<Utc>) -> ServiceUse {
    match seed {
        UseSeed::At(when) => ServiceUse {
            last: when.resolve(now),
            region: default_region(),
            actions: BTreeMap::new(),
        },
        UseSeed::Detailed(DetailedUse {
            last,
            region,
            actions,
        }) => ServiceUse {
            last: last.resolve(now),
            region: region.clone(),
            actions: actions
                .iter()
                .map(|(action, when)| (action.clone(), when.resolve(now)))
                .collect(),
        },
    }
}

/// The same behaviour with its ages turned into times, so that they do not move with the clock.
pub(crate) fn pinned(seed: &AdvisorSeed, now: DateTime<Utc>) -> AdvisorSeed {
    let pin = |when: When| when.resolve(now).map_or(When::Never, When::At);
    let row = |row: &RowSeed| RowSeed {
        last: pin(row.last),
        actions: row
            .actions
            .iter()
            .map(|(action, when)| (action.clone(), pin(*when)))
            .collect(),
        ..row.clone()
    };
    AdvisorSeed {
        rows: seed.rows.as_ref().map(|rows| rows.iter().map(row).collect()),
        ..seed.clone()
    }
}

/// A trust policy from the short form.
fn trust(seed: &RoleSeed, partition: &str) -> String {
    let statement = |principal: &String| {
        let federated = principal.contains(":oidc-provider/") || principal.contains(":saml-provider/");
        let (kind, action) = if principal.ends_with(".amazonaws.com") && !principal.starts_with("arn:") {
            ("Service", "sts:AssumeRole")
        } else if principal.contains(":saml-provider/") {
            ("Federated", "sts:AssumeRoleWithSAML")
        } else if federated {
            ("Federated", "sts:AssumeRoleWithWebIdentity")
        } else {
            ("AWS", "sts:AssumeRole")
        };
        let is_account = principal.len() == 12 && principal.bytes().all(|byte| byte.is_ascii_digit());
        let principal = if is_account {
            format!("arn:{partition}:iam::{principal}:root")
        } else {
            principal.clone()
        };
        let mut statement = json!({ "Effect": "Allow", "Principal": { kind: principal }, "Action": action });
        if let (Some(id), "AWS") = (&seed.external_id, kind) {
            statement["Condition"] = json!({ "StringEquals": { "sts:ExternalId": id } });
        }
        statement
    };
    let statements: Vec<_> = seed.assumed_by.iter().map(statement).collect();
    json!({ "Version": "2012-10-17", "Statement": statements }).to_string()
}
