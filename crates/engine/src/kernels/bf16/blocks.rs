//! The shuffles beneath packing: rounding to bf16 and transposing 16 x 16 blocks of bf16 pairs.
//!
//! Each has a vector and a plain version which give the same bits (denormals excepted: the vector one flushes them).

use crate::kernels::cpu::Isa;
use half::bf16;

/// Lanes of a block: 16 rows of 16 pairs.
pub(super) const LANES: usize = 16;

/// Rounds f32 to bf16, to nearest, ties to even.
///
/// # Panics
/// If the lengths differ.
pub(super) fn round(isa: Isa, source: &[f32], target: &mut [bf16]) {
    assert_eq!(source.len(), target.len(), "round: source and target differ in length");
    #[cfg(target_arch = "x86_64")]
    if isa.has_bf16() {
        // SAFETY: the ISA has AVX-512 BF16; the lengths are equal.
        unsafe { x86::round(source, target) };
        return;
    }
    let _ = isa;
    for (t, &s) in target.iter_mut().zip(source) {
        *t = bf16::from_f32(s);
    }
}

/// Two bf16 in one word, the first in the low half, as `vdpbf16ps` takes them.
pub(super) fn pair(low: bf16, high: bf16) -> u32 {
    u32::from(low.to_bits()) | u32::from(high.to_bits()) << 16
}

/// Pairs two rows of f32: word i is `low[i]` below `high[i]`, rounded.
///
/// # Panics
/// If the lengths differ.
pub(super) fn pair_rows(isa: Isa, low: &[f32], high: &[f32], words: &mut [u32]) {
    assert!(low.len() == words.len() && high.len() == words.len(), "pair_rows: lengths differ");
    #[cfg(target_arch = "x86_64")]
    if isa.has_bf16() {
        // SAFETY: the ISA is there; the lengths are equal.
        unsafe { x86::pair_rows(low, high, words) };
        return;
    }
    let _ = isa;
    for ((word, &low), &high) in words.iter_mut().zip(low).zip(high) {
        *word = pair(bf16::from_f32(low), bf16::from_f32(high));
    }
}

/// Packs 16 rows of `32 * blocks` bf16 into pairs: word `k * stride + row` of `target` is the pair k of that row.
///
/// `rows` holds the 16 rows one after another; `pairs <= 16 * blocks` of each are written.
pub(super) fn interleave_rows(isa: Isa, rows: &[bf16], pairs: usize, target: &mut [u32], stride: usize) {
    let length = rows.len() / LANES; // of one row
    assert!(length.is_multiple_of(2 * LANES) && 2 * pairs <= length, "interleave_rows: rows not padded");
    assert!(pairs == 0 || target.len() >= (pairs - 1) * stride + LANES, "interleave_rows: target too short");
    #[cfg(target_arch = "x86_64")]
    if isa.has_bf16() {
        // SAFETY: the ISA is there and the assertions above bound every access.
        unsafe { x86::interleave_rows(rows, length, pairs, target, stride) };
        return;
    }
    let _ = isa;
    for row in 0..LANES {
        for k in 0..pairs {
            target[k * stride + row] = pair(rows[row * length + 2 * k], rows[row * length + 2 * k + 1]);
        }
    }
}

