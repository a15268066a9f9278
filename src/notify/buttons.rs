//! What Slack shows to be clicked, and what it shows after a click.
//!
//! Limits (Slack's reference, "Actions block", "Button element"): 25 elements a block, 2000 characters a value, 75 a label.

use serde_json::{Value, json};

use super::click::{Findings, PlanActions, ids};
use super::message::{Item, Message};
use crate::model::{Event, FindingId};

/// The longest value of a button.
const LONGEST_VALUE: usize = 2_000;

/// The buttons below an item of a message; `None`: there are none.
pub(super) fn of_item(message: &Message, event: Event, item: &Item) -> Option<Value> {
    if !message.buttons || message.copy {
        return None;
    }
    let elements = match item {
        Item::Matter(matter) if event == Event::ApprovalRequested => {
            let actions = PlanActions {
                plan: message.plan.as_ref()?.id.clone(),
                actions: matter.actions.iter().map(|action| action.id.clone()).collect(),
            };
            decision(&actions, "Approve", "Reject", None)?
        }
        Item::Matter(matter) if is_of_owner(event) => {
            let findings = matter.findings.iter().map(|finding| finding.id.clone()).collect();
            of_owner(event, findings)?
        }
        Item::Request(requested) if requested.answer.is_none() => {
            let id = requested.request.id.as_str();
            let until = requested.request.until;
            let sure = format!("Until {until}, the rules named here leave it alone.");
            vec![
                button(ids::GRANT, "Grant", id, Some("primary"), Some(&sure)),
                button(ids::REFUSE, "Refuse", id, Some("danger"), None),
            ]
        }
        Item::Matter(_)
        | Item::Request(_)
        | Item::Dispute(_)
        | Item::Result(_)
        | Item::Decision(_)
        | Item::Exemption(_)
        | Item::Failure(_)
        | Item::Digest(_)
        | Item::Report(_) => return None,
    };
    Some(json!({"type": "actions", "elements": elements}))
}

/// The buttons for all that waits in this message, where that is more than one thing. What they decide is named by id: only
/// what stands in the same message.
pub(super) fn of_all(message: &Message) -> Option<Value> {
    if !message.buttons || message.copy {
        return None;
    }
    let plan = message.plan.as_ref()?;
    let waiting: Vec<_> = message
        .items()
        .flat_map(|(event, item)| {
            let asked = event == Event::ApprovalRequested;
            if let (Item::Matter(matter), true) = (item, asked) {
                matter.actions.as_slice()
            } else {
                &[]
            }
        })
        .collect();
    let mut accounts: Vec<_> = waiting.iter().map(|action| &action.account).collect();
    accounts.sort();
    accounts.dedup();
    let actions = PlanActions {
        plan: plan.id.clone(),
        actions: waiting.iter().map(|action| action.id.clone()).collect(),
    };
    if actions.actions.len() < 2 {
        return None;
    }
    let count = actions.actions.len();
    let sure = format!(
        "{count} actions in {} of plan {} (digest {}).",
        match accounts.len() {
            1 => "1 account".to_owned(),
            many => format!("{many} accounts"),
        },
        plan.id,
        plan.digest.as_str()
    );
    let labels = (format!("Approve all {count}"), format!("Reject all {count}"));
    let elements = decision(&actions, &labels.0, &labels.1, Some(&sure))?;
    Some(json!({"type": "actions", "elements": elements}))
}

/// Approve, reject, details; `None` where there is nothing to decide, or more than a button holds.
fn decision(actions: &PlanActions, yes: &str, no: &str, sure: Option<&str>) -> Option<Vec<Value>> {
    let value = json!(actions).to_string();
    if actions.actions.is_empty() || value.chars().count() > LONGEST_VALUE {
        return None;
    }
    let mut elements = vec![
        button(ids::APPROVE, yes, &value, Some("primary"), sure),
        button(ids::REJECT, no, &value, Some("danger"), sure),
    ];
    if sure.is_none() {
        elements.push(button(ids::DETAILS, "Details", &value, None, None));
    }
    Some(elements)
}

/// Whether an owner can do something about what is told.
fn is_of_owner(event: Event) -> bool {
    match event {
        Event::AccessKeyExpiring
        | Event::AccessKeyDeleting
        | Event::PermissionsUnused
        | Event::MfaMissing
        | Event::PasswordUnused
        | Event::UserUnused
        | Event::RoleUnused
        | Event::ReviewOverdue
        | Event::ExternalAccessFound => true,
        Event::AccessKeyDisabled
        | Event::AccessKeyDeleted
        | Event::PasswordPolicyUpdated
        | Event::PermissionsDetached
        | Event::ActionFailed
        | Event::ActionRolledBack
        | Event::ApprovalRequested
        | Event::ApprovalDecided
        | Event::ExemptionExpiring
        | Event::ExemptionRequested
        | Event::ExemptionDecided
        | Event::OwnershipDisputed
        | Event::RunFailed
        | Event::ReportDigest
        | Event::MfaRequired
        | Event::MfaRequirementLifted
        | Event::RootAccountAtRisk
        | Event::PasswordDeleted
        | Event::RoleQuarantined
        | Event::TrailAtRisk
        | Event::TrailChanged
        | Event::AlarmMissing
        | Event::AlarmCreated
        | Event::InstanceAtRisk
        | Event::InstanceChanged
        | Event::AnalyzerMissing
        | Event::AnalyzerCreated => false,
    }
}

