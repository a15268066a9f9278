//! May this person decide this, and what does it do: asked by the command line, the chat and the pages alike. What is
//! decided is measured once more by [`super::confirm`], right before anything is done.

use chrono::{DateTime, Utc};

use super::consent::{Consent, Decisions, Measure, ends_at};
use crate::config::Config;
use crate::model::{
    Action, Decision, Digest, ExemptionRequest, History, Owner, Person, RequestedExemption, Verdict, Way,
};

/// Why a person may not decide something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nobody decides there.
    #[error("approvals.command_line = false: decisions are not taken here")]
    CommandLineIsOff,
    /// Not one of those who may.
    #[error("{0} is not among approvals.approvers and may not decide")]
    NotAnApprover(String),
    /// It is about the person.
    #[error("{0}: nobody decides for himself, so another approver has to")]
    Oneself(String),
}

/// What comes of a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ballot {
    /// It is to be recorded.
    New(Decision),
    /// The person has said so already, and that still counts.
    Repeats,
}

/// How an action stands after all that was said of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nobody said anything that counts.
    Open,
    /// Some said yes, and more have to.
    Partly {
        /// How many did.
        have: usize,
        /// How many have to.
        need: u32,
    },
    /// Enough said yes.
    Approved,
    /// Somebody said no.
    Rejected,
}

/// Whether this person may decide at all.
///
/// # Errors
/// Why not.
pub fn may_decide(config: &Config, person: &Person) -> Result<(), Refusal> {
    match person.way {
        Way::CommandLine if !config.approvals.command_line => Err(Refusal::CommandLineIsOff),
        Way::CommandLine | Way::Chat | Way::Page if config.approvals.may_decide(person) => Ok(()),
        Way::CommandLine | Way::Chat | Way::Page => Err(Refusal::NotAnApprover(person.name.clone())),
    }
}

/// What a person's decision of an action of a plan does, given what was decided before. A no may be said by every
/// approver; a yes not for oneself.
///
/// # Errors
/// Why the person may not decide that.
pub fn weigh(
    config: &Config,
    plan_digest: &Digest,
    action: &Action,
    owner: Option<&Owner>,
    said: (&Person, Verdict),
    history: &History,
    now: DateTime<Utc>,
) -> Result<Ballot, Refusal> {
    let (person, verdict) = said;
    may_decide(config, person)?;
    match verdict {
        Verdict::Approved => {
            let oneself = config.is_oneself(&person.name, &action.account, &action.resource, owner);
            oneself.map_or(Ok(()), |why| Err(Refusal::Oneself(why)))?;
        }
        Verdict::Rejected => {}
    }
    let decision = Decision {
        action: action.id.clone(),
        verdict,
        precondition: action.precondition_digest(),
        config_digest: plan_digest.clone(),
        decided_at: now,
        not_before: action.not_before,
        by: person.name.clone(),
        via: person.way,
    };
    if repeats(config, action, &decision, history) {
        return Ok(Ballot::Repeats);
    }
    Ok(Ballot::New(decision))
}

/// Whether the same person said the same of the same before, nobody said otherwise since, under whatever configuration,
/// and it still counts.
fn repeats(config: &Config, action: &Action, new: &Decision, history: &History) -> bool {
    let decisions: Vec<_> = history
        .decisions
        .iter()
        .filter(|old| old.action == new.action)
        .collect();
    let since_the_last_other = decisions
        .iter()
        .rposition(|old| old.verdict != new.verdict)
        .map_or(0, |place| place + 1);
    let granted = history.exemptions.iter();
    let granted_at = granted
        .filter(|exemption| exemption.concerns(&action.resource))
        .filter_map(RequestedExemption::granted_at)
        .max();
    let rolled_back_at = history.rolled_back.get(&action.target()).copied();
    let counts_from = granted_at.max(rolled_back_at);
    let mut repeated = decisions.iter().skip(since_the_last_other);
    repeated.any(|old| {
        old.precondition == new.precondition
            && old.config_digest == new.config_digest
            && old.by == new.by
            && old.via == new.via
            && old.decided_at <= new.decided_at
            && counts_from.is_none_or(|from| old.decided_at > from)
            && new.decided_at < ends_at(&config.approvals, old)
    })
}

/// How an action stands by what the history holds, under the configuration as it is.
pub fn standing(
    config: &Config,
    action: &Action,
    owner: Option<&Owner>,
    history: &History,
    now: DateTime<Utc>,
) -> Standing {
    let config_digest = config.digest();
    let measure = Measure {
        config,
        config_digest: &config_digest,
        history,
        owner,
        now,
    };
    match measure.consent(action, &Decisions::of(history)) {
        Consent::None => Standing::Open,
        Consent::Partly(said) => Standing::Partly {
            have: said.len(),
            need: config.approvals.minimum_approvers,
        },
        Consent::Approved(_) => Standing::Approved,
        Consent::Rejected(_) => Standing::Rejected,
    }
}

/// Whether this person may grant or refuse an exemption that was asked for. Refusing needs an approver; granting one who
/// did not ask for it and whom it is not about.
///
/// # Errors
/// Why not.
pub fn may_answer(
    config: &Config,
    person: &Person,
    request: &ExemptionRequest,
    granted: bool,
) -> Result<(), Refusal> {
    may_decide(config, person)?;
    if !granted {
        return Ok(());
    }
    if config.is_same_person(&person.name, &request.by.name) {
        let why = format!("{} asked for this exemption", person.name);
        return Err(Refusal::Oneself(why));
    }
    let owner = request.owner.as_ref();
    match config.is_oneself(&person.name, &request.account, &request.resource, owner) {
        Some(why) => Err(Refusal::Oneself(why)),
        None => Ok(()),
    }
}
