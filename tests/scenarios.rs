//! Scenarios: a declared policy, an account, and the plan and report that iamwarden makes of them. One folder each in
//! `tests/scenarios`, whose README says what is in it; a new case is a new folder.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and is told by the environment to rewrite"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use aws_simulator::{Fault, Seed, Server, Simulator};
use chrono::{DateTime, Utc};
use futures_util::{StreamExt, stream};
use iamwarden::aws::{Ambient, CallRate, Pace, Secrets, Sessions};
use iamwarden::config::{self, Config, Environment};
use iamwarden::daemon::{Clock, House, Reach, Reading, Run, Selection, Shutdown};
use iamwarden::inventory::Snapshot;
use iamwarden::model::{Digest, History};
use iamwarden::plan::render::{self, TextStyle};
use iamwarden::plan::{self, Plan, PlanOptions};
use serde::Deserialize;

/// When every scenario is: a Monday.
const NOW: &str = "2026-11-23T06:00:00Z";
/// Set, the expectations are written instead of compared.
const REWRITE: &str = "REWRITE_SCENARIOS";
/// How long a line of a folded plan may be.
const WIDTH: usize = 110;
/// What may stand in a folder.
const FILES: [&str; 6] = [
    "case.toml",
    "iamwarden.toml",
    "account.toml",
    "snapshot.json",
    "plan.json",
    "report.txt",
];

/// `case.toml`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// What it guards, in a line.
    about: String,
    /// As by `--rule`: only these.
    #[serde(default)]
    rules: Vec<String>,
    /// As by `--as-if enforce`.
    #[serde(default)]
    as_if_enforce: bool,
    /// What goes wrong at AWS.
    #[serde(default)]
    faults: Vec<Fault>,
}

/// Where the account comes from.
enum Account {
    /// A simulator, read over the wire with the credentials of the first account.
    Simulated {
        simulator: Simulator,
        server: Server,
        first: String,
    },
    /// A file, as by `plan --snapshot`.
    File(Box<Snapshot>),
}

struct Scenario {
    case: Case,
    config: Config,
    account: Account,
}

fn now() -> DateTime<Utc> {
    NOW.parse().unwrap()
}

/// All folders, by name.
fn folders() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let entries = std::fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut folders: Vec<_> = entries.filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

#[tokio::test]
async fn every_scenario_is_planned_as_it_is_told() {
    let rewrite = std::env::var_os(REWRITE).is_some();
    let folders = folders();
    assert!(folders.len() >= 25, "{folders:?}");
    // Each of them mostly waits for answers.
    let held = stream::iter(folders).map(|folder| async move {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let held = hold(&folder, rewrite).await;
        held.err().map(|error| format!("{name}: {error:#}"))
    });
    let wrong: Vec<_> = held.buffered(8).filter_map(std::future::ready).collect().await;
    assert!(
        wrong.is_empty(),
        "{}\n\nWhere the new answer is the right one: {REWRITE}=1 cargo test --test scenarios, and read the difference.",
        wrong.join("\n\n")
    );
}

/// Plans the scenario, and compares or rewrites what is expected of it.
async fn hold(folder: &Path, rewrite: bool) -> anyhow::Result<()> {
    let scenario = Scenario::load(folder)?;
    let plan = scenario.plan().await?;
    let again = scenario.plan().await?;
    let document = render::json(&plan);
    ensure_same("a second look", &document, &render::json(&again))?;
    let back: Plan = serde_json::from_str(&document)?;
    ensure_same("read and written again", &document, &render::json(&back))?;
    scenario.ensure_nothing_changed()?;
    let style = TextStyle {
        width: 100,
        color: false,
    };
    let answers = [
        ("plan.json", folded(&document)),
        ("report.txt", render::text(&plan, &style)),
    ];
    for (name, answer) in answers {
        let file = folder.join(name);
        if rewrite {
            std::fs::write(&file, answer)?;
        } else {
            let expected = std::fs::read_to_string(&file).with_context(|| format!("reading {name}"))?;
            ensure_same(name, &expected, &answer)?;
        }
    }
    Ok(())
}

