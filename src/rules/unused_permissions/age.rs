//! How old things are, and how that is known: a verdict needs everything it rests on to be older than the window.

use chrono::{DateTime, TimeDelta, Utc};

use crate::config::UnusedPermissions;
use crate::inventory::ManagedPolicy;
use crate::model::{Arn, History, Observation, Span};

use super::catalogue::Catalogue;
use super::reach::Reach;

/// How far back Access Advisor looks.
pub(in crate::rules) const TRACKING_PERIOD: Span = Span::from_days(400);

/// An attachment younger than this is never judged, whatever is declared: Access Advisor lags (E9).
pub(in crate::rules) const GRACE: Span = Span::from_days(14);

/// For how long nothing may have been used, and how old all that is judged has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::rules) struct Terms {
    /// Nothing may have been used for that long.
    pub(in crate::rules) unused_for: Span,
    /// What is younger is left alone.
    pub(in crate::rules) minimum_age: Span,
    /// Whether an attachment of unknown age is as old as the youngest thing it joins.
    pub(in crate::rules) trust_existing: bool,
}

impl Terms {
    /// Those of the rule `unused_permissions`.
    pub(super) fn of(settings: &UnusedPermissions) -> Self {
        Self {
            unused_for: settings.unused_for,
            minimum_age: settings.minimum_age,
            trust_existing: settings.trust_existing,
        }
    }
}

/// How it is known since when something is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::rules) enum Known {
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
pub(in crate::rules) struct Bound {
    pub(in crate::rules) since: DateTime<Utc>,
    pub(in crate::rules) known: Known,
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
    pub(in crate::rules) fn ripe_at(&self) -> DateTime<Utc> {
        self.since
            .checked_add_signed(self.floor.delta())
            .unwrap_or(DateTime::<Utc>::MAX_UTC)
    }
}

/// What iamwarden remembers of attachments and memberships.
#[derive(Debug, Clone, Copy)]
pub(in crate::rules) struct Memory<'a> {
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

    pub(in crate::rules) fn attachment(
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

    pub(in crate::rules) fn membership(
        &self,
        user: &Arn,
        group: &str,
        joins: DateTime<Utc>,
        floor: Span,
    ) -> Bound {
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

/// Since when a policy grants what it grants, as far as the versions that AWS still has can tell. A version that cannot be
/// parsed grants nothing that anybody could vouch for.
#[derive(Debug)]
pub(in crate::rules) struct Granted<'a> {
    policy: &'a ManagedPolicy,
    versions: Vec<(DateTime<Utc>, Reach)>,
}

impl<'a> Granted<'a> {
    pub(in crate::rules) fn of(policy: &'a ManagedPolicy, catalogue: &Catalogue) -> Self {
        let versions = policy.versions.iter().filter_map(|version| {
            let reach = Reach::of_document(&version.document, catalogue).ok()?;
            Some((version.created_at, reach))
        });
        Self {
            policy,
            versions: versions.collect(),
        }
    }

    /// Since when it grants something of the service: since the oldest version that does.
    pub(in crate::rules) fn since(&self, service: &str) -> DateTime<Utc> {
        let granting = self.versions.iter().filter(|(_, reach)| reach.reaches(service));
        granting
            .map(|(created_at, _)| *created_at)
            .min()
            .unwrap_or(self.policy.updated_at)
            .max(self.policy.created_at)
    }

    /// Since when it grants an action, given as `service:Action`: since the oldest version that does.
    pub(in crate::rules) fn action_since(&self, action: &str) -> DateTime<Utc> {
        let granting = self.versions.iter().filter(|(_, reach)| reach.grants(action));
        granting
            .map(|(created_at, _)| *created_at)
            .min()
            .unwrap_or(self.policy.updated_at)
            .max(self.policy.created_at)
    }

    /// Since when it grants all of these services: since the youngest of them (E7).
    pub(super) fn since_all<'s>(&self, services: impl Iterator<Item = &'s String>) -> DateTime<Utc> {
        services
            .map(|service| self.since(service))
            .max()
            .unwrap_or(self.policy.updated_at)
            .max(self.policy.created_at)
    }
}

/// Whole days between two times, never below zero.
pub(super) fn days_between(from: DateTime<Utc>, to: DateTime<Utc>) -> i64 {
    to.signed_duration_since(from).max(TimeDelta::zero()).num_days()
}
