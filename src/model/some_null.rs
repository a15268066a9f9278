//! Keeps "absent" and "null" apart in JSON: for `with`, beside `default` and `skip_serializing_if`.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[allow(
    clippy::option_option,
    reason = "absent, null and a value are three different things"
)]
pub(super) fn serialize<T: Serialize, S: Serializer>(
    value: &Option<Option<T>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    value.as_ref().and_then(Option::as_ref).serialize(serializer)
}

pub(super) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}
