//! Documents as the API lists and tells them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::once::DocumentReport;
use crate::clock::Timestamp;
use crate::domain::document::{DocumentFormat, DocumentState};
use crate::domain::evaluation::Subject;
use crate::domain::ids::{DocumentId, JobId};
use crate::domain::job::{JobState, Stage};
use crate::domain::probe::{ProbeSource, Role};
use crate::domain::self_edit::{Directive, DroppedLine, RowText};

/// A page of documents, newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DocumentsPage {
    /// The documents.
    pub documents: Vec<DocumentLine>,
    /// Pass it as `before` for the next page; none on the last one.
    pub next_before: Option<DocumentId>,
    /// Documents in all that fit the filter.
    pub total: usize,
}

/// A document in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DocumentLine {
    /// Its number.
    pub id: DocumentId,
    /// File name as the user knows it.
    pub name: String,
    /// Its title.
    pub title: String,
    /// The subfolder of the inbox that it came in.
    pub tag: Option<String>,
    /// How it was read.
    pub format: DocumentFormat,
    /// What became of it.
    pub state: DocumentState,
    /// Why it was rejected or failed.
    pub reasons: Vec<String>,
    /// When it came.
    pub received_at: Timestamp,
    /// The newer version that takes its place, if one came.
    pub replaced_by: Option<DocumentId>,
    /// Folder name of the generation that contains it (`gen-000007`): of those behind the live one, the newest; none
    /// where the live one does not know it.
    #[serde(default)]
    pub generation: Option<String>,
    /// Right answers to its gate probes before, 0 to 1.
    pub before: Option<f64>,
    /// The same for the candidate that the gate judged.
    pub after: Option<f64>,
}

/// The story of a document from file to verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DocumentView {
    /// As in a list.
    #[serde(flatten)]
    pub line: DocumentLine,
    /// Its job.
    pub job: JobView,
    /// Characters of its text.
    pub characters: usize,
    /// Passages it was cut into; 0 before it is learned.
    pub passages: usize,
    /// Folder names of the generations that contain it or an earlier version of it, oldest first.
    pub contained_in: Vec<String>,
    /// As `seald once --json` tells it.
    pub report: DocumentReport,
    /// Its probes, with every answer that was given to them.
    pub probes: Vec<ProbeView>,
}

/// A document's job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobView {
    /// Its number.
    pub id: JobId,
    /// Where it stands.
    pub state: JobState,
    /// The stage that is under way, or comes next.
    pub stage: Stage,
    /// Attempts at this stage.
    pub attempts: u32,
    /// Why the last attempt ended, if it ended badly.
    pub error: Option<String>,
}

/// A probe with the answers given to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ProbeView {
    /// The question.
    pub question: String,
    /// Answers that count as right.
    pub answers: Vec<String>,
    /// What it is for.
    pub role: Role,
    /// Where it came from.
    pub source: ProbeSource,
    /// Who answered what.
    pub given: Vec<GivenAnswer>,
}

/// An answer to a probe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GivenAnswer {
    /// Who answered.
    pub subject: Subject,
    /// Folder name of the generation that answered; none for the base. For a candidate, of the one it continues.
    pub generation: Option<String>,
    /// What was said.
    pub answer: String,
    /// Whether it counts as right.
    pub right: bool,
    /// Sum of ln p over the tokens of the first accepted answer.
    #[serde(deserialize_with = "crate::domain::number::or_nan")]
    #[schema(value_type = Option<f64>)]
    pub log_prob: f64,
}

/// What the model wrote for itself about one document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SelfEditsView {
    /// The document.
    pub id: DocumentId,
    /// Its title.
    pub title: String,
    /// Each self-edit, by candidate and passage.
    pub self_edits: Vec<SelfEditView>,
}

/// A self-edit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SelfEditView {
    /// Which candidate of its document it belongs to, from 0.
    pub candidate: usize,
    /// Number of the passage it was written from, from 0.
    pub passage: usize,
    /// How to train on it.
    pub directive: Directive,
    /// What the model wrote, word for word.
    pub text: String,
    /// The training rows made of it.
    pub rows: Vec<RowText>,
    /// Why it was not tried.
    pub discarded: Option<String>,
    /// Lines left out of the rows.
    pub dropped: Vec<DroppedLine>,
    /// Whether the trial that the gate judged trained on it.
    pub chosen: bool,
}
