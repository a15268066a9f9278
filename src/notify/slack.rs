//! Slack's form: Block Kit for an incoming webhook.
//!
//! Limits (Slack's reference, "Blocks" and "Section block"; the last is ours): 50 blocks a message, 3000 characters a
//! section, 12 kB a message. Outside text is escaped as Slack asks (`&`, `<`, `>`), which also takes `<!channel>` its
//! meaning; a backtick would end a code run and is replaced. Sections are `verbatim`, so that Slack makes no mentions of
//! bare words.

use serde_json::{Value, json};

use super::message::Message;
use super::text::{Style, Text, json_length};
use super::wording::{self, Paragraph};

/// The longest message in bytes.
pub(super) const LONGEST: usize = 12_000;
const MOST_BLOCKS: usize = 50;
const LONGEST_SECTION: usize = 2_900;

/// The JSON to post, and whether it keeps Slack's limits.
pub(super) fn encode(message: &Message) -> (String, bool) {
    let page = wording::write(message);
    let mut blocks = Vec::new();
    for paragraph in &page.paragraphs {
        let (lines, bytes) = match paragraph {
            Paragraph::Item(lines) => (lines, 5_500),
            Paragraph::Advice(lines) => (lines, 2_500),
        };
        let mut section = Mrkdwn::new(LONGEST_SECTION, bytes);
        if let (true, Some(mention)) = (blocks.is_empty(), &message.mention) {
            section.mention(mention);
        }
        section.lines(lines);
        blocks.push(json!({"type": "section", "text": section.into_element(true)}));
    }
    let mut footer = Mrkdwn::new(LONGEST_SECTION, 1_000);
    footer.text(&page.footer);
    blocks.push(json!({"type": "context", "elements": [footer.into_element(true)]}));
    let mut preview = Mrkdwn::new(300, 900);
    preview.plain(&page.headline.plain());
    if page.more > 0 {
        preview.plain(&format!(" (and {} more)", page.more));
    }
    let block_count = blocks.len();
    let body = json!({"text": preview.out, "blocks": blocks, "unfurl_links": false, "unfurl_media": false});
    let body = body.to_string();
    let fits = body.len() <= LONGEST && block_count <= MOST_BLOCKS;
    (body, fits)
}

/// Slack's markup, written character by character so that a cut never splits an escape or leaves a run open.
struct Mrkdwn {
    out: String,
    characters: usize,
    bytes: usize,
    full: bool,
}

impl Mrkdwn {
    fn new(characters: usize, bytes: usize) -> Self {
        Self {
            out: String::new(),
            characters,
            bytes,
            full: false,
        }
    }

    fn token(&mut self, token: &str) {
        // Room for the ellipsis and for the mark that closes a run.
        let (characters, bytes) = (token.chars().count() + 2, json_length(token) + 4);
        if self.full || characters > self.characters || bytes > self.bytes {
            if !self.full {
                self.out.push('…');
            }
            self.full = true;
            return;
        }
        self.characters -= characters - 2;
        self.bytes -= bytes - 4;
        self.out.push_str(token);
    }

    /// From the configuration: given as it stands.
    fn mention(&mut self, mention: &str) {
        self.token(mention);
        self.token(" ");
    }

    fn plain(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '&' => self.token("&amp;"),
                '<' => self.token("&lt;"),
                '>' => self.token("&gt;"),
                '`' => self.token("ˋ"),
                c => self.token(c.encode_utf8(&mut [0; 4])),
            }
        }
    }

    fn text(&mut self, text: &Text) {
        for run in &text.0 {
            let mark = match run.style {
                Style::Plain => "",
                Style::Strong => "*",
                Style::Code => "`",
            };
            if self.full {
                return;
            }
            self.out.push_str(mark);
            self.plain(&run.text);
            self.out.push_str(mark);
            self.characters = self.characters.saturating_sub(2 * mark.len());
            self.bytes = self.bytes.saturating_sub(2 * mark.len());
        }
    }

    fn lines(&mut self, lines: &[Text]) {
        for (n, line) in lines.iter().enumerate() {
            if n > 0 {
                self.token("\n");
            }
            self.text(line);
        }
    }

    fn into_element(self, verbatim: bool) -> Value {
        json!({"type": "mrkdwn", "text": self.out, "verbatim": verbatim})
    }
}
