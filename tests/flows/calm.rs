//! What people hear when, and above all what they do not hear.

use aws_simulator::{Fault, FaultKind};
use chrono::TimeDelta;
use iamwarden::config::Window;

use crate::installation::{BEGIN, Installation, account, at, days, user_with_key};

const KEY: &str = "AKIAALICE00000000001";
const ONLY_ROTATION: &str = r#"
rules.unused_access_keys.mode = "off"
rules.password_policy.mode = "off"
rules.unused_permissions.mode = "off"
rules.access_key_rotation.mode = "enforce"
"#;

async fn overdue(rules: &str) -> Installation {
    let mut account = account();
    account
        .users
        .push(user_with_key("alice", KEY, at(BEGIN) - days(200)));
    Installation::begin(account, rules).await
}

#[tokio::test]
async fn quiet_hours_delay_the_word_and_the_action_moves_with_it() {
    let mut town = overdue(ONLY_ROTATION).await;
    town.configure(|config| config.notifications.quiet_hours = Some(Window::parse("18:00-08:00").unwrap()));
    town.run().await;
    assert_eq!(town.desk.tries().len(), 0, "it is six in the morning");
    town.go_to(at(BEGIN) + TimeDelta::minutes(119));
    town.deliver().await;
    assert_eq!(town.desk.tries().len(), 0);
    let morning = at(BEGIN) + TimeDelta::hours(2);
    town.go_to(morning);
    town.deliver().await;
    assert_eq!(town.desk.diary(), [(morning, "access_key.expiring".to_owned())]);
    town.go_to(at(BEGIN));
    town.run_daily_until(at(BEGIN) + days(7)).await;
    assert_eq!(town.changes(), [], "a week after six is not a week after eight");
    town.run_at(morning + days(7)).await;
    assert_eq!(town.changes().len(), 1);
    assert_eq!(town.desk.told("access_key.disabled")[0].at, morning + days(7));
}

#[tokio::test]
async fn a_dry_run_keeps_what_waits_for_owners_and_tells_the_others() {
    let mut town = overdue(ONLY_ROTATION).await;
    town.desk.answers(503);
    town.run().await;
    assert_eq!(town.desk.tries().len(), 1, "a warning for alice");
    town.desk.answers(200);
    town.configure(|config| config.dry_run = true);
    town.run_at(at(BEGIN) + days(1)).await;
    assert_eq!(town.desk.diary(), [], "no message to owners");
    assert_eq!(town.changes(), []);
    town.configure(|config| config.dry_run = false);
    town.deliver().await;
    assert_eq!(
        town.desk.diary(),
        [(at(BEGIN) + days(1), "access_key.expiring".to_owned())]
    );
}

#[tokio::test]
async fn a_message_carries_the_head_of_the_audit_chain_as_it_can_be_checked() {
    let town = overdue(ONLY_ROTATION).await;
    town.run().await;
    let head = town.desk.posts()[0].body["data"]["audit_head"].clone();
    let head = head.as_str().unwrap().parse().unwrap();
    town.run_daily_until(at(BEGIN) + days(8)).await;
    assert!(town.state().verify(Some(&head)).await.unwrap().is_whole());
}

#[tokio::test]
async fn an_exemption_is_announced_to_end_ends_and_says_so_once_each() {
    let exemption = r#"
[[exemptions]]
principals = ["user/alice"]
rules = ["access_key_rotation"]
until = "2026-04-30"
reason = "vendor integration, SEC-123"
"#;
    let town = overdue(&format!("{ONLY_ROTATION}{exemption}")).await;
    town.run().await;
    town.run_daily_until(at("2026-04-30T06:00:00Z")).await;
    let told = town.desk.told("exemption.expiring");
    assert_eq!(told.len(), 1, "{:?}", town.desk.diary());
    assert_eq!(told[0].at, at("2026-04-16T06:00:00Z"), "two weeks before");
    town.run_at(at("2026-04-30T23:59:59Z")).await;
    assert_eq!(
        town.desk.told("access_key.expiring").len(),
        0,
        "the last day is exempt"
    );
    town.run_at(at("2026-05-01T00:00:00Z")).await;
    assert_eq!(town.desk.told("exemption.expiring").len(), 2, "it has ended");
    assert_eq!(town.desk.told("access_key.expiring").len(), 1);
    assert_eq!(town.changes(), []);
    town.run_daily_until(at("2026-05-07T00:00:00Z")).await;
    assert_eq!(town.changes(), []);
    town.run_at(at("2026-05-08T00:00:00Z")).await;
    assert_eq!(town.changes().len(), 1);
    town.run_daily_until(at("2026-07-01T00:00:00Z")).await;
    assert_eq!(
        town.desk.told("exemption.expiring").len(),
        2,
        "{:?}",
        town.desk.diary()
    );
}

