//! What analyzers of unused access add to the findings of other rules. It never justifies a change, nor prevents one.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::Context;
use crate::inventory::{Analyzer, Reading, UnusedAccess, UnusedKind, UnusedService};
use crate::model::{Arn, Finding};

/// The name of the fact in the evidence.
const FACT: &str = "access_analyzer";

/// Adds what Access Analyzer says of a role that it finds unused; nothing, where it says nothing, for whatever reason.
pub(in crate::rules) fn add_unused_role(ctx: &Context<'_>, finding: &mut Finding) {
    let Some((analyzer, unused)) = find(ctx, &finding.resource, UnusedKind::Role) else {
        return;
    };
    let sentence = format!(
        " Access Analyzer finds the role unused as well{}.",
        within(analyzer)
    );
    add(finding, source(analyzer, unused), &sentence);
}

/// Adds what Access Analyzer says of these services of a user or role, where it finds any of its permissions unused.
pub(in crate::rules) fn add_unused_services<'s>(
    ctx: &Context<'_>,
    finding: &mut Finding,
    services: impl IntoIterator<Item = &'s String>,
) {
    let Some((analyzer, unused)) = find(ctx, &finding.resource, UnusedKind::Permissions) else {
        return;
    };
    let mut fact = source(analyzer, unused);
    let Some(Reading::Known(listed)) = &unused.services else {
        let sentence = format!(
            " Access Analyzer finds permissions of it unused as well{}.",
            within(analyzer)
        );
        return add(finding, fact, &sentence);
    };
    let told: BTreeMap<&String, &UnusedService> = services
        .into_iter()
        .filter_map(|service| listed.get_key_value(service))
        .collect();
    let sentence = match told.is_empty() {
        true => format!(
            " Access Analyzer, which lists unused permissions of it, lists none of these services{}.",
            within(analyzer)
        ),
        false => {
            let names: Vec<_> = told.keys().map(|name| name.as_str()).collect();
            format!(
                " Access Analyzer finds unused as well{}: {}.",
                within(analyzer),
                names.join(", ")
            )
        }
    };
    let told = told.into_iter().map(|(name, service)| {
        let last_accessed = service.last_accessed.map_or(json!("never"), |at| json!(at));
        let said = json!({"whole": service.whole, "last_accessed": last_accessed});
        (name.clone(), said)
    });
    fact.insert("services".to_owned(), Value::Object(told.collect()));
    add(finding, fact, &sentence);
}

fn add(finding: &mut Finding, fact: Map<String, Value>, sentence: &str) {
    finding.detail.push_str(sentence);
    finding.evidence.insert(FACT.to_owned(), Value::Object(fact));
}

/// Such findings are the same in every region: the one that says most is taken, else the first.
fn find<'a>(ctx: &Context<'a>, resource: &Arn, kind: UnusedKind) -> Option<(&'a Analyzer, &'a UnusedAccess)> {
    let inventories = ctx.snapshot.regions.by_name.values();
    let analyzers = inventories.filter_map(|inventory| inventory.analyzers.as_ref()?.known());
    let mut found = None;
    for analyzer in analyzers.flatten() {
        let unused = analyzer.unused.as_ref().and_then(Reading::known);
        for finding in unused.into_iter().flatten() {
            if finding.resource != *resource || finding.kind != kind {
                continue;
            }
            let detailed = finding.services.as_ref().and_then(Reading::known).is_some();
            if detailed || found.is_none() {
                found = Some((analyzer, finding));
            }
        }
    }
    found
}

/// The window that the analyzer looks at, as part of a sentence.
fn within(analyzer: &Analyzer) -> String {
    analyzer
        .unused_after_days
        .map(|days| format!(" (within {days} days)"))
        .unwrap_or_default()
}

fn source(analyzer: &Analyzer, finding: &UnusedAccess) -> Map<String, Value> {
    let facts = [
        ("analyzer", json!(analyzer.settings.arn)),
        ("finding", json!(finding.id)),
        ("unused_after_days", json!(analyzer.unused_after_days)),
        ("analyzed_at", json!(finding.analyzed_at)),
    ];
    facts
        .into_iter()
        .map(|(name, fact)| (name.to_owned(), fact))
        .collect()
}
