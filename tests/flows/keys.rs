//! What happens to an access key, from the first word to its owner to its end.

use aws_simulator::Edit;
use chrono::{DateTime, TimeDelta, Utc};
use iamwarden::execute::ActionResult;
use iamwarden::model::{Verdict, WithheldReason};

use crate::installation::{ACCOUNT, BEGIN, Installation, account, at, days, only_action, user_with_key};

const KEY: &str = "AKIAALICE00000000001";
const ENFORCE: &str = r#"
rules.unused_access_keys.mode = "off"
rules.password_policy.mode = "off"
rules.unused_permissions.mode = "off"
[rules.access_key_rotation]
mode = "enforce"
"#;

/// alice's only key reaches its limit of ninety days then.
async fn key_due(due: DateTime<Utc>, rules: &str) -> Installation {
    let mut account = account();
    account.users.push(user_with_key("alice", KEY, due - days(90)));
    Installation::begin(account, rules).await
}

fn active(installation: &Installation) -> bool {
    match installation.key_status("alice", KEY).as_deref() {
        Some("Active") => true,
        Some("Inactive") => false,
        other => panic!("{other:?}"),
    }
}

fn diary(entries: &[(DateTime<Utc>, &str)]) -> Vec<(DateTime<Utc>, String)> {
    entries
        .iter()
        .map(|(at, events)| (*at, (*events).to_owned()))
        .collect()
}

fn re_enable() -> Edit {
    let mut edit = Edit::of_key(ACCOUNT, "alice", KEY);
    edit.status = Some("Active".to_owned());
    edit
}

#[tokio::test]
async fn a_key_is_announced_three_times_and_disabled_on_the_announced_second() {
    let due = at(BEGIN) + days(30);
    let town = key_due(due, ENFORCE).await;
    town.run().await;
    town.run_every(TimeDelta::hours(8), due - TimeDelta::hours(8))
        .await;
    town.run_at(due - TimeDelta::seconds(1)).await;
    assert!(active(&town), "a second early");
    assert_eq!(town.changes(), []);
    town.run_at(due).await;
    assert!(!active(&town), "the date has come");
    assert_eq!(town.changes(), [("UpdateAccessKey".to_owned(), due)]);

    town.run_daily_until(due + days(40)).await;
    let expected = diary(&[
        (due - days(14), "access_key.expiring"),
        (due - days(7), "access_key.expiring"),
        (due - days(1), "access_key.expiring"),
        (due, "access_key.disabled"),
    ]);
    assert_eq!(town.desk.diary(), expected);
    assert_eq!(town.siem.diary(), expected, "a copy of each, and nothing else");
    for warning in town.desk.told("access_key.expiring") {
        assert_eq!(warning.dates(), [due]);
        assert_eq!(warning.owner(), Some("alice@example.com"));
    }
    assert_eq!(town.changes().len(), 1);
    town.check_books().await;
}

#[tokio::test]
async fn a_disabled_key_is_deleted_after_its_owner_was_told_again() {
    let due = at(BEGIN) + days(14);
    let mut town = key_due(due, &format!("{ENFORCE}delete_after = \"30d\"\n")).await;
    town.run().await;
    town.run_daily_until(due + days(29)).await;
    assert!(!active(&town));
    town.restart().await;
    let deletion = due + days(30);
    town.run_at(deletion - TimeDelta::seconds(1)).await;
    assert_eq!(
        town.changes().len(),
        1,
        "not a second early: {:?}",
        town.changes()
    );
    town.run_at(deletion).await;
    assert_eq!(town.key_status("alice", KEY), None);
    town.run_daily_until(deletion + days(30)).await;
    let expected = diary(&[
        (due - days(14), "access_key.expiring"),
        (due - days(7), "access_key.expiring"),
        (due - days(1), "access_key.expiring"),
        (due, "access_key.disabled"),
        (deletion - days(7), "access_key.deleting"),
        (deletion, "access_key.deleted"),
    ]);
    assert_eq!(town.desk.diary(), expected);
    assert_eq!(town.siem.diary(), expected);
    assert_eq!(town.desk.told("access_key.deleting")[0].dates(), [deletion]);
    town.check_books().await;
}

