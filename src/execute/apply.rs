//! One attempt after another, each by the same steps.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tracing::{Instrument, debug_span, field, warn};

use super::precondition::{AttachmentJudge, LiveError, read_live};
use super::report::{ActionReport, ActionResult};
use crate::aws::{Reader, RequestError, WriteError, Writer};
use crate::config::Config;
use crate::daemon::{Clock, Shutdown, Standstill};
use crate::model::{
    Action, ActionMode, Change, Decision, FindingId, Inverse, Precondition, RuleName, WithheldReason,
};
use crate::plan::{Approved, confirm};
use crate::state::{
    DecisionId, Direction, Intent, IntentId, IntentRecorded, Lease, Outcome, StaleAction, State, StateError,
};

/// How long a read may lag behind a write: IAM is eventually consistent.
const VERIFY_PAUSES: [Duration; 5] = [
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
];

/// How often a lease is renewed while a call is in flight.
const RENEW_EVERY: Duration = Duration::from_secs(10);

/// All that carrying out a plan in one account needs.
#[derive(Debug, Clone, Copy)]
pub struct Executor<'a> {
    /// The declared policy, as it was when the plan was made.
    pub config: &'a Config,
    /// Journal, leases, freeze.
    pub state: &'a State,
    /// Live reads.
    pub reader: &'a Reader,
    /// The one gated writer.
    pub writer: &'a Writer,
    /// The time.
    pub clock: &'a Clock,
    /// Whether the process is told to stop.
    pub shutdown: &'a Shutdown,
    /// Whether a configuration that was read since forbids changes.
    pub standstill: &'a Standstill,
    /// The id of the run, for the journal.
    pub run: &'a str,
    /// When it began, before anything was planned.
    pub planned_from: DateTime<Utc>,
    /// Whether an attachment is still unused.
    pub judge: AttachmentJudge,
    /// Which rule made a finding, for the log.
    pub rules: &'a BTreeMap<FindingId, RuleName>,
}

/// What is to be attempted, in the words of the journal.
pub(super) struct Attempt<'a> {
    pub(super) approved: Approved,
    pub(super) direction: Direction,
    pub(super) change: &'a Change,
    pub(super) inverse: Option<&'a Inverse>,
    pub(super) mode: ActionMode,
    pub(super) decision: Option<DecisionId>,
    pub(super) findings: Vec<FindingId>,
    /// What must be so when it is done; `None`: the thing is gone.
    pub(super) after: Option<Precondition>,
}

