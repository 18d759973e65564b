//! AdamW (Loshchilov & Hutter 2019) over the matrices of one adapter, with f32 moments, and gradient clipping.

use candle_core::Tensor;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::backward::Gradients;
use super::kernels::Compute;
use super::kernels::adam::{self, Coefficients};
use super::kernels::adapted::PairGradient;
use super::lora::Adapter;
use seald_core::error::{Error, Kind, Result};

/// AdamW's constants, named and defaulted as in PyTorch but for the weight decay.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AdamOptions {
    /// Decay rates of the two moments, each in [0, 1).
    pub betas: (f64, f64),
    /// Added to the root of the second moment, above 0.
    pub eps: f64,
    /// Decoupled weight decay, a fraction of the weight for each unit of learning rate, 0 or more.
    pub weight_decay: f64,
    /// Gradients of a larger norm are scaled down to it; `None` leaves them alone.
    pub max_grad_norm: Option<f64>,
}

impl Default for AdamOptions {
    fn default() -> Self {
        Self { betas: (0.9, 0.999), eps: 1e-8, weight_decay: 0.0, max_grad_norm: Some(1.0) }
    }
}

/// First and second moments of one matrix, shaped as it.
#[derive(Debug, Clone)]
pub(super) struct Moments {
    pub(super) first: Tensor,
    pub(super) second: Tensor,
}

/// The optimiser's state for one adapter.
#[derive(Debug)]
pub struct AdamW {
    options: AdamOptions,
    /// Steps taken.
    pub(super) step: usize,
    /// For each matrix in the order of [`Adapter::matrices`]: A's moments, then B's.
    pub(super) moments: Vec<Moments>,
}

impl AdamW {
    /// A fresh state for `adapter`.
    ///
    /// # Errors
    /// When tensors cannot be made.
    pub fn new(adapter: &Adapter, options: AdamOptions) -> Result<Self> {
        let zero = |t: &Tensor| -> Result<Moments> {
            let new = || Tensor::zeros(t.shape(), t.dtype(), t.device());
            Ok(Moments { first: new()?, second: new()? })
        };
        let mut moments = Vec::new();
        for (_, _, m) in adapter.matrices() {
            moments.push(zero(&m.a)?);
            moments.push(zero(&m.b)?);
        }
        Ok(Self { options, step: 0, moments })
    }

    /// Clips `gradients` and takes one step; returns their norm before clipping. The adapter gets new
    /// tensors, so copies of it made before keep their values. Nothing changes on an error.
    ///
    /// # Errors
    /// [`Kind::Diverged`] when the norm is not finite.
    pub fn step(
        &mut self,
        compute: &Compute,
        adapter: &mut Adapter,
        gradients: &Gradients,
        learning_rate: f64,
    ) -> Result<f64> {
        let norm = gradients.norm(compute)?;
        if !norm.is_finite() {
            return Err(Error::new(Kind::Diverged, format!("the gradient's norm is {norm}")));
        }
        self.step += 1;
        let clip = match self.options.max_grad_norm {
            Some(limit) => (limit / (norm + 1e-6)).min(1.0),
            None => 1.0,
        };
        let coefficients = Coefficients::new(&self.options, self.step, learning_rate, clip);
        let gradients: Vec<Option<&PairGradient>> = adapter
            .layers
            .iter()
            .zip(&gradients.layers)
            .flat_map(|(own, gradient)| {
                own.iter().zip(gradient).filter(|(own, _)| own.is_some()).map(|(_, g)| g.as_ref())
            })
            .collect();
        let mut matrices: Vec<&mut Tensor> = Vec::with_capacity(self.moments.len());
        for pair in adapter.layers.iter_mut().flatten().flatten() {
            matrices.push(&mut pair.a);
            matrices.push(&mut pair.b);
        }
        let work = matrices.into_par_iter().zip(self.moments.par_iter_mut()).enumerate();
        compute.run(|| {
            work.try_for_each(|(i, (weight, moments))| {
                let gradient = gradients[i / 2].map(|pair| if i % 2 == 0 { &pair.a } else { &pair.b });
                *weight = adam::update(compute, weight, gradient, moments, &coefficients)?;
                Ok::<(), Error>(())
            })
        })?;
        Ok(norm)
    }
}
