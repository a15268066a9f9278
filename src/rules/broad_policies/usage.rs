//! What is known of the use of a policy: by all who carry it, each over its own window.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use crate::rules::unused_permissions::{
    GRACE, Granted, Holder, Known, TRACKING_PERIOD, Usage, blind_spot, reported,
};

use super::view::{Origin, Policy, View};

/// Why nobody can say what of a policy is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unknown {
    /// Something that it rests on is younger than the window.
    Young(String),
    /// The evidence is missing, or cannot be believed.
    Missing(String),
}

impl Unknown {
    /// As a part of a sentence.
    pub(super) fn why(&self) -> &str {
        match self {
            Self::Young(why) | Self::Missing(why) => why,
        }
    }
}

/// How it stands with a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Somebody who carries the policy used it within the window.
    Used(DateTime<Utc>),
    /// Nobody did; the last use before that.
    Unused(Option<DateTime<Utc>>),
    /// Access Advisor does not say, or the policy grants it only since lately.
    Unknown,
}

/// The reports on all who carry a policy.
pub(super) struct Use<'a> {
    reports: Vec<(Usage, DateTime<Utc>)>,
    granted: Option<Granted<'a>>,
    now: DateTime<Utc>,
    /// Services in use, by whatever policy.
    pub(super) used: BTreeSet<String>,
    /// Services of which nobody can say that they are not, by any policy of theirs.
    pub(super) doubtful: BTreeSet<String>,
    /// Whether nobody knows for how long the policy has been carried.
    pub(super) of_unknown_age: bool,
}

impl<'a> Use<'a> {
    /// Of the policy.
    ///
    /// # Errors
    /// Why nobody can say what of it is used.
    pub(super) fn of(view: &View<'a>, policy: &Policy<'a>) -> Result<Self, Unknown> {
        let of_unknown_age = check_ages(view, policy)?;
        let survey = &view.survey;
        let mut reports = Vec::new();
        for holder in view.carriers(policy) {
            let usage = reported(survey, holder).map_err(|doubt| Unknown::Missing(doubt.why))?;
            reports.push((usage, survey.window_start(holder)));
        }
        let mut usage = Self {
            granted: match policy.origin {
                Origin::Managed(_, Some(managed)) => Some(Granted::of(managed, survey.catalogue)),
                Origin::Managed(_, None) | Origin::Inline(_) => None,
            },
            now: survey.now(),
            reports,
            used: BTreeSet::new(),
            doubtful: BTreeSet::new(),
            of_unknown_age,
        };
        let reported = usage.reported().into_iter();
        let used = reported.filter(|service| usage.used_at(service).is_some());
        usage.used = used.map(str::to_owned).collect();
        usage.doubtful = usage.find_doubtful(view, policy);
        Ok(usage)
    }

    /// How it stands with a service, by its prefix in lower case.
    pub(super) fn state(&self, service: &str) -> State {
        if let Some(at) = self.used_at(service) {
            return State::Used(at);
        }
        let is_old = self
            .granted
            .as_ref()
            .is_none_or(|granted| granted.since(service) <= self.oldest_start());
        let covered = self.reports.iter().all(|(usage, _)| usage.covers(service));
        match is_old && covered {
            true => State::Unused(
                self.reports
                    .iter()
                    .filter_map(|(usage, _)| usage.last(service))
                    .max(),
            ),
            false => State::Unknown,
        }
    }

    /// From when on everything has to have been there.
    fn oldest_start(&self) -> DateTime<Utc> {
        let starts = self.reports.iter().map(|(_, start)| *start);
        let grace = self.now.checked_sub_signed(GRACE.delta());
        starts.chain(grace).min().unwrap_or(DateTime::<Utc>::MIN_UTC)
    }

    /// The last use of an action that every report tracks, and that nobody used within the window; `None`: it may be
    /// in use (A1).
    pub(super) fn unused_action(&self, service: &str, action: &str) -> Option<Option<DateTime<Utc>>> {
        let granted = self.granted.as_ref();
        if granted
            .is_some_and(|granted| granted.action_since(&format!("{service}:{action}")) > self.oldest_start())
        {
            return None;
        }
        let mut last = None;
        for (usage, start) in &self.reports {
            let at = usage.tracked(service, action)?;
            if at.is_some_and(|at| at >= *start) {
                return None;
            }
            last = last.max(at);
        }
        Some(last)
    }

