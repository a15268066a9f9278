//! An account and a declared policy, made up from a seed.

use aws_simulator::{
    AccountSeed, GroupSeed, KeySeed, PasswordPolicy, PasswordSeed, PolicySeed, RoleSeed, Seed, UserSeed,
    VersionSeed, When,
};
use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use serde_json::json;

use crate::installation::{ACCOUNT, BEGIN, account, at, days};

/// People who may be among those who approve, and one who never is.
pub(crate) const PEOPLE: [&str; 4] = ["ann", "bob", "cyd", "eve"];
/// Customer managed policies, each with the one service that it is about.
pub(crate) const POLICIES: [(&str, &str); 2] = [("app", "s3"), ("queues", "sqs")];
/// The rules that change something, beside those that live in regions.
pub(crate) const RULES: [&str; 6] = [
    "access_key_rotation",
    "unused_access_keys",
    "password_policy",
    "unused_permissions",
    "unused_passwords",
    "unused_roles",
];
/// One of these.
pub(crate) fn one<T: Copy>(rng: &mut StdRng, of: &[T]) -> T {
    *of.choose(rng).unwrap()
}

/// In so many of a hundred cases.
pub(crate) fn chance(rng: &mut StdRng, percent: u32) -> bool {
    rng.random_range(0..100) < percent
}

/// An id of an access key that is not taken.
pub(crate) fn key_id(number: usize) -> String {
    format!("AKIASIM{number:013}")
}

fn ago(n: i64) -> When {
    When::At(at(BEGIN) - days(n))
}

fn a_key(rng: &mut StdRng, number: usize) -> KeySeed {
    let age = one(rng, &[1, 20, 44, 46, 70, 83, 89, 90, 91, 120, 200, 400]);
    let mut key = KeySeed::aged(ago(age)).id(key_id(number));
    if chance(rng, 70) {
        key.last_used = ago(rng.random_range(0..=age.min(100)));
    }
    if chance(rng, 10) {
        key.status = "Inactive".to_owned();
    }
    if chance(rng, 4) {
        key.status = "Expired".to_owned();
    }
    key
}

fn attached(rng: &mut StdRng) -> Vec<String> {
    let policies = POLICIES.iter().filter(|_| chance(rng, 50));
    policies.map(|(name, _)| (*name).to_owned()).collect()
}

fn a_user(rng: &mut StdRng, name: &str, next_key: &mut usize) -> UserSeed {
    let mut user = UserSeed::new(name);
    user.age = ago(500);
    if chance(rng, 20) {
        user.path = "/ops/".to_owned();
    }
    if chance(rng, 70) {
        user.tags
            .insert("owner".to_owned(), format!("{name}@example.com"));
    }
    for _ in 0..rng.random_range(0..=2) {
        let key = a_key(rng, *next_key);
        *next_key += 1;
        user.keys.push(key);
    }
    if chance(rng, 40) {
        user.password = Some(PasswordSeed {
            last_changed: ago(390),
            last_used: ago(one(rng, &[1, 40, 60, 300])),
            ..PasswordSeed::default()
        });
    }
    user.attached = attached(rng);
    for (_, service) in POLICIES {
        if chance(rng, 60) {
            let when = ago(one(rng, &[0, 1, 30, 88, 95, 200]));
            user.used.insert(service.to_owned(), when.into());
        }
    }
    user
}

fn a_role(rng: &mut StdRng, name: &str) -> RoleSeed {
    let mut role = RoleSeed::new(name);
    role.age = ago(600);
    role.assumed_by = vec![one(rng, &["ec2.amazonaws.com", "lambda.amazonaws.com"]).to_owned()];
    role.last_used = ago(one(rng, &[1, 60, 85, 95, 380]));
    role.attached = attached(rng);
    role.used.insert("s3".to_owned(), role.last_used.into());
    role
}

pub(crate) fn a_policy(name: &str, service: &str) -> PolicySeed {
    let document = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": format!("{service}:*"), "Resource": "*"}
    ]});
    PolicySeed {
        name: name.to_owned(),
        path: "/".to_owned(),
        aws_managed: false,
        description: None,
        age: ago(500),
        updated: When::Never,
        document: None,
        versions: vec![VersionSeed {
            id: None,
            document: document.to_string().as_str().into(),
            age: ago(500),
        }],
        default_version: None,
        tags: Default::default(),
    }
}

