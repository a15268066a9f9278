//! Deciding a saved plan: the one way for the command line, the page and whoever else decides.

use super::{House, Reach, Run, reference};
use crate::aws::Purpose;
use crate::model::{Action, ActionId, Arn, Decision, Verdict};
use crate::notify::Decided;
use crate::plan::Plan;
use crate::state::{NewDecision, State, StateError};
use crate::telemetry::Chain;

/// What a person says of a saved plan.
#[derive(Debug, Clone)]
pub struct DecisionRequest {
    /// The plan's id, the beginning of it, or `latest`.
    pub plan: String,
    /// Which of its actions; empty: all.
    pub actions: Vec<ActionId>,
    /// Yes or no.
    pub verdict: Verdict,
    /// Who says so. That it is this person is for the caller to know.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
}

/// What was decided and recorded.
#[derive(Debug, Clone)]
pub struct DecisionMade {
    /// The whole id of the plan.
    pub plan: String,
    /// The actions, as the plan has them.
    pub actions: Vec<Action>,
    /// Whether the configuration is another than the plan's: then it holds for the old one only.
    pub outdated: bool,
}

/// Why nothing was decided.
#[derive(Debug, thiserror::Error)]
pub enum DecideError {
    /// Not one of those who may.
    #[error("{0} is not among approvals.approvers and may not decide")]
    NotAnApprover(String),
    /// It is not there.
    #[error("there is no saved plan `{0}`: make one with `iamwarden plan --save`")]
    NoPlan(String),
    /// There is nothing in it.
    #[error("plan {0} has no actions to decide")]
    NoActions(String),
    /// It is about something else.
    #[error("plan {plan} has no action `{action}`")]
    NoAction {
        /// Which plan.
        plan: String,
        /// What was asked for.
        action: ActionId,
    },
    /// It was written by another version, or was damaged.
    #[error("the saved plan {plan} cannot be read: make it afresh with `iamwarden plan --save`")]
    Unreadable {
        /// Which plan.
        plan: String,
        /// Why.
        source: serde_json::Error,
    },
    /// It could not be read or written.
    #[error(transparent)]
    State(#[from] StateError),
}

impl House {
    /// Records what a person decided of a saved plan, and puts what is to be told of it into the outbox.
    ///
    /// # Errors
    /// [`DecideError`]; then nothing is decided. Where only the telling failed, the decision stands.
    pub async fn decide(
        &self,
        state: &State,
        request: &DecisionRequest,
    ) -> Result<DecisionMade, DecideError> {
        let DecisionRequest {
            plan: wanted,
            actions,
            verdict,
            by,
            reason,
        } = request;
        if !self.config.approvals.may_decide(by) {
            return Err(DecideError::NotAnApprover(by.clone()));
        }
        let stored = state.load_plan(wanted).await?;
        let stored = stored.ok_or_else(|| DecideError::NoPlan(wanted.clone()))?;
        let plan: Plan =
            serde_json::from_str(&stored.document).map_err(|source| DecideError::Unreadable {
                plan: stored.id.clone(),
                source,
            })?;
        let actions = chosen(&plan, actions)?;
        let now = self.clock.now();
        let decisions: Vec<_> = actions
            .iter()
            .map(|action| NewDecision {
                account: action.account.clone(),
                decision: Decision {
                    action: action.id.clone(),
                    verdict: *verdict,
                    precondition: action.precondition_digest(),
                    config_digest: plan.config_digest.clone(),
                    decided_at: now,
                    not_before: action.not_before,
                    by: by.clone(),
                },
            })
            .collect();
        let caller = self.caller(&plan).await;
        state
            .record_decisions(&stored.id, &decisions, reason.as_deref(), caller.as_ref(), now)
            .await?;
        let decided = Decided {
            plan: reference(&plan),
            verdict: *verdict,
            by: by.clone(),
            reason: reason.clone(),
            at: now,
            actions: actions.clone(),
        };
        let outdated = plan.config_digest != self.config.digest();
        Run::new(self, Reach::Remember)
            .tell_decision(state, &plan, decided)
            .await?;
        Ok(DecisionMade {
            plan: stored.id,
            actions,
            outdated,
        })
    }

    /// Who iamwarden is where this is decided, as AWS sees it. For the record: that it cannot be asked does not undo a
    /// decision.
    async fn caller(&self, plan: &Plan) -> Option<Arn> {
        let first = plan.accounts.first().map(|account| &account.id);
        let account = self
            .config
            .accounts
            .iter()
            .find(|account| Some(&account.id) == first);
        match self
            .sessions
            .connect(account, Purpose::Work, self.clock.now())
            .await
        {
            Ok(session) => Some(session.caller().arn.clone()),
            Err(error) => {
                tracing::warn!(error = %Chain(&error), "recorded without the caller's ARN");
                None
            }
        }
    }
}

/// The actions decided: those named, or all that can be.
fn chosen(plan: &Plan, ids: &[ActionId]) -> Result<Vec<Action>, DecideError> {
    if plan.actions.is_empty() {
        return Err(DecideError::NoActions(plan.id.clone()));
    }
    if ids.is_empty() {
        return Ok(plan.actions.clone());
    }
    ids.iter()
        .map(|id| {
            let action = plan.actions.iter().find(|action| action.id == *id);
            action.cloned().ok_or_else(|| DecideError::NoAction {
                plan: plan.id.clone(),
                action: id.clone(),
            })
        })
        .collect()
}
