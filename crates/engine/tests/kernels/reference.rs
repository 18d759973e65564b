//! Every operation written out in f64, one plain loop after the other, and central differences of them.
#![allow(clippy::needless_range_loop, reason = "the indices are those of the formulas")]

use std::ops::Range;

use seald_engine::batch::Segment;
use seald_engine::kernels::norm::Heads;

/// A matrix in f64, row after row.
#[derive(Debug, Clone)]
pub(crate) struct Matrix {
    pub(crate) data: Vec<f64>,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
}

impl Matrix {
    pub(crate) fn zeros(rows: usize, columns: usize) -> Self {
        Self { data: vec![0.0; rows * columns], rows, columns }
    }

    pub(crate) fn row(&self, i: usize) -> &[f64] {
        &self.data[i * self.columns..(i + 1) * self.columns]
    }

    pub(crate) fn row_mut(&mut self, i: usize) -> &mut [f64] {
        &mut self.data[i * self.columns..(i + 1) * self.columns]
    }

    /// `self otherᵀ`.
    pub(crate) fn times_transposed(&self, other: &Matrix) -> Matrix {
        assert_eq!(self.columns, other.columns);
        let mut out = Matrix::zeros(self.rows, other.rows);
        for i in 0..self.rows {
            for j in 0..other.rows {
                out.row_mut(i)[j] = dot(self.row(i), other.row(j));
            }
        }
        out
    }

    fn part(&self, rows: Range<usize>) -> Matrix {
        let data = self.data[rows.start * self.columns..rows.end * self.columns].to_vec();
        Matrix { data, rows: rows.len(), columns: self.columns }
    }
}

pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// At the elements `at` of `x`: the slope of `<dy, f(x)>`, by central differences.
pub(crate) fn slopes(
    x: &Matrix,
    at: &[usize],
    dy: &Matrix,
    f: impl Fn(&Matrix) -> Matrix,
) -> Vec<(usize, f64)> {
    const STEP: f64 = 1e-5;
    let moved = |i: usize, by: f64| {
        let mut x = x.clone();
        x.data[i] += by;
        dot(&f(&x).data, &dy.data)
    };
    at.iter().map(|&i| (i, (moved(i, STEP) - moved(i, -STEP)) / (2.0 * STEP))).collect()
}

fn rms_norm_row(x: &[f64], w: &[f64], eps: f64, out: &mut [f64]) {
    let r = 1.0 / (dot(x, x) / x.len() as f64 + eps).sqrt();
    for i in 0..x.len() {
        out[i] = x[i] * r * w[i];
    }
}

pub(crate) fn rms_norm(x: &Matrix, w: &[f64], eps: f64) -> Matrix {
    let mut y = Matrix::zeros(x.rows, x.columns);
    for i in 0..x.rows {
        rms_norm_row(x.row(i), w, eps, y.row_mut(i));
    }
    y
}

pub(crate) fn head_norms(heads: Heads, x: &Matrix, (wq, wk): (&[f64], &[f64]), eps: f64) -> Matrix {
    let mut y = x.clone();
    for i in 0..x.rows {
        for h in 0..heads.queries + heads.keys {
            let at = h * heads.width..(h + 1) * heads.width;
            let w = if h < heads.queries { wq } else { wk };
            rms_norm_row(&x.row(i)[at.clone()], w, eps, &mut y.row_mut(i)[at]);
        }
    }
    y
}

/// Feature j of the first half of a head and feature j of its second half are turned by
/// `position * frequency[j]`, which is rounded to f32 as in every implementation.
pub(crate) fn rotate(heads: Heads, x: &Matrix, frequencies: &[f32], positions: &[u32]) -> Matrix {
    let (mut y, half) = (x.clone(), heads.width / 2);
    for i in 0..x.rows {
        for h in 0..heads.queries + heads.keys {
            for j in 0..half {
                let (sin, cos) = f64::from(positions[i] as f32 * frequencies[j]).sin_cos();
                let (a, b) = (h * heads.width + j, h * heads.width + half + j);
                y.row_mut(i)[a] = x.row(i)[a] * cos - x.row(i)[b] * sin;
                y.row_mut(i)[b] = x.row(i)[b] * cos + x.row(i)[a] * sin;
            }
        }
    }
    y
}

