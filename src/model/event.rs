//! What people are told: events by stable names, and who is to hear of which finding.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{ChangeKind, FindingId, Owner, Span};

/// The stable name of a kind of message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Event {
    /// A key will be disabled on a date.
    #[serde(rename = "access_key.expiring")]
    AccessKeyExpiring,
    /// A key was disabled.
    #[serde(rename = "access_key.disabled")]
    AccessKeyDisabled,
    /// A disabled key will be deleted on a date.
    #[serde(rename = "access_key.deleting")]
    AccessKeyDeleting,
    /// A key was deleted.
    #[serde(rename = "access_key.deleted")]
    AccessKeyDeleted,
    /// The password policy was changed.
    #[serde(rename = "password_policy.updated")]
    PasswordPolicyUpdated,
    /// A policy grants only what nobody uses, and will be detached.
    #[serde(rename = "permissions.unused")]
    PermissionsUnused,
    /// A policy was detached.
    #[serde(rename = "permissions.detached")]
    PermissionsDetached,
    /// A change failed, or the world had moved.
    #[serde(rename = "action.failed")]
    ActionFailed,
    /// A change was undone.
    #[serde(rename = "action.rolled_back")]
    ActionRolledBack,
    /// Somebody has to decide.
    #[serde(rename = "approval.requested")]
    ApprovalRequested,
    /// Somebody decided.
    #[serde(rename = "approval.decided")]
    ApprovalDecided,
    /// An exemption ends soon, or has ended.
    #[serde(rename = "exemption.expiring")]
    ExemptionExpiring,
    /// Somebody asks for an exemption.
    #[serde(rename = "exemption.requested")]
    ExemptionRequested,
    /// It was granted or refused, or taken back.
    #[serde(rename = "exemption.decided")]
    ExemptionDecided,
    /// Somebody says that a thing is not theirs.
    #[serde(rename = "ownership.disputed")]
    OwnershipDisputed,
    /// A run could not read what it needed.
    #[serde(rename = "run.failed")]
    RunFailed,
    /// What the rules in `report` found.
    #[serde(rename = "report.digest")]
    ReportDigest,
    /// A user will have to use MFA from a date on.
    #[serde(rename = "mfa.missing")]
    MfaMissing,
    /// A user has to use MFA now.
    #[serde(rename = "mfa.required")]
    MfaRequired,
    /// A user has a device, so nothing has to be required any more.
    #[serde(rename = "mfa.requirement_lifted")]
    MfaRequirementLifted,
    /// The root user is not as safe as it must be, or was used.
    #[serde(rename = "root_account.at_risk")]
    RootAccountAtRisk,
    /// A console password that nobody uses will be deleted.
    #[serde(rename = "password.unused")]
    PasswordUnused,
    /// A console password was deleted.
    #[serde(rename = "password.deleted")]
    PasswordDeleted,
    /// A user that nobody uses should be reviewed.
    #[serde(rename = "user.unused")]
    UserUnused,
    /// A role that nobody uses will be quarantined.
    #[serde(rename = "role.unused")]
    RoleUnused,
    /// A role was quarantined.
    #[serde(rename = "role.quarantined")]
    RoleQuarantined,
    /// Nobody has confirmed the permissions of a principal for too long.
    #[serde(rename = "review.overdue")]
    ReviewOverdue,
    /// CloudTrail is not as it should be, and only people can put it right.
    #[serde(rename = "trail.at_risk")]
    TrailAtRisk,
    /// A trail was started, changed or made.
    #[serde(rename = "trail.changed")]
    TrailChanged,
    /// Nobody is told of something that happens to access, and only people can put that right.
    #[serde(rename = "alarm.missing")]
    AlarmMissing,
    /// A metric filter or an alarm was made.
    #[serde(rename = "alarm.created")]
    AlarmCreated,
    /// Nobody looks for access from outside in a region, and only people can put that right.
    #[serde(rename = "analyzer.missing")]
    AnalyzerMissing,
    /// An analyzer was made.
    #[serde(rename = "analyzer.created")]
    AnalyzerCreated,
    /// Somebody outside has access to something.
    #[serde(rename = "external_access.found")]
    ExternalAccessFound,
    /// An instance has no role, or its metadata is too easy to reach, and only people can put that right.
    #[serde(rename = "instance.at_risk")]
    InstanceAtRisk,
    /// An instance was given an instance profile.
    #[serde(rename = "instance.changed")]
    InstanceChanged,
}

