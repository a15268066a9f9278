//! Planning the accounts as they are read.

use chrono::NaiveDate;
use tracing::Instrument;

use super::{Reach, Reading, Run, Selection, Surveyed};
use crate::aws::Session;
use crate::execute::ActionReport;
use crate::model::{ActionState, Arn, RequestedExemption};
use crate::plan::{self, AccountPlan, Plan, PlanOptions};

/// What a run found, before anything was done.
#[derive(Debug)]
pub struct Planned {
    /// The plan.
    pub plan: Plan,
    /// What earlier runs did without telling anybody.
    pub settled: Vec<ActionReport>,
    /// The way into each account where something is due, in the order of the accounts.
    pub(super) sessions: Vec<Session>,
    /// Granted exemptions that end soon, or ended not long ago.
    pub(super) ending: Vec<RequestedExemption>,
    caller: Option<Arn>,
}

/// What is kept of an account once it is planned: its snapshot is not.
struct Considered {
    plan: AccountPlan,
    session: Option<Session>,
    caller: Option<Arn>,
    ending: Vec<RequestedExemption>,
    settled: Vec<ActionReport>,
}

impl Planned {
    /// As whom AWS was read, in the first account that answered.
    pub fn caller(&self) -> Option<&Arn> {
        self.caller.as_ref()
    }

    /// Of no account: what is told of beside any plan.
    pub(super) fn of_nothing(plan: Plan, settled: Vec<ActionReport>) -> Self {
        Self {
            plan,
            settled,
            sessions: Vec::new(),
            ending: Vec::new(),
            caller: None,
        }
    }
}

impl Run<'_> {
    /// Reads and plans, unless the process is told to stop: what changes nothing is abandoned.
    ///
    /// # Errors
    /// As for [`Run::plan`], and when it is abandoned.
    pub async fn plan_or_stop(&self, selection: &Selection) -> anyhow::Result<Planned> {
        let planned = self
            .house
            .shutdown
            .unless_requested(self.plan(selection, false))
            .await;
        planned.unwrap_or_else(|| Err(told_to_stop()))
    }

    /// Reads the selected accounts, without planning, and keeps of each what `keep` makes of it.
    ///
    /// # Errors
    /// Where the state fails, and what `keep` says.
    pub async fn read<T, Kept>(
        &self,
        selection: &Selection,
        keep: impl Fn(Reading) -> Kept,
    ) -> anyhow::Result<Vec<T>>
    where
        Kept: Future<Output = anyhow::Result<T>>,
    {
        self.survey(selection, keep).instrument(self.span.clone()).await
    }

    /// Reads the selected accounts and plans each as it is read.
    ///
    /// # Errors
    /// Where the state fails: a memory that cannot be read is not an empty one.
    pub async fn plan(&self, selection: &Selection, as_if_enforce: bool) -> anyhow::Result<Planned> {
        let options = PlanOptions {
            rules: selection.rules.clone(),
            as_if_enforce,
        };
        let consider = |reading| self.consider(reading, selection, &options);
        let considered = self.read(selection, consider).await?;
        let mut accounts = Vec::with_capacity(considered.len());
        let (mut sessions, mut ending, mut settled) = (Vec::new(), Vec::new(), Vec::new());
        let mut caller = None;
        for account in considered {
            accounts.push(account.plan);
            sessions.extend(account.session);
            ending.extend(account.ending);
            settled.extend(account.settled);
            caller = caller.or(account.caller);
        }
        let mut plan = plan::assemble(
            &self.house.config,
            self.id.clone(),
            self.now,
            as_if_enforce,
            accounts,
        );
        if let Some(roster) = &self.house.roster {
            plan.left_out.clone_from(&roster.left_out);
            for (operation, count) in &roster.api_calls {
                *plan.api_calls.entry(operation.clone()).or_default() += count;
            }
        }
        Ok(Planned {
            plan,
            settled,
            sessions,
            ending,
            caller,
        })
    }

    /// Plans an account, remembers what was found there, and lets go of all that nobody will ask for.
    async fn consider(
        &self,
        reading: Reading,
        selection: &Selection,
        options: &PlanOptions,
    ) -> anyhow::Result<Considered> {
        let surveyed = match reading {
            Reading::Done(surveyed) => *surveyed,
            Reading::Failed {
                id,
                name,
                gap,
                api_calls,
            } => {
                return Ok(Considered {
                    plan: plan::failed_account(&self.house.config, id, name, gap, api_calls),
                    session: None,
                    caller: None,
                    ending: Vec::new(),
                    settled: Vec::new(),
                });
            }
        };
        let Surveyed {
            session,
            snapshot,
            history,
            settled,
            now,
        } = surveyed;
        let mut plan = plan::plan_account(&self.house.config, &snapshot, &history, now, options);
        if self.reach >= Reach::Remember {
            self.remember(&snapshot, &plan, selection, now).await?;
        }
        plan.judgements = Vec::new();
        let due = |action: &crate::model::Action| action.state == ActionState::Proposed;
        let today = now.date_naive();
        Ok(Considered {
            caller: Some(session.caller().arn.clone()),
            session: plan.actions.iter().any(due).then_some(session),
            ending: history
                .exemptions
                .into_iter()
                .filter(|granted| is_ending(granted, today))
                .collect(),
            plan,
            settled,
        })
    }
}

/// What becomes of work that is abandoned before anything was done.
pub(super) fn told_to_stop() -> anyhow::Error {
    anyhow::anyhow!("told to stop before anything was done")
}

/// Whether people are told of its end. One that ended is told of once more, and forgotten.
fn is_ending(granted: &RequestedExemption, today: NaiveDate) -> bool {
    let left = (granted.request.until - today).num_days();
    granted.revoked.is_none() && (-plan::EXPIRING_WITHIN_DAYS..=plan::EXPIRING_WITHIN_DAYS).contains(&left)
}
