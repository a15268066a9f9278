//! What the API changes: decisions, rollbacks, the freeze.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::Response;
use chrono::{NaiveDate, TimeDelta};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::document;
use crate::daemon::{DecisionOutcome, DecisionRequest, ExemptionAsked, RolledBack, Undo};
use crate::model::{
    AccountId, ActionId, Arn, Digest, ExemptionId, Owner, RequestedExemption, RuleName, Verdict, Way,
};
use crate::state::RequestSeen;
use crate::web::Web;
use crate::web::guard::{Right, Routes};
use crate::web::problem::Problem;
use crate::web::view;
use crate::web::visitor::{Means, Visitor};

/// How long an answer is given again.
const REMEMBERED: TimeDelta = TimeDelta::hours(24);
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// In characters; a key is not a place to keep things.
const LONGEST_KEY: usize = 255;

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .post("/api/v1/plans/{plan}/decisions", Right::Decide, decide)
        .post("/api/v1/rollbacks", Right::Decide, roll_back)
        .post("/api/v1/exemptions", Right::View, ask_for_exemption)
        .post(
            "/api/v1/exemptions/{exemption}/answer",
            Right::Decide,
            answer_exemption,
        )
        .post(
            "/api/v1/exemptions/{exemption}/revocation",
            Right::Decide,
            revoke_exemption,
        )
        .get("/api/v1/freeze", Right::View, show_freeze)
        .post("/api/v1/freeze", Right::Administer, freeze)
        .post("/api/v1/unfreeze", Right::Administer, unfreeze)
}

/// What is said of a plan.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DecisionBody {
    /// `approved` or `rejected`.
    pub(super) verdict: Verdict,
    /// Which of its actions; absent: all.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub(super) actions: Option<Vec<String>>,
    /// Why.
    #[serde(default)]
    pub(super) reason: Option<String>,
}

/// What was recorded.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct DecisionAnswer {
    /// The whole id of the plan.
    pub(super) plan: String,
    /// What was said.
    pub(super) verdict: &'static str,
    /// By whom.
    pub(super) by: String,
    /// Of which actions, each with what came of it.
    pub(super) actions: Vec<DecidedRow>,
    /// Whether the configuration is another than the plan's: then it counts for nothing now.
    pub(super) outdated: bool,
}

/// What came of a decision of one action.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct DecidedRow {
    /// Which action.
    pub(super) action: String,
    /// `recorded`; `repeated`: it was there already and still counts; `refused`: this person may not decide it.
    pub(super) outcome: &'static str,
    /// Why it was refused.
    pub(super) detail: Option<String>,
    /// How the action stands now: `open`, `partly`, `approved` or `rejected`.
    pub(super) standing: &'static str,
    /// A newer plan that holds the action otherwise: the decision is none of that.
    pub(super) superseded_by: Option<String>,
}

/// What is to be undone: either actions or a run.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RollbackBody {
    /// These actions.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub(super) actions: Option<Vec<String>>,
    /// All that this run applied.
    #[serde(default)]
    pub(super) run: Option<String>,
}

/// What became of a rollback.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::web) struct RollbackAnswer {
    /// The run in the history.
    pub(in crate::web) run: String,
    /// What became of each change.
    pub(in crate::web) results: Vec<Undone>,
}

/// What became of one change.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::web) struct Undone {
    /// Which action.
    pub(in crate::web) action: String,
    /// Of what.
    pub(in crate::web) resource: String,
    /// `applied`: it is as it was before.
    pub(in crate::web) result: String,
    /// What is said of it.
    pub(in crate::web) detail: Option<String>,
}

/// An exemption that somebody asks for.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ExemptionBody {
    /// Twelve digits.
    #[schemars(regex(pattern = r"^[0-9]{12}$"))]
    pub(super) account: String,
    /// The ARN of what is to be left alone.
    #[schemars(length(min = 1))]
    pub(super) resource: String,
    /// By which rules.
    #[schemars(length(min = 1))]
    pub(super) rules: Vec<String>,
    /// The last day, in UTC.
    pub(super) until: NaiveDate,
    /// Why.
    #[schemars(length(min = 1))]
    pub(super) reason: String,
    /// Who answers for the thing, where that is known.
    #[serde(default)]
    pub(super) owner: Option<String>,
}

/// What is said of a request.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AnswerBody {
    /// Yes or no.
    pub(super) granted: bool,
    /// Why.
    #[serde(default)]
    pub(super) reason: Option<String>,
}

/// That a granted exemption is taken back.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RevocationBody {
    /// Why.
    #[serde(default)]
    pub(super) reason: Option<String>,
}

/// Why everything is to stop.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FreezeBody {
    /// For whoever finds everything frozen.
    #[schemars(length(min = 1))]
    pub(super) reason: String,
}

/// Whether all changes are stopped.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct FreezeAnswer {
    /// By a flag in the state, which can be released here.
    pub(super) frozen: bool,
    /// By whom.
    pub(super) by: Option<String>,
    /// Why.
    pub(super) reason: Option<String>,
    /// By the configuration, which holds beside the flag.
    pub(super) by_configuration: bool,
}

