//! Findings and actions for the sample, in few words.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::now;
use crate::model::{
    AccessKeyId, AccountId, Action, ActionId, ActionMode, ActionState, Arn, Change, Digest, Finding,
    FindingId, FindingStatus, Inverse, KeyStatus, Owner, PasswordPolicy, PolicyUse, Precondition, Proposal,
    RuleName, Severity, WithheldReason,
};

pub(super) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

pub(super) fn account(id: &str) -> AccountId {
    AccountId::parse(id).unwrap()
}

pub(super) fn arn(account: &str, resource: &str) -> Arn {
    Arn::parse(&format!("arn:aws:iam::{account}:{resource}")).unwrap()
}

pub(super) fn key(n: u32) -> AccessKeyId {
    AccessKeyId::parse(&format!("AKIA{n:04}IOSFODNNEXMP")).unwrap()
}

pub(super) fn policy(text: &str) -> Arn {
    Arn::parse(text).unwrap()
}

pub(super) struct Draft(Finding);

pub(super) fn finding(rule: &RuleName, in_account: &str, resource: &str, subject: &str) -> Draft {
    let (account, resource) = (account(in_account), arn(in_account, resource));
    Draft(Finding {
        id: FindingId::of(rule, &account, &resource, subject),
        rule: rule.clone(),
        account,
        resource,
        severity: Severity::Medium,
        status: FindingStatus::Violation,
        title: String::new(),
        detail: String::new(),
        evidence: Map::new(),
        owner: Some(Owner("platform@example.com".to_owned())),
        proposal: None,
    })
}

impl Draft {
    pub(super) fn severity(mut self, severity: Severity) -> Self {
        self.0.severity = severity;
        self
    }

    pub(super) fn status(mut self, status: FindingStatus) -> Self {
        self.0.status = status;
        self
    }

    pub(super) fn says(mut self, title: &str, detail: &str) -> Self {
        self.0.title = title.to_owned();
        self.0.detail = detail.to_owned();
        self
    }

    pub(super) fn owner(mut self, owner: &str) -> Self {
        self.0.owner = Some(Owner(owner.to_owned()));
        self
    }

    pub(super) fn nobodys(mut self) -> Self {
        self.0.owner = None;
        self
    }

    pub(super) fn evidence(mut self, value: Value) -> Self {
        self.0.evidence = value.as_object().cloned().unwrap();
        self
    }

    pub(super) fn proposal(mut self, change: Change, inverse: Option<Inverse>) -> Self {
        self.0.proposal = Some(Proposal { change, inverse });
        self
    }

    pub(super) fn done(self) -> Finding {
        self.0
    }
}

pub(super) fn action(
    found: &Finding,
    change: Change,
    inverse: Option<Inverse>,
    precondition: Precondition,
) -> Action {
    Action {
        id: ActionId::of(&found.account, &found.resource, &change),
        finding: found.id.clone(),
        also: Vec::new(),
        change,
        account: found.account.clone(),
        resource: found.resource.clone(),
        mode: ActionMode::Enforce,
        reversible: inverse.is_some(),
        inverse,
        precondition,
        state: ActionState::Proposed,
        withheld_reason: None,
        withheld_detail: None,
        not_before: None,
    }
}

pub(super) fn withhold(mut action: Action, reason: WithheldReason, detail: Option<&str>) -> Action {
    action.state = ActionState::Withheld;
    action.withheld_reason = Some(reason);
    action.withheld_detail = detail.map(str::to_owned);
    action
}

pub(super) fn disable(
    found: &Finding,
    key: AccessKeyId,
    age_days: i64,
    reason: Option<WithheldReason>,
) -> Action {
    let built = action(
        found,
        Change::DisableAccessKey {
            access_key_id: key.clone(),
        },
        Some(Inverse::EnableAccessKey { access_key_id: key }),
        Precondition::AccessKey {
            status: KeyStatus::Active,
            created_at: now() - chrono::TimeDelta::days(age_days),
            last_used: None,
        },
    );
    match reason {
        Some(reason) => withhold(built, reason, None),
        None => built,
    }
}

pub(super) fn detach(found: &Finding, policy_arn: Arn, reason: Option<WithheldReason>) -> Action {
    let built = action(
        found,
        Change::DetachPolicy {
            policy_arn: policy_arn.clone(),
        },
        Some(Inverse::AttachPolicy {
            policy_arn: policy_arn.clone(),
        }),
        Precondition::Attachment {
            policy_arn,
            version: "v3".to_owned(),
            document: Digest::of_bytes(b"document"),
            attached: true,
            principal_created_at: at("2025-06-01T08:00:00Z"),
            members: None,
            last_used: PolicyUse {
                services: BTreeMap::from([
                    ("s3".to_owned(), None),
                    ("sqs".to_owned(), Some(at("2026-02-01T00:00:00Z"))),
                ]),
            },
        },
    );
    match reason {
        Some(reason) => withhold(built, reason, None),
        None => built,
    }
}

pub(super) fn declared() -> PasswordPolicy {
    PasswordPolicy {
        minimum_length: 14,
        require_uppercase: true,
        require_lowercase: true,
        require_numbers: true,
        require_symbols: true,
        allow_users_to_change: true,
        max_age_days: Some(90),
        reuse_prevention: Some(24),
        hard_expiry: false,
    }
}
