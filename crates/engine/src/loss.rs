//! From hidden states to log-probabilities, losses and their gradient: the output head and the softmax
//! over the vocabulary, in chunks of rows so that logits never exist for a whole batch.

use candle_core::{D, DType, Tensor};
use rayon::prelude::*;

use super::kernels::linear::FrozenLinear;
use super::kernels::{Compute, Slice, softmax, update_in_place};
use seald_core::error::{Error, Kind, Result};

/// What one position should predict.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Target<'a> {
    /// Row of the batch whose hidden state predicts.
    pub row: u32,
    /// The token that follows there.
    pub token: u32,
    /// Factor of this position's loss, already divided by the number of targets of its optimiser step.
    pub weight: f32,
    /// A teacher's distribution, which then takes the place of `token`.
    pub soft: Option<SoftLabel<'a>>,
}

/// The most probable tokens of a teacher at one position. What the teacher gives to all other tokens
/// is one further outcome, "any other token": the loss is the KL divergence between the two
/// distributions so coarsened, a lower bound of the full one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SoftLabel<'a> {
    /// Token ids, distinct.
    pub ids: &'a [u32],
    /// Their natural log-probabilities under the teacher.
    pub log_probs: &'a [f32],
}

/// Soft labels of the targets of one sequence, `k` for each, owned.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SoftTargets {
    /// Tokens named for each target, 1 to [`softmax::MAX_SOFT_LABELS`].
    pub k: usize,
    /// Token ids, (targets, k).
    pub ids: Vec<u32>,
    /// Their natural log-probabilities under the teacher, (targets, k).
    pub log_probs: Vec<f32>,
}

impl SoftTargets {
    /// Number of targets.
    pub fn len(&self) -> usize {
        self.ids.len() / self.k.max(1)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The label of target `i`.
    pub fn label(&self, i: usize) -> SoftLabel<'_> {
        let range = i * self.k..(i + 1) * self.k;
        SoftLabel { ids: &self.ids[range.clone()], log_probs: &self.log_probs[range] }
    }
}

impl SoftLabel<'_> {
    /// What the teacher leaves to all other tokens, at least a tiny positive amount.
    fn rest(&self) -> f32 {
        (1.0 - self.log_probs.iter().map(|l| l.exp()).sum::<f32>()).max(1e-6)
    }
}

/// Whether `targets` can be learnt from a batch of `tokens` tokens, over a vocabulary of `vocabulary`.
///
/// # Errors
/// [`Kind::Invalid`] for rows or token ids out of range, rows that repeat, and soft labels that are empty, repeat
/// a token, or name more than [`softmax::MAX_SOFT_LABELS`] of them.
pub(super) fn check_targets(targets: &[Target<'_>], tokens: usize, vocabulary: usize) -> Result<()> {
    let invalid = |i: usize, text: String| Err(Error::new(Kind::Invalid, format!("target {i} {text}")));
    if targets.is_empty() {
        return Err(Error::new(Kind::Invalid, "the batch has nothing to learn: no target tokens"));
    }
    let mut seen = vec![false; tokens];
    for (i, target) in targets.iter().enumerate() {
        match seen.get_mut(target.row as usize) {
            None => return invalid(i, format!("is at row {} of {tokens}", target.row)),
            Some(true) => return invalid(i, format!("is at row {}, which has one already", target.row)),
            Some(new) => *new = true,
        }
        let hard = [target.token];
        let ids = target.soft.map_or(&hard[..], |soft| soft.ids);
        if let Some(id) = ids.iter().find(|id| **id as usize >= vocabulary) {
            return invalid(i, format!("names token {id}, outside the model's vocabulary of {vocabulary}"));
        }
        let Some(soft) = target.soft else { continue };
        let (names, limit) = (ids.len(), softmax::MAX_SOFT_LABELS.min(vocabulary));
        if names == 0 || names > limit || names != soft.log_probs.len() {
            let given = soft.log_probs.len();
            return invalid(i, format!("names {names} tokens with {given} probabilities: give 1 to {limit}"));
        }
        let mut sorted = ids.to_vec();
        sorted.sort_unstable();
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            return invalid(i, format!("names token {} twice", pair[0]));
        }
    }
    Ok(())
}

