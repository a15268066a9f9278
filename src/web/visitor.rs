//! Who asks: the holder of a token, somebody who signed in, or, where the sign-in is off, whoever reaches the address.

use std::net::IpAddr;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};

use super::Web;
use super::guard::is_on_this_machine;
use super::nonce::Key;
use super::problem::Problem;
use crate::config::{Auth, Config, Role, TokenEntry};
use crate::model::{Digest, Person, Way};
use crate::plan;
use crate::state::SessionRecord;

/// The name of whoever asks where nobody signs in.
pub(super) const LOOPBACK: &str = "loopback";
/// A token that is shorter could be guessed.
const SHORTEST_TOKEN: usize = 32;

/// Whoever asks.
#[derive(Debug, Clone)]
pub(super) struct Visitor {
    /// The name by which the person decides.
    pub(super) name: String,
    /// What the person may do.
    pub(super) role: Role,
    /// How that is known.
    pub(super) means: Means,
}

/// How it is known who asks.
#[derive(Debug, Clone)]
pub(super) enum Means {
    /// It is not: the sign-in is off.
    Off,
    /// By a bearer token.
    Token,
    /// By a cookie.
    Session {
        /// The name of the session in the state.
        id: Digest,
        /// What its nonces are signed with.
        key: Key,
    },
}

impl Visitor {
    /// What the visitor's nonces are signed with.
    pub(super) fn key(&self, web: &Web) -> Key {
        match &self.means {
            Means::Off | Means::Token => web.key.as_ref().clone(),
            Means::Session { key, .. } => key.clone(),
        }
    }

    /// The visitor as one who decides.
    pub(super) fn person(&self) -> Person {
        Person::new(&self.name, Way::Page)
    }

    /// Whether the visitor may approve, reject and roll back: by role, and as one of the approvers.
    pub(super) fn may_decide(&self, config: &Config) -> bool {
        self.role >= Role::Approver && plan::may_decide(config, &self.person()).is_ok()
    }

    /// The same, with the reason why not. The role was asked for by the guard.
    pub(super) fn check_may_decide(&self, config: &Config) -> Result<(), Problem> {
        plan::may_decide(config, &self.person()).map_err(|refusal| Problem::Forbidden(refusal.to_string()))
    }
}

impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or(Problem::SignIn)
    }
}

/// The holder of a token, if it is one that is declared.
pub(super) fn holder<'a>(auth: &'a Auth, token: &str) -> Option<&'a TokenEntry> {
    if token.len() < SHORTEST_TOKEN {
        return None;
    }
    let hash = Digest::of_bytes(token.as_bytes());
    let is_it = |entry: &&TokenEntry| {
        subtle::ConstantTimeEq::ct_eq(entry.hash.as_bytes(), hash.as_str().as_bytes()).into()
    };
    auth.tokens.iter().find(is_it)
}

/// Who asks; `None`: nobody says so.
pub(super) async fn identify(
    web: &Web,
    auth: &Auth,
    headers: &HeaderMap,
    from: IpAddr,
) -> Result<Option<Visitor>, Problem> {
    if auth.off {
        return Ok(Some(Visitor {
            name: LOOPBACK.to_owned(),
            role: Role::Admin,
            means: Means::Off,
        }));
    }
    if let Some(authorization) = headers.get(header::AUTHORIZATION) {
        let token = authorization.to_str().ok().and_then(bearer);
        if let Some(entry) = token.and_then(|token| holder(auth, token)) {
            return Ok(Some(Visitor {
                name: entry.name.clone(),
                role: entry.role,
                means: Means::Token,
            }));
        }
        let now = web.clock.now();
        if let Some(pause) = web.attempts.pause(from, now) {
            return Err(Problem::TooMany(pause));
        }
        web.attempts.failed(from, now);
        return Err(Problem::Credentials(
            "this bearer token is not known here".to_owned(),
        ));
    }
    match cookie(headers) {
        Some(held) => of_session(web, auth, held).await,
        None => Ok(None),
    }
}

fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

async fn of_session(web: &Web, auth: &Auth, held: &str) -> Result<Option<Visitor>, Problem> {
    let id = session_id(held);
    let Some(session) = web.state()?.session(&id, web.clock.now()).await? else {
        return Ok(None);
    };
    let Some(role) = role_of(auth, &session) else {
        return Ok(None);
    };
    Ok(Some(Visitor {
        name: session.subject,
        role,
        means: Means::Session {
            id,
            key: Key::of_session(held),
        },
    }))
}

/// What the person may do by the configuration that holds now: a token that was taken out of it, or a group that lost its
/// role, ends what was signed in by it.
fn role_of(auth: &Auth, session: &SessionRecord) -> Option<Role> {
    let of_token = auth
        .tokens
        .iter()
        .find(|entry| entry.hash == session.credential && entry.name == session.subject);
    if let Some(entry) = of_token {
        return Some(entry.role);
    }
    let is_of_provider = auth.oidc.issuer.as_deref() == Some(session.credential.as_str());
    is_of_provider.then(|| auth.oidc.role(&session.claims)).flatten()
}

/// The name of a session in the state.
pub(super) fn session_id(held: &str) -> Digest {
    Digest::of_bytes(format!("session:{held}").as_bytes())
}

/// With TLS a browser takes this cookie from this very host alone.
pub(super) const SECURE_COOKIE: &str = "__Host-iamwarden";
/// On this machine there is no TLS.
pub(super) const LOCAL_COOKIE: &str = "iamwarden";

/// What the browser holds. Beyond this machine only the cookie counts that nobody else could have set.
pub(super) fn cookie(headers: &HeaderMap) -> Option<&str> {
    let local = || named_cookie(headers, LOCAL_COOKIE).filter(|_| is_on_this_machine(headers));
    named_cookie(headers, SECURE_COOKIE).or_else(local)
}

/// The name of the session's cookie.
pub(super) fn cookie_name(secure: bool) -> &'static str {
    match secure {
        true => SECURE_COOKIE,
        false => LOCAL_COOKIE,
    }
}

/// The value of a cookie.
pub(super) fn named_cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let all = headers.get_all(header::COOKIE).iter();
    let mut pairs = all
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(known, _)| *known == name).map(|(_, value)| value)
}
