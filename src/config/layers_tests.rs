use std::os::unix::ffi::OsStringExt;

use super::*;
use crate::config::Mode;
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
    insta::assert_snapshot!(sources.join("\n"), @r"
    built-in defaults
    test.toml
    environment variable IAMWARDEN__DRY_RUN
    environment variable IAMWARDEN__GUARDRAILS__MAX_CHANGES_PER_RUN
    environment variable IAMWARDEN__RULES__ACCESS_KEY_ROTATION__MODE
    environment variable IAMWARDEN__RULES__ACCESS_KEY_ROTATION__WARN_BEFORE
    environment variable IAMWARDEN__SERVER__LISTEN
    ");
}

#[test]
fn an_account_id_keeps_its_leading_zero() {
    let accounts = r#"[{id = "012345678901", name = "prod"}, {id = "000000000000", role_arn = "arn:aws:iam::000000000000:role/w"}]"#;
    let from_environment = under(&[("IAMWARDEN__ACCOUNTS", accounts)], "").unwrap();
    let from_file = under(&[], &format!("accounts = {accounts}")).unwrap();
    assert_eq!(from_environment.config, from_file.config);
    let ids: Vec<_> = from_file.config.accounts.iter().map(|a| a.id.as_str()).collect();
    assert_eq!(ids, ["012345678901", "000000000000"]);
    insta::assert_snapshot!(refused(&[], "[[accounts]]\nid = 123456789012"), @"test.toml:2:6: accounts[0].id: expected a text in quotes, an AWS account id (twelve digits, leading zeros included), found a number");
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
        @r#"
        test.toml:2:1: dryrun: unknown key; did you mean `dry_run`?
        test.toml:3:10: freeze: expected true or false, without quotes, found a text
        test.toml:6:23: guardrails.max_changes_percent: 101 is out of range: expected a whole number from 0 to 100
        test.toml:7:23: guardrails.max_changes_per_day: expected a whole number, 0 or more, without quotes, found a text
        test.toml:8:13: guardrails.on_excess: `capp` is not one of `cap` or `stop`; did you mean `cap`?
        test.toml:9:16: guardrails.max_plan_age: expected a text in quotes, a duration (a number and a unit: s, m, h, d or w, such as "90d", "12h" or "0s"), found a number
        test.toml:10:12: guardrails.timezone: `Berlin` is not a time zone (an IANA name such as "Europe/Berlin")
        test.toml:12:8: rules.acess_key_rotation: unknown key; did you mean `access_key_rotation`?
        test.toml:16:8: rules.password_policy.mode: `enforced` is not one of `off`, `report`, `approve` or `enforce`; did you mean `enforce`?
        test.toml:17:11: rules.password_policy.max_age: `36h` is not what IAM takes: expected whole days from "1d" to "1095d"
        test.toml:20:19: notifications.default_channel: `secops` is not a declared channel; none is: declare it under [[notifications.channels]]
        test.toml:22:2: zzz: unknown key; known here are `accounts`, `approvals`, `dry_run`, `exemptions`, `freeze`, `guardrails`, `notifications`, `organization`, `regions`, `reports`, `rollout`, `rules`, `schedule`, `server` and `state`
        environment variable IAMWARDEN__DRY_RUN: dry_run: expected `true` or `false`
        environment variable IAMWARDEN__GUARDRAILS__MAX_CHANGES_PER_RUN: guardrails.max_changes_per_run: expected a whole number, in digits alone
        "#
    );
}

