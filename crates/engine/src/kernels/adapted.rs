//! LoRA beside a frozen linear layer, forward and backward:
//! `y = x Wᵀ + b + s h Bᵀ` with `h = dropout(x) Aᵀ`. Only A and B get gradients.
//!
//! The adapters of projections that share an input are handled as one: their A stacked, (R, k), their
//! h side by side, (rows, R), where R is the sum of the ranks.
//!
//! In bf16, when one adapter serves the whole batch, the update is a tail of the frozen product: a few more
//! columns of its inner dimension, added while the result is still in registers.

use std::ops::Range;

use candle_core::Tensor;
use half::bf16;

use super::bf16::{PackedInput, PackedWeight, Tail, matmul_new};
use super::dropout::Dropout;
use super::linear::{FrozenLinear, Weight, pack};
use super::{Compute, Slice, dense, matrix};
use crate::lora::{LoraMatrices, Projection};
use seald_core::error::{Error, Kind, Result};

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

/// h of each of a batch's adapters, (rows, R), or its gradient; `None` where nothing is adapted.
pub type Hidden = Vec<Option<Tensor>>;

/// Gradients of one pair of LoRA matrices.
#[derive(Debug, Clone)]
pub struct PairGradient {
    /// Gradient of A, (rank, in).
    pub a: Tensor,
    /// Gradient of B, (out, rank).
    pub b: Tensor,
}

/// The gradients found in one layer or block: (index into the adapter rows, projection, gradients).
pub type PairGradients = Vec<(usize, Projection, PairGradient)>;

/// Fewest rows for which packing the adapter to bf16 pays.
const PACK_FROM: usize = 4;

/// One projection's adapter within a stack.
struct Part<'a> {
    projection: Projection,
    /// Output columns of the layer.
    columns: &'a Range<usize>,
    /// Columns of h.
    ranks: Range<usize>,
    matrices: &'a LoraMatrices,
}

/// The adapters of one layer for one range of rows.
struct Stack<'a> {
    rows: &'a Range<usize>,
    dropout: Option<&'a Dropout>,
    parts: Vec<Part<'a>>,
    rank: usize,
}

impl Stack<'_> {
    /// A of all parts, one below the other: (R, k).
    fn a(&self) -> Result<Tensor> {
        let all: Vec<&Tensor> = self.parts.iter().map(|p| &p.matrices.a).collect();
        Ok(if let [a] = all[..] { a.clone() } else { Tensor::cat(&all, 0)? })
    }

    /// The rows of `x` that the part's A sees, after dropout.
    fn input(&self, x: &Tensor, part: &Part<'_>) -> Result<Tensor> {
        let x = x.narrow(0, self.rows.start, self.rows.len())?;
        match self.dropout {
            Some(dropout) => dropout.apply(&x, part.projection, self.rows.start),
            None => Ok(x),
        }
    }

    /// Whether the bf16 tail can be used: one adapter for all rows, and enough of them.
    fn is_whole(&self, rows: usize) -> bool {
        self.rows.len() == rows && rows >= PACK_FROM && self.dropout.is_none()
    }
}

