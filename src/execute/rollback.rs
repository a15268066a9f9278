//! Undoing what was applied, exactly, or not at all.

use super::apply::{Attempt, Executor};
use super::report::{ActionReport, ActionResult};
use crate::plan::{AppliedChange, Approved};
use crate::state::{self, Direction, Lease};

impl Executor<'_> {
    /// Undoes applied changes of one account, the latest first. Right before each, what the change left is read live;
    /// where somebody changed it since, the rollback is refused (`stale`). Freeze and guardrails do not hold it back.
    pub async fn roll_back(&self, lease: &Lease, applied: &[state::Attempt]) -> Vec<ActionReport> {
        let mut latest_first: Vec<_> = applied.iter().collect();
        latest_first.sort_by_key(|attempt| std::cmp::Reverse(attempt.id));
        let mut reports = Vec::with_capacity(applied.len());
        for attempt in latest_first {
            let result = match self.shutdown.is_requested() {
                true => (ActionResult::NotStarted, None),
                // Boxed, as an attempt is in `apply`.
                false => Box::pin(self.undo_one(lease, attempt)).await,
            };
            let (result, intent) = result;
            let report = ActionReport {
                intent,
                ..ActionReport::of_attempt(attempt, true, result)
            };
            report.log(None);
            reports.push(report);
        }
        reports
    }

    async fn undo_one(
        &self,
        lease: &Lease,
        applied: &state::Attempt,
    ) -> (ActionResult, Option<state::IntentId>) {
        let intent = &applied.intent;
        let Some(left) = intent.precondition.after(&intent.change) else {
            return (
                ActionResult::Failed("a deletion cannot be undone".to_owned()),
                None,
            );
        };
        let change = AppliedChange {
            action: intent.action.clone(),
            account: intent.account.clone(),
            resource: intent.resource.clone(),
            inverse: intent.inverse.clone(),
            precondition: left.clone(),
        };
        let approved = match Approved::to_rollback(self.config, &change) {
            Ok(approved) => approved,
            Err(refused) => return (ActionResult::Failed(refused.to_string()), None),
        };
        let attempt = Attempt {
            approved,
            direction: Direction::Undo,
            change: &intent.change,
            inverse: intent.inverse.as_ref(),
            mode: intent.mode,
            decision: None,
            findings: intent.findings.clone(),
            after: intent.inverse.as_ref().and_then(|inverse| left.undone(inverse)),
        };
        // Whoever asked for it consented, and nothing else holds it back.
        self.attempt(lease, &attempt, async || Ok(())).await
    }
}
