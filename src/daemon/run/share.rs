//! Sharing the accounts of a tick among replicas: each account is read, planned and changed by one of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use super::{House, Run, Selection, spread};
use crate::config::Account;
use crate::model::RuleName;
use crate::state::{State, StateError, Turn};

/// The accounts of a tick that this replica took.
#[derive(Debug)]
pub struct Share {
    due: BTreeMap<RuleName, DateTime<Utc>>,
    /// Over how long the accounts are spread.
    spread: TimeDelta,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    names: BTreeSet<String>,
    /// Whether another replica is at work on an account.
    others_at_work: bool,
    /// Whether AWS has another time than this process.
    clock_is_wrong: bool,
}

/// How far a tick has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shared {
    /// Every account is done, by whichever replica.
    Whole,
    /// Other replicas are at work on the rest. Should one fall silent, its accounts are there to be taken.
    Rest,
    /// The clock of this process is wrong, so it can judge nothing. What it took is anybody's again.
    WrongClock,
}

impl Share {
    /// Of the rules that are due, each since that time.
    pub(super) fn of(due: &BTreeMap<RuleName, DateTime<Utc>>, spread: TimeDelta) -> Self {
        Self {
            due: due.clone(),
            spread,
            taken: Mutex::default(),
        }
    }

    /// When the account is to be read; `None`: at once. It is counted from when the rules were due: what is late is not made
    /// later.
    pub(super) fn turn_of(&self, account: Option<&Account>) -> Option<DateTime<Utc>> {
        let since = self.due.values().max()?;
        let wait = spread::offset(&account?.id, self.spread);
        (!wait.is_zero()).then(|| *since + wait)
    }

    /// Whether there is nothing in it.
    pub(super) fn is_empty(&self) -> bool {
        self.taken().names.is_empty()
    }

    /// AWS has another time.
    pub(super) fn note_wrong_clock(&self) {
        self.taken().clock_is_wrong = true;
    }

    fn taken(&self) -> std::sync::MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The turns of an account, a rule each: replicas may find other rules due together.
    fn turns(&self, account: Option<&Account>) -> Vec<(String, DateTime<Utc>)> {
        let account = account.map_or("ambient", |account| account.id.as_str());
        self.due
            .iter()
            .map(|(rule, since)| (format!("{rule} in {account}"), *since))
            .collect()
    }
}

impl Run<'_> {
    /// Whether the account is this run's to read. Without a share every account is.
    pub(super) async fn takes(&self, account: Option<&Account>) -> Result<bool, StateError> {
        let (Some(share), Some(state)) = (self.share, &self.house.state) else {
            return Ok(true);
        };
        let turns = share.turns(account);
        let turn = state.take_turns(&turns, &self.house.holder).await?;
        let mut taken = share.taken();
        match turn {
            Turn::Mine => taken.names.extend(turns.into_iter().map(|(name, _)| name)),
            Turn::Others => {
                tracing::debug!("another replica is at work on the account");
                taken.others_at_work = true;
            }
            Turn::Done => {}
        }
        Ok(turn == Turn::Mine)
    }
}

impl House {
    /// Runs the rules that are due on the accounts that no other replica takes or has done.
    ///
    /// # Errors
    /// As for [`House::run`]; what was taken can be taken by others then.
    pub async fn run_share(
        &self,
        command: &str,
        due: &BTreeMap<RuleName, DateTime<Utc>>,
    ) -> anyhow::Result<Shared> {
        let Some(state) = &self.state else {
            anyhow::bail!("there is no state")
        };
        let selection = Selection {
            rules: due.keys().map(ToString::to_string).collect(),
            accounts: Vec::new(),
        };
        let share = Share::of(due, self.spread(due));
        let ran = Box::pin(self.carry_out(command, &selection, Some(&share))).await;
        let clock_is_wrong = share.taken().clock_is_wrong;
        let is_done = ran.is_ok() && !clock_is_wrong && !self.shutdown.is_requested();
        self.settle_share(state, &share, is_done).await?;
        match ran {
            Err(error) if clock_is_wrong => {
                tracing::error!(error = format!("{error:#}"), "the run failed");
                Ok(Shared::WrongClock)
            }
            Err(error) => Err(error),
            Ok(_) if clock_is_wrong => Ok(Shared::WrongClock),
            Ok(_) if share.taken().others_at_work => Ok(Shared::Rest),
            Ok(_) => Ok(Shared::Whole),
        }
    }

    async fn settle_share(&self, state: &State, share: &Share, is_done: bool) -> Result<(), StateError> {
        let names: Vec<_> = share.taken().names.iter().cloned().collect();
        match is_done {
            _ if names.is_empty() => Ok(()),
            true => state.finish_turns(&names, &self.holder, self.clock.now()).await,
            false => state.give_turns_back(&names, &self.holder).await,
        }
    }
}
