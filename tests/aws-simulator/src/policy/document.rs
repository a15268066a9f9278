//! Reading policy documents as far as IAM itself checks them when they are stored.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::wire::error::AwsError;

/// A policy document's statements.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PolicyDocument {
    pub(crate) statements: Vec<Statement>,
}

/// One statement.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Statement {
    pub(crate) allows: bool,
    pub(crate) actions: Selection,
    pub(crate) resources: Selection,
    pub(crate) principals: Vec<(String, String)>,
    pub(crate) condition: Option<Value>,
}

/// `Action` or `NotAction`, `Resource` or `NotResource`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Selection {
    Only(Vec<String>),
    AllBut(Vec<String>),
}

/// What kind of document is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Identity,
    Trust,
}

fn syntax() -> AwsError {
    AwsError::malformed_policy("Syntax errors in policy.")
}

impl PolicyDocument {
    /// Reads a document, and refuses what IAM refuses.
    pub(crate) fn parse(text: &str, purpose: Purpose) -> Result<Self, AwsError> {
        let value: Value = serde_json::from_str(text)
            .map_err(|_| AwsError::malformed_policy("This policy contains invalid Json"))?;
        let Value::Object(document) = value else {
            return Err(syntax());
        };
        if document
            .keys()
            .any(|key| !["Version", "Id", "Statement"].contains(&key.as_str()))
        {
            return Err(syntax());
        }
        if let Some(version) = document.get("Version")
            && version != "2012-10-17"
            && version != "2008-10-17"
        {
            return Err(syntax());
        }
        let statements = match document.get("Statement") {
            Some(Value::Array(statements)) if !statements.is_empty() => statements.iter().collect(),
            Some(statement @ Value::Object(_)) => vec![statement],
            _ => return Err(syntax()),
        };
        let mut ids = BTreeSet::new();
        for id in statements.iter().filter_map(|statement| statement.get("Sid")) {
            let id = id.as_str().ok_or_else(syntax)?;
            if !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                return Err(AwsError::malformed_policy(
                    "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular \
                     expression [0-9A-Za-z]*",
                ));
            }
            if !id.is_empty() && !ids.insert(id) {
                return Err(AwsError::malformed_policy(
                    "Statement IDs (SID) in a single policy must be unique.",
                ));
            }
        }
        let read = |statement: &Value| Statement::parse(statement, purpose);
        Ok(Self {
            statements: statements.into_iter().map(read).collect::<Result<_, _>>()?,
        })
    }
}

const ELEMENTS: [&str; 9] = [
    "Sid",
    "Effect",
    "Principal",
    "NotPrincipal",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
];

impl Statement {
    fn parse(value: &Value, purpose: Purpose) -> Result<Self, AwsError> {
        let Value::Object(fields) = value else {
            return Err(syntax());
        };
        if fields.keys().any(|element| !ELEMENTS.contains(&element.as_str())) {
            return Err(syntax());
        }
        let allows = match fields.get("Effect").and_then(Value::as_str) {
            Some("Allow") => true,
            Some("Deny") => false,
            _ => return Err(syntax()),
        };
        let actions = selection(fields, "Action", "NotAction")?.ok_or_else(syntax)?;
        if actions.patterns().is_empty() {
            return Err(AwsError::malformed_policy(
                "Policy statement must contain actions.",
            ));
        }
        for action in actions.patterns() {
            check_action(action)?;
        }
        if let Some(condition) = fields.get("Condition") {
            check_condition(condition)?;
        }
        let resources = selection(fields, "Resource", "NotResource")?;
        for resource in resources.iter().flat_map(Selection::patterns) {
            check_resource(resource)?;
        }
        let principals = principals(fields)?;
        match purpose {
            Purpose::Identity if resources.as_ref().is_none_or(|all| all.patterns().is_empty()) => {
                return Err(AwsError::malformed_policy(
                    "Policy statement must contain resources.",
                ));
            }
            Purpose::Identity if !principals.is_empty() => {
                return Err(AwsError::malformed_policy(
                    "Policy document should not specify a principal.",
                ));
            }
            Purpose::Trust if resources.is_some() => {
                return Err(AwsError::malformed_policy("Has prohibited field Resource"));
            }
            Purpose::Trust if principals.is_empty() => {
                return Err(AwsError::malformed_policy(
                    "AssumeRole policy must contain a principal.",
                ));
            }
            Purpose::Identity | Purpose::Trust => {}
        }
        let resources = resources.unwrap_or_else(|| Selection::Only(vec!["*".to_owned()]));
        Ok(Self {
            allows,
            actions,
            resources,
            principals,
            condition: fields.get("Condition").cloned(),
        })
    }
}

