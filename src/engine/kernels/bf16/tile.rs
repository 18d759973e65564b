//! The tile kernel: up to 14 rows by 32 columns of y, summed in registers over any number of k segments.
//!
//! The sum of an element starts from its old value (or 0) and takes the pairs of k in order, one at a time, whatever the
//! blocking: so a result depends on its own row and column only, never on its neighbours, the batch or the threads.

use super::input::MR;
use super::weight::NR;
use crate::engine::kernels::cpu::Isa;

/// A stretch of k: a panel of inputs (`pairs` groups of as many words as the tile has rows) and of weights
/// (`pairs` rows of 32 words).
#[derive(Clone, Copy)]
pub(super) struct Segment {
    pub(super) a: *const u32,
    pub(super) b: *const u32,
    pub(super) pairs: usize,
}

/// Where a tile goes and what to fetch meanwhile.
#[derive(Clone, Copy)]
pub(super) struct Tile {
    /// First element.
    pub(super) c: *mut f32,
    /// Elements from one row to the next.
    pub(super) ldc: usize,
    /// Columns, 1..=32; what lies beyond is left alone.
    pub(super) columns: usize,
    /// Add to the old values instead of replacing them.
    pub(super) load: bool,
    /// First element of the next tile: fetched into the cache. Need not be valid.
    pub(super) next_c: *const f32,
    /// Next weights to be read: `fetch_lines` cache lines for every 8 pairs. Need not be valid.
    pub(super) fetch: *const u32,
    pub(super) fetch_lines: usize,
}

/// Computes tiles of a fixed number of rows and of vectors.
pub(super) type Kernel = unsafe fn(&[Segment], &Tile);

/// The kernel for `rows` (1..=14) and `columns` (1..=32).
///
/// Calling it is sound if `isa` is supported, every segment has the words it claims, and `rows` by `columns` elements
/// at `c` may be written by this thread alone, and are initialised if `load` is set.
pub(super) fn kernel(isa: Isa, rows: usize, columns: usize) -> Kernel {
    debug_assert!((1..=MR).contains(&rows) && (1..=NR).contains(&columns));
    #[cfg(target_arch = "x86_64")]
    if isa.has_bf16() {
        return x86::KERNELS[rows - 1][usize::from(columns > 16)];
    }
    let _ = isa;
    PORTABLE[rows - 1]
}

macro_rules! by_rows {
    ($f:ident $(, $v:literal)?) => {
        [
            $f::<1 $(, $v)?>, $f::<2 $(, $v)?>, $f::<3 $(, $v)?>, $f::<4 $(, $v)?>, $f::<5 $(, $v)?>, $f::<6 $(, $v)?>,
            $f::<7 $(, $v)?>, $f::<8 $(, $v)?>, $f::<9 $(, $v)?>, $f::<10 $(, $v)?>, $f::<11 $(, $v)?>,
            $f::<12 $(, $v)?>, $f::<13 $(, $v)?>, $f::<14 $(, $v)?>,
        ]
    };
}

static PORTABLE: [Kernel; MR] = by_rows!(portable);

