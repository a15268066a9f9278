//! `access_key_rotation`: access keys past their rotation age.
//!
//! An active key as old as `max_age`, or older, offends; its owner is warned before, and the key, not the user, is
//! disabled. What is already inactive is compliant. With `delete_after`, a key that iamwarden itself disabled that long
//! ago is deleted, if it is still inactive and was not used since, and its owner was told.
//! (IAM user guide, "Update access keys"; CIS AWS Foundations Benchmark, "Ensure access keys are rotated every 90 days
//! or less". Prowler's `iam_rotate_access_key_90_days` asks for more than 90 whole days: a key of 90 days passes there for
//! one day more.)

use chrono::{DateTime, Utc};
use serde_json::json;

use super::access_key::{self, Offence, Subject};
use super::judgement::stands_subject;
use super::{Announcement, Context, Judgement, Practice, Remedy, Rule};
use crate::config::AccessKeyRotation;
use crate::inventory::{AccessKey, LastUsed, Reading, User};
use crate::model::{
    Change, ChangeKind, Event, FindingStatus, KeyStatus, Observation, Precondition, Proposal, RuleName,
    Severity, Span, WithheldReason, counted,
};

/// The rule's name.
pub const RULE: RuleName = RuleName::new("access_key_rotation");

/// How long before a deletion its owner is reminded.
const WARN_BEFORE_DELETION: Span = Span::from_days(7);

pub(super) const ENTRY: Rule = Rule {
    name: "access_key_rotation",
    summary: "access keys past their rotation age",
    check,
    mode: |config| config.rules.access_key_rotation.mode,
    schedule: |config| config.rules.access_key_rotation.schedule.as_ref(),
    changes: |config| {
        let delete = config
            .rules
            .access_key_rotation
            .delete_after
            .map(|_| ChangeKind::DeleteAccessKey);
        [Some(ChangeKind::DisableAccessKey), delete]
            .into_iter()
            .flatten()
            .collect()
    },
    source: include_str!("access_key_rotation.rs"),
    practice: Practice::LongTermCredentials,
    controls: &["1.14"],
};

fn check(ctx: &Context<'_>) -> Vec<Judgement> {
    let settings = &ctx.config.rules.access_key_rotation;
    access_key::judge_keys(ctx, &RULE, |user, key| match &key.status {
        KeyStatus::Active => judge_active(ctx, settings, user, key),
        KeyStatus::Inactive => judge_deletion(ctx, settings, user, key),
        KeyStatus::Expired => None,
        KeyStatus::Other(_) => {
            access_key::oddity(key, ctx.now).map(|why| access_key::undecidable(ctx, &RULE, user, key, &why))
        }
    })
}

fn judge_active(
    ctx: &Context<'_>,
    settings: &AccessKeyRotation,
    user: &User,
    key: &AccessKey,
) -> Option<Judgement> {
    if let Some(why) = access_key::oddity(key, ctx.now) {
        return Some(access_key::undecidable(ctx, &RULE, user, key, &why));
    }
    let due = key.created_at + settings.max_age.delta();
    let earliest_warning = settings.warn_before.iter().max().copied().unwrap_or(Span::ZERO);
    let status = if ctx.now >= due {
        FindingStatus::Violation
    } else if ctx.now >= due - earliest_warning.delta() && !earliest_warning.is_zero() {
        FindingStatus::Warning
    } else {
        return None;
    };
    let Some(id) = &key.id else {
        let why = "its id could not be read, and iamwarden acts on keys by their id only";
        return Some(access_key::undecidable(ctx, &RULE, user, key, why));
    };
    let age = usize::try_from((ctx.now - key.created_at).num_days()).unwrap_or_default();
    let age = counted(age, "day", "days");
    let limit = settings.max_age;
    let last_use = access_key::last_use_sentence(key, ctx.now);
    let (title, detail) = match status {
        FindingStatus::Violation => (
            format!("Access key {id} of {} is {age} old", user.name),
            format!(
                "The limit is {limit}, reached on {}. {last_use}",
                due.format("%Y-%m-%d")
            ),
        ),
        FindingStatus::Warning | FindingStatus::Exempt | FindingStatus::Unknown => (
            format!(
                "Access key {id} of {} reaches its limit on {}",
                user.name,
                due.format("%Y-%m-%d")
            ),
            format!("It is {age} old; the limit is {limit}. {last_use}"),
        ),
    };
    let offence = Offence {
        status,
        severity: severity(status, ctx.now, key, settings),
        title,
        detail,
        due,
        minimum_notice: settings.minimum_notice,
        warn_before: settings.warn_before.clone(),
        rests_on_disuse: !settings.spare_used_within.is_zero(),
        withheld: spared(ctx.now, key, settings.spare_used_within),
    };
    Some(access_key::offending_key(
        ctx,
        &RULE,
        &Subject { user, key, id },
        offence,
    ))
}

