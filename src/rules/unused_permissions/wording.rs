//! What people read of a verdict: findings with their reasons in sentences and their facts as data.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use crate::inventory::{AttachedPolicy, Gap, User};
use crate::model::{
    Arn, Change, Digest, Event, Finding, FindingStatus, Inverse, PolicyUse, Precondition, PrincipalKind,
    Proposal, Severity, Span, WithheldReason,
};
use crate::rules::access_analyzer::{add_unused_role, add_unused_services};
use crate::rules::{Announcement, Context, Judgement, Remedy, Standing};

use super::NAME;
use super::age::days_between;
use super::catalogue::AccessLevel;
use super::evidence::{Doubt, KeptBy};
use super::holder::{Holder, ReportOnly};
use super::survey::{Grant, Survey};
use super::verdict::Facts;

/// How grave an unused policy is: high where it reaches services it does not name or administers IAM, medium where
/// it writes anything, low where it only lists and reads.
fn severity(grant: &Grant<'_>) -> Severity {
    let reach = &grant.reach;
    if reach.is_open_ended() || reach.administers_iam {
        return Severity::High;
    }
    match reach.level {
        AccessLevel::Read => Severity::Low,
        AccessLevel::Write | AccessLevel::Permissions => Severity::Medium,
    }
}

fn without_remedy(finding: Finding) -> Judgement {
    Judgement {
        finding,
        remedy: None,
        announcement: None,
        reminder: None,
    }
}

fn kind_and_name(holder: &Holder<'_>) -> String {
    format!("{} {}", holder.kind, holder.name)
}

fn date(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d").to_string()
}

/// A span in whole days, as people read it.
pub(in crate::rules) fn days(span: Span) -> String {
    match span.days() {
        1 => "1 day".to_owned(),
        days if span.seconds().is_multiple_of(86_400) => format!("{days} days"),
        _ => span.to_string(),
    }
}

/// The account could not be read, so nothing can be said of any policy in it.
pub(super) fn unread_account(ctx: &Context<'_>, gap: &Gap) -> Judgement {
    let root = ctx.account_root();
    let mut finding = ctx.finding(&NAME, &root, "", FindingStatus::Unknown, Severity::Medium);
    finding.title = "cannot tell which permissions are unused: the account could not be read".to_owned();
    finding.detail = format!("{} failed: {}. No policy is judged.", gap.operation, gap.detail);
    finding.evidence = keeping(&Doubt::new(KeptBy::E1, ""));
    finding.owner = ctx.account_owner();
    without_remedy(finding)
}

/// Access Advisor does not cover the account's partition (P7).
pub(super) fn uncovered_partition(ctx: &Context<'_>) -> Judgement {
    let root = ctx.account_root();
    let mut finding = ctx.finding(&NAME, &root, "", FindingStatus::Unknown, Severity::Low);
    finding.title = "cannot tell which permissions are unused in this partition".to_owned();
    finding.detail = format!(
        "The account lies in the partition {}, where the evidence of Access Advisor does not suffice: every policy is kept.",
        ctx.snapshot.partition
    );
    finding.evidence = keeping(&Doubt::new(KeptBy::P7, ""));
    finding.owner = ctx.account_owner();
    without_remedy(finding)
}

/// No attachment of the holder can be judged, all for one reason.
pub(super) fn unknown_holder(survey: &Survey<'_>, holder: &Holder<'_>, doubt: &Doubt) -> Judgement {
    let who = kind_and_name(holder);
    let mut finding = about(survey, holder, "", FindingStatus::Unknown, Severity::Low);
    finding.title = format!("cannot tell which policies of the {who} are unused");
    finding.detail = format!("All its policies are kept: {}.", doubt.why);
    finding.evidence = keeping(doubt);
    let policies: Vec<_> = holder.attached.iter().map(|policy| policy.arn.as_str()).collect();
    finding.evidence.insert("policies".to_owned(), json!(policies));
    without_remedy(finding)
}

/// Nothing at all is used: whoever looks after it should ask whether it is needed, not empty it bit by bit (P5).
pub(super) fn unused_as_a_whole(survey: &Survey<'_>, holder: &Holder<'_>) -> Judgement {
    let who = kind_and_name(holder);
    let window = holder.window(&survey.terms);
    let mut finding = about(survey, holder, "", FindingStatus::Warning, Severity::Medium);
    finding.title = format!("the {who} is unused as a whole: review");
    let subject = match holder.kind {
        PrincipalKind::Group => "No member of it has used any service",
        PrincipalKind::User | PrincipalKind::Role => "It has used no service",
    };
    finding.detail = format!(
        "{subject} for at least {}. Nothing is detached from it: decide whether it is needed at all, and delete it if not.",
        days(window)
    );
    finding.evidence = keeping(&Doubt::new(KeptBy::P5, ""));
    finding.evidence.insert("unused_for".to_owned(), json!(window));
    finding
        .evidence
        .insert("last_seen".to_owned(), json!(holder.last_seen));
    let policies: Vec<_> = holder.attached.iter().map(|policy| policy.arn.as_str()).collect();
    finding.evidence.insert("policies".to_owned(), json!(policies));
    add_unused_role(&survey.ctx, &mut finding);
    without_remedy(finding)
}

