//! What needs no AWS, and where answers and logs go.

use std::io::Write;
use std::net::TcpListener;
use std::path::Path;

use serde_json::Value;

use crate::support::{BINARY, World};
use crate::{assert_ended, plan, rotation, world};

fn configurations() -> Vec<std::path::PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let examples = std::fs::read_dir(root.join("examples")).unwrap();
    let mut files: Vec<_> = examples.map(|entry| entry.unwrap().path()).collect();
    files.push(root.join("default.toml"));
    assert!(files.len() > 3);
    files
}

#[test]
fn what_is_shipped_is_valid_and_fits_the_schema() {
    let world = world("report");
    let answered = world.run(&["schema"]);
    assert_ended(&answered, 0, "");
    let schema: Value = serde_json::from_str(&answered.out).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for file in configurations() {
        let valid = world.run(&["validate", "--config", file.to_str().unwrap()]);
        assert_ended(&valid, 0, "");
        assert!(
            valid.out.starts_with("The configuration is valid (sha256:"),
            "{}",
            valid.out
        );
        let document: toml::Value = toml::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        let document = serde_json::to_value(document).unwrap();
        let wrong: Vec<_> = validator
            .iter_errors(&document)
            .map(|error| error.to_string())
            .collect();
        assert!(wrong.is_empty(), "{}: {wrong:?}", file.display());
    }
    for wrong in [
        serde_json::json!({"freze": true}),
        serde_json::json!({"rules": {"password_policy": {"mode": "on"}}}),
        serde_json::json!({"guardrails": {"max_changes_percent": 101}}),
        serde_json::json!({"exemptions": [{"principals": ["user/a"], "rules": ["password_policy"], "until": "2027-01-31"}]}),
    ] {
        assert!(!validator.is_valid(&wrong), "{wrong}");
    }
    assert_eq!(world.simulator.calls().len(), 0);
}

#[test]
fn the_least_permissions_follow_the_modes() {
    let world = world("report");
    let policy = |world: &World| {
        let answered = world.run(&["permissions"]);
        assert_ended(&answered, 0, "");
        let document: Value = serde_json::from_str(&answered.out).unwrap();
        assert_eq!(document["Version"], "2012-10-17");
        document.to_string()
    };
    let reading = policy(&world);
    assert!(
        reading.contains("iam:ListAccessKeys") && !reading.contains("iam:UpdateAccessKey"),
        "{reading}"
    );
    world.declare(&rotation("enforce"));
    assert!(policy(&world).contains("iam:UpdateAccessKey"));
    assert_eq!(world.simulator.calls().len(), 0);
}

#[test]
fn help_and_version_are_answers_and_a_slip_is_an_error() {
    let world = world("report");
    for arguments in [&["--help"][..], &["plan", "--help"], &["--version"]] {
        let answered = world.run(arguments);
        assert_ended(&answered, 0, "");
        assert!(answered.out.contains("iamwarden"), "{}", answered.out);
    }
    for arguments in [
        &["plam"][..],
        &["plan", "--jason"],
        &[],
        &["freeze"],
        &["rollback"],
        &["approve"],
    ] {
        let slipped = world.run(arguments);
        assert_ended(&slipped, 1, "");
        assert_eq!(slipped.out, "", "{arguments:?}");
        assert!(!slipped.log.is_empty(), "{arguments:?}");
    }
}

#[test]
fn logs_go_to_standard_error_and_the_answer_alone_to_standard_output() {
    let world = world("enforce");
    let ended = world.run(&["plan"]);
    assert_eq!(plan(&ended)["schema"], "iamwarden.plan/v1");
    let lines: Vec<Value> = ended
        .log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(!lines.is_empty());
    for line in &lines {
        assert!(
            line["timestamp"].is_string() && line["level"].is_string() && line["message"].is_string(),
            "{line}"
        );
    }
    // JSON too where nothing is said and standard error is no terminal; else as told.
    let mut command = world.command(BINARY);
    command.arg("plan");
    let unsaid = world.spawn(command).end();
    assert!(
        unsaid
            .log
            .lines()
            .all(|line| serde_json::from_str::<Value>(line).is_ok()),
        "{}",
        unsaid.log
    );
    let mut command = world.command(BINARY);
    command.args(["--log-format", "pretty", "plan"]);
    let pretty = world.spawn(command).end();
    assert_eq!(plan(&pretty)["schema"], "iamwarden.plan/v1");
    assert!(
        pretty
            .log
            .lines()
            .all(|line| serde_json::from_str::<Value>(line).is_err()),
        "{}",
        pretty.log
    );
    let quiet = world.run(&["--log-level", "error", "plan"]);
    assert_eq!((quiet.code, quiet.log.as_str()), (Some(2), ""));
    assert_ended(&world.run(&["--log-level", "loud", "plan"]), 1, "loud");
}

