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
    let text = format!("iamwarden reaches this channel ({channel}). A person asked for this test; nothing is to be done.");
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
    let mut parts: Vec<Vec<(Event, Item)>> = Vec::new();
    let mut current: Vec<(Event, Item)> = Vec::new();
    for (event, item) in message.items() {
        current.push((event, item.clone()));
        if current.len() > 1 && !encode(&with_items(message, &current, WIDEST), kind).1 {
            let last = current.pop();
            parts.push(std::mem::take(&mut current));
            current.extend(last);
        }
    }
    parts.push(current);
    let of = parts.len();
    let number_them = |(n, items): (usize, &Vec<(Event, Item)>)| {
        let part = (of > 1).then_some(Part { number: n + 1, of });
        with_items(message, items, part)
    };
    parts.iter().enumerate().map(number_them).collect()
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
