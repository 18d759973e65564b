//! A buffer of `u32` whose start lies on a cache line: packed panels are read in 64-byte vectors.

/// One cache line: 16 words of two bf16 each.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u32; 16]);

/// Words in cache lines. `Default` is empty.
#[derive(Clone, Default)]
pub(super) struct Lines {
    lines: Vec<Line>,
    words: usize,
}

impl Lines {
    /// Changes the length, keeping the allocation if it is large enough. Old contents stay, new words are zero.
    pub(super) fn resize(&mut self, words: usize) {
        let lines = words.div_ceil(16);
        if self.lines.is_empty() {
            // `vec!` asks for zeroed pages, `resize` would write them.
            self.lines = vec![Line([0; 16]); lines];
        } else {
            self.lines.resize(lines, Line([0; 16]));
        }
        self.words = words;
    }

    /// The words.
    pub(super) fn words(&self) -> &[u32] {
        // SAFETY: `Line` is 16 `u32` without padding and there are at least `words` of them.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.words) }
    }

    /// The words, to write.
    pub(super) fn words_mut(&mut self) -> &mut [u32] {
        // SAFETY: as in `words`; the borrow is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.words) }
    }

    /// Memory held, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.lines.capacity() * size_of::<Line>()
    }
}