/// Transposes a 32 x 32 block between two packed weights: `source` is 16 k-pairs by 32 columns n, `target` 16 n-pairs by
/// 32 columns k. Both are dense rows of 32 words.
pub(super) fn transpose_block(isa: Isa, source: &[u32; 512], target: &mut [u32; 512]) {
    #[cfg(target_arch = "x86_64")]
    if isa.has_bf16() {
        // SAFETY: the ISA is there; the arrays have the 16 rows of 32 words that are touched.
        unsafe { x86::transpose_block(source, target) };
        return;
    }
    let _ = isa;
    let half = |k: usize, n: usize| source[k / 2 * 32 + n] >> (16 * (k % 2)) & 0xffff;
    for n in 0..16 {
        for k in 0..32 {
            target[n * 32 + k] = half(k, 2 * n) | half(k, 2 * n + 1) << 16;
        }
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) mod x86 {
    use super::LANES;
    use half::bf16;
    use std::arch::x86_64::*;

    /// 32 f32 as 16 pairs of bf16; lanes beyond `count` (0..=32) are zero.
    ///
    /// # Safety
    /// `source` must be readable for `count` values.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    pub(in super::super) unsafe fn load_pairs(source: *const f32, count: usize) -> __m512i {
        // SAFETY: masked lanes are not read; the transmute is between 64 plain bytes.
        unsafe {
            let bits = if count >= 32 { u32::MAX } else { (1u32 << count) - 1 };
            let low = _mm512_maskz_loadu_ps(bits as u16, source);
            let high = _mm512_maskz_loadu_ps((bits >> 16) as u16, source.wrapping_add(LANES));
            std::mem::transmute(_mm512_cvtne2ps_pbh(high, low))
        }
    }

    /// # Safety
    /// `target` must be as long as `source`.
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    pub(super) unsafe fn round(source: &[f32], target: &mut [bf16]) {
        let mut i = 0;
        while i < source.len() {
            let count = (source.len() - i).min(32);
            let bits = if count == 32 { u32::MAX } else { (1u32 << count) - 1 };
            // SAFETY: `count` values are left in both.
            unsafe {
                let pairs = load_pairs(source.as_ptr().add(i), count);
                _mm512_mask_storeu_epi16(target.as_mut_ptr().add(i).cast(), bits, pairs);
            }
            i += count;
        }
    }

    /// # Safety
    /// All three must have the same length.
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    pub(super) unsafe fn pair_rows(low: &[f32], high: &[f32], words: &mut [u32]) {
        let mut order = [0u16; 32];
        for (i, lane) in order.iter_mut().enumerate() {
            *lane = (i / 2 + LANES * (i % 2)) as u16;
        }
        for i in (0..words.len()).step_by(LANES) {
            let mask = ((1u32 << (words.len() - i).min(LANES)) - 1) as u16;
            // SAFETY: masked lanes are not touched; the transmute is between 64 plain bytes.
            unsafe {
                let order = _mm512_loadu_si512(order.as_ptr().cast());
                let low = _mm512_maskz_loadu_ps(mask, low.as_ptr().add(i));
                let high = _mm512_maskz_loadu_ps(mask, high.as_ptr().add(i));
                let halves: __m512i = std::mem::transmute(_mm512_cvtne2ps_pbh(high, low));
                let pairs = _mm512_permutexvar_epi16(order, halves);
                _mm512_mask_storeu_epi32(words.as_mut_ptr().add(i).cast(), mask, pairs);
            }
        }
    }

    /// 16 x 16 words, rows become columns.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(in super::super) fn transpose16(r: [__m512i; 16]) -> [__m512i; 16] {
        let mut a = r;
        for i in (0..16).step_by(2) {
            a[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
            a[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
        }
        let mut b = a;
        for i in (0..16).step_by(4) {
            b[i] = _mm512_unpacklo_epi64(a[i], a[i + 2]);
            b[i + 1] = _mm512_unpackhi_epi64(a[i], a[i + 2]);
            b[i + 2] = _mm512_unpacklo_epi64(a[i + 1], a[i + 3]);
            b[i + 3] = _mm512_unpackhi_epi64(a[i + 1], a[i + 3]);
        }
        // b[4q + c], 128-bit lane l: rows 4q..4q+4 of column 4l + c.
        let mut out = b;
        for c in 0..4 {
            let even_01 = _mm512_shuffle_i32x4::<0x88>(b[c], b[4 + c]); // columns c, 8 + c of rows 0..8
            let odd_01 = _mm512_shuffle_i32x4::<0xdd>(b[c], b[4 + c]); // columns 4 + c, 12 + c
            let even_23 = _mm512_shuffle_i32x4::<0x88>(b[8 + c], b[12 + c]);
            let odd_23 = _mm512_shuffle_i32x4::<0xdd>(b[8 + c], b[12 + c]);
            out[c] = _mm512_shuffle_i32x4::<0x88>(even_01, even_23);
            out[8 + c] = _mm512_shuffle_i32x4::<0xdd>(even_01, even_23);
            out[4 + c] = _mm512_shuffle_i32x4::<0x88>(odd_01, odd_23);
            out[12 + c] = _mm512_shuffle_i32x4::<0xdd>(odd_01, odd_23);
        }
        out
    }

    /// # Safety
    /// The bounds that `super::interleave_rows` asserts.
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    pub(super) unsafe fn interleave_rows(
        rows: &[bf16],
        length: usize,
        pairs: usize,
        target: &mut [u32],
        stride: usize,
    ) {
        let mut k = 0;
        while k < pairs {
            let count = (pairs - k).min(LANES);
            // SAFETY: rows are padded to whole blocks, and `count` rows of the target are written.
            unsafe {
                let mut block = [_mm512_setzero_si512(); 16];
                for (row, lane) in block.iter_mut().enumerate() {
                    *lane = _mm512_loadu_si512(rows.as_ptr().add(row * length + 2 * k).cast());
                }
                for (j, lane) in transpose16(block).into_iter().enumerate().take(count) {
                    _mm512_storeu_si512(target.as_mut_ptr().add((k + j) * stride).cast(), lane);
                }
            }
            k += count;
        }
    }

    /// # Safety
    /// None beyond the instruction set: the arrays have the size that is touched.
    #[target_feature(enable = "avx512f,avx512bw")]
    pub(super) unsafe fn transpose_block(source: &[u32; 512], target: &mut [u32; 512]) {
        // Word k of the result: half k of row 2n below half k of row 2n + 1.
        let mut low = [0u16; 32];
        let mut high = [0u16; 32];
        for (i, (l, h)) in low.iter_mut().zip(&mut high).enumerate() {
            let k = (i / 2) as u16;
            let from_second = if i % 2 == 0 { 0 } else { 32 };
            *l = k + from_second;
            *h = 16 + k + from_second;
        }
        // SAFETY: 16 rows of 32 words in both arrays, two vectors a row.
        unsafe {
            let low = _mm512_loadu_si512(low.as_ptr().cast());
            let high = _mm512_loadu_si512(high.as_ptr().cast());
            for side in 0..2 {
                let mut block = [_mm512_setzero_si512(); 16];
                for (k, lane) in block.iter_mut().enumerate() {
                    *lane = _mm512_loadu_si512(source.as_ptr().add(k * 32 + side * 16).cast());
                }
                let rows = transpose16(block); // rows[n]: 32 values k of column 16 side + n
                for n in 0..8 {
                    let to = target.as_mut_ptr().add((side * 8 + n) * 32);
                    let (even, odd) = (rows[2 * n], rows[2 * n + 1]);
                    _mm512_storeu_si512(to.cast(), _mm512_permutex2var_epi16(even, low, odd));
                    _mm512_storeu_si512(to.add(16).cast(), _mm512_permutex2var_epi16(even, high, odd));
                }
            }
        }
    }
}
