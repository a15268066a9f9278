//! What was approved and can be done by now: so that the daemon need not wait for the schedule.

use std::collections::BTreeSet;

use super::{House, Selection, saved_plan};
use crate::model::RuleName;
use crate::plan;
use crate::state::{DecisionId, DecisionRecord};

/// The approvals whose actions were tried since they could be. A new process knows of none, and tries each once more: a run
/// works everything out afresh.
#[derive(Debug, Default)]
pub struct Tried(BTreeSet<DecisionId>);

impl House {
    /// The rules and accounts of approved actions whose time has come and that were not tried since: all in one run. `None`:
    /// there are none, or nothing may be changed now; when it may again, each is tried again.
    ///
    /// # Errors
    /// Where the state fails.
    pub async fn approved_by_now(&self, tried: &mut Tried) -> anyhow::Result<Option<Selection>> {
        let Some(state) = &self.state else { return Ok(None) };
        let (config, now) = (&self.config, self.clock.now());
        let guardrails = &config.guardrails;
        let is_open = guardrails
            .change_window
            .as_ref()
            .is_none_or(|window| window.contains(now, guardrails.timezone));
        if config.dry_run || config.freeze || !is_open || state.frozen().await?.is_some() {
            tried.0.clear();
            return Ok(None);
        }
        let approvals = state.unspent_approvals().await?;
        let known: BTreeSet<_> = approvals.iter().map(|record| record.id).collect();
        tried.0.retain(|id| known.contains(id));
        let config_digest = config.digest();
        let due = approvals.into_iter().filter(|record| {
            let decision = &record.decision;
            !tried.0.contains(&record.id)
                && decision.config_digest == config_digest
                && decision.not_before.is_none_or(|not_before| not_before <= now)
                && now < plan::ends_at(&config.approvals, decision)
        });
        let due: Vec<_> = due.collect();
        let mut selection = Selection::default();
        for record in due {
            match self.rules_of(&record).await {
                Ok(rules) => {
                    selection.accounts.push(record.account.clone());
                    selection.rules.extend(rules.iter().map(ToString::to_string));
                }
                Err(error) => {
                    tracing::warn!(action = %record.decision.action, error = format!("{error:#}"),
                        "approved, and waits for the schedule");
                }
            }
            tried.0.insert(record.id);
        }
        selection.rules.sort();
        selection.rules.dedup();
        selection.accounts.sort();
        selection.accounts.dedup();
        Ok((!selection.rules.is_empty()).then_some(selection))
    }

    /// The rules that asked for what was approved, as the plan says.
    async fn rules_of(&self, record: &DecisionRecord) -> anyhow::Result<Vec<RuleName>> {
        let Some(state) = &self.state else {
            return Ok(Vec::new());
        };
        let plan = saved_plan(state, &record.plan).await?;
        let action = plan
            .actions
            .iter()
            .find(|action| action.id == record.decision.action);
        let findings: Vec<_> = action.into_iter().flat_map(|action| action.findings()).collect();
        let asking = plan
            .findings
            .iter()
            .filter(|finding| findings.contains(&&finding.id));
        Ok(asking.map(|finding| finding.rule.clone()).collect())
    }
}
