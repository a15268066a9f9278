//! When to try again: the schedule as data.

use chrono::{DateTime, TimeDelta, Utc};

use crate::model::Digest;

/// How long to wait after the first, the second … failed try. One more failure, and the message is given up: about
/// 28 hours after the first try.
pub const SCHEDULE: [TimeDelta; 7] = [
    TimeDelta::seconds(5),
    TimeDelta::minutes(5),
    TimeDelta::minutes(30),
    TimeDelta::hours(2),
    TimeDelta::hours(5),
    TimeDelta::hours(10),
    TimeDelta::hours(10),
];

/// How many tries a refusal gets (a redirect or a 4xx that does not say "later"): it seldom mends itself, but a person
/// may mend the channel within the half hour, or it was a deploy on the other side.
pub const TRIES_WHEN_REFUSED: u32 = 4;

/// The longest `Retry-After` that is honoured.
pub const LONGEST_RETRY_AFTER: TimeDelta = TimeDelta::days(1);

/// By how many percent a wait is longer or shorter, so that messages do not come back in step.
const JITTER_PERCENT: i64 = 20;

/// How a failed try bears on the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// May pass by itself.
    Passing,
    /// The channel said no.
    Refused,
    /// The channel said that it is gone for good.
    Gone,
}

/// The time of the next try after `tries` failed ones (this one included); `None`: no more.
///
/// The jitter comes from the id and the number of tries, so the same failure always gives the same time.
pub fn next_try(
    id: &str,
    tries: u32,
    failure: Failure,
    retry_after: Option<TimeDelta>,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let allowed = match failure {
        Failure::Passing => u32::try_from(SCHEDULE.len()).unwrap_or(u32::MAX),
        Failure::Refused => TRIES_WHEN_REFUSED - 1,
        Failure::Gone => 0,
    };
    if tries > allowed {
        return None;
    }
    let place = usize::try_from(tries.saturating_sub(1)).ok()?;
    let planned = jittered(*SCHEDULE.get(place)?, id, tries);
    let asked = retry_after.unwrap_or_default().min(LONGEST_RETRY_AFTER);
    now.checked_add_signed(planned.max(asked))
}

fn jittered(wait: TimeDelta, id: &str, tries: u32) -> TimeDelta {
    let digest = Digest::of_bytes(format!("{id}#{tries}").as_bytes());
    // Eight hexadecimal digits always parse; the middle is no jitter at all.
    let random = i64::from_str_radix(digest.short(8), 16).unwrap_or(1 << 31);
    let width = 2 * JITTER_PERCENT * 10;
    let permille = ((random * (width + 1)) >> 32) - width / 2;
    wait + TimeDelta::milliseconds(wait.num_milliseconds() * permille / 1000)
}

/// Reads `Retry-After`: seconds, or an HTTP date. A date in the past is no wait; anything else is no answer.
pub fn parse_retry_after(value: &str, now: DateTime<Utc>) -> Option<TimeDelta> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        // Longer than any number is as long as we ever wait.
        let seconds = value.parse().unwrap_or(i64::MAX);
        return Some(TimeDelta::seconds(seconds.min(LONGEST_RETRY_AFTER.num_seconds())));
    }
    let date = DateTime::parse_from_rfc2822(value).ok()?;
    let wait = date.with_timezone(&Utc) - now;
    Some(wait.clamp(TimeDelta::zero(), LONGEST_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn now() -> DateTime<Utc> {
        "2026-11-23T06:00:00Z".parse().unwrap()
    }

    #[test]
    fn the_schedule_runs_out() {
        let at = |tries, failure| next_try("msg_1", tries, failure, None, now());
        assert!(at(1, Failure::Passing).is_some());
        assert!(at(7, Failure::Passing).is_some());
        assert_eq!(at(8, Failure::Passing), None);
        assert!(at(3, Failure::Refused).is_some());
        assert_eq!(at(4, Failure::Refused), None);
        assert_eq!(at(1, Failure::Gone), None);
    }

    #[test]
    fn the_whole_retry_after_is_honoured_up_to_a_day() {
        let after = |text| parse_retry_after(text, now());
        assert_eq!(after("120"), Some(TimeDelta::seconds(120)));
        assert_eq!(
            after("Mon, 23 Nov 2026 06:10:00 GMT"),
            Some(TimeDelta::minutes(10))
        );
        assert_eq!(after("Mon, 23 Nov 2026 05:00:00 GMT"), Some(TimeDelta::zero()));
        assert_eq!(after("99999999999999999999"), Some(LONGEST_RETRY_AFTER));
        for nonsense in ["", "-5", "soon", "1.5"] {
            assert_eq!(after(nonsense), None, "{nonsense}");
        }
        let next = next_try("msg_1", 1, Failure::Passing, after("120"), now());
        assert_eq!(next, Some(now() + TimeDelta::seconds(120)));
        let longer = next_try("msg_1", 4, Failure::Passing, after("120"), now()).unwrap();
        assert!(longer > now() + TimeDelta::minutes(90));
    }

    proptest! {
        #[test]
        fn jitter_stays_within_a_fifth_and_repeats(id in "[A-Z0-9]{26}", tries in 1u32..=7) {
            let wait = SCHEDULE[tries as usize - 1];
            let next = next_try(&id, tries, Failure::Passing, None, now()).unwrap() - now();
            prop_assert!(next >= wait * 4 / 5 && next <= wait * 6 / 5);
            prop_assert_eq!(next_try(&id, tries, Failure::Passing, None, now()).unwrap() - now(), next);
        }
    }
}
