//! Text without markup: words of ours and words from outside, with the little emphasis that every channel has. Each
//! channel turns it into its own markup and escapes it there, so that no text reaches a channel unescaped.

/// How a run of text stands out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Strong,
    /// Identifiers and commands, to be copied as they stand.
    Code,
}

/// A run of text in one style.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) style: Style,
    /// Already visible (see [`visible`]), not yet escaped.
    pub(super) text: String,
}

/// A line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Text(pub(super) Vec<Run>);

impl Text {
    pub(super) fn new() -> Self {
        Self::default()
    }

    fn push(mut self, style: Style, text: &str, longest: usize) -> Self {
        let text = clip(&visible(text), longest);
        match self.0.last_mut() {
            _ if text.is_empty() => {}
            Some(last) if last.style == style => last.text.push_str(&text),
            Some(_) | None => self.0.push(Run { style, text }),
        }
        self
    }

    /// Words in a sentence. Prose from outside may be endless, so it is cut.
    pub(super) fn say(self, text: &str) -> Self {
        self.push(Style::Plain, text, 700)
    }

    /// What matters most in a sentence.
    pub(super) fn strong(self, text: &str) -> Self {
        self.push(Style::Strong, text, 200)
    }

    /// An identifier or a command.
    pub(super) fn code(self, text: &str) -> Self {
        // The longest ARN of IAM is below 600: 512 of path, 128 of name, and what stands before.
        self.push(Style::Code, text, 700)
    }

    /// The words alone, for previews.
    pub(super) fn plain(&self) -> String {
        self.0.iter().map(|run| run.text.as_str()).collect()
    }
}

/// Text with everything made visible that could hide or reorder other text, and with mass mentions broken.
///
/// Line breaks become spaces: nobody but us begins a line. Control, format and bidirectional characters show as their
/// code point. `@everyone`, `@here`, `@channel` and `@all` get a word joiner behind the `@`, which people do not see and
/// chat services do not take for a mention; addresses stay as they are. So do `{{` and `}}`, which cards take for a
/// function.
pub(super) fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => out.push(' '),
            '@' if mentions_everybody(rest.as_str()) => out.push_str("@\u{2060}"),
            '{' | '}' if out.ends_with(c) => {
                out.push('\u{2060}');
                out.push(c);
            }
            c if is_hidden(c) => out.push_str(&format!("‹U+{:04X}›", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

fn mentions_everybody(after_at: &str) -> bool {
    ["everyone", "here", "channel", "all"].iter().any(|name| {
        let head = after_at.get(..name.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(name))
            && !after_at
                .get(name.len()..)
                .and_then(|tail| tail.chars().next())
                .is_some_and(char::is_alphanumeric)
    })
}

/// Control characters, format characters (Unicode category Cf) and letters that show as nothing.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
            | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// The text, cut to so many characters with an ellipsis.
pub(super) fn clip(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        None => text.to_owned(),
        Some(_) => {
            let kept: String = text.chars().take(longest.saturating_sub(1)).collect();
            format!("{kept}…")
        }
    }
}

/// How many bytes the text takes in JSON, quotes aside.
pub(super) fn json_length(text: &str) -> usize {
    text.chars()
        .map(|c| match c {
            '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
            c if u32::from(c) < 0x20 => 6,
            c => c.len_utf8(),
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_hides_is_shown_and_mass_mentions_are_broken() {
        for (from, to) in [
            ("alice", "alice"),
            ("a+b=c,d.e@f-g", "a+b=c,d.e@f-g"),
            ("evil\u{202e}gnp.exe", "evil‹U+202E›gnp.exe"),
            ("a\nb\tc", "a b c"),
            ("bell\u{7}", "bell‹U+0007›"),
            ("zero\u{200b}width\u{feff}", "zero‹U+200B›width‹U+FEFF›"),
            ("@everyone", "@\u{2060}everyone"),
            ("hi @Here!", "hi @\u{2060}Here!"),
            ("<!channel>", "<!channel>"),
            ("@hereford", "@hereford"),
            ("team@example.com", "team@example.com"),
            ("{{DATE(x)}}", "{\u{2060}{DATE(x)}\u{2060}}"),
            ("größe 日本", "größe 日本"),
        ] {
            assert_eq!(visible(from), to, "{from:?}");
        }
    }

    #[test]
    fn long_text_is_cut_at_characters() {
        assert_eq!(clip("abcdef", 6), "abcdef");
        assert_eq!(clip("abcdefg", 6), "abcde…");
        assert_eq!(clip("日本語日本語", 4), "日本語…");
    }

    proptest! {
        #[test]
        fn nothing_hidden_is_left(text in "\\PC{0,60}|[\\x00-\\x20\u{200b}-\u{2069}@everyone{}]{0,40}") {
            let shown = visible(&text);
            // The word joiner is ours; an outside one would have been shown as its code point.
            let hidden = shown.chars().any(|c| is_hidden(c) && c != '\u{2060}');
            prop_assert!(!hidden);
            prop_assert!(!shown.to_lowercase().contains("@everyone ") && !shown.contains("{{"));
        }

        #[test]
        fn lengths_in_json_are_exact(text in any::<String>()) {
            prop_assert_eq!(json_length(&text) + 2, serde_json::to_string(&text).unwrap().len());
        }
    }
}
