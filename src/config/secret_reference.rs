//! Secrets are only ever named in the configuration, never written there.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A text that does not name a secret. It is not repeated in the message: it may be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is not a reference to a secret (env:NAME, file:PATH, secretsmanager:NAME or secretsmanager:NAME#json-key); secrets themselves do not belong in the configuration"
)]
pub struct SecretReferenceError;

/// Where a secret is found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SecretReference {
    /// In an environment variable.
    Env(String),
    /// In a file, without the line break at its end.
    File(PathBuf),
    /// In AWS Secrets Manager.
    SecretsManager {
        /// Its name or ARN.
        name: String,
        /// Which key of the JSON object that the secret is; `None`: the whole text.
        json_key: Option<String>,
    },
}

impl SecretReference {
    /// Parses a reference.
    ///
    /// # Errors
    /// [`SecretReferenceError`], which does not repeat the text.
    pub fn parse(text: &str) -> Result<Self, SecretReferenceError> {
        let (scheme, rest) = text.split_once(':').ok_or(SecretReferenceError)?;
        if rest.is_empty() {
            return Err(SecretReferenceError);
        }
        match scheme {
            "env" if rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') => {
                Ok(Self::Env(rest.to_owned()))
            }
            "file" => Ok(Self::File(rest.into())),
            "secretsmanager" => {
                let (name, json_key) = match rest.split_once('#') {
                    Some((name, key)) => (name, Some(key.to_owned())),
                    None => (rest, None),
                };
                if name.is_empty() || json_key.as_deref() == Some("") {
                    return Err(SecretReferenceError);
                }
                Ok(Self::SecretsManager {
                    name: name.to_owned(),
                    json_key,
                })
            }
            _ => Err(SecretReferenceError),
        }
    }
}

impl SecretReference {
    /// Parses what begins as a reference does, where something else may stand as well; `None`: it is something else.
    pub fn parse_if_meant(text: &str) -> Option<Result<Self, SecretReferenceError>> {
        let meant = ["env:", "file:", "secretsmanager:"]
            .iter()
            .any(|scheme| text.starts_with(scheme));
        meant.then(|| Self::parse(text))
    }
}

impl fmt::Display for SecretReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::SecretsManager { name, json_key: None } => write!(f, "secretsmanager:{name}"),
            Self::SecretsManager {
                name,
                json_key: Some(key),
            } => write!(f, "secretsmanager:{name}#{key}"),
        }
    }
}

impl Serialize for SecretReference {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SecretReference {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for SecretReference {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SecretReference".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^(env|file|secretsmanager):.+$",
            "description": "env:NAME, file:PATH, secretsmanager:NAME or secretsmanager:NAME#json-key"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read_and_printed() {
        for text in [
            "env:SIEM_URL",
            "file:/run/secrets/siem",
            "secretsmanager:iamwarden/slack",
            "secretsmanager:iamwarden/slack#url",
            "secretsmanager:arn:aws:secretsmanager:eu-central-1:123456789012:secret:x-AbCdEf#url",
        ] {
            assert_eq!(SecretReference::parse(text).unwrap().to_string(), text);
        }
        for wrong in [
            "",
            "env:",
            "env:A B",
            "file:",
            "secretsmanager:",
            "secretsmanager:#url",
            "secretsmanager:x#",
            "https://hooks.example.com/T0/B0",
            "whsec_canary",
            "ENV:SIEM_URL",
        ] {
            let error = SecretReference::parse(wrong).unwrap_err();
            assert!(!error.to_string().contains("canary"));
        }
    }
}
