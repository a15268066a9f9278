//! Carrying out what is due, account by account.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use tracing::{Instrument, info_span, warn};

use super::{Planned, Run};
use crate::aws::{Purpose, Session};
use crate::execute::{ActionReport, ActionResult, Executor, LiveAttachment, LiveError};
use crate::model::{
    AccountId, Action, ActionId, ActionState, Digest, FindingId, Precondition, RuleName, WithheldReason,
};
use crate::plan::Plan;
use crate::rules::unused_permissions::{self, RecheckError};
use crate::state::{self, AppliedSelection, State};
use crate::telemetry::ActionOutcome;

/// The actions of a plan file, to which an `apply` is narrowed.
#[derive(Debug, Clone)]
pub struct PlanFile {
    config_digest: Digest,
    actions: BTreeMap<ActionId, Action>,
}

impl PlanFile {
    /// Leaves of a fresh plan what the file is about: only that can be applied, and only that can be held back.
    pub fn narrow(&self, fresh: &mut Plan) {
        fresh
            .actions
            .retain(|action| self.actions.contains_key(&action.id));
    }

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
                ActionReport::of(action, ActionResult::Stale(why.to_owned()), None)
            })
            .collect()
    }
}

/// The rule's own judgement of an attachment, right before it is detached.
fn still_unused(live: &LiveAttachment, now: DateTime<Utc>) -> Result<Precondition, LiveError> {
    let LiveAttachment {
        principal,
        policy_arn,
        attached,
        policy,
        document,
        reports,
    } = live;
    let reports: Vec<_> = reports.iter().collect();
    let members = principal.members.as_ref();
    let members = members.map(|members| members.iter().map(|m| (&m.arn, m.created_at)).collect());
    let live = unused_permissions::LiveAttachment {
        principal: &principal.arn,
        principal_created_at: principal.created_at,
        members,
        policy_arn,
        attached,
        version: &policy.default_version,
        document,
        boundary_count: policy.boundary_count,
        reports: &reports,
    };
    unused_permissions::still_unused(&live, now).map_err(|error| match error {
        RecheckError::Stale { .. } => LiveError::Stale(error.to_string()),
        RecheckError::Unknown { .. } => LiveError::Unknown(error.to_string()),
    })
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
        let rules: BTreeMap<_, _> = plan
            .findings
            .iter()
            .map(|finding| (finding.id.clone(), finding.rule.clone()))
            .collect();
        let mut reports = file.map(|file| file.stale(plan)).unwrap_or_default();
        reports.iter().for_each(|report| report.log(None));
        for session in &planned.sessions {
            let account = session.account();
            let due: Vec<Action> = self
                .due(plan, file)
                .into_iter()
                .filter(|action| action.account == *account)
                .cloned()
                .collect();
            if due.is_empty() {
                continue;
            }
            let span = info_span!(parent: &self.span, "account", account = account.as_str());
            let applied = self.apply_account(state, session, &due, &rules);
            reports.extend(applied.instrument(span).await);
        }
        if let Some(metrics) = &self.house.metrics {
            for report in &reports {
                metrics.action_ended(report.change.kind(), outcome(report));
            }
        }
        reports
    }

    async fn apply_account(
        &self,
        state: &State,
        session: &Session,
        due: &[Action],
        rules: &BTreeMap<FindingId, RuleName>,
    ) -> Vec<ActionReport> {
        let none = |result: ActionResult| {
            let report = |action: &Action| {
                let report = ActionReport::of(action, result.clone(), None);
                report.log(rules.get(&action.finding));
                report
            };
            due.iter().map(report).collect()
        };
        let lease = match self.lease(state, session.account()).await {
            Ok(Some(lease)) => lease,
            Ok(None) if self.house.shutdown.is_requested() => return none(ActionResult::NotStarted),
            Ok(None) => {
                let why = "another process has the account's lease and did not give it back in time";
                return none(ActionResult::NoLease(why.to_owned()));
            }
            // A state that does not answer may hold a freeze.
            Err(error) => {
                return none(ActionResult::Held(
                    WithheldReason::Freeze,
                    format!("the state failed: {error}"),
                ));
            }
        };
        let executor = self.executor(state, session, rules);
        let reports = executor.apply(&lease, due).await;
        if let Err(error) = self.release(state, lease).await {
            warn!(%error, "the lease was not released; it ends by itself");
        }
        reports
    }

    fn executor<'e>(
        &'e self,
        state: &'e State,
        session: &'e Session,
        rules: &'e BTreeMap<FindingId, RuleName>,
    ) -> Executor<'e> {
        Executor {
            config: &self.house.config,
            state,
            reader: session.reader(),
            writer: session.writer(),
            clock: &self.house.clock,
            shutdown: &self.house.shutdown,
            standstill: &self.house.standstill,
            run: &self.id,
            planned_from: self.now,
            judge: still_unused,
            rules,
        }
    }

    /// Undoes applied changes. One account's failure is its own.
    pub async fn roll_back(&self, state: &State, applied: &[state::Attempt]) -> Vec<ActionReport> {
        let mut reports = Vec::new();
        let mut by_account: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for attempt in applied {
            by_account
                .entry(attempt.intent.account.clone())
                .or_default()
                .push(attempt.clone());
        }
        for (id, attempts) in by_account {
            let span = info_span!(parent: &self.span, "account", account = id.as_str());
            let undone = self.roll_back_account(state, &id, &attempts);
            match undone.instrument(span).await {
                Ok(undone) => reports.extend(undone),
                Err(error) => {
                    let failed = |attempt| ActionReport {
                        intent: None,
                        ..ActionReport::of_attempt(attempt, true, failure(&error))
                    };
                    let failed: Vec<_> = attempts.iter().map(failed).collect();
                    failed.iter().for_each(|report| report.log(None));
                    reports.extend(failed);
                }
            }
        }
        reports
    }

    async fn roll_back_account(
        &self,
        state: &State,
        id: &AccountId,
        attempts: &[state::Attempt],
    ) -> anyhow::Result<Vec<ActionReport>> {
        let session = self.house.connect(id, Purpose::Rollback).await?;
        let Some(lease) = self.lease(state, id).await? else {
            anyhow::bail!("another process has the lease of account {id} and did not give it back in time");
        };
        // Under the lease nobody else undoes them; what somebody undid before it is not to be undone again.
        let applied = state.applied_actions(AppliedSelection::Account(id)).await?;
        let still = |attempt: &&state::Attempt| applied.iter().any(|still| still.id == attempt.id);
        let attempts: Vec<_> = attempts.iter().filter(still).cloned().collect();
        let rules = BTreeMap::new();
        let executor = self.executor(state, &session, &rules);
        let reports = executor.roll_back(&lease, &attempts).await;
        if let Err(error) = self.release(state, lease).await {
            warn!(%error, "the lease was not released; it ends by itself");
        }
        Ok(reports)
    }
}

fn failure(error: &anyhow::Error) -> ActionResult {
    ActionResult::Failed(format!("{error:#}"))
}
