//! What was done.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;

use super::account_names;
use crate::daemon::AccountNames;
use crate::state::{ActionOutcome, ActionRecord, Direction, RunRecord};
use crate::web::Web;
use crate::web::problem::Problem;

/// A run of the daemon or of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(in crate::web) struct RunRow {
    /// A ULID.
    pub(in crate::web) id: String,
    /// When it began.
    pub(in crate::web) started_at: DateTime<Utc>,
    /// When it ended; null: it runs still, or its process died.
    pub(in crate::web) finished_at: Option<DateTime<Utc>>,
    /// Which command.
    pub(in crate::web) command: String,
    /// Which person asked for it, where it was one.
    pub(in crate::web) by: Option<String>,
    /// How it ended.
    pub(in crate::web) status: String,
    /// What it did.
    pub(in crate::web) actions: Vec<RunActionRow>,
}

/// What a run did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(in crate::web) struct RunActionRow {
    /// `act_` and 24 hexadecimal digits; the same for making and undoing.
    pub(in crate::web) id: String,
    /// In which run.
    pub(in crate::web) run: String,
    /// Of what kind the change is.
    pub(in crate::web) kind: &'static str,
    /// `apply` or `undo`.
    pub(in crate::web) direction: &'static str,
    /// Twelve digits.
    pub(in crate::web) account: String,
    /// What people call it.
    pub(in crate::web) account_name: String,
    /// The ARN of what it changes.
    pub(in crate::web) resource: String,
    /// Which key or policy of it.
    pub(in crate::web) subject: String,
    /// What became of it.
    pub(in crate::web) outcome: &'static str,
    /// What is said of that.
    pub(in crate::web) detail: Option<String>,
    /// When.
    pub(in crate::web) at: DateTime<Utc>,
    /// When it was undone, if it was.
    pub(in crate::web) rolled_back_at: Option<DateTime<Utc>>,
}

impl RunActionRow {
    /// The columns of a table.
    pub(in crate::web) const COLUMNS: [&'static str; 11] = [
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

    fn of(record: ActionRecord, names: &AccountNames) -> Self {
        Self {
            id: record.id.to_string(),
            run: record.run,
            kind: record.kind.as_str(),
            direction: match record.direction {
                Direction::Apply => "apply",
                Direction::Undo => "undo",
            },
            account_name: names.of(&record.account),
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
    pub(in crate::web) fn cells(&self) -> Vec<String> {
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
    pub(in crate::web) fn may_be_undone(&self) -> bool {
        self.direction == "apply"
            && self.outcome == ActionOutcome::Applied.as_str()
            && self.rolled_back_at.is_none()
    }
}

/// The latest runs, newest first.
pub(in crate::web) async fn runs(web: &Web, limit: u32) -> Result<Vec<RunRow>, Problem> {
    let names = account_names(web).await?;
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
            .map(|action| RunActionRow::of(action, &names))
            .collect(),
    };
    Ok(records.into_iter().map(row).collect())
}
