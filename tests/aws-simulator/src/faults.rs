//! What goes wrong, and when: errors, delays, lost connections, and calls held at a certain instant.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::{oneshot, watch};

use crate::lock;
use crate::policy::document::glob;
use crate::wire::service::Service;

/// A fault: which calls it strikes, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Only calls to this service.
    #[serde(default)]
    pub service: Option<Service>,
    /// Only calls of this operation; `*` and `?` are wildcards.
    #[serde(default)]
    pub operation: Option<String>,
    /// Only calls of callers of this account.
    #[serde(default)]
    pub account: Option<String>,
    /// Only calls signed for this region.
    #[serde(default)]
    pub region: Option<String>,
    /// Only calls with a parameter that contains this text.
    #[serde(default)]
    pub resource: Option<String>,
    /// Only operations that change something.
    #[serde(default)]
    pub mutations_only: bool,
    /// Begins with the n-th call that fits, counted from 1 and from now.
    #[serde(default = "one")]
    pub nth: u32,
    /// Ends after so many calls; never unless given.
    #[serde(default)]
    pub times: Option<u32>,
    /// Before the call is carried out, or after it and before it is answered.
    #[serde(default)]
    pub moment: Moment,
    /// The call goes on when its client has gone, as it would at AWS. Otherwise it ends with the connection.
    #[serde(default)]
    pub detached: bool,
    /// What happens.
    pub kind: FaultKind,
}

fn one() -> u32 {
    1
}

/// When a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Moment {
    /// Before the call is carried out.
    #[default]
    Before,
    /// After it was carried out, before it is answered.
    After,
}

/// What a fault does. As JSON: `"hang"`, `{"error": {"code": "Throttling"}}`, `{"delay": {"ms": 200}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FaultKind {
    /// This error is answered. Before the effect, there is none.
    Error {
        /// The code: `Throttling`.
        code: String,
        /// The HTTP status; the usual one of the code unless given.
        #[serde(default)]
        status: Option<u16>,
        /// The message.
        #[serde(default)]
        message: Option<String>,
    },
    /// The call takes this much longer, by the wall clock.
    Delay {
        /// Milliseconds.
        ms: u64,
    },
    /// No answer, and the connection stays open.
    Hang,
    /// The connection is reset without an answer.
    Reset,
    /// The answer's body breaks off in the middle, and HTTP says that it is whole. Whatever the `moment`.
    MalformedBody,
    /// The connection is lost in the middle of the answer's body, whatever the `moment`.
    CutBody,
    /// The answer has no body, whatever the `moment`.
    EmptyBody,
    /// The first page is answered again, whichever was asked for: its marker repeats. Whatever the `moment`.
    FirstPage,
    /// The call waits until it is released.
    Hold,
}

impl FaultKind {
    /// An error with the usual status of its code.
    pub fn error(code: impl Into<String>) -> Self {
        Self::Error {
            code: code.into(),
            status: None,
            message: None,
        }
    }

    /// The usual HTTP status of an error code of a service.
    pub(crate) fn usual_status(service: Service, code: &str) -> u16 {
        match code {
            "ThrottlingException" if service == Service::AccessAnalyzer => 429,
            "AccessDenied"
            | "AccessDeniedException"
            | "ExpiredToken"
            | "UnauthorizedOperation"
            | "AuthorizationError"
            | "InvalidClientTokenId"
            | "SignatureDoesNotMatch" => 403,
            "NoSuchEntity" | "ReportInProgress" => 404,
            "LimitExceeded"
            | "EntityTemporarilyUnmodifiable"
            | "DeleteConflict"
            | "EntityAlreadyExists"
            | "ConcurrentModification" => 409,
            "ReportNotPresent" | "ReportExpired" => 410,
            "ServiceFailure"
            | "InternalFailure"
            | "InternalServiceError"
            | "InternalServerException"
            | "InternalError" => 500,
            "AuthFailure" => 401,
            "ServiceUnavailable"
            | "SlowDown"
            | "Unavailable"
            | "RequestLimitExceeded"
            | "ServiceUnavailableException" => 503,
            _ => 400,
        }
    }
}

impl Fault {
    /// A fault that strikes every call.
    pub fn new(kind: FaultKind) -> Self {
        Self {
            service: None,
            operation: None,
            account: None,
            region: None,
            resource: None,
            mutations_only: false,
            nth: 1,
            times: None,
            moment: Moment::Before,
            detached: false,
            kind,
        }
    }

    /// The same fault for one operation only.
    #[must_use]
    pub fn on(mut self, operation: impl Into<String>) -> Self {
        self.operation = Some(operation.into());
        self
    }

    /// The same fault for operations only that change something.
    #[must_use]
    pub fn on_mutations(mut self) -> Self {
        self.mutations_only = true;
        self
    }

