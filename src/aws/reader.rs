//! Everything that iamwarden reads from IAM, as the values of [`crate::inventory`] and [`crate::model`]. What lives in
//! regions is read in [`super::regional`].
//!
//! A method answers whole or fails: all pages, or an error. What is not there any more is [`ErrorKind::Gone`].

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_iam::Client;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use chrono::{DateTime, Utc};
use tokio::time::Instant;

use super::convert::{self, Odd};
use super::errors::{AwsError, ErrorKind, Scope};
use super::operation;
use super::pages::{PAGE, Pages};
use super::regional::Regional;
use super::session::Shared;
use crate::inventory::{AttachedPolicy, Caller, LastUsed, ManagedPolicy};
use crate::model::{
    AccessKeyId, AccountId, Arn, KeyStatus, Partition, PasswordPolicy, PrincipalKind, Region,
};

/// An access key as `ListAccessKeys` describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyDescription {
    /// Its id.
    pub id: AccessKeyId,
    /// Its status.
    pub status: KeyStatus,
    /// When it was made, to the second.
    pub created_at: DateTime<Utc>,
}

/// A user as `GetUser` describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveUser {
    /// Its ARN.
    pub arn: Arn,
    /// Its unique id, which a namesake does not share.
    pub id: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Its permissions boundary.
    pub boundary: Option<Arn>,
    /// When its console password was last used; `None`: never, as far as AWS knows.
    pub password_last_used: Option<DateTime<Utc>>,
}

/// A role as `GetRole` describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveRole {
    /// Its ARN.
    pub arn: Arn,
    /// Its unique id, which a namesake does not share.
    pub id: String,
    /// Who may assume it, URL-decoded, as text.
    pub trust: String,
    /// When it was last used; `None`: not within the tracking period.
    pub last_used_at: Option<DateTime<Utc>>,
}

/// A user, group or role as it is now. Names can be given anew: ARN and date tell it from a namesake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveHolder {
    /// Its ARN, path included.
    pub arn: Arn,
    /// When it was made, to the second.
    pub created_at: DateTime<Utc>,
    /// Who is in the group; `None`: it is no group.
    pub members: Option<Vec<LiveMember>>,
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveMember {
    /// The user.
    pub arn: Arn,
    /// When the user was made, to the second.
    pub created_at: DateTime<Utc>,
}

/// A credential report as AWS made it: see `inventory::report` for what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportFile {
    /// When AWS made it. That it could be fetched does not mean that it is fresh.
    pub generated_at: DateTime<Utc>,
    /// CSV.
    pub content: Vec<u8>,
}

/// Reads IAM in one account.
#[derive(Debug, Clone)]
pub struct Reader {
    pub(super) iam: Client,
    pub(super) regional: Regional,
    pub(super) shared: Arc<Shared>,
}

impl Reader {
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

    /// Its partition.
    pub fn partition(&self) -> &Partition {
        &self.shared.partition
    }

    /// The region of the ambient configuration.
    pub fn region(&self) -> Option<&Region> {
        self.shared.region.as_ref()
    }

    /// Who reads.
    pub fn caller(&self) -> &Caller {
        &self.shared.caller
    }

    /// How often each operation was attempted in this session so far, writes and retries included.
    pub fn api_calls(&self) -> BTreeMap<String, u64> {
        self.shared.counter.counts()
    }

