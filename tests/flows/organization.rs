//! Many accounts: found in the organization, rolled out by stages, each with its own fate.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::Mutex;

use aws_simulator::{
    AccountSeed, Fault, FaultKind, KeySeed, MemberSeed, OrganizationSeed, RoleSeed, Seed, UserSeed, When,
};
use chrono::TimeDelta;
use iamwarden::daemon::{Reach, Reading, Run, Selection, Shared, Verdict};
use iamwarden::execute::ActionResult;
use iamwarden::model::{AccountId, RuleName, Span};
use iamwarden::plan::{AccountStatus, Plan};

use crate::installation::{ACCOUNT, BEGIN, Installation, account, at, days};

const RULES: &str = r#"
[organization]
discover = true
[rules.access_key_rotation]
mode = "enforce"
minimum_notice = "0s"
"#;

fn id(n: u64) -> String {
    format!("{:012}", 200_000_000_000 + n)
}

fn key(n: u64) -> String {
    format!("AKIAMEMBER{n:010}")
}

/// An account whose user has a key past its age, and which lets iamwarden in.
fn member(n: u64) -> AccountSeed {
    let mut member = AccountSeed::new(id(n));
    let mut user = UserSeed::new("app").key(KeySeed::aged(When::days(200)).id(key(n)));
    user.age = When::days(400);
    user.tags
        .insert("owner".to_owned(), format!("owner-{n}@example.com"));
    member.users.push(user);
    let mut role = RoleSeed::new("iamwarden");
    role.assumed_by = vec![ACCOUNT.to_owned()];
    member.roles.push(role);
    member
}

/// The account that iamwarden runs in, and so many others in `/Workloads`.
fn world(members: u64) -> Seed {
    let mut seed = Seed::of(account());
    seed.accounts.extend((1..=members).map(member));
    seed.organization = Some(OrganizationSeed {
        management: ACCOUNT.to_owned(),
        members: (1..=members)
            .map(|n| MemberSeed::new(id(n)).in_unit("/Workloads"))
            .collect(),
        ..OrganizationSeed::default()
    });
    seed
}

fn status(plan: &Plan) -> Vec<(&str, AccountStatus)> {
    let accounts = plan.accounts.iter();
    accounts
        .map(|account| (account.id.as_str(), account.status))
        .collect()
}

impl Installation {
    fn is_active(&self, n: u64) -> bool {
        let account = self.simulator.state(&id(n)).unwrap();
        account["users"]["app"]["keys"][0]["status"] == "Active"
    }

    /// The numbers of the members whose key is as it was.
    fn active(&self, members: u64) -> Vec<u64> {
        (1..=members).filter(|n| self.is_active(*n)).collect()
    }

    fn calls_of(&self, operation: &str) -> usize {
        let calls = self.simulator.calls();
        calls.iter().filter(|call| call.operation == operation).count()
    }
}

#[tokio::test]
async fn nine_of_ten_accounts_are_done_and_the_dead_one_is_said() {
    let mut seed = world(9);
    seed.accounts[5].roles.clear();
    let home = Installation::begin_in(seed, RULES).await;
    let done = home.run().await;
    assert_eq!(home.active(9), [5]);
    assert_eq!(done.verdict, Verdict::Failed);
    assert_eq!(done.reports.len(), 8);
    assert!(
        done.reports
            .iter()
            .all(|report| report.result == ActionResult::Applied)
    );
    let dead = id(5);
    for (account, status) in status(&done.planned.plan) {
        let expected = match account == dead {
            true => AccountStatus::Failed,
            false => AccountStatus::Complete,
        };
        assert_eq!(status, expected, "{account}");
    }
    let said = home.desk.told("run.failed");
    assert_eq!(said.len(), 1);
    assert!(said[0].body.to_string().contains(&dead), "{:#}", said[0].body);
    // One look at the organization, and nobody asks for units that nothing depends on.
    assert_eq!(
        (home.calls_of("ListAccounts"), home.calls_of("ListRoots")),
        (1, 0)
    );
    assert_eq!(done.planned.plan.api_calls["organizations:ListAccounts"], 1);
    home.check_books().await;
}

#[tokio::test]
async fn no_more_accounts_are_held_than_are_read_at_once() {
    let mut home = Installation::begin_in(world(12), RULES).await;
    home.configure(|config| config.schedule.accounts_at_once = 3);
    let house = home.house.with_accounts().await.unwrap();
    let (finished, most) = (Mutex::new(BTreeSet::new()), Mutex::new(0));
    let keep = |reading| {
        let Reading::Done(surveyed) = reading else {
            panic!("not read")
        };
        let begun: BTreeSet<_> = home
            .simulator
            .calls()
            .into_iter()
            .filter(|call| call.operation == "GetAccountAuthorizationDetails")
            .filter_map(|call| call.account)
            .collect();
        let mut finished = finished.lock().unwrap();
        let held = begun.len() - finished.len();
        let mut most = most.lock().unwrap();
        *most = held.max(*most);
        finished.insert(surveyed.snapshot.account.to_string());
        std::future::ready(Ok(surveyed.snapshot.account.to_string()))
    };
    let run = Run::new(&house, Reach::Look);
    let kept = run.read(&Selection::default(), keep).await.unwrap();
    let ids: Vec<_> = std::iter::once(ACCOUNT.to_owned())
        .chain((1..=12).map(id))
        .collect();
    assert_eq!(kept, ids, "in the order of the accounts, whoever answers first");
    assert!((1..=3).contains(&*most.lock().unwrap()), "{most:?}");
}