    /// The same fault for callers of one account only.
    #[must_use]
    pub fn in_account(mut self, account: impl Into<String>) -> Self {
        self.account = Some(account.into());
        self
    }

    /// The same fault for calls of one service only.
    #[must_use]
    pub fn of(mut self, service: Service) -> Self {
        self.service = Some(service);
        self
    }

    /// The same fault for calls signed for one region only.
    #[must_use]
    pub fn in_region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// The same fault for calls with a parameter that contains this text.
    #[must_use]
    pub fn about(mut self, resource: impl Into<String>) -> Self {
        self.resource = Some(resource.into());
        self
    }

    /// The same fault for the n-th call that fits and none after it.
    #[must_use]
    pub fn only_nth(mut self, nth: u32) -> Self {
        self.nth = nth;
        self.times = Some(1);
        self
    }

    /// The same fault, so many times.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// The same fault after the effect and before the answer.
    #[must_use]
    pub fn after_effect(mut self) -> Self {
        self.moment = Moment::After;
        self
    }

    fn fits(&self, subject: &Subject<'_>) -> bool {
        let Self {
            service,
            operation,
            account,
            region,
            resource,
            mutations_only,
            ..
        } = self;
        service.is_none_or(|service| service == subject.service)
            && operation
                .as_ref()
                .is_none_or(|pattern| glob(pattern, subject.operation))
            && account
                .as_ref()
                .is_none_or(|account| subject.account == Some(account))
            && region.as_ref().is_none_or(|region| subject.region == region)
            && resource
                .as_ref()
                .is_none_or(|text| subject.parameters.values().any(|value| value.contains(text)))
            && (!mutations_only || subject.mutates)
    }

    fn strikes(&self, matched: u32) -> bool {
        let first = self.nth.max(1);
        matched >= first && self.times.is_none_or(|times| matched - first < times)
    }
}

/// What a fault looks at in a call.
pub(crate) struct Subject<'a> {
    pub(crate) service: Service,
    pub(crate) operation: &'a str,
    pub(crate) account: Option<&'a str>,
    pub(crate) region: &'a str,
    pub(crate) parameters: &'a BTreeMap<String, String>,
    pub(crate) mutates: bool,
}

/// The faults in force.
#[derive(Debug, Default)]
pub struct Faults {
    faults: Mutex<Vec<(Fault, u32)>>,
}

impl Faults {
    /// Adds a fault. Several may strike the same call, in the order they were added.
    pub fn add(&self, fault: Fault) {
        lock(&self.faults).push((fault, 0));
    }

    /// Takes all faults away. Calls that are held stay so.
    pub fn clear(&self) {
        lock(&self.faults).clear();
    }

    /// The faults in force, with how many calls fitted so far.
    pub fn list(&self) -> Vec<(Fault, u32)> {
        lock(&self.faults).clone()
    }

    /// Counts the call, and gives the faults that strike it.
    pub(crate) fn striking(&self, subject: &Subject<'_>) -> Vec<Fault> {
        let mut striking = Vec::new();
        for (fault, matched) in lock(&self.faults)
            .iter_mut()
            .filter(|(fault, _)| fault.fits(subject))
        {
            *matched += 1;
            if fault.strikes(*matched) {
                striking.push(fault.clone());
            }
        }
        striking
    }
}

/// A call that is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hold {
    /// The number to release it by, which is the call's.
    pub id: u64,
    /// The caller's account.
    pub account: Option<String>,
    /// The region the call was signed for.
    pub region: String,
    /// The service.
    pub service: Service,
    /// The operation.
    pub operation: String,
    /// Its parameters.
    pub parameters: BTreeMap<String, String>,
    /// Before or after the effect.
    pub moment: Moment,
}

/// How a held call goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Release {
    /// As if nothing had happened.
    #[default]
    Continue,
    /// The connection is reset at this instant.
    Reset,
}

/// The calls held now.
#[derive(Debug)]
pub struct Holds {
    held: Mutex<BTreeMap<u64, (Hold, oneshot::Sender<Release>)>>,
    changes: watch::Sender<u64>,
}

impl Default for Holds {
    fn default() -> Self {
        Self {
            held: Mutex::default(),
            changes: watch::Sender::new(0),
        }
    }
}

impl Holds {
    /// The calls held now, in the order they came.
    pub fn list(&self) -> Vec<Hold> {
        lock(&self.held).values().map(|(hold, _)| hold.clone()).collect()
    }

    /// Lets a held call go on. False if it is not held, or its client has gone.
    pub fn release(&self, id: u64, release: Release) -> bool {
        let held = lock(&self.held).remove(&id);
        held.is_some_and(|(_, sender)| sender.send(release).is_ok())
    }

