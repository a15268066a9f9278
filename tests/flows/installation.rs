//! iamwarden installed at a simulated account, with channels that listen, and one hand for all clocks.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_simulator::{AccountSeed, Edit, KeySeed, Seed, Server, Simulator, UserSeed, When};
use chrono::{DateTime, TimeDelta, Utc};
use iamwarden::aws::{Ambient, CallRate, Pace, Secrets, Sessions};
use iamwarden::config::{self, Config, Environment};
use iamwarden::daemon::{ChannelSecrets, Clock, ClockHand, Done, House, Reach, Run, Selection, Shutdown};
use iamwarden::execute::ActionReport;
use iamwarden::model::{Action, ActionId, Decision, Verdict};
use iamwarden::notify::{Courier, DeliveryReport};
use iamwarden::plan::Plan;
use iamwarden::rules::REGISTRY;
use iamwarden::state::{AppliedSelection, NewDecision, State};
use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

pub(crate) const ACCOUNT: &str = "123456789012";
const SECRET_PATH: &str = "services/T0CANARY/B0CANARY/canary-of-a-webhook";
const SIGNING_SECRET: &str = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// When every story begins: a Monday.
pub(crate) const BEGIN: &str = "2026-03-02T06:00:00Z";

/// Two channels that people have: one for all owners, and one that gets a copy of everything.
const CHANNELS: &str = r#"
[server]
listen = ""
[notifications]
default_channel = "desk"
allow_http = true
allow_networks = ["127.0.0.0/8"]
[[notifications.channels]]
name = "desk"
kind = "webhook"
url = "env:DESK"
secret = "env:SECRET"
[[notifications.channels]]
name = "siem"
kind = "webhook"
url = "env:SIEM"
secret = "env:SECRET"
events = ["*"]
"#;

pub(crate) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

pub(crate) fn days(n: i64) -> TimeDelta {
    TimeDelta::days(n)
}

pub(crate) fn account() -> AccountSeed {
    AccountSeed::new(ACCOUNT)
}

/// A user with one key of this id, made then, who says whose it is.
pub(crate) fn user_with_key(name: &str, key: &str, made: DateTime<Utc>) -> UserSeed {
    let mut user = UserSeed::new(name).key(KeySeed::aged(When::At(made)).id(key));
    user.age = When::At(made - days(400));
    user.tags
        .insert("owner".to_owned(), format!("{name}@example.com"));
    user
}

/// A post that a channel got.
#[derive(Debug, Clone)]
pub(crate) struct Post {
    pub(crate) at: DateTime<Utc>,
    pub(crate) id: String,
    pub(crate) accepted: bool,
    pub(crate) body: Value,
}

impl Post {
    /// The events that it tells of, gravest first.
    pub(crate) fn events(&self) -> Vec<String> {
        let events = self.body["data"]["events"].as_array().unwrap();
        events
            .iter()
            .map(|event| event["event"].as_str().unwrap().to_owned())
            .collect()
    }

    /// The dates that it announces.
    pub(crate) fn dates(&self) -> Vec<DateTime<Utc>> {
        let notices = self.body["data"]["notices"].as_array().cloned();
        notices
            .unwrap_or_default()
            .iter()
            .map(|notice| at(notice["announced_for"].as_str().unwrap()))
            .collect()
    }

    pub(crate) fn owner(&self) -> Option<&str> {
        self.body["data"]["owner"].as_str()
    }
}

/// A channel that people read, and that can be made to answer otherwise.
#[derive(Debug)]
pub(crate) struct Channel {
    server: MockServer,
    posts: Arc<Mutex<Vec<Post>>>,
    answer: Arc<Mutex<u16>>,
}

struct Listener {
    clock: Clock,
    posts: Arc<Mutex<Vec<Post>>>,
    answer: Arc<Mutex<u16>>,
}

/// By which a message is known on every try; chats get none.
fn id_of(request: &Request) -> String {
    let id = request.headers.get("webhook-id");
    id.map_or_else(String::new, |id| id.to_str().unwrap().to_owned())
}

impl Respond for Listener {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let answer = *self.answer.lock().unwrap();
        self.posts.lock().unwrap().push(Post {
            at: self.clock.now(),
            id: id_of(request),
            accepted: (200..300).contains(&answer),
            body: request.body_json().unwrap(),
        });
        ResponseTemplate::new(answer)
    }
}

impl Channel {
    async fn open(clock: &Clock) -> Self {
        let server = MockServer::start().await;
        let (posts, answer) = (Arc::new(Mutex::default()), Arc::new(Mutex::new(200)));
        let listener = Listener {
            clock: clock.clone(),
            posts: Arc::clone(&posts),
            answer: Arc::clone(&answer),
        };
        Mock::given(any()).respond_with(listener).mount(&server).await;
        Self {
            server,
            posts,
            answer,
        }
    }

