//! Patterns with `*` and `?`, without regard to case.

use serde::{Deserialize, Serialize};

/// A glob: `*` stands for any text (slashes too), `?` for one character; letters match in either case.
///
/// The same matching serves principal patterns and the action patterns of policy documents.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(transparent)]
pub struct Glob(String);

impl Glob {
    /// Keeps the pattern as written.
    pub fn new(pattern: impl Into<String>) -> Self {
        Self(pattern.into())
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the whole text matches. An empty pattern matches nothing, not even an empty text: an empty
    /// selector means nothing, never everything.
    pub fn matches(&self, text: &str) -> bool {
        if self.0.is_empty() {
            return false;
        }
        if self.0.is_ascii() && text.is_ascii() {
            // Nearly all that is ever matched; nothing is allocated for it.
            let (pattern, text) = (self.0.as_bytes(), text.as_bytes());
            return matches_whole(pattern, text, b'*', |p, t| {
                p == b'?' || p.eq_ignore_ascii_case(&t)
            });
        }
        let pattern: Vec<char> = self.0.chars().flat_map(char::to_lowercase).collect();
        let text: Vec<char> = text.chars().flat_map(char::to_lowercase).collect();
        matches_whole(&pattern, &text, '*', |p, t| p == '?' || p == t)
    }
}

/// Whether the pattern stands for the whole text, letter by letter as `fits` says.
fn matches_whole<T: Copy + PartialEq>(
    pattern: &[T],
    text: &[T],
    star: T,
    fits: impl Fn(T, T) -> bool,
) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where to go on after a mismatch: just behind the last star, one letter further in the text.
    let mut resume: Option<(usize, usize)> = None;
    while let Some(&letter) = text.get(t) {
        match pattern.get(p) {
            Some(&c) if c == star => {
                resume = Some((p + 1, t));
                p += 1;
            }
            Some(&c) if fits(c, letter) => {
                p += 1;
                t += 1;
            }
            _ => match resume {
                Some((after_star, from)) => {
                    p = after_star;
                    t = from + 1;
                    resume = Some((after_star, from + 1));
                }
                None => return false,
            },
        }
    }
    pattern
        .get(p..)
        .is_some_and(|rest| rest.iter().all(|&c| c == star))
}

impl std::fmt::Display for Glob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn stars_cross_slashes_and_case_is_ignored() {
        assert!(Glob::new("user/*").matches("user/a/b"));
        assert!(Glob::new("USER/ci-?").matches("user/ci-1"));
        assert!(!Glob::new("user/ci-?").matches("user/ci-"));
        assert!(Glob::new("*a*b*").matches("xxaxxbxx"));
        assert!(!Glob::new("").matches(""));
        assert!(Glob::new("*").matches(""));
    }

    #[test]
    fn letters_beyond_ascii_match_in_either_case_too() {
        assert!(Glob::new("user/ÄRGER-*").matches("user/ärger-1"));
        assert!(Glob::new("user/?rger").matches("user/ärger"));
        assert!(!Glob::new("user/arger").matches("user/ärger"));
    }

    proptest! {
        #[test]
        fn ascii_takes_no_other_way_than_the_rest(pattern in "[aBc*?/]{1,6}", text in "[AbC*?/]{0,8}") {
            // The ends are beyond ASCII, so that both ways are gone.
            let other = Glob::new(format!("ä{pattern}")).matches(&format!("Ä{text}"));
            prop_assert_eq!(Glob::new(pattern).matches(&text), other);
        }

        #[test]
        fn a_text_matches_itself_and_every_cut_with_a_star(text in "[a-zA-Z0-9/+=,.@-]{1,40}", at in 0usize..40) {
            let at = at.min(text.len());
            prop_assert!(Glob::new(text.clone()).matches(&text));
            let cut = format!("{}*", &text[..at]);
            prop_assert!(Glob::new(cut).matches(&text));
        }
    }
}
