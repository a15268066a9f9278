//! IAM Access Analyzer: analyzers and what they found.

mod analyzers;
mod check;
mod findings;
mod recommendations;

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use serde_json::Value;

use crate::context::{Context, Operation, Run};
use crate::wire::error::AwsError;
use crate::wire::input::Input;
use crate::wire::page::{Page, cut};

pub(crate) use recommendations::Recommendations;

/// All operations of the service.
pub(crate) static OPERATIONS: &[Operation] = &[
    Operation::reads("ListAnalyzers", Run::Json(analyzers::list)),
    Operation::reads("GetAnalyzer", Run::Json(analyzers::get)),
    Operation::writes("CreateAnalyzer", Run::Json(analyzers::create)),
    Operation::writes("DeleteAnalyzer", Run::Json(analyzers::delete)),
    Operation::reads("ListFindings", Run::Json(findings::list)),
    Operation::reads("GetFinding", Run::Json(findings::get)),
    Operation::reads("ListFindingsV2", Run::Json(findings::list_v2)),
    Operation::reads("GetFindingV2", Run::Json(findings::get_v2)),
    Operation::writes("UpdateFindings", Run::Json(findings::update)),
    // Asking for a recommendation changes nothing that is analyzed.
    Operation::reads(
        "GenerateFindingRecommendation",
        Run::Json(recommendations::generate),
    ),
    Operation::reads("GetFindingRecommendation", Run::Json(recommendations::get)),
    Operation::reads("CheckNoNewAccess", Run::Json(check::no_new_access)),
];

type Answer = Result<Value, AwsError>;

/// An analyzer and its findings.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Analyzer {
    pub(crate) name: String,
    pub(crate) arn: String,
    /// `ACCOUNT`, `ACCOUNT_UNUSED_ACCESS`, …
    pub(crate) kind: String,
    pub(crate) status: String,
    /// Why it does not work.
    pub(crate) status_reason: Option<String>,
    pub(crate) created: DateTime<Utc>,
    /// Days until access counts as unused, for analyzers that look for it.
    pub(crate) unused_access_age: Option<u32>,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) findings: BTreeMap<String, Finding>,
}

/// A finding.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Finding {
    pub(crate) id: String,
    /// `ExternalAccess`, `UnusedPermission`, …
    pub(crate) kind: String,
    pub(crate) status: String,
    pub(crate) resource: String,
    pub(crate) resource_type: String,
    pub(crate) created: DateTime<Utc>,
    pub(crate) analyzed: DateTime<Utc>,
    pub(crate) updated: DateTime<Utc>,
    pub(crate) error: Option<String>,
    /// As `GetFindingV2` gives them.
    pub(crate) details: Vec<Value>,
    pub(crate) recommendation: Option<Recommendation>,
}

/// What to do about a finding.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Recommendation {
    /// So many polls are answered `IN_PROGRESS`.
    pub(crate) polls: u32,
    /// It fails with this code.
    pub(crate) failed: Option<String>,
    /// As `GetFindingRecommendation` gives them.
    pub(crate) steps: Vec<Value>,
}

/// A date as this service writes it.
pub(crate) fn date(at: DateTime<Utc>) -> Value {
    at.to_rfc3339_opts(SecondsFormat::Secs, true).into()
}

fn absent(what: &str) -> AwsError {
    AwsError::new("ResourceNotFoundException", 404, format!("{what} was not found."))
}

/// The analyzer of the request's `analyzerArn`.
fn analyzer<'a>(cx: &'a Context<'_>) -> Result<&'a Analyzer, AwsError> {
    let arn = cx.input.required("analyzerArn")?;
    let found = cx.here().analyzers.values().find(|analyzer| analyzer.arn == arn);
    found.ok_or_else(|| absent(&format!("Analyzer {arn}")))
}

/// The page of `items` that the request asks for.
fn page<T>(cx: &Context<'_>, items: Vec<T>) -> Result<Page<T>, AwsError> {
    let size = cx.input.integer("maxResults", 1, 1000)?.unwrap_or(100);
    let numbered = items.into_iter().enumerate();
    let items = numbered
        .map(|(index, item)| (format!("{index:08}"), item))
        .collect();
    let invalid = || cx.input.refuse("Invalid nextToken.");
    cut(items, cx.input.text("nextToken")?, size, cx.paging).ok_or_else(invalid)
}

/// The same answer with the token of the next page, if there is one.
fn with_next(mut answer: Value, next: Option<String>) -> Value {
    if let Some(token) = next {
        answer["nextToken"] = token.into();
    }
    answer
}

/// A parameter that is one of a few words.
fn word<'a>(input: Input<'a>, name: &str, words: &[&str]) -> Result<&'a str, AwsError> {
    let word = input.required(name)?;
    if words.contains(&word) {
        Ok(word)
    } else {
        Err(input.refuse(format!("Value {word} of {name} is none of {}.", words.join(", "))))
    }
}
