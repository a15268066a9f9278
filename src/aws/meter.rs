//! Interceptors: what is noted of every call, and of every attempt on the wire, retries inside the SDK included.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    AfterDeserializationInterceptorContextRef, BeforeSerializationInterceptorContextRef,
    BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextRef,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::{HttpResponse, Metadata};
use aws_smithy_runtime_api::client::retries::RequestAttempts;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};
use chrono::{DateTime, Utc};
use tokio::time::Instant;
use tracing::{Span, debug_span, field};

use super::budget::{CallBudget, CallCounter, CallResult};
use super::errors::ErrorKind;

/// The span of a call, retries and their pauses included.
#[derive(Debug)]
struct CallSpan(Span);

impl Storable for CallSpan {
    type Storer = StoreReplace<Self>;
}

impl CallSpan {
    fn record(cfg: &ConfigBag, note: impl FnOnce(&Span)) {
        if let Some(call) = cfg.load::<Self>() {
            note(&call.0);
        }
    }
}

/// Counts attempts and their results, lets retries take from the account's budget, and keeps the span of the call.
#[derive(Debug, Clone)]
pub(super) struct Meter {
    pub(super) service: &'static str,
    pub(super) budget: Arc<CallBudget>,
    pub(super) counter: Arc<CallCounter>,
}

impl Meter {
    fn operation(&self, cfg: &ConfigBag) -> String {
        let name = cfg.load::<Metadata>().map_or("unknown", Metadata::name);
        format!("{}:{name}", self.service)
    }
}

#[dyn_dispatch_hint]
impl Intercept for Meter {
    fn name(&self) -> &'static str {
        "iamwarden-meter"
    }

    // Not before execution: the name of the operation is not there yet.
    fn read_before_serialization(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let name = self.operation(cfg);
        let span = debug_span!(
            "call",
            otel.name = name,
            otel.kind = "client",
            otel.status_code = field::Empty,
            rpc.system = "aws-api",
            attempts = field::Empty,
            result = field::Empty,
        );
        cfg.interceptor_state().store_put(CallSpan(span));
        Ok(())
    }

    fn read_after_execution(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let failed = context.output_or_error().is_none_or(|outcome| outcome.is_err());
        CallSpan::record(cfg, |span| {
            if failed {
                span.record("otel.status_code", "error");
            }
        });
        Ok(())
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.counter.add(&self.operation(cfg));
        let attempts = cfg.load::<RequestAttempts>().map_or(1, RequestAttempts::attempts);
        if attempts > 1 {
            self.budget.take();
        }
        Ok(())
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let result = context.response().map_or(CallResult::Error, result_of);
        self.budget.record(&self.operation(cfg), result);
        let attempts = cfg.load::<RequestAttempts>().map_or(1, RequestAttempts::attempts);
        CallSpan::record(cfg, |span| {
            span.record("attempts", attempts);
            span.record("result", result.as_str());
        });
        Ok(())
    }
}

/// How an attempt went, by its answer.
fn result_of(response: &HttpResponse) -> CallResult {
    let status = response.status().as_u16();
    if response.status().is_success() {
        return CallResult::Ok;
    }
    let body = response.body().bytes().map(String::from_utf8_lossy);
    let code = body.as_deref().and_then(error_code);
    match ErrorKind::of_answer(status, code.as_deref()) {
        ErrorKind::Throttled => CallResult::Throttled,
        ErrorKind::Denied | ErrorKind::Credentials => CallResult::Denied,
        ErrorKind::Gone => CallResult::Ok,
        ErrorKind::Conflict
        | ErrorKind::LimitExceeded
        | ErrorKind::Unmodifiable
        | ErrorKind::Network
        | ErrorKind::Timeout
        | ErrorKind::Service
        | ErrorKind::Unusable
        | ErrorKind::Other => CallResult::Error,
    }
}

/// The text of the first `<Code>` of an error in XML, or the `__type` of one in JSON, which may have a namespace.
fn error_code(body: &str) -> Option<String> {
    if let Some((_, rest)) = body.split_once("<Code>") {
        let (code, _) = rest.split_once("</Code>")?;
        return Some(code.trim().to_owned());
    }
    let error: serde_json::Value = serde_json::from_str(body).ok()?;
    let code = error.get("__type").or_else(|| error.get("code"))?.as_str()?;
    code.rsplit('#').next().map(str::to_owned)
}

/// Refuses an answer that breaks off. The SDK's parser takes the end of the text for the end of every open element, so
/// half a list of users would pass for a whole one.
#[derive(Debug, Clone, Copy)]
pub(super) struct WholeAnswer;

/// The body of a good answer is not whole.
#[derive(Debug, thiserror::Error)]
#[error("the answer breaks off: its outermost element does not end")]
struct BrokenOff;

