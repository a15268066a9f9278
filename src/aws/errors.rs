//! What can go wrong between iamwarden and AWS, by kind.
//!
//! Kinds come from the error code and the HTTP status, never from the text of a message. [`AwsError`] says what failed,
//! where, why and what to do; the SDK's own error stays its source.

use std::error::Error;
use std::fmt;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_types::request_id::RequestId;

use super::operation;
use crate::inventory::{Gap, GapCause};
use crate::model::{AccountId, Arn};

/// Longest message that is repeated from AWS, in characters.
const LONGEST_MESSAGE: usize = 400;
/// A run of so many characters that could be base64 is taken for a secret: secret access keys have forty.
const SECRET_RUN: usize = 40;

/// The kinds of failure that callers answer differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorKind {
    /// Too many calls in this account.
    Throttled,
    /// The credentials are good but may not do this.
    Denied,
    /// There are no credentials, or they are expired, revoked or wrong.
    Credentials,
    /// The entity is not there (any more).
    Gone,
    /// Something else is changing the same thing.
    Conflict,
    /// A quota is used up.
    LimitExceeded,
    /// The entity cannot be changed, or not just now.
    Unmodifiable,
    /// The way to AWS failed.
    Network,
    /// No answer in time.
    Timeout,
    /// AWS failed (5xx).
    Service,
    /// There was an answer, but not one that a verdict can rest on.
    Unusable,
    /// Anything else.
    Other,
}

/// Codes in answers of AWS, and what they mean.
const CODES: [(&str, ErrorKind); 57] = [
    ("Throttling", ErrorKind::Throttled),
    ("ThrottlingException", ErrorKind::Throttled),
    ("ThrottledException", ErrorKind::Throttled),
    ("RequestThrottled", ErrorKind::Throttled),
    ("RequestThrottledException", ErrorKind::Throttled),
    ("TooManyRequestsException", ErrorKind::Throttled),
    ("RequestLimitExceeded", ErrorKind::Throttled),
    ("BandwidthLimitExceeded", ErrorKind::Throttled),
    ("SlowDown", ErrorKind::Throttled),
    ("PriorRequestNotComplete", ErrorKind::Throttled),
    ("AccessDenied", ErrorKind::Denied),
    ("AccessDeniedException", ErrorKind::Denied),
    ("UnauthorizedOperation", ErrorKind::Denied),
    ("NotAuthorized", ErrorKind::Denied),
    ("OptInRequired", ErrorKind::Denied),
    ("RegionDisabledException", ErrorKind::Denied),
    ("AuthFailure", ErrorKind::Credentials),
    ("ExpiredToken", ErrorKind::Credentials),
    ("ExpiredTokenException", ErrorKind::Credentials),
    ("TokenRefreshRequired", ErrorKind::Credentials),
    ("InvalidClientTokenId", ErrorKind::Credentials),
    ("InvalidAccessKeyId", ErrorKind::Credentials),
    ("UnrecognizedClientException", ErrorKind::Credentials),
    ("SignatureDoesNotMatch", ErrorKind::Credentials),
    ("IncompleteSignature", ErrorKind::Credentials),
    ("InvalidSignatureException", ErrorKind::Credentials),
    ("MissingAuthenticationToken", ErrorKind::Credentials),
    ("RequestExpired", ErrorKind::Credentials),
    ("NoSuchEntity", ErrorKind::Gone),
    ("NoSuchEntityException", ErrorKind::Gone),
    ("ResourceNotFoundException", ErrorKind::Gone),
    ("DeleteConflict", ErrorKind::Conflict),
    ("DeleteConflictException", ErrorKind::Conflict),
    ("ConcurrentModification", ErrorKind::Conflict),
    ("ConcurrentModificationException", ErrorKind::Conflict),
    ("EntityAlreadyExists", ErrorKind::Conflict),
    ("EntityAlreadyExistsException", ErrorKind::Conflict),
    ("LimitExceeded", ErrorKind::LimitExceeded),
    ("LimitExceededException", ErrorKind::LimitExceeded),
    ("EntityTemporarilyUnmodifiable", ErrorKind::Unmodifiable),
    ("EntityTemporarilyUnmodifiableException", ErrorKind::Unmodifiable),
    ("UnmodifiableEntity", ErrorKind::Unmodifiable),
    ("UnmodifiableEntityException", ErrorKind::Unmodifiable),
    ("ServiceFailure", ErrorKind::Service),
    ("TrailNotFoundException", ErrorKind::Gone),
    ("NoSuchBucket", ErrorKind::Gone),
    ("TrailAlreadyExistsException", ErrorKind::Conflict),
    ("ConflictException", ErrorKind::Conflict),
    ("MaximumNumberOfTrailsExceededException", ErrorKind::LimitExceeded),
    ("ServiceQuotaExceededException", ErrorKind::LimitExceeded),
    ("InvalidInstanceID.NotFound", ErrorKind::Gone),
    ("InvalidAssociationID.NotFound", ErrorKind::Gone),
    ("ServiceException", ErrorKind::Service),
    ("ParentNotFoundException", ErrorKind::Gone),
    ("AWSOrganizationsNotInUseException", ErrorKind::Gone),
    ("IncorrectState", ErrorKind::Conflict),
    ("IncorrectInstanceState", ErrorKind::Conflict),
];

