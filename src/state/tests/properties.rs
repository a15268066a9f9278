//! Whatever happens in whatever order: consent is spent once, fencing rises, an action has one open attempt at most, and
//! the journal stays whole.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::fixtures::*;
use crate::model::*;
use crate::state::*;

#[derive(Debug, Clone)]
enum Step {
    Acquire(bool),
    Release,
    LetRunOut,
    Approve(u32),
    Reject(u32),
    Intend {
        action: u32,
        undo: bool,
        with_consent: bool,
    },
    Finish(u32, Outcome),
    Read(u32, bool),
    Freeze,
    Unfreeze,
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let action = 1..4_u32;
    let outcome = prop_oneof![
        4 => Just(Outcome::Applied),
        1 => Just(Outcome::NotApplied),
        1 => Just(Outcome::Failed),
        1 => Just(Outcome::Unknown),
    ];
    let step = prop_oneof![
        2 => any::<bool>().prop_map(Step::Acquire),
        1 => Just(Step::Release),
        1 => Just(Step::LetRunOut),
        3 => action.clone().prop_map(Step::Approve),
        1 => action.clone().prop_map(Step::Reject),
        8 => (action.clone(), prop::bool::weighted(0.3), any::<bool>())
            .prop_map(|(action, undo, with_consent)| Step::Intend { action, undo, with_consent }),
        6 => (action.clone(), outcome).prop_map(|(action, outcome)| Step::Finish(action, outcome)),
        2 => (action, any::<bool>()).prop_map(|(action, applied)| Step::Read(action, applied)),
        1 => Just(Step::Freeze),
        1 => Just(Step::Unfreeze),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..60)
}

/// What is expected, told by simpler means.
#[derive(Default)]
struct Model {
    fencing: u64,
    offset: i64,
    frozen: bool,
    open: BTreeMap<u32, (IntentId, bool)>,
    /// The latest approval of an action, while it may be used.
    consent: BTreeMap<u32, DecisionId>,
    /// Every approval ever used, by the application that spent it.
    used: BTreeMap<DecisionId, IntentId>,
    under: BTreeMap<IntentId, DecisionId>,
    /// Whether the latest change was the making (or the undoing).
    applied: BTreeMap<u32, bool>,
    head: u64,
}

struct World {
    f: Fixture,
    state: State,
    leases: Vec<Lease>,
    model: Model,
    minute: i64,
}

impl World {
    async fn step(&mut self, step: &Step) {
        self.minute += 1;
        let now = at(self.minute);
        match step {
            Step::Acquire(first) => {
                let holder = if *first { "one" } else { "two" };
                if let Some(lease) = self.state.acquire_lease(&account(), holder).await.unwrap() {
                    assert!(lease.fencing() > self.model.fencing, "fencing rises");
                    self.model.fencing = lease.fencing();
                    self.leases.push(lease);
                }
            }
            Step::Release => {
                if let Some(lease) = self.leases.pop() {
                    self.state.release_lease(lease).await.unwrap();
                }
            }
            Step::LetRunOut => {
                self.model.offset += 30_001;
                self.f.move_clock(self.model.offset).await;
            }
            Step::Approve(action) => {
                let id = self.f.decide(&disabling(*action), Verdict::Approved, now).await;
                self.model.consent.insert(*action, id);
            }
            Step::Reject(action) => {
                self.f.decide(&disabling(*action), Verdict::Rejected, now).await;
                self.model.consent.remove(action);
            }
            Step::Intend {
                action,
                undo,
                with_consent,
            } => self.intend(*action, *undo, *with_consent).await,
            Step::Finish(action, outcome) => self.finish(*action, *outcome).await,
            Step::Read(action, looks_applied) => {
                if let Some((id, _)) = self.model.open.get(action) {
                    let progress = self.state.settle_reading(*id, *looks_applied, now).await.unwrap();
                    assert!(progress.agreeing_since <= now && progress.looks_applied == *looks_applied);
                }
            }
            Step::Freeze => {
                self.state.freeze("incident", "bob", now).await.unwrap();
                self.model.frozen = true;
            }
            Step::Unfreeze => {
                let before = self.state.unfreeze("bob", now).await.unwrap();
                assert_eq!(before.is_some(), self.model.frozen);
                self.model.frozen = false;
            }
            Step::Reopen => self.state = State::open(&self.f.url).await.unwrap().state,
        }
    }

