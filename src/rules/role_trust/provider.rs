//! Identity providers in trust policies: whose tokens are taken, for whom they were made and whom they name.

use crate::model::{Clause, FindingStatus, Severity};

use super::Problem;
use super::conditions::is_all_wildcard;

/// Claims that say for whom a token was made.
const AUDIENCE: [&str; 4] = ["aud", "oaud", "azp", "app_id"];

/// Claims that say whom a token names. `amr` is what Cognito has in their place: signed in, or a guest.
const SUBJECT: [&str; 11] = [
    "sub",
    "amr",
    "id",
    "user_id",
    "repository",
    "repository_id",
    "repository_owner",
    "repository_owner_id",
    "job_workflow_ref",
    "actor_id",
    "enterprise_id",
];

/// Providers that give tokens to everybody who has an account with them.
const SHARED: [&str; 10] = [
    "token.actions.githubusercontent.com",
    "gitlab.com",
    "app.terraform.io",
    "agent.buildkite.com",
    "oidc.circleci.com",
    "cognito-identity.amazonaws.com",
    "accounts.google.com",
    "graph.facebook.com",
    "www.amazon.com",
    "api.pulumi.com/oidc",
];

/// Providers known to IAM by name, which has no list of audiences of its own for them.
const BUILT_IN: [&str; 4] = [
    "cognito-identity.amazonaws.com",
    "accounts.google.com",
    "graph.facebook.com",
    "www.amazon.com",
];

const GITHUB: &str = "token.actions.githubusercontent.com";

/// Words of subjects that name a kind of thing, not a thing.
const KINDS: [&str; 22] = [
    "repo",
    "ref",
    "refs",
    "heads",
    "tags",
    "pull_request",
    "environment",
    "job_workflow_ref",
    "system",
    "serviceaccount",
    "project_path",
    "ref_type",
    "branch",
    "tag",
    "organization",
    "project",
    "workspace",
    "run_phase",
    "pipeline",
    "org",
    "user",
    "deploy",
];

/// What is wrong with trust in this provider under these conditions.
pub(super) fn problems(name: &str, clauses: &[Clause]) -> Vec<Problem> {
    if name.contains(":saml-provider/") {
        let has_audience = has(clauses, "saml", &["aud"], |_, value| !is_all_wildcard(value));
        return match has_audience {
            true => Vec::new(),
            false => vec![no_audience(name, "SAML:aud", Severity::Medium)],
        };
    }
    let host = name.split_once(":oidc-provider/").map_or(name, |(_, host)| host);
    let lower = host.to_ascii_lowercase();
    let mut found = Vec::new();
    if !has(clauses, &lower, &SUBJECT, |claim, value| {
        names_somebody(&lower, claim, value)
    }) {
        found.push(no_subject(name, host, SHARED.contains(&lower.as_str())));
    }
    if !has(clauses, &lower, &AUDIENCE, |_, value| !is_all_wildcard(value)) {
        let severity = match BUILT_IN.contains(&lower.as_str()) {
            true => Severity::High,
            // IAM still checks the audiences declared with the provider.
            false => Severity::Medium,
        };
        found.push(no_audience(name, &format!("{host}:aud"), severity));
    }
    found
}

/// Whether some condition demands one of these claims, and each of its values will do.
fn has(clauses: &[Clause], host: &str, claims: &[&str], will_do: impl Fn(&str, &str) -> bool) -> bool {
    clauses.iter().any(|clause| {
        let claim = clause
            .key
            .strip_prefix(host)
            .and_then(|rest| rest.strip_prefix(':'))
            .filter(|claim| claims.contains(claim));
        match (claim, clause.demanded()) {
            (Some(claim), Some(values)) => {
                !values.is_empty() && values.iter().all(|value| will_do(claim, value))
            }
            (None, _) | (_, None) => false,
        }
    })
}

/// Whether a pattern for a claim names somebody, and is not open to whoever picks the right name.
fn names_somebody(host: &str, claim: &str, value: &str) -> bool {
    // Whoever may choose the name of an organization or a repository may choose one that a wildcard fits.
    let owner = match (host, claim) {
        (GITHUB, "sub") => value.strip_prefix("repo:"),
        (GITHUB, "repository" | "job_workflow_ref") => Some(value),
        _ => None,
    };
    if let Some(owner) = owner {
        let name = owner.split_once('/').map_or(owner, |(owner, _)| owner);
        return !name.is_empty() && !name.contains(['*', '?']) && owner.contains('/');
    }
    let mut segments = value.split([':', '/']);
    segments.any(|segment| {
        let text = segment.trim_matches(|c| c == '*' || c == '?');
        !text.is_empty() && !KINDS.contains(&text.to_ascii_lowercase().as_str())
    })
}

fn no_subject(name: &str, host: &str, shared: bool) -> Problem {
    let (severity, who) = match shared {
        true => (
            Severity::Critical,
            format!("everybody who has an account with {host}"),
        ),
        false => (Severity::High, format!("everybody whom {host} gives a token")),
    };
    Problem {
        kind: "no_subject",
        status: FindingStatus::Violation,
        severity,
        principal: name.to_owned(),
        title: format!("can be assumed by {who}"),
        why: format!("No condition names a subject of {host}: {who} can assume the role."),
        step: format!(
            "add a condition on `{host}:{}` that names who may, without a wildcard in the owner's name",
            subject_of(host)
        ),
    }
}

fn subject_of(host: &str) -> &'static str {
    match host {
        "cognito-identity.amazonaws.com" => "amr",
        "graph.facebook.com" => "id",
        "www.amazon.com" => "user_id",
        _ => "sub",
    }
}

fn no_audience(name: &str, key: &str, severity: Severity) -> Problem {
    Problem {
        kind: "no_audience",
        status: FindingStatus::Violation,
        severity,
        principal: name.to_owned(),
        title: format!("takes tokens of {} made for others", short(name)),
        why: format!(
            "No condition on {key} says for whom a token of {} must have been made.",
            short(name)
        ),
        step: format!("add a condition on `{key}` with the audience that is meant"),
    }
}

/// The provider without the head of its ARN.
fn short(name: &str) -> &str {
    name.split_once("-provider/").map_or(name, |(_, short)| short)
}
