//! Which operations each service has.

use crate::context::Operation;
use crate::wire::service::Service;
use crate::{access_analyzer, iam, secrets};

/// The operation of that name, if it is built.
pub(crate) fn operation(service: Service, name: &str) -> Option<&'static Operation> {
    let operations = match service {
        Service::Iam => iam::OPERATIONS,
        Service::SecretsManager => secrets::OPERATIONS,
        Service::AccessAnalyzer => access_analyzer::OPERATIONS,
        // The world answers for it: roles are assumed across accounts.
        Service::Sts => &[],
    };
    operations.iter().find(|operation| operation.name == name)
}
