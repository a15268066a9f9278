//! Who outside has access to what.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::super::judgement::evidence;
use super::super::region::by_people;
use super::super::{CONTROLS_FACT, Context, Judgement};
use super::RULE;
use crate::inventory::{Analyzer, ExternalAccess, Reading};
use crate::model::{AccountId, Arn, Event, Finding, FindingStatus, Owner, Region, Severity, counted};

/// How many of a kind are named in a sentence.
const NAMED: usize = 4;

/// A finding of an analyzer, and where it comes from.
struct Sighting<'a> {
    region: &'a Region,
    analyzer: &'a Arn,
    access: &'a ExternalAccess,
}

/// The resources of which any analyzer says something, each once.
pub(super) fn judge(ctx: &Context<'_>, read: &[(&Region, &Vec<Analyzer>)]) -> Vec<Judgement> {
    let mut by_resource: BTreeMap<&Arn, Vec<Sighting<'_>>> = BTreeMap::new();
    for (region, analyzers) in read {
        for analyzer in *analyzers {
            for access in analyzer
                .external
                .as_ref()
                .and_then(Reading::known)
                .into_iter()
                .flatten()
            {
                by_resource.entry(&access.resource).or_default().push(Sighting {
                    region,
                    analyzer: &analyzer.settings.arn,
                    access,
                });
            }
        }
    }
    let ours = by_resource
        .into_iter()
        .filter(|(resource, _)| !resource.is_role_of_aws());
    ours.map(|(resource, sightings)| judge_resource(ctx, resource, &sightings))
        .collect()
}

fn judge_resource(ctx: &Context<'_>, resource: &Arn, sightings: &[Sighting<'_>]) -> Judgement {
    let (failed, seen): (Vec<_>, Vec<_>) = sightings
        .iter()
        .partition(|sighting| sighting.access.error.is_some());
    match seen.first() {
        Some(first) => accessible(ctx, resource, &what(&first.access.resource_type), &seen),
        None => unanalyzed(ctx, resource, &failed),
    }
}

fn accessible(ctx: &Context<'_>, resource: &Arn, what: &str, seen: &[&Sighting<'_>]) -> Judgement {
    let public = seen.iter().any(|sighting| sighting.access.public);
    let severity = if public { Severity::High } else { Severity::Medium };
    let mut finding = resource_finding(ctx, resource, FindingStatus::Violation, severity);
    let accesses = accesses(seen);
    let who: BTreeSet<String> = accesses.keys().map(|access| access.who()).collect();
    finding.title = match public {
        true => format!("The {what} {} is open to everybody", resource.name()),
        false => format!("The {what} {} is open to {}", resource.name(), listed(&who)),
    };
    let sentences = accesses.keys().take(NAMED).map(Access::sentence);
    let mut detail: Vec<String> = sentences.collect();
    if accesses.len() > NAMED {
        let more = counted(accesses.len() - NAMED, "further access", "further accesses");
        detail.push(format!("There is more: {more}."));
    }
    detail.push(
        "If it is meant, archive the finding in Access Analyzer; if not, mend the resource's policy."
            .to_owned(),
    );
    finding.detail = detail.join(" ");
    finding.evidence.extend(evidence([
        (
            "resource_type",
            json!(seen.first().map(|sighting| &sighting.access.resource_type)),
        ),
        ("public", json!(public)),
        (
            "access",
            json!(
                accesses
                    .iter()
                    .map(|(access, found)| access.evidence(found))
                    .collect::<Vec<_>>()
            ),
        ),
    ]));
    by_people(ctx, &RULE, finding, Event::ExternalAccessFound)
}

fn unanalyzed(ctx: &Context<'_>, resource: &Arn, failed: &[&Sighting<'_>]) -> Judgement {
    let mut finding = resource_finding(ctx, resource, FindingStatus::Unknown, Severity::Medium);
    let regions: BTreeSet<_> = failed
        .iter()
        .map(|sighting| sighting.region.to_string())
        .collect();
    let errors: BTreeSet<_> = failed
        .iter()
        .filter_map(|sighting| sighting.access.error.clone())
        .collect();
    let kind = failed
        .first()
        .map(|sighting| what(&sighting.access.resource_type))
        .unwrap_or_default();
    finding.title = format!("Who has access to the {kind} {} is not known", resource.name());
    finding.detail = format!(
        "Access Analyzer could not analyze it in {}: {}. Nothing is concluded from what is missing.",
        listed(&regions),
        listed(&errors)
    );
    finding.evidence.insert("errors".to_owned(), json!(errors));
    Judgement::bare(finding)
}

