//! Tests of the state. `contract` holds for every database; the rest is about SQLite and its files.

mod contract;
mod exemptions;
mod fixtures;
mod leases;
mod opening;
mod outbox;
mod properties;
mod tampering;

use fixtures::Fixture;

/// Every database that the contract has to hold for: what makes an empty state of it.
#[tokio::test]
async fn contract_of_sqlite_in_memory() {
    contract::contract(async || Fixture::in_memory().await).await;
}

#[tokio::test]
async fn contract_of_sqlite_in_a_file() {
    contract::contract(async || Fixture::in_file().await).await;
}
