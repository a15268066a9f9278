//! A life of the daemon, made up from a seed: ticks, deliveries, time, people, faults, and the end of the process anywhere.

use std::fmt::Write as _;
use std::time::Duration;

use aws_simulator::{Fault, FaultKind, Release};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::{Either, select};
use iamwarden::aws::Pace;
use iamwarden::daemon::{DecisionRequest, Done, Reach, Run, Selection, Tried, Undo};
use iamwarden::execute::ActionResult;
use iamwarden::model::{AccountId, ActionId, ActionState, Verdict, Way};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::Value;

use crate::acts::{self, Act};
use crate::estate::{self, PEOPLE, RULES, chance, one};
use crate::faults;
use crate::installation::{ACCOUNT, Installation, pace};
use crate::invariants::{Auditor, Before, Checked, Occasion, is_pending};
use crate::rows;

/// Steps of a life, at least and at most.
const STEPS: std::ops::Range<usize> = 12..28;
/// Ticks in which everything has to come to rest, once nothing disturbs it any more.
const PATIENCE: usize = 40;

/// What a life came to, to see that it led somewhere.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Life {
    pub(crate) changes: usize,
    pub(crate) crashes: usize,
    pub(crate) rollbacks: usize,
    pub(crate) approvals: usize,
    pub(crate) faults: usize,
}

struct Play {
    rng: StdRng,
    town: Installation,
    auditor: Auditor,
    tried: Tried,
    next_key: usize,
    process: usize,
    life: Life,
    /// What happened, for whoever reads of a failure.
    diary: String,
}

/// Little patience: what hangs is given up soon.
pub(crate) fn hasty() -> Pace {
    Pace {
        attempt: Duration::from_secs(2),
        operation: Duration::from_secs(4),
        attempts: 2,
        report: Duration::from_secs(4),
        advisor: Duration::from_secs(4),
        ..pace()
    }
}

/// Lives the life of this seed.
pub(crate) async fn live(seed: u64) -> Result<Life, String> {
    let mut rng = StdRng::seed_from_u64(seed);
    let (world, next_key) = estate::an_account(&mut rng);
    let calm = chance(&mut rng, 40);
    let declared = estate::a_policy_file(&mut rng, &estate::users(&world), calm);
    let town = Installation::begin_at_pace(world, &declared, hasty()).await;
    let mut play = Play {
        town,
        auditor: Auditor::default(),
        tried: Tried::default(),
        next_key,
        process: 1,
        life: Life::default(),
        diary: declared,
        rng,
    };
    let lived = async {
        for _ in 0..play.rng.random_range(STEPS) {
            Box::pin(play.step()).await?;
        }
        Box::pin(play.come_to_rest()).await
    };
    match Box::pin(lived).await {
        Ok(()) => {
            play.town.state().close().await;
            play.life.changes = play.auditor.changes;
            Ok(play.life)
        }
        Err(broken) => Err(format!("{broken}\n{}", play.diary)),
    }
}

impl Play {
    fn note(&mut self, what: &str) {
        let _ = writeln!(self.diary, "{} {what}", self.town.now().format("%m-%d %H:%M:%S"));
    }

    async fn before(&self, occasion: Occasion) -> Checked<Before> {
        let frozen = self
            .town
            .state()
            .frozen()
            .await
            .map_err(|error| error.to_string())?;
        Ok(Before {
            account: self.town.account(),
            frozen: frozen.is_some(),
            occasion,
        })
    }

    async fn step(&mut self) -> Checked {
        self.town.go_to(self.town.now() + TimeDelta::minutes(1));
        match self.rng.random_range(0..100) {
            0..32 => Box::pin(self.tick()).await,
            32..44 => Box::pin(self.crash()).await,
            44..56 => {
                let minutes = one(&mut self.rng, &[2, 60, 360, 1440, 1440, 4320, 11_520]);
                self.note(&format!("{minutes} minutes pass"));
                self.town.go_to(self.town.now() + TimeDelta::minutes(minutes));
                Ok(())
            }
            56..68 => Box::pin(self.decide()).await,
            68..74 => Box::pin(self.roll_back()).await,
            74..77 => Box::pin(self.freeze()).await,
            77..90 => Box::pin(self.somebody_acts()).await,
            90..93 => {
                let status = one(&mut self.rng, &[200, 200, 500, 503, 429, 404]);
                self.note(&format!("the desk answers {status}"));
                self.town.desk.answers(status);
                Ok(())
            }
            93..95 => Box::pin(self.restart()).await,
            95..97 => self.declare(false),
            _ => Box::pin(self.settle_and_deliver()).await,
        }
    }

