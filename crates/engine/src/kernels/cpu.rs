//! What this processor can do: the instruction set the kernels use, and its measured peak.

use std::fmt;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Names the instruction set to use instead of the best one: `avx512bf16`, `avx512`, `avx2` or `portable`.
/// Asking for more than the processor has gives what it has.
pub const ISA_VARIABLE: &str = "SEALD_ISA";

/// Instruction sets the kernels know, ordered from the least to the most capable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Isa {
    /// Plain Rust: any x86-64 and AArch64.
    Portable,
    /// AVX2 with FMA.
    Avx2,
    /// AVX-512 F, BW, DQ and VL.
    Avx512,
    /// AVX-512 with `vdpbf16ps` (AMD Zen 4 and later, Intel Cooper Lake, Sapphire Rapids and later).
    Avx512Bf16,
}

impl Isa {
    /// All of them, the least capable first.
    pub const ALL: [Isa; 4] = [Isa::Portable, Isa::Avx2, Isa::Avx512, Isa::Avx512Bf16];

    /// What the kernels use in this process: [`Isa::supported`], or less if [`ISA_VARIABLE`] says so.
    /// Decided once; an unknown name in the variable is ignored ([`Isa::parse`] lets a caller complain).
    pub fn detect() -> Isa {
        static ISA: OnceLock<Isa> = OnceLock::new();
        *ISA.get_or_init(|| {
            let wanted = std::env::var(ISA_VARIABLE).ok().and_then(|name| Isa::parse(&name));
            wanted.map_or_else(Isa::supported, Isa::at_most_supported)
        })
    }

    /// The most capable instruction set of this processor, whatever the environment says.
    pub fn supported() -> Isa {
        #[cfg(target_arch = "x86_64")]
        {
            let avx512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl");
            if avx512 && is_x86_feature_detected!("avx512bf16") {
                return Isa::Avx512Bf16;
            }
            if avx512 {
                return Isa::Avx512;
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                return Isa::Avx2;
            }
        }
        Isa::Portable
    }

    /// This one, or the best this processor has if that is less: never an instruction set that would fault.
    pub fn at_most_supported(self) -> Isa {
        self.min(Isa::supported())
    }

    /// Does the packed bf16 path ([`super::bf16`]) pay here? Elsewhere it is correct but slow, so callers use f32.
    pub fn has_bf16(self) -> bool {
        self == Isa::Avx512Bf16
    }

    /// The name that [`ISA_VARIABLE`] takes.
    pub fn name(self) -> &'static str {
        match self {
            Isa::Portable => "portable",
            Isa::Avx2 => "avx2",
            Isa::Avx512 => "avx512",
            Isa::Avx512Bf16 => "avx512bf16",
        }
    }

    /// The instruction set called `name`, if there is one.
    pub fn parse(name: &str) -> Option<Isa> {
        Isa::ALL.into_iter().find(|isa| isa.name() == name.trim())
    }

    /// One line for `doctor`: what it is and what that means for the user.
    pub fn description(self) -> &'static str {
        match self {
            Isa::Avx512Bf16 => {
                "AVX-512 with BF16 dot products: bf16 weights, or f32 where that is clearly faster"
            }
            Isa::Avx512 => "AVX-512 without BF16: f32 weights",
            Isa::Avx2 => "AVX2 and FMA: f32 weights",
            Isa::Portable => "no vector instructions known to seald: f32 weights, slow",
        }
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The multiply-add rate of one thread out of registers, in GF/s (a multiply and an add count 2): the ceiling of any
/// matmul in `isa`'s best number format (bf16 products for [`Isa::Avx512Bf16`], else f32).
///
/// The best of several short runs, about 20 ms in all. An unsupported `isa` is lowered to a supported one.
pub fn measure_peak(isa: Isa) -> f64 {
    const ROUNDS: u32 = 20_000;
    let isa = isa.at_most_supported();
    let started = Instant::now();
    let mut best = 0f64;
    while started.elapsed() < Duration::from_millis(20) {
        let round = Instant::now();
        let flops = peak::run(isa, ROUNDS);
        best = best.max(flops * f64::from(ROUNDS) / round.elapsed().as_secs_f64() / 1e9);
    }
    best
}

#[cfg(target_arch = "x86_64")]
mod peak {
    use super::Isa;
    use std::arch::x86_64::*;
    use std::hint::black_box;

    /// Runs the loop `rounds` times; the floating-point operations of one round.
    pub(super) fn run(isa: Isa, rounds: u32) -> f64 {
        // SAFETY: `measure_peak` lowered `isa` to what this processor supports.
        unsafe {
            match isa {
                Isa::Avx512Bf16 => bf16(rounds),
                Isa::Avx512 => avx512(rounds),
                Isa::Avx2 => avx2(rounds),
                Isa::Portable => super::portable_round(rounds),
            }
        }
    }

    #[target_feature(enable = "avx512f,avx512bf16")]
    fn bf16(rounds: u32) -> f64 {
        let mut acc = [_mm512_set1_ps(0.1); 24];
        let half = black_box(0x3f00_3f00); // two bf16 of 0.5
        // SAFETY: both types are 64 plain bytes.
        let x: __m512bh = unsafe { std::mem::transmute(_mm512_set1_epi32(half)) };
        for _ in 0..rounds {
            for a in &mut acc {
                *a = _mm512_dpbf16_ps(*a, x, x);
            }
        }
        black_box(acc);
        24.0 * 64.0
    }

    #[target_feature(enable = "avx512f")]
    fn avx512(rounds: u32) -> f64 {
        let mut acc = [_mm512_set1_ps(0.1); 24];
        let x = _mm512_set1_ps(black_box(0.5));
        for _ in 0..rounds {
            for a in &mut acc {
                *a = _mm512_fmadd_ps(*a, x, x);
            }
        }
        black_box(acc);
        24.0 * 32.0
    }

    #[target_feature(enable = "avx2,fma")]
    fn avx2(rounds: u32) -> f64 {
        let mut acc = [_mm256_set1_ps(0.1); 12];
        let x = _mm256_set1_ps(black_box(0.5));
        for _ in 0..rounds {
            for a in &mut acc {
                *a = _mm256_fmadd_ps(*a, x, x);
            }
        }
        black_box(acc);
        12.0 * 16.0
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod peak {
    pub(super) fn run(_: super::Isa, rounds: u32) -> f64 {
        super::portable_round(rounds)
    }
}

/// 32 independent multiply-adds a round, which the compiler may vectorise for the baseline target.
fn portable_round(rounds: u32) -> f64 {
    let mut acc = [0.1f32; 32];
    let x = std::hint::black_box(0.5f32);
    for _ in 0..rounds {
        for a in &mut acc {
            *a = *a * x + x;
        }
    }
    std::hint::black_box(acc);
    64.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_back_and_unknown_ones_do_not() {
        for isa in Isa::ALL {
            assert_eq!(Isa::parse(isa.name()), Some(isa));
        }
        assert_eq!(Isa::parse("sse9"), None);
    }

    #[test]
    fn a_forced_isa_is_never_above_the_supported_one() {
        for isa in Isa::ALL {
            assert!(isa.at_most_supported() <= Isa::supported());
            assert!(isa.at_most_supported() <= isa);
        }
    }

    #[test]
    fn every_peak_loop_runs() {
        for isa in Isa::ALL {
            assert!(measure_peak(isa) > 0.0);
        }
    }
}
