//! `iamwarden state migrate`, and an address that holds a password.

use crate::support::postgres::{Cluster, PASSWORD};
use crate::support::{APPLY, Ended, World};

/// Runs the binary with the address in its environment.
fn run(world: &World, url: &str, arguments: &[&str]) -> Ended {
    let mut command = world.command(crate::support::BINARY);
    command
        .args(["--log-format", "json"])
        .args(arguments)
        .env("STATE_URL", url);
    let ended = world.spawn(command).end();
    for said in [&ended.out, &ended.log] {
        assert!(!said.contains(PASSWORD), "{said}");
    }
    ended
}

fn configure(world: &World, from: &str, to: &str) {
    let text = std::fs::read_to_string(world.config()).unwrap();
    std::fs::write(world.config(), text.replace(from, to)).unwrap();
}

#[test]
fn a_state_moves_to_a_server_and_goes_on_there() {
    let world = World::untidy();
    let before = world.account();
    let ended = world.run(&APPLY);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let (attempts, account) = (world.attempts(), world.account());
    let database = Cluster::shared().database();
    let url = database.url_with_password();

    let ended = run(&world, &url, &["state", "migrate", "--to", &url]);
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.log.contains("a password on the command line"),
        "{}",
        ended.log
    );
    let ended = run(&world, &url, &["state", "migrate", "--to", "env:STATE_URL"]);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert!(
        ended.out.contains("The audit chain there is whole"),
        "{}",
        ended.out
    );
    let configuration = ended.out.split("[state]\n").nth(1).unwrap().trim();
    assert_eq!(configuration, "url = \"env:STATE_URL\"");
    let ended = run(&world, &url, &["state", "migrate", "--to", "env:STATE_URL"]);
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.log.contains("the other state is not empty"),
        "{}",
        ended.log
    );

    // Whoever goes on with the old one changes nothing.
    let run_id = world.latest_run("apply").unwrap();
    let undo = ["rollback", "--run", &run_id, "--yes"];
    let kept = world.run(&["history", "--verify"]);
    assert_eq!(kept.code, Some(0), "{}", kept.log);

    configure(&world, &world.state_url(), "env:STATE_URL");
    let verified = run(&world, &url, &["history", "--verify"]);
    assert_eq!(verified.code, Some(0), "{}{}", verified.out, verified.log);
    let planned = run(&world, &url, &["plan", "--format", "json"]);
    assert_eq!(
        planned.code,
        Some(0),
        "nothing is left to do: {}{}",
        planned.out,
        planned.log
    );
    assert_eq!(world.account(), account);
    // What was done before can be undone: the memory is the same.
    let ended = run(&world, &url, &undo);
    assert_eq!(ended.code, Some(0), "{}{}", ended.out, ended.log);
    assert_eq!(world.account(), before);
    let rows = database.rows("SELECT direction, COUNT(*) FROM intents GROUP BY direction ORDER BY direction");
    let count = attempts.len().to_string();
    assert_eq!(rows, [["apply", &count], ["undo", &count]]);
}

#[test]
fn a_plan_leaves_nothing_in_an_empty_database() {
    let world = World::untidy();
    let database = Cluster::shared().database();
    let url = database.url_with_password();
    configure(&world, &world.state_url(), "env:STATE_URL");
    let planned = run(&world, &url, &["plan"]);
    assert_eq!(planned.code, Some(2), "{}", planned.log);
    let tables = "SELECT COUNT(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace";
    assert_eq!(database.sql(tables), "0");
    let saved = run(&world, &url, &["plan", "--save"]);
    assert_eq!(saved.code, Some(2), "{}", saved.log);
    assert_eq!(database.sql("SELECT COUNT(*) FROM plans"), "1");
    let shown = run(&world, &url, &["--log-level", "debug", "doctor"]);
    assert!(
        shown.out.contains("state: env:STATE_URL can be read and written"),
        "{}",
        shown.out
    );
}
