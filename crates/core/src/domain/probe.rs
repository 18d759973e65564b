//! Probes: questions with short answers that measure what a model knows.

use super::ids::{DocumentId, PassageId, ProbeId};
use super::words::words;

words! {
    /// What a probe is for. The wordings of one fact have different roles, so that nothing that is selected with one wording is
    /// judged by it.
    Role {
        /// Ranks trials.
        Select = "select",
        /// Accepts or rejects; no trial ever sees it.
        Gate = "gate",
        /// Sealed: asked again by replay.
        Retain = "retain",
        /// The base knew the answer without the document: guards what was known.
        Preserve = "preserve",
    }
}

words! {
    /// Where a probe came from.
    ProbeSource {
        /// From a sidecar file, or from the document's own `questions`.
        Supplied = "supplied",
        /// Written by the model.
        Generated = "generated",
    }
}

/// A question with its accepted answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Its row.
    pub id: ProbeId,
    /// The document it asks about; none for preservation probes that stand for the base alone.
    pub document: Option<DocumentId>,
    /// The passage it was written from.
    pub passage: Option<PassageId>,
    /// Number of the fact within the document: wordings of one fact share it.
    pub fact: usize,
    /// The question.
    pub question: String,
    /// Answers that count as right; at least one, the first is the one whose probability is measured.
    pub answers: Vec<String>,
    /// What it is for.
    pub role: Role,
    /// Where it came from.
    pub source: ProbeSource,
}
