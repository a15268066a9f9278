//! Telling people: messages into the outbox, and out of it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;
use tracing::warn;

use super::{House, Planned, Run};
use crate::aws::Secrets;
use crate::config::SecretReference;
use crate::execute::{ActionReport, ActionResult};
use crate::inventory::Gap;
use crate::model::{AccountId, Digest, Event, Finding, FindingId, Notification, Owner};
use crate::notify::PlanReference;
use crate::notify::{
    self, ActionOutcome, Courier, CourierSettings, Decided, DeliveryError, DeliveryReport, DueMessage,
    ExemptionEnding, Outbox, RunFailure, SecretSource, SecretUnavailable, SystemLookup, Tidings,
};
use crate::plan::{self, ExemptionState, Plan};
use crate::state::{Audience, IntentId, NewMessage, State, StateError};

/// How long a message is ours while it is tried: longer than any try takes.
const CLAIM: Duration = Duration::from_secs(120);

/// How long deliveries go on once the process is told to stop.
const GRACE: Duration = Duration::from_secs(4);

/// The outbox in the state, with the claims of one process.
#[derive(Debug, Clone)]
pub struct StateOutbox {
    state: State,
    holder: String,
    audience: Audience,
}

impl StateOutbox {
    /// Claims in the name of this holder what is for this audience.
    pub fn new(state: State, holder: String, audience: Audience) -> Self {
        Self {
            state,
            holder,
            audience,
        }
    }
}

impl Outbox for StateOutbox {
    type Error = StateError;

    async fn due_messages(&self, now: DateTime<Utc>, limit: usize) -> Result<Vec<DueMessage>, StateError> {
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        let due = self
            .state
            .claim_due_messages(&self.holder, self.audience, CLAIM, limit, now)
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
        self.courier_with(CourierSettings::default())
    }

    /// A courier of another pace.
    ///
    /// # Errors
    /// Where the HTTP client cannot be set up.
    pub fn courier_with(&self, settings: CourierSettings) -> Result<Courier<ChannelSecrets>, DeliveryError> {
        let secrets = ChannelSecrets(std::sync::Arc::clone(self.sessions.secrets()));
        let lookup = std::sync::Arc::new(SystemLookup);
        Courier::new(&self.config.notifications, lookup, secrets, settings)
    }