fn ensure_same(what: &str, expected: &str, answer: &str) -> anyhow::Result<()> {
    if expected == answer {
        return Ok(());
    }
    let (old, new): (Vec<_>, Vec<_>) = (expected.lines().collect(), answer.lines().collect());
    let line = (0..old.len().max(new.len())).find(|n| old.get(*n) != new.get(*n));
    let line = line.context("the ends of lines differ")?;
    let shown = |lines: &[&str]| lines.get(line).map_or("(the end)", |text| text.trim()).to_owned();
    bail!(
        "{what}, line {}:\n  expected: {}\n  now:      {}",
        line + 1,
        shown(&old),
        shown(&new)
    )
}

/// Indented JSON with every object and list that fits into a line in one line, for people to read.
fn folded(indented: &str) -> String {
    let lines: Vec<&str> = indented.lines().collect();
    let (mut text, mut at) = (String::new(), 0);
    while let Some(line) = lines.get(at) {
        let indent = line.len() - line.trim_start().len();
        let closes = |other: &&str| {
            other.starts_with([' ', '}', ']']) && other.len() - other.trim_start().len() == indent
        };
        let end = match line.ends_with(['{', '[']) {
            true => at + 1 + lines[at + 1..].iter().position(closes).unwrap_or(0),
            false => at,
        };
        let joined = lines[at..=end]
            .iter()
            .map(|line| line.trim())
            .collect::<Vec<_>>()
            .join(" ");
        if end > at && indent + joined.len() <= WIDTH {
            text.push_str(&" ".repeat(indent));
            text.push_str(&joined);
            at = end + 1;
        } else {
            text.push_str(line);
            at += 1;
        }
        text.push('\n');
    }
    text
}

impl Scenario {
    fn load(folder: &Path) -> anyhow::Result<Self> {
        for entry in std::fs::read_dir(folder)? {
            let name = entry?.file_name();
            ensure!(
                FILES.iter().any(|known| name == *known),
                "{name:?} is no file of a scenario"
            );
        }
        let read = |name: &str| {
            std::fs::read_to_string(folder.join(name)).with_context(|| format!("reading {name}"))
        };
        let case: Case = toml::from_str(&read("case.toml")?).context("case.toml")?;
        ensure!(
            !case.about.trim().is_empty() && case.about.lines().count() == 1,
            "case.toml: `about` is one line"
        );
        for rule in &case.rules {
            ensure!(
                iamwarden::rules::find(rule).is_some(),
                "case.toml: there is no rule {rule}"
            );
        }
        let config = config::load(Some(&folder.join("iamwarden.toml")), &Environment::empty())?.config;
        let snapshot = folder.join("snapshot.json");
        let account = match snapshot.exists() {
            true => {
                ensure!(!folder.join("account.toml").exists(), "one account, not two");
                Account::File(Box::new(Snapshot::read_from(&snapshot)?))
            }
            false => Account::plant(&read("account.toml")?)?,
        };
        Ok(Self {
            case,
            config,
            account,
        })
    }

    /// Plans without a state: nothing is remembered, and nobody was told anything.
    async fn plan(&self) -> anyhow::Result<Plan> {
        let mut plan = match &self.account {
            Account::Simulated {
                simulator,
                server,
                first,
            } => self.plan_live(simulator, server, first).await?,
            Account::File(snapshot) => self.plan_file(snapshot),
        };
        // What has no meaning of its own, or would change with every key of the configuration.
        plan.id = "01SCENARIO".to_owned();
        plan.config_digest = Digest::of_bytes(b"");
        for account in &mut plan.accounts {
            account.snapshot_digest = None;
            // It says of dozens of controls that no rule looks at them, and changes with every rule.
            account.scorecard = None;
        }
        Ok(plan)
    }