impl FrozenLinear {
    /// `x` (t, k) -> y (t, n), and h of each adapter for the backward pass.
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub fn forward(&self, compute: &Compute, x: &Tensor, lora: &[LoraRows<'_>]) -> Result<(Tensor, Hidden)> {
        let stacks = self.stacks(lora)?;
        let (mut y, hidden) = match (&self.weight, &stacks[..]) {
            (Weight::Bf16 { forward, .. }, [Some(stack)]) if stack.is_whole(x.dim(0)?) => {
                let (y, h) = self.forward_with_tail(forward, x, stack)?;
                (y, vec![Some(h)])
            }
            _ => {
                let mut y = self.product(compute, x)?;
                let mut hidden = Vec::with_capacity(stacks.len());
                for stack in &stacks {
                    let Some(stack) = stack else {
                        hidden.push(None);
                        continue;
                    };
                    let h = stack_hidden(compute, x, stack)?;
                    for p in &stack.parts {
                        let m = p.matrices;
                        y = dense::add_update(
                            compute,
                            y,
                            (stack.rows, p.columns),
                            (&h, &p.ranks),
                            &m.b,
                            m.scale,
                        )?;
                    }
                    hidden.push(Some(h));
                }
                (y, hidden)
            }
        };
        if let Some(bias) = &self.bias {
            y = dense::add_bias(compute, y, bias)?;
        }
        Ok((y, hidden))
    }

    /// The gradient of the input for `dy` (t, n), unless it is not wanted, and of each h.
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub fn input_gradient(
        &self,
        compute: &Compute,
        dy: &Tensor,
        lora: &[LoraRows<'_>],
        wanted: bool,
    ) -> Result<(Option<Tensor>, Hidden)> {
        let stacks = self.stacks(lora)?;
        if let (Weight::Bf16 { forward, backward }, [Some(stack)], true) = (&self.weight, &stacks[..], wanted)
            && stack.is_whole(dy.dim(0)?)
        {
            let weight = backward.get_or_init(|| forward.transposed());
            let (dx, dh) = self.backward_with_tail(weight, dy, stack)?;
            return Ok((Some(dx), vec![Some(dh)]));
        }
        let mut dx = if wanted { Some(self.product_backward(compute, dy)?) } else { None };
        let mut hidden = Vec::with_capacity(stacks.len());
        for stack in &stacks {
            let Some(stack) = stack else {
                hidden.push(None);
                continue;
            };
            let rows = dy.narrow(0, stack.rows.start, stack.rows.len())?;
            let mut all = Vec::with_capacity(stack.parts.len());
            for p in &stack.parts {
                let m = p.matrices;
                let dh = dense::product_of_columns(compute, &rows, p.columns, &m.b, m.scale)?; // (rows, r)
                if let Some(so_far) = dx.take() {
                    let mut back = dense::product(compute, &dh, &m.a)?; // (rows, k)
                    if let Some(dropout) = stack.dropout {
                        back = dropout.apply(&back, p.projection, stack.rows.start)?;
                    }
                    dx = Some(dense::add_rows(compute, so_far, stack.rows, &back)?);
                }
                all.push(dh);
            }
            hidden.push(Some(Tensor::cat(&all, 1)?));
        }
        Ok((dx, hidden))
    }

    /// The gradients of A and B: `dA = dhᵀ x`, `dB = s dyᵀ h`.
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub fn weight_gradients(
        &self,
        compute: &Compute,
        x: &Tensor,
        dy: &Tensor,
        hidden: &Hidden,
        d_hidden: &Hidden,
        lora: &[LoraRows<'_>],
    ) -> Result<PairGradients> {
        let mut pairs = Vec::new();
        for (index, stack) in self.stacks(lora)?.iter().enumerate() {
            let Some(stack) = stack else { continue };
            let (Some(Some(h)), Some(Some(dh))) = (hidden.get(index), d_hidden.get(index)) else {
                return Err(Error::new(Kind::Internal, "an adapter's activations are missing"));
            };
            let rows = dy.narrow(0, stack.rows.start, stack.rows.len())?;
            let (k, n_all) = (x.dim(1)?, 0..stack.rank);
            let shared = match stack.dropout {
                None => {
                    let x = x.narrow(0, stack.rows.start, stack.rows.len())?;
                    Some(dense::sum_over_rows(compute, (dh, n_all), (&x, 0..k), 1.0)?) // (R, k)
                }
                Some(_) => None,
            };
            for p in &stack.parts {
                let a = match &shared {
                    Some(all) => all.narrow(0, p.ranks.start, p.ranks.len())?,
                    None => {
                        let x = stack.input(x, p)?;
                        dense::sum_over_rows(compute, (dh, p.ranks.clone()), (&x, 0..k), 1.0)?
                    }
                };
                let scale = p.matrices.scale;
                let b = (h, p.ranks.clone());
                let b = dense::sum_over_rows(compute, b, (&rows, p.columns.clone()), scale)?; // (r, n)
                pairs.push((index, p.projection, PairGradient { a, b: b.t()?.contiguous()? }));
            }
        }
        Ok(pairs)
    }

    /// The adapters of this layer, by range of rows; `None` for a range without one.
    fn stacks<'a>(&'a self, lora: &'a [LoraRows<'a>]) -> Result<Vec<Option<Stack<'a>>>> {
        let of = |range: &'a LoraRows<'a>| {
            let mut rank = 0;
            let mut parts = Vec::with_capacity(self.parts.len());
            for (projection, columns) in &self.parts {
                let Some(matrices) = &range.matrices[*projection as usize] else { continue };
                let r = matrices.a.dim(0)?;
                parts.push(Part { projection: *projection, columns, ranks: rank..rank + r, matrices });
                rank += r;
            }
            let stack = Stack { rows: &range.rows, dropout: range.dropout.as_ref(), parts, rank };
            Ok(if stack.parts.is_empty() { None } else { Some(stack) })
        };
        lora.iter().map(of).collect()
    }

