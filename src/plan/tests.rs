//! The planner as a whole: what becomes of judgements under modes, notices, decisions and guardrails.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use proptest::prelude::*;

use super::*;
use crate::config::{Config, Mode, OnExcess};
use crate::inventory::Snapshot;
use crate::model::{
    AccountId, Action, ActionId, ActionMode, ActionState, Decision, Event, FindingId, FindingStatus, Freeze,
    History, KeyStatus, Ladder, Notice, Owner, RuleName, Span, Verdict, WithheldReason,
};
use crate::rules::fixture::{self, config, days, key, key_id, now, snapshot, user};

mod consent;

fn with_channel(mut config: Config) -> Config {
    config.notifications.default_channel = Some("secops".to_owned());
    config
}

fn no_notice(mut config: Config) -> Config {
    config.rules.access_key_rotation.minimum_notice = Span::ZERO;
    config.rules.unused_access_keys.minimum_notice = Span::ZERO;
    config
}

fn plan(config: &Config, snapshot: &Snapshot, history: &History, now: DateTime<Utc>) -> AccountPlan {
    plan_account(config, snapshot, history, now, &PlanOptions::default())
}

fn only_action(plan: &AccountPlan) -> &Action {
    assert_eq!(plan.actions.len(), 1, "{:#?}", plan.actions);
    &plan.actions[0]
}

fn of_rotation(number: u32) -> FindingId {
    let account = AccountId::parse(fixture::ACCOUNT).unwrap();
    let rule = &crate::rules::ACCESS_KEY_ROTATION;
    FindingId::of(
        rule,
        &account,
        &fixture::user_arn("alice"),
        key_id(number).as_str(),
    )
}

fn notice(
    event: Event,
    subject: u32,
    accepted_at: Option<DateTime<Utc>>,
    announced_for: DateTime<Utc>,
) -> Notice {
    Notice {
        event,
        owner: Some(Owner("alice@example.com".to_owned())),
        finding: of_rotation(subject),
        subject: key_id(subject).to_string(),
        ladder: Ladder::First,
        announced_for,
        queued_at: accepted_at.unwrap_or_else(now),
        accepted_at,
        dead: false,
    }
}

#[test]
fn report_proposes_and_has_no_actions() {
    let old = snapshot(vec![user("alice", vec![key(1, 200, Some(1)), key(2, 10, None)])]);
    let plan = plan(&config(Mode::Report), &old, &History::default(), now());
    assert!(plan.actions.is_empty());
    assert_eq!(plan.findings.len(), 1);
    let proposal = plan.findings[0].proposal.as_ref().unwrap();
    assert_eq!(proposal.change.subject(), key_id(1).to_string());
    assert!(proposal.inverse.is_some());
}

#[test]
fn an_owner_is_told_before_a_key_is_disabled() {
    let old = snapshot(vec![user("alice", vec![key(1, 200, Some(1))])]);
    let enforce = config(Mode::Enforce);
    let unreachable = plan(&enforce, &old, &History::default(), now());
    assert_eq!(
        only_action(&unreachable).withheld_reason,
        Some(WithheldReason::NoChannel)
    );

    let enforce = with_channel(enforce);
    let first = plan(&enforce, &old, &History::default(), now());
    let action = only_action(&first);
    assert_eq!(
        (action.state, action.withheld_reason),
        (ActionState::Withheld, Some(WithheldReason::Notice))
    );
    assert_eq!(action.not_before, Some(now() + days(7)));
    let told = &first.notifications[0];
    assert_eq!(
        (told.event, told.notices[0].announced_for),
        (Event::AccessKeyExpiring, now() + days(7))
    );

    // Queued, but no channel took it: it does not count, and is not said twice.
    let mut history = History::default();
    history
        .notices
        .push(notice(Event::AccessKeyExpiring, 1, None, now() + days(7)));
    let waiting = plan(&enforce, &old, &history, now() + days(1));
    assert_eq!(
        only_action(&waiting).withheld_reason,
        Some(WithheldReason::Notice)
    );

    // Accepted: seven days later, and not a moment before, it is due.
    history.notices[0].accepted_at = Some(now() + days(1));
    let almost = plan(
        &enforce,
        &old,
        &history,
        now() + days(8) - chrono::TimeDelta::seconds(1),
    );
    assert_eq!(only_action(&almost).withheld_reason, Some(WithheldReason::Notice));
    let due = plan(&enforce, &old, &history, now() + days(8));
    assert_eq!(only_action(&due).state, ActionState::Proposed);
}

