//! The JSON API, `/api/v1`: the same rows and the same rights as the pages. Tables come as CSV too (`?format=csv`).
//!
//! What changes something takes a bearer token, never a cookie, so that no page of somebody else's can ask for it; with an
//! `Idempotency-Key` it is done once, and the answer of the first time is given again.

mod changes;
mod openapi;

use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use schemars::JsonSchema;
use serde::Serialize;

use super::Web;
use super::fields::Fields;
use super::guard::{Right, Routes};
use super::problem::Problem;
use super::visitor::{Means, Visitor};
use super::{table, view};
use crate::config::Role;

/// How many rows of what grows for ever are given where nobody says.
const LIMIT: u32 = 100;
/// And how many at most.
const MOST: u32 = 1000;

pub(super) fn routes(routes: Routes) -> Routes {
    let routes = routes
        .get("/api/v1/openapi.json", Right::View, openapi::show)
        .get("/api/v1/me", Right::View, me)
        .get("/api/v1/accounts", Right::View, accounts)
        .get("/api/v1/configuration", Right::View, configuration)
        .get("/api/v1/decisions", Right::View, decisions)
        .get("/api/v1/exemptions", Right::View, exemptions)
        .get("/api/v1/findings", Right::View, findings)
        .get("/api/v1/owners", Right::View, owners)
        .get("/api/v1/plans", Right::View, plans)
        .get("/api/v1/plans/{plan}", Right::View, plan)
        .get("/api/v1/plans/{plan}/actions", Right::View, actions)
        .get("/api/v1/rules", Right::View, rules)
        .get("/api/v1/runs", Right::View, runs)
        .get("/api/v1/runs/actions", Right::View, run_actions)
        .get("/api/v1/scorecard", Right::View, scorecard);
    changes::routes(routes)
}

/// A list of rows.
#[derive(Debug, Serialize, JsonSchema)]
struct List<T> {
    /// The rows.
    items: Vec<T>,
}

/// Who asks.
#[derive(Debug, Serialize, JsonSchema)]
struct Me {
    /// The name by which this visitor decides.
    name: String,
    /// What it may do.
    role: Role,
    /// `token`, `session`, or `off` where nobody signs in.
    by: &'static str,
    /// Whether it may approve, reject and roll back: by role, and as one of `approvals.approvers`.
    may_decide: bool,
}

/// An answer as JSON.
fn json(value: &impl Serialize) -> Result<Response, Problem> {
    let text = serde_json::to_string(value)
        .map_err(|error| Problem::failed("an answer cannot be written", &error))?;
    Ok(document("application/json", text))
}

fn document(kind: &'static str, text: String) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static(kind))], text).into_response()
}

/// A list as JSON or as CSV, whatever is asked for.
fn list<T: Serialize>(
    fields: &Fields,
    name: &str,
    rows: Vec<T>,
    columns: &[&str],
    cells: impl Fn(&T) -> Vec<String>,
) -> Result<Response, Problem> {
    match fields.get("format") {
        None | Some("json") => json(&List { items: rows }),
        Some("csv") => {
            let mut response = document(
                "text/csv; charset=utf-8",
                table::csv(columns, rows.iter().map(cells))?,
            );
            let file = format!("attachment; filename=\"iamwarden-{name}.csv\"");
            if let Ok(file) = HeaderValue::from_str(&file) {
                response.headers_mut().insert(header::CONTENT_DISPOSITION, file);
            }
            Ok(response)
        }
        Some(other) => Err(Problem::Invalid(format!(
            "format: `{other}` is neither json nor csv"
        ))),
    }
}

fn fields(query: Option<String>) -> Fields {
    Fields::parse(query.unwrap_or_default().as_bytes())
}

fn limit(fields: &Fields) -> Result<u32, Problem> {
    match fields.get("limit") {
        None => Ok(LIMIT),
        Some(text) => match text.parse() {
            Ok(limit) if (1..=MOST).contains(&limit) && text.bytes().all(|b| b.is_ascii_digit()) => Ok(limit),
            Ok(_) | Err(_) => Err(Problem::Invalid(format!(
                "limit: expected a whole number from 1 to {MOST}"
            ))),
        },
    }
}

