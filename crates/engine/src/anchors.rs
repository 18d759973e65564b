//! Rows that hold a model where it was (*anchors*), and the factor of their weight, which follows what they say: an adaptive KL coefficient
//! (Ziegler et al. 2019, arXiv 1909.08593, section 2.2, as PPO has it).

use serde::{Deserialize, Serialize};

/// How fast the factor follows, and the most by which one step's error counts: Ziegler et al.'s. In 35 steps it doubles at most.
const GAIN: f64 = 0.1;
const MOST_ERROR: f64 = 0.2;
/// The factor of the anchors' weight, and what it follows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct AnchorWeight {
    /// Factor of every anchor's weight, 1 or more: what a run was given is the least.
    pub(super) factor: f64,
    /// Moving sum of the anchors' losses, nats a token, and of the weights in it.
    sum: f64,
    weight: f64,
}

impl Default for AnchorWeight {
    fn default() -> Self {
        Self { factor: 1.0, sum: 0.0, weight: 0.0 }
    }
}

impl AnchorWeight {
    /// Takes in a step: the mean loss of its anchors, nats a token, which are this `share` of all anchors: the mean reaches back over about as many as
    /// there are, for a step has one or a few, and they differ. Without a target the factor stays.
    pub(super) fn follow(&mut self, loss: f64, share: f64, target: Option<f64>) {
        let kept = 1.0 - share.min(1.0);
        self.sum = kept * self.sum + (1.0 - kept) * loss;
        self.weight = kept * self.weight + (1.0 - kept);
        let Some(target) = target else { return };
        let error = (self.mean() / target - 1.0).clamp(-MOST_ERROR, MOST_ERROR);
        self.factor = (self.factor * (1.0 + GAIN * error)).max(1.0);
    }

    /// Moving mean of the anchors' losses, nats a token; 0 before the first.
    pub(super) fn mean(&self) -> f64 {
        if self.weight > 0.0 { self.sum / self.weight } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_is_that_of_what_was_seen() {
        let mut anchors = AnchorWeight::default();
        assert_eq!(anchors.mean(), 0.0);
        anchors.follow(0.4, 0.1, None);
        assert!((anchors.mean() - 0.4).abs() < 1e-12, "no bias towards the beginning's 0");
        anchors.follow(0.2, 0.1, None);
        // Weights .9 and 1, as an exponential mean has them.
        assert!((anchors.mean() - (0.9 * 0.4 + 0.2) / 1.9).abs() < 1e-12);
        assert_eq!(anchors.factor, 1.0, "without a target");
    }

    #[test]
    fn the_factor_rises_while_the_model_is_further_than_it_may_be_and_falls_back_to_one() {
        let mut anchors = AnchorWeight::default();
        for _ in 0..35 {
            anchors.follow(1.0, 0.1, Some(0.1));
        }
        assert!((anchors.factor - 1.02_f64.powi(35)).abs() < 1e-9, "2 % a step, however far it is");
        let high = anchors.factor;
        // The mean has to fall first.
        for _ in 0..200 {
            anchors.follow(0.0, 0.1, Some(0.1));
        }
        assert!(high > 1.9 && anchors.factor == 1.0, "{high} {}", anchors.factor);
    }

    #[test]
    fn a_step_of_all_anchors_is_the_mean_of_all() {
        let mut anchors = AnchorWeight::default();
        anchors.follow(0.4, 1.0, None);
        anchors.follow(0.2, 1.0, None);
        assert_eq!(anchors.mean(), 0.2);
    }

    #[test]
    fn what_is_within_the_target_changes_nothing() {
        let mut anchors = AnchorWeight::default();
        for _ in 0..50 {
            anchors.follow(0.09, 0.1, Some(0.1));
            assert_eq!(anchors.factor, 1.0);
        }
    }
}