    /// From now on it answers with this status.
    pub(crate) fn answers(&self, status: u16) {
        *self.answer.lock().unwrap() = status;
    }

    /// All posts, accepted or not.
    pub(crate) fn tries(&self) -> Vec<Post> {
        self.posts.lock().unwrap().clone()
    }

    /// What it accepted.
    pub(crate) fn posts(&self) -> Vec<Post> {
        let mut posts = self.tries();
        posts.retain(|post| post.accepted);
        posts
    }

    /// What it accepted of this event, with times.
    pub(crate) fn told(&self, event: &str) -> Vec<Post> {
        let mut posts = self.posts();
        posts.retain(|post| post.events().iter().any(|told| told == event));
        posts
    }

    /// What it accepted, where it is a Slack channel: the paragraphs of each message, without the footer.
    pub(crate) fn chat(&self) -> Vec<String> {
        let texts = |post: Post| {
            let blocks = post.body["blocks"].as_array().unwrap();
            let paragraphs = blocks.iter().filter_map(|block| block["text"]["text"].as_str());
            paragraphs.collect::<Vec<_>>().join("\n\n")
        };
        self.posts().into_iter().map(texts).collect()
    }

    /// All that it accepted, as time and events: what its readers saw.
    pub(crate) fn diary(&self) -> Vec<(DateTime<Utc>, String)> {
        let line = |post: &Post| (post.at, post.events().join(" + "));
        self.posts().iter().map(line).collect()
    }
}

/// The daemon without its scheduler, and the world around it.
pub(crate) struct Installation {
    pub(crate) simulator: Simulator,
    pub(crate) house: House,
    pub(crate) desk: Channel,
    pub(crate) siem: Channel,
    hand: ClockHand,
    courier: Courier<ChannelSecrets>,
    server: Server,
    folder: tempfile::TempDir,
}

/// Patient as by default, save for pauses that nobody needs here.
pub(crate) fn pace() -> Pace {
    Pace {
        attempts: 3,
        backoff: Duration::from_millis(5),
        longest_backoff: Duration::from_millis(20),
        first_report_poll: Duration::from_millis(5),
        first_job_poll: Duration::from_millis(5),
        longest_poll: Duration::from_millis(20),
        rate: CallRate {
            per_second: 10_000.0,
            burst: 10_000.0,
            floor: 1_000.0,
        },
        ..Pace::default()
    }
}

/// The rules that every story has, in the mode that it is in by default; it names the others that it is about.
const COMMON: [&str; 4] = [
    "access_key_rotation",
    "unused_access_keys",
    "password_policy",
    "unused_permissions",
];

fn configured(rules: &str) -> Config {
    let silent = REGISTRY
        .iter()
        .map(|rule| rule.name)
        .filter(|name| !COMMON.contains(name) && !rules.contains(name))
        .map(|name| format!("[rules.{name}]\nmode = \"off\"\n"))
        .collect::<String>();
    let text = format!("{rules}\n{CHANNELS}\n{silent}");
    let loaded = config::load_text(Path::new("iamwarden.toml"), &text, &Environment::empty());
    loaded.unwrap_or_else(|errors| panic!("{errors}")).config
}

impl Installation {
    /// At the beginning, in an account like this, under these rules.
    pub(crate) async fn begin(account: AccountSeed, rules: &str) -> Self {
        Self::begin_in(Seed::of(account), rules).await
    }

    /// At the beginning, in a world like this, where the credentials are of the first account.
    pub(crate) async fn begin_in(seed: Seed, rules: &str) -> Self {
        Self::begin_at_pace(seed, rules, pace()).await
    }

