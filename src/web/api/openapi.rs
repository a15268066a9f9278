//! The API's own description, OpenAPI 3.1, from the types that it reads and writes.

use std::sync::LazyLock;

use axum::response::Response;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::changes::{
    AnswerBody, DecisionAnswer, DecisionBody, ExemptionBody, FreezeAnswer, FreezeBody, RevocationBody,
    RollbackAnswer, RollbackBody,
};
use super::{List, MOST, Me};
use crate::model::{FindingStatus, Severity};
use crate::web::guard::Right;
use crate::web::problem::{Problem, Told};
use crate::web::view;

/// What a field of a query is.
#[derive(Clone, Copy)]
enum Query {
    Format,
    Limit,
    Filter,
}

/// One operation.
struct Operation {
    method: &'static str,
    path: &'static str,
    summary: &'static str,
    right: Right,
    query: &'static [Query],
    body: Option<fn(&mut SchemaGenerator) -> Value>,
    answer: fn(&mut SchemaGenerator) -> Value,
}

fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    json!(generator.subschema_for::<T>())
}

fn any_object(_: &mut SchemaGenerator) -> Value {
    json!({"type": "object"})
}

/// The plan document, whose every part `iamwarden plan --format json` tells of.
fn plan_document(_: &mut SchemaGenerator) -> Value {
    let array = json!({"type": "array", "items": {"type": "object"}});
    json!({
        "type": "object",
        "required": ["schema", "id", "created_at", "config_digest", "dry_run", "accounts", "findings", "actions"],
        "properties": {
            "schema": {"const": "iamwarden.plan/v1"},
            "id": {"type": "string"},
            "created_at": {"type": "string", "format": "date-time"},
            "config_digest": {"type": "string"},
            "dry_run": {"type": "boolean"},
            "accounts": array.clone(),
            "findings": array.clone(),
            "actions": array,
        },
    })
}

const fn read(
    path: &'static str,
    summary: &'static str,
    query: &'static [Query],
    answer: fn(&mut SchemaGenerator) -> Value,
) -> Operation {
    Operation {
        method: "get",
        path,
        summary,
        right: Right::View,
        query,
        body: None,
        answer,
    }
}

const fn change(
    path: &'static str,
    summary: &'static str,
    right: Right,
    body: Option<fn(&mut SchemaGenerator) -> Value>,
    answer: fn(&mut SchemaGenerator) -> Value,
) -> Operation {
    Operation {
        method: "post",
        path,
        summary,
        right,
        query: &[],
        body,
        answer,
    }
}

