//! Teams' form: an Adaptive Card in the envelope that Workflows webhooks take.
//!
//! Words stand in `RichTextBlock`s, whose runs Teams shows as they are: no Markdown is read in them, so there is nothing
//! to escape (Adaptive Cards schema, `TextRun`). Only the configured mention needs a `TextBlock`, and an entity beside it.
//! A message may have 28 kB (Teams limits, "incoming webhook message size").

use serde_json::{Value, json};

use super::message::Message;
use super::text::{Run, Style, Text, clip};
use super::wording::{self, Paragraph};

/// The longest message in bytes, with room for what Teams itself adds.
pub(super) const LONGEST: usize = 26_000;

/// The JSON to post, and whether it keeps Teams' limit.
pub(super) fn encode(message: &Message) -> (String, bool) {
    let page = wording::write(message);
    let mut body = Vec::new();
    let mut entities = Vec::new();
    if let Some(mention) = &message.mention {
        body.push(json!({"type": "TextBlock", "text": mention, "wrap": true}));
        entities.extend(mention_entity(mention));
    }
    for paragraph in &page.paragraphs {
        let (lines, separator) = match paragraph {
            Paragraph::Item(lines) => (lines, true),
            Paragraph::Advice(lines) => (lines, false),
        };
        let blocks: Vec<_> = lines.iter().map(|line| block(line, "Default")).collect();
        body.push(json!({"type": "Container", "separator": separator, "items": blocks}));
    }
    body.push(block(&page.footer, "Small"));
    let more = match page.more {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    let summary = format!("{}{more}", clip(&page.headline.plain(), 250));
    let card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "fallbackText": summary,
        "msteams": {"width": "Full", "entities": entities},
        "body": body,
    });
    let envelope = json!({
        "type": "message",
        "summary": summary,
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": card,
        }],
    });
    let envelope = envelope.to_string();
    let fits = envelope.len() <= LONGEST;
    (envelope, fits)
}

fn block(line: &Text, size: &str) -> Value {
    let inlines: Vec<_> = line.0.iter().map(|run| inline(run, size)).collect();
    json!({"type": "RichTextBlock", "inlines": inlines})
}

fn inline(run: &Run, size: &str) -> Value {
    let mut inline = json!({"type": "TextRun", "text": run.text});
    if size != "Default" {
        inline["size"] = json!(size);
    }
    match run.style {
        Style::Plain => {}
        Style::Strong => inline["weight"] = json!("Bolder"),
        Style::Code => inline["fontType"] = json!("Monospace"),
    }
    inline
}

/// `<at>someone@example.com</at>` mentions whoever has that sign-in name; anything else is shown as it stands.
fn mention_entity(mention: &str) -> Option<Value> {
    let start = mention.find("<at>")?;
    let tail = mention.get(start..)?;
    let end = tail.find("</at>")?;
    let who = tail.get("<at>".len()..end)?;
    let tag = tail.get(..end + "</at>".len())?;
    Some(json!({"type": "mention", "text": tag, "mentioned": {"id": who, "name": who}}))
}
