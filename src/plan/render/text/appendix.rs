//! What follows the accounts: messages, exemptions, calls, what to do next.

use super::BODY;
use crate::model::{Notification, instant, relative, relative_day, visible};
use crate::plan::render::outline::Outline;
use crate::plan::render::page::{Ink, Page};
use crate::plan::render::steps::steps;
use crate::plan::render::words::{exemption_word, resource_name};
use crate::plan::{ExemptionState, Plan};

/// Who will be told of what, by which channel.
pub(super) fn messages(page: &mut Page, outline: &Outline<'_>) {
    let plan = outline.plan;
    if plan.notifications.is_empty() {
        return;
    }
    page.rule();
    page.flow(0, &[(Ink::Strong, "who will be told")]);
    page.rule();
    for message in &plan.notifications {
        page.blank();
        message_head(page, message);
        if message.notices.is_empty() {
            told_of(page, outline, message);
        }
        for notice in outline.notices(message) {
            let resource = outline.finding(&notice.finding).map_or_else(
                || visible(notice.finding.as_str()).into_owned(),
                |finding| visible(resource_name(&finding.resource, &finding.account)).into_owned(),
            );
            let when = relative(plan.created_at, notice.announced_for);
            let date = format!(": {}, {when}", instant(notice.announced_for));
            page.flow(
                4,
                &[
                    (Ink::Plain, &resource),
                    (Ink::Plain, " "),
                    (Ink::Code, &visible(&notice.subject)),
                    (Ink::Faint, &date),
                ],
            );
        }
    }
    page.blank();
}

fn message_head(page: &mut Page, message: &Notification) {
    let event = format!(" · {}", message.event);
    let to = message.to.as_ref().map(|owner| visible(&owner.0).into_owned());
    let by = message
        .channel
        .as_ref()
        .map(|channel| visible(channel).into_owned());
    match (to, by) {
        (Some(to), Some(by)) => {
            let by = format!(" by {by}");
            page.flow(2, &[(Ink::Strong, &to), (Ink::Plain, &by), (Ink::Faint, &event)]);
        }
        (None, Some(by)) => page.flow(
            2,
            &[(Ink::Strong, &format!("channel {by}")), (Ink::Faint, &event)],
        ),
        (to, None) => {
            let to = to.unwrap_or_else(|| "no owner".to_owned());
            let lost = ", NO CHANNEL: nothing is sent";
            page.flow(2, &[(Ink::Strong, &to), (Ink::Alarm, lost), (Ink::Faint, &event)]);
        }
    }
}

fn told_of(page: &mut Page, outline: &Outline<'_>, message: &Notification) {
    let subjects: Vec<String> = message
        .findings
        .iter()
        .map(|id| match outline.finding(id) {
            Some(finding) => {
                let resource = resource_name(&finding.resource, &finding.account);
                format!("{} ({})", visible(resource), visible(finding.rule.as_str()))
            }
            None => visible(id.as_str()).into_owned(),
        })
        .collect();
    page.flow(4, &[(Ink::Plain, &subjects.join(", "))]);
}

/// What the configuration exempts; what has ended first.
pub(super) fn exemptions(page: &mut Page, plan: &Plan) {
    if plan.exemptions.is_empty() {
        return;
    }
    page.rule();
    page.flow(0, &[(Ink::Strong, "exemptions")]);
    page.rule();
    let mut exemptions: Vec<_> = plan.exemptions.iter().collect();
    exemptions.sort_by_key(|exemption| exemption.until);
    for exemption in exemptions {
        let (ink, word) = match exemption.state {
            ExemptionState::Expired => (Ink::Alarm, "EXPIRED"),
            ExemptionState::Expiring => (Ink::Caution, exemption_word(exemption.state)),
            ExemptionState::Active => (Ink::Plain, exemption_word(exemption.state)),
        };
        let principals: Vec<_> = exemption
            .principals
            .iter()
            .map(|glob| visible(glob.as_str()))
            .collect();
        let rules: Vec<_> = exemption
            .rules
            .iter()
            .map(|rule| visible(rule.as_str()))
            .collect();
        page.labelled(
            2,
            (ink, word),
            BODY - 2,
            &[
                (Ink::Strong, &principals.join(", ")),
                (Ink::Faint, &format!(" · {}", rules.join(", "))),
            ],
        );
        let when = relative_day(plan.created_at, exemption.until);
        let last = match exemption.state {
            ExemptionState::Expired => {
                format!("last day {}, {when}: it has no effect any more", exemption.until)
            }
            ExemptionState::Active | ExemptionState::Expiring => {
                format!("last day {}, {when}", exemption.until)
            }
        };
        page.flow(
            BODY,
            &[
                (ink, &last),
                (Ink::Plain, "; "),
                (Ink::Faint, &visible(&exemption.reason)),
            ],
        );
    }
    page.blank();
}

/// Every operation that was called.
pub(super) fn calls(page: &mut Page, outline: &Outline<'_>) {
    if outline.plan.api_calls.is_empty() {
        return;
    }
    let calls: Vec<String> = outline
        .plan
        .api_calls
        .iter()
        .map(|(operation, count)| format!("{} {count}", visible(operation)))
        .collect();
    page.rule();
    page.flow(0, &[(Ink::Faint, &format!("AWS calls: {}", calls.join(", ")))]);
    page.blank();
}

/// What to do now.
pub(super) fn next(page: &mut Page, outline: &Outline<'_>) {
    page.rule();
    page.flow(0, &[(Ink::Strong, "next")]);
    for step in steps(outline) {
        page.flow(2, &[(Ink::Plain, &visible(&step.text))]);
        let last = step.command.len().saturating_sub(1);
        for (n, line) in step.command.iter().enumerate() {
            // A command is never wrapped, so that it can be copied; many arguments go on lines that a shell joins.
            let indent = if n == 0 { 6 } else { 10 };
            let end = if n < last { " \\" } else { "" };
            page.line(indent, &[(Ink::Code, &visible(line)), (Ink::Plain, end)]);
        }
    }
}
