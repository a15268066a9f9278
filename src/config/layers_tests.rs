use std::os::unix::ffi::OsStringExt;

use proptest::prelude::*;

use super::*;
use crate::config::{Mode, json_schema};
use crate::model::Span;

const CANARY: &str = "canary";

fn under(variables: &[(&str, &str)], text: &str) -> Result<Loaded, String> {
    let environment = variables.iter().copied().collect();
    load_text(Path::new("test.toml"), text, &environment).map_err(|errors| errors.to_string())
}

fn refused(variables: &[(&str, &str)], text: &str) -> String {
    under(variables, text).map_or_else(|errors| errors, |_| "nothing".to_owned())
}

#[test]
fn the_defaults_are_those_of_the_documentation() {
    let config = Config::built_in().unwrap();
    insta::assert_json_snapshot!(config, @"");
}

#[test]
fn file_over_defaults_and_environment_over_file() {
    let text = "[rules.access_key_rotation]\nmode = \"approve\"\nmax_age = \"60d\"\nwarn_before = [\"3d\"]\n";
    let file = under(&[], text).unwrap();
    let rule = &file.config.rules.access_key_rotation;
    assert_eq!((rule.mode, rule.max_age), (Mode::Approve, Span::from_days(60)));
    assert_eq!(rule.minimum_notice, Span::from_days(7));
    assert_eq!(rule.warn_before, [Span::from_days(3)]);

    let variables = [
        ("IAMWARDEN__RULES__ACCESS_KEY_ROTATION__MODE", "enforce"),
        (
            "IAMWARDEN__RULES__ACCESS_KEY_ROTATION__WARN_BEFORE",
            r#"["2d", "1d"]"#,
        ),
        ("IAMWARDEN__GUARDRAILS__MAX_CHANGES_PER_RUN", "3"),
        ("IAMWARDEN__DRY_RUN", "true"),
        ("IAMWARDEN__SERVER__LISTEN", ""),
        ("IAMWARDEN_LOG_LEVEL", "debug"),
        ("PATH", "/bin"),
    ];
    let loaded = under(&variables, text).unwrap();
    let rule = &loaded.config.rules.access_key_rotation;
    assert_eq!((rule.mode, rule.max_age), (Mode::Enforce, Span::from_days(60)));
    assert_eq!(rule.warn_before, [Span::from_days(2), Span::from_days(1)]);
    assert_eq!(loaded.config.guardrails.max_changes_per_run, 3);
    assert!(loaded.config.dry_run);
    assert_eq!(loaded.config.server.listen, None);
    let sources: Vec<_> = loaded.sources.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(sources.join("\n"), @"");
}

#[test]
fn an_account_id_keeps_its_leading_zero() {
    let accounts = r#"[{id = "012345678901", name = "prod"}, {id = "000000000000", role_arn = "arn:aws:iam::000000000000:role/w"}]"#;
    let from_environment = under(&[("IAMWARDEN__ACCOUNTS", accounts)], "").unwrap();
    let from_file = under(&[], &format!("accounts = {accounts}")).unwrap();
    assert_eq!(from_environment.config, from_file.config);
    let ids: Vec<_> = from_file.config.accounts.iter().map(|a| a.id.as_str()).collect();
    assert_eq!(ids, ["012345678901", "000000000000"]);
    insta::assert_snapshot!(refused(&[], "[[accounts]]\nid = 123456789012"), @"");
}

#[test]
fn everything_wrong_is_told_at_once() {
    insta::assert_snapshot!(
        refused(
            &[
                ("IAMWARDEN__DRY_RUN", "yes"),
                ("IAMWARDEN__GUARDRAILS__MAX_CHANGES_PER_RUN", "+3"),
            ],
            r#"
dryrun = true
freeze = "true"

[guardrails]
max_changes_percent = 101
max_changes_per_day = "100"
on_excess = "capp"
max_plan_age = 24
timezone = "Berlin"

[rules.acess_key_rotation]
mode = "enforce"

[rules.password_policy]
mode = "enforced"
max_age = "36h"

[notifications]
default_channel = "secops"

[zzz]
"#,
        ),
        @""
    );
}

#[test]
fn what_is_not_built_yet_says_so() {
    insta::assert_snapshot!(refused(&[], "[organization]\ndiscover = true"), @"");
    insta::assert_snapshot!(refused(&[("IAMWARDEN__ORGANIZATION__DISCOVER", "true")], ""), @"");
}

