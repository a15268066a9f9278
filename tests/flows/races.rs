//! What happens between the plan and the call, and right after the call.

use std::time::Duration;

use aws_simulator::{Consistency, Edit, Fault, FaultKind, PasswordPolicy, Release, When};
use chrono::TimeDelta;
use iamwarden::config::Config;
use iamwarden::daemon::{Done, InForce, Verdict};
use iamwarden::execute::ActionResult;
use iamwarden::model::{AccountId, Inverse, Precondition, Verdict as Decided, WithheldReason};
use iamwarden::state::AppliedSelection;
use serde_json::json;

use crate::installation::{ACCOUNT, BEGIN, Installation, account, at, days, only_action, user_with_key};
use crate::permissions::{arn, attached, bob, both, detached, live_until, staff, uses};

const KEY: &str = "AKIAALICE00000000001";
const ONLY_ROTATION: &str = r#"
rules.unused_access_keys.mode = "off"
rules.password_policy.mode = "off"
rules.unused_permissions.mode = "off"
"#;

/// Keys of these users are long overdue, and nobody has to be told before.
async fn overdue(users: &[(&str, &str)], more: &str) -> Installation {
    let mut account = account();
    for (name, key) in users {
        account
            .users
            .push(user_with_key(name, key, at(BEGIN) - days(200)));
    }
    let rotation = "[rules.access_key_rotation]\nmode = \"enforce\"\nminimum_notice = \"0s\"\n";
    Installation::begin(account, &format!("{ONLY_ROTATION}{more}\n{rotation}")).await
}

/// One tick, and what happens while its n-th call of this operation is on its way.
pub(crate) async fn meanwhile(
    town: &Installation,
    operation: &str,
    nth: u32,
    happening: impl AsyncFnOnce(),
) -> Done {
    let hold = Fault::new(FaultKind::Hold).on(operation).only_nth(nth);
    town.simulator.faults().add(hold);
    let happen = async {
        let held = town.simulator.holds().wait(Duration::from_secs(60)).await;
        happening().await;
        let id = held.expect("no call was held").id;
        assert!(town.simulator.holds().release(id, Release::Continue));
    };
    let (done, ()) = tokio::join!(town.run(), happen);
    done
}

fn only_result(done: &Done) -> &ActionResult {
    match done.reports.as_slice() {
        [report] => &report.result,
        reports => panic!("one attempt was expected: {reports:?}"),
    }
}

#[track_caller]
fn assert_stale(done: &Done, why: &str) {
    let result = only_result(done);
    let ActionResult::Stale(detail) = result else {
        panic!("{result:?}")
    };
    assert!(detail.contains(why), "{detail}");
}

/// On the day on which bob's unused policy is detached.
async fn on_the_day(people: &[&str], town: &Installation) {
    town.run().await;
    live_until(town, at(BEGIN) + days(96), people).await;
    town.go_to(at(BEGIN) + days(97));
    for name in people {
        uses(town, name, "s3");
    }
}

/// As if deleted and made again under the same name, with the same policies.
fn made_anew(user: &str) -> Edit {
    let mut edit = Edit::of_user(ACCOUNT, user);
    edit.age = Some(When::days(0));
    edit
}

#[tokio::test]
async fn w2_a_principal_made_anew_in_the_last_moment_keeps_its_policies() {
    let town = bob().await;
    on_the_day(&["bob"], &town).await;
    let done = meanwhile(&town, "GetUser", 1, async || town.edit(&made_anew("bob"))).await;
    assert_stale(&done, "principal_created_at");
    assert_eq!(attached(&town, "users", "bob"), both());
    assert_eq!(town.changes(), []);
}

#[tokio::test]
async fn w3_the_state_before_is_on_disk_before_the_call() {
    let town = bob().await;
    on_the_day(&["bob"], &town).await;
    let done = meanwhile(&town, "DetachUserPolicy", 1, async || {
        assert_eq!(attached(&town, "users", "bob"), both());
        let id = AccountId::parse(ACCOUNT).unwrap();
        let open = town.state().open_intents(&id).await.unwrap();
        let [attempt] = open.as_slice() else {
            panic!("{open:?}")
        };
        let intent = &attempt.intent;
        let Precondition::Attachment {
            policy_arn,
            version,
            attached,
            ..
        } = &intent.precondition
        else {
            panic!("{intent:?}")
        };
        assert_eq!(
            (policy_arn.as_str(), version.as_str(), *attached),
            (arn("queues").as_str(), "v1", true)
        );
        assert_eq!(
            intent.inverse,
            Some(Inverse::AttachPolicy {
                policy_arn: policy_arn.clone()
            })
        );
    })
    .await;
    assert_eq!(*only_result(&done), ActionResult::Applied);
    assert_eq!(attached(&town, "users", "bob"), [arn("app")]);
}

