//! The main job on an embedded account: the simulator in this process, iamwarden beside it with one hand on both clocks,
//! and a small receiver that stands for the company's chat.
//!
//! Everything shown is done for real, over the wire: the same code reads, plans, waits, changes and tells people as it
//! would with AWS. Only time is made to pass.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use aws_simulator::Simulator;
use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use serde_json::Value;

use crate::aws::{Ambient, CallRate, Pace, Secrets, Sessions, operation};
use crate::config::{self, Environment};
use crate::daemon::{Clock, ClockHand, Done, House, Reach, Run, Selection, Shutdown};
use crate::execute::ActionResult;
use crate::model::{ActionState, Change};
use crate::notify::CourierSettings;
use crate::plan::Plan;
use crate::plan::render::{self, TextStyle};
use crate::rules;
use crate::state::{AppliedSelection, State};
use crate::telemetry::Metrics;

/// The declared policy of the demo.
const CONFIG: &str = include_str!("demo/demo.toml");
/// The account of the embedded seed.
const ACCOUNT: &str = "123456789012";
/// How long the owners have between the first word and the change.
const LATER: Duration = Duration::from_secs(8 * 86_400);

/// Where the story is told.
type Teller<'a> = &'a mut (dyn FnMut(&str) -> anyhow::Result<()> + Send);

/// Plays the demo and leaves reports, messages, history and metrics in the folder.
///
/// # Errors
/// Where the folder cannot be written or the demo fails.
pub async fn play(folder: &Path, shutdown: &Shutdown, tell: Teller<'_>) -> anyhow::Result<()> {
    let stage = Stage::set(folder, shutdown).await?;
    tell(
        "iamwarden demo: an account of Acme Inc. with people, machines and old habits, simulated in this process.\n\
         Policy: keys live 90 days, passwords have 14 characters, what nobody uses is detached.\n\n",
    )?;
    let first = first_day(&stage, folder, tell).await?;
    stage.pass(LATER);
    let second = second_visit(&stage, folder, tell, &first).await?;
    undo_one(&stage, tell, &second).await?;
    again(&stage, tell).await?;
    leave(&stage, folder, tell).await
}

/// The simulated account, iamwarden, and the chat.
struct Stage {
    simulator: Simulator,
    house: House,
    hand: ClockHand,
    state: State,
    metrics: Arc<Metrics>,
    chat: Chat,
    _aws: aws_simulator::Server,
}

impl Stage {
    async fn set(folder: &Path, shutdown: &Shutdown) -> anyhow::Result<Self> {
        let simulator = Simulator::from_seed(&aws_simulator::demo_seed()?)?;
        simulator.clock().freeze();
        let aws = simulator.serve("127.0.0.1:0").await?;
        let credentials = simulator
            .credentials(ACCOUNT)
            .context("the embedded account has no caller")?;
        let chat = Chat::open(shutdown).await?;
        let (clock, hand) = Clock::manual(simulator.clock().now());
        let rate = CallRate {
            per_second: 1_000.0,
            burst: 1_000.0,
            floor: 100.0,
        };
        let pace = Pace {
            first_report_poll: Duration::from_millis(20),
            first_job_poll: Duration::from_millis(20),
            rate,
            ..Pace::default()
        };
        let secret = credentials.secret_access_key.into();
        let ambient = Arc::new(Ambient::fixed(aws.url(), credentials.access_key_id, secret, pace));
        let url = chat.url.clone();
        let environment = move |name: &str| (name == "DEMO_CHAT_URL").then(|| url.clone());
        let secrets = Arc::new(Secrets::new(environment, Arc::clone(&ambient)));
        let config = config::load_text(Path::new("demo.toml"), CONFIG, &Environment::empty())?.config;
        let database = folder.join("state.db");
        if database.exists() {
            anyhow::bail!(
                "{} holds the state of an earlier demo: choose another folder",
                folder.display()
            );
        }
        let state = State::open(&format!("sqlite:{}", database.display()))
            .await?
            .state;
        let metrics = Arc::new(Metrics::new(
            rules::REGISTRY.iter().map(rules::Rule::rule_name),
            &operation::ALL,
        ));
        let house = House {
            roster: None,
            config: Arc::new(config),
            sessions: Arc::new(Sessions::new(ambient, secrets, "demo")),
            state: Some(state.clone()),
            clock,
            shutdown: shutdown.clone(),
            holder: "demo".to_owned(),
            decided: crate::daemon::Wake::new(),
            standstill: Default::default(),
            metrics: Some(Arc::clone(&metrics)),
        };
        Ok(Self {
            simulator,
            house,
            hand,
            state,
            metrics,
            chat,
            _aws: aws,
        })
    }

    /// Lets time pass, for AWS and for iamwarden.
    fn pass(&self, by: Duration) {
        self.hand.advance(by);
        self.simulator.clock().set(self.house.clock.now());
    }

