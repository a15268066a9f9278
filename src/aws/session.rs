//! Sessions: iamwarden in one account, under one identity that AWS confirmed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use aws_config::SdkConfig;
use aws_config::identity::IdentityCache;
use aws_config::sts::AssumeRoleProvider;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_iam::config::retry::RetryPartition;
use aws_smithy_types::retry::RetryConfig;
use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::ambient::{Ambient, Pace};
use super::budget::{CallBudget, CallCount, CallCounter};
use super::errors::{AwsError, ErrorKind, Scope};
use super::meter::{Meter, ServerClock, WholeAnswer};
use super::operation;
use super::reader::Reader;
use super::regional::Regional;
use super::secrets::{SecretError, Secrets};
use super::writer::Writer;
use crate::config::{Account, SecretReference};
use crate::inventory::Caller;
use crate::model::{AccountId, Arn, Partition, Region};

/// A clock further off than this judges ages wrongly.
const LARGEST_SKEW: TimeDelta = TimeDelta::minutes(5);

/// What a session is for: undoing can need wider rights, and has a role of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// Reading, planning and applying.
    Work,
    /// `rollback`: assumes `rollback_role_arn` where the account has one.
    Rollback,
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// AWS refused, or could not be reached.
    #[error("no session in {account}: {operation} failed ({kind}); see the cause")]
    Aws {
        /// `account 123456789012`, or `the account of the ambient credentials`.
        account: String,
        /// The operation that failed.
        operation: &'static str,
        /// Its kind.
        kind: ErrorKind,
        /// The failure.
        source: Box<AwsError>,
    },
    /// The external id cannot be resolved.
    #[error("no session in account {account}: its external id cannot be resolved; see the cause")]
    ExternalId {
        /// The account.
        account: AccountId,
        /// The failure.
        source: Box<SecretError>,
    },
    /// The credentials lead to another account than the one declared.
    #[error(
        "the credentials for account {expected} lead to account {actual} (as {caller}): correct `id` or `role_arn` of this account; nothing is read or changed there"
    )]
    WrongAccount {
        /// As declared.
        expected: AccountId,
        /// As AWS says.
        actual: AccountId,
        /// As whom.
        caller: Arn,
    },
    /// The answer of `GetCallerIdentity` does not name an account and an ARN.
    #[error("sts:GetCallerIdentity did not say who iamwarden is ({0}): check AWS_ENDPOINT_URL and proxies")]
    NoIdentity(String),
    /// The clock of this machine, or of AWS, is wrong.
    #[error(
        "the clock is wrong: AWS has {aws} where this machine has {here} in account {account}; ages would be judged wrongly, so nothing is done: set the clock (NTP)"
    )]
    ClockSkew {
        /// The account asked.
        account: AccountId,
        /// The time of AWS.
        aws: DateTime<Utc>,
        /// The time here.
        here: DateTime<Utc>,
    },
    /// AWS sent no date to compare the clock with.
    #[error(
        "sts:GetCallerIdentity answered without a `Date` for account {account}, so the clock cannot be checked: check AWS_ENDPOINT_URL and proxies"
    )]
    ClockUnknown {
        /// The account asked.
        account: AccountId,
    },
}

/// Makes sessions, and keeps what they share: the ambient credentials, the secrets, and one call budget per account.
#[derive(Debug)]
pub struct Sessions {
    ambient: Arc<Ambient>,
    secrets: Arc<Secrets>,
    session_name: String,
    budgets: Mutex<BTreeMap<AccountId, Arc<CallBudget>>>,
    own: OnceCell<Identity>,
}

/// As `GetCallerIdentity` says.
#[derive(Debug, Clone)]
struct Identity {
    account: AccountId,
    arn: Arn,
}

impl Sessions {
    /// Sessions named `iamwarden-<name>` in CloudTrail; `name` is the host, or the run.
    pub fn new(ambient: Arc<Ambient>, secrets: Arc<Secrets>, name: &str) -> Self {
        Self {
            ambient,
            secrets,
            session_name: session_name(name),
            budgets: Mutex::default(),
            own: OnceCell::new(),
        }
    }