#[tokio::test]
async fn w5_a_rollback_gives_a_namesake_nothing() {
    let town = bob().await;
    let action = detached(&town).await;
    town.edit(&made_anew("bob"));
    let refused = town.roll_back(&action).await;
    assert!(
        matches!(refused.as_slice(), [report] if matches!(report.result, ActionResult::Stale(_))),
        "{refused:?}"
    );
    assert_eq!(attached(&town, "users", "bob"), [arn("app")]);
}

#[tokio::test]
async fn d10_a_member_who_joins_in_the_last_moment_keeps_the_policies_of_the_group() {
    let town = staff().await;
    on_the_day(&["ada", "ben"], &town).await;
    let mut join = Edit::of_user(ACCOUNT, "new");
    join.join = vec!["staff".to_owned()];
    let done = meanwhile(&town, "GetGroup", 1, async || town.edit(&join)).await;
    assert_stale(&done, "members");
    assert_eq!(attached(&town, "groups", "staff"), both());
}

#[tokio::test]
async fn a_detachment_of_unknown_outcome_is_known_although_the_policy_was_edited() {
    let town = bob().await;
    on_the_day(&["bob"], &town).await;
    let faults = town.simulator.faults();
    faults.add(
        Fault::new(FaultKind::Reset)
            .on("DetachUserPolicy")
            .after_effect()
            .times(1),
    );
    // The first look is that before the call.
    let refused = Fault::new(FaultKind::error("AccessDenied")).on("ListAttachedUserPolicies");
    faults.add(refused.only_nth(2));
    let done = town.run().await;
    assert!(
        matches!(only_result(&done), ActionResult::Unsettled(_)),
        "{:?}",
        done.reports
    );
    faults.clear();
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
    let action = done.reports[0].action.clone();
    let applied = async || {
        let wanted = AppliedSelection::Action(&action);
        town.state().applied_actions(wanted).await.unwrap().len()
    };
    town.run_at(town.now() + TimeDelta::seconds(1)).await;
    assert_eq!(applied().await, 0, "one reading is not enough");
    town.run_at(town.now() + TimeDelta::seconds(60)).await;
    assert_eq!(applied().await, 1);
    assert_eq!(town.desk.told("permissions.detached").len(), 1);
    town.check_books().await;
}

#[tokio::test]
async fn a_window_that_closes_while_the_key_is_read_again_holds_it_back() {
    let window = "[guardrails]\nchange_window = \"Mon 06:00-09:00\"\n";
    let town = overdue(&[("alice", KEY)], window).await;
    // The first time the key is read for the plan.
    let done = meanwhile(&town, "ListAccessKeys", 2, async || {
        town.go_to(at(BEGIN) + TimeDelta::hours(3));
    })
    .await;
    assert!(
        matches!(only_result(&done), ActionResult::Held(WithheldReason::Window, _)),
        "{:?}",
        done.reports
    );
    assert_eq!(town.changes(), []);
    town.run_at(at(BEGIN) + days(7)).await;
    assert_eq!(town.changes().len(), 1);
}

#[tokio::test]
async fn a_no_said_while_the_key_is_read_again_holds_it_back() {
    let town = overdue(&[("alice", KEY)], "").await;
    town.state().freeze("wait", "ann", town.now()).await.unwrap();
    let proposed = town.run().await;
    town.state().unfreeze("ann", town.now()).await.unwrap();
    let done = meanwhile(&town, "ListAccessKeys", 2, async || {
        town.decide(&proposed, only_action(&proposed), Decided::Rejected)
            .await;
    })
    .await;
    assert!(
        matches!(
            only_result(&done),
            ActionResult::Held(WithheldReason::Approval, _)
        ),
        "{:?}",
        done.reports
    );
    assert_eq!(town.changes(), []);
}

#[tokio::test]
async fn a_freeze_that_cannot_be_read_is_a_freeze() {
    let users = [("alice", KEY), ("bob", "AKIABOB0000000000001")];
    let town = overdue(&users, "[guardrails]\nmax_changes_percent = 100\n").await;
    let done = meanwhile(&town, "ListAccessKeys", 3, async || town.spoil_the_freeze().await).await;
    assert_eq!(town.changes(), []);
    let results: Vec<_> = done.reports.iter().map(|report| &report.result).collect();
    assert!(
        matches!(
            results.as_slice(),
            [
                ActionResult::Held(WithheldReason::Freeze, _),
                ActionResult::Held(WithheldReason::Freeze, _)
            ]
        ),
        "{results:?}"
    );
}

