//! Points in time as seeds write them: `120d` ago, an RFC 3339 date, or `never`.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in time, mostly relative to the simulator's clock when the seed is planted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum When {
    /// It has not happened.
    #[default]
    Never,
    /// This long ago; negative for the future. Written `120d`, `4h`, `1w2d`, `-3d`.
    Ago(TimeDelta),
    /// At this very time.
    At(DateTime<Utc>),
}

impl When {
    /// So many days ago.
    pub fn days(days: i64) -> Self {
        Self::Ago(TimeDelta::try_days(days).unwrap_or_default())
    }

    /// So many hours ago.
    pub fn hours(hours: i64) -> Self {
        Self::Ago(TimeDelta::try_hours(hours).unwrap_or_default())
    }

    /// The time meant, seen from `now`; `None` for never.
    pub fn resolve(self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self {
            Self::Never => None,
            Self::Ago(age) => Some(now.checked_sub_signed(age).unwrap_or(now)),
            Self::At(at) => Some(at),
        }
    }
}

/// A text that is no point in time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither an age such as 120d, 4h or 1w2d, nor an RFC 3339 date, nor `never`")]
pub struct BadTime(String);

impl FromStr for When {
    type Err = BadTime;

    fn from_str(text: &str) -> Result<Self, BadTime> {
        let bad = || BadTime(text.to_owned());
        if text == "never" {
            return Ok(Self::Never);
        }
        if text == "now" {
            return Ok(Self::Ago(TimeDelta::zero()));
        }
        if let Ok(at) = DateTime::parse_from_rfc3339(text) {
            return Ok(Self::At(at.with_timezone(&Utc)));
        }
        match text.strip_prefix('-') {
            Some(ahead) => Ok(Self::Ago(-span(ahead).ok_or_else(bad)?)),
            None => Ok(Self::Ago(span(text).ok_or_else(bad)?)),
        }
    }
}

/// `1w2d3h4m5s`
pub(crate) fn span(text: &str) -> Option<TimeDelta> {
    let mut total = TimeDelta::zero();
    let mut digits = String::new();
    for letter in text.chars() {
        if letter.is_ascii_digit() {
            digits.push(letter);
            continue;
        }
        let seconds = match letter {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            'w' => 604_800,
            _ => return None,
        };
        let count: i64 = digits.parse().ok()?;
        digits.clear();
        total = total.checked_add(&TimeDelta::try_seconds(count.checked_mul(seconds)?)?)?;
    }
    (digits.is_empty() && !text.is_empty()).then_some(total)
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never => f.write_str("never"),
            Self::Ago(age) if *age < TimeDelta::zero() => write!(f, "-{}s", -age.num_seconds()),
            Self::Ago(age) => write!(f, "{}s", age.num_seconds()),
            Self::At(at) => f.write_str(&at.to_rfc3339_opts(SecondsFormat::Secs, true)),
        }
    }
}

impl<'de> Deserialize<'de> for When {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

impl Serialize for When {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_dates_and_never_are_read() {
        assert_eq!("120d".parse(), Ok(When::days(120)));
        assert_eq!("1w2d".parse(), Ok(When::days(9)));
        assert_eq!("-3d".parse(), Ok(When::days(-3)));
        assert_eq!("never".parse(), Ok(When::Never));
        assert_eq!("now".parse(), Ok(When::days(0)));
        assert!(matches!("2026-09-01T00:00:00Z".parse(), Ok(When::At(_))));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "12", "d", "12x", "yesterday", "--3d"] {
            assert!(text.parse::<When>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_printed_can_be_read_again() {
        for when in [
            When::Never,
            When::days(3),
            When::days(-3),
            When::At(DateTime::UNIX_EPOCH),
        ] {
            assert_eq!(when.to_string().parse(), Ok(when));
        }
    }
}