    /// Where secrets are resolved.
    pub fn secrets(&self) -> &Arc<Secrets> {
        &self.secrets
    }

    /// How often each operation was called, in every account, since the process started.
    pub fn calls(&self) -> Vec<CallCount> {
        let budgets = self.budgets.lock().unwrap_or_else(PoisonError::into_inner);
        budgets
            .iter()
            .flat_map(|(account, budget)| budget.counts(account))
            .collect()
    }

    /// How many calls a second every account known so far may be called with now.
    pub fn rates(&self) -> Vec<(AccountId, f64)> {
        let budgets = self.budgets.lock().unwrap_or_else(PoisonError::into_inner);
        let rate = |(account, budget): (&AccountId, &Arc<CallBudget>)| (account.clone(), budget.per_second());
        budgets.iter().map(rate).collect()
    }

    /// A session in this account (`None`: in that of the ambient credentials), once AWS has confirmed the account, and
    /// that `now` is right. Connect anew for each run: it costs one call, and proves the account each time.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub async fn connect(
        &self,
        account: Option<&Account>,
        purpose: Purpose,
        now: DateTime<Utc>,
    ) -> Result<Session, ConnectError> {
        let started = Instant::now();
        let counter = Arc::new(CallCounter::default());
        let ambient = self.ambient.sdk().await;
        let role = account.and_then(|account| role_for(account, purpose));
        let (sdk, identity, clock) = match (account, role) {
            (Some(account), Some(role)) => {
                self.own
                    .get_or_try_init(|| async {
                        let (own, _) = self.identify(ambient, None, &counter).await?;
                        Ok::<_, ConnectError>(own)
                    })
                    .await?;
                self.assume(ambient, account, role, &counter).await?
            }
            (_, None) | (None, Some(_)) => {
                let expected = account.map(|account| &account.id);
                let (identity, clock) = self.identify(ambient, expected, &counter).await?;
                (ambient.clone(), identity, clock)
            }
        };
        if let Some(account) = account
            && account.id != identity.account
        {
            return Err(ConnectError::WrongAccount {
                expected: account.id.clone(),
                actual: identity.account,
                caller: identity.arn,
            });
        }
        check_clock(&identity.account, &clock, now, started)?;
        let caller = self.caller(&identity, account).await;
        let budget = self.budget(&identity.account);
        Ok(Session::new(
            &sdk,
            *self.ambient.pace(),
            identity.account,
            caller,
            budget,
            counter,
        ))
    }

    /// Assumes the role and asks AWS who that is. Where the role refuses, the external id may have been rotated: it is
    /// read anew, once.
    async fn assume(
        &self,
        ambient: &SdkConfig,
        account: &Account,
        role: &Arn,
        counter: &Arc<CallCounter>,
    ) -> Result<(SdkConfig, Identity, ServerClock), ConnectError> {
        let external_id = match &account.external_id {
            Some(reference) => Some(self.external_id(account, self.secrets.resolve(reference).await)?),
            None => None,
        };
        let sdk = self.with_role(ambient, role, external_id.as_ref()).await;
        let refused = match self.identify(&sdk, Some(&account.id), counter).await {
            Ok((identity, clock)) => return Ok((sdk, identity, clock)),
            Err(error) => error,
        };
        let Some(reference @ SecretReference::SecretsManager { .. }) = &account.external_id else {
            return Err(refused);
        };
        if !is_refused_role(&refused) {
            return Err(refused);
        }
        let fresh = self.external_id(account, self.secrets.refresh(reference).await)?;
        let unchanged = external_id.is_some_and(|old| old.expose_secret() == fresh.expose_secret());
        if unchanged {
            return Err(refused);
        }
        let sdk = self.with_role(ambient, role, Some(&fresh)).await;
        let (identity, clock) = self.identify(&sdk, Some(&account.id), counter).await?;
        Ok((sdk, identity, clock))
    }

    fn external_id(
        &self,
        account: &Account,
        resolved: Result<SecretString, SecretError>,
    ) -> Result<SecretString, ConnectError> {
        resolved.map_err(|source| ConnectError::ExternalId {
            account: account.id.clone(),
            source: Box::new(source),
        })
    }

    /// The ambient configuration with the role's credentials, which the SDK renews by itself; one cache serves all
    /// clients of the session.
    async fn with_role(
        &self,
        ambient: &SdkConfig,
        role: &Arn,
        external_id: Option<&SecretString>,
    ) -> SdkConfig {
        let mut builder = AssumeRoleProvider::builder(role.as_str())
            .session_name(&self.session_name)
            .configure(ambient);
        if let Some(id) = external_id {
            builder = builder.external_id(id.expose_secret());
        }
        let provider = match ambient.credentials_provider() {
            Some(own) => Box::pin(builder.build_from_provider(own)).await,
            None => Box::pin(builder.build()).await,
        };
        ambient
            .to_builder()
            .credentials_provider(SharedCredentialsProvider::new(provider))
            .identity_cache(IdentityCache::lazy().build())
            .build()
    }

    /// Asks AWS who these credentials are, and what time it is there.
    async fn identify(
        &self,
        sdk: &SdkConfig,
        expected: Option<&AccountId>,
        counter: &Arc<CallCounter>,
    ) -> Result<(Identity, ServerClock), ConnectError> {
        let clock = ServerClock::default();
        // Which account this counts for is only known from the answer.
        let unassigned = Arc::new(CallBudget::new(self.ambient.pace().rate));
        let meter = Meter {
            service: "sts",
            budget: Arc::clone(&unassigned),
            counter: Arc::clone(counter),
        };
        let config = aws_sdk_sts::config::Builder::from(sdk)
            .interceptor(meter)
            .interceptor(clock.clone())
            .interceptor(WholeAnswer)
            .build();
        let scope = Scope {
            operation: operation::GET_CALLER_IDENTITY,
            account: expected,
            resource: None,
        };
        let asked = aws_sdk_sts::Client::from_conf(config)
            .get_caller_identity()
            .send();
        let answer = Box::pin(asked).await.map_err(|error| {
            let source = Box::new(AwsError::from_sdk(scope, error));
            ConnectError::Aws {
                account: expected.map_or_else(
                    || "the account of the ambient credentials".to_owned(),
                    |account| format!("account {account}"),
                ),
                operation: source.operation,
                kind: source.kind,
                source,
            }
        })?;
        let identity = parse_identity(answer.account(), answer.arn())?;
        self.budget(&identity.account).absorb(&unassigned);
        Ok((identity, clock))
    }

    fn budget(&self, account: &AccountId) -> Arc<CallBudget> {
        let mut budgets = self.budgets.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || Arc::new(CallBudget::new(self.ambient.pace().rate));
        Arc::clone(budgets.entry(account.clone()).or_insert_with(fresh))
    }

    /// Who iamwarden is here: under its own ARN, and by every role of the chain that lies in this account, the one
    /// for rollback included.
    async fn caller(&self, identity: &Identity, account: Option<&Account>) -> Caller {
        let mut chain = vec![identity.arn.clone()];
        chain.extend(self.own.get().map(|own| own.arn.clone()));
        chain.extend(self.ambient.roles_of_profile().await);
        if let Some(account) = account {
            chain.extend(account.role_arn.clone());
            chain.extend(account.rollback_role_arn.clone());
        }
        let identities: BTreeSet<String> = chain
            .iter()
            .filter(|arn| arn.account() == identity.account.as_str())
            .filter_map(bare_identity)
            .collect();
        Caller {
            arn: identity.arn.clone(),
            identities: identities.into_iter().collect(),
        }
    }
}

