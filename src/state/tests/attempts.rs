//! Attempts to change something: intents, their leases, consent and outcomes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::contract::{assert_whole, history};
use super::fixtures::*;
use crate::model::*;
use crate::state::*;

pub(super) async fn an_attempt_is_open_until_its_outcome(f: Fixture) {
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

pub(super) async fn an_intent_needs_its_lease(f: Fixture) {
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

pub(super) async fn the_cap_of_a_day_counts_what_may_have_happened(f: Fixture) {
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

pub(super) async fn a_freeze_holds_changes_but_not_their_undoing(f: Fixture) {
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

pub(super) async fn consent_is_spent_once(f: Fixture) {
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

pub(super) async fn a_later_rejection_takes_consent_away(f: Fixture) {
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

pub(super) async fn readings_have_to_agree(f: Fixture) {
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

pub(super) async fn what_is_applied_can_be_undone_once(f: Fixture) {
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

pub(super) async fn what_was_rolled_back_is_known_by_what_it_is_about(f: Fixture) {
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

pub(super) async fn a_late_answer_is_the_truth(f: Fixture) {
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

pub(super) async fn what_was_not_made_is_looked_at_again_for_a_while(f: Fixture) {
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
