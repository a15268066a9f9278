//! `iamwarden doctor`: checks credentials, permissions, state and channels, and says what to mend.

use super::opening::{Opening, StateUse};
use super::{Exit, print};
use crate::aws::Purpose;
use crate::daemon::{House, Reach, Reading, Run, Selection};
use crate::model::RuleName;
use crate::state::State;
use crate::telemetry::Chain;

pub(super) async fn run(opening: &Opening, send: bool) -> anyhow::Result<Exit> {
    let house = opening.house(StateUse::Read).await?;
    let mut report = Report::default();
    report.good(format!("configuration: valid ({})", house.config.digest()));
    state(&house, &mut report).await;
    for rule in house.config.rules_never_due(house.clock.now()) {
        report.bad(format!(
            "schedule of {rule}: has no time left, the rule never runs"
        ));
    }
    accounts(&house, &mut report).await;
    channels(&house, &mut report, send).await?;
    let all_good = report.problems == 0;
    report.text.push_str(match all_good {
        true => "All is well.\n",
        false => "Mend what is marked with ✗; nothing is changed where something is unknown.\n",
    });
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

    fn bad(&mut self, line: impl AsRef<str>) {
        self.problems += 1;
        self.text.push_str(&format!("✗ {}\n", line.as_ref()));
    }
}

async fn state(house: &House, report: &mut Report) {
    let Some(known) = &house.state else {
        report.good(format!(
            "state: there is none yet at {}; the first run makes it",
            house.config.state.url
        ));
        return;
    };
    match State::open(&house.config.state.url).await {
        Ok(opened) => match opened.state.check().await {
            Ok(()) => report.good(format!(
                "state: {} can be read and written",
                house.config.state.url
            )),
            Err(error) => report.bad(error.to_string()),
        },
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
        Ok(Some(freeze)) => report.good(format!("frozen by {}: {}", freeze.by, freeze.reason)),
        Err(error) => report.bad(error.to_string()),
    }
}

/// Reads every account as a plan would: the surest check of credentials and permissions.
async fn accounts(house: &House, report: &mut Report) {
    let readings = match Run::new(house, Reach::Look).read(&Selection::default()).await {
        Ok(readings) => readings,
        Err(error) => return report.bad(format!("credentials: {error:#}")),
    };
    for reading in readings {
        match reading {
            Reading::Failed { id, gap, .. } => {
                report.bad(format!("account {id}: {} failed: {}", gap.operation, gap.detail))
            }
            Reading::Done(surveyed) => {
                let (snapshot, caller) = (&surveyed.snapshot, &surveyed.snapshot.caller.arn);
                if snapshot.gaps.is_empty() {
                    report.good(format!(
                        "account {} ({}): read whole, as {caller}",
                        snapshot.account, snapshot.name
                    ));
                }
                for gap in &snapshot.gaps {
                    let on = gap
                        .resource
                        .as_ref()
                        .map(|arn| format!(" of {arn}"))
                        .unwrap_or_default();
                    report.bad(format!(
                        "account {}: {}{on} failed: {}",
                        snapshot.account, gap.operation, gap.detail
                    ));
                }
            }
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
    let acting: Vec<RuleName> = crate::rules::enabled(&house.config, &[])
        .into_iter()
        .filter(|rule| {
            house
                .config
                .rules
                .mode(rule)
                .is_some_and(|mode| mode >= crate::config::Mode::Approve)
        })
        .collect();
    if !acting.is_empty() && house.config.notifications.channels.is_empty() {
        report.bad("channels: none is declared, so no owner can be told and no key is ever disabled");
    }
    Ok(())
}
