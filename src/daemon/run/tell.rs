//! Telling people: messages into the outbox, and out of it.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{House, Planned, Run};
use crate::aws::Secrets;
use crate::config::SecretReference;
use crate::execute::{ActionReport, ActionResult};
use crate::model::{Action, Digest, Event, Notification, Owner};
use crate::notify::PlanReference;
use crate::notify::{
    self, ActionOutcome, Courier, CourierSettings, DeliveryError, DeliveryReport, DueMessage,
    ExemptionEnding, Outbox, RunFailure, SecretSource, SecretUnavailable, SystemLookup, Tidings,
};
use crate::plan::{ExemptionState, Plan};
use crate::state::{NewMessage, State, StateError};

/// How long a message is ours while it is tried: longer than any try takes.
const CLAIM: Duration = Duration::from_secs(120);

/// The outbox in the state, with the claims of one process.
#[derive(Debug, Clone)]
pub struct StateOutbox {
    state: State,
    holder: String,
}

impl StateOutbox {
    /// Claims in the name of this holder.
    pub fn new(state: State, holder: String) -> Self {
        Self { state, holder }
    }
}

impl Outbox for StateOutbox {
    type Error = StateError;

    async fn due_messages(&self, now: DateTime<Utc>, limit: usize) -> Result<Vec<DueMessage>, StateError> {
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        let due = self
            .state
            .claim_due_messages(&self.holder, CLAIM, limit, now)
            .await?;
        let message = |due: crate::state::DueMessage| DueMessage {
            id: due.id,
            body: due.body.to_string(),
            attempts: due.attempts,
        };
        Ok(due.into_iter().map(message).collect())
    }

    async fn mark_accepted(&self, id: &str, now: DateTime<Utc>, counts: bool) -> Result<(), StateError> {
        self.state.mark_accepted(id, now, counts).await
    }

    async fn mark_retry(&self, id: &str, next_at: DateTime<Utc>, error: &str) -> Result<(), StateError> {
        self.state.mark_retry(id, next_at, error).await
    }

    async fn postpone(&self, id: &str, until: DateTime<Utc>, reason: &str) -> Result<(), StateError> {
        self.state.postpone(id, until, reason).await
    }

    async fn mark_dead(&self, id: &str, now: DateTime<Utc>, error: &str) -> Result<(), StateError> {
        self.state.mark_dead(id, now, error).await
    }
}

/// The secrets of channels, by way of AWS where they are kept there.
#[derive(Debug, Clone)]
pub struct ChannelSecrets(std::sync::Arc<Secrets>);

impl SecretSource for ChannelSecrets {
    async fn resolve(&self, reference: &SecretReference) -> Result<secrecy::SecretString, SecretUnavailable> {
        self.0
            .resolve(reference)
            .await
            .map_err(|source| unavailable(reference, source))
    }

    async fn refresh(&self, reference: &SecretReference) -> Result<secrecy::SecretString, SecretUnavailable> {
        self.0
            .refresh(reference)
            .await
            .map_err(|source| unavailable(reference, source))
    }
}

fn unavailable(reference: &SecretReference, source: crate::aws::SecretError) -> SecretUnavailable {
    SecretUnavailable {
        reference: reference.clone(),
        source: Box::new(source),
    }
}

impl House {
    /// A courier for the channels of the configuration.
    ///
    /// # Errors
    /// Where the HTTP client cannot be set up.
    pub fn courier(&self) -> Result<Courier<ChannelSecrets>, DeliveryError> {
        let secrets = ChannelSecrets(std::sync::Arc::clone(self.sessions.secrets()));
        let lookup = std::sync::Arc::new(SystemLookup);
        Courier::new(
            &self.config.notifications,
            lookup,
            secrets,
            CourierSettings::default(),
        )
    }

    /// Tries each message that is due, for at most so long. What is left stays in the outbox.
    ///
    /// # Errors
    /// Where the outbox fails; what channels refuse is booked there.
    pub async fn deliver(
        &self,
        courier: &Courier<ChannelSecrets>,
        state: &State,
        budget: Duration,
    ) -> Result<DeliveryReport, DeliveryError> {
        let outbox = StateOutbox::new(state.clone(), self.holder.clone());
        let clock = self.clock.clone();
        courier.deliver_due(&outbox, &move || clock.now(), budget).await
    }
}

