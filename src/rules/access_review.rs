//! `access_review`: principals whose permissions nobody has confirmed for too long.
//!
//! Permissions gather. Every `every`, somebody who answers for a user, group or role looks at what it is granted and what
//! it uses, takes away what is not needed, and says so: `iamwarden review confirm user/alice --by NAME`. A principal is
//! overdue when neither its creation nor the last confirmation lies within `every`; a confirmation made before the
//! principal was made is of a namesake and does not count. Roles that belong to AWS services or to Identity Center are
//! reviewed where they are made, not here.
//!
//! iamwarden changes nothing: what to take away is for people to say. In `approve` and `enforce` owners are reminded every
//! `remind_every`; in `report` overdue principals stand in the report. What is granted and used is shown as far as other
//! rules had Access Advisor asked for it: this rule makes no calls of its own.
//! (IAM user guide, "Security best practices in IAM": regularly review and remove unused users, roles, permissions,
//! policies, and credentials. The CIS benchmark has no recommendation for it, and Prowler no check: both judge what is
//! there, not whether somebody looked.)

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::judgement::{stands_subject, unreadable_account};
use super::{Context, Judgement, Practice, Reminder, Rule};
use crate::inventory::{AttachedPolicy, InlinePolicy, Reading};
use crate::model::{Arn, Event, FindingStatus, Owner, Review, RuleName, Severity, counted};

/// The rule's name.
pub const RULE: RuleName = RuleName::new("access_review");

pub(super) const ENTRY: Rule = Rule {
    name: "access_review",
    summary: "permissions that nobody has confirmed for too long",
    check,
    mode: |config| config.rules.access_review.mode,
    schedule: |config| config.rules.access_review.schedule.as_ref(),
    changes: |_| Vec::new(),
    source: include_str!("access_review.rs"),
    practice: Practice::Review,
    controls: &[],
};

/// Whoever holds permissions, as far as this rule looks at it.
struct Holder<'a> {
    arn: &'a Arn,
    created_at: DateTime<Utc>,
    owner: Option<Owner>,
    attached: &'a [AttachedPolicy],
    inline: &'a [InlinePolicy],
    groups: &'a [String],
}

fn check(ctx: &Context<'_>) -> Vec<Judgement> {
    let authorization = match ctx.authorization() {
        Ok(authorization) => authorization,
        Err(gap) => return vec![unreadable_account(ctx, &RULE, gap)],
    };
    let users = authorization.users.iter().map(|user| Holder {
        arn: &user.arn,
        created_at: user.created_at,
        owner: ctx.owner_of_user(user),
        attached: &user.attached,
        inline: &user.inline,
        groups: &user.groups,
    });
    let groups = authorization.groups.iter().map(|group| Holder {
        arn: &group.arn,
        created_at: group.created_at,
        owner: ctx.owner(&group.arn, &BTreeMap::new()),
        attached: &group.attached,
        inline: &group.inline,
        groups: &[],
    });
    let roles = authorization
        .roles
        .iter()
        .filter(|role| !role.arn.is_role_of_aws());
    let roles = roles.map(|role| Holder {
        arn: &role.arn,
        created_at: role.created_at,
        owner: ctx.owner(&role.arn, &role.tags),
        attached: &role.attached,
        inline: &role.inline,
        groups: &[],
    });
    let holders = users.chain(groups).chain(roles);
    holders.filter_map(|holder| judge(ctx, &holder)).collect()
}

