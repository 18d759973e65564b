//! Plain Rust loops compiled once for each instruction set, and the few scalar functions they share.
//!
//! The bodies use fixed-width lanes so that the compiler vectorises them and so that sums have one
//! order on every machine of the same instruction set.

/// Number of partial sums a reduction keeps; one AVX-512 register of f32.
pub(super) const LANES: usize = 16;

/// Defines a function whose body is compiled for AVX-512, for AVX2+FMA and for the baseline, and
/// which runs the one that its first argument, an [`Isa`](super::cpu::Isa), names.
///
/// Callers obtain the `Isa` from `Compute::isa` or `Isa::detect`, which never name a set that the machine lacks; so these
/// functions stay within the engine.
macro_rules! simd_fn {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? $body:block) => {
        $(#[$meta])*
        $vis fn $name(isa: crate::kernels::cpu::Isa, $($arg: $ty),*) $(-> $ret)? {
            #[inline(always)]
            fn body($($arg: $ty),*) $(-> $ret)? $body

            #[cfg(target_arch = "x86_64")]
            {
                use crate::kernels::cpu::Isa;

                #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
                fn avx512($($arg: $ty),*) $(-> $ret)? {
                    body($($arg),*)
                }
                #[target_feature(enable = "avx2,fma")]
                fn avx2($($arg: $ty),*) $(-> $ret)? {
                    body($($arg),*)
                }
                match isa {
                    // SAFETY: by the doc comment above, this machine has the instruction set.
                    Isa::Avx512Bf16 | Isa::Avx512 => unsafe { avx512($($arg),*) },
                    // SAFETY: as above.
                    Isa::Avx2 => unsafe { avx2($($arg),*) },
                    Isa::Portable => body($($arg),*),
                }
            }
            #[cfg(not(target_arch = "x86_64"))]
            {
                let _ = isa;
                body($($arg),*)
            }
        }
    };
}
pub(super) use simd_fn;

/// e^x for f32 to about one unit in the last place: range reduction by ln 2 in two parts and a
/// degree-6 polynomial (the coefficients of Cephes' `expf`). Inputs below -87.3 give 0.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    // Adding and subtracting 1.5 * 2^23 rounds to the nearest integer without a libm call.
    const ROUND: f32 = 12_582_912.0;
    let clamped = x.clamp(-87.3, 88.7);
    let shifted = clamped * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = clamped - n * LN2_HIGH - n * LN2_LOW;
    let mut p = 1.987_569_1e-4_f32;
    p = p * r + 1.398_2e-3;
    p = p * r + 8.333_452e-3;
    p = p * r + 4.166_579_6e-2;
    p = p * r + 1.666_666_6e-1;
    p = p * r + 0.5;
    let e = p * r * r + r + 1.0;
    // The low bits of `shifted` are n: a cast to an integer would keep the loop from being vectorised.
    let scale = f32::from_bits(shifted.to_bits().wrapping_add(127) << 23);
    if x < -87.3 { 0.0 } else { e * scale }
}

/// Sum of `f(i)` products in lanes: a fixed order of additions that vectorises.
#[inline(always)]
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let (a_rest, b_rest) = (a_chunks.remainder(), b_chunks.remainder());
    for (x, y) in a_chunks.zip(b_chunks) {
        for l in 0..LANES {
            lanes[l] += x[l] * y[l];
        }
    }
    let mut sum = 0.0;
    for (x, y) in a_rest.iter().zip(b_rest) {
        sum += x * y;
    }
    for l in lanes {
        sum += l;
    }
    sum
}

/// Largest element; negative infinity for an empty slice.
#[inline(always)]
pub(super) fn max(a: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let chunks = a.chunks_exact(LANES);
    let rest = chunks.remainder();
    for x in chunks {
        for l in 0..LANES {
            lanes[l] = if x[l] > lanes[l] { x[l] } else { lanes[l] };
        }
    }
    let mut top = f32::NEG_INFINITY;
    for &x in lanes.iter().chain(rest) {
        top = if x > top { x } else { top };
    }
    top
}

/// Replaces each element by `exp(x - shift)` and returns the sum of the results.
#[inline(always)]
pub(super) fn exp_shifted_in_place(a: &mut [f32], shift: f32) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let mut chunks = a.chunks_exact_mut(LANES);
    for x in &mut chunks {
        for l in 0..LANES {
            x[l] = exp(x[l] - shift);
            lanes[l] += x[l];
        }
    }
    let mut sum = 0.0;
    for x in chunks.into_remainder() {
        *x = exp(*x - shift);
        sum += *x;
    }
    for l in lanes {
        sum += l;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_close_to_libm_over_its_whole_range() {
        let mut worst = 0.0f64;
        let mut x = -87.0f32;
        while x < 88.0 {
            let expected = f64::from(x).exp();
            worst = worst.max((f64::from(exp(x)) - expected).abs() / expected);
            x += 0.003_17;
        }
        assert!(worst < 3e-7, "worst relative error {worst}");
        assert_eq!(exp(-1000.0), 0.0);
        assert_eq!(exp(0.0), 1.0);
    }

    #[test]
    fn reductions_cover_the_remainder() {
        let a: Vec<f32> = (0..37).map(|i| i as f32 - 40.0).collect();
        assert_eq!(max(&a), -4.0);
        assert_eq!(dot(&a, &[1.0; 37]), a.iter().sum::<f32>());
        let mut b = a.clone();
        let sum = exp_shifted_in_place(&mut b, -4.0);
        let expected: f64 = a.iter().map(|&x| f64::from(x + 4.0).exp()).sum();
        assert!((f64::from(sum) - expected).abs() < 1e-5);
    }
}
