//! Which rows to read together: the beginnings that several of them have in common are read once.

use super::score::ScoreRow;

/// Fewest tokens that sharing a beginning must save: it costs passes of its own, which are less full.
const WORTH_SHARING: usize = 256;

/// Rows that are read together: those that share a beginning, or the rest of an adapter's rows.
#[derive(Debug, PartialEq)]
pub(super) struct Group {
    pub(super) rows: Vec<usize>,
    /// Tokens at their beginning that are read once, 0 or enough to be worth it.
    pub(super) shared: usize,
}

impl Group {
    /// Tokens to read. The last token of a row predicts nothing.
    pub(super) fn tokens(&self, rows: &[ScoreRow]) -> usize {
        self.shared + self.rows.iter().map(|&i| rows[i].tokens.len() - 1 - self.shared).sum::<usize>()
    }
}

/// Sorts rows so that those of one adapter, and those that begin alike, are neighbours, and finds the beginnings
/// that are worth sharing.
pub(super) fn groups(rows: &[ScoreRow]) -> Vec<Group> {
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by(|&a, &b| (rows[a].adapter, &rows[a].tokens).cmp(&(rows[b].adapter, &rows[b].tokens)));
    let (mut groups, mut plain) = (Vec::new(), Vec::new());
    let mut rest = &order[..];
    while let [first, ..] = rest {
        let (count, shared) = sharing(rows, rest);
        if shared > 0 {
            groups.push(Group { rows: rest[..count].to_vec(), shared });
            rest = &rest[count..];
        } else {
            plain.push(*first);
            rest = &rest[1..];
        }
    }
    groups.push(Group { rows: plain, shared: 0 });
    groups
}

/// How many of the sorted rows `order` should share how long a beginning with the first of them: (rows, tokens),
/// (1, 0) if it is not worth it. The choice saves the most tokens for each of its rows, so that the few words all
/// rows begin with do not stand in the way of a long passage that some of them share.
fn sharing(rows: &[ScoreRow], order: &[usize]) -> (usize, usize) {
    let head = &rows[order[0]];
    // The state before a row's first predicted token must be its own.
    let mut shared = head.first - 1;
    let (mut best, mut best_saved) = ((1, 0), 0.0);
    for (i, &row) in order.iter().enumerate().skip(1) {
        let row = &rows[row];
        if row.adapter != head.adapter {
            break;
        }
        let alike = head.tokens.iter().zip(&row.tokens).take_while(|(a, b)| a == b).count();
        shared = shared.min(alike).min(row.first - 1);
        if shared as f64 <= best_saved {
            break;
        }
        let saved = (i * shared) as f64 / (i + 1) as f64;
        if i * shared >= WORTH_SHARING && saved > best_saved {
            (best, best_saved) = ((i + 1, shared), saved);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(beginning: &[u32], end: u32, adapter: Option<usize>) -> ScoreRow {
        let tokens = [beginning, &[end, end]].concat();
        ScoreRow { first: beginning.len() + 1, tokens, adapter }
    }

    #[test]
    fn long_beginnings_are_shared_although_all_rows_begin_alike() {
        let passage = |n: u32| -> Vec<u32> { (0..10).chain(std::iter::repeat_n(100 + n, 190)).collect() };
        let mut rows: Vec<ScoreRow> = (0..9).map(|i| row(&passage(i % 3), 50 + i, None)).collect();
        rows.push(row(&passage(0), 60, Some(0))); // another adapter has other states
        let found = groups(&rows);
        let group = |rows: &[usize], shared| Group { rows: rows.to_vec(), shared };
        let expected =
            [group(&[0, 3, 6], 200), group(&[1, 4, 7], 200), group(&[2, 5, 8], 200), group(&[9], 0)];
        assert_eq!(found, expected);
        assert_eq!(found.iter().map(|g| g.tokens(&rows)).sum::<usize>(), 3 * (200 + 3) + 201);
    }

    #[test]
    fn a_beginning_is_not_shared_beyond_the_first_predicted_token() {
        let tokens: Vec<u32> = (0..400).collect();
        let rows = [300, 200, 390].map(|first| ScoreRow { tokens: tokens.clone(), first, adapter: None });
        let found = groups(&rows);
        assert_eq!(found[0], Group { rows: vec![0, 1, 2], shared: 199 });
    }

    #[test]
    fn short_beginnings_are_not_worth_sharing() {
        let rows: Vec<ScoreRow> = (0..4).map(|i| row(&[1, 2, 3], i, None)).collect();
        assert_eq!(groups(&rows), [Group { rows: vec![0, 1, 2, 3], shared: 0 }]);
    }
}
