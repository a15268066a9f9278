//! Planning one account.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::announce::{self, Notices, Timing};
use super::consent::{Decisions, Measure};
use super::{AccountStatus, AccountSummary, PrincipalCounts, consent, guardrails, scorecard};
use crate::config::{Config, Mode};
use crate::inventory::{Gap, GapCause, Snapshot};
use crate::model::{
    AccountId, Action, ActionId, ActionMode, ActionState, Arn, Digest, Event, Finding, FindingId,
    FindingStatus, History, NoticeItem, Notification, Owner, Severity, Span, WithheldReason,
};
use crate::rules::{self, Announcement, Context, Judgement, REGISTRY, Remedy, Reminder};

/// What may differ from one planning to another with the same inputs.
#[derive(Debug, Clone, Default)]
pub struct PlanOptions {
    /// Only these rules; empty: all. (Unknown names are refused before.)
    pub rules: Vec<String>,
    /// Show what rules in `report` would do in `enforce`.
    pub as_if_enforce: bool,
}

/// The plan of one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountPlan {
    /// How the account could be read.
    pub summary: AccountSummary,
    /// What was found.
    pub findings: Vec<Finding>,
    /// What would be done.
    pub actions: Vec<Action>,
    /// Who would be told.
    pub notifications: Vec<Notification>,
    /// What it took to read.
    pub api_calls: BTreeMap<String, u64>,
    /// Attachments found unused by sufficient evidence, for the state to remember.
    pub judgements: Vec<Judgement>,
}

/// An action with what ordering and merging need.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) action: Action,
    pub(super) severity: Severity,
    pub(super) since: DateTime<Utc>,
    /// Somebody said no, and that counts.
    pub(super) rejected: bool,
}

impl Candidate {
    pub(super) fn withhold(&mut self, reason: WithheldReason, detail: String) {
        self.action.state = ActionState::Withheld;
        self.action.withheld_reason = Some(reason);
        self.action.withheld_detail = Some(detail);
    }
}

/// An account of which nothing could be read.
pub fn failed_account(
    config: &Config,
    id: AccountId,
    name: String,
    gap: Gap,
    api_calls: BTreeMap<String, u64>,
) -> AccountPlan {
    AccountPlan {
        summary: AccountSummary {
            unit: unit_of(config, &id),
            rolled_out: config.is_rolled_out(&id),
            id,
            name,
            status: AccountStatus::Failed,
            principals: PrincipalCounts::default(),
            errors: vec![gap],
            snapshot_digest: None,
            scorecard: None,
        },
        findings: Vec::new(),
        actions: Vec::new(),
        notifications: Vec::new(),
        api_calls,
        judgements: Vec::new(),
    }
}

/// In which unit of the organization it lies, where that is known.
fn unit_of(config: &Config, id: &AccountId) -> Option<String> {
    let account = config.accounts.iter().find(|account| account.id == *id)?;
    account.membership.unit.as_ref().map(ToString::to_string)
}

