//! How values stand in columns: times as text that sorts, documents as canonical JSON, counters as 64-bit integers.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::Cause;
use crate::model::canonical_json;

/// RFC 3339 in UTC with six digits after the second: text that sorts as time does.
pub(super) fn time_text(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

pub(super) fn parse_time(text: &str) -> Result<DateTime<Utc>, Cause> {
    match DateTime::parse_from_rfc3339(text) {
        Ok(at) => Ok(at.with_timezone(&Utc)),
        Err(source) => Err(Cause::unreadable("time", source)),
    }
}

pub(super) fn parse_optional_time(text: Option<&str>) -> Result<Option<DateTime<Utc>>, Cause> {
    text.map(parse_time).transpose()
}

pub(super) fn json_text(what: &'static str, value: &impl Serialize) -> Result<String, Cause> {
    match serde_json::to_value(value) {
        Ok(value) => Ok(canonical_json(&value)),
        Err(source) => Err(Cause::Unstorable { what, source }),
    }
}

pub(super) fn parse_json<T: DeserializeOwned>(what: &'static str, text: &str) -> Result<T, Cause> {
    serde_json::from_str(text).map_err(|source| Cause::unreadable(what, source))
}

/// Counters are never negative; a stored one that is was not written by us.
pub(super) fn parse_counter(what: &'static str, number: i64) -> Result<u64, Cause> {
    u64::try_from(number).map_err(|source| Cause::unreadable(what, source))
}

pub(super) fn counter_number(what: &'static str, counter: u64) -> Result<i64, Cause> {
    i64::try_from(counter).map_err(|source| Cause::unreadable(what, source))
}
