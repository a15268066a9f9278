//! `role_trust`: roles that people or workloads outside the account can assume more freely than somebody wants.
//!
//! What it finds, in the trust policies of the account's roles:
//!
//! - trust open to `*` (or to everyone but those named): critical where nothing narrows it, high where only an external id, an
//!   address or a network does. Narrowed to one organization, to this account or to trusted accounts it is not open.
//! - another account, or a principal of it, without a condition on `sts:ExternalId`: the owner of that account can let others
//!   use the role through it (the confused deputy). Accounts under `[[accounts]]` and in `trusted_accounts` are your
//!   own, and a condition on `aws:PrincipalOrgID` or `aws:PrincipalOrgPaths` keeps it within one organization.
//! - an identity provider (OIDC, Cognito, Google, Facebook, Amazon) without a condition on the audience, or without one on the
//!   subject that names somebody: `repo:*` names nobody, and so does a pattern that leaves the organization of GitHub open. Of a SAML
//!   provider only the audience is asked for: it names the role itself in what it asserts.
//! - a principal that was deleted and is still named by its unique id: a warning, nobody can use it any more.
//!
//! What it does: it reports, in every mode. Trust is changed by whoever knows who needs the role; the steps are in the finding.
//!
//! What is left alone: service-linked roles and roles of Identity Center; services (`Service`), whose confused deputies are not
//! looked for here; principals of this account. A Deny never counts as open, and one for everybody without a condition closes what it
//! covers. A condition counts only where it must be met: one with `IfExists` or `ForAllValues`, or with a value that is all wildcard,
//! narrows nothing. A trust policy that cannot be parsed is unknown.
//!
//! Answers IAM's security best practices ("Use IAM Access Analyzer to verify public and cross-account access", "Require
//! workloads to use temporary credentials with IAM roles") and the guide on external ids; the CIS benchmark has no control of
//! its own. Prowler's `iam_role_cross_account_readonlyaccess_policy` looks at what such a role may do, and
//! `iam_role_cross_service_confused_deputy_prevention` at services; neither asks for external ids or subjects.

mod conditions;
mod provider;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::judgement::{evidence, judge_roles, stands_subject};
use super::trust::{Denial, Grant, Trust, Trusted};
use super::{Context, Judgement, Practice, Rule};
use crate::inventory::Role;
use crate::model::{AccountId, FindingStatus, RuleName, Severity};

use conditions::Reach;

/// The rule's name.
pub const RULE: RuleName = RuleName::new("role_trust");

pub(super) const ENTRY: Rule = Rule {
    name: "role_trust",
    summary: "roles that outsiders can assume too freely",
    check,
    mode: |config| config.rules.role_trust.mode,
    schedule: |config| config.rules.role_trust.schedule.as_ref(),
    changes: |_| Vec::new(),
    source: include_str!("mod.rs"),
    practice: Practice::Review,
    controls: &[],
};

/// What is wrong with one principal of a trust policy.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Problem {
    /// Its stable name, in the evidence.
    kind: &'static str,
    status: FindingStatus,
    severity: Severity,
    /// Whom the policy names.
    principal: String,
    /// What follows "the role NAME" in a title.
    title: String,
    /// Why that matters, as a sentence.
    why: String,
    /// What to change in the policy, as a part of a sentence.
    step: String,
}

fn check(ctx: &Context<'_>) -> Vec<Judgement> {
    let trusted = trusted_accounts(ctx);
    judge_roles(ctx, &RULE, |role| judge(ctx, role, &trusted))
}

/// The accounts whose people are ours.
fn trusted_accounts(ctx: &Context<'_>) -> BTreeSet<AccountId> {
    let declared = ctx.config.accounts.iter().map(|account| &account.id);
    let listed = &ctx.config.rules.role_trust.trusted_accounts;
    let own = std::iter::once(&ctx.snapshot.account);
    declared.chain(listed).chain(own).cloned().collect()
}

fn judge(ctx: &Context<'_>, role: &Role, trusted: &BTreeSet<AccountId>) -> Option<Judgement> {
    let trust = match Trust::of_document(&role.trust, &ctx.snapshot.account) {
        Ok(trust) => trust,
        Err(error) => return Some(unknown(ctx, role, &error.to_string())),
    };
    let mut problems: Vec<_> = trust
        .grants
        .iter()
        .filter(|grant| !grant.ways.is_empty())
        .flat_map(|grant| problems(grant, &trust.denials, trusted))
        .collect();
    // The worst first; the same thing said by two statements is one thing.
    problems.sort_by(|a, b| {
        let rank = |problem: &Problem| {
            (
                problem.status != FindingStatus::Violation,
                std::cmp::Reverse(problem.severity),
            )
        };
        (rank(a), a.kind, &a.principal).cmp(&(rank(b), b.kind, &b.principal))
    });
    problems.dedup();
    let worst = problems.first()?;
    let mut finding = ctx.finding(&RULE, &role.arn, "trust", worst.status, worst.severity);
    let more = match problems.len() - 1 {
        0 => String::new(),
        n => format!(", and {n} more"),
    };
    finding.title = format!("the role {} {}{more}", role.name, worst.title);
    finding.detail = detail(role, &problems);
    let facts = problems
        .iter()
        .map(|problem| json!({"kind": problem.kind, "principal": problem.principal, "why": problem.why}));
    finding.evidence = evidence([
        ("problems", Value::Array(facts.collect())),
        ("last_used_at", json!(role.last_used_at)),
    ]);
    finding.owner = ctx.owner(&role.arn, &role.tags);
    stands_subject(ctx, &RULE, &mut finding);
    Some(Judgement {
        finding,
        remedy: None,
        announcement: None,
        reminder: None,
    })
}

