//! What iamwarden remembers of one account, as a value: the third input of rules and planner.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{
    AccessKeyId, ActionId, Arn, Digest, Event, FindingId, Ladder, Owner, RequestedExemption, Target, Way,
};

/// The memory of one account. An empty one (no state yet) lets nothing happen that needs a memory.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct History {
    /// All notices about dates, oldest first.
    pub notices: Vec<Notice>,
    /// Whose keys or policies the notices were about, as far as their findings are remembered.
    #[serde(default)]
    pub told_of: BTreeSet<Arn>,
    /// When each thing was first and last observed, by what was observed.
    pub observations: BTreeMap<Observation, Observed>,
    /// Keys that iamwarden disabled and did not enable again, by id.
    pub disabled_keys: BTreeMap<AccessKeyId, DisabledKey>,
    /// Users of whom iamwarden required MFA, with when, and did not undo it.
    #[serde(default)]
    pub mfa_required: BTreeMap<Arn, DateTime<Utc>>,
    /// Decisions of people that are not spent, newest last.
    pub decisions: Vec<Decision>,
    /// What was rolled back, with the time of the last rollback, and not changed again since.
    pub rolled_back: BTreeMap<Target, DateTime<Utc>>,
    /// Actions with an attempt that is still open (an intent without outcome, or reads that do not agree yet).
    pub unsettled: BTreeSet<ActionId>,
    /// How many changes were made, or may have been made, in the last 24 hours.
    pub changes_in_last_day: u32,
    /// The freeze by flag, where one holds.
    pub frozen: Option<Freeze>,
    /// The latest confirmation of each principal's permissions.
    #[serde(default)]
    pub reviews: BTreeMap<Arn, Review>,
    /// Exemptions that were ever granted for things of the account, oldest first; those that ended or were taken back too.
    #[serde(default)]
    pub exemptions: Vec<RequestedExemption>,
}

/// That somebody confirmed the permissions of a principal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// Who.
    pub by: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// A freeze by flag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freeze {
    /// Why.
    pub reason: String,
    /// Who.
    pub by: String,
    /// Since when.
    pub at: DateTime<Utc>,
}

/// A message to an owner that announced a date.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Of what kind.
    pub event: Event,
    /// Who was told; `None`: nobody owned it.
    pub owner: Option<Owner>,
    /// Of which finding: another rule may have another date for the same key.
    pub finding: FindingId,
    /// About what: an access key id, a policy ARN.
    pub subject: String,
    /// Which rung of the ladder.
    pub ladder: Ladder,
    /// The date it announced.
    pub announced_for: DateTime<Utc>,
    /// When it was put into the outbox.
    pub queued_at: DateTime<Utc>,
    /// When a channel accepted it; `None`: not yet, or never. Only an accepted notice counts.
    pub accepted_at: Option<DateTime<Utc>>,
    /// Whether it was given up, so that it has to be sent again.
    pub dead: bool,
}

impl Notice {
    /// How long after the date that it announced a notice still counts. What was said longer ago may be forgotten, and
    /// what it was about may have been inactive in between: it is said again.
    pub const COUNTS_FOR: TimeDelta = TimeDelta::days(30);
}

/// Something that is observed from reading to reading.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Observation {
    /// A managed policy is attached to a principal.
    Attachment {
        /// The principal.
        principal: Arn,
        /// The policy.
        policy: Arn,
    },
    /// A user is a member of a group.
    Membership {
        /// The user.
        user: Arn,
        /// The group's name.
        group: String,
    },
    /// An attachment was found unused, by evidence that suffices. Forgotten as soon as a reading finds otherwise.
    UnusedAttachment {
        /// The principal.
        principal: Arn,
        /// The policy.
        policy: Arn,
    },
    /// A role was found unused, by evidence that suffices. Forgotten as soon as a reading finds otherwise.
    UnusedRole {
        /// The role.
        role: Arn,
    },
    /// An access key was seen inactive.
    InactiveKey {
        /// The key.
        access_key_id: AccessKeyId,
    },
    /// A user was seen with an active MFA device.
    MfaDevice {
        /// The user.
        user: Arn,
    },
    /// An access key that iamwarden had disabled was seen active.
    ActiveKey {
        /// The key.
        access_key_id: AccessKeyId,
    },
}

/// Since when, and until when, something was observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// The first reading of an unbroken row of readings.
    pub first: DateTime<Utc>,
    /// The last one.
    pub last: DateTime<Utc>,
}

/// A key that iamwarden's own journal says it disabled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DisabledKey {
    /// Whose.
    pub user: Arn,
    /// When.
    pub at: DateTime<Utc>,
}

/// What a person decided of an action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Of which action.
    pub action: ActionId,
    /// Yes or no.
    pub verdict: Verdict,
    /// Under which precondition.
    pub precondition: Digest,
    /// Under which configuration.
    pub config_digest: Digest,
    /// When.
    pub decided_at: DateTime<Utc>,
    /// The action's `not_before` at that time.
    pub not_before: Option<DateTime<Utc>>,
    /// By whom.
    pub by: String,
    /// By which way.
    #[serde(default)]
    pub via: Way,
}

/// Yes or no.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Yes.
    Approved,
    /// No.
    Rejected,
}
