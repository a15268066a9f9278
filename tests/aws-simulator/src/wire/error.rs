//! Errors with the codes, statuses and messages AWS answers with.

/// An error as it goes over the wire.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub(crate) struct AwsError {
    pub(crate) code: String,
    pub(crate) status: u16,
    pub(crate) message: String,
    /// A header that says more.
    pub(crate) header: Option<(&'static str, String)>,
}

impl AwsError {
    pub(crate) fn new(code: &str, status: u16, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            status,
            message: message.into(),
            header: None,
        }
    }

    /// The same error with a header that says more.
    pub(crate) fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.header = Some((name, value.into()));
        self
    }

    /// Whose fault it is, in the words of the Query protocol.
    pub(crate) fn blame(&self) -> &'static str {
        if self.status >= 500 { "Receiver" } else { "Sender" }
    }

    pub(crate) fn no_such_entity(message: impl Into<String>) -> Self {
        Self::new("NoSuchEntity", 404, message)
    }

    /// `The user with name x cannot be found.`
    pub(crate) fn absent(kind: &str, name: &str) -> Self {
        Self::no_such_entity(format!("The {kind} with name {name} cannot be found."))
    }

    pub(crate) fn policy_absent(arn: &str) -> Self {
        Self::no_such_entity(format!("Policy {arn} was not found."))
    }

    pub(crate) fn exists(kind: &str, name: &str) -> Self {
        Self::new(
            "EntityAlreadyExists",
            409,
            format!("{kind} with name {name} already exists."),
        )
    }

    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationError", 400, message)
    }

    /// What the framework in front of IAM says about one bad parameter.
    pub(crate) fn constraint(value: &str, parameter: &str, constraint: &str) -> Self {
        let parameter = lower_first(parameter);
        Self::validation(format!(
            "1 validation error detected: Value '{value}' at '{parameter}' failed to satisfy constraint: {constraint}"
        ))
    }

    pub(crate) fn missing(parameter: &str) -> Self {
        let parameter = lower_first(parameter);
        Self::validation(format!(
            "1 validation error detected: Value null at '{parameter}' failed to satisfy constraint: \
             Member must not be null"
        ))
    }

    pub(crate) fn invalid_input(message: impl Into<String>) -> Self {
        Self::new("InvalidInput", 400, message)
    }

    pub(crate) fn malformed_policy(message: impl Into<String>) -> Self {
        Self::new("MalformedPolicyDocument", 400, message)
    }

    /// `Cannot exceed quota for AccessKeysPerUser: 2`
    pub(crate) fn quota(name: &str, limit: usize) -> Self {
        Self::new(
            "LimitExceeded",
            409,
            format!("Cannot exceed quota for {name}: {limit}"),
        )
    }

    pub(crate) fn delete_conflict(message: impl Into<String>) -> Self {
        Self::new("DeleteConflict", 409, message)
    }

    pub(crate) fn access_denied(message: impl Into<String>) -> Self {
        Self::new("AccessDenied", 403, message)
    }

    pub(crate) fn invalid_token() -> Self {
        Self::new(
            "InvalidClientTokenId",
            403,
            "The security token included in the request is invalid.",
        )
    }

    pub(crate) fn unmodifiable(role: &str) -> Self {
        Self::new(
            "UnmodifiableEntity",
            400,
            format!(
                "Cannot perform the operation on the protected role '{role}' - this role is only modifiable by AWS"
            ),
        )
    }
}

/// Parameters are named in messages as the service's own code names them.
fn lower_first(name: &str) -> String {
    let mut letters = name.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}
