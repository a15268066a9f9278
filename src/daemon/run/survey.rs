//! Reading accounts, side by side, and letting go of each before the next takes its place.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use futures_util::{StreamExt, stream};
use tracing::{Instrument, error, info, info_span};

use super::{Reach, Run};
use crate::aws::{ConnectError, Purpose, Session};
use crate::config::{Account, Config};
use crate::execute::ActionReport;
use crate::inventory::{self, Authorization, Gap, GapCause, Needs, PrincipalChoice, Snapshot};
use crate::model::{AccountId, History, Observation, RuleName};
use crate::plan::AccountPlan;
use crate::rules;
use crate::state::{ObservationKind, StateError};

/// What is to be said of the account that a role rolled out to the organization does not reach.
const MANAGEMENT: &str = "; it is the management account, which StackSets do not reach: make the role there by a stack of its own, or name the account in organization.exclude";

/// Which part of the world a run is about. Empty: all of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Rules by name.
    pub rules: Vec<String>,
    /// Accounts by id.
    pub accounts: Vec<AccountId>,
}

/// What became of reading an account.
#[derive(Debug)]
pub enum Reading {
    /// It was read, with gaps where there are any.
    Done(Box<Surveyed>),
    /// It could not be read at all.
    Failed {
        /// Which account.
        id: AccountId,
        /// Its name.
        name: String,
        /// Why.
        gap: Gap,
        /// What it took to find out.
        api_calls: BTreeMap<String, u64>,
    },
}

/// An account that was read.
#[derive(Debug)]
pub struct Surveyed {
    /// By which it was read, and can be changed.
    pub session: Session,
    /// What is there.
    pub snapshot: Snapshot,
    /// What was before.
    pub history: History,
    /// What turned out applied of attempts that were open, and was not told of.
    pub settled: Vec<ActionReport>,
    /// As of when it is judged: when the run began, or when its turn came, which may be hours later.
    pub now: DateTime<Utc>,
}

