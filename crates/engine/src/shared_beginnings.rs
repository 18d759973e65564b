//! Which beginnings sequences have in common, so that each is read once: a tree, for questions about one passage share the
//! passage, and the answers to one of them share the question, too.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use super::batch::Batch;
use super::cache::KvCache;
use super::decoder::{ActiveAdapter, Decoder};
use seald_core::error::Result;

/// Fewest tokens that sharing a beginning must save: it may need a pass of its own, which reads all weights, and that costs about as much
/// as so many tokens more in a full one.
const WORTH_SHARING: usize = 64;
/// Most tokens that the sequences of one pass hold in the cache, as a multiple of the tokens that a pass may read: each sequence that goes on
/// from a shared beginning gets a copy of it.
const CACHED: usize = 8;

/// What decides whether two sequences begin alike.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key<'a> {
    /// Another adapter has other states.
    pub(super) adapter: Option<usize>,
    /// The tokens that may be shared. Each sequence goes on after them by a token at least.
    pub(super) tokens: &'a [u32],
}

/// Tokens that several sequences begin with.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Beginning {
    /// A sequence that has them.
    pub(super) row: usize,
    /// Which of its tokens, after those of the beginning above; none for what stands above all sequences of an adapter.
    pub(super) range: Range<usize>,
    /// Longer beginnings that go on from here.
    pub(super) longer: Vec<Beginning>,
    /// Sequences that go on from here by themselves.
    pub(super) rows: Vec<usize>,
}

/// The beginnings that are worth sharing, one tree for each adapter.
pub(super) fn trees(keys: &[Key<'_>]) -> Vec<Beginning> {
    let mut order: Vec<usize> = (0..keys.len()).collect();
    order.sort_by_key(|&row| (keys[row].adapter, keys[row].tokens));
    let of_one_adapter = order.chunk_by(|&a, &b| keys[a].adapter == keys[b].adapter);
    let tree = |rows: &[usize]| {
        let mut top = Beginning::default();
        match alike(keys, rows) {
            // All of them may begin alike.
            shared if worth(rows.len(), shared) => top.longer.push(beginning(keys, rows, 0..shared)),
            shared => top.branch(keys, rows, shared),
        }
        top
    };
    of_one_adapter.map(tree).collect()
}

/// Tokens that all of some sorted rows begin with.
fn alike(keys: &[Key<'_>], rows: &[usize]) -> usize {
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return 0 };
    let (first, last) = (keys[*first].tokens, keys[*last].tokens);
    first.iter().zip(last).take_while(|(a, b)| a == b).count()
}

fn worth(rows: usize, tokens: usize) -> bool {
    rows.saturating_sub(1) * tokens >= WORTH_SHARING
}

fn beginning(keys: &[Key<'_>], rows: &[usize], range: Range<usize>) -> Beginning {
    let shared = range.end;
    let mut found = Beginning { row: rows[0], range, ..Beginning::default() };
    found.branch(keys, rows, shared);
    found
}

impl Beginning {
    /// Puts sorted rows that have `shared` tokens in common below this beginning, which may be shorter than that.
    fn branch(&mut self, keys: &[Key<'_>], rows: &[usize], shared: usize) {
        for part in rows.chunk_by(|&a, &b| alike(keys, &[a, b]) > shared) {
            if let [row] = part {
                self.rows.push(*row);
                continue;
            }
            let longer = alike(keys, part);
            match worth(part.len(), longer - self.range.end) {
                true => self.longer.push(beginning(keys, part, self.range.end..longer)),
                false => self.branch(keys, part, longer),
            }
        }
    }

    /// Tokens to read, if sequence `row` is read up to `end(row)`.
    pub(super) fn tokens(&self, end: &impl Fn(usize) -> usize) -> usize {
        let longer: usize = self.longer.iter().map(|below| below.tokens(end)).sum();
        let rows: usize = self.rows.iter().map(|&row| end(row) - self.range.end).sum();
        self.range.len() + longer + rows
    }
}

/// Part of a sequence that is to be read.
pub(super) struct Part<'t> {
    /// Whose.
    pub(super) row: usize,
    /// Which of its tokens; those before them are in the cache.
    pub(super) range: Range<usize>,
    /// Where the beginning that it goes on from stands in the cache; none: it stands for itself.
    pub(super) after: Option<usize>,
    /// What goes on from it, if it is a shared beginning.
    pub(super) below: Option<&'t Beginning>,
}

/// The parts that go on from a beginning, sequence `row` up to `end(row)`.
pub(super) fn parts_below<'t>(
    beginning: &'t Beginning,
    slot: Option<usize>,
    end: &impl Fn(usize) -> usize,
) -> Vec<Part<'t>> {
    let from = beginning.range.end;
    let longer = beginning.longer.iter().map(|below| Part {
        row: below.row,
        range: below.range.clone(),
        after: slot,
        below: Some(below),
    });
    let rows =
        beginning.rows.iter().map(|&row| Part { row, range: from..end(row), after: slot, below: None });
    longer.chain(rows).collect()
}

/// How many of the parts, from the first on, one pass of at most `most` tokens takes.
pub(super) fn fit(parts: &[Part<'_>], most: usize) -> usize {
    let (mut read, mut cached) = (0, 0);
    let fits = |part: &&Part<'_>| {
        read += part.range.len();
        cached += part.range.end;
        read <= most && cached <= most.saturating_mul(CACHED)
    };
    parts.iter().take_while(fits).count().max(1)
}

