//! What the rules found, and which of it is asked for.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::{account_names, flag};
use crate::daemon::AccountNames;
use crate::model::{Finding, FindingStatus, Severity};
use crate::state::FindingRecord;
use crate::web::Web;
use crate::web::fields::Fields;
use crate::web::problem::Problem;

/// A finding with its dates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(in crate::web) struct FindingRow {
    /// `fnd_` and 24 hexadecimal digits.
    pub(in crate::web) id: String,
    /// Which rule says so.
    pub(in crate::web) rule: String,
    /// Twelve digits.
    pub(in crate::web) account: String,
    /// What people call it.
    pub(in crate::web) account_name: String,
    /// The ARN of what it is about.
    pub(in crate::web) resource: String,
    /// How bad it is.
    pub(in crate::web) severity: Severity,
    /// What the rule concluded.
    pub(in crate::web) status: FindingStatus,
    /// In one line.
    pub(in crate::web) title: String,
    /// Why.
    pub(in crate::web) detail: String,
    /// Who answers for it.
    pub(in crate::web) owner: Option<String>,
    /// The first time that the rule said so.
    pub(in crate::web) first_seen: DateTime<Utc>,
    /// The last time.
    pub(in crate::web) last_seen: DateTime<Utc>,
    /// Whether the rule said so when it last looked.
    pub(in crate::web) standing: bool,
    /// What the rule went by.
    #[schemars(with = "BTreeMap<String, Value>")]
    pub(in crate::web) evidence: serde_json::Map<String, Value>,
}

impl FindingRow {
    /// The columns of a table.
    pub(in crate::web) const COLUMNS: [&'static str; 13] = [
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

    fn of(record: FindingRecord, names: &AccountNames) -> Self {
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
            account_name: names.of(&account),
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
    pub(in crate::web) fn cells(&self) -> Vec<String> {
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
pub(in crate::web) struct FindingFilter {
    pub(in crate::web) severity: Option<Severity>,
    pub(in crate::web) status: Option<FindingStatus>,
    pub(in crate::web) rule: Option<String>,
    pub(in crate::web) account: Option<String>,
    pub(in crate::web) owner: Option<String>,
    pub(in crate::web) text: Option<String>,
    pub(in crate::web) past: bool,
}

impl FindingFilter {
    /// Reads a query. A word that is not known is an error, not an empty list.
    pub(in crate::web) fn parse(fields: &Fields) -> Result<Self, Problem> {
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
    pub(in crate::web) fn fits(&self, row: &FindingRow) -> bool {
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
pub(in crate::web) const NOBODY: &str = "nobody";

/// All findings, the gravest first.
pub(in crate::web) async fn all_findings(web: &Web, past: bool) -> Result<Vec<FindingRow>, Problem> {
    let names = account_names(web).await?;
    let records = web.state()?.findings(None, past).await?;
    let mut rows: Vec<_> = records
        .into_iter()
        .map(|record| FindingRow::of(record, &names))
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
pub(in crate::web) async fn findings(web: &Web, filter: &FindingFilter) -> Result<Vec<FindingRow>, Problem> {
    let mut rows = all_findings(web, filter.past).await?;
    rows.retain(|row| filter.fits(row));
    Ok(rows)
}
