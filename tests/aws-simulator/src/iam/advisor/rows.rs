//! The rows of a report, from policies and uses.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};

use super::{Subject, policies_of};
use crate::account::{Account, Kind, Principal};
use crate::policy::document::{PolicyDocument, Purpose};
use crate::policy::reach::reached;
use crate::policy::services::Catalogue;
use crate::seed::{AdvisorSeed, RowSeed};
use crate::wire::xml::Xml;

/// Uses are known for this long.
const WINDOW: TimeDelta = TimeDelta::days(400);

/// One service in a report.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) namespace: String,
    name: String,
    last: Option<Use>,
    /// How many entities used it.
    entities: usize,
    /// Tracked actions that are allowed, used or not.
    pub(super) actions: BTreeMap<String, Option<Use>>,
}

/// A use by someone somewhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Use {
    at: DateTime<Utc>,
    region: String,
    entity: String,
}

impl Row {
    pub(super) fn write(&self, xml: &mut Xml) {
        xml.text("ServiceName", &self.name);
        xml.optional_date("LastAuthenticated", self.last.as_ref().map(|last| last.at));
        xml.text("ServiceNamespace", &self.namespace);
        if let Some(last) = &self.last {
            xml.text("LastAuthenticatedEntity", &last.entity)
                .text("LastAuthenticatedRegion", &last.region);
        }
        xml.text("TotalAuthenticatedEntities", self.entities);
        if self.actions.is_empty() {
            return;
        }
        xml.members(
            "TrackedActionsLastAccessed",
            &self.actions,
            |x, (action, last)| {
                x.text("ActionName", action);
                if let Some(last) = last {
                    x.text("LastAccessedEntity", &last.entity)
                        .date("LastAccessedTime", last.at);
                    x.text("LastAccessedRegion", &last.region);
                }
            },
        );
    }
}

/// The whole report on a subject.
pub(super) fn rows(
    account: &Account,
    subject: &Subject<'_>,
    behaviour: &AdvisorSeed,
    catalogue: Catalogue,
    now: DateTime<Utc>,
) -> Vec<Row> {
    let entities = entities(account, subject);
    let mut rows: Vec<Row> = match &behaviour.rows {
        Some(seeds) => seeds
            .iter()
            .map(|seed| given(seed, account, subject, &catalogue, now))
            .collect(),
        None => computed(account, subject, &entities, behaviour, catalogue, now),
    };
    rows.retain(|row| !behaviour.absent.contains(&row.namespace));
    rows.sort_by(|a, b| a.namespace.cmp(&b.namespace));
    rows
}

/// Whose uses count: the principal's own, those of a group's members, those of all a policy is attached to.
fn entities<'a>(account: &'a Account, subject: &Subject<'a>) -> Vec<&'a Principal> {
    let members = |group: &'a str| account.members(group).map(|user| &user.principal);
    match subject {
        Subject::Principal(principal) if principal.kind == Kind::Group => members(&principal.name).collect(),
        Subject::Principal(principal) => vec![principal],
        Subject::Policy(arn) => {
            let mut found: BTreeMap<(Kind, &str), &Principal> = BTreeMap::new();
            for principal in account
                .principals()
                .filter(|principal| principal.attached.contains(*arn))
            {
                if principal.kind == Kind::Group {
                    found.extend(
                        members(&principal.name).map(|user| ((Kind::User, user.name.as_str()), user)),
                    );
                } else {
                    found.insert((principal.kind, &principal.name), principal);
                }
            }
            found.into_values().collect()
        }
    }
}

fn documents(account: &Account, subject: &Subject<'_>) -> Vec<PolicyDocument> {
    let texts: Vec<String> = match subject {
        Subject::Principal(principal) => policies_of(account, principal)
            .into_iter()
            .map(|(_, document)| document)
            .collect(),
        Subject::Policy(arn) => account
            .policies
            .get(*arn)
            .map(|policy| policy.document().to_owned())
            .into_iter()
            .collect(),
    };
    texts
        .iter()
        .filter_map(|text| PolicyDocument::parse(text, Purpose::Identity).ok())
        .collect()
}

fn computed(
    account: &Account,
    subject: &Subject<'_>,
    entities: &[&Principal],
    behaviour: &AdvisorSeed,
    mut catalogue: Catalogue,
    now: DateTime<Utc>,
) -> Vec<Row> {
    let newest = behaviour.lag.resolve(now).unwrap_or(DateTime::<Utc>::MAX_UTC);
    let known = |at: &DateTime<Utc>| *at >= now - WINDOW && *at <= newest;
    for (namespace, used) in entities.iter().flat_map(|entity| &entity.used) {
        catalogue.track_used(namespace, used.actions.keys());
    }
    let reached = reached(&documents(account, subject), &catalogue);
    let row = |(namespace, allowed): (&str, BTreeSet<String>)| {
        let mut uses: Vec<Use> = Vec::new();
        let mut actions: BTreeMap<String, Option<Use>> =
            allowed.into_iter().map(|action| (action, None)).collect();
        for entity in entities {
            let Some(used) = entity.used.get(namespace) else {
                continue;
            };
            let arn = entity.arn(account);
            let a_use = |at| Use {
                at,
                region: used.region.clone(),
                entity: arn.clone(),
            };
            let times = used.actions.values().chain(std::iter::once(&used.last)).flatten();
            uses.extend(times.copied().filter(known).max().map(a_use));
            for (action, at) in &used.actions {
                let Some(last) = actions.get_mut(action) else {
                    continue;
                };
                *last = last.take().max(at.filter(known).map(a_use));
            }
        }
        let name = catalogue
            .get(namespace)
            .map_or(namespace, |service| &service.name);
        Row {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            entities: uses.len(),
            last: uses.into_iter().max(),
            actions,
        }
    };
    reached.into_iter().map(row).collect()
}

/// A row given word for word.
fn given(
    seed: &RowSeed,
    account: &Account,
    subject: &Subject<'_>,
    catalogue: &Catalogue,
    now: DateTime<Utc>,
) -> Row {
    let entity = match subject {
        Subject::Principal(principal) => principal.arn(account),
        Subject::Policy(arn) => (*arn).to_owned(),
    };
    let a_use = |at| Use {
        at,
        region: seed.region.clone(),
        entity: entity.clone(),
    };
    let listed = catalogue.get(&seed.service).map(|service| service.name.clone());
    let last = seed.last.resolve(now).map(a_use);
    Row {
        namespace: seed.service.clone(),
        name: seed
            .name
            .clone()
            .or(listed)
            .unwrap_or_else(|| seed.service.clone()),
        entities: usize::from(last.is_some()),
        last,
        actions: seed
            .actions
            .iter()
            .map(|(action, at)| (action.clone(), at.resolve(now).map(a_use)))
            .collect(),
    }
}