/// A configuration whose daemon listens on this port.
fn listening(port: u16) -> World {
    let world = world("report");
    let address = format!("listen = \"127.0.0.1:{port}\"");
    rewrite(&world, |text| text.replace("listen = \"\"", &address));
    world
}

fn any_port() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

fn port_of(listener: &TcpListener) -> u16 {
    listener.local_addr().unwrap().port()
}

#[test]
fn health_is_silent_and_says_it_by_its_exit_code() {
    let silent = |world: &World, code| {
        let asked = world.run(&["health"]);
        assert_eq!(
            (asked.code, asked.out.as_str(), asked.log.as_str()),
            (Some(code), "", "")
        );
    };
    // A port that was free a moment ago.
    let world = listening(port_of(&any_port()));
    silent(&world, 1);
    let daemon = world.start(&["run"]);
    daemon.wait_until_it_says("iamwarden runs");
    silent(&world, 0);
    daemon.signal("TERM");
    assert_eq!(daemon.end().code, Some(0));
    silent(&world, 1);
    silent(&crate::world("report"), 1);
}

#[test]
fn whoever_listens_there_is_not_taken_for_healthy() {
    let listener = any_port();
    let world = listening(port_of(&listener));
    let asked = world.start(&["health"]);
    let (mut stranger, _) = listener.accept().unwrap();
    stranger.write_all(b"HTTP/1.1 404 Not Found\r\n\r\n").unwrap();
    drop(stranger);
    assert_eq!(asked.end().code, Some(1));
}

#[test]
fn nothing_has_happened_where_there_is_no_state() {
    let world = world("report");
    let history = world.run(&["history", "--format", "json"]);
    assert_ended(&history, 0, "");
    let answered: Value = serde_json::from_str(&history.out).unwrap();
    assert_eq!(answered["runs"], serde_json::json!([]));
    assert!(!world.path("state.db").exists(), "asking makes no state");
    // What is not there cannot have been cut short, and is not whole either.
    let head = format!("5:{}", "ab".repeat(32));
    for more in [&[][..], &["--head", &head]] {
        let asked = [&["history", "--verify"], more].concat();
        assert_ended(&world.run(&asked), 1, "there is no audit chain to verify");
    }
}

/// Writes something else into the configuration.
fn rewrite(world: &World, change: impl FnOnce(String) -> String) {
    let text = std::fs::read_to_string(world.config()).unwrap();
    std::fs::write(world.config(), change(text)).unwrap();
}

#[test]
fn doctor_names_the_folder_that_a_state_lacks() {
    let world = world("report");
    let there = world.path("state.db").display().to_string();
    rewrite(&world, |text| text.replace(&there, "/nowhere/state.db"));
    let ended = world.run(&["doctor"]);
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    assert!(
        ended.out.contains("the folder `/nowhere` does not exist"),
        "{ended:#?}"
    );
}

#[test]
fn a_health_check_says_nothing_of_the_configuration() {
    let listener = any_port();
    let world = listening(port_of(&listener));
    rewrite(&world, |text| format!("notifications.allow_http = true\n{text}"));
    let asked = world.run(&["validate"]);
    assert!(
        asked.log.contains("allow_http") || asked.out.contains("allow_http"),
        "{asked:#?}"
    );
    let asked = world.start(&["health"]);
    let (mut stranger, _) = listener.accept().unwrap();
    stranger
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        .unwrap();
    drop(stranger);
    let ended = asked.end();
    assert_eq!((ended.out.as_str(), ended.log.as_str()), ("", ""), "{ended:#?}");
}
