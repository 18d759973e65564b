//! Which precision trains faster here, measured: processors that have `vdpbf16ps` are not all fast at it.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use candle_core::{Device, Tensor};

use super::bf16::{PackedWeight, matmul_new};
use super::cpu::Isa;
use super::{Compute, Precision, dense, linear};
use seald_core::error::Result;

/// Rows, as of a small training step.
const ROWS: usize = 128;
/// Columns and depth of the weight, as of a small model's layer.
const WIDTH: usize = 1024;
/// The shortest of so many runs counts: other programs only ever lengthen one.
const RUNS: usize = 5;
/// How much faster f32 must be. bf16 takes half the memory, and writing texts, where weights are read for few rows, goes by that.
const CLEARLY: f64 = 1.2;

/// [`Precision::Bf16`], unless a product with f32 weights is clearly faster. A few products, some 20 ms; without AVX512-BF16 none. Measured once a
/// process, so that all that it opens computes alike.
///
/// # Errors
/// [`Kind::Io`](seald_core::error::Kind::Io) if no threads can be started.
pub(super) fn fastest(isa: Isa, threads: usize) -> Result<Precision> {
    static MEASURED: OnceLock<Precision> = OnceLock::new();
    choose(isa, || match MEASURED.get() {
        Some(measured) => Ok(*measured),
        None => {
            let measured = Products::new(isa, threads)?.faster()?;
            Ok(*MEASURED.get_or_init(|| measured))
        }
    })
}

fn choose(isa: Isa, measured: impl FnOnce() -> Result<Precision>) -> Result<Precision> {
    if isa == Isa::Avx512Bf16 { measured() } else { Ok(Precision::F32) }
}

fn preferred(bf16: Duration, f32: Duration) -> Precision {
    if f32.mul_f64(CLEARLY) < bf16 { Precision::F32 } else { Precision::Bf16 }
}

/// The same product with weights in either precision.
struct Products {
    compute: Compute,
    x: Tensor,
    f32: Tensor,
    bf16: PackedWeight,
}

impl Products {
    fn new(isa: Isa, threads: usize) -> Result<Self> {
        let compute = Compute::cpu(Precision::F32, isa, threads)?;
        let values = |count: usize| (0..count).map(|i| (i % 7) as f32 - 3.0).collect::<Vec<_>>();
        let w = values(WIDTH * WIDTH);
        let bf16 = compute.run(|| PackedWeight::from_f32(WIDTH, WIDTH, &w, WIDTH));
        let f32 = Tensor::from_vec(w, (WIDTH, WIDTH), &Device::Cpu)?;
        let x = Tensor::from_vec(values(ROWS * WIDTH), (ROWS, WIDTH), &Device::Cpu)?;
        Ok(Self { compute, x, f32, bf16 })
    }

    fn in_bf16(&self) -> Result<Vec<f32>> {
        Ok(matmul_new(&linear::pack(&self.x)?, &self.bf16, &[]))
    }

    fn in_f32(&self) -> Result<Tensor> {
        dense::product_transposed(&self.compute, &self.x, &self.f32)
    }

    /// By turns, so that other programs hold both up alike; the shortest of either counts.
    fn faster(&self) -> Result<Precision> {
        let (mut bf16, mut f32) = (Duration::MAX, Duration::MAX);
        self.compute.run(|| {
            for _ in 0..RUNS {
                bf16 = bf16.min(timed(|| self.in_bf16())?);
                f32 = f32.min(timed(|| self.in_f32())?);
            }
            Ok(preferred(bf16, f32))
        })
    }
}

fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<Duration> {
    let started = Instant::now();
    work()?;
    Ok(started.elapsed())
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
    fn what_was_measured_decides_where_the_processor_has_bf16_products() {
        for measured in [Precision::F32, Precision::Bf16] {
            assert_eq!(choose(Isa::Avx512Bf16, || Ok(measured)).unwrap(), measured);
            for isa in [Isa::Portable, Isa::Avx2, Isa::Avx512] {
                assert_eq!(choose(isa, || panic!("nothing to measure")).unwrap(), Precision::F32);
            }
        }
    }

    #[test]
    fn the_products_that_are_timed_are_the_same() {
        let products = Products::new(Isa::detect(), 1).unwrap();
        let exact = products.in_f32().unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        // Whole numbers below 4: bf16 holds them.
        assert_eq!(products.in_bf16().unwrap(), exact);
        products.faster().unwrap();
    }
}