/// One attachment is kept, for a reason that people should know.
pub(super) fn kept(
    survey: &Survey<'_>,
    holder: &Holder<'_>,
    policy: &AttachedPolicy,
    doubt: &Doubt,
) -> Judgement {
    let mut finding = about(
        survey,
        holder,
        policy.arn.as_str(),
        FindingStatus::Unknown,
        Severity::Low,
    );
    let of = format!("{} of the {}", policy.name, kind_and_name(holder));
    finding.title = match doubt.rule {
        // Disuse is shown, and yet it stays.
        KeptBy::D2 | KeptBy::D9 | KeptBy::D12 => format!("{of} is kept although no use of it is known"),
        KeptBy::D1
        | KeptBy::D7
        | KeptBy::D8
        | KeptBy::D10
        | KeptBy::E1
        | KeptBy::E2
        | KeptBy::E4
        | KeptBy::E5
        | KeptBy::E6
        | KeptBy::E7
        | KeptBy::E11
        | KeptBy::P3
        | KeptBy::P5
        | KeptBy::P7 => format!("cannot tell whether {of} is unused"),
    };
    finding.detail = format!("The policy is kept: {}.", doubt.why);
    finding.evidence = keeping(doubt);
    finding
        .evidence
        .insert("policy_arn".to_owned(), json!(policy.arn));
    without_remedy(finding)
}

/// A use is dated in the future: the policy counts as used, and somebody's clock is wrong (E6).
pub(super) fn used_in_future(
    survey: &Survey<'_>,
    holder: &Holder<'_>,
    policy: &AttachedPolicy,
    grant: &Grant<'_>,
    facts: &Facts,
) -> Judgement {
    let mut finding = about(
        survey,
        holder,
        policy.arn.as_str(),
        FindingStatus::Warning,
        Severity::Low,
    );
    finding.title = format!(
        "{} of the {} was used at a time that has not come yet",
        policy.name,
        kind_and_name(holder)
    );
    finding.detail =
        "Access Advisor dates the last use after the present: it counts as used. Check the clock of \
                      the machine that iamwarden runs on."
            .to_owned();
    finding.evidence = evidence(survey, holder, grant, facts);
    finding.evidence.extend(keeping(&Doubt::new(KeptBy::E6, "")));
    add_unused_services(&survey.ctx, &mut finding, facts.services.keys());
    without_remedy(finding)
}

/// Unused so far, but nobody knows for how long it has been attached.
pub(super) fn unused_so_far(
    survey: &Survey<'_>,
    holder: &Holder<'_>,
    policy: &AttachedPolicy,
    grant: &Grant<'_>,
    facts: &Facts,
) -> Judgement {
    let mut finding = about(
        survey,
        holder,
        policy.arn.as_str(),
        FindingStatus::Warning,
        Severity::Low,
    );
    finding.title = format!(
        "{} of the {} is unused so far",
        policy.name,
        kind_and_name(holder)
    );
    finding.detail = format!(
        "{} Nobody knows how old the attachment, or a membership that it rests on, is, so it counts from the day it was \
         first seen and can be judged on {}. (`trust_existing = true` takes what was there at the first reading for as old as \
         what it joins.)",
        unused_sentence(survey, holder, facts),
        date(facts.judged_on)
    );
    finding.evidence = evidence(survey, holder, grant, facts);
    finding.evidence.extend(keeping(&Doubt::new(KeptBy::E7, "")));
    add_unused_services(&survey.ctx, &mut finding, facts.services.keys());
    without_remedy(finding)
}

