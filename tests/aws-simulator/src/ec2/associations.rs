//! Which instance has which profile.

use super::filters::Filters;
use super::{Answer, Association, Instance, date, instances, invalid_value, page, required};
use crate::account::InstanceProfile;
use crate::context::Context;
use crate::wire::error::AwsError;
use crate::wire::xml::Xml;

/// The state that is reached; the answer to a change names the one on the way there.
const ASSOCIATED: &str = "associated";

fn write(xml: &mut Xml, instance: &str, association: &Association, state: &str) {
    xml.text("associationId", &association.id)
        .text("instanceId", instance);
    xml.node("iamInstanceProfile", |x| {
        x.text("arn", &association.profile_arn)
            .text("id", &association.profile_id);
    });
    xml.text("state", state);
    date(xml, "timestamp", association.since);
}

fn answer(instance: &str, association: &Association, state: &str) -> Xml {
    let mut xml = Xml::new();
    xml.node("iamInstanceProfileAssociation", |x| {
        write(x, instance, association, state)
    });
    xml
}

pub(super) fn describe(cx: &mut Context<'_>) -> Answer {
    let ids = cx.query.numbered("AssociationId");
    for id in &ids {
        instance_of(cx, id)?;
    }
    let instances = cx.here().instances.values();
    let associations = instances.filter_map(|instance| Some((instance, instance.profile.as_ref()?)));
    let wanted =
        associations.filter(|(_, association)| ids.is_empty() || ids.contains(&association.id.as_str()));
    let chosen = Filters::read(cx.query).choose(wanted, |(instance, association), name| match name {
        "instance-id" => Some(vec![instance.id.clone()]),
        "state" => Some(vec![association.state.clone()]),
        _ => None,
    })?;
    let mut keyed: Vec<_> = chosen.into_iter().map(|one| (one.1.id.clone(), one)).collect();
    keyed.sort_by(|a, b| a.0.cmp(&b.0));
    let page = page(cx, keyed)?;
    let mut xml = Xml::new();
    xml.items(
        "iamInstanceProfileAssociationSet",
        page.items,
        |x, (instance, association)| {
            write(x, &instance.id, association, &association.state);
        },
    );
    xml.optional("nextToken", page.next);
    Ok(xml)
}

/// The profile that a request names by its name or its ARN.
fn profile<'a>(cx: &'a Context<'_>) -> Result<&'a InstanceProfile, AwsError> {
    let (name, arn) = (
        cx.query.optional("IamInstanceProfile.Name"),
        cx.query.optional("IamInstanceProfile.Arn"),
    );
    let found = match (name, arn) {
        (Some(name), None) => cx.account.instance_profiles.get(name),
        (None, Some(arn)) => cx
            .account
            .instance_profiles
            .values()
            .find(|profile| profile.arn(cx.account) == arn),
        (Some(_), Some(_)) => {
            let message = "The parameter 'iamInstanceProfile.name' may not be used in combination with 'iamInstanceProfile.arn'";
            return Err(AwsError::new("InvalidParameterCombination", 400, message));
        }
        (None, None) => {
            let message = "The request must contain the parameter iamInstanceProfile";
            return Err(AwsError::new("MissingParameter", 400, message));
        }
    };
    found.ok_or_else(|| match (name, arn) {
        (Some(name), _) => invalid_value(
            name,
            "iamInstanceProfile.name",
            "Invalid IAM Instance Profile name",
        ),
        (None, arn) => {
            let arn = arn.unwrap_or_default();
            invalid_value(arn, "iamInstanceProfile.arn", "Invalid IAM Instance Profile ARN")
        }
    })
}

fn new_association(cx: &mut Context<'_>) -> Result<Association, AwsError> {
    let profile = profile(cx)?;
    let (profile_arn, profile_id) = (profile.arn(cx.account), profile.id.clone());
    Ok(Association {
        id: format!("iip-assoc-{}", cx.ids.hex(17)),
        profile_arn,
        profile_id,
        state: ASSOCIATED.to_owned(),
        since: cx.now,
    })
}

/// The instance with the association of that id.
fn instance_of<'a>(cx: &'a Context<'_>, association: &str) -> Result<&'a Instance, AwsError> {
    let has = |instance: &&Instance| {
        instance
            .profile
            .as_ref()
            .is_some_and(|profile| profile.id == association)
    };
    let absent = || {
        let message = format!("An invalid association-id of '{association}' was given");
        AwsError::new("InvalidAssociationID.NotFound", 400, message)
    };
    cx.here().instances.values().find(has).ok_or_else(absent)
}

/// Gives an instance a profile in place of the one it has.
fn put(cx: &mut Context<'_>, instance: &str, association: Option<Association>) -> Option<Association> {
    let instance = cx.here_mut().instances.get_mut(instance)?;
    std::mem::replace(&mut instance.profile, association)
}

pub(super) fn associate(cx: &mut Context<'_>) -> Answer {
    let id = required(cx, "InstanceId")?.to_owned();
    let instance = instances::named(cx, &id)?;
    if !["pending", "running", "stopping", "stopped"].contains(&instance.state.as_str()) {
        let message = format!("The instance '{id}' is not in the 'running' or 'stopped' states.");
        return Err(AwsError::new("IncorrectInstanceState", 400, message));
    }
    if instance.profile.is_some() {
        let message = format!("There is an existing association for instance {id}");
        return Err(AwsError::new("IncorrectState", 400, message));
    }
    let association = new_association(cx)?;
    let xml = answer(&id, &association, "associating");
    put(cx, &id, Some(association));
    Ok(xml)
}

pub(super) fn replace(cx: &mut Context<'_>) -> Answer {
    let instance = instance_of(cx, required(cx, "AssociationId")?)?.id.clone();
    let association = new_association(cx)?;
    let xml = answer(&instance, &association, "associating");
    put(cx, &instance, Some(association));
    Ok(xml)
}

pub(super) fn disassociate(cx: &mut Context<'_>) -> Answer {
    let instance = instance_of(cx, required(cx, "AssociationId")?)?.id.clone();
    let gone = put(cx, &instance, None);
    Ok(gone.map_or_else(Xml::new, |association| {
        answer(&instance, &association, "disassociating")
    }))
}
