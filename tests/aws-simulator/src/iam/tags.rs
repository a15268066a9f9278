//! Tags of users and roles.

use std::collections::BTreeMap;

use super::{Answer, Context, write_tags};
use crate::account::Kind;
use crate::wire::error::AwsError;
use crate::wire::xml::Xml;

const MOST: usize = 50;

/// Tags of a new entity: no key twice, keys and values of allowed lengths.
pub(super) fn checked(tags: Vec<(String, String)>) -> Result<BTreeMap<String, String>, AwsError> {
    let mut checked: BTreeMap<String, String> = BTreeMap::new();
    for (key, value) in tags {
        if key.is_empty() || key.chars().count() > 128 {
            return Err(AwsError::constraint(
                &key,
                "tags.1.member.key",
                "Member must have length between 1 and 128",
            ));
        }
        if value.chars().count() > 256 {
            let rule = "Member must have length less than or equal to 256";
            return Err(AwsError::constraint(&value, "tags.1.member.value", rule));
        }
        if checked.keys().any(|other| other.eq_ignore_ascii_case(&key)) {
            return Err(AwsError::invalid_input(
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
            ));
        }
        checked.insert(key, value);
    }
    if checked.len() > MOST {
        return Err(AwsError::quota("TagsPerResource", MOST));
    }
    Ok(checked)
}

pub(super) fn list(cx: &mut Context<'_>, kind: Kind) -> Answer {
    let tags = &cx.principal(kind)?.tags;
    let page = cx.page(
        tags.iter()
            .map(|(key, value)| (key.clone(), (key.clone(), value.clone())))
            .collect(),
    )?;
    let mut xml = Xml::new();
    write_tags(&mut xml, &page.items.iter().cloned().collect());
    page.close(&mut xml);
    Ok(xml)
}

pub(super) fn tag(cx: &mut Context<'_>, kind: Kind) -> Answer {
    let new = checked(cx.query.tags())?;
    let principal = cx.changeable(kind)?;
    let mut tags = principal.tags.clone();
    for (key, value) in new {
        // Keys differ in capitals only: the new one takes the place of the old one.
        tags.retain(|other, _| !other.eq_ignore_ascii_case(&key));
        tags.insert(key, value);
    }
    if tags.len() > MOST {
        return Err(AwsError::quota("TagsPerResource", MOST));
    }
    principal.tags = tags;
    Ok(Xml::new())
}

pub(super) fn untag(cx: &mut Context<'_>, kind: Kind) -> Answer {
    let keys: Vec<String> = cx.query.list("TagKeys").into_iter().map(str::to_owned).collect();
    let principal = cx.changeable(kind)?;
    principal
        .tags
        .retain(|key, _| !keys.iter().any(|gone| gone.eq_ignore_ascii_case(key)));
    Ok(Xml::new())
}
