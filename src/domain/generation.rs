//! Generations: adapters that the gate accepted.

use super::ids::{DocumentId, GenerationId};
use crate::clock::Timestamp;

/// An accepted adapter. Exactly one is live, or none: then the base answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Generation {
    /// Its number.
    pub id: GenerationId,
    /// What it continues; [`GenerationId::BASE`] for the first.
    pub parent: GenerationId,
    /// Fingerprint of the base model.
    pub base_fingerprint: String,
    /// Content hash of the adapter's folder.
    pub adapter_hash: String,
    /// The documents it learned that its parent had not.
    pub documents: Vec<DocumentId>,
    /// When it went live.
    pub created_at: Timestamp,
}
