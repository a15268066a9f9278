//! The `Condition` of a policy statement, as far as somebody needs it who asks whom or what a statement leaves out.
//!
//! Grammar: IAM user guide, "IAM JSON policy elements: Condition" and "Condition operators". All clauses of a statement
//! must hold; of the values of one clause any suffices.

use serde_json::Value;

use super::{PolicyDocumentError, Statement};

/// How an operator deals with a key of several values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Qualifier {
    /// `ForAnyValue`: one of them must match.
    ForAnyValue,
    /// `ForAllValues`: all of them must match, and it holds where there is none.
    ForAllValues,
}

/// One operator with one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clause {
    /// `ForAnyValue` or `ForAllValues`, where it stands there.
    pub qualifier: Option<Qualifier>,
    /// The operator in lower case, without qualifier and `IfExists`: `stringlike`.
    pub operator: String,
    /// Whether it also holds where the request has no such key.
    pub if_exists: bool,
    /// The key in lower case: `sts:externalid`.
    pub key: String,
    /// The values, as texts.
    pub values: Vec<String>,
}

impl Clause {
    /// The clauses of a statement; none, where it has no condition.
    ///
    /// # Errors
    /// [`PolicyDocumentError::Grammar`] where the condition is not operator, key, values.
    pub fn of(statement: &Statement) -> Result<Vec<Self>, PolicyDocumentError> {
        let wrong = |what: &str| PolicyDocumentError::Grammar(format!("the condition {what}"));
        let operators = match statement.rest.get("Condition") {
            None => return Ok(Vec::new()),
            Some(Value::Object(operators)) => operators,
            Some(_) => return Err(wrong("is not an object")),
        };
        let mut clauses = Vec::new();
        for (operator, keys) in operators {
            let Value::Object(keys) = keys else {
                return Err(wrong(&format!("`{operator}` names no keys")));
            };
            let (qualifier, operator, if_exists) = parse_operator(operator).map_err(|what| wrong(&what))?;
            for (key, values) in keys {
                let values = match values.as_array() {
                    Some(items) => items.iter().map(text_of).collect::<Option<_>>(),
                    None => text_of(values).map(|text| vec![text]),
                };
                clauses.push(Self {
                    qualifier,
                    operator: operator.clone(),
                    if_exists,
                    key: key.to_ascii_lowercase(),
                    values: values
                        .ok_or_else(|| wrong(&format!("has a value of `{key}` that is no text")))?,
                });
            }
        }
        Ok(clauses)
    }

    /// The values of which the request must have one; `None`: it also holds for requests without the key, or compares
    /// something other than texts and ARNs for likeness.
    pub fn demanded(&self) -> Option<&[String]> {
        let likens = matches!(
            self.operator.as_str(),
            "stringequals" | "stringequalsignorecase" | "stringlike" | "arnequals" | "arnlike"
        );
        (likens && self.demands_key()).then_some(&self.values)
    }

    /// The values that are left out: the clause holds for all others, and where the key is missing.
    pub fn left_out(&self) -> Option<&[String]> {
        let differs = matches!(
            self.operator.as_str(),
            "stringnotequals" | "stringnotequalsignorecase" | "stringnotlike" | "arnnotequals" | "arnnotlike"
        );
        (differs && self.qualifier.is_none()).then_some(&self.values)
    }

    fn demands_key(&self) -> bool {
        !self.if_exists && self.qualifier != Some(Qualifier::ForAllValues)
    }
}

fn parse_operator(text: &str) -> Result<(Option<Qualifier>, String, bool), String> {
    let lower = text.to_ascii_lowercase();
    let (qualifier, operator) = match lower.split_once(':') {
        None => (None, lower.as_str()),
        Some(("foranyvalue", operator)) => (Some(Qualifier::ForAnyValue), operator),
        Some(("forallvalues", operator)) => (Some(Qualifier::ForAllValues), operator),
        Some(_) => return Err(format!("has the operator `{text}`, which is none")),
    };
    let (operator, if_exists) = match operator.strip_suffix("ifexists") {
        Some(operator) => (operator, true),
        None => (operator, false),
    };
    Ok((qualifier, operator.to_owned(), if_exists))
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::PolicyDocument;

    fn clauses(condition: &str) -> Result<Vec<Clause>, PolicyDocumentError> {
        let text = format!(
            r#"{{"Statement":{{"Effect":"Allow","Action":"*","Resource":"*","Condition":{condition}}}}}"#
        );
        let document = PolicyDocument::parse(&text).unwrap();
        Clause::of(&document.statements[0])
    }

    #[test]
    fn operators_are_taken_apart() {
        let found = clauses(
            r#"{"ForAnyValue:StringLikeIfExists":{"aws:PrincipalOrgPaths":["o-1/*"]},"Bool":{"aws:SecureTransport":true}}"#,
        );
        let found = found.unwrap();
        assert_eq!(found[0].operator, "bool");
        assert_eq!((found[0].values[0].as_str(), found[0].demanded()), ("true", None));
        assert_eq!(found[1].qualifier, Some(Qualifier::ForAnyValue));
        assert_eq!(found[1].operator, "stringlike");
        assert!(found[1].if_exists);
        assert_eq!(found[1].key, "aws:principalorgpaths");
    }

    #[test]
    fn only_what_needs_the_key_demands_a_value() {
        let demanded = |operator: &str| {
            let found = clauses(&format!(r#"{{"{operator}":{{"sts:ExternalId":"x"}}}}"#)).unwrap();
            found[0].demanded().is_some()
        };
        for operator in [
            "StringEquals",
            "stringlike",
            "ArnLike",
            "ForAnyValue:StringEquals",
        ] {
            assert!(demanded(operator), "{operator}");
        }
        for operator in [
            "StringEqualsIfExists",
            "ForAllValues:StringEquals",
            "StringNotEquals",
            "Null",
            "Bool",
        ] {
            assert!(!demanded(operator), "{operator}");
        }
    }

    #[test]
    fn what_is_left_out_is_known_of_plain_operators() {
        let left_out = |operator: &str| {
            let found = clauses(&format!(r#"{{"{operator}":{{"aws:PrincipalOrgID":"o-1"}}}}"#)).unwrap();
            found[0].left_out().map(<[String]>::to_vec)
        };
        assert_eq!(left_out("StringNotEquals"), Some(vec!["o-1".to_owned()]));
        assert!(left_out("StringNotEqualsIfExists").is_some());
        assert_eq!(left_out("ForAllValues:StringNotEquals"), None);
        assert_eq!(left_out("StringEquals"), None);
    }

    #[test]
    fn what_is_no_condition_is_an_error() {
        for wrong in [
            "7",
            r#"{"StringEquals":"x"}"#,
            r#"{"StringEquals":{"k":{}}}"#,
            r#"{"StringEquals":{"k":[["v"]]}}"#,
            r#"{"ForNoValue:StringEquals":{"k":"v"}}"#,
        ] {
            assert!(clauses(wrong).is_err(), "{wrong}");
        }
    }
}
