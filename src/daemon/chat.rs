//! Clicks in Slack: from the signed request to the answer in the message.
//!
//! A request is believed by its signature, noted so that it counts once, handed to the daemon's own task and acknowledged;
//! all of that takes a moment, and Slack waits three seconds. What was clicked is then carried out in the same places as at
//! the command line, and the message is brought up to date. A process that dies in between loses the click and nothing else:
//! the message keeps its buttons.

use std::sync::Arc;
use std::time::Duration;

use chrono::{Days, NaiveDate};
use tokio::sync::mpsc;

use super::{
    DecideError, DecisionMade, DecisionOutcome, DecisionRequest, ExemptionAsked, House, InForce, Planned,
    Reach, Run, Selection, Wake, queue, saved_plan,
};
use crate::model::{
    Digest, ExemptionId, Finding, FindingId, FindingStatus, Person, RuleName, Verdict, Way, visible,
};
use crate::notify::{
    Button, Click, ClickError, Findings, LONGEST_CLICK, Outcome, PlanActions, Replies, SignatureError,
    SystemLookup, exemption_form, parse_click, verify_click,
};
use crate::plan::Standing;
use crate::state::StateError;
use crate::telemetry::Chain;

/// How many clicks may wait at once.
const ROOM: usize = 64;
/// How long taking a click may last, so that Slack hears of it within its three seconds.
const PATIENCE: Duration = Duration::from_millis(2_500);
/// How long what is open at the end may take.
const ENDING: Duration = Duration::from_secs(15);
/// How long an exemption lasts that nobody says otherwise of.
const PROPOSED: Days = Days::new(90);

/// A request as it came.
#[derive(Debug, Clone, Copy)]
pub struct SignedRequest<'a> {
    /// `X-Slack-Request-Timestamp`
    pub timestamp: Option<&'a str>,
    /// `X-Slack-Signature`
    pub signature: Option<&'a str>,
    /// As it was signed.
    pub body: &'a [u8],
}

