//! A frozen linear layer, or several side by side that read the same input: `y = x Wᵀ + b`. Its weight is
//! kept as the backend multiplies it best; it never gets a gradient.

use std::ops::Range;
use std::sync::OnceLock;

use candle_core::{DType, Device, Tensor};
use half::{bf16, f16};

use super::bf16::{PackedInput, PackedWeight, RowReader, matmul_new};
use super::rows::{self, for_each_row};
use super::{Compute, Precision, Slice, dense, matrix, uninit};
use crate::lora::Projection;
use crate::weights::{RawTensor, Weights};
use seald_core::error::Result;

/// The frozen matrix, as the backend wants it.
#[derive(Debug)]
pub(super) enum Weight {
    /// (n, k) in the compute precision, multiplied by candle.
    Composite(Tensor),
    /// (n, k) f32 in CPU memory.
    F32(Tensor),
    /// Packed for `vdpbf16ps`; the transpose is made at the first backward pass.
    Bf16 { forward: PackedWeight, backward: OnceLock<PackedWeight> },
}

/// A frozen linear layer made of one or more projections that share their input.
#[derive(Debug)]
pub struct FrozenLinear {
    pub(super) weight: Weight,
    pub(super) bias: Option<Tensor>,
    /// The adaptable projections and their output columns; none for the embedding and the head.
    pub(super) parts: Vec<(Projection, Range<usize>)>,
    inputs: usize,
    outputs: usize,
}

/// One projection's name in the checkpoint, without `.weight`, and its number of outputs.
#[derive(Debug, Clone)]
pub struct Source {
    /// Which projection; `None` for the embedding and the head.
    pub projection: Option<Projection>,
    /// `model.layers.0.self_attn.q_proj`, say.
    pub name: String,
    /// Rows of its weight.
    pub outputs: usize,
    /// Whether it has a bias.
    pub bias: bool,
}

impl FrozenLinear {
    /// Reads a layer of `inputs` columns from a checkpoint.
    ///
    /// # Errors
    /// As [`Weights::view`]: a tensor is missing or has another shape.
    pub fn load(compute: &Compute, weights: &Weights, inputs: usize, sources: &[Source]) -> Result<Self> {
        let mut raw = Vec::with_capacity(sources.len());
        let mut parts = Vec::with_capacity(sources.len());
        let mut outputs = 0;
        for source in sources {
            raw.push((
                weights.view(&format!("{}.weight", source.name), &[source.outputs, inputs])?,
                source.outputs,
            ));
            if let Some(projection) = source.projection {
                parts.push((projection, outputs..outputs + source.outputs));
            }
            outputs += source.outputs;
        }
        let with_bias = sources.iter().filter(|s| s.bias);
        let biases = with_bias
            .map(|s| weights.load(&format!("{}.bias", s.name), &[s.outputs], DType::F32, &compute.device))
            .collect::<Result<Vec<_>>>()?;
        let bias = if biases.is_empty() { None } else { Some(Tensor::cat(&biases, 0)?) };
        let weight = compute.run(|| load_weight(compute, inputs, &raw))?;
        Ok(Self { weight, bias, parts, inputs, outputs })
    }

    /// `x` (t, k) -> (t, n) without bias.
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub fn product(&self, compute: &Compute, x: &Tensor) -> Result<Tensor> {
        match &self.weight {
            Weight::Composite(w) => composite_product(x, &w.t()?),
            Weight::F32(w) => dense::product_transposed(compute, x, w),
            Weight::Bf16 { forward, .. } => {
                let input = pack(x)?;
                matrix(matmul_new(&input, forward, &[]), input.rows(), self.outputs)
            }
        }
    }

    /// `dy` (t, n) -> `dy W` (t, k).
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub fn product_backward(&self, compute: &Compute, dy: &Tensor) -> Result<Tensor> {
        match &self.weight {
            Weight::Composite(w) => composite_product(dy, w),
            Weight::F32(w) => dense::product(compute, dy, w),
            Weight::Bf16 { forward, backward } => {
                let input = pack(dy)?;
                let weight = backward.get_or_init(|| forward.transposed());
                matrix(matmul_new(&input, weight, &[]), input.rows(), self.inputs)
            }
        }
    }

