//! Rows of logits: log-sum-exp, the k largest, and losses that leave the logits' gradient in place.

use super::simd::{self, LANES, exp, simd_fn};

simd_fn! {
    /// `ln sum exp(x)`.
    pub(crate) fn log_sum_exp(row: &[f32]) -> f32 {
        let top = simd::max(row);
        let mut lanes = [0.0f32; LANES];
        let chunks = row.chunks_exact(LANES);
        let mut sum: f32 = chunks.remainder().iter().map(|&x| exp(x - top)).sum();
        for x in chunks {
            for l in 0..LANES {
                lanes[l] += exp(x[l] - top);
            }
        }
        for l in lanes {
            sum += l;
        }
        top + sum.ln()
    }
}

simd_fn! {
    /// Cross-entropy of one row of logits; the row becomes `weight (softmax - onehot(token))`.
    pub(crate) fn cross_entropy_row(row: &mut [f32], token: usize, weight: f32) -> f32 {
        let top = simd::max(row);
        let label = row[token] - top;
        let sum = simd::exp_shifted_in_place(row, top);
        let scale = weight / sum;
        for x in row.iter_mut() {
            *x *= scale;
        }
        row[token] -= weight;
        sum.ln() - label
    }
}

simd_fn! {
    /// KL divergence of one row of logits from a label that names some tokens and leaves `rest` to
    /// all others together; the row becomes `weight` times the gradient
    /// `q_j - p_j` for named tokens, `q_j - rest q_j / q_rest` for the others.
    pub(crate) fn soft_row(row: &mut [f32], ids: &[u32], log_probs: &[f32], rest: f32, weight: f32) -> f32 {
        let top = simd::max(row);
        let sum = simd::exp_shifted_in_place(row, top);
        let named: f32 = ids.iter().map(|&id| row[id as usize]).sum();
        // Summed directly the rest would vanish in rounding when the named tokens hold nearly all.
        let q_rest = ((sum - named) / sum).max(1e-9);
        let mut loss = rest * (rest.ln() - q_rest.ln());
        for (&id, &log_p) in ids.iter().zip(log_probs) {
            let log_q = (row[id as usize] / sum).max(1e-30).ln();
            loss += log_p.exp() * (log_p - log_q);
        }
        let others = weight * (1.0 - rest / q_rest) / sum;
        let back = weight / sum;
        // Named tokens are put right after the pass over all of them.
        let mut kept = [0.0f32; 256];
        for (slot, &id) in kept.iter_mut().zip(ids) {
            *slot = row[id as usize];
        }
        for x in row.iter_mut() {
            *x *= others;
        }
        for ((&q, &id), &log_p) in kept.iter().zip(ids).zip(log_probs) {
            row[id as usize] = q * back - weight * log_p.exp();
        }
        loss
    }
}

/// Largest number of tokens a soft label may name.
pub const MAX_SOFT_LABELS: usize = 256;

/// Indices of the `k` largest elements, largest first; the lower index wins a tie.
pub(crate) fn top_k(row: &[f32], k: usize) -> Vec<u32> {
    let mut best: Vec<u32> = Vec::with_capacity(k + 1);
    let value = |i: u32| row[i as usize];
    for i in 0..row.len() as u32 {
        if best.len() == k && best.last().is_some_and(|&last| value(i) <= value(last)) {
            continue;
        }
        let at = best.partition_point(|&b| value(b) >= value(i));
        best.insert(at, i);
        best.truncate(k);
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::cpu::Isa;

    #[test]
    fn top_k_is_a_sorted_prefix_with_stable_ties() {
        assert_eq!(top_k(&[1.0, 3.0, 2.0, 3.0, -1.0], 3), vec![1, 3, 2]);
        assert_eq!(top_k(&[1.0], 3), vec![0]);
    }

    #[test]
    fn cross_entropy_gradient_matches_finite_differences() {
        let logits: Vec<f32> = (0..41).map(|i| ((i * 37) % 11) as f32 * 0.3 - 1.0).collect();
        let loss = |z: &[f32]| cross_entropy_row(Isa::detect(), &mut z.to_vec(), 5, 1.0);
        check_gradient(&logits, loss, |z| {
            cross_entropy_row(Isa::detect(), z, 5, 1.0);
        });
    }

    #[test]
    fn soft_gradient_matches_finite_differences() {
        let logits: Vec<f32> = (0..41).map(|i| ((i * 37) % 11) as f32 * 0.3 - 1.0).collect();
        let (ids, log_probs) = ([3u32, 17, 40], [-0.7f32, -1.5, -3.0]);
        let rest = 1.0 - log_probs.iter().map(|l| l.exp()).sum::<f32>();
        let loss = |z: &[f32]| soft_row(Isa::detect(), &mut z.to_vec(), &ids, &log_probs, rest, 1.0);
        check_gradient(&logits, loss, |z| {
            soft_row(Isa::detect(), z, &ids, &log_probs, rest, 1.0);
        });
    }

    fn check_gradient(logits: &[f32], loss: impl Fn(&[f32]) -> f32, differentiate: impl Fn(&mut [f32])) {
        let mut gradient = logits.to_vec();
        differentiate(&mut gradient);
        for i in 0..logits.len() {
            let at = |d: f32| {
                let mut z = logits.to_vec();
                z[i] += d;
                f64::from(loss(&z))
            };
            let numeric = (at(1e-2) - at(-1e-2)) / 2e-2;
            assert!((numeric - f64::from(gradient[i])).abs() < 2e-4, "{i}: {numeric} {}", gradient[i]);
        }
    }
}
