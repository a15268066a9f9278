//! `unused_roles`: roles that nobody has assumed for too long.
//!
//! A role offends when it was last used more than `unused_for` ago, or never within the time that AWS remembers (400 days),
//! and is itself older than that; a use exactly at the edge is use. A role that another account, or a user of an identity
//! provider, may assume has its own, longer window `external_unused_for`: auditors, vendors and disaster recovery come once
//! a year. A use that Access Advisor tells of counts too, where it was asked anyway.
//!
//! The role is quarantined, not deleted: after its owner was told `minimum_notice` earlier, and it was seen unused in every
//! reading for `confirm_after`, the inline policy `iamwarden-quarantine`, which denies everything, is put onto it.
//! `rollback` takes it off again. Quarantined roles are listed, so that somebody deletes them.
//!
//! Where an analyzer of unused access (rule `access_analyzer`) finds the role unused as well, that is added to the evidence;
//! it decides nothing.
//!
//! Never judged: service-linked roles and those of Identity Center. Only ever reported, in any mode: roles under
//! `/service-role/`, roles that services such as Lambda, EventBridge, Backup or Config assume (they may rightly rest for a
//! year), any role outside the partition `aws`, where the evidence does not suffice, and all of them where `[regions]` names
//! one in which AWS is not known to see use. Roles that CloudFormation made are
//! marked as such: mend the stack.
//! (IAM user guide, "Refine permissions in AWS using last accessed information" and "View role access". The CIS benchmark
//! has no recommendation for roles; Prowler has no check for unused ones.)

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::access_analyzer::add_unused_role;
use super::judgement::{judge_roles, stands_subject};
use super::unused_permissions::{RoleRarity, rarity};
use super::{Announcement, Context, Judgement, Practice, Remedy, Rule};
use crate::config::UnusedRoles;
use crate::inventory::{InlinePolicy, Reading, Role};
use crate::model::{
    Change, ChangeKind, Digest, Event, Finding, FindingStatus, Grounds, Inverse, Observation, OwnPolicy,
    Precondition, Proposal, RuleName, Severity, Span, WithheldReason,
};

/// The rule's name.
pub const RULE: RuleName = RuleName::new("unused_roles");

pub(super) const ENTRY: Rule = Rule {
    name: "unused_roles",
    summary: "roles that nobody has assumed for too long",
    check,
    mode: |config| config.rules.unused_roles.mode,
    schedule: |config| config.rules.unused_roles.schedule.as_ref(),
    changes: |_| vec![ChangeKind::QuarantineRole],
    source: include_str!("unused_roles.rs"),
    practice: Practice::LeastPrivilege,
    controls: &[],
};

fn check(ctx: &Context<'_>) -> Vec<Judgement> {
    judge_roles(ctx, &RULE, |role| judge(ctx, role))
}

fn judge(ctx: &Context<'_>, role: &Role) -> Option<Judgement> {
    let settings = &ctx.config.rules.unused_roles;
    let rarity = rarity(ctx, role);
    let used = last_use(ctx, role);
    if let Some(policy) = role
        .inline
        .iter()
        .find(|policy| policy.name == OwnPolicy::Quarantine.name())
    {
        return Some(quarantined(ctx, role, policy, used));
    }
    let window = match &rarity {
        Ok(rarity) if rarity.outsiders.is_empty() => settings.unused_for,
        // Whoever might come rarely gets the longer window, also where that cannot be told.
        Ok(_) | Err(_) => settings.unused_for.max(settings.external_unused_for),
    };
    let since = used.unwrap_or(role.created_at).max(role.created_at);
    if ctx.now - since <= window.delta() {
        return None;
    }
    let rarity = match rarity {
        Ok(rarity) => rarity,
        Err(why) => return Some(undecidable(ctx, role, &why)),
    };
    Some(offending(ctx, settings, role, &rarity, window, used, since))
}

/// The latest use that AWS tells of, by `RoleLastUsed` or, where it was asked, Access Advisor.
fn last_use(ctx: &Context<'_>, role: &Role) -> Option<DateTime<Utc>> {
    let report = ctx.snapshot.last_accessed.get(&role.arn).and_then(Reading::known);
    let services = report.into_iter().flat_map(|report| report.services.values());
    services
        .filter_map(|service| service.last_authenticated)
        .chain(role.last_used_at)
        .max()
}

fn finding(ctx: &Context<'_>, role: &Role, status: FindingStatus, severity: Severity) -> Finding {
    let mut finding = ctx.finding(&RULE, &role.arn, "", status, severity);
    finding.owner = ctx.owner(&role.arn, &role.tags);
    finding
}

