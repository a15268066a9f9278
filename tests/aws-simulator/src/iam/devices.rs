//! MFA devices: virtual ones, which are there before anybody has them, and others, which are known by their owners.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Answer, Context, Owner, tags, users, write_tags_if_any};
use crate::account::{Holder, VirtualDevice};
use crate::wire::error::AwsError;
use crate::wire::xml::Xml;

const MOST_PER_USER: usize = 8;

/// A picture of one white dot. Nobody scans it.
const PICTURE: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR42mP4DwABAQEAHLCMmQAAAABJRU5ErkJggg==";

/// The serial number a request names.
fn serial<'a>(cx: &Context<'a>) -> Result<&'a str, AwsError> {
    let serial = cx.query.required("SerialNumber")?;
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "_+=/:,.@-".contains(letter);
    if !(9..=256).contains(&serial.len()) {
        let rule = "Member must have length between 9 and 256";
        return Err(AwsError::constraint(serial, "SerialNumber", rule));
    }
    if !serial.chars().all(allowed) {
        let rule = "Member must satisfy regular expression pattern: [\\w+=/:,.@-]+";
        return Err(AwsError::constraint(serial, "SerialNumber", rule));
    }
    Ok(serial)
}

fn absent_virtual(serial: &str) -> AwsError {
    AwsError::no_such_entity(format!(
        "VirtualMFADevice with serial number {serial} doesn't exist."
    ))
}

pub(super) fn list(cx: &mut Context<'_>) -> Answer {
    let owner = Owner::of(cx)?;
    let devices = owner.devices(cx.account)?.clone();
    let entries = devices
        .iter()
        .map(|(serial, enabled)| (serial.clone(), (serial, *enabled)));
    let page = cx.page(entries.collect())?;
    let mut xml = Xml::new();
    xml.members("MFADevices", &page.items, |x, (serial, enabled)| {
        x.text("UserName", owner.name())
            .text("SerialNumber", serial)
            .date("EnableDate", *enabled);
    });
    page.close(&mut xml);
    Ok(xml)
}

pub(super) fn list_virtual(cx: &mut Context<'_>) -> Answer {
    let assignment = cx.query.optional("AssignmentStatus").unwrap_or("Any");
    if !["Assigned", "Unassigned", "Any"].contains(&assignment) {
        let rule = "Member must satisfy enum value set: [Assigned, Unassigned, Any]";
        return Err(AwsError::constraint(assignment, "AssignmentStatus", rule));
    }
    let in_use = cx.account.devices_in_use();
    let entries = cx.account.virtual_devices.keys().filter_map(|serial| {
        let held = in_use.get(serial.as_str());
        let wanted = match assignment {
            "Assigned" => held.is_some(),
            "Unassigned" => held.is_none(),
            _ => true,
        };
        wanted.then(|| (serial.clone(), (serial, held)))
    });
    let page = cx.page(entries.collect())?;
    let mut xml = Xml::new();
    xml.members("VirtualMFADevices", &page.items, |x, (serial, held)| {
        x.text("SerialNumber", serial);
        let Some((holder, enabled)) = held else { return };
        x.node("User", |x| match holder {
            Holder::User(user) => users::write(x, user, cx.account, false),
            // Without the name and the path that the model wants of every user.
            Holder::Root(root) => {
                let arn = format!("arn:{}:iam::{}:root", cx.account.partition, cx.account.id);
                x.text("UserId", &cx.account.id).text("Arn", arn);
                x.date("CreateDate", root.created);
                x.optional_date("PasswordLastUsed", root.password_last_used);
            }
        });
        x.date("EnableDate", *enabled);
    });
    page.close(&mut xml);
    Ok(xml)
}

pub(super) fn create_virtual(cx: &mut Context<'_>) -> Answer {
    let name = cx.query.name("VirtualMFADeviceName")?;
    let path = cx.query.path()?;
    let serial = format!(
        "arn:{}:iam::{}:mfa{path}{name}",
        cx.account.partition, cx.account.id
    );
    let tags = tags::checked(cx.query.tags())?;
    if cx.account.virtual_devices.contains_key(&serial) {
        return Err(AwsError::new(
            "EntityAlreadyExists",
            409,
            "MFADevice entity at the same path and name already exists.",
        ));
    }
    let mut xml = Xml::new();
    xml.node("VirtualMFADevice", |x| {
        x.text("SerialNumber", &serial)
            .text("Base32StringSeed", STANDARD.encode(cx.ids.base32(64)))
            .text("QRCodePNG", PICTURE);
        write_tags_if_any(x, &tags);
    });
    cx.account.virtual_devices.insert(serial, VirtualDevice { tags });
    Ok(xml)
}

pub(super) fn delete_virtual(cx: &mut Context<'_>) -> Answer {
    let serial = serial(cx)?;
    if !cx.account.virtual_devices.contains_key(serial) {
        return Err(absent_virtual(serial));
    }
    if cx.account.devices_in_use().contains_key(serial) {
        let message = "MFA VirtualDevice in use. Must deactivate first.";
        return Err(AwsError::delete_conflict(message));
    }
    cx.account.virtual_devices.remove(serial);
    Ok(Xml::new())
}

/// A code is six digits. Which ones is not checked, but that two codes in a row differ.
fn check_codes(cx: &Context<'_>) -> Result<(), AwsError> {
    let names = ["AuthenticationCode1", "AuthenticationCode2"];
    for name in names {
        let code = cx.query.required(name)?;
        if code.len() != 6 || !code.bytes().all(|byte| byte.is_ascii_digit()) {
            let rule = "Member must satisfy regular expression pattern: [\\d]{6}";
            return Err(AwsError::constraint(code, name, rule));
        }
    }
    if cx.query.optional(names[0]) == cx.query.optional(names[1]) {
        let message = "Authentication code for device is not valid.";
        return Err(AwsError::new("InvalidAuthenticationCode", 403, message));
    }
    Ok(())
}

pub(super) fn enable(cx: &mut Context<'_>) -> Answer {
    let name = cx.query.name("UserName")?;
    let serial = serial(cx)?;
    check_codes(cx)?;
    let devices = cx.account.user(name)?.mfa.len();
    // Passkeys have ARNs as well; they are enabled at the console only.
    if serial.starts_with("arn:") && !cx.account.virtual_devices.contains_key(serial) {
        return Err(absent_virtual(serial));
    }
    if cx.account.devices_in_use().contains_key(serial) {
        let message = "MFA Device is already in use.";
        return Err(AwsError::new("EntityAlreadyExists", 409, message));
    }
    if devices >= MOST_PER_USER {
        return Err(AwsError::quota("MFADevicesPerUser", MOST_PER_USER));
    }
    let enabled = cx.now;
    cx.account.user_mut(name)?.mfa.insert(serial.to_owned(), enabled);
    Ok(Xml::new())
}

pub(super) fn deactivate(cx: &mut Context<'_>) -> Answer {
    let owner = Owner::of(cx)?;
    let serial = serial(cx)?;
    match owner.devices(cx.account)?.remove(serial) {
        Some(_) => Ok(Xml::new()),
        None => Err(AwsError::no_such_entity(format!(
            "MFA Device with serial number {serial} not found for user {}.",
            owner.name()
        ))),
    }
}
