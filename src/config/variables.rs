//! Environment variables that set keys: their names, and how their text is read.

use std::collections::BTreeMap;

use super::document::{self, Content, Node};
use super::problem::nearest;
use super::shape::{Key, Shape};

/// What variables that set a key start with.
pub(super) const PREFIX: &str = "IAMWARDEN__";

/// The path and the shape of the key that a variable sets, by what follows the prefix.
pub(super) fn find<'a>(shape: &'a Shape, suffix: &str) -> Option<(String, &'a Shape)> {
    if suffix.chars().any(char::is_lowercase) {
        return None;
    }
    let segments: Vec<_> = suffix.split("__").map(str::to_ascii_lowercase).collect();
    let mut shape = shape;
    for segment in &segments {
        shape = match shape {
            Shape::Table(keys) => &keys.get(segment)?.shape,
            Shape::Either(_)
            | Shape::List(_)
            | Shape::Text(_)
            | Shape::OrEmpty(_)
            | Shape::Choice(_)
            | Shape::Integer(..)
            | Shape::Boolean
            | Shape::Unreadable => return None,
        };
    }
    Some((segments.join("."), shape))
}

/// What is wrong with a variable that sets no key, by what follows the prefix.
pub(super) fn unknown(shape: &Shape, suffix: &str) -> String {
    let known = names(shape);
    match nearest(
        suffix,
        known.iter().filter_map(|known| known.strip_prefix(PREFIX)),
    ) {
        Some(meant) => format!("there is no such key; did you mean `{PREFIX}{meant}`?"),
        None => {
            format!(
                "there is no such key: {PREFIX} is followed by the key's path in upper case, joined by __"
            )
        }
    }
}

/// The variable that was meant by one that sets nothing, such as `IAMWARDEN_DRY_RUN`: whoever wrote it believes that it
/// does. Others that only start alike may be anybody's.
pub(super) fn nearly(shape: &Shape, name: &str) -> Option<String> {
    let flat = |name: &str| name.to_ascii_uppercase().replace("__", "_");
    names(shape).into_iter().find(|known| flat(known) == flat(name))
}

/// The names of all variables that set a key.
pub(super) fn names(shape: &Shape) -> Vec<String> {
    fn collect(keys: &BTreeMap<String, Key>, prefix: &str, names: &mut Vec<String>) {
        for (name, key) in keys {
            let name = format!("{prefix}__{}", name.to_ascii_uppercase());
            match &key.shape {
                Shape::Table(keys) => collect(keys, &name, names),
                Shape::Either(_)
                | Shape::List(_)
                | Shape::Text(_)
                | Shape::OrEmpty(_)
                | Shape::Choice(_)
                | Shape::Integer(..)
                | Shape::Boolean
                | Shape::Unreadable => names.push(name),
            }
        }
    }
    let mut names = Vec::new();
    if let Shape::Table(keys) = shape {
        collect(keys, PREFIX.trim_end_matches('_'), &mut names);
    }
    names
}

/// Reads a variable's text as what its key holds. The complaint does not repeat the text.
pub(super) fn interpret(shape: &Shape, text: &str) -> Result<Node, String> {
    let node = |content| {
        Ok(Node {
            position: None,
            content,
        })
    };
    match shape {
        Shape::Text(_) | Shape::OrEmpty(_) | Shape::Choice(_) => node(Content::Text(text.to_owned())),
        Shape::Boolean => match text {
            "true" => node(Content::Boolean(true)),
            "false" => node(Content::Boolean(false)),
            _ => Err("expected `true` or `false`".to_owned()),
        },
        Shape::Integer(..) => match text.parse() {
            Ok(number) if text.bytes().all(|b| b.is_ascii_digit()) => node(Content::Integer(number)),
            Ok(_) | Err(_) => Err("expected a whole number, in digits alone".to_owned()),
        },
        Shape::List(_) => document::parse_value(text).map_err(|error| {
            format!(
                "expected a list as in TOML, such as [\"a\", \"b\"] or [{{key = \"value\"}}]: {}",
                error.cause
            )
        }),
        Shape::Table(_) | Shape::Either(_) | Shape::Unreadable => {
            Err("this is a section: set its keys, each by a variable of its own".to_owned())
        }
    }
}
