//! HTTP for container platforms and Prometheus: `/healthz`, `/readyz`, `/metrics`. Nothing here changes anything.

pub mod slack;

use std::future::IntoFuture;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;

use crate::daemon::{Clock, Readiness};
use crate::telemetry::{Chain, Metrics};

/// How long open requests may go on once the server is to end.
const GRACE: Duration = Duration::from_secs(2);

/// On every answer: nothing is to be cached, guessed at, framed, or to load anything.
const SECURITY_HEADERS: [(HeaderName, HeaderValue); 6] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        ),
    ),
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

/// HTTP cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// Another process has the port.
    #[error(
        "cannot listen on {listen}: the port is in use; end the other process (another iamwarden?) or set \
         `server.listen` to a free port, or to \"\" to turn HTTP off"
    )]
    InUse {
        /// As configured.
        listen: SocketAddr,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The address cannot be had for another reason.
    #[error(
        "cannot listen on {listen}; set `server.listen` to an address of this machine and a port that may be used"
    )]
    Listen {
        /// As configured.
        listen: SocketAddr,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The server ended by itself.
    #[error("the HTTP server failed")]
    Serve {
        /// Why.
        source: std::io::Error,
    },
}

/// What the pages show.
#[derive(Debug, Clone)]
struct Shown {
    readiness: Readiness,
    metrics: Arc<Metrics>,
    clock: Clock,
}

/// The routes: GET and HEAD only.
pub fn router(readiness: Readiness, metrics: Arc<Metrics>, clock: Clock) -> Router {
    Router::new()
        .route("/healthz", get(health))
        .route("/readyz", get(ready))
        .route("/metrics", get(show_metrics))
        .fallback(|| async { (StatusCode::NOT_FOUND, "not found\n") })
        .method_not_allowed_fallback(|| async { (StatusCode::METHOD_NOT_ALLOWED, "GET and HEAD only\n") })
        .layer(map_response(secure))
        .with_state(Shown {
            readiness,
            metrics,
            clock,
        })
}

/// Takes the address, so that one that cannot be had is an error at the start.
///
/// # Errors
/// [`WebError::InUse`] and [`WebError::Listen`].
pub async fn bind(listen: SocketAddr) -> Result<TcpListener, WebError> {
    TcpListener::bind(listen).await.map_err(|source| {
        if source.kind() == std::io::ErrorKind::AddrInUse {
            WebError::InUse { listen, source }
        } else {
            WebError::Listen { listen, source }
        }
    })
}

/// Serves until `end`, then lets open requests finish for a moment. Let `end` be the end of the scheduler rather
/// than the request to stop: while the last action is finished, the process is alive and says so.
///
/// # Errors
/// [`WebError::Serve`] where the server ends by itself.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    end: impl Future<Output = ()> + Send + 'static,
) -> Result<(), WebError> {
    let (ending, ended) = tokio::sync::oneshot::channel();
    let end = async move {
        end.await;
        // Nobody listens where the server has ended first.
        let _ = ending.send(());
    };
    let patience = async {
        match ended.await {
            Ok(()) => tokio::time::sleep(GRACE).await,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        served = axum::serve(listener, router).with_graceful_shutdown(end).into_future() => {
            served.map_err(|source| WebError::Serve { source })
        }
        () = patience => Ok(()),
    }
}

async fn health() -> &'static str {
    "ok\n"
}

