//! Which rules are due, and when to look again: a function of schedules, ticks and time.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use crate::config::Schedule;
use crate::model::RuleName;

/// How far in the future a tick may lie and still be believed.
///
/// The clock ran ahead and was set back: up to that much a rule waits until its tick is past again, so that nothing
/// runs twice. Beyond, waiting would silence the rule for as long as the clock was wrong (a machine that came up in
/// the wrong year), so the tick counts as unknown.
const BELIEVABLE_AHEAD: TimeDelta = TimeDelta::hours(24);

/// What to run now, and when to look again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The rules due, all in one run, each with the first scheduled time since its last tick. However many
    /// scheduled times were missed, a rule is here once.
    pub rules: BTreeMap<RuleName, DateTime<Utc>>,
    /// The next scheduled time of any rule, later than now; `None`: never again.
    pub next: Option<DateTime<Utc>>,
}

/// Works out which rules are due at `now`.
///
/// `last_ticks` says up to when each rule's schedule is settled (run, or skipped). A rule without a tick is not due;
/// [`settle_the_unknown`] gives it one.
pub fn due(
    rules: &[(RuleName, Schedule)],
    last_ticks: &BTreeMap<RuleName, DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Due {
    let mut due = Due {
        rules: BTreeMap::new(),
        next: None,
    };
    for (rule, schedule) in rules {
        let settled = last_ticks.get(rule).copied().unwrap_or(now);
        let mut upcoming = schedule.next_after(settled);
        if let Some(scheduled) = upcoming.filter(|scheduled| *scheduled <= now) {
            due.rules.insert(rule.clone(), scheduled);
            upcoming = schedule.next_after(now);
        }
        due.next = [due.next, upcoming].into_iter().flatten().min();
    }
    due
}

/// Gives every rule without a tick that can be believed the tick `now`, so that it waits for its next scheduled
/// time: one at its first start, and one whose tick was recorded by a clock far ahead. Returns these rules.
pub fn settle_the_unknown(
    rules: &[(RuleName, Schedule)],
    ticks: &mut BTreeMap<RuleName, DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Vec<RuleName> {
    let unknown = |rule: &&RuleName| !ticks.get(*rule).is_some_and(|tick| is_believable(*tick, now));
    let settled: Vec<_> = rules
        .iter()
        .map(|(rule, _)| rule)
        .filter(unknown)
        .cloned()
        .collect();
    ticks.extend(settled.iter().map(|rule| (rule.clone(), now)));
    settled
}

/// Whether a tick recorded as `tick` can be taken for real at `now`.
pub(super) fn is_believable(tick: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    tick - now <= BELIEVABLE_AHEAD
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ROTATION: RuleName = RuleName::new("access_key_rotation");
    const PASSWORDS: RuleName = RuleName::new("password_policy");

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn daily_and_hourly() -> Vec<(RuleName, Schedule)> {
        vec![
            (ROTATION, Schedule::parse("0 0 6 * * *").unwrap()),
            (PASSWORDS, Schedule::parse("0 0 * * * *").unwrap()),
        ]
    }

    fn names(due: &Due) -> Vec<&str> {
        due.rules.keys().map(RuleName::as_str).collect()
    }

    #[test]
    fn a_first_start_waits_for_its_schedule() {
        let start = at("2026-11-23T06:00:00Z");
        let mut ticks = BTreeMap::new();
        assert!(due(&daily_and_hourly(), &ticks, start).rules.is_empty());
        assert_eq!(
            settle_the_unknown(&daily_and_hourly(), &mut ticks, start),
            [ROTATION, PASSWORDS]
        );
        let at_start = due(&daily_and_hourly(), &ticks, start);
        assert!(at_start.rules.is_empty());
        assert_eq!(at_start.next, Some(at("2026-11-23T07:00:00Z")));
        let later = due(&daily_and_hourly(), &ticks, at("2026-11-23T07:00:00Z"));
        assert_eq!(names(&later), ["password_policy"]);
    }

    #[test]
    fn what_is_due_at_the_same_tick_is_one_run() {
        let yesterday = at("2026-11-22T06:30:00Z");
        let ticks = BTreeMap::from([(ROTATION, yesterday), (PASSWORDS, at("2026-11-23T05:00:00Z"))]);
        let due = due(&daily_and_hourly(), &ticks, at("2026-11-23T06:00:00Z"));
        assert_eq!(names(&due), ["access_key_rotation", "password_policy"]);
        assert_eq!(due.next, Some(at("2026-11-23T07:00:00Z")));
    }

    #[test]
    fn missed_ticks_run_once() {
        let ticks = BTreeMap::from([(ROTATION, at("2026-11-01T06:00:00Z"))]);
        let rules = vec![daily_and_hourly().remove(0)];
        let now = at("2026-11-23T05:00:00Z");
        let missed = due(&rules, &ticks, now);
        assert_eq!(
            missed.rules,
            BTreeMap::from([(ROTATION, at("2026-11-02T06:00:00Z"))])
        );
        let settled = due(&rules, &BTreeMap::from([(ROTATION, now)]), now);
        assert!(settled.rules.is_empty());
        assert_eq!(settled.next, Some(at("2026-11-23T06:00:00Z")));
    }

    #[test]
    fn a_tick_from_the_wrong_year_does_not_silence_a_rule() {
        let start = at("2026-11-23T05:00:00Z");
        let mut ticks = BTreeMap::from([(ROTATION, at("2028-11-23T06:00:00Z"))]);
        let rules = vec![daily_and_hourly().remove(0)];
        assert_eq!(settle_the_unknown(&rules, &mut ticks, start), [ROTATION]);
        assert!(due(&rules, &ticks, start).rules.is_empty());
        assert_eq!(
            names(&due(&rules, &ticks, at("2026-11-23T06:00:00Z"))),
            ["access_key_rotation"]
        );

        let mut ticks = BTreeMap::from([(ROTATION, at("2026-11-24T05:00:00Z"))]);
        assert!(settle_the_unknown(&rules, &mut ticks, start).is_empty());
        assert!(due(&rules, &ticks, at("2026-11-23T06:00:00Z")).rules.is_empty());
    }

    #[test]
    fn a_schedule_that_has_ended_never_wakes() {
        let rules = vec![(ROTATION, Schedule::parse("0 0 6 1 1 * 2020").unwrap())];
        let now = at("2026-11-23T05:00:00Z");
        assert_eq!(
            due(&rules, &BTreeMap::from([(ROTATION, now)]), now),
            Due {
                rules: BTreeMap::new(),
                next: None
            }
        );
    }

    fn any_schedule() -> impl Strategy<Value = Schedule> {
        prop_oneof![
            (0..60u8, 0..24u8).prop_map(|(minute, hour)| format!("0 {minute} {hour} * * *")),
            (1..60u8).prop_map(|step| format!("0 */{step} * * * *")),
            Just("*/7 * * * * *".to_owned()),
            Just("0 0 6 * * Mon-Fri".to_owned()),
            Just("@hourly".to_owned()),
        ]
        .prop_map(|text| Schedule::parse(&text).unwrap())
    }

    /// Steps of a clock: mostly forwards, now and then set back by less than a day.
    fn any_steps() -> impl Strategy<Value = Vec<i64>> {
        prop::collection::vec(prop_oneof![4 => 0..200_000i64, 1 => -86_400..0i64], 1..60)
    }

    proptest! {
        /// Whatever the clock does, each scheduled time is served at most once, and a rule runs only where a
        /// scheduled time lies between its last tick and now.
        #[test]
        fn no_scheduled_time_is_served_twice(schedule in any_schedule(), steps in any_steps()) {
            let start = at("2026-03-01T00:00:00Z");
            let rules = [(ROTATION, schedule.clone())];
            let (mut now, mut ticks) = (start, BTreeMap::from([(ROTATION, start)]));
            let mut latest = start;
            for step in steps {
                now += TimeDelta::seconds(step);
                // Set back several times over, the clock may fall behind by more than is believed.
                prop_assume!(latest - now <= BELIEVABLE_AHEAD);
                prop_assert!(settle_the_unknown(&rules, &mut ticks, now).is_empty());
                let due = due(&rules, &ticks, now);
                if let Some(scheduled) = due.rules.get(&ROTATION) {
                    prop_assert!(*scheduled <= now);
                    prop_assert!(*scheduled > latest, "served before {latest}");
                    ticks.insert(ROTATION, now);
                    latest = latest.max(now);
                }
                if let Some(next) = due.next {
                    prop_assert!(next > now, "a wake-up in the past would spin");
                }
            }
        }

        /// Waking at `next` each time misses nothing: the ticks are exactly the schedule's times.
        #[test]
        fn waking_when_told_serves_every_time(schedule in any_schedule()) {
            let start = at("2026-03-01T00:00:00Z");
            let rules = [(ROTATION, schedule.clone())];
            let (mut now, mut ticks, mut expected) = (start, BTreeMap::from([(ROTATION, start)]), start);
            for _ in 0..20 {
                let due = due(&rules, &ticks, now);
                if now > start {
                    expected = schedule.next_after(expected).unwrap();
                    prop_assert_eq!(due.rules.get(&ROTATION), Some(&expected));
                    ticks.insert(ROTATION, now);
                }
                now = due.next.unwrap();
            }
        }

        /// However long the process was down, a rule is due once and then not before its next time.
        #[test]
        fn catching_up_is_one_run(schedule in any_schedule(), down in 1..40_000_000i64) {
            let last = at("2026-03-01T00:00:00Z");
            let now = last + TimeDelta::seconds(down);
            let rules = [(ROTATION, schedule.clone())];
            let at_start = due(&rules, &BTreeMap::from([(ROTATION, last)]), now);
            prop_assert_eq!(at_start.rules.contains_key(&ROTATION), schedule.next_after(last).unwrap() <= now);
            let after = due(&rules, &BTreeMap::from([(ROTATION, now)]), now);
            prop_assert!(after.rules.is_empty());
        }
    }
}
