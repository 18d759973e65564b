//! The learning rate over a run: warm-up, then constant, linear or cosine, as transformers' schedulers.

use serde::{Deserialize, Serialize};

/// How the learning rate goes after the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// Stays at its peak.
    Constant,
    /// Falls in a straight line to zero at the last step.
    Linear,
    /// Falls along half a cosine to zero at the last step.
    Cosine,
}

impl Schedule {
    /// The factor of the peak learning rate at step `step` (from 0) of `total`, with `warmup` steps of
    /// rising from zero.
    pub fn factor(self, step: usize, warmup: usize, total: usize) -> f64 {
        if step < warmup {
            return step as f64 / warmup as f64;
        }
        let progress = (step - warmup) as f64 / total.saturating_sub(warmup).max(1) as f64;
        match self {
            Schedule::Constant => 1.0,
            Schedule::Linear => (1.0 - progress).max(0.0),
            Schedule::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * progress.min(1.0)).cos()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rises_then_falls() {
        let linear: Vec<f64> = (0..6).map(|s| Schedule::Linear.factor(s, 2, 6)).collect();
        assert_eq!(linear, [0.0, 0.5, 1.0, 0.75, 0.5, 0.25]);
        assert_eq!(Schedule::Constant.factor(5, 0, 6), 1.0);
        assert!((Schedule::Cosine.factor(3, 0, 6) - 0.5).abs() < 1e-12);
        assert_eq!(Schedule::Linear.factor(0, 0, 1), 1.0);
    }
}
