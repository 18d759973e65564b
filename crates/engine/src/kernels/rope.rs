//! Rotary position embedding (Su et al. 2021) in the half-split form of Llama and Qwen, with Llama 3's
//! frequency scaling.

use candle_core::Tensor;

use super::norm::Heads;
use super::rows::for_each_row;
use super::{Compute, Slice, update_in_place};
use crate::model_config::ModelConfig;
use seald_core::error::Result;

/// One rotation frequency for each pair of a head's features, radians a token: (head_dim / 2).
///
/// f32 throughout and in the order of transformers' `ROPE_INIT_FUNCTIONS`, so that angles agree to the bit.
pub fn frequencies(config: &ModelConfig) -> Vec<f32> {
    let hd = config.head_dim;
    let plain = (0..hd / 2).map(|i| 1.0 / (config.rope_theta as f32).powf((2 * i) as f32 / hd as f32));
    let Some(scaling) = config.rope_scaling else {
        return plain.collect();
    };
    let (low, high) = (scaling.low_freq_factor as f32, scaling.high_freq_factor as f32);
    let (factor, old) = (scaling.factor as f32, scaling.original_max_position_embeddings as f32);
    plain
        .map(|f| {
            let wavelength = 2.0 * std::f32::consts::PI / f;
            if wavelength > old / low {
                f / factor
            } else if wavelength < old / high {
                f
            } else {
                let smooth = (old / wavelength - low) / (high - low);
                (1.0 - smooth) * f / factor + smooth * f
            }
        })
        .collect()
}

/// Cosines and sines of the rotation of each token of a batch, both (t, head_dim / 2).
#[derive(Debug, Clone)]
pub struct Angles {
    cos: Tensor,
    sin: Tensor,
}

impl Angles {
    /// The angles of tokens at `positions`.
    ///
    /// # Errors
    /// When the tensors cannot be made.
    pub fn new(compute: &Compute, frequencies: &[f32], positions: &[u32]) -> Result<Self> {
        let of = |f: fn(f32) -> f32| -> Result<Tensor> {
            let table: Vec<f32> =
                positions.iter().flat_map(|&p| frequencies.iter().map(move |&w| f(p as f32 * w))).collect();
            Ok(Tensor::from_vec(table, (positions.len(), frequencies.len()), &compute.device)?)
        };
        Ok(Self { cos: of(f32::cos)?, sin: of(f32::sin)? })
    }
}

/// Which way to turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// As in the forward pass.
    Forward,
    /// The inverse, which is the backward pass: a rotation's transpose.
    Backward,
}

/// Rotates the q and k heads of `qkv` (t, q | k | v); v is left alone. May reuse `qkv`'s memory.
///
/// # Errors
/// When the shapes do not fit.
pub fn rotate(
    compute: &Compute,
    heads: Heads,
    angles: &Angles,
    direction: Direction,
    qkv: Tensor,
) -> Result<Tensor> {
    let (t, width) = qkv.dims2()?;
    let (count, hd) = (heads.queries + heads.keys, heads.width);
    let half = hd / 2;
    let sign = if direction == Direction::Forward { 1.0f32 } else { -1.0 };
    if !compute.fused() {
        let x = qkv.narrow(1, 0, count * hd)?.contiguous()?.reshape((t, count, hd))?;
        let (a, b) = (x.narrow(2, 0, half)?, x.narrow(2, half, half)?);
        let cos = angles.cos.unsqueeze(1)?;
        let sin = (angles.sin.unsqueeze(1)? * f64::from(sign))?;
        let left = (a.broadcast_mul(&cos)? - b.broadcast_mul(&sin)?)?;
        let right = (b.broadcast_mul(&cos)? + a.broadcast_mul(&sin)?)?;
        let turned = Tensor::cat(&[left, right], 2)?.reshape((t, count * hd))?;
        let v = qkv.narrow(1, count * hd, width - count * hd)?;
        return Ok(Tensor::cat(&[&turned, &v], 1)?);
    }
    let (cos, sin) = (Slice::of(&angles.cos)?, Slice::of(&angles.sin)?);
    update_in_place(&qkv, |data| {
        for_each_row(data, width, |i, row| {
            let (cos, sin) = (&cos[i * half..(i + 1) * half], &sin[i * half..(i + 1) * half]);
            for head in row[..count * hd].chunks_exact_mut(hd) {
                let (a, b) = head.split_at_mut(half);
                for j in 0..half {
                    let (x, y, s) = (a[j], b[j], sign * sin[j]);
                    a[j] = x * cos[j] - y * s;
                    b[j] = y * cos[j] + x * s;
                }
            }
        });
    })?;
    Ok(qkv)
}
