//! Identity and Access Management.

mod account;
pub(crate) mod advisor;
mod attachments;
mod boundaries;
mod credentials;
mod details;
mod devices;
mod groups;
mod inline;
mod instance_profiles;
mod keys;
mod logins;
mod operations;
mod owner;
mod passwords;
mod policies;
mod providers;
pub(crate) mod report;
mod roles;
mod tags;
mod users;

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::account::{Account, Kind, Principal};
use crate::caller::Identity;
use crate::context::Context;
use crate::wire::error::AwsError;
use crate::wire::page::{Page, page};
use crate::wire::xml::Xml;

pub(crate) use operations::OPERATIONS;
use owner::Owner;

/// The inside of an operation's result element.
type Answer = Result<Xml, AwsError>;

impl Context<'_> {
    /// The user of `UserName`, or the caller where it is left out.
    fn user_or_caller(&self) -> Result<String, AwsError> {
        if let Some(name) = self.query.optional_name("UserName")? {
            return Ok(name.to_owned());
        }
        match &self.caller.identity {
            Identity::User { name } => Ok(name.clone()),
            Identity::Root | Identity::Session { .. } => Err(AwsError::validation(
                "Must specify userName when calling with non-User credentials",
            )),
        }
    }

    /// The page of `items` that the request asks for.
    fn page<T>(&self, items: Vec<(String, T)>) -> Result<Page<T>, AwsError> {
        page(items, self.query, self.paging, 100)
    }

    /// The principal the request names.
    fn principal(&self, kind: Kind) -> Result<&Principal, AwsError> {
        self.account.principal(kind, self.query.name(kind.parameter())?)
    }

    /// The principal the request names, to be changed; roles that belong to AWS are refused.
    fn changeable(&mut self, kind: Kind) -> Result<&mut Principal, AwsError> {
        let name = self.query.name(kind.parameter())?;
        if kind == Kind::Role && self.account.role(name)?.is_protected() {
            return Err(AwsError::unmodifiable(name));
        }
        self.account.principal_mut(kind, name)
    }

    /// Whether a path is below the `PathPrefix` of the request.
    fn below_prefix(&self, path: &str) -> bool {
        path.starts_with(self.query.optional("PathPrefix").unwrap_or("/"))
    }
}

/// Documents travel URL-encoded, all but the unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

fn encoded(document: &str) -> String {
    utf8_percent_encode(document, RESERVED).to_string()
}

fn write_tags(xml: &mut Xml, tags: &BTreeMap<String, String>) {
    xml.members("Tags", tags, |x, (key, value)| {
        x.text("Key", key).text("Value", value);
    });
}

/// Tags where they are left out if there are none.
fn write_tags_if_any(xml: &mut Xml, tags: &BTreeMap<String, String>) {
    if !tags.is_empty() {
        write_tags(xml, tags);
    }
}

fn write_boundary(xml: &mut Xml, boundary: Option<&String>) {
    if let Some(arn) = boundary {
        xml.node("PermissionsBoundary", |x| {
            x.text("PermissionsBoundaryType", "Policy")
                .text("PermissionsBoundaryArn", arn);
        });
    }
}

/// Path, name, id, ARN and creation date: what every entity's element starts with.
fn write_identity(xml: &mut Xml, principal: &Principal, account: &Account) {
    let kind = principal.kind.name();
    xml.text("Path", &principal.path)
        .text(&format!("{kind}Name"), &principal.name)
        .text(&format!("{kind}Id"), &principal.id)
        .text("Arn", principal.arn(account))
        .date("CreateDate", principal.created);
}
