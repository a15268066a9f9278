//! `iamwarden doctor`: checks credentials, permissions, state and channels, and says what to mend.

use chrono::{DateTime, Utc};
use secrecy::ExposeSecret as _;

use super::opening::{Opening, StateUse, state_url};
use super::{Exit, print};
use crate::aws::Purpose;
use crate::config::{Config, LeftOut, Mode};
use crate::daemon::{House, Reach, Reading, Run, Selection, Surveyed};
use crate::inventory::Snapshot;
use crate::model::{counted, visible};
use crate::plan::{PlanOptions, plan_account};
use crate::rules::REGISTRY;
use crate::state::State;
use crate::telemetry::Chain;

pub(super) async fn run(opening: &Opening, send: bool) -> anyhow::Result<Exit> {
    let mut house = opening.house(StateUse::Read).await?;
    let mut report = Report::default();
    report.good(format!("configuration: valid ({})", house.config.digest()));
    if house.config.dry_run {
        report.note("dry_run = true: nothing is changed, and owners are told nothing");
    }
    state(&mut house, &mut report).await;
    for rule in house.config.rules_never_due(house.clock.now()) {
        report.bad(format!(
            "schedule of {rule}: has no time left, the rule never runs"
        ));
    }
    let progress = super::results::Progress::start("reading AWS");
    match house.with_accounts().await {
        Ok(found) => {
            organization(&found, &mut report);
            accounts(&found, &mut report).await;
        }
        Err(error) => report.bad(format!("organization: {error:#}")),
    }
    progress.end();
    channels(&house, &mut report, send).await?;
    let all_good = report.problems == 0;
    report.text.push_str(match all_good {
        true => "All is well.\n",
        false => "Mend what is marked with ✗; nothing is changed where something is unknown.\n",
    });
    if let Some(state) = &house.state {
        state.close().await;
    }
    print(&report.text)?;
    Ok(if all_good { Exit::Ok } else { Exit::Error })
}

#[derive(Default)]
struct Report {
    text: String,
    problems: usize,
}

impl Report {
    fn good(&mut self, line: impl AsRef<str>) {
        self.text.push_str(&format!("✓ {}\n", line.as_ref()));
    }

    /// Worth a look, and no problem by itself.
    fn note(&mut self, line: impl AsRef<str>) {
        self.text.push_str(&format!("! {}\n", line.as_ref()));
    }

    fn bad(&mut self, line: impl AsRef<str>) {
        self.problems += 1;
        self.text.push_str(&format!("✗ {}\n", line.as_ref()));
    }

    fn join(&mut self, other: Self) {
        let Self { text, problems } = other;
        self.text.push_str(&text);
        self.problems += problems;
    }
}

/// One that is there is opened as the daemon opens it; there is none to be made.
async fn state(house: &mut House, report: &mut Report) {
    let Some(known) = &mut house.state else {
        let url = &house.config.state.url;
        match State::ensure_can_be_made(url) {
            Ok(()) => report.good(format!(
                "state: there is none yet at {url}; the first run makes it"
            )),
            Err(error) => report.bad(error.to_string()),
        }
        return;
    };
    let url = match state_url(&house.config.state.url, house.sessions.secrets()).await {
        Ok(url) => url,
        Err(error) => return report.bad(format!("state: {error:#}")),
    };
    match State::open(url.expose_secret()).await {
        Ok(opened) => {
            match opened.state.check_writable().await {
                Ok(()) => report.good(format!(
                    "state: {} can be read and written",
                    house.config.state.url
                )),
                Err(error) => report.bad(error.to_string()),
            }
            *known = opened.state;
        }
        Err(error) => report.bad(error.to_string()),
    }
    match known.verify(None).await {
        Ok(verified) if verified.is_whole() => {
            report.good(format!("audit chain: whole, head {}", verified.head))
        }
        Ok(verified) => report.bad(format!(
            "audit chain: broken, {} faults: see `iamwarden history --verify`",
            verified.faults.len()
        )),
        Err(error) => report.bad(error.to_string()),
    }
    match known.frozen().await {
        Ok(None) => {}
        Ok(Some(freeze)) => report.note(format!(
            "all changes are frozen by {} since {}: {} (`iamwarden unfreeze` releases them)",
            freeze.by,
            freeze.at.format("%Y-%m-%d %H:%M UTC"),
            freeze.reason
        )),
        Err(error) => report.bad(error.to_string()),
    }
    match known.dead_messages().await {
        Ok(dead) => {
            if let Some(last) = dead.first() {
                report.note(format!(
                    "messages given up: {}, the last for channel {} on {}: {} (`iamwarden history` lists them)",
                    dead.len(),
                    last.channel,
                    last.dead_at.format("%Y-%m-%d %H:%M UTC"),
                    last.error
                ));
            }
        }
        Err(error) => report.bad(error.to_string()),
    }
}

