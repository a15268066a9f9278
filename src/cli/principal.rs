//! Which thing a name on the command line means.

use anyhow::Context as _;

use super::explain::matching;
use super::opening::selection;
use crate::daemon::{House, Reach, Reading, Run};
use crate::model::{AccountId, Arn};

/// The one thing of this name, with its account and who asked AWS for it. An ARN means itself, and AWS is not asked; a name
/// is looked up there.
pub(super) async fn find(
    house: &House,
    principal: &str,
    account: Option<&str>,
) -> anyhow::Result<(AccountId, Arn, Option<Arn>)> {
    if let Ok(arn) = Arn::parse(principal) {
        let id = AccountId::parse(arn.account()).context("the ARN names no account")?;
        anyhow::ensure!(
            account.is_none_or(|account| account == id.as_str()),
            "{arn} is not in account {}",
            account.unwrap_or_default()
        );
        return Ok((id, arn, None));
    }
    let (id, arn, caller) = look_up(house, principal, account).await?;
    Ok((id, arn, Some(caller)))
}

/// The one principal of this name or ARN in AWS, with its account and who asked.
pub(super) async fn look_up(
    house: &House,
    principal: &str,
    account: Option<&str>,
) -> anyhow::Result<(AccountId, Arn, Arn)> {
    let house = house.with_accounts().await?;
    let accounts: Vec<_> = account.map(ToOwned::to_owned).into_iter().collect();
    let selection = selection(&house.config, &[], &accounts)?;
    let run = Run::new(&house, Reach::Look);
    let find = |reading| async move { found_in(reading, principal) };
    let mut found = run.read(&selection, find).await?.concat();
    match (found.pop(), found.as_slice()) {
        (Some(one), []) => Ok(one),
        (None, _) => anyhow::bail!("no user, group or role is called `{principal}`"),
        (Some(last), several) => {
            let others = several.iter().map(|(_, arn, _)| arn.as_str());
            let names: Vec<_> = others.chain([last.1.as_str()]).collect();
            anyhow::bail!(
                "`{principal}` is one of several, name it by its ARN: {}",
                names.join(", ")
            )
        }
    }
}

/// All of this name in the account.
fn found_in(reading: Reading, principal: &str) -> anyhow::Result<Vec<(AccountId, Arn, Arn)>> {
    let surveyed = match reading {
        Reading::Done(surveyed) => surveyed,
        Reading::Failed { id, gap, .. } => anyhow::bail!(
            "account {id} could not be read ({} failed: {}): name another with --account",
            gap.operation,
            gap.detail
        ),
    };
    let account = &surveyed.snapshot.account;
    let authorization = surveyed.snapshot.authorization.known();
    let authorization =
        authorization.with_context(|| format!("the principals of account {account} could not be read"))?;
    let caller = &surveyed.session.caller().arn;
    let found = matching(authorization, principal).into_iter();
    Ok(found.map(|arn| (account.clone(), arn, caller.clone())).collect())
}
