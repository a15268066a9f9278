//! Checks of `[organization]` and `[rollout]`.

use std::collections::BTreeSet;

use super::Tell;
use crate::config::problem::quoted;
use crate::config::{Config, Excluded};

/// The longest name of a role, and of its path.
const LONGEST: usize = 512;

pub(super) fn check_organization(config: &Config, tell: &mut Tell<'_>) {
    let organization = &config.organization;
    let roles = [
        ("role_name", Some(organization.role_name.as_str())),
        ("rollback_role_name", organization.rollback_role_name.as_deref()),
    ];
    for (key, name) in roles {
        if name.is_some_and(|name| !is_role_name(name)) {
            tell(
                format!("organization.{key}"),
                format!(
                    "{} is no name of a role: expected letters, digits and _+=,.@-, with its path before it where it has one",
                    quoted(name.unwrap_or_default())
                ),
            );
        }
    }
    let mut seen = BTreeSet::new();
    for (n, excluded) in organization.exclude.iter().enumerate() {
        let key = format!("organization.exclude[{n}]");
        let name = match excluded {
            Excluded::Account(id) => {
                if config.accounts.iter().any(|account| account.id == *id) {
                    tell(
                        key.clone(),
                        format!(
                            "account `{id}` is declared under [[accounts]]: leave it out of one of the two"
                        ),
                    );
                }
                id.to_string()
            }
            Excluded::Unit(unit) => unit.to_string(),
        };
        if !seen.insert(name.clone()) {
            tell(
                key,
                format!("{} is named twice: expected each once", quoted(&name)),
            );
        }
    }
}

pub(super) fn check_rollout(config: &Config, tell: &mut Tell<'_>) {
    let Some(rollout) = &config.rollout else { return };
    if config.organization.discover {
        return;
    }
    for (n, unit) in rollout.units.iter().enumerate() {
        tell(
            format!("rollout.units[{n}]"),
            format!(
                "the unit {} is known only where organization.discover = true: name the accounts instead",
                quoted(&unit.to_string())
            ),
        );
    }
    for (n, id) in rollout.accounts.iter().enumerate() {
        let is_declared = config.accounts.iter().any(|account| account.id == *id);
        if !config.accounts.is_empty() && !is_declared {
            tell(
                format!("rollout.accounts[{n}]"),
                format!("account `{id}` is not declared under [[accounts]]"),
            );
        }
    }
}

fn is_role_name(name: &str) -> bool {
    let plain = |part: &str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
        !part.is_empty() && part.chars().all(allowed)
    };
    name.len() <= LONGEST && name.split('/').all(plain)
}
