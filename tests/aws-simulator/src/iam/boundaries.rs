//! Permissions boundaries of users and roles.

use super::{Answer, Context};
use crate::account::Kind;
use crate::wire::error::AwsError;
use crate::wire::xml::Xml;

pub(super) fn put(cx: &mut Context<'_>, kind: Kind) -> Answer {
    let arn = cx.query.required("PermissionsBoundary")?.to_owned();
    cx.account.policy(&arn)?;
    cx.changeable(kind)?.boundary = Some(arn);
    Ok(Xml::new())
}

pub(super) fn delete(cx: &mut Context<'_>, kind: Kind) -> Answer {
    let principal = cx.changeable(kind)?;
    match principal.boundary.take() {
        Some(_) => Ok(Xml::new()),
        None => {
            let message = format!(
                "{} {} does not have a permissions boundary.",
                kind.name(),
                principal.name
            );
            Err(AwsError::no_such_entity(message))
        }
    }
}
