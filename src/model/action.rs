//! A change that a plan holds.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{AccountId, Arn, Change, ChangeKind, Digest, FindingId, Inverse, Precondition};

/// `act_` and a digest of account, kind, resource and parameters: the same change has the same id in every plan,
/// message and log line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ActionId(pub String);

impl ActionId {
    /// The id of this change to this resource.
    pub fn of(account: &AccountId, resource: &Arn, change: &Change) -> Self {
        let digest = Digest::of_json(&serde_json::json!([
            account,
            change.kind().as_str(),
            resource,
            change.parameters()
        ]));
        Self(format!("act_{}", digest.short(24)))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for ActionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a change is about, whatever it would make of it: a key, an attachment, the password policy. Of the last there are
/// many changes, each with an id of its own; who rolled one back did not ask for the next.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Target {
    /// Of which kind the change is.
    pub kind: ChangeKind,
    /// Of what.
    pub resource: Arn,
    /// Which key or policy of it.
    pub subject: String,
}

impl Target {
    /// Of this change to this resource.
    pub fn of(resource: &Arn, change: &Change) -> Self {
        Self {
            kind: change.kind(),
            resource: resource.clone(),
            subject: change.subject(),
        }
    }
}

/// Whose consent the action needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ActionMode {
    /// A live approval by a person.
    Approve,
    /// None beyond the declared policy.
    Enforce,
}

/// Whether the action may go ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ActionState {
    /// Due: an `apply` now would do it.
    Proposed,
    /// Held back, for the reason beside it.
    Withheld,
}

/// Why an action is held back. Ordered as checked: the first that holds is the one shown.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum WithheldReason {
    /// An attempt of unknown outcome is still being settled.
    Settling,
    /// It was rolled back; only a person's approval brings it on again.
    RolledBack,
    /// The password change would lock people out.
    WouldLockOut,
    /// The key was used within `spare_used_within`.
    RecentlyUsed,
    /// Not seen unused for `confirm_after` yet.
    Unconfirmed,
    /// There is no channel by which the owner could be told.
    NoChannel,
    /// Nobody approved it.
    Approval,
    /// The owner was not told long enough ago.
    Notice,
    /// All changes are frozen.
    Freeze,
    /// Outside the change window.
    Window,
    /// Over the cap of a run or a day.
    Guardrail,
}

impl WithheldReason {
    /// The word in the plan.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Settling => "settling",
            Self::RolledBack => "rolled_back",
            Self::WouldLockOut => "would_lock_out",
            Self::RecentlyUsed => "recently_used",
            Self::Unconfirmed => "unconfirmed",
            Self::NoChannel => "no_channel",
            Self::Notice => "notice",
            Self::Approval => "approval",
            Self::Freeze => "freeze",
            Self::Window => "window",
            Self::Guardrail => "guardrail",
        }
    }

    /// The sentence for people.
    pub fn explanation(self) -> &'static str {
        match self {
            Self::Settling => "an earlier attempt is being settled by reading AWS",
            Self::RolledBack => "it was rolled back; a person has to approve it again",
            Self::WouldLockOut => "people with older passwords would be locked out",
            Self::RecentlyUsed => "the key was used recently",
            Self::Unconfirmed => "it has not been seen unused for long enough",
            Self::NoChannel => "no channel reaches its owner",
            Self::Notice => "its owner has not been told long enough ago",
            Self::Approval => "it waits for approval",
            Self::Freeze => "changes are frozen",
            Self::Window => "the change window is closed",
            Self::Guardrail => "it is over the guardrails' cap",
        }
    }
}

/// A change with its justification, consent, precondition and inverse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// Stable over plans.
    pub id: ActionId,
    /// The finding that justifies it.
    pub finding: FindingId,
    /// Further findings that the same change answers.
    pub also: Vec<FindingId>,
    /// Kind and parameters.
    #[serde(flatten)]
    pub change: Change,
    /// Where.
    pub account: AccountId,
    /// To what.
    pub resource: Arn,
    /// Whose consent it needs.
    pub mode: ActionMode,
    /// Whether it can be undone.
    pub reversible: bool,
    /// How.
    pub inverse: Option<Inverse>,
    /// What must still hold right before.
    pub precondition: Precondition,
    /// Whether it may go ahead.
    pub state: ActionState,
    /// Why not.
    pub withheld_reason: Option<WithheldReason>,
    /// The sentence beside the reason, where the rule has more to say (how many would be locked out).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withheld_detail: Option<String>,
    /// Not to be done before.
    pub not_before: Option<DateTime<Utc>>,
}

impl Action {
    /// All findings that justify it.
    pub fn findings(&self) -> impl Iterator<Item = &FindingId> {
        std::iter::once(&self.finding).chain(&self.also)
    }

    /// What it is about.
    pub fn target(&self) -> Target {
        Target::of(&self.resource, &self.change)
    }

    /// By which an approval is bound to what must hold.
    pub fn precondition_digest(&self) -> Digest {
        self.precondition.digest()
    }
}
