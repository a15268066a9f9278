//! What holds for every request, before any handler sees it.
//!
//! Default deny: each route stands in a table with the right that it takes, and a route that does not is refused to
//! everybody. What changes something comes by POST, from this origin, and says who asks.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::handler::Handler;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodFilter, on};
use url::Url;

use super::Web;
use super::problem::{Form, Problem, tell};
use super::visitor::{Visitor, identify};
use crate::config::{Role, ServerSettings};

/// On every answer: nothing is to be cached, guessed at, framed, or to load anything from elsewhere.
const SECURITY_HEADERS: [(HeaderName, HeaderValue); 8] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
             form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
        ),
    ),
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static("camera=(), geolocation=(), microphone=()"),
    ),
];

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Right {
    /// Container platforms and Prometheus: whoever reaches the address, also where the pages are off.
    Machines,
    /// Whoever reaches the address, in order to sign in.
    Anybody,
    /// Whoever may look.
    View,
    /// Whoever may approve, reject and roll back. That the person is among the approvers, the daemon asks.
    Decide,
    /// Whoever may freeze and release.
    Administer,
}

impl Right {
    fn least_role(self) -> Option<Role> {
        match self {
            Self::Machines | Self::Anybody => None,
            Self::View => Some(Role::Viewer),
            Self::Decide => Some(Role::Approver),
            Self::Administer => Some(Role::Admin),
        }
    }
}

/// The rights by path and by whether the method is one that changes something.
pub(super) type Table = BTreeMap<(&'static str, bool), Right>;

/// Routes, each with its right.
pub(super) struct Routes {
    router: Router<Web>,
    table: Table,
}

impl Routes {
    pub(super) fn new() -> Self {
        Self {
            router: Router::new(),
            table: Table::new(),
        }
    }

    /// A route that shows something; HEAD comes with it.
    pub(super) fn get<H: Handler<T, Web>, T: 'static>(
        self,
        path: &'static str,
        right: Right,
        handler: H,
    ) -> Self {
        self.add(MethodFilter::GET, false, path, right, handler)
    }

    /// A route that changes something.
    pub(super) fn post<H: Handler<T, Web>, T: 'static>(
        self,
        path: &'static str,
        right: Right,
        handler: H,
    ) -> Self {
        self.add(MethodFilter::POST, true, path, right, handler)
    }

    fn add<H: Handler<T, Web>, T: 'static>(
        mut self,
        filter: MethodFilter,
        changes: bool,
        path: &'static str,
        right: Right,
        handler: H,
    ) -> Self {
        self.table.insert((path, changes), right);
        self.router = self.router.route(path, on(filter, handler));
        self
    }

    pub(super) fn into_parts(self) -> (Router<Web>, Table) {
        (self.router, self.table)
    }
}

/// What the guard knows.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    web: Web,
    table: Arc<Table>,
}

impl Guard {
    pub(super) fn new(web: Web, table: Table) -> Self {
        Self {
            web,
            table: Arc::new(table),
        }
    }

    /// Whether the request may reach its handler, and who asks.
    async fn admit(&self, asked: Asked) -> Result<Option<Visitor>, Problem> {
        let Asked {
            changes,
            path,
            headers,
            from,
        } = &asked;
        let (changes, from, path) = (*changes, *from, path.as_ref().map(MatchedPath::as_str));
        let server = self.web.house().config.server.clone();
        let right = path.and_then(|path| self.table.get(&(path, changes)).copied());
        // The path is there, and only for other methods: who asks for health need not sign in to be told so.
        let other = path.and_then(|path| self.table.get(&(path, !changes)).copied());
        if right.or(other) == Some(Right::Machines) {
            return Ok(None);
        }
        if !server.auth.is_configured() {
            return Err(Problem::Closed);
        }
        check_host(headers, &server)?;
        let visitor = identify(&self.web, &server.auth, headers, from).await;
        // Who says nothing of himself is asked that first.
        let is_nobody = matches!(visitor, Ok(None)) && right != Some(Right::Anybody);
        if changes && !is_nobody {
            let by_token = headers.contains_key(header::AUTHORIZATION);
            check_origin(headers, &server, by_token || server.auth.off)?;
        }
        match (right, path) {
            // Whoever wants in is not kept out by a cookie that is over.
            (Some(Right::Anybody), _) => return Ok(visitor.unwrap_or_default()),
            (Some(_), _) => {}
            // The handlers behind this say 404 and 405; the answer says nothing of what is here to who may not look.
            (None, None) => return visitor?.map(Some).ok_or(Problem::SignIn),
            (None, Some(_)) if other.is_some() => return visitor?.map(Some).ok_or(Problem::SignIn),
            (None, Some(_)) => return Err(Problem::Forbidden("this route has no right".to_owned())),
        }
        let visitor = visitor?.ok_or(Problem::SignIn)?;
        let needed = right.and_then(Right::least_role).unwrap_or(Role::Admin);
        if visitor.role < needed {
            return Err(Problem::Forbidden(format!(
                "this takes the role {}, and {} has the role {}",
                needed.as_str(),
                visitor.name,
                visitor.role.as_str()
            )));
        }
        Ok(Some(visitor))
    }
}

