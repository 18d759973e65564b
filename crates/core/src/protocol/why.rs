//! What is behind an answer.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{AskView, Source};
use crate::domain::self_edit::{Format, RowText};

/// An answer, and what taught it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WhyView {
    /// The answer.
    pub answer: AskView,
    /// How probable it is to whoever gave it.
    pub known: Option<Weighed>,
    /// How probable it is to the base.
    pub base: Option<Weighed>,
    /// Learned documents that it likely came from, the likeliest first, at most three.
    pub documents: Vec<WhyDocument>,
}

/// How probable an answer is to a generation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Weighed {
    /// Its folder name, or `base`.
    pub model: String,
    /// Sum of ln p over the answer's tokens and the end of the turn.
    #[serde(deserialize_with = "crate::domain::number::or_nan")]
    #[schema(value_type = Option<f64>)]
    pub log_prob: f64,
}

/// What one document has to do with an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WhyDocument {
    /// Which.
    pub source: Source,
    /// Folder name of the generation that learned it.
    pub learned_in: Option<String>,
    /// The answer to that generation, and to the one before it: the difference is what learning this document did for the
    /// answer. Left out where the files of either are gone.
    pub share: Option<DocumentShare>,
    /// Sentences of its text that fit question and answer, the best first, at most two.
    pub quotes: Vec<String>,
    /// Training rows that fit, the best first, at most three.
    pub rows: Vec<WhyRow>,
    /// Questions about it that fit, the best first, at most two.
    pub probes: Vec<WhyProbe>,
}

/// What learning one document did for an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DocumentShare {
    /// Before it was learned.
    pub before: Weighed,
    /// After.
    pub after: Weighed,
}

/// A training row that the model wrote about a document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WhyRow {
    /// The format of the self-edit that it was part of.
    pub format: Format,
    /// The row.
    pub row: RowText,
}

/// A question about a document, and how it was answered last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WhyProbe {
    /// The question.
    pub question: String,
    /// Answers that count as right.
    pub answers: Vec<String>,
    /// Whether a generation that had learned it answered right, when it was last asked; none if none was.
    pub right: Option<bool>,
}
