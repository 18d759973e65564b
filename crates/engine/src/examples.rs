//! What training reads: rows of token ids with the tokens that carry loss, and how rows are grouped into
//! optimiser steps.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64Mcg;
use serde::{Deserialize, Serialize};

use super::kernels::dropout::mix;
use super::kernels::softmax::MAX_SOFT_LABELS;
use super::loss::SoftTargets;
use seald_core::error::{Error, Kind, Result};

/// One training sequence.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TrainRow {
    /// Token ids.
    pub tokens: Vec<u32>,
    /// Which tokens carry loss, each predicted from those before it; as long as `tokens`. The first
    /// never counts: nothing predicts it.
    pub targets: Vec<bool>,
    /// Factor of this row's losses.
    pub weight: f32,
    /// A teacher's distributions for the targets, in their order, in place of the tokens themselves.
    pub soft: Option<SoftTargets>,
    /// Whether it holds the model where it was: what it says is told apart, and its weight may follow that ([`TrainOptions::anchor_target`]).
    ///
    /// [`TrainOptions::anchor_target`]: super::train::TrainOptions::anchor_target
    pub anchor: bool,
}

impl TrainRow {
    /// A row that is learned whole.
    pub fn whole(tokens: Vec<u32>) -> Self {
        let targets = vec![true; tokens.len()];
        Self { tokens, targets, weight: 1.0, ..Self::default() }
    }

    /// A row of which only the completion is learned.
    pub fn completion(mut prompt: Vec<u32>, completion: &[u32]) -> Self {
        let mut targets = vec![false; prompt.len()];
        prompt.extend_from_slice(completion);
        targets.resize(prompt.len(), true);
        Self { tokens: prompt, targets, weight: 1.0, ..Self::default() }
    }

    /// Positions of the tokens that carry loss.
    pub fn target_positions(&self) -> impl Iterator<Item = usize> + '_ {
        (1..self.tokens.len()).filter(|&t| self.targets[t])
    }

    /// Number of tokens that carry loss.
    pub fn target_count(&self) -> usize {
        self.target_positions().count()
    }

    /// Checks that training can use the row, of at most `max_tokens` tokens.
    ///
    /// # Errors
    /// [`Kind::Invalid`]; the text continues "row 3 ...".
    pub fn check(&self, max_tokens: usize) -> Result<()> {
        let invalid = |text: String| Err(Error::new(Kind::Invalid, text));
        let n = self.tokens.len();
        if self.targets.len() != n {
            return invalid(format!("has {n} tokens but a loss mask of {}", self.targets.len()));
        }
        if n > max_tokens {
            return invalid(format!("has {n} tokens, the limit is {max_tokens}: split it"));
        }
        // Only now: a mask that is too short has nothing to say about the last tokens.
        let count = self.target_count();
        if count == 0 {
            return invalid("has no token to learn: every token is masked or the row is too short".into());
        }
        if !self.weight.is_finite() || self.weight < 0.0 {
            return invalid(format!("has weight {}, which is not a number of 0 or more", self.weight));
        }
        let Some(soft) = &self.soft else { return Ok(()) };
        if soft.k == 0 || soft.k > MAX_SOFT_LABELS {
            return invalid(format!("has soft labels of {} tokens; 1 to {MAX_SOFT_LABELS} work", soft.k));
        }
        if soft.len() != count || soft.log_probs.len() != soft.ids.len() {
            return invalid(format!("has {count} targets but soft labels for {}", soft.len()));
        }
        Ok(())
    }
}

/// Checks rows before training.
///
/// # Errors
/// [`Kind::Invalid`], naming the first bad row (from 0), or for no rows at all.
pub fn check_rows(rows: &[TrainRow], max_tokens: usize) -> Result<()> {
    if rows.is_empty() {
        return Err(Error::new(Kind::Invalid, "there is nothing to train on: the data set has no rows"));
    }
    for (i, row) in rows.iter().enumerate() {
        row.check(max_tokens).map_err(|e| Error::new(e.kind(), format!("row {i} {e}")))?;
    }
    Ok(())
}

