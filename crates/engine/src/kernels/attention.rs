//! Causal self-attention within each segment of a packed batch, forward; and the parts that the
//! backward pass shares.
//!
//! `P = softmax(Q Kᵀ / sqrt(d))`, `O = P V`, computed in blocks of query rows. Only O and the
//! logarithm of each row's softmax sum are kept; the backward pass makes P again from them
//! (Dao et al. 2022).

use candle_core::{D, Tensor};
use rayon::prelude::*;

use super::cpu::Isa;
use super::norm::Heads;
use super::sgemm::{View, sgemm};
use super::simd::{self, dot, simd_fn};
use super::{Compute, Disjoint, Slice, check_fit, matrix, uninit};
use crate::batch::Segment;
use crate::cache::KvCache;
use seald_core::error::Result;

/// Query rows handled at a time.
pub(super) const BLOCK: usize = 64;

/// What attention leaves for its backward pass.
#[derive(Debug, Clone)]
pub struct Attended {
    /// O, (t, query heads * width).
    pub output: Tensor,
    /// Log of the softmax sum of each row and head, (t, query heads). Empty without fused kernels.
    pub log_sum: Option<Tensor>,
}

simd_fn! {
    /// Row r of a block of scores becomes probabilities over its first `valid` columns and zero
    /// beyond; returns the logarithm of the softmax sum.
    pub(super) fn softmax_row(row: &mut [f32], valid: usize) -> f32 {
        let (live, dead) = row.split_at_mut(valid);
        let top = simd::max(live);
        let sum = simd::exp_shifted_in_place(live, top);
        let scale = 1.0 / sum;
        for x in live {
            *x *= scale;
        }
        dead.fill(0.0);
        top + sum.ln()
    }
}

simd_fn! {
    /// One query over as many cached keys and values as `scores` has room for, their rows `stride` apart.
    fn attend_one(query: &[f32], keys: &[f32], values: &[f32], stride: usize, scores: &mut [f32], out: &mut [f32]) {
        let (width, n) = (query.len(), scores.len());
        let scale = 1.0 / (width as f32).sqrt();
        for j in 0..n {
            scores[j] = scale * dot(query, &keys[j * stride..j * stride + width]);
        }
        let top = simd::max(scores);
        let sum = simd::exp_shifted_in_place(scores, top);
        out.fill(0.0);
        for j in 0..n {
            let p = scores[j] / sum;
            for (o, v) in out.iter_mut().zip(&values[j * stride..j * stride + width]) {
                *o += p * v;
            }
        }
    }
}

/// Whether `qkv` is (t, q | k | v) of these heads, and the segments cover its rows in order.
pub(super) fn check_shapes(heads: Heads, segments: &[Segment], qkv: &Tensor) -> Result<()> {
    let Heads { queries, keys, width } = heads;
    let grouped = keys > 0 && width > 0 && queries.is_multiple_of(keys);
    let end = segments.iter().try_fold(0, |end, s| (s.start == end && s.len > 0).then_some(end + s.len));
    let covered = end.is_some_and(|end| qkv.dims() == [end, heads.row()]);
    check_fit(grouped && covered, "attention over q | k | v", &[qkv])
}

