//! Self-edits: what the model writes for itself to be trained on, and how it wants to be trained.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ids::{DocumentId, PassageId, SelfEditId};
use super::words::words;

words! {
    /// The form of a self-edit.
    Format {
        /// Statements that follow from the passage, one a line.
        Implications = "implications",
        /// A long list of them.
        ImplicationsLong = "implications_long",
        /// The passage in other words.
        Rewrite = "rewrite",
        /// Questions with short answers.
        SelfQa = "self_qa",
        /// `Label of thing: value` lines.
        KeyFacts = "key_facts",
        /// A note to learn from.
        StudyNote = "study_note",
    }
}

/// The optimisation parameters that a self-edit sets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Directive {
    /// The form of the text.
    pub format: Format,
    /// Peak learning rate, above 0.
    pub learning_rate: f64,
    /// Times that each row is seen.
    pub epochs: usize,
}

/// A self-edit: a directive and the text written for it.
#[derive(Debug, Clone, PartialEq)]
pub struct SelfEdit {
    /// Its row.
    pub id: SelfEditId,
    /// What it was written from.
    pub document: DocumentId,
    /// The passage it was written from.
    pub passage: PassageId,
    /// Which candidate of its document it belongs to, from 0: candidate 3 has one self-edit for each passage.
    pub candidate: usize,
    /// How to train on it.
    pub directive: Directive,
    /// Hash of the prompt it was written with.
    pub prompt_version: String,
    /// Content hash of the writer adapter, or `MODEL at URL` of a model elsewhere; none for the base.
    pub writer: Option<String>,
    /// What the model wrote, word for word.
    pub text: String,
    /// The training rows made of it; empty if it was discarded.
    pub rows: Vec<RowText>,
    /// Why it was not tried.
    pub discarded: Option<String>,
    /// Lines left out of the rows, each with its reason.
    pub dropped: Vec<DroppedLine>,
}

/// One training row, before it is made into tokens.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RowText {
    /// Plain text; every token carries loss.
    Text(String),
    /// A turn of a chat, asked without any passage; the answer carries loss.
    Turn {
        /// What the user asks.
        question: String,
        /// What the assistant says.
        answer: String,
    },
}

/// A line of a self-edit that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DroppedLine {
    /// The line.
    pub line: String,
    /// Why, in words.
    pub reason: String,
}
