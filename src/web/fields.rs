//! What a form or a query holds.

use std::borrow::Cow;

/// Names with their values, in the order in which they were sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// Reads `application/x-www-form-urlencoded`.
    pub(super) fn parse(text: &[u8]) -> Self {
        let owned = |(name, value): (Cow<'_, str>, Cow<'_, str>)| (name.into_owned(), value.into_owned());
        Self(url::form_urlencoded::parse(text).map(owned).collect())
    }

    /// The first value of that name, without the space around it; `None`: there is none, or it is blank.
    pub(super) fn get<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.all(name).next()
    }

    /// All values of that name that are not blank.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.0.iter().filter(move |(known, _)| known == name);
        named
            .map(|(_, value)| value.trim())
            .filter(|value| !value.is_empty())
    }

    /// The same as a query, without what is blank and without one name.
    pub(super) fn query_without(&self, name: &str) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (known, value) in &self.0 {
            if known != name && !value.trim().is_empty() {
                query.append_pair(known, value);
            }
        }
        query.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_trimmed_and_blank_ones_are_none() {
        let fields = Fields::parse(b"rule=+a%26b+&owner=&action=1&action=2&reason=%20");
        assert_eq!(fields.get("rule"), Some("a&b"));
        assert_eq!(fields.get("owner"), None);
        assert_eq!(fields.get("reason"), None);
        assert_eq!(fields.all("action").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(fields.query_without("action"), "rule=+a%26b+");
    }
}
