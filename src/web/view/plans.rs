//! Saved plans, their actions, and what people said of them.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;

use super::account_names;
use crate::config::Config;
use crate::daemon::{AccountNames, House};
use crate::model::{AccountId, Action, ActionState, Digest, History, Severity, Verdict};
use crate::plan::{self, Plan, Standing};
use crate::state::{DecisionRecord, PlanSummary, State, StoredPlan};
use crate::web::Web;
use crate::web::problem::Problem;

/// An action of a saved plan, and what people said of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(in crate::web) struct ActionRow {
    /// `act_` and 24 hexadecimal digits.
    pub(in crate::web) id: String,
    /// Of what kind the change is.
    pub(in crate::web) kind: &'static str,
    /// Twelve digits.
    pub(in crate::web) account: String,
    /// What people call it.
    pub(in crate::web) account_name: String,
    /// The ARN of what it changes.
    pub(in crate::web) resource: String,
    /// Which key or policy of it.
    pub(in crate::web) subject: String,
    /// Why, in one line.
    pub(in crate::web) title: String,
    /// Who answers for it.
    pub(in crate::web) owner: Option<String>,
    /// How bad it is.
    pub(in crate::web) severity: Option<Severity>,
    /// Whose consent it needs: `approve` or `enforce`.
    pub(in crate::web) mode: &'static str,
    /// `proposed` or `withheld`, when the plan was made.
    pub(in crate::web) state: &'static str,
    /// Why it was held back then.
    pub(in crate::web) withheld_reason: Option<&'static str>,
    /// The same in a sentence.
    pub(in crate::web) why: String,
    /// Not before that.
    pub(in crate::web) not_before: Option<DateTime<Utc>>,
    /// Whether it can be undone.
    pub(in crate::web) reversible: bool,
    /// What people said of it, the latest last; what was said of another precondition or configuration is left out.
    pub(in crate::web) decisions: Vec<DecisionRow>,
    /// How it stands after all that was said of it: `open`, `partly`, `approved` or `rejected`.
    pub(in crate::web) standing: &'static str,
    /// How many said yes, and how many have to, where some have.
    pub(in crate::web) approvals: Option<(usize, u32)>,
    /// Whether it was applied since the plan was made.
    pub(in crate::web) applied: bool,
}

impl ActionRow {
    /// The columns of a table.
    pub(in crate::web) const COLUMNS: [&'static str; 13] = [
        "id",
        "kind",
        "account",
        "account_name",
        "resource",
        "subject",
        "owner",
        "mode",
        "state",
        "withheld_reason",
        "not_before",
        "reversible",
        "standing",
    ];

    /// One line of a table.
    pub(in crate::web) fn cells(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            self.kind.to_owned(),
            self.account.clone(),
            self.account_name.clone(),
            self.resource.clone(),
            self.subject.clone(),
            self.owner.clone().unwrap_or_default(),
            self.mode.to_owned(),
            self.state.to_owned(),
            self.withheld_reason.unwrap_or_default().to_owned(),
            self.not_before.map(|at| at.to_rfc3339()).unwrap_or_default(),
            self.reversible.to_string(),
            self.standing.to_owned(),
        ]
    }

    /// Whether a person has yet to say yes or no.
    pub(in crate::web) fn waits(&self) -> bool {
        self.mode == "approve" && !self.applied && self.is_open()
    }

    /// Whether nobody said no, and not enough said yes.
    pub(in crate::web) fn is_open(&self) -> bool {
        matches!(self.standing, "open" | "partly")
    }
}

/// What a person said of an action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(in crate::web) struct DecisionRow {
    /// Its number in the audit chain.
    pub(in crate::web) id: String,
    /// The plan that was decided.
    pub(in crate::web) plan: String,
    /// Of which action.
    pub(in crate::web) action: String,
    /// In which account.
    pub(in crate::web) account: String,
    /// `approved` or `rejected`.
    pub(in crate::web) verdict: &'static str,
    /// By whom.
    pub(in crate::web) by: String,
    /// Why.
    pub(in crate::web) reason: Option<String>,
    /// When.
    pub(in crate::web) at: DateTime<Utc>,
    /// Until when an approval holds.
    pub(in crate::web) until: Option<DateTime<Utc>>,
    /// Whether the action was applied since.
    pub(in crate::web) spent: bool,
    /// Whether it is too old to count.
    pub(in crate::web) expired: bool,
}