/// What is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Telling {
    /// What happened only: an `apply` at somebody's hand.
    Results,
    /// Also what will happen: the daemon.
    Everything,
    /// What nobody is owed as a notice: in a dry run the default channel hears of findings, owners hear nothing.
    NotToOwners,
}

impl Run<'_> {
    /// Puts what is to be told into the outbox; what was told before is not told again. Says how many are new.
    ///
    /// # Errors
    /// Where the outbox fails; then nothing was queued.
    pub async fn tell(
        &self,
        state: &State,
        planned: &Planned,
        reports: &[ActionReport],
        telling: Telling,
    ) -> Result<usize, StateError> {
        let Planned {
            plan,
            settled,
            readings: _,
        } = planned;
        let results: Vec<_> = settled
            .iter()
            .chain(reports)
            .filter_map(|report| self.result(plan, report))
            .collect();
        let for_nobody = |notification: &&Notification| match notification.event {
            Event::ReportDigest | Event::ApprovalRequested => notification.to.is_none(),
            _ => false,
        };
        let (notifications, exemptions, failures): (Vec<Notification>, _, _) = match telling {
            Telling::Results => (Vec::new(), Vec::new(), Vec::new()),
            Telling::Everything => (plan.notifications.clone(), self.endings(plan), failures(plan)),
            Telling::NotToOwners => {
                let heard = plan.notifications.iter().filter(for_nobody).cloned().collect();
                (heard, self.endings(plan), failures(plan))
            }
        };
        let names: BTreeMap<_, _> = plan
            .accounts
            .iter()
            .map(|a| (a.id.clone(), a.name.clone()))
            .collect();
        let tidings = Tidings {
            run: &self.id,
            plan: Some(reference(plan)),
            now: self.now,
            account_names: &names,
            audit_head: Some(Digest::of_bytes(state.head().await?.to_string().as_bytes())),
            findings: &plan.findings,
            actions: &plan.actions,
            notifications: &notifications,
            results: &results,
            decisions: &[],
            exemptions: &exemptions,
            failures: &failures,
        };
        self.enqueue(state, &tidings).await
    }

    /// Tells of rollbacks.
    ///
    /// # Errors
    /// As for [`Run::tell`].
    pub async fn tell_rollback(
        &self,
        state: &State,
        reports: &[ActionReport],
        by: &str,
    ) -> Result<usize, StateError> {
        let names = BTreeMap::new();
        let mut results = Vec::new();
        for report in reports {
            let outcome = match &report.result {
                ActionResult::Applied if report.undo => ActionOutcome::RolledBack { by: by.to_owned() },
                // Of an earlier run, and found to have been done.
                ActionResult::Applied => ActionOutcome::Applied,
                ActionResult::Stale(why) | ActionResult::Failed(why) | ActionResult::Unsettled(why) => {
                    ActionOutcome::RollbackFailed { detail: why.clone() }
                }
                ActionResult::Held(..) | ActionResult::NoLease(_) | ActionResult::NotStarted => continue,
            };
            results.push(self.plain_result(report, None, outcome));
        }
        let tidings = Tidings {
            run: &self.id,
            plan: None,
            now: self.now,
            account_names: &names,
            audit_head: None,
            findings: &[],
            actions: &[],
            notifications: &[],
            results: &results,
            decisions: &[],
            exemptions: &[],
            failures: &[],
        };
        self.enqueue(state, &tidings).await
    }

    async fn enqueue(&self, state: &State, tidings: &Tidings<'_>) -> Result<usize, StateError> {
        let mut new_id = || format!("msg_{}", crate::daemon::new_id(self.now));
        let outgoing = notify::plan_messages(&self.house.config, tidings, &mut new_id);
        let messages: Vec<_> = outgoing
            .into_iter()
            .filter_map(|outgoing| new_message(outgoing, tidings))
            .collect();
        Ok(state.enqueue(&messages, self.now).await?.len())
    }

    fn result(&self, plan: &Plan, report: &ActionReport) -> Option<notify::ActionResult> {
        let action = plan.actions.iter().find(|action| action.id == report.action);
        let outcome = match &report.result {
            ActionResult::Applied if report.undo => ActionOutcome::RolledBack {
                by: "iamwarden".to_owned(),
            },
            ActionResult::Applied => ActionOutcome::Applied,
            ActionResult::Stale(why) => ActionOutcome::Stale { detail: why.clone() },
            ActionResult::Failed(why) | ActionResult::Unsettled(why) => {
                ActionOutcome::Failed { detail: why.clone() }
            }
            ActionResult::Held(..) | ActionResult::NoLease(_) | ActionResult::NotStarted => return None,
        };
        Some(self.plain_result(
            report,
            action.map(|action| (action, owner(plan, action))),
            outcome,
        ))
    }

    fn plain_result(
        &self,
        report: &ActionReport,
        action: Option<(&Action, Option<Owner>)>,
        outcome: ActionOutcome,
    ) -> notify::ActionResult {
        let findings = action.as_ref().map(|(action, _)| {
            std::iter::once(&action.finding)
                .chain(&action.also)
                .cloned()
                .collect()
        });
        notify::ActionResult {
            id: report.action.clone(),
            account: report.account.clone(),
            resource: report.resource.clone(),
            change: report.change.clone(),
            inverse: action.as_ref().and_then(|(action, _)| action.inverse.clone()),
            owner: action.and_then(|(_, owner)| owner),
            findings: findings.unwrap_or_default(),
            attempt: report.intent.map_or(0, |intent| intent.number()),
            at: self.house.clock.now(),
            outcome,
        }
    }

    fn endings(&self, plan: &Plan) -> Vec<ExemptionEnding> {
        let today = plan.created_at.date_naive();
        let ending = |exemption: &&crate::config::Exemption| {
            plan.exemptions.iter().any(|summary| {
                summary.state != ExemptionState::Active
                    && summary.until == exemption.until
                    && summary.principals == exemption.principals
                    && summary.rules == exemption.rules
            })
        };
        let exemptions = self.house.config.exemptions.iter().filter(ending);
        exemptions
            .map(|exemption| ExemptionEnding {
                exemption: exemption.clone(),
                today,
            })
            .collect()
    }
}

