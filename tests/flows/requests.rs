//! Exemptions on request over the months: asked for, granted, counted, warned of, ended; and what the daemon applies between its
//! scheduled runs.

use chrono::TimeDelta;
use iamwarden::daemon::{DecisionRequest, ExemptionAsked, Tried};
use iamwarden::execute::ActionResult;
use iamwarden::model::{AccountId, Arn, FindingStatus, Person, Verdict, Way, WithheldReason};

use crate::installation::{ACCOUNT, BEGIN, Installation, account, at, days, user_with_key};
use crate::races::meanwhile;

const KEY: &str = "AKIAALICE00000000001";
const ENFORCE: &str = r#"
rules.unused_access_keys.mode = "off"
rules.password_policy.mode = "off"
rules.unused_permissions.mode = "off"
[rules.access_key_rotation]
mode = "enforce"
minimum_notice = "0s"
[approvals]
approvers = ["ann", "alice"]
"#;

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

#[tokio::test]
async fn an_exemption_granted_while_the_key_is_read_again_holds_it_back() {
    let town = overdue(ENFORCE).await;
    let (alice, ann) = (Person::new("alice", Way::Chat), Person::new("ann", Way::Page));
    let asked = ExemptionAsked {
        account: &AccountId::parse(ACCOUNT).unwrap(),
        resource: &Arn::parse(&format!("arn:aws:iam::{ACCOUNT}:user/alice")).unwrap(),
        rules: &[iamwarden::rules::ACCESS_KEY_ROTATION],
        until: (at(BEGIN) + days(30)).date_naive(),
        reason: "vendor",
        owner: None,
        person: &alice,
    };
    let request = town.house.ask_for_exemption(asked).await.unwrap();
    let done = meanwhile(&town, "ListAccessKeys", 2, async || {
        let answered = town.house.answer_exemption(&request.id, true, &ann, None).await;
        assert!(answered.is_ok(), "{answered:?}");
    })
    .await;
    let results: Vec<_> = done.reports.iter().map(|report| &report.result).collect();
    assert!(
        matches!(
            results.as_slice(),
            [ActionResult::Held(WithheldReason::Approval, _)]
        ),
        "{results:?}"
    );
    assert!(is_active(&town));
}

#[tokio::test]
async fn a_granted_exemption_holds_warns_and_ends() {
    let town = overdue(ENFORCE).await;
    let (alice, ann) = (Person::new("alice", Way::Chat), Person::new("ann", Way::Page));
    let account = AccountId::parse(ACCOUNT).unwrap();
    let resource = Arn::parse(&format!("arn:aws:iam::{ACCOUNT}:user/alice")).unwrap();
    let rules = [iamwarden::rules::ACCESS_KEY_ROTATION];
    let owner = iamwarden::model::Owner("alice@example.com".to_owned());
    let asked = |until: &str| ExemptionAsked {
        account: &account,
        resource: &resource,
        rules: &rules,
        until: until.parse().unwrap(),
        reason: "vendor",
        owner: Some(&owner),
        person: &alice,
    };
    assert!(town.house.ask_for_exemption(asked("2020-01-01")).await.is_err());
    let last_day = (at(BEGIN) + days(30)).date_naive();
    let request = town
        .house
        .ask_for_exemption(asked(&last_day.to_string()))
        .await
        .unwrap();
    town.deliver().await;
    assert_eq!(town.desk.told("exemption.requested").len(), 1);
    // Nobody grants for himself, and what nobody granted holds nothing back.
    assert!(
        town.house
            .answer_exemption(&request.id, true, &alice, None)
            .await
            .is_err()
    );
    let granted = town
        .house
        .answer_exemption(&request.id, true, &ann, Some("ok"))
        .await
        .unwrap();
    assert!(granted.holds(last_day));
    town.deliver().await;
    assert_eq!(town.desk.told("exemption.decided").len(), 1);
    let first = town.run().await;
    assert_eq!(first.planned.plan.findings[0].status, FindingStatus::Exempt);
    town.run_daily_until(at(BEGIN) + days(30)).await;
    assert!(is_active(&town));
    let warned = town.desk.told("exemption.expiring");
    assert_eq!(warned.len(), 1, "{:?}", town.desk.diary());
    assert_eq!(warned[0].at, at(BEGIN) + days(16));
    assert_eq!(warned[0].owner(), Some("alice@example.com"));
    town.run_at(at(BEGIN) + days(31)).await;
    assert!(!is_active(&town), "the day after its last one");
    assert_eq!(town.desk.told("exemption.expiring").len(), 2, "that it ended");
    town.check_books().await;
}

