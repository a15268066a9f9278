//! `iam_alarms`: something happens to access, and nobody is told.
//!
//! # What it finds
//!
//! For each event that has to be watched (changes to IAM policies, denied calls, use of root, console sign-in without MFA,
//! failed sign-ins, changes to CloudTrail, new access keys, and patterns of your own):
//!
//! - that no metric filter on the log group of a trail looks for it. A filter counts by what its pattern means: order,
//!   spaces, quotes and needless parentheses do not matter, and one that looks for more than the event does as well;
//! - that no alarm on the filter's metric tells an SNS topic;
//! - that nobody has confirmed a subscription to that topic.
//!
//! The trail has to be one that logs all management events of all regions (rule `cloudtrail`), with a log group in this
//! account. Where there is none, that is the one finding.
//!
//! # What it does
//!
//! - `put_metric_filter` makes a filter `iamwarden-EVENT` on the log group, which feeds the metric `iamwarden/EVENT`; undone
//!   by deleting it.
//! - `put_metric_alarm` makes an alarm `iamwarden-EVENT` that tells `topic`, where one is declared; undone by deleting it.
//!
//! Nothing that is there is changed: where a name is taken, that is said, and people mend it. A subscription is confirmed by
//! whoever gets its message.
//!
//! # Where it comes from
//!
//! AWS IAM user guide, "Security best practices in IAM"; CIS AWS Foundations Benchmark v3.0.0, 4.1 to 4.6. New access keys
//! are AWS's own advice, not the benchmark's.
//!
//! # Where it differs from Prowler
//!
//! Prowler's `cloudwatch_log_metric_filter_*` and `cloudwatch_changes_to_*` search a pattern by a regular expression, in a
//! fixed order of its terms: patterns in another order fail there and pass here, and ones that narrow the event by a further
//! condition pass there and fail here. It takes the log group of any trail, and any alarm; this rule also asks for a trail
//! that sees everything, for alarms that are enabled, and for a subscriber.

mod events;
mod pattern;
mod verdict;

use serde_json::json;

use self::events::Watched;
use self::verdict::{Found, Verdict, is_alarmed};
use super::cloudtrail;
use super::judgement::{evidence, stands_subject};
use super::region::{NOT_TAKEN, by_people, failed, read_regions, remedied};
use super::{Context, Judgement, Practice, Rule};
use crate::inventory::{Gap, LogGroup};
use crate::model::{
    Arn, ChangeKind, Event, Feed, Finding, FindingStatus, MetricAlarm, MetricFilter, MetricName, Region,
    RegionalChange, RegionalState, RuleName, Severity, log_group_name,
};

/// The rule's name.
pub const RULE: RuleName = RuleName::new("iam_alarms");

pub(super) const ENTRY: Rule = Rule {
    name: "iam_alarms",
    summary: "something happens to access and nobody is told",
    check,
    mode: |config| config.rules.iam_alarms.mode,
    schedule: |config| config.rules.iam_alarms.schedule.as_ref(),
    changes: |config| {
        let alarm = config
            .rules
            .iam_alarms
            .topic
            .as_ref()
            .map(|_| ChangeKind::PutMetricAlarm);
        std::iter::once(ChangeKind::PutMetricFilter)
            .chain(alarm)
            .collect()
    },
    source: include_str!("mod.rs"),
    practice: Practice::Monitoring,
    controls: &["4.1", "4.2", "4.3", "4.4", "4.5", "4.6"],
};

/// The namespace of the metrics that are made, and what the names of filters and alarms begin with.
const OWN: &str = "iamwarden";

fn check(ctx: &Context<'_>) -> Vec<Judgement> {
    let (read, mut judgements) = read_regions(ctx, &RULE, "trails", |region| region.trails.as_ref());
    if read.is_empty() {
        return judgements;
    }
    match watched_groups(ctx) {
        Groups::Known(groups) => {
            for event in Watched::all(&ctx.config.rules.iam_alarms) {
                judgements.extend(judge_event(ctx, &event, &groups));
            }
        }
        Groups::Unknown(gap) => {
            let root = ctx.account_root();
            judgements.push(unknown(ctx, &root, "log-group", "what happens to access", gap));
        }
        Groups::None => judgements.push(nothing_to_watch(ctx)),
    }
    judgements
}

/// The log groups that see everything.
enum Groups<'a> {
    Known(Vec<(&'a Arn, &'a LogGroup)>),
    /// Whether there is one is not known, because of this gap; `None`: nobody asked.
    Unknown(Option<&'a Gap>),
    None,
}

