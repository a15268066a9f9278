//! Collects a [`Snapshot`] from AWS: as little as the rules need, in as few calls as AWS allows.
//!
//! Users, groups, roles and policies come in a few pages; keys and passwords from the credential report, with a live look
//! at those users only that have a key near a limit; how users sign in, and the root user, see [`sign_in`]. Without a
//! usable report, every user is looked at live. Whatever fails is a [`Gap`] of its own and stops nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::StreamExt;
use futures_util::future::OptionFuture;
use futures_util::stream;

use super::idle::{Idle, IdleNeeds};
use super::keys::{self, KeyNeeds, Place, SeenKey};
use super::regional::{self, RegionalNeeds};
use super::sign_in::{self, LoginProfile, SignInOf};
use super::{
    AccessKey, Authorization, ConsolePassword, CredentialReport, Credentials, Gap, GapCause, Granularity,
    Reading, ReportRow, RootUser, ServiceLastAccessed, Snapshot, User,
};
use crate::aws::{AwsError, ErrorKind, Reader, operation};
use crate::model::{Arn, PasswordPolicy};

/// AWS makes a report every four hours at most; one that is older than this was not made when it should have been.
const OLDEST_REPORT: TimeDelta = TimeDelta::minutes(4 * 60 + 30);
/// How far clocks may differ.
const CLOCK_SLACK: TimeDelta = TimeDelta::minutes(5);
/// A user made so long before the report may be missing in it, because making it takes time.
const REPORT_TAKES: TimeDelta = TimeDelta::hours(1);
/// How many users are looked at live at a time.
const USERS_AT_A_TIME: usize = 8;
/// How many Access Advisor jobs run at a time.
const JOBS_AT_A_TIME: usize = 4;
/// After so many failures in a row that lie in the service, the rest is not tried.
const HOPELESS: usize = 16;

/// Chooses whose use of services is read, and how finely.
pub type PrincipalChoice<'a> = &'a (dyn Fn(&Authorization) -> BTreeMap<Arn, Granularity> + Send + Sync);

/// What the rules have to know of an account. What nobody needs is not read.
#[derive(Clone, Copy, Default)]
pub struct Needs<'a> {
    /// Managed policies, with their documents.
    pub policies: bool,
    /// Access keys.
    pub keys: Option<&'a KeyNeeds>,
    /// The ages of console passwords.
    pub passwords: bool,
    /// The account password policy.
    pub password_policy: bool,
    /// Access Advisor, of the principals that the function chooses once the account is known.
    pub last_accessed: Option<PrincipalChoice<'a>>,
    /// What lives in regions.
    pub regional: Option<&'a RegionalNeeds>,
    /// How users sign in to the console, and with which MFA devices.
    pub sign_in: Option<SignInOf>,
    /// The root user.
    pub root: bool,
    /// Virtual MFA devices, assigned or not.
    pub virtual_mfa_devices: bool,
    /// Passwords that rest, and what else users have who rest.
    pub idle: Option<IdleNeeds>,
}

impl std::fmt::Debug for Needs<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Needs")
            .field("policies", &self.policies)
            .field("keys", &self.keys)
            .field("passwords", &self.passwords)
            .field("password_policy", &self.password_policy)
            .field("last_accessed", &self.last_accessed.is_some())
            .field("regional", &self.regional)
            .field("sign_in", &self.sign_in)
            .field("root", &self.root)
            .field("virtual_mfa_devices", &self.virtual_mfa_devices)
            .field("idle", &self.idle)
            .finish()
    }
}