#[tokio::test]
async fn half_a_list_is_no_list() {
    let home = Installation::begin_in(world(9), RULES).await;
    home.simulator.set_paging(aws_simulator::Paging {
        size: Some(4),
        empty_pages: false,
    });
    let on_list = |kind| Fault::new(kind).on("ListAccounts");
    for (fault, said) in [
        (on_list(FaultKind::error("ServiceException")), "AWS failed"),
        (
            on_list(FaultKind::error("AccessDeniedException")).only_nth(2),
            "access denied",
        ),
        (on_list(FaultKind::EmptyBody).only_nth(3), "cannot be used"),
    ] {
        home.simulator.faults().clear();
        home.simulator.clear_calls();
        home.simulator.faults().add(fault);
        let error = home.house.run("run", &Selection::default()).await.unwrap_err();
        assert!(format!("{error:#}").contains(said), "{error:#}");
        assert_eq!(home.calls_of("GetAccountAuthorizationDetails"), 0);
    }
    home.deliver().await;
    assert!(!home.desk.told("run.failed").is_empty());
    assert_eq!(home.active(9).len(), 9);
    // Nothing of what was read before is used later: the next run looks again, and acts on all.
    home.simulator.faults().clear();
    home.run_at(at(BEGIN) + days(1)).await;
    assert!(home.active(9).is_empty());
}

#[tokio::test]
async fn who_is_closed_is_left_out_and_who_is_gone_is_missed() {
    let home = Installation::begin_in(world(3), RULES).await;
    home.simulator
        .set_member(MemberSeed::new(id(1)).of_state("PENDING_CLOSURE"))
        .unwrap();
    let done = home.run().await;
    assert_eq!(home.active(3), [1]);
    let names = home.house.account_names().await.unwrap();
    let name = |n| names.of(&AccountId::parse(&id(n)).unwrap());
    assert_eq!((name(2), name(7)), (format!("account {}", id(2)), id(7)));
    let found = home.state().evaluations().await.unwrap();
    assert!(
        found
            .iter()
            .any(|evaluation| evaluation.account.as_str() == id(2))
    );
    let left_out = &done.planned.plan.left_out;
    assert_eq!(left_out.len(), 1);
    assert_eq!(
        (left_out[0].id.as_str(), left_out[0].why.as_str()),
        (id(1).as_str(), "pending closure")
    );
    assert_eq!(done.verdict, Verdict::Done);
    assert!(home.desk.told("run.failed").is_empty());

    assert!(home.simulator.remove_member(&id(1)));
    assert!(home.simulator.remove_member(&id(2)));
    let done = home.run_at(at(BEGIN) + days(1)).await;
    assert!(done.planned.plan.left_out.is_empty());
    assert_eq!(done.planned.plan.accounts.len(), 2);
    let said = home.desk.told("run.failed");
    assert_eq!(said.len(), 1);
    let text = said[0].body.to_string();
    assert!(
        text.contains(&id(1)) && text.contains(&id(2)) && !text.contains(&id(3)),
        "{text}"
    );
    let standing = home.state().findings(None, false).await.unwrap();
    let standing: BTreeSet<_> = standing
        .iter()
        .map(|record| record.finding.account.as_str())
        .collect();
    assert!(
        standing.is_subset(&BTreeSet::from([ACCOUNT, id(3).as_str()])),
        "{standing:?}"
    );
    // Once is enough.
    home.run_at(at(BEGIN) + days(2)).await;
    assert_eq!(home.desk.told("run.failed").len(), 1);
}

