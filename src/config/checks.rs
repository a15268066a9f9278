//! What a configuration must hold beyond the types of its keys: named checks in a table.
//!
//! A check runs only where all that it reads is sound, so that one mistake is not reported twice.

mod notifications;
mod organization;
mod regional;
mod server;

use std::collections::BTreeSet;

use super::problem::quoted;
use super::{Account, Config, Mode};
use crate::model::{Arn, Glob, RuleName, Span, StateUrl, StateUrlError};

/// Tells of something wrong with the value of a key: by the key's path, and what is allowed.
type Tell<'a> = dyn FnMut(String, String) + 'a;

/// One thing that must hold.
pub(super) struct Check {
    /// Its name, for tests and readers.
    pub(super) name: &'static str,
    /// The keys and sections that it reads.
    pub(super) reads: &'static [&'static str],
    /// Tells of everything that does not hold.
    pub(super) run: fn(&Config, &mut Tell<'_>),
}

/// Every check.
pub(super) const CHECKS: [Check; 29] = [
    Check {
        name: "the state is somewhere, and its password is not written down",
        reads: &["state.url"],
        run: check_state_url,
    },
    Check {
        name: "findings are kept for some time",
        reads: &["state.keep_findings"],
        run: |config, tell| at_least_something(config.state.keep_findings, "state.keep_findings", tell),
    },
    Check {
        name: "account ids are unique",
        reads: &["accounts"],
        run: check_account_ids,
    },
    Check {
        name: "names and external ids of accounts mean something",
        reads: &["accounts"],
        run: check_account_fields,
    },
    Check {
        name: "roles belong to their account",
        reads: &["accounts"],
        run: check_account_roles,
    },
    Check {
        name: "one account at most has the ambient credentials",
        reads: &["accounts"],
        run: check_ambient_credentials,
    },
    Check {
        name: "the accounts of the organization can be told apart and reached",
        reads: &["organization", "accounts"],
        run: organization::check_organization,
    },
    Check {
        name: "a rollout names what there is to name",
        reads: &["rollout", "organization", "accounts"],
        run: organization::check_rollout,
    },
    Check {
        name: "protected patterns can match a principal",
        reads: &["guardrails.protected"],
        run: |config, tell| check_patterns(&config.guardrails.protected, "guardrails.protected", tell),
    },
    Check {
        name: "approvers have names, each once",
        reads: &["approvals.approvers", "approvals.minimum_approvers"],
        run: check_approvers,
    },
    Check {
        name: "people have names, each of one person",
        reads: &["approvals.people"],
        run: check_people,
    },
    Check {
        name: "limits of age and pauses are not zero",
        reads: &["rules"],
        run: check_rule_ages,
    },
    Check {
        name: "warnings come before the date, each once",
        reads: &[
            "rules.access_key_rotation.warn_before",
            "rules.user_mfa.warn_before",
        ],
        run: check_warn_before,
    },
    Check {
        name: "passwords expire after whole days that IAM takes",
        reads: &["rules.password_policy.max_age"],
        run: check_password_age,
    },
    Check {
        name: "exemptions say whom, of what and why",
        reads: &["exemptions"],
        run: check_exemptions,
    },
    Check {
        name: "owner tags have names",
        reads: &["notifications.owner_tags"],
        run: notifications::check_owner_tags,
    },
    Check {
        name: "networks that channels may reach are not everything",
        reads: &["notifications.allow_networks"],
        run: notifications::check_networks,
    },
    Check {
        name: "channels have names of their own, known events, and a secret where they sign",
        reads: &["notifications.channels"],
        run: notifications::check_channels,
    },
    Check {
        name: "owner entries say whom",
        reads: &["notifications.owners"],
        run: notifications::check_owner_entries,
    },
    Check {
        name: "channels that are referred to are declared",
        reads: &[
            "notifications.channels",
            "notifications.owners",
            "notifications.default_channel",
            "reports.channels",
        ],
        run: notifications::check_channel_references,
    },
    Check {
        name: "people can reach the pages where it says",
        reads: &["server.public_url"],
        run: server::check_public_url,
    },
    Check {
        name: "pages without a sign-in are for this machine alone",
        reads: &["server.listen", "server.auth"],
        run: server::check_auth_off,
    },
    Check {
        name: "tokens have names and hashes of their own",
        reads: &["server.auth.tokens"],
        run: server::check_tokens,
    },
    Check {
        name: "a provider is complete, and gives somebody a role",
        reads: &[
            "server.auth.oidc",
            "server.public_url",
            "notifications.allow_http",
        ],
        run: server::check_oidc,
    },
    Check {
        name: "regions are named once each",
        reads: &["regions.include"],
        run: regional::check_regions,
    },
    Check {
        name: "a trail that is made or mended has what CloudTrail takes",
        reads: &["rules.cloudtrail"],
        run: regional::check_cloudtrail,
    },
    Check {
        name: "patterns of one's own have names and can be compared",
        reads: &["rules.iam_alarms"],
        run: regional::check_iam_alarms,
    },
    Check {
        name: "analyzers that are made have a name that Access Analyzer takes",
        reads: &["rules.access_analyzer"],
        run: regional::check_access_analyzer,
    },
    Check {
        name: "the profile that instances get, and its role, have names that IAM takes",
        reads: &["rules.instance_roles"],
        run: regional::check_instance_roles,
    },
];

