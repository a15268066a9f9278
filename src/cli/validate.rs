//! `iamwarden validate` and `schema`: offline.

use super::opening::Opening;
use super::{Exit, print};
use crate::config;

pub(super) fn validate(opening: &Opening) -> anyhow::Result<Exit> {
    let loaded = opening.load()?;
    print(&format!(
        "The configuration is valid ({}).\n",
        loaded.config.digest()
    ))?;
    Ok(Exit::Ok)
}

pub(super) fn schema() -> anyhow::Result<Exit> {
    print(&format!("{:#}\n", config::json_schema()))?;
    Ok(Exit::Ok)
}
