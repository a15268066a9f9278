//! The words that every form of a plan uses for the same thing.

use crate::inventory::GapCause;
use crate::model::{AccountId, Action, ActionMode, Arn, Severity, WithheldReason};
use crate::plan::{AccountStatus, ExemptionState, Mark, Score};

/// The word of a reason; an action that is withheld without one says so.
pub(super) fn reason_word(reason: Option<WithheldReason>) -> &'static str {
    reason.map_or("no reason given", WithheldReason::as_str)
}

/// Why an action is held back, in a sentence without a full stop.
pub fn reason_sentence(action: &Action) -> String {
    let explanation = action
        .withheld_reason
        .map_or("the plan gives no reason", WithheldReason::explanation);
    match &action.withheld_detail {
        Some(detail) => format!("{explanation}: {detail}"),
        None => explanation.to_owned(),
    }
}

/// The benchmark whose recommendations the scorecard goes through.
pub(super) const BENCHMARK: &str = "CIS AWS Foundations v3.0.0";

/// How many lines have which mark.
pub(super) fn mark_counts(scores: &[Score]) -> String {
    let count = |mark| scores.iter().filter(|score| score.mark == mark).count();
    let counts = Mark::ALL.map(|mark| format!("{} {}", count(mark), mark.label()));
    counts.join(", ")
}

/// Whose consent an action needs.
pub fn mode_word(mode: ActionMode) -> &'static str {
    match mode {
        ActionMode::Approve => "approve",
        ActionMode::Enforce => "enforce",
    }
}

/// The resource as people call it under the heading of its account: `user/alice`; the whole ARN where it belongs
/// to another service or account.
pub(super) fn resource_name<'a>(resource: &'a Arn, account: &AccountId) -> &'a str {
    if resource.service() == "iam" && resource.account() == account.as_str() {
        match resource.resource() {
            "root" => "the account",
            name => name,
        }
    } else {
        resource.as_str()
    }
}

/// Why a reading failed, in a word or two.
pub(super) fn gap_word(cause: GapCause) -> &'static str {
    match cause {
        GapCause::Throttled => "throttled",
        GapCause::Denied => "denied",
        GapCause::Unusable => "unusable",
        GapCause::Failed => "failed",
    }
}

/// How well an account was read.
pub(super) fn status_words(status: AccountStatus) -> &'static str {
    match status {
        AccountStatus::Complete => "read whole",
        AccountStatus::Partial => "read in part",
        AccountStatus::Failed => "not read",
    }
}

/// The state of an exemption.
pub(super) fn exemption_word(state: ExemptionState) -> &'static str {
    match state {
        ExemptionState::Active => "active",
        ExemptionState::Expiring => "expiring",
        ExemptionState::Expired => "expired",
    }
}

/// The mark of a severity.
pub(super) fn severity_mark(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "■",
        Severity::High => "▲",
        Severity::Medium => "●",
        Severity::Low => "○",
    }
}
