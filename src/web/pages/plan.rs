//! `/plans`: saved plans, and what people say of their actions.
//!
//! Each action has a form of its own with a nonce of its own; several are decided at once on a page that repeats how many
//! they are, in which accounts, of which plan. What is decided goes to the daemon's desk.

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse as _, Redirect, Response};

use super::{Frame, Moment, fields, html, spend};
use crate::daemon::DecisionRequest;
use crate::model::{Action, ActionId, Verdict, Way, counted};
use crate::plan;
use crate::web::Web;
use crate::web::fields::Fields;
use crate::web::guard::{Right, Routes};
use crate::web::problem::Problem;
use crate::web::view::{self, ActionRow, DecisionRow, PlanRow, PlanView};
use crate::web::visitor::Visitor;

const PLANS: u32 = 100;

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .get("/plans", Right::View, list)
        .get("/plans/{plan}", Right::View, show)
        .get("/plans/{plan}/decide", Right::Decide, confirm)
        .post("/plans/{plan}/decisions", Right::Decide, decide)
}

#[derive(Template)]
#[template(path = "web/templates/plans.html")]
struct PlansPage {
    frame: Frame,
    rows: Vec<(PlanRow, Moment)>,
}

async fn list(State(web): State<Web>, visitor: Visitor) -> Result<Response, Problem> {
    let now = web.clock.now();
    let rows = view::plans(&web, PLANS).await?;
    html(&PlansPage {
        frame: Frame::of(&web, &visitor, "/plans", "Plans").await?,
        rows: rows
            .into_iter()
            .map(|row| {
                let made = Moment::of(row.created_at, now);
                (row, made)
            })
            .collect(),
    })
}

/// An action as it is shown.
struct Card {
    row: ActionRow,
    change: String,
    not_before: Option<Moment>,
    state: &'static str,
    words: String,
    said: Vec<(DecisionRow, Moment)>,
    nonce: String,
    resource: String,
}

#[derive(Template)]
#[template(path = "web/templates/plan.html")]
struct PlanPage {
    frame: Frame,
    id: String,
    made: Moment,
    digest: String,
    current: bool,
    latest: bool,
    as_if: bool,
    cards: Vec<(String, Vec<Card>)>,
    waiting: usize,
    total: usize,
    may_decide: bool,
    why_not: &'static str,
    done: Option<String>,
}

async fn view_of(web: &Web, wanted: &str) -> Result<PlanView, Problem> {
    let view = view::plan_view(web, wanted).await?;
    view.ok_or_else(|| Problem::NotFound(format!("there is no saved plan `{}`", view::shown(wanted))))
}

async fn show(
    State(web): State<Web>,
    Path(wanted): Path<String>,
    visitor: Visitor,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let view = view_of(&web, &wanted).await?;
    let config = web.house().config;
    let title = format!("Plan {}", view.stored.id);
    let may_decide = visitor.may_decide(&config) && view.plan.as_if.is_none();
    let mut cards: BTreeMap<String, Vec<Card>> = BTreeMap::new();
    for (action, row) in &view.actions {
        let card = card(&web, &visitor, &view, action, row.clone());
        cards
            .entry(view::shown(&row.account_name))
            .or_default()
            .push(card);
    }
    for cards in cards.values_mut() {
        cards.sort_by_key(|card| {
            (
                !card.row.waits(),
                std::cmp::Reverse(card.row.severity),
                card.row.id.clone(),
            )
        });
    }
    let waiting = view.actions.iter().filter(|(_, row)| row.waits()).count();
    html(&PlanPage {
        frame: Frame::of(&web, &visitor, "/plans", &title).await?,
        id: view.stored.id.clone(),
        made: Moment::of(view.plan.created_at, web.clock.now()),
        digest: view.plan.config_digest.short(12).to_owned(),
        current: view.current,
        latest: view.latest,
        as_if: view.plan.as_if.is_some(),
        total: view.actions.len(),
        cards: cards.into_iter().collect(),
        waiting,
        may_decide,
        why_not: why_not(&visitor, &config),
        done: fields(query).get("done").and_then(done),
    })
}

/// What the visitor lacks for deciding.
fn why_not(visitor: &Visitor, config: &crate::config::Config) -> &'static str {
    if visitor.role < crate::config::Role::Approver {
        "You may look; approving takes the role approver."
    } else if config.approvals.approvers.is_empty() {
        "approvals.approvers is empty: decisions are taken at the command line alone."
    } else {
        "You are not among approvals.approvers, so you may look and not decide."
    }
}

/// What was just done, in words of ours: the address carries a number and a word, and nothing else of it is shown.
fn done(text: &str) -> Option<String> {
    let mut parts = text.split('-');
    let (count, verdict, refused) = (parts.next()?, parts.next()?, parts.next()?);
    let (count, refused): (usize, usize) = (count.parse().ok()?, refused.parse().ok()?);
    let (word, then) = match verdict {
        "approved" => (
            "Approved",
            " It is applied when it is due, if all is still as shown here.",
        ),
        "rejected" => ("Rejected", ""),
        _ => return None,
    };
    let not = match refused {
        0 => String::new(),
        _ => format!(" {refused} not: nobody decides for himself, so another approver has to."),
    };
    Some(format!(
        "{word}: {}.{then}{not}",
        counted(count, "action", "actions")
    ))
}

fn purpose(plan: &str) -> String {
    format!("decide {plan}")
}

