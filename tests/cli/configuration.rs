//! Malformed configurations: whatever is wrong, it is exit 1 with the position, before AWS is called, without a panic, and
//! without a secret in what is said.

use crate::support::{APPLY, BINARY, World};
use crate::{SEED, assert_ended};

/// Stands wherever a secret could have been written by mistake.
const CANARY: &str = "hunter2CanaryOfSecrets";

/// What is wrong, and what has to be said of it: the place, and the word that helps.
const MALFORMED: &[(&str, &[&str])] = &[
    // No TOML.
    ("x", &[":1:2:"]),
    ("freeze = ", &[":1:10:"]),
    ("[rules", &[":1:7:"]),
    ("freeze = true\nfreeze = false", &[":2:1:"]),
    ("secret = \"CANARY", &[":1:"]),
    ("[[accounts]\nid = \"CANARY\"", &[":1:"]),
    ("dry_run = true\u{0}", &[":1:15:"]),
    (
        "a = [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
        &[":1:"],
    ),
    // Keys that nobody knows.
    ("freze = true", &[":1:1:", "did you mean `freeze`?"]),
    (
        "[guardrail]\nmax_changes_per_run = 1",
        &[":1:2:", "did you mean `guardrails`?"],
    ),
    (
        "[rules.acces_key_rotation]\nmode = \"report\"",
        &[":1:8:", "did you mean `access_key_rotation`?"],
    ),
    (
        "[rules.access_key_rotation]\nmax_ages = \"90d\"",
        &[":2:1:", "did you mean `max_age`?"],
    ),
    ("hello = 1", &[":1:1:", "unknown key"]),
    ("[organization]\nexclude = [\"Sandbox\"]", &[":2:12:", "/Sandbox"]),
    (
        "[rollout]\nunits = [\"/Dev\"]",
        &[":2:10:", "organization.discover"],
    ),
    // Values of the wrong kind.
    ("freeze = \"yes\"", &[":1:10:", "true or false"]),
    ("freeze = 1", &[":1:10:", "true or false"]),
    ("freeze = []", &[":1:10:", "true or false"]),
    ("rules = 3", &[":1:9:"]),
    ("accounts = {}", &[":1:12:"]),
    ("accounts = [\"123456789012\"]", &[":1:13:"]),
    (
        "[guardrails]\nmax_changes_per_run = \"CANARY\"",
        &[":2:23:", "a whole number"],
    ),
    (
        "[guardrails]\nmax_changes_per_run = 2.5",
        &[":2:23:", "a whole number"],
    ),
    ("[guardrails]\nmax_changes_per_run = -1", &[":2:23:"]),
    (
        "[guardrails]\nmax_changes_per_run = 99999999999999999999999999",
        &[":2:"],
    ),
    ("[guardrails]\nprotected = \"user/a\"", &[":2:13:"]),
    // Values that cannot be.
    (
        "[rules.access_key_rotation]\nmode = \"enforced\"",
        &[":2:8:", "did you mean `enforce`?"],
    ),
    (
        "[rules.access_key_rotation]\nmax_age = \"90 days\"",
        &[":2:11:", "90d"],
    ),
    ("[rules.access_key_rotation]\nmax_age = \"-1d\"", &[":2:11:"]),
    (
        "[rules.access_key_rotation]\nschedule = \"0 0 6 * * 1\"",
        &[":2:12:"],
    ),
    (
        "[rules.access_key_rotation]\nschedule = \"0 0 6 30 Feb *\"",
        &[":2:12:"],
    ),
    ("[schedule]\ndefault = \"0 6 * * *\"", &[":2:11:"]),
    ("[guardrails]\nchange_window = \"always\"", &[":2:17:"]),
    ("[guardrails]\ntimezone = \"Mars/Olympus\"", &[":2:12:"]),
    ("[[accounts]]\nid = \"12345\"", &[":2:6:", "twelve digits"]),
    ("[[accounts]]\nname = \"prod\"", &[":1:1:", "id"]),
    (
        "[rules.password_policy]\nminimum_length = 5",
        &[":2:18:", "6 to 128"],
    ),
    ("[state]\nurl = \"mysql://root:CANARY@db/x\"", &[":2:7:"]),
    ("[server]\nlisten = \"localhost\"", &[":2:10:"]),
    // Exemptions that would not say what they must.
    (
        "[[exemptions]]\nprincipals = [\"user/a\"]\nrules = [\"password_policy\"]\nreason = \"x\"",
        &[":1:1:", "until"],
    ),
    (
        "[[exemptions]]\nprincipals = []\nrules = [\"password_policy\"]\nuntil = \"2027-01-31\"\nreason = \"x\"",
        &[":2:14:"],
    ),
    // Secrets where references belong.
    (
        "[[notifications.channels]]\nname = \"a\"\nkind = \"slack\"\nurl = \"https://hooks.example.com/CANARY\"",
        &[":4:7:", "reference"],
    ),
    (
        "[[notifications.channels]]\nname = \"a\"\nkind = \"webhook\"\nurl = \"env:A\"\nsecret = \"CANARY\"",
        &[":5:10:", "reference"],
    ),
    (
        "[[accounts]]\nid = \"123456789012\"\nexternal_id = \"CANARY\"",
        &[":3:15:", "reference"],
    ),
    (
        "[[notifications.channels]]\nname = \"a\"\nkind = \"slack\"\nurl = [\"CANARY\"]",
        &[":4:7:"],
    ),
    (
        "[[notifications.channels]]\nname = \"a\"\nkind = \"slack\"\nurl = \"env:A\"\nsecrets = \"CANARY\"",
        &[":5:1:"],
    ),
    (
        "[notifications]\ndefault_channel = \"nowhere\"",
        &[":2:19:", "nowhere"],
    ),
];

