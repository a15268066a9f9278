//! A simulated account, a configuration, and the built binary at work on it.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "shared by several tests, none of which uses all of it"
)]

pub(crate) mod postgres;
mod untidy;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use aws_simulator::{Hold, Release, Seed, Server, Simulator};
use chrono::{SecondsFormat, TimeDelta, Utc};
use postgres::{Cluster, Database};
use serde_json::Value;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, Row as _};
use tempfile::TempDir;
use untidy::{RULES, SEED, tidied};

/// The account of every seed.
pub(crate) const ACCOUNT: &str = "123456789012";

/// How many changes are due: keys, password policy, detachment.
pub(crate) const CHANGES: u32 = 7;
/// The policy that is not in use.
pub(crate) const POLICY: &str = "arn:aws:iam::123456789012:policy/reports";
/// The built binary.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_iamwarden");
/// Applies all that is due.
pub(crate) const APPLY: [&str; 2] = ["apply", "--yes"];

/// After so long a thing that is waited for is taken never to come.
const PATIENCE: Duration = Duration::from_secs(120);

/// A simulated account, and a folder with a configuration and a state.
#[derive(Debug)]
pub(crate) struct World {
    /// The account.
    pub(crate) simulator: Simulator,
    server: Server,
    folder: TempDir,
    /// Set where the state is there and not in a file.
    database: Option<Database<'static>>,
    commands: AtomicU32,
}

/// Where a world's state is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Store {
    /// In a file of SQLite.
    File,
    /// In a database of PostgreSQL.
    Server,
}

impl Store {
    /// Every one.
    pub(crate) const ALL: [Self; 2] = [Self::File, Self::Server];
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The exit code; `None`: a signal ended it.
    pub(crate) code: Option<i32>,
    /// What it answered.
    pub(crate) out: String,
    /// What it logged.
    pub(crate) log: String,
}

/// A command at work. It is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    out: PathBuf,
    log: PathBuf,
}

/// An attempt, as the state has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attempt {
    /// The number of its intent in the journal.
    pub(crate) seq: i64,
    /// The action's id.
    pub(crate) action: String,
    /// `apply` or `undo`.
    pub(crate) direction: String,
    /// The key, the policy, or `password-policy`.
    pub(crate) subject: String,
    /// Counted from 1, by action and direction.
    pub(crate) attempt: i64,
    /// Of the lease.
    pub(crate) fencing: i64,
    /// `open`, `unknown`, `applied`, `not_applied` or `failed`.
    pub(crate) status: String,
}

impl Attempt {
    /// Whether it waits for its outcome.
    pub(crate) fn is_open(&self) -> bool {
        ["open", "unknown"].contains(&self.status.as_str())
    }
}

impl World {
    /// Plants the seed, and declares these rules. Nothing is remembered yet.
    pub(crate) fn plant(seed: &str, rules: &str) -> Self {
        Self::plant_with(None, seed, rules)
    }

    /// The same with a state of this kind.
    pub(crate) fn plant_in(store: Store, seed: &str, rules: &str) -> Self {
        let database = match store {
            Store::File => None,
            Store::Server => Some(Cluster::shared().database()),
        };
        Self::plant_with(database, seed, rules)
    }

    /// The same with a state in this database.
    pub(crate) fn plant_with(database: Option<Database<'static>>, seed: &str, rules: &str) -> Self {
        let simulator = Simulator::from_seed(&Seed::parse(seed).unwrap()).unwrap();
        let server = simulator.serve_on_thread("127.0.0.1:0").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let world = Self {
            simulator,
            server,
            folder,
            database,
            commands: AtomicU32::new(0),
        };
        world.declare(rules);
        world
    }

    /// An account with seven things to tidy, all of them due.
    pub(crate) fn untidy() -> Self {
        Self::untidy_in(Store::File)
    }

    /// The same with a state in this database.
    pub(crate) fn untidy_with(database: Database<'static>) -> Self {
        Self::plant_with(Some(database), SEED, RULES)
    }

    /// The same with a state of this kind.
    pub(crate) fn untidy_in(store: Store) -> Self {
        Self::plant_in(store, SEED, RULES)
    }

    /// Everything is tidy that was not before, by changes made once, and the journal knows it.
    pub(crate) fn assert_tidy(&self, before: &Value) {
        assert_eq!(self.account(), tidied(before));
        let effects = self.effects();
        assert_eq!(effects.len(), CHANGES as usize, "{effects:?}");
        assert!(effects.values().all(|&times| times == 1), "{effects:?}");
        self.assert_accounted_for();
    }

    /// Goes on after a crash, a minute later where that is needed, until nothing is open.
    pub(crate) fn restart_until_settled(&self) {
        self.restart_until_settled_by(&APPLY);
    }