#[tokio::test]
async fn a_revoked_exemption_holds_nothing_back() {
    let town = overdue(ENFORCE).await;
    let (bob, ann) = (
        Person::new("bob", Way::CommandLine),
        Person::new("ann", Way::CommandLine),
    );
    let account = AccountId::parse(ACCOUNT).unwrap();
    let resource = Arn::parse(&format!("arn:aws:iam::{ACCOUNT}:user/alice")).unwrap();
    let rules = [iamwarden::rules::ACCESS_KEY_ROTATION];
    let asked = ExemptionAsked {
        account: &account,
        resource: &resource,
        rules: &rules,
        until: (at(BEGIN) + days(300)).date_naive(),
        reason: "vendor",
        owner: None,
        person: &bob,
    };
    let request = town.house.ask_for_exemption(asked).await.unwrap();
    assert!(
        town.house
            .answer_exemption(&request.id, true, &bob, None)
            .await
            .is_err(),
        "no approver"
    );
    town.house
        .answer_exemption(&request.id, true, &ann, None)
        .await
        .unwrap();
    town.run().await;
    assert!(is_active(&town));
    assert!(
        town.house
            .revoke_exemption(&request.id, &bob, None)
            .await
            .is_err()
    );
    town.house
        .revoke_exemption(&request.id, &ann, Some("mended"))
        .await
        .unwrap();
    assert!(
        town.house
            .revoke_exemption(&request.id, &ann, None)
            .await
            .is_err(),
        "once"
    );
    town.run().await;
    assert!(!is_active(&town));
}

#[tokio::test]
async fn what_was_approved_is_tried_at_once_or_when_the_window_opens() {
    let rules = ENFORCE.replace("\"enforce\"", "\"approve\"");
    let mut town = overdue(&rules).await;
    town.configure(|config| {
        config.guardrails.change_window = Some(iamwarden::config::Window::parse("09:00-16:00").unwrap());
    });
    let mut tried = Tried::default();
    let asked = town.run().await;
    assert!(
        town.house.approved_by_now(&mut tried).await.unwrap().is_none(),
        "nothing is approved"
    );
    let request = DecisionRequest {
        plan: asked.planned.plan.id.clone(),
        actions: Vec::new(),
        verdict: Verdict::Approved,
        by: "ann".to_owned(),
        via: Way::Page,
        reason: None,
    };
    town.house.decide(town.state(), &request).await.unwrap();
    // It is six in the morning.
    assert!(town.house.approved_by_now(&mut tried).await.unwrap().is_none());
    town.go_to(at(BEGIN) + TimeDelta::hours(3));
    let selection = town.house.approved_by_now(&mut tried).await.unwrap().unwrap();
    assert_eq!(selection.rules, ["access_key_rotation"]);
    assert!(
        town.house.approved_by_now(&mut tried).await.unwrap().is_none(),
        "it is being tried"
    );
    town.house.run("run approved", &selection).await.unwrap();
    assert!(!is_active(&town));
    town.deliver().await;
    // Its owner hears of it, and whoever was asked; here one channel serves both.
    assert_eq!(town.desk.told("access_key.disabled").len(), 1);
    assert!(
        town.house
            .approved_by_now(&mut Tried::default())
            .await
            .unwrap()
            .is_none(),
        "spent"
    );
}
