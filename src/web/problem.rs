//! What did not work, for people as a page and for programs as `application/problem+json` (RFC 9457).

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;

use super::pages;
use super::visitor::Visitor;
use crate::daemon::{DecideError, Ending, RollbackError};
use crate::state::{Cause, StateError};
use crate::telemetry::Chain;

/// Why a request is not served.
#[derive(Debug)]
pub(super) enum Problem {
    /// Nobody says who asks.
    SignIn,
    /// What says who asks is not known.
    Credentials(String),
    /// Whoever asks may not.
    Forbidden(String),
    /// It is not there.
    NotFound(String),
    /// The pages are off.
    Closed,
    /// Not by this method.
    Method,
    /// It does not come from here.
    Origin(String),
    /// It cannot be understood.
    Invalid(String),
    /// The world moved on, or it was done already.
    Conflict(String),
    /// Too many failures.
    TooMany(Duration),
    /// Not a body that is read here.
    MediaType,
    /// The sign-in's provider cannot be used; why stands in the log.
    Provider,
    /// There is no state.
    NoState,
    /// The process ends.
    Ending,
    /// Something broke here; it stands in the log.
    Failed,
}

/// The body of a problem.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(super) struct Told {
    /// In a few words.
    pub(super) title: &'static str,
    /// The status of the answer.
    pub(super) status: u16,
    /// What is wrong, and what to do.
    pub(super) detail: String,
}

impl Problem {
    /// Something that broke here: it is logged once, and the reader is told so.
    pub(super) fn failed(what: &'static str, error: &dyn std::error::Error) -> Self {
        tracing::error!(error = %Chain(error), "{what}");
        Self::Failed
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::SignIn | Self::Credentials(_) => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) | Self::Origin(_) => StatusCode::FORBIDDEN,
            Self::NotFound(_) | Self::Closed => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Provider => StatusCode::BAD_GATEWAY,
            Self::NoState | Self::Ending => StatusCode::SERVICE_UNAVAILABLE,
            Self::Failed => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn title(&self) -> &'static str {
        match self {
            Self::SignIn => "Sign in first",
            Self::Credentials(_) => "That is not known here",
            Self::Forbidden(_) => "You may not do that",
            Self::NotFound(_) => "Not found",
            Self::Closed => "The pages are off",
            Self::Method => "Not by this method",
            Self::Origin(_) => "This did not come from here",
            Self::Invalid(_) => "This cannot be understood",
            Self::Conflict(_) => "Nothing was changed",
            Self::TooMany(_) => "Too many attempts",
            Self::MediaType => "Not a body that is read here",
            Self::Provider => "The provider does not answer",
            Self::NoState | Self::Ending => "Not now",
            Self::Failed => "Something went wrong here",
        }
    }

    fn detail(self) -> String {
        match self {
            Self::SignIn => "This needs a sign-in or a bearer token.".to_owned(),
            Self::Closed => {
                "Nobody is declared who may look: see [server.auth] in the configuration.".to_owned()
            }
            Self::Method => "This address takes other methods; the header `Allow` names them.".to_owned(),
            Self::TooMany(pause) => format!("Try again in {} seconds.", pause.as_secs().max(1)),
            Self::MediaType => "Send application/json.".to_owned(),
            Self::Provider => {
                "The sign-in's provider cannot be used now; why stands in the log of iamwarden.".to_owned()
            }
            Self::NoState => "There is no state to read.".to_owned(),
            Self::Ending => Ending.to_string(),
            Self::Failed => "What it was stands in the log of iamwarden.".to_owned(),
            Self::Credentials(detail)
            | Self::Forbidden(detail)
            | Self::NotFound(detail)
            | Self::Origin(detail)
            | Self::Invalid(detail)
            | Self::Conflict(detail) => detail,
        }
    }
}

