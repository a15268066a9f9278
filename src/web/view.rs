//! What there is to show, as rows: the same for pages, JSON and CSV. Read from the state and the configuration in force;
//! nothing here is decided.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::Web;
use super::fields::Fields;
use super::problem::Problem;
use crate::config::{Config, Mode};
use crate::daemon::{House, agenda};
use crate::model::{
    AccountId, Action, ActionState, Digest, Finding, FindingStatus, History, Owner, RequestedExemption,
    RuleName, Severity, Verdict, visible,
};
use crate::plan::{self, Plan, Scorecard, Standing};
use crate::state::{
    ActionOutcome, ActionRecord, DecisionRecord, Direction, FindingRecord, PlanSummary, RunRecord, State,
    StoredPlan,
};

/// A finding with its dates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct FindingRow {
    /// `fnd_` and 24 hexadecimal digits.
    pub(super) id: String,
    /// Which rule says so.
    pub(super) rule: String,
    /// Twelve digits.
    pub(super) account: String,
    /// What people call it.
    pub(super) account_name: String,
    /// The ARN of what it is about.
    pub(super) resource: String,
    /// How bad it is.
    pub(super) severity: Severity,
    /// What the rule concluded.
    pub(super) status: FindingStatus,
    /// In one line.
    pub(super) title: String,
    /// Why.
    pub(super) detail: String,
    /// Who answers for it.
    pub(super) owner: Option<String>,
    /// The first time that the rule said so.
    pub(super) first_seen: DateTime<Utc>,
    /// The last time.
    pub(super) last_seen: DateTime<Utc>,
    /// Whether the rule said so when it last looked.
    pub(super) standing: bool,
    /// What the rule went by.
    #[schemars(with = "BTreeMap<String, Value>")]
    pub(super) evidence: serde_json::Map<String, Value>,
}

impl FindingRow {
    /// The columns of a table.
    pub(super) const COLUMNS: [&'static str; 13] = [
        "id",
        "severity",
        "status",
        "rule",
        "account",
        "account_name",
        "resource",
        "owner",
        "title",
        "detail",
        "first_seen",
        "last_seen",
        "standing",
    ];

    fn of(record: FindingRecord, config: &Config) -> Self {
        let FindingRecord {
            finding,
            run: _,
            first_seen,
            last_seen,
            standing,
        } = record;
        let Finding {
            id,
            rule,
            account,
            resource,
            severity,
            status,
            title,
            detail,
            evidence,
            owner,
            proposal: _,
        } = finding;
        Self {
            id: id.as_str().to_owned(),
            rule: rule.to_string(),
            account_name: account_name(config, &account),
            account: account.to_string(),
            resource: resource.to_string(),
            severity,
            status,
            title,
            detail,
            owner: owner.map(|owner| owner.0),
            first_seen,
            last_seen,
            standing,
            evidence,
        }
    }

    /// One line of a table.
    pub(super) fn cells(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            self.severity.as_str().to_owned(),
            self.status.as_str().to_owned(),
            self.rule.clone(),
            self.account.clone(),
            self.account_name.clone(),
            self.resource.clone(),
            self.owner.clone().unwrap_or_default(),
            self.title.clone(),
            self.detail.clone(),
            self.first_seen.to_rfc3339(),
            self.last_seen.to_rfc3339(),
            self.standing.to_string(),
        ]
    }
}

/// Which findings are wanted. An absent field asks for nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct FindingFilter {
    pub(super) severity: Option<Severity>,
    pub(super) status: Option<FindingStatus>,
    pub(super) rule: Option<String>,
    pub(super) account: Option<String>,
    pub(super) owner: Option<String>,
    pub(super) text: Option<String>,
    pub(super) past: bool,
}

