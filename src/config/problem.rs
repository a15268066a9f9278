//! What is wrong with a configuration, and where.
//!
//! A value is repeated in a message only where it cannot be a secret: never one of a key that takes a reference to
//! a secret, and never one that looks like a URL or is too long to read.

use std::fmt;
use std::path::PathBuf;

/// A line and a column of a file, both counted from 1; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The character in it.
    pub column: usize,
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// `config/default.toml`, compiled in.
    BuiltIn,
    /// The configuration file.
    File(PathBuf),
    /// An environment variable.
    Variable(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => f.write_str("built-in defaults"),
            Self::File(path) => write!(f, "{}", printable(&path.display().to_string())),
            Self::Variable(name) => write!(f, "environment variable {}", printable(name)),
        }
    }
}

/// Where in its source a problem lies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Which source.
    pub source: Source,
    /// Where in it; `None`: the whole of it.
    pub position: Option<Position>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.source)?;
        match self.position {
            Some(Position { line, column }) => write!(f, ":{line}:{column}"),
            None => Ok(()),
        }
    }
}

/// One thing that is wrong: where, with which key, what, and what is allowed instead.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// The key's path, such as `accounts[0].id`; empty: not of a key.
    pub key: String,
    /// What is wrong, and what is allowed.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", printable(&self.key))?;
        }
        f.write_str(&self.message)
    }
}

/// All that is wrong with a configuration; printed one a line, in the order of the file. Never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigErrors {
    problems: Vec<Problem>,
}

impl ConfigErrors {
    /// `Ok` where there is no problem.
    ///
    /// # Errors
    /// All of them, sorted and each once.
    pub(super) fn unless_none(mut problems: Vec<Problem>) -> Result<(), Self> {
        if problems.is_empty() {
            return Ok(());
        }
        problems.sort();
        problems.dedup();
        Err(Self { problems })
    }

    pub(super) fn one(problem: Problem) -> Self {
        Self {
            problems: vec![problem],
        }
    }

    /// Each of them: built-in defaults, file, environment; by position.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.problems.iter().enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

/// A text without control and direction characters, so that it cannot play with a terminal.
pub(super) fn printable(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    text.chars()
        .flat_map(|c| {
            let escaped = hidden(c).then(|| c.escape_unicode());
            let plain = escaped.is_none().then_some(c);
            escaped.into_iter().flatten().chain(plain)
        })
        .collect()
}

/// The value in quotes where it may be shown; else words that stand for it.
pub(super) fn quoted(value: &str) -> String {
    const READABLE: usize = 60;
    if value.contains("://") || value.chars().count() > READABLE {
        "the value (not shown)".to_owned()
    } else {
        format!("`{}`", printable(value))
    }
}

/// The known word nearest to this one, where one is near enough to be meant.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const NEAR: f64 = 0.75;
    let word = word.to_lowercase();
    known
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&word, &candidate.to_lowercase()), candidate))
        .filter(|(likeness, _)| *likeness >= NEAR)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// Words of which one is allowed: `a`, `b` or `c`.
pub(super) fn alternatives<S: AsRef<str>>(words: &[S]) -> String {
    listed(words, "or")
}

/// Words as people list them: `a`, `b` and `c`.
pub(super) fn listed<S: AsRef<str>>(words: &[S], joint: &str) -> String {
    match words {
        [] => "nothing".to_owned(),
        [one] => format!("`{}`", one.as_ref()),
        [first @ .., last] => {
            let first: Vec<_> = first.iter().map(|word| format!("`{}`", word.as_ref())).collect();
            format!("{} {joint} `{}`", first.join(", "), last.as_ref())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_each_in_the_order_of_the_file() {
        let problem = |line, message: &str| Problem {
            place: Place {
                source: Source::File("config/iamwarden.toml".into()),
                position: Some(Position { line, column: 3 }),
            },
            key: "accounts[0].id".into(),
            message: message.into(),
        };
        let errors = ConfigErrors::unless_none(vec![problem(12, "b"), problem(9, "a"), problem(12, "b")]);
        insta::assert_snapshot!(errors.unwrap_err(), @r"
        config/iamwarden.toml:9:3: accounts[0].id: a
        config/iamwarden.toml:12:3: accounts[0].id: b
        ");
        assert!(ConfigErrors::unless_none(Vec::new()).is_ok());
    }

    #[test]
    fn what_could_be_a_secret_or_play_with_the_terminal_is_not_shown() {
        assert_eq!(
            quoted("https://hooks.example.com/T0/B0/x"),
            "the value (not shown)"
        );
        assert_eq!(quoted(&"x".repeat(61)), "the value (not shown)");
        assert_eq!(quoted("a\u{1b}[31mb\u{202e}"), "`a\\u{1b}[31mb\\u{202e}`");
    }

    #[test]
    fn the_nearest_word_or_none() {
        let known = ["access_key_rotation", "password_policy", "unused_permissions"];
        assert_eq!(nearest("acess_key_rotatoin", known), Some("access_key_rotation"));
        assert_eq!(nearest("PASSWORD_POLICY", known), Some("password_policy"));
        assert_eq!(nearest("xyz", known), None);
    }
}
