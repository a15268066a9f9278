//! The scheduler under a clock moved by hand, a state in memory, and runs that end when the test says so.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;
use crate::daemon::ClockHand;

const ROTATION: RuleName = RuleName::new("access_key_rotation");
const PASSWORDS: RuleName = RuleName::new("password_policy");

/// Long enough for any machine, short enough to fail while somebody looks.
const PATIENCE: Duration = Duration::from_secs(20);

type Agenda = Vec<(RuleName, Schedule)>;
type Outcome = Result<RunEnd, &'static str>;

#[derive(Debug, thiserror::Error)]
#[error("the disk is full")]
struct DiskFull;

#[derive(Clone, Default)]
struct Memory {
    ticks: Arc<Mutex<BTreeMap<RuleName, DateTime<Utc>>>>,
    broken: Arc<AtomicBool>,
}

impl Memory {
    fn answer(&self) -> Result<(), DiskFull> {
        if self.broken.load(Ordering::SeqCst) {
            Err(DiskFull)
        } else {
            Ok(())
        }
    }

    fn tick_of(&self, rule: &RuleName) -> Option<DateTime<Utc>> {
        self.ticks.lock().unwrap().get(rule).copied()
    }

    fn with(ticks: &[(RuleName, &str)]) -> Self {
        let memory = Self::default();
        memory
            .ticks
            .lock()
            .unwrap()
            .extend(ticks.iter().map(|(rule, tick)| (rule.clone(), at(tick))));
        memory
    }
}

impl TickStore for Memory {
    type Error = DiskFull;

    async fn last_tick(&self, rule: &RuleName) -> Result<Option<DateTime<Utc>>, DiskFull> {
        self.answer()?;
        Ok(self.tick_of(rule))
    }

    async fn record_tick(&self, rule: &RuleName, at: DateTime<Utc>) -> Result<(), DiskFull> {
        self.answer()?;
        self.ticks.lock().unwrap().insert(rule.clone(), at);
        Ok(())
    }
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn agenda(schedules: &[(RuleName, &str)]) -> Agenda {
    schedules
        .iter()
        .map(|(rule, text)| (rule.clone(), Schedule::parse(text).unwrap()))
        .collect()
}

/// A run in flight: ends as the test says.
struct Run {
    tick: Tick,
    end: oneshot::Sender<Outcome>,
}

struct House {
    hand: ClockHand,
    scheduler: Scheduler,
    memory: Memory,
    runs: UnboundedReceiver<Run>,
    reloads: UnboundedSender<Result<Agenda, &'static str>>,
    task: JoinHandle<Result<(), SchedulerError>>,
}

impl House {
    fn open(now: &str, schedules: &[(RuleName, &str)], memory: Memory) -> Self {
        let (clock, hand) = Clock::manual(at(now));
        let scheduler = Scheduler {
            clock,
            shutdown: Shutdown::new(),
            reload: Reload::new(),
            readiness: Readiness::new(),
            metrics: Arc::new(Metrics::new([ROTATION, PASSWORDS], &[])),
        };
        let (started, runs) = unbounded_channel();
        let (reloads, next_agenda) = unbounded_channel();
        let next_agenda = Arc::new(tokio::sync::Mutex::new(next_agenda));
        let task = tokio::spawn({
            let (scheduler, memory, agenda) = (scheduler.clone(), memory.clone(), agenda(schedules));
            async move {
                let run = |tick: Tick| {
                    let (end, ended) = oneshot::channel::<Outcome>();
                    started.send(Run { tick, end }).unwrap();
                    // A sender dropped without a word is a run that panics.
                    async move { ended.await.expect("the test lets this run panic") }
                };
                let reload = || {
                    let next_agenda: Arc<tokio::sync::Mutex<UnboundedReceiver<_>>> = next_agenda.clone();
                    async move {
                        next_agenda
                            .lock()
                            .await
                            .recv()
                            .await
                            .unwrap_or(Err("no more agendas"))
                    }
                };
                scheduler.run(agenda, &memory, run, reload).await
            }
        });
        Self {
            hand,
            scheduler,
            memory,
            runs,
            reloads,
            task,
        }
    }

