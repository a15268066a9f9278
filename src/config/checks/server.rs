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
            key("issuer"),
            "the provider knows iamwarden by an id: declare `server.auth.oidc.client_id`".into(),
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
            key("issuer"),
            "nobody may do anything after signing in: declare `viewers`, `approvers` or `admins` of `server.auth.oidc`".into(),
        );
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::{Environment, load_text};

    /// The keys of which something is said, and what.
    fn refused(text: &str) -> Vec<String> {
        match load_text(Path::new("test.toml"), text, &Environment::empty()) {
            Ok(_) => Vec::new(),
            Err(errors) => errors.to_string().lines().map(ToOwned::to_owned).collect(),
        }
    }

    fn is_refused(text: &str, key: &str, word: &str) {
        let told = refused(text);
        let fits = |line: &&String| line.contains(key) && line.contains(word);
        assert_eq!(told.iter().filter(fits).count(), 1, "{told:?}");
    }

    const HASH: &str = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

    fn token(name: &str, hash: &str) -> String {
        format!("[[server.auth.tokens]]\nname = \"{name}\"\nrole = \"viewer\"\nhash = \"{hash}\"\n")
    }

    #[test]
    fn no_sign_in_is_for_this_machine_alone() {
        assert!(refused("server.auth.off = true").is_empty());
        assert!(refused("server.auth.off = true\nserver.listen = \"[::1]:8787\"").is_empty());
        let wide = "server.auth.off = true\nserver.listen = \"0.0.0.0:8787\"";
        is_refused(wide, "server.auth.off", "loopback");
        let both = format!("server.auth.off = true\n{}", token("ci", HASH));
        is_refused(&both, "server.auth.off", "leave out one");
    }

    #[test]
    fn a_token_is_declared_by_its_hash_and_never_repeated() {
        assert!(refused(&token("ci", HASH)).is_empty());
        for wrong in [
            "canary-0123456789abcdef0123456789",
            "",
            "sha256:00",
            &HASH.to_uppercase(),
        ] {
            is_refused(&token("ci", wrong), "tokens[0].hash", "not the hash");
            assert!(!refused(&token("ci", wrong)).concat().contains("canary"));
        }
        let other = HASH.replace("9f86", "9f87");
        is_refused(
            &(token("ci", HASH) + &token("ci", &other)),
            "tokens[1].name",
            "once",
        );
        is_refused(
            &(token("ci", HASH) + &token("cd", HASH)),
            "tokens[1].hash",
            "another name",
        );
        is_refused(&token(" ", HASH), "tokens[0].name", "blank");
    }

    #[test]
    fn a_provider_is_complete_and_gives_somebody_a_role() {
        let declared = |issuer: &str, more: &str| {
            format!(
                "server.public_url = \"https://warden.example.com\"\n[server.auth.oidc]\nissuer = \"{issuer}\"\n{more}"
            )
        };
        let id = "https://id.example.com";
        assert!(refused(&declared(id, "client_id = \"x\"\nviewers = [\"*\"]")).is_empty());
        is_refused(&declared(id, "viewers = [\"*\"]"), "oidc.issuer", "client_id");
        is_refused(&declared(id, "client_id = \"x\""), "oidc.issuer", "nobody");
        is_refused(
            &declared("http://id", "client_id = \"x\"\nviewers = [\"a\"]"),
            "oidc.issuer",
            "https",
        );
        let everybody = declared(id, "client_id = \"x\"\napprovers = [\"*\"]");
        is_refused(&everybody, "oidc.approvers", "viewers alone");
        let nowhere = format!("[server.auth.oidc]\nissuer = \"{id}\"\nclient_id = \"x\"\nviewers = [\"*\"]");
        is_refused(&nowhere, "oidc.issuer", "public_url");
    }

    #[test]
    fn the_public_url_is_an_origin() {
        let url = |url: &str| format!("server.public_url = \"{url}\"");
        for fits in [
            "https://warden.example.com",
            "https://warden.example.com:8443/",
            "http://localhost:8787",
        ] {
            assert!(refused(&url(fits)).is_empty(), "{fits}");
        }
        for wrong in [
            "http://warden.example.com",
            "https://w/x",
            "https://u:p@w",
            "https://w/?a",
            "warden",
            "file:///x",
        ] {
            is_refused(&url(wrong), "server.public_url", "https://");
        }
    }
}
