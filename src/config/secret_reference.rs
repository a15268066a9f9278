//! Secrets are only ever named in the configuration, never written there.

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::Environment;

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

/// Why a secret is not to be had. Neither message nor source repeats any of it.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The variable is not set.
    #[error("the environment variable {0} is not set: set it to the secret")]
    Unset(String),
    /// The file cannot be read.
    #[error("the secret cannot be read from {}: check that the file is there and that iamwarden may read it", .path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Not UTF-8.
    #[error("the secret of {0} is not UTF-8 text: write it as text")]
    NotText(SecretReference),
    /// Nothing but blanks.
    #[error("the secret of {0} is empty: write the secret there")]
    Empty(SecretReference),
    /// Longer than any secret is.
    #[error("what {0} holds is larger than 64 KiB: this is not a secret")]
    TooLong(SecretReference),
}

/// The longest secret, in bytes; what Secrets Manager takes.
const LONGEST: u64 = 64 * 1024;

impl SecretReference {
    /// The secret, where this machine holds it: in the environment or in a file, whose last line break does not count.
    /// `None`: AWS holds it.
    pub fn resolve_local(&self, environment: &Environment) -> Option<Result<SecretString, SecretError>> {
        match self {
            Self::Env(name) => Some(match environment.get(name) {
                Some(value) => match value.to_str() {
                    Some(text) => self.accept(text),
                    None => Err(SecretError::NotText(self.clone())),
                },
                None => Err(SecretError::Unset(name.clone())),
            }),
            Self::File(path) => Some(self.read(path)),
            Self::SecretsManager { .. } => None,
        }
    }

    fn read(&self, path: &Path) -> Result<SecretString, SecretError> {
        let unreadable = |source| SecretError::Unreadable {
            path: path.to_owned(),
            source,
        };
        let file = std::fs::File::open(path).map_err(unreadable)?;
        let mut bytes = Zeroizing::new(Vec::new());
        // One more than is allowed, and the line break.
        let limit = LONGEST + 3;
        file.take(limit).read_to_end(&mut bytes).map_err(unreadable)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| SecretError::NotText(self.clone()))?;
        let line = text.strip_suffix('\n').unwrap_or(text);
        self.accept(if line.len() < text.len() {
            line.strip_suffix('\r').unwrap_or(line)
        } else {
            line
        })
    }

    fn accept(&self, text: &str) -> Result<SecretString, SecretError> {
        if text.trim().is_empty() {
            Err(SecretError::Empty(self.clone()))
        } else if u64::try_from(text.len()).is_ok_and(|length| length <= LONGEST) {
            Ok(SecretString::from(text))
        } else {
            Err(SecretError::TooLong(self.clone()))
        }
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
    use secrecy::ExposeSecret;

    use super::*;

    fn resolve(reference: &str, environment: &Environment) -> Result<String, String> {
        let resolved = SecretReference::parse(reference)
            .unwrap()
            .resolve_local(environment);
        resolved
            .unwrap()
            .map(|secret| secret.expose_secret().to_owned())
            .map_err(|error| error.to_string())
    }

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

    #[test]
    fn a_secret_of_the_environment() {
        let environment = Environment::from_iter([("A", "canary\n"), ("EMPTY", ""), ("BLANK", " \n")]);
        assert_eq!(resolve("env:A", &environment), Ok("canary\n".into()));
        insta::assert_snapshot!(resolve("env:B", &environment).unwrap_err(), @"the environment variable B is not set: set it to the secret");
        insta::assert_snapshot!(resolve("env:EMPTY", &environment).unwrap_err(), @"the secret of env:EMPTY is empty: write the secret there");
        insta::assert_snapshot!(resolve("env:BLANK", &environment).unwrap_err(), @"the secret of env:BLANK is empty: write the secret there");
        let managed = SecretReference::parse("secretsmanager:x#y").unwrap();
        assert!(managed.resolve_local(&environment).is_none());
    }

    #[test]
    fn a_secret_of_a_file_loses_one_line_break() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let reference = format!("file:{}", path.display());
        let read = |content: &[u8]| {
            std::fs::write(&path, content).unwrap();
            let place = folder.path().display().to_string();
            resolve(&reference, &Environment::empty()).map_err(|error| error.replace(&place, "DIR"))
        };
        assert_eq!(read(b"canary"), Ok("canary".into()));
        assert_eq!(read(b"canary\n"), Ok("canary".into()));
        assert_eq!(read(b"canary\r\n"), Ok("canary".into()));
        assert_eq!(read(b"canary\n\n"), Ok("canary\n".into()));
        assert_eq!(read(b"canary\r"), Ok("canary\r".into()));
        assert_eq!(read(&[b'x'; 64 * 1024]).map(|secret| secret.len()), Ok(64 * 1024));
        insta::assert_snapshot!(read(b"\n").unwrap_err(), @"the secret of file:DIR/secret is empty: write the secret there");
        insta::assert_snapshot!(read(b"canary\xff").unwrap_err(), @"the secret of file:DIR/secret is not UTF-8 text: write it as text");
        insta::assert_snapshot!(read(&[b'x'; 64 * 1024 + 1]).unwrap_err(), @"what file:DIR/secret holds is larger than 64 KiB: this is not a secret");
        insta::assert_snapshot!(read(&vec![b'x'; 1 << 20]).unwrap_err(), @"what file:DIR/secret holds is larger than 64 KiB: this is not a secret");
        let missing = SecretReference::File(folder.path().join("missing"));
        let error = missing.resolve_local(&Environment::empty()).unwrap().unwrap_err();
        assert!(std::error::Error::source(&error).is_some());
        assert!(
            error.to_string().starts_with("the secret cannot be read from /"),
            "{error}"
        );
    }
}