/// Judges the account by every rule that is on, and says what to do about it and what may be done now.
pub fn plan_account(
    config: &Config,
    snapshot: &Snapshot,
    history: &History,
    now: DateTime<Utc>,
    options: &PlanOptions,
) -> AccountPlan {
    let ctx = Context {
        config,
        snapshot,
        history,
        now,
    };
    let planner = Planner {
        ctx,
        config_digest: config.digest(),
        principals: count_principals(snapshot),
        notices: Notices::of(history),
        decisions: Decisions::of(history),
    };
    let mut findings = Vec::new();
    let mut candidates: BTreeMap<ActionId, Candidate> = BTreeMap::new();
    let mut told = Told::default();
    let mut announced = Vec::new();
    let mut all = Vec::new();
    for rule in &REGISTRY {
        let declared = config.mode_in(&snapshot.account, (rule.mode)(config));
        let as_if = options.as_if_enforce && declared == Mode::Report;
        let asked = if as_if { Mode::Enforce } else { declared };
        // A rule that changes nothing reports, whatever its mode; but it may have its owners reminded.
        let mode = match (rule.changes)(config).is_empty() {
            true => asked.min(Mode::Report),
            false => asked,
        };
        if mode == Mode::Off || !(options.rules.is_empty() || options.rules.iter().any(|r| r == rule.name)) {
            continue;
        }
        for judgement in (rule.check)(&ctx) {
            all.push(judgement.clone());
            let Judgement {
                mut finding,
                remedy,
                announcement,
                reminder,
            } = judgement;
            let announcement = announcement.map(|announcement| planner.told_anew(&finding, announcement));
            let reminder = reminder.filter(|_| action_mode(asked).is_some());
            match (action_mode(mode), remedy) {
                (Some(mode), Some(remedy)) if !remedy.report_only => {
                    let is_certain = mode == ActionMode::Enforce && !remedy.needs_approval;
                    let candidate = planner.candidate(&finding, remedy, announcement.as_ref(), mode);
                    if let Some(announcement) = announcement {
                        announced.push((
                            finding.clone(),
                            announcement,
                            candidate.action.id.clone(),
                            is_certain,
                        ));
                    }
                    merge(&mut candidates, candidate);
                }
                (Some(mode), None) => {
                    let is_certain = mode == ActionMode::Enforce;
                    told.note(&planner, &finding, announcement.as_ref(), None, is_certain);
                }
                (None | Some(_), Some(remedy)) => {
                    finding.proposal = Some(remedy.proposal);
                    told.digest(mode, &finding);
                }
                (None, None) if reminder.is_some() => {}
                (None, None) => told.digest(mode, &finding),
            }
            if let Some(reminder) = reminder {
                told.remind(&finding, &reminder);
            }
            findings.push(finding);
        }
    }
    // Only now is it known what becomes of a change that two rules ask for.
    for (finding, announcement, action, is_certain) in &announced {
        let candidate = candidates.get(action);
        told.note(&planner, finding, Some(announcement), candidate, *is_certain);
    }
    let mut candidates: Vec<_> = candidates.into_values().collect();
    planner.hold_back(&mut candidates);
    told.approvals(&candidates);
    let mut actions: Vec<_> = candidates.into_iter().map(|candidate| candidate.action).collect();
    actions.sort_by(|a, b| (&a.account, &a.resource, &a.id).cmp(&(&b.account, &b.resource, &b.id)));
    findings.sort_by(|a, b| (&a.resource, &a.rule, &a.id).cmp(&(&b.resource, &b.rule, &b.id)));
    let notifications = told.into_notifications(&planner);
    AccountPlan {
        summary: planner.summary(&options.rules, &findings),
        findings,
        actions,
        notifications,
        api_calls: snapshot.api_calls.clone(),
        judgements: all,
    }
}

fn action_mode(mode: Mode) -> Option<ActionMode> {
    match mode {
        Mode::Off | Mode::Report => None,
        Mode::Approve => Some(ActionMode::Approve),
        Mode::Enforce => Some(ActionMode::Enforce),
    }
}

fn count_principals(snapshot: &Snapshot) -> PrincipalCounts {
    snapshot
        .authorization
        .known()
        .map_or_else(PrincipalCounts::default, |a| PrincipalCounts {
            users: a.users.len(),
            groups: a.groups.len(),
            roles: a.roles.len(),
        })
}

/// Two rules that ask for the same change: one action. A rule in `enforce` justifies it before one in `approve`, one
/// that is not held back before one that is, and the earlier rule of the registry before the later.
fn merge(candidates: &mut BTreeMap<ActionId, Candidate>, new: Candidate) {
    let Some(known) = candidates.get_mut(&new.action.id) else {
        candidates.insert(new.action.id.clone(), new);
        return;
    };
    let rank = |c: &Candidate| (c.action.mode, c.action.state == ActionState::Proposed);
    let (severity, since) = (known.severity.max(new.severity), known.since.min(new.since));
    let (mut winner, other) = if rank(&new) > rank(known) {
        (new, known.clone())
    } else {
        (known.clone(), new)
    };
    winner.action.also.push(other.action.finding);
    winner.action.also.extend(other.action.also);
    winner.action.also.sort();
    *known = Candidate {
        severity,
        since,
        ..winner
    };
}