pub(crate) fn swiglu(x: &Matrix) -> Matrix {
    let f = x.columns / 2;
    let mut y = Matrix::zeros(x.rows, f);
    for i in 0..x.rows {
        for j in 0..f {
            let (gate, up) = (x.row(i)[j], x.row(i)[f + j]);
            y.row_mut(i)[j] = gate / (1.0 + (-gate).exp()) * up;
        }
    }
    y
}

pub(crate) fn softmax(scores: &mut [f64]) {
    let top = scores.iter().fold(f64::NEG_INFINITY, |m, &s| m.max(s));
    let sum: f64 = scores.iter().map(|s| (s - top).exp()).sum();
    scores.iter_mut().for_each(|s| *s = (*s - top).exp() / sum);
}

/// Causal attention of each segment over itself.
pub(crate) fn attention(heads: Heads, segments: &[Segment], qkv: &Matrix) -> Matrix {
    let Heads { queries, keys, width } = heads;
    let mut out = Matrix::zeros(qkv.rows, queries * width);
    for segment in segments {
        for h in 0..queries {
            let kv = h / (queries / keys);
            let (q_at, k_at, v_at) = (h * width, (queries + kv) * width, (queries + keys + kv) * width);
            for i in segment.range() {
                let q = &qkv.row(i)[q_at..q_at + width];
                let mut p: Vec<f64> = (segment.start..=i)
                    .map(|j| dot(q, &qkv.row(j)[k_at..k_at + width]) / (width as f64).sqrt())
                    .collect();
                softmax(&mut p);
                for (j, p) in (segment.start..=i).zip(p) {
                    for d in 0..width {
                        out.row_mut(i)[q_at + d] += p * qkv.row(j)[v_at + d];
                    }
                }
            }
        }
    }
    out
}

/// One adapter's matrices for one projection: A (r, k), B (n, r) and the scale.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    pub(crate) a: Matrix,
    pub(crate) b: Matrix,
    pub(crate) scale: f64,
}

/// (rows of the batch, columns of the layer, matrices)
pub(crate) type Placed = (Range<usize>, Range<usize>, Pair);

/// `x Wᵀ + b`, plus `s (x Aᵀ) Bᵀ` in the rows and the columns of each pair.
pub(crate) fn linear(x: &Matrix, w: &Matrix, bias: Option<&[f64]>, pairs: &[Placed]) -> Matrix {
    let mut y = x.times_transposed(w);
    for (rows, columns, pair) in pairs {
        let update = x.part(rows.clone()).times_transposed(&pair.a).times_transposed(&pair.b);
        for (i, row) in rows.clone().enumerate() {
            for (j, column) in columns.clone().enumerate() {
                y.row_mut(row)[column] += pair.scale * update.row(i)[j];
            }
        }
    }
    for i in 0..y.rows {
        for (y, b) in y.row_mut(i).iter_mut().zip(bias.unwrap_or_default()) {
            *y += b;
        }
    }
    y
}

/// `ln softmax(z)`.
pub(crate) fn log_softmax(z: &[f64]) -> Vec<f64> {
    let top = z.iter().fold(f64::NEG_INFINITY, |m, &s| m.max(s));
    let sum: f64 = z.iter().map(|s| (s - top).exp()).sum();
    z.iter().map(|s| s - top - sum.ln()).collect()
}

/// KL divergence from a label that names some tokens and leaves the rest to "any other token".
pub(crate) fn soft_loss(log_q: &[f64], ids: &[u32], log_probs: &[f32]) -> f64 {
    let p: Vec<f64> = log_probs.iter().map(|&l| f64::from(l).exp()).collect();
    let named: f64 = ids.iter().map(|&id| log_q[id as usize].exp()).sum();
    let rest = 1.0 - p.iter().sum::<f64>();
    let of_named: f64 = ids.iter().zip(&p).map(|(&id, p)| p * (p.ln() - log_q[id as usize])).sum();
    of_named + rest * (rest.ln() - (1.0 - named).ln())
}
