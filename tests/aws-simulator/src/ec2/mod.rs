//! Elastic Compute Cloud, as far as roles of instances go.

mod associations;
mod filters;
mod instances;
mod regions;

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;

use crate::context::{Context, Operation, Run};
use crate::wire::error::AwsError;
use crate::wire::page::{Page, cut};
use crate::wire::xml::Xml;

/// All operations of the service.
pub(crate) static OPERATIONS: &[Operation] = &[
    Operation::reads("DescribeInstances", Run::Xml(instances::describe)),
    Operation::reads(
        "DescribeIamInstanceProfileAssociations",
        Run::Xml(associations::describe),
    ),
    Operation::writes("AssociateIamInstanceProfile", Run::Xml(associations::associate)),
    Operation::writes(
        "DisassociateIamInstanceProfile",
        Run::Xml(associations::disassociate),
    ),
    Operation::writes(
        "ReplaceIamInstanceProfileAssociation",
        Run::Xml(associations::replace),
    ),
    Operation::reads("DescribeRegions", Run::Xml(regions::describe)),
];

type Answer = Result<Xml, AwsError>;

/// An instance.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Instance {
    pub(crate) id: String,
    pub(crate) reservation: String,
    /// `running`, `stopped`, …
    pub(crate) state: String,
    pub(crate) kind: String,
    pub(crate) image: String,
    pub(crate) zone: String,
    pub(crate) launched: DateTime<Utc>,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) metadata: Metadata,
    pub(crate) profile: Option<Association>,
    /// The service that manages it.
    pub(crate) managed_by: Option<String>,
}

/// How an instance's metadata is reached.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Metadata {
    /// `required`, which is IMDSv2 alone, or `optional`.
    pub(crate) tokens: String,
    /// `enabled` or `disabled`.
    pub(crate) endpoint: String,
    pub(crate) hop_limit: u32,
}

/// An instance's profile, which may have gone from IAM since.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Association {
    pub(crate) id: String,
    pub(crate) profile_arn: String,
    pub(crate) profile_id: String,
    /// `associated`, `associating` or `disassociating`.
    pub(crate) state: String,
    pub(crate) since: DateTime<Utc>,
}

fn invalid_value(value: &str, parameter: &str, why: &str) -> AwsError {
    let message = format!("Value ({value}) for parameter {parameter} is invalid. {why}");
    AwsError::new("InvalidParameterValue", 400, message)
}

fn required<'a>(cx: &Context<'a>, parameter: &str) -> Result<&'a str, AwsError> {
    let missing = || {
        let message = format!("The request must contain the parameter {parameter}");
        AwsError::new("MissingParameter", 400, message)
    };
    cx.query.optional(parameter).ok_or_else(missing)
}

/// With `DryRun` a call ends as soon as it is known that it could be made.
fn end_dry_run(cx: &Context<'_>) -> Result<(), AwsError> {
    if cx.query.optional("DryRun") == Some("true") {
        let message = "Request would have succeeded, but DryRun flag is set.";
        return Err(AwsError::new("DryRunOperation", 412, message));
    }
    Ok(())
}

/// The page of `items` that the request asks for.
fn page<T>(cx: &Context<'_>, items: Vec<(String, T)>) -> Result<Page<T>, AwsError> {
    let asked = match cx.query.optional("MaxResults") {
        None => 1000,
        Some(text) => text
            .parse()
            .ok()
            .filter(|size| (5..=1000).contains(size))
            .ok_or_else(|| invalid_value(text, "maxResults", "Expecting a value from 5 to 1000."))?,
    };
    let token = cx.query.optional("NextToken");
    let invalid = || {
        invalid_value(
            token.unwrap_or_default(),
            "nextToken",
            "Unable to parse pagination token.",
        )
    };
    cut(items, token, asked, cx.paging).ok_or_else(invalid)
}

fn date(xml: &mut Xml, name: &str, at: DateTime<Utc>) {
    xml.text(name, at.to_rfc3339_opts(SecondsFormat::Millis, true));
}
