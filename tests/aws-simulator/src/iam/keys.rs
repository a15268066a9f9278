//! Access keys.

use super::{Answer, Context, Owner};
use crate::account::AccessKey;
use crate::wire::error::AwsError;
use crate::wire::xml::Xml;

const MOST: usize = 2;

fn absent(id: &str) -> AwsError {
    AwsError::no_such_entity(format!("The Access Key with id {id} cannot be found."))
}

/// The id a request names: 16 to 128 letters and digits.
fn key_id<'a>(cx: &Context<'a>) -> Result<&'a str, AwsError> {
    let id = cx.query.required("AccessKeyId")?;
    if id.len() < 16 {
        return Err(AwsError::constraint(
            id,
            "AccessKeyId",
            "Member must have length greater than or equal to 16",
        ));
    }
    if id.len() > 128
        || !id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    {
        return Err(AwsError::constraint(
            id,
            "AccessKeyId",
            "Member must satisfy regular expression pattern: [\\w]+",
        ));
    }
    Ok(id)
}

pub(super) fn list(cx: &mut Context<'_>) -> Answer {
    let owner = Owner::of(cx)?;
    let keys = owner.keys(cx.account)?.clone();
    let page = cx.page(in_order(keys))?;
    let mut xml = Xml::new();
    xml.members("AccessKeyMetadata", &page.items, |x, key: &AccessKey| {
        x.text("UserName", owner.name())
            .text("AccessKeyId", &key.id)
            .text("Status", &key.status);
        x.date("CreateDate", key.created);
    });
    page.close(&mut xml);
    Ok(xml)
}

fn in_order(mut keys: Vec<AccessKey>) -> Vec<(String, AccessKey)> {
    keys.sort_by(|a, b| a.id.cmp(&b.id));
    keys.into_iter().map(|key| (key.id.clone(), key)).collect()
}

pub(super) fn last_used(cx: &mut Context<'_>) -> Answer {
    let id = key_id(cx)?;
    let of_users = cx
        .account
        .users
        .values()
        .flat_map(|user| user.keys.iter().map(|key| (user.principal.name.as_str(), key)));
    let of_root = cx.account.root.keys.iter().map(|key| ("root", key));
    let found = of_users.chain(of_root).find(|(_, key)| key.id == id);
    let Some((owner, key)) = found else {
        // AWS does not tell whether a key exists that the caller's account does not own.
        return Err(AwsError::access_denied(format!(
            "User: {} is not authorized to perform: iam:GetAccessKeyLastUsed on resource: access key {id}",
            cx.caller.arn
        )));
    };
    let mut xml = Xml::new();
    xml.text("UserName", owner);
    xml.node("AccessKeyLastUsed", |x| match &key.last_used {
        Some(used) => {
            x.date("LastUsedDate", used.at);
            x.text("ServiceName", &used.service).text("Region", &used.region);
        }
        None => {
            x.text("ServiceName", "N/A").text("Region", "N/A");
        }
    });
    Ok(xml)
}

pub(super) fn create(cx: &mut Context<'_>) -> Answer {
    let owner = Owner::of(cx)?;
    if owner.keys(cx.account)?.len() >= MOST {
        return Err(AwsError::quota("AccessKeysPerUser", MOST));
    }
    let key = AccessKey {
        id: cx.ids.unique("AKIA"),
        status: "Active".to_owned(),
        created: cx.now,
        last_used: None,
    };
    let secret = cx.ids.secret_key();
    let mut xml = Xml::new();
    xml.node("AccessKey", |x| {
        x.text("UserName", owner.name())
            .text("AccessKeyId", &key.id)
            .text("Status", &key.status);
        x.text("SecretAccessKey", secret).date("CreateDate", key.created);
    });
    owner.keys(cx.account)?.push(key);
    Ok(xml)
}

pub(super) fn update(cx: &mut Context<'_>) -> Answer {
    let id = key_id(cx)?;
    let status = cx.query.required("Status")?;
    match status {
        "Active" | "Inactive" => {}
        "Expired" => return Err(AwsError::invalid_input("Status Expired cannot be set.")),
        other => {
            let rule = "Member must satisfy enum value set: [Active, Inactive, Expired]";
            return Err(AwsError::constraint(other, "Status", rule));
        }
    }
    let owner = Owner::of(cx)?;
    let keys = owner.keys(cx.account)?;
    let key = keys
        .iter_mut()
        .find(|key| key.id == id)
        .ok_or_else(|| absent(id))?;
    if key.status == "Expired" {
        return Err(AwsError::invalid_input(
            "An expired access key cannot be changed.",
        ));
    }
    status.clone_into(&mut key.status);
    Ok(Xml::new())
}

pub(super) fn delete(cx: &mut Context<'_>) -> Answer {
    let id = key_id(cx)?;
    let owner = Owner::of(cx)?;
    let keys = owner.keys(cx.account)?;
    let index = keys
        .iter()
        .position(|key| key.id == id)
        .ok_or_else(|| absent(id))?;
    keys.remove(index);
    Ok(Xml::new())
}
