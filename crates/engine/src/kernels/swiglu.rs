//! SwiGLU (Shazeer 2020): `y = silu(gate) * up`, with gate and up side by side in one row.

use candle_core::Tensor;
use rayon::prelude::*;

use super::rows::{PARALLEL_FROM, for_each_row};
use super::simd::{exp, simd_fn};
use super::{Compute, Slice, matrix, uninit, update_in_place};
use seald_core::error::Result;

simd_fn! {
    /// One row: `gate_up` holds gate then up, `y` is half as wide.
    fn row_forward(gate_up: &[f32], y: &mut [f32]) {
        let (gate, up) = gate_up.split_at(y.len());
        for ((y, g), u) in y.iter_mut().zip(gate).zip(up) {
            *y = g / (1.0 + exp(-g)) * u;
        }
    }
}

simd_fn! {
    /// One row: `gate_up` becomes its gradient, `dy` becomes the forward output.
    fn row_backward(gate_up: &mut [f32], dy: &mut [f32]) {
        let (gate, up) = gate_up.split_at_mut(dy.len());
        for ((d, g), u) in dy.iter_mut().zip(gate).zip(up) {
            let sigmoid = 1.0 / (1.0 + exp(-*g));
            let silu = *g * sigmoid;
            let y = silu * *u;
            *g = *d * *u * (sigmoid + silu * (1.0 - sigmoid));
            *u = *d * silu;
            *d = y;
        }
    }
}

/// `gate_up` (t, 2f) -> (t, f).
///
/// # Errors
/// When the width is odd.
pub fn forward(compute: &Compute, gate_up: &Tensor) -> Result<Tensor> {
    let (t, width) = gate_up.dims2()?;
    let f = width / 2;
    if !compute.fused() {
        let (gate, up) = (gate_up.narrow(1, 0, f)?, gate_up.narrow(1, f, f)?);
        return Ok((candle_nn::ops::silu(&gate)? * up)?);
    }
    let x = Slice::of(gate_up)?;
    let mut y = uninit(t * f);
    for_each_row(&mut y, f, |i, row| row_forward(compute.isa(), &x[i * width..(i + 1) * width], row));
    matrix(y, t, f)
}

/// From `gate_up` (t, 2f) and the output's gradient `dy` (t, f): the gradient of `gate_up` and, for
/// the weight gradient of the layer above, the forward output again, (t, 2f) and (t, f).
///
/// # Errors
/// When the shapes do not fit.
pub fn backward(compute: &Compute, gate_up: Tensor, dy: Tensor) -> Result<(Tensor, Tensor)> {
    let (_, f) = dy.dims2()?;
    if !compute.fused() {
        let (gate, up) = (gate_up.narrow(1, 0, f)?, gate_up.narrow(1, f, f)?);
        let sigmoid = candle_nn::ops::sigmoid(&gate)?;
        let silu = (&gate * &sigmoid)?;
        let slope = (&sigmoid + (&silu * (1.0 - &sigmoid)?)?)?;
        let d_gate = ((&dy * &up)? * slope)?;
        let d_up = (&dy * &silu)?;
        return Ok((Tensor::cat(&[d_gate, d_up], 1)?, (silu * up)?));
    }
    // Both inputs are consumed: their memory becomes the two results.
    update_in_place(&gate_up, |gate_up| {
        update_in_place(&dy, |dy| {
            let rows = (PARALLEL_FROM / 4 / f).max(1);
            gate_up.par_chunks_mut(2 * f * rows).zip(dy.par_chunks_mut(f * rows)).for_each(|(g, d)| {
                for (gate_up, dy) in g.chunks_mut(2 * f).zip(d.chunks_mut(f)) {
                    row_backward(compute.isa(), gate_up, dy);
                }
            });
        })
    })??;
    Ok((gate_up, dy))
}
