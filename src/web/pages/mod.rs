//! The pages: HTML made here, whole without JavaScript. askama escapes every value; text from outside was made visible
//! before. What a page offers to do, a form carries with a nonce of its own.

mod chart;
mod exemptions;
mod findings;
mod history;
mod lists;
mod overview;
mod plan;

use askama::Template;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, Utc};

use super::Web;
use super::fields::Fields;
use super::guard::Routes;
use super::problem::{Problem, Told};
use super::visitor::{Means, Visitor};
use super::{assets, view};
use crate::model::Digest;
use crate::state::RequestSeen;

pub(super) fn routes(routes: Routes) -> Routes {
    let routes = plan::routes(findings::routes(overview::routes(routes)));
    exemptions::routes(lists::routes(history::routes(routes)))
}

/// What is around every page.
struct Frame {
    title: String,
    here: &'static str,
    assets: String,
    version: &'static str,
    /// The visitor's name and role; `None`: nobody is signed in.
    person: Option<(String, &'static str)>,
    signed_in: bool,
    off: bool,
    frozen: Option<String>,
    dry_run: bool,
}

/// The pages in the order of the menu: path, words.
const MENU: [(&str, &str); 7] = [
    ("/", "Overview"),
    ("/findings", "Findings"),
    ("/plans", "Plans"),
    ("/history", "History"),
    ("/owners", "Owners"),
    ("/exemptions", "Exemptions"),
    ("/configuration", "Configuration"),
];

impl Frame {
    /// Of a page for somebody who may look.
    async fn of(web: &Web, visitor: &Visitor, here: &'static str, title: &str) -> Result<Self, Problem> {
        let frozen = web.state()?.frozen().await?;
        let by_flag = frozen.map(|freeze| {
            format!(
                "{} stopped all changes: {}",
                view::shown(&freeze.by),
                view::shown(&freeze.reason)
            )
        });
        let by_file = web.house().config.freeze;
        let by_file = by_file.then(|| "freeze = true in the configuration stops all changes".to_owned());
        Ok(Self {
            frozen: by_flag.or(by_file),
            ..Self::plain(web, Some(visitor), here, title)
        })
    }

    /// Of a page that may be shown where the state fails.
    fn plain(web: &Web, visitor: Option<&Visitor>, here: &'static str, title: &str) -> Self {
        let means = visitor.map(|visitor| &visitor.means);
        Self {
            title: title.to_owned(),
            here,
            assets: assets::VERSION.clone(),
            version: env!("CARGO_PKG_VERSION"),
            person: visitor.map(|visitor| (view::shown(&visitor.name), visitor.role.as_str())),
            signed_in: matches!(means, Some(Means::Session { .. })),
            off: matches!(means, Some(Means::Off)),
            frozen: None,
            dry_run: web.house().config.dry_run,
        }
    }

    fn menu(&self) -> [(&'static str, &'static str); 7] {
        MENU
    }
}

/// A time as people read it, and as a program does.
struct Moment {
    exact: String,
    words: String,
    machine: String,
}

impl Moment {
    fn of(at: DateTime<Utc>, now: DateTime<Utc>) -> Self {
        Self {
            exact: at.format("%Y-%m-%d %H:%M UTC").to_string(),
            words: crate::model::relative(now, at),
            machine: at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        }
    }
}

fn html(page: &impl Template) -> Result<Response, Problem> {
    let text = page
        .render()
        .map_err(|error| Problem::failed("a page cannot be rendered", &error))?;
    Ok(([(header::CONTENT_TYPE, "text/html; charset=utf-8")], text).into_response())
}

fn fields(query: Option<String>) -> Fields {
    Fields::parse(query.unwrap_or_default().as_bytes())
}

/// Spends the nonce of a form: each counts once, for whom and what it was made.
async fn spend(web: &Web, visitor: &Visitor, fields: &Fields, purpose: &str) -> Result<(), Problem> {
    use super::nonce::Fault;

    let now = web.clock.now();
    let nonce = fields.get("nonce").unwrap_or_default();
    let nonce = visitor
        .key(web)
        .check(nonce, purpose, now)
        .map_err(|fault| match fault {
            Fault::Forged => Problem::Origin(
                "the form was not made here for you and for this: open the page again and do it there"
                    .to_owned(),
            ),
            Fault::Old => Problem::Conflict(
                "the form lay open for too long: open the page again, look, and decide there".to_owned(),
            ),
        })?;
    let content = Digest::of_bytes(purpose.as_bytes());
    let seen = web
        .state()?
        .see_request(&nonce.id, &content, now, nonce.expires_at)
        .await?;
    match seen {
        RequestSeen::New => Ok(()),
        RequestSeen::Before(_) | RequestSeen::Other => Err(Problem::Conflict(
            "this form was sent already, and it counts once: look at what became of it".to_owned(),
        )),
    }
}

#[derive(Template)]
#[template(path = "web/templates/sign_in.html")]
struct SignInPage {
    frame: Frame,
    next: String,
    next_query: String,
    complaint: Option<&'static str>,
    tokens: bool,
    provider: Option<String>,
}

/// The page to sign in at.
pub(super) fn sign_in(web: &Web, next: &str, complaint: Option<&'static str>) -> Result<Response, Problem> {
    html(&sign_in_page(web, next, complaint))
}

fn sign_in_page(web: &Web, next: &str, complaint: Option<&'static str>) -> SignInPage {
    let house = web.house();
    let auth = &house.config.server.auth;
    let issuer = auth
        .oidc
        .issuer
        .as_deref()
        .and_then(|issuer| url::Url::parse(issuer).ok());
    SignInPage {
        frame: Frame::plain(web, None, "/sign-in", "Sign in"),
        next: next.to_owned(),
        next_query: url::form_urlencoded::byte_serialize(next.as_bytes()).collect(),
        complaint,
        tokens: !auth.tokens.is_empty(),
        provider: issuer.and_then(|url| url.host_str().map(ToOwned::to_owned)),
    }
}

#[derive(Template)]
#[template(path = "web/templates/problem.html")]
struct ProblemPage<'a> {
    frame: Frame,
    told: &'a Told,
}

/// A problem as a page. Who is not signed in gets the page to sign in at, and comes back from there.
pub(super) fn problem(told: &Told, from: &str, visitor: Option<&Visitor>, web: &Web) -> String {
    let page = if told.status == 401 && visitor.is_none() && told.title == "Sign in first" {
        sign_in_page(web, &super::sign_in::destination(Some(from)), None).render()
    } else {
        let frame = Frame::plain(web, visitor, "", told.title);
        ProblemPage { frame, told }.render()
    };
    page.unwrap_or_else(|error| {
        tracing::error!(%error, "a page cannot be rendered");
        format!("{} {}\n", told.status, told.title)
    })
}
