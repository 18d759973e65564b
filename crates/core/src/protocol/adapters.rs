//! Generations as the API lists them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::clock::Timestamp;
use crate::domain::decision::Finding;
use crate::domain::generation::Origin;

/// Every generation, newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AdaptersView {
    /// Folder name of the live one; none if the base answers.
    pub live: Option<String>,
    /// All that were accepted.
    pub generations: Vec<GenerationView>,
}

/// A generation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GenerationView {
    /// Folder name (`gen-000007`).
    pub name: String,
    /// Whether it continues its parent, or was trained anew from the base to take its place.
    pub origin: Origin,
    /// The one that it continues, or took the place of; none for the base.
    pub parent: Option<String>,
    /// The base model that it stands on, where that is not the present one: it cannot answer then.
    pub other_base: Option<String>,
    /// Whether it is live.
    pub live: bool,
    /// Whether the live one contains it.
    pub in_live_chain: bool,
    /// When it went live.
    pub created_at: Timestamp,
    /// Titles of the documents that it learned; none for one that was trained anew: it knows what its parent did.
    pub documents: Vec<String>,
    /// Its folder.
    pub path: String,
    /// Bytes on disk; none where its files are gone.
    pub bytes: Option<u64>,
    /// What the gate found when it was accepted.
    pub findings: Vec<Finding>,
}
