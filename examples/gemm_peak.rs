//! How near the packed bf16 matmul comes to this processor's peak: `gemm_peak [THREADS] [FILTER]`.
//!
//! Every figure is the best of several runs, since other work may share the processor; the peak is measured anew before
//! each line. "processor" counts processor time only, so it holds on a busy machine, but not what threads wait for one
//! another. Pin it for figures of one thread: `taskset -c 0 gemm_peak 1`.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a measuring program: a panic ends it")]
#![allow(clippy::print_stdout, reason = "a measuring program")]

use seald_engine::kernels::bf16::{PackedInput, PackedWeight, Tail, matmul};
use seald_engine::kernels::cpu::{Isa, measure_peak};
use seald_engine::kernels::outer::{View, outer_accumulate};
use std::time::{Duration, Instant};

fn values(count: usize) -> Vec<f32> {
    (0..count as u64).map(|i| ((i * 7919) % 2003) as f32 / 1001.5 - 1.0).collect()
}

/// Seconds of processor time that this process has had: what others take does not count.
fn processor_seconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is ours to fill; the clock exists on every Unix.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// The least wall and processor seconds of one call.
fn best(mut work: impl FnMut()) -> (f64, f64) {
    let started = Instant::now();
    let (mut wall, mut processor, mut runs) = (f64::MAX, f64::MAX, 0);
    while runs < 4 || started.elapsed() < Duration::from_millis(700) {
        let (clock, used) = (Instant::now(), processor_seconds());
        work();
        wall = wall.min(clock.elapsed().as_secs_f64());
        processor = processor.min(processor_seconds() - used);
        runs += 1;
    }
    (wall, processor)
}

/// Gives each of several threads a processor of its own: woken on a busy machine, they would share one.
fn pin(threads: usize, index: usize) {
    #[cfg(target_os = "linux")]
    if threads > 1 {
        // SAFETY: the set is ours; all zeros is the empty set.
        unsafe {
            let mut set: libc::cpu_set_t = std::mem::zeroed();
            libc::CPU_SET(index, &mut set);
            libc::sched_setaffinity(0, size_of_val(&set), &set);
        }
    }
    let _ = (threads, index);
}

struct Bench {
    threads: usize,
    filter: String,
}

impl Bench {
    /// Runs and prints one line unless it is filtered out.
    fn line(&self, name: &str, flops: f64, bytes: f64, work: impl FnMut()) {
        let peak = measure_peak(Isa::detect());
        let (wall, processor) = best(work);
        println!(
            "{name:<34} {:9.3} ms {:7.1} GF/s {:5.1} % of {:5.0} | processor {:5.1} % | {:6.1} GB/s",
            wall * 1e3,
            flops / wall / 1e9,
            flops / wall / 1e7 / peak / self.threads as f64,
            peak * self.threads as f64,
            flops / processor / 1e7 / peak,
            bytes / wall / 1e9
        );
    }

    fn wants(&self, name: &str) -> bool {
        name.contains(&self.filter)
    }

    fn product(&self, name: &str, t: usize, k: usize, n: usize, r: usize) {
        let name = format!("{name} {t}x{k}x{n} r{r}");
        if !self.wants(&name) {
            return;
        }
        let x = PackedInput::pack(&values(t * k), t, k, k);
        let w = PackedWeight::from_f32(n, k, &values(n * k), k);
        let h = PackedInput::pack(&values(t * r), t, r, r);
        let b = PackedWeight::from_f32(n, r, &values(n * r), r);
        let tails = if r > 0 { vec![Tail { input: &h, weight: &b, columns: 0..n }] } else { vec![] };
        let mut y = vec![1f32; t * n + 16];
        let o = y.as_ptr().align_offset(64);
        let y = &mut y[o..][..t * n];
        self.line(&name, 2.0 * (t * (k + r) * n) as f64, w.bytes() as f64, || {
            matmul(&x, &w, y, false, &tails)
        });
    }

    fn decode(&self, t: usize) {
        let (k, n) = (896, 4864);
        let name = format!("decode {t}x{k}x{n}");
        if !self.wants(&name) {
            return;
        }
        let weights = vec![PackedWeight::from_f32(n, k, &values(n * k), k); 64];
        let bytes: usize = weights.iter().map(PackedWeight::bytes).sum();
        let x = PackedInput::pack(&values(t * k), t, k, k);
        let mut y = vec![0f32; t * n];
        self.line(&name, 2.0 * (t * k * n * weights.len()) as f64, bytes as f64, || {
            for w in &weights {
                matmul(&x, w, &mut y, false, &[]);
            }
        });
    }