#[tokio::test]
async fn a_disabled_key_that_was_used_in_between_is_not_deleted() {
    let due = at(BEGIN) + days(14);
    let town = key_due(due, &format!("{ENFORCE}delete_after = \"30d\"\n")).await;
    town.run().await;
    town.run_daily_until(due + days(10)).await;
    // Somebody had it active for an afternoon, between two readings.
    let mut used = Edit::of_key(ACCOUNT, "alice", KEY);
    used.last_used = Some(aws_simulator::When::hours(3));
    town.edit(&used);
    town.run_daily_until(due + days(60)).await;
    assert_eq!(town.key_status("alice", KEY).as_deref(), Some("Inactive"));
    assert_eq!(town.desk.told("access_key.deleting").len(), 0);
}

#[tokio::test]
async fn nothing_is_disabled_while_the_channel_is_down() {
    // Long overdue at the first run: the first word may be the only one.
    let town = key_due(at(BEGIN) - days(100), ENFORCE).await;
    town.desk.answers(503);
    town.run().await;
    town.run_every(TimeDelta::hours(6), at(BEGIN) + days(30)).await;
    assert!(active(&town), "nobody heard of it");
    assert_eq!(town.desk.posts().len(), 0);
    let dead = town.state().dead_messages().await.unwrap();
    assert!(dead.len() > 5, "{} dead letters", dead.len());
    // Each of them was tried under one id all the way, and every one under its own.
    for letter in &dead {
        let tries = town
            .desk
            .tries()
            .iter()
            .filter(|post| post.id == letter.id)
            .count();
        assert_eq!(u32::try_from(tries).unwrap(), letter.attempts);
    }

    town.desk.answers(200);
    town.run_every(TimeDelta::hours(6), at(BEGIN) + days(32)).await;
    let first = &town.desk.posts()[0];
    let heard = first.at;
    town.run_every(TimeDelta::hours(6), heard + days(7) - TimeDelta::hours(6))
        .await;
    town.run_at(heard + days(7) - TimeDelta::seconds(1)).await;
    assert!(active(&town), "a week after the first word that arrived");
    town.run_every(TimeDelta::hours(6), heard + days(10)).await;
    assert!(!active(&town));

    // Whatever date the last word named, the key lived until then.
    let disabled = town.changes()[0].1;
    let last_word = town.desk.told("access_key.expiring").pop().unwrap();
    assert!(
        last_word.dates().iter().all(|date| *date <= disabled),
        "{last_word:?}"
    );
    assert!(
        last_word.dates().iter().any(|date| disabled - *date < days(1)),
        "{last_word:?}"
    );
    town.check_books().await;
}

#[tokio::test]
async fn a_word_that_came_late_moves_the_date_and_the_owner_hears_the_new_one() {
    let due = at(BEGIN);
    let town = key_due(due, ENFORCE).await;
    town.desk.answers(503);
    town.run().await;
    // Four tries fail; the fifth comes two hours later, give or take some, and long before another day is announced.
    town.run_every(TimeDelta::hours(1), at(BEGIN) + TimeDelta::hours(3))
        .await;
    town.desk.answers(200);
    town.run_every(TimeDelta::hours(1), at(BEGIN) + days(12)).await;
    let posts = town.desk.told("access_key.expiring");
    let heard = posts[0].at;
    let disabled = town.changes()[0].1;
    assert!(disabled >= heard + days(7), "{heard} {disabled}");
    assert!(
        disabled < heard + days(7) + TimeDelta::hours(1),
        "{heard} {disabled}"
    );
    let named = posts.last().unwrap().dates();
    assert!(
        named
            .iter()
            .all(|date| *date <= disabled && disabled - *date < days(1)),
        "{named:?} {disabled}"
    );
    assert_eq!(
        town.desk.tries()[0].id,
        posts[0].id,
        "the same message, tried again"
    );
}

