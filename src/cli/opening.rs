//! What every command begins with: the configuration, the state, the way to AWS.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use futures_util::future::BoxFuture;
use secrecy::{ExposeSecret as _, SecretString};
use tracing::{info, warn};

use crate::aws::{Ambient, Pace, Secrets, Sessions};
use crate::config::{self, Config, Environment, Loaded, Mode, SecretReference};
use crate::daemon::{Clock, House, Selection, Shutdown, Standstill, Wake};
use crate::model::AccountId;
use crate::rules;
use crate::state::{State, UrlSource};

/// Where a command begins.
#[derive(Debug, Clone)]
pub(super) struct Opening {
    /// `--config`.
    pub(super) config: Option<PathBuf>,
    /// Whether the process is told to stop.
    pub(super) shutdown: Shutdown,
}

/// What a command needs the state for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StateUse {
    /// Reading it, where there is one.
    Read,
    /// Changing it; it is created where there is none.
    Write,
}

impl Opening {
    /// The configuration. What is wrong with it is told on standard error, position by position.
    pub(super) fn load(&self) -> anyhow::Result<Loaded> {
        let loaded = self.load_silently()?;
        for note in &loaded.notes {
            info!("{note}");
        }
        for warning in &loaded.warnings {
            warn!("{warning}");
        }
        Ok(loaded)
    }

    /// The configuration, without a word about it: for what is asked again and again.
    pub(super) fn load_silently(&self) -> anyhow::Result<Loaded> {
        Ok(config::load(self.config.as_deref(), &Environment::of_process())?)
    }

    /// Configuration, state and sessions.
    pub(super) async fn house(&self, state: StateUse) -> anyhow::Result<House> {
        let config = self.load()?.config;
        self.house_of(config, state).await
    }

    /// State and sessions for a configuration.
    pub(super) async fn house_of(&self, config: Config, state: StateUse) -> anyhow::Result<House> {
        let config = Arc::new(config);
        let environment = Environment::of_process();
        let ambient = Arc::new(Ambient::from_default_chain(Pace::default()));
        let secrets = Arc::new(Secrets::new(lookup(environment.clone()), Arc::clone(&ambient)));
        let state = open_state(&config.state.url, &secrets, state).await?;
        let holder = holder(&environment);
        Ok(House {
            roster: None,
            sessions: Arc::new(Sessions::new(ambient, secrets, &holder)),
            config,
            state,
            clock: Clock::system(),
            shutdown: self.shutdown.clone(),
            holder,
            metrics: None,
            decided: Wake::new(),
            standstill: Standstill::default(),
        })
    }
}

/// `None`: it is only to be read, and is not there.
async fn open_state(url: &str, secrets: &Arc<Secrets>, state_use: StateUse) -> anyhow::Result<Option<State>> {
    let resolved = state_url(url, secrets).await?;
    let state = match state_use {
        StateUse::Read => State::open_read_only(resolved.expose_secret()).await?,
        StateUse::Write => {
            let opened = State::open(resolved.expose_secret()).await?;
            if opened.created {
                warn!(
                    "the state was created: until now nothing is remembered, no notice, no approval, no date"
                );
            }
            Some(opened.state)
        }
    };
    let Some(reference) = SecretReference::parse_if_meant(url).transpose()? else {
        return Ok(state);
    };
    let urls: Arc<dyn UrlSource> = Arc::new(UrlSecret {
        reference,
        secrets: Arc::clone(secrets),
    });
    Ok(state.map(|state| state.renewed_by(&urls)))
}

/// The secret that holds the URL of the state.
#[derive(Debug)]
struct UrlSecret {
    reference: SecretReference,
    secrets: Arc<Secrets>,
}

impl UrlSource for UrlSecret {
    fn current(&self) -> BoxFuture<'_, Result<SecretString, Box<dyn std::error::Error + Send + Sync>>> {
        Box::pin(async { Ok(self.secrets.refresh(&self.reference).await?) })
    }
}

/// Where the state is, itself or by the secret that holds it: it may have a password in it.
pub(super) async fn state_url(url: &str, secrets: &Secrets) -> anyhow::Result<SecretString> {
    match SecretReference::parse_if_meant(url) {
        None => Ok(SecretString::from(url.to_owned())),
        Some(reference) => secrets
            .resolve(&reference?)
            .await
            .context("the address of the state"),
    }
}

/// Looks names up in the environment that the configuration was read with.
fn lookup(environment: Environment) -> impl Fn(&str) -> Option<String> + Send + Sync + 'static {
    move |name| {
        environment
            .get(name)
            .and_then(|value| value.to_str().map(ToOwned::to_owned))
    }
}

/// This process, among those that share a state.
fn holder(environment: &Environment) -> String {
    let host = environment
        .get("HOSTNAME")
        .map(|name| name.to_string_lossy().into_owned());
    let host = host.or_else(|| std::fs::read_to_string("/proc/sys/kernel/hostname").ok());
    let host = host.as_deref().map_or("host", str::trim).to_owned();
    format!(
        "{host}-{}-{}",
        std::process::id(),
        &crate::daemon::new_id(Clock::system().now())[18..]
    )
}

/// The name of whoever types the command, where nobody says `--by`.
pub(super) fn person(by: Option<String>) -> anyhow::Result<String> {
    let environment = Environment::of_process();
    let named = |variable: &str| {
        environment
            .get(variable)
            .map(|name| name.to_string_lossy().into_owned())
    };
    by.or_else(|| named("SUDO_USER"))
        .or_else(|| named("USER"))
        .or_else(|| named("LOGNAME"))
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .context("who is asking is not known: say --by NAME")
}

/// The rules and accounts named on the command line; a name that nothing answers to is an error.
pub(super) fn selection(config: &Config, rules: &[String], accounts: &[String]) -> anyhow::Result<Selection> {
    for name in rules {
        if rules::find(name).is_none() {
            let known: Vec<_> = rules::REGISTRY.iter().map(|rule| rule.name).collect();
            anyhow::bail!(
                "--rule: there is no rule `{name}`; there are {}",
                known.join(", ")
            );
        }
        let mode = rules::find(name).and_then(|rule| config.rules.mode(&rule.rule_name()));
        if mode == Some(Mode::Off) {
            warn!("--rule {name}: the rule is off in the configuration, so nothing is asked of it");
        }
    }
    let mut ids = Vec::with_capacity(accounts.len());
    for account in accounts {
        let declared = config
            .accounts
            .iter()
            .find(|known| known.id.as_str() == account || known.name.as_ref() == Some(account));
        match declared {
            Some(declared) => ids.push(declared.id.clone()),
            None if config.is_of_one_account() => ids.push(AccountId::parse(account).context("--account")?),
            None => {
                let known: Vec<_> = config.accounts.iter().map(|known| known.id.as_str()).collect();
                anyhow::bail!(
                    "--account: `{account}` is not configured; there are {}",
                    known.join(", ")
                );
            }
        }
    }
    Ok(Selection {
        rules: rules.to_vec(),
        accounts: ids,
    })
}
