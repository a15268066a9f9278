//! Which accounts there are: looked up afresh for each run, or not at all.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use super::{House, survey};
use crate::aws::{AwsError, ConnectError, Purpose, Session};
use crate::config::{Account, Config, Home, LeftOut, RosterError};
use crate::inventory::{Gap, GapCause};
use crate::model::AccountId;
use crate::state::State;

/// Under which name the state keeps what accounts there were.
const NAME: &str = "organization";

/// What was found beside the accounts to look after, which stand in the configuration then.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Roster {
    /// Accounts of the organization that are left alone, by id.
    pub left_out: Vec<LeftOut>,
    /// What it took to find out.
    pub api_calls: BTreeMap<String, u64>,
    /// Accounts that were there the last time and are not any more.
    gone: BTreeMap<AccountId, String>,
    /// All that are there, by id, with their names.
    listed: BTreeMap<AccountId, String>,
}

/// Why nobody knows which accounts there are. Nothing is planned then: a rule that does not know all accounts judges those that
/// it knows otherwise.
#[derive(Debug, thiserror::Error)]
pub enum DiscoveryError {
    /// There is no session in iamwarden's own account.
    #[error("the accounts of the organization are not known, so nothing is planned; see the cause")]
    Connect(#[source] ConnectError),
    /// The organization could not be read whole.
    #[error("the accounts of the organization are not known, so nothing is planned; see the cause")]
    Aws(#[source] Box<AwsError>),
    /// What was read and what is declared do not fit.
    #[error("the accounts to look after are not known, so nothing is planned; see the cause")]
    Roster(#[source] RosterError),
}

impl DiscoveryError {
    /// As people are told of it.
    pub(super) fn gap(&self) -> Gap {
        match self {
            Self::Connect(failure) => survey::unreachable(failure),
            Self::Aws(failure) => Gap {
                resource: None,
                ..Gap::from(failure.as_ref())
            },
            Self::Roster(failure) => Gap {
                operation: "organizations:ListAccounts".to_owned(),
                resource: None,
                cause: GapCause::Unusable,
                detail: failure.to_string(),
            },
        }
    }
}

/// The accounts of the last run, as the state keeps them.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Remembered(BTreeMap<AccountId, String>);

impl Roster {
    /// What is to be said of accounts that are there no more.
    pub(super) fn losses(&self) -> Vec<Gap> {
        let loss = |(id, name): (&AccountId, &String)| Gap {
            operation: "organizations:ListAccounts".to_owned(),
            resource: None,
            cause: GapCause::Failed,
            detail: format!(
                "account {id} ({name}) is not in the organization any more: it was closed or has left; nothing is looked at or changed there"
            ),
        };
        self.gone.iter().map(loss).collect()
    }

    /// Remembers who is there, so that whoever goes is missed, and said to be gone once.
    pub(super) async fn remember(
        &self,
        state: &State,
        now: chrono::DateTime<chrono::Utc>,
    ) -> anyhow::Result<()> {
        let kept = serde_json::to_string(&Remembered(self.listed.clone()))?;
        Ok(state.keep_report(NAME, &kept, now).await?)
    }
}

/// What people call accounts: as declared, or as the organization called them when it was last read.
#[derive(Debug, Clone, Default)]
pub struct AccountNames(BTreeMap<AccountId, String>);

impl AccountNames {
    /// The account's name; its id, where nobody named it.
    pub fn of(&self, id: &AccountId) -> String {
        self.0.get(id).cloned().unwrap_or_else(|| id.to_string())
    }
}

impl House {
    /// What the accounts are called, as far as is known without asking AWS.
    ///
    /// # Errors
    /// Where the state fails.
    pub async fn account_names(&self) -> anyhow::Result<AccountNames> {
        let mut names = match &self.state {
            Some(state) if self.config.organization.discover => remembered(state).await?,
            Some(_) | None => BTreeMap::new(),
        };
        let declared = self.config.accounts.iter();
        names.extend(declared.filter_map(|account| Some((account.id.clone(), account.name.clone()?))));
        Ok(AccountNames(names))
    }

    /// This house with all its accounts in its configuration: those of the organization are looked up, where they are to be
    /// discovered. Once for each run: what an earlier one found is not used again.
    ///
    /// # Errors
    /// [`DiscoveryError`] where any of it cannot be read, and where the state fails.
    pub async fn with_accounts(&self) -> anyhow::Result<House> {
        // Looked up already, for this very run.
        if !self.config.organization.discover || self.roster.is_some() {
            return Ok(self.clone());
        }
        let now = self.clock.now();
        let session = self.sessions.connect(None, Purpose::Work, now).await;
        let session = session.map_err(DiscoveryError::Connect)?;
        let (accounts, roster) = self.roster(&session).await?;
        info!(
            accounts = accounts.len(),
            left_out = roster.left_out.len(),
            "the organization was read"
        );
        for (id, name) in &roster.gone {
            warn!(account = %id, name, "not in the organization any more; nothing is looked at there");
        }
        let config = Config {
            accounts,
            ..(*self.config).clone()
        };
        Ok(House {
            config: Arc::new(config),
            roster: Some(Arc::new(roster)),
            ..self.clone()
        })
    }

    async fn roster(&self, session: &Session) -> anyhow::Result<(Vec<Account>, Roster)> {
        let reader = session.reader();
        let read = reader.organization(self.config.needs_units()).await;
        let organization = read.map_err(|error| DiscoveryError::Aws(Box::new(error)))?;
        let (accounts, left_out) = self
            .config
            .roster(&organization, home(session))
            .map_err(DiscoveryError::Roster)?;
        let listed: BTreeMap<_, _> = organization
            .members
            .into_iter()
            .map(|member| (member.id, member.name))
            .collect();
        let mut gone = match &self.state {
            Some(state) => remembered(state).await?,
            None => BTreeMap::new(),
        };
        gone.retain(|id, _| !listed.contains_key(id));
        let roster = Roster {
            left_out,
            api_calls: reader.api_calls(),
            gone,
            listed,
        };
        Ok((accounts, roster))
    }

    /// The account of this id, as it is declared, or by the role that every account of the organization has. `None`: the one
    /// of the ambient credentials.
    pub(super) async fn account(&self, id: &AccountId) -> anyhow::Result<Option<Account>> {
        let declared = self.config.accounts.iter().find(|account| account.id == *id);
        if declared.is_some() || !self.config.organization.discover {
            return Ok(declared.cloned());
        }
        let session = self
            .sessions
            .connect(None, Purpose::Work, self.clock.now())
            .await?;
        Ok(Some(self.config.account_by_role(id, home(&session))?))
    }
}

fn home(session: &Session) -> Home<'_> {
    Home {
        account: session.account(),
        partition: session.reader().partition(),
    }
}

async fn remembered(state: &State) -> anyhow::Result<BTreeMap<AccountId, String>> {
    let Some((_, kept)) = state.last_report(NAME).await? else {
        return Ok(BTreeMap::new());
    };
    let Remembered(accounts) = serde_json::from_str(&kept)?;
    Ok(accounts)
}
