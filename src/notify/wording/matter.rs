//! What was found, and what will be done about it on which date.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{capitalized, date, done, order, principal, reasons, target, time_left, undo};
use crate::model::{
    AccessKeyId, AccountId, ActionId, ActionMode, Arn, Change, Event, Finding, NoticeItem, OwnPolicy,
    WithheldReason,
};
use crate::notify::message::{Matter, Message};
use crate::notify::text::Text;

/// What a matter is about. Where no action is planned yet its change is known from event and subject, and so is its id.
pub(in crate::notify) struct Announcement<'a> {
    pub(in crate::notify) account: &'a AccountId,
    pub(in crate::notify) resource: &'a Arn,
    pub(in crate::notify) change: Change,
    pub(in crate::notify) id: ActionId,
    pub(in crate::notify) at: Option<DateTime<Utc>>,
}

/// The change that a matter announces; `None` where it announces none.
pub(in crate::notify) fn announced(event: Event, matter: &Matter) -> Option<Announcement<'_>> {
    let notice = matter.notices.first();
    if let Some(action) = matter.actions.first() {
        return Some(Announcement {
            account: &action.account,
            resource: &action.resource,
            change: action.change.clone(),
            id: action.id.clone(),
            at: notice.map(|n| n.announced_for).or(action.not_before),
        });
    }
    let finding = matter.findings.first()?;
    let change = match event {
        Event::AccessKeyExpiring => Change::DisableAccessKey {
            access_key_id: subject_key(notice, finding)?,
        },
        Event::AccessKeyDeleting => Change::DeleteAccessKey {
            access_key_id: subject_key(notice, finding)?,
        },
        Event::PermissionsUnused => Change::DetachPolicy {
            policy_arn: Arn::parse(&notice?.subject).ok()?,
        },
        Event::MfaMissing => Change::RequireMfa(OwnPolicy::RequireMfa.text()),
        Event::PasswordUnused => Change::DeleteLoginProfile {},
        Event::RoleUnused => Change::QuarantineRole(OwnPolicy::Quarantine.text()),
        Event::AccessKeyDisabled
        | Event::AccessKeyDeleted
        | Event::PasswordPolicyUpdated
        | Event::PermissionsDetached
        | Event::MfaRequired
        | Event::MfaRequirementLifted
        | Event::RootAccountAtRisk
        | Event::PasswordDeleted
        | Event::UserUnused
        | Event::RoleQuarantined
        | Event::ReviewOverdue
        | Event::ExemptionRequested
        | Event::ExemptionDecided
        | Event::OwnershipDisputed
        | Event::TrailAtRisk
        | Event::TrailChanged
        | Event::AlarmMissing
        | Event::AlarmCreated
        | Event::AnalyzerMissing
        | Event::AnalyzerCreated
        | Event::ExternalAccessFound
        | Event::InstanceAtRisk
        | Event::InstanceChanged
        | Event::ActionFailed
        | Event::ActionRolledBack
        | Event::ApprovalRequested
        | Event::ApprovalDecided
        | Event::ExemptionExpiring
        | Event::RunFailed
        | Event::ReportDigest => return None,
    };
    Some(Announcement {
        account: &finding.account,
        resource: &finding.resource,
        id: ActionId::of(&finding.account, &finding.resource, &change),
        change,
        at: notice.map(|n| n.announced_for),
    })
}

fn subject_key(notice: Option<&NoticeItem>, finding: &Finding) -> Option<AccessKeyId> {
    let named = notice.map(|n| n.subject.as_str());
    let evident = || finding.evidence.get("access_key_id").and_then(Value::as_str);
    AccessKeyId::parse(named.or_else(evident)?).ok()
}

pub(super) fn write_matter(message: &Message, event: Event, matter: &Matter) -> Vec<Text> {
    let Some(announcement) = announced(event, matter) else {
        return write_findings_only(message, matter);
    };
    let Announcement {
        account,
        resource,
        change,
        at,
        id: _,
    } = &announcement;
    let asked = event == Event::ApprovalRequested;
    let mut headline = if asked {
        let text = Text::new().strong("Approval needed").say(": ").say(order(change));
        target(text, message, account, resource, change)
    } else {
        capitalized(target(Text::new(), message, account, resource, change))
    };
    headline = match (asked, at) {
        (false, Some(at)) => headline
            .say(" ")
            .strong(&format!("will be {} on {}", done(change), date(*at)))
            .say(&format!(" ({})", time_left(message.created_at, *at))),
        (false, None) => headline
            .say(" ")
            .strong(&format!("is due to be {}", done(change))),
        (true, Some(at)) => headline.say(&format!(", not before {}", date(*at))),
        (true, None) => headline,
    };
    let mut lines = vec![headline];
    lines.extend(reasons(&matter.findings));
    lines.extend(last_use(change, &matter.findings));
    lines.extend(next_steps(message, event, &announcement));
    lines.extend(held_back(matter, asked));
    lines
}

