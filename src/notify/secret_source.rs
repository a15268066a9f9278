//! Where channels' secrets come from; whoever can read them implements it.

use secrecy::SecretString;

use crate::config::SecretReference;

/// A secret that could not be read. Names the reference, never the secret.
#[derive(Debug, thiserror::Error)]
#[error("the secret `{reference}` could not be read: check that it exists and may be read")]
pub struct SecretUnavailable {
    /// Where it should be.
    pub reference: SecretReference,
    /// Why.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// Where channels' URLs and signing secrets come from.
pub trait SecretSource: Sync {
    /// The secret, which may have been kept since the last reading.
    fn resolve(
        &self,
        reference: &SecretReference,
    ) -> impl Future<Output = Result<SecretString, SecretUnavailable>> + Send;

    /// The secret, read afresh.
    fn refresh(
        &self,
        reference: &SecretReference,
    ) -> impl Future<Output = Result<SecretString, SecretUnavailable>> + Send;
}
