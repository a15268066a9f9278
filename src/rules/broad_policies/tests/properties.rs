//! A narrower policy allows nothing new, and loses nothing that is in use or of which nobody can say (A6). Judged by an
//! evaluator of its own, that shares nothing with the code it judges.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::narrowing::{carried, narrowed};
use super::*;

/// A request: an action on a resource, over TLS or not.
struct Request<'r> {
    action: &'r str,
    resource: &'r str,
    secure: bool,
}

/// Whether a text fits a pattern, letter by letter; `fold`: in any case.
fn fits(pattern: &[u8], text: &[u8], fold: bool) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => {
            fits(rest, text, fold) || (!text.is_empty() && fits(pattern, &text[1..], fold))
        }
        (Some((p, rest)), Some((t, text))) => {
            let same = *p == b'?' || p == t || (fold && p.eq_ignore_ascii_case(t));
            same && fits(rest, text, fold)
        }
        (Some(_), None) | (None, Some(_)) => false,
    }
}

fn any_fits(patterns: &Value, text: &str, fold: bool) -> bool {
    let fits = |pattern: &Value| fits(pattern.as_str().unwrap().as_bytes(), text.as_bytes(), fold);
    match patterns.as_array() {
        Some(items) => items.iter().any(fits),
        None => fits(patterns),
    }
}

fn applies(statement: &Value, request: &Request<'_>) -> bool {
    let element = |name: &str, fold: bool, text: &str| {
        let listed = statement.get(name).map(|patterns| any_fits(patterns, text, fold));
        let all_but = statement
            .get(format!("Not{name}"))
            .map(|patterns| !any_fits(patterns, text, fold));
        listed.or(all_but).unwrap()
    };
    let condition = statement.get("Condition").is_none_or(|condition| {
        let wanted = &condition["Bool"]["aws:SecureTransport"];
        wanted.as_str().unwrap() == request.secure.to_string()
    });
    element("Action", true, request.action) && element("Resource", false, request.resource) && condition
}

fn allowed(document: &Value, request: &Request<'_>) -> bool {
    let statement = &document["Statement"];
    let statements = match statement.as_array() {
        Some(items) => items.as_slice(),
        None => std::slice::from_ref(statement),
    };
    let any = |effect: &str| {
        statements
            .iter()
            .any(|statement| statement["Effect"] == effect && applies(statement, request))
    };
    any("Allow") && !any("Deny")
}

/// Actions that requests are about: of services with and without a row, tracked and not, known and not.
const SAMPLED: [&str; 22] = [
    "s3:GetObject",
    "s3:CreateBucket",
    "s3:DeleteBucket",
    "sqs:SendMessage",
    "sqs:CreateQueue",
    "SQS:deletequeue",
    "kms:Decrypt",
    "kms:CreateKey",
    "iam:PassRole",
    "iam:CreateUser",
    "iam:DeleteUser",
    "lambda:InvokeFunction",
    "lambda:CreateFunction",
    "ec2:CreateNetworkInterface",
    "ec2:RunInstances",
    "xray:PutTraceSegments",
    "xray:NoSuchAction",
    "nosuch:Thing",
    "sts:AssumeRole",
    "sns:Publish",
    "glue:CreateJob",
    "dynamodb:GetItem",
];

const PATTERNS: [&str; 24] = [
    "*",
    "s3:*",
    "s3:Get*",
    "S3:CreateBucket",
    "s3:DeleteBucket",
    "sqs:*",
    "sqs:SendMessage",
    "sqs:Create*",
    "kms:*",
    "kms:Decrypt",
    "iam:*",
    "iam:PassRole",
    "iam:pass*",
    "iam:CreateUser",
    "lambda:*",
    "ec2:Run*",
    "ec2:Create*",
    "xray:*",
    "xray:NoSuchAction",
    "nosuch:*",
    "sts:Assume?ole",
    "sns:Publish",
    "glue:*",
    "dynamodb:Get*",
];

const SERVICES: [&str; 12] = [
    "s3", "sqs", "kms", "iam", "lambda", "ec2", "xray", "nosuch", "sts", "sns", "glue", "dynamodb",
];

const RESOURCES: [&str; 3] = ["*", "arn:aws:s3:::b/*", "arn:aws:iam::123456789012:role/app"];
const PLACES: [&str; 3] = [
    "arn:aws:s3:::b/k",
    "arn:aws:iam::123456789012:role/app",
    "arn:aws:sqs:eu-west-1:1:q",
];