#[test]
fn the_date_last_announced_is_kept() {
    let old = snapshot(vec![user("alice", vec![key(1, 200, Some(1))])]);
    let mut history = History::default();
    history.notices.push(notice(
        Event::AccessKeyExpiring,
        1,
        Some(now() - days(10)),
        now() + days(3),
    ));
    let plan = plan(&with_channel(config(Mode::Enforce)), &old, &history, now());
    assert_eq!(only_action(&plan).not_before, Some(now() + days(3)));
}

#[test]
fn a_key_that_somebody_enabled_again_needs_a_new_notice() {
    let old = snapshot(vec![user("alice", vec![key(1, 200, Some(1))])]);
    let mut history = History::default();
    history.notices.push(notice(
        Event::AccessKeyExpiring,
        1,
        Some(now() - days(30)),
        now() - days(23),
    ));
    let disabled = crate::model::DisabledKey {
        user: fixture::user_arn("alice"),
        at: now() - days(20),
    };
    history.disabled_keys.insert(key_id(1), disabled);
    let plan = plan(&with_channel(config(Mode::Enforce)), &old, &history, now());
    assert_eq!(only_action(&plan).withheld_reason, Some(WithheldReason::Notice));
    assert_eq!(only_action(&plan).not_before, Some(now() + days(7)));
}

#[test]
fn a_notice_of_long_ago_does_not_count_any_more() {
    let old = snapshot(vec![user("alice", vec![key(1, 200, Some(1))])]);
    let mut history = History::default();
    history.notices.push(notice(
        Event::AccessKeyExpiring,
        1,
        Some(now() - days(40)),
        now() - days(30),
    ));
    let enforce = with_channel(config(Mode::Enforce));
    assert_eq!(
        only_action(&plan(&enforce, &old, &history, now())).state,
        ActionState::Proposed
    );
    let later = plan(&enforce, &old, &history, now() + days(1));
    assert_eq!(only_action(&later).withheld_reason, Some(WithheldReason::Notice));
    assert_eq!(later.notifications[0].notices[0].announced_for, now() + days(8));
}

#[test]
fn what_somebody_else_was_told_does_not_count_for_a_new_owner() {
    let mut alice = user("alice", vec![key(1, 200, Some(1))]);
    let owner = |name: &str| Some(Owner(name.to_owned()));
    let told = |who| Notice {
        owner: owner(who),
        ..notice(
            Event::AccessKeyExpiring,
            1,
            Some(now() - days(9)),
            now() - days(2),
        )
    };
    let mut history = History::default();
    history.notices.push(told("bob"));
    let enforce = with_channel(config(Mode::Enforce));
    let mut planned = |name: &str, history: &History| {
        alice.tags.insert("owner".to_owned(), name.to_owned());
        plan(&enforce, &snapshot(vec![alice.clone()]), history, now())
    };
    assert_eq!(
        only_action(&planned("bob", &history)).state,
        ActionState::Proposed
    );
    let anew = planned("carol", &history);
    assert_eq!(only_action(&anew).withheld_reason, Some(WithheldReason::Notice));
    assert_eq!(anew.notifications[0].to, owner("carol"));
    assert_eq!(anew.notifications[0].notices[0].announced_for, now() + days(7));
    history.notices.push(told("carol"));
    assert_eq!(
        only_action(&planned("carol", &history)).state,
        ActionState::Proposed
    );
}

