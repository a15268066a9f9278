//! Filters: `Filter.1.Name`, `Filter.1.Value.1`.

use crate::policy::document::exact_glob;
use crate::wire::error::AwsError;
use crate::wire::query::Query;

/// Names with the values that are let through, with `*` and `?`.
pub(super) struct Filters<'a>(Vec<(&'a str, Vec<&'a str>)>);

impl<'a> Filters<'a> {
    pub(super) fn read(query: &'a Query) -> Self {
        let filter = |number: usize| {
            let name = query.optional(&format!("Filter.{number}.Name"))?;
            Some((name, query.numbered(&format!("Filter.{number}.Value"))))
        };
        Self((1..).map_while(filter).collect())
    }

    /// Whether all filters let something through, which `values` describes: what it has of a name, or `None` for names
    /// that mean nothing.
    pub(super) fn let_through(&self, values: impl Fn(&str) -> Option<Vec<String>>) -> Result<bool, AwsError> {
        for (name, wanted) in &self.0 {
            let values = values(name).ok_or_else(|| {
                let message = format!("The filter '{name}' is invalid");
                AwsError::new("InvalidParameterValue", 400, message)
            })?;
            let fits = |value: &String| wanted.iter().any(|pattern| exact_glob(pattern, value));
            if !values.iter().any(fits) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The items that are let through, in order.
    pub(super) fn choose<T>(
        &self,
        items: impl IntoIterator<Item = T>,
        values: impl Fn(&T, &str) -> Option<Vec<String>>,
    ) -> Result<Vec<T>, AwsError> {
        let mut chosen = Vec::new();
        for item in items {
            if self.let_through(|name| values(&item, name))? {
                chosen.push(item);
            }
        }
        Ok(chosen)
    }
}
