//! The planner as a whole: what becomes of judgements under modes, notices, decisions and guardrails.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use proptest::prelude::*;

use super::*;
use crate::config::{Config, Mode, OnExcess};
use crate::inventory::Snapshot;
use crate::model::{
    Action, ActionId, ActionMode, ActionState, Decision, Event, FindingStatus, Freeze, History, KeyStatus,
    Ladder, Notice, Span, Verdict, WithheldReason,
};
use crate::rules::fixture::{self, config, days, key, key_id, now, snapshot, user};

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

fn notice(
    event: Event,
    subject: u32,
    accepted_at: Option<DateTime<Utc>>,
    announced_for: DateTime<Utc>,
) -> Notice {
    Notice {
        event,
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

fn decision(action: &Action, config: &Config, verdict: Verdict, at: DateTime<Utc>) -> Decision {
    Decision {
        action: action.id.clone(),
        verdict,
        precondition: action.precondition_digest(),
        config_digest: config.digest(),
        decided_at: at,
        not_before: action.not_before,
        by: "sec-lead@example.com".to_owned(),
        via: Default::default(),
    }
}

#[test]
fn an_approval_is_bound_to_precondition_and_configuration_and_expires() {
    let approve = no_notice(config(Mode::Approve));
    let old = snapshot(vec![user("alice", vec![key(1, 200, Some(1))])]);
    let before = plan(&approve, &old, &History::default(), now());
    let action = only_action(&before);
    assert_eq!(
        (action.mode, action.withheld_reason),
        (ActionMode::Approve, Some(WithheldReason::Approval))
    );
    assert_eq!(before.notifications[0].event, Event::ApprovalRequested);

    let decided = |decision: Decision, config: &Config, snapshot: &Snapshot, at| {
        let history = History {
            decisions: vec![decision],
            ..History::default()
        };
        let plan = plan(config, snapshot, &history, at);
        only_action(&plan).withheld_reason
    };
    let yes = decision(action, &approve, Verdict::Approved, now());
    assert_eq!(decided(yes.clone(), &approve, &old, now()), None);
    assert_eq!(
        decided(yes.clone(), &approve, &old, now() + days(7)),
        Some(WithheldReason::Approval)
    );
    let no = decision(action, &approve, Verdict::Rejected, now());
    assert_eq!(decided(no, &approve, &old, now()), Some(WithheldReason::Approval));

    let mut other = approve.clone();
    other.guardrails.max_changes_per_run = 24;
    assert_eq!(
        decided(yes.clone(), &other, &old, now()),
        Some(WithheldReason::Approval)
    );
    // The key was made anew under the same id: another precondition.
    let remade = snapshot(vec![user("alice", vec![key(1, 199, Some(1))])]);
    assert_eq!(
        decided(yes.clone(), &approve, &remade, now()),
        Some(WithheldReason::Approval)
    );
    let of_the_future = decision(action, &approve, Verdict::Approved, now() + days(1));
    assert_eq!(
        decided(of_the_future, &approve, &old, now()),
        Some(WithheldReason::Approval)
    );
}

#[test]
fn what_was_rolled_back_waits_for_a_person_even_in_enforce() {
    let enforce = no_notice(config(Mode::Enforce));
    let old = snapshot(vec![user("alice", vec![key(1, 200, Some(1))])]);
    let due = plan(&enforce, &old, &History::default(), now());
    let action = only_action(&due).clone();
    let mut history = History::default();
    history.rolled_back.insert(action.target(), now() - days(1));
    history
        .decisions
        .push(decision(&action, &enforce, Verdict::Approved, now() - days(2)));
    assert_eq!(
        only_action(&plan(&enforce, &old, &history, now())).withheld_reason,
        Some(WithheldReason::RolledBack)
    );
    history
        .decisions
        .push(decision(&action, &enforce, Verdict::Approved, now()));
    assert_eq!(
        only_action(&plan(&enforce, &old, &history, now())).state,
        ActionState::Proposed
    );
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

#[test]
fn confirmation_at_the_last_moment_sees_what_came_since() {
    let enforce = no_notice(config(Mode::Enforce));
    let old = snapshot(vec![user("alice", vec![key(1, 200, Some(1))])]);
    let due = plan(&enforce, &old, &History::default(), now());
    let action = only_action(&due);
    assert!(confirm(&enforce, action, &BTreeMap::new(), &History::default(), now()).is_ok());
    let reason = |config: &Config, history: History| {
        confirm(config, action, &BTreeMap::new(), &history, now())
            .unwrap_err()
            .0
    };
    let flag = Freeze {
        reason: "incident".to_owned(),
        by: "ops".to_owned(),
        at: now(),
    };
    assert_eq!(
        reason(
            &enforce,
            History {
                frozen: Some(flag),
                ..History::default()
            }
        ),
        WithheldReason::Freeze
    );
    let spent = History {
        changes_in_last_day: 100,
        ..History::default()
    };
    assert_eq!(reason(&enforce, spent), WithheldReason::Guardrail);
    let no = History {
        decisions: vec![decision(action, &enforce, Verdict::Rejected, now())],
        ..History::default()
    };
    assert_eq!(reason(&enforce, no), WithheldReason::Approval);
    let mut dry = enforce.clone();
    dry.dry_run = true;
    assert!(confirm(&dry, action, &BTreeMap::new(), &History::default(), now()).is_err());
    let mut held = action.clone();
    held.state = ActionState::Withheld;
    held.withheld_reason = Some(WithheldReason::WouldLockOut);
    let refused = confirm(&enforce, &held, &BTreeMap::new(), &History::default(), now()).unwrap_err();
    assert_eq!(refused.0, WithheldReason::WouldLockOut, "what the plan held back");
}

#[test]
fn a_yes_counts_of_approvers_and_a_no_of_anybody() {
    let old = snapshot(vec![user("alice", vec![key(1, 200, Some(1))])]);
    let mut approve = no_notice(config(Mode::Approve));
    approve.approvals.approvers = vec!["ciso@example.com".to_owned()];
    let waiting = plan(&approve, &old, &History::default(), now());
    let action = only_action(&waiting);
    let by = |by: &str, verdict, at| Decision {
        by: by.to_owned(),
        ..decision(action, &approve, verdict, at)
    };
    let withheld = |decisions: Vec<Decision>| {
        let history = History {
            decisions,
            ..History::default()
        };
        let planned = plan(&approve, &old, &history, now());
        assert_eq!(
            confirm(&approve, only_action(&planned), &BTreeMap::new(), &history, now()).is_ok(),
            only_action(&planned).withheld_reason.is_none()
        );
        only_action(&planned).withheld_reason
    };
    let (earlier, approval) = (now() - days(1), Some(WithheldReason::Approval));
    let yes = by("ciso@example.com", Verdict::Approved, earlier);
    assert_eq!(
        withheld(vec![by("sec-lead@example.com", Verdict::Approved, earlier)]),
        approval
    );
    assert_eq!(withheld(vec![yes.clone()]), None);
    let no = by("sec-lead@example.com", Verdict::Rejected, now());
    assert_eq!(withheld(vec![yes, no]), approval);
}

/// An approver's word.
fn said(by: &str, action: &Action, config: &Config, verdict: Verdict, at: DateTime<Utc>) -> Decision {
    Decision {
        by: by.to_owned(),
        ..decision(action, config, verdict, at)
    }
}

/// Why the only action is held, by the planner and at the last moment alike, after these decisions.
fn held(config: &Config, decisions: Vec<Decision>) -> Option<(WithheldReason, String)> {
    let old = snapshot(vec![user("alice", vec![key(1, 200, Some(1))])]);
    let history = History {
        decisions,
        ..History::default()
    };
    let planned = plan(config, &old, &history, now());
    let action = only_action(&planned);
    let confirmed = confirm(config, action, &BTreeMap::new(), &history, now());
    assert_eq!(confirmed.is_ok(), action.withheld_reason.is_none());
    Some((action.withheld_reason?, action.withheld_detail.clone().unwrap()))
}

#[test]
fn several_approvers_have_to_be_several_people() {
    let mut approve = no_notice(config(Mode::Approve));
    approve.approvals.approvers = ["ann", "bob", "U0ANN"].map(str::to_owned).to_vec();
    approve.approvals.minimum_approvers = 2;
    approve.approvals.people = vec![crate::config::PersonEntry {
        name: "ann".to_owned(),
        also: vec!["U0ANN".to_owned()],
    }];
    let old = snapshot(vec![user("alice", vec![key(1, 200, Some(1))])]);
    let waiting = plan(&approve, &old, &History::default(), now());
    let action = only_action(&waiting);
    let yes = |by: &str, ago| said(by, action, &approve, Verdict::Approved, now() - days(ago));
    let no = |by: &str, ago| said(by, action, &approve, Verdict::Rejected, now() - days(ago));
    let why = |decisions| held(&approve, decisions).map(|(_, why)| why);
    let one = Some("1 of 2 approvals, by ann".to_owned());
    assert_eq!(why(vec![yes("ann", 3)]), one);
    assert_eq!(
        why(vec![yes("ann", 3), yes("ann", 2)]),
        one,
        "the same person twice"
    );
    assert_eq!(why(vec![yes("ann", 3), yes("U0ANN", 2)]), one, "by two names");
    assert_eq!(why(vec![yes("ann", 3), yes("eve", 2)]), one, "no approver");
    assert_eq!(why(vec![yes("ann", 3), yes("bob", 2)]), None);
    assert_eq!(
        why(vec![yes("ann", 8), yes("bob", 2)]),
        Some("1 of 2 approvals, by bob".to_owned()),
        "one has expired"
    );
    let rejected = Some("rejected by bob on 2026-11-21 06:00 UTC".to_owned());
    assert_eq!(why(vec![yes("ann", 3), no("bob", 2)]), rejected);
    assert_eq!(
        why(vec![yes("ann", 3), no("bob", 2), yes("bob", 1)]),
        rejected,
        "a no takes all that was said away, and stands until as many say yes again"
    );
    assert_eq!(why(vec![no("bob", 3), yes("bob", 1), yes("ann", 1)]), None);
}

#[test]
fn nobody_approves_for_himself() {
    let approve = no_notice(config(Mode::Approve));
    let old = snapshot(vec![user("alice", vec![key(1, 200, Some(1))])]);
    let waiting = plan(&approve, &old, &History::default(), now());
    let action = only_action(&waiting);
    let owner = waiting.findings[0].owner.as_ref();
    let history = History::default();
    let weighed = |by: &str, verdict| {
        let person = crate::model::Person::new(by, crate::model::Way::CommandLine);
        weigh(
            &approve,
            &approve.digest(),
            action,
            owner,
            (&person, verdict),
            &history,
            now(),
        )
    };
    for by in ["alice", "ALICE", "alice@example.com"] {
        assert!(
            matches!(weighed(by, Verdict::Approved), Err(Refusal::Oneself(_))),
            "{by}"
        );
        assert!(
            matches!(weighed(by, Verdict::Rejected), Ok(Ballot::New(_))),
            "{by}"
        );
        // However it came into the journal, it is none.
        let yes = said(by, action, &approve, Verdict::Approved, now());
        assert!(held(&approve, vec![yes]).is_some(), "{by}");
    }
    assert!(matches!(weighed("ann", Verdict::Approved), Ok(Ballot::New(_))));
}

#[test]
fn what_still_counts_is_not_said_twice() {
    let approve = no_notice(config(Mode::Approve));
    let old = snapshot(vec![user("alice", vec![key(1, 200, Some(1))])]);
    let waiting = plan(&approve, &old, &History::default(), now());
    let action = only_action(&waiting);
    let ann = crate::model::Person::new("ann", crate::model::Way::CommandLine);
    let again = |decisions: Vec<Decision>, verdict| {
        let history = History {
            decisions,
            ..History::default()
        };
        let ballot = weigh(
            &approve,
            &approve.digest(),
            action,
            None,
            (&ann, verdict),
            &history,
            now(),
        );
        ballot.unwrap() == Ballot::Repeats
    };
    let yes = |by: &str, ago| said(by, action, &approve, Verdict::Approved, now() - days(ago));
    let no = |by: &str, ago| said(by, action, &approve, Verdict::Rejected, now() - days(ago));
    assert!(again(vec![yes("ann", 1)], Verdict::Approved));
    assert!(!again(vec![yes("ann", 1)], Verdict::Rejected));
    assert!(!again(vec![yes("ann", 8)], Verdict::Approved), "it has expired");
    assert!(!again(vec![yes("bob", 1)], Verdict::Approved), "somebody else's");
    assert!(
        !again(vec![yes("ann", 2), no("bob", 1)], Verdict::Approved),
        "it was overruled"
    );
    assert!(again(
        vec![yes("ann", 2), no("bob", 1), yes("ann", 0)],
        Verdict::Approved
    ));
}

/// An exemption of alice that was granted then.
fn granted(rule: &str, until: &str, at: DateTime<Utc>) -> crate::model::RequestedExemption {
    use crate::model::{ExemptionAnswer, ExemptionId, ExemptionRequest, Person, Way};
    crate::model::RequestedExemption {
        request: ExemptionRequest {
            id: ExemptionId("exm_1".to_owned()),
            account: crate::model::AccountId::parse(fixture::ACCOUNT).unwrap(),
            resource: fixture::user_arn("alice"),
            rules: vec![crate::rules::find(rule).unwrap().rule_name()],
            until: until.parse().unwrap(),
            reason: "vendor".to_owned(),
            owner: None,
            by: Person::new("alice", Way::Chat),
            at,
        },
        answer: Some(ExemptionAnswer {
            granted: true,
            by: Person::new("ann", Way::Chat),
            reason: None,
            at,
        }),
        revoked: None,
    }
}

#[test]
fn granted_exemptions_count_like_declared_ones_until_they_end() {
    let enforce = no_notice(config(Mode::Enforce));
    let old = snapshot(vec![
        user("alice", vec![key(1, 200, Some(1))]),
        user("bob", vec![key(2, 200, Some(1))]),
    ]);
    let acted_on = |exemption: crate::model::RequestedExemption| {
        let history = History {
            exemptions: vec![exemption],
            ..History::default()
        };
        let planned = plan(&enforce, &old, &history, now());
        let names = planned
            .actions
            .iter()
            .map(|action| action.resource.name().to_owned());
        names.collect::<Vec<_>>()
    };
    let rotation = |until| granted("access_key_rotation", until, now() - days(1));
    assert_eq!(acted_on(rotation("2026-11-23")), ["bob"], "its last day");
    assert_eq!(acted_on(rotation("2026-11-22")), ["alice", "bob"], "over");
    let other = granted("unused_access_keys", "2027-01-01", now());
    assert_eq!(acted_on(other), ["alice", "bob"], "another rule");
    let mut asked = rotation("2027-01-01");
    asked.answer = None;
    assert_eq!(acted_on(asked), ["alice", "bob"], "nobody granted it");
    let mut refused = rotation("2027-01-01");
    refused.answer.as_mut().unwrap().granted = false;
    assert_eq!(acted_on(refused), ["alice", "bob"]);
    let mut revoked = rotation("2027-01-01");
    revoked.revoked = Some(crate::model::ExemptionRevocation {
        by: revoked.request.by.clone(),
        reason: None,
        at: now(),
    });
    assert_eq!(acted_on(revoked), ["alice", "bob"]);
}

#[test]
fn an_exemption_granted_since_the_plan_holds_the_action_and_voids_its_approval() {
    for mode in [Mode::Enforce, Mode::Approve] {
        let config = no_notice(config(mode));
        let old = snapshot(vec![user("alice", vec![key(1, 200, Some(1))])]);
        let waiting = plan(&config, &old, &History::default(), now());
        let action = only_action(&waiting);
        let yes = said("ann", action, &config, Verdict::Approved, now() - days(2));
        let mut history = History {
            decisions: vec![yes],
            ..History::default()
        };
        let due = plan(&config, &old, &history, now());
        let action = only_action(&due);
        let rules = BTreeMap::from([(action.finding.clone(), crate::rules::ACCESS_KEY_ROTATION)]);
        assert!(confirm(&config, action, &rules, &history, now()).is_ok());
        history.exemptions = vec![granted("access_key_rotation", "2026-12-01", now() - days(1))];
        for rules in [&rules, &BTreeMap::new()] {
            let refused = confirm(&config, action, rules, &history, now()).unwrap_err();
            assert_eq!(refused.0, WithheldReason::Approval);
        }
        // Taken back: the approval of before is none any more.
        history.exemptions[0].revoked = Some(crate::model::ExemptionRevocation {
            by: history.exemptions[0].request.by.clone(),
            reason: None,
            at: now(),
        });
        let again = plan(&config, &old, &history, now());
        let expected = (mode == Mode::Approve).then_some(WithheldReason::Approval);
        assert_eq!(only_action(&again).withheld_reason, expected);
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
