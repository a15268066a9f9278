//! Instances.

use std::collections::BTreeMap;

use super::filters::Filters;
use super::{Answer, Instance, date, page};
use crate::context::Context;
use crate::wire::error::AwsError;
use crate::wire::xml::Xml;

/// The number that goes with a state's name.
fn code(state: &str) -> u32 {
    match state {
        "pending" => 0,
        "running" => 16,
        "shutting-down" => 32,
        "terminated" => 48,
        "stopping" => 64,
        _ => 80,
    }
}

/// The instance of that id.
pub(super) fn named<'a>(cx: &'a Context<'_>, id: &str) -> Result<&'a Instance, AwsError> {
    let digits = id.strip_prefix("i-").unwrap_or_default();
    if ![8, 17].contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(AwsError::new(
            "InvalidInstanceID.Malformed",
            400,
            format!("Invalid id: \"{id}\""),
        ));
    }
    let message = || format!("The instance ID '{id}' does not exist");
    let absent = || AwsError::new("InvalidInstanceID.NotFound", 400, message());
    cx.here().instances.get(id).ok_or_else(absent)
}

/// What an instance has of a filter's name.
fn values(instance: &Instance, name: &str) -> Option<Vec<String>> {
    let one = |value: &str| Some(vec![value.to_owned()]);
    let profile = instance.profile.as_ref();
    match name {
        "instance-id" => one(&instance.id),
        "instance-state-name" => one(&instance.state),
        "instance-state-code" => one(&code(&instance.state).to_string()),
        "instance-type" => one(&instance.kind),
        "image-id" => one(&instance.image),
        "availability-zone" => one(&instance.zone),
        "reservation-id" => one(&instance.reservation),
        "iam-instance-profile.arn" => Some(
            profile
                .map(|profile| profile.profile_arn.clone())
                .into_iter()
                .collect(),
        ),
        "iam-instance-profile.id" => Some(
            profile
                .map(|profile| profile.profile_id.clone())
                .into_iter()
                .collect(),
        ),
        "metadata-options.http-tokens" => one(&instance.metadata.tokens),
        "metadata-options.http-endpoint" => one(&instance.metadata.endpoint),
        "tag-key" => Some(instance.tags.keys().cloned().collect()),
        _ => {
            let key = name.strip_prefix("tag:")?;
            Some(instance.tags.get(key).cloned().into_iter().collect())
        }
    }
}

pub(super) fn describe(cx: &mut Context<'_>) -> Answer {
    let ids = cx.query.numbered("InstanceId");
    if !ids.is_empty() && cx.query.optional("MaxResults").is_some() {
        let message = "The parameter instancesSet cannot be used with the parameter maxResults";
        return Err(AwsError::new("InvalidParameterCombination", 400, message));
    }
    for id in &ids {
        named(cx, id)?;
    }
    super::end_dry_run(cx)?;
    let instances = cx.here().instances.values();
    let wanted = instances.filter(|instance| ids.is_empty() || ids.contains(&instance.id.as_str()));
    let chosen = Filters::read(cx.query).choose(wanted, |instance, name| values(instance, name))?;
    let key = |instance: &Instance| format!("{}/{}", instance.reservation, instance.id);
    let mut keyed: Vec<_> = chosen
        .into_iter()
        .map(|instance| (key(instance), instance))
        .collect();
    keyed.sort_by(|a, b| a.0.cmp(&b.0));
    let page = page(cx, keyed)?;
    let mut reservations: BTreeMap<&str, Vec<&Instance>> = BTreeMap::new();
    for instance in page.items {
        reservations
            .entry(&instance.reservation)
            .or_default()
            .push(instance);
    }
    let mut xml = Xml::new();
    xml.items("reservationSet", reservations, |x, (id, instances)| {
        x.text("reservationId", id).text("ownerId", &cx.account.id);
        x.node("groupSet", |_| {});
        x.items("instancesSet", instances, write);
    });
    xml.optional("nextToken", page.next);
    Ok(xml)
}

fn write(xml: &mut Xml, instance: &Instance) {
    xml.text("instanceId", &instance.id)
        .text("imageId", &instance.image);
    xml.node("instanceState", |x| {
        x.text("code", code(&instance.state))
            .text("name", &instance.state);
    });
    xml.text("instanceType", &instance.kind);
    date(xml, "launchTime", instance.launched);
    xml.node("placement", |x| {
        x.text("availabilityZone", &instance.zone)
            .text("tenancy", "default");
    });
    // What is on its way shows among the associations alone.
    let associated = instance.profile.as_ref();
    if let Some(association) = associated.filter(|association| association.state == "associated") {
        xml.node("iamInstanceProfile", |x| {
            x.text("arn", &association.profile_arn)
                .text("id", &association.profile_id);
        });
    }
    if !instance.tags.is_empty() {
        xml.items("tagSet", &instance.tags, |x, (key, value)| {
            x.text("key", key).text("value", value);
        });
    }
    xml.node("metadataOptions", |x| {
        x.text("state", "applied")
            .text("httpTokens", &instance.metadata.tokens)
            .text("httpPutResponseHopLimit", instance.metadata.hop_limit);
        x.text("httpEndpoint", &instance.metadata.endpoint)
            .text("httpProtocolIpv6", "disabled")
            .text("instanceMetadataTags", "disabled");
    });
    xml.node("operator", |x| {
        x.text("managed", instance.managed_by.is_some())
            .optional("principal", instance.managed_by.as_ref());
    });
}
