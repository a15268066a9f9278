//! The services, and how each of them speaks.

use serde::{Deserialize, Serialize};

/// The services the simulator speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    /// Identity and Access Management.
    Iam,
    /// Security Token Service.
    Sts,
    /// Secrets Manager.
    SecretsManager,
    /// IAM Access Analyzer.
    #[serde(rename = "access-analyzer")]
    AccessAnalyzer,
    /// Elastic Compute Cloud.
    Ec2,
    /// CloudTrail.
    CloudTrail,
    /// CloudWatch Logs.
    Logs,
    /// CloudWatch.
    #[serde(rename = "monitoring")]
    CloudWatch,
    /// Simple Notification Service.
    Sns,
    /// Simple Storage Service.
    S3,
    /// Organizations.
    Organizations,
}

/// All services.
const ALL: [Service; 11] = [
    Service::Iam,
    Service::Sts,
    Service::SecretsManager,
    Service::AccessAnalyzer,
    Service::Ec2,
    Service::CloudTrail,
    Service::Logs,
    Service::CloudWatch,
    Service::Sns,
    Service::S3,
    Service::Organizations,
];

/// How requests and answers look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// Forms in, XML out.
    Query,
    /// The same in the way of EC2.
    Ec2,
    /// JSON in and out, the operation in a header.
    Json,
    /// CBOR in and out, the operation in the path.
    Cbor,
    /// JSON in and out, the operation in method and path.
    RestJson,
    /// Parameters in path and query in, XML out.
    RestXml,
}

impl Service {
    /// All services.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        ALL.into_iter()
    }

    /// The service whose credential scope has this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        ALL.into_iter().find(|service| service.name() == name)
    }

    /// The service of a JSON target, without the operation, or of a path of the CBOR protocol.
    pub(crate) fn targeted(prefix: &str) -> Option<Self> {
        match prefix {
            "secretsmanager" => Some(Self::SecretsManager),
            "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101" | "CloudTrail_20131101" => {
                Some(Self::CloudTrail)
            }
            "AWSOrganizationsV20161128" => Some(Self::Organizations),
            "Logs_20140328" => Some(Self::Logs),
            "GraniteServiceVersion20100801" => Some(Self::CloudWatch),
            _ => None,
        }
    }

    /// The service of a form that is not signed.
    pub(crate) fn versioned(version: Option<&str>) -> Self {
        match version {
            Some("2011-06-15") => Self::Sts,
            Some("2016-11-15") => Self::Ec2,
            Some("2010-08-01") => Self::CloudWatch,
            Some("2010-03-31") => Self::Sns,
            _ => Self::Iam,
        }
    }

    /// The name in credential scopes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Iam => "iam",
            Self::Sts => "sts",
            Self::SecretsManager => "secretsmanager",
            Self::AccessAnalyzer => "access-analyzer",
            Self::Ec2 => "ec2",
            Self::CloudTrail => "cloudtrail",
            Self::Logs => "logs",
            Self::CloudWatch => "monitoring",
            Self::Sns => "sns",
            Self::S3 => "s3",
            Self::Organizations => "organizations",
        }
    }

    /// The XML namespace of its answers.
    pub(crate) fn namespace(self) -> &'static str {
        match self {
            Self::Iam => "https://iam.amazonaws.com/doc/2010-05-08/",
            Self::Sts => "https://sts.amazonaws.com/doc/2011-06-15/",
            Self::Ec2 => "http://ec2.amazonaws.com/doc/2016-11-15/",
            Self::CloudWatch => "http://monitoring.amazonaws.com/doc/2010-08-01/",
            Self::Sns => "http://sns.amazonaws.com/doc/2010-03-31/",
            Self::S3 => "http://s3.amazonaws.com/doc/2006-03-01/",
            Self::SecretsManager
            | Self::AccessAnalyzer
            | Self::CloudTrail
            | Self::Logs
            | Self::Organizations => "",
        }
    }

    /// The code of the error about a parameter that cannot be, where operations do not have their own.
    pub(crate) fn validation(self) -> &'static str {
        match self {
            Self::Iam | Self::Sts | Self::CloudWatch => "ValidationError",
            Self::SecretsManager | Self::CloudTrail | Self::Logs => "InvalidParameterException",
            Self::AccessAnalyzer => "ValidationException",
            Self::Ec2 => "InvalidParameterValue",
            Self::Sns => "InvalidParameter",
            Self::S3 => "InvalidArgument",
            Self::Organizations => "InvalidInputException",
        }
    }

    /// Whether it is another service in each region.
    pub(crate) fn is_regional(self) -> bool {
        match self {
            Self::Iam | Self::Sts | Self::Organizations => false,
            Self::SecretsManager
            | Self::AccessAnalyzer
            | Self::Ec2
            | Self::CloudTrail
            | Self::Logs
            | Self::CloudWatch
            | Self::Sns
            | Self::S3 => true,
        }
    }
}
