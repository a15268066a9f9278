//! `password_policy`: the account password policy falls short of what is declared.
//!
//! Read, merged, compared, written once: `UpdateAccountPasswordPolicy` replaces the whole policy. Fields are only ever
//! raised, unless `exact`; what is not declared is left alone. (IAM user guide, "Set an account password policy"; CIS AWS
//! Foundations Benchmark, the controls on password length and reuse. Prowler's `iam_password_policy_*` ask for the
//! benchmark's own values, whatever is declared here; with these declared, the two agree.)

use std::collections::BTreeMap;

use chrono::TimeDelta;
use serde_json::json;

use super::judgement::{evidence, stands_subject, unreadable_account};
use super::{CONTROLS_FACT, Context, Judgement, Practice, Remedy, Rule};
use crate::config::PasswordPolicyRule;
use crate::inventory::{Gap, Reading};
use crate::model::{
    Change, ChangeKind, Finding, FindingStatus, Inverse, PasswordPolicy, Precondition, Proposal, RuleName,
    Severity, WithheldReason,
};

/// The rule's name.
pub const RULE: RuleName = RuleName::new("password_policy");

/// The cause of a finding on a declaration that cannot be carried out: it would weaken the account.
pub const WEAKER_THAN_BUILT_IN: &str = "weaker_than_built_in";

pub(super) const ENTRY: Rule = Rule {
    name: "password_policy",
    summary: "the account password policy falls short of what is declared",
    check,
    mode: |config| config.rules.password_policy.mode,
    schedule: |config| config.rules.password_policy.schedule.as_ref(),
    changes: |_| vec![ChangeKind::UpdatePasswordPolicy],
    source: include_str!("password_policy.rs"),
    practice: Practice::Passwords,
    controls: &["1.8", "1.9"],
};

fn check(ctx: &Context<'_>) -> Vec<Judgement> {
    let settings = &ctx.config.rules.password_policy;
    let current = match &ctx.snapshot.password_policy {
        Some(Reading::Known(current)) => current,
        Some(Reading::Unknown(gap)) => return vec![unreadable_account(ctx, &RULE, gap)],
        None => {
            return vec![unknown(
                ctx,
                "the snapshot was taken without the password policy",
                None,
            )];
        }
    };
    let before = current.clone().unwrap_or_else(PasswordPolicy::aws_default);
    let target = merge(settings, &before);
    if *current == Some(target.clone()) || (current.is_none() && declares_nothing(settings)) {
        return Vec::new();
    }
    if current.is_none()
        && let Some(why) = weaker_than_built_in(&target)
    {
        return vec![unknown(ctx, &why, Some(WEAKER_THAN_BUILT_IN))];
    }
    vec![judge(ctx, current.as_ref(), &target)]
}

fn judge(ctx: &Context<'_>, current: Option<&PasswordPolicy>, target: &PasswordPolicy) -> Judgement {
    let before = current.cloned().unwrap_or_else(PasswordPolicy::aws_default);
    let mut finding = account_finding(ctx, FindingStatus::Violation);
    let changes: BTreeMap<_, _> = before
        .fields()
        .into_iter()
        .zip(target.fields())
        .filter(|((_, old), (_, new))| old != new)
        .map(|((name, old), (_, new))| (name, json!({"current": old, "declared": new})))
        .collect();
    let names: Vec<_> = changes.keys().copied().collect();
    finding.title = format!("The password policy falls short in {}", names.join(", "));
    finding.detail = match current {
        Some(_) => "What is declared and not met is set; all other fields keep their values.".to_owned(),
        None => {
            "The account has no password policy of its own; one is made from what is declared.".to_owned()
        }
    };
    finding.evidence = evidence([
        ("fields", json!(changes)),
        ("own_policy", json!(current.is_some())),
        (CONTROLS_FACT, json!(controls(&names))),
    ]);
    if !stands_subject(ctx, &RULE, &mut finding) {
        return Judgement {
            finding,
            remedy: None,
            announcement: None,
            reminder: None,
        };
    }
    let withheld = match locked_out(ctx, &before, target) {
        Ok(0) => None,
        Ok(people) => {
            finding
                .evidence
                .insert("would_lock_out".to_owned(), json!(people));
            let why = format!(
                "{people} users whose passwords are older would be locked out until an administrator helps"
            );
            Some((WithheldReason::WouldLockOut, why))
        }
        Err(why) => {
            let why = format!("whom the change would lock out is not known: {why}");
            return unknown(ctx, &why, Some("password_ages"));
        }
    };
    let inverse = current.map_or(Inverse::DeletePasswordPolicy, |old| {
        Inverse::RestorePasswordPolicy(old.clone())
    });
    let remedy = Remedy {
        proposal: Proposal {
            change: Change::UpdatePasswordPolicy(target.clone()),
            inverse: Some(inverse),
        },
        precondition: Precondition::PasswordPolicy {
            password_policy: current.cloned(),
        },
        since: ctx.snapshot.taken_at,
        withheld,
        report_only: false,
        needs_approval: false,
    };
    Judgement {
        finding,
        remedy: Some(remedy),
        announcement: None,
        reminder: None,
    }
}

