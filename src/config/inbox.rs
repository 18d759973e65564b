//! When a file in the inbox is taken.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::in_range;
use crate::error::Result;

/// Options of the inbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct InboxSection {
    /// Time for which size and date of a file must stay as they are before it is taken, seconds, 0 to 3,600.
    pub settle_seconds: u64,
    /// Time between two looks at the whole inbox, seconds, 1 to 86,400. The system's notices make it quicker where they
    /// come; on network folders they do not.
    pub poll_seconds: u64,
}

impl Default for InboxSection {
    fn default() -> Self {
        Self { settle_seconds: 2, poll_seconds: 30 }
    }
}

impl InboxSection {
    /// Checks every range.
    ///
    /// # Errors
    /// [`crate::error::Kind::Invalid`] naming the option.
    pub fn validate(&self) -> Result<()> {
        in_range("settle_seconds", self.settle_seconds, 0, 3_600)?;
        in_range("poll_seconds", self.poll_seconds, 1, 86_400)
    }
}