    /// One run of the daemon, and what it has to say sent.
    async fn run(&self) -> anyhow::Result<Done> {
        let done = self.house.run("demo", &Selection::default()).await?;
        self.deliver().await?;
        Ok(done)
    }

    async fn deliver(&self) -> anyhow::Result<()> {
        // The receiver is our own: it needs none of the patience that a chat service asks for.
        let settings = CourierSettings {
            slack_interval: Duration::ZERO,
            ..CourierSettings::default()
        };
        let courier = self.house.courier_with(settings)?;
        self.house
            .deliver(&courier, &self.state, Duration::from_secs(30))
            .await?;
        Ok(())
    }

    fn mutations(&self) -> u64 {
        u64::try_from(self.simulator.calls().iter().filter(|call| call.mutates).count()).unwrap_or(u64::MAX)
    }
}

async fn first_day(stage: &Stage, folder: &Path, tell: Teller<'_>) -> anyhow::Result<Plan> {
    let done = stage.run().await?;
    let plan = done.planned.plan;
    tell(
        "── Day 1: what iamwarden finds ────────────────────────────────────────────────────────────────────\n\n",
    )?;
    tell(&summary(&plan))?;
    let due = done
        .reports
        .iter()
        .filter(|report| report.result == ActionResult::Applied)
        .count();
    tell(&format!(
        "\nApplied on the first day: {due}. No key: its owner is told first, and the date is kept.\n\
         Messages sent to owners: {}. One of them:\n\n{}\n",
        stage.chat.count(),
        stage.chat.about("will be disabled").unwrap_or_default(),
    ))?;
    write_plan(folder, "day-1", &plan)?;
    Ok(plan)
}

async fn second_visit(stage: &Stage, folder: &Path, tell: Teller<'_>, first: &Plan) -> anyhow::Result<Done> {
    tell(
        "── Eight days later: the notice has passed ────────────────────────────────────────────────────────\n\n",
    )?;
    let told_before = stage.chat.count();
    let done = stage.run().await?;
    for report in &done.reports {
        let before_and_after = match &report.change {
            Change::DisableAccessKey { .. } => "Active → Inactive",
            Change::DeleteAccessKey { .. } => "→ deleted",
            Change::UpdatePasswordPolicy(_) => "raised",
            Change::DetachPolicy { .. } => "attached → detached",
            Change::RequireMfa(_) => "MFA required",
            Change::LiftMfaRequirement { .. } => "MFA no longer required",
            Change::DeleteLoginProfile {} => "→ deleted",
            Change::QuarantineRole(_) => "everything denied",
            Change::Regional(_) => "put in order",
        };
        tell(&format!(
            "  {:<9} {:<22} {}  {} ({before_and_after})\n",
            report.result.as_str(),
            report.change.kind().as_str(),
            report.resource.resource(),
            short(&report.change),
        ))?;
    }
    let still = done
        .planned
        .plan
        .actions
        .iter()
        .filter(|action| action.state == ActionState::Withheld)
        .count();
    tell(&format!(
        "\n{} changes made, {still} held back with their reasons (first plan: {} actions). \
         Messages sent: {}. One of them:\n\n{}\n",
        done.reports
            .iter()
            .filter(|report| report.result == ActionResult::Applied)
            .count(),
        first.actions.len(),
        stage.chat.count() - told_before,
        stage.chat.about("was disabled").unwrap_or_default(),
    ))?;
    write_plan(folder, "day-9", &done.planned.plan)?;
    Ok(done)
}

/// One owner needs the key after all.
async fn undo_one(stage: &Stage, tell: Teller<'_>, done: &Done) -> anyhow::Result<()> {
    let disabled = done.reports.iter().find(|report| {
        report.result == ActionResult::Applied && matches!(report.change, Change::DisableAccessKey { .. })
    });
    let Some(disabled) = disabled else { return Ok(()) };
    tell(&format!(
        "── iamwarden rollback --action {} ──\n\n",
        disabled.action
    ))?;
    let run = Run::new(&stage.house, Reach::Change);
    run.begin(&stage.state, "rollback", None).await?;
    let applied = stage
        .state
        .applied_actions(AppliedSelection::Action(&disabled.action))
        .await?;
    let reports = run.roll_back(&stage.state, &applied).await;
    run.finish(&stage.state, "done", &reports).await?;
    for report in &reports {
        tell(&format!(
            "  {} of {}: active again ({})\n\n",
            short(&report.change),
            report.resource.resource(),
            report.result.as_str()
        ))?;
    }
    Ok(())
}