#[tokio::test]
async fn a_rollout_begins_with_one_unit() {
    let mut seed = world(4);
    if let Some(organization) = &mut seed.organization {
        organization.members[0].unit = "/Workloads/Dev".to_owned();
        organization.members[1].unit = "/Sandbox".to_owned();
        organization.units.push("/Workloads/Empty".to_owned());
    }
    let stage = |rollout: &str| {
        format!("{RULES}[rollout]\n{rollout}\n")
            .replace("discover = true", "discover = true\nexclude = [\"/Sandbox\"]")
    };
    // Nowhere: an empty selector means nothing, never everything.
    let mut home = Installation::begin_in(seed, &stage("")).await;
    let done = home.run().await;
    assert!(done.planned.plan.actions.is_empty());
    assert_eq!(home.active(4), [1, 2, 3, 4]);

    home.declare(&stage("units = [\"/Workloads/Dev\"]"));
    home.simulator.clear_calls();
    let done = home.run_at(at(BEGIN) + days(1)).await;
    assert_eq!(home.active(4), [2, 3, 4]);
    let plan = &done.planned.plan;
    let of = |n: u64| {
        plan.findings
            .iter()
            .find(|finding| finding.account.as_str() == id(n))
            .unwrap()
    };
    assert!(of(1).proposal.is_none() && of(3).proposal.is_some());
    assert_eq!(plan.actions.len(), 1);
    let rolled_out: Vec<_> = plan
        .accounts
        .iter()
        .map(|account| (account.id.as_str(), account.unit.as_deref(), account.rolled_out))
        .collect();
    assert_eq!(
        rolled_out,
        [
            (ACCOUNT, Some("/"), Some(false)),
            (&id(1), Some("/Workloads/Dev"), Some(true)),
            (&id(3), Some("/Workloads"), Some(false)),
            (&id(4), Some("/Workloads"), Some(false)),
        ]
    );
    // Owners hear of what is enforced; of the rest the default channel gets a digest.
    let owners: BTreeSet<_> = home
        .desk
        .posts()
        .iter()
        .filter_map(|post| post.owner().map(str::to_owned))
        .collect();
    assert_eq!(owners, BTreeSet::from(["owner-1@example.com".to_owned()]));
    assert!(!home.desk.told("report.digest").is_empty());
    // One page of each list: accounts, root, and both kinds of content of five units.
    let calls = [
        "ListAccounts",
        "ListRoots",
        "ListAccountsForParent",
        "ListOrganizationalUnitsForParent",
    ];
    assert_eq!(calls.map(|operation| home.calls_of(operation)), [1, 1, 5, 5]);

    // The next stage; what was excluded stays so.
    home.declare(&stage("units = [\"/Workloads\"]"));
    let done = home.run_at(at(BEGIN) + days(2)).await;
    assert_eq!(home.active(4), [2]);
    assert_eq!(done.planned.plan.left_out.len(), 1);

    // Undone it can be at any stage.
    home.declare(&stage(""));
    let action = &done.planned.plan.actions[0];
    let reports = home.roll_back(action).await;
    assert_eq!(reports.len(), 1);
    assert_eq!(reports[0].result, ActionResult::Applied);
    home.check_books().await;
}

#[tokio::test]
async fn with_a_wrong_clock_a_tick_is_left_to_others() {
    let home = Installation::begin_in(world(2), RULES).await;
    let due = BTreeMap::from([(RuleName::new("access_key_rotation"), at(BEGIN))]);
    home.set_own_clock(at(BEGIN) + TimeDelta::minutes(15));
    let shared = home.house.run_share("run", &due).await.unwrap();
    assert!(matches!(shared, Shared::WrongClock), "{shared:?}");
    assert_eq!(home.active(2), [1, 2]);
    home.set_own_clock(at(BEGIN));
    let shared = home.house.run_share("run", &due).await.unwrap();
    assert!(matches!(shared, Shared::Whole), "{shared:?}");
    assert!(home.active(2).is_empty());
}

#[tokio::test]
async fn a_tick_is_spread_and_the_wait_ends_with_the_process() {
    let mut home = Installation::begin_in(world(6), RULES).await;
    home.configure(|config| {
        config.schedule.spread_over = Span::parse("1h").unwrap();
        // No key is that old when the tick begins; each is when its account's turn has come.
        config.rules.access_key_rotation.max_age = Span::parse("4801h").unwrap();
    });
    let due = BTreeMap::from([(RuleName::new("access_key_rotation"), at(BEGIN))]);
    // Until each of the seven accounts waits for its turn.
    let wait_for_sleepers = async |run: Pin<&mut dyn Future<Output = anyhow::Result<Shared>>>| {
        let mut run = run;
        let awake = home.watchers_of_the_clock();
        while home.watchers_of_the_clock() < awake + 7 {
            assert!(futures_util::poll!(run.as_mut()).is_pending(), "nobody waited");
            tokio::task::yield_now().await;
        }
    };
    let mut stopped = std::pin::pin!(home.house.run_share("run", &due));
    wait_for_sleepers(stopped.as_mut()).await;
    home.house.shutdown.request();
    assert!(stopped.await.is_err());
    assert_eq!(home.calls_of("GetAccountAuthorizationDetails"), 0);

    let mut house = home.house.clone();
    house.shutdown = iamwarden::daemon::Shutdown::new();
    home.simulator.clear_calls();
    let mut run = std::pin::pin!(house.run_share("run", &due));
    wait_for_sleepers(run.as_mut()).await;
    assert_eq!(home.calls_of("GetAccountAuthorizationDetails"), 0);
    home.go_to(at(BEGIN) + TimeDelta::hours(1));
    assert!(matches!(run.await.unwrap(), Shared::Whole));
    assert!(home.active(6).is_empty());
    assert_eq!(home.calls_of("ListAccounts"), 1);
    // What is late is not made later: a tick that was due an hour ago waits for nobody.
    let late = BTreeMap::from([(RuleName::new("password_policy"), at(BEGIN) - TimeDelta::hours(2))]);
    house.run_share("run", &late).await.unwrap();
}
