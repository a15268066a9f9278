//! Undoing what was applied: the one way for the command line and the page.

use std::collections::BTreeSet;

use super::Run;
use crate::execute::{ActionReport, ActionResult};
use crate::model::{AccountId, ActionId};
use crate::state::{AppliedSelection, Attempt, State, StateError};

/// What is to be undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undo {
    /// These actions.
    Actions(Vec<ActionId>),
    /// All that this run applied.
    Run(String),
}

impl Undo {
    fn selections(&self) -> Vec<AppliedSelection<'_>> {
        match self {
            Self::Actions(ids) => ids.iter().map(AppliedSelection::Action).collect(),
            Self::Run(run) => vec![AppliedSelection::Run(run)],
        }
    }
}

/// What can be undone of it.
#[derive(Debug)]
pub struct Undoable {
    /// What was applied, and neither undone nor made again since.
    pub applied: Vec<Attempt>,
    /// How many attempts wait for their outcome still.
    pub open: usize,
    /// What a process that was killed did, and nobody was told of.
    pub settled: Vec<ActionReport>,
}

/// Why nothing was undone.
#[derive(Debug, thiserror::Error)]
pub enum UndoError {
    /// It may be a slip.
    #[error("nothing is known of {0}: `iamwarden history` lists what is")]
    Unheard(String),
    /// It could not be read or written.
    #[error(transparent)]
    State(#[from] StateError),
}

impl Run<'_> {
    /// Finds what can be undone, once it is settled what a process that was killed did.
    ///
    /// # Errors
    /// [`UndoError`].
    pub async fn undoable(&self, state: &State, undo: &Undo) -> Result<Undoable, UndoError> {
        let wanted = undo.selections();
        let accounts = accounts(state, &wanted).await?;
        let settled = self.settle_before_rollback(state, &accounts).await?;
        let mut applied = Vec::new();
        for wanted in &wanted {
            applied.extend(state.applied_actions(*wanted).await?);
        }
        let open = still_open(state, &accounts, &wanted).await?;
        Ok(Undoable {
            applied,
            open,
            settled,
        })
    }

    /// Undoes it, as a run in the history. Consent is the caller's to have.
    ///
    /// # Errors
    /// Where the state fails; what was done before is in the journal.
    pub async fn undo(
        &self,
        state: &State,
        undoable: &Undoable,
        by: &str,
    ) -> Result<Vec<ActionReport>, StateError> {
        self.begin_by(state, "rollback", by).await?;
        let reports = self.roll_back(state, &undoable.applied).await;
        let status = if is_undone(&reports) { "done" } else { "failed" };
        self.finish(state, status, &reports).await?;
        Ok(reports)
    }
}

/// Whether all of it is as it was before.
pub fn is_undone(reports: &[ActionReport]) -> bool {
    reports
        .iter()
        .all(|report| report.result == ActionResult::Applied)
}

/// The accounts that it is about. What nobody ever heard of is an error: it may be a slip.
async fn accounts(state: &State, wanted: &[AppliedSelection<'_>]) -> Result<BTreeSet<AccountId>, UndoError> {
    let mut accounts = BTreeSet::new();
    for wanted in wanted {
        let found = state.accounts_of(*wanted).await?;
        let what = || match wanted {
            AppliedSelection::Action(id) => format!("action `{id}`"),
            AppliedSelection::Run(run) => format!("run `{run}`"),
            AppliedSelection::Account(id) => format!("account {id}"),
        };
        accounts.extend(found.ok_or_else(|| UndoError::Unheard(what()))?);
    }
    Ok(accounts)
}

/// How many attempts of it wait for their outcome still.
async fn still_open(
    state: &State,
    accounts: &BTreeSet<AccountId>,
    wanted: &[AppliedSelection<'_>],
) -> Result<usize, StateError> {
    let mut open = 0;
    for account in accounts {
        let is_wanted = |attempt: &&Attempt| {
            wanted.iter().any(|wanted| match wanted {
                AppliedSelection::Action(id) => attempt.intent.action == **id,
                AppliedSelection::Run(run) => attempt.intent.run == *run,
                AppliedSelection::Account(id) => attempt.intent.account == **id,
            })
        };
        open += state
            .open_intents(account)
            .await?
            .iter()
            .filter(is_wanted)
            .count();
    }
    Ok(open)
}
