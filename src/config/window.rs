//! Times of the day and the week: the change window and the quiet hours.

use std::fmt;

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveTime, TimeDelta, TimeZone, Timelike, Utc, Weekday};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

/// A text that is not a window.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a window (hours, with days before them if not every day: \"09:00-16:00\", \"Mon-Thu 09:00-16:00\", \"Mon,Wed 18:00-08:00\")"
)]
pub struct WindowError(String);

/// Hours of the day on some days of the week. Where the end is not after the start it lies on the next day.
/// The start belongs to it, the end does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// By days from Monday.
    days: [bool; 7],
    start: NaiveTime,
    end: NaiveTime,
}

const DAYS: [(&str, Weekday); 7] = [
    ("Mon", Weekday::Mon),
    ("Tue", Weekday::Tue),
    ("Wed", Weekday::Wed),
    ("Thu", Weekday::Thu),
    ("Fri", Weekday::Fri),
    ("Sat", Weekday::Sat),
    ("Sun", Weekday::Sun),
];

impl Window {
    /// Parses `[DAYS ]HH:MM-HH:MM`, where days are names, ranges of names, or a list of both.
    ///
    /// # Errors
    /// [`WindowError`] for anything else, and for a window that is empty (start equal to end).
    pub fn parse(text: &str) -> Result<Self, WindowError> {
        let wrong = || WindowError(text.to_owned());
        let (days, hours) = match text.trim().rsplit_once(' ') {
            Some((days, hours)) => (parse_days(days.trim()).ok_or_else(wrong)?, hours),
            None => ([true; 7], text.trim()),
        };
        let (start, end) = hours.split_once('-').ok_or_else(wrong)?;
        let time = |t: &str| NaiveTime::parse_from_str(t, "%H:%M").map_err(|_| wrong());
        let window = Self {
            days,
            start: time(start)?,
            end: time(end)?,
        };
        if window.start == window.end {
            Err(wrong())
        } else {
            Ok(window)
        }
    }

    fn crosses_midnight(&self) -> bool {
        self.end < self.start
    }

    fn is_on(&self, day: Weekday) -> bool {
        self.days[day.num_days_from_monday() as usize]
    }

    /// Whether the instant lies in it, by the clock on the wall of that zone.
    pub fn contains(&self, now: DateTime<Utc>, zone: Tz) -> bool {
        let local = now.with_timezone(&zone);
        let time = local.time();
        if self.crosses_midnight() {
            (self.is_on(local.weekday()) && time >= self.start)
                || (self.is_on(local.weekday().pred()) && time < self.end)
        } else {
            self.is_on(local.weekday()) && time >= self.start && time < self.end
        }
    }

    /// The first instant from `now` on that lies in it: `now` itself where the window is open.
    pub fn next_open(&self, now: DateTime<Utc>, zone: Tz) -> DateTime<Utc> {
        if self.contains(now, zone) {
            return now;
        }
        let today = now.with_timezone(&zone).date_naive();
        (0..=8)
            .filter_map(|ahead| today.checked_add_days(Days::new(ahead)))
            .filter(|day| self.is_on(day.weekday()))
            .filter_map(|day| instant(day, self.start, zone))
            .find(|at| *at >= now)
            .unwrap_or(now)
    }

    /// The first instant from `now` on that does not lie in it: `now` itself where it is closed.
    pub fn next_close(&self, now: DateTime<Utc>, zone: Tz) -> DateTime<Utc> {
        if !self.contains(now, zone) {
            return now;
        }
        let local = now.with_timezone(&zone);
        let ends_tomorrow = self.crosses_midnight() && local.time() >= self.start;
        let day = local
            .date_naive()
            .checked_add_days(Days::new(u64::from(ends_tomorrow)));
        day.and_then(|day| instant(day, self.end, zone)).unwrap_or(now)
    }
}

