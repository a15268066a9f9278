//! `iamwarden run`: the daemon, or one run of every enabled rule.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use tracing::{error, info, warn};

use super::arguments::RunArguments;
use super::opening::{Opening, StateUse};
use super::{Exit, print, results};
use crate::aws::{self, CallCount, Purpose, operation};
use crate::config::{Config, Schedule};
use crate::daemon::{
    Chat, Check, Clock, Desk, House, InForce, Readiness, Reload, Repetition, RunEnd, Scheduler, Selection,
    Shared, Tick, TickStore, Tried, Verdict, Wake, agenda, repeat,
};
use crate::model::{AccountId, RuleName};
use crate::notify::DeliveryReport;
use crate::rules;
use crate::state::{MessageState, State, StateError};
use crate::telemetry::{CallResult, Metrics, OutboxState};
use crate::web;

/// How long `--once` tries to send what is due; the rest stays in the outbox.
const ONCE_DELIVERY: Duration = Duration::from_secs(60);
/// How often the daemon looks into the outbox.
const DELIVERY_EVERY: Duration = Duration::from_secs(5);
/// How long one round of deliveries may take.
const DELIVERY_ROUND: Duration = Duration::from_secs(60);
/// How often it is asked which account the ambient credentials lead to, until that is known.
const DECLARE_EVERY: Duration = Duration::from_secs(60);
/// How often attempts without an outcome are looked at: readings have to agree for a minute.
const SETTLE_EVERY: Duration = Duration::from_secs(20);
/// How often the state is asked what was approved, by whatever process.
const APPROVALS_EVERY: Duration = Duration::from_secs(2);
/// How often it is asked whether a report is due.
const REPORTS_EVERY: Duration = Duration::from_secs(30);
/// How often a daemon says that it is there; others miss it after half a minute.
const PRESENCE_EVERY: Duration = Duration::from_secs(10);
/// How often it is asked whether other replicas are done with a tick.
const SHARE_EVERY: Duration = Duration::from_secs(2);
/// How often the state is probed, and what is old is forgotten.
const PROBE_EVERY: Duration = Duration::from_secs(10);

pub(super) async fn run(opening: &Opening, arguments: &RunArguments, reload: Reload) -> anyhow::Result<Exit> {
    let mut config = opening.load()?.config;
    config.dry_run |= arguments.dry_run;
    for rule in config.rules_never_due(Clock::system().now()) {
        warn!(%rule, "the schedule of this rule has no time left: it never runs again");
    }
    let house = opening.house_of(config, StateUse::Write).await?;
    match arguments.once {
        true => once(&house).await,
        false => Box::pin(serve(opening, house, arguments.dry_run, reload)).await,
    }
}

/// `--once`: every enabled rule, what is due, each due message, and out.
async fn once(house: &House) -> anyhow::Result<Exit> {
    let state = house.state.clone().context("there is no state")?;
    let progress = results::Progress::start("running every rule");
    let done = match house.run("run --once", &Selection::default()).await {
        Err(_) if house.shutdown.is_requested() => return Ok(Exit::Ok),
        done => done?,
    };
    progress.end();
    if house.config.dry_run {
        print(&results::render_dry_run(&done.planned.plan))?;
    } else {
        print(&results::render(&done.reports))?;
        print(&results::render_rest(&done.planned.plan))?;
    }
    house.send_report_if_due(&state).await?;
    let delivery = house.deliver(&house.courier()?, &state, ONCE_DELIVERY).await?;
    info!(
        accepted = delivery.accepted,
        retried = delivery.retried,
        dead = delivery.dead,
        "messages"
    );
    Ok(match done.verdict {
        Verdict::Failed => Exit::Failed,
        Verdict::Held => Exit::Held,
        Verdict::Interrupted | Verdict::Done => Exit::Ok,
    })
}

/// What wakes the recurring tasks before their time.
#[derive(Debug, Clone, Default)]
struct Wakes {
    /// There may be something to send.
    delivery: Wake,
    /// There may be something new to show.
    probe: Wake,
    /// There may be other accounts.
    accounts: Wake,
}

