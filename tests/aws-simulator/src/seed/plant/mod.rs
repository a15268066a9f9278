//! From a seed to accounts.

mod credentials;
mod principals;
mod regions;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::principals::Document;
use super::service::{BucketSeed, CallerSeed, GrantSeed, PolicySeed, SecretSeed, VersionSeed};
use super::when::When;
use super::{AccountSeed, SeedError};
use crate::account::{Account, ManagedPolicy, PolicyVersion, Secret};
use crate::ids::IdSource;
use crate::policy::document::{PolicyDocument, Purpose};
use crate::policy::managed;
use crate::policy::services::Catalogue;
use crate::region::Region;
use crate::s3::{Block, Bucket};

pub(crate) use credentials::{
    access_key, certificates, devices, register_devices, service_credentials, ssh_keys,
};
use principals::repeated;
pub(crate) use principals::{pinned, service_use};
pub(crate) use regions::region;

/// An account as planted, with the credentials that work in it.
#[derive(Debug)]
pub(crate) struct Planted {
    pub(crate) account: Account,
    pub(crate) callers: Vec<CallerSeed>,
}

/// Where and when something is planted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) partition: &'a str,
    pub(crate) account: &'a str,
    pub(crate) now: DateTime<Utc>,
}

struct Planter<'a> {
    seed: &'a AccountSeed,
    now: DateTime<Utc>,
    ids: &'a mut IdSource,
    /// ARNs of managed policies by name, the account's own before those of AWS.
    policies: BTreeMap<String, String>,
    /// Ids of keys and serial numbers of devices, which are there once.
    taken: BTreeSet<String>,
    catalogue: Catalogue,
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
            taken: BTreeSet::new(),
            catalogue: Catalogue::with([&seed.advisor.tracked]),
        };
        planted.push(planter.plant()?);
    }
    Ok(planted)
}

impl<'a> Planter<'a> {
    fn problem(&self, problem: impl Into<String>) -> SeedError {
        SeedError::Content {
            account: self.seed.id.clone(),
            problem: problem.into(),
        }
    }

    fn place(&self) -> Place<'a> {
        Place {
            partition: &self.seed.partition,
            account: &self.seed.id,
            now: self.now,
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
            virtual_devices: self.unassigned_devices()?,
            users: BTreeMap::new(),
            groups: BTreeMap::new(),
            roles: BTreeMap::new(),
            instance_profiles: BTreeMap::new(),
            identity_providers: self.identity_providers(),
            policies,
            secrets: BTreeMap::new(),
            buckets: self.buckets()?,
            regions: BTreeMap::new(),
        };
        for (name, group) in groups {
            account.groups.insert(name, self.group(group)?);
        }
        let users = seed.users.iter().flat_map(repeated);
        for (name, user) in self.unique(users.map(|user| (user.name.clone(), user)))? {
            let user = self.user(&user, &account)?;
            account.users.insert(name, user);
        }
        register_devices(&mut account);
        for (name, role) in self.unique(seed.roles.iter().map(|role| (role.name.clone(), role)))? {
            account.roles.insert(name, self.role(role)?);
            self.profiles_of(role, &mut account)?;
        }
        self.other_profiles(&mut account)?;
        account.regions = self.regions(&account)?;
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

    fn buckets(&self) -> Result<BTreeMap<String, Bucket>, SeedError> {
        let mut buckets = BTreeMap::new();
        for seed in &self.seed.buckets {
            let bucket = bucket(seed);
            if buckets.insert(seed.name.clone(), bucket).is_some() {
                return Err(self.problem(format!("bucket `{}` is there twice", seed.name)));
            }
        }
        Ok(buckets)
    }

    fn regions(&mut self, account: &Account) -> Result<BTreeMap<String, Region>, SeedError> {
        let mut regions = BTreeMap::new();
        for (name, seed) in &self.seed.regions {
            let planted = region(name, seed, self.place(), &account.instance_profiles, self.ids);
            let planted = planted.map_err(|problem| self.problem(format!("region {name}: {problem}")))?;
            regions.insert(name.clone(), planted);
        }
        Ok(regions)
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

/// A bucket as its seed says.
pub(crate) fn bucket(seed: &BucketSeed) -> Bucket {
    let all = |on: bool| Block {
        block_acls: on,
        ignore_acls: on,
        block_policy: on,
        restrict_buckets: on,
    };
    let grant = |grant: &GrantSeed| {
        let to = match grant.to.as_str() {
            "AllUsers" => "http://acs.amazonaws.com/groups/global/AllUsers",
            "AuthenticatedUsers" => "http://acs.amazonaws.com/groups/global/AuthenticatedUsers",
            "LogDelivery" => "http://acs.amazonaws.com/groups/s3/LogDelivery",
            other => other,
        };
        (to.to_owned(), grant.permission.clone())
    };
    Bucket {
        name: seed.name.clone(),
        region: seed.region.clone(),
        public_policy: seed.public_policy,
        block: seed.block_public_access.map(all),
        grants: seed.grants.iter().map(grant).collect(),
    }
}
