//! Exemptions on request: asked for, granted or refused, taken back. The command line, a chat and the pages call these.

use chrono::NaiveDate;

use super::decide::{DecideError, check_reason};
use super::{House, Reach, Run};
use crate::model::{
    AccountId, Arn, ExemptionAnswer, ExemptionId, ExemptionRequest, ExemptionRevocation, Finding, Owner,
    Person, RequestedExemption, RuleName,
};
use crate::notify::{Dispute, News};
use crate::plan;
use crate::rules;
use crate::state::ExemptionChange;
use crate::telemetry::Chain;

/// An exemption that somebody asks for.
#[derive(Debug, Clone)]
pub struct ExemptionAsked<'a> {
    /// Where.
    pub account: &'a AccountId,
    /// Of what.
    pub resource: &'a Arn,
    /// Of which rules.
    pub rules: &'a [RuleName],
    /// The last day.
    pub until: NaiveDate,
    /// Why.
    pub reason: &'a str,
    /// Who answers for the thing, where that is known.
    pub owner: Option<&'a Owner>,
    /// Who asks.
    pub person: &'a Person,
}

impl House {
    /// Asks for an exemption, for an approver to grant or refuse. Asking for the same again changes nothing.
    ///
    /// # Errors
    /// [`DecideError::Senseless`] where what is asked makes no sense; and where the state fails: then nothing is asked.
    pub async fn ask_for_exemption(
        &self,
        asked: ExemptionAsked<'_>,
    ) -> Result<ExemptionRequest, DecideError> {
        let state = self.writable()?;
        let now = self.clock.now();
        let ExemptionAsked {
            account,
            resource,
            rules: of_rules,
            until,
            reason,
            owner,
            person,
        } = asked;
        let senseless = |why: String| Err(DecideError::Senseless(why));
        if reason.trim().is_empty() {
            return senseless("an exemption needs a reason".to_owned());
        }
        check_reason(Some(reason))?;
        if until < now.date_naive() {
            return senseless(format!("{until} is over: an exemption ends today or later"));
        }
        let mut of_rules = of_rules.to_vec();
        of_rules.sort();
        of_rules.dedup();
        if of_rules.is_empty() {
            return senseless("an exemption names at least one rule".to_owned());
        }
        if let Some(unknown) = of_rules.iter().find(|rule| rules::find(rule.as_str()).is_none()) {
            return senseless(format!("there is no rule `{unknown}`"));
        }
        if resource.account() != account.as_str() {
            return senseless(format!("{resource} is not in account {account}"));
        }
        let request = ExemptionRequest {
            id: ExemptionId(format!("exm_{}", crate::daemon::new_id(now))),
            account: account.clone(),
            resource: resource.clone(),
            rules: of_rules,
            until,
            reason: reason.trim().to_owned(),
            owner: owner.cloned(),
            by: person.clone(),
            at: now,
        };
        let recorded = state.request_exemption(&request, now).await?;
        if recorded.id == request.id {
            self.tell_of(News::Requested(Box::new(RequestedExemption {
                request,
                answer: None,
                revoked: None,
            })))
            .await;
        }
        Ok(recorded)
    }

    /// Puts the word of it into the outbox. What happened stands, whether or not it can be told.
    async fn tell_of(&self, news: News) {
        let Some(state) = &self.state else { return };
        let run = Run::new(self, Reach::Remember);
        if let Err(error) = run.tell_news(state, &[news]).await {
            tracing::error!(error = %Chain(&error), "recorded, but nobody can be told of it");
        }
    }

    /// Records that somebody says a thing is not theirs, and tells whoever looks after owners.
    ///
    /// # Errors
    /// Where the state fails: then nothing is recorded.
    pub async fn dispute(&self, finding: &Finding, person: &Person) -> Result<(), DecideError> {
        let now = self.clock.now();
        let state = self.writable()?;
        state
            .record_dispute(&finding.account, &finding.id, person, now)
            .await?;
        self.tell_of(News::Disputed(Box::new(Dispute {
            finding: finding.clone(),
            by: person.name.clone(),
            at: now,
        })))
        .await;
        Ok(())
    }

    /// Grants or refuses an exemption. The first answer counts.
    ///
    /// # Errors
    /// [`DecideError::Refused`] where the person may not, [`DecideError::Settled`] where it was answered already; and
    /// where the state fails: then nothing is answered.
    pub async fn answer_exemption(
        &self,
        id: &ExemptionId,
        granted: bool,
        person: &Person,
        reason: Option<&str>,
    ) -> Result<RequestedExemption, DecideError> {
        let state = self.writable()?;
        check_reason(reason)?;
        let now = self.clock.now();
        plan::may_decide(&self.config, person)?;
        let known = state.exemption(id).await?;
        let known = known.ok_or_else(|| DecideError::NoExemption(id.to_string()))?;
        plan::may_answer(&self.config, person, &known.request, granted)?;
        if granted && known.answer.is_none() && known.request.until < now.date_naive() {
            let why = format!("its last day, {}, is over", known.request.until);
            return Err(DecideError::Senseless(why));
        }
        let answer = ExemptionAnswer {
            granted,
            by: person.clone(),
            reason: reason.map(ToOwned::to_owned),
            at: now,
        };
        self.changed(id, state.answer_exemption(id, &answer, now).await?)
            .await
    }

    /// Takes a granted exemption back.
    ///
    /// # Errors
    /// As for [`House::answer_exemption`].
    pub async fn revoke_exemption(
        &self,
        id: &ExemptionId,
        person: &Person,
        reason: Option<&str>,
    ) -> Result<RequestedExemption, DecideError> {
        let state = self.writable()?;
        check_reason(reason)?;
        plan::may_decide(&self.config, person)?;
        let now = self.clock.now();
        let revocation = ExemptionRevocation {
            by: person.clone(),
            reason: reason.map(ToOwned::to_owned),
            at: now,
        };
        self.changed(id, state.revoke_exemption(id, &revocation, now).await?)
            .await
    }

    async fn changed(
        &self,
        id: &ExemptionId,
        change: ExemptionChange,
    ) -> Result<RequestedExemption, DecideError> {
        match change {
            ExemptionChange::Recorded(exemption) => {
                self.tell_of(News::Answered(Box::new(exemption.clone()))).await;
                Ok(exemption)
            }
            ExemptionChange::Unchanged(exemption) => Err(DecideError::Settled {
                id: id.clone(),
                standing: exemption.standing(self.clock.now().date_naive()).as_str(),
            }),
            ExemptionChange::Unknown => Err(DecideError::NoExemption(id.to_string())),
        }
    }
}