    /// Tries each message that is due, for at most so long, and not much longer once the process is told to stop. What is
    /// left stays in the outbox. In a dry run the messages of owners wait.
    ///
    /// # Errors
    /// Where the outbox fails; what channels refuse is booked there.
    pub async fn deliver(
        &self,
        courier: &Courier<ChannelSecrets>,
        state: &State,
        budget: Duration,
    ) -> Result<DeliveryReport, DeliveryError> {
        let audience = match self.config.dry_run {
            true => Audience::NotOwners,
            false => Audience::Everybody,
        };
        let outbox = StateOutbox::new(state.clone(), self.holder.clone(), audience);
        let clock = self.clock.clone();
        let patience = async {
            self.shutdown.requested().await;
            tokio::time::sleep(GRACE).await;
        };
        let now = move || clock.now();
        let report = tokio::select! {
            report = courier.deliver_due(&outbox, &now, budget) => report?,
            () = patience => DeliveryReport { left: 1, ..DeliveryReport::default() },
        };
        if report.left > 0 {
            // Others need not wait for the end of our claim.
            if let Err(error) = state.release_claims(&self.holder).await {
                warn!(%error, "messages that were not tried are due again in two minutes");
            }
        }
        Ok(report)
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
        let Planned { plan, settled, .. } = planned;
        let reports: Vec<_> = settled.iter().chain(reports).collect();
        let findings = self.with_remembered(state, &plan.findings, &reports).await?;
        let results: Vec<_> = reports
            .into_iter()
            .filter_map(|report| Some(Outcome::of(report, self.result(&findings, report)?)))
            .collect();
        let for_nobody = |notification: &&Notification| {
            matches!(notification.event, Event::ReportDigest | Event::ApprovalRequested)
                && notification.to.is_none()
        };
        let (notifications, exemptions, failures): (Vec<Notification>, _, _) = match telling {
            Telling::Results => (Vec::new(), Vec::new(), Vec::new()),
            Telling::Everything => (
                plan.notifications.clone(),
                self.endings(planned),
                self.failures(plan),
            ),
            Telling::NotToOwners => {
                let heard = plan.notifications.iter().filter(for_nobody).cloned().collect();
                (heard, self.endings(planned), self.failures(plan))
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
            audit_head: Some(state.head().await?.to_string()),
            findings: &findings,
            actions: &plan.actions,
            notifications: &notifications,
            results: &[],
            decisions: &[],
            exemptions: &exemptions,
            failures: &failures,
            news: &[],
        };
        self.enqueue(state, tidings, results).await
    }

    /// Tells of a decision on a plan's actions.
    ///
    /// # Errors
    /// As for [`Run::tell`].
    pub async fn tell_decision(
        &self,
        state: &State,
        plan: &Plan,
        decided: Decided,
    ) -> Result<usize, StateError> {
        let names: BTreeMap<_, _> = plan
            .accounts
            .iter()
            .map(|a| (a.id.clone(), a.name.clone()))
            .collect();
        let decisions = [decided];
        let tidings = Tidings {
            run: &self.id,
            plan: Some(reference(plan)),
            now: self.now,
            account_names: &names,
            audit_head: None,
            findings: &plan.findings,
            actions: &plan.actions,
            notifications: &[],
            results: &[],
            decisions: &decisions,
            exemptions: &[],
            failures: &[],
            news: &[],
        };
        self.enqueue(state, tidings, Vec::new()).await
    }

    /// Tells what people did beside deciding plans, or how it stands.
    ///
    /// # Errors
    /// As for [`Run::tell`].
    pub async fn tell_news(&self, state: &State, news: &[notify::News]) -> Result<usize, StateError> {
        let accounts = self.house.config.accounts.iter();
        let names: BTreeMap<_, _> = accounts
            .filter_map(|account| Some((account.id.clone(), account.name.clone()?)))
            .collect();
        let tidings = Tidings {
            run: &self.id,
            plan: None,
            now: self.now,
            account_names: &names,
            audit_head: Some(state.head().await?.to_string()),
            findings: &[],
            actions: &[],
            notifications: &[],
            results: &[],
            decisions: &[],
            exemptions: &[],
            failures: &[],
            news,
        };
        self.enqueue(state, tidings, Vec::new()).await
    }

    /// Tells that a run came to nothing, because the credentials lead nowhere.
    ///
    /// # Errors
    /// As for [`Run::tell`].
    pub(super) async fn tell_failure(&self, state: &State, gap: Gap) -> Result<usize, StateError> {
        let failures = [RunFailure {
            account: None,
            operation: gap.operation,
            resource: gap.resource,
            detail: gap.detail,
        }];
        let tidings = Tidings {
            run: &self.id,
            plan: None,
            now: self.now,
            account_names: &BTreeMap::new(),
            audit_head: Some(state.head().await?.to_string()),
            findings: &[],
            actions: &[],
            notifications: &[],
            results: &[],
            decisions: &[],
            exemptions: &[],
            failures: &failures,
            news: &[],
        };
        self.enqueue(state, tidings, Vec::new()).await
    }

    /// Tells of what earlier runs did, outside of any plan.
    ///
    /// # Errors
    /// As for [`Run::tell`].
    pub(super) async fn tell_settled(
        &self,
        state: &State,
        settled: Vec<ActionReport>,
    ) -> Result<usize, StateError> {
        let plan = plan::assemble(&self.house.config, self.id.clone(), self.now, false, Vec::new());
        let planned = Planned::of_nothing(plan, settled);
        self.tell(state, &planned, &[], Telling::Results).await
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
        let accounts = self.house.config.accounts.iter();
        let names: BTreeMap<_, _> = accounts
            .filter_map(|account| Some((account.id.clone(), account.name.clone()?)))
            .collect();
        let told: Vec<_> = reports.iter().collect();
        let findings = self.with_remembered(state, &[], &told).await?;
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
            results.push(Outcome::of(report, self.outcome(&findings, report, outcome)));
        }
        let tidings = Tidings {
            run: &self.id,
            plan: None,
            now: self.now,
            account_names: &names,
            audit_head: Some(state.head().await?.to_string()),
            findings: &findings,
            actions: &[],
            notifications: &[],
            results: &[],
            decisions: &[],
            exemptions: &[],
            failures: &[],
            news: &[],
        };
        self.enqueue(state, tidings, results).await
    }

