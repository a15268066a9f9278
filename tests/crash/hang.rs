//! An answer that never comes, with less patience than the program has by itself.

use std::sync::Arc;
use std::time::Duration;

use iamwarden::aws::{Ambient, Pace, Secrets, Sessions};
use iamwarden::config::{self, Environment};
use iamwarden::daemon::{Clock, ClockHand, House, Selection, Shutdown, Verdict};
use iamwarden::execute::ActionResult;
use iamwarden::model::WithheldReason;
use iamwarden::state::State;

use super::*;

async fn house(world: &World) -> (House, ClockHand) {
    let pace = Pace {
        attempt: Duration::from_secs(3),
        ..Pace::default()
    };
    let credentials = world.simulator.credentials(ACCOUNT).unwrap();
    let secret = credentials.secret_access_key.into();
    let ambient = Ambient::fixed(world.endpoint(), credentials.access_key_id, secret, pace);
    let ambient = Arc::new(ambient);
    let secrets = Arc::new(Secrets::new(|_| None, Arc::clone(&ambient)));
    let (clock, hand) = Clock::manual(Clock::system().now());
    let config = config::load(Some(&world.config()), &Environment::empty())
        .unwrap()
        .config;
    let house = House {
        roster: None,
        sessions: Arc::new(Sessions::new(ambient, secrets, "test")),
        config: Arc::new(config),
        state: Some(State::open(&world.state_url()).await.unwrap().state),
        clock,
        shutdown: Shutdown::new(),
        holder: "test".to_owned(),
        decided: iamwarden::daemon::Wake::new(),
        standstill: Default::default(),
        metrics: None,
    };
    (house, hand)
}

#[test]
fn a_detachment_without_an_answer_is_settled_after_a_minute() {
    let world = World::untidy();
    let before = world.account();
    block_on(async {
        let (house, hand) = house(&world).await;
        let everything = Selection::default();
        world
            .simulator
            .faults()
            .add(Fault::new(FaultKind::Hang).on("DetachUserPolicy"));
        let done = Box::pin(house.run("run", &everything)).await.unwrap();
        assert_eq!(done.verdict, Verdict::Failed);
        let unsettled: Vec<_> = done
            .reports
            .iter()
            .filter(|report| matches!(report.result, ActionResult::Unsettled(_)))
            .map(|report| report.change.subject())
            .collect();
        assert_eq!(unsettled, [POLICY]);
        world.simulator.faults().clear();
        for seconds in [0, 59] {
            hand.advance(Duration::from_secs(seconds));
            let done = Box::pin(house.run("run", &everything)).await.unwrap();
            let withheld: Vec<_> = done
                .planned
                .plan
                .actions
                .iter()
                .map(|action| action.withheld_reason)
                .collect();
            assert_eq!(withheld, [Some(WithheldReason::Settling)]);
            assert!(done.reports.is_empty());
        }
        hand.advance(Duration::from_secs(1));
        let done = Box::pin(house.run("run", &everything)).await.unwrap();
        assert_eq!(done.verdict, Verdict::Done);
        assert_eq!(done.reports.len(), 1);
        house.state.unwrap().close().await;
    });
    world.assert_tidy(&before);
}

#[test]
fn a_key_disabled_without_an_answer_is_seen_to_be_disabled() {
    let world = World::untidy();
    let before = world.account();
    block_on(async {
        let (house, _hand) = house(&world).await;
        let fault = Fault::new(FaultKind::Hang).on("UpdateAccessKey").after_effect();
        world.simulator.faults().add(fault.times(1));
        let done = Box::pin(house.run("run", &Selection::default())).await.unwrap();
        assert_eq!(done.verdict, Verdict::Done);
        house.state.unwrap().close().await;
    });
    world.assert_tidy(&before);
}