async fn me(State(web): State<Web>, visitor: Visitor) -> Result<Response, Problem> {
    let config = web.house().config;
    json(&Me {
        may_decide: visitor.may_decide(&config),
        by: match visitor.means {
            Means::Off => "off",
            Means::Token => "token",
            Means::Session { .. } => "session",
        },
        role: visitor.role,
        name: visitor.name,
    })
}

async fn accounts(State(web): State<Web>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let rows = view::accounts(&web).await?;
    list(
        &fields(query),
        "accounts",
        rows,
        &view::AccountRow::COLUMNS,
        view::AccountRow::cells,
    )
}

async fn configuration(State(web): State<Web>) -> Result<Response, Problem> {
    json(&view::configuration(&web)?)
}

async fn decisions(State(web): State<Web>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let fields = fields(query);
    let rows = view::decisions(&web, limit(&fields)?).await?;
    list(
        &fields,
        "decisions",
        rows,
        &view::DecisionRow::COLUMNS,
        view::DecisionRow::cells,
    )
}

async fn exemptions(State(web): State<Web>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let rows = view::exemptions(&web).await?;
    list(
        &fields(query),
        "exemptions",
        rows,
        &view::ExemptionRow::COLUMNS,
        view::ExemptionRow::cells,
    )
}

async fn findings(State(web): State<Web>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let fields = fields(query);
    let rows = view::findings(&web, &view::FindingFilter::parse(&fields)?).await?;
    list(
        &fields,
        "findings",
        rows,
        &view::FindingRow::COLUMNS,
        view::FindingRow::cells,
    )
}

async fn owners(State(web): State<Web>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let rows = view::owners(&web).await?;
    list(
        &fields(query),
        "owners",
        rows,
        &view::OwnerRow::COLUMNS,
        view::OwnerRow::cells,
    )
}

async fn plans(State(web): State<Web>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let fields = fields(query);
    let rows = view::plans(&web, limit(&fields)?).await?;
    list(
        &fields,
        "plans",
        rows,
        &view::PlanRow::COLUMNS,
        view::PlanRow::cells,
    )
}

fn no_plan(wanted: &str) -> Problem {
    Problem::NotFound(format!("there is no saved plan `{wanted}`"))
}

/// The document as it was saved.
async fn plan(State(web): State<Web>, Path(wanted): Path<String>) -> Result<Response, Problem> {
    let stored = web.state()?.load_plan(&wanted).await?;
    let stored = stored.ok_or_else(|| no_plan(&wanted))?;
    Ok(document("application/json", stored.document))
}

async fn actions(
    State(web): State<Web>,
    Path(wanted): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let view = view::plan_view(&web, &wanted).await?;
    let view = view.ok_or_else(|| no_plan(&wanted))?;
    let rows: Vec<_> = view.actions.into_iter().map(|(_, row)| row).collect();
    list(
        &fields(query),
        "actions",
        rows,
        &view::ActionRow::COLUMNS,
        view::ActionRow::cells,
    )
}

async fn rules(State(web): State<Web>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let rows = view::rules(&web).await?;
    list(
        &fields(query),
        "rules",
        rows,
        &view::RuleRow::COLUMNS,
        view::RuleRow::cells,
    )
}

async fn runs(State(web): State<Web>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let items = view::runs(&web, limit(&fields(query))?).await?;
    json(&List { items })
}

async fn run_actions(State(web): State<Web>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let fields = fields(query);
    let runs = view::runs(&web, limit(&fields)?).await?;
    let rows: Vec<_> = runs.into_iter().flat_map(|run| run.actions).collect();
    list(
        &fields,
        "history",
        rows,
        &view::RunActionRow::COLUMNS,
        view::RunActionRow::cells,
    )
}

async fn scorecard(State(web): State<Web>) -> Result<Response, Problem> {
    json(&view::scorecard(&web).await?.unwrap_or_default())
}
