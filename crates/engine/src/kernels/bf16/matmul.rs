//! y (+)= x Wᵀ: blocks for the caches, shared among the threads of the current rayon pool.

use super::input::{MR, PackedInput};
use super::tile::{Segment, Tile, finish_streaming, kernel};
use super::weight::{NR, PackedWeight};
use crate::kernels::cpu::Isa;
use std::ops::Range;
use std::sync::Mutex;

/// A further product for some columns of y, summed while they are still in registers: `y[:, columns] += input weightᵀ`.
///
/// The LoRA up-projection: input h (rows, r), weight B (columns, r), the scale already in one of them.
#[derive(Debug, Clone)]
pub struct Tail<'a> {
    /// (rows, r), as many rows as x.
    pub input: &'a PackedInput,
    /// (columns.len(), r)
    pub weight: &'a PackedWeight,
    /// The columns of y. Free of extra work if they start at a multiple of 32.
    pub columns: Range<usize>,
}

/// y = x Wᵀ + tails, or y += ... if `accumulate` is set. y is (rows, n), dense.
///
/// Sums in f32 over bf16 products. Each element's order of summation depends on k alone: the same bits for any number of
/// threads and whatever the other rows are.
///
/// # Panics
/// If the shapes do not fit one another.
pub fn matmul(x: &PackedInput, w: &PackedWeight, y: &mut [f32], accumulate: bool, tails: &[Tail<'_>]) {
    matmul_with(Isa::detect(), x, w, y, accumulate, tails);
}

pub(super) fn matmul_with(
    isa: Isa,
    x: &PackedInput,
    w: &PackedWeight,
    y: &mut [f32],
    accumulate: bool,
    tails: &[Tail<'_>],
) {
    check(x, w, y.len(), tails);
    // SAFETY: `y` is exclusively ours, has the size just checked, and is initialised.
    unsafe { run(isa, x, w, y.as_mut_ptr(), accumulate, tails) };
}

/// [`matmul`] into a new vector, which is not zero-filled first.
pub fn matmul_new(x: &PackedInput, w: &PackedWeight, tails: &[Tail<'_>]) -> Vec<f32> {
    let size = x.rows() * w.n();
    check(x, w, size, tails);
    let mut y = Vec::with_capacity(size);
    // SAFETY: `y` is exclusively ours and has room for `size` elements, which `run` writes before anything reads them.
    unsafe {
        run(Isa::detect(), x, w, y.as_mut_ptr(), false, tails);
        y.set_len(size);
    }
    y
}

fn check(x: &PackedInput, w: &PackedWeight, size: usize, tails: &[Tail<'_>]) {
    assert_eq!(x.k(), w.k(), "matmul: {x:?} does not fit {w:?}");
    assert_eq!(size, x.rows() * w.n(), "matmul: size of y for {x:?} and {w:?}");
    for Tail { input, weight, columns } in tails {
        let fits = input.rows() == x.rows()
            && input.k() == weight.k()
            && weight.n() == columns.len()
            && columns.start <= columns.end
            && columns.end <= w.n();
        assert!(
            fits,
            "matmul: tail {input:?}, {weight:?} does not fit columns {columns:?} of {} x {}",
            x.rows(),
            w.n()
        );
    }
}

/// # Safety
/// The shapes have been checked; `y` is exclusively the caller's, and initialised if `accumulate` is set.
unsafe fn run(
    isa: Isa,
    x: &PackedInput,
    w: &PackedWeight,
    y: *mut f32,
    accumulate: bool,
    tails: &[Tail<'_>],
) {
    let (aligned, others): (Vec<_>, Vec<_>) = tails.iter().partition(|tail| tail.columns.start % NR == 0);
    // SAFETY: handed on from the caller.
    unsafe { Plan::new(Product { isa, x, w, y, ldy: w.n(), accumulate, tails: aligned }).run() };
    for tail in others {
        // SAFETY: the columns lie within y, which is initialised by now.
        unsafe {
            let y = y.add(tail.columns.start);
            let (x, tails) = (tail.input, Vec::new());
            Plan::new(Product { isa, x, w: tail.weight, y, ldy: w.n(), accumulate: true, tails }).run();
        }
    }
}

/// Pairs of k in a block, at most. Deep tiles hide the cost of their start and end, and y is touched less often; a panel
/// of w (304 KiB at this depth) still fits the second-level cache beside the block of x.
const MAX_PAIRS: usize = 2432;
/// The same for a w that comes from memory at every reading, [`LARGE_WEIGHT`]: shallow blocks of x hold more rows, so that
/// w is read less often.
const MAX_PAIRS_LARGE: usize = 1216;
/// Bytes of w that no third-level cache is sure to keep.
const LARGE_WEIGHT: usize = 24 << 20;
/// Words of x in a block, at most: 640 KiB of a second-level cache of 1 MiB.
const BLOCK_WORDS: usize = 160 << 10;
/// An x larger than this, in bytes, is worked through in several passes over k, so that the threads read the same part of
/// it at about the same time.
const PASS_BYTES: usize = 16 << 20;
/// A y larger than this, in bytes, is written past the caches: it would drive out everything else, and reading its lines
/// before writing them costs 3 % of a head over 151,936 tokens.
const STREAM_BYTES: usize = 32 << 20;

/// One matmul: y, of `ldy` elements a row, = or += x Wᵀ + tails.
struct Product<'a> {
    isa: Isa,
    x: &'a PackedInput,
    w: &'a PackedWeight,
    y: *mut f32,
    ldy: usize,
    accumulate: bool,
    tails: Vec<&'a Tail<'a>>,
}

/// A matmul, cut into blocks.
struct Plan<'a> {
    of: Product<'a>,
    /// Panels of x that are worked through together: their block stays in the second-level cache.
    row_panels: usize,
    /// Pairs of k that are worked through together: a multiple of 8.
    block_pairs: usize,
    /// Write y past the caches.
    stream: bool,
}

// SAFETY: `y` is only written in the panels that a task has taken from the queue, which no other task gets.
unsafe impl Sync for Plan<'_> {}

impl<'a> Plan<'a> {
    fn new(of: Product<'a>) -> Self {
        let Product { x, w, y, ldy, accumulate, .. } = of;
        let pairs = w.pairs();
        let max_pairs = if x.panels() <= 2 && x.rows() * pairs <= BLOCK_WORDS {
            // One or two panels of x are read again for each panel of w from the cache at little cost, and w, which
            // comes from memory, is then read straight through.
            pairs.max(1)
        } else if w.panels() * NR * pairs * size_of::<u32>() <= LARGE_WEIGHT {
            MAX_PAIRS
        } else {
            MAX_PAIRS_LARGE
        };
        let blocks = pairs.div_ceil(max_pairs).max(1);
        let block_pairs = pairs.div_ceil(blocks).next_multiple_of(8);
        let max_panels = (BLOCK_WORDS / (block_pairs.max(1) * MR)).max(1);
        let row_blocks = x.panels().div_ceil(max_panels).max(1);
        let row_panels = x.panels().div_ceil(row_blocks);
        let on_lines = (y as usize).is_multiple_of(64) && ldy.is_multiple_of(16);
        let stream = on_lines && !accumulate && x.rows() * w.n() * size_of::<f32>() > STREAM_BYTES;
        Self { of, row_panels, block_pairs, stream }
    }

    /// # Safety
    /// As for `super::run`.
    unsafe fn run(&self) {
        if self.of.x.rows() == 0 || self.of.w.n() == 0 {
            return;
        }
        let threads = rayon::current_num_threads();
        let work = self.of.x.rows() * self.of.w.panels() * self.of.w.pairs();
        const WORTH_SHARING: usize = 1 << 13; // vector products; below, waking a thread costs more
        let threads = if work < WORTH_SHARING { 1 } else { threads };
        let pairs = self.of.w.pairs();
        let size = self.of.x.rows() * pairs * size_of::<u32>();
        let passes = if threads == 1 { 1 } else { size.div_ceil(PASS_BYTES).max(1) };
        let pass = pairs.div_ceil(passes).next_multiple_of(self.block_pairs.max(1)).max(1);
        let mut first = 0;
        loop {
            let depth = first..pairs.min(first + pass);
            let queue = Queue::new(self.of.x.panels().div_ceil(self.row_panels), self.of.w.panels(), threads);
            share(threads, &|| {
                while let Some((block, panels)) = queue.take() {
                    // SAFETY: the queue gives each block of y to one task.
                    unsafe { self.block(block, panels, depth.clone()) };
                }
                if self.stream {
                    finish_streaming();
                }
            });
            first += pass;
            if first >= pairs {
                return;
            }
        }
    }

    /// Adds up the rows of one block for some panels of w and some pairs of k.
    ///
    /// # Safety
    /// Nobody else works on these elements of y.
    unsafe fn block(&self, row_block: usize, panels: Range<usize>, depth: Range<usize>) {
        let rows: Vec<(usize, usize)> = (row_block * self.row_panels..self.of.x.panels())
            .take(self.row_panels)
            .map(|panel| self.of.x.panel_rows(panel))
            .collect();
        let pairs = self.of.w.pairs();
        let mut segments = Vec::with_capacity(1 + self.of.tails.len());
        let mut first = depth.start;
        loop {
            let count = self.block_pairs.min(depth.end - first);
            let is_last = first + count == pairs;
            // The tiles of a panel share the work of fetching the next one.
            let fetch_step = (size_of::<u32>() * NR).div_ceil(rows.len()).next_multiple_of(4);
            for panel in panels.clone() {
                let b = &self.of.w.panel(panel)[first * NR..][..count * NR];
                let mut fetch = b.as_ptr().wrapping_add(pairs * NR);
                let columns = NR.min(self.of.w.n() - panel * NR);
                for (i, &(row, height)) in rows.iter().enumerate() {
                    segments.clear();
                    let a = &self.of.x.panel((row, height))[first * height..][..count * height];
                    segments.push(Segment { a: a.as_ptr(), b: b.as_ptr(), pairs: count });
                    if is_last {
                        self.add_tails(panel, (row, height), &mut segments);
                    }
                    let (next_row, next_panel) =
                        if i + 1 < rows.len() { (rows[i + 1].0, panel) } else { (rows[0].0, panel + 1) };
                    let tile = Tile {
                        c: self.of.y.wrapping_add(row * self.of.ldy + panel * NR),
                        ldc: self.of.ldy,
                        columns,
                        load: self.of.accumulate || first > 0,
                        stream: self.stream && is_last,
                        next_c: self.of.y.wrapping_add(next_row * self.of.ldy + next_panel * NR),
                        fetch,
                        fetch_step,
                    };
                    fetch = fetch.wrapping_add(count * fetch_step / size_of::<u32>());
                    // SAFETY: the slices above have the words that the segments claim, the tile lies within y, and it
                    // is initialised where it is loaded: by the caller or by the first block.
                    unsafe { kernel(self.of.isa, height, columns)(&segments, &tile) };
                }
            }
            first += count;
            if first == depth.end {
                return;
            }
        }
    }

    fn add_tails(&self, panel: usize, rows: (usize, usize), segments: &mut Vec<Segment>) {
        for tail in &self.of.tails {
            let own = panel.wrapping_sub(tail.columns.start / NR);
            if own < tail.weight.panels() {
                let (a, b) = (tail.input.panel(rows), tail.weight.panel(own));
                segments.push(Segment { a: a.as_ptr(), b: b.as_ptr(), pairs: tail.weight.pairs() });
            }
        }
    }
}

/// The blocks that are left: large ones first, small ones at the end, so that no thread waits long for another.
struct Queue {
    next: Mutex<usize>,
    blocks: usize,
    panels: usize,
    threads: usize,
}

impl Queue {
    fn new(blocks: usize, panels: usize, threads: usize) -> Self {
        Self { next: Mutex::new(0), blocks, panels, threads }
    }

    /// A row block and a range of panels.
    fn take(&self) -> Option<(usize, Range<usize>)> {
        let mut next = self.next.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let left = self.blocks * self.panels - *next;
        if left == 0 {
            return None;
        }
        let (block, first) = (*next / self.panels, *next % self.panels);
        let share = if self.threads == 1 { left } else { (left / (3 * self.threads)).max(1) };
        let count = share.min(self.panels - first);
        *next += count;
        Some((block, first..first + count))
    }
}

/// Runs `work` on `threads` threads of the pool; one that comes late finds nothing left to do.
fn share(threads: usize, work: &(dyn Fn() + Sync)) {
    if threads <= 1 {
        return work();
    }
    rayon::join(work, || share(threads - 1, work));
}
