//! Runs the rules when they are due.
//!
//! What is due is worked out by [`due`]; here is only the waiting. One run at a time: rules due at once share it,
//! rules that fall due meanwhile wait for its end, and a rule that is still running when it falls due again skips
//! that time.
//!
//! A tick is recorded when its run has ended, well or badly. A run that a shutdown or a crash cut short is not
//! recorded, so the next start takes it up again at once, as it does a scheduled time that was missed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;

use super::agenda::is_believable;
use super::task::guard;
use super::{Cause, Check, Clock, Due, Readiness, Reload, Shutdown, due, settle_the_unknown};
use crate::config::Schedule;
use crate::model::RuleName;
use crate::telemetry::{Chain, Metrics, ReloadResult, RunResult};

/// How long the run in flight may go on after the request to stop: a call to AWS of 25 seconds is finished and
/// recorded, and the process still ends within 30.
const GRACE: Duration = Duration::from_secs(27);

/// How long to wait before asking a state again that did not answer.
const RETRY: TimeDelta = TimeDelta::seconds(30);

/// A run later than this was missed, not merely woken a little late.
const LATE: TimeDelta = TimeDelta::minutes(1);

/// The ticks in the state.
pub trait TickStore {
    /// Why the state did not answer.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Up to when the rule's schedule is settled; `None`: it never was.
    fn last_tick(
        &self,
        rule: &RuleName,
    ) -> impl Future<Output = Result<Option<DateTime<Utc>>, Self::Error>> + Send;

    /// Records up to when the rule's schedule is settled. Overwrites, also with an earlier time: the clock may have
    /// been ahead.
    fn record_tick(
        &self,
        rule: &RuleName,
        at: DateTime<Utc>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// One tick of the daemon: the rules due, for one run together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tick {
    /// When it was found due.
    pub at: DateTime<Utc>,
    /// At least one rule, each with the first scheduled time since its last tick.
    pub due: BTreeMap<RuleName, DateTime<Utc>>,
}

/// How a run ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunEnd {
    /// It came to its end, whatever it found or could not do.
    Completed,
    /// It stopped half-way because the process stops; the next start takes it up again.
    Interrupted,
    /// Nothing came of it for a reason of this process alone, such as a wrong clock: another replica may serve the tick.
    LeftUndone,
}

/// The scheduler cannot start.
#[derive(Debug, thiserror::Error)]
pub enum SchedulerError {
    /// The state does not say when the rule ran last.
    #[error("cannot read from the state when rule {rule} ran last, so nothing is run; check `state.url`")]
    LastTick {
        /// The rule.
        rule: RuleName,
        /// Why.
        source: Cause,
    },
}

/// The scheduler's surroundings.
#[derive(Debug, Clone)]
pub struct Scheduler {
    /// The time.
    pub clock: Clock,
    /// Ends the scheduler.
    pub shutdown: Shutdown,
    /// Asks it for a new agenda.
    pub reload: Reload,
    /// Told whether it runs.
    pub readiness: Readiness,
    /// Told what it did.
    pub metrics: Arc<Metrics>,
}

/// What the scheduler remembers.
struct Book {
    agenda: Vec<(RuleName, Schedule)>,
    /// Up to when each rule is settled, or will be once its run has ended.
    ticks: BTreeMap<RuleName, DateTime<Utc>>,
    /// The rules of the run in flight, each with its tick before.
    running: BTreeMap<RuleName, Option<DateTime<Utc>>>,
    /// The state did not answer: no run before.
    hold_until: Option<DateTime<Utc>>,
}

/// How a tick ended.
enum Ended {
    /// It is settled up to this time.
    Settled(DateTime<Utc>),
    /// The state did not say whether it is due, so nothing ran.
    Unknown,
}

/// A new agenda, and the rules whose old ticks say nothing about it.
struct Adopted {
    agenda: Vec<(RuleName, Schedule)>,
    fresh: Vec<RuleName>,
    at: DateTime<Utc>,
}

/// Why the scheduler woke.
enum Woken {
    Stop,
    Ended(Ended),
    ReloadAsked,
    Reloaded(Option<Adopted>),
    Time,
}

