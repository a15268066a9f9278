//! Values of the secrets that the configuration names.
//!
//! A value is a [`SecretString`] from the moment it is read: it has no `Display`, its `Debug` prints stars, and no error
//! here repeats it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_config::Region;
use aws_sdk_secretsmanager::Client;
use secrecy::{ExposeSecret, SecretString};
use tokio::io::AsyncReadExt;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::ambient::Ambient;
use super::errors::{AwsError, Scope};
use super::operation;
use crate::config::SecretReference;

/// The longest secret in bytes: what Secrets Manager takes.
const LONGEST: u64 = 64 * 1024;

/// Why a secret could not be resolved. Names the reference, never the value.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The environment variable is not there, or empty.
    #[error("the secret {0} is not set: put it into the environment of iamwarden, or name another place")]
    NotSet(SecretReference),
    /// The file cannot be read.
    #[error(
        "the secret {reference} cannot be read ({kind}): check that the file exists and that iamwarden may read it"
    )]
    Unreadable {
        /// Which secret.
        reference: SecretReference,
        /// The kind of the failure.
        kind: std::io::ErrorKind,
        /// The failure.
        source: std::io::Error,
    },
    /// Secrets Manager refused or failed.
    #[error(
        "the secret {reference} cannot be read from Secrets Manager: check its name and region, and that iamwarden may call secretsmanager:GetSecretValue on it"
    )]
    Aws {
        /// Which secret.
        reference: SecretReference,
        /// The failure.
        source: Box<AwsError>,
    },
    /// It is binary, empty, or longer than any secret.
    #[error("the secret {0} holds no text that could be a secret: store it as a string of at most 64 KiB")]
    NotText(SecretReference),
    /// It is not a JSON object, though the reference names a key in one.
    #[error(
        "the secret {0} is not a JSON object, so it has no keys: leave out what follows `#`, or store an object"
    )]
    NotAnObject(SecretReference),
    /// The object has no such key, or no text under it.
    #[error("the secret {0} has no text under the key that follows `#`: check the key")]
    NoSuchKey(SecretReference),
}

type Environment = dyn Fn(&str) -> Option<String> + Send + Sync;

/// Resolves references to secrets.
pub struct Secrets {
    environment: Box<Environment>,
    ambient: Arc<Ambient>,
    kept: Mutex<BTreeMap<String, (Instant, SecretString)>>,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secrets").finish_non_exhaustive()
    }
}

impl Secrets {
    /// With a look-up of environment variables, and the ambient credentials for Secrets Manager.
    pub fn new(
        environment: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
        ambient: Arc<Ambient>,
    ) -> Self {
        Self {
            environment: Box::new(environment),
            ambient,
            kept: Mutex::default(),
        }
    }

    /// The value. One of Secrets Manager is at most as old as [`Pace::secrets`](super::Pace) says: five minutes.
    ///
    /// # Errors
    /// [`SecretError`].
    pub async fn resolve(&self, reference: &SecretReference) -> Result<SecretString, SecretError> {
        match reference {
            SecretReference::Env(name) => (self.environment)(name)
                .filter(|value| !value.trim().is_empty())
                .map(SecretString::from)
                .ok_or_else(|| SecretError::NotSet(reference.clone())),
            SecretReference::File(path) => read_file(reference, path).await,
            SecretReference::SecretsManager { name, json_key } => {
                let whole = match self.kept(name) {
                    Some(value) => value,
                    None => self.fetch(reference, name).await?,
                };
                match json_key {
                    Some(key) => value_of_key(reference, &whole, key),
                    None => Ok(whole),
                }
            }
        }
    }

    /// The value, read anew: for when the one at hand was refused, because it was rotated.
    ///
    /// # Errors
    /// [`SecretError`].
    pub async fn refresh(&self, reference: &SecretReference) -> Result<SecretString, SecretError> {
        match reference {
            SecretReference::SecretsManager { name, .. } => {
                self.lock().remove(name);
            }
            SecretReference::Env(_) | SecretReference::File(_) => {}
        }
        self.resolve(reference).await
    }

    fn kept(&self, name: &str) -> Option<SecretString> {
        self.lock()
            .get(name)
            .filter(|(read_at, _)| read_at.elapsed() < self.ambient.pace().secrets)
            .map(|(_, value)| value.clone())
    }

