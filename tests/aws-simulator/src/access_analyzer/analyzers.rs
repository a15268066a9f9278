//! Analyzers.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Analyzer, Answer, absent, date, page, with_next, word};
use crate::context::Context;
use crate::wire::error::AwsError;

const TYPES: [&str; 6] = [
    "ACCOUNT",
    "ORGANIZATION",
    "ACCOUNT_UNUSED_ACCESS",
    "ORGANIZATION_UNUSED_ACCESS",
    "ACCOUNT_INTERNAL_ACCESS",
    "ORGANIZATION_INTERNAL_ACCESS",
];

/// What is unused for so many days, where a request does not say.
const USUAL_AGE: u32 = 90;

fn summary(analyzer: &Analyzer, cx: &Context<'_>) -> Value {
    let latest = analyzer.findings.values().max_by_key(|finding| finding.analyzed);
    let mut summary = json!({
        "arn": analyzer.arn,
        "name": analyzer.name,
        "type": analyzer.kind,
        "createdAt": date(analyzer.created),
        "status": analyzer.status,
        "tags": analyzer.tags,
    });
    if let Some(code) = &analyzer.status_reason {
        summary["statusReason"] = json!({ "code": code });
    }
    if let Some(finding) = latest {
        summary["lastResourceAnalyzed"] = finding.resource.as_str().into();
        summary["lastResourceAnalyzedAt"] = date(finding.analyzed.min(cx.now));
    }
    if let Some(days) = analyzer.unused_access_age {
        summary["configuration"] = json!({ "unusedAccess": { "unusedAccessAge": days } });
    }
    summary
}

pub(super) fn list(cx: &mut Context<'_>) -> Answer {
    if cx.input.get("type").is_some() {
        word(cx.input, "type", &TYPES)?;
    }
    let kind = cx.input.text("type")?;
    let analyzers = cx.here().analyzers.values();
    let wanted = analyzers.filter(|analyzer| kind.is_none_or(|kind| analyzer.kind == kind));
    let page = page(cx, wanted.map(|analyzer| summary(analyzer, cx)).collect())?;
    Ok(with_next(json!({ "analyzers": page.items }), page.next))
}

fn unknown(name: &str) -> AwsError {
    absent(&format!("Analyzer {name}"))
}

pub(super) fn get(cx: &mut Context<'_>) -> Answer {
    let name = cx.input.required("analyzerName")?;
    let analyzer = cx.here().analyzers.get(name).ok_or_else(|| unknown(name))?;
    Ok(json!({ "analyzer": summary(analyzer, cx) }))
}

fn check_name(cx: &Context<'_>, name: &str) -> Result<(), AwsError> {
    let begins = name.starts_with(|letter: char| letter.is_ascii_alphabetic());
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "_.-".contains(letter);
    if begins && name.len() <= 255 && name.chars().all(allowed) {
        Ok(())
    } else {
        Err(cx
            .input
            .refuse(format!("Value {name} of analyzerName is invalid.")))
    }
}

pub(super) fn create(cx: &mut Context<'_>) -> Answer {
    let name = cx.input.required("analyzerName")?;
    check_name(cx, name)?;
    let kind = word(cx.input, "type", &TYPES)?;
    if kind.starts_with("ORGANIZATION") {
        // No account here manages an organization.
        let message = "The caller is neither the management account nor a delegated administrator.";
        return Err(AwsError::new("AccessDeniedException", 403, message));
    }
    let looks_for_unused = kind.ends_with("UNUSED_ACCESS");
    let configured = cx
        .input
        .inner("configuration")
        .and_then(|inner| inner.inner("unusedAccess"));
    if configured.is_some() && !looks_for_unused {
        return Err(cx
            .input
            .refuse("Only analyzers of unused access have an unusedAccess configuration."));
    }
    let age = configured
        .map(|inner| inner.integer("unusedAccessAge", 1, 365))
        .transpose()?;
    let mut tags = BTreeMap::new();
    for (key, value) in cx.input.object("tags")? {
        let value = value
            .as_str()
            .ok_or_else(|| cx.input.refuse("Tags are strings."))?;
        tags.insert(key, value.to_owned());
    }
    if cx.here().analyzers.contains_key(name) {
        let message = format!("Analyzer {name} already exists.");
        return Err(AwsError::new("ConflictException", 409, message));
    }
    if cx.here().analyzers.values().any(|other| other.kind == kind) {
        let message = format!("There is one analyzer of type {kind} at most in a region.");
        return Err(AwsError::new("ServiceQuotaExceededException", 402, message));
    }
    let arn = cx.arn("access-analyzer", &format!("analyzer/{name}"));
    let analyzer = Analyzer {
        name: name.to_owned(),
        arn: arn.clone(),
        kind: kind.to_owned(),
        status: "ACTIVE".to_owned(),
        status_reason: None,
        created: cx.now,
        unused_access_age: looks_for_unused.then(|| age.flatten().unwrap_or(USUAL_AGE)),
        tags,
        findings: BTreeMap::new(),
    };
    cx.here_mut().analyzers.insert(name.to_owned(), analyzer);
    Ok(json!({ "arn": arn }))
}

pub(super) fn delete(cx: &mut Context<'_>) -> Answer {
    let name = cx.input.required("analyzerName")?;
    match cx.here_mut().analyzers.remove(name) {
        Some(_) => Ok(Value::Null),
        None => Err(unknown(name)),
    }
}
