//! One HTTP request to a channel, and what its answer means.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use percent_encoding::percent_decode_str;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use url::Url;

use super::egress::{EgressGuard, EgressRefusal};
use super::retry::{self, Failure};
use super::text::{clip, visible};
use super::webhook::SigningSecret;
use crate::config::ChannelKind;

/// Why a channel did not take a message. Never holds the channel's URL.
#[derive(Debug, thiserror::Error)]
pub enum SendFailure {
    /// The destination is not allowed.
    #[error(transparent)]
    Egress(#[from] EgressRefusal),
    /// No answer in time.
    #[error("the channel did not answer within {0:?}: check that its service works")]
    Timeout(Duration),
    /// No connection, or it broke.
    #[error("the channel could not be reached ({detail}): check URL, name service and network")]
    Unreachable {
        /// The cause in words, scrubbed.
        detail: String,
    },
    /// An answer other than 2xx.
    #[error("the channel answered {status}{}: {}", quoted(.said), advice(*.status))]
    Status {
        /// The status.
        status: StatusCode,
        /// The beginning of the body, scrubbed.
        said: String,
        /// How long the channel asks to wait.
        retry_after: Option<TimeDelta>,
    },
    /// An answer 2xx whose body does not say that the message was taken.
    #[error(
        "the channel answered {status}, but did not take the message{}: check that the URL belongs to a channel of this kind",
        quoted(.said)
    )]
    Declined {
        /// The status.
        status: StatusCode,
        /// The beginning of the body, scrubbed.
        said: String,
        /// How long the channel asks to wait.
        retry_after: Option<TimeDelta>,
    },
}

fn quoted(body: &str) -> String {
    match body {
        "" => String::new(),
        body => format!(" (\"{body}\")"),
    }
}

fn advice(status: StatusCode) -> &'static str {
    match status.as_u16() {
        300..=399 => "redirects are not followed, store the URL that it leads to",
        401 | 403 | 404 => {
            "check that the webhook still exists, and store its URL and secret as they are now"
        }
        410 => "it is gone, store the URL of a new webhook",
        413 => "the message is too long for it",
        429 => "it asks to slow down",
        400..=499 => "it refuses the request, check that the URL belongs to a channel of this kind",
        _ => "its service fails, check it there",
    }
}

impl SendFailure {
    /// How the failure bears on the next try.
    pub(super) fn kind(&self) -> Failure {
        match self {
            Self::Egress(_) | Self::Timeout(_) | Self::Unreachable { .. } | Self::Declined { .. } => {
                Failure::Passing
            }
            Self::Status { status, .. } => match status.as_u16() {
                410 => Failure::Gone,
                408 | 409 | 425 | 429 => Failure::Passing,
                300..=499 => Failure::Refused,
                _ => Failure::Passing,
            },
        }
    }

    /// How long the channel asks to wait.
    pub(super) fn retry_after(&self) -> Option<TimeDelta> {
        match self {
            Self::Egress(_) | Self::Timeout(_) | Self::Unreachable { .. } => None,
            Self::Status { retry_after, .. } | Self::Declined { retry_after, .. } => *retry_after,
        }
    }

    /// Whether the failure is the channel's rather than the message's, so that its other messages need not be tried now.
    pub(super) fn concerns_channel(&self) -> bool {
        match self {
            Self::Egress(_) | Self::Timeout(_) | Self::Unreachable { .. } => true,
            Self::Status {
                status, retry_after, ..
            } => *status == StatusCode::TOO_MANY_REQUESTS || retry_after.is_some(),
            Self::Declined { retry_after, .. } => retry_after.is_some(),
        }
    }

    /// Whether the URL or the signing secret may have been changed in the meantime.
    pub(super) fn suggests_rotation(&self) -> bool {
        match self {
            Self::Egress(_) | Self::Timeout(_) | Self::Unreachable { .. } | Self::Declined { .. } => false,
            Self::Status { status, .. } => matches!(status.as_u16(), 401 | 403 | 404 | 410),
        }
    }
}

/// What a channel says that it took a message with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelAnswer {
    /// It has it.
    Accepted,
    /// It does not, or does not say so.
    Declined,
}

/// A request to a channel.
pub(super) struct Post<'a> {
    pub(super) kind: ChannelKind,
    pub(super) url: &'a SecretString,
    /// What the headers were signed with.
    pub(super) signing: Option<&'a SigningSecret>,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: String,
    pub(super) timeout: Duration,
    pub(super) now: DateTime<Utc>,
}

/// An HTTP client that goes nowhere but where the guard lets it.
#[derive(Debug, Clone)]
pub(super) struct Transport {
    client: reqwest::Client,
    guard: EgressGuard,
}

/// Parts of a URL that are shorter are words, not secrets.
const SHORTEST_SECRET: usize = 4;

/// How much of an answer is read: what matters stands at its beginning.
const LONGEST_ANSWER: usize = 64 * 1024;

/// The longest document that is read whole, in bytes.
const LONGEST_DOCUMENT: usize = 1024 * 1024;