    /// The same by another command.
    pub(crate) fn restart_until_settled_by(&self, command: &[&str]) {
        self.let_leases_end();
        let ended = self.run(command);
        assert_eq!(ended.code, Some(0), "{}", ended.log);
        if self.attempts().iter().any(Attempt::is_open) {
            self.let_readings_agree_for_a_minute();
            let ended = self.run(command);
            assert_eq!(ended.code, Some(0), "{}", ended.log);
        }
    }

    /// Waits until the process that has the lease reads once more what is so, right before its intent. The answer is
    /// held.
    pub(crate) fn held_at_the_recheck(&self) -> Hold {
        loop {
            let hold = self.held();
            if self.lease_holder().is_some() {
                return hold;
            }
            self.simulator.holds().release(hold.id, Release::Continue);
        }
    }

    /// Declares other rules. What lives in regions is not what these tests are about.
    pub(crate) fn declare(&self, rules: &str) {
        let state = self.state_url();
        let text = format!(
            "state.url = \"{state}\"\nserver.listen = \"\"\nrules.cloudtrail.mode = \"off\"\n\
             rules.access_analyzer.mode = \"off\"\n\
             rules.instance_roles.mode = \"off\"\n{rules}"
        );
        std::fs::write(self.config(), text).unwrap();
    }

    /// The configuration's file.
    pub(crate) fn config(&self) -> PathBuf {
        self.path("iamwarden.toml")
    }

    /// Where the state is.
    pub(crate) fn state_url(&self) -> String {
        match &self.database {
            None => format!("sqlite:{}", self.path("state.db").display()),
            Some(database) => database.url(),
        }
    }

