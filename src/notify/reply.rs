//! Answers to clicks: they go where the click says, so only to Slack, and past the same guard as every message.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret as _, SecretString};

use super::delivery::DeliveryError;
use super::egress::{EgressGuard, EgressRefusal, HostLookup};
use super::transport::{Post, SendFailure, Transport};
use crate::config::{ChannelKind, Notifications};

/// How long one try may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait before each further try. Slack takes answers for half an hour, five at most.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(5)];

/// Sends answers to clicks.
#[derive(Debug, Clone)]
pub struct Replies {
    guard: EgressGuard,
    hosts: Vec<String>,
    transport: Transport,
}

impl Replies {
    /// As the configuration allows.
    ///
    /// # Errors
    /// [`DeliveryError::Client`] where the HTTP client cannot be set up.
    pub fn new(notifications: &Notifications, lookup: Arc<dyn HostLookup>) -> Result<Self, DeliveryError> {
        let guard = EgressGuard::new(notifications, lookup);
        Ok(Self {
            transport: Transport::new(guard.clone()).map_err(DeliveryError::Client)?,
            hosts: notifications.slack_hosts.clone(),
            guard,
        })
    }

    /// Sends an answer, and tries again a little later where that fails.
    ///
    /// # Errors
    /// Why it was not taken. The URL is a secret and is not repeated.
    pub async fn send(&self, url: &SecretString, body: &str, now: DateTime<Utc>) -> Result<(), SendFailure> {
        let parsed = self.guard.check_url(url.expose_secret())?;
        let is_slack = |host: &str| self.hosts.iter().any(|known| known.eq_ignore_ascii_case(host));
        if !parsed.host_str().is_some_and(is_slack) {
            return Err(EgressRefusal::NotSlack.into());
        }
        let mut pauses = PAUSES.iter();
        loop {
            let post = Post {
                kind: ChannelKind::Slack,
                url,
                signing: None,
                headers: Vec::new(),
                body: body.to_owned(),
                timeout: TIMEOUT,
                now,
            };
            match (self.transport.post(post).await, pauses.next()) {
                (Ok(()), _) => return Ok(()),
                (Err(failure), None) => return Err(failure),
                (Err(failure @ SendFailure::Egress(_)), Some(_)) => return Err(failure),
                (Err(_), Some(pause)) => tokio::time::sleep(*pause).await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::{SystemLookup, sample};

    #[tokio::test]
    async fn answers_go_to_slack_alone() {
        let replies = Replies::new(&sample::notifications(), Arc::new(SystemLookup)).unwrap();
        for (url, refusal) in [
            (
                "https://hooks.slack.com.evil.example/actions/x",
                EgressRefusal::NotSlack,
            ),
            ("https://slack.com/actions/x", EgressRefusal::NotSlack),
            (
                "http://hooks.slack.com/actions/x",
                EgressRefusal::Scheme("http".to_owned()),
            ),
            ("https://u:p@hooks.slack.com/x", EgressRefusal::Credentials),
            ("not a url", EgressRefusal::Unreadable),
        ] {
            let failure = replies
                .send(&SecretString::from(url), "{}", sample::now())
                .await
                .unwrap_err();
            let SendFailure::Egress(found) = failure else {
                panic!("{url}: {failure}")
            };
            assert_eq!(found, refusal, "{url}");
        }
    }
}