impl ErrorKind {
    /// What an answer of AWS with this status and code means.
    pub(super) fn of_answer(status: u16, code: Option<&str>) -> Self {
        let known = code.and_then(|code| CODES.iter().find(|(known, _)| *known == code));
        match known {
            Some((_, kind)) => *kind,
            None if status == 429 => Self::Throttled,
            None if status >= 500 => Self::Service,
            None => Self::Other,
        }
    }

    /// The failure in words.
    fn in_words(self) -> &'static str {
        match self {
            Self::Throttled => "throttled",
            Self::Denied => "access denied",
            Self::Credentials => "no valid credentials",
            Self::Gone => "not found",
            Self::Conflict => "changed by somebody else at the same time",
            Self::LimitExceeded => "a quota is used up",
            Self::Unmodifiable => "cannot be changed now",
            Self::Network => "AWS cannot be reached",
            Self::Timeout => "no answer in time",
            Self::Service => "AWS failed",
            Self::Unusable => "the answer cannot be used",
            Self::Other => "refused",
        }
    }

    /// Whether the failure lies in the service or the way to it, so that the next call is likely to meet it too.
    pub(crate) fn is_outage(self) -> bool {
        match self {
            Self::Throttled | Self::Credentials | Self::Network | Self::Timeout | Self::Service => true,
            Self::Denied
            | Self::Gone
            | Self::Conflict
            | Self::LimitExceeded
            | Self::Unmodifiable
            | Self::Unusable
            | Self::Other => false,
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.in_words())
    }
}

