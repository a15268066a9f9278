//! Tests of the state. `contract` with the cases beside it, `leases` and `tampering` hold for every database; `opening` is about SQLite
//! and its files, `server` about PostgreSQL.

mod attempts;
mod contract;
mod exemptions;
mod findings;
mod fixtures;
mod leases;
mod moving;
mod opening;
mod outbox;
#[path = "../../../tests/support/postgres.rs"]
mod postgres;
mod properties;
mod server;
mod tampering;
mod turns;

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

#[tokio::test]
async fn contract_of_postgres() {
    contract::contract(async || Fixture::in_postgres().await).await;
}