    /// The database of the state; `None`: it is in a file.
    pub(crate) fn database(&self) -> Option<&Database<'static>> {
        self.database.as_ref()
    }

    /// A file in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// For `AWS_ENDPOINT_URL`.
    pub(crate) fn endpoint(&self) -> String {
        self.server.url()
    }

    /// Runs the binary to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        self.start(arguments).end()
    }

    /// Starts the binary.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        self.start_under(&[], arguments)
    }

    /// Starts the binary as the last argument of another program.
    pub(crate) fn start_under(&self, wrapper: &[&str], arguments: &[&str]) -> Running {
        let words: Vec<&str> = wrapper
            .iter()
            .copied()
            .chain([BINARY, "--log-format", "json"])
            .chain(arguments.iter().copied())
            .collect();
        let mut command = self.command(words[0]);
        command.args(&words[1..]).stdin(Stdio::null());
        self.spawn(command)
    }

    /// A program with the account's credentials and nothing else in its environment.
    pub(crate) fn command(&self, program: &str) -> Command {
        let credentials = self.simulator.credentials(ACCOUNT).unwrap();
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", self.folder.path())
            .env("USER", "tester")
            .env("IAMWARDEN_CONFIG", self.config())
            .env("AWS_ENDPOINT_URL", self.endpoint())
            .env("AWS_ACCESS_KEY_ID", credentials.access_key_id)
            .env("AWS_SECRET_ACCESS_KEY", credentials.secret_access_key)
            .env("AWS_EC2_METADATA_DISABLED", "true");
        command
    }

    /// Starts a program whose output is kept.
    pub(crate) fn spawn(&self, mut command: Command) -> Running {
        let n = self.commands.fetch_add(1, Ordering::Relaxed);
        let (out, log) = (self.path(&format!("{n}.out")), self.path(&format!("{n}.log")));
        let child = command
            .stdout(File::create(&out).unwrap())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error} (tests/run installs what is needed)"));
        Running { child, out, log }
    }

    /// The account's whole state.
    pub(crate) fn account(&self) -> Value {
        self.simulator.state(ACCOUNT).unwrap()
    }

    /// Waits until a call is held.
    pub(crate) fn held(&self) -> Hold {
        block_on(self.simulator.holds().wait(PATIENCE)).expect("no call was held")
    }

    /// Waits until no call is held any more: the simulator notices a moment later that a client has gone.
    pub(crate) fn wait_until_nothing_is_held(&self) {
        eventually("a call is held still", || {
            self.simulator.holds().list().is_empty()
        });
    }

    /// All attempts, oldest first. There are none without a state.
    pub(crate) fn attempts(&self) -> Vec<Attempt> {
        if !self.has_table("intents") {
            return Vec::new();
        }
        let rows = self.rows(
            "SELECT seq, action, direction, subject, attempt, fencing, status FROM intents ORDER BY seq",
        );
        let attempt = |row: Vec<String>| Attempt {
            seq: row[0].parse().unwrap(),
            action: row[1].clone(),
            direction: row[2].clone(),
            subject: row[3].clone(),
            attempt: row[4].parse().unwrap(),
            fencing: row[5].parse().unwrap(),
            status: row[6].clone(),
        };
        rows.into_iter().map(attempt).collect()
    }

    /// The attempts at this key or policy.
    pub(crate) fn attempts_at(&self, subject: &str) -> Vec<Attempt> {
        let attempts = self.attempts().into_iter();
        attempts.filter(|attempt| attempt.subject == subject).collect()
    }

    /// The process that has the account's lease; `None`: nobody has it.
    pub(crate) fn lease_holder(&self) -> Option<String> {
        let rows = self.rows("SELECT holder FROM leases, database_clock WHERE expires_ms > now_ms");
        rows.into_iter().flatten().next()
    }

    /// What half a minute does to the lease of a process that is no more.
    pub(crate) fn let_leases_end(&self) {
        if self.has_table("leases") {
            self.rows("UPDATE leases SET expires_ms = (SELECT now_ms FROM database_clock)");
        }
    }

    /// What two minutes do to the messages that a process was sending when it was killed.
    pub(crate) fn let_claims_end(&self) {
        if self.has_table("messages") {
            self.rows("UPDATE messages SET claimed_until_ms = 0");
        }
    }

    /// What a minute does to the readings of attempts that wait for their outcome.
    pub(crate) fn let_readings_agree_for_a_minute(&self) {
        self.let_readings_agree_for(TimeDelta::seconds(60));
    }

    /// From now on, the readings of attempts that wait for their outcome have agreed for so long, however long the test
    /// itself took until here.
    pub(crate) fn let_readings_agree_for(&self, time: TimeDelta) {
        let since = (Utc::now() - time).to_rfc3339_opts(SecondsFormat::Micros, true);
        self.rows(&format!(
            "UPDATE intents SET settling_since = '{since}' WHERE settling_since IS NOT NULL"
        ));
    }

    /// The latest run of that command that began.
    pub(crate) fn latest_run(&self, command: &str) -> Option<String> {
        let rows = self.rows("SELECT run, payload FROM journal WHERE kind = 'run_started' ORDER BY seq DESC");
        let of_command = |row: &Vec<String>| {
            let payload: Value = serde_json::from_str(&row[1]).unwrap();
            payload["command"] == command
        };
        rows.into_iter().find(of_command).map(|row| row[0].clone())
    }

    /// Whether the state has got that far.
    fn has_table(&self, name: &str) -> bool {
        let sql = match &self.database {
            None => format!("SELECT name FROM sqlite_schema WHERE name = '{name}'"),
            Some(_) => format!("SELECT relname FROM pg_class WHERE relname = '{name}'"),
        };
        !self.rows(&sql).is_empty()
    }

    /// Works on the database behind the back of all processes, and gives the rows as text.
    pub(crate) fn rows(&self, sql: &str) -> Vec<Vec<String>> {
        if let Some(database) = &self.database {
            return database.rows(sql);
        }
        let options = SqliteConnectOptions::new()
            .filename(self.path("state.db"))
            .create_if_missing(true)
            .busy_timeout(Duration::from_secs(20));
        block_on(async {
            let mut connection = options.connect().await.unwrap();
            let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
                .fetch_all(&mut connection)
                .await
                .unwrap();
            connection.close().await.unwrap();
            let text = |row: &sqlx::sqlite::SqliteRow, place: usize| match row.try_get(place) {
                Ok(text) => text,
                Err(_) => row.get::<i64, _>(place).to_string(),
            };
            rows.iter()
                .map(|row| (0..row.len()).map(|place| text(row, place)).collect())
                .collect()
        })
    }

    /// The changes that took effect, each with how often: `("apply", "AKIA…")`.
    pub(crate) fn effects(&self) -> BTreeMap<(&'static str, String), usize> {
        let calls = self.simulator.calls();
        let mut effects = BTreeMap::new();
        for call in calls.iter().filter(|call| call.mutates && call.took_effect) {
            let named = direction_and_subject(&call.operation, &call.parameters);
            *effects.entry(named).or_default() += 1;
        }
        effects
    }

    /// Holds the journal against what the account saw: each change that took effect has exactly one outcome `applied`,
    /// no such outcome is without its change, no call was made without an intent of its own, and the chain is whole.
    pub(crate) fn assert_accounted_for(&self) {
        let attempts = self.attempts();
        let mut applied = BTreeMap::new();
        let mut intended: BTreeMap<_, usize> = BTreeMap::new();
        for attempt in &attempts {
            let direction = match attempt.direction.as_str() {
                "apply" => "apply",
                _ => "undo",
            };
            let named = (direction, attempt.subject.clone());
            *intended.entry(named.clone()).or_default() += 1;
            if attempt.status == "applied" {
                *applied.entry(named).or_default() += 1;
            }
        }
        assert_eq!(
            self.effects(),
            applied,
            "what took effect, and what the state has as applied"
        );
        let mut calls: BTreeMap<_, usize> = BTreeMap::new();
        for call in self.simulator.calls().iter().filter(|call| call.mutates) {
            let named = direction_and_subject(&call.operation, &call.parameters);
            *calls.entry(named).or_default() += 1;
        }
        for (named, count) in calls {
            let intents = intended.get(&named).copied().unwrap_or_default();
            assert!(count <= intents, "{named:?}: {count} calls and {intents} intents");
        }
        self.assert_outcomes_are_single(&attempts);
        let verified = self.run(&["history", "--verify"]);
        assert_eq!(verified.code, Some(0), "{}{}", verified.out, verified.log);
    }

    fn assert_outcomes_are_single(&self, attempts: &[Attempt]) {
        let outcomes = self.rows("SELECT payload FROM journal WHERE kind = 'outcome'");
        let mut outcomes: Vec<i64> = outcomes
            .iter()
            .map(|row| serde_json::from_str::<Value>(&row[0]).unwrap())
            .filter(|payload| payload["outcome"] == "applied")
            .map(|payload| payload["intent"].as_i64().unwrap())
            .collect();
        outcomes.sort_unstable();
        let applied: Vec<i64> = attempts
            .iter()
            .filter(|attempt| attempt.status == "applied")
            .map(|attempt| attempt.seq)
            .collect();
        assert_eq!(outcomes, applied, "outcomes `applied` in the journal");
        let mut ids: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for attempt in attempts {
            ids.entry(&attempt.subject).or_default().insert(&attempt.action);
        }
        assert!(
            ids.values().all(|ids| ids.len() == 1),
            "the same change has the same id in every attempt: {ids:?}"
        );
    }
}

