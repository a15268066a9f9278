//! Who consented to what, and what still counts of it.

use super::*;

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
fn a_no_ends_the_yes_before_it_whatever_it_is_bound_to() {
    // The state lets no approval be spent that a no came after: a plan that calls the action due would never be true.
    let approve = no_notice(config(Mode::Approve));
    let old = snapshot(vec![user("alice", vec![key(1, 200, Some(1))])]);
    let action = only_action(&plan(&approve, &old, &History::default(), now())).clone();
    let mut other = approve.clone();
    other.guardrails.max_changes_per_run = 24;
    let yes = |at| decision(&action, &approve, Verdict::Approved, at);
    let no = decision(&action, &other, Verdict::Rejected, now() - days(1));
    let withheld = |decisions| {
        let history = History {
            decisions,
            ..History::default()
        };
        only_action(&plan(&approve, &old, &history, now())).withheld_reason
    };
    assert_eq!(
        withheld(vec![yes(now() - days(2)), no.clone()]),
        Some(WithheldReason::Approval)
    );
    assert_eq!(withheld(vec![no, yes(now())]), None);
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
fn confirmation_at_the_last_moment_sees_what_came_since() {
    let enforce = no_notice(config(Mode::Enforce));
    let old = snapshot(vec![user("alice", vec![key(1, 200, Some(1))])]);
    let due = plan(&enforce, &old, &History::default(), now());
    let action = only_action(&due);
    assert!(
        confirm(
            &enforce,
            action,
            &BTreeMap::new(),
            &History::default(),
            now(),
            now()
        )
        .is_ok()
    );
    let reason = |config: &Config, history: History| {
        confirm(config, action, &BTreeMap::new(), &history, now(), now())
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
    assert!(confirm(&dry, action, &BTreeMap::new(), &History::default(), now(), now()).is_err());
    let mut held = action.clone();
    held.state = ActionState::Withheld;
    held.withheld_reason = Some(WithheldReason::WouldLockOut);
    let refused = confirm(
        &enforce,
        &held,
        &BTreeMap::new(),
        &History::default(),
        now(),
        now(),
    )
    .unwrap_err();
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
            confirm(
                &approve,
                only_action(&planned),
                &BTreeMap::new(),
                &history,
                now(),
                now()
            )
            .is_ok(),
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
    let confirmed = confirm(config, action, &BTreeMap::new(), &history, now(), now());
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
fn a_group_is_left_alone_when_a_user_is_exempted_while_the_plan_is_carried_out() {
    let enforce = no_notice(config(Mode::Enforce));
    let old = snapshot(vec![user("alice", vec![key(1, 200, Some(1))])]);
    let planned = plan(&enforce, &old, &History::default(), now());
    let of_group = Action {
        resource: crate::model::Arn::parse(&format!("arn:aws:iam::{}:group/staff", fixture::ACCOUNT))
            .unwrap(),
        ..only_action(&planned).clone()
    };
    let rules = BTreeMap::from([(of_group.finding.clone(), crate::rules::ACCESS_KEY_ROTATION)]);
    let carried_out = |rule: &str, granted_at: DateTime<Utc>| {
        let history = History {
            exemptions: vec![granted(rule, "2026-12-01", granted_at)],
            ..History::default()
        };
        confirm(&enforce, &of_group, &rules, &history, now() - days(1), now()).is_ok()
    };
    assert!(!carried_out("access_key_rotation", now()));
    assert!(
        carried_out("access_key_rotation", now() - days(2)),
        "the plan knew of it"
    );
    assert!(carried_out("unused_access_keys", now()), "another rule");
}

#[test]
fn a_no_in_enforce_outlives_the_configuration_that_it_was_said_under() {
    let enforce = no_notice(config(Mode::Enforce));
    let old = snapshot(vec![user("alice", vec![key(1, 200, Some(1))])]);
    let planned = plan(&enforce, &old, &History::default(), now());
    let no = said(
        "ann",
        only_action(&planned),
        &enforce,
        Verdict::Rejected,
        now() - days(40),
    );
    let history = History {
        decisions: vec![no],
        ..History::default()
    };
    let held = |config: &Config| only_action(&plan(config, &old, &history, now())).withheld_reason;
    let mut other = enforce.clone();
    other.rules.access_key_rotation.max_age = Span::from_days(91);
    assert_ne!(other.digest(), enforce.digest());
    assert_eq!(held(&enforce), Some(WithheldReason::Approval));
    assert_eq!(held(&other), Some(WithheldReason::Approval));
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
        assert!(confirm(&config, action, &rules, &history, now(), now()).is_ok());
        history.exemptions = vec![granted("access_key_rotation", "2026-12-01", now() - days(1))];
        for rules in [&rules, &BTreeMap::new()] {
            let refused = confirm(&config, action, rules, &history, now(), now()).unwrap_err();
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