/// Attention of each segment over itself: `qkv` (t, q | k | v) with rotated q and k -> O (t, q).
///
/// # Errors
/// When the shapes do not fit.
pub fn forward(compute: &Compute, heads: Heads, segments: &[Segment], qkv: &Tensor) -> Result<Attended> {
    check_shapes(heads, segments, qkv)?;
    check_fit(segments.iter().all(|s| s.past == 0), "attention without a cache to a cached past", &[qkv])?;
    let (t, row) = qkv.dims2()?;
    let (nq, nk, hd) = (heads.queries, heads.keys, heads.width);
    if !compute.fused() {
        let mut parts = Vec::with_capacity(segments.len());
        for segment in segments {
            let rows = qkv.narrow(0, segment.start, segment.len)?;
            let [q, k, v] = split_heads(heads, &rows)?;
            parts.push(composite_segment(heads, &q, &k, &v)?);
        }
        return Ok(Attended { output: Tensor::cat(&parts, 0)?, log_sum: None });
    }
    let data = Slice::of(qkv)?;
    let mut out = uninit(t * nq * hd);
    let mut log_sum = uninit(t * nq);
    let (out_at, log_at) = (Disjoint::of(&mut out), Disjoint::of(&mut log_sum));
    (0..segments.len() * nq).into_par_iter().for_each(|task| {
        let (segment, h) = (segments[task / nq], task % nq);
        let kv = h / (nq / nk);
        let part = |column: usize| View::rows(&data[segment.start * row + column..], row);
        let views = [part(h * hd), part((nq + kv) * hd), part((nq + nk + kv) * hd)];
        // SAFETY: a task writes the rows of its segment in the columns of its head, nobody else does.
        unsafe {
            let out = (out_at.at(segment.start * nq * hd + h * hd), nq * hd);
            let log = (log_at.at(segment.start * nq + h), nq);
            blocks_forward(compute.isa(), hd, segment, views, out, Some(log));
        }
    });
    drop(data);
    Ok(Attended { output: matrix(out, t, nq * hd)?, log_sum: Some(matrix(log_sum, t, nq)?) })
}

/// Attention of each segment over its cached past and itself. The keys and values of `qkv` must have
/// been appended to `cache` before; segment i uses cache slot `slots[i]`. O (t, q).
///
/// # Errors
/// When the shapes do not fit.
pub fn forward_cached(
    compute: &Compute,
    heads: Heads,
    segments: &[Segment],
    qkv: &Tensor,
    cache: &KvCache,
    (layer, slots): (usize, &[usize]),
) -> Result<Tensor> {
    check_shapes(heads, segments, qkv)?;
    let (t, row) = qkv.dims2()?;
    let (nq, nk, hd) = (heads.queries, heads.keys, heads.width);
    if !compute.fused() {
        let mut parts = Vec::with_capacity(segments.len());
        for (segment, &slot) in segments.iter().zip(slots) {
            let [q, _, _] = split_heads(heads, &qkv.narrow(0, segment.start, segment.len)?)?;
            let (k, v) = cache.tensors(slot, layer)?;
            parts.push(composite_segment(heads, &q, k, v)?);
        }
        return Ok(Tensor::cat(&parts, 0)?);
    }
    let data = Slice::of(qkv)?;
    let mut out = uninit(t * nq * hd);
    let out_at = Disjoint::of(&mut out);
    (0..segments.len() * nq).into_par_iter().with_min_len(nq / nk).for_each(|task| {
        let (segment, slot, h) = (segments[task / nq], slots[task / nq], task % nq);
        let (keys, values) = cache.rows(slot, layer);
        let (kv, stride) = (h / (nq / nk) * hd, nk * hd);
        let query = &data[segment.start * row + h * hd..];
        let out = segment.start * nq * hd + h * hd;
        // SAFETY: a task writes the rows of its segment in the columns of its head, nobody else does.
        unsafe {
            if segment.len == 1 {
                let n = segment.past + 1;
                let out = std::slice::from_raw_parts_mut(out_at.at(out), hd);
                let mut scores = uninit(n);
                attend_one(compute.isa(), &query[..hd], &keys[kv..], &values[kv..], stride, &mut scores, out);
            } else {
                let views = [
                    View::rows(query, row),
                    View::rows(&keys[kv..], stride),
                    View::rows(&values[kv..], stride),
                ];
                blocks_forward(compute.isa(), hd, segment, views, (out_at.at(out), nq * hd), None);
            }
        }
    });
    drop(data);
    matrix(out, t, nq * hd)
}