    /// All rules, or those of one schedule, or those whose approval came.
    async fn selection(&mut self) -> Checked<Selection> {
        if chance(&mut self.rng, 25) {
            let errand = self.town.house.approved_by_now(&mut self.tried).await;
            if let Some(selection) = errand.map_err(|error| format!("{error:#}"))? {
                return Ok(selection);
            }
        }
        let mut selection = Selection::default();
        if chance(&mut self.rng, 20) {
            selection.rules.push(one(&mut self.rng, &RULES).to_owned());
        }
        Ok(selection)
    }

    fn arm_faults(&mut self) {
        if chance(&mut self.rng, 40) {
            for _ in 0..self.rng.random_range(1..=3) {
                let fault = faults::any_fault(&mut self.rng);
                self.note(&format!("fault {fault:?}"));
                self.town.simulator.faults().add(fault);
                self.life.faults += 1;
            }
        }
    }

    async fn tick(&mut self) -> Checked {
        let selection = self.selection().await?;
        let mut before = self.before(Occasion::Run).await?;
        let act = match chance(&mut self.rng, 25) {
            true => acts::any_act(&mut self.rng, &self.town, &mut self.next_key),
            false => None,
        };
        let done = match act {
            Some(act) => Box::pin(self.run_meanwhile(&selection, &mut before, act)).await?,
            None => {
                self.arm_faults();
                Box::pin(self.town.house.run("run", &selection)).await
            }
        };
        self.town.simulator.faults().clear();
        self.note_run(&selection, &done);
        self.deliver().await?;
        self.check(&before).await
    }

    /// A run, and what somebody does while one of its reads is on its way.
    async fn run_meanwhile(
        &mut self,
        selection: &Selection,
        before: &mut Before,
        act: Act,
    ) -> Checked<anyhow::Result<Done>> {
        let reads = [
            "ListAccessKeys",
            "ListAttached*",
            "GetUser",
            "GetAccountPasswordPolicy",
            "*",
        ];
        let mut hold = Fault::new(FaultKind::Hold).on(one(&mut self.rng, &reads));
        hold = hold.only_nth(self.rng.random_range(1..=12));
        self.note(&format!(
            "meanwhile, at {:?} {}: {}",
            hold.operation, hold.nth, act.what
        ));
        self.town.simulator.faults().add(hold);
        let (town, auditor) = (&self.town, &mut self.auditor);
        let mut run = Box::pin(town.house.run("run", selection));
        let held = std::pin::pin!(town.simulator.holds().wait(Duration::from_secs(60)));
        let held = match select(run.as_mut(), held).await {
            Either::Left((done, _)) => return Ok(done),
            Either::Right((held, _)) => held,
        };
        let held = held.ok_or("neither the run ended nor a call was held")?;
        if !held.operation.starts_with("Get") && !held.operation.starts_with("List") {
            // What becomes of a change that is on its way is not to be known.
            town.simulator.holds().release(held.id, Release::Continue);
            return Ok(run.await);
        }
        auditor.check(town, before).await?;
        act.happens(town, auditor).await;
        before.account = town.account();
        town.simulator.holds().release(held.id, Release::Continue);
        Ok(run.await)
    }

    fn note_run(&mut self, selection: &Selection, done: &anyhow::Result<Done>) {
        match done {
            Ok(done) => {
                let results: Vec<_> = done
                    .reports
                    .iter()
                    .map(|report| format!("{} {:?}", report.change.subject(), report.result))
                    .collect();
                let withheld = done.planned.plan.actions.iter();
                let withheld: Vec<_> = withheld
                    .filter_map(|action| {
                        Some(format!(
                            "{} {:?}",
                            action.change.subject(),
                            action.withheld_reason?
                        ))
                    })
                    .collect();
                self.note(&format!(
                    "run {:?}: {:?}; {results:?}; withheld {withheld:?}",
                    selection.rules, done.verdict
                ));
            }
            Err(error) => self.note(&format!("run {:?} failed: {error:#}", selection.rules)),
        }
    }

    async fn deliver(&mut self) -> Checked {
        let courier = self.town.house.courier().map_err(|error| error.to_string())?;
        let state = self.town.state();
        let delivered = self
            .town
            .house
            .deliver(&courier, state, Duration::from_secs(20))
            .await;
        delivered
            .map(|_| ())
            .map_err(|error| format!("delivery: {error}"))
    }

    async fn check(&mut self, before: &Before) -> Checked {
        self.auditor.check(&self.town, before).await
    }