impl DecisionRow {
    /// The columns of a table.
    pub(in crate::web) const COLUMNS: [&'static str; 9] = [
        "id", "at", "verdict", "action", "account", "plan", "by", "reason", "spent",
    ];

    fn of(record: &DecisionRecord, config: &Config, now: DateTime<Utc>) -> Self {
        let decision = &record.decision;
        let from = decision
            .not_before
            .map_or(decision.decided_at, |date| date.max(decision.decided_at));
        let until = from + config.approvals.expire_after.delta();
        let is_approval = decision.verdict == Verdict::Approved;
        Self {
            id: record.id.to_string(),
            plan: record.plan.clone(),
            action: decision.action.to_string(),
            account: record.account.to_string(),
            verdict: verdict_word(decision.verdict),
            by: decision.by.clone(),
            reason: record.reason.clone(),
            at: decision.decided_at,
            until: is_approval.then_some(until),
            spent: record.spent,
            expired: is_approval && until <= now,
        }
    }

    /// One line of a table.
    pub(in crate::web) fn cells(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            self.at.to_rfc3339(),
            self.verdict.to_owned(),
            self.action.clone(),
            self.account.clone(),
            self.plan.clone(),
            self.by.clone(),
            self.reason.clone().unwrap_or_default(),
            self.spent.to_string(),
        ]
    }
}

/// The word for how an action stands.
pub(in crate::web) fn standing_word(standing: Standing) -> &'static str {
    match standing {
        Standing::Open => "open",
        Standing::Partly { .. } => "partly",
        Standing::Approved => "approved",
        Standing::Rejected => "rejected",
    }
}

/// The word for a verdict.
pub(in crate::web) fn verdict_word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Approved => "approved",
        Verdict::Rejected => "rejected",
    }
}

/// A saved plan, and how it bears on the configuration in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(in crate::web) struct PlanRow {
    /// A ULID.
    pub(in crate::web) id: String,
    /// When it was made.
    pub(in crate::web) created_at: DateTime<Utc>,
    /// Of the configuration that it was made under.
    pub(in crate::web) config_digest: String,
    /// Whether that configuration is in force: else what is decided of it counts for nothing now.
    pub(in crate::web) current: bool,
    /// Whether no later one was saved.
    pub(in crate::web) latest: bool,
}

impl PlanRow {
    /// The columns of a table.
    pub(in crate::web) const COLUMNS: [&'static str; 5] =
        ["id", "created_at", "config_digest", "current", "latest"];

    fn of(summary: PlanSummary, latest: bool, digest: &Digest) -> Self {
        Self {
            current: summary.config_digest == *digest,
            latest,
            id: summary.id,
            created_at: summary.created_at,
            config_digest: summary.config_digest.as_str().to_owned(),
        }
    }

    /// One line of a table.
    pub(in crate::web) fn cells(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            self.created_at.to_rfc3339(),
            self.config_digest.clone(),
            self.current.to_string(),
            self.latest.to_string(),
        ]
    }
}

/// The plans that are kept, newest first.
pub(in crate::web) async fn plans(web: &Web, limit: u32) -> Result<Vec<PlanRow>, Problem> {
    let digest = web.house().config.digest();
    let summaries = web.state()?.plans(limit).await?;
    let rows = summaries.into_iter().enumerate();
    Ok(rows
        .map(|(n, summary)| PlanRow::of(summary, n == 0, &digest))
        .collect())
}

/// A plan, read back.
pub(in crate::web) struct PlanView {
    pub(in crate::web) plan: Plan,
    pub(in crate::web) stored: StoredPlan,
    pub(in crate::web) current: bool,
    pub(in crate::web) latest: bool,
    pub(in crate::web) actions: Vec<(Action, ActionRow)>,
}

