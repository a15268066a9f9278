//! `[organization]` and `[rollout]`: which accounts there are, and in which of them rules may act.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::format::{AccountOrUnit, OrEmpty, Unit};
use crate::config::{SecretReference, optional_text};
use crate::model::{AccountId, UnitName};

/// `[organization]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OrganizationSettings {
    /// Whether every active account of the organization is looked after, besides those under `[[accounts]]`.
    pub discover: bool,
    /// The role to assume in each of them, by name, with its path where it has one.
    pub role_name: String,
    /// The external id that the trust of this role asks for; empty: none.
    #[serde(with = "optional_text")]
    #[schemars(with = "OrEmpty<SecretReference>")]
    pub external_id: Option<SecretReference>,
    /// The role that `rollback` assumes, by name; empty: the same as for everything else.
    #[serde(with = "optional_text")]
    #[schemars(with = "String")]
    pub rollback_role_name: Option<String>,
    /// Which accounts are left out: by id, or by the unit that they lie in.
    #[schemars(with = "Vec<AccountOrUnit>")]
    pub exclude: Vec<Excluded>,
}

/// An account, or a unit with all beneath it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Excluded {
    /// The account of this id.
    Account(AccountId),
    /// The accounts in this unit, and in the units beneath it.
    Unit(UnitName),
}

/// `[rollout]`: where rules have their modes. Elsewhere they report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rollout {
    /// These accounts.
    #[serde(default)]
    pub accounts: Vec<AccountId>,
    /// The accounts in these units, and in the units beneath them.
    #[serde(default)]
    #[schemars(with = "Vec<Unit>")]
    pub units: Vec<UnitName>,
}
