//! A message as a neutral value: what is stored in the outbox, before any channel's form. It holds no secret (the URL
//! of a channel is one), and no markup.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::config::Exemption;
use crate::model::{
    AccountId, Action, ActionId, ActionMode, Arn, Change, Digest, Event, ExemptionId, Finding, FindingId,
    Inverse, NoticeItem, Owner, RequestedExemption, RuleName, Severity, Verdict,
};

/// All that one owner is told of one run by one channel; or a part of it, where the channel's limit is lower.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// `msg_` and a ULID: the `webhook-id`, the same on every try.
    pub id: String,
    /// When it was composed.
    pub created_at: DateTime<Utc>,
    /// Of which run.
    pub run: String,
    /// The plan it speaks of, where one was saved.
    pub plan: Option<PlanReference>,
    /// Accounts that occur in it, by id.
    pub accounts: Vec<AccountLabel>,
    /// Whom it is for; `None`: whatever nobody owns.
    pub owner: Option<Owner>,
    /// The declared channel.
    pub channel: String,
    /// How that channel mentions the owner, in its own markup, as configured.
    pub mention: Option<String>,
    /// A copy for a channel that listens to events. Its acceptance is no notice to anybody.
    pub copy: bool,
    /// Which part this is, where there are several.
    pub part: Option<Part>,
    /// The head of the audit chain when it was composed, as `history --verify --head` takes it: a chain that was cut off
    /// later shows.
    pub audit_head: Option<String>,
    /// Whether the channel hears clicks, so that buttons are of use.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub buttons: bool,
    /// Where people reach the pages, as configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
    /// By gravity of the event.
    pub sections: Vec<Section>,
}

impl Message {
    /// The gravest event in it.
    pub fn event(&self) -> Option<Event> {
        self.sections.first().map(|section| section.event)
    }

    /// The page of the plan that waits for approval in it, or of what else it asks for.
    pub(super) fn link(&self) -> Option<(&'static str, String)> {
        let page = self.page.as_ref()?.trim_end_matches('/');
        let event = self.event()?;
        let exemptions = [
            Event::ExemptionRequested,
            Event::ExemptionDecided,
            Event::ExemptionExpiring,
        ];
        if event == Event::ApprovalRequested {
            let plan = self.plan.as_ref()?;
            Some(("Look at the plan", format!("{page}/plans/{}", plan.id)))
        } else if exemptions.contains(&event) {
            Some(("Look at the exemptions", format!("{page}/exemptions")))
        } else if event == Event::ReportDigest {
            Some(("Look at the findings", format!("{page}/findings")))
        } else {
            None
        }
    }

    /// How the account is called: its name, with the number; the number alone where it has no name.
    pub(super) fn account_label(&self, id: &AccountId) -> String {
        let known = self.accounts.iter().find(|label| label.id == *id);
        match known.and_then(|label| label.name.as_deref()) {
            Some(name) if name != id.as_str() => format!("{name} ({id})"),
            Some(_) | None => id.to_string(),
        }
    }

    /// All items with their events.
    pub(super) fn items(&self) -> impl Iterator<Item = (Event, &Item)> {
        self.sections
            .iter()
            .flat_map(|section| section.items.iter().map(|item| (section.event, item)))
    }
}

/// A part of a longer message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// From 1.
    pub number: usize,
    /// How many there are.
    pub of: usize,
}

/// The plan that a message speaks of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanReference {
    /// Its id, as for `iamwarden approve`.
    pub id: String,
    /// Its digest, by which an approver sees that this is the plan that was read.
    pub digest: Digest,
}

/// An account with the name that people call it by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AccountLabel {
    /// Twelve digits.
    pub id: AccountId,
    /// Its name.
    pub name: Option<String>,
}

/// What is said of one kind of event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// The kind.
    pub event: Event,
    /// At least one, sorted.
    pub items: Vec<Item>,
}

/// One thing to tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "item", rename_all = "snake_case")]
pub enum Item {
    /// Something found that concerns the owner, with what will be done about it.
    Matter(Box<Matter>),
    /// What became of an action.
    Result(Box<Settled>),
    /// What a person decided.
    Decision(Box<Decided>),
    /// An exemption that ends.
    Exemption(Box<ExemptionEnding>),
    /// Something that a run could not read or do.
    Failure(Box<RunFailure>),
    /// What the rules in `report` found.
    Digest(Box<ReportDigest>),
    /// An exemption that somebody asks for, or what became of it.
    Request(Box<RequestedExemption>),
    /// That somebody says a thing is not theirs.
    Dispute(Box<Dispute>),
    /// How it stands, for whoever asked to be told regularly.
    Report(Box<StandingReport>),
}

/// That somebody says a thing is not theirs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispute {
    /// What they were told of.
    pub finding: Finding,
    /// Who says so.
    pub by: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// How it stands with all findings of an owner, or with all there are, and how it stood the last time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StandingReport {
    /// When the last report was; `None`: this is the first.
    pub since: Option<DateTime<Utc>>,
    /// All of it.
    pub total: Trend,
    /// By account.
    pub accounts: Vec<(AccountId, Trend)>,
    /// By rule.
    pub rules: Vec<(RuleName, Trend)>,
    /// By owner; empty in the report of one owner.
    pub owners: Vec<(Option<Owner>, Trend)>,
    /// How many findings are new since then.
    pub new: usize,
    /// How many are gone.
    pub gone: usize,
    /// The worst, at most ten.
    pub top: Vec<Finding>,
}

