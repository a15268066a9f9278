//! Every change that iamwarden can make to AWS, and nothing else. Those to what lives in regions are sent from
//! [`super::regional`].
//!
//! A [`Writer`] is of no use without an [`Approved`] and a [`Lease`]: both have private fields, and each is minted in one
//! place. A call is sent once. Whether it had effect is known, or it is not, and then [`WriteError::Unknown`] says so.

use std::error::Error;
use std::sync::Arc;

use aws_sdk_iam::Client;
use aws_sdk_iam::types::StatusType;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::errors::{AwsError, Scope, cause_of};
use super::meter::Departure;
use super::regional::{Home, Regional};
use super::request::{Holder, PasswordNumbers, Request, RequestError};
use super::session::Shared;
use crate::model::{AccountId, Arn, InlinePolicyText, PrincipalKind};
use crate::plan::Approved;
use crate::state::Lease;

/// Why a change was not made, or not known to be made.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// There is no call that may be made. Nothing was sent.
    #[error(transparent)]
    Invalid(#[from] RequestError),
    /// No request reached AWS: certainly no effect.
    #[error("nothing was changed: the request never reached AWS")]
    NotSent(#[source] Box<AwsError>),
    /// AWS refused: certainly no effect.
    #[error("nothing was changed: AWS refused the request")]
    Refused(#[source] Box<AwsError>),
    /// The request was sent and no clear answer came: AWS has to be read to know.
    #[error("the request was sent, but its outcome is not known: AWS has to be read again")]
    Unknown(#[source] Box<AwsError>),
}

impl WriteError {
    /// Whether the change may have been made all the same.
    pub fn may_have_had_effect(&self) -> bool {
        match self {
            Self::Invalid(_) | Self::NotSent(_) | Self::Refused(_) => false,
            Self::Unknown(_) => true,
        }
    }

    /// The error of the call, where one was tried.
    pub fn aws(&self) -> Option<&AwsError> {
        match self {
            Self::Invalid(_) => None,
            Self::NotSent(error) | Self::Refused(error) | Self::Unknown(error) => Some(error),
        }
    }
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    NotSent,
    Refused,
    Unknown,
}

/// Writes to IAM in one account.
#[derive(Debug, Clone)]
pub struct Writer {
    iam: Client,
    pub(super) regional: Regional,
    pub(super) shared: Arc<Shared>,
}

impl Writer {
    pub(super) fn new(iam: Client, regional: Regional, shared: Arc<Shared>) -> Self {
        Self {
            iam,
            regional,
            shared,
        }
    }

    /// The account.
    pub fn account(&self) -> &AccountId {
        &self.shared.account
    }

    /// Waits until the account's budget has room for a call.
    pub async fn turn(&self) -> CallTurn {
        self.shared.budget.acquire().await;
        CallTurn(())
    }

    /// Does what was approved, by one call.
    ///
    /// # Errors
    /// [`WriteError`], which tells apart what certainly had no effect from what may have had one.
    pub async fn perform(
        &self,
        approved: &Approved,
        lease: &Lease,
        CallTurn(()): CallTurn,
    ) -> Result<(), WriteError> {
        for (what, account) in [("consent", approved.account()), ("lease", lease.account())] {
            if account != self.account() {
                return Err(WriteError::Invalid(RequestError::WrongAccount {
                    what,
                    found: account.to_string(),
                    session: self.account().clone(),
                }));
            }
        }
        let request = Request::of(approved.operation(), approved.resource(), self.home())?;
        if !lease.is_safe() {
            return Err(WriteError::Invalid(RequestError::LeaseEnding {
                account: self.account().clone(),
            }));
        }
        self.send(request, approved.resource()).await
    }

    fn home(&self) -> Home<'_> {
        Home {
            account: &self.shared.account,
            partition: &self.shared.partition,
        }
    }

    async fn send(&self, request: Request, resource: &Arn) -> Result<(), WriteError> {
        let departure = Departure::default();
        let sent = Sent {
            scope: Scope {
                operation: request.operation(),
                account: Some(&self.shared.account),
                resource: Some(resource),
            },
            departure: &departure,
        };
        let iam = &self.iam;
        match request {
            Request::SetKeyStatus { user, key, active } => {
                let status = if active {
                    StatusType::Active
                } else {
                    StatusType::Inactive
                };
                let call = iam.update_access_key().user_name(user);
                let call = call.access_key_id(key.as_str()).status(status).customize();
                sent.outcome(call.interceptor(departure.clone()).send()).await
            }
            Request::DeleteKey { user, key } => {
                let call = iam
                    .delete_access_key()
                    .user_name(user)
                    .access_key_id(key.as_str());
                sent.outcome(call.customize().interceptor(departure.clone()).send())
                    .await
            }
            Request::WritePasswordPolicy(numbers) => {
                self.write_password_policy(numbers, &sent, departure.clone())
                    .await
            }
            Request::DeletePasswordPolicy => {
                let call = iam.delete_account_password_policy();
                sent.outcome(call.customize().interceptor(departure.clone()).send())
                    .await
            }
            Request::Detach { kind, name, policy } => {
                self.detach(kind, name, &policy, &sent, departure.clone()).await
            }
            Request::Attach { kind, name, policy } => {
                self.attach(kind, name, &policy, &sent, departure.clone()).await
            }
            Request::PutInlinePolicy { holder, policy } => {
                self.put_inline_policy(holder, policy, &sent, departure.clone())
                    .await
            }
            Request::DeleteInlinePolicy { holder, policy_name } => {
                self.delete_inline_policy(holder, policy_name, &sent, departure.clone())
                    .await
            }
            Request::DeletePassword { user } => {
                let call = iam.delete_login_profile().user_name(user);
                sent.outcome(call.customize().interceptor(departure.clone()).send())
                    .await
            }
            Request::Regional(request) => self.send_regional(request, &sent, departure.clone()).await,
        }
    }

    async fn write_password_policy(
        &self,
        numbers: PasswordNumbers,
        sent: &Sent<'_>,
        departure: Departure,
    ) -> Result<(), WriteError> {
        let policy = numbers.policy;
        let call = self
            .iam
            .update_account_password_policy()
            .minimum_password_length(numbers.minimum_length)
            .require_uppercase_characters(policy.require_uppercase)
            .require_lowercase_characters(policy.require_lowercase)
            .require_numbers(policy.require_numbers)
            .require_symbols(policy.require_symbols)
            .allow_users_to_change_password(policy.allow_users_to_change)
            .set_max_password_age(numbers.max_age)
            .set_password_reuse_prevention(numbers.reuse_prevention)
            .hard_expiry(policy.hard_expiry);
        sent.outcome(call.customize().interceptor(departure).send()).await
    }

    async fn put_inline_policy(
        &self,
        holder: Holder,
        policy: InlinePolicyText,
        sent: &Sent<'_>,
        departure: Departure,
    ) -> Result<(), WriteError> {
        let InlinePolicyText {
            policy_name,
            document,
        } = policy;
        match holder {
            Holder::User(name) => {
                let call = self.iam.put_user_policy().user_name(name);
                let call = call.policy_name(policy_name).policy_document(document);
                sent.outcome(call.customize().interceptor(departure).send()).await
            }
            Holder::Role(name) => {
                let call = self.iam.put_role_policy().role_name(name);
                let call = call.policy_name(policy_name).policy_document(document);
                sent.outcome(call.customize().interceptor(departure).send()).await
            }
        }
    }

    async fn delete_inline_policy(
        &self,
        holder: Holder,
        policy_name: String,
        sent: &Sent<'_>,
        departure: Departure,
    ) -> Result<(), WriteError> {
        match holder {
            Holder::User(name) => {
                let call = self
                    .iam
                    .delete_user_policy()
                    .user_name(name)
                    .policy_name(policy_name);
                sent.outcome(call.customize().interceptor(departure).send()).await
            }
            Holder::Role(name) => {
                let call = self
                    .iam
                    .delete_role_policy()
                    .role_name(name)
                    .policy_name(policy_name);
                sent.outcome(call.customize().interceptor(departure).send()).await
            }
        }
    }

    async fn detach(
        &self,
        kind: PrincipalKind,
        name: String,
        policy: &Arn,
        sent: &Sent<'_>,
        departure: Departure,
    ) -> Result<(), WriteError> {
        let policy = policy.as_str();
        match kind {
            PrincipalKind::User => {
                let call = self.iam.detach_user_policy().user_name(name).policy_arn(policy);
                sent.outcome(call.customize().interceptor(departure).send()).await
            }
            PrincipalKind::Group => {
                let call = self.iam.detach_group_policy().group_name(name).policy_arn(policy);
                sent.outcome(call.customize().interceptor(departure).send()).await
            }
            PrincipalKind::Role => {
                let call = self.iam.detach_role_policy().role_name(name).policy_arn(policy);
                sent.outcome(call.customize().interceptor(departure).send()).await
            }
        }
    }

    async fn attach(
        &self,
        kind: PrincipalKind,
        name: String,
        policy: &Arn,
        sent: &Sent<'_>,
        departure: Departure,
    ) -> Result<(), WriteError> {
        let policy = policy.as_str();
        match kind {
            PrincipalKind::User => {
                let call = self.iam.attach_user_policy().user_name(name).policy_arn(policy);
                sent.outcome(call.customize().interceptor(departure).send()).await
            }
            PrincipalKind::Group => {
                let call = self.iam.attach_group_policy().group_name(name).policy_arn(policy);
                sent.outcome(call.customize().interceptor(departure).send()).await
            }
            PrincipalKind::Role => {
                let call = self.iam.attach_role_policy().role_name(name).policy_arn(policy);
                sent.outcome(call.customize().interceptor(departure).send()).await
            }
        }
    }
}

/// Room for one call in the account's budget. It is waited for before consent is asked for the last time: throttling may
/// take minutes, and a freeze that comes meanwhile has to be heard.
#[derive(Debug)]
pub struct CallTurn(());

/// A request on its way, to tell what became of it.
#[derive(Debug)]
pub(super) struct Sent<'a> {
    pub(super) scope: Scope<'a>,
    departure: &'a Departure,
}

impl Sent<'_> {
    /// The same of another operation.
    pub(super) fn of(&self, operation: &'static str) -> Self {
        Self {
            scope: Scope {
                operation,
                ..self.scope
            },
            departure: self.departure,
        }
    }

    /// The operation, as an IAM action.
    pub(super) fn operation(&self) -> &'static str {
        self.scope.operation
    }

    /// Sends it, on the heap for its size.
    pub(super) fn outcome<T, E>(
        &self,
        call: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> impl Future<Output = Result<(), WriteError>>
    where
        E: Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        let call = Box::pin(call);
        async move { call.await.map(drop).map_err(|error| self.failure(error)) }
    }

    fn failure<E>(&self, error: SdkError<E, HttpResponse>) -> WriteError
    where
        E: Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        let fate = fate_of(&error, self.departure.happened());
        let error = Box::new(AwsError::from_sdk(self.scope, error));
        match fate {
            Fate::NotSent => WriteError::NotSent(error),
            Fate::Refused => WriteError::Refused(error),
            Fate::Unknown => WriteError::Unknown(error),
        }
    }
}

