//! What every database has to do.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::fixtures::*;
use super::{exemptions, outbox, turns};
use crate::model::*;
use crate::state::*;

type Case = futures_util::future::LocalBoxFuture<'static, ()>;

/// Runs every case on an empty state of its own.
pub(super) async fn contract(make: impl AsyncFn() -> Fixture) {
    let cases: [fn(Fixture) -> Case; 31] = [
        |f| Box::pin(an_attempt_is_open_until_its_outcome(f)),
        |f| Box::pin(an_intent_needs_its_lease(f)),
        |f| Box::pin(the_cap_of_a_day_counts_what_may_have_happened(f)),
        |f| Box::pin(a_freeze_holds_changes_but_not_their_undoing(f)),
        |f| Box::pin(consent_is_spent_once(f)),
        |f| Box::pin(a_later_rejection_takes_consent_away(f)),
        |f| Box::pin(readings_have_to_agree(f)),
        |f| Box::pin(what_is_applied_can_be_undone_once(f)),
        |f| Box::pin(what_was_rolled_back_is_known_by_what_it_is_about(f)),
        |f| Box::pin(a_late_answer_is_the_truth(f)),
        |f| Box::pin(what_was_not_made_is_looked_at_again_for_a_while(f)),
        |f| Box::pin(runs_tell_what_they_did(f)),
        |f| Box::pin(plans_are_found_by_their_beginning(f)),
        |f| Box::pin(observations_last_while_they_are_seen(f)),
        |f| Box::pin(findings_stand_until_they_are_gone(f)),
        |f| Box::pin(whole_values_come_back(f)),
        |f| Box::pin(outbox::the_same_message_is_queued_once(f)),
        |f| Box::pin(outbox::a_notice_counts_once_it_is_accepted(f)),
        |f| Box::pin(outbox::messages_of_owners_can_be_left_waiting(f)),
        |f| Box::pin(outbox::a_message_is_tried_by_one_at_a_time(f)),
        |f| Box::pin(outbox::what_is_given_up_shows_and_may_be_sent_anew(f)),
        |f| Box::pin(outbox::notices_are_not_forgotten_with_their_message(f)),
        |f| Box::pin(outbox::of_a_change_somebody_is_told_once(f)),
        |f| Box::pin(exemptions::the_first_answer_counts_and_only_what_was_granted_is_remembered(f)),
        |f| {
            Box::pin(exemptions::one_that_cannot_be_read_leaves_nothing_of_the_memory(
                f,
            ))
        },
        |f| Box::pin(text_is_ordered_by_its_bytes(f)),
        |f| Box::pin(the_longest_names_are_kept(f)),
        |f| Box::pin(a_lease_that_ran_out_cannot_be_renewed(f)),
        |f| Box::pin(turns::a_turn_is_taken_by_one_and_done_once_for_its_time(f)),
        |f| Box::pin(turns::of_a_replica_that_fell_silent_others_take_over(f)),
        |f| Box::pin(turns::a_duty_stays_with_whoever_has_it(f)),
    ];
    for case in cases {
        case(make().await).await;
    }
}

async fn history(f: &Fixture, minutes: i64) -> History {
    f.state.history(&account(), at(minutes)).await.unwrap()
}

async fn assert_whole(f: &Fixture) {
    let report = f.state.verify(None).await.unwrap();
    assert_eq!(report.faults, []);
    assert_eq!(report.head, f.state.head().await.unwrap());
}