struct Planner<'a> {
    ctx: Context<'a>,
    config_digest: Digest,
    principals: PrincipalCounts,
    notices: Notices<'a>,
    decisions: Decisions<'a>,
}

impl Planner<'_> {
    /// What an owner was told before an exemption does not count after it: while it held, nothing was going to happen.
    fn told_anew(&self, finding: &Finding, announcement: Announcement) -> Announcement {
        let exempt_to = self.ctx.exempt_to(&finding.rule, &finding.resource);
        Announcement {
            notices_count_after: announcement.notices_count_after.max(exempt_to),
            ..announcement
        }
    }

    fn candidate(
        &self,
        finding: &Finding,
        remedy: Remedy,
        announcement: Option<&Announcement>,
        mode: ActionMode,
    ) -> Candidate {
        let Context {
            config, history, now, ..
        } = self.ctx;
        let Remedy {
            proposal,
            precondition,
            since,
            withheld,
            report_only: _,
            needs_approval,
        } = remedy;
        let mode = match needs_approval {
            true => ActionMode::Approve,
            false => mode,
        };
        let timing =
            announcement.map(|announcement| announce::timing(announcement, finding, &self.notices, now));
        let id = ActionId::of(&finding.account, &finding.resource, &proposal.change);
        let mut candidate = Candidate {
            action: Action {
                finding: finding.id.clone(),
                also: Vec::new(),
                account: finding.account.clone(),
                resource: finding.resource.clone(),
                mode,
                reversible: proposal.inverse.is_some(),
                change: proposal.change,
                inverse: proposal.inverse,
                precondition,
                state: ActionState::Proposed,
                withheld_reason: None,
                withheld_detail: None,
                not_before: timing.as_ref().map(|timing| timing.not_before),
                id,
            },
            severity: finding.severity,
            since,
            rejected: false,
        };
        let rolled_back_at = history.rolled_back.get(&candidate.action.target()).copied();
        let measure = Measure {
            config,
            config_digest: &self.config_digest,
            history,
            owner: finding.owner.as_ref(),
            now,
        };
        let consent = measure.consent(&candidate.action, &self.decisions);
        candidate.rejected = matches!(consent, consent::Consent::Rejected(_));
        let mut reasons: Vec<(WithheldReason, String)> = Vec::new();
        if history.unsettled.contains(&candidate.action.id) && !candidate.action.change.is_repeatable() {
            reasons.push((
                WithheldReason::Settling,
                WithheldReason::Settling.explanation().to_owned(),
            ));
        }
        if let Some(at) = rolled_back_at
            && !matches!(consent, consent::Consent::Approved(_))
        {
            reasons.push((
                WithheldReason::RolledBack,
                format!("rolled back on {}", at.format("%Y-%m-%d %H:%M UTC")),
            ));
        }
        reasons.extend(withheld);
        if let Some(why) = consent::missing(&candidate.action, &consent, &config.approvals) {
            reasons.push((WithheldReason::Approval, why));
        }
        if let (Some(announcement), Some(timing)) = (announcement, &timing) {
            reasons.extend(self.notice_missing(finding, announcement, timing));
        }
        if let Some((reason, why)) = reasons.into_iter().min_by_key(|(reason, _)| *reason) {
            candidate.withhold(reason, why);
        }
        candidate
    }

    fn notice_missing(
        &self,
        finding: &Finding,
        announcement: &Announcement,
        timing: &Timing,
    ) -> Option<(WithheldReason, String)> {
        if timing.notice_given {
            return None;
        }
        let reachable = self.channel_of(finding.owner.as_ref()).is_some();
        if !reachable && !announcement.minimum_notice.is_zero() {
            let why =
                "its owner cannot be told: declare a channel for the owner, or notifications.default_channel";
            return Some((WithheldReason::NoChannel, why.to_owned()));
        }
        let date = timing.not_before.format("%Y-%m-%d %H:%M UTC");
        Some((
            WithheldReason::Notice,
            format!("{} of notice, so not before {date}", announcement.minimum_notice),
        ))
    }

    fn channel_of(&self, owner: Option<&Owner>) -> Option<String> {
        self.ctx
            .config
            .notifications
            .route(owner)
            .channel
            .map(ToOwned::to_owned)
    }

    /// What holds back everything: freeze, window, and last the caps, which count only what is otherwise due.
    fn hold_back(&self, candidates: &mut [Candidate]) {
        let Context {
            config, history, now, ..
        } = self.ctx;
        if let Some((reason, why)) = guardrails::standstill(config, history, now) {
            for candidate in candidates
                .iter_mut()
                .filter(|c| c.action.state == ActionState::Proposed)
            {
                candidate.withhold(reason, why.clone());
            }
        }
        let cap = guardrails::cap(&config.guardrails, self.principals, history.changes_in_last_day);
        guardrails::hold_excess(candidates, &config.guardrails, cap);
    }

    fn summary(&self, selected: &[String], findings: &[Finding]) -> AccountSummary {
        let snapshot = self.ctx.snapshot;
        let mut errors = snapshot.gaps.clone();
        // A declaration that cannot be carried out is an error of its rule, not an action.
        errors.extend(
            findings
                .iter()
                .filter(|f| f.evidence.get("cause").is_some_and(is_of_the_declaration))
                .map(|finding| Gap {
                    operation: format!("rule:{}", finding.rule),
                    resource: Some(finding.resource.clone()),
                    cause: GapCause::Unusable,
                    detail: finding.detail.clone(),
                }),
        );
        errors.sort();
        AccountSummary {
            unit: unit_of(self.ctx.config, &snapshot.account),
            rolled_out: self.ctx.config.is_rolled_out(&snapshot.account),
            id: snapshot.account.clone(),
            name: snapshot.name.clone(),
            status: if errors.is_empty() {
                AccountStatus::Complete
            } else {
                AccountStatus::Partial
            },
            principals: self.principals,
            errors,
            snapshot_digest: Some(snapshot.digest()),
            scorecard: Some(scorecard::score(self.ctx.config, selected, findings)),
        }
    }
}

