//! The accounts of an organization, and the units in which they lie.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::AccountId;

/// An organization, as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Organization {
    /// All of its accounts, by id.
    pub members: Vec<Member>,
    /// All of its units, the root included; `None`: they were not asked for.
    pub units: Option<Vec<UnitPath>>,
}

/// An account of an organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Twelve digits.
    pub id: AccountId,
    /// What it is called there.
    pub name: String,
    /// Why it cannot be worked in, such as `suspended`; `None`: it is active.
    pub inactive: Option<String>,
    /// Where it stands.
    pub membership: Membership,
}

/// Where an account stands in its organization.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Membership {
    /// In which unit; `None`: not known.
    pub unit: Option<UnitPath>,
    /// Whether it is the management account.
    pub is_management: bool,
}

/// A unit, with all those that it lies in: the root first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct UnitPath(Vec<Unit>);

/// An organizational unit, or the root.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Unit {
    id: String,
    name: String,
}

impl UnitPath {
    /// The root of this id.
    pub fn root(id: impl Into<String>) -> Self {
        Self(vec![Unit {
            id: id.into(),
            name: String::new(),
        }])
    }

    /// A unit right beneath this one.
    pub fn unit(&self, id: impl Into<String>, name: impl Into<String>) -> Self {
        let mut path = self.clone();
        path.0.push(Unit {
            id: id.into(),
            name: name.into(),
        });
        path
    }

    /// The id of the unit itself.
    pub fn id(&self) -> &str {
        self.0.last().map_or("", |unit| &unit.id)
    }

    /// The names from the root down, without the root's.
    fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().skip(1).map(|unit| unit.name.as_str())
    }
}

/// `/Workloads/Dev`; the root is `/`.
impl fmt::Display for UnitPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.len() < 2 {
            return f.write_str("/");
        }
        self.names().try_for_each(|name| write!(f, "/{name}"))
    }
}

/// Names a unit, and with it all beneath: `/Workloads/Dev` by the names from the root down, or an id such as
/// `ou-ab12-34567890`. `/Workloads/Dev/*` is the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum UnitName {
    /// By names; none: the root, and so everything.
    Path(Vec<String>),
    /// By id.
    Id(String),
}

/// A text that names no unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no unit: expected a path such as \"/Workloads/Dev\", or an id such as \"ou-ab12-34567890\"")]
pub struct UnitNameError;

impl UnitName {
    /// Reads a path or an id.
    ///
    /// # Errors
    /// [`UnitNameError`] where it is neither, has an empty part, or a `*` anywhere but as its last part.
    pub fn parse(text: &str) -> Result<Self, UnitNameError> {
        if let Some(path) = text.strip_prefix('/') {
            let beneath = path.strip_suffix("/*").or_else(|| path.strip_suffix('/'));
            let names: Vec<_> = match beneath.unwrap_or(path) {
                "" | "*" => Vec::new(),
                path => path.split('/').map(str::to_owned).collect(),
            };
            let sound = |name: &String| !name.trim().is_empty() && !name.contains('*');
            return match names.iter().all(sound) && !text.contains("//") {
                true => Ok(Self::Path(names)),
                false => Err(UnitNameError),
            };
        }
        let plain = |part: &str, least: usize| {
            part.len() >= least && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        };
        let id = text.strip_prefix("ou-").and_then(|rest| rest.split_once('-'));
        match id.is_some_and(|(root, own)| plain(root, 4) && plain(own, 8)) {
            true => Ok(Self::Id(text.to_owned())),
            false => Err(UnitNameError),
        }
    }

    /// Whether this unit is meant, or lies in the one that is. Names are compared letter by letter: a unit whose name
    /// holds a slash is named by its id alone.
    pub fn covers(&self, unit: &UnitPath) -> bool {
        match self {
            Self::Path(names) => {
                let mut there = unit.names();
                names.iter().all(|name| there.next() == Some(name))
            }
            Self::Id(id) => unit.0.iter().any(|unit| unit.id == *id),
        }
    }
}

impl TryFrom<String> for UnitName {
    type Error = UnitNameError;

    fn try_from(text: String) -> Result<Self, UnitNameError> {
        Self::parse(&text)
    }
}

impl From<UnitName> for String {
    fn from(name: UnitName) -> Self {
        name.to_string()
    }
}

impl fmt::Display for UnitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(names) if names.is_empty() => f.write_str("/"),
            Self::Path(names) => names.iter().try_for_each(|name| write!(f, "/{name}")),
            Self::Id(id) => f.write_str(id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dev() -> UnitPath {
        UnitPath::root("r-ab12")
            .unit("ou-ab12-aaaaaaaa", "Workloads")
            .unit("ou-ab12-bbbbbbbb", "Dev")
    }

    #[test]
    fn a_unit_is_named_with_all_beneath_it() {
        assert_eq!(dev().to_string(), "/Workloads/Dev");
        assert_eq!(UnitPath::root("r-ab12").to_string(), "/");
        for name in [
            "/",
            "/*",
            "/Workloads",
            "/Workloads/*",
            "/Workloads/Dev",
            "/Workloads/Dev/",
            "/Workloads/Dev/*",
            "ou-ab12-aaaaaaaa",
            "ou-ab12-bbbbbbbb",
        ] {
            assert!(UnitName::parse(name).unwrap().covers(&dev()), "{name}");
        }
        for name in [
            "/workloads",
            "/Work",
            "/Dev",
            "/Workloads/Dev/Team",
            "/Workloads/De",
            "ou-ab12-cccccccc",
        ] {
            assert!(!UnitName::parse(name).unwrap().covers(&dev()), "{name}");
        }
        assert!(UnitName::parse("/*").unwrap().covers(&UnitPath::root("r-ab12")));
    }

    #[test]
    fn a_slash_in_a_name_is_no_path() {
        let odd = UnitPath::root("r-ab12").unit("ou-ab12-dddddddd", "Workloads/Dev");
        assert!(!UnitName::parse("/Workloads").unwrap().covers(&odd));
        assert!(!UnitName::parse("/Workloads/Dev").unwrap().covers(&odd));
        assert!(UnitName::parse("ou-ab12-dddddddd").unwrap().covers(&odd));
    }

    #[test]
    fn what_names_no_unit_is_refused() {
        for text in [
            "",
            "*",
            "Dev",
            "/ /x",
            "//",
            "/Dev//",
            "/Dev//x",
            "/D*v",
            "/*/Dev",
            "/Dev*",
            "//*",
            "ou-",
            "ou-ab12-x",
            "OU-AB12-AAAAAAAA",
            "123456789012",
            "r-ab12",
        ] {
            assert_eq!(UnitName::parse(text), Err(UnitNameError), "{text:?}");
        }
    }
}