impl FindingFilter {
    /// Reads a query. A word that is not known is an error, not an empty list.
    pub(super) fn parse(fields: &Fields) -> Result<Self, Problem> {
        let text = |name: &str| fields.get(name).map(ToOwned::to_owned);
        let unknown = |name: &str, word: &str, known: &[&str]| {
            Problem::Invalid(format!("{name}: `{word}` is none of {}", known.join(", ")))
        };
        let severity = fields.get("severity").map(|word| {
            let known = Severity::ALL.into_iter().find(|known| known.as_str() == word);
            known.ok_or_else(|| unknown("severity", word, &Severity::ALL.map(Severity::as_str)))
        });
        let status = fields.get("status").map(|word| {
            let known = FindingStatus::ALL
                .into_iter()
                .find(|known| known.as_str() == word);
            known.ok_or_else(|| unknown("status", word, &FindingStatus::ALL.map(FindingStatus::as_str)))
        });
        Ok(Self {
            severity: severity.transpose()?,
            status: status.transpose()?,
            rule: text("rule"),
            account: text("account"),
            owner: text("owner"),
            text: text("text"),
            past: flag(fields, "past")?,
        })
    }

    /// Whether a finding is wanted.
    pub(super) fn fits(&self, row: &FindingRow) -> bool {
        let Self {
            severity,
            status,
            rule,
            account,
            owner,
            text,
            past: _,
        } = self;
        let holds = |text: &String| {
            let text = text.to_lowercase();
            let owner = row.owner.as_deref().unwrap_or_default();
            [
                &row.title,
                &row.detail,
                &row.resource,
                &row.rule,
                &row.account_name,
                &row.id,
                owner,
            ]
            .iter()
            .any(|field| field.to_lowercase().contains(&text))
        };
        severity.is_none_or(|severity| severity == row.severity)
            && status.is_none_or(|status| status == row.status)
            && rule.as_ref().is_none_or(|rule| *rule == row.rule)
            && account.as_ref().is_none_or(|account| *account == row.account)
            && owner
                .as_ref()
                .is_none_or(|owner| *owner == row.owner.clone().unwrap_or_else(|| NOBODY.to_owned()))
            && text.as_ref().is_none_or(holds)
    }
}

/// How what has no owner is asked for.
pub(super) const NOBODY: &str = "nobody";

/// `true` or `false`; absent is false.
pub(super) fn flag(fields: &Fields, name: &str) -> Result<bool, Problem> {
    match fields.get(name) {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(other) => Err(Problem::Invalid(format!(
            "{name}: `{other}` is neither true nor false"
        ))),
    }
}

/// What people call an account.
pub(super) fn account_name(config: &Config, id: &AccountId) -> String {
    let declared = config.accounts.iter().find(|account| account.id == *id);
    let name = declared.and_then(|account| account.name.clone());
    name.unwrap_or_else(|| id.to_string())
}

/// All findings, the gravest first.
pub(super) async fn all_findings(web: &Web, past: bool) -> Result<Vec<FindingRow>, Problem> {
    let config = web.house().config;
    let records = web.state()?.findings(None, past).await?;
    let mut rows: Vec<_> = records
        .into_iter()
        .map(|record| FindingRow::of(record, &config))
        .collect();
    rows.sort_by_cached_key(|row| {
        let status = FindingStatus::ALL.iter().position(|status| *status == row.status);
        (
            !row.standing,
            status,
            std::cmp::Reverse(row.severity),
            row.account.clone(),
            row.resource.clone(),
            row.rule.clone(),
            row.id.clone(),
        )
    });
    Ok(rows)
}

/// The findings that are wanted.
pub(super) async fn findings(web: &Web, filter: &FindingFilter) -> Result<Vec<FindingRow>, Problem> {
    let mut rows = all_findings(web, filter.past).await?;
    rows.retain(|row| filter.fits(row));
    Ok(rows)
}

