//! Whole lives of the daemon, each made up from a seed: an account, a declared policy, and steps in which time passes, rules
//! run, messages are refused, people decide and interfere, AWS fails, and the process ends anywhere. After every step the
//! promises are checked, and at the end that all of it comes to rest.
//!
//! A failure names its seed; `IAMWARDEN_SEED=7 cargo test --test simulation` lives that life alone. `IAMWARDEN_SEEDS=1000`
//! lives so many.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

mod acts;
mod estate;
mod faults;
#[allow(dead_code, reason = "shared with the flows, which use all of it")]
#[path = "../flows/installation.rs"]
mod installation;
mod invariants;
mod matrix;
mod play;
mod rows;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use play::Life;

/// Lives side by side: most of the time of each is spent waiting.
const AT_ONCE: usize = 12;
/// What the main thread of a process has, by which the daemon runs: the frames of an unoptimized build are large.
const STACK: usize = 8 << 20;
/// How many lives there are unless asked otherwise.
const LIVES: u64 = 40;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable}={text} is no number")),
    )
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(work)
}

fn live(seed: u64) -> Result<Life, String> {
    let lived = std::panic::AssertUnwindSafe(|| block_on(play::live(seed)));
    std::panic::catch_unwind(lived).unwrap_or_else(|_| Err("it panicked; why stands above".to_owned()))
}

#[test]
fn whatever_happens_the_promises_hold() {
    let seeds = match number("IAMWARDEN_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("IAMWARDEN_SEEDS").unwrap_or(LIVES),
    };
    let next = AtomicU64::new(seeds.start);
    let (lives, broken) = (Mutex::new(Vec::new()), Mutex::new(BTreeMap::new()));
    let lives_of_one = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if !seeds.contains(&seed) {
                return;
            }
            match live(seed) {
                Ok(life) => lives.lock().unwrap().push(life),
                Err(why) => drop(broken.lock().unwrap().insert(seed, why)),
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            let thread = std::thread::Builder::new().stack_size(STACK);
            thread.spawn_scoped(scope, lives_of_one).unwrap();
        }
    });
    let broken = broken.into_inner().unwrap();
    for (seed, why) in &broken {
        eprintln!("IAMWARDEN_SEED={seed} cargo test --test simulation\n{why}");
    }
    assert!(broken.is_empty(), "seeds {:?}", broken.keys().collect::<Vec<_>>());
    assert_that_they_led_somewhere(&lives.into_inner().unwrap());
}

/// Else the promises would have been kept by doing nothing.
fn assert_that_they_led_somewhere(lives: &[Life]) {
    if lives.len() < 20 {
        return;
    }
    let sum = |of: fn(&Life) -> usize| lives.iter().map(of).sum::<usize>();
    let sums = [
        sum(|life| life.changes),
        sum(|life| life.crashes),
        sum(|life| life.rollbacks),
        sum(|life| life.approvals),
        sum(|life| life.faults),
    ];
    eprintln!(
        "{} lives: changes, crashes, rollbacks, approvals, faults {sums:?}",
        lives.len()
    );
    assert!(sums.iter().all(|sum| *sum > 0), "{sums:?}");
}