/// How many rows one optimiser step sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchSize {
    /// At most so many tokens, but at least one row.
    pub tokens: usize,
    /// At most so many rows.
    pub rows: Option<usize>,
}

/// How long to train.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Length {
    /// So many times over all rows.
    Epochs(usize),
    /// So many optimiser steps.
    Steps(usize),
}

/// The rows of every optimiser step, in order, fixed before the first: shuffled anew each epoch from the
/// seed, so that a resumed run sees what the undisturbed one would have.
pub fn plan_steps(rows: &[TrainRow], batch: BatchSize, length: Length, seed: u64) -> Vec<Vec<usize>> {
    let mut steps: Vec<Vec<usize>> = Vec::new();
    let (epochs, limit) = match length {
        Length::Epochs(n) => (n, usize::MAX),
        Length::Steps(n) => (usize::MAX, n),
    };
    let max_rows = batch.rows.unwrap_or(usize::MAX).max(1);
    for epoch in 0..epochs {
        if steps.len() >= limit || rows.is_empty() {
            break;
        }
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.shuffle(&mut Pcg64Mcg::seed_from_u64(mix(seed ^ mix(epoch as u64))));
        let (mut step, mut tokens) = (Vec::new(), 0);
        for i in order {
            let n = rows[i].tokens.len();
            if !step.is_empty() && (tokens + n > batch.tokens || step.len() == max_rows) {
                steps.push(std::mem::take(&mut step));
                tokens = 0;
            }
            step.push(i);
            tokens += n;
        }
        steps.push(step);
    }
    steps.truncate(limit);
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(lengths: &[usize]) -> Vec<TrainRow> {
        lengths.iter().map(|&n| TrainRow::whole(vec![1; n])).collect()
    }

    #[test]
    fn every_epoch_holds_every_row_once_within_the_budget() {
        let rows = rows(&[5, 40, 7, 3, 12, 9, 30]);
        let batch = BatchSize { tokens: 32, rows: Some(3) };
        let steps = plan_steps(&rows, batch, Length::Epochs(3), 1);
        let mut seen = vec![0; rows.len()];
        for step in &steps {
            let tokens: usize = step.iter().map(|&i| rows[i].tokens.len()).sum();
            assert!(step.len() == 1 || (tokens <= 32 && step.len() <= 3), "{step:?}");
            step.iter().for_each(|&i| seen[i] += 1);
        }
        assert_eq!(seen, vec![3; 7]);
        assert_eq!(steps, plan_steps(&rows, batch, Length::Epochs(3), 1));
        assert_ne!(steps, plan_steps(&rows, batch, Length::Epochs(3), 2));
    }

    #[test]
    fn a_number_of_steps_is_kept_to() {
        let batch = BatchSize { tokens: 8, rows: None };
        assert_eq!(plan_steps(&rows(&[5, 5, 5]), batch, Length::Steps(7), 0).len(), 7);
        assert!(plan_steps(&[], batch, Length::Steps(7), 0).is_empty());
    }

    #[test]
    fn bad_rows_are_named() {
        let says = |row: TrainRow, words: &str| {
            let error = check_rows(&[TrainRow::whole(vec![1, 2]), row], 10).unwrap_err();
            assert_eq!(error.kind(), Kind::Invalid);
            assert!(error.to_string().contains("row 1 ") && error.to_string().contains(words), "{error}");
        };
        says(TrainRow::whole(vec![1]), "no token to learn");
        says(TrainRow { targets: vec![true, false], ..TrainRow::whole(vec![1, 2]) }, "no token to learn");
        says(TrainRow::whole(vec![1; 11]), "11 tokens");
        says(TrainRow { weight: f32::NAN, ..TrainRow::whole(vec![1, 2]) }, "weight");
        says(TrainRow { targets: vec![true], ..TrainRow::whole(vec![1, 2]) }, "loss mask");
        let soft = SoftTargets { k: 2, ids: vec![1, 2, 3, 4], log_probs: vec![-1.0; 4] };
        says(TrainRow { soft: Some(soft), ..TrainRow::whole(vec![1, 2]) }, "soft labels");
        assert!(check_rows(&[], 10).is_err());
    }
}