/// Rows of logits made at a time: about 64 MiB of f32.
pub(super) fn chunk_rows(vocab: usize) -> usize {
    ((16 << 20) / vocab).clamp(16, 1024)
}

/// Logits (m, V) in f32 for hidden states (m, h).
///
/// # Errors
/// When the shapes do not fit.
pub fn logits(compute: &Compute, head: &FrozenLinear, hidden: &Tensor) -> Result<Tensor> {
    head.product(compute, hidden)
}

/// Log-probability of `tokens[i]` after the hidden state in row i of `hidden` (m, h).
///
/// # Errors
/// When the shapes do not fit.
pub fn log_probs(
    compute: &Compute,
    head: &FrozenLinear,
    hidden: &Tensor,
    tokens: &[u32],
) -> Result<Vec<f32>> {
    let mut out = Vec::with_capacity(tokens.len());
    let step = chunk_rows(head.outputs());
    for (i, tokens) in tokens.chunks(step).enumerate() {
        let logits = logits(compute, head, &hidden.narrow(0, i * step, tokens.len())?)?;
        if compute.fused() {
            let (data, v) = (Slice::of(&logits)?, head.outputs());
            out.par_extend(tokens.par_iter().enumerate().map(|(r, &token)| {
                let row = &data[r * v..(r + 1) * v];
                row[token as usize] - softmax::log_sum_exp(compute.isa(), row)
            }));
        } else {
            let index = Tensor::from_slice(tokens, (tokens.len(), 1), logits.device())?;
            let picked = candle_nn::ops::log_softmax(&logits, D::Minus1)?.gather(&index, 1)?;
            out.extend(picked.flatten_all()?.to_vec1::<f32>()?);
        }
    }
    Ok(out)
}

/// The `k` most probable next tokens after each hidden state (m, h), most probable first, with their
/// log-probabilities.
///
/// # Errors
/// When the shapes do not fit.
pub fn top_log_probs(
    compute: &Compute,
    head: &FrozenLinear,
    hidden: &Tensor,
    k: usize,
) -> Result<Vec<(Vec<u32>, Vec<f32>)>> {
    let (m, v) = (hidden.dim(0)?, head.outputs());
    let step = chunk_rows(v);
    let mut out = Vec::with_capacity(m);
    for first in (0..m).step_by(step) {
        let rows = step.min(m - first);
        let logits =
            logits(compute, head, &hidden.narrow(0, first, rows)?)?.to_device(&candle_core::Device::Cpu)?;
        let data = Slice::of(&logits)?;
        out.par_extend((0..rows).into_par_iter().map(|r| {
            let row = &data[r * v..(r + 1) * v];
            let log_sum = softmax::log_sum_exp(compute.isa(), row);
            let ids = softmax::top_k(row, k);
            let log_probs = ids.iter().map(|&id| row[id as usize] - log_sum).collect();
            (ids, log_probs)
        }));
    }
    Ok(out)
}

/// Losses and gradient of a set of targets.
#[derive(Debug)]
pub struct Loss {
    /// Each target's loss before its weight, nats.
    pub losses: Vec<f32>,
    /// Gradient of the weighted sum of the losses with respect to `hidden`, (m, h).
    pub gradient: Tensor,
}

