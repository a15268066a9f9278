//! What a plan comes to, in a few lines.

use std::collections::BTreeSet;

use crate::model::{ActionState, Notification, counted};
use crate::plan::render::difference::verb;
use crate::plan::render::outline::{Course, Outline, tally, unread};
use crate::plan::render::words::reason_word;
use crate::plan::{AccountStatus, ExemptionState, ExemptionSummary, Plan};

/// A line of the summary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GlanceLine {
    /// What is counted.
    pub(super) label: &'static str,
    /// The word for classes.
    pub(super) key: &'static str,
    /// How many.
    pub(super) count: usize,
    /// How many of what.
    pub(super) amount: String,
    /// What they are.
    pub(super) note: String,
}

impl GlanceLine {
    fn of(course: Course, count: usize, amount: String, note: String) -> Self {
        Self {
            label: course.label(),
            key: course.key(),
            count,
            amount,
            note,
        }
    }
}

impl Outline<'_> {
    /// What the plan comes to, in a few lines. Lines that would only say "none" are there too: that nothing is
    /// unknown is worth knowing.
    pub(super) fn glance(&self) -> Vec<GlanceLine> {
        let plan = self.plan;
        let in_state = |state| plan.actions.iter().filter(move |action| action.state == state);
        let changes =
            |course, count, note| GlanceLine::of(course, count, counted(count, "change", "changes"), note);
        let due = tally(in_state(ActionState::Proposed).map(|action| verb(&action.change)));
        let held = tally(in_state(ActionState::Withheld).map(|action| reason_word(action.withheld_reason)));
        let mut lines = vec![
            changes(Course::Due, in_state(ActionState::Proposed).count(), due),
            changes(Course::HeldBack, in_state(ActionState::Withheld).count(), held),
        ];
        for (course, singular, plural, note) in [
            (
                Course::ReportOnly,
                "violation",
                "violations",
                "found, and left alone: the rule only reports them",
            ),
            (
                Course::ByHand,
                "violation",
                "violations",
                "iamwarden has no change for them",
            ),
            (
                Course::Warning,
                "finding",
                "findings",
                "not broken yet, or worth a look",
            ),
        ] {
            let count = self.count(course);
            if count > 0 {
                lines.push(GlanceLine::of(
                    course,
                    count,
                    counted(count, singular, plural),
                    note.to_owned(),
                ));
            }
        }
        let findings = |count| counted(count, "finding", "findings");
        let gaps = plan.accounts.iter().flat_map(unread).count();
        let (unknown, exempt) = (self.count(Course::Unknown), self.count(Course::Exempt));
        lines.push(GlanceLine::of(
            Course::Unknown,
            unknown + gaps,
            findings(unknown),
            unknown_note(gaps, plan),
        ));
        let note = exemptions_note(&plan.exemptions);
        lines.push(GlanceLine::of(Course::Exempt, exempt, findings(exempt), note));
        lines.push(GlanceLine {
            label: "messages",
            key: "messages",
            count: plan.notifications.len(),
            amount: plan.notifications.len().to_string(),
            note: messages_note(&plan.notifications),
        });
        lines.extend(self.glance_at_accounts());
        lines
    }
}

fn unknown_note(gaps: usize, plan: &Plan) -> String {
    let count = |status| {
        plan.accounts
            .iter()
            .filter(|account| account.status == status)
            .count()
    };
    let mut parts = Vec::new();
    if gaps > 0 {
        parts.push(format!("{} failed", counted(gaps, "reading", "readings")));
    }
    for (status, words) in [
        (AccountStatus::Partial, "read in part"),
        (AccountStatus::Failed, "not read at all"),
    ] {
        let accounts = count(status);
        if accounts > 0 {
            parts.push(format!("{} {words}", counted(accounts, "account", "accounts")));
        }
    }
    if parts.is_empty() {
        "every reading succeeded".to_owned()
    } else {
        parts.join(", ")
    }
}

fn exemptions_note(exemptions: &[ExemptionSummary]) -> String {
    if exemptions.is_empty() {
        return "no exemptions declared".to_owned();
    }
    let count = |state| {
        exemptions
            .iter()
            .filter(|exemption| exemption.state == state)
            .count()
    };
    let mut parts = Vec::new();
    for (state, word) in [
        (ExemptionState::Active, "active"),
        (ExemptionState::Expiring, "expiring"),
        (ExemptionState::Expired, "EXPIRED"),
    ] {
        let number = count(state);
        if number > 0 {
            parts.push(format!("{number} {word}"));
        }
    }
    format!("exemptions: {}", parts.join(", "))
}

fn messages_note(notifications: &[Notification]) -> String {
    if notifications.is_empty() {
        return "nobody is told anything".to_owned();
    }
    let receivers: BTreeSet<_> = notifications
        .iter()
        .filter(|message| message.channel.is_some())
        .map(|message| (&message.to, &message.channel))
        .collect();
    let lost = notifications
        .iter()
        .filter(|message| message.channel.is_none())
        .count();
    let mut note = format!("to {}", counted(receivers.len(), "receiver", "receivers"));
    if lost > 0 {
        note.push_str(&format!("; {lost} without a channel, so not sent"));
    }
    note
}
