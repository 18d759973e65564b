//! Weight gradients of LoRA: a few rows of output, summed over many tokens, in f32.

use super::cpu::Isa;
use rayon::prelude::*;

/// A matrix in f32, possibly a column slice of a wider one: element (i, j) is `data[i * stride + j]`.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    stride: usize,
}

impl<'a> View<'a> {
    /// # Panics
    /// If `data` does not hold the matrix.
    pub fn new(data: &'a [f32], rows: usize, columns: usize, stride: usize) -> Self {
        let holds =
            rows == 0 || columns == 0 || (columns <= stride && data.len() >= (rows - 1) * stride + columns);
        assert!(holds, "View: {} values for {rows} rows of {columns}, stride {stride}", data.len());
        Self { data, rows, columns, stride }
    }
}

/// out += scale * leftᵀ right, summed over the tokens t: out (r, n) dense, left (t, r), right (t, n), r small.
///
/// The gradients of LoRA's y = x Wᵀ + s h Bᵀ, h = x Aᵀ: dBᵀ (r, n) += s hᵀ dy, and dA (r, k) += dhᵀ x.
/// Tokens are summed in order, in blocks of 128: the same bits for any number of threads.
///
/// # Panics
/// If the shapes do not fit one another.
pub fn outer_accumulate(out: &mut [f32], scale: f32, left: View<'_>, right: View<'_>) {
    outer_accumulate_with(Isa::detect(), out, scale, left, right);
}

/// [`outer_accumulate`] with an instruction set that the caller knows to be there.
pub(super) fn outer_accumulate_with(isa: Isa, out: &mut [f32], scale: f32, left: View<'_>, right: View<'_>) {
    assert_eq!(left.rows, right.rows, "outer_accumulate: tokens of left and right");
    assert_eq!(out.len(), left.columns * right.columns, "outer_accumulate: size of out");
    if out.is_empty() {
        return;
    }
    let job = Job { isa, out: out.as_mut_ptr(), scale, left, right };
    const WORTH_SHARING: usize = 1 << 16; // multiply-adds; below, waking a thread costs more
    let threads = if out.len() * left.rows < WORTH_SHARING { 1 } else { rayon::current_num_threads() };
    let n = right.columns;
    let chunk = if threads == 1 { n } else { n.div_ceil(4 * threads).next_multiple_of(COLUMNS) };
    // SAFETY: the chunks share no column, and `out` is exclusively ours.
    let work = |i: usize| unsafe { job.columns(i * chunk, n.min((i + 1) * chunk)) };
    if threads == 1 {
        work(0);
    } else {
        (0..n.div_ceil(chunk)).into_par_iter().with_max_len(1).for_each(work);
    }
}

/// Columns of a tile.
const COLUMNS: usize = 32;
/// Most rows of a tile: 28 sums of 16 columns in registers.
const ROWS: usize = 14;
/// Tokens summed before the result is touched: 16 KiB of a strip of `right` stay in the first-level cache meanwhile.
const TOKENS: usize = 128;

struct Job<'a> {
    isa: Isa,
    out: *mut f32,
    scale: f32,
    left: View<'a>,
    right: View<'a>,
}

// SAFETY: tasks write to different columns of `out`.
unsafe impl Sync for Job<'_> {}

/// One tile's operands: `tokens` rows of `left` (as many values as the tile has rows) and `right`.
struct Tile {
    tokens: usize,
    left: *const f32,
    left_stride: usize,
    right: *const f32,
    right_stride: usize,
    /// 1..=32
    columns: usize,
    out: *mut f32,
    out_stride: usize,
    scale: f32,
}

type Kernel = unsafe fn(&Tile);

impl Job<'_> {
    /// # Safety
    /// Nobody else touches these columns of `out`.
    unsafe fn columns(&self, from: usize, to: usize) {
        let (r, n) = (self.left.columns, self.right.columns);
        let tiles = r.div_ceil(ROWS);
        let (each, larger) = (r / tiles, r % tiles);
        for first in (0..self.left.rows).step_by(TOKENS) {
            let tokens = TOKENS.min(self.left.rows - first);
            for column in (from..to).step_by(COLUMNS) {
                let mut row = 0;
                for i in 0..tiles {
                    let rows = each + usize::from(i < larger);
                    let tile = Tile {
                        tokens,
                        left: self.left.data[first * self.left.stride + row..].as_ptr(),
                        left_stride: self.left.stride,
                        right: self.right.data[first * self.right.stride + column..].as_ptr(),
                        right_stride: self.right.stride,
                        columns: COLUMNS.min(to - column),
                        out: self.out.wrapping_add(row * n + column),
                        out_stride: n,
                        scale: self.scale,
                    };
                    // SAFETY: the views hold `tokens` rows of these columns; the elements of `out` are ours.
                    unsafe { kernel(self.isa, rows)(&tile) };
                    row += rows;
                }
            }
        }
    }
}

