//! One run: a command, or one tick of the daemon. Reads the accounts, plans, carries out what is due, tells people.
//!
//! The way of the data, in the order of the files: `survey` (settle what is open, read, remember what was seen), the
//! planner, `change` (lease, executor), `tell` (outbox and delivery). Accounts are worked on side by side; what fails in
//! one stays its own.

mod approved;
mod change;
mod decide;
mod desk;
mod exemptions;
mod organization;
mod outside;
mod planned;
mod report;
mod settle;
mod share;
mod spread;
mod survey;
mod tell;
mod undo;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tracing::{Instrument, Span};

pub use approved::Tried;
pub use change::PlanFile;
pub use decide::{DecideError, DecidedAction, DecisionMade, DecisionOutcome, DecisionRequest, saved_plan};
pub use desk::{Desk, Ending, Errands, RollbackError, RolledBack};
pub use exemptions::ExemptionAsked;
pub use organization::{AccountNames, DiscoveryError, Roster};
pub use outside::ExchangeError;
pub use planned::Planned;
pub use share::{Share, Shared};
pub use survey::{Reading, Selection, Surveyed};
pub use tell::{ChannelSecrets, StateOutbox, Telling, reference};
pub use undo::{Undo, UndoError, Undoable, is_undone};

use super::{Clock, Shutdown, Standstill, Wake};
use crate::aws::{ConnectError, Purpose, Sessions};
use crate::config::{Config, Schedule};
use crate::execute::{ActionReport, ActionResult};
use crate::model::{ActionState, Arn, RuleName, WithheldReason};
use crate::plan::{self, AccountStatus, Plan};
use crate::state::{State, StateError};
use crate::telemetry::Metrics;

/// What lasts longer than a run.
#[derive(Debug, Clone)]
pub struct House {
    /// The declared policy.
    pub config: Arc<Config>,
    /// What was found of the organization; `None`: it was not looked up, or there is none. See [`House::with_accounts`].
    pub roster: Option<Arc<Roster>>,
    /// The way to AWS.
    pub sessions: Arc<Sessions>,
    /// The state; `None`: there is none yet, and nothing may be remembered.
    pub state: Option<State>,
    /// The time.
    pub clock: Clock,
    /// Whether the process is told to stop.
    pub shutdown: Shutdown,
    /// Who holds leases and claims: this process.
    pub holder: String,
    /// Told what happens; `None`: nobody asks.
    pub metrics: Option<Arc<Metrics>>,
    /// Called when somebody decided something in this process.
    pub decided: Wake,
    /// Whether a configuration that was read since forbids changes.
    pub standstill: Standstill,
}

/// How far a run may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// Reads AWS, and writes nowhere.
    Look,
    /// Also remembers what it saw.
    Remember,
    /// Also changes AWS, given consent.
    Change,
}

/// One run.
#[derive(Debug)]
pub struct Run<'a> {
    house: &'a House,
    /// Its id, a ULID.
    pub id: String,
    /// The time of its decisions.
    pub now: DateTime<Utc>,
    reach: Reach,
    /// Which accounts it takes; `None`: all that are selected.
    share: Option<&'a Share>,
    /// Says in every line of the log which run it is of, and of which rules.
    span: Span,
}

impl<'a> Run<'a> {
    /// A run that begins now.
    pub fn new(house: &'a House, reach: Reach) -> Self {
        let now = house.clock.now();
        let id = super::new_id(now);
        Self {
            house,
            now,
            reach,
            share: None,
            span: tracing::info_span!("run", run = id, rule = tracing::field::Empty),
            id,
        }
    }

    /// Records that the run begins, and as whom.
    ///
    /// # Errors
    /// Where the state fails.
    pub async fn begin(&self, state: &State, command: &str, caller: Option<&Arn>) -> Result<(), StateError> {
        state
            .begin_run(
                &self.id,
                command,
                self.now,
                caller,
                None,
                &self.house.config.digest(),
            )
            .await
    }

    /// Records that the run begins, and that this person asked for it.
    ///
    /// # Errors
    /// Where the state fails.
    pub async fn begin_by(&self, state: &State, command: &str, by: &str) -> Result<(), StateError> {
        let digest = self.house.config.digest();
        state
            .begin_run(&self.id, command, self.now, None, Some(by), &digest)
            .await
    }