async fn an_attempt_is_open_until_its_outcome(f: Fixture) {
    let lease = f.lease().await;
    let id = f.record(&lease, &disabling(1), at(0)).await;
    assert_eq!(
        history(&f, 0).await.unsettled,
        BTreeSet::from([disabling(1).action])
    );
    let again = f
        .state
        .record_intent(&lease, &disabling(1), None, at(1))
        .await
        .unwrap();
    assert_eq!(again, IntentRecorded::AlreadyOpen(id));
    f.state
        .record_outcome(id, Outcome::Unknown, "timed out", None, at(1))
        .await
        .unwrap();
    let open = f.state.open_intents(&account()).await.unwrap();
    assert_eq!(open.len(), 1);
    assert_eq!(
        (open[0].id, open[0].status, open[0].attempt),
        (id, AttemptStatus::Unknown, 1)
    );
    assert_eq!(open[0].intent, disabling(1));
    assert_eq!(open[0].fencing, lease.fencing());

    f.state
        .record_outcome(id, Outcome::NotApplied, "still active", None, at(2))
        .await
        .unwrap();
    assert_eq!(f.state.open_intents(&account()).await.unwrap(), []);
    let second = f.record(&lease, &disabling(1), at(3)).await;
    assert_eq!(f.state.open_intents(&account()).await.unwrap()[0].attempt, 2);
    f.state
        .record_outcome(second, Outcome::Failed, "AccessDenied", None, at(3))
        .await
        .unwrap();
    // The same again is no news; another is refused.
    f.state
        .record_outcome(second, Outcome::Failed, "AccessDenied", None, at(4))
        .await
        .unwrap();
    let error = f
        .state
        .record_outcome(second, Outcome::Applied, "", None, at(4))
        .await
        .unwrap_err();
    assert!(matches!(error.cause(), Cause::AlreadySettled { .. }), "{error}");
    let history = history(&f, 5).await;
    assert!(history.unsettled.is_empty() && history.disabled_keys.is_empty());
    assert_whole(&f).await;
}

async fn an_intent_needs_its_lease(f: Fixture) {
    let lease = f.lease().await;
    let head = f.state.head().await.unwrap();
    f.move_clock(30_001).await;
    let lost = f
        .state
        .record_intent(&lease, &disabling(1), None, at(0))
        .await
        .unwrap();
    assert_eq!(lost, IntentRecorded::LeaseLost);
    let other = f.state.acquire_lease(&account(), "two").await.unwrap().unwrap();
    let lost = f
        .state
        .record_intent(&lease, &disabling(1), None, at(0))
        .await
        .unwrap();
    assert_eq!(lost, IntentRecorded::LeaseLost);
    assert_eq!(f.state.head().await.unwrap(), head);
    assert_eq!(f.state.open_intents(&account()).await.unwrap(), []);

    f.record(&other, &disabling(1), at(0)).await;
    let mut elsewhere = disabling(2);
    elsewhere.account = AccountId::parse("210987654321").unwrap();
    let error = f
        .state
        .record_intent(&other, &elsewhere, None, at(0))
        .await
        .unwrap_err();
    assert!(matches!(error.cause(), Cause::WrongAccount { .. }), "{error}");
    assert_whole(&f).await;
}

async fn the_cap_of_a_day_counts_what_may_have_happened(f: Fixture) {
    let lease = f.lease().await;
    f.perform(&lease, &disabling(1), at(0)).await;
    f.record(&lease, &disabling(2), at(1)).await;
    let failed = f.record(&lease, &disabling(3), at(2)).await;
    f.state
        .record_outcome(failed, Outcome::Failed, "", None, at(2))
        .await
        .unwrap();
    assert_eq!(history(&f, 3).await.changes_in_last_day, 2);
    let capped = f
        .state
        .record_intent(&lease, &disabling(4), Some(2), at(3))
        .await
        .unwrap();
    assert_eq!(capped, IntentRecorded::DayCapReached { changes: 2 });
    // Undoing is not held back, and does not count.
    f.perform(&lease, &undoing(1), at(4)).await;
    assert_eq!(history(&f, 4).await.changes_in_last_day, 2);
    // A clock set back does not free anything; a day later the first is out.
    assert_eq!(history(&f, -10).await.changes_in_last_day, 2);
    assert_eq!(history(&f, 24 * 60).await.changes_in_last_day, 1);
    let recorded = f
        .state
        .record_intent(&lease, &disabling(4), Some(2), at(24 * 60))
        .await
        .unwrap();
    assert!(matches!(recorded, IntentRecorded::Recorded(_)));
    let none = f
        .state
        .record_intent(&lease, &disabling(5), Some(0), at(100 * 60))
        .await
        .unwrap();
    assert_eq!(none, IntentRecorded::DayCapReached { changes: 0 });
}

