//! From `approval.requested` in a chat to the changed account, by clicks that the test signs as Slack does.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_simulator::{AccountSeed, KeySeed, Seed, Server, Simulator, UserSeed, When};
use chrono::Utc;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use crate::installation::ACCOUNT;

const KEY: &str = "AKIAALICE00000000001";
const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(90);

/// Slack, as far as iamwarden knows it: what is posted to the webhook and to response URLs.
struct Slack {
    server: MockServer,
    posts: Receiver<(String, Value)>,
}

struct Listener(Arc<Mutex<std::sync::mpsc::Sender<(String, Value)>>>);

impl Respond for Listener {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let body = request.body_json().unwrap_or(Value::Null);
        self.0
            .lock()
            .unwrap()
            .send((request.url.path().to_owned(), body))
            .unwrap();
        ResponseTemplate::new(200).set_body_string("ok")
    }
}

impl Slack {
    async fn open() -> Self {
        let server = MockServer::start().await;
        let (tell, posts) = channel();
        let listener = Listener(Arc::new(Mutex::new(tell)));
        Mock::given(any()).respond_with(listener).mount(&server).await;
        Self { server, posts }
    }

    /// The next post to this path that says this somewhere.
    fn await_post(&self, path: &str, words: &str) -> Value {
        let mut seen = Vec::new();
        loop {
            match self.posts.recv_timeout(PATIENCE) {
                Ok((to, body)) if to == path && body.to_string().contains(words) => return body,
                Ok(other) => seen.push(other),
                Err(error) => panic!("nothing at {path} says {words} ({error}); there were: {seen:#?}"),
            }
        }
    }
}

struct Warden {
    simulator: Simulator,
    _server: Server,
    _folder: tempfile::TempDir,
    slack: Slack,
    port: u16,
    process: Child,
    log: Receiver<String>,
}

