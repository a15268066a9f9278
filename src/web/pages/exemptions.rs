//! `/exemptions`: who is left alone, why, and until when; asking for it, granting, refusing and taking back.

use askama::Template;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use chrono::NaiveDate;

use super::{Frame, fields, html, spend};
use crate::daemon::ExemptionAsked;
use crate::model::{AccountId, Arn, ExemptionId, Owner, RuleName};
use crate::web::Web;
use crate::web::fields::Fields;
use crate::web::guard::{Right, Routes};
use crate::web::problem::Problem;
use crate::web::view::{self, ExemptionRow, FindingRow};
use crate::web::visitor::Visitor;

/// How far ahead the form suggests the last day.
const SUGGESTED: chrono::TimeDelta = chrono::TimeDelta::days(90);

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .get("/exemptions", Right::View, show)
        .get("/exemptions/ask", Right::View, form)
        .post("/exemptions", Right::View, ask)
        .post("/exemptions/{exemption}", Right::Decide, answer)
}

#[derive(Template)]
#[template(path = "web/templates/exemptions.html")]
struct ExemptionsPage {
    frame: Frame,
    /// Those that wait for an answer, each with a nonce.
    requested: Vec<(ExemptionRow, String, String)>,
    /// All others.
    rows: Vec<(ExemptionRow, String, String)>,
    may_decide: bool,
    done: bool,
}

fn purpose(id: &str) -> String {
    format!("exemption {id}")
}

async fn show(
    State(web): State<Web>,
    visitor: Visitor,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let now = web.clock.now();
    let key = visitor.key(&web);
    let row = |row: ExemptionRow| {
        let when = crate::model::relative_day(now, row.until);
        let nonce = key.nonce(&purpose(&row.source), now);
        (row, when, nonce)
    };
    let all = view::exemptions(&web).await?.into_iter().map(row);
    let (requested, rows) = all.partition(|(row, ..)| row.state == "requested");
    html(&ExemptionsPage {
        frame: Frame::of(&web, &visitor, "/exemptions", "Exemptions").await?,
        requested,
        rows,
        may_decide: visitor.may_decide(&web.house().config),
        done: fields(query).get("done").is_some(),
    })
}

#[derive(Template)]
#[template(path = "web/templates/ask.html")]
struct AskPage {
    frame: Frame,
    row: FindingRow,
    today: NaiveDate,
    until: NaiveDate,
    nonce: String,
}

async fn finding(web: &Web, fields: &Fields) -> Result<FindingRow, Problem> {
    let wanted = fields.get("finding").unwrap_or_default();
    let all = view::all_findings(web, false).await?;
    let found = all.into_iter().find(|row| row.id == wanted);
    found.ok_or_else(|| Problem::NotFound("this finding does not stand: open the findings again".to_owned()))
}

async fn form(
    State(web): State<Web>,
    visitor: Visitor,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let row = finding(&web, &fields(query)).await?;
    let now = web.clock.now();
    html(&AskPage {
        frame: Frame::of(&web, &visitor, "/exemptions", "Ask for an exemption").await?,
        today: now.date_naive(),
        until: (now + SUGGESTED).date_naive(),
        nonce: visitor.key(&web).nonce(&purpose(&row.id), now),
        row,
    })
}

async fn ask(State(web): State<Web>, visitor: Visitor, body: Bytes) -> Result<Response, Problem> {
    let fields = Fields::parse(&body);
    let row = finding(&web, &fields).await?;
    let senseless = |error: &dyn std::error::Error| Problem::Invalid(error.to_string());
    let until = fields.get("until").unwrap_or_default();
    let until: NaiveDate = until
        .parse()
        .map_err(|_| Problem::Invalid("the last day is missing, such as 2027-01-31".to_owned()))?;
    let reason = fields.get("reason");
    let reason = reason.ok_or_else(|| Problem::Invalid("the reason is missing".to_owned()))?;
    let account = AccountId::parse(&row.account).map_err(|error| senseless(&error))?;
    let resource = Arn::parse(&row.resource).map_err(|error| senseless(&error))?;
    spend(&web, &visitor, &fields, &purpose(&row.id)).await?;
    web.house()
        .ask_for_exemption(ExemptionAsked {
            account: &account,
            resource: &resource,
            rules: &[RuleName(row.rule.clone().into())],
            until,
            reason,
            owner: row.owner.clone().map(Owner).as_ref(),
            person: &visitor.person(),
        })
        .await?;
    Ok(Redirect::to("/exemptions?done=yes").into_response())
}

async fn answer(
    State(web): State<Web>,
    Path(id): Path<String>,
    visitor: Visitor,
    body: Bytes,
) -> Result<Response, Problem> {
    let house = web.house();
    visitor.check_may_decide(&house.config)?;
    let fields = Fields::parse(&body);
    let (person, reason, named) = (visitor.person(), fields.get("reason"), ExemptionId(id.clone()));
    let said = fields.get("answer").unwrap_or_default();
    if !matches!(said, "granted" | "refused" | "revoked") {
        return Err(Problem::Invalid(
            "answer: expected `granted`, `refused` or `revoked`".to_owned(),
        ));
    }
    spend(&web, &visitor, &fields, &purpose(&id)).await?;
    match said {
        "revoked" => house.revoke_exemption(&named, &person, reason).await?,
        said => {
            house
                .answer_exemption(&named, said == "granted", &person, reason)
                .await?
        }
    };
    Ok(Redirect::to("/exemptions?done=yes").into_response())
}
