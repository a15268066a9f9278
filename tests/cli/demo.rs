//! `demo`: the main job on an embedded account, without AWS, network or set-up.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::BINARY;

/// Plays it with nothing in the environment, in a folder that holds nothing: what it needs is in the binary.
fn play(folder: &Path) -> (Option<i32>, String, String) {
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "--seccomp-bpf", "-e", "trace=connect,sendto", "-o"]);
    command
        .arg(folder.join("calls"))
        .arg(BINARY)
        .args(["demo", "--output"])
        .arg(folder.join("left"));
    command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin");
    let ended = command.current_dir(folder).stdin(Stdio::null()).output();
    let ended = ended.expect("strace (tests/run installs it)");
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (ended.status.code(), text(ended.stdout), text(ended.stderr))
}

/// Whom it called on, as the system saw it: nobody but itself.
fn assert_no_network(folder: &Path) {
    let calls = std::fs::read_to_string(folder.join("calls")).unwrap();
    let addressed: Vec<_> = calls
        .lines()
        .filter(|call| call.contains("sin_addr") || call.contains("AF_INET6"))
        .collect();
    assert!(!addressed.is_empty(), "it talks to its own simulator: {calls}");
    let elsewhere: Vec<_> = addressed
        .iter()
        .filter(|call| !call.contains("127.0.0.1"))
        .collect();
    assert!(elsewhere.is_empty(), "{elsewhere:#?}");
}

#[test]
fn the_demo_runs_by_itself_and_leaves_what_it_promises() {
    let folder = tempfile::tempdir().unwrap();
    let (code, told, log) = play(folder.path());
    assert_eq!(code, Some(0), "{told}{log}");
    for told_of in [
        "Day 1: what iamwarden finds",
        "held back",
        "will be disabled",
        "Eight days later",
        "applied   disable_access_key",
        "attached → detached",
        "was disabled",
        "iamwarden rollback --action act_",
        "active again (applied)",
        "0 writes to AWS; 1 action rolled back",
        "The audit chain is whole",
        "the reports, to open in a browser",
        "what /metrics shows",
    ] {
        assert!(told.contains(told_of), "{told_of:?} is not told:\n{told}");
    }
    let left = folder.path().join("left");
    assert!(told.contains(left.to_str().unwrap()), "it says where");
    let read = |name: &str| {
        std::fs::read_to_string(left.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    for day in ["day-1", "day-9"] {
        assert_page_stands_alone(&read(&format!("{day}.html")));
        assert!(read(&format!("{day}.txt")).contains("due now"));
        assert!(read(&format!("{day}.md")).contains("| "));
        let plan: Value = serde_json::from_str(&read(&format!("{day}.json"))).unwrap();
        assert!(!plan["actions"].as_array().unwrap().is_empty());
    }
    assert!(
        read("metrics.txt").contains("# TYPE iamwarden_"),
        "{}",
        read("metrics.txt")
    );
    let messages: Vec<Value> = serde_json::from_str(&read("messages.json")).unwrap();
    assert!(!messages.is_empty());
    assert!(read("history.json").contains("disable_access_key"));
    assert_no_network(folder.path());
    let others: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(others.len(), 2, "it writes nowhere else: {others:?}");
}

#[test]
fn a_folder_of_an_earlier_demo_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("left")).unwrap();
    std::fs::write(folder.path().join("left/state.db"), "of yesterday").unwrap();
    let (code, _, log) = play(folder.path());
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("choose another folder"), "{log}");
    assert_eq!(
        std::fs::read(folder.path().join("left/state.db")).unwrap(),
        b"of yesterday"
    );
}

/// A page that opens from disk: whole, and nothing in it is fetched from elsewhere.
fn assert_page_stands_alone(page: &str) {
    let lower = page.to_ascii_lowercase();
    assert!(lower.starts_with("<!doctype html>") && lower.trim_end().ends_with("</html>"));
    assert!(
        lower.contains("<style") && lower.contains("<svg"),
        "its style and its charts are in it"
    );
    for fetched in [
        "<link",
        " src=",
        "@import",
        "url(http",
        "url(//",
        "<iframe",
        "fetch(",
        "xmlhttprequest",
    ] {
        assert!(!lower.contains(fetched), "it fetches something: {fetched}");
    }
    assert!(page.contains("AKIA"), "it names the keys");
}
