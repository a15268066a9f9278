//! `iamwarden state`: what iamwarden remembers, moved elsewhere.

use anyhow::Context as _;
use secrecy::ExposeSecret as _;

use super::arguments::StateCommand;
use super::opening::{Opening, StateUse, person, state_url};
use super::{Exit, print};
use crate::model::StateUrl;
use crate::state::{State, Transferred};

pub(super) async fn run(opening: &Opening, command: &StateCommand) -> anyhow::Result<Exit> {
    match command {
        StateCommand::Migrate { to, by } => migrate(opening, to, by.clone()).await,
    }
}

async fn migrate(opening: &Opening, to: &str, by: Option<String>) -> anyhow::Result<Exit> {
    let by = person(by)?;
    let house = opening.house(StateUse::Read).await?;
    let from = &house.config.state.url;
    if house.state.is_none() {
        anyhow::bail!("there is no state at {from}, so nothing can be moved");
    }
    if let Ok(StateUrl::Postgres(address)) = StateUrl::parse(to)
        && address.has_password()
    {
        anyhow::bail!(
            "--to: a password on the command line is seen by everybody on this machine; leave it out and set PGPASSWORD or \
             PGPASSFILE, or name a secret that holds the whole address (env:NAME, file:PATH, secretsmanager:NAME)"
        );
    }
    let secrets = house.sessions.secrets();
    let (source, target) = (
        state_url(from, secrets).await?,
        state_url(to, secrets).await.context("--to")?,
    );
    let shown = StateUrl::parse(target.expose_secret()).context("--to")?;
    if !matches!(shown, StateUrl::Postgres(_)) {
        anyhow::bail!("--to: a state is moved to PostgreSQL only; copy the file of SQLite to move that");
    }
    // Opened anew: until here it was read only.
    let source = State::open(source.expose_secret()).await?.state;
    let target = State::open(target.expose_secret()).await?.state;
    let moved = source
        .transfer_to(&target, &shown.to_string(), &by, house.clock.now())
        .await;
    source.close().await;
    target.close().await;
    print(&told(&moved?, from, &shown, to))?;
    Ok(Exit::Ok)
}

fn told(moved: &Transferred, from: &str, shown: &StateUrl, to: &str) -> String {
    let Transferred { rows, head } = moved;
    let all: u64 = rows.iter().map(|(_, rows)| rows).sum();
    let tables: Vec<_> = rows
        .iter()
        .filter(|(_, rows)| *rows > 0)
        .map(|(table, rows)| format!("  {table}: {rows}\n"))
        .collect();
    format!(
        "Moved {} rows from {from} to {shown}:\n{}The audit chain there is whole: head {head}.\n\
         The old state is frozen, so that whoever still uses it changes nothing. Keep it as a backup.\n\n\
         Now change the configuration of every iamwarden that used it, and start it again:\n\n\
         [state]\nurl = {}\n",
        all,
        tables.concat(),
        toml::Value::from(to),
    )
}
