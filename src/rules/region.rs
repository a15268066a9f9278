//! What the rules that look into regions share.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::judgement::{evidence, stands_subject};
use super::{Context, Judgement, Remedy, Reminder};
use crate::inventory::{Gap, Reading, RegionalInventory};
use crate::model::{
    Change, Event, Finding, FindingStatus, Inverse, Precondition, Proposal, Region, RegionalChange,
    RegionalState, RuleName, Severity, Span,
};

/// How long until an owner is told again of what only people can put right.
pub(super) const REMIND_EVERY: Span = Span::from_days(7);

/// Why a region says nothing.
pub(super) const NOT_TAKEN: &str = "the snapshot was taken without it";

/// What every declared region says of one kind of thing; and for each that says nothing, a finding that nothing is
/// concluded.
pub(super) fn read_regions<'a, T>(
    ctx: &Context<'a>,
    rule: &RuleName,
    what: &str,
    of: impl Fn(&'a RegionalInventory) -> Option<&'a Reading<T>>,
) -> (Vec<(&'a Region, &'a T)>, Vec<Judgement>) {
    let by_name = &ctx.snapshot.regions.by_name;
    let declared = &ctx.config.regions.include;
    let regions: Vec<&Region> = match declared.is_empty() {
        true => by_name.keys().collect(),
        false => declared.iter().collect(),
    };
    if regions.is_empty() {
        return (Vec::new(), vec![unread(ctx, rule, what, None, &NOT_TAKEN)]);
    }
    let mut known = Vec::new();
    let mut unknown = Vec::new();
    for region in regions {
        match by_name.get(region).and_then(&of) {
            Some(Reading::Known(value)) => known.push((region, value)),
            Some(Reading::Unknown(gap)) => {
                unknown.push(unread(ctx, rule, what, Some(region), &failed(gap)));
            }
            None => unknown.push(unread(ctx, rule, what, Some(region), &NOT_TAKEN)),
        }
    }
    (known, unknown)
}

/// The verdict on what the change would mend, which is undone from the state before. `since`: since when it is so.
pub(super) fn remedied(
    finding: Finding,
    change: RegionalChange,
    before: RegionalState,
    since: DateTime<Utc>,
) -> Judgement {
    let remedy = Remedy {
        proposal: Proposal {
            inverse: change.inverse(&before).map(Inverse::Regional),
            change: Change::Regional(change),
        },
        precondition: Precondition::Regional(before),
        since,
        withheld: None,
        report_only: false,
        needs_approval: false,
    };
    Judgement {
        remedy: Some(remedy),
        ..Judgement::bare(finding)
    }
}

/// The verdict on what only people can mend: its owner is told, and told again, unless it is exempt.
pub(super) fn by_people(ctx: &Context<'_>, rule: &RuleName, mut finding: Finding, event: Event) -> Judgement {
    let told = stands_subject(ctx, rule, &mut finding);
    Judgement {
        reminder: told.then_some(Reminder {
            event,
            every: REMIND_EVERY,
        }),
        ..Judgement::bare(finding)
    }
}

/// A gap in a sentence, without a full stop.
pub(super) fn failed(gap: &Gap) -> String {
    format!("{} failed: {}", gap.operation, gap.detail)
}

/// A region of which nothing is known is not in order: it is unknown.
fn unread(
    ctx: &Context<'_>,
    rule: &RuleName,
    what: &str,
    region: Option<&Region>,
    why: &dyn std::fmt::Display,
) -> Judgement {
    let subject = region.map_or("regions", Region::as_str);
    let mut finding = ctx.finding(
        rule,
        &ctx.account_root(),
        subject,
        FindingStatus::Unknown,
        Severity::Medium,
    );
    finding.title = match region {
        Some(region) => format!("The {what} of {region} could not be read"),
        None => format!("The {what} of no region could be read"),
    };
    finding.detail = format!("{why}. Nothing is concluded from what is missing.");
    finding.evidence = evidence([("region", json!(region))]);
    finding.owner = ctx.account_owner();
    Judgement::bare(finding)
}
