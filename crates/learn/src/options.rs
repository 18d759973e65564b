//! How documents are learned: every option with its unit and range.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::prompt::PromptSet;
use seald_core::error::{Error, Kind, Result};
use seald_engine::lora::{LoraConfig, TargetModules};
use seald_engine::model_config::{Architecture, ModelConfig};

/// Learning rate of models other than nano for adapters of alpha 32 on all linear layers, whatever their rank: `5e-5 · 10 · (2000 / hidden size)^e`, e = .781 for
/// Llama and .0775 for Qwen, fitted over several models by Schulman et al. 2025, "LoRA Without Regret" (Thinking Machines). Theirs is 15 in place of 10 for runs
/// of about a hundred steps; with it Qwen2.5-Coder-0.5B drifted half as far again, and learned less (decision 20).
pub(crate) fn general_rate(config: &ModelConfig) -> f64 {
    let exponent = match config.architecture {
        Architecture::Llama => 0.781,
        Architecture::Qwen2 | Architecture::Qwen3 => 0.0775,
    };
    let rate = 5e-5 * 10.0 * (2000.0 / config.hidden_size as f64).powf(exponent);
    // Two digits: no fit is finer. By way of text, so that it is the number that people write.
    format!("{rate:.1e}").parse().unwrap_or(rate)
}

/// Weight of the KL term for models other than nano: an instruct model has more to lose. With 4 in place of 1 (and a lower rate, and twice the presentations) everyday answers of
/// Qwen2.5-Coder-0.5B grew 19 % shorter in place of 39 %, 3 of 50 odd in place of 10.
const GENERAL_KL_WEIGHT: f32 = 4.0;

/// Self-edits of models other than nano: each form once, questions with answers and the rewrite, which taught most in SEAL's own runs, twice.
pub const GENERAL_CANDIDATES: usize = 8;

/// Options of the method.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LearnOptions {
    /// Self-edits written for each document, 1 to 32; 0: as many as suit the model.
    pub candidates: usize,
    /// Times that the model is asked for probes of each passage, 1 to 16: more give more wordings of each fact.
    pub exams: usize,
    /// Passages of a document, at most, 1 to 10,000: a longer one is not taken in. Time grows with the passages, some ten seconds each for
    /// nano, while `final_steps` stays: of much more than this, little would be learned.
    pub max_passages: usize,
    /// Rank of the adapters, 1 to 256.
    pub rank: usize,
    /// Alpha of the adapters, above 0; the update is scaled by alpha / rank.
    pub alpha: f64,
    /// Learning rates that a directive may choose, above 0. Empty: those that fit the model, as its calibration found.
    pub learning_rates: Vec<f64>,
    /// Whether a model is calibrated before it learns its first document, once, which takes about as long as a document: the learning rate, where it is left
    /// open, and how fast the machine is. Without it the rate follows from the model's width. nano is never calibrated: its settings are part of the program.
    pub calibrate: bool,
    /// Epochs that a directive may choose, 1 or more.
    pub epochs: Vec<usize>,
    /// Rows of self-edits in one optimiser step, 1 to 1,024.
    pub rows_in_step: usize,
    /// Rows of earlier self-edits in one optimiser step, 0 to 1,024.
    pub rehearsal_rows: usize,
    /// Base samples in one optimiser step, trained with KL to the base, 0 to 1,024; 0 turns them off. On models other than nano this is the least: a short training sees more in
    /// each step, so that every sample has its turn twice on average.
    pub base_rows: usize,
    /// Weight of the KL term against the loss on the self-edits, above 0; 0: as suits the model.
    pub kl_weight: f32,
    /// Base samples that are drawn once for each base model, 8 to 65,536.
    pub base_samples: usize,
    /// Optimiser steps after which trials are ranked, rung by rung, rising, each 1 or more: at every one but the last, the weaker half ends. Empty: as
    /// suits the model. Only nano's are ranked: on other models so short a training tells the rate and the style, not what is learned.
    pub rung_steps: Vec<usize>,
    /// Rows of its self-edit in one step of a trial, 1 to 1,024. Trials rehearse nothing: they are ranked, not published.
    pub trial_rows: usize,
    /// Optimiser steps of the training that the gate judges, at most, 1 to 1,000,000; 0: as suits the model.
    pub final_steps: usize,
    /// Times that this training sees each row where `final_steps` leaves it open, 1 to 1,000: so it grows with the document.
    pub presentations: usize,
    /// Learning rate of that training as a share of the best trial's, above 0, up to 1: so few steps flatter high rates, and what was learned
    /// earlier suffers from them.
    pub final_rate: f64,
    /// Candidates whose self-edits the union joins, the best first, 2 to 32.
    pub union_of: usize,
    /// Learns answers from the model itself with the passage in sight, in place of the plain text of the answer. Models other than nano always do.
    pub distil: bool,
    /// Probes of the retention bank that the gate and replay ask, at most, 0 to 100,000.
    pub bank_probes: usize,
    /// Everything random follows from it and from the document, 0 or more: another seed is another try.
    pub seed: u64,
}