async fn serve(opening: &Opening, mut house: House, dry_run: bool, reload: Reload) -> anyhow::Result<Exit> {
    let state = house.state.clone().context("there is no state")?;
    let metrics = Arc::new(Metrics::new(
        rules::REGISTRY.iter().map(rules::Rule::rule_name),
        &operation::ALL,
    ));
    house.metrics = Some(Arc::clone(&metrics));
    let readiness = Readiness::new();
    readiness.pass(Check::PolicyLoaded);
    let (clock, shutdown, holder) = (house.clock.clone(), house.shutdown.clone(), house.holder.clone());
    let agenda = agenda(&house.config);
    state.note_presence(&holder).await?;
    let listener = match house.config.server.listen {
        Some(address) => Some(web::bind(address).await?),
        None => None,
    };
    let decided = house.decided.clone();
    let in_force = InForce::new(house);
    let (chat, clicks) = Chat::open(in_force.clone());
    let (desk, errands) = Desk::open();
    let wakes = Wakes::default();
    let scheduler = Scheduler {
        clock: clock.clone(),
        shutdown: shutdown.clone(),
        reload,
        readiness: readiness.clone(),
        metrics: Arc::clone(&metrics),
    };
    let ended = tokio_util::sync::CancellationToken::new();
    let router = web::router(web::Web::new(
        in_force.clone(),
        desk,
        readiness.clone(),
        Arc::clone(&metrics),
    ));
    let router = router.merge(web::slack::routes(chat));
    if in_force.get().config.server.auth.off && listener.is_some() {
        warn!(
            "server.auth.off = true: whoever reaches this machine's loopback address may look at everything and decide"
        );
    }
    let end = ended.clone();
    let served = async {
        match listener {
            Some(listener) => web::serve(listener, router, async move { end.cancelled().await }).await,
            None => Ok(()),
        }
    };
    // Runs of the schedule and of approvals never overlap.
    let turn = tokio::sync::Mutex::new(());
    let scheduled = async {
        let run = |tick: Tick| tick_run(in_force.get(), tick, &turn, wakes.clone());
        let reload = || async { reloaded(opening, dry_run, &in_force, &wakes) };
        let end = scheduler.run(agenda, &Ticks(state.clone()), run, reload).await;
        ended.cancel();
        end
    };
    let every = |name, every, wake: Wake| Repetition {
        name,
        every,
        wake,
        grace: Repetition::SHORT_GRACE,
    };
    let delivery = every("delivery", DELIVERY_EVERY, wakes.delivery.clone());
    let deliveries = deliveries(&in_force, &state, delivery, &wakes.probe);
    let calls = Arc::new(CallsSeen::default());
    let probe = || {
        probe(
            in_force.get(),
            state.clone(),
            readiness.clone(),
            Arc::clone(&metrics),
            Arc::clone(&calls),
        )
    };
    let probes = repeat(
        every("probe", PROBE_EVERY, wakes.probe.clone()),
        &clock,
        &shutdown,
        probe,
    );
    let declared = Arc::new(tokio::sync::Mutex::new(None));
    let declare = || declare_accounts(in_force.get(), Arc::clone(&metrics), Arc::clone(&declared));
    let declarations = every("accounts", DECLARE_EVERY, wakes.accounts.clone());
    let declarations = repeat(declarations, &clock, &shutdown, declare);
    let settling = || async {
        in_force.get().settle().await?;
        wakes.delivery.now();
        Ok::<_, anyhow::Error>(())
    };
    let settled = repeat(
        every("settling", SETTLE_EVERY, Wake::new()),
        &clock,
        &shutdown,
        settling,
    );
    let tried = tokio::sync::Mutex::new(Tried::default());
    let approved = || approved_run(&in_force, &tried, &turn, &wakes);
    let repetition = Repetition {
        grace: Repetition::LONG_GRACE,
        ..every("approvals", APPROVALS_EVERY, decided)
    };
    let approved = repeat(repetition, &clock, &shutdown, approved);
    let reports = || async {
        let house = in_force.get();
        if has_duty(&house, "reports").await? && house.send_report_if_due(&state).await? {
            wakes.delivery.now();
        }
        Ok::<_, anyhow::Error>(())
    };
    let (here, holder_here) = (state.clone(), holder.clone());
    let presence = || here.note_presence(&holder_here);
    let presence = repeat(
        every("presence", PRESENCE_EVERY, Wake::new()),
        &clock,
        &shutdown,
        presence,
    );
    let reports = repeat(
        every("reports", REPORTS_EVERY, Wake::new()),
        &clock,
        &shutdown,
        reports,
    );
    let clicks = clicks.serve(&in_force, &wakes.delivery);
    let errands = errands.serve(&in_force, &wakes.delivery);
    info!("iamwarden runs");
    let others = async { tokio::join!(approved, reports, presence, clicks, errands) };
    let (scheduled, served, (), (), (), (), _) = tokio::join!(
        scheduled,
        served,
        deliveries,
        probes,
        settled,
        declarations,
        others
    );
    scheduled?;
    served?;
    if let Err(error) = state.leave(&holder).await {
        warn!(%error, "other replicas take over what this one had begun in half a minute");
    }
    if let Err(error) = state.release_claims(&holder).await {
        warn!(%error, "messages that were being sent are due again in two minutes");
    }
    state.close().await;
    info!("iamwarden stopped");
    Ok(Exit::Ok)
}