impl Selection {
    pub(crate) fn patterns(&self) -> &[String] {
        match self {
            Self::Only(patterns) | Self::AllBut(patterns) => patterns,
        }
    }
}

fn selection(fields: &Map<String, Value>, only: &str, all_but: &str) -> Result<Option<Selection>, AwsError> {
    match (fields.get(only), fields.get(all_but)) {
        (Some(value), None) => Ok(Some(Selection::Only(texts(value)?))),
        (None, Some(value)) => Ok(Some(Selection::AllBut(texts(value)?))),
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(syntax()),
    }
}

fn texts(value: &Value) -> Result<Vec<String>, AwsError> {
    let text = |value: &Value| value.as_str().map(str::to_owned).ok_or_else(syntax);
    match value {
        Value::Array(values) => values.iter().map(text).collect(),
        Value::String(text) => Ok(vec![text.clone()]),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Err(syntax()),
    }
}

fn principals(fields: &Map<String, Value>) -> Result<Vec<(String, String)>, AwsError> {
    match fields.get("Principal").or_else(|| fields.get("NotPrincipal")) {
        None => Ok(Vec::new()),
        Some(Value::String(all)) if all == "*" => Ok(vec![("AWS".to_owned(), "*".to_owned())]),
        Some(Value::Object(kinds)) => {
            let mut found = Vec::new();
            for (kind, value) in kinds {
                found.extend(
                    texts(value)?
                        .into_iter()
                        .map(|principal| (kind.clone(), principal)),
                );
            }
            Ok(found)
        }
        Some(_) => Err(syntax()),
    }
}

/// `*`, or a vendor without wildcards and a pattern.
fn check_action(action: &str) -> Result<(), AwsError> {
    if action == "*" {
        return Ok(());
    }
    let Some((vendor, name)) = action.split_once(':') else {
        return Err(AwsError::malformed_policy(
            "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
        ));
    };
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    if vendor.is_empty() || !vendor.chars().all(allowed) {
        return Err(AwsError::malformed_policy(format!(
            "Vendor {vendor} is not valid"
        )));
    }
    if name.contains(':') {
        return Err(AwsError::malformed_policy(
            "Actions/Condition can contain only one colon.",
        ));
    }
    if name.is_empty() { Err(syntax()) } else { Ok(()) }
}

/// `*`, or an ARN of a partition there is.
fn check_resource(resource: &str) -> Result<(), AwsError> {
    if resource == "*" {
        return Ok(());
    }
    let Some((_, rest)) = resource.split_once(':') else {
        return Err(AwsError::malformed_policy(format!(
            "Resource {resource} must be in ARN format or \"*\"."
        )));
    };
    let (partition, rest) = rest.split_once(':').unwrap_or((rest, ""));
    let known = ["aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b", "*"];
    if !known.contains(&partition) {
        return Err(AwsError::malformed_policy(format!(
            "Partition \"{partition}\" is not valid for resource \"{resource}\"."
        )));
    }
    if rest.is_empty() {
        return Err(AwsError::malformed_policy(
            "Resource vendor must be fully qualified and cannot contain regexes.",
        ));
    }
    Ok(())
}

/// Operators there are, each with keys and their values.
fn check_condition(condition: &Value) -> Result<(), AwsError> {
    let operators = condition.as_object().ok_or_else(syntax)?;
    for (operator, keys) in operators {
        let keys = keys.as_object().ok_or_else(syntax)?;
        if keys.values().any(|value| value.is_object() || value.is_null()) {
            return Err(syntax());
        }
        let plain = operator
            .strip_prefix("ForAnyValue:")
            .or_else(|| operator.strip_prefix("ForAllValues:"))
            .unwrap_or(operator);
        let plain = plain.strip_suffix("IfExists").unwrap_or(plain);
        if !OPERATORS.contains(&plain) {
            return Err(AwsError::malformed_policy(format!(
                "Invalid Condition type : {operator}."
            )));
        }
    }
    Ok(())
}

const OPERATORS: [&str; 27] = [
    "ArnEquals",
    "ArnLike",
    "ArnNotEquals",
    "ArnNotLike",
    "BinaryEquals",
    "Bool",
    "DateEquals",
    "DateGreaterThan",
    "DateGreaterThanEquals",
    "DateLessThan",
    "DateLessThanEquals",
    "DateNotEquals",
    "IpAddress",
    "NotIpAddress",
    "Null",
    "NumericEquals",
    "NumericGreaterThan",
    "NumericGreaterThanEquals",
    "NumericLessThan",
    "NumericLessThanEquals",
    "NumericNotEquals",
    "StringEquals",
    "StringEqualsIgnoreCase",
    "StringLike",
    "StringNotEquals",
    "StringNotEqualsIgnoreCase",
    "StringNotLike",
];

