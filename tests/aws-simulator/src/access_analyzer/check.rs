//! `CheckNoNewAccess`: whether a changed policy allows what the one before it did not.

use serde_json::{Value, json};

use super::{Answer, word};
use crate::context::Context;
use crate::policy::compare::{NewAccess, new_access};
use crate::policy::document::{PolicyDocument, Purpose};
use crate::wire::error::AwsError;

fn undecided(message: String) -> AwsError {
    AwsError::new("UnprocessableEntityException", 422, message)
}

fn document(cx: &Context<'_>, name: &str) -> Result<(String, PolicyDocument), AwsError> {
    let text = cx.input.required(name)?;
    let invalid = |error: AwsError| {
        let message = format!("{name} is invalid: {}", error.message);
        AwsError::new("InvalidParameterException", 400, message)
    };
    let document = PolicyDocument::parse(text, Purpose::Identity).map_err(invalid)?;
    Ok((text.to_owned(), document))
}

pub(super) fn no_new_access(cx: &mut Context<'_>) -> Answer {
    if word(cx.input, "policyType", &["IDENTITY_POLICY", "RESOURCE_POLICY"])? == "RESOURCE_POLICY" {
        return Err(undecided("Resource policies are not compared here.".to_owned()));
    }
    let (_, existing) = document(cx, "existingPolicyDocument")?;
    let (text, new) = document(cx, "newPolicyDocument")?;
    match new_access(&existing, &new) {
        NewAccess::None => Ok(json!({
            "result": "PASS",
            "message": "The updated permissions do not add new access compared to your existing policy.",
        })),
        NewAccess::In(statements) => {
            let reasons: Vec<Value> = statements.iter().map(|&index| reason(&text, index)).collect();
            Ok(json!({
                "result": "FAIL",
                "message": "The modified permissions grant new access compared to your existing policy.",
                "reasons": reasons,
            }))
        }
        NewAccess::Unknown(why) => Err(undecided(why)),
    }
}

fn reason(document: &str, index: usize) -> Value {
    let value: Value = serde_json::from_str(document).unwrap_or_default();
    let statements = &value["Statement"];
    let id = statements.get(index).unwrap_or(statements)["Sid"].as_str();
    let mut reason = json!({
        "description": format!("New access in the statement with index: {index}."),
        "statementIndex": index,
    });
    if let Some(id) = id {
        reason["description"] = format!("New access in the statement with sid: {id}.").into();
        reason["statementId"] = id.into();
    }
    reason
}