async fn a_freeze_holds_changes_but_not_their_undoing(f: Fixture) {
    let lease = f.lease().await;
    f.perform(&lease, &disabling(1), at(0)).await;
    assert_eq!(f.state.frozen().await.unwrap(), None);
    assert_eq!(f.state.unfreeze("bob", at(0)).await.unwrap(), None);
    f.state.freeze("incident 7", "bob", at(1)).await.unwrap();
    let freeze = Freeze {
        reason: "incident 7".into(),
        by: "bob".into(),
        at: at(1),
    };
    assert_eq!(f.state.frozen().await.unwrap(), Some(freeze.clone()));
    assert_eq!(history(&f, 1).await.frozen, Some(freeze.clone()));
    let frozen = f
        .state
        .record_intent(&lease, &disabling(2), None, at(1))
        .await
        .unwrap();
    assert_eq!(frozen, IntentRecorded::Frozen(freeze.clone()));
    f.perform(&lease, &undoing(1), at(2)).await;
    assert_eq!(f.state.unfreeze("bob", at(3)).await.unwrap(), Some(freeze));
    assert_eq!(f.state.frozen().await.unwrap(), None);
    f.perform(&lease, &disabling(2), at(3)).await;
    assert_whole(&f).await;
}

async fn consent_is_spent_once(f: Fixture) {
    let lease = f.lease().await;
    let gone = IntentRecorded::ConsentGone;
    let without = Intent {
        mode: ActionMode::Approve,
        ..disabling(1)
    };
    assert_eq!(
        f.state
            .record_intent(&lease, &without, None, at(0))
            .await
            .unwrap(),
        gone
    );
    let consent = f.decide(&disabling(1), Verdict::Approved, at(0)).await;
    let other = f
        .state
        .record_intent(&lease, &approved(2, consent), None, at(0))
        .await
        .unwrap();
    assert_eq!(other, gone);

    // An attempt that fails spends nothing.
    let failed = f.record(&lease, &approved(1, consent), at(1)).await;
    f.state
        .record_outcome(failed, Outcome::Failed, "throttled", None, at(1))
        .await
        .unwrap();
    assert_eq!(
        history(&f, 1).await.decisions,
        [decision(&disabling(1), Verdict::Approved, at(0)).decision]
    );
    let unknown = f.record(&lease, &approved(1, consent), at(2)).await;
    f.state
        .record_outcome(unknown, Outcome::Unknown, "reset", None, at(2))
        .await
        .unwrap();
    assert_eq!(history(&f, 2).await.decisions.len(), 1);
    // Settled as applied, it does.
    f.state
        .record_outcome(unknown, Outcome::Applied, "found inactive", None, at(3))
        .await
        .unwrap();
    assert_eq!(history(&f, 3).await.decisions, []);
    assert!(f.state.decisions(9).await.unwrap()[0].spent);

    f.perform(&lease, &undoing(1), at(4)).await;
    assert_eq!(
        history(&f, 4).await.decisions,
        [],
        "undoing does not give consent back"
    );
    assert_eq!(
        f.state
            .record_intent(&lease, &approved(1, consent), None, at(5))
            .await
            .unwrap(),
        gone
    );
    let anew = f.decide(&disabling(1), Verdict::Approved, at(6)).await;
    f.perform(&lease, &approved(1, anew), at(7)).await;
    assert_whole(&f).await;
}

async fn a_later_rejection_takes_consent_away(f: Fixture) {
    let lease = f.lease().await;
    let rejected = f.decide(&disabling(1), Verdict::Rejected, at(0)).await;
    let approval = f.decide(&disabling(1), Verdict::Approved, at(1)).await;
    let by_no = f
        .state
        .record_intent(&lease, &approved(1, rejected), None, at(1))
        .await
        .unwrap();
    assert_eq!(by_no, IntentRecorded::ConsentGone);
    f.decide(&disabling(1), Verdict::Rejected, at(2)).await;
    let late = f
        .state
        .record_intent(&lease, &approved(1, approval), None, at(2))
        .await
        .unwrap();
    assert_eq!(late, IntentRecorded::ConsentGone);
    let unspent = f.state.unspent_decisions(&account()).await.unwrap();
    let verdicts: Vec<_> = unspent.iter().map(|record| record.decision.verdict).collect();
    assert_eq!(
        verdicts,
        [Verdict::Rejected, Verdict::Approved, Verdict::Rejected]
    );
    assert_eq!(unspent[1].id, approval);
    assert_eq!(unspent[1].reason.as_deref(), Some("SEC-1"));
}

