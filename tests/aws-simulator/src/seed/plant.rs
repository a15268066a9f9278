//! From a seed to accounts.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde_json::json;

use super::principals::{
    AdvisorSeed, DetailedUse, Document, GroupSeed, KeySeed, RoleSeed, RowSeed, UseSeed, UserSeed,
};
use super::service::{CallerSeed, PolicySeed, SecretSeed, VersionSeed};
use super::when::When;
use super::{AccountSeed, SeedError};
use crate::account::{
    AccessKey, Account, Group, InstanceProfile, KeyUse, Kind, ManagedPolicy, Password, PolicyVersion,
    Principal, Role, Root, Secret, ServiceUse, User,
};
use crate::ids::IdSource;
use crate::policy::document::{PolicyDocument, Purpose};
use crate::policy::{managed, services};

/// An account as planted, with the credentials that work in it.
#[derive(Debug)]
pub(crate) struct Planted {
    pub(crate) account: Account,
    pub(crate) callers: Vec<CallerSeed>,
}

struct Planter<'a> {
    seed: &'a AccountSeed,
    now: DateTime<Utc>,
    ids: &'a mut IdSource,
    /// ARNs of managed policies by name, the account's own before those of AWS.
    policies: BTreeMap<String, String>,
    key_ids: BTreeSet<String>,
}

/// Makes the accounts of one entry: several where it says `repeat`.
pub(crate) fn plant(
    seed: &AccountSeed,
    now: DateTime<Utc>,
    ids: &mut IdSource,
) -> Result<Vec<Planted>, SeedError> {
    let mut planted = Vec::new();
    for offset in 0..u64::from(seed.repeat.unwrap_or(1)) {
        let mut seed = seed.clone();
        let number = seed.id.parse::<u64>().ok().filter(|_| seed.id.len() == 12);
        let Some(number) = number else {
            return Err(SeedError::Content {
                account: seed.id,
                problem: "the id is not twelve digits".into(),
            });
        };
        seed.id = format!("{:012}", number + offset);
        let mut planter = Planter {
            seed: &seed,
            now,
            ids,
            policies: BTreeMap::new(),
            key_ids: BTreeSet::new(),
        };
        planted.push(planter.plant()?);
    }
    Ok(planted)
}

