//! The tile kernel: up to 14 rows by 32 columns of y, summed in registers over any number of k segments.
//!
//! The sum of an element starts from its old value (or 0) and takes the pairs of k in order, one at a time, whatever the
//! blocking: so a result depends on its own row and column only, never on its neighbours, the batch or the threads.

use super::input::MR;
use super::weight::NR;
use crate::kernels::cpu::Isa;

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
    /// Write past the caches. Every row must start on a cache line, and [`finish_streaming`] follow.
    pub(super) stream: bool,
    /// First element of the next tile: fetched into the cache. Need not be valid.
    pub(super) next_c: *const f32,
    /// Next weights to be read: fetched into the cache, `fetch_step` bytes (up to 128) for each pair. Need not be valid.
    pub(super) fetch: *const u32,
    pub(super) fetch_step: usize,
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

/// Makes streamed tiles visible to threads that synchronise with this one.
pub(super) fn finish_streaming() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: an instruction of every x86-64 processor, without operands.
    unsafe {
        std::arch::asm!("sfence", options(nostack, preserves_flags));
    }
}

static PORTABLE: [Kernel; MR] = [
    portable::<1>,
    portable::<2>,
    portable::<3>,
    portable::<4>,
    portable::<5>,
    portable::<6>,
    portable::<7>,
    portable::<8>,
    portable::<9>,
    portable::<10>,
    portable::<11>,
    portable::<12>,
    portable::<13>,
    portable::<14>,
];

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
    //! The inner loop is assembly: the speed rests on 28 sums staying in registers, which compilers undo at will (builds
    //! that check arithmetic ran at a quarter of the speed).

    use super::{Kernel, MR, NR, Segment, Tile};
    use crate::kernels::register_tiles::for_each_height;
    use std::arch::asm;
    use std::arch::x86_64::*;

    /// `[rows - 1][more than 16 columns]`
    pub(super) static KERNELS: [[Kernel; 2]; MR] = [
        [rows_1::<1>, rows_1::<2>],
        [rows_2::<1>, rows_2::<2>],
        [rows_3::<1>, rows_3::<2>],
        [rows_4::<1>, rows_4::<2>],
        [rows_5::<1>, rows_5::<2>],
        [rows_6::<1>, rows_6::<2>],
        [rows_7::<1>, rows_7::<2>],
        [rows_8::<1>, rows_8::<2>],
        [rows_9::<1>, rows_9::<2>],
        [rows_10::<1>, rows_10::<2>],
        [rows_11::<1>, rows_11::<2>],
        [rows_12::<1>, rows_12::<2>],
        [rows_13::<1>, rows_13::<2>],
        [rows_14::<1>, rows_14::<2>],
    ];

    /// Defines the tile of `$m` rows by V vectors of 16 columns. A row is its index, its two sums, and their registers.
    macro_rules! define {
        ($name:ident $m:literal [$(($i:tt $low:ident $high:ident $zl:tt $zh:tt))*]) => {
            #[target_feature(enable = "avx512f,avx512bf16")]
            #[allow(clippy::too_many_lines, reason = "the count includes the assembly that the macro writes")]
            unsafe fn $name<const V: usize>(segments: &[Segment], tile: &Tile) {
                let columns = if V == 1 { tile.columns } else { tile.columns - 16 };
                let mask: __mmask16 = if columns == 16 { 0xffff } else { (1 << columns) - 1 };
                $( let (mut $low, mut $high) = (_mm512_setzero_ps(), _mm512_setzero_ps()); )*
                // SAFETY: the caller vouches for the segments and the tile (see `kernel`); prefetches may point anywhere.
                unsafe {
                    $(
                        let c = tile.c.wrapping_add($i * tile.ldc);
                        if tile.load && V == 1 {
                            $low = _mm512_maskz_loadu_ps(mask, c);
                        } else if tile.load {
                            $low = _mm512_loadu_ps(c);
                            $high = _mm512_maskz_loadu_ps(mask, c.wrapping_add(16));
                        }
                        let next = tile.next_c.wrapping_add($i * tile.ldc);
                        if !tile.stream {
                            _mm_prefetch::<_MM_HINT_ET0>(next.cast());
                            _mm_prefetch::<_MM_HINT_ET0>(next.wrapping_add(16 * V - 1).cast());
                        }
                    )*
                    let mut fetch = tile.fetch;
                    for segment in segments {
                        if segment.pairs == 0 {
                            continue;
                        }
                        let end = segment.b.wrapping_add(segment.pairs * NR);
                        if V == 2 {
                            asm!(
                                "2:",
                                "vmovaps zmm28, zmmword ptr [{b}]",
                                "vmovaps zmm29, zmmword ptr [{b} + 64]",
                                "prefetcht1 byte ptr [{fetch}]",
                                $(
                                    concat!("vbroadcastss zmm30, dword ptr [{a} + 4*", $i, "]"),
                                    concat!("vdpbf16ps ", $zl, ", zmm30, zmm28"),
                                    concat!("vdpbf16ps ", $zh, ", zmm30, zmm29"),
                                )*
                                "prefetcht1 byte ptr [{fetch} + 64]",
                                concat!("add {a}, 4*", $m),
                                "add {fetch}, {step}",
                                "sub {b}, -128",
                                "cmp {b}, {end}",
                                "jne 2b",
                                a = inout(reg) segment.a => _, b = inout(reg) segment.b => _, end = in(reg) end,
                                fetch = inout(reg) fetch, step = in(reg) tile.fetch_step,
                                $( inout($zl) $low, inout($zh) $high, )*
                                out("zmm28") _, out("zmm29") _, out("zmm30") _,
                                options(nostack, readonly),
                            );
                        } else {
                            asm!(
                                "2:",
                                "vmovaps zmm28, zmmword ptr [{b}]",
                                $( concat!("vdpbf16ps ", $zl, ", zmm28, dword ptr [{a} + 4*", $i, "]{{1to16}}"), )*
                                concat!("add {a}, 4*", $m),
                                "sub {b}, -128",
                                "cmp {b}, {end}",
                                "jne 2b",
                                a = inout(reg) segment.a => _, b = inout(reg) segment.b => _, end = in(reg) end,
                                $( inout($zl) $low, )*
                                out("zmm28") _,
                                options(nostack, readonly),
                            );
                        }
                    }
                    $(
                        let c = tile.c.wrapping_add($i * tile.ldc);
                        let last = if V == 2 { $high } else { $low };
                        if V == 2 && tile.stream {
                            _mm512_stream_ps(c, $low);
                        } else if V == 2 {
                            _mm512_storeu_ps(c, $low);
                        }
                        let c = c.wrapping_add(16 * (V - 1));
                        if mask == 0xffff && tile.stream {
                            _mm512_stream_ps(c, last);
                        } else if mask == 0xffff {
                            _mm512_storeu_ps(c, last);
                        } else {
                            _mm512_mask_storeu_ps(c, mask, last);
                        }
                    )*
                }
            }
        };
    }

    for_each_height!(define);
}