    async fn intend(&mut self, action: u32, undo: bool, with_consent: bool) {
        let Some(lease) = self.leases.last() else { return };
        let consent = self
            .model
            .consent
            .get(&action)
            .copied()
            .filter(|_| with_consent && !undo);
        let intent = match (undo, consent) {
            (true, _) => undoing(action),
            (false, Some(consent)) => approved(action, consent),
            (false, None) => disabling(action),
        };
        let recorded = self
            .state
            .record_intent(lease, &intent, None, at(self.minute))
            .await
            .unwrap();
        let open = self.model.open.get(&action).map(|(id, _)| *id);
        match recorded {
            IntentRecorded::Recorded(id) => {
                assert_eq!(open, None, "one open attempt at most");
                assert!(undo || !self.model.frozen, "no change while frozen");
                assert_eq!(lease.fencing(), self.model.fencing, "only the latest holder acts");
                self.model.open.insert(action, (id, undo));
                if let Some(consent) = consent {
                    assert!(!self.model.used.contains_key(&consent), "consent is spent once");
                    self.model.under.insert(id, consent);
                }
            }
            IntentRecorded::AlreadyOpen(id) => assert_eq!(Some(id), open),
            IntentRecorded::Frozen(_) => assert!(self.model.frozen && !undo),
            IntentRecorded::LeaseLost => {}
            IntentRecorded::ConsentGone => panic!("the latest approval is live"),
            IntentRecorded::DayCapReached { .. } => panic!("there is no cap"),
        }
    }

    async fn finish(&mut self, action: u32, outcome: Outcome) {
        let Some((id, undo)) = self.model.open.get(&action).copied() else {
            return;
        };
        self.state
            .record_outcome(id, outcome, "", None, at(self.minute))
            .await
            .unwrap();
        match outcome {
            Outcome::Unknown => return,
            Outcome::Applied => {
                self.model.applied.insert(action, !undo);
                if !undo {
                    self.model.consent.remove(&action);
                    if let Some(consent) = self.model.under.get(&id) {
                        assert_eq!(
                            self.model.used.insert(*consent, id),
                            None,
                            "consent is spent once"
                        );
                    }
                }
            }
            Outcome::NotApplied | Outcome::Failed => {}
        }
        self.model.open.remove(&action);
    }

    async fn check(&mut self) {
        let history = self.state.history(&account(), at(self.minute)).await.unwrap();
        let open = self
            .model
            .open
            .keys()
            .map(|action| disabling(*action).action)
            .collect();
        assert_eq!(history.unsettled, open);
        let of = |made: bool| {
            let actions = self
                .model
                .applied
                .iter()
                .filter(move |(_, applied)| **applied == made);
            actions.map(|(action, _)| *action).collect::<Vec<_>>()
        };
        let disabled: Vec<_> = of(true).into_iter().map(key).collect();
        assert_eq!(
            history.disabled_keys.keys().cloned().collect::<Vec<_>>(),
            disabled
        );
        let mut undone: Vec<_> = of(false)
            .into_iter()
            .map(|action| Target::of(&disabling(action).resource, &disabling(action).change))
            .collect();
        undone.sort();
        assert_eq!(history.rolled_back.keys().cloned().collect::<Vec<_>>(), undone);
        assert_eq!(history.frozen.is_some(), self.model.frozen);
        let unspent = self.state.unspent_decisions(&account()).await.unwrap();
        assert!(
            unspent
                .iter()
                .all(|record| !self.model.used.contains_key(&record.id))
        );
        assert!(
            self.model
                .consent
                .values()
                .all(|id| unspent.iter().any(|record| record.id == *id))
        );
        let head = self.state.head().await.unwrap().seq;
        assert!(head >= self.model.head, "the journal only grows");
        self.model.head = head;
    }
}

async fn run(f: Fixture, steps: Vec<Step>) {
    let state = f.state.clone();
    let mut world = World {
        f,
        state,
        leases: Vec::new(),
        model: Model::default(),
        minute: 0,
    };
    for step in &steps {
        world.step(step).await;
        world.check().await;
    }
    assert_eq!(world.state.verify(None).await.unwrap().faults, []);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn invariants_hold_in_any_order(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { run(Fixture::in_file().await, steps).await });
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]
    #[test]
    fn invariants_hold_in_any_order_on_a_server(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { run(Fixture::in_postgres().await, steps).await });
    }
}
