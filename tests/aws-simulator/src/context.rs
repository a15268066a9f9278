//! What operations see and give back, whatever their service.

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::access_analyzer::Recommendations;
use crate::account::Account;
use crate::caller::Caller;
use crate::iam::advisor::Jobs;
use crate::iam::report::Report;
use crate::ids::IdSource;
use crate::region::Region;
use crate::seed::{AdvisorSeed, Paging};
use crate::wire::error::AwsError;
use crate::wire::input::Input;
use crate::wire::query::Query;
use crate::wire::xml::Xml;

/// Everything an operation sees.
pub(crate) struct Context<'a> {
    pub(crate) account: &'a mut Account,
    pub(crate) report: &'a mut Report,
    pub(crate) advisor: &'a AdvisorSeed,
    pub(crate) jobs: &'a mut Jobs,
    pub(crate) recommendations: &'a mut Recommendations,
    pub(crate) caller: &'a Caller,
    /// The region that the request is signed for.
    pub(crate) region: &'a str,
    pub(crate) query: &'a Query,
    pub(crate) input: Input<'a>,
    pub(crate) paging: &'a Paging,
    pub(crate) now: DateTime<Utc>,
    pub(crate) ids: &'a mut IdSource,
}

/// What a call gives back.
#[derive(Debug)]
pub(crate) enum Answer {
    Xml(Xml),
    Json(Value),
}

/// An operation of a service.
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    /// Whether it changes the account.
    pub(crate) mutates: bool,
    pub(crate) run: Run,
}

/// What an operation does, and what its answer is made of.
#[derive(Clone, Copy)]
pub(crate) enum Run {
    Xml(fn(&mut Context<'_>) -> Result<Xml, AwsError>),
    Json(fn(&mut Context<'_>) -> Result<Value, AwsError>),
}

impl Operation {
    pub(crate) const fn reads(name: &'static str, run: Run) -> Self {
        Self {
            name,
            mutates: false,
            run,
        }
    }

    pub(crate) const fn writes(name: &'static str, run: Run) -> Self {
        Self {
            name,
            mutates: true,
            run,
        }
    }

    pub(crate) fn carry_out(&self, mut cx: Context<'_>) -> Result<Answer, AwsError> {
        match self.run {
            Run::Xml(run) => run(&mut cx).map(Answer::Xml),
            Run::Json(run) => run(&mut cx).map(Answer::Json),
        }
    }
}

/// What there is in a region where nothing is.
static NOTHING: Region = Region::empty();

impl Context<'_> {
    /// What the account holds in the region of the request.
    pub(crate) fn here(&self) -> &Region {
        self.account.regions.get(self.region).unwrap_or(&NOTHING)
    }

    /// The same, to be changed.
    pub(crate) fn here_mut(&mut self) -> &mut Region {
        self.account.regions.entry(self.region.to_owned()).or_default()
    }

    /// The ARN of something in the region of the request: `analyzer/name` of `access-analyzer`.
    pub(crate) fn arn(&self, service: &str, resource: &str) -> String {
        let Account { partition, id, .. } = &*self.account;
        format!("arn:{partition}:{service}:{}:{id}:{resource}", self.region)
    }
}
