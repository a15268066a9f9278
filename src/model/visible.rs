//! Text from outside, made safe to look at.

use std::borrow::Cow;

/// The text with everything escaped that a reader could not see, or that would change how the rest is shown:
/// control characters, ANSI escapes, marks that turn the direction of writing, zero-width and other invisible
/// characters, line breaks, spaces other than the plain one. Each becomes `\u{202e}`, `\n` and the like; ordinary
/// letters of every script, their combining marks and emoji stay.
///
/// Names, tags and messages of AWS go through this before they reach a terminal, a report or a chat message.
/// Escaping for HTML, Markdown or a chat's own markup comes after it.
pub fn visible(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_plain(c) {
            out.push(c);
        } else if c.is_control() {
            out.extend(c.escape_debug());
        } else {
            out.extend(c.escape_unicode());
        }
    }
    Cow::Owned(out)
}

fn is_plain(c: char) -> bool {
    if c.is_ascii() {
        return c == ' ' || c.is_ascii_graphic();
    }
    if is_blank_letter(c) {
        return false;
    }
    // The standard library knows what can be printed: it escapes controls, format characters (bidi marks and
    // zero-width ones among them), unassigned and private ones, and every space but one. Behind another character
    // it keeps combining marks, hence the letter in front.
    let mut pair = String::with_capacity(5);
    pair.push('a');
    pair.push(c);
    pair.escape_debug().nth(1) == Some(c)
}

/// Characters that count as letters, marks or symbols but show nothing. The two emoji selectors stay.
fn is_blank_letter(c: char) -> bool {
    matches!(
        c,
        '\u{034f}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{17b4}'
            | '\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0d}'
            | '\u{ffa0}'
            | '\u{e0100}'..='\u{e01ef}'
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ordinary_text_stays() {
        for text in [
            "",
            "user/alice+ops=,.@-_",
            "a \"quoted\" 'name' with \\ and {braces}",
            "Zoë Müller, Łódź, Ελένη, Иван, 李小龙, 東京, עברית, العربية",
            "e\u{301}te\u{301}",
            "✓ → ▲ 🔑 ❤\u{fe0f}",
        ] {
            assert_eq!(visible(text), text);
        }
    }

    #[test]
    fn what_deceives_the_eye_is_shown() {
        for (text, shown) in [
            ("a\u{1b}[31mred\u{1b}[0m", "a\\u{1b}[31mred\\u{1b}[0m"),
            ("a\u{9b}31m", "a\\u{9b}31m"),
            ("one\ntwo\r\tthree\0", "one\\ntwo\\r\\tthree\\0"),
            ("admin\u{202e}gpj.exe", "admin\\u{202e}gpj.exe"),
            (
                "\u{2066}x\u{2069}\u{200f}\u{61c}",
                "\\u{2066}x\\u{2069}\\u{200f}\\u{61c}",
            ),
            (
                "al\u{200b}ice\u{feff}\u{ad}\u{2060}",
                "al\\u{200b}ice\\u{feff}\\u{ad}\\u{2060}",
            ),
            ("a\u{a0}b\u{2028}c\u{3000}", "a\\u{a0}b\\u{2028}c\\u{3000}"),
            (
                "x\u{3164}\u{e0041}\u{e000}\u{fe01}",
                "x\\u{3164}\\u{e0041}\\u{e000}\\u{fe01}",
            ),
            ("\u{7f}", "\\u{7f}"),
        ] {
            assert_eq!(visible(text), shown);
        }
    }

    proptest! {
        #[test]
        fn nothing_unseen_remains_and_twice_is_once(text in any::<String>()) {
            let once = visible(&text).into_owned();
            prop_assert!(once.chars().all(|c| !c.is_control()));
            let unseen = once.contains(['\u{202e}', '\u{200b}', '\u{2066}', '\u{feff}']);
            prop_assert!(!unseen);
            prop_assert_eq!(visible(&once), once.as_str());
        }

        #[test]
        fn printable_ascii_is_never_touched(text in "[ -~]{0,60}") {
            prop_assert_eq!(visible(&text), text.as_str());
        }
    }
}
