//! `broad_policies`: policies that allow far more than anybody needs.
//!
//! What it finds, in the managed policies that somebody carries and in the policies inside users, groups and roles:
//!
//! - everything on everything (`*` on `*`), in every form: by `NotAction`, by `NotResource`, by patterns that amount to it. Critical;
//!   high where IAM is left out, or where it holds under conditions.
//! - whole services on all their resources (`s3:*` on `*`, or on `arn:aws:s3:::*`). High where the service governs permissions (IAM, STS,
//!   Organizations, Identity Center), else medium.
//! - known paths to more permissions, such as `iam:PassRole` with `ec2:RunInstances` on any role: high. Each policy is judged by itself, and
//!   each user, group and role by all of its policies together, where only these together open a path.
//! - policies attached to users, or inside them: low, since users get permissions through groups. `allow_attached_to_users`
//!   turns this off.
//! - managed policies of AWS of which only a part is used: low. Those that AWS made for its services are left alone.
//!
//! A Deny is believed only where it certainly takes away all that was found: without a condition, on all of its resources. What merely may
//! narrow an Allow (tags, a permissions boundary as a condition, the service that a role is passed to) closes a path, and lowers
//! everything else by one step. For a principal as a whole its permissions boundary counts too. Policies of the organization,
//! session policies and resource policies are not seen.
//!
//! What it does: it reports, in every mode: how wide a policy has to be, people decide. A finding carries a ready policy
//! (`narrowed_policy` in its evidence) that allows what the old one allows, less the services that nobody who carries it used for `unused_for`, and
//! less the single actions that AWS tracks and nobody used; `narrowing` says what was dropped, what is in use, and what is
//! kept only because nobody can say. The steps are in the finding. How it is made:
//!
//! - Use is what Access Advisor says of all who carry the policy, members of groups included; a role that outsiders may assume is looked at over a year at
//!   least. Reports are asked for only of those who carry such a policy, and by action only where it names single actions.
//! - Deny statements, `Resource`, `Condition` and `NotAction` stay as they are, and so does a statement that loses nothing.
//!   `iam:PassRole` is never dropped, nor what services in use may need besides (`kms:Decrypt` for S3).
//! - `*` becomes the list of the services that are in use or of which Access Advisor does not speak; where that list is too long, everything but
//!   the services proven unused. A service that neither it nor the list of AWS's services knows cannot be in such a list. The
//!   wildcard of a service in use (`s3:*`) stays whole: AWS tracks less than half of all actions.
//! - What is not known is kept. There is no proposal, and the finding says why, where a report is missing, old or
//!   contradicted, where `[regions]` names one in which AWS is not known to see use, where somebody or something is younger than `unused_for`, where nothing would be left or left out, or where the result
//!   has more than the 6144 characters of a managed policy. Where nobody knows for how long a policy has been
//!   attached, the finding says what it assumes.
//!
//! What is left alone: policies that nobody carries, and roles of AWS services and of Identity Center, whose policies are changed
//! there. A document that cannot be parsed is unknown.
//!
//! Answers IAM's security best practices ("Apply least-privilege permissions", "Get started with AWS managed policies and move toward
//! least-privilege permissions") and the CIS AWS Foundations Benchmark's controls on full administrative privileges (1.16), on
//! permissions through groups only (1.15) and on `AWSCloudShellFullAccess` (1.22).
//!
//! Where it differs from Prowler: its `iam_*_no_administrative_privileges` know everything on everything by the text `*` alone
//! (`arn:aws:*` passes there) and look at no condition (with one it is a finding here too, of less weight, and no matter of 1.16). Its
//! `iam_policy_attached_only_to_group_or_roles` counts policies that only deny. Of paths to more permissions it judges actions
//! alone; here a path counts only where its resources are open (passing one named role is none), and policies of one principal are
//! taken together.

mod access;
mod breadth;
mod escalation;
mod narrowing;
mod usage;
mod view;
mod wording;
mod written;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use super::judgement::unreadable_account;
use super::unused_permissions::is_subject;
use super::{Context, Judgement, Practice, Rule};
use crate::config::Mode;
use crate::inventory::{Authorization, Granularity};
use crate::model::{Arn, PrincipalKind, RuleName};

