//! What one machine can do at most: f32 and bf16 multiply-adds from registers, and bytes read from memory.
//!
//! `tools/bench/compare.py` builds it with `rustc -O -C target-cpu=native` and runs it as `peak THREADS`; it prints one
//! JSON line. Fastest of five runs of about 0.2 s; every thread does the same work at the same time.

use std::sync::Barrier;
use std::time::Instant;

const RUNS: usize = 5;

/// Runs `work` on `threads` threads at once and returns the best `units / second` over all of them together.
fn best(threads: usize, units: f64, work: impl Fn(usize) + Sync) -> f64 {
    let barrier = Barrier::new(threads);
    let slowest = |run: usize| {
        std::thread::scope(|scope| {
            let handles: Vec<_> = (0..threads)
                .map(|t| {
                    let (barrier, work) = (&barrier, &work);
                    scope.spawn(move || {
                        barrier.wait();
                        let start = Instant::now();
                        work(t + run * threads);
                        start.elapsed().as_secs_f64()
                    })
                })
                .collect();
            handles.into_iter().map(|h| h.join().expect("a measuring thread ended early")).fold(0.0, f64::max)
        })
    };
    (0..RUNS).map(|run| threads as f64 * units / slowest(run)).fold(0.0, f64::max)
}

#[cfg(all(target_arch = "x86_64", target_feature = "avx512f", target_feature = "avx512bf16"))]
mod kernels {
    use std::arch::x86_64::*;
    use std::hint::black_box;

    pub const NAME: &str = "avx512 + avx512_bf16";
    const ACCUMULATORS: usize = 12; // latency 4 times 2 ports needs 8 at least
    pub const ROUNDS: usize = 8_000_000;
    /// Operations (multiply and add counted apart) of one call of `f32_madd`; `bf16_madd` does twice as many.
    pub const OPS: f64 = (ROUNDS * ACCUMULATORS * 16 * 2) as f64;

    pub fn f32_madd() {
        // SAFETY: the module is compiled only where AVX-512F is part of the target.
        unsafe {
            let (a, b) = (_mm512_set1_ps(black_box(1.0)), _mm512_set1_ps(black_box(1e-9)));
            let mut acc = [_mm512_setzero_ps(); ACCUMULATORS];
            for _ in 0..ROUNDS {
                for x in &mut acc {
                    *x = _mm512_fmadd_ps(a, b, *x);
                }
            }
            black_box(acc);
        }
    }

    pub fn bf16_madd() {
        // SAFETY: the module is compiled only where AVX-512F and AVX512-BF16 are part of the target.
        unsafe {
            let one = _mm512_cvtne2ps_pbh(_mm512_set1_ps(black_box(1.0)), _mm512_set1_ps(black_box(1.0)));
            let mut acc = [_mm512_setzero_ps(); ACCUMULATORS];
            for _ in 0..ROUNDS {
                for x in &mut acc {
                    *x = _mm512_dpbf16_ps(*x, one, one);
                }
            }
            black_box(acc);
        }
    }
}

#[cfg(not(all(target_arch = "x86_64", target_feature = "avx512f", target_feature = "avx512bf16")))]
mod kernels {
    use std::hint::black_box;

    pub const NAME: &str = "portable (auto-vectorised): no bf16 instruction, shares of the peak are rough";
    const LANES: usize = 64;
    pub const ROUNDS: usize = 2_000_000;
    pub const OPS: f64 = (ROUNDS * LANES * 2) as f64;

    pub fn f32_madd() {
        let (a, b) = (black_box(1.0f32), black_box(1e-9f32));
        let mut acc = [0.0f32; LANES];
        for _ in 0..ROUNDS {
            for x in &mut acc {
                *x = a.mul_add(b, *x);
            }
        }
        black_box(acc);
    }

    pub fn bf16_madd() {
        f32_madd();
        f32_madd(); // counted as twice the operations
    }
}

fn main() {
    let threads: usize = std::env::args().nth(1).and_then(|a| a.parse().ok()).unwrap_or(1);
    let f32_ops = best(threads, kernels::OPS, |_| kernels::f32_madd());
    let bf16_ops = best(threads, 2.0 * kernels::OPS, |_| kernels::bf16_madd());
    // Far more than the last-level cache, in each thread's own buffer.
    let words = (1usize << 30) / 8 / threads;
    let buffers: Vec<Vec<u64>> =
        (0..threads).map(|t| (0..words as u64).map(|i| i ^ t as u64).collect()).collect();
    let read = best(threads, 8.0 * words as f64, |t| {
        let sum = buffers[t % threads].iter().fold(0u64, |a, &b| a.wrapping_add(b));
        std::hint::black_box(sum);
    });
    println!(
        "{{\"threads\": {threads}, \"kernels\": \"{}\", \"f32_gflops\": {:.0}, \"bf16_gflops\": {:.0}, \"read_gb_per_s\": {:.1}}}",
        kernels::NAME,
        f32_ops / 1e9,
        bf16_ops / 1e9,
        read / 1e9
    );
}