impl Run<'_> {
    /// Reads the selected accounts and hands each to `keep`, which makes of it what is needed later: a snapshot is as large
    /// as its account, so only as many are held as are read at once. What was kept comes back in the order of the accounts,
    /// without those that other replicas take.
    pub(super) async fn survey<T, Kept>(
        &self,
        selection: &Selection,
        keep: impl Fn(Reading) -> Kept,
    ) -> anyhow::Result<Vec<T>>
    where
        Kept: Future<Output = anyhow::Result<T>>,
    {
        let config = &self.house.config;
        let rules: Vec<_> = rules::enabled(config, &selection.rules);
        let rules: Vec<_> = rules.iter().map(RuleName::as_str).collect();
        self.span.record("rule", rules.join(","));
        anyhow::ensure!(
            !config.organization.discover || self.house.roster.is_some(),
            "the accounts of the organization were not looked up"
        );
        let accounts: Vec<Option<&Account>> = match config.is_of_one_account() {
            true => vec![None],
            false => selected(config, selection).map(Some).collect(),
        };
        let at_once = usize::try_from(config.schedule.accounts_at_once).unwrap_or(usize::MAX);
        let keep = &keep;
        let mut turns: Vec<_> = accounts
            .into_iter()
            .enumerate()
            .map(|(place, account)| {
                let at = self.share.and_then(|share| share.turn_of(account));
                (at, place, account)
            })
            .collect();
        // Whoever waits has a place among those that are read at once: the first to have a turn comes first.
        turns.sort_by_key(|(at, place, _)| (*at, *place));
        let mut kept: Vec<_> = stream::iter(turns)
            .map(|(at, place, account)| {
                let span = info_span!("account", account = account.map(|account| account.id.as_str()));
                let read = async move {
                    if let Some(at) = at {
                        self.house.clock.sleep_until(at).await;
                    }
                    // Not when the run began: many accounts take long, and by then AWS would seem to tell of the future.
                    let now = self.house.clock.now();
                    match self.takes(account).await {
                        Ok(true) => {}
                        Ok(false) => return None,
                        Err(error) => return Some((place, Err(error.into()))),
                    }
                    let kept = match self.survey_account(account, selection, now).await {
                        Ok(reading) => keep(reading).await,
                        Err(error) => Err(error),
                    };
                    Some((place, kept))
                };
                read.instrument(span)
            })
            // One that takes long keeps no place but its own.
            .buffer_unordered(at_once)
            .filter_map(std::future::ready)
            .collect()
            .await;
        kept.sort_by_key(|(place, _)| *place);
        kept.into_iter().map(|(_, kept)| kept).collect()
    }

    async fn survey_account(
        &self,
        account: Option<&Account>,
        selection: &Selection,
        now: DateTime<Utc>,
    ) -> anyhow::Result<Reading> {
        let house = self.house;
        let session = match house
            .sessions
            .connect(account, Purpose::Work, house.clock.now())
            .await
        {
            Ok(session) => session,
            Err(failure) => {
                if let (ConnectError::ClockSkew { .. }, Some(share)) = (&failure, self.share) {
                    share.note_wrong_clock();
                }
                if account.is_some() {
                    error!(error = %crate::telemetry::Chain(&failure), "the account cannot be read");
                }
                // Without a declared account there is nothing to hang the failure on: the command itself fails.
                let Some(account) = account else {
                    return Err(failure.into());
                };
                let (id, name) = (
                    account.id.clone(),
                    account.name.clone().unwrap_or_else(|| account.id.to_string()),
                );
                let mut gap = unreachable(&failure);
                if account.membership.is_management {
                    gap.detail.push_str(MANAGEMENT);
                }
                return Ok(Reading::Failed {
                    id,
                    name,
                    gap,
                    api_calls: BTreeMap::new(),
                });
            }
        };
        if account.is_none() {
            tracing::Span::current().record("account", session.account().as_str());
        }
        if !selection.accounts.is_empty() && !selection.accounts.contains(session.account()) {
            anyhow::bail!(
                "--account: the credentials lead to account {}, which was not asked for",
                session.account()
            );
        }
        let mut settled = Vec::new();
        if let (Some(state), Reach::Change) = (&house.state, self.reach) {
            // Boxed: what is seldom needed would make the future of every account larger.
            settled = Box::pin(self.settle(state, &session)).await?;
        }
        let before = self.history(session.account(), now).await?;
        let name = account
            .and_then(|a| a.name.clone())
            .unwrap_or_else(|| session.account().to_string());
        let needed = rules::needs(&house.config, &before, &selection.rules);
        let reader = session.reader();
        let unread = Snapshot::unread(
            reader.account().clone(),
            reader.partition().clone(),
            reader.caller().clone(),
            now,
        );
        let ctx = rules::Context {
            config: &house.config,
            snapshot: &unread,
            history: &before,
            now,
        };
        let choose = |authorization: &Authorization| rules::reports(&ctx, &selection.rules, authorization);
        let needs = Needs {
            policies: needed.policies,
            keys: needed.keys.as_ref(),
            passwords: needed.passwords,
            password_policy: needed.password_policy,
            last_accessed: needed.policies.then_some(&choose as PrincipalChoice<'_>),
            regional: needed.regional.as_ref(),
            sign_in: needed.sign_in,
            root: needed.root,
            virtual_mfa_devices: needed.virtual_mfa_devices,
            idle: needed.idle,
        };
        let snapshot = Box::pin(inventory::collect(session.reader(), &needs, &name, now)).await;
        info!(
            gaps = snapshot.gaps.len(),
            calls = snapshot.api_calls.values().sum::<u64>(),
            "read"
        );
        let history = match self.reach {
            Reach::Look => before,
            Reach::Remember | Reach::Change => {
                self.remember_sightings(&snapshot, &before, now).await?;
                self.history(session.account(), now).await?
            }
        };
        Ok(Reading::Done(Box::new(Surveyed {
            session,
            snapshot,
            history,
            settled,
            now,
        })))
    }

    /// What is remembered of the account; nothing, where there is no state yet.
    async fn history(&self, account: &AccountId, now: DateTime<Utc>) -> Result<History, StateError> {
        match &self.house.state {
            Some(state) => state.history(account, now).await,
            None => Ok(History::default()),
        }
    }

    /// Remembers which policies are attached and who is in which group, before the planner asks since when, which keys are
    /// inactive, and who of those who were told of a date has an MFA device.
    async fn remember_sightings(
        &self,
        snapshot: &Snapshot,
        before: &History,
        now: DateTime<Utc>,
    ) -> Result<(), StateError> {
        let Some(state) = &self.house.state else {
            return Ok(());
        };
        let mut seen: BTreeSet<Observation> = rules::seen_keys(snapshot, before);
        seen.extend(rules::users_with_mfa(snapshot, &before.told_of));
        let mut covered = BTreeSet::new();
        if let Some((attachments, memberships)) = rules::unused_permissions::observations(snapshot) {
            seen.extend(attachments);
            seen.extend(memberships);
            covered.extend([ObservationKind::Attachment, ObservationKind::Membership]);
        }
        state
            .record_observations(&snapshot.account, &covered, &seen, now)
            .await
    }

    /// Remembers what was found, and which attachments were found unused.
    pub(super) async fn remember(
        &self,
        snapshot: &Snapshot,
        plan: &AccountPlan,
        selection: &Selection,
        now: DateTime<Utc>,
    ) -> Result<(), StateError> {
        let Some(state) = &self.house.state else {
            return Ok(());
        };
        let evaluated = rules::enabled(&self.house.config, &selection.rules);
        if evaluated.contains(&rules::unused_permissions::NAME) {
            let unused = rules::unused_permissions::unused_attachments(&plan.judgements);
            let covered = BTreeSet::from([ObservationKind::UnusedAttachment]);
            state
                .record_observations(&snapshot.account, &covered, &unused, now)
                .await?;
        }
        if evaluated.contains(&rules::UNUSED_ROLES) {
            let unused = rules::unused_roles(&plan.judgements);
            let covered = BTreeSet::from([ObservationKind::UnusedRole]);
            state
                .record_observations(&snapshot.account, &covered, &unused, now)
                .await?;
        }
        for rule in evaluated {
            let of_rule: Vec<_> = plan
                .findings
                .iter()
                .filter(|finding| finding.rule == rule)
                .cloned()
                .collect();
            state
                .record_findings(&self.id, &rule, &snapshot.account, &of_rule, now)
                .await?;
            self.publish(&rule, plan, &of_rule);
        }
        Ok(())
    }

    fn publish(&self, rule: &RuleName, plan: &AccountPlan, findings: &[crate::model::Finding]) {
        if let Some(metrics) = &self.house.metrics {
            metrics.set_findings(&plan.summary.id, std::slice::from_ref(rule), findings);
            if plan.summary.errors.is_empty() {
                metrics.set_last_success(rule, &plan.summary.id, self.now);
            }
        }
    }
}

/// Why there is no session, as a gap. The log has the whole chain of causes; ids of requests, by which two equal failures
/// differ, stay there.
pub(super) fn unreachable(failure: &ConnectError) -> Gap {
    let (operation, cause, detail) = match failure {
        ConnectError::Aws { source, .. } => {
            return Gap {
                resource: None,
                ..Gap::from(source.as_ref())
            };
        }
        ConnectError::ExternalId { source, .. } => (
            "secretsmanager:GetSecretValue",
            GapCause::Failed,
            format!("{failure}: {source}"),
        ),
        ConnectError::WrongAccount { .. }
        | ConnectError::NoIdentity(_)
        | ConnectError::ClockSkew { .. }
        | ConnectError::ClockUnknown { .. } => {
            ("sts:GetCallerIdentity", GapCause::Unusable, failure.to_string())
        }
    };
    Gap {
        operation: operation.to_owned(),
        resource: None,
        cause,
        detail,
    }
}

fn selected<'a>(config: &'a Config, selection: &'a Selection) -> impl Iterator<Item = &'a Account> {
    let wanted =
        |account: &&Account| selection.accounts.is_empty() || selection.accounts.contains(&account.id);
    config.accounts.iter().filter(wanted)
}
