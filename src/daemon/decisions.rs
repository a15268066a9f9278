//! What people decide, whichever way they come: the command line, a chat and the pages call these, and nothing else writes a
//! decision. Who may is asked of [`plan::weigh`] and [`plan::may_answer`]; here it is looked up, recorded and told.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::run::{House, Reach, Run, reference};
use crate::model::{
    AccountId, Action, Arn, ExemptionAnswer, ExemptionId, ExemptionRequest, ExemptionRevocation, History,
    Owner, Person, RequestedExemption, RuleName, Verdict,
};
use crate::notify::{Decided, PlanReference};
use crate::plan::{self, Ballot, Plan, Refusal, Standing};
use crate::rules;
use crate::state::{ExemptionChange, NewDecision, State, StateError};

/// The longest reason that is taken.
const LONGEST_REASON: usize = 2_000;

/// Why nothing was decided, asked or answered.
#[derive(Debug, thiserror::Error)]
pub enum DecisionError {
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
        action: String,
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

/// A decision of one person of a saved plan.
#[derive(Debug, Clone)]
pub struct DecisionAsked<'a> {
    /// The actions by id; empty: all of the plan.
    pub actions: &'a [String],
    /// Yes or no.
    pub verdict: Verdict,
    /// Who.
    pub person: &'a Person,
    /// Why.
    pub reason: Option<&'a str>,
    /// Who that is for AWS, where it was asked.
    pub caller: Option<&'a Arn>,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct DecisionMade {
    /// The plan.
    pub plan: PlanReference,
    /// Yes or no.
    pub verdict: Verdict,
    /// Action by action, in the order of the plan.
    pub actions: Vec<DecidedAction>,
    /// The configuration is another than the plan's: what was decided holds for the old one only.
    pub configuration_changed: bool,
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
    /// The actions of which the decision was written down just now.
    pub fn recorded(&self) -> impl Iterator<Item = &DecidedAction> {
        let is_new = |decided: &&DecidedAction| decided.outcome == DecisionOutcome::Recorded;
        self.actions.iter().filter(is_new)
    }

    /// The actions that the person may not decide, and why.
    pub fn refused(&self) -> impl Iterator<Item = (&Action, &Refusal)> {
        self.actions.iter().filter_map(|decided| match &decided.outcome {
            DecisionOutcome::Refused(refusal) => Some((&decided.action, refusal)),
            DecisionOutcome::Recorded | DecisionOutcome::Repeated => None,
        })
    }
}

/// An exemption that somebody asks for.
#[derive(Debug, Clone)]
pub struct ExemptionAsked<'a> {
    /// Where.
    pub account: &'a AccountId,
    /// Of what.
    pub resource: &'a Arn,
    /// Of which rules.
    pub rules: &'a [RuleName],
    /// The last day.
    pub until: NaiveDate,
    /// Why.
    pub reason: &'a str,
    /// Who answers for the thing, where that is known.
    pub owner: Option<&'a Owner>,
    /// Who asks.
    pub person: &'a Person,
}

impl House {
    fn writable(&self) -> Result<&State, DecisionError> {
        self.state.as_ref().ok_or(DecisionError::NoState)
    }

    /// A plan that was kept: by its id, the beginning of it, or `latest`.
    ///
    /// # Errors
    /// [`DecisionError::NoPlan`], and where it cannot be read.
    pub async fn saved_plan(&self, wanted: &str) -> Result<Plan, DecisionError> {
        let stored = self.writable()?.load_plan(wanted).await?;
        let stored = stored.ok_or_else(|| DecisionError::NoPlan(wanted.to_owned()))?;
        serde_json::from_str(&stored.document).map_err(|source| DecisionError::Unreadable {
            id: stored.id,
            source,
        })
    }

