//! A TOML text as a tree that remembers where each value stands.

use std::ops::Range;

use toml_edit::{Item, TableLike, Value};

use super::problem::Position;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) position: Option<Position>,
    pub(super) content: Content,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Content {
    Text(String),
    Integer(i64),
    Float,
    Boolean(bool),
    Date,
    List(Vec<Node>),
    Table(Vec<Entry>),
}

/// A key of a table with its value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) key: String,
    /// Of the key itself.
    pub(super) position: Option<Position>,
    pub(super) value: Node,
}

impl Content {
    /// What a person calls it.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Integer(_) => "a number",
            Self::Float => "a number with a fraction",
            Self::Boolean(_) => "true or false",
            Self::Date => "a date without quotes",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

/// Why a text is not TOML. The text itself is not repeated: it may hold a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SyntaxError {
    pub(super) position: Option<Position>,
    pub(super) cause: String,
}

/// Parses a file's text. A byte order mark is passed over, as TOML asks for.
pub(super) fn parse(text: &str) -> Result<Node, SyntaxError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines = Lines::of(text);
    if let Some(at) = text.find('\0') {
        return Err(SyntaxError {
            position: Some(lines.position(at)),
            cause: "a NUL byte: this is not a text file".to_owned(),
        });
    }
    let document = toml_edit::Document::parse(text).map_err(|error| SyntaxError {
        position: error.span().map(|span| lines.position(span.start)),
        cause: cause(&error),
    })?;
    Ok(lines.table(document.as_table(), document.as_table().span()))
}

/// Parses one value, as in the environment, where positions mean nothing.
pub(super) fn parse_value(text: &str) -> Result<Node, SyntaxError> {
    let lines = Lines::nowhere();
    let value: Value = text.parse().map_err(|error: toml_edit::TomlError| SyntaxError {
        position: None,
        cause: cause(&error),
    })?;
    Ok(lines.value(&value, None))
}

/// The parser's message, which names what it expected and never what it found.
fn cause(error: &toml_edit::TomlError) -> String {
    let message = error.message();
    if message.contains("recurs") {
        return "it is nested too deeply".to_owned();
    }
    message.replace('\n', ", ")
}

/// Where the first byte that is not UTF-8 stands, behind so many that are.
pub(super) fn position_of_bad_byte(bytes: &[u8], valid_up_to: usize) -> Position {
    let valid = bytes.get(..valid_up_to).unwrap_or_default();
    let text = String::from_utf8_lossy(valid);
    Lines::of(&text).position(text.len())
}

