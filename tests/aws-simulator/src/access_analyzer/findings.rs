//! Findings: lists with filters, and one by one.

use serde_json::{Map, Value, json};

use super::{Analyzer, Answer, Finding, absent, analyzer, date, page, with_next, word};
use crate::context::Context;
use crate::wire::error::AwsError;

const EXTERNAL: &str = "ExternalAccess";

/// What both forms of a finding have.
fn head(finding: &Finding, owner: &str) -> Value {
    let mut head = json!({
        "id": finding.id,
        "status": finding.status,
        "resource": finding.resource,
        "resourceType": finding.resource_type,
        "resourceOwnerAccount": owner,
        "createdAt": date(finding.created),
        "analyzedAt": date(finding.analyzed),
        "updatedAt": date(finding.updated),
    });
    if let Some(error) = &finding.error {
        head["error"] = error.as_str().into();
    }
    head
}

/// A finding as `ListFindingsV2` lists it.
fn summary(finding: &Finding, owner: &str) -> Value {
    let mut summary = head(finding, owner);
    summary["findingType"] = finding.kind.as_str().into();
    summary
}

/// A finding about external access in its first form, with its details in it.
fn first_form(finding: &Finding, owner: &str) -> Value {
    let mut whole = head(finding, owner);
    let details = finding
        .details
        .first()
        .and_then(|details| details["externalAccessDetails"].as_object());
    for (name, value) in details.into_iter().flatten() {
        whole[name.as_str()] = value.clone();
    }
    whole
}

/// Criteria on the fields of a finding, all of which have to hold.
struct Filter(Vec<(String, Map<String, Value>)>);

impl Filter {
    fn read(cx: &Context<'_>) -> Result<Self, AwsError> {
        let mut criteria = Vec::new();
        for (field, criterion) in cx.input.object("filter")? {
            let Value::Object(criterion) = criterion else {
                return Err(cx.input.refuse("A criterion is a structure."));
            };
            let is_list = |value: &Value| {
                value
                    .as_array()
                    .is_some_and(|all| all.iter().all(Value::is_string))
            };
            let sound = criterion.iter().all(|(kind, value)| match kind.as_str() {
                "eq" | "neq" | "contains" => is_list(value),
                "exists" => value.is_boolean(),
                _ => false,
            });
            if !sound {
                return Err(cx.input.refuse(format!("The criterion of {field} is invalid.")));
            }
            criteria.push((field, criterion));
        }
        Ok(Self(criteria))
    }

    fn lets_through(&self, finding: &Value) -> bool {
        self.0.iter().all(|(field, criterion)| {
            let values = values(finding, field);
            criterion.iter().all(|(kind, expected)| {
                let expected = expected.as_array().map_or(&[][..], Vec::as_slice);
                let any = |fits: fn(&str, &str) -> bool| {
                    expected
                        .iter()
                        .filter_map(Value::as_str)
                        .any(|expected| values.iter().any(|value| fits(value, expected)))
                };
                match kind.as_str() {
                    "eq" => any(|value, expected| value == expected),
                    "neq" => !any(|value, expected| value == expected),
                    "contains" => any(|value, expected| value.contains(expected)),
                    _ => criterion["exists"] == !values.is_empty(),
                }
            })
        })
    }
}

/// The values of a field, which may be in a structure: `principal.AWS`.
fn values(finding: &Value, field: &str) -> Vec<String> {
    let found = match field.split_once('.') {
        Some((outer, inner)) => &finding[outer][inner],
        None => &finding[field],
    };
    match found {
        Value::Null => Vec::new(),
        Value::Array(items) => items.iter().map(plain).collect(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => vec![plain(found)],
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The findings that the request asks for, in its order, and each with what is to be listed of it.
fn listed(
    cx: &Context<'_>,
    analyzer: &Analyzer,
    form: fn(&Finding, &str) -> Value,
) -> Result<Vec<Value>, AwsError> {
    let filter = Filter::read(cx)?;
    let owner = &cx.account.id;
    let mut found: Vec<(Value, Value)> = analyzer
        .findings
        .values()
        .map(|finding| {
            // Filters look at the details of external access as well.
            let mut all = first_form(finding, owner);
            all["findingType"] = finding.kind.as_str().into();
            (all, form(finding, owner))
        })
        .filter(|(all, _)| filter.lets_through(all))
        .collect();
    if let Some(sort) = cx.input.inner("sort") {
        let field = sort.text("attributeName")?.unwrap_or("updatedAt");
        found.sort_by_cached_key(|(all, _)| values(all, field));
        if sort.text("orderBy")? == Some("DESC") {
            found.reverse();
        }
    }
    Ok(found.into_iter().map(|(_, form)| form).collect())
}

pub(super) fn list(cx: &mut Context<'_>) -> Answer {
    let analyzer = analyzer(cx)?;
    if !["ACCOUNT", "ORGANIZATION"].contains(&analyzer.kind.as_str()) {
        return Err(cx
            .input
            .refuse("Only findings about external access are in this list."));
    }
    let page = page(cx, listed(cx, analyzer, first_form)?)?;
    Ok(with_next(json!({ "findings": page.items }), page.next))
}

pub(super) fn list_v2(cx: &mut Context<'_>) -> Answer {
    let analyzer = analyzer(cx)?;
    let page = page(cx, listed(cx, analyzer, summary)?)?;
    Ok(with_next(json!({ "findings": page.items }), page.next))
}

/// The finding of the request's `id`.
pub(super) fn named<'a>(cx: &'a Context<'_>) -> Result<&'a Finding, AwsError> {
    let id = cx.input.required("id")?;
    let finding = analyzer(cx)?.findings.get(id);
    finding.ok_or_else(|| absent(&format!("Finding {id}")))
}

pub(super) fn get(cx: &mut Context<'_>) -> Answer {
    let finding = named(cx)?;
    if finding.kind != EXTERNAL {
        return Err(cx
            .input
            .refuse("Only findings about external access have this form."));
    }
    Ok(json!({ "finding": first_form(finding, &cx.account.id) }))
}

pub(super) fn get_v2(cx: &mut Context<'_>) -> Answer {
    let finding = named(cx)?;
    let page = page(cx, finding.details.clone())?;
    let mut whole = summary(finding, &cx.account.id);
    whole["findingDetails"] = page.items.into();
    Ok(with_next(whole, page.next))
}

pub(super) fn update(cx: &mut Context<'_>) -> Answer {
    let status = word(cx.input, "status", &["ACTIVE", "ARCHIVED"])?;
    let ids = cx.input.texts("ids")?;
    let resource = cx.input.text("resourceArn")?;
    if ids.is_empty() == resource.is_none() {
        return Err(cx.input.refuse("Either ids or resourceArn must be given."));
    }
    let name = analyzer(cx)?.name.clone();
    let now = cx.now;
    let Some(analyzer) = cx.here_mut().analyzers.get_mut(&name) else {
        return Err(absent(&format!("Analyzer {name}")));
    };
    if let Some(unknown) = ids.iter().find(|id| !analyzer.findings.contains_key(**id)) {
        return Err(absent(&format!("Finding {unknown}")));
    }
    for finding in analyzer.findings.values_mut() {
        let meant = ids.contains(&finding.id.as_str()) || resource == Some(finding.resource.as_str());
        // What is resolved stays so.
        if meant && finding.status != "RESOLVED" {
            status.clone_into(&mut finding.status);
            finding.updated = now;
        }
    }
    Ok(Value::Null)
}
