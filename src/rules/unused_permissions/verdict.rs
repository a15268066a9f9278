//! The verdict on one attachment: every reason to keep it is tried before it counts as unused.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use crate::inventory::AttachedPolicy;
use crate::model::{Arn, PrincipalKind};

use super::age::{Bound, GRACE, Granted, Known, TRACKING_PERIOD};
use super::evidence::{Doubt, KeptBy, Usage};
use super::holder::Holder;
use super::survey::{Grant, Survey};

/// What is to be said of one attachment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// In use, or too young to be judged, or nothing is granted: not worth a word.
    Fine,
    /// Kept, for a reason that people should know.
    Kept(Doubt),
    /// Used at a time that has not come yet (E6).
    UsedInFuture(Box<Facts>),
    /// Unused so far; nobody knows how old it is, so it counts from the day it was first seen.
    SoFar(Box<Facts>),
    /// Unused, by evidence that suffices.
    Unused(Box<Facts>),
}

/// What the verdict rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    /// The last use of every service that the policy reaches.
    pub(super) services: BTreeMap<String, Option<DateTime<Utc>>>,
    /// When the oldest report was completed.
    pub(super) completed_at: DateTime<Utc>,
    /// Since when it is attached, and how that is known.
    pub(super) attached: Bound,
    /// The start of the effective window: nothing that the verdict rests on is younger (E7).
    pub(super) observable_since: DateTime<Utc>,
    /// From when on it can be judged: everything is old enough then.
    pub(super) judged_on: DateTime<Utc>,
    /// Since when it offends: old enough, and unused for the window.
    pub(super) offends_since: DateTime<Utc>,
}

/// The verdict on one policy attached to a holder whose reports are there, and who is in use as a whole.
pub(super) fn judge(
    survey: &Survey<'_>,
    holder: &Holder<'_>,
    policy: &AttachedPolicy,
    usage: &Usage,
) -> Verdict {
    let grant = match survey.grant(&policy.arn) {
        Ok(grant) => grant,
        Err(doubt) => return Verdict::Kept(doubt),
    };
    if !grant.reach.allows {
        return Verdict::Fine;
    }
    let start = survey.window_start(holder);
    let used = usage
        .used_since(start)
        .filter(|(service, _)| grant.reach.reaches(service));
    let facts = || Box::new(gather(survey, holder, grant, usage));
    match used.map(|(_, at)| at).max() {
        Some(at) if at > survey.now() => return Verdict::UsedInFuture(facts()),
        Some(_) => return Verdict::Fine,
        None => {}
    }
    let bounds = bounds(survey, holder, grant);
    if bounds
        .iter()
        .any(|b| b.known != Known::FirstSeen && b.ripe_at() > survey.now())
    {
        return Verdict::Fine;
    }
    let doubt = of_document(holder, grant)
        .or_else(|| of_report(survey, grant, usage))
        .or_else(|| of_neighbours(survey, holder, grant, usage))
        .or_else(|| of_horizon(survey, holder));
    if let Some(doubt) = doubt {
        return Verdict::Kept(doubt);
    }
    if bounds.iter().any(|bound| bound.ripe_at() > survey.now()) {
        return Verdict::SoFar(facts());
    }
    Verdict::Unused(facts())
}

/// Everything that has to be older than the window (E7, E9, D10).
fn bounds(survey: &Survey<'_>, holder: &Holder<'_>, grant: &Grant<'_>) -> Vec<Bound> {
    let window = holder.window(&survey.terms);
    let of_age = window.max(survey.terms.minimum_age);
    let attached = of_age.max(GRACE);
    let services = grant.reach.services(survey.catalogue);
    let granted = Granted::of(grant.policy, survey.catalogue).since_all(services.iter());
    let mut bounds = vec![
        attachment(survey, holder, grant),
        Bound::recorded(holder.created_at, of_age),
        Bound::recorded(granted, window.max(GRACE)),
    ];
    for member in &holder.members {
        bounds.push(Bound::recorded(member.created_at, of_age));
        let joins = member.created_at.max(holder.created_at);
        bounds.push(
            survey
                .memory
                .membership(&member.arn, holder.name, joins, attached),
        );
    }
    bounds
}

fn attachment(survey: &Survey<'_>, holder: &Holder<'_>, grant: &Grant<'_>) -> Bound {
    let floor = holder
        .window(&survey.terms)
        .max(survey.terms.minimum_age)
        .max(GRACE);
    let joins = holder.created_at.max(grant.policy.created_at);
    survey
        .memory
        .attachment(holder.arn, &grant.policy.arn, joins, floor)
}

/// What stands in the document or is said of the policy itself.
fn of_document(holder: &Holder<'_>, grant: &Grant<'_>) -> Option<Doubt> {
    let reach = &grant.reach;
    if reach.denies {
        let why = "the policy also denies: without it the principal could do more, not less";
        return Some(Doubt::new(KeptBy::D2, why));
    }
    if grant.policy.boundary_count > 0 || holder.boundary == Some(&grant.policy.arn) {
        let why = "the policy is in use as a permissions boundary, of which Access Advisor says nothing";
        return Some(Doubt::new(KeptBy::D9, why));
    }
    if let Some(first) = reach.not_in_catalogue.first() {
        let more = match reach.not_in_catalogue.len() {
            1 => String::new(),
            n => format!(" and {} more", n - 1),
        };
        let why = format!("it grants what the catalogue of AWS actions does not know: {first}{more}");
        return Some(Doubt::new(KeptBy::E5, why));
    }
    if reach.only_passes_roles {
        let why = "it only lets roles be passed to services, which Access Advisor does not track";
        return Some(Doubt::new(KeptBy::D7, why));
    }
    None
}