async fn readings_have_to_agree(f: Fixture) {
    let lease = f.lease().await;
    let id = f.record(&lease, &disabling(1), at(0)).await;
    let since = async |looks_applied, minutes| {
        f.state
            .settle_reading(id, looks_applied, at(minutes))
            .await
            .unwrap()
            .agreeing_since
    };
    assert_eq!(since(false, 1).await, at(1));
    assert_eq!(since(false, 2).await, at(1));
    assert_eq!(since(true, 3).await, at(3));
    assert_eq!(since(true, 4).await, at(3));
    assert_eq!(since(true, 2).await, at(2), "a clock set back starts afresh");
    let open = f.state.open_intents(&account()).await.unwrap();
    assert_eq!(
        open[0].settling,
        Some(SettleProgress {
            looks_applied: true,
            agreeing_since: at(2)
        })
    );
    f.state
        .record_outcome(id, Outcome::Applied, "", None, at(5))
        .await
        .unwrap();
    let error = f.state.settle_reading(id, true, at(6)).await.unwrap_err();
    assert!(matches!(error.cause(), Cause::AlreadySettled { .. }), "{error}");
}

async fn what_is_applied_can_be_undone_once(f: Fixture) {
    let lease = f.lease().await;
    let first = f.perform(&lease, &disabling(1), at(0)).await;
    let applied = f.state.applied_actions(AppliedSelection::Run(RUN)).await.unwrap();
    assert_eq!(applied.len(), 1);
    assert_eq!((applied[0].id, &applied[0].intent), (first, &disabling(1)));
    assert_eq!(applied[0].after, Some(json!("Inactive")));
    let disabled = DisabledKey {
        user: user("alice"),
        at: at(0),
    };
    assert_eq!(
        history(&f, 0).await.disabled_keys,
        BTreeMap::from([(key(1), disabled)])
    );

    // An undoing that fails leaves it applied.
    let failed = f.record(&lease, &undoing(1), at(1)).await;
    f.state
        .record_outcome(failed, Outcome::Failed, "AccessDenied", None, at(1))
        .await
        .unwrap();
    let action = disabling(1).action;
    assert_eq!(
        f.state
            .applied_actions(AppliedSelection::Action(&action))
            .await
            .unwrap()
            .len(),
        1
    );
    f.perform(&lease, &undoing(1), at(2)).await;
    assert_eq!(
        f.state
            .applied_actions(AppliedSelection::Action(&action))
            .await
            .unwrap(),
        []
    );
    let after = history(&f, 3).await;
    let target = Target::of(&disabling(1).resource, &disabling(1).change);
    assert_eq!(after.rolled_back, BTreeMap::from([(target, at(2))]));
    assert!(after.disabled_keys.is_empty());

    let again = f.perform(&lease, &disabling(1), at(4)).await;
    assert!(history(&f, 5).await.rolled_back.is_empty());
    let applied = f
        .state
        .applied_actions(AppliedSelection::Account(&account()))
        .await
        .unwrap();
    assert_eq!(
        applied.iter().map(|attempt| attempt.id).collect::<Vec<_>>(),
        [again]
    );
    assert_whole(&f).await;
}

