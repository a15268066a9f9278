//! Which operations each service has.

use crate::context::Operation;
use crate::wire::service::Service;
use crate::{access_analyzer, cloudtrail, cloudwatch, ec2, iam, logs, s3, secrets, sns, sts};

/// The operation of that name, if it is built.
pub(crate) fn operation(service: Service, name: &str) -> Option<&'static Operation> {
    operations(service)
        .iter()
        .find(|operation| operation.name == name)
}

/// The names of all operations that are built.
pub(crate) fn names(service: Service) -> Vec<&'static str> {
    if service == Service::Sts {
        return sts::OPERATIONS.to_vec();
    }
    operations(service)
        .iter()
        .map(|operation| operation.name)
        .collect()
}

fn operations(service: Service) -> &'static [Operation] {
    match service {
        Service::Iam => iam::OPERATIONS,
        Service::SecretsManager => secrets::OPERATIONS,
        Service::AccessAnalyzer => access_analyzer::OPERATIONS,
        Service::Ec2 => ec2::OPERATIONS,
        Service::CloudTrail => cloudtrail::OPERATIONS,
        Service::Logs => logs::OPERATIONS,
        Service::CloudWatch => cloudwatch::OPERATIONS,
        Service::Sns => sns::OPERATIONS,
        Service::S3 => s3::OPERATIONS,
        // The world answers for it: roles are assumed across accounts.
        Service::Sts => &[],
    }
}