/// Reads a body of JSON, from somebody who asks by a token.
fn read<T: DeserializeOwned>(visitor: &Visitor, headers: &HeaderMap, body: &[u8]) -> Result<T, Problem> {
    ensure_program(visitor)?;
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default();
    if !kind.trim().eq_ignore_ascii_case("application/json") {
        return Err(Problem::MediaType);
    }
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut reader)
        .map_err(|error| Problem::Invalid(format!("the body cannot be read: {error}")))?;
    reader
        .end()
        .map_err(|error| Problem::Invalid(format!("the body cannot be read: {error}")))?;
    Ok(value)
}

fn ensure_program(visitor: &Visitor) -> Result<(), Problem> {
    match visitor.means {
        Means::Token | Means::Off => Ok(()),
        Means::Session { .. } => Err(Problem::Forbidden(
            "the API takes changes by a bearer token alone: a browser uses the pages".to_owned(),
        )),
    }
}

/// Does something once for each idempotency key, and answers the same to who asks the same again.
async fn once<T: Serialize>(
    web: &Web,
    visitor: &Visitor,
    headers: &HeaderMap,
    content: &serde_json::Value,
    work: impl Future<Output = Result<T, Problem>>,
) -> Result<Response, Problem> {
    let Some(key) = headers.get(IDEMPOTENCY_KEY) else {
        return super::json(&work.await?);
    };
    let key = key
        .to_str()
        .ok()
        .filter(|key| key.bytes().all(|b| b.is_ascii_graphic()))
        .filter(|key| !key.is_empty() && key.len() <= LONGEST_KEY);
    let key = key.ok_or_else(|| {
        Problem::Invalid(format!(
            "Idempotency-Key: expected 1 to {LONGEST_KEY} printable characters"
        ))
    })?;
    let (state, now) = (web.state()?, web.clock.now());
    let id = Digest::of_json(&serde_json::json!(["idempotency", visitor.name, key]));
    let content = Digest::of_json(content);
    match state.see_request(&id, &content, now, now + REMEMBERED).await? {
        RequestSeen::New => {}
        RequestSeen::Before(Some(answer)) => {
            let mut response = document("application/json", answer);
            response
                .headers_mut()
                .insert(REPLAYED, HeaderValue::from_static("true"));
            return Ok(response);
        }
        RequestSeen::Before(None) => {
            return Err(Problem::Conflict(
                "a request with this Idempotency-Key is being served, or its answer was lost: look at the history"
                    .to_owned(),
            ));
        }
        RequestSeen::Other => {
            return Err(Problem::Conflict(
                "this Idempotency-Key was used for another request".to_owned(),
            ));
        }
    }
    match work.await {
        Ok(value) => {
            let answer = serde_json::to_string(&value)
                .map_err(|error| Problem::failed("an answer cannot be written", &error))?;
            state.keep_answer(&id, &answer).await?;
            Ok(document("application/json", answer))
        }
        Err(problem) => {
            state.forget_request(&id).await?;
            Err(problem)
        }
    }
}

async fn decide(
    State(web): State<Web>,
    Path(plan): Path<String>,
    visitor: Visitor,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let body: DecisionBody = read(&visitor, &headers, &body)?;
    visitor.check_may_decide(&web.house().config)?;
    let content = serde_json::json!(["decide", plan, body]);
    let actions = body.actions.unwrap_or_default();
    let request = DecisionRequest {
        plan,
        actions: actions.into_iter().map(ActionId).collect(),
        verdict: body.verdict,
        by: visitor.name.clone(),
        via: Way::Page,
        reason: body.reason.filter(|reason| !reason.trim().is_empty()),
    };
    let work = async {
        let made = web.desk.decide(request).await??;
        Ok(DecisionAnswer {
            plan: made.plan,
            verdict: view::verdict_word(body.verdict),
            by: visitor.name.clone(),
            actions: made
                .decided
                .iter()
                .map(|one| DecidedRow {
                    action: one.action.id.to_string(),
                    outcome: match &one.outcome {
                        DecisionOutcome::Recorded => "recorded",
                        DecisionOutcome::Repeated => "repeated",
                        DecisionOutcome::Refused(_) => "refused",
                    },
                    detail: match &one.outcome {
                        DecisionOutcome::Refused(refusal) => Some(refusal.to_string()),
                        DecisionOutcome::Recorded | DecisionOutcome::Repeated => None,
                    },
                    standing: view::standing_word(one.standing),
                    superseded_by: one.superseded_by.clone(),
                })
                .collect(),
            outdated: made.outdated,
        })
    };
    once(&web, &visitor, &headers, &content, work).await
}