fn judge(ctx: &Context<'_>, holder: &Holder<'_>) -> Option<Judgement> {
    let settings = &ctx.config.rules.access_review;
    let review = ctx
        .history
        .reviews
        .get(holder.arn)
        .filter(|review| review.at >= holder.created_at);
    let since = review.map_or(holder.created_at, |review| review.at);
    // An age equal to the limit offends.
    if ctx.now - since < settings.every.delta() {
        return None;
    }
    let holds_nothing = holder.attached.is_empty() && holder.inline.is_empty() && holder.groups.is_empty();
    if holds_nothing {
        return None;
    }
    let name = holder.arn.resource();
    let mut finding = ctx.finding(&RULE, holder.arn, "", FindingStatus::Violation, Severity::Low);
    finding.title = match review {
        Some(review) => format!(
            "The permissions of {name} were last confirmed on {}",
            review.at.format("%Y-%m-%d")
        ),
        None => format!("Nobody has confirmed the permissions of {name}"),
    };
    let usage = usage(ctx, holder.arn);
    finding.detail = format!(
        "They are to be confirmed every {}. {} Look at what it needs, take away the rest, then: `iamwarden review confirm {name} --by NAME`.",
        settings.every,
        usage.sentence(holder)
    );
    finding.evidence = evidence(holder, review, &usage);
    finding.owner = holder.owner.clone();
    if !stands_subject(ctx, &RULE, &mut finding) {
        return Some(Judgement::bare(finding));
    }
    Some(Judgement {
        reminder: Some(Reminder {
            event: Event::ReviewOverdue,
            every: settings.remind_every,
        }),
        ..Judgement::bare(finding)
    })
}

/// The services granted, and which of them were used, where Access Advisor was asked.
enum Usage {
    NotRead,
    Read { granted: Vec<String>, used: Vec<String> },
}

impl Usage {
    fn sentence(&self, holder: &Holder<'_>) -> String {
        let policies = counted(holder.attached.len() + holder.inline.len(), "policy", "policies");
        let groups = match holder.groups.len() {
            0 => String::new(),
            count => format!(" and is in {}", counted(count, "group", "groups")),
        };
        let holds = format!("It has {policies} of its own{groups}");
        match self {
            Self::NotRead => format!("{holds}."),
            Self::Read { granted, used } if used.is_empty() => {
                format!(
                    "{holds}; of {} granted it used none.",
                    counted(granted.len(), "service", "services")
                )
            }
            Self::Read { granted, used } => format!(
                "{holds}; of {} granted it used {}: {}.",
                counted(granted.len(), "service", "services"),
                used.len(),
                used.join(", ")
            ),
        }
    }
}

fn usage(ctx: &Context<'_>, principal: &Arn) -> Usage {
    let read = ctx.snapshot.last_accessed.get(principal).and_then(Reading::known);
    let Some(report) = read else { return Usage::NotRead };
    let used = report
        .services
        .iter()
        .filter(|(_, service)| service.last_authenticated.is_some());
    Usage::Read {
        granted: report.services.keys().cloned().collect(),
        used: used.map(|(name, _)| name.clone()).collect(),
    }
}

