//! What was asked for, and what came of it.

use super::fixtures::*;
use crate::model::{
    ExemptionAnswer, ExemptionId, ExemptionRequest, ExemptionRevocation, ExemptionStanding, Person, Way,
};
use crate::state::ExemptionChange;

pub(super) fn request(number: u32) -> ExemptionRequest {
    ExemptionRequest {
        id: ExemptionId(format!("exm_{number}")),
        account: account(),
        resource: user("alice"),
        rules: vec![rule()],
        until: "2027-01-31".parse().unwrap(),
        reason: format!("vendor integration {number}"),
        owner: None,
        by: Person::new("U0ALICE", Way::Chat),
        at: at(0),
    }
}

pub(super) fn answer(granted: bool, minutes: i64) -> ExemptionAnswer {
    ExemptionAnswer {
        granted,
        by: Person::new("ann", Way::Page),
        reason: Some("agreed".to_owned()),
        at: at(minutes),
    }
}

pub(super) fn revocation() -> ExemptionRevocation {
    ExemptionRevocation {
        by: Person::new("bob", Way::CommandLine),
        reason: None,
        at: at(9),
    }
}

pub(super) async fn the_first_answer_counts_and_only_what_was_granted_is_remembered(f: Fixture) {
    let state = &f.state;
    let (one, two) = (request(1), request(2));
    for request in [&one, &two] {
        assert_eq!(state.request_exemption(request, at(0)).await.unwrap(), *request);
    }
    let mut again = request(3);
    again.reason = one.reason.clone();
    assert_eq!(
        state.request_exemption(&again, at(1)).await.unwrap(),
        one,
        "asked before and not answered yet"
    );
    assert_eq!(state.exemptions().await.unwrap().len(), 2);
    let history = state.history(&account(), at(1)).await.unwrap();
    assert_eq!(history.exemptions, [], "nothing is granted yet");
    let nothing_to_take_back = state
        .revoke_exemption(&one.id, &revocation(), at(2))
        .await
        .unwrap();
    assert!(matches!(nothing_to_take_back, ExemptionChange::Unchanged(_)));

    let granted = state
        .answer_exemption(&one.id, &answer(true, 3), at(3))
        .await
        .unwrap();
    let ExemptionChange::Recorded(granted) = granted else {
        panic!("{granted:?}")
    };
    assert_eq!(granted.granted_at(), Some(at(3)));
    let later = state
        .answer_exemption(&one.id, &answer(false, 4), at(4))
        .await
        .unwrap();
    assert_eq!(later, ExemptionChange::Unchanged(granted.clone()));
    state
        .answer_exemption(&two.id, &answer(false, 4), at(4))
        .await
        .unwrap();
    let history = state.history(&account(), at(5)).await.unwrap();
    assert_eq!(history.exemptions, [granted]);
    let unknown = ExemptionId("exm_9".to_owned());
    let change = state
        .answer_exemption(&unknown, &answer(true, 5), at(5))
        .await
        .unwrap();
    assert_eq!(change, ExemptionChange::Unknown);

    state
        .revoke_exemption(&one.id, &revocation(), at(9))
        .await
        .unwrap();
    let twice = state
        .revoke_exemption(&one.id, &revocation(), at(10))
        .await
        .unwrap();
    assert!(matches!(twice, ExemptionChange::Unchanged(_)));
    let standings: Vec<_> = state
        .exemptions()
        .await
        .unwrap()
        .iter()
        .map(|known| known.standing(at(0).date_naive()))
        .collect();
    assert_eq!(
        standings,
        [ExemptionStanding::Revoked, ExemptionStanding::Refused]
    );
    let report = state.verify(None).await.unwrap();
    assert!(report.is_whole(), "{report:?}");
    assert_eq!(report.rows, 5);
}

pub(super) async fn one_that_cannot_be_read_leaves_nothing_of_the_memory(f: Fixture) {
    let state = &f.state;
    state.request_exemption(&request(1), at(0)).await.unwrap();
    state
        .answer_exemption(&request(1).id, &answer(true, 1), at(1))
        .await
        .unwrap();
    f.run_sql(
        "INSERT INTO journal (seq, at, kind, account, payload, previous, hash) \
         SELECT seq + 1, '2026-01-01T00:00:00.000000Z', 'exemption_answered', '123456789012', '{}', hash, 'x' \
         FROM journal_head",
    )
    .await;
    let other = crate::model::AccountId::parse("999999999999").unwrap();
    assert!(state.history(&account(), at(2)).await.is_err());
    assert!(
        state.history(&other, at(2)).await.is_ok(),
        "its own account alone"
    );
    assert!(state.exemptions().await.is_err());
}
