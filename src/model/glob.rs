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
        let pattern: Vec<char> = self.0.chars().flat_map(char::to_lowercase).collect();
        let text: Vec<char> = text.chars().flat_map(char::to_lowercase).collect();
        let (mut p, mut t) = (0, 0);
        // Where to go on after a mismatch: just behind the last star, one character further in the text.
        let mut resume: Option<(usize, usize)> = None;
        while t < text.len() {
            match pattern.get(p) {
                Some('*') => {
                    resume = Some((p + 1, t));
                    p += 1;
                }
                Some(&c) if c == '?' || Some(&c) == text.get(t) => {
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
            .is_some_and(|rest| rest.iter().all(|&c| c == '*'))
    }
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

    proptest! {
        #[test]
        fn a_text_matches_itself_and_every_cut_with_a_star(text in "[a-zA-Z0-9/+=,.@-]{1,40}", at in 0usize..40) {
            let at = at.min(text.len());
            prop_assert!(Glob::new(text.clone()).matches(&text));
            let cut = format!("{}*", &text[..at]);
            prop_assert!(Glob::new(cut).matches(&text));
        }
    }
}