fn role_for(account: &Account, purpose: Purpose) -> Option<&Arn> {
    let rollback = match purpose {
        Purpose::Work => None,
        Purpose::Rollback => account.rollback_role_arn.as_ref(),
    };
    rollback.or(account.role_arn.as_ref())
}

fn is_refused_role(error: &ConnectError) -> bool {
    match error {
        ConnectError::Aws { operation, kind, .. } => {
            *operation == operation::ASSUME_ROLE && *kind == ErrorKind::Denied
        }
        ConnectError::ExternalId { .. }
        | ConnectError::WrongAccount { .. }
        | ConnectError::NoIdentity(_)
        | ConnectError::ClockSkew { .. }
        | ConnectError::ClockUnknown { .. } => false,
    }
}

fn parse_identity(account: Option<&str>, arn: Option<&str>) -> Result<Identity, ConnectError> {
    let odd = |what: String| ConnectError::NoIdentity(super::errors::scrub(&what));
    let account = account.ok_or_else(|| odd("no account".to_owned()))?;
    let account = AccountId::parse(account).map_err(|error| odd(error.to_string()))?;
    let arn = arn.ok_or_else(|| odd("no ARN".to_owned()))?;
    let arn = Arn::parse(arn).map_err(|error| odd(error.to_string()))?;
    if arn.account() != account.as_str() {
        return Err(odd(format!("account {account}, but {arn}")));
    }
    Ok(Identity { account, arn })
}