#[tokio::test]
async fn nothing_new_is_nothing_said_however_often_it_is_looked_at() {
    let mut account = account();
    for n in 0..30 {
        let key = format!("AKIAOWNER{n:011}");
        let mut user = user_with_key(&format!("user-{n:02}"), &key, at(BEGIN) - days(200));
        user.tags
            .insert("owner".to_owned(), format!("team-{}@example.com", n % 3));
        account.users.push(user);
    }
    let mut town = Installation::begin(account, ONLY_ROTATION).await;
    town.run().await;
    let first = town.desk.posts();
    let mut owners: Vec<_> = first
        .iter()
        .map(|post| post.owner().unwrap().to_owned())
        .collect();
    owners.dedup();
    assert_eq!(
        owners.len(),
        3,
        "one message an owner, in parts where it is long: {owners:?}"
    );
    let copies = town.siem.posts().len();
    assert_eq!(copies, first.len());
    // Four looks an hour, a restart, a reload: no message more.
    for n in 0..40 {
        if n % 10 == 9 {
            town.restart().await;
            town.declare(ONLY_ROTATION);
        }
        town.run_at(town.now() + TimeDelta::minutes(15)).await;
    }
    assert_eq!(town.desk.tries().len(), first.len());
    assert_eq!(town.siem.tries().len(), copies);
    let mut ids: Vec<_> = town
        .desk
        .tries()
        .into_iter()
        .chain(town.siem.tries())
        .map(|post| post.id)
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), first.len() + copies);
}

#[tokio::test]
async fn a_failing_account_is_told_once_a_day_and_not_every_quarter_of_an_hour() {
    let town = overdue(ONLY_ROTATION).await;
    let refused = Fault::new(FaultKind::error("AccessDenied"));
    town.simulator
        .faults()
        .add(refused.on("GetAccountAuthorizationDetails"));
    town.run().await;
    town.run_every(TimeDelta::minutes(15), at(BEGIN) + TimeDelta::hours(12))
        .await;
    assert_eq!(town.desk.told("run.failed").len(), 1, "{:?}", town.desk.diary());
    town.run_every(TimeDelta::hours(6), at(BEGIN) + days(3)).await;
    assert_eq!(town.desk.told("run.failed").len(), 4, "{:?}", town.desk.diary());
    assert_eq!(town.changes(), []);
}

#[tokio::test]
async fn an_action_that_fails_is_told_once_a_day_however_often_it_is_tried() {
    let town = overdue(ONLY_ROTATION).await;
    town.run().await;
    let refused = Fault::new(FaultKind::error("AccessDenied")).on("UpdateAccessKey");
    town.simulator.faults().add(refused);
    town.run_daily_until(at(BEGIN) + days(7)).await;
    assert_eq!(town.desk.told("action.failed").len(), 1);
    town.run_every(TimeDelta::hours(1), at(BEGIN) + days(7) + TimeDelta::hours(17))
        .await;
    assert_eq!(town.desk.told("action.failed").len(), 1, "the same day");
    town.run_every(TimeDelta::hours(4), at(BEGIN) + days(10)).await;
    assert_eq!(
        town.desk.told("action.failed").len(),
        4,
        "{:?}",
        town.desk.diary()
    );
    town.simulator.faults().clear();
    town.run().await;
    assert_eq!(town.changes().len(), 1);
    assert_eq!(town.desk.told("access_key.disabled").len(), 1);
    town.check_books().await;
}

#[tokio::test]
async fn two_rules_about_one_key_speak_with_one_voice() {
    let rules = ONLY_ROTATION.replace(
        "rules.unused_access_keys.mode = \"off\"",
        "rules.unused_access_keys.mode = \"enforce\"",
    );
    let town = overdue(&rules).await;
    town.run().await;
    town.run_daily_until(at(BEGIN) + days(20)).await;
    let day = |n: i64, event: &str| (at(BEGIN) + days(n), event.to_owned());
    let expected = [
        day(0, "access_key.expiring"),
        day(6, "access_key.expiring"),
        day(7, "access_key.disabled"),
    ];
    assert_eq!(town.desk.diary(), expected);
    assert_eq!(town.changes().len(), 1);
}

#[tokio::test]
async fn a_listener_that_is_down_holds_nothing_up() {
    let town = overdue(ONLY_ROTATION).await;
    town.siem.answers(500);
    town.run().await;
    town.run_daily_until(at(BEGIN) + days(8)).await;
    assert_eq!(
        town.changes(),
        [("UpdateAccessKey".to_owned(), at(BEGIN) + days(7))]
    );
    assert_eq!(town.siem.posts().len(), 0);
}

#[tokio::test]
async fn a_failure_is_told_without_what_was_told_before() {
    let rules =
        "rules.access_key_rotation.mode = \"approve\"\nrules.access_key_rotation.minimum_notice = \"0s\"\n";
    let town = overdue(rules).await;
    town.run().await;
    let asked = town.desk.told("approval.requested").len();
    assert_eq!(asked, 1);
    let refused = Fault::new(FaultKind::error("AccessDenied")).on("GetAccountPasswordPolicy");
    town.simulator.faults().add(refused);
    for day in 1..3 {
        town.run_at(at(BEGIN) + days(day)).await;
        assert_eq!(town.desk.told("run.failed").len(), usize::try_from(day).unwrap());
    }
    assert_eq!(
        town.desk.told("approval.requested").len(),
        asked,
        "{:?}",
        town.desk.diary()
    );
}
