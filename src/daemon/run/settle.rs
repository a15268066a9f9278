//! Leases, and what a killed process left behind: attempts without an outcome, and outcomes that nobody was told of.

use std::collections::BTreeSet;
use std::time::Duration;

use tracing::warn;

use super::{House, Run};
use crate::aws::{Purpose, Session};
use crate::execute::{self, ActionReport, ActionResult};
use crate::model::AccountId;
use crate::state::{Attempt, Direction, Lease, State, StateError};

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

    /// Settles what is open in these accounts, before anything of it is undone, and reports what nobody was told of. An
    /// account that cannot be reached stays as it is.
    ///
    /// # Errors
    /// Where the state fails.
    pub async fn settle_before_rollback(
        &self,
        state: &State,
        accounts: &BTreeSet<AccountId>,
    ) -> Result<Vec<ActionReport>, StateError> {
        let mut settled = Vec::new();
        for id in accounts {
            let since = execute::looked_at_since(self.house.clock.now());
            if !state.loose_ends(id, since).await?.is_empty() {
                match self.house.connect(id, Purpose::Rollback).await {
                    Ok(session) => self.settle_loose_ends(state, &session).await?,
                    Err(error) => warn!(account = %id, error = format!("{error:#}"), "not settled yet"),
                }
            }
            settled.extend(untold(state, id).await?);
        }
        Ok(settled)
    }

    /// Settles the account's open attempts, and reports what was made there and nobody was told of.
    pub(super) async fn settle(
        &self,
        state: &State,
        session: &Session,
    ) -> Result<Vec<ActionReport>, StateError> {
        self.settle_loose_ends(state, session).await?;
        untold(state, session.account()).await
    }

    /// Settles the account's loose ends by reading AWS, under its lease: whoever holds it may still be at work on them.
    async fn settle_loose_ends(&self, state: &State, session: &Session) -> Result<(), StateError> {
        let account = session.account();
        let since = execute::looked_at_since(self.house.clock.now());
        if state.loose_ends(account, since).await?.is_empty() {
            return Ok(());
        }
        let Some(lease) = self.lease(state, account).await? else {
            return Ok(());
        };
        let settled = execute::settle(state, session.reader(), account, self.house.clock.now()).await;
        self.release(state, lease).await?;
        settled
    }
}

/// What was made in the account and nobody was told of.
pub(super) async fn untold(state: &State, account: &AccountId) -> Result<Vec<ActionReport>, StateError> {
    let attempts = state.untold(account).await?;
    let report = |attempt: &Attempt| {
        let undo = attempt.intent.direction == Direction::Undo;
        ActionReport::of_attempt(attempt, undo, ActionResult::Applied)
    };
    Ok(attempts.iter().map(report).collect())
}

impl House {
    /// A session in this account.
    ///
    /// # Errors
    /// Where there is none, or the credentials lead elsewhere.
    pub(super) async fn connect(&self, id: &AccountId, purpose: Purpose) -> anyhow::Result<Session> {
        let account = self.account(id).await?;
        let now = self.clock.now();
        let session = self.sessions.connect(account.as_ref(), purpose, now).await?;
        anyhow::ensure!(
            session.account() == id,
            "the credentials lead to account {}, the change was made in {id}",
            session.account()
        );
        Ok(session)
    }
}