/// The instant of a wall-clock time; one that a change to summer time skips is an hour later.
fn instant(day: NaiveDate, time: NaiveTime, zone: Tz) -> Option<DateTime<Utc>> {
    let local = day.and_time(time);
    zone.from_local_datetime(&local)
        .earliest()
        .or_else(|| {
            zone.from_local_datetime(&(local + TimeDelta::hours(1)))
                .earliest()
        })
        .map(|at| at.with_timezone(&Utc))
}

fn parse_days(text: &str) -> Option<[bool; 7]> {
    let day = |name: &str| {
        DAYS.iter()
            .position(|(known, _)| known.eq_ignore_ascii_case(name))
    };
    let mut days = [false; 7];
    for part in text.split(',') {
        let (from, to) = match part.trim().split_once('-') {
            Some((from, to)) => (day(from)?, day(to)?),
            None => (day(part.trim())?, day(part.trim())?),
        };
        let mut at = from;
        loop {
            days[at] = true;
            if at == to {
                break;
            }
            at = (at + 1) % 7;
        }
    }
    Some(days)
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.days != [true; 7] {
            let names: Vec<_> = DAYS
                .iter()
                .filter(|(_, day)| self.is_on(*day))
                .map(|(name, _)| *name)
                .collect();
            write!(f, "{} ", names.join(","))?;
        }
        let (s, e) = (self.start, self.end);
        write!(
            f,
            "{:02}:{:02}-{:02}:{:02}",
            s.hour(),
            s.minute(),
            e.hour(),
            e.minute()
        )
    }
}

impl Serialize for Window {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl schemars::JsonSchema for Window {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Window".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string"})
    }
}

impl<'de> Deserialize<'de> for Window {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn days_and_hours_in_a_zone() {
        let window = Window::parse("Mon-Thu 09:00-16:00").unwrap();
        let berlin = chrono_tz::Europe::Berlin;
        assert!(window.contains(at("2026-11-23T08:00:00Z"), berlin));
        assert!(!window.contains(at("2026-11-23T07:59:59Z"), berlin));
        assert!(!window.contains(at("2026-11-23T15:00:00Z"), berlin));
        assert!(!window.contains(at("2026-11-27T10:00:00Z"), berlin));
        assert_eq!(
            window.next_open(at("2026-11-27T10:00:00Z"), berlin),
            at("2026-11-30T08:00:00Z")
        );
        assert_eq!(
            window.next_close(at("2026-11-23T10:00:00Z"), berlin),
            at("2026-11-23T15:00:00Z")
        );
    }

    #[test]
    fn a_night_belongs_to_the_day_it_starts_on() {
        let quiet = Window::parse("18:00-08:00").unwrap();
        let utc = chrono_tz::UTC;
        assert!(quiet.contains(at("2026-11-23T23:00:00Z"), utc));
        assert!(quiet.contains(at("2026-11-23T07:59:00Z"), utc));
        assert!(!quiet.contains(at("2026-11-23T08:00:00Z"), utc));
        assert_eq!(
            quiet.next_close(at("2026-11-23T23:00:00Z"), utc),
            at("2026-11-24T08:00:00Z")
        );
        let friday = Window::parse("Fri 22:00-02:00").unwrap();
        assert!(friday.contains(at("2026-11-28T01:00:00Z"), utc));
        assert!(!friday.contains(at("2026-11-27T01:00:00Z"), utc));
    }

    #[test]
    fn a_skipped_hour_opens_an_hour_later() {
        let window = Window::parse("02:30-04:00").unwrap();
        let open = window.next_open(at("2026-03-29T00:00:00Z"), chrono_tz::Europe::Berlin);
        assert_eq!(open, at("2026-03-29T01:30:00Z"));
    }

    #[test]
    fn anything_else_is_refused() {
        for wrong in [
            "09:00",
            "9-16",
            "Mon",
            "Xyz 09:00-10:00",
            "09:00-09:00",
            "Mon- 09:00-10:00",
            "25:00-26:00",
        ] {
            assert!(Window::parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(
            Window::parse("fri-mon 22:00-02:00").unwrap().to_string(),
            "Mon,Fri,Sat,Sun 22:00-02:00"
        );
    }
}