/// Marks an answer whose body the guard has yet to write.
#[derive(Debug, Clone)]
struct Untold(Told);

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status();
        let mut response = status.into_response();
        let headers = response.headers_mut();
        match &self {
            Self::SignIn | Self::Credentials(_) => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Self::TooMany(pause) => {
                headers.insert(header::RETRY_AFTER, pause.as_secs().max(1).into());
            }
            Self::Forbidden(_)
            | Self::NotFound(_)
            | Self::Closed
            | Self::Method
            | Self::Origin(_)
            | Self::Invalid(_)
            | Self::Conflict(_)
            | Self::MediaType
            | Self::Provider
            | Self::NoState
            | Self::Ending
            | Self::Failed => {}
        }
        let told = Told {
            title: self.title(),
            status: status.as_u16(),
            detail: sentence(&self.detail()),
        };
        response.extensions_mut().insert(Untold(told));
        response
    }
}

/// Errors begin in lower case and end without a full stop.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters
        .next()
        .map(|c| c.to_uppercase().to_string())
        .unwrap_or_default();
    let end = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}

/// In which form answers are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A line of text, for machines that ask for health.
    Text,
    /// A page.
    Page,
    /// `application/problem+json`
    Json,
}

impl Form {
    /// What is expected at a path.
    pub(super) fn of(path: &str) -> Self {
        match path {
            "/healthz" | "/readyz" | "/metrics" => Self::Text,
            _ if path.starts_with("/api/") || path.starts_with("/integrations/") => Self::Json,
            _ => Self::Page,
        }
    }
}

/// Writes the body of a problem, where the answer is one.
pub(super) fn tell(
    mut response: Response,
    form: Form,
    from: &str,
    visitor: Option<&Visitor>,
    web: &super::Web,
) -> Response {
    let told = response
        .extensions_mut()
        .remove::<Untold>()
        .map(|untold| untold.0);
    let told = match told {
        Some(told) => told,
        // What an extractor refused says it in plain text of its own.
        None if response.status() == StatusCode::PAYLOAD_TOO_LARGE => Told {
            title: "Too large",
            status: StatusCode::PAYLOAD_TOO_LARGE.as_u16(),
            detail: "No request that is served here is that large.".to_owned(),
        },
        None => return response,
    };
    let (kind, body) = match form {
        Form::Text => ("text/plain; charset=utf-8", format!("{}\n", told.detail)),
        Form::Json => ("application/problem+json", problem_json(&told)),
        Form::Page => (
            "text/html; charset=utf-8",
            pages::problem(&told, from, visitor, web),
        ),
    };
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().remove(header::CONTENT_LENGTH);
    *response.body_mut() = Body::from(body);
    response
}

fn problem_json(told: &Told) -> String {
    // A struct of texts and a number: serde_json cannot refuse it.
    serde_json::to_string(told).unwrap_or_default()
}

impl From<StateError> for Problem {
    fn from(error: StateError) -> Self {
        match matches!(error.cause(), Cause::AmbiguousPlan { .. }) {
            true => Self::Invalid(error.cause().to_string()),
            false => Self::failed("the state failed while a page was made", &error),
        }
    }
}

impl From<Ending> for Problem {
    fn from(Ending: Ending) -> Self {
        Self::Ending
    }
}

impl From<DecideError> for Problem {
    fn from(error: DecideError) -> Self {
        match error {
            DecideError::Refused(_) => Self::Forbidden(error.to_string()),
            DecideError::NoPlan(_) | DecideError::NoAction { .. } | DecideError::NoExemption(_) => {
                Self::NotFound(error.to_string())
            }
            DecideError::NothingToDecide(_) | DecideError::Settled { .. } => {
                Self::Conflict(error.to_string())
            }
            DecideError::Senseless(_) => Self::Invalid(error.to_string()),
            DecideError::Unreadable { .. } => Self::failed("a saved plan cannot be read", &error),
            DecideError::NoState => Self::NoState,
            DecideError::State(error) => error.into(),
        }
    }
}

impl From<RollbackError> for Problem {
    fn from(error: RollbackError) -> Self {
        match error {
            RollbackError::Refused(_) => Self::Forbidden(error.to_string()),
            RollbackError::DryRun | RollbackError::Nothing | RollbackError::Settling => {
                Self::Conflict(error.to_string())
            }
            RollbackError::Unheard(crate::daemon::UndoError::State(error)) | RollbackError::State(error) => {
                error.into()
            }
            RollbackError::Unheard(error @ crate::daemon::UndoError::Unheard(_)) => {
                Self::NotFound(error.to_string())
            }
        }
    }
}