impl Drop for Warden {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Warden {
    /// The daemon over an account with an overdue key of alice's. Its rule runs every few seconds, or by `schedule`.
    async fn start(rules: &str) -> Self {
        let mut account = AccountSeed::new(ACCOUNT);
        let mut alice = UserSeed::new("alice").key(KeySeed::aged(When::days(200)).id(KEY));
        alice
            .tags
            .insert("owner".to_owned(), "alice@example.com".to_owned());
        account.users.push(alice);
        let simulator = Simulator::from_seed(&Seed::of(account)).unwrap();
        let server = simulator.serve_on_thread("127.0.0.1:0").unwrap();
        let slack = Slack::open().await;
        let folder = tempfile::tempdir().unwrap();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let text = format!(
            r#"
[state]
url = "sqlite:{}"
[server]
listen = "127.0.0.1:{port}"
public_url = "https://iamwarden.example.com"
[approvals]
approvers = ["U0SEC", "U0ALICE"]
[[approvals.people]]
name = "alice@example.com"
also = ["U0ALICE"]
[notifications]
default_channel = "secops"
allow_http = true
allow_networks = ["127.0.0.0/8"]
slack_hosts = ["127.0.0.1"]
[[notifications.channels]]
name = "secops"
kind = "slack"
url = "env:SLACK_URL"
signing_secret = "env:SLACK_SECRET"
[rules.unused_access_keys]
mode = "off"
[rules.unused_permissions]
mode = "off"
{rules}
"#,
            folder.path().join("state.db").display()
        );
        std::fs::write(folder.path().join("iamwarden.toml"), text).unwrap();
        let own = simulator.credentials(ACCOUNT).unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_iamwarden"))
            .args(["--log-format", "json", "--config"])
            .arg(folder.path().join("iamwarden.toml"))
            .arg("run")
            .env("AWS_ENDPOINT_URL", server.url())
            .env("AWS_ACCESS_KEY_ID", own.access_key_id)
            .env("AWS_SECRET_ACCESS_KEY", own.secret_access_key)
            .env("AWS_REGION", "us-east-1")
            .env("SLACK_URL", format!("{}/webhook", slack.server.uri()))
            .env("SLACK_SECRET", SECRET)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (tell, log) = channel();
        let lines = BufReader::new(process.stderr.take().unwrap()).lines();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _ = tell.send(line);
            }
        });
        Self {
            simulator,
            _server: server,
            _folder: folder,
            slack,
            port,
            process,
            log,
        }
    }

    fn await_line(&self, words: &[&str]) -> String {
        let mut seen = Vec::new();
        loop {
            match self.log.recv_timeout(PATIENCE) {
                Ok(line) if words.iter().all(|word| line.contains(word)) => return line,
                Ok(line) => seen.push(line),
                Err(error) => panic!(
                    "no line with {words:?} ({error}); there were:\n{}",
                    seen.join("\n")
                ),
            }
        }
    }

    fn status(&self) -> String {
        let account = self.simulator.state(ACCOUNT).unwrap();
        account["users"]["alice"]["keys"][0]["status"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    async fn post(&self, click: &Signed) -> (u16, String) {
        let url = format!("http://127.0.0.1:{}/integrations/slack/actions", self.port);
        let mut request = reqwest::Client::new().post(url).body(click.body.clone());
        for (name, value) in &click.headers {
            request = request.header(*name, value);
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// A click of this person on a button of a message, as Slack posts it.
    fn click(&self, user: &str, message: &Value, label: &str) -> Signed {
        let blocks = message["blocks"].as_array().unwrap();
        // Slack names the blocks that have no name.
        let blocks: Vec<_> = blocks
            .iter()
            .enumerate()
            .map(|(n, block)| {
                let mut block = block.clone();
                if block.get("block_id").is_none() {
                    block["block_id"] = json!(format!("b{n}"));
                }
                block
            })
            .collect();
        let clicked = blocks.iter().find_map(|block| {
            let elements = block["elements"].as_array()?;
            let button = elements.iter().find(|element| element["text"]["text"] == label)?;
            Some((block["block_id"].clone(), button.clone()))
        });
        let (block, button) = clicked.unwrap_or_else(|| panic!("no button `{label}` in {message:#}"));
        let payload = json!({
            "type": "block_actions",
            "user": {"id": user, "username": "somebody"},
            "trigger_id": "1.2.3",
            "response_url": format!("{}/response/{user}", self.slack.server.uri()),
            "message": {"ts": "1.2", "blocks": blocks},
            "actions": [{
                "type": "button", "action_id": button["action_id"], "block_id": block, "value": button["value"],
            }],
        });
        Signed::new(&payload, SECRET, Utc::now().timestamp())
    }
}

/// A request as Slack signs it.
struct Signed {
    body: String,
    headers: Vec<(&'static str, String)>,
}

impl Signed {
    fn new(payload: &Value, secret: &str, at: i64) -> Self {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        let body = form.append_pair("payload", &payload.to_string()).finish();
        Self::of_body(body, secret, at)
    }

    fn of_body(body: String, secret: &str, at: i64) -> Self {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(format!("v0:{at}:{body}").as_bytes());
        let signature = format!("v0={}", hex::encode(mac.finalize().into_bytes()));
        Self {
            body,
            headers: vec![
                ("X-Slack-Request-Timestamp", at.to_string()),
                ("X-Slack-Signature", signature),
                ("Content-Type", "application/x-www-form-urlencoded".to_owned()),
            ],
        }
    }
}

const APPROVE: &str = r#"
[rules.access_key_rotation]
mode = "approve"
schedule = "*/3 * * * * *"
minimum_notice = "0s"
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_click_approves_and_the_account_changes() {
    let warden = Warden::start(APPROVE).await;
    let asked = warden.slack.await_post("/webhook", "\"Approve\"");
    assert_eq!(warden.status(), "Active");
    let good = warden.click("U0SEC", &asked, "Approve");

    // Forged, stale, unsigned: refused, and nothing comes of it.
    let now = Utc::now().timestamp();
    for (click, status) in [
        (Signed::of_body(good.body.clone(), "another secret", now), 401),
        (Signed::of_body(good.body.clone(), SECRET, now - 301), 401),
        (Signed::of_body(good.body.clone(), SECRET, now + 400), 401),
        (Signed::of_body("payload=%7B%7D".to_owned(), SECRET, now), 400),
    ] {
        let (got, said) = warden.post(&click).await;
        assert_eq!(got, status, "{said}");
    }
    let mut altered = warden.click("U0SEC", &asked, "Approve");
    altered.body = altered.body.replace("U0SEC", "U0EVE");
    assert_eq!(warden.post(&altered).await.0, 401);
    altered.headers.clear();
    assert_eq!(warden.post(&altered).await.0, 401);

    // Somebody who is no approver, and one who is the principal: taken, and refused in the chat.
    assert_eq!(
        warden.post(&warden.click("U0EVE", &asked, "Approve")).await.0,
        200
    );
    let refused = warden.slack.await_post("/response/U0EVE", "may not decide");
    assert_eq!(refused["response_type"], "ephemeral");
    assert_eq!(
        warden.post(&warden.click("U0ALICE", &asked, "Approve")).await.0,
        200
    );
    warden
        .slack
        .await_post("/response/U0ALICE", "nobody decides for himself");
    assert_eq!(warden.status(), "Active");

    // The approver: at once, once.
    assert_eq!(warden.post(&good).await, (200, String::new()));
    let shown = warden
        .slack
        .await_post("/response/U0SEC", "approved disable_access_key");
    assert_eq!(shown["replace_original"], true);
    assert!(shown["blocks"].to_string().contains("<@U0SEC>"), "{shown:#}");
    assert!(
        !shown["blocks"].to_string().contains("iamwarden.approve"),
        "{shown:#}"
    );
    warden.await_line(&["disable_access_key: applied"]);
    assert_eq!(warden.status(), "Inactive");
    let told = warden.slack.await_post("/webhook", "was disabled on");
    assert!(told["text"].as_str().unwrap().contains("0001"), "{told:#}");
    let (replayed, said) = warden.post(&good).await;
    assert_eq!(replayed, 409, "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_asks_for_an_exemption_and_an_approver_grants_it() {
    let rules = APPROVE
        .replace("\"approve\"", "\"enforce\"")
        .replace("\"0s\"", "\"7d\"");
    let warden = Warden::start(&rules).await;
    let warned = warden.slack.await_post("/webhook", "\"Ask for an exemption\"");
    assert_eq!(
        warden
            .post(&warden.click("U0ALICE", &warned, "I rotated it"))
            .await
            .0,
        200
    );
    warden.slack.await_post("/response/U0ALICE", "still so");
    assert_eq!(
        warden.post(&warden.click("U0ALICE", &warned, "Not mine")).await.0,
        200
    );
    warden.slack.await_post("/webhook", "Not theirs");
    assert_eq!(
        warden
            .post(&warden.click("U0ALICE", &warned, "Ask for an exemption"))
            .await
            .0,
        200
    );
    let form = warden.slack.await_post("/response/U0ALICE", "datepicker");

    // Slack sends what was filled in with the click on the button.
    let sent = warden.click("U0ALICE", &form, "Send the request");
    let payload: String = url::form_urlencoded::parse(sent.body.as_bytes())
        .next()
        .unwrap()
        .1
        .into_owned();
    let mut payload: Value = serde_json::from_str(&payload).unwrap();
    payload["message"] = Value::Null;
    payload.as_object_mut().unwrap().remove("message");
    let until = (Utc::now() + chrono::TimeDelta::days(30)).date_naive();
    payload["state"] = json!({"values": {
        "reason": {"reason": {"type": "plain_text_input", "value": "vendor <!channel>"}},
        "until": {"until": {"type": "datepicker", "selected_date": until.to_string()}},
    }});
    let sent = Signed::new(&payload, SECRET, Utc::now().timestamp());
    assert_eq!(warden.post(&sent).await.0, 200);
    let asked = warden.slack.await_post("/webhook", "\"Grant\"");
    assert!(asked.to_string().contains("&lt;!channel&gt;"), "{asked:#}");
    // Not for herself.
    assert_eq!(
        warden.post(&warden.click("U0ALICE", &asked, "Grant")).await.0,
        200
    );
    warden
        .slack
        .await_post("/response/U0ALICE", "asked for this exemption");
    assert_eq!(warden.post(&warden.click("U0SEC", &asked, "Grant")).await.0, 200);
    warden
        .slack
        .await_post("/response/U0SEC", "granted the exemption");
    warden.slack.await_post("/webhook", "Exemption granted");
    // It holds from the next look on.
    assert_eq!(
        warden
            .post(&warden.click("U0ALICE", &warned, "I rotated it"))
            .await
            .0,
        200
    );
    warden.slack.await_post("/response/U0ALICE", ": exempt");
    assert_eq!(warden.status(), "Active");
}
