//! Which keys there are and what they hold, read from the JSON Schema; and the check of a tree of values against it.
//!
//! The check collects every unknown key, missing key, wrong type and wrong value, and gives back what is sound, so
//! that the named checks can still judge the rest.

use std::collections::BTreeMap;

use serde_json::Value;

use super::document::{Content, Entry, Node};
use super::format::Format;
use super::problem::{Position, alternatives, listed, nearest, printable, quoted};

/// What a key holds.
#[derive(Debug, Clone)]
pub(super) enum Shape {
    /// A table of known keys.
    Table(BTreeMap<String, Key>),
    /// One of several tables, told apart by a key that only one of them has.
    Either(Vec<(String, BTreeMap<String, Key>)>),
    /// Any number of the same.
    List(Box<Shape>),
    /// A text, of a format or of any.
    Text(Option<&'static Format>),
    /// The empty text, or that.
    OrEmpty(Box<Shape>),
    /// One of these words.
    Choice(Vec<String>),
    /// A whole number between these, both included.
    Integer(i64, i64),
    /// True or false.
    Boolean,
    /// Something that this module cannot read from the schema: nothing fits it, and a test shows that there is none.
    Unreadable,
}

/// A key of a table.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) shape: Shape,
    pub(super) required: bool,
}

impl Shape {
    /// Of the configuration.
    pub(super) fn of_configuration() -> Self {
        let schema = super::json_schema();
        Self::compile(&schema, &schema)
    }

    fn compile(schema: &Value, root: &Value) -> Self {
        if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
            let name = target.rsplit('/').next().unwrap_or_default();
            if let Some(format) = Format::named(name) {
                return Self::Text(Some(format));
            }
            let definition = target.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
            return definition.map_or(Self::Unreadable, |definition| Self::compile(definition, root));
        }
        if let Some(alternatives) = schema.get("anyOf").and_then(Value::as_array) {
            return Self::compile_alternatives(alternatives, root);
        }
        if let Some(words) = words(schema) {
            return Self::Choice(words);
        }
        match schema.get("type").and_then(Value::as_str) {
            Some("object") => match keys(schema, root) {
                Some(keys) => Self::Table(keys),
                None => Self::Unreadable,
            },
            Some("array") => match schema.get("items") {
                Some(items) => Self::List(Box::new(Self::compile(items, root))),
                None => Self::Unreadable,
            },
            Some("string") => Self::Text(None),
            Some("boolean") => Self::Boolean,
            Some("integer") => {
                let bound = |name: &str| schema.get(name).and_then(Value::as_i64);
                Self::Integer(
                    bound("minimum").unwrap_or(0),
                    bound("maximum").unwrap_or(i64::from(u32::MAX)),
                )
            }
            Some(_) | None => Self::Unreadable,
        }
    }

    fn compile_alternatives(alternatives: &[Value], root: &Value) -> Self {
        if let [empty, other] = alternatives
            && empty.get("const").and_then(Value::as_str) == Some("")
        {
            return Self::OrEmpty(Box::new(Self::compile(other, root)));
        }
        let tables: Vec<_> = alternatives
            .iter()
            .filter_map(|one| match Self::compile(one, root) {
                Self::Table(keys) => Some(keys),
                Self::Either(_)
                | Self::List(_)
                | Self::Text(_)
                | Self::OrEmpty(_)
                | Self::Choice(_)
                | Self::Integer(..)
                | Self::Boolean
                | Self::Unreadable => None,
            })
            .collect();
        let told_apart: Vec<_> = tables
            .iter()
            .filter_map(|keys| {
                let own =
                    |name: &&String| tables.iter().filter(|other| other.contains_key(*name)).count() == 1;
                let required = keys.iter().filter(|(_, key)| key.required).map(|(name, _)| name);
                // What the table is about stands first in the alphabet by chance only; a pattern is what we look for.
                let by_pattern = required
                    .clone()
                    .filter(own)
                    .find(|name| keys.get(*name).is_some_and(|key| key.shape.holds_patterns()));
                by_pattern.map(|name| (name.clone(), keys.clone()))
            })
            .collect();
        if told_apart.len() == alternatives.len() {
            Self::Either(told_apart)
        } else {
            Self::Unreadable
        }
    }

    fn holds_patterns(&self) -> bool {
        match self {
            Self::Text(format) => format.is_some_and(|format| format.name == "Glob"),
            Self::List(items) => items.holds_patterns(),
            Self::Table(_)
            | Self::Either(_)
            | Self::OrEmpty(_)
            | Self::Choice(_)
            | Self::Integer(..)
            | Self::Boolean
            | Self::Unreadable => false,
        }
    }

    /// What is allowed, for people; follows "expected".
    fn expected(&self) -> String {
        match self {
            Self::Table(_) | Self::Either(_) => "a table".to_owned(),
            Self::List(items) => format!("a list, each of it {}", items.expected()),
            Self::Text(None) => "a text in quotes".to_owned(),
            Self::Text(Some(format)) => format!("a text in quotes, {}", format.expected),
            Self::OrEmpty(inner) => format!("{}, or \"\" for none", inner.expected()),
            Self::Choice(words) => format!("one of the words {} in quotes", alternatives(words)),
            Self::Integer(least, most) => format!("{}, without quotes", integers(*least, *most)),
            Self::Boolean => "true or false, without quotes".to_owned(),
            Self::Unreadable => "nothing".to_owned(),
        }
    }
}

