//! Rows of the state, read by SQL and not by iamwarden.

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::installation::{Installation, at};
use crate::invariants::{Target, time};

/// An attempt.
#[derive(Debug, Clone)]
pub(crate) struct Intent {
    pub(crate) seq: i64,
    pub(crate) action: String,
    pub(crate) run: String,
    pub(crate) direction: String,
    pub(crate) target: Target,
    pub(crate) status: String,
    pub(crate) fencing: i64,
    pub(crate) at: DateTime<Utc>,
    pub(crate) decision: Option<i64>,
}

impl Intent {
    pub(crate) fn is_open(&self) -> bool {
        ["open", "unknown"].contains(&self.status.as_str())
    }

    pub(crate) fn is_undo(&self) -> bool {
        self.direction == "undo"
    }
}

/// What a person said of an action.
#[derive(Debug, Clone)]
pub(crate) struct Decided {
    pub(crate) seq: i64,
    pub(crate) by: String,
    pub(crate) approves: bool,
    pub(crate) config: String,
    pub(crate) at: DateTime<Utc>,
    /// Its life begins here.
    pub(crate) counts_from: DateTime<Utc>,
    /// Whether the action was applied after it.
    pub(crate) spent: bool,
}

/// The attempts after that row, oldest first.
pub(crate) async fn intents(town: &Installation, after: i64) -> Vec<Intent> {
    type Row = (
        i64,
        String,
        String,
        String,
        String,
        String,
        String,
        i64,
        String,
        String,
    );
    let rows: Vec<Row> = town
        .database(async |connection| {
            sqlx::query_as(
                "SELECT i.seq, i.action, i.run, i.direction, i.resource, i.subject, i.status, i.fencing, i.at, j.payload \
                 FROM intents i JOIN journal j ON j.seq = i.seq WHERE i.seq > $1 ORDER BY i.seq",
            )
            .bind(after)
            .fetch_all(connection)
            .await
            .unwrap()
        })
        .await;
    let intent = |(seq, action, run, direction, resource, subject, status, fencing, time, payload): Row| {
        let payload: Value = serde_json::from_str(&payload).unwrap();
        Intent {
            seq,
            action,
            run,
            direction,
            target: Target {
                principal: principal(&resource),
                subject,
            },
            status,
            fencing,
            at: at(&time),
            decision: payload["decision"].as_i64(),
        }
    };
    rows.into_iter().map(intent).collect()
}

/// `user/alice` of `arn:aws:iam::123456789012:user/ops/alice`.
fn principal(arn: &str) -> String {
    let resource = arn.rsplit(':').next().unwrap_or_default();
    match (resource.split_once('/'), resource.rsplit_once('/')) {
        (Some((kind, _)), Some((_, name))) => format!("{kind}/{name}"),
        _ => resource.to_owned(),
    }
}

/// All that was said of an action, oldest first.
pub(crate) async fn decided(town: &Installation, action: &str) -> Vec<Decided> {
    let rows: Vec<(i64, String, bool)> = town
        .database(async |connection| {
            sqlx::query_as(
                "SELECT d.seq, d.payload, EXISTS (SELECT 1 FROM journal o WHERE o.kind = 'outcome' AND o.action = d.action \
                 AND o.seq > d.seq AND json_extract(o.payload, '$.outcome') = 'applied' \
                 AND json_extract(o.payload, '$.direction') = 'apply' \
                 AND json_extract(o.payload, '$.intent') < (SELECT MAX(seq) FROM intents WHERE action = d.action)) \
                 FROM journal d WHERE d.kind = 'decision' AND d.action = $1 ORDER BY d.seq",
            )
            .bind(action)
            .fetch_all(connection)
            .await
            .unwrap()
        })
        .await;
    let decided = |(seq, payload, spent): (i64, String, bool)| {
        let payload: Value = serde_json::from_str(&payload).unwrap();
        let decision = &payload["decision"];
        let text = |name: &str| decision[name].as_str().unwrap_or_default().to_owned();
        let said = time(&decision["decided_at"]).unwrap();
        Decided {
            seq,
            by: text("by"),
            approves: text("verdict") == "approved",
            config: text("config_digest"),
            at: said,
            counts_from: time(&decision["not_before"]).map_or(said, |date| date.max(said)),
            spent,
        }
    };
    rows.into_iter().map(decided).collect()
}

/// The intents with outcomes `applied`, and how many of these each has.
pub(crate) async fn outcomes(town: &Installation) -> Vec<(i64, i64)> {
    town.database(async |connection| {
        sqlx::query_as(
            "SELECT json_extract(payload, '$.intent'), COUNT(*) FROM journal WHERE kind = 'outcome' \
             AND json_extract(payload, '$.outcome') = 'applied' GROUP BY 1",
        )
        .fetch_all(connection)
        .await
        .unwrap()
    })
    .await
}
