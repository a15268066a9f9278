//! Short texts, and the configuration that they stand in.

use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use iamwarden::config::{self, ConfigErrors, Environment, Schedule, SecretReference, Source, Window};
use iamwarden::model::{AccessKeyId, AccountId, Arn, Glob, Span};
use iamwarden::notify::SigningSecret;
use secrecy::SecretString;

/// The configuration file. It begins a new reading after `\0`, so that the same input also tries the environment.
pub fn configuration(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let read = || config::load_text(Path::new("iamwarden.toml"), text, &Environment::empty());
    match (read(), read()) {
        (Ok(one), Ok(other)) => {
            assert_eq!(one.config, other.config);
            assert_eq!(one.config.digest(), other.config.digest());
        }
        (Err(errors), Err(again)) => {
            assert_eq!(errors, again);
            check_errors(&errors, text);
        }
        _ => panic!("one reading succeeds, and the next does not"),
    }
}

/// Variables of the environment, `NAME=value`, one a line.
pub fn variables(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let variables = text.lines().filter_map(|line| line.split_once('='));
    let variables = variables.filter(|(name, value)| !name.contains('\0') && !value.contains('\0'));
    let environment: Environment = variables
        .map(|(name, value)| (format!("IAMWARDEN__{name}"), value))
        .collect();
    match config::load_text(Path::new("iamwarden.toml"), "", &environment) {
        Ok(loaded) => drop(loaded.config.digest()),
        Err(errors) => check_errors(&errors, ""),
    }
}

/// What is refused says where, in one printable line each, and repeats no secret.
fn check_errors(errors: &ConfigErrors, text: &str) {
    assert!(!errors.problems().is_empty());
    let secrets = secrets_in(text);
    for problem in errors.problems() {
        let told = problem.to_string();
        assert!(
            !told.contains(|c: char| c.is_control()),
            "not printable: {told:?}"
        );
        for secret in &secrets {
            assert!(!told.contains(secret.as_str()), "a secret is repeated: {told}");
        }
        if let (Source::File(_), Some(position)) = (&problem.place.source, problem.place.position) {
            // A text that ends with a line break has one more line, on which it ends.
            let lines = text.split('\n').count();
            assert!(
                (1..=lines).contains(&position.line),
                "line {} of {lines}: {told}",
                position.line
            );
            assert!(position.column >= 1, "{told}");
        }
    }
}

/// Literal secrets where references belong, as long as secrets are and nowhere else in the text.
fn secrets_in(text: &str) -> Vec<String> {
    let Ok(table) = text.parse::<toml::Table>() else {
        return Vec::new();
    };
    let channels = table
        .get("notifications")
        .and_then(|n| n.get("channels")?.as_array().cloned());
    let accounts = table
        .get("accounts")
        .and_then(|accounts| accounts.as_array().cloned());
    let tables = channels.into_iter().chain(accounts).flatten();
    let values = tables.flat_map(|table| {
        let of = |name: &str| table.get(name).and_then(|value| Some(value.as_str()?.to_owned()));
        ["url", "secret", "signing_secret", "external_id"]
            .into_iter()
            .filter_map(of)
            .collect::<Vec<_>>()
    });
    values
        .filter(|value| value.len() >= 12 && text.matches(value.as_str()).count() == 1)
        .filter(|value| SecretReference::parse(value).is_err())
        .collect()
}

/// Schedules, windows, spans.
pub fn times(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let begin: DateTime<Utc> = "2026-03-02T06:00:00Z".parse().unwrap();
    if let Ok(schedule) = Schedule::parse(&text) {
        assert_eq!(
            Schedule::parse(schedule.as_str()).unwrap().as_str(),
            schedule.as_str()
        );
        assert!(
            schedule.next_after(DateTime::UNIX_EPOCH).is_some(),
            "{text:?} never fires"
        );
        let mut before = begin;
        while let Some(next) = schedule
            .next_after(before)
            .filter(|_| before < begin + TimeDelta::seconds(3))
        {
            assert!(next > before, "{text:?}: {next} after {before}");
            before = next;
        }
    }
    if let Ok(window) = Window::parse(&text) {
        assert_eq!(Window::parse(&window.to_string()).unwrap(), window);
        for zone in [
            chrono_tz::UTC,
            chrono_tz::Europe::Berlin,
            chrono_tz::Pacific::Apia,
        ] {
            let open = window.next_open(begin, zone);
            assert!(
                open >= begin && window.contains(open, zone),
                "{text:?} in {zone}: {open}"
            );
        }
    }
    if let Ok(span) = Span::parse(&text) {
        assert_eq!(Span::parse(&span.to_string()).unwrap(), span);
        assert!(
            begin
                .checked_add_signed(span.delta())
                .is_some_and(|then| then >= begin)
        );
    }
}

/// ARNs, ids, and patterns for principals: a name, a line break, a pattern.
pub fn names(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (name, pattern) = text.split_once('\n').unwrap_or((&text, "*"));
    if let Ok(arn) = Arn::parse(name) {
        assert_eq!(Arn::parse(arn.as_str()).unwrap(), arn);
        assert_eq!(arn.as_str(), name);
        let written = serde_json::to_string(&arn).unwrap();
        assert_eq!(serde_json::from_str::<Arn>(&written).unwrap(), arn);
        let _ = (
            arn.partition(),
            arn.service(),
            arn.region(),
            arn.account(),
            arn.name(),
        );
        let (kind, path) = (arn.principal_kind(), arn.principal_path());
        assert!(path.matches(&Glob::new("*")), "{kind:?}");
        assert!(!path.matches(&Glob::new("")), "an empty pattern means nothing");
        path.matches(&Glob::new(pattern));
    }
    if let Ok(id) = AccountId::parse(name) {
        assert!(name.len() == 12 && name.bytes().all(|b| b.is_ascii_digit()));
        assert_eq!(AccountId::parse(id.as_str()).unwrap(), id);
    }
    if let Ok(id) = AccessKeyId::parse(name) {
        assert_eq!(AccessKeyId::parse(id.as_str()).unwrap(), id);
        let _ = id.last_four();
    }
    Glob::new(pattern).matches(name);
    if !name.is_empty() && !name.contains(['*', '?']) {
        assert!(Glob::new(name).matches(name), "{name:?} is not like itself");
    }
}

/// References to secrets. What is none may be a secret: all are refused in the same words.
pub fn secret_reference(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match SecretReference::parse(&text) {
        Ok(reference) => {
            let written = reference.to_string();
            assert_eq!(SecretReference::parse(&written).unwrap(), reference);
        }
        Err(error) => assert_eq!(error, SecretReference::parse("").unwrap_err()),
    }
}

/// Secrets that sign webhooks. None of them shows.
pub fn signing_secret(data: &[u8]) {
    let text = String::from_utf8_lossy(data).into_owned();
    let at: DateTime<Utc> = "2026-03-02T06:00:00Z".parse().unwrap();
    let parse = |text: &str| SigningSecret::parse(&SecretString::from(text.to_owned()));
    match parse(&text) {
        Ok(secret) => {
            let signature = secret.sign("msg_1", at, "{}");
            assert_eq!(signature, secret.sign("msg_1", at, "{}"));
            assert!(signature.starts_with("v1,"));
            assert_eq!(format!("{secret:?}"), format!("{:?}", parse("another").unwrap()));
        }
        Err(error) => {
            let known = [parse("whsec_?"), parse("")].map(|refused| refused.unwrap_err().to_string());
            assert!(known.contains(&error.to_string()), "{error}");
        }
    }
}