impl Default for LearnOptions {
    fn default() -> Self {
        Self {
            candidates: 0,
            exams: 4,
            max_passages: 32,
            rank: 16,
            alpha: 32.0,
            learning_rates: Vec::new(),
            calibrate: true,
            epochs: vec![5, 10, 20, 30],
            rows_in_step: 5,
            rehearsal_rows: 24,
            base_rows: 1,
            kl_weight: 0.0,
            base_samples: 256,
            rung_steps: Vec::new(),
            trial_rows: 4,
            final_steps: 0,
            presentations: 10,
            final_rate: 0.7,
            union_of: 16,
            distil: false,
            bank_probes: 64,
            seed: 0,
        }
    }
}

impl LearnOptions {
    /// The options with what is left open filled in for a model of that shape. nano's values were measured with nano (decision 17); the others'
    /// follow from the document (decision 20).
    pub fn for_model(mut self, prompts: PromptSet, config: &ModelConfig) -> Self {
        let nano = prompts == PromptSet::Nano;
        if self.learning_rates.is_empty() {
            self.learning_rates = match (nano, config.hidden_size < 512) {
                (true, true) => vec![3e-4, 1e-3, 3e-3],
                (true, false) => vec![1e-4, 3e-4, 1e-3],
                (false, _) => vec![general_rate(config)],
            };
        }
        if self.candidates == 0 {
            self.candidates = if nano { 16 } else { GENERAL_CANDIDATES };
        }
        if self.kl_weight == 0.0 {
            self.kl_weight = if nano { 1.0 } else { GENERAL_KL_WEIGHT };
        }
        if nano && self.final_steps == 0 {
            self.final_steps = 96;
        }
        if nano && self.rung_steps.is_empty() {
            self.rung_steps = vec![2];
        }
        if !nano {
            // What was learned earlier is seen as often as what is new, and the rate is the calibrated one.
            self.rehearsal_rows = self.rehearsal_rows.min(self.rows_in_step);
            self.final_rate = 1.0;
            // They answer their own questions with the passage in sight: what they say there is the lesson.
            self.distil = true;
            // A sample costs a real model a second or more.
            self.base_samples = self.base_samples.min(64);
        }
        self
    }

    /// The shape of the adapters.
    pub fn lora(&self) -> LoraConfig {
        LoraConfig {
            rank: self.rank,
            alpha: self.alpha,
            target_modules: TargetModules::AllLinear,
            ..LoraConfig::default()
        }
    }

    /// Checks every range.
    ///
    /// # Errors
    /// [`Kind::Invalid`] naming the option.
    pub fn validate(&self) -> Result<()> {
        let invalid = |text: String| Err(Error::new(Kind::Invalid, text));
        let ranges = [
            ("candidates", self.candidates, 0, 32),
            ("exams", self.exams, 1, 16),
            ("max_passages", self.max_passages, 1, 10_000),
            ("rank", self.rank, 1, 256),
            ("rows_in_step", self.rows_in_step, 1, 1024),
            ("rehearsal_rows", self.rehearsal_rows, 0, 1024),
            ("base_rows", self.base_rows, 0, 1024),
            ("base_samples", self.base_samples, 8, 65_536),
            ("trial_rows", self.trial_rows, 1, 1024),
            ("final_steps", self.final_steps, 0, 1_000_000),
            ("presentations", self.presentations, 1, 1_000),
            ("union_of", self.union_of, 2, 32),
            ("bank_probes", self.bank_probes, 0, 100_000),
        ];
        for (name, value, least, most) in ranges {
            if !(least..=most).contains(&value) {
                return invalid(format!("{name} is {value}: give {least} to {most}"));
            }
        }
        if self.learning_rates.iter().any(|rate| !(rate.is_finite() && *rate > 0.0)) {
            return invalid("learning_rates: every one must be above 0".into());
        }
        if self.rung_steps.first().is_some_and(|first| *first == 0)
            || !self.rung_steps.is_sorted_by(|a, b| a < b)
        {
            return invalid("rung_steps: give numbers of 1 or more, each above the one before".into());
        }
        if self.epochs.is_empty() || self.epochs.contains(&0) {
            return invalid("epochs: give at least one number, each 1 or more".into());
        }
        if !(self.alpha.is_finite() && self.alpha > 0.0) {
            return invalid(format!("alpha is {}: give a number above 0", self.alpha));
        }
        if !(self.final_rate > 0.0 && self.final_rate <= 1.0) {
            return invalid(format!("final_rate is {}: give a number above 0, up to 1", self.final_rate));
        }
        if !(self.kl_weight.is_finite() && self.kl_weight >= 0.0) {
            return invalid(format!("kl_weight is {}: give a number of 0 or more", self.kl_weight));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seald_engine::embedded::NANO;

    #[test]
    fn the_rate_falls_with_the_width_as_fitted() {
        let nano = ModelConfig::from_json(NANO.config, "nano").unwrap();
        let rate = |architecture, hidden_size| {
            general_rate(&ModelConfig { architecture, hidden_size, ..nano.clone() })
        };
        let close =
            |found: f64, expected: f64| assert!((found - expected).abs() < 1e-9, "{found} {expected}");
        close(rate(Architecture::Llama, 576), 1.3e-3); // SmolLM2-135M
        close(rate(Architecture::Llama, 2048), 4.9e-4); // Llama-3.2-1B
        close(rate(Architecture::Qwen2, 896), 5.3e-4); // Qwen2.5-0.5B
        close(rate(Architecture::Qwen3, 4096), 4.7e-4); // Qwen3-8B
    }
}
