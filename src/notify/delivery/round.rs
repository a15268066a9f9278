//! One round: the messages that are due, channel beside channel, until its time is over.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::{Courier, DeliveryError, DeliveryReport, Miss};
use crate::notify::message::Message;
use crate::notify::outbox::{DueMessage, Outbox};
use crate::notify::retry;
use crate::notify::secret_source::SecretSource;

/// One round of deliveries.
pub(super) struct Round<'a, S, O> {
    pub(super) courier: &'a Courier<S>,
    pub(super) outbox: &'a O,
    pub(super) clock: &'a (dyn Fn() -> DateTime<Utc> + Sync),
    pub(super) deadline: Instant,
}

pub(super) fn booked<E: std::error::Error + Send + Sync + 'static>(
    operation: &'static str,
) -> impl FnOnce(E) -> DeliveryError {
    move |error| DeliveryError::Outbox {
        operation,
        source: Box::new(error),
    }
}

impl<S: SecretSource, O: Outbox> Round<'_, S, O> {
    pub(super) async fn deliver(&self, due: Vec<DueMessage>) -> Result<DeliveryReport, DeliveryError> {
        let mut report = DeliveryReport::default();
        let mut by_channel: BTreeMap<String, Vec<(DueMessage, Message)>> = BTreeMap::new();
        for entry in due {
            match serde_json::from_str::<Message>(&entry.body) {
                Ok(message) if message.id == entry.id => {
                    let queue = by_channel.entry(message.channel.clone()).or_default();
                    queue.push((entry, message));
                }
                Ok(_) => {
                    self.bury_unreadable(&entry, "it holds another message", &mut report)
                        .await?
                }
                Err(error) => {
                    self.bury_unreadable(&entry, &error.to_string(), &mut report)
                        .await?
                }
            }
        }
        let queues = by_channel
            .iter()
            .map(|(name, queue)| self.deliver_queue(name, queue));
        for outcome in join_all(queues).await {
            report.add(outcome?);
        }
        Ok(report)
    }

    async fn bury_unreadable(
        &self,
        entry: &DueMessage,
        why: &str,
        report: &mut DeliveryReport,
    ) -> Result<(), DeliveryError> {
        let error = format!("the stored message cannot be read ({why})");
        tracing::error!(id = %entry.id, error, "a message was given up");
        report.dead += 1;
        let now = (self.clock)();
        self.outbox
            .mark_dead(&entry.id, now, &error)
            .await
            .map_err(booked("mark_dead"))
    }

    async fn deliver_queue(
        &self,
        name: &str,
        queue: &[(DueMessage, Message)],
    ) -> Result<DeliveryReport, DeliveryError> {
        let mut report = DeliveryReport::default();
        for (entry, message) in queue {
            let left = self.deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                report.left += 1;
                continue;
            }
            let now = (self.clock)();
            let paused = self.courier.recall(name).paused_until;
            if let Some(until) = paused.filter(|until| *until > now) {
                let why = "not tried: its channel asked to wait, or could not be reached a moment ago";
                let postponed = self.outbox.postpone(&entry.id, until, why).await;
                postponed.map_err(booked("postpone"))?;
                report.postponed += 1;
                continue;
            }
            let timeout = self.courier.settings.timeout;
            // Cut at the end of the round, secrets included. Whether the channel has it then is not known: at least once.
            let span = tracing::debug_span!("delivery", channel = message.channel, id = %entry.id);
            let attempt = self
                .courier
                .attempt(message, self.clock, timeout)
                .instrument(span);
            match tokio::time::timeout(left, attempt).await {
                Ok(Ok(())) => self.accept(entry, message, &mut report).await?,
                Ok(Err(miss)) => self.miss(entry, message, miss, &mut report).await?,
                Err(_) => report.left += 1,
            }
        }
        Ok(report)
    }

    async fn accept(
        &self,
        entry: &DueMessage,
        message: &Message,
        report: &mut DeliveryReport,
    ) -> Result<(), DeliveryError> {
        tracing::info!(id = %entry.id, channel = message.channel, run = message.run, "a message was accepted");
        report.accepted += 1;
        let now = (self.clock)();
        self.outbox
            .mark_accepted(&entry.id, now, !message.copy)
            .await
            .map_err(booked("mark_accepted"))
    }

    async fn miss(
        &self,
        entry: &DueMessage,
        message: &Message,
        miss: Miss,
        report: &mut DeliveryReport,
    ) -> Result<(), DeliveryError> {
        let Miss {
            failure,
            retry_after,
            concerns_channel,
            error,
        } = miss;
        let now = (self.clock)();
        if concerns_channel {
            let pause = retry_after.unwrap_or(self.courier.settings.channel_pause);
            let until = now.checked_add_signed(pause);
            self.courier
                .note(&message.channel, |memory| memory.paused_until = until);
        }
        let tries = entry.attempts.saturating_add(1);
        let (channel, run) = (&message.channel, &message.run);
        match retry::next_try(&entry.id, tries, failure, retry_after, now) {
            Some(next) => {
                tracing::warn!(id = %entry.id, channel, run, tries, %next, error, "a message was not accepted");
                report.retried += 1;
                let booking = self.outbox.mark_retry(&entry.id, next, &error).await;
                booking.map_err(booked("mark_retry"))
            }
            None => {
                tracing::error!(id = %entry.id, channel, run, tries, error, "a message was given up");
                report.dead += 1;
                let booking = self.outbox.mark_dead(&entry.id, now, &error).await;
                booking.map_err(booked("mark_dead"))
            }
        }
    }
}
