//! How long rules and planner take on accounts of 1 000, 10 000 and 100 000 users.
//!
//! `cargo bench --bench planner [-- USERS…]`. Nothing is read: accounts, history and configuration are made here, with all
//! four rules in `enforce`, and the plan is rendered as JSON. Of the users one in ten has an old key, one in fifty a
//! policy that nobody uses; each has three notices, a decision, tags and a group. Printed per size are the best of some
//! runs and its cost per user. Ends with 1 where the cost per user of the largest account is more than three times that
//! of the smallest: something then grows faster than the account.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench ends by panicking and prints its table"
)]

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use iamwarden::config::{Config, Exemption, Mode, OwnerEntry, OwnerMap};
use iamwarden::inventory::{
    AccessKey, AttachedPolicy, Authorization, Caller, Credentials, Group, LastUsed, ManagedPolicy,
    PolicyVersion, Reading, ServiceLastAccessed, ServiceUse, Snapshot, User,
};
use iamwarden::model::{
    AccessKeyId, AccountId, Action, Arn, Decision, Digest, Event, FindingId, Glob, History, KeyStatus,
    Ladder, Notice, Observation, Observed, Owner, Partition, Span, Verdict,
};
use iamwarden::plan::{self, PlanOptions, render};

const ACCOUNT: &str = "123456789012";
const USED: &str = "arn:aws:iam::123456789012:policy/used";
const UNUSED: &str = "arn:aws:iam::123456789012:policy/unused";
/// Users of a group, as IAM's own limits have it about.
const GROUP_SIZE: usize = 100;
const SIZES: [usize; 3] = [1_000, 10_000, 100_000];
/// How much dearer a user of the largest account may be than one of the smallest: maps grow with the logarithm, and
/// caches are left behind.
const DEARER: f64 = 3.0;

fn now() -> DateTime<Utc> {
    "2026-11-23T06:00:00Z".parse().unwrap()
}

fn ago(days: i64) -> DateTime<Utc> {
    now() - TimeDelta::days(days)
}

fn arn(resource: &str) -> Arn {
    Arn::parse(&format!("arn:aws:iam::{ACCOUNT}:{resource}")).unwrap()
}

fn user_arn(n: usize) -> Arn {
    arn(&format!("user/people/user-{n:06}"))
}

fn key_id(n: usize) -> AccessKeyId {
    AccessKeyId::parse(&format!("AKIATESTTEST{n:08}")).unwrap()
}

fn key(n: usize) -> AccessKey {
    AccessKey {
        id: Some(key_id(n)),
        status: KeyStatus::Active,
        created_at: ago(if n.is_multiple_of(10) { 200 } else { 20 }),
        last_used: Reading::Known(LastUsed::At {
            at: ago(if n.is_multiple_of(20) { 60 } else { 1 }),
            service: Some("s3".to_owned()),
            region: None,
        }),
    }
}

fn user(n: usize) -> User {
    let attached = |text: &str| AttachedPolicy {
        arn: Arn::parse(text).unwrap(),
        name: text.rsplit('/').next().unwrap_or_default().to_owned(),
    };
    let mut policies = vec![attached(USED)];
    if n.is_multiple_of(50) {
        policies.push(attached(UNUSED));
    }
    User {
        arn: user_arn(n),
        name: format!("user-{n:06}"),
        id: format!("AIDATEST{n:012}"),
        created_at: ago(900),
        tags: BTreeMap::from([
            ("owner".to_owned(), format!("user-{n}@example.com")),
            ("team".to_owned(), format!("team-{}", n % 40)),
        ]),
        groups: vec![format!("group-{}", n / GROUP_SIZE)],
        attached: policies,
        inline: Vec::new(),
        boundary: None,
        credentials: Some(Reading::Known(Credentials {
            access_keys: vec![key(n)],
            password: Reading::Known(None),
        })),
        sign_in: None,
        password_use: None,
        other_credentials: None,
    }
}

