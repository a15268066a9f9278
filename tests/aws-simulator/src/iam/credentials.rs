//! SSH public keys, signing certificates, and credentials for one service only.

use super::{Answer, Context, Owner};
use crate::account::{CREDENTIAL_SERVICES, ServiceCredential, Uploaded};
use crate::wire::error::AwsError;
use crate::wire::xml::Xml;

/// What the body of every certificate is: nobody verifies with it.
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nsimulated\n-----END CERTIFICATE-----";

/// The status that a request sets.
fn new_status(cx: &Context<'_>) -> Result<String, AwsError> {
    match cx.query.required("Status")? {
        status @ ("Active" | "Inactive") => Ok(status.to_owned()),
        "Expired" => Err(AwsError::invalid_input("Status Expired cannot be set.")),
        other => {
            let rule = "Member must satisfy enum value set: [Active, Inactive, Expired]";
            Err(AwsError::constraint(other, "Status", rule))
        }
    }
}

fn page_of(
    cx: &Context<'_>,
    items: &[Uploaded],
    list: &str,
    mut write: impl FnMut(&mut Xml, &Uploaded),
) -> Answer {
    let mut entries: Vec<_> = items.iter().map(|item| (item.id.clone(), item)).collect();
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    let page = cx.page(entries)?;
    let mut xml = Xml::new();
    xml.members(list, &page.items, |x, item| write(x, item));
    page.close(&mut xml);
    Ok(xml)
}

/// Where the item of that id is.
fn position(items: &[Uploaded], kind: &str, id: &str) -> Result<usize, AwsError> {
    let absent = || AwsError::no_such_entity(format!("The {kind} with id {id} cannot be found."));
    items.iter().position(|item| item.id == id).ok_or_else(absent)
}

pub(super) fn list_ssh_keys(cx: &mut Context<'_>) -> Answer {
    let name = cx.user_or_caller()?;
    page_of(
        cx,
        &cx.account.user(&name)?.ssh_keys,
        "SSHPublicKeys",
        |x, key| {
            x.text("UserName", &name).text("SSHPublicKeyId", &key.id);
            x.text("Status", &key.status).date("UploadDate", key.at);
        },
    )
}

pub(super) fn update_ssh_key(cx: &mut Context<'_>) -> Answer {
    let status = new_status(cx)?;
    let keys = &mut cx.account.user_mut(cx.query.name("UserName")?)?.ssh_keys;
    let index = position(keys, "Public Key", cx.query.required("SSHPublicKeyId")?)?;
    keys[index].status = status;
    Ok(Xml::new())
}

pub(super) fn delete_ssh_key(cx: &mut Context<'_>) -> Answer {
    let keys = &mut cx.account.user_mut(cx.query.name("UserName")?)?.ssh_keys;
    let index = position(keys, "Public Key", cx.query.required("SSHPublicKeyId")?)?;
    keys.remove(index);
    Ok(Xml::new())
}

pub(super) fn list_certificates(cx: &mut Context<'_>) -> Answer {
    let owner = Owner::of(cx)?;
    let certificates = owner.certificates(cx.account)?.clone();
    page_of(cx, &certificates, "Certificates", |x, certificate| {
        x.text("UserName", owner.name())
            .text("CertificateId", &certificate.id)
            .text("CertificateBody", CERTIFICATE);
        x.text("Status", &certificate.status)
            .date("UploadDate", certificate.at);
    })
}

pub(super) fn update_certificate(cx: &mut Context<'_>) -> Answer {
    let status = new_status(cx)?;
    let certificates = Owner::of(cx)?.certificates(cx.account)?;
    let index = position(certificates, "Certificate", cx.query.required("CertificateId")?)?;
    certificates[index].status = status;
    Ok(Xml::new())
}

pub(super) fn delete_certificate(cx: &mut Context<'_>) -> Answer {
    let certificates = Owner::of(cx)?.certificates(cx.account)?;
    let index = position(certificates, "Certificate", cx.query.required("CertificateId")?)?;
    certificates.remove(index);
    Ok(Xml::new())
}

pub(super) fn list_of_services(cx: &mut Context<'_>) -> Answer {
    let service = cx.query.optional("ServiceName");
    if let Some(unknown) = service.filter(|name| !CREDENTIAL_SERVICES.contains(name)) {
        let message = format!("No such service {unknown} exists");
        return Err(AwsError::new("NotSupportedService", 404, message));
    }
    let users = if cx.query.boolean("AllUsers")?.unwrap_or(false) {
        if cx.query.optional("UserName").is_some() {
            let message = "UserName and AllUsers cannot be specified together.";
            return Err(AwsError::validation(message));
        }
        cx.account.users.values().collect()
    } else {
        vec![cx.account.user(&cx.user_or_caller()?)?]
    };
    let mut entries = Vec::new();
    for user in users {
        let name = user.principal.name.as_str();
        let wanted = |one: &&ServiceCredential| service.is_none_or(|service| one.service == service);
        let wanted = user.service_credentials.iter().filter(wanted);
        entries.extend(wanted.map(|one| (format!("{name}/{}", one.id), (name, one))));
    }
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    let page = cx.page(entries)?;
    let mut xml = Xml::new();
    xml.members("ServiceSpecificCredentials", &page.items, |x, (name, one)| {
        x.text("UserName", name).text("Status", one.status(cx.now));
        let label = if one.is_api_key() {
            "ServiceCredentialAlias"
        } else {
            "ServiceUserName"
        };
        x.text(label, &one.name)
            .date("CreateDate", one.created)
            .optional_date("ExpirationDate", one.expires);
        x.text("ServiceSpecificCredentialId", &one.id)
            .text("ServiceName", &one.service);
    });
    page.close(&mut xml);
    Ok(xml)
}

/// The credentials of the user a request is about, and where among them the one is that it names.
fn of_service<'a>(cx: &'a mut Context<'_>) -> Result<(&'a mut Vec<ServiceCredential>, usize), AwsError> {
    let name = cx.user_or_caller()?;
    let id = cx.query.required("ServiceSpecificCredentialId")?;
    let credentials = &mut cx.account.user_mut(&name)?.service_credentials;
    let absent = || AwsError::no_such_entity(format!("No such credential {id} exists"));
    let index = credentials
        .iter()
        .position(|one| one.id == id)
        .ok_or_else(absent)?;
    Ok((credentials, index))
}

pub(super) fn update_of_service(cx: &mut Context<'_>) -> Answer {
    let status = new_status(cx)?;
    let (credentials, index) = of_service(cx)?;
    credentials[index].status = status;
    Ok(Xml::new())
}

pub(super) fn delete_of_service(cx: &mut Context<'_>) -> Answer {
    let (credentials, index) = of_service(cx)?;
    credentials.remove(index);
    Ok(Xml::new())
}
