//! Parameters of the Query protocol: `Tags.member.1.Key=owner`.

use std::collections::BTreeMap;

use super::error::AwsError;

/// The parameters of one request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query {
    values: BTreeMap<String, String>,
}

impl Query {
    pub(crate) fn parse(body: &[u8]) -> Self {
        Self {
            values: form_urlencoded::parse(body).into_owned().collect(),
        }
    }

    pub(crate) fn from_pairs(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        Self {
            values: pairs.into_iter().collect(),
        }
    }

    /// All parameters but the protocol's own.
    pub(crate) fn parameters(&self) -> BTreeMap<String, String> {
        let own = |name: &str| name == "Action" || name == "Version";
        self.values
            .iter()
            .filter(|(name, _)| !own(name))
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect()
    }

    /// Takes a parameter out.
    pub(crate) fn forget(&mut self, name: &str) {
        self.values.remove(name);
    }

    pub(crate) fn optional(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    pub(crate) fn required(&self, name: &str) -> Result<&str, AwsError> {
        self.optional(name).ok_or_else(|| AwsError::missing(name))
    }

    /// A name of a user, group, role or policy: required, and of the characters IAM allows.
    pub(crate) fn name(&self, parameter: &str) -> Result<&str, AwsError> {
        check_name(parameter, self.required(parameter)?)
    }

    /// The same where it may be left out.
    pub(crate) fn optional_name(&self, parameter: &str) -> Result<Option<&str>, AwsError> {
        self.optional(parameter)
            .map(|value| check_name(parameter, value))
            .transpose()
    }

    pub(crate) fn boolean(&self, name: &str) -> Result<Option<bool>, AwsError> {
        match self.optional(name) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => Err(AwsError::new("MalformedInput", 400, "Invalid boolean")),
        }
    }

    /// A whole number within bounds.
    pub(crate) fn integer(&self, name: &str, least: u32, most: u32) -> Result<Option<u32>, AwsError> {
        let Some(text) = self.optional(name) else {
            return Ok(None);
        };
        let number: i64 = text
            .parse()
            .map_err(|_| AwsError::new("MalformedInput", 400, "Invalid integer"))?;
        if number < i64::from(least) {
            let rule = format!("Member must have value greater than or equal to {least}");
            return Err(AwsError::constraint(text, name, &rule));
        }
        match u32::try_from(number) {
            Ok(number) if number <= most => Ok(Some(number)),
            _ => {
                let rule = format!("Member must have value less than or equal to {most}");
                Err(AwsError::constraint(text, name, &rule))
            }
        }
    }

    /// `name.member.1`, `name.member.2`, …
    pub(crate) fn list(&self, name: &str) -> Vec<&str> {
        (1..)
            .map_while(|index| self.optional(&format!("{name}.member.{index}")))
            .collect()
    }

    /// `name.1`, `name.2`, …, as EC2 has its lists.
    pub(crate) fn numbered(&self, name: &str) -> Vec<&str> {
        (1..)
            .map_while(|index| self.optional(&format!("{name}.{index}")))
            .collect()
    }

    /// The tags of `Tags.member.N.Key` and `.Value`.
    pub(crate) fn tags(&self) -> Vec<(String, String)> {
        (1..)
            .map_while(|index| {
                let key = self.optional(&format!("Tags.member.{index}.Key"))?;
                let value = self
                    .optional(&format!("Tags.member.{index}.Value"))
                    .unwrap_or_default();
                Some((key.to_owned(), value.to_owned()))
            })
            .collect()
    }

    /// The path of a new entity, `/` unless given.
    pub(crate) fn path(&self) -> Result<&str, AwsError> {
        let path = self.optional("Path").unwrap_or("/");
        if path.starts_with('/') && path.ends_with('/') && path.len() <= 512 {
            Ok(path)
        } else {
            let message = "The specified value for path is invalid. It must begin and end with / and contain only \
                           alphanumeric characters and/or / characters.";
            Err(AwsError::validation(message))
        }
    }
}

fn check_name<'a>(parameter: &str, value: &'a str) -> Result<&'a str, AwsError> {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "_+=,.@-".contains(letter);
    if value.is_empty() {
        return Err(AwsError::constraint(
            value,
            parameter,
            "Member must have length greater than or equal to 1",
        ));
    }
    if value.len() > 128 {
        return Err(AwsError::constraint(
            value,
            parameter,
            "Member must have length less than or equal to 128",
        ));
    }
    if value.chars().all(allowed) {
        Ok(value)
    } else {
        let parameter = format!("{}{}", parameter[..1].to_lowercase(), &parameter[1..]);
        Err(AwsError::validation(format!(
            "The specified value for {parameter} is invalid. It must contain only alphanumeric characters and/or the \
             following: +=,.@_-"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_tags_are_read_in_order() -> Result<(), AwsError> {
        let query = Query::parse(
            b"Action=TagUser&Tags.member.1.Key=a&Tags.member.1.Value=1%2B1&Tags.member.2.Key=b&F.member.1=x",
        );
        assert_eq!(
            query.tags(),
            [("a".into(), "1+1".into()), ("b".into(), String::new())]
        );
        assert_eq!(query.list("F"), ["x"]);
        Ok(())
    }

    #[test]
    fn numbers_keep_within_bounds() {
        let query = Query::parse(b"MaxItems=0&Big=1001&Fit=7&Word=x");
        assert_eq!(
            query.integer("MaxItems", 1, 1000).map_err(|e| e.code),
            Err("ValidationError".into())
        );
        assert_eq!(
            query.integer("Big", 1, 1000).map_err(|e| e.code),
            Err("ValidationError".into())
        );
        assert_eq!(query.integer("Fit", 1, 1000), Ok(Some(7)));
        assert_eq!(query.integer("None", 1, 1000), Ok(None));
        assert_eq!(
            query.integer("Word", 1, 1000).map_err(|e| e.code),
            Err("MalformedInput".into())
        );
    }

    #[test]
    fn names_are_checked() {
        let query = Query::parse(b"UserName=a/b&RoleName=ok%2B%3D%2C.%40-_&GroupName=");
        assert!(query.name("UserName").is_err());
        assert_eq!(query.name("RoleName"), Ok("ok+=,.@-_"));
        assert!(query.name("GroupName").is_err());
        assert!(query.name("PolicyName").is_err());
    }
}