async fn what_was_rolled_back_is_known_by_what_it_is_about(f: Fixture) {
    let lease = f.lease().await;
    let root = Arn::parse("arn:aws:iam::123456789012:root").unwrap();
    let declared = |length| {
        let change = Change::UpdatePasswordPolicy(PasswordPolicy {
            minimum_length: length,
            ..PasswordPolicy::aws_default()
        });
        Intent {
            action: ActionId::of(&account(), &root, &change),
            resource: root.clone(),
            change,
            inverse: Some(Inverse::DeletePasswordPolicy),
            precondition: Precondition::PasswordPolicy {
                password_policy: None,
            },
            ..disabling(1)
        }
    };
    f.perform(&lease, &declared(14), at(0)).await;
    let undoing = Intent {
        direction: Direction::Undo,
        ..declared(14)
    };
    f.perform(&lease, &undoing, at(1)).await;
    let rolled_back = history(&f, 2).await.rolled_back;
    let other = declared(15);
    assert_eq!(
        rolled_back.get(&Target::of(&other.resource, &other.change)),
        Some(&at(1)),
        "whatever policy would be written next"
    );
    f.perform(&lease, &other, at(3)).await;
    assert!(history(&f, 4).await.rolled_back.is_empty());
    assert_whole(&f).await;
}

async fn a_late_answer_is_the_truth(f: Fixture) {
    let lease = f.lease().await;
    let consent = f.decide(&disabling(1), Verdict::Approved, at(0)).await;
    let id = f.record(&lease, &approved(1, consent), at(0)).await;
    f.state
        .record_outcome(id, Outcome::NotApplied, "reads agree", None, at(2))
        .await
        .unwrap();
    f.state
        .record_outcome(id, Outcome::Applied, "answered at last", None, at(3))
        .await
        .unwrap();
    assert_eq!(
        f.state
            .applied_actions(AppliedSelection::Run(RUN))
            .await
            .unwrap()
            .len(),
        1
    );
    assert_eq!(history(&f, 4).await.decisions, []);
    assert_whole(&f).await;
}

async fn what_was_not_made_is_looked_at_again_for_a_while(f: Fixture) {
    let lease = f.lease().await;
    let loose = async |minutes| -> Vec<IntentId> {
        let attempts = f.state.loose_ends(&account(), at(minutes)).await.unwrap();
        attempts.iter().map(|attempt| attempt.id).collect()
    };
    let open = f.record(&lease, &disabling(1), at(0)).await;
    let not_made = f.record(&lease, &disabling(2), at(0)).await;
    let refused = f.record(&lease, &disabling(3), at(0)).await;
    assert_eq!(loose(99).await, [open, not_made, refused]);
    for (id, outcome) in [(not_made, Outcome::NotApplied), (refused, Outcome::Failed)] {
        f.state
            .record_outcome(id, outcome, "", None, at(2))
            .await
            .unwrap();
    }
    assert_eq!(loose(2).await, [open, not_made]);
    assert_eq!(loose(3).await, [open], "long ago is settled for good");
    assert_eq!(
        f.state.accounts_with_loose_ends(at(3)).await.unwrap(),
        [account()]
    );
    let again = f.record(&lease, &disabling(2), at(3)).await;
    assert_eq!(loose(2).await, [open, again], "it was tried again");
    let whose = |account: &str| AccountId::parse(account).unwrap();
    assert_eq!(
        f.state.loose_ends(&whose("210987654321"), at(0)).await.unwrap(),
        []
    );
}

