//! Who is left alone, why, and until when.

use chrono::{NaiveDate, TimeDelta};
use schemars::JsonSchema;
use serde::Serialize;

use super::shown;
use crate::model::{RequestedExemption, RuleName};
use crate::web::Web;
use crate::web::problem::Problem;

/// An exemption.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(in crate::web) struct ExemptionRow {
    /// `configuration`, or the id of the request.
    pub(in crate::web) source: String,
    /// Of the configuration: `active`, `expiring` or `expired`; on request: `requested`, `granted`, `refused`, `revoked` or
    /// `ended`.
    pub(in crate::web) state: String,
    /// Whom it covers: patterns of the configuration, or the ARN that was asked for.
    pub(in crate::web) principals: Vec<String>,
    /// Of which rules.
    pub(in crate::web) rules: Vec<String>,
    /// In which accounts; empty: in all.
    pub(in crate::web) accounts: Vec<String>,
    /// The last day, in UTC.
    pub(in crate::web) until: NaiveDate,
    /// Why.
    pub(in crate::web) reason: String,
    /// Who answers for the thing, where that is known.
    pub(in crate::web) owner: Option<String>,
    /// Who asked.
    pub(in crate::web) asked_by: Option<String>,
    /// Who granted, refused or took it back last.
    pub(in crate::web) answered_by: Option<String>,
}

impl ExemptionRow {
    /// The columns of a table.
    pub(in crate::web) const COLUMNS: [&'static str; 10] = [
        "source",
        "state",
        "principals",
        "rules",
        "accounts",
        "until",
        "reason",
        "owner",
        "asked_by",
        "answered_by",
    ];

    /// One line of a table.
    pub(in crate::web) fn cells(&self) -> Vec<String> {
        vec![
            self.source.clone(),
            self.state.clone(),
            self.principals.join(" "),
            self.rules.join(" "),
            self.accounts.join(" "),
            self.until.to_string(),
            self.reason.clone(),
            self.owner.clone().unwrap_or_default(),
            self.asked_by.clone().unwrap_or_default(),
            self.answered_by.clone().unwrap_or_default(),
        ]
    }
}

/// How long before its end an exemption is called expiring.
const EXPIRING_WITHIN: TimeDelta = TimeDelta::days(14);

/// What is exempt by the configuration, and what somebody asked for.
pub(in crate::web) async fn exemptions(web: &Web) -> Result<Vec<ExemptionRow>, Problem> {
    let (config, today) = (web.house().config, web.clock.now().date_naive());
    let declared = config.exemptions.iter().map(|exemption| ExemptionRow {
        source: "configuration".to_owned(),
        state: match exemption.until {
            until if until < today => "expired",
            until if until <= today + EXPIRING_WITHIN => "expiring",
            _ => "active",
        }
        .to_owned(),
        principals: exemption
            .principals
            .iter()
            .map(|glob| glob.as_str().to_owned())
            .collect(),
        rules: exemption.rules.iter().map(RuleName::to_string).collect(),
        accounts: exemption
            .accounts
            .iter()
            .flatten()
            .map(ToString::to_string)
            .collect(),
        until: exemption.until,
        reason: exemption.reason.clone(),
        owner: None,
        asked_by: None,
        answered_by: None,
    });
    let asked = web.state()?.exemptions().await?;
    let asked = asked.iter().map(|exemption| requested(exemption, today));
    Ok(declared.chain(asked).collect())
}

/// An exemption that somebody asked for, as a row.
pub(in crate::web) fn requested(exemption: &RequestedExemption, today: NaiveDate) -> ExemptionRow {
    let RequestedExemption {
        request,
        answer,
        revoked,
    } = exemption;
    let revoked = revoked.as_ref().map(|revoked| &revoked.by.name);
    let answered = answer.as_ref().map(|answer| &answer.by.name);
    ExemptionRow {
        source: request.id.to_string(),
        state: exemption.standing(today).as_str().to_owned(),
        principals: vec![shown(request.resource.as_str())],
        rules: request.rules.iter().map(RuleName::to_string).collect(),
        accounts: vec![request.account.to_string()],
        until: request.until,
        reason: shown(&request.reason),
        owner: request.owner.as_ref().map(|owner| shown(&owner.0)),
        asked_by: Some(shown(&request.by.name)),
        answered_by: revoked.or(answered).map(|name| shown(name)),
    }
}
