//! `/`: what waits for whom, how things stand, and what comes next. Also the freeze.

use askama::Template;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};

use super::{Frame, Moment, chart, html, spend};
use crate::config::Role;
use crate::model::Severity;
use crate::plan::Mark;
use crate::web::Web;
use crate::web::fields::Fields;
use crate::web::guard::{Right, Routes};
use crate::web::problem::Problem;
use crate::web::view::{self, AccountRow, ActionRow, RuleRow};
use crate::web::visitor::Visitor;

const TREND_DAYS: i64 = 90;
/// How many of what waits are shown here.
const SHOWN: usize = 6;
const FREEZE: &str = "freeze";
const UNFREEZE: &str = "unfreeze";

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .get("/", Right::View, show)
        .post("/freeze", Right::Administer, freeze)
        .post("/unfreeze", Right::Administer, unfreeze)
}

#[derive(Template)]
#[template(path = "web/templates/overview.html")]
struct OverviewPage {
    frame: Frame,
    severities: Vec<(Severity, usize)>,
    violations: usize,
    unknown: usize,
    waiting: Vec<ActionRow>,
    waiting_total: usize,
    plan: Option<String>,
    may_decide: bool,
    changes: usize,
    trend: String,
    trend_rows: Vec<(String, [usize; 4])>,
    practices: Vec<(&'static str, &'static str, String, String)>,
    accounts: Vec<(AccountRow, String, Option<Moment>)>,
    rules: Vec<(RuleRow, &'static str, Option<Moment>, Option<Moment>)>,
    is_admin: bool,
    flagged: bool,
    nonce: String,
}

async fn show(State(web): State<Web>, visitor: Visitor) -> Result<Response, Problem> {
    let now = web.clock.now();
    let accounts = view::accounts(&web).await?;
    let most = accounts.iter().map(AccountRow::total).max().unwrap_or(0);
    let sum = |n: usize| accounts.iter().filter_map(|row| row.violations.get(n)).sum();
    let severities = Severity::ALL.into_iter().enumerate();
    let severities = severities.map(|(n, severity)| (severity, sum(n))).collect();
    let waiting = view::waiting(&web).await?;
    let plan = waiting.as_ref().map(|waiting| waiting.plan.clone());
    let mut waiting = waiting.map(|waiting| waiting.actions).unwrap_or_default();
    let waiting_total = waiting.len();
    waiting.sort_by_key(|row| (std::cmp::Reverse(row.severity), row.id.clone()));
    waiting.truncate(SHOWN);
    let trend = view::trend(&web, TREND_DAYS).await?;
    let frozen = web.state()?.frozen().await?.is_some();
    let purpose = if frozen { UNFREEZE } else { FREEZE };
    let week = now - chrono::TimeDelta::days(7);
    let runs = view::runs(&web, 200).await?;
    let made = runs.iter().flat_map(|run| &run.actions);
    let page = OverviewPage {
        frame: Frame::of(&web, &visitor, "/", "Overview").await?,
        violations: accounts.iter().map(AccountRow::total).sum(),
        unknown: accounts.iter().map(|row| row.unknown).sum(),
        severities,
        waiting,
        waiting_total,
        plan,
        may_decide: visitor.may_decide(&web.house().config),
        changes: made
            .filter(|action| action.outcome == "applied" && action.at >= week)
            .count(),
        trend: chart::trend(&trend),
        trend_rows: trend
            .iter()
            .rev()
            .step_by(7)
            .map(|(day, counts)| (day.to_string(), *counts))
            .collect(),
        practices: practices(&web).await?,
        accounts: accounts
            .into_iter()
            .map(|row| {
                let bar = chart::severities(row.violations, most);
                let seen = row.seen_at.map(|at| Moment::of(at, now));
                (row, bar, seen)
            })
            .collect(),
        rules: view::rules(&web)
            .await?
            .into_iter()
            .map(|row| {
                let next = row.next_at.map(|at| Moment::of(at, now));
                let last = row.last_at.map(|at| Moment::of(at, now));
                let mode = view::mode_word(row.mode);
                (row, mode, next, last)
            })
            .collect(),
        is_admin: visitor.role >= Role::Admin,
        flagged: frozen,
        nonce: visitor.key(&web).nonce(purpose, now),
    };
    html(&page)
}

/// Mark, its words, practice and note.
async fn practices(web: &Web) -> Result<Vec<(&'static str, &'static str, String, String)>, Problem> {
    let Some(card) = view::scorecard(web).await? else {
        return Ok(Vec::new());
    };
    let key = |mark| match mark {
        Mark::Pass => "pass",
        Mark::Fail => "fail",
        Mark::Unknown => "unknown",
        Mark::NotEvaluated => "none",
    };
    let rows = card.practices.into_iter().map(|score| {
        let found = match score.findings {
            0 => String::new(),
            count => crate::model::counted(count, "finding", "findings"),
        };
        let notes: Vec<_> = [found, score.note]
            .into_iter()
            .filter(|note| !note.is_empty())
            .collect();
        (key(score.mark), score.mark.label(), score.title, notes.join("; "))
    });
    Ok(rows.collect())
}

async fn freeze(State(web): State<Web>, visitor: Visitor, body: Bytes) -> Result<Response, Problem> {
    let fields = Fields::parse(&body);
    let reason = fields.get("reason");
    let reason = reason.ok_or_else(|| {
        Problem::Invalid("the reason is missing: say why, for whoever finds everything frozen".to_owned())
    })?;
    spend(&web, &visitor, &fields, FREEZE).await?;
    web.state()?
        .freeze(reason, &visitor.name, web.clock.now())
        .await?;
    Ok(Redirect::to("/").into_response())
}

async fn unfreeze(State(web): State<Web>, visitor: Visitor, body: Bytes) -> Result<Response, Problem> {
    spend(&web, &visitor, &Fields::parse(&body), UNFREEZE).await?;
    web.state()?.unfreeze(&visitor.name, web.clock.now()).await?;
    Ok(Redirect::to("/").into_response())
}