#[test]
fn of_a_key_and_two_dates_the_first_is_told_and_kept() {
    let mut config = with_channel(config(Mode::Enforce));
    config.rules.access_key_rotation.warn_before = vec![Span::from_days(60)];
    config.rules.unused_access_keys.mode = Mode::Enforce;
    config.rules.unused_access_keys.unused_for = Span::from_days(45);
    // Made 46 days ago and never used: it is unused for 45 days, and at its age in 44.
    let young = snapshot(vec![user("alice", vec![key(1, 46, None)])]);
    let mut history = History::default();
    history.notices.push(notice(
        Event::AccessKeyExpiring,
        1,
        Some(now() - days(10)),
        now() + days(44),
    ));
    let first = plan(&config, &young, &history, now());
    let [message] = first.notifications.as_slice() else {
        panic!("{:?}", first.notifications)
    };
    let [item] = message.notices.as_slice() else {
        panic!("{:?}", message.notices)
    };
    assert_eq!(item.announced_for, now() + days(7));
    assert_eq!(message.findings, std::slice::from_ref(&item.finding));
    // Where somebody would have to approve the first, the second is told as well.
    let mut asking = config.clone();
    asking.rules.unused_access_keys.mode = Mode::Approve;
    let both = plan(&asking, &young, &History::default(), now());
    let told = both.notifications.iter().flat_map(|message| &message.notices);
    assert_eq!(told.count(), 2, "{:?}", both.notifications);
    history.notices.push(Notice {
        finding: item.finding.clone(),
        ..notice(Event::AccessKeyExpiring, 1, Some(now()), item.announced_for)
    });
    let on_the_day = plan(&config, &young, &history, now() + days(7));
    assert_eq!(only_action(&on_the_day).state, ActionState::Proposed);
}

#[test]
fn what_was_told_before_an_exemption_does_not_count_after_it() {
    let old = snapshot(vec![user("alice", vec![key(1, 200, Some(1))])]);
    let mut history = History::default();
    let told = |days_ago| {
        notice(
            Event::AccessKeyExpiring,
            1,
            Some(now() - days(days_ago)),
            now() - days(1),
        )
    };
    history.notices.push(told(9));
    let ended_yesterday = |rule: RuleName| {
        let mut ended = exemption("user/alice", &(now() - days(1)).format("%Y-%m-%d").to_string());
        ended.rules = vec![rule];
        ended
    };
    let mut enforce = with_channel(config(Mode::Enforce));
    assert_eq!(
        only_action(&plan(&enforce, &old, &history, now())).state,
        ActionState::Proposed
    );
    enforce
        .exemptions
        .push(ended_yesterday(crate::rules::ACCESS_KEY_ROTATION));
    let after = plan(&enforce, &old, &history, now());
    assert_eq!(only_action(&after).withheld_reason, Some(WithheldReason::Notice));
    assert_eq!(after.notifications[0].notices[0].announced_for, now() + days(7));
    // It ended with the day, in UTC.
    enforce.exemptions[0].until = (now() - days(12)).date_naive();
    assert_eq!(
        only_action(&plan(&enforce, &old, &history, now())).state,
        ActionState::Proposed
    );
    // Another rule's says nothing of this one.
    enforce.exemptions = vec![ended_yesterday(crate::rules::UNUSED_ACCESS_KEYS)];
    assert_eq!(
        only_action(&plan(&enforce, &old, &history, now())).state,
        ActionState::Proposed
    );
}

#[test]
fn a_schedule_of_the_same_moment_each_day_is_on_time_for_every_rung() {
    let enforce = with_channel(config(Mode::Enforce));
    let old = snapshot(vec![user("alice", vec![key(1, 200, Some(1))])]);
    let mut history = History::default();
    let mut said = Vec::new();
    for day in 0..8 {
        let at = now() + days(day);
        for message in plan(&enforce, &old, &history, at).notifications {
            for item in message.notices {
                said.push((day, item.ladder));
                // The channel takes its time, and the date moves on by that.
                history.notices.push(Notice {
                    ladder: item.ladder,
                    queued_at: at,
                    ..notice(
                        Event::AccessKeyExpiring,
                        1,
                        Some(at + chrono::TimeDelta::seconds(3)),
                        item.announced_for,
                    )
                });
            }
        }
    }
    let rung = |days| Ladder::Before(Span::from_days(days));
    assert_eq!(said, [(0, rung(7)), (6, rung(1))]);
}

#[test]
fn the_ladder_of_warnings_is_climbed_once() {
    let enforce = with_channel(config(Mode::Enforce));
    let young = snapshot(vec![user("alice", vec![key(1, 70, Some(1))])]);
    let mut history = History::default();
    let mut said = Vec::new();
    // From day 70 to the limit at day 90 and a little further, one plan each half day.
    for half_days in 0..42 {
        let at = now() + chrono::TimeDelta::hours(12 * half_days);
        let plan = plan(&enforce, &young, &history, at);
        for notification in &plan.notifications {
            for item in &notification.notices {
                said.push((
                    half_days / 2 + 70,
                    item.ladder,
                    (item.announced_for - now()).num_days() + 70,
                ));
                history.notices.push(Notice {
                    event: notification.event,
                    owner: notification.to.clone(),
                    finding: item.finding.clone(),
                    subject: item.subject.clone(),
                    ladder: item.ladder,
                    announced_for: item.announced_for,
                    queued_at: at,
                    accepted_at: Some(at),
                    dead: false,
                });
            }
        }
        if at >= now() + days(20) {
            assert_eq!(
                only_action(&plan).state,
                ActionState::Proposed,
                "day {}",
                half_days / 2 + 70
            );
        }
    }
    let rung = |days| Ladder::Before(Span::from_days(days));
    assert_eq!(said, [(76, rung(14), 90), (83, rung(7), 90), (89, rung(1), 90)]);
}

