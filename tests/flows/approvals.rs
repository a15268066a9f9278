//! What people decide, and how long it counts.

use aws_simulator::Edit;
use chrono::TimeDelta;
use iamwarden::daemon::Done;
use iamwarden::model::{ActionState, Verdict, WithheldReason};

use crate::installation::{ACCOUNT, BEGIN, Installation, account, at, days, only_action, user_with_key};

const KEY: &str = "AKIAALICE00000000001";
const APPROVE: &str = r#"
rules.unused_access_keys.mode = "off"
rules.password_policy.mode = "off"
rules.unused_permissions.mode = "off"
[rules.access_key_rotation]
mode = "approve"
"#;

/// alice's key reached its limit long ago, and a person has to approve that it is disabled.
async fn overdue(rules: &str) -> Installation {
    let mut account = account();
    account
        .users
        .push(user_with_key("alice", KEY, at(BEGIN) - days(200)));
    Installation::begin(account, rules).await
}

fn is_active(town: &Installation) -> bool {
    town.key_status("alice", KEY).as_deref() == Some("Active")
}

fn why_held(done: &Done) -> Option<WithheldReason> {
    let action = only_action(done);
    assert_eq!(
        action.state == ActionState::Withheld,
        action.withheld_reason.is_some()
    );
    action.withheld_reason
}

#[tokio::test]
async fn an_approved_action_comes_once_on_its_date() {
    let town = overdue(APPROVE).await;
    let asked = town.run().await;
    assert_eq!(why_held(&asked), Some(WithheldReason::Approval));
    let asking = town.desk.told("approval.requested");
    assert_eq!(asking.len(), 1);
    let date = only_action(&asked).not_before.unwrap();
    assert_eq!(date, at(BEGIN) + days(7));
    town.run_daily_until(at(BEGIN) + days(2)).await;
    town.decide(&asked, only_action(&asked), Verdict::Approved).await;
    town.run_daily_until(date - days(1)).await;
    town.run_at(date - TimeDelta::seconds(1)).await;
    assert!(is_active(&town), "approved is not due");
    town.run_at(date).await;
    assert!(!is_active(&town));
    let told = town.desk.posts().len();

    // A person enables it again: the approval is spent, and the owner is told anew.
    let mut edit = Edit::of_key(ACCOUNT, "alice", KEY);
    edit.status = Some("Active".to_owned());
    town.edit(&edit);
    town.run_daily_until(date + days(30)).await;
    assert!(is_active(&town));
    assert_eq!(why_held(&town.run().await), Some(WithheldReason::Approval));
    assert!(town.desk.posts().len() > told);
    assert_eq!(town.desk.told("access_key.disabled").len(), 1);
    town.check_books().await;
}

#[tokio::test]
async fn nobody_approves_and_nothing_happens() {
    let town = overdue(APPROVE).await;
    town.run().await;
    town.run_daily_until(at(BEGIN) + days(60)).await;
    assert!(is_active(&town));
    assert_eq!(town.changes(), []);
    // Asked again after a week each, not every day.
    let asked = town.desk.told("approval.requested").len();
    assert!((8..=11).contains(&asked), "{asked}");
    let warned = town.desk.told("access_key.expiring").len();
    // Twice before the first date; thirty days after it the notice no longer counts, and it is said again.
    assert!(warned <= 4, "{:?}", town.desk.diary());
}

#[tokio::test]
async fn an_approval_that_could_not_be_used_in_time_expires() {
    let town = overdue(APPROVE).await;
    let asked = town.run().await;
    town.decide(&asked, only_action(&asked), Verdict::Approved).await;
    town.state().freeze("migration", "ops", town.now()).await.unwrap();
    let date = only_action(&asked).not_before.unwrap();
    town.run_daily_until(date + days(6)).await;
    assert_eq!(why_held(&town.run().await), Some(WithheldReason::Freeze));
    town.run_at(date + days(7)).await;
    town.state().unfreeze("ops", town.now()).await.unwrap();
    assert_eq!(
        why_held(&town.run().await),
        Some(WithheldReason::Approval),
        "expired"
    );
    town.run_daily_until(date + days(20)).await;
    assert!(is_active(&town));
}

#[tokio::test]
async fn no_is_no() {
    let town = overdue(APPROVE).await;
    let asked = town.run().await;
    town.decide(&asked, only_action(&asked), Verdict::Approved).await;
    town.go_to(town.now() + TimeDelta::hours(1));
    town.decide(&asked, only_action(&asked), Verdict::Rejected).await;
    let questions = town.desk.told("approval.requested").len();
    let date = only_action(&asked).not_before.unwrap();
    town.run_daily_until(date + days(6)).await;
    assert!(is_active(&town));
    assert_eq!(
        town.desk.told("approval.requested").len(),
        questions,
        "who said no is not asked again while it counts"
    );
    assert_eq!(why_held(&town.run().await), Some(WithheldReason::Approval));
}

#[tokio::test]
async fn a_veto_in_enforce_holds_until_somebody_takes_it_back() {
    let town = overdue(&APPROVE.replace("approve", "enforce")).await;
    let planned = town.run().await;
    town.decide(&planned, only_action(&planned), Verdict::Rejected)
        .await;
    town.run_daily_until(at(BEGIN) + days(90)).await;
    let held = town.run().await;
    assert!(is_active(&town));
    assert_eq!(
        why_held(&held),
        Some(WithheldReason::Approval),
        "the plan says so"
    );
    town.go_to(town.now() + TimeDelta::hours(1));
    town.decide(&held, only_action(&held), Verdict::Approved).await;
    town.run().await;
    assert!(
        is_active(&town),
        "what its owner was told three months ago is forgotten"
    );
    let told = town.desk.told("access_key.expiring").pop().unwrap();
    assert_eq!((told.at, told.dates()), (town.now(), vec![town.now() + days(7)]));
    town.run_at(told.at + days(7)).await;
    assert!(!is_active(&town));
}

#[tokio::test]
async fn another_configuration_voids_an_approval() {
    let mut town = overdue(APPROVE).await;
    let asked = town.run().await;
    town.decide(&asked, only_action(&asked), Verdict::Approved).await;
    town.declare(&format!("{APPROVE}max_age = \"91d\"\n"));
    town.run_daily_until(at(BEGIN) + days(20)).await;
    assert!(is_active(&town));
    assert_eq!(why_held(&town.run().await), Some(WithheldReason::Approval));
    // Taken back, it is the approval of before, and has expired by now.
    town.declare(APPROVE);
    town.run().await;
    assert!(is_active(&town));
}

#[tokio::test]
async fn an_approval_does_not_survive_a_change_of_the_key() {
    let town = overdue(APPROVE).await;
    let asked = town.run().await;
    town.decide(&asked, only_action(&asked), Verdict::Approved).await;
    // The same id with another creation date: whatever that is, it is not what was approved.
    let mut edit = Edit::of_key(ACCOUNT, "alice", KEY);
    edit.age = Some(aws_simulator::When::days(150));
    town.edit(&edit);
    town.run_daily_until(at(BEGIN) + days(20)).await;
    assert!(is_active(&town));
}