    /// The process ends in the middle of a run: at a call, before or after its effect, or between any two steps of it.
    async fn crash(&mut self) -> Checked {
        let selection = self.selection().await?;
        let before = self.before(Occasion::Run).await?;
        let way = one(&mut self.rng, &["before", "after", "on its way", "anywhere"]);
        let nth = one(&mut self.rng, &[1, 1, 2, 3, 5]);
        // What is only asked to be made (a report) is no change, but a mutation all the same.
        let operation = one(&mut self.rng, &["*", "U*", "D*", "P*"]);
        let hold = Fault::new(FaultKind::Hold)
            .on_mutations()
            .on(operation)
            .only_nth(nth);
        let hold = match way {
            "after" => hold.after_effect(),
            "on its way" => Fault {
                detached: true,
                ..hold
            },
            _ => hold,
        };
        let steps = match way {
            "anywhere" => 1 << self.rng.random_range(3..11),
            _ => u32::MAX,
        };
        if way != "anywhere" {
            self.town.simulator.faults().add(hold);
        }
        let died = {
            let run = Box::pin(self.town.house.run("run", &selection));
            let run = std::pin::pin!(faults::at_most_steps(run, steps));
            let held = std::pin::pin!(self.town.simulator.holds().wait(Duration::from_secs(60)));
            match select(run, held).await {
                Either::Left((ended, _)) => ended.is_none(),
                Either::Right((held, _)) => held.is_some(),
            }
        };
        self.town.simulator.faults().clear();
        self.note(&format!("crash {way} {nth} of {:?}: {died}", selection.rules));
        self.life.crashes += usize::from(died);
        self.wait_for_requests(way == "on its way").await;
        self.check(&before).await?;
        self.restart().await?;
        if way == "on its way" && died {
            Box::pin(self.tick()).await?;
            self.town.simulator.holds().release_all();
            self.wait_for_requests(false).await;
        }
        Ok(())
    }

