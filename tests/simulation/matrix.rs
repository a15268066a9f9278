//! Every way to fail at every kind of call: what is read for the plan, what is read once more right before a change, the
//! change, and what is read after it. A fault strikes once, or for as long as the run lasts.
//!
//! Whatever it is: nothing happens that must not ([`Auditor`]), what was due and is not done is reported as a failure and
//! not left out in silence, the rest is done, and once the fault is gone all is as if there had been none.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_simulator::{Call, PasswordPolicy, Seed, When};
use chrono::TimeDelta;
use iamwarden::daemon::{Reach, Run, Selection, Verdict};
use iamwarden::model::{AccountId, FindingStatus};
use serde_json::Value;

use crate::estate::{POLICIES, a_policy, key_id, policy_arn};
use crate::faults::Way;
use crate::installation::{ACCOUNT, BEGIN, Installation, account, at, days, user_with_key};
use crate::invariants::{Auditor, Before, Checked, Occasion, target};
use crate::{AT_ONCE, block_on, play};

/// When in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// What is read for the plan.
    Plan,
    /// The third page of it.
    LaterPage,
    /// What is read once more right before a change.
    Recheck,
    /// The change.
    Mutation,
    /// What is read after it.
    Verify,
}

/// What can be hurt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Keys,
    Password,
    Policies,
    Everything,
}

impl Kind {
    fn mutation(self) -> &'static str {
        match self {
            Self::Keys => "UpdateAccessKey",
            Self::Password => "UpdateAccountPasswordPolicy",
            Self::Policies => "DetachUserPolicy",
            Self::Everything => "*",
        }
    }

    fn rule(self) -> &'static str {
        match self {
            Self::Keys | Self::Everything => "access_key_rotation",
            Self::Password => "password_policy",
            Self::Policies => "unused_permissions",
        }
    }

    fn of(subject: &str) -> Self {
        match subject {
            "password-policy" => Self::Password,
            key if key.starts_with("AKIA") => Self::Keys,
            _ => Self::Policies,
        }
    }
}