/// The recommendations of the CIS benchmark that these fields are about.
fn controls(fields: &[&str]) -> Vec<&'static str> {
    let about = [("minimum_length", "1.8"), ("reuse_prevention", "1.9")];
    let named = about.into_iter().filter(|(field, _)| fields.contains(field));
    named.map(|(_, control)| control).collect()
}

fn account_finding(ctx: &Context<'_>, status: FindingStatus) -> Finding {
    let mut finding = ctx.finding(
        &RULE,
        &ctx.account_root(),
        "password-policy",
        status,
        Severity::Medium,
    );
    finding.owner = ctx.account_owner();
    finding
}

fn unknown(ctx: &Context<'_>, why: &str, cause: Option<&str>) -> Judgement {
    let mut finding = account_finding(ctx, FindingStatus::Unknown);
    finding.title = "No verdict on the password policy".to_owned();
    finding.detail = format!("{why}.");
    if let Some(cause) = cause {
        finding.evidence = evidence([("cause", json!(cause))]);
    }
    Judgement {
        finding,
        remedy: None,
        announcement: None,
        reminder: None,
    }
}

fn declares_nothing(settings: &PasswordPolicyRule) -> bool {
    let PasswordPolicyRule {
        mode: _,
        schedule: _,
        exact: _,
        minimum_length,
        require_uppercase,
        require_lowercase,
        require_numbers,
        require_symbols,
        allow_users_to_change,
        max_age,
        reuse_prevention,
        hard_expiry,
    } = settings;
    let flags = [
        require_uppercase,
        require_lowercase,
        require_numbers,
        require_symbols,
        allow_users_to_change,
        hard_expiry,
    ];
    minimum_length.is_none()
        && reuse_prevention.is_none()
        && max_age.is_none()
        && flags.into_iter().all(Option::is_none)
}

/// The policy as it would be: declared fields raised (or set, with `exact`), all others as they are.
fn merge(settings: &PasswordPolicyRule, current: &PasswordPolicy) -> PasswordPolicy {
    let exact = settings.exact;
    let flag = |declared: Option<bool>, now: bool| match declared {
        Some(declared) if exact => declared,
        Some(declared) => declared || now,
        None => now,
    };
    let higher = |declared: Option<u32>, now: u32| match declared {
        Some(declared) if exact => declared,
        Some(declared) => declared.max(now),
        None => now,
    };
    let max_age_days = match (settings.max_age.map(|age| age.days()), current.max_age_days) {
        (Some(declared), Some(now)) if !exact => Some(declared.min(now)),
        (Some(declared), _) => Some(declared),
        (None, now) => now,
    };
    let reuse_prevention = match (settings.reuse_prevention, current.reuse_prevention) {
        (None, now) => now,
        (declared @ Some(_), now) => Some(higher(declared, now.unwrap_or(0))),
    };
    PasswordPolicy {
        minimum_length: higher(settings.minimum_length, current.minimum_length),
        require_uppercase: flag(settings.require_uppercase, current.require_uppercase),
        require_lowercase: flag(settings.require_lowercase, current.require_lowercase),
        require_numbers: flag(settings.require_numbers, current.require_numbers),
        require_symbols: flag(settings.require_symbols, current.require_symbols),
        allow_users_to_change: flag(settings.allow_users_to_change, current.allow_users_to_change),
        max_age_days,
        reuse_prevention,
        hard_expiry: flag(settings.hard_expiry, current.hard_expiry),
    }
}

