//! The lease of an account: whoever holds it may change the account, and nobody else.
//!
//! It lasts thirty seconds by the database's clock and is renewed every ten. Each new holder gets a higher fencing
//! number, for good. The holder also watches a clock of his own that cannot be set back, and stops ten seconds early.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::connection::State;
use super::encoding::{counter_number, parse_counter};
use super::error::{Cause, StateError, during};
use super::statement::query;
use crate::model::AccountId;

/// How long a lease lasts, by the database's clock.
pub const LEASE_DURATION: Duration = Duration::from_secs(30);
/// How long after it was last renewed its holder may still begin a call.
pub const LEASE_SAFE_FOR: Duration = Duration::from_secs(20);

pub(super) const LEASE_MS: i64 = 30_000;

/// The right to change one account. Only [`State::acquire_lease`] makes one.
#[derive(Debug)]
pub struct Lease {
    account: AccountId,
    holder: String,
    fencing: u64,
    acquired: Instant,
    /// Milliseconds from `acquired` to just before the last renewal was asked for.
    renewed_after: AtomicU64,
}

impl Lease {
    /// Of which account.
    pub fn account(&self) -> &AccountId {
        &self.account
    }

    /// Held by whom.
    pub fn holder(&self) -> &str {
        &self.holder
    }

    /// Higher than that of every holder before.
    pub fn fencing(&self) -> u64 {
        self.fencing
    }

    /// Whether a call may still begin: the last renewal is less than [`LEASE_SAFE_FOR`] ago. Counted from before
    /// the database was asked, so a slow answer shortens it.
    pub fn is_safe(&self) -> bool {
        let renewed = self.acquired + Duration::from_millis(self.renewed_after.load(Ordering::Acquire));
        renewed.elapsed() < LEASE_SAFE_FOR
    }

    fn note_renewal(&self, asked: Instant) {
        let after = asked.saturating_duration_since(self.acquired).as_millis();
        // 584 million years fit.
        let after = u64::try_from(after).unwrap_or(u64::MAX);
        self.renewed_after.fetch_max(after, Ordering::AcqRel);
    }
}

impl State {
    /// Takes the lease of an account. `None` while anybody holds it, the same holder included.
    ///
    /// # Errors
    /// [`StateError`] where the database cannot be written.
    pub async fn acquire_lease(
        &self,
        account: &AccountId,
        holder: &str,
    ) -> Result<Option<Lease>, StateError> {
        let asked = Instant::now();
        during(format!("taking the lease of account {account}"), async {
            let mut transaction = self.write().await?;
            let fencing: Option<i64> = query(
                "INSERT INTO leases (account, holder, fencing, expires_ms) \
                 SELECT $1, $2, 1, now_ms + $3 FROM database_clock WHERE true \
                 ON CONFLICT (account) DO UPDATE SET \
                     holder = excluded.holder, fencing = leases.fencing + 1, expires_ms = excluded.expires_ms \
                     WHERE leases.expires_ms <= excluded.expires_ms - $3 \
                 RETURNING fencing",
            )
            .bind(account.as_str())
            .bind(holder)
            .bind(LEASE_MS)
            .fetch_optional_value(&mut transaction)
            .await?;
            transaction.commit().await?;
            let Some(fencing) = fencing else { return Ok(None) };
            Ok(Some(Lease {
                account: account.clone(),
                holder: holder.to_owned(),
                fencing: parse_counter("fencing number", fencing)?,
                acquired: asked,
                renewed_after: AtomicU64::new(0),
            }))
        })
        .await
    }

    /// Makes the lease last thirty seconds from now. `false`: it is lost, and stays lost.
    ///
    /// # Errors
    /// [`StateError`] where the database cannot be written; the lease then runs out by itself.
    pub async fn renew_lease(&self, lease: &Lease) -> Result<bool, StateError> {
        let asked = Instant::now();
        let renewed = during(
            format!("renewing the lease of account {}", lease.account),
            async {
                let statement = "UPDATE leases SET expires_ms = (SELECT now_ms FROM database_clock) + $1 \
                 WHERE account = $2 AND holder = $3 AND fencing = $4 \
                 AND expires_ms > (SELECT now_ms FROM database_clock)";
                self.change_lease(lease, statement, LEASE_MS).await
            },
        )
        .await?;
        if renewed {
            lease.note_renewal(asked);
        }
        Ok(renewed)
    }

    /// Gives the lease back, so that others need not wait for its end. The fencing number stays.
    ///
    /// # Errors
    /// [`StateError`] where the database cannot be written; the lease then runs out by itself.
    pub async fn release_lease(&self, lease: Lease) -> Result<(), StateError> {
        during(
            format!("releasing the lease of account {}", lease.account),
            async {
                let statement =
                    "UPDATE leases SET expires_ms = $1 WHERE account = $2 AND holder = $3 AND fencing = $4";
                // A lease that was lost meanwhile belongs to somebody else: nothing to give back.
                self.change_lease(&lease, statement, 0).await.map(|_| ())
            },
        )
        .await
    }

    async fn change_lease(&self, lease: &Lease, statement: &'static str, number: i64) -> Result<bool, Cause> {
        let mut transaction = self.write().await?;
        let changed = query(statement)
            .bind(number)
            .bind(lease.account.as_str())
            .bind(&lease.holder)
            .bind(counter_number("fencing number", lease.fencing)?)
            .execute(&mut transaction)
            .await?;
        transaction.commit().await?;
        Ok(changed == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_holder_stops_well_before_the_end() {
        let state = State::open("sqlite::memory:").await.unwrap().state;
        let account = AccountId::parse("123456789012").unwrap();
        let mut lease = state.acquire_lease(&account, "one").await.unwrap().unwrap();
        let acquired = lease.acquired;
        assert!(lease.is_safe());
        lease.acquired = acquired - LEASE_SAFE_FOR + Duration::from_secs(5);
        assert!(lease.is_safe());
        lease.acquired = acquired - LEASE_SAFE_FOR;
        assert!(!lease.is_safe());
        assert!(state.renew_lease(&lease).await.unwrap());
        assert!(lease.is_safe());
    }
}
