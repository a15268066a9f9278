//! Parameters of the JSON protocols.

use serde_json::{Map, Value};

use super::error::AwsError;

/// The parameters of one request, or a structure in them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Input<'a> {
    value: &'a Value,
    /// The code of the error about a parameter that cannot be.
    refusal: &'static str,
}

impl<'a> Input<'a> {
    pub(crate) fn new(value: &'a Value, refusal: &'static str) -> Self {
        Self { value, refusal }
    }

    /// An error about what was asked for.
    pub(crate) fn refuse(self, message: impl Into<String>) -> AwsError {
        AwsError::new(self.refusal, 400, message)
    }

    fn wrong(self, name: &str, expected: &str) -> AwsError {
        self.refuse(format!("Parameter {name} must be {expected}."))
    }

    pub(crate) fn get(self, name: &str) -> Option<&'a Value> {
        self.value.get(name).filter(|value| !value.is_null())
    }

    pub(crate) fn text(self, name: &str) -> Result<Option<&'a str>, AwsError> {
        let text = |value: &'a Value| value.as_str().ok_or_else(|| self.wrong(name, "a string"));
        self.get(name).map(text).transpose()
    }

    pub(crate) fn required(self, name: &str) -> Result<&'a str, AwsError> {
        let missing = || self.refuse(format!("Parameter {name} is required."));
        self.text(name)?.ok_or_else(missing)
    }

    /// A whole number within bounds; text in paths and queries.
    pub(crate) fn integer(self, name: &str, least: u32, most: u32) -> Result<Option<u32>, AwsError> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let number = value
            .as_u64()
            .or_else(|| value.as_str().and_then(|text| text.parse().ok()));
        let bounds = || format!("a whole number from {least} to {most}");
        match number.and_then(|number| u32::try_from(number).ok()) {
            Some(number) if (least..=most).contains(&number) => Ok(Some(number)),
            _ => Err(self.wrong(name, &bounds())),
        }
    }

    /// A truth; text in forms.
    pub(crate) fn boolean(self, name: &str) -> Result<Option<bool>, AwsError> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let truth = value
            .as_bool()
            .or_else(|| value.as_str().and_then(|text| text.parse().ok()));
        truth.map(Some).ok_or_else(|| self.wrong(name, "true or false"))
    }

    /// Any number; text in forms.
    pub(crate) fn number(self, name: &str) -> Result<Option<f64>, AwsError> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let number = value
            .as_f64()
            .or_else(|| value.as_str().and_then(|text| text.parse().ok()));
        let finite = number.filter(|number| number.is_finite());
        finite.map(Some).ok_or_else(|| self.wrong(name, "a number"))
    }

    /// A list of structures, empty where it is left out.
    pub(crate) fn inners(self, name: &str) -> Result<Vec<Self>, AwsError> {
        match self.get(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(items)) => Ok(items.iter().map(|value| Self { value, ..self }).collect()),
            Some(_) => Err(self.wrong(name, "a list")),
        }
    }

    /// A list of strings, empty where it is left out.
    pub(crate) fn texts(self, name: &str) -> Result<Vec<&'a str>, AwsError> {
        let wrong = || self.wrong(name, "a list of strings");
        match self.get(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(items)) => items.iter().map(|item| item.as_str().ok_or_else(wrong)).collect(),
            Some(_) => Err(wrong()),
        }
    }

    /// A structure or map, empty where it is left out.
    pub(crate) fn object(self, name: &str) -> Result<Map<String, Value>, AwsError> {
        match self.get(name) {
            None => Ok(Map::new()),
            Some(Value::Object(fields)) => Ok(fields.clone()),
            Some(_) => Err(self.wrong(name, "a structure")),
        }
    }

    /// A structure in these parameters.
    pub(crate) fn inner(self, name: &str) -> Option<Self> {
        self.get(name).map(|value| Self { value, ..self })
    }
}
