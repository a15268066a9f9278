//! Carrying out what is due, account by account.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use tracing::{Instrument, info_span, warn};

use super::{Planned, Reading, Run, Surveyed};
use crate::execute::{ActionReport, ActionResult, Executor, LiveAttachment};
use crate::model::{Action, ActionId, ActionState, Digest, Precondition, WithheldReason};
use crate::plan::Plan;
use crate::rules::unused_permissions;
use crate::state::{self, AppliedSelection, State};
use crate::telemetry::ActionOutcome;

/// The actions of a plan file, to which an `apply` is narrowed.
#[derive(Debug, Clone)]
pub struct PlanFile {
    config_digest: Digest,
    actions: BTreeMap<ActionId, Action>,
}

impl PlanFile {
    /// The actions of that plan.
    pub fn new(plan: &Plan) -> Self {
        let actions = plan
            .actions
            .iter()
            .map(|action| (action.id.clone(), action.clone()))
            .collect();
        Self {
            config_digest: plan.config_digest.clone(),
            actions,
        }
    }

    /// Whether the fresh plan still holds the action as it stands in the file.
    fn holds(&self, fresh: &Plan, action: &Action) -> bool {
        let planned = self.actions.get(&action.id);
        self.config_digest == fresh.config_digest
            && planned.is_some_and(|planned| planned.precondition == action.precondition)
    }

    /// The actions that were due in the file and that the fresh plan does not hold any more.
    fn stale(&self, fresh: &Plan) -> Vec<ActionReport> {
        let held = fresh.actions.iter().filter(|action| self.holds(fresh, action));
        let held: BTreeSet<_> = held.map(|action| &action.id).collect();
        let due = self
            .actions
            .values()
            .filter(|action| action.state == ActionState::Proposed);
        due.filter(|action| !held.contains(&action.id))
            .map(|action| {
                let why = match self.config_digest == fresh.config_digest {
                    true => "the fresh plan does not hold it with the same precondition",
                    false => "the configuration changed since the plan",
                };
                report(action, ActionResult::Stale(why.to_owned()))
            })
            .collect()
    }
}

/// The rule's own judgement of an attachment, right before it is detached.
fn still_unused(live: &LiveAttachment, now: DateTime<Utc>) -> Result<Precondition, String> {
    let LiveAttachment {
        principal,
        policy_arn,
        attached,
        policy,
        document,
        reports,
    } = live;
    let reports: Vec<_> = reports.iter().collect();
    let live = unused_permissions::LiveAttachment {
        principal,
        policy_arn,
        attached,
        version: &policy.default_version,
        document,
        boundary_count: policy.boundary_count,
        reports: &reports,
    };
    unused_permissions::still_unused(&live, now).map_err(|error| error.to_string())
}

/// The label of a result in metrics.
fn outcome(report: &ActionReport) -> ActionOutcome {
    match &report.result {
        ActionResult::Applied if report.undo => ActionOutcome::RolledBack,
        ActionResult::Applied => ActionOutcome::Applied,
        ActionResult::Stale(_) => ActionOutcome::Stale,
        ActionResult::Failed(_) | ActionResult::Unsettled(_) => ActionOutcome::Failed,
        ActionResult::Held(..) | ActionResult::NoLease(_) | ActionResult::NotStarted => ActionOutcome::Held,
    }
}

fn report(action: &Action, result: ActionResult) -> ActionReport {
    ActionReport {
        action: action.id.clone(),
        account: action.account.clone(),
        resource: action.resource.clone(),
        change: action.change.clone(),
        inverse: action.inverse.clone(),
        findings: action.findings().cloned().collect(),
        undo: false,
        intent: None,
        result,
    }
}

