//! Dates: from when on an action may happen, and what its owner is told before.

use std::collections::BTreeMap;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

use crate::model::{Finding, FindingId, History, Ladder, Notice, NoticeItem, Span};
use crate::rules::Announcement;

/// From when on a date is on a rung: a little before its time, an hour of a day. A schedule that comes at the same moment
/// each day would else be some seconds early for it, by what the first delivery took, and tell a day late.
fn on_rung(date: DateTime<Utc>, rung: Span) -> DateTime<Utc> {
    date - rung.delta() - (rung.delta() / 24).min(TimeDelta::hours(1))
}

/// All notices of an account, found by finding: each is asked for the few that are about it.
#[derive(Debug)]
pub(super) struct Notices<'a>(BTreeMap<&'a FindingId, Vec<&'a Notice>>);

impl<'a> Notices<'a> {
    pub(super) fn of(history: &'a History) -> Self {
        let mut by_finding: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for notice in &history.notices {
            by_finding.entry(&notice.finding).or_default().push(notice);
        }
        Self(by_finding)
    }

    fn of_finding(&self, finding: &FindingId) -> &[&'a Notice] {
        self.0.get(finding).map(Vec::as_slice).unwrap_or_default()
    }
}

/// Where an announced action stands in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Timing {
    /// The action does not come earlier.
    pub(super) not_before: DateTime<Utc>,
    /// Whether the owner was told long enough ago, or need not be.
    pub(super) notice_given: bool,
}

/// The notices that count for an announcement, given up and long past ones aside: accepted by a channel or still on
/// their way, and said to who owns it now. One that named a date before the limit was about another time: the key was
/// used since, or the limit moved.
fn counting<'n>(
    announcement: &'n Announcement,
    finding: &'n Finding,
    notices: &'n Notices<'_>,
    now: DateTime<Utc>,
) -> impl Iterator<Item = &'n Notice> {
    let Announcement {
        event,
        subject,
        due,
        minimum_notice: _,
        warn_before: _,
        notices_count_after,
    } = announcement;
    notices
        .of_finding(&finding.id)
        .iter()
        .copied()
        .filter(move |notice| notice.event == *event && notice.subject == *subject)
        .filter(move |notice| !notice.dead && notice.owner == finding.owner)
        .filter(move |notice| notice.announced_for >= *due || same_date(notice.announced_for, *due))
        .filter(move |notice| now <= notice.announced_for + Notice::COUNTS_FOR)
        .filter(move |notice| notices_count_after.is_none_or(|after| notice.queued_at > after))
}

/// The latest of: the limit, the first accepted notice plus `minimum_notice`, and the last date announced. Without any
/// accepted notice: the date that one sent now would announce.
pub(super) fn timing(
    announcement: &Announcement,
    finding: &Finding,
    notices: &Notices<'_>,
    now: DateTime<Utc>,
) -> Timing {
    let minimum = announcement.minimum_notice;
    let accepted = counting(announcement, finding, notices, now).filter_map(|notice| notice.accepted_at);
    let first_accepted = accepted.filter(|at| *at <= now).min();
    let announced = counting(announcement, finding, notices, now)
        .map(|notice| notice.announced_for)
        .max();
    let told_enough = match (minimum.is_zero(), first_accepted) {
        (true, _) => None,
        (false, Some(at)) => Some(at + minimum.delta()),
        (false, None) => Some(now + minimum.delta()),
    };
    let not_before = [Some(announcement.due), told_enough, announced]
        .into_iter()
        .flatten()
        .max();
    let exact = not_before.unwrap_or(announcement.due);
    Timing {
        // What was announced is a full second already; what is due need not wait for one.
        not_before: if now < exact { full_second(exact) } else { exact },
        notice_given: now >= exact && (minimum.is_zero() || first_accepted.is_some()),
    }
}

/// Dates are named to the second, and never a moment early.
fn full_second(at: DateTime<Utc>) -> DateTime<Utc> {
    let whole = at.trunc_subsecs(0);
    if whole < at {
        whole + TimeDelta::seconds(1)
    } else {
        whole
    }
}

/// What is to be said now, if anything: the most urgent rung reached that was not said yet about this date, or the
/// first word where none was said at all.
pub(super) fn due_notice(
    announcement: &Announcement,
    finding: &Finding,
    notices: &Notices<'_>,
    now: DateTime<Utc>,
) -> Option<NoticeItem> {
    let Timing { not_before, .. } = timing(announcement, finding, notices, now);
    let reached = announcement
        .warn_before
        .iter()
        .copied()
        .filter(|rung| now >= on_rung(not_before, *rung))
        .min();
    let said: Vec<_> = counting(announcement, finding, notices, now).collect();
    let ladder = match reached {
        Some(rung) if said.iter().any(|notice| covers(notice, rung, not_before)) => return None,
        Some(rung) => Ladder::Before(rung),
        None if said.is_empty() => Ladder::First,
        None => return None,
    };
    // A first word that came late is not followed by a rung that it already stood on. Where it stood is seen by the
    // date that it named itself: the date moves on by the time that its delivery took.
    let stood_on = |notice: &Notice, rung: Span| {
        notice.queued_at >= on_rung(notice.announced_for, rung) && same_date(notice.announced_for, not_before)
    };
    if let Ladder::Before(rung) = ladder
        && said
            .iter()
            .any(|notice| notice.ladder == Ladder::First && stood_on(notice, rung))
    {
        return None;
    }
    Some(NoticeItem {
        finding: finding.id.clone(),
        subject: announcement.subject.clone(),
        ladder,
        announced_for: not_before,
    })
}

/// Whether this notice said it on that rung, or on a more urgent one, about the same date.
fn covers(notice: &Notice, rung: Span, date: DateTime<Utc>) -> bool {
    let on_rung = match notice.ladder {
        Ladder::Before(said) => said <= rung,
        Ladder::First => false,
    };
    on_rung && same_date(notice.announced_for, date)
}

/// Dates move by the time that a delivery takes; that is no new date.
pub(super) fn same_date(a: DateTime<Utc>, b: DateTime<Utc>) -> bool {
    (a - b).abs() < TimeDelta::days(1)
}
