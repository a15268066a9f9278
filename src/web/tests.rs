//! What the server lets through, and what it refuses. Runs the router without a network; the pages in a real browser are
//! looked at by `tests/python/test_pages.py`.

mod server;

use std::path::Path;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, Response, StatusCode, header};
use axum::response::IntoResponse as _;
use axum::routing::get;
use tower::ServiceExt as _;

use super::guard::{Right, Table};
use super::*;
use crate::aws::{Ambient, Pace, Secrets, Sessions};
use crate::config::{Config, Environment, load_text};
use crate::daemon::{ClockHand, Shutdown, Standstill, Wake};
use crate::model::{Digest, RuleName};

const VIEWER: &str = "viewer-0123456789abcdef0123456789";
const APPROVER: &str = "approver-0123456789abcdef01234567";
const ADMIN: &str = "admin-0123456789abcdef0123456789ab";

fn configured(text: &str) -> Config {
    load_text(Path::new("iamwarden.toml"), text, &Environment::empty())
        .unwrap()
        .config
}

fn tokens() -> String {
    let entry = |name: &str, role: &str, token: &str| {
        let hash = Digest::of_bytes(token.as_bytes());
        format!(
            "[[server.auth.tokens]]\nname = \"{name}\"\nrole = \"{role}\"\nhash = \"{}\"\n",
            hash.as_str()
        )
    };
    let tokens = [
        entry("vic", "viewer", VIEWER),
        entry("ann", "approver", APPROVER),
        entry("ada", "admin", ADMIN),
    ];
    format!("approvals.approvers = [\"ann\"]\n{}", tokens.concat())
}

struct Town {
    web: Web,
    router: Router,
    hand: ClockHand,
}

/// The routes of a house of its own, under this configuration.
pub(crate) async fn router_of(text: &str) -> Router {
    town(text).await.router
}

async fn town(text: &str) -> Town {
    let (clock, hand) = Clock::manual("2026-11-23T06:00:00Z".parse().unwrap());
    let ambient = Arc::new(Ambient::from_default_chain(Pace::default()));
    let secrets = Arc::new(Secrets::new(|_: &str| None, Arc::clone(&ambient)));
    let house = House {
        roster: None,
        config: Arc::new(configured(text)),
        sessions: Arc::new(Sessions::new(ambient, secrets, "test")),
        state: Some(State::open("sqlite::memory:").await.unwrap().state),
        clock,
        shutdown: Shutdown::new(),
        holder: "test".to_owned(),
        metrics: None,
        decided: Wake::new(),
        standstill: Standstill::default(),
    };
    let metrics = Arc::new(Metrics::new([RuleName::new("password_policy")], &[]));
    let (desk, _) = Desk::open();
    let web = Web::new(InForce::new(house), desk, Readiness::new(), metrics);
    let router = router(web.clone());
    Town { web, router, hand }
}

fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Request<Body> {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "127.0.0.1:8787");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::from(body.to_owned())).unwrap()
}

impl Town {
    async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> (Response<()>, String) {
        let answer = self
            .router
            .clone()
            .oneshot(request(method, path, headers, body))
            .await
            .unwrap();
        let (parts, body) = answer.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let text = String::from_utf8(body.to_vec()).unwrap();
        (Response::from_parts(parts, ()), text)
    }