impl Check {
    /// Whether it can judge, where the values of these keys are unsound.
    pub(super) fn can_judge<'a>(&self, unsound: impl IntoIterator<Item = &'a str>) -> bool {
        let touches = |unsound: &str| {
            self.reads
                .iter()
                .any(|read| is_within(unsound, read) || is_within(read, unsound))
        };
        !unsound.into_iter().any(touches)
    }
}

/// Whether the one key is the other or lies in it.
fn is_within(key: &str, section: &str) -> bool {
    match key.strip_prefix(section) {
        Some(rest) => section.is_empty() || rest.is_empty() || rest.starts_with(['.', '[']),
        None => section.is_empty(),
    }
}

fn check_state_url(config: &Config, tell: &mut Tell<'_>) {
    const ALLOWED: &str = "expected `sqlite:` and the path of a file, such as \"sqlite:iamwarden.db\", \
        `postgres://USER@HOST/DATABASE`, or a reference to a secret that holds such an address";
    let url = config.state.url.as_str();
    let complaint = match (config.state.secret(), StateUrl::parse(url)) {
        (Some(Ok(_)), _) => return,
        (Some(Err(error)), _) => error.to_string(),
        (None, Ok(StateUrl::Postgres(address))) if address.has_password() => {
            "a password does not belong in the configuration; leave it out and set PGPASSWORD or PGPASSFILE, or keep the \
             whole address as a secret and name that: env:NAME, file:PATH, secretsmanager:NAME or \
             secretsmanager:NAME#json-key"
                .to_owned()
        }
        (None, Ok(StateUrl::Memory)) => {
            format!("a state in memory forgets consent and journal with the process: {ALLOWED}")
        }
        (None, Ok(StateUrl::File(path))) if path.to_string_lossy().trim_matches('/').trim().is_empty() => {
            format!("the path is missing: {ALLOWED}")
        }
        (None, Ok(StateUrl::File(_) | StateUrl::Postgres(_))) => return,
        (None, Err(StateUrlError::Unknown)) => {
            format!("this is not a state that iamwarden knows: {ALLOWED}")
        }
        (None, Err(error @ (StateUrlError::Path | StateUrlError::Address | StateUrlError::Parameter(_)))) => {
            error.to_string()
        }
    };
    // The address of a database may hold a password: it is not repeated.
    tell("state.url".into(), complaint);
}

fn at_least_something(span: Span, key: &str, tell: &mut Tell<'_>) {
    if span.is_zero() {
        tell(
            key.into(),
            format!("`{span}` is no time at all: expected more than zero, such as \"90d\""),
        );
    }
}

fn check_account_ids(config: &Config, tell: &mut Tell<'_>) {
    let mut seen = BTreeSet::new();
    for (n, account) in config.accounts.iter().enumerate() {
        if !seen.insert(&account.id) {
            tell(
                format!("accounts[{n}].id"),
                format!("account `{}` is declared twice: expected each once", account.id),
            );
        }
    }
}