/// An account; also the number of the next key.
pub(crate) fn an_account(rng: &mut StdRng) -> (Seed, usize) {
    let mut account: AccountSeed = account();
    let mut next_key = 1;
    account.policies = POLICIES.map(|(name, service)| a_policy(name, service)).to_vec();
    for number in 1..=rng.random_range(2..=6) {
        let user = a_user(rng, &format!("user-{number}"), &mut next_key);
        account.users.push(user);
    }
    let mut break_glass = a_user(rng, "break-glass-1", &mut next_key);
    break_glass.path = "/admin/".to_owned();
    account.users.push(break_glass);
    if chance(rng, 50) {
        let mut group = GroupSeed::new("staff");
        group.age = ago(500);
        group.attached = attached(rng);
        account.groups.push(group);
        for user in &mut account.users {
            if chance(rng, 40) {
                user.groups.push("staff".to_owned());
            }
        }
    }
    for number in 1..=rng.random_range(0..=2) {
        account.roles.push(a_role(rng, &format!("role-{number}")));
    }
    account.roles.push(a_role(rng, "break-glass"));
    if chance(rng, 60) {
        account.password_policy = Some(PasswordPolicy {
            minimum_password_length: one(rng, &[6, 8, 14, 20]),
            require_symbols: chance(rng, 50),
            ..PasswordPolicy::default()
        });
    }
    let mut seed = Seed::of(account);
    seed.paging.size = one(rng, &[None, None, Some(2), Some(5)]);
    seed.paging.empty_pages = chance(rng, 15);
    (seed, next_key)
}

/// A policy that somebody could declare. `calm`: nothing in it holds changes back for ever.
pub(crate) fn a_policy_file(rng: &mut StdRng, users: &[String], calm: bool) -> String {
    let mode = |rng: &mut StdRng| match calm {
        true => one(rng, &["approve", "enforce", "enforce"]),
        false => one(
            rng,
            &[
                "off", "report", "approve", "approve", "enforce", "enforce", "enforce",
            ],
        ),
    };
    let modes = RULES.map(|_| mode(rng));
    let window = match calm {
        true => "",
        false => one(
            rng,
            &["", "", "", "", "Mon-Thu 06:00-16:00", "Tue,Sat 22:00-07:00"],
        ),
    };
    let percent = if calm {
        100
    } else {
        one(rng, &[0, 10, 30, 100, 100, 100, 100])
    };
    let (per_run, per_day) = match calm {
        true => (25, 100),
        false => (one(rng, &[1, 3, 25, 25]), one(rng, &[1, 3, 100, 100])),
    };
    let notice = |rng: &mut StdRng| one(rng, &["0s", "0s", "1d", "1d", "7d"]);
    let notices = [notice(rng), notice(rng), notice(rng), notice(rng)];
    let approvers = one(
        rng,
        &[r#""ann""#, r#""ann", "bob", "cyd""#, r#""ann", "bob", "cyd""#],
    );
    let minimum_approvers = match approvers.contains(',') {
        true => one(rng, &[1, 1, 2]),
        false => 1,
    };
    let exempt = users.iter().filter(|_| chance(rng, 15)).map(|name| {
        format!(
            "[[exemptions]]\nprincipals = [\"user/{name}\"]\nrules = {}\nuntil = \"2026-03-12\"\nreason = \"vendor\"\n",
            json!(RULES)
        )
    });
    let exemptions: String = exempt.collect();
    format!(
        r#"
dry_run = {dry_run}
freeze = {freeze}
[guardrails]
max_changes_per_run = {per_run}
max_changes_percent = {percent}
max_changes_per_day = {per_day}
on_excess = "{on_excess}"
change_window = "{window}"
protected = ["user/break-glass-*", "role/break-glass"]
[approvals]
expire_after = "{expire_after}"
approvers = [{approvers}]
minimum_approvers = {minimum_approvers}
[rules.access_key_rotation]
mode = "{}"
minimum_notice = "{}"
spare_used_within = "{spare}"
delete_after = "{delete_after}"
[rules.unused_access_keys]
mode = "{}"
minimum_notice = "{}"
[rules.password_policy]
mode = "{}"
minimum_length = {minimum_length}
[rules.unused_permissions]
mode = "{}"
confirm_after = "{confirm}"
trust_existing = true
[rules.unused_passwords]
mode = "{}"
minimum_notice = "{}"
[rules.unused_roles]
mode = "{}"
minimum_notice = "{}"
confirm_after = "{confirm}"
{exemptions}
"#,
        modes[0],
        notices[0],
        modes[1],
        notices[1],
        modes[2],
        modes[3],
        modes[4],
        notices[2],
        modes[5],
        notices[3],
        dry_run = !calm && chance(rng, 12),
        freeze = !calm && chance(rng, 12),
        on_excess = one(rng, &["cap", "cap", "stop"]),
        expire_after = one(rng, &["1d", "7d", "30d"]),
        spare = one(rng, &["0s", "0s", "2d"]),
        delete_after = one(rng, &["", "", "10d"]),
        minimum_length = one(rng, &[8, 14, 16]),
        confirm = one(rng, &["0s", "2d"]),
    )
}

/// The names of the users of a world.
pub(crate) fn users(seed: &Seed) -> Vec<String> {
    let users = seed.accounts.iter().flat_map(|account| &account.users);
    users.map(|user| user.name.clone()).collect()
}

/// The ARN of a customer managed policy.
pub(crate) fn policy_arn(name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:policy/{name}")
}
