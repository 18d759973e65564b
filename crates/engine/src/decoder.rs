//! The decoder: embedding, blocks, final norm and output head of the Llama family, forward.
//!
//! Every activation is f32 and two-dimensional, (tokens, features), over a packed [`Batch`].

use std::sync::atomic::{AtomicU64, Ordering};

use candle_core::Tensor;

use super::batch::Batch;
use super::block::{Block, BlockTrace, Geometry};
use super::cache::KvCache;
use super::kernels::adapted::LoraRows;
use super::kernels::dropout::{Dropout, mix};
use super::kernels::linear::FrozenLinear;
use super::kernels::norm::{self, Heads};
use super::kernels::rope::{self, Angles};
use super::kernels::{Compute, rows};
use super::lora::Adapter;
use super::model_config::{ModelConfig, module_name};
use seald_core::error::{Error, Kind, Result};

/// Multiplications and additions of a pass, see [`Decoder::tokens_a_pass`].
const PASS_OPERATIONS: u64 = 120_000_000_000;
/// Fewest tokens of such a pass, for which the weights are worth their reading, and most, beyond which it gains nothing.
const PASS_TOKENS: (usize, usize) = (64, 2048);

/// A decoder in memory.
#[derive(Debug)]
pub struct Decoder {
    config: ModelConfig,
    compute: Compute,
    frequencies: Vec<f32>,
    /// `None` when the head's weight is also the embedding.
    embedding: Option<FrozenLinear>,
    blocks: Vec<Block>,
    final_norm: Tensor,
    head: FrozenLinear,
    passes: AtomicU64,
}

/// The parts a decoder is made of.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) embedding: Option<FrozenLinear>,
    pub(super) blocks: Vec<Block>,
    pub(super) final_norm: Tensor,
    pub(super) head: FrozenLinear,
}

/// An adapter as a forward pass uses it.
#[derive(Debug, Clone, Copy)]
pub struct ActiveAdapter<'a> {
    /// The matrices.
    pub adapter: &'a Adapter,
    /// Training only: a key that is different at each step and micro-batch, from which dropout's masks come.
    pub dropout_key: Option<u64>,
}

impl<'a> ActiveAdapter<'a> {
    /// For scoring and generation: no dropout.
    pub fn inference(adapter: &'a Adapter) -> Self {
        Self { adapter, dropout_key: None }
    }

    fn dropout(&self, block: usize) -> Option<Dropout> {
        let probability = self.adapter.config.dropout;
        let key = self.dropout_key.filter(|_| probability > 0.0)?;
        Some(Dropout { probability, key: mix(key ^ mix(block as u64)) })
    }
}

/// What a training pass keeps for its backward pass.
#[derive(Debug)]
pub struct Trace {
    pub(super) blocks: Vec<BlockTrace>,
    pub(super) angles: Angles,
}

impl Decoder {
    pub(super) fn new(config: ModelConfig, compute: Compute, parts: Parts) -> Self {
        let frequencies = rope::frequencies(&config);
        let Parts { embedding, blocks, final_norm, head } = parts;
        Self { config, compute, frequencies, embedding, blocks, final_norm, head, passes: AtomicU64::new(0) }
    }

    /// The model's shape.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// Passes begun so far, of any kind: a sign of life.
    pub fn passes(&self) -> u64 {
        self.passes.load(Ordering::Relaxed)
    }

    /// Tokens to read in one pass, so that it takes some two seconds on two cores with AVX2 (which do 60 GF/s; within bounds): between two passes
    /// progress is told, and whoever wants an end is heard. It follows from the model alone, so results do not depend on the machine's speed.
    pub fn tokens_a_pass(&self) -> usize {
        let operations = 2 * self.config.parameter_count().max(1);
        ((PASS_OPERATIONS / operations) as usize).clamp(PASS_TOKENS.0, PASS_TOKENS.1)
    }

    /// Where and how it computes.
    pub fn compute(&self) -> &Compute {
        &self.compute
    }

    /// The output head, (vocabulary, hidden).
    pub fn head(&self) -> &FrozenLinear {
        &self.head
    }

