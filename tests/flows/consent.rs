//! Whatever people do in whatever order, nothing is changed without consent that counts: random sequences of plan, approve,
//! reject, expire, roll back, re-plan and apply, against a few lines that say what ought to be.

use std::collections::BTreeSet;

use aws_simulator::Edit;
use chrono::{DateTime, TimeDelta, Utc};
use iamwarden::daemon::{DecisionRequest, saved_plan};
use iamwarden::model::{Digest, Verdict, Way};
use iamwarden::state::AppliedSelection;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use crate::installation::{ACCOUNT, BEGIN, Installation, account, at, days, user_with_key};

const KEY: &str = "AKIAALICE00000000001";
const PEOPLE: [&str; 4] = ["ann", "bob", "alice", "eve"];

fn rules(minimum_approvers: u32, max_age: u32) -> String {
    format!(
        r#"
rules.unused_access_keys.mode = "off"
rules.password_policy.mode = "off"
rules.unused_permissions.mode = "off"
[rules.access_key_rotation]
mode = "approve"
minimum_notice = "0s"
max_age = "{max_age}d"
[approvals]
approvers = ["ann", "bob", "alice"]
minimum_approvers = {minimum_approvers}
"#
    )
}

#[derive(Debug, Clone)]
enum Step {
    /// A tick of the daemon: plans afresh and applies what is due.
    Run,
    /// One of the people decides a saved plan: the latest, or the first.
    Decide {
        who: usize,
        verdict: Verdict,
        latest: bool,
    },
    /// Time passes.
    Days(i64),
    /// Whatever was applied is undone.
    RollBack,
    /// Another limit is declared.
    Declare(u32),
    /// Somebody enables the key again by hand.
    Enable,
    /// All changes are stopped, or released.
    Freeze(bool),
}

fn step() -> impl Strategy<Value = Step> {
    let decide = |verdict| {
        (0..PEOPLE.len(), prop::bool::weighted(0.8)).prop_map(move |(who, latest)| Step::Decide {
            who,
            verdict,
            latest,
        })
    };
    prop_oneof![
        6 => Just(Step::Run),
        5 => decide(Verdict::Approved),
        2 => decide(Verdict::Rejected),
        2 => (1i64..9).prop_map(Step::Days),
        2 => Just(Step::RollBack),
        1 => prop::sample::select(vec![90u32, 91]).prop_map(Step::Declare),
        2 => Just(Step::Enable),
        1 => any::<bool>().prop_map(Step::Freeze),
    ]
}

/// What ought to be: decisions that count, as a person would keep them on paper.
#[derive(Debug, Default)]
struct Paper {
    yes: Vec<(&'static str, DateTime<Utc>, Digest)>,
    /// When somebody said no last. It ends every yes before it, under whatever configuration it was said.
    no: Option<DateTime<Utc>>,
    rolled_back: Option<DateTime<Utc>>,
}

/// The credential report as AWS gives it: for four hours it says the same of the key, whoever enables it in between. What it
/// calls inactive is nothing to be rotated.
#[derive(Debug, Clone, Copy)]
struct Report {
    made_at: DateTime<Utc>,
    active: bool,
}

impl Report {
    fn asked_for(&mut self, now: DateTime<Utc>, active: bool) {
        if now >= self.made_at + TimeDelta::hours(4) {
            *self = Self { made_at: now, active };
        }
    }
}

impl Paper {
    fn decided(&mut self, who: &'static str, verdict: Verdict, now: DateTime<Utc>, config: Digest) {
        match verdict {
            Verdict::Approved => self.yes.push((who, now, config)),
            Verdict::Rejected => self.no = Some(now),
        }
    }

    fn applied(&mut self) {
        *self = Self::default();
    }

