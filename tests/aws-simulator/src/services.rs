//! Which operations each service has.

use crate::context::Operation;
use crate::wire::service::Service;
use crate::{access_analyzer, cloudtrail, cloudwatch, ec2, iam, logs, organizations, s3, secrets, sns, sts};

/// The operation of that name, if it is built.
pub(crate) fn operation(service: Service, name: &str) -> Option<&'static Operation> {
    operations(service)
        .iter()
        .find(|operation| operation.name == name)
}

/// The names of all operations that are built.
pub(crate) fn names(service: Service) -> Vec<&'static str> {
    let of_the_world: &[&'static str] = match service {
        Service::Sts => &sts::OPERATIONS,
        Service::Organizations => &organizations::OPERATIONS,
        Service::Iam
        | Service::SecretsManager
        | Service::AccessAnalyzer
        | Service::Ec2
        | Service::CloudTrail
        | Service::Logs
        | Service::CloudWatch
        | Service::Sns
        | Service::S3 => &[],
    };
    let of_accounts = operations(service).iter().map(|operation| operation.name);
    of_accounts.chain(of_the_world.iter().copied()).collect()
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
        // The world answers for them: roles are assumed across accounts, and an organization is about all of them.
        Service::Sts | Service::Organizations => &[],
    }
}
