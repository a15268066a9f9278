//! How old things are, and how that is known: a verdict needs everything it rests on to be older than the window.

use chrono::{DateTime, TimeDelta, Utc};

use crate::inventory::ManagedPolicy;
use crate::model::{Arn, History, Observation, Span};

use super::catalogue::Catalogue;
use super::reach::Reach;

/// How far back Access Advisor looks.
pub(super) const TRACKING_PERIOD: Span = Span::from_days(400);

/// An attachment younger than this is never judged, whatever is declared: Access Advisor lags (E9).
pub(super) const GRACE: Span = Span::from_days(14);

/// How it is known since when something is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Known {
    /// AWS says so.
    Recorded,
    /// It appeared between two readings.
    Appeared,
    /// It was there at the first reading; `trust_existing` takes it for as old as what it joins.
    Trusted,
    /// It was there at the first reading, and counts from then.
    FirstSeen,
}

impl Known {
    /// The word in evidence.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Recorded => "recorded",
            Self::Appeared => "appeared",
            Self::Trusted => "trusted",
            Self::FirstSeen => "first_seen",
        }
    }
}

/// Something that a verdict rests on: since when it is there, and how old it has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bound {
    pub(super) since: DateTime<Utc>,
    pub(super) known: Known,
    pub(super) floor: Span,
}

impl Bound {
    pub(super) fn recorded(since: DateTime<Utc>, floor: Span) -> Self {
        Self {
            since,
            known: Known::Recorded,
            floor,
        }
    }

    /// From when on it is old enough. An age equal to the floor is.
    pub(super) fn ripe_at(&self) -> DateTime<Utc> {
        self.since
            .checked_add_signed(self.floor.delta())
            .unwrap_or(DateTime::<Utc>::MAX_UTC)
    }
}

/// What iamwarden remembers of attachments and memberships.
#[derive(Debug, Clone, Copy)]
pub(super) struct Memory<'a> {
    history: &'a History,
    /// The first reading ever; `None`: there was none.
    watched_since: Option<DateTime<Utc>>,
    trust_existing: bool,
    now: DateTime<Utc>,
}

impl<'a> Memory<'a> {
    pub(super) fn new(history: &'a History, trust_existing: bool, now: DateTime<Utc>) -> Self {
        let first = history
            .observations
            .iter()
            .filter_map(|(what, observed)| match what {
                Observation::Attachment { .. } | Observation::Membership { .. } => Some(observed.first),
                Observation::UnusedAttachment { .. }
                | Observation::UnusedRole { .. }
                | Observation::InactiveKey { .. }
                | Observation::MfaDevice { .. } => None,
            });
        Self {
            history,
            watched_since: first.min(),
            trust_existing,
            now,
        }
    }

    pub(super) fn attachment(
        &self,
        principal: &Arn,
        policy: &Arn,
        joins: DateTime<Utc>,
        floor: Span,
    ) -> Bound {
        let what = Observation::Attachment {
            principal: principal.clone(),
            policy: policy.clone(),
        };
        self.since(&what, joins, floor)
    }

    pub(super) fn membership(&self, user: &Arn, group: &str, joins: DateTime<Utc>, floor: Span) -> Bound {
        let what = Observation::Membership {
            user: user.clone(),
            group: group.to_owned(),
        };
        self.since(&what, joins, floor)
    }

    fn since(&self, what: &Observation, joins: DateTime<Utc>, floor: Span) -> Bound {
        let first = self.history.observations.get(what).map(|observed| observed.first);
        let (since, known) = match (first, self.watched_since) {
            (Some(first), Some(start)) if first > start => (first, Known::Appeared),
            // Earlier readings did not have it.
            (None, Some(_)) => (self.now, Known::Appeared),
            (first, _) if !self.trust_existing => (first.unwrap_or(self.now), Known::FirstSeen),
            _ => (joins, Known::Trusted),
        };
        // Nothing is older than the youngest thing it joins.
        Bound {
            since: since.max(joins),
            known,
            floor,
        }
    }

    /// Since when, without interruption, the attachment is found unused.
    pub(super) fn unused_since(&self, principal: &Arn, policy: &Arn) -> Option<DateTime<Utc>> {
        let what = Observation::UnusedAttachment {
            principal: principal.clone(),
            policy: policy.clone(),
        };
        self.history
            .observations
            .get(&what)
            .map(|observed| observed.first)
    }
}

/// Since when the policy grants all of these services, as far as the versions that AWS still has can tell: for each
/// service the oldest version that grants it, of these the youngest (E7). A version that cannot be parsed grants
/// nothing that anybody could vouch for.
pub(super) fn granted_since<'a>(
    policy: &ManagedPolicy,
    services: impl Iterator<Item = &'a String>,
    catalogue: &Catalogue,
) -> DateTime<Utc> {
    let versions: Vec<(DateTime<Utc>, Reach)> = policy
        .versions
        .iter()
        .filter_map(|version| {
            let reach = Reach::of_document(&version.document, catalogue).ok()?;
            Some((version.created_at, reach))
        })
        .collect();
    let of_service = |service: &String| {
        let granting = versions.iter().filter(|(_, reach)| reach.reaches(service));
        granting
            .map(|(created_at, _)| *created_at)
            .min()
            .unwrap_or(policy.updated_at)
    };
    services
        .map(of_service)
        .max()
        .unwrap_or(policy.updated_at)
        .max(policy.created_at)
}

/// Whole days between two times, never below zero.
pub(super) fn days_between(from: DateTime<Utc>, to: DateTime<Utc>) -> i64 {
    to.signed_duration_since(from).max(TimeDelta::zero()).num_days()
}
