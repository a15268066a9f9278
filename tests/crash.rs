//! Whatever happens to the process or to its calls, no change is lost and none is made twice.
//!
//! The account tells what was done (the simulator logs every call), the state what is believed to be done; after each
//! disaster and a restart they have to agree. Leases and settling are measured in half a minute and a minute: the tests
//! move the times in the database instead of waiting.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeSet;

use aws_simulator::{Edit, Fault, FaultKind, PasswordPolicy, Release};
use chrono::TimeDelta;
use serde_json::{Value, json};
use support::{ACCOUNT, World, block_on, direction_and_subject};

/// Five keys that are too old, each beside one that is not; a password policy that is too weak; a policy not in use.
/// And as many people with nothing to tidy, for a run never changes more than there are principals.
const SEED: &str = r#"
[[accounts]]
id = "123456789012"
password_policy = { minimum_password_length = 8, require_symbols = true }
report = { existing = "10m" }

[[accounts.policies]]
name = "reports"
age = "400d"
document = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}'

[[accounts.users]]
name = "ada"
age = "500d"
keys = [{ id = "AKIAADA0000000000001", age = "200d", last_used = "2d" }, { id = "AKIAADA0000000000002", age = "9d" }]

[[accounts.users]]
name = "bob"
age = "500d"
keys = [{ id = "AKIABOB0000000000001", age = "210d", last_used = "2d" }, { id = "AKIABOB0000000000002", age = "9d" }]

[[accounts.users]]
name = "cyd"
age = "500d"
keys = [{ id = "AKIACYD0000000000001", age = "220d", last_used = "2d" }, { id = "AKIACYD0000000000002", age = "9d" }]

[[accounts.users]]
name = "dan"
age = "500d"
keys = [{ id = "AKIADAN0000000000001", age = "230d", last_used = "2d" }, { id = "AKIADAN0000000000002", age = "9d" }]

[[accounts.users]]
name = "eve"
age = "500d"
attached = ["reports", "AmazonSQSFullAccess"]
used = { sqs = "2d" }
keys = [{ id = "AKIAEVE0000000000001", age = "240d", last_used = "2d" }, { id = "AKIAEVE0000000000002", age = "9d" }]

[[accounts.users]]
name = "visitor-{n}"
repeat = 5
"#;

const RULES: &str = r#"
[guardrails]
max_changes_per_run = 100
max_changes_percent = 100

[rules.access_key_rotation]
mode = "enforce"
max_age = "90d"
minimum_notice = "0s"

[rules.password_policy]
mode = "enforce"
minimum_length = 14

[rules.unused_permissions]
mode = "enforce"
unused_for = "90d"
minimum_age = "90d"
confirm_after = "0s"
trust_existing = true
"#;

/// How many changes are due: keys, password policy, detachment.
const CHANGES: u32 = 7;
const POLICY: &str = "arn:aws:iam::123456789012:policy/reports";
const APPLY: [&str; 2] = ["apply", "--yes"];

/// The account as it is to be when everything is done.
fn tidied(before: &Value) -> Value {
    let mut account = before.clone();
    for name in ["ada", "bob", "cyd", "dan", "eve"] {
        account["users"][name]["keys"][0]["status"] = json!("Inactive");
    }
    account["password_policy"]["minimum_password_length"] = json!(14);
    account["users"]["eve"]["attached"] = json!(["arn:aws:iam::aws:policy/AmazonSQSFullAccess"]);
    account
}

/// Everything is done, once, and the journal knows it.
fn assert_tidy(world: &World, before: &Value) {
    assert_eq!(world.account(), tidied(before));
    let effects = world.effects();
    assert_eq!(effects.len(), CHANGES as usize, "{effects:?}");
    assert!(effects.values().all(|&times| times == 1), "{effects:?}");
    world.assert_accounted_for();
}

/// Goes on after a crash, a minute later where that is needed: as often as a daemon would until nothing is open.
fn restart_until_settled(world: &World) {
    world.let_leases_end();
    let ended = world.run(&APPLY);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    if world.attempts().iter().any(support::Attempt::is_open) {
        world.let_readings_agree_for_a_minute();
        let ended = world.run(&APPLY);
        assert_eq!(ended.code, Some(0), "{}", ended.log);
    }
}

/// The same at the first change, at the second, and so on; side by side, for most of the time is spent waiting.
fn at_each_change(test: impl Fn(u32) + Sync) {
    std::thread::scope(|scope| {
        for n in 1..=CHANGES {
            let test = &test;
            scope.spawn(move || test(n));
        }
    });
}

#[test]
fn undisturbed_everything_is_done_once() {
    let world = World::plant(SEED, RULES);
    let before = world.account();
    let ended = world.run(&APPLY);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert_tidy(&world, &before);
    let ended = world.run(&APPLY);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert_tidy(&world, &before);
}