/// Whether what a finding names as its cause is a declaration that cannot be carried out.
fn is_of_the_declaration(cause: &Value) -> bool {
    [rules::WEAKER_THAN_BUILT_IN, rules::UNUSABLE_PROFILE]
        .iter()
        .any(|known| cause == known)
}

/// The findings of one message, the dates that it announces, and when it is said again.
#[derive(Debug, Default)]
struct Said {
    findings: Vec<FindingId>,
    notices: Vec<(Arn, NoticeItem)>,
    every: Option<Span>,
}

/// Who is to be told of what, gathered while planning.
#[derive(Debug, Default)]
struct Told {
    by_event: BTreeMap<(Option<Owner>, Event), Said>,
    /// The first date to come on which something will happen, by event, resource and subject.
    dates: BTreeMap<(Event, Arn, String), DateTime<Utc>>,
}

impl Told {
    /// What its owner is told of a finding of a rule in `approve` or `enforce`. It is certain where nobody is asked.
    fn note(
        &mut self,
        planner: &Planner<'_>,
        finding: &Finding,
        announcement: Option<&Announcement>,
        candidate: Option<&Candidate>,
        is_certain: bool,
    ) {
        let Some(announcement) = announcement else { return };
        let held = candidate.and_then(|candidate| candidate.action.withheld_reason);
        let will_happen = match held {
            // Nothing will happen on any date before something else does.
            Some(
                WithheldReason::Settling
                | WithheldReason::RolledBack
                | WithheldReason::WouldLockOut
                | WithheldReason::RecentlyUsed,
            ) => false,
            Some(
                WithheldReason::Unconfirmed
                | WithheldReason::NoChannel
                | WithheldReason::Approval
                | WithheldReason::Notice
                | WithheldReason::Freeze
                | WithheldReason::Window
                | WithheldReason::Guardrail,
            ) => true,
            // It is due now: what is told is what became of it. A finding without a change yet is a warning.
            None => candidate.is_none(),
        };
        if !will_happen || candidate.is_some_and(|candidate| candidate.rejected) {
            return;
        }
        let now = planner.ctx.now;
        let date = announce::timing(announcement, finding, &planner.notices, now).not_before;
        // A date that has passed, or that waits for a person, is none to wait for.
        if is_certain && date > now {
            let (resource, subject) = (finding.resource.clone(), announcement.subject.clone());
            self.dates
                .entry((announcement.event, resource, subject))
                .and_modify(|first| *first = date.min(*first))
                .or_insert(date);
        }
        if let Some(item) = announce::due_notice(announcement, finding, &planner.notices, now) {
            let entry = self
                .by_event
                .entry((finding.owner.clone(), announcement.event))
                .or_default();
            entry.findings.push(finding.id.clone());
            entry.notices.push((finding.resource.clone(), item));
        }
    }

