//! `unused_users`: users that nobody and nothing uses any more.
//!
//! A user offends when it is older than `unused_for`, and within that time nobody signed in with its console password or set
//! it, no active access key of its was used or made, and it has no other active credential. Of SSH public keys, signing
//! certificates and service-specific credentials AWS does not say when they were used: a user who otherwise rests and has
//! an active one is a warning, not a violation. Whatever could not be read makes the verdict unknown.
//!
//! iamwarden deletes no users. In `approve` and `enforce` the owner is reminded every `remind_every` to delete the user or to
//! say why it stays.
//! (IAM user guide, "Security best practices in IAM": regularly review and remove unused users. Prowler has checks for unused
//! passwords and keys, not for users as a whole.)

use chrono::{DateTime, Utc};
use serde_json::json;

use super::judgement::{evidence, judge_users, stands_subject};
use super::{Context, Judgement, Practice, Reminder, Rule};
use crate::inventory::{AccessKey, LastUsed, OtherCredential, Reading, User};
use crate::model::{Event, Finding, FindingStatus, KeyStatus, RuleName, Severity};

/// The rule's name.
pub const RULE: RuleName = RuleName::new("unused_users");

pub(super) const ENTRY: Rule = Rule {
    name: "unused_users",
    summary: "users that nobody uses",
    check,
    mode: |config| config.rules.unused_users.mode,
    schedule: |config| config.rules.unused_users.schedule.as_ref(),
    changes: |_| Vec::new(),
    source: include_str!("unused_users.rs"),
    practice: Practice::Review,
    controls: &[],
};

fn check(ctx: &Context<'_>) -> Vec<Judgement> {
    judge_users(ctx, &RULE, |user| judge(ctx, user))
}

/// What is known of a user's activity.
enum Activity {
    /// A sign of life within the time.
    Lively,
    /// None, the last one then.
    Resting(DateTime<Utc>),
    /// Nobody can tell.
    Unknown(String),
}

fn judge(ctx: &Context<'_>, user: &User) -> Option<Judgement> {
    let settings = &ctx.config.rules.unused_users;
    let since = match activity(ctx, user) {
        Activity::Lively => return None,
        Activity::Resting(since) => since,
        Activity::Unknown(why) => return Some(unknown(ctx, user, &why)),
    };
    let others = match &user.other_credentials {
        Some(Reading::Known(others)) => others,
        Some(Reading::Unknown(gap)) => return Some(unknown(ctx, user, &gap.detail)),
        None => return Some(unknown(ctx, user, "its other credentials were not read")),
    };
    let active: Vec<&OtherCredential> = others.iter().filter(|other| other.active).collect();
    let days = (ctx.now - since).num_days();
    let status = match active.is_empty() {
        true => FindingStatus::Violation,
        false => FindingStatus::Warning,
    };
    let mut finding = finding(ctx, user, status);
    finding.title = format!("The user {} has shown no sign of life for {days} days", user.name);
    finding.detail = match active.is_empty() {
        true => format!(
            "No sign-in, no use of an active access key, no other active credential; the limit is {}. Delete the user if \
             nobody needs it.",
            settings.unused_for
        ),
        false => format!(
            "No sign-in and no use of an active access key within {}, but AWS does not say whether these are used: {}.",
            settings.unused_for,
            named(&active)
        ),
    };
    finding.evidence = evidence([
        ("last_sign_of_life", json!(since)),
        ("unused_days", json!(days)),
        ("created_at", json!(user.created_at)),
        ("other_credentials", json!(others)),
    ]);
    if !stands_subject(ctx, &RULE, &mut finding) || status != FindingStatus::Violation {
        return Some(Judgement::bare(finding));
    }
    Some(Judgement {
        reminder: Some(Reminder {
            event: Event::UserUnused,
            every: settings.remind_every,
        }),
        ..Judgement::bare(finding)
    })
}

fn named(credentials: &[&OtherCredential]) -> String {
    let names = credentials
        .iter()
        .map(|one| format!("{} {}", one.kind.as_str(), one.id));
    names.collect::<Vec<_>>().join(", ")
}

fn activity(ctx: &Context<'_>, user: &User) -> Activity {
    let limit = ctx.config.rules.unused_users.unused_for.delta();
    let lively = |at: DateTime<Utc>| ctx.now - at <= limit;
    let mut latest = user.created_at;
    let mut doubts = Vec::new();
    match &user.password_use {
        Some(Reading::Known(None)) => {}
        Some(Reading::Known(Some(password))) => {
            latest = latest.max(password.active_at().unwrap_or(latest));
            // It may have been set yesterday.
            if password.last_changed.is_none() {
                doubts.push("when its password was last set was not read".to_owned());
            }
        }
        Some(Reading::Unknown(gap)) => doubts.push(gap.detail.clone()),
        None => doubts.push("its password was not read".to_owned()),
    }
    match &user.credentials {
        Some(Reading::Known(credentials)) => {
            for key in &credentials.access_keys {
                match key_activity(key) {
                    Ok(at) => latest = latest.max(at.unwrap_or(latest)),
                    Err(why) => doubts.push(why),
                }
            }
        }
        Some(Reading::Unknown(gap)) => doubts.push(gap.detail.clone()),
        None => doubts.push("its access keys were not read".to_owned()),
    }
    // One certain sign of life is enough, whatever else is not known.
    if lively(latest) {
        return Activity::Lively;
    }
    match doubts.into_iter().next() {
        Some(why) => Activity::Unknown(why),
        None => Activity::Resting(latest),
    }
}

