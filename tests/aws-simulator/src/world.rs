//! All accounts, all credentials, and the carrying out of calls.

use std::collections::{BTreeMap, HashMap, VecDeque};

use chrono::{DateTime, Utc};

use crate::access_analyzer::Recommendations;
use crate::account::Account;
use crate::caller::{Caller, Session};
use crate::context::{Answer, Context};
use crate::iam::advisor::Jobs;
use crate::iam::report::Report;
use crate::ids::IdSource;
use crate::organizations::Organization;
use crate::seed::{self, AdvisorSeed, CallerSeed, Consistency, Paging, Seed, SeedError, SessionExpiration};
use crate::wire::error::AwsError;
use crate::wire::input::Input;
use crate::wire::request::{Request, Signer};
use crate::wire::service::{Protocol, Service};
use crate::wire::xml::Xml;
use crate::{organizations, services, sts};

/// The whole world.
#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) paging: Paging,
    pub(crate) consistency: Consistency,
    pub(crate) session_expiration: SessionExpiration,
    pub(crate) organization: Option<Organization>,
    pub(crate) slots: BTreeMap<String, Slot>,
    callers: HashMap<String, Caller>,
    sessions: HashMap<String, Session>,
    jobs: Jobs,
    recommendations: Recommendations,
    pub(crate) ids: IdSource,
}

/// An account and all that belongs to it without being part of its state.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) account: Account,
    pub(crate) report: Report,
    pub(crate) advisor: AdvisorSeed,
    pub(crate) credentials: Vec<CallerSeed>,
    /// What reads see while writes are not visible yet, oldest first.
    stale: VecDeque<Stale>,
}

#[derive(Debug)]
struct Stale {
    before: Account,
    /// So many reads still see it; `None` until released.
    reads_left: Option<u32>,
}

impl World {
    /// The world of a seed, at `now`.
    pub(crate) fn planted(seed: &Seed, now: DateTime<Utc>) -> Result<Self, SeedError> {
        let mut world = Self {
            paging: seed.paging.clone(),
            consistency: seed.consistency.clone(),
            session_expiration: seed.session_expiration,
            ..Self::default()
        };
        for entry in &seed.accounts {
            for planted in seed::plant(entry, now, &mut world.ids)? {
                world.add(entry, planted, now)?;
            }
        }
        if let Some(organization) = &seed.organization {
            let partition = seed.accounts.first().map_or("aws", |account| &account.partition);
            let accounts = world.slots.keys().map(String::as_str);
            let planted = Organization::planted(organization, accounts, partition, now)?;
            world.organization = Some(planted);
        }
        Ok(world)
    }

    fn add(
        &mut self,
        entry: &seed::AccountSeed,
        planted: seed::Planted,
        now: DateTime<Utc>,
    ) -> Result<(), SeedError> {
        let seed::Planted { account, callers } = planted;
        let problem = |problem: String| SeedError::Content {
            account: account.id.clone(),
            problem,
        };
        for seed in &callers {
            let caller = Caller::parse(&account, &seed.acts_as);
            let caller = caller.ok_or_else(|| problem(format!("nobody can act as `{}`", seed.acts_as)))?;
            if self.callers.insert(seed.access_key_id.clone(), caller).is_some() {
                return Err(problem(format!("caller {} is there twice", seed.access_key_id)));
            }
        }
        if self.slots.contains_key(&account.id) {
            return Err(problem("the account is there twice".to_owned()));
        }
        let slot = Slot {
            report: Report::planted(&entry.report, &account, now),
            advisor: seed::pinned(&entry.advisor, now),
            credentials: callers,
            stale: VecDeque::new(),
            account,
        };
        self.slots.insert(slot.account.id.clone(), slot);
        Ok(())
    }

    /// Who signed the request.
    pub(crate) fn identify(&self, signer: Option<&Signer>, now: DateTime<Utc>) -> Result<Caller, AwsError> {
        let Some(signer) = signer else {
            let message = "Request is missing Authentication Token";
            return Err(AwsError::new("MissingAuthenticationToken", 403, message));
        };
        if let Some(caller) = self.callers.get(&signer.access_key_id) {
            return Ok(caller.clone());
        }
        if let Some(session) = self.sessions.get(&signer.access_key_id) {
            return session_caller(session, signer, now);
        }
        // Any active key of any user works as well.
        for account in self.slots.values().map(|slot| &slot.account) {
            for user in account.users.values() {
                if let Some(key) = user.keys.iter().find(|key| key.id == signer.access_key_id) {
                    let active = key.status == "Active";
                    let caller = Caller::user(account, &user.principal.name).filter(|_| active);
                    return caller.ok_or_else(AwsError::invalid_token);
                }
            }
        }
        Err(AwsError::invalid_token())
    }

