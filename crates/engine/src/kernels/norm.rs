//! RMSNorm (Zhang & Sennrich 2019): `y = x w / sqrt(mean(x²) + eps)`, over rows of any width.

use candle_core::{D, Tensor};

use super::rows::for_each_row;
use super::simd::{LANES, dot, simd_fn};
use super::{Compute, Slice, matrix, uninit};
use seald_core::error::Result;

simd_fn! {
    /// One row forward; returns `1 / sqrt(mean(x²) + eps)`.
    pub(super) fn row_forward(x: &[f32], w: &[f32], eps: f32, y: &mut [f32]) -> f32 {
        let r = 1.0 / (dot(x, x) / x.len() as f32 + eps).sqrt();
        for ((y, x), w) in y.iter_mut().zip(x).zip(w) {
            *y = x * r * w;
        }
        r
    }
}

simd_fn! {
    /// One row backward: `dx += r w dy - x r³ sum(dy w x) / n`, added to what `dx` holds.
    pub(super) fn row_backward(x: &[f32], w: &[f32], eps: f32, dy: &[f32], dx: &mut [f32]) {
        let n = x.len();
        let r = 1.0 / (dot(x, x) / n as f32 + eps).sqrt();
        let mut lanes = [0.0f32; LANES];
        for i in (0..n / LANES * LANES).step_by(LANES) {
            for l in 0..LANES {
                lanes[l] += dy[i + l] * w[i + l] * x[i + l];
            }
        }
        let mut sum: f32 = lanes.iter().sum();
        for i in n / LANES * LANES..n {
            sum += dy[i] * w[i] * x[i];
        }
        let c = r * r * r * sum / n as f32;
        for i in 0..n {
            dx[i] += r * w[i] * dy[i] - c * x[i];
        }
    }
}

/// `x` (t, h) normalised and scaled by `w` (h): (t, h).
///
/// # Errors
/// When the shapes do not fit.
pub fn forward(compute: &Compute, x: &Tensor, w: &Tensor, eps: f64) -> Result<Tensor> {
    if !compute.fused() {
        let r = ((x.sqr()?.mean_keepdim(D::Minus1)? + eps)?.sqrt()?).recip()?;
        return Ok(x.broadcast_mul(&r)?.broadcast_mul(w)?);
    }
    let (t, h) = x.dims2()?;
    let (x, w) = (Slice::of(x)?, Slice::of(w)?);
    let mut y = uninit(t * h);
    for_each_row(&mut y, h, |i, row| {
        row_forward(compute.isa(), &x[i * h..(i + 1) * h], &w, eps as f32, row);
    });
    matrix(y, t, h)
}

/// The gradient of `x` for the output gradient `dy` (t, h), plus `residual` (t, h): the gradient that
/// reaches `x` by the skip connection.
///
/// # Errors
/// When the shapes do not fit.
pub fn backward(
    compute: &Compute,
    x: &Tensor,
    w: &Tensor,
    eps: f64,
    dy: &Tensor,
    residual: Tensor,
) -> Result<Tensor> {
    if !compute.fused() {
        let n = x.dim(D::Minus1)? as f64;
        let r = ((x.sqr()?.mean_keepdim(D::Minus1)? + eps)?.sqrt()?).recip()?;
        let g = dy.broadcast_mul(w)?;
        let sum = (&g * x)?.sum_keepdim(D::Minus1)?;
        let c = ((&r * r.sqr()?)? * sum)?.affine(1.0 / n, 0.0)?;
        return Ok((residual + (g.broadcast_mul(&r)? - x.broadcast_mul(&c)?)?)?);
    }
    let h = x.dim(1)?;
    let (x, w, dy) = (Slice::of(x)?, Slice::of(w)?, Slice::of(dy)?);
    super::update_in_place(&residual, |dx| {
        for_each_row(dx, h, |i, row| {
            let at = i * h..(i + 1) * h;
            row_backward(compute.isa(), &x[at.clone()], &w, eps as f32, &dy[at], row);
        });
    })?;
    Ok(residual)
}

/// The widths of a packed (q | k | v) row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heads {
    /// Query heads.
    pub queries: usize,
    /// Key/value heads; divides `queries`.
    pub keys: usize,
    /// Width of one head.
    pub width: usize,
}