    /// Records how the run ended, and publishes the head of the audit chain in the log: a chain that is cut off later
    /// does not hold it any more.
    ///
    /// # Errors
    /// Where the state fails.
    pub async fn finish(
        &self,
        state: &State,
        status: &str,
        reports: &[ActionReport],
    ) -> Result<(), StateError> {
        let mut counts = std::collections::BTreeMap::new();
        for report in reports {
            *counts.entry(report.result.as_str()).or_insert(0u32) += 1;
        }
        state
            .finish_run(
                &self.id,
                self.house.clock.now(),
                status,
                &serde_json::json!(counts),
            )
            .await?;
        let head = state.head().await?;
        tracing::info!(parent: &self.span, status, %head, "run ended");
        Ok(())
    }
}

/// All of a run.
#[derive(Debug)]
pub struct Done {
    /// What was found.
    pub planned: Planned,
    /// What became of what was due.
    pub reports: Vec<ActionReport>,
    /// How it went as a whole.
    pub verdict: Verdict,
}

impl Done {
    fn nothing(planned: Planned) -> Self {
        Self {
            planned,
            reports: Vec::new(),
            verdict: Verdict::Done,
        }
    }
}

impl House {
    /// One run of these rules from beginning to end: read, plan, apply what is due, put what is to be told into the
    /// outbox. Deliveries are the caller's.
    ///
    /// # Errors
    /// Where the state or the credentials fail.
    pub async fn run(&self, command: &str, selection: &Selection) -> anyhow::Result<Done> {
        self.carry_out(command, selection, None).await
    }

    async fn carry_out(
        &self,
        command: &str,
        selection: &Selection,
        share: Option<&Share>,
    ) -> anyhow::Result<Done> {
        let Some(state) = &self.state else {
            anyhow::bail!("there is no state")
        };
        let dry_run = self.config.dry_run;
        // Boxed: the futures of whoever awaits this would be too deep for the compiler otherwise.
        let found = self
            .shutdown
            .unless_requested(Box::pin(self.with_accounts()))
            .await;
        let (house, unknown) = match found.unwrap_or_else(|| Err(planned::told_to_stop())) {
            Ok(house) => (house, None),
            Err(error) => {
                let why = error.downcast_ref::<DiscoveryError>();
                if let (Some(DiscoveryError::Connect(ConnectError::ClockSkew { .. })), Some(share)) =
                    (why, share)
                {
                    share.note_wrong_clock();
                }
                (self.clone(), Some(error))
            }
        };
        let reach = if dry_run { Reach::Remember } else { Reach::Change };
        let run = Run {
            share,
            ..Run::new(&house, reach)
        };
        let planned = match unknown {
            Some(error) => Err(error),
            None => Box::pin(run.plan_or_stop(selection)).await,
        };
        let planned = match planned {
            // Other replicas took every account: nothing begins here.
            Ok(planned) if share.is_some_and(Share::is_empty) => return Ok(Done::nothing(planned)),
            // Told to stop before it took any: the same.
            Err(error) if share.is_some_and(Share::is_empty) && self.shutdown.is_requested() => {
                return Err(error);
            }
            planned => planned,
        };
        run.begin(state, command, planned.as_ref().ok().and_then(Planned::caller))
            .await?;
        let planned = match planned {
            Ok(planned) => planned,
            Err(error) => {
                self.record_failure(&run, state, &error).await?;
                return Err(error);
            }
        };
        self.keep_for_approval(state, &planned.plan).await?;
        let reports = match dry_run {
            true => Vec::new(),
            false => Box::pin(run.apply(state, &planned, None)).await,
        };
        let telling = if dry_run {
            Telling::NotToOwners
        } else {
            Telling::Everything
        };
        Box::pin(run.tell(state, &planned, &reports, telling)).await?;
        if let Some(roster) = &house.roster {
            roster.remember(state, run.now).await?;
            let accounts = house.config.accounts.iter().map(|account| account.id.clone());
            let accounts = accounts.collect();
            state.end_findings_beyond(&accounts).await?;
            if let Some(metrics) = &house.metrics {
                metrics.retain_accounts(&accounts);
            }
        }
        let verdict = verdict(&planned.plan, &reports, dry_run);
        run.finish(state, verdict.as_str(), &reports).await?;
        Ok(Done {
            planned,
            reports,
            verdict,
        })
    }
}

impl House {
    /// Settles attempts that are open in any account, and tells their owners of what was made by a process that died
    /// before it could. For the daemon, between its runs.
    ///
    /// # Errors
    /// Where the state fails.
    pub async fn settle(&self) -> anyhow::Result<()> {
        let Some(state) = &self.state else { return Ok(()) };
        let since = crate::execute::looked_at_since(self.clock.now());
        for id in state.accounts_with_loose_ends(since).await? {
            let run = Run::new(self, Reach::Change);
            // One that cannot be reached does not keep the others waiting, nor those whom something is to be told of.
            let settled = match self.connect(&id, Purpose::Work).await {
                Ok(session) => run.settle(state, &session).instrument(run.span.clone()).await?,
                Err(error) => {
                    tracing::warn!(account = %id, error = format!("{error:#}"), "not settled yet");
                    settle::untold(state, &id).await?
                }
            };
            run.tell_settled(state, settled).await?;
        }
        Ok(())
    }
}