#[test]
fn variables_that_set_nothing_are_refused() {
    for (name, value) in [
        ("IAMWARDEN__RULES__ACESS_KEY_ROTATION__MODE", "enforce"),
        ("IAMWARDEN__dry_run", "true"),
        ("IAMWARDEN_DRY_RUN", "true"),
        ("IAMWARDEN_RULES_PASSWORD_POLICY_MODE", "off"),
        ("IAMWARDEN__", "x"),
        ("IAMWARDEN__QQQQ", CANARY),
        ("IAMWARDEN__ACCOUNTS__0__ID", "123456789012"),
        ("IAMWARDEN__GUARDRAILS", "{}"),
    ] {
        assert_ne!(refused(&[(name, value)], ""), "nothing", "{name}");
    }
    let refused: Vec<_> = [
        ("IAMWARDEN__RULES__ACESS_KEY_ROTATION__MODE", "enforce"),
        ("IAMWARDEN__dry_run", "true"),
        ("IAMWARDEN_DRY_RUN", "true"),
        ("IAMWARDEN__", "x"),
        ("IAMWARDEN__QQQQ", CANARY),
        ("IAMWARDEN__ACCOUNTS__0__ID", "123456789012"),
        ("IAMWARDEN__GUARDRAILS", "{}"),
    ]
    .map(|variable| refused(&[variable], ""))
    .into();
    insta::assert_snapshot!(refused.join("\n"), @"");
    // Of others they may be, such as Kubernetes or a secret that a reference names.
    for name in [
        "IAMWARDEN_CONFIG_",
        "IAMWARDEN_LOG",
        "IAMWARDEN_PORT",
        "IAMWARDEN_SLACK_URL",
    ] {
        assert!(under(&[(name, "x")], "").is_ok(), "{name}");
    }
}

#[test]
fn values_of_variables_are_read_as_their_key_holds_them() {
    let wrong: Vec<_> = [
        ("IAMWARDEN__DRY_RUN", ""),
        ("IAMWARDEN__RULES__PASSWORD_POLICY__MINIMUM_LENGTH", "129"),
        (
            "IAMWARDEN__RULES__PASSWORD_POLICY__MINIMUM_LENGTH",
            "99999999999999999999",
        ),
        ("IAMWARDEN__RULES__PASSWORD_POLICY__MODE", "Enforce"),
        ("IAMWARDEN__STATE__KEEP_FINDINGS", "400"),
        ("IAMWARDEN__GUARDRAILS__PROTECTED", "user/a"),
        ("IAMWARDEN__GUARDRAILS__PROTECTED", ""),
        ("IAMWARDEN__GUARDRAILS__PROTECTED", "[1]"),
        (
            "IAMWARDEN__GUARDRAILS__PROTECTED",
            "[\"user/a\"]\ndry_run = false",
        ),
        ("IAMWARDEN__ACCOUNTS", r#"[{id = "1"}]"#),
        (
            "IAMWARDEN__NOTIFICATIONS__CHANNELS",
            r#"[{name = "a", kind = "slack", url = "canary"}]"#,
        ),
    ]
    .map(|variable| refused(&[variable], ""))
    .into();
    insta::assert_snapshot!(wrong.join("\n"), @"");
    let not_text = (
        OsStr::new("IAMWARDEN__STATE__URL").to_owned(),
        std::ffi::OsString::from_vec(vec![b'x', 0xff]),
    );
    let errors = load_text(Path::new("x"), "", &Environment::from_iter([not_text])).unwrap_err();
    insta::assert_snapshot!(errors, @"");
}

#[test]
fn a_wrong_value_is_placed_where_it_was_written_last() {
    let text = "[notifications]\ndefault_channel = \"a\"\n";
    let variables = [("IAMWARDEN__NOTIFICATIONS__DEFAULT_CHANNEL", "b")];
    insta::assert_snapshot!(refused(&variables, text), @"");
}

#[test]
fn a_file_that_is_asked_for_must_be_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("missing.toml");
    let place = folder.path().display().to_string();
    let said = |path: &Path| {
        let errors = load(Some(path), &Environment::empty()).unwrap_err();
        errors.to_string().replace(&place, "DIR")
    };
    insta::assert_snapshot!(said(&path), @"");
    insta::assert_snapshot!(said(folder.path()), @"");
    let named = Environment::from_iter([(PATH_VARIABLE, path.clone().into_os_string())]);
    assert!(load(None, &named).is_err());
    let empty = Environment::from_iter([(PATH_VARIABLE, "")]);
    insta::assert_snapshot!(load(None, &empty).unwrap_err(), @"");

    std::fs::write(&path, "dry_run = true").unwrap();
    assert!(load(None, &named).unwrap().config.dry_run);
    let loaded = load(Some(&path), &empty).unwrap();
    assert!(loaded.config.dry_run && loaded.notes.is_empty());
}