async fn runs_tell_what_they_did(f: Fixture) {
    let lease = f.lease().await;
    let caller = Arn::parse("arn:aws:sts::123456789012:assumed-role/iamwarden/run").unwrap();
    f.state
        .begin_run("01JDDEAD", "run", at(-60), None, None, &config_digest())
        .await
        .unwrap();
    f.state
        .begin_run(RUN, "apply", at(0), Some(&caller), None, &config_digest())
        .await
        .unwrap();
    let failed = f.record(&lease, &disabling(1), at(1)).await;
    f.state
        .record_outcome(failed, Outcome::Failed, "throttled", None, at(1))
        .await
        .unwrap();
    f.perform(&lease, &disabling(1), at(2)).await;
    f.record(&lease, &disabling(2), at(3)).await;
    let gone = disabling(3);
    let stale = StaleAction {
        action: &gone.action,
        run: RUN,
        account: &gone.account,
        resource: &gone.resource,
        change: &gone.change,
        direction: Direction::Apply,
        detail: "the key is inactive",
    };
    f.state.record_stale(stale, at(4)).await.unwrap();
    f.state
        .finish_run(RUN, at(5), "failed", &json!({"applied": 1}))
        .await
        .unwrap();
    f.perform(&lease, &undoing(1), at(6)).await;

    let runs = f.state.runs(9).await.unwrap();
    assert_eq!(
        runs.iter().map(|run| run.id.as_str()).collect::<Vec<_>>(),
        [RUN, "01JDDEAD"]
    );
    assert_eq!((runs[1].status.as_str(), runs[1].finished_at), (UNFINISHED, None));
    assert_eq!(runs[0].caller.as_ref(), Some(&caller));
    assert_eq!(runs[0].summary, Some(json!({"applied": 1})));
    let told: Vec<_> = runs[0]
        .actions
        .iter()
        .map(|action| {
            (
                action.subject.as_str(),
                action.direction,
                action.outcome,
                action.attempts,
            )
        })
        .collect();
    let (one, two, three) = (key(1), key(2), key(3));
    assert_eq!(
        told,
        [
            (one.as_str(), Direction::Apply, ActionOutcome::Applied, 2),
            (two.as_str(), Direction::Apply, ActionOutcome::Open, 1),
            (one.as_str(), Direction::Undo, ActionOutcome::Applied, 1),
            (three.as_str(), Direction::Apply, ActionOutcome::Stale, 0),
        ]
    );
    assert_eq!(runs[0].actions[0].rolled_back_at, Some(at(6)));
    assert_eq!(f.state.runs(1).await.unwrap().len(), 1);
    assert_eq!(f.state.actions_on(&user("alice")).await.unwrap().len(), 3);
    assert_eq!(f.state.actions_on(&user("bob")).await.unwrap(), []);

    assert_eq!(f.state.last_tick(&rule()).await.unwrap(), None);
    f.state.record_tick(&rule(), at(1)).await.unwrap();
    f.state.record_tick(&rule(), at(2)).await.unwrap();
    assert_eq!(f.state.last_tick(&rule()).await.unwrap(), Some(at(2)));
}

async fn plans_are_found_by_their_beginning(f: Fixture) {
    for (id, made) in [("01JDA1", 0), ("01JDA2", 2), ("01JDB1", 1), ("01JDB", 0)] {
        f.state
            .save_plan(id, "{}", &config_digest(), at(made), at(3))
            .await
            .unwrap();
    }
    let head = f.state.head().await.unwrap();
    f.state
        .save_plan("01JDA1", "{}", &config_digest(), at(0), at(4))
        .await
        .unwrap();
    assert_eq!(f.state.head().await.unwrap(), head);
    let other = f
        .state
        .save_plan("01JDA1", "[]", &config_digest(), at(0), at(4))
        .await
        .unwrap_err();
    assert!(matches!(other.cause(), Cause::PlanExists(_)), "{other}");
    let found = async |wanted: &str| {
        f.state
            .load_plan(wanted)
            .await
            .map(|plan| plan.map(|plan| plan.id))
    };
    assert_eq!(found("latest").await.unwrap().as_deref(), Some("01JDA2"));
    assert_eq!(found("01JDA1").await.unwrap().as_deref(), Some("01JDA1"));
    assert_eq!(found("01jdb1").await.unwrap().as_deref(), Some("01JDB1"));
    assert_eq!(
        found("01JDB").await.unwrap().as_deref(),
        Some("01JDB"),
        "whole ids come first"
    );
    for nothing in ["", "%", "01J_A1", "2"] {
        assert_eq!(found(nothing).await.unwrap(), None, "{nothing}");
    }
    let error = found("01JDA").await.unwrap_err();
    // The contract runs once for each database.
    insta::allow_duplicates! {
        insta::assert_snapshot!(error, @"state: reading plan 01JDA failed: several plans begin with `01JDA`; give more of the id, such as 01JDA1 or 01JDA2");
    }
    f.state.prune(at(60), Span::from_seconds(60)).await.unwrap();
    assert_eq!(found("latest").await.unwrap(), None);
}