    pub(super) fn scope<'a>(&'a self, operation: &'static str, resource: Option<&'a Arn>) -> Scope<'a> {
        Scope {
            operation,
            account: Some(&self.shared.account),
            resource,
        }
    }

    /// Makes one call within the budget. A call of the SDK has ten thousand bytes: on the heap, everything that waits for
    /// one stays small.
    pub(super) fn ask<T, E>(
        &self,
        scope: Scope<'_>,
        call: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> impl Future<Output = Result<T, AwsError>>
    where
        E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        let call = Box::pin(call);
        async move {
            self.shared.budget.acquire().await;
            call.await.map_err(|error| AwsError::from_sdk(scope, error))
        }
    }

    /// The account's own password policy; `None`: it has none. `GetAccountPasswordPolicy`.
    ///
    /// # Errors
    /// [`AwsError`]; `Unusable` where the answer contradicts itself.
    pub async fn password_policy(&self) -> Result<Option<PasswordPolicy>, AwsError> {
        let scope = self.scope(operation::GET_ACCOUNT_PASSWORD_POLICY, None);
        let answer = match self
            .ask(scope, self.iam.get_account_password_policy().send())
            .await
        {
            Ok(answer) => answer,
            Err(error) if error.kind == ErrorKind::Gone => return Ok(None),
            Err(error) => return Err(error),
        };
        let policy = answer
            .password_policy
            .ok_or_else(|| AwsError::unusable(scope, "the policy is missing"))?;
        usable(scope, convert::password_policy(policy)).map(Some)
    }

    /// The user's access keys, oldest first. `ListAccessKeys`, all pages.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn access_keys(&self, user: &Arn) -> Result<Vec<KeyDescription>, AwsError> {
        let scope = self.scope(operation::LIST_ACCESS_KEYS, Some(user));
        let name = self.user_name(scope, user)?;
        let listed = self
            .list(
                scope,
                |marker| {
                    let call = self.iam.list_access_keys().user_name(name);
                    call.set_marker(marker).max_items(PAGE).send()
                },
                |page| (page.access_key_metadata, page.is_truncated, page.marker),
            )
            .await?;
        let mut keys = Vec::new();
        for key in listed {
            if key
                .user_name()
                .is_some_and(|owner| !owner.eq_ignore_ascii_case(name))
            {
                return Err(AwsError::unusable(scope, "a key of somebody else is listed"));
            }
            keys.push(usable(scope, convert::key(key))?);
        }
        keys.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        Ok(keys)
    }

    /// When this key of this user was last used. `GetAccessKeyLastUsed`.
    ///
    /// # Errors
    /// [`AwsError`]; `Unusable` where AWS says that the key belongs to somebody else. An error is not "never used".
    pub async fn access_key_last_used(&self, user: &Arn, key: &AccessKeyId) -> Result<LastUsed, AwsError> {
        let scope = self.scope(operation::GET_ACCESS_KEY_LAST_USED, Some(user));
        let call = self.iam.get_access_key_last_used().access_key_id(key.as_str());
        let answer = self.ask(scope, call.send()).await?;
        if answer
            .user_name()
            .is_some_and(|owner| !owner.eq_ignore_ascii_case(user.name()))
        {
            return Err(AwsError::unusable(
                scope,
                format!("{key} belongs to somebody else"),
            ));
        }
        let last = answer
            .access_key_last_used
            .ok_or_else(|| AwsError::unusable(scope, "the last use is missing"))?;
        usable(scope, convert::last_used(last))
    }

    /// The serial numbers of the user's MFA devices. `ListMFADevices`, all pages.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn mfa_devices(&self, user: &Arn) -> Result<Vec<String>, AwsError> {
        let scope = self.scope(operation::LIST_MFA_DEVICES, Some(user));
        let name = self.user_name(scope, user)?;
        let devices = self
            .list(
                scope,
                |marker| {
                    let call = self.iam.list_mfa_devices().user_name(name);
                    call.set_marker(marker).max_items(PAGE).send()
                },
                |page| (page.mfa_devices, page.is_truncated, page.marker),
            )
            .await?;
        let mut serials: Vec<_> = devices.into_iter().map(|device| device.serial_number).collect();
        serials.sort();
        Ok(serials)
    }

    /// When the user's console password was first set; `None`: it has none. `GetLoginProfile`.
    ///
    /// # Errors
    /// [`AwsError`]. A user that is gone looks like one without a password.
    pub async fn login_profile(&self, user: &Arn) -> Result<Option<DateTime<Utc>>, AwsError> {
        let scope = self.scope(operation::GET_LOGIN_PROFILE, Some(user));
        let name = self.user_name(scope, user)?;
        let answer = match self
            .ask(scope, self.iam.get_login_profile().user_name(name).send())
            .await
        {
            Ok(answer) => answer,
            Err(error) if error.kind == ErrorKind::Gone => return Ok(None),
            Err(error) => return Err(error),
        };
        let profile = answer
            .login_profile
            .ok_or_else(|| AwsError::unusable(scope, "the login profile is missing"))?;
        usable(
            scope,
            convert::instant(&profile.create_date, "the creation date of the password"),
        )
        .map(Some)
    }

    /// The user itself. `GetUser`.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn user(&self, user: &Arn) -> Result<LiveUser, AwsError> {
        let scope = self.scope(operation::GET_USER, Some(user));
        let name = self.user_name(scope, user)?;
        let answer = self
            .ask(scope, self.iam.get_user().user_name(name).send())
            .await?;
        let found = answer
            .user
            .ok_or_else(|| AwsError::unusable(scope, "the user is missing"))?;
        let found = usable(scope, convert::live_user(found))?;
        if found.arn != *user {
            return Err(AwsError::unusable(
                scope,
                format!("AWS answered for {}", found.arn),
            ));
        }
        Ok(found)
    }

    /// Who has this name now; its ARN may be another. `GetUser`, `GetGroup` (all pages) or `GetRole`.
    ///
    /// # Errors
    /// [`AwsError`]; of kind `Gone` where nobody has the name.
    pub async fn holder(&self, principal: &Arn) -> Result<LiveHolder, AwsError> {
        let kind = principal.principal_kind();
        let operation = match kind {
            Some(PrincipalKind::User) | None => operation::GET_USER,
            Some(PrincipalKind::Group) => operation::GET_GROUP,
            Some(PrincipalKind::Role) => operation::GET_ROLE,
        };
        let scope = self.scope(operation, Some(principal));
        let name = principal.name();
        match kind.filter(|_| !name.is_empty()) {
            Some(PrincipalKind::User) => {
                let call = self.iam.get_user().user_name(name);
                let answer = self.ask(scope, call.send()).await?;
                let user = answer
                    .user
                    .ok_or_else(|| AwsError::unusable(scope, "the user is missing"))?;
                usable(scope, convert::holder(user.arn, &user.create_date))
            }
            Some(PrincipalKind::Group) => self.group(scope, name).await,
            Some(PrincipalKind::Role) => {
                let call = self.iam.get_role().role_name(name);
                let answer = self.ask(scope, call.send()).await?;
                let role = answer
                    .role
                    .ok_or_else(|| AwsError::unusable(scope, "the role is missing"))?;
                usable(scope, convert::holder(role.arn, &role.create_date))
            }
            None => Err(AwsError::unusable(scope, "this is no user, group or role")),
        }
    }

    async fn group(&self, scope: Scope<'_>, name: &str) -> Result<LiveHolder, AwsError> {
        let mut members = Vec::new();
        let mut pages = Pages::default();
        loop {
            let call = self.iam.get_group().group_name(name);
            let page = self
                .ask(scope, call.set_marker(pages.marker()).max_items(PAGE).send())
                .await?;
            for user in page.users {
                let LiveHolder { arn, created_at, .. } =
                    usable(scope, convert::holder(user.arn, &user.create_date))?;
                members.push(LiveMember { arn, created_at });
            }
            if usable(scope, pages.turn(page.is_truncated, page.marker))? {
                continue;
            }
            let group = page
                .group
                .ok_or_else(|| AwsError::unusable(scope, "the group is missing"))?;
            let holder = usable(scope, convert::holder(group.arn, &group.create_date))?;
            return Ok(LiveHolder {
                members: Some(members),
                ..holder
            });
        }
    }

    /// The role itself. `GetRole`.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn role(&self, role: &Arn) -> Result<LiveRole, AwsError> {
        let scope = self.scope(operation::GET_ROLE, Some(role));
        let answer = self
            .ask(scope, self.iam.get_role().role_name(role.name()).send())
            .await?;
        let found = answer
            .role
            .ok_or_else(|| AwsError::unusable(scope, "the role is missing"))?;
        let found = usable(scope, convert::live_role(found))?;
        if found.arn != *role {
            return Err(AwsError::unusable(
                scope,
                format!("AWS answered for {}", found.arn),
            ));
        }
        Ok(found)
    }

    /// The document of an inline policy of a user or role, URL-decoded; `None`: there is no such policy, or no such
    /// principal. `GetUserPolicy`, `GetRolePolicy`.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn inline_policy(
        &self,
        principal: &Arn,
        policy_name: &str,
    ) -> Result<Option<String>, AwsError> {
        let (operation, asked) = match principal.principal_kind() {
            Some(PrincipalKind::Role) => {
                let scope = self.scope(operation::GET_ROLE_POLICY, Some(principal));
                let call = self.iam.get_role_policy().role_name(principal.name());
                let asked = self.ask(scope, call.policy_name(policy_name).send()).await;
                (
                    operation::GET_ROLE_POLICY,
                    asked.map(|answer| answer.policy_document),
                )
            }
            Some(PrincipalKind::User | PrincipalKind::Group) | None => {
                let scope = self.scope(operation::GET_USER_POLICY, Some(principal));
                let name = self.user_name(scope, principal)?;
                let call = self.iam.get_user_policy().user_name(name);
                let asked = self.ask(scope, call.policy_name(policy_name).send()).await;
                (
                    operation::GET_USER_POLICY,
                    asked.map(|answer| answer.policy_document),
                )
            }
        };
        match asked {
            Ok(encoded) => {
                usable(self.scope(operation, Some(principal)), convert::document(encoded)).map(Some)
            }
            Err(error) if error.kind == ErrorKind::Gone => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The managed policies attached to a user, group or role, by ARN. `ListAttached…Policies`, all pages.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn attached_policies(&self, principal: &Arn) -> Result<Vec<AttachedPolicy>, AwsError> {
        let kind = principal.principal_kind();
        let operation = match kind {
            Some(PrincipalKind::User) | None => operation::LIST_ATTACHED_USER_POLICIES,
            Some(PrincipalKind::Group) => operation::LIST_ATTACHED_GROUP_POLICIES,
            Some(PrincipalKind::Role) => operation::LIST_ATTACHED_ROLE_POLICIES,
        };
        let scope = self.scope(operation, Some(principal));
        let kind = kind.ok_or_else(|| AwsError::unusable(scope, "this is no user, group or role"))?;
        let name = principal.name();
        // Three operations that differ in nothing but their names.
        macro_rules! list {
            ($operation:ident, $of:ident) => {
                self.list(
                    scope,
                    |marker| {
                        let call = self.iam.$operation().$of(name);
                        call.set_marker(marker).max_items(PAGE).send()
                    },
                    |page| {
                        let policies = page.attached_policies.unwrap_or_default();
                        (policies, page.is_truncated, page.marker)
                    },
                )
                .await?
            };
        }
        let listed = match kind {
            PrincipalKind::User => list!(list_attached_user_policies, user_name),
            PrincipalKind::Group => list!(list_attached_group_policies, group_name),
            PrincipalKind::Role => list!(list_attached_role_policies, role_name),
        };
        let policies: Result<Vec<_>, _> = listed.into_iter().map(convert::attached_policy).collect();
        let mut policies = usable(scope, policies)?;
        policies.sort();
        Ok(policies)
    }

    /// A managed policy with its default version, the only one read. `GetPolicy`, `GetPolicyVersion`.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn policy(&self, policy: &Arn) -> Result<ManagedPolicy, AwsError> {
        let scope = self.scope(operation::GET_POLICY, Some(policy));
        let answer = self
            .ask(scope, self.iam.get_policy().policy_arn(policy.as_str()).send())
            .await?;
        let found = answer
            .policy
            .ok_or_else(|| AwsError::unusable(scope, "the policy is missing"))?;
        let version = found
            .default_version_id()
            .ok_or_else(|| AwsError::unusable(scope, "the default version is missing"))?;
        let scope = self.scope(operation::GET_POLICY_VERSION, Some(policy));
        let call = self.iam.get_policy_version().policy_arn(policy.as_str());
        let answer = self.ask(scope, call.version_id(version).send()).await?;
        let version = answer
            .policy_version
            .ok_or_else(|| AwsError::unusable(scope, "the version is missing"))?;
        usable(scope, convert::live_policy(found, version))
    }

    /// The name in a user's ARN: without it, AWS would answer for the caller.
    pub(super) fn user_name<'a>(&self, scope: Scope<'_>, user: &'a Arn) -> Result<&'a str, AwsError> {
        match user.principal_kind() {
            Some(PrincipalKind::User) if !user.name().is_empty() => Ok(user.name()),
            Some(PrincipalKind::User | PrincipalKind::Group | PrincipalKind::Role) | None => {
                Err(AwsError::unusable(scope, "this is no user"))
            }
        }
    }
}

