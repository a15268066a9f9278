//! Credentials of which AWS does not say when they were used.

use std::future::Future;

use aws_sdk_iam::types::StatusType;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::errors::AwsError;
use super::operation;
use super::pages::{PAGE, Page};
use super::reader::Reader;
use crate::inventory::{OtherCredential, OtherCredentialKind};
use crate::model::Arn;

impl Reader {
    /// The user's SSH public keys. `ListSSHPublicKeys`, all pages.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn ssh_public_keys(&self, user: &Arn) -> Result<Vec<OtherCredential>, AwsError> {
        let kind = OtherCredentialKind::SshPublicKey;
        let call = |name: &str, marker| {
            let call = self.iam.list_ssh_public_keys().user_name(name);
            call.set_marker(marker).max_items(PAGE).send()
        };
        self.credentials(operation::LIST_SSH_PUBLIC_KEYS, user, kind, call, |page| {
            let keys = page.ssh_public_keys.into_iter().flatten();
            let keys = keys.map(|key| (key.ssh_public_key_id, key.status));
            (keys.collect(), page.is_truncated, page.marker)
        })
        .await
    }

    /// The user's signing certificates. `ListSigningCertificates`, all pages.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn signing_certificates(&self, user: &Arn) -> Result<Vec<OtherCredential>, AwsError> {
        let kind = OtherCredentialKind::SigningCertificate;
        let call = |name: &str, marker| {
            let call = self.iam.list_signing_certificates().user_name(name);
            call.set_marker(marker).max_items(PAGE).send()
        };
        self.credentials(operation::LIST_SIGNING_CERTIFICATES, user, kind, call, |page| {
            let certificates = page.certificates.into_iter();
            let certificates = certificates.map(|found| (found.certificate_id, found.status));
            (certificates.collect(), page.is_truncated, page.marker)
        })
        .await
    }

    /// The user's service-specific credentials. `ListServiceSpecificCredentials`, all pages.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn service_specific_credentials(&self, user: &Arn) -> Result<Vec<OtherCredential>, AwsError> {
        let operation = operation::LIST_SERVICE_SPECIFIC_CREDENTIALS;
        let kind = OtherCredentialKind::ServiceSpecificCredential;
        let call = |name: &str, marker| {
            let call = self.iam.list_service_specific_credentials().user_name(name);
            call.set_marker(marker).max_items(PAGE).send()
        };
        self.credentials(operation, user, kind, call, |page| {
            let found = page.service_specific_credentials.into_iter().flatten();
            let found = found.map(|found| (found.service_specific_credential_id, found.status));
            (found.collect(), page.is_truncated, page.marker)
        })
        .await
    }

    /// All of one kind. Only what is certainly switched off does not work.
    async fn credentials<P, E, F>(
        &self,
        operation: &'static str,
        user: &Arn,
        kind: OtherCredentialKind,
        call: impl Fn(&str, Option<String>) -> F,
        take: impl Fn(P) -> Page<(String, StatusType)>,
    ) -> Result<Vec<OtherCredential>, AwsError>
    where
        F: Future<Output = Result<P, SdkError<E, HttpResponse>>>,
        E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        let scope = self.scope(operation, Some(user));
        let name = self.user_name(scope, user)?;
        let listed = self.list(scope, |marker| call(name, marker), take).await?;
        let credentials = listed.into_iter().map(|(id, status)| OtherCredential {
            kind,
            id,
            active: !["Inactive", "Expired"].contains(&status.as_str()),
        });
        Ok(credentials.collect())
    }
}
