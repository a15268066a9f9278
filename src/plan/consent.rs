//! Whether a person consented to an action.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::{Approved, guardrails};
use crate::config::{Approvals, Config};
use crate::model::{Action, ActionId, ActionMode, Decision, Digest, History, Verdict, WithheldReason};

/// What people decided, found by action, in the order in which they did.
#[derive(Debug)]
pub(super) struct Decisions<'a>(BTreeMap<&'a ActionId, Vec<&'a Decision>>);

impl<'a> Decisions<'a> {
    pub(super) fn of(history: &'a History) -> Self {
        let mut by_action: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for decision in &history.decisions {
            by_action.entry(&decision.action).or_default().push(decision);
        }
        Self(by_action)
    }

    fn about(&self, action: &ActionId) -> impl Iterator<Item = &'a Decision> {
        self.0.get(action).into_iter().flatten().copied()
    }
}

/// Consent to carry out an action that the plan found due, asked again at the last moment with what is remembered now:
/// freeze, window, cap of the day, rollback, settling and decisions. This is the only way to an [`Approved`] change.
///
/// # Errors
/// Why it is held back, where it is by now.
pub fn confirm(
    config: &Config,
    action: &Action,
    history: &History,
    now: DateTime<Utc>,
) -> Result<Approved, (WithheldReason, String)> {
    if config.dry_run {
        return Err((
            WithheldReason::Freeze,
            "dry_run = true in the configuration".to_owned(),
        ));
    }
    if let Some(reason) = action.withheld_reason {
        return Err((reason, reason.explanation().to_owned()));
    }
    if let Some(standstill) = guardrails::standstill(config, history, now) {
        return Err(standstill);
    }
    if history.changes_in_last_day >= config.guardrails.max_changes_per_day {
        let why = format!(
            "{} changes were made within 24 hours",
            history.changes_in_last_day
        );
        return Err((WithheldReason::Guardrail, why));
    }
    if history.unsettled.contains(&action.id) {
        return Err((
            WithheldReason::Settling,
            WithheldReason::Settling.explanation().to_owned(),
        ));
    }
    if action.not_before.is_some_and(|not_before| now < not_before) {
        return Err((
            WithheldReason::Notice,
            WithheldReason::Notice.explanation().to_owned(),
        ));
    }
    let decisions = Decisions::of(history);
    let rolled_back_at = history.rolled_back.get(&action.target()).copied();
    let consent = consent(
        action,
        &config.digest(),
        &config.approvals,
        &decisions,
        rolled_back_at,
        now,
    );
    if rolled_back_at.is_some() && !matches!(consent, Consent::Approved(_)) {
        return Err((
            WithheldReason::RolledBack,
            WithheldReason::RolledBack.explanation().to_owned(),
        ));
    }
    match missing(action, consent) {
        Some(why) => Err((WithheldReason::Approval, why)),
        None => Ok(Approved::to_action(action)),
    }
}

/// What people said of an action, as far as it still counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Consent<'a> {
    /// Nobody said anything that counts.
    None,
    /// The last word that counts is yes.
    Approved(&'a Decision),
    /// The last word that counts is no.
    Rejected(&'a Decision),
}

/// The last decision that is bound to this action, this precondition and this configuration, has not expired, and was
/// made after the last rollback of the action. In mode `enforce`, where nobody would be asked again, a no does not expire.
pub(super) fn consent<'a>(
    action: &Action,
    config_digest: &Digest,
    approvals: &Approvals,
    decisions: &Decisions<'a>,
    rolled_back_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Consent<'a> {
    let precondition = action.precondition_digest();
    let last = decisions
        .about(&action.id)
        .filter(|decision| decision.precondition == precondition && decision.config_digest == *config_digest)
        .filter(|decision| rolled_back_at.is_none_or(|at| decision.decided_at > at))
        .filter(|decision| {
            let from = decision
                .not_before
                .map_or(decision.decided_at, |at| at.max(decision.decided_at));
            let veto = action.mode == ActionMode::Enforce && decision.verdict == Verdict::Rejected;
            veto || now < from + approvals.expire_after.delta()
        })
        // A decision of the future is none.
        .filter(|decision| decision.decided_at <= now)
        // A yes counts of those who may decide by now; a no of anybody.
        .filter(|decision| match decision.verdict {
            Verdict::Approved => approvals.may_decide(&decision.by),
            Verdict::Rejected => true,
        })
        .max_by_key(|decision| decision.decided_at);
    match last {
        None => Consent::None,
        Some(decision) => match decision.verdict {
            Verdict::Approved => Consent::Approved(decision),
            Verdict::Rejected => Consent::Rejected(decision),
        },
    }
}

/// Why consent is missing, where it is: in mode `approve` a person has to say yes, in mode `enforce` nobody may have
/// said no.
pub(super) fn missing(action: &Action, consent: Consent<'_>) -> Option<String> {
    match (action.mode, consent) {
        (ActionMode::Approve | ActionMode::Enforce, Consent::Rejected(decision)) => Some(format!(
            "rejected by {} on {}",
            decision.by,
            decision.decided_at.format("%Y-%m-%d %H:%M UTC")
        )),
        (ActionMode::Approve, Consent::None) => Some("nobody has approved it yet".to_owned()),
        (ActionMode::Approve, Consent::Approved(_))
        | (ActionMode::Enforce, Consent::None | Consent::Approved(_)) => None,
    }
}
