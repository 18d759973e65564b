//! How many are answered at a time, and how many may wait.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::in_range;
use seald_core::error::Result;

/// Options of answering.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AnswersOptions {
    /// Answers that are written at the same time, 1 to 1,024, and requests; a request begins beside answers of others that take all places, up to as many again. More take more memory, and each comes more slowly.
    pub max_concurrent: usize,
    /// Requests that may wait for their turn, 1 to 65,536; more are refused, with the status 429 and when to try again.
    pub max_waiting: usize,
}

impl Default for AnswersOptions {
    fn default() -> Self {
        Self { max_concurrent: 16, max_waiting: 64 }
    }
}

impl AnswersOptions {
    /// Checks every range.
    ///
    /// # Errors
    /// [`seald_core::error::Kind::Invalid`] naming the option.
    pub fn validate(&self) -> Result<()> {
        in_range("max_concurrent", self.max_concurrent, 1, 1024)?;
        in_range("max_waiting", self.max_waiting, 1, 65_536)
    }
}
