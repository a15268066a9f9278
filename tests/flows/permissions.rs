//! Policies that nobody uses, from the first reading to the detaching and back.

use aws_simulator::{
    AccountSeed, Edit, Fault, FaultKind, GroupSeed, PolicySeed, UserSeed, VersionSeed, When,
};
use chrono::TimeDelta;
use iamwarden::daemon::Done;
use iamwarden::execute::ActionResult;
use iamwarden::model::{Action, WithheldReason};
use serde_json::json;

use crate::installation::{ACCOUNT, BEGIN, Installation, account, at, days, only_action};

const ENFORCE: &str = r#"
rules.access_key_rotation.mode = "off"
rules.unused_access_keys.mode = "off"
rules.password_policy.mode = "off"
[rules.unused_permissions]
mode = "enforce"
"#;

fn policy(name: &str, actions: &str) -> PolicySeed {
    let document = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": actions, "Resource": "*"}
    ]});
    PolicySeed {
        name: name.to_owned(),
        path: "/".to_owned(),
        aws_managed: false,
        description: None,
        age: When::days(500),
        updated: When::Never,
        document: None,
        versions: vec![VersionSeed {
            id: None,
            document: document.to_string().as_str().into(),
            age: When::days(500),
        }],
        default_version: None,
        tags: Default::default(),
    }
}

pub(crate) fn arn(policy: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:policy/{policy}")
}

fn person(name: &str) -> UserSeed {
    let mut user = UserSeed::new(name);
    user.age = When::days(500);
    user.tags
        .insert("owner".to_owned(), format!("{name}@example.com"));
    user.used.insert("s3".to_owned(), When::days(1).into());
    user
}

fn with_policies() -> AccountSeed {
    let mut account = account();
    account.policies = vec![policy("app", "s3:*"), policy("queues", "sqs:*")];
    account
}

/// bob works with s3 every day, and may also use queues, which he never does.
pub(crate) async fn bob() -> Installation {
    let mut account = with_policies();
    let mut bob = person("bob");
    bob.attached = vec!["app".to_owned(), "queues".to_owned()];
    account.users.push(bob);
    Installation::begin(account, ENFORCE).await
}

/// staff may use queues, which none of its two members does.
pub(crate) async fn staff() -> Installation {
    let mut account = with_policies();
    let mut group = GroupSeed::new("staff");
    group.age = When::days(500);
    group.attached = vec!["app".to_owned(), "queues".to_owned()];
    account.groups.push(group);
    for name in ["ada", "ben", "new"] {
        let mut user = person(name);
        if name != "new" {
            user.groups.push("staff".to_owned());
        }
        account.users.push(user);
    }
    Installation::begin(account, ENFORCE).await
}

pub(crate) fn uses(town: &Installation, user: &str, service: &str) {
    let mut edit = Edit::of_user(ACCOUNT, user);
    edit.used.insert(
        service.to_owned(),
        When::At(town.now() - TimeDelta::hours(1)).into(),
    );
    town.edit(&edit);
}

/// Daily ticks, while these people go on working with s3.
pub(crate) async fn live_until(
    town: &Installation,
    last: chrono::DateTime<chrono::Utc>,
    people: &[&str],
) -> Done {
    let mut done = None;
    while town.now() + days(1) <= last {
        town.go_to(town.now() + days(1));
        for name in people {
            uses(town, name, "s3");
        }
        done = Some(town.run().await);
    }
    done.unwrap()
}

pub(crate) fn attached(town: &Installation, kind: &str, name: &str) -> Vec<String> {
    let account = town.account();
    let attached = account[kind][name]["attached"].as_array().unwrap();
    attached
        .iter()
        .map(|arn| arn.as_str().unwrap().to_owned())
        .collect()
}

pub(crate) fn both() -> Vec<String> {
    vec![arn("app"), arn("queues")]
}

pub(crate) async fn detached(town: &Installation) -> Action {
    town.run().await;
    let done = live_until(town, at(BEGIN) + days(97), &["bob"]).await;
    assert_eq!(attached(town, "users", "bob"), [arn("app")]);
    only_action(&done).clone()
}