impl Scheduler {
    /// Runs rules when they are due until somebody asks to stop; the run in flight is then waited for.
    ///
    /// `agenda` names the rules that are not off, with their schedules. `run` does one run; it must ask
    /// [`Shutdown`] between actions, and abandon what changes nothing (see [`Shutdown::unless_requested`]), so that
    /// it ends in time. `reload` reads the configuration, puts it in force for later runs and answers with its
    /// agenda, or refuses; then everything stays as it was. A rule that a reload adds, or whose schedule it changes,
    /// waits for its next scheduled time.
    ///
    /// # Errors
    /// [`SchedulerError`] where the state does not answer at the start. Later it is asked again until it does.
    pub async fn run<S, R, RF, RE, L, LF, LE>(
        &self,
        agenda: Vec<(RuleName, Schedule)>,
        ticks: &S,
        run: R,
        reload: L,
    ) -> Result<(), SchedulerError>
    where
        S: TickStore,
        R: Fn(Tick) -> RF,
        RF: Future<Output = Result<RunEnd, RE>>,
        RE: Into<Cause>,
        L: Fn() -> LF,
        LF: Future<Output = Result<Vec<(RuleName, Schedule)>, LE>>,
        LE: Into<Cause>,
    {
        let opened = self.shutdown.unless_requested(self.open(agenda, ticks)).await;
        let Some(mut book) = opened.transpose()? else {
            return Ok(());
        };
        let _running = Running::report(&self.readiness);
        let mut runs = FuturesUnordered::new();
        let mut reloads = FuturesUnordered::new();
        while !self.shutdown.is_requested() {
            let now = self.clock.now();
            let (due, wake_at) = self.turn(&mut book, now);
            if let Some(due) = due {
                runs.push(self.serve(due, now, ticks, &run));
            }
            let woken = tokio::select! {
                biased;
                () = self.shutdown.requested() => Woken::Stop,
                Some(ended) = runs.next() => Woken::Ended(ended),
                Some(adopted) = reloads.next() => Woken::Reloaded(adopted),
                () = self.reload.requested(), if reloads.is_empty() => Woken::ReloadAsked,
                () = wait(&self.clock, wake_at) => Woken::Time,
            };
            match woken {
                Woken::Stop | Woken::Time => {}
                Woken::Ended(ended) => self.settle(&mut book, ended),
                Woken::ReloadAsked => reloads.push(self.adopt(book.agenda.clone(), ticks, &reload)),
                Woken::Reloaded(None) => {}
                Woken::Reloaded(Some(adopted)) => book.adopt(adopted),
            }
        }
        if !runs.is_empty() {
            tokio::select! {
                _ended = runs.next() => {}
                () = self.clock.sleep(GRACE) => tracing::warn!(
                    "the run in flight did not end in time; what is open is settled at the next start"
                ),
            }
        }
        Ok(())
    }

    /// Reads where the rules stand. A rule never seen before is noted now, so that a scheduled time missed before
    /// its first run counts as missed.
    async fn open<S: TickStore>(
        &self,
        agenda: Vec<(RuleName, Schedule)>,
        store: &S,
    ) -> Result<Book, SchedulerError> {
        let mut ticks = BTreeMap::new();
        for (rule, _) in &agenda {
            let last = store
                .last_tick(rule)
                .await
                .map_err(|source| SchedulerError::LastTick {
                    rule: rule.clone(),
                    source: source.into(),
                })?;
            ticks.extend(last.map(|last| (rule.clone(), last)));
        }
        let now = self.clock.now();
        for rule in settle_the_unknown(&agenda, &mut ticks, now) {
            tracing::info!(%rule, "first start: the rule waits for its schedule");
            record(store, &rule, now).await;
        }
        Ok(Book {
            agenda,
            ticks,
            running: BTreeMap::new(),
            hold_until: None,
        })
    }

    /// What to start now, and when to look again.
    fn turn(&self, book: &mut Book, now: DateTime<Utc>) -> (Option<Due>, Option<DateTime<Utc>>) {
        for rule in settle_the_unknown(&book.agenda, &mut book.ticks, now) {
            tracing::warn!(%rule, "the clock was set back by more than a day: the rule waits for its schedule");
        }
        self.skip_what_still_runs(book, now);
        let due = due(&book.agenda, &book.ticks, now);
        // A hold from before the clock was set back would last too long.
        book.hold_until = book
            .hold_until
            .filter(|until| now < *until && *until - now <= RETRY);
        let wake_at = [due.next, book.hold_until].into_iter().flatten().min();
        if due.rules.is_empty() || !book.running.is_empty() || book.hold_until.is_some() {
            return (None, wake_at);
        }
        for rule in due.rules.keys() {
            let before = book.ticks.insert(rule.clone(), now);
            book.running.insert(rule.clone(), before);
        }
        (Some(due), wake_at)
    }

    /// A rule never overlaps itself: what falls due during its own run is settled without another.
    fn skip_what_still_runs(&self, book: &mut Book, now: DateTime<Utc>) {
        let still_running: Vec<_> = book
            .agenda
            .iter()
            .filter(|(rule, _)| book.running.contains_key(rule))
            .cloned()
            .collect();
        for (rule, scheduled) in due(&still_running, &book.ticks, now).rules {
            tracing::warn!(%rule, %scheduled, "skipped a scheduled time: the rule is still running");
            self.metrics.schedule_skipped(&rule);
            book.ticks.insert(rule, now);
        }
    }