fn policy(text: &str, service: &str) -> (Arn, ManagedPolicy) {
    let arn = Arn::parse(text).unwrap();
    let document = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"{service}:Get*","Resource":"*"}}]}}"#
    );
    let policy = ManagedPolicy {
        name: arn.name().to_owned(),
        arn: arn.clone(),
        default_version: "v1".to_owned(),
        created_at: ago(900),
        updated_at: ago(900),
        attachment_count: 1,
        boundary_count: 0,
        versions: vec![PolicyVersion {
            id: "v1".to_owned(),
            created_at: ago(900),
            document,
        }],
    };
    (arn, policy)
}

fn advice() -> Reading<ServiceLastAccessed> {
    let used = |days| ServiceUse {
        last_authenticated: Some(ago(days)),
        ..ServiceUse::default()
    };
    Reading::Known(ServiceLastAccessed {
        completed_at: now(),
        services: BTreeMap::from([("s3".to_owned(), used(1)), ("sqs".to_owned(), used(300))]),
    })
}

fn snapshot(users: usize) -> Snapshot {
    let group = |n: usize| Group {
        arn: arn(&format!("group/group-{n}")),
        name: format!("group-{n}"),
        created_at: ago(900),
        attached: Vec::new(),
        inline: Vec::new(),
    };
    let mut groups: Vec<_> = (0..users.div_ceil(GROUP_SIZE)).map(group).collect();
    groups.sort_by(|a, b| a.arn.cmp(&b.arn));
    Snapshot {
        schema: Snapshot::SCHEMA.to_owned(),
        taken_at: now(),
        account: AccountId::parse(ACCOUNT).unwrap(),
        name: "large".to_owned(),
        partition: Partition::new("aws"),
        caller: Caller {
            arn: Arn::parse(&format!("arn:aws:sts::{ACCOUNT}:assumed-role/iamwarden/run")).unwrap(),
            identities: vec!["role/iamwarden".to_owned()],
        },
        authorization: Reading::Known(Authorization {
            users: (0..users).map(user).collect(),
            groups,
            roles: Vec::new(),
            policies: BTreeMap::from([policy(USED, "s3"), policy(UNUSED, "sqs")]),
        }),
        password_policy: Some(Reading::Known(None)),
        last_accessed: (0..users).map(|n| (user_arn(n), advice())).collect(),
        credential_report_at: Some(now()),
        regions: Default::default(),
        root: None,
        virtual_mfa_devices: None,
        gaps: Vec::new(),
        api_calls: BTreeMap::new(),
    }
}

fn config() -> Config {
    let mut config = Config::built_in().unwrap();
    config.rules.access_key_rotation.mode = Mode::Enforce;
    config.rules.unused_access_keys.mode = Mode::Enforce;
    config.rules.password_policy.mode = Mode::Enforce;
    config.rules.unused_permissions.mode = Mode::Enforce;
    config.rules.unused_permissions.trust_existing = true;
    config.rules.unused_permissions.confirm_after = Span::ZERO;
    config.notifications.default_channel = Some("secops".to_owned());
    for n in 0..10 {
        config.exemptions.push(Exemption {
            principals: vec![Glob::new(format!("user/*-{n}000?7"))],
            rules: vec![iamwarden::rules::ACCESS_KEY_ROTATION],
            accounts: None,
            until: NaiveDate::from_ymd_opt(2027, 1, 31).unwrap(),
            reason: "vendor integration".to_owned(),
        });
        config.notifications.owners.push(OwnerEntry::Map(OwnerMap {
            principals: vec![Glob::new(format!("user/*-{n}000?3"))],
            owner: Owner(format!("team-{n}@example.com")),
        }));
    }
    config
}

