//! `unused_passwords`: console passwords that nobody uses.
//!
//! A password offends when neither a sign-in nor anybody setting it lies within `unused_for`; a use exactly at the edge is
//! use, and one that could not be read is unknown. AWS does not tell apart "never used" and "not since it keeps count"
//! (October 2014): then the day on which it was set counts. That day stands in the credential report alone: without a report
//! there is no verdict.
//!
//! The password is deleted (`DeleteLoginProfile`) after its owner was told `minimum_notice` earlier. That cannot be undone:
//! an administrator can set a new one, not the old one. So every deletion needs a person's approval, in `enforce` too,
//! unless `allow_irreversible = true`. Deleting a password does not end access: active access keys of the user go on working,
//! and sessions until they end.
//! (IAM user guide, "Find unused AWS credentials"; CIS AWS Foundations Benchmark 1.12, which asks for 45 days. Prowler's
//! `iam_user_console_access_unused` counts from the last sign-in alone: a password never used passes there, however old it
//! is, and one set since the last sign-in fails there and passes here.)

use serde_json::json;

use super::judgement::{evidence, judge_users, stands_subject};
use super::{Announcement, Context, Judgement, Practice, Remedy, Rule};
use crate::inventory::{PasswordUse, Reading, User};
use crate::model::{
    Change, ChangeKind, Event, FindingStatus, KeyStatus, Precondition, Proposal, RuleName, Severity, counted,
};

/// The rule's name.
pub const RULE: RuleName = RuleName::new("unused_passwords");

pub(super) const ENTRY: Rule = Rule {
    name: "unused_passwords",
    summary: "console passwords that nobody uses",
    check,
    mode: |config| config.rules.unused_passwords.mode,
    schedule: |config| config.rules.unused_passwords.schedule.as_ref(),
    changes: |_| vec![ChangeKind::DeleteLoginProfile],
    source: include_str!("unused_passwords.rs"),
    practice: Practice::Passwords,
    controls: &[],
};

fn check(ctx: &Context<'_>) -> Vec<Judgement> {
    judge_users(ctx, &RULE, |user| judge(ctx, user))
}

fn judge(ctx: &Context<'_>, user: &User) -> Option<Judgement> {
    let password = match &user.password_use {
        Some(Reading::Known(password)) => password.as_ref()?,
        Some(Reading::Unknown(gap)) => return Some(unknown(ctx, user, &gap.detail)),
        None => return Some(unknown(ctx, user, "it was not read")),
    };
    let settings = &ctx.config.rules.unused_passwords;
    let since = password.active_at().unwrap_or(user.created_at);
    if ctx.now - since <= settings.unused_for.delta() {
        return None;
    }
    // Whatever is acted on was read live. When it was set only the report tells: it may have been yesterday.
    let (Some(made_at), Some(_)) = (password.made_at, password.last_changed) else {
        return Some(unknown(ctx, user, "when it was made or last set was not read"));
    };
    let days = (ctx.now - since).num_days();
    let mut finding = ctx.finding(
        &RULE,
        &user.arn,
        "console-password",
        FindingStatus::Violation,
        Severity::Medium,
    );
    finding.owner = ctx.owner_of_user(user);
    finding.title = format!(
        "The console password of {} has been unused for {days} days",
        user.name
    );
    finding.detail = format!(
        "{} The limit is {}. Deleting it cannot be undone{}.",
        match password.last_used {
            Some(_) => "Nobody has signed in with it, or set it, since.".to_owned(),
            None => "It was never used since it was set.".to_owned(),
        },
        settings.unused_for,
        keys_sentence(user)
    );
    finding.evidence = evidence([
        (
            "last_used",
            password.last_used.map_or(json!("never"), |at| json!(at)),
        ),
        ("made_at", json!(made_at)),
        ("last_changed", json!(password.last_changed)),
        ("unused_days", json!(days)),
    ]);
    if !stands_subject(ctx, &RULE, &mut finding) {
        return Some(Judgement::bare(finding));
    }
    let due = since + settings.unused_for.delta();
    Some(Judgement {
        remedy: Some(Remedy {
            proposal: Proposal {
                change: Change::DeleteLoginProfile {},
                inverse: None,
            },
            precondition: precondition(user, password, made_at),
            since: due,
            withheld: None,
            report_only: false,
            needs_approval: !settings.allow_irreversible,
        }),
        announcement: Some(Announcement {
            event: Event::PasswordUnused,
            subject: user.arn.to_string(),
            due,
            minimum_notice: settings.minimum_notice,
            warn_before: Vec::new(),
            // What was said before the last sign of life, or of a namesake, does not count.
            notices_count_after: Some(since.max(user.created_at)),
        }),
        ..Judgement::bare(finding)
    })
}