/// Kills the process at its n-th mutation, restarts it, and looks.
fn kill_at(n: u32, fault: Fault, happened: bool) {
    let world = World::plant(SEED, RULES);
    let before = world.account();
    world.simulator.faults().add(fault.on_mutations().only_nth(n));
    let first = world.start(&APPLY);
    let hold = world.held();
    let (direction, subject) = direction_and_subject(&hold.operation, &hold.parameters);
    let attempts = world.attempts_at(&subject);
    assert_eq!(attempts.len(), 1, "mutation {n} without an intent before it");
    assert_eq!((attempts[0].status.as_str(), direction), ("open", "apply"));
    first.kill();
    world.wait_until_nothing_is_held();
    world.let_leases_end();

    let second = world.run(&APPLY);
    assert_eq!(second.code, Some(0), "{}", second.log);
    if subject == POLICY {
        assert_settles_in_a_minute(&world, happened);
    }
    assert_tidy(&world, &before);
    let statuses: Vec<_> = world
        .attempts_at(&subject)
        .into_iter()
        .map(|attempt| (attempt.attempt, attempt.status))
        .collect();
    let expected: &[(i64, &str)] = match happened {
        true => &[(1, "applied")],
        false => &[(1, "not_applied"), (2, "applied")],
    };
    let statuses: Vec<_> = statuses.iter().map(|(n, status)| (*n, status.as_str())).collect();
    assert_eq!(statuses, expected, "mutation {n}");
}

/// A detachment is not repeated before readings agree for a minute, and is not believed before either.
fn assert_settles_in_a_minute(world: &World, happened: bool) {
    let open = world.attempts_at(POLICY);
    assert_eq!(open.len(), 1);
    assert!(open[0].is_open(), "{open:?}");
    let key = ("apply", POLICY.to_owned());
    assert_eq!(
        world.effects().get(&key).copied().unwrap_or_default(),
        usize::from(happened)
    );
    if !happened {
        let plan = world.run(&["plan", "--format", "json"]);
        let plan: Value = serde_json::from_str(&plan.out).unwrap();
        let action = &plan["actions"].as_array().unwrap()[0];
        assert_eq!(
            (&action["kind"], &action["withheld_reason"]),
            (&json!("detach_policy"), &json!("settling"))
        );
    }
    world.let_readings_agree_for(TimeDelta::seconds(30));
    let ended = world.run(&APPLY);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert_eq!(world.attempts_at(POLICY), open, "half a minute is no minute");
    world.let_readings_agree_for(TimeDelta::seconds(30));
    let ended = world.run(&APPLY);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
}

#[test]
fn a_kill_before_any_change_loses_and_doubles_nothing() {
    at_each_change(|n| kill_at(n, Fault::new(FaultKind::Hold), false));
}

#[test]
fn a_kill_after_any_change_loses_and_doubles_nothing() {
    at_each_change(|n| kill_at(n, Fault::new(FaultKind::Hold).after_effect(), true));
}

#[test]
fn a_kill_of_the_restart_at_the_same_change_is_one_more_attempt() {
    let world = World::plant(SEED, RULES);
    let before = world.account();
    let key = "AKIACYD0000000000001";
    world
        .simulator
        .faults()
        .add(Fault::new(FaultKind::Hold).on_mutations().about(key).times(2));
    for _ in 0..2 {
        world.let_leases_end();
        let killed = world.start(&APPLY);
        world.held();
        killed.kill();
        world.wait_until_nothing_is_held();
    }
    restart_until_settled(&world);
    assert_tidy(&world, &before);
    let attempts = world.attempts_at(key);
    let statuses: Vec<_> = attempts.iter().map(|attempt| attempt.status.as_str()).collect();
    assert_eq!(statuses, ["not_applied", "not_applied", "applied"]);
    let fencing: BTreeSet<_> = attempts.iter().map(|attempt| attempt.fencing).collect();
    assert_eq!(fencing.len(), 3, "each under a lease of its own: {attempts:?}");
}

/// The request of a killed process may still be on its way, and is carried out after the restart has looked.
#[test]
fn a_detachment_that_happens_late_is_found_to_have_happened() {
    let world = World::plant(SEED, RULES);
    let before = world.account();
    let mut fault = Fault::new(FaultKind::Hold).on("DetachUserPolicy").times(1);
    fault.detached = true;
    world.simulator.faults().add(fault);
    let killed = world.start(&APPLY);
    let hold = world.held();
    killed.kill();
    world.let_leases_end();
    let ended = world.run(&APPLY);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    world.let_readings_agree_for(TimeDelta::seconds(59));

    world.simulator.holds().release(hold.id, Release::Continue);
    support::eventually("the call was not carried out", || {
        world.effects().contains_key(&("apply", POLICY.to_owned()))
    });
    let ended = world.run(&APPLY);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert!(
        world.attempts_at(POLICY)[0].is_open(),
        "readings that differ begin a new minute"
    );
    world.let_readings_agree_for_a_minute();
    let ended = world.run(&APPLY);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert_tidy(&world, &before);
}

