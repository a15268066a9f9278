//! IAM policy documents, as far as somebody needs them who asks what a document reaches.
//!
//! Grammar: IAM user guide, "Grammar of the IAM JSON policy language". What the grammar does not allow (duplicate
//! keys, unknown elements, a wildcard in the service part of an action) is an error, so that the caller says
//! "unknown" instead of guessing.

use std::fmt;

use serde::Deserialize;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::Glob;

/// Why a text is not a policy document that can be judged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyDocumentError {
    /// Not JSON, or an object with the same key twice.
    #[error("the policy document is not valid JSON: {0}")]
    Json(String),
    /// Valid JSON that the grammar does not allow.
    #[error("the policy document breaks the grammar: {0}")]
    Grammar(String),
}

/// Allow or Deny.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Grants.
    Allow,
    /// Restricts, whatever else grants.
    Deny,
}

/// One entry of `Action` or `NotAction`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActionPattern {
    /// `*`: every action of every service.
    Everything,
    /// `service:pattern`.
    Of {
        /// The service prefix in lower case.
        service: String,
        /// The pattern for the action's name.
        action: Glob,
    },
}

impl ActionPattern {
    /// Parses `*` (also written `*:*`) or `service:pattern`. Case does not count.
    ///
    /// # Errors
    /// [`PolicyDocumentError::Grammar`] where the service part is empty or holds a wildcard.
    pub fn parse(text: &str) -> Result<Self, PolicyDocumentError> {
        if text == "*" || text == "*:*" {
            return Ok(Self::Everything);
        }
        let wrong = || PolicyDocumentError::Grammar(format!("`{text}` is not an action (service:action)"));
        let (service, action) = text.split_once(':').ok_or_else(wrong)?;
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if service.is_empty() || action.is_empty() || !service.bytes().all(plain) {
            return Err(wrong());
        }
        Ok(Self::Of {
            service: service.to_ascii_lowercase(),
            action: Glob::new(action),
        })
    }

    /// Whether it stands for this action of this service (both in any case).
    pub fn matches(&self, service: &str, action: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Of {
                service: own,
                action: pattern,
            } => own.eq_ignore_ascii_case(service) && pattern.matches(action),
        }
    }
}

/// What a statement is about: the actions listed, or all but these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actions {
    /// `Action`.
    Listed(Vec<ActionPattern>),
    /// `NotAction`.
    AllBut(Vec<ActionPattern>),
}

impl Actions {
    /// Whether this action of this service (both in any case) is among them.
    pub fn include(&self, service: &str, action: &str) -> bool {
        match self {
            Self::Listed(patterns) => patterns.iter().any(|pattern| pattern.matches(service, action)),
            Self::AllBut(patterns) => !patterns.iter().any(|pattern| pattern.matches(service, action)),
        }
    }
}

/// One statement of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// `Sid`, where it has one.
    pub sid: Option<String>,
    /// Allow or Deny.
    pub effect: Effect,
    /// Which actions.
    pub actions: Actions,
    /// Everything else (`Resource`, `NotResource`, `Condition`, `Principal` …) as it stands.
    pub rest: Map<String, Value>,
}

/// A parsed document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyDocument {
    /// `Version`; absent means 2008-10-17.
    pub version: Option<String>,
    /// All statements, in order.
    pub statements: Vec<Statement>,
}

impl PolicyDocument {
    /// Parses a decoded (not URL-encoded) document.
    ///
    /// # Errors
    /// [`PolicyDocumentError`] for all that the grammar does not allow.
    pub fn parse(text: &str) -> Result<Self, PolicyDocumentError> {
        let value = parse_without_duplicates(text).map_err(|e| PolicyDocumentError::Json(e.to_string()))?;
        let Value::Object(mut top) = value else {
            return Err(grammar("the document is not an object"));
        };
        let version = match top.remove("Version") {
            None => None,
            Some(Value::String(version)) => Some(version),
            Some(_) => return Err(grammar("`Version` is not a text")),
        };
        top.remove("Id");
        let statements = match top.remove("Statement") {
            Some(Value::Array(items)) => items,
            Some(one @ Value::Object(_)) => vec![one],
            Some(_) | None => return Err(grammar("there is no `Statement`")),
        };
        if let Some((unknown, _)) = top.iter().next() {
            return Err(grammar(&format!("unknown element `{unknown}`")));
        }
        let statements = statements
            .into_iter()
            .map(parse_statement)
            .collect::<Result<_, _>>()?;
        Ok(Self { version, statements })
    }

    /// The statements that grant.
    pub fn allows(&self) -> impl Iterator<Item = &Statement> {
        self.statements.iter().filter(|s| s.effect == Effect::Allow)
    }

