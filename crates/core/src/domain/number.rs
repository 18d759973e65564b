//! Numbers that may not be finite, which JSON has no word for: they are written as `null`, and read back as NaN.

use serde::{Deserialize, Deserializer};

/// Reads a number, `null` as NaN.
pub(crate) fn or_nan<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or(f64::NAN))
}
