//! Work that learns no document: jobs that are asked for, consolidations, documents that are forgotten.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::share::Share;
use crate::clock::Timestamp;
use crate::domain::consolidation::{Comparison, Consolidation, Forgetting, Proof};
use crate::domain::ids::{DocumentId, GenerationId, JobId};
use crate::domain::job::{JobKind, JobState, Stage};

/// Body of `POST /v1/documents/{id}/forget`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ForgetRequest {
    /// Whether earlier generations that contain it, and backups, are kept.
    #[serde(default)]
    pub keep_history: bool,
}

/// A job that was queued, or was queued already. `GET /v1/jobs/{job}` tells what becomes of it, and an event of kind
/// `ended` that it is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobStarted {
    /// Its number.
    pub job: JobId,
    /// What it does.
    pub kind: JobKind,
}

/// A job of any kind, with what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobOutcome {
    /// Its number.
    pub job: JobId,
    /// What it does.
    pub kind: JobKind,
    /// The document that it learns or forgets; none where it is about no single one.
    pub document: Option<DocumentId>,
    /// Where it stands.
    pub state: JobState,
    /// The stage that is under way, or comes next, or was the last.
    pub stage: Stage,
    /// Attempts at this stage.
    pub attempts: u32,
    /// Why it was begun, in words; none where a document was handed in.
    pub reason: Option<String>,
    /// Why the last attempt ended, if it ended badly.
    pub error: Option<String>,
    /// Whether it changed who answers, or who writes, or removed what was to be removed; none before its end, and where
    /// the log has forgotten it.
    pub done: Option<bool>,
    /// What came of it, in words; none likewise, and for a document that is learned.
    pub outcome: Option<String>,
    /// Seconds that it took; none likewise.
    pub seconds: Option<f64>,
    /// What was trained anew; none where nothing was, or not yet.
    pub consolidation: Option<ConsolidationView>,
    /// The document that is forgotten, with the proof; none for jobs that forget nothing.
    pub forgotten: Option<ForgottenView>,
}

impl JobOutcome {
    /// Whether it is over, well or badly.
    pub fn is_over(&self) -> bool {
        matches!(self.state, JobState::Done | JobState::Failed)
    }
}

/// Every retraining, newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ConsolidationsView {
    /// The newest, at most 100.
    pub consolidations: Vec<ConsolidationView>,
    /// Documents that were learned since everything was last trained anew.
    pub learned_since: usize,
}

/// One adapter trained from the base on everything that is to be kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ConsolidationView {
    /// The job that did it.
    pub job: JobId,
    /// Why it was begun, in words.
    pub reason: String,
    /// Folder name of what was live when it was trained; none for the base.
    pub against: Option<String>,
    /// Documents in the curriculum.
    pub documents: usize,
    /// Training rows made of them.
    pub rows: usize,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Optimiser steps.
    pub steps: usize,
    /// Tokens trained on, base samples included, counting repetitions.
    pub tokens: u64,
    /// Seconds of training.
    pub seconds: f64,
    /// Loss of the last step, nats a token.
    #[serde(deserialize_with = "crate::domain::number::or_nan")]
    #[schema(value_type = Option<f64>)]
    pub loss: f64,
    /// How it compared; none before it was.
    pub comparison: Option<ComparisonView>,
    /// Folder name of what it became; none where the live model stayed.
    pub generation: Option<String>,
    /// When it ended; none before.
    pub ended_at: Option<Timestamp>,
}

/// The whole bank put to the live model and to the retrained one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ComparisonView {
    /// Right answers of the live model; none if nothing was asked.
    pub before: Option<Share>,
    /// Right answers of the retrained one.
    pub after: Option<Share>,
    /// Answers that were right before and wrong after.
    pub lost: usize,
    /// Learned documents of which the retrained one knows less than the base did.
    pub below_base: usize,
    /// Mean KL of the live model from the base on guard text, nats a token.
    #[serde(deserialize_with = "crate::domain::number::or_nan")]
    #[schema(value_type = Option<f64>)]
    pub drift_before: f64,
    /// The same for the retrained one.
    #[serde(deserialize_with = "crate::domain::number::or_nan")]
    #[schema(value_type = Option<f64>)]
    pub drift_after: f64,
    /// Whether it might take the live one's place.
    pub accepted: bool,
    /// Why not, in words; empty where it might.
    pub reasons: Vec<String>,
}

/// A document that was, or is to be, forgotten, and the proof: its questions put to three models.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ForgottenView {
    /// The number that it had.
    pub document: DocumentId,
    /// Whether earlier generations that contain it, and backups, are kept.
    pub keep_history: bool,
    /// Right answers of the base; none before the proof was made, and where the document had no questions.
    pub base: Option<Share>,
    /// Right answers of the live model that might know it.
    pub before: Option<Share>,
    /// Right answers of the one that took its place.
    pub after: Option<Share>,
    /// When its rows and files were removed; none before.
    pub ended_at: Option<Timestamp>,
}

/// Folder name of a generation; none for the base.
fn folder(id: GenerationId) -> Option<String> {
    (id != GenerationId::BASE).then(|| id.folder())
}

impl From<Consolidation> for ConsolidationView {
    fn from(done: Consolidation) -> Self {
        let Consolidation { job, reason, retraining, comparison, generation, ended_at } = done;
        Self {
            job,
            reason,
            against: folder(retraining.against),
            documents: retraining.documents,
            rows: retraining.rows,
            learning_rate: retraining.learning_rate,
            steps: retraining.steps,
            tokens: retraining.tokens,
            seconds: retraining.seconds,
            loss: retraining.loss,
            comparison: comparison.map(ComparisonView::from),
            generation: generation.and_then(folder),
            ended_at,
        }
    }
}

impl From<Comparison> for ComparisonView {
    fn from(compared: Comparison) -> Self {
        let Comparison { asked, right_before, right_after, lost, below_base, .. } = compared;
        let Comparison { drift_before, drift_after, accepted, reasons, .. } = compared;
        let (before, after) = (Share::of(right_before, asked), Share::of(right_after, asked));
        Self { before, after, lost, below_base, drift_before, drift_after, accepted, reasons }
    }
}

impl From<Forgetting> for ForgottenView {
    fn from(forgetting: Forgetting) -> Self {
        let Forgetting { job: _, document, keep_history, proof, ended_at } = forgetting;
        let share = |right: fn(&Proof) -> usize| {
            proof.as_ref().and_then(|proof| Share::of(right(proof), proof.asked))
        };
        Self {
            document,
            keep_history,
            base: share(|proof| proof.right_base),
            before: share(|proof| proof.right_before),
            after: share(|proof| proof.right_after),
            ended_at,
        }
    }
}
