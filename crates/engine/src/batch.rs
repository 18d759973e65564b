//! A batch is one flat row of tokens, cut into segments: never padded.
//!
//! Training rows, prefill and decoding with a cache share this layout; attention sees only its own segment.

use std::ops::Range;

use seald_core::error::{Error, Kind, Result};

/// One sequence, or the next part of one, within a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Index of its first token in the batch.
    pub start: usize,
    /// Number of tokens, at least 1.
    pub len: usize,
    /// Tokens of the same sequence that are in the cache already: the position of its first token.
    pub past: usize,
    /// Which of the adapters given beside the batch it uses; `None` is the bare model.
    pub adapter: Option<usize>,
}

impl Segment {
    /// The segment's tokens within the batch.
    pub fn range(&self) -> Range<usize> {
        self.start..self.start + self.len
    }
}

/// Tokens of several sequences, end to end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// Token ids.
    pub tokens: Vec<u32>,
    /// The sequences, in order; together they cover `tokens`.
    pub segments: Vec<Segment>,
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// A batch of whole sequences that all use the same adapter.
    ///
    /// # Errors
    /// [`Kind::Invalid`] for an empty sequence, naming it.
    pub fn of<S: AsRef<[u32]>>(sequences: &[S], adapter: Option<usize>) -> Result<Self> {
        let mut batch = Self::new();
        for (i, tokens) in sequences.iter().enumerate() {
            batch.push(tokens.as_ref(), 0, adapter).map_err(|e| e.context(format!("sequence {i}")))?;
        }
        Ok(batch)
    }

    /// Appends a sequence, or its continuation after `past` cached tokens.
    ///
    /// # Errors
    /// [`Kind::Invalid`] when `tokens` is empty.
    pub fn push(&mut self, tokens: &[u32], past: usize, adapter: Option<usize>) -> Result<()> {
        if tokens.is_empty() {
            return Err(Error::new(Kind::Invalid, "has no tokens"));
        }
        self.segments.push(Segment { start: self.tokens.len(), len: tokens.len(), past, adapter });
        self.tokens.extend_from_slice(tokens);
        Ok(())
    }

    /// Number of tokens.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether there are no tokens.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Each token's position within its sequence.
    pub fn positions(&self) -> Vec<u32> {
        self.segments.iter().flat_map(|s| (s.past..s.past + s.len).map(|p| p as u32)).collect()
    }

    /// Runs of tokens that use the same adapter, without those that use none.
    pub fn adapter_ranges(&self) -> Vec<(usize, Range<usize>)> {
        let mut ranges: Vec<(usize, Range<usize>)> = Vec::new();
        for segment in &self.segments {
            let Some(adapter) = segment.adapter else { continue };
            match ranges.last_mut() {
                Some((last, range)) if *last == adapter && range.end == segment.start => {
                    range.end = segment.start + segment.len;
                }
                _ => ranges.push((adapter, segment.range())),
            }
        }
        ranges
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_segments_of_one_adapter_form_one_range() {
        let mut batch = Batch::new();
        for (tokens, past, adapter) in [
            (&[1, 2][..], 0, Some(0)),
            (&[3], 4, Some(0)),
            (&[4], 0, None),
            (&[5, 6], 1, Some(1)),
            (&[7], 0, Some(0)),
        ] {
            batch.push(tokens, past, adapter).unwrap();
        }
        assert_eq!(batch.adapter_ranges(), vec![(0, 0..3), (1, 4..6), (0, 6..7)]);
        assert_eq!(batch.positions(), vec![0, 1, 4, 0, 1, 2, 0]);
    }

    #[test]
    fn an_empty_sequence_is_refused_by_its_number() {
        let error = Batch::of(&[vec![1], vec![]], None).unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid);
        assert!(error.to_string().contains("sequence 1"), "{error}");
    }
}
