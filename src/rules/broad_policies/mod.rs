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
//!
//! A Deny is believed only where it certainly takes away all that was found: without a condition, on all of its resources. What merely may
//! narrow an Allow (tags, a permissions boundary as a condition, the service that a role is passed to) closes a path, and lowers
//! everything else by one step. For a principal as a whole its permissions boundary counts too. Policies of the organization,
//! session policies and resource policies are not seen.
//!
//! What it does: it reports, in every mode: how wide a policy has to be, people decide.
//!
//! What is left alone: policies that nobody carries, and roles of AWS services and of Identity Center, whose policies are changed
//! there. A document that cannot be parsed is unknown.
//!
//! Answers IAM's security best practices ("Apply least-privilege permissions", "Get started with AWS managed policies and move toward
//! least-privilege permissions") and the CIS AWS Foundations Benchmark's controls on full administrative privileges (1.16), on
//! permissions through groups only (1.15) and on `AWSCloudShellFullAccess` (1.22). Prowler judges actions alone; here a path
//! counts only where its resources are open (passing one named role is none), and policies of one principal are taken together.

mod access;
mod breadth;
mod escalation;
mod view;
mod wording;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use super::access_key::unreadable_account;
use super::unused_permissions::is_subject;
use super::{Context, Judgement, Practice, Rule};
use crate::model::{PrincipalKind, RuleName};

use access::Strength;
use escalation::{Path, Steps};
use view::{Policy, View};

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
    let mut judgements: Vec<_> = view
        .policies
        .iter()
        .filter_map(|policy| judge(&view, policy))
        .chain(combinations(&view))
        .collect();
    if !ctx.config.rules.broad_policies.allow_attached_to_users {
        judgements.extend(users_with_policies(&view));
    }
    judgements
        .sort_by(|a, b| (&a.finding.resource, &a.finding.id).cmp(&(&b.finding.resource, &b.finding.id)));
    judgements
}

fn judge(view: &View<'_>, policy: &Policy<'_>) -> Option<Judgement> {
    match &policy.content {
        Ok(content) if content.breadth.is_empty() => None,
        Ok(content) => Some(wording::broad(view, policy, content)),
        // Of what is left alone anyway nobody needs to know more.
        Err(why) => is_anybodys(view, policy).then(|| wording::unknown(view, policy, why)),
    }
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