#[test]
fn a_connection_lost_after_any_change_doubles_nothing() {
    let world = World::plant(SEED, RULES);
    let before = world.account();
    let fault = Fault::new(FaultKind::Reset).on_mutations().after_effect();
    world.simulator.faults().add(fault);
    let ended = world.run(&APPLY);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert_eq!(world.simulator.counts().mutations, u64::from(CHANGES));
    assert_tidy(&world, &before);
}

#[test]
fn writes_that_fail_while_reads_work_are_tried_again_by_the_next_run() {
    let world = World::plant(SEED, RULES);
    let before = world.account();
    world.simulator.faults().add(
        Fault::new(FaultKind::error("ServiceUnavailable"))
            .on_mutations()
            .about("AKIACYD0000000000001"),
    );
    world
        .simulator
        .faults()
        .add(Fault::new(FaultKind::error("ServiceUnavailable")).on("DetachUserPolicy"));
    let ended = world.run(&APPLY);
    assert_eq!(ended.code, Some(3), "{}", ended.log);
    for subject in ["AKIACYD0000000000001", POLICY] {
        let attempts = world.attempts_at(subject);
        assert_eq!((attempts.len(), attempts[0].status.as_str()), (1, "unknown"));
    }
    assert_eq!(world.effects().len(), CHANGES as usize - 2);
    world.simulator.faults().clear();
    restart_until_settled(&world);
    assert_tidy(&world, &before);
}

/// What is refused has certainly not happened: no minute is waited, and the next run tries again.
#[test]
fn a_refusal_is_final_for_its_attempt_only() {
    let world = World::plant(SEED, RULES);
    let before = world.account();
    world
        .simulator
        .faults()
        .add(Fault::new(FaultKind::error("AccessDenied")).on("Detach*"));
    let ended = world.run(&APPLY);
    assert_eq!(ended.code, Some(3), "{}", ended.log);
    assert_eq!(world.attempts_at(POLICY)[0].status, "failed");
    world.simulator.faults().clear();
    let ended = world.run(&APPLY);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert_tidy(&world, &before);
}

mod hang {
    //! An answer that never comes, with less patience than the program has by itself.

    use std::sync::Arc;
    use std::time::Duration;

    use iamwarden::aws::{Ambient, Pace, Secrets, Sessions};
    use iamwarden::config::{self, Environment};
    use iamwarden::daemon::{Clock, ClockHand, House, Selection, Shutdown, Verdict};
    use iamwarden::execute::ActionResult;
    use iamwarden::model::WithheldReason;
    use iamwarden::state::State;

    use super::*;

    async fn house(world: &World) -> (House, ClockHand) {
        let pace = Pace {
            attempt: Duration::from_secs(1),
            ..Pace::default()
        };
        let credentials = world.simulator.credentials(ACCOUNT).unwrap();
        let secret = credentials.secret_access_key.into();
        let ambient = Ambient::fixed(world.endpoint(), credentials.access_key_id, secret, pace);
        let ambient = Arc::new(ambient);
        let secrets = Arc::new(Secrets::new(|_| None, Arc::clone(&ambient)));
        let (clock, hand) = Clock::manual(Clock::system().now());
        let config = config::load(Some(&world.config()), &Environment::empty())
            .unwrap()
            .config;
        let house = House {
            sessions: Arc::new(Sessions::new(ambient, secrets, "test")),
            config: Arc::new(config),
            state: Some(State::open(&world.state_url()).await.unwrap().state),
            clock,
            shutdown: Shutdown::new(),
            holder: "test".to_owned(),
            metrics: None,
        };
        (house, hand)
    }

    #[test]
    fn a_detachment_without_an_answer_is_settled_after_a_minute() {
        let world = World::plant(SEED, RULES);
        let before = world.account();
        block_on(async {
            let (house, hand) = house(&world).await;
            let everything = Selection::default();
            world
                .simulator
                .faults()
                .add(Fault::new(FaultKind::Hang).on("DetachUserPolicy"));
            let done = Box::pin(house.run("run", &everything)).await.unwrap();
            assert_eq!(done.verdict, Verdict::Failed);
            let unsettled: Vec<_> = done
                .reports
                .iter()
                .filter(|report| matches!(report.result, ActionResult::Unsettled(_)))
                .map(|report| report.change.subject())
                .collect();
            assert_eq!(unsettled, [POLICY]);
            world.simulator.faults().clear();
            for seconds in [0, 59] {
                hand.advance(Duration::from_secs(seconds));
                let done = Box::pin(house.run("run", &everything)).await.unwrap();
                let withheld: Vec<_> = done
                    .planned
                    .plan
                    .actions
                    .iter()
                    .map(|action| action.withheld_reason)
                    .collect();
                assert_eq!(withheld, [Some(WithheldReason::Settling)]);
                assert!(done.reports.is_empty());
            }
            hand.advance(Duration::from_secs(1));
            let done = Box::pin(house.run("run", &everything)).await.unwrap();
            assert_eq!(done.verdict, Verdict::Done);
            assert_eq!(done.reports.len(), 1);
            house.state.unwrap().close().await;
        });
        assert_tidy(&world, &before);
    }