fn check_clock(
    account: &AccountId,
    clock: &ServerClock,
    now: DateTime<Utc>,
    started: Instant,
) -> Result<(), ConnectError> {
    let Some((Some(aws), read_at)) = clock.reading() else {
        return Err(ConnectError::ClockUnknown {
            account: account.clone(),
        });
    };
    let passed = TimeDelta::from_std(read_at.saturating_duration_since(started)).unwrap_or(TimeDelta::MAX);
    let here = now.checked_add_signed(passed).unwrap_or(now);
    if (aws - here).abs() > LARGEST_SKEW {
        return Err(ConnectError::ClockSkew {
            account: account.clone(),
            aws,
            here,
        });
    }
    Ok(())
}

/// The kind and name of an identity, as principals are known in the account: `role/iamwarden` for
/// `…:assumed-role/iamwarden/session`, `user/x` for `…:user/some/path/x`.
fn bare_identity(arn: &Arn) -> Option<String> {
    let resource = arn.resource();
    let Some((kind, rest)) = resource.split_once('/') else {
        return Some(resource.to_owned());
    };
    match kind {
        "assumed-role" => rest.split('/').next().map(|role| format!("role/{role}")),
        _ => Some(format!("{kind}/{}", arn.name())),
    }
}

/// What STS allows in the name of a session, at most 64 characters of it.
fn session_name(name: &str) -> String {
    let allowed = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '=' | ',' | '.' | '@' | '-');
    let name: String = name.chars().filter(allowed).collect();
    format!("iamwarden-{name}").chars().take(64).collect()
}

/// iamwarden in one account.
#[derive(Debug)]
pub struct Session {
    reader: Reader,
    writer: Writer,
}

/// What [`Reader`] and [`Writer`] of a session share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) account: AccountId,
    pub(super) partition: Partition,
    /// Of the ambient configuration.
    pub(super) region: Option<Region>,
    pub(super) caller: Caller,
    pub(super) budget: Arc<CallBudget>,
    pub(super) counter: Arc<CallCounter>,
    pub(super) pace: Pace,
}

