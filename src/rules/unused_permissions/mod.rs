//! Managed policies that grant only what their user, group or role has not used for `unused_for` are detached.
//!
//! The evidence is Access Advisor's: the last attempt, denied ones included, by a principal on each service that its
//! identity policies grant. Detaching a policy that is in use breaks production, leaving one that is not is only
//! untidy, so every doubt keeps it. What is kept without a word: policies in use, and what is too young to be judged.
//! What is kept with a finding of status `unknown`, which names the rule of evidence in `kept_by`: a policy that nothing
//! contradicts but something leaves open, so that a person can settle it. A finding of status `warning` says that
//! something is unused so far, or that a principal is unused as a whole, or that a clock is wrong.
//!
//! A policy that also denies, reaches a service that the report is silent about, names an unknown action, passes roles to
//! services in use, is a permissions boundary, or is the last that a principal in use has, is never detached. Only
//! attachments of managed policies are judged; policies inside a principal are left alone.
//!
//! Access Advisor sees no use in regions that AWS does not list for it, and no API tells which these are. Where `[regions]`
//! names one that is not among those known to be listed, the rule only reports, in any mode. Where your people work in such
//! a region and it is not declared, declare it.
//!
//! The way of the data: [`needs`] says whose reports are worth their calls; [`check`] takes each holder of policies
//! (`holder`), its reports (`evidence`) and what each policy reaches (`reach`, `catalogue`) to a verdict (`verdict`),
//! and words it (`wording`); [`observations`] and [`unused_attachments`] are what is to be remembered of a reading;
//! [`still_unused`] asks once more right before the call.

mod age;
mod catalogue;
mod evidence;
mod holder;
mod reach;
mod recheck;
mod survey;
mod tracking;
mod verdict;
mod wording;

#[cfg(test)]
pub(in crate::rules) mod tests;

use std::collections::BTreeSet;

use chrono::TimeDelta;

use crate::config::Mode;
use crate::inventory::{AttachedPolicy, Authorization, Role, Snapshot, User};
use crate::model::{Arn, Change, Observation, RuleName};
use crate::rules::{Context, Judgement, Practice, Standing};

pub use recheck::{LiveAttachment, RecheckError, still_unused};

pub(in crate::rules) use age::{GRACE, Granted, Known, TRACKING_PERIOD, Terms};
pub(in crate::rules) use catalogue::Catalogue;
use evidence::KeptBy;
pub(in crate::rules) use evidence::{Doubt, Usage};
pub(in crate::rules) use holder::{Holder, is_subject};
pub(in crate::rules) use reach::Reach;
pub(in crate::rules) use survey::Survey;
pub(in crate::rules) use tracking::blind_spot;

pub(in crate::rules) use wording::days;

use verdict::{Verdict, judge, last_policies};

/// How rarely a role may rightly be used, and whether it is ever more than reported (P2, P3, P4, P7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RoleRarity {
    /// Other accounts and identity providers that may assume it, as written.
    pub(super) outsiders: Vec<String>,
    /// Why it is never acted on.
    pub(super) report_only: Option<String>,
    /// The CloudFormation stack that made it.
    pub(super) stack: Option<String>,
}

/// Judges how rarely the role may rightly be used.
///
/// # Errors
/// Why that cannot be told: the trust policy cannot be parsed.
pub(super) fn rarity(ctx: &Context<'_>, role: &Role) -> Result<RoleRarity, String> {
    let holder = Holder::role(role, &ctx.snapshot.account);
    holder.check_trust().map_err(|doubt| doubt.why)?;
    Ok(RoleRarity {
        outsiders: holder.outsiders().into_iter().map(ToOwned::to_owned).collect(),
        report_only: holder.report_only(ctx).map(|reason| reason.why),
        stack: holder.cloudformation_stack().map(ToOwned::to_owned),
    })
}

/// The rule's name.
pub const NAME: RuleName = RuleName::new("unused_permissions");

pub(super) const ENTRY: super::Rule = super::Rule {
    name: "unused_permissions",
    summary: "managed policies that grant only what nobody uses",
    check,
    mode: |config| config.rules.unused_permissions.mode,
    schedule: |config| config.rules.unused_permissions.schedule.as_ref(),
    changes: |_| vec![crate::model::ChangeKind::DetachPolicy],
    source: include_str!("mod.rs"),
    practice: Practice::LeastPrivilege,
    controls: &[],
};

/// How much later than every use that Access Advisor knows a role may have been seen before the two contradict each
/// other (E11). Both lag by hours.
const CONTRADICTION: TimeDelta = TimeDelta::hours(24);

