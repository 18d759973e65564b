//! f32 matrix products between tensors: by the `gemm` crate on the CPU, by candle elsewhere.

use std::ops::Range;

use candle_core::Tensor;
use rayon::prelude::*;

use super::outer;
use super::rows::{PARALLEL_FROM, for_each_row};
use super::sgemm::{View, sgemm_parallel};
use super::simd::{dot, simd_fn};
use super::{Compute, Disjoint, Slice, check_fit, matrix, uninit, update_in_place};
use seald_core::error::Result;

/// Up to so many rows, a product is a stream of dot products over the weight: a blocked one would spend
/// more on packing than on multiplying.
pub(super) const FEW_ROWS: usize = 16;

simd_fn! {
    /// `out[i][j] += scale x_i w_j` for rows i of x (m, k, rows `x_stride` apart) and as many rows j of w (n, k)
    /// as `out[i]` is long.
    fn few_rows(x: &[f32], x_stride: usize, w: &[f32], k: usize, scale: f32, out: &mut [&mut [f32]]) {
        for (i, out) in out.iter_mut().enumerate() {
            let x = &x[i * x_stride..][..k];
            for (out, w) in out.iter_mut().zip(w.chunks_exact(k)) {
                *out += scale * dot(x, w);
            }
        }
    }
}

/// Adds `scale x wᵀ` to columns `columns` of `out` (m, out_stride) for at most [`FEW_ROWS`] rows of x (m, k,
/// rows `x_stride` apart) and w (n, k), in parallel over n.
fn add_few_rows(
    compute: &Compute,
    (x, x_stride): (&[f32], usize),
    (w, k): (&[f32], usize),
    scale: f32,
    (out, out_stride, columns): (&mut [f32], usize, Range<usize>),
) {
    let each = (PARALLEL_FROM / k.max(1)).max(1);
    // Column blocks of the rows of `out`, regrouped so that each task owns its own.
    let mut blocks: Vec<Vec<&mut [f32]>> = (0..columns.len().div_ceil(each)).map(|_| Vec::new()).collect();
    for row in out.chunks_mut(out_stride) {
        for (block, part) in row[columns.clone()].chunks_mut(each).enumerate() {
            blocks[block].push(part);
        }
    }
    let work = |(block, rows): (usize, &mut Vec<&mut [f32]>)| {
        few_rows(compute.isa, x, x_stride, &w[block * each * k..], k, scale, rows);
    };
    match &mut blocks[..] {
        [one] => work((0, one)),
        many => many.par_iter_mut().enumerate().for_each(work),
    }
}

/// `x (m, k) wᵀ` for w (n, k): (m, n).
pub(super) fn product_transposed(compute: &Compute, x: &Tensor, w: &Tensor) -> Result<Tensor> {
    if !compute.fused() {
        return Ok(x.matmul(&w.t()?)?);
    }
    let ((m, k), n) = (x.dims2()?, w.dim(0)?);
    check_fit(w.dims() == [n, k], "a product", &[x, w])?;
    let (x, w) = (Slice::of(x)?, Slice::of(w)?);
    if m <= FEW_ROWS {
        let mut y = vec![0.0; m * n];
        add_few_rows(compute, (&x, k), (&w, k), 1.0, (&mut y, n, 0..n));
        return matrix(y, m, n);
    }
    let mut y = uninit(m * n);
    // SAFETY: the views cover exactly the tensors' data, and `y` is ours.
    unsafe {
        let (x, w) = (View::rows(&x, k), View::rows(&w, k).transposed());
        sgemm_parallel((m, n, k), 1.0, x, w, false, (y.as_mut_ptr(), n));
    }
    matrix(y, m, n)
}

/// `scale x (m, columns) w` for the given columns of x (m, n) and w (columns, k): (m, k).
pub(super) fn product_of_columns(
    compute: &Compute,
    x: &Tensor,
    columns: &Range<usize>,
    w: &Tensor,
    scale: f32,
) -> Result<Tensor> {
    if !compute.fused() {
        let x = x.narrow(1, columns.start, columns.len())?.contiguous()?;
        return Ok((x.matmul(w)? * f64::from(scale))?);
    }
    let ((m, n), k) = (x.dims2()?, w.dim(1)?);
    check_fit(columns.end <= n && w.dims() == [columns.len(), k], "a product of columns", &[x, w])?;
    let mut y = uninit(m * k);
    let (x, w) = (Slice::of(x)?, Slice::of(w)?);
    // SAFETY: as in `product_transposed`.
    unsafe {
        let x = View::rows(&x[columns.start..], n);
        sgemm_parallel((m, k, columns.len()), scale, x, View::rows(&w, k), false, (y.as_mut_ptr(), k));
    }
    matrix(y, m, k)
}

