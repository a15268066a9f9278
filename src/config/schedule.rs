//! Schedules in the `cron` crate's words, with its surprises refused.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// A text that is not a schedule we can stand by.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// Not six or seven fields, or a field is wrong.
    #[error(
        "`{text}` is not a schedule: {why} (six or seven fields, seconds first, such as \"0 0 6 * * *\")"
    )]
    Syntax {
        /// As written.
        text: String,
        /// What the `cron` crate says.
        why: String,
    },
    /// Weekdays as numbers: the crate's 1 is Sunday, cron's is Monday.
    #[error(
        "`{0}` names weekdays by number, which start at Sunday = 1 here and elsewhere do not: use Mon, Tue, …"
    )]
    NumericWeekday(String),
    /// It never fires, such as on 30 February.
    #[error("`{0}` never fires")]
    Never(String),
}

/// When a rule runs, in UTC.
#[derive(Debug, Clone)]
pub struct Schedule {
    text: String,
    parsed: cron::Schedule,
}

impl Schedule {
    /// Parses six or seven fields: second, minute, hour, day of month, month, day of week, year.
    ///
    /// # Errors
    /// [`ScheduleError`] for wrong syntax, numeric weekdays, and for a schedule that never fires.
    pub fn parse(text: &str) -> Result<Self, ScheduleError> {
        let syntax = |why: &str| ScheduleError::Syntax {
            text: text.to_owned(),
            why: why.to_owned(),
        };
        if !text.starts_with('@') {
            let fields: Vec<_> = text.split_whitespace().collect();
            if !(6..=7).contains(&fields.len()) {
                return Err(syntax(&format!("it has {} fields", fields.len())));
            }
            // A step (`*/2`) counts days, it does not name them.
            let names_a_number = fields.get(5).is_some_and(|field| {
                field.split(',').any(|part| {
                    part.split('/')
                        .next()
                        .unwrap_or_default()
                        .bytes()
                        .any(|b| b.is_ascii_digit())
                })
            });
            if names_a_number {
                return Err(ScheduleError::NumericWeekday(text.to_owned()));
            }
        }
        let parsed = cron::Schedule::from_str(text).map_err(|e| syntax(&e.to_string()))?;
        let schedule = Self {
            text: text.to_owned(),
            parsed,
        };
        // Any schedule of the Gregorian calendar that fires at all fires within its cycle; the crate ends at 2100.
        match schedule.next_after(DateTime::UNIX_EPOCH) {
            Some(_) => Ok(schedule),
            None => Err(ScheduleError::Never(text.to_owned())),
        }
    }

    /// The first time strictly after this one; `None`: never again.
    pub fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.parsed.after(&after).next()
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Serialize for Schedule {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Schedule {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Schedule {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Schedule".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "six or seven fields, seconds first, in UTC; weekdays by name"
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_text_is_a_schedule_that_fires_or_refused(
            text in "\\PC{0,30}|(([0-9*/,?-]{1,4}|\\*) ){5}(\\*|Mon|Tue-Fri|[*/2L#]{1,3})( (20[0-9]{2}|\\*))?",
        ) {
            if let Ok(schedule) = Schedule::parse(&text) {
                prop_assert!(schedule.next_after(DateTime::UNIX_EPOCH).is_some());
                prop_assert_eq!(schedule.as_str(), text);
            }
        }
    }

    #[test]
    fn six_fields_in_utc() {
        let daily = Schedule::parse("0 0 6 * * *").unwrap();
        let next = daily.next_after("2026-11-23T06:00:00Z".parse().unwrap()).unwrap();
        assert_eq!(next.to_rfc3339(), "2026-11-24T06:00:00+00:00");
        assert!(Schedule::parse("0 0 6 * * Mon-Fri").is_ok());
        assert!(Schedule::parse("0 0 6 * * */2").is_ok());
    }

    #[test]
    fn surprises_are_refused() {
        assert!(matches!(
            Schedule::parse("0 6 * * *"),
            Err(ScheduleError::Syntax { .. })
        ));
        assert!(matches!(
            Schedule::parse("0 0 6 * * 1-5"),
            Err(ScheduleError::NumericWeekday(_))
        ));
        assert!(matches!(
            Schedule::parse("0 0 6 30 2 *"),
            Err(ScheduleError::Never(_))
        ));
        assert!(matches!(
            Schedule::parse("0 0 25 * * *"),
            Err(ScheduleError::Syntax { .. })
        ));
    }
}