fn resource_finding(ctx: &Context<'_>, resource: &Arn, status: FindingStatus, severity: Severity) -> Finding {
    let mut finding = ctx.finding(&RULE, resource, "external-access", status, severity);
    finding.owner = owner(ctx, resource);
    // That something was found does not speak against looking for it.
    finding.evidence = evidence([(CONTROLS_FACT, json!([]))]);
    finding
}

/// The tags of roles are known; those of other resources nobody reads.
fn owner(ctx: &Context<'_>, resource: &Arn) -> Option<Owner> {
    let roles = ctx
        .snapshot
        .authorization
        .known()
        .map(|account| account.roles.as_slice());
    let role = roles
        .unwrap_or_default()
        .iter()
        .find(|role| role.arn == *resource);
    match role {
        Some(role) => ctx.owner(resource, &role.tags),
        None => ctx.owner(resource, &BTreeMap::new()),
    }
}

/// Access that several findings may tell of: one in every region, where the resource has none.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Access<'a> {
    /// Everybody first.
    restricted: bool,
    principal: &'a BTreeMap<String, String>,
    actions: &'a BTreeSet<String>,
    conditions: &'a BTreeMap<String, String>,
}

fn accesses<'a>(seen: &[&'a Sighting<'a>]) -> BTreeMap<Access<'a>, Vec<&'a Sighting<'a>>> {
    let mut accesses: BTreeMap<Access<'_>, Vec<&Sighting<'_>>> = BTreeMap::new();
    for sighting in seen {
        let access = Access {
            restricted: !sighting.access.public,
            principal: &sighting.access.principal,
            actions: &sighting.access.actions,
            conditions: &sighting.access.conditions,
        };
        accesses.entry(access).or_default().push(sighting);
    }
    accesses
}

impl Access<'_> {
    fn who(&self) -> String {
        if !self.restricted {
            return "everybody".to_owned();
        }
        let named: BTreeSet<String> = self
            .principal
            .values()
            .map(|who| match (who.as_str(), AccountId::parse(who)) {
                ("*", _) => "everybody who meets its conditions".to_owned(),
                (_, Ok(account)) => format!("account {account}"),
                (_, Err(_)) => who.clone(),
            })
            .collect();
        match named.is_empty() {
            true => "somebody outside".to_owned(),
            false => listed(&named),
        }
    }

    fn sentence(&self) -> String {
        let mut who = self.who();
        if let Some(first) = who.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        let mut sentence = match self.actions.is_empty() {
            true => format!("{who} has access"),
            false => format!("{who} may use {}", listed(self.actions)),
        };
        if !self.conditions.is_empty() {
            let conditions = self.conditions.iter();
            let conditions: BTreeSet<_> = conditions
                .map(|(key, value)| format!("{key} = {value}"))
                .collect();
            sentence.push_str(&format!(" where {}", listed(&conditions)));
        }
        sentence.push('.');
        sentence
    }

    fn evidence(&self, found: &[&Sighting<'_>]) -> Value {
        let found = found.iter().map(|sighting| {
            json!({"region": sighting.region, "analyzer": sighting.analyzer, "id": sighting.access.id})
        });
        json!({
            "public": !self.restricted,
            "principal": self.principal,
            "actions": self.actions,
            "conditions": self.conditions,
            "findings": found.collect::<Vec<_>>(),
        })
    }
}

/// Some of them, and how many more there are.
fn listed(texts: &BTreeSet<String>) -> String {
    let named: Vec<_> = texts.iter().take(NAMED).cloned().collect();
    match texts.len() {
        0..=NAMED => named.join(", "),
        all => format!("{} and {} more", named.join(", "), all - NAMED),
    }
}

/// What people call a type of resource.
fn what(resource_type: &str) -> String {
    let word = match resource_type {
        "AWS::S3::Bucket" | "AWS::S3Express::DirectoryBucket" => "bucket",
        "AWS::IAM::Role" => "role",
        "AWS::IAM::User" => "user",
        "AWS::SQS::Queue" => "queue",
        "AWS::SNS::Topic" => "topic",
        "AWS::Lambda::Function" => "Lambda function",
        "AWS::Lambda::LayerVersion" => "Lambda layer",
        "AWS::KMS::Key" => "KMS key",
        "AWS::SecretsManager::Secret" => "secret",
        "AWS::EFS::FileSystem" => "file system",
        "AWS::EC2::Snapshot" => "EBS snapshot",
        "AWS::ECR::Repository" => "ECR repository",
        "AWS::RDS::DBSnapshot" | "AWS::RDS::DBClusterSnapshot" => "RDS snapshot",
        "AWS::DynamoDB::Table" => "DynamoDB table",
        "AWS::DynamoDB::Stream" => "DynamoDB stream",
        other => other,
    };
    word.to_owned()
}
