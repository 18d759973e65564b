//! Frozen weights in the order in which the tile kernel reads them.

use super::blocks::{self, LANES};
use super::lines::Lines;
use crate::kernels::cpu::Isa;
use half::bf16;
use rayon::prelude::*;

/// Output columns of a panel.
pub(super) const NR: usize = 32;

/// Reads row `i` of a weight into a slice of k values.
pub type RowReader<'a> = dyn Fn(usize, &mut [bf16]) + Sync + 'a;

/// Weight W (n, k) of a linear layer y = x Wᵀ, rounded to bf16 and packed once.
///
/// Panels of 32 output columns; in a panel, for each pair of inputs (2j, 2j + 1), 32 words of two bf16: the operand of
/// `vdpbf16ps`. n and k are zero-padded to whole panels and pairs. 2 bytes an element.
#[derive(Clone, Default)]
pub struct PackedWeight {
    words: Lines,
    n: usize,
    k: usize,
}

impl std::fmt::Debug for PackedWeight {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PackedWeight({} x {})", self.n, self.k)
    }
}

impl PackedWeight {
    /// Packs n rows of k values, as `read` gives them. Rows are read once, by several threads, in any order.
    pub fn from_rows(n: usize, k: usize, read: impl Fn(usize, &mut [bf16]) + Sync) -> Self {
        let mut packed = Self::default();
        packed.fill(Isa::detect(), n, k, &read);
        packed
    }