    /// Puts messages into the outbox: the tidings, and with them these results, but for what was told before.
    async fn enqueue(
        &self,
        state: &State,
        tidings: Tidings<'_>,
        results: Vec<Outcome>,
    ) -> Result<usize, StateError> {
        let attempts: Vec<_> = results.iter().filter_map(|news| news.attempt).collect();
        let all: Vec<_> = results.iter().map(|news| news.result.clone()).collect();
        let whole = Tidings {
            results: &all,
            ..tidings.clone()
        };
        let entries = notify::entries(&self.house.config, &whole);
        let write = |untold: &BTreeSet<IntentId>, told: &BTreeSet<Digest>| {
            let is_news = |news: &Outcome| news.attempt.is_none_or(|id| untold.contains(&id));
            let results = results.into_iter().filter(is_news);
            let results: Vec<_> = results.map(|news| news.result).collect();
            let tidings = Tidings {
                results: &results,
                ..tidings
            };
            let mut new_id = || format!("msg_{}", crate::daemon::new_id(self.now));
            let outgoing = notify::plan_messages(&self.house.config, &tidings, told, &mut new_id);
            let findings = tidings.findings.iter();
            let accounts: BTreeMap<_, _> = findings.map(|finding| (&finding.id, &finding.account)).collect();
            let messages = outgoing.into_iter();
            messages
                .filter_map(|outgoing| new_message(outgoing, &accounts))
                .collect()
        };
        Ok(state
            .enqueue(&attempts, &entries, write, self.house.clock.now())
            .await?
            .len())
    }