/// Who is looked after of the organization, and who is not.
fn organization(house: &House, report: &mut Report) {
    let Some(roster) = &house.roster else { return };
    report.good(format!(
        "organization: read whole; {} to look after, {} left out",
        counted(house.config.accounts.len(), "account", "accounts"),
        roster.left_out.len()
    ));
    for LeftOut { id, name, why } in &roster.left_out {
        report.note(format!("account {id} ({}): left out, {why}", visible(name)));
    }
    for account in &house.config.accounts {
        if house.config.is_rolled_out(&account.id) == Some(true) {
            report.note(format!(
                "account {}: rolled out, rules have their modes",
                account.id
            ));
        }
    }
}

/// Reads every account as a plan would: the surest check of credentials and permissions.
async fn accounts(house: &House, report: &mut Report) {
    let run = Run::new(house, Reach::Look);
    let now = run.now;
    let check = |reading| async move { Ok(account(&house.config, &reading, now)) };
    match run.read(&Selection::default(), check).await {
        Ok(reports) => reports.into_iter().for_each(|of_account| report.join(of_account)),
        // What lies beneath the first two are the SDK's own words for the same.
        Err(error) => {
            let causes: Vec<_> = error.chain().take(2).map(ToString::to_string).collect();
            return report.bad(format!("credentials: {}", causes.join("\n    ")));
        }
    }
    for account in house
        .config
        .accounts
        .iter()
        .filter(|account| account.rollback_role_arn.is_some())
    {
        match house
            .sessions
            .connect(Some(account), Purpose::Rollback, house.clock.now())
            .await
        {
            Ok(session) => report.good(format!(
                "account {}: rollback as {}",
                account.id,
                session.caller().arn
            )),
            Err(error) => report.bad(format!(
                "account {}: rollback role: {}",
                account.id,
                Chain(&error)
            )),
        }
    }
}

/// What became of reading one account.
fn account(config: &Config, reading: &Reading, now: DateTime<Utc>) -> Report {
    let mut report = Report::default();
    let surveyed = match reading {
        Reading::Done(surveyed) => surveyed,
        Reading::Failed { id, gap, .. } => {
            report.bad(format!("account {id}: {} failed: {}", gap.operation, gap.detail));
            return report;
        }
    };
    let Surveyed {
        snapshot, history, ..
    } = surveyed.as_ref();
    let (id, name, caller) = (&snapshot.account, &snapshot.name, &snapshot.caller.arn);
    if snapshot.gaps.is_empty() {
        let name = if name == id.as_str() {
            String::new()
        } else {
            format!(" ({name})")
        };
        report.good(format!("account {id}{name}: read whole, as {caller}"));
    }
    grants(config, snapshot, &mut report);
    let plan = plan_account(config, snapshot, history, now, &PlanOptions::default());
    for gap in &plan.summary.errors {
        if let Some(rule) = gap.operation.strip_prefix("rule:") {
            report.bad(format!(
                "account {id}: rule {rule} cannot do its work: {}",
                gap.detail
            ));
            continue;
        }
        let on = gap.resource.as_ref().map(|arn| format!(" of {arn}"));
        let on = on.unwrap_or_default();
        report.bad(format!(
            "account {id}: {}{on} failed: {}",
            gap.operation, gap.detail
        ));
    }
    report
}

/// Reading proves that reading is allowed; what may be changed only its policies tell beforehand.
fn grants(config: &Config, snapshot: &Snapshot, report: &mut Report) {
    let needed = super::permissions::needed(config);
    let (id, caller) = (&snapshot.account, &snapshot.caller.arn);
    match super::grants::missing(snapshot, &needed) {
        Some(missing) if missing.is_empty() => report.good(format!(
            "account {id}: its policies allow {caller} all {} actions that rules and modes need",
            needed.len()
        )),
        Some(missing) => report.bad(format!(
            "account {id}: no policy allows {caller} {}: see `iamwarden permissions`",
            missing.join(", ")
        )),
        None => report.note(format!(
            "account {id}: the policies of {caller} are not known here, so what it may change shows only then"
        )),
    }
}

async fn channels(house: &House, report: &mut Report, send: bool) -> anyhow::Result<()> {
    let courier = house.courier()?;
    for channel in &house.config.notifications.channels {
        let id = format!("msg_{}", crate::daemon::new_id(house.clock.now()));
        let (checked, what) = match send {
            true => (
                courier.send_test(&channel.name, &id, house.clock.now()).await,
                "took a test message",
            ),
            false => (
                courier.check_channel(&channel.name).await,
                "its URL and secret can be used",
            ),
        };
        match checked {
            Ok(()) => report.good(format!("channel {}: {what}", channel.name)),
            Err(error) => report.bad(format!("channel {}: {}", channel.name, Chain(&error))),
        }
    }
    if house.config.notifications.channels.is_empty() {
        let rules = &house.config.rules;
        let acts = |mode: Mode| mode >= Mode::Approve;
        let (rotation, unused) = (&rules.access_key_rotation, &rules.unused_access_keys);
        let waits = acts(rotation.mode) && !rotation.minimum_notice.is_zero()
            || acts(unused.mode) && !unused.minimum_notice.is_zero();
        if waits {
            report.bad(
                "channels: none is declared, so no owner can be told, and no key is disabled before that",
            );
        } else if REGISTRY.iter().any(|rule| acts((rule.mode)(&house.config))) {
            report.note("channels: none is declared, so nobody hears of changes");
        }
    }
    Ok(())
}