#[tokio::test]
async fn an_unused_policy_is_seen_confirmed_announced_and_detached() {
    let town = bob().await;
    town.run().await;
    live_until(&town, at(BEGIN) + days(89), &["bob"]).await;
    assert_eq!(
        town.desk.posts().len(),
        0,
        "too young to be judged: {:?}",
        town.desk.diary()
    );
    let found = live_until(&town, at(BEGIN) + days(90), &["bob"]).await;
    assert_eq!(
        only_action(&found).withheld_reason,
        Some(WithheldReason::Unconfirmed)
    );
    assert_eq!(
        town.desk.told("permissions.unused")[0].dates(),
        [at(BEGIN) + days(97)]
    );
    live_until(&town, at(BEGIN) + days(96), &["bob"]).await;
    town.run_at(at(BEGIN) + days(97) - TimeDelta::seconds(1)).await;
    assert_eq!(attached(&town, "users", "bob"), both(), "a second early");
    town.run_at(at(BEGIN) + days(97)).await;
    assert_eq!(attached(&town, "users", "bob"), [arn("app")]);
    live_until(&town, at(BEGIN) + days(150), &["bob"]).await;
    assert_eq!(town.changes().len(), 1, "{:?}", town.changes());
    let diary: Vec<_> = town.desk.diary().into_iter().map(|(_, events)| events).collect();
    assert_eq!(diary, ["permissions.unused", "permissions.detached"]);
    town.check_books().await;
}

#[tokio::test]
async fn a_use_in_between_cancels_and_the_next_time_its_owner_hears_again() {
    let town = bob().await;
    town.run().await;
    live_until(&town, at(BEGIN) + days(95), &["bob"]).await;
    uses(&town, "bob", "sqs");
    let used = town.now();
    live_until(&town, used + days(80), &["bob"]).await;
    assert_eq!(attached(&town, "users", "bob"), both());
    live_until(&town, used + days(110), &["bob"]).await;
    assert_eq!(attached(&town, "users", "bob"), [arn("app")]);
    let told = town.desk.told("permissions.unused");
    assert_eq!(told.len(), 2, "{:?}", town.desk.diary());
    let detached = town.changes()[0].1;
    assert!(
        told[1].at >= used && told[1].at <= detached - days(7),
        "{:?}",
        town.desk.diary()
    );
    assert!(told[1].dates()[0] <= detached);
}

#[tokio::test]
async fn a_use_in_the_last_minute_is_seen() {
    let town = bob().await;
    town.run().await;
    live_until(&town, at(BEGIN) + days(96), &["bob"]).await;
    town.go_to(at(BEGIN) + days(97));
    uses(&town, "bob", "sqs");
    town.run().await;
    assert_eq!(attached(&town, "users", "bob"), both());
    assert_eq!(town.changes(), []);
}

#[tokio::test]
async fn a_policy_edited_in_between_is_judged_anew() {
    let town = bob().await;
    town.run().await;
    live_until(&town, at(BEGIN) + days(96), &["bob"]).await;
    let document = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["sqs:*", "sns:*"], "Resource": "*"}
    ]});
    let iam = town.somebody_else().await;
    iam.create_policy_version()
        .policy_arn(arn("queues"))
        .policy_document(document.to_string())
        .set_as_default(true)
        .send()
        .await
        .unwrap();
    live_until(&town, at(BEGIN) + days(96 + 89), &["bob"]).await;
    assert_eq!(
        attached(&town, "users", "bob"),
        both(),
        "what it grants since then is too young"
    );
    live_until(&town, at(BEGIN) + days(96 + 100), &["bob"]).await;
    assert_eq!(attached(&town, "users", "bob"), [arn("app")]);
}

#[tokio::test]
async fn a_group_loses_a_policy_that_no_member_uses() {
    let town = staff().await;
    town.run().await;
    live_until(&town, at(BEGIN) + days(97), &["ada", "ben"]).await;
    assert_eq!(attached(&town, "groups", "staff"), [arn("app")]);
}