/// What the rule says of the account.
pub fn check(ctx: &Context<'_>) -> Vec<Judgement> {
    if ctx.config.rules.unused_permissions.mode == Mode::Off {
        return Vec::new();
    }
    let authorization = match ctx.authorization() {
        Ok(authorization) => authorization,
        Err(gap) => return vec![wording::unread_account(ctx, gap)],
    };
    let settings = &ctx.config.rules.unused_permissions;
    let survey = Survey::new(*ctx, authorization, Terms::of(settings));
    let holders = Holder::all(authorization, &ctx.snapshot.account);
    let in_scope: Vec<_> = holders
        .iter()
        .filter(|holder| holder.is_in_scope(settings, ctx.now))
        .collect();
    if !in_scope.is_empty() && !ctx.snapshot.partition.is_commercial() && survey.has_no_reports_at_all() {
        return vec![wording::uncovered_partition(ctx)];
    }
    let opinions: Vec<_> = in_scope
        .into_iter()
        .filter_map(|holder| opinion(&survey, holder))
        .collect();
    let unused: BTreeSet<_> = opinions.iter().flat_map(Opinion::unused).collect();
    let last = last_policies(&survey, &holders, &unused);
    let mut judgements: Vec<_> = opinions
        .iter()
        .flat_map(|opinion| opinion.worded(&survey, &last))
        .collect();
    judgements
        .sort_by(|a, b| (&a.finding.resource, &a.finding.id).cmp(&(&b.finding.resource, &b.finding.id)));
    judgements
}

