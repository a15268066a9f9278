//! How instants, days and counts are said to people, the same everywhere.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

/// An instant to the minute: `2026-11-23 06:00 UTC`.
pub fn instant(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M UTC").to_string()
}

/// An instant as seen from another: `now`, `in 5 min`, `3 h ago`, `in 6 days`. Rounded down, in minutes below an
/// hour, hours below two days, then days.
pub fn relative(now: DateTime<Utc>, then: DateTime<Utc>) -> String {
    let ahead = then.signed_duration_since(now);
    let length = ahead.abs();
    let words = if length < TimeDelta::minutes(1) {
        return "now".to_owned();
    } else if length < TimeDelta::hours(1) {
        format!("{} min", length.num_minutes())
    } else if length < TimeDelta::days(2) {
        format!("{} h", length.num_hours())
    } else {
        format!("{} days", length.num_days())
    };
    if ahead > TimeDelta::zero() {
        format!("in {words}")
    } else {
        format!("{words} ago")
    }
}

/// A day (in UTC) as seen from an instant: `today`, `tomorrow`, `in 6 days`, `yesterday`, `6 days ago`.
pub fn relative_day(now: DateTime<Utc>, day: NaiveDate) -> String {
    match day.signed_duration_since(now.date_naive()).num_days() {
        0 => "today".to_owned(),
        1 => "tomorrow".to_owned(),
        -1 => "yesterday".to_owned(),
        days if days > 0 => format!("in {days} days"),
        days => format!("{} days ago", days.unsigned_abs()),
    }
}

/// A number with its noun: `1 change`, `3 changes`.
pub fn counted(count: usize, singular: &str, plural: &str) -> String {
    let noun = if count == 1 { singular } else { plural };
    format!("{count} {noun}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn instants_are_told_from_now() {
        let now = at("2026-11-23T06:00:00Z");
        for (then, words) in [
            ("2026-11-23T06:00:00Z", "now"),
            ("2026-11-23T06:00:59Z", "now"),
            ("2026-11-23T05:59:01Z", "now"),
            ("2026-11-23T06:05:30Z", "in 5 min"),
            ("2026-11-23T05:01:00Z", "59 min ago"),
            ("2026-11-23T03:00:00Z", "3 h ago"),
            ("2026-11-25T05:59:59Z", "in 47 h"),
            ("2026-11-25T06:00:00Z", "in 2 days"),
            ("2026-11-29T23:00:00Z", "in 6 days"),
            ("2025-11-23T06:00:00Z", "365 days ago"),
        ] {
            assert_eq!(relative(now, at(then)), words, "{then}");
        }
        assert_eq!(instant(now), "2026-11-23 06:00 UTC");
    }

    #[test]
    fn days_are_told_from_today() {
        let now = at("2026-11-23T23:59:00Z");
        for (day, words) in [
            ("2026-11-23", "today"),
            ("2026-11-24", "tomorrow"),
            ("2026-11-22", "yesterday"),
            ("2026-11-29", "in 6 days"),
            ("2026-10-31", "23 days ago"),
        ] {
            assert_eq!(relative_day(now, day.parse().unwrap()), words);
        }
    }

    #[test]
    fn nouns_follow_their_number() {
        assert_eq!(counted(0, "policy", "policies"), "0 policies");
        assert_eq!(counted(1, "policy", "policies"), "1 policy");
        assert_eq!(counted(2, "policy", "policies"), "2 policies");
    }
}
