//! Notices: the dates that messages announce to owners. One counts once a channel has accepted its message.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::attempts::parse_account;
use super::connection::Connection;
use super::encoding::{json_text, parse_json, parse_optional_time, parse_time, time_text};
use super::error::Cause;
use super::journal::{Entry, JournalKind, append};
use super::outbox::{MessageKey, NewMessage, parse_event};
use super::statement::query;
use crate::model::{AccountId, Arn, Finding, FindingId, Notice, NoticeItem, Owner};

/// The dates that a message will announce, to count once it is accepted.
pub(super) async fn queue_notices(
    connection: &mut Connection,
    message: &NewMessage,
    now: DateTime<Utc>,
) -> Result<(), Cause> {
    for (
        account,
        announcing,
        NoticeItem {
            finding,
            subject,
            ladder,
            announced_for,
        },
    ) in &message.notices
    {
        query(
            "INSERT INTO notices \
             (message, account, finding, event, subject, ladder, announced_for, queued_at, dead) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0)",
        )
        .bind(&message.id)
        .bind(account.as_str())
        .bind(finding.as_str())
        .bind(announcing.as_str())
        .bind(subject)
        .bind(json_text("notice", ladder)?)
        .bind(time_text(*announced_for))
        .bind(time_text(now))
        .execute(connection)
        .await?;
    }
    Ok(())
}

/// The dates of a message that was given up do not count, so they can be announced anew.
pub(super) async fn bury_notices(connection: &mut Connection, message: &str) -> Result<(), Cause> {
    query("UPDATE notices SET dead = 1 WHERE message = $1")
        .bind(message)
        .execute(connection)
        .await?;
    Ok(())
}

/// The dates of a message count from now on: one row in the journal for every account.
pub(super) async fn accept_notices(
    connection: &mut Connection,
    message: &MessageKey,
    now: DateTime<Utc>,
) -> Result<(), Cause> {
    let rows: Vec<AcceptedNotice> = query(
        "SELECT account, finding, subject, ladder, announced_for FROM notices WHERE message = $1 \
         ORDER BY account, finding, subject, ladder",
    )
    .bind(&message.id)
    .fetch_all(connection)
    .await?;
    for of_account in rows.chunk_by(|a, b| a.0 == b.0) {
        let Some((account, ..)) = of_account.first() else {
            continue;
        };
        let account = parse_account(account)?;
        let mut notices = Vec::with_capacity(of_account.len());
        for (_, finding, subject, ladder, announced_for) in of_account {
            notices.push(accepted_notice(finding, subject, ladder, announced_for)?);
        }
        let payload = json!({
            "message": message.id,
            "channel": message.channel,
            "event": message.event,
            "owner": message.owner,
            "notices": notices,
        });
        append(
            connection,
            &Entry::new(JournalKind::NoticeAccepted, now, payload).account(&account),
        )
        .await?;
    }
    query("UPDATE notices SET accepted_at = $1, dead = 0 WHERE message = $2")
        .bind(time_text(now))
        .bind(&message.id)
        .execute(connection)
        .await?;
    Ok(())
}

/// Account, finding, subject, ladder and date, as they stand in columns.
pub(super) type AcceptedNotice = (String, String, String, String, String);

/// A notice as the journal has it.
pub(super) fn accepted_notice(
    finding: &str,
    subject: &str,
    ladder: &str,
    announced_for: &str,
) -> Result<Value, Cause> {
    let ladder: Value = parse_json("notice", ladder)?;
    Ok(json!({"finding": finding, "subject": subject, "ladder": ladder, "announced_for": announced_for}))
}

type NoticeRow = (
    String,
    Option<String>,
    String,
    String,
    String,
    String,
    String,
    Option<String>,
    i64,
);

fn parse_notice(row: NoticeRow) -> Result<Notice, Cause> {
    let (event, owner, finding, subject, ladder, announced_for, queued_at, accepted_at, dead) = row;
    Ok(Notice {
        event: parse_event(&event)?,
        owner: owner.map(Owner),
        finding: FindingId(finding),
        subject,
        ladder: parse_json("notice", &ladder)?,
        announced_for: parse_time(&announced_for)?,
        queued_at: parse_time(&queued_at)?,
        accepted_at: parse_optional_time(accepted_at.as_deref())?,
        dead: dead == 1,
    })
}

pub(super) async fn read_notices(
    connection: &mut Connection,
    account: &AccountId,
) -> Result<Vec<Notice>, Cause> {
    let rows: Vec<NoticeRow> = query(
        "SELECT notices.event, messages.owner, finding, subject, ladder, announced_for, queued_at, accepted_at, dead \
         FROM notices JOIN messages ON messages.id = notices.message \
         WHERE account = $1 ORDER BY queued_at, message, finding, subject, ladder",
    )
    .bind(account.as_str())
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(parse_notice).collect()
}

/// The resources of the findings that notices were about, of notices that can still count.
pub(super) async fn read_told_of(
    connection: &mut Connection,
    account: &AccountId,
    now: DateTime<Utc>,
) -> Result<BTreeSet<Arn>, Cause> {
    let documents: Vec<String> = query(
        "SELECT DISTINCT findings.document FROM notices JOIN findings ON findings.id = notices.finding \
         WHERE notices.account = $1 AND notices.dead = 0 AND notices.announced_for > $2",
    )
    .bind(account.as_str())
    .bind(time_text(now - Notice::COUNTS_FOR))
    .fetch_values(connection)
    .await?;
    documents
        .iter()
        .map(|document| Ok(parse_json::<Finding>("finding", document)?.resource))
        .collect()
}