/// An action of a saved plan, and what people said of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct ActionRow {
    /// `act_` and 24 hexadecimal digits.
    pub(super) id: String,
    /// Of what kind the change is.
    pub(super) kind: &'static str,
    /// Twelve digits.
    pub(super) account: String,
    /// What people call it.
    pub(super) account_name: String,
    /// The ARN of what it changes.
    pub(super) resource: String,
    /// Which key or policy of it.
    pub(super) subject: String,
    /// Why, in one line.
    pub(super) title: String,
    /// Who answers for it.
    pub(super) owner: Option<String>,
    /// How bad it is.
    pub(super) severity: Option<Severity>,
    /// Whose consent it needs: `approve` or `enforce`.
    pub(super) mode: &'static str,
    /// `proposed` or `withheld`, when the plan was made.
    pub(super) state: &'static str,
    /// Why it was held back then.
    pub(super) withheld_reason: Option<&'static str>,
    /// The same in a sentence.
    pub(super) why: String,
    /// Not before that.
    pub(super) not_before: Option<DateTime<Utc>>,
    /// Whether it can be undone.
    pub(super) reversible: bool,
    /// What people said of it, the latest last; what was said of another precondition or configuration is left out.
    pub(super) decisions: Vec<DecisionRow>,
    /// How it stands after all that was said of it: `open`, `partly`, `approved` or `rejected`.
    pub(super) standing: &'static str,
    /// How many said yes, and how many have to, where some have.
    pub(super) approvals: Option<(usize, u32)>,
    /// Whether it was applied since the plan was made.
    pub(super) applied: bool,
}

impl ActionRow {
    /// The columns of a table.
    pub(super) const COLUMNS: [&'static str; 13] = [
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
    pub(super) fn cells(&self) -> Vec<String> {
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
    pub(super) fn waits(&self) -> bool {
        self.mode == "approve" && !self.applied && self.is_open()
    }

    /// Whether nobody said no, and not enough said yes.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.standing, "open" | "partly")
    }
}

/// What a person said of an action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct DecisionRow {
    /// Its number in the audit chain.
    pub(super) id: String,
    /// The plan that was decided.
    pub(super) plan: String,
    /// Of which action.
    pub(super) action: String,
    /// In which account.
    pub(super) account: String,
    /// `approved` or `rejected`.
    pub(super) verdict: &'static str,
    /// By whom.
    pub(super) by: String,
    /// Why.
    pub(super) reason: Option<String>,
    /// When.
    pub(super) at: DateTime<Utc>,
    /// Until when an approval holds.
    pub(super) until: Option<DateTime<Utc>>,
    /// Whether the action was applied since.
    pub(super) spent: bool,
    /// Whether it is too old to count.
    pub(super) expired: bool,
}

impl DecisionRow {
    /// The columns of a table.
    pub(super) const COLUMNS: [&'static str; 9] = [
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
    pub(super) fn cells(&self) -> Vec<String> {
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
pub(super) fn standing_word(standing: Standing) -> &'static str {
    match standing {
        Standing::Open => "open",
        Standing::Partly { .. } => "partly",
        Standing::Approved => "approved",
        Standing::Rejected => "rejected",
    }
}

/// The word for a verdict.
pub(super) fn verdict_word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Approved => "approved",
        Verdict::Rejected => "rejected",
    }
}

/// A saved plan, and how it bears on the configuration in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct PlanRow {
    /// A ULID.
    pub(super) id: String,
    /// When it was made.
    pub(super) created_at: DateTime<Utc>,
    /// Of the configuration that it was made under.
    pub(super) config_digest: String,
    /// Whether that configuration is in force: else what is decided of it counts for nothing now.
    pub(super) current: bool,
    /// Whether no later one was saved.
    pub(super) latest: bool,
}

