//! Questions to the live model, and its answers.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::document::DocumentState;
use crate::domain::ids::DocumentId;

/// A question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AskRequest {
    /// The question, 1 to 4,000 characters.
    #[schema(min_length = 1, max_length = 4000, pattern = r"\S")]
    pub question: String,
    /// Who answers: `live` (also where it is left out), `base`, or a generation (`gen-000007`).
    #[serde(default)]
    #[schema(pattern = r"^(live|base|(gen-)?0*[1-9][0-9]{0,17})$")]
    pub model: Option<String>,
    /// Earlier questions with their answers, the oldest first, at most 100; the oldest are left out where the model cannot
    /// take all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 100)]
    pub earlier: Vec<Turn>,
    /// Most tokens of the answer, 1 to 1,024; 64 where it is left out.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1024)]
    pub max_tokens: Option<usize>,
    /// Whether the answer comes as an event stream of [`AskEvent`] instead of one [`AskView`].
    #[serde(default)]
    pub stream: bool,
}

/// An earlier question and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Turn {
    /// What was asked.
    pub question: String,
    /// What was answered.
    pub answer: String,
}

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AskView {
    /// The answer.
    pub answer: String,
    /// Who gave it: a folder name, or `base`.
    pub model: String,
    /// Tokens of the answer.
    pub tokens: usize,
    /// Mean ln p of the answer's tokens: near 0 is sure, below -1 is a guess.
    #[serde(deserialize_with = "crate::domain::number::or_nan")]
    #[schema(value_type = Option<f64>)]
    pub mean_log_prob: f64,
    /// Learned documents that it likely came from, at most three: they share a word with it that the question has not, and made it three times as probable.
    pub sources: Vec<Source>,
    /// Documents that were not learned although their text fits the question better than that of any learned one, the best first, at most two: nothing of
    /// them is behind the answer. Never told of an answer that `base` was asked for by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unlearned: Vec<Unlearned>,
    /// Seconds from the question to the end of the answer.
    pub seconds: f64,
}

/// A document that an answer likely came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Source {
    /// Its number.
    pub document: DocumentId,
    /// Its title.
    pub title: String,
    /// Its file's name.
    pub name: String,
}

/// A document that was not learned, and what is known of why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Unlearned {
    /// Which.
    pub source: Source,
    /// What became of it.
    pub state: DocumentState,
    /// Questions that the gate put to the model that had learned it; 0 where it did not come to that.
    pub asked: usize,
    /// Right answers to them.
    pub right: usize,
}

/// One event of a streamed answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum AskEvent {
    /// More of the answer.
    Text {
        /// What became certain.
        text: String,
    },
    /// The end, with all of it.
    Done(AskView),
    /// It broke off.
    Failed {
        /// In words.
        error: String,
    },
}
