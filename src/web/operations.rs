//! For container platforms and Prometheus: `/healthz`, `/readyz`, `/metrics`. Open to whoever reaches the address.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::Web;
use super::guard::{Right, Routes};
use crate::telemetry::{Chain, Metrics};

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .get("/healthz", Right::Machines, health)
        .get("/readyz", Right::Machines, ready)
        .get("/metrics", Right::Machines, show_metrics)
}

async fn health() -> &'static str {
    "ok\n"
}

async fn ready(State(web): State<Web>) -> Response {
    let report = web.readiness.report(web.clock.now());
    let status = if report.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    match serde_json::to_string(&report) {
        Ok(body) => (status, [(header::CONTENT_TYPE, "application/json")], body + "\n").into_response(),
        Err(error) => failed("cannot write the readiness report", &error),
    }
}

async fn show_metrics(State(web): State<Web>, headers: HeaderMap) -> Response {
    let mut accepted = headers.get_all(header::ACCEPT).iter();
    let wants_open = accepted.any(|accept| {
        accept
            .to_str()
            .is_ok_and(|text| text.contains("openmetrics-text"))
    });
    let (media_type, text) = match wants_open {
        true => (Metrics::OPEN_CONTENT_TYPE, web.metrics.encode_open()),
        false => (Metrics::CONTENT_TYPE, web.metrics.encode()),
    };
    match text {
        Ok(text) => ([(header::CONTENT_TYPE, media_type)], text).into_response(),
        Err(error) => failed("cannot answer /metrics", &error),
    }
}

fn failed(what: &'static str, error: &dyn std::error::Error) -> Response {
    tracing::error!(error = %Chain(error), "{what}");
    (StatusCode::INTERNAL_SERVER_ERROR, "internal error; see the log\n").into_response()
}