/// Whether the request can have had effect. Only what is certain counts as none.
fn fate_of<E>(error: &SdkError<E, HttpResponse>, departed: bool) -> Fate
where
    E: Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    if !departed {
        return Fate::NotSent;
    }
    #[allow(
        clippy::wildcard_enum_match_arm,
        reason = "the SDK's enum may grow; what is new may have had effect"
    )]
    match error {
        SdkError::ServiceError(answer) => {
            let status = answer.raw().status().as_u16();
            // 408: AWS gave up waiting for the request. No code: not an answer of IAM.
            let refused =
                (400..500).contains(&status) && status != 408 && answer.err().meta().code().is_some();
            if refused { Fate::Refused } else { Fate::Unknown }
        }
        SdkError::DispatchFailure(_) => {
            let io = cause_of::<std::io::Error>(error).map(std::io::Error::kind);
            if io.is_some_and(never_connected) {
                Fate::NotSent
            } else {
                Fate::Unknown
            }
        }
        _ => Fate::Unknown,
    }
}

/// Failures that only happen before there is a connection.
fn never_connected(kind: std::io::ErrorKind) -> bool {
    use std::io::ErrorKind;
    [
        ErrorKind::ConnectionRefused,
        ErrorKind::HostUnreachable,
        ErrorKind::NetworkUnreachable,
        ErrorKind::AddrNotAvailable,
    ]
    .contains(&kind)
}

