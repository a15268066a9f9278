use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};

use wiremock::matchers::{any, method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::*;
use crate::config::Config;
use crate::notify::SystemLookup;
use crate::notify::message::ActionOutcome;
use crate::notify::outbox::DueMessage;
use crate::notify::retry;
use crate::notify::sample::{self, Told};

/// A path that must never be seen anywhere but at the server.
const CANARY: &str = "/services/T0001/s3cr3tcanary";

#[derive(Debug, Clone, PartialEq)]
enum Fate {
    Due(DateTime<Utc>),
    Accepted { counts: bool },
    Dead,
}

#[derive(Debug, Clone)]
struct Row {
    message: DueMessage,
    fate: Fate,
    error: String,
}

#[derive(Debug, thiserror::Error)]
#[error("no such row")]
struct NoSuchRow;

/// An outbox in memory.
#[derive(Default)]
struct Rows(Mutex<Vec<Row>>);

impl Rows {
    fn of(messages: &[Message]) -> Self {
        let row = |message: &Message| Row {
            message: DueMessage {
                id: message.id.clone(),
                body: serde_json::to_string(message).unwrap(),
                attempts: 0,
            },
            fate: Fate::Due(sample::now()),
            error: String::new(),
        };
        Self(Mutex::new(messages.iter().map(row).collect()))
    }

    fn change(&self, id: &str, change: impl FnOnce(&mut Row)) -> Result<(), NoSuchRow> {
        let mut rows = self.0.lock().unwrap();
        change(
            rows.iter_mut()
                .find(|row| row.message.id == id)
                .ok_or(NoSuchRow)?,
        );
        Ok(())
    }

    fn row(&self, n: usize) -> Row {
        self.0.lock().unwrap()[n].clone()
    }

    fn due_again(&self, n: usize) {
        self.0.lock().unwrap()[n].fate = Fate::Due(sample::now());
    }
}

impl Outbox for Rows {
    type Error = NoSuchRow;

    async fn due_messages(&self, now: DateTime<Utc>, limit: usize) -> Result<Vec<DueMessage>, NoSuchRow> {
        let rows = self.0.lock().unwrap();
        let due = rows
            .iter()
            .filter(|row| matches!(row.fate, Fate::Due(at) if at <= now));
        Ok(due.map(|row| row.message.clone()).take(limit).collect())
    }

    async fn mark_accepted(&self, id: &str, _: DateTime<Utc>, counts: bool) -> Result<(), NoSuchRow> {
        self.change(id, |row| row.fate = Fate::Accepted { counts })
    }

    async fn mark_retry(&self, id: &str, next_at: DateTime<Utc>, error: &str) -> Result<(), NoSuchRow> {
        self.change(id, |row| {
            row.fate = Fate::Due(next_at);
            row.message.attempts += 1;
            row.error = error.to_owned();
        })
    }

    async fn postpone(&self, id: &str, until: DateTime<Utc>, reason: &str) -> Result<(), NoSuchRow> {
        self.change(id, |row| {
            row.fate = Fate::Due(until);
            row.error = reason.to_owned();
        })
    }

    async fn mark_dead(&self, id: &str, _: DateTime<Utc>, error: &str) -> Result<(), NoSuchRow> {
        self.change(id, |row| {
            row.fate = Fate::Dead;
            row.error = error.to_owned();
        })
    }
}

/// Secrets that change when they are read afresh.
#[derive(Debug, Default, Clone)]
struct Secrets {
    now: BTreeMap<String, String>,
    afresh: BTreeMap<String, String>,
}

impl Secrets {
    fn at(url: &str) -> Self {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned();
        let mut now = BTreeMap::from([("env:SIEM_SECRET".to_owned(), secret)]);
        for name in ["SLACK", "TEAMS", "SIEM"] {
            now.insert(format!("env:{name}_URL"), format!("{url}{CANARY}"));
        }
        Self {
            afresh: now.clone(),
            now,
        }
    }

    fn with(mut self, name: &str, url: &str) -> Self {
        self.now.insert(name.to_owned(), url.to_owned());
        self.afresh.insert(name.to_owned(), url.to_owned());
        self
    }
}

fn read(
    secrets: &BTreeMap<String, String>,
    reference: &SecretReference,
) -> Result<SecretString, SecretUnavailable> {
    let found = secrets.get(&reference.to_string()).cloned();
    found.map(SecretString::from).ok_or_else(|| SecretUnavailable {
        reference: reference.clone(),
        source: "not set".into(),
    })
}

impl SecretSource for Secrets {
    async fn resolve(&self, reference: &SecretReference) -> Result<SecretString, SecretUnavailable> {
        read(&self.now, reference)
    }

    async fn refresh(&self, reference: &SecretReference) -> Result<SecretString, SecretUnavailable> {
        read(&self.afresh, reference)
    }
}

fn config() -> Config {
    let mut config = sample::config();
    config.notifications.allow_http = true;
    config.notifications.allow_networks = vec!["127.0.0.0/8".parse().unwrap()];
    config
}

fn settings() -> CourierSettings {
    CourierSettings {
        timeout: Duration::from_secs(5),
        slack_interval: Duration::ZERO,
        gone_compared_every: Duration::ZERO,
        ..CourierSettings::default()
    }
}

fn courier(config: &Config, secrets: Secrets) -> Courier<Secrets> {
    Courier::new(&config.notifications, Arc::new(SystemLookup), secrets, settings()).unwrap()
}

async fn deliver(courier: &Courier<Secrets>, rows: &Rows) -> DeliveryReport {
    let budget = Duration::from_secs(30);
    courier.deliver_due(rows, &sample::now, budget).await.unwrap()
}

/// A warning for the Slack channel, and its copy for the webhook.
fn warning() -> Vec<Message> {
    let outgoing = Told::warning().messages(&sample::config());
    outgoing.into_iter().map(|o| o.message).collect()
}

fn several(count: usize) -> Vec<Message> {
    let one = &warning()[0];
    let numbered = |n| Message {
        id: format!("msg_{n}"),
        ..one.clone()
    };
    (0..count).map(numbered).collect()
}

async fn answering(template: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(template).mount(&server).await;
    server
}

fn text(body: &str) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_string(body)
}

