//! `access_analyzer`: somebody outside has access, and nobody looks for that.
//!
//! # What it finds
//!
//! - regions in which no analyzer of Access Analyzer looks for access from outside: of type `ACCOUNT`, or `ORGANIZATION`,
//!   and working;
//! - resources to which somebody outside has access, as an analyzer says in a finding that is active: buckets, roles, keys,
//!   queues, functions, secrets and more. Each is told to the owner of the resource: the one that `notifications.owners`
//!   names for it, the one in the tags of a role, else the account's. A resource that several regions speak of, as they do
//!   of roles, is one finding.
//!
//! A region that cannot be read, whose analyzer is being made, or whose findings cannot be read, is `unknown`, never in
//! order, and so is a resource that Access Analyzer could not analyze. Of roles that AWS made itself nothing is said.
//!
//! A finding that is archived in Access Analyzer, by hand or by an archive rule, is meant to be so and not told of.
//!
//! # What it does
//!
//! - `create_analyzer` makes an analyzer `analyzer_name` of type `ACCOUNT`, which costs nothing, in a region that has none;
//!   undone by deleting it, and with it what it found. The role `AWSServiceRoleForAccessAnalyzer`, which AWS makes for the
//!   first analyzer of an account, stays: it serves no one else.
//!
//! An analyzer that is there and does not work is for people to mend: a region can have one of a type only. Access from
//! outside is never closed: that is for the owner to say.
//!
//! # What it adds to other rules
//!
//! Findings of analyzers of unused access are shown as `access_analyzer` in the evidence of `unused_permissions` and
//! `unused_roles`. They never justify a change, nor prevent one: a region without such an analyzer, or one that cannot be
//! read, leaves what these rules decide as it is. None is made, because they are charged for.
//!
//! # Where it comes from
//!
//! AWS IAM user guide, "Security best practices in IAM" (verify public and cross-account access); CIS AWS Foundations
//! Benchmark v3.0.0, 1.20.
//!
//! # Where it differs from Prowler
//!
//! Prowler's `accessanalyzer_enabled` passes for a region with an active analyzer of any type: one of unused access alone
//! passes there and fails here. A region that it cannot list is left out there and unknown here. Its
//! `accessanalyzer_enabled_without_findings` fails for an analyzer that has active findings; here each resource has a
//! finding of its own. The analyzer of an organization is seen in the account that it was made in: in the other accounts
//! both say that there is none, and an exemption of `root` from this rule says that it is looked after there.

mod external;
mod unused;

use serde_json::{Value, json};

pub(super) use self::unused::{add_unused_role, add_unused_services};
use super::judgement::{evidence, stands_subject};
use super::region::{NOT_TAKEN, by_people, failed, read_regions, remedied};
use super::{CONTROLS_FACT, Context, Judgement, Practice, Rule};
use crate::inventory::{Analyzer, AnalyzerStatus, Reading};
use crate::model::{
    AnalyzerKind, AnalyzerSettings, Arn, ChangeKind, Event, Finding, FindingStatus, Region, RegionalChange,
    RegionalState, RuleName, Severity,
};

/// The rule's name.
pub const RULE: RuleName = RuleName::new("access_analyzer");

pub(super) const ENTRY: Rule = Rule {
    name: "access_analyzer",
    summary: "somebody outside has access, or nobody looks for that",
    check,
    mode: |config| config.rules.access_analyzer.mode,
    schedule: |config| config.rules.access_analyzer.schedule.as_ref(),
    changes: |_| vec![ChangeKind::CreateAnalyzer],
    source: include_str!("mod.rs"),
    practice: Practice::Review,
    controls: &[ENABLED],
};

/// The recommendation that Access Analyzer is on in every region.
const ENABLED: &str = "1.20";

fn check(ctx: &Context<'_>) -> Vec<Judgement> {
    let (read, mut judgements) = read_regions(ctx, &RULE, "analyzers", |region| region.analyzers.as_ref());
    for (region, analyzers) in &read {
        judgements.extend(judge_region(ctx, region, analyzers));
        judgements.extend(analyzers.iter().filter_map(|analyzer| unread(ctx, analyzer)));
    }
    judgements.extend(external::judge(ctx, &read));
    judgements
}

/// Whether somebody looks for access from outside in the region.
fn judge_region(ctx: &Context<'_>, region: &Region, analyzers: &[Analyzer]) -> Option<Judgement> {
    let outside: Vec<&Analyzer> = analyzers
        .iter()
        .filter(|analyzer| analyzer.settings.kind.looks_outside())
        .collect();
    let is = |status: &AnalyzerStatus| outside.iter().find(|analyzer| analyzer.status == *status);
    if is(&AnalyzerStatus::Active).is_some() {
        return None;
    }
    let broken = outside.iter().find(|analyzer| match analyzer.status {
        AnalyzerStatus::Disabled | AnalyzerStatus::Failed => true,
        AnalyzerStatus::Active | AnalyzerStatus::Creating | AnalyzerStatus::Other(_) => false,
    });
    let undecided = outside.iter().find(|analyzer| match analyzer.status {
        AnalyzerStatus::Creating | AnalyzerStatus::Other(_) => true,
        AnalyzerStatus::Active | AnalyzerStatus::Disabled | AnalyzerStatus::Failed => false,
    });
    Some(match (undecided, broken) {
        (Some(analyzer), _) => being_made(ctx, region, analyzer),
        (None, Some(analyzer)) => out_of_order(ctx, region, analyzer),
        (None, None) => absent(ctx, region, analyzers),
    })
}

