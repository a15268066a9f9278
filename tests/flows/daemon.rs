//! The daemon itself: the built program, with its scheduler and signals, by the wall clock.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use aws_simulator::{AccountSeed, KeySeed, Seed, Server, Simulator, UserSeed, When};
use chrono::{TimeDelta, Utc};
use iamwarden::model::RuleName;
use iamwarden::state::State;

use crate::installation::ACCOUNT;

const KEY: &str = "AKIAALICE00000000001";
/// Longer than anything here takes: past it, something that a test waits for does not happen.
const PATIENCE: Duration = Duration::from_secs(90);
/// No second of the year is likely to be this one.
const RARELY: &str = "0 59 23 31 Dec *";

/// The program as it runs, by its log.
struct Daemon {
    process: Child,
    log: Receiver<String>,
    seen: Vec<String>,
}

impl Daemon {
    fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &self.process.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
    }

    /// The next line of the log that holds all of these.
    fn await_line(&mut self, words: &[&str]) -> String {
        loop {
            match self.log.recv_timeout(PATIENCE) {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if words.iter().all(|word| line.contains(word)) {
                        return line;
                    }
                }
                Err(error) => panic!(
                    "no line with {words:?} ({error}); there were:\n{}",
                    self.seen.join("\n")
                ),
            }
        }
    }

    fn terminate(mut self) -> (ExitStatus, Vec<String>) {
        self.signal("TERM");
        self.await_line(&["iamwarden stopped"]);
        let status = self.process.wait().unwrap();
        (status, std::mem::take(&mut self.seen))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It has ended already, unless the test failed.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// An account with an overdue key, and a place for configuration and state.
struct Place {
    simulator: Simulator,
    server: Server,
    folder: tempfile::TempDir,
    port: u16,
}

impl Place {
    fn new() -> Self {
        let mut account = AccountSeed::new(ACCOUNT);
        account
            .users
            .push(UserSeed::new("alice").key(KeySeed::aged(When::days(200)).id(KEY)));
        let simulator = Simulator::from_seed(&Seed::of(account)).unwrap();
        let server = simulator.serve_on_thread("127.0.0.1:0").unwrap();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        Self {
            port: free.local_addr().unwrap().port(),
            folder: tempfile::tempdir().unwrap(),
            simulator,
            server,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Rotation in this mode on this schedule; the password policy is looked at once a year.
    fn declare(&self, mode: &str, schedule: &str) {
        let (state, port) = (self.path("state.db"), self.port);
        let text = format!(
            r#"
[state]
url = "sqlite:{}"
[server]
listen = "127.0.0.1:{port}"
[rules.access_key_rotation]
mode = "{mode}"
schedule = "{schedule}"
minimum_notice = "0s"
[rules.unused_access_keys]
mode = "off"
[rules.unused_permissions]
mode = "off"
[rules.password_policy]
schedule = "{RARELY}"
"#,
            state.display()
        );
        std::fs::write(self.path("iamwarden.toml"), text).unwrap();
    }

    fn start(&self) -> Daemon {
        let own = self.simulator.credentials(ACCOUNT).unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_iamwarden"))
            .args(["--log-format", "json", "--log-level", "info", "--config"])
            .arg(self.path("iamwarden.toml"))
            .arg("run")
            .env("AWS_ENDPOINT_URL", self.server.url())
            .env("AWS_ACCESS_KEY_ID", own.access_key_id)
            .env("AWS_SECRET_ACCESS_KEY", own.secret_access_key)
            .env("AWS_REGION", "us-east-1")
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (tell, log) = channel();
        let lines = BufReader::new(process.stderr.take().unwrap()).lines();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                // Nobody listens any more once the test is over.
                let _ = tell.send(line);
            }
        });
        Daemon {
            process,
            log,
            seen: Vec::new(),
        }
    }

    async fn ask(&self, path: &str) -> (u16, String) {
        let answer = reqwest::get(format!("http://127.0.0.1:{}{path}", self.port))
            .await
            .unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// The metrics, once they show this.
    async fn metrics_once(&self, shows: impl Fn(&str) -> bool) -> String {
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            let (_, metrics) = self.ask("/metrics").await;
            if shows(&metrics) {
                return metrics;
            }
            assert!(std::time::Instant::now() < deadline, "{metrics}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn status(&self) -> String {
        let account = self.simulator.state(ACCOUNT).unwrap();
        account["users"]["alice"]["keys"][0]["status"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    async fn state(&self) -> State {
        open(&self.path("state.db")).await
    }
}

async fn open(path: &Path) -> State {
    State::open(&format!("sqlite:{}", path.display()))
        .await
        .unwrap()
        .state
}

/// The value of a metric with these labels in any order.
fn metric(text: &str, name: &str, labels: &[&str]) -> f64 {
    let fits = |line: &&str| line.starts_with(name) && labels.iter().all(|label| line.contains(label));
    let line = text
        .lines()
        .find(fits)
        .unwrap_or_else(|| panic!("no {name} {labels:?} in\n{text}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_daemon_runs_by_its_schedule_obeys_hup_and_ends_on_term() {
    let place = Place::new();
    place.declare("report", "* * * * * *");
    let mut daemon = place.start();
    daemon.await_line(&["run ended"]);
    daemon.await_line(&["run ended"]);
    assert_eq!(place.status(), "Active", "it only reports");

    std::fs::write(
        place.path("iamwarden.toml"),
        "[rules.access_key_rotation]\nmode = \"enfroce\"\n",
    )
    .unwrap();
    daemon.signal("HUP");
    daemon.await_line(&["ERROR"]);
    daemon.await_line(&["run ended"]);
    assert_eq!(place.status(), "Active", "a bad configuration changes nothing");

    place.declare("enforce", "* * * * * *");
    daemon.signal("HUP");
    daemon.await_line(&["the new configuration is in force"]);
    let line = daemon.await_line(&["disable_access_key", "applied"]);
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["message"], "disable_access_key: applied");
    assert_eq!(
        (&line["account"], &line["rule"]),
        (&ACCOUNT.into(), &"access_key_rotation".into())
    );
    let ended = daemon.await_line(&["run ended"]);
    let ended: serde_json::Value = serde_json::from_str(&ended).unwrap();
    assert_eq!((&ended["run"], &ended["rule"]), (&line["run"], &line["rule"]));
    assert_eq!(place.status(), "Inactive");
    assert_eq!(place.ask("/healthz").await.0, 200);
    assert_eq!(place.ask("/readyz").await.0, 200);
    let calls = ["operation=\"iam:UpdateAccessKey\"", "result=\"ok\""];
    let metrics = place
        .metrics_once(|metrics| metric(metrics, "iamwarden_aws_calls_total", &calls) == 1.0)
        .await;
    let actions = ["kind=\"disable_access_key\"", "outcome=\"applied\""];
    assert_eq!(metric(&metrics, "iamwarden_actions_total", &actions), 1.0);
    let rotation = ["rule=\"access_key_rotation\"", ACCOUNT];
    assert!(metric(&metrics, "iamwarden_last_success_timestamp_seconds", &rotation) > 1.7e9);
    let looked_at = metrics.lines().any(|line| {
        line.starts_with("iamwarden_last_success")
            && line.contains("password_policy")
            && !line.ends_with(" 0")
    });
    assert!(!looked_at, "its schedule is another one:\n{metrics}");

    let (status, log) = daemon.terminate();
    assert_eq!(status.code(), Some(0), "{}", log.join("\n"));
    let state = place.state().await;
    let runs = state.runs(1_000).await.unwrap();
    assert!(runs.len() >= 4, "{runs:?}");
    assert!(state.verify(None).await.unwrap().is_whole());
    let changes: Vec<_> = place
        .simulator
        .calls()
        .into_iter()
        .filter(|call| call.operation == "UpdateAccessKey")
        .collect();
    assert_eq!(changes.len(), 1, "once, however often it was looked at");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missed_schedule_runs_once_and_a_first_start_waits() {
    let place = Place::new();
    place.declare("enforce", RARELY);
    let mut first = place.start();
    first.await_line(&["iamwarden runs"]);
    first.await_line(&["first start: the rule waits for its schedule"]);
    // The account of the ambient credentials is known before anything is due.
    let rotation = ["rule=\"access_key_rotation\"", ACCOUNT];
    let metrics = place.metrics_once(|metrics| metrics.contains(ACCOUNT)).await;
    assert_eq!(
        metric(&metrics, "iamwarden_last_success_timestamp_seconds", &rotation),
        0.0
    );
    let findings = [&rotation[..], &["severity=\"high\"", "status=\"violation\""]].concat();
    assert_eq!(metric(&metrics, "iamwarden_findings", &findings), 0.0);
    let (status, _) = first.terminate();
    assert_eq!(status.code(), Some(0));
    let state = place.state().await;
    assert_eq!(state.runs(10).await.unwrap().len(), 0);
    assert_eq!(place.status(), "Active");

    // It was down over several of its times.
    let long_ago = Utc::now() - TimeDelta::days(1_500);
    state
        .record_tick(&RuleName::new("access_key_rotation"), long_ago)
        .await
        .unwrap();
    state.close().await;
    let mut second = place.start();
    second.await_line(&["a scheduled time was missed"]);
    second.await_line(&["run ended"]);
    assert_eq!(place.status(), "Inactive");
    second.signal("HUP");
    second.await_line(&["the new configuration is in force"]);
    // Counted once it is settled, a moment after it ended.
    let counted = |metrics: &str| metric(metrics, "iamwarden_runs_total", &["result=\"completed\""]) >= 1.0;
    let metrics = place.metrics_once(counted).await;
    assert_eq!(
        metric(&metrics, "iamwarden_runs_total", &["result=\"completed\""]),
        1.0
    );
    let (status, _) = second.terminate();
    assert_eq!(status.code(), Some(0));
    assert_eq!(place.state().await.runs(10).await.unwrap().len(), 1);
}