/// Where the lines of a text start.
struct Lines<'a> {
    text: &'a str,
    /// Byte offsets; none: there are no positions.
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Self {
        let breaks = text.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            text,
            starts: std::iter::once(0).chain(breaks).collect(),
        }
    }

    fn nowhere() -> Self {
        Self {
            text: "",
            starts: Vec::new(),
        }
    }

    fn position(&self, offset: usize) -> Position {
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = line.checked_sub(1).and_then(|n| self.starts.get(n)).copied();
        let before = start.and_then(|start| self.text.get(start..offset));
        Position {
            line: line.max(1),
            column: before.map_or(1, |before| before.chars().count() + 1),
        }
    }

    fn start(&self, span: Option<Range<usize>>) -> Option<Position> {
        let span = span.filter(|_| !self.starts.is_empty())?;
        Some(self.position(span.start))
    }

    fn table(&self, table: &dyn TableLike, span: Option<Range<usize>>) -> Node {
        let entries = table.iter().map(|(key, item)| {
            let of_key = table.key(key).and_then(toml_edit::Key::span);
            Entry {
                key: key.to_owned(),
                position: self.start(of_key.clone()),
                value: self.item(item, of_key),
            }
        });
        Node {
            position: self.start(span),
            content: Content::Table(entries.collect()),
        }
    }

    fn item(&self, item: &Item, of_key: Option<Range<usize>>) -> Node {
        match item {
            Item::None => self.node(of_key, Content::Table(Vec::new())),
            Item::Value(value) => self.value(value, of_key),
            Item::Table(table) => self.table(table, table.span().or(of_key)),
            Item::ArrayOfTables(tables) => {
                let span = tables.span().or_else(|| of_key.clone());
                let items = tables
                    .iter()
                    .map(|table| self.table(table, table.span().or_else(|| of_key.clone())));
                self.node(span, Content::List(items.collect()))
            }
        }
    }

    fn value(&self, value: &Value, of_key: Option<Range<usize>>) -> Node {
        let span = value.span().or_else(|| of_key.clone());
        let content = match value {
            Value::String(text) => Content::Text(text.value().clone()),
            Value::Integer(number) => Content::Integer(*number.value()),
            Value::Float(_) => Content::Float,
            Value::Boolean(boolean) => Content::Boolean(*boolean.value()),
            Value::Datetime(_) => Content::Date,
            Value::Array(array) => Content::List(
                array
                    .iter()
                    .map(|item| self.value(item, of_key.clone()))
                    .collect(),
            ),
            Value::InlineTable(table) => return self.table(table, span),
        };
        self.node(span, content)
    }

    fn node(&self, span: Option<Range<usize>>, content: Content) -> Node {
        Node {
            position: self.start(span),
            content,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry<'a>(node: &'a Node, key: &str) -> &'a Entry {
        let Content::Table(entries) = &node.content else {
            panic!("{} is no table", node.content.kind());
        };
        entries.iter().find(|entry| entry.key == key).unwrap()
    }

    #[test]
    fn keys_and_values_know_their_place() {
        let tree = parse("\u{feff}a = 1\n[b]\n  \"ü\" . c = [\n \"ä\", {x = 2}]\n[[d]]\nx = true\n").unwrap();
        let at = |line, column| Some(Position { line, column });
        assert_eq!(entry(&tree, "a").position, at(1, 1));
        assert_eq!(entry(&tree, "a").value.position, at(1, 5));
        assert_eq!(entry(&tree, "b").value.position, at(2, 1));
        let dotted = entry(&entry(&tree, "b").value, "ü");
        assert_eq!(dotted.position, at(3, 3));
        let list = entry(&dotted.value, "c");
        assert_eq!(list.position, at(3, 9));
        let Content::List(items) = &list.value.content else {
            panic!("no list");
        };
        let items: Vec<_> = items.iter().map(|item| item.position).collect();
        assert_eq!(items, [at(4, 2), at(4, 7)]);
    }

    #[test]
    fn arrays_of_tables_are_lists() {
        let tree = parse("[[d]]\nx = true\n[[d]]\nx = 2.5\n").unwrap();
        let Content::List(items) = &entry(&tree, "d").value.content else {
            panic!("no list");
        };
        assert_eq!(items.len(), 2);
        assert_eq!(items[1].position, Some(Position { line: 3, column: 1 }));
        assert_eq!(entry(&items[1], "x").value.content, Content::Float);
    }

    #[test]
    fn what_is_no_toml_is_refused_with_its_place_and_without_its_text() {
        let wrong = |text: &str| {
            let error = parse(text).unwrap_err();
            let place = error
                .position
                .map(|Position { line, column }| format!("{line}:{column}"));
            format!("{}: {}", place.unwrap_or_default(), error.cause)
        };
        insta::assert_snapshot!(wrong("url = \"canary\n"), @r#"1:14: invalid basic string, expected `"`"#);
        insta::assert_snapshot!(wrong("\n canary"), @"2:8: key with no value, expected `=`");
        insta::assert_snapshot!(wrong("a = 1\na = 2"), @"2:1: duplicate key");
        insta::assert_snapshot!(wrong("a = 1\n\0"), @"2:1: a NUL byte: this is not a text file");
        insta::assert_snapshot!(wrong(&format!("a = {}", "[".repeat(100_000))), @"1:85: it is nested too deeply");
        insta::assert_snapshot!(wrong(&format!("{}a = 1", "a.".repeat(100_000))), @": it is nested too deeply");
    }

    #[test]
    fn a_value_alone() {
        let list = parse_value(r#"["a", "b"]"#).unwrap();
        assert_eq!(list.position, None);
        assert!(matches!(list.content, Content::List(items) if items.len() == 2));
        assert!(parse_value("[\"a\"]\nb = 1").is_err());
        assert!(parse_value("").is_err());
    }
}
