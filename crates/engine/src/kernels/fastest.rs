//! Which precision trains faster here, measured: processors that have `vdpbf16ps` are not all fast at it.

use std::time::{Duration, Instant};

use candle_core::{Device, Tensor};

use super::bf16::{PackedInput, PackedWeight, matmul_new};
use super::cpu::Isa;
use super::{Compute, Precision, dense};
use seald_core::error::Result;

/// Rows, as of a small training step.
const ROWS: usize = 128;
/// Columns and depth of the weight, as of a small model's layer.
const WIDTH: usize = 1024;
/// The shortest of so many runs counts: other programs only ever lengthen one.
const RUNS: usize = 5;
/// How much faster f32 must be. bf16 takes half the memory, and writing texts, where weights are read for few rows, goes by that.
const CLEARLY: f64 = 1.2;

/// [`Precision::Bf16`], unless a product with f32 weights is clearly faster. A few products, some 20 ms; without AVX512-BF16 none.
///
/// # Errors
/// [`Kind::Io`](seald_core::error::Kind::Io) if no threads can be started.
pub(super) fn fastest(isa: Isa, threads: usize) -> Result<Precision> {
    if isa != Isa::Avx512Bf16 {
        return Ok(Precision::F32);
    }
    let compute = Compute::cpu(Precision::F32, isa, threads)?;
    let (bf16, f32) = compute.run(|| times(&compute))?;
    Ok(preferred(bf16, f32))
}

fn preferred(bf16: Duration, f32: Duration) -> Precision {
    if f32.mul_f64(CLEARLY) < bf16 { Precision::F32 } else { Precision::Bf16 }
}

/// Of the same product with weights in bf16 and in f32.
fn times(compute: &Compute) -> Result<(Duration, Duration)> {
    let values = |count: usize| (0..count).map(|i| (i % 7) as f32 - 3.0).collect::<Vec<_>>();
    let (x, w) = (values(ROWS * WIDTH), values(WIDTH * WIDTH));
    let packed = PackedWeight::from_f32(WIDTH, WIDTH, &w, WIDTH);
    let bf16 = shortest(|| {
        matmul_new(&PackedInput::pack(&x, ROWS, WIDTH, WIDTH), &packed, &[]);
        Ok(())
    })?;
    let w = Tensor::from_vec(w, (WIDTH, WIDTH), &Device::Cpu)?;
    let x = Tensor::from_vec(x, (ROWS, WIDTH), &Device::Cpu)?;
    let f32 = shortest(|| dense::product_transposed(compute, &x, &w).map(|_| ()))?;
    Ok((bf16, f32))
}

fn shortest(mut work: impl FnMut() -> Result<()>) -> Result<Duration> {
    let mut shortest = Duration::MAX;
    for _ in 0..RUNS {
        let started = Instant::now();
        work()?;
        shortest = shortest.min(started.elapsed());
    }
    Ok(shortest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_f32_that_is_clearly_faster_is_preferred() {
        let ms = Duration::from_millis;
        assert_eq!(preferred(ms(10), ms(20)), Precision::Bf16);
        assert_eq!(preferred(ms(20), ms(20)), Precision::Bf16, "half the memory at the same speed");
        assert_eq!(preferred(ms(20), ms(19)), Precision::Bf16);
        assert_eq!(preferred(ms(20), ms(10)), Precision::F32);
    }

    #[test]
    fn a_processor_without_bf16_products_computes_in_f32() {
        assert_eq!(fastest(Isa::Avx2, 1).unwrap(), Precision::F32);
        assert_eq!(fastest(Isa::Avx512, 1).unwrap(), Precision::F32);
    }

    #[test]
    fn both_products_are_timed_where_the_processor_has_both() {
        let compute = Compute::cpu(Precision::F32, Isa::detect(), 1).unwrap();
        let (bf16, f32) = compute.run(|| times(&compute)).unwrap();
        assert!(bf16 > Duration::ZERO && f32 > Duration::ZERO && bf16 < Duration::MAX && f32 < Duration::MAX);
    }
}