    /// Packs several weights of k inputs one below the other (q | k | v, gate | up): rows of each and their reader, which
    /// counts from 0 for each part.
    pub fn from_parts(k: usize, parts: &[(usize, &RowReader<'_>)]) -> Self {
        let n = parts.iter().map(|part| part.0).sum();
        Self::from_rows(n, k, |mut row, out| {
            for (rows, read) in parts {
                if row < *rows {
                    return read(row, out);
                }
                row -= rows;
            }
        })
    }

    /// Packs f32: element (i, j) of W is `data[i * stride + j]`.
    ///
    /// # Panics
    /// If `data` is too short.
    pub fn from_f32(n: usize, k: usize, data: &[f32], stride: usize) -> Self {
        let mut packed = Self::default();
        packed.pack_f32(n, k, data, stride);
        packed
    }

    /// Packs the transpose of f32: element (i, j) of W is `data[j * stride + i]`.
    ///
    /// # Panics
    /// If `data` is too short.
    pub fn from_f32_transposed(n: usize, k: usize, data: &[f32], stride: usize) -> Self {
        let mut packed = Self::default();
        packed.pack_f32_transposed(n, k, data, stride);
        packed
    }

    /// [`Self::from_f32`] into this weight's memory: for LoRA matrices, which change at every step.
    pub fn pack_f32(&mut self, n: usize, k: usize, data: &[f32], stride: usize) {
        assert!(
            holds(data.len(), n, k, stride),
            "pack_f32: {} values for {n} rows of {k}, stride {stride}",
            data.len()
        );
        let isa = Isa::detect();
        self.fill(isa, n, k, &|row, out| blocks::round(isa, &data[row * stride..][..k], out));
    }

    /// [`Self::from_f32_transposed`] into this weight's memory.
    pub fn pack_f32_transposed(&mut self, n: usize, k: usize, data: &[f32], stride: usize) {
        assert!(
            holds(data.len(), k, n, stride),
            "pack_f32_transposed: {} values for {k} rows of {n}, stride {stride}",
            data.len()
        );
        self.resize(n, k);
        if n == 0 || k == 0 {
            return;
        }
        let (isa, pairs, zeros) = (Isa::detect(), k.div_ceil(2), [0f32; NR]);
        // Two rows of `data` hold a row of each panel as it must be, but for the pairing.
        let pack_panel = |(panel, words): (usize, &mut [u32])| {
            let columns = panel * NR..n.min((panel + 1) * NR);
            for (pair, words) in words.chunks_exact_mut(NR).enumerate() {
                let even = &data[2 * pair * stride..][columns.clone()];
                let odd = match 2 * pair + 1 < k {
                    true => &data[(2 * pair + 1) * stride..][columns.clone()],
                    false => &zeros[..columns.len()],
                };
                let (words, padding) = words.split_at_mut(columns.len());
                blocks::pair_rows(isa, even, odd, words);
                padding.fill(0);
            }
        };
        for_each_chunk(self.words.words_mut(), pairs * NR, pack_panel);
    }

    /// Rows of W: outputs of the layer.
    pub fn n(&self) -> usize {
        self.n
    }

    /// Columns of W: inputs of the layer.
    pub fn k(&self) -> usize {
        self.k
    }

    /// Memory held, in bytes.
    pub fn bytes(&self) -> usize {
        self.words.bytes()
    }

    /// Row `i` of W as f32 (an embedding): exactly the rounded values.
    ///
    /// # Panics
    /// If `i >= n` or `out` has not k values.
    pub fn row(&self, i: usize, out: &mut [f32]) {
        assert!(i < self.n, "row {i} of {self:?}");
        assert_eq!(out.len(), self.k, "a row of {self:?}");
        let words = self.panel(i / NR).iter().skip(i % NR).step_by(NR);
        for (out, &word) in out.chunks_mut(2).zip(words) {
            out[0] = f32::from_bits(word << 16);
            if let Some(odd) = out.get_mut(1) {
                *odd = f32::from_bits(word & 0xffff_0000);
            }
        }
    }

    /// Wᵀ (k, n), packed: the weight of the backward pass dx = dy W.
    pub fn transposed(&self) -> PackedWeight {
        self.transposed_with(Isa::detect())
    }

    pub(super) fn transposed_with(&self, isa: Isa) -> PackedWeight {
        let mut out = PackedWeight::default();
        out.resize(self.k, self.n);
        let (pairs, own_pairs) = (out.pairs(), self.pairs());
        for_each_chunk(out.words.words_mut(), (pairs * NR).max(1), |(panel, words)| {
            // Panel `panel` of the result: 32 values k, that is 16 pairs of each of our panels.
            let first = panel * NR / 2;
            let count = NR.min(2 * (own_pairs - first)) / 2;
            let (mut block, mut turned) = ([0u32; 512], [0u32; 512]);
            for (source, target) in (0..self.panels()).zip(words.chunks_mut(512)) {
                block[..count * NR].copy_from_slice(&self.panel(source)[first * NR..][..count * NR]);
                blocks::transpose_block(isa, &block, &mut turned);
                target.copy_from_slice(&turned[..target.len()]);
            }
        });
        out
    }

    /// Panels of 32 columns.
    pub(super) fn panels(&self) -> usize {
        self.n.div_ceil(NR)
    }

    /// Pairs of inputs.
    pub(super) fn pairs(&self) -> usize {
        self.k.div_ceil(2)
    }

    /// The words of one panel: `pairs` rows of 32.
    pub(super) fn panel(&self, panel: usize) -> &[u32] {
        let words = self.pairs() * NR;
        &self.words.words()[panel * words..][..words]
    }

    fn resize(&mut self, n: usize, k: usize) {
        (self.n, self.k) = (n, k);
        self.words.resize(n.div_ceil(NR) * NR * k.div_ceil(2));
    }

    pub(super) fn fill(&mut self, isa: Isa, n: usize, k: usize, read: &RowReader<'_>) {
        self.resize(n, k);
        if n == 0 || k == 0 {
            return;
        }
        let pairs = self.pairs();
        let length = k.next_multiple_of(2 * LANES);
        for_each_chunk(self.words.words_mut(), pairs * NR, |(panel, words)| {
            let mut rows = vec![bf16::ZERO; LANES * length];
            for side in 0..NR / LANES {
                for (lane, out) in rows.chunks_exact_mut(length).enumerate() {
                    let row = panel * NR + side * LANES + lane;
                    if row < n {
                        read(row, &mut out[..k]);
                    } else {
                        out.fill(bf16::ZERO);
                    }
                }
                blocks::interleave_rows(isa, &rows, pairs, &mut words[side * LANES..], NR);
            }
        });
    }
}

/// Is `length` enough for `rows` rows of `columns` values at this stride?
fn holds(length: usize, rows: usize, columns: usize, stride: usize) -> bool {
    rows == 0 || columns == 0 || (columns <= stride && length >= (rows - 1) * stride + columns)
}

/// Runs `work` on numbered chunks, in parallel where there is enough to share.
fn for_each_chunk(words: &mut [u32], chunk: usize, work: impl Fn((usize, &mut [u32])) + Sync) {
    const WORTH_SHARING: usize = 1 << 15; // words; below, waking a thread costs more
    if words.len() > WORTH_SHARING && rayon::current_num_threads() > 1 {
        words.par_chunks_mut(chunk).enumerate().for_each(&work);
    } else {
        words.chunks_mut(chunk).enumerate().for_each(&work);
    }
}