fn integers(least: i64, most: i64) -> String {
    if most == i64::from(u32::MAX) {
        format!("a whole number, {least} or more")
    } else {
        format!("a whole number from {least} to {most}")
    }
}

fn words(schema: &Value) -> Option<Vec<String>> {
    let word = |value: &Value| value.as_str().map(str::to_owned);
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        return words.iter().map(word).collect();
    }
    let alternatives = schema.get("oneOf").and_then(Value::as_array)?;
    alternatives
        .iter()
        .map(|one| one.get("const").and_then(word))
        .collect()
}

fn keys(schema: &Value, root: &Value) -> Option<BTreeMap<String, Key>> {
    let required = schema.get("required").and_then(Value::as_array);
    let is_required = |name: &str| required.is_some_and(|all| all.iter().any(|one| one == name));
    let properties = schema.get("properties").and_then(Value::as_object)?;
    let keys = properties.iter().map(|(name, property)| {
        let key = Key {
            shape: Shape::compile(property, root),
            required: is_required(name),
        };
        (name.clone(), key)
    });
    Some(keys.collect())
}

/// What is wrong with a tree, by the path of the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) path: String,
    pub(super) position: Option<Position>,
    pub(super) message: String,
}

/// Collects faults while it walks.
#[derive(Debug, Default)]
pub(super) struct Inspection {
    pub(super) faults: Vec<Fault>,
}

impl Inspection {
    /// Checks a value; gives back what of it is sound, `None` where that is nothing.
    pub(super) fn check(&mut self, shape: &Shape, node: &Node, path: &str) -> Option<Node> {
        match (shape, &node.content) {
            (Shape::Table(keys), Content::Table(entries)) => {
                self.check_table(keys, entries, node.position, path)
            }
            (Shape::Either(tables), Content::Table(entries)) => {
                self.check_either(tables, entries, node.position, path)
            }
            (Shape::List(inner), Content::List(items)) => {
                let sound = items
                    .iter()
                    .enumerate()
                    .filter_map(|(n, item)| self.check_item(inner, item, &format!("{path}[{n}]")));
                Some(Node {
                    position: node.position,
                    content: Content::List(sound.collect()),
                })
            }
            (Shape::OrEmpty(_), Content::Text(text)) if text.is_empty() => Some(node.clone()),
            (Shape::OrEmpty(inner), _) => self.check_or_empty(inner, shape, node, path),
            (Shape::Text(format), Content::Text(text)) => {
                match format.and_then(|format| format.complaint(text)) {
                    None => Some(node.clone()),
                    Some(complaint) => self.fault(path, node.position, complaint),
                }
            }
            (Shape::Choice(words), Content::Text(text)) => self.check_choice(words, text, node, path),
            (Shape::Integer(least, most), Content::Integer(number)) => {
                if (least..=most).contains(&number) {
                    Some(node.clone())
                } else {
                    let expected = integers(*least, *most);
                    self.fault(
                        path,
                        node.position,
                        format!("{number} is out of range: expected {expected}"),
                    )
                }
            }
            (Shape::Boolean, Content::Boolean(_)) => Some(node.clone()),
            (
                Shape::Table(_)
                | Shape::Either(_)
                | Shape::List(_)
                | Shape::Text(_)
                | Shape::Choice(_)
                | Shape::Integer(..)
                | Shape::Boolean
                | Shape::Unreadable,
                found,
            ) => {
                let message = format!("expected {}, found {}", shape.expected(), found.kind());
                self.fault(path, node.position, message)
            }
        }
    }

