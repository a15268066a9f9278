//! What is declared: the keys and their types, where they come from, and what must hold of them.
//!
//! [`load`] lays the built-in defaults, the file and the environment over one another and gives back a [`Config`] that
//! is sound, or everything that is wrong with it. `settings` has the keys, `schema` their description for editors,
//! `shape` the check of a tree of values against it, `layers` puts them together, `checks` says what must hold beyond
//! types. The environment of the process is read here and nowhere else.

mod checks;
mod digest;
mod document;
mod environment;
mod format;
mod layers;
mod lookup;
mod organization;
mod people;
mod problem;
#[cfg(test)]
mod properties;
mod schedule;
mod schema;
mod secret_reference;
mod settings;
mod shape;
#[cfg(test)]
mod tests;
mod variables;
mod window;

pub use environment::Environment;
pub use layers::{DEFAULT_PATH, DEFAULTS, Loaded, PATH_VARIABLE, load, load_text};
pub use lookup::Route;
pub use organization::{Home, LeftOut, RosterError};
pub use problem::{ConfigErrors, Place, Position, Problem, Source};
pub use schedule::{Schedule, ScheduleError};
pub use schema::json_schema;
pub use secret_reference::{SecretReference, SecretReferenceError};
pub use settings::{
    AccessAnalyzer, AccessKeyRotation, AccessReview, Account, Approvals, Auth, BroadPolicies, Channel,
    ChannelKind, CloudTrail, Config, Excluded, Exemption, Guardrails, IamAlarms, InstanceRoles, MfaScope,
    Mode, Notifications, OnExcess, OpenIdConnect, OrganizationSettings, OwnPattern, OwnerEntry, OwnerMap,
    OwnerRoute, PasswordPolicyRule, PersonEntry, Regions, Reports, Role, RoleTrust, Rollout, RootAccount,
    Rules, ScheduleSettings, ServerSettings, StateSettings, TokenEntry, UnusedAccessKeys, UnusedPasswords,
    UnusedPermissions, UnusedRoles, UnusedUsers, UserMfa, WatchedEvent,
};
pub use window::{Window, WindowError};

/// A value for which the empty text stands for none.
mod optional_text {
    use std::fmt::Display;

    use serde::de::DeserializeOwned;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<T: Serialize, S: Serializer>(
        value: &Option<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => value.serialize(serializer),
            None => serializer.serialize_str(""),
        }
    }

    pub(super) fn deserialize<'de, T: DeserializeOwned, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<T>, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() {
            return Ok(None);
        }
        let inner = serde::de::value::StringDeserializer::<serde::de::value::Error>::new(text);
        T::deserialize(inner)
            .map(Some)
            .map_err(|e: serde::de::value::Error| custom(&e))
    }

    fn custom<E: serde::de::Error>(error: &impl Display) -> E {
        E::custom(error)
    }
}
