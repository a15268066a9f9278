//! From the outbox to the channels: every due message tried, every outcome booked, no channel held up by another.
//!
//! A failure that is the channel's (no connection, no answer, "slow down") stops that channel for a while: its other
//! messages are put off without counting as tried. A failure that may be the message's does not. After an answer that a
//! rotated URL would give (401, 403, 404, 410) the secret is read afresh once. A channel that says it is gone (410) gets
//! nothing more until its URL changes; its messages become dead letters at once, where people see them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::Instant;

use self::round::{Round, booked};
use super::egress::{EgressGuard, HostLookup};
use super::message::Message;
use super::outbox::Outbox;
use super::retry::Failure;
use super::secret_source::{SecretSource, SecretUnavailable};
use super::transport::{Post, SendFailure, Transport};
use super::webhook::{SigningError, SigningSecret};
use super::{render, render::render_test};
use crate::config::{Channel, ChannelKind, Notifications, SecretReference};
use crate::model::Digest;

/// How deliveries are paced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CourierSettings {
    /// How long one try may take, answer included.
    pub timeout: Duration,
    /// The least time between two posts to one Slack webhook, which takes about one a second.
    pub slack_interval: Duration,
    /// How long a channel is left alone after it could not be reached.
    pub channel_pause: TimeDelta,
    /// How often the URL of a channel that is gone is read afresh, while messages for it come in.
    pub gone_compared_every: Duration,
    /// How many messages are taken from the outbox at once.
    pub batch: usize,
}

impl Default for CourierSettings {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(15),
            slack_interval: Duration::from_millis(1_100),
            channel_pause: TimeDelta::minutes(1),
            gone_compared_every: Duration::from_secs(60),
            batch: 500,
        }
    }
}

