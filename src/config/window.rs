//! Times of the day and the week: the change window and the quiet hours.

use std::fmt;

use chrono::{
    DateTime, Datelike, Days, NaiveDate, NaiveTime, Offset, TimeDelta, TimeZone, Timelike, Utc, Weekday,
};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

/// A text that is not a window.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    /// Not hours, or not days.
    #[error(
        "`{0}` is not a window (hours, with days before them if not every day: \"09:00-16:00\", \"Mon-Thu 09:00-16:00\", \"Mon,Wed 18:00-08:00\")"
    )]
    Syntax(String),
    /// The end is the start.
    #[error(
        "`{0}` ends when it starts: that is either no time or all of it (\"\" is no window at all; the end has to differ from the start)"
    )]
    Empty(String),
}

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
        let wrong = || WindowError::Syntax(text.to_owned());
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
            Err(WindowError::Empty(text.to_owned()))
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
        self.next(now, zone, true)
    }

    /// The first instant from `now` on that does not lie in it: `now` itself where it is closed.
    pub fn next_close(&self, now: DateTime<Utc>, zone: Tz) -> DateTime<Utc> {
        self.next(now, zone, false)
    }

    fn next(&self, now: DateTime<Utc>, zone: Tz, open: bool) -> DateTime<Utc> {
        if self.contains(now, zone) == open {
            return now;
        }
        // Two weeks: the only hours of a week may be those that a change to summer time skips.
        let today = now.with_timezone(&zone).date_naive();
        let days = (0..=15).filter_map(|ahead| today.checked_add_days(Days::new(ahead)));
        let turns = days.filter_map(|day| {
            let turns = self.turns(day, zone);
            turns
                .into_iter()
                .filter(|at| *at > now && self.contains(*at, zone) == open)
                .min()
        });
        // Every window opens and closes each week, until the calendar ends.
        turns.min().unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    /// Every instant of a day at which the window may open or close: where its start and its end stand on the clock, once,
    /// twice or never, and where the clock itself is moved.
    fn turns(&self, day: NaiveDate, zone: Tz) -> Vec<DateTime<Utc>> {
        let mut turns = Vec::new();
        for time in [self.start, self.end] {
            let local = zone.from_local_datetime(&day.and_time(time));
            let instants = [local.earliest(), local.latest()].into_iter().flatten();
            turns.extend(instants.map(|at| at.with_timezone(&Utc)));
        }
        turns.extend(clock_change(day, zone));
        turns
    }
}

/// The instant about this day at which the zone's clock is moved.
fn clock_change(day: NaiveDate, zone: Tz) -> Option<DateTime<Utc>> {
    let offset = |at: DateTime<Utc>| at.with_timezone(&zone).offset().fix().local_minus_utc();
    // Far enough to either side for every offset there is.
    let mut before = day
        .and_time(NaiveTime::MIN)
        .and_utc()
        .checked_sub_signed(TimeDelta::hours(15))?;
    let mut after = before.checked_add_signed(TimeDelta::hours(54))?;
    let new = offset(after);
    if offset(before) == new {
        return None;
    }
    while after - before > TimeDelta::seconds(1) {
        let middle = before + TimeDelta::seconds((after - before).num_seconds() / 2);
        if offset(middle) == new {
            after = middle;
        } else {
            before = middle;
        }
    }
    Some(after)
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
    use proptest::prelude::*;

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
    fn hours_that_summer_time_skips_or_doubles() {
        let berlin = chrono_tz::Europe::Berlin;
        let window = Window::parse("02:30-04:00").unwrap();
        // The clock jumps from 02:00 to 03:00, into the window.
        assert_eq!(
            window.next_open(at("2026-03-29T00:00:00Z"), berlin),
            at("2026-03-29T01:00:00Z")
        );
        // The clock jumps over all of it: it opens a week later.
        let skipped = Window::parse("Sun 02:15-02:45").unwrap();
        assert_eq!(
            skipped.next_open(at("2026-03-29T00:00:00Z"), berlin),
            at("2026-04-05T00:15:00Z")
        );
        // It comes twice.
        let doubled = Window::parse("02:15-02:45").unwrap();
        assert_eq!(
            doubled.next_close(at("2026-10-25T01:20:00Z"), berlin),
            at("2026-10-25T01:45:00Z")
        );
    }

    proptest! {
        #[test]
        fn it_opens_and_closes_at_the_first_instant(
            text in "(Mon-Thu |Sat,Sun |Sun |)([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]",
            zone in prop::sample::select(vec![chrono_tz::UTC, chrono_tz::Europe::Berlin, chrono_tz::Australia::Lord_Howe]),
            // About the changes of 2026 in those zones, and in between.
            start in prop::sample::select(vec!["2026-03-28T12:00:00Z", "2026-04-04T06:00:00Z", "2026-10-24T12:00:00Z", "2026-10-03T06:00:00Z", "2026-11-23T00:00:00Z"]),
            minutes in 0i64..2880,
        ) {
            let Ok(window) = Window::parse(&text) else { return Ok(()) };
            let now = at(start) + TimeDelta::minutes(minutes);
            for open in [true, false] {
                let found = window.next(now, zone, open);
                prop_assert_eq!(window.contains(found, zone), open);
                let waited = (found - now).num_minutes();
                prop_assert!((0..=15 * 1440).contains(&waited));
                for minute in 0..waited {
                    prop_assert_ne!(window.contains(now + TimeDelta::minutes(minute), zone), open, "{} {}", now, found);
                }
            }
        }

        #[test]
        fn any_text_is_read_as_it_prints_or_refused(text in "[A-Za-z0-9:, -]{0,20}|(Mon|fri)[,-](Tue|SUN) [0-2][0-9]:[0-5][0-9]-[0-2][0-9]:[0-5][0-9]") {
            if let Ok(window) = Window::parse(&text) {
                prop_assert_eq!(Window::parse(&window.to_string()), Ok(window));
            }
        }
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
        insta::assert_snapshot!(
            Window::parse("09:00-09:00").unwrap_err(),
            @r#"`09:00-09:00` ends when it starts: that is either no time or all of it ("" is no window at all; the end has to differ from the start)"#
        );
        assert_eq!(
            Window::parse("fri-mon 22:00-02:00").unwrap().to_string(),
            "Mon,Fri,Sat,Sun 22:00-02:00"
        );
    }
}