/// For events that announce no change: the findings speak for themselves.
fn write_findings_only(message: &Message, matter: &Matter) -> Vec<Text> {
    let mut lines = Vec::new();
    for finding in &matter.findings {
        let text = Text::new().say(&finding.title).say(" (");
        let text = principal(text, &finding.resource)
            .say(" in ")
            .say(&message.account_label(&finding.account));
        lines.push(text.say(")"));
        if !finding.detail.is_empty() {
            lines.push(Text::new().say(&finding.detail));
        }
    }
    // A date announced of something that the findings do not hold is still said.
    for notice in &matter.notices {
        lines.push(
            Text::new()
                .code(&notice.subject)
                .say(": ")
                .strong(&date(notice.announced_for)),
        );
    }
    for action in &matter.actions {
        lines.push(Text::new().say("Action ").code(action.id.as_str()).say("."));
    }
    lines
}

/// Whether the key is still in use, from the finding's evidence.
fn last_use(change: &Change, findings: &[Finding]) -> Option<Text> {
    change.access_key_id()?;
    let evidence = &findings.first()?.evidence;
    let text = |name: &str| evidence.get(name).and_then(Value::as_str);
    let used = text("last_used")?;
    let line = Text::new().say("Last use: ");
    let Ok(at) = used.parse::<DateTime<Utc>>() else {
        return Some(match used {
            "never" => line.say("never."),
            "unknown" => line.say("not known; take it to be in use."),
            other => line.say(other).say("."),
        });
    };
    let line = line.strong(&date(at));
    let line = match (text("last_used_service"), text("last_used_region")) {
        (Some(service), Some(region)) => line.say(&format!(", {service} in {region}")),
        (Some(service), None) => line.say(&format!(", {service}")),
        (None, _) => line,
    };
    Some(line.say("."))
}

fn next_steps(message: &Message, event: Event, announcement: &Announcement<'_>) -> Vec<Text> {
    let Announcement {
        account,
        resource,
        change,
        id,
        ..
    } = announcement;
    let action = Text::new().say("Action ").code(id.as_str()).say(". ");
    let mut lines = Vec::new();
    match (event, &message.plan) {
        (Event::ApprovalRequested, Some(plan)) => {
            let command = format!("iamwarden approve {} --action {id}", plan.id);
            lines.push(Text::new().say("To approve it: ").code(&command));
        }
        (Event::ApprovalRequested, None) => {
            let text = Text::new().say("To approve it, save a plan first: ");
            lines.push(text.code("iamwarden plan --save"));
        }
        _ => {}
    }
    lines.push(match change {
        Change::DeleteAccessKey { access_key_id } => {
            let disabling = Change::DisableAccessKey {
                access_key_id: access_key_id.clone(),
            };
            let text = action
                .say("Deleting cannot be undone. To keep the key, have it enabled again before that date: ");
            undo(text, &ActionId::of(account, resource, &disabling))
        }
        Change::DeleteLoginProfile {} => {
            action.say("Deleting cannot be undone: an administrator can set a new password, not the old one.")
        }
        // Taking it off again is what a device is for.
        Change::LiftMfaRequirement { .. } => action,
        Change::DisableAccessKey { .. }
        | Change::UpdatePasswordPolicy(_)
        | Change::DetachPolicy { .. }
        | Change::RequireMfa(_)
        | Change::QuarantineRole(_)
        | Change::Regional(_) => undo(action.say("Once done, it can be undone: "), id),
    });
    lines
}

/// What still stands in the way, beyond what the message itself says.
fn held_back(matter: &Matter, asked: bool) -> Option<Text> {
    let action = matter.actions.first()?;
    let reason = action.withheld_reason?;
    match reason {
        // The notice is this message.
        WithheldReason::Notice => {
            return (action.mode == ActionMode::Approve)
                .then(|| Text::new().say("It also waits for approval by a person."));
        }
        WithheldReason::Approval if asked => return None,
        WithheldReason::Approval
        | WithheldReason::Settling
        | WithheldReason::RolledBack
        | WithheldReason::WouldLockOut
        | WithheldReason::RecentlyUsed
        | WithheldReason::Unconfirmed
        | WithheldReason::NoChannel
        | WithheldReason::Freeze
        | WithheldReason::Window
        | WithheldReason::Guardrail => {}
    }
    let text = Text::new().say("Held back for now: ").say(reason.explanation());
    Some(match action.withheld_detail.as_deref() {
        Some(detail) => text.say(" (").say(detail).say(")."),
        None => text.say("."),
    })
}
