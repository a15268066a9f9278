//! Access Advisor: when which service was used last.

mod rows;

use std::collections::HashMap;

use chrono::{DateTime, Utc};

pub(crate) use rows::Row;

use super::{Answer, Context};
use crate::account::{Account, Kind, Principal};
use crate::policy::document::{PolicyDocument, Purpose};
use crate::policy::reach::reached;
use crate::policy::services::Catalogue;
use crate::seed::{AdvisorSeed, Paging};
use crate::wire::error::AwsError;
use crate::wire::page::page;
use crate::wire::xml::Xml;

const DEFAULT_PAGE: u32 = 200;

/// All jobs, of all accounts.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    by_id: HashMap<String, Job>,
}

/// A report, as it was when it was asked for.
#[derive(Debug)]
struct Job {
    account: String,
    /// The user or the very role session that asked.
    owner: String,
    granularity: String,
    created: DateTime<Utc>,
    behaviour: AdvisorSeed,
    polls_left: u32,
    rows: Vec<Row>,
}

/// What a report is about.
pub(super) enum Subject<'a> {
    Principal(&'a Principal),
    Policy(&'a str),
}

/// Finds the subject of an ARN. As at AWS, the path in it does not matter.
fn subject<'a>(account: &'a Account, arn: &str) -> Result<Subject<'a>, AwsError> {
    let invalid = || AwsError::invalid_input(format!("Invalid arn: {arn}"));
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let &["arn", _, "iam", _, owner, resource] = parts.as_slice() else {
        return Err(invalid());
    };
    let (kind, _) = resource.split_once('/').ok_or_else(invalid)?;
    let name = resource.rsplit('/').next().unwrap_or_default();
    if owner != account.id && !(kind == "policy" && owner == "aws") {
        return Err(AwsError::access_denied(format!("Access denied to {arn}")));
    }
    match kind {
        "user" => account.principal(Kind::User, name).map(Subject::Principal),
        "group" => account.principal(Kind::Group, name).map(Subject::Principal),
        "role" => account.principal(Kind::Role, name).map(Subject::Principal),
        "policy" => account.policy(arn).map(|policy| Subject::Policy(&policy.arn)),
        _ => Err(invalid()),
    }
}

pub(super) fn generate(cx: &mut Context<'_>) -> Answer {
    let granularity = cx.query.optional("Granularity").unwrap_or("SERVICE_LEVEL");
    if !["SERVICE_LEVEL", "ACTION_LEVEL"].contains(&granularity) {
        let rule = "Member must satisfy enum value set: [SERVICE_LEVEL, ACTION_LEVEL]";
        return Err(AwsError::constraint(granularity, "Granularity", rule));
    }
    let subject = subject(cx.account, cx.query.required("Arn")?)?;
    let own = match subject {
        Subject::Principal(principal) => principal.advisor.as_ref(),
        Subject::Policy(_) => None,
    };
    let behaviour = own.unwrap_or(cx.advisor).clone();
    let catalogue = Catalogue::with([&cx.advisor.tracked, &behaviour.tracked]);
    let mut rows = rows::rows(cx.account, &subject, &behaviour, catalogue, cx.now);
    if granularity == "SERVICE_LEVEL" {
        rows.iter_mut().for_each(|row| row.actions.clear());
    }
    let job = Job {
        account: cx.account.id.clone(),
        owner: cx.caller.arn.clone(),
        granularity: granularity.to_owned(),
        created: cx.now,
        polls_left: behaviour.polls,
        behaviour,
        rows,
    };
    let id = cx.ids.uuid();
    cx.jobs.by_id.insert(id.clone(), job);
    let mut xml = Xml::new();
    xml.text("JobId", id);
    Ok(xml)
}