/// One head of one segment, in blocks of query rows: `views` are its q, k and v, of which k and v
/// start at the sequence's first token. Writes O and, if wanted, the log sums; both are
/// (pointer to the first row, stride).
///
/// # Safety
/// `q` must have `segment.len` rows, `k` and `v` `segment.past + segment.len`; the outputs as `q`,
/// and nobody else may use their columns.
unsafe fn blocks_forward(
    isa: Isa,
    hd: usize,
    segment: Segment,
    [q, k, v]: [View; 3],
    (out, out_stride): (*mut f32, usize),
    log: Option<(*mut f32, usize)>,
) {
    let scale = 1.0 / (hd as f32).sqrt();
    let mut scores = uninit(BLOCK.min(segment.len) * (segment.past + segment.len));
    for first in (0..segment.len).step_by(BLOCK) {
        let m = BLOCK.min(segment.len - first);
        let n = segment.past + first + m;
        // SAFETY: by the contract above; `scores` holds m * n elements.
        unsafe {
            sgemm((m, n, hd), scale, q.below(first), k.transposed(), false, (scores.as_mut_ptr(), n));
            for r in 0..m {
                let row = &mut scores[r * n..(r + 1) * n];
                let log_sum = softmax_row(isa, row, segment.past + first + r + 1);
                if let Some((log, stride)) = log {
                    *log.add((first + r) * stride) = log_sum;
                }
            }
            let out = out.add(first * out_stride);
            sgemm((m, hd, n), 1.0, View::rows(&scores, n), v, false, (out, out_stride));
        }
    }
}

/// `rows` (t, q | k | v) as q (queries, t, d), k and v (keys, t, d).
pub(crate) fn split_heads(heads: Heads, rows: &Tensor) -> Result<[Tensor; 3]> {
    let t = rows.dim(0)?;
    let (nq, nk, hd) = (heads.queries, heads.keys, heads.width);
    let part = |from: usize, count: usize| -> Result<Tensor> {
        let x = rows.narrow(1, from * hd, count * hd)?.contiguous()?;
        Ok(x.reshape((t, count, hd))?.transpose(0, 1)?.contiguous()?)
    };
    Ok([part(0, nq)?, part(nq, nk)?, part(nq + nk, nk)?])
}

/// Softmax weights of q (queries, t, d) over k (keys, n, d), the last t of whose n tokens are q's own:
/// (queries, t, n), and k and v repeated for each query head.
pub(super) fn composite_weights(heads: Heads, q: &Tensor, k: &Tensor) -> Result<Tensor> {
    let (t, n) = (q.dim(1)?, k.dim(1)?);
    let scores = (q.matmul(&repeat(heads, k)?.transpose(1, 2)?)? / (heads.width as f64).sqrt())?;
    let mask: Vec<f32> = (0..t)
        .flat_map(|i| (0..n).map(move |j| if j > n - t + i { f32::NEG_INFINITY } else { 0.0 }))
        .collect();
    let masked = scores.broadcast_add(&Tensor::from_vec(mask, (t, n), q.device())?)?;
    Ok(candle_nn::ops::softmax(&masked, D::Minus1)?)
}

/// k or v (keys, n, d) repeated for each of the query heads that share it: (queries, n, d).
pub(super) fn repeat(heads: Heads, x: &Tensor) -> Result<Tensor> {
    let (nk, n, hd) = x.dims3()?;
    let group = heads.queries / heads.keys;
    Ok(x.unsqueeze(1)?.broadcast_as((nk, group, n, hd))?.contiguous()?.reshape((nk * group, n, hd))?)
}

/// O of one segment, (t, queries * d).
fn composite_segment(heads: Heads, q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
    let out = composite_weights(heads, q, k)?.matmul(&repeat(heads, v)?)?; // (queries, t, d)
    let t = out.dim(1)?;
    Ok(out.transpose(0, 1)?.contiguous()?.reshape((t, heads.queries * heads.width))?)
}