impl House {
    /// A run that came to nothing is recorded too, and people are told where an account cannot be reached.
    async fn record_failure(
        &self,
        run: &Run<'_>,
        state: &State,
        error: &anyhow::Error,
    ) -> anyhow::Result<()> {
        let status = if self.shutdown.is_requested() {
            "interrupted"
        } else {
            "error"
        };
        if let Some(failure) = error.downcast_ref::<ConnectError>() {
            run.tell_failure(state, survey::unreachable(failure)).await?;
        }
        if let Some(failure) = error.downcast_ref::<DiscoveryError>() {
            run.tell_failure(state, failure.gap()).await?;
        }
        run.finish(state, status, &[]).await?;
        Ok(())
    }

    /// Keeps a plan with anything to decide.
    async fn keep_for_approval(&self, state: &State, plan: &Plan) -> Result<(), StateError> {
        if plan.actions.is_empty() {
            return Ok(());
        }
        let Plan {
            id,
            config_digest,
            created_at,
            ..
        } = plan;
        let document = plan::render::json(plan);
        state
            .save_plan(id, &document, config_digest, *created_at, self.clock.now())
            .await
    }
}

/// The rules that are not off, with their schedules.
pub fn agenda(config: &Config) -> Vec<(RuleName, Schedule)> {
    let on = crate::rules::enabled(config, &[]);
    on.into_iter()
        .filter_map(|rule| {
            config
                .schedule_of(&rule)
                .cloned()
                .map(|schedule| (rule, schedule))
        })
        .collect()
}

/// What the exit code tells, gravest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Some action failed or was stale, or a needed read failed.
    Failed,
    /// Held by guardrail, freeze, dry run, lease or missing consent of the caller.
    Held,
    /// The process was told to stop before all that was due was done; the next run goes on.
    Interrupted,
    /// All that was due was done.
    Done,
}

impl Verdict {
    /// The word in the history.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Held => "held",
            Self::Interrupted => "interrupted",
            Self::Done => "done",
        }
    }
}

/// The gravest of what the plan could not read, what became of actions, and what held others back.
pub fn verdict(plan: &Plan, reports: &[ActionReport], dry_run: bool) -> Verdict {
    if reads_failed(plan) || reports.iter().any(|report| is_failure(&report.result)) {
        return Verdict::Failed;
    }
    let held_at_last = reports.iter().any(|report| is_held(&report.result));
    let held_in_plan = plan.actions.iter().any(|action| {
        matches!(
            action.withheld_reason,
            Some(WithheldReason::Guardrail | WithheldReason::Freeze)
        ) || (dry_run && action.state == ActionState::Proposed)
    });
    let interrupted = reports
        .iter()
        .any(|report| report.result == ActionResult::NotStarted);
    match (held_at_last || held_in_plan, interrupted) {
        (true, _) => Verdict::Held,
        (false, true) => Verdict::Interrupted,
        (false, false) => Verdict::Done,
    }
}

/// Whether a read that a rule needed failed.
pub fn reads_failed(plan: &Plan) -> bool {
    plan.accounts
        .iter()
        .any(|account| account.status != AccountStatus::Complete)
}

fn is_failure(result: &ActionResult) -> bool {
    match result {
        ActionResult::Stale(_) | ActionResult::Failed(_) | ActionResult::Unsettled(_) => true,
        ActionResult::Applied
        | ActionResult::Held(..)
        | ActionResult::NoLease(_)
        | ActionResult::NotStarted => false,
    }
}

fn is_held(result: &ActionResult) -> bool {
    match result {
        ActionResult::Held(reason, _) => match reason {
            WithheldReason::Guardrail | WithheldReason::Freeze => true,
            WithheldReason::Settling
            | WithheldReason::RolledBack
            | WithheldReason::WouldLockOut
            | WithheldReason::RecentlyUsed
            | WithheldReason::Unconfirmed
            | WithheldReason::NoChannel
            | WithheldReason::Approval
            | WithheldReason::Notice
            | WithheldReason::Window => false,
        },
        ActionResult::NoLease(_) => true,
        ActionResult::Applied
        | ActionResult::NotStarted
        | ActionResult::Stale(_)
        | ActionResult::Failed(_)
        | ActionResult::Unsettled(_) => false,
    }
}