async fn observations_last_while_they_are_seen(f: Fixture) {
    let attached = |number: u32| Observation::Attachment {
        principal: user("alice"),
        policy: Arn::parse(&format!("arn:aws:iam::aws:policy/p{number}")).unwrap(),
    };
    let inactive = Observation::InactiveKey {
        access_key_id: key(1),
    };
    let read = async |covered: &[ObservationKind], seen: &[Observation], minutes: i64| {
        let covered = covered.iter().copied().collect();
        let seen = seen.iter().cloned().collect();
        f.state
            .record_observations(&account(), &covered, &seen, at(minutes))
            .await
            .unwrap();
        history(&f, minutes).await.observations
    };
    let lasting = |first, last| Observed {
        first: at(first),
        last: at(last),
    };
    let all = ObservationKind::ALL;
    read(&all, &[attached(1), attached(2), inactive.clone()], 0).await;
    let seen = read(&all, &[attached(1), inactive.clone()], 1).await;
    assert_eq!(
        seen,
        BTreeMap::from([(attached(1), lasting(0, 1)), (inactive.clone(), lasting(0, 1))])
    );
    // A reading that did not cover attachments says nothing of them.
    let seen = read(&[ObservationKind::InactiveKey], &[], 2).await;
    assert_eq!(
        seen,
        BTreeMap::from([(attached(1), lasting(0, 1)), (inactive.clone(), lasting(0, 1))])
    );
    let seen = read(&all, &[attached(1), attached(2), inactive.clone()], 3).await;
    let expected = [
        (attached(1), lasting(0, 3)),
        (attached(2), lasting(3, 3)),
        (inactive.clone(), lasting(3, 3)),
    ];
    assert_eq!(seen, BTreeMap::from(expected));
    // Other accounts are not touched.
    let other = AccountId::parse("210987654321").unwrap();
    f.state
        .record_observations(&other, &all.into(), &BTreeSet::new(), at(4))
        .await
        .unwrap();
    assert_eq!(history(&f, 4).await.observations, seen);

    let many: Vec<_> = (0..5_000).map(attached).collect();
    assert_eq!(read(&all, &many, 5).await.len(), 5_001);
    assert_eq!(read(&all, &many, 6).await[&attached(4_999)], lasting(5, 6));
}

async fn findings_stand_until_they_are_gone(f: Fixture) {
    let record = async |findings: &[Finding], minutes| {
        f.state
            .record_findings(RUN, &rule(), &account(), findings, at(minutes))
            .await
            .unwrap();
    };
    record(&[finding("alice"), finding("bob")], 0).await;
    let milder = Finding {
        severity: Severity::Low,
        ..finding("alice")
    };
    record(std::slice::from_ref(&milder), 1).await;
    let standing = f.state.findings(Some(&account()), false).await.unwrap();
    assert_eq!(standing.len(), 1);
    assert_eq!(
        (
            &standing[0].finding,
            standing[0].first_seen,
            standing[0].last_seen
        ),
        (&milder, at(0), at(1))
    );
    assert_eq!(f.state.findings(None, true).await.unwrap().len(), 2);
    let evaluations = f.state.evaluations().await.unwrap();
    assert_eq!(evaluations.len(), 1);
    assert_eq!(evaluations[0].at, at(1));
    assert_eq!(
        evaluations[0].counts,
        BTreeMap::from([((Severity::Low, FindingStatus::Violation), 1)])
    );

    f.state.prune(at(60), Span::from_seconds(60 * 60)).await.unwrap();
    assert_eq!(f.state.findings(None, true).await.unwrap().len(), 2);
    f.state.prune(at(61), Span::from_seconds(60 * 60)).await.unwrap();
    assert_eq!(
        f.state.findings(None, true).await.unwrap().len(),
        1,
        "what stands is not forgotten"
    );
    record(&[], 62).await;
    assert!(f.state.evaluations().await.unwrap()[0].counts.is_empty());
}

