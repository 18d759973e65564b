//! Which prompt that waits is begun next: requests share the places, so that one of many rows does not make another wait for its first token.

use std::collections::HashMap;

/// The prompt to begin, by its index in `waiting`, where each has its request and its number of rows, the first that came first; `under_way` are the rows that each request has.
///
/// The next place goes to the request that has the fewest. Where all `places` are taken, one that has none may begin beside them, up to as many rows again: else it would wait until
/// a row of another ends.
pub(super) fn next_to_begin(
    waiting: impl Iterator<Item = (usize, usize)>,
    under_way: &HashMap<usize, usize>,
    places: usize,
) -> Option<usize> {
    let taken: usize = under_way.values().sum();
    let has = |request: &usize| under_way.get(request).copied().unwrap_or(0);
    let (at, request, rows) = waiting
        .enumerate()
        .map(|(at, (request, rows))| (at, request, rows))
        .min_by_key(|(at, request, _)| (has(request), *at))?;
    let most = if has(&request) == 0 { 2 * places } else { places };
    (taken + rows <= most).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The requests of what begins, in order, until nothing more may.
    fn begun(mut waiting: Vec<(usize, usize)>, under_way: &[(usize, usize)], places: usize) -> Vec<usize> {
        let mut under_way: HashMap<usize, usize> = under_way.iter().copied().collect();
        let mut begun = Vec::new();
        while let Some(at) = next_to_begin(waiting.iter().copied(), &under_way, places) {
            let (request, rows) = waiting.remove(at);
            *under_way.entry(request).or_default() += rows;
            begun.push(request);
        }
        begun
    }

    #[test]
    fn a_request_of_many_rows_leaves_room_for_others() {
        assert_eq!(begun(vec![(1, 1); 64], &[], 16), vec![1; 16], "alone it takes all places");
        let behind = [vec![(1, 1); 48], vec![(2, 1), (3, 1)]].concat();
        assert_eq!(begun(behind, &[(1, 16)], 16), [2, 3], "who has none begins beside it");
        assert_eq!(begun(vec![(1, 1), (2, 1), (2, 1)], &[(1, 14)], 16), [2, 2], "the fewest first");
        assert_eq!(begun(vec![(2, 16), (3, 16), (4, 1)], &[(1, 16)], 16), [2], "up to as many again");
        assert!(begun(vec![(1, 1), (2, 1)], &[(1, 16), (3, 16)], 16).is_empty(), "then they wait");
        assert_eq!(begun(vec![(5, 1), (4, 1)], &[], 1), [5, 4], "in the order in which they came");
    }
}