impl Transport {
    pub(super) fn new(guard: EgressGuard) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .user_agent(concat!("iamwarden/", env!("CARGO_PKG_VERSION")))
            .https_only(!guard.allows_http())
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy()
            // Each try is checked anew: no connection outlives it.
            .pool_max_idle_per_host(0)
            .dns_resolver(guard.clone())
            .build()?;
        Ok(Self { client, guard })
    }

    /// Checks the URL and looks its host up, without sending anything.
    pub(super) async fn check(&self, url: &SecretString) -> Result<(), SendFailure> {
        let url = self.guard.check_url(url.expose_secret())?;
        if let Some(url::Host::Domain(host)) = url.host() {
            let found = EgressGuard::resolve(&self.guard, host).await;
            found.map_err(|e| unreachable_because(e.as_ref(), &url, None))?;
        }
        Ok(())
    }

    /// Sends it and judges the answer.
    pub(super) async fn post(&self, post: Post<'_>) -> Result<(), SendFailure> {
        let url = self.guard.check_url(post.url.expose_secret())?;
        let mut request = self
            .client
            .post(url.clone())
            .timeout(post.timeout)
            .header(CONTENT_TYPE, "application/json");
        for (name, value) in post.headers {
            request = request.header(name, value);
        }
        let failed = |e: reqwest::Error| {
            if e.is_timeout() {
                SendFailure::Timeout(post.timeout)
            } else {
                unreachable_because(&e.without_url(), &url, post.signing)
            }
        };
        let mut response = request.body(post.body).send().await.map_err(failed)?;
        let status = response.status();
        let retry_after = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| retry::parse_retry_after(value, post.now));
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            answer.extend_from_slice(&chunk);
            if answer.len() > LONGEST_ANSWER {
                break;
            }
        }
        let answer = String::from_utf8_lossy(&answer);
        let said = || clip(&scrub(&answer, &url, post.signing), 200);
        if !status.is_success() {
            return Err(SendFailure::Status {
                status,
                said: said(),
                retry_after,
            });
        }
        match judge(post.kind, &answer) {
            ChannelAnswer::Accepted => Ok(()),
            ChannelAnswer::Declined => Err(SendFailure::Declined {
                status,
                said: said(),
                retry_after,
            }),
        }
    }
}

impl Transport {
    /// Sends a whole request and gives the whole answer, whatever it says. A longer answer than is read is a failure.
    pub(super) async fn send(
        &self,
        request: http::Request<Vec<u8>>,
        timeout: Duration,
    ) -> Result<(StatusCode, http::HeaderMap, Vec<u8>), SendFailure> {
        let url = self.guard.check_url(&request.uri().to_string())?;
        let failed = |e: reqwest::Error| {
            if e.is_timeout() {
                SendFailure::Timeout(timeout)
            } else {
                unreachable_because(&e.without_url(), &url, None)
            }
        };
        let mut request = reqwest::Request::try_from(request).map_err(failed)?;
        *request.timeout_mut() = Some(timeout);
        let mut response = self.client.execute(request).await.map_err(failed)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            answer.extend_from_slice(&chunk);
            if answer.len() > LONGEST_DOCUMENT {
                return Err(SendFailure::Unreachable {
                    detail: "its answer is too long".to_owned(),
                });
            }
        }
        Ok((status, headers, answer))
    }
}

/// Whether a 2xx answer says that the message was taken.
///
/// A body of JSON must not speak of an error. As for text:
///
/// * Slack and Teams say `ok`, `1` or nothing when they took it. An error may come with status 200 (`no_service`, "Webhook
///   message delivery failed with error: …", a page to sign in), so any other text is taken for one.
/// * Webhooks: any text that does not speak of an error.
fn judge(kind: ChannelKind, answer: &str) -> ChannelAnswer {
    let answer = answer.trim();
    let json: Option<Value> = serde_json::from_str(answer).ok();
    let accepted = match (kind, &json) {
        (ChannelKind::Slack | ChannelKind::Teams, Some(Value::Number(number))) => number.as_u64() == Some(1),
        (ChannelKind::Slack | ChannelKind::Teams | ChannelKind::Webhook, Some(json)) => !tells_of_error(json),
        (ChannelKind::Slack | ChannelKind::Teams, None) => {
            answer.is_empty() || answer.eq_ignore_ascii_case("ok")
        }
        (ChannelKind::Webhook, None) => !speaks_of_error(answer),
    };
    if accepted {
        ChannelAnswer::Accepted
    } else {
        ChannelAnswer::Declined
    }
}

fn speaks_of_error(text: &str) -> bool {
    let text = text.to_lowercase();
    ["error", "failed", "failure"]
        .iter()
        .any(|word| text.contains(word))
}

