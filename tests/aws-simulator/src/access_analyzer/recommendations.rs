//! Recommendations: asked for, then polled until they are there.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{Answer, absent, date, findings, page, with_next};
use crate::context::Context;
use crate::wire::error::AwsError;

/// The recommendations that were asked for, by account, analyzer and finding.
#[derive(Debug, Default)]
pub(crate) struct Recommendations {
    by_finding: BTreeMap<(String, String, String), Asked>,
}

#[derive(Debug)]
struct Asked {
    at: DateTime<Utc>,
    polls_left: u32,
}

fn key(cx: &Context<'_>) -> Result<(String, String, String), AwsError> {
    let analyzer = cx.input.required("analyzerArn")?.to_owned();
    Ok((
        cx.account.id.clone(),
        analyzer,
        cx.input.required("id")?.to_owned(),
    ))
}

pub(super) fn generate(cx: &mut Context<'_>) -> Answer {
    let finding = findings::named(cx)?;
    if finding.kind != "UnusedPermission" {
        return Err(cx
            .input
            .refuse("There are recommendations on unused permissions only."));
    }
    let polls_left = finding
        .recommendation
        .as_ref()
        .map_or(0, |recommendation| recommendation.polls);
    let asked = Asked {
        at: cx.now,
        polls_left,
    };
    let key = key(cx)?;
    cx.recommendations.by_finding.insert(key, asked);
    Ok(Value::Null)
}

pub(super) fn get(cx: &mut Context<'_>) -> Answer {
    let finding = findings::named(cx)?.clone();
    let key = key(cx)?;
    let asked = cx.recommendations.by_finding.get_mut(&key);
    let asked = asked.ok_or_else(|| absent(&format!("A recommendation on finding {}", finding.id)))?;
    let mut answer = json!({
        "startedAt": date(asked.at),
        "resourceArn": finding.resource,
        "recommendationType": "UnusedPermissionRecommendation",
    });
    if asked.polls_left > 0 {
        asked.polls_left -= 1;
        answer["status"] = "IN_PROGRESS".into();
        return Ok(answer);
    }
    answer["completedAt"] = date(asked.at);
    let made = finding.recommendation.as_ref();
    let failed = made.is_none_or(|recommendation| recommendation.failed.is_some());
    let Some(recommendation) = made.filter(|_| !failed) else {
        let code = made.and_then(|recommendation| recommendation.failed.as_deref());
        let message = "The recommendation could not be made.";
        answer["status"] = "FAILED".into();
        answer["error"] = json!({ "code": code.unwrap_or("INTERNAL_SERVER_ERROR"), "message": message });
        return Ok(answer);
    };
    let page = page(cx, recommendation.steps.clone())?;
    answer["status"] = "SUCCEEDED".into();
    answer["recommendedSteps"] = page.items.into();
    Ok(with_next(answer, page.next))
}
