//! The server on its port: health, readiness, metrics, its end.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::daemon::Check;

struct Server {
    address: SocketAddr,
    readiness: Readiness,
    shutdown: Shutdown,
    task: tokio::task::JoinHandle<Result<(), WebError>>,
}

async fn start() -> Server {
    let town = town("").await;
    let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (readiness, shutdown) = (town.web.readiness.clone(), town.web.house().shutdown);
    let end = shutdown.clone();
    let task = tokio::spawn(serve(listener, town.router, async move { end.requested().await }));
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
        .replace('\r', "")
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
    content-security-policy: default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'
    x-content-type-options: nosniff
    x-frame-options: DENY
    referrer-policy: same-origin
    cross-origin-resource-policy: same-origin
    cross-origin-opener-policy: same-origin
    permissions-policy: camera=(), geolocation=(), microphone=()
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
