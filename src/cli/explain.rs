//! `iamwarden explain`: all that is known of one principal, and why each rule says what it says.

use anyhow::Context as _;

use super::opening::{Opening, StateUse, selection};
use super::{Exit, print};
use crate::aws::Session;
use crate::config::{Config, Mode};
use crate::daemon::{House, Reach, Reading, Run, Surveyed};
use crate::inventory::{
    AttachedPolicy, Authorization, Credentials, InlinePolicy, LastUsed, Reading as Read, Snapshot,
};
use crate::model::{AccountId, Arn, Finding, visible};
use crate::plan::{AccountPlan, PlanOptions, plan_account};
use crate::rules::{REGISTRY, Rule};
use crate::state::ActionRecord;

pub(super) async fn run(opening: &Opening, principal: &str, account: Option<&str>) -> anyhow::Result<Exit> {
    let house = opening.house(StateUse::Read).await?.with_accounts().await?;
    let accounts: Vec<_> = account.map(ToOwned::to_owned).into_iter().collect();
    let selection = selection(&house.config, &[], &accounts)?;
    let run = Run::new(&house, Reach::Look);
    let progress = super::results::Progress::start("reading AWS");
    let told = run
        .read(&selection, |reading| of_account(&house, principal, reading))
        .await?;
    progress.end();
    let (mut text, mut unread) = (String::new(), String::new());
    for account in told {
        match account {
            Told::Known(explained) => text.push_str(&explained),
            Told::Unread(why) => unread.push_str(&why),
        }
    }
    print(&text)?;
    // One that may be there and could not be looked for is not one that is not there.
    anyhow::ensure!(unread.is_empty(), "{}", unread.trim_end());
    anyhow::ensure!(!text.is_empty(), "no user, group or role is called `{principal}`");
    Ok(Exit::Ok)
}

/// What an account has to say of the principal.
enum Told {
    /// All that is known; nothing where it is not there.
    Known(String),
    /// Why nobody knows whether it is there.
    Unread(String),
}

async fn of_account(house: &House, principal: &str, reading: Reading) -> anyhow::Result<Told> {
    let surveyed = match reading {
        Reading::Done(surveyed) => surveyed,
        Reading::Failed { id, gap, .. } => {
            return Ok(Told::Unread(format!(
                "account {id} could not be read: {} failed: {}\n",
                gap.operation, gap.detail
            )));
        }
    };
    let account = &surveyed.snapshot.account;
    let authorization = match surveyed.snapshot.authorization.as_result() {
        Ok(authorization) => authorization,
        Err(gap) => {
            return Ok(Told::Unread(format!(
                "the principals of account {account} could not be read: {} failed: {}\n",
                gap.operation, gap.detail
            )));
        }
    };
    let mut text = String::new();
    for arn in matching(authorization, principal) {
        text.push_str(&explained(house, &surveyed, authorization, &arn).await?);
    }
    Ok(Told::Known(text))
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
) -> anyhow::Result<String> {
    let Surveyed {
        snapshot,
        history,
        session,
        settled: _,
        now,
    } = surveyed;
    let plan = plan_account(&house.config, snapshot, history, *now, &PlanOptions::default());
    let past = match &house.state {
        Some(state) => state
            .actions_on(arn)
            .await
            .context("reading what was done to it")?,
        None => Vec::new(),
    };
    let mut text = format!("{arn}\n");
    if let Some(reason) = held_to_report(&house.config, &snapshot.account) {
        fact(&mut text, "rollout", reason);
    }
    facts(&mut text, authorization, snapshot, arn);
    key_ids(&mut text, authorization, session, arn).await;
    mfa_devices(&mut text, authorization, session, arn).await;
    text.push_str("\n  What the rules say\n");
    let carriers = carriers(authorization, arn);
    for rule in &REGISTRY {
        verdict(
            &mut text,
            rule,
            house
                .config
                .mode_in(&snapshot.account, (rule.mode)(&house.config)),
            &plan,
            &carriers,
        );
    }
    actions(&mut text, &past);
    text.push('\n');
    Ok(text)
}

/// Why rules only report in the account, where that is so, or that they do not.
fn held_to_report(config: &Config, account: &AccountId) -> Option<String> {
    let rolled_out = config.is_rolled_out(account)?;
    let known = config.accounts.iter().find(|known| known.id == *account);
    let unit = match known.and_then(|known| known.membership.unit.as_ref()) {
        Some(unit) => format!("its unit is {unit}"),
        None => "its unit is not known".to_owned(),
    };
    Some(match rolled_out {
        true => format!("account {account} is rolled out ({unit}): rules have their modes"),
        false => format!(
            "account {account} is not rolled out ({unit}): neither rollout.accounts nor rollout.units means it, so every rule only reports there"
        ),
    })
}