pub(super) fn get(cx: &mut Context<'_>) -> Answer {
    let id = cx.query.required("JobId")?;
    if id.len() != 36 {
        return Err(AwsError::constraint(
            id,
            "JobId",
            "Member must have length equal to 36",
        ));
    }
    let absent = || AwsError::no_such_entity(format!("Job with id {id} cannot be found."));
    let job = cx.jobs.by_id.get_mut(id).ok_or_else(absent)?;
    if job.account != cx.caller.account {
        return Err(AwsError::access_denied(format!("Access denied to job {id}")));
    }
    if job.owner != cx.caller.arn {
        return Err(absent());
    }
    let mut xml = Xml::new();
    if job.polls_left > 0 || job.behaviour.never_completes {
        job.polls_left = job.polls_left.saturating_sub(1);
        xml.text("JobStatus", "IN_PROGRESS")
            .date("JobCreationDate", job.created);
        xml.text("IsTruncated", false);
        return Ok(xml);
    }
    if let Some(message) = &job.behaviour.failed {
        xml.text("JobStatus", "FAILED").text("JobType", &job.granularity);
        xml.date("JobCreationDate", job.created)
            .date("JobCompletionDate", job.created);
        xml.strings("ServicesLastAccessed", std::iter::empty::<&str>())
            .text("IsTruncated", false);
        xml.node("Error", |x| {
            x.text("Message", message).text("Code", "ServiceFailure");
        });
        return Ok(xml);
    }
    let size = [job.behaviour.page_size, cx.paging.size]
        .into_iter()
        .flatten()
        .min();
    let paging = Paging {
        size,
        empty_pages: cx.paging.empty_pages,
    };
    let items = job.rows.iter().map(|row| (row.namespace.clone(), row)).collect();
    let page = page(items, cx.query, &paging, DEFAULT_PAGE)?;
    xml.text("JobStatus", "COMPLETED")
        .text("JobType", &job.granularity);
    xml.date("JobCreationDate", job.created)
        .date("JobCompletionDate", job.created);
    xml.members("ServicesLastAccessed", &page.items, |x, row| row.write(x));
    page.close(&mut xml);
    Ok(xml)
}

/// A policy that grants access to a service.
struct Granting {
    name: String,
    arn: Option<String>,
    entity: Option<(Kind, String)>,
}

/// Every policy of a principal, those of its groups included, with its document.
fn policies_of(account: &Account, principal: &Principal) -> Vec<(Granting, String)> {
    let mut found = Vec::new();
    let mut owners = vec![principal];
    if let Some(user) = account
        .users
        .get(&principal.name)
        .filter(|_| principal.kind == Kind::User)
    {
        owners.extend(
            user.groups
                .iter()
                .filter_map(|name| account.groups.get(name))
                .map(|group| &group.principal),
        );
    }
    for owner in owners {
        for (name, document) in &owner.inline {
            let entity = Some((owner.kind, owner.name.clone()));
            found.push((
                Granting {
                    name: name.clone(),
                    arn: None,
                    entity,
                },
                document.clone(),
            ));
        }
        for policy in owner.attached.iter().filter_map(|arn| account.policies.get(arn)) {
            let granting = Granting {
                name: policy.name.clone(),
                arn: Some(policy.arn.clone()),
                entity: None,
            };
            found.push((granting, policy.document().to_owned()));
        }
    }
    found
}

pub(super) fn list_granting(cx: &mut Context<'_>) -> Answer {
    let namespaces = cx.query.list("ServiceNamespaces");
    if namespaces.is_empty() || namespaces.len() > 200 {
        let rule = "Member must have length between 1 and 200";
        return Err(AwsError::constraint(
            &namespaces.join(", "),
            "ServiceNamespaces",
            rule,
        ));
    }
    let catalogue = Catalogue::with([&cx.advisor.tracked]);
    if let Some(unknown) = namespaces
        .iter()
        .find(|namespace| catalogue.get(namespace).is_none())
    {
        return Err(AwsError::invalid_input(format!(
            "Invalid service namespace: {unknown}"
        )));
    }
    let Subject::Principal(principal) = subject(cx.account, cx.query.required("Arn")?)? else {
        return Err(AwsError::invalid_input("Policies have no policies."));
    };
    let mut policies = Vec::new();
    for (granting, document) in policies_of(cx.account, principal) {
        // Each policy is looked at by itself: a Deny in another one does not count here.
        let allows: Vec<_> = PolicyDocument::parse(&document, Purpose::Identity)
            .into_iter()
            .collect();
        let reached = reached(&allows, &catalogue);
        policies.push((granting, reached));
    }
    let items = namespaces
        .iter()
        .enumerate()
        .map(|(index, namespace)| (format!("{index:03}"), *namespace));
    let page = cx.page(items.collect())?;
    let mut xml = Xml::new();
    xml.members("PoliciesGrantingServiceAccess", &page.items, |x, namespace| {
        let granting = policies
            .iter()
            .filter(|(_, reached)| reached.contains_key(namespace));
        x.text("ServiceNamespace", namespace);
        x.members("Policies", granting, |x, (policy, _)| {
            x.text("PolicyName", &policy.name);
            x.text(
                "PolicyType",
                if policy.arn.is_some() { "MANAGED" } else { "INLINE" },
            );
            x.optional("PolicyArn", policy.arn.as_ref());
            if let Some((kind, name)) = &policy.entity {
                x.text("EntityType", kind.upper()).text("EntityName", name);
            }
        });
    });
    page.close(&mut xml);
    Ok(xml)
}