/// Every operation; a test compares it with the routes.
const OPERATIONS: &[Operation] = &[
    read("/api/v1/openapi.json", "This document", &[], any_object),
    read("/api/v1/me", "Who asks, and what it may do", &[], of::<Me>),
    read(
        "/api/v1/accounts",
        "The accounts that are looked after",
        &[Query::Format],
        of::<List<view::AccountRow>>,
    ),
    read(
        "/api/v1/configuration",
        "The configuration in force, without secrets",
        &[],
        any_object,
    ),
    read(
        "/api/v1/decisions",
        "What people decided, newest first",
        &[Query::Limit, Query::Format],
        of::<List<view::DecisionRow>>,
    ),
    read(
        "/api/v1/exemptions",
        "Who is left alone, why, and until when",
        &[Query::Format],
        of::<List<view::ExemptionRow>>,
    ),
    read(
        "/api/v1/findings",
        "What the rules found, the gravest first",
        &[Query::Filter, Query::Format],
        of::<List<view::FindingRow>>,
    ),
    read(
        "/api/v1/owners",
        "Who answers for what stands",
        &[Query::Format],
        of::<List<view::OwnerRow>>,
    ),
    read(
        "/api/v1/plans",
        "The saved plans, newest first",
        &[Query::Limit, Query::Format],
        of::<List<view::PlanRow>>,
    ),
    read(
        "/api/v1/plans/{plan}",
        "A saved plan, as it was made",
        &[],
        plan_document,
    ),
    read(
        "/api/v1/plans/{plan}/actions",
        "The actions of a saved plan, with what people said of them",
        &[Query::Format],
        of::<List<view::ActionRow>>,
    ),
    read(
        "/api/v1/rules",
        "The rules that are on, the next first",
        &[Query::Format],
        of::<List<view::RuleRow>>,
    ),
    read(
        "/api/v1/runs",
        "The runs and what they did, newest first",
        &[Query::Limit],
        of::<List<view::RunRow>>,
    ),
    read(
        "/api/v1/runs/actions",
        "What the runs did, newest first",
        &[Query::Limit, Query::Format],
        of::<List<view::RunActionRow>>,
    ),
    read(
        "/api/v1/scorecard",
        "How all accounts together stand against the practices",
        &[],
        any_object,
    ),
    read(
        "/api/v1/freeze",
        "Whether all changes are stopped",
        &[],
        of::<FreezeAnswer>,
    ),
    change(
        "/api/v1/plans/{plan}/decisions",
        "Approve or reject actions of a saved plan",
        Right::Decide,
        Some(of::<DecisionBody>),
        of::<DecisionAnswer>,
    ),
    change(
        "/api/v1/rollbacks",
        "Undo what was applied",
        Right::Decide,
        Some(of::<RollbackBody>),
        of::<RollbackAnswer>,
    ),
    change(
        "/api/v1/exemptions",
        "Ask for an exemption",
        Right::View,
        Some(of::<ExemptionBody>),
        of::<view::ExemptionRow>,
    ),
    change(
        "/api/v1/exemptions/{exemption}/answer",
        "Grant or refuse an exemption",
        Right::Decide,
        Some(of::<AnswerBody>),
        of::<view::ExemptionRow>,
    ),
    change(
        "/api/v1/exemptions/{exemption}/revocation",
        "Take a granted exemption back",
        Right::Decide,
        Some(of::<RevocationBody>),
        of::<view::ExemptionRow>,
    ),
    change(
        "/api/v1/freeze",
        "Stop all changes",
        Right::Administer,
        Some(of::<FreezeBody>),
        of::<FreezeAnswer>,
    ),
    change(
        "/api/v1/unfreeze",
        "Release all changes",
        Right::Administer,
        None,
        of::<FreezeAnswer>,
    ),
];

static DOCUMENT: LazyLock<Value> = LazyLock::new(document);

pub(super) async fn show() -> Result<Response, Problem> {
    super::json(&*DOCUMENT)
}

fn parameters(operation: &Operation) -> Vec<Value> {
    let mut parameters = Vec::new();
    if operation.path.contains("{plan}") {
        parameters.push(json!({
            "name": "plan", "in": "path", "required": true,
            "description": "The plan's id, the beginning of it, or `latest`.",
            "schema": {"type": "string", "minLength": 1},
        }));
    }
    if operation.path.contains("{exemption}") {
        parameters.push(json!({
            "name": "exemption", "in": "path", "required": true,
            "description": "The id of the request, `exm_` and a ULID.",
            "schema": {"type": "string", "minLength": 1},
        }));
    }
    let field = |name: &str, description: &str, schema: Value| json!({"name": name, "in": "query", "description": description, "schema": schema});
    for query in operation.query {
        match query {
            Query::Format => {
                let schema = json!({"enum": ["json", "csv"]});
                parameters.push(field("format", "In which form; json where absent.", schema));
            }
            Query::Limit => {
                let schema = json!({"type": "integer", "minimum": 1, "maximum": MOST});
                parameters.push(field("limit", "How many at most; 100 where absent.", schema));
            }
            Query::Filter => {
                let text = json!({"type": "string"});
                parameters.extend([
                    field(
                        "severity",
                        "Of this severity.",
                        json!({"enum": Severity::ALL.map(Severity::as_str)}),
                    ),
                    field(
                        "status",
                        "With this status.",
                        json!({"enum": FindingStatus::ALL.map(FindingStatus::as_str)}),
                    ),
                    field("rule", "By this rule.", text.clone()),
                    field("account", "In this account, by its id.", text.clone()),
                    field("owner", "Of this owner; `nobody`: of none.", text.clone()),
                    field("text", "With this text in any field.", text),
                    field(
                        "past",
                        "Also those that stand no more.",
                        json!({"enum": ["true", "false"]}),
                    ),
                ]);
            }
        }
    }
    if operation.method == "post" {
        parameters.push(json!({
            "name": "Idempotency-Key", "in": "header",
            "description": "Done once for each key; the first answer is given again for a day.",
            "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
        }));
    }
    parameters
}