/// What is to be said of one holder.
struct Opinion<'h, 'a> {
    holder: &'h Holder<'a>,
    standing: (Standing, Option<&'a User>),
    content: Content<'a>,
}

enum Content<'a> {
    /// None of its attachments can be judged, for one reason.
    Unknown(Doubt),
    /// It is unused as a whole.
    Idle,
    /// One by one.
    Judged(Vec<(&'a AttachedPolicy, Verdict)>),
}

fn opinion<'h, 'a>(survey: &Survey<'a>, holder: &'h Holder<'a>) -> Option<Opinion<'h, 'a>> {
    let standing = holder.standing(&survey.ctx, &NAME);
    let is_worth = |policy: &AttachedPolicy| survey.is_worth_a_report(&policy.arn);
    let nobody_asked = survey.has_no_report(holder);
    if nobody_asked && !is_subject(&standing.0) {
        return None;
    }
    let content = if nobody_asked && !holder.attached.iter().any(is_worth) {
        // No report could have led to anything; what cannot be parsed is still said.
        let unreadable = holder.attached.iter().filter_map(|policy| {
            let doubt = survey.grant(&policy.arn).err()?;
            Some((policy, Verdict::Kept(doubt)))
        });
        Content::Judged(unreadable.collect())
    } else {
        match reported(survey, holder) {
            Err(doubt) => Content::Unknown(doubt),
            Ok(_) if is_idle(survey, holder) => Content::Idle,
            Ok(usage) => {
                let judged = holder.attached.iter();
                Content::Judged(
                    judged
                        .map(|policy| (policy, judge(survey, holder, policy, &usage)))
                        .collect(),
                )
            }
        }
    };
    Some(Opinion {
        holder,
        standing,
        content,
    })
}

/// The reports on the holder, where nothing speaks against believing them.
pub(in crate::rules) fn reported(survey: &Survey<'_>, holder: &Holder<'_>) -> Result<Usage, Doubt> {
    holder.check_trust()?;
    let usage = survey.usage(holder)?;
    if let Some(seen) = holder.last_seen {
        let report_knows = usage
            .newest()
            .is_some_and(|at| seen.signed_duration_since(at) <= CONTRADICTION);
        let settled = usage.completed_at.signed_duration_since(seen) > CONTRADICTION;
        if !report_knows && !settled {
            let why = format!(
                "it was seen at work on {}, and Access Advisor does not say yet what it used then",
                seen.format("%Y-%m-%d %H:%M UTC")
            );
            return Err(Doubt::new(KeptBy::E11, why));
        }
    }
    Ok(usage)
}

/// Whether it is unused as a whole (P5); a group where none of its members is in use.
fn is_idle(survey: &Survey<'_>, holder: &Holder<'_>) -> bool {
    match holder.members.is_empty() {
        true => !survey.is_used(holder),
        false => !holder
            .members
            .iter()
            .any(|user| survey.is_used(&Holder::user(user))),
    }
}

impl Opinion<'_, '_> {
    /// The attachments that would go.
    fn unused(&self) -> Vec<(Arn, Arn)> {
        match &self.content {
            Content::Judged(verdicts) if is_subject(&self.standing.0) => verdicts
                .iter()
                .filter(|(_, verdict)| matches!(verdict, Verdict::Unused(_)))
                .map(|(policy, _)| (self.holder.arn.clone(), policy.arn.clone()))
                .collect(),
            Content::Judged(_) | Content::Unknown(_) | Content::Idle => Vec::new(),
        }
    }

    fn worded(&self, survey: &Survey<'_>, last: &BTreeSet<(Arn, Arn)>) -> Vec<Judgement> {
        let spared = !is_subject(&self.standing.0);
        match &self.content {
            // What is left alone anyway needs no doubts.
            Content::Unknown(_) | Content::Idle if spared => Vec::new(),
            Content::Unknown(doubt) => vec![wording::unknown_holder(survey, self.holder, doubt)],
            Content::Idle => vec![wording::unused_as_a_whole(survey, self.holder)],
            Content::Judged(verdicts) => verdicts
                .iter()
                .filter_map(|(policy, verdict)| self.word(survey, policy, verdict, last))
                .collect(),
        }
    }

    fn word(
        &self,
        survey: &Survey<'_>,
        policy: &AttachedPolicy,
        verdict: &Verdict,
        last: &BTreeSet<(Arn, Arn)>,
    ) -> Option<Judgement> {
        let holder = self.holder;
        let spared = !is_subject(&self.standing.0);
        if let Verdict::Kept(doubt) = verdict {
            return (!spared).then(|| wording::kept(survey, holder, policy, doubt));
        }
        let grant = survey.grant(&policy.arn).ok()?;
        match verdict {
            Verdict::Fine | Verdict::Kept(_) => None,
            Verdict::UsedInFuture(_) | Verdict::SoFar(_) if spared => None,
            Verdict::UsedInFuture(facts) => {
                Some(wording::used_in_future(survey, holder, policy, grant, facts))
            }
            Verdict::SoFar(facts) => Some(wording::unused_so_far(survey, holder, policy, grant, facts)),
            Verdict::Unused(facts) if spared => Some(wording::spared(
                survey,
                holder,
                policy,
                (grant, facts),
                &self.standing,
            )),
            Verdict::Unused(_) if last.contains(&(holder.arn.clone(), policy.arn.clone())) => {
                let why =
                    "its principal is in use, and would be left without any policy that accounts for it";
                Some(wording::kept(
                    survey,
                    holder,
                    policy,
                    &Doubt::new(KeptBy::D12, why),
                ))
            }
            Verdict::Unused(facts) => Some(wording::violation(
                survey,
                holder,
                policy,
                grant,
                facts,
                &self.standing.0,
            )),
        }
    }
}

/// Whose Access Advisor reports are worth their calls: of holders with an attachment that could be detached at all. For a
/// group these are its own and those of all its members. Empty while the rule is off, and outside the partition `aws`,
/// which Access Advisor does not cover (P7).
pub(super) fn needs(ctx: &Context<'_>, authorization: &Authorization) -> BTreeSet<Arn> {
    let settings = &ctx.config.rules.unused_permissions;
    if settings.mode == Mode::Off || !ctx.snapshot.partition.is_commercial() {
        return BTreeSet::new();
    }
    let survey = Survey::new(*ctx, authorization, Terms::of(settings));
    let holders = Holder::all(authorization, &ctx.snapshot.account);
    let worth = holders.iter().filter(|holder| {
        holder.is_in_scope(settings, ctx.now)
            && holder.check_trust().is_ok()
            && is_subject(&holder.standing(ctx, &NAME).0)
            && holder
                .attached
                .iter()
                .any(|policy| survey.is_worth_a_report(&policy.arn))
    });
    worth.flat_map(|holder| holder.reported_on()).cloned().collect()
}

/// What is to be remembered of a reading: all attachments, and all memberships.
///
/// Among the memberships is that of the account itself (its root ARN) in a group without a name. It is there at every
/// reading, so its first time is that of the first reading ever, even when everything else that was found then is gone:
/// what was seen first at a later time is known to be young. All observations of one reading must bear one time.
/// Empty where the account could not be read: then nothing is known to have ended either, and nothing may be recorded.
pub fn observations(snapshot: &Snapshot) -> Option<(BTreeSet<Observation>, BTreeSet<Observation>)> {
    let authorization = snapshot.authorization.known()?;
    let holders = Holder::all(authorization, &snapshot.account);
    let attachments = holders.iter().flat_map(|holder| {
        holder.attached.iter().map(|policy| Observation::Attachment {
            principal: holder.arn.clone(),
            policy: policy.arn.clone(),
        })
    });
    let of_groups = holders.iter().flat_map(|holder| {
        holder.members.iter().map(|user| Observation::Membership {
            user: user.arn.clone(),
            group: holder.name.to_owned(),
        })
    });
    let watched = Observation::Membership {
        user: Arn::iam(&snapshot.partition, &snapshot.account, "root"),
        group: String::new(),
    };
    Some((attachments.collect(), of_groups.chain([watched]).collect()))
}

/// The attachments that the rule found unused, to be remembered as such: those with a remedy. One that is not among
/// them is to be forgotten, so that it starts anew.
pub fn unused_attachments(judgements: &[Judgement]) -> BTreeSet<Observation> {
    let unused = judgements
        .iter()
        .filter(|judgement| judgement.finding.rule == NAME);
    unused
        .filter_map(|judgement| {
            let Change::DetachPolicy { policy_arn } = &judgement.remedy.as_ref()?.proposal.change else {
                return None;
            };
            Some(Observation::UnusedAttachment {
                principal: judgement.finding.resource.clone(),
                policy: policy_arn.clone(),
            })
        })
        .collect()
}