/// A saved plan by its id, the beginning of it, or `latest`; `None`: there is none.
pub(in crate::web) async fn plan_view(web: &Web, wanted: &str) -> Result<Option<PlanView>, Problem> {
    let (state, house) = (web.state()?, web.house());
    let Some(stored) = state.load_plan(wanted).await? else {
        return Ok(None);
    };
    let plan: Plan = serde_json::from_str(&stored.document)
        .map_err(|error| Problem::failed("a saved plan cannot be read", &error))?;
    let decisions = decisions_of(&state, &plan).await?;
    let now = web.clock.now();
    let mut histories = BTreeMap::new();
    for account in plan.actions.iter().map(|action| &action.account) {
        if !histories.contains_key(account) {
            histories.insert(account.clone(), state.history(account, now).await?);
        }
    }
    let newest = state.plans(1).await?;
    let applied = applied_since(&state, &plan).await?;
    let known = Known {
        decisions,
        applied,
        histories,
        names: account_names(web).await?,
    };
    let row = |action: &Action| action_row(&house, now, &plan, action, &known);
    let actions = plan
        .actions
        .iter()
        .map(|action| (action.clone(), row(action)))
        .collect();
    Ok(Some(PlanView {
        current: plan.config_digest == house.config.digest(),
        latest: newest.first().is_some_and(|newest| newest.id == stored.id),
        actions,
        plan,
        stored,
    }))
}

/// How many decisions are looked through for those of a plan.
const DECISIONS: u32 = 5000;

async fn decisions_of(state: &State, plan: &Plan) -> Result<Vec<DecisionRecord>, Problem> {
    let mut decisions = state.decisions(DECISIONS).await?;
    decisions.retain(|record| record.decision.config_digest == plan.config_digest);
    decisions.reverse();
    Ok(decisions)
}

/// The actions of a plan that were applied after it was made.
async fn applied_since(state: &State, plan: &Plan) -> Result<BTreeSet<(AccountId, String)>, Problem> {
    let mut applied = BTreeSet::new();
    for account in &plan.accounts {
        let selection = crate::state::AppliedSelection::Account(&account.id);
        for attempt in state.applied_actions(selection).await? {
            if attempt.at >= plan.created_at {
                applied.insert((attempt.intent.account, attempt.intent.action.0));
            }
        }
    }
    Ok(applied)
}

/// What is known of a plan's actions besides the plan.
struct Known {
    decisions: Vec<DecisionRecord>,
    applied: BTreeSet<(AccountId, String)>,
    histories: BTreeMap<AccountId, History>,
    names: AccountNames,
}

fn action_row(house: &House, now: DateTime<Utc>, plan: &Plan, action: &Action, known: &Known) -> ActionRow {
    let finding = plan.findings.iter().find(|finding| finding.id == action.finding);
    let precondition = action.precondition_digest();
    let owner = finding.and_then(|finding| finding.owner.as_ref());
    let none = History::default();
    let history = known.histories.get(&action.account).unwrap_or(&none);
    let standing = plan::standing(&house.config, action, owner, history, now);
    let said = known.decisions.iter().filter(|record| {
        let decision = &record.decision;
        record.account == action.account
            && decision.action == action.id
            && decision.precondition == precondition
    });
    ActionRow {
        id: action.id.to_string(),
        kind: action.change.kind().as_str(),
        account: action.account.to_string(),
        account_name: known.names.of(&action.account),
        resource: action.resource.to_string(),
        subject: action.change.subject(),
        title: finding.map(|finding| finding.title.clone()).unwrap_or_default(),
        owner: owner.map(|owner| owner.0.clone()),
        severity: finding.map(|finding| finding.severity),
        mode: plan::render::mode_word(action.mode),
        state: match action.state {
            ActionState::Proposed => "proposed",
            ActionState::Withheld => "withheld",
        },
        withheld_reason: action.withheld_reason.map(crate::model::WithheldReason::as_str),
        why: match action.state {
            ActionState::Proposed => "due when the plan was made".to_owned(),
            ActionState::Withheld => plan::render::reason_sentence(action),
        },
        not_before: action.not_before,
        reversible: action.reversible,
        decisions: said
            .map(|record| DecisionRow::of(record, &house.config, now))
            .collect(),
        standing: standing_word(standing),
        approvals: match standing {
            Standing::Partly { have, need } => Some((have, need)),
            Standing::Open | Standing::Approved | Standing::Rejected => None,
        },
        applied: known
            .applied
            .contains(&(action.account.clone(), action.id.0.clone())),
    }
}

/// The latest decisions, newest first.
pub(in crate::web) async fn decisions(web: &Web, limit: u32) -> Result<Vec<DecisionRow>, Problem> {
    let (config, now) = (web.house().config, web.clock.now());
    let records = web.state()?.decisions(limit).await?;
    let rows = records.iter().map(|record| DecisionRow::of(record, &config, now));
    Ok(rows.collect())
}