/// What the report leaves open (E4).
fn of_report(survey: &Survey<'_>, grant: &Grant<'_>, usage: &Usage) -> Option<Doubt> {
    let services = grant.reach.services(survey.catalogue);
    let silent: Vec<_> = services.iter().filter(|service| !usage.covers(service)).collect();
    let (first, rest) = silent.split_first()?;
    let more = match rest.len() {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    let why = format!(
        "the report of Access Advisor has no row for {first}{more}: denied elsewhere, not covered or not there yet"
    );
    Some(Doubt::new(KeptBy::E4, why))
}

/// What services in use may need of it (D7, D8).
fn of_neighbours(
    survey: &Survey<'_>,
    holder: &Holder<'_>,
    grant: &Grant<'_>,
    usage: &Usage,
) -> Option<Doubt> {
    let activity = survey.activity(holder, usage);
    let catalogue = survey.catalogue;
    let reach = &grant.reach;
    if reach.passes_roles() {
        let taker = activity
            .services
            .iter()
            .find(|service| catalogue.may_take_a_role(service));
        let why = match taker {
            Some(service) => Some(format!(
                "it lets roles be passed, and {service}, which may take one, is or may be in use"
            )),
            None if activity.anything => {
                Some("it lets roles be passed, and the services in use are not known for certain".to_owned())
            }
            None => None,
        };
        if let Some(why) = why {
            return Some(Doubt::new(KeptBy::D7, why));
        }
    }
    let parents: BTreeSet<&str> = match activity.anything {
        true => catalogue.prefixes().collect(),
        false => activity.services.iter().map(String::as_str).collect(),
    };
    let needed = |parent: &&str| {
        catalogue
            .needed_besides(parent)
            .find(|action| reach.grants(action))
    };
    let (parent, action) = parents
        .iter()
        .find_map(|parent| needed(parent).map(|action| (parent, action)))?;
    let why = format!("it grants {action}, which {parent} may need, and {parent} is or may be in use");
    Some(Doubt::new(KeptBy::D8, why))
}

/// Access Advisor does not look back for ever (E7).
fn of_horizon(survey: &Survey<'_>, holder: &Holder<'_>) -> Option<Doubt> {
    let window = holder.window(&survey.terms);
    (window > TRACKING_PERIOD).then(|| {
        let why = format!("Access Advisor looks back {TRACKING_PERIOD}, less than the {window} declared");
        Doubt::new(KeptBy::E7, why)
    })
}

fn gather(survey: &Survey<'_>, holder: &Holder<'_>, grant: &Grant<'_>, usage: &Usage) -> Facts {
    let now = survey.now();
    let bounds = bounds(survey, holder, grant);
    let services: BTreeMap<_, _> = grant
        .reach
        .services(survey.catalogue)
        .into_iter()
        .map(|service| {
            let last = usage.last(&service);
            (service, last)
        })
        .collect();
    let horizon = now.checked_sub_signed(TRACKING_PERIOD.delta()).unwrap_or(now);
    let judged_on = bounds.iter().map(Bound::ripe_at).max().unwrap_or(now);
    let window = holder.window(&survey.terms).delta();
    let ended = services
        .values()
        .flatten()
        .max()
        .and_then(|last| last.checked_add_signed(window));
    Facts {
        completed_at: usage.completed_at,
        attached: attachment(survey, holder, grant),
        observable_since: bounds
            .iter()
            .map(|bound| bound.since)
            .max()
            .unwrap_or(now)
            .max(horizon),
        judged_on,
        offends_since: ended.map_or(judged_on, |ended| ended.max(judged_on)),
        services,
    }
}

/// Attachments that have to stay because detaching all that is unused would leave somebody in use with no policy that
/// accounts for it (D12). `unused` are the pairs of holder and policy that would go.
pub(super) fn last_policies(
    survey: &Survey<'_>,
    holders: &[Holder<'_>],
    unused: &BTreeSet<(Arn, Arn)>,
) -> BTreeSet<(Arn, Arn)> {
    let mut by_holder: BTreeMap<&Arn, Vec<&(Arn, Arn)>> = BTreeMap::new();
    for pair in unused {
        by_holder.entry(&pair.0).or_default().push(pair);
    }
    // A group's loss is that of each of its members.
    let mut by_loser: BTreeMap<&Arn, Vec<&(Arn, Arn)>> = BTreeMap::new();
    for holder in holders {
        for pair in by_holder.get(holder.arn).into_iter().flatten() {
            let members = holder.members.iter().map(|user| &user.arn);
            for loser in members.chain([holder.arn]) {
                by_loser.entry(loser).or_default().push(pair);
            }
        }
    }
    let mut kept = BTreeSet::new();
    for holder in holders
        .iter()
        .filter(|holder| holder.kind != PrincipalKind::Group)
    {
        let Some(losses) = by_loser.get(holder.arn) else {
            continue;
        };
        if survey.is_used(holder) && !survey.keeps_a_policy(holder) {
            kept.extend(losses.iter().copied().cloned());
        }
    }
    kept
}
