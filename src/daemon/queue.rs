//! What is handed to the daemon's own tasks, carried out side by side.

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc::Receiver;

use super::{House, InForce, Wake};

/// Carries out what comes in, by the configuration in force at that time, until the process is told to stop. Nothing new is
/// taken in after that; gives what was begun and is not done.
pub(super) async fn carry_out_until_stopped<T, F>(
    queue: &mut Receiver<T>,
    in_force: &InForce,
    delivery: &Wake,
    carry_out: impl Fn(House, T) -> F,
) -> FuturesUnordered<F>
where
    F: Future<Output = ()>,
{
    let shutdown = in_force.get().shutdown;
    let mut open = FuturesUnordered::new();
    loop {
        tokio::select! {
            () = shutdown.requested() => break,
            Some(()) = open.next() => delivery.now(),
            one = queue.recv() => match one {
                Some(one) => open.push(carry_out(in_force.get(), one)),
                None => break,
            },
        }
    }
    queue.close();
    open
}

/// Waits for all that is open; each may have left something to deliver.
pub(super) async fn finish<F>(mut open: FuturesUnordered<F>, delivery: &Wake)
where
    F: Future<Output = ()>,
{
    while open.next().await.is_some() {
        delivery.now();
    }
}