/// AWS's built-in policy asks for eight characters and three of the four classes; one's own policy replaces it.
fn weaker_than_built_in(target: &PasswordPolicy) -> Option<String> {
    let classes = [
        target.require_uppercase,
        target.require_lowercase,
        target.require_numbers,
        target.require_symbols,
    ];
    let classes = classes.into_iter().filter(|required| *required).count();
    let replaces = "the account has no policy of its own, and what is declared would replace AWS's built-in policy \
                    (8 characters, three of four classes) by a weaker one";
    if target.minimum_length < 8 {
        return Some(format!(
            "{replaces}: minimum_length is {}; declare at least 8",
            target.minimum_length
        ));
    }
    (classes < 3).then(|| {
        let required = match classes {
            1 => "1 class of characters is required".to_owned(),
            classes => format!("{classes} classes of characters are required"),
        };
        format!("{replaces}: {required}; declare at least three require_… fields")
    })
}

/// How many people the change would lock out for good: those whose password is older than the new limit, where an
/// expired password then needs an administrator.
fn locked_out(ctx: &Context<'_>, before: &PasswordPolicy, after: &PasswordPolicy) -> Result<usize, String> {
    let Some(max_age) = after.max_age_days.filter(|_| after.hard_expiry) else {
        return Ok(0);
    };
    let stricter = !before.hard_expiry || before.max_age_days.is_none_or(|before| max_age < before);
    if !stricter {
        return Ok(0);
    }
    let unread = |gap: &Gap| format!("{} failed: {}", gap.operation, gap.detail);
    let limit = TimeDelta::days(i64::from(max_age));
    let mut people = 0;
    for user in &ctx.authorization().map_err(unread)?.users {
        let credentials = user
            .credentials
            .as_ref()
            .ok_or("the snapshot was taken without passwords")?;
        let credentials = credentials.as_result().map_err(unread)?;
        if let Some(password) = credentials.password.as_result().map_err(unread)? {
            let changed = password
                .last_changed
                .ok_or_else(|| format!("{}'s has no date", user.name))?;
            people += usize::from(ctx.now - changed >= limit);
        }
    }
    Ok(people)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Mode};
    use crate::inventory::User;
    use crate::model::{History, Span};
    use crate::rules::fixture::{self, gap, now, password_policy, user, with_password};

    fn declared(change: impl FnOnce(&mut PasswordPolicyRule)) -> Config {
        let mut config = fixture::config(Mode::Off);
        config.rules.password_policy.mode = Mode::Enforce;
        change(&mut config.rules.password_policy);
        config
    }

    fn judge_with(config: &Config, current: Option<PasswordPolicy>, users: Vec<User>) -> Vec<Judgement> {
        let mut snapshot = fixture::snapshot(users);
        snapshot.password_policy = Some(Reading::Known(current));
        let history = History::default();
        check(&Context {
            config,
            snapshot: &snapshot,
            history: &history,
            now: now(),
        })
    }

    fn target(judgements: &[Judgement]) -> &PasswordPolicy {
        let change = &judgements[0].remedy.as_ref().unwrap().proposal.change;
        let Change::UpdatePasswordPolicy(policy) = change else {
            panic!("{change:?}")
        };
        policy
    }

    #[test]
    fn declared_fields_are_raised_and_all_others_kept() {
        let config = declared(|rule| {
            rule.minimum_length = Some(14);
            rule.require_numbers = Some(false);
            rule.max_age = Some(Span::from_days(90));
            rule.reuse_prevention = Some(5);
        });
        let current = PasswordPolicy {
            minimum_length: 10,
            max_age_days: Some(60),
            reuse_prevention: Some(3),
            require_symbols: true,
            ..password_policy()
        };
        let judgements = judge_with(&config, Some(current.clone()), Vec::new());
        let expected = PasswordPolicy {
            minimum_length: 14,
            reuse_prevention: Some(5),
            ..current.clone()
        };
        assert_eq!(
            *target(&judgements),
            expected,
            "a shorter age and a required class are stricter, and stay"
        );
        let remedy = judgements[0].remedy.as_ref().unwrap();
        assert_eq!(
            remedy.proposal.inverse,
            Some(Inverse::RestorePasswordPolicy(current.clone()))
        );
        assert_eq!(
            remedy.precondition,
            Precondition::PasswordPolicy {
                password_policy: Some(current)
            }
        );
        // What was written is compliant: a second run has nothing to say.
        assert!(judge_with(&config, Some(expected), Vec::new()).is_empty());
    }

    #[test]
    fn exact_sets_what_is_declared_and_nothing_else() {
        let config = declared(|rule| {
            rule.exact = true;
            rule.minimum_length = Some(8);
            rule.hard_expiry = Some(false);
        });
        let current = PasswordPolicy {
            minimum_length: 20,
            hard_expiry: true,
            ..password_policy()
        };
        let judgements = judge_with(&config, Some(current.clone()), Vec::new());
        assert_eq!(
            *target(&judgements),
            PasswordPolicy {
                minimum_length: 8,
                hard_expiry: false,
                ..current
            }
        );
    }

    #[test]
    fn hard_expiry_is_only_turned_on_where_declared_and_stays_where_it_is_on() {
        let with = |hard_expiry: bool| PasswordPolicy {
            hard_expiry,
            ..password_policy()
        };
        for (declaration, now, then) in [
            (None, false, false),
            (None, true, true),
            (Some(false), false, false),
            (Some(false), true, true),
            (Some(true), false, true),
        ] {
            let config = declared(|rule| {
                rule.minimum_length = Some(14);
                rule.hard_expiry = declaration;
            });
            let judgements = judge_with(&config, Some(with(now)), Vec::new());
            assert_eq!(
                target(&judgements).hard_expiry,
                then,
                "{declaration:?} over {now}"
            );
        }
    }

    #[test]
    fn nothing_declared_is_nothing_found() {
        assert!(judge_with(&declared(|_| {}), None, Vec::new()).is_empty());
        assert!(judge_with(&declared(|_| {}), Some(password_policy()), Vec::new()).is_empty());
    }

    #[test]
    fn a_policy_weaker_than_the_built_in_one_is_an_error_not_an_action() {
        let classes = |rule: &mut PasswordPolicyRule| {
            rule.require_uppercase = Some(true);
            rule.require_lowercase = Some(true);
            rule.require_numbers = Some(true);
        };
        let weak = judge_with(&declared(|rule| rule.minimum_length = Some(14)), None, Vec::new());
        assert_eq!(
            (weak[0].finding.status, weak[0].remedy.is_none()),
            (FindingStatus::Unknown, true)
        );
        assert_eq!(weak[0].finding.evidence["cause"], "weaker_than_built_in");
        let short = declared(|rule| {
            classes(rule);
            rule.exact = true;
            rule.minimum_length = Some(7);
        });
        assert_eq!(
            judge_with(&short, None, Vec::new())[0].finding.status,
            FindingStatus::Unknown
        );
        let strong = judge_with(&declared(classes), None, Vec::new());
        assert_eq!(target(&strong).minimum_length, 8, "the built-in length is kept");
        assert_eq!(
            strong[0].remedy.as_ref().unwrap().proposal.inverse,
            Some(Inverse::DeletePasswordPolicy)
        );
    }

    #[test]
    fn who_would_be_locked_out_is_counted() {
        let config = declared(|rule| {
            rule.max_age = Some(Span::from_days(90));
            rule.hard_expiry = Some(true);
        });
        let people = |oldest: Option<i64>| {
            vec![
                user("no-password", Vec::new()),
                with_password(user("fresh", Vec::new()), Some(89)),
                with_password(user("old", Vec::new()), oldest),
            ]
        };
        let held = judge_with(&config, Some(password_policy()), people(Some(90)));
        let (reason, why) = held[0].remedy.as_ref().unwrap().withheld.clone().unwrap();
        assert_eq!(reason, WithheldReason::WouldLockOut);
        assert!(why.starts_with("1 user"), "{why}");
        let free = judge_with(&config, Some(password_policy()), people(Some(89)));
        assert_eq!(free[0].remedy.as_ref().unwrap().withheld, None);
        let dateless = judge_with(&config, Some(password_policy()), people(None));
        assert_eq!(
            (dateless[0].finding.status, dateless[0].remedy.is_none()),
            (FindingStatus::Unknown, true)
        );
        // Where both hold already, and the limit is not lowered, nobody new is locked out.
        let already = PasswordPolicy {
            max_age_days: Some(90),
            hard_expiry: true,
            ..password_policy()
        };
        assert!(judge_with(&config, Some(already), people(Some(400))).is_empty());
    }

    #[test]
    fn what_could_not_be_read_is_unknown() {
        let config = declared(|rule| rule.minimum_length = Some(14));
        let mut snapshot = fixture::snapshot(Vec::new());
        snapshot.password_policy = Some(Reading::Unknown(gap("iam:GetAccountPasswordPolicy")));
        let history = History::default();
        let found = check(&Context {
            config: &config,
            snapshot: &snapshot,
            history: &history,
            now: now(),
        });
        assert_eq!(
            (found[0].finding.status, found[0].remedy.is_none()),
            (FindingStatus::Unknown, true)
        );
    }
}
