//! A policy document as it is written: what is not changed stays byte for byte, numbers and the order of members included.

use std::fmt;

use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

/// An object with its members as they are written, in their order.
struct Members<'t>(Vec<(String, &'t RawValue)>);

impl<'de: 't, 't> Deserialize<'de> for Members<'t> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor).map(Self)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Vec<(String, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(members)
    }
}

/// A document, statement by statement.
pub(super) struct Document<'t> {
    /// What it has besides `Statement`: name and text of each.
    head: Vec<(String, &'t str)>,
    /// The texts of its statements.
    pub(super) statements: Vec<&'t str>,
}

impl<'t> Document<'t> {
    /// Of a text.
    ///
    /// # Errors
    /// Where it is no object, or its statements are neither one object nor a list.
    pub(super) fn read(text: &'t str) -> Result<Self, serde_json::Error> {
        let mut document = Self {
            head: Vec::new(),
            statements: Vec::new(),
        };
        for (name, value) in serde_json::from_str::<Members<'t>>(text)?.0 {
            let value: &'t str = value.get();
            match (name.as_str(), value.starts_with('[')) {
                ("Statement", true) => {
                    let items: Vec<&'t RawValue> = serde_json::from_str(value)?;
                    document.statements = items.into_iter().map(RawValue::get).collect();
                }
                ("Statement", false) => document.statements = vec![value],
                _ => document.head.push((name, value)),
            }
        }
        Ok(document)
    }

    /// The same document with these statements.
    pub(super) fn with(&self, statements: &[String]) -> String {
        let head = self.head.iter().map(|(name, value)| member(1, name, value));
        let statements: Vec<_> = statements.iter().map(|text| format!("    {text}")).collect();
        let statements = format!("[\n{}\n  ]", statements.join(",\n"));
        let members: Vec<_> = head.chain([member(1, "Statement", &statements)]).collect();
        format!("{{\n{}\n}}", members.join(",\n"))
    }
}

/// A statement that is to be changed.
#[derive(Clone)]
pub(super) struct StatementText {
    members: Vec<(String, String)>,
}

impl StatementText {
    /// Of a text.
    ///
    /// # Errors
    /// Where it is no object.
    pub(super) fn read(text: &str) -> Result<Self, serde_json::Error> {
        let members = serde_json::from_str::<Members<'_>>(text)?.0.into_iter();
        let members = members
            .map(|(name, value)| (name, value.get().to_owned()))
            .collect();
        Ok(Self { members })
    }

    /// The texts in `Action`, one or many.
    pub(super) fn actions(&self) -> Vec<String> {
        let written = self.members.iter().find(|(name, _)| name == "Action");
        match written.map(|(_, value)| serde_json::from_str(value)) {
            Some(Ok(Value::Array(items))) => items
                .iter()
                .filter_map(|item| item.as_str().map(str::to_owned))
                .collect(),
            Some(Ok(Value::String(one))) => vec![one],
            Some(Ok(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | Err(_)) | None => {
                Vec::new()
            }
        }
    }

    /// Without its name: two statements may not bear the same.
    pub(super) fn unnamed(mut self) -> Self {
        self.members.retain(|(name, _)| name != "Sid");
        self
    }

    /// The statement with this in place of `Action`: `Action` or `NotAction`, with these patterns.
    pub(super) fn about(&self, element: &str, patterns: &[String]) -> String {
        let patterns: Vec<_> = patterns
            .iter()
            .map(|pattern| format!("        {}", Value::from(pattern.as_str())))
            .collect();
        let patterns = format!("[\n{}\n      ]", patterns.join(",\n"));
        let members = self.members.iter().map(|(name, value)| match name.as_str() {
            "Action" => member(3, element, &patterns),
            _ => member(3, name, value),
        });
        format!("{{\n{}\n    }}", members.collect::<Vec<_>>().join(",\n"))
    }
}

fn member(depth: usize, name: &str, value: &str) -> String {
    format!("{}{}: {value}", "  ".repeat(depth), Value::from(name))
}

/// How many characters of a document IAM counts: all but white space between its parts.
pub(super) fn counted_length(document: &str) -> usize {
    let (mut in_text, mut escaped) = (false, false);
    let counted = document.chars().filter(|letter| {
        let was_in_text = in_text;
        match (in_text, escaped, letter) {
            (true, true, _) => escaped = false,
            (true, false, '\\') => escaped = true,
            (_, false, '"') => in_text = !in_text,
            _ => {}
        }
        was_in_text || !letter.is_ascii_whitespace()
    });
    counted.count()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITTEN: &str = r#"{ "Id":"x",
  "Statement": [{"Sid":"A", "Effect":"Allow","Resource" : "*", "Action":"s3:*","Condition":{"NumericLessThan":{"b":1.50,"a":1e1}}} ,
   { "Resource":"*", "Effect":"Deny" ,"Action":"caf\u00e9:\"*" }],
  "Version": "2012-10-17"}"#;

    #[test]
    fn what_is_not_changed_stays_as_it_is_written() {
        let document = Document::read(WRITTEN).unwrap();
        let mut allow = StatementText::read(document.statements[0]).unwrap();
        assert_eq!(allow.actions(), ["s3:*"]);
        let first = allow.about("Action", &["s3:Get*".to_owned(), "s3:\"".to_owned()]);
        allow = allow.unnamed();
        let second = allow.about("NotAction", &["iam:*".to_owned()]);
        let third = document.statements[1].to_owned();
        insta::assert_snapshot!(document.with(&[first, second, third]), @r#"
        {
          "Id": "x",
          "Version": "2012-10-17",
          "Statement": [
            {
              "Sid": "A",
              "Effect": "Allow",
              "Resource": "*",
              "Action": [
                "s3:Get*",
                "s3:\""
              ],
              "Condition": {"NumericLessThan":{"b":1.50,"a":1e1}}
            },
            {
              "Effect": "Allow",
              "Resource": "*",
              "NotAction": [
                "iam:*"
              ],
              "Condition": {"NumericLessThan":{"b":1.50,"a":1e1}}
            },
            { "Resource":"*", "Effect":"Deny" ,"Action":"caf\u00e9:\"*" }
          ]
        }
        "#);
        assert_eq!(
            Document::read(r#"{"Statement":{"Effect":"Deny"}}"#)
                .unwrap()
                .statements,
            [r#"{"Effect":"Deny"}"#]
        );
        assert!(Document::read("[]").is_err());
    }

    #[test]
    fn white_space_counts_in_texts_alone() {
        assert_eq!(counted_length("{ \"a b\" :\n\t1 }"), 9);
        assert_eq!(counted_length(r#"{"a\" b": "c \\" , "d":1}"#), 22);
    }
}
