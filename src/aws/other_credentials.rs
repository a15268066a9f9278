//! Credentials of which AWS does not say when they were used.

use aws_sdk_iam::types::StatusType;

use super::errors::AwsError;
use super::operation;
use super::reader::{PAGE, Pages, Reader, usable};
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
        let mut found = Vec::new();
        let mut pages = Pages::default();
        loop {
            let call = self.iam.list_ssh_public_keys().user_name(name);
            let page = self
                .ask(scope, call.set_marker(pages.marker()).max_items(PAGE).send())
                .await?;
            found.extend(page.ssh_public_keys.unwrap_or_default().into_iter().map(|key| {
                credential(
                    OtherCredentialKind::SshPublicKey,
                    key.ssh_public_key_id,
                    &key.status,
                )
            }));
            if !usable(scope, pages.turn(page.is_truncated, page.marker))? {
                return Ok(found);
            }
        }
    }

    /// The user's signing certificates. `ListSigningCertificates`, all pages.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn signing_certificates(&self, user: &Arn) -> Result<Vec<OtherCredential>, AwsError> {
        let scope = self.scope(operation::LIST_SIGNING_CERTIFICATES, Some(user));
        let name = self.user_name(scope, user)?;
        let mut found = Vec::new();
        let mut pages = Pages::default();
        loop {
            let call = self.iam.list_signing_certificates().user_name(name);
            let page = self
                .ask(scope, call.set_marker(pages.marker()).max_items(PAGE).send())
                .await?;
            found.extend(page.certificates.into_iter().map(|certificate| {
                credential(
                    OtherCredentialKind::SigningCertificate,
                    certificate.certificate_id,
                    &certificate.status,
                )
            }));
            if !usable(scope, pages.turn(page.is_truncated, page.marker))? {
                return Ok(found);
            }
        }
    }

    /// The user's service-specific credentials. `ListServiceSpecificCredentials`, all pages.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn service_specific_credentials(&self, user: &Arn) -> Result<Vec<OtherCredential>, AwsError> {
        let scope = self.scope(operation::LIST_SERVICE_SPECIFIC_CREDENTIALS, Some(user));
        let name = self.user_name(scope, user)?;
        let mut found = Vec::new();
        let mut pages = Pages::default();
        loop {
            let call = self.iam.list_service_specific_credentials().user_name(name);
            let page = self
                .ask(scope, call.set_marker(pages.marker()).max_items(PAGE).send())
                .await?;
            let listed = page.service_specific_credentials.unwrap_or_default();
            found.extend(listed.into_iter().map(|listed| {
                credential(
                    OtherCredentialKind::ServiceSpecificCredential,
                    listed.service_specific_credential_id,
                    &listed.status,
                )
            }));
            if !usable(scope, pages.turn(page.is_truncated, page.marker))? {
                return Ok(found);
            }
        }
    }
}

/// Only what is certainly switched off does not work.
fn credential(kind: OtherCredentialKind, id: String, status: &StatusType) -> OtherCredential {
    let active = !["Inactive", "Expired"].contains(&status.as_str());
    OtherCredential { kind, id, active }
}