fn tells_of_error(json: &Value) -> bool {
    let map = match json {
        Value::Object(map) => map,
        Value::String(text) => return speaks_of_error(text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
            return *json == Value::Bool(false);
        }
    };
    let filled = |name: &str| match map.get(name) {
        None | Some(Value::Null | Value::Bool(false)) => false,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(items)) => !items.is_empty(),
        Some(Value::Object(items)) => !items.is_empty(),
        Some(Value::Number(number)) => number.as_f64() != Some(0.0),
        Some(Value::Bool(true)) => true,
    };
    let status_is_bad = match map.get("status") {
        Some(Value::String(word)) => {
            ["error", "fail", "failed", "failure"].contains(&word.to_lowercase().as_str())
        }
        Some(Value::Number(code)) => code.as_u64().is_some_and(|code| code >= 400),
        Some(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) | None => false,
    };
    let denied = ["ok", "success"]
        .iter()
        .any(|name| map.get(*name) == Some(&Value::Bool(false)));
    denied || status_is_bad || filled("error") || filled("errors")
}

/// The innermost cause, without the URL; the guard's own refusal, where that is the cause.
fn unreachable_because(
    error: &(dyn std::error::Error + 'static),
    url: &Url,
    signing: Option<&SigningSecret>,
) -> SendFailure {
    let mut cause = error;
    loop {
        if let Some(refusal) = cause.downcast_ref::<EgressRefusal>() {
            return SendFailure::Egress(refusal.clone());
        }
        match cause.source() {
            Some(inner) => cause = inner,
            None => break,
        }
    }
    let detail = scrub(&cause.to_string(), url, signing);
    SendFailure::Unreachable {
        detail: clip(&detail, 200),
    }
}

/// Takes out what belongs to the URL, for a server may repeat it: the whole, each longer part of path and query, as it
/// is written and as a server reads it, and the host. Also what signs.
fn scrub(text: &str, url: &Url, signing: Option<&SigningSecret>) -> String {
    let mut secrets = vec![url.as_str().to_owned()];
    let query = url.query().unwrap_or_default();
    let parts = url.path().split('/').chain(query.split(['&', '=']));
    for part in parts.filter(|part| part.len() >= SHORTEST_SECRET) {
        secrets.push(part.to_owned());
        secrets.push(percent_decode_str(part).decode_utf8_lossy().into_owned());
    }
    secrets.extend(url.host_str().map(ToOwned::to_owned));
    secrets.extend(signing.map(|signing| signing.written().to_owned()));
    // The longest first: a part inside a longer one would leave its rest behind.
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    let scrubbed = secrets.iter().fold(text.to_owned(), |text, secret| {
        text.replace(secret.as_str(), "***")
    });
    visible(&scrubbed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_judged_by_what_they_say() {
        use ChannelKind::{Slack, Teams, Webhook};
        for (kind, answer, accepted) in [
            (Slack, "ok", true),
            (Slack, "ok\n", true),
            (Slack, r#"{"ok":true}"#, true),
            (Slack, r#"{"ok":true,"error":"no"}"#, false),
            (Slack, r#"{"ok":false,"error":"invalid_blocks"}"#, false),
            (Slack, "", true),
            (Slack, "{}", true),
            (Slack, "invalid_token", false),
            (Slack, "no_service", false),
            (Slack, "<html>sign in</html>", false),
            (Teams, "", true),
            (Teams, "1", true),
            (Teams, "ok", true),
            (Teams, r#"{"status":"accepted"}"#, true),
            (Teams, "0", false),
            (
                Teams,
                "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429",
                false,
            ),
            (
                Teams,
                r#"{"error":{"code":"WorkflowTriggerIsNotEnabled"}}"#,
                false,
            ),
            (Teams, "<html>sign in</html>", false),
            (Webhook, "", true),
            (Webhook, "thanks", true),
            (Webhook, "{}", true),
            (Webhook, r#"{"ok":true,"error":null,"errors":[]}"#, true),
            (Webhook, r#"{"ok":false}"#, false),
            (Webhook, r#"{"error":"queue full"}"#, false),
            (Webhook, r#"{"errors":[{"title":"no"}]}"#, false),
            (Webhook, r#"{"status":"error"}"#, false),
            (Webhook, r#"{"status":500}"#, false),
            (Webhook, r#"{"status":200}"#, true),
            (Webhook, "Error: no such stream", false),
        ] {
            let expected = if accepted {
                ChannelAnswer::Accepted
            } else {
                ChannelAnswer::Declined
            };
            assert_eq!(judge(kind, answer), expected, "{kind:?} {answer}");
        }
    }

    #[test]
    fn nothing_of_the_url_and_nothing_that_signs_is_repeated() {
        let url =
            Url::parse("https://hooks.example.com/services/T0001/B0002/s3cr3t%20t0ken?sig=abcd%2Bef&v=1")
                .unwrap();
        let echo = format!("no route for {url} at hooks.example.com: s3cr3t t0ken, s3cr3t%20t0ken, abcd+ef");
        assert_eq!(scrub(&echo, &url, None), "no route for *** at ***: ***, ***, ***");
        for (secret, echo) in [
            ("whsec_c2lnbmluZw==", "expected whsec_c2lnbmluZw=="),
            ("a raw one\n", "expected whsec_a raw one"),
        ] {
            let signing = SigningSecret::parse(&SecretString::from(secret)).unwrap();
            assert_eq!(scrub(echo, &url, Some(&signing)), "expected whsec_***");
        }
    }
}
