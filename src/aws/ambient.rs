//! What the surroundings offer: the SDK's own default chain of credentials, region, endpoint and profile.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_config::meta::region::RegionProviderChain;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::{Builder, ConnectorBuilder, tls};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::OnceCell;

use super::budget::CallRate;
use crate::model::Arn;

/// IAM is signed for this region where nothing names one: its own in the commercial partition.
const FALLBACK_REGION: &str = "us-east-1";

/// How patient calls are. The default is right for AWS; tests are less patient.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// For a connection.
    pub connect: Duration,
    /// For one attempt, answer included.
    pub attempt: Duration,
    /// For a read with all its retries.
    pub operation: Duration,
    /// How often a read is attempted. A write is attempted once.
    pub attempts: u32,
    /// Before the first retry; doubles from there, with jitter.
    pub backoff: Duration,
    /// The longest pause before a retry.
    pub longest_backoff: Duration,
    /// For a credential report to be made.
    pub report: Duration,
    /// For an Access Advisor job to complete.
    pub advisor: Duration,
    /// Before the second look at a credential report that is being made; doubles from there. Of a small account it is
    /// there at once, and all else of a run may wait for it.
    pub first_report_poll: Duration,
    /// Before the second look at an Access Advisor job, which takes a second or two; doubles from there.
    pub first_job_poll: Duration,
    /// The longest pause between two looks.
    pub longest_poll: Duration,
    /// How long a value of Secrets Manager is believed before it is read again: how late a rotation may be noticed where
    /// nobody refuses the old one.
    pub secrets: Duration,
    /// Calls a second, per account.
    pub rate: CallRate,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            attempt: Duration::from_secs(10),
            operation: Duration::from_secs(60),
            attempts: 6,
            backoff: Duration::from_secs(1),
            longest_backoff: Duration::from_secs(8),
            report: Duration::from_secs(60),
            advisor: Duration::from_secs(90),
            first_report_poll: Duration::from_millis(250),
            first_job_poll: Duration::from_secs(1),
            longest_poll: Duration::from_secs(10),
            secrets: Duration::from_secs(300),
            rate: CallRate::default(),
        }
    }
}

impl Pace {
    pub(super) fn timeouts(&self) -> TimeoutConfig {
        TimeoutConfig::builder()
            .connect_timeout(self.connect)
            .operation_attempt_timeout(self.attempt)
            .operation_timeout(self.operation)
            .build()
    }

    pub(super) fn retries(&self) -> RetryConfig {
        RetryConfig::standard()
            .with_max_attempts(self.attempts)
            .with_initial_backoff(self.backoff)
            .with_max_backoff(self.longest_backoff)
    }
}

#[derive(Debug)]
enum Source {
    DefaultChain,
    Fixed {
        endpoint: String,
        access_key_id: String,
        secret_access_key: SecretString,
    },
}

/// The ambient configuration of the SDK, looked up when it is first needed.
#[derive(Debug)]
pub struct Ambient {
    source: Source,
    pace: Pace,
    sdk: OnceCell<SdkConfig>,
}

impl Ambient {
    /// The SDK's default chain: environment, profiles, SSO, ECS, IMDS; `AWS_ENDPOINT_URL` works.
    pub fn from_default_chain(pace: Pace) -> Self {
        Self {
            source: Source::DefaultChain,
            pace,
            sdk: OnceCell::new(),
        }
    }

    /// One endpoint for everything and fixed credentials, whatever the surroundings say: for the demo's simulated
    /// account.
    pub fn fixed(
        endpoint: impl Into<String>,
        access_key_id: impl Into<String>,
        secret_access_key: SecretString,
        pace: Pace,
    ) -> Self {
        Self {
            source: Source::Fixed {
                endpoint: endpoint.into(),
                access_key_id: access_key_id.into(),
                secret_access_key,
            },
            pace,
            sdk: OnceCell::new(),
        }
    }

    pub(super) fn pace(&self) -> &Pace {
        &self.pace
    }

    pub(super) async fn sdk(&self) -> &SdkConfig {
        // On the heap: loading walks the whole chain of credentials.
        self.sdk.get_or_init(|| Box::pin(self.load())).await
    }