/// Why a request is not taken.
#[derive(Debug, thiserror::Error)]
pub enum NotTaken {
    /// No channel has a signing secret.
    #[error("no channel of kind slack has a signing_secret: buttons are not set up")]
    NotSetUp,
    /// It is not Slack's.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// It is no click of ours.
    #[error(transparent)]
    Click(#[from] ClickError),
    /// It was taken before.
    #[error("this request was taken before")]
    Replayed,
    /// It has too many bytes.
    #[error("the request is too long")]
    TooLong,
    /// A secret or the state did not answer in time, or too much waits already.
    #[error("it cannot be taken now: try again")]
    Busy,
    /// The state failed.
    #[error(transparent)]
    State(#[from] StateError),
}

impl NotTaken {
    /// The status of HTTP that says so.
    pub fn status(&self) -> u16 {
        match self {
            Self::NotSetUp => 404,
            Self::Signature(_) => 401,
            Self::Click(_) => 400,
            Self::Replayed => 409,
            Self::TooLong => 413,
            Self::Busy | Self::State(_) => 503,
        }
    }
}

/// Where clicks come in.
#[derive(Debug, Clone)]
pub struct Chat {
    in_force: InForce,
    clicks: mpsc::Sender<Click>,
}

/// The clicks that came in, for the daemon's task.
#[derive(Debug)]
pub struct Clicks(mpsc::Receiver<Click>);

impl Chat {
    /// A door for clicks, and what comes in by it.
    pub fn open(in_force: InForce) -> (Self, Clicks) {
        let (clicks, receiver) = mpsc::channel(ROOM);
        (Self { in_force, clicks }, Clicks(receiver))
    }

    /// Takes a request: believes it, notes it, hands it on. It is carried out after this.
    ///
    /// # Errors
    /// [`NotTaken`]; then nothing comes of it.
    pub async fn take(&self, request: SignedRequest<'_>) -> Result<(), NotTaken> {
        match tokio::time::timeout(PATIENCE, self.take_in_time(request)).await {
            Ok(taken) => taken,
            Err(_) => Err(NotTaken::Busy),
        }
    }

    async fn take_in_time(&self, request: SignedRequest<'_>) -> Result<(), NotTaken> {
        if request.body.len() > LONGEST_CLICK {
            return Err(NotTaken::TooLong);
        }
        let house = self.in_force.get();
        self.believe(&house, request).await?;
        let click = parse_click(request.body)?;
        let Some(state) = &house.state else {
            return Err(NotTaken::Busy);
        };
        // There must be room before it is noted: what was noted is not taken again.
        let place = self.clicks.try_reserve().map_err(|_| NotTaken::Busy)?;
        let mut signed = request.timestamp.unwrap_or_default().as_bytes().to_vec();
        signed.push(b':');
        signed.extend_from_slice(request.body);
        if !state
            .note_click(&Digest::of_bytes(&signed), house.clock.now())
            .await?
        {
            return Err(NotTaken::Replayed);
        }
        place.send(click);
        Ok(())
    }

    /// Whether one of the channels' secrets signed it. One that cannot be read does not keep the others from it.
    async fn believe(&self, house: &House, request: SignedRequest<'_>) -> Result<(), NotTaken> {
        let channels = house.config.notifications.channels.iter();
        let references: Vec<_> = channels
            .filter_map(|channel| channel.signing_secret.as_ref())
            .collect();
        if references.is_empty() {
            return Err(NotTaken::NotSetUp);
        }
        let (mut refusal, mut unread) = (None, false);
        for reference in references {
            let secret = match house.sessions.secrets().resolve(reference).await {
                Ok(secret) => secret,
                Err(error) => {
                    tracing::error!(error = %Chain(&error), "a signing secret cannot be read");
                    unread = true;
                    continue;
                }
            };
            let SignedRequest {
                timestamp,
                signature,
                body,
            } = request;
            match verify_click(&secret, timestamp, signature, body, house.clock.now()) {
                Ok(()) => return Ok(()),
                Err(why) => refusal = Some(why),
            }
        }
        match (refusal, unread) {
            // It may have been signed by the one that could not be read.
            (None | Some(SignatureError::Wrong), true) => Err(NotTaken::Busy),
            (Some(why), _) => Err(why.into()),
            (None, false) => Err(NotTaken::NotSetUp),
        }
    }
}

impl Clicks {
    /// Carries clicks out until the process is told to stop, and then those that were begun.
    pub async fn serve(mut self, in_force: &InForce, delivery: &Wake) {
        let open = queue::carry_out_until_stopped(&mut self.0, in_force, delivery, carry_out).await;
        while let Ok(click) = self.0.try_recv() {
            open.push(carry_out(in_force.get(), click));
        }
        // What was decided stands by then; an answer that Slack does not take in time is left out.
        if tokio::time::timeout(ENDING, queue::finish(open, delivery))
            .await
            .is_err()
        {
            tracing::warn!("some clicks were not answered: their messages still show what was before");
        }
    }

    /// Carries out the next click, where there is one: for whoever has no task for them.
    pub async fn serve_next(&mut self, in_force: &InForce) -> bool {
        match self.0.try_recv() {
            Ok(click) => {
                carry_out(in_force.get(), click).await;
                true
            }
            Err(_) => false,
        }
    }
}

/// What is shown after a click.
enum Shown {
    /// In the message, for everybody; the buttons stay where more people may click.
    InMessage { lines: Vec<String>, keep: bool },
    /// To whoever clicked alone; in place of what only they saw.
    ToPerson { lines: Vec<String>, instead: bool },
    /// The form that asks for an exemption.
    Form(String),
    /// Nothing.
    Nothing,
}

impl Shown {
    fn to_person(line: impl Into<String>) -> Self {
        Self::ToPerson {
            lines: vec![line.into()],
            instead: false,
        }
    }
}

async fn carry_out(house: House, click: Click) {
    let shown = match act(&house, &click).await {
        Ok(shown) => shown,
        Err(error) => {
            tracing::warn!(user = click.user, error = %Chain(&error), "a click came to nothing");
            Shown::to_person(error.to_string())
        }
    };
    let outcome = |lines: &[String]| -> String {
        let outcome = Outcome {
            who: &click.user,
            lines,
        };
        match &shown {
            Shown::InMessage { keep, .. } if !click.blocks.is_empty() => {
                outcome.in_message(&click.blocks, &click.block_id, *keep)
            }
            Shown::ToPerson { instead, .. } => outcome.to_the_person(*instead),
            Shown::InMessage { .. } | Shown::Form(_) | Shown::Nothing => outcome.to_the_person(false),
        }
    };
    let body = match &shown {
        Shown::InMessage { lines, .. } | Shown::ToPerson { lines, .. } => outcome(lines),
        Shown::Form(form) => form.clone(),
        Shown::Nothing => return,
    };
    let Some(url) = &click.response_url else { return };
    let sent = match Replies::new(&house.config.notifications, Arc::new(SystemLookup)) {
        Ok(replies) => replies
            .send(url, &body, house.clock.now())
            .await
            .map_err(Into::into),
        Err(error) => Err(error),
    };
    if let Err(error) = sent {
        tracing::warn!(error = %Chain(&error), "carried out, but the message in the chat still shows what was before");
    }
}

async fn act(house: &House, click: &Click) -> Result<Shown, DecideError> {
    let person = Person::new(&click.user, Way::Chat);
    match &click.button {
        Button::Approve(actions) => decide(house, actions, Verdict::Approved, &person).await,
        Button::Reject(actions) => decide(house, actions, Verdict::Rejected, &person).await,
        Button::Details(actions) => details(house, actions).await,
        Button::Recheck(findings) => recheck(house, findings).await,
        Button::NotMine(findings) => not_mine(house, findings, &person).await,
        Button::AskExemption(findings) => {
            let known = known(house, findings).await?;
            let until = house.clock.now().date_naive() + PROPOSED;
            Ok(Shown::Form(exemption_form(&titles(&known), findings, until)))
        }
        Button::SendExemption {
            findings,
            until,
            reason,
        } => ask(house, findings, *until, reason.as_deref(), &person).await,
        Button::Grant(id) => answer(house, id, true, &person).await,
        Button::Refuse(id) => answer(house, id, false, &person).await,
        Button::Link => Ok(Shown::Nothing),
    }
}

async fn decide(
    house: &House,
    actions: &PlanActions,
    verdict: Verdict,
    person: &Person,
) -> Result<Shown, DecideError> {
    let state = house.state.clone().ok_or(DecideError::NoState)?;
    let request = DecisionRequest {
        plan: actions.plan.clone(),
        actions: actions.actions.clone(),
        verdict,
        by: person.name.clone(),
        via: Way::Chat,
        reason: None,
    };
    let made = house.decide(&state, &request).await?;
    Ok(Shown::InMessage {
        keep: made.refused().next().is_some() || made.decided.iter().any(is_unfinished),
        lines: decision_lines(&made, verdict),
    })
}

/// Whether more people have to say yes.
fn is_unfinished(decided: &super::DecidedAction) -> bool {
    match decided.standing {
        Standing::Open | Standing::Partly { .. } => true,
        Standing::Approved | Standing::Rejected => false,
    }
}

fn decision_lines(made: &DecisionMade, verdict: Verdict) -> Vec<String> {
    let word = match verdict {
        Verdict::Approved => "approved",
        Verdict::Rejected => "rejected",
    };
    let mut lines = Vec::new();
    for decided in &made.decided {
        let action = &decided.action;
        let what = format!(
            "{} of {}",
            action.change.kind(),
            visible(action.resource.resource())
        );
        let mut line = match &decided.outcome {
            DecisionOutcome::Refused(refusal) => format!("{what} not {word}: {refusal}"),
            DecisionOutcome::Recorded => format!("{word} {what}"),
            DecisionOutcome::Repeated => format!("{word} {what} before"),
        };
        if let Standing::Partly { have, need } = decided.standing {
            line.push_str(&format!(" ({have} of {need} approvals)"));
        }
        match (&decided.superseded_by, verdict, action.not_before) {
            (Some(newer), _, _) => line.push_str(&format!("; plan {newer} is newer and holds it otherwise")),
            (None, Verdict::Approved, Some(not_before)) => {
                line.push_str(&format!(
                    "; not before {}",
                    not_before.format("%Y-%m-%d %H:%M UTC")
                ));
            }
            (None, Verdict::Approved | Verdict::Rejected, _) => {}
        }
        lines.push(format!("{line} ({})", action.id));
    }
    if made.outdated {
        lines.push("The configuration changed since that plan: this holds for the old one only.".to_owned());
    }
    // A message has its limits, and the plan has the rest.
    if lines.len() > 12 {
        let left = lines.len() - 12;
        lines.truncate(12);
        lines.push(format!("… and {left} more of plan {}", made.plan));
    }
    lines
}

async fn details(house: &House, actions: &PlanActions) -> Result<Shown, DecideError> {
    let state = house.state.as_ref().ok_or(DecideError::NoState)?;
    let plan = saved_plan(state, &actions.plan).await?;
    let mut lines = Vec::new();
    for action in plan
        .actions
        .iter()
        .filter(|action| actions.actions.contains(&action.id))
        .take(5)
    {
        lines.push(format!(
            "{} of {} in {} ({})",
            action.change.kind(),
            visible(action.resource.as_str()),
            action.account,
            action.id
        ));
        for finding in plan
            .findings
            .iter()
            .filter(|finding| action.findings().any(|id| *id == finding.id))
        {
            lines.push(format!(
                "{}. {} (rule {})",
                visible(&finding.title),
                visible(&finding.detail),
                finding.rule
            ));
        }
        lines.push(format!(
            "It is done only while this holds: {}",
            serde_json::json!(action.precondition)
        ));
        lines.push(match &action.inverse {
            Some(inverse) => format!("It can be undone: {}", serde_json::json!(inverse)),
            None => "It cannot be undone.".to_owned(),
        });
    }
    if lines.is_empty() {
        lines.push(format!("plan {} holds none of it", plan.id));
    }
    Ok(Shown::ToPerson {
        lines,
        instead: false,
    })
}

/// The findings of a button, as they are remembered.
async fn known(house: &House, findings: &Findings) -> Result<Vec<Finding>, DecideError> {
    let state = house.state.as_ref().ok_or(DecideError::NoState)?;
    let remembered = state.findings(None, true).await?;
    let wanted = remembered.into_iter().map(|record| record.finding);
    let known: Vec<_> = wanted
        .filter(|finding| findings.findings.contains(&finding.id))
        .collect();
    match known.is_empty() {
        true => Err(DecideError::Senseless(
            "nothing is remembered of it any more".to_owned(),
        )),
        false => Ok(known),
    }
}

fn titles(findings: &[Finding]) -> Vec<String> {
    let title = |finding: &Finding| format!("{} ({})", visible(&finding.title), finding.rule);
    findings.iter().take(10).map(title).collect()
}

/// Looks again at once, and changes nothing.
async fn recheck(house: &House, findings: &Findings) -> Result<Shown, DecideError> {
    let known = known(house, findings).await?;
    let mut selection = Selection {
        rules: known.iter().map(|finding| finding.rule.to_string()).collect(),
        accounts: known.iter().map(|finding| finding.account.clone()).collect(),
    };
    selection.rules.sort();
    selection.rules.dedup();
    selection.accounts.sort();
    selection.accounts.dedup();
    // Boxed: the futures of whoever awaits this would be too deep for the compiler otherwise.
    let planned = match Box::pin(look_again(house, &selection)).await {
        Ok(planned) => planned,
        Err(error) => {
            tracing::warn!(error = format!("{error:#}"), "could not look again");
            return Ok(Shown::to_person(format!("could not look again: {error}")));
        }
    };
    let now_found = |id: &FindingId| planned.plan.findings.iter().find(|finding| finding.id == *id);
    let lines = known.iter().map(|before| match now_found(&before.id) {
        None if super::reads_failed(&planned.plan) => {
            format!(
                "{}: not all could be read, so nobody knows yet",
                visible(&before.title)
            )
        }
        None => format!("{}: mended, thank you", visible(&before.title)),
        Some(finding) => match finding.status {
            FindingStatus::Violation | FindingStatus::Warning => {
                format!(
                    "still so: {}. {}",
                    visible(&finding.title),
                    visible(&finding.detail)
                )
            }
            FindingStatus::Exempt => format!("{}: exempt", visible(&finding.title)),
            FindingStatus::Unknown => format!("{}: not known", visible(&finding.title)),
        },
    });
    Ok(Shown::InMessage {
        lines: lines.collect(),
        keep: true,
    })
}

async fn look_again(house: &House, selection: &Selection) -> anyhow::Result<Planned> {
    let house = house.with_accounts().await?;
    Run::new(&house, Reach::Remember).plan_or_stop(selection).await
}

async fn not_mine(house: &House, findings: &Findings, person: &Person) -> Result<Shown, DecideError> {
    let known = known(house, findings).await?;
    for finding in &known {
        house.dispute(finding, person).await?;
    }
    let lines = titles(&known)
        .into_iter()
        .map(|title| format!("not theirs: {title}; whoever runs iamwarden is told"));
    Ok(Shown::InMessage {
        lines: lines.collect(),
        keep: true,
    })
}

async fn ask(
    house: &House,
    findings: &Findings,
    until: Option<NaiveDate>,
    reason: Option<&str>,
    person: &Person,
) -> Result<Shown, DecideError> {
    let known = known(house, findings).await?;
    let senseless = |why: &str| DecideError::Senseless(why.to_owned());
    let until = until.ok_or_else(|| senseless("an exemption needs a last day"))?;
    let reason = reason.ok_or_else(|| senseless("an exemption needs a reason"))?;
    let mut lines = Vec::new();
    let mut things: Vec<_> = known
        .iter()
        .map(|finding| (&finding.account, &finding.resource))
        .collect();
    things.sort();
    things.dedup();
    for (account, resource) in things {
        let of_thing = known
            .iter()
            .filter(|finding| finding.account == *account && finding.resource == *resource);
        let rules: Vec<RuleName> = of_thing.clone().map(|finding| finding.rule.clone()).collect();
        let asked = ExemptionAsked {
            account,
            resource,
            rules: &rules,
            until,
            reason,
            owner: of_thing.clone().find_map(|finding| finding.owner.as_ref()),
            person,
        };
        let request = house.ask_for_exemption(asked).await?;
        lines.push(format!(
            "asked for an exemption of {} until {until} ({}); an approver answers",
            visible(resource.resource()),
            request.id
        ));
    }
    Ok(Shown::ToPerson { lines, instead: true })
}

async fn answer(
    house: &House,
    id: &ExemptionId,
    granted: bool,
    person: &Person,
) -> Result<Shown, DecideError> {
    let exemption = house.answer_exemption(id, granted, person, None).await?;
    let word = if granted { "granted" } else { "refused" };
    let line = format!(
        "{word} the exemption of {} until {} ({id})",
        visible(exemption.request.resource.resource()),
        exemption.request.until
    );
    Ok(Shown::InMessage {
        lines: vec![line],
        keep: false,
    })
}