/// Cross-entropy (or, with soft labels, KL divergence) of each target, whose hidden states are the
/// rows of `hidden` (m, h) in the same order, and its gradient `softmax(z) - label`.
///
/// # Errors
/// [`Kind::Internal`] when the shapes do not fit.
pub fn loss_and_gradient(
    compute: &Compute,
    head: &FrozenLinear,
    hidden: &Tensor,
    targets: &[Target<'_>],
) -> Result<Loss> {
    let mut losses = Vec::with_capacity(targets.len());
    let mut gradients = Vec::new();
    let step = chunk_rows(head.outputs());
    for (i, targets) in targets.chunks(step).enumerate() {
        let logits = logits(compute, head, &hidden.narrow(0, i * step, targets.len())?)?;
        let d_logits = if compute.fused() {
            losses.extend(fused_rows(compute, &logits, targets)?);
            logits
        } else {
            let (chunk, gradient) = composite_rows(&logits, targets)?;
            losses.extend(chunk);
            gradient
        };
        gradients.push(head.product_backward(compute, &d_logits)?);
    }
    if gradients.is_empty() {
        return Err(Error::new(Kind::Internal, "a loss without targets"));
    }
    let gradient = if gradients.len() == 1 { gradients.swap_remove(0) } else { Tensor::cat(&gradients, 0)? };
    Ok(Loss { losses, gradient })
}

/// Turns logits into their gradient in place, and returns the losses.
fn fused_rows(compute: &Compute, logits: &Tensor, targets: &[Target<'_>]) -> Result<Vec<f32>> {
    let v = logits.dim(1)?;
    update_in_place(logits, |data| {
        data.par_chunks_mut(v)
            .zip(targets.par_iter())
            .map(|(row, target)| match target.soft {
                None => softmax::cross_entropy_row(compute.isa(), row, target.token as usize, target.weight),
                Some(soft) => softmax::soft_row(
                    compute.isa(),
                    row,
                    soft.ids,
                    soft.log_probs,
                    soft.rest(),
                    target.weight,
                ),
            })
            .collect()
    })
}

/// The same by candle operations: losses and the logits' gradient.
fn composite_rows(logits: &Tensor, targets: &[Target<'_>]) -> Result<(Vec<f32>, Tensor)> {
    let (m, v) = logits.dims2()?;
    let device = logits.device();
    // The label of row r is dense: a distribution over the ids it names, and what it leaves to the rest.
    let (mut label, mut named, mut rest, mut constant) =
        (vec![0f32; m * v], vec![0f32; m * v], vec![0f32; m], vec![0f32; m]);
    for (r, target) in targets.iter().enumerate() {
        match target.soft {
            None => {
                label[r * v + target.token as usize] = 1.0;
                named[r * v..(r + 1) * v].fill(1.0);
            }
            Some(soft) => {
                rest[r] = soft.rest();
                constant[r] = rest[r] * rest[r].ln();
                for (&id, &lp) in soft.ids.iter().zip(soft.log_probs) {
                    label[r * v + id as usize] = lp.exp();
                    named[r * v + id as usize] = 1.0;
                    constant[r] += lp.exp() * lp;
                }
            }
        }
    }
    let weights: Vec<f32> = targets.iter().map(|t| t.weight).collect();
    let dense = |x: Vec<f32>, columns: usize| Tensor::from_vec(x, (m, columns), device);
    let (label, named) = (dense(label, v)?, dense(named, v)?);
    let (rest, constant, weights) = (dense(rest, 1)?, dense(constant, 1)?, dense(weights, 1)?);
    let log_q = candle_nn::ops::log_softmax(logits, D::Minus1)?;
    let q = log_q.exp()?;
    let other = (&q * (1.0 - &named)?)?;
    let q_rest = (other.sum_keepdim(1)? + 1e-30)?;
    let cross = ((&label * &log_q)?.sum_keepdim(1)? + (&rest * q_rest.log()?)?)?;
    let losses = (constant - cross)?.flatten_all()?.to_vec1::<f32>()?;
    let share = other.broadcast_mul(&(rest / q_rest)?)?;
    let gradient = ((q - label)? - share)?.broadcast_mul(&weights)?.to_dtype(DType::F32)?;
    Ok((losses, gradient))
}
