//! Two never act at once.

use super::fixtures::*;
use super::postgres::Cluster;
use crate::state::*;

#[tokio::test]
async fn one_holder_at_a_time_over_two_handles() {
    for f in Fixture::of_each_shared().await {
        one_holder_at_a_time(f).await;
    }
}

async fn one_holder_at_a_time(f: Fixture) {
    let second = State::open(&f.url).await.unwrap();
    assert!(!second.created);
    let second = second.state;
    let lease = f.lease().await;
    assert_eq!(
        (lease.account(), lease.holder(), lease.fencing()),
        (&account(), "one", 1)
    );
    assert!(second.acquire_lease(&account(), "two").await.unwrap().is_none());
    assert!(second.acquire_lease(&account(), "one").await.unwrap().is_none());

    f.move_clock(29_000).await;
    assert!(f.state.renew_lease(&lease).await.unwrap());
    f.move_clock(58_000).await;
    assert!(second.acquire_lease(&account(), "two").await.unwrap().is_none());
    f.move_clock(59_100).await;
    let theirs = second.acquire_lease(&account(), "two").await.unwrap().unwrap();
    assert_eq!(theirs.fencing(), 2);
    assert!(!f.state.renew_lease(&lease).await.unwrap());
    // Giving back what is lost takes nothing from the new holder.
    f.state.release_lease(lease).await.unwrap();
    assert!(second.renew_lease(&theirs).await.unwrap());
    second.release_lease(theirs).await.unwrap();
    assert_eq!(f.lease().await.fencing(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_ask_at_once_one_gets_it() {
    for f in Fixture::of_each_shared().await {
        of_many_one_gets_it(f).await;
    }
}

async fn of_many_one_gets_it(f: Fixture) {
    let mut asking = tokio::task::JoinSet::new();
    for number in 0..8 {
        let url = f.url.clone();
        asking.spawn(async move {
            let state = State::open(&url).await.unwrap().state;
            state
                .acquire_lease(&account(), &format!("holder {number}"))
                .await
                .unwrap()
        });
    }
    let leases: Vec<_> = asking.join_all().await.into_iter().flatten().collect();
    assert_eq!(leases.len(), 1);
    assert_eq!(leases[0].fencing(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_start_at_once_one_creates_the_state() {
    let folder = tempfile::tempdir().unwrap();
    let database = Cluster::shared().database();
    for url in [
        format!("sqlite:{}/iamwarden.db", folder.path().display()),
        database.url(),
    ] {
        of_many_one_creates_it(url).await;
    }
}

async fn of_many_one_creates_it(url: String) {
    let mut opening = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let url = url.clone();
        opening.spawn(async move { State::open(&url).await.unwrap().created });
    }
    let created = opening.join_all().await;
    assert_eq!(created.iter().filter(|created| **created).count(), 1);
}
