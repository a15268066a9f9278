use std::path::Path;

use super::*;
use crate::config::tests::configured;
use crate::config::{Environment, Rules, load_text};
use crate::model::Event;

/// What is said of a configuration that is wrong.
fn refused(text: &str) -> String {
    match load_text(Path::new("test.toml"), text, &Environment::empty()) {
        Ok(_) => "nothing".to_owned(),
        Err(errors) => unlisted(&errors.to_string()),
    }
}

/// Without the lists of all events and all rules, which grow with every rule.
fn unlisted(text: &str) -> String {
    let list = |names: Vec<&str>| {
        let names: Vec<_> = names.into_iter().map(|name| format!("`{name}`")).collect();
        let (last, others) = names.split_last().unwrap();
        format!("{} or {last}", others.join(", "))
    };
    let events = list(Event::ALL.into_iter().map(Event::as_str).collect());
    let rules = list(Rules::NAMES.to_vec());
    text.replace(&events, "EVENTS").replace(&rules, "RULES")
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
fn the_state_is_somewhere_and_its_password_is_not_written_down() {
    let url = |url: &str| refused(&format!("[state]\nurl = \"{url}\""));
    let password = url("postgres://iamwarden:canary@db/iamwarden");
    insta::assert_snapshot!(password, @"test.toml:2:7: state.url: a password does not belong in the configuration; leave it out and set PGPASSWORD or PGPASSFILE, or keep the whole address as a secret and name that: env:NAME, file:PATH, secretsmanager:NAME or secretsmanager:NAME#json-key");
    assert_eq!(
        url("postgresql://iamwarden@db/iamwarden?password=canary"),
        password
    );
    insta::assert_snapshot!(url("postgres://iamwarden:canary@db:port/iamwarden"), @"test.toml:2:7: state.url: this is not the address of a database; write `postgres://USER@HOST/DATABASE`");
    insta::assert_snapshot!(url("postgres://iamwarden@db/iamwarden?passwort=canary"), @"test.toml:2:7: state.url: the parameter `passwort` of the address is not known; there are application_name, dbname, host, hostaddr, options, password, port, sslcert, sslkey, sslmode, sslrootcert, statement-cache-capacity, user");
    insta::assert_snapshot!(url("mysql://iamwarden:canary@db/iamwarden"), @r#"test.toml:2:7: state.url: this is not a state that iamwarden knows: expected `sqlite:` and the path of a file, such as "sqlite:iamwarden.db", `postgres://USER@HOST/DATABASE`, or a reference to a secret that holds such an address"#);
    insta::assert_snapshot!(url("env:A B"), @"test.toml:2:7: state.url: this is not a reference to a secret (env:NAME, file:PATH, secretsmanager:NAME or secretsmanager:NAME#json-key); secrets themselves do not belong in the configuration");
    insta::assert_snapshot!(url("sqlite:"), @"test.toml:2:7: state.url: this is not the path of a file; write `sqlite:PATH`");
    insta::assert_snapshot!(url("sqlite:///"), @r#"test.toml:2:7: state.url: the path is missing: expected `sqlite:` and the path of a file, such as "sqlite:iamwarden.db", `postgres://USER@HOST/DATABASE`, or a reference to a secret that holds such an address"#);
    insta::assert_snapshot!(url("sqlite::memory:"), @r#"test.toml:2:7: state.url: a state in memory forgets consent and journal with the process: expected `sqlite:` and the path of a file, such as "sqlite:iamwarden.db", `postgres://USER@HOST/DATABASE`, or a reference to a secret that holds such an address"#);
    for good in [
        "sqlite:///var/lib/iamwarden/state.db",
        "sqlite:state.db",
        "postgres://iamwarden@db.example.com/iamwarden?sslmode=verify-full&sslrootcert=/etc/rds.pem",
        "postgresql:///iamwarden",
        "env:STATE_URL",
        "file:/run/secrets/state",
        "secretsmanager:iamwarden/state#url",
    ] {
        assert_eq!(url(good), "nothing", "{good}");
    }
}

#[test]
fn findings_are_kept_for_some_time() {
    insta::assert_snapshot!(refused("state.keep_findings = \"0s\""), @r#"test.toml:1:23: state.keep_findings: `0s` is no time at all: expected more than zero, such as "90d""#);
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
    "#), @r"
    test.toml:5:14: accounts[1].id: account `012345678901` is declared twice: expected each once
    test.toml:6:16: accounts[1].name: the name is blank: write one, or leave the key out
    test.toml:7:20: accounts[1].role_arn: `arn:aws:iam::123456789012:role/iamwarden` is a role of another account: expected one of `012345678901`
    test.toml:8:29: accounts[1].rollback_role_arn: `arn:aws:iam::123456789012:role/rollback` is a role of another account: expected one of `012345678901`
    test.toml:9:9: accounts[2]: account `210987654321` has no `role_arn`, and the ambient credentials are those of an account above: add the role to assume
    test.toml:11:23: accounts[2].external_id: an external id is for the role to assume: add `role_arn`, or leave the key out
    ");
}

#[test]
fn protected_patterns_can_match() {
    let refused = |pattern: &str| refused(&format!("[guardrails]\nprotected = [\"{pattern}\"]"));
    insta::assert_snapshot!(refused("break-glass-*"), @"test.toml:2:14: guardrails.protected[0]: `break-glass-*` matches no principal: expected the part of the ARN after the account, such as `user/alice`, `role/ci-*` or `group/*`");
    insta::assert_snapshot!(refused("user/{alice,bob}"), @"test.toml:2:14: guardrails.protected[0]: `user/{alice,bob}` has '{' in it, which no name has, so it matches nobody: the wildcards are `*` and `?`; write a pattern for each name");
    for wrong in [
        "user/[a-c]*",
        "user/alice ",
        r"user/\\*",
        "role/ci *",
        "user/alice\\t",
    ] {
        assert!(refused(wrong).contains("matches nobody"), "{wrong}");
    }
    for wrong in [
        "user/",
        "user",
        "arn:aws:iam::123456789012:user/x",
        "policy/*",
        "roots",
        "123456789012:user/*",
        "users/*",
        "arn:aws:s3",
        "arn:aws:*:::reports",
        "arn::s3:::reports",
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
        "arn:aws:s3:::reports",
        "arn:aws:sqs:eu-central-1:*:orders-*",
        "arn:aws:kms:*:*:key/*",
    ] {
        assert_eq!(refused(right), "nothing", "{right}");
    }
}

#[test]
fn approvers() {
    insta::assert_snapshot!(refused(r#"approvals.approvers = ["a@example.com", " ", "a@example.com"]"#), @r"
    test.toml:1:41: approvals.approvers[1]: the name of an approver must not be blank
    test.toml:1:46: approvals.approvers[2]: `a@example.com` is named twice: expected each once
    ");
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
    "#), @r#"
    test.toml:3:19: rules.access_key_rotation.max_age: `0s` is no time at all: expected more than zero, such as "90d"
    test.toml:4:24: rules.access_key_rotation.delete_after: a key is not deleted the moment it is disabled: expected more than zero, or "" for never
    test.toml:5:30: rules.access_key_rotation.warn_before[1]: a warning at the date itself comes too late: expected more than zero
    test.toml:5:36: rules.access_key_rotation.warn_before[2]: `7d` stands there twice: expected each once
    test.toml:7:22: rules.unused_access_keys.unused_for: `0s` is no time at all: expected more than zero, such as "90d"
    test.toml:9:22: rules.unused_permissions.unused_for: `0s` is no time at all: expected more than zero, such as "90d"
    "#);
}

#[test]
fn warnings_and_pauses_of_mfa_and_root() {
    insta::assert_snapshot!(refused(r#"
        rules.user_mfa.warn_before = ["1d", "24h", "0s"]
        rules.root_account = {recent_use = "0s", remind_every = "0s"}
    "#), @r#"
    test.toml:2:45: rules.user_mfa.warn_before[1]: `1d` stands there twice: expected each once
    test.toml:2:52: rules.user_mfa.warn_before[2]: a warning at the date itself comes too late: expected more than zero
    test.toml:3:44: rules.root_account.recent_use: `0s` is no time at all: expected more than zero, such as "90d"
    test.toml:3:65: rules.root_account.remind_every: `0s` is no time at all: expected more than zero, such as "90d"
    "#);
    insta::assert_snapshot!(refused(r#"rules.user_mfa.scope = "admins""#), @"test.toml:1:24: rules.user_mfa.scope: `admins` is not one of `console` or `all`");
}

#[test]
fn password_ages() {
    let age = |age: &str| refused(&format!("[rules.password_policy]\nmax_age = \"{age}\""));
    insta::assert_snapshot!(age("36h"), @r#"test.toml:2:11: rules.password_policy.max_age: `36h` is not what IAM takes: expected whole days from "1d" to "1095d""#);
    insta::assert_snapshot!(age("1096d"), @r#"test.toml:2:11: rules.password_policy.max_age: `1096d` is not what IAM takes: expected whole days from "1d" to "1095d""#);
    insta::assert_snapshot!(age("0s"), @r#"test.toml:2:11: rules.password_policy.max_age: `0s` is not what IAM takes: expected whole days from "1d" to "1095d""#);
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
    "#), @r"
    test.toml:3:26: rules.password_policy.minimum_length: 5 is out of range: expected a whole number from 6 to 128
    test.toml:4:28: rules.password_policy.reuse_prevention: 25 is out of range: expected a whole number from 1 to 24
    test.toml:5:27: rules.password_policy.require_symbols: expected true or false, without quotes, found a text
    ");
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
    "#), @r#"
    test.toml:9:32: exemptions[1].principals[1]: a blank pattern matches nothing
    test.toml:10:18: exemptions[1].rules[0]: `acces_key_rotation` is not one of RULES; did you mean `access_key_rotation`?
    test.toml:11:17: exemptions[1].until: `2027-02-29` is not a date (year, month, day, such as "2027-01-31")
    "#);
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
    "#), @r"
    test.toml:3:22: exemptions[0].principals: it is empty, and an empty list means nothing: name at least one pattern
    test.toml:4:17: exemptions[0].rules: it is empty, and an empty list means nothing: name at least one rule
    test.toml:5:20: exemptions[0].accounts: it is empty, and an empty list means nothing: name at least one account, or leave the key out for all
    test.toml:7:18: exemptions[0].reason: the reason is blank: say why, and where it was decided
    test.toml:9:23: exemptions[1].principals[0]: `alice` matches no principal: expected the part of the ARN after the account, such as `user/alice`, `role/ci-*` or `group/*`
    ");
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
    "#), @r#"
    test.toml:3:32: notifications.owner_tags[1]: the name of a tag must not be blank
    test.toml:4:54: notifications.allow_networks[2]: `10.0.0.0` is not a network (an address and the length of its prefix, such as "10.0.0.0/8")
    "#);
    insta::assert_snapshot!(refused("notifications.allow_networks = [\"0.0.0.0/0\", \"::/0\"]"), @r#"
    test.toml:1:33: notifications.allow_networks[0]: `0.0.0.0/0` is every address: expected the private ranges that channels live in, such as "10.0.0.0/8"
    test.toml:1:46: notifications.allow_networks[1]: `::/0` is every address: expected the private ranges that channels live in, such as "10.0.0.0/8"
    "#);
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
    "#), @r#"
    test.toml:6:18: notifications.channels[0].secret: only the kind `webhook` is signed: leave the key out
    test.toml:7:9: notifications.channels[1]: a webhook is signed: add `secret`, a reference such as "env:SIEM_SECRET"
    test.toml:8:16: notifications.channels[1].name: channel `secops` is declared twice: expected each once
    test.toml:11:24: notifications.channels[1].events[1]: `access_key.disable` is not an event; did you mean `access_key.disabled`?
    test.toml:11:46: notifications.channels[1].events[2]: `everything` is not an event; expected EVENTS, or `*` for all
    test.toml:13:16: notifications.channels[2].name: the name of a channel must not be blank
    "#);
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
    "#), @r"
    test.toml:5:23: accounts[0].external_id: this is not a reference to a secret (env:NAME, file:PATH, secretsmanager:NAME or secretsmanager:NAME#json-key); secrets themselves do not belong in the configuration
    test.toml:8:16: notifications.channels[0].kind: `slak` is not one of `slack`, `teams` or `webhook`; did you mean `slack`?
    test.toml:9:15: notifications.channels[0].url: this is not a reference to a secret (env:NAME, file:PATH, secretsmanager:NAME or secretsmanager:NAME#json-key); secrets themselves do not belong in the configuration
    test.toml:13:15: notifications.channels[1].url: this is not a reference to a secret (env:NAME, file:PATH, secretsmanager:NAME or secretsmanager:NAME#json-key); secrets themselves do not belong in the configuration
    test.toml:14:18: notifications.channels[1].secret: this is not a reference to a secret (env:NAME, file:PATH, secretsmanager:NAME or secretsmanager:NAME#json-key); secrets themselves do not belong in the configuration
    ");
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
    "#), @r"
    test.toml:2:9: notifications.owners[0]: it has both `principals` and `match`: expected either `principals` with `owner`, or `match` with `channel`
    test.toml:5:9: notifications.owners[1]: it has neither `principals` nor `match`: expected either `principals` with `owner`, or `match` with `channel`
    test.toml:7:9: notifications.owners[2]: `owner` is missing: expected a text in quotes, the name of an owner (an address, a handle, a team; it must not be blank)
    test.toml:9:9: notifications.owners[2].channel: unknown key; known here are `owner` and `principals`
    test.toml:11:17: notifications.owners[3].match: a blank pattern matches nothing
    ");
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
    "#), @r"
    test.toml:3:22: notifications.owners[0].principals: it is empty, and an empty list means nothing: name at least one pattern
    test.toml:6:23: notifications.owners[1].principals[0]: `alice` matches no principal: expected the part of the ARN after the account, such as `user/alice`, `role/ci-*` or `group/*`
    test.toml:10:19: notifications.owners[2].channel: `secops` is not a declared channel; none is: declare it under [[notifications.channels]]
    test.toml:11:19: notifications.owners[2].mention: the mention is blank: write one, or leave the key out
    ");
}

#[test]
fn references_to_channels() {
    const CHANNEL: &str = r#"
        [[notifications.channels]]
        name = "secops"
        kind = "slack"
        url = "env:A"
    "#;
    insta::assert_snapshot!(refused(r#"notifications.default_channel = "secops""#), @"test.toml:1:33: notifications.default_channel: `secops` is not a declared channel; none is: declare it under [[notifications.channels]]");
    insta::assert_snapshot!(refused(r#"notifications.default_channel = "https://hooks.example.com/canary""#), @"test.toml:1:33: notifications.default_channel: the value (not shown) is not a declared channel; none is: declare it under [[notifications.channels]]");
    insta::assert_snapshot!(refused(&format!(
        "[notifications]\ndefault_channel = \"secop\"\n{CHANNEL}[[notifications.owners]]\nmatch = \"*\"\nchannel = \"x\""
    )), @r"
    test.toml:2:19: notifications.default_channel: `secop` is not a declared channel; did you mean `secops`?
    test.toml:10:11: notifications.owners[0].channel: `x` is not a declared channel; declared are `secops`
    ");
}

#[test]
fn what_deserves_a_word() {
    let config = configured(
        r#"
        server.listen = "0.0.0.0:8787"
        guardrails.max_plan_age = "0s"
        approvals.expire_after = "0s"
        rules.unused_permissions = {unused_for = "401d", principals = []}
        rules.role_trust.mode = "enforce"
        rules.access_key_rotation = {mode = "enforce", minimum_notice = "0s", delete_after = "30d"}
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
    insta::assert_snapshot!(warnings(&config).join("\n"), @r#"
    server.listen: 0.0.0.0:8787 can be reached from other machines; /metrics and /healthz answer anybody who can reach it
    notifications.allow_http: channels with an http: address get their messages unencrypted
    approvals.expire_after: an approval that expires at once never holds
    guardrails.max_plan_age: `apply --plan` will refuse every file as too old
    rules.unused_permissions.unused_for: AWS remembers use for 400 days, so nothing is ever found unused for 401d
    rules.unused_permissions.principals: it is empty, so the rule looks at nobody
    rules.role_trust.mode: the rule changes nothing in any mode; it reports, as in "report"
    rules.access_key_rotation.delete_after: with minimum_notice = "0s" keys are deleted and nobody is told before
    exemptions[0].accounts: account 012345678901 is not declared under [[accounts]]
    "#);
    assert_eq!(warnings(&configured("")), Vec::<String>::new());
    let slips = "rules.access_key_rotation = {mode = \"enforce\", minimum_notice = \"21d\"}";
    insta::assert_snapshot!(warnings(&configured(slips)).join("\n"), @"rules.access_key_rotation.minimum_notice: it is longer than the first warning (14d before the limit), so keys live longer than max_age");
    assert_eq!(
        warnings(&configured("server.listen = \"[::1]:80\"")),
        Vec::<String>::new()
    );
}

#[test]
fn regions_are_named_once_each() {
    insta::assert_snapshot!(refused(r#"regions.include = ["us-east-1", "eu-central-1", "us-east-1"]"#), @"test.toml:1:49: regions.include[2]: `us-east-1` is named twice: expected each once");
}

#[test]
fn a_trail_that_is_made_or_mended_has_what_cloudtrail_takes() {
    let rule = |text: &str| refused(&format!("rules.cloudtrail = {{{text}}}"));
    insta::assert_snapshot!(rule(r#"trail_name = "x!", bucket = "My_Logs""#), @r"
    test.toml:1:34: rules.cloudtrail.trail_name: `x!` is not a name of a trail: expected 3 to 128 letters, digits, `.`, `_` and `-`, a letter or digit first and last
    test.toml:1:49: rules.cloudtrail.bucket: `My_Logs` is not the name of a bucket: expected 3 to 63 small letters, digits, `.` and `-`
    ");
    insta::assert_snapshot!(rule(r#"log_group = "trail""#), @"test.toml:1:33: rules.cloudtrail.log_group: CloudTrail writes to a log group by a role: name both `log_group` and `log_role`, or neither");
    insta::assert_snapshot!(rule(r#"log_role = "trail""#), @"test.toml:1:32: rules.cloudtrail.log_role: CloudTrail writes to a log group by a role: name both `log_group` and `log_role`, or neither");
    insta::assert_snapshot!(rule(r#"log_group = "arn:aws:logs:x", log_role = "arn:aws:iam::1:role/x""#), @r"
    test.toml:1:33: rules.cloudtrail.log_group: `arn:aws:logs:x` is not the name of a log group: expected up to 512 letters, digits, `.`, `_`, `-`, `/` and `#`, no ARN
    test.toml:1:62: rules.cloudtrail.log_role: `arn:aws:iam::1:role/x` is not the name of a role (its path before it, if it has one), no ARN
    ");
    assert_eq!(
        rule(r#"bucket = "logs.example-1", log_group = "/aws/trail", log_role = "service-role/trail""#),
        "nothing"
    );
}

#[test]
fn the_profile_that_instances_get_has_a_name_that_iam_takes() {
    let rule = |text: &str| refused(&format!("rules.instance_roles = {{{text}}}"));
    insta::assert_snapshot!(rule(r#"default_profile = "arn:aws:iam::1:instance-profile/x", default_role = "a b""#), @r"
    test.toml:1:43: rules.instance_roles.default_profile: `arn:aws:iam::1:instance-profile/x` is not the name of an instance profile: expected up to 128 letters, digits and `_+=,.@-`, no path, no ARN
    test.toml:1:95: rules.instance_roles.default_role: `a b` is not the name of a role (its path before it, if it has one), no ARN
    ");
    insta::assert_snapshot!(rule(r#"default_role = "baseline""#), @"test.toml:1:40: rules.instance_roles.default_role: `baseline` is the role of no profile: name the profile that holds it as `default_profile`");
    assert_eq!(
        rule(r#"default_profile = "baseline", default_role = "ec2/baseline""#),
        "nothing"
    );
}

#[test]
fn patterns_of_ones_own_have_names_and_can_be_compared() {
    let text = r#"
        [rules.iam_alarms]
        events = ["root_use", "root_use"]
        topic = "arn:aws:s3:::x"
        [[rules.iam_alarms.patterns]]
        name = "root_use"
        pattern = "ERROR"
        [[rules.iam_alarms.patterns]]
        name = "a b"
        pattern = "{ $.eventName = CreateUser }"
    "#;
    insta::assert_snapshot!(refused(text), @r"
    test.toml:3:18: rules.iam_alarms.events: an event is named twice: expected each once
    test.toml:4:17: rules.iam_alarms.topic: `arn:aws:s3:::x` is neither the name nor the ARN of an SNS topic (letters, digits, `_` and `-`)
    test.toml:6:16: rules.iam_alarms.patterns[0].name: `root_use` is the name of another event: expected one of its own
    test.toml:7:19: rules.iam_alarms.patterns[0].pattern: `ERROR` is not a pattern over fields of events: expected `{ … }` of at most 1024 characters, such as `{ $.eventName = CreateUser }`
    test.toml:9:16: rules.iam_alarms.patterns[1].name: `a b` is not a name: expected up to 200 letters, digits, `_`, `-` and `.`
    ");
    insta::assert_snapshot!(refused("rules.iam_alarms.events = [\"root\"]"), @"test.toml:1:28: rules.iam_alarms.events[0]: `root` is not one of `iam_policy_changes`, `unauthorized_calls`, `root_use`, `console_sign_in_without_mfa`, `failed_sign_ins`, `cloudtrail_changes` or `key_creation`; did you mean `root_use`?");
    for topic in ["security", "arn:aws-cn:sns:cn-north-1:123456789012:security"] {
        assert_eq!(
            refused(&format!("rules.iam_alarms.topic = \"{topic}\"")),
            "nothing"
        );
    }
}

#[test]
fn analyzers_that_are_made_have_a_name() {
    let name = |name: &str| refused(&format!("rules.access_analyzer.analyzer_name = \"{name}\""));
    insta::assert_snapshot!(name("1st"), @"test.toml:1:39: rules.access_analyzer.analyzer_name: `1st` is not a name of an analyzer: expected up to 255 letters, digits, `.`, `_` and `-`, a letter first");
    for wrong in ["", "a b", "a/b", "_a", &"x".repeat(256)] {
        assert!(name(wrong).contains("is not a name of an analyzer"), "{wrong}");
    }
    assert_eq!(name("Iam_warden.eu-1"), "nothing");
}

#[test]
fn an_organization_is_named_soundly() {
    insta::assert_snapshot!(refused(
        r#"
        accounts = [{id = "123456789012", role_arn = "arn:aws:iam::123456789012:role/own"}]
        [organization]
        discover = true
        role_name = "iam warden"
        rollback_role_name = "/undo"
        exclude = ["123456789012", "/Sandbox", "/Sandbox/*", "/"]
        "#
    ), @r#"
    test.toml:5:21: organization.role_name: `iam warden` is no name of a role: expected letters, digits and _+=,.@-, with its path before it where it has one
    test.toml:6:30: organization.rollback_role_name: `/undo` is no name of a role: expected letters, digits and _+=,.@-, with its path before it where it has one
    test.toml:7:20: organization.exclude[0]: account `123456789012` is declared under [[accounts]]: leave it out of one of the two
    test.toml:7:48: organization.exclude[2]: `/Sandbox` is named twice: expected each once
    "#);
}

#[test]
fn a_rollout_names_what_is_known() {
    insta::assert_snapshot!(refused(
        r#"
        accounts = [{id = "123456789012"}]
        [rollout]
        accounts = ["123456789012", "210987654321"]
        units = ["/Dev"]
        "#
    ), @r"
    test.toml:4:37: rollout.accounts[1]: account `210987654321` is not declared under [[accounts]]
    test.toml:5:18: rollout.units[0]: the unit `/Dev` is known only where organization.discover = true: name the accounts instead
    ");
    assert_eq!(refused("[rollout]"), "nothing");
    assert_eq!(refused("rollout.accounts = [\"123456789012\"]"), "nothing");
    assert_eq!(
        refused("organization.discover = true\nrollout.units = [\"/Dev\", \"ou-ab12-34567890\"]"),
        "nothing"
    );
}
