//! What each rule found when it last looked, since when, and what it does not find any more.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::AssertSqlSafe;

use super::attempts::parse_account;
use super::connection::{Connection, State};
use super::encoding::{json_text, parse_json, parse_time, time_text};
use super::error::{Cause, StateError, during};
use super::statement::{places, query};
use crate::model::{AccountId, Finding, FindingStatus, RuleName, Severity, Span};

/// Rows per statement: each binds ten values, and SQLite takes 32766, PostgreSQL 65535.
const ROWS: usize = 500;

/// A finding with its own dates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FindingRecord {
    /// What the rule says, as of the last time that it said so.
    #[serde(flatten)]
    pub finding: Finding,
    /// In which run it last said so.
    pub run: String,
    /// The first time.
    pub first_seen: DateTime<Utc>,
    /// The last time.
    pub last_seen: DateTime<Utc>,
    /// Whether the rule said so when it last looked.
    pub standing: bool,
}

/// What a rule found of an account when it last looked, in numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evaluation {
    /// Which rule.
    pub rule: RuleName,
    /// Which account.
    pub account: AccountId,
    /// In which run.
    pub run: String,
    /// When.
    pub at: DateTime<Utc>,
    /// How many findings by severity and status; none where there are none.
    pub counts: BTreeMap<(Severity, FindingStatus), u64>,
}

/// Rule, account, run and time, and one severity and status with the number of findings.
type EvaluationRow = (
    String,
    String,
    String,
    String,
    Option<String>,
    Option<String>,
    i64,
);

impl State {
    /// Replaces what a rule found of an account. What it does not find any more is kept, not standing, for a while.
    ///
    /// # Errors
    /// [`StateError`] where it cannot be written; then the earlier findings stand.
    pub async fn record_findings(
        &self,
        run: &str,
        rule: &RuleName,
        account: &AccountId,
        findings: &[Finding],
        now: DateTime<Utc>,
    ) -> Result<(), StateError> {
        during(
            format!("recording the findings of {rule} in account {account}"),
            async {
                let mut transaction = self.write().await?;
                query("UPDATE findings SET standing = 0 WHERE rule = $1 AND account = $2 AND standing = 1")
                    .bind(rule.as_str())
                    .bind(account.as_str())
                    .execute(&mut transaction)
                    .await?;
                for some in findings.chunks(ROWS) {
                    insert_findings(&mut transaction, run, rule, account, some, now).await?;
                }
                query(
                    "INSERT INTO evaluations (rule, account, run, at) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT (rule, account) DO UPDATE SET run = excluded.run, at = excluded.at",
                )
                .bind(rule.as_str())
                .bind(account.as_str())
                .bind(run)
                .bind(time_text(now))
                .execute(&mut transaction)
                .await?;
                transaction.commit().await
            },
        )
        .await
    }

    /// The findings of an account (`None`: of all), by account, rule and id; those that do not stand any more as well
    /// where asked for.
    ///
    /// # Errors
    /// [`StateError`] where they cannot be read.
    pub async fn findings(
        &self,
        account: Option<&AccountId>,
        with_past: bool,
    ) -> Result<Vec<FindingRecord>, StateError> {
        during("reading the findings", async {
            let mut connection = self.read().await?;
            let rows: Vec<(String, String, String, String, i64)> = query(
                "SELECT document, run, first_seen, last_seen, standing FROM findings \
                 WHERE ($1 IS NULL OR account = $1) AND (standing = 1 OR $2 = 1) ORDER BY account, rule, id",
            )
            .bind(account.map(AccountId::as_str))
            .bind(i64::from(with_past))
            .fetch_all(&mut connection)
            .await?;
            let parse = |(document, run, first, last, standing): (String, String, String, String, i64)| {
                Ok(FindingRecord {
                    finding: parse_json("finding", &document)?,
                    run,
                    first_seen: parse_time(&first)?,
                    last_seen: parse_time(&last)?,
                    standing: standing == 1,
                })
            };
            rows.into_iter().map(parse).collect()
        })
        .await
    }

    /// Nothing stands any more of accounts that are not among these: nobody looks there again. What was found there is kept
    /// for a while, as of anything that was put right.
    ///
    /// # Errors
    /// [`StateError`] where it cannot be read or written; then all stands as before.
    pub async fn end_findings_beyond(&self, accounts: &BTreeSet<AccountId>) -> Result<(), StateError> {
        during("leaving out accounts that are gone", async {
            let mut connection = self.read().await?;
            let looked_at: Vec<(String,)> = query("SELECT DISTINCT account FROM evaluations")
                .fetch_all(&mut connection)
                .await?;
            drop(connection);
            let is_gone = |account: &String| !accounts.iter().any(|known| known.as_str() == account);
            let gone: Vec<_> = looked_at
                .into_iter()
                .map(|(account,)| account)
                .filter(is_gone)
                .collect();
            if gone.is_empty() {
                return Ok(());
            }
            let mut transaction = self.write().await?;
            for account in &gone {
                for statement in [
                    "UPDATE findings SET standing = 0 WHERE account = $1 AND standing = 1",
                    "DELETE FROM evaluations WHERE account = $1",
                ] {
                    query(statement).bind(account).execute(&mut transaction).await?;
                }
            }
            transaction.commit().await
        })
        .await
    }