fn watched_groups<'a>(ctx: &Context<'a>) -> Groups<'a> {
    let regions = &ctx.snapshot.regions;
    let mut groups = Vec::new();
    let mut unknown = None;
    for trail in regions.trails.values() {
        let group = trail.settings.log_group.as_ref().and_then(|to| to.group_alone());
        let Some(group) = group.filter(|arn| arn.account() == ctx.snapshot.account.as_str()) else {
            continue;
        };
        match (
            cloudtrail::sees_everything(trail),
            regions.log_groups.get_key_value(&group),
        ) {
            (Ok(false), _) => {}
            (Ok(true), Some(known)) if !groups.contains(&known) => groups.push(known),
            (Ok(true), Some(_)) => {}
            (Ok(true), None) => unknown = unknown.or(Some(None)),
            (Err(gap), _) => unknown = Some(Some(gap)),
        }
    }
    match (groups.is_empty(), unknown) {
        (false, _) => Groups::Known(groups),
        (true, Some(gap)) => Groups::Unknown(gap),
        (true, None) => Groups::None,
    }
}

fn nothing_to_watch(ctx: &Context<'_>) -> Judgement {
    let mut finding = ctx.finding(
        &RULE,
        &ctx.account_root(),
        "log-group",
        FindingStatus::Violation,
        Severity::Medium,
    );
    finding.title = "There is no log group in which access could be watched".to_owned();
    finding.detail = "No trail that logs all management events of all regions hands them to a CloudWatch log group of this \
                      account: mend that first (rule `cloudtrail`)."
        .to_owned();
    finding.owner = ctx.account_owner();
    by_people(ctx, &RULE, finding, Event::AlarmMissing)
}

fn judge_event(ctx: &Context<'_>, event: &Watched, groups: &[(&Arn, &LogGroup)]) -> Vec<Judgement> {
    let verdicts = groups
        .iter()
        .map(|(arn, group)| (*arn, *group, Verdict::of(event, group)));
    // One group that is watched is enough; the nearest to it is the one to mend.
    let Some((arn, group, verdict)) = verdicts.max_by_key(|(_, _, verdict)| verdict.rank()) else {
        return Vec::new();
    };
    match verdict {
        Verdict::Watched => Vec::new(),
        Verdict::Unknown(gap) => vec![unknown(ctx, arn, &event.name, &event.what, gap)],
        Verdict::Unfiltered => unfiltered(ctx, event, arn, group),
        Verdict::Silent(metric) => vec![silent(ctx, event, arn, group, &metric)],
        Verdict::Unheard(found) => vec![unheard(ctx, event, arn, &found)],
    }
}

/// No filter looks for the event: one is made, and its alarm beside it.
fn unfiltered(ctx: &Context<'_>, event: &Watched, arn: &Arn, group: &LogGroup) -> Vec<Judgement> {
    let filter = own_filter(event);
    let mut finding = event_finding(ctx, event, arn, "filter");
    finding.title = format!("No metric filter looks for {}", event.what);
    let taken = group
        .filters
        .known()
        .into_iter()
        .flatten()
        .any(|known| known.name == filter.name);
    if taken {
        finding.detail = format!(
            "The log group {} has a filter {} of another pattern, so none of that name is made: correct or delete it.",
            log_group_name(arn),
            filter.name
        );
        return vec![by_people(ctx, &RULE, finding, Event::AlarmMissing)];
    }
    let metric = own_metric(event);
    finding.detail = match ctx.config.rules.iam_alarms.topic {
        Some(_) => format!(
            "One is made on the log group {}, and an alarm on its metric {metric}.",
            log_group_name(arn)
        ),
        None => format!(
            "One is made on the log group {}. Declare `topic` to have an alarm on its metric {metric} made as well.",
            log_group_name(arn)
        ),
    };
    let before = RegionalState::MetricFilter { filter: None };
    let filtered = concluded(ctx, finding, RegionalChange::PutMetricFilter(filter), before);
    let alarmed = ctx.config.rules.iam_alarms.topic.is_some() && !is_alarmed(group, &metric);
    let alarm = alarmed.then(|| silent(ctx, event, arn, group, &metric));
    std::iter::once(filtered).chain(alarm).collect()
}

/// A filter feeds a metric, and no alarm on that tells anybody.
fn silent(ctx: &Context<'_>, event: &Watched, arn: &Arn, group: &LogGroup, metric: &MetricName) -> Judgement {
    let mut finding = event_finding(ctx, event, arn, "alarm");
    finding.title = format!("No alarm tells of {}", event.what);
    finding.evidence.insert("metric".to_owned(), json!(metric));
    let name = own_name(event);
    let taken = group
        .alarms
        .known()
        .into_iter()
        .flatten()
        .any(|alarm| alarm.name == name);
    let topic = match declared_topic(ctx, arn) {
        _ if taken => {
            finding.detail = format!(
                "There is an alarm {name} that does not tell a topic of {metric}, so none of that name is made: correct or \
                 delete it."
            );
            return by_people(ctx, &RULE, finding, Event::AlarmMissing);
        }
        Ok(topic) => topic,
        Err(why) => {
            finding.detail = format!("No enabled alarm on the metric {metric} tells an SNS topic. {why}");
            return by_people(ctx, &RULE, finding, Event::AlarmMissing);
        }
    };
    finding.detail = format!("An alarm on the metric {metric} is made that tells {topic}.");
    let alarm = own_alarm(name, metric.clone(), &topic);
    let before = RegionalState::MetricAlarm { alarm: None };
    concluded(ctx, finding, RegionalChange::PutMetricAlarm(alarm), before)
}