impl Event {
    /// Every event, in order.
    pub const ALL: [Self; 36] = [
        Self::AccessKeyExpiring,
        Self::AccessKeyDisabled,
        Self::AccessKeyDeleting,
        Self::AccessKeyDeleted,
        Self::PasswordPolicyUpdated,
        Self::PermissionsUnused,
        Self::PermissionsDetached,
        Self::ActionFailed,
        Self::ActionRolledBack,
        Self::ApprovalRequested,
        Self::ApprovalDecided,
        Self::ExemptionExpiring,
        Self::ExemptionRequested,
        Self::ExemptionDecided,
        Self::OwnershipDisputed,
        Self::RunFailed,
        Self::ReportDigest,
        Self::MfaMissing,
        Self::MfaRequired,
        Self::MfaRequirementLifted,
        Self::RootAccountAtRisk,
        Self::PasswordUnused,
        Self::PasswordDeleted,
        Self::UserUnused,
        Self::RoleUnused,
        Self::RoleQuarantined,
        Self::ReviewOverdue,
        Self::TrailAtRisk,
        Self::TrailChanged,
        Self::AlarmMissing,
        Self::AlarmCreated,
        Self::AnalyzerMissing,
        Self::AnalyzerCreated,
        Self::ExternalAccessFound,
        Self::InstanceAtRisk,
        Self::InstanceChanged,
    ];