/// Collects what the rules need of the account that the reader is in.
pub async fn collect(reader: &Reader, needs: &Needs<'_>, name: &str, now: DateTime<Utc>) -> Snapshot {
    let mut gaps = BTreeSet::new();
    let mut regional_gaps = BTreeSet::new();
    let credentials = needs.keys.is_some() || needs.passwords;
    let of_users = credentials || needs.sign_in.is_some() || needs.idle.is_some();
    let report_needed = of_users || needs.root;
    let (authorization, report, password_policy, mut regions, root_summary, virtual_mfa_devices) = tokio::join!(
        reader.authorization(needs.policies),
        OptionFuture::from(report_needed.then(|| fetch_report(reader, now))),
        OptionFuture::from(needs.password_policy.then(|| reader.password_policy())),
        OptionFuture::from(
            needs
                .regional
                .map(|needs| regional::collect(reader, needs, &mut regional_gaps))
        ),
        OptionFuture::from(needs.root.then(|| reader.root_summary())),
        OptionFuture::from(needs.virtual_mfa_devices.then(|| reader.virtual_mfa_devices())),
    );
    gaps.append(&mut regional_gaps);
    let password_policy = password_policy.map(|read| reading::<Option<PasswordPolicy>>(read, &mut gaps));
    let virtual_mfa_devices = virtual_mfa_devices.map(|read| reading(read, &mut gaps));
    let report = report.as_ref().map(Result::as_ref);
    let root = root_summary.zip(report).map(|(summary, report)| {
        let root = Arn::iam(reader.partition(), reader.account(), "root");
        let user = RootUser {
            summary: reading(summary, &mut gaps),
            report: sign_in::root(report, &root),
        };
        gaps.extend(user.report.gap().cloned());
        user
    });
    let mut last_accessed = BTreeMap::new();
    let authorization = match authorization {
        Ok(mut authorization) => {
            if let Some(report) = report.filter(|_| of_users) {
                let look = Look {
                    reader,
                    credentials,
                    needs: needs.keys,
                    passwords: needs.passwords,
                    sign_in: needs.sign_in,
                    idle: needs.idle,
                    now,
                    report,
                    outage: Outage::default(),
                };
                look.at_all(&mut authorization.users, &mut gaps).await;
            }
            if let Some(choose) = needs.last_accessed {
                let principals = choose(&authorization);
                if let Some(regions) = &mut regions {
                    let principals = principals.keys().cloned().collect();
                    regional::read_unused_services(reader, regions, &principals).await;
                }
                last_accessed = read_last_accessed(reader, principals, &mut authorization, &mut gaps).await;
            }
            Reading::Known(authorization)
        }
        Err(error) => reading(Err(error), &mut gaps),
    };
    Snapshot {
        schema: Snapshot::SCHEMA.to_owned(),
        taken_at: now,
        account: reader.account().clone(),
        name: name.to_owned(),
        partition: reader.partition().clone(),
        caller: reader.caller().clone(),
        authorization,
        password_policy,
        root,
        virtual_mfa_devices,
        last_accessed,
        credential_report_at: report.and_then(Result::ok).map(|report| report.generated_at),
        regions: regions.unwrap_or_default(),
        gaps: gaps.into_iter().collect(),
        api_calls: reader.api_calls(),
    }
}

fn reading<T>(read: Result<T, AwsError>, gaps: &mut BTreeSet<Gap>) -> Reading<T> {
    match read {
        Ok(value) => Reading::Known(value),
        Err(error) => {
            let gap = Gap::from(&error);
            gaps.insert(gap.clone());
            Reading::Unknown(gap)
        }
    }
}

/// A report that can be used.
pub(super) struct Report {
    generated_at: DateTime<Utc>,
    pub(super) rows: CredentialReport,
}

/// The report, or why there is none that can be used.
async fn fetch_report(reader: &Reader, now: DateTime<Utc>) -> Result<Report, Gap> {
    let read = match reader.credential_report().await {
        Ok(file) => usable_report(file.generated_at, &file.content, now),
        Err(error) => Err(Gap::from(&error)),
    };
    if let Err(gap) = &read {
        tracing::warn!(
            account = %reader.account(),
            operation = %gap.operation,
            cause = %gap.detail,
            "no usable credential report: every user is looked at, one by one"
        );
    }
    read
}

fn usable_report(generated_at: DateTime<Utc>, content: &[u8], now: DateTime<Utc>) -> Result<Report, Gap> {
    let unusable = |detail: String| Gap {
        operation: operation::GET_CREDENTIAL_REPORT.to_owned(),
        resource: None,
        cause: GapCause::Unusable,
        detail,
    };
    let age = now - generated_at;
    if age > OLDEST_REPORT {
        return Err(unusable(format!(
            "the report is too old: it was made at {generated_at}"
        )));
    }
    if age < -CLOCK_SLACK {
        return Err(unusable(format!(
            "the report is from the future: it was made at {generated_at}"
        )));
    }
    match CredentialReport::parse(content, now + CLOCK_SLACK) {
        Ok(rows) => Ok(Report { generated_at, rows }),
        Err(error) => Err(unusable(error.to_string())),
    }
}

/// Looks at the credentials of users.
pub(super) struct Look<'a> {
    pub(super) reader: &'a Reader,
    /// Whether keys or passwords are asked for at all.
    credentials: bool,
    needs: Option<&'a KeyNeeds>,
    passwords: bool,
    sign_in: Option<SignInOf>,
    idle: Option<IdleNeeds>,
    pub(super) now: DateTime<Utc>,
    pub(super) report: Result<&'a Report, &'a Gap>,
    pub(super) outage: Outage,
}

/// What was found out about a user.
enum Found {
    /// This, and what is missing in it.
    Here(Reading<Credentials>, Vec<Gap>),
    /// The user is not there any more.
    Gone,
}

impl From<Gap> for Found {
    fn from(gap: Gap) -> Self {
        Self::Here(Reading::Unknown(gap.clone()), vec![gap])
    }
}

