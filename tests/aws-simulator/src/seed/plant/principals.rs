//! Users, groups and roles of an account.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::json;

use super::Planter;
use super::credentials::{certificates, service_credentials, ssh_keys};
use crate::account::{Account, Group, InstanceProfile, Kind, Password, Principal, Role, ServiceUse, User};
use crate::policy::document::Purpose;
use crate::policy::services;
use crate::seed::principals::{
    AdvisorSeed, DetailedUse, GroupSeed, RoleSeed, RowSeed, UseSeed, UserSeed, default_region,
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
            .find(|namespace| services::service(namespace).is_none())
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
        let mut profile = |name: &String| InstanceProfile {
            name: name.clone(),
            id: self.ids.unique("AIPA"),
            created,
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
            instance_profiles: seed.instance_profiles.iter().map(&mut profile).collect(),
        })
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