#[tokio::test]
async fn a_configuration_that_is_put_in_force_meanwhile_stops_what_it_forbids() {
    let users = [("alice", KEY), ("bob", "AKIABOB0000000000001")];
    for (freeze, dry_run) in [(true, false), (false, true)] {
        let town = overdue(&users, "[guardrails]\nmax_changes_percent = 100\n").await;
        let in_force = InForce::new(town.house.clone());
        let declare = |freeze, dry_run| {
            let before = in_force.get().config;
            in_force.replace(Config {
                freeze,
                dry_run,
                ..(*before).clone()
            });
        };
        let done = meanwhile(&town, "ListAccessKeys", 3, async || declare(freeze, dry_run)).await;
        assert_eq!(town.changes(), []);
        assert_eq!(done.reports.len(), 2);
        for report in &done.reports {
            let held = matches!(report.result, ActionResult::Held(WithheldReason::Freeze, _));
            assert!(held, "{:?}", report.result);
        }
        declare(false, false);
        let done = town.run().await;
        assert_eq!(done.reports.len(), 2);
        assert_eq!(town.changes().len(), 2);
    }
}

#[tokio::test]
async fn what_aws_took_is_done_although_reads_lag_behind() {
    let town = overdue(&[("alice", KEY)], "").await;
    for lag in [
        Consistency {
            stale_reads: 2,
            until_released: false,
        },
        Consistency {
            stale_reads: 0,
            until_released: true,
        },
    ] {
        town.simulator.set_consistency(lag.clone());
        let done = town.run().await;
        assert_eq!(*only_result(&done), ActionResult::Applied, "{lag:?}");
        assert_eq!(done.verdict, Verdict::Done, "not seen yet is no failure");
        let account = AccountId::parse(ACCOUNT).unwrap();
        let applied = town.state().applied_actions(AppliedSelection::Account(&account));
        let applied = applied.await.unwrap();
        let after = applied.last().unwrap().after.as_ref();
        let status = after.map(|after| after["status"].as_str().unwrap().to_owned());
        let seen = (!lag.until_released).then(|| "Inactive".to_owned());
        assert_eq!(
            status, seen,
            "the journal has what was read, and nothing else: {after:?}"
        );
        assert_eq!(town.desk.told("action.failed").len(), 0);
        town.simulator.set_consistency(Consistency::default());
        town.simulator.release_writes(None);
        assert_eq!(town.key_status("alice", KEY).as_deref(), Some("Inactive"));
        let mut enable = Edit::of_key(ACCOUNT, "alice", KEY);
        enable.status = Some("Active".to_owned());
        town.edit(&enable);
        town.go_to(town.now() + days(1));
    }
    assert_eq!(town.changes().len(), 2);
    town.check_books().await;
}

#[tokio::test]
async fn a_password_policy_rolled_back_stays_so_whatever_else_of_it_somebody_changes() {
    let rules = r#"
rules.access_key_rotation.mode = "off"
rules.unused_access_keys.mode = "off"
rules.unused_permissions.mode = "off"
[rules.password_policy]
mode = "enforce"
minimum_length = 14
"#;
    let policy = |length: u32, symbols: bool| PasswordPolicy {
        minimum_password_length: length,
        require_symbols: symbols,
        ..PasswordPolicy::default()
    };
    let mut account = account();
    account.password_policy = Some(policy(8, false));
    let town = Installation::begin(account, rules).await;
    let length = || town.account()["password_policy"]["minimum_password_length"].clone();
    let done = town.run().await;
    assert_eq!(length(), json!(14));
    let undone = town.roll_back(only_action(&done)).await;
    assert!(
        undone.iter().all(|report| report.result == ActionResult::Applied),
        "{undone:?}"
    );
    assert_eq!(length(), json!(8));
    // Another policy would be written now, by an action with another id.
    let edit = Edit {
        password_policy: Some(policy(8, true)),
        ..Edit::of(ACCOUNT)
    };
    town.edit(&edit);
    town.run_daily_until(at(BEGIN) + days(3)).await;
    let held = town.run().await;
    assert_ne!(only_action(&held).id, only_action(&done).id);
    assert_eq!(
        only_action(&held).withheld_reason,
        Some(WithheldReason::RolledBack)
    );
    assert_eq!(length(), json!(8));
    town.go_to(town.now() + TimeDelta::hours(1));
    town.decide(&held, only_action(&held), Decided::Approved).await;
    town.run().await;
    assert_eq!(length(), json!(14));
    town.check_books().await;
}
