//! Who writes self-edits, the rounds that trained another writer, and what changed in what is written.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::forgetting::Tally;
use crate::clock::Timestamp;
use crate::domain::ids::{DocumentId, JobId};
use crate::domain::self_edit::Directive;
use crate::domain::writer::Examined;

/// Who writes self-edits, and how that came about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WriterView {
    /// Folder name of the present writer (`writer-000002`); none while the base writes.
    pub writer: Option<String>,
    /// When it was promoted.
    pub since: Option<Timestamp>,
    /// Titles of the documents whose winning self-edits it was trained on.
    pub documents: Vec<String>,
    /// Rounds in all.
    pub total: usize,
    /// The newest 50, newest first; and the one that was asked for.
    pub rounds: Vec<RoundView>,
    /// What changed in one round: the one that was asked for, else the newest that was examined.
    pub told: Option<RoundStory>,
}

/// A round: a new writer trained on the winners of the gate and examined beside the present one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RoundView {
    /// Its number, from 1 for the oldest.
    pub number: usize,
    /// The job that did it.
    pub job: JobId,
    /// Why it was begun, in words.
    pub reason: String,
    /// Folder name of who wrote so far; none for the base.
    pub present: Option<String>,
    /// Winning self-edits that the new one was trained on.
    pub winners: usize,
    /// Optimiser steps.
    pub steps: usize,
    /// Tokens trained on, counting repetitions.
    pub tokens: u64,
    /// Seconds of training.
    pub seconds: f64,
    /// Loss of the last step, nats a token.
    #[serde(deserialize_with = "crate::domain::number::or_nan")]
    #[schema(value_type = Option<f64>)]
    pub loss: f64,
    /// How it did; none before it was examined.
    pub examined: Option<Examined>,
    /// Folder name of the writer that it promoted; none where the present one stayed.
    pub writer: Option<String>,
    /// When it ended; none before.
    pub ended_at: Option<Timestamp>,
}

/// What changed in a round: what both writers chose, what it earned, and examples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RoundStory {
    /// The round's number.
    pub number: usize,
    /// Self-edits that the present writer wrote, and how many of them were discarded.
    pub present_discarded: Tally,
    /// The same for the new one.
    pub new_discarded: Tally,
    /// Forms of text, in the order of their words in the menu.
    pub formats: Vec<WriterChoice>,
    /// Learning rates, the lowest first.
    pub learning_rates: Vec<WriterChoice>,
    /// Epochs, the fewest first.
    pub epochs: Vec<WriterChoice>,
    /// The best of either writer on the same document, for the first three documents that were examined.
    pub examples: Vec<WriterExample>,
}

/// One thing that a self-edit may choose, and how often both writers chose it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WriterChoice {
    /// What: `key_facts`, `1e-3`, `10`.
    pub what: String,
    /// How many of the present writer's self-edits chose it.
    pub present: Tally,
    /// How many of the new one's.
    pub new: Tally,
    /// Mean reward of those of the present writer, nats a question, discarded ones as 0; none where there are none.
    pub present_reward: Option<f64>,
    /// The same for the new one.
    pub new_reward: Option<f64>,
}

/// What both writers wrote at best about one document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WriterExample {
    /// The document.
    pub document: DocumentId,
    /// Its title.
    pub title: String,
    /// The present writer's best; none if it wrote none.
    pub present: Option<WriterText>,
    /// The new one's.
    pub new: Option<WriterText>,
}

/// A self-edit of an examination.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WriterText {
    /// How it wants to be trained.
    pub directive: Directive,
    /// What it says, at most 600 characters; a longer one ends in an ellipsis.
    pub text: String,
    /// Mean gain of log p(answer) after a trial, nats a question; 0 where it was discarded.
    #[serde(deserialize_with = "crate::domain::number::or_nan")]
    #[schema(value_type = Option<f64>)]
    pub reward: f64,
    /// Why it was not tried.
    pub discarded: Option<String>,
}