/// A number, and what it was the last time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Trend {
    /// Now.
    pub now: usize,
    /// The last time; `None`: there was none.
    pub before: Option<usize>,
}

/// Something found. Findings of several rules about the same subject and date are one matter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Matter {
    /// What was found, at least one.
    pub findings: Vec<Finding>,
    /// What will be done about it.
    pub actions: Vec<Action>,
    /// The dates it announces.
    pub notices: Vec<NoticeItem>,
}

/// What became of an action, with the findings that justified it as far as they are known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// What became of it.
    pub result: ActionResult,
    /// Why it was done.
    pub findings: Vec<Finding>,
}

/// A date that a message announced: a notice, once the message is accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announced {
    /// By which event.
    pub event: Event,
    /// Of what, and for when.
    pub notice: NoticeItem,
}

/// What became of an action: by an apply, or by a rollback.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionResult {
    /// The action.
    pub id: ActionId,
    /// Where.
    pub account: AccountId,
    /// To what.
    pub resource: Arn,
    /// Kind and parameters.
    #[serde(flatten)]
    pub change: Change,
    /// How it is undone; `None`: it cannot be.
    pub inverse: Option<Inverse>,
    /// Who answers for the resource.
    pub owner: Option<Owner>,
    /// What justified it.
    pub findings: Vec<FindingId>,
    /// From 1; 0: it never came to an attempt.
    pub attempt: u32,
    /// When it was settled.
    pub at: DateTime<Utc>,
    /// Whether people had to approve it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub was_approved: bool,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: ActionOutcome,
}

impl ActionResult {
    /// The result of an attempt at an action of a plan.
    pub fn of(
        action: &Action,
        owner: Option<Owner>,
        attempt: u32,
        at: DateTime<Utc>,
        outcome: ActionOutcome,
    ) -> Self {
        let mut findings = vec![action.finding.clone()];
        findings.extend(action.also.iter().cloned());
        Self {
            id: action.id.clone(),
            account: action.account.clone(),
            resource: action.resource.clone(),
            change: action.change.clone(),
            inverse: action.inverse.clone(),
            owner,
            findings,
            attempt,
            at,
            was_approved: action.mode == ActionMode::Approve,
            outcome,
        }
    }

    /// By which event it is told.
    pub fn event(&self) -> Event {
        match &self.outcome {
            ActionOutcome::Failed { .. }
            | ActionOutcome::Stale { .. }
            | ActionOutcome::RollbackFailed { .. } => Event::ActionFailed,
            ActionOutcome::RolledBack { .. } => Event::ActionRolledBack,
            ActionOutcome::Applied => Event::of_done(self.change.kind()),
        }
    }
}

/// What became of an attempt. Details are scrubbed of secrets by whoever gives them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum ActionOutcome {
    /// Done, and read back.
    Applied,
    /// Not done, or not known to be.
    Failed {
        /// Why.
        detail: String,
    },
    /// Skipped: the world had moved since the plan.
    Stale {
        /// What had moved.
        detail: String,
    },
    /// Undone, and read back.
    RolledBack {
        /// By whom.
        by: String,
    },
    /// Not undone.
    RollbackFailed {
        /// Why.
        detail: String,
    },
}

/// What a person decided of a plan's actions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// The plan.
    pub plan: PlanReference,
    /// Yes or no.
    pub verdict: Verdict,
    /// By whom.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
    /// When.
    pub at: DateTime<Utc>,
    /// Of which actions.
    pub actions: Vec<Action>,
}

/// An exemption that ends soon, or has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExemptionEnding {
    /// As declared.
    pub exemption: Exemption,
    /// The day it is told.
    pub today: NaiveDate,
    /// Who answers for what it covers, where it was granted on request; `None`: it stands in the configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub granted: Option<GrantedTo>,
}

/// Whom an exemption was granted to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantedTo {
    /// Names it.
    pub id: ExemptionId,
    /// Who answers for what it covers, where that is known.
    pub owner: Option<Owner>,
}

impl ExemptionEnding {
    /// Whether it has no effect any more.
    pub fn has_ended(&self) -> bool {
        self.exemption.until < self.today
    }
}

/// Something that a run could not read or do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RunFailure {
    /// Where; `None`: the credentials do not lead to an account.
    pub account: Option<AccountId>,
    /// The operation, such as `iam:GetCredentialReport`.
    pub operation: String,
    /// Of which resource; `None`: of the account.
    pub resource: Option<Arn>,
    /// The cause in words, scrubbed of secrets.
    pub detail: String,
}

/// What the rules in `report` found, counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportDigest {
    /// How many findings there are.
    pub total: usize,
    /// Where.
    pub accounts: Vec<AccountId>,
    /// By rule and severity, worst first.
    pub counts: Vec<RuleCount>,
    /// The worst, at most ten.
    pub top: Vec<Finding>,
    /// Of all findings with severity and status: tells whether anything changed.
    pub content: Digest,
}

/// How many findings a rule has of one severity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleCount {
    /// The rule.
    pub rule: RuleName,
    /// How bad.
    pub severity: Severity,
    /// How many.
    pub count: usize,
}
