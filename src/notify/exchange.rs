//! Requests to services other than channels, under the same guard.

use std::sync::Arc;
use std::time::Duration;

use super::egress::{EgressGuard, SystemLookup};
use super::transport::{SendFailure, Transport};
use crate::config::Notifications;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// TLS or the name service cannot be set up.
    #[error("the HTTP client cannot be set up: see the cause beneath")]
    Client(#[source] reqwest::Error),
    /// It was not sent, or nothing that can be read came back.
    #[error(transparent)]
    Failed(#[from] SendFailure),
    /// The answer is not one.
    #[error("the answer cannot be read")]
    Answer(#[source] http::Error),
}

/// An HTTP client for whole requests and answers.
#[derive(Debug, Clone)]
pub struct Exchanges(Transport);

impl Exchanges {
    /// A client that goes where channels may go.
    ///
    /// # Errors
    /// Where it cannot be set up.
    pub fn new(notifications: &Notifications) -> Result<Self, ExchangeError> {
        let guard = EgressGuard::new(notifications, Arc::new(SystemLookup));
        Transport::new(guard).map(Self).map_err(ExchangeError::Client)
    }

    /// Sends a request and gives the answer, whatever its status.
    ///
    /// # Errors
    /// [`ExchangeError`], which does not repeat the request.
    pub async fn exchange(
        &self,
        request: http::Request<Vec<u8>>,
    ) -> Result<http::Response<Vec<u8>>, ExchangeError> {
        let (status, headers, body) = self.0.send(request, PATIENCE).await?;
        let mut answer = http::Response::builder().status(status);
        if let Some(all) = answer.headers_mut() {
            *all = headers;
        }
        answer.body(body).map_err(ExchangeError::Answer)
    }
}
