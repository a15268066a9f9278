//! Console passwords.

use super::{Answer, Context};
use crate::account::Password;
use crate::seed::PasswordPolicy;
use crate::wire::error::AwsError;
use crate::wire::xml::Xml;

fn absent(user: &str) -> AwsError {
    AwsError::no_such_entity(format!("Login Profile for User {user} cannot be found."))
}

fn write(user: &str, password: &Password) -> Xml {
    let mut xml = Xml::new();
    xml.node("LoginProfile", |x| {
        x.text("UserName", user).date("CreateDate", password.created);
        x.text("PasswordResetRequired", password.reset_required);
    });
    xml
}

pub(super) fn get(cx: &mut Context<'_>) -> Answer {
    let name = cx.user_or_caller()?;
    let password = cx
        .account
        .user(&name)?
        .password
        .as_ref()
        .ok_or_else(|| absent(&name))?;
    Ok(write(&name, password))
}

pub(super) fn create(cx: &mut Context<'_>) -> Answer {
    let name = cx.user_or_caller()?;
    let secret = cx.query.required("Password")?;
    let reset_required = cx.query.boolean("PasswordResetRequired")?.unwrap_or(false);
    if cx.account.user(&name)?.password.is_some() {
        return Err(AwsError::new(
            "EntityAlreadyExists",
            409,
            format!("Login Profile for user {name} already exists."),
        ));
    }
    check(secret, &cx.account.password_policy.clone().unwrap_or_default())?;
    let password = Password {
        created: cx.now,
        last_changed: cx.now,
        last_used: None,
        reset_required,
    };
    let xml = write(&name, &password);
    cx.account.user_mut(&name)?.password = Some(password);
    Ok(xml)
}

fn check(secret: &str, policy: &PasswordPolicy) -> Result<(), AwsError> {
    let has = |kind: fn(&char) -> bool| secret.chars().any(|letter| kind(&letter));
    let long = u32::try_from(secret.chars().count()).unwrap_or(u32::MAX) >= policy.minimum_password_length;
    let rules = [
        (
            long,
            "Password should have a minimum length of the policy's length",
        ),
        (
            !policy.require_symbols || has(char::is_ascii_punctuation),
            "Password should have at least one symbol",
        ),
        (
            !policy.require_numbers || has(char::is_ascii_digit),
            "Password should have at least one number",
        ),
        (
            !policy.require_uppercase_characters || has(char::is_ascii_uppercase),
            "Password should have at least one uppercase letter",
        ),
        (
            !policy.require_lowercase_characters || has(char::is_ascii_lowercase),
            "Password should have at least one lowercase letter",
        ),
    ];
    match rules.iter().find(|(is_met, _)| !is_met) {
        Some((_, rule)) => Err(AwsError::new("PasswordPolicyViolation", 400, *rule)),
        None => Ok(()),
    }
}

pub(super) fn update(cx: &mut Context<'_>) -> Answer {
    let name = cx.user_or_caller()?;
    let reset_required = cx.query.boolean("PasswordResetRequired")?;
    if cx.account.user(&name)?.password.is_none() {
        return Err(absent(&name));
    }
    let secret = cx.query.optional("Password");
    if let Some(secret) = secret {
        check(secret, &cx.account.password_policy.clone().unwrap_or_default())?;
    }
    let now = cx.now;
    if let Some(password) = &mut cx.account.user_mut(&name)?.password {
        password.reset_required = reset_required.unwrap_or(password.reset_required);
        if secret.is_some() {
            password.last_changed = now;
        }
    }
    Ok(Xml::new())
}

pub(super) fn delete(cx: &mut Context<'_>) -> Answer {
    let name = cx.user_or_caller()?;
    let user = cx.account.user_mut(&name)?;
    let password = user.password.take().ok_or_else(|| absent(&name))?;
    user.former_password_used = password.last_used.or(user.former_password_used);
    Ok(Xml::new())
}
