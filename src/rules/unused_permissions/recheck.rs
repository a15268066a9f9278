//! The same question once more, right before detaching, from what AWS says at that moment.

use chrono::{DateTime, Utc};

use crate::inventory::{AttachedPolicy, Reading, ServiceLastAccessed};
use crate::model::{Arn, PolicyUse, Precondition};

use super::catalogue::Catalogue;
use super::evidence::{Usage, check_age};
use super::reach::Reach;
use super::wording::{HolderIdentity, attachment_precondition, subject};

/// What was read live of one attachment.
#[derive(Debug, Clone)]
pub struct LiveAttachment<'a> {
    /// The user, group or role.
    pub principal: &'a Arn,
    /// When it was made.
    pub principal_created_at: DateTime<Utc>,
    /// Who is in the group, and since when there is such a user; `None`: no group.
    pub members: Option<Vec<(&'a Arn, DateTime<Utc>)>>,
    /// The policy that is to be detached.
    pub policy_arn: &'a Arn,
    /// What is attached to the principal now (`ListAttachedUserPolicies` and its like).
    pub attached: &'a [AttachedPolicy],
    /// The policy's default version (`GetPolicy`).
    pub version: &'a str,
    /// The decoded document of that version (`GetPolicyVersion`).
    pub document: &'a str,
    /// For how many principals the policy is the boundary (`GetPolicy`).
    pub boundary_count: u32,
    /// A report on the principal made just now; for a group also one on each of its present members.
    pub reports: &'a [&'a Reading<ServiceLastAccessed>],
}

/// Why a live reading leads to no verdict. The attachment is left as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecheckError {
    /// The world moved: what the plan rests on is no longer so.
    #[error("{attachment} cannot be detached any more: {why}; make a new plan")]
    Stale {
        /// The policy and its user, group or role.
        attachment: String,
        /// What is different.
        why: String,
    },
    /// It cannot be known whether the plan still holds.
    #[error("it is unknown whether {attachment} is still unused: {why}; the next run tries again")]
    Unknown {
        /// The policy and its user, group or role.
        attachment: String,
        /// What is missing.
        why: String,
    },
}

/// The precondition as it is now, to be compared with the planned one: where both are equal, nothing was used, edited
/// or detached since the plan.
///
/// # Errors
/// [`RecheckError::Stale`] where the policy is not attached, has come into use as a boundary, or has come to deny;
/// [`RecheckError::Unknown`] where document or reports do not suffice.
pub fn still_unused(live: &LiveAttachment<'_>, now: DateTime<Utc>) -> Result<Precondition, RecheckError> {
    let stale = |why: &str| RecheckError::Stale {
        attachment: subject(live.principal, live.policy_arn),
        why: why.to_owned(),
    };
    let unknown = |why: String| RecheckError::Unknown {
        attachment: subject(live.principal, live.policy_arn),
        why,
    };
    if !live.attached.iter().any(|policy| policy.arn == *live.policy_arn) {
        return Err(stale("it is not attached"));
    }
    if live.boundary_count > 0 {
        return Err(stale("it is in use as a permissions boundary"));
    }
    let catalogue = Catalogue::compiled_in();
    let reach = Reach::of_document(live.document, catalogue).map_err(|e| unknown(e.to_string()))?;
    if reach.denies {
        return Err(stale("it also denies"));
    }
    if let Some(pattern) = reach.not_in_catalogue.first() {
        return Err(unknown(format!(
            "the catalogue of AWS actions does not know {pattern}"
        )));
    }
    let usage = joined(live.reports, now).map_err(unknown)?;
    let services = reach.services(catalogue);
    if let Some(silent) = services.iter().find(|service| !usage.covers(service)) {
        return Err(unknown(format!(
            "the report of Access Advisor has no row for {silent}"
        )));
    }
    let services = services
        .into_iter()
        .map(|service| {
            let last = usage.last(&service);
            (service, last)
        })
        .collect();
    let last_used = PolicyUse { services };
    let holder = HolderIdentity::new(live.principal_created_at, live.members.clone());
    Ok(attachment_precondition(
        live.policy_arn,
        live.version,
        live.document,
        holder,
        last_used,
    ))
}

fn joined(reports: &[&Reading<ServiceLastAccessed>], now: DateTime<Utc>) -> Result<Usage, String> {
    let mut usage: Option<Usage> = None;
    for reading in reports {
        let report = match reading {
            Reading::Known(report) => report,
            Reading::Unknown(gap) => {
                return Err(format!(
                    "Access Advisor has no usable report ({}: {})",
                    gap.operation, gap.detail
                ));
            }
        };
        check_age(report, now).map_err(|doubt| doubt.why)?;
        match &mut usage {
            Some(usage) => usage.join(report),
            None => usage = Some(Usage::of(report)),
        }
    }
    usage.ok_or_else(|| "there is no report of Access Advisor".to_owned())
}
