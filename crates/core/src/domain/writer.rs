//! Writers: adapters that write self-edits, and what the rounds that train them found.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ids::{DocumentId, JobId, WriterId};
use super::self_edit::Directive;
use super::words::words;
use crate::clock::Timestamp;

/// A promoted writer. Exactly one writes, or none: then the base does.
#[derive(Debug, Clone, PartialEq)]
pub struct Writer {
    /// Its number.
    pub id: WriterId,
    /// Who wrote before it; [`WriterId::BASE`] for the first.
    pub parent: WriterId,
    /// Fingerprint of the base model.
    pub base_fingerprint: String,
    /// Content hash of the adapter's folder.
    pub adapter_hash: String,
    /// The documents whose winning self-edits it was trained on.
    pub documents: Vec<DocumentId>,
    /// When it was promoted.
    pub created_at: Timestamp,
}

words! {
    /// Which of the two writers of an examination.
    Whose {
        /// The one that wrote so far.
        Present = "present",
        /// The one that the round trained.
        New = "new",
    }
}

/// A self-edit that a writer wrote in an examination.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WriterSample {
    /// Who wrote it.
    pub whose: Whose,
    /// What about.
    pub document: DocumentId,
    /// How it wants to be trained.
    pub directive: Directive,
    /// What it says, its passages one after another.
    pub text: String,
    /// Mean gain of log p(answer) after a trial, nats a question; 0 where it was discarded.
    pub reward: f64,
    /// Why it was not tried.
    pub discarded: Option<String>,
}

/// How a new writer was trained.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainedWriter {
    /// Who wrote so far; [`WriterId::BASE`] for the base.
    pub present: WriterId,
    /// Winning self-edits that it was trained on.
    pub winners: usize,
    /// Optimiser steps.
    pub steps: usize,
    /// Tokens trained on, counting repetitions.
    pub tokens: u64,
    /// Seconds of training.
    pub seconds: f64,
    /// Loss of the last step, nats a token.
    pub loss: f64,
}

/// The new writer and the present one, examined on documents that neither was trained on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Examined {
    /// Documents that both wrote about.
    pub documents: usize,
    /// Mean reward of the present writer's self-edits, nats a question.
    #[serde(deserialize_with = "crate::domain::number::or_nan")]
    #[schema(value_type = Option<f64>)]
    pub reward_before: f64,
    /// The same of the new one's.
    #[serde(deserialize_with = "crate::domain::number::or_nan")]
    #[schema(value_type = Option<f64>)]
    pub reward_after: f64,
    /// One-sided lower 95 % bound of the mean difference over documents; `null` in JSON where it has none.
    #[serde(deserialize_with = "crate::domain::number::or_nan")]
    #[schema(value_type = Option<f64>)]
    pub bound: f64,
    /// Share of distinct word pairs in what the present one wrote, 0 to 1.
    #[serde(deserialize_with = "crate::domain::number::or_nan")]
    #[schema(value_type = Option<f64>)]
    pub diversity_before: f64,
    /// The same for the new one.
    #[serde(deserialize_with = "crate::domain::number::or_nan")]
    #[schema(value_type = Option<f64>)]
    pub diversity_after: f64,
    /// Whether the new one writes from now on.
    pub promoted: bool,
    /// What decided, in words: a line on the rewards and one on the diversity.
    pub reasons: Vec<String>,
}

/// A round as it is remembered.
#[derive(Debug, Clone, PartialEq)]
pub struct WriterRound {
    /// The job that did it.
    pub job: JobId,
    /// Why it was begun, in words.
    pub reason: String,
    /// How the new writer was trained.
    pub trained: TrainedWriter,
    /// How it did; none before it was examined.
    pub examined: Option<Examined>,
    /// The writer that it promoted; none where the present one stayed.
    pub writer: Option<WriterId>,
    /// When it ended; none before.
    pub ended_at: Option<Timestamp>,
}