    /// At the beginning, in a world like this, with that much patience.
    pub(crate) async fn begin_at_pace(seed: Seed, rules: &str, pace: Pace) -> Self {
        let seed = Seed {
            now: Some(at(BEGIN)),
            frozen: true,
            ..seed
        };
        let simulator = Simulator::from_seed(&seed).unwrap();
        let server = simulator.serve_on_thread("127.0.0.1:0").unwrap();
        let (clock, hand) = Clock::manual(at(BEGIN));
        let (desk, siem) = (Channel::open(&clock).await, Channel::open(&clock).await);
        let folder = tempfile::tempdir().unwrap();
        let own = simulator.credentials(ACCOUNT).unwrap();
        let ambient = Arc::new(Ambient::fixed(
            server.url(),
            own.access_key_id,
            own.secret_access_key.into(),
            pace,
        ));
        // Whoever knows the URL of a channel can post there.
        let (desk_url, siem_url) = [&desk, &siem]
            .map(|channel| format!("{}/{SECRET_PATH}", channel.server.uri()))
            .into();
        let environment = move |name: &str| match name {
            "DESK" => Some(desk_url.clone()),
            "SIEM" => Some(siem_url.clone()),
            "SECRET" => Some(format!("whsec_{SIGNING_SECRET}")),
            _ => None,
        };
        let secrets = Arc::new(Secrets::new(environment, Arc::clone(&ambient)));
        let house = House {
            roster: None,
            config: Arc::new(configured(rules)),
            sessions: Arc::new(Sessions::new(ambient, secrets, "flows")),
            state: Some(open_state(&folder).await),
            clock,
            shutdown: Shutdown::new(),
            holder: "flows".to_owned(),
            decided: iamwarden::daemon::Wake::new(),
            standstill: Default::default(),
            metrics: None,
        };
        Self {
            courier: house.courier().unwrap(),
            simulator,
            house,
            desk,
            siem,
            hand,
            server,
            folder,
        }
    }

    /// Another configuration, as by a reload.
    pub(crate) fn declare(&mut self, rules: &str) {
        self.house.config = Arc::new(configured(rules));
        self.courier = self.house.courier().unwrap();
    }

    /// The configuration, otherwise.
    pub(crate) fn configure(&mut self, change: impl FnOnce(&mut Config)) {
        change(Arc::make_mut(&mut self.house.config));
        self.courier = self.house.courier().unwrap();
    }

    /// The process ends and starts again: all that it knows by then is in the state.
    pub(crate) async fn restart(&mut self) {
        self.state().close().await;
        self.house.state = Some(open_state(&self.folder).await);
        self.courier = self.house.courier().unwrap();
    }

    pub(crate) fn state(&self) -> &State {
        self.house.state.as_ref().unwrap()
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.house.clock.now()
    }

    /// Moves all clocks, here and at AWS.
    /// This machine's clock alone: AWS has another time.
    pub(crate) fn set_own_clock(&self, time: DateTime<Utc>) {
        self.hand.set(time);
    }

    pub(crate) fn watchers_of_the_clock(&self) -> usize {
        self.hand.watchers()
    }

    pub(crate) fn go_to(&self, time: DateTime<Utc>) {
        self.hand.set(time);
        self.simulator.clock().set(time);
    }

    /// One tick of the daemon: every rule, and then the outbox.
    pub(crate) async fn run(&self) -> Done {
        let done = self.house.run("run", &Selection::default()).await.unwrap();
        self.deliver().await;
        done
    }

    /// The outbox alone, as between ticks.
    pub(crate) async fn deliver(&self) -> DeliveryReport {
        let budget = Duration::from_secs(60);
        self.house
            .deliver(&self.courier, self.state(), budget)
            .await
            .unwrap()
    }

    pub(crate) async fn run_at(&self, time: DateTime<Utc>) -> Done {
        self.go_to(time);
        self.run().await
    }

    /// A tick every day at the time of day that it is now, up to and including `last`.
    pub(crate) async fn run_daily_until(&self, last: DateTime<Utc>) {
        self.run_every(days(1), last).await;
    }

    pub(crate) async fn run_every(&self, step: TimeDelta, last: DateTime<Utc>) {
        while self.now() + step <= last {
            self.run_at(self.now() + step).await;
        }
    }

    pub(crate) fn edit(&self, edit: &Edit) {
        self.simulator.edit(edit).unwrap();
    }

    /// Somebody else who works in the account.
    pub(crate) async fn somebody_else(&self) -> aws_sdk_iam::Client {
        let own = self.simulator.credentials(ACCOUNT).unwrap();
        let credentials = aws_credential_types::Credentials::new(
            own.access_key_id,
            own.secret_access_key,
            None,
            None,
            "somebody else",
        );
        let sdk = aws_config::defaults(aws_config::BehaviorVersion::latest())
            .region(aws_config::Region::from_static("us-east-1"))
            .endpoint_url(self.server.url())
            .credentials_provider(credentials)
            .load()
            .await;
        aws_sdk_iam::Client::new(&sdk)
    }

    /// The whole account, as it is.
    pub(crate) fn account(&self) -> Value {
        self.simulator.state(ACCOUNT).unwrap()
    }

    /// `Active` or `Inactive`; `None`: the key is gone.
    pub(crate) fn key_status(&self, user: &str, key: &str) -> Option<String> {
        let account = self.account();
        let keys = account["users"][user]["keys"].as_array().unwrap();
        let key = keys.iter().find(|known| known["id"] == key)?;
        Some(key["status"].as_str().unwrap().to_owned())
    }