    /// The name in plans, webhooks and the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AccessKeyExpiring => "access_key.expiring",
            Self::AccessKeyDisabled => "access_key.disabled",
            Self::AccessKeyDeleting => "access_key.deleting",
            Self::AccessKeyDeleted => "access_key.deleted",
            Self::PasswordPolicyUpdated => "password_policy.updated",
            Self::PermissionsUnused => "permissions.unused",
            Self::PermissionsDetached => "permissions.detached",
            Self::ActionFailed => "action.failed",
            Self::ActionRolledBack => "action.rolled_back",
            Self::ApprovalRequested => "approval.requested",
            Self::ApprovalDecided => "approval.decided",
            Self::ExemptionExpiring => "exemption.expiring",
            Self::ExemptionRequested => "exemption.requested",
            Self::ExemptionDecided => "exemption.decided",
            Self::OwnershipDisputed => "ownership.disputed",
            Self::RunFailed => "run.failed",
            Self::ReportDigest => "report.digest",
            Self::MfaMissing => "mfa.missing",
            Self::MfaRequired => "mfa.required",
            Self::MfaRequirementLifted => "mfa.requirement_lifted",
            Self::RootAccountAtRisk => "root_account.at_risk",
            Self::PasswordUnused => "password.unused",
            Self::PasswordDeleted => "password.deleted",
            Self::UserUnused => "user.unused",
            Self::RoleUnused => "role.unused",
            Self::RoleQuarantined => "role.quarantined",
            Self::ReviewOverdue => "review.overdue",
            Self::TrailAtRisk => "trail.at_risk",
            Self::TrailChanged => "trail.changed",
            Self::AlarmMissing => "alarm.missing",
            Self::AlarmCreated => "alarm.created",
            Self::AnalyzerMissing => "analyzer.missing",
            Self::AnalyzerCreated => "analyzer.created",
            Self::ExternalAccessFound => "external_access.found",
            Self::InstanceAtRisk => "instance.at_risk",
            Self::InstanceChanged => "instance.changed",
        }
    }

    /// The event that a change of this kind was made.
    pub fn of_done(kind: ChangeKind) -> Self {
        match kind {
            ChangeKind::DisableAccessKey => Self::AccessKeyDisabled,
            ChangeKind::DeleteAccessKey => Self::AccessKeyDeleted,
            ChangeKind::UpdatePasswordPolicy => Self::PasswordPolicyUpdated,
            ChangeKind::DetachPolicy => Self::PermissionsDetached,
            ChangeKind::RequireMfa => Self::MfaRequired,
            ChangeKind::LiftMfaRequirement => Self::MfaRequirementLifted,
            ChangeKind::DeleteLoginProfile => Self::PasswordDeleted,
            ChangeKind::QuarantineRole => Self::RoleQuarantined,
            ChangeKind::StartLogging | ChangeKind::UpdateTrail | ChangeKind::CreateTrail => {
                Self::TrailChanged
            }
            ChangeKind::PutMetricFilter | ChangeKind::PutMetricAlarm => Self::AlarmCreated,
            ChangeKind::CreateAnalyzer => Self::AnalyzerCreated,
            ChangeKind::AssociateInstanceProfile => Self::InstanceChanged,
        }
    }

    /// By its name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.as_str() == name)
    }

    /// A reminder may wait for the end of the quiet hours; a result may not.
    pub fn waits_for_quiet_hours(self) -> bool {
        match self {
            Self::AccessKeyExpiring
            | Self::AccessKeyDeleting
            | Self::PermissionsUnused
            | Self::ApprovalRequested
            | Self::ExemptionExpiring
            | Self::ExemptionRequested
            | Self::OwnershipDisputed
            | Self::ReportDigest
            | Self::MfaMissing
            | Self::PasswordUnused
            | Self::UserUnused
            | Self::RoleUnused
            | Self::ReviewOverdue
            | Self::TrailAtRisk
            | Self::AlarmMissing
            | Self::AnalyzerMissing
            | Self::ExternalAccessFound
            | Self::InstanceAtRisk => true,
            Self::AccessKeyDisabled
            | Self::AccessKeyDeleted
            | Self::PasswordPolicyUpdated
            | Self::PermissionsDetached
            | Self::ActionFailed
            | Self::ActionRolledBack
            | Self::ApprovalDecided
            | Self::ExemptionDecided
            | Self::RunFailed
            | Self::MfaRequired
            | Self::MfaRequirementLifted
            | Self::RootAccountAtRisk
            | Self::PasswordDeleted
            | Self::RoleQuarantined
            | Self::TrailChanged
            | Self::AlarmCreated
            | Self::AnalyzerCreated
            | Self::InstanceChanged => false,
        }
    }
}

impl std::fmt::Display for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The rung of the ladder of warnings that a notice stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ladder {
    /// The reminder so long before the date (a member of `warn_before`).
    Before(Span),
    /// The first word to the owner, at whatever time that is.
    First,
}

/// One subject named in a notification, with the date announced for it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NoticeItem {
    /// The finding it comes from.
    pub finding: FindingId,
    /// What the date is about: an access key id, a policy ARN.
    pub subject: String,
    /// Which rung.
    pub ladder: Ladder,
    /// The date announced: the action will not come earlier.
    pub announced_for: DateTime<Utc>,
}

/// Who is to be told of what: an owner, by a channel, of some findings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    /// Who is told; `None`: nobody owns it, so the default channel hears it.
    pub to: Option<Owner>,
    /// By which channel; `None`: there is none, so nothing is sent and the action is withheld.
    pub channel: Option<String>,
    /// Of what kind.
    pub event: Event,
    /// About which findings, sorted.
    pub findings: Vec<FindingId>,
    /// The dates announced, for events that announce dates. Sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<NoticeItem>,
    /// When it is said again as long as it stands; `None`: after a week.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<Span>,
}
