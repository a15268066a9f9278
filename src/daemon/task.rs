//! Work that is done again and again: delivering the outbox, probing the state, forgetting what is old.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::Notify;

use super::{Cause, Clock, Shutdown};
use crate::telemetry::Chain;

/// Wakes a recurring task before its time, such as the delivery when a message was put into the outbox. Kept until
/// heard; several before that are one.
#[derive(Debug, Clone, Default)]
pub struct Wake(Arc<Notify>);

impl Wake {
    /// Nobody called yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Does the work now.
    pub fn now(&self) {
        self.0.notify_one();
    }
}

/// How a task recurs.
#[derive(Debug, Clone)]
pub struct Repetition {
    /// In logs.
    pub name: &'static str,
    /// The pause between the end of one turn and the start of the next.
    pub every: Duration,
    /// Ends the pause early.
    pub wake: Wake,
    /// How long a turn in flight may go on once somebody asked to stop; then it is abandoned.
    pub grace: Duration,
}

impl Repetition {
    /// For what is safe to abandon: a message half delivered is delivered again.
    pub const SHORT_GRACE: Duration = Duration::from_secs(5);
    /// For what changes something: a call to AWS of 25 seconds is finished and recorded, and the process still ends within
    /// 30.
    pub const LONG_GRACE: Duration = Duration::from_secs(27);
}

/// Does the work at once, then again after each pause or call, until somebody asks to stop. A turn that fails or
/// panics is logged, and the next turn tries afresh. Turns never overlap.
pub async fn repeat<F, E>(repetition: Repetition, clock: &Clock, shutdown: &Shutdown, work: impl Fn() -> F)
where
    F: Future<Output = Result<(), E>>,
    E: Into<Cause>,
{
    let Repetition {
        name,
        every,
        wake,
        grace,
    } = repetition;
    while !shutdown.is_requested() {
        let patience = async {
            shutdown.requested().await;
            clock.sleep(grace).await;
        };
        tokio::select! {
            turn = guard(&work) => {
                if let Err(error) = turn {
                    tracing::error!(task = name, error = %Chain(&*error), "failed; the next turn tries again");
                }
            }
            () = patience => {
                tracing::warn!(task = name, "abandoned to stop in time; the next start takes it up again");
                return;
            }
        }
        tokio::select! {
            () = shutdown.requested() => {}
            () = wake.0.notified() => {}
            () = clock.sleep(every) => {}
        }
    }
}

/// The work ended by a panic, which the panic hook has logged.
#[derive(Debug, thiserror::Error)]
#[error("it panicked")]
struct Panicked;

/// Does the work; a panic in it is an error like any other.
pub(super) async fn guard<F, T, E>(work: impl FnOnce() -> F) -> Result<T, Cause>
where
    F: Future<Output = Result<T, E>>,
    E: Into<Cause>,
{
    match AssertUnwindSafe(async { work().await }).catch_unwind().await {
        Ok(outcome) => outcome.map_err(Into::into),
        Err(_payload) => Err(Panicked.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::sync::mpsc;

    use super::*;

    fn every_five_seconds(wake: &Wake) -> Repetition {
        Repetition {
            name: "outbox",
            every: Duration::from_secs(5),
            wake: wake.clone(),
            grace: Repetition::SHORT_GRACE,
        }
    }

    #[tokio::test]
    async fn turns_come_with_time_or_when_called_whatever_the_last_one_did() {
        let (clock, hand) = Clock::manual("2026-11-23T06:00:00Z".parse().unwrap());
        let (shutdown, wake) = (Shutdown::new(), Wake::new());
        let (turns, mut seen) = mpsc::unbounded_channel();
        let count = Arc::new(AtomicU32::new(0));
        let task = tokio::spawn({
            let (clock, shutdown, repetition) = (clock.clone(), shutdown.clone(), every_five_seconds(&wake));
            async move {
                repeat(repetition, &clock, &shutdown, move || {
                    let (turns, turn) = (turns.clone(), count.fetch_add(1, Ordering::SeqCst));
                    async move {
                        turns.send(turn).unwrap();
                        match turn {
                            0 => Err("no network"),
                            1 => panic!("a defect"),
                            _ => Ok(()),
                        }
                    }
                })
                .await;
            }
        });
        assert_eq!(seen.recv().await, Some(0));
        wake.now();
        assert_eq!(seen.recv().await, Some(1));
        wake.now();
        assert_eq!(seen.recv().await, Some(2));
        // The pause begins after the turn: let it begin, then let it pass.
        while seen.is_empty() {
            tokio::task::yield_now().await;
            hand.advance(Duration::from_secs(5));
        }
        assert_eq!(seen.recv().await, Some(3));
        shutdown.request();
        task.await.unwrap();
    }

    #[tokio::test]
    async fn a_turn_that_hangs_does_not_hold_up_the_end() {
        let (clock, hand) = Clock::manual("2026-11-23T06:00:00Z".parse().unwrap());
        let shutdown = Shutdown::new();
        let mut task = std::pin::pin!(repeat(
            every_five_seconds(&Wake::new()),
            &clock,
            &shutdown,
            || { std::future::pending::<Result<(), std::io::Error>>() }
        ));
        assert!(futures_util::poll!(&mut task).is_pending());
        shutdown.request();
        assert!(
            futures_util::poll!(&mut task).is_pending(),
            "it has a moment to finish"
        );
        hand.advance(Repetition::SHORT_GRACE);
        task.await;
    }
}
