//! Regions of AWS.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A text that is not the name of a region.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a region (the name that AWS uses, such as eu-central-1)")]
pub struct RegionError(String);

/// A region by the name that AWS uses, such as `eu-central-1`. Which regions there are is for AWS to know: only the shape
/// is checked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct Region(String);

impl Region {
    /// Parses two or more words of letters and a number, joined by hyphens.
    ///
    /// # Errors
    /// [`RegionError`] for anything else.
    pub fn parse(text: &str) -> Result<Self, RegionError> {
        let word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase());
        let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let shape = text
            .rsplit_once('-')
            .is_some_and(|(words, last)| number(last) && words.contains('-') && words.split('-').all(word));
        if shape && text.len() <= 32 {
            Ok(Self(text.to_owned()))
        } else {
            Err(RegionError(text.to_owned()))
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Region {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_told_by_their_shape() {
        for right in [
            "us-east-1",
            "us-gov-west-1",
            "cn-northwest-1",
            "eu-isoe-west-1",
            "ap-southeast-7",
        ] {
            assert!(Region::parse(right).is_ok(), "{right}");
        }
        for wrong in [
            "",
            "us",
            "us-1",
            "us-east",
            "us-east-",
            "US-EAST-1",
            "us--east-1",
            "us-east-1a",
            "-east-1",
            "all",
            "*",
        ] {
            assert!(Region::parse(wrong).is_err(), "{wrong}");
        }
    }
}