fn new_message(outgoing: notify::Outgoing, tidings: &Tidings<'_>) -> Option<NewMessage> {
    let notify::Outgoing {
        message,
        deliver_after,
        dedup_key,
        notices,
    } = outgoing;
    let account_of = |finding: &crate::model::FindingId| {
        tidings
            .findings
            .iter()
            .find(|f| f.id == *finding)
            .map(|f| f.account.clone())
    };
    let notices = notices
        .into_iter()
        .filter_map(|a| Some((account_of(&a.notice.finding)?, a.event, a.notice)));
    Some(NewMessage {
        id: message.id.clone(),
        channel: message.channel.clone(),
        event: message.event()?,
        owner: message.owner.clone(),
        notices: notices.collect(),
        body: serde_json::to_value(&message).unwrap_or(Value::Null),
        dedup: dedup_key,
        deliver_after,
    })
}

/// The plan by id and digest, as an approver compares it.
pub fn reference(plan: &Plan) -> PlanReference {
    PlanReference {
        id: plan.id.clone(),
        digest: Digest::of_serialized(plan),
    }
}

fn owner(plan: &Plan, action: &Action) -> Option<Owner> {
    plan.findings
        .iter()
        .find(|finding| finding.id == action.finding)
        .and_then(|finding| finding.owner.clone())
}

/// What could not be read, for the default channel.
fn failures(plan: &Plan) -> Vec<RunFailure> {
    let failures = plan.accounts.iter().flat_map(|account| {
        account.errors.iter().map(|gap| RunFailure {
            account: account.id.clone(),
            operation: gap.operation.clone(),
            resource: gap.resource.clone(),
            detail: gap.detail.clone(),
        })
    });
    failures.collect()
}
