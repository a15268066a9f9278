//! Lengths of time as people write them: `90d`, `12h`, `0s`.

use std::fmt;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

/// A text that is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a duration (a number and a unit: s, m, h, d or w, such as \"90d\", \"12h\" or \"0s\")")]
pub struct SpanError(pub String);

/// A length of time, zero or more, in whole seconds. Printed in the largest unit that divides it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    seconds: u32,
}

const UNITS: [(char, u32); 5] = [('w', 604_800), ('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self { seconds: 0 };

    /// About 136 years: longer than anything here lasts.
    pub const LONGEST: Self = Self { seconds: u32::MAX };

    /// So many seconds.
    pub const fn from_seconds(seconds: u32) -> Self {
        Self { seconds }
    }

    /// So many days; saturates at the longest span (about 136 years).
    pub const fn from_days(days: u32) -> Self {
        Self {
            seconds: days.saturating_mul(86_400),
        }
    }

    /// Parses one number with one unit; several may follow one another (`1d12h`).
    ///
    /// # Errors
    /// [`SpanError`] for anything else, and for what is longer than about 136 years.
    pub fn parse(text: &str) -> Result<Self, SpanError> {
        let wrong = || SpanError(text.to_owned());
        let mut total: u32 = 0;
        let mut rest = text.trim();
        if rest.is_empty() {
            return Err(wrong());
        }
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let number: u32 = rest
                .get(..digits)
                .and_then(|d| d.parse().ok())
                .ok_or_else(wrong)?;
            let unit = rest
                .get(digits..)
                .and_then(|r| r.chars().next())
                .ok_or_else(wrong)?;
            let (_, factor) = UNITS
                .iter()
                .find(|(letter, _)| *letter == unit)
                .ok_or_else(wrong)?;
            total = number
                .checked_mul(*factor)
                .and_then(|s| total.checked_add(s))
                .ok_or_else(wrong)?;
            rest = rest.get(digits + 1..).unwrap_or_default();
        }
        Ok(Self { seconds: total })
    }

    /// The length in seconds.
    pub const fn seconds(self) -> u32 {
        self.seconds
    }

    /// The length in whole days, rounded down.
    pub const fn days(self) -> u32 {
        self.seconds / 86_400
    }

    /// As a difference between two instants.
    pub fn delta(self) -> TimeDelta {
        TimeDelta::seconds(i64::from(self.seconds))
    }

    /// For timers.
    pub const fn duration(self) -> std::time::Duration {
        std::time::Duration::from_secs(self.seconds as u64)
    }

    /// Whether there is no time in it.
    pub const fn is_zero(self) -> bool {
        self.seconds == 0
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Weeks are for reading only: policies speak in days.
        let unit = UNITS
            .iter()
            .skip(1)
            .find(|(_, factor)| self.seconds != 0 && self.seconds.is_multiple_of(*factor));
        match unit {
            Some((letter, factor)) => write!(f, "{}{letter}", self.seconds / factor),
            None => f.write_str("0s"),
        }
    }
}

impl Serialize for Span {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Span {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^([0-9]+[smhdw])+$",
            "description": "a number and a unit: s, m, h, d or w"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_prints() {
        for (text, seconds, printed) in [
            ("90d", 7_776_000, "90d"),
            ("12h", 43_200, "12h"),
            ("0s", 0, "0s"),
            ("36h", 129_600, "36h"),
            ("48h", 172_800, "2d"),
            ("1d12h", 129_600, "36h"),
            ("2w", 1_209_600, "14d"),
        ] {
            let span = Span::parse(text).unwrap();
            assert_eq!((span.seconds(), span.to_string().as_str()), (seconds, printed));
        }
        for wrong in ["", "90", "d", "-1d", "1.5d", "90 d", "9999999999d", "1y", "90д"] {
            assert!(Span::parse(wrong).is_err(), "{wrong}");
        }
    }
}
