//! What holds of the plan of any account under any policy: rules and planner as one, through the library's front door.
//!
//! (What holds of single parts is tested beside them.)
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use iamwarden::config::{self, Config, Environment, Mode, OnExcess};
use iamwarden::inventory::{
    AccessKey, AttachedPolicy, Authorization, Caller, ConsolePassword, Credentials, Gap, GapCause, Group,
    LastUsed, ManagedPolicy, PolicyVersion, Reading, Role, ServiceLastAccessed, ServiceUse, Snapshot, User,
};
use iamwarden::model::{
    AccessKeyId, AccountId, Action, ActionState, Arn, Change, FindingStatus, History, KeyStatus, Partition,
    PasswordPolicy,
};
use iamwarden::plan::{Plan, PlanOptions, assemble, plan_account, render};
use proptest::prelude::*;

const SERVICES: [&str; 5] = ["s3", "sqs", "sns", "dynamodb", "xray"];
/// What policies grant, by number.
const DOCUMENTS: [&str; 8] = [
    r#"{"Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#,
    r#"{"Statement":[{"Effect":"Allow","Action":"sqs:*","Resource":"*"}]}"#,
    r#"{"Statement":[{"Effect":"Allow","Action":["sns:*","xray:*"],"Resource":"*"}]}"#,
    r#"{"Statement":[{"Effect":"Allow","Action":"dynamodb:*","Resource":"*"}]}"#,
    r#"{"Statement":[{"Effect":"Allow","Action":"sqs:*","Resource":"*"},{"Effect":"Deny","Action":"s3:Put*","Resource":"*"}]}"#,
    r#"{"Statement":[{"Effect":"Allow","NotAction":"s3:*","Resource":"*"}]}"#,
    r#"{"Statement":[{"Effect":"Allow","Action":"nosuch:Thing","Resource":"*"}]}"#,
    "no JSON",
];

fn now() -> DateTime<Utc> {
    "2026-11-23T06:00:00Z".parse().unwrap()
}

fn ago(days: i64) -> DateTime<Utc> {
    now() - TimeDelta::days(days)
}

fn arn(account: u64, resource: &str) -> Arn {
    Arn::parse(&format!("arn:aws:iam::{account:012}:{resource}")).unwrap()
}

fn gap(operation: &str) -> Gap {
    Gap {
        operation: operation.to_owned(),
        resource: None,
        cause: GapCause::Throttled,
        detail: "Rate exceeded".to_owned(),
    }
}

/// Read, save for one time in ten.
fn reading<T: std::fmt::Debug + Clone>(of: impl Strategy<Value = T>) -> impl Strategy<Value = Reading<T>> {
    (of, prop::bool::weighted(0.9)).prop_map(|(value, is_known)| match is_known {
        true => Reading::Known(value),
        false => Reading::Unknown(gap("iam:Something")),
    })
}

prop_compose! {
    fn some_key()(
        age in 0i64..300,
        used in prop::option::weighted(0.8, 0i64..300),
        status in prop::sample::select(vec!["Active", "Active", "Active", "Inactive", "Expired", "Odd"]),
        last_used in reading(Just(())),
    ) -> AccessKey {
        let last = used.map_or(LastUsed::Never, |days| LastUsed::At {
            at: ago(days.min(age)),
            service: None,
            region: None,
        });
        AccessKey {
            id: None,
            status: KeyStatus::from_api(status),
            created_at: ago(age),
            last_used: match last_used {
                Reading::Known(()) => Reading::Known(last),
                Reading::Unknown(gap) => Reading::Unknown(gap),
            },
        }
    }
}

/// Policies by number, and the use of each service: no row, never, or days ago.
type Holding = (BTreeSet<usize>, Vec<Option<Option<i64>>>);

fn holding() -> impl Strategy<Value = Holding> {
    let policy = prop_oneof![6 => 0..4usize, 1 => 4..DOCUMENTS.len()];
    let row = prop_oneof![1 => Just(None), 8 => Just(Some(None)), 5 => (0i64..200).prop_map(|days| Some(Some(days)))];
    (
        prop::collection::btree_set(policy, 0..4),
        prop::collection::vec(row, SERVICES.len()),
    )
}

/// A principal before it has a name: age, policies and uses; whether its report is there.
type Being = (i64, Holding, bool);