/// Allow or not, patterns, whether they are left out, resource, whether that is left out, condition.
type Draft = (bool, Vec<usize>, bool, usize, bool, Option<bool>);

fn drafts() -> impl Strategy<Value = Vec<Draft>> {
    let one = (
        prop::bool::weighted(0.85),
        prop::collection::vec(0..PATTERNS.len(), 1..5),
        prop::bool::weighted(0.1),
        prop::sample::select(vec![0usize, 0, 0, 1, 2]),
        prop::bool::weighted(0.1),
        prop::option::weighted(0.3, any::<bool>()),
    );
    prop::collection::vec(one, 1..5)
}

fn statement((allows, patterns, actions_but, resource, resources_but, secure): &Draft) -> Value {
    let actions: Vec<_> = patterns.iter().map(|n| PATTERNS[*n]).collect();
    let mut statement = json!({"Effect": if *allows { "Allow" } else { "Deny" }});
    statement[if *actions_but { "NotAction" } else { "Action" }] = json!(actions);
    statement[if *resources_but { "NotResource" } else { "Resource" }] = json!(RESOURCES[*resource]);
    if let Some(secure) = secure {
        statement["Condition"] = json!({"Bool": {"aws:SecureTransport": secure.to_string()}});
    }
    statement
}

/// By service: no row, or used so many days ago or never; tracked actions, used so many days ago or never.
type Rows = Vec<(Option<Option<i64>>, Option<Option<i64>>)>;

fn rows() -> impl Strategy<Value = Rows> {
    let days = || prop::option::weighted(0.6, 0i64..200);
    let row = (
        prop::option::weighted(0.85, days()),
        prop::option::weighted(0.7, days()),
    );
    prop::collection::vec(row, SERVICES.len())
}

/// Services in use, or of which nobody can say; tracked actions that nobody used. The rest of the catalogue is unused.
struct Facts {
    may_be_in_use: Vec<&'static str>,
    unused_actions: Vec<String>,
}

/// With a report on every service of the catalogue, or (`sparse`) on these alone.
fn world_of(document: &Value, rows: &Rows, sparse: bool) -> (World, Facts) {
    let mut facts = Facts {
        may_be_in_use: Vec::new(),
        unused_actions: Vec::new(),
    };
    let mut report: BTreeMap<&str, Option<i64>> = crate::rules::unused_permissions::Catalogue::compiled_in()
        .prefixes()
        .map(|prefix| (prefix, None))
        .collect();
    if sparse {
        report.clear();
    }
    for (service, (row, _)) in SERVICES.iter().zip(rows) {
        match row {
            None => report.remove(service),
            Some(last) => report.insert(service, *last),
        };
        let is_unused = row.is_some_and(|last| last.is_none_or(|days| days > 90));
        if !is_unused {
            facts.may_be_in_use.push(service);
        }
    }
    let report: Vec<_> = report.into_iter().collect();
    let mut world = carried(&document.to_string(), &report);
    let ago = |days: i64| world.ago(days);
    type Uses = Vec<(String, Option<chrono::DateTime<chrono::Utc>>)>;
    let mut tracked: BTreeMap<&str, Uses> = BTreeMap::new();
    for (number, action) in SAMPLED.iter().enumerate() {
        let (service, name) = action.split_once(':').unwrap();
        let service = SERVICES
            .iter()
            .position(|s| s.eq_ignore_ascii_case(service))
            .unwrap();
        // Every other action is tracked.
        if let Some(last) = rows[service].1.filter(|_| number % 2 == 0) {
            tracked
                .entry(SERVICES[service])
                .or_default()
                .push((name.to_ascii_lowercase(), last.map(ago)));
            if last.is_none_or(|days| days > 90) {
                facts.unused_actions.push(action.to_ascii_lowercase());
            }
        }
    }
    world.edit_report("role/app", |report| {
        for (service, actions) in tracked {
            if let Some(row) = report.services.get_mut(service) {
                row.tracked_actions = actions.into_iter().collect();
            }
        }
    });
    (world, facts)
}

