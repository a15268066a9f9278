//! Who decides, asks or answers.

use serde::{Deserialize, Serialize};

/// How a person reached iamwarden. What the name is worth depends on it: at the command line it is what was typed, in a
/// chat the user id that the service signed, on a page the subject that was signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// `iamwarden approve` and the like.
    #[default]
    CommandLine,
    /// A button in a chat.
    Chat,
    /// A page, or the API behind it.
    Page,
}

impl Way {
    /// The word in the journal and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CommandLine => "command_line",
            Self::Chat => "chat",
            Self::Page => "page",
        }
    }
}

/// A person, as the way by which they came names them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Person {
    /// A name, a chat user id or a subject.
    pub name: String,
    /// By which way.
    pub way: Way,
}

impl Person {
    /// Somebody by this name, who came by this way.
    pub fn new(name: impl Into<String>, way: Way) -> Self {
        Self {
            name: name.into(),
            way,
        }
    }
}

impl std::fmt::Display for Person {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}