impl PlanRow {
    /// The columns of a table.
    pub(super) const COLUMNS: [&'static str; 5] = ["id", "created_at", "config_digest", "current", "latest"];

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
    pub(super) fn cells(&self) -> Vec<String> {
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
pub(super) async fn plans(web: &Web, limit: u32) -> Result<Vec<PlanRow>, Problem> {
    let digest = web.house().config.digest();
    let summaries = web.state()?.plans(limit).await?;
    let rows = summaries.into_iter().enumerate();
    Ok(rows
        .map(|(n, summary)| PlanRow::of(summary, n == 0, &digest))
        .collect())
}

/// A plan, read back.
pub(super) struct PlanView {
    pub(super) plan: Plan,
    pub(super) stored: StoredPlan,
    pub(super) current: bool,
    pub(super) latest: bool,
    pub(super) actions: Vec<(Action, ActionRow)>,
}

/// A saved plan by its id, the beginning of it, or `latest`; `None`: there is none.
pub(super) async fn plan_view(web: &Web, wanted: &str) -> Result<Option<PlanView>, Problem> {
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
        account_name: account_name(&house.config, &action.account),
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
pub(super) async fn decisions(web: &Web, limit: u32) -> Result<Vec<DecisionRow>, Problem> {
    let (config, now) = (web.house().config, web.clock.now());
    let records = web.state()?.decisions(limit).await?;
    let rows = records.iter().map(|record| DecisionRow::of(record, &config, now));
    Ok(rows.collect())
}

/// A run of the daemon or of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct RunRow {
    /// A ULID.
    pub(super) id: String,
    /// When it began.
    pub(super) started_at: DateTime<Utc>,
    /// When it ended; null: it runs still, or its process died.
    pub(super) finished_at: Option<DateTime<Utc>>,
    /// Which command.
    pub(super) command: String,
    /// Which person asked for it, where it was one.
    pub(super) by: Option<String>,
    /// How it ended.
    pub(super) status: String,
    /// What it did.
    pub(super) actions: Vec<RunActionRow>,
}

/// What a run did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct RunActionRow {
    /// `act_` and 24 hexadecimal digits; the same for making and undoing.
    pub(super) id: String,
    /// In which run.
    pub(super) run: String,
    /// Of what kind the change is.
    pub(super) kind: &'static str,
    /// `apply` or `undo`.
    pub(super) direction: &'static str,
    /// Twelve digits.
    pub(super) account: String,
    /// What people call it.
    pub(super) account_name: String,
    /// The ARN of what it changes.
    pub(super) resource: String,
    /// Which key or policy of it.
    pub(super) subject: String,
    /// What became of it.
    pub(super) outcome: &'static str,
    /// What is said of that.
    pub(super) detail: Option<String>,
    /// When.
    pub(super) at: DateTime<Utc>,
    /// When it was undone, if it was.
    pub(super) rolled_back_at: Option<DateTime<Utc>>,
}

impl RunActionRow {
    /// The columns of a table.
    pub(super) const COLUMNS: [&'static str; 11] = [
        "run",
        "at",
        "id",
        "kind",
        "direction",
        "account",
        "resource",
        "subject",
        "outcome",
        "detail",
        "rolled_back_at",
    ];

    fn of(record: ActionRecord, config: &Config) -> Self {
        Self {
            id: record.id.to_string(),
            run: record.run,
            kind: record.kind.as_str(),
            direction: match record.direction {
                Direction::Apply => "apply",
                Direction::Undo => "undo",
            },
            account_name: account_name(config, &record.account),
            account: record.account.to_string(),
            resource: record.resource.to_string(),
            subject: record.subject,
            outcome: record.outcome.as_str(),
            detail: record.detail.filter(|detail| !detail.is_empty()),
            at: record.finished_at.unwrap_or(record.at),
            rolled_back_at: record.rolled_back_at,
        }
    }

    /// One line of a table.
    pub(super) fn cells(&self) -> Vec<String> {
        vec![
            self.run.clone(),
            self.at.to_rfc3339(),
            self.id.clone(),
            self.kind.to_owned(),
            self.direction.to_owned(),
            self.account.clone(),
            self.resource.clone(),
            self.subject.clone(),
            self.outcome.to_owned(),
            self.detail.clone().unwrap_or_default(),
            self.rolled_back_at.map(|at| at.to_rfc3339()).unwrap_or_default(),
        ]
    }

    /// Whether it may be undone, as far as the history tells.
    pub(super) fn may_be_undone(&self) -> bool {
        self.direction == "apply"
            && self.outcome == ActionOutcome::Applied.as_str()
            && self.rolled_back_at.is_none()
    }
}

/// The latest runs, newest first.
pub(super) async fn runs(web: &Web, limit: u32) -> Result<Vec<RunRow>, Problem> {
    let config = web.house().config;
    let records = web.state()?.runs(limit).await?;
    let row = |record: RunRecord| RunRow {
        id: record.id,
        started_at: record.started_at,
        finished_at: record.finished_at,
        command: record.command,
        by: record.by,
        status: record.status,
        actions: record
            .actions
            .into_iter()
            .map(|action| RunActionRow::of(action, &config))
            .collect(),
    };
    Ok(records.into_iter().map(row).collect())
}

/// Somebody who answers for things.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct OwnerRow {
    /// Null: nobody is known to.
    pub(super) owner: Option<String>,
    /// Through which channel messages go; null: none.
    pub(super) channel: Option<String>,
    /// Violations that stand.
    pub(super) violations: usize,
    /// Other findings that stand.
    pub(super) others: usize,
    /// How bad the worst of them is.
    pub(super) worst: Option<Severity>,
    /// Actions of the latest plan that wait for a decision.
    pub(super) waiting: usize,
    /// In which accounts.
    pub(super) accounts: Vec<String>,
}

impl OwnerRow {
    /// The columns of a table.
    pub(super) const COLUMNS: [&'static str; 7] = [
        "owner",
        "channel",
        "violations",
        "others",
        "worst",
        "waiting",
        "accounts",
    ];