    /// Whether any statement restricts.
    pub fn has_deny(&self) -> bool {
        self.statements.iter().any(|s| s.effect == Effect::Deny)
    }
}

const STATEMENT_ELEMENTS: [&str; 5] = [
    "Resource",
    "NotResource",
    "Condition",
    "Principal",
    "NotPrincipal",
];

fn grammar(why: &str) -> PolicyDocumentError {
    PolicyDocumentError::Grammar(why.to_owned())
}

fn parse_statement(value: Value) -> Result<Statement, PolicyDocumentError> {
    let Value::Object(mut map) = value else {
        return Err(grammar("a statement is not an object"));
    };
    let sid = match map.remove("Sid") {
        None => None,
        Some(Value::String(sid)) => Some(sid),
        Some(_) => return Err(grammar("`Sid` is not a text")),
    };
    let effect = match map.remove("Effect") {
        Some(Value::String(word)) if word == "Allow" => Effect::Allow,
        Some(Value::String(word)) if word == "Deny" => Effect::Deny,
        Some(_) | None => return Err(grammar("`Effect` is neither Allow nor Deny")),
    };
    let actions = match (map.remove("Action"), map.remove("NotAction")) {
        (Some(listed), None) => Actions::Listed(parse_actions(listed)?),
        (None, Some(all_but)) => Actions::AllBut(parse_actions(all_but)?),
        (Some(_), Some(_)) => return Err(grammar("a statement has both `Action` and `NotAction`")),
        (None, None) => return Err(grammar("a statement has neither `Action` nor `NotAction`")),
    };
    if let Some((unknown, _)) = map
        .iter()
        .find(|(key, _)| !STATEMENT_ELEMENTS.contains(&key.as_str()))
    {
        return Err(grammar(&format!("unknown element `{unknown}` in a statement")));
    }
    Ok(Statement {
        sid,
        effect,
        actions,
        rest: map,
    })
}

fn parse_actions(value: Value) -> Result<Vec<ActionPattern>, PolicyDocumentError> {
    let items = match value {
        Value::Array(items) => items,
        one @ Value::String(_) => vec![one],
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {
            return Err(grammar("actions are neither a text nor a list"));
        }
    };
    if items.is_empty() {
        return Err(grammar("a list of actions is empty"));
    }
    items
        .iter()
        .map(|item| match item {
            Value::String(text) => ActionPattern::parse(text),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                Err(grammar("an action is not a text"))
            }
        })
        .collect()
}

/// `serde_json` keeps the last of two equal keys; here that is an error.
fn parse_without_duplicates(text: &str) -> Result<Value, serde_json::Error> {
    serde_json::from_str::<Strict>(text).map(|strict| strict.0)
}

struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Strict)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without duplicate keys")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Strict(item)) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some((key, Strict(value))) = access.next_entry::<String, Strict>()? {
            if map.contains_key(&key) {
                return Err(serde::de::Error::custom(format!("the key `{key}` stands twice")));
            }
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn single_values_and_lists_are_the_same() {
        let one = PolicyDocument::parse(
            r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"SQS:*","Resource":"*"}}"#,
        )
        .unwrap();
        let many = PolicyDocument::parse(
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["sqs:*"],"Resource":"*"}]}"#,
        )
        .unwrap();
        assert_eq!(one, many);
        assert!(!one.has_deny());
    }

    #[test]
    fn what_the_grammar_forbids_is_an_error() {
        for wrong in [
            "",
            "[]",
            "{}",
            r#"{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Effect":"Deny"}]}"#,
            r#"{"Statement":[{"Effect":"allow","Action":"*","Resource":"*"}]}"#,
            r#"{"Statement":[{"Effect":"Allow","Resource":"*"}]}"#,
            r#"{"Statement":[{"Effect":"Allow","Action":"*","NotAction":"s3:*"}]}"#,
            r#"{"Statement":[{"Effect":"Allow","Action":[],"Resource":"*"}]}"#,
            r#"{"Statement":[{"Effect":"Allow","Action":"s*:Get","Resource":"*"}]}"#,
            r#"{"Statement":[{"Effect":"Allow","Action":"GetObject","Resource":"*"}]}"#,
            r#"{"Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*","Colour":"red"}]}"#,
            r#"{"Statement":[{"Effect":"Allow","Action":7,"Resource":"*"}]}"#,
        ] {
            assert!(PolicyDocument::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn action_patterns_ignore_case() {
        let pattern = ActionPattern::parse("iam:pass?ole").unwrap();
        assert!(pattern.matches("IAM", "PassRole"));
        assert!(!pattern.matches("s3", "PassRole"));
        assert!(ActionPattern::parse("*").unwrap().matches("s3", "GetObject"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,200}") {
            let _ = PolicyDocument::parse(&text);
        }
    }
}
