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
}

/// All services.
const ALL: [Service; 5] = [
    Service::Iam,
    Service::Sts,
    Service::SecretsManager,
    Service::AccessAnalyzer,
    Service::Ec2,
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
    /// JSON in and out, the operation in method and path.
    RestJson,
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

    /// The service of a JSON target, without the operation.
    pub(crate) fn targeted(prefix: &str) -> Option<Self> {
        match prefix {
            "secretsmanager" => Some(Self::SecretsManager),
            _ => None,
        }
    }

    /// The service of a form that is not signed.
    pub(crate) fn versioned(version: Option<&str>) -> Self {
        match version {
            Some("2011-06-15") => Self::Sts,
            Some("2016-11-15") => Self::Ec2,
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
        }
    }

    /// The XML namespace of its answers.
    pub(crate) fn namespace(self) -> &'static str {
        match self {
            Self::Iam => "https://iam.amazonaws.com/doc/2010-05-08/",
            Self::Sts => "https://sts.amazonaws.com/doc/2011-06-15/",
            Self::Ec2 => "http://ec2.amazonaws.com/doc/2016-11-15/",
            Self::SecretsManager | Self::AccessAnalyzer => "",
        }
    }

    /// The code of the error about a parameter that cannot be, where operations do not have their own.
    pub(crate) fn validation(self) -> &'static str {
        match self {
            Self::Iam | Self::Sts => "ValidationError",
            Self::SecretsManager => "InvalidParameterException",
            Self::AccessAnalyzer => "ValidationException",
            Self::Ec2 => "InvalidParameterValue",
        }
    }

    /// Whether it is another service in each region.
    pub(crate) fn is_regional(self) -> bool {
        match self {
            Self::Iam | Self::Sts => false,
            Self::SecretsManager | Self::AccessAnalyzer | Self::Ec2 => true,
        }
    }
}
