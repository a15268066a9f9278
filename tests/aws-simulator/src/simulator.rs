//! The simulator as a handle: planting, asking, editing, and answering calls.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::Utc;
use hyper::http::request::Parts;
use serde_json::Value;

use crate::calls::{Call, CallLog, Counts, Outcome};
use crate::clock::Clock;
use crate::context::Answer;
use crate::edit::{Edit, EditError};
use crate::faults::{Fault, FaultKind, Faults, Hold, Holds, Moment, Release, Subject};
use crate::lock;
use crate::seed::{Consistency, MemberSeed, Paging, Seed, SeedError};
use crate::wire::error::AwsError;
use crate::wire::reply::{self, HttpAnswer};
use crate::wire::request::Request;
use crate::wire::service::{Protocol, Service};
use crate::world::{self, World};

/// A simulator. Clones are handles to the same one.
#[derive(Debug, Clone)]
pub struct Simulator {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    world: Mutex<World>,
    clock: Clock,
    calls: CallLog,
    faults: Faults,
    holds: Holds,
}

/// Credentials of a seeded caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The access key id.
    pub access_key_id: String,
    /// The secret access key, which nobody checks.
    pub secret_access_key: String,
}

/// What goes back over the connection.
#[derive(Debug)]
pub(crate) enum Reply {
    Answer(HttpAnswer),
    Reset,
}

