//! One decoder block, forward and backward:
//! `x2 = x + o(attention(qkv(norm(x))))`, `y = x2 + down(swiglu(gate_up(norm(x2))))`.

use candle_core::Tensor;

use super::batch::Segment;
use super::cache::KvCache;
use super::kernels::adapted::{Hidden, LoraRows, PairGradients};
use super::kernels::attention::{self, Attended};
use super::kernels::linear::FrozenLinear;
use super::kernels::norm::{self, Heads};
use super::kernels::rope::{self, Angles, Direction};
use super::kernels::{Compute, attention_backward, rows, swiglu};
use seald_core::error::{Error, Kind, Result};

/// The frozen weights of one block.
#[derive(Debug)]
pub(super) struct Block {
    /// Input norm, (hidden).
    pub(super) attention_norm: Tensor,
    /// q, k and v side by side.
    pub(super) qkv: FrozenLinear,
    /// Qwen3's norms of q and k heads, (head width) each.
    pub(super) head_norms: Option<(Tensor, Tensor)>,
    /// The attention's output projection.
    pub(super) o: FrozenLinear,
    /// Norm before the feed-forward, (hidden).
    pub(super) mlp_norm: Tensor,
    /// gate and up side by side.
    pub(super) gate_up: FrozenLinear,
    /// The feed-forward's output projection.
    pub(super) down: FrozenLinear,
}

/// What all blocks share in one pass over one batch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Geometry<'a> {
    pub(super) compute: &'a Compute,
    pub(super) heads: Heads,
    pub(super) eps: f64,
    pub(super) angles: &'a Angles,
    pub(super) segments: &'a [Segment],
}

/// What the backward pass of one block needs. Norms and the feed-forward's activation are made again.
#[derive(Debug)]
pub(super) struct BlockTrace {
    /// Input, (t, hidden).
    x: Tensor,
    /// q | k | v before Qwen3's head norms, (t, row); `None` without them.
    unnormed: Option<Tensor>,
    /// q | k | v after norm and rotation, (t, row).
    qkv: Tensor,
    attended: Attended,
    /// After the attention's residual, (t, hidden).
    x2: Tensor,
    /// (t, 2 * intermediate).
    gate_up: Tensor,
    /// The adapters' inner activations of qkv, o, gate_up, down.
    hidden: [Hidden; 4],
}

