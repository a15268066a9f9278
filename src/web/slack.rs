//! `POST /integrations/slack/actions`: clicks in Slack, believed by their signature alone.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;

use crate::daemon::{Chat, NotTaken, SignedRequest};
use crate::telemetry::Chain;

/// Where Slack posts clicks.
pub const PATH: &str = "/integrations/slack/actions";
/// More than any payload has, in bytes.
const LARGEST_BODY: usize = 512 * 1024;

/// The route. It has no visitor: who clicked, the signed payload says.
pub fn routes(chat: Chat) -> Router {
    Router::new()
        .route(PATH, post(take))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(chat)
}

async fn take(State(chat): State<Chat>, headers: HeaderMap, body: Bytes) -> Response {
    // A header that is there twice is no signature.
    let header = |name: &str| {
        let mut values = headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => value.to_str().ok(),
            (Some(_), Some(_)) | (None, _) => None,
        }
    };
    let request = SignedRequest {
        timestamp: header("x-slack-request-timestamp"),
        signature: header("x-slack-signature"),
        body: &body,
    };
    match chat.take(request).await {
        Ok(()) => StatusCode::OK.into_response(),
        Err(refusal) => refused(&refusal),
    }
}

fn refused(refusal: &NotTaken) -> Response {
    tracing::warn!(error = %Chain(refusal), "a click was not taken");
    let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, format!("{refusal}\n")).into_response()
}