/// Low before the limit, medium past it, high from twice the limit on.
fn severity(
    status: FindingStatus,
    now: DateTime<Utc>,
    key: &AccessKey,
    settings: &AccessKeyRotation,
) -> Severity {
    let twice = key.created_at + settings.max_age.delta() + settings.max_age.delta();
    match status {
        FindingStatus::Violation if now >= twice => Severity::High,
        FindingStatus::Violation => Severity::Medium,
        FindingStatus::Warning | FindingStatus::Exempt | FindingStatus::Unknown => Severity::Low,
    }
}

fn spared(now: DateTime<Utc>, key: &AccessKey, within: Span) -> Option<(WithheldReason, String)> {
    if within.is_zero() {
        return None;
    }
    if let Some(why) = access_key::odd_use(key) {
        return Some((WithheldReason::RecentlyUsed, why));
    }
    match &key.last_used {
        Reading::Known(LastUsed::Never) => None,
        Reading::Known(LastUsed::At { at, .. }) if now - *at > within.delta() => None,
        Reading::Known(LastUsed::At { at, .. }) => Some((
            WithheldReason::RecentlyUsed,
            format!(
                "it was used on {}, within {within}",
                at.format("%Y-%m-%d %H:%M UTC")
            ),
        )),
        Reading::Unknown(gap) => Some((
            WithheldReason::RecentlyUsed,
            format!("its last use is not known: {}", gap.detail),
        )),
    }
}