    /// One line of a table.
    pub(super) fn cells(&self) -> Vec<String> {
        vec![
            self.owner.clone().unwrap_or_default(),
            self.channel.clone().unwrap_or_default(),
            self.violations.to_string(),
            self.others.to_string(),
            self.worst
                .map(|worst| worst.as_str().to_owned())
                .unwrap_or_default(),
            self.waiting.to_string(),
            self.accounts.join(" "),
        ]
    }
}

/// Who answers for what stands.
pub(super) async fn owners(web: &Web) -> Result<Vec<OwnerRow>, Problem> {
    let config = web.house().config;
    let findings = all_findings(web, false).await?;
    let waiting = waiting(web).await?;
    let mut rows: BTreeMap<Option<String>, OwnerRow> = BTreeMap::new();
    for finding in &findings {
        let owner = finding.owner.clone();
        let row = rows.entry(owner.clone()).or_insert_with(|| {
            let known = owner.clone().map(Owner);
            OwnerRow {
                channel: config
                    .notifications
                    .route(known.as_ref())
                    .channel
                    .map(ToOwned::to_owned),
                owner,
                violations: 0,
                others: 0,
                worst: None,
                waiting: 0,
                accounts: Vec::new(),
            }
        });
        match finding.status {
            FindingStatus::Violation => {
                row.violations += 1;
                row.worst = row.worst.max(Some(finding.severity));
            }
            FindingStatus::Warning | FindingStatus::Exempt | FindingStatus::Unknown => row.others += 1,
        }
        if !row.accounts.contains(&finding.account_name) {
            row.accounts.push(finding.account_name.clone());
        }
    }
    for action in waiting.iter().flat_map(|waiting| &waiting.actions) {
        if let Some(row) = rows.get_mut(&action.owner) {
            row.waiting += 1;
        }
    }
    let mut rows: Vec<_> = rows.into_values().collect();
    rows.sort_by_key(|row| (std::cmp::Reverse((row.worst, row.violations)), row.owner.clone()));
    Ok(rows)
}

/// The latest plan, and what of it waits for a person.
pub(super) struct Waiting {
    pub(super) plan: String,
    pub(super) actions: Vec<ActionRow>,
}

/// What of the latest plan waits for a person; `None`: no plan is kept.
pub(super) async fn waiting(web: &Web) -> Result<Option<Waiting>, Problem> {
    let Some(view) = plan_view(web, "latest").await? else {
        return Ok(None);
    };
    let rows = view.actions.into_iter().map(|(_, row)| row);
    Ok(Some(Waiting {
        actions: rows.filter(|row| view.current && row.waits()).collect(),
        plan: view.stored.id,
    }))
}

/// A rule, and when it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct RuleRow {
    /// Its name.
    pub(super) rule: String,
    /// What it may do.
    pub(super) mode: Mode,
    /// As declared, in UTC.
    pub(super) schedule: String,
    /// When it runs next; null: never.
    pub(super) next_at: Option<DateTime<Utc>>,
    /// When its schedule last started it; null: never.
    pub(super) last_at: Option<DateTime<Utc>>,
    /// Its violations that stand.
    pub(super) violations: usize,
}

