//! What rules found, and until when it stands.

use std::collections::{BTreeMap, BTreeSet};

use super::fixtures::*;
use crate::model::*;

pub(super) async fn findings_stand_until_they_are_gone(f: Fixture) {
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

pub(super) async fn of_accounts_that_are_gone_nothing_stands(f: Fixture) {
    let here = BTreeSet::from([account()]);
    f.state.end_findings_beyond(&here).await.unwrap();
    let elsewhere = AccountId::parse("999999999999").unwrap();
    let there = Finding {
        id: FindingId("fnd_there".into()),
        account: elsewhere.clone(),
        ..finding("carol")
    };
    for (account, finding) in [(account(), finding("alice")), (elsewhere.clone(), there.clone())] {
        let found = std::slice::from_ref(&finding);
        f.state
            .record_findings(RUN, &rule(), &account, found, at(0))
            .await
            .unwrap();
    }
    let standing = async || {
        let records = f.state.findings(None, false).await.unwrap();
        records
            .into_iter()
            .map(|record| record.finding.account)
            .collect::<BTreeSet<_>>()
    };
    f.state
        .end_findings_beyond(&BTreeSet::from([account(), elsewhere.clone()]))
        .await
        .unwrap();
    assert_eq!(standing().await, BTreeSet::from([account(), elsewhere.clone()]));
    f.state.end_findings_beyond(&here).await.unwrap();
    assert_eq!(standing().await, here);
    let evaluations = f.state.evaluations().await.unwrap();
    assert!(
        evaluations
            .iter()
            .all(|evaluation| evaluation.account == account())
    );
    assert_eq!(
        f.state.findings(None, true).await.unwrap().len(),
        2,
        "it is not forgotten"
    );
    // It is there again.
    f.state
        .record_findings(RUN, &rule(), &elsewhere, &[there], at(1))
        .await
        .unwrap();
    assert_eq!(standing().await, BTreeSet::from([account(), elsewhere]));
}