/// A key that iamwarden disabled and nobody has missed.
fn judge_deletion(
    ctx: &Context<'_>,
    settings: &AccessKeyRotation,
    user: &User,
    key: &AccessKey,
) -> Option<Judgement> {
    let delete_after = settings.delete_after?;
    let id = key.id.as_ref()?;
    let disabled = ctx
        .history
        .disabled_keys
        .get(id)
        .filter(|disabled| disabled.user == user.arn)?;
    let due = disabled.at + delete_after.delta();
    if ctx.now < due - WARN_BEFORE_DELETION.max(settings.minimum_notice).delta() {
        return None;
    }
    // Somebody had it active again, and whoever disabled it since then, it was not iamwarden.
    let active = Observation::ActiveKey {
        access_key_id: id.clone(),
    };
    if ctx
        .history
        .observations
        .get(&active)
        .is_some_and(|seen| seen.last > disabled.at)
    {
        return None;
    }
    if let Some(why) = access_key::odd_use(key) {
        return Some(access_key::undecidable(ctx, &RULE, user, key, &why));
    }
    match &key.last_used {
        Reading::Known(LastUsed::Never) => {}
        Reading::Known(LastUsed::At { at, .. }) if *at <= disabled.at => {}
        // Used after it was disabled: somebody had it active again in between.
        Reading::Known(LastUsed::At { .. }) => return None,
        Reading::Unknown(gap) => {
            let why = format!(
                "it waits for deletion, but its last use is not known: {}",
                gap.detail
            );
            return Some(access_key::undecidable(ctx, &RULE, user, key, &why));
        }
    }
    let status = if ctx.now >= due {
        FindingStatus::Violation
    } else {
        FindingStatus::Warning
    };
    let subject = format!("{id}/delete");
    let mut finding = ctx.finding(&RULE, &user.arn, &subject, status, Severity::Low);
    finding.title = format!("Disabled access key {id} of {} waits for deletion", user.name);
    finding.detail = format!(
        "iamwarden disabled it on {}; it is deleted {delete_after} later, on {}, if it stays inactive. This cannot be undone.",
        disabled.at.format("%Y-%m-%d"),
        due.format("%Y-%m-%d"),
    );
    finding.evidence = access_key::key_evidence(key, ctx.now);
    finding
        .evidence
        .insert("disabled_at".to_owned(), json!(disabled.at));
    finding.owner = ctx.owner_of_user(user);
    if !stands_subject(ctx, &RULE, &mut finding) {
        return Some(Judgement {
            finding,
            remedy: None,
            announcement: None,
            reminder: None,
        });
    }
    let announcement = Announcement {
        event: Event::AccessKeyDeleting,
        subject: id.to_string(),
        due,
        minimum_notice: settings.minimum_notice,
        warn_before: vec![WARN_BEFORE_DELETION],
        notices_count_after: Some(disabled.at),
    };
    let remedy = (status == FindingStatus::Violation).then(|| Remedy {
        proposal: Proposal {
            change: Change::DeleteAccessKey {
                access_key_id: id.clone(),
            },
            inverse: None,
        },
        precondition: Precondition::AccessKey {
            status: key.status.clone(),
            created_at: key.created_at,
            last_used: Some(key.last_used.known().and_then(LastUsed::at)),
        },
        since: due,
        withheld: None,
        report_only: false,
        needs_approval: false,
    });
    Some(Judgement {
        finding,
        remedy,
        announcement: Some(announcement),
        reminder: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Mode};
    use crate::inventory::Snapshot;
    use crate::model::{DisabledKey, History, Observed};
    use crate::rules::fixture::{self, config, days, gap, key, key_id, now, snapshot, user, user_arn};

    fn judge(config: &Config, snapshot: &Snapshot, history: &History) -> Vec<Judgement> {
        check(&Context {
            config,
            snapshot,
            history,
            now: now(),
        })
    }

    fn statuses(keys: Vec<AccessKey>) -> Vec<FindingStatus> {
        let found = judge(
            &config(Mode::Enforce),
            &snapshot(vec![user("alice", keys)]),
            &History::default(),
        );
        found
            .into_iter()
            .map(|judgement| judgement.finding.status)
            .collect()
    }

    #[test]
    fn an_age_equal_to_the_limit_offends() {
        assert_eq!(statuses(vec![key(1, 90, None)]), [FindingStatus::Violation]);
        let mut almost = key(1, 90, None);
        almost.created_at += chrono::TimeDelta::seconds(1);
        assert_eq!(statuses(vec![almost]), [FindingStatus::Warning]);
        assert_eq!(statuses(vec![key(1, 76, None)]), [FindingStatus::Warning]);
        assert_eq!(statuses(vec![key(1, 75, None)]), []);
    }

    #[test]
    fn only_the_offending_key_of_two_is_named() {
        let keys = vec![key(1, 200, Some(1)), key(2, 5, Some(1))];
        let found = judge(
            &config(Mode::Enforce),
            &snapshot(vec![user("alice", keys)]),
            &History::default(),
        );
        assert_eq!(found.len(), 1);
        insta::assert_snapshot!(format!("{}\n{}", found[0].finding.title, found[0].finding.detail), @r"
        Access key AKIATESTTEST00000001 of alice is 200 days old
        The limit is 90d, reached on 2026-08-05. It was last used 1 day ago for s3.
        ");
    }

    #[test]
    fn inactive_keys_comply_and_odd_ones_are_unknown() {
        let with = |change: fn(&mut AccessKey)| {
            let mut key = key(1, 200, None);
            change(&mut key);
            statuses(vec![key])
        };
        assert_eq!(with(|key| key.status = KeyStatus::Inactive), []);
        assert_eq!(with(|key| key.status = KeyStatus::Expired), []);
        assert_eq!(
            with(|key| key.status = KeyStatus::Other("Frozen".to_owned())),
            [FindingStatus::Unknown]
        );
        assert_eq!(
            with(|key| key.created_at = now() + days(1)),
            [FindingStatus::Unknown]
        );
        assert_eq!(with(|key| key.id = None), [FindingStatus::Unknown]);
    }

    #[test]
    fn users_and_accounts_that_could_not_be_read_are_unknown() {
        let mut unread = user("alice", Vec::new());
        unread.credentials = Some(Reading::Unknown(gap("iam:ListAccessKeys")));
        let other = user("bob", vec![key(1, 200, None)]);
        let found = judge(
            &config(Mode::Enforce),
            &snapshot(vec![unread, other]),
            &History::default(),
        );
        let found: Vec<_> = found
            .iter()
            .map(|j| (j.finding.resource.name(), j.finding.status))
            .collect();
        assert_eq!(
            found,
            [
                ("alice", FindingStatus::Unknown),
                ("bob", FindingStatus::Violation)
            ]
        );
        let mut account = snapshot(Vec::new());
        account.authorization = Reading::Unknown(gap("iam:GetAccountAuthorizationDetails"));
        let found = judge(&config(Mode::Enforce), &account, &History::default());
        assert_eq!(found[0].finding.status, FindingStatus::Unknown);
    }

    #[test]
    fn a_key_used_recently_can_be_spared() {
        let mut config = config(Mode::Enforce);
        config.rules.access_key_rotation.spare_used_within = Span::from_days(7);
        let held = |key: AccessKey| {
            let found = judge(
                &config,
                &snapshot(vec![user("alice", vec![key])]),
                &History::default(),
            );
            found[0]
                .remedy
                .as_ref()
                .unwrap()
                .withheld
                .as_ref()
                .map(|(reason, _)| *reason)
        };
        assert_eq!(held(key(1, 200, Some(7))), Some(WithheldReason::RecentlyUsed));
        assert_eq!(held(key(1, 200, Some(8))), None);
        assert_eq!(held(key(1, 200, None)), None);
        let mut unknown = key(1, 200, None);
        unknown.last_used = Reading::Unknown(gap("iam:GetAccessKeyLastUsed"));
        assert_eq!(held(unknown), Some(WithheldReason::RecentlyUsed), "doubt spares");
        assert_eq!(
            held(key(1, 200, Some(201))),
            Some(WithheldReason::RecentlyUsed),
            "so does a contradiction"
        );
    }

    #[test]
    fn only_a_key_that_iamwarden_disabled_and_nobody_used_since_is_deleted() {
        let mut config = config(Mode::Enforce);
        config.rules.access_key_rotation.delete_after = Some(Span::from_days(30));
        let disabled = |user: &str, ago: i64| History {
            disabled_keys: [(
                key_id(1),
                DisabledKey {
                    user: user_arn(user),
                    at: now() - days(ago),
                },
            )]
            .into(),
            ..History::default()
        };
        let inactive = |used: Option<i64>| {
            let mut key = key(1, 200, used);
            key.status = KeyStatus::Inactive;
            snapshot(vec![user("alice", vec![key])])
        };
        let deletes = |snapshot: &Snapshot, history: &History| {
            judge(&config, snapshot, history)
                .first()
                .map(|j| (j.finding.status, j.remedy.is_some()))
        };
        let violation = Some((FindingStatus::Violation, true));
        assert_eq!(
            deletes(&inactive(None), &History::default()),
            None,
            "somebody else disabled it"
        );
        assert_eq!(
            deletes(&inactive(None), &disabled("bob", 31)),
            None,
            "of another user"
        );
        assert_eq!(deletes(&inactive(None), &disabled("alice", 31)), violation);
        assert_eq!(deletes(&inactive(Some(32)), &disabled("alice", 31)), violation);
        assert_eq!(
            deletes(&inactive(Some(30)), &disabled("alice", 31)),
            None,
            "used after it was disabled"
        );
        assert_eq!(
            deletes(&inactive(None), &disabled("alice", 24)),
            Some((FindingStatus::Warning, false))
        );
        assert_eq!(deletes(&inactive(None), &disabled("alice", 22)), None);
        assert_eq!(
            deletes(&inactive(Some(201)), &disabled("alice", 31)),
            Some((FindingStatus::Unknown, false)),
            "used before it was made"
        );
        let seen_active = |ago: i64| {
            let mut history = disabled("alice", 31);
            let what = Observation::ActiveKey {
                access_key_id: key_id(1),
            };
            let at = now() - days(ago);
            history
                .observations
                .insert(what, Observed { first: at, last: at });
            history
        };
        assert_eq!(deletes(&inactive(None), &seen_active(32)), violation, "of before");
        assert_eq!(
            deletes(&inactive(None), &seen_active(30)),
            None,
            "somebody else disabled it this time"
        );
        let active = snapshot(vec![user("alice", vec![fixture::key(1, 10, None)])]);
        assert_eq!(
            deletes(&active, &disabled("alice", 31)),
            None,
            "it is active again"
        );
    }
}
