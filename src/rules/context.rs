//! What a rule is given, and what it gives back.

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use serde_json::{Map, Value};

use crate::config::{Config, Exemption, OwnerEntry};
use crate::inventory::{Authorization, Gap, Snapshot, User};
use crate::model::{
    Arn, Event, ExemptionStanding, Finding, FindingId, FindingStatus, Glob, History, Owner, Precondition,
    PrincipalPath, Proposal, RuleName, Severity, Span, WithheldReason,
};

/// All that a rule may look at.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// What is declared.
    pub config: &'a Config,
    /// What is there.
    pub snapshot: &'a Snapshot,
    /// What was before.
    pub history: &'a History,
    /// The time of the decision.
    pub now: DateTime<Utc>,
}

/// A finding, and what the planner needs to act on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// What is the matter. `proposal` is left empty: the planner fills it in mode `report`.
    pub finding: Finding,
    /// What would put it right; `None`: nothing that iamwarden does.
    pub remedy: Option<Remedy>,
    /// What its owner is told beforehand, and when.
    pub announcement: Option<Announcement>,
    /// What its owner is told where nothing is going to happen by itself.
    pub reminder: Option<Reminder>,
}

impl Judgement {
    /// A finding that asks for nothing and is told to nobody but in reports.
    pub fn bare(finding: Finding) -> Self {
        Self {
            finding,
            remedy: None,
            announcement: None,
            reminder: None,
        }
    }
}

/// What an owner is told of a finding that only people can put right: at once, and again as long as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reminder {
    /// By which event.
    pub event: Event,
    /// How long until it is said again.
    pub every: Span,
}

/// What would put a violation right, and what must hold for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remedy {
    /// Kind, parameters, inverse.
    pub proposal: Proposal,
    /// What is read again right before.
    pub precondition: Precondition,
    /// Since when it offends: the oldest goes first where a cap holds some back.
    pub since: DateTime<Utc>,
    /// Held back by the rule itself, with a sentence.
    pub withheld: Option<(WithheldReason, String)>,
    /// Never an action, in any mode: only ever a proposal in the report.
    pub report_only: bool,
    /// Also in `enforce` only with a person's approval.
    pub needs_approval: bool,
}

/// What an owner is told before an action, and from when on it may happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// By which event.
    pub event: Event,
    /// About what: an access key id, a policy ARN.
    pub subject: String,
    /// When the limit is reached: the action never comes earlier.
    pub due: DateTime<Utc>,
    /// The action comes at least so long after the first counting notice; zero needs none.
    pub minimum_notice: Span,
    /// When reminders go out, before the date.
    pub warn_before: Vec<Span>,
    /// Notices accepted up to then do not count: the key was inactive in between.
    pub notices_count_after: Option<DateTime<Utc>>,
}

/// How a principal stands towards the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// The rule applies. An exemption that has ended is named.
    Subject {
        /// One that would have covered it.
        expired: Option<Exemption>,
    },
    /// Covered by `guardrails.protected`.
    Protected(Glob),
    /// It is what iamwarden itself runs as.
    Own,
    /// Covered by an exemption that holds.
    Exempt(Exemption),
}

impl<'a> Context<'a> {
    /// The answer of `GetAccountAuthorizationDetails`.
    ///
    /// # Errors
    /// The gap, where it could not be read whole.
    pub fn authorization(&self) -> Result<&'a Authorization, &'a Gap> {
        self.snapshot.authorization.as_result()
    }

    /// The ARN of the account itself, the resource of account-wide findings.
    pub fn account_root(&self) -> Arn {
        Arn::iam(&self.snapshot.partition, &self.snapshot.account, "root")
    }

    /// How the principal stands towards this rule: itself first, then protection, then exemptions.
    pub fn standing(&self, rule: &RuleName, resource: &Arn) -> Standing {
        if self.is_own(resource) {
            return Standing::Own;
        }
        let path = resource.principal_path();
        if let Some(pattern) = self.config.guardrails.protected.iter().find(|p| path.matches(p)) {
            return Standing::Protected(pattern.clone());
        }
        let today = self.now.date_naive();
        let mut expired = None;
        for exemption in &self.config.exemptions {
            if !covers(exemption, rule, self.snapshot.account.as_str(), path) {
                continue;
            }
            if exemption.until >= today {
                return Standing::Exempt(exemption.clone());
            }
            expired.get_or_insert_with(|| exemption.clone());
        }
        for granted in &self.history.exemptions {
            if !granted.covers(rule, resource) {
                continue;
            }
            match granted.standing(today) {
                ExemptionStanding::Granted => return Standing::Exempt(Exemption::of_granted(granted)),
                ExemptionStanding::Ended => {
                    expired.get_or_insert_with(|| Exemption::of_granted(granted));
                }
                ExemptionStanding::Requested | ExemptionStanding::Refused | ExemptionStanding::Revoked => {}
            }
        }
        Standing::Subject { expired }
    }