#[test]
fn a_first_word_on_a_rung_is_not_said_again_when_its_delivery_was_slow() {
    let enforce = with_channel(config(Mode::Enforce));
    let old = snapshot(vec![user("alice", vec![key(1, 200, Some(1))])]);
    let first = plan(&enforce, &old, &History::default(), now());
    let said = &first.notifications[0].notices[0];
    assert_eq!(said.ladder, Ladder::Before(Span::from_days(7)));
    for minutes in [0, 1, 30, 600] {
        let accepted = now() + chrono::TimeDelta::minutes(minutes);
        let mut told = notice(Event::AccessKeyExpiring, 1, Some(accepted), said.announced_for);
        told.queued_at = now();
        for ladder in [said.ladder, Ladder::First] {
            told.ladder = ladder;
            let mut history = History::default();
            history.notices.push(told.clone());
            let next = plan(&enforce, &old, &history, accepted + chrono::TimeDelta::hours(1));
            assert!(
                next.notifications.is_empty(),
                "{ladder:?} accepted after {minutes} minutes"
            );
        }
    }
}

#[test]
fn one_key_and_two_rules_make_one_action() {
    let mut both = no_notice(config(Mode::Approve));
    both.rules.unused_access_keys.mode = Mode::Enforce;
    let old = snapshot(vec![user("alice", vec![key(1, 200, Some(100))])]);
    let plan = plan(&both, &old, &History::default(), now());
    let action = only_action(&plan);
    assert_eq!(plan.findings.len(), 2);
    assert_eq!(
        (action.mode, action.also.len(), action.state),
        (ActionMode::Enforce, 1, ActionState::Proposed)
    );
    let main = plan
        .findings
        .iter()
        .find(|finding| finding.id == action.finding)
        .unwrap();
    assert_eq!(main.rule.as_str(), "unused_access_keys");
    // It is due by one rule: its owner hears what became of it, not what the other rule waits for.
    assert_eq!(plan.notifications, []);
}

#[test]
fn freeze_window_and_guardrails_withhold() {
    let enforce = no_notice(config(Mode::Enforce));
    let users: Vec<_> = (0..10)
        .map(|n| user(&format!("u{n}"), vec![key(n, 100 + i64::from(n), Some(1))]))
        .collect();
    let old = snapshot(users);
    let reasons = |config: &Config, history: &History| {
        let plan = plan(config, &old, history, now());
        let held = plan
            .actions
            .iter()
            .filter_map(|a| a.withheld_reason)
            .collect::<Vec<_>>();
        (plan.actions.len() - held.len(), held)
    };
    assert_eq!(reasons(&enforce, &History::default()).0, 10);

    let mut frozen = enforce.clone();
    frozen.freeze = true;
    assert_eq!(
        reasons(&frozen, &History::default()),
        (0, vec![WithheldReason::Freeze; 10])
    );
    let flag = Freeze {
        reason: "incident".to_owned(),
        by: "ops".to_owned(),
        at: now(),
    };
    let history = History {
        frozen: Some(flag),
        ..History::default()
    };
    assert_eq!(reasons(&enforce, &history), (0, vec![WithheldReason::Freeze; 10]));

    let mut closed = enforce.clone();
    closed.guardrails.change_window = Some(crate::config::Window::parse("09:00-16:00").unwrap());
    assert_eq!(
        reasons(&closed, &History::default()),
        (0, vec![WithheldReason::Window; 10])
    );

    let mut capped = enforce.clone();
    capped.guardrails.max_changes_per_run = 3;
    assert_eq!(
        reasons(&capped, &History::default()),
        (3, vec![WithheldReason::Guardrail; 7])
    );
    let plan = plan(&capped, &old, &History::default(), now());
    let due: Vec<_> = plan
        .actions
        .iter()
        .filter(|a| a.state == ActionState::Proposed)
        .collect();
    let names: Vec<_> = due.iter().map(|a| a.resource.name()).collect();
    assert_eq!(names, ["u7", "u8", "u9"], "the oldest go first");

    capped.guardrails.on_excess = OnExcess::Stop;
    assert_eq!(
        reasons(&capped, &History::default()),
        (0, vec![WithheldReason::Guardrail; 10])
    );
    let history = History {
        changes_in_last_day: 96,
        ..History::default()
    };
    assert_eq!(
        reasons(&enforce, &history),
        (4, vec![WithheldReason::Guardrail; 6])
    );
}

