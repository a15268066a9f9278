//! The organization that the accounts are in.

use serde::{Deserialize, Serialize};

/// An organization. All accounts of the seed are in it.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct OrganizationSeed {
    /// The management account.
    pub management: String,
    /// Other accounts that may read it.
    #[serde(default)]
    pub delegated: Vec<String>,
    /// Units beside those that accounts lie in, such as `/Workloads/Dev`.
    #[serde(default)]
    pub units: Vec<String>,
    /// Which fields say whether an account is active.
    #[serde(default)]
    pub fields: StateFields,
    /// What is to be said of its accounts. One that is no account of the seed is listed, and nobody can work there.
    #[serde(default)]
    pub members: Vec<MemberSeed>,
}

/// Which fields say whether an account is active: AWS is giving `Status` up for `State`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StateFields {
    /// Both.
    #[default]
    Both,
    /// `State` alone.
    State,
    /// `Status` alone.
    Status,
}

/// An account of an organization.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MemberSeed {
    /// Twelve digits.
    pub id: String,
    /// What it is called; `account` and its id unless given.
    #[serde(default)]
    pub name: String,
    /// The unit in which it lies; the root unless given.
    #[serde(default = "MemberSeed::root")]
    pub unit: String,
    /// `ACTIVE` unless given.
    #[serde(default = "MemberSeed::active")]
    pub state: String,
}

impl MemberSeed {
    /// An active account in the root.
    pub fn new(id: impl Into<String>) -> Self {
        let id = id.into();
        Self {
            name: format!("account {id}"),
            id,
            unit: Self::root(),
            state: Self::active(),
        }
    }

    /// The same in a unit.
    pub fn in_unit(mut self, path: impl Into<String>) -> Self {
        self.unit = path.into();
        self
    }

    /// The same in a state.
    pub fn of_state(mut self, state: impl Into<String>) -> Self {
        self.state = state.into();
        self
    }

    fn root() -> String {
        "/".to_owned()
    }

    fn active() -> String {
        "ACTIVE".to_owned()
    }
}