    /// Of one thing one date is told: where two rules will do the same on different days, the first one.
    fn keep_first_dates(&mut self) {
        for ((_, event), said) in &mut self.by_event {
            let is_first = |(resource, item): &(Arn, NoticeItem)| {
                let thing = (*event, resource.clone(), item.subject.clone());
                let date = item.announced_for;
                let first = self.dates.get(&thing);
                first.is_none_or(|first| date <= *first || announce::same_date(*first, date))
            };
            let notices = std::mem::take(&mut said.notices);
            let (kept, later): (Vec<_>, Vec<_>) = notices.into_iter().partition(is_first);
            said.notices = kept;
            let is_later = |id: &FindingId| later.iter().any(|(_, item)| item.finding == *id);
            said.findings.retain(|id| !is_later(id));
        }
        self.by_event.retain(|_, said| !said.findings.is_empty());
    }

    /// What its owner is told of a finding that only people can put right.
    fn remind(&mut self, finding: &Finding, reminder: &Reminder) {
        let entry = self
            .by_event
            .entry((finding.owner.clone(), reminder.event))
            .or_default();
        entry.findings.push(finding.id.clone());
        entry.every = entry.every.into_iter().chain([reminder.every]).min();
    }

    /// What a rule in `report` found goes to the digest.
    fn digest(&mut self, mode: Mode, finding: &Finding) {
        let counts = match finding.status {
            FindingStatus::Violation | FindingStatus::Warning | FindingStatus::Unknown => true,
            FindingStatus::Exempt => false,
        };
        if mode == Mode::Report && counts {
            self.by_event
                .entry((None, Event::ReportDigest))
                .or_default()
                .findings
                .push(finding.id.clone());
        }
    }

    /// What waits for a decision.
    fn approvals(&mut self, candidates: &[Candidate]) {
        let waiting = candidates
            .iter()
            .filter(|c| c.action.withheld_reason == Some(WithheldReason::Approval) && !c.rejected)
            .map(|c| c.action.finding.clone());
        for finding in waiting {
            self.by_event
                .entry((None, Event::ApprovalRequested))
                .or_default()
                .findings
                .push(finding);
        }
    }

    fn into_notifications(mut self, planner: &Planner<'_>) -> Vec<Notification> {
        self.keep_first_dates();
        self.by_event
            .into_iter()
            .map(|((to, event), said)| {
                let Said {
                    mut findings,
                    notices,
                    every,
                } = said;
                findings.sort();
                findings.dedup();
                let mut notices: Vec<_> = notices.into_iter().map(|(_, item)| item).collect();
                notices.sort();
                Notification {
                    channel: planner.channel_of(to.as_ref()),
                    to,
                    event,
                    findings,
                    notices,
                    every,
                }
            })
            .collect()
    }
}