/// One tick: the rules due, in one run for each account, by whichever replica.
async fn tick_run(
    house: House,
    tick: Tick,
    turn: &tokio::sync::Mutex<()>,
    wakes: Wakes,
) -> anyhow::Result<RunEnd> {
    // Once for the tick, however often its rest is looked at. Where it fails, the run below fails by it, and says so.
    let found = house.shutdown.unless_requested(house.with_accounts()).await;
    let house = found.and_then(Result::ok).unwrap_or(house);
    loop {
        let ended = {
            let _turn = turn.lock().await;
            house.run_share("run", &tick.due).await
        };
        wakes.delivery.now();
        wakes.probe.now();
        if house.shutdown.is_requested() {
            return Ok(RunEnd::Interrupted);
        }
        match ended? {
            Shared::Whole => return Ok(RunEnd::Completed),
            Shared::WrongClock => return Ok(RunEnd::LeftUndone),
            // Nothing is settled before all of it is done, for one of the others may die of it.
            Shared::Rest => {
                let pause = house.clock.sleep(SHARE_EVERY);
                if house.shutdown.unless_requested(pause).await.is_none() {
                    return Ok(RunEnd::Interrupted);
                }
            }
        }
    }
}

/// One run of what was approved and can be done by now, beside the schedule.
async fn approved_run(
    in_force: &InForce,
    tried: &tokio::sync::Mutex<Tried>,
    turn: &tokio::sync::Mutex<()>,
    wakes: &Wakes,
) -> anyhow::Result<()> {
    let house = in_force.get();
    if !has_duty(&house, "approvals").await? {
        return Ok(());
    }
    let mut tried = tried.lock().await;
    let Some(selection) = house.approved_by_now(&mut tried).await? else {
        return Ok(());
    };
    let _turn = turn.lock().await;
    info!(
        rules = selection.rules.join(","),
        "something was approved: its rules run at once"
    );
    // Boxed: the futures of whoever awaits this would be too deep for the compiler otherwise.
    let ended = Box::pin(house.run("run approved", &selection)).await;
    wakes.delivery.now();
    wakes.probe.now();
    ended.map(|_| ())
}

/// What one replica does for all.
async fn has_duty(house: &House, name: &str) -> Result<bool, StateError> {
    match &house.state {
        Some(state) => state.takes_duty(name, &house.holder).await,
        None => Ok(true),
    }
}

/// SIGHUP: a good configuration is in force from the next run on; a bad one is refused, and the old one stays.
fn reloaded(
    opening: &Opening,
    dry_run: bool,
    in_force: &InForce,
    wakes: &Wakes,
) -> anyhow::Result<Vec<(RuleName, Schedule)>> {
    let mut config = opening.load()?.config;
    config.dry_run |= dry_run;
    let before = in_force.get().config;
    if config.state.url != before.state.url || config.server.listen != before.server.listen {
        warn!("state.url and server.listen take effect at the next start");
    }
    let agenda = agenda(&config);
    info!(digest = %config.digest(), "configuration read again");
    in_force.replace(config);
    for wake in [&wakes.delivery, &wakes.accounts, &wakes.probe] {
        wake.now();
    }
    Ok(agenda)
}