async fn requests(server: &MockServer) -> Vec<Request> {
    server.received_requests().await.unwrap()
}

fn header(request: &Request, name: &str) -> String {
    request.headers.get(name).unwrap().to_str().unwrap().to_owned()
}

#[tokio::test]
async fn accepted_messages_count_and_copies_do_not() {
    let server = answering(text("ok")).await;
    let rows = Rows::of(&warning());
    let report = deliver(&courier(&config(), Secrets::at(&server.uri())), &rows).await;
    assert_eq!(
        report,
        DeliveryReport {
            accepted: 2,
            ..DeliveryReport::default()
        }
    );
    assert_eq!(rows.row(0).fate, Fate::Accepted { counts: true });
    assert_eq!(rows.row(1).fate, Fate::Accepted { counts: false });
    let received = requests(&server).await;
    let signed = received
        .iter()
        .find(|r| r.headers.contains_key("webhook-signature"))
        .unwrap();
    assert_eq!(header(signed, "webhook-id"), rows.row(1).message.id);
    assert_eq!(
        header(signed, "webhook-timestamp"),
        sample::now().timestamp().to_string()
    );
    let secret = SecretString::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned());
    let body = String::from_utf8(signed.body.clone()).unwrap();
    let expected = SigningSecret::parse(&secret)
        .unwrap()
        .sign(&rows.row(1).message.id, sample::now(), &body);
    assert_eq!(header(signed, "webhook-signature"), expected);
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["type"], "access_key.expiring");
}