    /// Lets all held calls go on.
    pub fn release_all(&self) {
        for hold in self.list() {
            self.release(hold.id, Release::Continue);
        }
    }

    /// Waits until some call is held, at most so long.
    pub async fn wait(&self, at_most: Duration) -> Option<Hold> {
        let mut changes = self.changes.subscribe();
        let some = async {
            loop {
                changes.borrow_and_update();
                if let Some(hold) = self.list().into_iter().next() {
                    return Some(hold);
                }
                changes.changed().await.ok()?;
            }
        };
        tokio::time::timeout(at_most, some).await.ok().flatten()
    }

    /// Holds the call until it is released or its client goes.
    pub(crate) async fn hold(&self, hold: Hold) -> Release {
        let id = hold.id;
        let (sender, receiver) = oneshot::channel();
        lock(&self.held).insert(id, (hold, sender));
        self.changes.send_modify(|changes| *changes += 1);
        let _guard = Guard { holds: self, id };
        receiver.await.unwrap_or(Release::Reset)
    }
}

/// Takes a call off the list when its client goes.
struct Guard<'a> {
    holds: &'a Holds,
    id: u64,
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        lock(&self.holds.held).remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject<'a>(operation: &'a str, parameters: &'a BTreeMap<String, String>) -> Subject<'a> {
        let mutates = !operation.starts_with("List");
        Subject {
            service: Service::Iam,
            operation,
            account: Some("1"),
            region: "eu-west-1",
            parameters,
            mutates,
        }
    }

    #[test]
    fn a_fault_strikes_the_nth_fitting_call_so_many_times() {
        let faults = Faults::default();
        let none = BTreeMap::new();
        faults.add(Fault {
            nth: 2,
            times: Some(2),
            ..Fault::new(FaultKind::Hang).on("Delete*")
        });
        let strikes = |operation| !faults.striking(&subject(operation, &none)).is_empty();
        let pattern: Vec<bool> = [
            "DeleteUser",
            "ListUsers",
            "DeleteRole",
            "DeleteUser",
            "DeleteUser",
        ]
        .into_iter()
        .map(strikes)
        .collect();
        assert_eq!(pattern, [false, false, true, true, false]);
    }

    #[test]
    fn a_fault_can_be_about_a_resource_or_mutations_or_an_account() {
        let ada = BTreeMap::from([("UserName".to_owned(), "ada".to_owned())]);
        let fits = |fault: Fault, operation| fault.fits(&subject(operation, &ada));
        assert!(fits(Fault::new(FaultKind::Hang).about("ad"), "GetUser"));
        assert!(!fits(Fault::new(FaultKind::Hang).about("bob"), "GetUser"));
        assert!(!fits(Fault::new(FaultKind::Hang).on_mutations(), "ListUsers"));
        assert!(fits(Fault::new(FaultKind::Hang).on_mutations(), "TagUser"));
        assert!(!fits(Fault::new(FaultKind::Hang).in_account("2"), "TagUser"));
        assert!(fits(
            Fault::new(FaultKind::Hang).in_region("eu-west-1"),
            "TagUser"
        ));
        assert!(!fits(
            Fault::new(FaultKind::Hang).in_region("eu-west-2"),
            "TagUser"
        ));
        assert!(!fits(Fault::new(FaultKind::Hang).of(Service::Sts), "TagUser"));
    }

    #[test]
    fn faults_are_written_as_readable_json() -> Result<(), serde_json::Error> {
        let fault: Fault = serde_json::from_str(
            r#"{"operation":"UpdateAccessKey","nth":3,"times":1,"moment":"after","kind":{"error":{"code":"Throttling"}}}"#,
        )?;
        assert_eq!(fault.kind, FaultKind::error("Throttling"));
        assert!(serde_json::from_str::<Fault>(r#"{"kind":"hang","typo":1}"#).is_err());
        Ok(())
    }

    #[tokio::test]
    async fn a_held_call_waits_for_its_release() {
        let holds = std::sync::Arc::new(Holds::default());
        let hold = Hold {
            id: 7,
            account: None,
            region: "us-east-1".into(),
            service: Service::Iam,
            operation: "TagUser".into(),
            parameters: BTreeMap::new(),
            moment: Moment::Before,
        };
        let task = tokio::spawn({
            let holds = holds.clone();
            async move { holds.hold(hold).await }
        });
        let seen = holds.wait(Duration::from_secs(5)).await;
        assert_eq!(seen.map(|hold| hold.id), Some(7));
        assert!(holds.release(7, Release::Continue));
        assert_eq!(task.await.ok(), Some(Release::Continue));
        assert!(holds.list().is_empty());
        assert!(holds.wait(Duration::from_millis(10)).await.is_none());
    }
}
