//! A frozen linear layer, or several side by side that read the same input, with LoRA beside it:
//! `y = x Wᵀ + b + s (dropout(x) Aᵀ) Bᵀ`. Only A and B get gradients.

use std::ops::Range;

use candle_core::{DType, Tensor};

use super::dropout::Dropout;
use super::rows::{self, for_each_row};
use super::sgemm::{View, sgemm_parallel};
use super::{Compute, Disjoint, Slice, matrix, uninit, update_in_place};
use crate::engine::lora::{LoraMatrices, Projection};
use crate::error::{Error, Kind, Result};

/// The frozen matrix, as the backend wants it.
#[derive(Debug)]
enum Weight {
    /// (n, k) in the compute precision, multiplied by candle.
    Composite(Tensor),
    /// (n, k) f32 in CPU memory.
    F32(Tensor),
}

/// A frozen linear layer made of one or more projections that share their input.
#[derive(Debug)]
pub struct FrozenLinear {
    weight: Weight,
    bias: Option<Tensor>,
    parts: Vec<(Projection, Range<usize>)>,
    inputs: usize,
    outputs: usize,
}

/// The rows of a batch that use one adapter, with that adapter's matrices for this block.
#[derive(Debug, Clone)]
pub struct LoraRows<'a> {
    /// Rows of the batch.
    pub rows: Range<usize>,
    /// The block's matrices, by projection.
    pub matrices: &'a [Option<LoraMatrices>; 7],
    /// Dropout on the adapter's input; `None` outside training.
    pub dropout: Option<Dropout>,
}

/// `x Aᵀ` of each adapted projection, which the backward pass needs: (rows, rank), in the order of
/// (adapter rows, part).
pub type Hidden = Vec<Option<Tensor>>;

/// Gradients of one pair of LoRA matrices: shapes of A and B.
#[derive(Debug, Clone)]
pub struct PairGradient {
    /// Gradient of A, (rank, in).
    pub a: Tensor,
    /// Gradient of B, (out, rank).
    pub b: Tensor,
}

/// What [`FrozenLinear::backward`] finds: the input's gradient if it was wanted, and for each
/// (index into the adapter rows, projection) the gradients of A and B.
#[derive(Debug)]
pub struct LinearGradient {
    /// (t, k).
    pub input: Option<Tensor>,
    /// In no particular order; the same pair may occur for several ranges of rows.
    pub pairs: Vec<(usize, Projection, PairGradient)>,
}

impl FrozenLinear {
    /// A layer from its projections' weights, each (n_i, k) f32 in CPU memory or on the device, and
    /// their biases (n_i), all or none of which are given.
    ///
    /// # Errors
    /// When shapes do not fit each other.
    pub fn new(compute: &Compute, parts: &[(Projection, Tensor, Option<Tensor>)]) -> Result<Self> {
        let mut ranges = Vec::with_capacity(parts.len());
        let mut outputs = 0;
        for (projection, w, _) in parts {
            let n = w.dim(0)?;
            ranges.push((*projection, outputs..outputs + n));
            outputs += n;
        }
        let weights: Vec<&Tensor> = parts.iter().map(|p| &p.1).collect();
        let weight = Tensor::cat(&weights, 0)?;
        let biases: Option<Vec<&Tensor>> = parts.iter().map(|p| p.2.as_ref()).collect();
        let bias = biases.map(|b| Tensor::cat(&b, 0)).transpose()?;
        let inputs = weight.dim(1)?;
        let weight = if compute.fused() { Weight::F32(weight) } else { Weight::Composite(weight) };
        Ok(Self { weight, bias, parts: ranges, inputs, outputs })
    }

    /// A layer without bias or adapters, such as the output head: `weight` (n, k).
    ///
    /// # Errors
    /// When `weight` is not a matrix.
    pub fn plain(compute: &Compute, weight: Tensor) -> Result<Self> {
        let (outputs, inputs) = weight.dims2()?;
        let weight = if compute.fused() { Weight::F32(weight) } else { Weight::Composite(weight) };
        Ok(Self { weight, bias: None, parts: Vec::new(), inputs, outputs })
    }