/// Whether `pattern`, with `*` and `?`, matches `text`, capitals or not. A wildcard in `text` is a letter like others,
/// so a pattern that matches another pattern covers all that the other one covers.
pub(crate) fn glob(pattern: &str, text: &str) -> bool {
    exact_glob(&pattern.to_lowercase(), &text.to_lowercase())
}

/// The same where capitals count, as they do in resources.
pub(crate) fn exact_glob(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&'*') {
            retry = Some((p, t));
            p += 1;
        } else if pattern
            .get(p)
            .is_some_and(|&letter| letter == text[t] || (letter == '?' && text[t] != '*'))
        {
            p += 1;
            t += 1;
        } else if let Some((star, from)) = retry {
            p = star + 1;
            t = from + 1;
            retry = Some((star, t));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&letter| letter == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str, purpose: Purpose) -> Option<String> {
        PolicyDocument::parse(text, purpose).err().map(|error| error.code)
    }

    #[test]
    fn sound_documents_are_read() {
        let single =
            r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}"#;
        assert_eq!(code(single, Purpose::Identity), None);
        let conditional = r#"{"Version":"2012-10-17","Statement":[{"Sid":"A","Effect":"Deny","NotAction":"iam:*","Resource":"*",
            "Condition":{"ForAnyValue:StringLikeIfExists":{"aws:PrincipalArn":["arn:*"]},"Bool":{"aws:MultiFactorAuthPresent":false}}}]}"#;
        assert_eq!(code(conditional, Purpose::Identity), None);
        let trust = r#"{"Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"lambda.amazonaws.com"}}]}"#;
        assert_eq!(code(trust, Purpose::Trust), None);
        assert_eq!(
            code(trust, Purpose::Identity),
            Some("MalformedPolicyDocument".into())
        );
    }

    #[test]
    fn malformed_documents_are_refused() {
        let statements = [
            r#"{"Effect":"Maybe","Action":"s3:*","Resource":"*"}"#,
            r#"{"Effect":"Allow","Resource":"*"}"#,
            r#"{"Effect":"Allow","Action":"s3:*"}"#,
            r#"{"Effect":"Allow","Action":"s*:Get","Resource":"*"}"#,
            r#"{"Effect":"Allow","Action":"Get","Resource":"*"}"#,
            r#"{"Effect":"Allow","Action":"s3:*","NotAction":"s3:*","Resource":"*"}"#,
            r#"{"Effect":"Allow","Action":[],"Resource":"*"}"#,
            r#"{"Effect":"Allow","Action":"s3:*","Resource":[]}"#,
            r#"{"Effect":"Allow","Action":"s3:Get:Object","Resource":"*"}"#,
            r#"{"Effect":"Allow","Action":"s3:*","Resource":"bucket"}"#,
            r#"{"Effect":"Allow","Action":"s3:*","Resource":"arn:other:s3:::bucket"}"#,
            r#"{"Effect":"Allow","Action":"s3:*","Resource":"*","Owner":"ada"}"#,
            r#"{"Sid":"no-dashes","Effect":"Allow","Action":"s3:*","Resource":"*"}"#,
            r#"{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"Boolean":{"a:b":"true"}}}"#,
            r#"{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"Bool":"true"}}"#,
            r#"{"Sid":"A","Effect":"Allow","Action":"s3:*","Resource":"*"},{"Sid":"A","Effect":"Allow","Action":"s3:*","Resource":"*"}"#,
        ];
        for statement in statements {
            let text = format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#);
            assert_eq!(
                code(&text, Purpose::Identity),
                Some("MalformedPolicyDocument".into()),
                "{statement}"
            );
        }
        for text in [
            "",
            "[]",
            "{}",
            r#"{"Statement":[]}"#,
            r#"{"Version":"2020-01-01","Statement":[]}"#,
        ] {
            assert_eq!(
                code(text, Purpose::Identity),
                Some("MalformedPolicyDocument".into()),
                "{text}"
            );
        }
    }

    #[test]
    fn patterns_match_like_those_of_iam() {
        assert!(glob("*", "s3:GetObject"));
        assert!(glob("S3:get*", "s3:GetObject"));
        assert!(glob("s3:?etObject", "s3:GetObject"));
        assert!(glob("s3:*", "s3:Get*"));
        assert!(!glob("s3:Get*", "s3:*"));
        assert!(!glob("s3:?", "s3:*"));
        assert!(!glob("s3:Get", "s3:GetObject"));
    }
}