fn being() -> impl Strategy<Value = Being> {
    (60i64..600, holding(), prop::bool::weighted(0.9))
}

/// A user before it has a name.
type Person = (Being, Vec<AccessKey>, Option<i64>, BTreeSet<usize>, bool);

fn person() -> impl Strategy<Value = Person> {
    (
        being(),
        prop::collection::vec(some_key(), 0..3),
        prop::option::of(0i64..300),
        prop::collection::btree_set(0..3usize, 0..2),
        any::<bool>(),
    )
}

fn attached(policies: &BTreeSet<usize>, account: u64) -> Vec<AttachedPolicy> {
    let attach = |n: &usize| AttachedPolicy {
        arn: arn(account, &format!("policy/P{n}")),
        name: format!("P{n}"),
    };
    policies.iter().map(attach).collect()
}

fn report((_, (_, rows), is_there): &Being) -> Reading<ServiceLastAccessed> {
    let services = SERVICES.iter().zip(rows).filter_map(|(service, row)| {
        let last_authenticated = (*row)?.map(ago);
        Some((
            (*service).to_owned(),
            ServiceUse {
                last_authenticated,
                ..ServiceUse::default()
            },
        ))
    });
    match is_there {
        true => Reading::Known(ServiceLastAccessed {
            completed_at: now(),
            services: services.collect(),
        }),
        false => Reading::Unknown(gap("iam:GetServiceLastAccessedDetails")),
    }
}

fn user(n: usize, account: u64, (being, keys, password, groups, owned): &Person) -> User {
    let name = format!("user-{n}");
    let keys = keys.iter().enumerate().map(|(k, key)| AccessKey {
        id: Some(AccessKeyId::parse(&format!("AKIATESTTEST{account:02}{n:03}{k:03}")).unwrap()),
        ..key.clone()
    });
    let owner = owned.then(|| ("owner".to_owned(), format!("owner-{}@example.com", n % 2)));
    User {
        arn: arn(account, &format!("user/{name}")),
        id: format!("AIDA{n}"),
        created_at: ago(being.0.max(300)),
        tags: owner.into_iter().collect(),
        groups: groups.iter().map(|g| format!("group-{g}")).collect(),
        attached: attached(&being.1.0, account),
        inline: Vec::new(),
        boundary: None,
        sign_in: None,
        password_use: None,
        other_credentials: None,
        credentials: Some(Reading::Known(Credentials {
            access_keys: keys.collect(),
            password: Reading::Known(password.map(|days| ConsolePassword {
                last_changed: Some(ago(days)),
                last_used: None,
            })),
        })),
        name,
    }
}

fn role(n: usize, account: u64, being: &Being) -> Role {
    let service = if n % 3 == 2 { "lambda" } else { "ec2" };
    Role {
        arn: arn(account, &format!("role/role-{n}")),
        name: format!("role-{n}"),
        id: format!("AROA{n}"),
        created_at: ago(being.0),
        tags: BTreeMap::new(),
        attached: attached(&being.1.0, account),
        inline: Vec::new(),
        boundary: None,
        trust: format!(
            r#"{{"Statement":[{{"Effect":"Allow","Principal":{{"Service":"{service}.amazonaws.com"}},"Action":"sts:AssumeRole"}}]}}"#
        ),
        last_used_at: None,
    }
}

fn group(n: usize, account: u64, being: &Being) -> Group {
    Group {
        arn: arn(account, &format!("group/group-{n}")),
        name: format!("group-{n}"),
        created_at: ago(being.0),
        attached: attached(&being.1.0, account),
        inline: Vec::new(),
    }
}

fn policies(account: u64) -> BTreeMap<Arn, ManagedPolicy> {
    let policy = |(n, document): (usize, &&str)| {
        let arn = arn(account, &format!("policy/P{n}"));
        let policy = ManagedPolicy {
            arn: arn.clone(),
            name: format!("P{n}"),
            default_version: "v1".to_owned(),
            created_at: ago(500),
            updated_at: ago(500),
            attachment_count: 1,
            boundary_count: 0,
            versions: vec![PolicyVersion {
                id: "v1".to_owned(),
                created_at: ago(500),
                document: (*document).to_owned(),
            }],
        };
        (arn, policy)
    };
    DOCUMENTS.iter().enumerate().map(policy).collect()
}

