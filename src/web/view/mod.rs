//! What there is to show, as rows: the same for pages, JSON and CSV. Read from the state and the configuration in force;
//! nothing here is decided.

mod exemptions;
mod findings;
mod history;
mod overview;
mod plans;

use serde_json::Value;

pub(super) use self::exemptions::{ExemptionRow, exemptions, requested};
pub(super) use self::findings::{FindingFilter, FindingRow, NOBODY, all_findings, findings};
pub(super) use self::history::{RunActionRow, RunRow, runs};
pub(super) use self::overview::{
    AccountRow, OwnerRow, RuleRow, accounts, mode_word, owners, rules, scorecard, trend, waiting,
};
pub(super) use self::plans::{
    ActionRow, DecisionRow, PlanRow, PlanView, decisions, plan_view, plans, standing_word, verdict_word,
};
use super::Web;
use super::fields::Fields;
use super::problem::Problem;
use crate::daemon::AccountNames;
use crate::model::{StateUrl, visible};

/// `true` or `false`; absent is false.
pub(super) fn flag(fields: &Fields, name: &str) -> Result<bool, Problem> {
    match fields.get(name) {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(other) => Err(Problem::Invalid(format!(
            "{name}: `{other}` is neither true nor false"
        ))),
    }
}

/// What people call accounts.
pub(super) async fn account_names(web: &Web) -> Result<AccountNames, Problem> {
    let names = web.house().account_names().await;
    names.map_err(|error| Problem::failed("the names of the accounts cannot be read", error.as_ref()))
}

/// The configuration in force, without what it may be better not to show: hashes of tokens, and what the address of the
/// state says beyond where it is. Secrets are named there, never written.
pub(super) fn configuration(web: &Web) -> Result<Value, Problem> {
    let config = web.house().config;
    let mut shown = serde_json::to_value(config.as_ref())
        .map_err(|error| Problem::failed("the configuration cannot be shown", &error))?;
    if let Some(tokens) = shown
        .pointer_mut("/server/auth/tokens")
        .and_then(Value::as_array_mut)
    {
        for token in tokens {
            if let Some(hash) = token.get_mut("hash") {
                *hash = Value::String("sha256:…".to_owned());
            }
        }
    }
    if let Some(url) = shown.pointer_mut("/state/url")
        && let Ok(parsed @ StateUrl::Postgres(_)) = StateUrl::parse(&config.state.url)
    {
        *url = Value::String(parsed.to_string());
    }
    Ok(shown)
}

/// Text from outside, safe to look at.
pub(super) fn shown(text: &str) -> String {
    visible(text).into_owned()
}

/// The same, line by line.
pub(super) fn shown_lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(shown).collect();
    lines.join("\n")
}
