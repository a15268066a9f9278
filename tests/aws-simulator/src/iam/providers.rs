//! SAML and OpenID Connect providers: which there are.

use chrono::TimeDelta;

use super::{Answer, Context};
use crate::wire::xml::Xml;

/// How long after its making the metadata of a SAML provider is valid.
const VALIDITY: TimeDelta = TimeDelta::days(3650);

pub(super) fn list_open_id_connect(cx: &mut Context<'_>) -> Answer {
    let providers = cx.account.identity_providers.keys();
    let mut xml = Xml::new();
    xml.members(
        "OpenIDConnectProviderList",
        providers.filter(|arn| arn.contains(":oidc-provider/")),
        |x, arn| {
            x.text("Arn", arn);
        },
    );
    Ok(xml)
}

pub(super) fn list_saml(cx: &mut Context<'_>) -> Answer {
    let providers = cx.account.identity_providers.iter();
    let mut xml = Xml::new();
    xml.members(
        "SAMLProviderList",
        providers.filter(|(arn, _)| arn.contains(":saml-provider/")),
        |x, (arn, created)| {
            x.text("Arn", arn)
                .date("ValidUntil", *created + VALIDITY)
                .date("CreateDate", *created);
        },
    );
    Ok(xml)
}
