//! Options that may be absent, as TOML writes them, which has no null: the empty text, and the number 0.

use serde::de::value::{I64Deserializer, StringDeserializer};
use serde::de::{DeserializeOwned, IntoDeserializer};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A value written as text; `""` is none.
pub(super) mod text {
    use super::*;

    pub(in crate::config) fn serialize<T: Serialize, S: Serializer>(
        value: &Option<T>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => value.serialize(to),
            None => to.serialize_str(""),
        }
    }

    pub(in crate::config) fn deserialize<'de, T, D>(from: D) -> Result<Option<T>, D::Error>
    where
        T: DeserializeOwned,
        D: Deserializer<'de>,
    {
        let text = String::deserialize(from)?;
        if text.is_empty() {
            return Ok(None);
        }
        let from: StringDeserializer<D::Error> = text.into_deserializer();
        T::deserialize(from).map(Some)
    }
}

/// A number; `0` is none.
pub(super) mod number {
    use super::*;

    pub(in crate::config) fn serialize<T: Serialize, S: Serializer>(
        value: &Option<T>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => value.serialize(to),
            None => to.serialize_u8(0),
        }
    }

    pub(in crate::config) fn deserialize<'de, T, D>(from: D) -> Result<Option<T>, D::Error>
    where
        T: DeserializeOwned,
        D: Deserializer<'de>,
    {
        let number = i64::deserialize(from)?;
        if number == 0 {
            return Ok(None);
        }
        let from: I64Deserializer<D::Error> = number.into_deserializer();
        T::deserialize(from).map(Some)
    }
}
