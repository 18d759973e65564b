//! Generations: adapters that the gate accepted.

use super::ids::{DocumentId, GenerationId};
use super::words::words;
use crate::clock::Timestamp;

words! {
    /// How a generation came to be.
    Origin {
        /// It continues its parent with what it learned from a document.
        Learned = "learned",
        /// It was trained from the base on everything that its parent knew, to take its place.
        Consolidated = "consolidated",
    }
}

/// An accepted adapter. Exactly one is live, or none: then the base answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Generation {
    /// Its number.
    pub id: GenerationId,
    /// How it came to be.
    pub origin: Origin,
    /// What it continues, or took the place of; [`GenerationId::BASE`] for the first.
    pub parent: GenerationId,
    /// Fingerprint of the base model.
    pub base_fingerprint: String,
    /// Content hash of the adapter's folder.
    pub adapter_hash: String,
    /// The documents it learned that its parent had not.
    pub documents: Vec<DocumentId>,
    /// When it first went live.
    pub created_at: Timestamp,
}