    #[test]
    fn a_key_disabled_without_an_answer_is_seen_to_be_disabled() {
        let world = World::plant(SEED, RULES);
        let before = world.account();
        block_on(async {
            let (house, _hand) = house(&world).await;
            let fault = Fault::new(FaultKind::Hang).on("UpdateAccessKey").after_effect();
            world.simulator.faults().add(fault.times(1));
            let done = Box::pin(house.run("run", &Selection::default())).await.unwrap();
            assert_eq!(done.verdict, Verdict::Done);
            house.state.unwrap().close().await;
        });
        assert_tidy(&world, &before);
    }
}

mod rollback {
    //! Undoing is interrupted, repeated, and refused.

    use super::*;

    fn applied() -> (World, Value, String) {
        let world = World::plant(SEED, RULES);
        let before = world.account();
        let ended = world.run(&APPLY);
        assert_eq!(ended.code, Some(0), "{}", ended.log);
        let run = world.latest_run("apply").unwrap();
        (world, before, run)
    }

    fn assert_undone(world: &World, before: &Value) {
        assert_eq!(world.account(), *before);
        let effects = world.effects();
        assert_eq!(effects.len(), 2 * CHANGES as usize, "{effects:?}");
        assert!(effects.values().all(|&times| times == 1), "{effects:?}");
        world.assert_accounted_for();
    }

    fn kill_at(n: u32, fault: Fault) {
        let (world, before, run) = applied();
        let undo = ["rollback", "--run", &run, "--yes"];
        world.simulator.faults().add(fault.on_mutations().only_nth(n));
        let killed = world.start(&undo);
        let hold = world.held();
        let (direction, subject) = direction_and_subject(&hold.operation, &hold.parameters);
        assert_eq!(direction, "undo");
        killed.kill();
        world.wait_until_nothing_is_held();
        world.let_leases_end();
        let ended = world.run(&undo);
        if subject == POLICY {
            assert!(world.attempts_at(POLICY).iter().any(support::Attempt::is_open));
            world.let_readings_agree_for_a_minute();
            let ended = world.run(&undo);
            assert_eq!(ended.code, Some(0), "{}{}", ended.out, ended.log);
        } else {
            assert_eq!(ended.code, Some(0), "{}{}", ended.out, ended.log);
        }
        assert_undone(&world, &before);
    }

    #[test]
    fn a_rollback_killed_before_any_change_is_resumed() {
        at_each_change(|n| kill_at(n, Fault::new(FaultKind::Hold)));
    }

    #[test]
    fn a_rollback_killed_after_any_change_is_resumed() {
        at_each_change(|n| kill_at(n, Fault::new(FaultKind::Hold).after_effect()));
    }

    #[test]
    fn a_second_rollback_does_nothing_and_what_was_undone_stays_so() {
        let (world, before, run) = applied();
        let undo = ["rollback", "--run", &run, "--yes"];
        let ended = world.run(&undo);
        assert_eq!(ended.code, Some(0), "{}{}", ended.out, ended.log);
        assert_undone(&world, &before);
        for again in [&undo[..], &APPLY[..]] {
            let ended = world.run(again);
            assert_eq!(ended.code, Some(0), "{}{}", ended.out, ended.log);
            assert_undone(&world, &before);
        }
    }

    #[test]
    fn what_somebody_changed_since_is_left_to_them() {
        let (world, before, run) = applied();
        let theirs = PasswordPolicy {
            minimum_password_length: 20,
            ..PasswordPolicy::default()
        };
        let edit = Edit {
            password_policy: Some(theirs.clone()),
            ..Edit::of(ACCOUNT)
        };
        world.simulator.edit(&edit).unwrap();
        let ended = world.run(&["rollback", "--run", &run, "--yes"]);
        assert_eq!(ended.code, Some(1), "{}{}", ended.out, ended.log);
        let mut expected = before;
        expected["password_policy"] = json!(theirs);
        assert_eq!(world.account(), expected);
        assert!(
            !world
                .effects()
                .contains_key(&("undo", "password-policy".to_owned()))
        );
        world.assert_accounted_for();
    }
}
