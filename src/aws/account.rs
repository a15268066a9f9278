//! What IAM says of the account as a whole: its root user, its virtual MFA devices, and its instance profiles.

use std::collections::HashMap;

use aws_sdk_iam::types::{
    AssignmentStatusType, InstanceProfile as DescribedProfile, SummaryKeyType, VirtualMfaDevice as Described,
};

use super::convert::{self, Odd};
use super::errors::AwsError;
use super::operation;
use super::pages::PAGE;
use super::reader::{Reader, usable};
use crate::inventory::{InstanceProfile, RootSummary, VirtualMfaDevice};
use crate::model::Arn;

impl Reader {
    /// What the root user can sign in with. `GetAccountSummary`.
    ///
    /// # Errors
    /// [`AwsError`]; `Unusable` where the summary does not speak of MFA and access keys.
    pub async fn root_summary(&self) -> Result<RootSummary, AwsError> {
        let scope = self.scope(operation::GET_ACCOUNT_SUMMARY, None);
        let answer = self.ask(scope, self.iam.get_account_summary().send()).await?;
        let summary = answer
            .summary_map
            .ok_or_else(|| AwsError::unusable(scope, "the summary is missing"))?;
        usable(scope, root_of(&summary))
    }

    /// The virtual MFA devices of the account, assigned or not, by serial number. `ListVirtualMFADevices`, all pages.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn virtual_mfa_devices(&self) -> Result<Vec<VirtualMfaDevice>, AwsError> {
        let scope = self.scope(operation::LIST_VIRTUAL_MFA_DEVICES, None);
        let listed = self
            .list(
                scope,
                |marker| {
                    let call = self.iam.list_virtual_mfa_devices();
                    let call = call.assignment_status(AssignmentStatusType::Any);
                    call.set_marker(marker).max_items(PAGE).send()
                },
                |page| (page.virtual_mfa_devices, page.is_truncated, page.marker),
            )
            .await?;
        let devices: Result<Vec<_>, _> = listed.into_iter().map(device_of).collect();
        let mut devices = usable(scope, devices)?;
        devices.sort();
        Ok(devices)
    }

    /// The instance profiles of the account, by ARN. `ListInstanceProfiles`, all pages.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn instance_profiles(&self) -> Result<Vec<InstanceProfile>, AwsError> {
        let scope = self.scope(operation::LIST_INSTANCE_PROFILES, None);
        let listed = self
            .list(
                scope,
                |marker| {
                    let call = self.iam.list_instance_profiles();
                    call.set_marker(marker).max_items(PAGE).send()
                },
                |page| (page.instance_profiles, page.is_truncated, page.marker),
            )
            .await?;
        let profiles: Result<Vec<_>, _> = listed.into_iter().map(profile_of).collect();
        let mut profiles = usable(scope, profiles)?;
        profiles.sort();
        Ok(profiles)
    }

    /// The instance profile of that name, as it is now; its ARN may be another. `GetInstanceProfile`.
    ///
    /// # Errors
    /// [`AwsError`]; of kind `Gone` where there is none of that name.
    pub async fn instance_profile(&self, profile: &Arn) -> Result<InstanceProfile, AwsError> {
        let scope = self.scope(operation::GET_INSTANCE_PROFILE, Some(profile));
        let call = self
            .iam
            .get_instance_profile()
            .instance_profile_name(profile.name());
        let answer = self.ask(scope, call.send()).await?;
        let found = answer
            .instance_profile
            .ok_or_else(|| AwsError::unusable(scope, "the instance profile is missing"))?;
        usable(scope, profile_of(found))
    }
}

fn root_of(summary: &HashMap<SummaryKeyType, i32>) -> Result<RootSummary, Odd> {
    let told = |key: &SummaryKeyType| summary.get(key).map(|number| *number > 0);
    let needed =
        |key: SummaryKeyType| told(&key).ok_or_else(|| Odd(format!("the summary has no `{}`", key.as_str())));
    Ok(RootSummary {
        mfa: needed(SummaryKeyType::AccountMfaEnabled)?,
        access_keys: needed(SummaryKeyType::AccountAccessKeysPresent)?,
        password: told(&SummaryKeyType::AccountPasswordPresent),
        signing_certificates: told(&SummaryKeyType::AccountSigningCertificatesPresent),
    })
}

/// A profile holds one role at most.
fn profile_of(profile: DescribedProfile) -> Result<InstanceProfile, Odd> {
    let mut roles = profile.roles.into_iter();
    let role = roles
        .next()
        .map(|role| convert::arn(Some(role.arn), "the ARN of a profile's role"))
        .transpose()?;
    if roles.next().is_some() {
        return Err(Odd(format!("`{}` holds more than one role", profile.arn)));
    }
    Ok(InstanceProfile {
        arn: convert::arn(Some(profile.arn), "the ARN of an instance profile")?,
        id: profile.instance_profile_id,
        role,
    })
}

/// Of the root user, AWS sends neither name nor path, but its ARN.
fn device_of(device: Described) -> Result<VirtualMfaDevice, Odd> {
    let holder = match device.user {
        None => None,
        Some(user) => Some(convert::arn(Some(user.arn), "the ARN of a device's user")?),
    };
    if holder.is_none() && device.enable_date.is_some() {
        return Err(Odd(format!(
            "{} is enabled, but nobody has it",
            device.serial_number
        )));
    }
    Ok(VirtualMfaDevice {
        serial_number: device.serial_number,
        holder,
    })
}
