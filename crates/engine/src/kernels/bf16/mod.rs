//! Linear layers with frozen bf16 weights: packed once, multiplied by `vdpbf16ps` with f32 sums.
//!
//! Pack weights with [`PackedWeight`], activations with [`PackedInput`], multiply with [`matmul`]. Callers ask
//! [`Isa::has_bf16`](super::cpu::Isa::has_bf16) first: on other processors all of this is correct but slow, and f32 pays.
//!
//! The blocking is that of Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication" (2008): a block of
//! activations stays in the second-level cache, a panel of weights streams past it, sums stay in registers.

mod blocks;
mod input;
mod lines;
mod matmul;
#[cfg(test)]
mod tests;
mod tile;
mod weight;

pub use input::PackedInput;
pub use matmul::{Tail, matmul, matmul_new};
pub use weight::{PackedWeight, RowReader};