/// A line of facts: a label and what is known.
fn fact(text: &mut String, label: &str, value: impl AsRef<str>) {
    text.push_str(&format!("  {label:<15} {}\n", visible(value.as_ref())));
}

fn facts(text: &mut String, authorization: &Authorization, snapshot: &Snapshot, arn: &Arn) {
    if let Some(user) = authorization.users.iter().find(|user| user.arn == *arn) {
        fact(text, "made", day(user.created_at));
        fact(
            text,
            "tags",
            list(user.tags.iter().map(|(key, value)| format!("{key}={value}"))),
        );
        fact(text, "groups", list(user.groups.iter().cloned()));
        credentials(text, user.credentials.as_ref());
        policies(text, &user.attached, &user.inline, user.boundary.as_ref());
    }
    if let Some(group) = authorization.groups.iter().find(|group| group.arn == *arn) {
        let members = authorization
            .users
            .iter()
            .filter(|user| user.groups.contains(&group.name));
        fact(text, "made", day(group.created_at));
        fact(text, "members", list(members.map(|user| user.name.clone())));
        policies(text, &group.attached, &group.inline, None);
    }
    if let Some(role) = authorization.roles.iter().find(|role| role.arn == *arn) {
        let used = role
            .last_used_at
            .map_or("not in the tracking period".to_owned(), day);
        fact(text, "made", day(role.created_at));
        fact(
            text,
            "tags",
            list(role.tags.iter().map(|(key, value)| format!("{key}={value}"))),
        );
        fact(text, "last used", used);
        policies(text, &role.attached, &role.inline, role.boundary.as_ref());
    }
    match snapshot.last_accessed.get(arn).map(Read::as_result) {
        Some(Ok(report)) => {
            let used = report.services.iter().filter_map(|(service, row)| {
                row.last_authenticated
                    .map(|at| format!("{service} ({})", day(at)))
            });
            fact(text, "services used", list(used));
        }
        Some(Err(gap)) => fact(text, "services used", format!("not known: {}", gap.detail)),
        None => {}
    }
}

fn credentials(text: &mut String, read: Option<&Read<Credentials>>) {
    let credentials = match read.map(Read::as_result) {
        Some(Ok(credentials)) => credentials,
        Some(Err(gap)) => return fact(text, "access keys", format!("not known: {}", gap.detail)),
        None => return,
    };
    if credentials.access_keys.is_empty() {
        fact(text, "access keys", "none");
    }
    for key in &credentials.access_keys {
        let id = key.id.as_ref().map_or("(far from any limit)", |id| id.as_str());
        let used = match key.last_used.as_result() {
            Ok(LastUsed::Never) => "never used".to_owned(),
            Ok(LastUsed::At { at, service, region }) => {
                let service = service.as_ref().map(|service| format!(" for {service}"));
                let region = region.as_ref().map(|region| format!(" in {region}"));
                format!(
                    "last used {}{}{}",
                    day(*at),
                    service.unwrap_or_default(),
                    region.unwrap_or_default()
                )
            }
            Err(gap) => format!("last use not known: {}", gap.detail),
        };
        let (status, made) = (key.status.as_str(), day(key.created_at));
        fact(text, "access key", format!("{id}: {status}, made {made}, {used}"));
    }
    let password = match credentials.password.as_result() {
        Ok(None) => "none".to_owned(),
        Ok(Some(password)) => {
            let set = password.last_changed.map_or("at an unknown time".to_owned(), day);
            let used = password
                .last_used
                .map_or("never used".to_owned(), |at| format!("last used {}", day(at)));
            format!("set {set}, {used}")
        }
        Err(gap) => format!("not known: {}", gap.detail),
    };
    fact(text, "password", password);
}

/// Of keys far from any limit the ids are not read for a plan; one principal's are worth a call.
async fn key_ids(text: &mut String, authorization: &Authorization, session: &Session, arn: &Arn) {
    let mut users = authorization.users.iter().filter(|user| user.arn == *arn);
    let credentials = users.find_map(|user| user.credentials.as_ref()?.known());
    let is_unread = credentials.is_some_and(|c| c.access_keys.iter().any(|key| key.id.is_none()));
    if is_unread {
        let ids = match session.reader().access_keys(arn).await {
            Ok(keys) => list(
                keys.iter()
                    .map(|key| format!("{} (made {})", key.id, day(key.created_at))),
            ),
            Err(error) => format!("not known: {error}"),
        };
        fact(text, "key ids", ids);
    }
}