/// What the guard looks at: a body cannot be shared with whoever waits for the state.
struct Asked {
    changes: bool,
    path: Option<MatchedPath>,
    headers: HeaderMap,
    from: IpAddr,
}

impl Asked {
    fn of(request: &Request) -> Self {
        Self {
            changes: !matches!(*request.method(), Method::GET | Method::HEAD),
            path: request.extensions().get::<MatchedPath>().cloned(),
            headers: request.headers().clone(),
            from: address(request),
        }
    }
}

/// Lets a request through, or says why not.
pub(super) async fn guard(State(guard): State<Guard>, mut request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let from = request
        .uri()
        .path_and_query()
        .map_or(path.clone(), ToString::to_string);
    let form = Form::of(&path);
    let mut visitor = None;
    let response = match guard.admit(Asked::of(&request)).await {
        Ok(found) => {
            if let Some(found) = &found {
                request.extensions_mut().insert(found.clone());
            }
            visitor = found;
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    };
    tell(response, form, &from, visitor.as_ref(), &guard.web)
}

/// From where a request comes, for the limit of attempts. Behind a proxy that is the proxy.
fn address(request: &Request) -> IpAddr {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    peer.map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.0.ip())
}

fn is_loopback(host: &str) -> bool {
    match Url::parse(&format!("http://{host}/"))
        .ok()
        .as_ref()
        .and_then(Url::host)
    {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn host(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::HOST)?.to_str().ok()
}

/// Whether cookies may travel without TLS: the browser is on this machine.
pub(super) fn is_on_this_machine(headers: &HeaderMap) -> bool {
    host(headers).is_some_and(is_loopback)
}

/// The origin that people were told of.
fn public_origin(server: &ServerSettings) -> Option<url::Origin> {
    let url = server.public_url.as_deref().map(Url::parse)?.ok()?;
    Some(url.origin())
}

/// The name by which the server is reached has to be its own: a name of somebody else's that leads here would make
/// pages of his the same origin. Where the server listens beyond this machine and nobody declared its name, any name is.
fn check_host(headers: &HeaderMap, server: &ServerSettings) -> Result<(), Problem> {
    let refused = |host: &str| {
        Problem::Origin(format!(
            "iamwarden is not known by the name {host}: declare it as server.public_url"
        ))
    };
    let Some(host) = host(headers) else {
        return Err(Problem::Invalid("the request names no host".to_owned()));
    };
    let of_url = |scheme: &str| Url::parse(&format!("{scheme}://{host}/")).map(|url| url.origin());
    if is_loopback(host) {
        return Ok(());
    }
    match public_origin(server) {
        Some(known)
            if ["http", "https"].iter().any(|scheme| {
                // A proxy speaks to us without TLS.
                of_url(scheme).is_ok_and(|origin| origin == known)
            }) =>
        {
            Ok(())
        }
        Some(_) => Err(refused(host)),
        None if server.listen.is_some_and(|listen| listen.ip().is_loopback()) => Err(refused(host)),
        None => Ok(()),
    }
}

/// What changes something has to come from a page of ours. A program with a token of its own has no origin; a browser
/// always says one.
fn check_origin(headers: &HeaderMap, server: &ServerSettings, may_be_a_program: bool) -> Result<(), Problem> {
    let text = |name: &str| {
        headers
            .get(name)
            .map(|value| value.to_str().unwrap_or("unreadable"))
    };
    let elsewhere = |from: &str| {
        Problem::Origin(format!(
            "the request comes from {from}: open the page here and do it there"
        ))
    };
    if text("sec-purpose").or(text("purpose")).is_some() {
        return Err(Problem::Origin(
            "it was fetched ahead of time, by nobody's wish".to_owned(),
        ));
    }
    if let Some(site) = text("sec-fetch-site")
        && site != "same-origin"
    {
        return Err(elsewhere(&format!("another site ({site})")));
    }
    match text("origin") {
        Some(origin) => {
            let parsed = Url::parse(origin).map(|url| url.origin());
            let ours = host(headers).and_then(|host| Url::parse(&format!("http://{host}/")).ok());
            let secure = host(headers).and_then(|host| Url::parse(&format!("https://{host}/")).ok());
            let known = [
                ours.map(|url| url.origin()),
                secure.map(|url| url.origin()),
                public_origin(server),
            ];
            match parsed {
                Ok(parsed) if parsed.is_tuple() && known.contains(&Some(parsed.clone())) => Ok(()),
                Ok(_) | Err(_) => Err(elsewhere(origin)),
            }
        }
        None if may_be_a_program || text("sec-fetch-site").is_some() => Ok(()),
        None => Err(elsewhere("nowhere (the header `Origin` is missing)")),
    }
}

/// Adds the headers of every answer, where a handler did not say otherwise.
pub(super) async fn secure(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in SECURITY_HEADERS {
        headers.entry(name).or_insert(value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_str(value).unwrap(),
            )
        };
        pairs.iter().map(pair).collect()
    }

    fn server(listen: &str, public_url: Option<&str>) -> ServerSettings {
        ServerSettings {
            listen: Some(listen.parse().unwrap()),
            public_url: public_url.map(ToOwned::to_owned),
            ..Config::built_in().unwrap().server
        }
    }

    #[test]
    fn a_name_that_is_not_ours_is_refused() {
        let local = server("127.0.0.1:8787", None);
        let proxied = server("127.0.0.1:8787", Some("https://warden.example.com"));
        let wide = server("0.0.0.0:8787", None);
        let named = server("0.0.0.0:8787", Some("https://warden.example.com"));
        for (server, host, fits) in [
            (&local, "127.0.0.1:8787", true),
            (&local, "localhost:8787", true),
            (&local, "[::1]:8787", true),
            (&local, "attacker.example:8787", false),
            (&local, "localhost.attacker.example", false),
            (&local, "127.0.0.1.attacker.example", false),
            (&local, "warden.example.com", false),
            (&proxied, "warden.example.com", true),
            (&proxied, "warden.example.com:8787", false),
            (&proxied, "attacker.example", false),
            (&wide, "10.0.0.7:8787", true),
            (&named, "10.0.0.7:8787", false),
            (&named, "warden.example.com", true),
        ] {
            assert_eq!(
                check_host(&headers(&[("host", host)]), server).is_ok(),
                fits,
                "{host}"
            );
        }
        assert!(check_host(&HeaderMap::new(), &local).is_err());
    }

    #[test]
    fn what_changes_something_comes_from_here() {
        let server = server("127.0.0.1:8787", Some("https://warden.example.com"));
        let host = ("host", "127.0.0.1:8787");
        let check = |pairs: &[(&'static str, &str)], program| {
            let pairs: Vec<_> = pairs.iter().copied().chain([host]).collect();
            check_origin(&headers(&pairs), &server, program).is_ok()
        };
        assert!(check(&[("origin", "http://127.0.0.1:8787")], false));
        assert!(check(&[("origin", "https://warden.example.com")], false));
        assert!(check(&[("sec-fetch-site", "same-origin")], false));
        assert!(check(&[], true), "a program has no origin");
        assert!(!check(&[], false), "a browser has one");
        for origin in [
            "null",
            "https://attacker.example",
            "http://127.0.0.1:8788",
            "http://warden.example.com",
            "https://warden.example.com.attacker.example",
            "file:///tmp/page.html",
            "",
        ] {
            assert!(!check(&[("origin", origin)], false), "{origin}");
            assert!(!check(&[("origin", origin)], true), "{origin}, with a token");
        }
        for site in ["cross-site", "same-site", "none"] {
            assert!(!check(&[("sec-fetch-site", site)], true), "{site}");
        }
        assert!(!check(
            &[("origin", "http://127.0.0.1:8787"), ("sec-purpose", "prefetch")],
            false
        ));
    }
}
