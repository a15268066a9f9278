//! Whether a person consented to an action.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::{Approved, guardrails};
use crate::config::{Approvals, Config};
use crate::model::{
    Action, ActionId, ActionMode, Decision, Digest, FindingId, History, Owner, Person, PrincipalKind,
    RequestedExemption, RuleName, Verdict, WithheldReason,
};

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
/// freeze, window, cap of the day, rollback, settling, exemptions and decisions. `planned_from` is when the run of the plan
/// began. This is the only way to an [`Approved`] change. Beside it come the approvals that it rests on, oldest first; none,
/// where the declared policy suffices.
///
/// # Errors
/// Why it is held back, where it is by now.
pub fn confirm(
    config: &Config,
    action: &Action,
    rules: &BTreeMap<FindingId, RuleName>,
    history: &History,
    planned_from: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<(Approved, Vec<Decision>), (WithheldReason, String)> {
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
    if let Some(exemption) = granted_since(action, rules, history, planned_from, now) {
        let why = format!(
            "exempt since the plan, until {} ({})",
            exemption.request.until, exemption.request.id
        );
        return Err((WithheldReason::Approval, why));
    }
    let decisions = Decisions::of(history);
    let config_digest = config.digest();
    let measure = Measure {
        config,
        config_digest: &config_digest,
        history,
        owner: None,
        now,
    };
    let consent = measure.consent(action, &decisions);
    let is_approved = matches!(consent, Consent::Approved(_));
    if history.rolled_back.contains_key(&action.target()) && !is_approved {
        return Err((
            WithheldReason::RolledBack,
            WithheldReason::RolledBack.explanation().to_owned(),
        ));
    }
    if let Some(why) = missing(action, &consent, &config.approvals) {
        return Err((WithheldReason::Approval, why));
    }
    let by = match consent {
        Consent::Approved(decisions) => decisions.into_iter().cloned().collect(),
        Consent::None | Consent::Partly(_) | Consent::Rejected(_) => Vec::new(),
    };
    Ok((Approved::to_action(action), by))
}

/// An exemption that holds and covers what justifies the action. The planner acts on nothing that is exempt, so it was
/// granted after the plan. Where the rule of a finding is not known, any exemption of the thing counts. A group is left
/// alone for a member's sake, and who is a member is not known here: any user's counts that was granted since.
fn granted_since<'h>(
    action: &Action,
    rules: &BTreeMap<FindingId, RuleName>,
    history: &'h History,
    planned_from: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Option<&'h RequestedExemption> {
    let today = now.date_naive();
    let mut standing = history
        .exemptions
        .iter()
        .filter(|exemption| exemption.holds(today));
    let is_group = action.resource.principal_kind() == Some(PrincipalKind::Group);
    let may_be_members = |exemption: &RequestedExemption| {
        is_group
            && exemption.request.resource.principal_kind() == Some(PrincipalKind::User)
            && exemption.granted_at().is_some_and(|at| at >= planned_from)
    };
    standing.find(|exemption| {
        (exemption.concerns(&action.resource) || may_be_members(exemption))
            && action.findings().any(|finding| {
                rules
                    .get(finding)
                    .is_none_or(|rule| exemption.request.rules.contains(rule))
            })
    })
}

