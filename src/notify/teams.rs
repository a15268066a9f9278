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
    let actions: Vec<_> = message
        .link()
        .map(|(title, url)| json!({"type": "Action.OpenUrl", "title": title, "url": url}))
        .into_iter()
        .collect();
    let more = match page.more {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    let summary = format!("{}{more}", clip(&page.headline.plain(), 250));
    let mut card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "fallbackText": summary,
        "msteams": {"width": "Full", "entities": entities},
        "body": body,
    });
    if !actions.is_empty() {
        card["actions"] = json!(actions);
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Event, Owner};
    use crate::notify::sample::{self, Told};

    fn told(owner: &str) -> Told {
        let (mut finding, action) = sample::unused_policy();
        finding.owner = Some(Owner(owner.to_owned()));
        let notices = vec![sample::notice(&finding, &action.change.subject())];
        Told {
            notifications: vec![sample::notification(
                Event::PermissionsUnused,
                &[&finding],
                notices,
            )],
            findings: vec![finding],
            actions: vec![action],
            ..Told::default()
        }
    }

    #[test]
    fn a_card_whole() {
        let (body, fits) = encode(&told("platform@example.com").message_for("platform"));
        assert!(fits);
        let body: Value = serde_json::from_str(&body).unwrap();
        insta::assert_snapshot!(serde_json::to_string_pretty(&body).unwrap(), @r#"
        {
          "attachments": [
            {
              "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "body": [
                  {
                    "text": "<at>platform@example.com</at>",
                    "type": "TextBlock",
                    "wrap": true
                  },
                  {
                    "items": [
                      {
                        "inlines": [
                          {
                            "text": "Policy ",
                            "type": "TextRun"
                          },
                          {
                            "fontType": "Monospace",
                            "text": "sqs-admin",
                            "type": "TextRun"
                          },
                          {
                            "text": " on role ",
                            "type": "TextRun"
                          },
                          {
                            "fontType": "Monospace",
                            "text": "reporting",
                            "type": "TextRun"
                          },
                          {
                            "text": " in prod (123456789012) ",
                            "type": "TextRun"
                          },
                          {
                            "text": "will be detached on Mon 30 Nov 2026 06:00 UTC",
                            "type": "TextRun",
                            "weight": "Bolder"
                          },
                          {
                            "text": " (7 days left)",
                            "type": "TextRun"
                          }
                        ],
                        "type": "RichTextBlock"
                      },
                      {
                        "inlines": [
                          {
                            "text": "Why: Policy sqs-admin of reporting grants only what was not used for 90d. It grants sqs, which was never used. (rule ",
                            "type": "TextRun"
                          },
                          {
                            "fontType": "Monospace",
                            "text": "unused_permissions",
                            "type": "TextRun"
                          },
                          {
                            "text": ")",
                            "type": "TextRun"
                          }
                        ],
                        "type": "RichTextBlock"
                      },
                      {
                        "inlines": [
                          {
                            "text": "Action ",
                            "type": "TextRun"
                          },
                          {
                            "fontType": "Monospace",
                            "text": "act_086e3f83f7c226eb6d81345a",
                            "type": "TextRun"
                          },
                          {
                            "text": ". Once done, it can be undone: ",
                            "type": "TextRun"
                          },
                          {
                            "fontType": "Monospace",
                            "text": "iamwarden rollback --action act_086e3f83f7c226eb6d81345a",
                            "type": "TextRun"
                          }
                        ],
                        "type": "RichTextBlock"
                      },
                      {
                        "inlines": [
                          {
                            "text": "Held back for now: it waits for approval.",
                            "type": "TextRun"
                          }
                        ],
                        "type": "RichTextBlock"
                      }
                    ],
                    "separator": true,
                    "type": "Container"
                  },
                  {
                    "items": [
                      {
                        "inlines": [
                          {
                            "text": "If the permissions are needed, ask whoever runs iamwarden for an exemption (an entry in ",
                            "type": "TextRun"
                          },
                          {
                            "fontType": "Monospace",
                            "text": "[[exemptions]]",
                            "type": "TextRun"
                          },
                          {
                            "text": " with ",
                            "type": "TextRun"
                          },
                          {
                            "fontType": "Monospace",
                            "text": "principals = [\"role/service/reporting\"], rules = [\"unused_permissions\"], until, reason",
                            "type": "TextRun"
                          },
                          {
                            "text": ").",
                            "type": "TextRun"
                          }
                        ],
                        "type": "RichTextBlock"
                      }
                    ],
                    "separator": false,
                    "type": "Container"
                  },
                  {
                    "inlines": [
                      {
                        "size": "Small",
                        "text": "iamwarden for platform@example.com · run ",
                        "type": "TextRun"
                      },
                      {
                        "fontType": "Monospace",
                        "size": "Small",
                        "text": "run_01KAQ8V3Q6",
                        "type": "TextRun"
                      }
                    ],
                    "type": "RichTextBlock"
                  }
                ],
                "fallbackText": "Policy sqs-admin on role reporting in prod (123456789012) will be detached on Mon 30 Nov 2026 06:00 UTC (7 days left)",
                "msteams": {
                  "entities": [
                    {
                      "mentioned": {
                        "id": "platform@example.com",
                        "name": "platform@example.com"
                      },
                      "text": "<at>platform@example.com</at>",
                      "type": "mention"
                    }
                  ],
                  "width": "Full"
                },
                "type": "AdaptiveCard",
                "version": "1.4"
              },
              "contentType": "application/vnd.microsoft.card.adaptive",
              "contentUrl": null
            }
          ],
          "summary": "Policy sqs-admin on role reporting in prod (123456789012) will be detached on Mon 30 Nov 2026 06:00 UTC (7 days left)",
          "type": "message"
        }
        "#);
    }

    #[test]
    fn outside_text_stands_in_runs_only() {
        let mut told = told("platform@example.com");
        let nasty = "[x](https://evil.example) **b** <at>all</at> {{DATE(2026-11-23)}} \u{202e}";
        told.findings[0].title = nasty.to_owned();
        let (body, _) = encode(&told.message_for("platform"));
        let body: Value = serde_json::from_str(&body).unwrap();
        let card = &body["attachments"][0]["content"];
        // Markdown is read in text blocks only: the one there is is the configured mention.
        let mut text_blocks = Vec::new();
        collect_text_blocks(card, &mut text_blocks);
        assert_eq!(text_blocks, ["<at>platform@example.com</at>"]);
        assert_eq!(card["msteams"]["entities"].as_array().unwrap().len(), 1);
        let text = body.to_string();
        assert!(!text.contains("{{DATE") && !text.contains('\u{202e}'));
    }

    fn collect_text_blocks(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                if map.get("type") == Some(&json!("TextBlock")) {
                    found.push(map["text"].as_str().unwrap().to_owned());
                }
                map.values().for_each(|inner| collect_text_blocks(inner, found));
            }
            Value::Array(items) => items.iter().for_each(|inner| collect_text_blocks(inner, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}
