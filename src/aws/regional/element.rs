//! Answers in XML as trees: what is not there is an [`Odd`], never a default.

use super::super::convert::{Converted, Odd};

/// How deep elements may stand in each other: ten times what answers are, and far from what a stack holds.
const DEEPEST: usize = 100;

/// Why a text is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ElementError {
    /// Not XML, or not all of it.
    #[error(transparent)]
    Syntax(#[from] roxmltree::Error),
    /// No answer of AWS, whatever it is.
    #[error("more than {DEEPEST} elements stand in each other")]
    Depth,
}

/// An element of an answer. Namespaces are dropped: within one answer no two elements share a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Element {
    name: String,
    text: String,
    children: Vec<Element>,
}

impl Element {
    /// Parses a whole document; one that breaks off is none.
    pub(super) fn parse(text: &str) -> Result<Self, ElementError> {
        let document = roxmltree::Document::parse(text)?;
        Self::of(document.root_element(), DEEPEST)
    }

    /// The element, with at most so many in each other.
    fn of(node: roxmltree::Node<'_, '_>, depth: usize) -> Result<Self, ElementError> {
        let depth = depth.checked_sub(1).ok_or(ElementError::Depth)?;
        let children = node.children().filter(roxmltree::Node::is_element);
        Ok(Self {
            name: node.tag_name().name().to_owned(),
            text: node.text().unwrap_or_default().trim().to_owned(),
            children: children
                .map(|child| Self::of(child, depth))
                .collect::<Result<_, _>>()?,
        })
    }

    /// The first child of that name.
    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The child of that name.
    pub(super) fn needed(&self, name: &str) -> Converted<&Self> {
        self.child(name)
            .ok_or_else(|| Odd(format!("`{name}` is missing in the answer")))
    }

    /// The members of the list of that name: all its children of the member's name. No such list is none.
    pub(super) fn members<'a>(&'a self, list: &str, member: &'a str) -> impl Iterator<Item = &'a Self> {
        let children = self.child(list).map(|list| list.children.as_slice());
        children
            .unwrap_or_default()
            .iter()
            .filter(move |child| child.name == member)
    }

    /// The text of the child of that name, where there is any.
    pub(super) fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name)
            .map(|child| child.text.as_str())
            .filter(|text| !text.is_empty())
    }

    /// The text of the child of that name.
    pub(super) fn needed_text(&self, name: &str) -> Converted<&str> {
        self.text_of(name)
            .ok_or_else(|| Odd(format!("`{name}` is missing in the answer")))
    }

    /// `true` or `false` in the child of that name.
    pub(super) fn needed_flag(&self, name: &str) -> Converted<bool> {
        match self.needed_text(name)? {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(Odd(format!("`{name}` is neither true nor false"))),
        }
    }

    /// This element, or the first below it of that name.
    pub(super) fn find(&self, name: &str) -> Option<&Self> {
        if self.name == name {
            return Some(self);
        }
        self.children.iter().find_map(|child| child.find(name))
    }

    /// Its text.
    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_by_its_names() {
        let text = "<?xml version=\"1.0\"?>\n<R xmlns=\"http://x/\"><s><item><id> i-1 </id><on>true</on></item><item/></s><e/></R>";
        let answer = Element::parse(text).unwrap();
        let items: Vec<_> = answer.members("s", "item").collect();
        assert_eq!(items.len(), 2);
        assert_eq!(items[0].needed_text("id"), Ok("i-1"));
        assert_eq!(items[0].needed_flag("on"), Ok(true));
        assert!(items[0].needed_flag("id").is_err());
        assert!(items[1].needed_text("id").is_err());
        assert_eq!(answer.text_of("e"), None, "empty is none");
        assert_eq!(answer.members("gone", "item").count(), 0);
        assert_eq!(answer.find("on").map(Element::text), Some("true"));
    }

    #[test]
    fn an_answer_that_breaks_off_is_none() {
        for broken in ["", "<a>", "<a><b/>", "text", "<a/><b/>", "<a>&gone;</a>"] {
            assert!(Element::parse(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn an_answer_that_is_deeper_than_any_is_none() {
        let nested = |times: usize| format!("{}{}", "<a>".repeat(times), "</a>".repeat(times));
        assert!(Element::parse(&nested(DEEPEST)).is_ok());
        for times in [DEEPEST + 1, 100_000] {
            assert!(
                matches!(Element::parse(&nested(times)), Err(ElementError::Depth)),
                "{times}"
            );
        }
    }
}
