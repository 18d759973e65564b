//! Dropout on the adapters' input, as PEFT's `lora_dropout`: `x m / (1 - p)`, where each element of m is
//! 1 with probability 1 - p.
//!
//! The mask is a function of (seed, step, block, projection, row of the batch, feature), so that the backward pass and a
//! resumed run make the same one again and nothing needs to be kept.

use candle_core::Tensor;

use crate::lora::Projection;
use seald_core::error::Result;

/// The dropout of one adapter in one block at one step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dropout {
    /// Probability of dropping an element, [0, 1).
    pub probability: f32,
    /// Identifies (seed, step, micro-batch, block).
    pub key: u64,
}

/// SplitMix64's finaliser (Steele et al. 2014): a bijection whose output bits look independent.
pub(crate) fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

impl Dropout {
    /// `x` (rows, k), which begins at row `first_row` of the batch, with elements dropped and the rest scaled
    /// up. The row counts so that two ranges of one adapter in a batch do not share a mask.
    pub(super) fn apply(&self, x: &Tensor, projection: Projection, first_row: usize) -> Result<Tensor> {
        let key = mix(self.key ^ (projection as u64 + 1));
        let keep = 1.0 / (1.0 - self.probability);
        let threshold = (f64::from(self.probability) * 2f64.powi(32)) as u64;
        let first = (first_row * x.dim(1)?) as u64;
        let mask: Vec<f32> = (first..first + x.elem_count() as u64)
            .map(|i| if mix(key ^ i) >> 32 < threshold { 0.0 } else { keep })
            .collect();
        Ok((x * Tensor::from_vec(mask, x.shape(), x.device())?)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn drops_the_wanted_share_keeps_the_mean_and_repeats() {
        let x = Tensor::ones((100, 200), candle_core::DType::F32, &Device::Cpu).unwrap();
        let dropout = Dropout { probability: 0.3, key: 7 };
        let apply = |p| dropout.apply(&x, p, 0).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let q = apply(Projection::Q);
        let dropped = q.iter().filter(|&&v| v == 0.0).count() as f64 / q.len() as f64;
        assert!((dropped - 0.3).abs() < 0.02, "{dropped}");
        assert!((q.iter().sum::<f32>() / q.len() as f32 - 1.0).abs() < 0.03);
        assert_eq!(q, apply(Projection::Q));
        assert_ne!(q, apply(Projection::K));
    }
}