async fn ready(State(shown): State<Shown>) -> Response {
    let report = shown.readiness.report(shown.clock.now());
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

async fn show_metrics(State(shown): State<Shown>, headers: HeaderMap) -> Response {
    let mut accepted = headers.get_all(header::ACCEPT).iter();
    let wants_open = accepted.any(|accept| {
        accept
            .to_str()
            .is_ok_and(|text| text.contains("openmetrics-text"))
    });
    let (media_type, text) = match wants_open {
        true => (Metrics::OPEN_CONTENT_TYPE, shown.metrics.encode_open()),
        false => (Metrics::CONTENT_TYPE, shown.metrics.encode()),
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

async fn secure(mut response: Response) -> Response {
    let headers: &mut HeaderMap = response.headers_mut();
    headers.extend(SECURITY_HEADERS);
    response
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;
    use crate::daemon::{Check, Shutdown};
    use crate::model::RuleName;

    struct Server {
        address: SocketAddr,
        readiness: Readiness,
        shutdown: Shutdown,
        task: tokio::task::JoinHandle<Result<(), WebError>>,
    }

    async fn start() -> Server {
        let (clock, _) = Clock::manual("2026-11-23T06:00:00Z".parse().unwrap());
        let (readiness, shutdown) = (Readiness::new(), Shutdown::new());
        let metrics = Arc::new(Metrics::new([RuleName::new("password_policy")], &[]));
        let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let routes = router(readiness.clone(), metrics, clock);
        let end = shutdown.clone();
        let task = tokio::spawn(serve(listener, routes, async move { end.requested().await }));
        Server {
            address,
            readiness,
            shutdown,
            task,
        }
    }

    /// The whole answer, its date aside.
    async fn ask(server: &Server, method: &str, path: &str) -> String {
        ask_with(server, method, path, "").await
    }

    async fn ask_with(server: &Server, method: &str, path: &str, headers: &str) -> String {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\n{headers}connection: close\r\n\r\n",
            server.address
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
            .lines()
            .filter(|line| !line.starts_with("date: "))
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[tokio::test]
    async fn health_is_a_plain_yes_with_security_headers() {
        let server = start().await;
        insta::assert_snapshot!(ask(&server, "GET", "/healthz").await, @r#"
        HTTP/1.1 200 OK
        content-type: text/plain; charset=utf-8
        cache-control: no-store
        content-security-policy: default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'
        x-content-type-options: nosniff
        x-frame-options: DENY
        referrer-policy: no-referrer
        cross-origin-resource-policy: same-origin
        content-length: 3
        connection: close

        ok
        "#);
        let head = ask(&server, "HEAD", "/healthz").await;
        assert!(
            head.starts_with("HTTP/1.1 200") && !head.contains("\nok"),
            "{head}"
        );
    }

    #[tokio::test]
    async fn readiness_follows_the_checks() {
        let server = start().await;
        server.readiness.pass(Check::PolicyLoaded);
        server.readiness.fail(Check::StateReachable, "the disk is full");
        let answer = ask(&server, "GET", "/readyz").await;
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        assert!(answer.contains("content-type: application/json"), "{answer}");
        insta::assert_snapshot!(answer.lines().last().unwrap(), @r#"{"ready":false,"checks":{"policy_loaded":{"ok":true},"scheduler_running":{"ok":false,"reason":"not checked yet"},"state_reachable":{"ok":false,"reason":"the disk is full"},"state_writable":{"ok":false,"reason":"not checked yet"}}}"#);
        for check in Check::ALL {
            server.readiness.pass(check);
        }
        let answer = ask(&server, "GET", "/readyz").await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }

    #[tokio::test]
    async fn metrics_come_as_prometheus_text_and_as_open_metrics_where_asked_for() {
        let server = start().await;
        let plain = ask(&server, "GET", "/metrics").await;
        assert!(
            plain.contains("content-type: text/plain; version=0.0.4; charset=utf-8\n"),
            "{plain}"
        );
        assert!(!plain.contains("# EOF"), "{plain}");
        let accept = "accept: application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5\r\n";
        let answer = ask_with(&server, "GET", "/metrics", accept).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert!(
            answer.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8\n"),
            "{answer}"
        );
        assert!(
            answer.contains("\niamwarden_schedule_skips_total{rule=\"password_policy\"} 0\n"),
            "{answer}"
        );
        assert!(answer.ends_with("# EOF"), "{answer}");
    }

    #[tokio::test]
    async fn nothing_else_is_there_and_nothing_can_be_sent() {
        let server = start().await;
        for path in ["/", "/healthz/", "/healthz/..", "/metrics.txt", "/approve/act_1"] {
            let answer = ask(&server, "GET", path).await;
            assert!(answer.starts_with("HTTP/1.1 404 "), "{path}: {answer}");
            assert!(
                answer.contains("content-security-policy: default-src 'none'"),
                "{path}: {answer}"
            );
        }
        for path in ["/healthz", "/readyz", "/metrics"] {
            for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
                let answer = ask(&server, method, path).await;
                assert!(answer.starts_with("HTTP/1.1 405 "), "{method} {path}: {answer}");
                assert!(answer.contains("allow: GET,HEAD"), "{method} {path}: {answer}");
                assert!(
                    answer.contains("x-content-type-options: nosniff"),
                    "{method} {path}: {answer}"
                );
            }
        }
    }

    #[tokio::test]
    async fn a_taken_port_is_named() {
        let server = start().await;
        let error = bind(server.address).await.unwrap_err();
        assert!(matches!(error, WebError::InUse { .. }));
        let text = error.to_string().replace(&server.address.to_string(), "ADDRESS");
        insta::assert_snapshot!(text, @r#"cannot listen on ADDRESS: the port is in use; end the other process (another iamwarden?) or set `server.listen` to a free port, or to "" to turn HTTP off"#);
        // TEST-NET-1 belongs to nobody's machine.
        let foreign = bind("192.0.2.1:8787".parse().unwrap()).await.unwrap_err();
        assert!(matches!(foreign, WebError::Listen { .. }), "{foreign}");
    }

    #[tokio::test]
    async fn the_end_does_not_wait_for_idle_clients() {
        let server = start().await;
        let _idle = TcpStream::connect(server.address).await.unwrap();
        server.shutdown.request();
        server.task.await.unwrap().unwrap();
        assert!(TcpStream::connect(server.address).await.is_err());
    }
}
