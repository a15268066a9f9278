//! How fast things may change, and when they may not.

use aws_simulator::{KeySeed, UserSeed, When};
use chrono::TimeDelta;
use iamwarden::daemon::{Done, Verdict};
use iamwarden::execute::ActionResult;
use iamwarden::model::WithheldReason;

use crate::installation::{BEGIN, Installation, account, at, days, only_action, user_with_key};

const KEY: &str = "AKIAALICE00000000001";
const ONLY_ROTATION: &str = r#"
rules.unused_access_keys.mode = "off"
rules.password_policy.mode = "off"
rules.unused_permissions.mode = "off"
"#;

fn rotation(more: &str) -> String {
    format!("{ONLY_ROTATION}{more}\n[rules.access_key_rotation]\nmode = \"enforce\"\n")
}

async fn overdue(rules: &str) -> Installation {
    let mut account = account();
    account
        .users
        .push(user_with_key("alice", KEY, at(BEGIN) - days(200)));
    Installation::begin(account, rules).await
}

fn applied(done: &Done) -> usize {
    done.reports
        .iter()
        .filter(|report| report.result == ActionResult::Applied)
        .count()
}

#[tokio::test]
async fn five_hundred_offenders_go_twenty_five_a_run_and_a_hundred_a_day() {
    let mut account = account();
    let mut user = UserSeed::new("load-{n}").key(KeySeed::aged(When::days(120)));
    user.repeat = Some(500);
    account.users.push(user);
    let town = Installation::begin(account, &format!("{}minimum_notice = \"0s\"\n", rotation(""))).await;
    let mut by_run = vec![applied(&town.run().await)];
    while town.now() < at(BEGIN) + days(5) {
        let done = town.run_at(town.now() + TimeDelta::hours(4)).await;
        by_run.push(applied(&done));
        if by_run.iter().sum::<usize>() < 500 {
            assert_eq!(done.verdict, Verdict::Held, "the rest is held back");
        }
    }
    assert_eq!(by_run.iter().sum::<usize>(), 500, "{by_run:?}");
    assert!(by_run.iter().all(|n| *n <= 25), "{by_run:?}");
    let changes = town.changes();
    for (_, from) in &changes {
        let in_a_day = changes
            .iter()
            .filter(|(_, at)| at >= from && *at < *from + days(1))
            .count();
        assert!(in_a_day <= 100, "{in_a_day} within a day from {from}");
    }
    assert_eq!(changes.len(), 500);
    // Nobody owns them, so the desk hears: each key once.
    let disabled: usize = town
        .desk
        .told("access_key.disabled")
        .iter()
        .map(|post| post.body["data"]["actions"].as_array().unwrap().len())
        .sum();
    assert_eq!(disabled, 500);
    town.check_books().await;
}

#[tokio::test]
async fn the_window_moves_the_action_and_not_the_word() {
    let town = overdue(&rotation("[guardrails]\nchange_window = \"Wed 09:00-10:00\"\n")).await;
    town.run().await;
    assert_eq!(
        town.desk.told("access_key.expiring").len(),
        1,
        "owners hear outside of the window too"
    );
    town.run_every(TimeDelta::hours(1), at("2026-03-11T08:00:00Z"))
        .await;
    assert_eq!(
        town.changes(),
        [],
        "Monday is announced, Wednesday at nine it opens"
    );
    assert_eq!(
        only_action(&town.run().await).withheld_reason,
        Some(WithheldReason::Window)
    );
    town.run_at(at("2026-03-11T09:00:00Z")).await;
    assert_eq!(town.changes().len(), 1);
}

#[tokio::test]
async fn a_freeze_stops_everything_at_once_and_an_end_of_it_goes_on() {
    let mut town = overdue(&rotation("")).await;
    town.run().await;
    town.state().freeze("audit", "ops", town.now()).await.unwrap();
    town.run_daily_until(at(BEGIN) + days(9)).await;
    let held = town.run().await;
    assert_eq!((town.changes().len(), held.verdict), (0, Verdict::Held));
    town.state().unfreeze("ops", town.now()).await.unwrap();
    town.declare(&format!("freeze = true\n{}", rotation("")));
    town.run().await;
    assert_eq!(town.changes(), []);
    town.declare(&format!("dry_run = true\n{}", rotation("")));
    town.run().await;
    assert_eq!(town.changes(), []);
    town.declare(&rotation(""));
    town.run().await;
    assert_eq!(town.changes().len(), 1);
}

#[tokio::test]
async fn a_dry_run_tells_owners_nothing_and_its_silence_is_no_notice() {
    let mut town = overdue(&format!("dry_run = true\n{}", rotation(""))).await;
    town.run().await;
    town.run_daily_until(at(BEGIN) + days(30)).await;
    assert_eq!(town.desk.told("access_key.expiring").len(), 0);
    town.declare(&rotation(""));
    town.run().await;
    assert_eq!(town.changes(), [], "told today, disabled in a week");
    let told = town.now();
    town.run_daily_until(told + days(6)).await;
    assert_eq!(town.changes(), []);
    town.run_at(told + days(7)).await;
    assert_eq!(town.changes().len(), 1);
}
