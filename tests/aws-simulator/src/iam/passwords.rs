//! The account's password policy.

use super::{Answer, Context};
use crate::seed::PasswordPolicy;
use crate::wire::error::AwsError;
use crate::wire::xml::Xml;

fn absent(account: &str) -> AwsError {
    AwsError::no_such_entity(format!(
        "The Password Policy with domain name {account} cannot be found."
    ))
}

pub(super) fn get(cx: &mut Context<'_>) -> Answer {
    let policy = cx
        .account
        .password_policy
        .as_ref()
        .ok_or_else(|| absent(&cx.account.id))?;
    let mut xml = Xml::new();
    xml.node("PasswordPolicy", |x| {
        x.text("MinimumPasswordLength", policy.minimum_password_length)
            .text("RequireSymbols", policy.require_symbols)
            .text("RequireNumbers", policy.require_numbers)
            .text("RequireUppercaseCharacters", policy.require_uppercase_characters)
            .text("RequireLowercaseCharacters", policy.require_lowercase_characters)
            .text(
                "AllowUsersToChangePassword",
                policy.allow_users_to_change_password,
            )
            .text("ExpirePasswords", policy.max_password_age.is_some())
            .optional("MaxPasswordAge", policy.max_password_age)
            .optional("PasswordReusePrevention", policy.password_reuse_prevention);
        if policy.hard_expiry || policy.max_password_age.is_some() {
            x.text("HardExpiry", policy.hard_expiry);
        }
    });
    Ok(xml)
}

/// Replaces the policy as a whole: what is left out returns to its default.
pub(super) fn update(cx: &mut Context<'_>) -> Answer {
    let (query, defaults) = (cx.query, PasswordPolicy::default());
    let flag = |name: &str| query.boolean(name).map(|value| value.unwrap_or(false));
    let length = query.integer("MinimumPasswordLength", 6, 128)?;
    let policy = PasswordPolicy {
        minimum_password_length: length.unwrap_or(defaults.minimum_password_length),
        require_symbols: flag("RequireSymbols")?,
        require_numbers: flag("RequireNumbers")?,
        require_uppercase_characters: flag("RequireUppercaseCharacters")?,
        require_lowercase_characters: flag("RequireLowercaseCharacters")?,
        allow_users_to_change_password: flag("AllowUsersToChangePassword")?,
        max_password_age: query.integer("MaxPasswordAge", 1, 1095)?,
        password_reuse_prevention: query.integer("PasswordReusePrevention", 1, 24)?,
        hard_expiry: flag("HardExpiry")?,
    };
    cx.account.password_policy = Some(policy);
    Ok(Xml::new())
}

pub(super) fn delete(cx: &mut Context<'_>) -> Answer {
    match cx.account.password_policy.take() {
        Some(_) => Ok(Xml::new()),
        None => Err(absent(&cx.account.id)),
    }
}
