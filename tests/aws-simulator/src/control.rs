//! The control API: the handle's methods over HTTP, below `/_control/`.

use std::time::Duration;

use chrono::{DateTime, Utc};
use hyper::{Method, Uri};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::edit::Edit;
use crate::faults::{Fault, Release};
use crate::seed::{Consistency, Paging, Seed, span};
use crate::services::names;
use crate::simulator::Simulator;
use crate::wire::reply::HttpAnswer;
use crate::wire::service::Service;

/// Waiting for a hold takes at most this long, whatever is asked for.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What was wrong with a request.
struct Refusal(u16, String);

type Result<T> = std::result::Result<T, Refusal>;

/// Answers a request of a test.
pub(crate) async fn answer(simulator: &Simulator, method: &Method, uri: &Uri, body: &[u8]) -> HttpAnswer {
    let path: Vec<&str> = uri.path().trim_start_matches("/_control/").split('/').collect();
    let (status, value) = match route(simulator, method, &path, uri.query(), body).await {
        Ok(value) => (200, value),
        Err(Refusal(status, problem)) => (status, json!({ "error": problem })),
    };
    HttpAnswer::new(status, "application/json", String::new(), value.to_string())
}

async fn route(
    simulator: &Simulator,
    method: &Method,
    path: &[&str],
    query: Option<&str>,
    body: &[u8],
) -> Result<Value> {
    match (method.as_str(), path) {
        ("GET", ["calls"]) => json_of(&simulator.calls()),
        ("DELETE", ["calls"]) => {
            simulator.clear_calls();
            done()
        }
        ("GET", ["counts"]) => json_of(&simulator.counts()),
        ("GET", ["clock"]) => Ok(clock(simulator)),
        ("POST", ["clock"]) => set_clock(simulator, &read(body)?),
        ("GET", ["faults"]) => {
            let entry = |(fault, matched): (Fault, u32)| json!({ "fault": fault, "matched": matched });
            Ok(simulator.faults().list().into_iter().map(entry).collect())
        }
        ("POST", ["faults"]) => {
            simulator.faults().add(read(body)?);
            done()
        }
        ("DELETE", ["faults"]) => {
            simulator.faults().clear();
            done()
        }
        ("GET", ["holds"]) => json_of(&simulator.holds().list()),
        ("GET", ["holds", "wait"]) => wait_for_hold(simulator, query).await,
        ("POST", ["holds", "release"]) => {
            simulator.holds().release_all();
            done()
        }
        ("POST", ["holds", id, "release"]) => release(simulator, id, body),
        ("GET", ["operations"]) => Ok(Service::all()
            .map(|service| (service.name().to_owned(), json!(names(service))))
            .collect()),
        ("GET", ["accounts"]) => json_of(&simulator.accounts()),
        ("GET", ["state", account]) => simulator
            .state(account)
            .ok_or_else(|| Refusal(404, format!("there is no account {account}"))),
        ("POST", ["seed"]) => plant(simulator, body),
        ("POST", ["edit"]) => {
            let edit: Edit = read(body)?;
            simulator
                .edit(&edit)
                .map(|()| json!({}))
                .map_err(|error| Refusal(400, error.to_string()))
        }
        ("POST", ["paging"]) => {
            simulator.set_paging(read::<Paging>(body)?);
            done()
        }
        ("POST", ["consistency"]) => {
            simulator.set_consistency(read::<Consistency>(body)?);
            done()
        }
        ("POST", ["consistency", "release"]) => {
            simulator.release_writes(None);
            done()
        }
        ("POST", ["consistency", account, "release"]) => {
            simulator.release_writes(Some(account));
            done()
        }
        _ => Err(Refusal(
            404,
            format!("{method} /_control/{} is not known", path.join("/")),
        )),
    }
}

/// The answer where there is nothing to say.
fn done() -> Result<Value> {
    Ok(json!({}))
}

fn json_of(value: &impl serde::Serialize) -> Result<Value> {
    serde_json::to_value(value).map_err(|error| Refusal(500, error.to_string()))
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    serde_json::from_slice(body).map_err(|error| Refusal(400, error.to_string()))
}

/// `{"set": "2026-09-01T00:00:00Z"}`, `{"advance": "3d"}`, `{"frozen": true}`, or several of these.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ClockChange {
    set: Option<DateTime<Utc>>,
    advance: Option<String>,
    frozen: Option<bool>,
}

fn clock(simulator: &Simulator) -> Value {
    json!({ "now": simulator.clock().now(), "frozen": simulator.clock().is_frozen() })
}

fn set_clock(simulator: &Simulator, change: &ClockChange) -> Result<Value> {
    let step = change.advance.as_deref().map(|text| {
        let (sign, text) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
        let step = span(text).ok_or_else(|| Refusal(400, format!("`{text}` is no span of time")))?;
        Ok(step * sign)
    });
    let step = step.transpose()?;
    if let Some(at) = change.set {
        simulator.clock().set(at);
    }
    if let Some(step) = step {
        simulator.clock().advance(step);
    }
    match change.frozen {
        Some(true) => simulator.clock().freeze(),
        Some(false) => simulator.clock().run(),
        None => {}
    }
    Ok(clock(simulator))
}

/// `?timeout_ms=5000`; the hold, or `null` when the time has passed.
async fn wait_for_hold(simulator: &Simulator, query: Option<&str>) -> Result<Value> {
    let asked = form_urlencoded::parse(query.unwrap_or_default().as_bytes())
        .find(|(name, _)| name == "timeout_ms")
        .map(|(_, value)| value.parse().map(Duration::from_millis))
        .transpose()
        .map_err(|_| Refusal(400, "timeout_ms is no number".to_owned()))?;
    let at_most = asked.unwrap_or(Duration::from_secs(10)).min(LONGEST_WAIT);
    json_of(&simulator.holds().wait(at_most).await)
}

/// `{"then": "reset"}`, or nothing to go on.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct HowToRelease {
    then: Release,
}

fn release(simulator: &Simulator, id: &str, body: &[u8]) -> Result<Value> {
    let HowToRelease { then } = if body.is_empty() {
        HowToRelease::default()
    } else {
        read(body)?
    };
    let held = id.parse().is_ok_and(|id| simulator.holds().release(id, then));
    if held {
        Ok(json!({}))
    } else {
        Err(Refusal(404, format!("call {id} is not held")))
    }
}

/// A seed as TOML or as JSON.
fn plant(simulator: &Simulator, body: &[u8]) -> Result<Value> {
    let text = std::str::from_utf8(body).map_err(|error| Refusal(400, error.to_string()))?;
    let seed: Seed = if text.trim_start().starts_with('{') {
        read(body)?
    } else {
        Seed::parse(text).map_err(|error| Refusal(400, error.to_string()))?
    };
    simulator
        .replant(&seed)
        .map(|()| json!({}))
        .map_err(|error| Refusal(400, error.to_string()))
}