pub(super) fn usable<T>(scope: Scope<'_>, converted: Result<T, Odd>) -> Result<T, AwsError> {
    converted.map_err(|Odd(why)| AwsError::unusable(scope, why))
}

/// Pauses between looks at something that AWS is making: growing, and only so long in all.
#[derive(Debug)]
pub(super) struct Polling {
    pause: Duration,
    longest: Duration,
    until: Instant,
}

impl Polling {
    pub(super) fn new(first: Duration, longest: Duration, limit: Duration) -> Self {
        Self {
            pause: first,
            longest,
            until: Instant::now() + limit,
        }
    }

    /// Waits for the next look; `false`: there is no time left for one.
    pub(super) async fn pause(&mut self) -> bool {
        match self.next(Instant::now()) {
            Some(pause) => {
                tokio::time::sleep(pause).await;
                true
            }
            None => false,
        }
    }

    fn next(&mut self, now: Instant) -> Option<Duration> {
        let pause = self.pause;
        self.pause = (pause * 2).min(self.longest);
        (now + pause <= self.until).then_some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::Pace;

    #[test]
    fn polling_slows_down_and_ends() {
        let pace = Pace::default();
        let pauses = |first, limit| {
            let mut polling = Polling::new(first, pace.longest_poll, limit);
            let mut now = polling.until - limit;
            let mut pauses = Vec::new();
            while let Some(pause) = polling.next(now) {
                now += pause;
                pauses.push(pause.as_secs_f32());
            }
            pauses
        };
        let report = [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0, 10.0, 10.0];
        assert_eq!(pauses(pace.first_report_poll, pace.report), report);
        let job = [1.0, 2.0, 4.0, 8.0, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0];
        assert_eq!(pauses(pace.first_job_poll, pace.advisor), job);
    }
}