    /// `x` (t, k) -> y (t, n), and what the backward pass needs of the adapters.
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub fn forward(&self, compute: &Compute, x: &Tensor, lora: &[LoraRows<'_>]) -> Result<(Tensor, Hidden)> {
        let mut y = self.product(compute, x)?;
        if let Some(bias) = &self.bias {
            y = add_bias(compute, y, bias)?;
        }
        let mut hidden = Vec::with_capacity(lora.len() * self.parts.len());
        for adapter in lora {
            for (projection, columns) in &self.parts {
                let Some(m) = &adapter.matrices[*projection as usize] else {
                    hidden.push(None);
                    continue;
                };
                let x = adapter_input(x, adapter, *projection)?;
                let h = product_transposed(compute, &x, &m.a)?; // (rows, r)
                y = add_update(compute, y, (&adapter.rows, columns), &h, &m.b, m.scale)?;
                hidden.push(Some(h));
            }
        }
        Ok((y, hidden))
    }

    /// `x` (t, k) -> (t, n) without bias and adapters.
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub fn product(&self, compute: &Compute, x: &Tensor) -> Result<Tensor> {
        match &self.weight {
            Weight::Composite(w) => composite_product(x, &w.t()?),
            Weight::F32(w) => product_transposed(compute, x, w),
        }
    }

    /// `dy` (t, n) -> `dy W` (t, k).
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub fn product_backward(&self, compute: &Compute, dy: &Tensor) -> Result<Tensor> {
        match &self.weight {
            Weight::Composite(w) => composite_product(dy, w),
            Weight::F32(w) => product_plain(compute, dy, w),
        }
    }

    /// Backward for the output gradient `dy` (t, n); `x` and `hidden` are the forward pass's.
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub fn backward(
        &self,
        compute: &Compute,
        x: &Tensor,
        hidden: &Hidden,
        dy: &Tensor,
        lora: &[LoraRows<'_>],
        want_input: bool,
    ) -> Result<LinearGradient> {
        let mut input = if want_input { Some(self.product_backward(compute, dy)?) } else { None };
        let mut pairs = Vec::new();
        let mut hidden = hidden.iter();
        for (index, adapter) in lora.iter().enumerate() {
            for (projection, columns) in &self.parts {
                let h = hidden.next().ok_or_else(|| Error::new(Kind::Internal, "missing adapter activations"))?;
                let (Some(h), Some(m)) = (h, &adapter.matrices[*projection as usize]) else { continue };
                let dy = dy.narrow(0, adapter.rows.start, adapter.rows.len())?;
                let dy = dy.narrow(1, columns.start, columns.len())?.contiguous()?;
                let dh = (product_plain(compute, &dy, &m.b)? * f64::from(m.scale))?; // (rows, r)
                let x = adapter_input(x, adapter, *projection)?;
                let a = reduce_rows(compute, &dh, &x, 1.0)?;
                let b = reduce_rows(compute, &dy, h, m.scale)?;
                pairs.push((index, *projection, PairGradient { a, b }));
                if let Some(dx) = input.take() {
                    let back = adapter_input_backward(product_plain(compute, &dh, &m.a)?, adapter, *projection)?;
                    input = Some(add_rows(compute, dx, &adapter.rows, &back)?);
                }
            }
        }
        Ok(LinearGradient { input, pairs })
    }

    /// Width of the input.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Width of the output.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Rows `ids` of the weight, (ids, k) f32: the embedding lookup of a tied head.
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
        }
    }
}

/// The rows of `x` that the adapter sees, after dropout.
fn adapter_input(x: &Tensor, adapter: &LoraRows<'_>, projection: Projection) -> Result<Tensor> {
    let x = x.narrow(0, adapter.rows.start, adapter.rows.len())?;
    match &adapter.dropout {
        Some(dropout) => dropout.apply(&x, projection),
        None => Ok(x),
    }
}

/// The gradient that reaches the rows of `x` through the adapter's dropout.
fn adapter_input_backward(dx: Tensor, adapter: &LoraRows<'_>, projection: Projection) -> Result<Tensor> {
    match &adapter.dropout {
        Some(dropout) => dropout.apply(&dx, projection),
        None => Ok(dx),
    }
}

/// `x w` in the precision of `w`, sums as the device does them, result f32.
fn composite_product(x: &Tensor, w: &Tensor) -> Result<Tensor> {
    Ok(x.to_dtype(w.dtype())?.matmul(w)?.to_dtype(DType::F32)?)
}

fn add_bias(compute: &Compute, y: Tensor, bias: &Tensor) -> Result<Tensor> {
    if !compute.fused() {
        return Ok(y.broadcast_add(bias)?);
    }
    let bias = Slice::of(bias)?;
    update_in_place(&y, |data| {
        for_each_row(data, bias.len(), |_, row| {
            for (y, b) in row.iter_mut().zip(bias.iter()) {
                *y += b;
            }
        });
    })?;
    Ok(y)
}

