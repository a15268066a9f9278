//! From a message to what is posted, and the splitting of what is too long for its channel.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::message::{Item, Message, Part, Section};
use super::{slack, teams, webhook};
use crate::config::ChannelKind;
use crate::model::Event;

/// What is posted to a channel of this kind: the bodies in order, nearly always one, because messages are split before
/// they are stored. Several come only of a channel whose kind was changed since.
pub fn render(message: &Message, kind: ChannelKind) -> Vec<String> {
    split(message, kind)
        .iter()
        .map(|part| encode(part, kind).0)
        .collect()
}

/// What is posted to try a channel out.
pub(super) fn render_test(kind: ChannelKind, channel: &str, now: DateTime<Utc>) -> String {
    let text = format!(
        "iamwarden reaches this channel ({channel}). A person asked for this test; nothing is to be done."
    );
    let body = match kind {
        ChannelKind::Slack => json!({"text": text}),
        ChannelKind::Teams => json!({
            "type": "message",
            "attachments": [{
                "contentType": "application/vnd.microsoft.card.adaptive",
                "contentUrl": null,
                "content": {
                    "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                    "type": "AdaptiveCard",
                    "version": "1.4",
                    "body": [{"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text}]}],
                },
            }],
        }),
        ChannelKind::Webhook => json!({"type": "iamwarden.test", "timestamp": now, "data": {"text": text}}),
    };
    body.to_string()
}

fn encode(message: &Message, kind: ChannelKind) -> (String, bool) {
    match kind {
        ChannelKind::Slack => slack::encode(message),
        ChannelKind::Teams => teams::encode(message),
        ChannelKind::Webhook => webhook::encode(message),
    }
}

/// The message in as few parts as the channel's limit allows, each with at least one item. The parts have the message's
/// own id: whoever stores them gives each its own.
///
/// A single item is never split: each channel cuts it to its own limit and says so.
pub(super) fn split(message: &Message, kind: ChannelKind) -> Vec<Message> {
    if encode(message, kind).1 {
        return vec![message.clone()];
    }
    let items: Vec<(Event, Item)> = message
        .items()
        .map(|(event, item)| (event, item.clone()))
        .collect();
    let mut parts: Vec<&[(Event, Item)]> = Vec::new();
    let mut rest = items.as_slice();
    while !rest.is_empty() {
        let (part, behind) = rest.split_at(how_many_fit(message, rest, kind));
        parts.push(part);
        rest = behind;
    }
    let of = parts.len();
    let number_them = |(n, items): (usize, &&[(Event, Item)])| {
        let part = (of > 1).then_some(Part { number: n + 1, of });
        with_items(message, items, part)
    };
    parts.iter().enumerate().map(number_them).collect()
}

/// How many of the first items fit together, at least one. Gallops and then halves: each measure writes the whole part.
fn how_many_fit(message: &Message, items: &[(Event, Item)], kind: ChannelKind) -> usize {
    let fits = |count: usize| {
        let part = items.get(..count).unwrap_or(items);
        encode(&with_items(message, part, WIDEST), kind).1
    };
    let (mut good, mut step) = (1, 1);
    while good < items.len() {
        let next = (good + step).min(items.len());
        if fits(next) {
            good = next;
            step *= 2;
        } else if step == 1 {
            break;
        } else {
            step /= 2;
            // From here on only smaller steps: the way up is over.
            while step > 0 {
                if good + step <= items.len() && fits(good + step) {
                    good += step;
                }
                step /= 2;
            }
            break;
        }
    }
    good
}

/// While parts are measured their number is not known yet.
const WIDEST: Option<Part> = Some(Part {
    number: 9_999,
    of: 9_999,
});

fn with_items(message: &Message, items: &[(Event, Item)], part: Option<Part>) -> Message {
    let mut sections: Vec<Section> = Vec::new();
    for (event, item) in items {
        match sections.last_mut() {
            Some(section) if section.event == *event => section.items.push(item.clone()),
            Some(_) | None => sections.push(Section {
                event: *event,
                items: vec![item.clone()],
            }),
        }
    }
    Message {
        // A part of a part keeps the number that people already know.
        part: message.part.or(part),
        sections,
        ..message.clone()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::notify::sample::{self, Told};
    use crate::notify::text::visible;

    fn limit(kind: ChannelKind) -> usize {
        match kind {
            ChannelKind::Slack => 12_000,
            ChannelKind::Teams => 28_000,
            ChannelKind::Webhook => 20_000,
        }
    }

    const KINDS: [ChannelKind; 3] = [ChannelKind::Slack, ChannelKind::Teams, ChannelKind::Webhook];

    fn check_limits(kind: ChannelKind, body: &str) {
        assert!(body.len() < limit(kind), "{kind:?}: {} bytes", body.len());
        let body: Value = serde_json::from_str(body).unwrap();
        if let Some(blocks) = body["blocks"].as_array() {
            assert!(blocks.len() <= 50);
            for block in blocks {
                let text = block["text"]["text"].as_str().unwrap_or_default();
                assert!(text.chars().count() <= 3_000);
            }
        }
    }

    fn many(count: usize) -> (Told, Message) {
        let mut told = Told::default();
        for n in 0..count {
            let name = format!("{n:03}-{}", "+=,.@-".repeat(20));
            let (finding, action) = sample::old_key(&name, n, sample::alice());
            told.notifications.push(sample::expiring(&finding, &action));
            told.findings.push(finding);
            told.actions.push(action);
        }
        // As the planner does: one notification for all.
        let mut first = told.notifications.remove(0);
        for other in told.notifications.drain(..) {
            first.findings.extend(other.findings);
            first.notices.extend(other.notices);
        }
        told.notifications.push(first);
        let mut config = sample::config();
        config
            .notifications
            .channels
            .retain(|channel| channel.name == "siem");
        config.notifications.channels[0].events.clear();
        config.notifications.channels[0].name = "secops".to_owned();
        let messages = told.messages(&config);
        let mut whole = messages[0].message.clone();
        whole.part = None;
        whole.sections[0].items = messages
            .iter()
            .flat_map(|part| part.message.sections[0].items.clone())
            .collect();
        (told, whole)
    }

    #[test]
    fn two_hundred_findings_are_split_and_none_is_lost() {
        let (told, whole) = many(200);
        for kind in KINDS {
            let parts = split(&whole, kind);
            assert!(parts.len() > 1, "{kind:?}");
            let items: Vec<_> = parts
                .iter()
                .flat_map(|part| part.items().map(|(_, item)| item))
                .collect();
            assert_eq!(items, whole.items().map(|(_, item)| item).collect::<Vec<_>>());
            let bodies = render(&whole, kind);
            for body in &bodies {
                check_limits(kind, body);
            }
            let all = bodies.concat();
            for action in &told.actions {
                assert!(all.contains(action.id.as_str()), "{kind:?} {}", action.id);
            }
            // What was split once is not split again.
            for part in &parts {
                assert_eq!(render(part, kind).len(), 1);
            }
        }
    }

    #[test]
    fn buttons_keep_slack_s_limits() {
        let (told, mut whole) = many(60);
        whole.buttons = true;
        whole.page = Some("https://iamwarden.example.com".to_owned());
        for event in [Event::ApprovalRequested, Event::AccessKeyExpiring] {
            whole.sections[0].event = event;
            let parts = split(&whole, ChannelKind::Slack);
            assert!(parts.len() > 1);
            let mut decided = 0;
            for part in &parts {
                let (body, fits) = encode(part, ChannelKind::Slack);
                assert!(fits);
                check_limits(ChannelKind::Slack, &body);
                let body: Value = serde_json::from_str(&body).unwrap();
                for block in body["blocks"].as_array().unwrap() {
                    let elements = block["elements"].as_array().cloned().unwrap_or_default();
                    assert!(elements.len() <= 25);
                    for button in elements.iter().filter(|element| element["type"] == "button") {
                        assert!(button["value"].as_str().unwrap_or_default().len() <= 2_000);
                        assert!(button["text"]["text"].as_str().unwrap().len() <= 75);
                        let sure = button["confirm"]["text"]["text"].as_str().unwrap_or_default();
                        assert!(sure.chars().count() <= 300);
                        decided += usize::from(
                            button["text"]["text"] == "Approve" || button["text"]["text"] == "I rotated it",
                        );
                    }
                }
            }
            assert_eq!(decided, told.actions.len(), "each has its own");
        }
        whole.copy = true;
        assert!(
            !render(&whole, ChannelKind::Slack).concat().contains("\"button\""),
            "copies are to be read"
        );
    }

    #[test]
    fn one_endless_finding_is_cut_and_says_so() {
        let (mut finding, action) = sample::old_key("alice", 7, sample::alice());
        finding
            .evidence
            .insert("services".to_owned(), json!(vec!["a service"; 5_000]));
        finding.detail = "\"\\\u{1}日".repeat(9_000);
        let told = Told {
            notifications: vec![sample::expiring(&finding, &action)],
            findings: vec![finding],
            actions: vec![action.clone()],
            ..Told::default()
        };
        let message = told.message_for("secops");
        for kind in KINDS {
            let bodies = render(&message, kind);
            assert_eq!(bodies.len(), 1);
            check_limits(kind, &bodies[0]);
            assert!(bodies[0].contains(action.id.as_str()));
            assert_eq!(
                bodies[0].contains("\"trimmed\":true"),
                kind == ChannelKind::Webhook
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn no_text_breaks_a_limit_or_a_run(title in any::<String>(), detail in "[<>&`*\"\\\\@\u{202e}a-z日 \n]{0,2000}") {
            let (mut finding, mut action) = sample::old_key("alice", 7, sample::alice());
            finding.title = title;
            finding.detail = detail.clone();
            action.withheld_reason = Some(crate::model::WithheldReason::Guardrail);
            action.withheld_detail = Some(detail);
            let told = Told {
                notifications: vec![sample::expiring(&finding, &action)],
                findings: vec![finding],
                actions: vec![action],
                ..Told::default()
            };
            let message = told.message_for("secops");
            for kind in KINDS {
                for body in render(&message, kind) {
                    check_limits(kind, &body);
                    if kind == ChannelKind::Slack {
                        let body: Value = serde_json::from_str(&body).unwrap();
                        let text = body["blocks"][0]["text"]["text"].as_str().unwrap();
                        // Backticks are only ours, and come in pairs.
                        prop_assert_eq!(text.matches('`').count() % 2, 0);
                        // Only the mention is in angle brackets.
                        prop_assert_eq!(text.matches('<').count(), 1);
                        let hidden = |c: char| !['\n', '\u{2060}'].contains(&c) && visible(&c.to_string()) != c.to_string();
                        let shown = !text.contains(hidden);
                        prop_assert!(shown);
                    }
                }
            }
        }
    }
}