#[test]
fn protected_exempt_and_own_principals_are_left_alone() {
    let mut enforce = no_notice(config(Mode::Enforce));
    enforce.exemptions.push(exemption("user/ci-*", "2026-11-23"));
    enforce.exemptions.push(exemption("user/late", "2026-11-22"));
    let mut old = snapshot(vec![
        user("break-glass-1", vec![key(1, 200, None)]),
        user("ci-build", vec![key(2, 200, None)]),
        user("late", vec![key(3, 200, None)]),
        user("warden", vec![key(4, 200, None)]),
    ]);
    old.caller.identities = vec!["user/Warden".to_owned()];
    let plan = plan(&enforce, &old, &History::default(), now());
    let statuses: Vec<_> = plan
        .findings
        .iter()
        .map(|f| (f.resource.name(), f.status))
        .collect();
    assert_eq!(
        statuses,
        [
            ("break-glass-1", FindingStatus::Exempt),
            ("ci-build", FindingStatus::Exempt),
            ("late", FindingStatus::Violation),
            ("warden", FindingStatus::Exempt),
        ]
    );
    assert_eq!(only_action(&plan).resource.name(), "late");
    assert!(plan.findings[2].evidence.contains_key("expired_exemption"));
}

fn exemption(pattern: &str, until: &str) -> crate::config::Exemption {
    crate::config::Exemption {
        principals: vec![crate::model::Glob::new(pattern)],
        rules: vec![crate::rules::ACCESS_KEY_ROTATION],
        accounts: None,
        until: until.parse().unwrap(),
        reason: "vendor".to_owned(),
    }
}

prop_compose! {
    fn some_user(number: u32)(
        age in 0i64..400,
        used in proptest::option::of(0i64..400),
        inactive in any::<bool>(),
        unknown in proptest::bool::weighted(0.1),
    ) -> crate::inventory::User {
        let mut key = key(number, age, used.map(|ago| ago.min(age)));
        if inactive {
            key.status = KeyStatus::Inactive;
        }
        if unknown {
            key.last_used = crate::inventory::Reading::Unknown(fixture::gap("iam:GetAccessKeyLastUsed"));
        }
        user(&format!("user-{number}"), vec![key])
    }
}

fn some_users() -> impl Strategy<Value = Vec<crate::inventory::User>> {
    (0usize..12).prop_flat_map(|n| (0..n as u32).map(some_user).collect::<Vec<_>>())
}

fn both_rules() -> Config {
    let mut config = no_notice(config(Mode::Enforce));
    config.rules.unused_access_keys.mode = Mode::Enforce;
    config.guardrails.max_changes_per_run = 1000;
    config.guardrails.max_changes_per_day = 1000;
    config
}

proptest! {
    #[test]
    fn what_is_unknown_or_inactive_is_never_acted_on(users in some_users()) {
        let plan = plan(&both_rules(), &snapshot(users.clone()), &History::default(), now());
        for action in &plan.actions {
            let user = users.iter().find(|user| user.arn == action.resource).unwrap();
            let Some(crate::inventory::Reading::Known(credentials)) = &user.credentials else { unreachable!() };
            let key = &credentials.access_keys[0];
            prop_assert_eq!(&key.status, &KeyStatus::Active);
            prop_assert!(now() - key.created_at >= days(45));
        }
    }

    #[test]
    fn ids_tell_changes_apart(a in 0u32..50, b in 0u32..50) {
        let id = |n| ActionId::of(
            &crate::model::AccountId::parse(fixture::ACCOUNT).unwrap(),
            &fixture::user_arn("alice"),
            &crate::model::Change::DisableAccessKey { access_key_id: key_id(n) },
        );
        prop_assert_eq!(a == b, id(a) == id(b));
    }
}
