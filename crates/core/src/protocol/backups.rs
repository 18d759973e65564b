//! Backups of the database.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::clock::Timestamp;

/// A whole copy of the database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BackupView {
    /// Where it lies.
    pub path: String,
    /// When it was made.
    pub at: Timestamp,
    /// Its size in bytes.
    pub bytes: u64,
    /// Documents that it holds; null, as all that follows, where it cannot be used.
    pub documents: Option<usize>,
    /// Generations that it knows; their files lie in `adapters` and are no part of it.
    pub generations: Option<usize>,
    /// Events that it has seen: of two copies of a database, the one with more is the later.
    pub events: Option<i64>,
    /// Why it cannot be used, if it cannot.
    pub error: Option<String>,
}

/// Every backup, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BackupsView {
    /// The folder that they lie in.
    pub folder: String,
    /// The backups.
    pub backups: Vec<BackupView>,
}
