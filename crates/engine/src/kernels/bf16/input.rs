//! Activations in bf16, in the order in which the tile kernel reads them.

use super::blocks;
use super::lines::Lines;
use crate::kernels::cpu::Isa;
use half::bf16;
use rayon::prelude::*;

/// Most rows of a panel: 14 x 32 sums fill 28 of the 32 vector registers.
pub(super) const MR: usize = 14;

/// Activations x (rows, k) rounded to bf16 (to nearest, ties to even), packed once for any number of matmuls.
///
/// Panels of up to 14 rows, as equal as possible; in a panel, for each pair of inputs, one word of two bf16 per row.
#[derive(Clone, Default)]
pub struct PackedInput {
    words: Lines,
    rows: usize,
    k: usize,
}

impl std::fmt::Debug for PackedInput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PackedInput({} x {})", self.rows, self.k)
    }
}

impl PackedInput {
    /// Packs `rows` rows of `k` values: element (i, j) is `x[i * ldx + j]`.
    ///
    /// # Panics
    /// If `x` is too short.
    pub fn pack(x: &[f32], rows: usize, k: usize, ldx: usize) -> Self {
        let mut packed = Self::default();
        packed.repack(x, rows, k, ldx);
        packed
    }

    /// [`Self::pack`] into this input's memory.
    pub fn repack(&mut self, x: &[f32], rows: usize, k: usize, ldx: usize) {
        self.repack_with(Isa::detect(), x, rows, k, ldx);
    }

    pub(super) fn repack_with(&mut self, isa: Isa, x: &[f32], rows: usize, k: usize, ldx: usize) {
        assert!(
            rows == 0 || k == 0 || (k <= ldx && x.len() >= (rows - 1) * ldx + k),
            "PackedInput: {} values for {rows} rows of {k}, stride {ldx}",
            x.len()
        );
        (self.rows, self.k) = (rows, k);
        let pairs = k.div_ceil(2);
        self.words.resize(rows * pairs);
        if rows == 0 || k == 0 {
            return;
        }
        let panels: Vec<(usize, usize)> = (0..self.panels()).map(|p| self.panel_rows(p)).collect();
        let mut rest = self.words.words_mut();
        let mut tasks = Vec::with_capacity(panels.len());
        for (first, count) in panels {
            let (words, after) = rest.split_at_mut(count * pairs);
            rest = after;
            tasks.push((first, count, words));
        }
        let work = |(first, count, words): (usize, usize, &mut [u32])| {
            pack_panel(isa, &x[first * ldx..], count, k, ldx, words);
        };
        const WORTH_SHARING: usize = 1 << 15; // values; below, waking a thread costs more
        if rows * k > WORTH_SHARING && rayon::current_num_threads() > 1 {
            tasks.into_par_iter().for_each(work);
        } else {
            tasks.into_iter().for_each(work);
        }
    }

    /// Rows of x.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns of x.
    pub fn k(&self) -> usize {
        self.k
    }

    /// Memory held, in bytes.
    pub fn bytes(&self) -> usize {
        self.words.bytes()
    }

    /// Number of panels.
    pub(super) fn panels(&self) -> usize {
        self.rows.div_ceil(MR)
    }

    /// First row and number of rows (1..=14) of a panel.
    pub(super) fn panel_rows(&self, panel: usize) -> (usize, usize) {
        let panels = self.panels();
        let (each, larger) = (self.rows / panels, self.rows % panels);
        (panel * each + panel.min(larger), each + usize::from(panel < larger))
    }

    /// Pairs of inputs.
    pub(super) fn pairs(&self) -> usize {
        self.k.div_ceil(2)
    }

    /// The words of the panel whose first row and number of rows are given.
    pub(super) fn panel(&self, (first, count): (usize, usize)) -> &[u32] {
        &self.words.words()[first * self.pairs()..][..count * self.pairs()]
    }
}

/// Packs `count` rows (1..=14) of k values into `words`: word `pair * count + row`.
fn pack_panel(isa: Isa, x: &[f32], count: usize, k: usize, ldx: usize, words: &mut [u32]) {
    assert!(count <= MR && words.len() == count * k.div_ceil(2) && x.len() >= (count - 1) * ldx + k);
    #[cfg(target_arch = "x86_64")]
    if isa.has_bf16() {
        // SAFETY: the ISA is there and the assertion above bounds every access.
        unsafe { pack_panel_avx512(x, count, k, ldx, words) };
        return;
    }
    let _ = isa;
    for row in 0..count {
        let x = &x[row * ldx..][..k];
        for (pair, values) in x.chunks(2).enumerate() {
            let high = values.get(1).copied().unwrap_or(0.0);
            words[pair * count + row] = blocks::pair(bf16::from_f32(values[0]), bf16::from_f32(high));
        }
    }
}

/// # Safety
/// The bounds that `pack_panel` asserts.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn pack_panel_avx512(x: &[f32], count: usize, k: usize, ldx: usize, words: &mut [u32]) {
    use super::blocks::x86::{load_pairs, transpose16};
    use std::arch::x86_64::*;
    let lanes = ((1u32 << count) - 1) as u16;
    let pairs = k.div_ceil(2);
    let mut pair = 0;
    while pair < pairs {
        let block_pairs = (pairs - pair).min(16);
        let values = (k - 2 * pair).min(32);
        // SAFETY: `values` are left in each of the `count` rows; `block_pairs` groups of `count` words are written.
        unsafe {
            let mut block = [_mm512_setzero_si512(); 16];
            for (row, lane) in block.iter_mut().enumerate().take(count) {
                *lane = load_pairs(x.as_ptr().add(row * ldx + 2 * pair), values);
            }
            for (j, lane) in transpose16(block).into_iter().enumerate().take(block_pairs) {
                _mm512_mask_storeu_epi32(words.as_mut_ptr().add((pair + j) * count).cast(), lanes, lane);
            }
        }
        pair += block_pairs;
    }
}