/// Beginnings of prompts that stand in a cache.
pub(super) struct Read {
    /// For each prompt the slot of the longest beginning that it shares with others, and how many tokens are in it.
    pub(super) after: Vec<Option<(usize, usize)>>,
    /// All slots that were taken.
    pub(super) slots: Vec<usize>,
}

/// Reads the beginnings that prompts share into a cache, at most `most` tokens in a pass; no more of them once `cancel` is set.
///
/// # Errors
/// From the decoder.
pub(super) fn read_beginnings(
    decoder: &Decoder,
    adapters: &[ActiveAdapter<'_>],
    cache: &mut KvCache,
    keys: &[Key<'_>],
    most: usize,
    cancel: &AtomicBool,
) -> Result<Read> {
    let mut found = Read { after: vec![None; keys.len()], slots: Vec::new() };
    let trees = trees(keys);
    let mut open: Vec<(&Beginning, Option<usize>)> = trees.iter().map(|tree| (tree, None)).collect();
    while let Some((beginning, above)) = open.pop()
        && !cancel.load(Ordering::Relaxed)
    {
        let mut slot = above;
        if !beginning.range.is_empty() {
            let own = cache.after(above);
            let Key { adapter, tokens } = keys[beginning.row];
            for start in beginning.range.clone().step_by(most) {
                let mut batch = Batch::new();
                batch.push(&tokens[start..beginning.range.end.min(start + most)], start, adapter)?;
                decoder.compute().run(|| decoder.forward(&batch, adapters, Some((cache, &[own]))))?;
            }
            found.slots.push(own);
            slot = Some(own);
        }
        for &row in &beginning.rows {
            found.after[row] = slot.map(|slot| (slot, beginning.range.end));
        }
        open.extend(beginning.longer.iter().map(|below| (below, slot)));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A beginning as `[tokens; longer; rows]`.
    fn told(beginning: &Beginning) -> String {
        let longer: Vec<String> = beginning.longer.iter().map(told).collect();
        format!("[{:?} {} {:?}]", beginning.range, longer.concat(), beginning.rows)
    }

    fn trees_of(rows: &[(Option<usize>, Vec<u32>)]) -> Vec<String> {
        let keys: Vec<Key<'_>> =
            rows.iter().map(|(adapter, tokens)| Key { adapter: *adapter, tokens }).collect();
        trees(&keys).iter().map(told).collect()
    }

    #[test]
    fn answers_share_their_question_and_questions_their_passage() {
        // Two passages after ten common tokens, each with two questions of forty, each with three answers.
        let key = |passage: u32, question: u32| -> Vec<u32> {
            let common = 0..10;
            common
                .chain(std::iter::repeat_n(100 + passage, 190))
                .chain(std::iter::repeat_n(200 + question, 40))
                .collect()
        };
        let mut rows = Vec::new();
        for passage in 0..2 {
            for question in 0..2 {
                rows.extend((0..3).map(|_| (None, key(passage, question))));
            }
        }
        rows.push((Some(0), key(0, 0)));
        let passage = |first: usize| {
            let question = |row: usize| format!("[200..240  [{row}, {}, {}]]", row + 1, row + 2);
            format!("[10..200 {}{} []]", question(first), question(first + 3))
        };
        let base = format!("[0..0 [0..10 {}{} []] []]", passage(0), passage(6));
        assert_eq!(trees_of(&rows), [base, "[0..0  [12]]".to_string()]);
    }

    #[test]
    fn a_beginning_ends_where_a_row_begins_to_be_predicted() {
        let tokens: Vec<u32> = (0..400).collect();
        let rows = [300, 200, 390].map(|first| (None, tokens[..first].to_vec()));
        assert_eq!(trees_of(&rows), ["[0..0 [0..200 [200..300  [0, 2]] [1]] []]"]);
    }

    #[test]
    fn short_beginnings_are_not_worth_sharing() {
        let rows: Vec<(Option<usize>, Vec<u32>)> = (0..4).map(|i| (None, vec![1, 2, 3, i])).collect();
        assert_eq!(trees_of(&rows), ["[0..0  [0, 1, 2, 3]]"]);
    }

    #[test]
    fn a_branch_that_is_not_worth_it_does_not_hide_one_below_it() {
        // Rows 0-2 share two tokens with row 3, too little, and sixty among themselves.
        let long = |end: u32| -> Vec<u32> { [1, 2].into_iter().chain(vec![7; 58]).chain([end]).collect() };
        let rows = vec![(None, long(1)), (None, long(2)), (None, long(3)), (None, vec![1, 2, 9])];
        assert_eq!(trees_of(&rows), ["[0..0 [0..60  [0, 1, 2]] [3]]"]);
    }

    #[test]
    fn a_pass_takes_what_fits() {
        let part = |range: Range<usize>| Part { row: 0, range, after: None, below: None };
        let parts = [part(0..60), part(0..40), part(0..1)];
        assert_eq!(fit(&parts, 100), 2);
        assert_eq!(fit(&parts, 10), 1, "what is longer than a pass is read in several");
        // Two tokens each, but copies of a long beginning.
        let copies: Vec<Part<'_>> = (0..9).map(|_| part(300..302)).collect();
        assert_eq!(fit(&copies, 100), 2);
    }
}
