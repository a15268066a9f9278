//! Who may assume a role, as far as it says how rarely the role may rightly be used (P2, P3).

use std::collections::BTreeSet;

use serde_json::Value;

use crate::model::{AccountId, Arn, PolicyDocument, PolicyDocumentError};

/// Services whose roles do their work all the time: compute on which a workload runs. Roles handed to any other
/// service (Lambda, EventBridge, Backup, Config …) may rightly rest for a year.
const WORKLOADS: [&str; 3] = [
    "ec2.amazonaws.com",
    "ecs-tasks.amazonaws.com",
    "pods.eks.amazonaws.com",
];

/// What a trust policy says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Trust {
    /// Other accounts, and identity providers. Kept as written.
    pub(super) outsiders: BTreeSet<String>,
    /// Services that invoke it, and are not where workloads run.
    pub(super) invoking_services: BTreeSet<String>,
}

impl Trust {
    /// Of a decoded trust policy of a role of this account.
    ///
    /// # Errors
    /// Where it cannot be parsed.
    pub(super) fn of_document(text: &str, account: &AccountId) -> Result<Self, PolicyDocumentError> {
        let document = PolicyDocument::parse(text)?;
        let mut trust = Self::default();
        for statement in document.allows() {
            if statement.rest.contains_key("NotPrincipal") {
                trust.outsiders.insert("everyone but those named".to_owned());
            }
            match statement.rest.get("Principal") {
                None => {}
                Some(Value::Object(kinds)) => {
                    for (kind, who) in kinds {
                        trust.add(kind, who, account);
                    }
                }
                Some(other) => {
                    trust.outsiders.insert(text_of(other));
                }
            }
        }
        Ok(trust)
    }

    fn add(&mut self, kind: &str, who: &Value, account: &AccountId) {
        let names: Vec<String> = match who {
            Value::Array(items) => items.iter().map(text_of).collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
                vec![text_of(who)]
            }
        };
        for name in names {
            match kind {
                "Service" => {
                    if !WORKLOADS.contains(&name.to_ascii_lowercase().as_str()) {
                        self.invoking_services.insert(name);
                    }
                }
                "AWS" if is_of_account(&name, account) => {}
                // Other accounts, federated identities, canonical users, and kinds that are yet to come.
                _ => {
                    self.outsiders.insert(name);
                }
            }
        }
    }
}

fn is_of_account(principal: &str, account: &AccountId) -> bool {
    principal == account.as_str() || Arn::parse(principal).is_ok_and(|arn| arn.account() == account.as_str())
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            value.to_string()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trust(principal: &str) -> Trust {
        let account = AccountId::parse("123456789012").unwrap();
        let text = format!(
            r#"{{"Statement":[{{"Effect":"Allow","Principal":{principal},"Action":"sts:AssumeRole"}}]}}"#
        );
        Trust::of_document(&text, &account).unwrap()
    }

    #[test]
    fn own_account_and_workloads_are_nothing_special() {
        for principal in [
            r#"{"AWS":"123456789012"}"#,
            r#"{"AWS":["arn:aws:iam::123456789012:root","arn:aws:iam::123456789012:role/x"]}"#,
            r#"{"Service":["ec2.amazonaws.com","ecs-tasks.amazonaws.com"]}"#,
        ] {
            assert_eq!(trust(principal), Trust::default(), "{principal}");
        }
    }

    #[test]
    fn outsiders_are_named() {
        for principal in [
            r#""*""#,
            r#"{"AWS":"*"}"#,
            r#"{"AWS":"arn:aws:iam::999999999999:root"}"#,
            r#"{"AWS":"AROAEXAMPLEEXAMPLEX"}"#,
            r#"{"Federated":"arn:aws:iam::123456789012:saml-provider/idp"}"#,
            r#"{"Federated":"accounts.google.com"}"#,
            r#"{"CanonicalUser":"79a59d"}"#,
            "7",
        ] {
            assert_eq!(trust(principal).outsiders.len(), 1, "{principal}");
        }
    }

    #[test]
    fn invoking_services_are_named() {
        let both =
            trust(r#"{"Service":["lambda.amazonaws.com","ec2.amazonaws.com","config.amazonaws.com"]}"#);
        assert_eq!(both.invoking_services.len(), 2);
        assert!(both.outsiders.is_empty());
    }
}