    /// The last moment of the last exemption from this rule that is over or was taken back. One that was struck from the
    /// configuration is not known any more.
    pub fn exempt_to(&self, rule: &RuleName, resource: &Arn) -> Option<DateTime<Utc>> {
        let today = self.now.date_naive();
        let end_of = |day: NaiveDate| {
            let next = day.succ_opt()?.and_time(NaiveTime::MIN).and_utc();
            Some(next - TimeDelta::microseconds(1))
        };
        let account = self.snapshot.account.as_str();
        let path = resource.principal_path();
        let declared = self.config.exemptions.iter();
        let declared = declared
            .filter(|exemption| exemption.until < today && covers(exemption, rule, account, path))
            .filter_map(|exemption| end_of(exemption.until));
        let granted = self.history.exemptions.iter();
        let granted = granted
            .filter(|granted| granted.covers(rule, resource))
            .filter_map(|granted| match granted.standing(today) {
                ExemptionStanding::Ended => end_of(granted.request.until),
                ExemptionStanding::Revoked => granted.revoked.as_ref().map(|revoked| revoked.at),
                ExemptionStanding::Granted | ExemptionStanding::Requested | ExemptionStanding::Refused => {
                    None
                }
            });
        declared.chain(granted).max()
    }

    fn is_own(&self, resource: &Arn) -> bool {
        let bare = match (resource.resource().split_once('/'), resource.principal_kind()) {
            (Some((kind, _)), Some(_)) => format!("{kind}/{}", resource.name()),
            _ => return false,
        };
        // IAM names are unique without regard to case.
        self.snapshot
            .caller
            .identities
            .iter()
            .any(|own| own.eq_ignore_ascii_case(&bare))
    }

    /// Who answers for a principal with these tags: the explicit map, then its tags, then the account's owner.
    pub fn owner(&self, resource: &Arn, tags: &std::collections::BTreeMap<String, String>) -> Option<Owner> {
        let notifications = &self.config.notifications;
        let path = resource.principal_path();
        let mapped = notifications.owners.iter().find_map(|entry| match entry {
            OwnerEntry::Map(map) if map.principals.iter().any(|p| path.matches(p)) => Some(map.owner.clone()),
            OwnerEntry::Map(_) | OwnerEntry::Route(_) => None,
        });
        mapped
            .or_else(|| {
                let named = notifications.owner_tags.iter().find_map(|tag| tags.get(tag));
                named
                    .filter(|name| !name.trim().is_empty())
                    .map(|name| Owner(name.clone()))
            })
            .or_else(|| self.account_owner())
    }

    /// Who answers for the account.
    pub fn account_owner(&self) -> Option<Owner> {
        let account = self
            .config
            .accounts
            .iter()
            .find(|account| account.id == self.snapshot.account);
        account.and_then(|account| account.owner.clone())
    }

    /// Who answers for a user.
    pub fn owner_of_user(&self, user: &User) -> Option<Owner> {
        self.owner(&user.arn, &user.tags)
    }

    /// A finding of this rule, with no owner, evidence or proposal yet.
    pub fn finding(
        &self,
        rule: &RuleName,
        resource: &Arn,
        subject: &str,
        status: FindingStatus,
        severity: Severity,
    ) -> Finding {
        Finding {
            id: FindingId::of(rule, &self.snapshot.account, resource, subject),
            rule: rule.clone(),
            account: self.snapshot.account.clone(),
            resource: resource.clone(),
            severity,
            status,
            title: String::new(),
            detail: String::new(),
            evidence: Map::<String, Value>::new(),
            owner: None,
            proposal: None,
        }
    }
}

fn covers(exemption: &Exemption, rule: &RuleName, account: &str, path: PrincipalPath<'_>) -> bool {
    let of_account = exemption
        .accounts
        .as_ref()
        .is_none_or(|accounts| accounts.iter().any(|a| a.as_str() == account));
    of_account
        && exemption.rules.iter().any(|r| r == rule)
        && exemption.principals.iter().any(|pattern| path.matches(pattern))
}