impl Look<'_> {
    /// Fills in what was asked for, user by user in place; those that are not there any more are left out.
    async fn at_all(&self, users: &mut Vec<User>, gaps: &mut BTreeSet<Gap>) {
        let looks = stream::iter(users.iter_mut().enumerate())
            .map(|(place, user)| async move { (place, self.at_one(user).await) });
        let mut gone = BTreeSet::new();
        let mut looks = looks.buffer_unordered(USERS_AT_A_TIME);
        while let Some((place, missing)) = looks.next().await {
            match missing {
                Some(missing) => gaps.extend(missing),
                None => {
                    gone.insert(place);
                }
            }
        }
        drop(looks);
        let mut places = 0..;
        users.retain(|_| places.next().is_none_or(|place| !gone.contains(&place)));
    }

    /// What is missing in what was found out about the user; `None`: it is not there any more.
    async fn at_one(&self, user: &mut User) -> Option<Vec<Gap>> {
        let asked = LoginProfile::default();
        let mut missing = Vec::new();
        if self.credentials {
            match self.at(user, &asked).await {
                Found::Here(credentials, gaps) => {
                    user.credentials = Some(credentials);
                    missing.extend(gaps);
                }
                Found::Gone => return None,
            }
        }
        if let Some(of) = self.sign_in {
            let found = self.sign_in(user, of, &asked).await?;
            missing.extend(found.gap().cloned());
            user.sign_in = Some(found);
        }
        if let Some(needs) = self.idle {
            let Idle { password, others } = self.idle(user, needs, &asked).await?;
            missing.extend(password.gap().cloned());
            missing.extend(others.iter().filter_map(Reading::gap).cloned());
            user.password_use = Some(password);
            user.other_credentials = others;
        }
        Some(missing)
    }

    async fn at(&self, user: &User, asked: &LoginProfile) -> Found {
        let place = match self.report {
            Ok(report) => keys::place(user, &report.rows, self.needs, self.now),
            Err(_) => Place::Live(None),
        };
        let (row, keys) = match place {
            Place::Unclear(gap) => return gap.into(),
            Place::Report(row) => {
                return Found::Here(Reading::Known(keys::from_row(&user.arn, row)), Vec::new());
            }
            Place::Nowhere => (None, Vec::new()),
            Place::Live(row) => match self.live_keys(user).await {
                Ok(keys) => (row, keys),
                Err(Some(gap)) => return gap.into(),
                Err(None) => return Found::Gone,
            },
        };
        let mut gaps = Vec::new();
        let mut access_keys = Vec::new();
        for seen in keys::join(keys, row) {
            match self.with_last_use(user, seen, &mut gaps).await {
                Some(key) => access_keys.push(key),
                // Deleted a moment ago.
                None => continue,
            }
        }
        let password = self.password(user, row, asked, &mut gaps).await;
        Found::Here(
            Reading::Known(Credentials {
                access_keys,
                password,
            }),
            gaps,
        )
    }

    /// The user's keys; `None` in place of a gap: the user is gone.
    async fn live_keys(&self, user: &User) -> Result<Vec<crate::aws::KeyDescription>, Option<Gap>> {
        self.outage.bars(&user.arn).map_or(Ok(()), |gap| Err(Some(gap)))?;
        match self.outage.note(self.reader.access_keys(&user.arn).await) {
            Ok(keys) => Ok(keys),
            Err(error) if error.kind == ErrorKind::Gone => Err(None),
            Err(error) => Err(Some(Gap::from(&error))),
        }
    }

    /// The key with its last use: from the report, else live where it matters. `None`: the key is gone.
    async fn with_last_use(&self, user: &User, seen: SeenKey, gaps: &mut Vec<Gap>) -> Option<AccessKey> {
        let SeenKey { key, last_used } = seen;
        let last_used = match last_used {
            Some(last_used) => Reading::Known(last_used),
            None if !keys::matters(&user.arn, &key, self.needs, self.now) => {
                Reading::Unknown(keys::not_asked(&user.arn))
            }
            None => {
                let read = match self.outage.bars(&user.arn) {
                    Some(gap) => Err(gap),
                    None => {
                        let read = self.reader.access_key_last_used(&user.arn, &key.id).await;
                        match self.outage.note(read) {
                            Err(error) if error.kind == ErrorKind::Gone => return None,
                            read => read.map_err(|error| Gap::from(&error)),
                        }
                    }
                };
                match read {
                    Ok(last_used) => Reading::Known(last_used),
                    Err(gap) => {
                        gaps.push(gap.clone());
                        Reading::Unknown(gap)
                    }
                }
            }
        };
        Some(AccessKey {
            id: Some(key.id),
            status: key.status,
            created_at: key.created_at,
            last_used,
        })
    }

    async fn password(
        &self,
        user: &User,
        row: Option<&ReportRow>,
        asked: &LoginProfile,
        gaps: &mut Vec<Gap>,
    ) -> Reading<Option<ConsolePassword>> {
        if let Some(row) = row {
            return Reading::Known(row.password.clone());
        }
        if !self.passwords {
            return Reading::Unknown(keys::not_asked(&user.arn));
        }
        let gap = match (self.login_profile(user, asked).await, self.report) {
            (Ok(None), _) => return Reading::Known(None),
            // Too new for the report, so the password is as old as that, within hours.
            (Ok(Some(set_at)), Ok(report)) if user.created_at > report.generated_at - REPORT_TAKES => {
                return Reading::Known(Some(ConsolePassword {
                    last_changed: Some(set_at),
                    last_used: None,
                }));
            }
            (Ok(Some(_)), Ok(_)) => Gap {
                operation: operation::GET_CREDENTIAL_REPORT.to_owned(),
                resource: Some(user.arn.clone()),
                cause: GapCause::Unusable,
                detail: "the report does not describe this user, so the age of the password is not known"
                    .to_owned(),
            },
            (Ok(Some(_)), Err(gap)) => gap.clone(),
            (Err(gap), _) => gap,
        };
        gaps.push(gap.clone());
        Reading::Unknown(gap)
    }
}