    /// Carries a call out.
    pub(crate) fn execute(
        &mut self,
        request: &Request,
        caller: &Caller,
        now: DateTime<Utc>,
    ) -> Result<Answer, AwsError> {
        if request.is_broken {
            let message = "The request's body cannot be read.";
            return Err(AwsError::new("SerializationException", 400, message));
        }
        if request.service == Service::Sts {
            return self.sts(request, caller, now).map(Answer::Xml);
        }
        if request.service == Service::Organizations {
            let input = Input::new(&request.input, request.service.validation());
            let organization = self.organization.as_ref();
            let answer =
                organizations::carry_out(organization, &request.operation, caller, input, &self.paging)?;
            return answer.map(Answer::Json).ok_or_else(|| unknown(request));
        }
        let operation = services::operation(request.service, &request.operation);
        let operation = operation.ok_or_else(|| unknown(request))?;
        let slot = self
            .slots
            .get_mut(&caller.account)
            .ok_or_else(AwsError::invalid_token)?;
        if request.service.is_regional() && !slot.account.is_enabled(request.region()) {
            return Err(switched_off(request));
        }
        let before = (operation.mutates && slot.needs_copy(&self.consistency)).then(|| slot.account.clone());
        let Slot {
            account,
            report,
            advisor,
            stale,
            ..
        } = &mut *slot;
        let seen = stale.front_mut().filter(|_| !operation.mutates);
        let answer = operation.carry_out(Context {
            account: seen.map_or(account, |stale| &mut stale.before),
            report,
            advisor,
            jobs: &mut self.jobs,
            recommendations: &mut self.recommendations,
            caller,
            region: request.region(),
            query: &request.query,
            input: Input::new(&request.input, request.service.validation()),
            paging: &self.paging,
            now,
            ids: &mut self.ids,
        });
        if !operation.mutates {
            slot.one_read_passed();
        } else if answer.is_ok() {
            let reads_left = (!self.consistency.until_released).then_some(self.consistency.stale_reads);
            slot.stale
                .extend(before.map(|before| Stale { before, reads_left }));
        }
        answer
    }

    fn sts(&mut self, request: &Request, caller: &Caller, now: DateTime<Utc>) -> Result<Xml, AwsError> {
        match request.operation.as_str() {
            "GetCallerIdentity" => {
                let slot = self
                    .slots
                    .get(&caller.account)
                    .ok_or_else(AwsError::invalid_token)?;
                Ok(sts::caller_identity(caller, &slot.account))
            }
            "AssumeRole" => {
                let owner = request
                    .query
                    .optional("RoleArn")
                    .and_then(|arn| arn.split(':').nth(4));
                let target = owner
                    .and_then(|owner| self.slots.get(owner))
                    .map(|slot| &slot.account);
                let assumed = sts::assume_role(
                    caller,
                    &request.query,
                    target,
                    now,
                    self.session_expiration,
                    &mut self.ids,
                )?;
                self.sessions.insert(assumed.access_key_id, assumed.session);
                Ok(assumed.answer)
            }
            _ => Err(unknown(request)),
        }
    }

    /// Makes all writes visible, in one account or in all.
    pub(crate) fn release_writes(&mut self, account: Option<&str>) {
        for (id, slot) in &mut self.slots {
            if account.is_none_or(|account| account == id) {
                slot.stale.clear();
            }
        }
    }

    /// A new id for an answer.
    pub(crate) fn request_id(&mut self) -> String {
        self.ids.uuid()
    }
}

impl Slot {
    /// Whether a write has to leave the world before it behind for reads to see.
    fn needs_copy(&self, consistency: &Consistency) -> bool {
        if consistency.until_released {
            self.stale.is_empty()
        } else {
            consistency.stale_reads > 0
        }
    }

    fn one_read_passed(&mut self) {
        for stale in &mut self.stale {
            stale.reads_left = stale.reads_left.map(|left| left.saturating_sub(1));
        }
        while self
            .stale
            .front()
            .is_some_and(|stale| stale.reads_left == Some(0))
        {
            self.stale.pop_front();
        }
    }
}

fn session_caller(session: &Session, signer: &Signer, now: DateTime<Utc>) -> Result<Caller, AwsError> {
    if signer.session_token.as_ref() != Some(&session.token) {
        return Err(AwsError::invalid_token());
    }
    if now >= session.expires {
        let message = "The security token included in the request is expired";
        return Err(AwsError::new("ExpiredToken", 403, message));
    }
    Ok(session.caller.clone())
}

/// Whether the operation changes something.
pub(crate) fn mutates(request: &Request) -> bool {
    services::operation(request.service, &request.operation).is_some_and(|operation| operation.mutates)
}

/// What a region that is not switched on says to everybody.
fn switched_off(request: &Request) -> AwsError {
    let token = "The security token included in the request is invalid.";
    match request.protocol {
        Protocol::Query => AwsError::invalid_token(),
        Protocol::Ec2 => {
            let message = "AWS was not able to validate the provided access credentials";
            AwsError::new("AuthFailure", 401, message)
        }
        Protocol::Json | Protocol::Cbor => AwsError::new("UnrecognizedClientException", 400, token),
        Protocol::RestJson => AwsError::new("UnrecognizedClientException", 403, token),
        Protocol::RestXml => AwsError::new("InvalidAccessKeyId", 403, token),
    }
}

fn unknown(request: &Request) -> AwsError {
    match request.protocol {
        Protocol::Query | Protocol::Ec2 => {
            let version = request.query.optional("Version").unwrap_or_default();
            let message = format!(
                "Could not find operation {} for version {version}",
                request.operation
            );
            AwsError::new("InvalidAction", 400, message)
        }
        Protocol::Json => AwsError::new("UnknownOperationException", 400, ""),
        Protocol::Cbor => AwsError::new("UnknownOperationException", 404, ""),
        Protocol::RestXml => {
            let message = "The specified method is not allowed against this resource.";
            AwsError::new("MethodNotAllowed", 405, message)
        }
        Protocol::RestJson => {
            let message = format!(
                "Unable to determine service/operation name: {}",
                request.operation
            );
            AwsError::new("UnknownOperationException", 404, message)
        }
    }
}