/// `x (m, k) wᵀ` for w (n, k): (m, n).
fn product_transposed(compute: &Compute, x: &Tensor, w: &Tensor) -> Result<Tensor> {
    if !compute.fused() {
        return Ok(x.matmul(&w.t()?)?);
    }
    let ((m, k), n) = (x.dims2()?, w.dim(0)?);
    let mut y = uninit(m * n);
    let (x, w) = (Slice::of(x)?, Slice::of(w)?);
    // SAFETY: the views cover exactly the tensors' data, and `y` is ours.
    unsafe {
        let (x, w) = (View::rows(&x, k), View::rows(&w, k).transposed());
        sgemm_parallel((m, n, k), 1.0, x, w, false, (y.as_mut_ptr(), n));
    }
    matrix(y, m, n)
}

/// `x (m, n) w` for w (n, k): (m, k).
fn product_plain(compute: &Compute, x: &Tensor, w: &Tensor) -> Result<Tensor> {
    if !compute.fused() {
        return Ok(x.matmul(w)?);
    }
    let ((m, n), k) = (x.dims2()?, w.dim(1)?);
    let mut y = uninit(m * k);
    let (x, w) = (Slice::of(x)?, Slice::of(w)?);
    // SAFETY: as in `product_transposed`.
    unsafe {
        sgemm_parallel((m, k, n), 1.0, View::rows(&x, n), View::rows(&w, k), false, (y.as_mut_ptr(), k));
    }
    matrix(y, m, k)
}

/// `s aᵀ b` for a (t, p), b (t, q): (p, q), the sum over rows that makes a weight gradient.
fn reduce_rows(compute: &Compute, a: &Tensor, b: &Tensor, scale: f32) -> Result<Tensor> {
    if !compute.fused() {
        return Ok((a.t()?.matmul(b)? * f64::from(scale))?);
    }
    let ((t, p), q) = (a.dims2()?, b.dim(1)?);
    let mut y = uninit(p * q);
    let (a, b) = (Slice::of(a)?, Slice::of(b)?);
    // SAFETY: as in `product_transposed`.
    unsafe {
        let a = View::rows(&a, p).transposed();
        sgemm_parallel((p, q, t), scale, a, View::rows(&b, q), false, (y.as_mut_ptr(), q));
    }
    matrix(y, p, q)
}

/// Adds `s h Bᵀ` to the given rows and columns of `y`.
fn add_update(
    compute: &Compute,
    y: Tensor,
    (rows, columns): (&Range<usize>, &Range<usize>),
    h: &Tensor,
    b: &Tensor,
    scale: f32,
) -> Result<Tensor> {
    if !compute.fused() {
        let update = (h.matmul(&b.t()?)? * f64::from(scale))?;
        let (t, n) = y.dims2()?;
        let update = update.pad_with_zeros(1, columns.start, n - columns.end)?;
        return Ok((y + update.pad_with_zeros(0, rows.start, t - rows.end)?)?);
    }
    let ((m, r), n) = (h.dims2()?, y.dim(1)?);
    let (h, b) = (Slice::of(h)?, Slice::of(b)?);
    update_in_place(&y, |data| {
        let at = Disjoint::of(data);
        // SAFETY: rows and columns lie within y, which nobody else uses.
        unsafe {
            let c = at.at(rows.start * n + columns.start);
            let b = View::rows(&b, r).transposed();
            sgemm_parallel((m, columns.len(), r), scale, View::rows(&h, r), b, true, (c, n));
        }
    })?;
    Ok(y)
}

/// Adds `addend` to the given rows of `x`.
fn add_rows(compute: &Compute, x: Tensor, rows: &Range<usize>, addend: &Tensor) -> Result<Tensor> {
    let (t, width) = x.dims2()?;
    if !compute.fused() {
        return Ok((x + addend.pad_with_zeros(0, rows.start, t - rows.end)?)?);
    }
    let addend = Slice::of(addend)?;
    update_in_place(&x, |data| {
        for_each_row(&mut data[rows.start * width..rows.end * width], width, |i, row| {
            for (x, y) in row.iter_mut().zip(&addend[i * width..(i + 1) * width]) {
                *x += y;
            }
        });
    })?;
    Ok(x)
}
