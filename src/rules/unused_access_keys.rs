//! `unused_access_keys`: active access keys that nobody uses.
//!
//! A key unused for longer than `unused_for` offends; one never used counts from its creation; a use exactly at the edge
//! is use, and one that cannot be read is unknown, never "not used". (IAM user guide, "Find unused AWS credentials"; CIS
//! AWS Foundations Benchmark, "Ensure credentials unused for 45 days or more are disabled". Prowler's
//! `iam_user_accesskey_unused` passes keys that were never used, however old they are.)

use serde_json::json;

use super::access_key::{self, Offence, Subject};
use super::{Context, Judgement, Practice, Rule};
use crate::config::UnusedAccessKeys;
use crate::inventory::{AccessKey, LastUsed, Reading, User};
use crate::model::{ChangeKind, FindingStatus, KeyStatus, RuleName, Severity};

/// The rule's name.
pub const RULE: RuleName = RuleName::new("unused_access_keys");

pub(super) const ENTRY: Rule = Rule {
    name: "unused_access_keys",
    summary: "access keys that nobody uses",
    check,
    mode: |config| config.rules.unused_access_keys.mode,
    schedule: |config| config.rules.unused_access_keys.schedule.as_ref(),
    changes: |_| vec![ChangeKind::DisableAccessKey],
    source: include_str!("unused_access_keys.rs"),
    practice: Practice::LongTermCredentials,
    controls: &["1.12"],
};

fn check(ctx: &Context<'_>) -> Vec<Judgement> {
    let settings = &ctx.config.rules.unused_access_keys;
    access_key::judge_keys(ctx, &RULE, |user, key| match &key.status {
        KeyStatus::Active => judge(ctx, settings, user, key),
        KeyStatus::Inactive | KeyStatus::Expired => None,
        KeyStatus::Other(_) => {
            access_key::oddity(key, ctx.now).map(|why| access_key::undecidable(ctx, &RULE, user, key, &why))
        }
    })
}

fn judge(ctx: &Context<'_>, settings: &UnusedAccessKeys, user: &User, key: &AccessKey) -> Option<Judgement> {
    if let Some(why) = access_key::oddity(key, ctx.now) {
        return Some(access_key::undecidable(ctx, &RULE, user, key, &why));
    }
    let limit = settings.unused_for;
    // A key younger than the limit cannot have been unused for so long.
    if ctx.now - key.created_at <= limit.delta() {
        return None;
    }
    if let Some(why) = access_key::odd_use(key) {
        return Some(access_key::undecidable(ctx, &RULE, user, key, &why));
    }
    let since = match &key.last_used {
        Reading::Known(LastUsed::Never) => key.created_at,
        Reading::Known(LastUsed::At { at, .. }) => key.created_at.max(*at),
        Reading::Unknown(gap) => {
            let why = format!("when it was last used could not be read: {}", gap.detail);
            return Some(access_key::undecidable(ctx, &RULE, user, key, &why));
        }
    };
    if ctx.now - since <= limit.delta() {
        return None;
    }
    let Some(id) = &key.id else {
        let why = "its id could not be read, and iamwarden acts on keys by their id only";
        return Some(access_key::undecidable(ctx, &RULE, user, key, why));
    };
    let days = (ctx.now - since).num_days();
    let last_use = match &key.last_used {
        Reading::Known(LastUsed::Never) => format!("It was never used since it was made {days} days ago"),
        Reading::Known(LastUsed::At { .. }) | Reading::Unknown(_) => {
            format!("It was last used {days} days ago")
        }
    };
    let offence = Offence {
        status: FindingStatus::Violation,
        severity: Severity::Medium,
        title: format!("Access key {id} of {} has been unused for {days} days", user.name),
        detail: format!("{last_use}; the limit is {limit}."),
        due: since + limit.delta(),
        minimum_notice: settings.minimum_notice,
        warn_before: Vec::new(),
        rests_on_disuse: true,
        withheld: None,
    };
    let mut judgement = access_key::offending_key(ctx, &RULE, &Subject { user, key, id }, offence);
    judgement
        .finding
        .evidence
        .insert("unused_days".to_owned(), json!(days));
    Some(judgement)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Mode;
    use crate::model::History;
    use crate::rules::fixture::{config, days, gap, key, now, snapshot, user};

    fn statuses(key: AccessKey) -> Vec<FindingStatus> {
        let mut config = config(Mode::Off);
        config.rules.unused_access_keys.mode = Mode::Enforce;
        let snapshot = snapshot(vec![user("alice", vec![key])]);
        let history = History::default();
        let found = check(&Context {
            config: &config,
            snapshot: &snapshot,
            history: &history,
            now: now(),
        });
        found
            .into_iter()
            .map(|judgement| judgement.finding.status)
            .collect()
    }

    #[test]
    fn use_at_the_edge_is_use() {
        assert_eq!(statuses(key(1, 200, Some(46))), [FindingStatus::Violation]);
        assert_eq!(statuses(key(1, 200, Some(45))), []);
        assert_eq!(statuses(key(1, 200, Some(-1))), [], "a use in the future is use");
    }

    #[test]
    fn never_used_counts_from_the_creation() {
        assert_eq!(statuses(key(1, 46, None)), [FindingStatus::Violation]);
        assert_eq!(statuses(key(1, 45, None)), []);
    }

    #[test]
    fn a_use_before_the_creation_proves_nothing() {
        assert_eq!(statuses(key(1, 50, Some(51))), [FindingStatus::Unknown]);
        // To a quarter of an hour: the first use may seem to come before the key.
        let mut coarse = key(1, 46, Some(46));
        coarse.created_at += chrono::TimeDelta::minutes(14);
        assert_eq!(statuses(coarse.clone()), [FindingStatus::Violation]);
        coarse.created_at = now() - days(45) - chrono::TimeDelta::minutes(10);
        coarse.last_used = key(1, 46, Some(45)).last_used;
        assert_eq!(statuses(coarse), [], "used at the edge");
    }

    #[test]
    fn an_error_is_not_never_used() {
        let mut unread = key(1, 200, None);
        unread.last_used = Reading::Unknown(gap("iam:GetAccessKeyLastUsed"));
        assert_eq!(statuses(unread.clone()), [FindingStatus::Unknown]);
        unread.created_at = now() - days(10);
        assert_eq!(statuses(unread), [], "too young to have been unused for so long");
    }
}