type Site = (Phase, &'static str, Kind);

const SITES: [Site; 25] = [
    (Phase::Plan, "GetCallerIdentity", Kind::Everything),
    (Phase::Plan, "GetAccountAuthorizationDetails", Kind::Everything),
    (
        Phase::LaterPage,
        "GetAccountAuthorizationDetails",
        Kind::Everything,
    ),
    (Phase::Plan, "GenerateCredentialReport", Kind::Keys),
    (Phase::Plan, "GetCredentialReport", Kind::Keys),
    (Phase::Plan, "ListAccessKeys", Kind::Keys),
    (Phase::Plan, "GetAccountPasswordPolicy", Kind::Password),
    (Phase::Plan, "GenerateServiceLastAccessedDetails", Kind::Policies),
    (Phase::Plan, "GetServiceLastAccessedDetails", Kind::Policies),
    (Phase::Recheck, "GetAccountPasswordPolicy", Kind::Password),
    (Phase::Recheck, "ListAccessKeys", Kind::Keys),
    (Phase::Recheck, "GetUser", Kind::Policies),
    (Phase::Recheck, "ListAttachedUserPolicies", Kind::Policies),
    (Phase::Recheck, "GetPolicy", Kind::Policies),
    (Phase::Recheck, "GetPolicyVersion", Kind::Policies),
    (
        Phase::Recheck,
        "GenerateServiceLastAccessedDetails",
        Kind::Policies,
    ),
    (Phase::Recheck, "GetServiceLastAccessedDetails", Kind::Policies),
    (Phase::Mutation, "UpdateAccountPasswordPolicy", Kind::Password),
    (Phase::Mutation, "UpdateAccessKey", Kind::Keys),
    (Phase::Mutation, "DetachUserPolicy", Kind::Policies),
    (Phase::Verify, "GetAccountPasswordPolicy", Kind::Password),
    (Phase::Verify, "ListAccessKeys", Kind::Keys),
    (Phase::Verify, "GetUser", Kind::Policies),
    (Phase::Verify, "ListAttachedUserPolicies", Kind::Policies),
    (Phase::Verify, "GetPolicyVersion", Kind::Policies),
];

const RULES: &str = r#"
[guardrails]
max_changes_percent = 100
[rules.access_key_rotation]
mode = "enforce"
minimum_notice = "0s"
[rules.unused_access_keys]
mode = "off"
[rules.password_policy]
mode = "enforce"
minimum_length = 14
[rules.unused_permissions]
mode = "enforce"
confirm_after = "0s"
trust_existing = true
"#;

/// Three old keys, a weak password policy, a policy that is not in use; in small pages, some of them empty.
fn untidy() -> Seed {
    let mut account = account();
    account.policies = POLICIES.map(|(name, service)| a_policy(name, service)).to_vec();
    for number in 1..=5 {
        let age = if number <= 3 { 200 } else { 10 };
        let mut user = user_with_key(&format!("user-{number}"), &key_id(number), at(BEGIN) - days(age));
        user.keys[0].last_used = When::At(at(BEGIN) - days(2));
        if number == 5 {
            user.attached = POLICIES.map(|(name, _)| name.to_owned()).to_vec();
            user.used
                .insert("s3".to_owned(), When::At(at(BEGIN) - days(2)).into());
        }
        account.users.push(user);
    }
    account.password_policy = Some(PasswordPolicy {
        minimum_password_length: 8,
        ..PasswordPolicy::default()
    });
    let mut seed = Seed::of(account);
    seed.paging.size = Some(2);
    seed.paging.empty_pages = true;
    seed
}

async fn begin() -> Installation {
    Installation::begin_at_pace(untidy(), RULES, play::hasty()).await
}

/// How a run goes that nothing disturbs.
struct Undisturbed {
    account: Value,
    changed: BTreeSet<String>,
    calls: Vec<Call>,
    /// How often each operation is called for the plan alone.
    planned: BTreeMap<String, usize>,
}

async fn undisturbed() -> Undisturbed {
    let town = begin().await;
    let run = Run::new(&town.house, Reach::Look);
    run.plan(&Selection::default(), false).await.unwrap();
    let mut planned = BTreeMap::new();
    for call in town.simulator.calls() {
        *planned.entry(call.operation).or_default() += 1;
    }
    let town = begin().await;
    let done = town.run().await;
    assert_eq!(done.verdict, Verdict::Done);
    let calls = town.simulator.calls();
    let changed = changed(&calls);
    assert_eq!(changed.len(), 5, "{changed:?}");
    Undisturbed {
        account: town.account(),
        changed,
        calls,
        planned,
    }
}

/// What changes took effect on.
fn changed(calls: &[Call]) -> BTreeSet<String> {
    let made = calls.iter().filter(|call| call.mutates && call.took_effect);
    made.filter_map(|call| Some(target(call)?.subject)).collect()
}

impl Undisturbed {
    /// The how many-th call of its operation a site is.
    fn nth(&self, (phase, operation, hurts): Site) -> u32 {
        let is_it = |call: &&Call| call.operation == operation;
        let before = match phase {
            Phase::Plan => 0,
            Phase::LaterPage => 2,
            Phase::Recheck => self.planned.get(operation).copied().unwrap_or_default(),
            // The second key, with one before it and one after.
            Phase::Mutation => usize::from(hurts == Kind::Keys),
            Phase::Verify => {
                let mut calls = self.calls.iter();
                let before = calls
                    .by_ref()
                    .take_while(|call| call.operation != hurts.mutation());
                before.filter(is_it).count()
            }
        };
        let all = self.calls.iter().filter(is_it).count();
        assert!(
            before < all,
            "{operation} is called {all} times, and not in {phase:?}"
        );
        u32::try_from(before).unwrap() + 1
    }
}

/// Some cell of the matrix.
#[derive(Debug, Clone, Copy)]
struct Cell {
    site: Site,
    way: Way,
    lasting: bool,
}

/// All cells; unless all are asked for, each second way at each site, half of them lasting.
fn cells() -> Vec<Cell> {
    let all = std::env::var("IAMWARDEN_FAULTS").is_ok_and(|which| which == "all");
    let mut cells = Vec::new();
    for (row, site) in SITES.into_iter().enumerate() {
        for (column, way) in Way::ALL.into_iter().enumerate() {
            // Of what changes nothing it does not matter.
            if way.is_after_effect() && site.0 != Phase::Mutation {
                continue;
            }
            let diagonal = row + column;
            let durations = [false, true].into_iter();
            let chosen =
                |lasting: &bool| diagonal.is_multiple_of(2) && *lasting == (diagonal / 2).is_multiple_of(2);
            let durations = durations.filter(|lasting| all || chosen(lasting));
            cells.extend(durations.map(|lasting| Cell { site, way, lasting }));
        }
    }
    cells
}

async fn before(town: &Installation) -> Before {
    Before {
        account: town.account(),
        frozen: false,
        occasion: Occasion::Run,
    }
}

async fn try_cell(cell: Cell, undisturbed: &Undisturbed) -> Checked {
    let Cell { site, way, lasting } = cell;
    let (phase, operation, hurts) = site;
    let town = begin().await;
    let mut auditor = Auditor::default();
    let mut fault = way.fault().on(operation);
    fault.nth = undisturbed.nth(site);
    fault.times = (!lasting).then_some(1);
    town.simulator.faults().add(fault);
    let first = before(&town).await;
    let done = Box::pin(town.house.run("run", &Selection::default())).await;
    town.simulator.faults().clear();
    auditor.check(&town, &first).await?;
    let made = changed(&town.simulator.calls());
    let missing: Vec<_> = undisturbed.changed.difference(&made).collect();
    let failed = match &done {
        Ok(done) => done.verdict == Verdict::Failed,
        Err(_) => hurts == Kind::Everything,
    };
    if !missing.is_empty() && !failed {
        return Err(format!("{missing:?} were left out in silence: {done:?}"));
    }
    let others = missing
        .iter()
        .find(|subject| hurts != Kind::Everything && Kind::of(subject) != hurts);
    if let Some(other) = others {
        return Err(format!(
            "{other} has nothing to do with it, and was not done: {done:?}"
        ));
    }
    if let Ok(done) = &done
        && phase == Phase::Plan
        && !missing.is_empty()
    {
        let findings = done.planned.plan.findings.iter();
        let is_said = |finding: &&iamwarden::model::Finding| {
            finding.rule.to_string() == hurts.rule() && finding.status == FindingStatus::Unknown
        };
        if findings.filter(is_said).count() == 0 {
            return Err(format!(
                "nothing says that it is unknown: {:#?}",
                done.planned.plan.findings
            ));
        }
    }
    recover(&town, &mut auditor, undisturbed).await
}

/// Once the fault is gone, all is done that would have been done without it, and no more.
async fn recover(town: &Installation, auditor: &mut Auditor, undisturbed: &Undisturbed) -> Checked {
    let id = AccountId::parse(ACCOUNT).unwrap();
    for _ in 0..4 {
        town.go_to(town.now() + TimeDelta::seconds(61));
        let step = before(town).await;
        let done = Box::pin(town.house.run("run", &Selection::default())).await;
        let done = done.map_err(|error| format!("the fault is gone, and still: {error:#}"))?;
        auditor.check(town, &step).await?;
        let open = town.state().open_intents(&id).await.unwrap();
        if done.verdict == Verdict::Done && open.is_empty() && done.reports.is_empty() {
            auditor.check_settled(town).await?;
            if town.account() != undisturbed.account || auditor.changes != undisturbed.changed.len() {
                return Err(format!("{} changes led to {:#}", auditor.changes, town.account()));
            }
            return Ok(());
        }
    }
    Err("it does not recover".to_owned())
}

#[test]
fn whatever_fails_wherever_nothing_is_lost_doubled_or_passed_over() {
    let undisturbed = block_on(undisturbed());
    let cells = cells();
    let next = AtomicUsize::new(0);
    let broken = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(cell) = cells.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(why) = block_on(try_cell(*cell, &undisturbed)) {
                        broken.lock().unwrap().push(format!("{cell:?}: {why}"));
                    }
                }
            });
        }
    });
    let broken = broken.into_inner().unwrap();
    assert!(
        broken.is_empty(),
        "{} of {}:\n{}",
        broken.len(),
        cells.len(),
        broken.join("\n")
    );
}

/// Words that AWS may say one day are no reason for anything.
#[test]
fn a_key_of_a_status_that_nobody_knows_is_left_alone_and_told_of() {
    block_on(async {
        for status in ["Expired", "Suspended", ""] {
            let mut seed = untidy();
            // Made while the key was active: only what is read live tells.
            seed.accounts[0].report.existing = When::Ago(TimeDelta::minutes(10));
            let town = Installation::begin_at_pace(seed, RULES, play::hasty()).await;
            let mut edit = aws_simulator::Edit::of_key(ACCOUNT, "user-1", key_id(1));
            edit.status = Some(status.to_owned());
            town.edit(&edit);
            let done = town.run().await;
            let made = changed(&town.simulator.calls());
            assert!(!made.contains(&key_id(1)), "{status}");
            assert_eq!(made.len(), 4, "{status}: the others are done");
            let unknown =
                done.planned.plan.findings.iter().any(|finding| {
                    finding.status == FindingStatus::Unknown && finding.title.contains("user-1")
                });
            assert_eq!(
                unknown,
                status != "Expired",
                "{status}: {:#?}",
                done.planned.plan.findings
            );
            assert!(made.contains(&policy_arn("queues")));
        }
    });
}
