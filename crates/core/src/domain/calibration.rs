//! A calibration: what was measured of a base model before it learned its first document, and the settings that follow from it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::clock::Timestamp;

/// What was measured of a base model, once, with the prompts that it gets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Calibration {
    /// Peak learning rate that documents are trained with, above 0.
    pub learning_rate: f64,
    /// Drift from the base that the gate allows, nats a token, above 0.
    pub drift_budget: f64,
    /// The learning rates that were tried, the lowest first. Those whose training diverged are left out.
    pub rates: Vec<RateTried>,
    /// What each of them did to answers about other texts.
    pub drifts: Vec<DriftSeen>,
    /// How fast the model works on this machine.
    pub speeds: Speeds,
    /// Seconds that it took.
    pub seconds: f64,
    /// When it was made.
    pub made_at: Timestamp,
}

/// A learning rate that was tried on an invented text.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RateTried {
    /// Peak learning rate.
    pub rate: f64,
    /// What the questions about the text gained beyond those about a text that was not taught, nats a question.
    pub gain: f64,
    /// Standard error of the gain, nats.
    pub standard_error: f64,
    /// Drift from the base at the end of the training, nats a token.
    pub drift: f64,
    /// Tokens trained on, counting repetitions.
    pub tokens: u64,
}

/// What an adapter did to the answers that the base gives with a text in sight.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DriftSeen {
    /// Drift of the adapter from the base, nats a token. It is an estimate: near 0 it may be below 0.
    pub drift: f64,
    /// Questions that the base answers right.
    pub asked: usize,
    /// By how many fewer the adapter does; below 0 where it answers more of them right.
    pub lost: i64,
}

/// How fast a model works, tokens a second; none where too little was done to tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Speeds {
    /// Tokens of given texts whose probability is computed.
    pub read: Option<f64>,
    /// Tokens of answers, several answers side by side.
    pub written: Option<f64>,
    /// Tokens trained on.
    pub trained: Option<f64>,
}
