//! What the rules about access keys share: how a key is looked at, named and disabled.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};

use super::judgement::{evidence, stands_subject, unreadable_account};
use super::{Announcement, Context, Judgement, Remedy};
use crate::inventory::{AccessKey, LastUsed, Reading, User};
use crate::model::{
    AccessKeyId, Change, Event, FindingStatus, Inverse, KeyStatus, Observation, Precondition, Proposal,
    RuleName, Severity, Span, Target, WithheldReason,
};

/// A key with its owner, where its id is known.
pub(super) struct Subject<'a> {
    pub(super) user: &'a User,
    pub(super) key: &'a AccessKey,
    pub(super) id: &'a AccessKeyId,
}

/// Applies a judgement to every key of every user; users whose keys could not be read become `unknown`.
pub(super) fn judge_keys<'a>(
    ctx: &Context<'a>,
    rule: &RuleName,
    judge: impl Fn(&'a User, &'a AccessKey) -> Option<Judgement>,
) -> Vec<Judgement> {
    let authorization = match ctx.authorization() {
        Ok(authorization) => authorization,
        Err(gap) => return vec![unreadable_account(ctx, rule, gap)],
    };
    let mut judgements = Vec::new();
    for user in &authorization.users {
        match &user.credentials {
            Some(Reading::Known(credentials)) => {
                judgements.extend(credentials.access_keys.iter().filter_map(|key| judge(user, key)));
            }
            Some(Reading::Unknown(gap)) => judgements.push(unreadable_keys(ctx, rule, user, &gap.detail)),
            None => judgements.push(unreadable_keys(
                ctx,
                rule,
                user,
                "the snapshot was taken without access keys",
            )),
        }
    }
    judgements
}

fn unreadable_keys(ctx: &Context<'_>, rule: &RuleName, user: &User, why: &str) -> Judgement {
    let mut finding = ctx.finding(rule, &user.arn, "keys", FindingStatus::Unknown, Severity::Medium);
    finding.title = format!("The access keys of {} could not be read", user.name);
    finding.detail = format!("{why}. Nothing is concluded from what is missing.");
    finding.owner = ctx.owner_of_user(user);
    Judgement::bare(finding)
}

/// A key that offends, whose id, status or dates do not allow a verdict.
pub(super) fn undecidable(
    ctx: &Context<'_>,
    rule: &RuleName,
    user: &User,
    key: &AccessKey,
    why: &str,
) -> Judgement {
    let subject = key
        .id
        .as_ref()
        .map_or_else(|| key.created_at.to_rfc3339(), ToString::to_string);
    let mut finding = ctx.finding(
        rule,
        &user.arn,
        &subject,
        FindingStatus::Unknown,
        Severity::Medium,
    );
    finding.title = format!("No verdict on an access key of {}", user.name);
    finding.detail = format!("{why}.");
    finding.evidence = key_evidence(key, ctx.now);
    finding.owner = ctx.owner_of_user(user);
    Judgement::bare(finding)
}

/// The facts about a key, as data.
pub(super) fn key_evidence(key: &AccessKey, now: DateTime<Utc>) -> Map<String, Value> {
    let last_used = match &key.last_used {
        Reading::Known(LastUsed::Never) => json!("never"),
        Reading::Known(LastUsed::At { at, .. }) => json!(at),
        Reading::Unknown(_) => json!("unknown"),
    };
    let mut map = evidence([
        ("access_key_id", json!(key.id)),
        ("status", json!(key.status.as_str())),
        ("created_at", json!(key.created_at)),
        ("age_days", json!((now - key.created_at).num_days())),
        ("last_used", last_used),
    ]);
    if let Reading::Known(LastUsed::At { service, region, .. }) = &key.last_used {
        map.insert("last_used_service".to_owned(), json!(service));
        map.insert("last_used_region".to_owned(), json!(region));
    }
    map
}

/// How the last use reads in a sentence.
pub(super) fn last_use_sentence(key: &AccessKey, now: DateTime<Utc>) -> String {
    match &key.last_used {
        Reading::Known(LastUsed::Never) => "It was never used.".to_owned(),
        Reading::Known(LastUsed::At { at, service, .. }) => {
            let days = (now - *at).num_days();
            let of = service.as_ref().map(|s| format!(" for {s}")).unwrap_or_default();
            let ago = match days {
                i64::MIN..=0 => "within the last day".to_owned(),
                1 => "1 day ago".to_owned(),
                _ => format!("{days} days ago"),
            };
            format!("It was last used {ago}{of}.")
        }
        Reading::Unknown(gap) => format!("When it was last used is not known ({}).", gap.detail),
    }
}