    /// Every service that a report has a row for.
    pub(super) fn reported(&self) -> BTreeSet<&str> {
        self.reports
            .iter()
            .flat_map(|(usage, _)| usage.services())
            .collect()
    }

    fn used_at(&self, service: &str) -> Option<DateTime<Utc>> {
        let used = self
            .reports
            .iter()
            .filter_map(|(usage, start)| usage.last(service).filter(|at| at >= start));
        used.max()
    }

    /// Services that a policy of a carrier grants while a report is silent about them.
    fn find_doubtful(&self, view: &View<'a>, policy: &Policy<'a>) -> BTreeSet<String> {
        let catalogue = view.survey.catalogue;
        let mut doubtful = BTreeSet::new();
        for number in view.concerned(policy) {
            for policy in view.carried_by(number) {
                match &policy.content {
                    Ok(content) => {
                        let granted = content.reach.services(catalogue).into_iter();
                        doubtful.extend(granted.filter(|service| self.state(service) == State::Unknown));
                    }
                    // It may grant anything.
                    Err(_) => doubtful.extend(catalogue.prefixes().map(str::to_owned)),
                }
            }
        }
        doubtful
    }
}

/// Whether everything that the evidence rests on is old enough (E7, E9, D10); in it, whether nobody knows the age of
/// something. What could not lead to a verdict needs no report.
pub(super) fn check_ages(view: &View<'_>, policy: &Policy<'_>) -> Result<bool, Unknown> {
    let survey = &view.survey;
    let missing = |why: &str| Err(Unknown::Missing(why.to_owned()));
    if !survey.ctx.snapshot.partition.is_commercial() {
        return missing("outside the partition aws the evidence of Access Advisor does not suffice");
    }
    if let Some(why) = blind_spot(survey.ctx.config) {
        return missing(&why);
    }
    let mut of_unknown_age = false;
    for holder in view.carriers(policy) {
        holder
            .check_trust()
            .map_err(|doubt| Unknown::Missing(doubt.why))?;
        if holder.window(&survey.terms) > TRACKING_PERIOD {
            return missing("Access Advisor does not look back as far as the window declared");
        }
        of_unknown_age |= check_holder(view, policy, holder)?;
    }
    Ok(of_unknown_age)
}

fn check_holder(view: &View<'_>, policy: &Policy<'_>, holder: &Holder<'_>) -> Result<bool, Unknown> {
    let survey = &view.survey;
    let floor = holder.window(&survey.terms).max(GRACE);
    let is_young = |since: DateTime<Utc>| survey.now().signed_duration_since(since) < floor.delta();
    let young = |what: String| Err(Unknown::Young(format!("{what} is younger than {floor}")));
    if is_young(holder.created_at) {
        return young(format!("the {} {}", holder.kind, holder.name));
    }
    if let Some(member) = holder.members.iter().find(|member| is_young(member.created_at)) {
        return young(format!("the member {} of the group {}", member.name, holder.name));
    }
    if holder.kind == crate::model::PrincipalKind::Group && holder.members.is_empty() {
        let why = format!("the group {} has no members, so nobody could use it", holder.name);
        return Err(Unknown::Missing(why));
    }
    let mut bounds = Vec::new();
    let mut of_unknown_age = false;
    match policy.origin {
        Origin::Managed(arn, managed) => {
            let created_at = managed.map_or(holder.created_at, |managed| managed.created_at);
            if is_young(created_at) {
                return young(format!("the policy {}", policy.name()));
            }
            let joins = holder.created_at.max(created_at);
            bounds.push(survey.memory.attachment(holder.arn, arn, joins, floor));
        }
        // AWS tells no dates of policies inside principals.
        Origin::Inline(_) => of_unknown_age = !survey.terms.trust_existing,
    }
    for member in &holder.members {
        let joins = member.created_at.max(holder.created_at);
        bounds.push(survey.memory.membership(&member.arn, holder.name, joins, floor));
    }
    for bound in bounds.iter().filter(|bound| bound.ripe_at() > survey.now()) {
        match bound.known {
            Known::FirstSeen => of_unknown_age = true,
            Known::Recorded | Known::Appeared | Known::Trusted => {
                return young(format!(
                    "the attachment of {} to the {} {}, or a membership in it,",
                    policy.name(),
                    holder.kind,
                    holder.name
                ));
            }
        }
    }
    Ok(of_unknown_age)
}
