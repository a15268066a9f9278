//! How much may change: caps of a run and of a day, the change window, the freeze.

use chrono::{DateTime, Utc};

use super::PrincipalCounts;
use super::account::Candidate;
use crate::config::{Config, Guardrails, OnExcess};
use crate::model::{ActionState, History, WithheldReason};

/// Most changes that a run may make in an account of that size with that history.
pub(super) fn cap(guardrails: &Guardrails, principals: PrincipalCounts, changes_in_last_day: u32) -> usize {
    let Guardrails {
        max_changes_per_run,
        max_changes_percent,
        max_changes_per_day,
        ..
    } = guardrails;
    let share = match *max_changes_percent {
        0 => 0,
        percent => (principals.total() * percent as usize / 100).max(1),
    };
    let left_today = max_changes_per_day.saturating_sub(changes_in_last_day);
    share.min(*max_changes_per_run as usize).min(left_today as usize)
}

/// Withholds what is over the cap: the gravest, then the oldest, then by id go first.
pub(super) fn hold_excess(candidates: &mut [Candidate], guardrails: &Guardrails, cap: usize) {
    let mut due: Vec<_> = candidates
        .iter_mut()
        .filter(|c| c.action.state == ActionState::Proposed)
        .collect();
    if due.len() <= cap {
        return;
    }
    due.sort_by(|a, b| (b.severity, a.since, &a.action.id).cmp(&(a.severity, b.since, &b.action.id)));
    let wanted = due.len();
    let (kept, why) = match guardrails.on_excess {
        OnExcess::Cap => (cap, format!("{wanted} changes are due and {cap} may be made now")),
        OnExcess::Stop => (
            0,
            format!("{wanted} changes are due and {cap} may be made now, so none is (on_excess = \"stop\")"),
        ),
    };
    for candidate in due.into_iter().skip(kept) {
        candidate.withhold(WithheldReason::Guardrail, why.clone());
    }
}

/// What stops every change at this time, whatever it is.
pub(super) fn standstill(
    config: &Config,
    history: &History,
    now: DateTime<Utc>,
) -> Option<(WithheldReason, String)> {
    if config.freeze {
        return Some((
            WithheldReason::Freeze,
            "freeze = true in the configuration".to_owned(),
        ));
    }
    if let Some(freeze) = &history.frozen {
        return Some((
            WithheldReason::Freeze,
            format!("frozen by {}: {}", freeze.by, freeze.reason),
        ));
    }
    let Guardrails {
        change_window,
        timezone,
        ..
    } = &config.guardrails;
    change_window
        .as_ref()
        .filter(|window| !window.contains(now, *timezone))
        .map(|window| {
            let opens = window.next_open(now, *timezone).format("%Y-%m-%d %H:%M UTC");
            (
                WithheldReason::Window,
                format!("the change window {window} ({timezone}) opens next at {opens}"),
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guardrails(run: u32, percent: u32, day: u32) -> Guardrails {
        Guardrails {
            max_changes_per_run: run,
            max_changes_percent: percent,
            max_changes_per_day: day,
            ..Config::built_in().unwrap().guardrails
        }
    }

    #[test]
    fn the_smallest_cap_holds_and_a_share_is_at_least_one_unless_zero() {
        let hundred = PrincipalCounts {
            users: 80,
            groups: 5,
            roles: 15,
        };
        let few = PrincipalCounts {
            users: 3,
            groups: 0,
            roles: 0,
        };
        assert_eq!(cap(&guardrails(25, 10, 100), hundred, 0), 10);
        assert_eq!(cap(&guardrails(5, 10, 100), hundred, 0), 5);
        assert_eq!(cap(&guardrails(25, 10, 100), few, 0), 1);
        assert_eq!(cap(&guardrails(25, 0, 100), few, 0), 0);
        assert_eq!(cap(&guardrails(0, 10, 100), hundred, 0), 0);
        assert_eq!(cap(&guardrails(25, 10, 100), hundred, 97), 3);
        assert_eq!(cap(&guardrails(25, 10, 100), hundred, 250), 0);
    }
}