    /// Does one run, whatever it may do, and records that it is settled.
    async fn serve<S, R, RF, RE>(&self, due: Due, at: DateTime<Utc>, store: &S, run: &R) -> Ended
    where
        S: TickStore,
        R: Fn(Tick) -> RF,
        RF: Future<Output = Result<RunEnd, RE>>,
        RE: Into<Cause>,
    {
        let Some(rules) = unserved(due, at, store).await else {
            return Ended::Unknown;
        };
        if rules.is_empty() {
            return Ended::Settled(at);
        }
        let began = Instant::now();
        let tick = Tick {
            at,
            due: rules.clone(),
        };
        let (result, is_served) = match guard(|| run(tick)).await {
            Ok(RunEnd::Completed) => (RunResult::Completed, true),
            Ok(RunEnd::Interrupted) => (RunResult::Interrupted, false),
            Ok(RunEnd::LeftUndone) => (RunResult::Failed, false),
            Err(error) => {
                tracing::error!(error = %Chain(&*error), "the run failed; the next tick tries again");
                (RunResult::Failed, true)
            }
        };
        self.metrics.run_ended(result, began.elapsed());
        let settled = self.clock.now().max(at);
        if is_served {
            for rule in rules.keys() {
                record(store, rule, settled).await;
            }
        }
        Ended::Settled(settled)
    }

    /// Notes how the run in flight ended.
    fn settle(&self, book: &mut Book, ended: Ended) {
        match ended {
            Ended::Settled(at) => {
                self.skip_what_still_runs(book, at);
                for rule in std::mem::take(&mut book.running).into_keys() {
                    let tick = book.ticks.entry(rule).or_insert(at);
                    *tick = at.max(*tick);
                }
            }
            Ended::Unknown => {
                for (rule, before) in std::mem::take(&mut book.running) {
                    match before {
                        Some(before) => book.ticks.insert(rule, before),
                        None => book.ticks.remove(&rule),
                    };
                }
                book.hold_until = Some(self.clock.now() + RETRY);
            }
        }
    }

    /// Reads the configuration again; `None`: it was refused and the old one stays.
    async fn adopt<S, L, LF, LE>(
        &self,
        before: Vec<(RuleName, Schedule)>,
        store: &S,
        reload: &L,
    ) -> Option<Adopted>
    where
        S: TickStore,
        L: Fn() -> LF,
        LF: Future<Output = Result<Vec<(RuleName, Schedule)>, LE>>,
        LE: Into<Cause>,
    {
        let agenda = match guard(reload).await {
            Ok(agenda) => agenda,
            Err(error) => {
                tracing::error!(
                    error = %Chain(&*error),
                    "the new configuration is refused, the old one stays in force; mend it and send SIGHUP again"
                );
                self.metrics.config_reloaded(ReloadResult::Refused);
                return None;
            }
        };
        tracing::info!(rules = agenda.len(), "the new configuration is in force");
        self.metrics.config_reloaded(ReloadResult::Adopted);
        let at = self.clock.now();
        let fresh: Vec<_> = agenda
            .iter()
            .filter(|entry| !before.contains(entry))
            .map(|(rule, _)| rule.clone())
            .collect();
        for rule in &fresh {
            record(store, rule, at).await;
        }
        Some(Adopted { agenda, fresh, at })
    }
}

impl Book {
    fn adopt(&mut self, Adopted { agenda, fresh, at }: Adopted) {
        self.agenda = agenda;
        for rule in fresh {
            let tick = self.ticks.entry(rule).or_insert(at);
            *tick = at.max(*tick);
        }
    }
}

/// The rules whose scheduled time nobody served meanwhile: platforms run two copies during a deploy. `None`: the
/// state does not say.
async fn unserved<S: TickStore>(
    due: Due,
    at: DateTime<Utc>,
    store: &S,
) -> Option<BTreeMap<RuleName, DateTime<Utc>>> {
    let mut rules = BTreeMap::new();
    for (rule, scheduled) in due.rules {
        match store.last_tick(&rule).await {
            Ok(Some(tick)) if tick >= scheduled && is_believable(tick, at) => {
                tracing::info!(%rule, %scheduled, "another copy of iamwarden has served this scheduled time");
            }
            Ok(_) => {
                if at - scheduled > LATE {
                    tracing::info!(%rule, %scheduled, "a scheduled time was missed: the rule runs once now");
                }
                rules.insert(rule, scheduled);
            }
            Err(error) => {
                tracing::error!(
                    %rule,
                    error = %Chain(&error),
                    "cannot read from the state when the rule ran last: nothing runs until it answers"
                );
                return None;
            }
        }
    }
    Some(rules)
}

async fn record<S: TickStore>(store: &S, rule: &RuleName, at: DateTime<Utc>) {
    if let Err(error) = store.record_tick(rule, at).await {
        tracing::error!(
            %rule,
            error = %Chain(&error),
            "cannot record that the rule ran: after a restart it may run once more, and find nothing left to do"
        );
    }
}

async fn wait(clock: &Clock, until: Option<DateTime<Utc>>) {
    match until {
        Some(until) => clock.sleep_until(until).await,
        None => std::future::pending().await,
    }
}

/// Says that the scheduler runs for as long as it does, even if it ends by a panic.
struct Running<'a>(&'a Readiness);

impl<'a> Running<'a> {
    fn report(readiness: &'a Readiness) -> Self {
        readiness.pass(Check::SchedulerRunning);
        Self(readiness)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fail(Check::SchedulerRunning, "the scheduler has stopped");
    }
}

#[cfg(test)]
#[path = "scheduler_tests.rs"]
mod tests;
