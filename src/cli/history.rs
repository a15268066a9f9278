//! `iamwarden history`: runs, actions and decisions, newest first; or the check of the audit chain.

use anyhow::Context as _;
use serde_json::json;

use super::arguments::HistoryFormat;
use super::opening::{Opening, StateUse};
use super::{Exit, print};
use crate::model::{Verdict, visible};
use crate::state::{DeadMessage, DecisionRecord, Direction, JournalHead, RunRecord, State, VerifyReport};

pub(super) async fn run(
    opening: &Opening,
    format: HistoryFormat,
    verify: bool,
    head: Option<&str>,
    limit: Option<u32>,
) -> anyhow::Result<Exit> {
    let house = opening.house(StateUse::Read).await?;
    let Some(state) = house.state else {
        let url = &house.config.state.url;
        anyhow::ensure!(
            !verify,
            "there is no state at {url}, so there is no audit chain to verify: check `state.url`"
        );
        print(&match format {
            HistoryFormat::Text => format!("There is no state yet at {url}, so nothing has happened.\n"),
            HistoryFormat::Json => "{\"runs\": [], \"decisions\": [], \"dead_messages\": []}\n".to_owned(),
        })?;
        return Ok(Exit::Ok);
    };
    if verify {
        return check(&state, format, head).await;
    }
    let limit = limit.unwrap_or(match format {
        HistoryFormat::Text => 50,
        HistoryFormat::Json => u32::MAX,
    });
    let (runs, decisions) = (state.runs(limit).await?, state.decisions(limit).await?);
    let dead = state.dead_messages().await?;
    print(&match format {
        HistoryFormat::Text => text(&runs, &decisions, &dead),
        HistoryFormat::Json => format!(
            "{:#}\n",
            json!({"runs": runs, "decisions": decisions, "dead_messages": dead})
        ),
    })?;
    Ok(Exit::Ok)
}

async fn check(state: &State, format: HistoryFormat, head: Option<&str>) -> anyhow::Result<Exit> {
    let expected: Option<JournalHead> = head.map(str::parse).transpose().context("--head")?;
    let report = state.verify(expected.as_ref()).await?;
    let VerifyReport { rows, head, faults } = &report;
    let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
    print(&match format {
        HistoryFormat::Json => {
            format!(
                "{:#}\n",
                json!({"whole": report.is_whole(), "rows": rows, "head": head.to_string(), "faults": faults})
            )
        }
        HistoryFormat::Text => match report.is_whole() {
            true => format!("The audit chain is whole: {rows} rows, head {head}.\n"),
            false => format!(
                "The audit chain is BROKEN: {rows} rows, head {head}.\n  {}\n",
                faults.join("\n  ")
            ),
        },
    })?;
    Ok(if report.is_whole() { Exit::Ok } else { Exit::Error })
}

fn text(runs: &[RunRecord], decisions: &[DecisionRecord], dead: &[DeadMessage]) -> String {
    let mut text = String::new();
    for run in runs {
        let RunRecord {
            id,
            started_at,
            command,
            caller: _,
            by,
            config_digest: _,
            finished_at: _,
            status,
            summary: _,
            actions,
        } = run;
        let at = started_at.format("%Y-%m-%d %H:%M:%S UTC");
        let by = by.as_ref().map(|by| format!(" by {}", visible(by)));
        let by = by.unwrap_or_default();
        text.push_str(&format!("{at}  {id}  {command}{by}  {status}\n"));
        for action in actions {
            let undone = action
                .rolled_back_at
                .map(|at| format!(", rolled back {}", at.format("%Y-%m-%d %H:%M UTC")));
            let undo = match action.direction {
                Direction::Apply => "",
                Direction::Undo => "undo ",
            };
            text.push_str(&format!(
                "    {:<12} {undo}{} {} of {} in {}  {}{}\n",
                action.outcome.as_str(),
                action.kind,
                visible(&action.subject),
                visible(action.resource.resource()),
                action.account,
                action.id,
                undone.unwrap_or_default(),
            ));
            if let Some(detail) = action.detail.as_ref().filter(|detail| !detail.is_empty()) {
                text.push_str(&format!("                 {}\n", visible(detail)));
            }
        }
    }
    if !decisions.is_empty() {
        text.push_str("\nDecisions\n");
    }
    for record in decisions {
        let word = match record.decision.verdict {
            Verdict::Approved => "approved",
            Verdict::Rejected => "rejected",
        };
        let spent = if record.spent { ", spent" } else { "" };
        let reason = record
            .reason
            .as_ref()
            .map(|reason| format!(": {}", visible(reason)));
        text.push_str(&format!(
            "{}  {word} {} by {}{spent}{}\n",
            record.decision.decided_at.format("%Y-%m-%d %H:%M:%S UTC"),
            record.decision.action,
            visible(&record.decision.by),
            reason.unwrap_or_default(),
        ));
    }
    if !dead.is_empty() {
        text.push_str("\nMessages given up\n");
    }
    for message in dead {
        let DeadMessage {
            id,
            channel,
            event,
            owner,
            created_at: _,
            attempts,
            dead_at,
            error,
        } = message;
        let owner = owner.as_ref().map_or("nobody", |owner| owner.0.as_str());
        text.push_str(&format!(
            "{}  {id}  {event} for {} by {}, tried {attempts} times\n                         {}\n",
            dead_at.format("%Y-%m-%d %H:%M:%S UTC"),
            visible(owner),
            visible(channel),
            visible(error),
        ));
    }
    if text.is_empty() {
        text.push_str("Nothing has happened yet.\n");
    }
    text
}