fn undecidable(ctx: &Context<'_>, role: &Role, why: &str) -> Judgement {
    let mut finding = finding(ctx, role, FindingStatus::Unknown, Severity::Low);
    finding.title = format!("cannot tell whether the role {} is unused", role.name);
    finding.detail =
        format!("Who may assume it is unknown, and so is how rarely it may rightly be used: {why}.");
    Judgement::bare(finding)
}

fn offending(
    ctx: &Context<'_>,
    settings: &UnusedRoles,
    role: &Role,
    rarity: &RoleRarity,
    window: Span,
    used: Option<DateTime<Utc>>,
    since: DateTime<Utc>,
) -> Judgement {
    let days = (ctx.now - since).num_days();
    let mut finding = finding(ctx, role, FindingStatus::Violation, Severity::Medium);
    finding.title = match used {
        Some(_) => format!("The role {} has been unused for {days} days", role.name),
        None => format!("The role {} was not used in its {days} days", role.name),
    };
    finding.detail = detail(rarity, window);
    finding.evidence = [
        (
            "last_used",
            used.map_or(json!("not within the time that AWS remembers"), |at| json!(at)),
        ),
        ("created_at", json!(role.created_at)),
        ("unused_days", json!(days)),
        ("limit", json!(window)),
        ("outsiders", json!(rarity.outsiders)),
    ]
    .into_iter()
    .map(|(name, fact): (&str, Value)| (name.to_owned(), fact))
    .collect();
    add_unused_role(ctx, &mut finding);
    if !stands_subject(ctx, &RULE, &mut finding) {
        return Judgement::bare(finding);
    }
    let confirmed_on = seen_unused_since(ctx, role) + settings.confirm_after.delta();
    let withheld = (ctx.now < confirmed_on).then(|| {
        let why = format!(
            "confirmed if every reading agrees until {}",
            confirmed_on.format("%Y-%m-%d")
        );
        (WithheldReason::Unconfirmed, why)
    });
    let text = OwnPolicy::Quarantine.text();
    let remedy = Remedy {
        proposal: Proposal {
            inverse: Some(Inverse::DeleteInlinePolicy {
                policy_name: text.policy_name.clone(),
            }),
            change: Change::QuarantineRole(text),
        },
        precondition: Precondition::InlinePolicy {
            policy_name: OwnPolicy::Quarantine.name().to_owned(),
            document: None,
            principal_id: role.id.clone(),
            grounds: Some(Grounds::RoleUse {
                last_used: role.last_used_at,
                trust: Digest::of_document(&role.trust),
            }),
        },
        since: since + window.delta(),
        withheld,
        report_only: rarity.report_only.is_some(),
        needs_approval: false,
    };
    Judgement {
        remedy: Some(remedy),
        announcement: Some(Announcement {
            event: Event::RoleUnused,
            subject: role.arn.to_string(),
            due: confirmed_on.max(since + window.delta()),
            minimum_notice: settings.minimum_notice,
            warn_before: Vec::new(),
            // What was said before the last use, or of a namesake, does not count.
            notices_count_after: Some(since),
        }),
        ..Judgement::bare(finding)
    }
}

/// Since when every reading found it unused.
fn seen_unused_since(ctx: &Context<'_>, role: &Role) -> DateTime<Utc> {
    let seen = Observation::UnusedRole {
        role: role.arn.clone(),
    };
    ctx.history
        .observations
        .get(&seen)
        .map_or(ctx.now, |seen| seen.first)
}

fn detail(rarity: &RoleRarity, window: Span) -> String {
    let mut detail = format!("The limit is {window}.");
    if !rarity.outsiders.is_empty() {
        detail.push_str(&format!(
            " It may be assumed from outside ({}).",
            rarity.outsiders.join(", ")
        ));
    }
    if let Some(stack) = &rarity.stack {
        detail.push_str(&format!(
            " It belongs to the CloudFormation stack {stack}: mend it there."
        ));
    }
    match &rarity.report_only {
        Some(why) => detail.push_str(&format!(" It is only ever reported: {why}.")),
        None => {
            detail.push_str(" Quarantined, it denies everything to whoever assumes it; that can be undone.")
        }
    }
    detail
}

/// A role that has a policy of the name of iamwarden's own.
fn quarantined(
    ctx: &Context<'_>,
    role: &Role,
    policy: &InlinePolicy,
    used: Option<DateTime<Utc>>,
) -> Judgement {
    let mut finding = finding(ctx, role, FindingStatus::Warning, Severity::Low);
    let whole = OwnPolicy::Quarantine.is(&policy.name, &policy.document);
    finding.title = match whole {
        true => format!("The role {} is in quarantine", role.name),
        false => format!("The quarantine of the role {} was changed", role.name),
    };
    finding.detail = match whole {
        true => format!(
            "The inline policy {} denies everything to it. Delete the role if nobody missed it, or undo the quarantine: \
             `iamwarden history` names the action.",
            policy.name
        ),
        false => format!(
            "Its inline policy {} is not as iamwarden writes it: somebody changed it, so it is left alone.",
            policy.name
        ),
    };
    finding
        .evidence
        .insert("last_used".to_owned(), used.map_or(Value::Null, |at| json!(at)));
    stands_subject(ctx, &RULE, &mut finding);
    Judgement::bare(finding)
}

