//! The wish to stop, and the wish to read the configuration again.

use std::sync::Arc;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// The wish to stop, shared by everybody. Once made it stays.
///
/// The executor asks [`is_requested`](Self::is_requested) between actions: after the request no new one starts, the
/// one in flight is finished and recorded. What changes nothing (reading AWS, waiting for a lease or for an answer)
/// is abandoned at once by [`unless_requested`](Self::unless_requested).
#[derive(Debug, Clone, Default)]
pub struct Shutdown(CancellationToken);

impl Shutdown {
    /// Nobody wants to stop yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks everybody to stop.
    pub fn request(&self) {
        self.0.cancel();
    }

    /// Whether somebody asked to stop.
    pub fn is_requested(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Returns once somebody asked to stop.
    pub async fn requested(&self) {
        self.0.cancelled().await;
    }

    /// The outcome of the work, or `None` if the request to stop came first: the work is then dropped where it
    /// waits. Never for work that changes something.
    pub async fn unless_requested<F: Future>(&self, work: F) -> Option<F::Output> {
        self.0.run_until_cancelled(work).await
    }
}

/// The wish to read the configuration again. Several wishes before the first is heard are one.
#[derive(Debug, Clone, Default)]
pub struct Reload(Arc<Notify>);

impl Reload {
    /// No wish yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for the configuration to be read again.
    pub fn request(&self) {
        self.0.notify_one();
    }

    /// Returns once somebody asked. One listener only: the scheduler.
    pub async fn requested(&self) {
        self.0.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_to_stop_reaches_every_copy_and_stays() {
        let shutdown = Shutdown::new();
        let copy = shutdown.clone();
        assert!(!copy.is_requested());
        assert_eq!(copy.unless_requested(async { 7 }).await, Some(7));
        shutdown.request();
        copy.requested().await;
        assert!(copy.is_requested());
        assert_eq!(copy.unless_requested(std::future::pending::<()>()).await, None);
    }

    #[tokio::test]
    async fn wishes_to_reload_are_kept_until_heard_and_heard_once() {
        let reload = Reload::new();
        reload.request();
        reload.request();
        reload.requested().await;
        let again = futures_util::poll!(std::pin::pin!(reload.requested()));
        assert!(again.is_pending());
    }
}