/// What a document allows by `NotAction`, and by patterns that the catalogue does not know: that is never narrowed. A service
/// that neither the catalogue nor a report knows cannot stay where only `*` grants it.
fn by_name(document: &Value) -> Value {
    let mut document = document.clone();
    for statement in document["Statement"].as_array_mut().unwrap() {
        if let (Some("Allow"), Some(actions)) = (statement["Effect"].as_str(), statement.get("Action")) {
            let unknown = actions.as_array().unwrap().iter();
            let unknown: Vec<_> = unknown
                .filter(|action| ["nosuch:*", "xray:NoSuchAction"].contains(&action.as_str().unwrap()))
                .cloned()
                .collect();
            statement["Action"] = json!(unknown);
        }
    }
    document
}

/// Holds a narrowed policy against what it came from; says whether anything was lost.
fn compare(before: &Value, after: &Value, facts: &Facts) -> Result<bool, TestCaseError> {
    let mut lost = false;
    let by_name = by_name(before);
    for action in SAMPLED {
        for resource in PLACES {
            for secure in [true, false] {
                let request = Request {
                    action,
                    resource,
                    secure,
                };
                let (old, new) = (allowed(before, &request), allowed(after, &request));
                prop_assert!(old || !new, "{action} on {resource} is new in {after}");
                let service = action.split(':').next().unwrap().to_ascii_lowercase();
                let is_unused_action = facts.unused_actions.contains(&action.to_ascii_lowercase());
                let stays = action == "iam:PassRole"
                    || allowed(&by_name, &request)
                    || (service != "nosuch"
                        && facts.may_be_in_use.contains(&service.as_str())
                        && !is_unused_action);
                prop_assert!(
                    new || !(old && stays),
                    "{action} on {resource} is lost in {after}"
                );
                lost |= old && !new;
            }
        }
    }
    Ok(lost)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a6_a_narrower_policy_allows_nothing_new_and_loses_nothing_in_use(
        drafts in drafts(), rows in rows(), sparse in any::<bool>(),
    ) {
        let statements: Vec<_> = drafts.iter().map(statement).collect();
        let before = json!({"Version": "2012-10-17", "Statement": statements});
        let (world, facts) = world_of(&before, &rows, sparse);
        let found = findings(&world);
        let of_policy = found.iter().find(|finding| finding.evidence.contains_key("narrowed_policy"));
        if let Some(finding) = of_policy {
            let after = finding.evidence["narrowed_policy"].as_str().unwrap();
            let parsed = crate::model::PolicyDocument::parse(after);
            prop_assert!(parsed.is_ok_and(|document| document.allows().count() > 0), "{}", after);
            let after = &serde_json::from_str::<Value>(after).unwrap();
            prop_assert!(after.to_string().len() <= 6_144);
            compare(&before, after, &facts)?;
            let denies = |document: &Value| -> Vec<Value> {
                let statements = document["Statement"].as_array().unwrap();
                statements.iter().filter(|statement| statement["Effect"] == "Deny").cloned().collect()
            };
            prop_assert_eq!(denies(&before), denies(after));
        }
    }
}

#[test]
fn the_property_has_something_to_hold_of() {
    let before = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["*"], "Resource": "*"},
        {"Effect": "Deny", "Action": "s3:Delete*", "Resource": "*"},
    ]});
    // SQS is in use, its sampled actions are tracked, and one of them unused; nobody knows of the service after it.
    let mut rows: Rows = vec![(Some(None), None); SERVICES.len()];
    rows[1] = (Some(Some(1)), Some(None));
    rows[2] = (None, None);
    let mut lasting = None;
    for sparse in [false, true] {
        let (world, facts) = world_of(&before, &rows, sparse);
        let after = narrowed(&world);
        assert_eq!(after["Statement"][0].get("NotAction").is_some(), sparse);
        assert_eq!(facts.may_be_in_use, ["sqs", "kms"]);
        assert!(!facts.unused_actions.is_empty());
        assert!(compare(&before, &after, &facts).unwrap(), "something is lost");
        lasting = Some(facts);
    }
    let facts = lasting.unwrap();
    let wider = json!({"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]});
    assert!(compare(&before, &wider, &facts).is_err(), "what is new is seen");
    let nothing = json!({"Statement": [{"Effect": "Allow", "Action": "sns:*", "Resource": "*"}]});
    assert!(
        compare(&before, &nothing, &facts).is_err(),
        "what is lost is seen"
    );
}
