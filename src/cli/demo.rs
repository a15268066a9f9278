//! `iamwarden demo`: the main job on an embedded simulated account. No AWS account, no network, no prior set-up.

use std::path::PathBuf;

use anyhow::Context as _;

use super::opening::Opening;
use super::{Exit, print};
use crate::daemon::Clock;
use crate::demo;

pub(super) async fn run(opening: &Opening, output: Option<PathBuf>) -> anyhow::Result<Exit> {
    let folder = match output {
        Some(folder) => folder,
        None => std::env::temp_dir().join(format!(
            "iamwarden-demo-{}",
            crate::daemon::new_id(Clock::system().now())
        )),
    };
    std::fs::create_dir_all(&folder).with_context(|| format!("making the folder {}", folder.display()))?;
    let mut tell = |text: &str| print(text);
    let played = Box::pin(demo::play(&folder, &opening.shutdown, &mut tell));
    let told = opening.shutdown.unless_requested(played).await;
    told.context("told to stop")??;
    Ok(Exit::Ok)
}
