//! Analyzers and their findings.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{Site, once};
use crate::access_analyzer::{Analyzer, Finding, Recommendation, date};
use crate::ids::IdSource;
use crate::policy::document::{PolicyDocument, Purpose};
use crate::seed::When;
use crate::seed::regions::{
    AnalyzerSeed, ExternalAccessSeed, FindingSeed, RecommendationSeed, StepSeed, UnusedServiceSeed,
};

pub(super) fn analyzer(seed: &AnalyzerSeed, site: Site<'_>, ids: &mut IdSource) -> Result<Analyzer, String> {
    let name = &seed.name;
    let mut findings = BTreeMap::new();
    for one in &seed.findings {
        let finding = finding(one, site, ids).map_err(|problem| format!("analyzer `{name}`: {problem}"))?;
        let id = finding.id.clone();
        once("finding", &id, findings.insert(id.clone(), finding))?;
    }
    let looks_for_unused = seed.kind.ends_with("UNUSED_ACCESS");
    Ok(Analyzer {
        name: name.clone(),
        arn: site.arn("access-analyzer", &format!("analyzer/{name}")),
        kind: seed.kind.clone(),
        status: seed.status.clone(),
        created: seed.age.resolve(site.place.now).unwrap_or(site.place.now),
        status_reason: seed.status_reason.clone(),
        unused_access_age: looks_for_unused.then(|| seed.unused_access_age.unwrap_or(90)),
        tags: seed.tags.clone(),
        findings,
    })
}

fn finding(seed: &FindingSeed, site: Site<'_>, ids: &mut IdSource) -> Result<Finding, String> {
    let now = site.place.now;
    let resource = if seed.resource.starts_with("arn:") {
        seed.resource.clone()
    } else {
        format!(
            "arn:{}:iam::{}:{}",
            site.place.partition, site.place.account, seed.resource
        )
    };
    let resource_type = seed
        .resource_type
        .clone()
        .or_else(|| told(&resource).map(str::to_owned));
    let resource_type =
        resource_type.ok_or_else(|| format!("the resource type of `{resource}` is not known"))?;
    let (kind, details) =
        said(seed, now).ok_or_else(|| format!("a finding about `{resource}` has to say one thing"))?;
    let created = seed.age.resolve(now).unwrap_or(now);
    let recommendation = seed
        .recommendation
        .as_ref()
        .map(|recommendation| advice(recommendation, now));
    Ok(Finding {
        id: seed.id.clone().unwrap_or_else(|| ids.uuid()),
        kind: kind.to_owned(),
        status: seed.status.clone(),
        resource,
        resource_type,
        created,
        analyzed: now,
        updated: seed.updated.resolve(now).unwrap_or(created),
        error: seed.error.clone(),
        details,
        recommendation: recommendation.transpose()?,
    })
}

/// The type of a resource with this ARN, of those that are analyzed.
fn told(arn: &str) -> Option<&'static str> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let &[_, _, service, _, _, resource] = parts.as_slice() else {
        return None;
    };
    match service {
        "iam" if resource.starts_with("user/") => Some("AWS::IAM::User"),
        "iam" if resource.starts_with("role/") => Some("AWS::IAM::Role"),
        "s3" => Some("AWS::S3::Bucket"),
        "sqs" => Some("AWS::SQS::Queue"),
        "sns" => Some("AWS::SNS::Topic"),
        "kms" => Some("AWS::KMS::Key"),
        "secretsmanager" => Some("AWS::SecretsManager::Secret"),
        "lambda" if resource.starts_with("function:") => Some("AWS::Lambda::Function"),
        "lambda" => Some("AWS::Lambda::LayerVersion"),
        "elasticfilesystem" => Some("AWS::EFS::FileSystem"),
        "ecr" => Some("AWS::ECR::Repository"),
        "ec2" if resource.starts_with("snapshot/") => Some("AWS::EC2::Snapshot"),
        "rds" if resource.starts_with("cluster-snapshot:") => Some("AWS::RDS::DBClusterSnapshot"),
        "rds" if resource.starts_with("snapshot:") => Some("AWS::RDS::DBSnapshot"),
        "dynamodb" if resource.contains("/stream/") => Some("AWS::DynamoDB::Stream"),
        "dynamodb" => Some("AWS::DynamoDB::Table"),
        _ => None,
    }
}