fn card(web: &Web, visitor: &Visitor, view: &PlanView, action: &Action, row: ActionRow) -> Card {
    let now = web.clock.now();
    let (state, words) = standing(&row);
    let said = row
        .decisions
        .iter()
        .map(|said| (said.clone(), Moment::of(said.at, now)));
    Card {
        change: plan::render::change(action),
        not_before: action.not_before.map(|at| Moment::of(at, now)),
        state,
        words,
        said: said.collect(),
        nonce: visitor.key(web).nonce(&purpose(&view.stored.id), now),
        resource: view::shown(action.resource.resource()),
        row,
    }
}

/// How an action stands: a class, and words.
fn standing(row: &ActionRow) -> (&'static str, String) {
    if row.applied {
        return ("applied", "applied".to_owned());
    }
    let by = |verdict: &str| {
        let said = row
            .decisions
            .iter()
            .rev()
            .find(|said| said.verdict == verdict && !said.spent);
        said.map(|said| format!("{verdict} by {}", view::shown(&said.by)))
    };
    match (row.standing, row.approvals, row.withheld_reason) {
        ("approved", ..) => (
            "approved",
            by("approved").unwrap_or_else(|| "approved".to_owned()),
        ),
        ("rejected", ..) => (
            "rejected",
            by("rejected").unwrap_or_else(|| "rejected".to_owned()),
        ),
        (_, Some((have, need)), _) => ("waits", format!("{have} of {need} approvals")),
        _ if row.waits() => ("waits", "waits for a decision".to_owned()),
        (.., Some(reason)) => ("held", format!("held back: {}", reason.replace('_', " "))),
        (.., None) => ("due", "due now".to_owned()),
    }
}

/// The actions that a form or a query names; of a blank list, those that wait.
fn named<'v>(view: &'v PlanView, fields: &Fields) -> Result<Vec<&'v ActionRow>, Problem> {
    let ids: BTreeSet<_> = fields.all("action").collect();
    if ids.is_empty() {
        let waits = view.actions.iter().map(|(_, row)| row).filter(|row| row.waits());
        return Ok(waits.collect());
    }
    let find = |id: &str| {
        let found = view.actions.iter().map(|(_, row)| row).find(|row| row.id == id);
        found.ok_or_else(|| Problem::NotFound(format!("the plan has no action `{}`", view::shown(id))))
    };
    ids.into_iter().map(find).collect()
}

fn verdict(fields: &Fields) -> Result<Verdict, Problem> {
    match fields.get("verdict") {
        Some("approved") => Ok(Verdict::Approved),
        Some("rejected") => Ok(Verdict::Rejected),
        Some(_) | None => Err(Problem::Invalid(
            "verdict: expected `approved` or `rejected`".to_owned(),
        )),
    }
}

#[derive(Template)]
#[template(path = "web/templates/confirm.html")]
struct ConfirmPage {
    frame: Frame,
    id: String,
    digest: String,
    made: Moment,
    current: bool,
    verdict: &'static str,
    verb: &'static str,
    reason: String,
    rows: Vec<ActionRow>,
    accounts: Vec<(String, usize)>,
    irreversible: usize,
    nonce: String,
}

/// Repeats what is about to be decided. Decides nothing.
async fn confirm(
    State(web): State<Web>,
    Path(wanted): Path<String>,
    visitor: Visitor,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    visitor.check_may_decide(&web.house().config)?;
    let fields = fields(query);
    let view = view_of(&web, &wanted).await?;
    let verdict = verdict(&fields)?;
    let rows: Vec<_> = named(&view, &fields)?.into_iter().cloned().collect();
    if rows.is_empty() {
        return Err(Problem::Conflict(
            "nothing of this plan waits for a decision".to_owned(),
        ));
    }
    let mut accounts: BTreeMap<String, usize> = BTreeMap::new();
    for row in &rows {
        *accounts.entry(view::shown(&row.account_name)).or_default() += 1;
    }
    let word = view::verdict_word(verdict);
    html(&ConfirmPage {
        frame: Frame::of(&web, &visitor, "/plans", "Confirm").await?,
        digest: view.plan.config_digest.as_str().to_owned(),
        made: Moment::of(view.plan.created_at, web.clock.now()),
        current: view.current,
        verdict: word,
        verb: match verdict {
            Verdict::Approved => "Approve",
            Verdict::Rejected => "Reject",
        },
        reason: fields.get("reason").unwrap_or_default().to_owned(),
        irreversible: rows.iter().filter(|row| !row.reversible).count(),
        accounts: accounts.into_iter().collect(),
        rows,
        nonce: visitor
            .key(&web)
            .nonce(&purpose(&view.stored.id), web.clock.now()),
        id: view.stored.id,
    })
}

async fn decide(
    State(web): State<Web>,
    Path(id): Path<String>,
    visitor: Visitor,
    body: Bytes,
) -> Result<Response, Problem> {
    visitor.check_may_decide(&web.house().config)?;
    let fields = Fields::parse(&body);
    let verdict = verdict(&fields)?;
    let actions: Vec<_> = fields.all("action").map(|id| ActionId(id.to_owned())).collect();
    if actions.is_empty() {
        return Err(Problem::Invalid("no action is named".to_owned()));
    }
    // The nonce names the plan by its whole id, so the beginning of another does not do.
    spend(&web, &visitor, &fields, &purpose(&id)).await?;

    let request = DecisionRequest {
        plan: id.clone(),
        actions,
        verdict,
        by: visitor.name.clone(),
        via: Way::Page,
        reason: fields.get("reason").map(ToOwned::to_owned),
    };
    let made = web.desk.decide(request).await??;
    let word = view::verdict_word(verdict);
    let refused = made.refused().count();
    let count = made.decided.len() - refused;
    let path = format!("/plans/{}?done={count}-{word}-{refused}", made.plan);
    Ok(Redirect::to(&path).into_response())
}
