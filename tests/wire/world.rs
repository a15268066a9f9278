//! A simulated account, and iamwarden's way into it.

use std::sync::Arc;
use std::time::Duration;

use aws_simulator::{Edit, Fault, FaultKind, Seed, Server, Simulator};
use chrono::{DateTime, TimeDelta, Utc};
use iamwarden::aws::{Ambient, CallRate, ConnectError, Pace, Purpose, Secrets, Session, Sessions};
use iamwarden::config::Account;
use iamwarden::model::{AccountId, Arn};

pub(crate) const ACCOUNT: &str = "123456789012";

pub(crate) struct World {
    pub(crate) simulator: Simulator,
    pub(crate) server: Option<Server>,
    url: String,
}

/// As patient as tests can afford.
pub(crate) fn pace() -> Pace {
    Pace {
        connect: Duration::from_secs(2),
        attempt: Duration::from_secs(3),
        operation: Duration::from_secs(30),
        attempts: 3,
        backoff: Duration::from_millis(5),
        longest_backoff: Duration::from_millis(20),
        // Long enough for what does come on a busy machine; what never comes is waited for so long.
        report: Duration::from_secs(3),
        advisor: Duration::from_secs(3),
        first_report_poll: Duration::from_millis(5),
        first_job_poll: Duration::from_millis(5),
        longest_poll: Duration::from_millis(200),
        secrets: Duration::from_secs(300),
        rate: CallRate {
            per_second: 5000.0,
            burst: 5000.0,
            floor: 1000.0,
        },
    }
}

impl World {
    /// Plants the account with this content, in TOML.
    pub(crate) fn plant(content: &str) -> Self {
        Self::of(&Seed::parse(&format!("[[accounts]]\nid = \"{ACCOUNT}\"\n{content}")).unwrap())
    }

    pub(crate) fn of(seed: &Seed) -> Self {
        let simulator = Simulator::from_seed(seed).unwrap();
        let server = simulator.serve_on_thread("127.0.0.1:0").unwrap();
        Self {
            simulator,
            url: server.url(),
            server: Some(server),
        }
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.simulator.clock().now()
    }

    pub(crate) fn ago(&self, days: i64) -> DateTime<Utc> {
        self.now() - TimeDelta::days(days)
    }

    /// Sessions of the account's own caller.
    pub(crate) fn sessions(&self, account: &str) -> Sessions {
        let own = self.simulator.credentials(account).unwrap();
        let secret = own.secret_access_key.into();
        let ambient = Arc::new(Ambient::fixed(&self.url, own.access_key_id, secret, pace()));
        let secrets = Secrets::new(|_| None, Arc::clone(&ambient));
        Sessions::new(ambient, Arc::new(secrets), "test")
    }

    /// Secrets that are believed for so long.
    pub(crate) fn secrets(&self, believed: Duration) -> Secrets {
        let own = self.simulator.credentials(ACCOUNT).unwrap();
        let secret = own.secret_access_key.into();
        let pace = Pace {
            secrets: believed,
            ..pace()
        };
        let ambient = Ambient::fixed(&self.url, own.access_key_id, secret, pace);
        Secrets::new(|_| None, Arc::new(ambient))
    }

    pub(crate) async fn connect(&self, account: Option<&Account>) -> Result<Session, ConnectError> {
        self.sessions(ACCOUNT)
            .connect(account, Purpose::Work, self.now())
            .await
    }

    pub(crate) async fn session(&self) -> Session {
        self.connect(None).await.unwrap()
    }

    pub(crate) fn fault(&self, kind: FaultKind, operation: &str) -> Fault {
        Fault::new(kind).on(operation)
    }

    pub(crate) fn break_down(&self, kind: FaultKind, operation: &str) {
        self.simulator.faults().add(Fault::new(kind).on(operation));
    }

    pub(crate) fn edit(&self, edit: &Edit) {
        self.simulator.edit(edit).unwrap();
    }

    pub(crate) fn calls_of(&self, operation: &str) -> usize {
        let calls = self.simulator.calls();
        calls.iter().filter(|call| call.operation == operation).count()
    }
}

pub(crate) fn id() -> AccountId {
    AccountId::parse(ACCOUNT).unwrap()
}

/// The ARN of something in the account: `user/alice`.
pub(crate) fn arn(resource: &str) -> Arn {
    Arn::parse(&format!("arn:aws:iam::{ACCOUNT}:{resource}")).unwrap()
}
