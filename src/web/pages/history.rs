//! `/history`: what was done and decided, and how it is undone.

use askama::Template;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse as _, Redirect, Response};

use super::{Frame, Moment, fields, html, spend};
use crate::daemon::Undo;
use crate::model::ActionId;
use crate::state::{AppliedSelection, Attempt};
use crate::web::Web;
use crate::web::fields::Fields;
use crate::web::guard::{Right, Routes};
use crate::web::problem::Problem;
use crate::web::view::{self, DecisionRow, RunActionRow, RunRow};
use crate::web::visitor::Visitor;

const RUNS: u32 = 50;
const DECISIONS: u32 = 100;

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .get("/history", Right::View, show)
        .get("/history/rollback", Right::Decide, confirm)
        .post("/history/rollback", Right::Decide, roll_back)
}

/// A run as it is shown.
struct Shown {
    row: RunRow,
    at: Moment,
    actions: Vec<(RunActionRow, Moment)>,
    /// Whether there is more than one change to undo.
    several: bool,
}

#[derive(Template)]
#[template(path = "web/templates/history.html")]
struct HistoryPage {
    frame: Frame,
    runs: Vec<Shown>,
    quiet: usize,
    decisions: Vec<(DecisionRow, Moment)>,
    head: String,
    may_decide: bool,
    done: bool,
}

async fn show(
    State(web): State<Web>,
    visitor: Visitor,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let now = web.clock.now();
    let fields = fields(query);
    let quiet_too = view::flag(&fields, "quiet")?;
    let mut quiet = 0;
    let mut runs = Vec::new();
    for mut run in view::runs(&web, RUNS).await? {
        if run.actions.is_empty() && !quiet_too && matches!(run.status.as_str(), "done" | "held") {
            quiet += 1;
            continue;
        }
        let actions = std::mem::take(&mut run.actions);
        let undoable = actions.iter().filter(|action| action.may_be_undone()).count();
        let actions = actions.into_iter().map(|action| {
            let at = Moment::of(action.at, now);
            (visible(action), at)
        });
        let (at, actions) = (Moment::of(run.started_at, now), actions.collect());
        runs.push(Shown {
            row: run,
            at,
            actions,
            several: undoable > 1,
        });
    }
    let decisions = view::decisions(&web, DECISIONS).await?;
    html(&HistoryPage {
        frame: Frame::of(&web, &visitor, "/history", "History").await?,
        runs,
        quiet,
        decisions: decisions
            .into_iter()
            .map(|said| {
                let at = Moment::of(said.at, now);
                (said, at)
            })
            .collect(),
        head: web.state()?.head().await?.to_string(),
        may_decide: visitor.may_decide(&web.house().config),
        done: fields.get("done").is_some(),
    })
}

fn visible(row: RunActionRow) -> RunActionRow {
    RunActionRow {
        subject: view::shown(&row.subject),
        resource: view::shown(&row.resource),
        account_name: view::shown(&row.account_name),
        detail: row.detail.as_deref().map(view::shown),
        ..row
    }
}

/// What is to be undone: `action=…`, several times, or `run=…`.
fn wanted(fields: &Fields) -> Result<Undo, Problem> {
    let actions: Vec<_> = fields.all("action").map(|id| ActionId(id.to_owned())).collect();
    match (actions.is_empty(), fields.get("run")) {
        (false, None) => Ok(Undo::Actions(actions)),
        (true, Some(run)) => Ok(Undo::Run(run.to_owned())),
        (false, Some(_)) | (true, None) => Err(Problem::Invalid(
            "name either actions or a run that is to be undone".to_owned(),
        )),
    }
}

async fn applied(web: &Web, undo: &Undo) -> Result<Vec<Attempt>, Problem> {
    let state = web.state()?;
    Ok(match undo {
        Undo::Run(run) => state.applied_actions(AppliedSelection::Run(run)).await?,
        Undo::Actions(ids) => {
            let mut applied = Vec::new();
            for id in ids {
                applied.extend(state.applied_actions(AppliedSelection::Action(id)).await?);
            }
            applied
        }
    })
}

fn purpose(undo: &Undo) -> String {
    match undo {
        Undo::Run(run) => format!("undo run {run}"),
        Undo::Actions(ids) => {
            let ids: Vec<_> = ids.iter().map(ActionId::as_str).collect();
            format!("undo actions {}", ids.join(" "))
        }
    }
}

/// A change that would be undone.
struct Undoing {
    action: String,
    kind: &'static str,
    subject: String,
    resource: String,
    account: String,
    inverse: Option<&'static str>,
    applied: Moment,
}

#[derive(Template)]
#[template(path = "web/templates/rollback.html")]
struct RollbackPage {
    frame: Frame,
    rows: Vec<Undoing>,
    actions: Vec<String>,
    run: Option<String>,
    impossible: usize,
    nonce: String,
}

/// Repeats what is about to be undone. Undoes nothing.
async fn confirm(
    State(web): State<Web>,
    visitor: Visitor,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    visitor.check_may_decide(&web.house().config)?;
    let undo = wanted(&fields(query))?;
    let attempts = applied(&web, &undo).await?;
    if attempts.is_empty() {
        return Err(Problem::Conflict(
            "nothing to roll back: it was never applied, or it was rolled back already".to_owned(),
        ));
    }
    let (now, names) = (web.clock.now(), view::account_names(&web).await?);
    let row = |attempt: &Attempt| {
        let intent = &attempt.intent;
        Undoing {
            action: intent.action.to_string(),
            kind: intent.change.kind().as_str(),
            subject: view::shown(&intent.change.subject()),
            resource: view::shown(intent.resource.resource()),
            account: view::shown(&names.of(&intent.account)),
            inverse: intent.inverse.as_ref().map(|inverse| inverse.kind_str()),
            applied: Moment::of(attempt.outcome_at.unwrap_or(attempt.at), now),
        }
    };
    let rows: Vec<_> = attempts.iter().map(row).collect();
    let (actions, run) = match &undo {
        Undo::Actions(ids) => (ids.iter().map(ToString::to_string).collect(), None),
        Undo::Run(run) => (Vec::new(), Some(run.clone())),
    };
    html(&RollbackPage {
        frame: Frame::of(&web, &visitor, "/history", "Roll back").await?,
        impossible: rows.iter().filter(|row| row.inverse.is_none()).count(),
        nonce: visitor.key(&web).nonce(&purpose(&undo), now),
        rows,
        actions,
        run,
    })
}

async fn roll_back(State(web): State<Web>, visitor: Visitor, body: Bytes) -> Result<Response, Problem> {
    visitor.check_may_decide(&web.house().config)?;
    let fields = Fields::parse(&body);
    let undo = wanted(&fields)?;
    spend(&web, &visitor, &fields, &purpose(&undo)).await?;
    let done = web.desk.roll_back(undo, visitor.person()).await??;
    Ok(Redirect::to(&format!("/history?done=yes#run-{}", done.run)).into_response())
}