fn check_account_fields(config: &Config, tell: &mut Tell<'_>) {
    for (n, account) in config.accounts.iter().enumerate() {
        if account.name.as_deref().is_some_and(is_blank) {
            tell(
                format!("accounts[{n}].name"),
                "the name is blank: write one, or leave the key out".into(),
            );
        }
        if account.external_id.is_some() && account.role_arn.is_none() {
            tell(
                format!("accounts[{n}].external_id"),
                "an external id is for the role to assume: add `role_arn`, or leave the key out".into(),
            );
        }
    }
}

fn check_account_roles(config: &Config, tell: &mut Tell<'_>) {
    for (n, account) in config.accounts.iter().enumerate() {
        let Account {
            id,
            role_arn,
            rollback_role_arn,
            name: _,
            owner: _,
            external_id: _,
            membership: _,
        } = account;
        let roles: [(&str, Option<&Arn>); 2] = [
            ("role_arn", role_arn.as_ref()),
            ("rollback_role_arn", rollback_role_arn.as_ref()),
        ];
        for (key, arn) in roles {
            if let Some(arn) = arn.filter(|arn| arn.account() != id.as_str()) {
                tell(
                    format!("accounts[{n}].{key}"),
                    format!(
                        "{} is a role of another account: expected one of `{id}`",
                        quoted(arn.as_str())
                    ),
                );
            }
        }
    }
}

fn check_ambient_credentials(config: &Config, tell: &mut Tell<'_>) {
    let ambient = config
        .accounts
        .iter()
        .enumerate()
        .filter(|(_, a)| a.role_arn.is_none());
    for (n, account) in ambient.skip(1) {
        tell(
            format!("accounts[{n}]"),
            format!(
                "account `{}` has no `role_arn`, and the ambient credentials are those of an account above: add the role to assume",
                account.id
            ),
        );
    }
}

/// Whether a pattern is one of whole ARNs of another service than IAM.
fn names_a_service(pattern: &str) -> bool {
    let mut parts = pattern.splitn(6, ':');
    let head = parts.next() == Some("arn") && parts.next().is_some_and(|partition| !partition.is_empty());
    let service = parts.next().unwrap_or_default();
    let named = !service.is_empty() && !service.contains(['*', '?']) && service != "iam";
    head && named && parts.count() == 3
}

/// The patterns match against `user/…`, `group/…` and `role/…`, `root` for what concerns the account itself, and other
/// things that may be changed; patterns of whole ARNs, which name a service, against what is none of IAM's. One that can
/// match none of them is a slip that would leave somebody unprotected.
fn check_patterns(patterns: &[Glob], key: &str, tell: &mut Tell<'_>) {
    const HEADS: [&str; 7] = [
        "user/",
        "group/",
        "role/",
        "root",
        "trail/",
        "log-group:",
        "instance/",
    ];
    for (n, pattern) in patterns.iter().enumerate() {
        if let Some(odd) = pattern
            .as_str()
            .chars()
            .find(|c| "{}[]\\".contains(*c) || c.is_whitespace())
        {
            tell(
                format!("{key}[{n}]"),
                format!(
                    "{} has {odd:?} in it, which no name has, so it matches nobody: the wildcards are `*` and `?`; write a pattern for each name",
                    quoted(pattern.as_str())
                ),
            );
            continue;
        }
        let written = pattern.as_str().to_lowercase();
        let literal = written.split(['*', '?']).next().unwrap_or_default();
        let whole = literal.len() == written.len();
        let can_match = HEADS.iter().any(|head| {
            let continues = literal.starts_with(head) && literal.len() > head.len() && *head != "root";
            let leads_to = head.starts_with(literal) && !whole;
            continues || leads_to || literal == *head && (*head == "root" || !whole)
        });
        if !can_match && !names_a_service(&written) {
            tell(
                format!("{key}[{n}]"),
                format!(
                    "{} matches no principal: expected the part of the ARN after the account, such as `user/alice`, `role/ci-*` or `group/*`",
                    quoted(pattern.as_str())
                ),
            );
        }
    }
}

