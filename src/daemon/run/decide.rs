//! What people decide, whichever way they come: the command line, a chat and the pages call these, and nothing else writes a
//! decision. Who may is asked of [`plan::weigh`] and [`plan::may_answer`]; here it is looked up, recorded and told.

use std::collections::BTreeMap;

use super::{House, Reach, Run, reference};
use crate::aws::Purpose;
use crate::model::{AccountId, Action, ActionId, Arn, ExemptionId, History, Owner, Person, Verdict, Way};
use crate::notify::Decided;
use crate::plan::{self, Ballot, Plan, Refusal, Standing};
use crate::state::{NewDecision, State, StateError};
use crate::telemetry::Chain;

/// The longest reason that is taken.
const LONGEST_REASON: usize = 2_000;

/// Why nothing was decided, asked or answered.
#[derive(Debug, thiserror::Error)]
pub enum DecideError {
    /// The person may not.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// There is no such plan.
    #[error("there is no saved plan `{0}`: make one with `iamwarden plan --save`")]
    NoPlan(String),
    /// The plan has no such action.
    #[error("plan {plan} has no action `{action}`")]
    NoAction {
        /// The plan.
        plan: String,
        /// The action.
        action: ActionId,
    },
    /// The plan has nothing to decide.
    #[error("plan {0} has no actions to decide")]
    NothingToDecide(String),
    /// There is no such request.
    #[error("there is no exemption `{0}`: see `iamwarden exemptions`")]
    NoExemption(String),
    /// Somebody was quicker.
    #[error("{id} is {standing} already")]
    Settled {
        /// The request.
        id: ExemptionId,
        /// How it stands.
        standing: &'static str,
    },
    /// What was said makes no sense.
    #[error("{0}")]
    Senseless(String),
    /// The saved plan is not one.
    #[error("the saved plan {id} cannot be read")]
    Unreadable {
        /// The plan.
        id: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// There is nothing to record it in.
    #[error("there is no state")]
    NoState,
    /// The state failed: nothing is decided.
    #[error(transparent)]
    State(#[from] StateError),
}

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
    /// By which way.
    pub via: Way,
    /// Why.
    pub reason: Option<String>,
}

/// What was decided and recorded.
#[derive(Debug, Clone)]
pub struct DecisionMade {
    /// The whole id of the plan.
    pub plan: String,
    /// The actions of which something was recorded just now, as the plan has them.
    pub actions: Vec<Action>,
    /// All that were asked about, each with what came of it.
    pub decided: Vec<DecidedAction>,
    /// Whether the configuration is another than the plan's: then it holds for the old one only.
    pub outdated: bool,
}

/// One action that was asked about.
#[derive(Debug, Clone)]
pub struct DecidedAction {
    /// Which.
    pub action: Action,
    /// Whether it was recorded.
    pub outcome: DecisionOutcome,
    /// How the action stands now.
    pub standing: Standing,
    /// A newer saved plan that holds the action with another precondition or configuration: the decision is none of that.
    pub superseded_by: Option<String>,
}

/// What came of a decision of one action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DecisionOutcome {
    /// It is in the journal.
    Recorded,
    /// It was there already, and still counts.
    Repeated,
    /// The person may not decide this one.
    Refused(Refusal),
}

impl DecisionMade {
    /// The actions that the person may not decide, and why.
    pub fn refused(&self) -> impl Iterator<Item = (&Action, &Refusal)> {
        self.decided.iter().filter_map(|decided| match &decided.outcome {
            DecisionOutcome::Refused(refusal) => Some((&decided.action, refusal)),
            DecisionOutcome::Recorded | DecisionOutcome::Repeated => None,
        })
    }
}

impl House {
    pub(super) fn writable(&self) -> Result<&State, DecideError> {
        self.state.as_ref().ok_or(DecideError::NoState)
    }

    /// Decides actions of a saved plan: asks whether the person may, records what is new, tells of it, and wakes the
    /// daemon. Saying the same again changes nothing. Actions that the person may not decide do not stop the others.
    ///
    /// # Errors
    /// [`DecideError::Refused`] where the person may decide none of them; and where there is nothing to decide, or the
    /// state fails: then nothing is decided. Where only the telling failed, the decision stands.
    pub async fn decide(
        &self,
        state: &State,
        request: &DecisionRequest,
    ) -> Result<DecisionMade, DecideError> {
        let person = Person::new(&request.by, request.via);
        plan::may_decide(&self.config, &person)?;
        check_reason(request.reason.as_deref())?;
        let plan = saved_plan(state, &request.plan).await?;
        let chosen = chosen(&plan, &request.actions)?;
        let now = self.clock.now();
        let mut histories: BTreeMap<&AccountId, History> = BTreeMap::new();
        for action in &chosen {
            if !histories.contains_key(&action.account) {
                histories.insert(&action.account, state.history(&action.account, now).await?);
            }
        }
        let none = History::default();
        let said = (&person, request.verdict);
        let mut outcomes = Vec::with_capacity(chosen.len());
        let mut decisions = Vec::new();
        for action in &chosen {
            let history = histories.get(&action.account).unwrap_or(&none);
            let owner = owner_of(&plan, action);
            let weighed = plan::weigh(
                &self.config,
                &plan.config_digest,
                action,
                owner,
                said,
                history,
                now,
            );
            outcomes.push(match weighed {
                Ok(Ballot::New(decision)) => {
                    decisions.push(NewDecision {
                        account: action.account.clone(),
                        decision,
                    });
                    DecisionOutcome::Recorded
                }
                Ok(Ballot::Repeats) => DecisionOutcome::Repeated,
                Err(refusal) => DecisionOutcome::Refused(refusal),
            });
        }
        if let Some(refusal) = all_refused(&outcomes) {
            return Err(refusal.into());
        }
        if !decisions.is_empty() {
            let caller = self.caller(&plan, request.via).await;
            let reason = request.reason.as_deref();
            state
                .record_decisions(&plan.id, &decisions, reason, caller.as_ref(), now)
                .await?;
        }
        for NewDecision { account, decision } in decisions {
            if let Some(history) = histories.get_mut(&account) {
                history.decisions.push(decision);
            }
        }
        let mut decided = Vec::with_capacity(chosen.len());
        for (action, outcome) in chosen.into_iter().zip(outcomes) {
            let history = histories.get(&action.account).unwrap_or(&none);
            decided.push(DecidedAction {
                superseded_by: self.superseded_by(state, &plan, action).await,
                standing: plan::standing(&self.config, action, owner_of(&plan, action), history, now),
                action: action.clone(),
                outcome,
            });
        }
        let recorded = decided
            .iter()
            .filter(|one| one.outcome == DecisionOutcome::Recorded);
        let actions: Vec<_> = recorded.map(|one| one.action.clone()).collect();
        if !actions.is_empty() {
            self.tell_decided(state, &plan, request, &actions).await;
        }
        Ok(DecisionMade {
            outdated: plan.config_digest != self.config.digest(),
            plan: plan.id,
            actions,
            decided,
        })
    }