/// The roles that the rule found unused, to be remembered as such: one that is not among them starts anew.
pub fn unused_roles(judgements: &[Judgement]) -> BTreeSet<Observation> {
    let unused = judgements
        .iter()
        .filter(|judgement| judgement.finding.rule == RULE);
    unused
        .filter(|judgement| judgement.remedy.is_some())
        .map(|judgement| Observation::UnusedRole {
            role: judgement.finding.resource.clone(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Mode};
    use crate::inventory::{ServiceLastAccessed, ServiceUse, Snapshot};
    use crate::model::{Arn, History, Observed, Partition};
    use crate::rules::fixture::{self, ACCOUNT, days, gap, now, snapshot};

    const TRUSTS_EC2: &str = r#"{"Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;

    fn config() -> Config {
        let mut config = fixture::config(Mode::Off);
        config.rules.unused_roles.mode = Mode::Enforce;
        config
    }

    fn role(path: &str, age: i64, used: Option<i64>) -> Role {
        Role {
            arn: Arn::parse(&format!("arn:aws:iam::{ACCOUNT}:role/{path}")).unwrap(),
            name: path.rsplit('/').next().unwrap().to_owned(),
            id: "AROAROLE".to_owned(),
            created_at: now() - days(age),
            tags: [("owner".to_owned(), "team@example.com".to_owned())].into(),
            attached: Vec::new(),
            inline: Vec::new(),
            boundary: None,
            trust: TRUSTS_EC2.to_owned(),
            last_used_at: used.map(|ago| now() - days(ago)),
        }
    }

    fn world(roles: Vec<Role>) -> Snapshot {
        let mut world = snapshot(Vec::new());
        if let Reading::Known(authorization) = &mut world.authorization {
            authorization.roles = roles;
        }
        world
    }

    fn judged(world: &Snapshot, history: &History) -> Vec<Judgement> {
        check(&Context {
            config: &config(),
            snapshot: world,
            history,
            now: now(),
        })
    }

    fn one(role: Role) -> Option<Judgement> {
        judged(&world(vec![role]), &History::default()).pop()
    }

    #[test]
    fn a_use_exactly_at_the_edge_is_use() {
        assert_eq!(one(role("app", 500, Some(90))), None);
        let mut late = role("app", 500, Some(90));
        late.last_used_at = Some(now() - days(90) - chrono::TimeDelta::seconds(1));
        assert!(one(late).unwrap().remedy.is_some());
        assert!(one(role("app", 500, None)).unwrap().remedy.is_some());
        assert_eq!(one(role("app", 90, None)), None, "it is too young");
    }

    #[test]
    fn what_is_found_reads_well() {
        let judgement = one(role("batch/reports", 500, Some(120))).unwrap();
        insta::assert_snapshot!(format!("{}\n{}", judgement.finding.title, judgement.finding.detail), @r"
        The role reports has been unused for 120 days
        The limit is 90d. Quarantined, it denies everything to whoever assumes it; that can be undone.
        ");
        let remedy = judgement.remedy.unwrap();
        assert_eq!(remedy.withheld.unwrap().0, WithheldReason::Unconfirmed);
        assert_eq!(remedy.proposal.change.kind(), ChangeKind::QuarantineRole);
    }

    #[test]
    fn outsiders_have_a_year() {
        let trusting = |principal: &str, used: i64| {
            let mut role = role("vendor", 900, Some(used));
            role.trust = format!(
                r#"{{"Statement":[{{"Effect":"Allow","Principal":{principal},"Action":["sts:AssumeRole","sts:AssumeRoleWithSAML"]}}]}}"#
            );
            one(role)
        };
        for principal in [
            r#"{"AWS":"arn:aws:iam::999999999999:root"}"#,
            r#"{"Federated":"arn:aws:iam::123456789012:saml-provider/idp"}"#,
        ] {
            assert_eq!(trusting(principal, 365), None);
            let found = trusting(principal, 366).unwrap();
            assert!(
                found.finding.detail.contains("from outside"),
                "{}",
                found.finding.detail
            );
        }
        let unreadable = |used| {
            let mut role = role("odd", 900, Some(used));
            role.trust = "{".to_owned();
            one(role)
        };
        assert_eq!(unreadable(200), None);
        let unknown = unreadable(400).unwrap();
        assert_eq!(unknown.finding.status, FindingStatus::Unknown);
        assert!(unknown.remedy.is_none());
    }

    #[test]
    fn roles_of_aws_are_never_judged_and_those_of_services_only_reported() {
        for path in [
            "aws-service-role/x.amazonaws.com/AWSServiceRoleForX",
            "aws-reserved/sso.amazonaws.com/AWSReservedSSO_Admin_0",
        ] {
            assert_eq!(one(role(path, 900, None)), None, "{path}");
        }
        let service = one(role("service-role/app", 900, None)).unwrap();
        assert!(service.remedy.unwrap().report_only);
        let mut lambda = role("fn", 900, None);
        lambda.trust = TRUSTS_EC2.replace("ec2", "lambda");
        assert!(one(lambda).unwrap().remedy.unwrap().report_only);
        let mut blind = config();
        blind.regions.include = vec![crate::model::Region::parse("mx-central-1").unwrap()];
        let (here, history) = (world(vec![role("app", 900, None)]), History::default());
        let ctx = Context {
            config: &blind,
            snapshot: &here,
            history: &history,
            now: now(),
        };
        assert!(check(&ctx).pop().unwrap().remedy.unwrap().report_only);
        let mut china = world(vec![role("app", 900, None)]);
        china.partition = Partition::new("aws-cn");
        if let Reading::Known(authorization) = &mut china.authorization {
            authorization.roles[0].arn = Arn::parse(&format!("arn:aws-cn:iam::{ACCOUNT}:role/app")).unwrap();
        }
        assert!(
            judged(&china, &History::default())[0]
                .remedy
                .as_ref()
                .unwrap()
                .report_only
        );
    }

    #[test]
    fn a_newer_use_that_access_advisor_tells_of_wins() {
        let app = role("app", 900, Some(200));
        let mut seen = world(vec![app.clone()]);
        let used = ServiceUse {
            last_authenticated: Some(now() - days(3)),
            ..ServiceUse::default()
        };
        let report = ServiceLastAccessed {
            completed_at: now(),
            services: [("s3".to_owned(), used)].into(),
        };
        seen.last_accessed.insert(app.arn.clone(), Reading::Known(report));
        assert_eq!(judged(&seen, &History::default()), []);
    }

    #[test]
    fn it_is_confirmed_when_every_reading_agreed_for_long_enough() {
        let app = role("app", 900, Some(200));
        let since = |ago: i64| {
            let observed = Observed {
                first: now() - days(ago),
                last: now(),
            };
            let history = History {
                observations: [(
                    Observation::UnusedRole {
                        role: app.arn.clone(),
                    },
                    observed,
                )]
                .into(),
                ..History::default()
            };
            let found = judged(&world(vec![app.clone()]), &history).pop().unwrap();
            found.remedy.unwrap().withheld.is_none()
        };
        assert!(!since(6));
        assert!(since(7));
    }

    #[test]
    fn what_is_in_quarantine_is_left_there_and_listed() {
        let mut app = role("app", 900, None);
        app.inline = vec![InlinePolicy {
            name: OwnPolicy::Quarantine.name().to_owned(),
            document: OwnPolicy::Quarantine.document().to_owned(),
        }];
        let found = one(app.clone()).unwrap();
        assert_eq!(
            (found.finding.status, found.remedy),
            (FindingStatus::Warning, None)
        );
        app.inline[0].document = r#"{"Statement":[]}"#.to_owned();
        let found = one(app).unwrap();
        assert!(found.finding.title.contains("was changed"));
    }

    #[test]
    fn protected_exempt_and_own_roles_are_left_alone() {
        let found = |name: &str, change: fn(&mut Config)| {
            let mut config = config();
            change(&mut config);
            let world = world(vec![role(name, 900, None)]);
            let history = History::default();
            let ctx = Context {
                config: &config,
                snapshot: &world,
                history: &history,
                now: now(),
            };
            let found = check(&ctx).pop().unwrap();
            (found.finding.status, found.remedy.is_some())
        };
        assert_eq!(found("app", |_| {}), (FindingStatus::Violation, true));
        assert_eq!(found("iamwarden", |_| {}), (FindingStatus::Exempt, false));
        let protect = |config: &mut Config| {
            config.guardrails.protected = vec![crate::model::Glob::new("role/app")];
        };
        assert_eq!(found("app", protect), (FindingStatus::Exempt, false));
    }

    #[test]
    fn an_account_that_could_not_be_read_is_unknown() {
        let mut world = snapshot(Vec::new());
        world.authorization = Reading::Unknown(gap("iam:GetAccountAuthorizationDetails"));
        assert_eq!(
            judged(&world, &History::default())[0].finding.status,
            FindingStatus::Unknown
        );
    }
}