#[dyn_dispatch_hint]
impl Intercept for WholeAnswer {
    fn name(&self) -> &'static str {
        "iamwarden-whole-answer"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response();
        let whole = response.body().bytes().is_some_and(is_whole_xml);
        if response.status().is_success() && !whole {
            return Err(BrokenOff.into());
        }
        Ok(())
    }
}

/// Whether the outermost element of an XML text ends where the text does.
fn is_whole_xml(body: &[u8]) -> bool {
    let body = body.trim_ascii();
    let starts_element = |pair: &[u8]| matches!(pair, [b'<', next] if *next != b'?' && *next != b'!');
    let Some(start) = body.windows(2).position(starts_element) else {
        return false;
    };
    let rest = body.get(start + 1..).unwrap_or_default();
    let ends_name = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'>' | b'/');
    let name = rest.split(ends_name).next().unwrap_or_default();
    let ending = [b"</".as_slice(), name, b">"].concat();
    !name.is_empty() && body.ends_with(&ending)
}

/// Notes the server's clock and when it was read.
#[derive(Debug, Clone, Default)]
pub(super) struct ServerClock(Arc<OnceLock<(Option<DateTime<Utc>>, Instant)>>);

impl ServerClock {
    /// The `Date` of the first good answer (`None`: it had none that can be read), and when it came.
    pub(super) fn reading(&self) -> Option<(Option<DateTime<Utc>>, Instant)> {
        self.0.get().copied()
    }
}

#[dyn_dispatch_hint]
impl Intercept for ServerClock {
    fn name(&self) -> &'static str {
        "iamwarden-server-clock"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if context.output_or_error().is_ok() {
            let date = context.response().headers().get("date").and_then(http_date);
            // Only the first answer counts; a second one finds the place taken.
            let _ = self.0.set((date, Instant::now()));
        }
        Ok(())
    }
}

/// An HTTP date (RFC 9110, the preferred form).
fn http_date(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc2822(text)
        .ok()
        .map(|date| date.with_timezone(&Utc))
}

/// Notes whether a request was handed to the connection: before that it cannot have had any effect.
#[derive(Debug, Clone, Default)]
pub(super) struct Departure(Arc<AtomicBool>);

impl Departure {
    pub(super) fn happened(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

#[dyn_dispatch_hint]
impl Intercept for Departure {
    fn name(&self) -> &'static str {
        "iamwarden-departure"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.store(true, Ordering::SeqCst);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use aws_smithy_runtime_api::http::StatusCode;
    use aws_smithy_types::body::SdkBody;

    use super::*;

    fn answer(status: u16, body: &str) -> HttpResponse {
        HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::from(body))
    }

    #[test]
    fn results_are_read_from_the_answer() {
        let error = |code: &str| {
            format!("<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code></Error></ErrorResponse>")
        };
        for (status, code, result) in [
            (400, "Throttling", CallResult::Throttled),
            (403, "AccessDenied", CallResult::Denied),
            (404, "NoSuchEntity", CallResult::Ok),
            (404, "ReportInProgress", CallResult::Error),
            (500, "ServiceFailure", CallResult::Error),
        ] {
            assert_eq!(result_of(&answer(status, &error(code))), result, "{code}");
        }
        for (body, result) in [
            (
                r#"{"__type":"com.amazonaws.x#ThrottlingException"}"#,
                CallResult::Throttled,
            ),
            (r#"{"__type":"AccessDeniedException"}"#, CallResult::Denied),
            (r#"{"code":"TrailNotFoundException"}"#, CallResult::Ok),
            ("[]", CallResult::Error),
        ] {
            assert_eq!(result_of(&answer(400, body)), result, "{body}");
        }
        assert_eq!(result_of(&answer(200, "<Code>Throttling</Code>")), CallResult::Ok);
        assert_eq!(result_of(&answer(502, "<html>bad gateway")), CallResult::Error);
    }

    #[test]
    fn an_answer_is_whole_where_its_outermost_element_ends() {
        for whole in [
            "<a></a>",
            "<?xml version=\"1.0\"?>\n<List xmlns=\"x\"><b>1</b></List>\n",
            "<!-- c --><a>\n</a>",
        ] {
            assert!(is_whole_xml(whole.as_bytes()), "{whole}");
        }
        for broken in [
            "",
            "<",
            "<>",
            "text",
            "<a>",
            "<a><b></b>",
            "<a></a",
            "<List><a></a>",
            "<?xml?>",
        ] {
            assert!(!is_whole_xml(broken.as_bytes()), "{broken}");
        }
    }

    #[test]
    fn dates_of_servers() {
        let date = http_date("Mon, 23 Nov 2026 06:00:00 GMT").unwrap();
        assert_eq!(date.to_rfc3339(), "2026-11-23T06:00:00+00:00");
        assert_eq!(http_date("yesterday"), None);
    }
}