impl Running {
    /// Ends it without warning.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends it a signal: `STOP`, `CONT`, `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let script = format!("kill -{name} {}", self.child.id());
        let sent = Command::new("sh").args(["-c", &script]).status().unwrap();
        assert!(sent.success(), "{script}");
    }

    /// Stops it until it is told to continue.
    pub(crate) fn stop(&self) {
        self.signal("STOP");
        let status = format!("/proc/{}/status", self.child.id());
        eventually("the process did not stop", || {
            std::fs::read_to_string(&status).unwrap().contains("State:\tT")
        });
    }

    /// The id of its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has come to its end.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits until it logged this.
    pub(crate) fn wait_until_it_says(&self, text: &str) {
        eventually(text, || read(&self.log).contains(text));
    }

    /// Waits until it answered this.
    pub(crate) fn wait_until_it_answers(&self, text: &str) {
        eventually(text, || read(&self.out).contains(text));
    }

    /// Types a line, where its input is a pipe.
    pub(crate) fn type_line(&mut self, line: &str) {
        let input = self.child.stdin.as_mut().expect("a pipe");
        writeln!(input, "{line}").unwrap();
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> Ended {
        let log = self.log.clone();
        eventually(&format!("the process did not end: {}", log.display()), || {
            self.has_ended()
        });
        Ended {
            code: self.child.wait().unwrap().code(),
            out: read(&self.out),
            log: read(&self.log),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended already cannot be killed, and need not be.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned()
}

/// Waits until it is so.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Runs a future to its end.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(future)
}

/// What a call to AWS changes, in the words of the journal.
pub(crate) fn direction_and_subject(
    operation: &str,
    parameters: &BTreeMap<String, String>,
) -> (&'static str, String) {
    let of = |name: &str| parameters.get(name).cloned().unwrap_or_default();
    match operation {
        "UpdateAccessKey" if of("Status") == "Inactive" => ("apply", of("AccessKeyId")),
        "UpdateAccessKey" => ("undo", of("AccessKeyId")),
        "UpdateAccountPasswordPolicy" if of("MinimumPasswordLength") == "14" => {
            ("apply", "password-policy".to_owned())
        }
        "UpdateAccountPasswordPolicy" | "DeleteAccountPasswordPolicy" => {
            ("undo", "password-policy".to_owned())
        }
        "DetachUserPolicy" | "DetachGroupPolicy" | "DetachRolePolicy" => ("apply", of("PolicyArn")),
        "AttachUserPolicy" | "AttachGroupPolicy" | "AttachRolePolicy" => ("undo", of("PolicyArn")),
        other => panic!("no call that was expected: {other}"),
    }
}