use access::Strength;
use escalation::{Path, Steps};
use narrowing::{Unproposed, narrow};
use usage::Unknown;
use view::{Content, Policy, View};

/// The rule's name.
pub const RULE: RuleName = RuleName::new("broad_policies");

pub(super) const ENTRY: Rule = Rule {
    name: "broad_policies",
    summary: "policies that allow far more than anybody needs",
    check,
    mode: |config| config.rules.broad_policies.mode,
    schedule: |config| config.rules.broad_policies.schedule.as_ref(),
    changes: |_| Vec::new(),
    source: include_str!("mod.rs"),
    practice: Practice::LeastPrivilege,
    controls: &["1.15", "1.16", "1.22"],
};

fn check(ctx: &Context<'_>) -> Vec<Judgement> {
    let authorization = match ctx.authorization() {
        Ok(authorization) => authorization,
        Err(gap) => return vec![unreadable_account(ctx, &RULE, gap)],
    };
    let view = View::new(*ctx, authorization);
    let mut judgements = Vec::new();
    let mut unjudged = BTreeMap::new();
    for policy in &view.policies {
        match judge(&view, policy) {
            Verdict::Fine => {}
            Verdict::Said(judgement) => judgements.push(*judgement),
            Verdict::NoEvidence(why) => {
                unjudged.insert(policy.name(), why);
            }
        }
    }
    if !unjudged.is_empty() {
        judgements.push(wording::partly_unknown(ctx, &unjudged));
    }
    judgements.extend(combinations(&view));
    if !ctx.config.rules.broad_policies.allow_attached_to_users {
        judgements.extend(users_with_policies(&view));
    }
    judgements
        .sort_by(|a, b| (&a.finding.resource, &a.finding.id).cmp(&(&b.finding.resource, &b.finding.id)));
    judgements
}

/// What is to be said of a policy.
enum Verdict {
    /// Nothing.
    Fine,
    /// This.
    Said(Box<Judgement>),
    /// Nobody can say how much of it is used.
    NoEvidence(String),
}

fn judge(view: &View<'_>, policy: &Policy<'_>) -> Verdict {
    let said = |judgement| Verdict::Said(Box::new(judgement));
    // Of what is left alone anyway nobody needs to know more.
    let is_anybodys = is_anybodys(view, policy);
    match &policy.content {
        Err(why) if is_anybodys => said(wording::unknown(view, policy, why)),
        Err(_) => Verdict::Fine,
        Ok(content) if !content.breadth.is_empty() => {
            let narrowed = is_anybodys.then(|| narrow(view, policy, content));
            said(wording::broad(view, policy, content, narrowed.as_ref()))
        }
        Ok(content) if is_anybodys && may_be_used_in_part(policy, content) => {
            match narrow(view, policy, content) {
                narrowed @ (Ok(_) | Err(Unproposed::TooLarge(..))) => {
                    said(wording::partly_used(view, policy, &narrowed))
                }
                Err(Unproposed::Unknown(Unknown::Missing(why))) => Verdict::NoEvidence(why),
                Err(Unproposed::Unknown(Unknown::Young(_)) | Unproposed::Moot(_)) => Verdict::Fine,
            }
        }
        Ok(_) => Verdict::Fine,
    }
}

/// Policies of AWS for people and workloads, that grant something of several services.
fn may_be_used_in_part(policy: &Policy<'_>, content: &Content<'_>) -> bool {
    policy.is_of_aws()
        && !policy.is_for_a_service()
        && content
            .reach
            .services(super::unused_permissions::Catalogue::compiled_in())
            .len()
            > 1
}

