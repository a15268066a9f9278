//! What is declared.

mod schedule;
mod secret_reference;
mod settings;
mod window;

pub use schedule::{Schedule, ScheduleError};
pub use secret_reference::{SecretReference, SecretReferenceError};
pub use settings::{
    AccessKeyRotation, Account, Approvals, Channel, ChannelKind, Config, Exemption, Guardrails, Mode,
    Notifications, OnExcess, OwnerEntry, OwnerMap, OwnerRoute, PasswordPolicyRule, Rules, ScheduleSettings,
    ServerSettings, StateSettings, UnusedAccessKeys, UnusedPermissions,
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