    /// What every rule found of every account when it last looked, in numbers.
    ///
    /// # Errors
    /// [`StateError`] where it cannot be read.
    pub async fn evaluations(&self) -> Result<Vec<Evaluation>, StateError> {
        during("reading the results of the rules", async {
            let mut connection = self.read().await?;
            let rows: Vec<EvaluationRow> = query(
                "SELECT e.rule, e.account, e.run, e.at, f.severity, f.status, COUNT(f.id) \
                     FROM evaluations e LEFT JOIN findings f \
                         ON f.rule = e.rule AND f.account = e.account AND f.standing = 1 \
                     GROUP BY e.rule, e.account, e.run, e.at, f.severity, f.status \
                     ORDER BY e.rule, e.account, f.severity, f.status",
            )
            .fetch_all(&mut connection)
            .await?;
            let mut evaluations: Vec<Evaluation> = Vec::new();
            for (rule, account, run, at, severity, status, count) in rows {
                let rule = RuleName(rule.into());
                let account = parse_account(&account)?;
                let known = evaluations
                    .last()
                    .is_some_and(|e| e.rule == rule && e.account == account);
                if !known {
                    let at = parse_time(&at)?;
                    evaluations.push(Evaluation {
                        rule,
                        account,
                        run,
                        at,
                        counts: BTreeMap::new(),
                    });
                }
                if let (Some(severity), Some(status), Some(last)) = (severity, status, evaluations.last_mut())
                {
                    let key = (parse_severity(&severity)?, parse_status(&status)?);
                    let count = super::encoding::parse_counter("number of findings", count)?;
                    last.counts.insert(key, count);
                }
            }
            Ok(evaluations)
        })
        .await
    }

    /// Forgets what is older than `keep`: findings that stand no more, plans, and messages that are done with. The
    /// journal stays, with its runs, decisions and changes, and so do the notices that owners were given.
    ///
    /// # Errors
    /// [`StateError`] where it cannot be written; then nothing is forgotten.
    pub async fn prune(&self, now: DateTime<Utc>, keep: Span) -> Result<(), StateError> {
        during("forgetting what is old", async {
            let before = time_text(now - keep.delta());
            let mut transaction = self.write().await?;
            for statement in [
                "DELETE FROM findings WHERE standing = 0 AND last_seen < $1",
                "DELETE FROM plans WHERE saved_at < $1",
                "DELETE FROM told WHERE message IN \
                 (SELECT id FROM messages WHERE state <> 'queued' AND finished_at < $1)",
                // Done, and without notices: nothing refers to them.
                "DELETE FROM messages WHERE state <> 'queued' AND finished_at < $1 \
                 AND NOT EXISTS (SELECT 1 FROM notices WHERE notices.message = messages.id)",
                "UPDATE messages SET body = 'null' WHERE state <> 'queued' AND finished_at < $1 AND body <> 'null'",
            ] {
                query(statement).bind(&before).execute(&mut transaction).await?;
            }
            transaction.commit().await
        })
        .await
    }
}

async fn insert_findings(
    connection: &mut Connection,
    run: &str,
    rule: &RuleName,
    account: &AccountId,
    findings: &[Finding],
    now: DateTime<Utc>,
) -> Result<(), Cause> {
    let now = time_text(now);
    let sql = format!(
        "INSERT INTO findings \
         (id, rule, account, run, severity, status, document, first_seen, last_seen, standing) VALUES {} \
         ON CONFLICT (id) DO UPDATE SET run = excluded.run, severity = excluded.severity, \
         status = excluded.status, document = excluded.document, last_seen = excluded.last_seen, standing = 1",
        places(findings.len(), 10)
    );
    let mut insert = query(AssertSqlSafe(sql));
    for finding in findings {
        insert = insert
            .bind(finding.id.as_str())
            .bind(rule.as_str())
            .bind(account.as_str())
            .bind(run)
            .bind(finding.severity.as_str())
            .bind(finding.status.as_str())
            .bind(json_text("finding", finding)?)
            .bind(&now)
            .bind(&now)
            .bind(1);
    }
    insert.execute(connection).await?;
    Ok(())
}

fn parse_severity(word: &str) -> Result<Severity, Cause> {
    let known = Severity::ALL.into_iter().find(|known| known.as_str() == word);
    known.ok_or_else(|| Cause::unreadable("severity", format!("unknown word `{word}`")))
}

fn parse_status(word: &str) -> Result<FindingStatus, Cause> {
    let known = FindingStatus::ALL
        .into_iter()
        .find(|known| known.as_str() == word);
    known.ok_or_else(|| Cause::unreadable("status of a finding", format!("unknown word `{word}`")))
}