#[cfg(test)]
mod tests {
    use aws_sdk_iam::operation::update_access_key::UpdateAccessKeyError;
    use aws_smithy_runtime_api::client::result::ConnectorError;
    use aws_smithy_runtime_api::http::StatusCode;
    use aws_smithy_types::body::SdkBody;
    use aws_smithy_types::error::ErrorMetadata;

    use super::*;

    fn answer(status: u16, code: Option<&str>) -> SdkError<UpdateAccessKeyError, HttpResponse> {
        let mut meta = ErrorMetadata::builder();
        if let Some(code) = code {
            meta = meta.code(code);
        }
        let raw = HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::empty());
        SdkError::service_error(UpdateAccessKeyError::generic(meta.build()), raw)
    }

    fn io(kind: std::io::ErrorKind) -> SdkError<UpdateAccessKeyError, HttpResponse> {
        SdkError::dispatch_failure(ConnectorError::io(Box::new(std::io::Error::from(kind))))
    }

    #[test]
    fn only_what_is_certain_counts_as_no_effect() {
        use std::io::ErrorKind;
        let unreadable = SdkError::response_error(
            "not XML",
            HttpResponse::new(StatusCode::try_from(200).unwrap(), SdkBody::empty()),
        );
        for (error, fate) in [
            (answer(403, Some("AccessDenied")), Fate::Refused),
            (answer(400, Some("Throttling")), Fate::Refused),
            (answer(404, Some("NoSuchEntity")), Fate::Refused),
            (answer(403, None), Fate::Unknown),
            (answer(408, Some("RequestTimeout")), Fate::Unknown),
            (answer(500, Some("ServiceFailure")), Fate::Unknown),
            (answer(503, Some("ServiceUnavailable")), Fate::Unknown),
            (io(ErrorKind::ConnectionRefused), Fate::NotSent),
            (io(ErrorKind::ConnectionReset), Fate::Unknown),
            (io(ErrorKind::UnexpectedEof), Fate::Unknown),
            (SdkError::timeout_error("10 s"), Fate::Unknown),
            (unreadable, Fate::Unknown),
        ] {
            assert_eq!(fate_of(&error, true), fate, "{error:?}");
            assert_eq!(fate_of(&error, false), Fate::NotSent, "{error:?}");
        }
    }
}