async fn roll_back(
    State(web): State<Web>,
    visitor: Visitor,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let body: RollbackBody = read(&visitor, &headers, &body)?;
    visitor.check_may_decide(&web.house().config)?;
    let content = serde_json::json!(["roll back", body]);
    let undo = match (body.actions, body.run) {
        (Some(actions), None) if !actions.is_empty() => {
            Undo::Actions(actions.into_iter().map(ActionId).collect())
        }
        (None, Some(run)) if !run.trim().is_empty() => Undo::Run(run),
        _ => {
            return Err(Problem::Invalid(
                "expected either `actions`, at least one, or `run`".to_owned(),
            ));
        }
    };
    let work = async { Ok(rolled_back(web.desk.roll_back(undo, visitor.person()).await??)) };
    once(&web, &visitor, &headers, &content, work).await
}

/// The same as rows.
pub(in crate::web) fn rolled_back(done: RolledBack) -> RollbackAnswer {
    RollbackAnswer {
        run: done.run,
        results: done
            .reports
            .iter()
            .map(|report| Undone {
                action: report.action.to_string(),
                resource: report.resource.to_string(),
                result: report.result.as_str().to_owned(),
                detail: report.result.detail().map(ToOwned::to_owned),
            })
            .collect(),
    }
}

async fn ask_for_exemption(
    State(web): State<Web>,
    visitor: Visitor,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let body: ExemptionBody = read(&visitor, &headers, &body)?;
    let content = serde_json::json!(["ask for an exemption", body]);
    let senseless = |error: &dyn std::error::Error| Problem::Invalid(error.to_string());
    let account = AccountId::parse(&body.account).map_err(|error| senseless(&error))?;
    let resource = Arn::parse(&body.resource).map_err(|error| senseless(&error))?;
    let rules: Vec<_> = body.rules.into_iter().map(|rule| RuleName(rule.into())).collect();
    let owner = body.owner.filter(|owner| !owner.trim().is_empty()).map(Owner);
    let (house, person, now) = (web.house(), visitor.person(), web.clock.now());
    let work = async {
        let request = house
            .ask_for_exemption(ExemptionAsked {
                account: &account,
                resource: &resource,
                rules: &rules,
                until: body.until,
                reason: &body.reason,
                owner: owner.as_ref(),
                person: &person,
            })
            .await?;
        let exemption = RequestedExemption {
            request,
            answer: None,
            revoked: None,
        };
        Ok(view::requested(&exemption, now.date_naive()))
    };
    once(&web, &visitor, &headers, &content, work).await
}

async fn answer_exemption(
    State(web): State<Web>,
    Path(id): Path<String>,
    visitor: Visitor,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let body: AnswerBody = read(&visitor, &headers, &body)?;
    let content = serde_json::json!(["answer an exemption", id, body]);
    let (house, person, today) = (web.house(), visitor.person(), web.clock.now().date_naive());
    let work = async {
        let reason = body.reason.as_deref();
        let changed = house
            .answer_exemption(&ExemptionId(id), body.granted, &person, reason)
            .await?;
        Ok(view::requested(&changed, today))
    };
    once(&web, &visitor, &headers, &content, work).await
}

async fn revoke_exemption(
    State(web): State<Web>,
    Path(id): Path<String>,
    visitor: Visitor,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let body: RevocationBody = read(&visitor, &headers, &body)?;
    let content = serde_json::json!(["take an exemption back", id, body]);
    let (house, person, today) = (web.house(), visitor.person(), web.clock.now().date_naive());
    let work = async {
        let reason = body.reason.as_deref();
        let changed = house.revoke_exemption(&ExemptionId(id), &person, reason).await?;
        Ok(view::requested(&changed, today))
    };
    once(&web, &visitor, &headers, &content, work).await
}

async fn freeze_answer(web: &Web) -> Result<FreezeAnswer, Problem> {
    let frozen = web.state()?.frozen().await?;
    Ok(FreezeAnswer {
        frozen: frozen.is_some(),
        by: frozen.as_ref().map(|freeze| freeze.by.clone()),
        reason: frozen.map(|freeze| freeze.reason),
        by_configuration: web.house().config.freeze,
    })
}

async fn show_freeze(State(web): State<Web>) -> Result<Response, Problem> {
    super::json(&freeze_answer(&web).await?)
}

async fn freeze(
    State(web): State<Web>,
    visitor: Visitor,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let body: FreezeBody = read(&visitor, &headers, &body)?;
    if body.reason.trim().is_empty() {
        return Err(Problem::Invalid(
            "reason: say why, for whoever finds everything frozen".to_owned(),
        ));
    }
    let content = serde_json::json!(["freeze", body]);
    let work = async {
        web.state()?
            .freeze(body.reason.trim(), &visitor.name, web.clock.now())
            .await?;
        freeze_answer(&web).await
    };
    once(&web, &visitor, &headers, &content, work).await
}

async fn unfreeze(State(web): State<Web>, visitor: Visitor, headers: HeaderMap) -> Result<Response, Problem> {
    ensure_program(&visitor)?;
    let work = async {
        web.state()?.unfreeze(&visitor.name, web.clock.now()).await?;
        freeze_answer(&web).await
    };
    once(&web, &visitor, &headers, &serde_json::json!(["unfreeze"]), work).await
}
