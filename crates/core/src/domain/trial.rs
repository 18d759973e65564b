//! Trials: self-edits trained and scored.

use super::ids::{DocumentId, SelfEditId, TrialId};

/// One training of a trial adapter up to one rung of successive halving.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// Its row.
    pub id: TrialId,
    /// Which document.
    pub document: DocumentId,
    /// Short name: `implications 1e-3 x10`, `union`, `passage only`.
    pub name: String,
    /// The self-edits it trained on.
    pub self_edits: Vec<SelfEditId>,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Rung of successive halving that it reached, from 0.
    pub rung: usize,
    /// Optimiser steps.
    pub steps: usize,
    /// Tokens trained on, rehearsal included, counting repetitions.
    pub tokens: u64,
    /// Seconds of training, scoring not counted.
    pub seconds: f64,
    /// Loss of the last step, nats a token.
    pub loss: f64,
    /// Mean gain of log p(answer) over the select probes, nats a question, against the live adapter.
    pub gain: f64,
    /// Share of the select probes answered right; none if the trial was ranked by log-probabilities alone.
    pub accuracy: Option<f64>,
    /// Whether it became the candidate that the gate judged.
    pub chosen: bool,
}

impl Trial {
    /// Whether questions ranked it, so that its gain says something: a training that goes to the gate without trials before it has none.
    pub fn is_ranked(&self) -> bool {
        self.accuracy.is_some() || !self.chosen
    }
}
