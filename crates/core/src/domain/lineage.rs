//! Lineages: what was learned on one base model.

use super::ids::{GenerationId, LineageId};
use crate::clock::Timestamp;

/// The time of one base model and the generations that stand on it. One is present; those before it keep their
/// generations, and are taken up again where their model is used again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lineage {
    /// Its number.
    pub id: LineageId,
    /// Fingerprint of the base model.
    pub base_fingerprint: String,
    /// Where the base model lay when it was last used: its folder, or `nano`.
    pub model: String,
    /// When it began.
    pub begun_at: Timestamp,
    /// When another base model took its place; none for the present one.
    pub left_at: Option<Timestamp>,
    /// What was live when it was left; the base for the present one, and where nothing was.
    pub generation: GenerationId,
}
