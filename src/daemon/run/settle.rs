//! Leases, and attempts that a killed process left behind.

use std::time::Duration;

use super::Run;
use crate::aws::Session;
use crate::execute::{self, ActionReport};
use crate::model::AccountId;
use crate::state::{Lease, State, StateError};

/// How long another holder is waited for: a dead one's lease ends within thirty seconds.
const LEASE_PATIENCE: Duration = Duration::from_secs(45);
const LEASE_POLL: Duration = Duration::from_millis(500);

impl Run<'_> {
    /// The lease of the account, once whoever has it gives it back or lets it end. `None`: not in time, or the process
    /// is told to stop.
    pub(super) async fn lease(
        &self,
        state: &State,
        account: &AccountId,
    ) -> Result<Option<Lease>, StateError> {
        let deadline = tokio::time::Instant::now() + LEASE_PATIENCE;
        loop {
            if let Some(lease) = state.acquire_lease(account, &self.house.holder).await? {
                if let Some(metrics) = &self.house.metrics {
                    metrics.set_lease_held(account, true);
                }
                return Ok(Some(lease));
            }
            let waited = self
                .house
                .shutdown
                .unless_requested(tokio::time::sleep(LEASE_POLL))
                .await;
            if waited.is_none() || tokio::time::Instant::now() >= deadline {
                return Ok(None);
            }
        }
    }

    pub(super) async fn release(&self, state: &State, lease: Lease) -> Result<(), StateError> {
        if let Some(metrics) = &self.house.metrics {
            metrics.set_lease_held(lease.account(), false);
        }
        state.release_lease(lease).await
    }

    /// Settles the account's open attempts by reading AWS, under its lease: whoever holds it may still be at work on
    /// them.
    pub(super) async fn settle(
        &self,
        state: &State,
        session: &Session,
    ) -> Result<Vec<ActionReport>, StateError> {
        let account = session.account();
        if state.open_intents(account).await?.is_empty() {
            return Ok(Vec::new());
        }
        let Some(lease) = self.lease(state, account).await? else {
            return Ok(Vec::new());
        };
        let settled = execute::settle(state, session.reader(), account, self.house.clock.now()).await;
        self.release(state, lease).await?;
        settled
    }
}
