use std::path::Path;

use super::*;
use crate::config::tests::configured;
use crate::config::{Environment, load_text};

/// What is said of a configuration that is wrong.
fn refused(text: &str) -> String {
    match load_text(Path::new("test.toml"), text, &Environment::empty()) {
        Ok(_) => "nothing".to_owned(),
        Err(errors) => errors.to_string(),
    }
}

#[test]
fn every_check_has_a_name_of_its_own_and_reads_keys_that_exist() {
    let names: BTreeSet<_> = CHECKS.iter().map(|check| check.name).collect();
    assert_eq!(names.len(), CHECKS.len());
    let schema = crate::config::json_schema();
    for check in &CHECKS {
        for read in check.reads {
            let mut at = &schema;
            for segment in read.split('.') {
                at = &at["properties"][segment];
                assert!(at.is_object(), "{read}");
            }
        }
    }
}

#[test]
fn a_check_judges_only_what_is_sound() {
    let check = Check {
        name: "",
        reads: &["notifications.channels"],
        run: |_, _| {},
    };
    assert!(check.can_judge([]));
    assert!(check.can_judge(["notifications.channels_of_old", "accounts[0]"]));
    assert!(!check.can_judge(["accounts", "notifications.channels[1].kind"]));
    assert!(!check.can_judge(["notifications"]));
    assert!(!check.can_judge([""]));
}

#[test]
fn the_state_is_a_file_of_sqlite() {
    let url = |url: &str| refused(&format!("[state]\nurl = \"{url}\""));
    insta::assert_snapshot!(url("postgres://iamwarden:canary@db/iamwarden"), @"");
    insta::assert_snapshot!(url("mysql://iamwarden:canary@db/iamwarden"), @"");
    insta::assert_snapshot!(url("sqlite:"), @"");
    insta::assert_snapshot!(url("sqlite::memory:"), @"");
    assert_eq!(url("sqlite:///var/lib/iamwarden/state.db"), "nothing");
    assert_eq!(url("sqlite:state.db"), "nothing");
}

#[test]
fn findings_are_kept_for_some_time() {
    insta::assert_snapshot!(refused("state.keep_findings = \"0s\""), @"");
}