impl Executor<'_> {
    /// Carries out actions of one account, in the order given. One that fails does not stop the others; a lost lease or
    /// a shutdown does. A freeze holds back each that it finds.
    pub async fn apply(&self, lease: &Lease, actions: &[Action]) -> Vec<ActionReport> {
        let mut reports = Vec::with_capacity(actions.len());
        let mut lost = None;
        for action in actions {
            let result = match (&lost, self.shutdown.is_requested()) {
                (Some(lost), _) => (ActionResult::clone(lost), None),
                (None, true) => (ActionResult::NotStarted, None),
                // Boxed: the futures of whoever awaits this would be too deep for the compiler otherwise.
                (None, false) => Box::pin(self.apply_one(lease, action)).await,
            };
            if let ActionResult::NoLease(_) = result.0 {
                lost = Some(result.0.clone());
            }
            let (result, intent) = result;
            let report = ActionReport::of(action, result, intent);
            report.log(self.rules.get(&action.finding));
            reports.push(report);
        }
        reports
    }

    async fn apply_one(&self, lease: &Lease, action: &Action) -> (ActionResult, Option<IntentId>) {
        let (approved, by) = match self.consent(action).await {
            Ok(approved) => approved,
            Err(held) => return (held, None),
        };
        let decision = match self.decision(action, &by).await {
            Ok(None) if !by.is_empty() => {
                let why = "its approval is spent or was withdrawn".to_owned();
                return (ActionResult::Held(WithheldReason::Approval, why), None);
            }
            Ok(decision) => decision,
            Err(error) => return (ActionResult::Failed(error.to_string()), None),
        };
        let attempt = Attempt {
            direction: Direction::Apply,
            change: &action.change,
            inverse: action.inverse.as_ref(),
            mode: action.mode,
            decision,
            findings: action.findings().cloned().collect(),
            after: action.precondition.after(&action.change),
            approved,
        };
        self.attempt(lease, &attempt, async || self.consent(action).await.map(|_| ()))
            .await
    }

    /// Consent to the action by what is remembered now. Asked before anything is read, since what is held back need not
    /// be; and again after that, since reading may take minutes, in which a window closes, an approval ends, somebody
    /// rejects it, or an exemption is granted. Freeze, lease, cap and the approval that is spent are asked of the state
    /// once more, in the transaction that records the intent.
    async fn consent(&self, action: &Action) -> Result<(Approved, Vec<Decision>), ActionResult> {
        if self.standstill.is_declared() {
            let why = "the configuration that was read since the plan forbids changes".to_owned();
            return Err(ActionResult::Held(WithheldReason::Freeze, why));
        }
        // Where it cannot be read, changes are frozen.
        let history = self.state.history(&action.account, self.clock.now()).await;
        let history = history.map_err(|error| {
            let why = format!("whether changes are frozen is not known: {error}");
            ActionResult::Held(WithheldReason::Freeze, why)
        })?;
        let (from, now) = (self.planned_from, self.clock.now());
        confirm(self.config, action, self.rules, &history, from, now)
            .map_err(|(reason, why)| ActionResult::Held(reason, why))
    }

    /// The first of the approvals that this application rests on and spends, where it rests on any. The state looks at it
    /// once more when the intent is recorded: no rejection may have come after it, which would be one of those after the
    /// last as well.
    async fn decision(&self, action: &Action, by: &[Decision]) -> Result<Option<DecisionId>, StateError> {
        if by.is_empty() {
            return Ok(None);
        }
        let decisions = self.state.unspent_decisions(&action.account).await?;
        let resting = decisions
            .into_iter()
            .filter(|record| by.contains(&record.decision));
        Ok(resting.map(|record| record.id).min())
    }

    /// One attempt from its re-check to its outcome.
    pub(super) async fn attempt(
        &self,
        lease: &Lease,
        attempt: &Attempt<'_>,
        consent: impl AsyncFn() -> Result<(), ActionResult>,
    ) -> (ActionResult, Option<IntentId>) {
        let span = debug_span!(
            "action",
            action = %attempt.approved.action(),
            kind = attempt.change.kind().as_str(),
            undo = attempt.direction == Direction::Undo,
            result = field::Empty,
        );
        let ended = Box::pin(self.take_steps(lease, attempt, consent));
        let ended = ended.instrument(span.clone()).await;
        span.record("result", ended.0.as_str());
        ended
    }

    /// Re-check, a turn to call, consent, intent, call, verify, outcome. The calls are boxed: one within the other they would
    /// be more than the stack of a thread holds.
    async fn take_steps(
        &self,
        lease: &Lease,
        attempt: &Attempt<'_>,
        consent: impl AsyncFn() -> Result<(), ActionResult>,
    ) -> (ActionResult, Option<IntentId>) {
        if let Err(held) = self.keep_lease(lease, Box::pin(self.recheck(attempt))).await {
            return (held, None);
        }
        let turn = self.keep_lease(lease, self.writer.turn()).await;
        if let Err(held) = consent().await {
            return (held, None);
        }
        let intent = match self.record_intent(lease, attempt).await {
            Ok(intent) => intent,
            Err(held) => return (held, None),
        };
        let written = Box::pin(self.writer.perform(&attempt.approved, lease, turn));
        let written = self.keep_lease(lease, written).await;
        let seen = Box::pin(self.result_of(attempt, written));
        let ended = self.keep_lease(lease, seen).await;
        (self.record_outcome(intent, ended).await, Some(intent))
    }

    /// What became of the call.
    async fn result_of(&self, attempt: &Attempt<'_>, written: Result<(), WriteError>) -> Ended {
        let error = match written {
            // AWS took it, so it is done: that reads lag behind is no failure.
            Ok(()) => {
                return match self.see(attempt, VERIFY_PAUSES.as_slice()).await {
                    Ok(after) => Ended::seen(after),
                    Err(why) => {
                        warn!(action = %attempt.approved.action(), why, "done, and not seen yet");
                        Ended::unseen(ActionResult::Applied, why)
                    }
                };
            }
            Err(error) => error,
        };
        let why = describe(&error);
        let result = match &error {
            WriteError::Invalid(RequestError::LeaseEnding { .. }) => ActionResult::NoLease(why.clone()),
            WriteError::Invalid(_) | WriteError::NotSent(_) | WriteError::Refused(_) => {
                ActionResult::Failed(why.clone())
            }
            WriteError::Unknown(_) => {
                let pauses = if attempt.change.is_repeatable() {
                    VERIFY_PAUSES.as_slice()
                } else {
                    &[]
                };
                match self.see(attempt, pauses).await {
                    Ok(after) => return Ended::seen(after),
                    Err(_) => ActionResult::Unsettled(why.clone()),
                }
            }
        };
        Ended::unseen(result, why)
    }

    async fn recheck(&self, attempt: &Attempt<'_>) -> Result<(), ActionResult> {
        let (resource, operation) = (attempt.approved.resource(), attempt.approved.operation());
        let planned = attempt.approved.precondition();
        let judge = match attempt.direction {
            Direction::Apply => Some((self.judge, self.clock.now())),
            Direction::Undo => None,
        };
        let live = read_live(self.reader, resource, operation, planned, judge).await;
        let why = match live {
            Ok(Some(live)) if live == *planned => return Ok(()),
            Ok(Some(live)) if attempt.direction == Direction::Undo && live.is_left_by(planned) => {
                return Ok(());
            }
            Ok(Some(live)) => format!("the world moved since the plan: {}", difference(planned, &live)),
            Ok(None) => "it is gone, so there is nothing left to do".to_owned(),
            Err(LiveError::Stale(why)) => why,
            Err(error @ (LiveError::Aws(_) | LiveError::Unknown(_))) => {
                return Err(ActionResult::Failed(error.to_string()));
            }
        };
        let stale = StaleAction {
            action: attempt.approved.action(),
            run: self.run,
            account: attempt.approved.account(),
            resource,
            change: attempt.change,
            direction: attempt.direction,
            detail: &why,
        };
        match self.state.record_stale(stale, self.clock.now()).await {
            Ok(()) => Err(ActionResult::Stale(why)),
            Err(error) => Err(ActionResult::Failed(error.to_string())),
        }
    }

    async fn record_intent(&self, lease: &Lease, attempt: &Attempt<'_>) -> Result<IntentId, ActionResult> {
        let lost =
            || ActionResult::NoLease("the lease of the account ended, or another process has it".to_owned());
        if !lease.is_safe() && !self.renew(lease).await {
            return Err(lost());
        }
        let intent = Intent {
            action: attempt.approved.action().clone(),
            run: self.run.to_owned(),
            direction: attempt.direction,
            account: attempt.approved.account().clone(),
            resource: attempt.approved.resource().clone(),
            change: attempt.change.clone(),
            inverse: attempt.inverse.cloned(),
            precondition: attempt.approved.precondition().clone(),
            mode: attempt.mode,
            decision: attempt.decision,
            findings: attempt.findings.clone(),
        };
        let cap = Some(self.config.guardrails.max_changes_per_day);
        match self
            .state
            .record_intent(lease, &intent, cap, self.clock.now())
            .await
        {
            Ok(IntentRecorded::Recorded(id)) => Ok(id),
            Ok(IntentRecorded::LeaseLost) => Err(lost()),
            Ok(IntentRecorded::DayCapReached { changes }) => {
                let why = format!("{changes} changes were made within 24 hours");
                Err(ActionResult::Held(WithheldReason::Guardrail, why))
            }
            Ok(IntentRecorded::Frozen(freeze)) => Err(ActionResult::Held(
                WithheldReason::Freeze,
                format!("frozen by {}: {}", freeze.by, freeze.reason),
            )),
            Ok(IntentRecorded::AlreadyOpen(_)) => {
                let why = WithheldReason::Settling.explanation().to_owned();
                Err(ActionResult::Held(WithheldReason::Settling, why))
            }
            Ok(IntentRecorded::ConsentGone) => {
                let why = "its approval is spent or was withdrawn".to_owned();
                Err(ActionResult::Held(WithheldReason::Approval, why))
            }
            // Without an intent on disk there is no call.
            Err(error) => Err(ActionResult::Failed(error.to_string())),
        }
    }

    async fn renew(&self, lease: &Lease) -> bool {
        match self.state.renew_lease(lease).await {
            Ok(renewed) => renewed,
            Err(error) => {
                warn!(account = %lease.account(), %error, "the lease could not be renewed");
                false
            }
        }
    }

    /// Renews the lease while something takes its time.
    pub(super) async fn keep_lease<T>(&self, lease: &Lease, work: impl Future<Output = T>) -> T {
        let mut ticks = tokio::time::interval(RENEW_EVERY);
        ticks.tick().await;
        tokio::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                _ = ticks.tick() => { self.renew(lease).await; }
            }
        }
    }

    /// Reads until the change is seen, and gives what was read; else says what was seen last.
    async fn see(&self, attempt: &Attempt<'_>, pauses: &[Duration]) -> Result<Option<Precondition>, String> {
        let mut last = String::new();
        for pause in std::iter::once(&Duration::ZERO).chain(pauses) {
            tokio::time::sleep(*pause).await;
            match self.read_again(attempt).await {
                Ok(live) if Precondition::shows(live.as_ref(), attempt.after.as_ref()) => return Ok(live),
                Ok(_) => last = "AWS took the change, but reads do not show it yet".to_owned(),
                Err(error) => last = error.to_string(),
            }
        }
        Err(last)
    }

    async fn read_again(&self, attempt: &Attempt<'_>) -> Result<Option<Precondition>, LiveError> {
        let planned = attempt.approved.precondition().without_use();
        let (resource, operation) = (attempt.approved.resource(), attempt.approved.operation());
        read_live(self.reader, resource, operation, &planned, None).await
    }

    async fn record_outcome(&self, intent: IntentId, ended: Ended) -> ActionResult {
        let Ended {
            result,
            detail,
            after,
        } = ended;
        let outcome = match &result {
            ActionResult::Applied => Outcome::Applied,
            ActionResult::Failed(_) => Outcome::Failed,
            ActionResult::Unsettled(_) => Outcome::Unknown,
            ActionResult::Stale(_)
            | ActionResult::Held(..)
            | ActionResult::NoLease(_)
            | ActionResult::NotStarted => Outcome::NotApplied,
        };
        let after = after.map(|after| serde_json::json!(after));
        match self
            .state
            .record_outcome(intent, outcome, &detail, after, self.clock.now())
            .await
        {
            Ok(()) => result,
            // The intent stands without its outcome: the next start reads AWS and settles it.
            Err(error) => ActionResult::Unsettled(error.to_string()),
        }
    }
}

/// What became of a call: the result, a sentence about it, and what was read afterwards where the change was seen.
struct Ended {
    result: ActionResult,
    detail: String,
    after: Option<Precondition>,
}

impl Ended {
    fn seen(after: Option<Precondition>) -> Self {
        Self {
            result: ActionResult::Applied,
            detail: String::new(),
            after,
        }
    }

    fn unseen(result: ActionResult, detail: String) -> Self {
        Self {
            result,
            detail,
            after: None,
        }
    }
}

/// An error with its causes, in one line.
fn describe(error: &WriteError) -> String {
    crate::telemetry::Chain(error).to_string()
}

/// What differs, field by field, for people.
fn difference(planned: &Precondition, live: &Precondition) -> String {
    let (planned, live) = (serde_json::json!(planned), serde_json::json!(live));
    let fields = planned
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(name, old)| {
            let new = live.get(name).unwrap_or(&serde_json::Value::Null);
            (new != old).then(|| format!("{name} was {old}, now is {new}"))
        });
    fields.collect::<Vec<_>>().join("; ")
}