    /// Rows `ids` of the weight, (ids, k) f32: an embedding lookup.
    ///
    /// # Errors
    /// When an id is out of range.
    pub fn lookup(&self, compute: &Compute, ids: &[u32]) -> Result<Tensor> {
        match &self.weight {
            Weight::F32(w) => rows::gather(compute, w, ids),
            Weight::Composite(w) => {
                let index = Tensor::from_slice(ids, ids.len(), w.device())?;
                Ok(w.index_select(&index, 0)?.to_dtype(DType::F32)?)
            }
            Weight::Bf16 { forward, .. } => {
                let mut out = uninit(ids.len() * self.inputs);
                for_each_row(&mut out, self.inputs, |i, row| forward.row(ids[i] as usize, row));
                matrix(out, ids.len(), self.inputs)
            }
        }
    }

    /// Width of the input.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Width of the output.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Bytes that the first backward pass will take for a transposed copy of the weight.
    pub fn missing_backward_bytes(&self) -> usize {
        match &self.weight {
            Weight::Bf16 { forward, backward } if backward.get().is_none() => forward.bytes(),
            _ => 0,
        }
    }
}

/// bf16 panels of a contiguous (t, k) tensor.
pub(super) fn pack(x: &Tensor) -> Result<PackedInput> {
    let (t, k) = x.dims2()?;
    Ok(PackedInput::pack(&Slice::of(x)?, t, k, k))
}

/// `x w` in the precision of `w`, sums as the device does them, result f32.
fn composite_product(x: &Tensor, w: &Tensor) -> Result<Tensor> {
    Ok(x.to_dtype(w.dtype())?.matmul(w)?.to_dtype(DType::F32)?)
}

/// The parts' rows one below the other, read from the mapped file without a copy in between.
fn load_weight(compute: &Compute, k: usize, parts: &[(RawTensor<'_>, usize)]) -> Result<Weight> {
    if !compute.fused() {
        let dtype = if compute.precision == Precision::Bf16 { DType::BF16 } else { DType::F32 };
        let load = |(raw, n): &(RawTensor<'_>, usize)| {
            Tensor::from_raw_buffer(raw.bytes, raw.dtype, &[*n, k], &compute.device)?.to_dtype(dtype)
        };
        let tensors = parts.iter().map(load).collect::<candle_core::Result<Vec<_>>>()?;
        return Ok(Weight::Composite(Tensor::cat(&tensors, 0)?));
    }
    if compute.precision == Precision::F32 {
        let n: usize = parts.iter().map(|p| p.1).sum();
        let mut data = uninit(n * k);
        let mut rest = &mut data[..];
        for (raw, rows) in parts {
            let (own, others) = rest.split_at_mut(rows * k);
            for_each_row(own, k, |i, row| raw_row(raw, i, row, |v| v, bf16::to_f32, f16::to_f32));
            rest = others;
        }
        return Ok(Weight::F32(Tensor::from_vec(data, (n, k), &Device::Cpu)?));
    }
    let readers: Vec<_> = parts
        .iter()
        .map(|(raw, rows)| {
            let read = move |i: usize, row: &mut [bf16]| {
                raw_row(raw, i, row, bf16::from_f32, |v| v, |v| bf16::from_f32(v.to_f32()));
            };
            (*rows, read)
        })
        .collect();
    let parts: Vec<(usize, &RowReader<'_>)> =
        readers.iter().map(|(n, r)| (*n, r as &RowReader<'_>)).collect();
    Ok(Weight::Bf16 { forward: PackedWeight::from_parts(k, &parts), backward: OnceLock::new() })
}

/// Row `i` of a tensor in a file, converted by the function for the file's type. The bytes may be unaligned.
fn raw_row<T>(
    raw: &RawTensor<'_>,
    i: usize,
    out: &mut [T],
    of_f32: impl Fn(f32) -> T,
    of_bf16: impl Fn(bf16) -> T,
    of_f16: impl Fn(f16) -> T,
) {
    let size = raw.dtype.size_in_bytes();
    let bytes = &raw.bytes[i * out.len() * size..][..out.len() * size];
    let pairs = || bytes.chunks_exact(2).map(|b| [b[0], b[1]]);
    match raw.dtype {
        DType::BF16 => out.iter_mut().zip(pairs()).for_each(|(o, b)| *o = of_bf16(bf16::from_le_bytes(b))),
        DType::F16 => out.iter_mut().zip(pairs()).for_each(|(o, b)| *o = of_f16(f16::from_le_bytes(b))),
        _ => {
            for (o, b) in out.iter_mut().zip(bytes.chunks_exact(4)) {
                *o = of_f32(f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
            }
        }
    }
}
