//! What trails there are, and how they are.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::{Answer, Trail, named};
use crate::context::Context;

pub(super) fn describe(cx: &mut Context<'_>) -> Answer {
    let asked = cx.input.texts("trailNameList")?;
    let with_shadows = cx.input.boolean("includeShadowTrails")?.unwrap_or(true);
    let mut found: Vec<&Trail> = Vec::new();
    if asked.is_empty() {
        let all = cx
            .account
            .regions
            .values()
            .flat_map(|region| region.trails.values());
        let seen = |trail: &&Trail| trail.home == cx.region || (with_shadows && trail.settings.multi_region);
        found.extend(all.filter(seen));
    }
    for name in asked {
        match named(cx, name) {
            Ok(trail) => found.push(trail),
            // What is not there is left out; a name that cannot be is an error.
            Err(error) if error.code == "TrailNotFoundException" => {}
            Err(error) => return Err(error),
        }
    }
    let described = found.into_iter().map(|trail| {
        let mut whole = trail.summary(&cx.account.id);
        whole["HomeRegion"] = trail.home.as_str().into();
        whole["HasCustomEventSelectors"] = has_custom_selectors(trail).into();
        whole["HasInsightSelectors"] = false.into();
        whole
    });
    Ok(json!({ "trailList": described.collect::<Vec<Value>>() }))
}

fn has_custom_selectors(trail: &Trail) -> bool {
    !trail.advanced_selectors.is_empty() || trail.selectors != super::usual_selectors("All", true)
}

pub(super) fn status(cx: &mut Context<'_>) -> Answer {
    let trail = named(cx, cx.input.required("Name")?)?;
    let mut status = json!({ "IsLogging": trail.logging });
    let mut put = |name: &str, at: Option<DateTime<Utc>>| {
        if let Some(at) = at {
            status[name] = at.timestamp().into();
        }
    };
    put("LatestDeliveryTime", trail.delivered);
    put("StartLoggingTime", trail.started);
    put("StopLoggingTime", trail.stopped);
    if trail.settings.log_group.is_some() && trail.log_group_error.is_none() {
        put("LatestCloudWatchLogsDeliveryTime", trail.delivered);
    }
    if trail.settings.validation {
        put("LatestDigestDeliveryTime", trail.delivered);
    }
    // The same as texts, which are empty where there is nothing.
    let text = |at: Option<DateTime<Utc>>| {
        at.map_or_else(String::new, |at| at.to_rfc3339_opts(SecondsFormat::Secs, true))
    };
    status["LatestDeliveryAttemptTime"] = text(trail.delivered).into();
    status["LatestDeliveryAttemptSucceeded"] =
        text(trail.delivered.filter(|_| trail.delivery_error.is_none())).into();
    status["LatestNotificationAttemptTime"] = "".into();
    status["LatestNotificationAttemptSucceeded"] = "".into();
    status["TimeLoggingStarted"] = text(trail.started).into();
    status["TimeLoggingStopped"] = text(trail.stopped).into();
    let errors = [
        ("LatestDeliveryError", &trail.delivery_error),
        ("LatestCloudWatchLogsDeliveryError", &trail.log_group_error),
    ];
    for (name, problem) in errors {
        if let Some(problem) = problem {
            status[name] = problem.as_str().into();
        }
    }
    Ok(status)
}

pub(super) fn selectors(cx: &mut Context<'_>) -> Answer {
    let trail = named(cx, cx.input.required("TrailName")?)?;
    let mut answer = json!({ "TrailARN": trail.arn });
    if trail.advanced_selectors.is_empty() {
        answer["EventSelectors"] = trail.selectors.clone().into();
    } else {
        answer["AdvancedEventSelectors"] = trail.advanced_selectors.clone().into();
    }
    Ok(answer)
}
