//! The backward pass of attention: `dV = Pᵀ dO`, `dP = dO Vᵀ`, `dS = P (dP - rowsum(dO O))`,
//! `dQ = dS K / sqrt(d)`, `dK = dSᵀ Q / sqrt(d)`; P is made again from the kept log sums (Dao et al. 2022).

use candle_core::{D, Tensor};
use rayon::prelude::*;

use super::attention::{Attended, BLOCK, check_shapes, composite_weights, repeat, split_heads};
use super::cpu::Isa;
use super::norm::Heads;
use super::sgemm::{View, sgemm};
use super::simd::{dot, exp, simd_fn};
use super::{Compute, Disjoint, Slice, check_fit, matrix, uninit};
use crate::batch::Segment;
use seald_core::error::{Error, Kind, Result};

simd_fn! {
    /// One row: scores become probabilities over the first `valid` columns, zero beyond.
    fn probabilities_row(scores: &mut [f32], valid: usize, log_sum: f32) {
        let (live, dead) = scores.split_at_mut(valid);
        for x in live {
            *x = exp(*x - log_sum);
        }
        dead.fill(0.0);
    }
}

simd_fn! {
    /// One row: `dp` becomes `dS = p (dp - sum(dO O)) scale` over the first `valid` columns, zero beyond.
    fn score_gradient_row(p: &[f32], dp: &mut [f32], valid: usize, mean: f32, scale: f32) {
        let (live, dead) = dp.split_at_mut(valid);
        for (d, p) in live.iter_mut().zip(p) {
            *d = p * (*d - mean) * scale;
        }
        dead.fill(0.0);
    }
}

simd_fn! {
    /// Dot product of a row of dO with the same row of O.
    fn row_dot(a: &[f32], b: &[f32]) -> f32 {
        dot(a, b)
    }
}

/// The gradient of `qkv` (t, q | k | v) for the gradient `d_out` (t, q) of what
/// [`forward`](super::attention::forward) made of it.
///
/// # Errors
/// When the shapes do not fit.
pub fn backward(
    compute: &Compute,
    heads: Heads,
    segments: &[Segment],
    qkv: &Tensor,
    attended: &Attended,
    d_out: &Tensor,
) -> Result<Tensor> {
    check_shapes(heads, segments, qkv)?;
    let out = [qkv.dim(0)?, heads.queries * heads.width];
    check_fit(
        d_out.dims() == out && attended.output.dims() == out,
        "attention's backward pass",
        &[qkv, d_out],
    )?;
    if !compute.fused() {
        return composite(heads, segments, qkv, d_out);
    }
    let (t, row) = qkv.dims2()?;
    let nk = heads.keys;
    let log_sum = attended.log_sum.as_ref().ok_or_else(|| {
        Error::new(Kind::Internal, "attention's backward pass needs the log sums of its forward pass")
    })?;
    let data = Data {
        qkv: Slice::of(qkv)?,
        out: Slice::of(&attended.output)?,
        d_out: Slice::of(d_out)?,
        log_sum: Slice::of(log_sum)?,
    };
    let mut gradient = uninit(t * row);
    let at = Disjoint::of(&mut gradient);
    (0..segments.len() * nk).into_par_iter().for_each(|task| {
        let (segment, kv) = (segments[task / nk], task % nk);
        // SAFETY: a task writes the rows of its segment in the columns of its kv head and of the
        // query heads that share it; nobody else does.
        unsafe { group_backward(compute.isa(), heads, segment, kv, &data, at) };
    });
    drop(data);
    matrix(gradient, t, row)
}

/// What the backward pass reads, as slices.
struct Data<'a> {
    qkv: Slice<'a>,
    out: Slice<'a>,
    d_out: Slice<'a>,
    log_sum: Slice<'a>,
}