impl Planter<'_> {
    fn problem(&self, problem: impl Into<String>) -> SeedError {
        SeedError::Content {
            account: self.seed.id.clone(),
            problem: problem.into(),
        }
    }

    fn at(&self, when: When) -> DateTime<Utc> {
        when.resolve(self.now).unwrap_or(self.now)
    }

    fn plant(&mut self) -> Result<Planted, SeedError> {
        let seed = self.seed;
        if !["aws", "aws-cn", "aws-us-gov"].contains(&seed.partition.as_str()) {
            return Err(self.problem(format!("`{}` is no partition", seed.partition)));
        }
        let policies = self.plant_policies()?;
        let groups = self.unique(seed.groups.iter().map(|group| (group.name.clone(), group)))?;
        let mut account = Account {
            id: seed.id.clone(),
            partition: seed.partition.clone(),
            aliases: seed.aliases.iter().cloned().collect(),
            password_policy: seed.password_policy.clone(),
            root: self.root()?,
            users: BTreeMap::new(),
            groups: BTreeMap::new(),
            roles: BTreeMap::new(),
            policies,
            secrets: BTreeMap::new(),
        };
        for (name, group) in groups {
            account.groups.insert(name, self.group(group)?);
        }
        let users = seed.users.iter().flat_map(repeated);
        for (name, user) in self.unique(users.map(|user| (user.name.clone(), user)))? {
            let user = self.user(&user, &account)?;
            account.users.insert(name, user);
        }
        for (name, role) in self.unique(seed.roles.iter().map(|role| (role.name.clone(), role)))? {
            account.roles.insert(name, self.role(role)?);
        }
        for secret in &seed.secrets {
            let secret = self.secret(secret);
            account.secrets.insert(secret.arn.clone(), secret);
        }
        let callers = if seed.callers.is_empty() {
            vec![self.default_caller()]
        } else {
            seed.callers.clone()
        };
        Ok(Planted { account, callers })
    }

    fn default_caller(&self) -> CallerSeed {
        CallerSeed {
            access_key_id: format!("AKIA{}CALL", self.seed.id),
            secret_access_key: CallerSeed::default_secret(),
            acts_as: "assumed-role/Operator/simulator".to_owned(),
        }
    }

    fn unique<T>(&self, items: impl Iterator<Item = (String, T)>) -> Result<Vec<(String, T)>, SeedError> {
        let mut names = BTreeSet::new();
        let items: Vec<_> = items.collect();
        for (name, _) in &items {
            if !names.insert(name.to_lowercase()) {
                return Err(self.problem(format!("`{name}` is there twice")));
            }
        }
        Ok(items)
    }

    fn root(&mut self) -> Result<Root, SeedError> {
        let seed = &self.seed.root;
        let keys = self.keys("root", &seed.keys)?;
        Ok(Root {
            created: self.at(When::days(2000)),
            mfa: seed.mfa,
            password_last_used: seed.password_last_used.resolve(self.now),
            keys,
        })
    }

    fn plant_policies(&mut self) -> Result<BTreeMap<String, ManagedPolicy>, SeedError> {
        let mut policies: BTreeMap<String, ManagedPolicy> = managed::policies(&self.seed.partition)
            .map(|policy| (policy.arn.clone(), policy))
            .collect();
        for seed in &self.seed.policies {
            let policy = self.policy(seed)?;
            policies.insert(policy.arn.clone(), policy);
        }
        for policy in policies.values().filter(|policy| policy.is_aws()) {
            self.policies.insert(policy.name.clone(), policy.arn.clone());
        }
        for policy in policies.values().filter(|policy| !policy.is_aws()) {
            self.policies.insert(policy.name.clone(), policy.arn.clone());
        }
        Ok(policies)
    }

    fn policy(&mut self, seed: &PolicySeed) -> Result<ManagedPolicy, SeedError> {
        let only = seed.document.as_ref().map(|document| VersionSeed {
            id: None,
            document: document.clone(),
            age: if seed.updated == When::Never {
                seed.age
            } else {
                seed.updated
            },
        });
        let mut versions = Vec::new();
        for (index, version) in only.iter().chain(&seed.versions).enumerate() {
            let document = self.document(&seed.name, &version.document, Purpose::Identity)?;
            let id = version.id.clone().unwrap_or_else(|| format!("v{}", index + 1));
            versions.push(PolicyVersion {
                id,
                document,
                created: self.at(version.age),
            });
        }
        let Some(last) = versions.last() else {
            return Err(self.problem(format!("policy `{}` has no document", seed.name)));
        };
        let default_version = seed.default_version.clone().unwrap_or_else(|| last.id.clone());
        if !versions.iter().any(|version| version.id == default_version) {
            return Err(self.problem(format!("policy `{}` has no version {default_version}", seed.name)));
        }
        let owner = if seed.aws_managed {
            "aws"
        } else {
            self.seed.id.as_str()
        };
        let number = |version: &PolicyVersion| version.id.trim_start_matches('v').parse::<u32>().ok();
        let created = self.at(seed.age);
        Ok(ManagedPolicy {
            name: seed.name.clone(),
            id: self.ids.unique("ANPA"),
            arn: format!(
                "arn:{}:iam::{owner}:policy{}{}",
                self.seed.partition, seed.path, seed.name
            ),
            path: seed.path.clone(),
            description: seed.description.clone(),
            created,
            updated: seed
                .updated
                .resolve(self.now)
                .unwrap_or(last.created.max(created)),
            last_number: versions.iter().filter_map(number).max().unwrap_or(1),
            default_version,
            versions,
            tags: seed.tags.clone(),
        })
    }

    fn document(&self, owner: &str, document: &Document, purpose: Purpose) -> Result<String, SeedError> {
        let text = document.text();
        match PolicyDocument::parse(&text, purpose) {
            Ok(_) => Ok(text),
            Err(error) => Err(self.problem(format!("a document of `{owner}`: {}", error.message))),
        }
    }

    fn attachment(&self, owner: &str, attachment: &str) -> Result<String, SeedError> {
        if let Some(arn) = self.policies.get(attachment) {
            return Ok(arn.clone());
        }
        if self.policies.values().any(|arn| arn == attachment) {
            return Ok(attachment.to_owned());
        }
        Err(self.problem(format!(
            "`{owner}` has policy `{attachment}`, which does not exist"
        )))
    }

    fn attachments(&self, owner: &str, attached: &[String]) -> Result<BTreeSet<String>, SeedError> {
        attached
            .iter()
            .map(|attachment| self.attachment(owner, attachment))
            .collect()
    }

    fn inline(
        &self,
        owner: &str,
        inline: &BTreeMap<String, Document>,
    ) -> Result<BTreeMap<String, String>, SeedError> {
        let read = |(name, document): (&String, &Document)| {
            Ok((name.clone(), self.document(owner, document, Purpose::Identity)?))
        };
        inline.iter().map(read).collect()
    }

    fn group(&mut self, seed: &GroupSeed) -> Result<Group, SeedError> {
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

    fn user(&mut self, seed: &UserSeed, account: &Account) -> Result<User, SeedError> {
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
        let serial = format!(
            "arn:{}:iam::{}:mfa/{}",
            self.seed.partition, self.seed.id, seed.name
        );
        let mfa = seed.mfa.then_some((serial, created)).into_iter().collect();
        let keys = self.keys(&seed.name, &seed.keys)?;
        Ok(User {
            principal,
            password,
            mfa,
            keys,
            groups: seed.groups.iter().cloned().collect(),
        })
    }

    fn keys(&mut self, owner: &str, seeds: &[KeySeed]) -> Result<Vec<AccessKey>, SeedError> {
        if seeds.len() > 2 {
            return Err(self.problem(format!("`{owner}` has more than two keys")));
        }
        let mut keys = Vec::new();
        for seed in seeds {
            let id = seed.id.clone().unwrap_or_else(|| self.ids.unique("AKIA"));
            if !["Active", "Inactive", "Expired"].contains(&seed.status.as_str()) {
                return Err(self.problem(format!("key {id} has no such status as `{}`", seed.status)));
            }
            if !self.key_ids.insert(id.clone()) {
                return Err(self.problem(format!("key {id} is there twice")));
            }
            let last_used = seed.last_used.resolve(self.now).map(|at| KeyUse {
                at,
                region: seed.region.clone(),
                service: seed.service.clone(),
            });
            keys.push(AccessKey {
                id,
                status: seed.status.clone(),
                created: self.at(seed.age),
                last_used,
            });
        }
        Ok(keys)
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

    fn role(&mut self, seed: &RoleSeed) -> Result<Role, SeedError> {
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

    fn secret(&mut self, seed: &SecretSeed) -> Secret {
        let (partition, account) = (&self.seed.partition, &self.seed.id);
        let suffix = self.ids.suffix();
        Secret {
            name: seed.name.clone(),
            arn: format!(
                "arn:{partition}:secretsmanager:{}:{account}:secret:{}-{suffix}",
                seed.region, seed.name
            ),
            region: seed.region.clone(),
            value: seed.value.clone(),
            version_id: self.ids.uuid(),
            created: self.at(seed.age),
        }
    }
}

fn repeated(seed: &UserSeed) -> Vec<UserSeed> {
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
            region: super::principals::default_region(),
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