#[tokio::test]
async fn a_key_that_somebody_enabled_again_gets_a_new_notice() {
    let due = at(BEGIN) + days(14);
    let town = key_due(due, ENFORCE).await;
    town.run().await;
    town.run_daily_until(due + days(1)).await;
    assert!(!active(&town));
    town.edit(&re_enable());
    let enabled = town.now();
    town.run_daily_until(enabled + days(7)).await;
    assert!(active(&town), "the notices of before do not count");
    let first = town
        .desk
        .told("access_key.expiring")
        .into_iter()
        .find(|post| post.at > enabled)
        .unwrap();
    assert_eq!(first.dates(), [first.at + days(7)]);
    town.run_at(first.at + days(7) - TimeDelta::seconds(1)).await;
    assert!(active(&town));
    town.run_at(first.at + days(7)).await;
    assert!(!active(&town));
    town.run_daily_until(first.at + days(20)).await;
    assert_eq!(town.desk.told("access_key.disabled").len(), 2);
    town.check_books().await;
}

#[tokio::test]
async fn what_was_rolled_back_stays_until_a_person_approves_it_and_that_counts_once() {
    let due = at(BEGIN) + days(14);
    let mut town = key_due(due, ENFORCE).await;
    town.run().await;
    town.run_daily_until(due - days(1)).await;
    let applied = town.run_at(due).await;
    let action = only_action(&applied).clone();
    assert!(!active(&town));

    for round in 0..2 {
        town.go_to(town.now() + TimeDelta::hours(1));
        let reports = town.roll_back(&action).await;
        assert!(
            reports
                .iter()
                .all(|report| report.result == ActionResult::Applied),
            "{reports:?}"
        );
        assert!(active(&town));
        assert_eq!(
            town.roll_back(&action).await,
            [],
            "a second time there is nothing to undo"
        );
        let undone = town.desk.told("action.rolled_back");
        assert_eq!(undone.len(), round + 1);
        assert_eq!(
            undone[round].owner(),
            Some("alice@example.com"),
            "its owner hears that it works again"
        );

        town.restart().await;
        let before = town.desk.posts().len();
        town.run_daily_until(town.now() + days(30)).await;
        let held = town.run().await;
        assert_eq!(
            only_action(&held).withheld_reason,
            Some(WithheldReason::RolledBack)
        );
        assert!(active(&town));
        assert_eq!(
            town.desk.posts().len(),
            before,
            "nothing will happen, so nothing is said"
        );

        town.decide(&held, &action, Verdict::Approved).await;
        town.run_daily_until(town.now() + days(7)).await;
        assert!(active(&town), "approved, and its owner hears of it a week before");
        town.run_daily_until(town.now() + days(2)).await;
        assert!(!active(&town));
    }
    town.check_books().await;
}

#[tokio::test]
async fn a_key_in_use_again_and_unused_again_gets_a_new_notice() {
    let rules = ENFORCE
        .replace(
            "rules.unused_access_keys.mode = \"off\"",
            "rules.unused_access_keys.mode = \"enforce\"",
        )
        .replace(
            "[rules.access_key_rotation]\nmode = \"enforce\"",
            "[rules.access_key_rotation]\nmode = \"off\"",
        );
    let due = at(BEGIN) + days(10);
    let mut account = account();
    account.users.push(user_with_key("alice", KEY, due - days(45)));
    let town = Installation::begin(account, &rules).await;
    town.run().await;
    town.run_daily_until(due + days(5)).await;
    let first = town.desk.told("access_key.expiring").pop().unwrap();
    // Used a day before it would have been disabled.
    let mut used = Edit::of_key(ACCOUNT, "alice", KEY);
    used.last_used = Some(aws_simulator::When::hours(1));
    town.edit(&used);
    let used = town.now();
    assert!(first.dates()[0] > used);
    town.run_daily_until(used + days(46)).await;
    assert!(
        active(&town),
        "what its owner was told in spring was about spring"
    );
    let again = town.desk.told("access_key.expiring").pop().unwrap();
    assert!(again.at > used + days(44), "{:?}", town.desk.diary());
    town.run_daily_until(again.at + days(6)).await;
    assert!(active(&town));
    town.run_at(again.at + days(7)).await;
    assert!(!active(&town));
    assert_eq!(again.dates(), [again.at + days(7)]);
}