    /// What the plan found, and what is remembered of findings that justified these actions and stand no more: an
    /// action of an earlier run still has its reasons and its owner. What a large organization found is not held twice.
    async fn with_remembered<'p>(
        &self,
        state: &State,
        found: &'p [Finding],
        reports: &[&ActionReport],
    ) -> Result<Cow<'p, [Finding]>, StateError> {
        let known: BTreeSet<_> = found.iter().map(|finding| &finding.id).collect();
        let is_missing = |id: &&FindingId| !known.contains(id);
        let missing: BTreeSet<_> = reports
            .iter()
            .flat_map(|r| &r.findings)
            .filter(is_missing)
            .collect();
        if missing.is_empty() {
            return Ok(Cow::Borrowed(found));
        }
        let remembered = state.findings(None, true).await?;
        let wanted = remembered.into_iter().map(|record| record.finding);
        let mut findings = found.to_vec();
        findings.extend(wanted.filter(|finding| missing.contains(&finding.id)));
        Ok(Cow::Owned(findings))
    }

    fn result(&self, findings: &[Finding], report: &ActionReport) -> Option<notify::ActionResult> {
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
        Some(self.outcome(findings, report, outcome))
    }

    fn outcome(
        &self,
        findings: &[Finding],
        report: &ActionReport,
        outcome: ActionOutcome,
    ) -> notify::ActionResult {
        let known = |id: &FindingId| findings.iter().find(|finding| finding.id == *id);
        let owner = report
            .findings
            .iter()
            .find_map(known)
            .and_then(|f| f.owner.clone());
        notify::ActionResult {
            id: report.action.clone(),
            account: report.account.clone(),
            resource: report.resource.clone(),
            change: report.change.clone(),
            inverse: report.inverse.clone(),
            owner: owner.or_else(|| self.owner_of(&report.account)),
            findings: report.findings.clone(),
            attempt: report.intent.map_or(0, |intent| intent.number()),
            at: self.house.clock.now(),
            was_approved: report.was_approved,
            outcome,
        }
    }

    /// What could not be read, and who is not there any more, for the default channel.
    fn failures(&self, plan: &Plan) -> Vec<RunFailure> {
        let unread = plan.accounts.iter().flat_map(|account| {
            let id = Some(account.id.clone());
            account.errors.iter().map(move |gap| (id.clone(), gap.clone()))
        });
        let roster = self.house.roster.iter();
        let gone = roster.flat_map(|roster| roster.losses()).map(|gap| (None, gap));
        let failure = |(account, gap): (Option<AccountId>, Gap)| RunFailure {
            account,
            operation: gap.operation,
            resource: gap.resource,
            detail: gap.detail,
        };
        unread.chain(gone).map(failure).collect()
    }

    /// Who answers for the account.
    fn owner_of(&self, account: &AccountId) -> Option<Owner> {
        let mut accounts = self.house.config.accounts.iter();
        accounts.find(|known| known.id == *account)?.owner.clone()
    }

    /// Exemptions that end soon, or have ended: those of the configuration, and those granted on request in the accounts
    /// that were read.
    fn endings(&self, planned: &Planned) -> Vec<ExemptionEnding> {
        let plan = &planned.plan;
        let today = plan.created_at.date_naive();
        let ending = |exemption: &&crate::config::Exemption| {
            plan.exemptions.iter().any(|summary| {
                summary.state != ExemptionState::Active
                    && summary.until == exemption.until
                    && summary.principals == exemption.principals
                    && summary.rules == exemption.rules
            })
        };
        let declared = self.house.config.exemptions.iter().filter(ending);
        let declared = declared.map(|exemption| ExemptionEnding {
            exemption: exemption.clone(),
            today,
            granted: None,
        });
        let granted = planned.ending.iter().map(|granted| ExemptionEnding {
            exemption: crate::config::Exemption::of_granted(granted),
            today,
            granted: Some(notify::GrantedTo {
                id: granted.request.id.clone(),
                owner: granted.request.owner.clone(),
            }),
        });
        declared.chain(granted).collect()
    }
}

/// A result that people hear of.
struct Outcome {
    /// The attempt, where it was made: of that they hear once. What was not done has its own news each day.
    attempt: Option<IntentId>,
    result: notify::ActionResult,
}

impl Outcome {
    fn of(report: &ActionReport, result: notify::ActionResult) -> Self {
        let attempt = report.intent.filter(|_| report.result == ActionResult::Applied);
        Self { attempt, result }
    }
}

fn new_message(
    outgoing: notify::Outgoing,
    accounts: &BTreeMap<&FindingId, &AccountId>,
) -> Option<NewMessage> {
    let notify::Outgoing {
        message,
        deliver_after,
        dedup_key,
        entries,
        notices,
    } = outgoing;
    let notices = notices.into_iter().filter_map(|a| {
        let account = accounts.get(&a.notice.finding)?;
        Some(((*account).clone(), a.event, a.notice))
    });
    Some(NewMessage {
        id: message.id.clone(),
        channel: message.channel.clone(),
        event: message.event()?,
        owner: message.owner.clone(),
        notices: notices.collect(),
        body: serde_json::to_value(&message).unwrap_or(Value::Null),
        dedup: dedup_key,
        entries,
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
