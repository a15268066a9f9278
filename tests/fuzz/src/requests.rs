//! Requests of strangers: clicks in chats, and whatever comes to the web server.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use iamwarden::aws::{Ambient, Pace, Secrets, Sessions};
use iamwarden::config::{Environment, load_text};
use iamwarden::daemon::{Clock, Desk, House, InForce, Readiness, Shutdown, Standstill, Wake};
use iamwarden::model::{Digest, RuleName};
use iamwarden::notify::{SignatureError, parse_click, verify_click};
use iamwarden::state::State;
use iamwarden::telemetry::Metrics;
use iamwarden::web::{self, Web};
use secrecy::SecretString;
use sha2::Sha256;
use tokio::runtime::Runtime;
use tower::ServiceExt as _;

const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";

fn now() -> DateTime<Utc> {
    "2026-11-25T22:41:40Z".parse().unwrap()
}

/// The body of a click, with a line before it in place of the headers: `timestamp signature`.
pub fn click(data: &[u8]) {
    let split = data.iter().position(|byte| *byte == b'\n');
    let (headers, body) = split.map_or((&b""[..], data), |at| (&data[..at], &data[at + 1..]));
    match parse_click(body) {
        Ok(click) => {
            let shown = format!("{click:?}");
            assert!(
                !shown.contains("hooks.slack.com/actions"),
                "where an answer goes is a secret: {shown}"
            );
        }
        Err(error) => assert!(!error.to_string().contains("CANARY")),
    }
    let headers = String::from_utf8_lossy(headers);
    let (timestamp, signature) = headers.split_once(' ').unwrap_or((&headers, ""));
    let secret = SecretString::from(SECRET);
    let verified = verify_click(&secret, Some(timestamp), Some(signature), body, now());
    let expected = signature_of(timestamp, body);
    if verified.is_ok() {
        assert_eq!(
            signature.to_ascii_lowercase(),
            expected,
            "another signature was believed"
        );
    }
    // What is signed well now is believed, and nothing that differs by a byte.
    let timestamp = now().timestamp().to_string();
    let signature = signature_of(&timestamp, body);
    assert_eq!(
        verify_click(&secret, Some(&timestamp), Some(&signature), body, now()),
        Ok(())
    );
    let mut other = body.to_vec();
    other.push(b' ');
    let believed = verify_click(&secret, Some(&timestamp), Some(&signature), &other, now());
    assert_eq!(believed, Err(SignatureError::Wrong));
}

fn signature_of(timestamp: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(format!("v0:{timestamp}:").as_bytes());
    mac.update(body);
    format!("v0={}", hex::encode(mac.finalize().into_bytes()))
}

const ADMIN: &str = "admin-0123456789abcdef0123456789ab";

/// The pages of an installation without a plan, and what they run on.
static SERVER: LazyLock<(Runtime, Router)> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let router = runtime.block_on(router());
    (runtime, router)
});

async fn router() -> Router {
    let hash = Digest::of_bytes(ADMIN.as_bytes());
    let text = format!(
        "server.listen = \"127.0.0.1:8787\"\napprovals.approvers = [\"ada\"]\n\
         [[server.auth.tokens]]\nname = \"ada\"\nrole = \"admin\"\nhash = \"{}\"\n",
        hash.as_str()
    );
    let loaded = load_text(Path::new("iamwarden.toml"), &text, &Environment::empty());
    let loaded = loaded.unwrap_or_else(|errors| panic!("{errors}"));
    let ambient = Ambient::fixed("http://127.0.0.1:1", "AKIA", "secret".into(), Pace::default());
    let ambient = Arc::new(ambient);
    let secrets = Arc::new(Secrets::new(|_: &str| None, Arc::clone(&ambient)));
    let (clock, _) = Clock::manual(now());
    let house = House {
        config: Arc::new(loaded.config),
        sessions: Arc::new(Sessions::new(ambient, secrets, "fuzz")),
        state: Some(State::open("sqlite::memory:").await.unwrap().state),
        clock,
        shutdown: Shutdown::new(),
        holder: "fuzz".to_owned(),
        metrics: None,
        decided: Wake::new(),
        standstill: Standstill::default(),
        roster: None,
    };
    let metrics = Arc::new(Metrics::new([RuleName::new("password_policy")], &[]));
    // Nobody serves the desk, so that whoever asks there hears that the daemon ends.
    let (desk, _) = Desk::open();
    web::router(Web::new(InForce::new(house), desk, Readiness::new(), metrics))
}

/// A request: `METHOD path`, a line for each header, an empty line, a body. It comes twice: from a stranger, and from
/// somebody who is signed in.
pub fn web_request(data: &[u8]) {
    let (runtime, router) = &*SERVER;
    for token in [None, Some(ADMIN)] {
        let Some(request) = request(data, token) else {
            return;
        };
        let (method, path) = (request.method().clone(), request.uri().clone());
        let had_credentials = request.headers().contains_key("authorization");
        let answer = runtime.block_on(router.clone().oneshot(request)).unwrap();
        let status = answer.status();
        assert!(
            !status.is_server_error() || status == StatusCode::SERVICE_UNAVAILABLE,
            "{method} {path}: {status}"
        );
        let open = [
            "/healthz",
            "/readyz",
            "/metrics",
            "/assets/",
            "/sign-in",
            "/api/openapi.json",
        ];
        if token.is_none() && !had_credentials && !open.iter().any(|known| path.path().starts_with(known)) {
            assert!(
                !status.is_success(),
                "{method} {path} without a sign-in: {status}"
            );
        }
        let body = runtime
            .block_on(axum::body::to_bytes(answer.into_body(), usize::MAX))
            .unwrap();
        let shown = String::from_utf8_lossy(&body);
        assert!(!shown.contains(ADMIN), "{method} {path} shows a token");
    }
}

fn request(data: &[u8], token: Option<&str>) -> Option<Request<Body>> {
    let split = data.windows(2).position(|two| two == b"\n\n");
    let (head, body) = split.map_or((data, &b""[..]), |at| (&data[..at], &data[at + 2..]));
    let mut lines = head.split(|byte| *byte == b'\n');
    let first = std::str::from_utf8(lines.next()?).ok()?;
    let (method, path) = first.split_once(' ')?;
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "127.0.0.1:8787");
    for line in lines.take(40) {
        let at = line.iter().position(|byte| *byte == b':')?;
        request = request.header(&line[..at], &line[at + 1..]);
    }
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    request.body(Body::from(body.to_vec())).ok()
}
