//! `cloudtrail`: nobody could tell afterwards who did what.
//!
//! # What it finds
//!
//! - that no trail of all regions is logging every management event, those that read and those that write;
//! - trails that have stopped logging;
//! - trails whose log files are not validated, so that a change to them would not show;
//! - trails without a CloudWatch log group, which alarms need (rule `iam_alarms`);
//! - trails whose bucket is open to everybody, by its policy or its access control list.
//!
//! A region that cannot be read is `unknown`, never in order.
//!
//! # What it does
//!
//! - `start_logging` lets a stopped trail log again; undone by stopping it.
//! - `update_trail` sets only what falls short: log file validation; the log group, where `log_group` and `log_role` are
//!   declared; all regions, of one trail that would then do the job. Every other setting is left as it is. Undone by
//!   giving the same settings their old values.
//! - `create_trail` makes a trail of all regions, where none does the job, none could be made to, and `bucket` is declared;
//!   undone by deleting the trail (its logs stay).
//!
//! The trail of an organization is judged and never changed: it is changed in the management account. Event selectors and
//! buckets are for people to mend: narrowing a bucket's policy can stop others who read there.
//!
//! # Where it comes from
//!
//! AWS IAM user guide, "Security best practices in IAM"; CloudTrail user guide, "Security best practices in AWS
//! CloudTrail"; CIS AWS Foundations Benchmark v3.0.0, 3.1, 3.2 and the log bucket; 3.4 of earlier versions, the log group.
//!
//! # Where it differs from Prowler
//!
//! Prowler's `cloudtrail_multi_region_enabled` passes for a region with any logging trail that is seen there, whatever it
//! logs. `cloudtrail_multi_region_enabled_logging_management_events` asks what this rule asks. Here selectors that leave out
//! the noise of KMS and RDS Data count as all events; of advanced selectors Prowler takes only one that bears the console's
//! own name, `Management events selector`. Its `cloudtrail_cloudwatch_logging_enabled` also asks for a delivery within the
//! last day. For the bucket Prowler looks at the access control list alone, this rule also at the policy.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::judgement::{evidence, stands_subject};
use super::region::{by_people, failed, read_regions, remedied};
use super::{Context, Judgement, Practice, Rule};
use crate::inventory::{BucketExposure, Gap, ManagementEvents, Reading, Trail};
use crate::model::{
    Arn, ChangeKind, Event, Finding, FindingStatus, LogDestination, Region, RegionalChange, RegionalState,
    RuleName, Severity, TrailSettings, TrailUpdate,
};

/// The rule's name.
pub const RULE: RuleName = RuleName::new("cloudtrail");

pub(super) const ENTRY: Rule = Rule {
    name: "cloudtrail",
    summary: "CloudTrail does not log everything, or its logs are not safe",
    check,
    mode: |config| config.rules.cloudtrail.mode,
    schedule: |config| config.rules.cloudtrail.schedule.as_ref(),
    changes: |config| {
        let create = config
            .rules
            .cloudtrail
            .bucket
            .as_ref()
            .map(|_| ChangeKind::CreateTrail);
        [ChangeKind::StartLogging, ChangeKind::UpdateTrail]
            .into_iter()
            .chain(create)
            .collect()
    },
    source: include_str!("cloudtrail.rs"),
    practice: Practice::Monitoring,
    controls: &["3.1", "3.2"],
};

fn check(ctx: &Context<'_>) -> Vec<Judgement> {
    let (read, mut judgements) = read_regions(ctx, &RULE, "trails", |region| region.trails.as_ref());
    let trails: Vec<&Trail> = ctx.snapshot.regions.trails.values().collect();
    let coverage = match read.is_empty() {
        // Nothing was read, and that was said.
        true => Coverage::Given,
        // A trail of all regions is seen from each of them: one is enough.
        false => Coverage::of(ctx, &trails),
    };
    for trail in trails {
        let widened = matches!(coverage, Coverage::Widen(arn) if *arn == trail.settings.arn);
        judgements.extend(judge_logging(ctx, trail));
        judgements.extend(judge_settings(ctx, trail, widened));
        judgements.extend(judge_bucket(ctx, trail));
    }
    match coverage {
        Coverage::Given | Coverage::Widen(_) => {}
        Coverage::Unknown(gap) => judgements.push(unknown(ctx, &ctx.account_root(), "coverage", gap)),
        Coverage::None => judgements.push(judge_absence(ctx, read.first().map(|(region, _)| *region))),
    }
    judgements
}