/// A policy that would be detached, were its principal not to be left alone.
pub(super) fn spared(
    survey: &Survey<'_>,
    holder: &Holder<'_>,
    policy: &AttachedPolicy,
    (grant, facts): (&Grant<'_>, &Facts),
    (standing, member): &(Standing, Option<&User>),
) -> Judgement {
    let mut finding = about(
        survey,
        holder,
        policy.arn.as_str(),
        FindingStatus::Exempt,
        severity(grant),
    );
    finding.title = unused_title(survey, holder, policy);
    finding.evidence = evidence(survey, holder, grant, facts);
    let who = match member {
        Some(member) => format!("its member {}", member.name),
        None => format!("the {}", kind_and_name(holder)),
    };
    let why = match standing {
        Standing::Own => {
            finding.evidence.insert("own".to_owned(), json!(true));
            format!("{who} is what iamwarden itself runs as")
        }
        Standing::Protected(pattern) => {
            finding.evidence.insert("protected_by".to_owned(), json!(pattern));
            format!("{who} is protected by `{pattern}`")
        }
        Standing::Exempt(exemption) => {
            let told = json!({"until": exemption.until, "reason": exemption.reason});
            finding.evidence.insert("exemption".to_owned(), told);
            format!("{who} is exempt until {} ({})", exemption.until, exemption.reason)
        }
        // Only what is to be left alone is worded here.
        Standing::Subject { .. } => "nothing is to be done about it".to_owned(),
    };
    if let Some(member) = member {
        finding.evidence.insert("member".to_owned(), json!(member.arn));
    }
    finding.detail = format!(
        "{} It is left alone, because {why}.",
        unused_sentence(survey, holder, facts)
    );
    add_unused_services(&survey.ctx, &mut finding, facts.services.keys());
    without_remedy(finding)
}

/// A policy that is to be detached.
pub(super) fn violation(
    survey: &Survey<'_>,
    holder: &Holder<'_>,
    policy: &AttachedPolicy,
    grant: &Grant<'_>,
    facts: &Facts,
    standing: &Standing,
) -> Judgement {
    let mut finding = about(
        survey,
        holder,
        policy.arn.as_str(),
        FindingStatus::Violation,
        severity(grant),
    );
    finding.title = unused_title(survey, holder, policy);
    finding.evidence = evidence(survey, holder, grant, facts);
    if let Standing::Subject {
        expired: Some(exemption),
    } = standing
    {
        let told = json!({"until": exemption.until, "reason": exemption.reason});
        finding.evidence.insert("expired_exemption".to_owned(), told);
    }
    let report_only = holder.report_only(&survey.ctx);
    finding.detail = violation_detail(survey, holder, facts, report_only.as_ref());
    add_unused_services(&survey.ctx, &mut finding, facts.services.keys());
    if let Some(ReportOnly { rule, why: _ }) = report_only {
        finding.evidence.insert("report_only".to_owned(), json!(rule));
    }
    let first_seen_unused = survey
        .memory
        .unused_since(holder.arn, &policy.arn)
        .unwrap_or(survey.now());
    let confirmed_on = first_seen_unused
        .checked_add_signed(survey.ctx.config.rules.unused_permissions.confirm_after.delta())
        .unwrap_or(DateTime::<Utc>::MAX_UTC);
    Judgement {
        finding,
        remedy: Some(Remedy {
            proposal: Proposal {
                change: Change::DetachPolicy {
                    policy_arn: policy.arn.clone(),
                },
                inverse: Some(Inverse::AttachPolicy {
                    policy_arn: policy.arn.clone(),
                }),
            },
            precondition: precondition(holder, grant, facts),
            since: facts.offends_since,
            withheld: (survey.now() < confirmed_on).then(|| {
                let so = format!(
                    "seen unused since {}; confirmed if every reading agrees until {}",
                    date(first_seen_unused),
                    date(confirmed_on)
                );
                (WithheldReason::Unconfirmed, so)
            }),
            report_only: report_only.is_some(),
            needs_approval: false,
        }),
        announcement: Some(Announcement {
            event: Event::PermissionsUnused,
            subject: subject(holder.arn, &policy.arn),
            due: confirmed_on,
            minimum_notice: Span::ZERO,
            warn_before: Vec::new(),
            notices_count_after: None,
        }),
        reminder: None,
    }
}

/// The text by which notices and errors name an attachment.
pub(super) fn subject(principal: &Arn, policy: &Arn) -> String {
    format!("{policy} of {principal}")
}

fn precondition(holder: &Holder<'_>, grant: &Grant<'_>, facts: &Facts) -> Precondition {
    let members = holder.members.iter().map(|user| (&user.arn, user.created_at));
    let members = (holder.kind == PrincipalKind::Group).then(|| members.collect());
    attachment_precondition(
        &grant.policy.arn,
        &grant.version.id,
        &grant.version.document,
        HolderIdentity::new(holder.created_at, members),
        PolicyUse {
            services: facts.services.clone(),
        },
    )
}

/// What tells a user, group or role from a namesake, and a group from what it was with other members.
pub(super) struct HolderIdentity {
    created_at: DateTime<Utc>,
    members: Option<Digest>,
}

impl HolderIdentity {
    pub(super) fn new(created_at: DateTime<Utc>, members: Option<Vec<(&Arn, DateTime<Utc>)>>) -> Self {
        let digest = |mut members: Vec<_>| {
            members.sort();
            Digest::of_json(&json!(members))
        };
        Self {
            created_at,
            members: members.map(digest),
        }
    }
}

/// What must hold of an attachment right before it is undone.
pub(super) fn attachment_precondition(
    policy: &Arn,
    version: &str,
    document: &str,
    holder: HolderIdentity,
    last_used: PolicyUse,
) -> Precondition {
    Precondition::Attachment {
        policy_arn: policy.clone(),
        version: version.to_owned(),
        document: Digest::of_document(document),
        attached: true,
        principal_created_at: holder.created_at,
        members: holder.members,
        last_used,
    }
}

fn unused_title(survey: &Survey<'_>, holder: &Holder<'_>, policy: &AttachedPolicy) -> String {
    format!(
        "nothing that {} grants to the {} was used for {}",
        policy.name,
        kind_and_name(holder),
        days(holder.window(&survey.terms))
    )
}

/// One sentence: which services, and when they were last used.
fn unused_sentence(survey: &Survey<'_>, holder: &Holder<'_>, facts: &Facts) -> String {
    let who = match holder.kind {
        PrincipalKind::Group => "the group's members",
        PrincipalKind::User => "the user",
        PrincipalKind::Role => "the role",
    };
    let uses = facts.services.iter().map(|(prefix, last)| {
        let name = survey.catalogue.name_of(prefix);
        match last {
            Some(at) => format!("{name} (last used {})", date(*at)),
            None => format!("{name} (never seen used)"),
        }
    });
    let shown: Vec<_> = uses.take(8).collect();
    let more = match facts.services.len().saturating_sub(shown.len()) {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    format!(
        "It grants {}{more}, and {who} used none of that for {}.",
        shown.join(", "),
        days(holder.window(&survey.terms))
    )
}

fn violation_detail(
    survey: &Survey<'_>,
    holder: &Holder<'_>,
    facts: &Facts,
    report_only: Option<&ReportOnly>,
) -> String {
    let mut sentences = vec![unused_sentence(survey, holder, facts)];
    let outsiders = holder.outsiders();
    if !outsiders.is_empty() {
        sentences.push(format!(
            "The role can be assumed from outside ({}), so it is judged over {} at least.",
            outsiders.join(", "),
            days(holder.window(&survey.terms))
        ));
    }
    if let Some(stack) = holder.cloudformation_stack() {
        sentences.push(format!(
            "It is declared by the CloudFormation stack {stack}: change it there too, or it comes back."
        ));
    }
    match report_only {
        Some(ReportOnly { why, rule: _ }) => {
            sentences.push(format!(
                "iamwarden only proposes to detach it, in every mode: {why}."
            ));
        }
        None => sentences.push("Detaching it can be undone by attaching it again.".to_owned()),
    }
    sentences.join(" ")
}

fn about(
    survey: &Survey<'_>,
    holder: &Holder<'_>,
    subject: &str,
    status: FindingStatus,
    severity: Severity,
) -> Finding {
    let mut finding = survey.ctx.finding(&NAME, holder.arn, subject, status, severity);
    finding.owner = holder.owner(&survey.ctx);
    finding
}

fn keeping(doubt: &Doubt) -> Map<String, Value> {
    let mut evidence = Map::new();
    evidence.insert("kept_by".to_owned(), json!(doubt.rule.as_str()));
    if !doubt.why.is_empty() {
        evidence.insert("reason".to_owned(), json!(doubt.why));
    }
    evidence
}

fn evidence(
    survey: &Survey<'_>,
    holder: &Holder<'_>,
    grant: &Grant<'_>,
    facts: &Facts,
) -> Map<String, Value> {
    let now = survey.now();
    let services: Map<String, Value> = facts
        .services
        .iter()
        .map(|(prefix, last)| {
            (
                prefix.clone(),
                json!({"name": survey.catalogue.name_of(prefix), "last_used": last}),
            )
        })
        .collect();
    let mut evidence = Map::new();
    let mut put = |key: &str, value: Value| evidence.insert(key.to_owned(), value);
    put("policy_arn", json!(grant.policy.arn));
    put("policy_version", json!(grant.version.id));
    put("services", Value::Object(services));
    put("unused_for", json!(holder.window(&survey.terms)));
    put(
        "observable_days",
        json!(days_between(facts.observable_since, now)),
    );
    put("principal_age_days", json!(days_between(holder.created_at, now)));
    put("attached_since", json!(facts.attached.since));
    put("attached_since_is", json!(facts.attached.known.as_str()));
    put("judged_on", json!(facts.judged_on));
    put("report_completed_at", json!(facts.completed_at));
    if !holder.members.is_empty() {
        put("members", json!(holder.members.len()));
    }
    let outsiders = holder.outsiders();
    if !outsiders.is_empty() {
        put("assumable_by", json!(outsiders));
    }
    if let Some(stack) = holder.cloudformation_stack() {
        put("owned_by", json!(format!("cloudformation stack {stack}")));
    }
    evidence
}