/// `x (m, n) w` for w (n, k): (m, k).
pub(super) fn product(compute: &Compute, x: &Tensor, w: &Tensor) -> Result<Tensor> {
    product_of_columns(compute, x, &(0..x.dim(1)?), w, 1.0)
}

/// `scale leftᵀ right` for the given columns of left (t, p) and right (t, q), all rows: the sum over
/// tokens that makes a weight gradient, (left columns, right columns).
pub(super) fn sum_over_rows(
    compute: &Compute,
    (left, p): (&Tensor, Range<usize>),
    (right, q): (&Tensor, Range<usize>),
    scale: f32,
) -> Result<Tensor> {
    if !compute.fused() {
        let left = left.narrow(1, p.start, p.len())?.contiguous()?;
        let right = right.narrow(1, q.start, q.len())?.contiguous()?;
        return Ok((left.t()?.matmul(&right)? * f64::from(scale))?);
    }
    let ((t, left_width), right_width) = (left.dims2()?, right.dim(1)?);
    let inside = p.end <= left_width && q.end <= right_width;
    check_fit(inside && right.dim(0)? == t, "a sum over rows", &[left, right])?;
    let (left, right) = (Slice::of(left)?, Slice::of(right)?);
    let mut out = vec![0.0; p.len() * q.len()];
    let left = outer::View::new(&left[p.start..], t, p.len(), left_width);
    let right = outer::View::new(&right[q.start..], t, q.len(), right_width);
    outer::outer_accumulate_with(compute.isa(), &mut out, scale, left, right);
    matrix(out, p.len(), q.len())
}

/// Adds `scale h bᵀ`, for the given columns of h (rows, r) and b (columns, r), to the given rows and
/// columns of `y` (t, n).
pub(super) fn add_update(
    compute: &Compute,
    y: Tensor,
    (rows, columns): (&Range<usize>, &Range<usize>),
    (h, ranks): (&Tensor, &Range<usize>),
    b: &Tensor,
    scale: f32,
) -> Result<Tensor> {
    if !compute.fused() {
        let h = h.narrow(1, ranks.start, ranks.len())?.contiguous()?;
        let update = (h.matmul(&b.t()?)? * f64::from(scale))?;
        let (t, n) = y.dims2()?;
        let update = update.pad_with_zeros(1, columns.start, n - columns.end)?;
        return Ok((y + update.pad_with_zeros(0, rows.start, t - rows.end)?)?);
    }
    let ((m, width), (t, n), r) = (h.dims2()?, y.dims2()?, ranks.len());
    let inside = rows.end <= t && columns.end <= n && ranks.end <= width;
    check_fit(inside && m == rows.len() && b.dims() == [columns.len(), r], "an update", &[&y, h, b])?;
    let (h, b) = (Slice::of(h)?, Slice::of(b)?);
    if m <= FEW_ROWS {
        update_in_place(&y, |data| {
            let out = (&mut data[rows.start * n..rows.end * n], n, columns.clone());
            add_few_rows(compute, (&h[ranks.start..], width), (&b, r), scale, out);
        })?;
        return Ok(y);
    }
    update_in_place(&y, |data| {
        let at = Disjoint::of(data);
        // SAFETY: rows and columns lie within y, which nobody else uses.
        unsafe {
            let c = at.at(rows.start * n + columns.start);
            let (h, b) = (View::rows(&h[ranks.start..], width), View::rows(&b, r).transposed());
            sgemm_parallel((m, columns.len(), r), scale, h, b, true, (c, n));
        }
    })?;
    Ok(y)
}

/// Adds `addend` (rows, width) to the given rows of `x` (t, width).
pub(super) fn add_rows(compute: &Compute, x: Tensor, rows: &Range<usize>, addend: &Tensor) -> Result<Tensor> {
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

/// Adds `bias` (n) to every row of `y` (t, n).
pub(super) fn add_bias(compute: &Compute, y: Tensor, bias: &Tensor) -> Result<Tensor> {
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