impl Session {
    fn new(
        sdk: &SdkConfig,
        pace: Pace,
        account: AccountId,
        caller: Caller,
        budget: Arc<CallBudget>,
        counter: Arc<CallCounter>,
    ) -> Self {
        let shared = Arc::new(Shared {
            partition: caller.arn.partition(),
            region: sdk
                .region()
                .and_then(|region| Region::parse(region.as_ref()).ok()),
            account,
            caller,
            budget,
            counter,
            pace,
        });
        let meter = Meter {
            service: "iam",
            budget: Arc::clone(&shared.budget),
            counter: Arc::clone(&shared.counter),
        };
        // Clients of one name share the SDK's allowance for retries: one account's trouble is not another's.
        let partition = RetryPartition::new(format!("iam-{}", shared.account));
        let config = aws_sdk_iam::config::Builder::from(sdk)
            .interceptor(meter)
            .interceptor(WholeAnswer)
            .retry_partition(partition)
            .timeout_config(pace.timeouts());
        let reads = config.clone().retry_config(pace.retries()).build();
        // A write is sent once: whether a second one may follow is for the executor to find out by reading.
        let writes = config.retry_config(RetryConfig::disabled()).build();
        let regional = Regional::new(sdk, Arc::clone(&shared));
        let regional_writes = regional.sent_once();
        Self {
            reader: Reader::new(
                aws_sdk_iam::Client::from_conf(reads),
                regional,
                Arc::clone(&shared),
            ),
            writer: Writer::new(aws_sdk_iam::Client::from_conf(writes), regional_writes, shared),
        }
    }

    /// The account, as AWS confirmed it.
    pub fn account(&self) -> &AccountId {
        self.reader.account()
    }

    /// Who iamwarden is there.
    pub fn caller(&self) -> &Caller {
        self.reader.caller()
    }

    /// Reads.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Writes, given consent and a lease.
    pub fn writer(&self) -> &Writer {
        &self.writer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arn(text: &str) -> Arn {
        Arn::parse(text).unwrap()
    }

    #[test]
    fn identities_are_named_as_principals_are() {
        for (text, identity) in [
            (
                "arn:aws:sts::123456789012:assumed-role/iamwarden/host-1",
                "role/iamwarden",
            ),
            (
                "arn:aws:iam::123456789012:role/some/path/iamwarden",
                "role/iamwarden",
            ),
            ("arn:aws:sts::123456789012:user/moto", "user/moto"),
            ("arn:aws:iam::123456789012:user/ops/alice", "user/alice"),
            ("arn:aws:iam::123456789012:root", "root"),
        ] {
            assert_eq!(bare_identity(&arn(text)).as_deref(), Some(identity), "{text}");
        }
    }

    #[test]
    fn identities_that_contradict_themselves_are_refused() {
        let good = "arn:aws-cn:sts::123456789012:user/x";
        assert!(parse_identity(Some("123456789012"), Some(good)).is_ok());
        for (account, arn) in [
            (None, Some(good)),
            (Some("123456789012"), None),
            (Some("210987654321"), Some(good)),
            (Some("12345"), Some(good)),
            (Some("123456789012"), Some("x")),
        ] {
            assert!(parse_identity(account, arn).is_err(), "{account:?} {arn:?}");
        }
    }

    #[test]
    fn session_names_hold_what_sts_allows() {
        assert_eq!(session_name("host 1/ä.x"), "iamwarden-host1.x");
        assert_eq!(session_name(&"x".repeat(100)).len(), 64);
    }

    #[test]
    fn the_rollback_role_is_only_for_rollback() {
        let account = |role: &str, rollback: &str| -> Account {
            serde_json::from_value(serde_json::json!({
                "id": "123456789012", "role_arn": role, "rollback_role_arn": rollback
            }))
            .unwrap()
        };
        let (work, back) = (
            "arn:aws:iam::123456789012:role/w",
            "arn:aws:iam::123456789012:role/b",
        );
        let both = account(work, back);
        assert_eq!(role_for(&both, Purpose::Work).map(Arn::as_str), Some(work));
        assert_eq!(role_for(&both, Purpose::Rollback).map(Arn::as_str), Some(back));
        let one = account(work, "");
        assert_eq!(role_for(&one, Purpose::Rollback).map(Arn::as_str), Some(work));
    }
}
