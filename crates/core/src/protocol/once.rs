//! What `seald once` tells of its documents.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::forgetting::ForgettingView;
use super::share::Accuracies;
use crate::domain::decision::Finding;
use crate::domain::document::DocumentState;
use crate::domain::trial::Trial;

/// All that `seald once` did: the object that `--json FILE` writes.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub struct OnceReport {
    /// The documents that were named, in that order, then others that an earlier run had left waiting.
    pub documents: Vec<DocumentReport>,
    /// What happened to earlier documents meanwhile.
    pub forgetting: ForgettingView,
    /// Folder name of the live generation (`gen-000007`); none if the base answers.
    pub live: Option<String>,
}

/// What became of one document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DocumentReport {
    /// File name as the user knows it; documents of a `jsonl` file are `NAME#LINE`.
    pub path: String,
    /// Whether its content was handed in before: nothing was done for it now, and the rest tells what became of it then.
    pub known: bool,
    /// Its title; empty if its text could not be read.
    pub title: String,
    /// BLAKE3 of title and text, hexadecimal; empty if its text could not be read.
    pub hash: String,
    /// What became of it.
    pub verdict: DocumentState,
    /// Why it was rejected or failed, in words; empty otherwise.
    pub reasons: Vec<String>,
    /// Probes about it, of every role.
    pub probes: usize,
    /// Where they came from.
    pub probe_counts: ProbeCounts,
    /// Right answers to its gate probes.
    #[serde(flatten)]
    pub accuracies: Accuracies,
    /// What was written to learn from.
    pub self_edits: SelfEditCounts,
    /// Each trial at the last rung that it reached, the best first.
    pub trials: Vec<TrialReport>,
    /// What the gate found, rule by rule; empty if it was not asked.
    pub findings: Vec<Finding>,
    /// Factor on the adapter's scale at which the gate judged it, (0, 1]; none if it was not asked.
    pub scale: Option<f64>,
    /// Folder name of the generation that learned it; none if none did.
    pub generation: Option<String>,
    /// Tokens trained on in all trials, rehearsal included, counting repetitions.
    pub tokens_trained: u64,
    /// Where the time went.
    pub time: TimeShares,
    /// Seconds in all, of this run.
    pub seconds: f64,
}

impl DocumentReport {
    /// For a file whose text could not be read, and why.
    pub fn unread(path: String, reason: String) -> Self {
        Self {
            path,
            known: false,
            title: String::new(),
            hash: String::new(),
            verdict: DocumentState::Failed,
            reasons: vec![reason],
            probes: 0,
            probe_counts: ProbeCounts::default(),
            accuracies: Accuracies::default(),
            self_edits: SelfEditCounts::default(),
            trials: Vec::new(),
            findings: Vec::new(),
            scale: None,
            generation: None,
            tokens_trained: 0,
            time: TimeShares::default(),
            seconds: 0.0,
        }
    }
}

/// How many probes, and from where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct ProbeCounts {
    /// From the sidecar, or the document's own `questions`.
    pub supplied: usize,
    /// Questions that the model wrote.
    pub written: usize,
    /// Of those, how many passed the filters.
    pub kept: usize,
    /// Facts that the kept and the supplied ones ask for.
    pub facts: usize,
}

/// How many self-edits, and what was left of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct SelfEditCounts {
    /// Written by the model.
    pub written: usize,
    /// Of those, discarded whole.
    pub discarded: usize,
    /// Training rows made of the others.
    pub rows: usize,
    /// Lines left out of them: they copied a probe, or another line.
    pub dropped_lines: usize,
}

/// Shares of a document's time, each 0 to 1; what is left of 1 is reading, storing and waiting.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub struct TimeShares {
    /// The model wrote: probes, answers, self-edits.
    pub generation: f64,
    /// Optimiser steps.
    pub training: f64,
    /// Log-probabilities of answers.
    pub scoring: f64,
}

/// One trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TrialReport {
    /// Short name: `implications 1e-3 x10`.
    pub name: String,
    /// Rung of successive halving that it reached, from 0.
    pub rung: usize,
    /// Mean gain of log p(answer) over the select probes, nats a question; none where training diverged, and where no trials were ranked.
    #[serde(deserialize_with = "crate::domain::number::or_nan")]
    #[schema(value_type = Option<f64>)]
    pub gain: f64,
    /// Share of the select probes answered right, 0 to 1; none if only log-probabilities were compared.
    pub accuracy: Option<f64>,
    /// Loss of the last step, nats a token.
    #[serde(deserialize_with = "crate::domain::number::or_nan")]
    #[schema(value_type = Option<f64>)]
    pub loss: f64,
    /// Tokens trained on, rehearsal included, counting repetitions.
    pub tokens: u64,
    /// Seconds of training, scoring not counted.
    pub seconds: f64,
    /// Whether it became the candidate that the gate judged.
    pub chosen: bool,
}

impl From<&Trial> for TrialReport {
    fn from(trial: &Trial) -> Self {
        let Trial { name, rung, gain, accuracy, loss, tokens, seconds, chosen, .. } = trial;
        Self {
            name: name.clone(),
            rung: *rung,
            gain: if trial.is_ranked() { *gain } else { f64::NAN },
            accuracy: *accuracy,
            loss: *loss,
            tokens: *tokens,
            seconds: *seconds,
            chosen: *chosen,
        }
    }
}
