//! Two kinds of error that the tables give rise to.

use seald_core::error::{Error, Kind};

/// A state that forbids what was asked.
pub(super) fn conflict(text: impl Into<String>) -> Error {
    Error::new(Kind::Conflict, text)
}

/// A row that was named and is not there.
pub(super) fn not_found(text: impl Into<String>) -> Error {
    Error::new(Kind::NotFound, text)
}