/// Says what a command has to say of this text, and that it did nothing else.
fn assert_refused(world: &World, command: &[&str], text: &str, said: &[&str]) {
    std::fs::write(world.config(), text).unwrap();
    let ended = world.run(command);
    let what = format!("{command:?} of {text:?}: {ended:#?}");
    assert_eq!(ended.code, Some(1), "{what}");
    assert_eq!(ended.out, "", "{what}");
    for word in said {
        assert!(ended.log.contains(word), "{word:?}: {what}");
    }
    assert!(ended.log.contains("iamwarden.toml:"), "{what}");
    assert!(
        !ended.log.contains("panicked") && !ended.log.contains(CANARY),
        "{what}"
    );
    assert_eq!(world.simulator.calls().len(), 0, "{what}");
    assert!(
        !world.path("state.db").exists() && !world.path("iamwarden.db").exists(),
        "{what}"
    );
}

#[test]
fn malformed_configurations_are_refused_where_they_are_wrong() {
    let world = World::plant(SEED, "");
    for (text, said) in MALFORMED {
        let text = text.replace("CANARY", CANARY);
        assert_refused(&world, &["plan"], &text, said);
    }
}

#[test]
fn every_command_refuses_a_configuration_that_is_wrong() {
    let world = World::plant(SEED, "");
    let text = format!("freze = true\n[[accounts]]\nid = \"123456789012\"\nexternal_id = \"{CANARY}\"");
    for command in [
        &["validate"][..],
        &["plan"],
        &APPLY,
        &["run"],
        &["run", "--once"],
        &["approve", "latest"],
        &["reject", "latest"],
        &["rollback", "--run", "x", "--yes"],
        &["freeze", "--reason", "x"],
        &["unfreeze"],
        &["history"],
        &["explain", "user/ada"],
        &["snapshot", "--output", "/dev/null"],
        &["permissions"],
        &["doctor"],
        &["health"],
    ] {
        assert_refused(
            &world,
            command,
            &text,
            &[":1:1:", "did you mean `freeze`?", ":4:15:"],
        );
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let world = World::plant(SEED, "");
    let missing = world.path("missing.toml");
    let ended = world.run(&["plan", "--config", missing.to_str().unwrap()]);
    assert_ended(&ended, 1, "missing.toml: the configuration cannot be read");
    std::fs::write(world.config(), b"freeze = true\n# caf\xe9\n").unwrap();
    assert_ended(&world.run(&["plan"]), 1, ":2:6: the file is not UTF-8");
    assert_eq!(world.simulator.calls().len(), 0);
}

#[test]
fn a_wrong_variable_is_named_and_its_value_is_not() {
    let world = World::plant(SEED, "");
    let (channels, account) = ("IAMWARDEN__NOTIFICATIONS__CHANNELS", "IAMWARDEN__ACCOUNTS");
    for (name, value, said) in [
        (
            "IAMWARDEN__FREZE",
            "true".to_owned(),
            "did you mean `IAMWARDEN__FREEZE`?",
        ),
        (
            "IAMWARDEN__DRY_RUN",
            CANARY.to_owned(),
            "expected `true` or `false`",
        ),
        (
            "IAMWARDEN__STATE__URL",
            format!("mysql://root:{CANARY}@db/x"),
            "sqlite:",
        ),
        (
            channels,
            format!("[{{name = \"a\", kind = \"slack\", url = \"{CANARY}\"}}]"),
            "reference",
        ),
        (
            account,
            format!("[{{id = \"123456789012\", external_id = \"{CANARY}\"}}]"),
            "reference",
        ),
        (account, format!("[{{id = \"{CANARY}"), "a list as in TOML"),
    ] {
        let mut command = world.command(BINARY);
        command.arg("plan").env(name, &value);
        let ended = world.spawn(command).end();
        assert_ended(&ended, 1, said);
        assert!(
            ended.log.contains(name) && !ended.log.contains(CANARY),
            "{}",
            ended.log
        );
        assert!(!ended.log.contains("panicked"), "{}", ended.log);
    }
    assert_eq!(world.simulator.calls().len(), 0);
}