async fn whole_values_come_back(f: Fixture) {
    let lease = f.lease().await;
    let policy_arn = Arn::parse("arn:aws:iam::aws:policy/ReadOnlyAccess").unwrap();
    let with = |change: Change, inverse, precondition| Intent {
        action: ActionId::of(&account(), &user("alice"), &change),
        change,
        inverse,
        precondition,
        ..disabling(1)
    };
    let key_precondition = |last_used| Precondition::AccessKey {
        status: KeyStatus::Other("Suspended".into()),
        created_at: at(0),
        last_used,
    };
    let attachment = Precondition::Attachment {
        policy_arn: policy_arn.clone(),
        version: "v3".into(),
        document: Digest::of_bytes(b"document"),
        attached: true,
        principal_created_at: at(-60),
        members: None,
        last_used: PolicyUse {
            services: BTreeMap::from([("s3".into(), None), ("sqs".into(), Some(at(-9)))]),
        },
    };
    let restored = PasswordPolicy {
        max_age_days: Some(90),
        ..PasswordPolicy::aws_default()
    };
    let delete = Change::DeleteAccessKey {
        access_key_id: key(2),
    };
    let intents = [
        with(delete, None, key_precondition(Some(Some(at(-5))))),
        with(
            Change::DeleteAccessKey {
                access_key_id: key(3),
            },
            None,
            key_precondition(None),
        ),
        with(
            Change::DetachPolicy {
                policy_arn: policy_arn.clone(),
            },
            Some(Inverse::AttachPolicy { policy_arn }),
            attachment,
        ),
        with(
            Change::UpdatePasswordPolicy(PasswordPolicy::api_default()),
            Some(Inverse::DeletePasswordPolicy),
            Precondition::PasswordPolicy {
                password_policy: None,
            },
        ),
        with(
            Change::UpdatePasswordPolicy(PasswordPolicy::aws_default()),
            Some(Inverse::RestorePasswordPolicy(restored.clone())),
            Precondition::PasswordPolicy {
                password_policy: Some(restored),
            },
        ),
    ];
    for intent in &intents {
        f.record(&lease, intent, at(0)).await;
    }
    let open = f.state.open_intents(&account()).await.unwrap();
    assert_eq!(
        open.into_iter().map(|attempt| attempt.intent).collect::<Vec<_>>(),
        intents
    );
    assert_whole(&f).await;
}

/// A plan or a page that is sorted by the database must not depend on which one it is.
async fn text_is_ordered_by_its_bytes(f: Fixture) {
    let names = [
        "_",
        "Zoe",
        "alice",
        "Alice",
        "\u{e9}mile",
        "a-b",
        "ab",
        "a_b",
        "1",
    ];
    let findings: Vec<_> = names
        .iter()
        .map(|name| Finding {
            id: FindingId((*name).to_owned()),
            ..finding("alice")
        })
        .collect();
    f.state
        .record_findings(RUN, &rule(), &account(), &findings, at(0))
        .await
        .unwrap();
    let stored = f.state.findings(None, false).await.unwrap();
    let stored: Vec<_> = stored.iter().map(|record| record.finding.id.as_str()).collect();
    let mut sorted = names;
    sorted.sort_unstable();
    assert_eq!(stored, sorted);
}

/// A path of a principal or policy may have 512 characters, and observations are found by all of it.
async fn the_longest_names_are_kept(f: Fixture) {
    let mut path = String::from("/");
    while path.len() < 500 {
        path.push_str(&format!(
            "part{:x}/",
            Digest::of_bytes(path.as_bytes()).as_str().len() + path.len()
        ));
    }
    let long = |kind: &str, name: usize| {
        let name: String = (0..name)
            .map(|place| char::from(b'a' + (place % 23) as u8))
            .collect();
        Arn::parse(&format!("arn:aws-us-gov:iam::123456789012:{kind}{path}{name}")).unwrap()
    };
    let seen = BTreeSet::from([Observation::UnusedAttachment {
        principal: long("role", 64),
        policy: long("policy", 128),
    }]);
    let covered = BTreeSet::from([ObservationKind::UnusedAttachment]);
    for minutes in [0, 5] {
        f.state
            .record_observations(&account(), &covered, &seen, at(minutes))
            .await
            .unwrap();
    }
    let known = history(&f, 5).await.observations;
    assert_eq!(known.len(), 1);
    assert_eq!(known.first_key_value().unwrap().1.first, at(0));
}

async fn a_lease_that_ran_out_cannot_be_renewed(f: Fixture) {
    let lease = f.lease().await;
    f.move_clock(30_001).await;
    assert!(!f.state.renew_lease(&lease).await.unwrap());
}