impl RuleRow {
    /// The columns of a table.
    pub(super) const COLUMNS: [&'static str; 6] =
        ["rule", "mode", "schedule", "next_at", "last_at", "violations"];

    /// One line of a table.
    pub(super) fn cells(&self) -> Vec<String> {
        vec![
            self.rule.clone(),
            mode_word(self.mode).to_owned(),
            self.schedule.clone(),
            self.next_at.map(|at| at.to_rfc3339()).unwrap_or_default(),
            self.last_at.map(|at| at.to_rfc3339()).unwrap_or_default(),
            self.violations.to_string(),
        ]
    }
}

/// The word for a mode.
pub(super) fn mode_word(mode: Mode) -> &'static str {
    match mode {
        Mode::Off => "off",
        Mode::Report => "report",
        Mode::Approve => "approve",
        Mode::Enforce => "enforce",
    }
}

/// The rules that are on, the next first.
pub(super) async fn rules(web: &Web) -> Result<Vec<RuleRow>, Problem> {
    let (config, state, now) = (web.house().config, web.state()?, web.clock.now());
    let findings = all_findings(web, false).await?;
    let mut rows = Vec::new();
    for (rule, schedule) in agenda(&config) {
        let stands = |row: &&FindingRow| row.rule == rule.as_str() && row.status == FindingStatus::Violation;
        rows.push(RuleRow {
            mode: config.rules.mode(&rule).unwrap_or(Mode::Off),
            next_at: schedule.next_after(now),
            schedule: schedule.as_str().to_owned(),
            last_at: state.last_tick(&rule).await?,
            violations: findings.iter().filter(stands).count(),
            rule: rule.to_string(),
        });
    }
    rows.sort_by_key(|row| (row.next_at.is_none(), row.next_at, row.rule.clone()));
    Ok(rows)
}

/// An account that is looked after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct AccountRow {
    /// Twelve digits.
    pub(super) id: String,
    /// What people call it.
    pub(super) name: String,
    /// Who answers for what has no owner of its own.
    pub(super) owner: Option<String>,
    /// When a rule last looked at it; null: never.
    pub(super) seen_at: Option<DateTime<Utc>>,
    /// Violations that stand, by severity, worst first: critical, high, medium, low.
    pub(super) violations: [usize; 4],
    /// What is unknown of it.
    pub(super) unknown: usize,
}

impl AccountRow {
    /// The columns of a table.
    pub(super) const COLUMNS: [&'static str; 9] = [
        "id", "name", "owner", "seen_at", "critical", "high", "medium", "low", "unknown",
    ];

    /// All violations.
    pub(super) fn total(&self) -> usize {
        self.violations.iter().sum()
    }

    /// One line of a table.
    pub(super) fn cells(&self) -> Vec<String> {
        let [critical, high, medium, low] = self.violations;
        vec![
            self.id.clone(),
            self.name.clone(),
            self.owner.clone().unwrap_or_default(),
            self.seen_at.map(|at| at.to_rfc3339()).unwrap_or_default(),
            critical.to_string(),
            high.to_string(),
            medium.to_string(),
            low.to_string(),
            self.unknown.to_string(),
        ]
    }
}