/// Why deliveries could not be made or booked at all.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// The HTTP client cannot be set up.
    #[error("the HTTP client for notifications could not be set up: check the system's certificates")]
    Client(#[source] reqwest::Error),
    /// The outbox failed. What was accepted and not booked is sent again later.
    #[error("the outbox failed at {operation}: check the state")]
    Outbox {
        /// What was asked of it.
        operation: &'static str,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No such channel.
    #[error("the channel `{0}` is not declared: add it to notifications.channels")]
    Undeclared(String),
    /// A secret could not be read.
    #[error(transparent)]
    Secret(#[from] SecretUnavailable),
    /// The signing secret cannot be used.
    #[error(transparent)]
    Signing(#[from] SigningError),
    /// The channel did not take it.
    #[error(transparent)]
    Send(#[from] SendFailure),
}

/// What a round of deliveries came to, in messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeliveryReport {
    /// Accepted by their channel.
    pub accepted: usize,
    /// Failed, to be tried again.
    pub retried: usize,
    /// Not tried, because their channel is left alone for a while.
    pub postponed: usize,
    /// Given up.
    pub dead: usize,
    /// Left where they were, because the time was over.
    pub left: usize,
}

impl DeliveryReport {
    fn add(&mut self, other: Self) {
        let Self {
            accepted,
            retried,
            postponed,
            dead,
            left,
        } = other;
        self.accepted += accepted;
        self.retried += retried;
        self.postponed += postponed;
        self.dead += dead;
        self.left += left;
    }
}

/// What is remembered of a channel between tries.
#[derive(Debug, Default, Clone)]
struct ChannelMemory {
    paused_until: Option<DateTime<Utc>>,
    /// The digest of the access that was answered by 410, and when it was last compared with a fresh one.
    gone: Option<(Digest, Instant)>,
    last_post: Option<Instant>,
}

/// Delivers messages. One for the life of a configuration: it remembers which channels asked to wait.
#[derive(Debug)]
pub struct Courier<S> {
    channels: Vec<Channel>,
    transport: Transport,
    secrets: S,
    settings: CourierSettings,
    memory: Mutex<BTreeMap<String, ChannelMemory>>,
}

/// Why a try failed, and what follows.
struct Miss {
    failure: Failure,
    retry_after: Option<TimeDelta>,
    concerns_channel: bool,
    error: String,
}

impl From<SendFailure> for Miss {
    fn from(failure: SendFailure) -> Self {
        Self {
            failure: failure.kind(),
            retry_after: failure.retry_after(),
            concerns_channel: failure.concerns_channel(),
            error: failure.to_string(),
        }
    }
}

impl From<SecretUnavailable> for Miss {
    fn from(unavailable: SecretUnavailable) -> Self {
        Self {
            failure: Failure::Passing,
            retry_after: None,
            concerns_channel: true,
            error: format!("{unavailable} ({})", unavailable.source),
        }
    }
}

impl From<SigningError> for Miss {
    fn from(error: SigningError) -> Self {
        Self {
            failure: Failure::Passing,
            retry_after: None,
            concerns_channel: true,
            error: error.to_string(),
        }
    }
}

impl Miss {
    fn gone(error: String) -> Self {
        Self {
            failure: Failure::Gone,
            retry_after: None,
            concerns_channel: false,
            error,
        }
    }
}

/// What a channel's posts are made with.
struct Access {
    url: SecretString,
    signing: Option<SigningSecret>,
    digest: Digest,
}

impl<S: SecretSource> Courier<S> {
    /// A courier for the declared channels.
    ///
    /// # Errors
    /// [`DeliveryError::Client`] where the HTTP client cannot be set up.
    pub fn new(
        notifications: &Notifications,
        lookup: Arc<dyn HostLookup>,
        secrets: S,
        settings: CourierSettings,
    ) -> Result<Self, DeliveryError> {
        let guard = EgressGuard::new(notifications, lookup);
        Ok(Self {
            channels: notifications.channels.clone(),
            transport: Transport::new(guard).map_err(DeliveryError::Client)?,
            secrets,
            settings,
            memory: Mutex::default(),
        })
    }

    /// Tries each message that is due, channels side by side, until none is left or the time is over. A message whose
    /// try the end of the time would cut short is left for the next round.
    ///
    /// # Errors
    /// [`DeliveryError::Outbox`] where the outbox fails; failures of channels are booked, not returned.
    pub async fn deliver_due<O: Outbox>(
        &self,
        outbox: &O,
        clock: &(dyn Fn() -> DateTime<Utc> + Sync),
        budget: Duration,
    ) -> Result<DeliveryReport, DeliveryError> {
        let round = Round {
            courier: self,
            outbox,
            clock,
            deadline: Instant::now() + budget,
        };
        let mut report = DeliveryReport::default();
        let mut seen = BTreeSet::new();
        while Instant::now() < round.deadline {
            let mut due = outbox
                .due_messages(clock(), self.settings.batch)
                .await
                .map_err(booked("due_messages"))?;
            // An outbox that gives the same message again would keep us here for ever.
            due.retain(|message| seen.insert((message.id.clone(), message.attempts)));
            if due.is_empty() {
                break;
            }
            report.add(round.deliver(due).await?);
        }
        Ok(report)
    }

    /// Checks that a channel's secrets can be read, and that its URL may be used and resolves. Sends nothing.
    ///
    /// # Errors
    /// What is wrong, and what to do about it.
    pub async fn check_channel(&self, name: &str) -> Result<(), DeliveryError> {
        let channel = self
            .channel(name)
            .ok_or_else(|| DeliveryError::Undeclared(name.to_owned()))?;
        let url = self.secrets.resolve(&channel.url).await?;
        if let Some(reference) = &channel.secret {
            SigningSecret::parse(&self.secrets.resolve(reference).await?)?;
        }
        if let Some(reference) = &channel.signing_secret {
            self.secrets.resolve(reference).await?;
        }
        Ok(self.transport.check(&url).await?)
    }

    /// Sends a test message, for `doctor --send`. `id` is `msg_` and a ULID.
    ///
    /// # Errors
    /// As for [`Courier::check_channel`], and where the channel does not take it.
    pub async fn send_test(&self, name: &str, id: &str, now: DateTime<Utc>) -> Result<(), DeliveryError> {
        self.check_channel(name).await?;
        let channel = self
            .channel(name)
            .ok_or_else(|| DeliveryError::Undeclared(name.to_owned()))?;
        let url = self.secrets.resolve(&channel.url).await?;
        let signing = match &channel.secret {
            Some(reference) => Some(SigningSecret::parse(&self.secrets.resolve(reference).await?)?),
            None => None,
        };
        let body = render_test(channel.kind, name, now);
        let post = self.post(
            channel,
            &url,
            signing.as_ref(),
            id,
            body,
            now,
            self.settings.timeout,
        );
        Ok(self.transport.post(post).await?)
    }

    fn channel(&self, name: &str) -> Option<&Channel> {
        self.channels.iter().find(|channel| channel.name == name)
    }

    fn memory(&self) -> MutexGuard<'_, BTreeMap<String, ChannelMemory>> {
        // What is remembered is only ever replaced whole: a panic elsewhere leaves it sound.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn recall(&self, channel: &str) -> ChannelMemory {
        self.memory().get(channel).cloned().unwrap_or_default()
    }

    fn note(&self, channel: &str, change: impl FnOnce(&mut ChannelMemory)) {
        change(self.memory().entry(channel.to_owned()).or_default());
    }

    async fn access(&self, channel: &Channel, afresh: bool) -> Result<Access, Miss> {
        let read = async |reference: &SecretReference| {
            if afresh {
                self.secrets.refresh(reference).await
            } else {
                self.secrets.resolve(reference).await
            }
        };
        let url = read(&channel.url).await?;
        let mut material = url.expose_secret().to_owned();
        let mut signing = None;
        if let Some(reference) = &channel.secret {
            let secret = read(reference).await?;
            material.push('\n');
            material.push_str(secret.expose_secret());
            signing = Some(SigningSecret::parse(&secret)?);
        }
        let digest = Digest::of_bytes(material.as_bytes());
        Ok(Access { url, signing, digest })
    }

    /// One try, with a second one at once where the secret turns out to be rotated.
    async fn attempt(
        &self,
        message: &Message,
        clock: &(dyn Fn() -> DateTime<Utc> + Sync),
        timeout: Duration,
    ) -> Result<(), Miss> {
        let name = &message.channel;
        let Some(channel) = self.channel(name) else {
            return Err(Miss::gone(DeliveryError::Undeclared(name.clone()).to_string()));
        };
        let gone = self.recall(name).gone;
        let stale = gone
            .as_ref()
            .is_some_and(|(_, compared)| compared.elapsed() >= self.settings.gone_compared_every);
        let access = self.access(channel, stale).await?;
        if let Some((digest, _)) = gone.filter(|(digest, _)| *digest == access.digest) {
            if stale {
                self.note(name, |memory| memory.gone = Some((digest, Instant::now())));
            }
            let error = "the channel said that it is gone (410): store the URL of a new webhook";
            return Err(Miss::gone(error.to_owned()));
        }
        let failure = match self.post_all(channel, &access, message, clock, timeout).await {
            Ok(()) => {
                self.note(name, |memory| memory.gone = None);
                return Ok(());
            }
            Err(failure) => failure,
        };
        if failure.suggests_rotation() {
            let fresh = self.access(channel, true).await?;
            if fresh.digest != access.digest {
                let again = self.post_all(channel, &fresh, message, clock, timeout).await;
                return again.map_err(|failure| self.missed(name, &fresh, failure));
            }
        }
        Err(self.missed(name, &access, failure))
    }

    fn missed(&self, name: &str, access: &Access, failure: SendFailure) -> Miss {
        if failure.kind() == Failure::Gone {
            tracing::error!(
                channel = name,
                "the channel is gone (410) and gets nothing until its URL changes"
            );
            self.note(name, |memory| {
                memory.gone = Some((access.digest.clone(), Instant::now()))
            });
        }
        Miss::from(failure)
    }

    async fn post_all(
        &self,
        channel: &Channel,
        access: &Access,
        message: &Message,
        clock: &(dyn Fn() -> DateTime<Utc> + Sync),
        timeout: Duration,
    ) -> Result<(), SendFailure> {
        let bodies = render(message, channel.kind);
        let single = bodies.len() == 1;
        for (n, body) in bodies.into_iter().enumerate() {
            self.keep_pace(channel).await;
            let id = if single {
                message.id.clone()
            } else {
                format!("{}_{}", message.id, n + 1)
            };
            let signing = access.signing.as_ref();
            let post = self.post(channel, &access.url, signing, &id, body, clock(), timeout);
            let outcome = self.transport.post(post).await;
            self.note(&channel.name, |memory| memory.last_post = Some(Instant::now()));
            outcome?;
        }
        Ok(())
    }

    async fn keep_pace(&self, channel: &Channel) {
        let interval = match channel.kind {
            ChannelKind::Slack => self.settings.slack_interval,
            ChannelKind::Teams | ChannelKind::Webhook => return,
        };
        if let Some(last) = self.recall(&channel.name).last_post {
            tokio::time::sleep_until(last + interval).await;
        }
    }

    #[allow(clippy::too_many_arguments, reason = "all of them are one request")]
    fn post<'a>(
        &self,
        channel: &Channel,
        url: &'a SecretString,
        signing: Option<&'a SigningSecret>,
        id: &str,
        body: String,
        now: DateTime<Utc>,
        timeout: Duration,
    ) -> Post<'a> {
        let mut headers = vec![
            ("webhook-id", id.to_owned()),
            ("webhook-timestamp", now.timestamp().to_string()),
        ];
        match (channel.kind, signing) {
            (ChannelKind::Webhook, Some(secret)) => {
                headers.push(("webhook-signature", secret.sign(id, now, &body)));
            }
            (ChannelKind::Webhook, None) | (ChannelKind::Slack | ChannelKind::Teams, _) => {}
        }
        Post {
            kind: channel.kind,
            url,
            signing,
            headers,
            body,
            timeout,
            now,
        }
    }
}

mod round;
#[cfg(test)]
mod tests;
