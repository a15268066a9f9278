//! `iamwarden explain`: all that is known of one principal, and why each rule says what it says.

use anyhow::Context as _;

use super::opening::{Opening, StateUse, selection};
use super::{Exit, print};
use crate::daemon::{House, Reach, Reading, Run, Surveyed};
use crate::inventory::{Authorization, LastUsed, Snapshot};
use crate::model::{Arn, visible};
use crate::plan::{AccountPlan, PlanOptions, plan_account};
use crate::state::ActionRecord;

pub(super) async fn run(opening: &Opening, principal: &str, account: Option<&str>) -> anyhow::Result<Exit> {
    let house = opening.house(StateUse::Read).await?;
    let accounts: Vec<_> = account.map(ToOwned::to_owned).into_iter().collect();
    let selection = selection(&house.config, &[], &accounts)?;
    let run = Run::new(&house, Reach::Look);
    let mut text = String::new();
    for reading in run.read(&selection).await? {
        let surveyed = match reading {
            Reading::Done(surveyed) => surveyed,
            Reading::Failed { id, gap, .. } => {
                text.push_str(&format!(
                    "account {id} could not be read: {} failed: {}\n",
                    gap.operation, gap.detail
                ));
                continue;
            }
        };
        let Some(authorization) = surveyed.snapshot.authorization.known() else {
            text.push_str(&format!(
                "the principals of account {} could not be read\n",
                surveyed.snapshot.account
            ));
            continue;
        };
        for arn in matching(authorization, principal) {
            text.push_str(&explained(&house, &surveyed, authorization, &arn, &run).await?);
        }
    }
    anyhow::ensure!(!text.is_empty(), "no user, group or role is called `{principal}`");
    print(&text)?;
    Ok(Exit::Ok)
}

/// By ARN, by `user/NAME` with or without the path, or by bare name.
pub(super) fn matching(authorization: &Authorization, wanted: &str) -> Vec<Arn> {
    let users = authorization.users.iter().map(|user| &user.arn);
    let groups = authorization.groups.iter().map(|group| &group.arn);
    let roles = authorization.roles.iter().map(|role| &role.arn);
    let fits = |arn: &&Arn| {
        let kind = arn.resource().split('/').next().unwrap_or_default();
        let short = format!("{kind}/{}", arn.name());
        [arn.as_str(), arn.resource(), arn.name(), &short]
            .iter()
            .any(|name| name.eq_ignore_ascii_case(wanted))
    };
    users.chain(groups).chain(roles).filter(fits).cloned().collect()
}

async fn explained(
    house: &House,
    surveyed: &Surveyed,
    authorization: &Authorization,
    arn: &Arn,
    run: &Run<'_>,
) -> anyhow::Result<String> {
    let Surveyed {
        snapshot,
        history,
        session: _,
    } = surveyed;
    let plan = plan_account(&house.config, snapshot, history, run.now, &PlanOptions::default());
    let past = match &house.state {
        Some(state) => state
            .actions_on(arn)
            .await
            .context("reading what was done to it")?,
        None => Vec::new(),
    };
    let mut text = format!("{arn}\n");
    facts(&mut text, authorization, snapshot, arn);
    verdicts(&mut text, &plan, arn);
    actions(&mut text, &past);
    Ok(text)
}

fn facts(text: &mut String, authorization: &Authorization, snapshot: &Snapshot, arn: &Arn) {
    if let Some(user) = authorization.users.iter().find(|user| user.arn == *arn) {
        text.push_str(&format!(
            "  made {}, in groups: {}\n",
            user.created_at.format("%Y-%m-%d"),
            list(&user.groups)
        ));
        let credentials = user
            .credentials
            .as_ref()
            .and_then(crate::inventory::Reading::known);
        for key in credentials
            .iter()
            .flat_map(|credentials| &credentials.access_keys)
        {
            let id = key
                .id
                .as_ref()
                .map_or("(id not read: far from any limit)", |id| id.as_str());
            let used = match key.last_used.known() {
                Some(LastUsed::Never) => "never used".to_owned(),
                Some(LastUsed::At { at, .. }) => format!("last used {}", at.format("%Y-%m-%d")),
                None => "last use not known".to_owned(),
            };
            let made = key.created_at.format("%Y-%m-%d");
            text.push_str(&format!(
                "  access key {id}: {}, made {made}, {used}\n",
                key.status.as_str()
            ));
        }
        let tags: Vec<_> = user
            .tags
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        text.push_str(&format!("  tags: {}\n", list(&tags)));
    }
    if let Some(role) = authorization.roles.iter().find(|role| role.arn == *arn) {
        let used = role
            .last_used_at
            .map_or("not in the tracking period".to_owned(), |at| {
                at.format("%Y-%m-%d").to_string()
            });
        text.push_str(&format!(
            "  made {}, last used: {used}\n",
            role.created_at.format("%Y-%m-%d")
        ));
    }
    let attached = attached(authorization, arn);
    text.push_str(&format!("  attached: {}\n", list(&attached)));
    if let Some(report) = snapshot.last_accessed.get(arn) {
        match report.as_result() {
            Ok(report) => {
                let used = report.services.iter().filter_map(|(service, row)| {
                    row.last_authenticated
                        .map(|at| format!("{service} ({})", at.format("%Y-%m-%d")))
                });
                text.push_str(&format!("  services used: {}\n", list(&used.collect::<Vec<_>>())));
            }
            Err(gap) => text.push_str(&format!("  services used: not known ({})\n", gap.detail)),
        }
    }
}

fn attached(authorization: &Authorization, arn: &Arn) -> Vec<String> {
    let users = authorization.users.iter().map(|user| (&user.arn, &user.attached));
    let groups = authorization
        .groups
        .iter()
        .map(|group| (&group.arn, &group.attached));
    let roles = authorization.roles.iter().map(|role| (&role.arn, &role.attached));
    let all = users.chain(groups).chain(roles);
    all.filter(|(of, _)| *of == arn)
        .flat_map(|(_, policies)| policies.iter().map(|p| p.name.clone()))
        .collect()
}

fn list(items: &[String]) -> String {
    match items.is_empty() {
        true => "none".to_owned(),
        false => visible(&items.join(", ")).into_owned(),
    }
}

fn verdicts(text: &mut String, plan: &AccountPlan, arn: &Arn) {
    let findings: Vec<_> = plan
        .findings
        .iter()
        .filter(|finding| finding.resource == *arn)
        .collect();
    if findings.is_empty() {
        text.push_str("  no rule has anything to say of it\n");
    }
    for finding in findings {
        text.push_str(&format!(
            "  {} ({}): {}\n",
            finding.rule,
            finding.status.as_str(),
            visible(&finding.title)
        ));
        text.push_str(&format!("      {}\n", visible(&finding.detail)));
        for action in plan
            .actions
            .iter()
            .filter(|a| a.finding == finding.id || a.also.contains(&finding.id))
        {
            let held = action.withheld_reason.map_or("due".to_owned(), |reason| {
                format!(
                    "withheld: {}",
                    action.withheld_detail.as_deref().unwrap_or(reason.explanation())
                )
            });
            text.push_str(&format!(
                "      {} {}: {}\n",
                action.change.kind(),
                action.id,
                visible(&held)
            ));
        }
    }
}

fn actions(text: &mut String, past: &[ActionRecord]) {
    for record in past {
        text.push_str(&format!(
            "  {}  {} {} {}: {}\n",
            record.at.format("%Y-%m-%d %H:%M UTC"),
            record.direction.as_str(),
            record.kind,
            record.id,
            record.outcome.as_str(),
        ));
    }
}
