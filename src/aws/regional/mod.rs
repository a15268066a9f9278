//! Services that have an endpoint in every region, beside IAM, which has one for all.
//!
//! [`Regional`] makes their clients, for a session and a region, from the session's own configuration: same credentials,
//! budget, counts, timeouts and refusal to guess. CloudTrail speaks by the SDK's client, Access Analyzer, S3, CloudWatch, its
//! Logs and SNS by [`wire`].

mod access_analyzer;
mod cloudtrail;
mod cloudwatch;
mod ec2;
mod element;
mod logs;
mod organizations;
mod request;
mod s3;
mod sns;
mod wire;
mod writes;

use std::sync::Arc;

use aws_config::SdkConfig;
use aws_smithy_runtime::client::retries::RetryPartition;
use aws_smithy_types::retry::RetryConfig;

pub use self::access_analyzer::LiveAnalyzer;
pub use self::cloudtrail::LiveTrail;
pub use self::ec2::LiveInstance;
pub(super) use self::request::{Home, RegionalRequest};
use super::meter::Meter;
use super::session::Shared;
use crate::model::Region;

/// Makes the clients of one session.
#[derive(Debug, Clone)]
pub(super) struct Regional {
    sdk: SdkConfig,
    shared: Arc<Shared>,
    retries: RetryConfig,
}

impl Regional {
    /// Clients for reading.
    pub(super) fn new(sdk: &SdkConfig, shared: Arc<Shared>) -> Self {
        let retries = shared.pace.retries();
        let sdk = sdk
            .to_builder()
            .timeout_config(shared.pace.timeouts())
            .retry_config(retries.clone());
        Self {
            sdk: sdk.build(),
            shared,
            retries,
        }
    }

    /// Clients for writing: a write is sent once, because whether a second one may follow is for the executor to find out.
    pub(super) fn sent_once(&self) -> Self {
        let retries = RetryConfig::disabled();
        Self {
            sdk: self.sdk.to_builder().retry_config(retries.clone()).build(),
            shared: Arc::clone(&self.shared),
            retries,
        }
    }

    fn cloudtrail(&self, region: &Region) -> aws_sdk_cloudtrail::Client {
        let config = aws_sdk_cloudtrail::config::Builder::from(&self.sdk)
            .region(sdk_region(region))
            .interceptor(self.meter("cloudtrail"))
            .retry_partition(self.partition("cloudtrail", region));
        aws_sdk_cloudtrail::Client::from_conf(config.build())
    }

    /// Counts attempts of one service, and takes retries from the account's budget.
    fn meter(&self, service: &'static str) -> Meter {
        Meter {
            service,
            budget: Arc::clone(&self.shared.budget),
            counter: Arc::clone(&self.shared.counter),
        }
    }

    /// Clients of one name share the SDK's allowance for retries: one region's trouble is not another's.
    fn partition(&self, service: &str, region: &Region) -> RetryPartition {
        RetryPartition::new(format!("{service}-{}-{region}", self.shared.account))
    }
}

fn sdk_region(region: &Region) -> aws_types::region::Region {
    aws_types::region::Region::new(region.as_str().to_owned())
}