fn detail(role: &Role, problems: &[Problem]) -> String {
    let mut sentences: Vec<&str> = problems.iter().map(|problem| problem.why.as_str()).collect();
    sentences.dedup();
    let mut steps: Vec<&str> = problems.iter().map(|problem| problem.step.as_str()).collect();
    steps.dedup();
    format!(
        "{} To mend it: save the trust policy (`aws iam get-role --role-name {name} --query Role.AssumeRolePolicyDocument > trust.json`), \
         {}, and put it back (`aws iam update-assume-role-policy --role-name {name} --policy-document file://trust.json`).",
        sentences.join(" "),
        steps.join(", "),
        name = role.name,
    )
}

fn unknown(ctx: &Context<'_>, role: &Role, why: &str) -> Judgement {
    let mut finding = ctx.finding(
        &RULE,
        &role.arn,
        "trust",
        FindingStatus::Unknown,
        Severity::Medium,
    );
    finding.title = format!("cannot tell who may assume the role {}", role.name);
    finding.detail = format!("Its trust policy is not understood: {why}. Nothing is concluded from it.");
    finding.owner = ctx.owner(&role.arn, &role.tags);
    Judgement {
        finding,
        remedy: None,
        announcement: None,
        reminder: None,
    }
}

/// What is wrong with a principal of an Allow statement.
fn problems(grant: &Grant, denials: &[Denial], trusted: &BTreeSet<AccountId>) -> Vec<Problem> {
    let denials: Vec<_> = denials.iter().filter(|denial| denial.bars(grant)).collect();
    if denials.iter().any(|denial| denial.clauses.is_empty()) {
        return Vec::new();
    }
    let reach = Reach::of(&grant.clauses, &denials, trusted);
    match &grant.who {
        Trusted::Own | Trusted::Service(_) => Vec::new(),
        Trusted::Everyone | Trusted::EveryoneBut => open(&grant.text, &reach).into_iter().collect(),
        Trusted::Account(id) if trusted.contains(id) => Vec::new(),
        Trusted::OtherPrincipal(arn) if trusted.iter().any(|id| id.as_str() == arn.account()) => Vec::new(),
        Trusted::Account(id) => other_account(id.as_str(), id.as_str(), Severity::High, &reach)
            .into_iter()
            .collect(),
        Trusted::OtherPrincipal(arn) => other_account(arn.account(), arn.as_str(), Severity::Medium, &reach)
            .into_iter()
            .collect(),
        Trusted::Deleted(id) => vec![deleted(id)],
        Trusted::Provider(name) => provider::problems(name, &grant.clauses),
        Trusted::Other(text) => vec![not_understood(text)],
    }
}

fn open(principal: &str, reach: &Reach) -> Option<Problem> {
    let accounts: Vec<_> = reach.accounts.iter().map(AccountId::as_str).collect();
    let accounts = accounts.join(" and ");
    let external_id = reach.external_id.then_some("sts:ExternalId");
    let keys: Vec<_> = reach.keys.iter().copied().chain(external_id).collect();
    let keys = keys.join(" and ");
    if reach.ours || (!accounts.is_empty() && reach.external_id) {
        return None;
    }
    let (kind, severity, title, why) = if !accounts.is_empty() {
        (
            "other_account",
            Severity::High,
            format!("can be assumed from account {accounts} without an external id"),
            format!(
                "Its principal is open, and its conditions leave account {accounts}, without one on sts:ExternalId: whoever \
                 uses that account as a go-between can assume the role."
            ),
        )
    } else if !keys.is_empty() {
        (
            "open_under_condition",
            Severity::High,
            format!("can be assumed from any AWS account that meets a condition on {keys}"),
            format!(
                "Its principal is open to every AWS account; only the condition on {keys} holds others off."
            ),
        )
    } else {
        (
            "open",
            Severity::Critical,
            "can be assumed from any AWS account".to_owned(),
            "Its principal is open to every AWS account, and no condition narrows it: anybody can assume the role and do \
             what it may."
                .to_owned(),
        )
    };
    Some(Problem {
        kind,
        status: FindingStatus::Violation,
        severity,
        principal: principal.to_owned(),
        title,
        why,
        step: "replace the open principal by the ARNs of those who need the role".to_owned(),
    })
}

fn other_account(account: &str, principal: &str, severity: Severity, reach: &Reach) -> Option<Problem> {
    (!reach.ours && !reach.external_id).then(|| Problem {
        kind: "other_account",
        status: FindingStatus::Violation,
        severity,
        principal: principal.to_owned(),
        title: format!("can be assumed from account {account} without an external id"),
        why: format!(
            "It trusts {principal} without a condition on sts:ExternalId: whoever uses that account as a go-between can \
             assume the role."
        ),
        step: format!(
            "add a condition on `sts:ExternalId` with a value agreed with the owner of account {account} (or, if the \
             account is yours, list it under rules.role_trust.trusted_accounts)"
        ),
    })
}

fn deleted(id: &str) -> Problem {
    Problem {
        kind: "deleted_principal",
        status: FindingStatus::Warning,
        severity: Severity::Low,
        principal: id.to_owned(),
        title: format!("trusts {id}, which was deleted"),
        why: format!("The principal {id} does not exist any more, so nobody can use this part of the trust."),
        step: format!("take out {id}"),
    }
}

fn not_understood(text: &str) -> Problem {
    Problem {
        kind: "not_understood",
        status: FindingStatus::Unknown,
        severity: Severity::Medium,
        principal: text.to_owned(),
        title: format!("trusts `{text}`, and nobody can tell who that is"),
        why: format!("The principal `{text}` is none that iamwarden knows."),
        step: "look who is meant".to_owned(),
    }
}