fn responses(operation: &Operation, generator: &mut SchemaGenerator) -> Value {
    let mut content = json!({"application/json": {"schema": (operation.answer)(generator)}});
    if operation.query.iter().any(|query| matches!(query, Query::Format)) {
        content["text/csv"] = json!({"schema": {"type": "string"}});
    }
    let mut responses = Map::new();
    responses.insert(
        "200".to_owned(),
        json!({"description": "Done", "content": content}),
    );
    let problem = json!({"application/problem+json": {"schema": of::<Told>(generator)}});
    let mut may_fail: Vec<(&str, &str)> = vec![
        ("401", "Nobody says who asks, or it is not known"),
        ("403", "Whoever asks may not"),
        ("429", "Too many unknown tokens"),
        ("503", "Not now"),
    ];
    if operation.method == "post" || !operation.query.is_empty() || operation.path.contains('{') {
        may_fail.push(("400", "It cannot be understood"));
    }
    if operation.path.contains('{') || operation.path.ends_with("rollbacks") {
        may_fail.push(("404", "It is not there"));
    }
    if operation.method == "post" {
        may_fail.push(("409", "It was done already, or the world moved on"));
        may_fail.push(("413", "Too large"));
        may_fail.push(("415", "Not JSON"));
    }
    for (status, description) in may_fail {
        responses.insert(
            status.to_owned(),
            json!({"description": description, "content": problem.clone()}),
        );
    }
    Value::Object(responses)
}

fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let mut paths = Map::new();
    for operation in OPERATIONS {
        let right = match operation.right {
            Right::Machines | Right::Anybody => "Open to whoever reaches the address.",
            Right::View => "For viewers, approvers and administrators.",
            Right::Decide => "For approvers and administrators whom `approvals.approvers` names.",
            Right::Administer => "For administrators.",
        };
        let mut told = json!({
            "summary": operation.summary,
            "description": right,
            "parameters": parameters(operation),
            "responses": responses(operation, &mut generator),
        });
        if let Some(body) = operation.body {
            let schema = body(&mut generator);
            told["requestBody"] =
                json!({"required": true, "content": {"application/json": {"schema": schema}}});
        }
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        path[operation.method] = told;
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "iamwarden",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What iamwarden found, plans and did, and what people say of it.",
        },
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_route_of_the_api_is_described_with_its_right_and_nothing_else_is() {
        let (_, table) = crate::web::routes().into_parts();
        let of_api = |(path, _): &&(&'static str, bool)| path.starts_with("/api/");
        let routes: BTreeSet<_> = table.keys().filter(of_api).copied().collect();
        let described: BTreeSet<_> = OPERATIONS
            .iter()
            .map(|operation| (operation.path, operation.method == "post"))
            .collect();
        assert_eq!(routes, described);
        for operation in OPERATIONS {
            let right = table[&(operation.path, operation.method == "post")];
            assert_eq!(right, operation.right, "{}", operation.path);
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn references(value: &Value, found: &mut Vec<String>) {
            match value {
                Value::Object(map) => {
                    found.extend(map.get("$ref").and_then(Value::as_str).map(ToOwned::to_owned));
                    map.values().for_each(|value| references(value, found));
                }
                Value::Array(list) => list.iter().for_each(|value| references(value, found)),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
        let document = document();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(!found.is_empty());
        for reference in found {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
    }
}