/// Whose Access Advisor reports a narrower policy needs, and how finely: of all who carry a policy that is broad, or one of
/// AWS that may be used only in part, where everything is old enough to be judged. By action only where such a
/// policy names single actions. Empty while the rule is off.
pub(super) fn needs(ctx: &Context<'_>, authorization: &Authorization) -> BTreeMap<Arn, Granularity> {
    let mut needed = BTreeMap::new();
    if ctx.config.rules.broad_policies.mode == Mode::Off {
        return needed;
    }
    let view = View::new(*ctx, authorization);
    for policy in &view.policies {
        let Ok(content) = &policy.content else { continue };
        let is_worth = !content.breadth.is_empty() || may_be_used_in_part(policy, content);
        if !is_worth || !is_anybodys(&view, policy) || !narrowing::is_worth_reports(&view, policy, content) {
            continue;
        }
        let granularity = match narrowing::names_actions(content) {
            true => Granularity::Action,
            false => Granularity::Service,
        };
        for arn in view.carriers(policy).flat_map(|holder| holder.reported_on()) {
            let known = needed.entry(arn.clone()).or_insert(granularity);
            *known = (*known).max(granularity);
        }
    }
    needed
}

/// Whether anybody whom the rule is about carries the policy.
fn is_anybodys(view: &View<'_>, policy: &Policy<'_>) -> bool {
    view.carriers(policy)
        .any(|holder| is_subject(&holder.standing(&view.survey.ctx, &RULE).0))
}

/// Paths that only several policies of one holder together open.
fn combinations<'v>(view: &'v View<'_>) -> impl Iterator<Item = Judgement> + 'v {
    let together: Vec<_> = (0..view.holders.len())
        .map(|number| Together::of(view, number))
        .collect();
    let mut judgements = Vec::new();
    for (number, holder) in view.holders.iter().enumerate() {
        let Some(Some(own)) = together.get(number) else {
            continue;
        };
        let mut all = own.clone();
        for group in view.groups_of(holder) {
            match together.get(*group) {
                Some(Some(of_group)) => all.join(of_group),
                // One of its groups may do everything: that is said already.
                Some(None) | None => all.may_do_everything = true,
            }
        }
        let new = all.new_paths(view.boundary_of(holder));
        if !new.is_empty() {
            judgements.push(wording::combination(view, number, &new));
        }
    }
    judgements.into_iter()
}

/// What several policies say together, and what is said of them already.
#[derive(Clone)]
struct Together {
    steps: Steps,
    /// Paths that a part of them opens.
    known: BTreeSet<String>,
    may_do_everything: bool,
}

impl Together {
    /// Of all policies that a holder carries itself; `None`: it may do everything.
    fn of(view: &View<'_>, holder: usize) -> Option<Self> {
        let mut together = Self {
            steps: Steps::nothing(),
            known: BTreeSet::new(),
            may_do_everything: false,
        };
        let contents = view
            .carried_by(holder)
            .filter_map(|policy| policy.content.as_ref().ok());
        for content in contents {
            if content.breadth.everything.is_some() {
                return None;
            }
            together.steps.join(&content.steps);
            let open = content.breadth.paths.iter();
            together.known.extend(open.map(|(path, _)| path.name()));
        }
        Some(together)
    }

    fn join(&mut self, other: &Self) {
        // What a group opens is said of the group.
        let of_other = other.steps.open_paths();
        self.known
            .extend(of_other.into_iter().map(|(path, _)| path.name()));
        self.known.extend(other.known.iter().cloned());
        self.steps.join(&other.steps);
    }

    fn new_paths(mut self, boundary: Option<&Steps>) -> Vec<(&'static Path, Strength)> {
        if self.may_do_everything {
            return Vec::new();
        }
        if let Some(boundary) = boundary {
            self.steps.within(boundary);
        }
        let mut open = self.steps.open_paths();
        open.retain(|(path, _)| !self.known.contains(&path.name()));
        open
    }
}

/// Users who have permissions other than through groups.
fn users_with_policies<'v>(view: &'v View<'_>) -> impl Iterator<Item = Judgement> + 'v {
    let holders = view.holders.iter().enumerate();
    holders
        .filter(|(_, holder)| holder.kind == PrincipalKind::User)
        .filter_map(|(number, holder)| {
            let granting: Vec<_> = view.carried_by(number).filter(|policy| policy.grants()).collect();
            (!granting.is_empty()).then(|| wording::attached_to_user(view, holder, &granting))
        })
}