    fn fault<T>(&mut self, path: &str, position: Option<Position>, message: String) -> Option<T> {
        self.faults.push(Fault {
            path: path.to_owned(),
            position,
            message,
        });
        None
    }

    /// An item with a fault anywhere is given up whole.
    fn check_item(&mut self, shape: &Shape, item: &Node, path: &str) -> Option<Node> {
        let before = self.faults.len();
        let sound = self.check(shape, item, path);
        sound.filter(|_| self.faults.len() == before)
    }

    fn check_or_empty(&mut self, inner: &Shape, whole: &Shape, node: &Node, path: &str) -> Option<Node> {
        match &node.content {
            Content::Text(_) => self.check(inner, node, path),
            found @ (Content::Integer(_)
            | Content::Float
            | Content::Boolean(_)
            | Content::Date
            | Content::List(_)
            | Content::Table(_)) => {
                let message = format!("expected {}, found {}", whole.expected(), found.kind());
                self.fault(path, node.position, message)
            }
        }
    }

    fn check_choice(&mut self, words: &[String], text: &str, node: &Node, path: &str) -> Option<Node> {
        if words.iter().any(|word| word == text) {
            return Some(node.clone());
        }
        let meant = nearest(text, words.iter().map(String::as_str));
        let hint = meant.map_or(String::new(), |word| format!("; did you mean `{word}`?"));
        let message = format!("{} is not one of {}{hint}", quoted(text), alternatives(words));
        self.fault(path, node.position, message)
    }

    fn check_table(
        &mut self,
        keys: &BTreeMap<String, Key>,
        entries: &[Entry],
        position: Option<Position>,
        path: &str,
    ) -> Option<Node> {
        let mut sound = Vec::new();
        for entry in entries {
            let path = join(path, &entry.key);
            match keys.get(&entry.key) {
                Some(key) => {
                    let value = self.check(&key.shape, &entry.value, &path);
                    sound.extend(value.map(|value| Entry {
                        value,
                        ..entry.clone()
                    }));
                }
                None => {
                    let message = unknown_key(&entry.key, keys);
                    self.fault::<()>(&path, entry.position, message);
                }
            }
        }
        let mut complete = true;
        for (name, key) in keys {
            if key.required && !entries.iter().any(|entry| entry.key == *name) {
                complete = false;
                let message = format!("`{name}` is missing: expected {}", key.shape.expected());
                self.fault::<()>(path, position, message);
            }
        }
        complete.then_some(Node {
            position,
            content: Content::Table(sound),
        })
    }

    fn check_either(
        &mut self,
        tables: &[(String, BTreeMap<String, Key>)],
        entries: &[Entry],
        position: Option<Position>,
        path: &str,
    ) -> Option<Node> {
        let meant: Vec<_> = tables
            .iter()
            .filter(|(mark, _)| entries.iter().any(|entry| entry.key == *mark))
            .collect();
        if let [(_, keys)] = meant.as_slice() {
            return self.check_table(keys, entries, position, path);
        }
        let forms: Vec<_> = tables.iter().map(|(mark, keys)| form(mark, keys)).collect();
        let what = if meant.is_empty() { "neither" } else { "both" };
        let marks: Vec<_> = tables.iter().map(|(mark, _)| format!("`{mark}`")).collect();
        let joint = if meant.is_empty() { " nor " } else { " and " };
        let message = format!(
            "it has {what} {}: expected either {}",
            marks.join(joint),
            forms.join(", or ")
        );
        self.fault(path, position, message)
    }
}

/// The keys that a table needs, the telling one first.
fn form(mark: &str, keys: &BTreeMap<String, Key>) -> String {
    let others = keys.iter().filter(|(name, key)| key.required && *name != mark);
    let others: Vec<_> = others.map(|(name, _)| format!("`{name}`")).collect();
    format!("`{mark}` with {}", others.join(" and "))
}

fn unknown_key(key: &str, keys: &BTreeMap<String, Key>) -> String {
    let known: Vec<_> = keys.keys().map(String::as_str).collect();
    match nearest(key, known.iter().copied()) {
        Some(name) => format!("unknown key; did you mean `{name}`?"),
        None => format!("unknown key; known here are {}", listed(&known, "and")),
    }
}

/// The path of a key in a table. A key that could be something else than a key is not shown.
pub(super) fn join(path: &str, key: &str) -> String {
    let key = match quoted(key).strip_prefix('`') {
        Some(_) => printable(key),
        None => "(not shown)".to_owned(),
    };
    if path.is_empty() {
        key
    } else {
        format!("{path}.{key}")
    }
}