    fn forward_with_tail(
        &self,
        weight: &PackedWeight,
        x: &Tensor,
        stack: &Stack<'_>,
    ) -> Result<(Tensor, Tensor)> {
        let (t, k, r) = (x.dim(0)?, self.inputs(), stack.rank);
        let input = pack(x)?;
        let a = stack.a()?;
        let h = matmul_new(&input, &PackedWeight::from_f32(r, k, &Slice::of(&a)?, k), &[]); // (t, R)
        let mut packed = Vec::with_capacity(stack.parts.len());
        for p in &stack.parts {
            let (b, n, rank) = (Slice::of(&p.matrices.b)?, p.columns.len(), p.ranks.len());
            let scaled: Vec<f32> = b.iter().map(|v| v * p.matrices.scale).collect();
            let input = PackedInput::pack(&h[p.ranks.start..], t, rank, r);
            packed.push((input, PackedWeight::from_f32(n, rank, &scaled, rank)));
        }
        let tails: Vec<Tail<'_>> = stack
            .parts
            .iter()
            .zip(&packed)
            .map(|(p, (input, weight))| Tail { input, weight, columns: p.columns.clone() })
            .collect();
        let y = matmul_new(&input, weight, &tails);
        Ok((matrix(y, t, self.outputs())?, matrix(h, t, r)?))
    }

    fn backward_with_tail(
        &self,
        weight: &PackedWeight,
        dy: &Tensor,
        stack: &Stack<'_>,
    ) -> Result<(Tensor, Tensor)> {
        let (t, k, r, n) = (dy.dim(0)?, self.inputs(), stack.rank, self.outputs());
        let input = pack(dy)?;
        let b = stack_b_transposed(stack, n)?;
        let dh = matmul_new(&input, &b, &[]); // (t, R)
        let a = stack.a()?;
        let tail = Tail {
            input: &PackedInput::pack(&dh, t, r, r),
            weight: &PackedWeight::from_f32_transposed(k, r, &Slice::of(&a)?, k),
            columns: 0..k,
        };
        let dx = matmul_new(&input, weight, &[tail]);
        Ok((matrix(dx, t, k)?, matrix(dh, t, r)?))
    }
}

/// h of one stack, (rows, R), in f32.
fn stack_hidden(compute: &Compute, x: &Tensor, stack: &Stack<'_>) -> Result<Tensor> {
    // Stacking copies the matrices: worth it only for more rows than a decoding step has.
    if stack.dropout.is_none() && stack.rows.len() > dense::FEW_ROWS {
        let x = x.narrow(0, stack.rows.start, stack.rows.len())?;
        return dense::product_transposed(compute, &x, &stack.a()?);
    }
    let each = stack
        .parts
        .iter()
        .map(|p| dense::product_transposed(compute, &stack.input(x, p)?, &p.matrices.a))
        .collect::<Result<Vec<_>>>()?;
    Ok(Tensor::cat(&each, 1)?)
}

/// `s B` of all parts transposed and block-diagonal, (R, n): dy times its transpose is dh.
fn stack_b_transposed(stack: &Stack<'_>, n: usize) -> Result<PackedWeight> {
    let slices = stack.parts.iter().map(|p| Slice::of(&p.matrices.b)).collect::<Result<Vec<_>>>()?;
    let slices: Vec<&[f32]> = slices.iter().map(|s| &**s).collect();
    let mut owners = Vec::with_capacity(stack.rank);
    for (i, p) in stack.parts.iter().enumerate() {
        owners.extend((0..p.ranks.len()).map(|j| (i, j)));
    }
    Ok(PackedWeight::from_rows(stack.rank, n, |row, out| {
        let (i, j) = owners[row];
        let (p, b) = (&stack.parts[i], slices[i]);
        let (r, scale) = (p.ranks.len(), p.matrices.scale);
        out.fill(bf16::ZERO);
        for (c, out) in out[p.columns.clone()].iter_mut().enumerate() {
            *out = bf16::from_f32(b[c * r + j] * scale);
        }
    }))
}

/// Adds up gradients of the same matrices.
///
/// # Errors
/// When the shapes differ.
pub fn add_pair(sum: &mut Option<PairGradient>, more: PairGradient) -> Result<()> {
    *sum = Some(match sum.take() {
        None => more,
        Some(sum) => PairGradient { a: (sum.a + more.a)?, b: (sum.b + more.b)? },
    });
    Ok(())
}