#[tokio::test]
async fn retry_after_is_honoured_for_the_whole_channel() {
    let server = answering(ResponseTemplate::new(429).insert_header("Retry-After", "120")).await;
    let rows = Rows::of(&several(3));
    let report = deliver(&courier(&config(), Secrets::at(&server.uri())), &rows).await;
    assert_eq!((report.retried, report.postponed), (1, 2));
    assert_eq!(requests(&server).await.len(), 1);
    let later = Fate::Due(sample::now() + TimeDelta::seconds(120));
    for n in 0..3 {
        assert_eq!(rows.row(n).fate, later);
        assert_eq!(rows.row(n).message.attempts, u32::from(n == 0));
    }
    insta::assert_snapshot!(rows.row(0).error, @"the channel answered 429 Too Many Requests: it asks to slow down");
}

#[tokio::test]
async fn a_hanging_channel_delays_no_other() {
    let slow = answering(text("ok").set_delay(Duration::from_secs(60))).await;
    let good = answering(text("ok")).await;
    let secrets = Secrets::at(&good.uri()).with("env:SLACK_URL", &format!("{}{CANARY}", slow.uri()));
    let mut settings = settings();
    settings.timeout = Duration::from_millis(300);
    let notifications = config().notifications;
    let courier = Courier::new(&notifications, Arc::new(SystemLookup), secrets, settings).unwrap();
    let rows = Rows::of(&warning());
    let report = deliver(&courier, &rows).await;
    assert_eq!((report.accepted, report.retried), (1, 1));
    assert!(matches!(rows.row(0).fate, Fate::Due(at) if at > sample::now()));
    assert_eq!(rows.row(1).fate, Fate::Accepted { counts: false });
    insta::assert_snapshot!(rows.row(0).error, @"the channel did not answer within 300ms: check that its service works");
}

#[tokio::test]
async fn the_end_of_the_time_leaves_a_message_as_it_was() {
    let slow = answering(text("ok").set_delay(Duration::from_secs(60))).await;
    let rows = Rows::of(&several(2));
    let courier = courier(&config(), Secrets::at(&slow.uri()));
    let report = courier
        .deliver_due(&rows, &sample::now, Duration::from_millis(300))
        .await
        .unwrap();
    assert_eq!(
        report,
        DeliveryReport {
            left: 2,
            ..DeliveryReport::default()
        }
    );
    assert_eq!(
        (rows.row(0).fate, rows.row(0).message.attempts),
        (Fate::Due(sample::now()), 0)
    );
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let target = answering(text("ok")).await;
    let redirect = ResponseTemplate::new(302).insert_header("Location", target.uri());
    let server = answering(redirect).await;
    let rows = Rows::of(&several(1));
    deliver(&courier(&config(), Secrets::at(&server.uri())), &rows).await;
    assert!(requests(&target).await.is_empty());
    assert_eq!(rows.row(0).message.attempts, 1);
    // Refusals are given up sooner than failures that may pass.
    rows.change("msg_0", |row| {
        row.message.attempts = retry::TRIES_WHEN_REFUSED - 1
    })
    .unwrap();
    rows.due_again(0);
    deliver(&courier(&config(), Secrets::at(&server.uri())), &rows).await;
    assert_eq!(rows.row(0).fate, Fate::Dead);
    insta::assert_snapshot!(rows.row(0).error, @"the channel answered 302 Found: redirects are not followed, store the URL that it leads to");
}