    async fn load(&self) -> SdkConfig {
        match &self.source {
            Source::DefaultChain => {
                let region = RegionProviderChain::default_provider().or_else(FALLBACK_REGION);
                let loaded = aws_config::defaults(BehaviorVersion::latest())
                    .region(region)
                    .timeout_config(self.pace.timeouts())
                    .retry_config(self.pace.retries())
                    .load()
                    .await;
                with_one_pool(&without_empty_endpoint(loaded))
            }
            Source::Fixed {
                endpoint,
                access_key_id,
                secret_access_key,
            } => {
                let credentials = Credentials::new(
                    access_key_id.as_str(),
                    secret_access_key.expose_secret(),
                    None,
                    None,
                    "iamwarden-fixed",
                );
                let loaded = aws_config::defaults(BehaviorVersion::latest())
                    .region(Region::from_static(FALLBACK_REGION))
                    .endpoint_url(endpoint)
                    .credentials_provider(SharedCredentialsProvider::new(credentials))
                    .timeout_config(self.pace.timeouts())
                    .retry_config(self.pace.retries())
                    .load()
                    .await;
                with_one_pool(&loaded)
            }
        }
    }

    /// The roles that the selected profile assumes on its way to credentials. Where another link of the chain
    /// supplies them, these are only some roles more that are left alone.
    pub(super) async fn roles_of_profile(&self) -> Vec<Arn> {
        match self.source {
            Source::Fixed { .. } => return Vec::new(),
            Source::DefaultChain => {}
        }
        let (files, environment, locations) = Default::default();
        let profiles = match aws_config::profile::load(&files, &environment, &locations, None).await {
            Ok(profiles) => profiles,
            Err(error) => {
                tracing::debug!(%error, "the AWS profile files cannot be read: no roles are taken from them");
                return Vec::new();
            }
        };
        let mut roles = Vec::new();
        let mut seen = BTreeSet::new();
        let mut name = Some(profiles.selected_profile().to_owned());
        while let Some(profile) = name.and_then(|n| seen.insert(n.clone()).then(|| profiles.get_profile(&n)))
        {
            let get = |key: &str| profile.and_then(|p| p.get(key)).map(str::to_owned);
            roles.extend(get("role_arn").and_then(|text| Arn::parse(&text).ok()));
            name = get("source_profile");
        }
        roles
    }
}

/// One pool of connections for all clients of all accounts: each would otherwise load certificates of its own, and a
/// thousand accounts would hold a thousand pools.
fn with_one_pool(loaded: &SdkConfig) -> SdkConfig {
    loaded.to_builder().http_client(http_client()).build()
}

/// As the SDK makes it for itself: rustls, and the proxy of the environment.
fn http_client() -> SharedHttpClient {
    Builder::new().build_with_connector_fn(|settings, components| {
        let provider = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc);
        let mut connector = ConnectorBuilder::default().tls_provider(provider);
        connector.set_connector_settings(settings.cloned());
        if let Some(components) = components {
            connector.set_sleep_impl(components.sleep_impl());
        }
        connector.set_proxy_config(Some(ProxyConfig::from_env()));
        connector.build()
    })
}

/// An empty `AWS_ENDPOINT_URL` (or `AWS_ENDPOINT_URL_IAM` …), as container platforms set what was left out, is none: the
/// SDK would panic over it.
fn without_empty_endpoint(loaded: SdkConfig) -> SdkConfig {
    let mut builder = loaded.to_builder();
    if loaded.endpoint_url() == Some("") {
        builder.set_endpoint_url(None);
    }
    builder.set_service_config(Some(WithoutEmpty(loaded)));
    builder.build()
}

/// What the environment and profiles say of each service, empty values left out.
#[derive(Debug)]
struct WithoutEmpty(SdkConfig);

impl LoadServiceConfig for WithoutEmpty {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        let own = self.0.service_config()?;
        own.load_config(key).filter(|value| !value.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says the same of every service.
    #[derive(Debug)]
    struct Says(&'static str);

    impl LoadServiceConfig for Says {
        fn load_config(&self, _: ServiceConfigKey<'_>) -> Option<String> {
            Some(self.0.to_owned())
        }
    }

    #[test]
    fn an_empty_endpoint_is_none() {
        for (url, expected) in [("", None), ("http://127.0.0.1:1", Some("http://127.0.0.1:1"))] {
            let loaded = SdkConfig::builder().endpoint_url(url).service_config(Says(url));
            let cleaned = without_empty_endpoint(loaded.build());
            assert_eq!(cleaned.endpoint_url(), expected);
            let key = ServiceConfigKey::builder()
                .service_id("iam")
                .profile("endpoint_url");
            let key = key.env("AWS_ENDPOINT_URL").build().unwrap();
            let said = cleaned.service_config().and_then(|own| own.load_config(key));
            assert_eq!(said.as_deref(), expected);
        }
    }
}