fn precondition(user: &User, password: &PasswordUse, made_at: chrono::DateTime<chrono::Utc>) -> Precondition {
    Precondition::ConsolePassword {
        user_id: user.id.clone(),
        created_at: made_at,
        last_used: Some(password.last_used),
    }
}

/// That deleting the password does not end access, where there are keys.
fn keys_sentence(user: &User) -> String {
    let credentials = user.credentials.as_ref().and_then(Reading::known);
    let active = credentials.map(|known| {
        let keys = known.access_keys.iter();
        keys.filter(|key| key.status == KeyStatus::Active).count()
    });
    match active {
        Some(0) => String::new(),
        Some(count) => format!(
            "; {} of the user's go on working",
            counted(count, "active access key", "active access keys")
        ),
        None => "; active access keys of the user go on working".to_owned(),
    }
}

fn unknown(ctx: &Context<'_>, user: &User, why: &str) -> Judgement {
    let mut finding = ctx.finding(
        &RULE,
        &user.arn,
        "console-password",
        FindingStatus::Unknown,
        Severity::Low,
    );
    finding.owner = ctx.owner_of_user(user);
    finding.title = format!("No verdict on the console password of {}", user.name);
    finding.detail = format!("How it is used could not be read: {why}.");
    Judgement::bare(finding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Mode};
    use crate::model::History;
    use crate::rules::fixture::{config, days, gap, key, now, snapshot, user};

    fn with(used: Option<i64>, changed: Option<i64>, made: Option<i64>) -> User {
        let at = |ago: i64| now() - days(ago);
        let mut alice = user("alice", vec![key(1, 10, Some(1))]);
        alice.password_use = Some(Reading::Known(Some(PasswordUse {
            made_at: made.map(at),
            last_changed: changed.map(at),
            last_used: used.map(at),
        })));
        alice
    }

    fn judged_by(user: User, change: impl Fn(&mut Config)) -> Option<Judgement> {
        let mut config = config(Mode::Off);
        config.rules.unused_passwords.mode = Mode::Enforce;
        change(&mut config);
        let world = snapshot(vec![user]);
        let history = History::default();
        check(&Context {
            config: &config,
            snapshot: &world,
            history: &history,
            now: now(),
        })
        .pop()
    }

    fn judged(user: User) -> Option<Judgement> {
        judged_by(user, |_| {})
    }

    #[test]
    fn a_use_exactly_at_the_edge_is_use() {
        assert_eq!(judged(with(Some(45), Some(400), Some(500))), None);
        let found = judged(with(Some(46), Some(400), Some(500))).unwrap();
        insta::assert_snapshot!(format!("{}\n{}", found.finding.title, found.finding.detail), @r"
        The console password of alice has been unused for 46 days
        Nobody has signed in with it, or set it, since. The limit is 45d. Deleting it cannot be undone; 1 active access key of the user's go on working.
        ");
        assert_eq!(
            judged(with(None, Some(45), Some(500))),
            None,
            "set and not used yet"
        );
        let never = judged(with(None, Some(46), Some(46))).unwrap();
        assert!(never.remedy.is_some());
    }

    #[test]
    fn deleting_needs_a_person_unless_the_irreversible_is_allowed() {
        let needs = |allow: bool| {
            let found = judged_by(with(Some(100), Some(400), Some(500)), |config| {
                config.rules.unused_passwords.allow_irreversible = allow;
            });
            let remedy = found.unwrap().remedy.unwrap();
            assert_eq!(remedy.proposal.inverse, None);
            remedy.needs_approval
        };
        assert!(needs(false));
        assert!(!needs(true));
    }

    #[test]
    fn what_was_not_read_live_is_unknown() {
        let mut unread = user("alice", Vec::new());
        assert_eq!(
            judged(unread.clone()).unwrap().finding.status,
            FindingStatus::Unknown
        );
        unread.password_use = Some(Reading::Unknown(gap("iam:GetLoginProfile")));
        assert_eq!(
            judged(unread.clone()).unwrap().finding.status,
            FindingStatus::Unknown
        );
        for half_read in [with(Some(100), Some(400), None), with(Some(100), None, Some(500))] {
            let reported = judged(half_read).unwrap();
            assert_eq!(
                (reported.finding.status, reported.remedy),
                (FindingStatus::Unknown, None)
            );
        }
        unread.password_use = Some(Reading::Known(None));
        assert_eq!(judged(unread), None, "there is no password");
    }

    #[test]
    fn protected_users_are_left_alone() {
        let found = judged_by(with(Some(100), Some(400), Some(500)), |config| {
            config.guardrails.protected = vec![crate::model::Glob::new("user/alice")];
        });
        let found = found.unwrap();
        assert_eq!(
            (found.finding.status, found.remedy),
            (FindingStatus::Exempt, None)
        );
    }
}
