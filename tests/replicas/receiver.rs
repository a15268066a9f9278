//! The other side of a channel: keeps what is posted to it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use crate::support::{World, block_on, eventually};

/// A webhook that takes everything.
#[derive(Debug)]
pub(crate) struct Receiver {
    server: MockServer,
    door: Arc<Door>,
}

/// While it is shut, nobody gets an answer: whoever posted stands there.
#[derive(Debug, Default)]
struct Door {
    is_shut: Mutex<bool>,
    opened: Condvar,
    somebody_waits: AtomicBool,
}

struct Porter(Arc<Door>);

impl Respond for Porter {
    fn respond(&self, _: &Request) -> ResponseTemplate {
        let door = &self.0;
        let is_shut = door.is_shut.lock().unwrap();
        door.somebody_waits.store(*is_shut, Ordering::Release);
        drop(door.opened.wait_while(is_shut, |is_shut| *is_shut).unwrap());
        ResponseTemplate::new(204)
    }
}

/// A message, as it arrived.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Post {
    /// The same on every try.
    pub(crate) id: String,
    /// What it says.
    pub(crate) body: Value,
}

impl Receiver {
    /// Listens.
    pub(crate) fn open() -> Self {
        let door = Arc::new(Door::default());
        let porter = Porter(Arc::clone(&door));
        let server = block_on(async {
            let server = MockServer::start().await;
            Mock::given(any()).respond_with(porter).mount(&server).await;
            server
        });
        Self { server, door }
    }

    /// Lets whoever posts wait for the answer.
    pub(crate) fn shut(&self) {
        *self.door.is_shut.lock().unwrap() = true;
    }

    /// Waits until somebody posted and waits for the answer.
    pub(crate) fn wait_until_somebody_posted(&self) {
        eventually("nobody posted", || {
            self.door.somebody_waits.load(Ordering::Acquire)
        });
    }

    /// Answers again.
    pub(crate) fn reopen(&self) {
        *self.door.is_shut.lock().unwrap() = false;
        self.door.opened.notify_all();
    }

    /// Declares these rules, and this as the channel of all messages.
    pub(crate) fn declare(&self, world: &World, rules: &str) {
        let (url, secret) = (world.path("channel"), world.path("secret"));
        std::fs::write(&url, format!("{}/", self.server.uri())).unwrap();
        std::fs::write(&secret, "it is signed").unwrap();
        let (url, secret) = (url.display(), secret.display());
        world.declare(&format!(
            r#"{rules}
[notifications]
default_channel = "here"
allow_http = true
allow_networks = ["127.0.0.0/8"]

[[notifications.channels]]
name = "here"
kind = "webhook"
url = "file:{url}"
secret = "file:{secret}"
"#
        ));
    }

    /// Everything that was posted, in order.
    pub(crate) fn posts(&self) -> Vec<Post> {
        let requests = block_on(self.server.received_requests()).unwrap();
        let post = |request: Request| Post {
            id: request.headers["webhook-id"].to_str().unwrap().to_owned(),
            body: request.body_json().unwrap(),
        };
        requests.into_iter().map(post).collect()
    }

    /// Each message says the same whenever it is sent, and says what no other does.
    pub(crate) fn messages(&self) -> BTreeMap<String, Value> {
        let mut messages = BTreeMap::new();
        for post in self.posts() {
            let first = messages.entry(post.id).or_insert_with(|| post.body.clone());
            assert_eq!(*first, post.body);
        }
        let said: BTreeSet<_> = messages.values().map(content).collect();
        assert_eq!(said.len(), messages.len(), "{messages:#?}");
        messages
    }

    /// Of every change that was made its owner was told, by one message.
    pub(crate) fn assert_owners_were_told_once(&self, world: &World) {
        let mut told: Vec<_> = self.messages().values().flat_map(told_as_made).collect();
        told.sort();
        let attempts = world.attempts().into_iter();
        let mut made: Vec<_> = attempts
            .filter(|attempt| attempt.status == "applied")
            .map(|attempt| attempt.action)
            .collect();
        made.sort();
        assert_eq!(told, made);
    }
}

impl Drop for Receiver {
    /// The server does not end while somebody stands before the door.
    fn drop(&mut self) {
        self.reopen();
    }
}

/// What a message tells, to whom, whichever run wrote it.
fn content(body: &Value) -> String {
    let data = &body["data"];
    json!([data["owner"], data["events"]]).to_string()
}

/// The actions that a message tells their owner as made.
fn told_as_made(body: &Value) -> Vec<String> {
    let data = &body["data"];
    let actions = data["actions"].as_array().unwrap().iter();
    let made = actions.filter(|action| action["outcome"] == "applied");
    made.map(|action| {
        assert_eq!(action["owner"], data["owner"], "{body:#}");
        action["id"].as_str().unwrap().to_owned()
    })
    .collect()
}