/// An alarm tells a topic that nobody hears.
fn unheard(ctx: &Context<'_>, event: &Watched, arn: &Arn, found: &Found) -> Judgement {
    let Found { alarm, topic } = found;
    let mut finding = event_finding(ctx, event, arn, "subscriber");
    finding.title = format!("Nobody hears the alarm on {}", event.what);
    finding.detail = format!(
        "The alarm {alarm} tells {topic}, which has no confirmed subscription: subscribe somebody, who then confirms by the \
         link in the message."
    );
    finding.evidence.insert("alarm".to_owned(), json!(alarm));
    finding.evidence.insert("topic".to_owned(), json!(topic));
    by_people(ctx, &RULE, finding, Event::AlarmMissing)
}

/// The topic that alarms on this log group are to tell.
fn declared_topic(ctx: &Context<'_>, group: &Arn) -> Result<Arn, String> {
    let declared = ctx.config.rules.iam_alarms.topic.as_deref();
    let declared = declared.ok_or_else(|| "Declare `topic` to have one made.".to_owned())?;
    let home = Region::parse(group.region()).map_err(|odd| format!("{odd}."))?;
    if let Ok(arn) = Arn::parse(declared) {
        return match arn.region() == home.as_str() {
            true => Ok(arn),
            false => Err(format!(
                "The declared topic is not in {home}, where the log group is: name one of each region."
            )),
        };
    }
    let (partition, account) = (&ctx.snapshot.partition, &ctx.snapshot.account);
    Arn::regional(partition, "sns", &home, account, declared).map_err(|odd| format!("{odd}."))
}

fn own_name(event: &Watched) -> String {
    format!("{OWN}-{}", event.name)
}

fn own_metric(event: &Watched) -> MetricName {
    MetricName {
        namespace: OWN.to_owned(),
        name: event.name.clone(),
    }
}

fn own_filter(event: &Watched) -> MetricFilter {
    MetricFilter {
        name: own_name(event),
        pattern: event.pattern.clone(),
        feeds: vec![Feed {
            metric: own_metric(event),
            value: "1".to_owned(),
        }],
    }
}

/// Goes off at the first event within five minutes.
fn own_alarm(name: String, metric: MetricName, topic: &Arn) -> MetricAlarm {
    MetricAlarm {
        name,
        metrics: vec![metric],
        comparison: "GreaterThanOrEqualToThreshold".to_owned(),
        threshold: "1".to_owned(),
        statistic: Some("Sum".to_owned()),
        period: Some(300),
        evaluation_periods: 1,
        treat_missing_data: Some("notBreaching".to_owned()),
        actions_enabled: true,
        actions: vec![topic.to_string()],
    }
}

fn event_finding(ctx: &Context<'_>, event: &Watched, group: &Arn, what: &str) -> Finding {
    let subject = format!("{}/{what}", event.name);
    let mut finding = ctx.finding(&RULE, group, &subject, FindingStatus::Violation, Severity::Medium);
    finding.evidence = evidence([("event", json!(event.name)), ("pattern", json!(event.pattern))]);
    finding.owner = ctx.account_owner();
    finding
}

fn concluded(
    ctx: &Context<'_>,
    mut finding: Finding,
    change: RegionalChange,
    before: RegionalState,
) -> Judgement {
    if !stands_subject(ctx, &RULE, &mut finding) {
        return Judgement::bare(finding);
    }
    remedied(finding, change, before, ctx.snapshot.taken_at)
}

fn unknown(ctx: &Context<'_>, resource: &Arn, subject: &str, what: &str, gap: Option<&Gap>) -> Judgement {
    let mut finding = ctx.finding(&RULE, resource, subject, FindingStatus::Unknown, Severity::Medium);
    finding.title = format!("Whether anybody is told of {what} is not known");
    let why = gap.map_or_else(|| NOT_TAKEN.to_owned(), failed);
    finding.detail = format!("{why}. Nothing is concluded from what is missing.");
    finding.evidence = evidence([("gap", json!(gap))]);
    finding.owner = ctx.account_owner();
    Judgement::bare(finding)
}

#[cfg(test)]
mod tests;