/// The accounts: those declared, and those of which something is known.
pub(super) async fn accounts(web: &Web) -> Result<Vec<AccountRow>, Problem> {
    let config = web.house().config;
    let findings = all_findings(web, false).await?;
    let evaluations = web.state()?.evaluations().await?;
    let mut ids: BTreeSet<AccountId> = config.accounts.iter().map(|account| account.id.clone()).collect();
    ids.extend(evaluations.iter().map(|evaluation| evaluation.account.clone()));
    let row = |id: AccountId| {
        let declared = config.accounts.iter().find(|account| account.id == id);
        let own: Vec<_> = findings.iter().filter(|row| row.account == id.as_str()).collect();
        let count = |severity| {
            let is_it =
                |row: &&&FindingRow| row.status == FindingStatus::Violation && row.severity == severity;
            own.iter().filter(is_it).count()
        };
        let seen = evaluations.iter().filter(|evaluation| evaluation.account == id);
        AccountRow {
            name: account_name(&config, &id),
            owner: declared
                .and_then(|account| account.owner.as_ref())
                .map(|owner| owner.0.clone()),
            seen_at: seen.map(|evaluation| evaluation.at).max(),
            violations: Severity::ALL.map(count),
            unknown: own
                .iter()
                .filter(|row| row.status == FindingStatus::Unknown)
                .count(),
            id: id.to_string(),
        }
    };
    Ok(ids.into_iter().map(row).collect())
}

/// How all accounts together stand against the practices, as far as rules looked; `None`: none has yet.
pub(super) async fn scorecard(web: &Web) -> Result<Option<Scorecard>, Problem> {
    let (config, state) = (web.house().config, web.state()?);
    let looked: BTreeSet<String> = state
        .evaluations()
        .await?
        .into_iter()
        .map(|evaluation| evaluation.rule.to_string())
        .collect();
    if looked.is_empty() {
        return Ok(None);
    }
    let records = state.findings(None, false).await?;
    let findings: Vec<Finding> = records.into_iter().map(|record| record.finding).collect();
    let looked: Vec<_> = looked.into_iter().collect();
    Ok(Some(plan::score(&config, &looked, &findings)))
}

/// An exemption.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct ExemptionRow {
    /// `configuration`, or the id of the request.
    pub(super) source: String,
    /// Of the configuration: `active`, `expiring` or `expired`; on request: `requested`, `granted`, `refused`, `revoked` or
    /// `ended`.
    pub(super) state: String,
    /// Whom it covers: patterns of the configuration, or the ARN that was asked for.
    pub(super) principals: Vec<String>,
    /// Of which rules.
    pub(super) rules: Vec<String>,
    /// In which accounts; empty: in all.
    pub(super) accounts: Vec<String>,
    /// The last day, in UTC.
    pub(super) until: NaiveDate,
    /// Why.
    pub(super) reason: String,
    /// Who answers for the thing, where that is known.
    pub(super) owner: Option<String>,
    /// Who asked.
    pub(super) asked_by: Option<String>,
    /// Who granted, refused or took it back last.
    pub(super) answered_by: Option<String>,
}

impl ExemptionRow {
    /// The columns of a table.
    pub(super) const COLUMNS: [&'static str; 10] = [
        "source",
        "state",
        "principals",
        "rules",
        "accounts",
        "until",
        "reason",
        "owner",
        "asked_by",
        "answered_by",
    ];

    /// One line of a table.
    pub(super) fn cells(&self) -> Vec<String> {
        vec![
            self.source.clone(),
            self.state.clone(),
            self.principals.join(" "),
            self.rules.join(" "),
            self.accounts.join(" "),
            self.until.to_string(),
            self.reason.clone(),
            self.owner.clone().unwrap_or_default(),
            self.asked_by.clone().unwrap_or_default(),
            self.answered_by.clone().unwrap_or_default(),
        ]
    }
}

/// How long before its end an exemption is called expiring.
const EXPIRING_WITHIN: TimeDelta = TimeDelta::days(14);