/// Delivers what is due, again and again. A courier lives as long as its configuration.
async fn deliveries(in_force: &InForce, state: &State, repetition: Repetition, seen: &Wake) {
    let house = in_force.get();
    let kept = tokio::sync::Mutex::new(None);
    let work = || async {
        let house = in_force.get();
        let mut kept = kept.lock().await;
        let fresh = matches!(&*kept, Some((config, _)) if Arc::ptr_eq(config, &house.config));
        if !fresh {
            *kept = Some((Arc::clone(&house.config), house.courier()?));
        }
        if let Some((_, courier)) = &*kept {
            let report = house.deliver(courier, state, DELIVERY_ROUND).await?;
            if report != DeliveryReport::default() {
                seen.now();
            }
        }
        Ok::<_, anyhow::Error>(())
    };
    repeat(repetition, &house.clock, &house.shutdown, work).await;
}

/// Shows the series of every account from the start, at zero where nothing happened yet. Which account the ambient
/// credentials lead to, AWS says: credentials that lead nowhere show in the log at once, and not only when a rule is due.
async fn declare_accounts(
    house: House,
    metrics: Arc<Metrics>,
    declared: Arc<tokio::sync::Mutex<Option<Arc<Config>>>>,
) -> anyhow::Result<()> {
    let mut declared = declared.lock().await;
    if declared
        .as_ref()
        .is_some_and(|known| Arc::ptr_eq(known, &house.config))
    {
        return Ok(());
    }
    for account in &house.config.accounts {
        metrics.declare_account(&account.id);
    }
    // The accounts of an organization show when they were read; whether they can be is seen by the same credentials.
    if house.config.accounts.is_empty() {
        let now = house.clock.now();
        let session = house.sessions.connect(None, Purpose::Work, now).await?;
        if house.config.is_of_one_account() {
            metrics.declare_account(session.account());
        }
    }
    *declared = Some(Arc::clone(&house.config));
    Ok(())
}

/// Whether the state can be read and written; what the outbox holds; what may be forgotten.
async fn probe(
    house: House,
    state: State,
    readiness: Readiness,
    metrics: Arc<Metrics>,
    calls: Arc<CallsSeen>,
) -> anyhow::Result<()> {
    let now = house.clock.now();
    let (read, written) = (state.check().await, state.check_writable().await);
    for (check, outcome) in [(Check::StateReachable, &read), (Check::StateWritable, &written)] {
        match outcome {
            Ok(()) => readiness.pass(check),
            Err(error) => readiness.fail(check, error.to_string()),
        }
    }
    read?;
    written?;
    let depth = state.outbox_depth().await?;
    let of = |wanted| {
        depth
            .iter()
            .filter(|depth| depth.state == wanted)
            .map(|depth| depth.messages)
            .sum()
    };
    metrics.set_outbox_depth(OutboxState::Pending, of(MessageState::Queued));
    metrics.set_outbox_depth(OutboxState::Dead, of(MessageState::Dead));
    metrics.set_frozen(house.config.freeze || state.frozen().await?.is_some());
    calls.publish(&house, &metrics);
    state.prune(now, house.config.state.keep_findings).await?;
    Ok(())
}

/// How many calls were published already: the sessions count from the start of the process.
#[derive(Debug, Default)]
struct CallsSeen(Mutex<BTreeMap<(AccountId, String, &'static str), u64>>);

impl CallsSeen {
    fn publish(&self, house: &House, metrics: &Metrics) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for CallCount {
            account,
            operation,
            result,
            count,
        } in house.sessions.calls()
        {
            let label = match result {
                aws::CallResult::Ok => CallResult::Ok,
                aws::CallResult::Throttled => CallResult::Throttled,
                aws::CallResult::Denied => CallResult::Denied,
                aws::CallResult::Error => CallResult::Error,
            };
            let before = seen
                .entry((account, operation.clone(), result.as_str()))
                .or_default();
            for _ in *before..count {
                metrics.aws_call_ended(&operation, label);
            }
            *before = count;
        }
        for (account, per_second) in house.sessions.rates() {
            metrics.set_call_rate(&account, per_second);
        }
    }
}

/// The ticks in the state.
struct Ticks(State);

impl TickStore for Ticks {
    type Error = StateError;

    async fn last_tick(&self, rule: &RuleName) -> Result<Option<DateTime<Utc>>, StateError> {
        self.0.last_tick(rule).await
    }

    async fn record_tick(&self, rule: &RuleName, at: DateTime<Utc>) -> Result<(), StateError> {
        if let Err(error) = self.0.record_tick(rule, at).await {
            error!(%error, %rule, "the tick was not recorded; the rule runs again after a restart");
            return Err(error);
        }
        Ok(())
    }
}