    fn allows(&self, minimum: usize, now: DateTime<Utc>, config: &Digest) -> bool {
        let alive = |at: DateTime<Utc>| now < at + days(7) && self.rolled_back.is_none_or(|back| at > back);
        let yes = self.yes.iter().filter(|(_, at, of)| of == config && alive(*at));
        let people: BTreeSet<_> = yes
            .filter(|(_, at, _)| self.no.is_none_or(|no| *at > no))
            .map(|(who, ..)| *who)
            .collect();
        people.len() >= minimum
    }
}

async fn play(minimum: u32, steps: Vec<Step>) -> Result<usize, TestCaseError> {
    let mut account = account();
    account
        .users
        .push(user_with_key("alice", KEY, at(BEGIN) - days(400)));
    let mut town = Installation::begin(account, &rules(minimum, 90)).await;
    let first = town.run().await.planned.plan.id;
    let mut paper = Paper::default();
    let mut report = Report {
        made_at: town.now(),
        active: true,
    };
    let (mut frozen, mut applied) = (false, 0);
    for step in steps {
        town.go_to(town.now() + TimeDelta::minutes(1));
        let (now, before) = (town.now(), town.changes().len());
        let was_active = town.key_status("alice", KEY).as_deref() == Some("Active");
        match step {
            Step::Run => {
                let config = town.house.config.digest();
                town.run().await;
                report.asked_for(now, was_active);
                let ought =
                    was_active && report.active && !frozen && paper.allows(minimum as usize, now, &config);
                let changed = town.changes().len() - before;
                prop_assert_eq!(changed, usize::from(ought), "{:?} at {}", paper, now);
                if ought {
                    paper.applied();
                    applied += 1;
                }
                continue;
            }
            Step::Decide { who, verdict, latest } => {
                let who = PEOPLE[who];
                let wanted = if latest { "latest" } else { &first };
                let plan = saved_plan(town.state(), wanted).await.unwrap();
                let request = DecisionRequest {
                    plan: plan.id.clone(),
                    actions: Vec::new(),
                    verdict,
                    by: who.to_owned(),
                    via: Way::Page,
                    reason: None,
                };
                let made = town.house.decide(town.state(), &request).await;
                let may = match (who, verdict) {
                    ("ann" | "bob", _) | ("alice", Verdict::Rejected) => true,
                    (_, _) => false,
                };
                prop_assert_eq!(made.is_ok(), may, "{} {:?}", who, verdict);
                // What is repeated is not written down again, and counts as long as it did.
                if made.is_ok_and(|made| !made.actions.is_empty()) {
                    paper.decided(who, verdict, now, plan.config_digest);
                }
            }
            Step::Days(number) => town.go_to(now + days(number)),
            Step::RollBack => {
                let undone = town
                    .state()
                    .applied_actions(AppliedSelection::Account(&account_id()))
                    .await
                    .unwrap();
                if let Some(attempt) = undone.first() {
                    let id = attempt.intent.action.clone();
                    let reports = town.roll_back_by_id(&id).await;
                    if reports
                        .iter()
                        .any(|report| report.result == iamwarden::execute::ActionResult::Applied)
                    {
                        paper.rolled_back = Some(now);
                        continue;
                    }
                }
            }
            Step::Declare(max_age) => town.declare(&rules(minimum, max_age)),
            Step::Enable => {
                let mut edit = Edit::of_key(ACCOUNT, "alice", KEY);
                edit.status = Some("Active".to_owned());
                town.edit(&edit);
            }
            Step::Freeze(true) => {
                town.state().freeze("drill", "ops", now).await.unwrap();
                frozen = true;
            }
            Step::Freeze(false) => {
                town.state().unfreeze("ops", now).await.unwrap();
                frozen = false;
            }
        }
        prop_assert_eq!(town.changes().len(), before, "only a run changes anything");
    }
    town.check_books().await;
    Ok(applied)
}

fn account_id() -> iamwarden::model::AccountId {
    iamwarden::model::AccountId::parse(ACCOUNT).unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 40, ..ProptestConfig::default() })]

    #[test]
    fn nothing_changes_without_consent_that_counts(
        minimum in 1u32..3, steps in prop::collection::vec(step(), 4..24),
    ) {
        runtime().block_on(play(minimum, steps))?;
    }
}

#[test]
fn the_steps_lead_somewhere() {
    // Else the property would hold of nothing.
    use Step::{Days, Decide, Enable, RollBack, Run};
    let say = |who, verdict| Decide {
        who,
        verdict,
        latest: true,
    };
    let (yes, no) = (
        |who| say(who, Verdict::Approved),
        |who| say(who, Verdict::Rejected),
    );
    let steps = vec![
        yes(0),
        Run,
        RollBack,
        Run,
        yes(1),
        yes(2),
        Run,
        Enable,
        Run,
        yes(0),
        no(2),
        Run,
        yes(0),
        Days(8),
        Run,
        yes(1),
        Run,
    ];
    assert_eq!(runtime().block_on(play(1, steps.clone())).unwrap(), 3);
    let late = vec![yes(0), Run, Days(1), Run, Enable, yes(0), Run, Days(1), Run];
    assert_eq!(
        runtime().block_on(play(1, late)).unwrap(),
        2,
        "a key enabled again is seen with the next report"
    );
    let first = Decide {
        who: 0,
        verdict: Verdict::Approved,
        latest: false,
    };
    let no_elsewhere = vec![
        Step::Declare(91),
        first,
        Run,
        no(1),
        Step::Declare(90),
        Run,
        yes(0),
        Run,
    ];
    assert_eq!(
        runtime().block_on(play(1, no_elsewhere)).unwrap(),
        1,
        "a no ends the yes that was said under another configuration"
    );
    let twice = vec![yes(0), Run, yes(0), Run, yes(2), Run, yes(3), Run, yes(1), Run];
    assert_eq!(runtime().block_on(play(2, twice)).unwrap(), 1);
}