#[test]
fn without_a_file_the_defaults_hold_and_a_note_says_so() {
    // The package has no file at the default path, which is relative to it here.
    assert!(!Path::new(DEFAULT_PATH).exists());
    let loaded = load(None, &Environment::empty()).unwrap();
    assert_eq!(loaded.config, Config::built_in().unwrap());
    insta::assert_snapshot!(loaded.notes.join("\n"), @"");
}

#[test]
fn files_that_are_no_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.toml");
    let place = folder.path().display().to_string();
    let said = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        let loaded = load(Some(&path), &Environment::empty());
        loaded.map_or_else(
            |errors| errors.to_string().replace(&place, "DIR"),
            |_| "nothing".into(),
        )
    };
    insta::assert_snapshot!(said(b"dry_run = true\n# caf\xe9\n"), @"");
    insta::assert_snapshot!(said(b"\xff\xfed\0r\0"), @"");
    insta::assert_snapshot!(said(b"dry_run = true\0\n"), @"");
    insta::assert_snapshot!(said(b"dry_run = true\nurl = \"canary\nx = 1\n"), @"");
    insta::assert_snapshot!(said(&vec![b'#'; 2 << 20]), @"");
    insta::assert_snapshot!(said(format!("accounts = {}", "[".repeat(500_000)).as_bytes()), @"");
    insta::assert_snapshot!(said(format!("{}x = 1", "a.".repeat(400_000)).as_bytes()), @"");
    insta::assert_snapshot!(said(format!("accounts = {}", "{a=".repeat(300_000)).as_bytes()), @"");
    assert_eq!(said(b"\xef\xbb\xbfdry_run = true\r\n"), "nothing");
    assert_eq!(said(b""), "nothing");
}

#[test]
fn many_entries_are_read_in_good_time() {
    let entry = "[[exemptions]]\nprincipals=[\"user/a\"]\nrules=[\"password_policy\"]\nuntil=\"2027-01-31\"\nreason=\"x\"\n";
    let loaded = under(&[], &entry.repeat(10_000)).unwrap();
    assert_eq!(loaded.config.exemptions.len(), 10_000);
}

#[test]
fn keys_with_dots_in_quotes_are_no_paths() {
    insta::assert_snapshot!(refused(&[], "\"guardrails.protected\" = []\n\"a[0]\" = 1\n\"\" = 2"), @"");
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
    insta::assert_snapshot!(variable_names(&shape).join("\n"), @"");
}

/// The default file with every commented example switched on, and canaries where secrets could be written.
fn full() -> String {
    let switched_on = DEFAULTS.lines().map(|line| {
        let example = line.strip_prefix("# ").filter(|rest| {
            rest.starts_with("[[") || rest.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '))
        });
        example.unwrap_or(line)
    });
    let text = switched_on.collect::<Vec<_>>().join("\n");
    text.replace(
        "secretsmanager:iamwarden/slack#url",
        "https://canary.example.com/canary",
    )
    .replace("env:SIEM_SECRET", "canary")
    .replace("secretsmanager:iamwarden/external-id", "canary")
}

#[test]
fn the_full_file_is_wrong_in_its_canaries_alone() {
    let errors = under(&[], &full()).unwrap_err();
    assert_eq!(errors.lines().count(), 3, "{errors}");
    assert!(!errors.contains(CANARY), "{errors}");
    let real = full()
        .replace("https://canary.example.com/canary", "env:A")
        .replace("\"canary\"", "\"env:B\"");
    assert_eq!(refused(&[], &real), "nothing");
}

#[test]
fn errors_are_errors_to_the_schema_too_and_what_passes_is_read() {
    let validator = jsonschema::validator_for(&json_schema()).unwrap();
    let as_json = |text: &str| toml::from_str::<serde_json::Value>(text).unwrap();
    assert!(validator.is_valid(&as_json(DEFAULTS)));
    assert!(!validator.is_valid(&as_json(&full())));
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
    #![proptest_config(ProptestConfig::with_cases(400))]

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
    fn what_the_shape_lets_through_is_read(entries in prop::collection::btree_map(known_key(), toml_value(), 0..6)) {
        let text: Vec<_> = entries.iter().map(|(key, value)| format!("{key} = {value}")).collect();
        let said = refused(&[], &text.join("\n"));
        prop_assert!(!said.contains("cannot be used here"), "{said}");
        prop_assert!(!said.contains("report this as a defect"), "{said}");
    }

    #[test]
    fn any_variable_is_read_or_refused(at in any::<prop::sample::Index>(), value in "\\PC{0,20}") {
        let names = variable_names(&Shape::of_configuration());
        let name = at.get(&names).as_str();
        let said = refused(&[(name, &value)], "");
        prop_assert!(said == "nothing" || said.starts_with(&format!("environment variable {name}")), "{said}");
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,60}") {
        refused(&[], &text);
    }
}
