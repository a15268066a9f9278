//! The account as this rule sees it: every policy's reach parsed once, memory and evidence at hand.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use crate::inventory::{
    AttachedPolicy, Authorization, Group, InlinePolicy, ManagedPolicy, PolicyVersion, Reading, User,
};
use crate::model::Arn;
use crate::rules::Context;

use super::age::{Memory, Terms};
use super::catalogue::Catalogue;
use super::evidence::{Doubt, KeptBy, Usage, report_of};
use super::holder::Holder;
use super::reach::Reach;

/// Everything that the verdicts share.
pub(in crate::rules) struct Survey<'a> {
    pub(in crate::rules) ctx: Context<'a>,
    pub(in crate::rules) terms: Terms,
    pub(in crate::rules) catalogue: &'static Catalogue,
    pub(in crate::rules) memory: Memory<'a>,
    grants: BTreeMap<&'a Arn, Result<Grant<'a>, Doubt>>,
    users: BTreeMap<&'a Arn, &'a User>,
    /// By their names in lower case.
    groups: BTreeMap<String, &'a Group>,
}

/// A managed policy with what its default version reaches.
#[derive(Debug, Clone)]
pub(in crate::rules) struct Grant<'a> {
    pub(in crate::rules) policy: &'a ManagedPolicy,
    pub(in crate::rules) version: &'a PolicyVersion,
    pub(in crate::rules) reach: Reach,
}

/// Services that a holder uses, or that nobody can say it does not use.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Activity {
    pub(super) services: BTreeSet<String>,
    /// Some document of the holder reaches who knows what.
    pub(super) anything: bool,
}

impl<'a> Survey<'a> {
    pub(in crate::rules) fn new(ctx: Context<'a>, authorization: &'a Authorization, terms: Terms) -> Self {
        let catalogue = Catalogue::compiled_in();
        let attached = authorization.users.iter().flat_map(|user| &user.attached);
        let attached = attached.chain(authorization.groups.iter().flat_map(|group| &group.attached));
        let attached = attached.chain(authorization.roles.iter().flat_map(|role| &role.attached));
        let mut grants = BTreeMap::new();
        for policy in attached {
            grants
                .entry(&policy.arn)
                .or_insert_with(|| grant_of(&policy.arn, authorization, catalogue));
        }
        Self {
            ctx,
            terms,
            catalogue,
            memory: Memory::new(ctx.history, terms.trust_existing, ctx.now),
            grants,
            users: authorization.users.iter().map(|user| (&user.arn, user)).collect(),
            groups: authorization
                .groups
                .iter()
                .map(|group| (group.name.to_ascii_lowercase(), group))
                .collect(),
        }
    }

    pub(in crate::rules) fn now(&self) -> DateTime<Utc> {
        self.ctx.now
    }