/// The type of a finding and its details, if it says one thing.
fn said(seed: &FindingSeed, now: DateTime<Utc>) -> Option<(&'static str, Vec<Value>)> {
    let mut said = Vec::new();
    if let Some(external) = &seed.external {
        said.push((
            "ExternalAccess",
            vec![json!({ "externalAccessDetails": from_outside(external) })],
        ));
    }
    if let Some(last) = seed.unused_role {
        said.push((
            "UnusedIAMRole",
            vec![json!({ "unusedIamRoleDetails": last_accessed(json!({}), last, now) })],
        ));
    }
    if let Some(last) = seed.unused_password {
        let details = last_accessed(json!({}), last, now);
        said.push((
            "UnusedIAMUserPassword",
            vec![json!({ "unusedIamUserPasswordDetails": details })],
        ));
    }
    if let Some(key) = &seed.unused_key {
        let details = last_accessed(json!({ "accessKeyId": key.id }), key.last, now);
        said.push((
            "UnusedIAMUserAccessKey",
            vec![json!({ "unusedIamUserAccessKeyDetails": details })],
        ));
    }
    if !seed.unused_permissions.is_empty() {
        let services = seed.unused_permissions.iter();
        let details = services.map(
            |(service, unused)| json!({ "unusedPermissionDetails": unused_service(service, unused, now) }),
        );
        said.push(("UnusedPermission", details.collect()));
    }
    let one = said.pop();
    one.filter(|_| said.is_empty())
}

fn from_outside(seed: &ExternalAccessSeed) -> Value {
    let everybody = seed.principal.values().any(|principal| principal == "*");
    json!({
        "principal": seed.principal,
        "action": seed.action,
        "condition": seed.condition,
        "isPublic": seed.public.unwrap_or(everybody && seed.condition.is_empty()),
    })
}

fn last_accessed(mut details: Value, last: When, now: DateTime<Utc>) -> Value {
    if let Some(at) = last.resolve(now) {
        details["lastAccessed"] = date(at);
    }
    details
}

fn unused_service(service: &str, unused: &UnusedServiceSeed, now: DateTime<Utc>) -> Value {
    let mut details = last_accessed(json!({ "serviceNamespace": service }), unused.last, now);
    if !unused.actions.is_empty() {
        let actions = unused.actions.iter();
        let actions = actions.map(|(action, last)| last_accessed(json!({ "action": action }), *last, now));
        details["actions"] = actions.collect();
    }
    details
}

fn advice(seed: &RecommendationSeed, now: DateTime<Utc>) -> Result<Recommendation, String> {
    let steps: Result<Vec<Value>, String> = seed.steps.iter().map(|step| advised(step, now)).collect();
    Ok(Recommendation {
        polls: seed.polls,
        failed: seed.failed.clone(),
        steps: steps?,
    })
}

fn advised(seed: &StepSeed, now: DateTime<Utc>) -> Result<Value, String> {
    let mut step = json!({ "recommendedAction": seed.action });
    if let Some(existing) = &seed.existing {
        step["existingPolicyId"] = existing.as_str().into();
    }
    if let Some(policy) = &seed.policy {
        let text = policy.text();
        let sound = PolicyDocument::parse(&text, Purpose::Identity);
        sound.map_err(|error| format!("a recommended policy: {}", error.message))?;
        step["recommendedPolicy"] = text.into();
    }
    if let Some(at) = seed.updated.resolve(now) {
        step["policyUpdatedAt"] = date(at);
    }
    Ok(json!({ "unusedPermissionsRecommendedStep": step }))
}
