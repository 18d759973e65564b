//! Who does what to whom: the same words in another order can say the opposite.

use super::inflection::functional;
use super::reading::Reading;
use super::scan::{Gap, Kind};

/// Words that say the same from either side.
const SYMMETRIC: [&str; 18] = [
    "met", "meet", "meets", "married", "marries", "marry", "equals", "equal", "vs", "versus", "borders",
    "near", "beside", "==", "!=", "===", "&&", "||",
];
/// Longer answers say more than one thing; what changes places there may be one of them.
const WORDS: usize = 12;

/// Whether the answer has the words of the accepted one with subject and object changed: "the seller pays the buyer" for "the
/// buyer pays the seller". `places` are where the answer has each of the accepted answer's `content` words. A passive voice
/// turns the order round once more.
pub(super) fn turned(said: &Reading, gold: &Reading, content: &[usize], places: &[Option<usize>]) -> bool {
    let list = gold.says(&["and", "or"]) || gold.tokens.iter().skip(1).any(|token| token.gap == Gap::Comma);
    let Some(places) = places.iter().copied().collect::<Option<Vec<usize>>>() else { return false };
    if list || !(3..=WORDS).contains(&places.len()) {
        return false;
    }
    let mut order: Vec<usize> = (0..places.len()).collect();
    order.sort_by_key(|at| places[*at]);
    let symmetric = |pivot: usize| SYMMETRIC.contains(&gold.tokens[content[pivot]].text.as_str());
    let swapped = (1..places.len() - 1).find(|&pivot| {
        let turned = (pivot + 1..places.len()).chain([pivot]).chain(0..pivot);
        order.iter().copied().eq(turned) && !symmetric(pivot)
    });
    let span = (places.iter().min(), places.iter().max());
    let (Some(&first), Some(&last)) = span else { return false };
    let passive = gold.says(&["by"]) != said.tokens[first..=last].iter().any(|token| token.text == "by");
    if let Some(pivot) = swapped {
        return !passive && verb_like(said, gold, content[pivot]);
    }
    let kept = order.iter().copied().eq(0..places.len());
    passive && kept && places.len() == 3 && verb_like(said, gold, content[1])
}

/// Whether the word between the two that changed places is what relates them: a word of its own with no "of" or "in" about it,
/// which make names out of names ("University of Houston" and "Houston University").
fn verb_like(said: &Reading, gold: &Reading, pivot: usize) -> bool {
    let joins = |reading: &Reading| reading.says(&["of", "in", "from", "called", "named"]);
    let word = &gold.tokens[pivot];
    let relates =
        word.kind == Kind::Operator || (word.kind == Kind::Word && !word.name && !functional(&word.text));
    relates && !joins(gold) && !joins(said)
}