impl Heads {
    /// Width of a (q | k | v) row.
    pub fn row(self) -> usize {
        (self.queries + 2 * self.keys) * self.width
    }
}

/// Qwen3's norm on each q and k head of `qkv` (t, row); v passes unchanged. (t, row).
///
/// # Errors
/// When the shapes do not fit.
pub fn heads_forward(
    compute: &Compute,
    heads: Heads,
    qkv: &Tensor,
    weights: (&Tensor, &Tensor),
    eps: f64,
) -> Result<Tensor> {
    let (t, row_width) = qkv.dims2()?;
    let (nq, nk, hd) = (heads.queries, heads.keys, heads.width);
    if !compute.fused() {
        let part = |from: usize, count: usize, w: &Tensor| -> Result<Tensor> {
            let x = qkv.narrow(1, from * hd, count * hd)?.contiguous()?.reshape((t * count, hd))?;
            Ok(forward(compute, &x, w, eps)?.reshape((t, count * hd))?)
        };
        let (q, k) = (part(0, nq, weights.0)?, part(nq, nk, weights.1)?);
        let v = qkv.narrow(1, (nq + nk) * hd, nk * hd)?;
        return Ok(Tensor::cat(&[&q, &k, &v], 1)?);
    }
    let (x, wq, wk) = (Slice::of(qkv)?, Slice::of(weights.0)?, Slice::of(weights.1)?);
    let mut y = uninit(t * row_width);
    for_each_row(&mut y, row_width, |i, row| {
        let x = &x[i * row_width..(i + 1) * row_width];
        for h in 0..nq + nk {
            let at = h * hd..(h + 1) * hd;
            row_forward(
                compute.isa(),
                &x[at.clone()],
                if h < nq { &wq } else { &wk },
                eps as f32,
                &mut row[at],
            );
        }
        row[(nq + nk) * hd..].copy_from_slice(&x[(nq + nk) * hd..]);
    });
    matrix(y, t, row_width)
}

/// The gradient of [`heads_forward`]'s input `qkv` for the output gradient `dy`, both (t, row).
///
/// # Errors
/// When the shapes do not fit.
pub fn heads_backward(
    compute: &Compute,
    heads: Heads,
    qkv: &Tensor,
    weights: (&Tensor, &Tensor),
    eps: f64,
    dy: Tensor,
) -> Result<Tensor> {
    let (t, row_width) = qkv.dims2()?;
    let (nq, nk, hd) = (heads.queries, heads.keys, heads.width);
    if !compute.fused() {
        let part = |from: usize, count: usize, w: &Tensor| -> Result<Tensor> {
            let cut =
                |t2: &Tensor| t2.narrow(1, from * hd, count * hd)?.contiguous()?.reshape((t * count, hd));
            let (x, d) = (cut(qkv)?, cut(&dy)?);
            let zero = x.zeros_like()?;
            Ok(backward(compute, &x, w, eps, &d, zero)?.reshape((t, count * hd))?)
        };
        let (q, k) = (part(0, nq, weights.0)?, part(nq, nk, weights.1)?);
        let v = dy.narrow(1, (nq + nk) * hd, nk * hd)?;
        return Ok(Tensor::cat(&[&q, &k, &v], 1)?);
    }
    let (x, wq, wk, d) = (Slice::of(qkv)?, Slice::of(weights.0)?, Slice::of(weights.1)?, Slice::of(&dy)?);
    let mut dx = uninit(t * row_width);
    for_each_row(&mut dx, row_width, |i, row| {
        let (x, d) = (&x[i * row_width..(i + 1) * row_width], &d[i * row_width..(i + 1) * row_width]);
        row[..(nq + nk) * hd].fill(0.0);
        for h in 0..nq + nk {
            let at = h * hd..(h + 1) * hd;
            let w: &[f32] = if h < nq { &wq } else { &wk };
            row_backward(compute.isa(), &x[at.clone()], w, eps as f32, &d[at.clone()], &mut row[at]);
        }
        row[(nq + nk) * hd..].copy_from_slice(&d[(nq + nk) * hd..]);
    });
    matrix(dx, t, row_width)
}