fn check_approvers(config: &Config, tell: &mut Tell<'_>) {
    let mut seen = BTreeSet::new();
    for (n, approver) in config.approvals.approvers.iter().enumerate() {
        let key = format!("approvals.approvers[{n}]");
        if is_blank(approver) {
            tell(key, "the name of an approver must not be blank".into());
        } else if !seen.insert(approver) {
            tell(
                key,
                format!("{} is named twice: expected each once", quoted(approver)),
            );
        }
    }
    let approvals = &config.approvals;
    let (named, wanted) = (approvals.approvers.len(), approvals.minimum_approvers);
    if named > 0 && usize::try_from(wanted).is_ok_and(|wanted| wanted > named) {
        tell(
            "approvals.minimum_approvers".into(),
            format!("{wanted} approvers have to say yes, and approvals.approvers names {named}"),
        );
    }
}

fn check_people(config: &Config, tell: &mut Tell<'_>) {
    let mut seen = BTreeSet::new();
    for (n, person) in config.approvals.people.iter().enumerate() {
        let also = (0..)
            .zip(&person.also)
            .map(|(m, name)| (format!("also[{m}]"), name));
        for (key, name) in std::iter::once(("name".to_owned(), &person.name)).chain(also) {
            let key = format!("approvals.people[{n}].{key}");
            if is_blank(name) {
                tell(key, "the name of a person must not be blank".into());
            } else if !seen.insert(name.to_lowercase()) {
                tell(
                    key,
                    format!(
                        "{} is named twice: expected each name of one person, once",
                        quoted(name)
                    ),
                );
            }
        }
    }
}

fn check_rule_ages(config: &Config, tell: &mut Tell<'_>) {
    let rules = &config.rules;
    let mut above_zero = |span: Span, key: &str| at_least_something(span, key, tell);
    above_zero(
        rules.access_key_rotation.max_age,
        "rules.access_key_rotation.max_age",
    );
    above_zero(
        rules.unused_access_keys.unused_for,
        "rules.unused_access_keys.unused_for",
    );
    above_zero(
        rules.unused_permissions.unused_for,
        "rules.unused_permissions.unused_for",
    );
    above_zero(
        rules.unused_passwords.unused_for,
        "rules.unused_passwords.unused_for",
    );
    above_zero(rules.unused_users.unused_for, "rules.unused_users.unused_for");
    above_zero(rules.unused_users.remind_every, "rules.unused_users.remind_every");
    above_zero(rules.unused_roles.unused_for, "rules.unused_roles.unused_for");
    above_zero(rules.access_review.every, "rules.access_review.every");
    above_zero(
        rules.access_review.remind_every,
        "rules.access_review.remind_every",
    );
    above_zero(rules.root_account.recent_use, "rules.root_account.recent_use");
    above_zero(rules.root_account.remind_every, "rules.root_account.remind_every");
    above_zero(rules.broad_policies.unused_for, "rules.broad_policies.unused_for");
    if rules.access_key_rotation.delete_after.is_some_and(Span::is_zero) {
        tell(
            "rules.access_key_rotation.delete_after".into(),
            "a key is not deleted the moment it is disabled: expected more than zero, or \"\" for never"
                .into(),
        );
    }
}

fn check_warn_before(config: &Config, tell: &mut Tell<'_>) {
    let rules = &config.rules;
    let lists = [
        ("access_key_rotation", &rules.access_key_rotation.warn_before),
        ("user_mfa", &rules.user_mfa.warn_before),
    ];
    for (rule, warnings) in lists {
        let mut seen = BTreeSet::new();
        for (n, span) in warnings.iter().enumerate() {
            let key = format!("rules.{rule}.warn_before[{n}]");
            if span.is_zero() {
                tell(
                    key,
                    "a warning at the date itself comes too late: expected more than zero".into(),
                );
            } else if !seen.insert(span) {
                tell(key, format!("`{span}` stands there twice: expected each once"));
            }
        }
    }
}

fn check_password_age(config: &Config, tell: &mut Tell<'_>) {
    const DAY: u32 = 86_400;
    let Some(age) = config.rules.password_policy.max_age else {
        return;
    };
    let whole = age.seconds().is_multiple_of(DAY);
    if !whole || !(1..=1095).contains(&age.days()) {
        tell(
            "rules.password_policy.max_age".into(),
            format!("`{age}` is not what IAM takes: expected whole days from \"1d\" to \"1095d\""),
        );
    }
}

