//! `merged`: the base model's directory, in which every adapted weight is `W + s B A` (Hu et al. 2021, section 4.1),
//! computed in f32 and rounded once to the type of `W`. All other tensors are the base's, byte for byte.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::io::{self, Cursor, Read};

use half::{bf16, f16};
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};

use super::archive::Entry;
use super::base::Base;
use seald_core::error::{Context, Error, Kind, Result};
use seald_engine::lora::{Adapter, LoraMatrices};
use seald_engine::model_config::module_name;
use seald_engine::weights::Weights;

/// Bytes of an untouched tensor that are handed on at a time.
const PIECE: usize = 256 << 10;
/// The data begins at a multiple of this, as the format asks for.
const ALIGNMENT: usize = 8;

/// The model's files, the weights last.
pub(super) fn entries(base: Base, adapter: &Adapter) -> Result<Vec<Entry>> {
    let mut entries = base.companions()?;
    let mut updates: BTreeMap<String, Update> = BTreeMap::new();
    for (layer, projection, matrices) in adapter.matrices() {
        let name = format!("{}.weight", module_name(layer, projection));
        updates.insert(name, Update::of(matrices)?);
    }
    let mut plan: Vec<Planned> = base
        .weights
        .names()
        .map(|name| Planned { name: name.to_string(), update: updates.remove(name) })
        .collect();
    // Wide types first, so that every tensor is aligned to its own.
    plan.sort_by_cached_key(|planned| {
        let bits = base.weights.stored(&planned.name).map_or(0, |stored| stored.dtype.bitsize());
        (Reverse(bits), planned.name.clone())
    });
    let (header, data) = header(&base.weights, &plan)?;
    let bytes = (header.len() + data) as u64;
    let tensors = Merging { weights: base.weights, plan, tensor: 0, offset: 0, piece: Vec::new(), given: 0 };
    entries.push(Entry::new("model.safetensors", bytes, Cursor::new(header).chain(tensors)));
    Ok(entries)
}

/// The beginning of the file, padded, and the number of bytes that follow.
fn header(weights: &Weights, plan: &[Planned]) -> Result<(Vec<u8>, usize)> {
    let mut end = 0;
    let mut infos = Vec::with_capacity(plan.len());
    for Planned { name, .. } in plan {
        let Some(stored) = weights.stored(name) else { continue };
        let start = end;
        end += stored.bytes.len();
        let info =
            TensorInfo { dtype: stored.dtype, shape: stored.shape.to_vec(), data_offsets: (start, end) };
        infos.push((name.clone(), info));
    }
    let failed = || "cannot write the header of model.safetensors".to_string();
    // What PyTorch writes; transformers asks for it.
    let about = HashMap::from([("format".to_string(), "pt".to_string())]);
    let metadata = Metadata::new(Some(about), infos).doing(Kind::Internal, failed)?;
    let mut json = serde_json::to_vec(&metadata).doing(Kind::Internal, failed)?;
    json.resize(json.len().next_multiple_of(ALIGNMENT), b' ');
    let mut header = (json.len() as u64).to_le_bytes().to_vec();
    header.append(&mut json);
    Ok((header, end))
}

/// One tensor of the file.
struct Planned {
    name: String,
    update: Option<Update>,
}

/// What is added to one weight.
struct Update {
    /// (rank, in_features), row-major.
    a: Vec<f32>,
    /// (out_features, rank), row-major.
    b: Vec<f32>,
    rank: usize,
    in_features: usize,
    scale: f32,
}

impl Update {
    fn of(matrices: &LoraMatrices) -> Result<Self> {
        let LoraMatrices { a, b, scale } = matrices;
        let (rank, in_features) = a.dims2()?;
        let values = |tensor: &candle_core::Tensor| tensor.flatten_all()?.to_vec1::<f32>();
        Ok(Self { a: values(a)?, b: values(b)?, rank, in_features, scale: *scale })
    }

    /// Row `row` of W + s B A, appended to `out` in the type of W.
    ///
    /// # Errors
    /// [`Kind::Diverged`] where a value is too large for that type.
    fn merge_row(&self, name: &str, row: usize, w: &[u8], dtype: Dtype, out: &mut Vec<u8>) -> Result<()> {
        let mut delta = vec![0f32; self.in_features];
        for (k, &b) in self.b[row * self.rank..][..self.rank].iter().enumerate() {
            let a = &self.a[k * self.in_features..][..self.in_features];
            delta.iter_mut().zip(a).for_each(|(sum, &a)| *sum += b * a);
        }
        let merged = |w: f32, delta: f32| w + self.scale * delta;
        let mut finite = true;
        match dtype {
            Dtype::F32 => {
                for (&w, &delta) in w.as_chunks().0.iter().zip(&delta) {
                    let value = merged(f32::from_le_bytes(w), delta);
                    finite &= value.is_finite();
                    out.extend(value.to_le_bytes());
                }
            }
            Dtype::F16 => {
                for (&w, &delta) in w.as_chunks().0.iter().zip(&delta) {
                    let value = f16::from_f32(merged(f16::from_le_bytes(w).to_f32(), delta));
                    finite &= value.is_finite();
                    out.extend(value.to_le_bytes());
                }
            }
            Dtype::BF16 => {
                for (&w, &delta) in w.as_chunks().0.iter().zip(&delta) {
                    let value = bf16::from_f32(merged(bf16::from_le_bytes(w).to_f32(), delta));
                    finite &= value.is_finite();
                    out.extend(value.to_le_bytes());
                }
            }
            // `Weights::check` refused these.
            other => return Err(Error::new(Kind::Unsupported, format!("{name} is {other:?}"))),
        }
        if finite {
            return Ok(());
        }
        let text = format!("{name} with the adapter added is too large for {dtype:?}: export it as peft");
        Err(Error::new(Kind::Diverged, text))
    }
}

/// The tensors one after the other; one row of an adapted weight is in memory at a time.
struct Merging {
    weights: Weights,
    plan: Vec<Planned>,
    /// Which tensor of the plan comes next, and from which byte on.
    tensor: usize,
    offset: usize,
    /// What was made last, and how much of it was given out.
    piece: Vec<u8>,
    given: usize,
}

impl Merging {
    /// Makes the next piece; an empty one at the end.
    fn advance(&mut self) -> Result<()> {
        self.piece.clear();
        self.given = 0;
        while let Some(Planned { name, update }) = self.plan.get(self.tensor) {
            let stored = self.weights.stored(name);
            let rest = stored.map_or(&[][..], |stored| &stored.bytes[self.offset..]);
            let (Some(stored), false) = (stored, rest.is_empty()) else {
                (self.tensor, self.offset) = (self.tensor + 1, 0);
                continue;
            };
            match update {
                None => self.piece.extend_from_slice(&rest[..rest.len().min(PIECE)]),
                Some(update) => {
                    let row_bytes = stored.bytes.len() / stored.shape[0];
                    let row = self.offset / row_bytes;
                    update.merge_row(name, row, &rest[..row_bytes], stored.dtype, &mut self.piece)?;
                }
            }
            self.offset += self.piece.len();
            return Ok(());
        }
        Ok(())
    }
}

impl Read for Merging {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.given == self.piece.len() {
            self.advance().map_err(io::Error::other)?;
        }
        let n = buffer.len().min(self.piece.len() - self.given);
        buffer[..n].copy_from_slice(&self.piece[self.given..][..n]);
        self.given += n;
        Ok(n)
    }
}