/// Whether the trail logs all management events of all regions right now.
///
/// # Errors
/// The gap, where that is not known.
pub(super) fn sees_everything(trail: &Trail) -> Result<bool, &Gap> {
    if !trail.settings.multi_region {
        return Ok(false);
    }
    let logged = trail.management_events.as_result()?;
    let logging = trail.logging.as_result()?;
    Ok(*logging && logged.reads && logged.writes)
}

/// Whether some trail logs all management events of all regions.
enum Coverage<'a> {
    /// It does, or would if it were not stopped, which is a finding of its own.
    Given,
    /// This trail would, if it were of all regions.
    Widen(&'a Arn),
    /// It is not known, because of this gap.
    Unknown(&'a Gap),
    /// None does.
    None,
}

impl<'a> Coverage<'a> {
    fn of(ctx: &Context<'_>, trails: &[&'a Trail]) -> Self {
        let mut unknown = None;
        let mut widened: Option<&Trail> = None;
        for trail in trails {
            let everything = match &trail.management_events {
                Reading::Known(events) => {
                    *events
                        == ManagementEvents {
                            reads: true,
                            writes: true,
                        }
                }
                Reading::Unknown(gap) if trail.settings.multi_region => {
                    unknown = unknown.or(Some(gap));
                    continue;
                }
                Reading::Unknown(_) => continue,
            };
            match (everything, trail.settings.multi_region, &trail.logging) {
                (false, _, _) => {}
                (true, true, Reading::Known(true)) => return Self::Given,
                (true, true, Reading::Known(false)) if is_changeable(ctx, trail) => return Self::Given,
                (true, true, Reading::Known(false)) => {}
                (true, true, Reading::Unknown(gap)) => unknown = unknown.or(Some(gap)),
                (true, false, _) if is_changeable(ctx, trail) && is_better(trail, widened) => {
                    widened = Some(trail);
                }
                (true, false, _) => {}
            }
        }
        match (unknown, widened) {
            (Some(gap), _) => Self::Unknown(gap),
            (None, Some(trail)) => Self::Widen(&trail.settings.arn),
            (None, None) => Self::None,
        }
    }
}

/// Whether this trail is nearer to doing the job than the best so far; the first of equals stays.
fn is_better(trail: &Trail, than: Option<&Trail>) -> bool {
    let merits = |trail: &Trail| {
        let logging = trail.logging.known() == Some(&true);
        (
            logging,
            trail.settings.log_group.is_some(),
            trail.settings.log_file_validation,
        )
    };
    than.is_none_or(|than| merits(trail) > merits(than))
}

/// Whether the trail can be changed from here at all: it is this account's own, and no organization's.
fn is_changeable(ctx: &Context<'_>, trail: &Trail) -> bool {
    !trail.settings.organization && trail.settings.arn.account() == ctx.snapshot.account.as_str()
}

fn judge_logging(ctx: &Context<'_>, trail: &Trail) -> Option<Judgement> {
    let TrailSettings { arn, name, .. } = &trail.settings;
    match &trail.logging {
        Reading::Known(true) => return None,
        Reading::Known(false) => {}
        Reading::Unknown(gap) => return Some(unknown(ctx, arn, "logging", gap)),
    }
    let mut finding = trail_finding(ctx, arn, "logging", Severity::High);
    finding.title = format!("The trail {name} has stopped logging");
    finding.detail = "What happens now is not recorded by it.".to_owned();
    finding.evidence = trail_evidence(&trail.settings, [("logging", json!(false))]);
    let before = RegionalState::Logging { logging: false };
    Some(concluded(
        ctx,
        finding,
        trail,
        RegionalChange::StartLogging {},
        before,
    ))
}

/// What a trail lacks, and what of it is to be set.
#[derive(Default)]
struct Shortfall {
    update: TrailUpdate,
    fields: BTreeMap<&'static str, Value>,
    by_hand: Vec<&'static str>,
}