/// Ends hopeless series: where call after call fails for a reason that lies in the service, the rest is not tried.
#[derive(Debug, Default)]
pub(super) struct Outage(Mutex<(usize, Option<Gap>)>);

impl Outage {
    pub(super) fn note<T>(&self, read: Result<T, AwsError>) -> Result<T, AwsError> {
        let mut series = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &read {
            Err(error) if error.kind.is_outage() => {
                series.0 += 1;
                series.1 = Some(Gap::from(error));
            }
            Ok(_) | Err(_) => *series = (0, None),
        }
        read
    }

    /// The gap of a call that is not tried any more; `None`: it may be tried.
    pub(super) fn bars(&self, resource: &Arn) -> Option<Gap> {
        let series = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (failures, last) = &*series;
        let last = last.as_ref().filter(|_| *failures >= HOPELESS)?;
        Some(Gap {
            resource: Some(resource.clone()),
            detail: format!(
                "not tried after {failures} failures in a row; the last: {}",
                last.detail
            ),
            ..last.clone()
        })
    }
}

/// Access Advisor's reports of these principals. Whoever is gone is taken out of the authorization too.
async fn read_last_accessed(
    reader: &Reader,
    principals: BTreeMap<Arn, Granularity>,
    authorization: &mut Authorization,
    gaps: &mut BTreeSet<Gap>,
) -> BTreeMap<Arn, Reading<ServiceLastAccessed>> {
    let outage = &Outage::default();
    let jobs = stream::iter(principals).map(|(principal, granularity)| async move {
        if let Some(gap) = outage.bars(&principal) {
            return (principal, Some(Reading::Unknown(gap)));
        }
        let read = match outage.note(reader.service_last_accessed(&principal, granularity).await) {
            Ok(report) => Some(Reading::Known(report)),
            Err(error) if error.kind == ErrorKind::Gone => None,
            Err(error) => Some(Reading::Unknown(Gap::from(&error))),
        };
        (principal, read)
    });
    let mut reports = BTreeMap::new();
    let mut jobs = jobs.buffer_unordered(JOBS_AT_A_TIME);
    while let Some((principal, read)) = jobs.next().await {
        match read {
            Some(read) => {
                gaps.extend(read.gap().cloned());
                reports.insert(principal, read);
            }
            None => drop_principal(authorization, &principal),
        }
    }
    reports
}

fn drop_principal(authorization: &mut Authorization, principal: &Arn) {
    let Authorization {
        users,
        groups,
        roles,
        policies: _,
    } = authorization;
    users.retain(|user| user.arn != *principal);
    groups.retain(|group| group.arn != *principal);
    roles.retain(|role| role.arn != *principal);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_must_be_fresh_and_not_from_the_future() {
        let now: DateTime<Utc> = "2026-11-23T06:00:00Z".parse().unwrap();
        let header = b"arn,user_creation_time,password_enabled,password_last_used,password_last_changed,access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,access_key_1_last_used_region,access_key_1_last_used_service,access_key_2_active,access_key_2_last_rotated,access_key_2_last_used_date,access_key_2_last_used_region,access_key_2_last_used_service\n";
        let usable = |minutes: i64| usable_report(now - TimeDelta::minutes(minutes), header, now).is_ok();
        assert!(usable(0) && usable(270) && usable(-5));
        assert!(!usable(271) && !usable(-6));
        let gap = usable_report(now, b"<html>", now).err().unwrap();
        insta::assert_snapshot!(gap.detail, @"the credential report has the column `arn` 0 times, not once; it counts as not read");
    }
}