/// The last sign of life of a key: its use, or its making; `None`: it does not work.
fn key_activity(key: &AccessKey) -> Result<Option<DateTime<Utc>>, String> {
    match key.status {
        KeyStatus::Inactive | KeyStatus::Expired => Ok(None),
        KeyStatus::Active | KeyStatus::Other(_) => match &key.last_used {
            Reading::Known(LastUsed::Never) => Ok(Some(key.created_at)),
            Reading::Known(LastUsed::At { at, .. }) => Ok(Some(key.created_at.max(*at))),
            Reading::Unknown(gap) => Err(format!(
                "the last use of an access key is not known: {}",
                gap.detail
            )),
        },
    }
}

fn finding(ctx: &Context<'_>, user: &User, status: FindingStatus) -> Finding {
    let mut finding = ctx.finding(&RULE, &user.arn, "", status, Severity::Low);
    finding.owner = ctx.owner_of_user(user);
    finding
}

fn unknown(ctx: &Context<'_>, user: &User, why: &str) -> Judgement {
    let mut finding = finding(ctx, user, FindingStatus::Unknown);
    finding.title = format!("cannot tell whether the user {} is unused", user.name);
    finding.detail = format!("{why}.");
    Judgement::bare(finding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Mode;
    use crate::inventory::{OtherCredentialKind, PasswordUse};
    use crate::model::History;
    use crate::rules::fixture::{config, days, gap, key, now, snapshot, user};

    fn resting(keys: Vec<AccessKey>) -> User {
        let mut alice = user("alice", keys);
        alice.password_use = Some(Reading::Known(None));
        alice.other_credentials = Some(Reading::Known(Vec::new()));
        alice
    }

    fn judged(user: User) -> Option<Judgement> {
        let world = snapshot(vec![user]);
        let history = History::default();
        check(&Context {
            config: &config(Mode::Off),
            snapshot: &world,
            history: &history,
            now: now(),
        })
        .pop()
    }

    fn status(user: User) -> Option<FindingStatus> {
        judged(user).map(|judgement| judgement.finding.status)
    }

    #[test]
    fn nothing_for_longer_than_the_limit_is_a_violation() {
        let found = judged(resting(vec![key(1, 500, Some(91))])).unwrap();
        insta::assert_snapshot!(format!("{}\n{}", found.finding.title, found.finding.detail), @r"
        The user alice has shown no sign of life for 91 days
        No sign-in, no use of an active access key, no other active credential; the limit is 90d. Delete the user if nobody needs it.
        ");
        assert_eq!(found.reminder.unwrap().event, Event::UserUnused);
        assert_eq!(
            status(resting(vec![key(1, 500, Some(90))])),
            None,
            "exactly at the edge"
        );
        assert_eq!(status(resting(vec![key(1, 90, None)])), None, "the key is young");
        assert_eq!(status(resting(Vec::new())), Some(FindingStatus::Violation));
        let mut young = resting(Vec::new());
        young.created_at = now() - days(90);
        assert_eq!(status(young), None);
    }

    #[test]
    fn a_sign_in_is_a_sign_of_life() {
        let mut alice = resting(Vec::new());
        let password = |ago| PasswordUse {
            made_at: Some(now() - days(900)),
            last_changed: Some(now() - days(900)),
            last_used: Some(now() - days(ago)),
        };
        alice.password_use = Some(Reading::Known(Some(password(90))));
        assert_eq!(status(alice.clone()), None);
        alice.password_use = Some(Reading::Known(Some(password(91))));
        assert_eq!(status(alice.clone()), Some(FindingStatus::Violation));
        let set_when = PasswordUse {
            last_changed: None,
            ..password(91)
        };
        alice.password_use = Some(Reading::Known(Some(set_when)));
        assert_eq!(status(alice), Some(FindingStatus::Unknown));
    }

    #[test]
    fn credentials_without_a_last_use_make_it_a_warning() {
        let with = |active| {
            let mut alice = resting(Vec::new());
            alice.other_credentials = Some(Reading::Known(vec![OtherCredential {
                kind: OtherCredentialKind::SshPublicKey,
                id: "APKAEXAMPLE".to_owned(),
                active,
            }]));
            judged(alice).unwrap()
        };
        assert_eq!(with(false).finding.status, FindingStatus::Violation);
        let found = with(true);
        assert_eq!(
            (found.finding.status, found.reminder),
            (FindingStatus::Warning, None)
        );
        assert!(found.finding.detail.contains("SSH public key APKAEXAMPLE"));
    }

    #[test]
    fn what_could_not_be_read_is_unknown_unless_life_is_certain() {
        let break_key = |age| {
            let mut broken = key(1, age, None);
            broken.last_used = Reading::Unknown(gap("iam:GetAccessKeyLastUsed"));
            broken
        };
        assert_eq!(
            status(resting(vec![break_key(500)])),
            Some(FindingStatus::Unknown)
        );
        assert_eq!(status(resting(vec![break_key(500), key(2, 5, Some(1))])), None);
        let mut unread = resting(Vec::new());
        unread.other_credentials = Some(Reading::Unknown(gap("iam:ListSSHPublicKeys")));
        assert_eq!(status(unread.clone()), Some(FindingStatus::Unknown));
        unread.password_use = None;
        assert_eq!(status(unread.clone()), Some(FindingStatus::Unknown));
        unread.credentials = Some(Reading::Unknown(gap("iam:ListAccessKeys")));
        assert_eq!(status(unread), Some(FindingStatus::Unknown));
    }
}