/// The same sums in plain Rust: the reference, and what runs where there is no AVX512-BF16.
unsafe fn portable<const M: usize>(segments: &[Segment], tile: &Tile) {
    let low = |word: u32| f32::from_bits(word << 16);
    let high = |word: u32| f32::from_bits(word & 0xffff_0000);
    for row in 0..M {
        let mut sums = [0f32; NR];
        // SAFETY: the caller vouches for the segments and the tile (see `kernel`).
        unsafe {
            let c = tile.c.add(row * tile.ldc);
            if tile.load {
                std::ptr::copy_nonoverlapping(c, sums.as_mut_ptr(), tile.columns);
            }
            for segment in segments {
                for pair in 0..segment.pairs {
                    let a = *segment.a.add(pair * M + row);
                    for (j, sum) in sums.iter_mut().enumerate() {
                        let b = *segment.b.add(pair * NR + j);
                        // `vdpbf16ps` takes the odd element first.
                        *sum = high(a).mul_add(high(b), *sum);
                        *sum = low(a).mul_add(low(b), *sum);
                    }
                }
            }
            std::ptr::copy_nonoverlapping(sums.as_ptr(), c, tile.columns);
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Kernel, MR, NR, Segment, Tile};
    use std::arch::x86_64::*;

    const UNROLL: usize = 8;

    /// `[rows - 1][more than 16 columns]`
    pub(super) static KERNELS: [[Kernel; 2]; MR] = {
        let (narrow, wide): ([Kernel; MR], [Kernel; MR]) = (by_rows!(tile, 1), by_rows!(tile, 2));
        let mut both = [[narrow[0]; 2]; MR];
        let mut rows = 0;
        while rows < MR {
            both[rows] = [narrow[rows], wide[rows]];
            rows += 1;
        }
        both
    };

    /// M rows by V vectors of 16 columns.
    #[target_feature(enable = "avx512f,avx512bf16")]
    unsafe fn tile<const M: usize, const V: usize>(segments: &[Segment], tile: &Tile) {
        let last: __mmask16 = ((1u32 << (tile.columns - 16 * (V - 1))) - 1) as u16;
        let mut sums = [[_mm512_setzero_ps(); V]; M];
        // SAFETY: the caller vouches for the segments and the tile (see `kernel`); prefetches may point anywhere.
        unsafe {
            if tile.load {
                for i in 0..M {
                    for v in 0..V {
                        let mask = if v + 1 == V { last } else { 0xffff };
                        sums[i][v] = _mm512_maskz_loadu_ps(mask, tile.c.add(i * tile.ldc + 16 * v));
                    }
                }
            }
            for i in 0..M {
                let line = tile.next_c.wrapping_add(i * tile.ldc);
                _mm_prefetch::<_MM_HINT_ET0>(line.cast());
                _mm_prefetch::<_MM_HINT_ET0>(line.wrapping_add(16 * V - 1).cast());
            }
            let mut fetch = tile.fetch;
            for segment in segments {
                let (mut a, mut b) = (segment.a, segment.b);
                for _ in 0..segment.pairs / UNROLL {
                    for _ in 0..tile.fetch_lines {
                        _mm_prefetch::<_MM_HINT_T1>(fetch.cast());
                        fetch = fetch.wrapping_add(16);
                    }
                    for u in 0..UNROLL {
                        step::<M, V>(a.add(u * M), b.add(u * NR), &mut sums);
                    }
                    a = a.add(UNROLL * M);
                    b = b.add(UNROLL * NR);
                }
                for u in 0..segment.pairs % UNROLL {
                    step::<M, V>(a.add(u * M), b.add(u * NR), &mut sums);
                }
            }
            for i in 0..M {
                for v in 0..V {
                    let to = tile.c.add(i * tile.ldc + 16 * v);
                    if v + 1 < V || last == 0xffff {
                        _mm512_storeu_ps(to, sums[i][v]);
                    } else {
                        _mm512_mask_storeu_ps(to, last, sums[i][v]);
                    }
                }
            }
        }
    }

    /// One pair of k: an outer product of M words and 16 V words.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bf16")]
    unsafe fn step<const M: usize, const V: usize>(
        a: *const u32,
        b: *const u32,
        sums: &mut [[__m512; V]; M],
    ) {
        // SAFETY: the caller has M words at `a` and 32 at `b`; the transmutes are between 64 plain bytes.
        unsafe {
            let mut columns = [_mm512_setzero_si512(); V];
            for (v, column) in columns.iter_mut().enumerate() {
                *column = _mm512_load_si512(b.add(16 * v).cast());
            }
            for i in 0..M {
                let row = _mm512_set1_epi32(*a.add(i) as i32);
                for v in 0..V {
                    sums[i][v] = _mm512_dpbf16_ps(
                        sums[i][v],
                        std::mem::transmute(row),
                        std::mem::transmute(columns[v]),
                    );
                }
            }
        }
    }
}