#[tokio::test]
async fn gone_disables_the_channel_until_its_url_changes() {
    let server = answering(ResponseTemplate::new(410).set_body_string("channel_is_archived")).await;
    let rows = Rows::of(&several(3));
    let mut courier = courier(&config(), Secrets::at(&server.uri()));
    let report = deliver(&courier, &rows).await;
    assert_eq!(
        report,
        DeliveryReport {
            dead: 3,
            ..DeliveryReport::default()
        }
    );
    assert_eq!(requests(&server).await.len(), 1);
    insta::assert_snapshot!(rows.row(0).error, @r#"the channel answered 410 Gone ("channel_is_archived"): it is gone, store the URL of a new webhook"#);
    insta::assert_snapshot!(rows.row(2).error, @"the channel said that it is gone (410): store the URL of a new webhook");
    let good = answering(text("ok")).await;
    courier.secrets = Secrets::at(&good.uri());
    rows.due_again(0);
    assert_eq!(deliver(&courier, &rows).await.accepted, 1);
}

#[tokio::test]
async fn a_rotated_url_is_read_afresh_once() {
    let server = MockServer::start().await;
    let old = Mock::given(method("POST")).and(path("/old"));
    old.respond_with(ResponseTemplate::new(404).set_body_string("no_service"))
        .expect(1)
        .mount(&server)
        .await;
    let new = Mock::given(method("POST")).and(path("/new"));
    new.respond_with(text("ok")).expect(1).mount(&server).await;
    let mut secrets = Secrets::at(&server.uri()).with("env:SLACK_URL", &format!("{}/old", server.uri()));
    secrets
        .afresh
        .insert("env:SLACK_URL".to_owned(), format!("{}/new", server.uri()));
    let rows = Rows::of(&several(1));
    assert_eq!(deliver(&courier(&config(), secrets), &rows).await.accepted, 1);
}

#[tokio::test]
async fn answers_that_lie_are_not_accepted() {
    for lie in [
        "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429",
        r#"{"ok":false,"error":"s3cr3tcanary is not known"}"#,
        "no_service",
    ] {
        let server = answering(text(lie)).await;
        let rows = Rows::of(&several(1));
        let report = deliver(&courier(&config(), Secrets::at(&server.uri())), &rows).await;
        assert_eq!(report.retried, 1, "{lie}");
        assert!(
            !rows.row(0).error.contains("s3cr3tcanary"),
            "{}",
            rows.row(0).error
        );
    }
}

#[tokio::test]
async fn every_try_has_the_same_id_and_its_own_time() {
    let server = answering(ResponseTemplate::new(503)).await;
    let rows = Rows::of(&warning()[1..]);
    let courier = courier(&config(), Secrets::at(&server.uri()));
    let seconds = AtomicUsize::new(0);
    let clock = || sample::now() + TimeDelta::seconds(seconds.load(Ordering::SeqCst) as i64);
    let minute = Duration::from_secs(30);
    courier.deliver_due(&rows, &clock, minute).await.unwrap();
    seconds.store(60, Ordering::SeqCst);
    courier.deliver_due(&rows, &clock, minute).await.unwrap();
    let received = requests(&server).await;
    assert_eq!(received.len(), 2);
    assert_eq!(
        header(&received[0], "webhook-id"),
        header(&received[1], "webhook-id")
    );
    assert_ne!(
        header(&received[0], "webhook-timestamp"),
        header(&received[1], "webhook-timestamp")
    );
    assert_ne!(
        header(&received[0], "webhook-signature"),
        header(&received[1], "webhook-signature")
    );
    assert_eq!(rows.row(0).message.attempts, 2);
    // The eighth failure is the last.
    rows.change(&warning()[1].id, |row| row.message.attempts = 7)
        .unwrap();
    rows.due_again(0);
    courier.deliver_due(&rows, &clock, minute).await.unwrap();
    assert_eq!(rows.row(0).fate, Fate::Dead);
}

#[tokio::test]
async fn what_may_not_be_reached_is_not_reached_and_not_repeated() {
    let server = answering(text("ok")).await;
    let mut strict = config();
    strict.notifications.allow_networks.clear();
    let rows = Rows::of(&several(1));
    deliver(&courier(&strict, Secrets::at(&server.uri())), &rows).await;
    assert!(requests(&server).await.is_empty());
    insta::assert_snapshot!(rows.row(0).error, @"the channel's host is at 127.0.0.1 (loopback), where messages may not go: mend the URL, or list the network in notifications.allow_networks");
    // Nobody listens on port 1.
    let rows = Rows::of(&several(1));
    deliver(&courier(&config(), Secrets::at("http://127.0.0.1:1")), &rows).await;
    insta::assert_snapshot!(rows.row(0).error, @"the channel could not be reached (Connection refused (os error 111)): check URL, name service and network");
    let rows = Rows::of(&several(1));
    deliver(&courier(&config(), Secrets::default()), &rows).await;
    assert_eq!(rows.row(0).message.attempts, 1);
    insta::assert_snapshot!(rows.row(0).error, @"the secret `env:SLACK_URL` could not be read: check that it exists and may be read (not set)");
}

/// A name that is at one place when it is checked, and at another when it is asked again.
struct Flipping(AtomicUsize);

impl HostLookup for Flipping {
    fn lookup(&self, _: &str) -> Pin<Box<dyn Future<Output = std::io::Result<Vec<IpAddr>>> + Send>> {
        let first = self.0.fetch_add(1, Ordering::SeqCst) == 0;
        let address: IpAddr = if first { [127, 0, 0, 1] } else { [169, 254, 170, 2] }.into();
        Box::pin(async move { Ok(vec![address]) })
    }
}

#[tokio::test]
async fn a_name_whose_address_flips_gains_nothing() {
    let server = answering(text("ok")).await;
    let url = format!("http://hooks.example.com:{}{CANARY}", server.address().port());
    let secrets = Secrets::default().with("env:SLACK_URL", &url);
    let lookup = Arc::new(Flipping(AtomicUsize::new(0)));
    let courier = Courier::new(&config().notifications, lookup, secrets, settings()).unwrap();
    let rows = Rows::of(&several(2));
    let report = deliver(&courier, &rows).await;
    // The first connection went to the address that was checked; the second look-up was refused.
    assert_eq!((report.accepted, report.retried), (1, 1));
    assert_eq!(requests(&server).await.len(), 1);
    assert!(
        rows.row(1).error.contains("169.254.170.2"),
        "{}",
        rows.row(1).error
    );
    assert!(!rows.row(1).error.contains("hooks.example.com"));
}

#[tokio::test]
async fn what_cannot_be_sent_at_all_is_given_up_at_once() {
    let mut messages = several(2);
    messages[0].channel = "nowhere".to_owned();
    let rows = Rows::of(&messages);
    rows.change("msg_1", |row| row.message.body = "{".to_owned())
        .unwrap();
    let report = deliver(&courier(&config(), Secrets::default()), &rows).await;
    assert_eq!(report.dead, 2);
    insta::assert_snapshot!(rows.row(0).error, @"the channel `nowhere` is not declared: add it to notifications.channels");
    insta::assert_snapshot!(rows.row(1).error, @"the stored message cannot be read (EOF while parsing an object at line 1 column 1)");
}

#[tokio::test]
async fn a_failing_message_does_not_stop_its_channel() {
    let server = MockServer::start().await;
    let first = Mock::given(any()).and(wiremock::matchers::header("webhook-id", "msg_0"));
    first
        .respond_with(ResponseTemplate::new(500))
        .mount(&server)
        .await;
    Mock::given(any()).respond_with(text("ok")).mount(&server).await;
    let rows = Rows::of(&several(3));
    let report = deliver(&courier(&config(), Secrets::at(&server.uri())), &rows).await;
    assert_eq!((report.accepted, report.retried), (2, 1));
}

#[tokio::test]
async fn channels_can_be_checked_and_tried_out() {
    let server = answering(text("ok")).await;
    let courier = courier(&config(), Secrets::at(&server.uri()));
    courier.check_channel("siem").await.unwrap();
    assert!(requests(&server).await.is_empty());
    courier.send_test("siem", "msg_1", sample::now()).await.unwrap();
    assert_eq!(requests(&server).await.len(), 1);
    let error = courier.check_channel("nowhere").await.unwrap_err();
    insta::assert_snapshot!(error, @"the channel `nowhere` is not declared: add it to notifications.channels");
}

#[tokio::test]
async fn results_reach_teams_too() {
    let server = answering(ResponseTemplate::new(202)).await;
    let mut message = Told::result(ActionOutcome::Applied).message_for("secops");
    message.channel = "platform".to_owned();
    let rows = Rows::of(&[message]);
    assert_eq!(
        deliver(&courier(&config(), Secrets::at(&server.uri())), &rows)
            .await
            .accepted,
        1
    );
}