fn of_owner(event: Event, findings: Vec<FindingId>) -> Option<Vec<Value>> {
    let value = json!(Findings { findings }).to_string();
    if value.chars().count() > LONGEST_VALUE {
        return None;
    }
    let is_of_key = event == Event::AccessKeyExpiring || event == Event::AccessKeyDeleting;
    let mended = if is_of_key { "I rotated it" } else { "I mended it" };
    Some(vec![
        button(ids::RECHECK, mended, &value, None, None),
        button(ids::ASK, "Ask for an exemption", &value, None, None),
        button(ids::NOT_MINE, "Not mine", &value, None, None),
    ])
}

fn button(id: &str, label: &str, value: &str, style: Option<&str>, sure: Option<&str>) -> Value {
    let mut button = json!({
        "type": "button",
        "action_id": id,
        "text": {"type": "plain_text", "text": label},
        "value": value,
    });
    if let Some(style) = style {
        button["style"] = json!(style);
    }
    if let Some(sure) = sure {
        button["confirm"] = json!({
            "title": {"type": "plain_text", "text": label},
            "text": {"type": "plain_text", "text": sure},
            "confirm": {"type": "plain_text", "text": label},
            "deny": {"type": "plain_text", "text": "Cancel"},
        });
    }
    button
}

/// A link as a button.
pub(super) fn link(label: &str, url: &str) -> Value {
    json!({"type": "actions", "elements": [{
        "type": "button",
        "action_id": ids::LINK,
        "text": {"type": "plain_text", "text": label},
        "url": url,
    }]})
}

/// Escapes text from outside as Slack asks, with what hides made visible.
fn escaped(text: &str) -> String {
    super::text::clip(&super::text::visible(text), 2_500)
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('`', "ˋ")
}

/// What is shown after a click. Words from outside are escaped here; `who` is the id of a user, which Slack shows as a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome<'a> {
    /// Who clicked: letters and digits.
    pub who: &'a str,
    /// What came of it, one sentence a line, without markup.
    pub lines: &'a [String],
}

impl Outcome<'_> {
    fn words(&self) -> String {
        let lines: Vec<_> = self.lines.iter().map(|line| escaped(line)).collect();
        format!("<@{}>: {}", self.who, lines.join("\n"))
    }

    fn block(&self) -> Value {
        json!({"type": "context", "elements": [{"type": "mrkdwn", "text": self.words(), "verbatim": true}]})
    }

    /// The message with the outcome in place of the buttons, or, where more people may click, below them.
    pub fn in_message(&self, blocks: &[Value], block_id: &str, keep_buttons: bool) -> String {
        let mut shown = Vec::with_capacity(blocks.len() + 1);
        for block in blocks {
            let clicked = block.get("block_id").and_then(Value::as_str) == Some(block_id);
            if !clicked || keep_buttons {
                shown.push(block.clone());
            }
            if clicked {
                shown.push(self.block());
            }
        }
        if shown.len() == blocks.len() && keep_buttons {
            shown.push(self.block());
        }
        // Slack takes 50; what was said last is what matters.
        let excess = shown.len().saturating_sub(50);
        shown.drain(..excess);
        json!({"replace_original": true, "text": self.words(), "blocks": shown}).to_string()
    }

    /// A word to whoever clicked, and to nobody else.
    pub fn to_the_person(&self, instead: bool) -> String {
        json!({
            "response_type": "ephemeral",
            "replace_original": instead,
            "text": self.words(),
            "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": self.words(), "verbatim": true}}],
        })
        .to_string()
    }
}

/// The form that asks for an exemption, seen by whoever clicked alone. `about` is from outside; `until` is the day that is
/// proposed.
pub fn exemption_form(about: &[String], findings: &Findings, until: chrono::NaiveDate) -> String {
    let about: Vec<_> = about.iter().map(|line| format!("• {}", escaped(line))).collect();
    let words = format!("Ask for an exemption of\n{}", about.join("\n"));
    let label = |text: &str| json!({"type": "plain_text", "text": text});
    json!({
        "response_type": "ephemeral",
        "replace_original": false,
        "text": "Ask for an exemption",
        "blocks": [
            {"type": "section", "text": {"type": "mrkdwn", "text": words, "verbatim": true}},
            {"type": "input", "block_id": ids::REASON, "label": label("Why it must stay as it is"), "element": {
                "type": "plain_text_input", "action_id": ids::REASON, "multiline": true, "max_length": 1_000,
            }},
            {"type": "input", "block_id": ids::UNTIL, "label": label("Until, that day included"), "element": {
                "type": "datepicker", "action_id": ids::UNTIL, "initial_date": until.to_string(),
            }},
            {"type": "actions", "elements": [
                button(ids::SEND, "Send the request", &json!(findings).to_string(), Some("primary"), None),
            ]},
        ],
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outcome_takes_the_place_of_the_buttons_and_is_escaped() {
        let blocks = [
            json!({"type": "section", "block_id": "a"}),
            json!({"type": "actions", "block_id": "b"}),
        ];
        let lines = ["approved <!channel> & `x`".to_owned()];
        let outcome = Outcome {
            who: "U1",
            lines: &lines,
        };
        let shown: Value = serde_json::from_str(&outcome.in_message(&blocks, "b", false)).unwrap();
        assert_eq!(shown["blocks"].as_array().unwrap().len(), 2);
        assert_eq!(
            shown["blocks"][1]["elements"][0]["text"],
            "<@U1>: approved &lt;!channel&gt; &amp; ˋxˋ"
        );
        let kept: Value = serde_json::from_str(&outcome.in_message(&blocks, "b", true)).unwrap();
        assert_eq!(kept["blocks"].as_array().unwrap().len(), 3);
        let elsewhere: Value = serde_json::from_str(&outcome.in_message(&blocks, "z", true)).unwrap();
        assert_eq!(elsewhere["blocks"].as_array().unwrap().len(), 3);
    }
}
