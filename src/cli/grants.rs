//! Whether the policies of whoever iamwarden is allow what it needs, as far as they tell by themselves: boundaries and
//! policies of the organization stand elsewhere, and conditions depend on the call.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::inventory::{AttachedPolicy, Authorization, InlinePolicy, Snapshot};
use crate::model::{Actions, Effect, PolicyDocument, Statement};

/// Those of the actions that no policy of the caller allows, or that one denies everywhere. `None`: its policies are not
/// known.
pub(super) fn missing<'a>(snapshot: &Snapshot, needed: &BTreeSet<&'a str>) -> Option<Vec<&'a str>> {
    let caller = snapshot.caller.arn.resource();
    if caller == "root" {
        return Some(Vec::new());
    }
    let statements = statements(snapshot.authorization.known()?, caller)?;
    let matching = |effect, action: &str| {
        let of_effect = statements
            .iter()
            .filter(move |statement| statement.effect == effect);
        of_effect
            .filter(|statement| is_about(statement, action))
            .collect::<Vec<_>>()
    };
    let is_missing = |action: &&&str| {
        let denies = matching(Effect::Deny, action).into_iter().any(holds_everywhere);
        denies || matching(Effect::Allow, action).is_empty()
    };
    Some(needed.iter().filter(is_missing).copied().collect())
}

/// All statements of the user with its groups, or of the role.
fn statements(authorization: &Authorization, caller: &str) -> Option<Vec<Statement>> {
    let mut holders: Vec<(&[AttachedPolicy], &[InlinePolicy])> = Vec::new();
    match caller.split('/').collect::<Vec<_>>().as_slice() {
        ["assumed-role", name, ..] => {
            let role = authorization.roles.iter().find(|role| role.name == *name)?;
            holders.push((&role.attached, &role.inline));
        }
        ["user", .., name] => {
            let user = authorization.users.iter().find(|user| user.name == *name)?;
            holders.push((&user.attached, &user.inline));
            let groups = authorization.groups.iter();
            let own = groups.filter(|group| user.groups.contains(&group.name));
            holders.extend(own.map(|group| (group.attached.as_slice(), group.inline.as_slice())));
        }
        _ => return None,
    }
    let mut statements = Vec::new();
    for (attached, inline) in holders {
        let mut documents: Vec<&str> = inline.iter().map(|policy| policy.document.as_str()).collect();
        for policy in attached {
            let policy = authorization.policies.get(&policy.arn)?;
            documents.push(&policy.default_document()?.document);
        }
        for document in documents {
            statements.extend(PolicyDocument::parse(document).ok()?.statements);
        }
    }
    Some(statements)
}

fn is_about(statement: &Statement, action: &str) -> bool {
    let Some((service, name)) = action.split_once(':') else {
        return false;
    };
    match &statement.actions {
        Actions::Listed(patterns) => patterns.iter().any(|pattern| pattern.matches(service, name)),
        Actions::AllBut(patterns) => !patterns.iter().any(|pattern| pattern.matches(service, name)),
    }
}

fn holds_everywhere(statement: &Statement) -> bool {
    let everything = |value: &Value| *value == json!("*") || *value == json!(["*"]);
    statement.rest.get("Resource").is_some_and(everything) && !statement.rest.contains_key("Condition")
}