/// A call that failed, or an answer that cannot be used.
#[derive(Debug)]
pub struct AwsError {
    /// The operation as an IAM action, such as `iam:ListAccessKeys`.
    pub operation: &'static str,
    /// In which account; `None`: not known yet.
    pub account: Option<AccountId>,
    /// On which resource; `None`: on the account.
    pub resource: Option<Box<Arn>>,
    /// What kind of failure.
    pub kind: ErrorKind,
    /// The error code that AWS sent.
    pub code: Option<Box<str>>,
    /// The cause in words, scrubbed.
    pub message: Box<str>,
    /// The id by which AWS support finds the request.
    pub request_id: Option<Box<str>>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl AwsError {
    /// An answer that cannot be used, for this reason.
    pub(super) fn unusable(scope: Scope<'_>, why: impl Into<String>) -> Self {
        Self::plain(scope, ErrorKind::Unusable, why)
    }

    /// A failure that iamwarden itself noticed.
    pub(super) fn plain(scope: Scope<'_>, kind: ErrorKind, why: impl Into<String>) -> Self {
        Self {
            operation: scope.operation,
            account: scope.account.cloned(),
            resource: scope.resource.cloned().map(Box::new),
            kind,
            code: None,
            message: scrub(&why.into()).into(),
            request_id: None,
            source: None,
        }
    }

    /// From the SDK's error of a call.
    pub(super) fn from_sdk<E>(scope: Scope<'_>, error: SdkError<E, HttpResponse>) -> Self
    where
        E: Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        if let Some(assuming) = cause_of::<SdkError<AssumeRoleError, HttpResponse>>(&error) {
            let mut refused = describe(
                Scope {
                    operation: operation::ASSUME_ROLE,
                    ..scope
                },
                assuming,
            );
            refused.source = Some(Box::new(error));
            return refused;
        }
        let mut described = describe(scope, &error);
        described.source = Some(Box::new(error));
        described
    }

    /// What to do about it.
    fn advice(&self) -> String {
        match self.kind {
            ErrorKind::Throttled => {
                "others call it in this account too: the next run tries again; schedule runs further apart if it recurs"
                    .to_owned()
            }
            ErrorKind::Denied if self.operation == operation::ASSUME_ROLE => {
                "let the role's trust policy name iamwarden's identity and this external id".to_owned()
            }
            ErrorKind::Denied => format!(
                "allow {} to the identity that iamwarden runs as (`iamwarden permissions` prints all that it needs)",
                self.operation
            ),
            ErrorKind::Credentials => {
                "check the credentials that iamwarden finds by the AWS SDK's own chain, and their expiry".to_owned()
            }
            ErrorKind::Gone => "somebody deleted it meanwhile: nothing to do".to_owned(),
            ErrorKind::Conflict | ErrorKind::Unmodifiable => "the next run looks again".to_owned(),
            ErrorKind::LimitExceeded => "free the quota or have it raised, then run again".to_owned(),
            ErrorKind::Network => "check network, proxy, DNS and AWS_ENDPOINT_URL".to_owned(),
            ErrorKind::Timeout | ErrorKind::Service => {
                "the next run tries again; see the AWS health page if it recurs".to_owned()
            }
            ErrorKind::Unusable => "it counts as not read; the next run tries again".to_owned(),
            ErrorKind::Other => "see the code and message of AWS".to_owned(),
        }
    }
}

impl fmt::Display for AwsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed", self.operation)?;
        if let Some(account) = &self.account {
            write!(f, " in account {account}")?;
        }
        if let Some(resource) = &self.resource {
            write!(f, " for {resource}")?;
        }
        write!(f, ": {}", self.cause())?;
        if let Some(id) = &self.request_id {
            write!(f, " [request {id}]")?;
        }
        write!(f, "; {}", self.advice())
    }
}

impl AwsError {
    /// Kind, code and message in one line, without operation and resource.
    fn cause(&self) -> String {
        let mut text = self.kind.in_words().to_owned();
        match (&self.code, &*self.message) {
            (Some(code), "") => text.push_str(&format!(" ({code})")),
            (Some(code), message) => text.push_str(&format!(" ({code}: {message})")),
            (None, "") => {}
            (None, message) => text.push_str(&format!(" ({message})")),
        }
        text
    }
}

impl Error for AwsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn Error + 'static))
    }
}

impl From<&AwsError> for Gap {
    fn from(error: &AwsError) -> Self {
        let cause = match error.kind {
            ErrorKind::Throttled => GapCause::Throttled,
            ErrorKind::Denied | ErrorKind::Credentials => GapCause::Denied,
            ErrorKind::Unusable | ErrorKind::LimitExceeded => GapCause::Unusable,
            ErrorKind::Gone
            | ErrorKind::Conflict
            | ErrorKind::Unmodifiable
            | ErrorKind::Network
            | ErrorKind::Timeout
            | ErrorKind::Service
            | ErrorKind::Other => GapCause::Failed,
        };
        Self {
            operation: error.operation.to_owned(),
            resource: error.resource.as_deref().cloned(),
            cause,
            detail: error.cause(),
        }
    }
}