    async fn next_run(&mut self) -> Run {
        tokio::time::timeout(PATIENCE, self.runs.recv())
            .await
            .expect("no run started")
            .unwrap()
    }

    /// Waits until the scheduler has come to rest. The runtime has one thread, so a yield lets everybody else who
    /// can go on do so.
    async fn rest(&self) {
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    }

    async fn set(&self, now: &str) {
        self.rest().await;
        self.hand.set(at(now));
        self.rest().await;
    }

    fn assert_quiet(&mut self) {
        assert!(self.runs.try_recv().is_err(), "a run started that should not");
    }

    fn metric(&self, sample: &str) -> bool {
        self.scheduler
            .metrics
            .encode()
            .unwrap()
            .lines()
            .any(|line| line == sample)
    }

    async fn close(self) {
        self.scheduler.shutdown.request();
        tokio::time::timeout(PATIENCE, self.task)
            .await
            .expect("it does not stop")
            .unwrap()
            .unwrap();
    }
}

const DAILY: &str = "0 0 6 * * *";
const HOURLY: &str = "0 0 * * * *";

#[tokio::test]
async fn rules_due_at_once_are_one_run_and_are_recorded_at_its_end() {
    let memory = Memory::default();
    let mut house = House::open(
        "2026-11-23T05:30:00Z",
        &[(PASSWORDS, HOURLY), (ROTATION, DAILY)],
        memory,
    );
    house.rest().await;
    house.assert_quiet();
    assert!(
        house
            .scheduler
            .readiness
            .report(house.scheduler.clock.now())
            .checks["scheduler_running"]
            .ok
    );
    house.set("2026-11-23T06:00:00Z").await;
    let run = house.next_run().await;
    assert_eq!(
        run.tick,
        Tick {
            at: at("2026-11-23T06:00:00Z"),
            due: BTreeMap::from([
                (ROTATION, at("2026-11-23T06:00:00Z")),
                (PASSWORDS, at("2026-11-23T06:00:00Z"))
            ])
        }
    );
    assert_eq!(
        house.memory.tick_of(&ROTATION),
        Some(at("2026-11-23T05:30:00Z")),
        "not settled yet"
    );
    run.end.send(Ok(RunEnd::Completed)).unwrap();
    house.rest().await;
    assert_eq!(house.memory.tick_of(&ROTATION), Some(at("2026-11-23T06:00:00Z")));
    house.set("2026-11-23T07:00:00Z").await;
    let run = house.next_run().await;
    assert!(run.tick.due.keys().eq(&[PASSWORDS]));
    run.end.send(Err("AWS is away")).unwrap();
    house.rest().await;
    assert_eq!(
        house.memory.tick_of(&PASSWORDS),
        Some(at("2026-11-23T07:00:00Z")),
        "the next tick tries again"
    );
    assert!(house.metric("iamwarden_runs_total{result=\"completed\"} 1"));
    assert!(house.metric("iamwarden_runs_total{result=\"failed\"} 1"));
    house.assert_quiet();
    let (readiness, clock) = (house.scheduler.readiness.clone(), house.scheduler.clock.clone());
    house.close().await;
    assert!(!readiness.report(clock.now()).checks["scheduler_running"].ok);
}

#[tokio::test]
async fn a_schedule_missed_while_down_runs_once_at_start_also_before_the_first_run() {
    let first = House::open("2026-11-20T05:00:00Z", &[(ROTATION, DAILY)], Memory::default());
    first.rest().await;
    let memory = first.memory.clone();
    first.close().await;

    let mut house = House::open("2026-11-23T05:00:00Z", &[(ROTATION, DAILY)], memory);
    let run = house.next_run().await;
    assert_eq!(run.tick.at, at("2026-11-23T05:00:00Z"));
    run.end.send(Ok(RunEnd::Completed)).unwrap();
    house.rest().await;
    house.assert_quiet();
    house.close().await;
}

#[tokio::test]
async fn a_rule_never_overlaps_itself_and_others_wait() {
    let memory = Memory::default();
    let mut house = House::open(
        "2026-11-23T04:30:00Z",
        &[(PASSWORDS, HOURLY), (ROTATION, DAILY)],
        memory,
    );
    house.set("2026-11-23T05:00:00Z").await;
    let long = house.next_run().await;
    assert!(long.tick.due.keys().eq(&[PASSWORDS]));
    house.set("2026-11-23T06:00:00Z").await;
    house.assert_quiet();
    assert!(house.metric("iamwarden_schedule_skips_total{rule=\"password_policy\"} 1"));
    house.set("2026-11-23T06:20:00Z").await;
    long.end.send(Ok(RunEnd::Completed)).unwrap();
    let waited = house.next_run().await;
    assert_eq!(
        waited.tick,
        Tick {
            at: at("2026-11-23T06:20:00Z"),
            due: BTreeMap::from([(ROTATION, at("2026-11-23T06:00:00Z"))])
        }
    );
    assert_eq!(house.memory.tick_of(&PASSWORDS), Some(at("2026-11-23T06:20:00Z")));
    // Its time comes again while it runs, and the run ends before the scheduler has looked.
    house.hand.set(at("2026-11-24T06:00:00Z"));
    waited.end.send(Ok(RunEnd::Completed)).unwrap();
    let next = house.next_run().await;
    assert!(next.tick.due.keys().eq(&[PASSWORDS]));
    assert!(house.metric("iamwarden_schedule_skips_total{rule=\"access_key_rotation\"} 1"));
    next.end.send(Ok(RunEnd::Completed)).unwrap();
    house.close().await;
}

#[tokio::test]
async fn a_clock_that_jumps_runs_nothing_twice_and_catches_up_once() {
    let memory = Memory::with(&[(ROTATION, "2026-11-23T00:00:00Z")]);
    let mut house = House::open("2026-11-23T05:59:00Z", &[(ROTATION, HOURLY)], memory);
    house.next_run().await.end.send(Ok(RunEnd::Completed)).unwrap();
    house.set("2026-11-23T06:00:00Z").await;
    house.next_run().await.end.send(Ok(RunEnd::Completed)).unwrap();
    house.set("2026-11-23T05:50:00Z").await;
    house.set("2026-11-23T06:00:00Z").await;
    house.set("2026-11-23T06:59:59Z").await;
    house.assert_quiet();
    house.set("2026-11-25T12:30:00Z").await;
    house.next_run().await.end.send(Ok(RunEnd::Completed)).unwrap();
    house.rest().await;
    house.assert_quiet();
    // Two years ahead, then corrected: the tick of the wrong year does not silence the rule.
    house.set("2028-11-25T12:30:00Z").await;
    house.next_run().await.end.send(Ok(RunEnd::Completed)).unwrap();
    house.set("2026-11-25T12:40:00Z").await;
    house.assert_quiet();
    house.set("2026-11-25T13:00:00Z").await;
    house.next_run().await.end.send(Ok(RunEnd::Completed)).unwrap();
    house.rest().await;
    assert_eq!(house.memory.tick_of(&ROTATION), Some(at("2026-11-25T13:00:00Z")));
    house.close().await;
}

#[tokio::test]
async fn after_the_request_to_stop_nothing_starts_and_the_run_in_flight_is_recorded() {
    let memory = Memory::with(&[(ROTATION, "2026-11-22T06:00:00Z")]);
    let often = "*/5 * * * * *";
    let mut house = House::open(
        "2026-11-23T06:00:00Z",
        &[(ROTATION, DAILY), (PASSWORDS, often)],
        memory,
    );
    let run = house.next_run().await;
    assert!(run.tick.due.keys().eq(&[ROTATION]));
    house.scheduler.shutdown.request();
    house.set("2026-11-23T06:00:20Z").await;
    assert!(!house.task.is_finished(), "it waits for the run in flight");
    run.end.send(Ok(RunEnd::Completed)).unwrap();
    house.rest().await;
    house.assert_quiet();
    let memory = house.memory.clone();
    house.close().await;
    assert_eq!(memory.tick_of(&ROTATION), Some(at("2026-11-23T06:00:20Z")));
}

#[tokio::test]
async fn a_run_cut_short_by_the_end_is_taken_up_at_the_next_start() {
    let memory = Memory::with(&[(ROTATION, "2026-11-22T06:00:00Z")]);
    let mut house = House::open("2026-11-23T06:00:00Z", &[(ROTATION, DAILY)], memory);
    let run = house.next_run().await;
    house.scheduler.shutdown.request();
    house.rest().await;
    assert!(!house.task.is_finished(), "it waits for the run in flight");
    run.end.send(Ok(RunEnd::Interrupted)).unwrap();
    let memory = house.memory.clone();
    house.close().await;
    assert_eq!(memory.tick_of(&ROTATION), Some(at("2026-11-22T06:00:00Z")));

    let mut next = House::open("2026-11-23T06:05:00Z", &[(ROTATION, DAILY)], memory);
    assert!(next.next_run().await.tick.due.keys().eq(&[ROTATION]));
}

#[tokio::test]
async fn a_tick_that_was_left_undone_is_not_served_and_tried_here_with_the_next() {
    let memory = Memory::with(&[(ROTATION, "2026-11-22T06:00:00Z")]);
    let mut house = House::open("2026-11-23T06:00:00Z", &[(ROTATION, DAILY)], memory);
    house.next_run().await.end.send(Ok(RunEnd::LeftUndone)).unwrap();
    house.rest().await;
    house.assert_quiet();
    assert_eq!(
        house.memory.tick_of(&ROTATION),
        Some(at("2026-11-22T06:00:00Z")),
        "there for other replicas"
    );
    assert!(house.metric("iamwarden_runs_total{result=\"failed\"} 1"));
    house.set("2026-11-24T06:00:00Z").await;
    house.next_run().await.end.send(Ok(RunEnd::Completed)).unwrap();
    house.rest().await;
    assert_eq!(house.memory.tick_of(&ROTATION), Some(at("2026-11-24T06:00:00Z")));
}

#[tokio::test]
async fn a_run_that_does_not_end_is_left_behind_in_time() {
    let memory = Memory::with(&[(ROTATION, "2026-11-22T06:00:00Z")]);
    let mut house = House::open("2026-11-23T06:00:00Z", &[(ROTATION, DAILY)], memory);
    let run = house.next_run().await;
    house.scheduler.shutdown.request();
    house.rest().await;
    house.hand.advance(GRACE);
    house.close().await;
    assert!(run.end.is_closed());
}

#[tokio::test]
async fn a_run_that_panics_is_a_failed_run() {
    let memory = Memory::with(&[(ROTATION, "2026-11-22T06:00:00Z")]);
    let mut house = House::open("2026-11-23T06:00:00Z", &[(ROTATION, DAILY)], memory);
    drop(house.next_run().await.end);
    house.rest().await;
    assert!(house.metric("iamwarden_runs_total{result=\"failed\"} 1"));
    house.assert_quiet();
    house.set("2026-11-24T06:00:00Z").await;
    house.next_run().await.end.send(Ok(RunEnd::Completed)).unwrap();
    house.close().await;
}

#[tokio::test]
async fn a_reload_swaps_the_agenda_or_is_refused() {
    let memory = Memory::default();
    let mut house = House::open("2026-11-23T05:30:00Z", &[(ROTATION, DAILY)], memory);
    house.rest().await;
    house.scheduler.reload.request();
    house
        .reloads
        .send(Err("line 3: mode: `enforced` is not a mode"))
        .unwrap();
    house.set("2026-11-23T06:00:00Z").await;
    let run = house.next_run().await;
    assert!(house.metric("iamwarden_config_reloads_total{result=\"refused\"} 1"));

    // While a run is in flight: a rule is added, and the old one gets a time that is past today.
    house.scheduler.reload.request();
    house
        .reloads
        .send(Ok(agenda(&[(ROTATION, "0 30 5 * * *"), (PASSWORDS, HOURLY)])))
        .unwrap();
    house.rest().await;
    assert!(house.metric("iamwarden_config_reloads_total{result=\"adopted\"} 1"));
    run.end.send(Ok(RunEnd::Completed)).unwrap();
    house.rest().await;
    house.assert_quiet();
    house.set("2026-11-23T07:00:00Z").await;
    let run = house.next_run().await;
    assert!(run.tick.due.keys().eq(&[PASSWORDS]));
    run.end.send(Ok(RunEnd::Completed)).unwrap();

    // While nothing runs: the new time is past today, and is not made up for, even where that cannot be recorded.
    house.rest().await;
    house.memory.broken.store(true, Ordering::SeqCst);
    house.scheduler.reload.request();
    let later = agenda(&[(ROTATION, "0 45 6 * * *"), (PASSWORDS, DAILY)]);
    house.reloads.send(Ok(later)).unwrap();
    house.rest().await;
    assert!(house.metric("iamwarden_config_reloads_total{result=\"adopted\"} 2"));
    house.memory.broken.store(false, Ordering::SeqCst);
    house.set("2026-11-23T07:01:00Z").await;
    house.assert_quiet();
    house.set("2026-11-24T06:45:00Z").await;
    let run = house.next_run().await;
    assert!(run.tick.due.keys().eq(&[ROTATION, PASSWORDS]));
    run.end.send(Ok(RunEnd::Completed)).unwrap();
    house.close().await;
}

#[tokio::test]
async fn a_state_that_does_not_answer_holds_the_run_until_it_does() {
    let memory = Memory::with(&[(ROTATION, "2026-11-23T00:00:00Z")]);
    let mut house = House::open("2026-11-23T05:30:00Z", &[(ROTATION, DAILY)], memory);
    house.rest().await;
    house.memory.broken.store(true, Ordering::SeqCst);
    house.set("2026-11-23T06:00:00Z").await;
    house.assert_quiet();
    house.memory.broken.store(false, Ordering::SeqCst);
    house.set("2026-11-23T06:00:29Z").await;
    house.assert_quiet();
    house.set("2026-11-23T06:00:30Z").await;
    house.next_run().await.end.send(Ok(RunEnd::Completed)).unwrap();
    house.rest().await;
    assert!(house.metric("iamwarden_runs_total{result=\"completed\"} 1"));
    house.close().await;

    let broken = Memory::default();
    broken.broken.store(true, Ordering::SeqCst);
    let refused = House::open("2026-11-23T05:30:00Z", &[(ROTATION, DAILY)], broken)
        .task
        .await
        .unwrap();
    insta::assert_snapshot!(Chain(&refused.unwrap_err()), @"cannot read from the state when rule access_key_rotation ran last, so nothing is run; check `state.url`: the disk is full");
}

#[tokio::test]
async fn what_another_copy_has_served_is_not_served_again() {
    let memory = Memory::with(&[(ROTATION, "2026-11-23T00:00:00Z")]);
    let mut house = House::open("2026-11-23T05:30:00Z", &[(ROTATION, DAILY)], memory);
    house.rest().await;
    house
        .memory
        .ticks
        .lock()
        .unwrap()
        .insert(ROTATION, at("2026-11-23T06:00:00Z"));
    house.set("2026-11-23T06:00:01Z").await;
    house.assert_quiet();
    assert!(house.metric("iamwarden_runs_total{result=\"completed\"} 0"));
    house.set("2026-11-24T06:00:00Z").await;
    house.next_run().await.end.send(Ok(RunEnd::Completed)).unwrap();
    house.close().await;
}
