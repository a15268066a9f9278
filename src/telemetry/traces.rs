//! Spans to an OpenTelemetry collector, by OTLP over HTTP: which run spent its time in which account, on which call.
//!
//! Declared as everywhere, by the environment: `OTEL_EXPORTER_OTLP_ENDPOINT` (or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`)
//! turns it on, `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_EXPORTER_OTLP_TIMEOUT`, `OTEL_SERVICE_NAME`,
//! `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_TRACES_SAMPLER` and `OTEL_BSP_*` mean what the specification of OpenTelemetry says,
//! and `OTEL_SDK_DISABLED=true` turns it off. The collector is the operator's own, mostly beside the process, so the
//! guard of the channels does not stand before it.
//!
//! Spans are our own only, and carry what the log carries: never a body, a header or a URL.

use std::ffi::OsStr;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::EnvResourceDetector;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tokio::runtime::Handle;
use tracing::Subscriber;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::Layer;
use tracing_subscriber::registry::LookupSpan;

/// How long the last spans may take to leave when the process ends.
const FAREWELL: Duration = Duration::from_secs(3);
/// How long one request may take where `OTEL_EXPORTER_OTLP_TIMEOUT` does not say; the specification's default.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The largest answer of a collector that is read.
const LARGEST_ANSWER: usize = 64 * 1024;

const ENDPOINTS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
];
const TIMEOUTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"];

/// Spans cannot be sent as the environment asks.
#[derive(Debug, thiserror::Error)]
#[error(
    "spans cannot be sent to the collector: look at OTEL_EXPORTER_OTLP_ENDPOINT and the other OTEL_ variables, or unset \
     them to send none"
)]
pub struct TracesError(#[source] Cause);

#[derive(Debug, thiserror::Error)]
enum Cause {
    #[error(transparent)]
    Client(reqwest::Error),
    #[error(transparent)]
    Exporter(ExporterBuildError),
    #[error("{0} is no number of milliseconds")]
    Timeout(&'static str),
}

/// The way of spans to a collector.
pub struct Traces {
    provider: SdkTracerProvider,
}

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traces").finish_non_exhaustive()
    }
}

impl Traces {
    /// Begins to gather spans, where the environment names a collector. Requests run on `runtime`, the rest on a thread
    /// of its own, so that no run waits for a collector.
    ///
    /// # Errors
    /// [`TracesError`] where the environment names one that cannot be used.
    pub fn begin<'e>(
        environment: impl Fn(&str) -> Option<&'e OsStr>,
        runtime: &Handle,
    ) -> Result<Option<Self>, TracesError> {
        let is_set = |name: &&str| environment(name).is_some_and(|value| !value.is_empty());
        let is_off = environment("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        if is_off || !ENDPOINTS.iter().any(is_set) {
            return Ok(None);
        }
        let collector = Collector::reach(timeout(&environment)?, runtime.clone())?;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(collector)
            .build()
            .map_err(|error| TracesError(Cause::Exporter(error)))?;
        let name = environment("OTEL_SERVICE_NAME").and_then(OsStr::to_str);
        let resource = Resource::builder_empty()
            .with_detector(Box::new(EnvResourceDetector::new()))
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .with_service_name(name.unwrap_or(env!("CARGO_PKG_NAME")).to_owned())
            .build();
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource)
            .build();
        Ok(Some(Self { provider }))
    }

    /// Hands every span of our own to the tracer. The log's events stay in the log.
    pub(super) fn layer<S>(&self) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
    {
        let tracer: SdkTracer = self.provider.tracer(env!("CARGO_PKG_NAME"));
        let ours = filter_fn(|metadata| metadata.is_span() && super::logs::is_ours(metadata));
        tracing_opentelemetry::layer()
            .with_tracer(tracer)
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_context_activation(false)
            .with_filter(ours)
    }

    /// Sends what is left; gives up after three seconds. It waits for the collector, and the runtime carries the request
    /// meanwhile.
    pub async fn finish(self) {
        let farewell = tokio::task::spawn_blocking(move || self.provider.shutdown_with_timeout(FAREWELL));
        let missed = match farewell.await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        tracing::warn!(error = missed, "the last spans did not reach the collector");
    }
}