impl Block {
    /// `x` (t, hidden) -> (t, hidden), each segment attending to itself.
    pub(super) fn forward(
        &self,
        g: &Geometry<'_>,
        x: Tensor,
        lora: &[LoraRows<'_>],
    ) -> Result<(Tensor, BlockTrace)> {
        let (qkv, unnormed, hidden_qkv) = self.rotated_qkv(g, &x, lora)?;
        let attended = attention::forward(g.compute, g.heads, g.segments, &qkv)?;
        let (o, hidden_o) = self.o.forward(g.compute, &attended.output, lora)?;
        let x2 = rows::add(g.compute, o, &x)?;
        let (y, gate_up, hidden_up, hidden_down) = self.feed_forward(g, &x2, lora)?;
        let hidden = [hidden_qkv, hidden_o, hidden_up, hidden_down];
        Ok((y, BlockTrace { x, unnormed, qkv, attended, x2, gate_up, hidden }))
    }

    /// The same with a cache: each segment attends to its cached past too. `at` is (layer, slots).
    pub(super) fn forward_cached(
        &self,
        g: &Geometry<'_>,
        x: Tensor,
        lora: &[LoraRows<'_>],
        cache: &mut KvCache,
        at: (usize, &[usize]),
    ) -> Result<Tensor> {
        let (qkv, _, _) = self.rotated_qkv(g, &x, lora)?;
        for (segment, &slot) in g.segments.iter().zip(at.1) {
            cache.append((slot, at.0), &qkv, segment.start, segment.len)?;
        }
        let attended = attention::forward_cached(g.compute, g.heads, g.segments, &qkv, cache, at)?;
        let (o, _) = self.o.forward(g.compute, &attended, lora)?;
        let x2 = rows::add(g.compute, o, &x)?;
        Ok(self.feed_forward(g, &x2, lora)?.0)
    }

    /// q | k | v after head norms and rotation; before them if there are norms; the adapters' part.
    fn rotated_qkv(
        &self,
        g: &Geometry<'_>,
        x: &Tensor,
        lora: &[LoraRows<'_>],
    ) -> Result<(Tensor, Option<Tensor>, Hidden)> {
        let xn = norm::forward(g.compute, x, &self.attention_norm, g.eps)?;
        let (mut qkv, hidden) = self.qkv.forward(g.compute, &xn, lora)?; // (t, row)
        let mut unnormed = None;
        if let Some((q, k)) = &self.head_norms {
            let normed = norm::heads_forward(g.compute, g.heads, &qkv, (q, k), g.eps)?;
            unnormed = Some(std::mem::replace(&mut qkv, normed));
        }
        let qkv = rope::rotate(g.compute, g.heads, g.angles, Direction::Forward, qkv)?;
        Ok((qkv, unnormed, hidden))
    }

    /// The second half of the block: (y, gate | up, the adapters' parts).
    fn feed_forward(
        &self,
        g: &Geometry<'_>,
        x2: &Tensor,
        lora: &[LoraRows<'_>],
    ) -> Result<(Tensor, Tensor, Hidden, Hidden)> {
        let xn = norm::forward(g.compute, x2, &self.mlp_norm, g.eps)?;
        let (gate_up, hidden_up) = self.gate_up.forward(g.compute, &xn, lora)?; // (t, 2f)
        let act = swiglu::forward(g.compute, &gate_up)?; // (t, f)
        let (y, hidden_down) = self.down.forward(g.compute, &act, lora)?;
        Ok((rows::add(g.compute, y, x2)?, gate_up, hidden_up, hidden_down))
    }

    /// The gradient of the block's input for that of its output, `dy` (t, hidden), unless it is not
    /// wanted (the lowest adapted block), and the gradients of the adapters' matrices.
    pub(super) fn backward(
        &self,
        g: &Geometry<'_>,
        trace: BlockTrace,
        dy: Tensor,
        lora: &[LoraRows<'_>],
        want_input: bool,
    ) -> Result<(Option<Tensor>, PairGradients)> {
        let c = g.compute;
        let BlockTrace { x, unnormed, qkv, attended, x2, gate_up, hidden } = trace;
        let [hidden_qkv, hidden_o, hidden_up, hidden_down] = hidden;

        let (d_act, dh) = self.down.input_gradient(c, &dy, lora, true)?; // (t, f)
        let (d_gate_up, act) = swiglu::backward(c, gate_up, wanted(d_act)?)?;
        let mut pairs = self.down.weight_gradients(c, &act, &dy, &hidden_down, &dh, lora)?;
        drop(act);
        let (dxn, dh) = self.gate_up.input_gradient(c, &d_gate_up, lora, true)?; // (t, hidden)
        let xn = norm::forward(c, &x2, &self.mlp_norm, g.eps)?;
        pairs.extend(self.gate_up.weight_gradients(c, &xn, &d_gate_up, &hidden_up, &dh, lora)?);
        drop(d_gate_up);
        let dx2 = norm::backward(c, &x2, &self.mlp_norm, g.eps, &wanted(dxn)?, dy)?;

        let (d_out, dh) = self.o.input_gradient(c, &dx2, lora, true)?; // (t, q)
        pairs.extend(self.o.weight_gradients(c, &attended.output, &dx2, &hidden_o, &dh, lora)?);
        let d_qkv = attention_backward::backward(c, g.heads, g.segments, &qkv, &attended, &wanted(d_out)?)?;
        let mut d_qkv = rope::rotate(c, g.heads, g.angles, Direction::Backward, d_qkv)?; // (t, row)
        if let (Some((q, k)), Some(unnormed)) = (&self.head_norms, &unnormed) {
            d_qkv = norm::heads_backward(c, g.heads, unnormed, (q, k), g.eps, d_qkv)?;
        }
        let (dxn, dh) = self.qkv.input_gradient(c, &d_qkv, lora, want_input)?; // (t, hidden)
        let xn = norm::forward(c, &x, &self.attention_norm, g.eps)?;
        pairs.extend(self.qkv.weight_gradients(c, &xn, &d_qkv, &hidden_qkv, &dh, lora)?);
        let back = |dxn: Tensor| norm::backward(c, &x, &self.attention_norm, g.eps, &dxn, dx2);
        Ok((dxn.map(back).transpose()?, pairs))
    }
}

/// An input gradient that was asked for.
fn wanted(gradient: Option<Tensor>) -> Result<Tensor> {
    gradient.ok_or_else(|| Error::new(Kind::Internal, "a layer did not give its input's gradient"))
}