fn kernel(isa: Isa, rows: usize) -> Kernel {
    #[cfg(target_arch = "x86_64")]
    match isa {
        Isa::Avx512 | Isa::Avx512Bf16 => return x86::AVX512[rows - 1],
        Isa::Avx2 => return x86::AVX2[rows - 1],
        Isa::Portable => {}
    }
    let _ = isa;
    PORTABLE[rows - 1]
}

macro_rules! by_rows {
    ($f:ident) => {
        [
            $f::<1>, $f::<2>, $f::<3>, $f::<4>, $f::<5>, $f::<6>, $f::<7>, $f::<8>, $f::<9>, $f::<10>,
            $f::<11>, $f::<12>, $f::<13>, $f::<14>,
        ]
    };
}

static PORTABLE: [Kernel; ROWS] = by_rows!(portable);

unsafe fn portable<const M: usize>(tile: &Tile) {
    // SAFETY: handed on from the caller.
    unsafe { plain::<M>(tile) }
}

/// The sums in plain Rust, for whatever vectors the caller's target features allow.
///
/// # Safety
/// The operands of `tile` are readable, its part of `out` is this thread's alone.
#[inline(always)]
unsafe fn plain<const M: usize>(tile: &Tile) {
    for row in 0..M {
        let mut sums = [0f32; COLUMNS];
        // SAFETY: handed on from the caller.
        unsafe {
            for t in 0..tile.tokens {
                let left = *tile.left.add(t * tile.left_stride + row);
                let right = std::slice::from_raw_parts(tile.right.add(t * tile.right_stride), tile.columns);
                if let Ok(right) = <&[f32; COLUMNS]>::try_from(right) {
                    for (sum, &right) in sums.iter_mut().zip(right) {
                        *sum += left * right;
                    }
                } else {
                    for (sum, &right) in sums.iter_mut().zip(right) {
                        *sum += left * right;
                    }
                }
            }
            let out = std::slice::from_raw_parts_mut(tile.out.add(row * tile.out_stride), tile.columns);
            for (out, sum) in out.iter_mut().zip(sums) {
                *out += tile.scale * sum;
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{COLUMNS, Kernel, ROWS, Tile};
    use crate::kernels::register_tiles::for_each_height;
    use std::arch::asm;
    use std::arch::x86_64::*;

    pub(super) static AVX2: [Kernel; ROWS] = by_rows!(avx2);

    /// Rows that are summed at a time: eight sums of 8 lanes are under way, as many as two multiply-adds a cycle of 4 cycles' latency need,
    /// and each element of `right` is loaded once for both. By hand, for the compiler makes no vectors of [`super::plain`].
    const TOGETHER: usize = 2;

    #[target_feature(enable = "avx2,fma")]
    unsafe fn avx2<const M: usize>(tile: &Tile) {
        // SAFETY: handed on from the caller; whole rows of 32 columns are there.
        unsafe {
            if tile.columns < COLUMNS {
                return super::plain::<M>(tile);
            }
            for row in (0..M - M % TOGETHER).step_by(TOGETHER) {
                avx2_rows::<TOGETHER>(tile, row);
            }
            for row in M - M % TOGETHER..M {
                avx2_rows::<1>(tile, row);
            }
        }
    }

    /// Rows `row .. row + R` of a tile of 32 columns.
    #[target_feature(enable = "avx2,fma")]
    unsafe fn avx2_rows<const R: usize>(tile: &Tile, row: usize) {
        let mut sums = [[_mm256_setzero_ps(); 4]; R];
        // SAFETY: handed on from the caller.
        unsafe {
            for t in 0..tile.tokens {
                let right = tile.right.add(t * tile.right_stride);
                let right = [0, 8, 16, 24].map(|column| _mm256_loadu_ps(right.add(column)));
                for (i, sums) in sums.iter_mut().enumerate() {
                    let left = _mm256_set1_ps(*tile.left.add(t * tile.left_stride + row + i));
                    for (sum, right) in sums.iter_mut().zip(right) {
                        *sum = _mm256_fmadd_ps(left, right, *sum);
                    }
                }
            }
            let scale = _mm256_set1_ps(tile.scale);
            for (i, sums) in sums.into_iter().enumerate() {
                let out = tile.out.add((row + i) * tile.out_stride);
                for (part, sum) in sums.into_iter().enumerate() {
                    let out = out.add(8 * part);
                    _mm256_storeu_ps(out, _mm256_fmadd_ps(scale, sum, _mm256_loadu_ps(out)));
                }
            }
        }
    }

    /// Defines the tile of `$m` rows by 32 columns. A row is its index, its two sums, and their registers. In assembly
    /// for the reason given in `bf16::tile`.
    macro_rules! define {
        ($name:ident $m:literal [$(($i:tt $low:ident $high:ident $zl:tt $zh:tt))*]) => {
            #[target_feature(enable = "avx512f")]
            unsafe fn $name(tile: &Tile) {
                let bits = ((1u64 << tile.columns) - 1) as u32;
                let masks = [bits as u16, (bits >> 16) as u16];
                $( let (mut $low, mut $high) = (_mm512_setzero_ps(), _mm512_setzero_ps()); )*
                // SAFETY: handed on from the caller; masked lanes are not touched; a prefetch may point anywhere.
                unsafe {
                    // The strip beside this one comes next: its lines are fetched meanwhile.
                    asm!(
                        "test {tokens}, {tokens}",
                        "jz 3f",
                        "2:",
                        "vmovups zmm28 {{{k0}}}{{z}}, zmmword ptr [{right}]",
                        "vmovups zmm29 {{{k1}}}{{z}}, zmmword ptr [{right} + 64]",
                        "prefetcht0 byte ptr [{right} + 128]",
                        "prefetcht0 byte ptr [{right} + 192]",
                        $(
                            concat!("vbroadcastss zmm30, dword ptr [{left} + 4*", $i, "]"),
                            concat!("vfmadd231ps ", $zl, ", zmm30, zmm28"),
                            concat!("vfmadd231ps ", $zh, ", zmm30, zmm29"),
                        )*
                        "add {left}, {left_step}",
                        "add {right}, {right_step}",
                        "dec {tokens}",
                        "jnz 2b",
                        "3:",
                        tokens = inout(reg) tile.tokens => _,
                        left = inout(reg) tile.left => _, left_step = in(reg) 4 * tile.left_stride,
                        right = inout(reg) tile.right => _, right_step = in(reg) 4 * tile.right_stride,
                        k0 = in(kreg) masks[0], k1 = in(kreg) masks[1],
                        $( inout($zl) $low, inout($zh) $high, )*
                        out("zmm28") _, out("zmm29") _, out("zmm30") _,
                        options(nostack, readonly),
                    );
                    let scale = _mm512_set1_ps(tile.scale);
                    $(
                        let out = tile.out.wrapping_add($i * tile.out_stride);
                        let new = _mm512_fmadd_ps(scale, $low, _mm512_maskz_loadu_ps(masks[0], out));
                        _mm512_mask_storeu_ps(out, masks[0], new);
                        let out = out.wrapping_add(16);
                        let new = _mm512_fmadd_ps(scale, $high, _mm512_maskz_loadu_ps(masks[1], out));
                        _mm512_mask_storeu_ps(out, masks[1], new);
                    )*
                }
            }
        };
    }

    for_each_height!(define);

    pub(super) static AVX512: [Kernel; ROWS] = [
        rows_1, rows_2, rows_3, rows_4, rows_5, rows_6, rows_7, rows_8, rows_9, rows_10, rows_11, rows_12,
        rows_13, rows_14,
    ];
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn values(count: usize, seed: usize) -> Vec<f32> {
        (0..count).map(|i| ((i * 7919 + seed * 104_729) % 2003) as f32 / 1001.5 - 1.0).collect()
    }

    fn check(isa: Isa, t: usize, r: usize, n: usize, gap: usize) {
        let (ldl, ldr, scale) = (r + gap, n + 2 * gap, 0.5f32);
        let (left, right, old) = (values(t * ldl, 1), values(t * ldr, 2), values(r * n, 3));
        let mut out = old.clone();
        outer_accumulate_with(
            isa,
            &mut out,
            scale,
            View::new(&left, t, r, ldl),
            View::new(&right, t, n, ldr),
        );
        for i in 0..r {
            for j in 0..n {
                let products = (0..t).map(|t| f64::from(left[t * ldl + i]) * f64::from(right[t * ldr + j]));
                let size: f64 = products.clone().map(f64::abs).sum();
                let expected = f64::from(old[i * n + j]) + f64::from(scale) * products.sum::<f64>();
                let error = (f64::from(out[i * n + j]) - expected).abs();
                assert!(error <= 1e-6 * (size + 1.0), "{isa} ({i}, {j}): {} for {expected}", out[i * n + j]);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        #[test]
        fn sums_of_odd_sizes(t in 0usize..300, r in 0usize..40, n in 0usize..90, gap in 0usize..9) {
            for isa in Isa::ALL {
                check(isa.at_most_supported(), t, r, n, gap);
            }
        }
    }

    #[test]
    fn a_result_does_not_depend_on_the_threads() {
        let (t, r, n) = (333, 17, 1000);
        let (left, right) = (values(t * r, 1), values(t * n, 2));
        let run = |threads| {
            let mut out = values(r * n, 3);
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                outer_accumulate(&mut out, 1.5, View::new(&left, t, r, r), View::new(&right, t, n, n))
            });
            out
        };
        assert!(run(1) == run(2));
        assert!(run(1) == run(7));
    }
}