prop_compose! {
    fn some_password_policy()(minimum_length in 6u32..20, bits in any::<u8>(), max_age_days in prop::option::of(1u32..200))
    -> PasswordPolicy {
        PasswordPolicy {
            minimum_length,
            require_uppercase: bits & 1 > 0,
            require_lowercase: bits & 2 > 0,
            require_numbers: bits & 4 > 0,
            require_symbols: bits & 8 > 0,
            allow_users_to_change: bits & 16 > 0,
            max_age_days,
            reuse_prevention: None,
            hard_expiry: bits & 32 > 0,
        }
    }
}

fn some_account(id: u64) -> impl Strategy<Value = Snapshot> {
    (
        prop::collection::vec(person(), 0..6),
        prop::collection::vec(being(), 3),
        prop::collection::vec(being(), 0..4),
        reading(prop::option::of(some_password_policy())),
        prop::bool::weighted(0.95),
    )
        .prop_map(move |(people, groups, roles, password_policy, is_read)| {
            let users: Vec<_> = people.iter().enumerate().map(|(n, p)| user(n, id, p)).collect();
            let of_groups: Vec<_> = groups.iter().enumerate().map(|(n, b)| group(n, id, b)).collect();
            let of_roles: Vec<_> = roles.iter().enumerate().map(|(n, b)| role(n, id, b)).collect();
            let mut last_accessed = BTreeMap::new();
            last_accessed.extend(
                users
                    .iter()
                    .zip(&people)
                    .map(|(user, p)| (user.arn.clone(), report(&p.0))),
            );
            last_accessed.extend(
                of_groups
                    .iter()
                    .zip(&groups)
                    .map(|(group, b)| (group.arn.clone(), report(b))),
            );
            last_accessed.extend(
                of_roles
                    .iter()
                    .zip(&roles)
                    .map(|(role, b)| (role.arn.clone(), report(b))),
            );
            let authorization = Authorization {
                users,
                groups: of_groups,
                roles: of_roles,
                policies: policies(id),
            };
            Snapshot {
                schema: Snapshot::SCHEMA.to_owned(),
                taken_at: now(),
                account: AccountId::parse(&format!("{id:012}")).unwrap(),
                name: format!("account-{id}"),
                partition: Partition::new("aws"),
                caller: Caller {
                    arn: Arn::parse(&format!("arn:aws:sts::{id:012}:assumed-role/role-0/run")).unwrap(),
                    identities: vec!["role/role-0".to_owned()],
                },
                authorization: match is_read {
                    true => Reading::Known(authorization),
                    false => Reading::Unknown(gap("iam:GetAccountAuthorizationDetails")),
                },
                password_policy: Some(password_policy),
                root: None,
                virtual_mfa_devices: None,
                last_accessed,
                credential_report_at: Some(now()),
                gaps: Vec::new(),
                regions: iamwarden::inventory::Regions::default(),
                api_calls: BTreeMap::new(),
            }
        })
}

/// A policy under which whatever is found is due at once, without limit.
fn everything_at_once() -> Config {
    let text = r#"
notifications.default_channel = "secops"
[[notifications.channels]]
name = "secops"
kind = "slack"
url = "env:SECOPS"
[guardrails]
max_changes_per_run = 10000
max_changes_per_day = 10000
max_changes_percent = 100
[rules.access_key_rotation]
mode = "enforce"
minimum_notice = "0s"
[rules.unused_access_keys]
mode = "enforce"
minimum_notice = "0s"
[rules.password_policy]
mode = "enforce"
minimum_length = 14
require_uppercase = true
require_lowercase = true
require_numbers = true
max_age = "90d"
[rules.unused_permissions]
mode = "enforce"
confirm_after = "0s"
trust_existing = true
[[exemptions]]
principals = ["user/user-3"]
rules = ["access_key_rotation", "unused_permissions"]
until = "2027-01-31"
reason = "SEC-1"
"#;
    let loaded = config::load_text(Path::new("iamwarden.toml"), text, &Environment::empty());
    loaded.unwrap().config
}

fn some_mode() -> impl Strategy<Value = Mode> {
    prop::sample::select(vec![
        Mode::Off,
        Mode::Report,
        Mode::Approve,
        Mode::Enforce,
        Mode::Enforce,
    ])
}

