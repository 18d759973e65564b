//! Consolidation and forgetting on request: what was trained anew, and how it compared with what answered before.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ids::{DocumentId, GenerationId, JobId};
use crate::clock::Timestamp;

/// One adapter trained from the base on everything that is to be kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Retraining {
    /// What was live when it was trained; [`GenerationId::BASE`] if nothing was.
    pub against: GenerationId,
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
    pub loss: f64,
}

/// The whole bank put to the live model and to the retrained one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Comparison {
    /// Questions asked.
    pub asked: usize,
    /// Of those, answered right by the live model.
    pub right_before: usize,
    /// Answered right by the retrained one.
    pub right_after: usize,
    /// Right before and wrong after.
    pub lost: usize,
    /// Learned documents of which the retrained one knows less than the base did.
    pub below_base: usize,
    /// Mean KL of the live model from the base on guard text, nats a token.
    pub drift_before: f64,
    /// The same for the retrained one.
    pub drift_after: f64,
    /// Whether it may take the live one's place.
    pub accepted: bool,
    /// Why not, in words; empty where it may.
    pub reasons: Vec<String>,
}

/// A retraining as it is remembered.
#[derive(Debug, Clone, PartialEq)]
pub struct Consolidation {
    /// The job that did it.
    pub job: JobId,
    /// Why it was begun, in words.
    pub reason: String,
    /// What was trained.
    pub retraining: Retraining,
    /// How it compared; none before it was.
    pub comparison: Option<Comparison>,
    /// What it made live; none where the live model stayed.
    pub generation: Option<GenerationId>,
    /// When it ended; none before.
    pub ended_at: Option<Timestamp>,
}

/// How the questions about a forgotten document were answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Proof {
    /// Questions asked.
    pub asked: usize,
    /// Answered right by the base when the document came.
    pub right_base: usize,
    /// By the live model that knew the document.
    pub right_before: usize,
    /// By the one that took its place.
    pub right_after: usize,
}

/// A document that was, or is to be, forgotten.
#[derive(Debug, Clone, PartialEq)]
pub struct Forgetting {
    /// The job that does it.
    pub job: JobId,
    /// The number that the document had.
    pub document: DocumentId,
    /// Whether earlier generations that contain it are kept.
    pub keep_history: bool,
    /// The proof; none before it was made.
    pub proof: Option<Proof>,
    /// When its rows and files were removed; none before.
    pub ended_at: Option<Timestamp>,
}
