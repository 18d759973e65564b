//! Rows that hold a model where it was (*anchors*), and the factor of their weight, which follows how far it has moved.
//!
//! Their loss is a KL divergence from where the model was. Up to the target it counts as the weights say; beyond it as its square over the target does, whose
//! gradient is `mean / target` times that of the loss: a quadratic penalty, as for a constraint that a step may overshoot (Nocedal and Wright, *Numerical
//! Optimization*, 17.1).

use serde::{Deserialize, Serialize};

/// What the anchors said so far: a mean that moves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct AnchorLosses {
    /// Moving sums of their losses, nats, and of their target tokens.
    loss: f64,
    targets: f64,
}

impl AnchorLosses {
    /// Takes in a step: the loss of its anchors, nats, over so many target tokens; they are this `share` of all anchors. The mean reaches back over about as
    /// many as there are, for a step has one or a few, and they differ.
    pub(super) fn take_in(&mut self, loss: f64, targets: f64, share: f64) {
        let kept = 1.0 - share.min(1.0);
        (self.loss, self.targets) = (kept * self.loss + loss, kept * self.targets + targets);
    }

    /// Their moving mean over tokens, as the drift from a model is told, nats a token; 0 before the first.
    pub(super) fn mean(&self) -> f64 {
        if self.targets > 0.0 { self.loss / self.targets } else { 0.0 }
    }

    /// Factor of every anchor's weight: 1 up to the target, or without one.
    pub(super) fn factor(&self, target: Option<f64>) -> f64 {
        target.map_or(1.0, |target| (self.mean() / target).max(1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_is_that_of_what_was_seen() {
        let mut anchors = AnchorLosses::default();
        assert_eq!(anchors.mean(), 0.0);
        anchors.take_in(4.0, 10.0, 0.1);
        assert!((anchors.mean() - 0.4).abs() < 1e-12, "no bias towards the beginning's 0");
        anchors.take_in(6.0, 30.0, 0.1);
        // Weights .9 and 1, as an exponential mean has them, for each token.
        assert!((anchors.mean() - (0.9 * 4.0 + 6.0) / (0.9 * 10.0 + 30.0)).abs() < 1e-12);
        anchors.take_in(3.0, 10.0, 1.0);
        assert!((anchors.mean() - 0.3).abs() < 1e-12, "a step of all anchors is the mean of all");
    }

    #[test]
    fn beyond_the_target_the_factor_is_how_many_times_as_far_it_is() {
        let mut anchors = AnchorLosses::default();
        assert_eq!((anchors.factor(None), anchors.factor(Some(0.1))), (1.0, 1.0));
        anchors.take_in(0.9, 10.0, 0.5);
        assert_eq!(anchors.factor(Some(0.1)), 1.0);
        anchors.take_in(0.4, 1.0, 1.0);
        assert!((anchors.factor(Some(0.1)) - 4.0).abs() < 1e-12 && anchors.factor(None) == 1.0);
        anchors.take_in(0.0, 1.0, 1.0);
        assert_eq!(anchors.factor(Some(0.1)), 1.0);
    }
}