fn shortfall(ctx: &Context<'_>, trail: &Trail, widened: bool) -> Shortfall {
    let settings = &trail.settings;
    let mut short = Shortfall::default();
    if widened {
        short.update.multi_region = Some(true);
        short
            .fields
            .insert("multi_region", json!({"current": false, "declared": true}));
        // A trail of all regions has to log these.
        if !settings.global_service_events {
            short.update.global_service_events = Some(true);
            let change = json!({"current": false, "declared": true});
            short.fields.insert("global_service_events", change);
        }
    }
    if !settings.log_file_validation {
        short.update.log_file_validation = Some(true);
        let change = json!({"current": false, "declared": true});
        short.fields.insert("log_file_validation", change);
    }
    if settings.log_group.is_none() {
        let declared = declared_log_group(ctx, &settings.home_region);
        short
            .fields
            .insert("log_group", json!({"current": null, "declared": declared}));
        match declared {
            Some(destination) => short.update.log_group = Some(Some(destination)),
            None => short.by_hand.push("log_group"),
        }
    }
    short
}

/// The declared log group, in this account and the trail's own region.
fn declared_log_group(ctx: &Context<'_>, home: &Region) -> Option<LogDestination> {
    let settings = &ctx.config.rules.cloudtrail;
    let (group, role) = (settings.log_group.as_ref()?, settings.log_role.as_ref()?);
    let (partition, account) = (&ctx.snapshot.partition, &ctx.snapshot.account);
    let group = format!("log-group:{group}:*");
    Some(LogDestination {
        group: Arn::regional(partition, "logs", home, account, &group).ok()?,
        role: Arn::iam(partition, account, &format!("role/{role}")),
    })
}

fn judge_settings(ctx: &Context<'_>, trail: &Trail, widened: bool) -> Option<Judgement> {
    let Shortfall {
        update,
        fields,
        by_hand,
    } = shortfall(ctx, trail, widened);
    if fields.is_empty() {
        return None;
    }
    let TrailSettings { arn, name, .. } = &trail.settings;
    let severity = if widened { Severity::High } else { Severity::Medium };
    let mut finding = trail_finding(ctx, arn, "settings", severity);
    let names: Vec<_> = fields.keys().copied().collect();
    finding.title = format!("The trail {name} falls short in {}", names.join(", "));
    finding.detail = match (update.is_empty(), by_hand.is_empty()) {
        (false, true) => "What falls short is set; every other setting is left as it is.".to_owned(),
        (false, false) => "What falls short is set, save the log group: declare `log_group` and `log_role`, or set it by \
                           hand. Every other setting is left as it is."
            .to_owned(),
        (true, _) => "It has no CloudWatch log group, which alarms need: declare `log_group` and `log_role`, or set it by \
                      hand."
            .to_owned(),
    };
    finding.evidence = trail_evidence(&trail.settings, [("fields", json!(fields))]);
    if update.is_empty() {
        return Some(by_people(ctx, &RULE, finding, Event::TrailAtRisk));
    }
    let before = RegionalState::Trail {
        trail: Some(trail.settings.clone()),
    };
    Some(concluded(
        ctx,
        finding,
        trail,
        RegionalChange::UpdateTrail(update),
        before,
    ))
}

fn judge_bucket(ctx: &Context<'_>, trail: &Trail) -> Option<Judgement> {
    let TrailSettings {
        arn, name, bucket, ..
    } = &trail.settings;
    let exposure = match trail.bucket.as_ref()? {
        Reading::Known(exposure) => *exposure,
        Reading::Unknown(gap) => return Some(unknown(ctx, arn, "bucket", gap)),
    };
    let by = match exposure {
        BucketExposure {
            public_policy: false,
            public_acl: false,
        } => return None,
        BucketExposure {
            public_policy: true,
            public_acl: false,
        } => "by its policy",
        BucketExposure {
            public_policy: false,
            public_acl: true,
        } => "by its access control list",
        BucketExposure {
            public_policy: true,
            public_acl: true,
        } => "by its policy and its access control list",
    };
    let mut finding = trail_finding(ctx, arn, "bucket", Severity::Critical);
    finding.title = format!("The logs of the trail {name} are open to everybody");
    finding.detail = format!(
        "Its bucket {bucket} is open {by}, and the bucket's own public access block does not bar it (one of the whole \
         account is not looked at). Closing it is for people: others may read there."
    );
    finding.evidence = trail_evidence(&trail.settings, [("exposure", json!(exposure))]);
    Some(by_people(ctx, &RULE, finding, Event::TrailAtRisk))
}