/// What people said of an action, as far as it still counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Consent<'a> {
    /// Nobody said anything that counts.
    None,
    /// Some said yes since the last no, in the order in which they did, and not enough of them yet.
    Partly(Vec<&'a Decision>),
    /// Enough said yes since the last no.
    Approved(Vec<&'a Decision>),
    /// The last word that counts is no.
    Rejected(&'a Decision),
}

/// What decisions of an action are measured by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measure<'a> {
    pub(super) config: &'a Config,
    pub(super) config_digest: &'a Digest,
    pub(super) history: &'a History,
    /// Who answers for the resource, where that is known.
    pub(super) owner: Option<&'a Owner>,
    pub(super) now: DateTime<Utc>,
}

impl<'a> Measure<'a> {
    /// A decision counts while it is bound to this action, this precondition and this configuration, has not expired, and
    /// was made after the last rollback of the action. In mode `enforce`, where nobody would be asked again, a no does not
    /// expire, and holds under another configuration too. A no counts of anybody, and whatever it was bound to it ends
    /// every yes before it: the state lets none of them be spent. A yes counts of those who may decide by now, not of the
    /// principal itself, each person once; and not where an exemption of the same thing was granted after it.
    pub(super) fn consent(&self, action: &Action, decisions: &Decisions<'a>) -> Consent<'a> {
        let precondition = action.precondition_digest();
        let rolled_back_at = self.history.rolled_back.get(&action.target()).copied();
        let granted = self.history.exemptions.iter();
        let granted_at = granted
            .filter(|exemption| exemption.concerns(&action.resource))
            .filter_map(RequestedExemption::granted_at)
            .max();
        let counts = |decision: &Decision| {
            decision.precondition == precondition
                && rolled_back_at.is_none_or(|at| decision.decided_at > at)
                && (is_veto(action, decision) || self.is_alive(decision))
        };
        let (mut rejected, mut approvals): (_, Vec<&Decision>) = (None, Vec::new());
        // A decision of the future is none.
        let made = decisions
            .about(&action.id)
            .filter(|decision| decision.decided_at <= self.now);
        for decision in made {
            match decision.verdict {
                Verdict::Rejected => {
                    approvals.clear();
                    if counts(decision) {
                        rejected = Some(decision);
                    }
                }
                Verdict::Approved
                    if counts(decision)
                        && granted_at.is_none_or(|at| decision.decided_at > at)
                        && self.adds(action, decision, &approvals) =>
                {
                    approvals.push(decision);
                }
                Verdict::Approved => {}
            }
        }
        let wanted = usize::try_from(self.config.approvals.minimum_approvers).unwrap_or(usize::MAX);
        match rejected {
            _ if approvals.len() >= wanted.max(1) => Consent::Approved(approvals),
            Some(rejected) => Consent::Rejected(rejected),
            None if approvals.is_empty() => Consent::None,
            None => Consent::Partly(approvals),
        }
    }

    fn is_alive(&self, decision: &Decision) -> bool {
        decision.config_digest == *self.config_digest && self.now < ends_at(&self.config.approvals, decision)
    }

    /// Whether this yes adds to those before it. A later one of the same person only repeats the first.
    fn adds(&self, action: &Action, decision: &Decision, before: &[&Decision]) -> bool {
        let person = Person::new(&decision.by, decision.via);
        let config = self.config;
        config.approvals.may_decide(&person)
            && config
                .is_oneself(&decision.by, &action.account, &action.resource, self.owner)
                .is_none()
            && !before
                .iter()
                .any(|earlier| config.is_same_person(&earlier.by, &decision.by))
    }
}

/// A no where nobody would be asked again.
fn is_veto(action: &Action, decision: &Decision) -> bool {
    action.mode == ActionMode::Enforce && decision.verdict == Verdict::Rejected
}

/// When a decision stops to count.
pub fn ends_at(approvals: &Approvals, decision: &Decision) -> DateTime<Utc> {
    let from = decision
        .not_before
        .map_or(decision.decided_at, |at| at.max(decision.decided_at));
    from + approvals.expire_after.delta()
}

/// Why consent is missing, where it is: in mode `approve` people have to say yes, in mode `enforce` nobody may have
/// said no.
pub(super) fn missing(action: &Action, consent: &Consent<'_>, approvals: &Approvals) -> Option<String> {
    match (action.mode, consent) {
        (ActionMode::Approve | ActionMode::Enforce, Consent::Rejected(decision)) => Some(format!(
            "rejected by {} on {}",
            decision.by,
            decision.decided_at.format("%Y-%m-%d %H:%M UTC")
        )),
        (ActionMode::Approve, Consent::None) => Some("nobody has approved it yet".to_owned()),
        (ActionMode::Approve, Consent::Partly(said)) => {
            let names: Vec<_> = said.iter().map(|decision| decision.by.as_str()).collect();
            Some(format!(
                "{} of {} approvals, by {}",
                said.len(),
                approvals.minimum_approvers,
                names.join(", ")
            ))
        }
        (ActionMode::Approve, Consent::Approved(_))
        | (ActionMode::Enforce, Consent::None | Consent::Partly(_) | Consent::Approved(_)) => None,
    }
}