    fn packing(&self) {
        for (t, k) in [(512, 896), (512, 4864)] {
            let (x, mut packed) = (values(t * k), PackedInput::default());
            if self.wants("pack input") {
                self.line(&format!("pack input {t}x{k}"), 0.0, (t * k * 6) as f64, || {
                    packed.repack(&x, t, k, k)
                });
            }
        }
        for (n, k) in [(16, 896), (4864, 16), (896, 16)] {
            let (w, mut packed) = (values(n * k), PackedWeight::default());
            if self.wants("pack lora") {
                self.line(&format!("pack lora {n}x{k}"), 0.0, (n * k * 6) as f64, || {
                    packed.pack_f32(n, k, &w, k)
                });
                let name = format!("pack lora transposed {n}x{k}");
                self.line(&name, 0.0, (n * k * 6) as f64, || packed.pack_f32_transposed(n, k, &w, n));
            }
        }
        let (n, k) = (4864, 896);
        if self.wants("pack weight") {
            let w = values(n * k);
            self.line("pack weight 4864x896", 0.0, (n * k * 6) as f64, || {
                drop(PackedWeight::from_f32(n, k, &w, k))
            });
            let packed = PackedWeight::from_f32(n, k, &w, k);
            self.line("pack weight transposed", 0.0, (n * k * 4) as f64, || drop(packed.transposed()));
        }
    }

    fn outer(&self, t: usize, r: usize, n: usize) {
        let name = format!("outer {t} tokens, {r} x {n}");
        if !self.wants(&name) {
            return;
        }
        let (left, right, mut out) = (values(t * r), values(t * n), vec![0f32; r * n]);
        self.line(&name, 2.0 * (t * r * n) as f64, (t * n * 4) as f64, || {
            outer_accumulate(&mut out, 1.0, View::new(&left, t, r, r), View::new(&right, t, n, n));
        });
    }

    /// The `gemm` crate in f32, which runs where there is no bf16.
    fn f32_crate(&self, t: usize, k: usize, n: usize) {
        let name = format!("gemm crate f32 {t}x{k}x{n}");
        if !self.wants(&name) {
            return;
        }
        let (x, w, mut y) = (values(t * k), values(n * k), vec![0f32; t * n]);
        let parallelism =
            if self.threads == 1 { gemm::Parallelism::None } else { gemm::Parallelism::Rayon(self.threads) };
        self.line(&name, 2.0 * (t * k * n) as f64, 0.0, || {
            let (n, k) = (n as isize, k as isize);
            // SAFETY: y (t, n), x (t, k) and w (n, k) are dense and have these sizes.
            unsafe {
                gemm::gemm(
                    t,
                    n as usize,
                    k as usize,
                    y.as_mut_ptr(),
                    1,
                    n,
                    false,
                    x.as_ptr(),
                    1,
                    k,
                    w.as_ptr(),
                    k,
                    1,
                    0.0,
                    1.0,
                    false,
                    false,
                    false,
                    parallelism,
                );
            }
        });
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let threads = arguments.next().and_then(|a| a.parse().ok()).unwrap_or(1);
    let bench = Bench { threads, filter: arguments.next().unwrap_or_default() };
    println!("{}, {threads} threads", Isa::detect().description());
    let pool =
        rayon::ThreadPoolBuilder::new().num_threads(threads).start_handler(move |i| pin(threads, i)).build();
    let Ok(pool) = pool else { return println!("no thread pool") };
    pool.install(|| {
        for t in [64, 128, 512, 1024] {
            bench.product("up", t, 896, 4864, 0);
            bench.product("down", t, 4864, 896, 0);
            bench.product("qkv", t, 896, 1152, 0);
            bench.product("o", t, 896, 896, 0);
        }
        bench.product("lora up", 512, 896, 4864, 16);
        bench.product("gate|up", 512, 896, 9728, 0);
        bench.product("dgate|up", 512, 9728, 896, 0);
        bench.product("lora down", 512, 4864, 16, 0);
        bench.product("lora qkv", 512, 896, 48, 0);
        bench.product("head", 128, 896, 151_936, 0);
        bench.product("head", 512, 896, 151_936, 0);
        bench.product("dhead", 128, 151_936, 896, 0);
        for t in [1, 4, 8, 16] {
            bench.decode(t);
        }
        bench.packing();
        bench.outer(512, 16, 4864);
        bench.outer(512, 16, 896);
        bench.outer(512, 8, 4864);
        bench.outer(512, 64, 4864);
        bench.f32_crate(512, 896, 4864);
    });
}