    /// Decides actions of a saved plan: asks whether the person may, records what is new, tells of it, and wakes the
    /// daemon. Saying the same again changes nothing. Actions that the person may not decide do not stop the others.
    ///
    /// # Errors
    /// [`DecisionError::Refused`] where the person may decide none of them; and where there is nothing to decide, or the
    /// state fails: then nothing is decided.
    pub async fn decide(&self, plan: &Plan, asked: DecisionAsked<'_>) -> Result<DecisionMade, DecisionError> {
        let state = self.writable()?;
        plan::may_decide(&self.config, asked.person)?;
        check_reason(asked.reason)?;
        let chosen = chosen(plan, asked.actions)?;
        let now = self.clock.now();
        let mut histories: BTreeMap<&AccountId, History> = BTreeMap::new();
        for action in &chosen {
            if !histories.contains_key(&action.account) {
                histories.insert(&action.account, state.history(&action.account, now).await?);
            }
        }
        let none = History::default();
        let said = (asked.person, asked.verdict);
        let mut outcomes = Vec::with_capacity(chosen.len());
        let mut decisions = Vec::new();
        for action in &chosen {
            let history = histories.get(&action.account).unwrap_or(&none);
            let owner = owner_of(plan, action);
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
            state
                .record_decisions(&plan.id, &decisions, asked.reason, asked.caller, now)
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
                superseded_by: self.superseded_by(state, plan, action).await,
                standing: plan::standing(&self.config, action, owner_of(plan, action), history, now),
                action: action.clone(),
                outcome,
            });
        }
        let made = DecisionMade {
            plan: reference(plan),
            verdict: asked.verdict,
            actions: decided,
            configuration_changed: plan.config_digest != self.config.digest(),
        };
        self.tell_decided(state, plan, &asked, &made).await;
        Ok(made)
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
    async fn tell_decided(&self, state: &State, plan: &Plan, asked: &DecisionAsked<'_>, made: &DecisionMade) {
        let actions: Vec<_> = made.recorded().map(|decided| decided.action.clone()).collect();
        if actions.is_empty() {
            return;
        }
        let decided = Decided {
            plan: made.plan.clone(),
            verdict: made.verdict,
            by: asked.person.name.clone(),
            reason: asked.reason.map(ToOwned::to_owned),
            at: self.clock.now(),
            actions,
        };
        let run = Run::new(self, Reach::Remember);
        if let Err(error) = run.tell_decision(state, plan, decided).await {
            tracing::error!(%error, "decided, but nobody can be told of it");
        }
        self.decided.now();
    }

    /// Asks for an exemption, for an approver to grant or refuse. Asking for the same again changes nothing.
    ///
    /// # Errors
    /// [`DecisionError::Senseless`] where what is asked makes no sense; and where the state fails: then nothing is asked.
    pub async fn ask_for_exemption(
        &self,
        asked: ExemptionAsked<'_>,
    ) -> Result<ExemptionRequest, DecisionError> {
        let state = self.writable()?;
        let now = self.clock.now();
        let ExemptionAsked {
            account,
            resource,
            rules: of_rules,
            until,
            reason,
            owner,
            person,
        } = asked;
        let senseless = |why: String| Err(DecisionError::Senseless(why));
        if reason.trim().is_empty() {
            return senseless("an exemption needs a reason".to_owned());
        }
        check_reason(Some(reason))?;
        if until < now.date_naive() {
            return senseless(format!("{until} is over: an exemption ends today or later"));
        }
        let mut of_rules = of_rules.to_vec();
        of_rules.sort();
        of_rules.dedup();
        if of_rules.is_empty() {
            return senseless("an exemption names at least one rule".to_owned());
        }
        if let Some(unknown) = of_rules.iter().find(|rule| rules::find(rule.as_str()).is_none()) {
            return senseless(format!("there is no rule `{unknown}`"));
        }
        if resource.account() != account.as_str() {
            return senseless(format!("{resource} is not in account {account}"));
        }
        let request = ExemptionRequest {
            id: ExemptionId(format!("exm_{}", super::new_id(now))),
            account: account.clone(),
            resource: resource.clone(),
            rules: of_rules,
            until,
            reason: reason.trim().to_owned(),
            owner: owner.cloned(),
            by: person.clone(),
            at: now,
        };
        Ok(state.request_exemption(&request, now).await?)
    }

    /// Grants or refuses an exemption. The first answer counts.
    ///
    /// # Errors
    /// [`DecisionError::Refused`] where the person may not, [`DecisionError::Settled`] where it was answered already; and
    /// where the state fails: then nothing is answered.
    pub async fn answer_exemption(
        &self,
        id: &ExemptionId,
        granted: bool,
        person: &Person,
        reason: Option<&str>,
    ) -> Result<RequestedExemption, DecisionError> {
        let state = self.writable()?;
        check_reason(reason)?;
        let now = self.clock.now();
        plan::may_decide(&self.config, person)?;
        let known = state.exemption(id).await?;
        let known = known.ok_or_else(|| DecisionError::NoExemption(id.to_string()))?;
        plan::may_answer(&self.config, person, &known.request, granted)?;
        if granted && known.answer.is_none() && known.request.until < now.date_naive() {
            let why = format!("its last day, {}, is over", known.request.until);
            return Err(DecisionError::Senseless(why));
        }
        let answer = ExemptionAnswer {
            granted,
            by: person.clone(),
            reason: reason.map(ToOwned::to_owned),
            at: now,
        };
        self.changed(id, state.answer_exemption(id, &answer, now).await?)
    }

    /// Takes a granted exemption back.
    ///
    /// # Errors
    /// As for [`House::answer_exemption`].
    pub async fn revoke_exemption(
        &self,
        id: &ExemptionId,
        person: &Person,
        reason: Option<&str>,
    ) -> Result<RequestedExemption, DecisionError> {
        let state = self.writable()?;
        check_reason(reason)?;
        plan::may_decide(&self.config, person)?;
        let now = self.clock.now();
        let revocation = ExemptionRevocation {
            by: person.clone(),
            reason: reason.map(ToOwned::to_owned),
            at: now,
        };
        self.changed(id, state.revoke_exemption(id, &revocation, now).await?)
    }

    fn changed(
        &self,
        id: &ExemptionId,
        change: ExemptionChange,
    ) -> Result<RequestedExemption, DecisionError> {
        match change {
            ExemptionChange::Recorded(exemption) => Ok(exemption),
            ExemptionChange::Unchanged(exemption) => Err(DecisionError::Settled {
                id: id.clone(),
                standing: exemption.standing(self.clock.now().date_naive()).as_str(),
            }),
            ExemptionChange::Unknown => Err(DecisionError::NoExemption(id.to_string())),
        }
    }
}

fn check_reason(reason: Option<&str>) -> Result<(), DecisionError> {
    match reason {
        Some(reason) if reason.chars().count() > LONGEST_REASON => Err(DecisionError::Senseless(format!(
            "the reason is longer than {LONGEST_REASON} characters"
        ))),
        Some(_) | None => Ok(()),
    }
}

/// The actions decided: those named, or all that there are.
fn chosen<'a>(plan: &'a Plan, ids: &[String]) -> Result<Vec<&'a Action>, DecisionError> {
    if plan.actions.is_empty() {
        return Err(DecisionError::NothingToDecide(plan.id.clone()));
    }
    if let Some(unknown) = ids
        .iter()
        .find(|id| !plan.actions.iter().any(|action| action.id.as_str() == **id))
    {
        return Err(DecisionError::NoAction {
            plan: plan.id.clone(),
            action: unknown.clone(),
        });
    }
    let named = |action: &&Action| ids.is_empty() || ids.iter().any(|id| action.id.as_str() == id);
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