#[tokio::test]
async fn a_new_member_keeps_the_policies_of_a_group() {
    let town = staff().await;
    town.run().await;
    live_until(&town, at(BEGIN) + days(95), &["ada", "ben"]).await;
    let mut join = Edit::of_user(ACCOUNT, "new");
    join.join = vec!["staff".to_owned()];
    town.edit(&join);
    live_until(&town, at(BEGIN) + days(95 + 89), &["ada", "ben", "new"]).await;
    assert_eq!(
        attached(&town, "groups", "staff"),
        both(),
        "the new one had no time to use it"
    );
    live_until(&town, at(BEGIN) + days(95 + 100), &["ada", "ben", "new"]).await;
    assert_eq!(attached(&town, "groups", "staff"), [arn("app")]);
}

#[tokio::test]
async fn one_member_who_uses_it_keeps_it_for_the_group() {
    let town = staff().await;
    town.run().await;
    live_until(&town, at(BEGIN) + days(93), &["ada", "ben"]).await;
    uses(&town, "ben", "sqs");
    live_until(&town, at(BEGIN) + days(150), &["ada", "ben"]).await;
    assert_eq!(attached(&town, "groups", "staff"), both());
}

#[tokio::test]
async fn w5_a_rollback_attaches_exactly_what_was_there() {
    let town = bob().await;
    let before = town.account()["users"]["bob"].clone();
    let action = detached(&town).await;
    let undone = town.roll_back(&action).await;
    assert!(
        undone.iter().all(|report| report.result == ActionResult::Applied),
        "{undone:?}"
    );
    let after = town.account()["users"]["bob"].clone();
    assert_eq!(after["attached"], before["attached"]);
    assert_eq!(
        town.desk.told("action.rolled_back")[0].owner(),
        Some("bob@example.com")
    );
    live_until(&town, at(BEGIN) + days(300), &["bob"]).await;
    assert_eq!(
        attached(&town, "users", "bob"),
        both(),
        "only a person brings it on again"
    );
    assert_eq!(town.changes().len(), 2);
    assert_eq!(
        town.roll_back(&action).await,
        [],
        "a second time there is nothing to undo"
    );
    town.check_books().await;
}

#[tokio::test]
async fn w5_a_rollback_refuses_what_somebody_changed_since() {
    let town = bob().await;
    let action = detached(&town).await;
    let mut edit = Edit::of_user(ACCOUNT, "bob");
    edit.attach = vec![arn("queues")];
    town.edit(&edit);
    let refused = town.roll_back(&action).await;
    assert!(
        matches!(refused.as_slice(), [report] if matches!(report.result, ActionResult::Stale(_))),
        "{refused:?}"
    );
    assert_eq!(town.changes().len(), 1);
    assert_eq!(town.desk.told("action.failed").len(), 1, "and says so");
    town.check_books().await;
}

#[tokio::test]
async fn w6_one_detachment_that_fails_does_not_stop_the_others() {
    let mut account = with_policies();
    let names = ["ada", "ben", "cyd"];
    for name in names {
        let mut user = person(name);
        user.attached = vec!["app".to_owned(), "queues".to_owned()];
        account.users.push(user);
    }
    let rules = format!("guardrails.max_changes_percent = 100\n{ENFORCE}");
    let town = Installation::begin(account, &rules).await;
    town.run().await;
    live_until(&town, at(BEGIN) + days(96), &names).await;
    let refused = Fault::new(FaultKind::error("AccessDenied")).on("DetachUserPolicy");
    town.simulator.faults().add(refused.about("ben"));
    live_until(&town, at(BEGIN) + days(97), &names).await;
    for (name, left) in [
        ("ada", vec![arn("app")]),
        ("ben", both()),
        ("cyd", vec![arn("app")]),
    ] {
        assert_eq!(attached(&town, "users", name), left, "{name}");
    }
    assert_eq!(town.desk.told("action.failed").len(), 1);
}

#[tokio::test]
async fn w7_a_second_run_with_the_same_inputs_writes_nothing() {
    let town = bob().await;
    detached(&town).await;
    let writes = town.changes();
    assert_eq!(writes.len(), 1);
    for _ in 0..2 {
        let again = town.run().await;
        assert_eq!((again.planned.plan.actions, again.reports), (vec![], vec![]));
    }
    assert_eq!(town.changes(), writes);
}
