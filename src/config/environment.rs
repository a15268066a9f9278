//! The environment of the process, read here and nowhere else.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;

/// Environment variables, by name. Their values may be secrets: `Debug` shows names alone.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment {
    variables: BTreeMap<OsString, OsString>,
}

impl Environment {
    /// The variables of this process, as they are now.
    #[allow(
        clippy::disallowed_methods,
        reason = "the one place that reads the environment"
    )]
    pub fn of_process() -> Self {
        std::env::vars_os().collect()
    }

    /// No variables at all.
    pub fn empty() -> Self {
        Self::default()
    }

    /// The value of a variable; `None`: it is not set.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.variables.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    /// Every variable whose name starts so, by its whole name. What is no Unicode in a name is replaced, so that such a
    /// variable is none that anybody knows.
    pub(super) fn starting_with(&self, prefix: &str) -> impl Iterator<Item = (String, &OsStr)> {
        self.variables
            .iter()
            .map(|(name, value)| (name.to_string_lossy().into_owned(), value.as_os_str()))
            .filter(move |(name, _)| name.starts_with(prefix))
    }
}

impl<N: Into<OsString>, V: Into<OsString>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        let variables = variables
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        Self { variables }
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_given_but_not_shown() {
        let environment = Environment::from_iter([("SIEM_SECRET", "whsec_x"), ("PATH", "/bin")]);
        assert_eq!(environment.get("PATH"), Some(OsStr::new("/bin")));
        assert_eq!(environment.get("HOME"), None);
        assert_eq!(format!("{environment:?}"), r#"{"PATH", "SIEM_SECRET"}"#);
        assert_eq!(Environment::empty().starting_with("").count(), 0);
    }

    #[test]
    fn the_process_has_one() {
        let environment = Environment::of_process();
        assert!(environment.get("PATH").is_some());
    }
}