impl Run<'_> {
    /// The actions that an apply would carry out now.
    pub fn due<'p>(&self, plan: &'p Plan, file: Option<&PlanFile>) -> Vec<&'p Action> {
        let proposed = plan
            .actions
            .iter()
            .filter(|action| action.state == ActionState::Proposed);
        proposed
            .filter(|action| file.is_none_or(|file| file.holds(plan, action)))
            .collect()
    }

    /// Carries out what is due. One account's failure is its own.
    pub async fn apply(
        &self,
        state: &State,
        planned: &Planned,
        file: Option<&PlanFile>,
    ) -> Vec<ActionReport> {
        let plan = &planned.plan;
        let mut reports = file.map(|file| file.stale(plan)).unwrap_or_default();
        for reading in &planned.readings {
            let Reading::Done(surveyed) = reading else {
                continue;
            };
            let account = surveyed.session.account();
            let due: Vec<Action> = self
                .due(plan, file)
                .into_iter()
                .filter(|action| action.account == *account)
                .cloned()
                .collect();
            if due.is_empty() {
                continue;
            }
            let span = info_span!("account", account = account.as_str());
            reports.extend(self.apply_account(state, surveyed, &due).instrument(span).await);
        }
        if let Some(metrics) = &self.house.metrics {
            for report in &reports {
                metrics.action_ended(report.change.kind(), outcome(report));
            }
        }
        reports
    }

    async fn apply_account(&self, state: &State, surveyed: &Surveyed, due: &[Action]) -> Vec<ActionReport> {
        let all = |result: ActionResult| due.iter().map(|action| report(action, result.clone())).collect();
        let lease = match self.lease(state, surveyed.session.account()).await {
            Ok(Some(lease)) => lease,
            Ok(None) => {
                let why = "another process has the account's lease and did not give it back in time";
                return all(ActionResult::NoLease(why.to_owned()));
            }
            // A state that does not answer may hold a freeze.
            Err(error) => {
                return all(ActionResult::Held(
                    WithheldReason::Freeze,
                    format!("the state failed: {error}"),
                ));
            }
        };
        let executor = self.executor(state, &surveyed.session);
        let reports = executor.apply(&lease, due).await;
        if let Err(error) = self.release(state, lease).await {
            warn!(%error, "the lease was not released; it ends by itself");
        }
        reports
    }

    fn executor<'e>(&'e self, state: &'e State, session: &'e crate::aws::Session) -> Executor<'e> {
        Executor {
            config: &self.house.config,
            state,
            reader: session.reader(),
            writer: session.writer(),
            clock: &self.house.clock,
            shutdown: &self.house.shutdown,
            run: &self.id,
            judge: still_unused,
        }
    }

    /// Undoes applied changes of one account.
    ///
    /// # Errors
    /// Where there is no session in the account, or the state fails.
    pub async fn roll_back(
        &self,
        state: &State,
        applied: &[state::Attempt],
    ) -> anyhow::Result<Vec<ActionReport>> {
        let mut reports = Vec::new();
        let mut by_account: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for attempt in applied {
            by_account
                .entry(attempt.intent.account.clone())
                .or_default()
                .push(attempt.clone());
        }
        for (id, attempts) in by_account {
            let account = self.house.config.accounts.iter().find(|account| account.id == id);
            let now = self.house.clock.now();
            let session = self
                .house
                .sessions
                .connect(account, crate::aws::Purpose::Rollback, now)
                .await?;
            if *session.account() != id {
                anyhow::bail!(
                    "the credentials lead to account {}, the change was made in {id}",
                    session.account()
                );
            }
            // An earlier rollback may have been killed: what it undid after all is not to be undone again.
            reports.extend(self.settle(state, &session).await?);
            let applied = state.applied_actions(AppliedSelection::Account(&id)).await?;
            let attempts: Vec<_> = attempts
                .into_iter()
                .filter(|attempt| applied.iter().any(|still| still.id == attempt.id))
                .collect();
            let Some(lease) = self.lease(state, &id).await? else {
                anyhow::bail!(
                    "another process has the lease of account {id} and did not give it back in time"
                );
            };
            reports.extend(self.executor(state, &session).roll_back(&lease, &attempts).await);
            self.release(state, lease).await?;
        }
        Ok(reports)
    }
}
