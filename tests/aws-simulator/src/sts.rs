//! Security Token Service: who one is, and becoming someone else.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use crate::account::{Account, Role};
use crate::caller::{Caller, Identity, Session};
use crate::ids::IdSource;
use crate::policy::document::{PolicyDocument, Purpose, Statement, glob};
use crate::seed::SessionExpiration;
use crate::wire::error::AwsError;
use crate::wire::query::Query;
use crate::wire::xml::Xml;

/// All operations of the service. The world carries them out.
pub(crate) const OPERATIONS: [&str; 2] = ["AssumeRole", "GetCallerIdentity"];

/// `GetCallerIdentity`.
pub(crate) fn caller_identity(caller: &Caller, account: &Account) -> Xml {
    let mut xml = Xml::new();
    xml.text("UserId", caller.user_id(account))
        .text("Account", &caller.account)
        .text("Arn", &caller.arn);
    xml
}

/// What `AssumeRole` makes.
pub(crate) struct Assumed {
    pub(crate) access_key_id: String,
    pub(crate) session: Session,
    pub(crate) answer: Xml,
}

/// `AssumeRole` on a role of `target`, if there is such an account.
pub(crate) fn assume_role(
    caller: &Caller,
    query: &Query,
    target: Option<&Account>,
    now: DateTime<Utc>,
    expiration: SessionExpiration,
    ids: &mut IdSource,
) -> Result<Assumed, AwsError> {
    let arn = query.required("RoleArn")?;
    let name = session_name(query)?;
    let duration = query.integer("DurationSeconds", 900, 43_200)?.unwrap_or(3600);
    let denied = || {
        AwsError::access_denied(format!(
            "User: {} is not authorized to perform: sts:AssumeRole on resource: {arn}",
            caller.arn
        ))
    };
    let account = target.ok_or_else(denied)?;
    let role = account
        .roles
        .values()
        .find(|role| role.principal.arn(account) == arn)
        .ok_or_else(denied)?;
    if !trusts(role, caller, query.optional("ExternalId")) {
        return Err(denied());
    }
    if duration > role.max_session {
        let message = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.";
        return Err(AwsError::validation(message));
    }
    if duration > 3600 && matches!(caller.identity, Identity::Session { .. }) {
        let message = "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining";
        return Err(AwsError::validation(message));
    }
    let expires = now + TimeDelta::seconds(i64::from(duration));
    let session = Session {
        caller: Caller::session(account, &role.principal.name, name),
        token: ids.token(),
        expires,
    };
    let reported = match expiration {
        SessionExpiration::Simulator => expires,
        SessionExpiration::Later => expires.max(Utc::now() + TimeDelta::seconds(i64::from(duration))),
    };
    let access_key_id = ids.unique("ASIA");
    let mut answer = Xml::new();
    answer.node("Credentials", |x| {
        x.text("AccessKeyId", &access_key_id)
            .text("SecretAccessKey", ids.secret_key());
        x.text("SessionToken", &session.token)
            .date("Expiration", reported);
    });
    answer.node("AssumedRoleUser", |x| {
        x.text("AssumedRoleId", format!("{}:{name}", role.principal.id))
            .text("Arn", &session.caller.arn);
    });
    Ok(Assumed {
        access_key_id,
        session,
        answer,
    })
}

fn session_name(query: &Query) -> Result<&str, AwsError> {
    let name = query.required("RoleSessionName")?;
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "_+=,.@-".contains(letter);
    if (2..=64).contains(&name.len()) && name.chars().all(allowed) {
        Ok(name)
    } else {
        let rule = "Member must satisfy regular expression pattern: [\\w+=,.@-]{2,64}";
        Err(AwsError::constraint(name, "RoleSessionName", rule))
    }
}

/// Whether a role's trust policy lets this caller in. Of conditions only `sts:ExternalId` is looked at.
fn trusts(role: &Role, caller: &Caller, external_id: Option<&str>) -> bool {
    let Ok(document) = PolicyDocument::parse(&role.trust, Purpose::Trust) else {
        return false;
    };
    let applies = |statement: &&Statement| {
        let principals = statement.principals.iter().filter(|(kind, _)| kind == "AWS");
        principals
            .into_iter()
            .any(|(_, principal)| names(principal, caller))
            && statement
                .actions
                .patterns()
                .iter()
                .any(|action| glob(action, "sts:AssumeRole"))
            && condition_holds(statement.condition.as_ref(), external_id)
    };
    let applying: Vec<&Statement> = document.statements.iter().filter(applies).collect();
    !applying.is_empty() && applying.iter().all(|statement| statement.allows)
}

/// Whether a principal of a trust policy is this caller or its account.
fn names(principal: &str, caller: &Caller) -> bool {
    let (partition, account) = (&caller.partition, &caller.account);
    let role = caller
        .arn
        .split_once(":assumed-role/")
        .and_then(|(_, rest)| rest.split('/').next());
    principal == "*"
        || principal == account
        || principal == caller.arn
        || principal == format!("arn:{partition}:iam::{account}:root")
        || role.is_some_and(|role| {
            let prefix = format!("arn:{partition}:iam::{account}:role/");
            principal
                .strip_prefix(&prefix)
                .and_then(|path| path.rsplit('/').next())
                == Some(role)
        })
}

fn condition_holds(condition: Option<&Value>, external_id: Option<&str>) -> bool {
    let Some(Value::Object(operators)) = condition else {
        return true;
    };
    for (operator, keys) in operators {
        let Value::Object(keys) = keys else { continue };
        for (key, expected) in keys {
            if !key.eq_ignore_ascii_case("sts:ExternalId") {
                continue;
            }
            let expected: Vec<&str> = match expected {
                Value::Array(values) => values.iter().filter_map(Value::as_str).collect(),
                Value::String(value) => vec![value],
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
            };
            let like = operator.ends_with("StringLike");
            let fits = |given: &str| {
                expected.iter().any(|pattern| {
                    if like {
                        glob(pattern, given)
                    } else {
                        *pattern == given
                    }
                })
            };
            if !external_id.is_some_and(fits) {
                return false;
            }
        }
    }
    true
}
