//! `iamwarden freeze` and `unfreeze`: stops and releases all changes by a flag in the state.

use anyhow::Context as _;

use super::opening::{Opening, StateUse, person};
use super::{Exit, print};

pub(super) async fn freeze(opening: &Opening, reason: &str, by: Option<String>) -> anyhow::Result<Exit> {
    anyhow::ensure!(
        !reason.trim().is_empty(),
        "--reason is empty: say why, for whoever finds everything frozen"
    );
    let house = opening.house(StateUse::Write).await?;
    let state = house.state.context("there is no state")?;
    state.freeze(reason, &person(by)?, house.clock.now()).await?;
    print("Frozen: no change starts until `iamwarden unfreeze`.\n")?;
    Ok(Exit::Ok)
}

pub(super) async fn unfreeze(opening: &Opening, by: Option<String>) -> anyhow::Result<Exit> {
    let house = opening.house(StateUse::Write).await?;
    let state = house.state.context("there is no state")?;
    let was = state.unfreeze(&person(by)?, house.clock.now()).await?;
    print(&match was {
        Some(freeze) => format!("Released: it was frozen by {} ({}).\n", freeze.by, freeze.reason),
        None => "Nothing was frozen.\n".to_owned(),
    })?;
    if house.config.freeze {
        print("freeze = true in the configuration still holds everything.\n")?;
    }
    Ok(Exit::Ok)
}
