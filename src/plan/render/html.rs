//! The plan as one HTML file that opens from disk, loads nothing and needs no script.
//!
//! askama escapes every value for HTML; before that each text from outside was made visible. The content security
//! policy allows the one style sheet and the one script inside the file, by their digests, and nothing else.

mod scorecard;
mod view;

use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use crate::model::{Action, Severity, instant, visible};
use crate::plan::render::chart::{self, Chart};
use crate::plan::render::difference::Difference;
use crate::plan::render::outline::{Course, Outline, difference};
use crate::plan::render::steps::steps;
use crate::plan::{ExemptionState, Plan};
use scorecard::ScorecardView;
use view::{AccountView, ExemptionView, MessageView, Owners, Step, Tile};

const STYLE: &str = concat!(
    include_str!("templates/components.css"),
    include_str!("templates/plan.css")
);
const SCRIPT: &str = include_str!("templates/plan.js");

#[derive(Template)]
#[template(path = "plan/render/templates/plan.html")]
struct Page {
    policy: String,
    style: &'static str,
    script: &'static str,
    version: &'static str,
    headline: String,
    id: String,
    made: String,
    changed: &'static str,
    digest: String,
    digest_short: String,
    as_if: Option<String>,
    expired: usize,
    tiles: Vec<Tile>,
    steps: Vec<Step>,
    rule_chart: Chart,
    change_chart: Chart,
    states: Vec<(&'static str, &'static str)>,
    severities: Vec<&'static str>,
    owners: Vec<(String, String)>,
    findings: usize,
    accounts: Vec<AccountView>,
    quiet: Option<String>,
    scorecards: Vec<ScorecardView>,
    messages: Vec<MessageView>,
    exemptions: Vec<ExemptionView>,
    calls: Vec<(String, u64)>,
}

#[derive(Template)]
#[template(path = "plan/render/templates/change.html")]
struct Change {
    difference: Difference,
}

/// The plan as a self-contained page: light and dark, for phone, desk and paper.
pub fn html(plan: &Plan) -> String {
    let page = page(plan);
    match page.render() {
        Ok(text) => text,
        // Writing into a String cannot fail, and the template calls nothing that does. A reader must see if it did.
        Err(error) => format!(
            "<!DOCTYPE html>\n<title>iamwarden</title>\n<p>The plan could not be rendered: {error}</p>\n"
        ),
    }
}

/// What an action changes, old and new side by side: a part of the report, for the pages.
pub fn change(action: &Action) -> String {
    let part = Change {
        difference: view::cleaned(difference(action)),
    };
    match part.render() {
        Ok(text) => text,
        // As above: it cannot fail, and must not look like a change of nothing.
        Err(error) => format!("<p>This change could not be rendered: {error}</p>\n"),
    }
}

fn page(plan: &Plan) -> Page {
    let outline = Outline::of(plan);
    let owners = Owners::of(plan);
    let expired = plan
        .exemptions
        .iter()
        .filter(|e| e.state == ExemptionState::Expired);
    Page {
        policy: policy(),
        style: STYLE,
        script: SCRIPT,
        version: env!("CARGO_PKG_VERSION"),
        headline: unbroken(&outline.headline()),
        id: visible(&plan.id).into_owned(),
        made: instant(plan.created_at),
        changed: if plan.dry_run {
            "it changed nothing"
        } else {
            "made to be applied"
        },
        digest: visible(plan.config_digest.as_str()).into_owned(),
        digest_short: visible(plan.config_digest.short(12)).into_owned(),
        as_if: plan.as_if.as_deref().map(|mode| visible(mode).into_owned()),
        expired: expired.count(),
        tiles: view::tiles(&outline),
        steps: steps(&outline).into_iter().map(Step::of).collect(),
        rule_chart: chart::findings(&outline),
        change_chart: chart::changes(&outline),
        states: Course::ALL
            .into_iter()
            .filter(|course| outline.count(*course) > 0)
            .map(|course| (course.key(), course.label()))
            .collect(),
        severities: Severity::ALL.into_iter().map(Severity::as_str).collect(),
        accounts: outline
            .told()
            .map(|account| AccountView::of(&outline, account, &owners))
            .collect(),
        quiet: outline.quiet(),
        findings: plan.findings.len(),
        owners: owners.options(),
        scorecards: scorecard::scorecards(&outline),
        messages: view::messages(&outline),
        exemptions: view::exemptions(plan),
        calls: plan
            .api_calls
            .iter()
            .map(|(name, count)| (visible(name).into_owned(), *count))
            .collect(),
    }
}

/// A large line breaks between its parts, not inside them.
fn unbroken(headline: &str) -> String {
    let parts: Vec<String> = headline
        .split(", ")
        .map(|part| part.replace(' ', "\u{a0}"))
        .collect();
    parts.join(", ")
}

/// What the page may do: show its own style sheet and run its own script.
fn policy() -> String {
    let digest = |text: &str| STANDARD.encode(Sha256::digest(text.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        digest(STYLE),
        digest(SCRIPT)
    )
}

#[cfg(test)]
mod tests;