/// Of what a call is: goes into its error.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) operation: &'static str,
    pub(super) account: Option<&'a AccountId>,
    pub(super) resource: Option<&'a Arn>,
}

fn describe<E>(scope: Scope<'_>, error: &SdkError<E, HttpResponse>) -> AwsError
where
    E: Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    #[allow(
        clippy::wildcard_enum_match_arm,
        reason = "the SDK's enum may grow; what is new is a plain failure"
    )]
    let (kind, code, message) = match error {
        SdkError::ServiceError(answer) => {
            let meta = answer.err().meta();
            let status = answer.raw().status().as_u16();
            let kind = match status {
                // A success that cannot be read.
                200..300 => ErrorKind::Unusable,
                _ => ErrorKind::of_answer(status, meta.code()),
            };
            let message = meta.message().map_or_else(|| format!("HTTP {status}"), scrub);
            (kind, meta.code().map(scrub), message)
        }
        SdkError::ResponseError(answer) => {
            let status = answer.raw().status().as_u16();
            let kind = match status {
                429 | 500.. => ErrorKind::of_answer(status, None),
                _ => ErrorKind::Unusable,
            };
            (
                kind,
                None,
                format!("HTTP {status}, and a body that is not the expected one"),
            )
        }
        SdkError::TimeoutError(_) => (ErrorKind::Timeout, None, String::new()),
        other => match cause_of::<CredentialsError>(other) {
            Some(CredentialsError::CredentialsNotLoaded(_)) => {
                let nowhere = "none in environment, profile, container or instance";
                (ErrorKind::Credentials, None, nowhere.to_owned())
            }
            Some(credentials) => (ErrorKind::Credentials, None, scrub(&credentials.to_string())),
            None => unreachable_or_odd(other),
        },
    };
    let request_id = error
        .request_id()
        .or_else(|| error.meta().request_id())
        .map(scrub);
    AwsError {
        operation: scope.operation,
        account: scope.account.cloned(),
        resource: scope.resource.cloned().map(Box::new),
        kind,
        code: code.map(Into::into),
        message: message.into(),
        request_id: request_id.map(Into::into),
        source: None,
    }
}

/// A call that never got an answer.
fn unreachable_or_odd<E>(error: &SdkError<E, HttpResponse>) -> (ErrorKind, Option<String>, String)
where
    E: Error + Send + Sync + 'static,
{
    #[allow(
        clippy::wildcard_enum_match_arm,
        reason = "the SDK's enum may grow; what is new is a plain failure"
    )]
    match error {
        SdkError::DispatchFailure(failure) if failure.is_timeout() => {
            (ErrorKind::Timeout, None, "no connection in time".to_owned())
        }
        SdkError::DispatchFailure(_) => {
            let io = cause_of::<std::io::Error>(error).map(in_words);
            (ErrorKind::Network, None, io.unwrap_or_default())
        }
        SdkError::ConstructionFailure(_) => (
            ErrorKind::Other,
            None,
            "the request could not be built".to_owned(),
        ),
        _ => (ErrorKind::Other, None, String::new()),
    }
}

/// The kind of a failure of input or output; where it has none, as names that cannot be looked up, its text.
fn in_words(io: &std::io::Error) -> String {
    match (io.raw_os_error(), io.get_ref()) {
        (None, Some(inner)) => scrub(&inner.to_string()),
        (Some(_), _) | (None, None) => io.kind().to_string(),
    }
}

/// The first error of this type among an error and its sources.
pub(super) fn cause_of<'e, T: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e T> {
    let mut next = Some(error);
    while let Some(current) = next {
        if let Some(found) = current.downcast_ref::<T>() {
            return Some(found);
        }
        next = current.source();
    }
    None
}