/// One kv head of one segment, with the query heads that share it, in blocks of query rows.
///
/// # Safety
/// `gradient` must be as large as `data.qkv`, and nobody else may use this group's part of it.
unsafe fn group_backward(
    isa: Isa,
    heads: Heads,
    segment: Segment,
    kv: usize,
    data: &Data<'_>,
    gradient: Disjoint,
) {
    let (nq, nk, hd, row) = (heads.queries, heads.keys, heads.width, heads.row());
    let (len, group) = (segment.len, nq / nk);
    let scale = 1.0 / (hd as f32).sqrt();
    let first_of = |column: usize| segment.start * row + column;
    let (k_at, v_at) = (first_of((nq + kv) * hd), first_of((nq + nk + kv) * hd));
    let (k, v) = (View::rows(&data.qkv[k_at..], row), View::rows(&data.qkv[v_at..], row));
    let mut p = uninit(BLOCK.min(len) * len);
    let mut ds = uninit(BLOCK.min(len) * len);
    // SAFETY: all within the matrices, see the contract; p and ds hold m * n elements.
    unsafe {
        for r in 0..len {
            std::slice::from_raw_parts_mut(gradient.at(k_at + r * row), hd).fill(0.0);
            std::slice::from_raw_parts_mut(gradient.at(v_at + r * row), hd).fill(0.0);
        }
        for h in kv * group..(kv + 1) * group {
            let (q_at, o_at) = (first_of(h * hd), segment.start * nq * hd + h * hd);
            let (q, d_o) = (View::rows(&data.qkv[q_at..], row), View::rows(&data.d_out[o_at..], nq * hd));
            for first in (0..len).step_by(BLOCK) {
                let m = BLOCK.min(len - first);
                let n = first + m;
                let (q, d_o) = (q.below(first), d_o.below(first));
                sgemm((m, n, hd), scale, q, k.transposed(), false, (p.as_mut_ptr(), n));
                sgemm((m, n, hd), 1.0, d_o, v.transposed(), false, (ds.as_mut_ptr(), n));
                for r in 0..m {
                    let at = o_at + (first + r) * nq * hd;
                    let mean = row_dot(isa, &data.d_out[at..at + hd], &data.out[at..at + hd]);
                    let log_sum = data.log_sum[(segment.start + first + r) * nq + h];
                    let (p_row, ds_row) = (&mut p[r * n..(r + 1) * n], &mut ds[r * n..(r + 1) * n]);
                    probabilities_row(isa, p_row, first + r + 1, log_sum);
                    score_gradient_row(isa, p_row, ds_row, first + r + 1, mean, scale);
                }
                let (p, ds) = (View::rows(&p, n), View::rows(&ds, n));
                sgemm((m, hd, n), 1.0, ds, k, false, (gradient.at(q_at + first * row), row));
                sgemm((n, hd, m), 1.0, ds.transposed(), q, true, (gradient.at(k_at), row));
                sgemm((n, hd, m), 1.0, p.transposed(), d_o, true, (gradient.at(v_at), row));
            }
        }
    }
}

/// The same by candle operations, segment by segment.
fn composite(heads: Heads, segments: &[Segment], qkv: &Tensor, d_out: &Tensor) -> Result<Tensor> {
    let (nq, nk, hd) = (heads.queries, heads.keys, heads.width);
    let scale = 1.0 / (hd as f64).sqrt();
    let mut parts = Vec::with_capacity(segments.len());
    for segment in segments {
        let t = segment.len;
        let [q, k, v] = split_heads(heads, &qkv.narrow(0, segment.start, t)?)?;
        let d_o = d_out.narrow(0, segment.start, t)?.reshape((t, nq, hd))?.transpose(0, 1)?.contiguous()?;
        let p = composite_weights(heads, &q, &k)?; // (queries, t, t)
        let dp = d_o.matmul(&repeat(heads, &v)?.transpose(1, 2)?)?; // (queries, t, t)
        let mean = (&p * &dp)?.sum_keepdim(D::Minus1)?;
        let ds = ((&p * dp.broadcast_sub(&mean)?)? * scale)?;
        let dq = ds.matmul(&repeat(heads, &k)?)?; // (queries, t, d)
        // Query heads that share a kv head add up.
        let fold = |x: Tensor| -> Result<Tensor> { Ok(x.reshape((nk, nq / nk, t, hd))?.sum(1)?) };
        let dk = fold(ds.transpose(1, 2)?.contiguous()?.matmul(&q)?)?; // (keys, t, d)
        let dv = fold(p.transpose(1, 2)?.contiguous()?.matmul(&d_o)?)?;
        let flat = |x: Tensor, count: usize| -> Result<Tensor> {
            Ok(x.transpose(0, 1)?.contiguous()?.reshape((t, count * hd))?)
        };
        parts.push(Tensor::cat(&[flat(dq, nq)?, flat(dk, nk)?, flat(dv, nk)?], 1)?);
    }
    Ok(Tensor::cat(&parts, 0)?)
}