    /// Bytes that the first training pass will take for transposed copies of the weights.
    pub(super) fn backward_weight_bytes(&self) -> usize {
        let blocks = self.blocks.iter().flat_map(|b| [&b.qkv, &b.o, &b.gate_up, &b.down]);
        blocks.chain([&self.head]).map(FrozenLinear::missing_backward_bytes).sum()
    }

    pub(super) fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// An empty cache for this model.
    pub fn new_cache(&self) -> KvCache {
        KvCache::new(&self.compute, self.heads(), self.config.num_hidden_layers)
    }

    /// The states of a batch before the final norm, (t, hidden). With a cache, segment i continues
    /// slot `slots[i]`, which must hold as many tokens as the segment says it has behind it.
    ///
    /// # Errors
    /// [`Kind::Invalid`] for a token id outside the vocabulary, a sequence longer than the model's
    /// limit, an adapter number without an adapter, or a cache that does not fit.
    pub fn forward(
        &self,
        batch: &Batch,
        adapters: &[ActiveAdapter<'_>],
        cache: Option<(&mut KvCache, &[usize])>,
    ) -> Result<Tensor> {
        self.check(batch, adapters, cache.as_ref().map(|(c, s)| (&**c, *s)))?;
        self.compute.run(|| {
            let angles = Angles::new(&self.compute, &self.frequencies, &batch.positions())?;
            let mut x = self.embed(&batch.tokens)?;
            match cache {
                None => {
                    for (i, block) in self.blocks.iter().enumerate() {
                        let lora = lora_rows(batch, adapters, i);
                        x = block.forward(&self.geometry(&angles, batch), x, &lora)?.0;
                    }
                }
                Some((cache, slots)) => {
                    for (i, block) in self.blocks.iter().enumerate() {
                        let lora = lora_rows(batch, adapters, i);
                        let geometry = self.geometry(&angles, batch);
                        x = block.forward_cached(&geometry, x, &lora, cache, (i, slots))?;
                    }
                    for (segment, &slot) in batch.segments.iter().zip(slots) {
                        cache.advance(slot, segment.len);
                    }
                }
            }
            Ok(x)
        })
    }

    /// [`Self::forward`] without a cache, keeping what the backward pass needs.
    ///
    /// # Errors
    /// As [`Self::forward`].
    pub fn forward_train(&self, batch: &Batch, adapters: &[ActiveAdapter<'_>]) -> Result<(Tensor, Trace)> {
        self.check(batch, adapters, None)?;
        self.compute.run(|| {
            let angles = Angles::new(&self.compute, &self.frequencies, &batch.positions())?;
            let mut x = self.embed(&batch.tokens)?;
            let mut blocks = Vec::with_capacity(self.blocks.len());
            for (i, block) in self.blocks.iter().enumerate() {
                let lora = lora_rows(batch, adapters, i);
                let (y, trace) = block.forward(&self.geometry(&angles, batch), x, &lora)?;
                x = y;
                blocks.push(trace);
            }
            Ok((x, Trace { blocks, angles }))
        })
    }

    /// Rows `rows` of `states` (t, hidden), normalised: what the head reads.
    ///
    /// # Errors
    /// When a row is out of range.
    pub fn head_input(&self, states: &Tensor, wanted: &[u32]) -> Result<Tensor> {
        let picked = rows::gather(&self.compute, states, wanted)?;
        norm::forward(&self.compute, &picked, &self.final_norm, self.config.rms_norm_eps)
    }

    /// The gradient of `states` (t, hidden) for the gradient of [`Self::head_input`]'s result.
    pub(super) fn head_input_backward(&self, states: &Tensor, wanted: &[u32], d: &Tensor) -> Result<Tensor> {
        let picked = rows::gather(&self.compute, states, wanted)?;
        let zero = picked.zeros_like()?;
        let dx = norm::backward(&self.compute, &picked, &self.final_norm, self.config.rms_norm_eps, d, zero)?;
        rows::scatter(&self.compute, &dx, wanted, states.dim(0)?)
    }

    /// The logits after every token of a batch, (t, vocabulary) f32. For tests and small inputs.
    ///
    /// # Errors
    /// As [`Self::forward`].
    pub fn all_logits(&self, batch: &Batch, adapters: &[ActiveAdapter<'_>]) -> Result<Tensor> {
        let states = self.forward(batch, adapters, None)?;
        let all: Vec<u32> = (0..batch.len() as u32).collect();
        self.compute.run(|| super::loss::logits(&self.compute, &self.head, &self.head_input(&states, &all)?))
    }

    pub(super) fn geometry<'a>(&'a self, angles: &'a Angles, batch: &'a Batch) -> Geometry<'a> {
        Geometry {
            compute: &self.compute,
            heads: self.heads(),
            eps: self.config.rms_norm_eps,
            angles,
            segments: &batch.segments,
        }
    }

    fn heads(&self) -> Heads {
        Heads {
            queries: self.config.num_attention_heads,
            keys: self.config.num_key_value_heads,
            width: self.config.head_dim,
        }
    }

    fn embed(&self, tokens: &[u32]) -> Result<Tensor> {
        self.embedding.as_ref().unwrap_or(&self.head).lookup(&self.compute, tokens)
    }

    fn check(
        &self,
        batch: &Batch,
        adapters: &[ActiveAdapter<'_>],
        cache: Option<(&KvCache, &[usize])>,
    ) -> Result<()> {
        self.passes.fetch_add(1, Ordering::Relaxed);
        let invalid = |text: String| Err(Error::new(Kind::Invalid, text));
        if batch.is_empty() {
            return invalid("the batch has no tokens".into());
        }
        let (vocabulary, limit) = (self.config.vocab_size, self.config.max_position_embeddings);
        if let Some(token) = batch.tokens.iter().find(|&&t| t as usize >= vocabulary) {
            return invalid(format!("token id {token} is outside the model's vocabulary of {vocabulary}"));
        }
        let mut covered = 0;
        for (i, s) in batch.segments.iter().enumerate() {
            // The kernels write each segment's rows without looking at the others'.
            if s.start != covered || s.len == 0 {
                return invalid(format!("sequence {i} does not begin where the one before it ends"));
            }
            covered += s.len;
            if s.past + s.len > limit {
                let n = s.past + s.len;
                return invalid(format!("sequence {i} has {n} tokens; the model's limit is {limit}"));
            }
            if s.adapter.is_some_and(|a| a >= adapters.len()) {
                return invalid(format!("sequence {i} names an adapter that was not given"));
            }
            if cache.is_none() && s.past != 0 {
                return invalid(format!("sequence {i} has {} tokens behind it, but no cache", s.past));
            }
        }
        if covered != batch.len() {
            return invalid(format!("the sequences cover {covered} tokens, the batch has {}", batch.len()));
        }
        if let Some((cache, slots)) = cache {
            cache.check(&self.new_cache(), &batch.segments, slots)?;
        }
        adapters.iter().enumerate().try_for_each(|(i, a)| self.check_adapter(i, a.adapter))
    }

    fn check_adapter(&self, number: usize, adapter: &Adapter) -> Result<()> {
        let invalid = |text: String| Err(Error::new(Kind::Invalid, text));
        if adapter.layers.len() != self.blocks.len() {
            let (layers, blocks) = (adapter.layers.len(), self.blocks.len());
            return invalid(format!("adapter {number} has {layers} layers, the model {blocks}"));
        }
        for (layer, projection, matrices) in adapter.matrices() {
            let (outputs, inputs) = self.config.projection_shape(projection);
            let rank = matrices.a.dims().first().copied().unwrap_or(0);
            if rank == 0 || matrices.a.dims() != [rank, inputs] || matrices.b.dims() != [outputs, rank] {
                let (name, a, b) = (module_name(layer, projection), matrices.a.dims(), matrices.b.dims());
                return invalid(format!(
                    "adapter {number} was made for another model: its {name} is A {a:?}, B {b:?}, \
                     the model's has {inputs} inputs and {outputs} outputs"
                ));
            }
        }
        Ok(())
    }
}

/// The adapters' matrices for one block, with the rows that use them.
pub(super) fn lora_rows<'a>(
    batch: &Batch,
    adapters: &[ActiveAdapter<'a>],
    block: usize,
) -> Vec<LoraRows<'a>> {
    let of = |(index, rows): (usize, std::ops::Range<usize>)| {
        let active = adapters[index];
        LoraRows { rows, matrices: &active.adapter.layers[block], dropout: active.dropout(block) }
    };
    batch.adapter_ranges().into_iter().map(of).collect()
}
