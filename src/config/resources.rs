//! Consideration for the other programs of the machine.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Size, in_range, optional};
use seald_core::error::Result;

/// How far seald steps back for others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ResourceOptions {
    /// Priority, 0 (as everyone) to 19 (only what nobody else wants). It cannot fall below what the service was started
    /// with.
    pub nice: i32,
    /// Learning pauses while other programs use more than this share of all processors, per cent, 1 to 100; 0: never.
    #[serde(with = "optional::number")]
    #[schema(value_type = u8)]
    pub pause_above_others: Option<u8>,
    /// The model leaves memory after this time without work, seconds, 1 to 604,800 (a week).
    pub unload_after_seconds: u64,
    /// Memory that seald may take at most, with its unit, for instance "6GiB", 64 MiB or more. Empty: what the machine has
    /// free.
    #[serde(with = "optional::text")]
    #[schema(value_type = String)]
    pub max_memory: Option<Size>,
}

impl Default for ResourceOptions {
    fn default() -> Self {
        Self { nice: 10, pause_above_others: None, unload_after_seconds: 300, max_memory: None }
    }
}

impl ResourceOptions {
    /// Checks every range.
    ///
    /// # Errors
    /// [`seald_core::error::Kind::Invalid`] naming the option.
    pub fn validate(&self) -> Result<()> {
        in_range("nice", self.nice, 0, 19)?;
        if let Some(share) = self.pause_above_others {
            in_range("pause_above_others", share, 1, 100)?;
        }
        in_range("unload_after_seconds", self.unload_after_seconds, 1, 604_800)?;
        match &self.max_memory {
            Some(size) if size.bytes() < 64 << 20 => {
                super::invalid(format!("max_memory is {size}: give 64MiB or more"))
            }
            _ => Ok(()),
        }
    }
}