impl Simulator {
    /// A simulator of this world. Its clock starts at the seed's `now`, or at the wall clock's time.
    pub fn from_seed(seed: &Seed) -> Result<Self, SeedError> {
        let now = seed.now.unwrap_or_else(Utc::now);
        let clock = if seed.frozen {
            Clock::frozen(now)
        } else {
            Clock::running(now)
        };
        let world = World::planted(seed, clock.now())?;
        let shared = Shared {
            world: Mutex::new(world),
            clock,
            calls: CallLog::default(),
            faults: Faults::default(),
            holds: Holds::default(),
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// Plants another world in place of this one: accounts, sessions and settings, and the clock if the seed sets it.
    /// Calls, faults and holds stay.
    pub fn replant(&self, seed: &Seed) -> Result<(), SeedError> {
        let now = seed.now.unwrap_or_else(|| self.shared.clock.now());
        let world = World::planted(seed, now)?;
        if seed.now.is_some() {
            self.shared.clock.set(now);
        }
        if seed.frozen {
            self.shared.clock.freeze();
        }
        *lock(&self.shared.world) = world;
        Ok(())
    }

    /// The clock.
    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// The faults in force.
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// The calls held now.
    pub fn holds(&self) -> &Holds {
        &self.shared.holds
    }

    /// All calls since the start or the last [`Simulator::clear_calls`].
    pub fn calls(&self) -> Vec<Call> {
        self.shared.calls.all()
    }

    /// How often each operation was called.
    pub fn counts(&self) -> Counts {
        self.shared.calls.counts()
    }

    /// Forgets all calls.
    pub fn clear_calls(&self) {
        self.shared.calls.clear();
    }

    /// The ids of all accounts.
    pub fn accounts(&self) -> Vec<String> {
        lock(&self.shared.world).slots.keys().cloned().collect()
    }

    /// The whole state of an account, as it is and not as stale reads see it.
    pub fn state(&self, account: &str) -> Option<Value> {
        let world = lock(&self.shared.world);
        serde_json::to_value(&world.slots.get(account)?.account).ok()
    }

    /// The credentials of an account's first caller.
    pub fn credentials(&self, account: &str) -> Option<Credentials> {
        let world = lock(&self.shared.world);
        let caller = world.slots.get(account)?.credentials.first()?;
        Some(Credentials {
            access_key_id: caller.access_key_id.clone(),
            secret_access_key: caller.secret_access_key.clone(),
        })
    }

    /// Changes something behind the callers' backs, as somebody at a console would.
    pub fn edit(&self, edit: &Edit) -> Result<(), EditError> {
        edit.apply(&mut lock(&self.shared.world), self.shared.clock.now())
    }

    /// An account comes to the organization, is moved, closed or called otherwise. Without an organization nothing happens.
    pub fn set_member(&self, member: MemberSeed) -> Result<(), SeedError> {
        match &mut lock(&self.shared.world).organization {
            Some(organization) => organization.put(member),
            None => Ok(()),
        }
    }

    /// An account leaves the organization; `false`: it was not there.
    pub fn remove_member(&self, account: &str) -> bool {
        let organization = &mut lock(&self.shared.world).organization;
        organization
            .as_mut()
            .is_some_and(|organization| organization.remove(account))
    }

    /// Sets how lists are cut into pages.
    pub fn set_paging(&self, paging: Paging) {
        lock(&self.shared.world).paging = paging;
    }

    /// Sets when writes become visible. Those that wait already stay so.
    pub fn set_consistency(&self, consistency: Consistency) {
        lock(&self.shared.world).consistency = consistency;
    }

    /// Makes all writes visible, in one account or in all.
    pub fn release_writes(&self, account: Option<&str>) {
        lock(&self.shared.world).release_writes(account);
    }

    /// Answers one request of an SDK.
    pub(crate) async fn answer(&self, head: &Parts, body: &[u8]) -> Reply {
        let Some(request) = Request::read(&head.method, &head.uri, &head.headers, body) else {
            let request_id = lock(&self.shared.world).request_id();
            let error = AwsError::new(
                "UnknownOperationException",
                404,
                "Neither a Query nor a JSON request.",
            );
            return Reply::Answer(reply::refusal(Service::Iam, Protocol::Query, &error, request_id));
        };
        let turn = Turn::begin(self, request);
        if turn.striking.iter().any(|fault| fault.detached) {
            let n = turn.n;
            let reply = tokio::spawn(turn.take()).await.unwrap_or(Reply::Reset);
            if matches!(reply, Reply::Reset) {
                self.shared.calls.end(n, Outcome::NoAnswer);
            }
            return reply;
        }
        turn.take().await
    }
}

/// One call on its way through faults and effect.
struct Turn {
    simulator: Simulator,
    request: Request,
    caller: Result<crate::caller::Caller, AwsError>,
    n: u64,
    striking: Vec<Fault>,
    request_id: String,
}

/// How a call that was struck by a fault ends.
enum Struck {
    Error(AwsError),
    Reset,
}

impl Turn {
    /// Takes the call down and finds out what will befall it.
    fn begin(simulator: &Simulator, request: Request) -> Self {
        let shared = &simulator.shared;
        let now = shared.clock.now();
        let (caller, request_id) = {
            let mut world = lock(&shared.world);
            (world.identify(request.signer.as_ref(), now), world.request_id())
        };
        let parameters = request.parameters();
        let known = caller.as_ref().ok();
        let mutates = world::mutates(&request);
        let subject = Subject {
            service: request.service,
            operation: &request.operation,
            account: known.map(|caller| caller.account.as_str()),
            region: request.region(),
            parameters: &parameters,
            mutates,
        };
        let striking = shared.faults.striking(&subject);
        let from_the_start = striking.iter().any(|fault| fault.kind == FaultKind::FirstPage);
        let n = shared.calls.begin(Call {
            n: 0,
            at: now,
            account: known.map(|caller| caller.account.clone()),
            caller: known.map(|caller| caller.arn.clone()),
            region: request.region().to_owned(),
            service: request.service,
            operation: request.operation.clone(),
            parameters,
            mutates,
            took_effect: false,
            outcome: Outcome::Pending,
        });
        let mut request = request;
        if from_the_start {
            request.query.forget("Marker");
        }
        Self {
            simulator: simulator.clone(),
            request,
            caller,
            n,
            striking,
            request_id,
        }
    }

    async fn take(self) -> Reply {
        let shared = self.simulator.shared.clone();
        // A client that goes drops this future: then the call ends here, without an answer.
        let _ending = Ending {
            calls: &shared.calls,
            n: self.n,
        };
        match self.run(&shared).await {
            Ok(answer) => {
                shared.calls.end(self.n, Outcome::Ok);
                let answer = reply::success(&self.request, answer, self.request_id.clone());
                Reply::Answer(self.spoilt(answer))
            }
            Err(Struck::Error(error)) => {
                shared.calls.end(self.n, Outcome::Error(error.code.clone()));
                let Request {
                    service, protocol, ..
                } = self.request;
                let answer = reply::refusal(service, protocol, &error, self.request_id.clone());
                Reply::Answer(self.spoilt(answer))
            }
            Err(Struck::Reset) => {
                shared.calls.end(self.n, Outcome::NoAnswer);
                Reply::Reset
            }
        }
    }

    async fn run(&self, shared: &Shared) -> Result<Answer, Struck> {
        self.strike(shared, Moment::Before).await?;
        let caller = self.caller.clone().map_err(Struck::Error)?;
        let now = shared.clock.now();
        let answer = lock(&shared.world).execute(&self.request, &caller, now);
        if answer.is_ok() {
            shared.calls.took_effect(self.n);
        }
        self.strike(shared, Moment::After).await?;
        answer.map_err(Struck::Error)
    }

    /// Lets all faults of this moment happen, in order.
    async fn strike(&self, shared: &Shared, moment: Moment) -> Result<(), Struck> {
        for fault in self.striking.iter().filter(|fault| fault.moment == moment) {
            match &fault.kind {
                FaultKind::Error {
                    code,
                    status,
                    message,
                } => {
                    let usual = || FaultKind::usual_status(self.request.service, code);
                    let status = status.unwrap_or_else(usual);
                    let message = message
                        .clone()
                        .unwrap_or_else(|| format!("{code}, as the test asked for."));
                    return Err(Struck::Error(AwsError::new(code, status, message)));
                }
                FaultKind::Delay { ms } => tokio::time::sleep(Duration::from_millis(*ms)).await,
                FaultKind::Hang => std::future::pending::<()>().await,
                FaultKind::Reset => return Err(Struck::Reset),
                FaultKind::Hold => {
                    if shared.holds.hold(self.held(moment)).await == Release::Reset {
                        return Err(Struck::Reset);
                    }
                }
                FaultKind::MalformedBody
                | FaultKind::CutBody
                | FaultKind::EmptyBody
                | FaultKind::FirstPage => {}
            }
        }
        Ok(())
    }

    fn held(&self, moment: Moment) -> Hold {
        Hold {
            id: self.n,
            account: self.caller.as_ref().ok().map(|caller| caller.account.clone()),
            region: self.request.region().to_owned(),
            service: self.request.service,
            operation: self.request.operation.clone(),
            parameters: self.request.parameters(),
            moment,
        }
    }

    /// The answer, with its body spoilt where a fault says so.
    fn spoilt(&self, mut answer: HttpAnswer) -> HttpAnswer {
        for fault in &self.striking {
            answer.cut |= fault.kind == FaultKind::CutBody;
            if fault.kind == FaultKind::EmptyBody {
                answer.body.clear();
            }
            if fault.kind == FaultKind::MalformedBody {
                // Not in the middle of a letter: the text is to be broken, not its encoding.
                let begins = |at: &usize| answer.body.get(*at).is_none_or(|byte| byte & 0xc0 != 0x80);
                let half = (0..=answer.body.len() / 2).rev().find(begins);
                answer.body.truncate(half.unwrap_or_default());
                answer.body.push(b'<');
            }
        }
        answer
    }
}

/// Notes that a call got no answer, if nothing else was noted.
struct Ending<'a> {
    calls: &'a CallLog,
    n: u64,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.calls.end(self.n, Outcome::NoAnswer);
    }
}
