//! `iamwarden snapshot`: the inventory as a file, for planning elsewhere.

use std::path::Path;

use super::opening::{Opening, StateUse, selection};
use super::{Exit, print};
use crate::daemon::{Reach, Reading, Run};

pub(super) async fn run(opening: &Opening, output: &Path, account: Option<&str>) -> anyhow::Result<Exit> {
    let house = opening.house(StateUse::Read).await?.with_accounts().await?;
    let accounts: Vec<_> = account.map(ToOwned::to_owned).into_iter().collect();
    let selection = selection(&house.config, &[], &accounts)?;
    let several = house.config.accounts.len() > 1 && accounts.is_empty();
    anyhow::ensure!(
        !several,
        "several accounts are configured: say which with --account"
    );
    let progress = super::results::Progress::start("reading AWS");
    let write = |reading| async move {
        let surveyed = match reading {
            Reading::Done(surveyed) => surveyed,
            Reading::Failed { gap, .. } => anyhow::bail!("{} failed: {}", gap.operation, gap.detail),
        };
        surveyed.snapshot.write_to(output)?;
        let gaps = surveyed.snapshot.gaps.len();
        Ok(format!(
            "Account {} written to {}; {gaps} gaps.\n",
            surveyed.snapshot.account,
            output.display()
        ))
    };
    let written = Run::new(&house, Reach::Look).read(&selection, write).await?;
    progress.end();
    anyhow::ensure!(!written.is_empty(), "there is no account to read");
    print(&written.concat())?;
    Ok(Exit::Ok)
}
