//! Who may reach the pages.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use url::Url;

use super::{Tell, is_blank};
use crate::config::Config;
use crate::config::problem::quoted;

pub(super) fn check_public_url(config: &Config, tell: &mut Tell<'_>) {
    let Some(text) = &config.server.public_url else {
        return;
    };
    let plain = |url: &Url| {
        let whole = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        whole && url.username().is_empty() && url.password().is_none() && url.host().is_some()
    };
    let is_loopback = |url: &Url| match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    let fits = Url::parse(text).is_ok_and(|url| {
        plain(&url) && (url.scheme() == "https" || url.scheme() == "http" && is_loopback(&url))
    });
    if !fits {
        tell(
            "server.public_url".into(),
            format!(
                "{} is not where people can reach the pages: expected `https://` and a host, without a path, such as \"https://iamwarden.example.com\"",
                quoted(text)
            ),
        );
    }
}

pub(super) fn check_auth_off(config: &Config, tell: &mut Tell<'_>) {
    let auth = &config.server.auth;
    let is_loopback = |address: SocketAddr| address.ip().is_loopback();
    if auth.off && !config.server.listen.is_none_or(is_loopback) {
        tell(
            "server.auth.off".into(),
            "whoever reaches the address could decide: declare tokens or a provider instead, or set `server.listen` to a loopback address".into(),
        );
    }
    if auth.off && (!auth.tokens.is_empty() || auth.oidc.issuer.is_some()) {
        tell(
            "server.auth.off".into(),
            "it is off, and tokens or a provider are declared: leave out one or the other".into(),
        );
    }
}

pub(super) fn check_tokens(config: &Config, tell: &mut Tell<'_>) {
    let (mut names, mut hashes) = (BTreeSet::new(), BTreeSet::new());
    for (n, token) in config.server.auth.tokens.iter().enumerate() {
        let key = |name: &str| format!("server.auth.tokens[{n}].{name}");
        if is_blank(&token.name) {
            tell(key("name"), "the name of a token must not be blank".into());
        } else if !names.insert(&token.name) {
            let name = quoted(&token.name);
            tell(
                key("name"),
                format!("{name} has a token already: expected each once"),
            );
        }
        let digits = token.hash.strip_prefix("sha256:").unwrap_or_default();
        let is_digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if digits.len() != 64 || !digits.bytes().all(is_digit) {
            // It may be the token itself.
            tell(
                key("hash"),
                "this is not the hash of a token: expected `sha256:` and 64 hexadecimal digits in lower case, as `sha256sum` prints them for the token".into(),
            );
        } else if !hashes.insert(&token.hash) {
            tell(key("hash"), "the same token belongs to another name above".into());
        }
    }
}

pub(super) fn check_oidc(config: &Config, tell: &mut Tell<'_>) {
    let oidc = &config.server.auth.oidc;
    let Some(issuer) = &oidc.issuer else { return };
    let key = |name: &str| format!("server.auth.oidc.{name}");
    let scheme = Url::parse(issuer).map(|url| url.scheme().to_owned());
    let allowed = match scheme.as_deref() {
        Ok("https") => true,
        Ok("http") => config.notifications.allow_http,
        Ok(_) | Err(_) => false,
    };
    if !allowed {
        tell(
            key("issuer"),
            format!(
                "{} is not an issuer: expected its URL from `https://` on, as the provider writes it",
                quoted(issuer)
            ),
        );
    }
    if is_blank(&oidc.client_id) {
        tell(
            key("client_id"),
            "the id is blank: write the one that the provider gave".into(),
        );
    }
    if config.server.public_url.is_none() {
        tell(
            key("issuer"),
            "the provider has to send people back: declare `server.public_url`".into(),
        );
    }
    for (name, claim) in [
        ("subject_claim", &oidc.subject_claim),
        ("role_claim", &oidc.role_claim),
    ] {
        if is_blank(claim) {
            tell(key(name), "the name of a claim must not be blank".into());
        }
    }
    let unguarded = |values: &[String]| values.iter().any(|value| value == "*");
    for (name, values) in [("approvers", &oidc.approvers), ("admins", &oidc.admins)] {
        if unguarded(values) {
            tell(
                key(name),
                "`*` is for viewers alone: name the values that the claim must have".into(),
            );
        }
    }
    if oidc.viewers.is_empty() && oidc.approvers.is_empty() && oidc.admins.is_empty() {
        tell(
            key("viewers"),
            "nobody may do anything after signing in: name values of the claim, or `*` for everybody".into(),
        );
    }
}
