//! Signing in and out. What the browser holds afterwards is a random text; the state keeps a digest of it, so that
//! nobody who reads the state can be somebody else.

use axum::body::Bytes;
use axum::extract::{ConnectInfo, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use std::net::{IpAddr, SocketAddr};

use super::Web;
use super::fields::Fields;
use super::guard::{Right, Routes, is_on_this_machine};
use super::pages;
use super::problem::Problem;
use super::visitor::{Means, Visitor, cookie_name, holder, session_id};
use crate::state::SessionRecord;

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .get("/sign-in", Right::Anybody, show)
        .post("/sign-in", Right::Anybody, sign_in)
        .post("/sign-out", Right::View, sign_out)
}

async fn show(State(web): State<Web>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let fields = Fields::parse(query.unwrap_or_default().as_bytes());
    pages::sign_in(&web, &destination(fields.get("next")), None)
}

async fn sign_in(
    State(web): State<Web>,
    peer: Option<axum::Extension<ConnectInfo<SocketAddr>>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let fields = Fields::parse(&body);
    let from = peer.map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.0.0.ip());
    let now = web.clock.now();
    if let Some(pause) = web.attempts.pause(from, now) {
        return Err(Problem::TooMany(pause));
    }
    let next = destination(fields.get("next"));
    let house = web.house();
    let auth = &house.config.server.auth;
    let Some(entry) = fields.get("token").and_then(|token| holder(auth, token)) else {
        web.attempts.failed(from, now);
        tracing::warn!(%from, "somebody tried to sign in with a token that is not known");
        let mut page = pages::sign_in(&web, &next, Some("This token is not known here."))?;
        *page.status_mut() = StatusCode::UNAUTHORIZED;
        return Ok(page);
    };
    let (name, credential) = (entry.name.clone(), entry.hash.clone());
    begin(&web, is_secure(&headers), name, credential, Vec::new(), &next).await
}

/// Whether the browser speaks TLS, to us or to a proxy that tells us nothing but where the form came from.
fn is_secure(headers: &HeaderMap) -> bool {
    let origin = headers
        .get(header::ORIGIN)
        .and_then(|origin| origin.to_str().ok());
    !is_on_this_machine(headers) || origin.is_some_and(|origin| origin.starts_with("https://"))
}

/// Signs somebody in and leads to a page.
pub(super) async fn begin(
    web: &Web,
    secure: bool,
    subject: String,
    credential: String,
    claims: Vec<String>,
    next: &str,
) -> Result<Response, Problem> {
    let held = hex::encode(rand::random::<[u8; 32]>());
    let (now, length) = (web.clock.now(), web.house().config.server.auth.session_length);
    let session = SessionRecord {
        subject,
        credential,
        claims,
        created_at: now,
        expires_at: now + length.delta(),
    };
    web.state()?.begin_session(&session_id(&held), &session).await?;
    tracing::info!(subject = session.subject, "signed in");
    let cookie = set_cookie(cookie_name(secure), &held, i64::from(length.seconds()))?;
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to(next)).into_response())
}

async fn sign_out(State(web): State<Web>, visitor: Visitor) -> Result<Response, Problem> {
    match &visitor.means {
        Means::Session { id, .. } => web.state()?.end_session(id).await?,
        Means::Off | Means::Token => {}
    }
    let mut response = Redirect::to("/sign-in").into_response();
    for secure in [true, false] {
        let over = set_cookie(cookie_name(secure), "", 0)?;
        response.headers_mut().append(header::SET_COOKIE, over);
    }
    Ok(response)
}

/// A cookie that scripts do not see, that goes to this host alone, and not along with what another site sends.
pub(super) fn set_cookie(name: &str, value: &str, seconds: i64) -> Result<HeaderValue, Problem> {
    let secure = if name.starts_with("__Host-") {
        "; Secure"
    } else {
        ""
    };
    let text = format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
    HeaderValue::from_str(&text).map_err(|error| Problem::failed("cannot write a cookie", &error))
}

/// Where to go after signing in: a page of ours, and nothing that a browser could take for another host.
pub(super) fn destination(wanted: Option<&str>) -> String {
    let is_ours = |path: &&str| {
        path.starts_with('/')
            && !path.starts_with("//")
            && !path.starts_with("/sign-in")
            && !path.contains(['\\', '\r', '\n', '\t'])
    };
    wanted.filter(is_ours).unwrap_or("/").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_signing_in_one_lands_on_a_page_of_ours() {
        assert_eq!(destination(Some("/plans/latest?x=1")), "/plans/latest?x=1");
        for elsewhere in [
            "//attacker.example",
            "/\\attacker.example",
            "https://attacker.example",
            "\\\\attacker.example",
            "javascript:alert(1)",
            "/\t/attacker.example",
            "/sign-in?next=/sign-in",
            "",
        ] {
            assert_eq!(destination(Some(elsewhere)), "/", "{elsewhere}");
        }
    }
}