#[test]
fn accounts() {
    insta::assert_snapshot!(refused(r#"
        [[accounts]]
        id = "012345678901"
        [[accounts]]
        id = "012345678901"
        name = " "
        role_arn = "arn:aws:iam::123456789012:role/iamwarden"
        rollback_role_arn = "arn:aws:iam::123456789012:role/rollback"
        [[accounts]]
        id = "210987654321"
        external_id = "env:EXTERNAL_ID"
    "#), @"");
}

#[test]
fn protected_patterns_can_match() {
    let refused = |pattern: &str| refused(&format!("[guardrails]\nprotected = [\"{pattern}\"]"));
    insta::assert_snapshot!(refused("break-glass-*"), @"");
    for wrong in [
        "user/",
        "user",
        "arn:aws:iam::123456789012:user/x",
        "policy/*",
        "roots",
        "123456789012:user/*",
        "users/*",
    ] {
        assert!(refused(wrong).contains("matches no principal"), "{wrong}");
    }
    for right in [
        "*",
        "?ser/x",
        "u*",
        "USER/alice",
        "user/*",
        "user/path/alice",
        "role/aws-service-role/*",
        "group/?",
        "root",
        "ro*",
    ] {
        assert_eq!(refused(right), "nothing", "{right}");
    }
}

#[test]
fn approvers() {
    insta::assert_snapshot!(refused(r#"approvals.approvers = ["a@example.com", " ", "a@example.com"]"#), @"");
}

#[test]
fn limits_of_age() {
    insta::assert_snapshot!(refused(r#"
        [rules.access_key_rotation]
        max_age = "0s"
        delete_after = "0d"
        warn_before = ["7d", "0s", "1w"]
        [rules.unused_access_keys]
        unused_for = "0s"
        [rules.unused_permissions]
        unused_for = "0s"
    "#), @"");
}

#[test]
fn password_ages() {
    let age = |age: &str| refused(&format!("[rules.password_policy]\nmax_age = \"{age}\""));
    insta::assert_snapshot!(age("36h"), @"");
    insta::assert_snapshot!(age("1096d"), @"");
    insta::assert_snapshot!(age("0s"), @"");
    assert_eq!(
        (age("1d").as_str(), age("1095d").as_str()),
        ("nothing", "nothing")
    );
}

#[test]
fn password_fields() {
    insta::assert_snapshot!(refused(r#"
        [rules.password_policy]
        minimum_length = 5
        reuse_prevention = 25
        require_symbols = "yes"
    "#), @"");
    let at_the_edges = "[rules.password_policy]\nminimum_length = 128\nreuse_prevention = 1";
    assert_eq!(refused(at_the_edges), "nothing");
}

#[test]
fn exemptions() {
    insta::assert_snapshot!(refused(r#"
        [[exemptions]]
        principals = []
        rules = []
        accounts = []
        until = "2020-01-31"
        reason = ""
        [[exemptions]]
        principals = ["alice", ""]
        rules = ["acces_key_rotation"]
        until = "2027-02-29"
        reason = "SEC-1"
    "#), @"");
    insta::assert_snapshot!(refused(r#"
        [[exemptions]]
        principals = []
        rules = []
        accounts = []
        until = "2020-01-31"
        reason = ""
        [[exemptions]]
        principals = ["alice"]
        rules = ["access_key_rotation"]
        until = "2027-02-28"
        reason = "SEC-1"
    "#), @"");
}

#[test]
fn an_exemption_that_ended_is_not_an_error() {
    let config = configured(
        r#"
        [[exemptions]]
        principals = ["user/a"]
        rules = ["access_key_rotation"]
        until = "2020-01-31"
        reason = "SEC-1"
        "#,
    );
    assert_eq!(config.exemptions.len(), 1);
}

#[test]
fn owner_tags_and_networks() {
    insta::assert_snapshot!(refused(r#"
        [notifications]
        owner_tags = ["owner", ""]
        allow_networks = ["10.0.0.0/8", "0.0.0.0/0", "10.0.0.0", "::/0"]
    "#), @"");
    insta::assert_snapshot!(refused("notifications.allow_networks = [\"0.0.0.0/0\", \"::/0\"]"), @"");
}

#[test]
fn channels() {
    insta::assert_snapshot!(refused(r#"
        [[notifications.channels]]
        name = "secops"
        kind = "slack"
        url = "env:A"
        secret = "env:B"
        [[notifications.channels]]
        name = "secops"
        kind = "webhook"
        url = "env:A"
        events = ["*", "access_key.disable", "everything"]
        [[notifications.channels]]
        name = " "
        kind = "teams"
        url = "env:A"
    "#), @"");
}

#[test]
fn literal_secrets_are_refused_and_not_repeated() {
    insta::assert_snapshot!(refused(r#"
        [[accounts]]
        id = "123456789012"
        role_arn = "arn:aws:iam::123456789012:role/iamwarden"
        external_id = "canary"
        [[notifications.channels]]
        name = "secops"
        kind = "slak"
        url = "https://hooks.example.com/services/canary"
        [[notifications.channels]]
        name = "siem"
        kind = "webhook"
        url = "env:canary url"
        secret = "whsec_canary"
    "#), @"");
}

#[test]
fn owner_entries() {
    insta::assert_snapshot!(refused(r#"
        [[notifications.owners]]
        principals = ["user/a"]
        match = "a@example.com"
        [[notifications.owners]]
        mention = "<@U1>"
        [[notifications.owners]]
        principals = ["user/a"]
        channel = "secops"
        [[notifications.owners]]
        match = " "
        channel = "secops"
    "#), @"");
    insta::assert_snapshot!(refused(r#"
        [[notifications.owners]]
        principals = []
        owner = "a@example.com"
        [[notifications.owners]]
        principals = ["alice"]
        owner = "a@example.com"
        [[notifications.owners]]
        match = "*"
        channel = "secops"
        mention = ""
    "#), @"");
}

#[test]
fn references_to_channels() {
    const CHANNEL: &str = r#"
        [[notifications.channels]]
        name = "secops"
        kind = "slack"
        url = "env:A"
    "#;
    insta::assert_snapshot!(refused(r#"notifications.default_channel = "secops""#), @"");
    insta::assert_snapshot!(refused(r#"notifications.default_channel = "https://hooks.example.com/canary""#), @"");
    insta::assert_snapshot!(refused(&format!(
        "[notifications]\ndefault_channel = \"secop\"\n{CHANNEL}[[notifications.owners]]\nmatch = \"*\"\nchannel = \"x\""
    )), @"");
}

#[test]
fn what_deserves_a_word() {
    let config = configured(
        r#"
        server.listen = "0.0.0.0:8787"
        guardrails.max_plan_age = "0s"
        approvals.expire_after = "0s"
        rules.unused_permissions = {unused_for = "401d", principals = []}
        notifications.allow_http = true
        accounts = [{id = "123456789012"}]
        [[exemptions]]
        principals = ["user/a"]
        rules = ["access_key_rotation"]
        accounts = ["123456789012", "012345678901"]
        until = "2027-01-31"
        reason = "SEC-1"
        "#,
    );
    insta::assert_snapshot!(warnings(&config).join("\n"), @"");
    assert_eq!(warnings(&configured("")), Vec::<String>::new());
    assert_eq!(
        warnings(&configured("server.listen = \"[::1]:80\"")),
        Vec::<String>::new()
    );
}
