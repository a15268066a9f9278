//! Secrets Manager: reading secrets.

use serde_json::{Value, json};

use crate::account::Secret;
use crate::context::{Context, Operation, Run};
use crate::wire::error::AwsError;

/// All operations of the service.
pub(crate) static OPERATIONS: &[Operation] = &[Operation::reads("GetSecretValue", Run::Json(get_value))];

/// `GetSecretValue` by name, by ARN, or by ARN without the six letters at its end.
fn get_value(cx: &mut Context<'_>) -> Result<Value, AwsError> {
    let query = cx.query;
    let Some(id) = query.optional("SecretId") else {
        return Err(AwsError::new(
            "InvalidParameterException",
            400,
            "You must provide a value for SecretId.",
        ));
    };
    let wanted = |secret: &&Secret| {
        let partial = secret.arn.rsplit_once('-').map(|(arn, _)| arn);
        secret.region == cx.region && (secret.name == id || secret.arn == id || partial == Some(id))
    };
    let absent = || {
        AwsError::new(
            "ResourceNotFoundException",
            400,
            "Secrets Manager can't find the specified secret.",
        )
    };
    let secret = cx.account.secrets.values().find(wanted).ok_or_else(absent)?;
    let stage = query.optional("VersionStage").unwrap_or("AWSCURRENT");
    let version = query.optional("VersionId").unwrap_or(&secret.version_id);
    if stage != "AWSCURRENT" || version != secret.version_id {
        let message =
            format!("Secrets Manager can't find the specified secret value for staging label: {stage}");
        return Err(AwsError::new("ResourceNotFoundException", 400, message));
    }
    Ok(json!({
        "ARN": secret.arn,
        "Name": secret.name,
        "VersionId": secret.version_id,
        "SecretString": secret.value,
        "VersionStages": ["AWSCURRENT"],
        "CreatedDate": secret.created.timestamp(),
    }))
}
