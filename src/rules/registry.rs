//! The table of all rules. Adding a rule adds a line here; everything else that lists rules reads this table.

use super::{
    Context, Judgement, access_key_rotation, password_policy, unused_access_keys, unused_permissions,
};
use crate::config::{Config, Mode, Schedule};
use crate::model::{ChangeKind, RuleName};

/// A rule and what the rest of the house needs to know of it.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Its name in the configuration, plans and metrics.
    pub name: &'static str,
    /// One line for people.
    pub summary: &'static str,
    /// The judgement.
    pub check: fn(&Context<'_>) -> Vec<Judgement>,
    /// Its mode.
    pub mode: fn(&Config) -> Mode,
    /// Its own schedule, where it has one.
    pub schedule: fn(&Config) -> Option<&Schedule>,
    /// Which changes it may lead to under this configuration.
    pub changes: fn(&Config) -> Vec<ChangeKind>,
}

impl Rule {
    /// Its name as a value.
    pub fn rule_name(&self) -> RuleName {
        RuleName::new(self.name)
    }
}

/// Every rule, in the order in which they justify a change that several of them ask for.
pub const REGISTRY: [Rule; 4] = [
    access_key_rotation::ENTRY,
    unused_access_keys::ENTRY,
    password_policy::ENTRY,
    unused_permissions::ENTRY,
];

/// The rule of that name.
pub fn find(name: &str) -> Option<&'static Rule> {
    REGISTRY.iter().find(|rule| rule.name == name)
}
