//! `iamwarden report`: how it stands with all findings, and how it stood the last time.

use std::time::Duration;

use anyhow::Context as _;
use serde_json::json;

use super::arguments::HistoryFormat;
use super::opening::{Opening, StateUse};
use super::{Exit, print};
use crate::model::visible;
use crate::notify::{StandingReport, Trend};

/// How long what is due is sent; the rest stays in the outbox, for the daemon.
const DELIVERY: Duration = Duration::from_secs(60);

pub(super) async fn run(opening: &Opening, format: HistoryFormat, send: bool) -> anyhow::Result<Exit> {
    let house = opening
        .house(if send { StateUse::Write } else { StateUse::Read })
        .await?;
    let state = house
        .state
        .clone()
        .context("there is no state yet: nothing was ever looked at")?;
    let report = house.report(&state).await?;
    print(&match format {
        HistoryFormat::Json => format!("{}\n", json!(report)),
        HistoryFormat::Text => text(&report),
    })?;
    if send {
        let queued = house.send_report(&state).await?;
        let delivery = house.deliver(&house.courier()?, &state, DELIVERY).await?;
        print(&format!(
            "\nSent: {queued} messages, {} accepted by now.\n",
            delivery.accepted
        ))?;
    }
    Ok(Exit::Ok)
}

fn trend(trend: Trend) -> String {
    match trend.before {
        Some(before) => format!("{:>5}  (before: {before})", trend.now),
        None => format!("{:>5}", trend.now),
    }
}

fn text(report: &StandingReport) -> String {
    let StandingReport {
        since,
        total,
        accounts,
        rules,
        owners,
        new,
        gone,
        top,
    } = report;
    let mut text = format!("Findings   {}\n", trend(*total).trim_start());
    if let Some(since) = since {
        text.push_str(&format!(
            "Since {}: {new} new, {gone} gone\n",
            since.format("%Y-%m-%d %H:%M UTC")
        ));
    }
    let mut list = |heading: &str, rows: Vec<(String, Trend)>| {
        if !rows.is_empty() {
            text.push_str(&format!("\n{heading}\n"));
        }
        for (name, counted) in rows {
            text.push_str(&format!("{}  {name}\n", trend(counted)));
        }
    };
    list(
        "By account",
        accounts
            .iter()
            .map(|(id, counted)| (id.to_string(), *counted))
            .collect(),
    );
    list(
        "By rule",
        rules
            .iter()
            .map(|(rule, counted)| (rule.to_string(), *counted))
            .collect(),
    );
    let name = |owner: &Option<crate::model::Owner>| {
        owner
            .as_ref()
            .map_or("nobody".to_owned(), |owner| visible(&owner.0).into_owned())
    };
    list(
        "By owner",
        owners
            .iter()
            .map(|(owner, counted)| (name(owner), *counted))
            .collect(),
    );
    if !top.is_empty() {
        text.push_str("\nThe worst\n");
    }
    for finding in top {
        text.push_str(&format!(
            "{:<9} {} ({}, {})\n",
            finding.severity.as_str(),
            visible(&finding.title),
            finding.account,
            finding.id.as_str()
        ));
    }
    text
}
