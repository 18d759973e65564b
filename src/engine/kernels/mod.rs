//! Hand-written CPU kernels: the frozen linear layers and their helpers.

pub mod bf16;
pub mod cpu;
pub mod outer;