fn timeout<'e>(environment: &impl Fn(&str) -> Option<&'e OsStr>) -> Result<Duration, TracesError> {
    let Some((name, value)) = TIMEOUTS
        .iter()
        .find_map(|name| environment(name).map(|value| (*name, value)))
    else {
        return Ok(TIMEOUT);
    };
    let milliseconds = value.to_str().and_then(|value| value.trim().parse().ok());
    let milliseconds = milliseconds.ok_or(TracesError(Cause::Timeout(name)))?;
    Ok(Duration::from_millis(milliseconds))
}

/// Carries requests on the process's runtime: the thread that gathers spans is none of its own.
#[derive(Debug, Clone)]
struct Collector {
    client: reqwest::Client,
    runtime: Handle,
    /// So that a collector that is away is told of once, not with every batch.
    away: Arc<AtomicBool>,
}

impl Collector {
    fn reach(timeout: Duration, runtime: Handle) -> Result<Self, TracesError> {
        let client = reqwest::Client::builder()
            .timeout(timeout)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| TracesError(Cause::Client(error)))?;
        Ok(Self {
            client,
            runtime,
            away: Arc::new(AtomicBool::new(false)),
        })
    }

    /// Tells of the first failure, and of the first success after one.
    fn note(&self, outcome: &Result<Response<Bytes>, String>) {
        let failure = match outcome {
            Ok(response) if response.status().is_success() => None,
            Ok(response) => Some(format!("it answered {}", response.status())),
            Err(error) => Some(error.clone()),
        };
        let was_away = self.away.swap(failure.is_some(), Ordering::Relaxed);
        match failure {
            Some(cause) if !was_away => {
                tracing::warn!(
                    cause,
                    "the collector does not take spans; they are dropped until it does"
                );
            }
            None if was_away => tracing::info!("the collector takes spans again"),
            Some(_) | None => {}
        }
    }

    async fn post(
        client: reqwest::Client,
        request: Request<Bytes>,
    ) -> Result<Response<Bytes>, reqwest::Error> {
        let mut response = client.execute(request.try_into()?).await?;
        let mut answer = Response::builder().status(response.status());
        if let Some(headers) = answer.headers_mut() {
            headers.clone_from(response.headers());
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            let room = LARGEST_ANSWER.saturating_sub(body.len());
            body.extend(chunk.iter().take(room));
        }
        Ok(answer.body(body.into()).unwrap_or_default())
    }
}

impl HttpClient for Collector {
    fn send_bytes<'a, 'b>(
        &'a self,
        request: Request<Bytes>,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(async move {
            let posted = self.runtime.spawn(Self::post(self.client.clone(), request));
            let outcome = match posted.await {
                // An error of the client carries the address, which may carry a password.
                Ok(posted) => posted.map_err(|error| super::Chain(&error.without_url()).to_string()),
                Err(stopped) => Err(stopped.to_string()),
            };
            self.note(&outcome);
            outcome.map_err(HttpError::from)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(variables: &[(&'static str, &'static str)]) -> Result<bool, String> {
        let get = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsStr::new(*value))
        };
        let begun = Traces::begin(get, &Handle::current());
        begun
            .map(|traces| traces.is_some())
            .map_err(|error| super::super::Chain(&error).to_string())
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn only_where_a_collector_is_named() {
        assert_eq!(begin(&[]), Ok(false));
        assert_eq!(begin(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "")]), Ok(false));
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");
        assert_eq!(begin(&[endpoint, ("OTEL_SDK_DISABLED", "TRUE")]), Ok(false));
        assert_eq!(begin(&[endpoint]), Ok(true));
        let error = begin(&[endpoint, ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon")]).unwrap_err();
        insta::assert_snapshot!(error, @"spans cannot be sent to the collector: look at OTEL_EXPORTER_OTLP_ENDPOINT and the other OTEL_ variables, or unset them to send none: OTEL_EXPORTER_OTLP_TIMEOUT is no number of milliseconds");
    }
}