    /// Until every request of the dead process is carried out or gone; those that are held may stay so.
    async fn wait_for_requests(&mut self, held_may_stay: bool) {
        loop {
            let held: Vec<_> = self
                .town
                .simulator
                .holds()
                .list()
                .iter()
                .map(|hold| hold.id)
                .collect();
            let calls = self.town.simulator.calls();
            let mut pending = calls.iter().filter(|call| is_pending(call));
            if held_may_stay {
                for call in calls.iter().filter(|call| held.contains(&call.n)) {
                    self.auditor.is_on_its_way(call);
                }
                if pending.all(|call| held.contains(&call.n)) {
                    return;
                }
            } else if pending.next().is_none() {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    /// A new process over the old state. What is measured by the database's own clock has run out by then.
    async fn restart(&mut self) -> Checked {
        self.note("restart");
        self.town.restart().await;
        self.town
            .database(async |connection| {
                let over = "UPDATE leases SET expires_ms = 0; UPDATE messages SET claimed_until_ms = 0";
                sqlx::raw_sql(over).execute(connection).await.unwrap();
            })
            .await;
        self.process += 1;
        self.town.house.holder = format!("process {}", self.process);
        self.tried = Tried::default();
        let before = self.before(Occasion::Nothing).await?;
        self.check(&before).await
    }

    async fn settle_and_deliver(&mut self) -> Checked {
        self.note("settle and deliver");
        let before = self.before(Occasion::Nothing).await?;
        self.town
            .house
            .settle()
            .await
            .map_err(|error| format!("{error:#}"))?;
        self.deliver().await?;
        self.check(&before).await
    }

    async fn decide(&mut self) -> Checked {
        let who = one(&mut self.rng, &PEOPLE);
        let verdict = match chance(&mut self.rng, 80) {
            true => Verdict::Approved,
            false => Verdict::Rejected,
        };
        let plans = self
            .town
            .state()
            .plans(4)
            .await
            .map_err(|error| error.to_string())?;
        let Some(plan) = (!plans.is_empty()).then(|| self.rng.random_range(0..plans.len())) else {
            return Ok(());
        };
        let before = self.before(Occasion::Nothing).await?;
        let request = DecisionRequest {
            plan: plans[plan].id.clone(),
            actions: Vec::new(),
            verdict,
            by: who.to_owned(),
            via: Way::Page,
            reason: None,
        };
        let made = self.town.house.decide(self.town.state(), &request).await;
        self.note(&format!(
            "{who}: {verdict:?} {:?}",
            made.as_ref().map(|made| made.actions.len()).ok()
        ));
        let may = self
            .town
            .house
            .config
            .approvals
            .approvers
            .iter()
            .any(|name| name == who);
        if !may
            && made
                .as_ref()
                .is_ok_and(|made| verdict == Verdict::Approved && !made.actions.is_empty())
        {
            return Err(format!("{who} may not approve, and did"));
        }
        self.life.approvals += made.map_or(0, |made| made.actions.len());
        self.check(&before).await
    }

    async fn roll_back(&mut self) -> Checked {
        let applied: Vec<_> = rows::intents(&self.town, 0)
            .await
            .into_iter()
            .filter(|intent| !intent.is_undo())
            .collect();
        if applied.is_empty() {
            return Ok(());
        }
        let chosen = &applied[self.rng.random_range(0..applied.len())];
        let Ok(id) = serde_json::from_value::<ActionId>(Value::from(chosen.action.clone())) else {
            return Err(format!("no id of an action: {}", chosen.action));
        };
        self.arm_faults();
        let before = self.before(Occasion::RollBack).await?;
        let state = self.town.state();
        let run = Run::new(&self.town.house, Reach::Change);
        let undone = async {
            let undoable = run.undoable(state, &Undo::Actions(vec![id])).await?;
            let reports = run.undo(state, &undoable, "ann").await?;
            run.tell_rollback(state, &reports, "ann").await?;
            anyhow::Ok(reports)
        };
        let undone = undone.await;
        self.town.simulator.faults().clear();
        let results: Option<Vec<_>> = undone
            .ok()
            .map(|reports| reports.into_iter().map(|report| report.result).collect());
        self.life.rollbacks += results
            .iter()
            .flatten()
            .filter(|result| **result == ActionResult::Applied)
            .count();
        self.note(&format!("roll back {:?}: {results:?}", chosen.target));
        self.deliver().await?;
        self.check(&before).await
    }

    async fn freeze(&mut self) -> Checked {
        let (state, now) = (self.town.state(), self.town.now());
        let frozen = state.frozen().await.map_err(|error| error.to_string())?.is_some();
        let done = match frozen {
            true => state.unfreeze("ops", now).await.map(|_| ()),
            false => state.freeze("drill", "ops", now).await,
        };
        self.note(if frozen { "unfreeze" } else { "freeze" });
        done.map_err(|error| error.to_string())
    }

    fn declare(&mut self, calm: bool) -> Checked {
        let account = self.town.account();
        let users = account["users"].as_object().into_iter().flatten();
        let users: Vec<_> = users.map(|(name, _)| name.clone()).collect();
        let text = estate::a_policy_file(&mut self.rng, &users, calm);
        self.note(&format!("declared:\n{text}"));
        self.town.declare(&text);
        Ok(())
    }

    async fn somebody_acts(&mut self) -> Checked {
        let Some(act) = acts::any_act(&mut self.rng, &self.town, &mut self.next_key) else {
            return Ok(());
        };
        self.note(&act.what);
        act.happens(&self.town, &mut self.auditor).await;
        Ok(())
    }

    /// Nothing disturbs any more: it comes to rest, with nothing open, and then a further run changes nothing.
    async fn come_to_rest(&mut self) -> Checked {
        self.note("nothing disturbs any more");
        self.town.desk.answers(200);
        self.town
            .state()
            .unfreeze("ops", self.town.now())
            .await
            .map_err(|error| error.to_string())?;
        self.town.configure(|config| {
            config.dry_run = false;
            config.freeze = false;
            config.guardrails.change_window = None;
        });
        // A credential report may be four hours old, and with it what the planner knows of uses since.
        self.town.go_to(self.town.now() + TimeDelta::hours(5));
        let id = AccountId::parse(ACCOUNT).map_err(|error| error.to_string())?;
        let mut quiet = 0;
        for _ in 0..PATIENCE {
            let changes = self.auditor.changes;
            let done = self.undisturbed(TimeDelta::minutes(2)).await?;
            let open = self
                .town
                .state()
                .open_intents(&id)
                .await
                .map_err(|error| error.to_string())?;
            let due = done.planned.plan.actions.iter();
            let due = due.filter(|action| action.state == ActionState::Proposed).count();
            let is_quiet = self.auditor.changes == changes && open.is_empty() && due == 0;
            quiet = if is_quiet { quiet + 1 } else { 0 };
            if quiet == 2 {
                let calls = self.town.simulator.counts().mutations;
                let account = self.town.account();
                self.undisturbed(TimeDelta::zero()).await?;
                let writes = self.town.changes().len();
                let more = self.town.simulator.counts().mutations - calls;
                let untold = self
                    .town
                    .state()
                    .untold(&id)
                    .await
                    .map_err(|error| error.to_string())?;
                if self.town.account() != account || !untold.is_empty() {
                    return Err(format!(
                        "a further run still does something ({more} of {writes}): {untold:?}"
                    ));
                }
                let leaks = self.town.leaks();
                if !leaks.is_empty() {
                    return Err(format!("secrets are on disk: {leaks:?}"));
                }
                return self.auditor.check_settled(&self.town).await;
            }
        }
        Err("it does not come to rest".to_owned())
    }

    async fn undisturbed(&mut self, later: TimeDelta) -> Checked<Done> {
        let then: DateTime<Utc> = self.town.now() + later;
        self.town.go_to(then);
        let before = self.before(Occasion::Run).await?;
        let done = Box::pin(self.town.house.run("run", &Selection::default())).await;
        self.note_run(&Selection::default(), &done);
        let done = done.map_err(|error| format!("an undisturbed run failed: {error:#}"))?;
        self.deliver().await?;
        self.check(&before).await?;
        Ok(done)
    }
}
