//! Credentials of which AWS does not say when they were used.

use aws_sdk_iam::types::StatusType;

use super::errors::AwsError;
use super::operation;
use super::pages::PAGE;
use super::reader::Reader;
use crate::inventory::{OtherCredential, OtherCredentialKind};
use crate::model::Arn;

impl Reader {
    /// The user's SSH public keys. `ListSSHPublicKeys`, all pages.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn ssh_public_keys(&self, user: &Arn) -> Result<Vec<OtherCredential>, AwsError> {
        let scope = self.scope(operation::LIST_SSH_PUBLIC_KEYS, Some(user));
        let name = self.user_name(scope, user)?;
        let listed = self
            .list(
                scope,
                |marker| {
                    let call = self.iam.list_ssh_public_keys().user_name(name);
                    call.set_marker(marker).max_items(PAGE).send()
                },
                |page| {
                    (
                        page.ssh_public_keys.unwrap_or_default(),
                        page.is_truncated,
                        page.marker,
                    )
                },
            )
            .await?;
        let found = listed.into_iter();
        Ok(found
            .map(|found| {
                credential(
                    OtherCredentialKind::SshPublicKey,
                    found.ssh_public_key_id,
                    &found.status,
                )
            })
            .collect())
    }

    /// The user's signing certificates. `ListSigningCertificates`, all pages.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn signing_certificates(&self, user: &Arn) -> Result<Vec<OtherCredential>, AwsError> {
        let scope = self.scope(operation::LIST_SIGNING_CERTIFICATES, Some(user));
        let name = self.user_name(scope, user)?;
        let listed = self
            .list(
                scope,
                |marker| {
                    let call = self.iam.list_signing_certificates().user_name(name);
                    call.set_marker(marker).max_items(PAGE).send()
                },
                |page| (page.certificates, page.is_truncated, page.marker),
            )
            .await?;
        let found = listed.into_iter();
        Ok(found
            .map(|found| {
                credential(
                    OtherCredentialKind::SigningCertificate,
                    found.certificate_id,
                    &found.status,
                )
            })
            .collect())
    }

    /// The user's service-specific credentials. `ListServiceSpecificCredentials`, all pages.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn service_specific_credentials(&self, user: &Arn) -> Result<Vec<OtherCredential>, AwsError> {
        let scope = self.scope(operation::LIST_SERVICE_SPECIFIC_CREDENTIALS, Some(user));
        let name = self.user_name(scope, user)?;
        let listed = self
            .list(
                scope,
                |marker| {
                    let call = self.iam.list_service_specific_credentials().user_name(name);
                    call.set_marker(marker).max_items(PAGE).send()
                },
                |page| {
                    (
                        page.service_specific_credentials.unwrap_or_default(),
                        page.is_truncated,
                        page.marker,
                    )
                },
            )
            .await?;
        let found = listed.into_iter();
        Ok(found
            .map(|found| {
                credential(
                    OtherCredentialKind::ServiceSpecificCredential,
                    found.service_specific_credential_id,
                    &found.status,
                )
            })
            .collect())
    }
}

/// Only what is certainly switched off does not work.
fn credential(kind: OtherCredentialKind, id: String, status: &StatusType) -> OtherCredential {
    let active = !["Inactive", "Expired"].contains(&status.as_str());
    OtherCredential { kind, id, active }
}
