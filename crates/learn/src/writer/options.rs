//! How writers are trained and examined: every option with its unit and range.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use seald_core::error::{Error, Kind, Result};

/// Options of writer rounds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WriterOptions {
    /// Rank of the writer, 1 to 256.
    pub rank: usize,
    /// Alpha of the writer, above 0; the update is scaled by alpha / rank.
    pub alpha: f64,
    /// Peak learning rate of the writer's training, above 0; 0: one that fits the model.
    pub learning_rate: f64,
    /// Times that the writer sees each winning self-edit, 1 to 1,000.
    pub epochs: usize,
    /// Winning directives and texts in one optimiser step, 1 to 1,024.
    pub rows_in_step: usize,
    /// Share of the documents, chosen by their hash, that no writer is trained on: they examine writers. Above 0, below 1.
    pub exam_share: f64,
    /// Documents that examine a writer, the newest first, at most, 2 to 10,000.
    pub exam_documents: usize,
    /// Self-edits that each writer writes for each of them, 1 to 32.
    pub samples: usize,
    /// Optimiser steps that the training of one of these takes at most, 1 to 1,000,000: its directive asks for so many epochs.
    pub trial_steps: usize,
    /// Winning self-edits without which there is no round, 1 to 1,000,000.
    pub min_examples: usize,
    /// Confidence of the lower bound of what the new writer earns more than the old one, one-sided, in (0, 1).
    pub confidence: f64,
    /// Share of the old writer's diversity that the new one must keep, 0 to 1.
    pub diversity_floor: f64,
    /// Log-probability of an answer, nats, below 0, under which differences say nothing: at -10 or at -60 the answer is not known.
    pub log_floor: f64,
    /// Seed of the bootstrap that finds the bound, 0 or more.
    pub seed: u64,
}

impl Default for WriterOptions {
    fn default() -> Self {
        Self {
            rank: 64,
            alpha: 128.0,
            learning_rate: 0.0,
            epochs: 2,
            rows_in_step: 5,
            exam_share: 0.2,
            exam_documents: 40,
            samples: 2,
            trial_steps: 20,
            min_examples: 20,
            confidence: 0.95,
            diversity_floor: 0.9,
            log_floor: -10.0,
            seed: 0x5ea1,
        }
    }
}

impl WriterOptions {
    /// Checks every range.
    ///
    /// # Errors
    /// [`Kind::Invalid`] naming the option.
    pub fn validate(&self) -> Result<()> {
        let Self {
            rank,
            alpha,
            learning_rate,
            epochs,
            rows_in_step,
            exam_share,
            exam_documents,
            samples,
            trial_steps,
            min_examples,
            confidence,
            diversity_floor,
            log_floor,
            seed: _,
        } = self;
        let counts = [
            ("rank", *rank, 1, 256),
            ("epochs", *epochs, 1, 1_000),
            ("rows_in_step", *rows_in_step, 1, 1_024),
            ("exam_documents", *exam_documents, 2, 10_000),
            ("samples", *samples, 1, 32),
            ("trial_steps", *trial_steps, 1, 1_000_000),
            ("min_examples", *min_examples, 1, 1_000_000),
        ];
        for (name, value, least, most) in counts {
            if !(least..=most).contains(&value) {
                return Err(Error::new(Kind::Invalid, format!("{name} is {value}: give {least} to {most}")));
            }
        }
        let inside = |n: f64| n > 0.0 && n < 1.0;
        let rules = [
            ("alpha", *alpha, *alpha > 0.0, "a number above 0"),
            ("learning_rate", *learning_rate, *learning_rate >= 0.0, "a number of 0 or more"),
            ("exam_share", *exam_share, inside(*exam_share), "a number above 0 and below 1"),
            ("confidence", *confidence, inside(*confidence), "a number above 0 and below 1"),
            ("diversity_floor", *diversity_floor, (0.0..=1.0).contains(diversity_floor), "0 to 1"),
            ("log_floor", *log_floor, *log_floor < 0.0, "a number below 0"),
        ];
        for (name, value, good, range) in rules {
            if !(good && value.is_finite()) {
                return Err(Error::new(Kind::Invalid, format!("{name} is {value}: give {range}")));
            }
        }
        Ok(())
    }

    /// The learning rate for a model of that hidden size: a small model needs, and bears, larger steps.
    pub(super) fn rate(&self, hidden_size: usize) -> f64 {
        match self.learning_rate {
            0.0 if hidden_size < 512 => 1e-3,
            0.0 => 3e-4,
            rate => rate,
        }
    }
}