    async fn status(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> StatusCode {
        self.ask(method, path, headers, "").await.0.status()
    }
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

fn table() -> Table {
    routes().into_parts().1
}

/// A path of the table as somebody would ask for it.
fn asked(path: &str) -> String {
    path.replace("{plan}", "01JDDPLAN")
        .replace("{exemption}", "exm_01JDD")
}

const ORIGIN: (&str, &str) = ("origin", "http://127.0.0.1:8787");

#[tokio::test]
async fn nobody_gets_anywhere_without_a_sign_in() {
    let town = town(&tokens()).await;
    for ((path, changes), right) in table() {
        let method = if changes { "POST" } else { "GET" };
        let status = town.status(method, &asked(path), &[ORIGIN]).await;
        match right {
            Right::Machines => assert!(status != StatusCode::UNAUTHORIZED, "{method} {path}: {status}"),
            Right::Anybody => {}
            Right::View | Right::Decide | Right::Administer => {
                assert_eq!(status, StatusCode::UNAUTHORIZED, "{method} {path}");
            }
        }
    }
    for path in [
        "/nothing",
        "/plans/1/2/3",
        "/api/v2",
        "/.git/config",
        "/assets/",
        "/sign-in/x",
    ] {
        assert_eq!(
            town.status("GET", path, &[]).await,
            StatusCode::UNAUTHORIZED,
            "{path}"
        );
    }
}

#[tokio::test]
async fn everybody_gets_as_far_as_the_role_goes() {
    let town = town(&tokens()).await;
    let all = [
        (VIEWER, Right::View),
        (APPROVER, Right::Decide),
        (ADMIN, Right::Administer),
    ];
    for ((path, changes), right) in table() {
        // What is handed in at the desk waits for the daemon, which is not there; and signing out ends nothing here.
        if matches!(right, Right::Machines | Right::Anybody) {
            continue;
        }
        for (token, reach) in all {
            let bearer = bearer(token);
            let headers = [("authorization", bearer.as_str())];
            let status = match changes {
                true => town.status("POST", &asked(path), &headers).await,
                false => town.status("GET", &asked(path), &headers).await,
            };
            let is_refused = status == StatusCode::FORBIDDEN;
            if reach < right {
                assert!(is_refused, "{path} to {token}: {status}");
            }
            assert!(status != StatusCode::UNAUTHORIZED, "{path} to {token}: {status}");
            assert!(!status.is_server_error(), "{path} to {token}: {status}");
        }
    }
}

#[tokio::test]
async fn a_route_without_a_right_is_refused_to_everybody() {
    let town = town(&tokens()).await;
    let (router, table) = routes().into_parts();
    let forgotten = router.route("/forgotten", get(async || "secret").post(async || "done"));
    let guard = guard::Guard::new(town.web.clone(), table);
    let router = forgotten
        .layer(from_fn_with_state(guard, guard::guard))
        .with_state(town.web.clone());
    let bearer = bearer(ADMIN);
    for method in ["GET", "HEAD", "POST"] {
        let headers = [("authorization", bearer.as_str())];
        let answer = router
            .clone()
            .oneshot(request(method, "/forgotten", &headers, ""))
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{method}");
    }
}

#[tokio::test]
async fn looking_changes_nothing() {
    let town = town(&tokens()).await;
    let state = town.web.state().unwrap();
    let before = state.head().await.unwrap();
    let bearer = bearer(ADMIN);
    for ((path, _), _) in table() {
        for method in ["GET", "HEAD"] {
            let query = format!(
                "{}?verdict=approved&action=act_1&nonce=1&reason=x&token={ADMIN}&run=1",
                asked(path)
            );
            town.status(method, &query, &[("authorization", &bearer)]).await;
        }
    }
    assert_eq!(state.head().await.unwrap(), before);
}

#[tokio::test]
async fn without_anybody_declared_there_is_nothing_but_health() {
    let town = town("").await;
    assert_eq!(town.status("GET", "/healthz", &[]).await, StatusCode::OK);
    for path in ["/", "/sign-in", "/findings", "/api/v1/me", "/assets/page.css"] {
        let (answer, text) = town
            .ask("GET", path, &[("authorization", &bearer(ADMIN))], "")
            .await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
        assert!(text.contains("[server.auth]"), "{path}: {text}");
    }
}

#[tokio::test]
async fn a_token_is_known_by_its_hash_alone() {
    let town = town(&tokens()).await;
    let me = async |token: &str| {
        town.ask("GET", "/api/v1/me", &[("authorization", token)], "")
            .await
    };
    let (answer, text) = me(&bearer(APPROVER)).await;
    assert_eq!(answer.status(), StatusCode::OK);
    insta::assert_snapshot!(text, @r#"{"name":"ann","role":"approver","by":"token","may_decide":true}"#);
    assert!(
        me(&bearer(ADMIN)).await.1.contains(r#""may_decide":false"#),
        "not among the approvers"
    );
    let hash = Digest::of_bytes(ADMIN.as_bytes());
    for wrong in [
        String::new(),
        "Bearer".to_owned(),
        bearer(""),
        bearer(&ADMIN[..ADMIN.len() - 1]),
        bearer(hash.as_str()),
        format!("Basic {ADMIN}"),
    ] {
        let (answer, text) = me(&wrong).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{wrong}");
        assert_eq!(answer.headers()[header::CONTENT_TYPE], "application/problem+json");
        assert!(text.contains("not known here"), "{text}");
    }
}

#[tokio::test]
async fn guessing_is_slow() {
    let town = town(&tokens()).await;
    let sign_in = async |token: &str| {
        let body = format!("token={token}&next=/plans");
        town.ask("POST", "/sign-in", &[ORIGIN], &body).await.0
    };
    for _ in 0..10 {
        assert_eq!(sign_in("guess").await.status(), StatusCode::UNAUTHORIZED);
    }
    let refused = sign_in(APPROVER).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.headers()[header::RETRY_AFTER], "60");
    let known = bearer(APPROVER);
    let status = town
        .status("GET", "/api/v1/me", &[("authorization", &known)])
        .await;
    assert_eq!(status, StatusCode::OK, "who has a token is not held up");
    town.hand.advance(Duration::from_secs(60));
    assert_eq!(sign_in(APPROVER).await.status(), StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_session_lasts_until_its_end_its_sign_out_or_the_end_of_its_token() {
    let town = town(&tokens()).await;
    let begin = async || {
        let body = format!("token={APPROVER}&next=/plans/latest");
        let (answer, _) = town.ask("POST", "/sign-in", &[ORIGIN], &body).await;
        assert_eq!(answer.headers()[header::LOCATION], "/plans/latest");
        answer.headers()[header::SET_COOKIE].to_str().unwrap().to_owned()
    };
    let held = |cookie: &str| cookie.split(';').next().unwrap().to_owned();
    let looks = async |cookie: &str| town.status("GET", "/plans", &[("cookie", cookie)]).await;
    let cookie = begin().await;
    insta::assert_snapshot!(
        cookie.replace(held(&cookie).split_once('=').unwrap().1, "…"),
        @"iamwarden=…; Path=/; Max-Age=43200; HttpOnly; SameSite=Lax"
    );
    assert_eq!(looks(&held(&cookie)).await, StatusCode::OK);
    assert_eq!(looks("iamwarden=0123456789").await, StatusCode::UNAUTHORIZED);
    let other = begin().await;
    let out = [ORIGIN, ("cookie", &held(&cookie))];
    assert_eq!(
        town.status("POST", "/sign-out", &out).await,
        StatusCode::SEE_OTHER
    );
    assert_eq!(looks(&held(&cookie)).await, StatusCode::UNAUTHORIZED);
    assert_eq!(
        looks(&held(&other)).await,
        StatusCode::OK,
        "another browser stays signed in"
    );

    town.web
        .in_force
        .replace(configured(&tokens().replace("\"ann\"\nrole", "\"anne\"\nrole")));
    assert_eq!(
        looks(&held(&other)).await,
        StatusCode::UNAUTHORIZED,
        "the token is another's now"
    );
    town.web.in_force.replace(configured(&tokens()));
    town.hand.advance(Duration::from_secs(12 * 3600));
    assert_eq!(looks(&held(&other)).await, StatusCode::UNAUTHORIZED, "it is over");
}

#[tokio::test]
async fn beyond_this_machine_a_cookie_travels_with_tls_alone() {
    let text = format!("server.public_url = \"https://warden.example.com\"\n{}", tokens());
    let town = town(&text).await;
    let body = format!("token={APPROVER}");
    let mut request = request(
        "POST",
        "/sign-in",
        &[("origin", "https://warden.example.com")],
        &body,
    );
    request
        .headers_mut()
        .insert(header::HOST, "warden.example.com".parse().unwrap());
    let answer = town.router.clone().oneshot(request).await.unwrap();
    let cookie = answer.headers()[header::SET_COOKIE].to_str().unwrap();
    assert!(
        cookie.starts_with("__Host-iamwarden=") && cookie.ends_with("; Secure"),
        "{cookie}"
    );
}

#[tokio::test]
async fn the_api_takes_changes_by_a_token_and_never_by_a_cookie() {
    let town = town(&tokens()).await;
    let (answer, _) = town
        .ask("POST", "/sign-in", &[ORIGIN], &format!("token={ADMIN}"))
        .await;
    let cookie = answer.headers()[header::SET_COOKIE].to_str().unwrap();
    let cookie = cookie.split(';').next().unwrap();
    let json = ("content-type", "application/json");
    let (answer, text) = town
        .ask(
            "POST",
            "/api/v1/freeze",
            &[ORIGIN, json, ("cookie", cookie)],
            r#"{"reason":"x"}"#,
        )
        .await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{text}");
    let known = bearer(ADMIN);
    let freeze = async |headers: &[(&str, &str)], body: &str| {
        let all: Vec<_> = headers
            .iter()
            .copied()
            .chain([("authorization", known.as_str())])
            .collect();
        town.ask("POST", "/api/v1/freeze", &all, body).await
    };
    assert_eq!(
        freeze(&[], r#"{"reason":"x"}"#).await.0.status(),
        StatusCode::UNSUPPORTED_MEDIA_TYPE
    );
    for wrong in [
        "",
        "{}",
        r#"{"reason":" "}"#,
        r#"{"reason":"x","more":1}"#,
        r#"{"reason":"x"} x"#,
        "[]",
    ] {
        assert_eq!(
            freeze(&[json], wrong).await.0.status(),
            StatusCode::BAD_REQUEST,
            "{wrong}"
        );
    }
    assert!(town.web.state().unwrap().frozen().await.unwrap().is_none());

    let key = ("idempotency-key", "k1");
    let (answer, first) = freeze(&[json, key], r#"{"reason":"x"}"#).await;
    assert_eq!(answer.status(), StatusCode::OK, "{first}");
    let head = town.web.state().unwrap().head().await.unwrap();
    let (answer, again) = freeze(&[json, key], r#"{"reason":"x"}"#).await;
    assert_eq!(
        (answer.headers()["idempotent-replayed"].to_str().unwrap(), &again),
        ("true", &first)
    );
    assert_eq!(
        freeze(&[json, key], r#"{"reason":"y"}"#).await.0.status(),
        StatusCode::CONFLICT
    );
    assert_eq!(
        town.web.state().unwrap().head().await.unwrap(),
        head,
        "it was done once"
    );
}

#[tokio::test]
async fn where_the_sign_in_is_off_forms_still_count_once_and_from_here() {
    let town = town("server.auth.off = true").await;
    let (_, page) = town.ask("GET", "/", &[], "").await;
    let nonce = page
        .split("name=\"nonce\" value=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let body = format!("nonce={nonce}&reason=exercise");
    let freeze =
        async |headers: &[(&str, &str)], body: &str| town.ask("POST", "/freeze", headers, body).await;
    assert_eq!(
        freeze(&[("origin", "https://attacker.example")], &body)
            .await
            .0
            .status(),
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        freeze(&[ORIGIN], "reason=x").await.0.status(),
        StatusCode::FORBIDDEN,
        "without a nonce"
    );
    assert!(town.web.state().unwrap().frozen().await.unwrap().is_none());
    assert_eq!(freeze(&[ORIGIN], &body).await.0.status(), StatusCode::SEE_OTHER);
    assert_eq!(
        town.web.state().unwrap().frozen().await.unwrap().unwrap().by,
        "loopback"
    );
    let (answer, text) = freeze(&[ORIGIN], &body).await;
    assert_eq!(answer.status(), StatusCode::CONFLICT);
    assert!(text.contains("counts once"), "{text}");
}

#[tokio::test]
async fn every_answer_says_what_a_browser_may_do_with_it() {
    let town = town(&tokens()).await;
    for path in ["/sign-in", "/", "/api/v1/me", "/nothing"] {
        let (answer, _) = town.ask("GET", path, &[], "").await;
        let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok());
        let policy = header("content-security-policy").unwrap();
        assert!(
            policy.starts_with("default-src 'none'; style-src 'self'; script-src 'self'"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(header("x-frame-options"), Some("DENY"), "{path}");
        assert_eq!(header("cache-control"), Some("no-store"), "{path}");
    }
}

#[tokio::test]
async fn text_from_outside_stays_text() {
    let town = town("server.auth.off = true").await;
    let markup = "<script>alert(1)</script>\u{202e}";
    town.web
        .state()
        .unwrap()
        .freeze(markup, "\"><img src=x>", town.web.clock.now())
        .await
        .unwrap();
    let (_, page) = town.ask("GET", "/", &[], "").await;
    assert!(
        !page.contains("<script>alert") && !page.contains("<img src=x>"),
        "{page}"
    );
    assert!(!page.contains('\u{202e}'));
}

#[test]
fn a_problem_is_told_in_sentences() {
    let response = Problem::Conflict("nothing to roll back".to_owned()).into_response();
    assert_eq!(response.status(), StatusCode::CONFLICT);
}
