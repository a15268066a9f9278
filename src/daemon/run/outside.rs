//! What others need of the outside world: secrets by reference, and HTTP under the guard that channels are under.

use secrecy::SecretString;

use super::House;
use crate::config::SecretReference;
use crate::notify::Exchanges;

pub use crate::notify::ExchangeError;

impl House {
    /// The secret behind a reference.
    ///
    /// # Errors
    /// Where it cannot be read; the error names the reference, never the secret.
    pub async fn secret(&self, reference: &SecretReference) -> anyhow::Result<SecretString> {
        Ok(self.sessions.secrets().resolve(reference).await?)
    }

    /// Sends a request and gives the answer, whatever its status: to public addresses by HTTPS, save for what
    /// `[notifications]` allows, and without following redirects.
    ///
    /// # Errors
    /// Where the destination is not allowed or does not answer.
    pub async fn exchange(
        &self,
        request: http::Request<Vec<u8>>,
    ) -> Result<http::Response<Vec<u8>>, ExchangeError> {
        Exchanges::new(&self.config.notifications)?
            .exchange(request)
            .await
    }
}
