//! Small operations on whole rows: sums, gathers, scatters, residual additions.

use candle_core::Tensor;
use rayon::prelude::*;

use super::simd::{dot, simd_fn};
use super::{Compute, Slice, matrix, uninit, update_in_place};
use seald_core::error::Result;

/// Below this many elements a parallel loop costs more than it saves.
pub(super) const PARALLEL_FROM: usize = 1 << 14;

/// Runs `work(row_index, row)` over the rows of `out`, in parallel when it is worth it.
pub(super) fn for_each_row(out: &mut [f32], width: usize, work: impl Fn(usize, &mut [f32]) + Sync) {
    if out.len() < PARALLEL_FROM {
        out.chunks_mut(width).enumerate().for_each(|(i, row)| work(i, row));
    } else {
        let rows_each = (PARALLEL_FROM / 4 / width).max(1);
        out.par_chunks_mut(width * rows_each).enumerate().for_each(|(block, rows)| {
            for (i, row) in rows.chunks_mut(width).enumerate() {
                work(block * rows_each + i, row);
            }
        });
    }
}

simd_fn! {
    /// Sum of squares of a short slice.
    pub(crate) fn square_sum(values: &[f32]) -> f32 {
        dot(values, values)
    }
}

/// `target += addend`, same shapes. The result may reuse `target`'s memory.
///
/// # Errors
/// When the shapes differ.
pub fn add(compute: &Compute, target: Tensor, addend: &Tensor) -> Result<Tensor> {
    if !compute.fused() {
        return Ok((target + addend)?);
    }
    let width = addend.dim(1)?;
    let addend = Slice::of(addend)?;
    update_in_place(&target, |data| {
        for_each_row(data, width, |i, row| {
            for (x, y) in row.iter_mut().zip(&addend[i * width..(i + 1) * width]) {
                *x += y;
            }
        });
    })?;
    Ok(target)
}

/// Rows `indices` of `source` (t, h), in that order: (m, h).
///
/// # Errors
/// When an index is out of range.
pub fn gather(compute: &Compute, source: &Tensor, indices: &[u32]) -> Result<Tensor> {
    if !compute.fused() {
        let index = Tensor::from_slice(indices, indices.len(), source.device())?;
        return Ok(source.index_select(&index, 0)?);
    }
    let width = source.dim(1)?;
    let source = Slice::of(source)?;
    let mut out = uninit(indices.len() * width);
    for_each_row(&mut out, width, |i, row| {
        let at = indices[i] as usize * width;
        row.copy_from_slice(&source[at..at + width]);
    });
    matrix(out, indices.len(), width)
}

/// A (t, h) tensor of zeros to which row i of `rows` (m, h) was added at `indices[i]`.
/// Indices must not repeat.
///
/// # Errors
/// When an index is out of range.
pub fn scatter(compute: &Compute, rows: &Tensor, indices: &[u32], t: usize) -> Result<Tensor> {
    let width = rows.dim(1)?;
    if !compute.fused() {
        let index = Tensor::from_slice(indices, indices.len(), rows.device())?;
        let zeros = Tensor::zeros((t, width), rows.dtype(), rows.device())?;
        return Ok(zeros.index_add(&index, rows, 0)?);
    }
    let rows = Slice::of(rows)?;
    let mut out = vec![0.0; t * width];
    for (i, &at) in indices.iter().enumerate() {
        let at = at as usize * width;
        out[at..at + width].copy_from_slice(&rows[i * width..(i + 1) * width]);
    }
    matrix(out, t, width)
}