fn check_exemptions(config: &Config, tell: &mut Tell<'_>) {
    for (n, exemption) in config.exemptions.iter().enumerate() {
        let key = |name: &str| format!("exemptions[{n}].{name}");
        let mut not_empty = |empty: bool, name: &str, what: &str| {
            if empty {
                tell(
                    key(name),
                    format!("it is empty, and an empty list means nothing: name {what}"),
                );
            }
        };
        not_empty(
            exemption.principals.is_empty(),
            "principals",
            "at least one pattern",
        );
        not_empty(exemption.rules.is_empty(), "rules", "at least one rule");
        let no_account = exemption.accounts.as_ref().is_some_and(Vec::is_empty);
        not_empty(
            no_account,
            "accounts",
            "at least one account, or leave the key out for all",
        );
        if is_blank(&exemption.reason) {
            tell(
                key("reason"),
                "the reason is blank: say why, and where it was decided".into(),
            );
        }
        check_patterns(&exemption.principals, &key("principals"), tell);
    }
}

fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

/// Rules that change nothing, whatever their mode.
const REPORT_ONLY: [&str; 2] = ["role_trust", "broad_policies"];

/// What is allowed and yet deserves a word.
pub(super) fn warnings(config: &Config) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(address) = config.server.listen.filter(|address| !address.ip().is_loopback()) {
        warnings.push(format!(
            "server.listen: {address} can be reached from other machines; /metrics and /healthz answer anybody who can reach it"
        ));
    }
    if config.notifications.allow_http {
        warnings.push(
            "notifications.allow_http: channels with an http: address get their messages unencrypted"
                .to_owned(),
        );
    }
    if config.approvals.expire_after.is_zero() {
        warnings.push("approvals.expire_after: an approval that expires at once never holds".to_owned());
    }
    if config.guardrails.max_plan_age.is_zero() {
        warnings.push("guardrails.max_plan_age: `apply --plan` will refuse every file as too old".to_owned());
    }
    // Access Advisor looks back 400 days.
    let unused_for = config.rules.unused_permissions.unused_for;
    if unused_for > Span::from_days(400) {
        warnings.push(format!(
            "rules.unused_permissions.unused_for: AWS remembers use for 400 days, so nothing is ever found unused for {unused_for}"
        ));
    }
    if config.rules.unused_permissions.principals.is_empty() {
        warnings
            .push("rules.unused_permissions.principals: it is empty, so the rule looks at nobody".to_owned());
    }
    let acting = |name: &&'static str| match config.rules.mode(&RuleName::new(name)) {
        Some(Mode::Approve | Mode::Enforce) => true,
        Some(Mode::Off | Mode::Report) | None => false,
    };
    warnings.extend(REPORT_ONLY.iter().copied().filter(acting).map(|name| {
        format!("rules.{name}.mode: the rule changes nothing in any mode; it reports, as in \"report\"")
    }));
    let rotation = &config.rules.access_key_rotation;
    if acting(&"access_key_rotation") {
        if rotation.delete_after.is_some() && rotation.minimum_notice.is_zero() {
            warnings.push(
                "rules.access_key_rotation.delete_after: with minimum_notice = \"0s\" keys are deleted and nobody is told before"
                    .to_owned(),
            );
        }
        let first = rotation.warn_before.iter().max().copied().unwrap_or_default();
        if rotation.minimum_notice > first {
            warnings.push(format!(
                "rules.access_key_rotation.minimum_notice: it is longer than the first warning ({first} before the limit), so keys live longer than max_age"
            ));
        }
    }
    warnings.extend(exempted_but_undeclared(config));
    warnings
}

fn exempted_but_undeclared(config: &Config) -> Vec<String> {
    if config.accounts.is_empty() || config.organization.discover {
        return Vec::new();
    }
    let exemptions = config.exemptions.iter().enumerate();
    let named = exemptions.flat_map(|(n, e)| e.accounts.iter().flatten().map(move |account| (n, account)));
    named
        .filter(|(_, account)| !config.accounts.iter().any(|declared| declared.id == **account))
        .map(|(n, account)| {
            format!("exemptions[{n}].accounts: account {account} is not declared under [[accounts]]")
        })
        .collect()
}

#[cfg(test)]
#[path = "checks_tests.rs"]
mod tests;
