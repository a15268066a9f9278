//! Documents: what AWS reports, policies, and the files that iamwarden writes and reads.

use std::cell::RefCell;
use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use iamwarden::config::{Config, Mode};
use iamwarden::inventory::{CredentialReport, Snapshot};
use iamwarden::model::{Arn, Digest, History, PolicyDocument};
use iamwarden::plan::{self, Plan, PlanOptions, render};
use serde_json::Value;

/// An account in which texts are replaced.
const ACCOUNT: &str = include_str!("snapshot.json");

static TEMPLATE: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(ACCOUNT).unwrap());

/// The built-in policy, with every rule in force.
static CONFIG: LazyLock<Config> = LazyLock::new(|| {
    let mut config = Config::built_in().unwrap();
    let rules = &mut config.rules;
    for mode in [
        &mut rules.access_key_rotation.mode,
        &mut rules.unused_access_keys.mode,
        &mut rules.unused_permissions.mode,
        &mut rules.role_trust.mode,
        &mut rules.user_mfa.mode,
        &mut rules.unused_passwords.mode,
        &mut rules.unused_roles.mode,
        &mut rules.broad_policies.mode,
        &mut rules.iam_alarms.mode,
    ] {
        *mode = Mode::Enforce;
    }
    config
});

fn now() -> DateTime<Utc> {
    "2026-11-25T22:41:40Z".parse().unwrap()
}

/// The credential report, a CSV.
pub fn credential_report(data: &[u8]) {
    let read = || CredentialReport::parse(data, now());
    match (read(), read()) {
        (Ok(one), Ok(other)) => {
            assert_eq!(one, other);
            let user = Arn::parse("arn:aws:iam::123456789012:user/ada").unwrap();
            let _ = (one.row(&user), one.root());
        }
        (Err(error), Err(again)) => assert_eq!(error.to_string(), again.to_string()),
        _ => panic!("one reading succeeds, and the next does not"),
    }
}

/// A policy document. What is written anew as JSON means the same.
pub fn policy_document(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(document) = PolicyDocument::parse(text) else {
        return;
    };
    let value: Value = serde_json::from_str(text).unwrap();
    let again = PolicyDocument::parse(&value.to_string());
    assert_eq!(
        again.as_ref(),
        Ok(&document),
        "two readings of one document: {text}"
    );
    let _ = document.has_deny();
    assert_eq!(digest(text), digest(&value.to_string()));
}

fn digest(text: &str) -> Digest {
    Digest::of_document(text)
}

/// The trust policy of a role.
pub fn trust_policy(data: &[u8]) {
    with_text(data, "sts:ExternalId", &["role_trust", "unused_roles"]);
}

/// The pattern of a metric filter.
pub fn filter_pattern(data: &[u8]) {
    with_text(data, "$.eventName = CreateAccessKey", &["iam_alarms"]);
}

/// Plans for the account by these rules, with this text in place of that which contains the marked one.
fn with_text(data: &[u8], marked: &str, rules: &[&str]) {
    let text = String::from_utf8_lossy(data);
    let mut value = TEMPLATE.clone();
    assert!(
        replace(&mut value, marked, &text) > 0,
        "{marked} is not in the template"
    );
    let snapshot: Snapshot = serde_json::from_value(value).unwrap();
    assert!(
        !planned(&snapshot, rules).findings.is_empty(),
        "the rules say nothing"
    );
}

fn replace(value: &mut Value, marked: &str, text: &str) -> usize {
    match value {
        Value::String(known) if known.contains(marked) => {
            text.clone_into(known);
            1
        }
        Value::Array(values) => values.iter_mut().map(|value| replace(value, marked, text)).sum(),
        Value::Object(fields) => fields
            .values_mut()
            .map(|value| replace(value, marked, text))
            .sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

fn planned(snapshot: &Snapshot, rules: &[&str]) -> Plan {
    let options = PlanOptions {
        rules: rules.iter().map(|rule| (*rule).to_owned()).collect(),
        as_if_enforce: false,
    };
    let account = plan::plan_account(&CONFIG, snapshot, &History::default(), now(), &options);
    plan::assemble(&CONFIG, "01JDPLAN".to_owned(), now(), false, vec![account])
}

/// Judges and plans, twice: the same inputs give the same bytes.
fn look_at(snapshot: &Snapshot) {
    let plan = planned(snapshot, &[]);
    assert_eq!(plan, planned(snapshot, &[]));
    draw(&plan);
}

/// Every form of a plan.
fn draw(plan: &Plan) {
    let text = render::text(plan, &render::TextStyle::default());
    assert!(
        !text.contains('\u{1b}'),
        "an escape sequence came through: {text:?}"
    );
    render::markdown(plan);
    let html = render::html(plan);
    assert!(!html.contains("<script>alert"), "a script came through");
    let json = render::json(plan);
    let again: Plan = serde_json::from_str(&json).unwrap();
    assert_eq!(render::json(&again), json);
}

thread_local! {
    /// The file that is read and written over and over.
    static FILE: RefCell<tempfile::NamedTempFile> = RefCell::new(tempfile::NamedTempFile::new().unwrap());
}

/// A snapshot file.
pub fn snapshot(data: &[u8]) {
    FILE.with_borrow(|file| {
        std::fs::write(file.path(), data).unwrap();
        let Ok(snapshot) = Snapshot::read_from(file.path()) else {
            return;
        };
        look_at(&snapshot);
        snapshot.write_to(file.path()).unwrap();
        let again = Snapshot::read_from(file.path()).unwrap();
        assert_eq!(again.digest(), snapshot.digest());
        assert_eq!(again, snapshot);
    });
}

/// A plan file, as `apply --plan` reads it.
pub fn plan_file(data: &[u8]) {
    let Ok(plan) = serde_json::from_slice::<Plan>(data) else {
        return;
    };
    draw(&plan);
    let file = iamwarden::daemon::PlanFile::new(&plan);
    let mut fresh = plan.clone();
    file.narrow(&mut fresh);
    assert_eq!(fresh, plan, "it holds its own actions");
}
