//! How things stand: owners, rules, accounts, the score, and how it came to this.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use schemars::JsonSchema;
use serde::Serialize;

use super::{ActionRow, FindingRow, account_names, all_findings, plan_view};
use crate::config::Mode;
use crate::daemon::agenda;
use crate::model::{AccountId, Finding, FindingStatus, Owner, Severity};
use crate::plan::{self, Scorecard};
use crate::web::Web;
use crate::web::problem::Problem;

/// Somebody who answers for things.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(in crate::web) struct OwnerRow {
    /// Null: nobody is known to.
    pub(in crate::web) owner: Option<String>,
    /// Through which channel messages go; null: none.
    pub(in crate::web) channel: Option<String>,
    /// Violations that stand.
    pub(in crate::web) violations: usize,
    /// Other findings that stand.
    pub(in crate::web) others: usize,
    /// How bad the worst of them is.
    pub(in crate::web) worst: Option<Severity>,
    /// Actions of the latest plan that wait for a decision.
    pub(in crate::web) waiting: usize,
    /// In which accounts.
    pub(in crate::web) accounts: Vec<String>,
}

impl OwnerRow {
    /// The columns of a table.
    pub(in crate::web) const COLUMNS: [&'static str; 7] = [
        "owner",
        "channel",
        "violations",
        "others",
        "worst",
        "waiting",
        "accounts",
    ];

    /// One line of a table.
    pub(in crate::web) fn cells(&self) -> Vec<String> {
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
pub(in crate::web) async fn owners(web: &Web) -> Result<Vec<OwnerRow>, Problem> {
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
pub(in crate::web) struct Waiting {
    pub(in crate::web) plan: String,
    pub(in crate::web) actions: Vec<ActionRow>,
}

/// What of the latest plan waits for a person; `None`: no plan is kept.
pub(in crate::web) async fn waiting(web: &Web) -> Result<Option<Waiting>, Problem> {
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
pub(in crate::web) struct RuleRow {
    /// Its name.
    pub(in crate::web) rule: String,
    /// What it may do.
    pub(in crate::web) mode: Mode,
    /// As declared, in UTC.
    pub(in crate::web) schedule: String,
    /// When it runs next; null: never.
    pub(in crate::web) next_at: Option<DateTime<Utc>>,
    /// When its schedule last started it; null: never.
    pub(in crate::web) last_at: Option<DateTime<Utc>>,
    /// Its violations that stand.
    pub(in crate::web) violations: usize,
}

impl RuleRow {
    /// The columns of a table.
    pub(in crate::web) const COLUMNS: [&'static str; 6] =
        ["rule", "mode", "schedule", "next_at", "last_at", "violations"];

    /// One line of a table.
    pub(in crate::web) fn cells(&self) -> Vec<String> {
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
pub(in crate::web) fn mode_word(mode: Mode) -> &'static str {
    match mode {
        Mode::Off => "off",
        Mode::Report => "report",
        Mode::Approve => "approve",
        Mode::Enforce => "enforce",
    }
}

/// The rules that are on, the next first.
pub(in crate::web) async fn rules(web: &Web) -> Result<Vec<RuleRow>, Problem> {
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
pub(in crate::web) struct AccountRow {
    /// Twelve digits.
    pub(in crate::web) id: String,
    /// What people call it.
    pub(in crate::web) name: String,
    /// Who answers for what has no owner of its own.
    pub(in crate::web) owner: Option<String>,
    /// When a rule last looked at it; null: never.
    pub(in crate::web) seen_at: Option<DateTime<Utc>>,
    /// Violations that stand, by severity, worst first: critical, high, medium, low.
    pub(in crate::web) violations: [usize; 4],
    /// What is unknown of it.
    pub(in crate::web) unknown: usize,
}

impl AccountRow {
    /// The columns of a table.
    pub(in crate::web) const COLUMNS: [&'static str; 9] = [
        "id", "name", "owner", "seen_at", "critical", "high", "medium", "low", "unknown",
    ];

    /// All violations.
    pub(in crate::web) fn total(&self) -> usize {
        self.violations.iter().sum()
    }

    /// One line of a table.
    pub(in crate::web) fn cells(&self) -> Vec<String> {
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
pub(in crate::web) async fn accounts(web: &Web) -> Result<Vec<AccountRow>, Problem> {
    let config = web.house().config;
    let findings = all_findings(web, false).await?;
    let evaluations = web.state()?.evaluations().await?;
    let names = account_names(web).await?;
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
            name: names.of(&id),
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
pub(in crate::web) async fn scorecard(web: &Web) -> Result<Option<Scorecard>, Problem> {
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

/// How many violations of each severity stood at the end of each day, worst first; the last day is today.
pub(in crate::web) async fn trend(web: &Web, days: i64) -> Result<Vec<(NaiveDate, [usize; 4])>, Problem> {
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