fn evidence(holder: &Holder<'_>, review: Option<&Review>, usage: &Usage) -> Map<String, Value> {
    let attached: Vec<_> = holder.attached.iter().map(|policy| policy.arn.as_str()).collect();
    let inline: Vec<_> = holder.inline.iter().map(|policy| policy.name.as_str()).collect();
    let mut facts = vec![
        ("attached_policies", json!(attached)),
        ("inline_policies", json!(inline)),
        ("groups", json!(holder.groups)),
        ("last_confirmed_at", json!(review.map(|review| review.at))),
        ("last_confirmed_by", json!(review.map(|review| &review.by))),
    ];
    match usage {
        Usage::NotRead => facts.push(("services", json!("not read"))),
        Usage::Read { granted, used } => {
            facts.push(("services_granted", json!(granted)));
            facts.push(("services_used", json!(used)));
        }
    }
    facts
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Mode;
    use crate::inventory::{Role, ServiceLastAccessed, ServiceUse, Snapshot};
    use crate::model::History;
    use crate::rules::fixture::{self, config, days, gap, now, snapshot, user, user_arn};

    fn holding(name: &str, age: i64) -> crate::inventory::User {
        let mut user = user(name, Vec::new());
        user.created_at = now() - days(age);
        user.groups = vec!["staff".to_owned()];
        user
    }

    fn judge_all(snapshot: &Snapshot, history: &History) -> Vec<Judgement> {
        check(&Context {
            config: &config(Mode::Off),
            snapshot,
            history,
            now: now(),
        })
    }

    fn confirmed(ago: i64) -> History {
        let review = Review {
            by: "sec-lead@example.com".to_owned(),
            at: now() - days(ago),
        };
        History {
            reviews: [(user_arn("alice"), review)].into(),
            ..History::default()
        }
    }

    #[test]
    fn an_age_equal_to_the_limit_is_overdue() {
        let found = |age, history: &History| judge_all(&snapshot(vec![holding("alice", age)]), history).len();
        assert_eq!(found(179, &History::default()), 0);
        assert_eq!(found(180, &History::default()), 1);
        assert_eq!(found(1000, &confirmed(179)), 0);
        assert_eq!(found(1000, &confirmed(180)), 1);
        assert_eq!(found(200, &confirmed(300)), 1, "that was a namesake");
        let idle = user("idle", Vec::new());
        assert_eq!(
            judge_all(&snapshot(vec![idle]), &History::default()).len(),
            0,
            "it holds nothing"
        );
    }

    #[test]
    fn what_is_granted_is_set_against_what_is_used() {
        let mut world = snapshot(vec![holding("alice", 1000)]);
        let used = |ago: Option<i64>| ServiceUse {
            last_authenticated: ago.map(|ago| now() - days(ago)),
            ..ServiceUse::default()
        };
        let report = ServiceLastAccessed {
            completed_at: now(),
            services: [("s3".to_owned(), used(Some(3))), ("iam".to_owned(), used(None))].into(),
        };
        world
            .last_accessed
            .insert(user_arn("alice"), Reading::Known(report));
        let found = judge_all(&world, &confirmed(200));
        let finding = &found[0].finding;
        insta::assert_snapshot!(format!("{}\n{}", finding.title, finding.detail), @r"
        The permissions of user/alice were last confirmed on 2026-05-07
        They are to be confirmed every 180d. It has 0 policies of its own and is in 1 group; of 2 services granted it used 1: s3. Look at what it needs, take away the rest, then: `iamwarden review confirm user/alice --by NAME`.
        ");
        assert_eq!(
            found[0].reminder.as_ref().map(|r| r.event),
            Some(Event::ReviewOverdue)
        );
        assert_eq!(finding.evidence["last_confirmed_by"], "sec-lead@example.com");
    }

    #[test]
    fn roles_of_aws_are_not_ours_to_review() {
        let role = |path: &str| Role {
            arn: Arn::parse(&format!("arn:aws:iam::{}:role/{path}", fixture::ACCOUNT)).unwrap(),
            name: path.rsplit('/').next().unwrap().to_owned(),
            id: "AROA".to_owned(),
            created_at: now() - days(1000),
            tags: BTreeMap::new(),
            attached: vec![AttachedPolicy {
                arn: Arn::parse("arn:aws:iam::aws:policy/ReadOnlyAccess").unwrap(),
                name: "ReadOnlyAccess".to_owned(),
            }],
            inline: Vec::new(),
            boundary: None,
            trust: "{}".to_owned(),
            last_used_at: None,
        };
        let mut world = snapshot(Vec::new());
        if let Reading::Known(authorization) = &mut world.authorization {
            authorization.roles = vec![
                role("app"),
                role("aws-service-role/x.amazonaws.com/AWSServiceRoleForX"),
                role("aws-reserved/sso.amazonaws.com/AWSReservedSSO_Admin_0"),
            ];
        }
        let found = judge_all(&world, &History::default());
        let names: Vec<_> = found
            .iter()
            .map(|judgement| judgement.finding.resource.name())
            .collect();
        assert_eq!(names, ["app"]);
        assert_eq!(found[0].finding.status, FindingStatus::Violation);
    }

    #[test]
    fn an_account_that_could_not_be_read_is_unknown() {
        let mut world = snapshot(Vec::new());
        world.authorization = Reading::Unknown(gap("iam:GetAccountAuthorizationDetails"));
        let found = judge_all(&world, &History::default());
        assert_eq!(found[0].finding.status, FindingStatus::Unknown);
    }
}
