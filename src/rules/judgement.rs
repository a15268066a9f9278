//! What rules share: whom they look at, what they say of an account that could not be read, and whom they leave alone.

use serde_json::{Map, Value, json};

use super::{Context, Judgement, Standing};
use crate::inventory::{Gap, Role, User};
use crate::model::{Finding, FindingStatus, RuleName, Severity};

/// What a rule says of each user.
pub(super) fn judge_users(
    ctx: &Context<'_>,
    rule: &RuleName,
    judge: impl Fn(&User) -> Option<Judgement>,
) -> Vec<Judgement> {
    match ctx.authorization() {
        Ok(authorization) => authorization.users.iter().filter_map(judge).collect(),
        Err(gap) => vec![unreadable_account(ctx, rule, gap)],
    }
}

/// What a rule says of each role that is not AWS's own.
pub(super) fn judge_roles(
    ctx: &Context<'_>,
    rule: &RuleName,
    judge: impl Fn(&Role) -> Option<Judgement>,
) -> Vec<Judgement> {
    let ours = |role: &&Role| !role.arn.is_role_of_aws();
    match ctx.authorization() {
        Ok(authorization) => authorization
            .roles
            .iter()
            .filter(ours)
            .filter_map(judge)
            .collect(),
        Err(gap) => vec![unreadable_account(ctx, rule, gap)],
    }
}

/// The account's users, groups and roles could not be read.
pub(super) fn unreadable_account(ctx: &Context<'_>, rule: &RuleName, gap: &Gap) -> Judgement {
    let mut finding = ctx.finding(
        rule,
        &ctx.account_root(),
        "account",
        FindingStatus::Unknown,
        Severity::Medium,
    );
    finding.title = "The account could not be read".to_owned();
    finding.detail = format!(
        "{} failed: {}. Nothing is concluded from what is missing.",
        gap.operation, gap.detail
    );
    finding.evidence = evidence([("operation", json!(gap.operation)), ("cause", json!(gap.cause))]);
    finding.owner = ctx.account_owner();
    Judgement::bare(finding)
}

pub(super) fn evidence<const N: usize>(facts: [(&str, Value); N]) -> Map<String, Value> {
    facts
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// Turns the finding into `exempt` where its resource is not subject to the rule; says whether it is.
pub(super) fn stands_subject(ctx: &Context<'_>, rule: &RuleName, finding: &mut Finding) -> bool {
    let standing = ctx.standing(rule, &finding.resource);
    note_standing(finding, standing, "It")
}

/// Turns the finding into `exempt` where whom it is about (`who`, as a sentence begins) is to be left alone; says
/// whether the rule applies.
pub(super) fn note_standing(finding: &mut Finding, standing: Standing, who: &str) -> bool {
    let (why, fact) = match standing {
        Standing::Subject { expired } => {
            if let Some(exemption) = expired {
                finding.detail.push_str(&format!(
                    " An exemption ({}) ended on {} and has no effect.",
                    exemption.reason, exemption.until
                ));
                finding.evidence.insert(
                    "expired_exemption".to_owned(),
                    json!({"until": exemption.until, "reason": exemption.reason}),
                );
            }
            return true;
        }
        Standing::Own => (
            format!("{who} is what iamwarden itself runs as, which is never touched."),
            json!("own"),
        ),
        Standing::Protected(pattern) => (
            format!("{who} is protected by `{pattern}`."),
            json!({"protected": pattern}),
        ),
        Standing::Exempt(exemption) => (
            format!("{who} is exempt until {}: {}.", exemption.until, exemption.reason),
            json!({"until": exemption.until, "reason": exemption.reason}),
        ),
    };
    finding.status = FindingStatus::Exempt;
    finding.detail.push(' ');
    finding.detail.push_str(&why);
    finding.evidence.insert("exempt".to_owned(), fact);
    false
}
