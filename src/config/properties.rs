//! What holds of every configuration, right or wrong: it is read or refused, by the schema as by the loader, without a
//! panic and without a word of its secrets.

use std::path::Path;
use std::sync::LazyLock;

use proptest::prelude::*;

use super::shape::Shape;
use super::{DEFAULTS, Environment, Rules, json_schema, load, load_text, variables};

const CANARY: &str = "canary";

static VALIDATOR: LazyLock<jsonschema::Validator> =
    LazyLock::new(|| jsonschema::validator_for(&json_schema()).unwrap());

static NAMES: LazyLock<Vec<String>> = LazyLock::new(|| variables::names(&Shape::of_configuration()));

fn refused(variables: &[(&str, &str)], text: &str) -> String {
    let environment = variables.iter().copied().collect();
    load_text(Path::new("test.toml"), text, &environment)
        .map_or_else(|errors| errors.to_string(), |_| "nothing".to_owned())
}

#[test]
fn the_shape_has_no_unreadable_part_and_knows_every_key() {
    fn walk(shape: &Shape, path: &str) {
        match shape {
            Shape::Table(keys) => keys
                .iter()
                .for_each(|(name, key)| walk(&key.shape, &format!("{path}.{name}"))),
            Shape::Either(tables) => {
                assert_eq!(tables.len(), 2);
                tables
                    .iter()
                    .flat_map(|(_, keys)| keys)
                    .for_each(|(name, key)| walk(&key.shape, &format!("{path}.{name}")));
            }
            Shape::List(inner) | Shape::OrEmpty(inner) => walk(inner, path),
            Shape::Text(_) | Shape::Choice(_) | Shape::Integer(..) | Shape::Boolean => {}
            Shape::Unreadable => panic!("{path}"),
        }
    }
    let shape = Shape::of_configuration();
    walk(&shape, "");
    let names = variables::names(&shape);
    for rule in Rules::NAMES {
        for key in ["MODE", "SCHEDULE"] {
            let name = format!("IAMWARDEN__RULES__{}__{key}", rule.to_ascii_uppercase());
            assert!(names.contains(&name), "{name}");
        }
    }
    // One rule stands for all.
    let shown =
        |name: &&String| !name.starts_with("IAMWARDEN__RULES__") || name.contains("ACCESS_KEY_ROTATION");
    let shown: Vec<_> = names.iter().filter(shown).map(String::as_str).collect();
    insta::assert_snapshot!(shown.join("\n"), @r#"
    IAMWARDEN__ACCOUNTS
    IAMWARDEN__APPROVALS__APPROVERS
    IAMWARDEN__APPROVALS__COMMAND_LINE
    IAMWARDEN__APPROVALS__EXPIRE_AFTER
    IAMWARDEN__APPROVALS__MINIMUM_APPROVERS
    IAMWARDEN__APPROVALS__PEOPLE
    IAMWARDEN__DRY_RUN
    IAMWARDEN__EXEMPTIONS
    IAMWARDEN__FREEZE
    IAMWARDEN__GUARDRAILS__CHANGE_WINDOW
    IAMWARDEN__GUARDRAILS__MAX_CHANGES_PER_DAY
    IAMWARDEN__GUARDRAILS__MAX_CHANGES_PER_RUN
    IAMWARDEN__GUARDRAILS__MAX_CHANGES_PERCENT
    IAMWARDEN__GUARDRAILS__MAX_PLAN_AGE
    IAMWARDEN__GUARDRAILS__ON_EXCESS
    IAMWARDEN__GUARDRAILS__PROTECTED
    IAMWARDEN__GUARDRAILS__TIMEZONE
    IAMWARDEN__NOTIFICATIONS__ALLOW_HTTP
    IAMWARDEN__NOTIFICATIONS__ALLOW_NETWORKS
    IAMWARDEN__NOTIFICATIONS__CHANNELS
    IAMWARDEN__NOTIFICATIONS__DEFAULT_CHANNEL
    IAMWARDEN__NOTIFICATIONS__OWNER_TAGS
    IAMWARDEN__NOTIFICATIONS__OWNERS
    IAMWARDEN__NOTIFICATIONS__QUIET_HOURS
    IAMWARDEN__NOTIFICATIONS__SLACK_HOSTS
    IAMWARDEN__ORGANIZATION__DISCOVER
    IAMWARDEN__ORGANIZATION__EXCLUDE
    IAMWARDEN__ORGANIZATION__EXTERNAL_ID
    IAMWARDEN__ORGANIZATION__ROLE_NAME
    IAMWARDEN__ORGANIZATION__ROLLBACK_ROLE_NAME
    IAMWARDEN__REGIONS__INCLUDE
    IAMWARDEN__REPORTS__CHANNELS
    IAMWARDEN__REPORTS__OWNERS
    IAMWARDEN__REPORTS__SCHEDULE
    IAMWARDEN__ROLLOUT__ACCOUNTS
    IAMWARDEN__ROLLOUT__UNITS
    IAMWARDEN__RULES__ACCESS_KEY_ROTATION__DELETE_AFTER
    IAMWARDEN__RULES__ACCESS_KEY_ROTATION__MAX_AGE
    IAMWARDEN__RULES__ACCESS_KEY_ROTATION__MINIMUM_NOTICE
    IAMWARDEN__RULES__ACCESS_KEY_ROTATION__MODE
    IAMWARDEN__RULES__ACCESS_KEY_ROTATION__SCHEDULE
    IAMWARDEN__RULES__ACCESS_KEY_ROTATION__SPARE_USED_WITHIN
    IAMWARDEN__RULES__ACCESS_KEY_ROTATION__WARN_BEFORE
    IAMWARDEN__SCHEDULE__ACCOUNTS_AT_ONCE
    IAMWARDEN__SCHEDULE__DEFAULT
    IAMWARDEN__SCHEDULE__SPREAD_OVER
    IAMWARDEN__SERVER__AUTH__OFF
    IAMWARDEN__SERVER__AUTH__OIDC__ADMINS
    IAMWARDEN__SERVER__AUTH__OIDC__APPROVERS
    IAMWARDEN__SERVER__AUTH__OIDC__CLIENT_ID
    IAMWARDEN__SERVER__AUTH__OIDC__CLIENT_SECRET
    IAMWARDEN__SERVER__AUTH__OIDC__ISSUER
    IAMWARDEN__SERVER__AUTH__OIDC__ROLE_CLAIM
    IAMWARDEN__SERVER__AUTH__OIDC__SCOPES
    IAMWARDEN__SERVER__AUTH__OIDC__SUBJECT_CLAIM
    IAMWARDEN__SERVER__AUTH__OIDC__VIEWERS
    IAMWARDEN__SERVER__AUTH__SESSION_LENGTH
    IAMWARDEN__SERVER__AUTH__TOKENS
    IAMWARDEN__SERVER__LISTEN
    IAMWARDEN__SERVER__PUBLIC_URL
    IAMWARDEN__STATE__KEEP_FINDINGS
    IAMWARDEN__STATE__URL
    "#);
}

/// The default file with every commented example switched on.
fn real() -> String {
    full()
        .replace("https://canary.example.com/canary", "env:A")
        .replace("\"canary\"", "\"env:B\"")
}

/// The default file with every commented example switched on, and canaries where secrets could be written.
fn full() -> String {
    let switched_on = DEFAULTS.lines().map(|line| {
        let example = line.strip_prefix("# ").filter(|rest| {
            rest.starts_with('[') || rest.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '))
        });
        example.unwrap_or(line)
    });
    let text = switched_on.collect::<Vec<_>>().join("\n");
    text.replace("discover = false", "discover = true")
        .replace(
            "secretsmanager:iamwarden/slack#url",
            "https://canary.example.com/canary",
        )
        .replace("env:SIEM_SECRET", "canary")
        .replace("secretsmanager:iamwarden/external-id", "canary")
}

#[test]
fn the_full_file_is_wrong_in_its_canaries_alone() {
    let errors = refused(&[], &full());
    assert_eq!(errors.lines().count(), 3, "{errors}");
    assert!(!errors.contains(CANARY), "{errors}");
    assert_eq!(refused(&[], &real()), "nothing");
}

fn toml_value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("true".to_owned()),
        (-200i64..200).prop_map(|n| n.to_string()),
        Just("1.5".to_owned()),
        Just("2027-01-31".to_owned()),
        prop::sample::select(vec![
            "",
            "0s",
            "90d",
            "36h",
            "enforce",
            "report",
            "*",
            "user/*",
            "env:A",
            "secretsmanager:x#y",
            "slack",
            "webhook",
            "123456789012",
            "0 0 6 * * *",
            "0 0 6 30 2 *",
            "09:00-16:00",
            "UTC",
            "2027-01-31",
            "password_policy",
            "user",
            "arn:aws:iam::123456789012:role/x",
            "10.0.0.0/8",
            "127.0.0.1:0",
            "sqlite:x",
        ])
        .prop_map(|text| format!("\"{text}\"")),
        "[ -!#-\\[\\]-~]{0,12}".prop_map(|text| format!("\"{text}\"")),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(", "))),
            prop::collection::btree_map(known_key(), inner, 0..5).prop_map(|entries| {
                let entries: Vec<_> = entries
                    .iter()
                    .map(|(key, value)| format!("{key} = {value}"))
                    .collect();
                format!("{{{}}}", entries.join(", "))
            }),
        ]
    })
}