/// A key dated in the future, or of a status that iamwarden does not know, is not judged.
pub(super) fn oddity(key: &AccessKey, now: DateTime<Utc>) -> Option<String> {
    match &key.status {
        KeyStatus::Active | KeyStatus::Inactive | KeyStatus::Expired => {}
        KeyStatus::Other(word) => {
            return Some(format!("its status `{word}` is not one that iamwarden knows"));
        }
    }
    (key.created_at > now + TimeDelta::minutes(5)).then(|| "it is dated in the future".to_owned())
}

/// How much earlier than its creation a key may seem to have been used: AWS keeps its last use to a quarter of an hour.
const USE_IS_COARSE: TimeDelta = TimeDelta::hours(1);

/// A last use from before the key was made is none that anything can rest on.
pub(super) fn odd_use(key: &AccessKey) -> Option<String> {
    let at = key.last_used.known().and_then(LastUsed::at)?;
    (key.created_at - at > USE_IS_COARSE).then(|| "its last use is dated before it was made".to_owned())
}

/// The judgement on a key that a rule found offending (`violation`) or about to (`warning`).
pub(super) struct Offence {
    pub(super) status: FindingStatus,
    pub(super) severity: Severity,
    pub(super) title: String,
    pub(super) detail: String,
    /// Since when, or from when on, it offends.
    pub(super) due: DateTime<Utc>,
    pub(super) minimum_notice: Span,
    pub(super) warn_before: Vec<Span>,
    /// Whether the last use is part of the justification, and so of the precondition.
    pub(super) rests_on_disuse: bool,
    pub(super) withheld: Option<(WithheldReason, String)>,
}

/// Builds finding, remedy and announcement of an offending key, minding how its user stands towards the rule.
pub(super) fn offending_key(
    ctx: &Context<'_>,
    rule: &RuleName,
    subject: &Subject<'_>,
    offence: Offence,
) -> Judgement {
    let Subject { user, key, id } = subject;
    let Offence {
        status,
        severity,
        title,
        detail,
        due,
        minimum_notice,
        warn_before,
        rests_on_disuse,
        withheld,
    } = offence;
    let mut finding = ctx.finding(rule, &user.arn, id.as_str(), status, severity);
    finding.title = title;
    finding.detail = detail;
    finding.evidence = key_evidence(key, ctx.now);
    finding.evidence.insert("limit_reached".to_owned(), json!(due));
    finding.owner = ctx.owner_of_user(user);
    if !stands_subject(ctx, rule, &mut finding) {
        return Judgement::bare(finding);
    }
    let change = Change::DisableAccessKey {
        access_key_id: (*id).clone(),
    };
    let announcement = Announcement {
        event: Event::AccessKeyExpiring,
        subject: id.to_string(),
        due,
        minimum_notice,
        warn_before,
        notices_count_after: last_inactive(ctx, user, id, &change),
    };
    let last_used = rests_on_disuse.then(|| key.last_used.known().and_then(LastUsed::at));
    let remedy = (status == FindingStatus::Violation).then(|| Remedy {
        proposal: Proposal {
            change,
            inverse: Some(Inverse::EnableAccessKey {
                access_key_id: (*id).clone(),
            }),
        },
        precondition: Precondition::AccessKey {
            status: key.status.clone(),
            created_at: key.created_at,
            last_used,
        },
        since: due,
        withheld,
        report_only: false,
        needs_approval: false,
    });
    Judgement {
        finding,
        remedy,
        announcement: Some(announcement),
        reminder: None,
    }
}

/// The last time the key is known to have been inactive: what its owner was told before does not count.
fn last_inactive(ctx: &Context<'_>, user: &User, id: &AccessKeyId, change: &Change) -> Option<DateTime<Utc>> {
    let seen = ctx.history.observations.get(&Observation::InactiveKey {
        access_key_id: id.clone(),
    });
    let disabled = ctx.history.disabled_keys.get(id).map(|key| key.at);
    let undone = ctx
        .history
        .rolled_back
        .get(&Target::of(&user.arn, change))
        .copied();
    [seen.map(|seen| seen.last), disabled, undone]
        .into_iter()
        .flatten()
        .max()
}