/// What is exempt by the configuration, and what somebody asked for.
pub(super) async fn exemptions(web: &Web) -> Result<Vec<ExemptionRow>, Problem> {
    let (config, today) = (web.house().config, web.clock.now().date_naive());
    let declared = config.exemptions.iter().map(|exemption| ExemptionRow {
        source: "configuration".to_owned(),
        state: match exemption.until {
            until if until < today => "expired",
            until if until <= today + EXPIRING_WITHIN => "expiring",
            _ => "active",
        }
        .to_owned(),
        principals: exemption
            .principals
            .iter()
            .map(|glob| glob.as_str().to_owned())
            .collect(),
        rules: exemption.rules.iter().map(RuleName::to_string).collect(),
        accounts: exemption
            .accounts
            .iter()
            .flatten()
            .map(ToString::to_string)
            .collect(),
        until: exemption.until,
        reason: exemption.reason.clone(),
        owner: None,
        asked_by: None,
        answered_by: None,
    });
    let asked = web.state()?.exemptions().await?;
    let asked = asked.iter().map(|exemption| requested(exemption, today));
    Ok(declared.chain(asked).collect())
}

/// An exemption that somebody asked for, as a row.
pub(super) fn requested(exemption: &RequestedExemption, today: NaiveDate) -> ExemptionRow {
    let RequestedExemption {
        request,
        answer,
        revoked,
    } = exemption;
    let revoked = revoked.as_ref().map(|revoked| &revoked.by.name);
    let answered = answer.as_ref().map(|answer| &answer.by.name);
    ExemptionRow {
        source: request.id.to_string(),
        state: exemption.standing(today).as_str().to_owned(),
        principals: vec![shown(request.resource.as_str())],
        rules: request.rules.iter().map(RuleName::to_string).collect(),
        accounts: vec![request.account.to_string()],
        until: request.until,
        reason: shown(&request.reason),
        owner: request.owner.as_ref().map(|owner| shown(&owner.0)),
        asked_by: Some(shown(&request.by.name)),
        answered_by: revoked.or(answered).map(|name| shown(name)),
    }
}

/// The configuration in force, without what it may be better not to show: hashes of tokens, and the address of the state,
/// which may hold a password. Secrets are named there, never written.
pub(super) fn configuration(web: &Web) -> Result<Value, Problem> {
    let config = web.house().config;
    let mut shown = serde_json::to_value(config.as_ref())
        .map_err(|error| Problem::failed("the configuration cannot be shown", &error))?;
    if let Some(tokens) = shown
        .pointer_mut("/server/auth/tokens")
        .and_then(Value::as_array_mut)
    {
        for token in tokens {
            if let Some(hash) = token.get_mut("hash") {
                *hash = Value::String("sha256:…".to_owned());
            }
        }
    }
    if let Some(url) = shown.pointer_mut("/state/url") {
        let scheme = config.state.url.split(':').next().unwrap_or_default();
        if scheme != "sqlite" {
            *url = Value::String(format!("{scheme}://…"));
        }
    }
    Ok(shown)
}

/// How many violations of each severity stood at the end of each day, worst first; the last day is today.
pub(super) async fn trend(web: &Web, days: i64) -> Result<Vec<(NaiveDate, [usize; 4])>, Problem> {
    let today = web.clock.now().date_naive();
    let rows = all_findings(web, true).await?;
    let violations: Vec<_> = rows
        .iter()
        .filter(|row| row.status == FindingStatus::Violation)
        .collect();
    let on = |day: NaiveDate| {
        Severity::ALL.map(|severity| {
            let stood = |row: &&&FindingRow| {
                let last = row.last_seen.date_naive();
                row.severity == severity && row.first_seen.date_naive() <= day && (row.standing || last > day)
            };
            violations.iter().filter(stood).count()
        })
    };
    let back = (0..days)
        .rev()
        .filter_map(|back| today.checked_sub_signed(TimeDelta::days(back)));
    Ok(back.map(|day| (day, on(day))).collect())
}

/// Text from outside, safe to look at.
pub(super) fn shown(text: &str) -> String {
    visible(text).into_owned()
}

/// The same, line by line.
pub(super) fn shown_lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(shown).collect();
    lines.join("\n")
}