fn known_key() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "dry_run",
        "schedule",
        "default",
        "state",
        "url",
        "server",
        "listen",
        "accounts",
        "id",
        "name",
        "owner",
        "role_arn",
        "external_id",
        "guardrails",
        "protected",
        "rules",
        "password_policy",
        "mode",
        "max_age",
        "exemptions",
        "principals",
        "until",
        "reason",
        "notifications",
        "channels",
        "owners",
        "match",
        "channel",
        "kind",
        "secret",
        "events",
        "organization",
        "mystery",
    ])
    .prop_map(str::to_owned)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn no_changed_byte_of_the_file_panics_or_betrays_a_secret(at in any::<prop::sample::Index>(), byte in any::<u8>(), insert in any::<bool>()) {
        let mut bytes = full().into_bytes();
        let at = at.index(bytes.len());
        if insert {
            bytes.insert(at, byte);
        } else {
            bytes[at] = byte;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.toml");
        std::fs::write(&path, bytes).unwrap();
        let errors = load(Some(&path), &Environment::empty()).unwrap_err();
        prop_assert!(!errors.to_string().contains(CANARY), "{errors}");
        prop_assert!(!format!("{errors:?}").contains(CANARY), "{errors:?}");
    }

    #[test]
    fn any_value_of_any_key_is_read_or_refused_and_the_schema_is_not_stricter(at in any::<prop::sample::Index>(), value in toml_value()) {
        let text = real();
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        let settings: Vec<_> = (0..lines.len())
            .filter(|n| !lines[*n].starts_with(['#', '[']) && lines[*n].contains(" = "))
            .collect();
        let line = *at.get(&settings);
        let key = lines[line].split_once(" = ").unwrap().0.to_owned();
        lines[line] = format!("{key} = {value}");
        let text = lines.join("\n");
        let said = refused(&[], &text);
        prop_assert!(!said.contains("cannot be used here"), "{said}");
        if said == "nothing" {
            let value: serde_json::Value = toml::from_str(&text).unwrap();
            prop_assert!(VALIDATOR.is_valid(&value), "{key} = {value}");
        }
    }

    #[test]
    fn what_the_shape_lets_through_is_read(entries in prop::collection::btree_map(known_key(), toml_value(), 0..6)) {
        let text: Vec<_> = entries.iter().map(|(key, value)| format!("{key} = {value}")).collect();
        let said = refused(&[], &text.join("\n"));
        prop_assert!(!said.contains("cannot be used here"), "{said}");
        prop_assert!(!said.contains("report this as a defect"), "{said}");
    }

    #[test]
    fn any_variable_is_read_or_refused(at in any::<prop::sample::Index>(), value in "\\PC{0,20}") {
        let names = &*NAMES;
        let name = at.get(names).as_str();
        let said = refused(&[(name, &value)], "");
        prop_assert!(said == "nothing" || said.starts_with(&format!("environment variable {name}")), "{said}");
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,60}") {
        refused(&[], &text);
    }
}
