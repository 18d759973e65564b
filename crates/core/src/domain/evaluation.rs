//! Evaluations: one probe put to one model.

use serde::{Deserialize, Serialize};

use super::ids::{GenerationId, ProbeId};
use super::words::words;

words! {
    /// Which model answered, and how.
    Subject {
        /// The pristine base, without the passage.
        Base = "base",
        /// The pristine base, with the passage in sight.
        InContext = "in_context",
        /// The live adapter before the document was learned.
        Before = "before",
        /// The candidate that the gate judged.
        Candidate = "candidate",
        /// An accepted generation, asked by replay.
        Replay = "replay",
    }
}

/// What came of asking one probe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// What was asked.
    pub probe: ProbeId,
    /// Who answered.
    pub subject: Subject,
    /// The generation that answered or, for a candidate, the one it continues.
    pub generation: GenerationId,
    /// The answer, greedy.
    pub answer: String,
    /// Whether it counts as right.
    pub right: bool,
    /// Share of the accepted answer's words that it holds, 0 to 1 (the best over the accepted answers, likewise below).
    pub recall: f64,
    /// F1 of the words, 0 to 1.
    pub f1: f64,
    /// Equal after normalisation.
    pub exact: bool,
    /// Sum of ln p over the tokens of the first accepted answer (for nano, of the end of the turn, too).
    pub log_prob: f64,
    /// How far the first accepted answer is preferred to wrong ones of its sort, nats; none where it was not compared.
    pub margin: Option<f64>,
}