    /// Who types this, as AWS sees it. For the record: that it cannot be asked does not undo a decision. Whoever comes by
    /// chat or page is not known to AWS.
    async fn caller(&self, plan: &Plan, way: Way) -> Option<Arn> {
        match way {
            Way::CommandLine => {}
            Way::Chat | Way::Page => return None,
        }
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

    /// The newest plan that holds the action otherwise. Worth knowing, and no part of the decision, which stands by now.
    async fn superseded_by(&self, state: &State, plan: &Plan, action: &Action) -> Option<String> {
        let newer = match state.newest_plan_holding(&action.id, plan.created_at).await {
            Ok(newer) => newer.filter(|newer| newer.id != plan.id)?,
            Err(error) => {
                tracing::warn!(%error, "the plan decided cannot be compared with newer ones");
                return None;
            }
        };
        let newest: Plan = serde_json::from_str(&newer.document).ok()?;
        let same = newest.config_digest == plan.config_digest
            && newest
                .actions
                .iter()
                .any(|other| other.id == action.id && other.precondition == action.precondition);
        (!same).then_some(newer.id)
    }

    /// Puts the word of it into the outbox, and wakes who waits for decisions.
    async fn tell_decided(&self, state: &State, plan: &Plan, request: &DecisionRequest, actions: &[Action]) {
        let decided = Decided {
            plan: reference(plan),
            verdict: request.verdict,
            by: request.by.clone(),
            reason: request.reason.clone(),
            at: self.clock.now(),
            actions: actions.to_vec(),
        };
        let run = Run::new(self, Reach::Remember);
        if let Err(error) = run.tell_decision(state, plan, decided).await {
            tracing::error!(error = %Chain(&error), "decided, but nobody can be told of it");
        }
        self.decided.now();
    }
}

pub(super) fn check_reason(reason: Option<&str>) -> Result<(), DecideError> {
    match reason {
        Some(reason) if reason.chars().count() > LONGEST_REASON => Err(DecideError::Senseless(format!(
            "the reason is longer than {LONGEST_REASON} characters"
        ))),
        Some(_) | None => Ok(()),
    }
}

/// A plan that was kept: by its id, the beginning of it, or `latest`.
///
/// # Errors
/// [`DecideError::NoPlan`], and where it cannot be read.
pub async fn saved_plan(state: &State, wanted: &str) -> Result<Plan, DecideError> {
    let stored = state.load_plan(wanted).await?;
    let stored = stored.ok_or_else(|| DecideError::NoPlan(wanted.to_owned()))?;
    serde_json::from_str(&stored.document).map_err(|source| DecideError::Unreadable {
        id: stored.id,
        source,
    })
}

/// The actions decided: those named, or all that there are.
fn chosen<'a>(plan: &'a Plan, ids: &[ActionId]) -> Result<Vec<&'a Action>, DecideError> {
    if plan.actions.is_empty() {
        return Err(DecideError::NothingToDecide(plan.id.clone()));
    }
    if let Some(unknown) = ids
        .iter()
        .find(|id| !plan.actions.iter().any(|action| action.id == **id))
    {
        return Err(DecideError::NoAction {
            plan: plan.id.clone(),
            action: unknown.clone(),
        });
    }
    let named = |action: &&Action| ids.is_empty() || ids.contains(&action.id);
    Ok(plan.actions.iter().filter(named).collect())
}

/// Who answers for what the action changes.
fn owner_of<'p>(plan: &'p Plan, action: &Action) -> Option<&'p Owner> {
    let finding = plan
        .findings
        .iter()
        .find(|finding| finding.id == action.finding)?;
    finding.owner.as_ref()
}

fn all_refused(outcomes: &[DecisionOutcome]) -> Option<Refusal> {
    let refusals: Vec<_> = outcomes
        .iter()
        .filter_map(|outcome| match outcome {
            DecisionOutcome::Refused(refusal) => Some(refusal),
            DecisionOutcome::Recorded | DecisionOutcome::Repeated => None,
        })
        .collect();
    let first = refusals.first()?;
    (refusals.len() == outcomes.len()).then(|| (*first).clone())
}
