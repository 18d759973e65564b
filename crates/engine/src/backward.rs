//! The decoder's backward pass: from the loss to the gradient of every LoRA matrix, explicitly, without a
//! tape. Frozen weights get no gradient, and blocks below the lowest adapted one are not visited.

use candle_core::Tensor;
use rayon::prelude::*;

use super::batch::Batch;
use super::decoder::{ActiveAdapter, Decoder, Trace, lora_rows};
use super::kernels::adapted::{PairGradient, add_pair};
use super::kernels::{Compute, Slice, rows};
use super::lora::Adapter;
use super::loss::{Target, check_targets, loss_and_gradient};
use seald_core::error::{Error, Kind, Result};

/// Gradients of one adapter's matrices, laid out as [`Adapter::layers`].
#[derive(Debug, Clone, Default)]
pub struct Gradients {
    /// `layers[block][projection as usize]`; `None` where there is no adapter or no row used it.
    pub layers: Vec<[Option<PairGradient>; 7]>,
}

impl Gradients {
    /// No gradients, for an adapter of `layers` blocks.
    pub fn empty(layers: usize) -> Self {
        Self { layers: vec![[const { None }; 7]; layers] }
    }

    /// Adds another pass's gradients: with losses weighted by one common divisor, the sum over
    /// micro-batches is exactly the gradient of the whole batch.
    ///
    /// # Errors
    /// When the two belong to different adapters.
    pub fn add(&mut self, more: Gradients) -> Result<()> {
        for (own, more) in self.layers.iter_mut().zip(more.layers) {
            for (own, more) in own.iter_mut().zip(more) {
                if let Some(more) = more {
                    add_pair(own, more)?;
                }
            }
        }
        Ok(())
    }

    /// The Euclidean norm over all elements, summed in one order whatever the number of threads.
    ///
    /// # Errors
    /// When a tensor cannot be read.
    pub fn norm(&self, compute: &Compute) -> Result<f64> {
        let tensors: Vec<&Tensor> =
            self.layers.iter().flatten().flatten().flat_map(|pair| [&pair.a, &pair.b]).collect();
        let sums: Vec<f64> =
            compute.run(|| tensors.par_iter().map(|t| sum_of_squares(compute, t)).collect::<Result<_>>())?;
        Ok(sums.iter().sum::<f64>().sqrt())
    }
}

fn sum_of_squares(compute: &Compute, t: &Tensor) -> Result<f64> {
    if !compute.fused() {
        return Ok(f64::from(t.sqr()?.sum_all()?.to_scalar::<f32>()?));
    }
    let values = Slice::of(t)?;
    Ok(values.chunks(4096).map(|c| f64::from(rows::square_sum(compute.isa(), c))).sum())
}

/// What one forward and backward pass over a batch gives.
#[derive(Debug)]
pub struct Pass {
    /// Each target's loss before its weight, nats, in the order of the targets.
    pub losses: Vec<f32>,
    /// One for each adapter that was given.
    pub gradients: Vec<Gradients>,
}

impl Decoder {
    /// Forward, loss and backward over one batch. Targets' rows must be distinct.
    ///
    /// # Errors
    /// [`Kind::Invalid`] without targets, for targets whose row or token is out of range or repeats, or as
    /// [`Decoder::forward`].
    pub fn train_pass(
        &self,
        batch: &Batch,
        adapters: &[ActiveAdapter<'_>],
        targets: &[Target<'_>],
    ) -> Result<Pass> {
        check_targets(targets, batch.len(), self.config().vocab_size)?;
        let (states, trace) = self.forward_train(batch, adapters)?;
        self.compute().run(|| {
            let rows: Vec<u32> = targets.iter().map(|t| t.row).collect();
            let input = self.head_input(&states, &rows)?; // (targets, hidden)
            let loss = loss_and_gradient(self.compute(), self.head(), &input, targets)?;
            drop(input);
            let d_states = self.head_input_backward(&states, &rows, &loss.gradient)?; // (t, hidden)
            let gradients = self.backward(batch, adapters, trace, d_states)?;
            Ok(Pass { losses: loss.losses, gradients })
        })
    }

    fn backward(
        &self,
        batch: &Batch,
        adapters: &[ActiveAdapter<'_>],
        trace: Trace,
        d_states: Tensor,
    ) -> Result<Vec<Gradients>> {
        let Trace { blocks: mut traces, angles } = trace;
        let owners: Vec<usize> = batch.adapter_ranges().into_iter().map(|(adapter, _)| adapter).collect();
        let mut gradients: Vec<Gradients> =
            adapters.iter().map(|a| Gradients::empty(a.adapter.layers.len())).collect();
        let lowest = adapters.iter().filter_map(|a| lowest_adapted(a.adapter)).min();
        let Some(lowest) = lowest else {
            return Err(Error::new(Kind::Invalid, "no adapter has a matrix to train"));
        };
        let mut d = Some(d_states);
        for (i, block) in self.blocks().iter().enumerate().rev() {
            let (Some(dy), Some(trace)) = (d.take(), traces.pop()) else { break };
            let lora = lora_rows(batch, adapters, i);
            let (dx, pairs) = block.backward(&self.geometry(&angles, batch), trace, dy, &lora, i > lowest)?;
            for (range, projection, pair) in pairs {
                add_pair(&mut gradients[owners[range]].layers[i][projection as usize], pair)?;
            }
            d = dx;
        }
        Ok(gradients)
    }
}

/// The first block that has any adapted projection.
fn lowest_adapted(adapter: &Adapter) -> Option<usize> {
    adapter.layers.iter().position(|block| block.iter().any(Option::is_some))
}