/// What was done is not done again, and what was rolled back waits for a person.
async fn again(stage: &Stage, tell: Teller<'_>) -> anyhow::Result<()> {
    let before = stage.mutations();
    let cap = stage.house.config.guardrails.max_changes_per_run;
    let done = stage.run().await?;
    let writes = stage.mutations() - before;
    let held = done
        .planned
        .plan
        .actions
        .iter()
        .filter_map(|action| action.withheld_reason);
    let rolled_back = held.filter(|reason| reason.as_str() == "rolled_back").count();
    tell(&format!(
        "── Once more ──\n\n  {writes} writes to AWS; {rolled_back} action rolled back and waiting for a person's approval (cap per run: {cap}).\n\n"
    ))
}

async fn leave(stage: &Stage, folder: &Path, tell: Teller<'_>) -> anyhow::Result<()> {
    let write = |name: &str, text: String| {
        std::fs::write(folder.join(name), text).with_context(|| format!("writing {name}"))
    };
    write("metrics.txt", stage.metrics.encode()?)?;
    write("messages.json", serde_json::to_string_pretty(&stage.chat.all())?)?;
    write(
        "history.json",
        serde_json::to_string_pretty(&stage.state.runs(50).await?)?,
    )?;
    let verified = stage.state.verify(None).await?;
    stage.state.close().await;
    tell(&format!(
        "The audit chain is {}: {} rows.\n\nLeft to look at in {}:\n  \
         day-1.html  day-9.html    the reports, to open in a browser\n  \
         day-1.txt   day-9.txt     the same for a terminal, .md for a pull request, .json for programs\n  \
         messages.json             what owners were sent\n  \
         history.json              what was changed, by which run, and how it can be undone\n  \
         metrics.txt               what /metrics shows\n\n\
         Next: `iamwarden plan` with credentials of a real account; it changes nothing.\n",
        if verified.is_whole() { "whole" } else { "broken" },
        verified.rows,
        folder.display(),
    ))
}

fn short(change: &Change) -> String {
    let subject = change.subject();
    subject.rsplit('/').next().unwrap_or(&subject).to_owned()
}

/// The first lines of the report: what is due, what waits and why, what is unknown.
fn summary(plan: &Plan) -> String {
    let text = render::text(
        plan,
        &TextStyle {
            width: 100,
            color: false,
        },
    );
    let lines = text.lines().take_while(|line| !line.starts_with('─'));
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

fn write_plan(folder: &Path, name: &str, plan: &Plan) -> anyhow::Result<()> {
    let forms = [
        ("txt", render::text(plan, &TextStyle::default())),
        ("json", render::json(plan)),
        ("md", render::markdown(plan)),
        ("html", render::html(plan)),
    ];
    for (ending, text) in forms {
        let file = folder.join(format!("{name}.{ending}"));
        std::fs::write(&file, text).with_context(|| format!("writing {}", file.display()))?;
    }
    Ok(())
}

/// A receiver on the loopback that stands for the company's chat: it answers as Slack does, and keeps what it got.
#[derive(Debug, Clone)]
struct Chat {
    url: String,
    got: Arc<Mutex<Vec<Value>>>,
}

impl Chat {
    async fn open(shutdown: &Shutdown) -> anyhow::Result<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/hook", listener.local_addr()?);
        let got: Arc<Mutex<Vec<Value>>> = Arc::default();
        let kept = Arc::clone(&got);
        let take = move |body: Bytes| async move {
            let message = serde_json::from_slice(&body).unwrap_or(Value::Null);
            kept.lock().unwrap_or_else(PoisonError::into_inner).push(message);
            "ok"
        };
        let end = shutdown.clone();
        let serving = axum::serve(listener, Router::new().route("/hook", post(take)))
            .with_graceful_shutdown(async move { end.requested().await });
        #[allow(
            clippy::disallowed_methods,
            reason = "the receiver belongs to the demo's world, and ends with the process"
        )]
        tokio::spawn(serving.into_future());
        Ok(Self { url, got })
    }

    fn all(&self) -> Vec<Value> {
        self.got.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn count(&self) -> usize {
        self.all().len()
    }

    /// The last message in which these words stand, as its readers see it.
    fn about(&self, words: &str) -> Option<String> {
        let all = self.all();
        let shown = all.iter().rev().map(|message| {
            let mut lines = Vec::new();
            texts(message, &mut lines);
            lines.join("\n")
        });
        let found = shown.into_iter().find(|text| text.contains(words))?;
        Some(found.lines().map(|line| format!("  │ {line}\n")).collect())
    }
}

/// All texts of a Slack message, in order, without its fallback text.
fn texts(value: &Value, lines: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            if let Some(Value::String(text)) = map.get("text").filter(|_| map.contains_key("type")) {
                lines.extend(text.lines().map(ToOwned::to_owned));
            }
            for (key, inner) in map {
                if key != "text" || !inner.is_string() {
                    texts(inner, lines);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| texts(item, lines)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