/// Of most users a plan knows at most that there is one; one principal's devices are worth a call.
async fn mfa_devices(text: &mut String, authorization: &Authorization, session: &Session, arn: &Arn) {
    if authorization.users.iter().any(|user| user.arn == *arn) {
        let devices = match session.reader().mfa_devices(arn).await {
            Ok(serials) => list(serials.into_iter()),
            Err(error) => format!("not known: {error}"),
        };
        fact(text, "MFA devices", devices);
    }
}

/// Itself, and the groups that it is in: whose policies it has.
fn carriers(authorization: &Authorization, arn: &Arn) -> Vec<Arn> {
    let mut users = authorization.users.iter().filter(|user| user.arn == *arn);
    let names = users.next().map_or(&[][..], |user| user.groups.as_slice());
    let groups = authorization
        .groups
        .iter()
        .filter(|group| names.contains(&group.name));
    std::iter::once(arn)
        .chain(groups.map(|group| &group.arn))
        .cloned()
        .collect()
}

/// Whether the finding is about the first of these, or about a policy that one of them carries.
fn concerns(finding: &Finding, carriers: &[Arn]) -> bool {
    let carried_by = ["attached_to", "left_alone"]
        .iter()
        .filter_map(|fact| finding.evidence.get(*fact)?.as_array())
        .flatten();
    let names_one = carried_by
        .filter_map(|name| name.as_str())
        .any(|name| carriers.iter().any(|carrier| carrier.as_str() == name));
    names_one || carriers.first() == Some(&finding.resource)
}

fn policies(text: &mut String, attached: &[AttachedPolicy], inline: &[InlinePolicy], boundary: Option<&Arn>) {
    fact(
        text,
        "attached",
        list(attached.iter().map(|policy| policy.name.clone())),
    );
    fact(
        text,
        "inline",
        list(inline.iter().map(|policy| policy.name.clone())),
    );
    if let Some(boundary) = boundary {
        fact(text, "boundary", boundary.as_str());
    }
}

fn day(at: chrono::DateTime<chrono::Utc>) -> String {
    at.format("%Y-%m-%d").to_string()
}

fn list(items: impl Iterator<Item = String>) -> String {
    let items: Vec<_> = items.collect();
    match items.is_empty() {
        true => "none".to_owned(),
        false => items.join(", "),
    }
}

/// What one rule says: each finding with its reasons and its action, or that there is nothing.
fn verdict(text: &mut String, rule: &Rule, mode: Mode, plan: &AccountPlan, carriers: &[Arn]) {
    let word = match mode {
        Mode::Off => "off",
        Mode::Report => "report",
        Mode::Approve => "approve",
        Mode::Enforce => "enforce",
    };
    let is_its = |finding: &&Finding| concerns(finding, carriers) && finding.rule.as_str() == rule.name;
    let findings: Vec<_> = plan.findings.iter().filter(is_its).collect();
    if findings.is_empty() {
        let nothing = if mode == Mode::Off {
            "does not run"
        } else {
            "nothing to say"
        };
        text.push_str(&format!("  {} (mode {word}): {nothing}\n", rule.name));
    }
    for finding in findings {
        text.push_str(&format!(
            "  {} (mode {word}): {}: {}\n      {}\n",
            rule.name,
            finding.status.as_str(),
            visible(&finding.title),
            visible(&finding.detail)
        ));
        for action in plan
            .actions
            .iter()
            .filter(|action| action.findings().any(|id| *id == finding.id))
        {
            let held = action.withheld_reason.map_or("due".to_owned(), |reason| {
                let why = action.withheld_detail.as_deref().unwrap_or(reason.explanation());
                format!("withheld ({}): {why}", reason.as_str())
            });
            let (kind, id) = (action.change.kind(), &action.id);
            text.push_str(&format!("      {kind} {id}: {}\n", visible(&held)));
        }
    }
}

fn actions(text: &mut String, past: &[ActionRecord]) {
    if !past.is_empty() {
        text.push_str("\n  What was done to it\n");
    }
    for record in past {
        let detail = record.detail.as_ref().filter(|detail| !detail.is_empty());
        let detail = detail.map(|detail| format!(": {}", visible(detail)));
        text.push_str(&format!(
            "  {}  {} {} {}  {}{}\n",
            record.at.format("%Y-%m-%d %H:%M UTC"),
            record.direction.as_str(),
            record.kind,
            record.id,
            record.outcome.as_str(),
            detail.unwrap_or_default(),
        ));
    }
}
