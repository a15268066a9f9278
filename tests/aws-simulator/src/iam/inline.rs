//! Inline policies of users, groups and roles.

use super::{Answer, Context, encoded};
use crate::account::Kind;
use crate::policy::document::{PolicyDocument, Purpose};
use crate::wire::error::AwsError;
use crate::wire::xml::Xml;

fn absent(kind: Kind, policy: &str) -> AwsError {
    AwsError::absent(&format!("{} policy", kind.word()), policy)
}

pub(super) fn list(cx: &mut Context<'_>, kind: Kind) -> Answer {
    let names = cx.principal(kind)?.inline.keys();
    let page = cx.page(names.map(|name| (name.clone(), name.clone())).collect())?;
    let mut xml = Xml::new();
    xml.strings("PolicyNames", &page.items);
    page.close(&mut xml);
    Ok(xml)
}

pub(super) fn get(cx: &mut Context<'_>, kind: Kind) -> Answer {
    let policy = cx.query.name("PolicyName")?;
    let principal = cx.principal(kind)?;
    let document = principal.inline.get(policy).ok_or_else(|| absent(kind, policy))?;
    let mut xml = Xml::new();
    xml.text(kind.parameter(), &principal.name)
        .text("PolicyName", policy);
    xml.text("PolicyDocument", encoded(document));
    Ok(xml)
}

pub(super) fn put(cx: &mut Context<'_>, kind: Kind) -> Answer {
    let policy = cx.query.name("PolicyName")?.to_owned();
    let document = cx.query.required("PolicyDocument")?.to_owned();
    let principal = cx.changeable(kind)?;
    PolicyDocument::parse(&document, Purpose::Identity)?;
    let others = principal
        .inline
        .iter()
        .filter(|(name, _)| **name != policy)
        .map(|(_, other)| size(other));
    let limit = kind.inline_limit();
    if others.sum::<usize>() + size(&document) > limit {
        let message = format!(
            "Maximum policy size of {limit} bytes exceeded for {} {}",
            kind.word(),
            principal.name
        );
        return Err(AwsError::new("LimitExceeded", 409, message));
    }
    principal.inline.insert(policy, document);
    Ok(Xml::new())
}

/// IAM does not count white space.
pub(super) fn size(document: &str) -> usize {
    document.chars().filter(|letter| !letter.is_whitespace()).count()
}

pub(super) fn delete(cx: &mut Context<'_>, kind: Kind) -> Answer {
    let policy = cx.query.name("PolicyName")?;
    match cx.changeable(kind)?.inline.remove(policy) {
        Some(_) => Ok(Xml::new()),
        None => Err(absent(kind, policy)),
    }
}