#[test]
fn variables_that_set_nothing_are_refused() {
    for (name, value) in [
        ("IAMWARDEN__RULES__ACESS_KEY_ROTATION__MODE", "enforce"),
        ("IAMWARDEN__dry_run", "true"),
        ("IAMWARDEN_dry_run", "true"),
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
    insta::assert_snapshot!(refused.join("\n"), @r"
    environment variable IAMWARDEN__RULES__ACESS_KEY_ROTATION__MODE: there is no such key; did you mean `IAMWARDEN__RULES__ACCESS_KEY_ROTATION__MODE`?
    environment variable IAMWARDEN__dry_run: there is no such key; did you mean `IAMWARDEN__DRY_RUN`?
    environment variable IAMWARDEN_DRY_RUN: it sets nothing; did you mean `IAMWARDEN__DRY_RUN`?
    environment variable IAMWARDEN__: there is no such key: IAMWARDEN__ is followed by the key's path in upper case, joined by __
    environment variable IAMWARDEN__QQQQ: there is no such key: IAMWARDEN__ is followed by the key's path in upper case, joined by __
    environment variable IAMWARDEN__ACCOUNTS__0__ID: there is no such key; did you mean `IAMWARDEN__ACCOUNTS`?
    environment variable IAMWARDEN__GUARDRAILS: guardrails: this is a section: set its keys, each by a variable of its own
    ");
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
    insta::assert_snapshot!(wrong.join("\n"), @r#"
    environment variable IAMWARDEN__DRY_RUN: dry_run: expected `true` or `false`
    environment variable IAMWARDEN__RULES__PASSWORD_POLICY__MINIMUM_LENGTH: rules.password_policy.minimum_length: 129 is out of range: expected a whole number from 6 to 128
    environment variable IAMWARDEN__RULES__PASSWORD_POLICY__MINIMUM_LENGTH: rules.password_policy.minimum_length: expected a whole number, in digits alone
    environment variable IAMWARDEN__RULES__PASSWORD_POLICY__MODE: rules.password_policy.mode: `Enforce` is not one of `off`, `report`, `approve` or `enforce`; did you mean `enforce`?
    environment variable IAMWARDEN__STATE__KEEP_FINDINGS: state.keep_findings: `400` is not a duration (a number and a unit: s, m, h, d or w, such as "90d", "12h" or "0s")
    environment variable IAMWARDEN__GUARDRAILS__PROTECTED: guardrails.protected: expected a list as in TOML, such as ["a", "b"] or [{key = "value"}]: string values must be quoted, expected literal string
    environment variable IAMWARDEN__GUARDRAILS__PROTECTED: guardrails.protected: expected a list as in TOML, such as ["a", "b"] or [{key = "value"}]: string values must be quoted, expected literal string
    environment variable IAMWARDEN__GUARDRAILS__PROTECTED: guardrails.protected[0]: expected a text in quotes, a pattern (`*` stands for any text, `?` for one character; it must not be blank), found a number
    environment variable IAMWARDEN__GUARDRAILS__PROTECTED: guardrails.protected: expected a list as in TOML, such as ["a", "b"] or [{key = "value"}]: unexpected content, expected nothing
    environment variable IAMWARDEN__ACCOUNTS: accounts[0].id: `1` is not an AWS account id (expected twelve digits)
    environment variable IAMWARDEN__NOTIFICATIONS__CHANNELS: notifications.channels[0].url: this is not a reference to a secret (env:NAME, file:PATH, secretsmanager:NAME or secretsmanager:NAME#json-key); secrets themselves do not belong in the configuration
    "#);
    let not_text = (
        OsStr::new("IAMWARDEN__STATE__URL").to_owned(),
        std::ffi::OsString::from_vec(vec![b'x', 0xff]),
    );
    let errors = load_text(Path::new("x"), "", &Environment::from_iter([not_text])).unwrap_err();
    insta::assert_snapshot!(errors, @"environment variable IAMWARDEN__STATE__URL: state.url: its value is not UTF-8 text");
}

#[test]
fn a_wrong_value_is_placed_where_it_was_written_last() {
    let text = "[notifications]\ndefault_channel = \"a\"\n";
    let variables = [("IAMWARDEN__NOTIFICATIONS__DEFAULT_CHANNEL", "b")];
    insta::assert_snapshot!(refused(&variables, text), @"environment variable IAMWARDEN__NOTIFICATIONS__DEFAULT_CHANNEL: notifications.default_channel: `b` is not a declared channel; none is: declare it under [[notifications.channels]]");
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
    insta::assert_snapshot!(said(&path), @"DIR/missing.toml: the configuration cannot be read: No such file or directory (os error 2); name the configuration file with --config or IAMWARDEN_CONFIG");
    insta::assert_snapshot!(said(folder.path()), @"DIR: the configuration cannot be read: Is a directory (os error 21); name a file that the user iamwarden runs as may read");
    let named = Environment::from_iter([(PATH_VARIABLE, path.clone().into_os_string())]);
    assert!(load(None, &named).is_err());
    let empty = Environment::from_iter([(PATH_VARIABLE, "")]);
    insta::assert_snapshot!(load(None, &empty).unwrap_err(), @"environment variable IAMWARDEN_CONFIG: it is empty: name the configuration file, or unset it");

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
    insta::assert_snapshot!(loaded.notes.join("\n"), @"there is no config/iamwarden.toml: the built-in defaults and the environment hold (--config or IAMWARDEN_CONFIG name another file)");
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
    insta::assert_snapshot!(said(b"dry_run = true\n# caf\xe9\n"), @"DIR/c.toml:2:6: the file is not UTF-8: save it as UTF-8 text");
    insta::assert_snapshot!(said(b"\xff\xfed\0r\0"), @"DIR/c.toml:1:1: the file is not UTF-8: save it as UTF-8 text");
    insta::assert_snapshot!(said(b"dry_run = true\0\n"), @"DIR/c.toml:1:15: this is not TOML: a NUL byte: this is not a text file");
    insta::assert_snapshot!(said(b"dry_run = true\nurl = \"canary\nx = 1\n"), @r#"DIR/c.toml:2:14: this is not TOML: invalid basic string, expected `"`"#);
    insta::assert_snapshot!(said(&vec![b'#'; 2 << 20]), @"DIR/c.toml: the file is larger than 1 MiB: this is not a configuration");
    insta::assert_snapshot!(said(format!("accounts = {}", "[".repeat(500_000)).as_bytes()), @"DIR/c.toml:1:92: this is not TOML: it is nested too deeply");
    insta::assert_snapshot!(said(format!("{}x = 1", "a.".repeat(400_000)).as_bytes()), @"DIR/c.toml: this is not TOML: it is nested too deeply");
    insta::assert_snapshot!(said(format!("accounts = {}", "{a=".repeat(300_000)).as_bytes()), @"DIR/c.toml:1:252: this is not TOML: it is nested too deeply");
    assert_eq!(said(b"\xef\xbb\xbfdry_run = true\r\n"), "nothing");
    assert_eq!(said(b""), "nothing");
}

#[test]
fn many_entries_are_read_in_good_time() {
    let entry = "[[exemptions]]\nprincipals=[\"user/a\"]\nrules=[\"password_policy\"]\nuntil=\"2027-01-31\"\nreason=\"x\"\n";
    let loaded = under(&[], &entry.repeat(4_000)).unwrap();
    assert_eq!(loaded.config.exemptions.len(), 4_000);
}

#[test]
fn keys_with_dots_in_quotes_are_no_paths() {
    insta::assert_snapshot!(refused(&[], "\"guardrails.protected\" = []\n\"a[0]\" = 1\n\"\" = 2"), @r"
    test.toml:1:1: guardrails.protected: unknown key; did you mean `guardrails`?
    test.toml:2:1: a[0]: unknown key; known here are `accounts`, `approvals`, `dry_run`, `exemptions`, `freeze`, `guardrails`, `notifications`, `organization`, `regions`, `reports`, `rollout`, `rules`, `schedule`, `server` and `state`
    test.toml:3:1: unknown key; known here are `accounts`, `approvals`, `dry_run`, `exemptions`, `freeze`, `guardrails`, `notifications`, `organization`, `regions`, `reports`, `rollout`, `rules`, `schedule`, `server` and `state`
    ");
}
