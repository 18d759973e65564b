//! One AdamW update of one matrix.

use candle_core::Tensor;

use super::simd::simd_fn;
use super::{Compute, Slice, uninit, update_in_place};
use crate::optimizer::{AdamOptions, Moments};
use seald_core::error::Result;

/// The numbers of one step that all elements share.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Coefficients {
    /// Factor of every gradient element, from clipping.
    clip: f32,
    beta1: f32,
    beta2: f32,
    /// Learning rate over the first moment's bias correction.
    rate: f32,
    /// One over the root of the second moment's bias correction.
    second_scale: f32,
    eps: f32,
    /// What weight decay leaves of a weight.
    keep: f32,
}

impl Coefficients {
    /// For step `step` (from 1).
    pub(crate) fn new(options: &AdamOptions, step: usize, learning_rate: f64, clip: f64) -> Self {
        let (beta1, beta2) = options.betas;
        let correction = |beta: f64| 1.0 - beta.powi(step as i32);
        Self {
            clip: clip as f32,
            beta1: beta1 as f32,
            beta2: beta2 as f32,
            rate: (learning_rate / correction(beta1)) as f32,
            second_scale: (1.0 / correction(beta2).sqrt()) as f32,
            eps: options.eps as f32,
            keep: (1.0 - learning_rate * options.weight_decay) as f32,
        }
    }
}

simd_fn! {
    fn update_slices(w: &[f32], g: &[f32], m: &mut [f32], v: &mut [f32], out: &mut [f32], c: &Coefficients) {
        for i in 0..out.len() {
            let g = g[i] * c.clip;
            m[i] = c.beta1 * m[i] + (1.0 - c.beta1) * g;
            v[i] = c.beta2 * v[i] + (1.0 - c.beta2) * g * g;
            out[i] = w[i] * c.keep - c.rate * m[i] / (v[i].sqrt() * c.second_scale + c.eps);
        }
    }
}

/// The new value of `weight`; updates its moments. A missing gradient counts as zero.
pub(crate) fn update(
    compute: &Compute,
    weight: &Tensor,
    gradient: Option<&Tensor>,
    moments: &mut Moments,
    c: &Coefficients,
) -> Result<Tensor> {
    let zero;
    let gradient = match gradient {
        Some(g) => g,
        None => {
            zero = weight.zeros_like()?;
            &zero
        }
    };
    if !compute.fused() {
        let g = (gradient * f64::from(c.clip))?;
        let mix =
            |old: &Tensor, new: &Tensor, beta: f32| (old * f64::from(beta))? + (new * f64::from(1.0 - beta))?;
        moments.first = mix(&moments.first, &g, c.beta1)?;
        moments.second = mix(&moments.second, &g.sqr()?, c.beta2)?;
        let root = ((moments.second.sqrt()? * f64::from(c.second_scale))? + f64::from(c.eps))?;
        let change = (&moments.first * f64::from(c.rate))?.div(&root)?;
        return Ok(((weight * f64::from(c.keep))? - change)?);
    }
    let (w, g) = (Slice::of(weight)?, Slice::of(gradient)?);
    let mut out = uninit(w.len());
    update_in_place(&moments.first, |m| {
        update_in_place(&moments.second, |v| update_slices(compute.isa(), &w, &g, m, v, &mut out, c))
    })??;
    Ok(Tensor::from_vec(out, weight.shape(), weight.device())?)
}