fn region_finding(ctx: &Context<'_>, region: &Region, status: FindingStatus) -> Finding {
    let root = ctx.account_root();
    let mut finding = ctx.finding(&RULE, &root, region.as_str(), status, Severity::Medium);
    finding.evidence = evidence([("region", json!(region)), (CONTROLS_FACT, json!([ENABLED]))]);
    finding.owner = ctx.account_owner();
    finding
}

fn being_made(ctx: &Context<'_>, region: &Region, analyzer: &Analyzer) -> Judgement {
    let mut finding = region_finding(ctx, region, FindingStatus::Unknown);
    finding.title = format!("Whether Access Analyzer works in {region} is not known");
    finding.detail = format!(
        "Its analyzer {} is {}. Nothing is concluded until it is active.",
        analyzer.settings.name,
        state(analyzer)
    );
    finding.evidence.extend(about(analyzer));
    Judgement::bare(finding)
}

fn out_of_order(ctx: &Context<'_>, region: &Region, analyzer: &Analyzer) -> Judgement {
    let mut finding = region_finding(ctx, region, FindingStatus::Violation);
    finding.title = format!(
        "The analyzer {} in {region} does not work",
        analyzer.settings.name
    );
    finding.detail = format!(
        "It is {}, so nobody looks for access from outside. A region can have one of its type only, so none is made beside \
         it.",
        state(analyzer)
    );
    finding.evidence.extend(about(analyzer));
    by_people(ctx, &RULE, finding, Event::AnalyzerMissing)
}

/// No analyzer looks outside: one is made.
fn absent(ctx: &Context<'_>, region: &Region, analyzers: &[Analyzer]) -> Judgement {
    let mut finding = region_finding(ctx, region, FindingStatus::Violation);
    finding.title = format!("Nobody looks for access from outside in {region}");
    let name = &ctx.config.rules.access_analyzer.analyzer_name;
    let arn = Arn::regional(
        &ctx.snapshot.partition,
        "access-analyzer",
        region,
        &ctx.snapshot.account,
        &format!("analyzer/{name}"),
    );
    let taken = analyzers.iter().find(|analyzer| analyzer.settings.name == *name);
    let arn = match (arn, taken) {
        (Ok(arn), None) => arn,
        (Err(_), None) => {
            finding.detail = format!("No analyzer can be called `{name}`: correct `analyzer_name`.");
            return by_people(ctx, &RULE, finding, Event::AnalyzerMissing);
        }
        (_, Some(analyzer)) => {
            finding.detail = format!(
                "An analyzer {name} is there and looks for something else ({}), so none of that name is made: declare \
                 another `analyzer_name`, or make one by hand.",
                analyzer.settings.kind.as_str()
            );
            finding.evidence.extend(about(analyzer));
            return by_people(ctx, &RULE, finding, Event::AnalyzerMissing);
        }
    };
    finding.detail = format!(
        "Access Analyzer has no analyzer of the account there. One is made, {name}; it costs nothing."
    );
    if !stands_subject(ctx, &RULE, &mut finding) {
        return Judgement::bare(finding);
    }
    let settings = AnalyzerSettings {
        arn,
        name: name.clone(),
        kind: AnalyzerKind::Account,
    };
    let before = RegionalState::Analyzer { analyzer: None };
    let change = RegionalChange::CreateAnalyzer(settings);
    remedied(finding, change, before, ctx.snapshot.taken_at)
}

/// A working analyzer of which it is not known what it found.
fn unread(ctx: &Context<'_>, analyzer: &Analyzer) -> Option<Judgement> {
    let settings = &analyzer.settings;
    if !settings.kind.looks_outside() || analyzer.status != AnalyzerStatus::Active {
        return None;
    }
    let (why, gap) = match &analyzer.external {
        Some(Reading::Known(_)) => return None,
        Some(Reading::Unknown(gap)) => (failed(gap), Some(gap)),
        None => (NOT_TAKEN.to_owned(), None),
    };
    let mut finding = ctx.finding(
        &RULE,
        &settings.arn,
        "findings",
        FindingStatus::Unknown,
        Severity::Medium,
    );
    finding.title = format!(
        "What the analyzer {} found in {} could not be read",
        settings.name,
        settings.arn.region()
    );
    finding.detail = format!("{why}. Nothing is concluded from what is missing.");
    finding.evidence = evidence([(CONTROLS_FACT, json!([]))]);
    if let Some(gap) = gap {
        finding.evidence.extend(evidence([
            ("operation", json!(gap.operation)),
            ("cause", json!(gap.cause)),
        ]));
    }
    finding.owner = ctx.account_owner();
    Some(Judgement::bare(finding))
}

fn about(analyzer: &Analyzer) -> serde_json::Map<String, Value> {
    evidence([
        ("analyzer", json!(analyzer.settings.arn)),
        ("type", json!(analyzer.settings.kind)),
        ("status", json!(analyzer.status)),
        ("status_reason", json!(analyzer.status_reason)),
    ])
}

/// How it is, in a sentence.
fn state(analyzer: &Analyzer) -> String {
    let word = match &analyzer.status {
        AnalyzerStatus::Active => "active",
        AnalyzerStatus::Creating => "being made",
        AnalyzerStatus::Disabled => "disabled",
        AnalyzerStatus::Failed => "failed",
        AnalyzerStatus::Other(word) => word,
    };
    match &analyzer.status_reason {
        Some(reason) => format!("{word} ({reason})"),
        None => word.to_owned(),
    }
}

#[cfg(test)]
mod tests;
