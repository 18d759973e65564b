//! The KV cache: rotated keys and values of every sequence that is being generated, layer by layer.

use candle_core::Tensor;

use super::batch::Segment;
use super::kernels::norm::Heads;
use super::kernels::{Compute, Slice};
use seald_core::error::{Error, Kind, Result};

/// Keys and values of one sequence in one layer.
#[derive(Debug, Clone)]
enum LayerKv {
    /// Rows of (key heads * width) floats in CPU memory.
    Rows { k: Vec<f32>, v: Vec<f32> },
    /// (key heads, length, width) on the device; `None` while empty.
    Tensors(Option<(Tensor, Tensor)>),
}

/// One sequence.
#[derive(Debug, Clone)]
struct Slot {
    layers: Vec<LayerKv>,
    len: usize,
}

/// The cache of several sequences, each in a slot of its own.
#[derive(Debug)]
pub struct KvCache {
    heads: Heads,
    fused: bool,
    num_layers: usize,
    slots: Vec<Slot>,
    /// Slots that were released and not given out again.
    free: Vec<usize>,
}

impl KvCache {
    pub(super) fn new(compute: &Compute, heads: Heads, num_layers: usize) -> Self {
        Self { heads, fused: compute.fused(), num_layers, slots: Vec::new(), free: Vec::new() }
    }

    /// Adds an empty slot and returns its number.
    pub fn add_slot(&mut self) -> usize {
        let empty =
            if self.fused { LayerKv::Rows { k: Vec::new(), v: Vec::new() } } else { LayerKv::Tensors(None) };
        self.put(Slot { layers: vec![empty; self.num_layers], len: 0 })
    }

    /// Adds a copy of slot `from`, so that several continuations share a prompt that was read once.
    pub fn fork(&mut self, from: usize) -> usize {
        self.put(self.slots[from].clone())
    }

    /// A slot for what goes on after another one's tokens; none: for a sequence that begins.
    pub(super) fn after(&mut self, slot: Option<usize>) -> usize {
        match slot {
            Some(slot) => self.fork(slot),
            None => self.add_slot(),
        }
    }

    /// Empties a slot and gives its memory back; its number may be given out again.
    pub fn release(&mut self, slot: usize) {
        let emptied = &mut self.slots[slot];
        emptied.len = 0;
        for layer in &mut emptied.layers {
            match layer {
                LayerKv::Rows { k, v } => (*k, *v) = (Vec::new(), Vec::new()),
                LayerKv::Tensors(kv) => *kv = None,
            }
        }
        if !self.free.contains(&slot) {
            self.free.push(slot);
        }
    }

    fn put(&mut self, slot: Slot) -> usize {
        match self.free.pop() {
            Some(number) => {
                self.slots[number] = slot;
                number
            }
            None => {
                self.slots.push(slot);
                self.slots.len() - 1
            }
        }
    }

    /// Tokens in a slot.
    pub fn len(&self, slot: usize) -> usize {
        self.slots[slot].len
    }

    /// Whether segment i can continue slot `slots[i]`, in a model whose empty cache is `model`.
    ///
    /// [`Kind::Invalid`] for another model's cache and for slots that do not exist, are named twice or hold
    /// another number of tokens.
    pub(super) fn check(&self, model: &KvCache, segments: &[Segment], slots: &[usize]) -> Result<()> {
        let invalid = |text: String| Err(Error::new(Kind::Invalid, text));
        let shape = |c: &KvCache| (c.heads, c.fused, c.num_layers);
        if shape(self) != shape(model) {
            return invalid("the cache was made for another model".into());
        }
        if segments.len() != slots.len() {
            return invalid(format!("{} sequences, but {} cache slots", segments.len(), slots.len()));
        }
        for (i, (segment, &slot)) in segments.iter().zip(slots).enumerate() {
            let Some(cached) = self.slots.get(slot).map(|s| s.len) else {
                return invalid(format!("sequence {i} names cache slot {slot} of {}", self.slots.len()));
            };
            if slots[..i].contains(&slot) {
                return invalid(format!("sequence {i} names cache slot {slot}, which another one uses too"));
            }
            if segment.past != cached {
                let past = segment.past;
                return invalid(format!("sequence {i} has {past} tokens behind it, its cache {cached}"));
            }
        }
        Ok(())
    }

    /// Appends the keys and values of rows `start .. start + count` of `qkv` (t, q | k | v).
    pub(super) fn append(
        &mut self,
        (slot, layer): (usize, usize),
        qkv: &Tensor,
        start: usize,
        count: usize,
    ) -> Result<()> {
        let Heads { queries, keys, width } = self.heads;
        let row = self.heads.row();
        match &mut self.slots[slot].layers[layer] {
            LayerKv::Rows { k, v } => {
                let data = Slice::of(qkv)?;
                for r in start..start + count {
                    let (key, value) = data[r * row + queries * width..(r + 1) * row].split_at(keys * width);
                    k.extend_from_slice(key);
                    v.extend_from_slice(value);
                }
            }
            LayerKv::Tensors(kv) => {
                let rows = qkv.narrow(0, start, count)?;
                let [_, key, value] = super::kernels::attention::split_heads(self.heads, &rows)?;
                *kv = Some(match kv.take() {
                    None => (key, value),
                    Some((k, v)) => (Tensor::cat(&[&k, &key], 1)?, Tensor::cat(&[&v, &value], 1)?),
                });
            }
        }
        Ok(())
    }

    /// Counts `count` more tokens in a slot, once all layers have them.
    pub(super) fn advance(&mut self, slot: usize, count: usize) {
        self.slots[slot].len += count;
    }

    /// Keys and values as rows of (key heads * width).
    pub(super) fn rows(&self, slot: usize, layer: usize) -> (&[f32], &[f32]) {
        match &self.slots[slot].layers[layer] {
            LayerKv::Rows { k, v } => (k, v),
            LayerKv::Tensors(_) => (&[], &[]),
        }
    }

    /// Keys and values as tensors (key heads, length, width).
    pub(super) fn tensors(&self, slot: usize, layer: usize) -> Result<(&Tensor, &Tensor)> {
        match &self.slots[slot].layers[layer] {
            LayerKv::Tensors(Some((k, v))) => Ok((k, v)),
            _ => Err(Error::new(Kind::Internal, "the cache slot is empty or of the other kind")),
        }
    }
}
