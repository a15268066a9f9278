//! On a terminal `apply` asks. `script` makes one.

use std::process::Stdio;

use crate::support::{BINARY, Ended, Running, World};
use crate::{inactive_keys, world};

/// Starts the command on a terminal, whose keyboard is a pipe.
fn on_a_terminal(world: &World, arguments: &str) -> Running {
    let mut command = world.command("script");
    command
        .args(["--quiet", "--return", "--flush", "--command"])
        .arg(format!("{BINARY} {arguments}"))
        .arg("/dev/null")
        .env("TERM", "xterm")
        .stdin(Stdio::piped());
    world.spawn(command)
}

fn answered(world: &World, answer: &str) -> Ended {
    let mut apply = on_a_terminal(world, "apply");
    apply.wait_until_it_answers("Only `yes` is accepted");
    assert_eq!(inactive_keys(world), [""; 0], "it waits for the answer");
    apply.type_line(answer);
    apply.end()
}

#[test]
fn only_yes_is_yes() {
    for answer in ["no", "", "y", "Yes", "yess"] {
        let world = world("enforce");
        let ended = answered(&world, answer);
        assert_eq!(ended.code, Some(4), "{answer:?}: {ended:#?}");
        assert_eq!(inactive_keys(&world), [""; 0], "{answer:?}");
    }
    let world = world("enforce");
    let ended = answered(&world, "yes");
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_eq!(inactive_keys(&world).len(), 2);
    let shown = ended.out;
    let (plan, question) = (shown.find("user/bob"), shown.find("Apply 2 changes?"));
    assert!(
        plan.is_some() && plan < question,
        "the plan, then the question: {shown}"
    );
}

#[test]
fn a_plan_on_a_terminal_is_text_in_colour() {
    let world = world("enforce");
    let ended = on_a_terminal(&world, "plan").end();
    assert_eq!(ended.code, Some(2), "{ended:#?}");
    assert!(
        ended.out.contains("due now") && ended.out.contains('\u{1b}'),
        "{}",
        ended.out
    );
}

#[test]
fn a_rollback_asks_too() {
    let world = world("enforce");
    world.run(&crate::support::APPLY);
    let run = world.latest_run("apply").unwrap();
    let mut rollback = on_a_terminal(&world, &format!("rollback --run {run}"));
    rollback.wait_until_it_answers("Only `yes` is accepted");
    rollback.type_line("no");
    assert_eq!(rollback.end().code, Some(1));
    assert_eq!(inactive_keys(&world).len(), 2);
}