    async fn fetch(&self, reference: &SecretReference, name: &str) -> Result<SecretString, SecretError> {
        let mut config = aws_sdk_secretsmanager::config::Builder::from(self.ambient.sdk().await);
        if let Some(region) = region_of_arn(name) {
            config = config.region(Region::new(region.to_owned()));
        }
        let scope = Scope {
            operation: operation::GET_SECRET_VALUE,
            account: None,
            resource: None,
        };
        let asked = Client::from_conf(config.build())
            .get_secret_value()
            .secret_id(name)
            .send();
        let answer = Box::pin(asked).await.map_err(|error| SecretError::Aws {
            reference: reference.clone(),
            source: Box::new(AwsError::from_sdk(scope, error)),
        })?;
        let value = answer
            .secret_string
            .filter(|value| !value.is_empty())
            .map(SecretString::from)
            .ok_or_else(|| SecretError::NotText(reference.clone()))?;
        self.lock()
            .insert(name.to_owned(), (Instant::now(), value.clone()));
        Ok(value)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, (Instant, SecretString)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The text of a file, without the line break at its end.
async fn read_file(reference: &SecretReference, path: &std::path::Path) -> Result<SecretString, SecretError> {
    let unreadable = |source: std::io::Error| SecretError::Unreadable {
        reference: reference.clone(),
        kind: source.kind(),
        source,
    };
    let file = tokio::fs::File::open(path).await.map_err(unreadable)?;
    let mut bytes = Zeroizing::new(Vec::new());
    let mut file = file.take(LONGEST + 1);
    file.read_to_end(&mut bytes).await.map_err(unreadable)?;
    let text = std::str::from_utf8(&bytes).ok();
    let line = text.map(|text| text.strip_suffix('\n').unwrap_or(text));
    let line = line.map(|line| line.strip_suffix('\r').unwrap_or(line));
    line.filter(|line| !line.trim().is_empty() && file.limit() > 0)
        .map(SecretString::from)
        .ok_or_else(|| SecretError::NotText(reference.clone()))
}

fn value_of_key(
    reference: &SecretReference,
    whole: &SecretString,
    key: &str,
) -> Result<SecretString, SecretError> {
    // The parser's own error could quote the text, so it is dropped for one that cannot.
    let object: BTreeMap<String, serde_json::Value> = serde_json::from_str(whole.expose_secret())
        .map_err(|_| SecretError::NotAnObject(reference.clone()))?;
    object
        .get(key)
        .and_then(serde_json::Value::as_str)
        .filter(|value| !value.is_empty())
        .map(SecretString::from)
        .ok_or_else(|| SecretError::NoSuchKey(reference.clone()))
}

/// The region in the ARN of a secret, where the name is one.
fn region_of_arn(name: &str) -> Option<&str> {
    let mut parts = name.split(':');
    let head = (parts.next()?, parts.next()?, parts.next()?);
    let region = parts.next().filter(|region| !region.is_empty())?;
    (head.0 == "arn" && head.2 == "secretsmanager").then_some(region)
}

#[cfg(test)]
mod tests {
    use super::super::ambient::Pace;
    use super::*;

    fn secrets() -> Secrets {
        let ambient = Ambient::fixed(
            "http://127.0.0.1:9",
            "AKIAIOSFODNN7EXAMPLE",
            "x".into(),
            Pace::default(),
        );
        Secrets::new(
            |name| match name {
                "TOKEN" => Some("s3cr3t".to_owned()),
                "EMPTY" => Some(String::new()),
                _ => None,
            },
            Arc::new(ambient),
        )
    }

    fn reference(text: &str) -> SecretReference {
        SecretReference::parse(text).unwrap()
    }

    #[tokio::test]
    async fn environment_and_files() {
        let secrets = secrets();
        let value = secrets.resolve(&reference("env:TOKEN")).await.unwrap();
        assert_eq!(value.expose_secret(), "s3cr3t");
        for missing in ["env:EMPTY", "env:OTHER"] {
            let error = secrets.resolve(&reference(missing)).await.unwrap_err();
            assert!(matches!(error, SecretError::NotSet(_)), "{error}");
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        for (content, value) in [
            ("abc\n", "abc"),
            ("abc\r\n", "abc"),
            ("abc", "abc"),
            (" a\nb\n", " a\nb"),
        ] {
            std::fs::write(&path, content).unwrap();
            let read = secrets
                .resolve(&SecretReference::File(path.clone()))
                .await
                .unwrap();
            assert_eq!(read.expose_secret(), value);
        }
        for nothing in [&b"\n"[..], b" ", b"canary\xff", &[b'x'; 64 * 1024 + 1]] {
            std::fs::write(&path, nothing).unwrap();
            let error = secrets.resolve(&SecretReference::File(path.clone())).await;
            let error = error.unwrap_err();
            assert!(matches!(error, SecretError::NotText(_)) && !format!("{error:?}").contains("canary"));
        }
        let gone = SecretReference::File(folder.path().join("gone"));
        assert!(matches!(
            secrets.resolve(&gone).await,
            Err(SecretError::Unreadable { .. })
        ));
    }

    #[test]
    fn keys_of_json_objects() {
        let reference = reference("secretsmanager:iamwarden/slack#url");
        let value = |text: &str| value_of_key(&reference, &SecretString::from(text), "url");
        assert_eq!(
            value(r#"{"url": "https://x", "n": 1}"#).unwrap().expose_secret(),
            "https://x"
        );
        assert!(matches!(value("canary-plain"), Err(SecretError::NotAnObject(_))));
        assert!(matches!(value(r#"["canary"]"#), Err(SecretError::NotAnObject(_))));
        assert!(matches!(value(r#"{"url": 7}"#), Err(SecretError::NoSuchKey(_))));
        let error = value(r#"{"token": "canary"}"#).unwrap_err();
        insta::assert_snapshot!(error, @"the secret secretsmanager:iamwarden/slack#url has no text under the key that follows `#`: check the key");
        assert!(!format!("{:?}", value("canary-plain").unwrap_err()).contains("canary"));
    }

    #[test]
    fn an_arn_names_its_region() {
        let arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:iamwarden/slack-AbCdEf";
        assert_eq!(region_of_arn(arn), Some("eu-west-1"));
        assert_eq!(region_of_arn("iamwarden/slack"), None);
    }
}