prop_compose! {
    fn some_config()(
        modes in prop::array::uniform4(some_mode()),
        cap in 0u32..8,
        percent in prop::sample::select(vec![0u32, 10, 50, 100]),
        stops in any::<bool>(),
        freeze in prop::bool::weighted(0.1),
        has_channel in any::<bool>(),
        notice in any::<bool>(),
    ) -> Config {
        let mut config = everything_at_once();
        let rules = &mut config.rules;
        rules.access_key_rotation.mode = modes[0];
        rules.unused_access_keys.mode = modes[1];
        rules.password_policy.mode = modes[2];
        rules.unused_permissions.mode = modes[3];
        config.guardrails.max_changes_per_run = cap;
        config.guardrails.max_changes_percent = percent;
        config.guardrails.on_excess = if stops { OnExcess::Stop } else { OnExcess::Cap };
        config.freeze = freeze;
        if !has_channel {
            config.notifications.default_channel = None;
        }
        if notice {
            config.rules.access_key_rotation.minimum_notice = Config::built_in().unwrap().rules.access_key_rotation.minimum_notice;
        }
        config
    }
}

fn plan(config: &Config, accounts: &[Snapshot]) -> Plan {
    let (history, options) = (History::default(), PlanOptions::default());
    let accounts = accounts.iter();
    let plans = accounts.map(|account| plan_account(config, account, &history, now(), &options));
    assemble(config, "01PLAN".to_owned(), now(), false, plans.collect())
}

fn is_due(action: &&Action) -> bool {
    action.state == ActionState::Proposed
}