    /// The policy with its reach.
    ///
    /// # Errors
    /// Where its document is missing or cannot be parsed (D1).
    pub(in crate::rules) fn grant(&self, policy: &Arn) -> Result<&Grant<'a>, Doubt> {
        match self.grants.get(policy) {
            Some(Ok(grant)) => Ok(grant),
            Some(Err(doubt)) => Err(doubt.clone()),
            None => Err(not_sent(policy)),
        }
    }

    /// Whether a report could lead to a verdict on the attachment: the policy grants something, and nothing in it
    /// or about it forbids detaching anyway.
    pub(super) fn is_worth_a_report(&self, policy: &Arn) -> bool {
        self.grant(policy)
            .is_ok_and(|grant| grant.reach.allows && !grant.reach.denies && grant.policy.boundary_count == 0)
    }

    /// The start of the window in which nothing may have been used.
    pub(in crate::rules) fn window_start(&self, holder: &Holder<'_>) -> DateTime<Utc> {
        let start = self.now().checked_sub_signed(holder.window(&self.terms).delta());
        start.unwrap_or(DateTime::<Utc>::MIN_UTC)
    }

    /// The reports on the holder, and for a group on each of its members (D10).
    pub(in crate::rules) fn usage(&self, holder: &Holder<'_>) -> Result<Usage, Doubt> {
        let mut usage = Usage::of(report_of(self.ctx.snapshot, holder.arn, self.now())?);
        for member in &holder.members {
            let report = report_of(self.ctx.snapshot, &member.arn, self.now()).map_err(|doubt| {
                Doubt::new(
                    KeptBy::D10,
                    format!("the member {} cannot be judged: {}", member.name, doubt.why),
                )
            })?;
            usage.join(report);
        }
        Ok(usage)
    }

    /// Whether nothing says that a report on the holder was ever made.
    pub(in crate::rules) fn has_no_report(&self, holder: &Holder<'_>) -> bool {
        holder
            .reported_on()
            .any(|arn| !self.ctx.snapshot.last_accessed.contains_key(arn))
    }

    /// Whether a user or role used anything within the window; unreadable counts as used.
    pub(super) fn is_used(&self, holder: &Holder<'_>) -> bool {
        let start = self.window_start(holder);
        let by_report = match report_of(self.ctx.snapshot, holder.arn, self.now()) {
            Ok(report) => Usage::of(report).used_since(start).next().is_some(),
            Err(_) => true,
        };
        // E11: whichever source saw it last is right.
        by_report || holder.last_seen.is_some_and(|at| at >= start)
    }

    /// The groups of a user, as holders; `None` stands for one that nobody knows.
    fn groups_of(&self, user: &User) -> Vec<Option<&'a Group>> {
        let find = |name: &String| self.groups.get(&name.to_ascii_lowercase()).copied();
        user.groups.iter().map(find).collect()
    }

    /// Which services the holder (or a member of it) uses, or may use for all that is known: what its documents
    /// grant while no report mentions it.
    pub(super) fn activity(&self, holder: &Holder<'_>, usage: &Usage) -> Activity {
        let start = self.window_start(holder);
        let mut activity = Activity {
            services: usage.used_since(start).map(|(name, _)| name.clone()).collect(),
            anything: false,
        };
        self.add_doubtful(&mut activity, usage, holder.attached, holder.inline);
        let user = self.users.get(holder.arn);
        for user in user.into_iter().chain(&holder.members) {
            self.add_doubtful(&mut activity, usage, &user.attached, &user.inline);
            for group in self.groups_of(user) {
                match group {
                    Some(group) => self.add_doubtful(&mut activity, usage, &group.attached, &group.inline),
                    None => activity.anything = true,
                }
            }
        }
        activity
    }

    fn add_doubtful(
        &self,
        activity: &mut Activity,
        usage: &Usage,
        attached: &[AttachedPolicy],
        inline: &[InlinePolicy],
    ) {
        let mut add = |reach: Option<&Reach>| match reach {
            Some(reach) if !reach.is_open_ended() => {
                let silent = reach
                    .services(self.catalogue)
                    .into_iter()
                    .filter(|name| !usage.covers(name));
                activity.services.extend(silent);
            }
            Some(_) | None => activity.anything = true,
        };
        for policy in attached {
            add(self.grant(&policy.arn).ok().map(|grant| &grant.reach));
        }
        for policy in inline {
            add(Reach::of_document(&policy.document, self.catalogue).ok().as_ref());
        }
    }

    /// Whether something that is never judged, or that grants a service in use, stays with a user or role whatever
    /// else is detached. What is merely doubtful does not count: a doubt may not free another policy.
    pub(super) fn keeps_a_policy(&self, holder: &Holder<'_>) -> bool {
        let Ok(report) = report_of(self.ctx.snapshot, holder.arn, self.now()) else {
            return false;
        };
        let usage = Usage::of(report);
        let used: Vec<_> = usage
            .used_since(self.window_start(holder))
            .map(|(name, _)| name)
            .collect();
        let is_used = |policy: &AttachedPolicy| {
            let reaches = |grant: &Grant<'_>| used.iter().any(|service| grant.reach.reaches(service));
            self.grant(&policy.arn).is_ok_and(reaches)
        };
        // Inline policies are never judged: any that grants something counts, used or not.
        let grants = |policy: &InlinePolicy| {
            Reach::of_document(&policy.document, self.catalogue).is_ok_and(|reach| reach.allows)
        };
        let stays = |attached: &[AttachedPolicy], inline: &[InlinePolicy]| {
            attached.iter().any(is_used) || inline.iter().any(grants)
        };
        let user = self.users.get(holder.arn);
        let groups = user.map(|user| self.groups_of(user)).unwrap_or_default();
        stays(holder.attached, holder.inline)
            || groups
                .into_iter()
                .flatten()
                .any(|group| stays(&group.attached, &group.inline))
    }

    /// Whether Access Advisor was asked about nobody at all.
    pub(super) fn has_no_reports_at_all(&self) -> bool {
        self.ctx
            .snapshot
            .last_accessed
            .values()
            .all(|reading| match reading {
                Reading::Known(_) => false,
                Reading::Unknown(_) => true,
            })
    }
}

fn not_sent(policy: &Arn) -> Doubt {
    Doubt::new(KeptBy::D1, format!("AWS did not send the document of {policy}"))
}

fn grant_of<'a>(
    arn: &Arn,
    authorization: &'a Authorization,
    catalogue: &Catalogue,
) -> Result<Grant<'a>, Doubt> {
    let policy = authorization.policies.get(arn).ok_or_else(|| not_sent(arn))?;
    let version = policy.default_document().ok_or_else(|| not_sent(arn))?;
    let reach = Reach::of_document(&version.document, catalogue)
        .map_err(|e| Doubt::new(KeptBy::D1, format!("what it grants is unknown: {e}")))?;
    Ok(Grant {
        policy,
        version,
        reach,
    })
}