    /// The calls that changed something, as operation and time.
    pub(crate) fn changes(&self) -> Vec<(String, DateTime<Utc>)> {
        let mut calls = self.simulator.calls();
        // Reports and jobs are asked for, but change nothing that anybody has.
        calls.retain(|call| call.mutates && call.took_effect && !call.operation.starts_with("Generate"));
        calls.into_iter().map(|call| (call.operation, call.at)).collect()
    }

    /// A person decides this action of the run's saved plan, as `iamwarden approve` records it.
    pub(crate) async fn decide(&self, done: &Done, action: &Action, verdict: Verdict) {
        let saved = self
            .state()
            .load_plan(&done.planned.plan.id)
            .await
            .unwrap()
            .unwrap();
        let plan: Plan = serde_json::from_str(&saved.document).unwrap();
        let action = plan.actions.iter().find(|saved| saved.id == action.id).unwrap();
        let decision = NewDecision {
            account: action.account.clone(),
            decision: Decision {
                action: action.id.clone(),
                verdict,
                precondition: action.precondition_digest(),
                config_digest: plan.config_digest.clone(),
                decided_at: self.now(),
                not_before: action.not_before,
                by: "sec-lead@example.com".to_owned(),
                via: Default::default(),
            },
        };
        let (state, decisions) = (self.state(), [decision]);
        state
            .record_decisions(&saved.id, &decisions, None, None, self.now())
            .await
            .unwrap();
    }

    /// `iamwarden rollback --action`, and its messages.
    pub(crate) async fn roll_back(&self, action: &Action) -> Vec<ActionReport> {
        self.roll_back_by_id(&action.id).await
    }

    pub(crate) async fn roll_back_by_id(&self, action: &ActionId) -> Vec<ActionReport> {
        let applied = self
            .state()
            .applied_actions(AppliedSelection::Action(action))
            .await
            .unwrap();
        let run = Run::new(&self.house, Reach::Change);
        run.begin(self.state(), "rollback", None).await.unwrap();
        let reports = run.roll_back(self.state(), &applied).await;
        run.tell_rollback(self.state(), &reports, "ops").await.unwrap();
        run.finish(self.state(), "done", &reports).await.unwrap();
        self.deliver().await;
        reports
    }

    /// Which secrets turn up in what was written to disk: the database and its log.
    pub(crate) fn leaks(&self) -> Vec<String> {
        let own = self.simulator.credentials(ACCOUNT).unwrap();
        let secrets = [SECRET_PATH, SIGNING_SECRET, &own.secret_access_key];
        let mut leaks = Vec::new();
        for file in std::fs::read_dir(self.folder.path()).unwrap() {
            let file = file.unwrap().path();
            let bytes = std::fs::read(&file).unwrap();
            let holds = |secret: &&str| {
                bytes
                    .windows(secret.len())
                    .any(|window| window == secret.as_bytes())
            };
            let found = secrets.into_iter().filter(holds);
            leaks.extend(found.map(|secret| format!("{secret} in {}", file.display())));
        }
        leaks
    }

    /// Works on the database behind everybody's back.
    pub(crate) async fn database<T>(&self, work: impl AsyncFnOnce(&mut SqliteConnection) -> T) -> T {
        let file = self.folder.path().join("state.db");
        let options = SqliteConnectOptions::new()
            .filename(file)
            .busy_timeout(Duration::from_secs(20));
        let mut connection = options.connect().await.unwrap();
        let done = work(&mut connection).await;
        connection.close().await.unwrap();
        done
    }

    /// Writes what is no freeze where the last word about the freeze stands.
    pub(crate) async fn spoil_the_freeze(&self) {
        let statements = "INSERT INTO journal (seq, at, kind, payload, previous, hash) \
             SELECT seq + 1, '2026-01-01T00:00:00.000000Z', 'freeze', '{}', hash, 'spoilt' FROM journal_head; \
             UPDATE journal_head SET seq = seq + 1, hash = 'spoilt'";
        self.database(async |connection| sqlx::raw_sql(statements).execute(connection).await.unwrap())
            .await;
    }

    /// The journal is whole, and no secret stands anywhere.
    pub(crate) async fn check_books(&self) {
        let verified = self.state().verify(None).await.unwrap();
        assert!(verified.is_whole(), "{verified:?}");
        assert_eq!(self.leaks(), Vec::<String>::new());
    }
}

async fn open_state(folder: &tempfile::TempDir) -> State {
    let url = format!("sqlite:{}", folder.path().join("state.db").display());
    State::open(&url).await.unwrap().state
}

/// The only action of a plan.
pub(crate) fn only_action(done: &Done) -> &Action {
    match done.planned.plan.actions.as_slice() {
        [action] => action,
        actions => panic!("one action was expected: {:#}", json!(actions)),
    }
}