/// The account as the executor would leave it.
fn apply(account: &mut Snapshot, action: &Action) {
    if let Change::UpdatePasswordPolicy(policy) = &action.change {
        account.password_policy = Some(Reading::Known(Some(policy.clone())));
        return;
    }
    let Reading::Known(authorization) = &mut account.authorization else {
        panic!("an action on a principal in an account that was not read: {action:?}");
    };
    let Authorization {
        users, groups, roles, ..
    } = authorization;
    if let Change::DisableAccessKey { access_key_id } = &action.change {
        let user = users.iter_mut().find(|user| user.arn == action.resource).unwrap();
        let Some(Reading::Known(credentials)) = &mut user.credentials else {
            panic!("{action:?}")
        };
        let mut keys = credentials.access_keys.iter_mut();
        let key = keys.find(|key| key.id.as_ref() == Some(access_key_id)).unwrap();
        assert_eq!(
            key.status,
            KeyStatus::Active,
            "what is not active is not disabled"
        );
        key.status = KeyStatus::Inactive;
    } else if let Change::DetachPolicy { policy_arn } = &action.change {
        let of_users = users.iter_mut().map(|user| (&user.arn, &mut user.attached));
        let of_groups = groups.iter_mut().map(|group| (&group.arn, &mut group.attached));
        let of_roles = roles.iter_mut().map(|role| (&role.arn, &mut role.attached));
        let mut all = of_users.chain(of_groups).chain(of_roles);
        let (_, attached) = all.find(|(arn, _)| **arn == action.resource).unwrap();
        let before = attached.len();
        attached.retain(|policy| policy.arn != *policy_arn);
        assert_eq!(attached.len() + 1, before, "what is not attached is not detached");
    } else {
        panic!("nothing else is declared: {action:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn plan_apply_plan_gives_nothing(mut account in some_account(1)) {
        let config = everything_at_once();
        let mut done = BTreeSet::new();
        let mut is_last = false;
        // No run changes more than the account has principals: some accounts take several.
        loop {
            let plan = plan(&config, std::slice::from_ref(&account));
            let due: Vec<_> = plan.actions.iter().filter(is_due).collect();
            prop_assert!(due.is_empty() || !is_last, "{due:#?}");
            if due.is_empty() {
                break;
            }
            is_last = due.len() == plan.actions.len();
            for action in due {
                prop_assert!(done.insert(action.id.clone()), "once more: {action:#?}");
                apply(&mut account, action);
            }
        }
    }

    #[test]
    fn the_order_of_the_input_does_not_matter(
        accounts in (some_account(1), some_account(2)), config in some_config(), turn in 0usize..6,
    ) {
        let ordered = [accounts.0, accounts.1];
        let mut shuffled = ordered.clone();
        shuffled.reverse();
        for account in &mut shuffled {
            if let Reading::Known(Authorization { users, groups, roles, .. }) = &mut account.authorization {
                users.reverse();
                let by = turn % users.len().max(1);
                users.rotate_left(by);
                users.iter_mut().for_each(|user| user.groups.reverse());
                groups.reverse();
                roles.reverse();
            }
        }
        let bytes = |accounts: &[Snapshot]| {
            let mut plan = plan(&config, accounts);
            // A digest of what was read, as it was read.
            plan.accounts.iter_mut().for_each(|account| account.snapshot_digest = None);
            render::json(&plan)
        };
        prop_assert_eq!(bytes(&ordered), bytes(&shuffled));
    }

    #[test]
    fn no_plan_goes_beyond_what_is_declared(account in some_account(1), config in some_config()) {
        let plan = plan(&config, std::slice::from_ref(&account));
        let due = plan.actions.iter().filter(is_due).count();
        let principals = plan.accounts[0].principals.total();
        let cap = match config.guardrails.max_changes_percent {
            0 => 0,
            percent => (principals * percent as usize / 100).max(1).min(config.guardrails.max_changes_per_run as usize),
        };
        prop_assert!(due <= cap, "{due} due, {cap} allowed");
        prop_assert!(due == 0 || !config.freeze);
        let ids: BTreeSet<_> = plan.actions.iter().map(|action| &action.id).collect();
        prop_assert_eq!(ids.len(), plan.actions.len(), "no change is there twice");
        for action in &plan.actions {
            prop_assert_eq!(action.state == ActionState::Withheld, action.withheld_reason.is_some());
            prop_assert!(action.reversible && action.inverse.is_some());
            // role-0 is the warden itself.
            prop_assert!(!action.resource.as_str().ends_with("role/role-0"));
            prop_assert!(!action.resource.as_str().ends_with("role/role-2"), "invoked by a service");
            for id in action.findings() {
                let finding = plan.findings.iter().find(|finding| finding.id == *id).unwrap();
                prop_assert_eq!(finding.status, FindingStatus::Violation);
                prop_assert_eq!(&finding.resource, &action.resource);
            }
        }
        let modes = [
            ("access_key_rotation", config.rules.access_key_rotation.mode),
            ("unused_access_keys", config.rules.unused_access_keys.mode),
            ("password_policy", config.rules.password_policy.mode),
            ("unused_permissions", config.rules.unused_permissions.mode),
        ];
        for (rule, mode) in modes {
            let found = || plan.findings.iter().filter(move |finding| finding.rule.as_str() == rule);
            prop_assert!(mode != Mode::Off || found().next().is_none(), "{rule} is off");
            let acts = found().any(|finding| plan.actions.iter().any(|action| action.findings().any(|id| *id == finding.id)));
            prop_assert!(!acts || mode > Mode::Report, "{rule} acts in {mode:?}");
        }
    }
}

proptest! {
    // Each of them makes ten plans in four forms.
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_same_input_gives_the_same_bytes_ten_times(
        accounts in (some_account(1), some_account(2)), config in some_config(),
    ) {
        let accounts = [accounts.0, accounts.1];
        let first = plan(&config, &accounts);
        let forms = |plan: &Plan| (render::json(plan), render::text(plan, &render::TextStyle::default()), render::markdown(plan), render::html(plan));
        for _ in 1..10 {
            let next = plan(&config.clone(), &accounts.clone());
            prop_assert_eq!(forms(&first), forms(&next));
        }
        let read: Plan = serde_json::from_str(&render::json(&first)).unwrap();
        prop_assert_eq!(read, first);
    }
}

#[test]
fn the_generated_accounts_have_something_to_do() {
    // Else the properties above would hold of nothing.
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut kinds: BTreeMap<_, usize> = BTreeMap::new();
    for _ in 0..100 {
        let account = some_account(1).new_tree(&mut runner).unwrap().current();
        let plan = plan(&everything_at_once(), &[account]);
        for action in plan.actions.iter().filter(is_due) {
            *kinds.entry(action.change.kind().as_str()).or_default() += 1;
        }
    }
    for kind in ["disable_access_key", "update_password_policy", "detach_policy"] {
        assert!(kinds.get(kind).is_some_and(|found| *found >= 20), "{kinds:?}");
    }
}