/// No trail does the job, and none can be made to.
fn judge_absence(ctx: &Context<'_>, first: Option<&Region>) -> Judgement {
    let mut finding = trail_finding(ctx, &ctx.account_root(), "coverage", Severity::High);
    finding.title = "No trail of all regions logs all management events".to_owned();
    finding.evidence = evidence([(
        "trails",
        json!(ctx.snapshot.regions.trails.keys().collect::<Vec<_>>()),
    )]);
    let settings = &ctx.config.rules.cloudtrail;
    let home = ctx.config.regions.include.first().or(first);
    let planned = home.zip(settings.bucket.as_ref());
    let planned = planned.and_then(|(home, bucket)| declared_trail(ctx, home, bucket));
    let Some(trail) = planned else {
        finding.detail = "Who did what could not be told afterwards. Declare `bucket` to have a trail made, or make one by \
                          hand."
            .to_owned();
        return by_people(ctx, &RULE, finding, Event::TrailAtRisk);
    };
    if ctx.snapshot.regions.trails.contains_key(&trail.arn) {
        finding.detail = format!(
            "Who did what could not be told afterwards. The trail {} is there and does not do the job, so none of that \
             name can be made: see what it logs.",
            trail.name
        );
        return by_people(ctx, &RULE, finding, Event::TrailAtRisk);
    }
    finding.detail = format!(
        "Who did what could not be told afterwards. A trail is made in {}, writing to the bucket {}.",
        trail.home_region, trail.bucket
    );
    if !stands_subject(ctx, &RULE, &mut finding) {
        return Judgement::bare(finding);
    }
    let before = RegionalState::Trail { trail: None };
    remedied(
        finding,
        RegionalChange::CreateTrail(trail),
        before,
        ctx.snapshot.taken_at,
    )
}

/// The trail as it would be made.
fn declared_trail(ctx: &Context<'_>, home: &Region, bucket: &str) -> Option<TrailSettings> {
    let name = &ctx.config.rules.cloudtrail.trail_name;
    let (partition, account) = (&ctx.snapshot.partition, &ctx.snapshot.account);
    Some(TrailSettings {
        arn: Arn::regional(partition, "cloudtrail", home, account, &format!("trail/{name}")).ok()?,
        name: name.clone(),
        home_region: home.clone(),
        bucket: bucket.to_owned(),
        key_prefix: None,
        multi_region: true,
        organization: false,
        global_service_events: true,
        log_file_validation: true,
        log_group: declared_log_group(ctx, home),
        kms_key: None,
    })
}

fn trail_finding(ctx: &Context<'_>, resource: &Arn, subject: &str, severity: Severity) -> Finding {
    let mut finding = ctx.finding(&RULE, resource, subject, FindingStatus::Violation, severity);
    finding.owner = ctx.account_owner();
    finding
}

fn trail_evidence<const N: usize>(
    settings: &TrailSettings,
    facts: [(&str, Value); N],
) -> serde_json::Map<String, Value> {
    let mut map = evidence([
        ("home_region", json!(settings.home_region)),
        ("organization", json!(settings.organization)),
        ("bucket", json!(settings.bucket)),
    ]);
    map.extend(evidence(facts));
    map
}

/// The verdict on a trail that this change would mend, if the trail may be changed.
fn concluded(
    ctx: &Context<'_>,
    mut finding: Finding,
    trail: &Trail,
    change: RegionalChange,
    before: RegionalState,
) -> Judgement {
    if !is_changeable(ctx, trail) {
        finding.detail =
            "It is the trail of an organization: it is changed in the management account.".to_owned();
        return by_people(ctx, &RULE, finding, Event::TrailAtRisk);
    }
    if !stands_subject(ctx, &RULE, &mut finding) {
        return Judgement::bare(finding);
    }
    remedied(finding, change, before, ctx.snapshot.taken_at)
}

fn unknown(ctx: &Context<'_>, resource: &Arn, subject: &str, gap: &Gap) -> Judgement {
    let mut finding = ctx.finding(&RULE, resource, subject, FindingStatus::Unknown, Severity::Medium);
    finding.title = match subject {
        "coverage" => "Whether a trail logs all management events is not known".to_owned(),
        "bucket" => format!(
            "Whether the logs of {} are open to everybody is not known",
            resource.name()
        ),
        _ => format!("Whether the trail {} is logging is not known", resource.name()),
    };
    finding.detail = format!("{}. Nothing is concluded from what is missing.", failed(gap));
    finding.evidence = evidence([("operation", json!(gap.operation)), ("cause", json!(gap.cause))]);
    finding.owner = ctx.account_owner();
    Judgement::bare(finding)
}

#[cfg(test)]
#[path = "cloudtrail_tests.rs"]
mod tests;
