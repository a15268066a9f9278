//! `/findings`: what the rules found, with filters and search.

use std::collections::BTreeSet;

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::Response;

use super::{Frame, Moment, fields, html};
use crate::model::{FindingStatus, Severity};
use crate::web::Web;
use crate::web::fields::Fields;
use crate::web::guard::{Right, Routes};
use crate::web::problem::Problem;
use crate::web::view::{self, FindingFilter, FindingRow, NOBODY};
use crate::web::visitor::Visitor;

/// Findings on one page.
const PAGE: usize = 50;

pub(super) fn routes(routes: Routes) -> Routes {
    routes.get("/findings", Right::View, show)
}

/// A field of the filter with its choices: value, words, whether it is chosen.
struct Choice {
    name: &'static str,
    label: &'static str,
    options: Vec<(String, String, bool)>,
}

/// A finding as it is shown.
struct Shown {
    row: FindingRow,
    since: Moment,
    facts: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "web/templates/findings.html")]
struct FindingsPage {
    frame: Frame,
    choices: Vec<Choice>,
    text: String,
    past: bool,
    total: usize,
    all: usize,
    rows: Vec<Shown>,
    page: usize,
    pages: usize,
    query: String,
    filtered: bool,
}

impl FindingsPage {
    fn path(&self, page: &usize) -> String {
        match self.query.as_str() {
            "" => format!("/findings?page={page}"),
            query => format!("/findings?{query}&page={page}"),
        }
    }

    fn export(&self, format: &str) -> String {
        match self.query.as_str() {
            "" => format!("/api/v1/findings?format={format}"),
            query => format!("/api/v1/findings?{query}&format={format}"),
        }
    }
}

async fn show(
    State(web): State<Web>,
    visitor: Visitor,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let fields = fields(query);
    let filter = FindingFilter::parse(&fields)?;
    let all = view::all_findings(&web, filter.past).await?;
    let choices = choices(&all, &filter);
    let count = all.len();
    let rows: Vec<_> = all.into_iter().filter(|row| filter.fits(row)).collect();
    let (total, pages) = (rows.len(), rows.len().div_ceil(PAGE).max(1));
    let page = page(&fields, pages)?;
    let now = web.clock.now();
    let shown = rows
        .into_iter()
        .skip((page - 1) * PAGE)
        .take(PAGE)
        .map(|row| Shown {
            since: Moment::of(row.first_seen, now),
            facts: facts(&row),
            row: visible(row),
        });
    html(&FindingsPage {
        frame: Frame::of(&web, &visitor, "/findings", "Findings").await?,
        choices,
        text: filter.text.clone().unwrap_or_default(),
        past: filter.past,
        total,
        all: count,
        rows: shown.collect(),
        page,
        pages,
        query: fields.query_without("page"),
        filtered: filter
            != FindingFilter {
                past: filter.past,
                ..FindingFilter::default()
            },
    })
}

fn page(fields: &Fields, pages: usize) -> Result<usize, Problem> {
    match fields.get("page").map(str::parse::<usize>) {
        None => Ok(1),
        Some(Ok(page)) if page >= 1 => Ok(page.min(pages)),
        Some(_) => Err(Problem::Invalid(
            "page: expected a whole number, 1 or more".to_owned(),
        )),
    }
}

fn visible(row: FindingRow) -> FindingRow {
    FindingRow {
        title: view::shown(&row.title),
        detail: view::shown(&row.detail),
        resource: view::shown(&row.resource),
        account_name: view::shown(&row.account_name),
        owner: row.owner.as_deref().map(view::shown),
        ..row
    }
}

fn facts(row: &FindingRow) -> Vec<(String, String)> {
    let fact = |(name, value): (&String, &serde_json::Value)| {
        let value = match value.as_str() {
            Some(text) => view::shown(text),
            None => view::shown(&value.to_string()),
        };
        (view::shown(name).replace('_', " "), value)
    };
    row.evidence.iter().map(fact).collect()
}

fn choices(rows: &[FindingRow], filter: &FindingFilter) -> Vec<Choice> {
    let distinct = |of: &dyn Fn(&FindingRow) -> (String, String)| -> BTreeSet<(String, String)> {
        rows.iter().map(of).collect()
    };
    let choice = |name, label, known: BTreeSet<(String, String)>, chosen: Option<&str>| Choice {
        name,
        label,
        options: known
            .into_iter()
            .map(|(words, value)| {
                let is_chosen = chosen == Some(value.as_str());
                (value, words, is_chosen)
            })
            .collect(),
    };
    let word =
        |word: &'static str, chosen: Option<&str>| (word.to_owned(), word.to_owned(), chosen == Some(word));
    let severity = filter.severity.map(Severity::as_str);
    let status = filter.status.map(FindingStatus::as_str);
    vec![
        Choice {
            name: "severity",
            label: "Severity",
            options: Severity::ALL.map(|known| word(known.as_str(), severity)).to_vec(),
        },
        Choice {
            name: "status",
            label: "Status",
            options: FindingStatus::ALL
                .map(|known| word(known.as_str(), status))
                .to_vec(),
        },
        choice(
            "rule",
            "Rule",
            distinct(&|row| (row.rule.replace('_', " "), row.rule.clone())),
            filter.rule.as_deref(),
        ),
        choice(
            "account",
            "Account",
            distinct(&|row| (view::shown(&row.account_name), row.account.clone())),
            filter.account.as_deref(),
        ),
        choice(
            "owner",
            "Owner",
            distinct(&|row| {
                let owner = row.owner.clone().unwrap_or_else(|| NOBODY.to_owned());
                (view::shown(&owner), owner)
            }),
            filter.owner.as_deref(),
        ),
    ]
}