    async fn plan_live(&self, simulator: &Simulator, server: &Server, first: &str) -> anyhow::Result<Plan> {
        let own = simulator
            .credentials(first)
            .context("account.toml: nobody calls")?;
        let ambient = Arc::new(Ambient::fixed(
            server.url(),
            own.access_key_id,
            own.secret_access_key.into(),
            pace(),
        ));
        let secrets = Arc::new(Secrets::new(|_: &str| None, Arc::clone(&ambient)));
        let (clock, _hand) = Clock::manual(now());
        let house = House {
            roster: None,
            config: Arc::new(self.config.clone()),
            sessions: Arc::new(Sessions::new(ambient, secrets, "scenario")),
            state: None,
            clock,
            shutdown: Shutdown::new(),
            holder: "scenario".to_owned(),
            decided: iamwarden::daemon::Wake::new(),
            standstill: Default::default(),
            metrics: None,
        };
        simulator.faults().clear();
        for fault in &self.case.faults {
            simulator.faults().add(fault.clone());
        }
        let selection = Selection {
            rules: self.case.rules.clone(),
            accounts: Vec::new(),
        };
        let house = house.with_accounts().await?;
        let run = Run::new(&house, Reach::Look);
        let planned = run.plan(&selection, self.case.as_if_enforce).await?;
        let compare = |reading| async move {
            match reading {
                Reading::Done(surveyed) => self.ensure_the_file_says_the_same(&surveyed.snapshot),
                Reading::Failed { .. } => Ok(()),
            }
        };
        run.read(&selection, compare).await?;
        Ok(planned.plan)
    }

    fn options(&self) -> PlanOptions {
        PlanOptions {
            rules: self.case.rules.clone(),
            as_if_enforce: self.case.as_if_enforce,
        }
    }

    fn plan_file(&self, snapshot: &Snapshot) -> Plan {
        let (config, history) = (&self.config, History::default());
        let account = plan::plan_account(config, snapshot, &history, now(), &self.options());
        plan::assemble(
            config,
            String::new(),
            now(),
            self.case.as_if_enforce,
            vec![account],
        )
    }

    /// Planning elsewhere, from a file, comes to the same.
    fn ensure_the_file_says_the_same(&self, snapshot: &Snapshot) -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("snapshot.json");
        snapshot.write_to(&file)?;
        ensure!(
            self.plan_file(&Snapshot::read_from(&file)?) == self.plan_file(snapshot),
            "`snapshot` and `plan --snapshot` give another plan"
        );
        Ok(())
    }

    fn ensure_nothing_changed(&self) -> anyhow::Result<()> {
        let Account::Simulated { simulator, .. } = &self.account else {
            return Ok(());
        };
        let calls = simulator.calls();
        // Reports and jobs are asked for, but change nothing that anybody has.
        let written = calls
            .iter()
            .find(|call| call.mutates && !call.operation.starts_with("Generate"));
        ensure!(written.is_none(), "planning called {written:?}");
        Ok(())
    }
}

impl Account {
    fn plant(text: &str) -> anyhow::Result<Self> {
        let mut seed = Seed::parse(text).context("account.toml")?;
        ensure!(
            seed.now.is_none() && !seed.frozen,
            "account.toml: it is {NOW} everywhere"
        );
        seed.now = Some(now());
        seed.frozen = true;
        let first = seed
            .accounts
            .first()
            .context("account.toml: no account")?
            .id
            .clone();
        let simulator = Simulator::from_seed(&seed).context("account.toml")?;
        let server = simulator.serve_on_thread("127.0.0.1:0")?;
        Ok(Self::Simulated {
            simulator,
            server,
            first,
        })
    }
}

/// Retries at once, and looks twice at nothing: a report that is not there is not waited for, and an Access Advisor job is
/// done at the first look. So the number of calls does not depend on the machine.
fn pace() -> Pace {
    Pace {
        attempts: 3,
        backoff: Duration::from_millis(5),
        longest_backoff: Duration::from_millis(20),
        first_report_poll: Duration::from_millis(10),
        first_job_poll: Duration::from_millis(10),
        longest_poll: Duration::from_millis(10),
        report: Duration::ZERO,
        rate: CallRate {
            per_second: 10_000.0,
            burst: 10_000.0,
            floor: 1_000.0,
        },
        ..Pace::default()
    }
}