/// A text of AWS, fit for logs and reports: one line, not long, and without what could be a secret.
pub(super) fn scrub(text: &str) -> String {
    let mut out = String::new();
    let mut run = String::new();
    let flush = |run: &mut String, out: &mut String| {
        if run.len() >= SECRET_RUN {
            out.push_str("[hidden]");
        } else {
            out.push_str(run);
        }
        run.clear();
    };
    for c in text.chars() {
        if c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=') {
            run.push(c);
        } else {
            flush(&mut run, &mut out);
            out.push(if c.is_control() { ' ' } else { c });
        }
    }
    flush(&mut run, &mut out);
    match out.char_indices().nth(LONGEST_MESSAGE) {
        Some((at, _)) => format!("{}…", out.get(..at).unwrap_or_default()),
        None => out,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scope<'a>(account: &'a AccountId, resource: &'a Arn) -> Scope<'a> {
        Scope {
            operation: operation::LIST_ACCESS_KEYS,
            account: Some(account),
            resource: Some(resource),
        }
    }

    #[test]
    fn says_operation_account_resource_cause_and_what_to_do() {
        let account = AccountId::parse("123456789012").unwrap();
        let resource = Arn::parse("arn:aws:iam::123456789012:user/alice").unwrap();
        let mut error = AwsError::plain(
            scope(&account, &resource),
            ErrorKind::Denied,
            "User: arn:aws:iam::123456789012:user/w is not authorized",
        );
        error.code = Some("AccessDenied".into());
        error.request_id = Some("4f1e".into());
        insta::assert_snapshot!(error, @"iam:ListAccessKeys failed in account 123456789012 for arn:aws:iam::123456789012:user/alice: access denied (AccessDenied: User: arn:aws:iam::123456789012:user/w is not authorized) [request 4f1e]; allow iam:ListAccessKeys to the identity that iamwarden runs as (`iamwarden permissions` prints all that it needs)");
        let gap = Gap::from(&error);
        assert_eq!(gap.cause, GapCause::Denied);
        assert_eq!(gap.resource.as_ref(), Some(&resource));
    }

    #[test]
    fn kinds_come_from_codes_then_from_the_status() {
        for (status, code, kind) in [
            (400, Some("Throttling"), ErrorKind::Throttled),
            (503, Some("ServiceUnavailable"), ErrorKind::Service),
            (500, Some("ServiceFailure"), ErrorKind::Service),
            (429, None, ErrorKind::Throttled),
            (404, Some("NoSuchEntity"), ErrorKind::Gone),
            (404, None, ErrorKind::Other),
            (
                409,
                Some("EntityTemporarilyUnmodifiable"),
                ErrorKind::Unmodifiable,
            ),
            (409, Some("DeleteConflict"), ErrorKind::Conflict),
            (409, Some("ConcurrentModification"), ErrorKind::Conflict),
            (409, Some("LimitExceeded"), ErrorKind::LimitExceeded),
            (400, Some("UnmodifiableEntity"), ErrorKind::Unmodifiable),
            (403, Some("ExpiredToken"), ErrorKind::Credentials),
            (403, Some("AccessDenied"), ErrorKind::Denied),
            (400, Some("ValidationError"), ErrorKind::Other),
        ] {
            assert_eq!(ErrorKind::of_answer(status, code), kind, "{status} {code:?}");
        }
    }

    #[test]
    fn hides_what_could_be_a_secret() {
        let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        assert_eq!(scrub(&format!("key {secret}!\nnext")), "key [hidden]! next");
        let arn = "arn:aws:iam::123456789012:user/alice";
        assert_eq!(scrub(arn), arn);
        assert_eq!(scrub(&"ab ".repeat(400)).chars().count(), LONGEST_MESSAGE + 1);
    }

    proptest! {
        #[test]
        fn no_forty_letter_run_survives(text in "[A-Za-z0-9+/= .\n]{0,300}") {
            let longest = scrub(&text)
                .split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=')))
                .map(str::len)
                .max();
            prop_assert!(longest.unwrap_or(0) < SECRET_RUN);
        }
    }
}