/// Three notices and an attachment of each user; the decisions come from [`decide`].
fn history(users: usize) -> History {
    let mut history = History {
        frozen: None,
        ..History::default()
    };
    let seen = Observed {
        first: ago(500),
        last: now(),
    };
    let account = AccountId::parse(ACCOUNT).unwrap();
    for n in 0..users {
        history.notices.extend([30, 20, 10].map(|days| Notice {
            event: Event::AccessKeyExpiring,
            owner: None,
            finding: FindingId::of(
                &iamwarden::rules::ACCESS_KEY_ROTATION,
                &account,
                &user_arn(n),
                key_id(n).as_str(),
            ),
            subject: key_id(n).to_string(),
            ladder: Ladder::First,
            announced_for: ago(1),
            queued_at: ago(days),
            accepted_at: Some(ago(days)),
            dead: false,
        }));
        let attachment = Observation::Attachment {
            principal: user_arn(n),
            policy: Arn::parse(UNUSED).unwrap(),
        };
        history.observations.insert(attachment, seen);
    }
    history
}

/// Everybody has approved everything.
fn decide(actions: &[Action], config: &Config) -> Vec<Decision> {
    let config_digest: Digest = config.digest();
    let decided = actions.iter().map(|action| Decision {
        action: action.id.clone(),
        verdict: Verdict::Approved,
        precondition: action.precondition_digest(),
        config_digest: config_digest.clone(),
        decided_at: ago(1),
        not_before: action.not_before,
        by: "sec-lead@example.com".to_owned(),
        via: Default::default(),
    });
    decided.collect()
}

struct Measured {
    users: usize,
    findings: usize,
    actions: usize,
    planning: Duration,
    rendering: Duration,
}

fn measure(users: usize) -> Measured {
    let (config, snapshot, mut history) = (config(), snapshot(users), history(users));
    let options = PlanOptions::default();
    let first = plan::plan_account(&config, &snapshot, &history, now(), &options);
    history.decisions = decide(&first.actions, &config);
    let runs = if users >= 100_000 { 2 } else { 5 };
    let mut measured = Measured {
        users,
        findings: 0,
        actions: 0,
        planning: Duration::MAX,
        rendering: Duration::MAX,
    };
    for _ in 0..runs {
        let start = Instant::now();
        let account = plan::plan_account(&config, &snapshot, &history, now(), &options);
        let plan = plan::assemble(&config, "bench".to_owned(), now(), false, vec![account]);
        measured.planning = measured.planning.min(start.elapsed());
        let start = Instant::now();
        let text = render::json(&plan);
        measured.rendering = measured.rendering.min(start.elapsed());
        (measured.findings, measured.actions) = (plan.findings.len(), plan.actions.len());
        assert!(!text.is_empty());
    }
    // Otherwise there would be nothing to measure.
    assert!(
        measured.findings >= users / 10 + users / 50 && measured.actions >= users / 10,
        "too little was found"
    );
    measured
}

fn main() -> ExitCode {
    let given: Vec<usize> = std::env::args().filter_map(|text| text.parse().ok()).collect();
    let sizes = if given.is_empty() { SIZES.to_vec() } else { given };
    println!(
        "{:>8} {:>9} {:>8} {:>10} {:>12} {:>10}",
        "users", "findings", "actions", "plan ms", "µs per user", "JSON ms"
    );
    let mut costs = Vec::new();
    for users in sizes {
        let Measured {
            users,
            findings,
            actions,
            planning,
            rendering,
        } = measure(users);
        let cost = planning.as_secs_f64() * 1e6 / users as f64;
        println!(
            "{users:>8} {findings:>9} {actions:>8} {:>10.1} {cost:>12.2} {:>10.1}",
            planning.as_secs_f64() * 1e3,
            rendering.as_secs_f64() * 1e3
        );
        costs.push(cost);
    }
    match (costs.first(), costs.last()) {
        (Some(small), Some(large)) if large / small > DEARER => {
            println!(
                "a user costs {:.1} times as much in the largest account",
                large / small
            );
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}
